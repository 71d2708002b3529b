/**
 * Ids of invoices that were issued elsewhere (外部票): what they are on the ledger, and how they are
 * written.
 *
 * The id follows from the seller's tax id and the original's number alone, so every gateway gives
 * one original one id: 2^255 | keccak256("onepiao/external\0" ‖ tax id ‖ "\0" ‖ number) >> 1. In
 * the database it is a decimal number, outside 0x-hex. A number of this network has 20 digits, an
 * external id 77 or 78, so the two are never confused.
 */
import { keccak } from "./tree.ts";

/**
 * The smallest id of an invoice issued elsewhere. In tables an id is its decimal number, of 77 or
 * 78 digits.
 */
export const EXTERNAL = 1n << 255n;
export const isExternal = (id: string): boolean => BigInt(id) >= EXTERNAL;

/**
 * The one text of an original's number: full-width digits and letters made plain, no blanks,
 * capitals. Whoever types or exports it otherwise registers no second invoice.
 */
export const originalNumber = (text: string): string =>
  text
    .normalize("NFKC")
    .replace(/[\s\p{Cf}]/gu, "")
    .toUpperCase();

/** The id as a decimal number. `taxId` as protocol/values/tax-id.ts writes it. */
export const externalId = (taxId: string, number: string): string =>
  (
    EXTERNAL |
    (BigInt(keccak(Buffer.from(`onepiao/external\0${taxId}\0${originalNumber(number)}`))) >> 1n)
  ).toString();

/** The id as it is written outside. */
export const externalHex = (number: string): string => `0x${BigInt(number).toString(16)}`;
/** An invoice as it is named outside: by its number, or the id of an external one. */
export const nameOf = (number: string): string =>
  isExternal(number) ? externalHex(number) : number;
/** The decimal number of what `nameOf` gives. */
export const ledgerNumber = (name: string): string => BigInt(name).toString();
