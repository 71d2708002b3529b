/**
 * The leaves of accepted invoices: the content of a lot, as stored when the invoices were accepted.
 */
import type { Leaf } from "@onepiao/protocol/ledger/tree.ts";
import type { Tx } from "../db/db.ts";

/** The stored leaves of consecutive numbers, in order. */
export async function leavesOf(tx: Tx, first: string, count: number): Promise<Leaf[]> {
  return tx<Leaf[]>`
    select content, leaf_holder as holder, leaf_buyer as buyer from invoices
    where number >= ${first} and number < ${first}::numeric + ${count} order by number`;
}

/** The stored leaves of several runs of numbers, by the run's first number; in order. */
export async function leavesOfRuns(
  tx: Tx,
  runs: readonly { first: string; count: number }[],
): Promise<Map<string, Leaf[]>> {
  // by the key: `offset 0` keeps the planner from turning many short scans into one scan of all
  // rows
  const rows = await tx<(Leaf & { first: string })[]>`
    select r.first, i.content, i.leaf_holder as holder, i.leaf_buyer as buyer
    from unnest(${runs.map((run) => run.first)}::numeric[], ${runs.map((run) => run.count)}::int[])
      as r (first, count)
    cross join lateral (
      select * from invoices
      where number >= r.first and number < r.first + r.count order by number offset 0
    ) i order by i.number`;
  return Map.groupBy(rows, (row) => row.first);
}
