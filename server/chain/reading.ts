/**
 * The content of the registry and the ledger at a block, read from a node, for those who check an
 * invoice without trusting any table.
 *
 * Owns: the questions, and their answers as plain values. Trusts the node: the caller chooses it.
 */

import { actEvents, type RecordState, recordStates } from "@onepiao/protocol/ledger/acts.ts";
import { checksummed } from "@onepiao/protocol/ledger/messages.ts";
import type { ChainClient } from "./client.ts";
import { type ChainEvent, type Contracts, ZERO_ACCOUNT } from "./contracts.ts";

/** `key`: the present key. `identity`: commitment to tax id and name. */
export type Enrolled = {
  index: number;
  account: string;
  key: string;
  standing: "active" | "suspended";
  identity: string;
};
/** For an invoice that no act has touched: state "none", version 0. */
export type RecordNow = { state: RecordState; version: number };

export type Reading = {
  /** All answers are of this block. */
  block: number;
  /** Seconds since 1970. */
  time: number;
  /** Undefined: no taxpayer has this index. */
  taxpayer(index: number): Promise<Enrolled | undefined>;
  /**
   * Those of these addresses that may enrol taxpayers: the bureau's, according to the registry's
   * access manager.
   */
  registrars(addresses: readonly string[]): Promise<string[]>;
  /** Zero if no lot begins there. */
  lotHash(first: string): Promise<string>;
  record(number: string): Promise<RecordNow>;
  /** The keys that the account was rotated to, in order. Reads all blocks since the deployment. */
  keysOf(account: string): Promise<string[]>;
  /** The number of an invoice's partial red letters. Reads all blocks too. */
  adjustments(number: string): Promise<number>;
  /** All taxpayers, with all keys. */
  registered(): Promise<{
    from: number;
    block: number;
    taxpayers: { index: number; account: string; keys: string[]; identity: string }[];
  }>;
};

/** The access manager's id of the role that enrols taxpayers (chain/deploy.ts). */
const REGISTRAR = 1n;

/** Blocks of one query for logs: the default limit of nodes. */
const PAGE = 5_000;

/**
 * Throws NodeDown or NodeRefused, and so does each question. `depth`: how many blocks behind the
 * head count as final.
 */
export async function readingAt(
  chain: ChainClient,
  contracts: Contracts,
  depth = 0,
): Promise<Reading> {
  const { registry, ledger, block: from } = contracts.deployment;
  const head = await chain.head();
  const block = Math.max(0, head - depth);
  const newest = await chain.block(block);

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
    time: newest?.time ?? 0,
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
      const logs = await Promise.all(names.map((name) => events(ledger, name, number)));
      return logs.flat().length;
    },
    async registered() {
      const [enrolled, rotated] = [
        await events(registry, "TaxpayerEnrolled"),
        await events(registry, "KeyRotated"),
      ];
      const taxpayers = enrolled.map((args) => {
        const account = args["account"] as string;
        const later = rotated
          .filter((event) => event["account"] === account)
          .map((event) => event["key"] as string);
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
