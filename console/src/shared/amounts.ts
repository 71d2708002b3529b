/** Formats amounts, sums and rates. Never converts an amount to a float. */
import {
  decimalPattern,
  decimalsOf,
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
 * Formats an amount of the API ("1130.00") with its currency and thousands separators. Returns text
 * that is not an amount unchanged.
 */
export function formatAmount(amount: string, currency = "CNY"): string {
  const [, minus = "", whole, decimals = ""] = /^(-?)(\d+)(\.\d+)?$/.exec(amount) ?? [];
  if (whole === undefined) return amount;
  const sign = signs.get(currency) ?? `${currency} `;
  return `${minus}${sign}${whole.replaceAll(/\B(?=(\d{3})+$)/g, ",")}${decimals}`;
}

/**
 * Adds up amounts ("1130.00"), one sum per currency, in the order in which the currencies appear.
 * Returns "" if there is no amount. Throws RangeError if a text is not an amount.
 */
export function sumsOf(amounts: readonly { amount: string; currency: string }[]): string {
  const sums = new Map<string, bigint>();
  for (const { amount, currency } of amounts)
    sums.set(currency, (sums.get(currency) ?? 0n) + parseMoney(amount, decimalsOf(currency)));
  return [...sums]
    .map(([currency, units]) => formatAmount(formatTotal(units, decimalsOf(currency)), currency))
    .join(" + ");
}

/**
 * What is to be paid of an invoice, less what its red letters have taken back (`left`: the gross
 * that they leave). Throws RangeError if a text is not an amount.
 */
export function toPay(
  { gross, payable, currency }: { gross: string; payable: string; currency: string },
  left = gross,
): string {
  if (left === gross) return payable;
  const units = (text: string) => parseMoney(text, decimalsOf(currency));
  const rest = units(payable) - (units(gross) - units(left));
  return formatTotal(rest < 0n ? 0n : rest, decimalsOf(currency));
}

/** Formats a tax rate: "0.06" becomes 6%. Words such as 免税 stay unchanged. */
export const percentOf = (rate = ""): string =>
  decimalPattern.test(rate) && rate.length <= 18 ? `${fractionToPercent(rate)}%` : rate;

/**
 * The share of a part in the whole, in percent with two decimals, rounded down: precise enough for
 * the length of a bar. Returns 0 if the whole is 0. Both values are in cents.
 */
export const shareOf = (part: bigint, whole: bigint): number =>
  whole === 0n ? 0 : Number((part * 10_000n) / whole) / 100;
