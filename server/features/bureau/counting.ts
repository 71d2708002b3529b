/**
 * Counting: adds every sealed lot to the bureau's statistics, once. Goes through the lots in the
 * order of the chain, opens their documents, and adds them to the sums of their bucket; sums and
 * cursor change in one SQL transaction.
 *
 * | what could go wrong | what prevents it |
 * | --- | --- |
 * | a process is killed in the middle | nothing of the transaction remains; the next one begins at the same lot |
 * | two processes count | the cursor's row is locked first, and read under the lock |
 * | lots come while it counts | the follower commits them in the order of their blocks, so none comes before the cursor |
 * | the projections are rebuilt | `rebuild` empties the sums with them, and everything is counted again; it waits for a count under way |
 * | a document is missing, or does not open | the lot counts as the chain tells it and is kept apart; its sums follow once all its documents are here, or were deposited |
 *
 * Not part of accepting or sealing: a gateway that is behind here is only behind with statistics.
 */

import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import type { Sql, Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import type { Log } from "../../kernel/log.ts";
import type { Job } from "../../kernel/loop.ts";
import type { Vault } from "../../keys/vault.ts";
import { type Grain, grains, startOf } from "./stats-buckets.ts";
import { addInvoice, createSumsVault, merge, type Sums } from "./stats-sums.ts";

type Deps = {
  sql: Sql;
  vault: Vault;
  log: Log;
  documentOf: (row: { number: string; document: Buffer }) => InvoiceDocument;
  /**
   * The documents of a lot that was sealed through another gateway, if they were deposited here for
   * the bureau and are those that were sealed.
   */
  depositedOf?: (tx: Tx, lot: Lot) => Promise<Numbered[] | undefined>;
  /** Invoices of one transaction, unless a single lot has more. */
  batch?: number;
  everyMs?: number;
};

const BATCH = 2_000;
/** Lots that one transaction looks at. */
const LOTS = 200;
/** In every n-th turn, lots without documents are examined again. */
const LOOK_AGAIN = 20;
const LAST = "99999999999999999999";

type Lot = {
  first: string;
  count: number;
  issuer: number;
  time: bigint;
  block: bigint;
  root: string;
};
type Numbered = { number: string; document: InvoiceDocument };
type Bucket = {
  grain: Grain;
  start: Date;
  issuer: number;
  lots: number;
  invoices: number;
  sums: Sums;
};

export function createCounting(deps: Deps): Job {
  const { sql, log, batch = BATCH, everyMs = 500 } = deps;
  const sumsVault = createSumsVault(deps.vault);
  let turns = 0;
  /** The last lot without documents that was examined. */
  let place = "0";

  /**
   * The sums of one lot; undefined unless all its documents are here, open, and have the amounts.
   */
  async function sumsOf(
    tx: Tx,
    lot: Lot,
    ownDocuments: readonly { number: string; document: Buffer }[],
    counted: boolean,
  ): Promise<{ whole: Sums; parts: Sums } | undefined> {
    const sums = { whole: new Map() as Sums, parts: new Map() as Sums };
    try {
      const all =
        ownDocuments.length === lot.count
          ? ownDocuments.map(
              (row): Numbered => ({ number: row.number, document: deps.documentOf(row) }),
            )
          : undefined;
      const read = all ?? (counted ? await deps.depositedOf?.(tx, lot) : undefined);
      if (!read) return undefined;
      for (const { number, document } of read) {
        addInvoice(sums.parts, number, document, "parts");
        addInvoice(sums.whole, number, document, "whole");
      }
      return sums;
    } catch (cause) {
      log.warn(
        { lot: lot.first, error: (cause as Error).message },
        "a lot's documents do not open: the statistics are without them",
      );
      return undefined;
    }
  }

  /** Documents of the lots whose root is that of the stored leaves. */
  async function documentsOf(
    tx: Tx,
    lots: readonly Lot[],
  ): Promise<Map<string, { number: string; document: Buffer }[]>> {
    const rows = await tx<({ lot: string } & RowOf<"accepted_now", "number" | "document">)[]>`
      select l.first as lot, i.number, i.document
      from unnest(${lots.map((lot) => lot.first)}::numeric[], ${lots.map((lot) => lot.count)}::int[]) as l (first, count)
      cross join lateral (select number, lot from record_now where number >= l.first and number < l.first + l.count order by number offset 0) s
      cross join lateral (select number, document from accepted_now where number = s.number offset 0) i
      where s.lot = l.first order by i.number`;
    return Map.groupBy(rows, (row) => row.lot);
  }

  /**
   * Adds lots to their buckets. `counted`: they count as lots already, and only their documents are
   * new.
   */
  async function add(tx: Tx, lots: readonly Lot[], counted: boolean): Promise<void> {
    const documents = await documentsOf(tx, lots);
    const buckets = new Map<string, Bucket>();
    const missing: string[] = [];
    for (const lot of lots) {
      const sums = await sumsOf(tx, lot, documents.get(lot.first) ?? [], counted);
      if (!sums) missing.push(lot.first);
      const at = new Date(Number(lot.time) * 1_000);
      const into = (grain: Grain, issuer: number, more: Sums | undefined) => {
        const start = startOf(grain, at);
        const key = `${grain}/${start.getTime()}/${issuer}`;
        const bucket = buckets.get(key) ?? {
          grain,
          start,
          issuer,
          lots: 0,
          invoices: 0,
          sums: new Map(),
        };
        if (!counted) {
          bucket.lots += 1;
          bucket.invoices += lot.count;
        }
        if (more) merge(bucket.sums, more);
        buckets.set(key, bucket);
      };
      for (const grain of grains) into(grain, 0, sums?.parts);
      for (const grain of ["day", "month"] as const) into(grain, lot.issuer, sums?.whole);
    }
    await put(tx, [...buckets.values()]);
    if (counted) {
      const documented = lots.map((lot) => lot.first).filter((first) => !missing.includes(first));
      await tx`delete from stats_undocumented where lot = any(${documented}::numeric[])`;
      await tx`update stats_cursor set undocumented = undocumented - ${documented.length}`;
    } else if (missing.length > 0) {
      await tx`
        insert into stats_undocumented (lot, audited)
        select m.lot, exists (select 1 from audit_lots a where a.first = m.lot and a.state = 'summed') from unnest(${missing}::numeric[]) as m (lot)`;
      await tx`update stats_cursor set undocumented = undocumented + ${missing.length}`;
    }
  }

  /** Adds to the stored sums. No other transaction does so meanwhile: the cursor is locked. */
  async function put(tx: Tx, buckets: readonly Bucket[]): Promise<void> {
    for (const table of ["stats_buckets", "stats_issuers"] as const) {
      const tableBuckets = buckets.filter(
        (bucket) => (bucket.issuer !== 0) === (table === "stats_issuers"),
      );
      const issuer = table === "stats_issuers";
      const columns = [
        tableBuckets.map((bucket) => bucket.grain),
        tableBuckets.map((bucket) => bucket.start),
        tableBuckets.map((bucket) => bucket.issuer),
      ] as const;
      const keys = tx`unnest(${columns[0]}::text[], ${columns[1]}::timestamptz[], ${columns[2]}::int[]) as k (grain, start, issuer)`;
      const rows = await tx<{ grain: Grain; start: Date; issuer: number; sealed: Buffer }[]>`
        select k.*, b.sealed from ${keys} join ${tx(table)} b on b.grain = k.grain and b.start = k.start ${issuer ? tx`and b.issuer = k.issuer` : tx``}`;
      const before = new Map(
        rows.map((row) => [`${row.grain}/${row.start.getTime()}/${row.issuer}`, row.sealed]),
      );
      const sealed = tableBuckets.map(({ grain, start, issuer: issuerIndex, sums }) => {
        const old = before.get(`${grain}/${start.getTime()}/${issuerIndex}`);
        return sumsVault.seal(
          grain,
          start,
          issuerIndex,
          old ? merge(sumsVault.open(grain, start, issuerIndex, old), sums) : sums,
        );
      });
      const names = issuer ? tx`grain, start, issuer` : tx`grain, start`;
      await tx`
        insert into ${tx(table)} as b (${names}, lots, invoices, sealed)
        select ${names}, lots, invoices, sealed
        from unnest(${columns[0]}::text[], ${columns[1]}::timestamptz[], ${columns[2]}::int[], ${tableBuckets.map((bucket) => bucket.lots)}::bigint[],
                    ${tableBuckets.map((bucket) => bucket.invoices)}::bigint[], ${sealed}::bytea[]) as n (grain, start, issuer, lots, invoices, sealed)
        on conflict (${names}) do update set lots = b.lots + excluded.lots, invoices = b.invoices + excluded.invoices, sealed = excluded.sealed`;
    }
  }

  /** Locks the cursor for this transaction. Undefined while there are no projections. */
  async function lock(tx: Tx): Promise<{ block: bigint; first: string } | undefined> {
    // a rebuild locks this row's table first too, so that the two do not deadlock
    const [cursor] = await tx`select 1 from chain_now for key share`;
    if (!cursor) return undefined;
    await tx`insert into stats_cursor (block, first) values (0, ${LAST}) on conflict do nothing`;
    return (
      await tx<
        RowOf<"stats_cursor", "block" | "first">[]
      >`select block, first from stats_cursor for update`
    )[0];
  }

  /** Whether there is a lot beyond the cursor. Mostly there is none, and then nothing is locked. */
  async function waiting(): Promise<boolean> {
    const [row] = await sql<{ waiting: boolean }[]>`
      select (select first from lot_now where (block, first) > (coalesce((select block from stats_cursor), -1), coalesce((select first from stats_cursor), 0))
              order by block, first limit 1) is not null as waiting`;
    return row?.waiting ?? false;
  }

  /** Counts the next lots; false if there are none. */
  const step = (): Promise<boolean> =>
    sql.begin(async (tx) => {
      const at = await lock(tx);
      if (!at) return false;
      const lots = await tx<Lot[]>`
        select first, count, issuer, time, block, root from lot_now
        where block >= ${at.block} and (block, first) > (${at.block}, ${at.first}) order by block, first limit ${LOTS}`;
      let invoices = 0;
      const batchLots = lots.filter((lot, i) => {
        invoices += lot.count;
        return i === 0 || invoices <= batch;
      });
      const last = batchLots[batchLots.length - 1];
      if (!last) return false;
      await add(tx, batchLots, false);
      await tx`update stats_cursor set block = ${last.block}, first = ${last.first}`;
      return true;
    });

  /**
   * Counts the documents of lots that were counted without them and have them now: lots that the
   * audit has opened, and, in turns of a bounded number, lots whose documents have all arrived
   * here.
   */
  const lookAgain = (): Promise<boolean> =>
    sql.begin(async (tx) => {
      if (!(await lock(tx))) return false;
      const examined = await tx<
        RowOf<"stats_undocumented", "lot">[]
      >`select lot from stats_undocumented where lot > ${place} order by lot limit ${LOTS}`;
      place = examined.length === LOTS ? (examined[examined.length - 1]?.lot ?? "0") : "0";
      const audited = await tx<
        RowOf<"stats_undocumented", "lot">[]
      >`select lot from stats_undocumented where audited order by lot limit ${LOTS}`;
      const lots = await tx<Lot[]>`
        select l.first, l.count, l.issuer, l.time, l.block, l.root
        from unnest(${audited.map((bucket) => bucket.lot)}::numeric[], ${examined.map((bucket) => bucket.lot)}::numeric[]) as u (audited, looked)
        cross join lateral (select * from lot_now where first in (u.audited, u.looked) offset 0) l
        where l.first = u.audited
          or (exists (select 1 from record_now s where s.number = l.first and s.lot = l.first)
              and (select count(*) from record_now s where s.number >= l.first and s.number < l.first + l.count and s.lot = l.first) = l.count)`;
      const unique = [...new Map(lots.map((lot) => [lot.first, lot])).values()];
      if (unique.length > 0) await add(tx, unique, true);
      // a lot that the audit has had, but that does not open here, is not examined forever
      await tx`update stats_undocumented set audited = false where lot = any(${audited.map((bucket) => bucket.lot)}::numeric[])`;
      return false;
    });

  return {
    name: "counting",
    everyMs,
    async run(stopping) {
      while (!stopping.aborted && (await waiting()) && (await step())) {
        // until there are no more
      }
      turns += 1;
      if (turns % LOOK_AGAIN === 1) await lookAgain();
    },
  };
}
