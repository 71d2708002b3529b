import { expect } from "chai";
import { createApiKey } from "../../server/features/parties/api-keys.ts";
import { KEY_MEMORY_MS } from "../../server/http/auth.ts";
import { call, gate, openWorld, type World } from "./fixture.ts";

describe("a caller", () => {
  let world: World;
  before(async function () {
    this.timeout(120_000);
    world = await openWorld();
  });

  const wrong: [string, (key: string) => Record<string, string>][] = [
    ["without a key", () => ({})],
    ["with another scheme", (key) => ({ authorization: `Basic ${key}` })],
    ["with an empty bearer", () => ({ authorization: "Bearer " })],
    ["with a text that is not a key", () => ({ authorization: "Bearer nothing" })],
    ["with two words", (key) => ({ authorization: `Bearer ${key} ${key}` })],
    [
      "with an unknown id",
      (key) => ({ authorization: `Bearer unknownunknown.${key.split(".")[1]}` }),
    ],
    [
      "with a wrong secret",
      (key) => ({ authorization: `Bearer ${key.slice(0, -2)}${key.endsWith("AA") ? "BB" : "AA"}` }),
    ],
    [
      "with the secret of another key",
      (key) => ({ authorization: `Bearer ${key.split(".")[0]}.${"A".repeat(43)}` }),
    ],
    ["with an id alone", (key) => ({ authorization: `Bearer ${key.split(".")[0]}.` })],
  ];
  for (const [who, headersFor] of wrong) {
    it(`${who} is asked for a key`, async () => {
      const { account, key } = await world.party("issuer");
      for (const method of ["GET", "POST"]) {
        const answer = await call(`${world.url}/v1/notes`, {
          method,
          headers: headersFor(key),
          ...(method === "POST" ? { body: { name: "x" } } : {}),
        });
        expect(answer.status).to.equal(401);
        expect(answer.json.code).to.equal("unauthenticated");
        const challenge = answer.headers.get("www-authenticate");
        expect(challenge).to.match(/^Bearer realm="onepiao"/);
        expect(challenge?.includes("invalid_token")).to.equal("authorization" in headersFor(key));
      }
      expect(await world.notes(account)).to.deep.equal([]);
    });
  }

  it("with a good key is served, whatever the case of the scheme", async () => {
    const { key } = await world.party("issuer");
    expect((await call(`${world.url}/v1/notes`, { key })).status).to.equal(200);
    expect(
      (await call(`${world.url}/v1/notes`, { headers: { authorization: `bearer ${key}` } })).status,
    ).to.equal(200);
  });

  it("sees only what is scoped to its own account", async () => {
    const owner = await world.party("issuer");
    const other = await world.party("issuer");
    const { json } = await call(`${world.url}/v1/notes`, {
      method: "POST",
      key: owner.key,
      body: { name: "mine" },
    });
    expect((await call(`${world.url}/v1/notes/${json.id}`, { key: owner.key })).json.name).to.equal(
      "mine",
    );
    expect((await call(`${world.url}/v1/notes/${json.id}`, { key: other.key })).status).to.equal(
      404,
    );
  });

  const table = [
    { roles: ["issuer"], read: 200, write: 201, job: 202 },
    { roles: ["employer"], read: 200, write: 201, job: 403 },
    { roles: ["holder"], read: 200, write: 403, job: 403 },
    { roles: ["bureau"], read: 403, write: 403, job: 403 },
    { roles: ["bureau", "issuer"], read: 200, write: 201, job: 202 },
    { roles: [], read: 403, write: 403, job: 403 },
  ] as const;
  for (const { roles, read, write, job } of table) {
    it(`that is ${roles.join(" and ") || "nothing"} may do what its roles say and no more`, async () => {
      const { account, key } = await world.party(...roles);
      expect((await call(`${world.url}/v1/notes`, { key })).status).to.equal(read);
      const written = await call(`${world.url}/v1/notes`, {
        method: "POST",
        key,
        body: { name: "x" },
      });
      expect(written.status).to.equal(write);
      expect(
        (await call(`${world.url}/v1/jobs`, { method: "POST", key, body: { kind: "x" } })).status,
      ).to.equal(job);
      if (write === 403) {
        expect(written.json).to.include({ code: "forbidden", retry: "never" });
        expect(written.json.rolesNeeded).to.deep.equal(["issuer", "employer"]);
        expect(written.json.detail).to.contain("issuer").and.contain("employer");
        expect(await world.notes(account)).to.deep.equal([]);
      }
    });
  }

  it("whose key is revoked is refused, in every process, within the time that keys are remembered", async function () {
    this.timeout(KEY_MEMORY_MS + 60_000);
    expect(KEY_MEMORY_MS).to.be.at.most(5_000);
    const { key } = await world.party("issuer");
    const other = await world.app();
    const fresh = await world.app();
    for (const url of [world.url, other.url])
      expect((await call(`${url}/v1/notes`, { key })).status).to.equal(200);
    await world.sql`update api_keys set revoked_at = now() where id = ${key.split(".")[0] ?? ""}`;
    expect(
      (await call(`${fresh.url}/v1/notes`, { key })).status,
      "a process that has not seen it",
    ).to.equal(401);
    await new Promise((resolve) => setTimeout(resolve, KEY_MEMORY_MS + 50));
    for (const url of [world.url, other.url])
      expect((await call(`${url}/v1/notes`, { key })).status).to.equal(401);
  });

  describe("whose key is revoked, and is still remembered", () => {
    const json = { name: "renamed" };
    const writes: [
      label: string,
      method: string,
      path: (id: number) => string,
      sent: { body?: unknown },
    ][] = [
      ["a POST", "POST", () => "/v1/notes", { body: json }],
      ["a POST under a path", "POST", (id) => `/v1/notes/${id}/copies`, {}],
      ["a PUT", "PUT", (id) => `/v1/notes/${id}`, { body: json }],
      ["a DELETE", "DELETE", (id) => `/v1/notes/${id}`, {}],
    ];
    /**
     * A party with a note, whose key this process has let pass a moment ago, and which is revoked
     * since.
     */
    async function revoked() {
      const party = await world.party("issuer");
      const { json } = await call(`${world.url}/v1/notes`, {
        method: "POST",
        key: party.key,
        body: { name: "kept" },
      });
      await world.sql`update api_keys set revoked_at = now() where id = ${party.key.split(".")[0] ?? ""}`;
      return { ...party, note: json.id as number };
    }

    for (const [label, method, path, sent] of writes) {
      it(`changes nothing by ${label}`, async () => {
        const { account, key, note } = await revoked();
        const answer = await call(`${world.url}${path(note)}`, { method, key, ...sent });
        expect(answer.status).to.equal(401);
        expect(answer.json.code).to.equal("unauthenticated");
        expect(await world.notes(account)).to.deep.equal(["kept"]);
      });
    }

    it("changes nothing by a line, while another party's line in the same group is done", async () => {
      const { account, key } = await revoked();
      const other = await world.party("issuer");
      const lines = (token: string) =>
        call(`${world.url}/v1/notes/lines`, {
          method: "POST",
          key: token,
          headers: { "content-type": "application/x-ndjson" },
          body: `${JSON.stringify({ name: "line" })}\n`,
        });
      const [refused, done] = await Promise.all([lines(key), lines(other.key)]);
      expect(refused.text).to.contain('"code":"unauthenticated"');
      expect(done.text).to.contain('"status":202');
      expect(await world.notes(account)).to.deep.equal(["kept"]);
      expect(await world.notes(other.account)).to.deep.equal(["line"]);
    });

    it("changes nothing by work that is under way when the key is revoked", async () => {
      const { account, key } = await world.party("issuer");
      const name = `gate-${account}`;
      const { entered, open } = gate(name);
      const answer = call(`${world.url}/v1/gated`, { method: "POST", key, body: { gate: name } });
      await entered;
      await world.sql`update api_keys set revoked_at = now() where id = ${key.split(".")[0] ?? ""}`;
      open();
      expect((await answer).status).to.equal(401);
      expect(await world.notes(account)).to.deep.equal([]);
    });
  });

  it("keeps nothing in the database by which its key could be used", async () => {
    const { account, key } = await world.party("issuer");
    const again = await createApiKey(world.sql, { account, roles: ["issuer"], createdBy: account });
    expect(again).to.match(/^[\w-]+\.[\w-]{43}$/);
    expect(again).to.not.equal(key);
    const rows = JSON.stringify(await world.sql`select * from api_keys where account = ${account}`);
    for (const made of [key, again]) {
      const secret = made.split(".")[1] ?? "";
      expect(rows)
        .to.not.contain(secret)
        .and.not.contain(Buffer.from(secret, "base64url").toString("hex"));
    }
  });
});
