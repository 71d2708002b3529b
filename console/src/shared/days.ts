/**
 * Days and months in China's time zone. Quota, book entries and lists use them, whatever the clock
 * and time zone of the browser.
 */

/** China has one time zone and no daylight saving time since 1992. */
const CHINA_MS = 8 * 3_600_000;
const DAY_MS = 86_400_000;

/** The day of an instant (milliseconds) in China, YYYY-MM-DD. */
export const chinaDay = (at = Date.now()): string =>
  new Date(at + CHINA_MS).toISOString().slice(0, 10);
/** The month in China, YYYY-MM. */
export const chinaMonth = (at = Date.now()): string => chinaDay(at).slice(0, 7);
/** The last midnight in China before an instant, as RFC 3339 in UTC. */
export const chinaMidnight = (at = Date.now()): string =>
  new Date(Math.floor((at + CHINA_MS) / DAY_MS) * DAY_MS - CHINA_MS).toISOString();

/** A month (YYYY-MM) and the months before it, the latest first. */
export function monthsUntil(month: string, count: number): string[] {
  const last = Number(month.slice(0, 4)) * 12 + Number(month.slice(5)) - 1;
  return Array.from({ length: count }, (_, ago) => {
    const months = last - ago;
    const year = String(Math.floor(months / 12)).padStart(4, "0");
    return `${year}-${String((months % 12) + 1).padStart(2, "0")}`;
  });
}

/** Whether a text is a day of the calendar, YYYY-MM-DD, in the years 1000 to 2999. */
export const isDay = (text: string): boolean =>
  /^[12]\d{3}-\d\d-\d\d$/.test(text) && dayAfter(text, 0) === text;
function dayAfter(day: string, days: number): string | undefined {
  const start = Date.parse(`${day}T00:00:00Z`);
  return Number.isNaN(start)
    ? undefined
    : new Date(start + days * DAY_MS).toISOString().slice(0, 10);
}

/** The first and the last day of a range, YYYY-MM-DD. */
export type Ends = { from?: string | undefined; to?: string | undefined };
/** The same range, with the earlier day first. */
export const inOrder = ({ from, to }: Ends): Ends =>
  from && to && from > to ? { from: to, to: from } : { from, to };
/**
 * A range of days as the API takes it: the instant it starts, and the instant before which it ends.
 */
export const rangeOf = ({ from, to }: Ends): Ends => ({
  from: midnightOf(from, 0),
  to: midnightOf(to, 1),
});
const midnightOf = (day: string | undefined, later: number) =>
  day === undefined ? undefined : `${dayAfter(day, later)}T00:00:00+08:00`;

/** Days as a date picker returns them. */
type Picked = { format(template: string): string } | null | undefined;
/** The range between two picked days, in either order. */
export const endsOf = (days: readonly [Picked, Picked] | null | undefined): Ends =>
  inOrder({ from: days?.[0]?.format("YYYY-MM-DD"), to: days?.[1]?.format("YYYY-MM-DD") });

/** Whether an instant (RFC 3339) is within a range of days. */
export function isWithin(ends: Ends, at: string): boolean {
  const { from, to } = rangeOf(ends);
  return (
    (from === undefined || Date.parse(at) >= Date.parse(from)) &&
    (to === undefined || Date.parse(at) < Date.parse(to))
  );
}

/** A written moment (RFC 3339) without its offset: date and time as the clock showed them there. */
export const clockOf = (at: string): string => at.replace(/(?:Z|[+-]\d\d:\d\d)$/i, "");
