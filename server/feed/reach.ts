/**
 * Reach: the newest block up to which this process can do the chain's work with its node in its
 * present state. Of several processes, the leases go to one that reaches as far as the others
 * (db/leases.ts).
 *
 * | the node | reach |
 * | --- | --- |
 * | answers, and is on the projections' chain | its head |
 * | answers, and is not at the cursor yet | its head |
 * | has another block at the cursor, or lacks the block that it calls its head | none |
 * | contradicts itself, according to the follower | none |
 * | does not answer | none |
 *
 * A measurement holds for five seconds: one lost call means nothing. It runs alone, with its own
 * timeout, because the follower waits for a node that hangs.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { ChainClient } from "../chain/client.ts";
import type { Sql } from "../db/db.ts";
import type { RowOf } from "../db/tables.ts";

export type Reach = {
  /** Undefined: none. */
  block(): number | undefined;
  /** Resolves after the first measurement. */
  start(): Promise<void>;
  stop(): Promise<void>;
};

type Deps = {
  sql: Sql;
  chain: Pick<ChainClient, "head" | "block">;
  follower: { state(): { state: string } };
};

const EVERY_MS = 500;
/** How long a measurement may take. */
const LOOK_MS = 4_000;
const HOLDS_MS = 5_000;

export function createReach({ sql, chain, follower }: Deps): Reach {
  let seen: { block: number; at: number } | undefined;
  let stopping = new AbortController();
  let running: Promise<void> = Promise.resolve();

  async function measure(): Promise<number | undefined> {
    // before the head: a follower is quick, and a node that has the cursor's block is not behind it
    const [cursor] = await sql<RowOf<"cursor", "block" | "hash">[]>`select block, hash from cursor`;
    const head = await chain.head();
    const at = cursor === undefined ? head : Math.min(Number(cursor.block), head);
    const [newest, atCursor] = await Promise.all([chain.block(head), chain.block(at)]);
    const same =
      cursor === undefined || at < Number(cursor.block) || atCursor?.hash === cursor.hash;
    return newest !== undefined && same && follower.state().state !== "lying" ? head : undefined;
  }

  async function measureOnce(signal: AbortSignal): Promise<void> {
    const late = delay(LOOK_MS, undefined, { signal, ref: false });
    const block = await Promise.race([measure(), late]).catch(() => undefined);
    if (block !== undefined) seen = { block, at: performance.now() };
  }

  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await delay(EVERY_MS, undefined, { signal }).catch(() => {});
      if (!signal.aborted) await measureOnce(signal);
    }
  }

  return {
    block: () =>
      seen !== undefined && performance.now() - seen.at < HOLDS_MS ? seen.block : undefined,
    async start() {
      stopping = new AbortController();
      await measureOnce(stopping.signal);
      running = run(stopping.signal);
    },
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
