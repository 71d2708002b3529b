/**
 * What statistics count on the chain, each word once. `issued` counts invoices; `reversed…` counts
 * by the state that the invoice was in before; `admitted` is an invoice issued elsewhere that is
 * registered here; `refused` is an attempt at a second reimbursement.
 */
import { actKinds, acts, opensExternal, type State } from "@onepiao/protocol/ledger/acts.ts";
import { type CountedAct, countedAs } from "../../chain/acts.ts";

export type ActCount = "issued" | CountedAct | "refused";
/** `from`, `to`: the states that it moves an invoice between; absent: it changes no state. */
type Counted = { word: ActCount; from?: State; to?: State };
export const counts: readonly Counted[] = [
  { word: "issued", to: "issued" },
  ...actKinds.flatMap((kind): Counted[] => {
    const to = acts[kind].record.state;
    if (to === undefined) return [{ word: countedAs(kind, "issued") }];
    return acts[kind].from.map((from) => ({
      word: countedAs(kind, from),
      to,
      ...(opensExternal(kind) ? {} : { from }),
    }));
  }),
  { word: "refused" },
];
export const countedActs: readonly ActCount[] = counts.map(({ word }) => word);
export type ActCounts = Partial<Record<ActCount, number>>;
