/**
 * Upkeep: what has to be done from time to time, by one process of all that share the database.
 *
 * Each job runs by itself, never twice at once in a process, and only while the lease is held; two processes that both believe they
 * hold it do no harm, for every job is idempotent. A job that fails is tried again at its next turn. Owns the turns, not the jobs.
 */
import type { Log } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";

export type Job = {
  name: string;
  everyMs: number;
  /** One turn; ends soon after `stopping` is aborted. */
  run(stopping: AbortSignal): Promise<void>;
};

export type Upkeep = { start(): void; stop(): Promise<void> };

/** How soon a lease that has come to this process is felt. */
const LOOK_MS = 1_000;

export function createUpkeep(deps: { jobs: readonly Job[]; held: () => boolean; log: Log; metrics: Metrics }): Upkeep {
  const { log, metrics } = deps;
  let stopping = new AbortController();
  let running: Promise<void>[] = [];

  const pause = (milliseconds: number, signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, signal.aborted ? 0 : milliseconds);
      signal.addEventListener("abort", done, { once: true });
    });

  async function turns(job: Job, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (!deps.held()) {
        await pause(Math.min(LOOK_MS, job.everyMs), signal);
        continue;
      }
      try {
        await job.run(signal);
        metrics.count("onepiao_upkeep_runs_total", { job: job.name, outcome: "done" });
      } catch (cause) {
        if (!signal.aborted) {
          metrics.count("onepiao_upkeep_runs_total", { job: job.name, outcome: "failed" });
          log.warn({ job: job.name, error: cause instanceof Error ? cause.message : String(cause) }, "a job of upkeep waits for its next turn");
        }
      }
      await pause(job.everyMs, signal);
    }
  }

  return {
    start() {
      stopping = new AbortController();
      running = deps.jobs.map((job) => turns(job, stopping.signal));
    },
    async stop() {
      stopping.abort();
      await Promise.all(running);
    },
  };
}
