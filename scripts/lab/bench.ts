/**
 * `npm run bench`: what the gateway does in a second, compared with two baselines on the same
 * machine, chain and database server.
 *
 * Exit code: 0; 1 when something was refused, lost or doubled, and with `--check` when a target is
 * missed.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { directoryTables, measureDirectory } from "./bench/directory.ts";
import { BLOCK_MS, ISSUERS, settings, startNetwork } from "./bench/network.ts";
import { type Place, readProfiles } from "./bench/profile.ts";
import { createProgress } from "./bench/progress.ts";
import { summarise, tablesOf } from "./bench/report.ts";
import { CLIENTS, measure, type Plan, STARTING_SECONDS, secondsOf } from "./bench/run.ts";
import { measureVerification, verificationTable } from "./bench/verify.ts";

const parts = [
  "issue",
  "latency",
  "acts",
  "batch",
  "memory",
  "verify",
  "poison",
  "directory",
] as const;
const usage = `npm run bench [-- options]

Brings up a chain, a durable PostgreSQL and gateways of its own, and measures issue through REST, accept
latency at half of that load, and acts to finality, beside two baselines: (a) an ERC-721 mint an invoice
through ethers, (b) the same gateway with the chain switched off. Two to three minutes.

  --only LIST     of ${parts.join(", ")} (default: issue, latency, acts); verify stands alone: what
                  the worst files cost that strangers give to be verified; so does directory: a
                  directory of taxpayers is loaded twice, and searched
  --rounds N      turns of gateway, (a), (b); of single calls and batches (default 3)
  --seconds N     of each measurement (default 8)
  --invoices N    how many invoices memory is watched over; turns memory on (default with --only memory: 100000)
  --rows N        companies of the directory (default 1000000)
  --json FILE     every number, as JSON
  --profile       where the gateway's time goes: functions, modules, SQL statements; slows it down
  --check         exit code 1 when a target is missed
  --help          this text`;

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "8" },
    invoices: { type: "string" },
    rows: { type: "string", default: "1000000" },
    json: { type: "string" },
    profile: { type: "boolean", default: false },
    check: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

function count(name: string, text: string, max: number): number {
  if (!/^\d+$/.test(text) || Number(text) < 1 || Number(text) > max)
    throw new RangeError(`--${name} is a number from 1 to ${max}`);
  return Number(text);
}

function readPlan(): Plan {
  const only = values.only?.split(",");
  const unknown = only?.find((part) => !(parts as readonly string[]).includes(part));
  for (const alone of ["verify", "directory"])
    if (only !== undefined && only.length > 1 && only.includes(alone))
      throw new RangeError(`--only ${alone} stands alone`);
  if (unknown !== undefined)
    throw new RangeError(`--only knows ${parts.join(", ")}, not ${unknown}`);
  const isPart = (part: (typeof parts)[number]) =>
    only?.includes(part) ?? !["batch", "memory", "verify", "poison", "directory"].includes(part);
  const watched =
    values.invoices === undefined
      ? only?.includes("memory")
        ? 100_000
        : 0
      : count("invoices", values.invoices, 5_000_000);
  return {
    rounds: isPart("issue") ? count("rounds", values.rounds, 100) : 0,
    seconds: count("seconds", values.seconds, 600),
    latency: isPart("latency"),
    acts: isPart("acts"),
    batches: isPart("batch") ? count("rounds", values.rounds, 100) : 0,
    invoices: watched,
    poison: isPart("poison"),
  };
}

const shares = (title: string, places: readonly Place[]) =>
  [
    title,
    ...places.map(
      ({ where, milliseconds, share }) =>
        `${milliseconds.toFixed(0).padStart(7)} ms ${(100 * share).toFixed(1).padStart(5)} %  ${where}`,
    ),
  ].join("\n");

let interrupted = false;

async function main(): Promise<number> {
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const plan = readPlan();
  if (values.only === "verify") {
    console.log(`\n${verificationTable(await measureVerification())}\n`);
    return 0;
  }
  const folder = values.profile ? mkdtempSync(join(tmpdir(), "onepiao-profile-")) : undefined;
  const progress = createProgress(secondsOf(plan));
  let network: Awaited<ReturnType<typeof startNetwork>> | undefined;
  // Ctrl-C at any moment takes everything down; what is just starting ends with this process
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, async () => {
      interrupted = true;
      progress.stop();
      await network?.stop();
      process.exit(130);
    });
  }
  try {
    const start = () =>
      startNetwork({ say: progress.say, ...(folder === undefined ? {} : { profileTo: folder }) });
    network = await progress.step("bringing it up", STARTING_SECONDS, async () => 0, start);
    if (values.only === "directory") {
      const measured = await measureDirectory(
        network,
        count("rows", values.rows, 2_000_000),
        progress.say,
      );
      progress.stop();
      console.log(`\n${directoryTables(measured)}\n`);
      if (values.json !== undefined)
        writeFileSync(values.json, `${JSON.stringify(measured, undefined, 2)}\n`);
      return 0;
    }
    const results = await measure(network, plan, progress);
    const statements = await network.statements();
    await network.stop();
    network = undefined;
    progress.stop();

    const summary = summarise(results);
    console.log(`\n${tablesOf(results, summary)}\n`);
    if (folder !== undefined) {
      const { functions, modules } = readProfiles(folder);
      console.log(
        `${shares("Gateway: time by module", modules.slice(0, 20))}\n\n${shares("Gateway: time by function", functions.slice(0, 30))}\n`,
      );
      console.log("Statements of its database by total time");
      for (const { milliseconds, calls, query } of statements)
        console.log(
          `${milliseconds.toFixed(0).padStart(7)} ms ${String(calls).padStart(7)} ×  ${query.replaceAll(/\s+/g, " ").slice(0, 120)}`,
        );
      console.log();
    }
    const machine = {
      cores: availableParallelism(),
      cpu: cpus()[0]?.model ?? "",
      memoryBytes: totalmem(),
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
    };
    const ground = {
      clients: CLIENTS,
      issuers: ISSUERS,
      blockMs: BLOCK_MS,
      database: "fsync, synchronous_commit and full_page_writes on",
      ...settings,
    };
    if (values.json !== undefined)
      writeFileSync(
        values.json,
        `${JSON.stringify({ machine, ground, plan, results, summary }, undefined, 2)}\n`,
      );
    const { check } = results;
    console.log(
      `accepted ${check.accepted} · sealed ${check.sealed} · reimbursed ${check.reimbursed} · twice ${check.reimbursedTwice}`,
    );
    console.log(JSON.stringify({ machine, plan, summary }));
    for (const fault of summary.faults) console.error(`WRONG: ${fault}`);
    const missed = [
      summary.ratios?.overMints.met,
      summary.ratios?.overAcceptOnly.met,
      summary.memory?.flat,
    ].includes(false);
    return summary.faults.length > 0 || (values.check && missed) ? 1 : 0;
  } finally {
    progress.stop();
    await network?.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  // what was under way fails when the network is taken down
  if (!interrupted)
    console.error(error instanceof RangeError ? `${error.message}\n\n${usage}` : error);
  process.exitCode = 1;
}
