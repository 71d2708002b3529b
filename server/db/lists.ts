/**
 * Lists in which a page costs only what it shows, however much is stored for others or from long
 * ago.
 *
 * A list consists of parts. A part is a range of one index in the list's order: the rows of one
 * state, of one side of a row, of one table. The first rows of each part are read, and the page is
 * the first of them all. What no index can decide is decided for each row (`fits`), for at most
 * LOOK rows: such a page may have fewer entries than requested, even none, and `next` says where to
 * go on.
 */
import type { Query, Tx } from "./sql.ts";

/**
 * The columns that a list needs: the `part` that a row is from, and whether the row fits the query.
 */
export type Candidate = { part: number; fits: boolean };

/**
 * The entries of a page, and the last row that was examined for it; undefined: the list ends here.
 */
export type Page<T> = { items: T[]; next: T | undefined };

/** Rows examined for one page if `fits` decides; fewer if an entry takes more than one row. */
export const LOOK = 1_000;

/**
 * Page sizes of parts. They are literals in the statement, because with an unknown limit the
 * planner expects to read a tenth of the table.
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
  /** Statements that give T without `part`, each without order and limit. At least one. */
  parts: readonly Query<unknown>[];
  /** The list's order, as written after `order by`. */
  order: Query<unknown>;
  /** The same order, for two rows: negative if `a` comes before `b`. */
  compare(a: T, b: T): number;
  limit: number;
  /** How many rows to examine if some may not fit; absent: all fit. */
  looks?: number | undefined;
};

/** A page of rows, with only the columns that the list needs. */
export async function pageOf<T extends Candidate>(
  tx: Tx,
  { parts, order, compare, limit, looks }: ListOf<T>,
): Promise<Page<T>> {
  const rowLimit = looks === undefined ? limit : Math.max(limit, Math.floor(looks / parts.length));
  // rounded up if all rows fit, so that there are few statements; rounded down if many are examined
  const fitting =
    looks === undefined
      ? sizes.find(([size]) => size >= rowLimit)
      : sizes.findLast(([size]) => size <= rowLimit);
  const [each, take] = fitting ?? (sizes[sizes.length - 1] as (typeof sizes)[number]);
  const whole = parts
    .map(
      (part, i) =>
        tx`(select ${i}::int as part, p.* from (${part} order by ${order} ${take(tx)}) p)`,
    )
    .reduce((before, next) => tx`${before} union all ${next}`);
  const rows = (await tx<T[]>`${whole}`).sort(compare);
  // after the last row of a part that goes on, rows of that part are missing
  const ends = [...Map.groupBy(rows, (row) => row.part).values()].flatMap((run) =>
    run.length === each ? run.slice(-1) : [],
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
 * A page of rows by their ids, which contain the time of creation (UUID version 7): newest first.
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
  return { ids: items.map((row) => row.id), next: next?.id };
}

/** The first id of a millisecond. */
export function idAt(at: Date): string {
  const hex = Math.max(0, at.getTime()).toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}

/** The rows of these ids, in the order of the ids. */
export function inOrder<T extends { id: string }>(ids: readonly string[], rows: readonly T[]): T[] {
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.flatMap((id) => byId.get(id) ?? []);
}
