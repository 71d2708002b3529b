/**
 * Upkeep on a real chain and database: the comparison with the chain finds every change to the
 * stored data, and finds nothing while data is intact or work is under way. Also the expiry of
 * idempotency keys, and the turns of the jobs.
 */
import { expect } from "chai";
import { createLog } from "../../server/kernel/log.ts";
import type { Job } from "../../server/kernel/loop.ts";
import { createMetrics } from "../../server/kernel/metrics.ts";
import { createExpiry } from "../../server/upkeep/expiry.ts";
import { createReconcile, findings, type Reconcile } from "../../server/upkeep/reconcile.ts";
import { createUpkeep } from "../../server/upkeep/upkeep.ts";
import {
  accepted,
  type Bench,
  claimBy,
  decisionBy,
  enrolled,
  holder,
  openBench,
  openDatabase,
  type Party,
  type Process,
  sealed,
  transferTo,
} from "./support/bench.ts";
import { until } from "./support/proxy.ts";

const silent = createLog("silent");
const neverAborted = new AbortController().signal;

describe("the stored data, compared with the chain", function () {
  this.timeout(120_000);
  let bench: Bench;
  let gateway: Process;
  let seller: Party;
  let firm: Party;
  let lines: string[];
  let reconcile: Reconcile;
  let numbers: string[];

  const make = (
    more: { patienceSeconds?: number; perSecond?: number; chain?: Bench["node"] } = {},
  ) =>
    createReconcile({
      sql: bench.sql,
      documents: bench.documents,
      chain: more.chain ?? bench.node,
      contracts: bench.contracts,
      log: createLog("info", { write: (line: string) => void lines.push(line) }),
      days: 7,
      perSecond: more.perSecond ?? 1_000,
      ...(more.patienceSeconds === undefined ? {} : { patienceSeconds: more.patienceSeconds }),
    });
  const findingLines = async () =>
    (await findings(bench.sql)).map(({ kind, subject }) => `${kind} ${subject}`);
  const all = async () => {
    const compared = await reconcile.all(() => {});
    return { compared, differences: await findingLines() };
  };
  /**
   * Does `harm`, expects the comparison to find exactly these differences and to raise the alarm
   * once, repairs it, and expects no difference any more.
   */
  async function finds(
    harm: () => Promise<unknown>,
    mend: () => Promise<unknown>,
    ...expected: string[]
  ): Promise<void> {
    lines = [];
    await harm();
    const outcome = await all();
    expect(outcome.differences, JSON.stringify(await findings(bench.sql))).to.have.members(
      expected,
    );
    const alarms = () => lines.filter((line) => line.includes('"alarm":"reconcile"')).length;
    expect(alarms()).to.equal(expected.length);
    // the same difference again does not raise a new alarm
    expect((await all()).differences).to.have.members(expected);
    expect(alarms()).to.equal(expected.length);
    await mend();
    expect((await all()).differences).to.deep.equal([]);
  }

  before(async () => {
    bench = await openBench();
    gateway = await bench.process();
    gateway.start();
    [seller, firm] = await Promise.all([
      enrolled(bench, gateway, ["issuer"]),
      enrolled(bench, gateway, ["employer"]),
    ]);
    const [ann, bob] = await Promise.all([holder(bench), holder(bench)]);
    numbers = await sealed(bench, gateway, seller, { holder: ann.address }, 6);
    const [claimed, paid, moved] = numbers as [string, string, string];
    await bench.done(
      ...(await bench.queue(
        claimBy(ann, firm, claimed),
        claimBy(ann, firm, paid),
        transferTo(ann, bob, moved),
      )),
    );
    await bench.done(...(await bench.queue(decisionBy("Reimburse", firm, paid))));
    lines = [];
    reconcile = make();
  });
  after(() => bench?.close());

  it("nothing is found in intact data", async () => {
    const { compared, differences } = await all();
    expect(differences).to.deep.equal([]);
    expect(compared.invoices).to.equal(6);
    expect(compared.block).to.equal(compared.end);
    expect(lines).to.deep.equal([]);
  });

  it("a document that was exchanged for another", async () => {
    const number = numbers[3] as string;
    const [row] = await bench.sql<
      { document: Buffer }[]
    >`select document from invoices where number = ${number}`;
    const other = bench.documents.seal(number, '{"totals":{"gross":"1.00"}}');
    const put = (document: Buffer) =>
      bench.sql`update invoices set document = ${document} where number = ${number}`;
    await finds(
      () => put(other),
      () => put(row?.document as Buffer),
      `document ${number}`,
    );
    // and a document that belongs to another number
    const [neighbour] = await bench.sql<
      { document: Buffer }[]
    >`select document from invoices where number = ${numbers[4] as string}`;
    await finds(
      () => put(neighbour?.document as Buffer),
      () => put(row?.document as Buffer),
      `document ${number}`,
    );
  });

  it("a leaf with another holder, or another content", async () => {
    const number = numbers[4] as string;
    const [row] = await bench.sql<{ leaf_holder: string; content: string; lot: string }[]>`
      select i.leaf_holder, i.content, s.lot from invoices i join invoice_states s on s.number = i.number where i.number = ${number}`;
    const lot = row?.lot as string;
    const holds = (account: string) =>
      bench.sql`update invoices set leaf_holder = ${account} where number = ${number}`;
    await finds(
      () => holds(firm.account),
      () => holds(row?.leaf_holder as string),
      `leaf ${lot}`,
      `state ${number}`,
    );
    const says = (content: string) =>
      bench.sql`update invoices set content = ${content} where number = ${number}`;
    await finds(
      () => says(`0x${"ab".repeat(32)}`),
      () => says(row?.content as string),
      `leaf ${lot}`,
      `document ${number}`,
    );
  });

  it("a state that differs from the chain: of an invoice with acts, and of an invoice without", async () => {
    const [claimed, paid, , untouched] = numbers as [string, string, string, string];
    const put = (number: string, state: string, version: number) =>
      bench.sql`update invoice_states set state = ${state}, version = ${version} where number = ${number}`;
    await finds(
      () => put(paid, "claimed", 1),
      () => put(paid, "reimbursed", 2),
      `state ${paid}`,
    );
    await finds(
      () => put(claimed, "issued", 0),
      () => put(claimed, "claimed", 1),
      `state ${claimed}`,
    );
    await finds(
      () => put(untouched, "reimbursed", 2),
      () => put(untouched, "issued", 0),
      `state ${untouched}`,
    );
  });

  it("a missing row: of an invoice, a state, a lot", async () => {
    const number = numbers[5] as string;
    for (const [table, key, expected] of [
      ["invoice_states", number, [`state ${number}`]],
      ["invoices", number, [`document-missing ${number}`]],
      ["lots", undefined, undefined],
    ] as const) {
      const [lot] = await bench.sql<
        { lot: string }[]
      >`select lot from invoice_states where number = ${number}`;
      const id = key ?? (lot?.lot as string);
      const column = table === "lots" ? "first" : "number";
      const kept = `kept_${table}`;
      const away = async () => {
        await bench.sql.unsafe(
          `create table ${kept} as select * from ${table} where ${column} = ${id}`,
        );
        if (table === "invoices") await bench.sql`delete from document_hashes where number = ${id}`;
        await bench.sql.unsafe(`delete from ${table} where ${column} = ${id}`);
      };
      await finds(
        away,
        () => bench.sql.unsafe(`insert into ${table} select * from ${kept}`),
        ...(expected ?? [`lot ${id}`]),
      );
    }
  });

  it("a lot that no issuer sealed", async () => {
    const invented = () => bench.sql`
      insert into lots (first, issuer, segment, count, time, root, block)
      select first + 5000, issuer, segment, count, time, root, block from lots order by first limit 1`;
    const [lot] = await bench.sql<
      { first: string }[]
    >`select first + 5000 as first from lots order by first limit 1`;
    await finds(
      invented,
      () => bench.sql`delete from lots where first = ${lot?.first as string}`,
      `lot ${lot?.first}`,
    );
  });

  it("a node that reports a lot differently from the contract", async () => {
    const lying: Bench["node"] = {
      ...bench.node,
      async logs(...range) {
        const logs = await bench.node.logs(...range);
        // the last word of LotSealed is its root
        return logs.map((log) =>
          bench.contracts.event(log)?.name === "LotSealed"
            ? { ...log, data: `${log.data.slice(0, -64)}${"cd".repeat(32)}` }
            : log,
        );
      },
    };
    const honest = reconcile;
    reconcile = make({ chain: lying });
    const lots = (await bench.sql<{ first: string }[]>`select first from lots`).map(
      (row) => row.first,
    );
    expect((await all()).differences).to.include.members(lots.map((first) => `lot-slot ${first}`));
    reconcile = honest;
    expect((await all()).differences).to.deep.equal([]);
  });

  it("an accepted invoice that nobody seals, but not that of a suspended issuer", async () => {
    await gateway.stop("sealer");
    const [number] = (await accepted(bench, gateway, seller, { buyer: firm })) as [string];
    reconcile = make({ patienceSeconds: 0 });
    expect((await all()).differences).to.deep.equal([`unsealed ${number}`]);
    await bench.sql`update taxpayers set standing = 'suspended' where index = ${seller.index}`;
    expect((await all()).differences).to.deep.equal([]);
    await bench.sql`update taxpayers set standing = 'active' where index = ${seller.index}`;
    // its row must not be missing either
    await bench.sql.unsafe(
      `create table kept_accepted as select * from invoices where number = ${number}`,
    );
    await bench.sql`delete from document_hashes where number = ${number}`;
    await bench.sql`delete from invoices where number = ${number}`;
    expect((await all()).differences).to.deep.equal([`document-missing ${number}`]);
    await bench.sql.unsafe("insert into invoices select * from kept_accepted");
    gateway.start("sealer");
    await until(
      "it is sealed",
      async () =>
        (await bench.sql`select 1 from invoice_states where number = ${number}`).length === 1,
    );
    await until("nothing is found", async () => (await all()).differences.length === 0);
    reconcile = make();
  });

  it("the job compares new rows at once and all rows in bounded parts, and continues at its last position", async () => {
    await bench.sql`delete from reconcile_cursors`;
    // a part of ten invoices each turn, and there are more than ten
    const turn = () => make({ perSecond: 1 }).job.run(neverAborted);
    const way = async (name: string) =>
      (
        await bench.sql<
          { block: bigint; ended_at: Date | null }[]
        >`select * from reconcile_cursors where name = ${name}`
      )[0];
    await turn();
    const [fresh] = await sealed(bench, gateway, seller, { buyer: firm });
    await bench.sql`update invoices set leaf_buyer = 0 where number = ${fresh as string}`;
    await turn();
    expect(await findingLines()).to.include(`state ${fresh}`);
    await bench.sql`update invoices set leaf_buyer = ${firm.index} where number = ${fresh as string}`;
    await until("the sweep comes to its end", async () => {
      await turn();
      return (await way("sweep"))?.ended_at != null;
    });
    const block = (await way("sweep"))?.block;
    // the next sweep is not due yet
    await sealed(bench, gateway, seller, { buyer: firm });
    await turn();
    expect((await way("sweep"))?.block).to.equal(block);
    await bench.sql`update reconcile_cursors set begun_at = now() - interval '8 days', ended_at = now() - interval '7 days' where name = 'sweep'`;
    await until("the next one finds that it is mended", async () => {
      await turn();
      return (await findingLines()).length === 0;
    });
  });

  it("projections under rebuild are not a difference", async () => {
    const [cursor] = await bench.sql`select * from cursor`;
    await gateway.stop("follower");
    await gateway.follower.rebuild();
    await expectRefusal(all());
    await make().job.run(neverAborted);
    expect(await findingLines()).to.deep.equal([]);
    gateway.start("follower");
    await until(
      "the follower is where it was",
      async () =>
        ((await bench.sql<{ block: bigint }[]>`select block from cursor`)[0]?.block ?? 0n) >=
        cursor.block,
    );
    expect((await all()).differences).to.deep.equal([]);
  });

  async function expectRefusal(work: Promise<unknown>): Promise<void> {
    const outcome = await work.then(
      () => "went through",
      () => "refused",
    );
    expect(outcome).to.equal("refused");
  }
});

describe("stored answers", () => {
  it("are deleted after their last day, in batches, and not earlier; an answer in use is skipped", async () => {
    const database = await openDatabase();
    try {
      const { sql } = database;
      await sql`
        insert into idempotency (account, key, request_hash, status, answer, created_at, key_id, roles)
        select 'a', n::text, '', 200, '', now() - interval '7 days' + interval '1 minute' * case when n <= 25 then -1 else 1 end, 'a', '{admin}' from generate_series(1, 30) n`;
      const metrics = createMetrics("test");
      const job = createExpiry({ sql, metrics, days: 7, batch: 10 });
      await sql.begin(async (tx) => {
        await tx`select 1 from idempotency where key = '7' for update`;
        await job.run(neverAborted);
      });
      const left = async () =>
        (await sql<{ key: string }[]>`select key from idempotency order by key::int`).map(
          (row) => row.key,
        );
      expect(await left()).to.deep.equal(["7", "26", "27", "28", "29", "30"]);
      await job.run(neverAborted);
      expect(await left()).to.deep.equal(["26", "27", "28", "29", "30"]);
      expect((await metrics.scrape()).text).to.match(/^onepiao_idempotency_expired_total 25$/m);
    } finally {
      await database.close();
    }
  });
});

describe("the turns of upkeep", () => {
  const metrics = createMetrics("test");

  it("are taken while the lease is held, and again after a failure", async () => {
    let held = false;
    let runs = 0;
    const job: Job = {
      name: "probe",
      everyMs: 5,
      async run() {
        runs += 1;
        if (runs === 2) throw new Error("this turn fails");
      },
    };
    const upkeep = createUpkeep({ jobs: [job], held: () => held, log: silent, metrics });
    let looks = 0;
    const watched = createUpkeep({
      jobs: [{ ...job, name: "never" }],
      held: () => ++looks < 0,
      log: silent,
      metrics,
    });
    watched.start();
    await until("it has looked a few times", () => looks > 3);
    await watched.stop();
    expect(runs).to.equal(0);
    held = true;
    upkeep.start();
    await until("it goes on after the failure", () => runs >= 4);
    await upkeep.stop();
    const { text } = await metrics.scrape();
    expect(text).to.match(/onepiao_upkeep_runs_total\{job="probe",outcome="failed"\} 1/);
  });

  it("end at once when the process stops, in the middle of a job or of a pause", async () => {
    const begun = Promise.withResolvers<void>();
    const long: Job = {
      name: "long",
      everyMs: 1,
      run: (stopping) =>
        new Promise((resolve) => {
          begun.resolve();
          stopping.addEventListener("abort", () => resolve());
        }),
    };
    const upkeep = createUpkeep({
      jobs: [long, { name: "rare", everyMs: 86_400_000, run: async () => {} }],
      held: () => true,
      log: silent,
      metrics,
    });
    upkeep.start();
    await begun.promise;
    // neither would end alone within the time that a test may take
    await upkeep.stop();
  });
});
