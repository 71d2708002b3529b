/**
 * The capacity of one transaction: the bounds alone, and large backlogs through a node with geth's
 * limits, without a transaction above the settings.
 */
import { randomBytes } from "node:crypto";
import { actKinds } from "@onepiao/protocol/ledger/acts.ts";
import { noSignature } from "@onepiao/protocol/ledger/messages.ts";
import { expect } from "chai";
import { Transaction, Wallet } from "ethers";
import { callsOf, fits, leavesThatFit, loadOfAct, loadOfLot } from "../../server/chain/capacity.ts";
import { type ActArgument, createContracts } from "../../server/chain/contracts.ts";
import { LEAST_TX, readConfig } from "../../server/kernel/config.ts";
import { invoiceOf } from "./network.ts";
import {
  accepted,
  type Bench,
  claimBy,
  enrolled,
  holder,
  openBench,
  type Party,
  type Process,
} from "./support/bench.ts";
import { sendLines } from "./support/lines.ts";
import { until } from "./support/proxy.ts";
import { keyFor, ran, serving } from "./support/serving.ts";

const LIMIT = { bytes: 120_000, gas: 16_000_000n };
const hash = () => `0x${randomBytes(32).toString("hex")}`;
const account = () => `0x${randomBytes(20).toString("hex")}`;

/**
 * An act on `count` invoices; each is untouched, with a path of `path` hashes, unless its version
 * says otherwise.
 */
function act(
  kind: (typeof actKinds)[number],
  count: number,
  path: number,
  version = 0,
): ActArgument {
  const invoices = Array.from({ length: count }, (_, i) => ({
    id: String(10n ** 19n + BigInt(i)),
    version,
  }));
  const header = () => ({
    first: String(10n ** 19n),
    count: 1_000,
    issuer: 7,
    time: 1_790_000_000,
    root: hash(),
  });
  const evidence = invoices.map(() => ({
    lot: header(),
    leaf: { content: hash(), holder: account(), buyer: 3 },
    proof: Array.from({ length: path }, hash),
  }));
  const shown = version === 0 ? evidence : [];
  return {
    kind: actKinds.indexOf(kind),
    to: account(),
    taxpayer: 5,
    ref: hash(),
    invoices,
    evidence: shown,
    signature: noSignature,
    consent: noSignature,
  };
}
const lot = (leaves: number) => ({
  issuer: 1,
  segment: "26442000000000000001",
  first: "26442000000000000001",
  leaves: Array.from({ length: leaves }, hash),
  seal: noSignature,
});

describe("the capacity of a transaction", () => {
  const contracts = createContracts({
    chainId: 4_294_967_295,
    network: "capacity",
    genesis: hash(),
    block: 0,
    claimTermSeconds: 3_600,
    accessManager: account(),
    registry: account(),
    ledger: account(),
  });
  /** Bytes of the signed transaction, with the longest possible numbers around the calldata. */
  async function signed(data: string, gasLimit: bigint): Promise<number> {
    const to = contracts.deployment.ledger;
    const raw = await Wallet.createRandom().signTransaction({
      type: 0,
      chainId: 4_294_967_295,
      nonce: 2 ** 52,
      gasPrice: 0n,
      gasLimit,
      to,
      data,
    });
    return (raw.length - 2) / 2;
  }
  const sizes = async <T extends { load: { bytes: number; gas: bigint } }>(
    items: T[],
    data: (some: T[]) => string,
  ) => {
    const [call, more] = [...callsOf(items, { bytes: 10 ** 7, gas: 10n ** 10n })];
    expect(more, "all of them go together").to.equal(undefined);
    const estimated = items.reduce((sum, { load }) => sum + load.bytes, 200 + 68);
    return { estimated, real: await signed(data(items), call?.gas ?? 0n) };
  };

  it("a lot of every size takes as many bytes as estimated", async () => {
    for (const counts of [[1], [2, 1], [500], [1_024], [499, 500, 1]]) {
      const items = counts.map((count) => ({ argument: lot(count), load: loadOfLot(count) }));
      const { estimated, real } = await sizes(items, (some) =>
        contracts.seal(some.map((item) => item.argument)),
      );
      expect(estimated - real, `lots of ${counts}`).to.be.within(0, 120);
    }
  });

  it("an act of every kind takes as many bytes as estimated, with and without evidence", async () => {
    for (const kind of actKinds) {
      const some = [
        act(kind, 1, 0),
        act(kind, 3, 9),
        act(kind, 100, 10),
        act(kind, 100, 10, 4),
      ].map((argument) => ({ argument, load: loadOfAct(argument) }));
      const { estimated, real } = await sizes(some, (items) =>
        contracts.act(items.map((item) => item.argument)),
      );
      expect(estimated - real, kind).to.be.within(0, 120);
    }
  });

  it("the largest lot and the largest act of the contracts fit into the smallest transaction that an operator can set", () => {
    for (const kind of actKinds)
      expect(fits(loadOfAct(act(kind, 100, 10)), LEAST_TX), kind).to.equal(true);
    expect(leavesThatFit(1_024, LEAST_TX)).to.equal(1_024);
  });

  it("calls end at the bytes, at the gas, and at a hundred; their items keep their order", () => {
    const load = (bytes: number, gas: bigint) => ({ load: { bytes, gas } });
    const counts = (items: ReturnType<typeof load>[]) =>
      [...callsOf(items, LIMIT)].map((call) => call.items.length);
    expect(counts(Array.from({ length: 9 }, () => load(50_000, 1n)))).to.deep.equal([
      2, 2, 2, 2, 1,
    ]);
    expect(counts(Array.from({ length: 5 }, () => load(1, 7_000_000n)))).to.deep.equal([2, 2, 1]);
    expect(counts(Array.from({ length: 250 }, () => load(1, 1n)))).to.deep.equal([100, 100, 50]);
    expect(counts([])).to.deep.equal([]);
    const items = Array.from({ length: 40 }, (_, i) => load(1_000 * i, 100_000n * BigInt(i)));
    const calls = [...callsOf(items, LIMIT)];
    expect(calls.flatMap((call) => call.items)).to.deep.equal(items);
    for (const { items: some, gas } of calls) {
      expect(some.reduce((sum, item) => sum + item.load.bytes, 268)).to.be.at.most(LIMIT.bytes);
      expect(
        gas <= LIMIT.gas && gas === some.reduce((sum, item) => sum + item.load.gas, 60_000n),
      ).to.equal(true);
    }
  });

  it("a lot and an act end exactly where the next item does not fit", () => {
    for (const limit of [
      LIMIT,
      { bytes: 4_000, gas: 16_000_000n },
      { bytes: 120_000, gas: 1_000_000n },
    ]) {
      const most = leavesThatFit(1_024, limit);
      expect([
        fits(loadOfLot(most), limit),
        most === 1_024 || !fits(loadOfLot(most + 1), limit),
      ]).to.deep.equal([true, true]);
    }
    expect(leavesThatFit(500, { bytes: 100, gas: 16_000_000n })).to.equal(0);
  });

  it("settings below the largest act, or above every node's limit, are refused by their names", () => {
    const rest = {
      RPC_URL: "http://127.0.0.1:1",
      DATABASE_URL: "postgres://x",
      MASTER_KEY: "6f".repeat(32),
      DEPLOYMENT: "x",
    };
    for (const [name, value] of [
      ["MAX_TX_BYTES", "79999"],
      ["MAX_TX_BYTES", "1000001"],
      ["MAX_TX_BYTES", "many"],
      ["MAX_TX_GAS", "7999999"],
      ["MAX_TX_GAS", "1000000001"],
    ] as const)
      expect(() => readConfig({ ...rest, [name]: value }), `${name}=${value}`).to.throw(
        new RegExp(`${name}: `),
      );
    expect(readConfig(rest)).to.include({ MAX_TX_BYTES: LIMIT.bytes, MAX_TX_GAS: LIMIT.gas });
  });
});

describe("a backlog, through a node that refuses large transactions", function () {
  this.timeout(300_000);
  let bench: Bench;
  let maker: Process;
  before(async () => {
    bench = await openBench();
    maker = (await bench.process()).start();
  });
  after(() => bench.close());
  afterEach(() => {
    bench.proxy.seen.length = 0;
  });

  /**
   * Every transaction that the node was offered is within the limits, and the node has refused
   * none.
   */
  async function allWithin(): Promise<number> {
    const raws = [...new Set(bench.proxy.raws())];
    for (const raw of raws) {
      expect((raw.length - 2) / 2, "bytes").to.be.at.most(LIMIT.bytes);
      expect(Transaction.from(raw).gasLimit <= LIMIT.gas, "gas").to.equal(true);
    }
    const refused =
      await bench.sql`select reason from sends where fault = 'rejected' or last_error like '%oversized%'`;
    expect([...refused]).to.deep.equal([]);
    return raws.length;
  }
  const sealedOf = (party: Party): Promise<number> =>
    bench.sql<
      { n: number }[]
    >`select count(*)::int as n from invoice_states where issuer = ${party.index}`.then(
      ([row]) => row?.n ?? 0,
    );

  it("of 50,000 leaves is sealed, every leaf once, and claims of a hundred untouched invoices of it go through", async () => {
    const issuer = await enrolled(bench, maker, ["issuer"], { segment: 60_000n });
    const employer = await enrolled(bench, maker, ["employer"]);
    const who = await holder(bench);
    await maker.stop();
    await bench.sql.begin(async (tx) => {
      const [first] = (await accepted(bench, maker, issuer, { holder: who.address })) as [string];
      // the others equal the first, except their leaves
      await tx`
        insert into invoices (number, issuer, segment, content, salt, leaf_holder, leaf_buyer, document)
        select i.number + n, i.issuer, i.segment, '0x' || encode(sha256(n::text::bytea), 'hex'), i.salt, i.leaf_holder, i.leaf_buyer, i.document
        from invoices i cross join generate_series(1, 49999) n where i.number = ${first}`;
      await tx`update segment_accepted set accepted = accepted + 49999 where segment = (select segment from invoices where number = ${first})`;
    });
    bench.proxy.seen.length = 0;
    maker.start();
    await until("all of it is sealed", async () => (await sealedOf(issuer)) === 50_000, 240_000);
    // 120,000 bytes contain seven lots of 500
    expect(await allWithin()).to.be.at.least(15);
    const lots = (await bench.events()).filter(
      (event) => event.name === "LotSealed" && event.args["issuer"] === issuer.index,
    );
    expect(lots.reduce((sum, event) => sum + Number(event.args["count"]), 0)).to.equal(50_000);

    const rows = await bench.sql<
      { number: string }[]
    >`select number from invoice_states where issuer = ${issuer.index} order by number limit 1200`;
    const numbers = rows.map((row) => row.number);
    await maker.stop("dispatcher");
    const hundreds = Array.from({ length: 12 }, (_, i) => numbers.slice(100 * i, 100 * (i + 1)));
    const claims = await bench.queue(...hundreds.map((some) => claimBy(who, employer, ...some)));
    maker.start("dispatcher");
    await bench.done(...claims);
    await allWithin();
  });

  it("of a batch of 10,000 lines is accepted and sealed", async () => {
    const issuer = await enrolled(bench, maker, ["issuer"], { segment: 20_000n });
    const token = await keyFor(bench, issuer.account, ["issuer"]);
    await maker.stop();
    const gateway = await serving(bench, { RPC_URL: bench.proxy.url, RATE_PER_MINUTE: "1000000" });
    // all lines wait before the first seal
    bench.proxy.rule = () => "cut";
    const lines = Array.from({ length: 10_000 }, () => invoiceOf(issuer, { name: "个人" }));
    const { last } = await sendLines(`${gateway.url}/v1/invoices/batch`, lines, { token });
    expect(last).to.deep.equal({ done: true, accepted: 10_000, replayed: 0, refused: 0 });
    bench.proxy.rule = undefined;
    await until("all of it is sealed", async () => (await sealedOf(issuer)) === 10_000, 280_000);
    await allWithin();
    gateway.child.kill("SIGTERM");
    expect(await gateway.ended).to.equal(0);
    maker.start();
  });

  it("an act that is too large waits alone, blocks no lane, and the others run", async () => {
    const issuer = await enrolled(bench, maker, ["issuer"]);
    const employer = await enrolled(bench, maker, ["employer"]);
    const who = await holder(bench);
    const numbers = await accepted(bench, maker, issuer, { holder: who.address }, 9);
    await until("they are sealed", async () => (await sealedOf(issuer)) === 9);
    await maker.stop();
    const narrow = await bench.process({ limit: { bytes: 2_500 } });
    narrow.start();
    const [large, small] = (await bench.queue(
      claimBy(who, employer, ...numbers.slice(1)),
      claimBy(who, employer, numbers[0] as string),
    )) as [string, string];
    await bench.done(small);
    expect(await bench.operation(large)).to.deep.include({ status: "signed", send: null });
    // the follower can store an act's event before its receipt
    await until(
      "no send waits",
      async () =>
        (await bench.sql`select 1 from sends where status in ('queued', 'pending')`).length === 0,
    );
    expect(await bench.operation(large)).to.deep.include({ status: "signed", send: null });
    await narrow.end();
    maker.start();
    await bench.done(large);
  });

  it("does not start if a block of the chain has less gas than the setting allows a transaction", async () => {
    const { code, said: printed } = await ran(bench, ["serve"], { MAX_TX_GAS: "100000001" });
    expect(
      [
        code,
        printed.includes("MAX_TX_GAS is 100000001, and a block of this chain has 100000000 gas"),
      ],
      printed,
    ).to.deep.equal([1, true]);
  });
});
