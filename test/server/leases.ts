/**
 * Several processes on one database: one works, another takes over when the first is gone, and no
 * work is done twice.
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
 * For a holder that must keep its lease: even if the machine pauses for a second or two, the lease
 * stays with its holder.
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
    for (const gateway of open.splice(0)) await gateway.end();
    await database.sql`delete from leases`;
    await database.sql`delete from processes`;
  });

  /** A process that consists only of its leases. */
  async function contender(
    holder: string,
    ttlMs = TTL,
    reach: () => number | undefined = () => undefined,
  ) {
    const sql = openDb(database.url, { connections: 2 });
    const changes = await openChanges(sql);
    const leases: Leases = createLeases({ sql, changes, log, holder, ttlMs, reach });
    let ended = false;
    const gateway = {
      leases,
      lease: leases.lease("work"),
      /**
       * Like a process that is killed or cut off: none of its statements reaches the database any
       * more.
       */
      async cut() {
        if (ended) return;
        ended = true;
        await Promise.all([changes.close(), sql.end({ timeout: 0 })]);
      },
      async end() {
        await leases.stop();
        await gateway.cut();
      },
    };
    open.push(gateway);
    return gateway;
  }
  const rows = () => database.sql<{ name: string; holder: string; term: bigint; left: number }[]>`
    select name, holder, term, extract(epoch from until - clock_timestamp())::float8 * 1000 as left from leases order by name`;

  it("stays with one process beyond its duration while that process lives", async () => {
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
    // longer than a test may take: waiting for the lease's end would fail
    const [a, b] = [await contender("a", LONG), await contender("b", LONG)];
    await a.leases.start();
    await b.leases.start();
    await a.leases.stop();
    expect(a.lease.held()).to.equal(false);
    await until("the other has it", () => b.lease.held());
    expect((await rows()).map(({ holder, term }) => [holder, term])).to.deep.equal([["b", 2n]]);
  });

  it("ends for a holder that cannot reach the database before another process can take it", async () => {
    const [a, b] = [await contender("a"), await contender("b")];
    await a.leases.start();
    await b.leases.start();
    let both = 0;
    using _watch = setInterval(() => {
      if (a.lease.held() && b.lease.held()) both += 1;
    }, 1);
    await a.cut();
    await until("it has given itself up", () => !a.lease.held());
    expect(b.lease.held(), "free, and nobody has it yet").to.equal(false);
    await until("the other has it", () => b.lease.held());
    expect(both).to.equal(0);
  });

  it("does not return to a holder that slept past the lease's end without another heartbeat", async () => {
    const [a, b] = [await contender("a"), await contender("b")];
    await a.leases.start();
    // like a stopped process (SIGSTOP): no code runs, but the clock goes on
    const end = performance.now() + 2 * TTL;
    while (performance.now() < end)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    expect(a.lease.held(), "the first thing that it asks after waking").to.equal(false);
    await b.leases.start();
    await until("one of them has it", () => a.lease.held() || b.lease.held());
    expect([a.lease.held(), b.lease.held()]).to.not.deep.equal([true, true]);
  });

  it("works with clocks that are hours apart", async () => {
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

  describe("of processes whose nodes reach different heights", () => {
    /** The number of heartbeats of this process that the database has seen since this call. */
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
    /** Enough heartbeats for a holder to give up the lease if it must. */
    const AGES = Math.ceil(4_000 / (TTL / 3)) + 2;

    for (const [words, own] of [
      ["does not serve", undefined],
      ["stands still", 10],
    ] as const)
      it(`moves to another process if the holder's node ${words} and the other's does not, and stays there`, async () => {
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
        [reachOfA, reachOfB] = [own, 11];
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
      it(`stays with its holder while all nodes ${reachOfBoth === undefined ? "are blind" : "stand still"}`, async () => {
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

    it("stays with the only process even if it is blind, and returns to it when the better one is gone", async () => {
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

    it("is not given up while new blocks are still on their way", async () => {
      let head = 100;
      const [a, b] = [
        await contender("a", TTL, () => head - 5),
        await contender("b", TTL, () => head),
      ];
      using _blocks = setInterval(() => (head += 1), 100);
      await a.leases.start();
      await b.leases.start();
      await heard("a", AGES);
      expect([a.lease.held(), b.lease.held()]).to.deep.equal([true, false]);
    });
  });

  it("is held together with the process's others, one statement for all", async () => {
    const a = await contender("a");
    const more = ["following", "sealing"].map((name) => a.leases.lease(name));
    await a.leases.start();
    expect([a.lease, ...more].map((lease) => lease.held())).to.deep.equal([true, true, true]);
    expect((await rows()).map((row) => row.name)).to.deep.equal(["following", "sealing", "work"]);
    expect(a.leases.state().every((lease) => lease.held)).to.equal(true);
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
    for (const gateway of alive) await gateway.end();
    alive.clear();
  });

  async function worker(leaseMs = TTL): Promise<Process> {
    const gateway = await bench.process({ leaseMs, resendMs: 200 });
    alive.add(gateway);
    await gateway.leases.start();
    return gateway.start();
  }
  async function kill(gateway: Process) {
    alive.delete(gateway);
    await gateway.crash();
  }
  const holds = (gateway: Process) =>
    gateway.leases.state().some(({ name, held }) => name === "following" && held);
  /** The active parts, by their leases. */
  const leasesOf = (gateway: Process) =>
    gateway.leases
      .state()
      .filter(({ held }) => held)
      .map(({ name }) => name)
      .sort();
  const ALL = ["dispatching", "following", "lane:bureau", `lane:${RELAY_LANE}`, "sealing"];

  it("one works while the other stands by and still reports the state", async () => {
    // long enough to keep the leases while the machine pauses for a moment
    const gateway = await worker(LONG);
    const standby = await worker(LONG);
    expect([leasesOf(gateway), leasesOf(standby)]).to.deep.equal([ALL, []]);
    await until("the one follows", () => gateway.follower.state().state === "following");
    await until("the other stands by", () => standby.follower.state().state === "standby");
    const before = standby.follower.state().block;
    await until("it sees the cursor move", () => standby.follower.state().block > before);
    await standby.follower.caughtUp();
    expect(standby.lanes.state().map(({ held }) => held)).to.deep.equal([false, false]);
    expect(gateway.lanes.state().map(({ held }) => held)).to.deep.equal([true, true]);
  });

  it("if the active process is killed, the other takes over after its leases end, and the work under way is done once", async () => {
    const gateway = await worker();
    const standby = await worker();
    const who = await holder(bench);
    const first = await accepted(bench, gateway, issuer, { holder: who.address }, 3);
    await until("the node is offered a transaction", () => bench.proxy.raws().length > 0);
    await kill(gateway);
    const second = await accepted(bench, standby, issuer, { holder: who.address }, 3);
    await until("the other works", () => leasesOf(standby).length === ALL.length);
    await known(bench, [...first, ...second]);
    const sealed = (await bench.events()).filter((event) => event.name === "LotSealed");
    expect(sealed.reduce((sum, event) => sum + Number(event.args["count"]), 0)).to.equal(6);
    expect(
      (await bench.sql`select 1 from leases where term < 2`).length,
      "every lease has changed hands",
    ).to.equal(0);
  });

  it("a process that stops finishes its current work and hands over at once", async () => {
    const gateway = await worker(LONG);
    const standby = await worker(LONG);
    const who = await holder(bench);
    const numbers = await accepted(bench, gateway, issuer, { holder: who.address }, 2);
    alive.delete(gateway);
    await gateway.end();
    await until("the other works", () => leasesOf(standby).length === ALL.length);
    await known(bench, numbers);
  });

  it("under load, with a process killed again and again, every invoice is sealed once and every claim reimbursed once", async () => {
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
      // the active process, at a random moment
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
