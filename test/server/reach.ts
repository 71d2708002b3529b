/**
 * Gateways on one database, each with a node of its own: work goes to the one whose node can do it.
 * A node is made dead, frozen, still, or wrong by the way to it.
 */
import { randomUUID } from "node:crypto";
import { expect } from "chai";
import { callAt, invoiceOf, type Loose } from "./network.ts";
import { type Bench, enrolled, openBench, type Party } from "./support/bench.ts";
import { type FaultyNode, type Rule, startProxy, until } from "./support/proxy.ts";
import { keyFor, type Serving, serving } from "./support/serving.ts";

type Gateway = Serving & { way: FaultyNode; name: string };
/** What a node does from now on; the rule is made when it begins. */
type Harm = (bench: Bench) => Promise<Rule>;

const hex = (n: number) => `0x${n.toString(16)}`;
const harms: Record<string, Harm> = {
  "is dead": async () => () => "cut",
  "is frozen: it takes calls and answers none": async () => () => "hang",
  "stands still while the others go on": async (bench) => {
    const head = await bench.node.head();
    return ({ method, params }) => {
      if (method === "eth_blockNumber") return { answer: hex(head) };
      if (method === "eth_sendRawTransaction") return { refuse: "Known transaction" };
      return method === "eth_getTransactionReceipt" || Number(params[0]) > head
        ? { answer: null }
        : undefined;
    };
  },
  "is on another chain":
    async () =>
    ({ method }) =>
      method === "eth_getBlockByNumber"
        ? {
            answer: {
              number: "0x1",
              hash: `0x${"ee".repeat(32)}`,
              parentHash: "0x",
              timestamp: "0x1",
              logsBloom: "0x",
            },
          }
        : undefined,
  "holds logs back":
    async () =>
    ({ method }) =>
      method === "eth_getLogs" ? { answer: [] } : undefined,
};

describe("gateways with a node each", function () {
  this.timeout(180_000);
  let bench: Bench;
  let issuer: Party;
  let token: string;
  let pair: [Gateway, Gateway];

  before(async () => {
    bench = await openBench();
    const maker = await bench.process();
    maker.start();
    issuer = await enrolled(bench, maker, ["issuer"]);
    await maker.end();
    token = await keyFor(bench, issuer.account, ["issuer"]);
    pair = await Promise.all([gateway(), gateway()]);
  });
  after(async () => {
    for (const one of pair ?? []) {
      mend(one);
      one.child.kill("SIGTERM");
      await one.ended;
      await one.way.close();
    }
    await bench?.close();
  });
  afterEach(() => pair.forEach(mend));
  function mend(one: Gateway): void {
    one.way.rule = undefined;
    one.way.release();
  }

  async function gateway(): Promise<Gateway> {
    const way = await startProxy(bench.rpcUrl);
    const one = await serving(bench, { RPC_URL: way.url, LEASE_MS: "2000", MAX_HEAD_AGE: "600" });
    return { ...one, way, name: String(one.child.pid) };
  }
  const holders = () => bench.sql<{ name: string; by: string; term: bigint }[]>`
    select name, split_part(detail, ' ', 2) as by, term from leases where until > now() and name <> 'lane:bureau' order by name`;
  const WORK = ["dispatching", "following", "lane:relay", "sealing", "upkeep"];
  /** The gateway that does all the work, as soon as one does, and the other. */
  const working = () =>
    until(
      "one has every lease",
      async () => {
        const held = await holders();
        const [one, two] = pair;
        const all = (gateway: Gateway) =>
          WORK.every((name) =>
            held.some((lease) => lease.name === name && lease.by === gateway.name),
          );
        return all(one) ? ([one, two] as const) : all(two) && ([two, one] as const);
      },
      120_000,
    );
  const works = (one: Gateway) =>
    until("it has every lease", async () => (await working())[0] === one, 120_000);
  /** So many heartbeats of each of these are in the database from now on. */
  async function heard(times: number, ...these: Gateway[]): Promise<void> {
    const seen = new Map(these.map(({ name }) => [name, { last: 0, count: 0 }]));
    await until(
      `${times} heartbeats`,
      async () => {
        for (const { by, at } of await bench.sql<
          { by: string; at: Date }[]
        >`select split_part(detail, ' ', 2) as by, seen as at from processes`) {
          const one = seen.get(by);
          if (one && one.last !== at.getTime())
            [one.last, one.count] = [at.getTime(), one.count + 1];
        }
        return [...seen.values()].every(({ count }) => count > times);
      },
      120_000,
    );
  }
  async function issued(via: Gateway): Promise<string> {
    const { status, body } = await callAt(
      via.url,
      "POST",
      "/v1/invoices",
      invoiceOf(issuer, { name: "个人" }),
      { token, key: randomUUID(), wait: 0 },
    );
    expect(status, JSON.stringify(body)).to.equal(202);
    return body.number;
  }
  const sealed = (number: string) =>
    until(
      "it is sealed",
      async () =>
        (await bench.sql`select 1 from invoice_states where number = ${number}`).length === 1,
      120_000,
    );
  const ready = async (one: Gateway): Promise<{ status: number; body: Loose }> => {
    const answer = await fetch(`${one.url}/readyz`);
    return { status: answer.status, body: await answer.json() };
  };

  for (const [words, harm] of Object.entries(harms))
    it(`the one whose node ${words} hands its work to the other, which keeps it`, async () => {
      const [one, two] = await working();
      await heard(10, one, two);
      one.way.rule = await harm(bench);
      // what the first accepts is in both's database
      const numbers = [await issued(one), await issued(two)];
      await works(two);
      for (const number of numbers) await sealed(number);
      const terms = await holders();
      mend(one);
      await heard(10, one, two);
      expect(await holders(), "nothing goes to and fro").to.deep.equal(terms);
      await sealed(await issued(one));
    });

  const blind = (count: number) =>
    until(
      "they are blind",
      async () =>
        (
          await bench.sql`select 1 from processes where reach is null and seen > now() - interval '5 seconds'`
        ).length === count,
      120_000,
    );

  it("when every node is dead nobody gives anything up, and work goes on as soon as one is back, there", async () => {
    const [one, two] = await working();
    for (const { way } of pair) way.rule = () => "cut";
    const number = await issued(two);
    await blind(2);
    const before = await holders();
    await heard(10, one, two);
    expect(await holders()).to.deep.equal(before);
    mend(two);
    await works(two);
    await sealed(number);
  });

  it("one that stands by is not ready while nobody moves the projections", async () => {
    const [, two] = await working();
    await until("it is ready", async () => (await ready(two)).status === 200, 120_000);
    let free = false;
    const locked = bench.sql.begin(async (tx) => {
      // whoever follows cannot write what it has read; everybody can read
      await tx`lock table cursor in exclusive mode`;
      // the database cuts off a transaction that says nothing for long
      while (!free) await tx`select pg_sleep(0.1)`;
    });
    const { body } = await until(
      "it is not ready",
      async () => {
        const answer = await ready(two);
        return answer.status === 503 && answer;
      },
      120_000,
    );
    expect(body.checks.chain).to.include({ ok: false });
    expect(body.checks.chain.detail).to.match(
      /^standby, \d+ blocks to go: the cursor has stood still for \d+ s$/,
    );
    expect(body.checks.node.ok).to.equal(true);
    free = true;
    await locked;
    await until("it is ready", async () => (await ready(two)).status === 200, 120_000);
  });

  it("one that is alone goes on trying while its node is away", async () => {
    const [one, two] = await working();
    two.child.kill("SIGTERM");
    expect(await two.ended).to.equal(0);
    one.way.rule = () => "cut";
    const number = await issued(one);
    await blind(1);
    const before = await holders();
    await heard(8, one);
    expect(await holders()).to.deep.equal(before);
    mend(one);
    await sealed(number);
  });
});
