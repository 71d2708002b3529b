/**
 * Runs the project's own tools side by side and says what came of each. For scripts/test.ts and
 * scripts/check.ts.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));
const bin = join(root, "node_modules", ".bin");
/** What only saves time is kept here: npm deletes it with the packages. */
export const cache = join(root, "node_modules", ".cache", "onepiao");

/** Of this process's environment what a program needs to start quickly, and no setting. */
export const bareEnvironment = (): Record<string, string> =>
  Object.fromEntries(
    ["PATH", "NODE_COMPILE_CACHE"].flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );

/**
 * `cwd`: where it runs; the repository's root unless it says so. `env`: beside the environment of
 * this process.
 */
export type Step = {
  name: string;
  command: string;
  args: readonly string[];
  cwd?: string;
  env?: Record<string, string>;
};
export type Ran = { name: string; ok: boolean; output: string; seconds: number };

/**
 * The types of a folder with a tsconfig.json. What was found of files that have not changed since
 * is kept.
 */
export const typesOf = (folder: string): Step => {
  const kept = join(cache, `types${folder.replaceAll(/\W+/g, "-")}.tsbuildinfo`);
  return {
    name: folder === "." ? "types" : `types of ${folder}`,
    command: "tsc",
    args: ["-p", folder, "--incremental", "--tsBuildInfoFile", kept],
  };
};

/** A step that has printed nothing for so long hangs; the longest test may take five minutes. */
const SILENCE_MS = 10 * 60_000;
/** What a step's process has printed is complete this soon after its end. */
const DRAIN_MS = 2_000;

/**
 * Each step has a process group of its own, so that whatever it started ends with it: also when
 * this process is interrupted.
 */
const groups = new Set<number>();
const windows = process.platform === "win32";
function killGroup(pid: number): void {
  try {
    process.kill(windows ? pid : -pid, "SIGKILL");
  } catch {
    // nothing of it is left
  }
}
let watching = false;
function watch(): void {
  if (watching) return;
  watching = true;
  process.once("exit", () => groups.forEach(killGroup));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => process.exit(1));
}

/**
 * Runs one command with the project's own Node in front. Its output is kept, and shown as it comes
 * when `live`. `silenceMs`: a command that prints nothing for so long is killed, and has failed;
 * default ten minutes.
 */
export function runStep(step: Step, live = false, silenceMs = SILENCE_MS): Promise<Ran> {
  const begun = Date.now();
  watch();
  return new Promise((resolve) => {
    const env = {
      ...process.env,
      PATH: `${bin}${windows ? ";" : ":"}${process.env["PATH"] ?? ""}`,
      FORCE_COLOR: "0",
      NODE_COMPILE_CACHE: join(cache, "node"),
      ...step.env,
    };
    const child = spawn(step.command, step.args, {
      cwd: step.cwd ?? root,
      env,
      stdio: ["ignore", "pipe", "pipe"],
      shell: windows,
      detached: !windows,
    });
    let output = "";
    const note = (text: string) => {
      output += text;
      if (live) process.stdout.write(text);
    };
    const { pid } = child;
    if (pid !== undefined) groups.add(pid);
    const silence = setTimeout(() => {
      note(`\n${step.name} printed nothing for ${silenceMs / 1_000} s: it was killed\n`);
      if (pid !== undefined) killGroup(pid);
    }, silenceMs);
    const take = (chunk: Buffer) => {
      silence.refresh();
      note(chunk.toString());
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    let ended = false;
    const end = (ok: boolean) => {
      if (ended) return;
      ended = true;
      clearTimeout(silence);
      if (pid !== undefined) {
        killGroup(pid);
        groups.delete(pid);
      }
      resolve({ name: step.name, ok, output, seconds: (Date.now() - begun) / 1_000 });
    };
    child.once("error", (error) => {
      note(error.message);
      end(false);
    });
    // "close" waits for everybody who holds the output, also for a process that was left behind
    child.once("exit", (code) => {
      const drain = setTimeout(() => {
        note(`\n${step.name} left a process behind: it was killed\n`);
        end(code === 0);
      }, DRAIN_MS);
      child.once("close", () => {
        clearTimeout(drain);
        end(code === 0);
      });
    });
  });
}

/**
 * One line for a step; what it printed only when it failed or when `verbose`, and not twice when it
 * was shown `live`.
 */
export function report(ran: Ran, verbose: boolean, live = false): void {
  if (!live && (verbose || !ran.ok)) console.log(ran.output.trimEnd());
  console.log(`${ran.ok ? "ok    " : "FAILED"} ${ran.name} (${ran.seconds.toFixed(1)} s)`);
}
