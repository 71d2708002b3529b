/**
 * A node's limits on one transaction, for a way to a node that has none of its own: geth's, in
 * geth's words.
 */
import { Transaction } from "ethers";

/**
 * geth's size limit (core/txpool/legacypool: txMaxSize), and the gas of one transaction by Osaka's
 * rules (EIP-7825).
 */
const MAX_BYTES = 131_072;
const MAX_GAS = 16_777_216n;

/** What the node says to these signed bytes; undefined when it takes them. */
export function refusalOf(raw: string): string | undefined {
  const bytes = (raw.length - 2) / 2;
  if (bytes > MAX_BYTES) return `oversized data: transaction size ${bytes}, limit ${MAX_BYTES}`;
  const gas = gasOf(raw);
  return gas > MAX_GAS ? `transaction gas limit too high (cap: ${MAX_GAS}, tx: ${gas})` : undefined;
}

function gasOf(raw: string): bigint {
  try {
    return Transaction.from(raw).gasLimit;
  } catch {
    // no transaction: the node itself says what it is
    return 0n;
  }
}
