/**
 * Work that strangers ask for, outside of the gateway's process: a few worker processes, each with
 * one job at a time, and a queue.
 *
 * | bound | what becomes of a job beyond it |
 * | --- | --- |
 * | jobs that wait | refused: `unavailable`, come again in a moment |
 * | a job's time | its process is killed: `malformed-document`, too-costly; the next job has a fresh one |
 * | a process's memory | the same |
 *
 * Processes and not threads: a thread that runs out of memory in one large step ends the whole
 * process, the gateway with it. A worker has none of the gateway's environment, so none of its
 * secrets.
 *
 * Invariant: a job's outcome is its own; no process is kept that has failed. A process starts when
 * it is first needed, and ends with the gateway.
 */
import { type ChildProcess, fork } from "node:child_process";
import { type Code, Problem, type Violation } from "@onepiao/protocol/values/problems.ts";

/** Functions by name; arguments and results are copied between the processes (structured clone). */
export type Work = Record<string, (...given: never[]) => unknown>;
type Results<W extends Work> = { [N in keyof W]: Awaited<ReturnType<W[N]>> };

export type Workers<W extends Work> = {
  /** Throws the work's own Problem, or one of the table above. */
  run<N extends keyof W & string>(name: N, ...given: Parameters<W[N]>): Promise<Results<W>[N]>;
  close(): Promise<void>;
};

type Request = { name: string; given: unknown[] };
type Reply =
  | { result: unknown }
  | {
      problem: {
        code: Code;
        detail: string;
        violations: readonly Violation[];
        extra: Readonly<Record<string, unknown>>;
      };
    }
  | { error: string };
type Job = Request & {
  resolve: (value: never) => void;
  reject: (cause: Error) => void;
  timer?: NodeJS.Timeout;
};

export type WorkerBounds = {
  processes: number;
  queue: number;
  milliseconds: number;
  megabytes: number;
};

const tooCostly = () => {
  const detail = "To check this takes more time or memory than any invoice does";
  return new Problem("malformed-document", detail, {
    violations: [{ field: "", rule: "too-costly", detail }],
  });
};
const full = () =>
  new Problem("unavailable", "As many checks as may wait are waiting; try again", {
    extra: { retryAfterSeconds: 1 },
  });

/** What a program needs to start; nothing that a party or an operator has set. */
const environment = () =>
  Object.fromEntries(
    ["PATH", "SystemRoot", "TZ"].flatMap((name) =>
      process.env[name] ? [[name, process.env[name]]] : [],
    ),
  );
/**
 * V8 ends a process that has no memory left by this signal, or by this code where there are no
 * signals.
 */
const isOutOfMemory = (code: number | null, signal: NodeJS.Signals | null) =>
  signal !== null || code === 134;

/** `file`: calls `serve` with the same work. */
export function createWorkers<W extends Work>(
  file: URL,
  { processes, queue, milliseconds, megabytes }: WorkerBounds,
): Workers<W> {
  /** Every worker with what it is at. */
  const busy = new Map<ChildProcess, Job | undefined>();
  const idle: ChildProcess[] = [];
  const waiting: Job[] = [];
  const ends = new Map<ChildProcess, Promise<void>>();
  let closed = false;

  function give(worker: ChildProcess, job: Job): void {
    busy.set(worker, job);
    job.timer = setTimeout(() => {
      job.reject(tooCostly());
      worker.kill("SIGKILL");
    }, milliseconds);
    // A worker that cannot be written to is about to exit, which settles its job.
    worker.send({ name: job.name, given: job.given } satisfies Request, () => undefined);
  }

  function start(): ChildProcess {
    const worker = fork(file, [], {
      serialization: "advanced",
      execArgv: [`--max-old-space-size=${megabytes}`],
      env: environment(),
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    worker.unref();
    worker.channel?.unref();
    let failure: Error | undefined;
    worker.on("message", (reply: Reply) => {
      settle(busy.get(worker), reply);
      busy.set(worker, undefined);
      const next = waiting.shift();
      if (next) give(worker, next);
      else idle.push(worker);
    });
    worker.on("error", (cause: Error) => {
      failure = cause;
    });
    const ended = (code: number | null, signal: NodeJS.Signals | null) => {
      if (!busy.has(worker)) return;
      const job = busy.get(worker);
      clearTimeout(job?.timer);
      busy.delete(worker);
      ends.delete(worker);
      if (idle.includes(worker)) idle.splice(idle.indexOf(worker), 1);
      job?.reject(
        isOutOfMemory(code, signal)
          ? tooCostly()
          : (failure ?? new Error(`a worker ended with code ${code}`)),
      );
      const next = closed ? undefined : waiting.shift();
      if (next) give(start(), next);
    };
    busy.set(worker, undefined);
    ends.set(
      worker,
      new Promise((resolve) => {
        worker.once("close", (code, signal) => {
          ended(code, signal);
          resolve();
        });
      }),
    );
    return worker;
  }

  function settle(job: Job | undefined, reply: Reply): void {
    clearTimeout(job?.timer);
    if ("result" in reply) job?.resolve(reply.result as never);
    else if ("problem" in reply)
      job?.reject(new Problem(reply.problem.code, reply.problem.detail, reply.problem));
    else job?.reject(new Error(reply.error));
  }

  return {
    run: (name, ...given) =>
      new Promise((resolve, reject) => {
        const job: Job = { name, given, resolve, reject };
        const free = idle.pop();
        if (closed) reject(full());
        else if (free) give(free, job);
        else if (busy.size < processes) give(start(), job);
        else if (waiting.length < queue) waiting.push(job);
        else reject(full());
      }),
    async close() {
      closed = true;
      for (const job of waiting.splice(0)) job.reject(full());
      const ended = [...ends.values()];
      for (const worker of busy.keys()) {
        // What is waited for keeps the event loop; a worker that is at rest does not.
        worker.ref();
        worker.kill("SIGKILL");
      }
      await Promise.all(ended);
    },
  };
}

/** In the worker: does what is asked, one job after another, until the gateway is gone. */
export function serve(work: Work): void {
  if (!process.send) throw new Error("This is run as a worker process");
  process.on("disconnect", () => process.exit());
  process.on("message", async ({ name, given }: Request) => {
    let reply: Reply;
    try {
      reply = { result: await work[name]?.(...(given as never[])) };
    } catch (cause) {
      if (cause instanceof Problem) {
        const { code, message: detail, violations, extra } = cause;
        reply = { problem: { code, detail, violations, extra } };
      } else
        reply = { error: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause) };
    }
    process.send?.(reply);
  });
}
