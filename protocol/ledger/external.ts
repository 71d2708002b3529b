/**
 * Ids of invoices issued elsewhere (外部票): on the ledger, and in writing.
 *
 * An id follows from a key of identity.ts alone, so every gateway gives an original the same ids:
 * 2^255 | keccak256("onepiao/external\0" ‖ key) >> 1.
 * The database has it as a decimal number, the outside as 0x-hex. A number of this network has 20
 * digits, an external id 77 or 78, so nobody confuses the two.
 */
import { identityOf, type Original } from "./identity.ts";
import { keccak } from "./tree.ts";

/**
 * The smallest id of an invoice issued elsewhere. In tables an id is a decimal number of 77 or 78
 * digits.
 */
export const EXTERNAL = 1n << 255n;
export const isExternal = (id: string): boolean => BigInt(id) >= EXTERNAL;

/** The id, as a decimal number, of a key of identity.ts. */
export const externalId = (key: string): string =>
  (EXTERNAL | (BigInt(keccak(Buffer.from(`onepiao/external\0${key}`))) >> 1n)).toString();

/** The ids of an invoice, the surest first; none if it has no identity. */
export function idsOf(original: Original): string[] {
  const identity = identityOf(original);
  return "keys" in identity ? identity.keys.map(externalId) : [];
}

/**
 * The ids that an invoice of this seller and number may have, whichever year it was issued in
 * (`years`: the first and the last), for a search.
 */
export function idsNamed(taxId: string, number: string, [from, to]: [number, number]): string[] {
  const seller = { name: "", taxId };
  const ids = Array.from({ length: to - from + 1 }, (_, i) =>
    idsOf({ number, day: `${from + i}-01-01`, currency: "CNY", seller }),
  );
  return [...new Set(ids.flat())];
}

/** The id in 0x-hex, as it appears outside. */
export const externalHex = (number: string): string => `0x${BigInt(number).toString(16)}`;
/** The name of an invoice outside: its number, or the id of an external invoice. */
export const nameOf = (number: string): string =>
  isExternal(number) ? externalHex(number) : number;
/** The decimal number for a name that `nameOf` returns. */
export const ledgerNumber = (name: string): string => BigInt(name).toString();
