/**
 * Jobs that open every document: the bureau's statistics, its audit, and the comparison of stored
 * data with the chain. A gateway runs them in a separate thread (reckoner.ts), so requests do not
 * wait for them.
 *
 * | what could go wrong | what happens |
 * | --- | --- |
 * | the thread dies, or cannot start | this turn of its jobs fails; the next one starts another thread. The jobs continue where they were, because their cursors are in the database |
 * | it hangs when it has to stop | it is terminated after a moment: its work is one SQL transaction |
 */
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type { Deployment } from "../chain/deploy.ts";
import type { Sql } from "../db/db.ts";
import type { Config } from "../kernel/config.ts";
import type { Log } from "../kernel/log.ts";
import type { Job } from "../kernel/loop.ts";

/** What the thread gets when it starts. */
export type ReckonerData = {
  config: Pick<
    Config,
    | "DATABASE_URL"
    | "RPC_URL"
    | "MASTER_KEY"
    | "LOG_LEVEL"
    | "DRAW_STEP"
    | "AUDIT_PATIENCE_SECONDS"
    | "RECONCILE_DAYS"
    | "RECONCILE_PER_SECOND"
  >;
  deployment: Deployment;
};

/** The jobs by name, with the milliseconds between their turns. */
export const reckonings = { counting: 500, audit: 1_000, reconcile: 10_000 } as const;
export type Reckoning = keyof typeof reckonings;

/** To the thread: run a turn of a job, abort it, end. */
export type Request = { run: Reckoning; turn: number } | { stop: number } | "end";
/** From the thread: a turn is over. */
export type Reply = { turn: number; error?: string };

export type Reckoner = { jobs: Job[]; close(): Promise<void> };

type Deps = {
  sql: Sql;
  config: Config;
  deployment: Deployment;
  log: Log;
  start?: (data: ReckonerData) => Worker;
  /** How long a thread may take to stop its work, or to end. */
  endMs?: number;
};

const startThread = (workerData: ReckonerData) =>
  new Worker(new URL("./reckoner.ts", import.meta.url), { workerData });

export function createReckoner({
  sql,
  config,
  deployment,
  log,
  start = startThread,
  endMs = 5_000,
}: Deps): Reckoner {
  const {
    DATABASE_URL,
    RPC_URL,
    MASTER_KEY,
    LOG_LEVEL,
    DRAW_STEP,
    AUDIT_PATIENCE_SECONDS,
    RECONCILE_DAYS,
    RECONCILE_PER_SECOND,
  } = config;
  const data: ReckonerData = {
    config: {
      DATABASE_URL,
      RPC_URL,
      MASTER_KEY,
      LOG_LEVEL,
      DRAW_STEP,
      AUDIT_PATIENCE_SECONDS,
      RECONCILE_DAYS,
      RECONCILE_PER_SECOND,
    },
    deployment,
  };
  let thread: Worker | undefined;
  let turns = 0;
  const waiting = new Map<number, (error?: Error) => void>();

  function open(): Worker {
    const started = start(data);
    started.on("message", ({ turn, error }: Reply) =>
      waiting.get(turn)?.(error === undefined ? undefined : new Error(error)),
    );
    started.on("error", (cause) =>
      log.error(
        { error: cause instanceof Error ? cause.message : String(cause) },
        "the reckoner has failed",
      ),
    );
    started.on("exit", () => {
      if (thread === started) thread = undefined;
      for (const settle of waiting.values()) settle(new Error("the reckoner has ended"));
    });
    return started;
  }

  const turnOf = (run: Reckoning) => async (stopping: AbortSignal) => {
    // until something is accepted or sealed, there is nothing to reckon, and no thread is needed
    if (
      !thread &&
      (await sql`(select 1 from lot_now limit 1) union all (select 1 from accepted_now limit 1)`)
        .length === 0
    )
      return;
    thread ??= open();
    const worker = thread;
    const turn = ++turns;
    let hung: NodeJS.Timeout | undefined;
    const stop = () => {
      worker.postMessage({ stop: turn } satisfies Request);
      hung = setTimeout(() => void worker.terminate(), endMs);
    };
    try {
      await new Promise<void>((resolve, reject) => {
        waiting.set(turn, (error) => (error ? reject(error) : resolve()));
        worker.postMessage({ run, turn } satisfies Request);
        if (stopping.aborted) stop();
        else stopping.addEventListener("abort", stop, { once: true });
      });
    } finally {
      clearTimeout(hung);
      waiting.delete(turn);
      stopping.removeEventListener("abort", stop);
    }
  };

  return {
    jobs: Object.entries(reckonings).map(([name, everyMs]) => ({
      name,
      everyMs,
      run: turnOf(name as Reckoning),
    })),
    async close() {
      const ending = thread;
      if (!ending) return;
      const ended = once(ending, "exit");
      ending.postMessage("end" satisfies Request);
      const patience = new AbortController();
      await Promise.race([
        ended,
        delay(endMs, undefined, { signal: patience.signal }).then(() => ending.terminate()),
      ]);
      patience.abort();
    },
  };
}
