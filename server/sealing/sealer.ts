/**
 * The sealer: closes lots. Accepted invoices of a segment go into lots in the order of their
 * numbers, without gaps. A lot is closed when it is full or its first invoice is old enough; then
 * its root is fixed, and its seal is an operation.
 *
 * Only the lease holder seals. If two processes both believe that they hold the lease, the advisory
 * lock makes the second a no-op. The sealer knows nothing of an invoice's content, only leaves.
 */
import { leafHash, lotTree } from "@onepiao/protocol/ledger/tree.ts";
import { lockSegments, markLotted } from "../accepted/accepting.ts";
import { leavesOfRuns } from "../accepted/leaves.ts";
import { closeLots, enqueueSeals } from "../acts/operations.ts";
import { type Capacity, leavesThatFit } from "../chain/capacity.ts";
import type { Changes, Sql, Tx } from "../db/db.ts";
import type { Lease } from "../db/leases.ts";
import type { Log } from "../kernel/log.ts";
import { createLoop, type Loop, type Next } from "../kernel/loop.ts";

type Deps = {
  sql: Sql;
  changes: Changes;
  log: Log;
  lease: Lease;
  lotSize: number;
  lotAgeMs: number;
  limit: Capacity;
};
export type Sealer = Loop;

export const sealerLock = 7_146_009_513;

/** The longest time between two turns. */
const MAX_WAIT_MS = 1_000;
/** How long it sleeps regardless of changes: under load, every group of invoices makes a change. */
const NAP_MS = 250;

/** Lots of one transaction; the next ones are closed right after it. */
const MAX_LOTS = 100;
/** Segments examined in one turn. */
const LOOKED_AT = 1_000;

/** Null: the segment's issuer, or the first waiting invoice, is missing. */
type Waiting = {
  segment: string;
  lotted: bigint;
  waiting: bigint;
  issuer: number | null;
  account: string | null;
  age: number | null;
};
type Lot = { segment: string; first: string; count: number; issuer: number; account: string };

export function createSealer(deps: Deps): Sealer {
  const { sql, log } = deps;
  const size = leavesThatFit(deps.lotSize, deps.limit);
  if (size === 0) throw new Error("No transaction within MAX_TX_BYTES and MAX_TX_GAS holds a lot");

  /** One statement, because nothing waits most of the time. */
  const hasWaiting = async () =>
    (await sql`select 1 from segment_accepted_now where waiting_since is not null limit 1`).length >
    0;

  /**
   * Closes full and old lots. Returns the milliseconds until the next lot is old, or until another
   * sealer may have finished; undefined while nothing waits.
   */
  async function close(): Promise<number | undefined> {
    if (!(await hasWaiting())) return undefined;
    return sql.begin(async (tx) => {
      const [lock] = await tx<
        { got: boolean }[]
      >`select pg_try_advisory_xact_lock(${sealerLock}) as got`;
      if (!lock?.got) return deps.lotAgeMs;
      // the longest waiting first; the rest has to wait for the next turn
      const waiting = await tx<Waiting[]>`
        select u.segment, coalesce(l.lotted, 0) as lotted, u.accepted - coalesce(l.lotted,
          0) as waiting, s.issuer, t.account,
               extract(epoch from now() - i.accepted_at)::float8 * 1000 as age
        from (select segment, accepted, waiting_since from segment_accepted_now
          where waiting_since is not null order by waiting_since limit ${LOOKED_AT}) u
        left join lateral (select lotted from segment_lotted
          where segment = u.segment offset 0) l on true
        left join lateral (select issuer from segment_now
          where first = u.segment offset 0) s on true
        left join lateral (select account from taxpayer_now
          where index = s.issuer offset 0) t on true
        left join lateral (select accepted_at from accepted_now
          where number = u.segment + coalesce(l.lotted, 0) offset 0) i on true
        order by u.waiting_since`;
      const lots = waiting.flatMap(lotsOf);
      const now = lots.slice(0, MAX_LOTS);
      const unsealable = now.length > 0 ? await sealLots(tx, now) : new Set<string>();
      await settle(tx, waiting, now, unsealable);
      if (lots.length > now.length || (now.length > 0 && waiting.length === LOOKED_AT)) return 0;
      const young = waiting.flatMap(({ age }) =>
        age !== null && age < deps.lotAgeMs ? [deps.lotAgeMs - age] : [],
      );
      return young.length === 0 ? undefined : Math.min(...young);
    });
  }

  /**
   * Clears the mark of segments without waiting invoices, and moves segments that cannot be closed
   * to the end. A row that a request is accepting into is left to the next turn, so that nobody
   * waits for another.
   */
  async function settle(
    tx: Tx,
    waiting: readonly Waiting[],
    closed: readonly Lot[],
    unsealable: ReadonlySet<string>,
  ): Promise<void> {
    const stuck = waiting
      .filter(
        (row) =>
          row.waiting > 0n &&
          (row.age === null || row.issuer === null || unsealable.has(row.segment)),
      )
      .map((row) => row.segment);
    const done = [
      ...new Set([
        ...closed.map((lot) => lot.segment),
        ...waiting.filter((row) => row.waiting === 0n).map((row) => row.segment),
      ]),
    ];
    if (done.length + stuck.length === 0) return;
    // the next statement reads what the lock protects: the locking statement itself would still see
    // the state before
    const locked = await lockSegments(tx, [...done, ...stuck]);
    await markLotted(
      tx,
      await tx<{ segment: string; lotted: bigint }[]>`
        select m.segment, coalesce(l.lotted, 0) as lotted
        from unnest(${locked}::numeric[]) as m (segment) left join lateral (
          select lotted from segment_lotted where segment = m.segment offset 0) l on true`,
    );
  }

  /** The lots of a segment that are due, in order. */
  function lotsOf({ segment, lotted, waiting, issuer, account, age }: Waiting): Lot[] {
    const lots: Lot[] = [];
    if (issuer === null || account === null || age === null) return lots;
    for (
      let left = Number(waiting), at = BigInt(segment) + lotted;
      left >= size || (left > 0 && age >= deps.lotAgeMs);
    ) {
      const count = Math.min(left, size);
      lots.push({ segment, first: at.toString(), count, issuer, account });
      left -= count;
      at += BigInt(count);
    }
    return lots;
  }

  /** Returns the segments whose lots cannot be closed. */
  async function sealLots(tx: Tx, due: readonly Lot[]): Promise<ReadonlySet<string>> {
    const leaves = await leavesOfRuns(tx, due);
    // accepted numbers without rows: the database was modified. This segment stays as it is, the
    // others go on
    const unsealable = new Set(
      due.filter((lot) => leaves.get(lot.first)?.length !== lot.count).map((lot) => lot.segment),
    );
    for (const segment of unsealable)
      log.error({ segment }, "a lot cannot be closed: accepted invoices are missing");
    const lots = due.filter((lot) => !unsealable.has(lot.segment));
    if (lots.length === 0) return unsealable;
    const operations = await enqueueSeals(tx, lots);
    await closeLots(
      tx,
      lots.map((lot) => ({
        ...lot,
        root: lotTree((leaves.get(lot.first) ?? []).map(leafHash)).root,
        operation: operations.get(lot.first) as string,
      })),
    );
    const bySegment = [...Map.groupBy(lots, (lot) => lot.segment)].map(
      ([segment, segmentLots]) => ({
        segment,
        count: segmentLots.reduce((sum, lot) => sum + lot.count, 0),
      }),
    );
    await tx`
      insert into segment_lotted (segment, lotted)
      select * from unnest(${bySegment.map((row) => row.segment)}::numeric[],
        ${bySegment.map((row) => row.count)}::bigint[])
      on conflict (segment) do update set lotted = segment_lotted.lotted + excluded.lotted`;
    await tx`
      update lotted set invoices = invoices + ${lots.reduce((sum, lot) => sum + lot.count, 0)}`;
    log.debug({ closed: lots.length }, "lots closed");
    return unsealable;
  }

  async function turn(): Promise<Next> {
    const due = deps.lease.held() ? await close() : undefined;
    // until the first of them is old, only full lots can be closed: those can wait a moment, but no
    // longer
    if (due === undefined) return undefined;
    return due <= NAP_MS ? { after: due } : { atMost: Math.min(due, MAX_WAIT_MS) };
  }

  return createLoop({
    atMostMs: MAX_WAIT_MS,
    listen: (changed) => deps.changes.on(["accepted", "lease"], changed),
    turn,
    failed(cause) {
      log.warn(
        { error: cause instanceof Error ? cause.message : String(cause) },
        "the sealer waits",
      );
    },
  });
}
