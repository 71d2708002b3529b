/**
 * Sign-in at an identity provider: a real one, its people and their parties, and providers that lie
 * or are unreachable.
 */
import { expect } from "chai";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { createProvider } from "../../server/features/parties/provider.ts";
import { readConfig } from "../../server/kernel/config.ts";
import { createLog } from "../../server/kernel/log.ts";
import {
  call,
  callAt,
  closeAtEnd,
  type Loose,
  must,
  type Reply,
  sandbox,
  type TestParty,
} from "./network.ts";
import { refused } from "./observe.ts";
import {
  type IdentityProvider,
  type KnownPerson,
  openBrowser,
  openIdentityProvider,
  openListener,
  signInThere,
  signOutThere,
} from "./support/identity-provider.ts";
import { openSecondGateway, type SecondGateway } from "./support/second-gateway.ts";

describe("signing in at an identity provider", function () {
  this.timeout(120_000);
  const people = new Map<string, KnownPerson>([
    ["u-lin", { email: "Lin@example.com", email_verified: true }],
    ["u-zhao", { email: "zhao@example.com", email_verified: true }],
    ["u-liar", { email: "cfo@example.com", email_verified: false }],
    // the address was Lin's before this person had it
    ["u-next", { email: "lin@example.com", email_verified: true }],
  ]);
  let provider: IdentityProvider;
  let gateway: SecondGateway;
  let [firm, shop] = [] as unknown as [TestParty, TestParty];

  const post = (
    path: string,
    body: unknown,
    headers: Record<string, string> = {},
  ): Promise<Reply> => callAt(gateway.url, "POST", path, body, { headers });
  const begin = async (): Promise<{ href: string; flow: string }> =>
    must(post("/v1/sign-in", {})) as Promise<{ href: string; flow: string }>;
  /** The page's answer after this person's sign-in. */
  async function signIn(login: string): Promise<Reply> {
    const { href, flow } = await begin();
    return post("/v1/sign-in/answer", { flow, query: await signInThere(href, login) });
  }
  const key = (by: TestParty, signIn: string, roles: string[], account = by.account) =>
    callAt(gateway.url, "POST", "/v1/api-keys", { account, roles, signIn }, { token: by.token });
  const keysOf = async (by: TestParty): Promise<Loose[]> =>
    (await must(callAt(gateway.url, "GET", "/v1/api-keys", undefined, { token: by.token }))).items;
  const cookieOf = (reply: Reply) => (reply.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
  const who = (cookie: string) =>
    callAt(gateway.url, "GET", "/v1/session", undefined, { headers: { cookie } });

  before(async () => {
    provider = await openIdentityProvider(people);
    closeAtEnd(() => provider.close());
    gateway = await openSecondGateway({ ...provider.settings, OIDC_NAME: "企业统一登录" });
    await provider.serve(gateway.url);
    firm = await gateway.taxpayer("签入公司", ["employer"]);
    shop = await gateway.taxpayer("签入商店", ["issuer"]);
  });

  it("the sign-in page gets the provider's name, its address and the parameters", async () => {
    expect((await callAt(gateway.url, "GET", "/v1/sign-in", undefined, {})).body).deep.equals({
      provider: { name: "企业统一登录" },
    });
    const { href } = await begin();
    const url = new URL(href);
    expect(url.origin).equals(provider.settings.OIDC_ISSUER);
    expect(url.searchParams.get("redirect_uri")).equals(`${gateway.url}/sign-in`);
    expect(url.searchParams.get("code_challenge_method")).equals("S256");
    expect(url.searchParams.get("scope")).equals("openid email");
    for (const name of ["state", "nonce", "code_challenge"])
      expect(url.searchParams.get(name)).matches(/^[\w-]{43}$/);
    expect(href).not.contains(provider.settings.OIDC_CLIENT_SECRET);
  });

  it("a person chooses a party that has given it a key, and gets a session with that key's rights", async () => {
    for (const [by, name, roles] of [
      [firm, "lin@example.com", ["employer", "holder"]],
      [shop, " LIN@example.com ", ["issuer"]],
      [firm, "somebody@example.com", ["holder"]],
    ] as const) {
      const made = await key(by, name, [...roles]);
      expect([made.status, Object.keys(made.body)]).deep.equals([201, ["id"]]);
    }
    const { status, body } = await signIn("u-lin");
    expect(status, JSON.stringify(body)).equals(200);
    expect(body.name).equals("Lin@example.com");
    expect(body.parties.map(({ key: _, ...party }: Loose) => party)).deep.equals([
      {
        account: firm.account,
        kind: "taxpayer",
        name: firm.name,
        taxId: firm.taxId,
        roles: ["employer", "holder"],
      },
      {
        account: shop.account,
        kind: "taxpayer",
        name: shop.name,
        taxId: shop.taxId,
        roles: ["issuer"],
      },
    ]);
    const opened = await post("/v1/session", { key: body.parties[1].key, proof: body.proof });
    expect([opened.status, opened.body.account, opened.body.roles]).deep.equals([
      201,
      shop.account,
      ["issuer"],
    ]);
    expect((await who(cookieOf(opened))).body).deep.includes({
      account: shop.account,
      roles: ["issuer"],
    });
    // the other party: a separate session, with a separate proof
    refused(
      await post("/v1/session", { key: body.parties[0].key, proof: body.proof }),
      "sign-in-refused",
    );
    const again = await must(signIn("u-lin"));
    const other = await post("/v1/session", { key: again.parties[0].key, proof: again.proof });
    expect(other.body.account).equals(firm.account);
    const [boundKey] = (await keysOf(shop)).filter((apiKey) => apiKey.id === body.parties[1].key);
    expect(boundKey.signIn).equals("LIN@example.com");
    expect(new Date(boundKey.signedInAt).getTime()).closeTo(Date.now(), 60_000);
    expect(
      (await keysOf(firm)).find((apiKey) => apiKey.signIn === "somebody@example.com")?.signedInAt,
    ).equals(undefined);
  });

  it("a revoked key is not in the choice, and its session has ended", async () => {
    const { id } = await must(key(firm, "zhao@example.com", ["holder"]));
    const [{ body }, { body: later }] = [await signIn("u-zhao"), await signIn("u-zhao")];
    expect(body.parties.map((party: Loose) => party.key)).deep.equals([id]);
    const cookie = cookieOf(await post("/v1/session", { key: id, proof: body.proof }));
    expect((await who(cookie)).status).equals(200);
    expect(
      (await callAt(gateway.url, "DELETE", `/v1/api-keys/${id}`, undefined, { token: firm.token }))
        .status,
    ).equals(204);
    expect((await who(cookie)).status).equals(401);
    refused(await post("/v1/session", { key: id, proof: later.proof }), "unauthenticated");
    expect((await signIn("u-zhao")).body.parties).deep.equals([]);
  });

  it("the next owner of an address gets only the keys made since, not the previous owner's", async () => {
    await must(key(firm, "lin@example.com", ["holder"]));
    const first = (await signIn("u-next")).body.parties;
    // the key that nobody had used yet
    expect(first.map((party: Loose) => party.roles)).deep.equals([["holder"]]);
    const lin = (await signIn("u-lin")).body.parties;
    expect(lin.map((party: Loose) => party.key)).not.includes(first[0].key);
    expect(lin).length(2);
  });

  it("similar letters make different addresses, and capitals do not", async () => {
    await must(key(firm, "kim@example.com", ["holder"]));
    for (const [login, email] of Object.entries({
      "u-kelvin": "\u212Aim@example.com",
      "u-wide": "\uFF4Bim@example.com",
    })) {
      people.set(login, { email, email_verified: true });
      expect((await signIn(login)).body, email)
        .includes({ name: email })
        .and.deep.includes({ parties: [] });
    }
    people.set("u-kim", { email: "KIM@Example.com", email_verified: true });
    expect((await signIn("u-kim")).body.parties).length(1);
    people.set("u-long", { email: `${"x".repeat(320)}@example.com`, email_verified: true });
    refused(await signIn("u-long"), "sign-in-refused");
  });

  it("two people with one name who come at once: each key belongs to one of them", async () => {
    people.set("u-twin-1", { email: "twin@example.com", email_verified: true });
    people.set("u-twin-2", { email: "twin@example.com", email_verified: true });
    await must(key(firm, "twin@example.com", ["holder"]));
    const both = await Promise.all(["u-twin-1", "u-twin-2"].map(signIn));
    expect(both.map(({ body }) => body.parties.length).sort()).deep.equals([0, 1]);
  });

  it("an address that the provider has not verified belongs to nobody", async () => {
    await must(key(firm, "cfo@example.com", ["employer"]));
    const reply = await signIn("u-liar");
    expect(refused(reply, "sign-in-refused")["detail"]).contains("not verified");
    expect(
      (await keysOf(firm)).find((apiKey) => apiKey.signIn === "cfo@example.com")?.signedInAt,
    ).equals(undefined);
  });

  it("an answer is valid once, with its own flow, in time, and from no other site", async () => {
    const { href, flow } = await begin();
    const query = await signInThere(href, "u-lin");
    const other = await begin();
    refused(await post("/v1/sign-in/answer", { flow: other.flow, query }), "sign-in-refused");
    refused(
      await post("/v1/sign-in/answer", { flow: `${flow.slice(0, -4)}AAAA`, query }),
      "sign-in-refused",
    );
    refused(
      await post("/v1/sign-in/answer", { flow, query: "error=access_denied&state=x" }),
      "sign-in-refused",
    );
    refused(
      await post("/v1/sign-in/answer", { flow, query }, { "sec-fetch-site": "cross-site" }),
      "cross-site-request",
    );
    expect((await post("/v1/sign-in/answer", { flow, query })).status).equals(200);
    refused(await post("/v1/sign-in/answer", { flow, query }), "sign-in-refused");
    const late = (part: string, content: object) =>
      gateway.vault
        .seal("parties", `sign-in/${part}`, JSON.stringify({ ...content, until: Date.now() - 1 }))
        .toString("base64url");
    refused(
      await post("/v1/sign-in/answer", {
        flow: late("flow", { verifier: "v", state: "s", nonce: "n" }),
        query,
      }),
      "sign-in-refused",
    );
    const person = {
      issuer: provider.settings.OIDC_ISSUER,
      subject: "u-lin",
      name: "lin@example.com",
    };
    refused(
      await post("/v1/session", { key: "any", proof: late("proof", person) }),
      "sign-in-refused",
    );
    // a sealed flow is not a proof
    refused(await post("/v1/session", { key: "any", proof: flow }), "sign-in-refused");
    const { body } = await signIn("u-lin");
    refused(
      await post("/v1/session", { key: "somebody-elses", proof: body.proof }),
      "unauthenticated",
    );
    for (const query of ["", "x".repeat(8_001)])
      expect((await post("/v1/sign-in/answer", { flow, query })).status).equals(422);
  });

  it("a flow is used once, also by two answers at once; and a refused answer uses up nothing", async () => {
    const { href, flow } = await begin();
    const [first, second] = [await signInThere(href, "u-lin"), await signInThere(href, "u-zhao")];
    const both = await Promise.all(
      [first, second].map((query) => post("/v1/sign-in/answer", { flow, query })),
    );
    expect(both.map((reply) => reply.status).sort()).deep.equals([200, 401]);
    const { parties, proof } = await must(signIn("u-lin"));
    refused(await post("/v1/session", { key: "nobody", proof }), "unauthenticated");
    const opened = await Promise.all(
      [0, 1].map(() => post("/v1/session", { key: parties[0].key, proof })),
    );
    expect(opened.map((reply) => reply.status).sort()).deep.equals([201, 401]);
  });

  it("signing out also ends the session at the provider: the next person must sign in there", async () => {
    const browser = openBrowser();
    const here = async (again = false) => {
      browser.prompts.length = 0;
      const { href, flow } = await must(post("/v1/sign-in", again ? { again } : {}));
      return must(
        post("/v1/sign-in/answer", { flow, query: await signInThere(href, "u-lin", browser) }),
      );
    };
    await here();
    expect(browser.prompts).include("login");
    const { parties, proof } = await here();
    expect(browser.prompts, "known there").not.include("login");
    const opened = await post("/v1/session", { key: parties[0].key, proof });
    const headers = { cookie: cookieOf(opened), "x-csrf-token": opened.body.csrfToken };
    const out = await callAt(gateway.url, "DELETE", "/v1/session", undefined, { headers });
    expect(out.status).equals(200);
    expect((await who(cookieOf(opened))).status, "over here").equals(401);
    const leave = new URL(out.body.href);
    expect(leave.origin).equals(provider.settings.OIDC_ISSUER);
    expect(leave.searchParams.get("id_token_hint")).matches(/^[\w-]+\.[\w-]+\.[\w-]+$/);
    const rows = await gateway.sql<
      { sealed: Buffer | null }[]
    >`select sealed from sessions where sealed is not null`;
    for (const { sealed } of rows) expect(sealed?.toString("latin1")).not.contains("id_token_hint");
    // if the person does not confirm it there, the next sign-in still asks, because the page says
    // that somebody has signed out
    await here(true);
    expect(browser.prompts, "asked once more").include("login");
    await signOutThere(out.body.href, browser);
    await here();
    expect(browser.prompts, "over there").include("login");
    // a session from a key's secret does not involve a provider
    const plain = await post("/v1/session", { key: firm.token });
    const left = await callAt(gateway.url, "DELETE", "/v1/session", undefined, {
      headers: { cookie: cookieOf(plain), "x-csrf-token": plain.body.csrfToken },
    });
    expect(left.status).equals(204);
  });

  it("a provider's endless answer is cut, and invalid endpoints are not used", async () => {
    const listener = await openListener();
    closeAtEnd(() => listener.close());
    const settings = {
      issuer: listener.url,
      clientId: "me",
      clientSecret: "s".repeat(32),
      name: "SSO",
      scope: "openid email",
      claim: "email",
    };
    // a request can take longer than this test
    const open = () =>
      createProvider({
        settings,
        vault: gateway.vault,
        publicUrl: () => "http://127.0.0.1:1",
        log: createLog("silent"),
        timeoutSeconds: 300,
      });
    const codeOf = (work: Promise<unknown>) =>
      work.then(
        () => "none",
        (error: { code?: string }) => error.code ?? String(error),
      );
    const cut = Promise.withResolvers<void>();
    listener.answer((_request, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      const more = () => {
        while (!response.destroyed && response.write("[".repeat(65_536)));
        if (!response.destroyed) response.once("drain", more);
      };
      response.once("close", cut.resolve);
      more();
    });
    expect(await codeOf(open().begin({ again: false }))).equals("unavailable");
    await cut.promise;
    const good = {
      authorization_endpoint: `${listener.url}/auth`,
      token_endpoint: `${listener.url}/token`,
      jwks_uri: `${listener.url}/keys`,
    };
    const described = async (more: Record<string, unknown>): Promise<string> => {
      listener.answer(
        (_request, response) =>
          void response
            .writeHead(200, { "content-type": "application/json" })
            .end(JSON.stringify({ issuer: listener.url, ...good, ...more })),
      );
      return codeOf(open().begin({ again: false }));
    };
    expect(await described({})).equals("none");
    for (const member of [
      "authorization_endpoint",
      "token_endpoint",
      "jwks_uri",
      "userinfo_endpoint",
      "end_session_endpoint",
    ]) {
      for (const value of ["javascript:alert(1)", "ftp://provider.example/token", "here", 7])
        expect(await described({ [member]: value }), `${member} ${value}`).equals("unavailable");
    }
    for (const member of ["authorization_endpoint", "token_endpoint", "jwks_uri"])
      expect(await described({ [member]: undefined }), member).equals("unavailable");
  });

  it("a key without a secret cannot serve as a bearer token", async () => {
    const { id } = await must(key(firm, "bearer@example.com", ["holder"]));
    for (const secret of ["", "x", "undefined", "null"]) {
      expect(
        (await callAt(gateway.url, "GET", "/v1/session", undefined, { token: `${id}.${secret}` }))
          .status,
      ).equals(401);
      expect((await post("/v1/session", { key: `${id}.${secret}` })).status).equals(401);
    }
    expect((await post("/v1/session", { key: id })).status).equals(401);
  });

  it("people's names are not readable in the database", async () => {
    const rows = JSON.stringify(
      await gateway.sql`select row_to_json(k)::text as k from api_keys k`,
    );
    const bytes = [...rows.matchAll(/\\x([0-9a-f]+)/g)]
      .map(([, hex = ""]) => Buffer.from(hex, "hex").toString("latin1"))
      .join("\n");
    expect(bytes.length).above(500);
    for (const text of ["lin@", "LIN@", "zhao@", "u-lin", "example"])
      expect(rows + bytes).not.contains(text);
  });

  it("a gateway without a provider offers no sign-in, and makes no key for one", async () => {
    expect((await call("GET", "/v1/sign-in")).body).deep.equals({});
    refused(await call("POST", "/v1/sign-in", {}), "not-found");
    refused(await call("POST", "/v1/sign-in/answer", { flow: "a", query: "b" }), "not-found");
    refused(await call("POST", "/v1/session", { key: "a", proof: "b" }), "not-found");
    const { bureau } = await sandbox();
    const made = await call(
      "POST",
      "/v1/api-keys",
      { account: bureau.account, roles: ["bureau"], signIn: "x@example.com" },
      { token: bureau.token },
    );
    refused(made, "invalid-request", { field: "/signIn", rule: "provider-configured" });
  });

  it("contradictory settings, or a provider without TLS, stop the start", async () => {
    const environment = {
      RPC_URL: "http://127.0.0.1:1",
      DATABASE_URL: "postgres://x",
      MASTER_KEY: "0".repeat(64),
      DEPLOYMENT: "x",
    };
    const faults = (more: Record<string, string>) => {
      try {
        readConfig({ ...environment, ...more });
        return "none";
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(faults({ OIDC_ISSUER: "https://id.example.com", OIDC_CLIENT_ID: "x" })).equals("none");
    expect(faults({ OIDC_ISSUER: "https://id.example.com" })).contains("OIDC_CLIENT_ID");
    expect(faults({ OIDC_CLIENT_ID: "x" })).contains("OIDC_CLIENT_ID");
    expect(faults({ OIDC_ISSUER: "http://id.example.com", OIDC_CLIENT_ID: "x" })).contains(
      "OIDC_ISSUER",
    );
    expect(faults({ OIDC_SCOPE: "email" })).contains("OIDC_SCOPE");
  });

  it("for a slow or broken provider the error says so, and no caller waits for long", async () => {
    const listener = await openListener();
    closeAtEnd(() => listener.close());
    const settings = {
      issuer: listener.url,
      clientId: "me",
      clientSecret: "s".repeat(32),
      name: "SSO",
      scope: "openid email",
      claim: "email",
    };
    const { vault } = gateway;
    const made = createProvider({
      settings,
      vault,
      publicUrl: () => "http://127.0.0.1:1",
      log: createLog("silent"),
      timeoutSeconds: 0.2,
    });
    const codeOf = (work: Promise<unknown>): Promise<string> =>
      work.then(
        () => "none",
        (error: { code?: string }) => error.code ?? String(error),
      );
    let answers: "well" | "never" | "500" | "refusal" = "never";
    listener.answer((request, response) => {
      const json = (status: number, content: unknown) =>
        void response
          .writeHead(status, { "content-type": "application/json" })
          .end(JSON.stringify(content));
      if (answers === "never") return;
      if (answers === "500")
        return void response.writeHead(500, { "content-type": "text/html" }).end("<h1>broken</h1>");
      if (answers === "refusal") return json(400, { error: "invalid_grant" });
      if (request.url !== "/.well-known/openid-configuration") return json(404, {});
      const [authorization, token, keys] = ["auth", "token", "keys"].map(
        (path) => `${listener.url}/${path}`,
      );
      return json(200, {
        issuer: listener.url,
        authorization_endpoint: authorization,
        token_endpoint: token,
        jwks_uri: keys,
      });
    });
    for (const way of ["never", "500"] as const) {
      answers = way;
      expect(await codeOf(made.begin({ again: false })), way).equals("unavailable");
    }
    answers = "well";
    const { href, flow } = await made.begin({ again: false });
    const query = `code=c&state=${new URL(href).searchParams.get("state")}`;
    for (const [way, code] of [
      ["never", "unavailable"],
      ["500", "unavailable"],
      ["refusal", "sign-in-refused"],
    ] as const) {
      answers = way;
      expect(await codeOf(made.finish(flow, query)), way).equals(code);
    }
  });

  it("a provider that is unreachable, returns, or lies", async () => {
    const listener = await openListener();
    closeAtEnd(() => listener.close());
    const place = await openSecondGateway({
      OIDC_ISSUER: listener.url,
      OIDC_CLIENT_ID: "me",
      OIDC_CLIENT_SECRET: "s".repeat(32),
    });
    const ask = (path: string, body: unknown) => callAt(place.url, "POST", path, body, {});
    refused(await ask("/v1/sign-in", {}), "unavailable");

    const [own, foreign] = [await generateKeyPair("RS256"), await generateKeyPair("RS256")];
    const published = { ...(await exportJWK(own.publicKey)), kid: "k", alg: "RS256", use: "sig" };
    const seconds = () => Math.floor(Date.now() / 1_000);
    let away = false;
    let made: {
      claims?: Loose;
      key?: Parameters<SignJWT["sign"]>[0];
      token?: (good: string) => string;
    } = {};
    let nonce = "";
    listener.answer(async (request, response) => {
      const json = (content: unknown) =>
        response
          .writeHead(200, { "content-type": "application/json" })
          .end(JSON.stringify(content));
      if (away) return request.socket.destroy();
      if (request.url === "/.well-known/openid-configuration") {
        return json({
          issuer: listener.url,
          authorization_endpoint: `${listener.url}/auth`,
          token_endpoint: `${listener.url}/token`,
          jwks_uri: `${listener.url}/keys`,
          response_types_supported: ["code"],
          subject_types_supported: ["public"],
          id_token_signing_alg_values_supported: ["RS256"],
        });
      }
      if (request.url === "/keys") return json({ keys: [published] });
      const claims = {
        iss: listener.url,
        aud: "me",
        sub: "u-1",
        nonce,
        iat: seconds(),
        exp: seconds() + 60,
        email: "lin@example.com",
        email_verified: true,
      };
      const good = await new SignJWT({ ...claims, ...made.claims })
        .setProtectedHeader({ alg: "RS256", kid: "k" })
        .sign(made.key ?? own.privateKey);
      return json({
        access_token: "a",
        token_type: "Bearer",
        id_token: made.token?.(good) ?? good,
      });
    });
    const answered = async (lie: typeof made) => {
      const { href, flow } = await must(ask("/v1/sign-in", {}));
      const params = new URL(href).searchParams;
      [made, nonce] = [lie, params.get("nonce") ?? ""];
      return ask("/v1/sign-in/answer", { flow, query: `code=c&state=${params.get("state")}` });
    };
    // reachable again, and honest
    expect((await answered({})).body).includes({ name: "lin@example.com" });
    const lies: Record<string, typeof made> = {
      "another nonce": { claims: { nonce: "x".repeat(43) } },
      "for another client": { claims: { aud: "you" } },
      "of another issuer": { claims: { iss: "https://id.example.com" } },
      "run out": { claims: { exp: seconds() - 3_600, iat: seconds() - 7_200 } },
      "signed by somebody else": { key: foreign.privateKey },
      "not signed": {
        token: (good) =>
          `${Buffer.from('{"alg":"none"}').toString("base64url")}.${good.split(".")[1]}.`,
      },
      "no token at all": { token: () => "x" },
      unverified: { claims: { email_verified: "true" } },
      "of no name": { claims: { email: 7 } },
      "not said to be verified": { claims: { email_verified: undefined } },
    };
    for (const [title, lie] of Object.entries(lies)) {
      const reply = await answered(lie);
      expect([reply.status, reply.body.code], title).deep.equals([401, "sign-in-refused"]);
    }
    const { href, flow } = await must(ask("/v1/sign-in", {}));
    away = true;
    refused(
      await ask("/v1/sign-in/answer", {
        flow,
        query: `code=c&state=${new URL(href).searchParams.get("state")}`,
      }),
      "unavailable",
    );
  });
});
