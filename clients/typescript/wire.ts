/**
 * One try of a request: the address, the headers, the body, and the answer as it comes. What reads
 * the answer and tries again stands above: send.ts for answers, batch.ts and follow.ts for streams.
 */
import type { AnyReply, Problem } from "./problems.ts";

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
  /** A stream that brings nothing for so long counts as broken. */
  silenceMs: number;
};
export const usual: Patience = {
  tries: 5,
  pauseMs: 250,
  maxPauseMs: 10_000,
  retryAfterMs: 60_000,
  timeoutMs: 30_000,
  laterMs: 0,
  doneMs: 120_000,
  silenceMs: 60_000,
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

/** A new Idempotency-Key. Insecure pages do not have randomUUID. */
export function newKey(): string {
  const bytes = [...crypto.getRandomValues(new Uint8Array(16))];
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const isStream = (body: unknown): boolean => body instanceof ReadableStream;
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
export function retryAfterMs(headers: Headers): number | undefined {
  const text = headers.get("retry-after");
  if (text === null) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

/** Throws the signal's reason when the signal ends the pause. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
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

/** Reads an answer to its end. Throws when the answer is cut, or is not the JSON that it says. */
export async function replyOf(response: Response, bytesWanted: boolean): Promise<AnyReply> {
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

export type Wire = ReturnType<typeof createWire>;

/** What all requests of a client share. */
export function createWire(options: SenderOptions) {
  const urls = typeof options.url === "string" ? [options.url] : options.url;
  const bases = urls.map((url) => url.replace(/\/$/, ""));
  const ask = options.fetch ?? ((...request: Parameters<typeof fetch>) => fetch(...request));
  const random = options.random ?? Math.random;
  const common = (method: string) =>
    typeof options.headers === "function" ? options.headers(method) : (options.headers ?? {});

  return {
    random,
    heard: options.onTry ?? (() => {}),
    patienceOf: (own?: Partial<Patience>): Patience => ({ ...usual, ...options.patience, ...own }),
    /** The place of the gateway that a request begins with. */
    first: () => Math.floor(random() * bases.length),
    /** Ends when this client or this request is stopped. */
    stopped(own: AbortSignal | undefined): AbortSignal | undefined {
      const signals = [options.signal, own].filter((signal) => signal !== undefined);
      return signals.length === 0 ? undefined : AbortSignal.any(signals);
    },
    /** Sends to the gateway at this place of the list; resolves when the answer's head is there. */
    open(
      at: number,
      method: string,
      path: string,
      request: AnyRequest,
      signal: AbortSignal,
    ): Promise<Response> {
      const { query, body, type, accept, key, wait = 0 } = request;
      const token = request.token ?? options.token;
      const headers = new Headers({ Accept: accept ?? "application/json, */*;q=0.5" });
      for (const [name, value] of Object.entries(common(method))) headers.set(name, value);
      if (token !== undefined) headers.set("Authorization", `Bearer ${token}`);
      if (key !== undefined) headers.set("Idempotency-Key", key);
      if (wait > 0) headers.set("Prefer", `wait=${wait}`);
      if (body !== undefined) headers.set("Content-Type", type ?? "application/json");
      for (const [name, value] of Object.entries(request.headers ?? {})) headers.set(name, value);
      const sent =
        body === undefined ? {} : { body: goesAsItIs(body) ? body : JSON.stringify(body) };
      return ask(`${bases[at % bases.length] ?? ""}${path}${textOf(query)}`, {
        method,
        headers,
        signal,
        ...sent,
        ...(isStream(body) ? { duplex: "half" } : {}),
      } as RequestInit);
    },
  };
}
