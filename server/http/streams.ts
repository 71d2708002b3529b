/**
 * A POST that is a stream: lines in, one line out for each, in order, as they arrive
 * (kernel/api.ts, Lines).
 *
 *   request → lines (ndjson.ts) → window of lines under way → results in order → response, and a last line that sums up
 *
 * Invariants:
 * - A stream holds only its window, however long it is. A full window stops the reading; a client
 *   that does not read stops the writing, which fills the window.
 * - Each line is its own piece of work, done once under (Idempotency-Key, its number), whatever
 *   happens to the stream: a client that was cut off sends everything again under the same key,
 *   gets the stored results of what was done, and goes on.
 * - One stream at a time has a key. When a stream is cut, the lines under way are finished before
 *   the key is free.
 * - Neither side can hold a stream for long: not by a line that never ends, not by an answer that
 *   is never read.
 *
 * A refused or unreadable line affects only itself. When something ends the stream early (too many
 * lines or bytes, too slow, this process stops, the database is gone), the last line says so:
 * `done: false` and a `problem`.
 */
import { setImmediate as turn } from "node:timers/promises";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import type { Request as HttpRequest, Response } from "express";
import type { Exactly, Once, Outcome } from "./idempotency.ts";
import { limitTime, takesItsTime } from "./limits.ts";
import { type Line, linesOf } from "./ndjson.ts";
import { describeError, problemAnswer, toProblem } from "./problem.ts";
import { createPlaces, drained, type PlaceBounds, seconds, within } from "./stream-parts.ts";

export const NDJSON = "application/x-ndjson";

export type StreamBounds = {
  maxLines: number;
  maxLineBytes: number;
  maxBytes: number;
  /**
   * A line must arrive within this time after the one before it (and after there is room for it).
   */
  lineMs: number;
  /**
   * When nothing more can be written, the client must read something of its answer within this
   * time.
   */
  readMs: number;
  /** From the first line to the last result. */
  streamMs: number;
  /**
   * For this long, what a client still sends to a stream that has ended is read and dropped;
   * otherwise it would not see why the stream ended.
   */
  lingerMs: number;
} & PlaceBounds;

/** For everything except a line's bytes, which have the bound of an ordinary body. */
export const STREAM_BOUNDS: Omit<StreamBounds, "maxLineBytes"> = {
  maxLines: 10_000,
  maxBytes: 256 * 1_048_576,
  lineMs: 30_000,
  readMs: 30_000,
  streamMs: 15 * 60_000,
  lingerMs: 5_000,
  ofParty: 2,
  ofAll: 8,
};

/** Lines under way: two groups, so that one is read while the other is at work. */
const WINDOW = 128;
/** … and their bytes, unless it is a single line. */
const WINDOW_BYTES = 1_048_576;
/** Characters that go out in one write. */
const WRITE_CHARACTERS = 16_384;
/** Lines that are read in a row before other work of this process has its turn. */
const IN_A_ROW = 8;

export type Conversation = {
  request: HttpRequest;
  response: Response;
  /** The stream's key, and what must be the same when the key comes again. */
  once: Once;
  /** Does a line's work; throws its refusal. */
  work(line: { number: number; bytes: Uint8Array }): Promise<Outcome>;
  /** Aborted when the connection is closed. */
  disconnected: AbortSignal;
  /** Aborted when the process stops. */
  stopping: AbortSignal;
};

/** Wakes the waiting code when what it waits for may be there. */
function createBell() {
  let { promise, resolve } = Promise.withResolvers<void>();
  return {
    heard: (): Promise<void> => promise,
    ring() {
      resolve();
      ({ promise, resolve } = Promise.withResolvers<void>());
    },
  };
}

export function createStreams({ exactly, bounds }: { exactly: Exactly; bounds: StreamBounds }) {
  const { takePlace } = createPlaces(bounds);

  async function converse({
    request,
    response,
    work,
    disconnected,
    stopping,
  }: Conversation): Promise<void> {
    /** Nothing more is read; the reason says why. */
    const ended = new AbortController();
    const bell = createBell();
    /** Lines under way, in order; `text` is a line's result. */
    const slots: { bytes: number; text?: string }[] = [];
    const counts = { accepted: 0, replayed: 0, refused: 0 };
    let all = false;
    let held = 0;

    const end = (problem: Problem) => {
      ended.abort(problem);
      bell.ring();
    };
    const hungUp = () => end(new Problem("unavailable", "The client has disconnected"));
    const stops = () =>
      end(
        new Problem(
          "unavailable",
          "This process stops; send all lines again with the same key, and the stream goes on where it ended",
        ),
      );
    const timer = setTimeout(
      () => end(new Problem("too-slow", `A stream takes at most ${seconds(bounds.streamMs)}`)),
      bounds.streamMs,
    );
    if (disconnected.aborted) hungUp();
    else if (stopping.aborted) stops();
    disconnected.addEventListener("abort", hungUp, { once: true });
    stopping.addEventListener("abort", stops, { once: true });

    async function resultOf(line: Line): Promise<string> {
      try {
        if (line.problem) throw line.problem;
        const { answer, replayed } = await work(line);
        counts.accepted += 1;
        if (replayed) counts.replayed += 1;
        return JSON.stringify({
          line: line.number,
          status: answer.status,
          ...(answer.body as object),
          ...(replayed && { replayed }),
        });
      } catch (error) {
        const problem = toProblem(error);
        if (problem.status >= 500)
          request.log.error({ error: describeError(error), line: line.number }, problem.code);
        // the next line would meet the same fault: a client that tries again in a moment fares
        // better
        if (problem.code === "unavailable") end(problem);
        counts.refused += 1;
        return JSON.stringify({
          line: line.number,
          problem: problemAnswer(problem, String(request.id)).body,
        });
      }
    }

    async function read(): Promise<void> {
      const lines = linesOf(
        request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>,
        bounds,
      );
      const late = () =>
        new Problem("too-slow", `No line has come within ${seconds(bounds.lineMs)}`);
      try {
        for (let count = 1; ; count += 1) {
          while (
            !ended.signal.aborted &&
            (slots.length >= WINDOW || (held > WINDOW_BYTES && slots.length > 0))
          )
            await bell.heard();
          const next = await within(lines.next(), bounds.lineMs, ended.signal, late);
          if (next.done) break;
          const slot: { bytes: number; text?: string } = {
            bytes: next.value.problem ? 0 : next.value.bytes.length,
          };
          slots.push(slot);
          held += slot.bytes;
          void resultOf(next.value).then((text) => {
            slot.text = `${text}\n`;
            held -= slot.bytes;
            bell.ring();
          });
          if (count % IN_A_ROW === 0) await turn();
        }
      } catch (error) {
        if (!ended.signal.aborted) end(toProblem(error));
      } finally {
        all = true;
        bell.ring();
        // not awaited: it ends when the chunk that it waits for arrives; later chunks are dropped
        void lines.return().then(
          () => request.resume(),
          () => {},
        );
      }
    }

    async function write(): Promise<void> {
      while (slots.length > 0 || !all) {
        let text = "";
        while (slots[0]?.text !== undefined && text.length < WRITE_CHARACTERS)
          text += slots.shift()?.text;
        if (text === "") {
          await bell.heard();
          continue;
        }
        bell.ring();
        if (disconnected.aborted || response.write(text)) continue;
        try {
          await drained(response, bounds.readMs, disconnected);
        } catch (error) {
          // the client is gone: cut off; the lines under way are finished
          if (!disconnected.aborted) end(toProblem(error));
          response.destroy();
        }
      }
    }

    try {
      response.locals["lines"] = counts;
      await Promise.all([read(), write()]);
      if (disconnected.aborted) return;
      const why = ended.signal.aborted ? (ended.signal.reason as Problem) : undefined;
      response.locals["code"] = why?.code;
      const summary = {
        done: why === undefined,
        ...counts,
        ...(why && { problem: problemAnswer(why, String(request.id)).body }),
      };
      response.end(`${JSON.stringify(summary)}\n`);
      if (!request.complete) limitTime(request, response, bounds.lingerMs);
    } finally {
      clearTimeout(timer);
      disconnected.removeEventListener("abort", hungUp);
      stopping.removeEventListener("abort", stops);
    }
  }

  /**
   * Answers with the results of the lines. Throws Problem, before any answer, when the stream may
   * not begin.
   */
  return async function stream(conversation: Conversation): Promise<void> {
    const { request, response, once } = conversation;
    const giveBack = takePlace(once.kept.account);
    try {
      await exactly.hold(once, async () => {
        takesItsTime(request);
        response.writeHead(200, { "content-type": NDJSON, "cache-control": "no-store" });
        response.flushHeaders();
        await converse(conversation);
      });
    } finally {
      giveBack();
    }
  };
}
