/**
 * The ledger's state in tables: lots, and the record of every invoice whose document is here. A function of the chain and of
 * the stored leaves.
 *
 * Invariant: an invoice gets a row only from a lot whose root is the root of the leaves stored here, so a row says "sealed with
 * the content that was accepted".
 */
import { type Leaf, leafHash, lotTree } from "../chain/tree.ts";
import type { Tx } from "../db/db.ts";
import type { Applied, Projection } from "../feed/follower.ts";

/** The stored leaves of consecutive numbers, in order. */
export async function leavesOf(tx: Tx, first: string, count: number): Promise<Leaf[]> {
  return tx<Leaf[]>`
    select content, leaf_holder as holder, leaf_buyer as buyer from invoices
    where number >= ${first} and number < ${first}::numeric + ${count} order by number`;
}

/** The stored leaves of several runs of numbers, by the run's first number; in order. */
export async function leavesOfRuns(tx: Tx, runs: readonly { first: string; count: number }[]): Promise<Map<string, Leaf[]>> {
  const rows = await tx<(Leaf & { first: string })[]>`
    select r.first, i.content, i.leaf_holder as holder, i.leaf_buyer as buyer
    from unnest(${runs.map((run) => run.first)}::numeric[], ${runs.map((run) => run.count)}::int[]) as r (first, count)
    join invoices i on i.number >= r.first and i.number < r.first + r.count order by i.number`;
  return Map.groupBy(rows, (row) => row.first);
}

type Change = { state: "issued" | "claimed" | "reimbursed" | "reversed"; holder?: string; employer?: number; release?: boolean; ref?: string | null };

async function change(tx: Tx, event: Applied, to: Change): Promise<void> {
  await tx`
    update invoice_states set
      state = ${to.state},
      holder = ${to.holder === undefined ? tx`holder` : to.holder},
      employer = ${to.release ? tx`case when titled then employer else 0 end` : to.employer === undefined ? tx`employer` : to.employer},
      claim_ref = ${to.ref === undefined ? tx`claim_ref` : to.ref},
      version = ${event.args["version"] as number},
      updated_at = ${event.at}
    where number = ${event.args["id"] as string}`;
}

export const ledgerMirror: Projection = {
  name: "ledger",
  tables: ["lots", "invoice_states"],
  on: {
    async LotSealed(tx, { args, at, block }) {
      const first = args["first"] as string;
      const [issuer, count] = [args["issuer"] as number, args["count"] as number];
      const root = args["root"] as string;
      await tx`
        insert into lots (first, issuer, segment, count, time, root, block)
        values (${first}, ${issuer}, ${args["segment"] as string}, ${count}, ${args["time"] as number}, ${root}, ${block})`;
      const leaves = await leavesOf(tx, first, count);
      // another gateway's lot: its documents are not here
      if (leaves.length !== count || lotTree(leaves.map(leafHash)).root !== root) return;
      await tx`
        insert into invoice_states (number, lot, issuer, state, holder, employer, titled, version, issued_at, updated_at)
        select number, ${first}, issuer, 'issued', leaf_holder, leaf_buyer, leaf_buyer <> 0, 0, ${at}, ${at} from invoices
        where number >= ${first} and number < ${first}::numeric + ${count}`;
    },
    Transferred: (tx, event) => change(tx, event, { state: "issued", holder: event.args["to"] as string }),
    Claimed: (tx, event) => change(tx, event, { state: "claimed", employer: event.args["employer"] as number, ref: event.args["ref"] as string }),
    Withdrawn: (tx, event) => change(tx, event, { state: "issued", release: true, ref: null }),
    Rejected: (tx, event) => change(tx, event, { state: "issued", release: true, ref: null }),
    Reimbursed: (tx, event) => change(tx, event, { state: "reimbursed" }),
    Reversed: (tx, event) => change(tx, event, { state: "reversed" }),
  },
};
