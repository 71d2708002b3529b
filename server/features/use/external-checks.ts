/**
 * Checks of an invoice that was issued elsewhere: what its document must say, and that it is not an
 * invoice of this network. A document is checked as at issuing, and no further: `provenOf` lists
 * what is proven and what is not.
 */
import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { isCreditNote } from "@onepiao/protocol/formats/en16931.ts";
import { fieldIn } from "@onepiao/protocol/formats/fields.ts";
import { formatOf } from "@onepiao/protocol/formats/formats.ts";
import type { ReadInvoice } from "@onepiao/protocol/formats/read.ts";
import { originalNumber } from "@onepiao/protocol/ledger/external.ts";
import { brokenForeignTime, chinaDay, type TimeBounds } from "@onepiao/protocol/values/dates.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { isChineseTaxId, normaliseTaxId } from "@onepiao/protocol/values/tax-id.ts";
import type { Tx } from "../../db/db.ts";
import { type Invoices, linksOf } from "../invoices/invoices.ts";
import type { Taxpayer, Taxpayers } from "../parties/taxpayers.ts";

export const checks = [
  "format",
  "arithmetic",
  "tax-id-form",
  "title",
  "once-in-this-network",
  "issued",
  "seller-signature",
  "unaltered",
  "not-reversed",
  "unused-outside",
  "not-issued-here-by-another-gateway",
] as const;
export type Check = (typeof checks)[number];

/** What is proven about a registered invoice, and what is not. */
export function provenOf(document: InvoiceDocument): { proven: Check[]; notProven: Check[] } {
  const titled = document.buyer.taxId !== undefined;
  return {
    proven: [
      "format",
      "arithmetic",
      "tax-id-form",
      ...(titled ? (["title"] as const) : []),
      "once-in-this-network",
    ],
    notProven: [
      "issued",
      "seller-signature",
      "unaltered",
      ...(titled ? [] : (["title"] as const)),
      "not-reversed",
      "unused-outside",
      "not-issued-here-by-another-gateway",
    ],
  };
}

const DAY_MS = 86_400_000;

/** The number that the original has where it was issued. Throws invalid-document. */
export function numberOf({ document, number: stated }: ReadInvoice): string {
  const number = stated ?? document.sourceId;
  if (number !== undefined && originalNumber(number) !== "") return number;
  const detail = "The number that the invoice was issued under is needed";
  throw new Problem("invalid-document", detail, {
    violations: [{ field: "/sourceId", rule: "original-number", detail }],
  });
}

/** Throws external-red-letter, titled-to-another. */
export function checkDocument(document: InvoiceDocument, employer: Taxpayer): void {
  if (
    document.reverses !== undefined ||
    document.totals.gross.startsWith("-") ||
    isCreditNote(document)
  ) {
    throw new Problem(
      "external-red-letter",
      "A red letter takes back what was issued elsewhere: there is nothing in it to be reimbursed",
    );
  }
  const buyer = document.buyer.taxId;
  if (buyer !== undefined && normaliseTaxId(buyer) !== employer.taxId) {
    throw new Problem(
      "titled-to-another",
      "The buyer that the invoice names is not this employer",
      {
        violations: [
          {
            field: "/buyer/taxId",
            rule: "buyer-is-employer",
            detail: `Only ${buyer} can reimburse it`,
          },
        ],
      },
    );
  }
}

/**
 * Checks when the invoice was issued: not in the future, not before 2000, and for a national
 * invoice (20 digits, the first two the year) in the year that its number says. A 数电票 may have been
 * requested on the day before it was issued. Throws invalid-document.
 */
export function checkDates(
  { document, number: stated, issueDay }: ReadInvoice,
  number: string,
  now: Date,
  bounds: TimeBounds,
): void {
  const refuse = (member: string, rule: string, detail: string) => {
    const field = fieldIn(formatOf(document), member);
    return new Problem("invalid-document", `${field}: ${detail}`, {
      violations: [{ field, rule, detail }],
    });
  };
  const broken = brokenForeignTime(document.issuedAt, now, bounds);
  if (broken) throw refuse("/issuedAt", broken.rule, broken.detail);
  const requested = chinaDay(new Date(document.issuedAt));
  const day = issueDay ?? requested;
  const late = brokenForeignTime(`${day}T00:00:00+08:00`, now, bounds);
  if (late) throw refuse("/issueDay", late.rule, late.detail);
  const away = Math.abs(Date.parse(day) - Date.parse(requested));
  if (day.slice(0, 4) !== requested.slice(0, 4) && away > DAY_MS)
    throw refuse(
      "/issueDay",
      "request-year",
      `Issued on ${day}, and asked for on ${requested}: these are different years`,
    );
  if (
    /^\d{20}$/.test(number) &&
    isChineseTaxId(normaliseTaxId(document.seller.taxId)) &&
    number.slice(0, 2) !== day.slice(2, 4)
  )
    throw refuse(
      stated === undefined ? "/sourceId" : "/number",
      "number-year",
      `The number ${number} is one of 20${number.slice(0, 2)}, issued on ${day}`,
    );
}

/**
 * Throws external-issued-here when the invoice is one of this network: by any number of 20 digits
 * that it states, or as an original of an issuer that is known here.
 */
export async function checkElsewhere(
  tx: Tx,
  { taxpayers, invoices }: { taxpayers: Taxpayers; invoices: Invoices },
  { document, numbers = [] }: ReadInvoice,
  number: string,
): Promise<void> {
  const refuse = (own: string | null, detail: string) =>
    new Problem(
      "external-issued-here",
      detail,
      own === null ? {} : { extra: { original: { number: own, href: linksOf(own).self } } },
    );
  const stated = [
    ...new Set([number, document.sourceId ?? "", ...numbers].map(originalNumber)),
  ].filter((text) => /^\d{20}$/.test(text));
  const [own] = await tx<{ number: string }[]>`
    select n.number from unnest(${stated}::numeric[]) as n (number)
    join lateral (select first, length from segment_now where first <= n.number order by first desc limit 1) s on n.number < s.first + s.length limit 1`;
  if (own)
    throw refuse(
      own.number,
      `${own.number} is a number of this network: the invoice is claimed under it`,
    );
  const seller = await taxpayers.byTaxId(tx, document.seller.taxId);
  if (!seller) return;
  const ids = [...new Set([number, document.sourceId ?? number])];
  const [issued] = (
    await invoices.issuedBefore(
      tx,
      ids.map((id) => ({ issuer: seller.index, blind: invoices.sourceBlind(seller.taxId, id) })),
    )
  ).values();
  if (issued)
    throw refuse(
      issued.number,
      `The original is issued on this network${issued.number === null ? "" : ` as ${issued.number}`}`,
    );
}
