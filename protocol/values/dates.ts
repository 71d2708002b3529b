/**
 * Dates of documents: China's calendar, and how far from now the time of an invoice may lie.
 *
 * Owns: the day and the year of an instant in China (UTC+8 all year), and the bounds. The caller
 * passes "now" from the database (db/db.ts, `momentNow`), so that one clock decides everything
 * about dates (docs/adr/0027).
 */

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const CHINA_MS = 8 * 3_600_000;

/**
 * How far from now the time of an invoice may lie: ahead, because clocks differ; back, because some
 * invoices are issued after the sale.
 */
export type TimeBounds = { aheadMinutes: number; backDays: number };

/** The day of an instant in China, YYYY-MM-DD. */
export const chinaDay = (at: Date): string =>
  new Date(at.getTime() + CHINA_MS).toISOString().slice(0, 10);

/** An instant as China's clocks show it, RFC 3339 with seconds. */
export const chinaTime = (at: Date): string =>
  `${new Date(at.getTime() + CHINA_MS).toISOString().slice(0, 19)}+08:00`;

/** A date without a time of day, which is kept as midnight UTC (protocol/formats/ubl.ts). */
const isDayAlone = (time: string): boolean => /T00:00:00(?:\.0+)?Z$/.test(time);
/** The first instant that a time may mean: for a day alone, the beginning of that day in China. */
const earliestOf = (time: string): number => Date.parse(time) - (isDayAlone(time) ? CHINA_MS : 0);

/**
 * True if one document's time comes before another's. If either is a day alone, days are compared.
 * Both RFC 3339.
 */
export const isBefore = (time: string, other: string): boolean =>
  isDayAlone(time) || isDayAlone(other)
    ? chinaDay(new Date(time)) < chinaDay(new Date(other))
    : Date.parse(time) < Date.parse(other);

/** The rule that a time breaks, with the detail for its field. */
export type BrokenTime = { rule: string; detail: string };

function brokenAhead(time: string, now: Date, aheadMinutes: number): BrokenTime | undefined {
  if (earliestOf(time) <= now.getTime() + aheadMinutes * MINUTE_MS) return undefined;
  return {
    rule: "issued-ahead",
    detail: `${time} is more than ${aheadMinutes} minutes ahead: here it is ${chinaTime(now)}`,
  };
}

/** The rule that the time of a new invoice breaks, if any. `time`: RFC 3339. */
export function brokenIssueTime(
  time: string,
  now: Date,
  { aheadMinutes, backDays }: TimeBounds,
): BrokenTime | undefined {
  if (Date.parse(time) >= now.getTime() - backDays * DAY_MS)
    return brokenAhead(time, now, aheadMinutes);
  return {
    rule: "issued-long-ago",
    detail: `${time} is more than ${backDays} days back: here it is ${chinaTime(now)}`,
  };
}

/** No invoice issued earlier still waits to be reimbursed. */
const EARLIEST = Date.parse("2000-01-01T00:00:00+08:00");

/** The rule that the time of an invoice issued elsewhere breaks, if any. */
export function brokenForeignTime(
  time: string,
  now: Date,
  { aheadMinutes }: TimeBounds,
): BrokenTime | undefined {
  if (Date.parse(time) >= EARLIEST) return brokenAhead(time, now, aheadMinutes);
  return { rule: "issued-before-2000", detail: `${time} is before the year 2000` };
}
