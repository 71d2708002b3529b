/** Amounts, sums and rates as people read them; never through a float. */
import {
  decimalPattern,
  formatTotal,
  fractionToPercent,
  parseMoney,
} from "@onepiao/protocol/values/money.ts";

const signs = new Map([
  ["CNY", "¥"],
  ["USD", "US$"],
  ["EUR", "€"],
  ["HKD", "HK$"],
  ["JPY", "JP¥"],
  ["GBP", "£"],
]);

/**
 * An amount as the API says it ("1130.00"), with its currency and thousands apart. Text that is no
 * amount stays as it is.
 */
export function formatAmount(amount: string, currency = "CNY"): string {
  const [, minus = "", whole, decimals = ""] = /^(-?)(\d+)(\.\d+)?$/.exec(amount) ?? [];
  if (whole === undefined) return amount;
  return `${minus}${signs.get(currency) ?? `${currency} `}${whole.replaceAll(/\B(?=(\d{3})+$)/g, ",")}${decimals}`;
}

/**
 * The sums of amounts ("1130.00"), one for each currency, in the order in which the currencies
 * come: no currency is added to another. "" when there is no amount. Throws RangeError on text that
 * is no amount.
 */
export function sumsOf(amounts: readonly { amount: string; currency: string }[]): string {
  const sums = new Map<string, bigint>();
  for (const { amount, currency } of amounts)
    sums.set(currency, (sums.get(currency) ?? 0n) + parseMoney(amount));
  return [...sums]
    .map(([currency, cents]) => formatAmount(formatTotal(cents), currency))
    .join(" + ");
}

/** A tax rate as people say it: "0.06" is 6%. A word (免税, 不征税) stays as it is. */
export const percentOf = (rate = ""): string =>
  decimalPattern.test(rate) && rate.length <= 18 ? `${fractionToPercent(rate)}%` : rate;

/**
 * How much of the whole a part is, in percent with two decimals, cut off: enough for the length of
 * a bar. 0 of a whole that is nothing. Both in cents.
 */
export const shareOf = (part: bigint, whole: bigint): number =>
  whole === 0n ? 0 : Number((part * 10_000n) / whole) / 100;
