/**
 * Leases: of several processes on one database, which one works at what.
 *
 * | a lease is | for this process when | and then |
 * | --- | --- | --- |
 * | free | nobody has it, or its holder's time is over | the next heartbeat of any process takes it |
 * | held | a heartbeat took or renewed it less than a term, less a margin, ago | its loop works |
 * | another's | the row names another holder whose time is not over | its loop rests, and the heartbeat asks again |
 * | given up | this process's node serves less than another's, for some seconds | its loop rests; free for the others |
 *
 * A lease is worth the ability to work: with its heartbeat each process writes how far its node
 * reaches (feed/reach.ts). One whose node does not reach the block that another's had reached three
 * seconds ago renews nothing and takes nothing. Where all are equally blind, or one is alone,
 * nobody gives anything up: whoever holds goes on trying.
 *
 * Leases decide who works: they keep two processes from doing the same, and let one take over when
 * another is gone. They guard nothing. A process can be stopped for a minute between `held()` and
 * its next statement, so what must not happen twice is held by the transactions themselves: the
 * lane's row lock, compare-and-set on the cursor, advisory locks. A lease that is wrong costs time,
 * never correctness.
 *
 * Advisory locks alone would not do: they last as long as a connection, which the database keeps
 * for a process that hangs or whose network is cut until TCP gives it up. Rows end by themselves,
 * and an operator can read them.
 *
 * Times are compared by the database's clock, written and read there; the holder measures by its
 * own monotonic clock from before the statement was sent. So what a process takes for the time of
 * day does not matter. All leases of a process go in one statement.
 */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { Log } from "../kernel/log.ts";
import { announce, type Changes, type Sql } from "./db.ts";

/** Whether this process is the one to work, now. Cheap; asked before each piece of work. */
export type Lease = { held(): boolean };

/** For a process that is alone on its database, or a tool that does one thing: it always works. */
export const always: Lease = { held: () => true };

export type Leases = {
  /** The lease of this name, wanted from the next heartbeat on. */
  lease(name: string): Lease;
  /**
   * Begins the heartbeat, once; resolves after the first, also when the database did not answer it.
   */
  start(): Promise<void>;
  /**
   * Hands over: what was held is free from now on, and the others hear of it. Their work has to be
   * over before.
   */
  stop(): Promise<void>;
  state(): { name: string; held: boolean }[];
};

type Deps = {
  /**
   * Best a pool of its own, of two connections: a heartbeat that waits behind requests loses the
   * lease.
   */
  sql: Sql;
  changes: Changes;
  log: Log;
  /** Default: a new name for each process's start. */
  holder?: string;
  /** How long a lease lasts without a heartbeat, in milliseconds. */
  ttlMs: number;
  /** The block that this process's node reaches; undefined while it cannot serve. */
  reach: () => number | undefined;
};

type Held = { sent: number; until: number };

/**
 * Heartbeats are no further apart, however long a lease lasts: a node that fails is noticed by
 * then.
 */
const MAX_BEAT_MS = 2_000;
/**
 * So long a node may be behind another one: blocks take time on their way, and an answer can get
 * lost.
 */
const GRACE_MS = 3_000;
/** The row of a process that has not been heard of for so long is deleted. */
const FORGOTTEN = "1 hour";

export function createLeases(deps: Deps): Leases {
  const { sql, changes, log, ttlMs, reach, holder = randomUUID() } = deps;
  const detail = `${hostname()} ${process.pid}`;
  const everyMs = Math.min(ttlMs / 3, MAX_BEAT_MS);
  /** For clocks that do not run equally fast, and for work that began just before the end. */
  const marginMs = ttlMs / 8;
  /**
   * When something has changed, a lease may have been handed over: asked again, but not at every
   * change of a busy database.
   */
  const eagerMs = Math.min(250, ttlMs / 10);
  const wanted = new Map<string, Held>();
  const holds = (one: Held) => performance.now() < one.until;
  let stopping = new AbortController();
  let running: Promise<void> = Promise.resolve();
  let started: Promise<void> | undefined;
  let lost = false;
  /**
   * What the best of the other nodes reached, at the newest heartbeat that is old enough to count
   * and at those after it; -1: nothing.
   */
  const others: { at: number; best: number }[] = [];
  let resting = false;

  /**
   * Says how far this process's node reaches, hears how far the others' do, and tells whether this
   * one is to rest.
   */
  async function behind(): Promise<boolean> {
    const mine = reach();
    const [row] = await sql<{ best: bigint | null }[]>`
      with mine as (
        insert into processes as p (holder, detail, reach) values (${holder}, ${detail}, ${mine ?? null})
        on conflict (holder) do update
          set reach = excluded.reach, seen = now(), since = case when p.reach is distinct from excluded.reach then now() else p.since end),
      gone as (delete from processes where seen < now() - ${FORGOTTEN}::interval)
      select max(reach) as best from processes where holder <> ${holder} and seen > now() - ${ttlMs}::float8 * interval '1 millisecond'`;
    const at = performance.now();
    others.push({ at, best: Number(row?.best ?? -1) });
    while (others[1] !== undefined && others[1].at <= at - GRACE_MS) others.shift();
    const [old, now] = [others[0], others[others.length - 1]];
    const own = mine ?? -1;
    // and it is there still: nobody gives up to one that is gone
    return (
      old !== undefined && old.at <= at - GRACE_MS && old.best > own && (now?.best ?? -1) > own
    );
  }

  /** Frees what this process holds, and lets the others hear of it. */
  async function free(): Promise<void> {
    for (const one of wanted.values()) one.until = 0;
    await sql.begin(async (tx) => {
      const freed =
        await tx`update leases set until = now() - interval '1 microsecond' where holder = ${holder} and until >= now()`;
      if (freed.count > 0) await announce(tx, "lease");
    });
  }

  async function beat(): Promise<void> {
    const rests = await behind();
    if (rests !== resting)
      log.warn(
        rests
          ? "this process's node is behind another's: it rests"
          : "this process's node is as good as the others' again",
      );
    resting = rests;
    if (rests) return free();
    // before it goes out: the answer's way does not count for us, and the row's time begins when
    // the database has it
    const sent = performance.now();
    const names = [...wanted.keys()].sort();
    if (names.length === 0) return;
    // one order of names for all processes, so that two heartbeats never wait for each other
    const rows = await sql<{ name: string; term: bigint }[]>`
      insert into leases as l (name, holder, until, since, detail)
      select name, ${holder}, now() + ${ttlMs}::float8 * interval '1 millisecond', now(), ${detail} from unnest(${names}::text[]) as name order by name
      on conflict (name) do update
        set holder = excluded.holder, until = excluded.until, detail = excluded.detail,
            since = case when l.holder = excluded.holder then l.since else excluded.since end,
            term = l.term + (l.holder <> excluded.holder)::int
        where l.holder = excluded.holder or l.until < now()
      returning l.name, l.term`;
    const granted = new Map(rows.map((row) => [row.name, row.term]));
    const taken: string[] = [];
    for (const name of names) {
      const one = wanted.get(name) as Held;
      // the answer to a heartbeat that was overtaken by a later one
      if (sent < one.sent) continue;
      const before = holds(one);
      one.sent = sent;
      one.until = granted.has(name) ? sent + ttlMs - marginMs : 0;
      if (holds(one) && !before) taken.push(`${name} (term ${granted.get(name)})`);
    }
    if (taken.length === 0) return;
    log.info({ leases: taken }, "this process works");
    // the loops that wait for it hear it as any other change
    await announce(sql, "lease");
  }

  /**
   * A heartbeat that does not answer must not keep the next one from going out on another
   * connection.
   */
  async function tryBeat(): Promise<void> {
    const late = new Promise<"late">((resolve) => setTimeout(resolve, ttlMs, "late").unref());
    const answer = await Promise.race([beat().catch((cause: Error) => cause), late]);
    const failed = answer === "late" ? "no answer" : answer?.message;
    if (failed !== undefined && !lost)
      log.warn(
        { error: failed },
        "no heartbeat reaches the database: this process rests when its leases run out",
      );
    lost = failed !== undefined;
  }

  /**
   * Until the next heartbeat is due: at its time, or at a change while there is a lease to be had.
   */
  function pause(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const began = performance.now();
      let timer = setTimeout(done, everyMs);
      const off = changes.on(["lease"], () => {
        if ([...wanted.values()].every(holds)) return;
        clearTimeout(timer);
        timer = setTimeout(done, Math.max(0, eagerMs - (performance.now() - began)));
      });
      signal.addEventListener("abort", done, { once: true });
      if (signal.aborted) done();
      function done() {
        clearTimeout(timer);
        off();
        signal.removeEventListener("abort", done);
        resolve();
      }
    });
  }

  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(signal);
      if (!signal.aborted) await tryBeat();
    }
  }

  async function begin(): Promise<void> {
    stopping = new AbortController();
    others.length = 0;
    await tryBeat();
    running = run(stopping.signal);
  }

  return {
    lease(name) {
      const one = wanted.get(name) ?? { sent: 0, until: 0 };
      wanted.set(name, one);
      return { held: () => holds(one) };
    },
    start() {
      started ??= begin();
      return started;
    },
    async stop() {
      await started;
      started = undefined;
      stopping.abort();
      await running;
      await free()
        .then(() => sql`delete from processes where holder = ${holder}`)
        .catch((cause: Error) =>
          log.warn({ error: cause.message }, "the leases were not handed over: they run out"),
        );
    },
    state: () => [...wanted].map(([name, one]) => ({ name, held: holds(one) })),
  };
}
