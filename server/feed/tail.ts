/**
 * The feed's tail: the latest rows in memory, read once for all streams of this process.
 *
 * Reads only while somebody follows, one query for a change, whoever and however many they are. Who
 * is further back than memory reaches pages through the database (feed.ts) until it is near enough.
 *
 * Invariant: what `read` returns after a position is everything after it that this process has
 * read; rows come in order and none is left out between. Does not own: who sees which row.
 */
import type { Changes, Sql } from "../db/db.ts";
import type { Log } from "../kernel/log.ts";
import { type FeedRow, headOf } from "./feed.ts";

export type Tail = {
  /** Begins to follow; resolves when the tail reads. Call the result to let go. */
  follow(): Promise<() => void>;
  /**
   * Rows after a position, oldest first, at most `limit`; undefined when it is further back than
   * memory reaches.
   */
  read(after: bigint, limit: number): FeedRow[] | undefined;
  /**
   * Resolves when rows were read after `position`, when so many milliseconds are over, or when the
   * signal says so.
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

  /** Reads what is new; true when there may be more at once. */
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

  /** From an idle tail: nothing is in memory yet, and nothing before now will be. */
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
        // whoever comes while it begins waits for the same beginning
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
      // ascending: the first one after it
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
