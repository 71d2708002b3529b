/** Cancelling: an operator's command for a send that the node will never accept. */
import { announce, type Sql } from "../db/db.ts";
import type { RowOf } from "../db/tables.ts";
import type { Keystore } from "../keys/keystore.ts";

/** Gas of a transaction that does nothing. */
const NO_OP_GAS = 21_000n;

/**
 * `asked-before`: the no-op was written earlier. `not-pending`: the send has no nonce yet, or its
 * outcome is known. `unknown`: there is no such send.
 */
export type Cancellation =
  | { outcome: "asked" | "asked-before"; lane: string; nonce: bigint }
  | { outcome: "not-pending" | "unknown" };

/**
 * Writes a no-op under the same nonce, which the lane then sends in place of the send. Safe at any
 * time, because one nonce lands once: if the no-op lands, the work of the send is retried; if the
 * send lands after all, it counts.
 */
export async function cancelSend(
  deps: { sql: Sql; keys: Keystore; chainId: number },
  send: bigint,
): Promise<Cancellation> {
  return deps.sql.begin(async (tx) => {
    const [row] = await tx<
      (RowOf<"sends", "lane" | "status" | "cancel_hash"> &
        RowOf<"lanes", "address"> & { nonce: bigint })[]
    >`
      select s.lane, l.address, s.nonce, s.status, s.cancel_hash from sends s
        join lanes l on l.name = s.lane where s.id = ${send} for update of s`;
    if (!row) return { outcome: "unknown" };
    if (row.status !== "pending") return { outcome: "not-pending" };
    const { lane, nonce } = row;
    if (row.cancel_hash !== null) return { outcome: "asked-before", lane, nonce };
    const fields = {
      chainId: deps.chainId,
      nonce: Number(nonce),
      to: row.address,
      data: "0x",
      gasLimit: NO_OP_GAS,
    };
    const { raw, hash } = await deps.keys.signTransaction(row.address, fields);
    await tx`
      update sends set cancel_raw = ${raw}, cancel_hash = ${hash}, fault = null, reason = null,
        errors = 0, first_error_at = null, retry_at = null
      where id = ${send}`;
    await announce(tx, "send");
    return { outcome: "asked", lane, nonce };
  });
}
