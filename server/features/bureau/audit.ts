/**
 * The bureau's audit: what issuers have sealed against what they were allowed to. Here: the
 * judgement of lots, the sums, and the findings. Does not own: where a lot's documents come from
 * (lots.ts), whose turn it is (upkeep/auditing.ts).
 *
 * The chain has no amounts. So the bureau opens every sealed lot's documents, rebuilds the root,
 * and adds up.
 *
 * | finding | when | it goes when |
 * | --- | --- | --- |
 * | documents-missing | a lot's documents have not come in time | they are there |
 * | documents-differ | they do not open, or do not give the sealed root | others are deposited that do |
 * | document-invalid | a document contradicts itself, its lot, its leaf or its parties (protocol/proofs/contradictions.ts) | never |
 * | accepted-time | invoices are counted in another period than their lot's time allows | never |
 * | quota-exceeded | the gross of an issuer's period is more than it has drawn | it is not any more |
 * | red-letter-exceeds | red letters take back more than there was, or what is another issuer's | never |
 *
 * A period is told by when an invoice was accepted, which its gateway says: it must be the month of
 * the lot's block, or the month of a day before. Findings name lots, numbers and periods; amounts
 * stand sealed (vault, "parties").
 */

import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import {
  contradictions,
  type Judgement,
  type Party,
} from "@onepiao/protocol/proofs/contradictions.ts";
import { partsOf } from "@onepiao/protocol/proofs/parts.ts";
import { chinaDay } from "@onepiao/protocol/values/dates.ts";
import { formatTotal, parseMoney } from "@onepiao/protocol/values/money.ts";
import { nameOn, nameWritten } from "@onepiao/protocol/values/names.ts";
import type { Contracts } from "../../chain/contracts.ts";
import type { Tx } from "../../db/db.ts";
import { notify } from "../../feed/notices.ts";
import type { Log } from "../../kernel/log.ts";
import type { EncryptionKeys } from "../../keys/encryption.ts";
import type { Vault } from "../../keys/vault.ts";
import type { Documents } from "../invoices/documents.ts";
import { periodOf, type Taxpayer, type Taxpayers } from "../parties/taxpayers.ts";
import { bureauOf, createLotDocuments, type Sealed, type SealedLot } from "./lots.ts";

export const findingKinds = [
  "documents-missing",
  "documents-differ",
  "document-invalid",
  "accepted-time",
  "quota-exceeded",
  "red-letter-exceeds",
] as const;
export type FindingKind = (typeof findingKinds)[number];
type Found = { kind: FindingKind; issuer: number; subject: string };
export type Finding = Found & { found_at: Date };
/** A finding's place in the list; `micros`: microseconds from 1970 to when it was found. */
export type FindingPlace = Found & { micros: bigint };

/** A lot whose turn it is. `late`: its documents ought to be here. */
export type AuditLot = SealedLot & { late: boolean };
type Sums = { invoices: number; gross: bigint; tax: bigint };
type PeriodSums = { issuer: number; period: number; sums: Sums };

const DAY_MS = 86_400_000;

type Deps = {
  vault: Vault;
  keys: EncryptionKeys;
  documents: Documents;
  taxpayers: Taxpayers;
  contracts: Contracts;
  log: Log;
};
export type Audit = ReturnType<typeof createAudit>;

export function createAudit(deps: Deps) {
  const { vault, taxpayers, log } = deps;
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

  /** Adds findings; a new one is an alarm: in the log, and in the feed for the bureau. */
  async function find(tx: Tx, bureau: string, found: readonly Found[]): Promise<void> {
    if (found.length === 0) return;
    const made = await tx<Found[]>`
      insert into audit_findings (kind, issuer, subject)
      select * from unnest(${found.map((one) => one.kind)}::text[], ${found.map((one) => one.issuer)}::int[], ${found.map((one) => one.subject)}::numeric[])
      on conflict do nothing returning kind, issuer, subject`;
    for (const { kind, issuer, subject } of made)
      log.error({ audit: kind, issuer, subject }, "the audit has found something");
    await notify(
      tx,
      made.map(({ kind, issuer, subject }) => ({
        type: "audit.alarm",
        accounts: [bureau],
        data: { kind, issuer, subject },
      })),
    );
  }
  async function clear(
    tx: Tx,
    kinds: readonly FindingKind[],
    of: readonly { issuer: number; subject: string }[],
  ): Promise<void> {
    await tx`
      delete from audit_findings f using unnest(${of.map((one) => one.issuer)}::int[], ${of.map((one) => one.subject)}::numeric[]) as o (issuer, subject)
      where f.kind = any(${[...kinds]}::text[]) and f.issuer = o.issuer and f.subject = o.subject`;
  }

  // ── judging ────────────────────────────────────────────────────────────────────────────────────

  type Read = Sealed & { invoice: InvoiceDocument | undefined; judged: Judgement };
  /** A red letter of `original`; `gross` below zero. */
  type Red = { number: string; original: string; issuer: number; gross: bigint };
  type ReadLot = { lot: SealedLot; issuer: Taxpayer | undefined; read: readonly Read[] };

  /**
   * A party by the name that it had on a document's day; for a red letter, which carries its
   * original's, by any that it had until then. What others have sealed may have anything in these
   * members: contradictions.ts says so.
   */
  function named(
    { index, taxId, names }: Taxpayer,
    issuer: number,
    { issuedAt, seller, buyer, reverses }: InvoiceDocument,
  ): Party {
    const at =
      typeof issuedAt === "string" && /^\d{4}-/.test(issuedAt) ? Date.parse(issuedAt) : Number.NaN;
    if (Number.isNaN(at)) return { index, taxId, name: names[0].name };
    const day = chinaDay(new Date(at));
    const written = (index === issuer ? seller : buyer)?.name;
    return {
      index,
      taxId,
      name: (reverses === undefined || typeof written !== "string"
        ? nameOn(names, day)
        : nameWritten(names, written, day)
      ).name,
    };
  }

  /** Judges what was sealed in lots, by who its parties are here. */
  async function readOf(
    tx: Tx,
    lots: readonly { lot: SealedLot; sealed: readonly Sealed[] }[],
  ): Promise<ReadLot[]> {
    const indexes = new Set(
      lots.flatMap(({ lot, sealed }) => [lot.issuer, ...sealed.map(({ buyer }) => buyer)]),
    );
    const known = await taxpayers.byIndexes(tx, [...indexes]);
    return lots.map(({ lot, sealed }) => ({
      lot,
      issuer: known.get(lot.issuer),
      read: sealed.map((one) => {
        const parties = [...new Set([lot.issuer, one.buyer])]
          .flatMap((index) => known.get(index) ?? [])
          .map((party) => named(party, lot.issuer, one.document));
        const judged = contradictions({
          parts: partsOf(one.document),
          lot: { issuer: lot.issuer, time: Number(lot.time) },
          leaf: one,
          parties,
        });
        return { ...one, judged, invoice: judged.document };
      }),
    }));
  }

  /** What one lot adds to its issuer's periods, and what is wrong with it. */
  function sumUp({ lot, issuer, read }: ReadLot): { sums: PeriodSums[]; found: Found[] } {
    const sealedAt = Number(lot.time) * 1_000;
    const allowed = new Set([periodOf(new Date(sealedAt)), periodOf(new Date(sealedAt - DAY_MS))]);
    const periods = new Map<number, Sums>();
    const found: Found[] = [];
    for (const { number, document, invoice, judged, acceptedAt } of read) {
      // what an issuer accounts in, only the bureau knows
      const foreign = issuer !== undefined && document.currency !== issuer.currency;
      if (judged.contradictions.length > 0 || foreign)
        found.push({ kind: "document-invalid", issuer: lot.issuer, subject: number });
      // what a gateway that checks nothing has sealed must not stop the audit of everybody else
      if (!invoice) continue;
      let period = periodOf(acceptedAt);
      if (!allowed.has(period)) {
        found.push({ kind: "accepted-time", issuer: lot.issuer, subject: lot.first });
        period = periodOf(new Date(sealedAt));
      }
      const sums = periods.get(period) ?? { invoices: 0, gross: 0n, tax: 0n };
      sums.invoices += 1;
      sums.gross += parseMoney(invoice.totals.gross);
      sums.tax += parseMoney(invoice.totals.tax);
      periods.set(period, sums);
    }
    return {
      sums: [...periods].map(([period, sums]) => ({ issuer: lot.issuer, period, sums })),
      found,
    };
  }

  /**
   * Until `tx` ends nobody else judges these issuers: sums and red letters are those of all lots.
   * In one order, so that nobody waits in a circle.
   */
  async function lockIssuers(tx: Tx, issuers: readonly number[]): Promise<void> {
    const names = issuers.map((issuer) => `audit/${issuer}`);
    await tx`select pg_advisory_xact_lock(k) from (select distinct hashtextextended(n, 0) as k from unnest(${names}::text[]) n order by 1) o`;
  }

  /** Adds lots' documents to the sums of their periods. */
  async function add(tx: Tx, bureau: string, lots: readonly ReadLot[]): Promise<void> {
    const periods = new Map<string, PeriodSums>();
    const found: Found[] = [];
    for (const each of lots) {
      const more = sumUp(each);
      found.push(...more.found);
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
    await find(tx, bureau, found);
    if (periods.size === 0) return;
    const own = [...periods.values()];
    const keys = tx`unnest(${own.map((one) => one.issuer)}::int[], ${own.map((one) => one.period)}::int[]) as k (issuer, period)`;
    const rows = await tx<{ issuer: number; period: number; sealed: Buffer }[]>`
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
      select * from unnest(${own.map((one) => one.issuer)}::int[], ${own.map((one) => one.period)}::int[], ${own.map(sealSums)}::bytea[])
      on conflict (issuer, period) do update set sealed = excluded.sealed`;
    await compare(tx, bureau, own);
  }

  /** Sums against what is drawn now. */
  async function compare(tx: Tx, bureau: string, sums: readonly PeriodSums[]): Promise<void> {
    if (sums.length === 0) return;
    const rows = await tx<{ taxpayer: number; period: number; drawn: string }[]>`
      select q.taxpayer, q.period, q.drawn from unnest(${sums.map((one) => one.issuer)}::int[], ${sums.map((one) => one.period)}::int[]) as k (issuer, period)
      join quotas q on q.taxpayer = k.issuer and q.period = k.period`;
    const drawn = new Map(rows.map((row) => [`${row.taxpayer}/${row.period}`, BigInt(row.drawn)]));
    const exceeds = ({ issuer, period, sums: { gross } }: PeriodSums) =>
      gross > (drawn.get(`${issuer}/${period}`) ?? 0n);
    const of = ({ issuer, period }: PeriodSums) => ({ issuer, subject: String(period) });
    await find(
      tx,
      bureau,
      sums.filter(exceeds).map((one) => ({ kind: "quota-exceeded", ...of(one) })),
    );
    await clear(tx, ["quota-exceeded"], sums.filter((one) => !exceeds(one)).map(of));
  }

  const grossOf = ({ invoice }: Read): bigint | undefined =>
    invoice && parseMoney(invoice.totals.gross);

  /** What a lot's red letters take back. */
  const redsOf = ({ lot, read }: ReadLot): Red[] =>
    read.flatMap((one) => {
      // one that is no invoice has its finding, and says nothing that could be reckoned with
      const gross = grossOf(one);
      const original = one.invoice?.reverses?.number ?? one.reverses;
      return gross === undefined || gross >= 0n || original === null
        ? []
        : [{ number: one.number, original, issuer: lot.issuer, gross }];
    });

  /** The lots that these numbers were sealed in, by number. */
  async function lotsOf(tx: Tx, numbers: readonly string[]): Promise<Map<string, SealedLot>> {
    if (numbers.length === 0) return new Map();
    const rows = await tx<(SealedLot & { number: string })[]>`
      select n.number, l.first, l.count, l.issuer, l.time, l.root from unnest(${[...new Set(numbers)]}::numeric[]) as n (number)
      cross join lateral (select * from lots where first <= n.number order by first desc limit 1) l where l.first + l.count > n.number`;
    return new Map(rows.map(({ number, ...lot }) => [number, lot]));
  }

  /**
   * Red letters never take back more than there was, and nothing of another issuer's. Judged are
   * the originals of these lots' red letters, and what is in these lots and has red letters
   * already: of the two, the documents of either may be the first that are here.
   */
  async function judgeReds(tx: Tx, bureau: string, lots: readonly ReadLot[]): Promise<void> {
    const here = new Map(lots.flatMap(({ read }) => read.map((one) => [one.number, one])));
    const lotOf = new Map(lots.flatMap(({ lot, read }) => read.map((one) => [one.number, lot])));
    const reds = lots.flatMap(redsOf);
    const away = reds.map((red) => red.original).filter((original) => !here.has(original));
    for (const [number, lot] of await lotsOf(tx, away)) lotOf.set(number, lot);
    const exceeds = (issuer: number, subject: string): Found => ({
      kind: "red-letter-exceeds",
      issuer,
      subject,
    });
    const isOwn = ({ original, issuer }: Red) => lotOf.get(original)?.issuer === issuer;
    const own = reds.filter(isOwn);
    await tx`
      insert into audit_red (number, original, sealed)
      select * from unnest(${own.map((red) => red.number)}::numeric[], ${own.map((red) => red.original)}::numeric[],
        ${own.map(({ number, gross }) => vault.seal("parties", `audit/red/${number}`, formatTotal(gross)))}::bytea[])
      on conflict do nothing`;
    const taken = await tx<{ number: string; original: string; sealed: Buffer }[]>`
      select number, original, sealed from audit_red where original = any(${[...lotOf.keys()]}::numeric[])`;
    const elsewhere = own
      .filter(({ original }) => !here.has(original))
      .flatMap(({ original }) => lotOf.get(original) ?? []);
    const beside = await besideOf(tx, bureau, elsewhere);
    const found = reds
      .filter((red) => !isOwn(red))
      .map(({ issuer, original }) => exceeds(issuer, original));
    for (const [original, all] of Map.groupBy(taken, (red) => red.original)) {
      const [one, lot] = [here.get(original) ?? beside.get(original), lotOf.get(original)];
      // sealed, and its documents have not come: it is judged when they do
      if (!one || !lot) continue;
      const amounts = all.map(({ number, sealed }) =>
        parseMoney(vault.open("parties", `audit/red/${number}`, sealed).toString()),
      );
      const left = amounts.reduce((rest, amount) => rest + amount, grossOf(one) ?? 0n);
      if (left < 0n) found.push(exceeds(lot.issuer, original));
    }
    await find(tx, bureau, found);
  }

  /** What is here of other lots, by number. */
  async function besideOf(
    tx: Tx,
    bureau: string,
    lots: readonly SealedLot[],
  ): Promise<Map<string, Read>> {
    const found = new Map<string, Read>();
    // one lot at a time is open: what a batch takes back may lie in hundreds
    for (const lot of new Map(lots.map((one) => [one.first, one])).values()) {
      const sealed = (await sealedIn(tx, bureau, [lot])).get(lot.first);
      if (!Array.isArray(sealed)) continue;
      for (const { read } of await readOf(tx, [{ lot, sealed }]))
        for (const one of read) found.set(one.number, one);
    }
    return found;
  }

  return {
    bureauOf,
    ...deposits,

    /**
     * Judges lots in `tx`, in which their rows are locked: adds them up, or says what is in the
     * way. Returns the first numbers of those done with.
     */
    async judge(tx: Tx, bureau: string, lots: readonly AuditLot[]): Promise<string[]> {
      const sealed = await sealedIn(tx, bureau, lots);
      const open: { lot: SealedLot; sealed: Sealed[] }[] = [];
      const found: Found[] = [];
      for (const lot of lots) {
        const is = sealed.get(lot.first) ?? "missing";
        if (is === "differ" || (is === "missing" && lot.late))
          found.push({ kind: `documents-${is}`, issuer: lot.issuer, subject: lot.first });
        else if (is !== "missing") open.push({ lot, sealed: is });
      }
      await find(tx, bureau, found);
      if (open.length === 0) return [];
      const done = await readOf(tx, open);
      await clear(
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
      await tx`
        insert into reads (number, account, form, key_id)
        select n, ${bureau}, 'audit', 'audit' from unnest(${done.flatMap(({ read }) => read.map((one) => one.number))}::numeric[]) as n
        on conflict (number, account, form, day) do update set times = reads.times + 1, last_at = now()`;
      return done.map(({ lot }) => lot.first);
    },

    /**
     * Compares every sum of these periods with what is drawn now: quota may have been given back
     * since.
     */
    async judgeQuotas(tx: Tx, bureau: string, periods: readonly number[]): Promise<void> {
      const rows = await tx<{ issuer: number; period: number; sealed: Buffer }[]>`
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

    /** What was sealed in a lot, when its documents are here, wherever from. */
    async documentsOf(
      tx: Tx,
      lot: SealedLot,
    ): Promise<{ number: string; document: InvoiceDocument }[] | undefined> {
      const bureau = await bureauOf(tx);
      const sealed = bureau && (await sealedIn(tx, bureau, [lot])).get(lot.first);
      return Array.isArray(sealed) ? sealed : undefined;
    },

    /** Findings, the newest first; `before`: the last one of the page before. */
    async findings(
      tx: Tx,
      { before, limit }: { before?: FindingPlace | undefined; limit: number },
    ): Promise<(Finding & FindingPlace)[]> {
      const behind =
        before === undefined
          ? tx`true`
          : tx`(found_at, kind, issuer, subject) < (timestamptz 'epoch' + ${before.micros}::bigint * interval '1 microsecond', ${before.kind}, ${before.issuer}, ${before.subject})`;
      return tx<(Finding & FindingPlace)[]>`
        select kind, issuer, subject, found_at, (extract(epoch from found_at) * 1000000)::bigint as micros from audit_findings where ${behind}
        order by found_at desc, kind desc, issuer desc, subject desc limit ${limit}`;
    },

    /** How far the audit has come. */
    async progress(
      tx: Tx,
    ): Promise<{ lots: number; waiting: number; behind: number; since: Date | null }> {
      const [row] = await tx<
        { lots: number; waiting: number; behind: number; since: Date | null }[]
      >`
        select coalesce((select judged from audit_cursor), 0)::float8 as lots, w.waiting, w.since,
               (select count(*) from (
                  select 1 from lots where (block, first) > (coalesce((select block from audit_cursor), -1), coalesce((select first from audit_cursor), 0))
                  order by block, first limit 10000) l)::int as behind
        from (select count(*)::int as waiting, min(since) as since from audit_lots where state = 'waiting') w`;
      return row ?? { lots: 0, waiting: 0, behind: 0, since: null };
    },

    /**
     * What issuers were granted, drew, and have issued by the documents, by index; amounts in the
     * issuer's currency.
     */
    async quotas(tx: Tx, period: number, after: number, limit: number) {
      const rows = await tx<
        { index: number; granted: string | null; drawn: string | null; sealed: Buffer | null }[]
      >`
        select n.index, q.granted, q.drawn, s.sealed from (
          select index from (
            (select taxpayer as index from quotas where period = ${period} and taxpayer > ${after} order by taxpayer limit ${limit})
            union (select issuer from audit_sums where period = ${period} and issuer > ${after} order by issuer limit ${limit})
          ) u order by index limit ${limit}
        ) n left join lateral (select granted, drawn from quotas where taxpayer = n.index and period = ${period} offset 0) q on true
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
