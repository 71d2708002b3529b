/**
 * The Merkle tree over one lot, as contracts/libraries/LotTree.sol computes it: RFC 9162 §2.1 over
 * keccak256, leaf prefix 0x00, node prefix 0x01. Hashes are 32-byte Uint8Arrays inside this file
 * and 0x-hex outside.
 */
import { fromHex, hashBytes, toHex } from "#bytes";

/** keccak256 as 0x-hex. */
export const keccak = (bytes: Uint8Array): string => toHex(hashBytes(bytes));

/** What a leaf commits to. `holder` zero: a red letter; `buyer` 0: untitled. */
export type Leaf = { content: string; holder: string; buyer: number };

/** keccak256(0x00 ‖ content 32 ‖ holder 20 ‖ buyer 4). */
export function leafHash(leaf: Leaf): string {
  const packed = new Uint8Array(57);
  packed.set(fromHex(leaf.content), 1);
  packed.set(fromHex(leaf.holder), 33);
  new DataView(packed.buffer).setUint32(53, leaf.buyer);
  return keccak(packed);
}

export type LotHeader = {
  first: string;
  count: number;
  issuer: number;
  time: number;
  root: string;
};
const wordOf = (value: string | number) => BigInt(value).toString(16).padStart(64, "0");
/** The hash of a lot's header, five words. The ledger keeps it in one slot per lot. */
export const headerHash = ({ first, count, issuer, time, root }: LotHeader): string =>
  keccak(fromHex(`0x${[first, count, issuer, time, root].map(wordOf).join("")}`));
/** Evidence for the ledger that an untouched invoice is sealed. */
export type Evidence = { lot: LotHeader; leaf: Leaf; proof: string[] };

const nodeInput = new Uint8Array(65).fill(1);
function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  nodeInput.set(left, 1);
  nodeInput.set(right, 33);
  return hashBytes(nodeInput);
}

export type LotTree = {
  root: string;
  /** The sibling hashes from the leaf up, for the leaf at this position. */
  proof(position: number): string[];
};

/**
 * Builds the tree over one or more leaf hashes. It keeps every level, so proofs need no further
 * hashing.
 */
export function lotTree(leaves: readonly string[]): LotTree {
  if (leaves.length === 0) throw new RangeError("a lot has at least one leaf");
  const levels: Uint8Array[][] = [leaves.map(fromHex)];
  for (let level = levels[0] as Uint8Array[]; level.length > 1; ) {
    const next: Uint8Array[] = [];
    for (let i = 0; i + 1 < level.length; i += 2)
      next.push(nodeHash(level[i] as Uint8Array, level[i + 1] as Uint8Array));
    // an odd last node moves up unchanged
    if (level.length % 2 === 1) next.push(level[level.length - 1] as Uint8Array);
    levels.push(next);
    level = next;
  }
  return {
    root: toHex((levels[levels.length - 1] as Uint8Array[])[0] as Uint8Array),
    proof(position) {
      if (!Number.isInteger(position) || position < 0 || position >= leaves.length)
        throw new RangeError(`no leaf at ${position}`);
      const path: string[] = [];
      let at = position;
      for (const level of levels.slice(0, -1)) {
        const sibling = level[at ^ 1];
        if (sibling) path.push(toHex(sibling));
        at >>= 1;
      }
      return path;
    },
  };
}

/**
 * The root that a path leads to; undefined if the path does not fit this position and size (RFC
 * 9162 §2.1.3.2).
 */
export function rootFrom(
  path: readonly string[],
  position: number,
  size: number,
  leaf: string,
): string | undefined {
  let [index, last, result] = [position, size - 1, fromHex(leaf)];
  if (index > last) return undefined;
  for (const step of path) {
    if (last === 0) return undefined;
    if (index % 2 === 1 || index === last) {
      result = nodeHash(fromHex(step), result);
      while (index % 2 === 0) [index, last] = [index >> 1, last >> 1];
    } else {
      result = nodeHash(result, fromHex(step));
    }
    [index, last] = [index >> 1, last >> 1];
  }
  return last === 0 ? toHex(result) : undefined;
}
