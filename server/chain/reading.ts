/**
 * What the registry and the ledger themselves say at a block, asked of a node: for whoever checks
 * an invoice and takes no table's word.
 *
 * Owns: the questions, and their answers as plain values. Believes the node: which node to ask is
 * the caller's choice.
 */

import { actEvents, type RecordState, recordStates } from "@onepiao/protocol/ledger/acts.ts";
import { checksummed } from "@onepiao/protocol/ledger/messages.ts";
import type { ChainClient } from "./client.ts";
import { type ChainEvent, type Contracts, ZERO_ACCOUNT } from "./contracts.ts";

/** `key`: the one that signs now. `identity`: commitment to tax id and name. */
export type Enrolled = {
  index: number;
  account: string;
  key: string;
  standing: "active" | "suspended";
  identity: string;
};
/** Of an invoice that no act has touched: state "none", version 0. */
export type RecordNow = { state: RecordState; version: number };

export type Reading = {
  /** The block that everything is asked at. */
  block: number;
  /** Seconds since 1970. */
  time: number;
  /** Undefined: nobody is enrolled under this index. */
  taxpayer(index: number): Promise<Enrolled | undefined>;
  /**
   * Of these addresses those that may enrol taxpayers: the bureau's, by the access manager that the
   * registry obeys.
   */
  registrars(addresses: readonly string[]): Promise<string[]>;
  /** Zero when no lot begins there. */
  lotHash(first: string): Promise<string>;
  record(number: string): Promise<RecordNow>;
  /**
   * Keys that the account was rotated to, in order. Reads all blocks since the contracts are there.
   */
  keysOf(account: string): Promise<string[]>;
  /** Partial red letters of an invoice. Reads all blocks as well. */
  adjustments(number: string): Promise<number>;
  /** Everybody who is enrolled, with all keys. */
  registered(): Promise<{
    from: number;
    block: number;
    taxpayers: { index: number; account: string; keys: string[]; identity: string }[];
  }>;
};

/** The access manager's id of the role that enrols taxpayers (chain/deploy.ts). */
const REGISTRAR = 1n;

/** Blocks of one question for logs: what nodes allow by default. */
const PAGE = 5_000;

/**
 * Throws NodeDown or NodeRefused, as each of its questions does. `depth`: blocks behind the head
 * that count as final.
 */
export async function readingAt(
  chain: ChainClient,
  contracts: Contracts,
  depth = 0,
): Promise<Reading> {
  const { registry, ledger, block: from } = contracts.deployment;
  const head = await chain.head();
  const block = Math.max(0, head - depth);
  const found = await chain.block(block);

  async function events(
    address: string,
    name: string,
    first?: string,
  ): Promise<ChainEvent["args"][]> {
    const all: ChainEvent["args"][] = [];
    for (let at = from; at <= block; at += PAGE) {
      const logs = await chain.logs(
        [address],
        at,
        Math.min(at + PAGE - 1, block),
        contracts.topics(name, first),
      );
      for (const log of logs) {
        const event = contracts.event(log);
        if (event) all.push(event.args);
      }
    }
    return all;
  }

  return {
    block,
    time: found?.time ?? 0,
    async taxpayer(index) {
      const answer = await chain.call(
        registry,
        contracts.registryCall("taxpayer", [index]),
        undefined,
        block,
      );
      const [{ account, key, standing, identity }] = contracts.registryResult(
        "taxpayer",
        answer,
      ) as unknown as [Record<string, string | bigint>];
      if (account === ZERO_ACCOUNT) return undefined;
      return {
        index,
        account: checksummed(account as string),
        key: checksummed(key as string),
        standing: standing === 1n ? "active" : "suspended",
        identity: identity as string,
      };
    },
    async registrars(addresses) {
      if (addresses.length === 0) return [];
      const [manager] = contracts.registryResult(
        "authority",
        await chain.call(registry, contracts.registryCall("authority", []), undefined, block),
      );
      const held = await Promise.all(
        addresses.map(async (address) => {
          const answer = await chain.call(
            String(manager),
            contracts.managerCall("hasRole", [REGISTRAR, address]),
            undefined,
            block,
          );
          return contracts.managerResult("hasRole", answer)[0] === true;
        }),
      );
      return addresses.filter((_, i) => held[i]);
    },
    async lotHash(first) {
      const answer = await chain.call(
        ledger,
        contracts.ledgerCall("lotHash", [first]),
        undefined,
        block,
      );
      return contracts.ledgerResult("lotHash", answer)[0] as string;
    },
    async record(number) {
      const answer = await chain.call(
        ledger,
        contracts.ledgerCall("record", [number]),
        undefined,
        block,
      );
      const [{ state, version }] = contracts.ledgerResult("record", answer) as unknown as [
        { state: bigint; version: bigint },
      ];
      return { state: recordStates[Number(state)] ?? "none", version: Number(version) };
    },
    keysOf: async (account) =>
      (await events(registry, "KeyRotated", account)).map((args) => args["key"] as string),
    async adjustments(number) {
      const names = [...actEvents.values()]
        .filter(({ record }) => record.part)
        .map(({ event }) => event);
      const found = await Promise.all(names.map((name) => events(ledger, name, number)));
      return found.flat().length;
    },
    async registered() {
      const [enrolled, rotated] = [
        await events(registry, "TaxpayerEnrolled"),
        await events(registry, "KeyRotated"),
      ];
      const taxpayers = enrolled.map((args) => {
        const account = args["account"] as string;
        const later = rotated
          .filter((one) => one["account"] === account)
          .map((one) => one["key"] as string);
        return {
          index: args["index"] as number,
          account,
          keys: [account, ...later],
          identity: args["identity"] as string,
        };
      });
      return { from, block, taxpayers };
    },
  };
}
