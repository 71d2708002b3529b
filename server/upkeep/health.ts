/**
 * Whether this process can do its work, for /readyz: the state of the database, the node, the
 * follower and the lanes, as it sees them.
 *
 * The whole is ok if the database and the node answer, the head is young, the follower of this
 * process is not stopped, and some process moves the projections on. A process that holds no lease
 * is as ready as any other. Lanes that do not move are reported, but do not take the process out of
 * service: all processes share them, and everything accepted meanwhile is kept. Reports only
 * numbers and states: no party, no address.
 */
import type { ChainClient } from "../chain/client.ts";
import type { Sql } from "../db/db.ts";
import type { RowOf } from "../db/tables.ts";

type Check = { ok: boolean; detail: string };
export type Health = {
  ok: boolean;
  checks: { database: Check; node: Check; chain: Check; lanes: Check };
};

/**
 * The head as this process last saw it. `age`: by the block's own time; `still`: since it was seen
 * to move; both in seconds.
 */
export type Head = { block: number; time: number; age: number; still: number };

export type Watch = {
  /** Undefined: the node does not answer. */
  head(): Promise<Head | undefined>;
  health(): Promise<Health>;
};

type Deps = {
  sql: Sql;
  chain: Pick<ChainClient, "head" | "block">;
  follower: { state(): { state: string; block: number; head: number } };
  /** Lanes that cannot go on without an operator, with the reason. */
  blocked: () => readonly { lane: string; why: string }[];
  finalityDepth: number;
  maxHeadAgeSeconds: number;
};

/** How long a health check waits for one part. */
const PATIENCE_MS = 2_000;

/** States in which a follower does not work, and does not recover alone. */
const STOPPED: ReadonlySet<string> = new Set(["forked", "lying", "down", "behind"]);

/**
 * How long the projections may stand still while the node has further blocks: about twice the time
 * that a handover takes.
 */
const MAX_STILL_SECONDS = 20;

const within = <T>(work: Promise<T>): Promise<T | undefined> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS, undefined);
  });
  return Promise.race([work.catch(() => undefined), late]).finally(() => clearTimeout(timer));
};

export function createWatch(deps: Deps): Watch {
  const { sql, chain } = deps;
  let moved: { block: number; at: number } | undefined;
  /** Since when the cursor has been at this block with others to go. */
  let waits: { block: number; at: number } | undefined;

  async function head(): Promise<Head | undefined> {
    const newest = await within(
      (async () => {
        const block = await chain.head();
        return { block, time: (await chain.block(block))?.time };
      })(),
    );
    if (newest?.time === undefined) return undefined;
    if (moved === undefined || newest.block !== moved.block)
      moved = { block: newest.block, at: performance.now() };
    // a clock that is behind the chain's says nothing about the chain
    const age = Math.max(0, Math.round(Date.now() / 1_000 - newest.time));
    return {
      block: newest.block,
      time: newest.time,
      age,
      still: Math.round((performance.now() - moved.at) / 1_000),
    };
  }

  async function cursorBlock(): Promise<number | undefined> {
    const [row] = await sql<RowOf<"chain_now", "block">[]>`select block from chain_now`;
    return row && Number(row.block);
  }

  /** How many seconds the cursor has stood still with `lag` blocks to go. */
  function cursorStill(block: number, lag: number): number {
    if (lag === 0) waits = undefined;
    else if (waits?.block !== block) waits = { block, at: performance.now() };
    return waits === undefined ? 0 : Math.round((performance.now() - waits.at) / 1_000);
  }

  function chainCheck(chainHead: Head | undefined, block: number | undefined): Check {
    const { state } = deps.follower.state();
    if (chainHead === undefined || block === undefined)
      return { ok: !STOPPED.has(state), detail: state };
    const lag = Math.max(0, chainHead.block - deps.finalityDepth - block);
    const still = cursorStill(block, lag);
    const detail = `${state}, ${lag} blocks to go`;
    if (still > MAX_STILL_SECONDS)
      return { ok: false, detail: `${detail}: the cursor has stood still for ${still} s` };
    return { ok: !STOPPED.has(state), detail };
  }

  type Backlog = { lane: string; waiting: bigint; oldest: number };
  const backlog = () => sql<Backlog[]>`
    select lane, count(*) as waiting, extract(epoch from now() - min(created_at))::float8 as oldest
    from send_now where status in ('queued', 'pending') group by lane order by lane`;

  function nodeCheck(chainHead: Head | undefined): Check {
    if (chainHead === undefined) return { ok: false, detail: "no answer" };
    const detail = `head ${chainHead.block}, ${chainHead.age} s old, seen to move ${chainHead.still} s ago`;
    if (chainHead.still > deps.maxHeadAgeSeconds)
      return { ok: false, detail: `${detail}: it stands still` };
    if (chainHead.age > deps.maxHeadAgeSeconds)
      return {
        ok: false,
        detail: `${detail}: the node is behind, or this machine's clock is ahead`,
      };
    return { ok: true, detail };
  }

  return {
    head,
    async health() {
      const [chainHead, cursor, waiting] = await Promise.all([
        head(),
        within(cursorBlock().then((block) => ({ block }))),
        within(backlog().then((rows) => rows as readonly Backlog[])),
      ]);
      const blocked = deps.blocked();
      const lanes = (waiting ?? []).map(
        ({ lane, waiting: n, oldest }) =>
          `${lane}: ${n} waiting, the oldest ${Math.round(oldest)} s`,
      );
      const checks = {
        database:
          cursor === undefined
            ? { ok: false, detail: "no answer" }
            : { ok: true, detail: "answers" },
        node: nodeCheck(chainHead),
        chain: chainCheck(chainHead, cursor?.block),
        lanes: {
          ok: blocked.length === 0,
          detail:
            [...lanes, ...blocked.map(({ lane, why }) => `${lane} is blocked: ${why}`)].join(
              "; ",
            ) || "nothing waits",
        },
      };
      return { ok: checks.database.ok && checks.node.ok && checks.chain.ok, checks };
    },
  };
}
