/**
 * What the chain has, read from its own node: logs, and the calldata of the transactions that
 * sealed.
 */

import { lotTree } from "@onepiao/protocol/ledger/tree.ts";
import { Interface } from "ethers";
import { actsIn } from "../../../server/chain/calldata.ts";
import { createChainClient } from "../../../server/chain/client.ts";
import { type ChainEvent, createContracts } from "../../../server/chain/contracts.ts";
import type { Deployment } from "../../../server/chain/deploy.ts";
import { InvoiceLedger__factory } from "../../../types/ethers-contracts/factories/contracts/InvoiceLedger__factory.ts";

export type Sealed = { leaf: string; lot: string; event: ChainEvent };
export type OnChain = {
  events: ChainEvent[];
  /** By number, each time that it was sealed. */
  sealed: Map<string, Sealed[]>;
  /** Lots whose calldata does not give the root that was sealed. */
  broken: string[];
  /** The record slot of touched invoices. */
  records: Map<string, { holder: string; state: number; version: number }>;
  /**
   * Alarms at an attempt that an earlier one has shown: of the same kind, at the same invoice and
   * version, for the same payer and payee.
   */
  repeated: Set<ChainEvent>;
  head: number;
};

const ledger = new Interface(InvoiceLedger__factory.abi);
const PAGE = 1_000;

export async function readChain(url: string, deployment: Deployment): Promise<OnChain> {
  const chain = createChainClient(url, deployment.chainId);
  try {
    const contracts = createContracts(deployment);
    const head = await chain.head();
    const events: ChainEvent[] = [];
    for (let from = deployment.block; from <= head; from += PAGE) {
      for (const log of await chain.logs(
        contracts.addresses,
        from,
        Math.min(head, from + PAGE - 1),
      )) {
        const event = contracts.event(log);
        if (event) events.push(event);
      }
    }
    const sealed: OnChain["sealed"] = new Map();
    const broken: string[] = [];
    const inputs = new Map<string, { first: bigint; leaves: string[] }[]>();
    for (const event of events.filter((event) => event.name === "LotSealed")) {
      let lots = inputs.get(event.tx);
      if (!lots) {
        lots = ledger
          .decodeFunctionData("seal", (await chain.transactionInput(event.tx)) ?? "0x")[0]
          .toArray() as { first: bigint; leaves: string[] }[];
        inputs.set(event.tx, lots);
      }
      const first = BigInt(event.args["first"] as string);
      const leaves = lots
        .filter((lot) => lot.first === first)
        .map((lot) => [...lot.leaves])
        .find((all) => lotTree(all).root === event.args["root"]);
      if (leaves?.length !== event.args["count"]) broken.push(String(first));
      for (const [i, leaf] of (leaves ?? []).entries()) {
        const number = String(first + BigInt(i));
        sealed.set(number, [...(sealed.get(number) ?? []), { leaf, lot: String(first), event }]);
      }
    }
    const [repeated, attempts] = [new Set<ChainEvent>(), new Set<string>()];
    for (const event of events.filter(
      (event) => event.name === "Refused" && event.args["alarm"] === true,
    )) {
      const digest = String(event.args["act"]);
      const acts = await actsIn(
        (await chain.transactionInput(event.tx)) ?? "0x",
        contracts.domains.ledger,
        new Set([digest]),
      );
      const act = acts.get(digest);
      const version = act?.invoices.find(({ id }) => id === event.args["id"])?.version;
      const attempt =
        act === undefined
          ? digest
          : [act.kind, event.args["id"], version, act.taxpayer, act.to].join("/");
      if (attempts.has(attempt)) repeated.add(event);
      attempts.add(attempt);
    }
    const records: OnChain["records"] = new Map();
    const touched = new Set(
      events.filter((event) => "version" in event.args).map((event) => String(event.args["id"])),
    );
    for (const number of touched) {
      const data = await chain.call(
        deployment.ledger,
        ledger.encodeFunctionData("record", [number]),
        undefined,
        head,
      );
      const record = ledger.decodeFunctionResult("record", data)[0];
      records.set(number, {
        holder: record.holder,
        state: Number(record.state),
        version: Number(record.version),
      });
    }
    return { events, sealed, broken, records, repeated, head };
  } finally {
    chain.close();
  }
}
