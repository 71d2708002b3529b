/**
 * The gateway on a real network: `serve`, and what an operator needs around it. Settings come from the environment and from files
 * that it names (docs/operations.md); nothing of the sandbox can be turned on from here.
 *
 * Exit codes: 0 done; 1 it failed; 2 the call or the settings are wrong.
 */
import { parseArgs } from "node:util";
import { openBureau } from "./bureau.ts";
import { createChainClient } from "./chain/client.ts";
import { createContracts } from "./chain/contracts.ts";
import type { Deployment } from "./chain/deploy.ts";
import { migrate, openChanges, openDb } from "./db/db.ts";
import { createFollower } from "./feed/follower.ts";
import { projections, readDeployment, startGateway } from "./gateway.ts";
import { type Config, readConfig, settings } from "./kernel/config.ts";
import { createLog } from "./kernel/log.ts";
import { createKeystore } from "./keys/keystore.ts";
import { openVault } from "./keys/vault.ts";

const commands = {
  serve: "take requests until SIGTERM or Ctrl-C",
  migrate: "bring the database's schema up to date",
  bureau: "make the bureau's account and another API key for it; prints the sending address for scripts/deploy.ts --bureau",
  rebuild: "empty the projections and replay them from the chain (stop `serve` first)",
};

function usage(): string {
  const column = (rows: [string, string][]) => rows.map(([name, text]) => `  ${name.padEnd(24)}${text}`).join("\n");
  return `node server/cli.ts COMMAND

${column(Object.entries(commands))}

Settings, each also as NAME_FILE (a file that holds it):
${column(settings.map(({ name, description }) => [name, description]))}`;
}

class WrongCall extends Error {}

/** A deployment that was made for a sandbox is thrown away with it: its bureau and its keys are nobody's. */
function realDeployment(config: Config): Deployment {
  const deployment = readDeployment(config.DEPLOYMENT);
  if (deployment.network.startsWith("onepiao-sandbox")) throw new WrongCall("DEPLOYMENT is a sandbox's; a gateway outside the sandbox does not serve it");
  return deployment;
}

function checkedConfig(): Config {
  let config: Config;
  try {
    config = readConfig(process.env);
  } catch (cause) {
    throw new WrongCall((cause as Error).message);
  }
  if (new Set(Buffer.from(config.MASTER_KEY, "hex")).size < 8) throw new WrongCall("MASTER_KEY is no random key: openssl rand -hex 32 makes one");
  return config;
}

const interrupted = () =>
  new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });

async function run(command: keyof typeof commands): Promise<void> {
  const config = checkedConfig();
  if (command === "serve") {
    const gateway = await startGateway(config, realDeployment(config));
    await interrupted();
    await gateway.stop();
    return;
  }
  const sql = openDb(config.DATABASE_URL, { connections: 5 });
  try {
    const applied = await migrate(sql);
    console.log(applied.length > 0 ? `applied ${applied.join(", ")}` : "the schema is up to date");
    if (command === "bureau") {
      const chain = createChainClient(config.RPC_URL);
      const vault = await openVault(sql, config.MASTER_KEY);
      const { account, token } = await openBureau({ sql, chain, keys: createKeystore({ sql, vault }), vault });
      chain.close();
      console.log(`bureau account ${account}\nAPI key        ${token}   (shown this once)`);
    }
    if (command === "rebuild") {
      const deployment = realDeployment(config);
      const chain = createChainClient(config.RPC_URL, deployment.chainId);
      const log = createLog(config.LOG_LEVEL);
      const changes = await openChanges(sql);
      const contracts = createContracts(deployment);
      const follower = createFollower({ sql, chain, contracts, projections, changes, log, finalityDepth: config.FINALITY_DEPTH, pollMs: config.POLL_MS });
      await follower.rebuild();
      follower.start();
      await follower.caughtUp();
      await follower.stop();
      chain.close();
      console.log(`the projections are rebuilt up to block ${follower.state().block}`);
    }
  } finally {
    await sql.end({ timeout: 5 });
  }
}

const { values, positionals } = parseArgs({ options: { help: { type: "boolean" } }, allowPositionals: true });
const [command, ...rest] = positionals;
if (values.help) console.log(usage());
else if (command === undefined || !(command in commands) || rest.length > 0) {
  console.error(usage());
  process.exitCode = 2;
} else {
  await run(command as keyof typeof commands).catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = error instanceof WrongCall ? 2 : 1;
  });
}
