/**
 * The follower: reads the chain block by block and keeps the projections.
 *
 * Logs, projections, feed rows and the cursor change in one SQL transaction, compared and set on
 * the cursor's (block, hash).
 *
 * | the node's block at the cursor | the head | case | effect |
 * | --- | --- | --- | --- |
 * | is missing, or head < cursor | | behind | wait, say so |
 * | has another hash | | forked | stop; `rebuild` is needed, or another node when it is of another chain |
 * | is the same | cursor | level | wait |
 * | is the same | beyond | next, or a gap | apply a page of blocks |
 * | is the same | beyond, and the node contradicts itself | lying | apply nothing, ask again ever more slowly |
 *
 * A node is not believed on its word alone (blocks.ts). Where rows stand in the feed: places.ts.
 *
 * Only blocks `finalityDepth` behind the head are read: what the chain takes back above that is
 * never seen here, what it takes back below is "forked". Notices (notices.ts) are told behind the
 * events of a page's last block. No watchers, no filters, no `pending`. Of several processes the
 * one with the lease follows, the others stand by; two that both follow do no harm, for the cursor
 * moves by compare-and-set. Features give the projections.
 */

import type { SignedAct } from "../chain/calldata.ts";
import { type ChainClient, type Header, NodeDown, NodeRefused } from "../chain/client.ts";
import type { ChainEvent, Contracts } from "../chain/contracts.ts";
import type { FaultWord } from "../chain/faults.ts";
import { announce, type Changes, DatabaseError, type Json, type Sql, type Tx } from "../db/db.ts";
import type { Lease } from "../db/leases.ts";
import type { Log } from "../kernel/log.ts";
import { createLoop, type Next } from "../kernel/loop.ts";
import { createSlices } from "../kernel/slices.ts";
import { Contradiction, readBlocks } from "./blocks.ts";
import { type PlacedNotice, placedIn } from "./notices.ts";
import { createPlaces, rowsOf } from "./places.ts";
import { signedActsOf } from "./signed.ts";

/** One event as a projection sees it, with what it may write to the feed. */
export type Applied = ChainEvent & {
  at: Date;
  /**
   * Of a refusal that may show an attempt at a second reimbursement: what its party has signed,
   * where it can be read (signed.ts).
   */
  signed?: SignedAct;
  /**
   * Adds a feed row; accounts are those who may see it ("*": every party), `bureau` what the bureau
   * sees besides. At most `rowsOf` (places.ts) an event.
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
  /** Emptied by `rebuild`. */
  tables: readonly string[];
  /**
   * Emptied as well, and filled again later by somebody else, out of what is projected: no replay
   * can be compared with them.
   */
  derived?: readonly string[];
  /**
   * By the event's name. A run is events of one name that come one after the other, each about
   * another invoice (refusals: about any): what is done to their rows may be done in one statement
   * for all of them.
   */
  on: Record<string, (tx: Tx, run: readonly Applied[]) => Promise<void>>;
  /**
   * What has come into the projections at a block by something else than an event: in a replay it
   * comes at the same block again. `next` tells the first such block of a range, `put` does it anew
   * behind the block's events.
   */
  besides?: {
    next(tx: Tx, from: number, to: number): Promise<number | undefined>;
    put(tx: Tx, block: number): Promise<void>;
  };
};

/** For events that are taken one by one. */
export const each =
  (one: (tx: Tx, event: Applied) => Promise<void>) =>
  async (tx: Tx, run: readonly Applied[]): Promise<void> => {
    for (const event of run) await one(tx, event);
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
  /**
   * Empties the projections and moves the cursor to the start; the next wake-ups replay everything.
   */
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
  /** Called with the events of a page after its transaction; what it throws is logged. */
  applied?: (events: readonly ChainEvent[]) => void | Promise<void>;
  /** Called with each fault that the node answers. */
  answered?: (fault: FaultWord) => void;
};

/** Blocks read in one go while catching up. */
const PAGE = 500;
/**
 * Events applied in one transaction, unless one block has more: what is behind by much is seen to
 * catch up, and little is lost by a kill.
 */
const MAX_EVENTS = 500;
/** Feed rows of one statement. */
const FEED_PAGE = 5_000;
/** A node that contradicts itself is asked again after so long at most. */
const MAX_PATIENCE_MS = 30_000;
/** PostgreSQL's code of a deadlock. */
const DEADLOCK = "40P01";
const REBUILD_TRIES = 20;
/** How often a process that stands by looks where the others are. */
const STANDBY_MS = 1_000;

/**
 * What changes no invoice, so that one of them may come again in a run, as it does where somebody
 * relays an act a hundred times.
 */
const CHANGE_NOTHING: ReadonlySet<string> = new Set(["Refused", "LotRefused"]);

/** Events in order, cut where the name changes or an invoice that they change comes again. */
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

  async function cursor(): Promise<Cursor> {
    const [row] = await sql<Cursor[]>`select block, hash, genesis from cursor`;
    if (row) return row;
    const start = await chain.block(deployment.block);
    if (!start)
      throw new Error(`The node has no block ${deployment.block}, where the deployment starts`);
    await sql`
      insert into cursor (block, hash, time, genesis) values (${start.number}, ${start.hash}, ${start.time}, ${deployment.genesis})
      on conflict do nothing`;
    return (await sql<Cursor[]>`select block, hash, genesis from cursor`)[0] as Cursor;
  }

  async function step(): Promise<boolean> {
    const at = await cursor();
    if (at.genesis !== deployment.genesis)
      return stay("forked", at, 0, "the database belongs to another chain");
    const from = Number(at.block);
    const [latest, here] = await Promise.all([chain.head(), chain.block(from)]);
    const head = latest - deps.finalityDepth;
    if (head < from) return stay("behind", at, head, "the node is behind the cursor");
    if (!here) return stay("behind", at, head, "the node does not have the cursor's block yet");
    if (here.hash !== at.hash) {
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
    const to = await besides(from + 1, Math.min(head, from + PAGE));
    const reached = await apply(at, from + 1, to);
    // another follower was first: look where the cursor is now
    if (reached === undefined) return true;
    current = { state: "following", block: reached, head };
    return reached < head;
  }

  /** The end of a page: not beyond a block at which something comes besides. */
  async function besides(from: number, to: number): Promise<number> {
    const blocks = await Promise.all(
      deps.projections.map((projection) => projection.besides?.next(sql, from, to)),
    );
    return Math.min(to, ...blocks.filter((block) => block !== undefined));
  }

  function stay(state: FollowerState["state"], at: Cursor, head: number, why?: string): false {
    if (why && current.state !== state) log.error({ state, block: Number(at.block), head }, why);
    current = { state, block: Number(at.block), head };
    return false;
  }

  /**
   * Applies blocks, as many as MAX_EVENTS allows and at least one, and moves the cursor. Returns
   * how far; undefined, with nothing changed, when another follower has moved it.
   */
  async function apply(at: Cursor, from: number, to: number): Promise<number | undefined> {
    const { headers, logs } = await readBlocks(chain, contracts.addresses, at.hash, from, to);
    const beyond = logs[MAX_EVENTS]?.block ?? to + 1;
    const last = headers[Math.max(from, beyond - 1) - from] as Header;
    const events: ChainEvent[] = [];
    const breathe = createSlices();
    for (const raw of logs) {
      await breathe();
      const event = raw.block <= last.number ? contracts.event(raw) : undefined;
      if (event) events.push(event);
    }
    const signed = await signedActsOf(chain, contracts, events);
    const moved = await sql.begin(async (tx) => {
      const moved = await tx`
        update cursor set block = ${last.number}, hash = ${last.hash}, time = ${last.time} where block = ${at.block} and hash = ${at.hash}`;
      if (moved.count !== 1) return false;
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
      for (const projection of deps.projections) await projection.besides?.put(tx, last.number);
      const notices = await placedIn(tx, from, last.number);
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
    });
    if (moved && deps.applied && events.length > 0) {
      // the events are applied, whatever becomes of what is told of them
      await Promise.resolve(events)
        .then(deps.applied)
        .catch((cause: Error) =>
          log.warn({ error: cause.message }, "what was applied could not be told"),
        );
    }
    return moved ? last.number : undefined;
  }

  async function tellFeed(tx: Tx, rows: readonly FeedRow[]): Promise<void> {
    await tx`
      insert into feed (position, type, number, accounts, data, bureau, at, tx, log_index)
      select position, type, number, accounts, data, bureau, at, tx, log_index from jsonb_to_recordset(${tx.json(rows)}::jsonb)
        as row (position bigint, type text, number numeric, accounts text[], data jsonb, bureau jsonb, at timestamptz, tx text, log_index int)`;
  }

  /** A notice as the feed has it. */
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

  /** The event as projections see it; what they tell of it goes into `rows`, from `position` on. */
  function toApply(
    event: ChainEvent,
    signed: SignedAct | undefined,
    time: number,
    position: bigint,
    rows: FeedRow[],
  ): Applied {
    let told = 0;
    const at = new Date(time * 1_000);
    return {
      ...event,
      ...(signed ? { signed } : {}),
      at,
      tell: (row) => {
        // one more would stand in the next event's place
        if (told === rowsOf(event))
          throw new RangeError(`${event.name} adds more than ${told} rows to the feed`);
        rows.push({
          position: String(position + BigInt(told)),
          type: row.type,
          number: row.number ?? null,
          accounts: [...new Set(row.accounts)],
          data: row.data,
          bureau: row.bureau ?? null,
          at: at.toISOString(),
          tx: event.tx,
          log_index: event.index,
        });
        told += 1;
      },
    };
  }

  /** Where the process that follows has come to, as the database and this process's node say. */
  async function standBy(): Promise<void> {
    const [[row], latest] = await Promise.all([
      sql<{ block: bigint }[]>`select block from cursor`,
      chain.head(),
    ]);
    current = {
      state: "standby",
      block: Number(row?.block ?? deployment.block),
      head: latest - deps.finalityDepth,
    };
  }

  let stoodBy = Number.NEGATIVE_INFINITY;
  async function turn(): Promise<Next> {
    let more = false;
    if (deps.lease.held()) {
      more = await step();
      stoodBy = Number.NEGATIVE_INFINITY;
    } else if (performance.now() - stoodBy > STANDBY_MS) {
      stoodBy = performance.now();
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
    // a lane that has seen a receipt knows of a block that there is to read
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
          return await sql.begin(async (tx) => {
            await tx`lock table cursor in exclusive mode`;
            for (const table of tables) await tx`truncate ${tx(table)}`;
            await tx`delete from cursor`;
          });
        } catch (cause) {
          // others read several of these tables in an order of their own: where both wait for each
          // other, this one begins again
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
        // the cursor itself: what this process last knew of it is old after a rebuild
        const [at] = await sql<{ block: bigint }[]>`select block from cursor`;
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
