/**
 * What the parties of refused acts have signed, for those refusals that may show an attempt at a
 * second reimbursement.
 *
 * Calldata is asked for and read once a transaction, whatever its events are. Of a block, so many
 * claims on a version that is gone are looked at: anybody may send those, of any invoice. All that
 * is skipped is a function of the chain, so a replay skips the same.
 */
import { actKinds, acts } from "@onepiao/protocol/ledger/acts.ts";
import { actsIn, type SignedAct } from "../chain/calldata.ts";
import type { ChainClient } from "../chain/client.ts";
import { type ChainEvent, type Contracts, errorName } from "../chain/contracts.ts";
import { Contradiction } from "./blocks.ts";

/** Claims on a version that is gone, of one block. */
const MAX_STALE = 200;
/** Transactions asked for at once. */
const AT_ONCE = 8;

/** Numbers of the kinds by which a holder asks to be paid. */
const HOLDERS: ReadonlySet<unknown> = new Set(
  [...actKinds.entries()].flatMap(([number, kind]) =>
    acts[kind].alarm && acts[kind].signs === "holder" ? [number] : [],
  ),
);
export const isAlarm = ({ name, args }: Pick<ChainEvent, "name" | "args">): boolean =>
  name === "Refused" && args["alarm"] === true;
/** A claim that came when another act had changed the invoice already. */
const isStaleClaim = ({ name, args }: ChainEvent): boolean =>
  name === "Refused" &&
  HOLDERS.has(args["kind"]) &&
  errorName(String(args["reason"]).slice(0, 10)) === "StaleVersion";

/**
 * By event; none for those whose act another contract has passed on, or whose transaction has more
 * calldata than is looked into.
 */
export async function signedActsOf(
  chain: ChainClient,
  contracts: Contracts,
  events: readonly ChainEvent[],
): Promise<Map<ChainEvent, SignedAct>> {
  const stale = new Map<number, number>();
  const wanted = events.filter((event) => {
    if (isAlarm(event)) return true;
    if (!isStaleClaim(event)) return false;
    const seen = (stale.get(event.block) ?? 0) + 1;
    stale.set(event.block, seen);
    return seen <= MAX_STALE;
  });
  const byTx = [...Map.groupBy(wanted, (event) => event.tx)];
  const found = new Map<ChainEvent, SignedAct>();
  for (let i = 0; i < byTx.length; i += AT_ONCE) {
    const some = byTx.slice(i, i + AT_ONCE);
    const inputs = await Promise.all(some.map(([hash]) => chain.transactionInput(hash)));
    for (const [j, [hash, ofTx]] of some.entries()) {
      const input = inputs[j];
      // without it the same block would give other rows at another time
      if (input === undefined)
        throw new Contradiction(`the node has not transaction ${hash}, of which it gave a log`);
      const acts = await actsIn(
        input,
        contracts.domains.ledger,
        new Set(ofTx.map((event) => String(event.args["act"]))),
      );
      for (const event of ofTx) {
        const act = acts.get(String(event.args["act"]));
        if (act) found.set(event, act);
      }
    }
  }
  return found;
}
