/**
 * The feed for its parties: the types of events, what each role sees of them, and streams of the
 * feed.
 *
 * The projection that writes a row says who sees it: its `accounts`, and `bureau` for what only the
 * bureau sees. Of its party's rows a key sees the types of its roles, so that a till's key does not
 * read the cashier's claims. The bureau sees every row. docs/events.md has the table.
 *
 * A stream is ordered and delivers at least once: each event carries its position as `id`, and a
 * client that returns with the last id that it saw goes on after it. A stream ends when its client
 * disconnects, when its API key is revoked or its session ends, or when the process stops.
 */

import { type ActFeedType, acts, type Party } from "@onepiao/protocol/ledger/acts.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import type { Sql, Tx } from "../../db/db.ts";
import {
  countAfter,
  eventOf,
  type FeedEvent,
  type FeedPage,
  type FeedRow,
  headOf,
  pageOf,
  sees,
  type Viewer,
} from "../../feed/feed.ts";
import type { Tail } from "../../feed/tail.ts";
import { type Caller, type Role, roles } from "../../kernel/api.ts";
import type { Sessions } from "../parties/browser-sessions.ts";

const roleOf: Readonly<Record<Party, Role>> = {
  issuer: "issuer",
  holder: "holder",
  receiver: "holder",
  employer: "employer",
};
/**
 * The roles of these parties, and the bureau; every role sees what issuer, holder and employer all
 * see.
 */
function rolesOf(seenBy: readonly Party[]): readonly Role[] {
  const seeing = new Set(seenBy.map((party) => roleOf[party]));
  return seeing.size === 3 ? roles : ["bureau", ...seeing];
}
const actTypes = Object.fromEntries(
  Object.values(acts).map(({ feed }) => [feed.type, rolesOf(feed.seenBy)]),
) as Record<ActFeedType, readonly Role[]>;
const otherTypes = {
  "invoice.issued": roles,
  "external.conflict": ["bureau", "employer"],
  "external.near-duplicate": ["bureau", "employer"],
  "external.credited": ["bureau", "employer", "holder"],
  "invoice.imported": ["bureau", "employer", "holder"],
  "transfer.offered": ["bureau", "holder"],
  "transfer.ended": ["bureau", "holder"],
  "red-letter.changed": ["bureau", "issuer", "employer"],
  "red-letter.issued": ["bureau", "issuer", "employer"],
  "reimbursement.refused": ["bureau", "employer", "holder"],
  "taxpayer.enrolled": roles,
  "taxpayer.suspended": roles,
  "taxpayer.reinstated": roles,
  "audit.alarm": ["bureau"],
  "quota.set": ["bureau", "issuer"],
  "quota.drawn": ["bureau", "issuer"],
  "quota.given-back": ["bureau", "issuer"],
  "segment.allotted": ["bureau", "issuer"],
  "key.rotated": roles,
  "ledger.closed": roles,
  "ledger.opened": roles,
} as const satisfies Record<string, readonly Role[]>;

export type EventType = ActFeedType | keyof typeof otherTypes;
/** Types of events, and the roles whose keys see them among their party's rows. */
export const eventTypes: Readonly<Record<EventType, readonly Role[]>> = {
  ...actTypes,
  ...otherTypes,
};

/** The types that some of these roles see; undefined: all, including types that are added later. */
export function typesOf(held: readonly string[]): readonly string[] | undefined {
  const seen = Object.entries(eventTypes).flatMap(([type, by]) =>
    by.some((role) => held.includes(role)) ? [type] : [],
  );
  return seen.length === Object.keys(eventTypes).length ? undefined : seen;
}

/** What a key sees of the feed, restricted to the types that it asks for. */
export function viewerOf(
  caller: Pick<Caller, "account" | "roles">,
  asked?: readonly string[],
): Viewer {
  const seen = typesOf(caller.roles);
  const types =
    asked === undefined
      ? seen
      : seen === undefined
        ? asked
        : asked.filter((type) => seen.includes(type));
  return { account: caller.account, everything: caller.roles.includes("bureau"), types };
}

/**
 * A stream that is further behind than this says `resync`: pages of the feed bring a client closer
 * at less cost.
 */
const MAX_BEHIND = 10_000;
/** Streams of one API key in one process. */
export const MAX_STREAMS = 20;
/** How often a stream checks that its API key, and its session, are still valid. */
const KEY_CHECK_MS = 20_000;
const PAGE = 100;
/** Milliseconds after which a client whose stream has ended should come back. */
const RETRY_MS = 2_000;

export type Events = ReturnType<typeof createEvents>;

export function createEvents({
  sql,
  tail,
  sessions,
  heartbeatMs,
}: {
  sql: Sql;
  tail: Tail;
  sessions: Sessions;
  heartbeatMs: number;
}) {
  const open = new Map<string, number>();

  /** Takes a place for one more stream of the key; the end of the request gives it back. */
  function takePlace(keyId: string, signal: AbortSignal): void {
    const count = open.get(keyId) ?? 0;
    if (count >= MAX_STREAMS)
      throw new Problem("too-many-streams", `This API key has ${count} streams open here`, {
        extra: { maxStreams: MAX_STREAMS },
      });
    open.set(keyId, count + 1);
    const giveBack = () => {
      const left = (open.get(keyId) ?? 1) - 1;
      if (left > 0) open.set(keyId, left);
      else open.delete(keyId);
    };
    if (signal.aborted) giveBack();
    else signal.addEventListener("abort", giveBack, { once: true });
  }

  /** The next rows after a position: from memory, or from the database if they are further back. */
  async function next(viewer: Viewer, after: bigint): Promise<FeedPage> {
    const rows = tail.read(after, PAGE);
    if (rows === undefined) return pageOf(sql, viewer, { after, limit: PAGE });
    return {
      rows: rows.filter((row) => sees(viewer, row)),
      next: rows[rows.length - 1]?.position ?? after,
      more: rows.length === PAGE,
    };
  }

  const holds = async ({ keyId, session }: Caller): Promise<boolean> =>
    (await sql`select 1 from api_key_now where id = ${keyId} and revoked_at is null`).length ===
      1 &&
    (!session || (await sessions.holds(sql, session.id)));

  async function* run(
    caller: Caller,
    viewer: Viewer,
    from: bigint,
    signal: AbortSignal,
  ): AsyncGenerator<string> {
    const letGo = await tail.follow();
    try {
      let position = from;
      // the position as an id without an event: a client that disconnects before the first event
      // returns to here
      yield `: onepiao\nretry: ${RETRY_MS}\nid: ${position}\n\n`;
      let [sent, spoke, checked] = [position, performance.now(), performance.now()];
      while (!signal.aborted) {
        const now = performance.now();
        if (now - checked >= KEY_CHECK_MS) {
          if (!(await holds(caller))) return;
          checked = now;
        }
        const page = await next(viewer, position);
        position = page.next;
        if (page.rows.length > 0) {
          const last = (page.rows[page.rows.length - 1] as FeedRow).position;
          yield page.rows.map((row) => frame(eventOf(row, viewer))).join("");
          [sent, spoke] = [last, performance.now()];
        } else if (now - spoke >= heartbeatMs) {
          // after a reconnect, the rows that were passed over need not be read again
          yield position > sent ? `:\nid: ${position}\n\n` : ":\n\n";
          [sent, spoke] = [position, performance.now()];
        }
        if (!page.more)
          await tail.wait(
            position,
            Math.max(1, Math.min(heartbeatMs - (performance.now() - spoke), KEY_CHECK_MS)),
            signal,
          );
      }
    } finally {
      letGo();
    }
  }

  return {
    /** A page after a position. */
    async page(
      tx: Tx,
      caller: Caller,
      query: {
        after: bigint;
        types?: readonly string[] | undefined;
        number?: string | undefined;
        limit: number;
      },
    ) {
      const viewer = viewerOf(caller, query.types);
      const { rows, next, more } = await pageOf(tx, viewer, query);
      return { items: rows.map((row): FeedEvent => eventOf(row, viewer)), next, more };
    },

    /** Server-sent events from a position, or from now. Throws Problem `too-many-streams`. */
    async stream(
      caller: Caller,
      query: { after: bigint | undefined; types?: readonly string[] | undefined },
      signal: AbortSignal,
    ): Promise<AsyncIterable<string>> {
      takePlace(caller.keyId, signal);
      const viewer = viewerOf(caller, query.types);
      const head = await headOf(sql);
      const after = query.after ?? head;
      const lost =
        after > head || (await countAfter(sql, viewer, after, MAX_BEHIND + 1)) > MAX_BEHIND;
      if (lost) return resync(after, head);
      return run(caller, viewer, after, signal);
    },
  };
}

const frame = (event: FeedEvent) =>
  `id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;

/**
 * Sent to a client that has too much to catch up on, or that has a position of another feed; then
 * the stream ends.
 */
async function* resync(after: bigint, head: bigint): AsyncGenerator<string> {
  yield `: onepiao\nretry: ${RETRY_MS}\nevent: resync\ndata: ${JSON.stringify({ after: after.toString(), head: head.toString() })}\n\n`;
}
