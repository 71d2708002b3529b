/**
 * Book entry (入账): the employer marks on the chain that it has entered an invoice in its books, so
 * that it enters it once.
 *
 * | mark | from | allowed for an invoice that is | meaning |
 * | --- | --- | --- | --- |
 * | 01 | | | not entered |
 * | 02 | 01, 06 | titled and not reversed, or reimbursed | entered, tax deductible |
 * | 03 | 01, 06 | the same | entered, not deductible |
 * | 06 | 02, 03 | in any state, reversed too | entry revoked |
 *
 * The chain decides: of two entries one goes through, and the refusal of the other has the first
 * one's mark, time and act. What the mirror already knows is refused here, with the same answer.
 * Period and voucher belong to the employer: sealed here, and not on the chain. Only the employer
 * and the bureau see marks; docs/book-entry.md says why.
 */

import { isExternal, ledgerNumber, nameOf } from "@onepiao/protocol/ledger/external.ts";
import { Problem, type Violation } from "@onepiao/protocol/values/problems.ts";
import { enqueue } from "../../acts/operations.ts";
import { refOf } from "../../chain/contracts.ts";
import type { Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import { eventOf, type FeedRow, pageOf } from "../../feed/feed.ts";
import type { Caller } from "../../kernel/api.ts";
import type { Vault } from "../../keys/vault.ts";
import {
  type Entry,
  entriesOf,
  type Mark,
  originalEntry,
  type Settable,
} from "../../mirror/entries.ts";
import type { Invoices } from "../invoices/invoices.ts";
import type { Taxpayers } from "../parties/taxpayers.ts";

/** Where an act of entry is on the chain. */
export type Proof = { act: string; tx: string; block: number };
type Words = { period?: string | undefined; voucher?: string | undefined };
/**
 * An act of entry on one invoice, as the chain has it. `current`: the invoice still has this mark.
 */
export type Marked = {
  position: bigint;
  number: string;
  mark: Settable;
  at: Date;
  proof: Proof;
  current: boolean;
} & Words;
export type Entries = ReturnType<typeof createEntries>;

type State = { number: string; state: string; employer: number; titled: boolean };

export function createEntries({
  vault,
  taxpayers,
  invoices,
}: {
  vault: Vault;
  taxpayers: Taxpayers;
  invoices: Pick<Invoices, "hold">;
}) {
  const context = (operation: string) => `entry/${operation}`;
  const viewerOf = ({ account, roles }: Caller) => ({
    account,
    everything: roles.includes("bureau"),
    types: ["invoice.entered"],
  });

  async function statesOf(tx: Tx, numbers: readonly string[]): Promise<Map<string, State>> {
    const rows = await tx<State[]>`
      select coalesce(s.number, i.number) as number, coalesce(s.state, 'accepted') as state, coalesce(s.employer, i.leaf_buyer) as employer,
             coalesce(s.titled, i.leaf_buyer <> 0) as titled
      from unnest(${[...numbers]}::numeric[]) as w (number) left join record_now s on s.number = w.number left join accepted_now i on i.number = w.number
      where s.number is not null or i.number is not null`;
    return new Map(rows.map((row) => [row.number, row]));
  }

  /** The invoices that this employer may mark; throws not-found for any other. */
  async function own(
    tx: Tx,
    caller: Caller,
    numbers: readonly string[],
  ): Promise<{ employer: number; states: Map<string, State> }> {
    const self = await taxpayers.byAccount(tx, caller.account);
    const states = await statesOf(tx, numbers);
    const stranger = numbers.find(
      (number) => self === undefined || states.get(number)?.employer !== self.index,
    );
    if (self === undefined || stranger !== undefined)
      throw new Problem(
        "not-found",
        `There is no invoice ${nameOf(stranger ?? "0")} that is titled to you or claimed from you`,
      );
    return { employer: self.index, states };
  }

  /**
   * Throws if the mirror already shows that the chain would refuse it; the first reason in the
   * order of the invoices.
   */
  function check(
    mark: Settable,
    numbers: readonly string[],
    states: ReadonlyMap<string, State>,
    marks: ReadonlyMap<string, Entry>,
  ): void {
    for (const [place, number] of numbers.entries()) {
      const { state, titled } = states.get(number) as State;
      const before = marks.get(number) ?? { number, mark: "01" as const, since: undefined };
      const refuse = (
        code: "already-entered" | "not-entered" | "wrong-state" | "invoice-not-sealed",
        rule: string,
        detail: string,
      ) => {
        const violations: Violation[] = [{ field: `/invoices/${place}`, rule, detail }];
        const original =
          code === "already-entered" || code === "not-entered"
            ? originalEntry(before)
            : { number: nameOf(number), state };
        return new Problem(code, detail, { violations, extra: { original } });
      };
      const name = nameOf(number);
      const entered = before.mark === "02" || before.mark === "03";
      if (state === "accepted")
        throw refuse("invoice-not-sealed", "sealed", `Invoice ${name} is not sealed yet`);
      if (mark === "06") {
        if (!entered)
          throw refuse(
            "not-entered",
            "entered",
            `Invoice ${name} is not entered: its mark is ${before.mark}`,
          );
      } else if (entered)
        throw refuse(
          "already-entered",
          "not-entered-yet",
          `Invoice ${name} is entered already, as ${before.mark}`,
        );
      else if (state === "reversed")
        throw refuse("wrong-state", "not-reversed", `Invoice ${name} is reversed`);
      else if (!titled && state !== "reimbursed")
        throw refuse(
          "wrong-state",
          "reimbursed",
          `Invoice ${name} names no buyer: it is entered once it is reimbursed`,
        );
    }
  }

  /** Acts on the chain with the employer's period and voucher, which only the employer reads. */
  async function markedOf(tx: Tx, caller: Caller, rows: readonly FeedRow[]): Promise<Marked[]> {
    const numbers = [...new Set(rows.map((row) => row.number as string))];
    const marks = await entriesOf(tx, numbers);
    const acts = [...new Set(rows.map((row) => String(row.data["act"])))];
    const kept = caller.roles.includes("employer")
      ? await tx<(RowOf<"entry_words", "operation" | "sealed"> & { digest: string })[]>`
          select o.digest, w.operation, w.sealed from operation_now o join entry_words w on w.operation = o.id
          where o.digest = any(${acts}::text[]) and o.party = ${caller.account} and o.status = 'done'`
      : [];
    const words = new Map(
      kept.map(({ digest, operation, sealed }) => [
        digest,
        JSON.parse(vault.open("parties", context(operation), sealed).toString()) as Words,
      ]),
    );
    return rows.map((row) => {
      const number = row.number as string;
      const act = String(row.data["act"]);
      // not a notice: it comes from the chain
      const proof = { act, tx: row.tx as string, block: eventOf(row, viewerOf(caller)).block };
      const current = marks.get(number)?.since?.act === act;
      return {
        position: row.position,
        number,
        mark: row.data["mark"] as Settable,
        at: row.at,
        proof,
        current,
        ...words.get(act),
      };
    });
  }

  /**
   * Numbers on the ledger, each invoice under its only name: one that was issued elsewhere may have
   * several ids, and has one mark.
   */
  async function named(tx: Tx, caller: Caller, names: readonly string[]): Promise<string[]> {
    const numbers = names.map(ledgerNumber);
    if (!numbers.some(isExternal)) return numbers;
    const rows = await tx<{ id: string; name: string }[]>`
      select distinct on (i.number) i.number as id, e.number as name
      from claim_invoices i join claims c on c.id = i.claim join external_invoices e on e.claim = i.claim
      join taxpayer_now t on t.index = c.employer
      where i.number = any(${numbers}::numeric[]) and t.account = ${caller.account}
      order by i.number, c.state in ('claimed', 'reimbursed') desc, i.claim desc`;
    const nameById = new Map(rows.map(({ id, name }) => [id, name]));
    return numbers.map((number) => nameById.get(number) ?? number);
  }

  return {
    /** One act over 1 to 100 invoices: either all get the mark or none. */
    async mark(
      tx: Tx,
      caller: Caller,
      { mark, names, ...words }: { mark: Settable; names: readonly string[] } & Words,
    ): Promise<string> {
      const numbers = await named(tx, caller, names);
      if (new Set(numbers).size !== numbers.length) {
        throw new Problem("ids-not-ascending", "The entry names an invoice twice", {
          violations: [{ field: "/invoices", rule: "unique", detail: "Each invoice once" }],
        });
      }
      await invoices.hold(tx, numbers);
      const { employer, states } = await own(tx, caller, numbers);
      check(mark, numbers, states, await entriesOf(tx, numbers));
      const operation = await enqueue(tx, {
        kind: "entry",
        party: caller.account,
        command: {
          type: "act",
          kind: "Enter",
          taxpayer: employer,
          ref: refOf(Number(mark)),
          invoices: numbers,
        },
        signers: [caller.account],
      });
      const kept = { period: words.period, voucher: words.voucher };
      if (kept.period !== undefined || kept.voucher !== undefined)
        await tx`insert into entry_words (operation, sealed) values (${operation}, ${vault.seal("parties", context(operation), JSON.stringify(kept))})`;
      return operation;
    },

    /** What became of these invoices by an act, in the order of `names`. */
    async ofAct(tx: Tx, caller: Caller, act: string, names: readonly string[]): Promise<Marked[]> {
      const numbers = await named(tx, caller, names);
      const rows = await tx<FeedRow[]>`
        select * from feed_now where type = 'invoice.entered' and number = any(${numbers}::numeric[]) and data->>'act' = ${act}`;
      const marked = new Map(
        (await markedOf(tx, caller, rows)).map((marked) => [marked.number, marked]),
      );
      return numbers.flatMap((number) => marked.get(number) ?? []);
    },

    /**
     * The mark of an invoice and every act that set one, newest first: for its present employer and
     * the bureau.
     */
    async of(tx: Tx, caller: Caller, name: string): Promise<{ mark: Mark; acts: Marked[] }> {
      const [number] = (await named(tx, caller, [name])) as [string];
      const known = caller.roles.includes("bureau")
        ? await statesOf(tx, [number])
        : (await own(tx, caller, [number])).states;
      if (!known.has(number)) throw new Problem("not-found", `There is no invoice ${name}`);
      const entry = (await entriesOf(tx, [number])).get(number);
      const { rows } = await pageOf(tx, viewerOf(caller), { after: 0n, number, limit: 1_000 });
      return { mark: entry?.mark ?? "01", acts: (await markedOf(tx, caller, rows)).reverse() };
    },

    /**
     * Acts of entry after a position of the feed, oldest first; the bureau sees those of all
     * employers.
     */
    async list(
      tx: Tx,
      caller: Caller,
      { after, current, limit }: { after: bigint; current: boolean; limit: number },
    ): Promise<{ items: Marked[]; next: bigint; more: boolean }> {
      const { rows, next, more } = await pageOf(tx, viewerOf(caller), { after, limit });
      const items = await markedOf(tx, caller, rows);
      return { items: current ? items.filter((act) => act.current) : items, next, more };
    },
  };
}
