/**
 * A whole network on one machine: chain, database, contracts and gateway, thrown away at the end.
 * For `npm start` and the tests.
 *
 * Its conveniences (its own master key, a bureau made on the spot, a chain that one process
 * decides) are here and nowhere else: `cli serve` cannot turn them on.
 */
import { randomBytes } from "node:crypto";
import { openBureau } from "../server/bureau.ts";
import { createChainClient } from "../server/chain/client.ts";
import type { Deployment } from "../server/chain/deploy.ts";
import { openKeeping } from "../server/core/core.ts";
import { migrate, openDb } from "../server/db/db.ts";
import { startPostgres } from "../server/db/postgres.ts";
import { type Gateway, startGateway } from "../server/gateway.ts";
import { type Config, readConfig } from "../server/kernel/config.ts";
import type { SandboxParty } from "./api.ts";
import { deployToSandbox, SANDBOX_CHAIN_ID, startSandboxChain } from "./chain.ts";
import { openClock, type SandboxClock } from "./clock.ts";
import { partyRoutes } from "./parties.ts";

export type Sandbox = {
  gateway: Gateway;
  url: string;
  rpcUrl: string;
  databaseUrl: string;
  deployment: Deployment;
  config: Config;
  bureau: { account: string; token: string };
  /** The parties that the console's sign-in page offers; the code that makes parties adds them. */
  parties: SandboxParty[];
  clock: SandboxClock;
  /** Stops the gateway and brings up another on the same chain and database. */
  restart(): Promise<void>;
  stop(): Promise<void>;
};

export type SandboxOptions = {
  /** Time between blocks while a transaction waits; default 25. */
  blockMs?: number;
  /** Time between blocks otherwise; default 500, or `blockMs` if that is more. */
  idleMs?: number;
  claimTermSeconds?: number;
  say?: (line: string) => void;
  /** How far database and chain, and so the gateway, are ahead of the machine's clock. */
  aheadSeconds?: number;
  /** Settings by name, as in the environment. */
  settings?: Record<string, string>;
};

export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const say = options.say ?? (() => {});
  const undo: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const { aheadSeconds = 0, blockMs: intervalMs = 25 } = options;
    const idleMs = options.idleMs ?? Math.max(intervalMs, 500);
    const databaseUrl = process.env["DATABASE_URL"];
    const starting = [
      startSandboxChain({ intervalMs, idleMs, aheadSeconds }),
      databaseUrl === undefined ? startPostgres() : { url: databaseUrl, close: async () => {} },
    ] as const;
    for (const part of starting) undo.push(async () => (await part).close());
    const [chain, postgres] = await Promise.all(starting);
    const clock = await openClock({ databaseUrl: postgres.url, rpcUrl: chain.url, aheadSeconds });
    say("chain and database are up");

    const config = readConfig({
      RPC_URL: chain.url,
      DATABASE_URL: postgres.url,
      MASTER_KEY: randomBytes(32).toString("hex"),
      DEPLOYMENT: "sandbox",
      PORT: "0",
      LOG_LEVEL: process.env["LOG_LEVEL"] ?? "silent",
      POLL_MS: "200",
      LOT_AGE_MS: "100",
      RATE_PER_MINUTE: "100000",
      // samples and quickstart have fixed dates
      ISSUE_BACK_DAYS: "3650",
      ...options.settings,
    });
    const sql = openDb(postgres.url, { connections: 2 });
    const client = createChainClient(chain.url, SANDBOX_CHAIN_ID);
    let bureau: Sandbox["bureau"];
    try {
      await migrate(sql);
      bureau = await openBureau({ sql, chain: client, ...(await openKeeping(sql, config)) });
    } finally {
      client.close();
      await sql.end();
    }
    const deployment = await deployToSandbox(chain.url, {
      // a name that no other sandbox has: its signatures are worth nothing elsewhere
      network: `onepiao-sandbox-${randomBytes(4).toString("hex")}`,
      bureau: bureau.account,
      ...(options.claimTermSeconds === undefined
        ? {}
        : { claimTermSeconds: options.claimTermSeconds }),
    });
    say("contracts are deployed");

    const parties: SandboxParty[] = [
      { name: "Tax bureau", roles: ["bureau", "admin"], key: bureau.token },
    ];
    const sandboxRoutes = partyRoutes(parties);
    const sandbox: Sandbox = {
      gateway: await startGateway(config, deployment, { sandboxRoutes }),
      get url() {
        return this.gateway.url;
      },
      rpcUrl: chain.url,
      databaseUrl: postgres.url,
      deployment,
      config,
      bureau,
      parties,
      clock,
      async restart() {
        await this.gateway.stop();
        this.gateway = await startGateway(config, deployment, { sandboxRoutes });
      },
      stop,
    };
    undo.push(() => sandbox.gateway.stop());
    say(`the gateway listens at ${sandbox.url}`);
    return sandbox;
  } catch (cause) {
    await stop();
    throw cause;
  }
}
