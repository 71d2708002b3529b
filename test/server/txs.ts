/**
 * The lanes under faults: for any answers of the node and any death of a process, a send is one
 * transaction, and it is done once.
 */
import { expect } from "chai";
import { Interface, Transaction } from "ethers";
import { RELAY_LANE } from "../../server/acts/sending.ts";
import { revertReason } from "../../server/chain/contracts.ts";
import type { Sql } from "../../server/db/db.ts";
import { InvoiceLedger__factory } from "../../types/ethers-contracts/factories/contracts/InvoiceLedger__factory.ts";
import { type Bench, openBench, type Process, type ProcessOptions } from "./support/bench.ts";
import { type Call, type Fault, type Rule, random, until } from "./support/proxy.ts";

type Row = {
  id: bigint;
  status: string;
  nonce: bigint | null;
  raw: string | null;
  hash: string | null;
  tries: number;
  block: bigint | null;
  data: string;
  sent_at: Date | null;
};

describe("the lanes", () => {
  let bench: Bench;
  let address: string;
  let lastBlock: number;
  /** Raw transactions that were sent before they were stored, over all tests of this file. */
  const unwritten: string[] = [];
  let broadcasts = 0;
  const failures: { send: bigint; reason: string }[] = [];
  const target = `0x${"ab".repeat(20)}`;
  let serial = 0;

  before(async () => {
    bench = await openBench();
    const { relay } = await bench.process();
    address = relay.address;
    lastBlock = await bench.node.head();
    through(undefined);
  });
  after(() => bench.close());
  afterEach(async () => {
    through(undefined);
    for (const gateway of started.splice(0)) await gateway.end();
  });

  /**
   * Checks each transaction before it passes: nonce, bytes and hash must be in the database before
   * the node gets them.
   */
  function through(rule: Rule | undefined) {
    bench.proxy.rule = async (call) => {
      if (call.method === "eth_sendRawTransaction") {
        const raw = call.params[0] as string;
        const { nonce, hash } = Transaction.from(raw);
        const [row] =
          await bench.sql`select 1 from sends where raw = ${raw} and nonce = ${nonce} and hash = ${hash} and status <> 'queued'`;
        broadcasts += 1;
        if (!row) unwritten.push(raw);
      }
      return rule?.(call);
    };
  }
  const onBroadcast =
    (fault: (call: Call, nth: number) => Fault | undefined): Rule =>
    (call) => {
      if (call.method !== "eth_sendRawTransaction") return undefined;
      nth += 1;
      return fault(call, nth);
    };
  let nth = 0;
  beforeEach(() => {
    nth = 0;
  });

  const started: Process[] = [];
  /** A process of which a test uses only the lanes; it ends after the test. */
  async function lane(options: ProcessOptions = {}): Promise<Process> {
    const failed = async (_tx: unknown, send: bigint, reason: string) =>
      void failures.push({ send, reason });
    const gateway = await bench.process({ ...options, failed });
    started.push(gateway);
    return gateway;
  }

  /** Queues so many sends, each with its own calldata. */
  const submit = (via: Process, count = 1): Promise<bigint[]> =>
    bench.sql.begin(async (tx) => {
      const ids: bigint[] = [];
      for (let i = 0; i < count; i++) {
        serial += 1;
        ids.push(
          await via.lanes.submit(tx, RELAY_LANE, {
            to: target,
            data: `0x${"5e".repeat(12)}${serial.toString(16).padStart(8, "0")}`,
            gas: 30_000n,
          }),
        );
      }
      return ids;
    });
  const rows = (ids: bigint[]): Promise<Row[]> =>
    bench.sql<Row[]>`select * from sends where id = any(${ids.map(String)}::bigint[]) order by id`;
  async function settled(ids: bigint[], deadlineMs?: number): Promise<Row[]> {
    const open = () =>
      bench.sql`select 1 from sends where id = any(${ids.map(String)}::bigint[]) and status in ('queued', 'pending') limit 1`;
    await until("every send has its outcome", async () => (await open()).length === 0, deadlineMs);
    return rows(ids);
  }

  const seen: { nonce: number; input: string }[] = [];
  /** Calldata of this key's transactions on the chain, in the order of their nonces. */
  async function onChain(): Promise<string[]> {
    const head = await bench.node.head();
    const numbers = Array.from(
      { length: head - lastBlock },
      (_, i) => `0x${(lastBlock + 1 + i).toString(16)}`,
    );
    if (numbers.length === 0) return seen.map((transaction) => transaction.input);
    lastBlock = head;
    for (const block of await rpcs(
      "eth_getBlockByNumber",
      numbers.map((number) => [number, true]),
    )) {
      const { transactions } = block as {
        transactions: { from: string; nonce: string; input: string }[];
      };
      for (const transaction of transactions)
        if (transaction.from === address.toLowerCase())
          seen.push({ nonce: Number(transaction.nonce), input: transaction.input });
    }
    return seen.sort((a, b) => a.nonce - b.nonce).map((transaction) => transaction.input);
  }
  async function rpcs(method: string, calls: unknown[][]): Promise<unknown[]> {
    const body = JSON.stringify(
      calls.map((params, id) => ({ jsonrpc: "2.0", id, method, params })),
    );
    const answer = await fetch(bench.rpcUrl, {
      method: "POST",
      body,
      headers: { "content-type": "application/json" },
    });
    return ((await answer.json()) as { result: unknown }[]).map((reply) => reply.result);
  }
  const timesOnChain = async (row: Row) =>
    (await onChain()).filter((input) => input === row.data).length;
  /** The raw transactions that were sent for a send, found by its calldata. */
  const rawsOf = (row: Row) => bench.proxy.raws().filter((raw) => raw.includes(row.data.slice(2)));

  it("the next process sends the stored bytes of a dead process's send once, unchanged", async () => {
    through(onBroadcast(() => "hang"));
    const dying = await lane();
    dying.start("lanes");
    const ids = await submit(dying);
    await until("the node is offered the transaction", () => bench.proxy.hanging() > 0);
    const [raw] = bench.proxy.raws();
    await dying.crash();
    const [written] = (await rows(ids)) as [Row];
    expect(written).to.include({ status: "pending", raw, tries: 0, sent_at: null });
    expect(await timesOnChain(written)).to.equal(0);

    through(undefined);
    const next = await lane();
    next.start("lanes");
    const [row] = (await settled(ids)) as [Row];
    expect(row).to.include({ status: "mined", raw, hash: written.hash });
    expect(rawsOf(row)).to.deep.equal([raw, raw]);
    expect(await timesOnChain(row)).to.equal(1);
  });

  it("the next process sends the same bytes of a send that the node had rejected when the process ended", async () => {
    through(onBroadcast(() => "cut"));
    const gateway = await lane();
    gateway.start("lanes");
    const ids = await submit(gateway);
    await until("it was tried", async () => ((await rows(ids))[0] as Row).tries > 0);
    await gateway.end();
    through(undefined);
    const next = await lane();
    next.start("lanes");
    const [row] = (await settled(ids)) as [Row];
    expect(new Set(rawsOf(row))).to.deep.equal(new Set([row.raw]));
    expect([row.status, await timesOnChain(row)]).to.deep.equal(["mined", 1]);
  });

  const unknownOutcomes: [string, Fault][] = [
    ["whose answer was lost after the node had taken it", "lose"],
    ["that the node took twice", "double"],
    ["that was answered with 'already known'", { deny: "already known" }],
    ["that was answered with 'nonce too low'", { deny: "nonce too low: address, tx: 0 state: 1" }],
    ["whose answer came late", { delayMs: 150 }],
    ["that was answered with a page of a proxy", { status: 502 }],
  ];
  for (const [words, fault] of unknownOutcomes) {
    it(`a transaction ${words} is found by its receipt, and done once`, async () => {
      through(onBroadcast((_, n) => (n === 1 ? fault : undefined)));
      const gateway = await lane();
      gateway.start("lanes");
      const before = await bench.node.nonce(address);
      const ids = await submit(gateway);
      const [row] = (await settled(ids)) as [Row];
      expect(row.status).to.equal("mined");
      expect(new Set(rawsOf(row)), "never signed again").to.deep.equal(new Set([row.raw]));
      // the following send takes the next nonce, so no nonce was wasted meanwhile
      const [after] = (await settled(await submit(gateway))) as [Row];
      expect(Number(after.nonce)).to.equal(Number(row.nonce) + 1);
      expect([await bench.node.nonce(address), await timesOnChain(row)]).to.deep.equal([
        before + 2,
        1,
      ]);
    });
  }

  it("a mined transaction without a receipt is sent again unchanged, and the node's correct 'nonce too low' does no harm", async () => {
    let hidden = true;
    through((call) =>
      hidden && call.method === "eth_getTransactionReceipt" ? { answer: null } : undefined,
    );
    const gateway = await lane({ resendMs: 50 });
    gateway.start("lanes");
    const ids = await submit(gateway);
    const refused = await until("the node refuses the bytes that it has mined", async () => {
      const [row] = await bench.sql<
        { last_error: string | null; tries: number }[]
      >`select last_error, tries from sends where id = ${ids[0] as bigint} and tries > 1 and last_error is not null`;
      return row;
    });
    expect(refused.last_error).to.match(/nonce/i);
    hidden = false;
    const [row] = (await settled(ids)) as [Row];
    expect([row.status, await timesOnChain(row), new Set(rawsOf(row)).size]).to.deep.equal([
      "mined",
      1,
      1,
    ]);
  });

  it("while the node is down sends wait, and when it is back each is done once", async () => {
    let down = true;
    through(() => (down ? "cut" : undefined));
    const gateway = await lane();
    gateway.start("lanes");
    const ids = await submit(gateway, 5);
    await until("every one was tried in vain", async () =>
      (await rows(ids)).every((row) => row.tries > 0),
    );
    expect((await rows(ids)).every((row) => row.status === "pending")).to.equal(true);
    down = false;
    const done = await settled(ids);
    const inputs = await onChain();
    for (const row of done)
      expect([row.status, inputs.filter((input) => input === row.data).length]).to.deep.equal([
        "mined",
        1,
      ]);
  });

  it("two processes on one database use no nonce twice, and every send is one transaction in the order of its queue", async () => {
    const both = [await lane(), await lane()];
    for (const gateway of both) gateway.start("lanes");
    const batches = await Promise.all(
      Array.from({ length: 8 }, (_, i) => submit(both[i % 2] as Process, 5)),
    );
    const done = await settled(batches.flat());
    const nonces = done.map((row) => Number(row.nonce));
    expect(new Set(nonces).size).to.equal(40);
    expect(Math.max(...nonces) - Math.min(...nonces)).to.equal(39);
    const inputs = await onChain();
    for (const row of done) expect(inputs.filter((input) => input === row.data)).to.have.length(1);
    for (const batch of batches) {
      const order = (await rows(batch)).map((row) => Number(row.nonce));
      expect(order, "those of one transaction of the queue, in order").to.deep.equal(
        [...order].sort((a, b) => a - b),
      );
    }
  });

  it("sends go to the chain in the order in which they were queued", async () => {
    const gateway = await lane({ window: 4 });
    const ids = await submit(gateway, 30);
    gateway.start("lanes");
    const done = await settled(ids);
    expect((await onChain()).slice(-30)).to.deep.equal(done.map((row) => row.data));
  });

  it("no more sends are in flight than the window allows", async () => {
    const most = { out: 0 };
    let held = true;
    through(async (call) => {
      if (call.method === "eth_sendRawTransaction") {
        const [row] = await bench.sql<
          { out: bigint }[]
        >`select count(*) as out from sends where status = 'pending'`;
        most.out = Math.max(most.out, Number(row?.out));
      }
      return held && call.method === "eth_getTransactionReceipt" ? { answer: null } : undefined;
    });
    // two processes at once, because the window belongs to the lane, not to a process
    const both = [await lane({ window: 3 }), await lane({ window: 3 })] as const;
    const ids = await submit(both[0], 12);
    for (const gateway of both) gateway.start("lanes");
    await until(
      "the window is full",
      async () => (await rows(ids)).filter((row) => row.tries > 0).length === 3,
    );
    const asked = bench.proxy.seen.length;
    await until(
      "they have looked for receipts many times more",
      () => bench.proxy.seen.length > asked + 30,
    );
    expect((await rows(ids)).map((row) => row.status)).to.deep.equal([
      ..."pending ".repeat(3).trim().split(" "),
      ..."queued ".repeat(9).trim().split(" "),
    ]);
    held = false;
    await settled(ids);
    expect(most.out).to.equal(3);
  });

  it("a reverted transaction is reported once, with the contract's reason, and the sends after it continue", async () => {
    const registry = new Interface(["function setStanding(uint32 index, uint8 standing)"]);
    const data = registry.encodeFunctionData("setStanding", [1, 2]);
    const both = [await lane(), await lane()] as const;
    const bad = await bench.sql.begin((tx) =>
      both[0].lanes.submit(tx, RELAY_LANE, { to: bench.deployment.registry, data, gas: 300_000n }),
    );
    const good = await submit(both[0]);
    for (const gateway of both) gateway.start("lanes");
    const [failed, mined] = (await settled([bad, ...good])) as [Row, Row];
    expect([failed.status, mined.status]).to.deep.equal(["failed", "mined"]);
    // both processes have seen the receipt, and after they end they have finished all work on it
    for (const gateway of both) await gateway.end();
    const reports = failures.filter((failure) => failure.send === bad);
    expect(reports).to.have.length(1);
    expect(revertReason(reports[0]?.reason ?? "")).to.deep.equal({
      name: "AccessManagedUnauthorized",
      args: [address],
    });
  });

  it("a transaction that was reverted without a reason does not block the lane", async () => {
    const gateway = await bench.process();
    started.push(gateway);
    gateway.start("lanes");
    const selector = new Interface(InvoiceLedger__factory.abi).getFunction("act")
      ?.selector as string;
    const bad = await bench.sql.begin((tx) =>
      gateway.lanes.submit(tx, RELAY_LANE, {
        to: bench.deployment.ledger,
        data: `${selector}ffff`,
        gas: 300_000n,
      }),
    );
    const done = await settled([bad, ...(await submit(gateway, 2))]);
    expect(done.map((row) => row.status)).to.deep.equal(["failed", "mined", "mined"]);
  });

  it("a transaction that ran out of gas fails without a reason", async () => {
    const data = new Interface(["function setClosed(bool)"]).encodeFunctionData("setClosed", [
      true,
    ]);
    const gateway = await lane();
    gateway.start("lanes");
    const bad = await bench.sql.begin((tx) =>
      gateway.lanes.submit(tx, RELAY_LANE, { to: bench.deployment.ledger, data, gas: 22_000n }),
    );
    const [row] = (await settled([bad])) as [Row];
    expect(row.status).to.equal("failed");
    expect(failures.filter((failure) => failure.send === bad)).to.have.length(1);
  });

  it("a send counts as mined when its block has the network's final depth, not earlier", async () => {
    const depth = 6;
    let early = 0;
    const gateway = await lane({ finalityDepth: depth });
    gateway.start("lanes");
    const ids = await submit(gateway);
    const row = await until("it is mined", async () => {
      const head = await bench.node.head();
      const [now] = (await rows(ids)) as [Row];
      if (now.status !== "mined") return undefined;
      if (Number(now.block) > head - depth) early += 1;
      return now;
    });
    const [receipt] = await bench.node.receipts([row.hash as string]);
    expect([early, Number(row.block)]).to.deep.equal([0, receipt?.block]);
    expect(row.tries, "sent once, although it waited").to.equal(1);
  });

  it("a send queued in a transaction that is rolled back is never sent", async () => {
    const gateway = await lane();
    gateway.start("lanes");
    const data = "0xdeadbeef";
    const thrown = await bench.sql
      .begin(async (tx) => {
        await gateway.lanes.submit(tx, RELAY_LANE, { to: target, data, gas: 30_000n });
        throw new Error("rolled back");
      })
      .catch((cause: Error) => cause.message);
    expect(thrown).to.equal("rolled back");
    await settled(await submit(gateway));
    expect(await onChain()).to.not.include(data);
  });

  it("200 sends over a network with lost, doubled and false answers, and two processes of which one dies: each is one transaction", async () => {
    const next = random(20_260_711);
    const faults = { count: 0 };
    through((call) => {
      const roll = next();
      const fault = ((): Fault | undefined => {
        if (call.method === "eth_sendRawTransaction") {
          if (roll < 0.08) return "cut";
          if (roll < 0.16) return "lose";
          if (roll < 0.21) return { deny: "already known" };
          if (roll < 0.26) return { refuse: "nonce too low" };
          if (roll < 0.31) return { refuse: "replacement transaction underpriced" };
          if (roll < 0.36) return "double";
          if (roll < 0.4) return { delayMs: 30 };
          if (roll < 0.43) return { status: 503 };
        } else if (roll < 0.01) return "cut";
        else if (call.method === "eth_blockNumber" && roll < 0.1) return { answer: "0x1" };
        else if (call.method === "eth_getTransactionReceipt" && roll < 0.06)
          return { answer: null };
        return undefined;
      })();
      if (fault !== undefined) faults.count += 1;
      return fault;
    });
    const nonceBefore = await bench.node.nonce(address);
    const options = { resendMs: 60, window: 16 };
    const [dying, staying] = [await lane(options), await lane(options)];
    dying.start("lanes");
    staying.start("lanes");
    const batches = await Promise.all(Array.from({ length: 20 }, () => submit(staying, 10)));
    const ids = batches.flat();
    await until(
      "a part is done",
      async () => (await rows(ids)).filter((row) => row.status === "mined").length > 40,
      30_000,
    );
    await dying.crash();
    const another = await lane(options);
    another.start("lanes");
    const done = await settled(ids, 40_000);

    expect(done.filter((row) => row.status === "mined")).to.have.length(200);
    expect((await bench.node.nonce(address)) - nonceBefore).to.equal(200);
    const inputs = (await onChain()).slice(-200);
    expect([...inputs].sort()).to.deep.equal(done.map((row) => row.data).sort());
    expect(inputs).to.deep.equal(
      done.sort((a, b) => Number(a.nonce) - Number(b.nonce)).map((row) => row.data),
    );
    for (const row of done) expect(new Set(rawsOf(row)).size, "signed once").to.equal(1);
    expect(faults.count).to.be.greaterThan(50);
  });

  it("in all these tests each raw transaction was stored before it was sent, and the key has as many transactions as there are sends", async () => {
    expect(unwritten).to.deep.equal([]);
    expect(broadcasts).to.be.greaterThan(300);
    const [row] = await (bench.sql as Sql)<
      { sends: bigint }[]
    >`select count(*) as sends from sends where lane = ${RELAY_LANE}`;
    expect(await bench.node.nonce(address)).to.equal(Number(row?.sends));
  });
});
