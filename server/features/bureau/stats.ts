/**
 * Statistics for the bureau: what was issued, by whom, of which trade and region, what became of
 * it, who tried to be paid a second time, how far quota is used, and how the chain is.
 *
 * Here they are read. stats-projection.ts counts the acts, upkeep/counting.ts the lots. How many
 * there are, the chain says; how much they come to, the documents say. A bucket's time is that of
 * the block in which its lot was sealed.
 */

import type { Trade } from "@onepiao/protocol/formats/trade.ts";
import type { State } from "@onepiao/protocol/ledger/acts.ts";
import { formatTotal } from "@onepiao/protocol/values/money.ts";
import type { ChainClient } from "../../chain/client.ts";
import type { Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import type { Vault } from "../../keys/vault.ts";
import type { Quotas } from "../parties/quotas.ts";
import type { Taxpayer, Taxpayers } from "../parties/taxpayers.ts";
import { type Grain, startOf } from "./stats-buckets.ts";
import { type ActCount, type ActCounts, countedActs, counts } from "./stats-counts.ts";
import { createSumsVault, keyOf, merge, partsOf, type Sums, viewOf } from "./stats-sums.ts";

export type Stats = ReturnType<typeof createStats>;
type Head = { block: number; time: number; age: number };
type Deps = {
  vault: Vault;
  taxpayers: Taxpayers;
  quotas: Pick<Quotas, "usedIn">;
  chain: Pick<ChainClient, "block">;
  /** The node's newest block; undefined when it does not answer. */
  head: () => Promise<Head | undefined>;
  finalityDepth: number;
};
export type Range = { grain: Grain; from: Date; to: Date };
type Place = { block: number; at: string };
type Bucket = { start: Date; lots: bigint; invoices: bigint; sealed: Buffer };
type Named = { taxId: string; name: string; region: string; currency: string };
type Refusal = {
  position: bigint;
  at: Date;
  tx: string;
  number: string;
  data: { reason: string; attempt: string };
  bureau: { by?: string; employer?: number } | null;
  state: string | null;
  employer: number | null;
  updated_at: Date | null;
};

const timeOf = (seconds: bigint | number): string =>
  new Date(Number(seconds) * 1_000).toISOString();

/** The time between two blocks is an average over this many. */
const BLOCKS = 50;
/** Lots that are listed one by one. */
const RECENT_LOTS = 30;

export function createStats(deps: Deps) {
  const { vault, taxpayers } = deps;
  const sumsVault = createSumsVault(vault);
  const named = ({ taxId, name, region, currency }: Taxpayer): Named => ({
    taxId,
    name,
    region,
    currency,
  });

  /** Taxpayers by index; those that the bureau has enrolled elsewhere have no name here. */
  async function among(
    tx: Tx,
    indexes: readonly (number | null | undefined)[],
  ): Promise<Map<number, Named>> {
    const known = [...new Set(indexes.filter((index) => index != null && index > 0))];
    if (known.length === 0) return new Map();
    const rows = await tx<
      RowOf<"taxpayer_now", "account">[]
    >`select account from taxpayer_now where index = any(${known}::int[])`;
    const here = await taxpayers.among(
      tx,
      rows.map((row) => row.account),
      [],
    );
    return new Map(
      [...here.byAccount.values()].map((taxpayer) => [taxpayer.index, named(taxpayer)]),
    );
  }

  /**
   * How far the projections are, and the last block whose lots are all in the sums: one look, so
   * that the latter is not beyond.
   */
  async function reached(tx: Tx): Promise<{ cursor: Place; counted: Place } | undefined> {
    const [row] = await tx<
      (RowOf<"chain_now", "block" | "time"> & { done: bigint | null; more: boolean })[]
    >`
      select c.block, c.time, s.block as done,
             (select first from lot_now where (block, first) > (coalesce((select block from stats_cursor), 0), coalesce((select first from stats_cursor), 0))
              order by block, first limit 1) is not null as more
      from chain_now c left join stats_cursor s on true`;
    if (!row) return undefined;
    const [block, at] = [Number(row.block), timeOf(row.time)];
    return {
      cursor: { block, at },
      counted: { block: row.more ? Number(row.done ?? 1n) - 1 : block, at },
    };
  }

  async function acts(tx: Tx, { grain, from, to }: Range): Promise<Map<number, ActCounts>> {
    const rows = await tx<(RowOf<"stats_acts", "start" | "count"> & { kind: ActCount })[]>`
      select start, kind, count from stats_acts where grain = ${grain} and start >= ${startOf(grain, from)} and start < ${to}`;
    const countsByStart = new Map<number, ActCounts>();
    for (const { start, kind, count } of rows) {
      const at = start.getTime();
      countsByStart.set(at, { ...countsByStart.get(at), [kind]: Number(count) });
    }
    return countsByStart;
  }

  return {
    /**
     * What was issued in a range: bucket by bucket, and the whole by region and by trade. Buckets
     * in which nothing happened are left out.
     */
    async invoices(tx: Tx, range: Range) {
      const { grain, from, to } = range;
      // how far it is counted is asked first: the sums are at least as new
      const at = await reached(tx);
      const [rows, kinds] = [
        await tx<Bucket[]>`
          select start, lots, invoices, sealed from stats_buckets
          where grain = ${grain} and start >= ${startOf(grain, from)} and start < ${to} order by start`,
        await acts(tx, range),
      ];
      const whole: Sums = new Map();
      const sums = new Map(
        rows.map((row) => [
          row.start.getTime(),
          { row, sums: sumsVault.open(grain, row.start, 0, row.sealed) },
        ]),
      );
      for (const bucket of sums.values()) merge(whole, bucket.sums);
      const starts = [...new Set([...sums.keys(), ...kinds.keys()])].sort((a, b) => a - b);
      const parts = partsOf(whole);
      return {
        grain,
        from: startOf(grain, from).toISOString(),
        to: to.toISOString(),
        ...(at ? { counted: at.counted } : {}),
        totals: {
          lots: rows.reduce((sum, row) => sum + Number(row.lots), 0),
          invoices: rows.reduce((sum, row) => sum + Number(row.invoices), 0),
          ...viewOf(whole, ""),
        },
        buckets: starts.map((start) => {
          const bucket = sums.get(start);
          return {
            start: new Date(start).toISOString(),
            lots: Number(bucket?.row.lots ?? 0n),
            invoices: Number(bucket?.row.invoices ?? 0n),
            ...viewOf(bucket?.sums ?? new Map(), ""),
            acts: kinds.get(start) ?? {},
          };
        }),
        regions: parts
          .filter((part) => /^r\d\d$/.test(part))
          .map((part) => ({ region: part.slice(1), ...viewOf(whole, part) })),
        trades: parts
          .filter((part) => part !== "" && !/^r\d\d$/.test(part))
          .map((part) => ({ trade: part as Trade, ...viewOf(whole, part) })),
      };
    },

    /** The issuers of one day or month, the greatest first. Each of them is looked at. */
    async issuers(
      tx: Tx,
      query: {
        grain: "day" | "month";
        at: Date;
        by: "gross" | "invoices";
        currency: string;
        limit: number;
      },
    ) {
      const start = startOf(query.grain, query.at);
      const rows = await tx<(Bucket & { issuer: number })[]>`
        select issuer, start, lots, invoices, sealed from stats_issuers where grain = ${query.grain} and start = ${start}`;
      const all = rows.map((row) => {
        const sums = sumsVault.open(query.grain, row.start, row.issuer, row.sealed);
        return { row, sums, gross: sums.get(keyOf("", query.currency))?.gross ?? 0n };
      });
      const more = (a: bigint, b: bigint) => (a > b ? -1 : a < b ? 1 : 0);
      all.sort(
        (a, b) =>
          (query.by === "gross" && more(a.gross, b.gross)) ||
          more(a.row.invoices, b.row.invoices) ||
          a.row.issuer - b.row.issuer,
      );
      const top = all.slice(0, query.limit);
      const names = await among(
        tx,
        top.map(({ row }) => row.issuer),
      );
      return {
        grain: query.grain,
        start: start.toISOString(),
        issuers: all.length,
        items: top.map(({ row, sums }) => ({
          index: row.issuer,
          taxpayer: names.get(row.issuer),
          lots: Number(row.lots),
          invoices: Number(row.invoices),
          ...viewOf(sums, ""),
        })),
      };
    },

    /** What became of invoices: acts in a range of days, and how many are in which state now. */
    async flow(tx: Tx, range: { from: Date; to: Date }) {
      const sumUp = (rows: readonly { kind: ActCount; count: bigint }[]) =>
        Object.fromEntries(
          countedActs.map((kind) => [
            kind,
            Number(rows.find((row) => row.kind === kind)?.count ?? 0n),
          ]),
        ) as Record<ActCount, number>;
      const from = startOf("day", range.from);
      const [within, ever] = [
        await tx<{ kind: ActCount; count: bigint }[]>`
          select kind, sum(count)::bigint as count from stats_acts where grain = 'day' and start >= ${from} and start < ${range.to} group by kind`,
        await tx<
          { kind: ActCount; count: bigint }[]
        >`select kind, sum(count)::bigint as count from stats_acts where grain = 'month' group by kind`,
      ];
      const all = sumUp(ever);
      const now: Record<State, number> = { issued: 0, claimed: 0, reimbursed: 0, reversed: 0 };
      for (const { word, from: before, to } of counts) {
        const count = all[word];
        if (to !== undefined) now[to] += count;
        if (before !== undefined) now[before] -= count;
      }
      return {
        from: from.toISOString(),
        to: range.to.toISOString(),
        acts: sumUp(within),
        now,
      };
    },

    /** Refused attempts at a second reimbursement, newest first. */
    async refusals(tx: Tx, query: { before?: bigint | undefined; limit: number }) {
      const rows = await tx<Refusal[]>`
        select f.position, f.at, f.tx, f.number, f.data, f.bureau, s.state, s.employer, s.updated_at
        from feed_now f left join record_now s on s.number = f.number
        where f.type = 'reimbursement.refused' and ${query.before === undefined ? tx`true` : tx`f.position < ${query.before}`}
        order by f.position desc limit ${query.limit}`;
      const names = await among(
        tx,
        rows.flatMap((row) => [row.bureau?.employer, row.employer]),
      );
      const last = rows.length === query.limit ? rows[rows.length - 1] : undefined;
      return {
        items: rows.map(
          ({ position, at, tx: hash, number, data, bureau, state, employer, updated_at }) => ({
            position: position.toString(),
            at: at.toISOString(),
            tx: hash,
            number,
            attempt: data.attempt,
            reason: data.reason,
            by: bureau?.by,
            employer:
              bureau?.employer === undefined
                ? undefined
                : { index: bureau.employer, taxpayer: names.get(bureau.employer) },
            invoice:
              state === null
                ? undefined
                : {
                    state,
                    since: updated_at?.toISOString(),
                    employer:
                      employer === null || employer === 0
                        ? undefined
                        : { index: employer, taxpayer: names.get(employer) },
                  },
          }),
        ),
        ...(last ? { next: last.position.toString() } : {}),
      };
    },

    /** Quota of a month by issuer, the most used first. Each issuer that has some is looked at. */
    async quotas(tx: Tx, query: { period: number; limit: number }) {
      const rows = await tx<RowOf<"quota_now", "taxpayer" | "granted" | "drawn">[]>`
        select taxpayer, granted, drawn from quota_now where period = ${query.period}`;
      const used = await deps.quotas.usedIn(tx, query.period);
      const all = rows.map((row) => ({
        ...row,
        granted: BigInt(row.granted),
        drawn: BigInt(row.drawn),
        used: used.get(row.taxpayer) ?? 0n,
      }));
      const share = ({ used: part, granted }: { used: bigint; granted: bigint }) =>
        granted > 0n ? Number((part * 1_000_000n) / granted) / 1_000_000 : 0;
      all.sort((a, b) => share(b) - share(a) || a.taxpayer - b.taxpayer);
      const top = all.slice(0, query.limit);
      const names = await among(
        tx,
        top.map((row) => row.taxpayer),
      );
      return {
        issuers: all.length,
        items: top.map((row) => ({
          index: row.taxpayer,
          taxpayer: names.get(row.taxpayer),
          granted: formatTotal(row.granted),
          drawn: formatTotal(row.drawn),
          used: formatTotal(row.used),
          share: share(row),
        })),
      };
    },

    /** How the chain is, and how far behind it the gateway and the statistics are. */
    async chain(tx: Tx) {
      const head = await deps.head();
      const at = await reached(tx);
      const [sum] = await tx<{ lots: bigint; invoices: bigint }[]>`
        select coalesce(sum(lots), 0)::bigint as lots, coalesce(sum(invoices), 0)::bigint as invoices from stats_buckets where grain = 'month'`;
      const [missing] = await tx<{ lots: bigint }[]>`select undocumented as lots from stats_cursor`;
      const recent = await tx<RowOf<"lot_now", "first" | "count" | "issuer" | "block" | "time">[]>`
        select first, count, issuer, block, time from lot_now order by block desc, first desc limit ${RECENT_LOTS}`;
      const earlier =
        head === undefined
          ? undefined
          : await deps.chain.block(Math.max(0, head.block - BLOCKS)).catch(() => undefined);
      return {
        up: head !== undefined,
        ...(head
          ? { head: { block: head.block, at: timeOf(head.time), ageSeconds: head.age } }
          : {}),
        ...(head && earlier && head.block > earlier.number
          ? { blockSeconds: (head.time - earlier.time) / (head.block - earlier.number) }
          : {}),
        ...at,
        ...(head && at
          ? {
              lagBlocks: Math.max(0, head.block - deps.finalityDepth - at.cursor.block),
              lagSeconds: Math.max(0, head.time - Date.parse(at.cursor.at) / 1_000),
            }
          : {}),
        lots: Number(sum?.lots ?? 0n),
        invoices: Number(sum?.invoices ?? 0n),
        undocumentedLots: Number(missing?.lots ?? 0n),
        recent: recent.map((lot) => ({
          first: lot.first,
          count: lot.count,
          issuer: lot.issuer,
          block: Number(lot.block),
          at: timeOf(lot.time),
        })),
      };
    },
  };
}
