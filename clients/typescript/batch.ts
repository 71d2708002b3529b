/**
 * Issues any number of invoices on one connection: sends lines and receives results at the same
 * time.
 *
 * Invariants:
 * - Each invoice has one result, in the order of the invoices, whatever breaks on the way.
 * - Memory holds only a window of invoices without a result. A full window, or a caller that does
 *   not take its results, stops the reading of the source.
 * - After a disconnection all lines are sent again under the same key: an empty line for each line
 *   with a result (the gateway only counts empty lines), then the window. Lines that the gateway
 *   had already accepted come back as `replayed`.
 * - A batch has at most 10,000 lines. Further lines go in further batches, whose keys are derived
 *   from the first key, so the same invoices under the same key are the same lines again.
 */
import type { Api } from "./api.ts";
import { type Problem, ProblemError } from "./problems.ts";
import { type Course, type End, keptOpen, linesOf } from "./streams.ts";
import { type AnyRequest, newKey, type Wire } from "./wire.ts";

type Batch = Api["POST /v1/invoices/batch"];
type Accepted = Extract<Batch["item"], { status: 202 }>;

/** An invoice as `POST /v1/invoices` takes it. */
export type BatchInvoice = NonNullable<Batch["body"]>;
/**
 * What became of one invoice. `line` counts from 1; `sent` is the invoice. `problem`: it was
 * refused; without one it is accepted, and will be sealed exactly once.
 */
export type BatchResult<T = BatchInvoice> = { line: number; sent: T } & (
  | (Omit<Extract<Accepted, { number: string }>, "line"> & { problem?: undefined })
  | (Omit<Extract<Accepted, { redLetter: unknown }>, "line"> & { problem?: undefined })
  | { problem: Problem }
);
export type BatchRequest = Pick<AnyRequest, "key" | "token" | "signal" | "patience" | "headers"> & {
  query?: Batch["query"];
};

const PATH = "/v1/invoices/batch";
const NDJSON = "application/x-ndjson";
/** Lines of one request. */
const LINES = 10_000;
/** Lines without a result that are held, and their characters, unless it is a single one. */
const WINDOW = 256;
const WINDOW_CHARACTERS = 4_194_304;
/** What goes out at once. */
const WRITE_CHARACTERS = 16_384;

type Source<T> = Iterable<T> | AsyncIterable<T>;

/** Lines by their place, from 0: those without a result are held, those before are empty. */
function createWindow<T>(source: Source<T>, stopped: AbortSignal | undefined) {
  const iterator =
    Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  const held: { sent: T; text: string }[] = [];
  let [answered, characters, ended] = [0, 0, false];
  let failure: { error: unknown } | undefined;
  let reading: Promise<void> | undefined;
  let bell = Promise.withResolvers<void>();
  const ring = () => {
    bell.resolve();
    bell = Promise.withResolvers<void>();
  };
  stopped?.addEventListener("abort", ring, { once: true });

  /** Takes one more invoice from the source. Its failure counts after the lines before it. */
  async function read(): Promise<void> {
    try {
      const next = await iterator.next();
      if (next.done) ended = true;
      else {
        const text = `${JSON.stringify(next.value)}\n`;
        held.push({ sent: next.value, text });
        characters += text.length;
      }
    } catch (error) {
      [ended, failure] = [true, { error }];
    }
    reading = undefined;
    ring();
  }
  const isFull = () => held.length >= WINDOW || (characters > WINDOW_CHARACTERS && held.length > 0);
  /** Undefined if the source has not brought this line yet, or has ended before it. */
  const lineAt = (place: number): string | undefined =>
    place < answered ? "\n" : held[place - answered]?.text;

  return {
    answered: () => answered,
    isDone: () => ended && held.length === 0,
    /** Waits for the line at this place; undefined when the source has ended before it. */
    async line(place: number, closed = () => false): Promise<string | undefined> {
      for (;;) {
        stopped?.throwIfAborted();
        const text = lineAt(place);
        if (text !== undefined || ended || closed()) return text;
        if (!isFull() && reading === undefined) reading = read();
        await bell.promise;
      }
    },
    lineAt,
    ring,
    /** Takes the first line that is held out of the window; what was sent on it. */
    answer(): T {
      const first = held.shift();
      if (first === undefined) throw new Error("A result for a line that was not sent");
      answered += 1;
      characters -= first.text.length;
      ring();
      return first.sent;
    },
    /** Throws what the source has thrown. */
    check(): void {
      if (failure) throw failure.error;
    },
    async close(): Promise<void> {
      stopped?.removeEventListener("abort", ring);
      if (ended) return;
      const closing = Promise.resolve(iterator.return?.());
      // a generator closes only after the read under way, and its source may never bring another
      // invoice: an abort does not wait for it
      if (reading === undefined) await closing;
      else closing.catch(() => {});
    },
  };
}

/** The lines from one place to another as a body: it ends where the source does. */
function bodyOf(
  window: ReturnType<typeof createWindow>,
  from: number,
  to: number,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let [place, closed] = [from, false];
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      let text = "";
      while (place < to && text.length < WRITE_CHARACTERS) {
        const line = text === "" ? await window.line(place, () => closed) : window.lineAt(place);
        if (line === undefined) break;
        text += line;
        place += 1;
      }
      if (closed) return;
      if (text === "") controller.close();
      else controller.enqueue(encoder.encode(text));
    },
    cancel() {
      closed = true;
      window.ring();
    },
  });
}

export async function* sendBatch<T extends BatchInvoice>(
  wire: Wire,
  invoices: Source<T>,
  request: BatchRequest = {},
): AsyncGenerator<BatchResult<T>, void, undefined> {
  const { key = newKey(), signal, patience: own, ...more } = request;
  const stopped = wire.stopped(signal);
  const patience = wire.patienceOf(own);
  const window = createWindow(invoices, stopped);
  const keyOf = (place: number) => (place === 0 ? key : `${key}.${place / LINES + 1}`);
  /** Where the batch under way begins. */
  let start = 0;

  const course: Course<BatchResult<T>> = {
    method: "POST",
    path: PATH,
    leastPauseMs: () => 0,
    async request() {
      // a connection without a line would be ended for its silence
      if ((await window.line(window.answered())) === undefined) return undefined;
      start = Math.floor(window.answered() / LINES) * LINES;
      const body = bodyOf(window, start, start + LINES);
      return { ...more, body, type: NDJSON, accept: NDJSON, key: keyOf(start) };
    },
    async *read(texts, alive): AsyncGenerator<BatchResult<T>, End, undefined> {
      for await (const text of linesOf(texts)) {
        const result = JSON.parse(text) as { line?: number; problem?: Problem };
        if (result.line === undefined) {
          const { problem } = result;
          if (problem) return new ProblemError(problem, problem.status, keyOf(start));
          if (window.isDone()) return "finished";
          if (window.answered() === start + LINES) return "next";
          break;
        }
        const line = window.answered() + 1;
        if (start + result.line !== line)
          throw new Error(`A result for line ${start + result.line} in the place of ${line}`);
        alive();
        yield { ...result, line, sent: window.answer() } as BatchResult<T>;
      }
      return new Error("the batch ended before its last line");
    },
  };
  try {
    yield* keptOpen(wire, course, stopped, patience);
    window.check();
  } finally {
    await window.close();
  }
}
