/**
 * Tax ids: which are valid, how foreign ones are written, and which region a seller belongs to.
 *
 * Invariant: a valid tax id is either 18 characters of GB 32100-2015 with a right check digit, or a
 * country code and 2–28 capital letters or digits; the two shapes never overlap (the second
 * character of the former, the kind of body, is a digit). Does not own: who is enrolled under an
 * id.
 */
import { isIdCard, isSocialCreditCode } from "util-helpers";
import { plainCapitals } from "./look-alikes.ts";

/** The shape of a foreign tax id after `normaliseTaxId`. */
export const foreignTaxId = /^[A-Z]{2}[A-Z0-9]{2,28}$/;
const chineseShape = /^[0-9A-HJ-NPQRTUWXY]\d{7}[0-9A-HJ-NPQRTUWXY]{10}$/;

/** An id of GB 32100-2015 (统一社会信用代码), check digit included. */
export function isChineseTaxId(taxId: string): boolean {
  return chineseShape.test(taxId) && isSocialCreditCode(taxId);
}

/** A Chinese identity number (GB 11643), check digit included: the id of a natural person. */
export const isPersonalId = (taxId: string): boolean =>
  taxId.length === 18 && !isChineseTaxId(taxId) && isIdCard(taxId);

/**
 * An id of a Chinese taxpayer that is older than GB 32100 or a natural person's: 15 digits of the
 * tax office, 17 or 20 of a trader (an identity number and two digits), or an identity number. Such
 * a taxpayer issues and receives invoices elsewhere; nobody is enrolled here under such an id.
 */
export const isOlderTaxId = (taxId: string): boolean =>
  /^(?:\d{6}[0-9A-Z]{9}|\d{17}|\d{17}[\dX]\d{2})$/.test(taxId) || isPersonalId(taxId);

/** Any id of a Chinese taxpayer. */
export const isChineseId = (taxId: string): boolean => isChineseTaxId(taxId) || isOlderTaxId(taxId);

/** True for a valid tax id in its only written form: GB 32100-2015, or foreign. */
export function isTaxId(taxId: string): boolean {
  return isChineseTaxId(taxId) || foreignTaxId.test(taxId);
}

/** The rule that a tax id breaks, if any. */
export function brokenTaxIdRule(taxId: string): "tax-id-check-digit" | "tax-id-format" | undefined {
  if (isTaxId(taxId)) return undefined;
  return taxId.length === 18 ? "tax-id-check-digit" : "tax-id-format";
}

const regionNames = new Intl.DisplayNames(["en"], { type: "region", fallback: "none" });
/** VAT numbers use EL (Greece) and XI (Northern Ireland), which are not ISO 3166 codes. */
const extraPrefixes = new Set(["EL", "XI"]);
/** What was looked up before, at most 676 pairs of letters: the names of regions are slow. */
const prefixes = new Map<string, boolean>();
export function isCountryPrefix(two: string): boolean {
  if (!/^[A-Z]{2}$/.test(two)) return false;
  const known = prefixes.get(two) ?? (extraPrefixes.has(two) || regionNames.of(two) !== undefined);
  prefixes.set(two, known);
  return known;
}

/**
 * The only written form of a tax id from a document: capitals and digits only, the country in
 * front. `DE 123456789` → `DE123456789`; `12/345/67890` with country `DE` → `DE1234567890`; a
 * Chinese id has no country. The result may still be invalid: check it with `isTaxId`.
 */
export function normaliseTaxId(text: string, country?: string): string {
  const bare = plainCapitals(text).replace(/[^A-Z0-9]/g, "");
  if (isChineseTaxId(bare)) return bare;
  if (bare.startsWith("CN") && isChineseId(bare.slice(2))) return bare.slice(2);
  if (country === undefined || country === "CN" || isCountryPrefix(bare.slice(0, 2))) return bare;
  return `${country}${bare}`;
}

/**
 * The six digits of the administrative division in an id of a Chinese taxpayer (GB/T 2260);
 * undefined for a foreign one.
 */
export function divisionOf(taxId: string): string | undefined {
  if (chineseShape.test(taxId)) return taxId.slice(2, 8);
  return isOlderTaxId(taxId) ? taxId.slice(0, 6) : undefined;
}

/**
 * The two digits for the seller's region in an invoice number: those of the id, or `90` for a
 * foreign seller.
 */
export function regionOf(taxId: string): string {
  return chineseShape.test(taxId) ? taxId.slice(2, 4) : "90";
}
