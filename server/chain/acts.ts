/**
 * What a gateway adds to the protocol's table of acts: gas, and the statistics' word for an act.
 * The keys are the same names, so the code does not compile if a kind is missing here.
 */
import type { ActKind, State } from "@onepiao/protocol/ledger/acts.ts";

export type GatewayAct = {
  /**
   * Upper bounds of the gas for each invoice: one with a record, and one that no act has touched.
   */
  gas: { touched: bigint; untouched: bigint };
  /**
   * The statistics' word for the act, or its words by the invoice's state before the act. A word
   * stands for one state before and one after.
   */
  counted: string | Readonly<{ issued: string } & Partial<Record<State, string>>>;
};

// from test/contracts/gas.json, rounded up, so that no transaction runs out of gas
const plain = { touched: 25_000n, untouched: 75_000n };
/** Every invoice comes with evidence of its issuer. */
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
/** The words under which statistics count acts. */
export type CountedAct = WordOf<(typeof table)[ActKind]["counted"]>;

/** The word under which statistics count an act on an invoice in this state. */
export function countedAs(kind: ActKind, before: State): CountedAct {
  const { counted } = gatewayActs[kind];
  return (
    typeof counted === "string" ? counted : (counted[before] ?? counted.issued)
  ) as CountedAct;
}
