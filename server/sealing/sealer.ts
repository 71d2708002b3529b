/**
 * The sealer: closes lots. Accepted invoices of a segment go into lots in the order of their numbers, without a gap: a lot is
 * closed when it is full or its first invoice is old enough, and from then on its root is fixed and its seal is an operation.
 *
 * One sealer works at a time. It knows nothing of what an invoice says: leaves alone.
 */
import { enqueue } from "../acts/operations.ts";
import { leafHash, lotTree } from "../chain/tree.ts";
import type { Changes, Sql, Tx } from "../db/db.ts";
import type { Log } from "../kernel/log.ts";
import { leavesOf } from "../mirror/ledger.ts";

type Deps = { sql: Sql; changes: Changes; log: Log; lotSize: number; lotAgeMs: number; gasLimit: bigint };
export type Sealer = { start(): void; stop(): Promise<void> };

export const sealerLock = 7_146_009_513;
/** Upper bound of what a leaf costs in `seal`, so that a lot fits into one transaction. */
const GAS_PER_LEAF = 1_700n;
const GAS_PER_LOT = 180_000n;

/** Looks at least so often, so that stopping never takes longer. */
const MAX_WAIT_MS = 1_000;

type Waiting = { segment: string; lotted: bigint; waiting: bigint; issuer: number; account: string; old: boolean };

/** Accepted numbers without their rows: somebody has been at the database. */
class MissingInvoices extends Error {}

export function createSealer(deps: Deps): Sealer {
  const { sql, log } = deps;
  const fits = Number((deps.gasLimit - GAS_PER_LOT) / GAS_PER_LEAF);
  const size = Math.max(1, Math.min(deps.lotSize, fits));
  let stopping = false;
  let running: Promise<void> = Promise.resolve();

  async function close(): Promise<number> {
    return sql.begin(async (tx) => {
      const [lock] = await tx<{ got: boolean }[]>`select pg_try_advisory_xact_lock(${sealerLock}) as got`;
      if (!lock?.got) return 0;
      const waiting = await tx<Waiting[]>`
        select u.segment, u.lotted, u.accepted - u.lotted as waiting, s.issuer, t.account,
               i.accepted_at <= now() - ${deps.lotAgeMs} * interval '1 millisecond' as old
        from segment_use u join segments s on s.first = u.segment join taxpayers t on t.index = s.issuer
        join invoices i on i.number = u.segment + u.lotted
        where u.accepted > u.lotted`;
      let closed = 0;
      for (const segment of waiting) {
        try {
          for (let left = Number(segment.waiting), from = segment.lotted; left >= size || (left > 0 && segment.old); ) {
            const count = Math.min(left, size);
            await closeLot(tx, segment, from, count);
            left -= count;
            from += BigInt(count);
            closed += 1;
          }
        } catch (cause) {
          // nothing of this lot is written yet; the other segments' lots are closed all the same
          if (!(cause instanceof MissingInvoices)) throw cause;
          log.error({ segment: segment.segment, error: cause.message }, "a lot cannot be closed");
        }
      }
      return closed;
    });
  }

  async function closeLot(tx: Tx, segment: Waiting, from: bigint, count: number): Promise<void> {
    const first = (BigInt(segment.segment) + from).toString();
    const leaves = await leavesOf(tx, first, count);
    if (leaves.length !== count) throw new MissingInvoices(`Segment ${segment.segment} lacks accepted invoices from ${first} on`);
    const { root } = lotTree(leaves.map(leafHash));
    const operation = await enqueue(tx, { kind: "seal", party: segment.account, command: { type: "seal", first }, signers: [segment.account] });
    await tx`
      insert into sealings (first, segment, issuer, count, root, operation)
      values (${first}, ${segment.segment}, ${segment.issuer}, ${count}, ${root}, ${operation})`;
    await tx`update segment_use set lotted = lotted + ${count} where segment = ${segment.segment}`;
  }

  async function run(): Promise<void> {
    while (!stopping) {
      const change = deps.changes.wait(Math.min(deps.lotAgeMs, MAX_WAIT_MS));
      try {
        const closed = await close();
        if (closed > 0) log.debug({ closed }, "lots closed");
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
