/**
 * The follower: reads the chain block by block and keeps the projections.
 *
 * Logs, projections, feed rows and the cursor change in one SQL transaction, compared and set on the cursor's (block, hash).
 *
 * | the node's block at the cursor | the head | case | effect |
 * | --- | --- | --- | --- |
 * | is missing, or head < cursor | | behind | wait, say so |
 * | has another hash | | forked | stop; `rebuild` is needed |
 * | is the same | cursor | level | wait |
 * | is the same | beyond | next, or a gap | apply a page of blocks |
 *
 * Only blocks `finalityDepth` behind the head are read. No watchers, no filters, no `pending`. Features give the projections.
 */
import type { ChainClient } from "../chain/client.ts";
import type { ChainEvent, Contracts } from "../chain/contracts.ts";
import { announce, type Changes, type Json, type Sql, type Tx } from "../db/db.ts";
import type { Log } from "../kernel/log.ts";

/** One event as a projection sees it, with what it may write to the feed. */
export type Applied = ChainEvent & {
  at: Date;
  /** Adds a feed row; accounts are those who may see it. At most 2,048 rows an event. */
  tell(row: { type: string; number?: string; accounts: readonly string[]; data: Record<string, Json> }): void;
};

export type Projection = {
  name: string;
  /** Emptied by `rebuild`. */
  tables: readonly string[];
  on: Record<string, (tx: Tx, event: Applied) => Promise<void>>;
};

export type FollowerState = { state: "starting" | "following" | "behind" | "forked" | "down"; block: number; head: number };

export type Follower = {
  start(): void;
  stop(): Promise<void>;
  state(): FollowerState;
  /** Empties the projections and moves the cursor to the start; the next wake-ups replay everything. */
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
  finalityDepth: number;
  pollMs: number;
};

/** Blocks read in one go while catching up. */
const PAGE = 500;
// a lot of 1,024 invoices is one log; a block holds fewer logs than 2^16
const SUB_POSITIONS = 1n << 11n;
const LOG_POSITIONS = 1n << 16n;

export function createFollower(deps: Deps): Follower {
  const { sql, chain, contracts, log } = deps;
  const { deployment } = contracts;
  const feedTables = ["feed"];
  let stopping = false;
  let running: Promise<void> = Promise.resolve();
  let current: FollowerState = { state: "starting", block: deployment.block, head: 0 };

  type Cursor = { block: bigint; hash: string; genesis: string };

  async function cursor(): Promise<Cursor> {
    const [row] = await sql<Cursor[]>`select block, hash, genesis from cursor`;
    if (row) return row;
    const start = await chain.block(deployment.block);
    if (!start) throw new Error(`The node has no block ${deployment.block}, where the deployment starts`);
    await sql`
      insert into cursor (block, hash, time, genesis) values (${start.number}, ${start.hash}, ${start.time}, ${deployment.genesis})
      on conflict do nothing`;
    return (await sql<Cursor[]>`select block, hash, genesis from cursor`)[0] as Cursor;
  }

  async function step(): Promise<boolean> {
    const at = await cursor();
    if (at.genesis !== deployment.genesis) return stay("forked", at, 0, "the database belongs to another chain");
    const head = (await chain.head()) - deps.finalityDepth;
    const from = Number(at.block);
    if (head < from) return stay("behind", at, head, "the node is behind the cursor");
    const here = await chain.block(from);
    if (!here) return stay("behind", at, head, "the node does not have the cursor's block yet");
    if (here.hash !== at.hash) return stay("forked", at, head, "the chain has another block at the cursor: rebuild");
    if (head === from) return stay("following", at, head);
    const to = Math.min(head, from + PAGE);
    // another follower was first: look where the cursor is now
    if (!(await apply(at, from + 1, to))) return true;
    current = { state: "following", block: to, head };
    return to < head;
  }

  function stay(state: FollowerState["state"], at: Cursor, head: number, why?: string): false {
    if (why && current.state !== state) log.error({ state, block: Number(at.block), head }, why);
    current = { state, block: Number(at.block), head };
    return false;
  }

  /** Applies the blocks and moves the cursor; false, with nothing changed, when another follower has moved it. */
  async function apply(at: Cursor, from: number, to: number): Promise<boolean> {
    const logs = await chain.logs(contracts.addresses, from, to);
    const times = new Map<number, number>();
    for (const number of new Set(logs.map((l) => l.block))) {
      const block = await chain.block(number);
      const ofBlock = logs.find((l) => l.block === number);
      if (!block || block.hash !== ofBlock?.blockHash) throw new Error(`The node's logs and its block ${number} disagree`);
      times.set(number, block.time);
    }
    const last = await chain.block(to);
    if (!last) throw new Error(`The node has no block ${to} although its head is beyond`);
    return sql.begin(async (tx) => {
      const moved = await tx`
        update cursor set block = ${to}, hash = ${last.hash}, time = ${last.time} where block = ${at.block} and hash = ${at.hash}`;
      if (moved.count !== 1) return false;
      for (const raw of logs) {
        const event = contracts.event(raw);
        if (event) await applyEvent(tx, event, times.get(event.block) as number);
      }
      if (logs.length > 0) await announce(tx);
      return true;
    });
  }

  async function applyEvent(tx: Tx, event: ChainEvent, time: number): Promise<void> {
    let position = BigInt(event.block) * LOG_POSITIONS * SUB_POSITIONS + BigInt(event.index) * SUB_POSITIONS;
    const rows: { position: bigint; type: string; number: string | null; accounts: string[]; data: Json }[] = [];
    const applied: Applied = {
      ...event,
      at: new Date(time * 1_000),
      tell: (row) => {
        rows.push({ position, type: row.type, number: row.number ?? null, accounts: [...new Set(row.accounts)], data: row.data });
        position += 1n;
      },
    };
    for (const projection of deps.projections) await projection.on[event.name]?.(tx, applied);
    for (let i = 0; i < rows.length; i += 1_000) {
      const page = rows.slice(i, i + 1_000).map((row) => ({ ...row, data: tx.json(row.data), at: applied.at, tx: event.tx }));
      await tx`insert into feed ${tx(page as never, "position", "type", "number", "accounts", "data", "at", "tx")}`;
    }
  }

  async function run(): Promise<void> {
    while (!stopping) {
      const change = deps.changes.wait(Math.min(deps.pollMs, 1_000));
      let more = false;
      try {
        more = await step();
      } catch (cause) {
        if (!stopping) {
          current = { ...current, state: "down" };
          log.warn({ error: cause instanceof Error ? cause.message : String(cause) }, "the follower waits");
        }
      }
      if (!more) await change;
    }
  }

  return {
    start() {
      stopping = false;
      running = run();
    },
    async stop() {
      stopping = true;
      await running;
    },
    state: () => current,
    async rebuild() {
      await sql.begin(async (tx) => {
        await tx`lock table cursor in exclusive mode`;
        for (const table of [...feedTables, ...deps.projections.flatMap((p) => [...p.tables])]) await tx`truncate ${tx(table)}`;
        await tx`delete from cursor`;
      });
    },
    async caughtUp() {
      const goal = (await chain.head()) - deps.finalityDepth;
      while (!stopping) {
        // the cursor itself: what this process last knew of it is old after a rebuild
        const [at] = await sql<{ block: bigint }[]>`select block from cursor`;
        if (at && Number(at.block) >= goal && current.state === "following") return;
        await deps.changes.wait(50);
      }
    },
  };
}
