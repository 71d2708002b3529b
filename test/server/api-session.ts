import { expect } from "chai";
import { openDb, type Sql } from "../../server/db/db.ts";
import { createSessions, MAX_SESSIONS } from "../../server/features/parties/browser-sessions.ts";
import { createSignIn } from "../../server/features/parties/sessions.ts";
import { type Gateway, startGateway } from "../../server/gateway.ts";
import { openVault } from "../../server/keys/vault.ts";
import {
  call,
  callAt,
  closeAtEnd,
  must,
  person,
  type Reply,
  sandbox,
  type TestParty,
  taxpayer,
} from "./network.ts";

describe("a session", () => {
  let employer: TestParty;
  let holder: { account: string; token: string };
  let url: string;
  let sql: Sql;
  before(async () => {
    employer = await taxpayer("会话公司", ["employer"]);
    holder = await person(employer, "李会话");
    ({ url } = await sandbox());
    sql = openDb((await sandbox()).databaseUrl, { connections: 1 });
    closeAtEnd(() => sql.end());
  });

  type Signed = { cookie: string; csrf: string; reply: Reply };
  async function signIn(key: string, headers: Record<string, string> = {}): Promise<Signed> {
    const reply = await callAt(url, "POST", "/v1/session", { key }, { headers });
    const cookie = (reply.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
    return { cookie, csrf: reply.body.csrfToken, reply };
  }
  const by = (
    signed: { cookie: string },
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body?: unknown,
  ) => callAt(url, method, path, body, { headers: { cookie: signed.cookie, ...headers } });
  const count = async () =>
    Number((await sql<{ n: bigint }[]>`select count(*) as n from sessions`)[0]?.n);

  it("is exchanged for an API key, in a cookie that scripts cannot read and other sites cannot send", async () => {
    const { reply, cookie } = await signIn(holder.token);
    expect(reply.status).to.equal(201);
    expect(reply.body).to.include({ account: holder.account, kind: "person", name: "李会话" });
    expect(reply.body.roles).to.deep.equal(["holder"]);
    const set = reply.headers.get("set-cookie") ?? "";
    expect(set).to.match(/^onepiao=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/);
    expect(JSON.stringify(reply.body))
      .to.not.contain(holder.token.split(".")[1])
      .and.not.contain(cookie.split("=")[1]);
    const who = await by({ cookie }, "GET", "/v1/session");
    expect(who.status).to.equal(200);
    expect(who.body).to.deep.equal(reply.body);
  });

  it("of a taxpayer contains its tax id; a caller by API key gets its party, without a token", async () => {
    expect((await signIn(employer.token)).reply.body).to.include({
      kind: "taxpayer",
      taxId: employer.taxId,
    });
    const { body } = await call("GET", "/v1/session", undefined, { token: employer.token });
    expect(body).to.include({ account: employer.account, name: "会话公司" });
    expect(body).to.not.have.property("csrfToken");
  });

  it("is stored only as a hash", async () => {
    const { cookie, csrf } = await signIn(holder.token);
    const rows = JSON.stringify(
      await sql`select encode(id_hash, 'base64') as a, encode(id_hash, 'hex') as b, key_id from sessions`,
    );
    const value = cookie.split("=")[1] ?? "";
    for (const secret of [value, Buffer.from(value, "base64url").toString("hex"), csrf])
      expect(rows).to.not.contain(secret);
  });

  describe("changes state only from its own page:", () => {
    let signed: Signed;
    before(async () => {
      signed = await signIn(employer.token);
    });
    const make = (headers: Record<string, string>) =>
      by(signed, "POST", "/v1/persons", headers, { name: "新人" });

    const refused: [string, () => Record<string, string>][] = [
      ["without its token", () => ({})],
      ["with an empty token", () => ({ "x-csrf-token": "" })],
      [
        "with a wrong token",
        () => ({
          "x-csrf-token": `${signed.csrf.slice(0, -1)}${signed.csrf.endsWith("A") ? "B" : "A"}`,
        }),
      ],
      [
        "with its token, from another site",
        () => ({ "x-csrf-token": signed.csrf, "sec-fetch-site": "cross-site" }),
      ],
      [
        "with its token, from a sibling host",
        () => ({ "x-csrf-token": signed.csrf, "sec-fetch-site": "same-site" }),
      ],
      [
        "with its token, from another origin, by an old browser",
        () => ({ "x-csrf-token": signed.csrf, origin: "https://evil.example" }),
      ],
      [
        "with its token, from an invalid origin",
        () => ({ "x-csrf-token": signed.csrf, origin: "null" }),
      ],
    ];
    for (const [how, headers] of refused) {
      it(`${how} it is refused`, async () => {
        const { status, body } = await make(headers());
        expect(status).to.equal(403);
        expect(body.code).to.equal("cross-site-request");
      });
    }
    it("with another session's token it is refused", async () => {
      const other = await signIn(employer.token);
      expect((await make({ "x-csrf-token": other.csrf })).status).to.equal(403);
    });
    it("PUT, PATCH and DELETE as well", async () => {
      for (const [method, path] of [
        ["PUT", `/v1/taxpayers/${employer.taxId}/quota`],
        ["PATCH", `/v1/taxpayers/${employer.taxId}`],
        ["DELETE", "/v1/session"],
      ] as const) {
        expect(
          (await by(signed, method, path, {}, method === "DELETE" ? undefined : {})).body.code,
          method,
        ).to.equal("cross-site-request");
      }
    });
    it("with its token it is served, with and without the browser's fetch metadata", async () => {
      for (const more of [{}, { "sec-fetch-site": "same-origin" }, { origin: url }]) {
        expect((await make({ "x-csrf-token": signed.csrf, ...more })).status).to.equal(201);
      }
    });
    it("reading needs no token", async () => {
      expect((await by(signed, "GET", "/v1/claims")).status).to.equal(200);
    });
    it("an API key needs none, and has priority over the cookie", async () => {
      const reply = await by(signed, "GET", "/v1/session", {
        authorization: `Bearer ${holder.token}`,
      });
      expect(reply.body.account).to.equal(holder.account);
      expect(
        (
          await by(
            signed,
            "POST",
            "/v1/persons",
            { authorization: `Bearer ${employer.token}` },
            { name: "新人" },
          )
        ).status,
      ).to.equal(201);
      expect(
        (await by(signed, "GET", "/v1/session", { authorization: "Bearer wrong.wrong" })).status,
      ).to.equal(401);
    });
  });

  it("does not begin for another site's page", async () => {
    const before = await count();
    for (const headers of [
      { "sec-fetch-site": "cross-site" },
      { origin: "https://evil.example" },
    ] as Record<string, string>[]) {
      const { reply } = await signIn(holder.token, headers);
      expect(reply.status).to.equal(403);
      expect(reply.headers.get("set-cookie")).to.equal(null);
    }
    expect(await count()).to.equal(before);
  });

  it("never takes over a value that the browser sends, and ends the previous session", async () => {
    const chosen = "A".repeat(43);
    const first = await signIn(holder.token, { cookie: `onepiao=${chosen}` });
    expect(first.cookie).to.not.contain(chosen);
    expect((await by({ cookie: `onepiao=${chosen}` }, "GET", "/v1/session")).status).to.equal(401);
    const second = await signIn(employer.token, { cookie: first.cookie });
    expect((await by(first, "GET", "/v1/session")).status, "the holder's session").to.equal(401);
    expect((await by(second, "GET", "/v1/session")).body.account).to.equal(employer.account);
  });

  const wrong: [string, (token: string) => string][] = [
    ["an unknown id", (token) => `unknownunknown.${token.split(".")[1]}`],
    ["a wrong secret", (token) => `${token.split(".")[0]}.${"A".repeat(43)}`],
    ["no key at all", () => "nothing"],
  ];
  for (const [subject, keyOf] of wrong) {
    it(`is not given for ${subject}, and the answer is always the same`, async () => {
      const { reply } = await signIn(keyOf(holder.token));
      expect(reply.status).to.equal(401);
      expect(reply.body).to.include({
        code: "unauthenticated",
        detail: "The API key is unknown, wrong or revoked",
      });
      expect(reply.headers.get("www-authenticate")).to.match(/^Bearer/);
      expect(reply.headers.get("set-cookie")).to.equal(null);
    });
  }

  it("may do the same as its key, and nothing more", async () => {
    const signed = await signIn(holder.token);
    const { status, body } = await by(
      signed,
      "POST",
      "/v1/persons",
      { "x-csrf-token": signed.csrf },
      { name: "x" },
    );
    expect(status).to.equal(403);
    expect(body.code).to.equal("forbidden");
    expect((await by(signed, "GET", "/v1/taxpayers")).status).to.equal(403);
  });

  const ends: [string, (hash: string) => Promise<unknown>][] = [
    [
      "after half an hour without a request",
      (key) =>
        sql`update sessions set seen_at = now() - interval '31 minutes' where key_id = ${key}`,
    ],
    [
      "after twelve hours, however busy",
      (key) =>
        sql`update sessions set created_at = now() - interval '12 hours 1 minute' where key_id = ${key}`,
    ],
    [
      "with its key, at once",
      (key) => must(call("DELETE", `/v1/api-keys/${key}`, undefined, { token: employer.token })),
    ],
  ];
  for (const [ending, end] of ends) {
    it(`ends ${ending}`, async () => {
      const { token } = await must(
        call(
          "POST",
          "/v1/api-keys",
          { account: holder.account, roles: ["holder"] },
          { token: employer.token },
        ),
      );
      const signed = await signIn(token);
      expect((await by(signed, "GET", "/v1/invoices")).status).to.equal(200);
      await end(token.split(".")[0]);
      const { status, body } = await by(signed, "GET", "/v1/invoices");
      expect(status).to.equal(401);
      expect(body.detail).to.contain("session has ended");
    });
  }

  it("continues while there are requests", async () => {
    const { token } = await must(
      call(
        "POST",
        "/v1/api-keys",
        { account: holder.account, roles: ["holder"] },
        { token: employer.token },
      ),
    );
    const signed = await signIn(token);
    await sql`update sessions set seen_at = now() - interval '29 minutes' where key_id = ${token.split(".")[0]}`;
    expect((await by(signed, "GET", "/v1/session")).status).to.equal(200);
    const [row] = await sql<
      { fresh: boolean }[]
    >`select seen_at > now() - interval '1 minute' as fresh from sessions where key_id = ${token.split(".")[0]}`;
    expect(row?.fresh).to.equal(true);
  });

  it("ends at sign-out, and the browser deletes the cookie", async () => {
    const signed = await signIn(holder.token);
    const out = await by(signed, "DELETE", "/v1/session", { "x-csrf-token": signed.csrf });
    expect(out.status).to.equal(204);
    expect(out.headers.get("set-cookie")).to.match(/^onepiao=; .*Max-Age=0$/);
    expect((await by(signed, "GET", "/v1/session")).status).to.equal(401);
  });

  it("reads events as they happen", async () => {
    const signed = await signIn(holder.token);
    const enough = new AbortController();
    const response = await fetch(`${url}/v1/events/stream`, {
      headers: { cookie: signed.cookie },
      signal: enough.signal,
    });
    expect(response.status).to.equal(200);
    const { value } = await (response.body as ReadableStream<Uint8Array>).getReader().read();
    expect(Buffer.from(value as Uint8Array).toString()).to.match(/^: onepiao\n/);
    enough.abort();
  });

  it("counts toward a limit for its key; the oldest one ends first", async () => {
    const { token } = await must(
      call(
        "POST",
        "/v1/api-keys",
        { account: holder.account, roles: ["holder"] },
        { token: employer.token },
      ),
    );
    const first = await signIn(token);
    for (let i = 0; i < MAX_SESSIONS; i += 1) await signIn(token);
    expect((await by(first, "GET", "/v1/session")).status).to.equal(401);
  });

  describe("outside the sandbox", () => {
    let gateway: Gateway;
    before(async () => {
      const { config, deployment } = await sandbox();
      gateway = await startGateway({ ...config, PORT: 0 }, deployment, { parts: "accepting" });
      closeAtEnd(() => gateway.stop());
    });

    it("needs TLS, and a cookie name that no sibling host can set", async () => {
      const reply = await callAt(gateway.url, "POST", "/v1/session", { key: holder.token }, {});
      expect(reply.headers.get("set-cookie")).to.match(
        /^__Host-onepiao=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Secure$/,
      );
      const value = /=([\w-]{43});/.exec(reply.headers.get("set-cookie") ?? "")?.[1];
      const under = (name: string) =>
        callAt(gateway.url, "GET", "/v1/session", undefined, {
          headers: { cookie: `${name}=${value}` },
        });
      expect((await under("onepiao")).status).to.equal(401);
      expect((await under("__Host-onepiao")).status).to.equal(200);
    });

    it("does not let a caller choose another party", async () => {
      expect(
        (await callAt(gateway.url, "GET", "/v1/sandbox/parties", undefined, {})).status,
      ).to.equal(404);
      const there = await call("GET", "/v1/sandbox/parties", undefined, { token: "" });
      expect(there.status).to.equal(200);
      expect(there.body.items[0]).to.include({ name: "Tax bureau" });
    });

    it("a gateway does not start with the sandbox's settings", async () => {
      const { config, deployment } = await sandbox();
      const started = startGateway(
        { ...config, PORT: 0 },
        { ...deployment, network: "onepiao-main" },
        { sandboxRoutes: [] },
      );
      const error = await started.then(
        () => undefined,
        (cause: Error) => cause,
      );
      expect(error?.message).to.contain("the sandbox's functions must stay off");
    });
  });

  it("does not begin for a key that was revoked a moment ago", async () => {
    const { config } = await sandbox();
    const signing = createSignIn({
      vault: await openVault(sql, config.MASTER_KEY),
      sessions: createSessions({ secure: true }),
      provider: undefined,
    });
    const { token } = await must(
      call(
        "POST",
        "/v1/api-keys",
        { account: holder.account, roles: ["holder"] },
        { token: employer.token },
      ),
    );
    await sql`update api_keys set revoked_at = now() where id = ${token.split(".")[0]}`;
    const error = await signing
      .open(sql, { keyId: "", account: "", roles: [] }, { key: token })
      .then(
        () => undefined,
        (cause: { code?: string }) => cause,
      );
    expect(error?.code).to.equal("unauthenticated");
  });
});
