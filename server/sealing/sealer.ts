/**
 * The sealer: closes lots. Accepted invoices of a segment go into lots in the order of their numbers, without a gap: a lot is
 * closed when it is full or its first invoice is old enough, and from then on its root is fixed and its seal is an operation.
 *
 * One sealer works at a time: whose process has the lease; the lock keeps a second one that believes so from harm. It knows nothing of what an invoice says: leaves alone.
 */
import { setTimeout as delay } from "node:timers/promises";
import { enqueueSeals } from "../acts/operations.ts";
import { type Capacity, leavesThatFit } from "../chain/capacity.ts";
import { leafHash, lotTree } from "../chain/tree.ts";
import type { Changes, Sql, Tx } from "../db/db.ts";
import type { Lease } from "../db/leases.ts";
import type { Log } from "../kernel/log.ts";
import { leavesOfRuns } from "../mirror/ledger.ts";

type Deps = { sql: Sql; changes: Changes; log: Log; lease: Lease; lotSize: number; lotAgeMs: number; limit: Capacity };
export type Sealer = { start(): void; stop(): Promise<void> };

export const sealerLock = 7_146_009_513;

/** Looks at least so often, so that stopping never takes longer. */
const MAX_WAIT_MS = 1_000;
/** So long it sleeps through changes: under load there is one with every group of invoices. */
const NAP_MS = 250;

/** Lots of one transaction; the next ones are closed right after. */
const MAX_LOTS = 100;

type Waiting = { segment: string; lotted: bigint; waiting: bigint; issuer: number; account: string; age: number };
type Lot = { segment: string; first: string; count: number; issuer: number; account: string };

export function createSealer(deps: Deps): Sealer {
  const { sql, log } = deps;
  const size = leavesThatFit(deps.lotSize, deps.limit);
  if (size === 0) throw new Error("No transaction within MAX_TX_BYTES and MAX_TX_GAS holds a lot");
  let stopping = false;
  let running: Promise<void> = Promise.resolve();

  /** Closes what is full or old. Returns in how many milliseconds the next lot is old; undefined while nothing waits. */
  async function close(): Promise<number | undefined> {
    return sql.begin(async (tx) => {
      const [lock] = await tx<{ got: boolean }[]>`select pg_try_advisory_xact_lock(${sealerLock}) as got`;
      if (!lock?.got) return undefined;
      const waiting = await tx<Waiting[]>`
        select u.segment, u.lotted, u.accepted - u.lotted as waiting, s.issuer, t.account,
               extract(epoch from now() - i.accepted_at)::float8 * 1000 as age
        from segment_use u join segments s on s.first = u.segment join taxpayers t on t.index = s.issuer
        join invoices i on i.number = u.segment + u.lotted
        where u.accepted > u.lotted`;
      const lots = waiting.flatMap(lotsOf);
      const now = lots.slice(0, MAX_LOTS);
      if (now.length > 0) await closeLots(tx, now);
      if (lots.length > now.length) return 0;
      const young = waiting.filter((segment) => segment.age < deps.lotAgeMs).map((segment) => deps.lotAgeMs - segment.age);
      return young.length === 0 ? undefined : Math.min(...young);
    });
  }

  /** The lots of a segment that are due, in order. */
  function lotsOf({ segment, lotted, waiting, issuer, account, age }: Waiting): Lot[] {
    const lots: Lot[] = [];
    for (let left = Number(waiting), at = BigInt(segment) + lotted; left >= size || (left > 0 && age >= deps.lotAgeMs); ) {
      const count = Math.min(left, size);
      lots.push({ segment, first: at.toString(), count, issuer, account });
      left -= count;
      at += BigInt(count);
    }
    return lots;
  }

  async function closeLots(tx: Tx, due: readonly Lot[]): Promise<void> {
    const leaves = await leavesOfRuns(tx, due);
    // accepted numbers without their rows: somebody has been at the database. That segment stays as it is, the others go on
    const broken = new Set(due.filter((lot) => leaves.get(lot.first)?.length !== lot.count).map((lot) => lot.segment));
    for (const segment of broken) log.error({ segment }, "a lot cannot be closed: accepted invoices are missing");
    const lots = due.filter((lot) => !broken.has(lot.segment));
    if (lots.length === 0) return;
    const operations = await enqueueSeals(tx, lots);
    const roots = lots.map((lot) => lotTree((leaves.get(lot.first) ?? []).map(leafHash)).root);
    await tx`
      insert into sealings (first, segment, issuer, count, root, operation)
      select * from unnest(
        ${lots.map((lot) => lot.first)}::numeric[], ${lots.map((lot) => lot.segment)}::numeric[], ${lots.map((lot) => lot.issuer)}::int[],
        ${lots.map((lot) => lot.count)}::int[], ${roots}::text[], ${lots.map((lot) => operations.get(lot.first))}::uuid[])`;
    const bySegment = [...Map.groupBy(lots, (lot) => lot.segment)].map(([segment, of]) => ({ segment, count: of.reduce((sum, lot) => sum + lot.count, 0) }));
    await tx`
      insert into segment_lotted (segment, lotted)
      select * from unnest(${bySegment.map((one) => one.segment)}::numeric[], ${bySegment.map((one) => one.count)}::bigint[])
      on conflict (segment) do update set lotted = segment_lotted.lotted + excluded.lotted`;
    log.debug({ closed: lots.length }, "lots closed");
  }

  async function run(): Promise<void> {
    while (!stopping) {
      // listening begins before the look: what is accepted meanwhile is not slept over
      const change = deps.changes.wait(Math.min(deps.lotAgeMs, MAX_WAIT_MS), "accepted", "lease");
      try {
        const due = deps.lease.held() ? await close() : undefined;
        // until the first of them is old there is nothing to close but what fills up: that can wait a moment, not longer
        if (due !== undefined && due <= NAP_MS) {
          await delay(due);
          continue;
        }
      } catch (cause) {
        if (!stopping) log.warn({ error: cause instanceof Error ? cause.message : String(cause) }, "the sealer waits");
      }
      await change;
    }
  }

  return {
    start() {
      stopping = false;
      running = run();
    },
    async stop() {
      stopping = true;
      await running;
    },
  };
}
