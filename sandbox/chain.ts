/**
 * The sandbox's chain: Hardhat's own node, in memory, in a separate process so that it takes no
 * time from the gateway.
 *
 * Blocks come at an interval, as on a real network, and a reverted transaction has a hash and a
 * receipt. Not for production: one node decides everything. It ends when its standard input does,
 * so it never outlives the process that started it.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { JsonRpcProvider, NonceManager, Wallet } from "ethers";
import { type Deployment, type DeployOptions, deploy } from "../server/chain/deploy.ts";

export const SANDBOX_CHAIN_ID = 31_337;

export type SandboxChain = { url: string; close(): Promise<void> };

/**
 * Starts the chain; resolves when it answers. `intervalMs`: time between blocks. `idleMs`: time
 * between blocks while no transaction waits; without it they come as
 * often as ever. Empty blocks cost everybody who follows the chain. `aheadSeconds`: how far its
 * time is ahead of the machine's.
 */
export async function startSandboxChain(options: {
  intervalMs: number;
  idleMs?: number;
  aheadSeconds?: number;
}): Promise<SandboxChain> {
  // in the project's folder: Hardhat looks for its configuration in the working directory
  const cwd = fileURLToPath(new URL("..", import.meta.url));
  const child = spawn(
    process.execPath,
    [
      fileURLToPath(import.meta.url),
      String(options.intervalMs),
      String(options.aheadSeconds ?? 0),
      String(options.idleMs ?? options.intervalMs),
    ],
    {
      cwd,
      stdio: ["pipe", "pipe", "pipe"],
    },
  );
  let [output, failed, closing] = ["", "", false];
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      const [, url] = /^ready (\S+)$/m.exec(output) ?? [];
      if (url !== undefined) resolve(url);
    });
    child.stderr.on("data", (chunk: Buffer) => {
      failed = (failed + chunk.toString()).slice(-4_000);
    });
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      const error = new Error(`The sandbox chain ended (${code ?? signal}): ${failed}`);
      reject(error);
      // nothing can go on without the chain, and its last words are the reason
      if (output !== "" && !closing) process.emitWarning(error);
    });
  });
  return {
    url,
    async close() {
      closing = true;
      // it may have been killed in the meantime
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = new Promise((resolve) => child.once("exit", resolve));
      child.stdin.end();
      await exited;
    },
  };
}

/** Deploys the contracts with a key that is then forgotten: nobody administers a sandbox. */
export async function deployToSandbox(url: string, options: DeployOptions): Promise<Deployment> {
  // not destroyed at the end: that would reject what its poller still asks; it is idle once nobody
  // waits for a transaction
  const provider = new JsonRpcProvider(url, SANDBOX_CHAIN_ID, {
    staticNetwork: true,
    pollingInterval: 20,
    cacheTimeout: -1,
  });
  return deploy(new NonceManager(Wallet.createRandom(provider)), options);
}

/**
 * Moves the sandbox's clock forward, for what waits for days; resolves when a block has the new
 * time. `to`: from the time of the last block to the new one, in seconds since 1970; a time in the
 * past changes nothing. The interval makes that block: `evm_mine` or `hardhat_mine` next to an
 * interval sometimes panics in Hardhat 3.17 ("There must be a log line").
 */
async function moveTime(url: string, to: (last: number) => number): Promise<void> {
  const provider = new JsonRpcProvider(url, SANDBOX_CHAIN_ID, {
    staticNetwork: true,
    cacheTimeout: -1,
  });
  const time = async () =>
    Number(
      ((await provider.send("eth_getBlockByNumber", ["latest", false])) as { timestamp: string })
        .timestamp,
    );
  const last = await time();
  const goal = to(last);
  if (goal > last) await provider.send("evm_increaseTime", [goal - last]);
  while ((await time()) < goal) await new Promise((resolve) => setTimeout(resolve, 20));
  provider.destroy();
}

/** Moves the clock forward by these seconds. */
export const passTime = (url: string, seconds: number): Promise<void> =>
  moveTime(url, (last) => last + seconds);
/** Moves the clock to a time, in seconds since 1970. */
export const passTimeTo = (url: string, goal: number): Promise<void> => moveTime(url, () => goal);

/** The node from within its process. */
type Node = { request(call: { method: string; params?: unknown[] }): Promise<unknown> };

/** After these calls a block is needed: for a transaction, or for the time that was set. */
const WANT_A_BLOCK: ReadonlySet<string> = new Set(["eth_sendRawTransaction", "evm_increaseTime"]);

/**
 * Makes a block every `intervalMs` while something waits for one, and every `idleMs` otherwise. It
 * stands in for the node's own interval.
 */
function createMiner(intervalMs: number, idleMs: number) {
  let interval = intervalMs;
  let blockNeeded = true;
  let last = performance.now();
  let timer: NodeJS.Timeout | undefined;
  let turning: Promise<void> | undefined;

  async function turn(node: Node): Promise<void> {
    if (!blockNeeded && performance.now() - last < idleMs) return;
    // before the block: what comes while it is made waits for the next one
    blockNeeded = false;
    last = performance.now();
    await node.request({ method: "evm_mine" });
    const params = ["latest", false];
    const block = await node.request({ method: "eth_getBlockByNumber", params });
    const { gasUsed, gasLimit } = block as { gasUsed: string; gasLimit: string };
    // a block that is rather full may have left some over
    blockNeeded ||= 2n * BigInt(gasUsed) > BigInt(gasLimit);
  }

  function next(node: Node): void {
    clearTimeout(timer);
    if (interval === 0) return;
    timer = setTimeout(() => {
      turning = turn(node).finally(() => next(node));
    }, interval);
  }

  return {
    start: next,
    /** Takes the node's `evm_setIntervalMining`: 0 stops, and then no block is under way. */
    async every(node: Node, milliseconds: number): Promise<void> {
      interval = 0;
      await turning;
      interval = milliseconds;
      next(node);
    },
    answered(method: string): void {
      blockNeeded ||= WANT_A_BLOCK.has(method);
    },
  };
}

async function run(intervalMs: number, aheadSeconds: number, idleMs: number): Promise<void> {
  const { createHardhatRuntimeEnvironment } = await import("hardhat/hre");
  const onDemand = idleMs > intervalMs;
  const miner = createMiner(intervalMs, idleMs);
  const hre = await createHardhatRuntimeEnvironment({
    plugins: [
      {
        id: "onepiao:miner",
        hookHandlers: {
          network: async () => ({
            default: async () => ({
              async newConnection(context, proceed) {
                const connection = await proceed(context);
                if (onDemand) miner.start(connection.provider);
                return connection;
              },
              async onRequest(context, connection, request, proceed) {
                if (onDemand && request.method === "evm_setIntervalMining") {
                  const [every] = request.params as [number];
                  await miner.every(connection.provider, every);
                  return { jsonrpc: "2.0", id: request.id, result: true };
                }
                const answer = await proceed(context, connection, request);
                miner.answered(request.method);
                return answer;
              },
            }),
          }),
        },
      },
    ],
    networks: {
      sandbox: {
        type: "edr-simulated",
        chainType: "l1",
        chainId: SANDBOX_CHAIN_ID,
        hardfork: "cancun",
        accounts: [],
        allowBlocksWithSameTimestamp: true,
        // as real nodes do: a reverted transaction has a hash and a receipt
        throwOnTransactionFailures: false,
        allowUnlimitedContractSize: false,
        blockGasLimit: 100_000_000n,
        initialBaseFeePerGas: 0,
        gasPrice: 0,
        ...(aheadSeconds === 0 ? {} : { initialDate: new Date(Date.now() + aheadSeconds * 1_000) }),
        mining: { auto: false, interval: onDemand ? 0 : intervalMs },
      },
    },
  });
  const server = await hre.network.createServer("sandbox", "127.0.0.1", 0);
  const { address, port } = await server.listen();
  process.stdout.write(`ready http://${address}:${port}\n`);
  process.stdin.resume();
  process.stdin.once("end", () => process.exit(0));
  // Ctrl-C reaches the whole process group; the parent says when to end
  process.on("SIGINT", () => {});
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [intervalMs = 100, aheadSeconds = 0, idleMs = intervalMs] = process.argv
    .slice(2)
    .map(Number);
  await run(intervalMs, aheadSeconds, idleMs);
}
