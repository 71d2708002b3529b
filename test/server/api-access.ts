/**
 * Who may do and see what: a table of callers and requests, lists without other parties' rows, and
 * API keys.
 */
import { expect } from "chai";
import {
  call,
  callAt,
  freshTaxId,
  invoiceOf,
  issued,
  type Loose,
  must,
  person,
  sandbox,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { month, refused, until } from "./observe.ts";
import { whileNoBlockComes } from "./support/holding.ts";

const callers = [
  "bureau",
  "issuer",
  "otherIssuer",
  "holder",
  "otherHolder",
  "employer",
  "otherEmployer",
] as const;
type Who = (typeof callers)[number];

describe("who may do and see what", () => {
  let [shop, otherShop, firm, otherFirm]: TestParty[] = [];
  let [worker, receiver, stranger]: { account: string; token: string }[] = [];
  const tokens = {} as Record<Who, string>;
  const place: Record<string, string> = {};

  /** A key of exactly these roles. */
  const keyFor = async ({ account, token }: TestParty, roles: string[]): Promise<string> =>
    (await must(call("POST", "/v1/api-keys", { account, roles }, { token }))).token;

  before(async () => {
    [shop, otherShop, firm, otherFirm] = (await Promise.all([
      taxpayer("甲店", ["issuer"]),
      taxpayer("乙店", ["issuer"]),
      taxpayer("丙公司", ["employer"]),
      taxpayer("丁公司", ["employer"]),
    ])) as [TestParty, TestParty, TestParty, TestParty];
    [worker, receiver, stranger] = await Promise.all([
      person(firm, "员工"),
      person(firm, "同事"),
      person(otherFirm, "外人"),
    ]);
    Object.assign(tokens, {
      bureau: (await sandbox()).bureau.token,
      issuer: await keyFor(shop, ["issuer"]),
      otherIssuer: await keyFor(otherShop, ["issuer"]),
      holder: worker.token,
      otherHolder: stranger.token,
      employer: await keyFor(firm, ["employer"]),
      otherEmployer: await keyFor(otherFirm, ["employer"]),
    });
    const invoice = await issued(shop, firm, { holder: worker.account });
    const offered = await issued(shop, { name: "员工" }, { holder: worker.account });
    const accepted = await call(
      "POST",
      "/v1/claims",
      { employer: firm.taxId, invoices: [invoice] },
      { token: worker.token, wait: 0 },
    );
    const claim = accepted.body.id as string;
    await until(
      "the chain has the claim",
      async () => (await call("GET", `/v1/claims/${claim}`)).body.status === "claimed",
    );
    const transfer = (
      await must(
        call(
          "POST",
          `/v1/invoices/${offered}/transfers`,
          { to: receiver.account },
          { token: worker.token },
        ),
      )
    ).id;
    const key = (
      await must(
        call(
          "POST",
          "/v1/api-keys",
          { account: shop.account, roles: ["issuer"] },
          { token: shop.token },
        ),
      )
    ).id;
    Object.assign(place, {
      invoice,
      offered,
      claim,
      transfer,
      key,
      operation: accepted.body.operation.id,
      shop: shop.taxId,
      worker: worker.account,
    });
  });

  // requests that refuse every caller except the named ones; statuses in the order of `callers`
  const table: [method: string, path: string, body: unknown, statuses: number[]][] = [
    ["GET", "/v1/invoices/{invoice}", undefined, [200, 200, 404, 200, 404, 200, 404]],
    ["GET", "/v1/invoices/{invoice}/history", undefined, [200, 200, 404, 200, 404, 200, 404]],
    ["GET", "/v1/invoices/{offered}", undefined, [200, 200, 404, 200, 404, 404, 404]],
    ["GET", "/v1/claims/{claim}", undefined, [200, 403, 403, 200, 404, 200, 404]],
    ["GET", "/v1/claims", undefined, [403, 403, 403, 200, 200, 200, 200]],
    ["GET", "/v1/transfers/{transfer}", undefined, [403, 403, 403, 200, 404, 403, 403]],
    ["GET", "/v1/operations/{operation}", undefined, [200, 404, 404, 200, 404, 404, 404]],
    ["GET", "/v1/persons/{worker}", undefined, [403, 404, 404, 200, 404, 200, 404]],
    ["GET", "/v1/taxpayers", undefined, [200, 403, 403, 403, 403, 403, 403]],
    [
      "GET",
      "/v1/taxpayers/directory?name=%E6%B7%B1",
      undefined,
      [200, 200, 200, 403, 403, 403, 403],
    ],
    ["POST", "/v1/taxpayers/directory", undefined, [200, 403, 403, 403, 403, 403, 403]],
    ["GET", "/v1/taxpayers/{shop}", undefined, [200, 200, 404, 403, 403, 404, 404]],
    ["GET", "/v1/taxpayers/{shop}/quota", undefined, [200, 200, 404, 403, 403, 403, 403]],
    ["GET", "/v1/taxpayers/{shop}/segments", undefined, [200, 200, 404, 403, 403, 403, 403]],
    ["GET", "/v1/api-keys", undefined, [200, 200, 200, 200, 200, 200, 200]],
    ["GET", "/v1/invoices?as=employer", undefined, [200, 403, 403, 403, 403, 200, 200]],
    ["GET", "/v1/invoices?as=issuer", undefined, [200, 200, 200, 403, 403, 403, 403]],
    ["GET", "/v1/invoices?as=holder", undefined, [200, 403, 403, 200, 200, 403, 403]],
    ["GET", "/v1/claims?as=employer", undefined, [403, 403, 403, 403, 403, 200, 200]],
    ["GET", "/v1/ledger", undefined, [200, 200, 200, 200, 200, 200, 200]],
    ["PATCH", "/v1/ledger", { open: true }, [200, 403, 403, 403, 403, 403, 403]],
    [
      "POST",
      "/v1/taxpayers",
      { name: "新", taxId: "x", capabilities: ["issuer"] },
      [422, 403, 403, 403, 403, 403, 403],
    ],
    ["PATCH", "/v1/taxpayers/{shop}", { standing: "active" }, [200, 403, 403, 403, 403, 403, 403]],
    [
      "PUT",
      "/v1/taxpayers/{shop}/quota",
      { period: month(), granted: "1000000.00" },
      [200, 403, 403, 403, 403, 403, 403],
    ],
    ["POST", "/v1/taxpayers/{shop}/segments", { length: 1 }, [201, 403, 403, 403, 403, 403, 403]],
    [
      "POST",
      "/v1/taxpayers/{shop}/quota/draws",
      { amount: "1.00" },
      [403, 200, 404, 403, 403, 403, 403],
    ],
    [
      "POST",
      "/v1/taxpayers/{shop}/key-rotations",
      { key: { custody: "gateway" } },
      [200, 403, 403, 403, 403, 403, 403],
    ],
    ["POST", "/v1/persons", { name: "新人" }, [403, 201, 201, 403, 403, 201, 201]],
    [
      "POST",
      "/v1/invoices/{offered}/transfers",
      { to: `0x${"1".repeat(40)}` },
      [403, 403, 403, 422, 404, 403, 403],
    ],
    ["POST", "/v1/transfers/{transfer}/accept", undefined, [403, 403, 403, 403, 404, 403, 403]],
    ["POST", "/v1/transfers/{transfer}/decline", undefined, [403, 403, 403, 403, 404, 403, 403]],
    ["POST", "/v1/claims/{claim}/withdraw", undefined, [403, 403, 403, 409, 404, 403, 403]],
    [
      "POST",
      "/v1/operations/{operation}/signatures",
      { signature: `0x${"1".repeat(128)}` },
      [409, 404, 404, 409, 404, 404, 404],
    ],
    ["DELETE", "/v1/api-keys/none", undefined, [404, 404, 404, 404, 404, 404, 404]],
    ["DELETE", "/v1/api-keys/{key}", undefined, [403, 0, 404, 404, 404, 404, 404]],
    ["POST", "/v1/claims/{claim}/reject", { reason: "x" }, [403, 403, 403, 403, 403, 0, 404]],
    ["POST", "/v1/claims/{claim}/reimburse", undefined, [403, 403, 403, 403, 403, 200, 404]],
  ];
  const pathOf = (path: string): string =>
    path.replaceAll(/\{(\w+)\}/g, (_, name: string) => place[name] ?? "");

  for (const [method, path, body, statuses] of table) {
    it(`${method} ${path}`, async () => {
      for (const [i, who] of callers.entries()) {
        const expected = statuses[i];
        if (expected === 0) continue; // allowed; it would change the data of the rows below
        const reply = await call(method, pathOf(path), body, { token: tokens[who] });
        expect(reply.status, `${who}: ${JSON.stringify(reply.body)}`).equals(expected);
        if (reply.status >= 400) refused(reply, reply.body.code);
      }
    });
  }

  it("an issuer issues, and only for itself", async () => {
    for (const [who, code] of [
      ["bureau", "forbidden"],
      ["holder", "forbidden"],
      ["employer", "forbidden"],
      ["otherIssuer", "seller-not-caller"],
    ] as const) {
      refused(
        await call("POST", "/v1/invoices", invoiceOf(shop as TestParty, firm as TestParty), {
          token: tokens[who],
        }),
        code,
      );
    }
  });

  it("a missing, a wrong or a revoked key gives no access", async () => {
    const { url } = await sandbox();
    const { id, token } = await must(
      call(
        "POST",
        "/v1/api-keys",
        { account: firm?.account, roles: ["employer", "holder"] },
        { token: firm?.token ?? "" },
      ),
    );
    expect((await call("GET", "/v1/claims", undefined, { token })).status).equals(200);
    const revoke = () =>
      call("DELETE", `/v1/api-keys/${id}`, undefined, { token: firm?.token ?? "" });
    expect((await revoke()).status).equals(204);
    refused(await revoke(), "not-found");
    await until(
      "the revocation takes effect",
      async () => (await call("GET", "/v1/claims", undefined, { token })).status === 401,
      5_000,
    );
    for (const [method, path, body] of table) {
      for (const presented of [undefined, token, `${id}.${"A".repeat(43)}`, "nonsense"]) {
        refused(
          await callAt(
            url,
            method,
            pathOf(path),
            body,
            presented === undefined ? {} : { token: presented },
          ),
          "unauthenticated",
        );
      }
    }
  });

  it("no caller lists another party's rows", async () => {
    const lists: [Who, string, (item: Loose) => boolean][] = [
      ["issuer", "/v1/invoices?as=issuer&limit=100", ({ seller }) => seller === "甲店"],
      ["otherIssuer", "/v1/invoices?as=issuer&limit=100", ({ seller }) => seller === "乙店"],
      ["holder", "/v1/invoices?limit=100", ({ holder }) => holder === worker?.account],
      ["otherHolder", "/v1/invoices?limit=100", () => false],
      ["employer", "/v1/invoices?limit=100", ({ number }) => number === place["invoice"]],
      ["otherEmployer", "/v1/invoices?limit=100", () => false],
      ["holder", "/v1/claims", ({ id }) => id === place["claim"]],
      ["otherHolder", "/v1/claims", () => false],
      ["otherEmployer", "/v1/claims", () => false],
      ["otherHolder", "/v1/transfers", () => false],
      ["otherHolder", "/v1/operations", () => false],
      ["issuer", "/v1/api-keys", ({ account }) => account === shop?.account],
      ["issuer", `/v1/api-keys?account=${firm?.account}`, () => false],
      [
        "employer",
        `/v1/api-keys?account=${firm?.account}`,
        ({ account }) => account === firm?.account,
      ],
    ];
    for (const [who, path, own] of lists) {
      const { items } = await must(call("GET", path, undefined, { token: tokens[who] }));
      expect(
        items.filter((item: unknown) => !own(item)),
        `${who} ${path}`,
      ).deep.equals([]);
    }
    for (const [who, path] of [
      ["issuer", "/v1/invoices"],
      ["holder", "/v1/invoices"],
      ["employer", "/v1/invoices"],
      ["holder", "/v1/claims"],
      ["employer", "/v1/claims"],
      ["holder", "/v1/operations"],
    ] as const) {
      expect(
        (await must(call("GET", path, undefined, { token: tokens[who] }))).items,
        `${who} ${path}`,
      ).not.empty;
    }
  });

  describe("API keys", () => {
    const make = (account: string | undefined, roles: string[], token?: string) =>
      call("POST", "/v1/api-keys", { account, roles }, token === undefined ? {} : { token });

    it("no key gets a role that its party does not have, not even from the bureau", async () => {
      const { bureau } = await sandbox();
      for (const [account, roles, token] of [
        [worker?.account, ["issuer"], firm?.token],
        [worker?.account, ["holder", "employer"], firm?.token],
        [shop?.account, ["employer"], shop?.token],
        [firm?.account, ["issuer"], firm?.token],
        [firm?.account, ["bureau"], firm?.token],
        [bureau.account, ["issuer"], bureau.token],
      ] as const) {
        refused(await make(account, [...roles], token), "forbidden", {
          field: "/roles",
          rule: "role-of-party",
        });
      }
      refused(await make(shop?.account, ["issuer", "owner"]), "invalid-request");
      refused(await make(shop?.account, []), "invalid-request");
      refused(await make(`0x${"2".repeat(40)}`, ["holder"]), "not-found");
    });

    it("a taxpayer makes keys only for itself and for the persons it has made", async () => {
      expect((await make(firm?.account, ["holder"], firm?.token)).status).equals(201);
      const made = await make(worker?.account.toLowerCase(), ["holder"], firm?.token);
      expect(made.status).equals(201);
      expect(
        (await call("GET", `/v1/persons/${worker?.account}`, undefined, { token: made.body.token }))
          .status,
      ).equals(200);
      for (const account of [worker?.account, firm?.account, (await sandbox()).bureau.account])
        refused(await make(account, ["holder"], otherFirm?.token), "not-found");
      expect((await make(worker?.account, ["holder"], worker?.token)).status).equals(201);
      refused(await make(worker?.account, ["admin"], worker?.token), "forbidden", {
        field: "/roles",
        rule: "role-of-party",
      });
      // it does not revoke another party's key either
      refused(
        await call("DELETE", `/v1/api-keys/${made.body.id}`, undefined, {
          token: otherFirm?.token ?? "",
        }),
        "not-found",
      );
      expect(
        (
          await call("DELETE", `/v1/api-keys/${made.body.id}`, undefined, {
            token: firm?.token ?? "",
          })
        ).status,
      ).equals(204);
    });

    it("a key makes no key with more rights than its own", async () => {
      const both = await taxpayer("戊公司", ["issuer", "employer"]);
      const till = await keyFor(both, ["issuer"]);
      refused(await make(both.account, ["employer"], till), "forbidden", {
        field: "/roles",
        rule: "role-of-party",
      });
      refused(await make(both.account, ["issuer", "holder"], till), "forbidden");
      expect((await make(both.account, ["issuer"], till)).status).equals(201);
    });

    it("a key for one role does not read data of its party's other roles", async () => {
      const both = await taxpayer("己公司", ["issuer", "employer"]);
      const number = await issued(both, otherFirm as TestParty);
      const titled = await issued(shop as TestParty, both);
      const employerKey = await keyFor(both, ["employer"]);
      const issuerKey = await keyFor(both, ["issuer"]);
      const see = async (n: string, token: string) =>
        (await call("GET", `/v1/invoices/${n}`, undefined, { token })).status;
      expect([await see(number, issuerKey), await see(number, employerKey)]).deep.equals([
        200, 404,
      ]);
      expect([await see(titled, issuerKey), await see(titled, employerKey)]).deep.equals([
        404, 200,
      ]);
    });

    it("a taxpayer has no role until its enrolment is done", async () => {
      const account = await whileNoBlockComes(async () => {
        const enrolling = await must(
          call(
            "POST",
            "/v1/taxpayers",
            { name: "庚公司", taxId: freshTaxId(), capabilities: ["issuer"] },
            { wait: 0 },
          ),
        );
        refused(await make(enrolling.account, ["issuer"]), "forbidden");
        return enrolling.account as string;
      });
      await until("it is enrolled", async () => (await make(account, ["issuer"])).status === 201);
    });
  });
});
