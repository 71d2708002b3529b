/**
 * What a document takes back of invoices that were issued before: red letters and credit notes, in
 * any format. Readers put it in the same members: negative amounts, `reverses`, `preceding`.
 */
import { decimalsOf, formatMoney, parseMoney } from "../values/money.ts";
import type { InvoiceDocument } from "./document.ts";
import { isCreditNote } from "./en16931.ts";

/** An invoice by the number under which it was issued. `date`: of issue, YYYY-MM-DD, if stated. */
export type Named = { number: string; date?: string | undefined };
/**
 * `amount`: with tax, in the document's currency; more than zero. `originals`: the invoices that
 * the document names, none if it is a bonus on many.
 */
export type Credit = { amount: string; originals: readonly Named[] };

/** What a recorded credit note does to the registration of an original. */
export const creditEffects = [
  "reduces",
  "exceeds",
  "differs",
  "several",
  "other-employer",
] as const;
export type CreditEffect = (typeof creditEffects)[number];

/** Whether the document is a red letter or a credit note, whatever its amounts are. */
export const isCredit = (document: InvoiceDocument): boolean =>
  document.reverses !== undefined ||
  document.totals.gross.startsWith("-") ||
  isCreditNote(document);

/**
 * What a red letter or credit note takes back. Undefined if it takes nothing back: a credit note
 * with negative amounts adds to what is to be paid.
 */
export function creditOf({
  currency,
  totals,
  reverses,
  preceding = [],
}: Pick<InvoiceDocument, "currency" | "totals" | "reverses" | "preceding">): Credit | undefined {
  const decimals = decimalsOf(currency);
  const gross = parseMoney(totals.gross, decimals);
  if (gross >= 0n) return undefined;
  const reversed = reverses?.sourceId ?? reverses?.number;
  const dated = preceding.map(({ id, date }): Named => ({ number: id, date }));
  const isReversed = ({ number }: Named) => number === reversed;
  const originals =
    reversed === undefined
      ? dated
      : [
          dated.find(isReversed) ?? { number: reversed },
          ...dated.filter((each) => !isReversed(each)),
        ];
  return { amount: formatMoney(-gross, decimals), originals };
}
