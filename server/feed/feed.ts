/**
 * Reading the feed: who sees which row, the form of an event outside, and pages. Streams, webhooks
 * and `GET /v1/events` all read with these functions.
 *
 * Invariant: no row will ever appear below the position at which a page ends. Only the follower
 * writes rows; it does so in ascending positions, while it holds the lock on the cursor's row until
 * it commits. So a reader that sees a row sees all rows before it. This is why the head is read
 * first, and the rows up to it afterwards.
 *
 * Does not own: the content of a row (the features' projections), and how rows come into the feed
 * (follower.ts).
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
   * Null for a notice, which no transaction of the chain caused; so is the log's index in its
   * block.
   */
  tx: string | null;
  log_index: number | null;
};

/** The reader: sees every row, or those of an account; with `types`, only rows of these types. */
export type Viewer = {
  account: string;
  everything: boolean;
  types?: readonly string[] | undefined;
};

/**
 * An event outside. Within a version members may be added; none is removed or changes its meaning.
 * Positions are decimal strings.
 */
export type FeedEvent = {
  version: 1;
  id: string;
  type: string;
  position: string;
  at: string;
  number?: string;
  /** The id of an invoice that was issued elsewhere, in place of a number. */
  external?: string;
  /** Absent if the event does not come from the chain. */
  tx?: string;
  block: number;
  /** The index in the block, as the node counts; 65,535 for a notice. */
  logIndex: number;
  data: Record<string, unknown>;
};

/**
 * `next`: continue from here, even if `rows` is empty. `more`: there already is something beyond
 * it.
 */
export type FeedPage = { rows: FeedRow[]; next: bigint; more: boolean };

/** Every party sees it. */
const EVERYBODY = "*";
/** Rows examined for one page if only some types are wanted. */
const MAX_SCAN = 1_000;

/** The log index of a notice in version 1; a notice has no log. */
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

/** The last position; 0 for an empty feed. */
export async function headOf(tx: Tx): Promise<bigint> {
  const [row] = await tx<{ head: bigint | null }[]>`select max(position) as head from feed`;
  return row?.head ?? 0n;
}

/** Positions of the viewer's rows, ascending, of all types. */
const positions = (tx: Tx, viewer: Viewer, after: bigint, head: bigint, limit: number) =>
  viewer.everything
    ? tx`
      select position from feed where position > ${after} and position <= ${head} order by position
        limit ${limit}`
    : tx`
      select position from (
        (select position from feed_accounts where account = ${viewer.account}
          and position > ${after} and position <= ${head} order by position limit ${limit})
        union
        (select position from feed_accounts where account = ${EVERYBODY} and position > ${after}
          and position <= ${head} order by position limit ${limit})
      ) both_of order by position limit ${limit}`;

/** The viewer's rows after a position, oldest first, at most `limit`. */
export async function pageOf(
  tx: Tx,
  viewer: Viewer,
  { after, number, limit }: { after: bigint; number?: string | undefined; limit: number },
): Promise<FeedPage> {
  const head = await headOf(tx);
  if (after >= head) return { rows: [], next: after, more: false };
  const typeFilter =
    viewer.types === undefined ? tx`true` : tx`f.type = any(${[...viewer.types]}::text[])`;
  if (number !== undefined) {
    const accountFilter = viewer.everything
      ? tx`true`
      : tx`f.accounts && ${[viewer.account, EVERYBODY]}::text[]`;
    const rows = await tx<FeedRow[]>`
      select f.* from feed f where f.number = ${number} and f.position > ${after}
        and f.position <= ${head} and ${accountFilter} and ${typeFilter}
      order by f.position limit ${limit}`;
    return pageEnding(rows, rows.length === limit, head);
  }
  const span = viewer.types === undefined ? limit : Math.max(limit, MAX_SCAN);
  const rows = await tx<FeedRow[]>`
    select f.* from (${positions(tx, viewer, after, head, span)}) p
      join feed f on f.position = p.position
    where ${typeFilter} order by f.position limit ${limit}`;
  if (rows.length === limit || viewer.types === undefined)
    return pageEnding(rows, rows.length === limit, head);
  // few of many rows match: the page ends where the search ended
  const [examined] = await tx<{ count: number; last: bigint | null }[]>`
    select count(*)::int as count, max(position) as last
      from (${positions(tx, viewer, after, head, span)}) p`;
  const cut = examined !== undefined && examined.last !== null && examined.count === span;
  return { rows, next: cut ? (examined.last as bigint) : head, more: cut };
}

function pageEnding(rows: FeedRow[], full: boolean, head: bigint): FeedPage {
  const last = rows[rows.length - 1];
  return full && last
    ? { rows, next: last.position, more: last.position < head }
    : { rows, next: head, more: false };
}

/** How many rows of any type the viewer has after a position; counted up to `most`. */
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
