/**
 * Reach: the newest block up to which this process can do the chain's work, as its own node is now.
 * Of several processes the leases go to one that reaches as far as the others (db/leases.ts).
 *
 * | the node | reach |
 * | --- | --- |
 * | answers, and is on the chain that the projections are of | its head |
 * | answers, and is not at the cursor yet | its head |
 * | has another block at the cursor, or not the block that it calls its head | none |
 * | contradicts itself, as the follower has found | none |
 * | does not answer | none |
 *
 * What was seen holds for five seconds: one call that gets lost is no news. Looks by itself, with a
 * patience of its own, for the follower waits for a node that hangs.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { ChainClient } from "../chain/client.ts";
import type { Sql } from "../db/db.ts";

export type Reach = {
  /** Undefined: none. */
  block(): number | undefined;
  /** Resolves after the first look. */
  start(): Promise<void>;
  stop(): Promise<void>;
};

type Deps = {
  sql: Sql;
  chain: Pick<ChainClient, "head" | "block">;
  follower: { state(): { state: string } };
};

const EVERY_MS = 500;
/** How long a look may take. */
const LOOK_MS = 4_000;
const HOLDS_MS = 5_000;

export function createReach({ sql, chain, follower }: Deps): Reach {
  let seen: { block: number; at: number } | undefined;
  let stopping = new AbortController();
  let running: Promise<void> = Promise.resolve();

  async function look(): Promise<number | undefined> {
    // before the head: a follower is quick, and a node that has the cursor's block is not behind it
    const [cursor] = await sql<{ block: bigint; hash: string }[]>`select block, hash from cursor`;
    const head = await chain.head();
    const at = cursor === undefined ? head : Math.min(Number(cursor.block), head);
    const [newest, here] = await Promise.all([chain.block(head), chain.block(at)]);
    const same = cursor === undefined || at < Number(cursor.block) || here?.hash === cursor.hash;
    return newest !== undefined && same && follower.state().state !== "lying" ? head : undefined;
  }

  async function lookOnce(signal: AbortSignal): Promise<void> {
    const late = delay(LOOK_MS, undefined, { signal, ref: false });
    const block = await Promise.race([look(), late]).catch(() => undefined);
    if (block !== undefined) seen = { block, at: performance.now() };
  }

  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await delay(EVERY_MS, undefined, { signal }).catch(() => {});
      if (!signal.aborted) await lookOnce(signal);
    }
  }

  return {
    block: () =>
      seen !== undefined && performance.now() - seen.at < HOLDS_MS ? seen.block : undefined,
    async start() {
      stopping = new AbortController();
      await lookOnce(stopping.signal);
      running = run(stopping.signal);
    },
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
