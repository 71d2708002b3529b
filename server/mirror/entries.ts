/**
 * Book entry on the chain: the mark of an invoice, and the act that set it. The ledger's mirror
 * (ledger.ts) writes the rows.
 */
import { nameOf } from "@onepiao/protocol/ledger/external.ts";
import type { Json, Tx } from "../db/db.ts";

export const marks = ["01", "02", "03", "06"] as const;
/** 01 not entered, 02 entered and deductible, 03 entered and not deductible, 06 entry revoked. */
export type Mark = (typeof marks)[number];
export type Settable = Exclude<Mark, "01">;

/** An invoice's present mark; `since`: the act that set it. */
export type Entry = {
  number: string;
  mark: Mark;
  since: { at: Date; act: string; tx: string; block: number } | undefined;
};

/** The mark for the chain's number. */
export const markFrom = (value: number): Mark =>
  marks.find((mark) => Number(mark) === value) ?? "01";

/** What exists already, for the answer to a refused request. */
export const originalEntry = ({ number, mark, since }: Entry): Record<string, Json> => ({
  number: nameOf(number),
  mark,
  ...(since === undefined
    ? {}
    : { since: since.at.toISOString(), act: since.act, tx: since.tx, block: since.block }),
});

/** The marks of invoices that have a record here. */
export async function entriesOf(tx: Tx, numbers: readonly string[]): Promise<Map<string, Entry>> {
  type Row = {
    number: string;
    entry: number;
    entry_at: Date | null;
    entry_act: string;
    entry_tx: string;
    entry_block: bigint;
  };
  const rows = await tx<Row[]>`
    select number, entry, entry_at, entry_act, entry_tx, entry_block from invoice_states
      where number = any(${[...numbers]}::numeric[])`;
  return new Map(
    rows.map((row) => {
      const since =
        row.entry_at === null
          ? undefined
          : {
              at: row.entry_at,
              act: row.entry_act,
              tx: row.entry_tx,
              block: Number(row.entry_block),
            };
      return [row.number, { number: row.number, mark: markFrom(row.entry), since }];
    }),
  );
}
