/**
 * Dates of documents: China's calendar, and how far from now an invoice's time may lie.
 *
 * Owns: the day and the year of an instant in China (UTC+8 all year), and the bounds. "Now" is
 * given by the caller, who asks the database (db/db.ts, `momentNow`): one clock for everything that
 * is decided about dates (docs/adr/0027).
 */

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const CHINA_MS = 8 * 3_600_000;

/**
 * How far an invoice's time may lie from now: ahead, for clocks that differ; back, for what is
 * issued later than it was sold.
 */
export type TimeBounds = { aheadMinutes: number; backDays: number };

/** The day of an instant in China, YYYY-MM-DD. */
export const chinaDay = (at: Date): string =>
  new Date(at.getTime() + CHINA_MS).toISOString().slice(0, 10);

/** An instant as China's clocks show it, RFC 3339 with seconds. */
export const chinaTime = (at: Date): string =>
  `${new Date(at.getTime() + CHINA_MS).toISOString().slice(0, 19)}+08:00`;

/** A date that came without a time of day: it is kept as midnight UTC (protocol/formats/ubl.ts). */
const isDayAlone = (time: string): boolean => /T00:00:00(?:\.0+)?Z$/.test(time);
/** The first instant that a time may mean: of a day alone its beginning in China. */
const earliestOf = (time: string): number => Date.parse(time) - (isDayAlone(time) ? CHINA_MS : 0);

/**
 * Whether a document's time comes before another's; days alone are compared as days. Both RFC 3339.
 */
export const isBefore = (time: string, other: string): boolean =>
  isDayAlone(time) || isDayAlone(other)
    ? chinaDay(new Date(time)) < chinaDay(new Date(other))
    : Date.parse(time) < Date.parse(other);

/** A broken rule of a time, in the words of its field. */
export type BrokenTime = { rule: string; detail: string };

function brokenAhead(time: string, now: Date, aheadMinutes: number): BrokenTime | undefined {
  if (earliestOf(time) <= now.getTime() + aheadMinutes * MINUTE_MS) return undefined;
  return {
    rule: "issued-ahead",
    detail: `${time} is more than ${aheadMinutes} minutes ahead: here it is ${chinaTime(now)}`,
  };
}

/** The rule that the time of an invoice to be issued breaks. `time`: RFC 3339. */
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

/** Nothing that is still to be reimbursed was issued before. */
const EARLIEST = Date.parse("2000-01-01T00:00:00+08:00");

/** The rule that the time of an invoice breaks that was issued elsewhere. */
export function brokenForeignTime(
  time: string,
  now: Date,
  { aheadMinutes }: TimeBounds,
): BrokenTime | undefined {
  if (Date.parse(time) >= EARLIEST) return brokenAhead(time, now, aheadMinutes);
  return { rule: "issued-before-2000", detail: `${time} is before the year 2000` };
}
