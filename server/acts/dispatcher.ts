/**
 * The dispatcher: takes operations from queued to sent.
 *
 * Acts on one invoice go one after the other, each signed on the version that the one before has left, and acts on different
 * invoices never wait for one another. Exception: an act on an invoice that is reimbursed or reversed cannot change it, so it
 * waits for nobody; the chain refuses it and so records the attempt. Signed acts and lots are packed into as few transactions as
 * the block gas limit allows, written with their sends in one SQL transaction.
 */
import { type ActArgument, actKinds, type Contracts, type LotArgument, ZERO_ACCOUNT } from "../chain/contracts.ts";
import { type CompactSignature, digest, type Message, noSignature } from "../chain/messages.ts";
import { leafHash } from "../chain/tree.ts";
import { announce, type Changes, type Json, type Sql, type Tx } from "../db/db.ts";
import type { Log } from "../kernel/log.ts";
import type { Keystore } from "../keys/keystore.ts";
import { leavesOf } from "../mirror/ledger.ts";
import { keyOf } from "../mirror/registry.ts";
import type { Lanes } from "../txs/lanes.ts";
import type { EvidenceSource } from "./evidence.ts";
import { type Command, finish, type Operation } from "./operations.ts";

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
  /** Gas that one transaction may ask for. */
  gasLimit: bigint;
  pollMs: number;
};

export type Dispatcher = { start(): void; stop(): Promise<void> };

/** Operations taken up in one go. */
const PAGE = 500;
const MAX_BATCH = 100;
const SIGNATURE_TTL = "15 minutes";
// Upper bounds of what the contracts use (test/contracts/gas.json), so that a transaction never runs out
const GAS = { transaction: 60_000n, lot: 120_000n, leaf: 1_700n, act: 40_000n, touched: 25_000n, untouched: 75_000n, registry: 300_000n };

export const dispatcherLock = 7_146_009_512;

export function createDispatcher(deps: Deps): Dispatcher {
  const { sql, contracts, keys, lanes, log } = deps;
  let stopping = false;
  let running: Promise<void> = Promise.resolve();

  // ── queued → signed ─────────────────────────────────────────────────────────────────────────────────────────────────

  async function heads(tx: Tx): Promise<Operation[]> {
    return tx<Operation[]>`
      select o.* from operations o
      where o.status = 'queued' and o.not_before <= now()
        and (o.command->>'type' not in ('act', 'seal') or not (select coalesce(bool_or(closed), false) from ledger_state)) and (
        case o.command->>'type'
          when 'act' then
            not exists (
              select 1 from operation_invoices mine
              join operation_invoices earlier on earlier.number = mine.number and earlier.operation < mine.operation
              where mine.operation = o.id)
            or exists (
              select 1 from operation_invoices mine join invoice_states s on s.number = mine.number
              where mine.operation = o.id and s.state in ('reimbursed', 'reversed'))
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

  async function prepare(tx: Tx, operation: Operation): Promise<void> {
    const { command } = operation;
    if (command.type === "call") {
      const data =
        command.contract === "registry" ? contracts.registryCall(command.function, command.args) : contracts.ledgerCall(command.function, command.args);
      const to = contracts.deployment[command.contract];
      const send = await lanes.submit(tx, BUREAU_LANE, { to, data, gas: GAS.registry });
      await tx`update operations set status = 'sent', send = ${send}, updated_at = now() where id = ${operation.id}`;
      return;
    }
    const message = await messageOf(tx, operation, command);
    if (!message) throw new Error("not every invoice of the act is sealed");
    const hash = digest(domainOf(command), message);
    const signatures: Record<string, CompactSignature> = {};
    for (const signer of new Set(operation.signers)) {
      const signature = await keys.sign(await keyOf(tx, signer), hash);
      if (signature) signatures[signer] = signature;
    }
    const complete = operation.signers.every((signer) => signatures[signer]);
    await tx`
      update operations set status = ${complete ? "signed" : "awaiting-signature"}, message = ${tx.json(message as unknown as Json)},
             digest = ${hash}, signatures = ${tx.json(signatures as unknown as Json)}, updated_at = now()
      where id = ${operation.id}`;
    await announce(tx);
  }

  const domainOf = (command: Command) => (command.type === "registry" ? contracts.domains.registry : contracts.domains.ledger);

  async function messageOf(tx: Tx, operation: Operation, command: Exclude<Command, { type: "call" }>): Promise<Message | undefined> {
    if (command.type === "seal") {
      const [lot] = await tx<{ segment: string; issuer: number; count: number; root: string }[]>`
        select segment, issuer, count, root from sealings where first = ${command.first}`;
      if (!lot) throw new Error(`Operation ${operation.id} is about a lot that is not there`);
      return { type: "Seal", value: { issuer: lot.issuer, segment: lot.segment, first: command.first, count: lot.count, root: lot.root } };
    }
    if (command.type === "registry") {
      const [known] = await tx<{ counter: bigint }[]>`select counter from accounts where account = ${operation.party}`;
      const counter = String(known?.counter ?? 0n);
      if (command.message === "RotateKey") return { type: "RotateKey", value: { account: command.account, key: command.key, counter } };
      return { type: command.message, value: { index: command.index, period: command.period, amount: command.amount, counter } };
    }
    const rows = await tx<{ number: string; version: number }[]>`
      select number, version from invoice_states where number = any(${command.invoices}::numeric[]) order by number`;
    if (rows.length !== command.invoices.length) return undefined;
    const invoices = rows.map((row) => ({ id: row.number, version: row.version }));
    const value: Record<string, unknown> = { ref: command.ref, invoices };
    if (command.kind === "Transfer") value["to"] = command.to;
    else if (command.kind === "Reverse") value["issuer"] = command.taxpayer;
    else if (command.kind !== "Withdraw") value["employer"] = command.taxpayer;
    return { type: command.kind, value };
  }

  // ── signed → sent ───────────────────────────────────────────────────────────────────────────────────────────────────

  async function pack(tx: Tx): Promise<number> {
    const signed = await tx<Operation[]>`
      select * from operations where status = 'signed' and not_before <= now() order by id limit ${PAGE} for update skip locked`;
    const acts: Packed<ActArgument>[] = [];
    const lots: Packed<LotArgument>[] = [];
    for (const operation of signed) {
      const { command } = operation;
      try {
        if (command.type === "act") acts.push(await actOf(tx, operation, command));
        else if (command.type === "seal") lots.push(await lotOf(tx, operation, command));
        else if (command.type === "registry") await sendRegistry(tx, operation, command);
      } catch (cause) {
        // its own fault (stored leaves that are not what was sealed): it waits with its signatures, and the others go
        log.error({ operation: operation.id, error: cause instanceof Error ? cause.message : String(cause) }, "an operation cannot be sent");
        await tx`update operations set not_before = now() + interval '5 seconds' where id = ${operation.id}`;
      }
    }
    const { ledger } = contracts.deployment;
    for (const batch of batches(acts)) await sendBatch(tx, batch, { to: ledger, data: contracts.act(batch.map((one) => one.argument)) });
    // numbers of a segment are sealed in order
    lots.sort((a, b) => (BigInt(a.argument.first) < BigInt(b.argument.first) ? -1 : 1));
    for (const batch of batches(lots)) await sendBatch(tx, batch, { to: ledger, data: contracts.seal(batch.map((one) => one.argument)) });
    return signed.length;
  }

  type Packed<T> = { operation: string; argument: T; gas: bigint };

  function* batches<T>(all: Packed<T>[]): Generator<Packed<T>[]> {
    let [batch, gas]: [Packed<T>[], bigint] = [[], GAS.transaction];
    for (const one of all) {
      if (batch.length > 0 && (batch.length === MAX_BATCH || gas + one.gas > deps.gasLimit)) {
        yield batch;
        [batch, gas] = [[], GAS.transaction];
      }
      batch.push(one);
      gas += one.gas;
    }
    if (batch.length > 0) yield batch;
  }

  async function sendBatch<T>(tx: Tx, batch: Packed<T>[], call: { to: string; data: string }): Promise<void> {
    const gas = batch.reduce((sum, one) => sum + one.gas, GAS.transaction);
    const send = await lanes.submit(tx, RELAY_LANE, { ...call, gas });
    await tx`update operations set status = 'sent', send = ${send}, updated_at = now() where id = any(${batch.map((one) => one.operation)}::uuid[])`;
  }

  async function actOf(tx: Tx, operation: Operation, command: Extract<Command, { type: "act" }>): Promise<Packed<ActArgument>> {
    const invoices = (operation.message?.value as { invoices: { id: string; version: number }[] }).invoices;
    const evidence = [];
    let gas = GAS.act;
    for (const { id, version } of invoices) {
      gas += version === 0 ? GAS.untouched : GAS.touched;
      if (version !== 0 && command.kind !== "Reverse") continue;
      const one = await deps.evidence.of(tx, id);
      if (one) evidence.push(one);
    }
    const [party, other] = operation.signers;
    const argument: ActArgument = {
      kind: actKinds.indexOf(command.kind),
      to: command.to ?? ZERO_ACCOUNT,
      taxpayer: command.taxpayer ?? 0,
      ref: command.ref,
      invoices,
      evidence,
      signature: operation.signatures[party ?? ""] ?? noSignature,
      consent: (other && operation.signatures[other]) || noSignature,
    };
    return { operation: operation.id, argument, gas };
  }

  async function lotOf(tx: Tx, operation: Operation, command: Extract<Command, { type: "seal" }>): Promise<Packed<LotArgument>> {
    const lot = operation.message?.value as { issuer: number; segment: string; first: string; count: number };
    const leaves = (await leavesOf(tx, command.first, lot.count)).map(leafHash);
    const seal = operation.signatures[operation.signers[0] ?? ""] ?? noSignature;
    const argument = { issuer: lot.issuer, segment: lot.segment, first: lot.first, leaves, seal };
    return { operation: operation.id, argument, gas: GAS.lot + GAS.leaf * BigInt(leaves.length) };
  }

  async function sendRegistry(tx: Tx, operation: Operation, command: Extract<Command, { type: "registry" }>): Promise<void> {
    const value = operation.message?.value as Record<string, string | number>;
    const signature = operation.signatures[operation.signers[0] ?? ""] ?? noSignature;
    const data =
      command.message === "RotateKey"
        ? contracts.registryCall("rotateKeySigned", [value["account"], value["key"], value["counter"], signature])
        : contracts.registryCall(command.message === "Draw" ? "draw" : "giveBack", [
            value["index"],
            value["period"],
            value["amount"],
            value["counter"],
            signature,
          ]);
    const send = await lanes.submit(tx, RELAY_LANE, { to: contracts.deployment.registry, data, gas: GAS.registry });
    await tx`update operations set status = 'sent', send = ${send}, updated_at = now() where id = ${operation.id}`;
  }

  // ── the loop ────────────────────────────────────────────────────────────────────────────────────────────────────────

  async function wake(): Promise<void> {
    await sql.begin(async (tx) => {
      // one dispatcher at a time: it keeps the order of the lots of a segment
      const [lock] = await tx<{ got: boolean }[]>`select pg_try_advisory_xact_lock(${dispatcherLock}) as got`;
      if (!lock?.got) return;
      const late = await tx<{ id: string }[]>`
        select id from operations where status = 'awaiting-signature' and command->>'type' <> 'seal' and updated_at < now() - ${SIGNATURE_TTL}::interval`;
      for (const { id } of late) {
        await finish(tx, id, "failed", { problem: { code: "signature-expired", detail: `No signature came within ${SIGNATURE_TTL}` } });
      }
      for (const operation of await heads(tx)) {
        await tx
          .savepoint((point) => prepare(point, operation))
          .catch(async (cause: Error) => {
            log.error({ operation: operation.id, error: cause.message }, "an operation cannot be prepared");
            await tx`update operations set not_before = now() + interval '5 seconds', tries = tries + 1 where id = ${operation.id}`;
          });
      }
      await pack(tx);
    });
  }

  async function run(): Promise<void> {
    while (!stopping) {
      const change = deps.changes.wait(deps.pollMs);
      try {
        await wake();
      } catch (cause) {
        if (!stopping) log.warn({ error: cause instanceof Error ? cause.message : String(cause) }, "the dispatcher waits");
      }
      await change;
    }
  }

  return {
    start() {
      stopping = false;
      running = run();
    },
    async stop() {
      stopping = true;
      await running;
    },
  };
}
