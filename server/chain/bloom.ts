/**
 * The bloom filter of a block's header: 2,048 bits, of which each address and topic of the block's
 * logs sets three.
 *
 * A bit that is not set proves that the block has no such log. Set bits prove nothing, but
 * something in the block must have set them.
 */
import { keccak } from "@onepiao/protocol/ledger/tree.ts";

const BITS = 2_048;

/** The bits of many texts, cached: addresses and event signatures recur. */
const known = new Map<string, readonly number[]>();
const MAX_KNOWN = 1_000;

/** The three bits of an address or topic in 0x-hex, counted from the right. */
function bitsOf(hex: string): readonly number[] {
  const cached = known.get(hex);
  if (cached) return cached;
  const hash = Buffer.from(keccak(Buffer.from(hex.slice(2), "hex")).slice(2), "hex");
  const bits = [0, 2, 4].map((at) => hash.readUInt16BE(at) % BITS);
  if (known.size < MAX_KNOWN) known.set(hex, bits);
  return bits;
}

/** Whether a log of this address, or with this topic, may be in the block. */
export function mayHave(bloom: string, hex: string): boolean {
  return bitsOf(hex.toLowerCase()).every(
    (bit) => (Number.parseInt(bloom[bloom.length - 1 - (bit >> 2)] ?? "0", 16) >> (bit & 3)) & 1,
  );
}

/** The bloom filter of a block with exactly these logs, in 0x-hex. */
export function bloomOf(logs: readonly { address: string; topics: readonly string[] }[]): string {
  const bytes = Buffer.alloc(BITS / 8);
  for (const { address, topics } of logs) {
    for (const hex of [address, ...topics]) {
      for (const bit of bitsOf(hex.toLowerCase())) {
        const at = bytes.length - 1 - (bit >> 3);
        bytes[at] = (bytes[at] as number) | (1 << (bit & 7));
      }
    }
  }
  return `0x${bytes.toString("hex")}`;
}
