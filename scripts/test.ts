/**
 * `npm test`: types, contracts (Solidity and TypeScript), formats, HTTP, mechanisms and features, all on real parts.
 *
 * Two chains of steps side by side, one for each of two cores; ends with a line of counts. Exit code 1 when anything failed.
 */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { report, root, runStep, type Step } from "./run.ts";

const files = (folder: string) =>
  readdirSync(join(root, "test", folder))
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `test/${folder}/${name}`);
const mocha = (name: string, paths: string[]): Step => ({ name, command: "mocha", args: ["--no-config", "--timeout", "120000", ...paths] });

/** Of test/server: the mechanisms without HTTP. They take as long as all the rest. */
const mechanisms = ["acts", "chain", "feed", "keys", "leases", "sealing", "txs", "txs-faults"].map((name) => `test/server/${name}.ts`);
/** Those that want a network whose clock nobody has moved: other tests pass a month on the chain. */
const byTheClock = ["audit", "api-imports", "api-names", "api-stats"].map((name) => `test/server/${name}.ts`);

const rest = files("server").filter((path) => !mechanisms.includes(path) && !byTheClock.includes(path));

const chains: Step[][] = [
  [
    { name: "types", command: "tsc", args: ["-p", "."] },
    { name: "contracts, in Solidity", command: "hardhat", args: ["test", "solidity"] },
    { name: "contracts, in TypeScript", command: "hardhat", args: ["test", "mocha", "--no-compile", ...files("contracts")] },
    mocha("gateway, mechanisms", mechanisms),
    mocha("gateways of several organisations", byTheClock),
    mocha(
      "gateway, its operation",
      rest.filter((path) => !path.includes("/api-")),
    ),
  ],
  [
    mocha("formats", files("formats")),
    mocha("http", files("http")),
    mocha("console, what needs no browser", files("console")),
    mocha(
      "gateway, its API",
      rest.filter((path) => path.includes("/api-")),
    ),
    { name: "gateways under fire", command: "node", args: ["scripts/chaos.ts", "--seed", "1", "--seconds", "20"] },
  ],
];

const counts = { passed: 0, failed: 0 };
let broken = false;

async function run(steps: Step[]): Promise<void> {
  for (const step of steps) {
    const ran = await runStep(step);
    report(ran, process.argv.includes("--verbose"));
    const passed = sum(ran.output, /(\d+) passing/g);
    const failed = sum(ran.output, /(\d+) failing/g);
    counts.passed += passed;
    counts.failed += failed;
    // a step that fails without a failing test (a crash, a type error) counts as one
    if (!ran.ok && failed === 0) counts.failed += 1;
    // a runner that found no test has not tested; types have none, and the fault harness says itself when it has not
    if (ran.ok && !["tsc", "node"].includes(step.command) && passed === 0) {
      console.log(`FAILED ${step.name}: no test was run`);
      counts.failed += 1;
    }
    broken ||= !ran.ok;
  }
}

const sum = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].reduce((total, match) => total + Number(match[1]), 0);

await Promise.all(chains.map(run));
console.log(`\n${counts.passed} passed, ${counts.failed} failed`);
process.exitCode = broken || counts.failed > 0 ? 1 : 0;
