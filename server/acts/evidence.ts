/**
 * Evidence that an untouched invoice is sealed: its lot's header, its leaf, and the path between them, rebuilt from the stored
 * leaves of the lot. Trees are cached by lot; a sealed lot never changes.
 */
import type { Evidence, LotHeader } from "../chain/contracts.ts";
import { type Leaf, type LotTree, leafHash, lotTree } from "../chain/tree.ts";
import type { Tx } from "../db/db.ts";
import { leavesOf } from "../mirror/ledger.ts";

export type SealedLot = { header: LotHeader; leaves: Leaf[]; tree: LotTree };
export type EvidenceSource = {
  /** Undefined while the lot is not sealed, or when its documents are not all here. */
  lot(tx: Tx, first: string): Promise<SealedLot | undefined>;
  of(tx: Tx, number: string): Promise<Evidence | undefined>;
};

const CACHED_LOTS = 256;

export function createEvidence(): EvidenceSource {
  const cache = new Map<string, SealedLot>();

  async function lot(tx: Tx, first: string): Promise<SealedLot | undefined> {
    const known = cache.get(first);
    if (known) return known;
    const [header] = await tx<{ first: string; count: number; issuer: number; time: bigint; root: string }[]>`
      select first, count, issuer, time, root from lots where first = ${first}`;
    if (!header) return undefined;
    const leaves = await leavesOf(tx, header.first, header.count);
    if (leaves.length !== header.count) return undefined;
    const tree = lotTree(leaves.map(leafHash));
    if (tree.root !== header.root) throw new Error(`The stored leaves of lot ${first} do not give the sealed root`);
    const found = { header: { ...header, time: Number(header.time) }, leaves, tree };
    if (cache.size >= CACHED_LOTS) cache.delete(cache.keys().next().value as string);
    cache.set(first, found);
    return found;
  }

  return {
    lot,
    async of(tx, number) {
      const [row] = await tx<{ lot: string }[]>`select lot from invoice_states where number = ${number}`;
      const found = row && (await lot(tx, row.lot));
      if (!found) return undefined;
      const position = Number(BigInt(number) - BigInt(found.header.first));
      return { lot: found.header, leaf: found.leaves[position] as Leaf, proof: found.tree.proof(position) };
    },
  };
}
