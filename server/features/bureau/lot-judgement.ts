/**
 * The judgement of sealed documents: what a lot adds to its issuer's periods, what it takes back,
 * and what is wrong with it. Stores nothing.
 */
import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import {
  contradictions,
  type Judgement,
  type Party,
} from "@onepiao/protocol/proofs/contradictions.ts";
import { partsOf } from "@onepiao/protocol/proofs/parts.ts";
import { chinaDay } from "@onepiao/protocol/values/dates.ts";
import { parseMoney } from "@onepiao/protocol/values/money.ts";
import { nameOn, nameWritten } from "@onepiao/protocol/values/names.ts";
import type { Tx } from "../../db/db.ts";
import { periodOf } from "../parties/quotas.ts";
import type { Taxpayer, Taxpayers } from "../parties/taxpayers.ts";
import type { NewFinding } from "./audit-findings.ts";
import type { Sealed, SealedLot } from "./lots.ts";

export type Sums = { invoices: number; gross: bigint; tax: bigint };
export type PeriodSums = { issuer: number; period: number; sums: Sums };
export type JudgedInvoice = Sealed & { invoice: InvoiceDocument | undefined; judged: Judgement };
export type JudgedLot = {
  lot: SealedLot;
  issuer: Taxpayer | undefined;
  invoices: readonly JudgedInvoice[];
};
/** A red letter of `original`; `gross` below zero. */
export type RedLetter = { number: string; original: string; issuer: number; gross: bigint };

const DAY_MS = 86_400_000;

/**
 * A party by the name that it had on a document's day; for a red letter, which carries its
 * original's name, by any name that it had until then. A gateway that checks nothing may have
 * sealed anything in these members: contradictions.ts finds it.
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
export async function judgeLots(
  tx: Tx,
  taxpayers: Pick<Taxpayers, "byIndexes">,
  lots: readonly { lot: SealedLot; sealed: readonly Sealed[] }[],
): Promise<JudgedLot[]> {
  const indexes = new Set(
    lots.flatMap(({ lot, sealed }) => [lot.issuer, ...sealed.map(({ buyer }) => buyer)]),
  );
  const known = await taxpayers.byIndexes(tx, [...indexes]);
  return lots.map(({ lot, sealed }) => ({
    lot,
    issuer: known.get(lot.issuer),
    invoices: sealed.map((document) => {
      const parties = [...new Set([lot.issuer, document.buyer])]
        .flatMap((index) => known.get(index) ?? [])
        .map((party) => named(party, lot.issuer, document.document));
      const judged = contradictions({
        parts: partsOf(document.document),
        lot: { issuer: lot.issuer, time: Number(lot.time) },
        leaf: document,
        parties,
      });
      return { ...document, judged, invoice: judged.document };
    }),
  }));
}

/** What one lot adds to its issuer's periods, and what is wrong with it. */
export function sumUp({ lot, issuer, invoices }: JudgedLot): {
  sums: PeriodSums[];
  findings: NewFinding[];
} {
  const sealedAt = Number(lot.time) * 1_000;
  const allowed = new Set([periodOf(new Date(sealedAt)), periodOf(new Date(sealedAt - DAY_MS))]);
  const periods = new Map<number, Sums>();
  const findings: NewFinding[] = [];
  for (const { number, document, invoice, judged, acceptedAt } of invoices) {
    // only the bureau knows the currency that an issuer accounts in
    const foreign = issuer !== undefined && document.currency !== issuer.currency;
    if (judged.contradictions.length > 0 || foreign)
      findings.push({ kind: "document-invalid", issuer: lot.issuer, subject: number });
    // a gateway that checks nothing may have sealed this: the audit of the others goes on
    if (!invoice) continue;
    let period = periodOf(acceptedAt);
    if (!allowed.has(period)) {
      findings.push({ kind: "accepted-time", issuer: lot.issuer, subject: lot.first });
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
    findings,
  };
}

export const grossOf = ({ invoice }: JudgedInvoice): bigint | undefined =>
  invoice && parseMoney(invoice.totals.gross);

/** What a lot's red letters take back. */
export const redsOf = ({ lot, invoices }: JudgedLot): RedLetter[] =>
  invoices.flatMap((judged) => {
    // a document that is not an invoice has its finding, and has no amount
    const gross = grossOf(judged);
    const original = judged.invoice?.reverses?.number ?? judged.reverses;
    return gross === undefined || gross >= 0n || original === null
      ? []
      : [{ number: judged.number, original, issuer: lot.issuer, gross }];
  });
