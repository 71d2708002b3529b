import { randomUUID } from "node:crypto";
import { expect } from "chai";
import { announce } from "../../server/db/db.ts";
import { preferredWait } from "../../server/http/waiting.ts";
import { until } from "../server/support/proxy.ts";
import { call, looks, openWorld, type World } from "./fixture.ts";

/** Seconds; a wait that nothing ends early fails its test by the time that a test has. */
const LONGER_THAN_A_TEST = 120;
const patient = {
  MAX_BODY_BYTES: 10_000,
  RATE_PER_MINUTE: 100_000,
  PUBLIC_RATE_PER_MINUTE: 100_000,
};

describe("Prefer: wait", function () {
  this.timeout(120_000);
  let world: World;
  let elsewhere: string;
  before(async function () {
    this.timeout(120_000);
    world = await openWorld();
    elsewhere = (await world.app()).url;
  });

  const take = (
    key: string,
    prefer: string | undefined,
    more: { url?: string; idempotencyKey?: string; requestId?: string; signal?: AbortSignal } = {},
  ) => {
    const {
      url = world.url,
      idempotencyKey = randomUUID(),
      requestId = randomUUID(),
      signal,
    } = more;
    return call(`${url}/v1/jobs`, {
      method: "POST",
      key,
      idempotencyKey,
      body: { kind: "x" },
      headers: { "x-request-id": requestId, ...(prefer === undefined ? {} : { prefer }) },
      ...(signal ? { signal } : {}),
    });
  };
  /** The account's one job, as soon as it is committed. */
  const jobOf = async (account: string): Promise<string> => {
    for (let i = 0; i < 200; i++) {
      const [name] = await world.notes(account);
      if (name !== undefined) return name;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    throw new Error("there is no job");
  };
  const end = (job: string, outcome: string, tell = true) =>
    world.sql.begin(async (tx) => {
      await tx`update notes set outcome = ${outcome} where name = ${job}`;
      if (tell) await announce(tx, "outcome");
    });

  it("holds the answer until the work is done, and a replay gives the final answer", async () => {
    const { account, key } = await world.party("issuer");
    const idempotencyKey = randomUUID();
    const waiting = take(key, "wait=5", { idempotencyKey });
    const job = await jobOf(account);
    await end(job, "done");
    const answer = await waiting;
    expect(answer.status).to.equal(201);
    expect(answer.json).to.deep.equal({ job, status: "done" });
    expect(answer.headers.get("preference-applied")).to.equal("wait=5");
    expect(answer.headers.get("location")).to.equal(`/v1/jobs/${job}`);
    for (const prefer of [undefined, "wait=5"]) {
      const again = await take(key, prefer, { idempotencyKey, url: elsewhere });
      expect([again.status, again.text, again.headers.get("location")]).to.deep.equal([
        201,
        answer.text,
        `/v1/jobs/${job}`,
      ]);
      expect(again.headers.get("idempotency-replayed")).to.equal("true");
      expect(again.headers.get("preference-applied"), "nothing was waited for").to.equal(null);
    }
  });

  it("is woken by a change much sooner than it would look again", async () => {
    // without a change this gateway would not look again before the test's timeout
    const { url } = await world.app({
      config: { ...patient, WAIT_MAX_SECONDS: LONGER_THAN_A_TEST },
      changes: {
        wait: (_, ...topics) => world.changes.wait(LONGER_THAN_A_TEST * 1_000, ...topics),
      },
    });
    const { account, key } = await world.party("issuer");
    const waiting = take(key, `wait=${LONGER_THAN_A_TEST}`, { url });
    const job = await jobOf(account);
    while (!looks.has(job)) await new Promise((resolve) => setTimeout(resolve, 5));
    await end(job, "done");
    expect((await waiting).status).to.equal(201);
  });

  it("looks again when no change was announced", async () => {
    const { url } = await world.app({
      config: { ...patient, WAIT_MAX_SECONDS: LONGER_THAN_A_TEST },
    });
    const { account, key } = await world.party("issuer");
    const waiting = take(key, `wait=${LONGER_THAN_A_TEST}`, { url });
    const job = await jobOf(account);
    while (!looks.has(job)) await new Promise((resolve) => setTimeout(resolve, 5));
    await end(job, "done", false);
    expect((await waiting).status).to.equal(201);
  });

  it("lets the 202 stand when time is up; the next one with the key may wait again", async () => {
    const { account, key } = await world.party("issuer");
    const idempotencyKey = randomUUID();
    const began = performance.now();
    const answer = await take(key, "wait=1", { idempotencyKey });
    expect(performance.now() - began).to.be.at.least(990);
    expect(answer.status).to.equal(202);
    expect(answer.headers.get("preference-applied")).to.equal(null);
    const job = await jobOf(account);
    const before = looks.get(job) ?? 0;
    const waiting = take(key, "wait=5", { idempotencyKey, url: elsewhere });
    await until("the second waits", () => (looks.get(job) ?? 0) > before);
    await end(job, "done");
    const again = await waiting;
    expect([again.status, again.json.status]).to.deep.equal([201, "done"]);
    expect([
      again.headers.get("idempotency-replayed"),
      again.headers.get("preference-applied"),
    ]).to.deep.equal(["true", "wait=5"]);
    expect(await world.notes(account)).to.have.length(1);
  });

  it("is not assumed: without it the 202 comes at once", async () => {
    const { key } = await world.party("issuer");
    for (const prefer of [undefined, "wait=0", "respond-async", "wait=soon"]) {
      const answer = await take(key, prefer);
      expect(answer.status).to.equal(202);
      expect(looks.get(answer.json.job)).to.equal(undefined);
    }
  });

  it("gives a refusal that was the outcome, and gives it again", async () => {
    const { account, key } = await world.party("issuer");
    const idempotencyKey = randomUUID();
    const waiting = take(key, "wait=5", { idempotencyKey });
    await end(await jobOf(account), "refused");
    const answer = await waiting;
    expect(answer.status).to.equal(409);
    expect(answer.headers.get("content-type")).to.equal("application/problem+json");
    expect(answer.json).to.include({
      code: "already-claimed",
      status: 409,
      type: "/problems/already-claimed",
    });
    const again = await take(key, undefined, { idempotencyKey });
    expect([again.status, again.text, again.headers.get("content-type")]).to.deep.equal([
      409,
      answer.text,
      "application/problem+json",
    ]);
  });

  it("keeps to the 202 when the work cannot be looked after", async () => {
    const { account, key } = await world.party("issuer");
    const waiting = take(key, "wait=5");
    await end(await jobOf(account), "broken");
    expect((await waiting).status).to.equal(202);
  });

  it("two that wait on one key get one and the same answer", async () => {
    const { account, key } = await world.party("issuer");
    const idempotencyKey = randomUUID();
    const first = take(key, "wait=5", { idempotencyKey });
    const job = await jobOf(account);
    const second = take(key, "wait=5", { idempotencyKey, url: elsewhere });
    await new Promise((resolve) => setTimeout(resolve, 80));
    await end(job, "done");
    const answers = await Promise.all([first, second]);
    expect(answers.map((answer) => answer.status)).to.deep.equal([201, 201]);
    expect(answers[0]?.text).to.equal(answers[1]?.text);
  });

  it("stops looking when its client has gone", async () => {
    const { account, key } = await world.party("issuer");
    const client = new AbortController();
    const requestId = `gone-${randomUUID()}`;
    const waiting = take(key, "wait=5", { signal: client.signal, requestId }).catch(
      (error: Error) => error,
    );
    const job = await jobOf(account);
    while (!looks.has(job)) await new Promise((resolve) => setTimeout(resolve, 5));
    client.abort();
    expect(await waiting).to.be.instanceOf(Error);
    await until("the gateway knows it", () => world.log().includes(requestId));
    const then = looks.get(job);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect(looks.get(job)).to.equal(then);
  });

  it("ends when the process stops, with the 202 as it stands", async () => {
    const stopping = new AbortController();
    const socket = await world.app({
      stopping: stopping.signal,
      config: { ...patient, WAIT_MAX_SECONDS: LONGER_THAN_A_TEST },
    });
    const { account, key } = await world.party("issuer");
    const waiting = take(key, `wait=${LONGER_THAN_A_TEST}`, { url: socket.url });
    await jobOf(account);
    stopping.abort();
    expect((await waiting).status).to.equal(202);
    expect((await call(`${socket.url}/readyz`)).status).to.equal(503);
    await socket.close();
  });

  it("is read as RFC 7240 has it, and bounded", () => {
    const table: [string | undefined, number][] = [
      [undefined, 0],
      ["wait=10", 10],
      ["respond-async, wait=7", 7],
      ['WAIT = "8"; foo=bar', 8],
      ["wait=100000", 30],
      ["wait=99999999999999999999", 0],
      ["wait=-1", 0],
      ["await=3", 0],
      ["wait=1.5", 0],
    ];
    for (const [prefer, seconds] of table)
      expect(preferredWait(prefer, 30), prefer).to.equal(seconds);
  });
});
