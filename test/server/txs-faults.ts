/**
 * A lane's reaction to each word of chain/faults.ts, to an operator's command, and to a nonce that
 * is used up.
 */
import { expect } from "chai";
import { Transaction, Wallet } from "ethers";
import { sendFailed } from "../../server/acts/outcomes.ts";
import { RELAY_LANE } from "../../server/acts/sending.ts";
import { cancelSend } from "../../server/txs/cancelling.ts";
import {
  type Bench,
  claimBy,
  enrolled,
  holder,
  openBench,
  type Process,
  type ProcessOptions,
  sealed,
} from "./support/bench.ts";
import { type Fault, type Rule, until } from "./support/proxy.ts";

describe("a send and the node's answers to it", () => {
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
    for (const gateway of started.splice(0)) await gateway.end();
  });

  async function lane(options: ProcessOptions = {}): Promise<Process> {
    const failed = async (_tx: unknown, send: bigint, reason: string) =>
      void failures.push({ send, reason });
    const gateway = await bench.process({ resendMs: 60, failed, ...options });
    started.push(gateway);
    return gateway;
  }
  const submit = (via: Process, ...datas: string[]): Promise<bigint[]> =>
    bench.sql.begin(async (tx) => {
      const ids: bigint[] = [];
      for (const data of datas)
        ids.push(await via.lanes.submit(tx, RELAY_LANE, { to: target, data, gas: 40_000n }));
      return ids;
    });
  type Row = {
    id: bigint;
    status: string;
    nonce: bigint | null;
    raw: string | null;
    hash: string | null;
    tries: number;
    fault: string | null;
    reason: string | null;
    errors: number;
    retry: number;
    last_error: string | null;
    cancel_raw: string | null;
  };
  const row = async (id: bigint): Promise<Row> =>
    (
      await bench.sql<
        Row[]
      >`select *, coalesce(extract(epoch from retry_at - sent_at)::float8 * 1000, 0) as retry from sends where id = ${id}`
    )[0] as Row;
  const over = (id: bigint, deadlineMs?: number) =>
    until(
      "the send has its outcome",
      async () => {
        const send = await row(id);
        return send.status === "mined" || send.status === "failed" ? send : undefined;
      },
      deadlineMs,
    );
  const offered = (data: string) =>
    bench.proxy.raws().filter((raw) => Transaction.from(raw).data === data);
  const onBroadcast =
    (fault: (sent: Transaction) => Fault | undefined): Rule =>
    (call) =>
      call.method === "eth_sendRawTransaction"
        ? fault(Transaction.from(call.params[0] as string))
        : undefined;
  const relayOf = (gateway: Process) =>
    gateway.lanes.state().find(({ name }) => name === RELAY_LANE);

  it("rejected: the lane offers the same bytes at growing intervals, reports its obstacle, and continues when the node accepts them", async () => {
    const words: string[] = [];
    const gateway = await lane({ answered: (word) => words.push(word) });
    bench.proxy.rule = onBroadcast(() => ({
      refuse: "Sender account not authorized to send transactions",
    }));
    const [id] = (await submit(gateway, "0xa1")) as [bigint];
    gateway.start("lanes");
    const rejected = await until("it was rejected three times", async () => {
      const now = await row(id);
      return now.errors >= 3 ? now : undefined;
    });
    expect(rejected).to.include({
      status: "pending",
      fault: "rejected",
      reason: "not-permitted",
      tries: rejected.errors,
      retry: 1_000 * 2 ** (rejected.errors - 1),
    });
    const state = await until("the lane says so", () =>
      relayOf(gateway)?.blocked ? relayOf(gateway) : undefined,
    );
    expect(state).to.deep.include({ held: true, queued: 0, pending: 1 });
    expect(state.blocked).to.deep.include({ send: id, reason: "not-permitted" });
    expect(new Set(words)).to.deep.equal(new Set(["rejected"]));
    bench.proxy.rule = undefined;
    const done = await over(id);
    expect([done.status, done.fault, done.reason, new Set(offered("0xa1")).size]).to.deep.equal([
      "mined",
      null,
      null,
      1,
    ]);
    await until("nothing is in its way any more", () => relayOf(gateway)?.blocked === undefined);
  });

  it("while the node's head stands still, the same bytes are offered at growing intervals, and at the usual interval when it moves again", async () => {
    const gateway = await lane({ resendMs: 40 });
    const head = await bench.node.head();
    let still = true;
    bench.proxy.rule = ({ method }) => {
      if (method === "eth_blockNumber" && still) return { answer: `0x${head.toString(16)}` };
      return method === "eth_sendRawTransaction" ? { refuse: "Known transaction" } : undefined;
    };
    const [id] = (await submit(gateway, "0xa9")) as [bigint];
    gateway.start("lanes");
    // an empty lane does not know the head: its first offer comes before its first poll
    const slow = await until("it was offered six times", async () => {
      const now = await row(id);
      return now.tries >= 6 ? now : undefined;
    });
    expect(slow.retry, "from the last offer to the next").to.be.at.least(40 * 2 ** 4);
    still = false;
    const quick = await until("the node has blocks again", async () => {
      const now = await row(id);
      return now.tries > slow.tries && now.retry < slow.retry ? now : undefined;
    });
    expect(quick.retry).to.equal(40);
    expect(quick).to.include({ status: "pending", fault: "landed", reason: "known" });
    bench.proxy.rule = undefined;
    expect((await over(id)).status).to.equal("mined");
    expect(new Set(offered("0xa9")).size).to.equal(1);
  });

  it("a process that takes over a lane offers the other's sends again at the same head, without the long interval", async () => {
    const gateway = await lane({ resendMs: 40 });
    const head = await bench.node.head();
    bench.proxy.rule = ({ method }) => {
      if (method === "eth_blockNumber") return { answer: `0x${head.toString(16)}` };
      return method === "eth_sendRawTransaction" ? { refuse: "Known transaction" } : undefined;
    };
    const [id] = (await submit(gateway, "0xaa")) as [bigint];
    gateway.start("lanes");
    await until("it was offered six times", async () => (await row(id)).tries >= 6);
    await gateway.stop();
    // as after a stall of hours
    await bench.sql`update sends set retry_at = now() + interval '1 hour' where id = ${id}`;
    const { tries } = await row(id);
    (await lane({ resendMs: 40 })).start("lanes");
    await until("the other has offered it", async () => (await row(id)).tries > tries);
    bench.proxy.rule = undefined;
    expect((await over(id)).status).to.equal("mined");
  });

  it("down: only one waiting send is offered at a time, and all are sent when the node serves again", async () => {
    const gateway = await lane();
    let offers = 0;
    bench.proxy.rule = onBroadcast(() => {
      offers += 1;
      return { refuse: "Initial sync is still in progress" };
    });
    const ids = await submit(gateway, "0xb1", "0xb2", "0xb3", "0xb4");
    gateway.start("lanes");
    await until("the node has said so a few times", () => offers >= 3);
    const now = await Promise.all(ids.map(row));
    expect(now.map(({ tries }) => tries > 0)).to.deep.equal([true, false, false, false]);
    expect(now[0]).to.include({ fault: "down", reason: "syncing" });
    bench.proxy.rule = undefined;
    for (const id of ids) expect((await over(id)).status).to.equal("mined");
  });

  it("landed, according to a node without it: the send waits, is offered again, and is not given up", async () => {
    const gateway = await lane();
    let offers = 0;
    bench.proxy.rule = onBroadcast(() => {
      offers += 1;
      return { refuse: "nonce too low" };
    });
    const since = performance.now();
    const [id] = (await submit(gateway, "0xc1")) as [bigint];
    gateway.start("lanes");
    await until(
      "it has been said for long enough",
      () => offers > 5 && performance.now() - since > 3_000,
    );
    expect(await row(id)).to.include({ status: "pending", fault: "landed", reason: "nonce-used" });
    bench.proxy.rule = undefined;
    expect((await over(id)).status).to.equal("mined");
    expect(failures).to.deep.equal([]);
  });

  it("a node that has lost its pool gets the same bytes once more", async () => {
    const gateway = await lane();
    let swallowed = 0;
    bench.proxy.rule = onBroadcast((sent) => {
      if (swallowed > 0) return undefined;
      swallowed += 1;
      return { answer: sent.hash };
    });
    const [id] = (await submit(gateway, "0xd1")) as [bigint];
    gateway.start("lanes");
    const done = await over(id);
    expect(done.status).to.equal("mined");
    expect(done.tries).to.be.at.least(2);
    expect(new Set(offered("0xd1")).size).to.equal(1);
  });

  it("a transaction count that is too high does not make the lane give up a send that the node knows", async () => {
    const gateway = await lane();
    let counted = 0;
    bench.proxy.rule = (call) => {
      if (call.method === "eth_getTransactionCount") counted += 1;
      if (call.method === "eth_getTransactionCount") return { answer: "0xffff" };
      if (call.method === "eth_getTransactionReceipt") return { answer: null };
      return call.method === "eth_sendRawTransaction" ? { deny: "nonce too low" } : undefined;
    };
    const since = performance.now();
    const [id] = (await submit(gateway, "0xe1")) as [bigint];
    gateway.start("lanes");
    await until(
      "it has been said for long enough",
      () => counted > 5 && performance.now() - since > 3_000,
    );
    expect((await row(id)).status).to.equal("pending");
    bench.proxy.rule = undefined;
    expect((await over(id)).status).to.equal("mined");
    expect(failures).to.deep.equal([]);
  });

  it("a send that the node never accepts can be cancelled: the no-op lands in its place, is reported once, and the lane continues", async () => {
    const both = [await lane(), await lane()] as const;
    bench.proxy.rule = onBroadcast((sent) =>
      sent.data === "0xf1"
        ? { refuse: "Transaction gas limit exceeds block gas limit" }
        : undefined,
    );
    const [bad, good] = (await submit(both[0], "0xf1", "0xf2")) as [bigint, bigint];
    const deps = { sql: bench.sql, keys: bench.keys, chainId: 31_337 };
    expect(await cancelSend(deps, bad), "it has no nonce yet").to.deep.equal({
      outcome: "not-pending",
    });
    for (const gateway of both) gateway.start("lanes");
    const { nonce } = await until("it is rejected", async () =>
      (await row(bad)).fault === "rejected" ? row(bad) : undefined,
    );
    expect((await row(good)).status, "it waits for the one before it").to.equal("pending");
    // the operator's command is stored, and the processes die before they read it
    for (const gateway of both) await gateway.stop();
    expect(await cancelSend(deps, bad)).to.deep.equal({
      outcome: "asked",
      lane: RELAY_LANE,
      nonce,
    });
    expect(await cancelSend(deps, bad)).to.deep.equal({
      outcome: "asked-before",
      lane: RELAY_LANE,
      nonce,
    });
    for (const gateway of both) gateway.start("lanes");
    const [cancelled, done] = [await over(bad), await over(good)];
    expect([cancelled.status, cancelled.last_error, done.status]).to.deep.equal([
      "failed",
      "cancelled",
      "mined",
    ]);
    for (const gateway of both.slice()) await gateway.stop();
    expect(failures).to.deep.equal([{ send: bad, reason: "cancelled" }]);
    expect(await bench.node.receipts([cancelled.hash as string])).to.deep.equal([undefined]);
    expect(await cancelSend(deps, bad)).to.deep.equal({ outcome: "not-pending" });
    expect(await cancelSend(deps, 999_999n)).to.deep.equal({ outcome: "unknown" });
  });

  it("a send that lands despite its cancellation counts, and its no-op never lands", async () => {
    const gateway = await lane();
    let hidden = true;
    bench.proxy.rule = (call) => {
      if (call.method === "eth_getTransactionReceipt" && hidden) return { answer: null };
      return call.method === "eth_sendRawTransaction" && hidden
        ? { deny: "exceeds block gas limit" }
        : undefined;
    };
    const before = await bench.node.nonce(address);
    const [id] = (await submit(gateway, "0xf8")) as [bigint];
    gateway.start("lanes");
    const { hash } = await until("it is said to be rejected", async () =>
      (await row(id)).fault === "rejected" ? row(id) : undefined,
    );
    await until(
      "it has landed nevertheless",
      async () => (await bench.node.receipts([hash as string]))[0],
    );
    expect(
      (await cancelSend({ sql: bench.sql, keys: bench.keys, chainId: 31_337 }, id)).outcome,
    ).to.equal("asked");
    await until("the no-op was offered", () => offered("0x").length > 0);
    hidden = false;
    expect(await over(id)).to.include({ status: "mined", last_error: null });
    expect([failures.length, await bench.node.nonce(address)]).to.deep.equal([0, before + 1]);
  });
});

describe("a nonce that another party has used", () => {
  let bench: Bench;
  let wallet: Wallet;
  before(async () => {
    bench = await openBench();
    // a sending key with a copy elsewhere
    wallet = new Wallet(Wallet.createRandom().privateKey);
    await bench.keys.take(bench.sql, wallet.privateKey);
    await bench.sql`insert into lanes (name, address, base_nonce) values (${RELAY_LANE}, ${wallet.address}, 0)`;
  });
  after(() => bench.close());

  async function elsewhere(count: number): Promise<void> {
    const from = await bench.node.nonce(wallet.address);
    for (let nonce = from; nonce < from + count; nonce++) {
      const fields = {
        type: 0,
        chainId: 31_337,
        nonce,
        gasPrice: 0n,
        gasLimit: 21_000n,
        to: wallet.address,
      };
      await bench.node.broadcast(await wallet.signTransaction(fields));
    }
    await until(
      "they are mined",
      async () => (await bench.node.nonce(wallet.address)) === from + count,
    );
  }

  it("does not block the lane: its work is sent again under nonces beyond the chain's, and is done once", async () => {
    const notices: string[] = [];
    const options: ProcessOptions = {
      resendMs: 100,
      failed: async (tx, send, reason) => {
        notices.push(`${send} ${reason}`);
        await sendFailed(tx, send, reason);
      },
    };
    const both = [await bench.process(options), await bench.process(options)] as const;
    for (const gateway of both) gateway.start();
    const issuer = await enrolled(bench, both[0], ["issuer"]);
    const employer = await enrolled(bench, both[0], ["employer"]);
    const who = await holder(bench);
    const numbers = await sealed(bench, both[0], issuer, { holder: who.address }, 2);
    for (const gateway of both) await gateway.stop();
    await elsewhere(3);
    const used = await bench.node.nonce(wallet.address);
    for (const gateway of both) gateway.start();
    const claims = await bench.queue(...numbers.map((number) => claimBy(who, employer, number)));
    await bench.done(...claims);
    expect(notices.length, "each reported once").to.equal(new Set(notices).size);
    expect(notices.length).to.be.at.least(1);
    expect(notices.every((line) => line.endsWith(" superseded"))).to.equal(true);
    const claimed = (await bench.events())
      .filter((event) => event.name === "Claimed")
      .map((event) => String(event.args["id"]));
    expect(claimed.sort()).to.deep.equal([...numbers].sort());
    const [lane] = await bench.sql<
      { base_nonce: bigint }[]
    >`select base_nonce from lanes where name = ${RELAY_LANE}`;
    expect(Number(lane?.base_nonce)).to.be.at.least(used);
    // the follower may see the claims' event before the lane has read the send's receipt
    const last = await until("every send's outcome is recorded", async () => {
      const [row] = await bench.sql<{ open: boolean; mined: bigint | null }[]>`
        select bool_or(status in ('queued', 'pending')) as open,
          max(nonce) filter (where status = 'mined') as mined
        from sends where lane = ${RELAY_LANE}`;
      return row?.open === false ? row : undefined;
    });
    expect(Number(last.mined)).to.be.at.least(used);
  });

  it("a database restored from a backup before its last sends does not block it either", async () => {
    const gateway = await bench.process({ resendMs: 100, failed: async () => {} });
    const gas = 40_000n;
    let work = 0;
    const submit = () => {
      work += 1;
      return bench.sql.begin((tx) =>
        gateway.lanes.submit(tx, RELAY_LANE, { to: wallet.address, data: `0x0a0${work}`, gas }),
      );
    };
    gateway.start("lanes");
    const lost = [await submit(), await submit(), await submit()];
    const status = async (id: bigint) =>
      (await bench.sql<{ status: string }[]>`select status from sends where id = ${id}`)[0]?.status;
    for (const id of lost) await until("it is mined", async () => (await status(id)) === "mined");
    await gateway.stop();
    // an older backup does not contain them
    await bench.sql`delete from sends where id = any(${lost.map(String)}::bigint[])`;
    gateway.start("lanes");
    const after = [await submit(), await submit()];
    for (const id of after)
      await until("its nonce was gone", async () => (await status(id)) === "failed");
    const next = await submit();
    await until("the next one lands", async () => (await status(next)) === "mined");
    const chain = await bench.node.nonce(wallet.address);
    const [row] = await bench.sql<{ nonce: bigint }[]>`select nonce from sends where id = ${next}`;
    expect(Number(row?.nonce)).to.equal(chain - 1);
  });
});
