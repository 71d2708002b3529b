/**
 * One request, sent until it has an answer.
 *
 * | answer | then |
 * | --- | --- |
 * | none, or cut off | the same request again, with the same key |
 * | a problem with `retry: same-key`, 429 or 5xx without a problem | the same, after Retry-After |
 * | a problem with `retry: later`, and the caller is patient | the same with a fresh key |
 * | 202, and the caller wants the end | the same request again: it waits, and gives the end |
 * | anything else | that is the answer |
 *
 * To send again is safe: a POST carries an Idempotency-Key, and the same PUT, PATCH or DELETE
 * changes nothing more. A body that is a stream is gone after the first try, so it has no second
 * one.
 */
import { type AnyReply, NoAnswerError, type Problem, StillOpenError } from "./problems.ts";

/** How long a caller goes on. Times are in milliseconds. */
export type Patience = {
  /** Tries until an answer comes; 1 never tries again. */
  tries: number;
  /** Pause before the second try; it doubles with each one, up to `maxPauseMs`. */
  pauseMs: number;
  /** The longest of these pauses. */
  maxPauseMs: number;
  /** A Retry-After beyond this ends the tries. */
  retryAfterMs: number;
  /** Time for one try; the seconds of `wait` come on top. */
  timeoutMs: number;
  /** For how long a refusal with `retry: later` is tried again. */
  laterMs: number;
  /** For how long `done` waits for the end of the work. */
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
  /** Where the gateway is. Of several that share a database, each try goes to the next one. */
  url: string | readonly string[];
  /** An API key, `<id>.<secret>`. */
  token?: string | undefined;
  /** Headers of every request; a function is asked before each try, with the method. */
  headers?: Record<string, string> | ((method: string) => Record<string, string>);
  patience?: Partial<Patience>;
  /** Stops everything that this client does. */
  signal?: AbortSignal | undefined;
  fetch?: typeof fetch;
  /**
   * Hears what became of each try: `201`, `409 invoice-busy`, `no answer`; with the answer, if any.
   */
  onTry?: (outcome: string, reply?: AnyReply) => void;
  /**
   * Numbers from 0 to 1, for pauses and the first gateway; Math.random unless a run is to be
   * repeated.
   */
  random?: () => number;
};

/** A string, bytes and a stream go as they are; anything else as JSON. */
export type RawBody = string | Uint8Array | ArrayBuffer | Blob | ReadableStream<Uint8Array>;

export type AnyRequest = {
  query?: object | undefined;
  body?: unknown;
  /** Media type of a body that goes as it is. */
  type?: string;
  /** The answer in this media type: its body comes as bytes, whatever the type is. */
  accept?: string;
  /** Idempotency-Key of a POST; a fresh one unless the caller has its own. */
  key?: string;
  /** Seconds for which the answer may be held until the work has come to its end. */
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

/** Seconds that `done` asks the gateway to hold an answer: long enough for a few blocks. */
const HOLD_SECONDS = 20;

/** A fresh Idempotency-Key. randomUUID is not there on insecure pages. */
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

/** `?a=1&b=2`, without what is undefined; empty without parameters. */
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

/** As the gateway writes it: a proxy's JSON may have a `code` as well. */
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

/** Whether the same request may go again because of the answer itself. */
function passes({ status, problem }: AnyReply): boolean {
  if (problem !== undefined) return problem.retry === "same-key";
  return status === 429 || status >= 500;
}

/**
 * Sends to one gateway, or to several in turn. A refusal is an answer here; `createClient` throws
 * it.
 */
export function createSender(options: SenderOptions): Sender {
  const urls = typeof options.url === "string" ? [options.url] : options.url;
  const bases = urls.map((url) => url.replace(/\/$/, ""));
  const ask = options.fetch ?? ((...given: Parameters<typeof fetch>) => fetch(...given));
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
          // what was refused has not been done, and its key may hold the refusal
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
