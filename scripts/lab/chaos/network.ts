/**
 * What a run works on: a chain, a PostgreSQL whose process may be killed, the contracts, and
 * gateways as operators run them (`cli serve`), each in a separate process and behind a faulty way
 * to the node.
 *
 * A gateway is started again whenever it has ended, as a supervisor does. A gateway that ends on
 * its own after it was up is recorded: nothing that the run does to its surroundings may bring it
 * down. One that cannot start while a part is away tries again.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { deployToSandbox, startSandboxChain } from "../../../sandbox/chain.ts";
import type { Deployment } from "../../../server/chain/deploy.ts";
import { freePort, type Postgres, startPostgres } from "../../../server/db/postgres.ts";
import { root } from "../../run.ts";
import { type FaultyWay, startFaultyWay } from "./way.ts";

export type GatewayProcess = {
  url: string;
  way: FaultyWay;
  /** Starts it, again and again until it is up; gives up once the run is over. */
  start(): Promise<void>;
  /** Sends the signal and waits for the end. */
  end(signal: "SIGKILL" | "SIGTERM"): Promise<void>;
  pause(): void;
  resume(): void;
};

export type Network = {
  chainUrl: string;
  deployment: Deployment;
  postgres: Postgres;
  gateways: GatewayProcess[];
  /** API key of the bureau. */
  bureau: string;
  /** Gateways that ended without being asked, and SIGTERMs that were ignored. */
  wrong: string[];
  close(): Promise<void>;
};

const BLOCK_MS = 100;
/** How long a gateway may take to start, and to end when asked to. */
const START_MS = 30_000;
const END_MS = 30_000;

const settings = {
  HOST: "127.0.0.1",
  POLL_MS: "100",
  LOT_AGE_MS: "150",
  LOT_SIZE: "50",
  LEASE_MS: "2000",
  // often, so that draws of quota are under fire too
  DRAW_STEP: "2000000",
  RATE_PER_MINUTE: "1000000",
  PUBLIC_RATE_PER_MINUTE: "1000000",
  WEBHOOK_ALLOWED_NETWORKS: "127.0.0.0/8",
  WEBHOOK_RETRY_SECONDS: Array(20).fill(1).join(","),
  STREAM_HEARTBEAT_MS: "1000",
  LOG_LEVEL: "info",
};

/**
 * Starts everything; takes it down again when a part cannot start. `folder` gets keys and the
 * gateways' logs.
 */
export async function startNetwork(folder: string, count: number, name: string): Promise<Network> {
  const undo: (() => Promise<void>)[] = [];
  let over = false;
  const wrong: string[] = [];
  const close = async () => {
    over = true;
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    await mkdir(folder, { recursive: true });
    const starting = [
      startSandboxChain({ intervalMs: BLOCK_MS }),
      startPostgres({ durable: true }),
    ] as const;
    for (const part of starting) undo.push(async () => (await part).close());
    const [chain, postgres] = await Promise.all(starting);

    const [keyFile, deploymentFile] = [join(folder, "master.key"), join(folder, "deployment.json")];
    await writeFile(keyFile, randomBytes(32).toString("hex"), { mode: 0o600 });
    const env = {
      ...inherited(),
      ...settings,
      DATABASE_URL: postgres.url,
      MASTER_KEY_FILE: keyFile,
      DEPLOYMENT: deploymentFile,
    };
    const { account, token } = await makeBureau({ ...env, RPC_URL: chain.url });
    const deployment = await deployToSandbox(chain.url, { network: name, bureau: account });
    await writeFile(deploymentFile, JSON.stringify(deployment));

    const gateways: GatewayProcess[] = [];
    for (let i = 0; i < count; i += 1) {
      const way = await startFaultyWay(chain.url);
      undo.push(() => way.close());
      const gateway = superviseGateway(
        { ...env, RPC_URL: way.url, PORT: String(await freePort()) },
        join(folder, `gateway-${i}.log`),
        {
          way,
          over: () => over,
          report: (fault) => wrong.push(`gateway ${i} ${fault}`),
        },
      );
      undo.push(() => gateway.end("SIGKILL"));
      gateways.push(gateway);
    }
    let late: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, reject) => {
      late = setTimeout(() => reject(new Error("The gateways do not come up")), 2 * START_MS);
    });
    await Promise.race([Promise.all(gateways.map((gateway) => gateway.start())), timeout]).finally(
      () => clearTimeout(late),
    );
    return { chainUrl: chain.url, deployment, postgres, gateways, bureau: token, wrong, close };
  } catch (cause) {
    await close();
    throw cause;
  }
}

/** The environment without anything that could be read as a setting. */
function inherited(): Record<string, string> {
  const keep = ["PATH", "HOME", "TMPDIR", "LANG", "SYSTEMROOT", "NODE_COMPILE_CACHE"];
  return Object.fromEntries(
    keep.flatMap((name) =>
      process.env[name] === undefined ? [] : [[name, process.env[name] as string]],
    ),
  );
}

const cli = join(root, "server", "cli.ts");

/** `cli bureau`, as an operator runs it. */
async function makeBureau(
  env: Record<string, string>,
): Promise<{ account: string; token: string }> {
  const child = spawn(process.execPath, [cli, "bureau"], {
    cwd: root,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  await new Promise((resolve) => child.once("close", resolve));
  const [, account] = /bureau account (0x[0-9a-fA-F]{40})/.exec(output) ?? [];
  const [, token] = /API key\s+(\S+)/.exec(output) ?? [];
  if (account === undefined || token === undefined)
    throw new Error(`The bureau could not be made: ${output}`);
  return { account, token };
}

type Surroundings = { way: FaultyWay; over: () => boolean; report: (fault: string) => void };

function superviseGateway(
  env: Record<string, string>,
  logFile: string,
  { way, over, report }: Surroundings,
): GatewayProcess {
  const url = `http://127.0.0.1:${env["PORT"]}`;
  /** `wanted`: it is supposed to run; true when it ends without being asked. */
  let now: { child: ChildProcess; exited: Promise<void>; wanted: boolean } | undefined;
  const abandon = () => void now?.child.kill("SIGKILL");
  process.on("exit", abandon);

  /** One try; returns whether it came up. */
  async function attempt(): Promise<boolean> {
    const log = openSync(logFile, "a");
    // in its own process group: Ctrl-C in a terminal is for the harness
    const child = spawn(process.execPath, [cli, "serve"], {
      cwd: root,
      env,
      stdio: ["ignore", log, log],
      detached: true,
    });
    closeSync(log);
    let up = false;
    const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    const own = { child, exited, wanted: true };
    now = own;
    child.once("exit", (code, signal) => {
      if (now === own) now = undefined;
      if (!own.wanted || !up || over()) return;
      report(`ended unasked (${code ?? signal}); its log: ${logFile}`);
      void start();
    });
    for (const deadline = Date.now() + START_MS; now === own && own.wanted; ) {
      up = await fetch(`${url}/livez`, { signal: AbortSignal.timeout(1_000) }).then(
        (answer) => answer.ok,
        () => false,
      );
      if (up) return true;
      if (Date.now() > deadline) {
        // neither up nor ended: a part that it needs is away for long, or it hangs
        own.wanted = false;
        child.kill("SIGKILL");
        await exited;
      } else await pause(50);
    }
    return !own.wanted;
  }

  async function start(): Promise<void> {
    while (!over() && !(await attempt())) await pause(300);
  }

  return {
    url,
    way,
    start,
    async end(signal) {
      if (over()) process.off("exit", abandon);
      const ending = now;
      if (!ending) return;
      ending.wanted = false;
      ending.child.kill(signal);
      if (signal === "SIGKILL") return ending.exited;
      const late = setTimeout(() => {
        report(`did not end within ${END_MS / 1_000} s of SIGTERM`);
        ending.child.kill("SIGKILL");
      }, END_MS);
      await ending.exited;
      clearTimeout(late);
      const { exitCode } = ending.child;
      if (exitCode !== null && exitCode !== 0) report(`ended with ${exitCode} on SIGTERM`);
    },
    pause: () => void now?.child.kill("SIGSTOP"),
    resume: () => void now?.child.kill("SIGCONT"),
  };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
