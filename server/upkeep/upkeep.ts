/**
 * Upkeep: what has to be done from time to time, by one process of all that share the database.
 *
 * Each job runs by itself, never twice at once in a process, and only while the lease is held; two
 * processes that both believe they hold it do no harm, for every job is idempotent. A job that
 * fails is tried again at its next turn. Owns the turns, not the jobs.
 */
import type { Log } from "../kernel/log.ts";
import { createLoop, type Job, type Loop } from "../kernel/loop.ts";
import type { Metrics } from "../kernel/metrics.ts";

export type Upkeep = { start(): void; stop(): Promise<void> };

/** How soon a lease that has come to this process is felt. */
const LOOK_MS = 1_000;

export function createUpkeep(deps: {
  jobs: readonly Job[];
  held: () => boolean;
  log: Log;
  metrics: Metrics;
}): Upkeep {
  const { log, metrics } = deps;

  const loopOf = (job: Job): Loop =>
    createLoop({
      atMostMs: job.everyMs,
      async turn(stopping) {
        if (!deps.held()) return { after: Math.min(LOOK_MS, job.everyMs) };
        await job.run(stopping);
        metrics.count("onepiao_upkeep_runs_total", { job: job.name, outcome: "done" });
        return { after: job.everyMs };
      },
      failed(cause) {
        metrics.count("onepiao_upkeep_runs_total", { job: job.name, outcome: "failed" });
        log.warn(
          { job: job.name, error: cause instanceof Error ? cause.message : String(cause) },
          "a job of upkeep waits for its next turn",
        );
        return { after: job.everyMs };
      },
    });
  const loops = deps.jobs.map(loopOf);

  return {
    start() {
      for (const loop of loops) loop.start();
    },
    async stop() {
      await Promise.all(loops.map((loop) => loop.stop()));
    },
  };
}
