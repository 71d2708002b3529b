/** Pages of lists: how many entries a caller may ask for at once. */
import { z } from "zod";

export const MAX_PAGE = 100;

/** The `limit` of a list's query schema. */
export const pageLimit = z.coerce
  .number()
  .int()
  .min(1)
  .max(MAX_PAGE)
  .default(20)
  .describe(`Entries on a page, at most ${MAX_PAGE}`);

/**
 * `next` of a page: where its last row stands. Absent when the page is not full, for then nothing
 * follows; a full one may be the last.
 */
export function nextOf<Row, Place>(
  rows: readonly Row[],
  limit: number,
  placeOf: (row: Row) => Place,
): { next?: Place } {
  const last = rows.at(-1);
  return last === undefined || rows.length < limit ? {} : { next: placeOf(last) };
}
