import { fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { expect } from "chai";
import type { Sql } from "../../server/db/db.ts";
import { readIdempotencyKey } from "../../server/http/idempotency.ts";
import { call, gate, openWorld, type World } from "./fixture.ts";

describe("a POST with an Idempotency-Key", () => {
  let world: World;
  let elsewhere: string;
  before(async function () {
    this.timeout(120_000);
    world = await openWorld();
    elsewhere = (await world.app()).url;
  });
  const kept = async (account: string) =>
    (await world.sql<{ key: string }[]>`select key from idempotency where account = ${account}`)
      .length;

  for (const [where, urlOf] of [
    ["the same gateway", () => world.url],
    ["another gateway on the same database", () => elsewhere],
  ] as const) {
    describe(`that comes again to ${where}`, () => {
      it("gets the same answer, byte for byte, and does nothing more", async () => {
        const { account, key } = await world.party("issuer");
        const request = {
          method: "POST",
          key,
          idempotencyKey: randomUUID(),
          body: { name: "one" },
        };
        const first = await call(`${world.url}/v1/notes`, request);
        const again = await call(`${urlOf()}/v1/notes`, request);
        expect([first.status, again.status]).to.deep.equal([201, 201]);
        expect(again.text).to.equal(first.text);
        expect(again.headers.get("location"))
          .to.equal(first.headers.get("location"))
          .and.match(/^\/v1\/notes\/\d+$/);
        expect(again.headers.get("content-type")).to.equal(first.headers.get("content-type"));
        expect([
          first.headers.get("idempotency-replayed"),
          again.headers.get("idempotency-replayed"),
        ]).to.deep.equal([null, "true"]);
        expect(await world.notes(account)).to.deep.equal(["one"]);
      });

      const others: [
        string,
        { path?: string; body?: unknown; headers?: Record<string, string> },
      ][] = [
        ["another body", { body: { name: "two" } }],
        ["the same body written otherwise", { body: '{ "name": "one" }' }],
        ["another path", { path: "/v1/gated", body: { gate: "none" } }],
        [
          "another media type",
          {
            path: "/v1/notes/batch",
            body: '{"name":"one"}',
            headers: { "content-type": "application/x-ndjson" },
          },
        ],
      ];
      for (const [label, { path = "/v1/notes", ...other }] of others) {
        it(`with ${label} is refused because the key is used`, async () => {
          const { account, key } = await world.party("issuer");
          const request = {
            method: "POST",
            key,
            idempotencyKey: randomUUID(),
            body: '{"name":"one"}',
          };
          expect((await call(`${world.url}/v1/notes`, request)).status).to.equal(201);
          const answer = await call(`${urlOf()}${path}`, { ...request, ...other });
          expect(answer.status).to.equal(422);
          expect(answer.json).to.include({ code: "idempotency-key-reused", retry: "never" });
          expect(await world.notes(account)).to.deep.equal(["one"]);
        });
      }

      it("while the first is running is refused for now, then gets its answer", async () => {
        const { account, key } = await world.party("issuer");
        const name = randomUUID();
        const { entered, open } = gate(name);
        const request = { method: "POST", key, idempotencyKey: randomUUID(), body: { gate: name } };
        const first = call(`${world.url}/v1/gated`, request);
        await entered;
        const running = await call(`${urlOf()}/v1/gated`, request);
        const runningOther = await call(`${urlOf()}/v1/gated`, {
          ...request,
          body: { gate: "other" },
        });
        open();
        for (const answer of [running, runningOther]) {
          expect(answer.status).to.equal(409);
          expect(answer.json).to.include({ code: "idempotency-key-running", retry: "same-key" });
          expect(answer.headers.get("retry-after")).to.equal("1");
        }
        expect((await first).status).to.equal(201);
        const after = await call(`${urlOf()}/v1/gated`, request);
        expect(after.text).to.equal((await first).text);
        expect(after.headers.get("idempotency-replayed")).to.equal("true");
        expect(await world.notes(account)).to.deep.equal([name]);
      });

      for (const [name, status, code] of [
        ["refused", 409, "quota-exceeded"],
        ["crash", 500, "internal"],
        ["unique", 500, "internal"],
        ["serialize", 503, "unavailable"],
      ] as const) {
        it(`after ${code} (${name}) is tried again: nothing was kept, the key is not used up`, async () => {
          const { account, key } = await world.party("issuer");
          const request = { method: "POST", key, idempotencyKey: randomUUID(), body: { name } };
          for (const url of [world.url, urlOf()]) {
            const answer = await call(`${url}/v1/notes`, request);
            expect(answer.status).to.equal(status);
            expect(answer.json.code).to.equal(code);
            expect(answer.headers.get("idempotency-replayed")).to.equal(null);
            expect(answer.headers.get("retry-after")).to.equal(status === 503 ? "1" : null);
          }
          expect(await world.notes(account)).to.deep.equal([]);
          expect(await kept(account)).to.equal(0);
          const other = await call(`${urlOf()}/v1/notes`, { ...request, body: { name: "other" } });
          expect(other.status, "the key is free for another body").to.equal(201);
        });
      }

      it("after a refusal of the request itself is free", async () => {
        const { account, key } = await world.party("issuer");
        const idempotencyKey = randomUUID();
        const bad = [
          { body: { name: "" }, status: 422 },
          { body: "{", status: 400 },
          { body: { name: "x" }, headers: { "content-type": "text/plain" }, status: 415 },
          { body: "x".repeat(20_000), status: 413 },
        ];
        for (const { status, ...request } of bad)
          expect(
            (await call(`${urlOf()}/v1/notes`, { method: "POST", key, idempotencyKey, ...request }))
              .status,
          ).to.equal(status);
        const good = await call(`${world.url}/v1/notes`, {
          method: "POST",
          key,
          idempotencyKey,
          body: { name: "good" },
        });
        expect(good.status).to.equal(201);
        expect(await world.notes(account)).to.deep.equal(["good"]);
      });
    });
  }

  it("twenty at once, on two gateways, does the work once", async () => {
    const { account, key } = await world.party("issuer");
    const request = { method: "POST", key, idempotencyKey: randomUUID(), body: { name: "once" } };
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        call(`${i % 2 ? world.url : elsewhere}/v1/notes`, request),
      ),
    );
    expect(await world.notes(account)).to.deep.equal(["once"]);
    const done = answers.filter((answer) => answer.status === 201);
    expect(
      done.filter((answer) => answer.headers.get("idempotency-replayed") === null),
    ).to.have.length(1);
    expect(new Set(done.map((answer) => answer.text)).size).to.equal(1);
    for (const answer of answers) expect([201, 409]).to.include(answer.status);
    for (const answer of answers.filter(({ status }) => status === 409))
      expect(answer.json.code).to.equal("idempotency-key-running");
  });

  it("belongs to its account: another party may use the same one", async () => {
    const owner = await world.party("issuer");
    const other = await world.party("issuer");
    const idempotencyKey = randomUUID();
    for (const { key, account } of [owner, other]) {
      const answer = await call(`${world.url}/v1/notes`, {
        method: "POST",
        key,
        idempotencyKey,
        body: { name: account.slice(0, 20) },
      });
      expect(answer.status).to.equal(201);
      expect(answer.headers.get("idempotency-replayed")).to.equal(null);
    }
  });

  it("whose gateway is killed in the middle has done nothing, and can be sent again", async function () {
    this.timeout(120_000);
    const { account, key } = await world.party("issuer");
    const name = randomUUID();
    const child = fork(new URL("./gateway-process.ts", import.meta.url), [name], {
      env: { ...process.env, DATABASE: world.database.url, KEY: world.database.masterKey },
      execArgv: [],
    });
    try {
      const message = (await once(child, "message")) as [{ url: string }];
      const request = { method: "POST", key, idempotencyKey: randomUUID(), body: { gate: name } };
      const first = call(`${message[0].url}/v1/gated`, request).catch((error: Error) => error);
      await once(child, "message");
      expect(
        (await call(`${elsewhere}/v1/gated`, request)).json.code,
        "it is in the middle of it",
      ).to.equal("idempotency-key-running");
      child.kill("SIGKILL");
      expect(await first).to.be.instanceOf(Error);
      let again = await call(`${elsewhere}/v1/gated`, request);
      for (let i = 0; again.status === 409 && i < 200; i++)
        again = await call(`${elsewhere}/v1/gated`, request);
      expect(again.status).to.equal(201);
      expect(again.headers.get("idempotency-replayed")).to.equal(null);
      expect(await world.notes(account)).to.deep.equal([name]);
    } finally {
      child.kill("SIGKILL");
    }
  });

  it("whose client hangs up is done, and its answer goes to a repeated request", async () => {
    const { account, key } = await world.party("issuer");
    const name = randomUUID();
    const { entered, open } = gate(name);
    const client = new AbortController();
    const request = { method: "POST", key, idempotencyKey: randomUUID(), body: { gate: name } };
    const first = call(`${world.url}/v1/gated`, { ...request, signal: client.signal }).catch(
      (error: Error) => error,
    );
    await entered;
    client.abort();
    expect(await first).to.be.instanceOf(Error);
    open();
    let again = await call(`${world.url}/v1/gated`, request);
    for (let i = 0; again.status === 409 && i < 50; i++)
      again = await call(`${world.url}/v1/gated`, request);
    expect(again.status).to.equal(201);
    expect(again.headers.get("idempotency-replayed")).to.equal("true");
    expect(await world.notes(account)).to.deep.equal([name]);
  });

  it("answers text as it was, also when it is repeated", async () => {
    const { key } = await world.party("issuer");
    const request = {
      method: "POST",
      key,
      idempotencyKey: randomUUID(),
      body: '{"name":"a"}\n{"name":"b"}',
      headers: { "content-type": "application/x-ndjson" },
    };
    const first = await call(`${world.url}/v1/notes/batch`, request);
    const again = await call(`${world.url}/v1/notes/batch`, request);
    expect(first.text).to.match(/^\{"id":\d+\}\n\{"id":\d+\}$/);
    expect([again.text, again.headers.get("content-type")]).to.deep.equal([
      first.text,
      "application/x-ndjson",
    ]);
  });

  it("keeps no readable word of its answer in the database", async () => {
    const { account, key } = await world.party("issuer");
    await call(`${world.url}/v1/notes`, { method: "POST", key, body: { name: "杭州某某餐饮" } });
    const rows = await world.sql<
      { body: string }[]
    >`select * from idempotency where account = ${account}`;
    expect(rows).to.have.length(1);
    expect(JSON.stringify(rows)).to.not.contain("杭州").and.not.contain("/v1/notes");
    expect(Buffer.from(rows[0]?.body ?? "", "base64").toString()).to.not.contain("杭州");
  });

  it("without one is refused, and so is one that is malformed", async () => {
    const { account, key } = await world.party("issuer");
    const missing = await call(`${world.url}/v1/notes`, {
      method: "POST",
      key,
      idempotencyKey: undefined,
      body: { name: "x" },
    });
    expect(missing.status).to.equal(400);
    expect(missing.json.code).to.equal("idempotency-key-missing");
    for (const idempotencyKey of ["", "two words", "é", "x".repeat(256), '"open', '""']) {
      const answer = await call(`${world.url}/v1/notes`, {
        method: "POST",
        key,
        idempotencyKey,
        body: { name: "x" },
      });
      // a quote that is not closed is a visible character like any other
      expect(answer.status, idempotencyKey).to.equal(idempotencyKey === '"open' ? 201 : 400);
    }
    expect(await world.notes(account)).to.deep.equal(["x"]);
  });

  it("may be quoted, as the IETF draft has it: the same key", () => {
    expect(readIdempotencyKey('"8e03978e-40d5"')).to.equal("8e03978e-40d5");
    expect(readIdempotencyKey("8e03978e-40d5")).to.equal("8e03978e-40d5");
    expect(readIdempotencyKey('"a\\"b\\\\c"')).to.equal('a"b\\c');
    expect(readIdempotencyKey("~".repeat(255))).to.have.length(255);
    expect(() => readIdempotencyKey(undefined)).to.throw(Problem);
  });
});

describe("PUT, DELETE and public calls", () => {
  let world: World;
  before(async () => {
    world = await openWorld();
  });

  it("need no Idempotency-Key; a refused PUT leaves nothing behind", async () => {
    const { account, key } = await world.party("issuer");
    const { json } = await call(`${world.url}/v1/notes`, {
      method: "POST",
      key,
      body: { name: "first" },
    });
    const put = (name: string) =>
      call(`${world.url}/v1/notes/${json.id}`, { method: "PUT", key, body: { name } });
    expect((await put("second")).json).to.deep.equal({ id: json.id, name: "second" });
    expect((await put("refused")).status).to.equal(409);
    expect(await world.notes(account)).to.deep.equal(["second"]);
    const deleted = await call(`${world.url}/v1/notes/${json.id}`, { method: "DELETE", key });
    expect([deleted.status, deleted.text]).to.deep.equal([204, ""]);
    expect(
      (await call(`${world.url}/v1/notes/${json.id}`, { method: "DELETE", key })).status,
    ).to.equal(204);
    expect(await world.notes(account)).to.deep.equal([]);
  });

  it("a public POST can read and cannot write", async () => {
    const read = await call(`${world.url}/v1/verify`, {
      method: "POST",
      idempotencyKey: undefined,
      body: { write: false },
    });
    expect(read.status).to.equal(200);
    expect(read.json.caller).to.deep.equal({ keyId: "", account: "", roles: [] });
    const write = await call(`${world.url}/v1/verify`, {
      method: "POST",
      idempotencyKey: undefined,
      body: { write: true },
    });
    expect(write.status).to.equal(500);
    expect(await world.notes("0xnobody")).to.deep.equal([]);
  });

  it("a database that is not there is 503 with Retry-After, and no word of where it was", async () => {
    const { openDb } = await import("../../server/db/db.ts");
    const nowhere: Sql = openDb("postgres://someone:secretpassword@127.0.0.1:9/nothing");
    const { url } = await world.app({ sql: nowhere });
    const { key } = await world.party("issuer");
    const answer = await call(`${url}/v1/notes`, { method: "POST", key, body: { name: "x" } });
    expect(answer.status).to.equal(503);
    expect(answer.json).to.include({ code: "unavailable", retry: "same-key" });
    expect(answer.headers.get("retry-after")).to.equal("1");
    expect(answer.text).to.not.match(/127\.0\.0\.1|ECONN|someone/);
    expect(world.log()).to.not.contain("secretpassword");
    await nowhere.end({ timeout: 0 });
  });
});
