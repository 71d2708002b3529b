/**
 * The follower: reads the chain block by block and keeps the projections.
 *
 * Logs, projections, feed rows and the cursor change in one SQL transaction, by compare-and-set on
 * the cursor's (block, hash).
 *
 * | the node's block at the cursor | the head | case | effect |
 * | --- | --- | --- | --- |
 * | is missing, or head < cursor | | behind | wait, say so |
 * | has another hash | | forked | stop; `rebuild` is needed, or another node if this one is of another chain |
 * | is the same | cursor | level | wait |
 * | is the same | beyond | next, or a gap | apply a page of blocks |
 * | is the same | beyond, and the node contradicts itself | lying | apply nothing, ask again ever more slowly |
 *
 * The follower does not trust the node's answers (blocks.ts). Positions in the feed: places.ts.
 *
 * It reads only blocks `finalityDepth` behind the head: it never sees what the chain reverts above
 * that, and calls a reversal below it "forked". Notices (notices.ts) follow the events of a page's
 * last block. No watchers, no filters, no `pending`. Of several processes, the one with the lease
 * follows and the others stand by; two that both follow do no harm, because the cursor moves by
 * compare-and-set. Features supply the projections.
 */

import type { SignedAct } from "../chain/calldata.ts";
import { type ChainClient, type Header, NodeDown, NodeRefused } from "../chain/client.ts";
import type { ChainEvent, Contracts } from "../chain/contracts.ts";
import type { FaultWord } from "../chain/faults.ts";
import { announce, type Changes, DatabaseError, type Json, type Sql, type Tx } from "../db/db.ts";
import type { Lease } from "../db/leases.ts";
import type { RowOf } from "../db/tables.ts";
import type { Log } from "../kernel/log.ts";
import { createLoop, type Next } from "../kernel/loop.ts";
import { createSlices } from "../kernel/slices.ts";
import { Contradiction, readBlocks } from "./blocks.ts";
import { type PlacedNotice, placedIn, someIn } from "./notices.ts";
import { createPlaces, rowsOf } from "./places.ts";
import { signedActsOf } from "./signed.ts";

/** One event for a projection, with a way to add rows to the feed. */
export type Applied = ChainEvent & {
  at: Date;
  /**
   * For a refusal that may show an attempt at a second reimbursement: what its party signed, if it
   * can be read (signed.ts).
   */
  signed?: SignedAct;
  /**
   * Adds a row to the feed. `accounts` may see it ("*": every party); only the bureau sees
   * `bureau`. At most `rowsOf` (places.ts) for each event.
   */
  tell(row: {
    type: string;
    number?: string;
    accounts: readonly string[];
    data: Record<string, Json>;
    bureau?: Record<string, Json>;
  }): void;
};

export type Projection = {
  name: string;
  /** `rebuild` empties these. */
  tables: readonly string[];
  /**
   * `rebuild` empties these too; another component fills them later from the projections, so a
   * replay cannot be compared with them.
   */
  derived?: readonly string[];
  /**
   * By the event's name. A run is consecutive events of one name, each about a different invoice
   * (for refusals: any invoice), so one statement may change the rows of all of them.
   */
  on: Record<string, (tx: Tx, run: readonly Applied[]) => Promise<void>>;
  /**
   * Rows that enter the projections at a block without an event; a replay adds them at the same
   * block again. `next` returns the first such block of a range; `put` adds the rows after the
   * block's events.
   */
  arrivals?: {
    next(tx: Tx, from: number, to: number): Promise<number | undefined>;
    put(tx: Tx, block: number): Promise<void>;
  };
};

/** Handles the events of a run one by one. */
export const each =
  (handle: (tx: Tx, event: Applied) => Promise<void>) =>
  async (tx: Tx, run: readonly Applied[]): Promise<void> => {
    for (const event of run) await handle(tx, event);
  };

/**
 * `standby`: another process follows; block and head are as this one sees them. `head`: the final
 * one.
 */
export type FollowerState = {
  state: "starting" | "following" | "standby" | "behind" | "forked" | "lying" | "down";
  block: number;
  head: number;
};

export type Follower = {
  start(): void;
  stop(): Promise<void>;
  state(): FollowerState;
  /** Empties the projections and resets the cursor; the next turns replay everything. */
  rebuild(): Promise<void>;
  /** Resolves when everything up to the chain's final head is applied. */
  caughtUp(): Promise<void>;
};

type Deps = {
  sql: Sql;
  chain: ChainClient;
  contracts: Contracts;
  projections: readonly Projection[];
  changes: Changes;
  log: Log;
  lease: Lease;
  finalityDepth: number;
  pollMs: number;
  /** Called with the events of a page after its transaction; errors are logged. */
  applied?: (events: readonly ChainEvent[]) => void | Promise<void>;
  /** Called with each fault that the node answers. */
  answered?: (fault: FaultWord) => void;
};

/** Blocks read at once while catching up. */
const PAGE = 500;
/**
 * Events applied in one transaction, unless one block has more: a follower that is far behind shows
 * progress, and a kill loses little.
 */
const MAX_EVENTS = 500;
/** Feed rows of one statement. */
const FEED_PAGE = 5_000;
/** The longest pause before a node that contradicts itself is asked again. */
const MAX_PATIENCE_MS = 30_000;
/** PostgreSQL's code for a deadlock. */
const DEADLOCK = "40P01";
const REBUILD_TRIES = 20;
/** How often a process on standby reads where the others are. */
const STANDBY_MS = 1_000;
/** How long the cursor is taken from memory: only this process moves it, or a rebuild. */
const REMEMBERED_MS = 1_000;

/**
 * Events that change no invoice, so one invoice may occur several times in a run, for example if
 * somebody relays an act a hundred times.
 */
const CHANGE_NOTHING: ReadonlySet<string> = new Set(["Refused", "LotRefused"]);

/** Events in order, split where the name changes or an invoice that they change recurs. */
function runsOf(events: readonly Applied[]): Applied[][] {
  const runs: Applied[][] = [];
  let seen = new Set<unknown>();
  for (const event of events) {
    const run = runs[runs.length - 1];
    const id = CHANGE_NOTHING.has(event.name) ? undefined : event.args["id"];
    if (run?.[0]?.name === event.name && !(id !== undefined && seen.has(id))) run.push(event);
    else {
      runs.push([event]);
      seen = new Set();
    }
    if (id !== undefined) seen.add(id);
  }
  return runs;
}

type FeedRow = {
  position: string;
  type: string;
  number: string | null;
  accounts: string[];
  data: Json;
  bureau: Json;
  at: string;
  tx: string | null;
  log_index: number | null;
};

export function createFollower(deps: Deps): Follower {
  const { sql, chain, contracts, log } = deps;
  const { deployment } = contracts;
  const feedTables = ["feed"];
  let stopping = false;
  let current: FollowerState = { state: "starting", block: deployment.block, head: 0 };

  type Cursor = { block: bigint; hash: string; genesis: string };

  /** The cursor as this process has read or moved it; undefined when another has moved it. */
  let remembered: { cursor: Cursor; at: number } | undefined;
  const remember = (cursor: Cursor): Cursor => {
    remembered = { cursor, at: performance.now() };
    return cursor;
  };

  async function cursor(): Promise<Cursor> {
    if (remembered !== undefined && performance.now() - remembered.at < REMEMBERED_MS)
      return remembered.cursor;
    return remember(await readCursor());
  }

  async function readCursor(): Promise<Cursor> {
    const [row] = await sql<Cursor[]>`select block, hash, genesis from cursor`;
    if (row) return row;
    const start = await chain.block(deployment.block);
    if (!start)
      throw new Error(`The node has no block ${deployment.block}, where the deployment starts`);
    await sql`
      insert into cursor (block, hash, time, genesis) values (${start.number}, ${start.hash},
        ${start.time}, ${deployment.genesis})
      on conflict do nothing`;
    return (await sql<Cursor[]>`select block, hash, genesis from cursor`)[0] as Cursor;
  }

  async function step(): Promise<boolean> {
    const at = await cursor();
    if (at.genesis !== deployment.genesis)
      return stay("forked", at, 0, "the database belongs to another chain");
    const from = Number(at.block);
    const [latest, blockAtCursor] = await Promise.all([chain.head(), chain.block(from)]);
    const head = latest - deps.finalityDepth;
    if (head < from) return stay("behind", at, head, "the node is behind the cursor");
    if (!blockAtCursor)
      return stay("behind", at, head, "the node does not have the cursor's block yet");
    if (blockAtCursor.hash !== at.hash) {
      const first = await chain.block(0);
      const another = first !== undefined && first.hash !== deployment.genesis;
      return stay(
        "forked",
        at,
        head,
        another
          ? "the node is of another chain"
          : "the chain has another block at the cursor: rebuild",
      );
    }
    if (head === from) return stay("following", at, head);
    const page = await endOfPage(from + 1, Math.min(head, from + PAGE));
    const reached = await apply(at, from + 1, page);
    // another follower was faster: read the cursor again
    if (reached === undefined) {
      remembered = undefined;
      return true;
    }
    current = { state: "following", block: reached, head };
    return reached < head;
  }

  type Page = { to: number; hasArrivals: boolean };
  /**
   * The end of a page: not beyond a block with arrivals. Later arrivals are at blocks before the
   * page: they come at the cursor, and hold it.
   */
  async function endOfPage(from: number, to: number): Promise<Page> {
    const blocks = await Promise.all(
      deps.projections.map((projection) => projection.arrivals?.next(sql, from, to)),
    );
    const first = blocks.filter((block) => block !== undefined);
    return { to: Math.min(to, ...first), hasArrivals: first.length > 0 };
  }

  function stay(state: FollowerState["state"], at: Cursor, head: number, message?: string): false {
    if (message && current.state !== state)
      log.error({ state, block: Number(at.block), head }, message);
    current = { state, block: Number(at.block), head };
    return false;
  }

  /**
   * Applies blocks, as many as MAX_EVENTS allows and at least one, and moves the cursor. Returns
   * the last block; undefined, with nothing changed, if another follower has moved the cursor.
   */
  async function apply(
    at: Cursor,
    from: number,
    { to, hasArrivals }: Page,
  ): Promise<number | undefined> {
    const { headers, logs } = await readBlocks(chain, contracts.addresses, at.hash, from, to);
    const nextBlock = logs[MAX_EVENTS]?.block ?? to + 1;
    const last = headers[Math.max(from, nextBlock - 1) - from] as Header;
    const events: ChainEvent[] = [];
    const pauseIfDue = createSlices();
    for (const raw of logs) {
      await pauseIfDue();
      const event = raw.block <= last.number ? contracts.event(raw) : undefined;
      if (event) events.push(event);
    }
    const signed = await signedActsOf(chain, contracts, events);
    const move = (tx: Tx) => tx`
      update cursor set block = ${last.number}, hash = ${last.hash}, time = ${last.time}
        where block = ${at.block} and hash = ${at.hash}`;
    const hasNotices = someIn(sql, from, last.number);

    /** Most blocks change nothing else: one statement is enough for them. */
    async function moveAlone(): Promise<boolean> {
      if (events.length > 0 || hasArrivals) return false;
      return (await sql`${move(sql)} and not ${hasNotices}`).count === 1;
    }

    async function moveWithChanges(tx: Tx): Promise<boolean> {
      const [row] = await tx<{ notices: boolean }[]>`
        ${move(tx)} returning ${hasNotices} as notices`;
      if (row === undefined) return false;
      const rows: FeedRow[] = [];
      const place = createPlaces();
      const applied = events.map((event) =>
        toApply(
          event,
          signed.get(event),
          (headers[event.block - from] as Header).time,
          place(event.block, rowsOf(event)),
          rows,
        ),
      );
      for (const run of runsOf(applied)) {
        for (const projection of deps.projections)
          await projection.on[run[0]?.name ?? ""]?.(tx, run);
      }
      if (hasArrivals)
        for (const projection of deps.projections) await projection.arrivals?.put(tx, last.number);
      const notices = row.notices ? await placedIn(tx, from, last.number) : [];
      for (const notice of notices)
        rows.push(
          noticeRow(
            notice,
            (headers[Number(notice.block) - from] as Header).time,
            place(notice.block, 1),
          ),
        );
      rows.sort((a, b) => (BigInt(a.position) < BigInt(b.position) ? -1 : 1));
      for (let i = 0; i < rows.length; i += FEED_PAGE)
        await tellFeed(tx, rows.slice(i, i + FEED_PAGE));
      if (rows.length > 0 || events.length > 0) await announce(tx, "block");
      return true;
    }

    const moved = (await moveAlone()) || (await sql.begin(moveWithChanges));
    if (moved && deps.applied && events.length > 0) {
      // the events are applied, even if the callback fails
      await Promise.resolve(events)
        .then(deps.applied)
        .catch((cause: Error) =>
          log.warn({ error: cause.message }, "the callback for applied events failed"),
        );
    }
    if (moved) remember({ ...at, block: BigInt(last.number), hash: last.hash });
    return moved ? last.number : undefined;
  }

  async function tellFeed(tx: Tx, rows: readonly FeedRow[]): Promise<void> {
    await tx`
      insert into feed (position, type, number, accounts, data, bureau, at, tx, log_index)
      select position, type, number, accounts, data, bureau, at, tx, log_index
        from jsonb_to_recordset(${tx.json(rows)}::jsonb)
        as row (position bigint, type text, number numeric, accounts text[], data jsonb,
          bureau jsonb, at timestamptz, tx text, log_index int)`;
  }

  /** A notice as a row of the feed. */
  function noticeRow(
    { block: _, ...notice }: PlacedNotice,
    time: number,
    position: bigint,
  ): FeedRow {
    return {
      ...notice,
      position: String(position),
      at: new Date(time * 1_000).toISOString(),
      tx: null,
      log_index: null,
    };
  }

  /** The event for projections; the rows that they add go into `rows`, from `position` on. */
  function toApply(
    event: ChainEvent,
    signed: SignedAct | undefined,
    time: number,
    position: bigint,
    rows: FeedRow[],
  ): Applied {
    let count = 0;
    const at = new Date(time * 1_000);
    return {
      ...event,
      ...(signed ? { signed } : {}),
      at,
      tell: (row) => {
        // another row would take the next event's position
        if (count === rowsOf(event))
          throw new RangeError(`${event.name} adds more than ${count} rows to the feed`);
        rows.push({
          position: String(position + BigInt(count)),
          type: row.type,
          number: row.number ?? null,
          accounts: [...new Set(row.accounts)],
          data: row.data,
          bureau: row.bureau ?? null,
          at: at.toISOString(),
          tx: event.tx,
          log_index: event.index,
        });
        count += 1;
      },
    };
  }

  /** The block of the process that follows, according to the database and this process's node. */
  async function standBy(): Promise<void> {
    const [[row], latest] = await Promise.all([
      sql<RowOf<"cursor", "block">[]>`select block from cursor`,
      chain.head(),
    ]);
    current = {
      state: "standby",
      block: Number(row?.block ?? deployment.block),
      head: latest - deps.finalityDepth,
    };
  }

  let lastStandby = Number.NEGATIVE_INFINITY;
  async function turn(): Promise<Next> {
    let more = false;
    if (deps.lease.held()) {
      more = await step();
      lastStandby = Number.NEGATIVE_INFINITY;
    } else if (performance.now() - lastStandby > STANDBY_MS) {
      lastStandby = performance.now();
      await standBy();
    }
    patience = 0;
    return more ? { after: 0 } : undefined;
  }

  /** How long the follower waits while the node contradicts itself: twice as long each time. */
  let patience = 0;
  function failed(cause: unknown): Next {
    const error = cause instanceof Error ? cause.message : String(cause);
    if (cause instanceof NodeDown || cause instanceof NodeRefused)
      deps.answered?.(cause.fault.word);
    if (cause instanceof Contradiction) {
      patience = Math.min(MAX_PATIENCE_MS, Math.max(deps.pollMs, 2 * patience));
      current = { ...current, state: "lying" };
      log.error({ error }, "the node contradicts itself: nothing of it is applied");
    } else {
      current = { ...current, state: "down" };
      log.warn({ error }, "the follower waits");
    }
    return patience > deps.pollMs ? { after: patience } : undefined;
  }

  const loop = createLoop({
    atMostMs: Math.min(deps.pollMs, 1_000),
    // a lane that has seen a receipt knows of a block to read
    listen: (changed) => deps.changes.on(["lease", "send"], changed),
    turn,
    failed,
  });

  return {
    start() {
      stopping = false;
      loop.start();
    },
    async stop() {
      stopping = true;
      await loop.stop();
    },
    state: () => current,
    async rebuild() {
      const tables = [
        ...feedTables,
        ...deps.projections.flatMap((p) => [...p.tables, ...(p.derived ?? [])]),
      ];
      for (let tries = 1; ; tries += 1) {
        try {
          await sql.begin(async (tx) => {
            await tx`lock table cursor in exclusive mode`;
            for (const table of tables) await tx`truncate ${tx(table)}`;
            await tx`delete from cursor`;
          });
          remembered = undefined;
          return;
        } catch (cause) {
          // others read several of these tables in another order: if both wait for each other, this
          // one starts again
          if (
            !(cause instanceof DatabaseError) ||
            cause.code !== DEADLOCK ||
            tries === REBUILD_TRIES
          )
            throw cause;
        }
      }
    },
    async caughtUp() {
      const goal = (await chain.head()) - deps.finalityDepth;
      while (!stopping) {
        // reads the cursor itself, because `current` is outdated after a rebuild
        const [at] = await sql<RowOf<"cursor", "block">[]>`select block from cursor`;
        if (
          at &&
          Number(at.block) >= goal &&
          (current.state === "following" || current.state === "standby")
        )
          return;
        await deps.changes.wait(50);
      }
    },
  };
}
