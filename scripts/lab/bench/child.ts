/**
 * Processes of the benchmark. Each is asked over the IPC channel of `fork` for one thing by name,
 * and answers once.
 *
 * Every party of a measurement (gateway, load, baseline) is a separate process with its own CPU
 * time and memory. A child ends when its channel does, so none outlives the benchmark.
 */
import { fork } from "node:child_process";

type Commands = Record<string, (argument: never) => unknown>;
type Ask<C extends Commands> = <N extends keyof C & string>(
  name: N,
  ...argument: Parameters<C[N]>
) => Promise<Awaited<ReturnType<C[N]>>>;
type Request = { id: number; name: string; argument: unknown };
type Response = { id: number; result?: unknown; error?: string };

export type Child<C extends Commands> = {
  pid: number;
  /** Rejects with what the child threw, or when it ends first. */
  ask: Ask<C>;
  /** Lets it end on its own; resolves when it has. */
  end(): Promise<void>;
};

/**
 * Starts `file`, which calls `answer`. Its standard output goes nowhere: a gateway writes its log,
 * and nobody reads it.
 */
export function startChild<C extends Commands>(
  file: URL,
  options: { env?: Record<string, string>; nodeOptions?: readonly string[] } = {},
): Child<C> {
  const child = fork(file, {
    env: { ...process.env, ...options.env },
    execArgv: [...(options.nodeOptions ?? [])],
    serialization: "advanced",
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let asked = 0;
  let ended: Error | undefined;
  const exited = new Promise<void>((resolve) => {
    child.once("exit", (code, signal) => {
      ended = new Error(`${file.pathname.split("/").at(-1)} ended (${code ?? signal})`);
      for (const { reject } of waiting.values()) reject(ended);
      resolve();
    });
  });
  child.on("message", ({ id, result, error }: Response) => {
    const asker = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) asker?.resolve(result);
    else asker?.reject(new Error(error));
  });
  return {
    pid: child.pid ?? 0,
    ask: (name, ...[argument]) =>
      new Promise((resolve, reject) => {
        if (ended) return reject(ended);
        asked += 1;
        waiting.set(asked, { resolve: resolve as (value: unknown) => void, reject });
        child.send({ id: asked, name, argument } satisfies Request);
      }),
    async end() {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}

/** The child's side. `ended`: what to do when the benchmark lets go of the child. */
export function answer(commands: Commands, ended: () => Promise<void> | void = () => {}): void {
  process.on("message", async ({ id, name, argument }: Request) => {
    let response: Response;
    try {
      const command = commands[name] as ((argument: unknown) => unknown) | undefined;
      if (command === undefined) throw new Error(`Nothing is known of ${name}`);
      response = { id, result: await command(argument) };
    } catch (error) {
      response = {
        id,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      };
    }
    if (process.connected) process.send?.(response);
  });
  process.once("disconnect", async () => {
    await ended();
    process.exit(0);
  });
  // Ctrl-C reaches the whole process group; the benchmark says when to end
  process.on("SIGINT", () => {});
}
