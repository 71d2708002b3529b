/**
 * Walks prices with tax inside through `createSplitter` (protocol/formats/gross.ts) and checks
 * what comes out, with the arithmetic of ordinary integers instead of the splitter's own.
 */
import { createSplitter } from "@onepiao/protocol/formats/gross.ts";

/** Whole percents. */
export const percents = [1, 3, 5, 6, 9, 13] as const;
/** The dearest price, in cents: 100,000.00. */
export const dearest = 10_000_000;

/** In cents; `to` is included. */
export type Range = { percent: number; from: number; to: number; step: number };
export type Walked = { prices: number; faults: string[] };

/** Faults that are named; more are not needed to see that something is wrong. */
const NAMED = 20;

/**
 * Each price is split twice: alone, and as the next line of one invoice that has all of them.
 * Alone, its net is gross / (1 + rate), rounded. In both, net and tax add up to the price, and tax
 * is within a cent of net × rate. After each line, the net of all lines is their gross divided by
 * 1 + rate, rounded.
 */
export function walk({ percent, from, to, step }: Range): Walked {
  const rate = `0.${String(percent).padStart(2, "0")}`;
  const whole = 100 + percent;
  const faults: string[] = [];
  const fault = (gross: number, detail: string) => {
    if (faults.length < NAMED) faults.push(`${gross} cents at ${percent} %: ${detail}`);
  };
  const isNearest = (net: number, gross: number) =>
    Math.abs(net * whole - gross * 100) * 2 <= whole;
  const keepsCent = (net: number, tax: number) =>
    Math.abs(tax - Math.floor((net * percent + 50) / 100)) <= 1;
  const next = createSplitter();
  let [prices, gross, net] = [0, 0, 0];
  for (let price = from; price <= to; price += step) {
    prices += 1;
    const alone = createSplitter()(BigInt(price), rate);
    const [aloneNet, aloneTax] = [Number(alone.net), Number(alone.tax)];
    if (aloneNet + aloneTax !== price) fault(price, `alone ${aloneNet} + ${aloneTax}`);
    if (!keepsCent(aloneNet, aloneTax)) fault(price, `alone, ${aloneNet} has ${aloneTax} of tax`);
    if (!isNearest(aloneNet, price)) fault(price, `alone, net is ${aloneNet}`);
    const line = next(BigInt(price), rate);
    const [lineNet, lineTax] = [Number(line.net), Number(line.tax)];
    // all prices of a percent together stay within the exact integers of a double
    gross += price;
    net += lineNet;
    if (lineNet + lineTax !== price) fault(price, `as a line ${lineNet} + ${lineTax}`);
    if (!keepsCent(lineNet, lineTax)) fault(price, `as a line, ${lineNet} has ${lineTax} of tax`);
    if (!isNearest(net, gross)) fault(price, `after its line, ${gross} have a net of ${net}`);
  }
  return { prices, faults };
}
