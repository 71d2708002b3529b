/**
 * What must hold between the members of a document: arithmetic, tax ids, discounts, red letters.
 *
 * Owns: one set of rules for every format, to the cent, and the differences between the sets that a
 * format may name (formats.ts). Invariants: totals agree exactly in every format; a line may be one
 * cent off in every format: software rounds otherwise, and a price with tax inside (gross.ts)
 * often has no net and tax that agree with the rate to the cent.
 * Under `en16931` the rules that EN 16931 has carry its ids (BR-CO-10 …, en16931.ts), the others
 * our names; rules that only we have bind what is issued here, not what was issued elsewhere. Does
 * not own: shapes (document.ts), and rules that only one format can check (shudian.ts, ubl.ts).
 */
import {
  amountTimesRate,
  type Decimals,
  decimalsOf,
  formatMoney,
  parseMoney,
  quantityTimesPrice,
  sameFigures,
} from "../values/money.ts";
import type { Violation } from "../values/problems.ts";
import { brokenTaxIdRule, isOlderTaxId } from "../values/tax-id.ts";
import {
  exempt,
  fractionOf,
  type InvoiceDocument,
  type InvoiceLine,
  notTaxed,
  onMargin,
} from "./document.ts";
import { checkElements } from "./elements.ts";
import {
  categoryNames,
  europeanIds,
  europeanMembers,
  europeanShapes,
  isCorrection,
  isCreditNote,
  isSelfBilled,
  roundingSlack,
} from "./en16931.ts";
import { formats, type Rules } from "./formats.ts";

/**
 * The differences between sets of rules.
 * `ours`: whether the set has the rules that this network has of its own (`checkDocument`).
 * `discounts`: a line against the document's sign is a discount of the line before it. `loose`: as
 * other software writes lines, a price or a quantity may stand alone, and a discount anywhere.
 * `byLine`: other software rounds the tax of a breakdown line by line. `ids`: our name of a rule →
 * the set's. `shapes`: the set's name for a broken rule of shape, by `pointer rule`. `members`: the
 * rule for each further member that is required.
 */
type RuleSet = {
  ours: boolean;
  discounts: boolean;
  loose: boolean;
  byLine: boolean;
  ids: Readonly<Record<string, string>>;
  shapes: Readonly<Record<string, string>>;
  members: Readonly<Record<string, string>>;
};
const plain = { ours: true, ids: {}, shapes: {}, members: {} };
/** `any`: which set a document keeps is not known, so whatever one of them allows is allowed. */
export const ruleSets: Readonly<Record<Rules | "any", RuleSet>> = {
  rounded: { ...plain, discounts: true, loose: false, byLine: false },
  loose: { ...plain, discounts: true, loose: true, byLine: false },
  en16931: {
    ours: false,
    discounts: false,
    loose: false,
    byLine: true,
    ids: europeanIds,
    shapes: europeanShapes,
    members: europeanMembers,
  },
  any: { ...plain, discounts: false, loose: true, byLine: true },
};

/** How far a line's amount and tax may be off, in the smallest unit of its amounts. */
const lineCent = 1n;

type Refuse = (field: string, rule: string, detail: string) => void;
/** An amount in hundredths, or in thousandths if its text has three decimals; 0 if it is absent. */
const cents = (text: string | undefined) =>
  text === undefined ? 0n : parseMoney(text, text.at(-3) === "." ? 2 : 3);
const sum = (amounts: readonly bigint[]) => amounts.reduce((total, amount) => total + amount, 0n);
const distance = (a: bigint, b: bigint) => (a < b ? b - a : a - b);
const signed = (allowances: InvoiceLine["allowances"]) =>
  sum((allowances ?? []).map(({ charge, amount }) => (charge ? cents(amount) : -cents(amount))));

function checkTaxId(field: string, taxId: string | undefined, refuse: Refuse): void {
  const rule = taxId === undefined ? undefined : brokenTaxIdRule(taxId);
  if (rule === undefined || isOlderTaxId(taxId as string)) return;
  if (rule === "tax-id-check-digit")
    refuse(field, rule, `${taxId} is not a valid id of GB 32100-2015`);
  else
    refuse(
      field,
      rule,
      `${taxId} is neither an id of a Chinese taxpayer nor a country code and a foreign id`,
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

/** Whether a discount line names this item. */
export const isSameItem = (item: InvoiceLine, discount: InvoiceLine): boolean =>
  item.name === discount.name && item.taxRate === discount.taxRate;

/**
 * With discounts that stand anywhere: those at one rate take at most what the items at that rate
 * come to.
 */
function checkLooseDiscounts(
  { lines, totals }: InvoiceDocument,
  decimals: Decimals,
  refuse: Refuse,
): void {
  const gross = cents(totals.gross);
  if (!lines.some((line) => isDiscount(line, gross))) return;
  const items = new Map<string, bigint>();
  for (const line of lines)
    if (!isDiscount(line, gross))
      items.set(line.taxRate, (items.get(line.taxRate) ?? 0n) + cents(line.amount));
  for (const [index, line] of lines.entries()) {
    if (!isDiscount(line, gross)) continue;
    const field = `/lines/${index}`;
    const all = items.get(line.taxRate);
    if (all === undefined)
      refuse(field, "discount-without-item", `no item has the rate ${line.taxRate}`);
    else {
      const rest = all + cents(line.amount);
      items.set(line.taxRate, rest);
      if (gross < 0n ? rest > 0n : rest < 0n)
        refuse(
          `${field}/amount`,
          "discount-too-large",
          `the items at ${line.taxRate} have ${amountText(distance(0n, all), decimals)} left`,
        );
    }
  }
}

/** Marks the discount lines of a document, if these rules have discounts. */
export function markDiscounts(document: InvoiceDocument, rules: Rules): void {
  if (!ruleSets[rules].discounts) return;
  const gross = cents(document.totals.gross);
  for (const line of document.lines) if (isDiscount(line, gross)) line.discount = true;
}

function checkDiscount(
  document: InvoiceDocument,
  index: number,
  gross: bigint,
  loose: boolean,
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
  if (loose) return;
  if (item === undefined || isDiscount(item, gross) || !isSameItem(item, line))
    refuse(
      field,
      "discount-follows-item",
      "a discount line stands directly after its item, with the same name and tax rate",
    );
  else if (distance(0n, cents(line.amount)) > distance(0n, cents(item.amount)))
    refuse(`${field}/amount`, "discount-too-large", `more than the item's ${item.amount}`);
}

/** What the checks of one document share. `ours` takes the rules that a set may lack. */
type Check = {
  set: RuleSet;
  decimals: Decimals;
  refuse: Refuse;
  ours: Refuse;
  shown: Shown;
};

function checkLines(
  document: InvoiceDocument,
  { set: { discounts, loose }, decimals, refuse, ours, shown }: Check,
): void {
  if (discounts && loose && shown("total")) checkLooseDiscounts(document, decimals, refuse);
  for (const [index, line] of document.lines.entries()) {
    const field = `/lines/${index}`;
    const amount = cents(line.amount);
    if (!loose && (line.quantity === undefined) !== (line.unitPrice === undefined)) {
      const missing = line.quantity === undefined ? "quantity" : "unitPrice";
      refuse(
        `${field}/${missing}`,
        "quantity-with-price",
        "quantity and unit price stand together or not at all",
      );
    }
    if (line.unitPrice?.startsWith("-"))
      refuse(`${field}/unitPrice`, "negative-price", "a price is not negative: the quantity is");
    if (line.quantity !== undefined && line.unitPrice !== undefined) {
      if (line.baseQuantity !== undefined && !/^[^-]*[1-9]/.test(line.baseQuantity))
        ours(`${field}/baseQuantity`, "base-quantity-positive", "a price is for more than nothing");
      else {
        const expected =
          quantityTimesPrice(line.quantity, line.unitPrice, line.baseQuantity, decimals) +
          signed(line.allowances);
        const taxInside = distance(amount + cents(line.tax), expected) <= lineCent;
        const taxHint =
          taxInside && discounts && !loose ? ": a price with the tax inside is grossUnitPrice" : "";
        if (distance(amount, expected) > lineCent)
          ours(
            `${field}/amount`,
            "line-amount",
            `${line.quantity} × ${line.unitPrice} makes ${amountText(expected, decimals)}, not ` +
              `${line.amount}${taxHint}`,
          );
      }
    }
    if (discounts && shown("total"))
      checkDiscount(document, index, cents(document.totals.gross), loose, refuse);
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
    } else if (line.taxRate === onMargin) {
      const tax = cents(line.tax);
      if (distance(0n, tax) > distance(0n, amount) || tax * amount < 0n)
        refuse(
          `${field}/tax`,
          "margin-tax",
          `tax on a margin has the sign of ${line.amount} and is not more than that`,
        );
    } else {
      const expected = amountTimesRate(amount, line.taxRate);
      if (distance(cents(line.tax), expected) > lineCent)
        refuse(
          `${field}/tax`,
          "line-tax",
          `${line.amount} × ${line.taxRate} makes ${amountText(expected, decimals)}, not ${line.tax}`,
        );
    }
  }
}

/** A sum may exceed the bounds of an amount; it is then written in the smallest unit. */
function amountText(amount: bigint, decimals: Decimals): string {
  try {
    return formatMoney(amount, decimals);
  } catch {
    return `${amount} cents`;
  }
}

function checkBreakdown(
  document: InvoiceDocument,
  { set: { byLine }, decimals, refuse }: Check,
): void {
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
        `the lines, allowances and charges at this rate make ${amountText(expected, decimals)}, not ` +
          `${part.taxable}`,
      );
    }
    const tax = amountTimesRate(cents(part.taxable), fractionOf(part.taxRate));
    const untaxed = fractionOf(part.taxRate) === "0";
    // in hundredths, whatever the currency
    const slack =
      (untaxed ? 0n : byLine ? roundingSlack(counts.get(key) ?? 0, document.currency) : lineCent) *
      (decimals === 3 ? 10n : 1n);
    if (distance(cents(part.tax), tax) > slack)
      refuse(
        `${field}/tax`,
        "breakdown-tax",
        `${part.taxable} × ${part.taxRate} makes ${amountText(tax, decimals)}, not ${part.tax}`,
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
  (totals: Totals, { decimals, refuse }: Check) =>
  (member: Exclude<keyof Totals, "accounting">, rule: string, expected: bigint, why: string) => {
    const stated = totals[member];
    if (stated !== undefined && cents(stated) !== expected)
      refuse(`/totals/${member}`, rule, `${why} ${amountText(expected, decimals)}, not ${stated}`);
  };

function checkSums(document: InvoiceDocument, check: Check): void {
  const { totals, lines, taxBreakdown } = document;
  const expect = expecting(totals, check);
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

/** gross + collected − prepaid + rounding, in the smallest unit. */
const toPay = (totals: Totals): bigint =>
  cents(totals.gross) + cents(totals.collected) - cents(totals.prepaid) + cents(totals.rounding);

/**
 * What is to be paid of a document: its gross, and what stands beside it. `collected`: in place of
 * the document's own. Throws RangeError if the sum is out of the bounds of an amount.
 */
export const payableOf = (
  { currency, totals }: Pick<InvoiceDocument, "currency" | "totals">,
  collected = totals.collected,
): string => formatMoney(toPay({ ...totals, collected }), decimalsOf(currency));

function checkGross({ totals }: InvoiceDocument, check: Check): void {
  const expect = expecting(totals, check);
  const { refuse } = check;
  expect("gross", "gross-sum", cents(totals.net) + cents(totals.tax), "net and tax make");
  expect(
    "payable",
    "payable-sum",
    toPay(totals),
    totals.collected === undefined
      ? "gross less prepaid plus rounding makes"
      : "gross and collected less prepaid plus rounding make",
  );
  if (totals.inWords !== undefined && !sameFigures(totals.inWords, cents(totals.gross)))
    refuse("/totals/inWords", "words-match-figures", `the words do not say ${totals.gross}`);
}

const asRedLetter = "is issued only as a red letter: a negative total and the reversed invoice";

/** What is issued here: an invoice of the seller, or a red letter that reverses one. */
function checkKind(document: InvoiceDocument, refuse: Refuse): void {
  const { reverses, totals } = document;
  const negative = cents(totals.gross) < 0n;
  if (reverses === undefined) {
    if (negative)
      refuse(
        "/totals/gross",
        "negative-needs-reverses",
        "a negative invoice is a red letter and names the invoice that it reverses",
      );
    else if (isCreditNote(document))
      refuse("/typeCode", "credit-note-in-invoice", `${document.typeCode} ${asRedLetter}`);
    else if (isCorrection(document))
      refuse("/typeCode", "correction-in-invoice", `${document.typeCode} ${asRedLetter}`);
    if (isSelfBilled(document))
      refuse("/typeCode", "self-billing", "an invoice is issued by its seller, not by its buyer");
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
type Judged = "seller" | "buyer" | "lines" | "total" | "tax" | "passengers" | "reverses";
type Shown = (part: Judged) => boolean;

/**
 * An amount must have the decimals of its currency; sums over amounts rely on it. If the currency
 * is hidden, all amounts have those of the first.
 */
function checkDecimals(document: InvoiceDocument, refuse: Refuse): Decimals | undefined {
  const { lines = [], allowances = [], taxBreakdown = [], totals } = document;
  const { inWords: _, accounting, ...sums } = totals;
  const hidden = (document.currency as string | undefined) === undefined;
  const first = lines[0]?.amount ?? sums.gross ?? sums.net ?? "";
  const decimals = hidden ? (first.at(-4) === "." ? 3 : 2) : decimalsOf(document.currency);
  let broken = false;
  // the name of a field is put together for a refusal alone: there may be thousands of amounts
  const check = (
    text: string | undefined,
    owner: string,
    at: number | "",
    member: string,
    own: Decimals = decimals,
  ) => {
    if (text === undefined || text[text.length - own - 1] === ".") return;
    broken = true;
    refuse(
      `${owner}${at}${member}`,
      "money-format",
      `an amount in this currency has ${own} decimals`,
    );
  };
  const checkAllowances = (owner: string, all: InvoiceLine["allowances"] = []) => {
    for (const [at, { amount, base }] of all.entries()) {
      check(amount, `${owner}/allowances/`, at, "/amount");
      check(base, `${owner}/allowances/`, at, "/base");
    }
  };
  for (const [at, line] of lines.entries()) {
    check(line.amount, "/lines/", at, "/amount");
    check(line.tax, "/lines/", at, "/tax");
    if (line.allowances !== undefined) checkAllowances(`/lines/${at}`, line.allowances);
  }
  checkAllowances("", allowances);
  for (const [at, { taxable, tax }] of taxBreakdown.entries()) {
    check(taxable, "/taxBreakdown/", at, "/taxable");
    check(tax, "/taxBreakdown/", at, "/tax");
  }
  for (const [name, text] of Object.entries(sums)) check(text, "/totals/", "", name);
  if (accounting)
    check(accounting.tax, "/totals/accounting/tax", "", "", decimalsOf(accounting.currency));
  return broken ? undefined : decimals;
}

const all: Shown = () => true;
const maxRules = 100;

/**
 * `ours`: takes the rules that this network has of its own; without it they are refusals like the
 * others.
 */
function judge(
  document: InvoiceDocument,
  rules: Rules | "any",
  { shown, ours }: { shown: Shown; ours?: Refuse },
): Violation[] {
  const set = ruleSets[rules];
  const violations: Violation[] = [];
  const refuse: Refuse = (field, rule, detail) => {
    if (violations.length < maxRules)
      violations.push({ field, rule: set.ids[rule] ?? rule, detail });
  };
  const both = (...parts: Judged[]) => parts.every(shown);
  const decimals = checkDecimals(document, refuse);
  if (decimals === undefined) return violations;
  const check: Check = { set, decimals, refuse, ours: ours ?? refuse, shown };
  if (both("seller")) checkTaxId("/seller/taxId", document.seller.taxId, refuse);
  if (both("buyer")) checkTaxId("/buyer/taxId", document.buyer.taxId, refuse);
  if (both("lines")) checkLines(document, check);
  if (both("lines", "tax")) checkBreakdown(document, check);
  if (both("lines", "tax")) checkSums(document, check);
  if (both("total", "tax")) checkGross(document, check);
  if (both("total", "reverses")) checkKind(document, check.ours);
  if (both("passengers")) {
    const lines = shown("lines") ? document.lines.length : undefined;
    const passengers = document.passengers?.length ?? 0;
    checkElements(document.elements, { lines, passengers }, refuse);
  }
  return violations;
}

/**
 * Every rule of its set that a document of the right shape breaks, lines first; fields are JSON
 * pointers. At most 100 violations. A set may lack rules that this network has of its own: quantity
 * × price makes the amount, only a red letter is negative, a correction or credit note is one.
 * `note` takes what breaks these.
 */
export function checkDocument(
  document: InvoiceDocument,
  rules: Rules,
  note: Refuse = () => undefined,
): Violation[] {
  return judge(document, rules, { shown: all, ...(ruleSets[rules].ours ? {} : { ours: note }) });
}

/**
 * Every rule that a document breaks if it is issued in this network: those of its set, and our own.
 * It may be issued if the list is empty.
 *
 * `shown`: which parts are there, if some parts of the document are hidden. A rule that needs a
 * hidden part is skipped.
 */
export const checkIssued = (
  document: InvoiceDocument,
  rules: Rules | "any",
  shown: Shown = all,
): Violation[] => judge(document, rules, { shown });

/**
 * The rules under which a document was issued: those of its format. A red letter without a source
 * was made from its original's lines (red-letter.ts): it keeps the rules that these may have come
 * with.
 */
export function rulesOf({
  source,
  reverses,
  taxBreakdown,
}: Pick<InvoiceDocument, "source" | "reverses" | "taxBreakdown">): Rules {
  if (source !== undefined) return formats[source.format].rules;
  if (reverses === undefined) return "rounded";
  return taxBreakdown === undefined ? "loose" : "en16931";
}
