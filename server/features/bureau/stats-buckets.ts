/**
 * Buckets of time that statistics are counted in: minute, hour, day, month. Days and months are
 * China's, as quota is.
 */
export const grains = ["minute", "hour", "day", "month"] as const;
export type Grain = (typeof grains)[number];

const lengths = { minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const;
/** China is at UTC+8 all year. */
const OFFSET_MS = 8 * 3_600_000;

/** When the bucket of an instant began; `away`: that many buckets later, or earlier if negative. */
export function startOf(grain: Grain, at: Date, away = 0): Date {
  const local = at.getTime() + OFFSET_MS;
  if (grain !== "month")
    return new Date((Math.floor(local / lengths[grain]) + away) * lengths[grain] - OFFSET_MS);
  const day = new Date(local);
  return new Date(Date.UTC(day.getUTCFullYear(), day.getUTCMonth() + away) - OFFSET_MS);
}

/** How many buckets a range touches. */
export function bucketsIn(grain: Grain, from: Date, to: Date): number {
  if (grain !== "month")
    return Math.ceil((to.getTime() - startOf(grain, from).getTime()) / lengths[grain]);
  let count = 0;
  for (
    let start = startOf("month", from);
    start < to && count <= MAX_BUCKETS;
    start = startOf("month", start, 1)
  )
    count += 1;
  return count;
}

/** The most buckets that one answer covers. */
export const MAX_BUCKETS = 1_500;
