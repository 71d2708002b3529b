/**
 * Work that strangers ask for, off the event loop: a few threads, each with one job at a time, and a queue.
 *
 * | bound | what becomes of a job beyond it |
 * | --- | --- |
 * | jobs that wait | refused: `unavailable`, come again in a moment |
 * | a job's time | its thread is ended: `malformed-document`, too-costly; the next job has a fresh one |
 * | a thread's memory | the same |
 *
 * Invariant: a job's outcome is its own; no thread is kept that has failed. A thread starts when it is first needed.
 */
import { parentPort, Worker } from "node:worker_threads";
import { type Code, Problem, type Violation } from "./problems.ts";

/** Functions by name; arguments and results go to and fro as copies. */
export type Work = Record<string, (...given: never[]) => unknown>;
type Results<W extends Work> = { [N in keyof W]: Awaited<ReturnType<W[N]>> };

export type Threads<W extends Work> = {
  /** Throws the work's own Problem, or one of the table above. */
  run<N extends keyof W & string>(name: N, ...given: Parameters<W[N]>): Promise<Results<W>[N]>;
  close(): Promise<void>;
};

type Asked = { name: string; given: unknown[] };
type Told =
  | { result: unknown }
  | { problem: { code: Code; detail: string; violations: readonly Violation[]; extra: Readonly<Record<string, unknown>> } }
  | { error: string };
type Job = Asked & { resolve: (value: never) => void; reject: (cause: Error) => void; timer?: NodeJS.Timeout };

export type ThreadBounds = { threads: number; queue: number; milliseconds: number; megabytes: number };

const tooCostly = () => {
  const detail = "To check this takes more time or memory than any invoice does";
  return new Problem("malformed-document", detail, { violations: [{ field: "", rule: "too-costly", detail }] });
};
const full = () => new Problem("unavailable", "As many checks as may wait are waiting; try again", { extra: { retryAfterSeconds: 1 } });

/** `file`: calls `serve` with the same work. */
export function createThreads<W extends Work>(file: URL, { threads, queue, milliseconds, megabytes }: ThreadBounds): Threads<W> {
  /** Every thread with what it is at. */
  const busy = new Map<Worker, Job | undefined>();
  const idle: Worker[] = [];
  const waiting: Job[] = [];
  let closed = false;

  function give(thread: Worker, job: Job): void {
    busy.set(thread, job);
    job.timer = setTimeout(() => {
      job.reject(tooCostly());
      void thread.terminate();
    }, milliseconds);
    thread.postMessage({ name: job.name, given: job.given } satisfies Asked);
  }

  function start(): Worker {
    const thread = new Worker(file, { resourceLimits: { maxOldGenerationSizeMb: megabytes } });
    thread.unref();
    let failure: Error | undefined;
    thread.on("message", (told: Told) => {
      settle(busy.get(thread), told);
      busy.set(thread, undefined);
      const next = waiting.shift();
      if (next) give(thread, next);
      else idle.push(thread);
    });
    thread.on("error", (cause: Error & { code?: string }) => {
      failure = cause.code === "ERR_WORKER_OUT_OF_MEMORY" ? tooCostly() : cause;
    });
    thread.on("exit", () => {
      const job = busy.get(thread);
      clearTimeout(job?.timer);
      busy.delete(thread);
      if (idle.includes(thread)) idle.splice(idle.indexOf(thread), 1);
      job?.reject(failure ?? tooCostly());
      const next = closed ? undefined : waiting.shift();
      if (next) give(start(), next);
    });
    return thread;
  }

  function settle(job: Job | undefined, told: Told): void {
    clearTimeout(job?.timer);
    if ("result" in told) job?.resolve(told.result as never);
    else if ("problem" in told) job?.reject(new Problem(told.problem.code, told.problem.detail, told.problem));
    else job?.reject(new Error(told.error));
  }

  return {
    run: (name, ...given) =>
      new Promise((resolve, reject) => {
        const job: Job = { name, given, resolve, reject };
        const free = idle.pop();
        if (closed) reject(full());
        else if (free) give(free, job);
        else if (busy.size < threads) give(start(), job);
        else if (waiting.length < queue) waiting.push(job);
        else reject(full());
      }),
    async close() {
      closed = true;
      for (const job of waiting.splice(0)) job.reject(full());
      await Promise.all([...busy.keys()].map((thread) => thread.terminate()));
    },
  };
}

/** In the thread: does what is asked, one job after another. */
export function serve(work: Work): void {
  const port = parentPort;
  if (!port) throw new Error("This is run as a thread");
  port.on("message", async ({ name, given }: Asked) => {
    let told: Told;
    try {
      told = { result: await work[name]?.(...(given as never[])) };
    } catch (cause) {
      if (cause instanceof Problem) {
        const { code, message: detail, violations, extra } = cause;
        told = { problem: { code, detail, violations, extra } };
      } else told = { error: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause) };
    }
    port.postMessage(told);
  });
}
