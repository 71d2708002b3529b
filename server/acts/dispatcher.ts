/**
 * The dispatcher: takes operations from queued to sent. This file decides which operation is next;
 * signing.ts signs, sending.ts packs and sends, all in one SQL transaction.
 *
 * Acts on one invoice go one after another, each signed on the version that the previous one left.
 * Acts on different invoices never wait for each other. Exception: most acts cannot change an
 * invoice that is reimbursed or reversed, so they wait for no other act and no act waits for them;
 * the chain refuses them and thereby records the attempt. A red letter and an entry can change it,
 * and wait. Of equal acts of one party that make or decide a claim, one at a time goes to the
 * chain, and its outcome answers the others.
 */

import { type ActKind, actKinds, acts as actTable, isLate } from "@onepiao/protocol/ledger/acts.ts";
import { nameOf } from "@onepiao/protocol/ledger/external.ts";
import type { Capacity } from "../chain/capacity.ts";
import type { Contracts } from "../chain/contracts.ts";
import type { Changes, Sql, Tx } from "../db/db.ts";
import type { Lease } from "../db/leases.ts";
import type { RowOf } from "../db/tables.ts";
import type { Log } from "../kernel/log.ts";
import { createLoop, type Loop } from "../kernel/loop.ts";
import type { Keystore } from "../keys/keystore.ts";
import { originalOf } from "../mirror/ledger.ts";
import type { Lanes } from "../txs/lanes.ts";
import type { EvidenceSource } from "./evidence.ts";
import { finish, type Operation, sameAct } from "./operations.ts";
import { createSending } from "./sending.ts";
import { createSigning } from "./signing.ts";

/**
 * Changes wake the dispatcher. It also looks this often without one, because only time brings late
 * signatures and operations that were put off.
 */
const IDLE_MS = 500;

type Deps = {
  sql: Sql;
  contracts: Contracts;
  keys: Keystore;
  lanes: Pick<Lanes, "submit">;
  evidence: EvidenceSource;
  changes: Changes;
  log: Log;
  lease: Lease;
  /** The limits of one transaction. */
  limit: Capacity;
  pollMs: number;
};

export type Dispatcher = Loop;

/** Operations taken in one turn. */
const PAGE = 500;
const SIGNATURE_TTL = "15 minutes";

/** The acts that can still change an invoice that is reimbursed or reversed. */
const AFTERWARDS = actKinds.filter(isLate);

export const dispatcherLock = 7_146_009_512;

/** The operations that may go on now. */
async function heads(tx: Tx): Promise<Operation[]> {
  return tx<Operation[]>`
    select o.* from operations o
    where o.status = 'queued' and o.not_before <= now()
      and (o.command->>'type' not in ('act', 'seal') or not (select coalesce(bool_or(closed), false)
        from ledger_state)) and (
      case o.command->>'type'
        when 'act' then
          -- an id says when its row was written, not committed: a sent operation may have a later id
          not exists (
            select 1 from operation_invoices mine
            join operation_invoices other on other.number = mine.number
              and other.operation <> mine.operation
            join operations p on p.id = other.operation
            where mine.operation = o.id and (other.operation < mine.operation
              or p.status <> 'queued') and ${sameAct(tx, "p", "o")})
          and (not exists (
            select 1 from operation_invoices mine
            join operation_invoices other on other.number = mine.number
              and other.operation <> mine.operation
            join operations p on p.id = other.operation
            where mine.operation = o.id and (other.operation < mine.operation
              or p.status <> 'queued')
              and (p.command->>'kind' = any(${AFTERWARDS})
                   or not exists (select 1 from record_now s where s.number = mine.number
                     and s.state in ('reimbursed', 'reversed'))))
          or o.command->>'kind' <> all(${AFTERWARDS}) and exists (
            select 1 from operation_invoices mine join record_now s on s.number = mine.number
            where mine.operation = o.id and s.state in ('reimbursed', 'reversed')))
        when 'registry' then
          not exists (
            select 1 from operations earlier
            where earlier.party = o.party and earlier.id < o.id
              and earlier.command->>'type' = 'registry'
              and earlier.status in ('queued', 'awaiting-signature', 'signed', 'sent'))
        when 'seal' then
          exists (
            select 1 from sealings l join taxpayer_now t on t.index = l.issuer
            where l.operation = o.id and t.standing = 'active' and t.capabilities & 1 = 1)
        else true
      end)
    order by o.id limit ${PAGE} for update of o skip locked`;
}

/**
 * Ends the operations that would decide on a claim that is over, with the outcome of that claim and
 * without the chain. So a decision that comes too late is not signed again, and never decides on a
 * later claim of the same invoices.
 */
async function endDecided(tx: Tx): Promise<void> {
  const late = await tx<
    (RowOf<"operations", "id"> &
      RowOf<"record_now", "number" | "state"> & { kind: ActKind; mine: boolean })[]
  >`
    select distinct on (o.id) o.id, o.command->>'kind' as kind, s.number, s.state,
      s.claim_ref is not distinct from o.command->>'claim' as mine
    from operations o join operation_invoices i on i.operation = o.id
      join record_now s on s.number = i.number
    where o.status in ('queued', 'awaiting-signature') and o.command ? 'claim'
      and (s.state <> 'claimed' or s.claim_ref is distinct from o.command->>'claim')
    order by o.id, s.number`;
  for (const { id, kind, number, state, mine: ownClaim } of late) {
    const paid = state === "reimbursed" && state === actTable[kind].record.state && ownClaim;
    const detail = paid
      ? "The claim is reimbursed already"
      : `The claim is over: invoice ${nameOf(number)} is ${state}`;
    const original = await originalOf(tx, number);
    await finish(tx, id, "refused", {
      problem: {
        code: paid ? "already-reimbursed" : "claim-state",
        detail,
        extra: { ...(original ? { original } : {}), alarm: false },
      },
    });
  }
}

async function endUnsigned(tx: Tx): Promise<void> {
  const late = await tx<RowOf<"operations", "id">[]>`
    select id from operations where status = 'awaiting-signature' and command->>'type' <> 'seal'
      and updated_at < now() - ${SIGNATURE_TTL}::interval`;
  for (const { id } of late) {
    await finish(tx, id, "failed", {
      problem: {
        code: "signature-expired",
        detail: `No signature came within ${SIGNATURE_TTL}`,
      },
    });
  }
}

export function createDispatcher(deps: Deps): Dispatcher {
  const { sql, log } = deps;
  const signing = createSigning(deps);
  const sending = createSending(deps);

  /** One statement, because there is nothing to do most of the time. */
  const hasWork = async () =>
    (
      await sql`select 1 from operations where status in ('queued', 'awaiting-signature', 'signed')
        limit 1`
    ).length > 0;

  async function wake(): Promise<void> {
    if (!(await hasWork())) return;
    await sql.begin(async (tx) => {
      // one dispatcher at a time, which keeps the order of a segment's lots
      const [lock] = await tx<
        { got: boolean }[]
      >`select pg_try_advisory_xact_lock(${dispatcherLock}) as got`;
      if (!lock?.got) return;
      await endUnsigned(tx);
      await endDecided(tx);
      const ready = await heads(tx);
      for (const operation of ready) {
        const { command } = operation;
        if (command.type !== "call") continue;
        await tx
          .savepoint((point) => sending.sendCall(point, operation, command))
          .catch(async (cause: Error) => {
            log.error(
              { operation: operation.id, error: cause.message },
              "an operation cannot be prepared",
            );
            await tx`
              update operations set not_before = now() + interval '5 seconds', tries = tries + 1
                where id = ${operation.id}`;
          });
      }
      const toSign = ready.filter((operation) => operation.command.type !== "call");
      if (toSign.length > 0) await signing.sign(tx, toSign);
      await sending.pack(tx);
    });
  }

  return createLoop({
    atMostMs: Math.max(deps.pollMs, IDLE_MS),
    listen: (changed) => deps.changes.on(["operation", "outcome", "block", "lease"], changed),
    turn: async () => (deps.lease.held() ? wake() : undefined),
    failed(cause) {
      log.warn(
        { error: cause instanceof Error ? cause.message : String(cause) },
        "the dispatcher waits",
      );
    },
  });
}
