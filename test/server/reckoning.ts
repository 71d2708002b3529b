/**
 * The thread that opens every sealed document: it may die or hang at any moment, and the next turn
 * continues.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { expect } from "chai";
import { migrate, openDb } from "../../server/db/db.ts";
import { createLog } from "../../server/kernel/log.ts";
import { createReckoner, type Reckoner, type ReckonerData } from "../../server/upkeep/reckoning.ts";
import { issued, sandbox, taxpayer } from "./network.ts";
import { database, until } from "./observe.ts";

describe("the reckoner", function () {
  this.timeout(120_000);
  let open: Reckoner[] = [];

  /** A reckoner next to the gateway's own, and the threads that it has started. */
  async function reckoner(
    start: (data: ReckonerData) => Worker,
    sql?: Awaited<ReturnType<typeof database>>,
  ) {
    const { config, deployment } = await sandbox();
    const threads: Worker[] = [];
    const started = (data: ReckonerData) => {
      const thread = start(data);
      threads.push(thread);
      return thread;
    };
    const made = createReckoner({
      sql: sql ?? (await database()),
      config,
      deployment,
      log: createLog("silent"),
      start: started,
      endMs: 300,
    });
    open.push(made);
    const turn = (signal = new AbortController().signal) =>
      Promise.all(made.jobs.map((job) => job.run(signal)));
    return { made, threads, turn };
  }
  const real = (workerData: ReckonerData) =>
    new Worker(new URL("../../server/upkeep/reckoner.ts", import.meta.url), { workerData });
  const hanging = () => new Worker("for (;;);", { eval: true });
  const failure = (work: Promise<unknown>) =>
    work.then(
      () => undefined,
      (cause: Error) => cause.message,
    );

  before(async () => {
    const [shop, firm] = await Promise.all([
      taxpayer("茶餐厅", ["issuer"]),
      taxpayer("精密制造", ["employer"]),
    ]);
    const number = await issued(shop, firm);
    await until(
      "a lot is known",
      async () =>
        (await (await database())`select 1 from lots where first <= ${number}`).length > 0,
    );
  });
  afterEach(async () => {
    await Promise.all(open.map((reckoner) => reckoner.close()));
    open = [];
  });

  it("is one thread for all its jobs, started at the first turn that has documents to reckon", async () => {
    const { threads, turn } = await reckoner(real);
    expect(threads).lengthOf(0);
    await turn();
    await turn();
    expect(threads).lengthOf(1);
  });

  it("is not started if nothing was ever sealed", async () => {
    const { databaseUrl } = await sandbox();
    const admin = openDb(databaseUrl, { connections: 1 });
    const name = `empty_${randomBytes(6).toString("hex")}`;
    await admin.unsafe(`create database ${name}`);
    const empty = openDb(databaseUrl.replace(/\/[^/]*$/, `/${name}`), { connections: 1 });
    try {
      await migrate(empty);
      const { threads, turn } = await reckoner(real, empty);
      await turn();
      expect(threads).lengthOf(0);
    } finally {
      await empty.end({ timeout: 1 });
      await admin.unsafe(`drop database ${name} with (force)`);
      await admin.end();
    }
  });

  it("is started again after it has died in the middle of a turn; this turn fails", async () => {
    const { threads, turn } = await reckoner(
      (data): Worker => (threads.length === 0 ? hanging() : real(data)),
    );
    const broken = turn();
    await until("it has started", async () => threads.length === 1);
    await threads[0]?.terminate();
    expect(await failure(broken)).equals("the reckoner has ended");
    await turn();
    expect(threads).lengthOf(2);
  });

  it("fails the turn if it cannot start, and tries again at the next turn", async () => {
    const { threads, turn } = await reckoner((data) =>
      real(
        threads.length === 0
          ? { ...data, config: { ...data.config, MASTER_KEY: "00".repeat(32) } }
          : data,
      ),
    );
    expect(await failure(turn())).equals("the reckoner has ended");
    await turn();
    expect(threads).lengthOf(2);
  });

  it("is terminated if it does not stop on request", async () => {
    const { made, threads, turn } = await reckoner(hanging);
    const stopping = new AbortController();
    const broken = turn(stopping.signal);
    await until("it has started", async () => threads.length === 1);
    stopping.abort();
    expect(await failure(broken)).equals("the reckoner has ended");
    await made.close();
  });

  it("ends with its gateway, also if it hangs", async () => {
    for (const start of [real, hanging]) {
      const { made, threads, turn } = await reckoner(start);
      const work = turn();
      if (start === real) await work;
      else work.catch(() => {});
      await until("it has started", async () => threads.length === 1);
      const ended = once(threads[0] as Worker, "exit");
      await made.close();
      await ended;
    }
  });
});
