/**
 * The size of a transaction: how many bytes and how much gas a lot or an act takes, and how many of
 * them fit together.
 *
 * A node accepts no transaction above a size (geth, erigon, nethermind: 128 KiB of signed bytes)
 * and none that asks for more gas than a block or its rules allow (Osaka: 2^24). It refuses such a
 * transaction for good, so everything packed here stays within the operator's two limits. Even the
 * smallest values of the two settings hold the largest lot and the largest act that the contracts
 * accept: nothing that the gateway accepts is too large for a transaction of its own.
 */
import { type ActKind, actKinds } from "@onepiao/protocol/ledger/acts.ts";
import { gatewayActs } from "./acts.ts";

/**
 * What a transaction holds; as a limit, the most that it may hold. `bytes` of the signed
 * transaction.
 */
export type Capacity = { bytes: number; gas: bigint };

/** Lots or acts of one call: the contracts' MAX_BATCH. */
const MAX_BATCH = 100;
const WORD = 32;
/**
 * Bytes around the calldata: nonce, gas, receiver, signature and the lengths between them take at
 * most 120.
 */
const ENVELOPE_BYTES = 200;
/** Selector, offset and length of a call's only array. */
const CALL_BYTES = 4 + 2 * WORD;

// Upper bounds of the contracts' gas (test/contracts/gas.json), so that no transaction runs out of
// gas; for the invoices of an act: acts.ts
const GAS = { transaction: 60_000n, lot: 120_000n, leaf: 1_700n, act: 40_000n };

/** A call without lots and acts. */
const EMPTY: Capacity = { bytes: ENVELOPE_BYTES + CALL_BYTES, gas: GAS.transaction };

/**
 * What a lot with this many leaves adds to a call of `seal`: offset, three values, offset of the
 * leaves, signature, count, leaves.
 */
export const loadOfLot = (leaves: number): Capacity => ({
  bytes: (8 + leaves) * WORD,
  gas: GAS.lot + GAS.leaf * BigInt(leaves),
});

type Load = {
  kind: number;
  invoices: readonly { version: number }[];
  evidence: readonly { proof: readonly string[] }[];
};

/** What an act adds to a call of `act`. Requirement: the table has its kind. */
export function loadOfAct({ kind, invoices, evidence }: Load): Capacity {
  // an offset, four values, two offsets, two signatures, two lengths; an invoice is two words
  const words = 13 + 2 * invoices.length;
  // for each piece of evidence: an offset, header and leaf, the path's offset and length, the path
  const evidenceWords = evidence.reduce((words, { proof }) => words + 11 + proof.length, 0);
  const { touched, untouched } = gatewayActs[actKinds[kind] as ActKind].gas;
  const gas = invoices.reduce(
    (sum, { version }) => sum + (version === 0 ? untouched : touched),
    GAS.act,
  );
  return { bytes: (words + evidenceWords) * WORD, gas };
}

const plus = (a: Capacity, b: Capacity): Capacity => ({
  bytes: a.bytes + b.bytes,
  gas: a.gas + b.gas,
});
const within = (load: Capacity, limit: Capacity): boolean =>
  load.bytes <= limit.bytes && load.gas <= limit.gas;

/** Whether a transaction can carry this lot or act. */
export const fits = (load: Capacity, limit: Capacity): boolean => within(plus(EMPTY, load), limit);

/** The most leaves, up to `most`, of a lot that fits; 0 if not even one leaf fits. */
export function leavesThatFit(most: number, limit: Capacity): number {
  let leaves = most;
  while (leaves > 0 && !fits(loadOfLot(leaves), limit)) leaves -= 1;
  return leaves;
}

/**
 * Packs items into as few calls as the limit and the contracts allow, in order. Each item has to
 * fit alone. `gas` is the gas limit of the call's transaction.
 */
export function* callsOf<T extends { load: Capacity }>(
  all: readonly T[],
  limit: Capacity,
): Generator<{ items: T[]; gas: bigint }> {
  let [items, load]: [T[], Capacity] = [[], EMPTY];
  for (const item of all) {
    const more = plus(load, item.load);
    if (items.length > 0 && (items.length === MAX_BATCH || !within(more, limit))) {
      yield { items, gas: load.gas };
      [items, load] = [[item], plus(EMPTY, item.load)];
    } else [items, load] = [[...items, item], more];
  }
  if (items.length > 0) yield { items, gas: load.gas };
}
