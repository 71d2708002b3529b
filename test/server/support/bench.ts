/**
 * A gateway's mechanisms without HTTP: a separate database and deployment on the run's chain, the
 * node behind a faulty network, and any number of processes (each with its own connections), whose
 * parts are started and stopped separately.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { readInvoice } from "@onepiao/protocol/formats/read.ts";
import { EXTERNAL } from "@onepiao/protocol/ledger/external.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { Transaction, Wallet } from "ethers";
import { deployToSandbox, SANDBOX_CHAIN_ID, startSandboxChain } from "../../../sandbox/chain.ts";
import { createDispatcher, type Dispatcher } from "../../../server/acts/dispatcher.ts";
import { createEvidence } from "../../../server/acts/evidence.ts";
import {
  enqueue,
  find,
  type NewOperation,
  type Operation,
} from "../../../server/acts/operations.ts";
import { sendFailed } from "../../../server/acts/outcomes.ts";
import { BUREAU_LANE, RELAY_LANE } from "../../../server/acts/sending.ts";
import type { Capacity } from "../../../server/chain/capacity.ts";
import { createChainClient } from "../../../server/chain/client.ts";
import {
  type ChainEvent,
  createContracts,
  type EntryMark,
  refOf,
  ZERO_REF,
} from "../../../server/chain/contracts.ts";
import type { Deployment } from "../../../server/chain/deploy.ts";
import type { FaultWord } from "../../../server/chain/faults.ts";
import { migrate, openChanges, openDb, type Tx } from "../../../server/db/db.ts";
import { always, createLeases } from "../../../server/db/leases.ts";
import { startPostgres } from "../../../server/db/postgres.ts";
import { createDocuments } from "../../../server/features/invoices/documents.ts";
import { createInvoices } from "../../../server/features/invoices/invoices.ts";
import { createIssuing } from "../../../server/features/invoices/issuing.ts";
import { createRedLetters } from "../../../server/features/invoices/red-letters.ts";
import { createOperations } from "../../../server/features/out/operations.ts";
import { createAccounts } from "../../../server/features/parties/accounts.ts";
import { createDirectory } from "../../../server/features/parties/directory.ts";
import { createEncryptionKeys } from "../../../server/features/parties/encryption.ts";
import { createNames } from "../../../server/features/parties/names.ts";
import { createQuotas, periodOf } from "../../../server/features/parties/quotas.ts";
import { createRegistration } from "../../../server/features/parties/registration.ts";
import { seriesOf } from "../../../server/features/parties/segments.ts";
import { createTaxpayers, type Taxpayer } from "../../../server/features/parties/taxpayers.ts";
import { createFollower, type Follower, type Projection } from "../../../server/feed/follower.ts";
import { createReach } from "../../../server/feed/reach.ts";
import { projections } from "../../../server/gateway.ts";
import type { Caller } from "../../../server/kernel/api.ts";
import { createLog, type Log } from "../../../server/kernel/log.ts";
import { createKeystore } from "../../../server/keys/keystore.ts";
import { openVault } from "../../../server/keys/vault.ts";
import { createSealer, type Sealer } from "../../../server/sealing/sealer.ts";
import { createLanes, type Lanes, openLane } from "../../../server/txs/lanes.ts";
import { createRedLetterJob } from "../../../server/upkeep/red-letters.ts";
import { freshTaxId, invoiceOf } from "../network.ts";
import { type FaultyNode, startProxy, until } from "./proxy.ts";

export type BenchOptions = {
  /** A separate chain instead of the run's. */
  rpcUrl?: string;
  claimTermSeconds?: number;
};

export type ProcessOptions = {
  finalityDepth?: number;
  window?: number;
  resendMs?: number;
  lotSize?: number;
  lotAgeMs?: number;
  limit?: Partial<Capacity>;
  projections?: readonly Projection[];
  failed?: typeof sendFailed;
  deployment?: Deployment;
  /**
   * Duration of leases. Without it every process acts as the lease holder, and the tests check the
   * transactions' guarantees in that case.
   */
  leaseMs?: number;
  applied?: (events: readonly ChainEvent[]) => void;
  answered?: (fault: FaultWord) => void;
  log?: Log;
};

export type PartName = "reach" | "leases" | "lanes" | "follower" | "sealer" | "dispatcher";
export type Bench = Awaited<ReturnType<typeof openBench>>;
export type Process = Awaited<ReturnType<Bench["process"]>>;

const log = createLog(process.env["LOG_LEVEL"] ?? "silent");

type Ground = {
  rpcUrl: string;
  databaseUrl: string;
  /** A database with the schema, of which the others are copies: a fifth of the work. */
  template: string;
  close(): Promise<void>;
};
let started: Promise<Ground> | undefined;
const nameOfDatabase = () => `bench_${randomBytes(6).toString("hex")}`;
const urlOf = (databaseUrl: string, name: string) => databaseUrl.replace(/\/[^/]*$/, `/${name}`);

/**
 * The chain and the database server of all benches of a run; no gateway of the sandbox runs next to
 * them and takes their CPU time.
 */
function ground(): Promise<Ground> {
  started ??= (async () => {
    const databaseUrl = process.env["DATABASE_URL"];
    const [chain, postgres] = await Promise.all([
      startSandboxChain({ intervalMs: 10, idleMs: 200 }),
      databaseUrl === undefined ? startPostgres() : { url: databaseUrl, close: async () => {} },
    ]);
    const template = nameOfDatabase();
    const admin = openDb(postgres.url, { connections: 1 });
    await admin.unsafe(`create database ${template}`);
    const sql = openDb(urlOf(postgres.url, template), { connections: 1 });
    await migrate(sql);
    await sql.end();
    return {
      rpcUrl: chain.url,
      databaseUrl: postgres.url,
      template,
      async close() {
        await admin.unsafe(`drop database ${template}`);
        await admin.end();
        await postgres.close();
        await chain.close();
      },
    };
  })();
  return started;
}

after(async () => {
  await (await started)?.close();
  started = undefined;
});

/** A separate database on the run's server, with the schema and no rows. */
export async function openDatabase() {
  const { databaseUrl, template } = await ground();
  const name = nameOfDatabase();
  const admin = openDb(databaseUrl, { connections: 1 });
  await admin.unsafe(`create database ${name} template ${template} strategy file_copy`);
  const url = urlOf(databaseUrl, name);
  const sql = openDb(url, { connections: 6 });
  return {
    name,
    url,
    sql,
    async close() {
      await sql.end({ timeout: 1 });
      await admin.unsafe(`drop database ${name} with (force)`);
      await admin.end();
    },
  };
}

export async function openBench(options: BenchOptions = {}) {
  const rpcUrl = options.rpcUrl ?? (await ground()).rpcUrl;
  const masterKey = randomBytes(32).toString("hex");
  const proxy: FaultyNode = await startProxy(rpcUrl);
  const database = await openDatabase();
  /** The tests' own connection: not behind the proxy, and open after a crash. */
  const { name, url: databaseUrl, sql } = database;
  const node = createChainClient(rpcUrl, SANDBOX_CHAIN_ID);
  const vault = await openVault(sql, masterKey);
  const keys = createKeystore({ sql, vault });
  const bureau = (await openLane({ sql, chain: node, keys }, BUREAU_LANE)).address;
  const deployment = await deployToSandbox(rpcUrl, {
    network: name,
    bureau,
    claimTermSeconds: options.claimTermSeconds ?? 3_600,
  });
  const contracts = createContracts(deployment);
  const documents = createDocuments({ vault, keys: createEncryptionKeys({ vault }), deployment });
  const open: { stop(): Promise<void>; end(): Promise<void> }[] = [];

  /** One gateway process on this database; none of its parts runs until a test starts it. */
  async function start(more: ProcessOptions = {}) {
    const mark = `process_${randomBytes(6).toString("hex")}`;
    const own = openDb(`${databaseUrl}?application_name=${mark}`, { connections: 12 });
    const ownVault = await openVault(own, masterKey);
    const ownKeys = createKeystore({ sql: own, vault: ownVault });
    const changes = await openChanges(own);
    const chain = createChainClient(proxy.url, SANDBOX_CHAIN_ID);
    const finalityDepth = more.finalityDepth ?? 0;
    const spoken = createContracts(more.deployment ?? deployment);
    const heartbeat = openDb(`${databaseUrl}?application_name=${mark}`, { connections: 3 });
    const leases = createLeases({
      sql: heartbeat,
      changes,
      log,
      ttlMs: more.leaseMs ?? 4_000,
      reach: () => reach.block(),
    });
    const lease = (name: string) => (more.leaseMs === undefined ? always : leases.lease(name));
    const relay = await openLane({ sql: own, chain: node, keys: ownKeys }, RELAY_LANE);
    const lanes: Lanes = createLanes({
      sql: own,
      chain,
      keys: ownKeys,
      changes,
      log,
      lanes: [relay, { name: BUREAU_LANE, address: bureau }],
      chainId: SANDBOX_CHAIN_ID,
      finalityDepth,
      window: more.window ?? 16,
      pollMs: 100,
      lease: (name) => lease(`lane:${name}`),
      ...(more.answered ? { answered: more.answered } : {}),
      failed: more.failed ?? sendFailed,
      resendMs: more.resendMs ?? 300,
    });
    const follower: Follower = createFollower({
      sql: own,
      chain,
      contracts: spoken,
      projections: more.projections ?? projections,
      changes,
      log: more.log ?? log,
      lease: lease("following"),
      ...(more.applied ? { applied: more.applied } : {}),
      ...(more.answered ? { answered: more.answered } : {}),
      finalityDepth,
      pollMs: 100,
    });
    const reach = createReach({ sql: heartbeat, chain, follower });
    const limit: Capacity = { bytes: 120_000, gas: 16_000_000n, ...more.limit };
    const sealer: Sealer = createSealer({
      sql: own,
      changes,
      log,
      lease: lease("sealing"),
      lotSize: more.lotSize ?? 500,
      lotAgeMs: more.lotAgeMs ?? 50,
      limit,
    });
    const dispatcher: Dispatcher = createDispatcher({
      sql: own,
      contracts: spoken,
      keys: ownKeys,
      lanes,
      changes,
      log,
      lease: lease("dispatching"),
      evidence: createEvidence(),
      limit,
      pollMs: 100,
    });
    const taxpayers = createTaxpayers({ vault: ownVault });
    const directory = createDirectory({ sql: own, taxpayers });
    const names = createNames({ keys: ownKeys, contracts, chain, taxpayers, directory });
    const registration = createRegistration({ keys: ownKeys, taxpayers, names });
    const quotas = createQuotas({ vault: ownVault, drawStep: 10_000_000n });
    const accounts = createAccounts({ keys: ownKeys, contracts, maxShown: 1_000 });
    const documents = createDocuments({
      vault: ownVault,
      keys: createEncryptionKeys({ vault: ownVault }),
      deployment,
    });
    const invoices = createInvoices({ vault: ownVault, documents, taxpayers });
    // as in a sandbox: the tests' invoices have fixed dates
    const bounds = { aheadMinutes: 10, backDays: 3_650 };
    const redLetters = createRedLetters({ vault: ownVault, taxpayers, quotas, invoices, bounds });
    const issuing = createIssuing({
      sql: own,
      accounts,
      documents,
      taxpayers,
      quotas,
      invoices,
      redLetters,
      changes,
      bounds,
      buyers: undefined,
    });
    const redLetterJob = createRedLetterJob({
      sql: own,
      redLetters,
      issuing,
      changes,
      log: more.log ?? log,
    });
    const parts = { reach, leases, lanes, follower, sealer, dispatcher };
    const running = new Set<PartName>();
    let ended = false;

    const gateway = {
      sql: own,
      keys: ownKeys,
      relay,
      changes,
      taxpayers,
      registration,
      issuing,
      redLetters,
      redLetterJob,
      follower,
      lanes,
      leases,
      operations: createOperations({ contracts: spoken }),
      /** Starts the named parts, or all of them. */
      start(...names: PartName[]) {
        for (const part of names.length > 0 ? names : (Object.keys(parts) as PartName[])) {
          if (!running.has(part)) void parts[part].start();
          running.add(part);
        }
        return gateway;
      },
      async stop(...names: PartName[]) {
        // leases start first and stop last: running work finishes before the hand-over
        for (const part of names.length > 0
          ? names
          : [...running].sort((a, b) => Number(a === "leases") - Number(b === "leases"))) {
          if (running.delete(part)) await parts[part].stop();
        }
      },
      /**
       * Ends like a killed process: from one moment on none of its connections sends anything more.
       */
      async crash() {
        ended = true;
        const closing = Promise.allSettled([
          own.end({ timeout: 0 }),
          heartbeat.end({ timeout: 0 }),
          changes.close(),
        ]);
        const cut = () =>
          sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = ${mark}`;
        await until("its connections are cut", async () => (await cut()).length === 0);
        proxy.release();
        chain.close();
        await Promise.all([closing, gateway.stop()]);
      },
      async end() {
        await gateway.stop();
        if (ended) return;
        ended = true;
        chain.close();
        await changes.close();
        await heartbeat.end({ timeout: 1 });
        await own.end({ timeout: 1 });
      },
    };
    open.push(gateway);
    return gateway;
  }

  const bench = {
    proxy,
    sql,
    vault,
    keys,
    node,
    bureau,
    deployment,
    documents,
    contracts,
    rpcUrl,
    databaseUrl,
    masterKey,
    process: start,
    async close() {
      proxy.rule = undefined;
      for (const gateway of open) await gateway.end();
      node.close();
      await proxy.close();
      await database.close();
    },

    /** Writes operations, all in one SQL transaction. */
    queue: (...operations: NewOperation[]): Promise<string[]> =>
      sql.begin(async (tx) => {
        const ids: string[] = [];
        for (const operation of operations) ids.push(await enqueue(tx, operation));
        return ids;
      }),

    /** The operation after its end. */
    ended: (id: string): Promise<Operation> =>
      until(`operation ${id} comes to its end`, async () => {
        const operation = await find(sql, id);
        return operation && ["done", "refused", "failed"].includes(operation.status)
          ? operation
          : undefined;
      }),

    operation: async (id: string): Promise<Operation> => (await find(sql, id)) as Operation,

    /** Throws unless the operation succeeds. */
    async done(...ids: string[]): Promise<Operation[]> {
      const all: Operation[] = [];
      for (const id of ids) {
        const operation = await bench.ended(id);
        if (operation.status !== "done")
          throw new Error(
            `${operation.kind} is ${operation.status}: ${JSON.stringify(operation.problem)}`,
          );
        all.push(operation);
      }
      return all;
    },

    /** The contracts' events on the chain, from the deployment on. */
    async events(): Promise<ChainEvent[]> {
      const logs = await node.logs(contracts.addresses, deployment.block, await node.head());
      return logs.map((log) => contracts.event(log)).filter((event) => event !== undefined);
    },

    /** Sends a call from an unknown address, without the gateway, and waits for its receipt. */
    async stranger(
      to: string,
      data: string,
      gas = 3_000_000n,
    ): Promise<{ hash: string; ok: boolean; block: number }> {
      const { address, raw, hash } = await foreignTransaction(to, data, gas);
      await node.broadcast(raw);
      const receipt = await until(
        `a receipt for ${address}`,
        async () => (await node.receipts([hash]))[0],
      );
      return { hash, ...receipt };
    },
  };
  return bench;
}

async function foreignTransaction(to: string, data: string, gasLimit: bigint) {
  const wallet = Wallet.createRandom();
  const raw = await wallet.signTransaction({
    type: 0,
    chainId: SANDBOX_CHAIN_ID,
    nonce: 0,
    gasPrice: 0n,
    gasLimit,
    to,
    data,
  });
  return { address: wallet.address, raw, hash: Transaction.from(raw).hash as string };
}

// ── parties ──────────────────────────────────────────────────────────────────────────────────────

export type Party = Taxpayer & { wallet: Wallet; caller: Caller };

/** The bureau in the features' form. */
const bureauOf = (bench: Bench): Caller => ({
  keyId: "bureau",
  account: bench.bureau,
  roles: ["bureau"],
});

/** A call of the registry or the ledger by the bureau. */
export const byBureau = (
  bench: Bench,
  name: string,
  ...args: (string | number | boolean)[]
): NewOperation => ({
  kind: name,
  party: bench.bureau,
  command: {
    type: "call",
    contract: name === "setClosed" ? "ledger" : "registry",
    function: name,
    args,
  },
});

/**
 * An enrolled taxpayer whose key the test knows. The gateway keeps the key too, unless it is `own`.
 * An issuer has quota, all of it drawn, and a segment.
 */
export async function enrolled(
  bench: Bench,
  via: Process,
  capabilities: ("issuer" | "employer")[],
  more: { own?: boolean; segment?: bigint } = {},
): Promise<Party> {
  const wallet = new Wallet(`0x${randomBytes(32).toString("hex")}`);
  const bureau = bureauOf(bench);
  const taxId = freshTaxId();
  const named = {
    name: `Party ${taxId}`,
    taxId,
    capabilities,
    currency: "CNY",
    key: { custody: "own" as const, address: wallet.address },
  };
  const { operation } = await bench.sql.begin((tx) => via.registration.enrol(tx, bureau, named));
  await bench.done(operation);
  // enrolled with its own key, because the gateway accepts no custodial key from outside; from here
  // on the key is custodial
  if (!more.own) await bench.keys.take(bench.sql, wallet.privateKey);
  const taxpayer = (await via.taxpayers.byTaxId(bench.sql, taxId)) as Taxpayer;
  if (capabilities.includes("issuer")) {
    const period = periodOf(new Date());
    const granted = String(10n ** 12n);
    const series = seriesOf(new Date(), taxpayer.region);
    await bench.done(
      ...(await bench.queue(
        byBureau(bench, "setQuota", taxpayer.index, period, granted),
        byBureau(bench, "allotSegment", taxpayer.index, series, String(more.segment ?? 10_000n)),
      )),
    );
    const [draw] = (await bench.queue({
      kind: "draw",
      party: taxpayer.account,
      command: {
        type: "registry",
        message: "Draw",
        index: taxpayer.index,
        period,
        amount: granted,
      },
      signers: [taxpayer.account],
    })) as [string];
    if (!more.own) await bench.done(draw);
  }
  return {
    ...taxpayer,
    wallet,
    caller: { keyId: taxId, account: taxpayer.account, roles: [...capabilities, "holder"] },
  };
}

/** A person whose key the gateway keeps, or not. */
export async function holder(bench: Bench, more: { own?: boolean } = {}): Promise<Wallet> {
  const wallet = new Wallet(`0x${randomBytes(32).toString("hex")}`);
  if (!more.own) await bench.keys.take(bench.sql, wallet.privateKey);
  await bench.sql`insert into parties (account, kind, sealed, created_by) values (${wallet.address}, 'person', ${Buffer.alloc(1)}, 'test')`;
  return wallet;
}

/**
 * Accepts one invoice of 200.00, untitled or titled, in the caller's transaction. Returns its
 * number.
 */
export async function acceptedIn(
  tx: Tx,
  via: Process,
  seller: Party,
  to: { holder?: string; buyer?: Party },
): Promise<string> {
  const buyer = to.buyer ? { taxId: to.buyer.taxId, name: to.buyer.name } : { name: "个人" };
  const read = readInvoice(
    "application/json",
    Buffer.from(JSON.stringify(invoiceOf(seller, buyer, { sourceId: randomUUID() }))),
  );
  const [result] = await via.issuing.accept(tx, [
    { caller: seller.caller, read, holder: to.holder },
  ]);
  if (result === undefined || result instanceof Problem || !("number" in result))
    throw result ?? new Error("there is no result");
  return result.number;
}

/** Accepts so many invoices; they are not sealed yet. */
export async function accepted(
  bench: Bench,
  via: Process,
  seller: Party,
  to: { holder?: string; buyer?: Party },
  count = 1,
): Promise<string[]> {
  const numbers: string[] = [];
  for (let i = 0; i < count; i++)
    numbers.push(await bench.sql.begin((tx) => acceptedIn(tx, via, seller, to)));
  return numbers;
}

/** The same, sealed and read by the follower. */
export async function sealed(
  bench: Bench,
  via: Process,
  seller: Party,
  to: { holder?: string; buyer?: Party },
  count = 1,
): Promise<string[]> {
  const numbers = await accepted(bench, via, seller, to, count);
  await known(bench, numbers);
  return numbers;
}

/** Resolves when the follower has seen these invoices sealed. */
export const known = (bench: Bench, numbers: string[]): Promise<true> =>
  until("the invoices are sealed", async () => {
    const rows =
      await bench.sql`select 1 from invoice_states where number = any(${numbers}::numeric[])`;
    return rows.length === numbers.length ? true : undefined;
  });

/** The number of a red letter, after this process has completed its act. */
export const redLetterOf = (bench: Bench, via: Process, id: string): Promise<string> =>
  until("the red letter is issued", async () => {
    await via.redLetterJob.run(new AbortController().signal);
    return (await via.redLetters.find(bench.sql, id))?.number ?? undefined;
  });

// ── acts ─────────────────────────────────────────────────────────────────────────────────────────

type Account = { account: string; index: number };

let refs = 0;
/** A reference that no other claim has. */
const freshRef = () => `0x${(++refs).toString(16).padStart(64, "0")}`;

export const claimBy = (
  who: { address: string },
  employer: Party,
  ...invoices: string[]
): NewOperation => ({
  kind: "claim",
  party: who.address,
  command: { type: "act", kind: "Claim", taxpayer: employer.index, ref: freshRef(), invoices },
  signers: [who.address],
});
export const decisionBy = (
  kind: "Reimburse" | "Reject",
  employer: Account,
  ...invoices: string[]
): NewOperation => ({
  kind: kind.toLowerCase(),
  party: employer.account,
  command: { type: "act", kind, taxpayer: employer.index, ref: ZERO_REF, invoices },
  signers: [employer.account],
});
/**
 * A red letter that was not opened here takes off a part of an invoice; `consent`: the employer
 * agrees.
 */
export const adjustBy = (issuer: Account, number: string, consent?: Account): NewOperation => ({
  kind: "adjust",
  party: issuer.account,
  command: {
    type: "act",
    kind: "Adjust",
    taxpayer: issuer.index,
    ref: freshRef(),
    invoices: [number],
  },
  signers: [issuer.account, ...(consent ? [consent.account] : [])],
});
export const entryBy = (
  employer: Account,
  mark: EntryMark,
  ...invoices: string[]
): NewOperation => ({
  kind: "enter",
  party: employer.account,
  command: { type: "act", kind: "Enter", taxpayer: employer.index, ref: refOf(mark), invoices },
  signers: [employer.account],
});
export const admissionBy = (
  employer: Account,
  who: string,
  ...invoices: string[]
): NewOperation => ({
  kind: "admit",
  party: employer.account,
  command: {
    type: "act",
    kind: "Admit",
    taxpayer: employer.index,
    to: who,
    ref: freshRef(),
    invoices,
  },
  signers: [employer.account],
});
/** A random id of an invoice issued elsewhere. */
export const freshExternalId = (): string =>
  (EXTERNAL | (BigInt(`0x${randomBytes(32).toString("hex")}`) >> 1n)).toString();
export const transferTo = (
  from: { address: string },
  to: { address: string },
  ...invoices: string[]
): NewOperation => ({
  kind: "transfer",
  party: from.address,
  command: { type: "act", kind: "Transfer", to: to.address, ref: ZERO_REF, invoices },
  signers: [from.address, to.address],
});
