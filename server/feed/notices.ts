/**
 * Notices: rows of the feed that no event of the chain causes, such as the auditor's alarms.
 *
 * A notice is stored in the transaction of its subject. The follower places it after the events of
 * the block that it applies next, and stores that block with it, so that a replay of the chain
 * gives it the same position. Within a block, notices come in the order in which they were stored.
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

/** For one page of blocks. */
const MAX_NOTICES = 1_000;

/** Stores notices; they enter the feed after `tx` has committed, with the next block. */
export async function notify(tx: Tx, notices: readonly Notice[]): Promise<void> {
  for (const { type, number, accounts, data, bureau } of notices) {
    await tx`
      insert into notices (type, number, accounts, data, bureau)
      values (${type}, ${number ?? null}, ${[...new Set(accounts)]}::text[], ${tx.json(data)},
        ${bureau === undefined ? null : tx.json(bureau)})`;
  }
}

/** A condition: there are notices for `placedIn` to return. */
export const someIn = (tx: Tx, from: number, to: number) => tx`
  exists (select 1 from notices where block is null or block >= ${from} and block <= ${to})`;

/**
 * For the follower, in its transaction: the notices that these blocks have already, and those that
 * enter the feed with the last block now. A replay next to the live tables writes nothing, and
 * finds the positions that the live one assigned.
 */
export async function placedIn(tx: Tx, from: number, to: number): Promise<PlacedNotice[]> {
  await tx`
    update notices set block = ${to} where id in (select id from notices where block is null
      order by id limit ${MAX_NOTICES} for update skip locked)`;
  return tx<PlacedNotice[]>`
    select type, number, accounts, data, bureau, block from notices where block >= ${from}
      and block <= ${to} order by block, id`;
}
