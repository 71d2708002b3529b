/**
 * Writes what the gateway accepts: invoices, the numbers of a segment that they take, and invoices
 * that a bundle imports. Decides nothing: the caller has checked everything.
 */
import { announce, type Json, type Tx } from "../db/db.ts";
import type { RowOf } from "../db/tables.ts";

/**
 * A stored invoice; `document` and `source` are sealed. `fileBlinds`: under which it is found by a
 * file of its own.
 */
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
  fileBlinds: readonly Buffer[];
};

/** Stores invoices and marks their numbers as waiting for a lot; notifies the sealer. */
export async function acceptInvoices(tx: Tx, rows: readonly AcceptedInvoice[]): Promise<void> {
  const blinds = rows.flatMap(({ number, fileBlinds }) =>
    fileBlinds.map((blind) => ({ number, blind })),
  );
  await tx`
    with stored as (insert into invoices (number, issuer, segment, content, salt, leaf_holder,
      leaf_buyer, source_blind, reverses, document, source)
    select * from unnest(
      ${rows.map((row) => row.number)}::numeric[], ${rows.map((row) => row.issuer)}::int[],
      ${rows.map((row) => row.segment)}::numeric[], ${rows.map((row) => row.content)}::text[],
      ${rows.map((row) => row.salt)}::bytea[], ${rows.map((row) => row.holder)}::text[],
      ${rows.map((row) => row.buyer)}::int[], ${rows.map((row) => row.sourceBlind)}::bytea[],
      ${rows.map((row) => row.reverses)}::numeric[], ${rows.map((row) => row.document)}::bytea[],
      ${rows.map((row) => row.source)}::bytea[]) returning number, accepted_at)
    insert into document_hashes (blind, accepted_at, number)
    select b.blind, s.accepted_at, s.number from stored s join unnest(
      ${blinds.map(({ number }) => number)}::numeric[],
      ${blinds.map(({ blind }) => blind)}::bytea[]) as b (number, blind) on b.number = s.number`;
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
 * Locks those of these segments into which no other transaction is accepting now, and returns them.
 * The caller's next statement reads what the lock protects; this statement still sees the state
 * before.
 */
export async function lockSegments(tx: Tx, segments: readonly string[]): Promise<string[]> {
  const rows = await tx<RowOf<"segment_accepted", "segment">[]>`
    select segment from segment_accepted where segment = any(${[...segments]}::numeric[])
    order by segment for update skip locked`;
  return rows.map(({ segment }) => segment);
}

/**
 * Records how many numbers of locked segments are in lots. A segment without further numbers no
 * longer waits; any other waits from now on, behind those that wait already.
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

/** An invoice from a bundle: `path` and `seal` are its evidence at `block`. */
export type ImportedInvoice = Omit<AcceptedInvoice, "sourceBlind" | "reverses" | "source"> & {
  lot: string;
  path: readonly string[];
  seal: Json;
  account: string;
  block: number;
};

/** Stores an imported invoice; its number does not wait for a lot. */
export async function acceptImported(tx: Tx, invoice: ImportedInvoice): Promise<void> {
  const { number, issuer, segment, content, salt, holder, buyer, document } = invoice;
  await tx`
    with stored as (insert into invoices (number, issuer, segment, content, salt, leaf_holder,
      leaf_buyer, document)
    values (${number}, ${issuer}, ${segment}, ${content}, ${salt}, ${holder}, ${buyer},
      ${document}) returning number, accepted_at)
    insert into document_hashes (blind, accepted_at, number)
    select b.blind, s.accepted_at, s.number
    from stored s cross join unnest(${[...invoice.fileBlinds]}::bytea[]) as b (blind)`;
  await tx`
    insert into imported (number, lot, path, seal, account, block)
    values (${number}, ${invoice.lot}, ${[...invoice.path]}, ${tx.json(invoice.seal)},
      ${invoice.account}, ${invoice.block})`;
}

/**
 * Stores the chain's record of an imported invoice at its block: JSON text of `recordAsText`
 * (mirror/imported.ts).
 */
export async function keepRecord(tx: Tx, number: string, record: string): Promise<void> {
  await tx`update imported set state = ${record}::jsonb where number = ${number}`;
}
