/**
 * EN 16931's semantic model, as far as documents keep to it: the ids of its rules, its type codes,
 * what a credit note is in a document.
 *
 * Shared by every syntax of the model (UBL, CII). A reader of another one maps its elements
 * (en16931-reading.ts has the business groups), and adds no rule. Does not own: the arithmetic
 * (rules.ts), the code lists that are only written (codes.ts). No import: rules.ts uses this file.
 */

/** Our name of a rule → its id in EN 16931-1. */
export const europeanIds: Readonly<Record<string, string>> = {
  "lines-sum": "BR-CO-10",
  "allowances-sum": "BR-CO-11",
  "charges-sum": "BR-CO-12",
  "net-sum": "BR-CO-13",
  "tax-sum": "BR-CO-14",
  "gross-sum": "BR-CO-15",
  "payable-sum": "BR-CO-16",
  "breakdown-tax": "BR-CO-17",
  "breakdown-missing": "BR-CO-18",
  "negative-price": "BR-27",
};
/** Missing members that EN 16931 has a rule for, by `pointer rule`. */
export const europeanShapes: Readonly<Record<string, string>> = {
  "/issuedAt missing-member": "BR-03",
  "/currency missing-member": "BR-05",
  "/seller/name missing-member": "BR-06",
  "/seller/taxId missing-member": "BR-CO-26",
  "/buyer/name missing-member": "BR-07",
  "/lines no-lines": "BR-16",
  "/totals/net missing-member": "BR-13",
  "/totals/gross missing-member": "BR-14",
};
/** Members that a document may lack and an invoice of EN 16931 may not. */
export const europeanMembers: Readonly<Record<string, string>> = {
  "/sourceId": "BR-02",
  "/totals/lines": "BR-12",
  "/totals/payable": "BR-15",
};

/** The category's name inside rule ids of EN 16931, where it differs from the category's code. */
export const categoryNames: Readonly<Record<string, string>> = { K: "IC", L: "AF", M: "AG" };

const codes = (text: string): ReadonlySet<string> => new Set(text.split(" "));
/** UNTDID 1001, the part for invoices and the part for credit notes (BR-CL-01). */
export const invoiceCodes = codes(
  "71 80 82 84 102 130 202 203 204 211 218 219 295 325 326 331 380 382 383 384 385 386 387 388 " +
    "389 390 393 394 395 456 457 527 532 553 575 623 633 751 780 817 870 875 876 877 935",
);
export const creditNoteCodes = codes("81 83 261 262 296 308 381 396 420 458 502 503 532");
/** A corrected invoice takes the place of the one that it names. */
const correction = "384";
/** The buyer has issued the invoice in the seller's name. */
const selfBilled = "389";
/** The type of a document without a `typeCode`: a commercial invoice, or what reverses one. */
export const usualCode = (reverses: boolean): string => (reverses ? correction : "380");

/**
 * How a gateway that writes an invoice marks its number of it: an invoiced object (BT-18), of an
 * agreed scheme. The reader does not take it for an attachment.
 */
export const numberReference = { type: "130", scheme: "ZZZ" };

type Typed = { typeCode?: string | undefined };
/** What an invoice is by its type code. */
export const isCreditNote = ({ typeCode }: Typed): boolean =>
  typeCode !== undefined && creditNoteCodes.has(typeCode);
export const isCorrection = ({ typeCode }: Typed): boolean => typeCode === correction;
export const isSelfBilled = ({ typeCode }: Typed): boolean => typeCode === selfBilled;

const minus = (text: unknown): unknown =>
  typeof text !== "string" || /^-?0*(?:\.0*)?$/.test(text)
    ? text
    : text.startsWith("-")
      ? text.slice(1)
      : `-${text}`;
type Members = Record<string, unknown>;
const members = (value: unknown): Members[] => (Array.isArray(value) ? value : []) as Members[];
function negateEach(owner: Members | undefined, names: readonly string[]): void {
  if (owner === undefined) return;
  for (const name of names) if (owner[name] !== undefined) owner[name] = minus(owner[name]);
}

const allowanceMembers = ["amount", "base"];
const totalMembers = [
  "net",
  "tax",
  "gross",
  "lines",
  "allowances",
  "charges",
  "prepaid",
  "rounding",
  "collected",
  "payable",
];
/**
 * Changes the sign of a document in place. A credit note states what it takes back as positive
 * amounts; a document has them negative, as every red letter. Prices stay, quantities change. Also
 * back again, for a writer. The document need not have its shape yet.
 */
export function negate(document: Readonly<Record<string, unknown>>): void {
  for (const line of members(document["lines"])) {
    negateEach(line, ["amount", "quantity", "tax"]);
    for (const each of members(line["allowances"])) negateEach(each, allowanceMembers);
  }
  for (const each of members(document["allowances"])) negateEach(each, allowanceMembers);
  for (const part of members(document["taxBreakdown"])) negateEach(part, ["taxable", "tax"]);
  const totals = document["totals"] as Members | undefined;
  negateEach(totals, totalMembers);
  negateEach(totals?.["accounting"] as Members | undefined, ["tax"]);
}

/**
 * Currencies that are paid in whole units: many round the tax to one, so 69180 forint have 18679 of
 * tax at 27 %.
 */
const wholeUnits: ReadonlySet<string> = codes(
  "BIF CLP DJF GNF HUF IDR ISK JPY KMF KRW PYG RWF TWD UGX VND VUV XAF XOF XPF",
);
/**
 * By how many hundredths a part's tax may differ from taxable × rate if it is the sum of the tax of
 * so many lines, each rounded alone: one for each line, and less than one unit of the currency,
 * which is the limit of EN 16931's own validation (BR-CO-17). In a currency of whole units, or if
 * the currency is hidden, the limit alone counts.
 */
export const roundingSlack = (lines: number, currency: string | undefined): bigint =>
  currency === undefined || wholeUnits.has(currency)
    ? 99n
    : BigInt(Math.min(Math.max(lines, 1), 99));
