/** Pages of lists: how many entries a caller may ask for at once. */
import { z } from "zod";

export const MAX_PAGE = 100;

/** The `limit` of a list's query schema. */
export const pageLimit = z.coerce.number().int().min(1).max(MAX_PAGE).default(20).describe(`Entries on a page, at most ${MAX_PAGE}`);
