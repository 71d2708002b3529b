/**
 * Whether this process can do its work, for /readyz: what it sees of the database, the node, the
 * follower and the lanes.
 *
 * The whole is ok when the database and the node answer, the head is young, a follower at work here
 * is not stopped, and somebody moves the projections on, here or in another process. A process that
 * holds no lease is as ready as any. Lanes that do not move are told and do not take the process
 * out of service: all processes share them, and what is accepted meanwhile is kept. Says numbers
 * and states alone; no party, no address.
 */
import type { ChainClient } from "../chain/client.ts";
import type { Sql } from "../db/db.ts";

type Check = { ok: boolean; detail: string };
export type Health = {
  ok: boolean;
  checks: { database: Check; node: Check; chain: Check; lanes: Check };
};

/**
 * The head as this process has last seen it. `age` by the block's own time, `still` since it was
 * seen to move; both in seconds.
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
  /** Lanes that cannot go on by themselves, with the word for why. */
  blocked: () => readonly { lane: string; why: string }[];
  finalityDepth: number;
  maxHeadAgeSeconds: number;
};

/** Whoever asks whether we are well does not wait longer for a part than this. */
const PATIENCE_MS = 2_000;

/** States of a follower in which it does not do its work, and will not by itself. */
const STOPPED: ReadonlySet<string> = new Set(["forked", "lying", "down", "behind"]);

/**
 * The projections may stand so long while the node has blocks that are not in them: about twice
 * what it takes to hand the work over.
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
  /** Since when the cursor was seen at this block with others to go. */
  let waits: { block: number; at: number } | undefined;

  async function head(): Promise<Head | undefined> {
    const found = await within(
      (async () => {
        const block = await chain.head();
        return { block, time: (await chain.block(block))?.time };
      })(),
    );
    if (found?.time === undefined) return undefined;
    if (moved === undefined || found.block !== moved.block)
      moved = { block: found.block, at: performance.now() };
    // a clock that goes after the chain's is no news of the chain
    const age = Math.max(0, Math.round(Date.now() / 1_000 - found.time));
    return {
      block: found.block,
      time: found.time,
      age,
      still: Math.round((performance.now() - moved.at) / 1_000),
    };
  }

  async function cursorBlock(): Promise<number | undefined> {
    const [row] = await sql<{ block: bigint }[]>`select block from chain_now`;
    return row && Number(row.block);
  }

  /** Seconds that the cursor has stood with `lag` blocks to go. */
  function cursorStill(block: number, lag: number): number {
    if (lag === 0) waits = undefined;
    else if (waits?.block !== block) waits = { block, at: performance.now() };
    return waits === undefined ? 0 : Math.round((performance.now() - waits.at) / 1_000);
  }

  function ofChain(seen: Head | undefined, block: number | undefined): Check {
    const { state } = deps.follower.state();
    if (seen === undefined || block === undefined)
      return { ok: !STOPPED.has(state), detail: state };
    const lag = Math.max(0, seen.block - deps.finalityDepth - block);
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

  function ofNode(seen: Head | undefined): Check {
    if (seen === undefined) return { ok: false, detail: "no answer" };
    const detail = `head ${seen.block}, ${seen.age} s old, seen to move ${seen.still} s ago`;
    if (seen.still > deps.maxHeadAgeSeconds)
      return { ok: false, detail: `${detail}: it stands still` };
    if (seen.age > deps.maxHeadAgeSeconds)
      return {
        ok: false,
        detail: `${detail}: the node is behind, or this machine's clock is ahead`,
      };
    return { ok: true, detail };
  }

  return {
    head,
    async health() {
      const [seen, cursor, waiting] = await Promise.all([
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
        node: ofNode(seen),
        chain: ofChain(seen, cursor?.block),
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
