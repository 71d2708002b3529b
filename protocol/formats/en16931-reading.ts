/**
 * Business groups of EN 16931 as members of a document, for the readers of its syntaxes.
 *
 * A reader finds the elements and knows their paths; this file knows what they mean: which of a
 * party's ids is its tax id, what a type code makes of an invoice, which total is in which
 * currency, what is kept of an attachment. Owns nothing that one syntax has alone.
 */
import { createHash } from "node:crypto";
import {
  type Decimals,
  decimalsOf,
  normaliseDecimal,
  normaliseMoney,
  percentToFraction,
} from "../values/money.ts";
import { isChineseTaxId, isTaxId, normaliseTaxId } from "../values/tax-id.ts";
import { exempt, notTaxed, type registrations } from "./document.ts";
import type { Draft } from "./draft.ts";
import { creditNoteCodes, invoiceCodes, negate, usualCode } from "./en16931.ts";
import type { Element } from "./xml.ts";

/** An element that may be missing, and the path that it has or would have. */
export type Place = { element: Element | undefined; path: string };

/** Converters for rows (draft.ts). A text of another form stays as it is. */
export const money = (text: string, decimals: Decimals): string =>
  normaliseMoney(text, decimals) ?? text;
export const decimal = (text: string): string => normaliseDecimal(text) ?? text;
const zone = /(?:Z|[+-]\d{2}:\d{2})$/;
/** A day may have a zone (xsd:date); the document has the day as it is written. */
export const day = (text: string): string => text.replace(zone, "");

/** The texts of several elements as one member. */
export const joined = (texts: readonly string[], between: string): string | undefined =>
  texts.filter((text) => text !== "").join(between) || undefined;

/**
 * The time of issue: a day, a time if the syntax has one, the zone of either. Without a zone it is
 * UTC, without a time the beginning of the day. `asDay`: the syntax's form of a day as a
 * document's.
 */
export function putIssued(draft: Draft, date: Place, time: string | undefined, asDay = day): void {
  const text = date.element?.text;
  const clock = time || "00:00:00";
  const offset = zone.test(clock) ? "" : (zone.exec(text ?? "")?.[0] ?? "Z");
  draft.put("/issuedAt", text ? `${asDay(text)}T${clock}${offset}` : undefined, date.path);
}

/**
 * A tax category's code and rate. E is exempt and O is not taxed; their percentage must be 0 and
 * adds nothing.
 */
export function putCategory(draft: Draft, to: string, code: Place, percent: Place): void {
  const category = code.element?.text || undefined;
  draft.put(`${to}/taxCategory`, category, code.path);
  const stated = percent.element?.text || undefined;
  const fraction =
    stated === undefined
      ? undefined
      : (percentToFraction(normaliseDecimal(stated) ?? "") ?? stated);
  const zero = fraction === undefined || fraction === "0";
  const word = category === "E" ? exempt : category === "O" ? notTaxed : undefined;
  draft.put(`${to}/taxRate`, word !== undefined && zero ? word : fraction, percent.path);
}

/** An id of a party. `scheme`: of its own register; `registration`: what it is registered for. */
export type PartyId = {
  element: Element;
  scheme: string | undefined;
  registration?: (typeof registrations)[number];
};

/** The scheme of a bank's creditor id (BT-90): it names an account, not a party. */
export const creditorScheme = "SEPA";

export function putIdentifier(draft: Draft, to: string, { element, scheme }: PartyId): void {
  const path = draft.pathOf(element);
  draft.put(`${to}/id`, element.text, path);
  draft.put(`${to}/scheme`, scheme || undefined, path);
}

/**
 * An id as a tax id: of capitals and digits, the country in front. Only a VAT id brings its country
 * along; the HR of an HRB is not Croatia.
 */
export function taxIdFrom(
  text: string,
  country: string | undefined,
  registration: PartyId["registration"],
): string {
  if (registration === "vat") return normaliseTaxId(text, country);
  const bare = normaliseTaxId(text);
  return country === undefined || isChineseTaxId(bare) || bare.startsWith(country)
    ? bare
    : `${country}${bare}`;
}

/**
 * A party's ids. The tax id is its VAT id. A seller without one is known by the first of its other
 * ids that has the form of a tax id: of a tax office, of a register, its own (BR-CO-26 requires
 * one). Every id is kept with its scheme; a repetition of the VAT id without a scheme is
 * left out. `missing`: where the VAT id would stand.
 */
export function putIds(
  draft: Draft,
  side: "seller" | "buyer",
  country: string | undefined,
  ids: readonly PartyId[],
  missing: string,
): void {
  const stated = ids.filter(({ element }) => element.text !== "");
  const land = /^[A-Z]{2}$/.test(country ?? "") ? country : undefined;
  const taxIdOf = ({ element, registration }: PartyId) =>
    taxIdFrom(element.text, land, registration);
  const vat = stated.find(({ registration }) => registration === "vat");
  const others = (["tax", "legal", undefined] as const).flatMap((kind) =>
    stated.filter((id) => id.registration === kind && id.scheme !== creditorScheme),
  );
  const chief =
    vat ??
    (side === "buyer" ? undefined : (others.find((id) => isTaxId(taxIdOf(id))) ?? others[0]));
  draft.put(
    `/${side}/taxId`,
    chief && (taxIdOf(chief) || undefined),
    chief ? draft.pathOf(chief.element) : missing,
  );
  const kept = stated.filter(
    (id) =>
      id !== vat &&
      !(
        side === "seller" &&
        id.element.text === vat?.element.text &&
        !id.scheme &&
        id.registration === undefined
      ),
  );
  for (const [index, id] of kept.entries()) {
    const to = `/${side}/identifiers/${index}`;
    putIdentifier(draft, to, id);
    draft.put(`${to}/registration`, id.registration, draft.pathOf(id.element));
  }
}

/** A preceding invoice (BG-3). */
export type Preceding = { id: Place; date: Place };

/**
 * What the invoice is: its type code, and the invoices that it names. A credit note's amounts
 * become negative. A negative invoice that names one other reverses that one; whatever else it
 * names is `preceding`. To be called after all amounts are put. `root`: what the root element says
 * that it is. Unless it says a credit note, the code alone does, and of positive amounts only.
 * `asDay` as in `putIssued`.
 */
export function putKind(
  draft: Draft,
  code: Place,
  preceding: readonly Preceding[],
  root: "invoice" | "credit-note" | "either",
  asDay = day,
): void {
  const text = code.element?.text;
  const isCredit = text !== undefined && creditNoteCodes.has(text);
  if (text === undefined) draft.refuse(code.path, "BR-04", "this element is required");
  else if (
    !(isCredit && (root !== "invoice" || text === "381")) &&
    !(invoiceCodes.has(text) && root !== "credit-note")
  )
    draft.refuse(
      code.path,
      "BR-CL-01",
      `${text.slice(0, 20)} is not the type of ${root === "credit-note" ? "a credit note" : "an invoice"}`,
    );
  const isNegative = () => {
    const totals = draft.document["totals"] as Record<string, unknown> | undefined;
    return String(totals?.["gross"] ?? "").startsWith("-");
  };
  if (root === "credit-note" || (isCredit && !isNegative())) negate(draft.document);
  const negative = isNegative();
  const named = preceding.filter(({ id }) => id.element?.text);
  const [only] = named;
  const reversed = negative && named.length === 1 ? only : undefined;
  const usual = usualCode(reversed !== undefined);
  draft.put("/typeCode", text === usual ? undefined : text || undefined, code.path);
  if (reversed) draft.put("/reverses", { sourceId: reversed.id.element?.text }, reversed.id.path);
  if (reversed && !reversed.date.element?.text) return;
  for (const [index, { id, date }] of named.entries()) {
    const to = `/preceding/${index}`;
    draft.put(`${to}/id`, id.element?.text, id.path);
    draft.put(`${to}/date`, date.element?.text ? asDay(date.element.text) : undefined, date.path);
  }
}

/** The tax in the accounting currency (BT-111); the amount may have that currency's decimals. */
export function putAccounting(
  draft: Draft,
  amount: Place,
  currency: string,
  tax: { text: string | undefined; currency: string },
): void {
  const text = amount.element?.text;
  if (!text) return;
  const decimals = decimalsOf(currency);
  if (currency === tax.currency && money(text, decimals) !== money(tax.text ?? "0", decimals))
    draft.refuse(
      amount.path,
      "repeated-element",
      `the tax in ${currency} is stated twice, with two amounts`,
    );
  draft.put("/totals/accounting/currency", currency, amount.path);
  draft.put("/totals/accounting/tax", money(text, decimals), amount.path);
}

/**
 * An attachment (BG-24). Its bytes stay in the original; the document has their number and their
 * SHA-256, so that nobody can exchange them.
 */
export function putAttachment(
  draft: Draft,
  to: string,
  embedded: Place,
  names: { filename: string | undefined; mimeType: string | undefined },
): void {
  if (embedded.element === undefined) return;
  const text = embedded.element.text.replaceAll(/\s/g, "");
  const padding = text.indexOf("=");
  if (
    text.length % 4 !== 0 ||
    /[^A-Za-z0-9+/=]/.test(text) ||
    (padding >= 0 && !/^={1,2}$/.test(text.slice(padding)))
  )
    draft.refuse(embedded.path, "base64", "an embedded file is written in Base64");
  const bytes = Buffer.from(text, "base64");
  draft.put(`${to}/filename`, names.filename || undefined, embedded.path);
  draft.put(`${to}/mimeType`, names.mimeType || undefined, embedded.path);
  draft.put(`${to}/bytes`, String(bytes.length), embedded.path);
  draft.put(`${to}/sha256`, createHash("sha256").update(bytes).digest("hex"), embedded.path);
}
