/**
 * What a red letter says: the document that takes back an invoice, or a part, and what is left of
 * the invoice afterwards.
 *
 * Owns: the arithmetic between an invoice and its red letters. Invariants: what is left is counted
 * for each tax rate, in net and tax, so that no red letter takes back at one rate what was invoiced
 * at another; no red letter made here takes back more than is left. Red letters have the tolerance
 * of one cent that imported documents have, so that the last one can take back exactly what is
 * left. Does not own: who may issue one (features/invoices/red-letters.ts).
 */

import { chinaTime } from "../values/dates.ts";
import {
  amountTimesRate,
  chineseFigures,
  compareDecimals,
  formatMoney,
  netOfGross,
  normaliseDecimal,
  parseMoney,
  quantityTimesPrice,
  shareOf,
} from "../values/money.ts";
import { Problem, type Violation } from "../values/problems.ts";
import { fractionOf, type InvoiceDocument, type InvoiceLine, onMargin } from "./document.ts";
import { elementsToReverse } from "./elements.ts";
import { formats } from "./formats.ts";
import { checkIssued, isDiscount, isSameItem } from "./rules.ts";

export type Amounts = { net: bigint; tax: bigint; gross: bigint };
/** What is left of an invoice, in all and at each rate. */
export type Left = Amounts & { rates: ReadonlyMap<string, { net: bigint; tax: bigint }> };

/**
 * A part of an invoice's line, by its position (from 1): a quantity, a net amount, or the whole
 * line.
 */
export type LinePart = { line: number; quantity?: string | undefined; amount?: string | undefined };
/** What to take back: all that is left, parts of lines, or a gross amount. */
export type Wish = { whole: true } | { lines: readonly LinePart[] } | { gross: string };

const cents = (text: string | undefined) => (text === undefined ? 0n : parseMoney(text));
const rateKey = (taxRate: string) => normaliseDecimal(taxRate) ?? taxRate;

function byRate({
  lines,
  taxBreakdown,
}: InvoiceDocument): Map<string, { net: bigint; tax: bigint }> {
  const amounts = new Map<string, { net: bigint; tax: bigint }>();
  const parts = taxBreakdown?.map((part) => ({ ...part, amount: part.taxable })) ?? lines;
  for (const { taxRate, amount, tax } of parts) {
    const key = rateKey(taxRate);
    const sofar = amounts.get(key) ?? { net: 0n, tax: 0n };
    amounts.set(key, { net: sofar.net + cents(amount), tax: sofar.tax + cents(tax) });
  }
  return amounts;
}

export const amountsOf = ({ totals }: InvoiceDocument): Amounts => ({
  net: cents(totals.net),
  tax: cents(totals.tax),
  gross: cents(totals.gross),
});

export const moneyOf = ({ net, tax, gross }: Amounts) => ({
  net: formatMoney(net),
  tax: formatMoney(tax),
  gross: formatMoney(gross),
});

/** What an invoice's red letters leave of it. */
export function leftOf(original: InvoiceDocument, reds: readonly InvoiceDocument[]): Left {
  const left = amountsOf(original);
  const rates = byRate(original);
  for (const red of reds) {
    const { net, tax, gross } = amountsOf(red);
    left.net += net;
    left.tax += tax;
    left.gross += gross;
    for (const [rate, taken] of byRate(red)) {
      const sofar = rates.get(rate) ?? { net: 0n, tax: 0n };
      rates.set(rate, { net: sofar.net + taken.net, tax: sofar.tax + taken.tax });
    }
  }
  return { ...left, rates };
}

export const nothingLeft = ({ net, tax, gross }: Amounts): boolean =>
  net === 0n && tax === 0n && gross === 0n;

const violation = (field: string, rule: string, detail: string) =>
  new Problem("red-letter-refused", detail, { violations: [{ field, rule, detail }] });

/**
 * Throws red-letter-refused when a red letter takes back more than is left, in gross, net or tax,
 * on the whole or at a rate.
 */
export function checkWithin(left: Left, red: InvoiceDocument): void {
  const whole = amountsOf(red);
  for (const member of ["gross", "net", "tax"] as const) {
    if (left[member] + whole[member] < 0n || whole[member] > 0n)
      throw violation(
        `/totals/${member}`,
        "exceeds-left",
        `${formatMoney(left[member])} is left; the red letter has ${formatMoney(whole[member])}`,
      );
  }
  for (const [rate, { net, tax }] of byRate(red)) {
    const own = left.rates.get(rate) ?? { net: 0n, tax: 0n };
    if (own.net + net < 0n || own.tax + tax < 0n || net > 0n || tax > 0n) {
      const detail =
        `At ${rate} there is ${formatMoney(own.net)} and tax of ${formatMoney(own.tax)} left; ` +
        `the red letter has ${formatMoney(net)} and ${formatMoney(tax)}`;
      throw violation("/lines", "exceeds-left", detail);
    }
  }
}

// ── made from the invoice ────────────────────────────────────────────────────────────────────────

const negative = (text: string): string =>
  /^-/.test(text) ? text.slice(1) : /[1-9]/.test(text) ? `-${text}` : text;
const negated = <T extends object>(value: T, ...members: (keyof T)[]): T => {
  const copy = { ...value };
  for (const member of members)
    if (typeof copy[member] === "string")
      copy[member] = negative(copy[member] as string) as T[keyof T];
  return copy;
};

const negatedLine = (line: InvoiceLine): InvoiceLine => ({
  ...negated(line, "quantity", "amount", "tax"),
  ...(line.allowances
    ? { allowances: line.allowances.map((item) => negated(item, "amount", "base")) }
    : {}),
});

type Original = { number: string; document: InvoiceDocument };

/**
 * At most this many lines for one amount: the cents of rounding that can add up on the longest
 * invoice.
 */
const MAX_SPLIT = 1_000n;

/**
 * What a red letter has from its original beside its content. `whole`: the original's lines, by
 * position, that the content's lines take back whole; undefined for a line that is another one.
 */
function withFrame(
  { number, document }: Original,
  at: Date,
  content: Pick<InvoiceDocument, "lines" | "totals" | "allowances" | "taxBreakdown">,
  whole: readonly (number | undefined)[],
): InvoiceDocument {
  const { kind, currency, seller, buyer, passengers } = document;
  const { issuedAt: _, ...taxBureau } = document.taxBureau ?? {};
  const lineAt = (line: number) => (whole.includes(line) ? whole.indexOf(line) : undefined);
  const elements = elementsToReverse(document.elements ?? [], lineAt);
  // the clock of the original may have been ahead: its red letter is not older
  const issuedAt = chinaTime(new Date(Math.max(at.getTime(), Date.parse(document.issuedAt))));
  return {
    kind,
    issuedAt,
    currency,
    seller,
    buyer,
    ...(Object.keys(taxBureau).length > 0 ? { taxBureau } : {}),
    ...(passengers ? { passengers } : {}),
    ...(elements.length > 0 ? { elements } : {}),
    ...content,
    remark: `被红冲蓝字数电发票号码：${number}`,
    reverses: { number },
  };
}

/**
 * The red letter with these lines: their sums, a breakdown if the original has one, and everything
 * else from the original. `whole`: as for `withFrame`.
 */
function documentOfLines(
  original: Original,
  at: Date,
  lines: InvoiceLine[],
  whole: readonly (number | undefined)[] = [],
): InvoiceDocument {
  const breakdown = original.document.taxBreakdown;
  const sum = (amounts: (string | undefined)[]) =>
    amounts.reduce((total, amount) => total + cents(amount), 0n);
  const [net, tax] = [sum(lines.map((line) => line.amount)), sum(lines.map((line) => line.tax))];
  const totals = {
    net: formatMoney(net),
    tax: formatMoney(tax),
    gross: formatMoney(net + tax),
    inWords: chineseFigures(net + tax),
  };
  if (breakdown === undefined) return withFrame(original, at, { lines, totals }, whole);
  const taxBreakdown = lines.map(({ taxRate, amount, tax: own }) => {
    const part = breakdown.find((item) => rateKey(item.taxRate) === rateKey(taxRate));
    return { ...(part ?? { taxRate }), taxable: amount, tax: own ?? "0.00" };
  });
  const untaxed = lines.map(({ tax: _, ...line }) => line);
  return withFrame(original, at, { lines: untaxed, totals, taxBreakdown }, whole);
}

/** The invoice with every sign reversed. */
function reversalOf(original: Original, at: Date): InvoiceDocument {
  const { lines, totals, allowances, taxBreakdown } = original.document;
  const members = [
    "net",
    "tax",
    "gross",
    "lines",
    "allowances",
    "charges",
    "prepaid",
    "rounding",
    "payable",
  ] as const;
  const content = {
    lines: lines.map(negatedLine),
    totals: {
      ...negated(totals, ...members),
      ...(totals.inWords ? { inWords: chineseFigures(-cents(totals.gross)) } : {}),
    },
    ...(allowances
      ? { allowances: allowances.map((item) => negated(item, "amount", "base")) }
      : {}),
    ...(taxBreakdown
      ? { taxBreakdown: taxBreakdown.map((item) => negated(item, "taxable", "tax")) }
      : {}),
  };
  return withFrame(original, at, content, [...lines.keys()]);
}

/**
 * Lines for an amount at one rate, named after the first line at that rate. One line, unless the
 * tax differs from net × rate by more than a cent, which happens when many lines or red letters
 * were rounded one by one: then as many lines as it takes to share the cents.
 */
function linesAt({ document }: Original, rate: string, net: bigint, tax: bigint): InvoiceLine[] {
  const model =
    document.lines.find((line) => rateKey(line.taxRate) === rate) ??
    (document.lines[0] as InvoiceLine);
  const { name, taxCategory, taxCode } = model;
  const line = (amount: bigint, own: bigint): InvoiceLine => ({
    name,
    amount: formatMoney(-amount),
    taxRate: rate,
    ...(taxCategory ? { taxCategory } : {}),
    tax: formatMoney(-own),
    ...(taxCode ? { taxCode } : {}),
  });
  // a breakdown has one part for each rate, however many lines
  const most = document.taxBreakdown === undefined ? MAX_SPLIT : 1n;
  for (let count = 1n; count <= most; count += 1n) {
    const parts = Array.from(
      { length: Number(count) },
      (_, i) => net / count + (BigInt(i) < net % count ? 1n : 0n),
    );
    const taxes = parts.map((part) => amountTimesRate(part, fractionOf(rate)));
    const difference = tax - taxes.reduce((sum, item) => sum + item, 0n);
    const [cent, many] = difference < 0n ? [-1n, -difference] : [1n, difference];
    if (many <= count)
      return parts.map((part, i) =>
        line(part, (taxes[i] as bigint) + (BigInt(i) < many ? cent : 0n)),
      );
  }
  // no lines express this amount exactly: one line does not either, and its broken rules refuse it
  return [line(net, tax)];
}

function letterForRest(original: Original, left: Left, at: Date): InvoiceDocument {
  const { net, gross } = amountsOf(original.document);
  if (left.net === net && left.gross === gross) return reversalOf(original, at);
  const rates = [...left.rates].filter(([, own]) => own.net !== 0n || own.tax !== 0n);
  return documentOfLines(
    original,
    at,
    rates.flatMap(([rate, own]) => linesAt(original, rate, own.net, own.tax)),
  );
}

function letterForGross(original: Original, left: Left, text: string, at: Date): InvoiceDocument {
  const gross = cents(text);
  if (gross <= 0n || gross > left.gross)
    throw violation(
      "/gross",
      "exceeds-left",
      `Between 0.01 and what is left, ${formatMoney(left.gross)}`,
    );
  if (gross === left.gross) return letterForRest(original, left, at);
  const rates = [...left.rates].filter(([, own]) => own.net !== 0n || own.tax !== 0n);
  const [only] = rates;
  if (only === undefined || rates.length > 1)
    throw violation(
      "/gross",
      "one-rate",
      "The invoice has several rates of tax: name lines, or send the red letter's document",
    );
  if (only[0] === onMargin)
    throw violation(
      "/gross",
      "line-on-margin",
      "No rate leads from a part of the amount to its tax: name whole lines, or send the red " +
        "letter's document",
    );
  const net = netOfGross(gross, fractionOf(only[0]));
  return documentOfLines(original, at, linesAt(original, only[0], net, gross - net));
}

/**
 * The lines that take back a part of one line, with the discount that follows it. `whole`: nothing
 * is left of these.
 */
function partOfLine(
  { document }: Original,
  part: LinePart,
  field: string,
): { lines: InvoiceLine[]; whole: boolean } {
  const gross = cents(document.totals.gross);
  const line = document.lines[part.line - 1];
  if (line === undefined)
    throw violation(
      `${field}/line`,
      "line-unknown",
      `The invoice has ${document.lines.length} lines`,
    );
  if (isDiscount(line, gross))
    throw violation(`${field}/line`, "line-discount", "A discount goes with its item: name that");
  const next = document.lines[part.line];
  const discount =
    next !== undefined && isDiscount(next, gross) && isSameItem(line, next) ? next : undefined;
  const whole = { lines: [line, ...(discount ? [discount] : [])].map(negatedLine), whole: true };
  if (part.quantity === undefined && part.amount === undefined) return whole;
  const { name, spec, unit, taxRate, taxCategory, taxCode, baseQuantity, unitPrice } = line;
  if (taxRate === onMargin)
    throw violation(
      field,
      "line-on-margin",
      "No rate leads from a part of this line to its tax: take back the whole line, or send the " +
        "red letter's document",
    );
  const taxed = (amount: bigint) => ({
    amount: formatMoney(-amount),
    taxRate,
    ...(taxCategory ? { taxCategory } : {}),
    tax: formatMoney(-amountTimesRate(amount, fractionOf(taxRate))),
    ...(taxCode ? { taxCode } : {}),
  });
  const named = { name, ...(spec ? { spec } : {}), ...(unit ? { unit } : {}) };
  if (part.amount !== undefined) {
    const [amount, all] = [cents(part.amount), cents(line.amount) + cents(discount?.amount)];
    if (amount <= 0n || amount > all)
      throw violation(
        `${field}/amount`,
        "exceeds-line",
        `The line has ${formatMoney(all)} without tax`,
      );
    return { lines: [{ ...named, ...taxed(amount) }], whole: false };
  }
  const quantity = normaliseDecimal(part.quantity as string) ?? "0";
  if (line.quantity === undefined || unitPrice === undefined || line.allowances !== undefined)
    throw violation(
      `${field}/quantity`,
      "line-without-quantity",
      "This line has no quantity and price that could be divided: say an amount",
    );
  const more = compareDecimals(quantity, line.quantity);
  if (compareDecimals(quantity, "0") <= 0n || more > 0n)
    throw violation(`${field}/quantity`, "exceeds-line", `The line has ${line.quantity}`);
  // as it is, not recalculated: an imported line may differ by a cent from quantity × price
  if (more === 0n) return whole;
  const item = {
    ...named,
    quantity: negative(quantity),
    unitPrice,
    ...(baseQuantity ? { baseQuantity } : {}),
    ...taxed(quantityTimesPrice(quantity, unitPrice, baseQuantity)),
  };
  const share = discount && {
    name,
    ...taxed(shareOf(cents(discount.amount), quantity, line.quantity)),
  };
  return { lines: share ? [item, share] : [item], whole: false };
}

function letterForParts(
  original: Original,
  left: Left,
  lineParts: readonly LinePart[],
  at: Date,
): InvoiceDocument {
  if (original.document.taxBreakdown !== undefined)
    throw violation(
      "/lines",
      "lines-without-tax",
      "The invoice's lines have no tax of their own: say a gross amount, or send the red " +
        "letter's document",
    );
  const seen = new Set<number>();
  const wholes: (number | undefined)[] = [];
  const lines = lineParts.flatMap((part, i) => {
    if (seen.has(part.line)) throw violation(`/lines/${i}/line`, "line-twice", "Each line once");
    seen.add(part.line);
    const { lines: own, whole } = partOfLine(original, part, `/lines/${i}`);
    wholes.push(...own.map((_, next) => (whole ? part.line - 1 + next : undefined)));
    return own;
  });
  // rounded part by part, the tax may differ by a cent from that of the whole: the last part takes
  // what is left, a cent for each line
  let exhausted = true;
  for (const [rate, unspent] of left.rates) {
    const linesAtRate = lines.filter((line) => rateKey(line.taxRate) === rate);
    const [net, tax] = [
      linesAtRate.reduce((sum, line) => sum - cents(line.amount), 0n),
      linesAtRate.reduce((sum, line) => sum - cents(line.tax), 0n),
    ];
    if (net !== unspent.net) exhausted = false;
    if (net !== unspent.net && tax <= unspent.tax) continue;
    const cent = tax > unspent.tax ? 1n : -1n;
    for (const line of linesAtRate.slice(0, Number((tax - unspent.tax) * cent)))
      line.tax = formatMoney(cents(line.tax) + cent);
  }
  if (exhausted) return letterForRest(original, left, at);
  return documentOfLines(original, at, lines, wholes);
}

/**
 * The red letter that takes back what `wish` says, of an invoice with `left` left. Throws
 * red-letter-refused if the invoice has less left, or if a document cannot express it to the cent.
 */
export function redLetterOf(original: Original, left: Left, wish: Wish, at: Date): InvoiceDocument {
  if (nothingLeft(left)) throw violation("", "nothing-left", "Everything is taken back already");
  const red =
    "whole" in wish
      ? letterForRest(original, left, at)
      : "gross" in wish
        ? letterForGross(original, left, wish.gross, at)
        : letterForParts(original, left, wish.lines, at);
  checkWithin(left, red);
  const { source } = original.document;
  const wrong: Violation[] = checkIssued(
    red,
    source === undefined ? "rounded" : formats[source.format].rules,
  );
  if (wrong.length > 0) {
    throw new Problem(
      "red-letter-refused",
      "The lines of the invoice cannot express this to the cent: send the red letter's document",
      {
        violations: wrong,
      },
    );
  }
  return red;
}
