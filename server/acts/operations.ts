/**
 * Operations: what a party or the bureau wants done on the chain, and its outcome.
 *
 * | from | to | when |
 * | --- | --- | --- |
 * | queued | signed | it is at the head for its invoices (or its account's counter), and the keystore has every signer's key |
 * | queued | awaiting-signature | the same, but a signer keeps its own key |
 * | awaiting-signature | signed | the last missing signature comes |
 * | awaiting-signature | failed | a signature is missing when the time is up |
 * | queued, awaiting-signature | failed | the requester cancels it |
 * | signed | sent | it is in a transaction |
 * | sent | done | the chain's event says so |
 * | sent | refused | the chain refused it, or reverted the transaction |
 * | sent | queued | refused as stale: it is signed again on the present version |
 * | queued, awaiting-signature | refused | the claim that it decides on is over |
 * | queued | refused | an equal operation of its party, for which it waited, was refused by the chain |
 *
 * The follower writes the outcome in the transaction that moves the projections, so a reader who
 * sees `done` also sees its effect. Owns the tables operations and operation_invoices.
 */

import { type ActKind, actKinds, isOfClaim } from "@onepiao/protocol/ledger/acts.ts";
import type { Code } from "@onepiao/protocol/values/problems.ts";
import type { Json, Tx } from "../db/db.ts";
import { announce } from "../db/db.ts";
import type { RowOf } from "../db/tables.ts";

export const operationStatuses = [
  "queued",
  "awaiting-signature",
  "signed",
  "sent",
  "done",
  "refused",
  "failed",
] as const;
export type OperationStatus = (typeof operationStatuses)[number];

/** The order of decimal numbers of any length, in which messages list invoices. */
export const byNumber = (a: string, b: string): number => (BigInt(a) < BigInt(b) ? -1 : 1);

/**
 * What to do. `claim`: the reference of the claim that an act decides on; without that claim the
 * act is pointless. Acts and seals are signed and sent together; a registry act is signed and sent
 * alone; the bureau's own key sends a call.
 */
export type Command =
  | {
      type: "act";
      kind: ActKind;
      to?: string;
      taxpayer?: number;
      ref: string;
      invoices: string[];
      claim?: string;
    }
  | { type: "seal"; first: string }
  | {
      type: "registry";
      message: "Draw" | "GiveBack";
      index: number;
      period: number;
      amount: string;
    }
  | { type: "registry"; message: "RotateKey"; account: string; key: string }
  | {
      type: "call";
      contract: "registry" | "ledger";
      function: string;
      args: (string | number | boolean)[];
    };

/**
 * Of equal acts of a party that make or decide a claim, one at a time goes to the chain, and its
 * outcome answers the others.
 */
const CLAIM_ACTS = actKinds.filter(isOfClaim);
/**
 * Whether operations `a` and `b` are equal: one party, one kind of act, the same invoices. The
 * reference of a claim is new each time, so it does not count.
 */
export const sameAct = (tx: Tx, a: string, b: string) => tx`
  ${tx(a)}.party = ${tx(b)}.party and ${tx(a)}.command->>'kind' = any(${CLAIM_ACTS}::text[])
  and ${tx(a)}.command - 'ref' = ${tx(b)}.command - 'ref'`;

export type StoredProblem = { code: Code; detail: string; extra?: Record<string, Json> };

export type Operation = {
  id: string;
  kind: string;
  party: string;
  command: Command;
  signers: string[];
  status: OperationStatus;
  message: { type: string; value: Record<string, unknown> } | null;
  digest: string | null;
  signatures: Record<string, { r: string; vs: string }>;
  send: bigint | null;
  problem: StoredProblem | null;
  result: Record<string, Json> | null;
  tries: number;
  created_at: Date;
  updated_at: Date;
};

export type NewOperation = {
  kind: string;
  /** The account that requests it. */
  party: string;
  command: Command;
  /** The accounts that have to sign, the acting party first; at most two. */
  signers?: string[];
};

/** Writes an operation; the dispatcher takes it after `tx` commits. Returns its id. */
export async function enqueue(tx: Tx, operation: NewOperation): Promise<string> {
  const [row] = await tx<RowOf<"operations", "id">[]>`
    insert into operations (kind, party, command, signers)
    values (${operation.kind}, ${operation.party}, ${tx.json(operation.command as unknown as Json)},
      ${operation.signers ?? []}) returning id`;
  const { id } = row as { id: string };
  if (operation.command.type === "act") {
    await tx`
      insert into operation_invoices (operation, number) select ${id},
        unnest(${operation.command.invoices}::numeric[])`;
  }
  await announce(tx, "operation");
  return id;
}

/**
 * Writes the operations that seal these lots, each to be signed by its issuer's account. Returns
 * their ids by the lots' first numbers.
 */
export async function enqueueSeals(
  tx: Tx,
  lots: readonly { first: string; account: string }[],
): Promise<Map<string, string>> {
  const rows = await tx<(RowOf<"operations", "id"> & { first: string })[]>`
    insert into operations (kind, party, command, signers)
    select 'seal', l.account, jsonb_build_object('type', 'seal', 'first', l.first), array[l.account]
    from unnest(${lots.map((lot) => lot.first)}::text[],
      ${lots.map((lot) => lot.account)}::text[]) as l (first, account)
    returning id, command->>'first' as first`;
  await announce(tx, "operation");
  return new Map(rows.map((row) => [row.first, row.id]));
}

/**
 * Writes lots as they were closed, each with the operation that seals it: their roots are fixed
 * from here on.
 */
export async function closeLots(
  tx: Tx,
  lots: readonly {
    first: string;
    segment: string;
    issuer: number;
    count: number;
    root: string;
    operation: string;
  }[],
): Promise<void> {
  await tx`
    insert into sealings (first, segment, issuer, count, root, operation)
    select * from unnest(
      ${lots.map((lot) => lot.first)}::numeric[], ${lots.map((lot) => lot.segment)}::numeric[],
      ${lots.map((lot) => lot.issuer)}::int[], ${lots.map((lot) => lot.count)}::int[],
      ${lots.map((lot) => lot.root)}::text[], ${lots.map((lot) => lot.operation)}::uuid[])`;
}

/**
 * Adds a signature to an operation that waits for it, under a lock that the caller has. `complete`:
 * it is the last one that is wanted, and the act goes on.
 */
export async function putSignatures(
  tx: Tx,
  id: string,
  signatures: Operation["signatures"],
  complete: boolean,
): Promise<void> {
  await tx`
    update operations set signatures = ${tx.json(signatures as unknown as Json)},
      status = ${complete ? "signed" : "awaiting-signature"}, updated_at = now()
    where id = ${id}`;
  await announce(tx, "operation");
}

/**
 * Whether an unfinished act covers one of these invoices; with `party`, an act that this account
 * requested.
 */
export async function busy(tx: Tx, numbers: readonly string[], party?: string): Promise<boolean> {
  const [row] = await tx`
    select 1 from operation_invoices i join operations o on o.id = i.operation
    where i.number = any(${[...numbers]}::numeric[])
      and ${party === undefined ? tx`true` : tx`o.party = ${party}`} limit 1`;
  return row !== undefined;
}

export async function find(tx: Tx, id: string): Promise<Operation | undefined> {
  const [row] = await tx<Operation[]>`select * from operations where id = ${id}`;
  return row;
}

/**
 * Ends an operation, so that the next one on its invoices can go on. If the chain refuses it, the
 * equal operations that waited for it end too: the chain would refuse each of them in the same way.
 */
export async function finish(
  tx: Tx,
  id: string,
  status: "done" | "refused" | "failed",
  more: { problem?: StoredProblem; result?: Record<string, Json> } = {},
): Promise<void> {
  await tx`
    update operations set status = ${status},
      problem = ${more.problem ? tx.json(more.problem as unknown as Json) : null},
           result = ${more.result ? tx.json(more.result) : null}, updated_at = now()
    where id = ${id}`;
  const { chain: _, ...extra } = more.problem?.extra ?? {};
  const copy = more.problem && {
    ...more.problem,
    extra: "alarm" in extra ? { ...extra, alarm: false } : extra,
  };
  const sameActs =
    status !== "refused"
      ? []
      : await tx<RowOf<"operations", "id">[]>`
          update operations e set status = ${status},
            problem = ${copy ? tx.json(copy as unknown as Json) : null}, updated_at = now()
          from operations o
          where o.id = ${id} and e.id <> o.id and e.status = 'queued' and ${sameAct(tx, "e", "o")}
            and exists (
              select 1 from operation_invoices mine
                join operation_invoices its on its.number = mine.number
              where mine.operation = o.id and its.operation = e.id)
          returning e.id`;
  await tx`
    delete from operation_invoices where
      operation = any(${[id, ...sameActs.map((row) => row.id)]}::uuid[])`;
  await announce(tx, "outcome");
}

/**
 * Ends an operation whose signed act nobody has: it was never sent, and a signature is missing.
 * True if it has ended, now or by an earlier refusal or failure; false if it is too late.
 */
export async function cancel(tx: Tx, id: string, problem: StoredProblem): Promise<boolean> {
  const [row] = await tx<
    (RowOf<"operations", "tries"> & { status: OperationStatus })[]
  >`select status, tries from operations where id = ${id} for update`;
  if (row?.status === "refused" || row?.status === "failed") return true;
  if ((row?.status !== "queued" && row?.status !== "awaiting-signature") || row.tries > 0)
    return false;
  await finish(tx, id, "failed", { problem });
  return true;
}

/** Whether an unfinished act of this kind covers one of these invoices. */
export async function isUnderWay(
  tx: Tx,
  kind: ActKind,
  numbers: readonly string[],
): Promise<boolean> {
  const [row] = await tx`
    select 1 from operation_invoices i join operations o on o.id = i.operation
    where i.number = any(${[...numbers]}::numeric[]) and o.command->>'kind' = ${kind} limit 1`;
  return row !== undefined;
}

/** Ends several operations as done. */
export async function finishDone(
  tx: Tx,
  done: readonly { id: string; result: Record<string, Json> }[],
): Promise<void> {
  const ids = done.map((row) => row.id);
  await tx`
    update operations o set status = 'done', problem = null, result = d.result::jsonb,
      updated_at = now()
    from unnest(${ids}::uuid[], ${done.map((row) => JSON.stringify(row.result))}::text[]) as d (id,
      result) where o.id = d.id`;
  await tx`delete from operation_invoices where operation = any(${ids}::uuid[])`;
  await announce(tx, "outcome");
}

/**
 * Returns an operation to the queue to be signed again, after `delayMs` milliseconds at the
 * earliest.
 */
export async function requeue(
  tx: Tx,
  id: string,
  problem: StoredProblem,
  delayMs: number,
): Promise<void> {
  await tx`
    update operations set status = 'queued', message = null, digest = null, signatures = '{}',
      send = null, tries = tries + 1,
           problem = ${tx.json(problem as unknown as Json)},
             not_before = now() + ${delayMs} * interval '1 millisecond', updated_at = now()
    where id = ${id}`;
  await announce(tx, "operation");
}
