/**
 * Sending: packs signed acts and lots into as few transactions as a node's limits allow
 * (chain/capacity.ts), and writes each transaction together with the state of its operations.
 */
import { kindNumber, needsEvidence } from "@onepiao/protocol/ledger/acts.ts";
import { noSignature } from "@onepiao/protocol/ledger/messages.ts";
import { type Evidence, type Leaf, leafHash } from "@onepiao/protocol/ledger/tree.ts";
import { leavesOfRuns } from "../accepted/leaves.ts";
import { type Capacity, callsOf, fits, loadOfAct, loadOfLot } from "../chain/capacity.ts";
import {
  type ActArgument,
  type Contracts,
  type LotArgument,
  ZERO_ACCOUNT,
} from "../chain/contracts.ts";
import type { Tx } from "../db/db.ts";
import type { Log } from "../kernel/log.ts";
import type { Lanes, Send } from "../txs/lanes.ts";
import type { EvidenceSource } from "./evidence.ts";
import { byNumber, type Command, type Operation } from "./operations.ts";

export const RELAY_LANE = "relay";
export const BUREAU_LANE = "bureau";

/** Operations packed at once. */
const PAGE = 500;
/**
 * Upper bound of the gas of a registry call (test/contracts/gas.json), or of the bureau's calls of
 * the ledger.
 */
const REGISTRY_GAS = 300_000n;

type Packed<T> = { operation: string; argument: T; load: Capacity };
type Named = { id: string; version: number };
const invoicesOf = (message: Operation["message"]) =>
  (message?.value as { invoices: Named[] }).invoices;
const runOf = (message: Operation["message"]) =>
  message?.value as { issuer: number; segment: string; first: string; count: number };

export type Sending = ReturnType<typeof createSending>;

type Deps = {
  contracts: Contracts;
  lanes: Pick<Lanes, "submit">;
  evidence: EvidenceSource;
  /** The limits of one transaction. */
  limit: Capacity;
  log: Log;
};

export function createSending({ contracts, lanes, evidence, limit, log }: Deps) {
  /** Throws if no node would accept the operation's call: it would block its lane. */
  function packed<T>(operation: Operation, argument: T, load: Capacity): Packed<T> {
    if (!fits(load, limit))
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
    await tx`
      update operations set status = 'sent', send = ${send}, updated_at = now()
        where id = any(${batch.map((item) => item.operation)}::uuid[])`;
  }

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
    return evidence.getMany(tx, numbers);
  }

  function actOf(
    operation: Operation,
    command: Extract<Command, { type: "act" }>,
    proofs: ReadonlyMap<string, Evidence | Error>,
  ): Packed<ActArgument> {
    const invoices = invoicesOf(operation.message);
    const needed: Evidence[] = [];
    for (const { id, version } of invoices) {
      if (!needsEvidence(command.kind, version)) continue;
      const proof = proofs.get(id);
      if (proof instanceof Error) throw proof;
      if (proof) needed.push(proof);
    }
    const [party, other] = operation.signers;
    const argument: ActArgument = {
      kind: kindNumber(command.kind),
      to: command.to ?? ZERO_ACCOUNT,
      taxpayer: command.taxpayer ?? 0,
      ref: command.ref,
      invoices,
      evidence: needed,
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
    await tx`
      update operations set status = 'sent', send = ${send}, updated_at = now()
        where id = ${operation.id}`;
  }

  return {
    /** A call of the bureau needs no party's signature: it goes to the bureau's lane at once. */
    async sendCall(
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
      await tx`
        update operations set status = 'sent', send = ${send}, updated_at = now()
          where id = ${operation.id}`;
    },

    /** Packs the signed operations; one that cannot be sent waits for 5 seconds. */
    async pack(tx: Tx): Promise<void> {
      const signed = await tx<Operation[]>`
        select * from operations where status = 'signed' and not_before <= now() order by id
          limit ${PAGE} for update skip locked`;
      if (signed.length === 0) return;
      const leaves = await leavesOfRuns(
        tx,
        signed.flatMap(({ command, message }) => (command.type === "seal" ? [runOf(message)] : [])),
      );
      const proofs = await evidenceOf(tx, signed);
      const acts: Packed<ActArgument>[] = [];
      const lots: Packed<LotArgument>[] = [];
      for (const operation of signed) {
        const { command } = operation;
        try {
          if (command.type === "act") acts.push(actOf(operation, command, proofs));
          else if (command.type === "seal")
            lots.push(lotOf(operation, leaves.get(command.first) ?? []));
          else if (command.type === "registry") await sendRegistry(tx, operation, command);
        } catch (cause) {
          // the operation's own fault: stored leaves that differ from the sealed ones, or too large
          // for a node. It waits with its signatures, and the others go on
          log.error(
            {
              operation: operation.id,
              error: cause instanceof Error ? cause.message : String(cause),
            },
            "an operation cannot be sent",
          );
          await tx`
            update operations set not_before = now() + interval '5 seconds'
              where id = ${operation.id}`;
        }
      }
      const { ledger: to } = contracts.deployment;
      const argumentsOf = <T>(items: Packed<T>[]) => items.map((item) => item.argument);
      for (const { items, gas } of callsOf(acts, limit))
        await sendCalls(tx, items, { to, data: contracts.act(argumentsOf(items)), gas });
      // the numbers of a segment are sealed in order
      lots.sort((a, b) => byNumber(a.argument.first, b.argument.first));
      for (const { items, gas } of callsOf(lots, limit))
        await sendCalls(tx, items, { to, data: contracts.seal(argumentsOf(items)), gas });
    },
  };
}
