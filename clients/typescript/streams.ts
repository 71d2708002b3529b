/**
 * A streamed answer that is opened again after each cut, until it has come to its end.
 *
 * | what happens | then |
 * | --- | --- |
 * | the stream ends, breaks, or is silent for too long | it is opened again, at the next gateway |
 * | a refusal with `retry: never` | thrown, as a ProblemError |
 * | any other refusal, no answer | it is opened again, after Retry-After or a pause that doubles |
 *
 * Failures count while a stream brings nothing: when there were `tries` in a row, the last one is
 * thrown. Memory does not grow with the stream, and who reads slowly is not read ahead of.
 */
import { NoAnswerError, ProblemError } from "./problems.ts";
import { type AnyRequest, type Patience, pause, replyOf, retryAfterMs, type Wire } from "./wire.ts";

/**
 * How a stream ended. `next`: as it should, and another one follows; an error: too early, and it is
 * opened again.
 */
export type End = "finished" | "next" | Error;

export type Course<T> = {
  method: string;
  path: string;
  /** The next connection's request; undefined when nothing is left to be done. */
  request(): Promise<AnyRequest | undefined>;
  /** What comes of an answer. `alive`: the stream has brought something. */
  read(texts: AsyncIterable<string>, alive: () => void): AsyncGenerator<T, End, undefined>;
  /** The gateway wants at least this pause before the stream is opened again, in milliseconds. */
  leastPauseMs(): number;
};

/** The answer as text, as it comes. Calls `silent` when nothing comes for so long. */
async function* textsOf(response: Response, silenceMs: number, silent: () => void) {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  for (;;) {
    const timer = setTimeout(silent, silenceMs);
    const next = await reader?.read().finally(() => clearTimeout(timer));
    clearTimeout(timer);
    if (next === undefined || next.done) return;
    yield decoder.decode(next.value, { stream: true });
  }
}

/** Each line of a text that comes in pieces, without its end; what follows the last end is left. */
export async function* linesOf(texts: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of texts) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield line.endsWith("\r") ? line.slice(0, -1) : line;
  }
}

export async function* keptOpen<T>(
  wire: Wire,
  course: Course<T>,
  stopped: AbortSignal | undefined,
  patience: Patience,
): AsyncGenerator<T, void, undefined> {
  const { method, path } = course;
  let failures = 0;
  for (let at = wire.first(); ; at += 1) {
    stopped?.throwIfAborted();
    const request = await course.request();
    if (request === undefined) return;
    const { key } = request;
    const cut = new AbortController();
    const signal = stopped ? AbortSignal.any([cut.signal, stopped]) : cut.signal;
    const give = (words: string) => () => cut.abort(new Error(words));
    const late = setTimeout(give("no answer came in time"), patience.timeoutMs);
    let error: Error;
    let [askedMs, status] = [0, 0];
    try {
      const response = await wire.open(at, method, path, request, signal);
      clearTimeout(late);
      status = response.status;
      if (response.ok) {
        wire.heard(String(status));
        const texts = textsOf(response, patience.silenceMs, give("the stream is silent"));
        const end = yield* course.read(texts, () => {
          failures = 0;
        });
        if (end === "finished") return;
        if (end === "next") continue;
        error = end;
      } else {
        const reply = await replyOf(response, false);
        wire.heard(`${status} ${reply.problem?.code ?? ""}`.trim(), reply);
        askedMs = retryAfterMs(response.headers) ?? 0;
        error = reply.problem
          ? new ProblemError(reply.problem, status, key)
          : new Error(`HTTP ${status} that is not the gateway's`);
      }
    } catch (cause) {
      stopped?.throwIfAborted();
      if (status === 0) wire.heard("no answer");
      error = cause as Error;
    } finally {
      clearTimeout(late);
      cut.abort();
    }
    failures += 1;
    const isFinal = error instanceof ProblemError && error.retry === "never";
    if (isFinal || failures >= patience.tries || askedMs > patience.retryAfterMs) {
      if (error instanceof ProblemError) throw error;
      throw new NoAnswerError(`${method} ${path}: ${error.message}`, { key, status, cause: error });
    }
    const doubled = patience.pauseMs * 2 ** (failures - 1) * (0.5 + wire.random() / 2);
    const leastMs = Math.max(askedMs, course.leastPauseMs());
    await pause(Math.max(Math.min(doubled, patience.maxPauseMs), leastMs), stopped);
  }
}
