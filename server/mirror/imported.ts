/**
 * The record of an invoice that a bundle imports: it begins in the state at its lot's seal, and the
 * mirror's own handlers apply the later events of the chain (proof/imports.ts).
 */
import type { Tx } from "../db/db.ts";

/** The record at its seal. `at`: the time of its lot. */
export async function beginRecord(
  tx: Tx,
  invoice: { number: string; lot: string; issuer: number; holder: string; buyer: number; at: Date },
): Promise<void> {
  const { number, lot, issuer, holder, buyer, at } = invoice;
  await tx`
    insert into invoice_states (number, lot, issuer, state, holder, employer, titled, version,
      accepted_at, issued_at, updated_at)
    values (${number}, ${lot}, ${issuer}, 'issued', ${holder}, ${buyer}, ${buyer !== 0}, 0,
      (select accepted_at from accepted_now where number = ${number}), ${at}, ${at})`;
}

/** Sets since when it has its state and holder, in seconds, as the chain's record says. */
export async function setSince(tx: Tx, number: string, seconds: number): Promise<void> {
  await tx`
    update invoice_states set updated_at = to_timestamp(${seconds}) where number = ${number}`;
}

/**
 * The whole record as JSON text, from which `ledgerMirror` creates it again in a rebuild. Text,
 * because JavaScript cannot represent numbers of twenty digits exactly.
 */
export async function recordAsText(tx: Tx, number: string): Promise<string> {
  const [row] = await tx<{ record: string }[]>`
    select to_jsonb(s)::text as record from invoice_states s where number = ${number}`;
  if (!row) throw new Error(`Invoice ${number} has no record`);
  return row.record;
}
