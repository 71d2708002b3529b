/**
 * The dispatcher: takes operations from queued to sent.
 *
 * Acts on one invoice go one after the other, each signed on the version that the one before has
 * left, and acts on different invoices never wait for one another. Exception: on an invoice that is
 * reimbursed or reversed most acts cannot change it, so they wait for nobody and nobody waits for
 * them; the chain refuses them and so records the attempt. A red letter and an entry can. Of equal
 * acts of one party that make or decide a claim, one at a time goes to the chain, and the others
 * are answered from it. Signed acts and lots are packed into as few transactions as a node's limits
 * allow (chain/capacity.ts), written with their sends in one SQL transaction.
 */

import {
  type ActKind,
  actKinds,
  acts as actTable,
  isLate,
  kindNumber,
  needsEvidence,
  opensExternal,
} from "@onepiao/protocol/ledger/acts.ts";
import { isExternal, nameOf } from "@onepiao/protocol/ledger/external.ts";
import {
  actMessage,
  type CompactSignature,
  digest,
  type Message,
  noSignature,
} from "@onepiao/protocol/ledger/messages.ts";
import { type Evidence, type Leaf, leafHash } from "@onepiao/protocol/ledger/tree.ts";
import { type Capacity, callsOf, fits, loadOfAct, loadOfLot } from "../chain/capacity.ts";
import {
  type ActArgument,
  type Contracts,
  type LotArgument,
  ZERO_ACCOUNT,
} from "../chain/contracts.ts";
import { announce, type Changes, type Sql, type Tx } from "../db/db.ts";
import type { Lease } from "../db/leases.ts";
import type { Log } from "../kernel/log.ts";
import { createLoop, type Loop } from "../kernel/loop.ts";
import type { Keystore } from "../keys/keystore.ts";
import { leavesOfRuns, originalOf } from "../mirror/ledger.ts";
import { keysOf } from "../mirror/registry.ts";
import type { Lanes, Send } from "../txs/lanes.ts";
import type { EvidenceSource } from "./evidence.ts";
import { type Command, finish, type Operation, sameAct } from "./operations.ts";

export const RELAY_LANE = "relay";
export const BUREAU_LANE = "bureau";

type Deps = {
  sql: Sql;
  contracts: Contracts;
  keys: Keystore;
  lanes: Pick<Lanes, "submit">;
  evidence: EvidenceSource;
  changes: Changes;
  log: Log;
  lease: Lease;
  /** What one transaction may hold. */
  limit: Capacity;
  pollMs: number;
};

export type Dispatcher = Loop;

/** Operations taken up in one go. */
const PAGE = 500;
const SIGNATURE_TTL = "15 minutes";
/**
 * Upper bound of what a call of the registry uses (test/contracts/gas.json), or of one that the
 * bureau makes of the ledger.
 */
const REGISTRY_GAS = 300_000n;

/** What changes an invoice that is reimbursed or reversed. */
const AFTERWARDS = actKinds.filter(isLate);

export const dispatcherLock = 7_146_009_512;

/** An invoice as the mirror has it; `claim`: the reference of the claim that it is in. */
type Standing = { number: string; version: number; claim: string | null };

/** The order of decimal numbers of any length. */
const byNumber = (a: string, b: string): number => (BigInt(a) < BigInt(b) ? -1 : 1);

export function createDispatcher(deps: Deps): Dispatcher {
  const { sql, contracts, keys, lanes, log } = deps;
  // ── queued → signed ────────────────────────────────────────────────────────────────────────────

  async function heads(tx: Tx): Promise<Operation[]> {
    return tx<Operation[]>`
      select o.* from operations o
      where o.status = 'queued' and o.not_before <= now()
        and (o.command->>'type' not in ('act', 'seal') or not (select coalesce(bool_or(closed), false) from ledger_state)) and (
        case o.command->>'type'
          when 'act' then
            -- ids are of when a row was written, not of when it was committed: one that is under way may have a later id
            not exists (
              select 1 from operation_invoices mine
              join operation_invoices other on other.number = mine.number and other.operation <> mine.operation
              join operations p on p.id = other.operation
              where mine.operation = o.id and (other.operation < mine.operation or p.status <> 'queued') and ${sameAct(tx, "p", "o")})
            and (not exists (
              select 1 from operation_invoices mine
              join operation_invoices other on other.number = mine.number and other.operation <> mine.operation
              join operations p on p.id = other.operation
              where mine.operation = o.id and (other.operation < mine.operation or p.status <> 'queued')
                and (p.command->>'kind' = any(${AFTERWARDS})
                     or not exists (select 1 from invoice_states s where s.number = mine.number and s.state in ('reimbursed', 'reversed'))))
            or o.command->>'kind' <> all(${AFTERWARDS}) and exists (
              select 1 from operation_invoices mine join invoice_states s on s.number = mine.number
              where mine.operation = o.id and s.state in ('reimbursed', 'reversed')))
          when 'registry' then
            not exists (
              select 1 from operations earlier
              where earlier.party = o.party and earlier.id < o.id and earlier.command->>'type' = 'registry'
                and earlier.status in ('queued', 'awaiting-signature', 'signed', 'sent'))
          when 'seal' then
            exists (
              select 1 from sealings l join taxpayers t on t.index = l.issuer
              where l.operation = o.id and t.standing = 'active' and t.capabilities & 1 = 1)
          else true
        end)
      order by o.id limit ${PAGE} for update of o skip locked`;
  }

  /**
   * What would decide on a claim that is over is answered from what became of that claim, without
   * the chain. So a decision that has come too late is not signed anew, and never decides on a
   * later claim of the same invoices.
   */
  async function endDecided(tx: Tx): Promise<void> {
    const late = await tx<
      { id: string; kind: ActKind; number: string; state: string; mine: boolean }[]
    >`
      select distinct on (o.id) o.id, o.command->>'kind' as kind, s.number, s.state, s.claim_ref is not distinct from o.command->>'claim' as mine
      from operations o join operation_invoices i on i.operation = o.id join invoice_states s on s.number = i.number
      where o.status in ('queued', 'awaiting-signature') and o.command ? 'claim'
        and (s.state <> 'claimed' or s.claim_ref is distinct from o.command->>'claim')
      order by o.id, s.number`;
    for (const { id, kind, number, state, mine } of late) {
      const paid = state === "reimbursed" && state === actTable[kind].record.state && mine;
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

  /** A call of the bureau needs no signature of a party: it goes to the bureau's lane as it is. */
  async function sendCall(
    tx: Tx,
    operation: Operation,
    command: Extract<Command, { type: "call" }>,
  ): Promise<void> {
    const data =
      command.contract === "registry"
        ? contracts.registryCall(command.function, command.args)
        : contracts.ledgerCall(command.function, command.args);
    const send = await lanes.submit(tx, BUREAU_LANE, {
      to: contracts.deployment[command.contract],
      data,
      gas: REGISTRY_GAS,
    });
    await tx`update operations set status = 'sent', send = ${send}, updated_at = now() where id = ${operation.id}`;
  }

  /**
   * Signs what is at the head with the keys that are kept here: each step one statement for all of
   * them.
   */
  async function prepare(tx: Tx, operations: readonly Operation[]): Promise<void> {
    const messages = await messagesOf(tx, operations);
    const keyOf = await keysOf(tx, [
      ...new Set(operations.flatMap((operation) => operation.signers)),
    ]);
    const signed: {
      id: string;
      status: string;
      message: Message;
      digest: string;
      signatures: Record<string, CompactSignature>;
    }[] = [];
    const late: string[] = [];
    for (const operation of operations) {
      try {
        const message = messages.get(operation.id);
        // its claim has ended since the late ones were looked for: the next round ends it
        if (message === null) continue;
        if (!message) throw new Error("not all that it is about is there");
        const hash = digest(domainOf(operation.command), message);
        const signatures: Record<string, CompactSignature> = {};
        for (const signer of new Set(operation.signers)) {
          const signature = await keys.sign(keyOf.get(signer) ?? signer, hash);
          if (signature) signatures[signer] = signature;
        }
        const complete = operation.signers.every((signer) => signatures[signer]);
        signed.push({
          id: operation.id,
          status: complete ? "signed" : "awaiting-signature",
          message,
          digest: hash,
          signatures,
        });
      } catch (cause) {
        // its own fault: it waits, and the others go
        log.error(
          {
            operation: operation.id,
            error: cause instanceof Error ? cause.message : String(cause),
          },
          "an operation cannot be prepared",
        );
        late.push(operation.id);
      }
    }
    if (late.length > 0)
      await tx`update operations set not_before = now() + interval '5 seconds', tries = tries + 1 where id = any(${late}::uuid[])`;
    if (signed.length === 0) return;
    await tx`
      update operations o set status = s.status, message = s.message::jsonb, digest = s.digest, signatures = s.signatures::jsonb, updated_at = now()
      from unnest(${signed.map((one) => one.id)}::uuid[], ${signed.map((one) => one.status)}::text[], ${signed.map((one) => JSON.stringify(one.message))}::text[],
                  ${signed.map((one) => one.digest)}::text[], ${signed.map((one) => JSON.stringify(one.signatures))}::text[])
        as s (id, status, message, digest, signatures)
      where o.id = s.id`;
    await announce(tx, "operation");
  }

  const domainOf = (command: Command) =>
    command.type === "registry" ? contracts.domains.registry : contracts.domains.ledger;

  /**
   * What each of them signs, by its id; none for those whose invoices or lots are not all there,
   * null for those that decide on a claim that is over. Claim and version are read together: the
   * follower may commit between two reads, and who signs a later version of the invoice decides on
   * what has become of it since.
   */
  async function messagesOf(
    tx: Tx,
    operations: readonly Operation[],
  ): Promise<Map<string, Message | null>> {
    const commands = operations.map((operation) => operation.command);
    const firsts = commands.flatMap((command) => (command.type === "seal" ? [command.first] : []));
    const numbers = commands.flatMap((command) => (command.type === "act" ? command.invoices : []));
    const parties = operations
      .filter((operation) => operation.command.type === "registry")
      .map((operation) => operation.party);
    type Lot = { first: string; segment: string; issuer: number; count: number; root: string };
    const lots =
      firsts.length === 0
        ? []
        : await tx<
            Lot[]
          >`select first, segment, issuer, count, root from sealings where first = any(${firsts}::numeric[])`;
    const states =
      numbers.length === 0
        ? []
        : await tx<Standing[]>`
            select number, version, case when state = 'claimed' then claim_ref end as claim from invoice_states where number = any(${numbers}::numeric[])`;
    const accounts =
      parties.length === 0
        ? []
        : await tx<
            { account: string; counter: bigint }[]
          >`select account, counter from accounts where account = any(${parties}::text[])`;
    const lotOf = new Map(lots.map((lot) => [lot.first, lot]));
    const standingOf = new Map(states.map((row) => [row.number, row]));
    const counterOf = new Map(accounts.map((row) => [row.account, row.counter]));
    const messages = new Map<string, Message | null>();
    for (const { id, party, command } of operations) {
      const message =
        command.type === "seal"
          ? sealMessage(lotOf.get(command.first))
          : command.type === "registry"
            ? registryMessage(command, String(counterOf.get(party) ?? 0n))
            : command.type === "act"
              ? messageOfAct(command, standingOf)
              : undefined;
      if (message !== undefined) messages.set(id, message);
    }
    return messages;
  }

  function sealMessage(
    lot:
      | { first: string; segment: string; issuer: number; count: number; root: string }
      | undefined,
  ): Message | undefined {
    return (
      lot && {
        type: "Seal",
        value: {
          issuer: lot.issuer,
          segment: lot.segment,
          first: lot.first,
          count: lot.count,
          root: lot.root,
        },
      }
    );
  }

  function registryMessage(
    command: Extract<Command, { type: "registry" }>,
    counter: string,
  ): Message {
    if (command.message === "RotateKey")
      return { type: "RotateKey", value: { account: command.account, key: command.key, counter } };
    return {
      type: command.message,
      value: { index: command.index, period: command.period, amount: command.amount, counter },
    };
  }

  function messageOfAct(
    command: Extract<Command, { type: "act" }>,
    standingOf: ReadonlyMap<string, Standing>,
  ): Message | null | undefined {
    const invoices: { id: string; version: number }[] = [];
    for (const id of [...command.invoices].sort(byNumber)) {
      // an invoice issued elsewhere has no row before its first admission, here or through another
      // gateway
      const standing = standingOf.get(id);
      if (standing && command.claim !== undefined && standing.claim !== command.claim) return null;
      const version =
        standing?.version ?? (opensExternal(command.kind) && isExternal(id) ? 0 : undefined);
      if (version === undefined) return undefined;
      invoices.push({ id, version });
    }
    return actMessage(command.kind, { ...command, invoices });
  }

  // ── signed → sent ──────────────────────────────────────────────────────────────────────────────

  async function pack(tx: Tx): Promise<void> {
    const signed = await tx<Operation[]>`
      select * from operations where status = 'signed' and not_before <= now() order by id limit ${PAGE} for update skip locked`;
    if (signed.length === 0) return;
    const leaves = await leavesOfRuns(
      tx,
      signed.flatMap(({ command, message }) => (command.type === "seal" ? [runOf(message)] : [])),
    );
    const evidence = await evidenceOf(tx, signed);
    const acts: Packed<ActArgument>[] = [];
    const lots: Packed<LotArgument>[] = [];
    for (const operation of signed) {
      const { command } = operation;
      try {
        if (command.type === "act") acts.push(actOf(operation, command, evidence));
        else if (command.type === "seal")
          lots.push(lotOf(operation, leaves.get(command.first) ?? []));
        else if (command.type === "registry") await sendRegistry(tx, operation, command);
      } catch (cause) {
        // its own fault (stored leaves that are not what was sealed, too large for a node): it
        // waits with its signatures, and the others go
        log.error(
          {
            operation: operation.id,
            error: cause instanceof Error ? cause.message : String(cause),
          },
          "an operation cannot be sent",
        );
        await tx`update operations set not_before = now() + interval '5 seconds' where id = ${operation.id}`;
      }
    }
    const { ledger: to } = contracts.deployment;
    const argumentsOf = <T>(items: Packed<T>[]) => items.map((one) => one.argument);
    for (const { items, gas } of callsOf(acts, deps.limit))
      await sendCalls(tx, items, { to, data: contracts.act(argumentsOf(items)), gas });
    // numbers of a segment are sealed in order
    lots.sort((a, b) => byNumber(a.argument.first, b.argument.first));
    for (const { items, gas } of callsOf(lots, deps.limit))
      await sendCalls(tx, items, { to, data: contracts.seal(argumentsOf(items)), gas });
  }

  type Packed<T> = { operation: string; argument: T; load: Capacity };

  /** Throws for what no node would take: one that is sent all the same blocks the lane. */
  function packed<T>(operation: Operation, argument: T, load: Capacity): Packed<T> {
    if (!fits(load, deps.limit))
      throw new Error(
        `it does not fit into a transaction: ${load.bytes} bytes and ${load.gas} gas`,
      );
    return { operation: operation.id, argument, load };
  }

  async function sendCalls(
    tx: Tx,
    batch: readonly { operation: string }[],
    call: Send,
  ): Promise<void> {
    const send = await lanes.submit(tx, RELAY_LANE, call);
    await tx`update operations set status = 'sent', send = ${send}, updated_at = now() where id = any(${batch.map((one) => one.operation)}::uuid[])`;
  }

  type Named = { id: string; version: number };
  const invoicesOf = (message: Operation["message"]) =>
    (message?.value as { invoices: Named[] }).invoices;
  const runOf = (message: Operation["message"]) =>
    message?.value as { issuer: number; segment: string; first: string; count: number };

  async function evidenceOf(
    tx: Tx,
    operations: readonly Operation[],
  ): Promise<Map<string, Evidence | Error>> {
    const numbers = operations.flatMap(({ command, message }) =>
      command.type !== "act"
        ? []
        : invoicesOf(message).flatMap(({ id, version }) =>
            needsEvidence(command.kind, version) ? [id] : [],
          ),
    );
    if (numbers.length === 0) return new Map();
    return deps.evidence.among(tx, numbers);
  }

  function actOf(
    operation: Operation,
    command: Extract<Command, { type: "act" }>,
    found: ReadonlyMap<string, Evidence | Error>,
  ): Packed<ActArgument> {
    const invoices = invoicesOf(operation.message);
    const evidence: Evidence[] = [];
    for (const { id, version } of invoices) {
      if (!needsEvidence(command.kind, version)) continue;
      const one = found.get(id);
      if (one instanceof Error) throw one;
      if (one) evidence.push(one);
    }
    const [party, other] = operation.signers;
    const argument: ActArgument = {
      kind: kindNumber(command.kind),
      to: command.to ?? ZERO_ACCOUNT,
      taxpayer: command.taxpayer ?? 0,
      ref: command.ref,
      invoices,
      evidence,
      signature: operation.signatures[party ?? ""] ?? noSignature,
      consent: (other && operation.signatures[other]) || noSignature,
    };
    return packed(operation, argument, loadOfAct(argument));
  }

  function lotOf(operation: Operation, stored: readonly Leaf[]): Packed<LotArgument> {
    const lot = runOf(operation.message);
    const leaves = stored.map(leafHash);
    const seal = operation.signatures[operation.signers[0] ?? ""] ?? noSignature;
    const argument = { issuer: lot.issuer, segment: lot.segment, first: lot.first, leaves, seal };
    return packed(operation, argument, loadOfLot(leaves.length));
  }

  async function sendRegistry(
    tx: Tx,
    operation: Operation,
    command: Extract<Command, { type: "registry" }>,
  ): Promise<void> {
    const value = operation.message?.value as Record<string, string | number>;
    const signature = operation.signatures[operation.signers[0] ?? ""] ?? noSignature;
    const data =
      command.message === "RotateKey"
        ? contracts.registryCall("rotateKeySigned", [
            value["account"],
            value["key"],
            value["counter"],
            signature,
          ])
        : contracts.registryCall(command.message === "Draw" ? "draw" : "giveBack", [
            value["index"],
            value["period"],
            value["amount"],
            value["counter"],
            signature,
          ]);
    const send = await lanes.submit(tx, RELAY_LANE, {
      to: contracts.deployment.registry,
      data,
      gas: REGISTRY_GAS,
    });
    await tx`update operations set status = 'sent', send = ${send}, updated_at = now() where id = ${operation.id}`;
  }

  // ── the loop ───────────────────────────────────────────────────────────────────────────────────

  async function wake(): Promise<void> {
    await sql.begin(async (tx) => {
      // one dispatcher at a time: it keeps the order of the lots of a segment
      const [lock] = await tx<
        { got: boolean }[]
      >`select pg_try_advisory_xact_lock(${dispatcherLock}) as got`;
      if (!lock?.got) return;
      const late = await tx<{ id: string }[]>`
        select id from operations where status = 'awaiting-signature' and command->>'type' <> 'seal' and updated_at < now() - ${SIGNATURE_TTL}::interval`;
      for (const { id } of late) {
        await finish(tx, id, "failed", {
          problem: {
            code: "signature-expired",
            detail: `No signature came within ${SIGNATURE_TTL}`,
          },
        });
      }
      await endDecided(tx);
      const ready = await heads(tx);
      for (const operation of ready) {
        const { command } = operation;
        if (command.type !== "call") continue;
        await tx
          .savepoint((point) => sendCall(point, operation, command))
          .catch(async (cause: Error) => {
            log.error(
              { operation: operation.id, error: cause.message },
              "an operation cannot be prepared",
            );
            await tx`update operations set not_before = now() + interval '5 seconds', tries = tries + 1 where id = ${operation.id}`;
          });
      }
      const toSign = ready.filter((operation) => operation.command.type !== "call");
      if (toSign.length > 0) await prepare(tx, toSign);
      await pack(tx);
    });
  }

  return createLoop({
    atMostMs: deps.pollMs,
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
