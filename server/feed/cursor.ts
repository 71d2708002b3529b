/** Holds the follower's cursor, so that the projections do not change. */
import type { Tx } from "../db/db.ts";

/**
 * Waits for the block in progress, and delays the next one until `tx` ends. Locks the live table,
 * whatever comes first on the search path of `tx`.
 */
export async function holdCursor(tx: Tx): Promise<void> {
  await tx`lock table public.cursor in share mode`;
}
