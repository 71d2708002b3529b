/**
 * Prices with tax inside (含税价): an issue request that states a line's gross → its document.
 *
 * Owns: how a gross is split into net and tax, and which members of a request say the same thing.
 * Invariants: a line's amount + tax is the gross that was stated, to the cent; the net of all split
 * lines of one rate is their gross / (1 + rate), rounded once; each of these lines keeps the cent
 * of rounding that a line has (rules.ts). Does not own: the rules of the document that comes out
 * (rules.ts).
 */
import { z } from "zod";
import {
  compareDecimals,
  type Decimals,
  decimalsOf,
  formatMoney,
  formatTotal,
  moneyLimit,
  netOfGross,
  parseMoney,
  quantityTimesPrice,
  unitPriceOf,
} from "../values/money.ts";
import { maxViolations, type Violation } from "../values/problems.ts";
import {
  exempt,
  type InvoiceDocument,
  type InvoiceLine,
  type InvoiceRequest,
  notTaxed,
  onMargin,
  type RequestLine,
} from "./document.ts";

/** In cents; net + tax is the gross that was split. */
export type Split = { net: bigint; tax: bigint };

/** Rates below this are split: at a higher one, a line could be off by more than its cent. */
export const splitRateLimit = "0.5";

/**
 * Splits grosses one after another, for the lines of one invoice in their order. The gross is in
 * cents, negative for a discount or a red letter; the rate is a fraction below `splitRateLimit`,
 * 免税 or 不征税.
 *
 * Each rate has a running total: a line's net is what the rounded net of the total grows by.
 * Rounding each line alone would add up: two thousand lunches of 25.00 at 6 % would have 9.81 too
 * much tax, more than EN 16931 lets an invoice be off (BR-CO-17). So the remainder of a line goes
 * to the next line of its rate, and two equal lines may differ by a cent of net. A later line
 * changes nothing in an earlier one.
 *
 * Why a line keeps its cent: the running net is at most half a cent off, so a line's net is less
 * than one cent off, its tax less than 1 + rate, and with the half cent of rounding net × rate less
 * than two: whole cents, so one.
 */
export function createSplitter(): (gross: bigint, taxRate: string) => Split {
  const totals = new Map<string, { gross: bigint; net: bigint }>();
  return (gross, taxRate) => {
    const before = totals.get(taxRate) ?? { gross: 0n, net: 0n };
    const total = before.gross + gross;
    const taxed = taxRate !== exempt && taxRate !== notTaxed;
    const after = { gross: total, net: taxed ? netOfGross(total, taxRate) : total };
    totals.set(taxRate, after);
    const net = after.net - before.net;
    return { net, tax: gross - net };
  };
}

/** What follows from the grosses of a request. */
export const derivedSchema = z
  .object({
    lines: z
      .array(z.object({ amount: z.string(), tax: z.string(), unitPrice: z.string().optional() }))
      .describe("All lines in their order; the unit price is without tax"),
    totals: z.object({ net: z.string(), tax: z.string(), gross: z.string() }),
  })
  .describe("What the gateway derived, if a line stated its gross");
export type Derived = z.infer<typeof derivedSchema>;

type Refuse = (field: string, rule: string, detail: string) => void;
/** What the lines of one request share. */
type Work = {
  request: InvoiceRequest;
  decimals: Decimals;
  split: ReturnType<typeof createSplitter>;
  refuse: Refuse;
};
type Priced = { field: string; price: string };

const isInclusive = (request: InvoiceRequest, line: RequestLine): boolean =>
  line.priceIncludesTax ?? request.priceIncludesTax ?? false;
const statesGross = (request: InvoiceRequest, line: RequestLine): boolean =>
  line.grossAmount !== undefined || line.grossUnitPrice !== undefined || isInclusive(request, line);

/** Where the flag stands that counts for a line. */
const flagOf = ({ priceIncludesTax }: RequestLine, field: string): string =>
  priceIncludesTax === undefined ? "/priceIncludesTax" : `${field}/priceIncludesTax`;

/** The price with tax inside, if the line has one. Refuses two prices, and a flag without one. */
function grossPrice(
  line: RequestLine,
  field: string,
  { request, refuse }: Work,
): Priced | undefined {
  const { unitPrice, grossUnitPrice, priceIncludesTax } = line;
  const inclusive = isInclusive(request, line);
  if (grossUnitPrice !== undefined) {
    if (unitPrice !== undefined)
      refuse(
        `${field}/grossUnitPrice`,
        "price-once",
        "a unit price is stated with tax or without it, not twice",
      );
    if (priceIncludesTax === false)
      refuse(
        `${field}/priceIncludesTax`,
        "price-includes-tax",
        "grossUnitPrice has the tax inside, and this says that the price has not",
      );
    return { field: `${field}/grossUnitPrice`, price: grossUnitPrice };
  }
  if (inclusive && unitPrice !== undefined)
    return { field: `${field}/unitPrice`, price: unitPrice };
  if (inclusive && line.grossAmount === undefined)
    refuse(
      flagOf(line, field),
      "price-missing",
      `line ${field.slice(7)} has no unit price; an amount with tax inside is its grossAmount`,
    );
  return undefined;
}

/** The gross of a line's quantity and price; undefined, and refused, if they make none. */
function productOf(
  { quantity, baseQuantity }: RequestLine,
  { field, price }: Priced,
  at: string,
  { decimals, refuse }: Work,
): bigint | undefined {
  if (quantity === undefined)
    refuse(
      `${at}/quantity`,
      "quantity-with-price",
      "quantity and unit price stand together or not at all",
    );
  else if (!/[1-9]/.test(quantity))
    refuse(`${at}/quantity`, "quantity-zero", "a price with tax inside is for more than nothing");
  else if (price.startsWith("-"))
    refuse(field, "negative-price", "a price is not negative: the quantity is");
  else if (baseQuantity !== undefined && !/^[^-]*[1-9]/.test(baseQuantity))
    refuse(`${at}/baseQuantity`, "base-quantity-positive", "a price is for more than nothing");
  else return quantityTimesPrice(quantity, price, baseQuantity, decimals);
  return undefined;
}

/** Refuses what a line with a gross cannot have beside it. True if nothing was refused. */
function checkSurroundings(line: RequestLine, field: string, { request, refuse }: Work): boolean {
  const named =
    line.grossAmount !== undefined
      ? `${field}/grossAmount`
      : line.grossUnitPrice !== undefined
        ? `${field}/grossUnitPrice`
        : flagOf(line, field);
  if (request.taxBreakdown !== undefined)
    refuse(named, "gross-with-breakdown", "a gross is of lines that have their tax themselves");
  else if (line.allowances !== undefined)
    refuse(
      `${field}/allowances`,
      "gross-with-allowances",
      "what is taken off a price with tax inside is a discount line with a grossAmount",
    );
  else if (line.taxRate === onMargin)
    refuse(`${field}/taxRate`, "gross-rate", "no rate leads from a gross to the tax on a margin");
  else if (/^[01]/.test(line.taxRate) && compareDecimals(line.taxRate, splitRateLimit) >= 0n)
    refuse(`${field}/taxRate`, "gross-rate", `a gross is split at rates below ${splitRateLimit}`);
  else return true;
  return false;
}

const distance = (a: bigint, b: bigint) => (a < b ? b - a : a - b);

/** 10^13 units of the currency and beyond. */
const isBeyond = (units: bigint, decimals: Decimals): boolean =>
  distance(units, 0n) >= (decimals === 2 ? moneyLimit : moneyLimit * 10n);

/** The amounts that a line states, in the smallest unit. Refuses one with other decimals. */
function statedBy(line: RequestLine, field: string, { decimals, refuse }: Work) {
  const [net, tax, gross] = (["amount", "tax", "grossAmount"] as const).map((member) => {
    const text = line[member];
    if (text === undefined) return undefined;
    if (text.at(-1 - decimals) === ".") return parseMoney(text, decimals);
    refuse(`${field}/${member}`, "money-format", `${text} has not ${decimals} decimals`);
    return undefined;
  });
  return { net, tax, gross };
}

/** The line of the document. Undefined, and refused, if its members contradict each other. */
function lineOf(line: RequestLine, field: string, work: Work): InvoiceLine | undefined {
  const { decimals, split, refuse } = work;
  const { grossAmount, grossUnitPrice, priceIncludesTax, unitPrice, amount, tax, ...rest } = line;
  if (!checkSurroundings(line, field, work)) return undefined;
  const price = grossPrice(line, field, work);
  const product = price && productOf(line, price, field, work);
  const stated = statedBy(line, field, work);
  const both =
    stated.net === undefined || stated.tax === undefined ? undefined : stated.net + stated.tax;
  const gross = stated.gross ?? both ?? product;
  // a refusal says why there is no gross
  if (gross === undefined || (price !== undefined && product === undefined)) return undefined;
  const text = (units: bigint) => formatTotal(units, decimals);
  if (isBeyond(gross, decimals)) {
    refuse(field, "amount-bounds", `${text(gross)} is out of the bounds of an amount`);
    return undefined;
  }
  if (both !== undefined && both !== gross)
    refuse(
      `${field}/grossAmount`,
      "line-gross",
      `amount and tax make ${text(both)}, not ${text(gross)}`,
    );
  if (price !== undefined && product !== undefined && distance(product, gross) > 1n)
    refuse(
      grossAmount === undefined ? price.field : `${field}/grossAmount`,
      "line-gross-amount",
      `${line.quantity} × ${price.price} makes ${text(product)} with tax, not ${text(gross)}`,
    );
  const parts =
    stated.net !== undefined
      ? { net: stated.net, tax: gross - stated.net }
      : stated.tax !== undefined
        ? { net: gross - stated.tax, tax: stated.tax }
        : split(gross, line.taxRate);
  if (isBeyond(parts.net, decimals) || isBeyond(parts.tax, decimals)) {
    refuse(field, "amount-bounds", `${text(parts.net)} is out of the bounds of an amount`);
    return undefined;
  }
  const netPrice =
    price === undefined
      ? unitPrice
      : unitPriceOf(parts.net, line.quantity as string, line.baseQuantity, decimals);
  if (price !== undefined && netPrice === undefined) {
    refuse(price.field, "price-bounds", "without tax it has more than 13 digits or 20 decimals");
    return undefined;
  }
  return {
    ...rest,
    ...(netPrice === undefined ? {} : { unitPrice: netPrice }),
    amount: formatMoney(parts.net, decimals),
    tax: formatMoney(parts.tax, decimals),
  };
}

/** The members that a request needs and does not have, as no line states a gross. */
function absent({ lines, totals }: InvoiceRequest): Violation[] {
  const missing = (field: string) => ({
    field,
    rule: "missing-member",
    detail: "this member is required",
  });
  const unpriced = lines.flatMap(({ amount }, at) =>
    amount === undefined ? [missing(`/lines/${at}/amount`)] : [],
  );
  const untotalled =
    totals === undefined
      ? [missing("/totals")]
      : (["net", "tax", "gross"] as const).flatMap((member) =>
          totals[member] === undefined ? [missing(`/totals/${member}`)] : [],
        );
  return [...unpriced, ...untotalled].slice(0, maxViolations);
}

/** The document of a request and what was derived for it, or the rules that the request breaks. */
export function documentOf(
  request: Omit<InvoiceRequest, "holder" | "code">,
): { document: InvoiceDocument; derived?: Derived } | { violations: Violation[] } {
  const { priceIncludesTax: _, ...plain } = request;
  if (!request.lines.some((line) => statesGross(request, line))) {
    const violations = absent(request);
    // without a gross, every line has its amount, and the totals are whole
    return violations.length > 0 ? { violations } : { document: plain as InvoiceDocument };
  }
  const violations: Violation[] = [];
  const refuse: Refuse = (field, rule, detail) => {
    if (violations.length < maxViolations) violations.push({ field, rule, detail });
  };
  const decimals = decimalsOf(request.currency);
  const work: Work = { request, decimals, split: createSplitter(), refuse };
  const lines = request.lines.map((line, at) => {
    const field = `/lines/${at}`;
    if (statesGross(request, line)) return lineOf(line, field, work);
    if (line.amount === undefined)
      refuse(`${field}/amount`, "missing-member", "a line has its amount or its grossAmount");
    statedBy(line, field, work);
    const { priceIncludesTax: _, ...own } = line;
    return own as InvoiceLine;
  });
  if (violations.length > 0) return { violations };
  const whole = lines as InvoiceLine[];
  const sum = (member: "amount" | "tax") =>
    whole.reduce(
      (total, { [member]: text }) => total + (text ? parseMoney(text, decimals) : 0n),
      0n,
    );
  const [net, tax] = [sum("amount"), sum("tax")];
  if ([net, tax, net + tax].some((total) => isBeyond(total, decimals))) {
    refuse("/totals", "amount-bounds", "the lines' sum is out of the bounds of an amount");
    return { violations };
  }
  const totals = {
    net: formatMoney(net, decimals),
    tax: formatMoney(tax, decimals),
    gross: formatMoney(net + tax, decimals),
  };
  const stated = Object.entries(request.totals ?? {}).filter(([, total]) => total !== undefined);
  return {
    document: { ...plain, lines: whole, totals: { ...totals, ...Object.fromEntries(stated) } },
    derived: {
      lines: whole.map(({ amount, tax, unitPrice }) => ({
        amount,
        tax: tax ?? formatMoney(0n, decimals),
        ...(unitPrice === undefined ? {} : { unitPrice }),
      })),
      totals,
    },
  };
}
