/**
 * The sealer: closes lots. Accepted invoices of a segment go into lots in the order of their
 * numbers, without a gap: a lot is closed when it is full or its first invoice is old enough, and
 * from then on its root is fixed and its seal is an operation.
 *
 * One sealer works at a time: whose process has the lease; the lock keeps a second one that
 * believes so from harm. It knows nothing of what an invoice says: leaves alone.
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

/** The sealer looks at least this often. */
const MAX_WAIT_MS = 1_000;
/** So long it sleeps through changes: under load there is one with every group of invoices. */
const NAP_MS = 250;

/** Lots of one transaction; the next ones are closed right after. */
const MAX_LOTS = 100;
/** Segments of one look. */
const LOOKED_AT = 1_000;

/** Null: the segment's issuer, or the first invoice that waits, is not there. */
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

  /**
   * Closes what is full or old. Returns in how many milliseconds the next lot is old; undefined
   * while nothing waits.
   */
  async function close(): Promise<number | undefined> {
    return sql.begin(async (tx) => {
      const [lock] = await tx<
        { got: boolean }[]
      >`select pg_try_advisory_xact_lock(${sealerLock}) as got`;
      if (!lock?.got) return undefined;
      // the longest first; behind so many the others wait for the next look
      const waiting = await tx<Waiting[]>`
        select u.segment, coalesce(l.lotted, 0) as lotted, u.accepted - coalesce(l.lotted, 0) as waiting, s.issuer, t.account,
               extract(epoch from now() - i.accepted_at)::float8 * 1000 as age
        from (select segment, accepted, waiting_since from segment_accepted_now where waiting_since is not null order by waiting_since limit ${LOOKED_AT}) u
        left join lateral (select lotted from segment_lotted where segment = u.segment offset 0) l on true
        left join lateral (select issuer from segment_now where first = u.segment offset 0) s on true
        left join lateral (select account from taxpayer_now where index = s.issuer offset 0) t on true
        left join lateral (select accepted_at from accepted_now where number = u.segment + coalesce(l.lotted, 0) offset 0) i on true
        order by u.waiting_since`;
      const lots = waiting.flatMap(lotsOf);
      const now = lots.slice(0, MAX_LOTS);
      const broken = now.length > 0 ? await sealLots(tx, now) : new Set<string>();
      await settle(tx, waiting, now, broken);
      if (lots.length > now.length || (now.length > 0 && waiting.length === LOOKED_AT)) return 0;
      const young = waiting.flatMap(({ age }) =>
        age !== null && age < deps.lotAgeMs ? [deps.lotAgeMs - age] : [],
      );
      return young.length === 0 ? undefined : Math.min(...young);
    });
  }

  /**
   * Takes the mark from segment_now of which nothing waits any more, and puts those that cannot be
   * closed at the end. A row that somebody accepts into at this moment is left to the next look:
   * nobody waits for one another.
   */
  async function settle(
    tx: Tx,
    waiting: readonly Waiting[],
    closed: readonly Lot[],
    broken: ReadonlySet<string>,
  ): Promise<void> {
    const stuck = waiting
      .filter(
        (one) =>
          one.waiting > 0n && (one.age === null || one.issuer === null || broken.has(one.segment)),
      )
      .map((one) => one.segment);
    const done = [
      ...new Set([
        ...closed.map((lot) => lot.segment),
        ...waiting.filter((one) => one.waiting === 0n).map((one) => one.segment),
      ]),
    ];
    if (done.length + stuck.length === 0) return;
    // what is under the lock is read by the next statement: one of the same would still see what
    // was there before
    const mine = await lockSegments(tx, [...done, ...stuck]);
    await markLotted(
      tx,
      await tx<{ segment: string; lotted: bigint }[]>`
        select m.segment, coalesce(l.lotted, 0) as lotted
        from unnest(${mine}::numeric[]) as m (segment) left join lateral (
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

  /** Returns the segments of those that cannot be closed. */
  async function sealLots(tx: Tx, due: readonly Lot[]): Promise<ReadonlySet<string>> {
    const leaves = await leavesOfRuns(tx, due);
    // accepted numbers without their rows: somebody has been at the database. That segment stays as
    // it is, the others go on
    const broken = new Set(
      due.filter((lot) => leaves.get(lot.first)?.length !== lot.count).map((lot) => lot.segment),
    );
    for (const segment of broken)
      log.error({ segment }, "a lot cannot be closed: accepted invoices are missing");
    const lots = due.filter((lot) => !broken.has(lot.segment));
    if (lots.length === 0) return broken;
    const operations = await enqueueSeals(tx, lots);
    await closeLots(
      tx,
      lots.map((lot) => ({
        ...lot,
        root: lotTree((leaves.get(lot.first) ?? []).map(leafHash)).root,
        operation: operations.get(lot.first) as string,
      })),
    );
    const bySegment = [...Map.groupBy(lots, (lot) => lot.segment)].map(([segment, of]) => ({
      segment,
      count: of.reduce((sum, lot) => sum + lot.count, 0),
    }));
    await tx`
      insert into segment_lotted (segment, lotted)
      select * from unnest(${bySegment.map((one) => one.segment)}::numeric[], ${bySegment.map((one) => one.count)}::bigint[])
      on conflict (segment) do update set lotted = segment_lotted.lotted + excluded.lotted`;
    await tx`update lotted set invoices = invoices + ${lots.reduce((sum, lot) => sum + lot.count, 0)}`;
    log.debug({ closed: lots.length }, "lots closed");
    return broken;
  }

  async function turn(): Promise<Next> {
    const due = deps.lease.held() ? await close() : undefined;
    // until the first of them is old there is nothing to close but what fills up: that can wait a
    // moment, not longer
    return due !== undefined && due <= NAP_MS ? { after: due } : undefined;
  }

  return createLoop({
    atMostMs: Math.min(deps.lotAgeMs, MAX_WAIT_MS),
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
