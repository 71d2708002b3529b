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

/**
 * Runs one command with the project's own Node in front. Its output is kept, and shown as it comes
 * when `live`.
 */
export function runStep(step: Step, live = false): Promise<Ran> {
  const begun = Date.now();
  const windows = process.platform === "win32";
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
    });
    let output = "";
    const take = (chunk: Buffer) => {
      output += chunk.toString();
      if (live) process.stdout.write(chunk);
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    const end = (ok: boolean, more = "") =>
      resolve({
        name: step.name,
        ok,
        output: output + more,
        seconds: (Date.now() - begun) / 1_000,
      });
    child.once("error", (error) => end(false, error.message));
    child.once("close", (code) => end(code === 0));
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
