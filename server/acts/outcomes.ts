/**
 * The outcomes of operations, read from the chain's events in the follower's transaction.
 *
 * A success counts regardless of who relayed it. A refusal counts only in a transaction of ours: a
 * stranger may send a copy of a pending act with a broken signature, and its refusal says nothing
 * about ours.
 */

import { type ActKind, acts, opensExternal } from "@onepiao/protocol/ledger/acts.ts";
import { codeOfChainError } from "@onepiao/protocol/values/problems.ts";
import { errorName, revertReason } from "../chain/contracts.ts";
import type { Json, Tx } from "../db/db.ts";
import type { RowOf } from "../db/tables.ts";
import { onActs } from "../feed/acts.ts";
import { type Applied, each, type Projection } from "../feed/follower.ts";
import { entriesOf, originalEntry } from "../mirror/entries.ts";
import { originalOf } from "../mirror/ledger.ts";
import { NEVER_LANDED } from "../txs/lanes.ts";
import { finish, finishDone, requeue, type StoredProblem } from "./operations.ts";

/** How often a stale act is signed again before it fails. */
const MAX_TRIES = 5;
const RETRY_MS = 2_000;

/** Refusals that the existing mark of book entry explains better than the state. */
const aboutEntry: ReadonlySet<string> = new Set(["already-entered", "not-entered"]);

const resultOf = (event: Applied): Record<string, Json> => ({
  at: event.at.toISOString(),
  block: event.block,
  tx: event.tx,
});

/** The ledger emits one event for each invoice of an act. */
async function succeeded(tx: Tx, run: readonly Applied[]): Promise<void> {
  const events = new Map(run.map((event) => [String(event.args["act"]), event]));
  // if two operations signed the same versions, the one whose own transaction it was
  const rows = await tx<(RowOf<"operations", "id"> & { digest: string })[]>`
    select distinct on (o.digest) o.id, o.digest
    from unnest(${[...events.keys()]}::text[],
      ${[...events.values()].map((event) => event.tx)}::text[]) as e (digest, tx)
    join operations o on o.digest = e.digest and o.status in ('signed', 'sent')
      left join send_now s on s.id = o.send
    where not exists (select 1 from operations d where d.digest = o.digest and d.status = 'done')
    order by o.digest, (s.hash = e.tx) desc nulls last, o.id`;
  if (rows.length === 0) return;
  await finishDone(
    tx,
    rows.map((row) => ({ id: row.id, result: resultOf(events.get(row.digest) as Applied) })),
  );
}

/**
 * The events in transactions of ours: strangers may fill a block with refusals, so these are not
 * examined one by one.
 */
async function inOurSends(tx: Tx, run: readonly Applied[]): Promise<Applied[]> {
  const rows = await tx<{ hash: string }[]>`
    select hash from send_now where
      hash = any(${[...new Set(run.map((event) => event.tx))]}::text[])`;
  const ours = new Set(rows.map((row) => row.hash));
  return run.filter((event) => ours.has(event.tx));
}

async function refused(tx: Tx, event: Applied): Promise<void> {
  const [row] = await tx<
    (RowOf<"operations", "id" | "tries"> & { act: ActKind | null; actor: string | null })[]
  >`
    select o.id, o.tries, o.command->>'kind' as act, o.signers[1] as actor from operations o
      join send_now s on s.id = o.send
    where o.digest = ${String(event.args["act"])} and o.status = 'sent' and s.hash = ${event.tx}
      order by o.id limit 1`;
  if (!row) return;
  const number = String(event.args["id"]);
  // for an invoice issued elsewhere, the refusal hides the argument `found`: it would reveal the
  // holder
  const problem = problemOf(
    String(event.args["reason"]),
    row.act !== null && opensExternal(row.act) ? [number] : [number, String(event.args["found"])],
  );
  if (problem.code === "stale-version" && row.tries < MAX_TRIES)
    return requeue(tx, row.id, problem, 0);
  // an answer "already …" carries what exists already
  const original = await originalOf(tx, number);
  const extra: Record<string, Json> = { ...problem.extra, alarm: event.args["alarm"] as boolean };
  const entry = aboutEntry.has(problem.code)
    ? (await entriesOf(tx, [number])).get(number)
    : undefined;
  if (entry) extra["original"] = originalEntry(entry);
  else if (original) extra["original"] = original;
  // two receivers took the same invoice over: the second one's signature is good, but no longer the
  // holder's
  const handsOn = row.act !== null && acts[row.act].consents?.who === "receiver";
  const overtaken =
    handsOn && problem.code === "signature-invalid" && (await heldByAnother(tx, number, row.actor));
  const outcome: StoredProblem = overtaken
    ? { code: "already-taken-over", detail: "Another holder was faster" }
    : problem;
  await finish(tx, row.id, "refused", { problem: { ...outcome, extra } });
}

const heldByAnother = async (tx: Tx, number: string, account: string | null) =>
  (
    await tx`
      select 1 from record_now where number = ${number} and holder is distinct from ${account}`
  ).length === 1;

/** The catalogue's problem for a contract's reason: selector, then the error's arguments. */
function problemOf(reason: string, args: string[]): StoredProblem {
  const name = errorName(reason.slice(0, 10)) ?? "";
  return {
    code: codeOfChainError(name) ?? "internal",
    detail: `The chain refused it: ${name || reason}`,
    extra: { chain: { error: name, args } },
  };
}

async function registryEvent(tx: Tx, event: Applied): Promise<void> {
  const [row] = await tx<RowOf<"operations", "id">[]>`
    select o.id from operations o join send_now s on s.id = o.send where s.hash = ${event.tx}
      and o.status = 'sent'`;
  const result: Record<string, Json> = {
    ...event.args,
    at: event.at.toISOString(),
    block: event.block,
    tx: event.tx,
  };
  if (row) await finish(tx, row.id, "done", { result });
}

/**
 * A transaction was reverted: an operation that was sent alone is refused with the reason; acts and
 * lots are sent again. So is everything in a transaction that can no longer reach the chain.
 */
export async function sendFailed(tx: Tx, send: bigint, reason: string): Promise<void> {
  const rows = await tx<
    (RowOf<"operations", "id"> & { type: string })[]
  >`select id, command->>'type' as type from operations where send = ${send} and status = 'sent'`;
  const error = reason.startsWith("0x") ? revertReason(reason) : undefined;
  const code = (error && codeOfChainError(error.name)) ?? "internal";
  const problem: StoredProblem = {
    code,
    detail: NEVER_LANDED.has(reason)
      ? `Its transaction was ${reason}`
      : `The chain reverted it: ${error ? error.name : reason || "no reason given"}`,
    extra: error ? { chain: { error: error.name, args: error.args } } : {},
  };
  for (const row of rows) {
    const requeued =
      NEVER_LANDED.has(reason) ||
      row.type === "act" ||
      row.type === "seal" ||
      code === "counter-mismatch";
    if (requeued) await requeue(tx, row.id, problem, RETRY_MS);
    else await finish(tx, row.id, "refused", { problem });
  }
}

export const outcomes: Projection = {
  name: "outcomes",
  tables: ["ledger_state"],
  on: {
    ...onActs(() => succeeded),
    async Refused(tx, run) {
      for (const event of await inOurSends(tx, run)) await refused(tx, event);
    },
    async LotSealed(tx, run) {
      const events = new Map(run.map((event) => [String(event.args["first"]), event]));
      const rows = await tx<(RowOf<"operations", "id"> & RowOf<"sealings", "first">)[]>`
        select o.id, l.first from unnest(${[...events.keys()]}::numeric[],
          ${[...events.values()].map((event) => event.args["root"])}::text[]) as e (first, root)
        join sealings l on l.first = e.first and l.root = e.root
          join operations o on o.id = l.operation where o.status in ('signed', 'sent')`;
      if (rows.length === 0) return;
      await finishDone(
        tx,
        rows.map((row) => ({ id: row.id, result: resultOf(events.get(row.first) as Applied) })),
      );
    },
    async LotRefused(tx, run) {
      for (const event of await inOurSends(tx, run)) {
        const [row] = await tx<RowOf<"operations", "id">[]>`
          select o.id from sealings l join operations o on o.id = l.operation
            join send_now s on s.id = o.send
          where l.first = ${String(event.args["first"])} and o.status = 'sent'
            and s.hash = ${event.tx}`;
        // an accepted invoice will be sealed: the lot waits until its issuer is active, or until
        // the previous lot is sealed
        if (row)
          await requeue(
            tx,
            row.id,
            problemOf(String(event.args["reason"]), [
              String(event.args["first"]),
              String(event.args["found"]),
            ]),
            RETRY_MS,
          );
      }
    },
    TaxpayerEnrolled: each(registryEvent),
    StandingChanged: each(registryEvent),
    CapabilitiesChanged: each(registryEvent),
    KeyRotated: each(registryEvent),
    QuotaSet: each(registryEvent),
    QuotaDrawn: each(registryEvent),
    QuotaGivenBack: each(registryEvent),
    SegmentAllotted: each(registryEvent),
    ClosedSet: each(async (tx, event) => {
      await tx`
        insert into ledger_state (closed) values (${event.args["closed"] as boolean})
          on conflict (id) do update set closed = excluded.closed`;
      await registryEvent(tx, event);
    }),
  },
};
