/**
 * The first baseline, in a separate process: an OpenZeppelin ERC-721 token per invoice, minted
 * through ethers in the usual way (Contract, NonceManager, Wallet; await the receipt), several at a
 * time.
 *
 * Where there is a choice it favours the baseline: receipts are polled every 20 ms where ethers'
 * own default is 4 s, and minting checks no role. No documents, no REST: only the chain's part.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { type Contract, ContractFactory, JsonRpcProvider, NonceManager, Wallet } from "ethers";
import { SANDBOX_CHAIN_ID } from "../../../sandbox/chain.ts";
import { answer } from "./child.ts";
import { latencyOf, type Measured, newHistogram } from "./load.ts";

export type MintCommands = {
  /** Compiles and deploys the token. */
  open(rpcUrl: string): Promise<void>;
  /**
   * Mints, or transfers what was minted, for this long, `inFlight` at a time; done when the receipt
   * is here. `gas`: per call, on average.
   */
  run(job: {
    kind: "mint" | "transfer";
    inFlight: number;
    milliseconds: number;
  }): Promise<Measured & { gas: number }>;
  progress(): number;
};

const require = createRequire(import.meta.url);
const SOURCE = "scripts/lab/bench/contracts/InvoiceToken.sol";

function compiled(): { abi: object[]; bytecode: string } {
  const solc = require("solc") as {
    compile(
      input: string,
      callbacks: { import(path: string): { contents: string } | { error: string } },
    ): string;
  };
  const input = {
    language: "Solidity",
    sources: {
      [SOURCE]: {
        content: readFileSync(new URL("contracts/InvoiceToken.sol", import.meta.url), "utf8"),
      },
    },
    settings: {
      evmVersion: "cancun",
      optimizer: { enabled: true, runs: 10_000 },
      outputSelection: { "*": { InvoiceToken: ["abi", "evm.bytecode.object"] } },
    },
  };
  const output = JSON.parse(
    solc.compile(JSON.stringify(input), {
      import: (path) => ({ contents: readFileSync(require.resolve(path), "utf8") }),
    }),
  ) as {
    contracts?: Record<
      string,
      Record<string, { abi: object[]; evm: { bytecode: { object: string } } }>
    >;
    errors?: { severity: string; formattedMessage: string }[];
  };
  const compiled = output.contracts?.[SOURCE]?.["InvoiceToken"];
  if (!compiled)
    throw new Error(
      output.errors?.map((error) => error.formattedMessage).join("\n") ??
        "InvoiceToken was not compiled",
    );
  return { abi: compiled.abi, bytecode: compiled.evm.bytecode.object };
}

let token: Contract | undefined;
let [owner, receiver] = ["", ""];
let number = 26_440_320_000_000_000_000n;
const minted: bigint[] = [];
let done = 0;

const commands: MintCommands = {
  async open(rpcUrl) {
    const provider = new JsonRpcProvider(rpcUrl, SANDBOX_CHAIN_ID, {
      staticNetwork: true,
      pollingInterval: 20,
    });
    const { abi, bytecode } = compiled();
    const sender = new NonceManager(Wallet.createRandom(provider));
    const deployed = await new ContractFactory(abi, bytecode, sender).deploy({ gasPrice: 0 });
    await deployed.waitForDeployment();
    token = deployed as Contract;
    [owner, receiver] = [await sender.getAddress(), Wallet.createRandom().address];
  },

  async run({ kind, inFlight, milliseconds }) {
    if (!token) throw new Error("There is no token yet");
    const [mint, transfer] = [token.getFunction("mint"), token.getFunction("transferFrom")];
    const transact = async () => {
      if (kind === "transfer")
        return transfer(owner, receiver, minted.shift() ?? 0n, { gasPrice: 0 });
      number += 1n;
      minted.push(number);
      return mint(owner, number, randomBytes(32), { gasPrice: 0 });
    };
    const histogram = newHistogram();
    const refused: Record<string, number> = {};
    let gas = 0n;
    done = 0;
    const begun = Date.now();
    const end = performance.now() + milliseconds;
    await Promise.all(
      Array.from({ length: inFlight }, async () => {
        while (performance.now() < end && (kind === "mint" || minted.length > 0)) {
          const since = performance.now();
          try {
            const receipt = await (await transact()).wait();
            histogram.recordValue(Math.round((performance.now() - since) * 1_000));
            gas += receipt.gasUsed as bigint;
            done += 1;
          } catch (error) {
            const name = (error as { code?: string }).code ?? String(error);
            refused[name] = (refused[name] ?? 0) + 1;
          }
        }
      }),
    );
    return {
      done,
      refused,
      begun,
      ended: Date.now(),
      latency: latencyOf(histogram),
      answers: [],
      gas: Number(gas) / Math.max(1, done),
    };
  },

  progress: () => done,
};

if (process.argv[1] === fileURLToPath(import.meta.url)) answer(commands);
