/**
 * The ledger as a whole: whether it is open. While the bureau has closed it, nothing is sealed and
 * no act goes through.
 */
import { enqueue } from "../../acts/operations.ts";
import type { Contracts } from "../../chain/contracts.ts";
import type { Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import type { Caller } from "../../kernel/api.ts";

export type Ledger = ReturnType<typeof createLedger>;

export function createLedger({ contracts }: { contracts: Contracts }) {
  const { chainId, network, registry, ledger, claimTermSeconds } = contracts.deployment;
  return {
    async view(tx: Tx) {
      const [state] = await tx<RowOf<"ledger_now", "closed">[]>`select closed from ledger_now`;
      const [at] = await tx<
        RowOf<"chain_now", "block" | "time">[]
      >`select block, time from chain_now`;
      return {
        network,
        chainId,
        registry,
        ledger,
        claimTermSeconds,
        open: !(state?.closed ?? false),
        block: Number(at?.block ?? 0n),
        time: new Date(Number(at?.time ?? 0n) * 1_000).toISOString(),
      };
    },
    setOpen: (tx: Tx, caller: Caller, open: boolean) =>
      enqueue(tx, {
        kind: "ledger",
        party: caller.account,
        command: { type: "call", contract: "ledger", function: "setClosed", args: [!open] },
      }),
  };
}
