/**
 * The operator's commands as separate processes, on a bench's database and chain: `cli.ts serve`
 * and the other commands.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bareEnvironment } from "../../../scripts/run.ts";
import { createApiKey } from "../../../server/features/parties/api-keys.ts";
import type { Role } from "../../../server/kernel/api.ts";
import type { Bench } from "./bench.ts";
import { until } from "./proxy.ts";

const program = fileURLToPath(new URL("../../../server/cli.ts", import.meta.url));

export type Running = {
  child: ChildProcess;
  out(): string;
  said(): string;
  ended: Promise<number | null>;
};
export type Serving = Running & { url: string };

const folders: string[] = [];
const running = new Set<ChildProcess>();
after(async () => {
  for (const child of running) child.kill("SIGKILL");
  await Promise.all(
    folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })),
  );
});

/** Starts an operator's command with the bench's settings. */
export async function cli(
  bench: Bench,
  args: readonly string[],
  settings: Record<string, string> = {},
): Promise<Running> {
  const folder = await mkdtemp(join(tmpdir(), "onepiao-serving-"));
  folders.push(folder);
  const DEPLOYMENT = join(folder, "deployment.json");
  await writeFile(DEPLOYMENT, JSON.stringify(bench.deployment));
  // the tests' invoices have a fixed date, which gets older
  const own = {
    RPC_URL: bench.rpcUrl,
    DATABASE_URL: bench.databaseUrl,
    MASTER_KEY: bench.masterKey,
    DEPLOYMENT,
    PORT: "0",
    POLL_MS: "200",
    LOT_AGE_MS: "50",
    ISSUE_BACK_DAYS: "3650",
  };
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...bareEnvironment(), ...own, ...settings },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let [out, output] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
    output += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<number | null>((resolve) =>
    child.once("close", (code) => {
      running.delete(child);
      resolve(code);
    }),
  );
  return { child, out: () => out, said: () => output, ended };
}

/** Runs an operator's command to its end. */
export async function ran(
  bench: Bench,
  args: readonly string[],
  settings: Record<string, string> = {},
): Promise<{ code: number | null; out: string; said: string }> {
  const command = await cli(bench, args, settings);
  return { code: await command.ended, out: command.out(), said: command.said() };
}

/** Starts a gateway and waits until it accepts requests. */
export async function serving(
  bench: Bench,
  settings: Record<string, string> = {},
): Promise<Serving> {
  const gateway = await cli(bench, ["serve"], settings);
  const url = await until(
    "the gateway takes requests",
    () => {
      if (gateway.child.exitCode !== null) throw new Error(`The gateway ended: ${gateway.said()}`);
      return /"url":"(http[^"]+)"/.exec(gateway.out())?.[1];
    },
    120_000,
  );
  return { ...gateway, url };
}

/** Creates an API key; adds the party to the database if it is missing. */
export async function keyFor(bench: Bench, account: string, roles: Role[]): Promise<string> {
  await bench.sql`insert into parties (account, kind, sealed, created_by) values (${account}, 'person', ${Buffer.alloc(1)}, 'test') on conflict do nothing`;
  return createApiKey(bench.sql, { account, roles, createdBy: "test" });
}
