/**
 * What the benchmark runs on: one chain, one PostgreSQL, and two gateways, each with its own
 * database and contracts: one whole, and one that only accepts. The database is as durable as a
 * production one: an accepted invoice survives a power cut.
 *
 * The bureau and the parties are set up over HTTP, like any client, before anything is measured.
 */
import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { chmod, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chinaTime } from "@onepiao/protocol/values/dates.ts";
import { createClient } from "../../../clients/typescript/index.ts";
import { deployToSandbox, SANDBOX_CHAIN_ID, startSandboxChain } from "../../../sandbox/chain.ts";
import { openBureau } from "../../../server/bureau.ts";
import { createChainClient } from "../../../server/chain/client.ts";
import type { Deployment } from "../../../server/chain/deploy.ts";
import { migrate, openDb, type Sql } from "../../../server/db/db.ts";
import { startPostgres } from "../../../server/db/postgres.ts";
import { createKeystore } from "../../../server/keys/keystore.ts";
import { openVault } from "../../../server/keys/vault.ts";
import { type Child, startChild } from "./child.ts";
import type { GatewayCommands, Parts } from "./gateway.ts";
import type { Till } from "./load.ts";
import { childrenOf, parentOf } from "./processes.ts";

export const BLOCK_MS = 100;
export const ISSUERS = 10;
/**
 * Production's defaults, except for the rate limit of a key and the amount of quota that is drawn
 * at a time.
 */
export const settings = {
  LOT_AGE_MS: "200",
  LOT_SIZE: "500",
  LOG_LEVEL: "info",
  RATE_PER_MINUTE: "1000000",
  PUBLIC_RATE_PER_MINUTE: "1000000",
  DRAW_STEP: "10000000000",
  PORT: "0",
  STOP_DELAY_SECONDS: "0",
};

export type Employer = { taxId: string; account: string; token: string; index: number };
export type Place = {
  url: string;
  process: Child<GatewayCommands>;
  sql: Sql;
  deployment: Deployment;
  tills: Till[];
  employers: Employer[];
  /** The bureau's API key, and an unused tax id. */
  bureau: string;
  spareTaxId: string;
};
export type Network = {
  rpcUrl: string;
  pids: { chain: number; postgres: number };
  whole: Place;
  accepting: Place;
  /** Statements of both databases by total time; empty unless they were counted. */
  statements(): Promise<{ milliseconds: number; calls: number; query: string }[]>;
  stop(): Promise<void>;
};
export type NetworkOptions = {
  say(line: string): void;
  /** Folder for the CPU profile of the whole gateway; counts statements as well. */
  profileTo?: string;
};

const taxIdDigits = "0123456789ABCDEFGHJKLMNPQRTUWXY";
/** A valid tax id (GB 32100-2015); `serial` makes it another one. */
export function taxIdOf(serial: number): string {
  const body = `91440300MA${serial.toString().padStart(7, "0")}`;
  const sum = [...body].reduce(
    (total, digit, i) => total + taxIdDigits.indexOf(digit) * (3 ** i % 31),
    0,
  );
  return body + taxIdDigits[(31 - (sum % 31)) % 31];
}

/**
 * A till's receipt of one line over 200.00, titled to an employer, with a gap for its original's
 * id.
 */
function tillOf(
  token: string,
  seller: { taxId: string; name: string },
  buyer: { taxId: string; name: string },
): Till {
  const invoice = {
    kind: "ordinary",
    issuedAt: chinaTime(new Date()),
    currency: "CNY",
    seller,
    buyer,
    lines: [
      {
        name: "*餐饮服务*餐费",
        unit: "次",
        quantity: "1",
        unitPrice: "188.68",
        amount: "188.68",
        taxRate: "0.06",
        tax: "11.32",
      },
    ],
    totals: { net: "188.68", tax: "11.32", gross: "200.00" },
    remark: "午餐 4人",
    sourceId: "\0",
  };
  const [head = "", tail = ""] = JSON.stringify(invoice).split("\\u0000");
  return { token, head, tail };
}

export async function startNetwork({ say, profileTo }: NetworkOptions): Promise<Network> {
  const undo: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const before = new Set(childrenOf(process.pid));
    const chain = await startSandboxChain({ intervalMs: BLOCK_MS });
    undo.push(() => chain.close());
    const chainPid = childrenOf(process.pid).find((pid) => !before.has(pid)) ?? 0;
    const folder = await mkdtemp(join(tmpdir(), "onepiao-bench-"));
    const removed = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    // also when this process is ended while it starts
    process.once("exit", removed);
    undo.push(async () => removed());
    // PostgreSQL may run as another user
    await chmod(folder, 0o755);
    const dataDir = join(folder, "data");
    // a server whose data is kept is durable by default
    const postgres = await startPostgres({ dataDir });
    undo.push(() => postgres.close());
    const admin = openDb(postgres.url, { connections: 1 });
    undo.push(() => admin.end());
    if (profileTo !== undefined) {
      await admin.unsafe("alter system set shared_preload_libraries = 'pg_stat_statements'");
      await postgres.restart("fast");
      await admin.unsafe("create extension pg_stat_statements");
    }
    for (const setting of ["fsync", "synchronous_commit", "full_page_writes"]) {
      const [row] = await admin.unsafe<{ value: string }[]>(
        `select current_setting('${setting}') as value`,
      );
      if (row?.value !== "on")
        throw new Error(`${setting} is ${row?.value}: what is measured would not be durable`);
    }
    const [backend] = await admin<{ pid: number }[]>`select pg_backend_pid() as pid`;
    const postgresPid = parentOf(backend?.pid ?? 0);
    say("chain and database are up");

    const place = async (name: string, finally_: Parts): Promise<Place> => {
      await admin.unsafe(`create database ${name}`);
      const databaseUrl = new URL(postgres.url);
      databaseUrl.pathname = `/${name}`;
      const env = {
        ...settings,
        RPC_URL: chain.url,
        DATABASE_URL: databaseUrl.href,
        MASTER_KEY: randomBytes(32).toString("hex"),
        DEPLOYMENT: "benchmark",
      };
      const sql = openDb(databaseUrl.href, { connections: 2 });
      undo.push(() => sql.end());
      await migrate(sql);
      const client = createChainClient(chain.url, SANDBOX_CHAIN_ID);
      const vault = await openVault(sql, env.MASTER_KEY);
      const bureau = await openBureau({
        sql,
        chain: client,
        keys: createKeystore({ sql, vault }),
        vault,
      });
      client.close();
      const deployment = await deployToSandbox(chain.url, {
        network: `onepiao-bench-${name}`,
        bureau: bureau.account,
      });
      const run = async (parts: Parts) => {
        const profiled = parts === "all" && finally_ === "all" && profileTo !== undefined;
        const nodeOptions = profiled ? ["--cpu-prof", `--cpu-prof-dir=${profileTo}`] : [];
        const child = startChild<GatewayCommands>(new URL("gateway.ts", import.meta.url), {
          env,
          nodeOptions,
        });
        const url = await child.ask("start", { deployment, parts });
        return { child, url };
      };
      let running = await run("all");
      undo.push(() => running.child.end());
      const parties = await enrolAll(running.url, bureau.token);
      if (finally_ === "accepting") {
        await running.child.end();
        running = await run("accepting");
      }
      say(`the gateway that ${finally_ === "all" ? "seals" : "only accepts"} takes requests`);
      return {
        url: running.url,
        process: running.child,
        sql,
        deployment,
        bureau: bureau.token,
        spareTaxId: taxIdOf(9_000),
        ...parties,
      };
    };
    const whole = await place("whole", "all");
    const accepting = await place("accepting", "accepting");
    return {
      rpcUrl: chain.url,
      pids: { chain: chainPid, postgres: postgresPid },
      whole,
      accepting,
      async statements() {
        if (profileTo === undefined) return [];
        return admin.unsafe<{ milliseconds: number; calls: number; query: string }[]>(
          `select total_exec_time as milliseconds, calls::int as calls, query from pg_stat_statements s
           join pg_database d on d.oid = s.dbid where d.datname = 'whole' order by total_exec_time desc limit 25`,
        );
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Issuers with drawn quota and a segment, and employers that hold the invoices titled to them. */
async function enrolAll(
  url: string,
  bureau: string,
): Promise<{ tills: Till[]; employers: Employer[] }> {
  const client = createClient({ url, token: bureau, patience: { tries: 10 } });
  const period = new Date(Date.now() + 8 * 3_600_000).toISOString().slice(0, 7);
  const enrol = async (serial: number, capability: "issuer" | "employer") => {
    const [taxId, name] = [taxIdOf(serial), `${capability} ${serial}`];
    const { body: made } = await client.done("POST /v1/taxpayers", {
      body: { name, taxId, capabilities: [capability] },
    });
    const { account, index } = made;
    const { body: key } = await client.done("POST /v1/api-keys", {
      body: { account, roles: [capability, "holder"] },
    });
    return { taxId, name, account, token: key.token ?? "", index };
  };
  const employers = await Promise.all(
    Array.from({ length: ISSUERS }, (_, i) => enrol(1_000 + i, "employer")),
  );
  const tills = await Promise.all(
    employers.map(async (buyer, i) => {
      const { token, ...seller } = await enrol(i, "issuer");
      const params = { taxId: seller.taxId };
      await client.done("PUT /v1/taxpayers/{taxId}/quota", {
        params,
        body: { period, granted: "1000000000.00" },
      });
      await client.done("POST /v1/taxpayers/{taxId}/segments", {
        params,
        body: { length: 1_000_000 },
      });
      const till = tillOf(
        token,
        { taxId: seller.taxId, name: seller.name },
        { taxId: buyer.taxId, name: buyer.name },
      );
      // the first one draws the quota of all
      const first = JSON.parse(`${till.head}first${till.tail}`);
      await client.done("POST /v1/invoices", { body: first, token });
      return till;
    }),
  );
  return { tills, employers };
}
