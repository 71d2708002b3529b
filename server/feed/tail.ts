/**
 * The feed's tail: the latest rows in memory, read once for all streams of this process.
 *
 * It reads only while a stream follows, one query for each change, however many streams there are.
 * A stream that is further back than the rows in memory pages through the database (feed.ts) until
 * it is near enough.
 *
 * Invariant: `read` returns everything after a position that this process has read, in order and
 * without gaps. Does not own: who sees which row.
 */
import type { Changes, Sql } from "../db/db.ts";
import type { Log } from "../kernel/log.ts";
import { type FeedRow, headOf } from "./feed.ts";

export type Tail = {
  /** Starts to follow; resolves when the tail reads. Call the result to stop. */
  follow(): Promise<() => void>;
  /**
   * Rows after a position, oldest first, at most `limit`; undefined if the position is further back
   * than the rows in memory.
   */
  read(after: bigint, limit: number): FeedRow[] | undefined;
  /**
   * Resolves when rows after `position` were read, when this time is over, or when the signal
   * aborts.
   */
  wait(position: bigint, milliseconds: number, signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
};

type Deps = {
  sql: Sql;
  changes: Changes;
  log: Log;
  /** Rows in memory. */
  keep?: number;
  pollMs?: number;
};

const PAGE = 500;

export function createTail({ sql, changes, log, keep = 2_000, pollMs = 1_000 }: Deps): Tail {
  let rows: FeedRow[] = [];
  /** Memory holds every row after `floor`, up to `head`. */
  let floor = 0n;
  let head = 0n;
  let followers = 0;
  let stopped = false;
  let running: Promise<void> | undefined;
  let ready: Promise<void> | undefined;
  const waiting = new Set<() => void>();

  /** Reads new rows; true if there may be more right away. */
  async function pull(): Promise<boolean> {
    const fresh = await sql<
      FeedRow[]
    >`select * from feed where position > ${head} order by position limit ${PAGE}`;
    const last = fresh[fresh.length - 1];
    if (!last) return false;
    rows.push(...fresh);
    head = last.position;
    if (rows.length > keep) {
      const dropped = rows.splice(0, rows.length - keep);
      floor = (dropped[dropped.length - 1] as FeedRow).position;
    }
    for (const wake of [...waiting]) wake();
    return fresh.length === PAGE;
  }

  async function run(): Promise<void> {
    while (!stopped && followers > 0) {
      const change = changes.wait(pollMs, "block");
      let more = false;
      try {
        more = await pull();
      } catch (cause) {
        if (!stopped)
          log.warn(
            { error: cause instanceof Error ? cause.name : "unknown" },
            "the feed's tail waits",
          );
      }
      if (!more) await change;
    }
    running = undefined;
  }

  /** Starts an idle tail: memory is empty, and earlier rows will not come. */
  async function begin(): Promise<void> {
    head = await headOf(sql);
    floor = head;
    rows = [];
    running ??= run();
  }

  return {
    async follow() {
      followers += 1;
      let following = true;
      const release = () => {
        if (following) followers -= 1;
        following = false;
      };
      try {
        // streams that come while it starts wait for the same start
        if (running === undefined) ready ??= begin();
        await ready;
      } catch (cause) {
        release();
        throw cause;
      } finally {
        ready = undefined;
      }
      return release;
    },
    read(after, limit) {
      if (after < floor) return undefined;
      // ascending: binary search for the first row after it
      let [low, high] = [0, rows.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((rows[middle] as FeedRow).position > after) high = middle;
        else low = middle + 1;
      }
      return rows.slice(low, low + limit);
    },
    wait(position, milliseconds, signal) {
      if (head > position || signal.aborted || stopped) return Promise.resolve();
      return new Promise((resolve) => {
        const done = () => {
          clearTimeout(timer);
          waiting.delete(done);
          signal.removeEventListener("abort", done);
          resolve();
        };
        const timer = setTimeout(done, milliseconds);
        waiting.add(done);
        signal.addEventListener("abort", done, { once: true });
      });
    },
    async stop() {
      stopped = true;
      for (const wake of [...waiting]) wake();
      await running;
    },
  };
}
