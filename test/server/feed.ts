/**
 * The follower under faults: it applies every event once and in order, no event of another
 * contract, and no block that does not continue the chain.
 */
import { expect } from "chai";
import { deployToSandbox, type SandboxChain, startSandboxChain } from "../../sandbox/chain.ts";
import { signerOf } from "../../server/chain/calldata.ts";
import { type ChainEvent, createContracts, ZERO_REF } from "../../server/chain/contracts.ts";
import { announce, type Tx } from "../../server/db/db.ts";
import { type Applied, each, type Projection } from "../../server/feed/follower.ts";
import { projections, startGateway } from "../../server/gateway.ts";
import { readConfig } from "../../server/kernel/config.ts";
import { createLog } from "../../server/kernel/log.ts";
import {
  adjustBy,
  admissionBy,
  type Bench,
  byBureau,
  claimBy,
  decisionBy,
  enrolled,
  entryBy,
  freshExternalId,
  holder,
  openBench,
  openDatabase,
  type Party,
  type Process,
  sealed,
  transferTo,
} from "./support/bench.ts";
import { type Call, type Fault, until } from "./support/proxy.ts";

const PAGE = 500;

describe("the follower", () => {
  let chain: SandboxChain;
  let bench: Bench;
  let issuer: Party;
  let employer: Party;
  const started: Process[] = [];

  // a separate chain, because these tests mine blocks in bulk and revert them
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
    const gateway = await bench.process(options);
    started.push(gateway);
    return gateway;
  }
  async function stop() {
    for (const gateway of started.splice(0)) await gateway.end();
  }
  async function rpc(method: string, ...params: unknown[]): Promise<unknown> {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    const answer = (await (
      await fetch(chain.url, {
        method: "POST",
        body,
        headers: { "content-type": "application/json" },
      })
    ).json()) as {
      result?: unknown;
      error?: unknown;
    };
    if (answer.error) throw new Error(JSON.stringify(answer.error));
    return answer.result;
  }
  /**
   * Shortens the interval, because mining on demand may crash the node (passTime in
   * sandbox/chain.ts says why).
   */
  async function blocks(count: number): Promise<void> {
    const goal = (await bench.node.head()) + count;
    await rpc("evm_setIntervalMining", 1);
    await until(`${count} blocks more`, async () => (await bench.node.head()) >= goal);
    await rpc("evm_setIntervalMining", 50);
  }
  const cursor = async () =>
    (await bench.sql<{ block: bigint; hash: string }[]>`select block, hash from cursor`)[0];
  const level = (gateway: Process) => gateway.follower.caughtUp();

  /** Acts that cause each kind of event of the contracts. */
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
    await bench.done(
      ...(await bench.queue(claimBy(employer.wallet, employer, titled[0] as string))),
    );
    await bench.done(...(await bench.queue(byBureau(bench, "setStanding", employer.index, 2))));
    await bench.done(
      ...(await bench.queue(
        byBureau(bench, "setStanding", employer.index, 1),
        byBureau(bench, "setClosed", true),
      )),
    );
    await bench.done(...(await bench.queue(byBureau(bench, "setClosed", false))));
    const [again, stranger] = (await bench.queue(
      decisionBy("Reimburse", employer, b),
      claimBy(other, employer, d),
    )) as [string, string];
    expect([
      (await bench.ended(again)).problem?.code,
      (await bench.ended(stranger)).problem?.code,
    ]).to.deep.equal(["already-reimbursed", "signature-invalid"]);
    const reverse = { kind: "reverse", party: issuer.account, signers: [issuer.account] };
    const rotated = await holder(bench);
    await bench.done(
      ...(await bench.queue(
        {
          ...reverse,
          command: {
            type: "act",
            kind: "Reverse",
            taxpayer: issuer.index,
            ref: ZERO_REF,
            invoices: [e],
          },
        },
        byBureau(bench, "setCapabilities", employer.index, 3),
        byBureau(bench, "rotateKey", employer.account, rotated.address),
      )),
    );
    await bench.done(...(await bench.queue(decisionBy("Reimburse", employer, c))));
    const admission = admissionBy(employer, who.address, freshExternalId());
    await bench.done(
      ...(await bench.queue(adjustBy(issuer, d), entryBy(employer, 2, b), admission)),
    );
  }

  const tables = [
    ...new Set(["feed", ...projections.flatMap((projection) => [...projection.tables])]),
  ];
  /** Every projected row, as text, by table. */
  async function projected(): Promise<Record<string, string[]>> {
    const contents: Record<string, string[]> = {};
    for (const table of tables) {
      const rows = await bench.sql.unsafe<{ row: string }[]>(
        `select t::text as row from ${table} t order by 1`,
      );
      contents[table] = rows.map((row) => row.row);
    }
    return contents;
  }

  /** A projection that keeps one row for each event that it gets, numbered in its own order. */
  async function tally(
    name: string,
    on: (tx: Tx, event: ChainEvent) => Promise<void> = async () => {},
  ): Promise<Projection> {
    await bench.sql.unsafe(
      `create table ${name} (nth bigint generated always as identity, block bigint, log int, event text)`,
    );
    const see = async (tx: Tx, event: ChainEvent) => {
      await tx`insert into ${tx(name)} (block, log, event) values (${event.block}, ${event.index}, ${event.name})`;
      await on(tx, event);
    };
    const all = [...new Set((await bench.events()).map((event) => event.name))];
    return {
      name,
      tables: [name],
      on: Object.fromEntries(all.map((eventName) => [eventName, each(see)])),
    };
  }
  const tallied = (name: string) =>
    bench.sql.unsafe<{ block: bigint; log: number; event: string }[]>(
      `select block, log, event from ${name} order by nth`,
    );
  const listed = async () =>
    (await bench.events()).map((event) => ({
      block: BigInt(event.block),
      log: event.index,
      event: event.name,
    }));

  // ── the four cases ─────────────────────────────────────────────────────────────────────────────

  it("at the head it waits, and reads the next block when it comes", async () => {
    const gateway = (await follow()).start("follower");
    await level(gateway);
    const before = Number((await cursor())?.block);
    await until(
      "it has gone on by blocks",
      async () => Number((await cursor())?.block) > before + 2,
    );
    const at = await cursor();
    expect((await bench.node.block(Number(at?.block)))?.hash).to.equal(at?.hash);
    expect(gateway.follower.state().state).to.equal("following");
  });

  it("a gap of many blocks is read in adjacent pages without overlap, and no event in it is lost", async () => {
    await level((await follow()).start("follower"));
    await stop();
    const from = Number((await cursor())?.block);
    const logsBefore = (await listed()).length;
    // events at both ends of the gap and in its middle
    const quiet = await follow();
    quiet.start("lanes", "dispatcher");
    const mark = (period: number) =>
      bench.queue(byBureau(bench, "setQuota", issuer.index, period, "1000"));
    const mined = async (id: string) =>
      until(
        "it is on the chain",
        async () =>
          (
            await bench.sql`select 1 from operations o join sends s on s.id = o.send where o.id = ${id} and s.status = 'mined'`
          ).length === 1,
      );
    for (const period of [202701, 202702, 202703]) {
      await mined((await mark(period))[0] as string);
      await blocks((2 * PAGE) / 3 + 10);
    }
    await quiet.end();
    bench.proxy.seen.length = 0;
    await level((await follow()).start("follower"));
    const asked = bench.proxy.seen
      .filter((call) => call.method === "eth_getLogs")
      .map((call) => call.params[0] as { fromBlock: string; toBlock: string });
    let next = from + 1;
    for (const { fromBlock, toBlock } of asked) {
      expect(Number(fromBlock)).to.equal(next);
      expect(Number(toBlock) - Number(fromBlock)).to.be.below(PAGE);
      next = Number(toBlock) + 1;
    }
    expect(asked.length).to.be.at.least(3);
    expect((await listed()).length).to.equal(logsBefore + 3);
    expect(
      await bench.sql`select 1 from quotas where taxpayer = ${issuer.index} and period in (202701, 202702, 202703)`,
    ).to.have.length(3);
    await until(
      "the operations have their outcomes",
      async () =>
        (await bench.sql`select 1 from operations where kind = 'setQuota' and status <> 'done'`)
          .length === 0,
    );
  });

  const staleNodes: [string, (behind: number) => (call: Call) => Fault | undefined][] = [
    [
      "says a lower head",
      (behind) => (call) =>
        call.method === "eth_blockNumber" ? { answer: `0x${behind.toString(16)}` } : undefined,
    ],
    [
      "does not have the cursor's block",
      () => (call) => (call.method === "eth_getBlockByNumber" ? { answer: null } : undefined),
    ],
  ];
  for (const [words, rule] of staleNodes) {
    it(`a node that ${words} is behind, not forked: the follower waits and continues when the node has caught up`, async () => {
      const gateway = (await follow()).start("follower");
      await level(gateway);
      bench.proxy.rule = rule(Number((await cursor())?.block) - 10);
      await until("it says so", () => gateway.follower.state().state === "behind");
      const at = await cursor();
      const asked = bench.proxy.seen.length;
      await until("it has asked again and again", () => bench.proxy.seen.length > asked + 5);
      expect(await cursor()).to.deep.equal(at);
      bench.proxy.rule = undefined;
      await until(
        "it follows again",
        async () =>
          gateway.follower.state().state === "following" &&
          Number((await cursor())?.block) > Number(at?.block),
      );
    });
  }

  it("a node that is down leaves the cursor where it is", async () => {
    const gateway = (await follow()).start("follower");
    await level(gateway);
    bench.proxy.rule = () => "cut";
    await until("it says so", () => gateway.follower.state().state === "down");
    const at = await cursor();
    bench.proxy.rule = undefined;
    await until(
      "it follows again",
      async () =>
        gateway.follower.state().state === "following" &&
        Number((await cursor())?.block) > Number(at?.block),
    );
  });

  it("only blocks at the network's final depth are read", async () => {
    const depth = 5;
    const gateway = (await follow({ finalityDepth: depth })).start("follower");
    await until("it follows", () => gateway.follower.state().state === "following");
    const before = Number((await cursor())?.block);
    let nearest = Number.POSITIVE_INFINITY;
    await until("it has gone on by blocks", async () => {
      const at = Number((await cursor())?.block);
      nearest = Math.min(nearest, (await bench.node.head()) - at);
      return at > before + 4;
    });
    expect(nearest).to.be.at.least(depth);
  });

  it("the follower does not write to a database of another chain", async () => {
    const at = await cursor();
    const gateway = (
      await follow({ deployment: { ...bench.deployment, genesis: `0x${"66".repeat(32)}` } })
    ).start("follower");
    await until("it says so", () => gateway.follower.state().state === "forked");
    expect(await cursor()).to.deep.equal(at);
  });

  it("a gateway does not start on a node of another chain with the same id", async () => {
    const database = await openDatabase();
    const config = readConfig({
      RPC_URL: chain.url,
      DATABASE_URL: database.url,
      MASTER_KEY: "5a".repeat(32),
      DEPLOYMENT: "given",
      PORT: "0",
      LOG_LEVEL: "silent",
    });
    const refused = await startGateway(config, {
      ...bench.deployment,
      genesis: `0x${"66".repeat(32)}`,
    }).then(
      () => expect.fail("it has started"),
      (cause: Error) => cause,
    );
    expect(refused.message).to.match(/another chain/);
    await database.close();
  });

  // ── once, despite every fault ──────────────────────────────────────────────────────────────────

  it("if a projection throws, cursor, rows and feed stay unchanged, it is retried, and no row is doubled", async () => {
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
      // at each try the database is as before the first
      if (call.method === "eth_getLogs" && faults.left > 0 && faults.left < 3) {
        seenDuring += 1;
        expect(Number((await cursor())?.block)).to.equal(bench.deployment.block);
        for (const [table, rows] of Object.entries(await projected()))
          expect(rows, table).to.deep.equal([]);
        expect(await tallied("fragile")).to.have.length(0);
      }
      return undefined;
    };
    before.start("follower");
    await until(
      "it has overcome them",
      async () => faults.left === 0 && before.follower.state().state === "following",
    );
    await level(before);
    expect(seenDuring).to.be.at.least(1);
    expect(await tallied("fragile")).to.deep.equal(await listed());
  });

  it("two followers at once apply each event once and in order, and neither reports the other as a fault", async () => {
    const both = await tally("shown_to_two");
    const options = { projections: [...projections, both] };
    const pair = [await follow(options), await follow(options)] as const;
    await pair[0].follower.rebuild();
    const states = new Set<string>();
    bench.proxy.rule = (call) => {
      for (const gateway of pair) states.add(gateway.follower.state().state);
      // both have read the same cursor before either writes
      return call.method === "eth_getLogs" ? { delayMs: 20 } : undefined;
    };
    for (const gateway of pair) gateway.start("follower", "lanes", "dispatcher");
    const ids = await bench.queue(
      ...Array.from({ length: 12 }, (_, i) =>
        byBureau(bench, "setQuota", issuer.index, 202801 + i, "1000"),
      ),
    );
    await bench.done(...ids);
    await Promise.all(pair.map(level));
    expect(await tallied("shown_to_two")).to.deep.equal(await listed());
    expect(
      [...states].filter((state) => state !== "starting" && state !== "following"),
    ).to.deep.equal([]);
  });

  it("logs of another ledger with the same topics do not count, even if the node returns them", async () => {
    const via = await follow();
    via.start();
    await level(via);
    const foreign = await deployToSandbox(chain.url, {
      network: "another-network",
      bureau: bench.bureau,
      claimTermSeconds: 3_600,
    });
    const before = await projected();
    const { registryCall, ledgerCall } = createContracts(foreign);
    // the bureau's own key on the other contracts: their events equal ours in every byte
    const sends = await bench.sql.begin(async (tx) => {
      const gas = 300_000n;
      const calls = [
        registryCall("enrol", [issuer.account, `0x${"01".repeat(32)}`, 3]),
        registryCall("setStanding", [issuer.index, 2]),
        registryCall("setQuota", [issuer.index, 202_611, 1n]),
      ];
      const ids: string[] = [];
      for (const data of calls)
        ids.push(String(await via.lanes.submit(tx, "bureau", { to: foreign.registry, data, gas })));
      ids.push(
        String(
          await via.lanes.submit(tx, "bureau", {
            to: foreign.ledger,
            data: ledgerCall("setClosed", [true]),
            gas,
          }),
        ),
      );
      await announce(tx, "block");
      return ids;
    });
    bench.proxy.rule = (call) => {
      if (call.method !== "eth_getLogs") return undefined;
      const { fromBlock, toBlock } = call.params[0] as Record<string, unknown>;
      return { edit: [{ fromBlock, toBlock }] };
    };
    await until(
      "they are mined",
      async () =>
        (
          await bench.sql`select 1 from sends where id = any(${sends}::bigint[]) and status = 'mined'`
        ).length === 4,
    );
    await level(via);
    const there = (
      await bench.node.logs(
        [foreign.registry, foreign.ledger],
        bench.deployment.block,
        await bench.node.head(),
      )
    ).map((log) => createContracts(foreign).event(log)?.name);
    expect(there).to.include.members([
      "TaxpayerEnrolled",
      "StandingChanged",
      "QuotaSet",
      "ClosedSet",
    ]);
    expect(await projected()).to.deep.equal(before);
  });

  // ── order and replay ───────────────────────────────────────────────────────────────────────────

  it("feed positions ascend strictly in the order of the chain, and name block, log and transaction", async () => {
    await level((await follow()).start("follower"));
    type Row = { position: bigint; tx: string; log_index: number; type: string; at: Date };
    const rows = await bench.sql<
      Row[]
    >`select position, tx, log_index, type, at from feed order by position`;
    const events = await bench.events();
    expect(rows.length).to.be.greaterThan(25);
    expect(new Set(rows.map((row) => row.type)).size).to.be.greaterThan(10);
    let [last, lastLog] = [-1n, ""];
    for (const { position, tx, log_index: index, at } of rows) {
      expect(position > last).to.equal(true);
      const block = Number(position >> 27n);
      const log = `${String(block).padStart(12, "0")}-${String(index).padStart(6, "0")}`;
      expect(log >= lastLog).to.equal(true);
      [last, lastLog] = [position, log];
      expect(events.find((event) => event.block === block && event.index === index)?.tx).to.equal(
        tx,
      );
      expect(at.getTime() / 1_000).to.equal((await bench.node.block(block))?.time);
    }
  });

  it("rebuild gives the same rows again, in every table", async () => {
    const gateway = (await follow()).start("follower");
    await level(gateway);
    const before = await projected();
    for (const table of tables)
      expect(before[table], `something to compare in ${table}`).to.not.have.length(0);
    const operations =
      await bench.sql`select id, status, result, problem from operations order by id`;
    await gateway.follower.rebuild();
    await level(gateway);
    expect(await projected()).to.deep.equal(before);
    expect(
      await bench.sql`select id, status, result, problem from operations order by id`,
    ).to.deep.equal(operations);
  });

  it("caughtUp after a rebuild waits for the replay", async () => {
    // no new blocks: the head stays at the follower's earlier position
    await rpc("evm_setIntervalMining", 0);
    const gateway = (await follow()).start("follower");
    await level(gateway);
    const count = (await bench.sql`select 1 from feed`).length;
    let held = true;
    bench.proxy.rule = (call) => (held && call.method === "eth_getLogs" ? "cut" : undefined);
    bench.proxy.seen.length = 0;
    await gateway.follower.rebuild();
    const progress = { caughtUp: false };
    const waiting = level(gateway).then(() => {
      progress.caughtUp = true;
    });
    await until(
      "the replay is being held up",
      () => bench.proxy.seen.filter((call) => call.method === "eth_getLogs").length > 1,
    );
    expect(progress.caughtUp).to.equal(false);
    held = false;
    await waiting;
    expect(await bench.sql`select 1 from feed`).to.have.length(count);
  });

  // ── a node with wrong answers ──────────────────────────────────────────────────────────────────

  /** A public event: the bureau sets a quota. Returns the event's block. */
  async function mark(via: Process, period: number): Promise<number> {
    const [id] = (await bench.queue(byBureau(bench, "setQuota", issuer.index, period, "1000"))) as [
      string,
    ];
    const [row] = await until("it is on the chain", async () => {
      const rows = await bench.sql<{ block: bigint }[]>`
        select s.block from operations o join sends s on s.id = o.send where o.id = ${id} and s.status = 'mined'`;
      return rows.length === 1 ? rows : undefined;
    });
    await via.stop();
    return Number(row?.block);
  }
  const quotaOf = async (period: number) =>
    (await bench.sql`select 1 from quotas where taxpayer = ${issuer.index} and period = ${period}`)
      .length;

  type RpcLog = Record<string, unknown> & { blockNumber: string; logIndex: string };
  const lies: [string, (logs: RpcLog[]) => RpcLog[]][] = [
    ["holds back all logs of a block", () => []],
    ["holds back the last log of a block", (logs) => logs.slice(0, -1)],
    ["holds back the first log of a block", (logs) => logs.slice(1)],
    [
      "gives a log of another block than its header's",
      (logs) => logs.map((log) => ({ ...log, blockHash: `0x${"ab".repeat(32)}` })),
    ],
    [
      "gives a log that no block has",
      (logs) =>
        logs.flatMap((log) => [
          log,
          { ...log, topics: [`0x${"cd".repeat(32)}`], logIndex: "0xff" },
        ]),
    ],
    ["gives a log twice", (logs) => [...logs, ...logs]],
    [
      "gives logs that were not asked for",
      (logs) => logs.map((log) => ({ ...log, blockNumber: "0x1" })),
    ],
  ];
  for (const [i, [words, lie]] of lies.entries()) {
    it(`from a node that ${words} nothing is applied, and the follower reports it; after correct answers no event is missing`, async () => {
      const via = await follow();
      via.start("lanes", "dispatcher");
      const gateway = (await follow()).start("follower");
      await level(gateway);
      await gateway.stop();
      const count = (await bench.sql`select 1 from feed`).length;
      const period = 203_001 + i;
      const block = await mark(via, period);
      let lied = 0;
      bench.proxy.rule = async (call) => {
        if (call.method !== "eth_getLogs") return undefined;
        const { fromBlock, toBlock } = call.params[0] as { fromBlock: string; toBlock: string };
        if (block < Number(fromBlock) || block > Number(toBlock)) return undefined;
        lied += 1;
        return { answer: lie((await rpc("eth_getLogs", call.params[0])) as RpcLog[]) };
      };
      gateway.start("follower");
      await until("it says so", () => gateway.follower.state().state === "lying");
      await until("it has asked again", () => lied >= 3);
      expect(Number((await cursor())?.block)).to.be.below(block);
      expect([await quotaOf(period), (await bench.sql`select 1 from feed`).length]).to.deep.equal([
        0,
        count,
      ]);
      bench.proxy.rule = undefined;
      await level(gateway);
      expect(await quotaOf(period)).to.equal(1);
      expect(gateway.follower.state().state).to.equal("following");
    });
  }

  it("a node whose blocks do not link is not followed", async () => {
    const gateway = (await follow()).start("follower");
    await level(gateway);
    bench.proxy.rule = async (call) => {
      if (
        call.method !== "eth_getBlockByNumber" ||
        Number(call.params[0]) <= Number((await cursor())?.block)
      )
        return undefined;
      const block = (await rpc("eth_getBlockByNumber", ...call.params)) as object | null;
      return { answer: block && { ...block, parentHash: `0x${"ee".repeat(32)}` } };
    };
    await until("it says so", () => gateway.follower.state().state === "lying");
    const at = await cursor();
    const asked = bench.proxy.seen.length;
    await until("it has asked again", () => bench.proxy.seen.length > asked + 6);
    expect(await cursor()).to.deep.equal(at);
    bench.proxy.rule = undefined;
    await until("it follows again", () => gateway.follower.state().state === "following");
  });

  it("another contract's logs in the same block cost only a second request", async () => {
    const via = await follow();
    via.start("lanes", "dispatcher");
    const gateway = (await follow()).start("follower");
    await level(gateway);
    const foreign = await deployToSandbox(chain.url, {
      network: "yet-another-network",
      bureau: bench.bureau,
      claimTermSeconds: 3_600,
    });
    // both in one block: the interval is long enough for two transactions
    await rpc("evm_setIntervalMining", 400);
    const gas = 300_000n;
    const ids = await bench.sql.begin(async (tx) => [
      await via.lanes.submit(tx, "bureau", {
        to: bench.deployment.registry,
        data: bench.contracts.registryCall("setQuota", [issuer.index, 203_101, 1n]),
        gas,
      }),
      await via.lanes.submit(tx, "bureau", {
        to: foreign.ledger,
        data: createContracts(foreign).ledgerCall("setClosed", [true]),
        gas,
      }),
    ]);
    await until(
      "they are mined",
      async () =>
        (
          await bench.sql`select 1 from sends where id = any(${ids.map(String)}::bigint[]) and status = 'mined'`
        ).length === 2,
    );
    const receipts = await bench.node.receipts(
      (
        await bench.sql<
          { hash: string }[]
        >`select hash from sends where id = any(${ids.map(String)}::bigint[])`
      ).map((row) => row.hash),
    );
    expect(receipts[0]?.block, "the test's own ground").to.equal(receipts[1]?.block);
    await level(gateway);
    expect(await quotaOf(203_101)).to.equal(1);
    expect(gateway.follower.state().state).to.equal("following");
  });

  it("an alarm carries the acts that its party has signed", async () => {
    const seen: Applied["signed"][] = [];
    const all: Projection = {
      name: "seen",
      tables: [],
      on: {
        Refused: each(
          async (_tx, event) => void (event.args["alarm"] === true && seen.push(event.signed)),
        ),
      },
    };
    const gateway = await follow({ projections: [...projections, all] });
    await gateway.follower.rebuild();
    gateway.start("follower");
    await level(gateway);
    const [refused] = (await bench.events()).filter((event) => event.args["alarm"] === true);
    expect(seen).to.have.length(1);
    expect(seen[0]).to.deep.include({
      kind: "Reimburse",
      taxpayer: employer.index,
      invoices: [{ id: refused?.args["id"], version: 2 }],
    });
    expect(seen[0]).to.not.have.property("to");
    expect(
      seen[0]?.signatures.map((signature) => signerOf(String(refused?.args["act"]), signature)),
    ).to.deep.equal([employer.account]);
  });

  it("the notice of applied events follows the commit, and a listener that throws delays nothing", async () => {
    const notices: string[] = [];
    const gateway = await follow({
      applied: (events) => {
        notices.push(...events.map((event) => `${event.block}-${event.index}`));
        throw new Error("not interested");
      },
    });
    await gateway.follower.rebuild();
    gateway.start("follower");
    await level(gateway);
    expect(notices).to.deep.equal(
      (await bench.events()).map((event) => `${event.block}-${event.index}`),
    );
  });

  it("blocks above the final depth that the chain reverts were never applied, and their transactions still land once", async () => {
    const depth = 25;
    const options = { finalityDepth: depth };
    const gateway = (await follow(options)).start("follower");
    await level(gateway);
    const writer = await follow(options);
    writer.start("lanes", "dispatcher");
    const snapshot = await rpc("evm_snapshot");
    const [id] = (await bench.queue(
      byBureau(bench, "setQuota", issuer.index, 203_201, "1000"),
    )) as [string];
    const first = await until("it is in a block", async () => {
      const [send] = await bench.sql<
        { hash: string }[]
      >`select s.hash from operations o join sends s on s.id = o.send where o.id = ${id} and s.hash is not null`;
      return send && (await bench.node.receipts([send.hash]))[0]?.block;
    });
    await writer.stop();
    await gateway.stop();
    expect(Number((await cursor())?.block)).to.be.below(first);
    const lost = (await bench.node.block(first))?.hash;
    await rpc("evm_revert", snapshot);
    await rpc("evm_increaseTime", 60);
    await until("there are other blocks", async () => (await bench.node.head()) >= first);
    expect((await bench.node.block(first))?.hash).to.not.equal(lost);
    gateway.start("follower");
    writer.start("lanes");
    await bench.done(id);
    expect(gateway.follower.state().state).to.equal("following");
    const quotaEvents = (await bench.events()).filter(
      (event) => event.name === "QuotaSet" && event.args["period"] === 203_201,
    );
    expect([quotaEvents.length, await quotaOf(203_201)]).to.deep.equal([1, 1]);
    const at = await cursor();
    expect((await bench.node.block(Number(at?.block)))?.hash).to.equal(at?.hash);
  });

  it("a node of another chain at the same address is distinguished from a chain that has reverted blocks", async () => {
    const lines: string[] = [];
    const log = createLog("error", { write: (line: string) => void lines.push(line) });
    const gateway = await follow({ log });
    gateway.start("follower");
    // no new blocks: the cursor does not move
    await rpc("evm_setIntervalMining", 0);
    await level(gateway);
    const words = () => lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
    const other: Record<number, string> = { 0: "0e", [Number((await cursor())?.block)]: "0f" };
    bench.proxy.rule = async (call) => {
      const byte =
        call.method === "eth_getBlockByNumber" ? other[Number(call.params[0])] : undefined;
      if (byte === undefined) return undefined;
      const block = (await rpc("eth_getBlockByNumber", ...call.params)) as object;
      return { answer: { ...block, hash: `0x${byte.repeat(32)}` } };
    };
    await until("it says so", () => gateway.follower.state().state === "forked");
    expect(words()).to.include("the node is of another chain");
    bench.proxy.rule = undefined;
    await until("it follows again", () => gateway.follower.state().state === "following");
  });

  // last, because it reverts blocks of this chain
  it("if the chain has another block at the cursor the follower stops and reports it, and a rebuild follows the new chain", async () => {
    const gateway = (await follow()).start("follower");
    await level(gateway);
    const snapshot = await rpc("evm_snapshot");
    gateway.start("lanes", "dispatcher");
    const [lost] = (await bench.queue(
      byBureau(bench, "setQuota", issuer.index, 202901, "1000"),
    )) as [string];
    await bench.done(lost);
    await gateway.stop("lanes", "dispatcher");
    const at = await cursor();
    await gateway.stop();
    const frozen = await cursor();
    await rpc("evm_revert", snapshot);
    await rpc("evm_increaseTime", 60);
    await blocks(Number(frozen?.block) - (await bench.node.head()) + 5);
    expect((await bench.node.block(Number(frozen?.block)))?.hash).to.not.equal(frozen?.hash);
    const rows = await projected();
    gateway.start("follower");
    await until("it says so", () => gateway.follower.state().state === "forked");
    const asked = bench.proxy.seen.length;
    await until("it has looked again", () => bench.proxy.seen.length > asked + 6);
    expect(await cursor()).to.deep.equal(frozen);
    expect(Number(frozen?.block)).to.be.at.least(Number(at?.block));
    expect(await projected()).to.deep.equal(rows);
    expect(await bench.sql`select 1 from quotas where period = 202901`).to.have.length(1);

    await gateway.follower.rebuild();
    await level(gateway);
    expect(gateway.follower.state().state).to.equal("following");
    expect(await bench.sql`select 1 from quotas where period = 202901`).to.have.length(0);
    expect(await bench.sql`select 1 from quotas where period = 202801`).to.have.length(1);
  });
});
