/**
 * The feed as it is read: who sees which row, the form that an event has outside, and pages of it.
 * Streams, webhooks and `GET /v1/events` all read by these functions.
 *
 * Invariant: a page ends at a position below which nothing will ever come. The follower alone
 * writes rows; it does so while it holds the lock on the cursor's row until it commits, and in
 * ascending positions: so whoever sees a row committed sees all rows before it. The head is
 * therefore read first, and the rows up to it afterwards.
 *
 * Does not own: what a row says (the features' projections), how rows come to be (follower.ts).
 */
import { externalHex, isExternal } from "@onepiao/protocol/ledger/external.ts";
import type { Tx } from "../db/db.ts";
import { blockOf } from "./places.ts";

/** A row of `feed`. `bureau`: members of `data` that only the bureau sees. */
export type FeedRow = {
  position: bigint;
  type: string;
  number: string | null;
  accounts: string[];
  data: Record<string, unknown>;
  bureau: Record<string, unknown> | null;
  at: Date;
  /**
   * Null of a notice, which no transaction of the chain has told; so is the log's index in its
   * block.
   */
  tx: string | null;
  log_index: number | null;
};

/**
 * Who reads: every row, or those of an account; `types`: of these alone, undefined is all of them.
 */
export type Viewer = {
  account: string;
  everything: boolean;
  types?: readonly string[] | undefined;
};

/**
 * An event outside. Within a version members may come, and none goes or changes its meaning.
 * Positions are decimal strings.
 */
export type FeedEvent = {
  version: 1;
  id: string;
  type: string;
  position: string;
  at: string;
  number?: string;
  /** The id of an invoice that was issued elsewhere, in the place of a number. */
  external?: string;
  /** Absent of what does not come from the chain. */
  tx?: string;
  block: number;
  /** In the block, as the node counts; 65,535 of a notice. */
  logIndex: number;
  data: Record<string, unknown>;
};

/**
 * `next`: go on from here, also when `rows` is empty. `more`: there is something to look at beyond
 * it already.
 */
export type FeedPage = { rows: FeedRow[]; next: bigint; more: boolean };

/** Seen by every party. */
const EVERYBODY = "*";
/** Rows looked at for one page when only some types are wanted. */
const SCAN = 1_000;

/** What version 1 says of a notice, which has no log. */
const NO_LOG = 0xffff;

export function eventOf(row: FeedRow, viewer: Viewer): FeedEvent {
  const position = row.position.toString();
  return {
    version: 1,
    id: position,
    type: row.type,
    position,
    at: row.at.toISOString(),
    ...(row.number === null
      ? {}
      : isExternal(row.number)
        ? { external: externalHex(row.number) }
        : { number: row.number }),
    ...(row.tx === null ? {} : { tx: row.tx }),
    block: Number(blockOf(row.position)),
    logIndex: row.log_index ?? NO_LOG,
    data: viewer.everything && row.bureau !== null ? { ...row.data, ...row.bureau } : row.data,
  };
}

export const sees = (viewer: Viewer, row: FeedRow): boolean =>
  (viewer.everything ||
    row.accounts.includes(viewer.account) ||
    row.accounts.includes(EVERYBODY)) &&
  (viewer.types === undefined || viewer.types.includes(row.type));

/** The last position that there is; 0 for an empty feed. */
export async function headOf(tx: Tx): Promise<bigint> {
  const [row] = await tx<{ head: bigint | null }[]>`select max(position) as head from feed`;
  return row?.head ?? 0n;
}

/** Positions of the viewer's rows, ascending, whatever their types. */
const positions = (tx: Tx, viewer: Viewer, after: bigint, head: bigint, limit: number) =>
  viewer.everything
    ? tx`select position from feed where position > ${after} and position <= ${head} order by position limit ${limit}`
    : tx`
      select position from (
        (select position from feed_accounts where account = ${viewer.account} and position > ${after} and position <= ${head} order by position limit ${limit})
        union
        (select position from feed_accounts where account = ${EVERYBODY} and position > ${after} and position <= ${head} order by position limit ${limit})
      ) both_of order by position limit ${limit}`;

/** The viewer's rows after a position, oldest first, at most `limit`. */
export async function pageOf(
  tx: Tx,
  viewer: Viewer,
  { after, number, limit }: { after: bigint; number?: string | undefined; limit: number },
): Promise<FeedPage> {
  const head = await headOf(tx);
  if (after >= head) return { rows: [], next: after, more: false };
  const wanted =
    viewer.types === undefined ? tx`true` : tx`f.type = any(${[...viewer.types]}::text[])`;
  if (number !== undefined) {
    const mine = viewer.everything
      ? tx`true`
      : tx`f.accounts && ${[viewer.account, EVERYBODY]}::text[]`;
    const rows = await tx<FeedRow[]>`
      select f.* from feed f where f.number = ${number} and f.position > ${after} and f.position <= ${head} and ${mine} and ${wanted}
      order by f.position limit ${limit}`;
    return ended(rows, rows.length === limit, head);
  }
  const span = viewer.types === undefined ? limit : Math.max(limit, SCAN);
  const rows = await tx<FeedRow[]>`
    select f.* from (${positions(tx, viewer, after, head, span)}) p join feed f on f.position = p.position
    where ${wanted} order by f.position limit ${limit}`;
  if (rows.length === limit || viewer.types === undefined)
    return ended(rows, rows.length === limit, head);
  // few of many are wanted: the page ends where looking has ended
  const [looked] = await tx<{ count: number; last: bigint | null }[]>`
    select count(*)::int as count, max(position) as last from (${positions(tx, viewer, after, head, span)}) p`;
  const cut = looked !== undefined && looked.last !== null && looked.count === span;
  return { rows, next: cut ? (looked.last as bigint) : head, more: cut };
}

function ended(rows: FeedRow[], full: boolean, head: bigint): FeedPage {
  const last = rows[rows.length - 1];
  return full && last
    ? { rows, next: last.position, more: last.position < head }
    : { rows, next: head, more: false };
}

/** How many rows the viewer has after a position, whatever their types; counted up to `most`. */
export async function countAfter(
  tx: Tx,
  viewer: Viewer,
  after: bigint,
  most: number,
): Promise<number> {
  const head = await headOf(tx);
  const [row] = await tx<
    { count: number }[]
  >`select count(*)::int as count from (${positions(tx, viewer, after, head, most)}) p`;
  return row?.count ?? 0;
}
