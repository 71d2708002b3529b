/**
 * A key has the rights of its roles and no others: a table of callers inside and outside one
 * company and what each may give, revoke and read; stored answers; the last admin key; limits; and
 * a person that leaves its employer.
 */
import { generateKeyPairSync } from "node:crypto";
import { expect } from "chai";
import { Wallet } from "ethers";
import { type Gateway, startGateway } from "../../server/gateway.ts";
import {
  call,
  callAt,
  closeAtEnd,
  freshTaxId,
  invoiceOf,
  issued,
  type Loose,
  must,
  ownKey,
  person,
  sandbox,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { refused, until } from "./observe.ts";
import { startReceiver } from "./support/receiver.ts";

const callers = ["bureau", "admin", "till", "finance", "employee", "otherAdmin"] as const;
type Who = (typeof callers)[number];

describe("a key has the rights of its roles and no others", () => {
  let [firm, otherFirm]: TestParty[] = [];
  let employee: { account: string; token: string };
  const tokens = {} as Record<Who, string>;
  const place: Record<string, string> = {};

  /** An endpoint that accepts every delivery. */
  async function receiver() {
    const pos = await startReceiver();
    closeAtEnd(() => pos.close());
    return pos;
  }
  const keyOf = async (
    account: string,
    roles: string[],
    token: string,
  ): Promise<{ id: string; token: string }> =>
    must(call("POST", "/v1/api-keys", { account, roles }, { token }));
  const party = () => firm as TestParty;

  before(async () => {
    [firm, otherFirm] = await Promise.all([
      taxpayer("综合商贸", ["issuer", "employer"]),
      taxpayer("别家", ["employer"]),
    ]);
    employee = await person(firm, "张三");
    const [till, finance] = [
      await keyOf(firm.account, ["issuer"], firm.token),
      await keyOf(firm.account, ["employer", "holder"], firm.token),
    ];
    const { bureau } = await sandbox();
    Object.assign(tokens, {
      bureau: bureau.token,
      admin: firm.token,
      till: till.token,
      finance: finance.token,
      employee: employee.token,
      otherAdmin: otherFirm.token,
    });
    const number = await issued(firm, firm, { holder: employee.account });
    const claim = await must(
      call(
        "POST",
        "/v1/claims",
        { employer: firm.taxId, invoices: [number] },
        { token: employee.token },
      ),
    );
    const own = async (kind: string, token: string) =>
      (await must(call("GET", "/v1/operations?limit=100", undefined, { token }))).items.find(
        (operation: Loose) => operation.kind === kind,
      ).id;
    const rejected = await must(
      call("POST", `/v1/claims/${claim.id}/reject`, { reason: "补票" }, { token: finance.token }),
    );
    expect(rejected.status).equals("rejected");
    const pos = await receiver();
    const hook = await must(
      call("POST", "/v1/webhooks", { url: pos.url }, { token: finance.token }),
    );
    Object.assign(place, {
      firm: firm.taxId,
      employee: employee.account,
      tillKey: till.id,
      financeKey: finance.id,
      employeeKey: employee.token.split(".")[0],
      seal: await own("seal", firm.token),
      reject: await own("reject", firm.token),
      claimed: await own("claim", employee.token),
      hook: hook.id,
    });
  });

  const fill = (text: string) =>
    text.replaceAll(/\{(\w+)\}/g, (_, name: string) => place[name] ?? "");
  const key = (account: string, ...roles: string[]) => ({ account, roles });
  const rotation = { key: { custody: "gateway" } };
  const jwk = () => generateKeyPairSync("x25519").publicKey.export({ format: "jwk" });

  // statuses in the order of `callers`; 0: allowed, and the request would change the data of the
  // rows below
  const table: [
    method: string,
    path: string,
    what: string,
    body: (() => unknown) | undefined,
    statuses: number[],
  ][] = [
    [
      "POST",
      "/v1/api-keys",
      "the company, issuer",
      () => key(party().account, "issuer"),
      [403, 201, 201, 403, 404, 404],
    ],
    [
      "POST",
      "/v1/api-keys",
      "the company, employer",
      () => key(party().account, "employer"),
      [403, 201, 403, 201, 404, 404],
    ],
    [
      "POST",
      "/v1/api-keys",
      "the company, holder",
      () => key(party().account, "holder"),
      [403, 201, 403, 201, 404, 404],
    ],
    [
      "POST",
      "/v1/api-keys",
      "the company, admin",
      () => key(party().account, "admin"),
      [403, 201, 403, 403, 404, 404],
    ],
    [
      "POST",
      "/v1/api-keys",
      "the employee, holder",
      () => key(employee.account, "holder"),
      [404, 201, 404, 404, 201, 404],
    ],
    [
      "POST",
      "/v1/api-keys",
      "the employee, admin",
      () => key(employee.account, "admin"),
      [404, 201, 404, 404, 403, 404],
    ],
    ["DELETE", "/v1/api-keys/{financeKey}", "", undefined, [403, 0, 404, 0, 404, 404]],
    ["DELETE", "/v1/api-keys/{employeeKey}", "", undefined, [404, 0, 404, 404, 0, 404]],
    ["DELETE", "/v1/api-keys/{tillKey}", "", undefined, [403, 0, 0, 404, 404, 404]],
    [
      "POST",
      "/v1/taxpayers/{firm}/key-rotations",
      "",
      () => rotation,
      [200, 200, 403, 403, 403, 404],
    ],
    ["GET", "/v1/operations/{seal}", "", undefined, [200, 200, 200, 404, 404, 404]],
    ["GET", "/v1/operations/{reject}", "", undefined, [200, 200, 404, 200, 404, 404]],
    ["GET", "/v1/operations/{claimed}", "", undefined, [200, 404, 404, 404, 200, 404]],
    [
      "POST",
      "/v1/operations/{reject}/signatures",
      "",
      () => ({ signature: `0x${"1".repeat(128)}` }),
      [409, 409, 404, 409, 404, 404],
    ],
    ["GET", "/v1/webhooks/{hook}", "", undefined, [404, 200, 404, 200, 404, 404]],
    ["POST", "/v1/webhooks/{hook}/rotate-secret", "", undefined, [404, 200, 404, 200, 404, 404]],
    ["GET", "/v1/persons/{employee}", "", undefined, [403, 200, 404, 200, 200, 404]],
    ["PUT", "/v1/encryption-key", "the caller's party", jwk, [200, 200, 403, 403, 200, 200]],
    ["POST", "/v1/persons/{employee}/leave", "", undefined, [404, 0, 403, 404, 0, 404]],
  ];
  for (const [method, path, aspect, body, statuses] of table) {
    it(`${method} ${path}${aspect === "" ? "" : `: ${aspect}`}`, async () => {
      for (const [i, who] of callers.entries()) {
        if (statuses[i] === 0) continue;
        const reply = await call(method, fill(path), body?.(), { token: tokens[who] });
        expect(reply.status, `${who}: ${JSON.stringify(reply.body)}`).equals(statuses[i]);
        if (reply.status >= 400) refused(reply, reply.body.code);
      }
    });
  }

  const listed = async (path: string, who: Who): Promise<Loose[]> =>
    (await must(call("GET", path, undefined, { token: tokens[who] }))).items;

  it("lists contain only what a key's roles cover", async () => {
    const kinds = async (who: Who) => [
      ...new Set(
        (await listed("/v1/operations?limit=100", who)).map((operation) => operation.kind),
      ),
    ];
    expect(await kinds("till")).not.empty.and.not.includes.members(["reject", "key-rotation"]);
    expect(await kinds("finance")).deep.equals(["reject"]);
    expect(await kinds("employee")).deep.equals(["claim"]);
    expect(await kinds("admin")).includes.members(["seal", "reject", "key-rotation"]);
    const ids = async (who: Who) =>
      (await listed("/v1/api-keys?limit=100", who)).map((apiKey) => apiKey.id);
    expect(await ids("till"))
      .includes(place["tillKey"])
      .and.not.includes(place["financeKey"]);
    expect(await ids("finance"))
      .includes(place["financeKey"])
      .and.not.includes(place["employeeKey"]);
    expect(await ids("admin")).includes.members([
      place["tillKey"],
      place["financeKey"],
      place["employeeKey"],
    ]);
    expect(await ids("employee"))
      .includes(place["employeeKey"])
      .and.not.includes(place["tillKey"]);
    expect(await listed("/v1/webhooks", "till")).empty;
  });

  it("the bureau makes a taxpayer's keys only until the taxpayer has an admin key in use", async () => {
    const made = await must(
      call("POST", "/v1/taxpayers", {
        name: "新户",
        taxId: freshTaxId(),
        capabilities: ["issuer"],
      }),
    );
    const first = await keyOf(made.account, ["issuer"], tokens.bureau);
    const admin = await keyOf(made.account, ["admin"], tokens.bureau);
    for (const roles of [["issuer"], ["admin"]]) {
      refused(await call("POST", "/v1/api-keys", key(made.account, ...roles)), "forbidden", {
        field: "/account",
        rule: "manages-itself",
      });
    }
    refused(await call("DELETE", `/v1/api-keys/${first.id}`), "forbidden", {
      field: "/account",
      rule: "manages-itself",
    });
    expect(
      (await call("DELETE", `/v1/api-keys/${first.id}`, undefined, { token: admin.token })).status,
    ).equals(204);
  });

  it("twenty requests of the bureau at once make at most one admin key", async () => {
    const made = await must(
      call("POST", "/v1/taxpayers", {
        name: "抢先户",
        taxId: freshTaxId(),
        capabilities: ["issuer"],
      }),
    );
    const replies = await Promise.all(
      Array.from({ length: 20 }, () => call("POST", "/v1/api-keys", key(made.account, "admin"))),
    );
    expect(replies.map(({ status }) => status).sort()).deep.equals([
      201,
      ...Array.from({ length: 19 }, () => 403),
    ]);
  });

  it("a key revoked a moment ago makes no other key, and revokes none", async () => {
    const shop = await taxpayer("失钥店", ["issuer", "employer"]);
    const staff = await person(shop, "王五");
    const stolen = await keyOf(shop.account, ["admin"], shop.token);
    const { token } = stolen;
    await must(call("GET", "/v1/session", undefined, { token }));
    await must(call("GET", "/v1/session", undefined, { token: staff.token }));
    for (const id of [stolen.id, staff.token.split(".")[0]]) {
      expect(
        (await call("DELETE", `/v1/api-keys/${id}`, undefined, { token: shop.token })).status,
      ).equals(204);
    }
    refused(
      await call("POST", "/v1/api-keys", key(shop.account, "admin"), { token }),
      "unauthenticated",
    );
    refused(
      await call("POST", "/v1/api-keys", key(staff.account, "holder", "admin"), { token }),
      "unauthenticated",
    );
    refused(
      await call("POST", `/v1/taxpayers/${shop.taxId}/key-rotations`, rotation, { token }),
      "unauthenticated",
    );
    refused(
      await call("POST", `/v1/persons/${staff.account}/leave`, undefined, { token: staff.token }),
      "unauthenticated",
    );
    const kept = (
      await must(call("GET", "/v1/api-keys", undefined, { token: shop.token }))
    ).items.filter((apiKey: Loose) => apiKey.revokedAt === undefined);
    expect(kept.map((apiKey: Loose) => apiKey.id)).deep.equals([shop.token.split(".")[0]]);
  });

  it("an admin key covers a role that its party gets later", async () => {
    const shop = await taxpayer("增项店", ["issuer"]);
    refused(
      await call("GET", "/v1/claims?as=employer", undefined, { token: shop.token }),
      "forbidden",
    );
    await must(
      call("PATCH", `/v1/taxpayers/${shop.taxId}`, { capabilities: ["issuer", "employer"] }),
    );
    await until(
      "the role takes effect",
      async () =>
        (await call("GET", "/v1/claims?as=employer", undefined, { token: shop.token })).status ===
        200,
      5_000,
    );
  });

  describe("a stored answer", () => {
    it("goes to the key that asked and to keys with all of its roles, and to no other key of the party", async () => {
      const body = { name: "李四" };
      for (const [asks, replayed, not] of [
        ["admin", ["admin"], ["till", "finance"]],
        ["till", ["till", "admin"], ["finance"]],
        ["finance", ["finance", "admin"], ["till"]],
      ] as const) {
        const once = crypto.randomUUID();
        const first = await call("POST", "/v1/persons", body, { token: tokens[asks], key: once });
        expect(first.status).equals(201);
        for (const who of replayed) {
          const again = await call("POST", "/v1/persons", body, { token: tokens[who], key: once });
          expect(
            [again.status, again.headers.get("idempotency-replayed"), again.body],
            who,
          ).deep.equals([201, "true", first.body]);
        }
        for (const who of not) {
          const again = await call("POST", "/v1/persons", body, { token: tokens[who], key: once });
          refused(again, "idempotency-key-reused");
          expect(JSON.stringify(again.body)).not.includes(first.body.account);
        }
      }
    });

    it("of a batch's lines follows the same rule", async () => {
      const line = JSON.stringify(
        invoiceOf(
          party(),
          { name: "个人" },
          { sourceId: crypto.randomUUID(), holder: employee.account },
        ),
      );
      const once = crypto.randomUUID();
      const { url } = await sandbox();
      const send = async (token: string) => {
        const headers = {
          authorization: `Bearer ${token}`,
          "idempotency-key": once,
          "content-type": "application/x-ndjson",
        };
        const response = await fetch(`${url}/v1/invoices/batch`, {
          method: "POST",
          headers,
          body: line,
        });
        return (await response.text())
          .trim()
          .split("\n")
          .map((text) => JSON.parse(text));
      };
      const first = await send(tokens.admin);
      expect(first[0].status, JSON.stringify(first)).equals(202);
      expect(JSON.stringify(await send(tokens.till)))
        .includes("idempotency-key-reused")
        .and.not.includes(first[0].number);
      expect((await send(tokens.admin))[0].number).equals(first[0].number);
    });

    it("contains no secret of a key, a webhook or a rotated secret", async () => {
      const pos = await receiver();
      for (const [path, body, secret] of [
        ["/v1/api-keys", key(party().account, "issuer"), "token"],
        ["/v1/webhooks", { url: pos.url }, "secret"],
        [fill("/v1/webhooks/{hook}/rotate-secret"), undefined, "secret"],
      ] as const) {
        const once = crypto.randomUUID();
        const [first, again] = [
          await call("POST", path, body, { token: tokens.admin, key: once }),
          await call("POST", path, body, { token: tokens.admin, key: once }),
        ];
        expect([first.status, typeof first.body[secret]], path).deep.equals([
          again.status,
          "string",
        ]);
        expect([again.headers.get("idempotency-replayed"), again.body[secret]], path).deep.equals([
          "true",
          undefined,
        ]);
        expect(again.body.id, path).equals(first.body.id);
        expect(JSON.stringify(again.body)).not.includes(first.body[secret]);
      }
    });
  });

  describe("rotating to a party's own key", () => {
    const rotate = (body: unknown, token: string) =>
      call("POST", `/v1/taxpayers/${party().taxId}/key-rotations`, { key: body }, { token });

    it("needs a proof by that key, from the party and from the bureau", async () => {
      const wallet = Wallet.createRandom();
      const good = await ownKey(party(), wallet);
      for (const token of [tokens.admin, tokens.bureau]) {
        refused(
          await rotate({ custody: "own", address: wallet.address }, token),
          "invalid-request",
          { field: "/key/proof", rule: "required" },
        );
        for (const proof of [
          (await ownKey(party(), Wallet.createRandom())).proof,
          (await ownKey(otherFirm as TestParty, wallet)).proof,
          `${good.proof.slice(0, -4)}0000`,
        ]) {
          refused(await rotate({ ...good, proof }, token), "key-not-shown", {
            field: "/key/proof",
            rule: "signature-by-account-key",
          });
        }
      }
      const before = await must(
        call("GET", "/v1/operations?limit=100", undefined, { token: tokens.admin }),
      );
      expect(
        before.items.filter(
          (operation: Loose) => operation.status === "queued" && operation.kind === "key-rotation",
        ),
      ).empty;
    });
  });

  describe("the last admin key", () => {
    it("is not revoked by its own party before another admin key is in use", async () => {
      const shop = await taxpayer("独钥店", ["issuer"]);
      const revoke = (id: string, token: string) =>
        call("DELETE", `/v1/api-keys/${id}`, undefined, { token });
      const firstKey = shop.token.split(".")[0] as string;
      refused(await revoke(firstKey, shop.token), "last-admin-key");
      const second = await keyOf(shop.account, ["admin"], shop.token);
      expect((await revoke(firstKey, second.token)).status).equals(204);
      refused(await revoke(second.id, second.token), "last-admin-key");
    });

    it("two admin keys that revoke each other at once leave one", async () => {
      const shop = await taxpayer("双钥店", ["issuer"]);
      const second = await keyOf(shop.account, ["admin"], shop.token);
      const replies = await Promise.all([
        call("DELETE", `/v1/api-keys/${second.id}`, undefined, { token: shop.token }),
        call("DELETE", `/v1/api-keys/${shop.token.split(".")[0]}`, undefined, {
          token: second.token,
        }),
      ]);
      // the second one is revoked already, or is the last
      expect(replies.filter(({ status }) => status === 204)).length(1);
    });
  });

  it("every list of keys has pages, newest first, and each key appears once", async () => {
    const shop = await taxpayer("多钥店", ["issuer"]);
    const made = [shop.token.split(".")[0] as string];
    for (let i = 0; i < 7; i++) made.push((await keyOf(shop.account, ["issuer"], shop.token)).id);
    const seen: string[] = [];
    for (let next: string | undefined = ""; next !== undefined; ) {
      const page: Loose = await must(
        call("GET", `/v1/api-keys?limit=3${next === "" ? "" : `&before=${next}`}`, undefined, {
          token: shop.token,
        }),
      );
      expect(page.items.length).within(1, 3);
      seen.push(...page.items.map((item: Loose) => item.id));
      next = page.next;
    }
    expect(seen).deep.equals(made.reverse());
    refused(
      await call("GET", "/v1/api-keys?limit=101", undefined, { token: shop.token }),
      "invalid-request",
      { field: "?limit", rule: "too-big" },
    );
  });

  describe("limits", () => {
    let gateway: Gateway;
    before(async () => {
      const { config, deployment } = await sandbox();
      const small = {
        ...config,
        PORT: 0,
        MAX_API_KEYS: 4,
        MAX_PERSONS: 2,
        PARTY_RATE_PER_MINUTE: 30,
      };
      gateway = await startGateway(small, deployment, { parts: "accepting" });
      closeAtEnd(() => gateway.stop());
    });
    const there = (method: string, path: string, body: unknown, token: string) =>
      callAt(gateway.url, method, path, body, { token, wait: 0 });

    it("on a party's keys: a revoked key makes room", async () => {
      const shop = await taxpayer("满钥店", ["issuer"]);
      const add = () => there("POST", "/v1/api-keys", key(shop.account, "issuer"), shop.token);
      const made = [await add(), await add(), await add()];
      expect(made.map(({ status }) => status)).deep.equals([201, 201, 201]);
      refused(await add(), "key-limit");
      expect(
        (await there("DELETE", `/v1/api-keys/${made[0]?.body.id}`, undefined, shop.token)).status,
      ).equals(204);
      const racing = await Promise.all([add(), add(), add()]);
      expect(racing.map(({ status }) => status).sort()).deep.equals([201, 409, 409]);
    });

    it("on the persons that a party manages: a person that has left makes room", async () => {
      const shop = await taxpayer("满员店", ["employer"]);
      const add = () => there("POST", "/v1/persons", { name: "员工" }, shop.token);
      const [first] = [await add(), await add()];
      refused(await add(), "person-limit");
      const { token } = await must(
        there("POST", "/v1/api-keys", key(first.body.account, "holder"), shop.token),
      );
      await must(there("POST", `/v1/persons/${first.body.account}/leave`, undefined, token));
      const racing = await Promise.all([add(), add()]);
      expect(racing.map(({ status }) => status).sort()).deep.equals([201, 409]);
    });

    it("on a party's requests, with any number of keys; another party is not slowed down", async () => {
      const [shop, calm] = await Promise.all([
        taxpayer("忙店", ["issuer"]),
        taxpayer("闲店", ["issuer"]),
      ]);
      const keys = [
        shop.token,
        ...(await Promise.all(
          [1, 2].map(async () => (await keyOf(shop.account, ["issuer"], shop.token)).token),
        )),
      ];
      const statuses = [];
      for (let i = 0; i < 36; i++)
        statuses.push((await there("GET", "/v1/session", undefined, keys[i % 3] as string)).status);
      expect(statuses.filter((status) => status === 429)).length(6);
      expect((await there("GET", "/v1/session", undefined, calm.token)).status).equals(200);
    });
  });

  describe("a person that leaves its employer", () => {
    const works = async (token: string) =>
      (await call("GET", "/v1/session", undefined, { token })).status === 200;
    const ended = (token: string) =>
      until("the key has ended", async () => !(await works(token)), 5_000);

    /**
     * An employee with a claim, an invoice of its own, a clerk's key of the employer, and the
     * grants of each to the other.
     */
    async function employed() {
      const employer = await taxpayer("前东家", ["employer"]);
      const worker = await person(employer, "王五");
      const clerk = await must(
        call(
          "POST",
          "/v1/api-keys",
          { ...key(employer.account, "employer"), bearer: worker.account },
          { token: employer.token },
        ),
      );
      const [claimed, kept, theirs] = await Promise.all([
        issued(party(), employer, { holder: worker.account }),
        issued(party(), { name: "个人" }, { holder: worker.account }),
        issued(party(), { name: "个人" }, { holder: employer.account }),
      ]);
      const claim = (
        await must(
          call(
            "POST",
            "/v1/claims",
            { employer: employer.taxId, invoices: [claimed] },
            { token: worker.token },
          ),
        )
      ).id;
      await must(
        call(
          "POST",
          `/v1/invoices/${kept}/grants`,
          { to: employer.account },
          { token: worker.token },
        ),
      );
      await must(
        call(
          "POST",
          `/v1/invoices/${theirs}/grants`,
          { to: worker.account },
          { token: employer.token },
        ),
      );
      const pos = await receiver();
      // the employer knows the person's first key, and so has all rights of that key
      await must(call("POST", "/v1/webhooks", { url: pos.url }, { token: worker.token }));
      const planted = await keyOf(worker.account, ["holder"], worker.token);
      return { employer, worker, clerk, claimed, kept, theirs, claim, planted };
    }

    it("alone: loses all access to the employer, and the employer keeps only the claims submitted to it", async () => {
      const { employer, worker, clerk, claimed, kept, theirs, claim, planted } = await employed();
      const left = await must(
        call("POST", `/v1/persons/${worker.account}/leave`, undefined, { token: worker.token }),
      );
      for (const token of [worker.token, planted.token, clerk.token]) await ended(token);
      const own = left.token;
      // the person keeps its own invoices and nothing of the employer's
      const owned = await must(call("GET", "/v1/invoices?limit=100", undefined, { token: own }));
      expect(owned.items.map((invoice: Loose) => invoice.number)).has.members([claimed, kept]);
      refused(await call("GET", `/v1/invoices/${theirs}`, undefined, { token: own }), "not-found");
      expect((await must(call("GET", "/v1/webhooks", undefined, { token: own }))).items).empty;
      // the employer has the claim with its name, and no access
      const at = { token: employer.token };
      expect((await call("GET", `/v1/claims/${claim}`, undefined, at)).status).equals(200);
      expect((await must(call("GET", `/v1/persons/${worker.account}`, undefined, at))).name).equals(
        "王五",
      );
      refused(await call("GET", `/v1/invoices/${kept}`, undefined, at), "not-found");
      for (const roles of [["holder"], ["admin"]])
        refused(await call("POST", "/v1/api-keys", key(worker.account, ...roles), at), "not-found");
      refused(await call("DELETE", `/v1/api-keys/${left.id}`, undefined, at), "not-found");
      expect(
        (await must(call("GET", `/v1/api-keys?account=${worker.account}`, undefined, at))).items,
      ).empty;
      refused(
        await call("POST", `/v1/persons/${worker.account}/leave`, undefined, at),
        "not-found",
      );
      refused(
        await call("POST", `/v1/persons/${worker.account}/leave`, undefined, { token: own }),
        "person-left",
      );
      // the person manages its access alone, and can claim from its next employer
      const spare = await keyOf(worker.account, ["admin"], own);
      expect(
        (await call("DELETE", `/v1/api-keys/${left.id}`, undefined, { token: spare.token })).status,
      ).equals(204);
      refused(
        await call("DELETE", `/v1/api-keys/${spare.id}`, undefined, { token: spare.token }),
        "last-admin-key",
      );
      await must(
        call(
          "POST",
          "/v1/claims",
          { employer: (otherFirm as TestParty).taxId, invoices: [kept] },
          { token: spare.token },
        ),
      );
    });

    it("on release: keeps the keys that it has made, and needs at least one", async () => {
      const employer = await taxpayer("放人公司", ["employer"]);
      const worker = await person(employer, "赵六");
      const leave = (token: string) =>
        call("POST", `/v1/persons/${worker.account}/leave`, undefined, { token });
      refused(await leave(employer.token), "person-has-no-key");
      expect(await works(worker.token)).equals(true);
      const own = await keyOf(worker.account, ["holder"], worker.token);
      expect((await leave(employer.token)).body).deep.equals({ account: worker.account });
      await ended(worker.token);
      expect(await works(own.token)).equals(true);
      // without a claim not even the name remains
      refused(
        await call("GET", `/v1/persons/${worker.account}`, undefined, { token: employer.token }),
        "not-found",
      );
      refused(
        await call("POST", "/v1/api-keys", key(worker.account, "holder"), {
          token: employer.token,
        }),
        "not-found",
      );
    });

    it("a key without the role admin cannot make a person with an admin key leave", async () => {
      const employer = await taxpayer("留人公司", ["employer"]);
      const worker = await person(employer, "孙七");
      const admin = await keyOf(worker.account, ["admin"], employer.token);
      const leave = (token: string) =>
        call("POST", `/v1/persons/${worker.account}/leave`, undefined, { token });
      refused(await leave(worker.token), "not-found");
      expect([await works(worker.token), await works(admin.token)]).deep.equals([true, true]);
      expect((await leave(admin.token)).status).equals(200);
    });

    it("the bearer of the employer's last admin key does not leave before another one exists", async () => {
      const employer = await taxpayer("东家自己", ["employer"]);
      const worker = await person(employer, "老板");
      const borne = await must(
        call(
          "POST",
          "/v1/api-keys",
          { ...key(employer.account, "admin"), bearer: worker.account },
          { token: employer.token },
        ),
      );
      await must(
        call("DELETE", `/v1/api-keys/${employer.token.split(".")[0]}`, undefined, {
          token: borne.token,
        }),
      );
      refused(
        await call("POST", `/v1/persons/${worker.account}/leave`, undefined, {
          token: worker.token,
        }),
        "last-admin-key",
      );
      expect(await works(worker.token)).equals(true);
    });

    it("only a person that the key's party manages can bear the key", async () => {
      for (const bearer of [(otherFirm as TestParty).account, `0x${"3".repeat(40)}`]) {
        const made = await call(
          "POST",
          "/v1/api-keys",
          { ...key(party().account, "issuer"), bearer },
          { token: tokens.admin },
        );
        refused(made, "invalid-request", { field: "/bearer", rule: "managed-person" });
      }
    });
  });
});
