/** Holding the follower's cursor, so that the projections stand still. */
import type { Tx } from "../db/db.ts";

/**
 * Waits for the block that is being applied, and keeps the next one from being applied until `tx`
 * ends. Of the live tables, whatever `tx` has first on its search path.
 */
export async function holdCursor(tx: Tx): Promise<void> {
  await tx`lock table public.cursor in share mode`;
}
