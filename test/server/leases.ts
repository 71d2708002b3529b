/**
 * Several processes on one database: one works, another takes over when it is gone, and nothing is
 * done twice meanwhile.
 */
import { expect } from "chai";
import { RELAY_LANE } from "../../server/acts/sending.ts";
import { openChanges, openDb } from "../../server/db/db.ts";
import { createLeases, type Leases } from "../../server/db/leases.ts";
import { createLog } from "../../server/kernel/log.ts";
import {
  accepted,
  type Bench,
  claimBy,
  decisionBy,
  enrolled,
  holder,
  known,
  openBench,
  openDatabase,
  type Party,
  type Process,
} from "./support/bench.ts";
import { random, until } from "./support/proxy.ts";

const TTL = 900;
/**
 * For a holder that is to keep its lease: a machine may stand still for a second or two and nothing
 * changes hands.
 */
const STEADY = 3_000;
/** A lease that outlasts any test. */
const LONG = 600_000;
const log = createLog(process.env["LOG_LEVEL"] ?? "silent");

describe("a lease", () => {
  let database: Awaited<ReturnType<typeof openDatabase>>;
  const open: { end(): Promise<void> }[] = [];
  before(async () => {
    database = await openDatabase();
  });
  after(() => database.close());
  afterEach(async () => {
    for (const one of open.splice(0)) await one.end();
    await database.sql`delete from leases`;
    await database.sql`delete from processes`;
  });

  /** A process of which there is nothing but its leases. */
  async function contender(
    holder: string,
    ttlMs = TTL,
    reach: () => number | undefined = () => undefined,
  ) {
    const sql = openDb(database.url, { connections: 2 });
    const changes = await openChanges(sql);
    const leases: Leases = createLeases({ sql, changes, log, holder, ttlMs, reach });
    let gone = false;
    const one = {
      leases,
      lease: leases.lease("work"),
      /**
       * As a process that is killed, or cut off: no statement of its reaches the database any more.
       */
      async cut() {
        if (gone) return;
        gone = true;
        await Promise.all([changes.close(), sql.end({ timeout: 0 })]);
      },
      async end() {
        await leases.stop();
        await one.cut();
      },
    };
    open.push(one);
    return one;
  }
  const rows = () => database.sql<{ name: string; holder: string; term: bigint; left: number }[]>`
    select name, holder, term, extract(epoch from until - clock_timestamp())::float8 * 1000 as left from leases order by name`;

  it("is one process's, for longer than it lasts, while that one is there", async () => {
    const [a, b] = [await contender("a", STEADY), await contender("b", STEADY)];
    await a.leases.start();
    await b.leases.start();
    expect([a.lease.held(), b.lease.held()]).to.deep.equal([true, false]);
    const since = performance.now();
    await until("three times its length are over", () => {
      expect(a.lease.held() && !b.lease.held()).to.equal(true);
      return performance.now() - since > 3 * STEADY;
    });
    expect((await rows()).map(({ holder, term }) => [holder, term])).to.deep.equal([["a", 1n]]);
  });

  it("is handed over at once by a process that stops", async () => {
    // longer than a test may take: waiting for its end would fail
    const [a, b] = [await contender("a", LONG), await contender("b", LONG)];
    await a.leases.start();
    await b.leases.start();
    await a.leases.stop();
    expect(a.lease.held()).to.equal(false);
    await until("the other has it", () => b.lease.held());
    expect((await rows()).map(({ holder, term }) => [holder, term])).to.deep.equal([["b", 2n]]);
  });

  it("is over for a holder that cannot reach the database before anyone else can have it", async () => {
    const [a, b] = [await contender("a"), await contender("b")];
    await a.leases.start();
    await b.leases.start();
    let both = 0;
    const watch = setInterval(() => {
      if (a.lease.held() && b.lease.held()) both += 1;
    }, 1);
    await a.cut();
    await until("it has given itself up", () => !a.lease.held());
    expect(b.lease.held(), "free, and nobody has it yet").to.equal(false);
    await until("the other has it", () => b.lease.held());
    clearInterval(watch);
    expect(both).to.equal(0);
  });

  it("does not come back to a holder that slept past its end, without another heartbeat", async () => {
    const [a, b] = [await contender("a"), await contender("b")];
    await a.leases.start();
    // as a process that is stopped (SIGSTOP): nothing of it runs, and its clock goes on
    const end = performance.now() + 2 * TTL;
    while (performance.now() < end)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    expect(a.lease.held(), "the first thing that it asks after waking").to.equal(false);
    await b.leases.start();
    await until("one of them has it", () => a.lease.held() || b.lease.held());
    expect([a.lease.held(), b.lease.held()]).to.not.deep.equal([true, true]);
  });

  it("is none the worse for clocks that are hours apart", async () => {
    const true_ = Date.now;
    try {
      const [a, b] = [await contender("a", STEADY), await contender("b", STEADY)];
      Date.now = () => true_() - 7_200_000;
      await a.leases.start();
      Date.now = () => true_() + 7_200_000;
      await b.leases.start();
      expect([a.lease.held(), b.lease.held()]).to.deep.equal([true, false]);
      const [row] = await rows();
      expect(row?.left, "its end is by the database's clock").to.be.within(0, STEADY);
      const since = performance.now();
      await until("it has been renewed", () => {
        expect(a.lease.held() && !b.lease.held()).to.equal(true);
        return performance.now() - since > 2 * STEADY;
      });
      await a.cut();
      await until("the other has it", () => b.lease.held());
      expect(a.lease.held()).to.equal(false);
    } finally {
      Date.now = true_;
    }
  });

  describe("of processes whose nodes reach differently far", () => {
    /** How many heartbeats of this process the database has seen from now on. */
    async function heard(holder: string, times: number): Promise<void> {
      let [last, count] = [0, 0];
      await until(`${times} heartbeats of ${holder}`, async () => {
        const [row] = await database.sql<
          { seen: Date }[]
        >`select seen from processes where holder = ${holder}`;
        if (row !== undefined && row.seen.getTime() !== last)
          [last, count] = [row.seen.getTime(), count + 1];
        return count > times;
      });
    }
    /** So many heartbeats that whoever had to give up would have done it. */
    const AGES = Math.ceil(4_000 / (TTL / 3)) + 2;

    for (const [words, mine] of [
      ["does not serve", undefined],
      ["stands still", 10],
    ] as const)
      it(`goes to another when the holder's node ${words} and the other's does not, and stays there`, async () => {
        let reachOfA: number | undefined = 10;
        let reachOfB = 10;
        const [a, b] = [
          await contender("a", TTL, () => reachOfA),
          await contender("b", TTL, () => reachOfB),
        ];
        await a.leases.start();
        await b.leases.start();
        await heard("b", AGES);
        expect([a.lease.held(), b.lease.held()], "while both reach as far").to.deep.equal([
          true,
          false,
        ]);
        [reachOfA, reachOfB] = [mine, 11];
        await until("the other has it", () => b.lease.held());
        expect(a.lease.held()).to.equal(false);
        await heard("a", AGES);
        reachOfA = 11;
        await heard("a", AGES);
        expect([a.lease.held(), b.lease.held()], "it does not come back for nothing").to.deep.equal(
          [false, true],
        );
        expect((await rows()).map(({ holder, term }) => [holder, term])).to.deep.equal([["b", 2n]]);
      });

    for (const reachOfBoth of [undefined, 10] as const)
      it(`stays where it is while all of them ${reachOfBoth === undefined ? "are blind" : "stand still"}`, async () => {
        const [a, b] = [
          await contender("a", TTL, () => reachOfBoth),
          await contender("b", TTL, () => reachOfBoth),
        ];
        await a.leases.start();
        await b.leases.start();
        await heard("a", AGES);
        expect([a.lease.held(), b.lease.held()]).to.deep.equal([true, false]);
        expect((await rows()).map(({ holder, term }) => [holder, term])).to.deep.equal([["a", 1n]]);
      });

    it("stays with a process that is alone, blind or not, and goes back to it when the better one is gone", async () => {
      const a = await contender("a", TTL, () => undefined);
      await a.leases.start();
      await heard("a", AGES);
      expect(a.lease.held(), "alone").to.equal(true);
      const b = await contender("b", TTL, () => 7);
      await b.leases.start();
      await until("the better one has it", () => b.lease.held());
      await b.cut();
      await until("the blind one tries again", () => a.lease.held());
    });

    it("is not given up for blocks that are on their way", async () => {
      let head = 100;
      const [a, b] = [
        await contender("a", TTL, () => head - 5),
        await contender("b", TTL, () => head),
      ];
      const blocks = setInterval(() => (head += 1), 100);
      try {
        await a.leases.start();
        await b.leases.start();
        await heard("a", AGES);
        expect([a.lease.held(), b.lease.held()]).to.deep.equal([true, false]);
      } finally {
        clearInterval(blocks);
      }
    });
  });

  it("is held together with the process's others, one statement for all", async () => {
    const a = await contender("a");
    const more = ["following", "sealing"].map((name) => a.leases.lease(name));
    await a.leases.start();
    expect([a.lease, ...more].map((one) => one.held())).to.deep.equal([true, true, true]);
    expect((await rows()).map((row) => row.name)).to.deep.equal(["following", "sealing", "work"]);
    expect(a.leases.state().every((one) => one.held)).to.equal(true);
  });
});

describe("several processes", () => {
  let bench: Bench;
  let issuer: Party;
  let employer: Party;
  const alive = new Set<Process>();

  before(async () => {
    bench = await openBench();
    const via = await bench.process();
    via.start();
    issuer = await enrolled(bench, via, ["issuer"]);
    employer = await enrolled(bench, via, ["employer"]);
    await via.end();
  });
  after(() => bench.close());
  afterEach(async () => {
    bench.proxy.rule = undefined;
    for (const one of alive) await one.end();
    alive.clear();
  });

  async function worker(leaseMs = TTL): Promise<Process> {
    const one = await bench.process({ leaseMs, resendMs: 200 });
    alive.add(one);
    await one.leases.start();
    return one.start();
  }
  async function kill(one: Process) {
    alive.delete(one);
    await one.crash();
  }
  const holds = (one: Process) =>
    one.leases.state().some(({ name, held }) => name === "following" && held);
  /** Parts that work, by their leases. */
  const leasesOf = (one: Process) =>
    one.leases
      .state()
      .filter(({ held }) => held)
      .map(({ name }) => name)
      .sort();
  const ALL = ["dispatching", "following", "lane:bureau", `lane:${RELAY_LANE}`, "sealing"];

  it("one works and the other stands by, and says where things are all the same", async () => {
    // so long that a machine which stands still for a moment hands nothing over
    const one = await worker(LONG);
    const two = await worker(LONG);
    expect([leasesOf(one), leasesOf(two)]).to.deep.equal([ALL, []]);
    await until("the one follows", () => one.follower.state().state === "following");
    await until("the other stands by", () => two.follower.state().state === "standby");
    const before = two.follower.state().block;
    await until("it sees the cursor move", () => two.follower.state().block > before);
    await two.follower.caughtUp();
    expect(two.lanes.state().map(({ held }) => held)).to.deep.equal([false, false]);
    expect(one.lanes.state().map(({ held }) => held)).to.deep.equal([true, true]);
  });

  it("when the one at work is killed the other takes over when its leases are over, and what was under way is done once", async () => {
    const one = await worker();
    const two = await worker();
    const who = await holder(bench);
    const first = await accepted(bench, one, issuer, { holder: who.address }, 3);
    await until("the node is offered a transaction", () => bench.proxy.raws().length > 0);
    await kill(one);
    const second = await accepted(bench, two, issuer, { holder: who.address }, 3);
    await until("the other works", () => leasesOf(two).length === ALL.length);
    await known(bench, [...first, ...second]);
    const sealed = (await bench.events()).filter((event) => event.name === "LotSealed");
    expect(sealed.reduce((sum, event) => sum + Number(event.args["count"]), 0)).to.equal(6);
    expect(
      (await bench.sql`select 1 from leases where term < 2`).length,
      "every lease has changed hands",
    ).to.equal(0);
  });

  it("a process that stops finishes what it has begun and hands over at once", async () => {
    const one = await worker(LONG);
    const two = await worker(LONG);
    const who = await holder(bench);
    const numbers = await accepted(bench, one, issuer, { holder: who.address }, 2);
    alive.delete(one);
    await one.end();
    await until("the other works", () => leasesOf(two).length === ALL.length);
    await known(bench, numbers);
  });

  it("under load, with one killed again and again, every invoice is sealed once and every claim reimbursed once", async () => {
    const next = random(7);
    const sealedBefore = (await bench.events()).filter(
      (event) => event.name === "LotSealed",
    ).length;
    let staying = await worker();
    let dying = await worker();
    const who = await holder(bench);
    const numbers: string[] = [];
    const claims: string[] = [];
    const decisions: string[] = [];
    for (let round = 0; round < 4; round++) {
      const fresh = await accepted(bench, staying, issuer, { holder: who.address }, 6);
      numbers.push(...fresh);
      await known(bench, fresh);
      claims.push(...(await bench.queue(...fresh.map((number) => claimBy(who, employer, number)))));
      // the one at work, at some moment
      const victim = holds(staying) ? staying : dying;
      const goal = bench.proxy.seen.length + Math.floor(next() * 30);
      await until("some calls more", () => bench.proxy.seen.length >= goal);
      await kill(victim);
      if (victim === staying) staying = dying;
      dying = await worker();
      await bench.done(...claims.slice(-6));
      decisions.push(
        ...(await bench.queue(...fresh.map((number) => decisionBy("Reimburse", employer, number)))),
      );
    }
    await bench.done(...decisions);
    const events = await bench.events();
    const lots = events.filter((event) => event.name === "LotSealed").slice(sealedBefore);
    expect(lots.reduce((sum, event) => sum + Number(event.args["count"]), 0)).to.equal(
      numbers.length,
    );
    for (const name of ["Claimed", "Reimbursed"]) {
      const ids = events
        .filter((event) => event.name === name)
        .map((event) => String(event.args["id"]));
      expect(ids.sort(), name).to.deep.equal([...numbers].sort());
    }
    expect(
      events.filter((event) => event.name === "Refused" || event.name === "LotRefused"),
    ).to.deep.equal([]);
  });
});
