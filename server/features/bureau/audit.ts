/**
 * The bureau's audit: what issuers have sealed against what they were allowed to. Here: the sums,
 * and what makes a finding. Does not own: how documents are judged (lot-judgement.ts), the
 * findings' table (audit-findings.ts), where a lot's documents come from (lots.ts), whose turn it
 * is (upkeep/auditing.ts).
 *
 * The chain has no amounts. So the bureau opens every sealed lot's documents, rebuilds the root,
 * and adds up.
 *
 * | finding | when | it goes when |
 * | --- | --- | --- |
 * | documents-missing | a lot's documents have not come in time | they arrive |
 * | documents-differ | they do not open, or do not give the sealed root | others are deposited that do |
 * | document-invalid | a document contradicts itself, its lot, its leaf or its parties (protocol/proofs/contradictions.ts) | never |
 * | accepted-time | invoices are counted in another period than their lot's time allows | never |
 * | quota-exceeded | the gross of an issuer's period exceeds what it has drawn | it no longer does |
 * | red-letter-exceeds | red letters take back more than there was, or another issuer's invoice | never |
 *
 * A period follows from when an invoice was accepted, which its gateway says: it must be the month
 * of the lot's block, or the month of the day before. Findings name lots, numbers and periods;
 * amounts stand sealed (vault, "parties").
 */

import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { formatTotal, parseMoney } from "@onepiao/protocol/values/money.ts";
import type { Contracts } from "../../chain/contracts.ts";
import type { Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import type { Log } from "../../kernel/log.ts";
import type { Vault } from "../../keys/vault.ts";
import type { Documents } from "../invoices/documents.ts";
import { noteReads } from "../invoices/grants.ts";
import type { EncryptionKeys } from "../parties/encryption.ts";
import type { Taxpayers } from "../parties/taxpayers.ts";
import type { Near } from "../use/near.ts";
import { addFindings, clearFindings, listFindings, type NewFinding } from "./audit-findings.ts";
import {
  grossOf,
  type JudgedInvoice,
  type JudgedLot,
  judgeLots,
  type PeriodSums,
  type RedLetter,
  redsOf,
  type Sums,
  sumUp,
} from "./lot-judgement.ts";
import { bureauOf, createLotDocuments, type Sealed, type SealedLot } from "./lots.ts";

/** A lot whose turn it is. `late`: its documents should be here by now. */
export type AuditLot = SealedLot & { late: boolean };

type Deps = {
  vault: Vault;
  keys: EncryptionKeys;
  documents: Documents;
  taxpayers: Taxpayers;
  contracts: Contracts;
  near: Near;
  log: Log;
};
export type Audit = ReturnType<typeof createAudit>;

/** The lots that these numbers were sealed in, by number. */
async function lotsOf(tx: Tx, numbers: readonly string[]): Promise<Map<string, SealedLot>> {
  if (numbers.length === 0) return new Map();
  const rows = await tx<(SealedLot & { number: string })[]>`
    select n.number, l.first, l.count, l.issuer, l.time, l.root from unnest(${[...new Set(numbers)]}::numeric[]) as n (number)
    cross join lateral (select * from lot_now where first <= n.number order by first desc limit 1) l where l.first + l.count > n.number`;
  return new Map(rows.map(({ number, ...lot }) => [number, lot]));
}

/**
 * Until `tx` ends nobody else judges these issuers: sums and red letters are those of all lots.
 * Locked in one order, so that two transactions cannot wait for each other.
 */
async function lockIssuers(tx: Tx, issuers: readonly number[]): Promise<void> {
  const names = issuers.map((issuer) => `audit/${issuer}`);
  await tx`select pg_advisory_xact_lock(k) from (select distinct hashtextextended(n, 0) as k from unnest(${names}::text[]) n order by 1) o`;
}

export function createAudit(deps: Deps) {
  const { vault, taxpayers, near, log } = deps;
  const { sealedIn, ...deposits } = createLotDocuments(deps);

  const sealSums = ({ issuer, period, sums }: PeriodSums) =>
    vault.seal(
      "parties",
      `audit/${issuer}/${period}`,
      JSON.stringify([sums.invoices, sums.gross.toString(), sums.tax.toString()]),
    );
  function openSums(issuer: number, period: number, sealed: Uint8Array): Sums {
    const [invoices, gross, tax] = JSON.parse(
      vault.open("parties", `audit/${issuer}/${period}`, sealed).toString(),
    ) as [number, string, string];
    return { invoices, gross: BigInt(gross), tax: BigInt(tax) };
  }

  /** Adds lots' documents to the sums of their periods. */
  async function add(tx: Tx, bureau: string, lots: readonly JudgedLot[]): Promise<void> {
    const periods = new Map<string, PeriodSums>();
    const findings: NewFinding[] = [];
    for (const each of lots) {
      const more = sumUp(each);
      findings.push(...more.findings);
      for (const { issuer, period, sums } of more.sums) {
        const key = `audit/${issuer}/${period}`;
        const before = periods.get(key)?.sums ?? { invoices: 0, gross: 0n, tax: 0n };
        const after = {
          invoices: before.invoices + sums.invoices,
          gross: before.gross + sums.gross,
          tax: before.tax + sums.tax,
        };
        periods.set(key, { issuer, period, sums: after });
      }
    }
    await addFindings(tx, log, bureau, findings);
    if (periods.size === 0) return;
    const own = [...periods.values()];
    const keys = tx`unnest(${own.map((sums) => sums.issuer)}::int[], ${own.map((sums) => sums.period)}::int[]) as k (issuer, period)`;
    const rows = await tx<RowOf<"audit_sums", "issuer" | "period" | "sealed">[]>`
      select s.issuer, s.period, s.sealed from ${keys} join audit_sums s on s.issuer = k.issuer and s.period = k.period`;
    for (const { issuer, period, sealed } of rows) {
      const [before, more] = [
        openSums(issuer, period, sealed),
        periods.get(`audit/${issuer}/${period}`)?.sums,
      ];
      if (!more) continue;
      more.invoices += before.invoices;
      more.gross += before.gross;
      more.tax += before.tax;
    }
    await tx`
      insert into audit_sums (issuer, period, sealed)
      select * from unnest(${own.map((sums) => sums.issuer)}::int[], ${own.map((sums) => sums.period)}::int[], ${own.map(sealSums)}::bytea[])
      on conflict (issuer, period) do update set sealed = excluded.sealed`;
    await compare(tx, bureau, own);
  }

  /** Compares sums with what is drawn now. */
  async function compare(tx: Tx, bureau: string, sums: readonly PeriodSums[]): Promise<void> {
    if (sums.length === 0) return;
    const rows = await tx<RowOf<"quota_now", "taxpayer" | "period" | "drawn">[]>`
      select q.taxpayer, q.period, q.drawn from unnest(${sums.map((each) => each.issuer)}::int[], ${sums.map((each) => each.period)}::int[]) as k (issuer, period)
      join quota_now q on q.taxpayer = k.issuer and q.period = k.period`;
    const drawn = new Map(rows.map((row) => [`${row.taxpayer}/${row.period}`, BigInt(row.drawn)]));
    const exceeds = ({ issuer, period, sums: { gross } }: PeriodSums) =>
      gross > (drawn.get(`${issuer}/${period}`) ?? 0n);
    const subjectOf = ({ issuer, period }: PeriodSums) => ({ issuer, subject: String(period) });
    await addFindings(
      tx,
      log,
      bureau,
      sums.filter(exceeds).map((each) => ({ kind: "quota-exceeded", ...subjectOf(each) })),
    );
    await clearFindings(
      tx,
      ["quota-exceeded"],
      sums.filter((each) => !exceeds(each)).map(subjectOf),
    );
  }

  /**
   * Red letters never take back more than there was, and nothing of another issuer's. Judges the
   * originals of these lots' red letters, and the invoices in these lots that have red letters
   * already: the documents of either may arrive first.
   */
  async function judgeReds(tx: Tx, bureau: string, lots: readonly JudgedLot[]): Promise<void> {
    const here = new Map(
      lots.flatMap(({ invoices }) => invoices.map((judged) => [judged.number, judged])),
    );
    const lotOf = new Map(
      lots.flatMap(({ lot, invoices }) => invoices.map(({ number }) => [number, lot])),
    );
    const reds = lots.flatMap(redsOf);
    const away = reds.map((red) => red.original).filter((original) => !here.has(original));
    for (const [number, lot] of await lotsOf(tx, away)) lotOf.set(number, lot);
    const exceeds = (issuer: number, subject: string): NewFinding => ({
      kind: "red-letter-exceeds",
      issuer,
      subject,
    });
    const isOwn = ({ original, issuer }: RedLetter) => lotOf.get(original)?.issuer === issuer;
    const own = reds.filter(isOwn);
    await tx`
      insert into audit_red (number, original, sealed)
      select * from unnest(${own.map((red) => red.number)}::numeric[], ${own.map((red) => red.original)}::numeric[],
        ${own.map(({ number, gross }) => vault.seal("parties", `audit/red/${number}`, formatTotal(gross)))}::bytea[])
      on conflict do nothing`;
    const taken = await tx<RowOf<"audit_red", "number" | "original" | "sealed">[]>`
      select number, original, sealed from audit_red where original = any(${[...lotOf.keys()]}::numeric[])`;
    const elsewhere = own
      .filter(({ original }) => !here.has(original))
      .flatMap(({ original }) => lotOf.get(original) ?? []);
    const elsewhereByNumber = await invoicesOf(tx, bureau, elsewhere);
    const findings = reds
      .filter((red) => !isOwn(red))
      .map(({ issuer, original }) => exceeds(issuer, original));
    for (const [original, all] of Map.groupBy(taken, (red) => red.original)) {
      const [invoice, lot] = [
        here.get(original) ?? elsewhereByNumber.get(original),
        lotOf.get(original),
      ];
      // the original is sealed, but its documents have not come: it is judged when they do
      if (!invoice || !lot) continue;
      const amounts = all.map(({ number, sealed }) =>
        parseMoney(vault.open("parties", `audit/red/${number}`, sealed).toString()),
      );
      const left = amounts.reduce((rest, amount) => rest + amount, grossOf(invoice) ?? 0n);
      if (left < 0n) findings.push(exceeds(lot.issuer, original));
    }
    await addFindings(tx, log, bureau, findings);
  }

  /** The judged invoices of other lots, by number, as far as their documents are here. */
  async function invoicesOf(
    tx: Tx,
    bureau: string,
    lots: readonly SealedLot[],
  ): Promise<Map<string, JudgedInvoice>> {
    const judgedByNumber = new Map<string, JudgedInvoice>();
    // one lot at a time is open: the originals of a batch may lie in hundreds of lots
    for (const lot of new Map(lots.map((lot) => [lot.first, lot])).values()) {
      const sealed = (await sealedIn(tx, bureau, [lot])).get(lot.first);
      if (!Array.isArray(sealed)) continue;
      for (const { invoices } of await judgeLots(tx, taxpayers, [{ lot, sealed }]))
        for (const judged of invoices) judgedByNumber.set(judged.number, judged);
    }
    return judgedByNumber;
  }

  return {
    bureauOf,
    ...deposits,

    /**
     * Judges lots in `tx`, in which their rows are locked: adds them up, or records what is in the
     * way. Returns the first numbers of the lots that are done.
     */
    async judge(tx: Tx, bureau: string, lots: readonly AuditLot[]): Promise<string[]> {
      const sealed = await sealedIn(tx, bureau, lots);
      const open: { lot: SealedLot; sealed: Sealed[] }[] = [];
      const findings: NewFinding[] = [];
      for (const lot of lots) {
        const is = sealed.get(lot.first) ?? "missing";
        if (is === "differ" || (is === "missing" && lot.late))
          findings.push({ kind: `documents-${is}`, issuer: lot.issuer, subject: lot.first });
        else if (is !== "missing") open.push({ lot, sealed: is });
      }
      await addFindings(tx, log, bureau, findings);
      if (open.length === 0) return [];
      const done = await judgeLots(tx, taxpayers, open);
      await clearFindings(
        tx,
        ["documents-missing", "documents-differ"],
        done.map(({ lot: { issuer, first: subject } }) => ({ issuer, subject })),
      );
      await lockIssuers(
        tx,
        done.map(({ lot }) => lot.issuer),
      );
      await add(tx, bureau, done);
      await judgeReds(tx, bureau, done);
      const opened = done.flatMap(({ invoices }) => invoices.map(({ number }) => number));
      await noteReads(tx, { account: bureau, keyId: "audit" }, opened, "audit");
      await near.record(
        tx,
        done.flatMap(({ invoices }) =>
          invoices.flatMap(({ number, invoice }) =>
            invoice ? [{ number, document: invoice }] : [],
          ),
        ),
      );
      return done.map(({ lot }) => lot.first);
    },

    /**
     * Compares every sum of these periods with what is drawn now: quota may have been given back
     * since.
     */
    async judgeQuotas(tx: Tx, bureau: string, periods: readonly number[]): Promise<void> {
      const rows = await tx<RowOf<"audit_sums", "issuer" | "period" | "sealed">[]>`
        select s.* from unnest(${[...periods]}::int[]) as p (period)
        cross join lateral (select issuer, period, sealed from audit_sums where period = p.period offset 0) s`;
      await compare(
        tx,
        bureau,
        rows.map(({ issuer, period, sealed }) => ({
          issuer,
          period,
          sums: openSums(issuer, period, sealed),
        })),
      );
    },

    /** The sealed documents of a lot, if they are here, from whichever gateway. */
    async documentsOf(
      tx: Tx,
      lot: SealedLot,
    ): Promise<{ number: string; document: InvoiceDocument }[] | undefined> {
      const bureau = await bureauOf(tx);
      const sealed = bureau && (await sealedIn(tx, bureau, [lot])).get(lot.first);
      return Array.isArray(sealed) ? sealed : undefined;
    },

    findings: listFindings,

    /** How far the audit is. */
    async progress(
      tx: Tx,
    ): Promise<{ lots: number; waiting: number; behind: number; since: Date | null }> {
      const [row] = await tx<
        { lots: number; waiting: number; behind: number; since: Date | null }[]
      >`
        select coalesce((select judged from audit_cursor), 0)::float8 as lots, w.waiting, w.since,
               (select count(*) from (
                  select 1 from lot_now where (block, first) > (coalesce((select block from audit_cursor), -1), coalesce((select first from audit_cursor), 0))
                  order by block, first limit 10000) l)::int as behind
        from (select count(*)::int as waiting, min(since) as since from audit_lots where state = 'waiting') w`;
      return row ?? { lots: 0, waiting: 0, behind: 0, since: null };
    },

    /**
     * What issuers were granted, drew, and have issued according to the documents, by index;
     * amounts in the issuer's currency.
     */
    async quotas(tx: Tx, period: number, after: number, limit: number) {
      const rows = await tx<
        { index: number; granted: string | null; drawn: string | null; sealed: Buffer | null }[]
      >`
        select n.index, q.granted, q.drawn, s.sealed from (
          select index from (
            (select taxpayer as index from quota_now where period = ${period} and taxpayer > ${after} order by taxpayer limit ${limit})
            union (select issuer from audit_sums where period = ${period} and issuer > ${after} order by issuer limit ${limit})
          ) u order by index limit ${limit}
        ) n left join lateral (select granted, drawn from quota_now where taxpayer = n.index and period = ${period} offset 0) q on true
        left join lateral (select sealed from audit_sums where issuer = n.index and period = ${period} offset 0) s on true order by n.index`;
      const issuers = await taxpayers.byIndexes(
        tx,
        rows.map((row) => row.index),
      );
      return rows.map(({ index, granted, drawn, sealed }) => {
        const sums = sealed ? openSums(index, period, sealed) : { invoices: 0, gross: 0n, tax: 0n };
        const issuer = issuers.get(index);
        return {
          issuer: index,
          ...(issuer ? { taxId: issuer.taxId, name: issuer.name, currency: issuer.currency } : {}),
          granted: formatTotal(BigInt(granted ?? 0)),
          drawn: formatTotal(BigInt(drawn ?? 0)),
          issued: {
            invoices: sums.invoices,
            gross: formatTotal(sums.gross),
            tax: formatTotal(sums.tax),
          },
        };
      });
    },
  };
}
