/**
 * The gateway on a real network: `serve`, and the operator's other commands. Settings come from the
 * environment and from files that it names (docs/operations.md); nothing of the sandbox can be
 * enabled here.
 *
 * Exit codes: 0 done, and all is well; 1 it failed, or something needs attention; 2 the call or the
 * settings are wrong.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { checksummed } from "@onepiao/protocol/ledger/messages.ts";
import { type Identity, identitySchema } from "@onepiao/protocol/proofs/bundle.ts";
import { isAccount } from "@onepiao/protocol/values/account.ts";
import { openBureau } from "./bureau.ts";
import { createChainClient } from "./chain/client.ts";
import type { Deployment } from "./chain/deploy.ts";
import { createCore, type Network, openKeeping, openNetwork } from "./core/core.ts";
import { migrate, openDb, type Sql } from "./db/db.ts";
import { createAuditing } from "./features/bureau/auditing.ts";
import { createApiKey } from "./features/parties/api-keys.ts";
import { isSandbox, projections, readDeployment, startGateway } from "./gateway.ts";
import { type Config, readConfig, settings } from "./kernel/config.ts";
import { createLog, type Log } from "./kernel/log.ts";
import { complain, linesOf, say, sayJson } from "./kernel/terminal.ts";
import { addWraps, dropOtherWraps } from "./keys/vault.ts";
import { examine, reportLines } from "./operator/doctor.ts";
import { findingTable } from "./operator/findings.ts";
import { createProgress } from "./operator/progress.ts";
import { checkProjections, followerName, rebuildProjections } from "./operator/rebuild.ts";
import { cancelSend } from "./txs/cancelling.ts";
import { findingKinds } from "./upkeep/comparison.ts";
import { createReconcile, findings } from "./upkeep/reconcile.ts";

const commands = {
  serve: "take requests until SIGTERM or Ctrl-C; a second one ends at once",
  migrate: "bring the database's schema up to date",
  bureau:
    "create the bureau's account and an API key for it; prints the sending address for " +
    "scripts/deploy.ts --bureau",
  account:
    "create and keep the key of a taxpayer that the bureau enrols at its own gateway; prints " +
    "the address to enrol",
  taxpayer:
    "taxpayer IDENTITY_FILE: import a taxpayer's identity from the bureau's gateway; prints " +
    "an API key if its key is kept here",
  "admin-key":
    "admin-key ACCOUNT: create an admin key for a party of this gateway that has lost its " +
    "last one; prints it",
  doctor: "report what waits, why, and what to do; --json",
  cancel: "give up a transaction that the node refuses: cancel SEND_ID; a no-op takes its nonce",
  audit: "open every sealed lot once, as the bureau's auditor does, and report what is wrong",
  reconcile: "compare everything stored with the chain, once",
  rotate: "rotate NEXT_KEY_FILE: add a second master key; --finish: delete all but the present one",
  rebuild:
    "empty the projections and replay them from the chain (stop `serve` first); --check: " +
    "replay into other tables, and compare",
};
type Command = keyof typeof commands;
const flags: Partial<Record<Command, readonly string[]>> = {
  doctor: ["json"],
  rebuild: ["check", "force"],
  rotate: ["finish"],
};

function usage(): string {
  const column = (rows: [string, string][]) =>
    rows.map(([name, text]) => `  ${name.padEnd(24)}${text}`).join("\n");
  return `node server/cli.ts COMMAND

${column(Object.entries(commands))}

Settings, each also as NAME_FILE (a file that holds it):
${column(settings.map(({ name, description }) => [name, description]))}`;
}

class WrongCall extends Error {}

function realDeployment(config: Config): Deployment {
  const deployment = readDeployment(config.DEPLOYMENT);
  if (isSandbox(deployment))
    throw new WrongCall(
      "DEPLOYMENT is a sandbox's; a gateway outside the sandbox does not serve it",
    );
  return deployment;
}

/** 32 bytes in hex that may be random: not a pattern that somebody typed. */
const isMasterKey = (key: string) =>
  /^[0-9a-f]{64}$/i.test(key) && new Set(Buffer.from(key, "hex")).size >= 8;

function checkedConfig(): Config {
  let config: Config;
  try {
    config = readConfig(process.env);
  } catch (cause) {
    throw new WrongCall((cause as Error).message);
  }
  if (!isMasterKey(config.MASTER_KEY))
    throw new WrongCall("MASTER_KEY is not a random key: openssl rand -hex 32 makes one");
  return config;
}

const signals = ["SIGINT", "SIGTERM"] as const;
const interrupted = () =>
  new Promise<void>((resolve) => {
    for (const signal of signals) process.once(signal, () => resolve());
  });

/**
 * A stop is cut off after this time: all unfinished work is in the database, and another process
 * continues it.
 */
const STOP_MS = 9_000;

async function serve(config: Config): Promise<void> {
  // from the beginning: a process that is stopped while it starts, starts and then stops
  const stopRequested = interrupted();
  const gateway = await startGateway(config, realDeployment(config));
  await stopRequested;
  for (const signal of signals) process.once(signal, () => process.exit(1));
  const late = setTimeout(
    () => {
      complain("A part did not end in time and was cut off. Nothing is lost");
      process.exit(0);
    },
    STOP_MS + config.STOP_DELAY_SECONDS * 1_000,
  );
  await gateway.stop();
  clearTimeout(late);
  // all parts have ended; a connection that somebody else holds open must not keep the process
  // alive
  process.exit(0);
}

type Tools = { config: Config; sql: Sql; flags: ReadonlySet<string>; named: string };

async function bureau({ config, sql }: Tools): Promise<number> {
  const chain = createChainClient(config.RPC_URL);
  const { account, token } = await openBureau({ sql, chain, ...(await openKeeping(sql, config)) });
  chain.close();
  say(`bureau account ${account}`, `API key        ${token}   (shown this once)`);
  return 0;
}

async function account({ config, sql }: Tools): Promise<number> {
  const { keys } = await openKeeping(sql, config);
  const address = await sql.begin((tx) => keys.create(tx));
  say(
    `account ${address}`,
    `the bureau enrols it with "key": {"custody": "own", "address": "${address}"}; then: ` +
      "taxpayer IDENTITY_FILE",
  );
  return 0;
}

/** The answer of `GET /v1/taxpayers/{taxId}/identity` at the bureau's gateway, from a file. */
function identityIn(file: string): Identity {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    throw new WrongCall(`${file} cannot be read`);
  }
  try {
    return identitySchema.parse(JSON.parse(text));
  } catch {
    throw new WrongCall(`${file} does not contain a taxpayer's identity`);
  }
}

async function taxpayer({ config, sql, named }: Tools): Promise<number> {
  // the gateway checks the bureau's signature on a later name, because it can ask the chain
  const { named: later, ...identity } = identityIn(named);
  const { keys, taxpayers } = await openKeeping(sql, config);
  if (!(await sql.begin((tx) => taxpayers.adopt(tx, identity, "CNY")))) {
    say(
      `the registry has another identity for taxpayer ${identity.index}; if it was enrolled a ` +
        `moment ago, let \`serve\` reach that block`,
    );
    return 1;
  }
  say(
    `taxpayer ${identity.index} is ${identity.name} ${identity.taxId}, account ${identity.account}`,
  );
  if (later)
    say(
      `its name since ${later.from}: give name, from and signature to POST ` +
        `/v1/taxpayers/${identity.taxId}/names`,
    );
  const known = await taxpayers.byIndex(sql, identity.index);
  if (known === undefined || !(await keys.holds(known.account))) return 0;
  const token = await createApiKey(sql, {
    account: known.account,
    roles: ["admin"],
    createdBy: known.account,
  });
  say(`API key ${token}   (shown this once)`);
  return 0;
}

async function adminKey({ sql, named }: Tools): Promise<number> {
  const account = checksummed(named);
  const [party] = await sql`select 1 from party_now where account = ${account}`;
  if (!party) {
    say(`this gateway has no party with the account ${account}`);
    return 1;
  }
  const token = await createApiKey(sql, { account, roles: ["admin"], createdBy: account });
  say(`API key ${token}   (shown this once)`);
  return 0;
}

/** The parts for commands about a running network. The first signal aborts `stopping`. */
type Running = Network & { log: Log; finalityDepth: number; stopping: AbortSignal };

async function onNetwork(
  config: Config,
  work: (parts: Running) => Promise<number>,
): Promise<number> {
  const deployment = realDeployment(config);
  const stopping = new AbortController();
  void interrupted().then(() => stopping.abort());
  const log = createLog(config.LOG_LEVEL);
  const network = openNetwork(config, deployment);
  try {
    return await work({
      ...network,
      log,
      finalityDepth: config.FINALITY_DEPTH,
      stopping: stopping.signal,
    });
  } finally {
    network.chain.close();
  }
}

const doctor = ({ config, sql, flags }: Tools) =>
  onNetwork(config, async (parts) => {
    const {
      IDEMPOTENCY_DAYS: idempotencyDays,
      RECONCILE_DAYS: reconcileDays,
      MAX_HEAD_AGE: maxHeadAgeSeconds,
      MAX_TX_GAS: maxTxGas,
    } = config;
    const report = await examine({
      sql,
      ...parts,
      idempotencyDays,
      reconcileDays,
      maxHeadAgeSeconds,
      maxTxGas,
    });
    const withWords = {
      ...report,
      findings: report.findings.map((finding) => ({ ...finding, ...findingTable[finding.code] })),
    };
    if (flags.has("json")) sayJson(withWords);
    else say(...reportLines(report));
    return report.healthy ? 0 : 1;
  });

async function cancel({ config, sql, named: send }: Tools): Promise<number> {
  const { chainId } = realDeployment(config);
  const { keys } = await openKeeping(sql, config);
  const cancellation = await cancelSend({ sql, keys, chainId }, BigInt(send));
  if (!("nonce" in cancellation)) {
    const unknown = cancellation.outcome === "unknown";
    say(`send ${send} is ${unknown ? "unknown" : "not pending: there is nothing to give up"}`);
    return 1;
  }
  const already = cancellation.outcome === "asked-before" ? " already" : "";
  say(
    `a no-op with nonce ${cancellation.nonce} in lane ${cancellation.lane} is${already} on ` +
      "its way; if it lands first, the work is sent again",
  );
  return 0;
}

const reconcile = ({ config, sql }: Tools) =>
  onNetwork(config, async ({ stopping, ...parts }) => {
    const { documents } = await createCore({ sql, config, network: parts, log: parts.log });
    const progress = createProgress("blocks");
    const { all } = createReconcile({
      sql,
      documents,
      ...parts,
      days: config.RECONCILE_DAYS,
      perSecond: config.RECONCILE_PER_SECOND,
    });
    const { block, lots, invoices } = await all(
      (now) => progress({ done: now.block, total: now.end }, `${now.invoices} invoices`),
      stopping,
    );
    say(`compared ${invoices} invoices in ${lots} lots up to block ${block}`);
    const differences = await findings(sql);
    for (const { kind, subject, detail } of differences)
      say(`${kind} ${subject}: ${detail}`, `  ${findingKinds[kind]}`);
    say(`differences ${differences.length}`);
    return differences.length === 0 ? 0 : 1;
  });

const audit = ({ config, sql }: Tools) =>
  onNetwork(config, async ({ stopping, log, ...network }) => {
    const { audit: parts } = await createCore({ sql, config, network, log });
    const progress = createProgress("lots");
    await createAuditing({
      sql,
      audit: parts,
      log,
      patienceSeconds: config.AUDIT_PATIENCE_SECONDS,
    }).all((done, total) => progress({ done, total: total }), stopping);
    const { lots, waiting } = await parts.progress(sql);
    const auditFindings = await parts.findings(sql, { limit: 1_000 });
    say(`audited ${lots} lots; ${waiting} wait for their documents`);
    for (const { kind, issuer, subject, found_at: since } of auditFindings)
      say(`${kind} issuer ${issuer} ${subject} since ${since.toISOString()}`);
    say(`findings ${auditFindings.length}`);
    return auditFindings.length === 0 ? 0 : 1;
  });

const keyIn = (file: string): string => {
  let key: string;
  try {
    key = readFileSync(file, "utf8").trim();
  } catch {
    throw new WrongCall(`${file} cannot be read`);
  }
  if (!isMasterKey(key))
    throw new WrongCall(
      `${file} does not contain a random key of 32 bytes in hex: openssl rand -hex 32 makes one`,
    );
  return key;
};

async function rotate({ config, sql, flags, named }: Tools): Promise<number> {
  if (flags.has("finish")) {
    const forgotten = await dropOtherWraps(sql, config.MASTER_KEY);
    say(
      forgotten === 0
        ? "this database has no other master key"
        : "the other master keys no longer open this database; destroy them",
    );
    return 0;
  }
  await addWraps(sql, config.MASTER_KEY, keyIn(named));
  say(
    "both master keys open this database now. Restart the processes one by one with the new " +
      "key; then run with it: rotate --finish",
  );
  return 0;
}

const rebuild = ({ config, sql, flags }: Tools) =>
  onNetwork(config, async (parts) => {
    const progress = createProgress("block");
    const deps = {
      sql,
      databaseUrl: config.DATABASE_URL,
      ...parts,
      projections,
      progress: (now: { block: number; total: number }) =>
        progress({ done: now.block, total: now.total }),
    };
    if (flags.has("check")) {
      const { block, differences } = await checkProjections(deps);
      for (const { table, missing, extra, keys } of differences)
        say(`${table}: ${missing} rows are missing, ${extra} are too many: ${keys.join(", ")} …`);
      say(
        differences.length === 0
          ? `the projections are what the chain says, at block ${block}`
          : `${differences.length} tables differ, at block ${block}`,
      );
      return differences.length === 0 ? 0 : 1;
    }
    const other = await followerName(sql);
    if (other !== undefined && !flags.has("force")) {
      throw new Error(
        `A gateway follows the chain on this database (${other}): stop \`serve\` first. The ` +
          "lease of a killed one ends in seconds; --force starts at once",
      );
    }
    const { block, compared, changes } = await rebuildProjections(deps);
    for (const { table, before, after } of changes)
      say(`${table} has changed: ${before} rows before, ${after} after`);
    const outcome =
      changes.length === 0
        ? `at block ${compared} they are what they were`
        : `compared at block ${compared}`;
    say(`the projections are rebuilt up to block ${block}; ${outcome}`);
    return 0;
  });

async function run(
  command: Command,
  activeFlags: ReadonlySet<string>,
  named: string,
): Promise<number> {
  const config = checkedConfig();
  if (command === "serve") {
    await serve(config);
    return 0;
  }
  const sql = openDb(config.DATABASE_URL, { connections: 5 });
  const tools: Tools = { config, sql, flags: activeFlags, named };
  if (command === "rotate" && !activeFlags.has("finish")) keyIn(named);
  try {
    // doctor changes nothing, least of all the schema
    if (command === "doctor") return await doctor(tools);
    const applied = await migrate(sql);
    say(applied.length > 0 ? `applied ${applied.join(", ")}` : "the schema is up to date");
    if (command === "migrate") return 0;
    return await {
      account,
      "admin-key": adminKey,
      audit,
      bureau,
      cancel,
      taxpayer,
      reconcile,
      rotate,
      rebuild,
    }[command](tools);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

const boolean = { type: "boolean" } as const;
function readCall():
  | { help: boolean; command: Command; flags: ReadonlySet<string>; named: string }
  | undefined {
  try {
    const { values, positionals } = parseArgs({
      options: { help: boolean, json: boolean, check: boolean, force: boolean, finish: boolean },
      allowPositionals: true,
    });
    const { help, ...rest } = values;
    const command = positionals[0] as Command;
    const [, named, ...more] = positionals;
    const needsArgument =
      ["cancel", "taxpayer", "admin-key"].includes(command) ||
      (command === "rotate" && !rest.finish);
    const isNamed = (text: string) =>
      command === "cancel" ? /^\d{1,18}$/.test(text) : command !== "admin-key" || isAccount(text);
    const fits = needsArgument ? named !== undefined && isNamed(named) : named === undefined;
    const known = Object.hasOwn(commands, command ?? "") && fits && more.length === 0;
    const fitting = Object.keys(rest).every((flag) => flags[command]?.includes(flag));
    return help || (known && fitting)
      ? { help: help === true, command, flags: new Set(Object.keys(rest)), named: named ?? "" }
      : undefined;
  } catch {
    return undefined;
  }
}

const called = readCall();
if (called === undefined) {
  complain(...linesOf(usage()));
  process.exitCode = 2;
} else if (called.help) say(...linesOf(usage()));
else {
  process.exitCode = await run(called.command, called.flags, called.named).catch(
    (error: unknown) => {
      complain(...linesOf(error instanceof Error ? error.message : String(error)));
      return error instanceof WrongCall ? 2 : 1;
    },
  );
}
