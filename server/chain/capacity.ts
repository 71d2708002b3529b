/**
 * What one transaction carries: how many bytes and how much gas a lot or an act takes, and how many
 * go together.
 *
 * A node takes no transaction above a size (geth, erigon, nethermind: 128 KiB of signed bytes) and
 * none that asks for more gas than a block or its rules allow (Osaka: 2^24). It refuses such a
 * transaction for good, so whatever is packed here stays within the operator's two limits. The
 * least values of the two settings hold the largest lot and the largest act that the contracts
 * take: nothing that is accepted is too large by itself.
 */
import { type ActKind, actKinds } from "@onepiao/protocol/ledger/acts.ts";
import { gatewayActs } from "./acts.ts";

/**
 * What a transaction holds. As a limit: what it may hold at most. `bytes` of the signed
 * transaction.
 */
export type Capacity = { bytes: number; gas: bigint };

/** Lots or acts of one call, by the contracts' MAX_BATCH. */
const MAX_BATCH = 100;
const WORD = 32;
/**
 * Around the calldata: nonce, gas, receiver, signature and the lengths between them take 120 bytes
 * at most.
 */
const ENVELOPE_BYTES = 200;
/** Selector, offset and length of the one array of a call. */
const CALL_BYTES = 4 + 2 * WORD;

// Upper bounds of what the contracts use (test/contracts/gas.json), so that a transaction never
// runs out; of an act's invoices: acts.ts
const GAS = { transaction: 60_000n, lot: 120_000n, leaf: 1_700n, act: 40_000n };

/** A call without a lot or an act. */
const EMPTY: Capacity = { bytes: ENVELOPE_BYTES + CALL_BYTES, gas: GAS.transaction };

/**
 * What a lot of so many leaves adds to a call of `seal`: offset, three values, offset of the
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

/** What an act adds to a call of `act`. Requirement: its kind is one of the table's. */
export function loadOfAct({ kind, invoices, evidence }: Load): Capacity {
  // an offset, four values, two offsets, two signatures, two lengths; an invoice is two words
  const own = 13 + 2 * invoices.length;
  // of each evidence: an offset, header and leaf, the path's offset and length, the path
  const shown = evidence.reduce((words, { proof }) => words + 11 + proof.length, 0);
  const { touched, untouched } = gatewayActs[actKinds[kind] as ActKind].gas;
  const gas = invoices.reduce(
    (sum, { version }) => sum + (version === 0 ? untouched : touched),
    GAS.act,
  );
  return { bytes: (own + shown) * WORD, gas };
}

const plus = (a: Capacity, b: Capacity): Capacity => ({
  bytes: a.bytes + b.bytes,
  gas: a.gas + b.gas,
});
const within = (load: Capacity, limit: Capacity): boolean =>
  load.bytes <= limit.bytes && load.gas <= limit.gas;

/** Whether a lot or an act can go out at all. */
export const fits = (load: Capacity, limit: Capacity): boolean => within(plus(EMPTY, load), limit);

/** The most leaves, up to `most`, of a lot that fits; 0 when not even one does. */
export function leavesThatFit(most: number, limit: Capacity): number {
  let leaves = most;
  while (leaves > 0 && !fits(loadOfLot(leaves), limit)) leaves -= 1;
  return leaves;
}

/**
 * What goes out together, in order: as few calls as the limit and the contracts allow. Each item
 * has to fit by itself. `gas` is what the call's transaction asks for.
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
