/**
 * What has happened, counted from the chain's logs and not from anyone's memory. One invoice counts
 * once, so its second reimbursement would show as a difference.
 */
import { type ChainClient, createChainClient } from "../server/chain/client.ts";
import { createContracts } from "../server/chain/contracts.ts";
import type { Deployment } from "../server/chain/deploy.ts";

export type Tally = {
  /** Runs of sealed numbers: first and count. */
  lots: { first: bigint; count: number }[];
  issued: number;
  /** Reimbursed events, and how many different invoices they concern. */
  reimbursements: number;
  reimbursed: number;
  /** Refusals with an alarm: a party tried to have an invoice reimbursed a second time. */
  doubleReimbursementsRefused: number;
};

export async function tallyOf(rpcUrl: string, deployment: Deployment): Promise<Tally> {
  const chain: ChainClient = createChainClient(rpcUrl, deployment.chainId);
  try {
    const contracts = createContracts(deployment);
    const logs = await chain.logs([deployment.ledger], deployment.block, await chain.head());
    const events = logs.map((log) => contracts.event(log)).filter((event) => event !== undefined);
    const named = (name: string) => events.filter((event) => event.name === name);
    const lots = named("LotSealed").map(({ args }) => ({
      first: BigInt(args["first"] as string),
      count: args["count"] as number,
    }));
    const reimbursements = named("Reimbursed");
    return {
      lots,
      issued: lots.reduce((sum, lot) => sum + lot.count, 0),
      reimbursements: reimbursements.length,
      reimbursed: new Set(reimbursements.map((event) => event.args["id"])).size,
      doubleReimbursementsRefused: named("Refused").filter((event) => event.args["alarm"] === true)
        .length,
    };
  } finally {
    chain.close();
  }
}

/** Whether an accepted number is in a sealed lot. */
export const isSealed = (tally: Tally, number: string): boolean =>
  tally.lots.some(
    ({ first, count }) => BigInt(number) >= first && BigInt(number) < first + BigInt(count),
  );
