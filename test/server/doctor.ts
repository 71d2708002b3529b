/**
 * Doctor on a real gateway: healthy while there is no fault; it finds every injected fault by its
 * name, and no longer after the repair; it prints no readable data of a party. Also the operator's
 * commands as processes, with their exit codes.
 */
import { readFileSync } from "node:fs";
import { expect } from "chai";
import { createChainClient } from "../../server/chain/client.ts";
import { createContracts } from "../../server/chain/contracts.ts";
import type { Deployment } from "../../server/chain/deploy.ts";
import { openDb } from "../../server/db/db.ts";
import { examine, type Report, reportLines } from "../../server/operator/doctor.ts";
import { type FindingCode, findingTable } from "../../server/operator/findings.ts";
import { sealerLock } from "../../server/sealing/sealer.ts";
import {
  accepted,
  type Bench,
  byBureau,
  enrolled,
  openBench,
  type Party,
  type Process,
  sealed,
} from "./support/bench.ts";
import { until } from "./support/proxy.ts";
import { ran, type Serving, serving } from "./support/serving.ts";

describe("doctor", function () {
  this.timeout(180_000);
  let bench: Bench;
  let maker: Process;
  let gateway: Serving;
  let seller: Party;
  let firm: Party;
  const seen = new Set<FindingCode>();

  const look = async (more: Partial<Parameters<typeof examine>[0]> = {}): Promise<Report> => {
    const settings = {
      finalityDepth: 0,
      maxHeadAgeSeconds: 60,
      // a block comes every 50 ms here: a busy machine is soon 50 blocks behind
      maxLagBlocks: 10_000,
      maxTxGas: 16_000_000n,
      idempotencyDays: 7,
      reconcileDays: 7,
    };
    const report = await examine({
      sql: bench.sql,
      chain: bench.node,
      contracts: bench.contracts,
      ...settings,
      ...more,
    });
    for (const { code } of report.findings) seen.add(code);
    return report;
  };
  const codes = (report: Report) =>
    [...new Set(report.findings.map((finding) => finding.code))].sort();
  const healthy = () =>
    until("all is well", async () => {
      const report = await look();
      return report.healthy || undefined;
    });
  /** Injects a fault, expects exactly these findings, and repairs the fault. */
  async function finds(
    harm: () => Promise<unknown>,
    mend: () => Promise<unknown>,
    ...expected: FindingCode[]
  ): Promise<Report> {
    await harm();
    const report = await look();
    expect(codes(report), JSON.stringify(report.findings)).to.deep.equal([...expected].sort());
    await mend();
    await healthy();
    return report;
  }

  before(async () => {
    bench = await openBench();
    maker = await bench.process();
    maker.start();
    [seller, firm] = await Promise.all([
      enrolled(bench, maker, ["issuer"]),
      enrolled(bench, maker, ["employer"]),
    ]);
    await sealed(bench, maker, seller, { buyer: firm }, 3);
    await maker.stop();
    gateway = await serving(bench);
  });
  after(async () => {
    gateway?.child.kill("SIGKILL");
    await bench?.close();
  });

  it("finds nothing while there is no fault, and reports the state of each part", async () => {
    await healthy();
    const report = await look();
    expect(report.findings).to.deep.equal([]);
    expect(Object.keys(report.facts)).to.include.members([
      "network",
      "head",
      "cursor",
      "leases",
      "lanes",
      "operations",
      "waiting",
      "webhooks",
      "idempotency",
      "reconcile",
    ]);
    expect(reportLines(report).join("\n")).to.include("healthy");
  });

  describe("of the node", () => {
    it("that it does not answer", async () => {
      const nobody = createChainClient("http://127.0.0.1:1", 31_337, 500);
      expect(codes(await look({ chain: nobody }))).to.deep.equal(["node-unreachable"]);
      nobody.close();
    });

    it("that it is on another chain, or that the deployment is", async () => {
      const contractsOf = (more: Partial<Deployment>) =>
        createContracts({ ...bench.deployment, ...more });
      expect(codes(await look({ contracts: contractsOf({ chainId: 1 }) }))).to.deep.equal([
        "wrong-chain",
      ]);
      const other = contractsOf({ genesis: `0x${"12".repeat(32)}` });
      expect(codes(await look({ contracts: other }))).to.deep.equal([
        "wrong-chain",
        "wrong-database",
      ]);
      expect(codes(await look({ contracts: contractsOf({ ledger: bench.bureau }) }))).to.deep.equal(
        ["contracts-missing"],
      );
    });

    it("that the chain stands still, that the node is behind, and that it has another chain at the cursor", async () => {
      const chain = {
        ...bench.node,
        block: async (number: number) =>
          ((block) => block && { ...block, time: block.time - 3_600 })(
            await bench.node.block(number),
          ),
      };
      expect(codes(await look({ chain }))).to.deep.equal(["head-still"]);
      const head = await bench.node.head();
      const behind = { ...bench.node, head: async () => (head - 1_000 > 0 ? head - 1_000 : 1) };
      expect(codes(await look({ chain: behind }))).to.include("node-behind");
      const forked = {
        ...bench.node,
        block: async (number: number) =>
          ((block) => block && (number === 0 ? block : { ...block, hash: `0x${"34".repeat(32)}` }))(
            await bench.node.block(number),
          ),
      };
      expect(codes(await look({ chain: forked }))).to.deep.equal(["cursor-forked"]);
      const ahead = {
        ...bench.node,
        head: async () => head,
        block: (number: number) => bench.node.block(number),
      };
      expect(
        codes(
          await look({
            maxLagBlocks: 499,
            chain: {
              ...ahead,
              head: async () => (await bench.node.head()) + 500,
              block: async (number: number) =>
                (await bench.node.block(number)) ?? bench.node.block(await bench.node.head()),
            },
          }),
        ),
      ).to.deep.equal(["cursor-lags"]);
    });
  });

  describe("of the database", () => {
    it("that it does not answer, without its password", async () => {
      const nowhere = openDb("postgres://user:s3cret-passw0rd@127.0.0.1:1/none", {
        connections: 1,
      });
      const report = await look({ sql: nowhere });
      expect(codes(report)).to.deep.equal(["database-unreachable"]);
      expect(reportLines(report).join("\n")).to.not.include("s3cret");
      await nowhere.end();
    });

    it("that its schema is older, and that a part cannot be checked", async () => {
      await bench.sql`update migrations set name = 'x' || name where name like '004%'`;
      await bench.sql.unsafe("alter table reconcile_findings rename to elsewhere");
      expect(codes(await look())).to.deep.equal(["migrations-pending", "not-examined"]);
      await bench.sql.unsafe("alter table elsewhere rename to reconcile_findings");
      await bench.sql`update migrations set name = substr(name, 2) where name like 'x004%'`;
      await healthy();
    });

    it("that stored answers are not deleted, that differences exist, and that no process compares", async () => {
      await finds(
        () =>
          bench.sql`insert into idempotency (account, key, request_hash, status, answer, created_at, key_id, roles) values ('a', 'old', '', 200, '', now() - interval '9 days', 'a', '{admin}')`,
        () => bench.sql`delete from idempotency where key = 'old'`,
        "expiry-waits",
      );
      const report = await finds(
        () =>
          bench.sql`insert into reconcile_findings (kind, subject, detail) values ('leaf', 26440000000000000001, 'they give another root')`,
        () => bench.sql`delete from reconcile_findings`,
        "reconcile-difference",
      );
      expect(report.findings[0]?.subject).to.equal("leaf 26440000000000000001");
      await until(
        "upkeep has come round",
        async () =>
          (
            await bench.sql`select 1 from reconcile_cursors where name = 'sweep' and ended_at is not null`
          ).length === 1,
      );
      await finds(
        () =>
          bench.sql`update reconcile_cursors set ended_at = now() - interval '30 days', begun_at = now() where name = 'sweep'`,
        () =>
          bench.sql`update reconcile_cursors set ended_at = now(), begun_at = now() where name = 'sweep'`,
        "reconcile-old",
      );
    });
  });

  describe("of waiting work", () => {
    it("a transaction without an outcome, its lane, and one that the node refuses", async () => {
      await bench.sql`
        insert into sends (lane, to_address, data, gas, status, nonce, raw, hash, tries, last_error, created_at)
        values ('relay', '0x', '0x', 1, 'pending', 1000000, '0x', '0xabc', 9, 'gas price below the minimum', now() - interval '10 minutes')`;
      const unknown = await look();
      expect(codes(unknown)).to.include.members(["lane-waits", "send-unknown"]);
      expect(unknown.findings.find((finding) => finding.code === "send-unknown")?.detail)
        .to.include("sent 9 times")
        .and.include("gas price below the minimum");
      await bench.sql`update sends set fault = 'rejected', reason = 'underpriced' where hash = '0xabc'`;
      const blocked = await look();
      expect(
        blocked.findings.find((finding) => finding.code === "lane-blocked")?.detail,
      ).to.include("rejected (underpriced)");
      await bench.sql`delete from sends where hash = '0xabc'`;
      await healthy();
    });

    it("calls of the bureau on a database without the bureau's key", async () => {
      await finds(
        () =>
          bench.sql`insert into sends (lane, to_address, data, gas) values ('elsewhere', '0x', '0x', 1)`,
        () => bench.sql`delete from sends where lane = 'elsewhere'`,
        "lane-missing",
      );
    });

    it("a red letter without its number, lots without their documents, and the auditor's findings", async () => {
      const [row] = await bench.sql<
        { number: string }[]
      >`select number from invoices order by number limit 1`;
      await finds(
        () => bench.sql`
          insert into red_letters (invoice, issuer, employer, by_issuer, status, ref, sealed, acted, problem, updated_at)
          values (${row?.number ?? ""}, 1, 0, true, '01', 'doctor', '', true, 'no-segment', now() - interval '1 hour')`,
        () => bench.sql`delete from red_letters where ref = 'doctor'`,
        "red-letter-waits",
      );
      const report = await finds(
        () =>
          bench.sql`insert into audit_findings (kind, issuer, subject) values ('quota-exceeded', 7, 202611)`,
        () => bench.sql`delete from audit_findings`,
        "audit-finding",
      );
      expect(report.findings[0]).to.deep.include({
        subject: "issuer 7",
        detail: "quota-exceeded 202611",
      });
      await finds(
        () =>
          bench.sql`insert into audit_lots (first, since) values (1, now() - interval '1 hour')`,
        () => bench.sql`delete from audit_lots where first = 1`,
        "audit-waits",
      );
      const [lot] = await bench.sql<
        { first: string; time: bigint }[]
      >`select first, time from lots order by first limit 1`;
      const late = await finds(
        async () => {
          await bench.sql`update lots set time = time - 7200 where first = ${lot?.first ?? ""}`;
          await bench.sql`insert into deliveries (lot, error) values (${lot?.first ?? ""}, 'the bureau''s gateway answers 401 unauthenticated')`;
        },
        async () => {
          await bench.sql`delete from deliveries`;
          await bench.sql`update lots set time = ${lot?.time ?? 0n} where first = ${lot?.first ?? ""}`;
        },
        "deposits-wait",
      );
      expect(late.findings[0]?.detail).to.include("401 unauthenticated");
    });

    it("an operation that waits without a known cause", async () => {
      const report = await finds(
        () => bench.sql`
          insert into operations (kind, party, command, status, updated_at, problem) values
          ('claim', ${firm.account}, '{"type":"act"}', 'sent', now() - interval '1 hour', '{"code":"stale-version","detail":""}')`,
        () => bench.sql`delete from operations where kind = 'claim' and status = 'sent'`,
        "operation-waits",
      );
      expect(report.findings[0]?.detail)
        .to.include("claim, sent for 60 min")
        .and.include("stale-version");
    });

    /**
     * Accepts an invoice that the sealer cannot take until the end of `work`, and dates it far
     * back.
     */
    async function unlotted(work: () => Promise<unknown>): Promise<string> {
      return bench.sql.begin(async (tx) => {
        // the sealers' own lock: the lease holder cannot take it
        await until(
          "the sealer leaves it",
          async () =>
            (
              await tx<{ got: boolean }[]>`select pg_try_advisory_xact_lock(${sealerLock}) as got`
            )[0]?.got,
        );
        const [number] = (await accepted(bench, maker, seller, { buyer: firm })) as [string];
        await bench.sql`update invoices set accepted_at = now() - interval '10 minutes' where number = ${number}`;
        await work();
        return number;
      });
    }

    it("accepted invoices that no process puts into lots", async () => {
      const number = await unlotted(async () => {
        const report = await look();
        expect(codes(report)).to.deep.equal(["lots-wait"]);
        expect(report.findings[0]?.detail).to.match(/^1 invoices, the oldest 10 min/);
      });
      await until(
        "it is sealed",
        async () =>
          (await bench.sql`select 1 from invoice_states where number = ${number}`).length === 1,
      );
      await healthy();
    });

    it("the lots of a suspended issuer, until it may issue again", async () => {
      await unlotted(() =>
        bench
          .queue(byBureau(bench, "setStanding", seller.index, 2))
          .then((ids) => bench.done(...ids)),
      );
      const report = await until("its lot waits", async () => {
        const now = await look();
        return codes(now).includes("issuer-suspended") && now;
      });
      expect(codes(report)).to.deep.equal(["issuer-suspended"]);
      expect(report.findings[0]).to.deep.equal({
        code: "issuer-suspended",
        subject: `issuer ${seller.index}`,
        detail: "suspended; 1 invoices wait",
      });
      await bench.done(...(await bench.queue(byBureau(bench, "setStanding", seller.index, 1))));
      await healthy();
    });

    it("lots that wait for their issuer's own signature", async () => {
      await finds(
        () => bench.sql`
          with o as (insert into operations (kind, party, command, status, updated_at) values
            ('seal', ${seller.account}, '{"type":"seal","first":"1"}', 'awaiting-signature', now() - interval '1 hour') returning id)
          insert into sealings (first, segment, issuer, count, root, operation) select 1, 1, ${seller.index}, 7, '0x', id from o`,
        async () => {
          await bench.sql`delete from sealings where first = 1`;
          await bench.sql`delete from operations where kind = 'seal' and status = 'awaiting-signature'`;
        },
        "awaiting-signature",
      );
    });

    it("that the ledger is closed", async () => {
      await bench.done(...(await bench.queue(byBureau(bench, "setClosed", true))));
      expect(codes(await look())).to.deep.equal(["ledger-closed"]);
      await bench.done(...(await bench.queue(byBureau(bench, "setClosed", false))));
      await healthy();
    });

    it("webhooks that fail, and webhooks that were switched off", async () => {
      const hook = (tries: number, disabled: string | null) => bench.sql`
        insert into webhooks (account, roles, sealed, position, tries, next_at, disabled)
        select account, '{issuer}', '', 0, ${tries}, now() + interval '1 day', ${disabled} from parties limit 1`;
      const away = () => bench.sql`delete from webhooks`;
      await finds(() => hook(4, null), away, "webhook-failing");
      await finds(() => hook(9, "gone"), away, "webhook-disabled");
      // a webhook that its owner switched off is not a finding
      await finds(() => hook(0, "party"), away);
    });
  });

  describe("as a command", () => {
    it("exits with 0 if there is no finding, with 1 if there is one, and reports the same as JSON", async () => {
      await healthy();
      const well = await ran(bench, ["doctor"]);
      expect([well.code, well.out.includes("healthy")], well.said).to.deep.equal([0, true]);
      await bench.sql`insert into reconcile_findings (kind, subject, detail) values ('lot', 26440000000000000001, 'its row is not what the chain has')`;
      const ill = await ran(bench, ["doctor"]);
      expect(ill.code).to.equal(1);
      expect(ill.out)
        .to.include("reconcile-difference")
        .and.include(findingTable["reconcile-difference"].do);
      const json = await ran(bench, ["doctor", "--json"]);
      expect(json.code).to.equal(1);
      const report = JSON.parse(json.out) as Report & { findings: { means: string; do: string }[] };
      expect(report.healthy).to.equal(false);
      expect(report.findings[0]).to.deep.include({
        code: "reconcile-difference",
        ...findingTable["reconcile-difference"],
      });
      await bench.sql`delete from reconcile_findings`;
      for (const secret of [seller.taxId, firm.taxId, bench.masterKey, "公司", "200.00"])
        for (const run of [well, ill, json]) expect(run.said).to.not.include(secret);
    });

    it("cancel writes a no-op for a transaction that has no outcome, once, and for no other", async () => {
      const [row] = await bench.sql<{ id: bigint }[]>`
        insert into sends (lane, to_address, data, gas, status, nonce, raw, hash, retry_at)
        values ('relay', '0x', '0x', 1, 'pending', 1000000, '0x00', '0xabc', now() + interval '1 hour') returning id`;
      const id = String(row?.id);
      const asked = await ran(bench, ["cancel", id]);
      expect(
        [asked.code, /nonce 1000000 in lane relay is on its way/.test(asked.out)],
        asked.said,
      ).to.deep.equal([0, true]);
      const again = await ran(bench, ["cancel", id]);
      expect([again.code, /is already on its way/.test(again.out)], again.said).to.deep.equal([
        0,
        true,
      ]);
      await bench.sql`delete from sends where id = ${id}`;
      const unknown = await ran(bench, ["cancel", id]);
      expect([unknown.code, /is unknown/.test(unknown.out)], unknown.said).to.deep.equal([1, true]);
    });

    it("reconcile and rebuild --check report that nothing differs, or the differences", async () => {
      const well = await ran(bench, ["reconcile"]);
      expect([well.code, /differences 0/.test(well.out)], well.said).to.deep.equal([0, true]);
      const same = await ran(bench, ["rebuild", "--check"]);
      expect([same.code, /what the chain says/.test(same.out)], same.said).to.deep.equal([0, true]);
      const [number] = (
        await bench.sql<
          { number: string }[]
        >`select number from invoice_states order by number limit 1`
      ).map((row) => row.number) as [string];
      await bench.sql`update invoice_states set state = 'reimbursed' where number = ${number}`;
      const ill = await ran(bench, ["reconcile"]);
      expect([ill.code, ill.out.includes(`state ${number}`)], ill.said).to.deep.equal([1, true]);
      const other = await ran(bench, ["rebuild", "--check"]);
      expect(
        [other.code, other.out.includes("invoice_states: 1 rows are missing, 1 are too many")],
        other.said,
      ).to.deep.equal([1, true]);
      await bench.sql`update invoice_states set state = 'issued' where number = ${number}`;
      expect((await ran(bench, ["reconcile"])).code).to.equal(0);
    });

    it("rebuild does not start while another process follows; without one it rebuilds", async () => {
      const refused = await ran(bench, ["rebuild"]);
      expect([refused.code, /stop `serve`/.test(refused.said)], refused.said).to.deep.equal([
        1,
        true,
      ]);
      gateway.child.kill("SIGTERM");
      expect(await gateway.ended).to.equal(0);
      const left = await look();
      expect(codes(left)).to.deep.equal(["nobody-works"]);
      const done = await ran(bench, ["rebuild"]);
      expect([done.code, /they are what they were/.test(done.out)], done.said).to.deep.equal([
        0,
        true,
      ]);
    });
  });

  it("every finding is in the runbook", () => {
    const runbook = readFileSync(new URL("../../docs/operations.md", import.meta.url), "utf8");
    for (const code of Object.keys(findingTable)) expect(runbook, code).to.include(`\`${code}\``);
  });
});
