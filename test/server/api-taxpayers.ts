/** Taxpayers over HTTP: enrolment, standing, key rotation, quota, segments, persons. */
import { expect } from "chai";
import { Wallet, ZeroAddress, ZeroHash } from "ethers";
import {
  call,
  freshTaxId,
  must,
  ownKey,
  person,
  sandbox,
  type TestParty,
  taxpayer,
} from "./network.ts";

import { database, month, period, quotaOnChain, refused, until } from "./observe.ts";

const noProof = `0x${"11".repeat(64)}`;

const year = month().slice(2, 4);

describe("taxpayers over HTTP", () => {
  let shop: TestParty;
  before(async () => {
    shop = await taxpayer("广州早茶有限公司", ["issuer", "employer"]);
  });

  it("a taxpayer reads back as it was enrolled", async () => {
    const { status, body } = await call("GET", `/v1/taxpayers/${shop.taxId}`, undefined, {
      token: shop.token,
    });
    expect(status).equals(200);
    expect(body).deep.equals({
      taxId: shop.taxId,
      name: "广州早茶有限公司",
      account: shop.account,
      index: shop.index,
      capabilities: ["issuer", "employer"],
      standing: "active",
      region: "44",
      currency: "CNY",
    });
  });

  it("a search finds a taxpayer by its tax id in small letters too", async () => {
    expect((await call("GET", `/v1/taxpayers/${shop.taxId.toLowerCase()}`)).body.account).equals(
      shop.account,
    );
  });

  it("a tax id is enrolled once, and the refusal names the account that has it", async () => {
    const body = refused(
      await call("POST", "/v1/taxpayers", {
        name: "另一家",
        taxId: shop.taxId,
        capabilities: ["issuer"],
      }),
      "tax-id-enrolled",
    );
    expect(body["original"]).deep.equals({ account: shop.account, state: "active" });
  });

  it("twenty enrolments of one tax id at once make one taxpayer", async () => {
    const taxId = freshTaxId();
    const replies = await Promise.all(
      Array.from({ length: 20 }, () =>
        call("POST", "/v1/taxpayers", { name: "抢注有限公司", taxId, capabilities: ["issuer"] }),
      ),
    );
    expect(replies.filter(({ status }) => status === 201)).lengthOf(1);
    for (const reply of replies.filter(({ status }) => status !== 201))
      refused(reply, "tax-id-enrolled");
  });

  it("a tax id with a wrong check digit is refused by field and rule", async () => {
    const wrong = shop.taxId.slice(0, 17) + (shop.taxId.endsWith("0") ? "1" : "0");
    refused(
      await call("POST", "/v1/taxpayers", { name: "错号", taxId: wrong, capabilities: ["issuer"] }),
      "invalid-request",
      {
        field: "/taxId",
        rule: "tax-id-check-digit",
      },
    );
  });

  it("an enrolment that the chain refuses leaves the tax id free", async () => {
    const { address } = Wallet.createRandom();
    const { bureau } = await sandbox();
    // another gateway of the bureau has enrolled it on the chain: this gateway does not know yet
    const sql = await database();
    const command = {
      type: "call",
      contract: "registry",
      function: "enrol",
      args: [address, ZeroHash, 2],
    };
    await sql`insert into operations (kind, party, command) values ('enrol', ${bureau.account}, ${sql.json(command)})`;
    await until(
      "the other gateway's enrolment is on the chain",
      async () => (await sql`select 1 from taxpayers where account = ${address}`).length === 1,
    );
    const taxId = freshTaxId();
    refused(
      await call("POST", "/v1/taxpayers", {
        name: "别处已登记",
        taxId,
        capabilities: ["employer"],
        key: { custody: "own", address },
      }),
      "account-enrolled",
    );
    expect(
      (
        await call("POST", "/v1/taxpayers", {
          name: "别处已登记",
          taxId,
          capabilities: ["employer"],
        })
      ).status,
    ).equals(201);
  });

  it("nobody can have the zero address, and a refused enrolment leaves the tax id free", async () => {
    const taxId = freshTaxId();
    const key = { custody: "own", address: ZeroAddress };
    refused(
      await call("POST", "/v1/taxpayers", {
        name: "零地址",
        taxId,
        capabilities: ["employer"],
        key,
      }),
      "zero-address",
      {
        field: "/key/address",
        rule: "not-zero",
      },
    );
    // red letters belong to the zero address: a party with it could read all of them
    refused(
      await call(
        "POST",
        "/v1/persons",
        { name: "零地址", key: { ...key, proof: noProof } },
        { token: shop.token },
      ),
      "zero-address",
    );
    expect(
      (await call("POST", "/v1/taxpayers", { name: "零地址", taxId, capabilities: ["employer"] }))
        .status,
    ).equals(201);
  });

  it("a party's own key cannot be one that the gateway keeps", async () => {
    const firm = await taxpayer("换过钥匙的公司", ["employer"]);
    const { key: address } = await must(
      call(
        "POST",
        `/v1/taxpayers/${firm.taxId}/key-rotations`,
        { key: { custody: "gateway" } },
        { token: firm.token },
      ),
    );
    const key = { custody: "own", address };
    refused(
      await call(
        "POST",
        "/v1/persons",
        { name: "冒用", key: { ...key, proof: noProof } },
        { token: shop.token },
      ),
      "account-enrolled",
    );
    refused(
      await call(
        "POST",
        `/v1/taxpayers/${shop.taxId}/key-rotations`,
        { key: { ...key, proof: noProof } },
        { token: shop.token },
      ),
      "account-enrolled",
    );
  });

  it("an account belongs to one party only", async () => {
    const reply = await call("POST", "/v1/taxpayers", {
      name: "借用账户",
      taxId: freshTaxId(),
      capabilities: ["issuer"],
      key: { custody: "own", address: shop.account },
    });
    refused(reply, "account-enrolled");
    const borrowed = { custody: "own", address: shop.account, proof: noProof };
    refused(
      await call("POST", "/v1/persons", { name: "借用账户", key: borrowed }, { token: shop.token }),
      "account-enrolled",
    );
  });

  it("a stranger's account is registered only with that account's consent to this taxpayer", async () => {
    const [stranger, other] = [
      Wallet.createRandom(),
      await taxpayer("另一家登记公司", ["employer"]),
    ];
    const register = (key: object) =>
      call("POST", "/v1/persons", { name: "外来账户", key }, { token: shop.token });
    const ownProof = await ownKey(shop, stranger);
    refused(await register({ ...ownProof, proof: noProof }), "key-not-shown", {
      field: "/key/proof",
      rule: "signature-by-account-key",
    });
    refused(
      await register({ ...(await ownKey(shop, Wallet.createRandom())), address: stranger.address }),
      "key-not-shown",
    );
    // a consent to another taxpayer
    refused(await register(await ownKey(other, stranger)), "key-not-shown");
    expect((await register(ownProof)).status).equals(201);
  });

  it("only the bureau changes standing and capabilities, one at a time", async () => {
    const firm = await taxpayer("待整改公司", ["issuer"]);
    refused(
      await call("PATCH", `/v1/taxpayers/${firm.taxId}`, {
        standing: "suspended",
        capabilities: ["issuer"],
      }),
      "invalid-request",
    );
    expect(
      (await must(call("PATCH", `/v1/taxpayers/${firm.taxId}`, { standing: "suspended" })))
        .standing,
    ).equals("suspended");
    expect(
      (await must(call("PATCH", `/v1/taxpayers/${firm.taxId}`, { standing: "active" }))).standing,
    ).equals("active");
    expect(
      (await must(call("PATCH", `/v1/taxpayers/${firm.taxId}`, { capabilities: ["employer"] })))
        .capabilities,
    ).deep.equals(["employer"]);
    refused(
      await call("POST", `/v1/taxpayers/${firm.taxId}/segments`, { length: 5 }),
      "capability-missing",
    );
  });

  it("a segment's numbers contain the year, the region and this network's channel", async () => {
    const firm = await taxpayer("号段公司", ["issuer"], { segment: 7 });
    const second = await must(call("POST", `/v1/taxpayers/${firm.taxId}/segments`, { length: 3 }));
    expect(second.first).matches(new RegExp(`^${year}442\\d{15}$`));
    const foreign = await must(
      call("POST", `/v1/taxpayers/${firm.taxId}/segments`, { length: 3, series: 26_902 }),
    );
    expect(foreign.first).matches(/^26902\d{15}$/);
    const { items } = (
      await call("GET", `/v1/taxpayers/${firm.taxId}/segments`, undefined, { token: firm.token })
    ).body;
    expect(
      items.map(({ length, used }: { length: number; used: number }) => [length, used]),
    ).deep.equals([
      [7, 0],
      [3, 0],
      [3, 0],
    ]);
    const firsts = items.map(({ first }: { first: string }) => BigInt(first));
    expect(firsts[1] >= firsts[0] + 7n, "segments of a series do not overlap").equals(true);
  });

  it("quota is drawn up to the granted amount, returned down to the used amount, and equals the chain's", async () => {
    const firm = await taxpayer("额度公司", ["issuer"], { quota: "1000.00" });
    const path = `/v1/taxpayers/${firm.taxId}/quota`;
    const draws = (body: unknown) => call("POST", `${path}/draws`, body, { token: firm.token });
    expect((await must(draws({ amount: "600.00" }))).drawn).equals("600.00");
    refused(await draws({ amount: "400.01" }), "quota-draw-exceeded");
    refused(await draws({ amount: "0.00" }), "amount-zero");
    expect(await must(draws({ amount: "100.00", direction: "give-back" }))).deep.equals({
      period: month(),
      granted: "1000.00",
      drawn: "500.00",
      used: "0.00",
      left: "1000.00",
    });
    refused(await draws({ amount: "500.01", direction: "give-back" }), "give-back-exceeds-drawn");
    expect(await quotaOnChain(firm.index, period())).deep.equals({
      granted: 100_000n,
      drawn: 50_000n,
    });
    refused(await call("PUT", path, { period: month(), granted: "499.99" }), "quota-below-drawn");
    expect((await must(call("PUT", path, { period: month(), granted: "500.00" }))).granted).equals(
      "500.00",
    );
  });

  it("an amount of quota above the maximum is refused, and is not an internal error", async () => {
    for (const granted of ["9999999999999999.00", "12345678901234.00"]) {
      refused(
        await call("PUT", `/v1/taxpayers/${shop.taxId}/quota`, { period: month(), granted }),
        "invalid-request",
      );
    }
    const reply = await call(
      "POST",
      `/v1/taxpayers/${shop.taxId}/quota/draws`,
      { amount: "12345678901234.00" },
      { token: shop.token },
    );
    refused(reply, "invalid-request");
    for (const granted of ["1", "1.0", "-1.00", "1e3", "01.00"])
      refused(
        await call("PUT", `/v1/taxpayers/${shop.taxId}/quota`, { period: month(), granted }),
        "invalid-request",
      );
    refused(
      await call("PUT", `/v1/taxpayers/${shop.taxId}/quota`, {
        period: "2026-13",
        granted: "1.00",
      }),
      "invalid-request",
    );
  });

  it("its owner rotates a key, and the bureau if the key is lost; the new one signs the acts", async () => {
    const wallet = Wallet.createRandom();
    const firm = await taxpayer("换钥公司", ["issuer", "employer"]);
    const { key } = await must(
      call(
        "POST",
        `/v1/taxpayers/${firm.taxId}/key-rotations`,
        { key: { custody: "gateway" } },
        { token: firm.token },
      ),
    );
    expect(key).not.equals(firm.account);
    await must(
      call(
        "POST",
        `/v1/taxpayers/${firm.taxId}/quota/draws`,
        { amount: "5.00" },
        { token: firm.token },
      ),
    );
    const rotated = await must(
      call("POST", `/v1/taxpayers/${firm.taxId}/key-rotations`, {
        key: await ownKey(firm, wallet),
      }),
    );
    expect(rotated.key).equals(wallet.address);
    // from now on its gateway cannot sign for it
    const { operation } = await must(
      call(
        "POST",
        `/v1/taxpayers/${firm.taxId}/quota/draws`,
        { amount: "5.00" },
        { token: firm.token, wait: 0 },
      ),
    );
    await until(
      "the draw waits for the party's own signature",
      async () =>
        (await call("GET", operation.href, undefined, { token: firm.token })).body.status ===
        "awaiting-signature",
    );
  });

  it("taxpayers are listed by index, in pages", async () => {
    const { items } = (await call("GET", `/v1/taxpayers?after=${shop.index - 1}&limit=1`)).body;
    expect(items.map(({ taxId }: { taxId: string }) => taxId)).deep.equals([shop.taxId]);
    refused(await call("GET", "/v1/taxpayers?limit=101"), "invalid-request", {
      field: "?limit",
      rule: "too-big",
    });
  });

  it("a person's maker and the person can read its record, also with the account in small letters", async () => {
    const someone = await person(shop, "林小满");
    for (const token of [shop.token, someone.token]) {
      for (const account of [someone.account, someone.account.toLowerCase()]) {
        const { status, body } = await call("GET", `/v1/persons/${account}`, undefined, { token });
        expect([status, body]).deep.equals([
          200,
          { account: someone.account, name: "林小满", custody: "gateway" },
        ]);
      }
    }
  });
});
