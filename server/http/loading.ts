/**
 * A POST that loads many rows: lines in; out come the lines that were refused, and a last line that
 * sums up (kernel/api.ts, Load).
 *
 *   request → lines (ndjson.ts) → rows, batch by batch → one transaction for each batch
 *
 * Invariants:
 * - It holds two batches, however long the load is: one is read while the other is stored.
 * - A batch is stored whole or not at all. A load that is cut leaves the batches that were stored;
 *   the same load again stores the rest, because a row that is stored already changes nothing.
 * - A refused line affects only itself.
 * - One load at a time has a key, and each of a party's loads has a place.
 *
 * When something ends the load early (a bad head, too many lines or bytes, too slow, this process
 * stops, the database is gone), the last line says so: `done: false` and a `problem`.
 */
import { setImmediate as turn } from "node:timers/promises";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import type { Request as HttpRequest, Response } from "express";
import type { LoadBounds } from "../kernel/api.ts";
import type { Exactly, Once } from "./idempotency.ts";
import { limitTime, takesItsTime } from "./limits.ts";
import { linesOf } from "./ndjson.ts";
import { describeError, problemAnswer, toProblem } from "./problem.ts";
import { createPlaces, drained, type PlaceBounds, seconds, within } from "./stream-parts.ts";
import { NDJSON, type StreamBounds } from "./streams.ts";

/** Rows of one transaction. */
const BATCH = 5_000;
/** Characters of refused lines that go out in one write. */
const WRITE_CHARACTERS = 16_384;

export type Loading = {
  request: HttpRequest;
  response: Response;
  once: Once;
  bounds: LoadBounds;
  /**
   * Reads a line: its row; undefined if it has none; a Problem that ends the load. Throws its
   * refusal.
   */
  read(line: Uint8Array): unknown;
  /** Stores rows in a transaction of their own; returns how many changed something. */
  store(rows: readonly unknown[]): Promise<number>;
  /** Aborted when the connection is closed. */
  disconnected: AbortSignal;
  /** Aborted when the process stops. */
  stopping: AbortSignal;
};

type Times = Pick<StreamBounds, "lineMs" | "readMs" | "streamMs" | "lingerMs">;

/** The chunks of a request, each within its time. */
async function* timely(
  request: HttpRequest,
  lineMs: number,
  ended: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const chunks = (request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>)[
    Symbol.asyncIterator
  ]();
  const late = () => new Problem("too-slow", `Nothing has come within ${seconds(lineMs)}`);
  try {
    for (;;) {
      const next = await within(chunks.next(), lineMs, ended, late);
      if (next.done) return;
      yield next.value;
    }
  } finally {
    // not awaited: it ends when the chunk that it waits for arrives; later chunks are dropped
    void chunks.return?.().then(
      () => request.resume(),
      () => {},
    );
  }
}

export function createLoads({
  exactly,
  bounds,
}: {
  exactly: Exactly;
  bounds: Times & PlaceBounds;
}) {
  const { takePlace } = createPlaces(bounds);

  async function load({
    request,
    response,
    bounds: size,
    read,
    store,
    disconnected,
    stopping,
  }: Loading): Promise<void> {
    const ended = new AbortController();
    const end = (problem: Problem) => ended.abort(problem);
    const hungUp = () => end(new Problem("unavailable", "The client has disconnected"));
    const stops = () =>
      end(new Problem("unavailable", "This process stops; send everything again"));
    const timer = setTimeout(
      () => end(new Problem("too-slow", `A load takes at most ${seconds(bounds.streamMs)}`)),
      bounds.streamMs,
    );
    if (disconnected.aborted) hungUp();
    else if (stopping.aborted) stops();
    disconnected.addEventListener("abort", hungUp, { once: true });
    stopping.addEventListener("abort", stops, { once: true });

    const counts = { stored: 0, changed: 0, refused: 0 };
    let text = "";
    let batch: unknown[] = [];
    let storing: Promise<void> = Promise.resolve();

    async function write(): Promise<void> {
      if (text === "" || disconnected.aborted) return;
      const out = text;
      text = "";
      if (!response.write(out)) await drained(response, bounds.readMs, disconnected);
    }
    const refuse = (line: number, error: unknown) => {
      const problem = toProblem(error);
      if (problem.status >= 500)
        request.log.error({ error: describeError(error), line }, problem.code);
      counts.refused += 1;
      text += `${JSON.stringify({ line, problem: problemAnswer(problem, String(request.id)).body })}\n`;
    };
    /** Begins to store the batch once the one before is stored; throws that one's error. */
    async function flush(): Promise<void> {
      await storing;
      const rows = batch;
      batch = [];
      storing = (async () => {
        if (rows.length === 0) return;
        counts.changed += await store(rows);
        counts.stored += rows.length;
      })();
      // its error is thrown where it is awaited
      storing.catch(() => {});
      await turn();
    }

    try {
      response.locals["lines"] = counts;
      let why: Problem | undefined;
      try {
        for await (const line of linesOf(timely(request, bounds.lineMs, ended.signal), size)) {
          try {
            if (line.problem) throw line.problem;
            const row = read(line.bytes);
            if (row instanceof Problem) {
              refuse(line.number, row);
              end(row);
              break;
            }
            if (row !== undefined) batch.push(row);
          } catch (error) {
            refuse(line.number, error);
          }
          if (text.length > WRITE_CHARACTERS) await write();
          if (batch.length === BATCH) await flush();
        }
        // what was read before the end is stored, unless the process stops
        if (!stopping.aborted) await flush();
      } catch (error) {
        if (!ended.signal.aborted) end(toProblem(error));
      }
      await storing.catch((error) => {
        if (!ended.signal.aborted) end(toProblem(error));
        request.log.error({ error: describeError(error) }, "a load's batch could not be stored");
      });
      if (ended.signal.aborted) why = ended.signal.reason as Problem;
      response.locals["code"] = why?.code;
      if (disconnected.aborted) return;
      const summary = {
        done: why === undefined,
        ...counts,
        ...(why && { problem: problemAnswer(why, String(request.id)).body }),
      };
      response.end(`${text}${JSON.stringify(summary)}\n`);
      if (!request.complete) limitTime(request, response, bounds.lingerMs);
    } finally {
      clearTimeout(timer);
      disconnected.removeEventListener("abort", hungUp);
      stopping.removeEventListener("abort", stops);
    }
  }

  /** Throws Problem, before any answer, when the load may not begin. */
  return async function begin(loading: Loading): Promise<void> {
    const { request, response, once } = loading;
    const giveBack = takePlace(once.kept.account);
    try {
      await exactly.hold(once, async () => {
        takesItsTime(request);
        response.writeHead(200, { "content-type": NDJSON, "cache-control": "no-store" });
        response.flushHeaders();
        await load(loading);
      });
    } finally {
      giveBack();
    }
  };
}
