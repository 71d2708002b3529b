/**
 * Rebuild on a real chain: a replay next to the live projections finds every row that was tampered
 * with, changes nothing, and may run while a gateway works; a replay in their place gives the same
 * rows.
 */
import { expect } from "chai";
import { projections } from "../../server/gateway.ts";
import { createLog } from "../../server/kernel/log.ts";
import {
  checkProjections,
  type Progress,
  rebuildProjections,
} from "../../server/operator/rebuild.ts";
import {
  accepted,
  type Bench,
  claimBy,
  decisionBy,
  enrolled,
  holder,
  openBench,
  type Party,
  type Process,
  sealed,
  transferTo,
} from "./support/bench.ts";
import { until } from "./support/proxy.ts";

describe("the projections, replayed", function () {
  this.timeout(120_000);
  let bench: Bench;
  let gateway: Process;
  let seller: Party;
  let firm: Party;
  let numbers: string[];
  let progress: Progress[];

  const deps = () => ({
    sql: bench.sql,
    databaseUrl: bench.databaseUrl,
    chain: bench.node,
    contracts: bench.contracts,
    projections,
    log: createLog("silent"),
    finalityDepth: 0,
    progress: (now: Progress) => void progress.push(now),
  });
  const differences = async () => (await checkProjections(deps())).differences;
  const dump = async (table: string) =>
    (
      await bench.sql.unsafe<{ text: string }[]>(
        `select t::text as text from ${table} t order by 1`,
      )
    ).map((row) => row.text);

  before(async () => {
    bench = await openBench();
    gateway = await bench.process();
    gateway.start();
    [seller, firm] = await Promise.all([
      enrolled(bench, gateway, ["issuer"]),
      enrolled(bench, gateway, ["employer"]),
    ]);
    const [ann, bob] = await Promise.all([holder(bench), holder(bench)]);
    numbers = await sealed(bench, gateway, seller, { holder: ann.address }, 5);
    const [claimed, paid, moved, rejected] = numbers as [string, string, string, string];
    await bench.done(
      ...(await bench.queue(
        claimBy(ann, firm, claimed),
        claimBy(ann, firm, paid),
        claimBy(ann, firm, rejected),
        transferTo(ann, bob, moved),
      )),
    );
    await bench.done(
      ...(await bench.queue(
        decisionBy("Reimburse", firm, paid),
        decisionBy("Reject", firm, rejected),
      )),
    );
    // an act that the chain refuses and that raises the alarm
    const [again] = (await bench.queue(decisionBy("Reimburse", firm, paid))) as [string];
    expect((await bench.ended(again)).status).to.equal("refused");
  });
  beforeEach(() => {
    progress = [];
  });
  after(() => bench?.close());

  it("next to the live projections they are equal, row by row, while the gateway works", async () => {
    const working = (async () => {
      for (let i = 0; i < 3; i++) await accepted(bench, gateway, seller, { buyer: firm });
    })();
    const { block, differences } = await checkProjections(deps());
    await working;
    expect(differences).to.deep.equal([]);
    expect(block).to.be.greaterThan(bench.deployment.block);
    expect(progress.at(-1)).to.deep.equal({ block, total: block });
    // the check leaves nothing behind
    expect(
      await bench.sql`select 1 from pg_namespace where nspname = 'rebuild_check'`,
    ).to.have.length(0);
  });

  it("a check changes nothing: waiting operations continue to wait", async () => {
    await gateway.stop("follower");
    const [waiting] = (await bench.queue(decisionBy("Reimburse", firm, numbers[0] as string))) as [
      string,
    ];
    await until("its transaction is mined", async () => {
      const [row] =
        await bench.sql`select 1 from operations o join sends s on s.id = o.send where o.id = ${waiting} and s.status = 'mined'`;
      return row !== undefined;
    });
    const tables = [
      "operations",
      "operation_invoices",
      "sends",
      "feed",
      "feed_accounts",
      "invoice_states",
      "cursor",
    ];
    const before = await Promise.all(tables.map(dump));
    expect(await differences()).to.deep.equal([]);
    expect(await Promise.all(tables.map(dump))).to.deep.equal(before);
    gateway.start("follower");
    expect((await bench.ended(waiting)).status).to.equal("done");
  });

  for (const [words, table, harm, mend, expected] of [
    [
      "a state",
      "invoice_states",
      "update invoice_states set state = 'reversed' where number = $",
      "update invoice_states set state = 'issued' where number = $",
      [1, 1],
    ],
    [
      "a feed row that is gone",
      "feed",
      "with gone as (delete from feed where type = 'invoice.issued' and number = $ returning *) insert into kept select * from gone",
      "delete from feed_accounts where position in (select position from kept); insert into feed select * from kept",
      [1, 0],
    ],
    [
      "a feed row that no party finds",
      "feed_accounts",
      "delete from feed_accounts where position = (select min(position) from feed where number = $) and account = 'A'",
      "insert into feed_accounts select 'A', min(position) from feed where number = $",
      [1, 0],
    ],
    [
      "a lot that nobody sealed",
      "lots",
      "insert into lots select first + 700, issuer, segment, count, time, root, block from lots limit 1",
      "delete from lots where first in (select first + 700 from lots)",
      [0, 1],
    ],
  ] as const) {
    it(`${words} is found, by its key`, async () => {
      const run = (text: string) =>
        bench.sql.unsafe(
          text.replaceAll("$", numbers[4] as string).replaceAll("'A'", `'${seller.account}'`),
        );
      await bench.sql.unsafe("drop table if exists kept; create table kept (like feed)");
      await run(harm);
      const changes = await differences();
      const changed = changes.find((change) => change.table === table);
      expect([changed?.missing, changed?.extra], JSON.stringify(changes)).to.deep.equal([
        ...expected,
      ]);
      expect(changed?.keys).to.have.length(1);
      await run(mend);
      await bench.sql.unsafe("drop table kept");
      expect((await differences()).filter((change) => change.table === table)).to.deep.equal([]);
    });
  }

  it("in their place, while a transaction reads the same tables in reverse order: the replay restarts, and completes", async () => {
    await gateway.stop("follower");
    const before = await dump("invoice_states");
    let rebuilding: Promise<unknown> | undefined;
    await bench.sql.begin(async (tx) => {
      // of the two in the deadlock the rebuild detects it first, and is the one that aborts
      await tx`set local deadlock_timeout = '20s'`;
      await tx`select 1 from segments limit 1`;
      rebuilding = rebuildProjections(deps());
      await until("the rebuild waits for what is read here", async () => {
        const [row] =
          await bench.sql`select 1 from pg_locks where not granted and relation = 'segments'::regclass`;
        return row !== undefined;
      });
      await tx`select 1 from feed limit 1`;
    });
    await rebuilding;
    expect(await dump("invoice_states")).to.deep.equal(before);
    gateway.start("follower");
  });

  it("in their place they give the same rows, and wrong rows are reported and corrected", async () => {
    await gateway.stop("follower");
    const tables = [
      "lots",
      "invoice_states",
      "claim_states",
      "taxpayers",
      "quotas",
      "segments",
      "feed",
      "operations",
    ];
    const before = await Promise.all(tables.map(dump));
    const same = await rebuildProjections(deps());
    expect(same.changes).to.deep.equal([]);
    expect(await Promise.all(tables.map(dump))).to.deep.equal(before);
    await bench.sql`update invoice_states set holder = ${firm.account} where number = ${numbers[4] as string}`;
    await bench.sql`delete from quotas`;
    const { changes, block } = await rebuildProjections(deps());
    expect(changes.map((change) => change.table)).to.have.members(["invoice_states", "quotas"]);
    expect(changes.find((change) => change.table === "quotas")).to.deep.equal({
      table: "quotas",
      before: 0,
      after: 1,
    });
    expect(block).to.be.at.least(same.block);
    expect(await Promise.all(tables.map(dump))).to.deep.equal(before);
    gateway.start("follower");
  });
});
