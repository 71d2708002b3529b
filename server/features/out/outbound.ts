/**
 * One POST to an address that a party has named, without access to this operator's own network.
 *
 * The connection goes to the address that was checked: names are resolved here, at each connection,
 * so a name that points elsewhere the next time gains nothing. Public unicast addresses pass; other
 * addresses only if `allowed` (CIDR) contains them, and plain http goes only to those. A redirect
 * is an answer like any other. Environment proxies are ignored, certificates are checked.
 *
 * Does not own: what is sent, and when it is retried (deliverer.ts). Nothing of an answer's body is
 * kept.
 */
import { lookup } from "node:dns/promises";
import { isIP, type LookupFunction } from "node:net";
import ipaddr from "ipaddr.js";
import { Agent, buildConnector, request } from "undici";

/**
 * Why an attempt has no status, in words that tell a party about its endpoint and nothing about
 * this network: a name that does not exist and one that leads inside are both `address-refused`.
 */
export type Fault =
  | "address-refused"
  | "connection-refused"
  | "connection-lost"
  | "tls"
  | "timeout";

/** The result of one attempt. `retryAfterMs`: the receiver's request, if any. */
export type Attempt = { status?: number; fault?: Fault; ms: number; retryAfterMs?: number };

export type Outbound = {
  /**
   * Never throws for the other side's behaviour. `signal` aborts it: then it rejects with its
   * reason.
   */
  post(
    url: string,
    headers: Record<string, string>,
    body: string,
    signal?: AbortSignal,
  ): Promise<Attempt>;
  close(): Promise<void>;
};

/** How long one attempt may take, including the connection. */
export const WEBHOOK_TIMEOUT_MS = 15_000;

/** How much of an answer's body is read, and for how long. */
const MAX_ANSWER_BYTES = 8_192;
export const ANSWER_MS = 1_000;

type Network = ReturnType<typeof ipaddr.parseCIDR>;

/**
 * Reads `10.1.2.0/24,fd00:1::/64`; throws an Error for an invalid network. Empty text: no networks.
 */
export const readNetworks = (text: string): Network[] =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map((part) => ipaddr.parseCIDR(part));

class AddressRefused extends Error {
  readonly code = "ADDRESS_REFUSED";
}

const isIn = (address: ipaddr.IPv4 | ipaddr.IPv6, [network, bits]: Network): boolean =>
  address.kind() === network.kind() && address.match(network, bits);

/** Whether a connection to this address is allowed; `plain`: without TLS. */
export function mayReach(text: string, allowed: readonly Network[], plain: boolean): boolean {
  if (!ipaddr.isValid(text)) return false;
  // an IPv4 address mapped into IPv6 is judged as IPv4
  const address = ipaddr.process(text);
  if (allowed.some((network) => isIn(address, network))) return true;
  if (plain || address.range() !== "unicast") return false;
  // of IPv6 only the allocated range (2000::/3): "::7f00:1" and the like are not public addresses
  return (
    address.kind() === "ipv4" || (((address as ipaddr.IPv6).parts[0] as number) & 0xe000) === 0x2000
  );
}

const faults: [RegExp, Fault][] = [
  [/^(ADDRESS_REFUSED|ENOTFOUND|EAI_\w+|ENODATA)$/, "address-refused"],
  [/^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL)$/, "connection-refused"],
  [/^(ETIMEDOUT|TimeoutError|UND_ERR_(CONNECT|HEADERS|BODY)_TIMEOUT)$/, "timeout"],
  [/^(CERT_|ERR_TLS|ERR_SSL|EPROTO|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH)/, "tls"],
];

function faultOf(error: unknown): Fault {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    const inner = cause instanceof AggregateError ? cause.errors : [];
    for (const candidate of [cause, ...inner]) {
      const words = [
        String((candidate as { code?: unknown }).code ?? ""),
        (candidate as Error).name,
      ];
      const match = faults.find(([pattern]) => words.some((word) => pattern.test(word)));
      if (match) return match[1];
    }
  }
  return "connection-lost";
}

/** Retry-After in milliseconds: seconds, or a date. */
function readRetryAfter(text: unknown): number | undefined {
  if (typeof text !== "string") return undefined;
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) && ms > 0 ? ms : undefined;
}

/** The addresses of a name, as the system resolves it. */
const resolveByDns = (name: string): Promise<{ address: string; family: number }[]> =>
  lookup(name, { all: true });

export function createOutbound({
  allowed,
  timeoutMs,
  resolve = resolveByDns,
}: {
  allowed: readonly Network[];
  timeoutMs: number;
  resolve?: typeof resolveByDns;
}): Outbound {
  /** One agent for each kind of connection: plain http reaches less. */
  function agentFor(plain: boolean): Agent {
    const refuse = () => new AddressRefused("The address is not public");
    const checked: LookupFunction = (name, options, done) => {
      resolve(name).then(
        (addresses) => {
          // a forbidden address among several is no accident
          if (
            addresses.length === 0 ||
            !addresses.every((entry) => mayReach(entry.address, allowed, plain))
          )
            done(refuse(), "", 0);
          else if (options.all) done(null, addresses);
          else done(null, addresses[0]?.address as string, addresses[0]?.family as number);
        },
        (error: NodeJS.ErrnoException) => done(error, "", 0),
      );
    };
    const connect = buildConnector({ timeout: timeoutMs, lookup: checked, allowH2: false });
    return new Agent({
      // a literal address is never looked up
      connect(options, done) {
        const host = options.hostname.replace(/^\[|\]$/g, "");
        if (isIP(host) !== 0 && !mayReach(host, allowed, plain)) done(refuse(), null);
        else connect(options, done);
      },
      // long enough for the next event of a burst; the other side may have closed a connection that
      // was idle longer
      keepAliveTimeout: 1_000,
      keepAliveMaxTimeout: 1_000,
      pipelining: 1,
      maxHeaderSize: 16_384,
    });
  }
  const agents = { "https:": agentFor(false), "http:": agentFor(true) };

  return {
    async post(url, headers, body, signal) {
      const began = performance.now();
      const ms = () => Math.round(performance.now() - began);
      const aborted = AbortSignal.any([
        AbortSignal.timeout(timeoutMs),
        ...(signal ? [signal] : []),
      ]);
      try {
        const dispatcher = agents[new URL(url).protocol as keyof typeof agents];
        const answer = await request(url, {
          method: "POST",
          headers,
          body,
          dispatcher,
          signal: aborted,
        });
        // The status has decided. A few kB of the body are read, so that the connection can be
        // reused; a longer or slower body is cut off.
        await answer.body
          .dump({
            limit: MAX_ANSWER_BYTES,
            signal: AbortSignal.any([aborted, AbortSignal.timeout(ANSWER_MS)]),
          })
          .catch(() => {});
        const retryAfterMs = readRetryAfter(answer.headers["retry-after"]);
        return {
          status: answer.statusCode,
          ms: ms(),
          ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
        };
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        return { fault: faultOf(error), ms: ms() };
      }
    },
    async close() {
      await Promise.all(Object.values(agents).map((agent) => agent.destroy()));
    },
  };
}
