/**
 * Work for strangers, outside of the gateway's process: a few worker processes, each with one job
 * at a time, and a queue.
 *
 * | bound | what happens to a job beyond it |
 * | --- | --- |
 * | waiting jobs | refused: `unavailable`, retry in a moment |
 * | a job's time | its process is killed: `malformed-document`, too-costly; the next job gets a new process |
 * | a process's memory | the same |
 *
 * Processes instead of threads: a thread that runs out of memory in one large step ends the whole
 * process, including the gateway. A worker has nothing of the gateway's environment, so none of its
 * secrets.
 *
 * Invariant: jobs do not affect each other's outcome; no process is reused after a failure. A
 * process starts when it is first needed, and ends with the gateway.
 */
import { type ChildProcess, fork } from "node:child_process";
import { type Code, Problem, type Violation } from "@onepiao/protocol/values/problems.ts";

/** Functions by name; structured clone copies arguments and results between the processes. */
export type Work = Record<string, (...args: never[]) => unknown>;
type Results<W extends Work> = { [N in keyof W]: Awaited<ReturnType<W[N]>> };

export type Workers<W extends Work> = {
  /** Throws the work's own Problem, or one of the table above. */
  run<N extends keyof W & string>(name: N, ...args: Parameters<W[N]>): Promise<Results<W>[N]>;
  close(): Promise<void>;
};

type Request = { name: string; args: unknown[] };
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
 * V8 ends a process that is out of memory with a signal, or with this code on systems without
 * signals.
 */
const isOutOfMemory = (code: number | null, signal: NodeJS.Signals | null) =>
  signal !== null || code === 134;

/** `file`: a module that calls `serve` with the same work. */
export function createWorkers<W extends Work>(
  file: URL,
  { processes, queue, milliseconds, megabytes }: WorkerBounds,
): Workers<W> {
  /** Every worker with its present job. */
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
    // If the worker cannot be written to, it is about to exit, which settles its job.
    worker.send({ name: job.name, args: job.args } satisfies Request, () => undefined);
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
    run: (name, ...args) =>
      new Promise((resolve, reject) => {
        const job: Job = { name, args, resolve, reject };
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
        // A referenced worker keeps the event loop alive until it has ended.
        worker.ref();
        worker.kill("SIGKILL");
      }
      await Promise.all(ended);
    },
  };
}

/** In the worker: runs the requested jobs one after another, until the gateway is gone. */
export function serve(work: Work): void {
  if (!process.send) throw new Error("This is run as a worker process");
  process.on("disconnect", () => process.exit());
  process.on("message", async ({ name, args }: Request) => {
    let reply: Reply;
    try {
      reply = { result: await work[name]?.(...(args as never[])) };
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
