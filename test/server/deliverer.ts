/**
 * Deliveries under faults: a receiver gets every event of its subscription in order and without a
 * gap, and no delivery goes to a private address.
 */
import { randomBytes, randomUUID } from "node:crypto";
import type { ServerResponse } from "node:http";
import { hostname } from "node:os";
import { expect } from "chai";
import { Webhook } from "standardwebhooks";
import { openChanges, openDb, type Sql } from "../../server/db/db.ts";
import { createDeliverer, sealTarget } from "../../server/features/out/deliverer.ts";
import { typesOf } from "../../server/features/out/events.ts";
import { createOutbound, mayReach, readNetworks } from "../../server/features/out/outbound.ts";
import { createWebhooks } from "../../server/features/out/webhooks.ts";
import { createLog } from "../../server/kernel/log.ts";
import { openVault, type Vault } from "../../server/keys/vault.ts";
import { openDatabase } from "./support/bench.ts";
import { until } from "./support/proxy.ts";
import { type Answering, hang, type Receiver, startReceiver, status } from "./support/receiver.ts";

const LOOPBACK = readNetworks("127.0.0.0/8");
const log = createLog(process.env["LOG_LEVEL"] ?? "silent");
const secretOf = () => `whsec_${randomBytes(32).toString("base64")}`;

describe("deliveries", () => {
  let database: Awaited<ReturnType<typeof openDatabase>>;
  let sql: Sql;
  let vault: Vault;
  const masterKey = randomBytes(32).toString("hex");
  const open: { end(): Promise<void> }[] = [];
  const receivers: Receiver[] = [];
  let last = 0n;

  before(async () => {
    database = await openDatabase();
    sql = database.sql;
    vault = await openVault(sql, masterKey);
  });
  after(() => database.close());
  afterEach(async () => {
    for (const gateway of open.splice(0)) await gateway.end();
    for (const receiver of receivers.splice(0)) await receiver.close();
    await sql`delete from webhooks`;
  });

  async function receiver(answer?: Answering, host?: string): Promise<Receiver> {
    const started = await startReceiver(answer, host);
    receivers.push(started);
    return started;
  }

  type Options = {
    schedule?: number[];
    places?: number;
    timeoutMs?: number;
    leaseSeconds?: number;
    slowMs?: number;
    allowed?: typeof LOOPBACK;
  };
  /** One gateway process that delivers; it runs until it crashes or the test ends. */
  async function process(options: Options = {}) {
    const mark = `deliverer_${randomBytes(6).toString("hex")}`;
    const own = openDb(`${database.url}?application_name=${mark}`, { connections: 6 });
    const changes = await openChanges(own);
    const outbound = createOutbound({
      allowed: options.allowed ?? LOOPBACK,
      timeoutMs: options.timeoutMs ?? 5_000,
    });
    const deliverer = createDeliverer({
      sql: own,
      vault: await openVault(own, masterKey),
      changes,
      log,
      outbound,
      typesOf,
      schedule: options.schedule ?? [100, 200, 400],
      places: options.places ?? 16,
      pollMs: 50,
      leaseSeconds: options.leaseSeconds ?? 2,
      ...(options.slowMs === undefined ? {} : { slowMs: options.slowMs }),
    });
    deliverer.start();
    let ended = false;
    const gateway = {
      deliverer,
      outbound,
      async end() {
        if (ended) return;
        ended = true;
        await deliverer.stop();
        await outbound.close();
        await changes.close();
        await own.end({ timeout: 1 });
      },
      /**
       * From one moment on the process sends nothing more, neither to the database nor to a
       * receiver.
       */
      async crash() {
        ended = true;
        const closing = Promise.allSettled([own.end({ timeout: 0 }), changes.close()]);
        const cut = () =>
          sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = ${mark}`;
        await until("its connections are cut", async () => (await cut()).length === 0);
        await outbound.close();
        await Promise.all([closing, deliverer.stop()]);
      },
    };
    open.push(gateway);
    return gateway;
  }

  const freshAccount = () => `0x${randomBytes(20).toString("hex")}`;
  type NewEvent = { type?: string; bureau?: Record<string, unknown> };
  /**
   * Writes rows as the follower does: in ascending order, each later than all earlier rows. Returns
   * the ids that receivers see.
   */
  async function tell(
    accounts: string[],
    count: number,
    { type = "invoice.issued", bureau }: NewEvent = {},
  ): Promise<string[]> {
    const rows = Array.from({ length: count }, () => {
      last += 2_048n;
      return {
        position: last,
        type,
        number: "26442000000000000001",
        accounts,
        data: sql.json({ nth: last.toString() }),
        at: new Date(),
        tx: "0x00",
      };
    });
    const noted = rows.map((row) => ({
      ...row,
      bureau: bureau === undefined ? null : sql.json(bureau as never),
    }));
    await sql.begin(async (tx) => {
      await tx`insert into feed ${tx(noted as never, "position", "type", "number", "accounts", "data", "bureau", "at", "tx")}`;
      await tx`select pg_notify('changes', '')`;
    });
    return rows.map((row) => `evt_${row.position}`);
  }
  type Subscribing = {
    roles?: string[];
    types?: string[];
    secrets?: { secret: string; until?: number }[];
  };
  async function subscribe(
    url: string,
    account: string,
    { roles = ["issuer", "employer", "holder"], types, secrets }: Subscribing = {},
  ): Promise<string> {
    const id = randomUUID();
    await sql`insert into parties (account, kind, sealed, created_by) values (${account}, 'taxpayer', ${Buffer.alloc(1)}, ${account}) on conflict do nothing`;
    const sealed = sealTarget(vault, id, { url, secrets: secrets ?? [{ secret: secretOf() }] });
    await sql`
      insert into webhooks (id, account, roles, sealed, types, position, latest)
      values (${id}, ${account}, ${roles}, ${sealed}, ${types ?? null}, ${last}, ${last})`;
    return id;
  }
  type State = { position: bigint; tries: number; disabled: string | null; claim: string | null };
  const stateOf = async (id: string) =>
    (
      await sql<State[]>`select position, tries, disabled, claim from webhooks where id = ${id}`
    )[0] as State;
  const attemptsOf = (id: string) =>
    sql<
      { event: bigint; status: number | null; error: string | null }[]
    >`select event, status, error from webhook_attempts where webhook = ${id} order by id`;
  const at = (id: string | undefined) => BigInt((id ?? "").slice("evt_".length));

  // ── order ──────────────────────────────────────────────────────────────────────────────────────

  it("two processes deliver every event once, in order, one at a time, and the position is never ahead of the accepted events", async () => {
    const account = freshAccount();
    const ahead: string[] = [];
    const shop = await receiver(async ({ id }, response) => {
      if ((await stateOf(hook)).position >= at(id)) ahead.push(id);
      response.end();
    });
    const secret = secretOf();
    const hook = await subscribe(shop.url, account, { secrets: [{ secret }] });
    await Promise.all([process(), process()]);
    const eventIds: string[] = [];
    for (let i = 0; i < 15; i += 1) eventIds.push(...(await tell([account], 20)));
    await until("all are delivered", () => shop.ids().length >= eventIds.length);
    await until("the position is at the end", async () => (await stateOf(hook)).position === last);
    expect(shop.ids()).to.deep.equal(eventIds);
    expect([shop.mostAtOnce, ahead]).to.deep.equal([1, []]);
    const { headers, body, data } = shop.deliveries[7] as (typeof shop.deliveries)[0];
    expect(new Webhook(secret).verify(body, headers)).to.deep.include({ type: "invoice.issued" });
    expect(() => new Webhook(secretOf()).verify(body, headers)).to.throw("No matching signature");
    expect(data).to.deep.include({
      version: 1,
      id: eventIds[7]?.slice(4),
      position: eventIds[7]?.slice(4),
      type: "invoice.issued",
    });
    expect(JSON.parse(body).timestamp).to.equal(data.at);
  });

  it("a process killed in the middle of a delivery leaves no gap: another sends the same event again and continues", async () => {
    const account = freshAccount();
    let hanging = true;
    const eventIds: string[] = [];
    const shop = await receiver(({ id }, response) => {
      if (!(hanging && id === eventIds[4])) response.end();
    });
    await subscribe(shop.url, account);
    const first = await process();
    eventIds.push(...(await tell([account], 10)));
    await until("the fifth event hangs", () => shop.ids().length === 5);
    await first.crash();
    hanging = false;
    await process();
    await until("all have come", () => shop.worked().length === 10);
    expect(shop.worked()).to.deep.equal(eventIds);
    expect(shop.ids()).to.deep.equal([...eventIds.slice(0, 5), ...eventIds.slice(4)]);
  });

  it("a process killed between the receiver's answer and the commit sends the event again, under the same id", async () => {
    const account = freshAccount();
    const shop = await receiver();
    const hook = await subscribe(shop.url, account);
    const first = await process();
    const [eventId] = (await tell([account], 1)) as [string];
    await until(
      "the first is in",
      async () =>
        (await stateOf(hook)).position === at(eventId) && (await stateOf(hook)).claim === null,
    );
    let release = () => {};
    shop.answer = async (_delivery, response) => {
      // the transaction that holds the row's lock keeps the position from moving
      const { promise: held, resolve } = Promise.withResolvers<void>();
      const locking = sql.begin(async (tx) => {
        await tx`select 1 from webhooks where id = ${hook} for update`;
        resolve();
        await new Promise<void>((done) => (release = done));
      });
      await held;
      response.end();
      await locking;
    };
    const [laterId] = (await tell([account], 1)) as [string];
    await until("the second was answered", async () => {
      const waiting =
        await sql`select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%update webhooks set position%'`;
      return shop.ids().length === 2 && waiting.length === 1;
    });
    shop.answer = (_delivery, response) => void response.end();
    await first.crash();
    release();
    await process();
    await until("it has come again", () => shop.ids().length === 3);
    await until(
      "the position is there",
      async () => (await stateOf(hook)).position === at(laterId),
    );
    expect(shop.ids()).to.deep.equal([eventId, laterId, laterId]);
  });

  it("a failed event is retried before the next event, and the attempts record each outcome", async () => {
    const account = freshAccount();
    const codes = [500, 503, 200];
    const shop = await receiver(
      (_delivery, response) => void response.writeHead(codes.shift() ?? 200).end(),
    );
    const hook = await subscribe(shop.url, account);
    await process();
    const [first, second] = (await tell([account], 2)) as [string, string];
    await until("both are in", async () => (await stateOf(hook)).position === at(second));
    expect(shop.ids()).to.deep.equal([first, first, first, second]);
    expect(
      (await attemptsOf(hook)).map(({ event, status: code, error }) => [
        `evt_${event}`,
        code,
        error,
      ]),
    ).to.deep.equal([
      [first, 500, "status"],
      [first, 503, "status"],
      [first, 200, null],
      [second, 200, null],
    ]);
    expect((await stateOf(hook)).tries).to.equal(0);
  });

  it("at most 50 attempts are kept", async () => {
    const account = freshAccount();
    const shop = await receiver();
    const hook = await subscribe(shop.url, account);
    await process();
    const eventIds = await tell([account], 60);
    await until("all are in", async () => (await stateOf(hook)).position === last);
    expect((await attemptsOf(hook)).map((attempt) => `evt_${attempt.event}`)).to.deep.equal(
      eventIds.slice(10),
    );
  });

  // ── endpoints that do not work ─────────────────────────────────────────────────────────────────

  it("any number of endpoints that hang or fail do not delay the others", async () => {
    const [good, bad] = [freshAccount(), freshAccount()];
    const dead = await receiver(status(500));
    const broken = await receiver(status(500));
    const shop = await receiver();
    for (let i = 0; i < 6; i += 1) {
      await subscribe(dead.url, bad);
      await subscribe(broken.url, bad);
    }
    const hook = await subscribe(shop.url, good);
    // an attempt that hangs holds its slot for longer than this test may take
    await process({ places: 4, timeoutMs: 600_000, schedule: Array<number>(1_000).fill(1) });
    await tell([bad], 1);
    await until(
      "the bad ones are tried again and again",
      () => dead.ids().length > 12 && broken.ids().length > 12,
    );
    let hanging = 0;
    dead.answer = () => {
      hanging += 1;
    };
    await until("one hangs", () => hanging > 0);
    const eventIds: string[] = [];
    for (let i = 0; i < 5; i += 1) {
      const [id] = (await tell([good], 1)) as [string];
      eventIds.push(id);
      await until("the good one has it", () => shop.ids().includes(id));
    }
    await until("its position is at the end", async () => (await stateOf(hook)).position === last);
    expect(shop.ids()).to.deep.equal(eventIds);
    await dead.close();
  });

  it("twenty receivers of one party that never finish delay no other party, and take only their party's slots", async () => {
    const [busy, other] = [freshAccount(), freshAccount()];
    let holding = 0;
    const held: ServerResponse[] = [];
    const slow = await receiver((_delivery, response) => {
      holding += 1;
      held.push(response);
    });
    for (let i = 0; i < 20; i += 1) await subscribe(slow.url, busy);
    const bureau = await receiver();
    await subscribe(bureau.url, other);
    // an attempt may take longer than this test
    await process({ places: 8, timeoutMs: 300_000, leaseSeconds: 600 });
    await tell([busy], 1);
    await until("the party's receivers hold what they may", () => holding > 0);
    const eventIds = await tell([other], 3);
    await until("the other party has its events", () => bureau.ids().length === eventIds.length);
    expect([bureau.ids(), holding]).to.deep.equal([eventIds, 1]);
    slow.answer = (_delivery, response) => void response.end();
    for (const response of held) response.end();
    await until("all of them have come", () => slow.ids().length === 20);
  });

  it("parties with many events do not block a party with few: they take turns", async () => {
    const many = 60;
    const busy = Array.from({ length: 8 }, freshAccount);
    const quick = freshAccount();
    const { promise: released, resolve: go } = Promise.withResolvers<void>();
    const busyOnes = await receiver(async (_delivery, response) => {
      await released;
      response.end();
    });
    for (const account of busy) await subscribe(busyOnes.url, account);
    let before = 0;
    const shop = await receiver((_delivery, response) => {
      before = busyOnes.ids().length;
      response.end();
    });
    await subscribe(shop.url, quick);
    await tell(busy, many);
    await process({ places: 8 });
    await until("all places are taken", () => busyOnes.ids().length === 8);
    await tell([quick], 1);
    go();
    await until("the one event has come", () => shop.ids().length === 1);
    await until(
      "all have come",
      () => new Set(busyOnes.ids()).size === many && busyOnes.ids().length === 8 * many,
    );
    // if each slot worked off its whole backlog first, some party would already have all its events
    expect(before).below(4 * many);
  });

  it("persons that a party manages take slots of that party", async () => {
    const [firm, other] = [freshAccount(), freshAccount()];
    const hung = await receiver(hang);
    await subscribe(hung.url, firm);
    for (let i = 0; i < 20; i += 1) {
      const account = freshAccount();
      await sql`insert into parties (account, kind, sealed, created_by, manager) values (${account}, 'person', ${Buffer.alloc(1)}, ${firm}, ${firm})`;
      await subscribe(hung.url, account);
    }
    const shop = await receiver();
    await subscribe(shop.url, other);
    const accounts = (
      await sql<{ account: string }[]>`select account from webhooks where account <> ${other}`
    ).map((row) => row.account);
    await tell(accounts, 1);
    await process({ places: 16, timeoutMs: 300_000, leaseSeconds: 600 });
    await until("the party has its places", () => hung.ids().length === 2);
    const eventIds = await tell([other], 3);
    await until("the other one's have come", () => shop.ids().length === eventIds.length);
    expect(hung.ids()).length(2);
  });

  it("a slow receiver shares its slots with failing receivers until it is fast again", async () => {
    const hung = await receiver(hang);
    const slow = await Promise.all(
      Array.from({ length: 3 }, () => subscribe(hung.url, freshAccount())),
    );
    const [quick, shop] = [freshAccount(), await receiver()];
    const hook = await subscribe(shop.url, quick);
    const slowOnes = async () =>
      (await sql<{ id: string }[]>`select id from webhooks where slow`).map((row) => row.id).sort();
    // every attempt takes longer than zero milliseconds
    const first = await process({ slowMs: -1 });
    await tell([quick], 1);
    await until("it is known to be slow", async () => (await slowOnes()).includes(hook));
    await first.end();
    await sql`update webhooks set slow = true where id = any(${slow}::uuid[])`;
    await process({ places: 2, timeoutMs: 300_000, leaseSeconds: 600 });
    const accounts = (
      await sql<{ account: string }[]>`select account from webhooks where id = any(${slow}::uuid[])`
    ).map((row) => row.account);
    await tell(accounts, 1);
    await until("a slow one has the half that is theirs", () => hung.ids().length > 0);
    await sql`update webhooks set slow = false where id = ${hook}`;
    await tell([quick], 1);
    await until("the other half is free", () => shop.ids().length === 2);
    expect([hung.ids().length, await slowOnes()]).to.deep.equal([1, [...slow].sort()]);
  });

  it("after the last try of the schedule the webhook is disabled; enabled again, it continues with the failed event", async () => {
    const account = freshAccount();
    const shop = await receiver(status(500));
    const hook = await subscribe(shop.url, account, { roles: ["issuer"] });
    const { outbound } = await process({ schedule: [10, 20] });
    const eventIds = await tell([account], 3);
    await until("it is disabled", async () => (await stateOf(hook)).disabled === "failing");
    expect(shop.ids()).to.deep.equal([eventIds[0], eventIds[0], eventIds[0]]);
    expect((await stateOf(hook)).position).to.equal(at(eventIds[0]) - 2_048n);
    shop.answer = status(204);
    const more = await tell([account], 1);
    const webhooks = createWebhooks({ vault, outbound });
    await sql.begin((tx) => webhooks.enable(tx, { keyId: "k", account, roles: ["issuer"] }, hook));
    await until("everything has come", async () => (await stateOf(hook)).position === last);
    expect(shop.worked()).to.deep.equal([...eventIds, ...more]);
  });

  it("410 disables at once, whatever the schedule", async () => {
    const account = freshAccount();
    const shop = await receiver(status(410));
    const hook = await subscribe(shop.url, account);
    await process();
    const eventIds = await tell([account], 3);
    await until("it is disabled", async () => (await stateOf(hook)).disabled === "gone");
    const healthy = await receiver();
    await subscribe(healthy.url, account);
    await tell([account], 2);
    await until("others go on", () => healthy.ids().length === 2);
    expect(shop.ids()).to.deep.equal([eventIds[0]]);
  });

  it("a receiver's Retry-After stretches the delay", async () => {
    const account = freshAccount();
    const answers = [status(429, { "retry-after": "2" })];
    const shop = await receiver((delivery, response) =>
      (answers.shift() ?? status(200))(delivery, response),
    );
    const hook = await subscribe(shop.url, account);
    await process({ schedule: [10, 10] });
    await tell([account], 1);
    await until("it has come", async () => (await stateOf(hook)).position === last);
    const [first = 0, second = 0] = shop.deliveries.map((delivery) => delivery.at);
    expect(second - first).to.be.at.least(1_900);
  });

  it("a redirect is a failure and is not followed", async () => {
    const account = freshAccount();
    const inner = await receiver();
    const shop = await receiver(status(307, { location: inner.url }));
    const hook = await subscribe(shop.url, account);
    await process({ schedule: [10] });
    await tell([account], 1);
    await until("it is disabled", async () => (await stateOf(hook)).disabled === "failing");
    expect(
      (await attemptsOf(hook)).map((attempt) => [attempt.status, attempt.error]),
    ).to.deep.equal([
      [307, "redirect"],
      [307, "redirect"],
    ]);
    expect(inner.deliveries).to.have.length(0);
  });

  it("an attempt still under way when the webhook is replayed, disabled or stopped does not move the position", async () => {
    const account = freshAccount();
    const waiting: (() => void)[] = [];
    const shop = await receiver((_delivery, response) => void waiting.push(() => response.end()));
    const hook = await subscribe(shop.url, account, { roles: ["issuer"] });
    const start = last;
    const gateway = await process({ leaseSeconds: 30 });
    const eventIds = await tell([account], 2);
    await until("the first is there", () => waiting.length === 1);
    waiting.shift()?.();
    await until("the second is there", () => waiting.length === 1);
    const webhooks = createWebhooks({ vault, outbound: gateway.outbound });
    const caller = { keyId: "k", account, roles: ["issuer"] as const };
    await sql.begin((tx) => webhooks.replay(tx, caller, hook, start));
    waiting.shift()?.();
    await until("the first comes again", () => shop.ids().length === 3);
    expect((await stateOf(hook)).position).to.equal(start);
    await sql.begin((tx) => webhooks.disable(tx, caller, hook));
    waiting.shift()?.();
    // a stop waits for attempts under way
    await gateway.end();
    expect(shop.ids()).to.deep.equal([eventIds[0], eventIds[1], eventIds[0]]);
    expect(await stateOf(hook)).to.deep.include({ position: start, disabled: "party", tries: 0 });
  });

  it("a process that stops aborts a hanging attempt, does not count it as a failure, and hands it to the next process at once", async () => {
    const account = freshAccount();
    const shop = await receiver(hang);
    const hook = await subscribe(shop.url, account);
    const gateway = await process({ leaseSeconds: 600, timeoutMs: 60_000 });
    const eventIds = await tell([account], 2);
    await until("it hangs", () => shop.ids().length === 1);
    await gateway.end();
    expect(await stateOf(hook)).to.deep.include({ claim: null, tries: 0 });
    shop.answer = status(200);
    await process();
    await until("all have come", async () => (await stateOf(hook)).position === last);
    expect(shop.worked()).to.deep.equal(eventIds);
  });

  // ── who sees what ──────────────────────────────────────────────────────────────────────────────

  it("a subscription gets its party's rows, in the types that its roles allow and it chose; the bureau gets all rows, with the members for the bureau only", async () => {
    const [own, other] = [freshAccount(), freshAccount()];
    const [all, some, till, bureau] = [
      await receiver(),
      await receiver(),
      await receiver(),
      await receiver(),
    ];
    const hooks = [
      await subscribe(all.url, own),
      await subscribe(some.url, own, { types: ["claim.created", "quota.set"] }),
      await subscribe(till.url, own, { roles: ["issuer"] }),
      await subscribe(bureau.url, freshAccount(), { roles: ["bureau"] }),
    ];
    await process();
    const issued = await tell([own], 2);
    const foreign = await tell([other], 2, {
      type: "reimbursement.refused",
      bureau: { by: "somebody" },
    });
    const claimed = await tell([own, other], 1, {
      type: "claim.created",
      bureau: { by: "secret" },
    });
    const everybody = await tell(["*"], 1, { type: "ledger.closed" });
    await until("all are level", async () =>
      (await Promise.all(hooks.map(stateOf))).every(({ position }) => position === last),
    );
    expect(all.ids()).to.deep.equal([...issued, ...claimed, ...everybody]);
    expect(some.ids()).to.deep.equal(claimed);
    expect(till.ids()).to.deep.equal([...issued, ...everybody]);
    expect(bureau.ids()).to.deep.equal([...issued, ...foreign, ...claimed, ...everybody]);
    expect(some.deliveries[0]?.data.data).to.not.have.property("by");
    expect(bureau.deliveries.map((delivery) => delivery.data.data.by)).to.deep.equal([
      undefined,
      undefined,
      "somebody",
      "somebody",
      "secret",
      undefined,
    ]);
  });

  it("the time since which an event waits comes from the subscription's own rows, not from the feed's head", async () => {
    const [own, other] = [freshAccount(), freshAccount()];
    const shop = await receiver();
    const [hook, bureau] = [
      await subscribe(shop.url, own),
      await subscribe(shop.url, freshAccount(), { roles: ["bureau"] }),
    ];
    const waits = async (id: string) =>
      (
        await sql<{ since: Date | null }[]>`select since from webhook_backlog_now where id = ${id}`
      )[0]?.since ?? null;
    expect([await waits(hook), await waits(bureau)]).to.deep.equal([null, null]);
    await tell([other], 2);
    expect(await waits(hook)).to.equal(null);
    expect(await waits(bureau)).to.be.instanceOf(Date);
    await tell([own], 1);
    expect(await waits(hook)).to.be.instanceOf(Date);
    await process();
    await until(
      "nothing waits",
      async () => (await waits(hook)) === null && (await waits(bureau)) === null,
    );
  });

  it("during a rotation both secrets sign; afterwards only the new one", async () => {
    const account = freshAccount();
    const [fresh, old, expired] = [secretOf(), secretOf(), secretOf()];
    const shop = await receiver();
    const now = Date.now();
    await subscribe(shop.url, account, {
      secrets: [
        { secret: fresh },
        { secret: old, until: now + 60_000 },
        { secret: expired, until: now - 1 },
      ],
    });
    await process();
    await tell([account], 1);
    const { body, headers } = await until("it has come", () => shop.deliveries[0]);
    for (const secret of [fresh, old])
      expect(new Webhook(secret).verify(body, headers)).to.be.an("object");
    expect(() => new Webhook(expired).verify(body, headers)).to.throw("No matching signature");
  });

  // ── addresses ──────────────────────────────────────────────────────────────────────────────────

  const inside = [
    "127.0.0.1",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "198.18.0.1",
    "192.0.2.1",
    "224.0.0.1",
  ];
  const insideToo = [
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "fec0::1",
    "2001:db8::1",
    "100::1",
  ];
  const disguised = [
    "::ffff:127.0.0.1",
    "::ffff:a00:1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "::7f00:1",
    "::ffff:0:7f00:1",
    "2001:0:7f00:1::",
  ];
  const outside = ["8.8.8.8", "93.184.215.14", "2606:4700:4700::1111", "2400:3200::1"];
  it("public addresses are allowed over TLS; private, local and disguised ones only if their network is allowed", () => {
    const passed = [...inside, ...insideToo, ...disguised, "nonsense", "127.1"].filter((address) =>
      mayReach(address, [], false),
    );
    expect(passed).to.deep.equal([]);
    expect(outside.filter((address) => mayReach(address, [], false))).to.deep.equal(outside);
    expect(outside.filter((address) => mayReach(address, [], true))).to.deep.equal([]);
    const allowed = readNetworks("10.1.2.0/24, fd00:ec2::/32");
    expect(
      [...inside, ...insideToo, ...disguised].filter((address) => mayReach(address, allowed, true)),
    ).to.deep.equal(["10.1.2.3", "fd00:ec2::254"]);
  });

  it("no connection is made to a private address in any notation or by name", async () => {
    const here = await receiver();
    const outbound = createOutbound({ allowed: [], timeoutMs: 3_000 });
    const hosts = [
      "127.0.0.1",
      "127.1",
      "2130706433",
      "0x7f.1",
      "0177.0.0.1",
      "[::1]",
      "[::ffff:127.0.0.1]",
      "[::ffff:7f00:1]",
      "localhost",
      "LOCALHOST.",
      "0",
    ];
    for (const scheme of ["http", "https"]) {
      for (const host of [...hosts, hostname()]) {
        const { fault, status: code } = await outbound.post(
          `${scheme}://${host}:${here.port}/`,
          {},
          "{}",
        );
        expect([host, code]).to.deep.equal([host, undefined]);
        expect(fault, `${scheme} ${host}`).to.equal("address-refused");
        if (host !== "LOCALHOST.") expect(fault, `${scheme} ${host}`).to.equal("address-refused");
      }
    }
    await outbound.close();
    expect(here.deliveries).to.have.length(0);
  });

  it("a name is resolved and checked at each connection, and the connection goes to the checked address", async () => {
    const [allowedOne, forbidden] = [await receiver(undefined, "127.0.0.2"), await receiver()];
    const answers: string[][] = [["127.0.0.2"], ["127.0.0.1"], ["127.0.0.2", "127.0.0.1"], []];
    const outbound = createOutbound({
      allowed: readNetworks("127.0.0.2/32"),
      timeoutMs: 3_000,
      resolve: async () => (answers.shift() ?? []).map((address) => ({ address, family: 4 })),
    });
    const results: unknown[] = [];
    for (const { port } of [allowedOne, forbidden, forbidden, forbidden]) {
      const { status: code, fault } = await outbound.post(
        `http://rebound.example:${port}/`,
        {},
        '{"type":"x"}',
      );
      results.push(code ?? fault);
    }
    await outbound.close();
    expect(results).to.deep.equal([200, "address-refused", "address-refused", "address-refused"]);
    expect([allowedOne.deliveries.length, forbidden.deliveries.length]).to.deep.equal([1, 0]);
  });

  it("a refused address is a failed attempt like any other, at every attempt", async () => {
    const account = freshAccount();
    const here = await receiver();
    const hook = await subscribe(here.url, account);
    await process({ allowed: [], schedule: [10, 10] });
    await tell([account], 1);
    await until("it is disabled", async () => (await stateOf(hook)).disabled === "failing");
    expect((await attemptsOf(hook)).map((attempt) => attempt.error)).to.deep.equal([
      "address-refused",
      "address-refused",
      "address-refused",
    ]);
    expect(here.deliveries).to.have.length(0);
  });

  it("each connection fault has a code", async () => {
    const outbound = createOutbound({ allowed: LOOPBACK, timeoutMs: 300 });
    const [silent, plain, closed] = [await receiver(hang), await receiver(), await startReceiver()];
    await closed.close();
    const rude = await receiver((_delivery, response) => void response.destroy());
    const fault = async (url: string) => (await outbound.post(url, {}, '{"type":"x"}')).fault;
    expect(await fault(silent.url)).to.equal("timeout");
    expect(await fault(closed.url)).to.equal("connection-refused");
    expect(await fault(rude.url)).to.equal("connection-lost");
    expect(await fault(plain.url.replace("http:", "https:"))).to.equal("tls");
    // the same code as for a name of a private address
    expect(await fault("http://nowhere.invalid/")).to.equal("address-refused");
    expect(plain.deliveries).to.have.length(0);
    await outbound.close();
  });

  it("an answer with a slow body counts by its status, and its end is not awaited", async () => {
    // an attempt may take longer than this test
    const outbound = createOutbound({ allowed: LOOPBACK, timeoutMs: 300_000 });
    let cut = () => {};
    const closed = new Promise<void>((resolve) => {
      cut = resolve;
    });
    const drip = await receiver((_delivery, response) => {
      response.writeHead(200);
      const drop = setInterval(() => response.write("x"), 50);
      response.once("close", () => {
        clearInterval(drop);
        cut();
      });
    });
    expect((await outbound.post(drip.url, {}, '{"type":"x"}')).status).to.equal(200);
    await closed;
    await outbound.close();
  });

  it("an endless answer is cut, and counts by its status", async () => {
    const outbound = createOutbound({ allowed: LOOPBACK, timeoutMs: 2_000 });
    const flood = await receiver((_delivery, response) => {
      response.writeHead(200);
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
        if (!response.destroyed) response.once("drain", more);
      };
      more();
    });
    const { status: code, ms } = await outbound.post(flood.url, {}, '{"type":"x"}');
    expect(code).to.equal(200);
    expect(ms).to.be.lessThan(1_500);
    await outbound.close();
  });
});
