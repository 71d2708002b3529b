/**
 * What must hold between the members of a document: arithmetic, tax ids, discounts, red letters.
 *
 * Owns: one set of rules for every format, to the cent, and the differences between the sets that a
 * format may name (formats.ts). Invariants: totals agree exactly in every format; a line of an
 * imported document may be one cent off (its software rounded otherwise), a line of JSON may not.
 * Under `en16931` the rules that EN 16931 has carry its ids (BR-CO-10 …), the others our names.
 * Does not own: shapes (document.ts), and rules that only one format can check (shudian.ts,
 * ubl.ts).
 */
import {
  amountTimesRate,
  formatMoney,
  parseMoney,
  quantityTimesPrice,
  sameFigures,
} from "../values/money.ts";
import type { Violation } from "../values/problems.ts";
import { brokenTaxIdRule } from "../values/tax-id.ts";
import { exempt, type InvoiceDocument, type InvoiceLine, notTaxed } from "./document.ts";
import { formats, type Rules } from "./formats.ts";

/** Our name of a rule → its id in EN 16931-1. */
const europeanIds: Readonly<Record<string, string>> = {
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
const europeanShapes: Readonly<Record<string, string>> = {
  "/issuedAt missing-member": "BR-03",
  "/currency missing-member": "BR-05",
  "/seller/name missing-member": "BR-06",
  "/buyer/name missing-member": "BR-07",
  "/lines no-lines": "BR-16",
  "/totals/net missing-member": "BR-13",
  "/totals/gross missing-member": "BR-14",
};
/** Members that a document may lack and an invoice of EN 16931 may not. */
const europeanMembers: Readonly<Record<string, string>> = {
  "/sourceId": "BR-02",
  "/totals/lines": "BR-12",
  "/totals/payable": "BR-15",
};

/**
 * The differences between sets of rules.
 * `cents`: how far a line's amount and tax may be off. `discounts`: a line against the document's
 * sign is a discount of the line before it. `byLine`: other software rounds the tax of a breakdown
 * line by line. `ids`: our name of a rule → the set's. `shapes`: the set's name for a broken rule
 * of shape, by `pointer rule`. `members`: the rule for each further member that is required.
 */
type RuleSet = {
  cents: bigint;
  discounts: boolean;
  byLine: boolean;
  ids: Readonly<Record<string, string>>;
  shapes: Readonly<Record<string, string>>;
  members: Readonly<Record<string, string>>;
};
const plain = { ids: {}, shapes: {}, members: {} };
/** `any`: which set a document keeps is not known, so whatever one of them allows is allowed. */
export const ruleSets: Readonly<Record<Rules | "any", RuleSet>> = {
  exact: { ...plain, cents: 0n, discounts: true, byLine: false },
  rounded: { ...plain, cents: 1n, discounts: true, byLine: false },
  en16931: {
    cents: 1n,
    discounts: false,
    byLine: true,
    ids: europeanIds,
    shapes: europeanShapes,
    members: europeanMembers,
  },
  any: { ...plain, cents: 1n, discounts: false, byLine: true },
};

/** The category's name inside rule ids of EN 16931, where it differs from the category's code. */
const categoryNames: Readonly<Record<string, string>> = { K: "IC", L: "AF", M: "AG" };

type Refuse = (field: string, rule: string, detail: string) => void;
const cents = (text: string | undefined) => (text === undefined ? 0n : parseMoney(text));
const sum = (amounts: readonly bigint[]) => amounts.reduce((total, amount) => total + amount, 0n);
const distance = (a: bigint, b: bigint) => (a < b ? b - a : a - b);
/** The rate as the text of a number: 0 for exempt and not taxed. */
const rateOf = (taxRate: string) => (taxRate === exempt || taxRate === notTaxed ? "0" : taxRate);
const signed = (allowances: InvoiceLine["allowances"]) =>
  sum((allowances ?? []).map(({ charge, amount }) => (charge ? cents(amount) : -cents(amount))));

function checkTaxId(field: string, taxId: string | undefined, refuse: Refuse): void {
  const rule = taxId === undefined ? undefined : brokenTaxIdRule(taxId);
  if (rule === "tax-id-check-digit")
    refuse(field, rule, `${taxId} is not a valid id of GB 32100-2015`);
  else if (rule)
    refuse(
      field,
      rule,
      `${taxId} is neither 18 characters of GB 32100-2015 nor a country code and a foreign id`,
    );
}

/**
 * A line that reduces the line before it: it has no quantity, no price, and the sign opposite to
 * the document's items.
 */
export const isDiscount = (line: InvoiceLine, gross: bigint): boolean => {
  const amount = cents(line.amount);
  return (
    line.quantity === undefined &&
    line.unitPrice === undefined &&
    (gross < 0n ? amount > 0n : amount < 0n)
  );
};

/** Marks the discount lines of a document, if these rules have discounts. */
export function markDiscounts(document: InvoiceDocument, rules: Rules): void {
  if (!ruleSets[rules].discounts) return;
  const gross = parseMoney(document.totals.gross);
  for (const line of document.lines) if (isDiscount(line, gross)) line.discount = true;
}

function checkDiscount(
  document: InvoiceDocument,
  index: number,
  gross: bigint,
  refuse: Refuse,
): void {
  const line = document.lines[index];
  const item = document.lines[index - 1];
  if (line === undefined) return;
  const field = `/lines/${index}`;
  if (!isDiscount(line, gross)) {
    if (line.discount)
      refuse(
        `${field}/discount`,
        "discount-marker",
        "a discount line has a negative amount and neither quantity nor price",
      );
    else if (gross < 0n ? cents(line.amount) > 0n : cents(line.amount) < 0n)
      refuse(
        `${field}/amount`,
        "line-sign",
        "a line against the invoice's sign is a discount line, without quantity and price",
      );
    return;
  }
  if (
    item === undefined ||
    isDiscount(item, gross) ||
    item.name !== line.name ||
    item.taxRate !== line.taxRate
  )
    refuse(
      field,
      "discount-follows-item",
      "a discount line stands directly after its item, with the same name and tax rate",
    );
  else if (distance(0n, cents(line.amount)) > distance(0n, cents(item.amount)))
    refuse(`${field}/amount`, "discount-too-large", `more than the item's ${item.amount}`);
}

function checkLines(
  document: InvoiceDocument,
  { cents: tolerance, discounts }: RuleSet,
  refuse: Refuse,
  shown: Shown,
): void {
  for (const [index, line] of document.lines.entries()) {
    const field = `/lines/${index}`;
    const amount = cents(line.amount);
    if ((line.quantity === undefined) !== (line.unitPrice === undefined)) {
      const missing = line.quantity === undefined ? "quantity" : "unitPrice";
      refuse(
        `${field}/${missing}`,
        "quantity-with-price",
        "quantity and unit price stand together or not at all",
      );
    } else if (line.quantity !== undefined && line.unitPrice !== undefined) {
      if (line.unitPrice.startsWith("-"))
        refuse(`${field}/unitPrice`, "negative-price", "a price is not negative: the quantity is");
      if (line.baseQuantity !== undefined && !/^[^-]*[1-9]/.test(line.baseQuantity))
        refuse(
          `${field}/baseQuantity`,
          "base-quantity-positive",
          "a price is for more than nothing",
        );
      else {
        const expected =
          quantityTimesPrice(line.quantity, line.unitPrice, line.baseQuantity) +
          signed(line.allowances);
        if (distance(amount, expected) > tolerance)
          refuse(
            `${field}/amount`,
            "line-amount",
            `${line.quantity} × ${line.unitPrice} makes ${amountText(expected)}, not ` +
              `${line.amount}`,
          );
      }
    }
    if (discounts && shown("total"))
      checkDiscount(document, index, cents(document.totals.gross), refuse);
    if (document.taxBreakdown !== undefined) {
      if (line.tax !== undefined)
        refuse(
          `${field}/tax`,
          "tax-once",
          "tax stands in the lines or in a breakdown, not in both",
        );
    } else if (line.tax === undefined) {
      if (shown("tax"))
        refuse(
          `${field}/tax`,
          "missing-member",
          "a line has its tax unless the document has a tax breakdown",
        );
    } else if (line.taxRate === exempt || line.taxRate === notTaxed) {
      if (cents(line.tax) !== 0n)
        refuse(`${field}/tax`, "exempt-with-tax", `no tax goes with ${line.taxRate}`);
    } else {
      const expected = amountTimesRate(amount, line.taxRate);
      if (distance(cents(line.tax), expected) > tolerance)
        refuse(
          `${field}/tax`,
          "line-tax",
          `${line.amount} × ${line.taxRate} makes ${amountText(expected)}, not ${line.tax}`,
        );
    }
  }
}

/** A sum may exceed the bounds of an amount; it is then written as plain cents. */
function amountText(amount: bigint): string {
  try {
    return formatMoney(amount);
  } catch {
    return `${amount} cents`;
  }
}

/**
 * By how many cents a part's tax may differ from taxable × rate if it is the sum of the tax of so
 * many lines, each rounded alone: one for each line, and less than one unit of the currency, which
 * is the limit of EN 16931's own validation (BR-CO-17).
 */
export const roundingSlack = (lines: number): bigint => BigInt(Math.min(Math.max(lines, 1), 99));

function checkBreakdown(document: InvoiceDocument, { byLine }: RuleSet, refuse: Refuse): void {
  const { taxBreakdown, allowances } = document;
  if (taxBreakdown === undefined) {
    if (allowances !== undefined)
      refuse(
        "/allowances",
        "allowances-need-breakdown",
        "allowances of the whole document need a tax breakdown",
      );
    return;
  }
  const taxable = new Map<string, bigint>();
  const keyOf = (part: { taxRate?: string | undefined; taxCategory?: string | undefined }) =>
    `${part.taxCategory ?? ""} ` +
    `${(part.taxRate ?? "").replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "")}`;
  const counts = new Map<string, number>();
  const add = (key: string, amount: bigint) => {
    taxable.set(key, (taxable.get(key) ?? 0n) + amount);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  };
  for (const line of document.lines) add(keyOf(line), cents(line.amount));
  for (const [index, part] of (allowances ?? []).entries()) {
    if (part.taxRate === undefined)
      refuse(
        `/allowances/${index}/taxRate`,
        "missing-member",
        "an allowance of the whole document names its tax rate",
      );
    add(keyOf(part), part.charge ? cents(part.amount) : -cents(part.amount));
  }
  const seen = new Set<string>();
  for (const [index, part] of taxBreakdown.entries()) {
    const field = `/taxBreakdown/${index}`;
    const key = keyOf(part);
    if (seen.has(key))
      refuse(field, "breakdown-twice", "a rate and category stand in the breakdown once");
    seen.add(key);
    const expected = taxable.get(key) ?? 0n;
    if (cents(part.taxable) !== expected) {
      const rule =
        part.taxCategory === undefined
          ? "breakdown-taxable"
          : `BR-${categoryNames[part.taxCategory] ?? part.taxCategory}-08`;
      refuse(
        `${field}/taxable`,
        rule,
        `the lines, allowances and charges at this rate make ${amountText(expected)}, not ` +
          `${part.taxable}`,
      );
    }
    const tax = amountTimesRate(cents(part.taxable), rateOf(part.taxRate));
    const untaxed = rateOf(part.taxRate) === "0";
    const slack = untaxed ? 0n : roundingSlack(byLine ? (counts.get(key) ?? 0) : 1);
    if (distance(cents(part.tax), tax) > slack)
      refuse(
        `${field}/tax`,
        "breakdown-tax",
        `${part.taxable} × ${part.taxRate} makes ${amountText(tax)}, not ${part.tax}`,
      );
  }
  for (const key of taxable.keys()) {
    if (!seen.has(key))
      refuse("/taxBreakdown", "breakdown-missing", `no part of the breakdown is for ${key.trim()}`);
  }
}

type Totals = InvoiceDocument["totals"];
/** Refuses a stated total that differs from what it is the total of. */
const expecting =
  (totals: Totals, refuse: Refuse) =>
  (member: keyof Totals, rule: string, expected: bigint, why: string) => {
    const stated = totals[member];
    if (stated !== undefined && parseMoney(stated) !== expected)
      refuse(`/totals/${member}`, rule, `${why} ${amountText(expected)}, not ${stated}`);
  };

function checkSums(document: InvoiceDocument, refuse: Refuse): void {
  const { totals, lines, taxBreakdown } = document;
  const expect = expecting(totals, refuse);
  const part = (charge: boolean) =>
    sum(
      (document.allowances ?? [])
        .filter((each) => each.charge === charge)
        .map((each) => cents(each.amount)),
    );
  const linesSum = sum(lines.map((line) => cents(line.amount)));
  expect("lines", "lines-sum", linesSum, "the lines make");
  expect("allowances", "allowances-sum", part(false), "the allowances make");
  expect("charges", "charges-sum", part(true), "the charges make");
  // Each total is checked against the stated totals below it, so that one wrong figure makes one
  // violation.
  const stated = (member: "lines" | "allowances" | "charges", computed: bigint) =>
    totals[member] === undefined ? computed : cents(totals[member]);
  expect(
    "net",
    "net-sum",
    stated("lines", linesSum) - stated("allowances", part(false)) + stated("charges", part(true)),
    "lines less allowances plus charges make",
  );
  expect(
    "tax",
    "tax-sum",
    sum((taxBreakdown ?? lines).map((each) => cents(each.tax))),
    taxBreakdown ? "the breakdown makes" : "the lines' tax makes",
  );
}

function checkGross({ totals }: InvoiceDocument, refuse: Refuse): void {
  const expect = expecting(totals, refuse);
  expect("gross", "gross-sum", cents(totals.net) + cents(totals.tax), "net and tax make");
  expect(
    "payable",
    "payable-sum",
    cents(totals.gross) - cents(totals.prepaid) + cents(totals.rounding),
    "gross less prepaid plus rounding makes",
  );
  if (totals.inWords !== undefined && !sameFigures(totals.inWords, cents(totals.gross)))
    refuse("/totals/inWords", "words-match-figures", `the words do not say ${totals.gross}`);
}

function checkReversal({ reverses, totals }: InvoiceDocument, refuse: Refuse): void {
  const negative = cents(totals.gross) < 0n;
  if (reverses === undefined) {
    if (negative)
      refuse(
        "/totals/gross",
        "negative-needs-reverses",
        "a negative invoice is a red letter and names the invoice that it reverses",
      );
    return;
  }
  if (!negative)
    refuse("/reverses", "reverses-needs-negative", "a red letter has a negative total");
  if ((reverses.number === undefined) === (reverses.sourceId === undefined))
    refuse("/reverses", "reverses-one", "name the reversed invoice by number or by sourceId");
}

/**
 * The parts of a document that rules look at, under the names by which they are disclosed
 * (protocol/proofs/parts.ts).
 */
type Judged = "seller" | "buyer" | "lines" | "total" | "tax" | "reverses";
type Shown = (part: Judged) => boolean;

/**
 * Every rule that a document of the right shape breaks, lines first; fields are JSON pointers. A
 * document may be issued if the list is empty. At most 100 violations.
 *
 * `shown`: which parts are there, if some parts of the document are hidden. A rule that needs a
 * hidden part is skipped.
 */
export function checkDocument(
  document: InvoiceDocument,
  rules: Rules | "any",
  shown: Shown = () => true,
): Violation[] {
  const set = ruleSets[rules];
  const violations: Violation[] = [];
  const refuse: Refuse = (field, rule, detail) => {
    if (violations.length < 100) violations.push({ field, rule: set.ids[rule] ?? rule, detail });
  };
  const all = (...parts: Judged[]) => parts.every(shown);
  if (all("seller")) checkTaxId("/seller/taxId", document.seller.taxId, refuse);
  if (all("buyer")) checkTaxId("/buyer/taxId", document.buyer.taxId, refuse);
  if (all("lines")) checkLines(document, set, refuse, shown);
  if (all("lines", "tax")) checkBreakdown(document, set, refuse);
  if (all("lines", "tax")) checkSums(document, refuse);
  if (all("total", "tax")) checkGross(document, refuse);
  if (all("total", "reverses")) checkReversal(document, refuse);
  return violations;
}

/**
 * The rules under which a document was issued: those of its format. A red letter without a source
 * was made from its original's amounts (red-letter.ts), and has the tolerance that imported
 * documents have.
 */
export function rulesOf({
  source,
  reverses,
  taxBreakdown,
}: Pick<InvoiceDocument, "source" | "reverses" | "taxBreakdown">): Rules {
  if (source !== undefined) return formats[source.format].rules;
  if (reverses === undefined) return "exact";
  return taxBreakdown === undefined ? "rounded" : "en16931";
}
