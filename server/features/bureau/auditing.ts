/**
 * The turns of the bureau's auditor: every sealed lot once, in the order of the chain, at the
 * gateway that has the bureau.
 *
 * A lot waits until its documents are here and give its root. Some lots at a time are tried in one
 * SQL transaction that locks their rows, so sums, findings and the lots' states change together and
 * once, whichever process is killed. What is judged stands in audit.ts.
 */
import { momentNow, type Sql, type Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import type { Log } from "../../kernel/log.ts";
import type { Job } from "../../kernel/loop.ts";
import { periodOf } from "../parties/quotas.ts";
import type { Audit, AuditLot } from "./audit.ts";

type Deps = {
  sql: Sql;
  audit: Audit;
  log: Log;
  /** How long another gateway may take to deposit a lot. */
  patienceSeconds: number;
  everyMs?: number;
};

export type Auditing = {
  job: Job;
  /** Everything up to the cursor's block, once; reports after each batch how many lots are done. */
  all(progress: (done: number, total: number) => void, stopping?: AbortSignal): Promise<void>;
};

/** Lots taken from the chain, or examined, in one transaction. */
const PAGE = 200;
/** Invoices of one transaction, unless a single lot has more. */
const BATCH = 500;
/**
 * A lot without its documents is tried again after this time, or after an eighth of the time that
 * it has waited.
 */
const RETRY_AFTER = "10 seconds";
/** Quotas are compared again in every n-th turn. */
const QUOTA_TURNS = 30;
const LAST = "99999999999999999999";

export function createAuditing({
  sql,
  audit,
  log,
  patienceSeconds,
  everyMs = 1_000,
}: Deps): Auditing {
  let turns = 0;

  const later = (tx: Tx) => tx`now() + greatest(${RETRY_AFTER}::interval, (now() - since) / 8)`;
  const clock = async (): Promise<string> =>
    ((await sql<{ now: string }[]>`select now()::text as now`)[0] as { now: string }).now;

  /** Takes up the lots that were sealed since; returns how many. */
  const takeUp = (): Promise<number> =>
    sql.begin(async (tx) => {
      await tx`insert into audit_cursor (block, first) values (0, ${LAST}) on conflict do nothing`;
      const [at] = await tx<
        RowOf<"audit_cursor", "block" | "first">[]
      >`select block, first from audit_cursor for update`;
      const lots = await tx<RowOf<"lot_now", "first" | "block">[]>`
        select first, block from lot_now where block >= ${at?.block ?? 0n} and (block, first) > (${at?.block ?? 0n}, ${at?.first ?? LAST}) order by block, first limit ${PAGE}`;
      const last = lots[lots.length - 1];
      if (!last) return 0;
      await tx`insert into audit_lots (first) select * from unnest(${lots.map((lot) => lot.first)}::numeric[]) on conflict do nothing`;
      await tx`update audit_cursor set block = ${last.block}, first = ${last.first}`;
      return lots.length;
    });

  /**
   * Tries lots whose turn it was at `since`, in one transaction; returns how many. Skips lots that
   * another process is working on. When the transaction fails, each lot is tried alone, and a lot
   * that cannot be judged is put off, so that it blocks no other.
   */
  async function tryLots(bureau: string, since: string, only?: string): Promise<number> {
    let taken: string[] = [];
    try {
      return await sql.begin(async (tx) => {
        const lots = await tx<AuditLot[]>`
          select l.first, l.count, l.issuer, l.time, l.root, a.since < now() - make_interval(secs => ${patienceSeconds}) as late
          from audit_lots a join lot_now l on l.first = a.first
          where a.state = 'waiting' and a.next_at <= ${since} and ${only === undefined ? tx`true` : tx`a.first = ${only}`}
          order by a.next_at, l.block, l.first limit ${PAGE} for update of a skip locked`;
        let invoices = 0;
        const batch = lots.filter((lot, i) => {
          invoices += lot.count;
          return i === 0 || invoices <= BATCH;
        });
        if (batch.length === 0) return 0;
        taken = batch.map((lot) => lot.first);
        const done = await audit.judge(tx, bureau, batch);
        await tx`
          update audit_lots set next_at = ${later(tx)}, state = case when first = any(${done}::numeric[]) then 'summed' else 'waiting' end
          where first = any(${taken}::numeric[])`;
        await tx`update audit_cursor set judged = judged + ${done.length}`;
        return batch.length;
      });
    } catch (cause) {
      const [first] = taken;
      if (first === undefined) throw cause;
      if (taken.length > 1) {
        for (const lot of taken) await tryLots(bureau, since, lot);
      } else {
        await sql`update audit_lots set next_at = ${later(sql)} where first = ${first} and state = 'waiting'`;
        log.error(
          { lot: first, error: (cause as Error).message },
          "a lot cannot be judged; it is tried again later",
        );
      }
      return taken.length;
    }
  }

  async function judgeQuotas(bureau: string): Promise<void> {
    // this month and the one before: earlier quota no longer changes
    const now = await momentNow(sql);
    const before = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 1));
    await sql.begin((tx) => audit.judgeQuotas(tx, bureau, [before, now].map(periodOf)));
  }

  return {
    job: {
      name: "audit",
      everyMs,
      async run(stopping) {
        const bureau = await audit.bureauOf(sql);
        if (bureau === undefined) return;
        for (let more = true; more && !stopping.aborted; ) {
          more = (await takeUp()) > 0;
          const now = await clock();
          while (!stopping.aborted && (await tryLots(bureau, now)) > 0) {
            // until there are no more
          }
        }
        turns += 1;
        if (turns % QUOTA_TURNS === 1) await judgeQuotas(bureau);
      },
    },
    async all(progress, stopping) {
      const bureau = await audit.bureauOf(sql);
      if (bureau === undefined)
        throw new Error("This gateway has no bureau to audit for (node server/cli.ts bureau)");
      while (!stopping?.aborted && (await takeUp()) > 0) {
        // until there are no more
      }
      await sql`update audit_lots set next_at = now() where state = 'waiting'`;
      const now = await clock();
      for (let done = 0, more = 0; !stopping?.aborted; ) {
        more = await tryLots(bureau, now);
        if (more === 0) break;
        done += more;
        const { waiting } = await audit.progress(sql);
        progress(done, done + waiting);
      }
      await judgeQuotas(bureau);
    },
  };
}
