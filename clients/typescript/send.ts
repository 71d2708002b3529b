/**
 * Sends a request until it has a response.
 *
 * | response | then |
 * | --- | --- |
 * | none, or incomplete | the same request again, with the same key |
 * | a problem with `retry: same-key`, 429 or 5xx without a problem | the same, after Retry-After |
 * | a problem with `retry: later`, and the caller is patient | the same with a new key |
 * | 202, and the caller wants the outcome | the same request again, which waits for the outcome |
 * | anything else | returned |
 *
 * Retries are safe: a POST has an Idempotency-Key, and the same PUT, PATCH or DELETE changes
 * nothing more. A stream is consumed by the first try, so it is never retried.
 */
import { type AnyReply, NoAnswerError, type Problem, StillOpenError } from "./problems.ts";

/** How long the client keeps trying. Times are in milliseconds. */
export type Patience = {
  /** Number of tries; 1 means no retry. */
  tries: number;
  /** Pause before the second try. It doubles with each try, up to `maxPauseMs`. */
  pauseMs: number;
  /** The longest of these pauses. */
  maxPauseMs: number;
  /** A longer Retry-After ends the tries. */
  retryAfterMs: number;
  /** Time for one try, in addition to the seconds of `wait`. */
  timeoutMs: number;
  /** How long refusals with `retry: later` are retried. */
  laterMs: number;
  /** How long `done` waits for the outcome. */
  doneMs: number;
};
const usual: Patience = {
  tries: 5,
  pauseMs: 250,
  maxPauseMs: 10_000,
  retryAfterMs: 60_000,
  timeoutMs: 30_000,
  laterMs: 0,
  doneMs: 120_000,
};

export type SenderOptions = {
  /** The gateway's address. With several gateways on one database, each try uses the next. */
  url: string | readonly string[];
  /** An API key, `<id>.<secret>`. */
  token?: string | undefined;
  /** Headers of every request. A function is called before each try, with the method. */
  headers?: Record<string, string> | ((method: string) => Record<string, string>);
  patience?: Partial<Patience>;
  /** Aborts all requests of this client. */
  signal?: AbortSignal | undefined;
  fetch?: typeof fetch;
  /**
   * Called with the outcome of each try: `201`, `409 invoice-busy`, `no answer`; and its response.
   */
  onTry?: (outcome: string, reply?: AnyReply) => void;
  /**
   * Random numbers from 0 to 1, for pauses and the first gateway. Replace Math.random to repeat a
   * run.
   */
  random?: () => number;
};

/** Strings, bytes and streams are sent as they are, anything else as JSON. */
export type RawBody = string | Uint8Array | ArrayBuffer | Blob | ReadableStream<Uint8Array>;

export type AnyRequest = {
  query?: object | undefined;
  body?: unknown;
  /** Media type of a body that is sent as it is. */
  type?: string;
  /** Media type of the response. Its body is then bytes, whatever the type. */
  accept?: string;
  /** Idempotency-Key of a POST; by default a new one. */
  key?: string;
  /** Seconds for which the gateway may hold the response until the work is complete. */
  wait?: number;
  token?: string | undefined;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
  patience?: Partial<Patience>;
};

export type Sender = (
  method: string,
  path: string,
  request?: AnyRequest & { final?: boolean },
) => Promise<AnyReply>;

/** Seconds for which `done` asks the gateway to hold a response: enough for a few blocks. */
const HOLD_SECONDS = 20;

/** A new Idempotency-Key. Insecure pages do not have randomUUID. */
export function newKey(): string {
  const bytes = [...crypto.getRandomValues(new Uint8Array(16))];
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

const isStream = (body: unknown): boolean => body instanceof ReadableStream;
const goesAsItIs = (body: unknown): body is RawBody =>
  typeof body === "string" ||
  body instanceof Uint8Array ||
  body instanceof ArrayBuffer ||
  body instanceof Blob ||
  isStream(body);

/** `?a=1&b=2`, without undefined values; empty without parameters. */
function textOf(query: object | undefined): string {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {}))
    if (value !== undefined) pairs.append(name, String(value));
  return pairs.size === 0 ? "" : `?${pairs}`;
}

/** Retry-After in milliseconds: seconds, or a date. */
function retryAfterMs(headers: Headers): number | undefined {
  const text = headers.get("retry-after");
  if (text === null) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** Whether a body is the gateway's problem: a proxy's JSON may have a `code` too. */
function isProblem(body: unknown): body is Problem {
  const { code, title, detail, retry, errors = [] } = (body ?? {}) as Record<string, unknown>;
  const areTexts = (...values: unknown[]) => values.every((value) => typeof value === "string");
  const isViolation = (error: Partial<Record<string, unknown>> | null) =>
    areTexts(error?.["field"], error?.["rule"], error?.["detail"]);
  return areTexts(code, title, detail, retry) && Array.isArray(errors) && errors.every(isViolation);
}

async function replyOf(response: Response, bytesWanted: boolean): Promise<AnyReply> {
  const { status, headers } = response;
  const bytes = new Uint8Array(await response.arrayBuffer());
  const type = headers.get("content-type")?.split(";")[0]?.trim() ?? "";
  const isJson = /[/+]json$/.test(type) && !(bytesWanted && response.ok);
  const body =
    bytes.length === 0 ? undefined : isJson ? JSON.parse(new TextDecoder().decode(bytes)) : bytes;
  const replayed = headers.get("idempotency-replayed") === "true";
  return {
    status,
    headers,
    body,
    replayed,
    ...(status >= 400 && isProblem(body) ? { problem: body } : {}),
  };
}

/** Whether the response allows the same request again. */
function passes({ status, problem }: AnyReply): boolean {
  if (problem !== undefined) return problem.retry === "same-key";
  return status === 429 || status >= 500;
}

/** Sends to one gateway, or to several in turn. Returns refusals; `createClient` throws them. */
export function createSender(options: SenderOptions): Sender {
  const urls = typeof options.url === "string" ? [options.url] : options.url;
  const bases = urls.map((url) => url.replace(/\/$/, ""));
  const ask = options.fetch ?? ((...args: Parameters<typeof fetch>) => fetch(...args));
  const random = options.random ?? Math.random;
  const common = (method: string) =>
    typeof options.headers === "function" ? options.headers(method) : (options.headers ?? {});

  return async (method, path, request = {}) => {
    const patience = { ...usual, ...options.patience, ...request.patience };
    const signals = [options.signal, request.signal].filter((signal) => signal !== undefined);
    const stopped = signals.length === 0 ? undefined : AbortSignal.any(signals);
    const wait = request.wait ?? (request.final ? HOLD_SECONDS : 0);
    const { body, type, accept } = request;
    const target = `${path}${textOf(request.query)}`;
    const token = request.token ?? options.token;
    let key = method === "POST" ? (request.key ?? newKey()) : request.key;

    const init = (): RequestInit => {
      const headers = new Headers({ Accept: accept ?? "application/json, */*;q=0.5" });
      for (const [name, value] of Object.entries(common(method))) headers.set(name, value);
      if (token !== undefined) headers.set("Authorization", `Bearer ${token}`);
      if (key !== undefined) headers.set("Idempotency-Key", key);
      if (wait > 0) headers.set("Prefer", `wait=${wait}`);
      if (body !== undefined) headers.set("Content-Type", type ?? "application/json");
      for (const [name, value] of Object.entries(request.headers ?? {})) headers.set(name, value);
      const sent =
        body === undefined ? {} : { body: goesAsItIs(body) ? body : JSON.stringify(body) };
      return {
        method,
        headers,
        ...sent,
        ...(isStream(body) ? { duplex: "half" } : {}),
      } as RequestInit;
    };
    const tryAt = async (base: string): Promise<AnyReply | NoAnswerError> => {
      const limit = AbortSignal.timeout(patience.timeoutMs + wait * 1_000);
      const signal = AbortSignal.any([limit, ...(stopped ? [stopped] : [])]);
      let status = 0;
      try {
        const response = await ask(base + target, { ...init(), signal });
        status = response.status;
        const reply = { ...(await replyOf(response, accept !== undefined)), key };
        options.onTry?.(`${reply.status} ${reply.problem?.code ?? ""}`.trim(), reply);
        return reply;
      } catch (error) {
        stopped?.throwIfAborted();
        options.onTry?.("no answer");
        const reason = error instanceof Error ? error.message : String(error);
        return new NoAnswerError(`${method} ${path}: ${reason}`, { key, status, cause: error });
      }
    };

    const begun = performance.now();
    const since = () => performance.now() - begun;
    let failures = 0;
    for (let at = Math.floor(random() * bases.length); ; at += 1) {
      stopped?.throwIfAborted();
      const reply = await tryAt(bases[at % bases.length] ?? "");
      const doubled = patience.pauseMs * 2 ** failures * (0.5 + random() / 2);
      let pauseMs = Math.min(doubled, patience.maxPauseMs);
      if (reply instanceof Error || passes(reply)) {
        failures += 1;
        const asked = (reply instanceof Error ? undefined : retryAfterMs(reply.headers)) ?? 0;
        pauseMs = Math.max(pauseMs, asked);
        if (failures >= patience.tries || asked > patience.retryAfterMs || isStream(body)) {
          if (reply instanceof Error) throw reply;
          return reply;
        }
      } else {
        failures = 0;
        if (reply.problem?.retry === "later") {
          const isSettled = request.key !== undefined && reply.replayed;
          const asked = retryAfterMs(reply.headers) ?? patience.pauseMs;
          if (isSettled || isStream(body) || since() + asked > patience.laterMs) return reply;
          pauseMs = asked;
          // the work was not done, and the key may be bound to the refusal
          if (method === "POST") key = request.key ?? newKey();
        } else if (reply.status === 202 && request.final) {
          if (reply.headers.has("preference-applied"))
            throw new StillOpenError(`${method} ${path} waits for somebody else`, reply);
          if (since() > patience.doneMs)
            throw new StillOpenError(`${method} ${path} has not come to its end`, reply);
          pauseMs = patience.pauseMs;
        } else return reply;
      }
      await pause(pauseMs, stopped);
    }
  };
}
