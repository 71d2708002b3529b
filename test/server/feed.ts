/** The follower under faults: every event once, in order, none of a stranger's, and no step on a chain that is not the one before. */
import { expect } from "chai";
import { type ChainEvent, createContracts, ZERO_REF } from "../../server/chain/contracts.ts";
import { deployToSandbox, type SandboxChain, startSandboxChain } from "../../server/chain/sandbox.ts";
import { announce, type Tx } from "../../server/db/db.ts";
import type { Projection } from "../../server/feed/follower.ts";
import { projections } from "../../server/gateway.ts";
import { type Bench, byBureau, claimBy, decisionBy, enrolled, holder, openBench, type Party, type Process, sealed, transferTo } from "./support/bench.ts";
import { type Call, type Fault, until } from "./support/proxy.ts";

const PAGE = 500;

describe("the follower", () => {
  let chain: SandboxChain;
  let bench: Bench;
  let issuer: Party;
  let employer: Party;
  const started: Process[] = [];

  // a chain of its own: here blocks are made in bulk, and taken back
  before(async () => {
    chain = await startSandboxChain({ intervalMs: 50 });
    bench = await openBench({ rpcUrl: chain.url });
    const via = await follow();
    via.start();
    issuer = await enrolled(bench, via, ["issuer"]);
    employer = await enrolled(bench, via, ["employer"]);
    await history(via);
    await stop();
  });
  after(async () => {
    await bench.close();
    await chain.close();
  });
  afterEach(async () => {
    bench.proxy.rule = undefined;
    await rpc("evm_setIntervalMining", 50);
    await stop();
  });

  async function follow(options: Parameters<Bench["process"]>[0] = {}): Promise<Process> {
    const one = await bench.process(options);
    started.push(one);
    return one;
  }
  async function stop() {
    for (const one of started.splice(0)) await one.end();
  }
  async function rpc(method: string, ...params: unknown[]): Promise<unknown> {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    const answer = (await (await fetch(chain.url, { method: "POST", body, headers: { "content-type": "application/json" } })).json()) as {
      result?: unknown;
      error?: unknown;
    };
    if (answer.error) throw new Error(JSON.stringify(answer.error));
    return answer.result;
  }
  /** By a shorter interval: what mines on demand (passTime in server/chain/sandbox.ts says why) may bring the node down. */
  async function blocks(count: number): Promise<void> {
    const goal = (await bench.node.head()) + count;
    await rpc("evm_setIntervalMining", 1);
    await until(`${count} blocks more`, async () => (await bench.node.head()) >= goal);
    await rpc("evm_setIntervalMining", 50);
  }
  const cursor = async () => (await bench.sql<{ block: bigint; hash: string }[]>`select block, hash from cursor`)[0];
  const level = (one: Process) => one.follower.caughtUp();

  /** Something of everything that the contracts can say. */
  async function history(via: Process) {
    const [who, other] = [await holder(bench), await holder(bench)];
    const untitled = await sealed(bench, via, issuer, { holder: who.address }, 5);
    const titled = await sealed(bench, via, issuer, { buyer: employer }, 2);
    const [a, b, c, d, e] = untitled as [string, string, string, string, string];
    await bench.done(
      ...(await bench.queue(
        transferTo(who, other, a),
        claimBy(other, employer, a),
        decisionBy("Reject", employer, a),
        claimBy(who, employer, b, c),
        decisionBy("Reimburse", employer, b),
      )),
    );
    await bench.done(...(await bench.queue(claimBy(employer.wallet, employer, titled[0] as string))));
    await bench.done(...(await bench.queue(byBureau(bench, "setStanding", employer.index, 2))));
    await bench.done(...(await bench.queue(byBureau(bench, "setStanding", employer.index, 1), byBureau(bench, "setClosed", true))));
    await bench.done(...(await bench.queue(byBureau(bench, "setClosed", false))));
    const [again, stranger] = (await bench.queue(decisionBy("Reimburse", employer, b), claimBy(other, employer, d))) as [string, string];
    expect([(await bench.ended(again)).problem?.code, (await bench.ended(stranger)).problem?.code]).to.deep.equal(["already-reimbursed", "signature-invalid"]);
    const reverse = { kind: "reverse", party: issuer.account, signers: [issuer.account] };
    const rotated = await holder(bench);
    await bench.done(
      ...(await bench.queue(
        { ...reverse, command: { type: "act", kind: "Reverse", taxpayer: issuer.index, ref: ZERO_REF, invoices: [e] } },
        byBureau(bench, "setCapabilities", employer.index, 3),
        byBureau(bench, "rotateKey", employer.account, rotated.address),
      )),
    );
    await bench.done(...(await bench.queue(decisionBy("Reimburse", employer, c))));
  }

  const tables = [...new Set(["feed", ...projections.flatMap((one) => [...one.tables])])];
  /** Every projected row, as text, by table. */
  async function projected(): Promise<Record<string, string[]>> {
    const found: Record<string, string[]> = {};
    for (const table of tables) {
      const rows = await bench.sql.unsafe<{ row: string }[]>(`select t::text as row from ${table} t order by 1`);
      found[table] = rows.map((one) => one.row);
    }
    return found;
  }

  /** A projection that keeps one row for each event it is shown, in an order of its own. */
  async function tally(name: string, on: (tx: Tx, event: ChainEvent) => Promise<void> = async () => {}): Promise<Projection> {
    await bench.sql.unsafe(`create table ${name} (nth bigint generated always as identity, block bigint, log int, event text)`);
    const see = async (tx: Tx, event: ChainEvent) => {
      await tx`insert into ${tx(name)} (block, log, event) values (${event.block}, ${event.index}, ${event.name})`;
      await on(tx, event);
    };
    const all = [...new Set((await bench.events()).map((event) => event.name))];
    return { name, tables: [name], on: Object.fromEntries(all.map((one) => [one, see])) };
  }
  const tallied = (name: string) => bench.sql.unsafe<{ block: bigint; log: number; event: string }[]>(`select block, log, event from ${name} order by nth`);
  const told = async () => (await bench.events()).map((event) => ({ block: BigInt(event.block), log: event.index, event: event.name }));

  // ── the four cases ──────────────────────────────────────────────────────────────────────────────────────────────────

  it("level with the head it rests, and takes the next block as it comes", async () => {
    const one = (await follow()).start("follower");
    await level(one);
    const before = Number((await cursor())?.block);
    await until("it has gone on by blocks", async () => Number((await cursor())?.block) > before + 2);
    const at = await cursor();
    expect((await bench.node.block(Number(at?.block)))?.hash).to.equal(at?.hash);
    expect(one.follower.state().state).to.equal("following");
  });

  it("a gap of many blocks is read in pages that touch without overlapping, and nothing in it is lost", async () => {
    await level((await follow()).start("follower"));
    await stop();
    const from = Number((await cursor())?.block);
    const logsBefore = (await told()).length;
    // events at both ends of the gap and in its middle
    const quiet = await follow();
    quiet.start("lanes", "dispatcher");
    const mark = (period: number) => bench.queue(byBureau(bench, "setQuota", issuer.index, period, "1000"));
    const mined = async (id: string) =>
      until(
        "it is on the chain",
        async () => (await bench.sql`select 1 from operations o join sends s on s.id = o.send where o.id = ${id} and s.status = 'mined'`).length === 1,
      );
    for (const period of [202701, 202702, 202703]) {
      await mined((await mark(period))[0] as string);
      await blocks((2 * PAGE) / 3 + 10);
    }
    await quiet.end();
    bench.proxy.seen.length = 0;
    await level((await follow()).start("follower"));
    const asked = bench.proxy.seen.filter((call) => call.method === "eth_getLogs").map((call) => call.params[0] as { fromBlock: string; toBlock: string });
    let next = from + 1;
    for (const { fromBlock, toBlock } of asked) {
      expect(Number(fromBlock)).to.equal(next);
      expect(Number(toBlock) - Number(fromBlock)).to.be.below(PAGE);
      next = Number(toBlock) + 1;
    }
    expect(asked.length).to.be.at.least(3);
    expect((await told()).length).to.equal(logsBefore + 3);
    expect(await bench.sql`select 1 from quotas where taxpayer = ${issuer.index} and period in (202701, 202702, 202703)`).to.have.length(3);
    await until(
      "the operations have their outcomes",
      async () => (await bench.sql`select 1 from operations where kind = 'setQuota' and status <> 'done'`).length === 0,
    );
  });

  const staleNodes: [string, (behind: number) => (call: Call) => Fault | undefined][] = [
    ["says a lower head", (behind) => (call) => (call.method === "eth_blockNumber" ? { answer: `0x${behind.toString(16)}` } : undefined)],
    ["does not have the cursor's block", () => (call) => (call.method === "eth_getBlockByNumber" ? { answer: null } : undefined)],
  ];
  for (const [words, rule] of staleNodes) {
    it(`a node that ${words} is behind, not forked: the follower waits and goes on when it has caught up`, async () => {
      const one = (await follow()).start("follower");
      await level(one);
      bench.proxy.rule = rule(Number((await cursor())?.block) - 10);
      await until("it says so", () => one.follower.state().state === "behind");
      const at = await cursor();
      const asked = bench.proxy.seen.length;
      await until("it has asked again and again", () => bench.proxy.seen.length > asked + 5);
      expect(await cursor()).to.deep.equal(at);
      bench.proxy.rule = undefined;
      await until("it follows again", async () => one.follower.state().state === "following" && Number((await cursor())?.block) > Number(at?.block));
    });
  }

  it("a node that is down leaves the cursor where it is", async () => {
    const one = (await follow()).start("follower");
    await level(one);
    bench.proxy.rule = () => "cut";
    await until("it says so", () => one.follower.state().state === "down");
    const at = await cursor();
    bench.proxy.rule = undefined;
    await until("it follows again", async () => one.follower.state().state === "following" && Number((await cursor())?.block) > Number(at?.block));
  });

  it("only blocks as deep as the network calls final are read", async () => {
    const depth = 5;
    const one = (await follow({ finalityDepth: depth })).start("follower");
    await until("it follows", () => one.follower.state().state === "following");
    const before = Number((await cursor())?.block);
    let nearest = Number.POSITIVE_INFINITY;
    await until("it has gone on by blocks", async () => {
      const at = Number((await cursor())?.block);
      nearest = Math.min(nearest, (await bench.node.head()) - at);
      return at > before + 4;
    });
    expect(nearest).to.be.at.least(depth);
  });

  it("a database of another chain is not written to", async () => {
    const at = await cursor();
    const one = (await follow({ deployment: { ...bench.deployment, genesis: `0x${"66".repeat(32)}` } })).start("follower");
    await until("it says so", () => one.follower.state().state === "forked");
    expect(await cursor()).to.deep.equal(at);
  });

  // ── once, whatever happens ──────────────────────────────────────────────────────────────────────────────────────────

  it("a projection that throws leaves cursor, rows and feed as they were, is tried again, and nothing is doubled", async () => {
    const faults = { left: 3 };
    const fragile = await tally("fragile", async (_tx, event) => {
      if (event.name === "Reimbursed" && faults.left > 0) {
        faults.left -= 1;
        throw new Error("not this time");
      }
    });
    const before = await follow({ projections: [...projections, fragile] });
    await before.follower.rebuild();
    let seenDuring = 0;
    bench.proxy.rule = async (call) => {
      // at each try the database is as if there had been none
      if (call.method === "eth_getLogs" && faults.left > 0 && faults.left < 3) {
        seenDuring += 1;
        expect(Number((await cursor())?.block)).to.equal(bench.deployment.block);
        for (const [table, rows] of Object.entries(await projected())) expect(rows, table).to.deep.equal([]);
        expect(await tallied("fragile")).to.have.length(0);
      }
      return undefined;
    };
    before.start("follower");
    await until("it has overcome them", async () => faults.left === 0 && before.follower.state().state === "following");
    await level(before);
    expect(seenDuring).to.be.at.least(1);
    expect(await tallied("fragile")).to.deep.equal(await told());
  });

  it("two followers at once apply each event once and in order, and neither takes the other for a fault", async () => {
    const both = await tally("shown_to_two");
    const options = { projections: [...projections, both] };
    const pair = [await follow(options), await follow(options)] as const;
    await pair[0].follower.rebuild();
    const states = new Set<string>();
    bench.proxy.rule = (call) => {
      for (const one of pair) states.add(one.follower.state().state);
      // both have read the same cursor before either of them writes
      return call.method === "eth_getLogs" ? { delayMs: 20 } : undefined;
    };
    for (const one of pair) one.start("follower", "lanes", "dispatcher");
    const ids = await bench.queue(...Array.from({ length: 12 }, (_, i) => byBureau(bench, "setQuota", issuer.index, 202801 + i, "1000")));
    await bench.done(...ids);
    await Promise.all(pair.map(level));
    expect(await tallied("shown_to_two")).to.deep.equal(await told());
    expect([...states].filter((state) => state !== "starting" && state !== "following")).to.deep.equal([]);
  });

  it("logs of another ledger with the same topics do not count, even when the node hands them out", async () => {
    const via = await follow();
    via.start();
    await level(via);
    const foreign = await deployToSandbox(chain.url, { network: "another-network", bureau: bench.bureau, claimTermSeconds: 3_600 });
    const before = await projected();
    const { registryCall, ledgerCall } = createContracts(foreign);
    // the bureau's own key, on the other contracts: the events are word for word those of ours
    const sends = await bench.sql.begin(async (tx) => {
      const gas = 300_000n;
      const calls = [
        registryCall("enrol", [issuer.account, `0x${"01".repeat(32)}`, 3]),
        registryCall("setStanding", [issuer.index, 2]),
        registryCall("setQuota", [issuer.index, 202_611, 1n]),
      ];
      const ids: string[] = [];
      for (const data of calls) ids.push(String(await via.lanes.submit(tx, "bureau", { to: foreign.registry, data, gas })));
      ids.push(String(await via.lanes.submit(tx, "bureau", { to: foreign.ledger, data: ledgerCall("setClosed", [true]), gas })));
      await announce(tx);
      return ids;
    });
    bench.proxy.rule = (call) => {
      if (call.method !== "eth_getLogs") return undefined;
      const { fromBlock, toBlock } = call.params[0] as Record<string, unknown>;
      return { edit: [{ fromBlock, toBlock }] };
    };
    await until("they are mined", async () => (await bench.sql`select 1 from sends where id = any(${sends}::bigint[]) and status = 'mined'`).length === 4);
    await level(via);
    const there = (await bench.node.logs([foreign.registry, foreign.ledger], bench.deployment.block, await bench.node.head())).map(
      (log) => createContracts(foreign).event(log)?.name,
    );
    expect(there).to.include.members(["TaxpayerEnrolled", "StandingChanged", "QuotaSet", "ClosedSet"]);
    expect(await projected()).to.deep.equal(before);
  });

  // ── order and replay ────────────────────────────────────────────────────────────────────────────────────────────────

  it("feed positions ascend strictly in the order of the chain, and name block, log and transaction", async () => {
    await level((await follow()).start("follower"));
    const rows = await bench.sql<{ position: bigint; tx: string; type: string; at: Date }[]>`select position, tx, type, at from feed order by position`;
    const events = await bench.events();
    expect(rows.length).to.be.greaterThan(25);
    expect(new Set(rows.map((row) => row.type)).size).to.be.greaterThan(10);
    let last = -1n;
    for (const { position, tx, at } of rows) {
      expect(position > last).to.equal(true);
      last = position;
      const [block, index] = [Number(position >> 27n), Number((position >> 11n) & 0xffffn)];
      expect(events.find((event) => event.block === block && event.index === index)?.tx).to.equal(tx);
      expect(at.getTime() / 1_000).to.equal((await bench.node.block(block))?.time);
    }
  });

  it("rebuild gives the same rows again, in every table", async () => {
    const one = (await follow()).start("follower");
    await level(one);
    const before = await projected();
    for (const table of tables) expect(before[table], `something to compare in ${table}`).to.not.have.length(0);
    const operations = await bench.sql`select id, status, result, problem from operations order by id`;
    await one.follower.rebuild();
    await level(one);
    expect(await projected()).to.deep.equal(before);
    expect(await bench.sql`select id, status, result, problem from operations order by id`).to.deep.equal(operations);
  });

  it("caughtUp after a rebuild waits for the replay", async () => {
    // no new blocks: the head is where the follower was before
    await rpc("evm_setIntervalMining", 0);
    const one = (await follow()).start("follower");
    await level(one);
    const count = (await bench.sql`select 1 from feed`).length;
    let held = true;
    bench.proxy.rule = (call) => (held && call.method === "eth_getLogs" ? "cut" : undefined);
    bench.proxy.seen.length = 0;
    await one.follower.rebuild();
    const progress = { caughtUp: false };
    const waiting = level(one).then(() => {
      progress.caughtUp = true;
    });
    await until("the replay is being held up", () => bench.proxy.seen.filter((call) => call.method === "eth_getLogs").length > 1);
    expect(progress.caughtUp).to.equal(false);
    held = false;
    await waiting;
    expect(await bench.sql`select 1 from feed`).to.have.length(count);
  });

  // last, for it takes back blocks of this chain
  it("when the chain has another block at the cursor the follower stops and says so, and a rebuild follows the chain that is", async () => {
    const one = (await follow()).start("follower");
    await level(one);
    const snapshot = await rpc("evm_snapshot");
    one.start("lanes", "dispatcher");
    const [lost] = (await bench.queue(byBureau(bench, "setQuota", issuer.index, 202901, "1000"))) as [string];
    await bench.done(lost);
    await one.stop("lanes", "dispatcher");
    const at = await cursor();
    await one.stop();
    const frozen = await cursor();
    await rpc("evm_revert", snapshot);
    await rpc("evm_increaseTime", 60);
    await blocks(Number(frozen?.block) - (await bench.node.head()) + 5);
    expect((await bench.node.block(Number(frozen?.block)))?.hash).to.not.equal(frozen?.hash);
    const rows = await projected();
    one.start("follower");
    await until("it says so", () => one.follower.state().state === "forked");
    const asked = bench.proxy.seen.length;
    await until("it has looked again", () => bench.proxy.seen.length > asked + 6);
    expect(await cursor()).to.deep.equal(frozen);
    expect(Number(frozen?.block)).to.be.at.least(Number(at?.block));
    expect(await projected()).to.deep.equal(rows);
    expect(await bench.sql`select 1 from quotas where period = 202901`).to.have.length(1);

    await one.follower.rebuild();
    await level(one);
    expect(one.follower.state().state).to.equal("following");
    expect(await bench.sql`select 1 from quotas where period = 202901`).to.have.length(0);
    expect(await bench.sql`select 1 from quotas where period = 202801`).to.have.length(1);
  });
});
