/**
 * Lists and polls for work read about as many rows as they return, independent of the amount of
 * stored data: checked among 200,000 invoices, on the database server's plans for the product's own
 * statements.
 */
import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { expect } from "chai";
import { type Sandbox, startSandbox } from "../../sandbox/sandbox.ts";
import { createDispatcher } from "../../server/acts/dispatcher.ts";
import { createEvidence } from "../../server/acts/evidence.ts";
import { sendFailed } from "../../server/acts/outcomes.ts";
import { RELAY_LANE } from "../../server/acts/sending.ts";
import { createChainClient } from "../../server/chain/client.ts";
import { createContracts } from "../../server/chain/contracts.ts";
import { type Changes, openChanges, openDb, type Sql } from "../../server/db/db.ts";
import { always } from "../../server/db/leases.ts";
import { LOOK } from "../../server/db/lists.ts";
import { createAudit } from "../../server/features/bureau/audit.ts";
import { createAuditing } from "../../server/features/bureau/auditing.ts";
import { createCounting } from "../../server/features/bureau/counting.ts";
import { createDocuments } from "../../server/features/invoices/documents.ts";
import { createInvoices } from "../../server/features/invoices/invoices.ts";
import { createIssuing } from "../../server/features/invoices/issuing.ts";
import { createRedLetters } from "../../server/features/invoices/red-letters.ts";
import { createAccounts } from "../../server/features/parties/accounts.ts";
import { createEncryptionKeys } from "../../server/features/parties/encryption.ts";
import { createQuotas } from "../../server/features/parties/quotas.ts";
import { createTaxpayers } from "../../server/features/parties/taxpayers.ts";
import { createFindings } from "../../server/features/use/external-findings.ts";
import { createNear } from "../../server/features/use/near.ts";
import { type Gateway, startGateway } from "../../server/gateway.ts";
import { createLog } from "../../server/kernel/log.ts";
import type { Job } from "../../server/kernel/loop.ts";
import { createMetrics } from "../../server/kernel/metrics.ts";
import { createKeystore } from "../../server/keys/keystore.ts";
import { openVault, type Vault } from "../../server/keys/vault.ts";
import { createSealer } from "../../server/sealing/sealer.ts";
import { createLanes } from "../../server/txs/lanes.ts";
import { createExpiry } from "../../server/upkeep/expiry.ts";
import { createReconcile } from "../../server/upkeep/reconcile.ts";
import { createRedLetterJob } from "../../server/upkeep/red-letters.ts";
import { callAt, freshTaxId, invoiceOf, type Loose, must, type Reply } from "./network.ts";
import { EXTERNAL_CLAIM, fillWithMany, WAITING } from "./support/many.ts";
import { type Done, during, unwatchPlans, watchPlans } from "./support/plans.ts";

/** Rows that may be read for each row shown. */
const READ_FOR_ONE = 20;
/** A table of so many rows must not be read whole. */
const BIG = 1_000;

describe("lists among many", () => {
  let place: Sandbox;
  let sql: Sql;
  let vault: Vault;
  let gateway: Gateway;
  const closing: (() => Promise<void> | void)[] = [];
  let big: ReadonlySet<string>;
  let keys: Record<
    "bureau" | "issuer" | "employer" | "holder" | "reader",
    { token: string; account: string; taxId: string; index: number }
  >;

  const ask = (token: string, path: string): Promise<Reply> =>
    callAt(gateway.url, "GET", path, undefined, { token });

  before(async () => {
    place = await startSandbox({ blockMs: 50, settings: { METRICS_TOKEN: "metrics-of-the-test" } });
    const { url, bureau } = place;
    const post = (path: string, body: unknown, token = bureau.token): Promise<Loose> =>
      must(callAt(url, "POST", path, body, { token }));
    const enrolled = async (name: string, capability: "issuer" | "employer") => {
      const made = await post("/v1/taxpayers", {
        name,
        taxId: freshTaxId(),
        capabilities: [capability],
      });
      const { token } = await post("/v1/api-keys", {
        account: made.account,
        roles: [capability, "holder", "admin"],
      });
      return { ...made, token } as { token: string; account: string; taxId: string; index: number };
    };
    const [issuer, employer] = [
      await enrolled("茶餐厅", "issuer"),
      await enrolled("精密制造", "employer"),
    ];
    const person = async (name: string) => {
      const { account } = await post("/v1/persons", { name }, employer.token);
      const { token } = await post("/v1/api-keys", { account, roles: ["holder"] }, employer.token);
      return { token, account, taxId: "", index: 0 };
    };
    const [holder, reader] = [await person("李晓明"), await person("王芳")];
    await post(`/v1/taxpayers/${issuer.taxId}/segments`, { length: 1_000 });
    keys = { bureau: { ...bureau, taxId: "", index: 0 }, issuer, employer, holder, reader };
    await place.gateway.stop();

    sql = openDb(place.databaseUrl, { connections: 4 });
    vault = await openVault(sql, place.config.MASTER_KEY);
    await fillWithMany(sql, vault, createContracts(place.deployment), {
      issuer,
      employer,
      holder,
      reader,
      bureau: keys.bureau,
    });
    const rows = await sql<
      { name: string }[]
    >`select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace and reltuples > ${BIG}`;
    big = new Set(rows.map((row) => row.name));
    expect([...big]).include.members([
      "invoices",
      "invoice_states",
      "segments",
      "claims",
      "feed",
      "operations",
      "lots",
    ]);
    gateway = place.gateway;
  });

  after(async () => {
    if (sql) await unwatchPlans(sql);
    await sql?.end();
    await place?.stop();
  });

  /** The statements that read too much, with their plans. */
  function faults(label: string, statements: readonly Done[], most: number): string[] {
    expect(statements, `${label}: the server tells of statements`).not.lengthOf(0);
    return statements.flatMap(({ statement, rows, scans, plan }) => {
      const whole = scans.filter((table) => big.has(table));
      if (whole.length > 0)
        return [`${label}: reads all of ${whole.join(", ")}\n${statement}\n${plan}`];
      return rows > most
        ? [`${label}: reads ${rows} rows, ${most} at most\n${statement}\n${plan}`]
        : [];
    });
  }
  const expectNone = (excess: readonly string[]) => {
    if (excess.length === 0) return;
    // the plan of each statement once
    const [heads, plans] = [
      excess.map((text) => text.split("\n")[0]),
      new Map(excess.map((text) => [text.split("\n")[1], text.slice(0, 4_000)])),
    ];
    throw new Error(
      `${excess.length} statements read too much\n${heads.join("\n")}\n${[...plans.values()].join("\n\n")}`,
    );
  };

  /** Every list with each of its filters, and in each order. */
  function lists(): [keyof typeof keys, string][] {
    const { issuer, employer } = keys;
    const day = (n: number) =>
      new Date(Date.parse("2020-01-01T00:00:00Z") + n * 3_600_000).toISOString();
    const between = `from=${day(20)}&to=${day(30)}`;
    const states = ["accepted", "issued", "claimed", "reimbursed", "reversed"];
    const invoices = (as: string, filters: readonly string[]) =>
      [
        [],
        ...filters,
        ...states.map((state) => `status=${state}`),
        ...filters.map((base) => `${base}&status=claimed`),
      ].flatMap((filter) =>
        ["asc", "desc"].map((order) => `/v1/invoices?as=${as}&order=${order}&${filter}`),
      );
    const own = `sourceId=none&seller=${issuer.taxId}`;
    const file = `documentHash=${"ab".repeat(32)}`;
    const pages = (path: string, filters: readonly string[]) =>
      ["", ...filters].map((filter) => `${path}?${filter}`);
    const each = (by: keyof typeof keys, paths: readonly string[]) =>
      paths.map((path): [keyof typeof keys, string] => [by, path]);
    const claimFilters = [
      ...["submitted", "refused", "claimed", "reimbursed", "rejected", "withdrawn", "reversed"].map(
        (status) => `status=${status}`,
      ),
      `from=2020-01-02T00:00:00Z&to=2020-01-03T00:00:00Z`,
      "invoice=20442000000000000000",
    ];
    const operationStates = [
      "queued",
      "awaiting-signature",
      "signed",
      "sent",
      "done",
      "refused",
      "failed",
    ].map((status) => `status=${status}`);
    const sheets = range(9).map((n) => `status=0${n + 1}`);
    return [
      ...each(
        "issuer",
        invoices("issuer", [
          between,
          `buyer=${employer.taxId}`,
          `seller=${issuer.taxId}`,
          own,
          file,
        ]),
      ),
      ...each(
        "employer",
        invoices("employer", [
          between,
          `seller=${issuer.taxId}`,
          `buyer=${employer.taxId}`,
          own,
          file,
        ]),
      ),
      ...each(
        "holder",
        invoices("holder", [
          between,
          `seller=${issuer.taxId}`,
          `buyer=${employer.taxId}`,
          own,
          file,
        ]),
      ),
      ...each(
        "reader",
        invoices("grantee", [between, `seller=${issuer.taxId}`, `buyer=${employer.taxId}`]),
      ),
      ...each("reader", invoices("holder", [between, `seller=${issuer.taxId}`])),
      ...each(
        "bureau",
        invoices("issuer", [
          between,
          `seller=${issuer.taxId}`,
          `buyer=${employer.taxId}`,
          `seller=${issuer.taxId}&buyer=${employer.taxId}`,
        ]),
      ),
      ...each("employer", pages("/v1/claims", claimFilters)),
      ...each("holder", pages("/v1/claims", claimFilters)),
      ...(["bureau", "employer", "holder"] as const).flatMap((by) =>
        each(by, ["/v1/external-invoices"]),
      ),
      ...(["bureau", "employer"] as const).flatMap((by) =>
        each(
          by,
          pages("/v1/external-findings", [
            "kind=conflict",
            "kind=near-duplicate",
            `claim=${EXTERNAL_CLAIM}`,
            `claim=${EXTERNAL_CLAIM}&kind=near-duplicate`,
          ]),
        ),
      ),
      ...each(
        "holder",
        pages(
          "/v1/transfers",
          ["offered", "accepted", "declined", "withdrawn"].map((status) => `status=${status}`),
        ),
      ),
      ...(["bureau", "issuer", "holder"] as const).flatMap((by) =>
        each(by, pages("/v1/operations", operationStates)),
      ),
      ...(["bureau", "issuer", "employer"] as const).flatMap((by) =>
        each(by, pages("/v1/red-letters", sheets)),
      ),
      ...(["bureau", "issuer", "employer"] as const).flatMap((by) =>
        each(by, pages("/v1/api-keys", [])),
      ),
      ...each("bureau", [
        "/v1/taxpayers",
        "/v1/taxpayers?after=1500",
        "/v1/audit",
        "/v1/audit/quotas?period=2020-03",
        "/v1/stats/refusals",
        "/v1/stats/chain",
      ]),
      ...each("bureau", [`/v1/stats/flow?${between}`, `/v1/stats/invoices?grain=day&${between}`]),
      ...each("issuer", [
        `/v1/taxpayers/${issuer.taxId}/segments`,
        "/v1/events?limit=100",
        "/v1/webhooks",
      ]),
      ...each("employer", ["/v1/entries?limit=100", "/v1/events?limit=100&types=claim.created"]),
      ...each("bureau", [
        "/v1/events?limit=100",
        "/v1/events?limit=100&types=claim.created",
        "/v1/events?number=20442000000000000001",
      ]),
      ...["", "/grants", "/reads", "/history", "/red-letters"].flatMap((list) =>
        each("holder", [`/v1/invoices/20442000000000000001${list}`]),
      ),
    ];
  }
  /** The background workers, one poll each. */
  function looks(db: Sql, changes: Changes): [string, () => Promise<unknown>, work?: number][] {
    const { config, deployment } = place;
    const log = createLog("silent");
    const metrics = createMetrics("test");
    const limit = { bytes: config.MAX_TX_BYTES, gas: config.MAX_TX_GAS };
    const bounds = { aheadMinutes: config.ISSUE_AHEAD_MINUTES, backDays: config.ISSUE_BACK_DAYS };
    const contracts = createContracts(deployment);
    const chain = createChainClient(config.RPC_URL, deployment.chainId);
    closing.push(() => chain.close());
    const keystore = createKeystore({ sql: db, vault });
    const encryption = createEncryptionKeys({ vault });
    const documents = createDocuments({ vault, keys: encryption, deployment });
    const taxpayers = createTaxpayers({ vault });
    const quotas = createQuotas({ vault, drawStep: config.DRAW_STEP });
    const invoices = createInvoices({ vault, documents, taxpayers });
    const redLetters = createRedLetters({ vault, taxpayers, quotas, invoices, bounds });
    const issuing = createIssuing({
      sql: db,
      accounts: createAccounts({ keys: keystore, contracts, maxShown: config.MAX_ACCOUNTS }),
      documents,
      taxpayers,
      quotas,
      invoices,
      redLetters,
      changes,
      bounds,
      buyers: undefined,
    });
    const findings = createFindings({ vault, taxpayers });
    const near = createNear({ vault, taxpayers, findings });
    const audit = createAudit({
      vault,
      keys: encryption,
      documents,
      taxpayers,
      contracts,
      near,
      log,
    });
    const work = { sql: db, keys: keystore, changes, log, pollMs: 50 };
    const lanes = createLanes({
      ...work,
      chain,
      lanes: [{ name: RELAY_LANE, address: keys.issuer.account }],
      chainId: deployment.chainId,
      finalityDepth: 0,
      window: 16,
      lease: () => always,
      failed: sendFailed,
    });
    const dispatcher = createDispatcher({
      ...work,
      contracts,
      lanes,
      lease: always,
      evidence: createEvidence(),
      limit,
    });
    const sealer = (lotAgeMs: number) =>
      createSealer({ sql: db, changes, log, lease: always, lotSize: 500, lotAgeMs, limit });
    const once = async (part: { start(): void; stop(): Promise<void> }) => {
      part.start();
      await part.stop();
    };
    const turn = (job: Job) => job.run(new AbortController().signal);
    const head = "Bearer metrics-of-the-test";
    return [
      ["the sealer", () => once(sealer(1_000_000_000))],
      ["the dispatcher", () => once(dispatcher)],
      ["the lanes", () => once(lanes)],
      [
        "the gauges",
        async () =>
          expect(
            (await fetch(`${gateway.url}/metrics`, { headers: { authorization: head } })).status,
          ).equals(200),
      ],
      ["readiness", () => fetch(`${gateway.url}/readyz`)],
      [
        "free numbers",
        () =>
          callAt(
            gateway.url,
            "POST",
            "/v1/invoices",
            invoiceOf({ ...keys.issuer, name: "茶餐厅" }, { name: "个人" }),
            { token: keys.issuer.token },
          ),
      ],
      ...["", "?dryRun=true"].map((query): [string, () => Promise<unknown>] => [
        `an external invoice over a usual price${query}`,
        async () =>
          expect(
            (
              await callAt(gateway.url, "POST", `/v1/external-invoices${query}`, usualPrice(), {
                token: keys.employer.token,
                wait: 0,
              })
            ).status,
          ).oneOf([200, 202]),
      ]),
      [
        "near duplicates of what is sealed",
        () =>
          db.begin((tx) =>
            near.record(
              tx,
              range(WAITING).map((n) => ({
                number: `${20_442n * 10n ** 15n + BigInt(n)}`,
                document: usualPrice() as unknown as InvoiceDocument,
              })),
            ),
          ),
      ],
      [
        "an enrolment that comes again",
        () =>
          callAt(
            gateway.url,
            "POST",
            "/v1/taxpayers",
            { name: "茶餐厅", taxId: keys.issuer.taxId, capabilities: ["issuer"] },
            { token: keys.bureau.token },
          ),
      ],
      [
        "counting",
        () =>
          turn(
            createCounting({
              sql: db,
              vault,
              log,
              documentOf: invoices.documentOf,
              depositedOf: audit.documentsOf,
            }),
          ),
        200,
      ],
      ["the audit", () => turn(createAuditing({ sql: db, audit, log, patienceSeconds: 60 }).job)],
      [
        "the comparison",
        () =>
          turn(
            createReconcile({ sql: db, documents, chain, contracts, log, days: 7, perSecond: 200 })
              .job,
          ),
      ],
      [
        "red letters",
        () => turn(createRedLetterJob({ sql: db, redLetters, issuing, changes, log })),
      ],
      ["expiry", () => turn(createExpiry({ sql: db, metrics, days: 7 }))],
      // last, because it closes the lots
      ["the sealer, of old ones", () => once(sealer(0))],
    ];
  }
  const range = (count: number) => Array.from({ length: count }, (_, n) => n);
  /** An invoice from elsewhere of a seller, day and amount that very many others have. */
  const usualPrice = () =>
    invoiceOf(
      { taxId: freshTaxId(), name: "茶餐厅" },
      { name: "个人" },
      { sourceId: `R-${crypto.randomUUID()}` },
    );

  for (const plans of ["for their values", "for any values"] as const) {
    it(`read only what they show: plans ${plans}`, async function () {
      this.timeout(300_000);
      await watchPlans(sql, plans);
      gateway = await startGateway(place.config, place.deployment, { parts: "accepting" });
      try {
        const excess: string[] = [];
        for (const [by, path] of lists()) {
          const limit = Number(
            new URL(path, gateway.url).searchParams.get("limit") ??
              (path.startsWith("/v1/invoices?") ? 50 : 20),
          );
          const statements = await during(async () => {
            const { status, body } = await ask(keys[by].token, path);
            if (status !== 200) excess.push(`${by} ${path}: ${status} ${JSON.stringify(body)}`);
          });
          excess.push(...faults(`${by} ${path}`, statements, Math.max(READ_FOR_ONE * limit, LOOK)));
        }
        const db = openDb(place.databaseUrl, { connections: 4 });
        const changes = await openChanges(db);
        closing.push(
          () => changes.close(),
          () => db.end(),
        );
        for (const [label, look, work = WAITING] of looks(db, changes))
          excess.push(...faults(label, await during(look), READ_FOR_ONE * work));
        expectNone(excess);
      } finally {
        for (const close of closing.splice(0)) await close();
        await gateway.stop();
        await unwatchPlans(sql);
      }
    });
  }
});
