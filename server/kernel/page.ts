/** Pages of lists: how many entries a caller may request at once. */
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
 * `next` of a page: the place of its last row. Absent if the page is not full, because nothing
 * follows; a full page may be the last.
 */
export function nextOf<Row, Place>(
  rows: readonly Row[],
  limit: number,
  placeOf: (row: Row) => Place,
): { next?: Place } {
  const last = rows.at(-1);
  return last === undefined || rows.length < limit ? {} : { next: placeOf(last) };
}
