/**
 * What parts of lines come to, with tax: shown before a red letter is opened. The gateway reckons anew, and after earlier red letters may
 * come to a cent less or more: it knows what they left at each rate.
 */
import { amountTimesRate, formatMoney, parseMoney, shareOf } from "@onepiao/protocol/values/money.ts";
import type { Schemas } from "../../shared/client.ts";
import { isUntaxed } from "./draft.ts";

type Line = Schemas["InvoiceLine"];
export type LinePart = { line: number; quantity?: string | undefined; amount?: string | undefined };

/** undefined while something is no figure. */
export function sumOf(lines: readonly Line[], parts: readonly LinePart[]): string | undefined {
  let sum = 0n;
  for (const { line: place, quantity, amount } of parts) {
    const line = lines[place - 1];
    if (line === undefined) return undefined;
    const off = lines[place]?.discount ? parseMoney(lines[place].amount) : 0n;
    const whole = parseMoney(line.amount) + off;
    const net =
      amount !== undefined ? parseMoney(amount) : quantity !== undefined && line.quantity !== undefined ? shareOf(whole, quantity, line.quantity) : whole;
    sum += net + (isUntaxed(line.taxRate) ? 0n : amountTimesRate(net, line.taxRate));
  }
  return formatMoney(sum);
}
