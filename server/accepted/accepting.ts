/**
 * Writing down what is accepted: invoices, how many numbers of a segment they take, and invoices
 * that a bundle brought here. Decides nothing: the caller has checked everything.
 */
import { announce, type Json, type Tx } from "../db/db.ts";
import type { RowOf } from "../db/tables.ts";

/** An invoice as it is stored; `document` and `source` are sealed. */
export type AcceptedInvoice = {
  number: string;
  issuer: number;
  segment: string;
  content: string;
  salt: Buffer;
  holder: string;
  buyer: number;
  sourceBlind: Buffer | null;
  reverses: string | null;
  document: Buffer;
  source: Buffer | null;
};

/** Stores invoices, and that their numbers wait for a lot; the sealer hears of it. */
export async function acceptInvoices(tx: Tx, rows: readonly AcceptedInvoice[]): Promise<void> {
  await tx`
    insert into invoices (number, issuer, segment, content, salt, leaf_holder, leaf_buyer,
      source_blind, reverses, document, source)
    select * from unnest(
      ${rows.map((row) => row.number)}::numeric[], ${rows.map((row) => row.issuer)}::int[],
      ${rows.map((row) => row.segment)}::numeric[], ${rows.map((row) => row.content)}::text[],
      ${rows.map((row) => row.salt)}::bytea[], ${rows.map((row) => row.holder)}::text[],
      ${rows.map((row) => row.buyer)}::int[], ${rows.map((row) => row.sourceBlind)}::bytea[],
      ${rows.map((row) => row.reverses)}::numeric[], ${rows.map((row) => row.document)}::bytea[],
      ${rows.map((row) => row.source)}::bytea[])`;
  await announce(tx, "accepted");
  const taken = [...Map.groupBy(rows, (row) => row.segment)];
  await tx`
    insert into segment_accepted (segment, accepted, waiting_since)
    select segment, accepted, now()
    from unnest(${taken.map(([segment]) => segment)}::numeric[],
      ${taken.map(([, invoices]) => invoices.length)}::bigint[]) as n (segment, accepted)
    on conflict (segment) do update set
      accepted = segment_accepted.accepted + excluded.accepted,
      waiting_since = coalesce(segment_accepted.waiting_since, excluded.waiting_since)`;
}

/**
 * Locks those of these segments that nobody accepts into at this moment, and returns them. What is
 * under the lock is read by the next statement: one of the same would still see what was there
 * before.
 */
export async function lockSegments(tx: Tx, segments: readonly string[]): Promise<string[]> {
  const rows = await tx<RowOf<"segment_accepted", "segment">[]>`
    select segment from segment_accepted where segment = any(${[...segments]}::numeric[])
    order by segment for update skip locked`;
  return rows.map(({ segment }) => segment);
}

/**
 * Says of locked segments how many of their numbers are in lots: one of which all are waits no
 * more; another waits from now on, behind those that wait already.
 */
export async function markLotted(
  tx: Tx,
  lotted: readonly { segment: string; lotted: bigint }[],
): Promise<void> {
  await tx`
    update segment_accepted a
    set waiting_since = case when a.accepted <= m.lotted then null else now() end
    from unnest(${lotted.map((row) => row.segment)}::numeric[],
      ${lotted.map((row) => row.lotted)}::bigint[]) as m (segment, lotted)
    where a.segment = m.segment and a.waiting_since is not null`;
}

/** An invoice that a bundle brings here: `path` and `seal` are its evidence, as at `block`. */
export type ImportedInvoice = Omit<AcceptedInvoice, "sourceBlind" | "reverses" | "source"> & {
  lot: string;
  path: readonly string[];
  seal: Json;
  account: string;
  block: number;
};

/** Stores an imported invoice; its number waits for no lot. */
export async function acceptImported(tx: Tx, invoice: ImportedInvoice): Promise<void> {
  const { number, issuer, segment, content, salt, holder, buyer, document } = invoice;
  await tx`
    insert into invoices (number, issuer, segment, content, salt, leaf_holder, leaf_buyer, document)
    values (${number}, ${issuer}, ${segment}, ${content}, ${salt}, ${holder}, ${buyer}, ${document})`;
  await tx`
    insert into imported (number, lot, path, seal, account, block)
    values (${number}, ${invoice.lot}, ${[...invoice.path]}, ${tx.json(invoice.seal)},
      ${invoice.account}, ${invoice.block})`;
}

/**
 * Keeps what the chain's record of an imported invoice was at its block: JSON text of
 * `recordAsText` (mirror/imported.ts).
 */
export async function keepRecord(tx: Tx, number: string, record: string): Promise<void> {
  await tx`update imported set state = ${record}::jsonb where number = ${number}`;
}
