/**
 * Gateways on one database, each with its own node: work goes to the gateway with a working node.
 * The proxy in front of a node makes it dead, frozen, still, or wrong.
 */
import { randomUUID } from "node:crypto";
import { expect } from "chai";
import { callAt, invoiceOf, type Loose } from "./network.ts";
import { type Bench, enrolled, openBench, type Party } from "./support/bench.ts";
import { type FaultyNode, type Rule, startProxy, until } from "./support/proxy.ts";
import { keyFor, type Serving, serving } from "./support/serving.ts";

type Gateway = Serving & { way: FaultyNode; name: string };
/** The node's faults from now on; the rule is created when the fault begins. */
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
    for (const gateway of pair ?? []) {
      mend(gateway);
      gateway.child.kill("SIGTERM");
      await gateway.ended;
      await gateway.way.close();
    }
    await bench?.close();
  });
  afterEach(() => pair.forEach(mend));
  function mend(gateway: Gateway): void {
    gateway.way.rule = undefined;
    gateway.way.release();
  }

  async function gateway(): Promise<Gateway> {
    const way = await startProxy(bench.rpcUrl);
    const served = await serving(bench, {
      RPC_URL: way.url,
      // longer than a loaded machine lets a gateway wait; one that rests frees its leases at once
      LEASE_MS: "3000",
      MAX_HEAD_AGE: "600",
    });
    return { ...served, way, name: String(served.child.pid) };
  }
  const holders = () => bench.sql<{ name: string; by: string; term: bigint }[]>`
    select name, split_part(detail, ' ', 2) as by, term from leases where until > now() and name <> 'lane:bureau' order by name`;
  const WORK = ["dispatching", "following", "lane:relay", "sealing", "upkeep"];
  /** The gateway that does all the work, as soon as one does, and the other gateway. */
  const working = () =>
    until(
      "one has every lease",
      async () => {
        const held = await holders();
        const [first, second] = pair;
        const all = (gateway: Gateway) =>
          WORK.every((name) =>
            held.some((lease) => lease.name === name && lease.by === gateway.name),
          );
        return all(first) ? ([first, second] as const) : all(second) && ([second, first] as const);
      },
      120_000,
    );
  const works = (gateway: Gateway) =>
    until("it has every lease", async () => (await working())[0] === gateway, 120_000);
  /** Waits for so many new heartbeats of each of these gateways in the database. */
  async function heard(times: number, ...these: Gateway[]): Promise<void> {
    const seen = new Map(these.map(({ name }) => [name, { last: 0, count: 0 }]));
    await until(
      `${times} heartbeats`,
      async () => {
        for (const { by, at } of await bench.sql<
          { by: string; at: Date }[]
        >`select split_part(detail, ' ', 2) as by, seen as at from processes`) {
          const sighting = seen.get(by);
          if (sighting && sighting.last !== at.getTime())
            [sighting.last, sighting.count] = [at.getTime(), sighting.count + 1];
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
  const ready = async (gateway: Gateway): Promise<{ status: number; body: Loose }> => {
    const answer = await fetch(`${gateway.url}/readyz`);
    return { status: answer.status, body: await answer.json() };
  };

  for (const [words, harm] of Object.entries(harms))
    it(`a gateway whose node ${words} hands its work to the other, which keeps it`, async () => {
      const [worker, standby] = await working();
      await heard(10, worker, standby);
      worker.way.rule = await harm(bench);
      // both databases have the invoices that the first gateway accepts
      const numbers = [await issued(worker), await issued(standby)];
      await works(standby);
      for (const number of numbers) await sealed(number);
      const terms = await holders();
      mend(worker);
      await heard(10, worker, standby);
      expect(await holders(), "nothing goes to and fro").to.deep.equal(terms);
      await sealed(await issued(worker));
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

  it("when every node is dead no gateway gives up its leases, and work continues at the first gateway whose node is back", async () => {
    const [worker, standby] = await working();
    for (const { way } of pair) way.rule = () => "cut";
    const number = await issued(standby);
    await blind(2);
    // the first to notice may rest until the other is blind too, and its leases are free so long
    await working();
    const before = await holders();
    await heard(10, worker, standby);
    expect(await holders()).to.deep.equal(before);
    mend(standby);
    await works(standby);
    await sealed(number);
  });

  it("a standby gateway is not ready while no process moves the projections", async () => {
    const [, standby] = await working();
    await until("it is ready", async () => (await ready(standby)).status === 200, 120_000);
    let free = false;
    const locked = bench.sql.begin(async (tx) => {
      // the follower cannot write its events; everybody can read
      await tx`lock table cursor in exclusive mode`;
      // the database ends a transaction that is idle for long
      while (!free) await tx`select pg_sleep(0.1)`;
    });
    const { body } = await until(
      "it is not ready",
      async () => {
        const answer = await ready(standby);
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
    await until("it is ready", async () => (await ready(standby)).status === 200, 120_000);
  });

  it("a gateway that is alone keeps trying while its node is unreachable", async () => {
    const [worker, standby] = await working();
    standby.child.kill("SIGTERM");
    expect(await standby.ended).to.equal(0);
    worker.way.rule = () => "cut";
    const number = await issued(worker);
    await blind(1);
    const before = await holders();
    await heard(8, worker);
    expect(await holders()).to.deep.equal(before);
    mend(worker);
    await sealed(number);
  });
});
