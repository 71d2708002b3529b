/**
 * Checks of an invoice that was issued elsewhere: what its document must say, and that it is not an
 * invoice of this network. A document is checked as at issuing, and no further: `provenOf` lists
 * what is proven and what is not.
 */
import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { isCorrection } from "@onepiao/protocol/formats/en16931.ts";
import { fieldIn } from "@onepiao/protocol/formats/fields.ts";
import type { ReadInvoice } from "@onepiao/protocol/formats/read.ts";
import { externalId } from "@onepiao/protocol/ledger/external.ts";
import {
  type Identity,
  identityOf,
  type Stated,
  twentyDigits,
} from "@onepiao/protocol/ledger/identity.ts";
import { brokenForeignTime, chinaDay, type TimeBounds } from "@onepiao/protocol/values/dates.ts";
import { Problem, type Violation } from "@onepiao/protocol/values/problems.ts";
import { brokenCheckDigit } from "@onepiao/protocol/values/seller-ids.ts";
import { isPersonalId, normaliseTaxId } from "@onepiao/protocol/values/tax-id.ts";
import type { Tx } from "../../db/db.ts";
import type { Caller } from "../../kernel/api.ts";
import { type Invoices, linksOf } from "../invoices/invoices.ts";
import type { Taxpayer, Taxpayers } from "../parties/taxpayers.ts";

export const checks = [
  "format",
  "arithmetic",
  "tax-id-form",
  "seller-check-digit",
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
export async function provenOf(
  document: InvoiceDocument,
): Promise<{ proven: Check[]; notProven: Check[] }> {
  const holds = (await brokenCheckDigit(document.seller)) === false;
  const titled = titleOf(document) !== undefined;
  const named = document.seller.taxId !== undefined;
  return {
    proven: [
      "format",
      "arithmetic",
      ...(named ? (["tax-id-form"] as const) : []),
      ...(holds ? (["seller-check-digit"] as const) : []),
      ...(titled ? (["title"] as const) : []),
      "once-in-this-network",
    ],
    notProven: [
      ...(named ? [] : (["tax-id-form"] as const)),
      ...(holds ? [] : (["seller-check-digit"] as const)),
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

/** A note if the seller's id has check digits that its country's rules do not give. */
export async function checkDigitNotes(document: InvoiceDocument): Promise<Violation[]> {
  if (!(await brokenCheckDigit(document.seller))) return [];
  const { taxId, identifiers: [other] = [] } = document.seller;
  const detail = `The check digits of ${taxId ?? other?.id ?? ""} are not right in its country`;
  const field = fieldIn(document, "/seller/taxId");
  return [{ field, rule: "tax-id-check-digit", detail }];
}

const DAY_MS = 86_400_000;

/** What is kept of a document that was read. */
type Kept = Pick<ReadInvoice, "document" | "number" | "issueDay">;

/** The day of issue as the document states it, YYYY-MM-DD. */
const dayOf = ({ document, issueDay }: Kept) => issueDay ?? document.issuedAt.slice(0, 10);

/**
 * The keys of the invoices whose place a correction (384) takes: none of them can be claimed beside
 * it. An invoice that is named without its day is one of the correction's year.
 */
function replacedKeys({ document }: Kept, issued: string): string[] {
  if (!isCorrection(document)) return [];
  const { currency, seller, preceding = [] } = document;
  return preceding.flatMap(({ id: number, date }) => {
    const identity = identityOf({ number, day: date ?? issued, currency, seller });
    return "keys" in identity ? identity.keys : [];
  });
}

/**
 * The number that the original has where it was issued, and what identifies it; `replaces`: the
 * keys of the invoices whose place it takes. Throws invalid-document.
 */
export function identified(read: Kept): {
  number: string;
  identity: Identity;
  replaces: readonly string[];
} {
  const { document, number: stated } = read;
  const number = stated ?? document.sourceId ?? "";
  const { currency, seller } = document;
  const day = dayOf(read);
  const identity = identityOf({ number, day, currency, seller });
  if ("keys" in identity) return { number, identity, replaces: replacedKeys(read, day) };
  const field = fieldIn(document, stated === undefined ? "/sourceId" : "/number");
  throw new Problem("invalid-document", identity.detail, {
    violations: [{ field, ...identity }],
  });
}

/** Ids that one act can claim. */
const maxIds = 100;

/** All ids of an invoice, its own first. Throws invalid-document. */
export function idsOf(
  { document }: Kept,
  { identity, replaces }: Pick<ReturnType<typeof identified>, "identity" | "replaces">,
): string[] {
  const ids = [...new Set([...identity.keys, ...replaces].map(externalId))];
  if (ids.length <= maxIds) return ids;
  const field = fieldIn(document, "/preceding");
  const detail = `The invoices that it corrects have more than ${maxIds} ids together with its own`;
  throw new Problem("invalid-document", detail, {
    violations: [{ field, rule: "corrects-too-many", detail }],
  });
}

/** What is compared with other copies of the invoice. */
export function statedBy(read: Pick<ReadInvoice, "document" | "issueDay">): Stated {
  const { seller, currency, totals, issuedAt } = read.document;
  const { issueDay } = read;
  return {
    seller,
    currency,
    gross: totals.gross,
    days: [issuedAt.slice(0, 10), ...(issueDay === undefined ? [] : [issueDay])],
  };
}

/** The buyer's tax id, if the invoice is titled: not by the identity number of a natural person. */
export const titleOf = ({ buyer }: InvoiceDocument): string | undefined =>
  buyer.taxId === undefined || isPersonalId(buyer.taxId) ? undefined : buyer.taxId;

/** The caller, who registers for itself. Throws employer-not-active. */
export async function employerOf(tx: Tx, taxpayers: Taxpayers, caller: Caller): Promise<Taxpayer> {
  const employer = await taxpayers.byAccount(tx, caller.account);
  if (employer?.standing !== "active" || !employer.capabilities.includes("employer"))
    throw new Problem("employer-not-active", "The employer is suspended or not enrolled as one");
  return employer;
}

/**
 * Takes these locks until `tx` ends, in one order for everybody. A registration of an invoice and
 * the recording of its credit note both take `external/` with each of its ids.
 */
export async function holdNames(tx: Tx, names: readonly string[]): Promise<void> {
  const sorted = [...new Set(names)].sort();
  await tx`select pg_advisory_xact_lock(hashtextextended(name, 0)) from unnest(${sorted}::text[]) as l (name)`;
}

/** Throws titled-to-another. */
export function checkTitle(document: InvoiceDocument, employer: Taxpayer): void {
  const buyer = titleOf(document);
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
  { number, kind }: { number: string; kind: Identity["kind"] },
  now: Date,
  bounds: TimeBounds,
): void {
  const refuse = (member: string, rule: string, detail: string) => {
    const field = fieldIn(document, member);
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
  const national = kind === "national" ? twentyDigits(number) : undefined;
  if (national !== undefined && national.slice(0, 2) !== day.slice(2, 4))
    throw refuse(
      stated === undefined ? "/sourceId" : "/number",
      "number-year",
      `The number ${national} is one of 20${national.slice(0, 2)}, issued on ${day}`,
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
      own === null
        ? {}
        : {
            extra: {
              original: { number: own, href: linksOf(own).self, import: "/v1/invoices/import" },
            },
          },
    );
  const stated = new Set(
    [number, document.sourceId ?? "", ...numbers].flatMap((text) => twentyDigits(text) ?? []),
  );
  const [own] = await tx<{ number: string }[]>`
    select n.number from unnest(${[...stated]}::numeric[]) as n (number)
    join lateral (select first, length from segment_now where first <= n.number order by first desc limit 1) s on n.number < s.first + s.length limit 1`;
  if (own)
    throw refuse(
      own.number,
      `${own.number} is a number of this network: its holder claims the invoice under it. ` +
        "If it is not here, bring its bundle: the file that its issuer or holder has of it, with " +
        "POST /v1/invoices/import",
    );
  const { taxId } = document.seller;
  const seller = taxId === undefined ? undefined : await taxpayers.byTaxId(tx, taxId);
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
