/** The operator's commands (cli.ts), on the gateway's parts. */
import { readFileSync } from "node:fs";
import { checksummed } from "@onepiao/protocol/ledger/messages.ts";
import { type Identity, identitySchema } from "@onepiao/protocol/proofs/bundle.ts";
import { openBureau } from "./bureau.ts";
import { createChainClient } from "./chain/client.ts";
import type { Deployment } from "./chain/deploy.ts";
import { createCore, type Network, openKeeping, openNetwork } from "./core/core.ts";
import { migrate, openDb, type Sql } from "./db/db.ts";
import { createAuditing } from "./features/bureau/auditing.ts";
import { createApiKey } from "./features/parties/api-keys.ts";
import { isSandbox, projections, readDeployment, startGateway } from "./gateway.ts";
import type { Config } from "./kernel/config.ts";
import { createLog, type Log } from "./kernel/log.ts";
import { complain, say, sayJson } from "./kernel/terminal.ts";
import { addWraps, dropOtherWraps } from "./keys/vault.ts";
import { keyIn, WrongCall } from "./operator/call.ts";
import { examine, reportLines } from "./operator/doctor.ts";
import { findingTable } from "./operator/findings.ts";
import { createProgress } from "./operator/progress.ts";
import { checkProjections, followerName, rebuildProjections } from "./operator/rebuild.ts";
import { cancelSend } from "./txs/cancelling.ts";
import { findingKinds } from "./upkeep/comparison.ts";
import { createReconcile, findings } from "./upkeep/reconcile.ts";

function realDeployment(config: Config): Deployment {
  const deployment = readDeployment(config.DEPLOYMENT);
  if (isSandbox(deployment))
    throw new WrongCall(
      "DEPLOYMENT is a sandbox's; a gateway outside the sandbox does not serve it",
    );
  return deployment;
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

export type Command =
  | "serve"
  | "migrate"
  | "bureau"
  | "account"
  | "taxpayer"
  | "admin-key"
  | "doctor"
  | "cancel"
  | "audit"
  | "reconcile"
  | "rotate"
  | "rebuild";

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

/**
 * Runs a command: `flags` and `named` are those that follow it. Resolves with the exit code; throws
 * WrongCall if the deployment or a file that it names is wrong.
 */
export async function runCommand(
  command: Command,
  config: Config,
  activeFlags: ReadonlySet<string>,
  named: string,
): Promise<number> {
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
