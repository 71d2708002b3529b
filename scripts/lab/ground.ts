/**
 * `node scripts/lab/ground.ts --out FOLDER`: a chain and a PostgreSQL to try `cli serve` on, and a
 * file of settings for it. For trying things by hand (docs/operations.md); both are thrown away at
 * Ctrl-C, and nothing of it is for production.
 *
 * Writes FOLDER/settings.sh and the keys that it names. The contracts are not deployed and no
 * gateway is started: that is what is tried. Exit codes: 0 after Ctrl-C, 1 when a part cannot
 * start, 2 called in a wrong way.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { SANDBOX_CHAIN_ID, startSandboxChain } from "../../sandbox/chain.ts";
import { startPostgres } from "../../server/db/postgres.ts";
import { root } from "../run.ts";

const USAGE = "node scripts/lab/ground.ts --out FOLDER [--block-ms N]";
const BLOCK_MS = 500;

function readCall(): { out: string; blockMs: number } | undefined {
  try {
    const { values } = parseArgs({
      options: { out: { type: "string" }, "block-ms": { type: "string" } },
    });
    const blockMs = Number(values["block-ms"] ?? BLOCK_MS);
    return values.out && Number.isInteger(blockMs) && blockMs >= 10
      ? { out: resolve(values.out), blockMs }
      : undefined;
  } catch {
    return undefined;
  }
}

async function main({ out, blockMs }: { out: string; blockMs: number }): Promise<void> {
  mkdirSync(join(out, "deployments"), { recursive: true });
  const interrupted = new Promise<void>((done) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => done());
  });
  const chain = await startSandboxChain({ intervalMs: blockMs });
  const postgres = await startPostgres({ durable: true });
  const kept = (name: string, text: string): string => {
    const path = join(out, name);
    writeFileSync(path, `${text}\n`, { mode: 0o600 });
    return path;
  };
  const settings = {
    RPC_URL: chain.url,
    DATABASE_URL_FILE: kept("database.url", postgres.url),
    MASTER_KEY_FILE: kept("master.key", randomBytes(32).toString("hex")),
    DEPLOYER_KEY_FILE: kept("deployer.key", randomBytes(32).toString("hex")),
    METRICS_TOKEN_FILE: kept("metrics.token", randomBytes(24).toString("hex")),
    DEPLOYMENT: join(out, "deployments", `${SANDBOX_CHAIN_ID}.json`),
    PATH: `${join(root, "node_modules", ".bin")}:$PATH`,
  };
  const file = kept(
    "settings.sh",
    Object.entries(settings)
      .map(([name, value]) => `export ${name}="${value}"`)
      .join("\n"),
  );
  console.log(
    `a chain and a database are up; in another shell:  . ${file}\nCtrl-C stops both, and nothing is kept.`,
  );
  await interrupted;
  await postgres.close();
  await chain.close();
}

const call = readCall();
if (call === undefined) {
  console.error(USAGE);
  process.exitCode = 2;
} else {
  await main(call).catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  });
}
