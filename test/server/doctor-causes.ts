/**
 * Doctor while a node is unreachable or the chain stands still: it names the cause once, and marks
 * each other finding as a consequence of the cause.
 */
import { expect } from "chai";
import { type ChainClient, createChainClient } from "../../server/chain/client.ts";
import { examine, type Report, reportLines } from "../../server/operator/doctor.ts";
import {
  accepted,
  type Bench,
  enrolled,
  openBench,
  type Party,
  type Process,
  holder as receiver,
} from "./support/bench.ts";
import { type FaultyNode, type Rule, startProxy, until } from "./support/proxy.ts";
import { type Serving, serving } from "./support/serving.ts";

describe("doctor, about causes and consequences", function () {
  this.timeout(240_000);
  let bench: Bench;
  let maker: Process;
  let seller: Party;
  let way: FaultyNode;
  let gateway: Serving;
  /** The gateway's own node, as doctor sees it. */
  let same: ChainClient;

  before(async () => {
    bench = await openBench();
    maker = await bench.process();
    maker.start();
    seller = await enrolled(bench, maker, ["issuer"]);
    await maker.stop();
    way = await startProxy(bench.rpcUrl);
    gateway = await serving(bench, { RPC_URL: way.url });
    same = createChainClient(way.url, 31_337, 2_000);
    await until("all is well", async () => (await look(bench.node)).healthy, 60_000);
  });
  after(async () => {
    gateway?.child.kill("SIGKILL");
    same?.close();
    await way?.close();
    await bench?.close();
  });
  afterEach(async () => {
    way.rule = undefined;
    way.release();
    await until("all is well again", async () => (await look(bench.node)).healthy, 120_000);
  });

  const look = (
    chain: ChainClient,
    more: Partial<Parameters<typeof examine>[0]> = {},
  ): Promise<Report> =>
    examine({
      sql: bench.sql,
      chain,
      contracts: bench.contracts,
      finalityDepth: 0,
      maxHeadAgeSeconds: 60,
      maxTxGas: 16_000_000n,
      idempotencyDays: 7,
      reconcileDays: 7,
      ...more,
    });
  const causes = (report: Report) => [
    ...new Set(
      report.findings
        .filter((finding) => finding.follows === undefined)
        .map((finding) => finding.code),
    ),
  ];
  const effects = (report: Report) =>
    Object.fromEntries(
      report.findings.flatMap((finding) =>
        finding.follows === undefined ? [] : [[finding.code, finding.follows]],
      ),
    );

  /**
   * The chain that this node shows ends here; the node forwards none of the transactions that it
   * receives.
   */
  async function standing(): Promise<Rule> {
    const head = await bench.node.head();
    return ({ method, params }) => {
      if (method === "eth_blockNumber") return { answer: `0x${head.toString(16)}` };
      if (method === "eth_sendRawTransaction") return { refuse: "Known transaction" };
      if (method === "eth_getBlockByNumber" && params[0] === "latest")
        return { edit: [`0x${head.toString(16)}`, params[1]] };
      return method === "eth_getTransactionReceipt" || Number(params[0]) > head
        ? { answer: null }
        : undefined;
    };
  }
  /** An invoice that has waited for the chain for ten minutes. */
  async function waiting(): Promise<void> {
    await accepted(bench, maker, seller, { holder: (await receiver(bench)).address });
    await until(
      "its transaction is written",
      async () =>
        (await bench.sql`select 1 from sends where status in ('queued', 'pending')`).length > 0,
      60_000,
    );
    await bench.sql`update sends set created_at = now() - interval '10 minutes', tries = tries + 9 where status in ('queued', 'pending')`;
    await bench.sql`update operations set updated_at = now() - interval '10 minutes' where status = 'sent'`;
  }

  it("a chain that stands still: the head is the cause; lane, send and operation are consequences", async () => {
    way.rule = await standing();
    await waiting();
    const report = await until("the head is old", async () => {
      const now = await look(same, { maxHeadAgeSeconds: 1 });
      return (
        now.findings.some(({ code }) => code.startsWith("head-") || code === "node-still") &&
        "send-unknown" in effects(now) &&
        now
      );
    });
    expect(causes(report)).to.deep.equal(["head-still"]);
    expect(effects(report)).to.deep.equal({
      "lane-waits": "head-still",
      "send-unknown": "head-still",
      "operation-waits": "head-still",
    });
    const lines = reportLines(report);
    expect(
      lines.filter((line) => /^[a-z-]+: /.test(line)).map((line) => line.split(":")[0]),
    ).to.deep.equal(["head-still"]);
    expect(lines.filter((line) => line.startsWith("  and so lane-waits, relay: "))).to.have.length(
      1,
    );
  });

  it("the lease holder's node is unreachable, seen from another node: that is the cause, with the process and its leases", async () => {
    way.rule = () => "cut";
    await waiting();
    const report = await until(
      "it is found",
      async () => {
        const now = await look(bench.node);
        return causes(now).includes("holder-blind") && now;
      },
      60_000,
    );
    expect(causes(report)).to.deep.equal(["holder-blind"]);
    expect(effects(report)).to.include({
      "lane-waits": "holder-blind",
      "operation-waits": "holder-blind",
    });
    const [cause] = report.findings;
    expect(cause?.subject).to.match(new RegExp(` ${gateway.child.pid}$`));
    expect(cause?.detail).to.match(
      /^its node has not served it for \d+ s; it holds dispatching, following, lane:bureau, lane:relay, sealing, upkeep$/,
    );
    // the same, seen by a process whose own node is unreachable too
    const nothing = await look(same);
    expect(causes(nothing)).to.deep.equal(["node-unreachable", "holder-blind"]);
    expect(effects(nothing)).to.include({ "lane-waits": "holder-blind" });
  });

  it("the holder's node stands still while the chain moves", async () => {
    way.rule = await standing();
    await waiting();
    const report = await until(
      "it is found",
      async () => {
        const now = await look(bench.node);
        return causes(now).includes("holder-blind") && now;
      },
      60_000,
    );
    expect(causes(report)).to.deep.equal(["holder-blind"]);
    expect(report.findings[0]?.detail).to.match(
      /^its node stands at block \d+, and this one is at \d+; it holds /,
    );
    expect(effects(report)).to.include({ "lane-waits": "holder-blind" });
  });

  it("the own node stands still while a gateway's node advances: the chain is not the cause", async () => {
    const ownProxy = await startProxy(bench.rpcUrl);
    ownProxy.rule = await standing();
    const chain = createChainClient(ownProxy.url, 31_337, 2_000);
    const report = await until("it is found", async () => {
      const now = await look(chain, { maxHeadAgeSeconds: 1 });
      return causes(now).includes("node-still") && now;
    });
    expect(causes(report)).to.include("node-still").and.not.include("head-still");
    chain.close();
    await ownProxy.close();
  });

  it("a block has less gas than a transaction may request", async () => {
    const report = await look(bench.node, { maxTxGas: 100_000_001n });
    expect(report.findings).to.deep.equal([
      { code: "gas-above-block", subject: "MAX_TX_GAS 100000001", detail: "a block has 100000000" },
    ]);
  });
});
