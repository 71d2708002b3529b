/**
 * The ledger's state in tables: lots, and the record of every invoice whose document is here. It
 * depends only on the chain and the stored leaves.
 *
 * Invariant: an invoice gets a row only from a lot whose root is the root of the leaves stored
 * here, so a row says "sealed with the accepted content" (for an imported invoice, its path leads
 * to the root). An invoice issued elsewhere gets its row from its first admission, by any employer
 * and through any gateway: that row says only what the chain's record says.
 */
import {
  type EventOfAct,
  opensExternal,
  type RecordChange,
} from "@onepiao/protocol/ledger/acts.ts";
import { isExternal, nameOf } from "@onepiao/protocol/ledger/external.ts";
import { leafHash, lotTree } from "@onepiao/protocol/ledger/tree.ts";
import { leavesOfRuns } from "../accepted/leaves.ts";
import type { Json, Tx } from "../db/db.ts";
import type { RowOf } from "../db/tables.ts";
import { onActs } from "../feed/acts.ts";
import type { Applied, Projection } from "../feed/follower.ts";

/**
 * What exists already of an invoice, for the answer to a refused request; undefined if it has no
 * record here.
 */
export async function originalOf(
  tx: Tx,
  number: string,
): Promise<Record<string, Json> | undefined> {
  const [row] = await tx<
    RowOf<"invoice_states", "state" | "updated_at">[]
  >`select state, updated_at from invoice_states where number = ${number}`;
  return (
    row && {
      [isExternal(number) ? "id" : "number"]: nameOf(number),
      state: row.state,
      since: row.updated_at.toISOString(),
    }
  );
}

/** Changes the records of a run's invoices as the table of acts says. */
async function change(tx: Tx, run: readonly Applied[], target: RecordChange): Promise<void> {
  const column = (name: string | undefined) =>
    run.map((event) => (name === undefined ? null : (event.args[name] ?? null)));
  await tx`
    update invoice_states s set
      state = coalesce(${target.state ?? null}, s.state),
      holder = coalesce(e.holder, s.holder),
      employer = ${target.release ? tx`case when s.titled then s.employer else 0 end` : tx`coalesce(e.employer, s.employer)`},
      claim_ref = ${target.release ? tx`null` : tx`coalesce(e.ref, s.claim_ref)`},
      version = e.version,
      updated_at = ${target.state === undefined ? tx`s.updated_at` : tx`e.at`}
    from unnest(${column("id")}::numeric[], ${column(target.holder)}::text[],
      ${column(target.employer)}::int[], ${column(target.claim)}::text[],
                ${column("version")}::int[], ${run.map((event) => event.at)}::timestamptz[])
                  as e (number, holder, employer, ref, version, at)
    where s.number = e.number`;
}

/** A first admission creates the row that the change then applies to. */
async function admit(tx: Tx, run: readonly Applied[]): Promise<void> {
  const admitted = run.filter((event) => isExternal(event.args["id"] as string));
  if (admitted.length === 0) return;
  await tx`
    insert into invoice_states (number, lot, issuer, state, holder, employer, titled, version,
      issued_at, updated_at)
    select e.number, null, 0, 'issued', e.holder, 0, false, 0, e.at, e.at
    from unnest(${admitted.map((event) => event.args["id"])}::numeric[],
      ${admitted.map((event) => event.args["holder"])}::text[],
                ${admitted.map((event) => event.at)}::timestamptz[]) as e (number, holder, at)
    on conflict (number) do nothing`;
}

/** The mark, and the act that set it (entries.ts reads both). */
async function mark(tx: Tx, run: readonly Applied[], argument: string): Promise<void> {
  await tx`
    update invoice_states s set entry = e.mark, entry_at = e.at, entry_act = e.act, entry_tx = e.tx,
      entry_block = e.block
    from unnest(${run.map((event) => event.args["id"])}::numeric[],
      ${run.map((event) => event.args[argument])}::smallint[],
                ${run.map((event) => event.at)}::timestamptz[],
                  ${run.map((event) => event.args["act"])}::text[],
                    ${run.map((event) => event.tx)}::text[],
                ${run.map((event) => event.block)}::bigint[]) as e (number, mark, at, act, tx,
                  block)
    where s.number = e.number`;
}

/**
 * Counts the parts that were taken back, also for an invoice whose document is elsewhere, because a
 * check of it reports their number.
 */
async function countPart(tx: Tx, run: readonly Applied[]): Promise<void> {
  await tx`
    insert into adjustments (number, times)
    select number, 1 from unnest(${run.map((event) => event.args["id"])}::numeric[]) as e (number)
    on conflict (number) do update set times = adjustments.times + 1`;
}

const act =
  ({ record, kinds }: EventOfAct) =>
  async (tx: Tx, run: readonly Applied[]): Promise<void> => {
    if (kinds.some(opensExternal)) await admit(tx, run);
    await change(tx, run, record);
    if (record.mark !== undefined) await mark(tx, run, record.mark);
    if (record.part) await countPart(tx, run);
  };

type Lot = {
  first: string;
  issuer: number;
  segment: string;
  count: number;
  time: number;
  root: string;
  block: number;
  at: Date;
};

export const ledgerMirror: Projection = {
  name: "ledger",
  tables: ["lots", "invoice_states", "adjustments"],
  on: {
    async LotSealed(tx, run) {
      const lots = run.map(({ args, at, block }) => ({
        ...(args as Omit<Lot, "block" | "at">),
        at,
        block,
      }));
      await tx`
        insert into lots (first, issuer, segment, count, time, root, block)
        select * from unnest(
          ${lots.map((lot) => lot.first)}::numeric[], ${lots.map((lot) => lot.issuer)}::int[],
            ${lots.map((lot) => lot.segment)}::numeric[],
          ${lots.map((lot) => lot.count)}::int[], ${lots.map((lot) => lot.time)}::bigint[],
            ${lots.map((lot) => lot.root)}::text[],
          ${lots.map((lot) => lot.block)}::bigint[])`;
      const leaves = await leavesOfRuns(tx, lots);
      // the documents of another gateway's lot are not here, or came later
      const imports = await tx<RowOf<"imported_now", "lot">[]>`
        select distinct lot from imported_now
          where lot = any(${lots.map((lot) => lot.first)}::numeric[])`;
      const importedLots = new Set(imports.map((imported) => imported.lot));
      const ownLots = lots.filter((lot) => {
        if (importedLots.has(lot.first)) return false;
        const stored = leaves.get(lot.first) ?? [];
        return stored.length === lot.count && lotTree(stored.map(leafHash)).root === lot.root;
      });
      if (ownLots.length === 0) return;
      await tx`
        insert into invoice_states (number, lot, issuer, state, holder, employer, titled, version,
          accepted_at, issued_at, updated_at)
        select i.number, l.first, i.issuer, 'issued', i.leaf_holder, i.leaf_buyer,
          i.leaf_buyer <> 0, 0, i.accepted_at, l.at, l.at
        from unnest(${ownLots.map((lot) => lot.first)}::numeric[],
          ${ownLots.map((lot) => lot.count)}::int[], ${ownLots.map((lot) => lot.at)}::timestamptz[])
          as l (first, count, at)
        cross join lateral (
          select * from accepted_now
          where number >= l.first and number < l.first + l.count order by number offset 0
        ) i`;
    },
    ...onActs(act),
  },
  // an imported invoice is here from the block at which the chain was read, in the state that it
  // had there
  arrivals: {
    async next(tx, from, to) {
      const [row] = await tx<
        { block: bigint | null }[]
      >`select min(block) as block from imported_now where block >= ${from} and block <= ${to}`;
      return row?.block == null ? undefined : Number(row.block);
    },
    async put(tx, block) {
      await tx`
        insert into invoice_states select (jsonb_populate_record(null::invoice_states, m.state)).*
          from imported_now m where m.block = ${block} and m.state is not null
        on conflict (number) do nothing`;
    },
  },
};
