/**
 * Upkeep: periodic work, done by one of the processes that share the database.
 *
 * Each job runs separately, never twice at once in a process, and only while the lease is held. Two
 * processes that both believe they hold it do no harm, because every job is idempotent. A failed
 * job is tried again at its next turn. Owns the turns, not the jobs.
 */
import type { Log } from "../kernel/log.ts";
import { createLoop, type Job, type Loop } from "../kernel/loop.ts";
import type { Metrics } from "../kernel/metrics.ts";

export type Upkeep = { start(): void; stop(): Promise<void> };

/** How soon a process notices that it has got the lease. */
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
      ...(job.listen ? { listen: job.listen } : {}),
      async turn(stopping) {
        if (!deps.held()) return { after: Math.min(LOOK_MS, job.everyMs) };
        await job.run(stopping);
        metrics.count("onepiao_upkeep_runs_total", { job: job.name, outcome: "done" });
        return job.listen ? { atMost: job.everyMs } : { after: job.everyMs };
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
