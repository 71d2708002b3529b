/**
 * Money: integers of a currency's smallest unit as `bigint`, decimal strings at the edges, never a
 * float. Two decimals (cents) unless a call names three.
 *
 * Owns: reading and writing amounts, exact products with half-up rounding (away from zero) at the
 * cent, and amounts in Chinese figures. Invariants: |amount| < 10^15 cents; one amount has one text
 * (`formatMoney(parseMoney(t)) === t`). Does not own: which amounts must agree with which
 * (protocol/formats/rules.ts).
 */
import nzh from "nzh/cn";

/**
 * Amounts are below this, in cents: 13 digits of yuan, well within the integers of the chain and of
 * the database.
 */
export const moneyLimit = 10n ** 15n;

/** The only text of an amount: two decimals, no leading zeros, no negative zero. */
export const moneyPattern = /^(?!-0\.00$)-?(?:0|[1-9]\d{0,12})\.\d{2}$/;
/** The same for any currency: two decimals, or three (`decimalsOf`). */
export const amountPattern = /^(?!-0\.000?$)-?(?:0|[1-9]\d{0,12})\.\d{2,3}$/;
const patterns = { 2: moneyPattern, 3: /^(?!-0\.000$)-?(?:0|[1-9]\d{0,12})\.\d{3}$/ } as const;
/** How many decimals the amounts of a document have. Its smallest unit follows from it. */
export type Decimals = 2 | 3;
const thousandths = new Set(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"]);
/**
 * The decimals of a currency's amounts: three where the unit has a thousand parts, two for every
 * other currency, also those without a smaller unit (`"1000.00"` yen).
 */
export const decimalsOf = (currency: string): Decimals => (thousandths.has(currency) ? 3 : 2);
/** A quantity or a price: up to twenty decimals (tax software writes prices with fourteen). */
export const decimalPattern = /^-?(?:0|[1-9]\d{0,12})(?:\.\d{1,20})?$/;

/**
 * `"1130.00"` → `113000n`; with three decimals `"1.234"` → `1234n`. Throws RangeError on every text
 * but the only one of an amount with so many decimals.
 */
export function parseMoney(text: string, decimals: Decimals = 2): bigint {
  if (!patterns[decimals].test(text))
    throw new RangeError(`not an amount with ${decimals} decimals: ${text.slice(0, 40)}`);
  return BigInt(text.slice(0, -decimals - 1) + text.slice(-decimals));
}

/** `113000n` → `"1130.00"`. Throws RangeError at 10^13 units of the currency and beyond. */
export function formatMoney(units: bigint, decimals: Decimals = 2): string {
  const limit = decimals === 2 ? moneyLimit : moneyLimit * 10n;
  if ((units < 0n ? -units : units) >= limit) throw new RangeError("the amount is out of bounds");
  return formatTotal(units, decimals);
}

/** Like `formatMoney`, for a sum of many amounts, which has no limit. */
export function formatTotal(units: bigint, decimals: Decimals = 2): string {
  const positive = units < 0n ? -units : units;
  const digits = positive.toString().padStart(decimals + 1, "0");
  return `${units < 0n ? "-" : ""}${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
}

/**
 * Converts an amount from an XML document (`"336.9"`, `"+120"`, `"007"`, at most so many decimals)
 * to its only text; undefined if the text is not an amount.
 */
export function normaliseMoney(text: string, decimals: Decimals = 2): string | undefined {
  const match = /^([+-]?)0*(\d{1,13})(?:\.(\d*))?$/.exec(text);
  const fraction = match?.[3] ?? "";
  if (!match || fraction.length > decimals) return undefined;
  const units = BigInt((match[2] ?? "") + fraction.padEnd(decimals, "0"));
  return formatMoney(match[1] === "-" ? -units : units, decimals);
}

/**
 * Converts a quantity, price or percentage from an XML document to the only text of its value
 * (`"15.929203540"` → `"15.92920354"`); undefined if the text is not a number.
 */
export function normaliseDecimal(text: string): string | undefined {
  const match = /^([+-]?)0*(\d{1,13})(?:\.(\d{0,30}?)0*)?$/.exec(text);
  if (!match) return undefined;
  const [, sign, whole = "", fraction = ""] = match;
  const plain = fraction === "" ? whole : `${whole}.${fraction}`;
  const canonical = sign === "-" && plain !== "0" ? `-${plain}` : plain;
  return decimalPattern.test(canonical) ? canonical : undefined;
}

/** Powers of ten, by exponent: as many as a decimal has decimals. */
const tens = Array.from({ length: 21 }, (_, exponent) => 10n ** BigInt(exponent));

type Decimal = { units: bigint; scale: bigint };
const unitary: Decimal = { units: 1n, scale: 1n };
function parseDecimal(text: string): Decimal {
  if (text === "1") return unitary;
  if (!decimalPattern.test(text))
    throw new RangeError(`not a decimal number: ${text.slice(0, 40)}`);
  const point = text.indexOf(".");
  if (point < 0) return { units: BigInt(text), scale: 1n };
  return {
    units: BigInt(text.slice(0, point) + text.slice(point + 1)),
    scale: tens[text.length - point - 1] as bigint,
  };
}

/** numerator / denominator to the nearest integer, halves away from zero. */
export function roundHalfUp(numerator: bigint, denominator: bigint): bigint {
  if (denominator === 0n) throw new RangeError("division by zero");
  const negative = numerator < 0n !== denominator < 0n;
  const top = numerator < 0n ? -numerator : numerator;
  const bottom = denominator < 0n ? -denominator : denominator;
  const rounded = (2n * top + bottom) / (2n * bottom);
  return negative ? -rounded : rounded;
}

/**
 * quantity × unit price in the smallest unit; the price is for `per` units, 1 by default. The
 * factors are texts of `decimalPattern`.
 */
export function quantityTimesPrice(
  quantity: string,
  price: string,
  per = "1",
  decimals: Decimals = 2,
): bigint {
  const q = parseDecimal(quantity);
  const p = parseDecimal(price);
  const b = parseDecimal(per);
  const unit = tens[decimals] as bigint;
  return roundHalfUp(q.units * p.units * b.scale * unit, q.scale * p.scale * b.units);
}

/** amount × rate in cents; the rate is a fraction such as `"0.06"`. */
export function amountTimesRate(cents: bigint, rate: string): bigint {
  const r = parseDecimal(rate);
  return roundHalfUp(cents * r.units, r.scale);
}

/** cents × part / whole. Requirement: `whole` is not zero. */
export function shareOf(cents: bigint, part: string, whole: string): bigint {
  const p = parseDecimal(part);
  const w = parseDecimal(whole);
  return roundHalfUp(cents * p.units * w.scale, p.scale * w.units);
}

/** Negative, zero or positive if `a` is less than, equal to or greater than `b`. */
export function compareDecimals(a: string, b: string): bigint {
  const x = parseDecimal(a);
  const y = parseDecimal(b);
  return x.units * y.scale - y.units * x.scale;
}

/** The net part of a gross amount: gross / (1 + rate). */
export function netOfGross(cents: bigint, rate: string): bigint {
  const r = parseDecimal(rate);
  return roundHalfUp(cents * r.scale, r.scale + r.units);
}

/**
 * The unit price at which a quantity makes an amount: amount × per / quantity, with 13 decimals as
 * tax software writes it, or with 20 if so many units need more. `quantityTimesPrice` gives the
 * amount back, to the cent. Undefined if no such price fits `decimalPattern`.
 */
export function unitPriceOf(
  units: bigint,
  quantity: string,
  per = "1",
  decimals: Decimals = 2,
): string | undefined {
  const q = parseDecimal(quantity);
  const b = parseDecimal(per);
  if (q.units === 0n) return undefined;
  for (const places of [13, 20]) {
    const top = units * q.scale * b.units * 10n ** BigInt(places);
    const price = roundHalfUp(top, q.units * b.scale * 10n ** BigInt(decimals));
    const digits = (price < 0n ? -price : price).toString().padStart(places + 1, "0");
    const written = `${digits.slice(0, -places)}.${digits.slice(-places)}`;
    const text = normaliseDecimal(price < 0n ? `-${written}` : written);
    if (text !== undefined && quantityTimesPrice(quantity, text, per, decimals) === units)
      return text;
  }
  return undefined;
}

/** A percentage as a fraction: `"6"` → `"0.06"`. The text must fit `decimalPattern`. */
export function percentToFraction(percent: string): string | undefined {
  const negative = percent.startsWith("-");
  const [whole = "", fraction = ""] = (negative ? percent.slice(1) : percent).split(".");
  const digits = whole.padStart(3, "0");
  return normaliseDecimal(
    `${negative ? "-" : ""}${digits.slice(0, -2)}.${digits.slice(-2)}${fraction}`,
  );
}

/**
 * The inverse: `"0.06"` → `"6"`. The text must fit `decimalPattern`, with at most 18 decimals.
 * Throws RangeError on anything else.
 */
export function fractionToPercent(fraction: string): string {
  const { units, scale } = parseDecimal(fraction);
  const digits = (units * 100n).toString().padStart(scale.toString().length, "0");
  const point = digits.length - scale.toString().length + 1;
  const percent = normaliseDecimal(
    scale === 1n ? digits : `${digits.slice(0, point)}.${digits.slice(point)}`,
  );
  if (percent === undefined) throw new RangeError(`not a fraction: ${fraction.slice(0, 40)}`);
  return percent;
}

/** An amount as invoices spell it: `20000n` → `"贰佰圆整"`; `（负数）` precedes a negative one. */
export function chineseFigures(cents: bigint): string {
  const positive = cents < 0n ? -cents : cents;
  const words = nzh
    .toMoney(formatMoney(positive), { outSymbol: false, forceZheng: true })
    .replace("元", "圆");
  return cents < 0n ? `（负数）${words}` : words;
}

/**
 * A single digit right after 佰, 仟, 万 or 亿 needs a 零 before it: without it the reader cannot tell
 * 105 from 150.
 */
const ambiguous = /[佰仟万亿][壹贰叁肆伍陆柒捌玖](?=[圆万亿])/;

/**
 * True if the Chinese figures state this amount. Tolerates what the rules for bills leave open: 圆
 * or 元, 整 or 正 or neither, a 零 between sections or between 圆 and 角, 人民币 in front, （负数） or 负 for a
 * minus.
 */
export function sameFigures(words: string, cents: bigint): boolean {
  const spoken = words
    .replace(/\s/g, "")
    .replace(/^人民币/, "")
    .replace(/[元圓]/g, "圆");
  if (!/[圆角分]/.test(spoken)) return false;
  const match = /^(?:[（(]负数[）)]|负)?(.*)$/u.exec(spoken);
  const figures = match?.[1] ?? "";
  if (figures.length < spoken.length !== cents < 0n || ambiguous.test(figures)) return false;
  const bare = (text: string) =>
    text
      .replace(/[整正]$/, "")
      .replace(/零/g, "")
      .replace(/^圆/, "");
  return bare(figures) === bare(chineseFigures(cents < 0n ? -cents : cents));
}
