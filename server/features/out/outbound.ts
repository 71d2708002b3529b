/**
 * One POST to an address that a party has named, without being led into this operator's own
 * network.
 *
 * The address that is connected to is the one that was checked: names are resolved here, at each
 * connection, and the connection goes to what was found, so that a name that points elsewhere the
 * next time helps nobody. Public unicast addresses pass; of the others those in `allowed` (CIDR),
 * and plain http goes to these alone. Redirects are answers like any other. Environment proxies are
 * not used, certificates are checked.
 *
 * Does not own: what is sent and when it is tried again (deliverer.ts). Nothing of an answer's body
 * is kept.
 */
import { lookup } from "node:dns/promises";
import { isIP, type LookupFunction } from "node:net";
import ipaddr from "ipaddr.js";
import { Agent, buildConnector, request } from "undici";

/**
 * Why an attempt has no status, in words that tell a party about its endpoint and nothing about
 * this network: a name that is not there and one that leads inside are both `address-refused`.
 */
export type Fault =
  | "address-refused"
  | "connection-refused"
  | "connection-lost"
  | "tls"
  | "timeout";

/** What became of one attempt. `retryAfterMs` as the receiver asked, if it did. */
export type Attempt = { status?: number; fault?: Fault; ms: number; retryAfterMs?: number };

export type Outbound = {
  /**
   * Never throws for what the other side does. `signal` breaks it off: then it rejects with the
   * signal's reason.
   */
  post(
    url: string,
    headers: Record<string, string>,
    body: string,
    signal?: AbortSignal,
  ): Promise<Attempt>;
  close(): Promise<void>;
};

/** How long one attempt may take, connecting included. */
export const WEBHOOK_TIMEOUT_MS = 15_000;

/** What is read of an answer's body, and for how long. */
const MAX_ANSWER_BYTES = 8_192;
export const ANSWER_MS = 1_000;

type Network = ReturnType<typeof ipaddr.parseCIDR>;

/** Reads `10.1.2.0/24,fd00:1::/64`; throws an Error for what is no network. Empty text is none. */
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

/** Whether a connection to this address may be made; `plain`: without TLS. */
export function mayReach(text: string, allowed: readonly Network[], plain: boolean): boolean {
  if (!ipaddr.isValid(text)) return false;
  // an IPv4 address in IPv6's clothes is judged as what it is
  const address = ipaddr.process(text);
  if (allowed.some((network) => isIn(address, network))) return true;
  if (plain || address.range() !== "unicast") return false;
  // of IPv6 only what is given out (2000::/3): "::7f00:1" and the like are no one's public address
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
    for (const one of [cause, ...inner]) {
      const words = [String((one as { code?: unknown }).code ?? ""), (one as Error).name];
      const found = faults.find(([pattern]) => words.some((word) => pattern.test(word)));
      if (found) return found[1];
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

/** Addresses of a name, as the system finds them. */
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
        (found) => {
          // one that may not be reached among several is no accident
          if (found.length === 0 || !found.every((one) => mayReach(one.address, allowed, plain)))
            done(refuse(), "", 0);
          else if (options.all) done(null, found);
          else done(null, found[0]?.address as string, found[0]?.family as number);
        },
        (error: NodeJS.ErrnoException) => done(error, "", 0),
      );
    };
    const connect = buildConnector({ timeout: timeoutMs, lookup: checked, allowH2: false });
    return new Agent({
      // an address written as such is never looked up
      connect(options, done) {
        const host = options.hostname.replace(/^\[|\]$/g, "");
        if (isIP(host) !== 0 && !mayReach(host, allowed, plain)) done(refuse(), null);
        else connect(options, done);
      },
      // long enough for the next event of a burst; a connection that rested longer may be dead on
      // the other side
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
      const over = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal ? [signal] : [])]);
      try {
        const dispatcher = agents[new URL(url).protocol as keyof typeof agents];
        const answer = await request(url, {
          method: "POST",
          headers,
          body,
          dispatcher,
          signal: over,
        });
        // the status has decided; an answer of a few kB is read, so that the connection can go on.
        // More of it, or slower, is cut
        await answer.body
          .dump({
            limit: MAX_ANSWER_BYTES,
            signal: AbortSignal.any([over, AbortSignal.timeout(ANSWER_MS)]),
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
