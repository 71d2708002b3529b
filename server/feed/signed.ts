/**
 * What the parties of refused acts have signed, for those refusals that may show an attempt at a
 * second reimbursement.
 *
 * Calldata is requested and read once for each transaction, whatever its events are. In each block,
 * only so many claims on an outdated version are examined, because anybody may send those, for any
 * invoice. What is skipped depends only on the chain, so a replay skips the same.
 */
import { actKinds, acts } from "@onepiao/protocol/ledger/acts.ts";
import { actsIn, type SignedAct } from "../chain/calldata.ts";
import type { ChainClient } from "../chain/client.ts";
import { type ChainEvent, type Contracts, errorName } from "../chain/contracts.ts";
import { Contradiction } from "./blocks.ts";

/** Claims on an outdated version, for each block. */
const MAX_STALE = 200;
/** Transactions requested at once. */
const AT_ONCE = 8;

/** The numbers of the kinds with which a holder asks for payment. */
const HOLDERS: ReadonlySet<unknown> = new Set(
  [...actKinds.entries()].flatMap(([number, kind]) =>
    acts[kind].alarm && acts[kind].signs === "holder" ? [number] : [],
  ),
);
export const isAlarm = ({ name, args }: Pick<ChainEvent, "name" | "args">): boolean =>
  name === "Refused" && args["alarm"] === true;
/** A claim that came after another act had changed the invoice. */
const isStaleClaim = ({ name, args }: ChainEvent): boolean =>
  name === "Refused" &&
  HOLDERS.has(args["kind"]) &&
  errorName(String(args["reason"]).slice(0, 10)) === "StaleVersion";

/**
 * By event; no entry if another contract passed the act on, or if the transaction has more calldata
 * than is read.
 */
export async function signedActsOf(
  chain: ChainClient,
  contracts: Contracts,
  events: readonly ChainEvent[],
): Promise<Map<ChainEvent, SignedAct>> {
  const stale = new Map<number, number>();
  const relevant = events.filter((event) => {
    if (isAlarm(event)) return true;
    if (!isStaleClaim(event)) return false;
    const seen = (stale.get(event.block) ?? 0) + 1;
    stale.set(event.block, seen);
    return seen <= MAX_STALE;
  });
  const byTx = [...Map.groupBy(relevant, (event) => event.tx)];
  const signedActs = new Map<ChainEvent, SignedAct>();
  for (let i = 0; i < byTx.length; i += AT_ONCE) {
    const batch = byTx.slice(i, i + AT_ONCE);
    const inputs = await Promise.all(batch.map(([hash]) => chain.transactionInput(hash)));
    for (const [j, [hash, eventsOfTx]] of batch.entries()) {
      const input = inputs[j];
      // without it, the same block would give different rows at another time
      if (input === undefined)
        throw new Contradiction(
          `the node does not have transaction ${hash}, of which it gave a log`,
        );
      const acts = await actsIn(
        input,
        contracts.domains.ledger,
        new Set(eventsOfTx.map((event) => String(event.args["act"]))),
      );
      for (const event of eventsOfTx) {
        const act = acts.get(String(event.args["act"]));
        if (act) signedActs.set(event, act);
      }
    }
  }
  return signedActs;
}
