/**
 * Ids of invoices issued elsewhere (外部票): on the ledger, and in writing.
 *
 * The id follows from the seller's tax id and the original's number alone, so every gateway gives
 * an original the same id: 2^255 | keccak256("onepiao/external\0" ‖ tax id ‖ "\0" ‖ number) >> 1.
 * The database has it as a decimal number, the outside as 0x-hex. A number of this network has 20
 * digits, an external id 77 or 78, so nobody confuses the two.
 */
import { keccak } from "./tree.ts";

/**
 * The smallest id of an invoice issued elsewhere. In tables an id is a decimal number of 77 or 78
 * digits.
 */
export const EXTERNAL = 1n << 255n;
export const isExternal = (id: string): boolean => BigInt(id) >= EXTERNAL;

/**
 * The only text of an original's number: full-width digits and letters made plain, no blanks,
 * capitals. So another spelling does not register a second invoice.
 */
export const originalNumber = (text: string): string =>
  text
    .normalize("NFKC")
    .replace(/[\s\p{Cf}]/gu, "")
    .toUpperCase();

/** The id as a decimal number. `taxId` in the form of protocol/values/tax-id.ts. */
export const externalId = (taxId: string, number: string): string =>
  (
    EXTERNAL |
    (BigInt(keccak(Buffer.from(`onepiao/external\0${taxId}\0${originalNumber(number)}`))) >> 1n)
  ).toString();

/** The id in 0x-hex, as it appears outside. */
export const externalHex = (number: string): string => `0x${BigInt(number).toString(16)}`;
/** The name of an invoice outside: its number, or the id of an external invoice. */
export const nameOf = (number: string): string =>
  isExternal(number) ? externalHex(number) : number;
/** The decimal number for a name that `nameOf` returns. */
export const ledgerNumber = (name: string): string => BigInt(name).toString();
