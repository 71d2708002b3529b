/**
 * Leases: which of several processes on one database does which work.
 *
 * | a lease is | for this process when | and then |
 * | --- | --- | --- |
 * | free | nobody holds it, or its holder's time is over | the next heartbeat of any process takes it |
 * | held | a heartbeat took or renewed it less than a term, less a margin, ago | its loop works |
 * | another's | the row names another holder whose time is not over | its loop rests, and the heartbeat asks again |
 * | given up | for some seconds, this process's node has served less than another's | its loop rests; free for the others |
 *
 * A lease belongs to a process that can work: with its heartbeat each process writes how far its
 * node reaches (feed/reach.ts). A process renews and takes no lease if its node does not reach the
 * block that another's node reached three seconds ago. If all are equally blind, or there is only
 * one, none gives anything up: the holder goes on trying.
 *
 * Leases decide who works: they keep two processes from doing the same work, and let one take over
 * from another that is gone. They guard nothing. A process can be stopped for a minute between
 * `held()` and its next statement, so the transactions themselves prevent what must not happen
 * twice: the lane's row lock, compare-and-set on the cursor, advisory locks. A wrong lease costs
 * time, never correctness.
 *
 * Advisory locks alone would not do: they last as long as a connection, and for a process that
 * hangs or whose network is cut, the database keeps the connection until TCP gives it up. Rows
 * expire, and an operator can read them.
 *
 * The database writes, reads and compares all times by its own clock; the holder measures by its
 * own monotonic clock, from before it sends the statement. So the processes' time of day does not
 * matter. One statement covers all leases of a process.
 */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { Log } from "../kernel/log.ts";
import { announce, type Changes, type Sql } from "./db.ts";
import type { RowOf } from "./tables.ts";

/** Whether this process is the one to work, now. Cheap; asked before each piece of work. */
export type Lease = { held(): boolean };

/** For a process that is alone on its database, or a tool that does one thing: it always works. */
export const always: Lease = { held: () => true };

export type Leases = {
  /** The lease of this name, requested from the next heartbeat on. */
  lease(name: string): Lease;
  /**
   * Starts the heartbeat, once; resolves after the first one, even if the database does not answer.
   */
  start(): Promise<void>;
  /**
   * Hands over: frees the held leases at once and announces it. The work under them has to be over.
   */
  stop(): Promise<void>;
  state(): { name: string; held: boolean }[];
};

type Deps = {
  /**
   * Preferably a pool of its own, of two connections: a heartbeat that waits behind requests loses
   * the lease.
   */
  sql: Sql;
  changes: Changes;
  log: Log;
  /** Default: a new name for each start of a process. */
  holder?: string;
  /** How long a lease lasts without a heartbeat, in milliseconds. */
  ttlMs: number;
  /** The block that this process's node reaches; undefined while the node cannot serve. */
  reach: () => number | undefined;
};

type Held = { sent: number; until: number };

/**
 * The longest time between heartbeats, however long a lease lasts: it limits how long a failed node
 * stays unnoticed.
 */
const MAX_BEAT_MS = 2_000;
/**
 * How long a node may be behind another one: blocks take time to travel, and an answer can get
 * lost.
 */
const GRACE_MS = 3_000;
/** After this time without a heartbeat, the row of a process is deleted. */
const FORGOTTEN = "1 hour";

export function createLeases(deps: Deps): Leases {
  const { sql, changes, log, ttlMs, reach, holder = randomUUID() } = deps;
  const detail = `${hostname()} ${process.pid}`;
  const everyMs = Math.min(ttlMs / 3, MAX_BEAT_MS);
  /** For clocks of different speeds, and for work that began just before the end. */
  const marginMs = ttlMs / 8;
  /**
   * A change may mean that a lease was handed over, so the next heartbeat comes early, but not at
   * every change of a busy database.
   */
  const earliestMs = Math.min(250, ttlMs / 10);
  const requested = new Map<string, Held>();
  const holds = (record: Held) => performance.now() < record.until;
  let stopping = new AbortController();
  let running: Promise<void> = Promise.resolve();
  let started: Promise<void> | undefined;
  let lost = false;
  /**
   * The best reach among the other nodes, at the newest heartbeat that is old enough to count and
   * at those after it; -1: none.
   */
  const others: { at: number; best: number }[] = [];
  let resting = false;

  /**
   * Writes how far this process's node reaches, reads how far the others' do, and returns whether
   * this process should rest.
   */
  async function behind(): Promise<boolean> {
    const ownReach = reach();
    const [row] = await sql<{ best: bigint | null }[]>`
      with mine as (
        insert into processes as p (holder, detail, reach) values (${holder}, ${detail},
          ${ownReach ?? null})
        on conflict (holder) do update
          set reach = excluded.reach, seen = now(), since = case when p.reach is distinct
            from excluded.reach then now() else p.since end),
      gone as (delete from processes where seen < now() - ${FORGOTTEN}::interval)
      select max(reach) as best from processes where holder <> ${holder}
        and seen > now() - ${ttlMs}::float8 * interval '1 millisecond'`;
    const at = performance.now();
    others.push({ at, best: Number(row?.best ?? -1) });
    while (others[1] !== undefined && others[1].at <= at - GRACE_MS) others.shift();
    const [old, now] = [others[0], others[others.length - 1]];
    const ownBlock = ownReach ?? -1;
    // the other node is still there: no process gives up to one that is gone
    return (
      old !== undefined &&
      old.at <= at - GRACE_MS &&
      old.best > ownBlock &&
      (now?.best ?? -1) > ownBlock
    );
  }

  /** Frees the leases of this process, and announces it. */
  async function free(): Promise<void> {
    for (const record of requested.values()) record.until = 0;
    await sql.begin(async (tx) => {
      const freed = await tx`
          update leases set until = now() - interval '1 microsecond' where holder = ${holder}
            and until >= now()`;
      if (freed.count > 0) await announce(tx, "lease");
    });
  }

  async function beat(): Promise<void> {
    const shouldRest = await behind();
    if (shouldRest !== resting)
      log.warn(
        shouldRest
          ? "this process's node is behind another's: it rests"
          : "this process's node is as good as the others' again",
      );
    resting = shouldRest;
    if (shouldRest) return free();
    // before the statement is sent: the travel time counts against this process, because the row's
    // time begins when the database has the statement
    const sent = performance.now();
    const names = [...requested.keys()].sort();
    if (names.length === 0) return;
    // one order of names for all processes, so that two heartbeats never wait for each other
    const rows = await sql<RowOf<"leases", "name" | "term">[]>`
      insert into leases as l (name, holder, until, since, detail)
      select name, ${holder}, now() + ${ttlMs}::float8 * interval '1 millisecond', now(), ${detail}
        from unnest(${names}::text[]) as name order by name
      on conflict (name) do update
        set holder = excluded.holder, until = excluded.until, detail = excluded.detail,
            since = case when l.holder = excluded.holder then l.since else excluded.since end,
            term = l.term + (l.holder <> excluded.holder)::int
        where l.holder = excluded.holder or l.until < now()
      returning l.name, l.term`;
    const granted = new Map(rows.map((row) => [row.name, row.term]));
    const taken: string[] = [];
    for (const name of names) {
      const record = requested.get(name) as Held;
      // the answer to a heartbeat that a later one overtook
      if (sent < record.sent) continue;
      const before = holds(record);
      record.sent = sent;
      record.until = granted.has(name) ? sent + ttlMs - marginMs : 0;
      if (holds(record) && !before) taken.push(`${name} (term ${granted.get(name)})`);
    }
    if (taken.length === 0) return;
    log.info({ leases: taken }, "this process works");
    // the loops that wait for it hear it like any other change
    await announce(sql, "lease");
  }

  /**
   * A heartbeat without an answer must not keep the next one from going out on another connection.
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
   * Waits until the next heartbeat is due: at its time, or at a change while a lease may be free.
   */
  function pause(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const began = performance.now();
      let timer = setTimeout(done, everyMs);
      const off = changes.on(["lease"], () => {
        if ([...requested.values()].every(holds)) return;
        clearTimeout(timer);
        timer = setTimeout(done, Math.max(0, earliestMs - (performance.now() - began)));
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
      const record = requested.get(name) ?? { sent: 0, until: 0 };
      requested.set(name, record);
      return { held: () => holds(record) };
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
    state: () => [...requested].map(([name, record]) => ({ name, held: holds(record) })),
  };
}
