/**
 * Lists of which a page costs what it shows, however much is stored of others or of long ago.
 *
 * A list is made of parts. A part is a range of one index in the list's order: the rows of one
 * state, of one side of a row, of one table. Of each part the first rows are read, and the page is
 * the first of them all. What no index can decide is decided row by row (`fits`), over LOOK rows at
 * most: such a page may have fewer entries than were asked for, even none, and `next` says where to
 * go on.
 */
import type { Query, Tx } from "./sql.ts";

/**
 * A row as far as a list needs it: `part` it is read from, and whether it is what was asked for.
 */
export type Candidate = { part: number; fits: boolean };

/**
 * Entries of a page, and the last row that was looked at for it; undefined: there is no further
 * one.
 */
export type Page<T> = { items: T[]; next: T | undefined };

/**
 * Rows that are looked at for one page when `fits` decides; fewer where each is more than one row.
 */
export const LOOK = 1_000;

/**
 * Page sizes of parts. They stand in the statement, because a plan for a limit that is not known
 * reads a tenth of what there is.
 */
const sizes: readonly [number, (tx: Tx) => Query<unknown>][] = [
  [10, (tx) => tx`limit 10`],
  [20, (tx) => tx`limit 20`],
  [50, (tx) => tx`limit 50`],
  [100, (tx) => tx`limit 100`],
  [200, (tx) => tx`limit 200`],
  [500, (tx) => tx`limit 500`],
  [LOOK, (tx) => tx`limit 1000`],
];

export type ListOf<T extends Candidate> = {
  /** Statements that give T without `part`, each without order and limit. One at least. */
  parts: readonly Query<unknown>[];
  /** The list's order, as it stands behind `order by`. */
  order: Query<unknown>;
  /** The same order, for two rows: below zero when `a` is listed before `b`. */
  compare(a: T, b: T): number;
  limit: number;
  /** How many rows are looked at where some may not fit; absent: all fit. */
  looks?: number | undefined;
};

/** A page of rows, as far as the list needs them. */
export async function pageOf<T extends Candidate>(
  tx: Tx,
  { parts, order, compare, limit, looks }: ListOf<T>,
): Promise<Page<T>> {
  const wanted = looks === undefined ? limit : Math.max(limit, Math.floor(looks / parts.length));
  // rounded up where rows all fit, so that there are few statements; rounded down where many are
  // looked at
  const fitting =
    looks === undefined
      ? sizes.find(([size]) => size >= wanted)
      : sizes.findLast(([size]) => size <= wanted);
  const [each, take] = fitting ?? (sizes[sizes.length - 1] as (typeof sizes)[number]);
  const whole = parts
    .map(
      (part, i) =>
        tx`(select ${i}::int as part, p.* from (${part} order by ${order} ${take(tx)}) p)`,
    )
    .reduce((before, next) => tx`${before} union all ${next}`);
  const rows = (await tx<T[]>`${whole}`).sort(compare);
  // behind the last row of a part that goes on, rows of it are missing
  const ends = [...Map.groupBy(rows, (row) => row.part).values()].flatMap((of) =>
    of.length === each ? of.slice(-1) : [],
  );
  const end = ends.sort(compare)[0];
  const seen = end === undefined ? rows : rows.filter((row) => compare(row, end) <= 0);
  const items = seen
    .filter((row, i) => row.fits && (i === 0 || compare(seen[i - 1] as T, row) !== 0))
    .slice(0, limit);
  return { items, next: items.length === limit ? items[items.length - 1] : end };
}

type Id = Candidate & { id: string };

/**
 * A page of rows by their ids, which are of when they were made (UUID version 7): newest first.
 * `parts` give `id` and `fits`.
 */
export async function pageOfIds(
  tx: Tx,
  {
    parts,
    limit,
    looks,
  }: { parts: readonly Query<unknown>[]; limit: number; looks?: number | undefined },
) {
  const compare = (a: Id, b: Id) => (a.id < b.id ? 1 : a.id > b.id ? -1 : 0);
  const { items, next } = await pageOf<Id>(tx, {
    parts,
    order: tx`id desc`,
    compare,
    limit,
    looks,
  });
  return { ids: items.map((one) => one.id), next: next?.id };
}

/** The first id of a millisecond. */
export function idAt(at: Date): string {
  const hex = Math.max(0, at.getTime()).toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}

/** The rows of these ids in the order of the ids. */
export function inOrder<T extends { id: string }>(ids: readonly string[], rows: readonly T[]): T[] {
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.flatMap((id) => byId.get(id) ?? []);
}
