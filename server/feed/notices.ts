/**
 * Notices: what the feed tells that no event of the chain says, such as the auditor's alarms.
 *
 * A notice is stored in the transaction of what it is about. The follower gives it its place behind
 * the events of the block that it applies next, and keeps that block with it, so that a replay of
 * the chain tells it again in the same place. Within a block notices come in the order in which
 * they were stored.
 */
import type { Json, Tx } from "../db/db.ts";

export type Notice = {
  type: string;
  number?: string;
  accounts: readonly string[];
  data: Record<string, Json>;
  bureau?: Record<string, Json>;
};
export type PlacedNotice = {
  type: string;
  number: string | null;
  accounts: string[];
  data: Json;
  bureau: Json;
  block: bigint;
};

/** Of one page of blocks. */
const MAX_NOTICES = 1_000;

/** Stores notices; they are told after `tx` has committed, with the next block. */
export async function notify(tx: Tx, notices: readonly Notice[]): Promise<void> {
  for (const { type, number, accounts, data, bureau } of notices) {
    await tx`
      insert into notices (type, number, accounts, data, bureau)
      values (${type}, ${number ?? null}, ${[...new Set(accounts)]}::text[], ${tx.json(data)}, ${bureau === undefined ? null : tx.json(bureau)})`;
  }
}

/**
 * For the follower, in its transaction: those that were told in these blocks before, and those that
 * are told in the last of them now. A replay beside the live tables writes nothing, and finds the
 * places that the live one has given.
 */
export async function placedIn(tx: Tx, from: number, to: number): Promise<PlacedNotice[]> {
  await tx`
    update notices set block = ${to} where id in (select id from notices where block is null order by id limit ${MAX_NOTICES} for update skip locked)`;
  return tx<
    PlacedNotice[]
  >`select type, number, accounts, data, bureau, block from notices where block >= ${from} and block <= ${to} order by block, id`;
}
