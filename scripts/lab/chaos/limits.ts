/**
 * A node's limits on one transaction, for a way to a node without limits: geth's, in geth's words.
 */
import { Transaction } from "ethers";

/**
 * geth's size limit (core/txpool/legacypool: txMaxSize), and the gas of one transaction by Osaka's
 * rules (EIP-7825).
 */
const MAX_BYTES = 131_072;
const MAX_GAS = 16_777_216n;

/** The node's refusal of these signed bytes; undefined when it takes them. */
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
    // not a transaction: the node itself reports that
    return 0n;
  }
}
