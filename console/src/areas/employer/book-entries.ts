/** Which invoices an employer may enter in its books (入账), and the requests for them. */
import type { Schemas } from "../../shared/client.ts";

type Summary = Pick<Schemas["InvoiceSummary"], "entry" | "status" | "titled" | "reverses">;

/** Marks that allow an entry: not entered yet, and revoked. */
export const isOpenMark = (mark: string | undefined): boolean => mark === "01" || mark === "06";

/**
 * Whether an invoice of this network may be entered now: a titled one in any state except reversed,
 * an untitled one once it is reimbursed.
 */
export const isOpen = ({ entry, status, titled, reverses }: Summary): boolean =>
  isOpenMark(entry) &&
  reverses === undefined &&
  (titled ? ["issued", "claimed", "reimbursed"].includes(status) : status === "reimbursed");

/**
 * Sorts invoices as the ledger requires: numbers of 20 digits before ids in hex, each kind by
 * value.
 */
export const inLedgerOrder = (names: readonly string[]): string[] =>
  [...names].sort((a, b) => (BigInt(a) === BigInt(b) ? 0 : BigInt(a) < BigInt(b) ? -1 : 1));
