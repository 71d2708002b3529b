/**
 * The composition root: creates and connects every part of a gateway. Parts stop in the reverse of
 * the order in which they start.
 */
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { createDispatcher } from "./acts/dispatcher.ts";
import { createEvidence } from "./acts/evidence.ts";
import { outcomes, sendFailed } from "./acts/outcomes.ts";
import { BUREAU_LANE, RELAY_LANE } from "./acts/sending.ts";
import { accessRoutes } from "./api/access.ts";
import { accountRoutes } from "./api/accounts.ts";
import { auditRoutes } from "./api/audit.ts";
import { bundleRoutes } from "./api/bundles.ts";
import { claimRoutes } from "./api/claims.ts";
import { directoryRoutes } from "./api/directory.ts";
import { documentRoutes } from "./api/documents.ts";
import { entryRoutes } from "./api/entries.ts";
import { eventRoutes } from "./api/events.ts";
import { externalRoutes } from "./api/external.ts";
import { externalCreditRoutes } from "./api/external-credits.ts";
import { externalFindingRoutes } from "./api/external-findings.ts";
import { grantRoutes } from "./api/grants.ts";
import { importRoutes } from "./api/imports.ts";
import { invoiceRoutes } from "./api/invoices.ts";
import { issuingRoutes } from "./api/issuing.ts";
import { ledgerRoutes } from "./api/ledger.ts";
import { nameRoutes } from "./api/names.ts";
import { operationRoutes } from "./api/operations.ts";
import { paperRoutes } from "./api/papers.ts";
import { personRoutes } from "./api/persons.ts";
import { pickupRoutes } from "./api/pickups.ts";
import { redLetterRoutes } from "./api/red-letters.ts";
import { sessionRoutes } from "./api/sessions.ts";
import { statsRoutes } from "./api/stats.ts";
import { taxpayerRoutes } from "./api/taxpayers.ts";
import { transferRoutes } from "./api/transfers.ts";
import { verificationRoutes } from "./api/verification.ts";
import { webhookRoutes } from "./api/webhooks.ts";
import type { Deployment } from "./chain/deploy.ts";
import { createCore, openNetwork } from "./core/core.ts";
import { hasOwnClock, migrate, openChanges, openDb, type Tx } from "./db/db.ts";
import { createLeases } from "./db/leases.ts";
import type { RowOf } from "./db/tables.ts";
import { createLedger } from "./features/bureau/ledger.ts";
import { ledgerProjection } from "./features/bureau/ledger-projection.ts";
import { createStats } from "./features/bureau/stats.ts";
import { statsProjection } from "./features/bureau/stats-projection.ts";
import { createGrants } from "./features/invoices/grants.ts";
import { createInvoiceLists } from "./features/invoices/invoice-lists.ts";
import { createInvoices } from "./features/invoices/invoices.ts";
import { invoiceProjection } from "./features/invoices/invoices-projection.ts";
import { createIssuing } from "./features/invoices/issuing.ts";
import { createRedLetters } from "./features/invoices/red-letters.ts";
import { redLetterProjection } from "./features/invoices/red-letters-projection.ts";
import { createDeliverer } from "./features/out/deliverer.ts";
import { createEvents, typesOf } from "./features/out/events.ts";
import { createOperations } from "./features/out/operations.ts";
import { createOutbound, readNetworks, WEBHOOK_TIMEOUT_MS } from "./features/out/outbound.ts";
import { createWebhooks } from "./features/out/webhooks.ts";
import { createAccess } from "./features/parties/access.ts";
import { createAccounts } from "./features/parties/accounts.ts";
import { callers } from "./features/parties/api-keys.ts";
import { createSessions } from "./features/parties/browser-sessions.ts";
import { createBureauGateway } from "./features/parties/bureau-gateway.ts";
import { createAskingBuyers, createBuyers } from "./features/parties/buyers.ts";
import { createDirectory } from "./features/parties/directory.ts";
import { createNames } from "./features/parties/names.ts";
import { createPersons } from "./features/parties/persons.ts";
import { createProvider, providerSettings } from "./features/parties/provider.ts";
import { createRegistration } from "./features/parties/registration.ts";
import { createSignIn } from "./features/parties/sessions.ts";
import { taxpayerProjection } from "./features/parties/taxpayers-projection.ts";
import { createBundles } from "./features/proof/bundles.ts";
import { createChecks } from "./features/proof/checker.ts";
import { createImports } from "./features/proof/imports.ts";
import { createPapers } from "./features/proof/papers.ts";
import { createVerification } from "./features/proof/verification.ts";
import { createClaims, hasClaimedFrom } from "./features/use/claims.ts";
import { claimProjection } from "./features/use/claims-projection.ts";
import { createEntries } from "./features/use/entries.ts";
import { entryProjection } from "./features/use/entries-projection.ts";
import { createExternal } from "./features/use/external.ts";
import { createCredits } from "./features/use/external-credits.ts";
import { createPickups } from "./features/use/pickups.ts";
import { createTransfers } from "./features/use/transfers.ts";
import { transferProjection } from "./features/use/transfers-projection.ts";
import { createFollower, type Follower, type Projection } from "./feed/follower.ts";
import { createReach } from "./feed/reach.ts";
import { createTail } from "./feed/tail.ts";
import { createApp } from "./http/app.ts";
import { isOwnHost } from "./http/own-host.ts";
import { listen } from "./http/server.ts";
import { openSite } from "./http/site.ts";
import type { Route } from "./kernel/api.ts";
import { type Config, LEAST_TX } from "./kernel/config.ts";
import { createLog } from "./kernel/log.ts";
import { createMetrics } from "./kernel/metrics.ts";
import { attemptMirror } from "./mirror/attempts.ts";
import { ledgerMirror } from "./mirror/ledger.ts";
import { registryMirror } from "./mirror/registry.ts";
import { createSealer } from "./sealing/sealer.ts";
import { createLanes, openLane } from "./txs/lanes.ts";
import { createDepositing } from "./upkeep/depositing.ts";
import { createExpiry } from "./upkeep/expiry.ts";
import { createGauges, createTally } from "./upkeep/gauges.ts";
import { createWatch } from "./upkeep/health.ts";
import { createReckoner } from "./upkeep/reckoning.ts";
import { createRedLetterJob } from "./upkeep/red-letters.ts";
import { createUpkeep } from "./upkeep/upkeep.ts";

/**
 * The order matters: the projections of claims, transfers and statistics read what the ledger's
 * mirror then changes; that of invoices reads what it has written; statistics and invoices read
 * which refusals are attempts.
 */
export const projections: readonly Projection[] = [
  registryMirror,
  taxpayerProjection,
  attemptMirror,
  claimProjection,
  transferProjection,
  statsProjection,
  redLetterProjection,
  ledgerMirror,
  invoiceProjection,
  entryProjection,
  ledgerProjection,
  outcomes,
];

export type Gateway = { url: string; follower: Follower; stop(): Promise<void> };

const { version } = JSON.parse(
  readFileSync(new URL("../package.json", import.meta.url), "utf8"),
) as { version: string };

/** A deployment for a sandbox is deleted with it: its bureau and its keys belong to nobody. */
export const isSandbox = ({ network }: Deployment): boolean =>
  network.startsWith("onepiao-sandbox");

export function readDeployment(path: string): Deployment {
  return JSON.parse(readFileSync(path, "utf8")) as Deployment;
}

export type GatewayOptions = {
  /**
   * `accepting`: takes and stores requests, with no traffic to or from the chain (the benchmark's
   * baseline).
   */
  parts?: "all" | "accepting";
  /**
   * The sandbox's own routes; with them the session cookie travels over plain http. Refused on a
   * real network's deployment.
   */
  sandboxRoutes?: readonly Route<Tx>[];
};

/** How long running answers may take when the process stops. */
const DRAIN_MS = 5_000;

/**
 * Starts a gateway; resolves when it takes requests. If a part cannot start, stops the others again
 * and throws.
 */
export async function startGateway(
  config: Config,
  deployment: Deployment,
  { parts = "all", sandboxRoutes }: GatewayOptions = {},
): Promise<Gateway> {
  if (sandboxRoutes && !isSandbox(deployment))
    throw new Error("The deployment is a real network's: the sandbox's functions must stay off");
  const log = createLog(config.LOG_LEVEL);
  const undo: (() => Promise<void> | void)[] = [];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const sql = openDb(config.DATABASE_URL, { connections: 20 });
    undo.push(() => sql.end({ timeout: 5 }));
    if (!isSandbox(deployment) && (await hasOwnClock(sql)))
      throw new Error(
        "The database has a clock of its own, as a sandbox's may: it is not a real network's",
      );
    await migrate(sql);
    const network = openNetwork(config, deployment);
    undo.push(() => network.chain.close());
    const { vault, keys, taxpayers, quotas, contracts, documents, audit, findings, near, chain } =
      await createCore({
        sql,
        config,
        network,
        log,
      });
    const changes = await openChanges(sql);
    undo.push(() => changes.close());
    if ((await chain.chainId()) !== deployment.chainId)
      throw new Error(
        `The node at RPC_URL is not of chain ${deployment.chainId}, for which the deployment is`,
      );
    const genesis = await chain.block(0);
    if (genesis?.hash !== deployment.genesis)
      throw new Error(
        `The node at RPC_URL is of another chain ${deployment.chainId}: its first block is ` +
          `${genesis?.hash}, the deployment is on ${deployment.genesis}`,
      );
    const blockGas = await chain.blockGas();
    if (config.MAX_TX_GAS > blockGas)
      throw new Error(
        `MAX_TX_GAS is ${config.MAX_TX_GAS}, and a block of this chain has ${blockGas} gas: ` +
          `no node would take such a transaction. Set it to ${blockGas} or less (the least is ` +
          `${LEAST_TX.gas}), or raise the chain's limit`,
      );
    const limit = { bytes: config.MAX_TX_BYTES, gas: config.MAX_TX_GAS };
    const metrics = createMetrics(version);
    const answered = (word: string) => metrics.count("onepiao_node_faults_total", { word });

    // separate connections: a heartbeat does not wait behind requests
    const leaseSql = openDb(config.DATABASE_URL, { connections: 3 });
    undo.push(() => leaseSql.end({ timeout: 1 }));
    const leases = createLeases({
      sql: leaseSql,
      changes,
      log,
      ttlMs: config.LEASE_MS,
      reach: () => reach.block(),
    });

    const [bureau] = await sql<
      RowOf<"lane_now", "name" | "address">[]
    >`select name, address from lane_now where name = ${BUREAU_LANE}`;
    const lanes = createLanes({
      sql,
      chain,
      keys,
      changes,
      log,
      lanes: [await openLane({ sql, chain, keys }, RELAY_LANE), ...(bureau ? [bureau] : [])],
      chainId: deployment.chainId,
      finalityDepth: config.FINALITY_DEPTH,
      window: config.LANE_WINDOW,
      pollMs: config.POLL_MS,
      lease: (name) => leases.lease(`lane:${name}`),
      failed: sendFailed,
      answered,
    });
    const follower = createFollower({
      sql,
      chain,
      contracts,
      projections,
      changes,
      log,
      lease: leases.lease("following"),
      finalityDepth: config.FINALITY_DEPTH,
      pollMs: config.POLL_MS,
      applied: createTally({ sql, metrics }),
      answered,
    });
    const reach = createReach({ sql: leaseSql, chain, follower });
    const sealer = createSealer({
      sql,
      changes,
      log,
      lease: leases.lease("sealing"),
      lotSize: config.LOT_SIZE,
      lotAgeMs: config.LOT_AGE_MS,
      limit,
    });
    const evidence = createEvidence();
    const dispatcher = createDispatcher({
      sql,
      contracts,
      keys,
      lanes,
      changes,
      log,
      lease: leases.lease("dispatching"),
      evidence,
      limit,
      pollMs: config.POLL_MS,
    });

    const tail = createTail({ sql, changes, log });
    undo.push(() => tail.stop());
    const outbound = createOutbound({
      allowed: readNetworks(config.WEBHOOK_ALLOWED_NETWORKS),
      timeoutMs: WEBHOOK_TIMEOUT_MS,
    });
    undo.push(() => outbound.close());
    const schedule = config.WEBHOOK_RETRY_SECONDS.split(",").map(
      (seconds) => Number(seconds) * 1_000,
    );
    const deliverer = createDeliverer({ sql, vault, changes, log, outbound, typesOf, schedule });

    const sessions = createSessions({ secure: sandboxRoutes === undefined });
    const accounts = createAccounts({ keys, contracts, maxShown: config.MAX_ACCOUNTS });
    const persons = createPersons({
      vault,
      keys,
      accounts,
      maxPersons: config.MAX_PERSONS,
      hasClaimedFrom,
    });
    const directory = createDirectory({ sql, taxpayers });
    const { DIRECTORY_URL: bureauUrl, DIRECTORY_TOKEN: bureauToken } = config;
    const bureauGateway =
      bureauUrl && bureauToken
        ? createBureauGateway({ url: bureauUrl, token: bureauToken })
        : undefined;
    const lookup = bureauGateway ?? directory;
    const names = createNames({ keys, contracts, chain, taxpayers, directory: lookup });
    const registration = createRegistration({ keys, taxpayers, names });
    const enrolling = {
      sql,
      changes,
      taxpayers,
      perDay: config.BUYERS_PER_DAY,
      patienceMs: config.BUYER_WAIT_SECONDS * 1_000,
    };
    const ownBuyers =
      bureau &&
      createBuyers({
        ...enrolling,
        directory,
        registration,
        bureau: bureau.address,
        unlisted: config.UNLISTED_BUYERS,
      });
    const buyers =
      ownBuyers ??
      (bureauGateway && createAskingBuyers({ ...enrolling, gateway: bureauGateway, names }));
    const invoices = createInvoices({ vault, documents, taxpayers });
    const grants = createGrants({ invoices, persons, taxpayers });
    const bounds = { aheadMinutes: config.ISSUE_AHEAD_MINUTES, backDays: config.ISSUE_BACK_DAYS };
    const redLetters = createRedLetters({ vault, taxpayers, quotas, invoices, bounds });
    const issuing = createIssuing({
      sql,
      accounts,
      documents,
      taxpayers,
      quotas,
      invoices,
      redLetters,
      changes,
      bounds,
      buyers,
    });

    const checks = createChecks();
    undo.push(() => checks.close());
    const webhooks = createWebhooks({ vault, outbound });
    const bundles = createBundles({ contracts, evidence, taxpayers, documents });
    const pickups = createPickups({ invoices, taxpayers, keys });
    const credits = createCredits({ vault, taxpayers, invoices, bounds });
    const claims = createClaims({ vault, taxpayers, invoices, near, credits });
    const external = createExternal({
      sql,
      vault,
      taxpayers,
      invoices,
      claims,
      findings,
      near,
      credits,
      bounds,
    });
    // the address is known when it listens, and nobody asks before
    let listening = "";
    const publicUrl = () => config.PUBLIC_URL ?? listening;
    const papers = createPapers({ invoices, pickups, bundles, external, contracts, publicUrl });
    const settings = providerSettings(config);
    const provider = settings && createProvider({ settings, vault, publicUrl, log });

    const blocked = () =>
      lanes
        .state()
        .flatMap(({ name, blocked: why }) => (why ? [{ lane: name, why: why.reason }] : []));
    const watch = createWatch({
      sql,
      chain,
      follower,
      blocked,
      finalityDepth: config.FINALITY_DEPTH,
      maxHeadAgeSeconds: config.MAX_HEAD_AGE,
    });
    const routes = [
      ...taxpayerRoutes({
        taxpayers,
        registration,
        quotas,
        accounts,
      }),
      ...directoryRoutes({ directory, lookup, buyers: ownBuyers, taxpayers }),
      ...nameRoutes(names),
      ...personRoutes(persons),
      ...accountRoutes(accounts),
      ...accessRoutes(
        createAccess({
          vault,
          provider: provider !== undefined,
          maxKeys: config.MAX_API_KEYS,
          onLeave: async (tx, account, manager) => {
            await grants.withdrawBetween(tx, account, manager);
            await webhooks.removeAll(tx, account);
          },
        }),
      ),
      ...issuingRoutes(issuing, invoices, redLetters),
      ...invoiceRoutes({
        invoices,
        invoiceLists: createInvoiceLists({ taxpayers, invoices }),
        documents,
        grants,
        papers,
        redLetters,
      }),
      ...documentRoutes(documents, grants),
      ...grantRoutes(grants),
      ...auditRoutes(audit),
      ...importRoutes(createImports({ contracts, chain, documents, invoices, taxpayers, names })),
      ...bundleRoutes(bundles, grants),
      ...paperRoutes({ papers, invoices, claims, external, grants }),
      ...redLetterRoutes({ redLetters, issuing, invoices, grants, taxpayers }),
      ...transferRoutes(createTransfers({ invoices, persons }), grants),
      ...pickupRoutes(pickups, papers),
      ...claimRoutes({ claims, taxpayers, invoices, external, grants }),
      ...externalRoutes({ external, credits, taxpayers }),
      ...externalCreditRoutes({ credits, taxpayers }),
      ...externalFindingRoutes({ findings, taxpayers }),
      ...entryRoutes(createEntries({ vault, taxpayers, invoices })),
      ...ledgerRoutes(createLedger({ contracts })),
      ...operationRoutes(createOperations({ contracts })),
      ...sessionRoutes(createSignIn({ vault, sessions, provider })),
      ...eventRoutes(
        createEvents({ sql, tail, sessions, heartbeatMs: config.STREAM_HEARTBEAT_MS }),
      ),
      ...statsRoutes(
        createStats({
          vault,
          taxpayers,
          quotas,
          chain,
          head: watch.head,
          finalityDepth: config.FINALITY_DEPTH,
        }),
      ),
      ...verificationRoutes(
        createVerification({
          sql,
          checks,
          documents,
          contracts,
          chain,
          finalityDepth: config.FINALITY_DEPTH,
        }),
        checks,
      ),
      ...webhookRoutes(webhooks),
      ...(sandboxRoutes ?? []),
    ];

    createGauges({
      sql,
      metrics,
      watch,
      finalityDepth: config.FINALITY_DEPTH,
      leases: () => leases.state(),
      blocked,
    });
    const reckoner = createReckoner({ sql, config, deployment, log });
    undo.push(() => reckoner.close());
    const { DEPOSIT_URL: depositUrl, DEPOSIT_TOKEN: depositToken, DEPOSIT_KID: kid } = config;
    const depositing =
      depositUrl && depositToken
        ? [createDepositing({ sql, audit, log, to: { url: depositUrl, token: depositToken, kid } })]
        : [];
    const jobs = [
      createExpiry({ sql, metrics, days: config.IDEMPOTENCY_DAYS }),
      ...reckoner.jobs,
      createRedLetterJob({ sql, redLetters, issuing, changes, log }),
      ...(ownBuyers ? [{ name: "buyers", everyMs: 1_000, run: ownBuyers.suspendNew }] : []),
      ...depositing,
    ];
    const upkeep = createUpkeep({ jobs, held: leases.lease("upkeep").held, log, metrics });
    const stopping = new AbortController();
    const site = openSite(new URL("../dist/console/", import.meta.url));
    if (site === undefined)
      log.warn("the console is not built (npm run console:build): there is the API alone");
    const app = createApp({
      sql,
      vault,
      changes,
      log,
      routes,
      callers,
      config,
      readiness: watch.health,
      measured: { metrics, token: config.METRICS_TOKEN },
      version,
      stopping: stopping.signal,
      sessions,
      // a sandbox gives its keys to everyone who reaches it: no other site's page may do so
      ...(sandboxRoutes ? { hostIsServed: isOwnHost } : {}),
      ...(site ? { site } : {}),
    });

    for (const part of parts === "all"
      ? [reach, leases, follower, lanes, dispatcher, sealer, deliverer, upkeep]
      : []) {
      await part.start();
      undo.push(() => part.stop());
    }
    const server = await listen(app, { host: config.HOST, port: config.PORT });
    listening = server.url;
    if (config.PUBLIC_URL === undefined)
      log.warn(
        { url: listening },
        "PUBLIC_URL is not set: links in QR codes lead to where this process listens",
      );
    undo.push(async () => {
      stopping.abort();
      // a load balancer sees /readyz fail before connections are refused
      await delay(config.STOP_DELAY_SECONDS * 1_000);
      await server.close(DRAIN_MS);
    });
    log.info(
      { url: server.url, chain: deployment.chainId, network: deployment.network },
      "the gateway takes requests",
    );
    return { url: server.url, follower, stop };
  } catch (cause) {
    await stop();
    throw cause;
  }
}
