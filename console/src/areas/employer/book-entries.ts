/** What may be entered in the employer's books (入账), and how that is asked for. */
import type { Schemas } from "../../shared/client.ts";

type Summary = Pick<Schemas["InvoiceSummary"], "entry" | "status" | "titled" | "reverses">;

/** Marks that let an invoice be entered: not entered yet, and revoked. */
export const isOpenMark = (mark: string | undefined): boolean => mark === "01" || mark === "06";

/**
 * Whether an invoice of this network may be entered now: one with a title in any state but
 * reversed, another once it is reimbursed.
 */
export const isOpen = ({ entry, status, titled, reverses }: Summary): boolean =>
  isOpenMark(entry) &&
  reverses === undefined &&
  (titled ? ["issued", "claimed", "reimbursed"].includes(status) : status === "reimbursed");

/**
 * Names of invoices in the order in which the ledger takes them: numbers of 20 digits before ids in
 * hex, each by its value.
 */
export const inLedgerOrder = (names: readonly string[]): string[] =>
  [...names].sort((a, b) => (BigInt(a) === BigInt(b) ? 0 : BigInt(a) < BigInt(b) ? -1 : 1));
