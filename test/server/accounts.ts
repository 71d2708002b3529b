/** Accounts in requests: one rule wherever a request names an account. */

import { hasTrueChecksum, isAccount } from "@onepiao/protocol/values/account.ts";
import { expect } from "chai";
import { getAddress } from "ethers";
import fc from "fast-check";
import { call, invoiceOf, issued, must, person, type TestParty, taxpayer } from "./network.ts";
import { refused } from "./observe.ts";

const isAddress = (text: string) => {
  try {
    return getAddress(text) !== "";
  } catch {
    return false;
  }
};
const digits = fc
  .uint8Array({ minLength: 20, maxLength: 20 })
  .map((bytes) => Buffer.from(bytes).toString("hex"));
/** The account with the case of one letter changed; its checksum is then wrong. */
const slipped = (account: string): string => {
  const at = account.slice(2).search(/[a-fA-F]/) + 2;
  const letter = account[at] ?? "";
  return (
    account.slice(0, at) +
    (letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase()) +
    account.slice(at + 1)
  );
};

describe("accounts", () => {
  it("in mixed case have the checksum that the chain's own library gives", () => {
    fc.assert(
      fc.property(digits, fc.bigInt({ min: 0n, max: 2n ** 40n - 1n }), (hex, mask) => {
        const right = getAddress(`0x${hex}`);
        const mixed = `0x${[...hex].map((digit, at) => ((mask >> BigInt(at)) & 1n ? digit.toUpperCase() : digit)).join("")}`;
        expect(isAccount(right)).equals(true);
        expect(isAccount(`0x${hex}`)).equals(true);
        expect(isAccount(`0x${hex.toUpperCase()}`)).equals(true);
        expect(isAccount(mixed), mixed).equals(isAddress(mixed));
      }),
      { numRuns: 300 },
    );
    for (const text of [
      "",
      "0x",
      "0X5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
      "x".repeat(42),
      `0x${"g".repeat(40)}`,
    ])
      expect(isAccount(text), text).equals(false);
    expect(hasTrueChecksum("no account at all")).equals(true);
  });

  describe("with a wrong checksum", () => {
    let shop: TestParty;
    let firm: TestParty;
    let ann: { account: string; token: string };
    let wrong: string;
    let number: string;

    before(async () => {
      [shop, firm] = await Promise.all([
        taxpayer("茶餐厅", ["issuer"]),
        taxpayer("精密制造", ["employer"]),
      ]);
      ann = await person(firm, "李晓明");
      wrong = slipped(ann.account);
      number = await issued(shop, firm, { holder: ann.account });
    });

    const ways: [string, string, () => Promise<unknown>][] = [];
    const way = (
      title: string,
      field: string,
      ask: () => ReturnType<typeof call>,
      code: "invalid-request" | "invalid-document" = "invalid-request",
    ) =>
      ways.push([
        title,
        field,
        async () => refused(await ask(), code, { field, rule: "account-checksum" }),
      ]);
    way("as the receiver of an invoice", "/to", () =>
      call("POST", `/v1/invoices/${number}/transfers`, { to: wrong }, { token: ann.token }),
    );
    way("as a reader", "/to", () =>
      call("POST", `/v1/invoices/${number}/grants`, { to: wrong }, { token: ann.token }),
    );
    way("as the holder in a query", "?holder", () =>
      call("POST", `/v1/invoices?holder=${wrong}`, invoiceOf(shop, firm), { token: shop.token }),
    );
    way(
      "as the holder in a document",
      "/holder",
      () =>
        call("POST", "/v1/invoices", invoiceOf(shop, firm, { holder: wrong }), {
          token: shop.token,
        }),
      "invalid-document",
    );
    way("as the holder of an external invoice", "?holder", () =>
      call("POST", `/v1/external-invoices?holder=${wrong}`, invoiceOf(shop, firm), {
        token: firm.token,
      }),
    );
    way("as a key's party", "/account", () =>
      call("POST", "/v1/api-keys", { account: wrong, roles: ["holder"] }),
    );
    way("as a person that is asked for", "{account}", () =>
      call("GET", `/v1/persons/${wrong}`, undefined, { token: firm.token }),
    );
    way("in a bundle that is verified", "/network/ledger", async () => {
      const bundle = await must(
        call("GET", `/v1/invoices/${number}/bundle`, undefined, { token: shop.token }),
      );
      return call(
        "POST",
        "/v1/verify",
        { ...bundle, network: { ...bundle.network, ledger: slipped(bundle.network.ledger) } },
        { token: "" },
      );
    });
    way("in a bundle that is brought here", "/leaf/holder", async () => {
      const bundle = await must(
        call("GET", `/v1/invoices/${number}/bundle`, undefined, { token: shop.token }),
      );
      return call(
        "POST",
        "/v1/invoices/import",
        { ...bundle, leaf: { ...bundle.leaf, holder: wrong } },
        { token: ann.token },
      );
    });
    for (const [title, field, ask] of ways) it(`${title} are refused at ${field}`, ask);
  });
});
