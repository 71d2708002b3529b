/**
 * The contracts' interface for the gateway: calldata out, events and errors in. Values are plain:
 * numbers up to 2^53 as number, larger ones as decimal strings or bigint, addresses with checksums.
 */

import type { CompactSignature, Domain } from "@onepiao/protocol/ledger/messages.ts";
import type { Evidence } from "@onepiao/protocol/ledger/tree.ts";
import { type EventFragment, Interface, type Result } from "ethers";
import { AccessManager__factory } from "../../types/ethers-contracts/factories/@openzeppelin/contracts/access/manager/AccessManager__factory.ts";
import { InvoiceLedger__factory } from "../../types/ethers-contracts/factories/contracts/InvoiceLedger__factory.ts";
import { TaxpayerRegistry__factory } from "../../types/ethers-contracts/factories/contracts/TaxpayerRegistry__factory.ts";
import type { RawLog } from "./client.ts";
import type { Deployment } from "./deploy.ts";

/**
 * The marks of book entry by their codes: 2 entered and deductible, 3 entered and not deductible, 6
 * entry revoked. 1: not entered.
 */
export const entryMarks = [1, 2, 3, 6] as const;
export type EntryMark = (typeof entryMarks)[number];
/** A number as an act's `ref`; an entry names its mark in this way. */
export const refOf = (number: bigint | number | string): string =>
  `0x${BigInt(number).toString(16).padStart(64, "0")}`;

/** The capabilities of a taxpayer as a bit set. */
export const capabilityBits = { issuer: 1, employer: 2 } as const;

export type LotArgument = {
  issuer: number;
  segment: string;
  first: string;
  leaves: string[];
  seal: CompactSignature;
};
export type ActArgument = {
  kind: number;
  to: string;
  taxpayer: number;
  ref: string;
  invoices: { id: string; version: number }[];
  evidence: Evidence[];
  signature: CompactSignature;
  consent: CompactSignature;
};

export type ChainEvent = {
  contract: "registry" | "ledger";
  name: string;
  /** Arguments by name: uint up to 48 bits as number, larger as decimal string. */
  args: Record<string, string | number | boolean>;
  block: number;
  index: number;
  tx: string;
};

export const ZERO_ACCOUNT = `0x${"00".repeat(20)}`;
export const ZERO_REF = `0x${"00".repeat(32)}`;

const ledger = new Interface(InvoiceLedger__factory.abi);
const registry = new Interface(TaxpayerRegistry__factory.abi);
const manager = new Interface(AccessManager__factory.abi);

/** Events by their topic. `parseLog` of ethers hashes the text of each event until one fits. */
function eventsOf(contract: Interface): Map<string | undefined, EventFragment> {
  const events = new Map<string | undefined, EventFragment>();
  contract.forEachEvent((fragment) => void events.set(fragment.topicHash, fragment));
  return events;
}
const readers = {
  ledger: { contract: ledger, events: eventsOf(ledger) },
  registry: { contract: registry, events: eventsOf(registry) },
};

/** The first four bytes of calldata for the ledger's `act`. */
export const ACT_SELECTOR = ledger.getFunction("act")?.selector as string;

function plain(name: string, type: string, value: unknown): string | number | boolean {
  if (typeof value !== "bigint") return value as string | boolean;
  const bits = Number(/^uint(\d+)$/.exec(type)?.[1] ?? 256);
  return bits <= 48 && name !== "" ? Number(value) : value.toString();
}

/** Every custom error of the contracts, by selector. */
const errors = new Map<string, string>();
for (const contract of [ledger, registry, manager]) {
  contract.forEachError((fragment) => void errors.set(fragment.selector, fragment.name));
}
export const contractErrors: readonly string[] = [...new Set(errors.values())].sort();
export const errorName = (selector: string): string | undefined => errors.get(selector);

/**
 * The reason of a revert: the custom error's name and its arguments as text; undefined for other
 * data and for empty data ("0x").
 */
export function revertReason(data: string): { name: string; args: string[] } | undefined {
  if (!errors.has(data.slice(0, 10))) return undefined;
  for (const contract of [ledger, registry, manager]) {
    try {
      const parsed = contract.parseError(data);
      if (parsed) return { name: parsed.name, args: [...(parsed.args as Result)].map(String) };
    } catch {
      // one of our selectors, but the arguments do not fit
    }
  }
  return undefined;
}

export type Contracts = ReturnType<typeof createContracts>;

export function createContracts(deployment: Deployment) {
  const shared = { name: deployment.network, version: "1" as const, chainId: deployment.chainId };
  const domains: { registry: Domain; ledger: Domain } = {
    registry: { ...shared, verifyingContract: deployment.registry },
    ledger: { ...shared, verifyingContract: deployment.ledger },
  };
  const contractAt = {
    [deployment.registry.toLowerCase()]: "registry",
    [deployment.ledger.toLowerCase()]: "ledger",
  } as const;

  return {
    deployment,
    domains,
    addresses: [deployment.registry, deployment.ledger] as const,
    seal: (lots: LotArgument[]) => ledger.encodeFunctionData("seal", [lots]),
    act: (acts: ActArgument[]) => ledger.encodeFunctionData("act", [acts]),
    /** Calls of the registry or the ledger by the bureau, and of the registry's signed acts. */
    managerCall: (name: string, args: readonly unknown[]) => manager.encodeFunctionData(name, args),
    managerResult: (name: string, data: string): Result => manager.decodeFunctionResult(name, data),
    registryCall: (name: string, args: readonly unknown[]) =>
      registry.encodeFunctionData(name, args),
    ledgerCall: (name: string, args: readonly unknown[]) => ledger.encodeFunctionData(name, args),
    registryResult: (name: string, data: string): Result =>
      registry.decodeFunctionResult(name, data),
    ledgerResult: (name: string, data: string): Result => ledger.decodeFunctionResult(name, data),
    /**
     * The topics of an event's logs; `first`: its first indexed argument, an id, an index or an
     * account.
     */
    topics(name: string, first?: string): string[] {
      const fragment = ledger.getEvent(name) ?? registry.getEvent(name);
      return [fragment?.topicHash ?? "", ...(first === undefined ? [] : [refOf(first)])];
    },
    /** Undefined for a log of another contract, and for an event of AccessManaged. */
    event(log: RawLog): ChainEvent | undefined {
      const contract = contractAt[log.address.toLowerCase()] as "registry" | "ledger" | undefined;
      if (!contract) return undefined;
      const reader = readers[contract];
      const fragment = reader.events.get(log.topics[0]?.toLowerCase());
      if (!fragment) return undefined;
      const values = reader.contract.decodeEventLog(fragment, log.data, log.topics);
      const args: ChainEvent["args"] = {};
      fragment.inputs.forEach((input, i) => {
        args[input.name] = plain(input.name, input.type, values[i]);
      });
      const { name } = fragment;
      return { contract, name, args, block: log.block, index: log.index, tx: log.tx };
    },
  };
}
