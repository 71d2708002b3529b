/**
 * The sum of parts of lines, with tax: shown before a red letter is opened, and computed as the
 * gateway does (protocol/formats/red-letter.ts). After earlier red letters the gateway's sum may
 * differ by a cent, because it knows what they left at each rate.
 */
import {
  amountTimesRate,
  compareDecimals,
  formatMoney,
  parseMoney,
  quantityTimesPrice,
  shareOf,
} from "@onepiao/protocol/values/money.ts";
import type { Schemas } from "../../shared/client.ts";
import { isUntaxed } from "./draft.ts";

type Line = Schemas["InvoiceLine"];
/** A part of a line, by its place (from 1): a quantity, a net amount, or the whole line. */
export type LinePart = { line: number; quantity?: string | undefined; amount?: string | undefined };

const withTax = (net: bigint, { taxRate }: Line) =>
  net + (isUntaxed(taxRate) ? 0n : amountTimesRate(net, taxRate));
const grossOf = (line: Line) =>
  line.tax === undefined
    ? withTax(parseMoney(line.amount), line)
    : parseMoney(line.amount) + parseMoney(line.tax);

/** The discount of the line at a place (from 0): the line behind it. */
const discountOf = (lines: readonly Line[], at: number): Line | undefined =>
  lines[at + 1]?.discount ? lines[at + 1] : undefined;

/** The net amount of the line at a place (from 0), less its discount, in cents. */
export const netOf = (lines: readonly Line[], at: number): bigint =>
  parseMoney(lines[at]?.amount ?? "0.00") + parseMoney(discountOf(lines, at)?.amount ?? "0.00");

function grossOfPart(
  lines: readonly Line[],
  { line: place, quantity, amount }: LinePart,
): bigint | undefined {
  const line = lines[place - 1];
  if (line === undefined || line.discount) return undefined;
  const discount = discountOf(lines, place - 1);
  const whole = grossOf(line) + (discount === undefined ? 0n : grossOf(discount));
  if (amount !== undefined) {
    const net = parseMoney(amount);
    return net <= 0n || net > netOf(lines, place - 1) ? undefined : withTax(net, line);
  }
  if (quantity === undefined) return whole;
  if (
    line.quantity === undefined ||
    line.unitPrice === undefined ||
    compareDecimals(quantity, "0") <= 0n
  )
    return undefined;
  const comparison = compareDecimals(quantity, line.quantity);
  if (comparison >= 0n) return comparison === 0n ? whole : undefined;
  const item = withTax(quantityTimesPrice(quantity, line.unitPrice, line.baseQuantity), line);
  return discount === undefined
    ? item
    : item + withTax(shareOf(parseMoney(discount.amount), quantity, line.quantity), discount);
}

/**
 * The sum of the parts. Undefined if a part does not fit its line. Quantities are texts of
 * `decimalPattern`, amounts of `moneyPattern`.
 */
export function sumOf(lines: readonly Line[], parts: readonly LinePart[]): string | undefined {
  const all = parts.map((part) => grossOfPart(lines, part));
  return all.every((gross) => gross !== undefined)
    ? formatMoney(all.reduce((sum, gross) => sum + gross, 0n))
    : undefined;
}
