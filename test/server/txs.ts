/** The lanes under faults: whatever the node answers and whenever a process dies, a send is one transaction, and it is done once. */
import { expect } from "chai";
import { Interface, Transaction, Wallet } from "ethers";
import { RELAY_LANE } from "../../server/acts/dispatcher.ts";
import { sendFailed } from "../../server/acts/outcomes.ts";
import { revertReason } from "../../server/chain/contracts.ts";
import type { Sql } from "../../server/db/db.ts";
import { cancelSend } from "../../server/txs/lanes.ts";
import { InvoiceLedger__factory } from "../../types/ethers-contracts/factories/contracts/InvoiceLedger__factory.ts";
import { type Bench, claimBy, enrolled, holder, openBench, type Process, type ProcessOptions, sealed } from "./support/bench.ts";
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
  /** Raw transactions that went out without being written, over all tests of this file. */
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
    for (const one of started.splice(0)) await one.end();
  });

  /** What passes is looked at first: nonce, bytes and hash must be in the database before the node sees them. */
  function through(rule: Rule | undefined) {
    bench.proxy.rule = async (call) => {
      if (call.method === "eth_sendRawTransaction") {
        const raw = call.params[0] as string;
        const { nonce, hash } = Transaction.from(raw);
        const [row] = await bench.sql`select 1 from sends where raw = ${raw} and nonce = ${nonce} and hash = ${hash} and status <> 'queued'`;
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
  /** A process of which the lanes alone are used; it is ended after the test. */
  async function lane(options: ProcessOptions = {}): Promise<Process> {
    const failed = async (_tx: unknown, send: bigint, reason: string) => void failures.push({ send, reason });
    const one = await bench.process({ ...options, failed });
    started.push(one);
    return one;
  }

  /** Queues so many sends, each with calldata of its own. */
  const submit = (via: Process, count = 1): Promise<bigint[]> =>
    bench.sql.begin(async (tx) => {
      const ids: bigint[] = [];
      for (let i = 0; i < count; i++) {
        serial += 1;
        ids.push(await via.lanes.submit(tx, RELAY_LANE, { to: target, data: `0x${"5e".repeat(12)}${serial.toString(16).padStart(8, "0")}`, gas: 30_000n }));
      }
      return ids;
    });
  const rows = (ids: bigint[]): Promise<Row[]> => bench.sql<Row[]>`select * from sends where id = any(${ids.map(String)}::bigint[]) order by id`;
  async function settled(ids: bigint[], deadlineMs?: number): Promise<Row[]> {
    const open = () => bench.sql`select 1 from sends where id = any(${ids.map(String)}::bigint[]) and status in ('queued', 'pending') limit 1`;
    await until("every send has its outcome", async () => (await open()).length === 0, deadlineMs);
    return rows(ids);
  }

  const seen: { nonce: number; input: string }[] = [];
  /** Calldata of this key's transactions on the chain, in the order of their nonces. */
  async function onChain(): Promise<string[]> {
    const head = await bench.node.head();
    const numbers = Array.from({ length: head - lastBlock }, (_, i) => `0x${(lastBlock + 1 + i).toString(16)}`);
    if (numbers.length === 0) return seen.map((one) => one.input);
    lastBlock = head;
    for (const block of await rpcs(
      "eth_getBlockByNumber",
      numbers.map((number) => [number, true]),
    )) {
      const { transactions } = block as { transactions: { from: string; nonce: string; input: string }[] };
      for (const one of transactions) if (one.from === address.toLowerCase()) seen.push({ nonce: Number(one.nonce), input: one.input });
    }
    return seen.sort((a, b) => a.nonce - b.nonce).map((one) => one.input);
  }
  async function rpcs(method: string, calls: unknown[][]): Promise<unknown[]> {
    const body = JSON.stringify(calls.map((params, id) => ({ jsonrpc: "2.0", id, method, params })));
    const answer = await fetch(bench.rpcUrl, { method: "POST", body, headers: { "content-type": "application/json" } });
    return ((await answer.json()) as { result: unknown }[]).map((one) => one.result);
  }
  const timesOnChain = async (row: Row) => (await onChain()).filter((input) => input === row.data).length;
  /** Bytes that went out for a send: those with its calldata. */
  const rawsOf = (row: Row) => bench.proxy.raws().filter((raw) => raw.includes(row.data.slice(2)));

  it("a send that was written when the process died goes out from the next process with the same bytes, once", async () => {
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

  it("a send that the node refused to hear of when the process ended is sent on by the next process, with the same bytes", async () => {
    through(onBroadcast(() => "cut"));
    const one = await lane();
    one.start("lanes");
    const ids = await submit(one);
    await until("it was tried", async () => ((await rows(ids))[0] as Row).tries > 0);
    await one.end();
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
      const one = await lane();
      one.start("lanes");
      const before = await bench.node.nonce(address);
      const ids = await submit(one);
      const [row] = (await settled(ids)) as [Row];
      expect(row.status).to.equal("mined");
      expect(new Set(rawsOf(row)), "never signed anew").to.deep.equal(new Set([row.raw]));
      // a send after it takes the next nonce, so nothing was burnt meanwhile
      const [after] = (await settled(await submit(one))) as [Row];
      expect(Number(after.nonce)).to.equal(Number(row.nonce) + 1);
      expect([await bench.node.nonce(address), await timesOnChain(row)]).to.deep.equal([before + 2, 1]);
    });
  }

  it("a transaction that is mined but whose receipt stays away is sent again as it is, and the node's true 'nonce too low' does no harm", async () => {
    let hidden = true;
    through((call) => (hidden && call.method === "eth_getTransactionReceipt" ? { answer: null } : undefined));
    const one = await lane({ resendMs: 50 });
    one.start("lanes");
    const ids = await submit(one);
    const refused = await until("the node refuses the bytes that it has mined", async () => {
      const [row] = await bench.sql<
        { last_error: string | null; tries: number }[]
      >`select last_error, tries from sends where id = ${ids[0] as bigint} and tries > 1 and last_error is not null`;
      return row;
    });
    expect(refused.last_error).to.match(/nonce/i);
    hidden = false;
    const [row] = (await settled(ids)) as [Row];
    expect([row.status, await timesOnChain(row), new Set(rawsOf(row)).size]).to.deep.equal(["mined", 1, 1]);
  });

  it("while the node is down sends wait, and when it is back each is done once", async () => {
    let down = true;
    through(() => (down ? "cut" : undefined));
    const one = await lane();
    one.start("lanes");
    const ids = await submit(one, 5);
    await until("every one was tried in vain", async () => (await rows(ids)).every((row) => row.tries > 0));
    expect((await rows(ids)).every((row) => row.status === "pending")).to.equal(true);
    down = false;
    const done = await settled(ids);
    const inputs = await onChain();
    for (const row of done) expect([row.status, inputs.filter((input) => input === row.data).length]).to.deep.equal(["mined", 1]);
  });

  it("two processes on one database give no nonce twice, and every send is one transaction in the order of its queue", async () => {
    const both = [await lane(), await lane()];
    for (const one of both) one.start("lanes");
    const batches = await Promise.all(Array.from({ length: 8 }, (_, i) => submit(both[i % 2] as Process, 5)));
    const done = await settled(batches.flat());
    const nonces = done.map((row) => Number(row.nonce));
    expect(new Set(nonces).size).to.equal(40);
    expect(Math.max(...nonces) - Math.min(...nonces)).to.equal(39);
    const inputs = await onChain();
    for (const row of done) expect(inputs.filter((input) => input === row.data)).to.have.length(1);
    for (const batch of batches) {
      const order = (await rows(batch)).map((row) => Number(row.nonce));
      expect(order, "those of one transaction of the queue, in order").to.deep.equal([...order].sort((a, b) => a - b));
    }
  });

  it("sends go to the chain in the order in which they were queued", async () => {
    const one = await lane({ window: 4 });
    const ids = await submit(one, 30);
    one.start("lanes");
    const done = await settled(ids);
    expect((await onChain()).slice(-30)).to.deep.equal(done.map((row) => row.data));
  });

  it("no more sends are in flight than the window allows", async () => {
    const most = { out: 0 };
    let held = true;
    through(async (call) => {
      if (call.method === "eth_sendRawTransaction") {
        const [row] = await bench.sql<{ out: bigint }[]>`select count(*) as out from sends where status = 'pending'`;
        most.out = Math.max(most.out, Number(row?.out));
      }
      return held && call.method === "eth_getTransactionReceipt" ? { answer: null } : undefined;
    });
    // two at once, for the window is the lane's, not a process's
    const both = [await lane({ window: 3 }), await lane({ window: 3 })] as const;
    const ids = await submit(both[0], 12);
    for (const one of both) one.start("lanes");
    await until("the window is full", async () => (await rows(ids)).filter((row) => row.tries > 0).length === 3);
    const asked = bench.proxy.seen.length;
    await until("they have looked for receipts many times more", () => bench.proxy.seen.length > asked + 30);
    expect((await rows(ids)).map((row) => row.status)).to.deep.equal([..."pending ".repeat(3).trim().split(" "), ..."queued ".repeat(9).trim().split(" ")]);
    held = false;
    await settled(ids);
    expect(most.out).to.equal(3);
  });

  it("a reverted transaction is told once, with the contract's reason, and the sends after it go on", async () => {
    const registry = new Interface(["function setStanding(uint32 index, uint8 standing)"]);
    const data = registry.encodeFunctionData("setStanding", [1, 2]);
    const both = [await lane(), await lane()] as const;
    const bad = await bench.sql.begin((tx) => both[0].lanes.submit(tx, RELAY_LANE, { to: bench.deployment.registry, data, gas: 300_000n }));
    const good = await submit(both[0]);
    for (const one of both) one.start("lanes");
    const [failed, mined] = (await settled([bad, ...good])) as [Row, Row];
    expect([failed.status, mined.status]).to.deep.equal(["failed", "mined"]);
    // both processes have seen the receipt: whatever they do with it is done when they have ended
    for (const one of both) await one.end();
    const told = failures.filter((one) => one.send === bad);
    expect(told).to.have.length(1);
    expect(revertReason(told[0]?.reason ?? "")).to.deep.equal({ name: "AccessManagedUnauthorized", args: [address] });
  });

  it("a transaction that was reverted without a word does not hold up the lane", async () => {
    const one = await bench.process();
    started.push(one);
    one.start("lanes");
    const selector = new Interface(InvoiceLedger__factory.abi).getFunction("act")?.selector as string;
    const bad = await bench.sql.begin((tx) => one.lanes.submit(tx, RELAY_LANE, { to: bench.deployment.ledger, data: `${selector}ffff`, gas: 300_000n }));
    const done = await settled([bad, ...(await submit(one, 2))]);
    expect(done.map((row) => row.status)).to.deep.equal(["failed", "mined", "mined"]);
  });

  it("a transaction that ran out of gas has failed without a reason", async () => {
    const data = new Interface(["function setClosed(bool)"]).encodeFunctionData("setClosed", [true]);
    const one = await lane();
    one.start("lanes");
    const bad = await bench.sql.begin((tx) => one.lanes.submit(tx, RELAY_LANE, { to: bench.deployment.ledger, data, gas: 22_000n }));
    const [row] = (await settled([bad])) as [Row];
    expect(row.status).to.equal("failed");
    expect(failures.filter((failure) => failure.send === bad)).to.have.length(1);
  });

  it("a send is mined when its block is as deep as the network calls final, not before", async () => {
    const depth = 6;
    let early = 0;
    const one = await lane({ finalityDepth: depth });
    one.start("lanes");
    const ids = await submit(one);
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

  it("what is queued in a transaction that is rolled back is never sent", async () => {
    const one = await lane();
    one.start("lanes");
    const data = "0xdeadbeef";
    const thrown = await bench.sql
      .begin(async (tx) => {
        await one.lanes.submit(tx, RELAY_LANE, { to: target, data, gas: 30_000n });
        throw new Error("rolled back");
      })
      .catch((cause: Error) => cause.message);
    expect(thrown).to.equal("rolled back");
    await settled(await submit(one));
    expect(await onChain()).to.not.include(data);
  });

  it("200 sends over a network that loses, doubles and lies, with two processes of which one dies: each is one transaction", async () => {
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
        else if (call.method === "eth_getTransactionReceipt" && roll < 0.06) return { answer: null };
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
    await until("a part is done", async () => (await rows(ids)).filter((row) => row.status === "mined").length > 40, 30_000);
    await dying.crash();
    const another = await lane(options);
    another.start("lanes");
    const done = await settled(ids, 40_000);

    expect(done.filter((row) => row.status === "mined")).to.have.length(200);
    expect((await bench.node.nonce(address)) - nonceBefore).to.equal(200);
    const inputs = (await onChain()).slice(-200);
    expect([...inputs].sort()).to.deep.equal(done.map((row) => row.data).sort());
    expect(inputs).to.deep.equal(done.sort((a, b) => Number(a.nonce) - Number(b.nonce)).map((row) => row.data));
    for (const row of done) expect(new Set(rawsOf(row)).size, "signed once").to.equal(1);
    expect(faults.count).to.be.greaterThan(50);
  });

  it("in all of this no raw transaction went out that was not written before, and the key has as many transactions as there are sends", async () => {
    expect(unwritten).to.deep.equal([]);
    expect(broadcasts).to.be.greaterThan(300);
    const [row] = await (bench.sql as Sql)<{ sends: bigint }[]>`select count(*) as sends from sends where lane = ${RELAY_LANE}`;
    expect(await bench.node.nonce(address)).to.equal(Number(row?.sends));
  });
});

describe("a send and what the node says of it", () => {
  let bench: Bench;
  let address: string;
  const failures: { send: bigint; reason: string }[] = [];
  const target = `0x${"cd".repeat(20)}`;
  const started: Process[] = [];

  before(async () => {
    bench = await openBench();
    address = (await bench.process()).relay.address;
  });
  after(() => bench.close());
  beforeEach(() => {
    failures.length = 0;
    bench.proxy.seen.length = 0;
  });
  afterEach(async () => {
    bench.proxy.rule = undefined;
    for (const one of started.splice(0)) await one.end();
  });

  async function lane(options: ProcessOptions = {}): Promise<Process> {
    const failed = async (_tx: unknown, send: bigint, reason: string) => void failures.push({ send, reason });
    const one = await bench.process({ resendMs: 60, failed, ...options });
    started.push(one);
    return one;
  }
  const submit = (via: Process, ...datas: string[]): Promise<bigint[]> =>
    bench.sql.begin(async (tx) => {
      const ids: bigint[] = [];
      for (const data of datas) ids.push(await via.lanes.submit(tx, RELAY_LANE, { to: target, data, gas: 40_000n }));
      return ids;
    });
  type Told = Row & { fault: string | null; reason: string | null; errors: number; retry: number; last_error: string | null; cancel_raw: string | null };
  const row = async (id: bigint): Promise<Told> =>
    (await bench.sql<Told[]>`select *, coalesce(extract(epoch from retry_at - sent_at)::float8 * 1000, 0) as retry from sends where id = ${id}`)[0] as Told;
  const over = (id: bigint, deadlineMs?: number) =>
    until(
      "the send has its outcome",
      async () => {
        const one = await row(id);
        return one.status === "mined" || one.status === "failed" ? one : undefined;
      },
      deadlineMs,
    );
  const offered = (data: string) => bench.proxy.raws().filter((raw) => Transaction.from(raw).data === data);
  const onBroadcast =
    (fault: (sent: Transaction) => Fault | undefined): Rule =>
    (call) =>
      call.method === "eth_sendRawTransaction" ? fault(Transaction.from(call.params[0] as string)) : undefined;
  const relayOf = (one: Process) => one.lanes.state().find(({ name }) => name === RELAY_LANE);

  it("rejected: the same bytes are offered ever more slowly, the lane says what is in its way, and goes on when the node takes them", async () => {
    const words: string[] = [];
    const one = await lane({ answered: (word) => words.push(word) });
    bench.proxy.rule = onBroadcast(() => ({ refuse: "Sender account not authorized to send transactions" }));
    const [id] = (await submit(one, "0xa1")) as [bigint];
    one.start("lanes");
    const told = await until("it was rejected three times", async () => {
      const now = await row(id);
      return now.errors >= 3 ? now : undefined;
    });
    expect(told).to.include({ status: "pending", fault: "rejected", reason: "not-permitted", tries: told.errors, retry: 1_000 * 2 ** (told.errors - 1) });
    const state = await until("the lane says so", () => (relayOf(one)?.blocked ? relayOf(one) : undefined));
    expect(state).to.deep.include({ held: true, queued: 0, pending: 1 });
    expect(state.blocked).to.deep.include({ send: id, reason: "not-permitted" });
    expect(new Set(words)).to.deep.equal(new Set(["rejected"]));
    bench.proxy.rule = undefined;
    const done = await over(id);
    expect([done.status, done.fault, done.reason, new Set(offered("0xa1")).size]).to.deep.equal(["mined", null, null, 1]);
    await until("nothing is in its way any more", () => relayOf(one)?.blocked === undefined);
  });

  it("down: one of the sends that wait is offered at a time, and all go when the node serves again", async () => {
    const one = await lane();
    let offers = 0;
    bench.proxy.rule = onBroadcast(() => {
      offers += 1;
      return { refuse: "Initial sync is still in progress" };
    });
    const ids = await submit(one, "0xb1", "0xb2", "0xb3", "0xb4");
    one.start("lanes");
    await until("the node has said so a few times", () => offers >= 3);
    const now = await Promise.all(ids.map(row));
    expect(now.map(({ tries }) => tries > 0)).to.deep.equal([true, false, false, false]);
    expect(now[0]).to.include({ fault: "down", reason: "syncing" });
    bench.proxy.rule = undefined;
    for (const id of ids) expect((await over(id)).status).to.equal("mined");
  });

  it("landed, says a node that has nothing: the send waits and is offered again, and is not given up", async () => {
    const one = await lane();
    let offers = 0;
    bench.proxy.rule = onBroadcast(() => {
      offers += 1;
      return { refuse: "nonce too low" };
    });
    const since = performance.now();
    const [id] = (await submit(one, "0xc1")) as [bigint];
    one.start("lanes");
    await until("it has been said for long enough", () => offers > 5 && performance.now() - since > 3_000);
    expect(await row(id)).to.include({ status: "pending", fault: "landed", reason: "nonce-used" });
    bench.proxy.rule = undefined;
    expect((await over(id)).status).to.equal("mined");
    expect(failures).to.deep.equal([]);
  });

  it("a node that has lost its pool gets the same bytes once more", async () => {
    const one = await lane();
    let swallowed = 0;
    bench.proxy.rule = onBroadcast((sent) => {
      if (swallowed > 0) return undefined;
      swallowed += 1;
      return { answer: sent.hash };
    });
    const [id] = (await submit(one, "0xd1")) as [bigint];
    one.start("lanes");
    const done = await over(id);
    expect(done.status).to.equal("mined");
    expect(done.tries).to.be.at.least(2);
    expect(new Set(offered("0xd1")).size).to.equal(1);
  });

  it("a count of the account that is too high gives up nothing that the node knows", async () => {
    const one = await lane();
    let counted = 0;
    bench.proxy.rule = (call) => {
      if (call.method === "eth_getTransactionCount") counted += 1;
      if (call.method === "eth_getTransactionCount") return { answer: "0xffff" };
      if (call.method === "eth_getTransactionReceipt") return { answer: null };
      return call.method === "eth_sendRawTransaction" ? { deny: "nonce too low" } : undefined;
    };
    const since = performance.now();
    const [id] = (await submit(one, "0xe1")) as [bigint];
    one.start("lanes");
    await until("it has been said for long enough", () => counted > 5 && performance.now() - since > 3_000);
    expect((await row(id)).status).to.equal("pending");
    bench.proxy.rule = undefined;
    expect((await over(id)).status).to.equal("mined");
    expect(failures).to.deep.equal([]);
  });

  it("a send that the node will never take can be cancelled: the no-op lands in its stead, is told once, and the lane goes on", async () => {
    const both = [await lane(), await lane()] as const;
    bench.proxy.rule = onBroadcast((sent) => (sent.data === "0xf1" ? { refuse: "Transaction gas limit exceeds block gas limit" } : undefined));
    const [bad, good] = (await submit(both[0], "0xf1", "0xf2")) as [bigint, bigint];
    const deps = { sql: bench.sql, keys: bench.keys, chainId: 31_337 };
    expect(await cancelSend(deps, bad), "it has no nonce yet").to.deep.equal({ outcome: "not-pending" });
    for (const one of both) one.start("lanes");
    const { nonce } = await until("it is rejected", async () => ((await row(bad)).fault === "rejected" ? row(bad) : undefined));
    expect((await row(good)).status, "it waits for the one before it").to.equal("pending");
    // the operator's command is written, and the processes die before they hear of it
    for (const one of both) await one.stop();
    expect(await cancelSend(deps, bad)).to.deep.equal({ outcome: "asked", lane: RELAY_LANE, nonce });
    expect(await cancelSend(deps, bad)).to.deep.equal({ outcome: "asked-before", lane: RELAY_LANE, nonce });
    for (const one of both) one.start("lanes");
    const [cancelled, done] = [await over(bad), await over(good)];
    expect([cancelled.status, cancelled.last_error, done.status]).to.deep.equal(["failed", "cancelled", "mined"]);
    for (const one of both.slice()) await one.stop();
    expect(failures).to.deep.equal([{ send: bad, reason: "cancelled" }]);
    expect(await bench.node.receipts([cancelled.hash as string])).to.deep.equal([undefined]);
    expect(await cancelSend(deps, bad)).to.deep.equal({ outcome: "not-pending" });
    expect(await cancelSend(deps, 999_999n)).to.deep.equal({ outcome: "unknown" });
  });

  it("a send that has landed although it was cancelled counts, and its no-op never lands", async () => {
    const one = await lane();
    let hidden = true;
    bench.proxy.rule = (call) => {
      if (call.method === "eth_getTransactionReceipt" && hidden) return { answer: null };
      return call.method === "eth_sendRawTransaction" && hidden ? { deny: "exceeds block gas limit" } : undefined;
    };
    const before = await bench.node.nonce(address);
    const [id] = (await submit(one, "0xf8")) as [bigint];
    one.start("lanes");
    const { hash } = await until("it is said to be rejected", async () => ((await row(id)).fault === "rejected" ? row(id) : undefined));
    await until("it has landed all the same", async () => (await bench.node.receipts([hash as string]))[0]);
    expect((await cancelSend({ sql: bench.sql, keys: bench.keys, chainId: 31_337 }, id)).outcome).to.equal("asked");
    await until("the no-op was offered", () => offered("0x").length > 0);
    hidden = false;
    expect(await over(id)).to.include({ status: "mined", last_error: null });
    expect([failures.length, await bench.node.nonce(address)]).to.deep.equal([0, before + 1]);
  });
});

describe("a nonce that somebody else has used", () => {
  let bench: Bench;
  let wallet: Wallet;
  before(async () => {
    bench = await openBench();
    // a sending key of which there is a copy elsewhere
    wallet = new Wallet(Wallet.createRandom().privateKey);
    await bench.keys.take(bench.sql, wallet.privateKey);
    await bench.sql`insert into lanes (name, address, base_nonce) values (${RELAY_LANE}, ${wallet.address}, 0)`;
  });
  after(() => bench.close());

  async function elsewhere(count: number): Promise<void> {
    const from = await bench.node.nonce(wallet.address);
    for (let nonce = from; nonce < from + count; nonce++) {
      const fields = { type: 0, chainId: 31_337, nonce, gasPrice: 0n, gasLimit: 21_000n, to: wallet.address };
      await bench.node.broadcast(await wallet.signTransaction(fields));
    }
    await until("they are mined", async () => (await bench.node.nonce(wallet.address)) === from + count);
  }

  it("does not hold up the lane: what it was for goes out anew and is done once, under nonces beyond the chain's", async () => {
    const told: string[] = [];
    const options: ProcessOptions = {
      resendMs: 100,
      failed: async (tx, send, reason) => {
        told.push(`${send} ${reason}`);
        await sendFailed(tx, send, reason);
      },
    };
    const both = [await bench.process(options), await bench.process(options)] as const;
    for (const one of both) one.start();
    const issuer = await enrolled(bench, both[0], ["issuer"]);
    const employer = await enrolled(bench, both[0], ["employer"]);
    const who = await holder(bench);
    const numbers = await sealed(bench, both[0], issuer, { holder: who.address }, 2);
    for (const one of both) await one.stop();
    await elsewhere(3);
    const used = await bench.node.nonce(wallet.address);
    for (const one of both) one.start();
    const claims = await bench.queue(...numbers.map((number) => claimBy(who, employer, number)));
    await bench.done(...claims);
    expect(told.length, "each told once").to.equal(new Set(told).size);
    expect(told.length).to.be.at.least(1);
    expect(told.every((line) => line.endsWith(" superseded"))).to.equal(true);
    const claimed = (await bench.events()).filter((event) => event.name === "Claimed").map((event) => String(event.args["id"]));
    expect(claimed.sort()).to.deep.equal([...numbers].sort());
    const [lane] = await bench.sql<{ base_nonce: bigint }[]>`select base_nonce from lanes where name = ${RELAY_LANE}`;
    expect(Number(lane?.base_nonce)).to.be.at.least(used);
    const [last] = await bench.sql<{ nonce: bigint }[]>`select nonce from sends where lane = ${RELAY_LANE} and status = 'mined' order by nonce desc limit 1`;
    expect(Number(last?.nonce)).to.be.at.least(used);
  });

  it("and so does a database that was restored from before its last sends", async () => {
    const one = await bench.process({ resendMs: 100, failed: async () => {} });
    const gas = 40_000n;
    let work = 0;
    const submit = () => {
      work += 1;
      return bench.sql.begin((tx) => one.lanes.submit(tx, RELAY_LANE, { to: wallet.address, data: `0x0a0${work}`, gas }));
    };
    one.start("lanes");
    const lost = [await submit(), await submit(), await submit()];
    const status = async (id: bigint) => (await bench.sql<{ status: string }[]>`select status from sends where id = ${id}`)[0]?.status;
    for (const id of lost) await until("it is mined", async () => (await status(id)) === "mined");
    await one.stop();
    // what an older backup has of them: nothing
    await bench.sql`delete from sends where id = any(${lost.map(String)}::bigint[])`;
    one.start("lanes");
    const after = [await submit(), await submit()];
    for (const id of after) await until("its nonce was gone", async () => (await status(id)) === "failed");
    const next = await submit();
    await until("the next one lands", async () => (await status(next)) === "mined");
    const chain = await bench.node.nonce(wallet.address);
    const [row] = await bench.sql<{ nonce: bigint }[]>`select nonce from sends where id = ${next}`;
    expect(Number(row?.nonce)).to.equal(chain - 1);
  });
});
