/**
 * Positions in the feed. A position is block × 2^27 + place; the places of a block count our own
 * events from 0, in the chain's order, and its notices follow them.
 *
 * A place never depends on the node's numbering: strangers' logs, any number of them, lie between
 * ours. It depends only on our own events, not on what is stored here, so that a replay gives the
 * same positions. 2^27 places are more than a block can use: the cheapest of them, an invoice in a
 * lot, costs more than 500 gas.
 */
const BLOCK_BITS = 27n;
const PLACES = 1n << BLOCK_BITS;

export const blockOf = (position: bigint): bigint => position >> BLOCK_BITS;

/** How many rows an event may add: a lot one for each of its invoices, any other event one. */
export const rowsOf = (event: { name: string; args: Readonly<Record<string, unknown>> }): number =>
  event.name === "LotSealed" ? (event.args["count"] as number) : 1;

/**
 * Assigns places in the order of the calls: returns the first of `count` positions in the block.
 */
export function createPlaces(): (block: number | bigint, count: number) => bigint {
  const used = new Map<bigint, bigint>();
  return (block, count) => {
    const place = used.get(BigInt(block)) ?? 0n;
    const next = place + BigInt(count);
    if (next > PLACES) throw new RangeError(`Block ${block} has more than ${PLACES} places`);
    used.set(BigInt(block), next);
    return BigInt(block) * PLACES + place;
  };
}
