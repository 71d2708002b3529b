import { createRequire } from "node:module";
import toolbox from "@nomicfoundation/hardhat-toolbox-mocha-ethers";
import { defineConfig } from "hardhat/config";

const require = createRequire(import.meta.url);
const chain = {
  type: "edr-simulated",
  chainType: "l1",
  chainId: 31_337,
  hardfork: "cancun",
  allowUnlimitedContractSize: false,
  blockGasLimit: 100_000_000n,
  initialBaseFeePerGas: 0,
  gasPrice: 0,
} as const;

// from the npm package: nothing is downloaded
const solc = { version: "0.8.37", path: require.resolve("solc/soljson.js") };
// cancun is what Besu's QBFT runs; solc's default is newer. viaIR: the ledger's passes are too deep
// without it.
const evmVersion = "cancun";
const settings = { evmVersion, viaIR: true, optimizer: { enabled: true, runs: 10_000 } };
const quick = { ...solc, settings: { evmVersion, optimizer: { enabled: true, runs: 1 } } };

export default defineConfig({
  plugins: [toolbox],
  typechain: { tsNocheck: true },
  solidity: {
    npmFilesToBuild: ["@openzeppelin/contracts/access/manager/AccessManager.sol"],
    compilers: [{ ...solc, settings }],
    // These deploy the contracts as they are built (test/contracts/support/Deployed.sol): how they
    // are compiled themselves changes only the time that it takes.
    overrides: {
      "test/contracts/Ledger.invariants.t.sol": quick,
      "test/contracts/Registry.t.sol": quick,
    },
  },
  paths: { tests: { mocha: "test", solidity: "test/contracts" } },
  networks: {
    instant: { ...chain, mining: { auto: true } },
    interval: {
      ...chain,
      mining: { auto: false, interval: 100 },
      allowBlocksWithSameTimestamp: true,
    },
  },
  test: { solidity: { fuzz: { runs: 256 } } },
});
