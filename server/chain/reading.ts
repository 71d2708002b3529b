/**
 * What the registry and the ledger themselves say at a block, asked of a node: for whoever checks an invoice and takes no table's word.
 *
 * Owns: the questions, and their answers as plain values. Believes the node: which node to ask is the caller's choice.
 */
import type { ChainClient } from "./client.ts";
import { type Contracts, checksummed, ZERO_ACCOUNT } from "./contracts.ts";

/** `key`: the one that signs now. `identity`: commitment to tax id and name. */
export type Enrolled = { index: number; account: string; key: string; standing: "active" | "suspended"; identity: string };
export const recordStates = ["none", "issued", "claimed", "reimbursed", "reversed"] as const;
/** Of an invoice that no act has touched: state "none", version 0. */
export type RecordNow = { state: (typeof recordStates)[number]; version: number };

export type Reading = {
  /** The block that everything is asked at. */
  block: number;
  /** Seconds since 1970. */
  time: number;
  /** Undefined: nobody is enrolled under this index. */
  taxpayer(index: number): Promise<Enrolled | undefined>;
  /** Zero when no lot begins there. */
  lotHash(first: string): Promise<string>;
  record(number: string): Promise<RecordNow>;
};

/** Throws NodeDown or NodeRefused, as each of its questions does. `depth`: blocks behind the head that count as final. */
export async function readingAt(chain: ChainClient, contracts: Contracts, depth = 0): Promise<Reading> {
  const { registry, ledger } = contracts.deployment;
  const head = await chain.head();
  const block = Math.max(0, head - depth);
  const found = await chain.block(block);
  return {
    block,
    time: found?.time ?? 0,
    async taxpayer(index) {
      const answer = await chain.call(registry, contracts.registryCall("taxpayer", [index]), undefined, block);
      const [{ account, key, standing, identity }] = contracts.registryResult("taxpayer", answer) as unknown as [Record<string, string | bigint>];
      if (account === ZERO_ACCOUNT) return undefined;
      return {
        index,
        account: checksummed(account as string),
        key: checksummed(key as string),
        standing: standing === 1n ? "active" : "suspended",
        identity: identity as string,
      };
    },
    async lotHash(first) {
      const answer = await chain.call(ledger, contracts.ledgerCall("lotHash", [first]), undefined, block);
      return contracts.ledgerResult("lotHash", answer)[0] as string;
    },
    async record(number) {
      const answer = await chain.call(ledger, contracts.ledgerCall("record", [number]), undefined, block);
      const [{ state, version }] = contracts.ledgerResult("record", answer) as unknown as [{ state: bigint; version: bigint }];
      return { state: recordStates[Number(state)] ?? "none", version: Number(version) };
    },
  };
}
