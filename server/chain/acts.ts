/**
 * What a gateway adds to the protocol's table of acts: gas, and how statistics count an act. Keyed
 * by the same names, so a kind that is missing here does not compile.
 */
import type { ActKind, State } from "@onepiao/protocol/ledger/acts.ts";

export type GatewayAct = {
  /**
   * Upper bounds of the gas for each invoice: one with a record, and one that no act has touched.
   */
  gas: { touched: bigint; untouched: bigint };
  /**
   * The statistics' word for the act; by the state that the invoice was in, where they tell these
   * apart. One word stands for one state before and one after.
   */
  counted: string | Readonly<{ issued: string } & Partial<Record<State, string>>>;
};

// from test/contracts/gas.json, rounded up, so that a transaction never runs out
const plain = { touched: 25_000n, untouched: 75_000n };
/** Evidence of who issued the invoice comes with every invoice. */
const shown = { touched: 35_000n, untouched: 75_000n };

const table = {
  Transfer: { gas: plain, counted: "transferred" },
  Claim: { gas: plain, counted: "claimed" },
  Withdraw: { gas: plain, counted: "withdrawn" },
  Reimburse: { gas: plain, counted: "reimbursed" },
  Reject: { gas: plain, counted: "rejected" },
  Reverse: {
    gas: shown,
    counted: { issued: "reversed", claimed: "reversed-claimed", reimbursed: "reversed-reimbursed" },
  },
  Adjust: { gas: shown, counted: "adjusted" },
  Enter: { gas: plain, counted: "entered" },
  Admit: { gas: plain, counted: "admitted" },
} as const satisfies Record<ActKind, GatewayAct>;

export const gatewayActs: Readonly<Record<ActKind, GatewayAct>> = table;

type WordOf<C> = C extends string ? C : C[keyof C];
/** The words that statistics count acts under. */
export type CountedAct = WordOf<(typeof table)[ActKind]["counted"]>;

/** How statistics count an act on an invoice that was in this state. */
export function countedAs(kind: ActKind, before: State): CountedAct {
  const { counted } = gatewayActs[kind];
  return (
    typeof counted === "string" ? counted : (counted[before] ?? counted.issued)
  ) as CountedAct;
}
