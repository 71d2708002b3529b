/** Prices with tax inside, as a till sends them: whatever the price, it is the invoice's gross. */
import { formatMoney, parseMoney } from "@onepiao/protocol/values/money.ts";
import { expect } from "chai";
import { percents } from "../../scripts/lab/prices/walk.ts";
import { call, invoiceOf, type Loose, sandbox, taxpayer } from "./network.ts";
import { sendLines } from "./support/lines.ts";
import { until } from "./support/proxy.ts";

const buyer = { name: "个人" };
const ubl = "application/vnd.onepiao.ubl+xml";
const shudian = "application/vnd.onepiao.shudian+xml";

describe("prices with tax inside", function () {
  this.timeout(120_000);
  /** The same invoice with these lines instead of its own. */
  const withLines = (seller: { taxId: string; name: string }, lines: Loose[], more: Loose = {}) => {
    const { totals: _, ...invoice } = invoiceOf(seller, buyer);
    return { ...invoice, lines, ...more };
  };

  it("are issued a thousand at once, each for exactly its price", async () => {
    const shop = await taxpayer("Shop with a till", ["issuer"], { quota: "90000000.00" });
    // whole yuan, of which every ninth at 13 % has no net and tax to the cent; and all kinds
    const prices = Array.from({ length: 1_000 }, (_, i) => ({
      cents: i < 300 ? BigInt(i + 1) * 100n : BigInt((i * 7_919) % 10_000_000) + 1n,
      percent: percents[i % percents.length] ?? 6,
    }));
    const { results, last } = await sendLines(
      `${(await sandbox()).url}/v1/invoices/batch`,
      prices.map(({ cents, percent }) =>
        withLines(shop, [
          {
            name: "*餐饮服务*餐费",
            grossAmount: formatMoney(cents),
            taxRate: `0.${String(percent).padStart(2, "0")}`,
          },
        ]),
      ),
      shop,
    );
    expect(last).deep.equals({ done: true, accepted: 1_000, replayed: 0, refused: 0 });
    for (const [at, { cents }] of prices.entries()) {
      const { derived, unavailable } = results[at];
      expect(derived.totals.gross).equals(formatMoney(cents));
      const [line] = derived.lines;
      expect(parseMoney(line.amount) + parseMoney(line.tax)).equals(cents);
      expect(unavailable).equals(undefined);
    }
    const { number } = results.at(-1);
    const shown = await until("it is sealed", async () => {
      const { body } = await call("GET", `/v1/invoices/${number}`, undefined, shop);
      return body.status === "issued" && body;
    });
    expect(shown.document.totals).deep.equals(results.at(-1).derived.totals);
    for (const accept of [ubl, shudian, "application/pdf"]) {
      const headers = { accept };
      expect(
        (await call("GET", `/v1/invoices/${number}`, undefined, { ...shop, headers })).status,
        accept,
      ).equals(200);
    }
  });

  it("are answered with what was derived, at once, when sealed, and to a repeated request", async () => {
    const shop = await taxpayer("Shop with a menu", ["issuer"]);
    const lines = [
      { name: "*餐饮服务*套餐", quantity: "3", unitPrice: "25.00", taxRate: "0.06" },
      { name: "*餐饮服务*套餐", grossAmount: "-5.00", taxRate: "0.06" },
    ];
    const body = withLines(shop, lines, { priceIncludesTax: true });
    const derived = {
      lines: [
        { unitPrice: "23.5833333333333", amount: "70.75", tax: "4.25" },
        { amount: "-4.71", tax: "-0.29" },
      ],
      totals: { net: "66.04", tax: "3.96", gross: "70.00" },
    };
    const options = { token: shop.token, key: "menu-1" };
    const first = await call("POST", "/v1/invoices", body, { ...options, wait: 0 });
    expect([first.status, first.body.derived]).deep.equals([202, derived]);
    const again = await call("POST", "/v1/invoices", body, options);
    expect([again.status, again.body.derived]).deep.equals([201, derived]);
    const { document } = (await call("GET", `/v1/invoices/${first.body.number}`, undefined, shop))
      .body;
    expect(document.totals).deep.equals(derived.totals);
    expect(document).not.to.have.property("priceIncludesTax");
  });

  it("that contradict each other are refused by field and rule, and issue nothing", async () => {
    const shop = await taxpayer("Shop with a wrong till", ["issuer"]);
    const line = { name: "*餐饮服务*餐费", taxRate: "0.06" };
    const bodies: [body: Loose, field: string, rule: string][] = [
      [
        withLines(shop, [{ ...line, grossAmount: "25.00", amount: "23.58", tax: "1.41" }]),
        "/lines/0/grossAmount",
        "line-gross",
      ],
      [
        withLines(shop, [{ ...line, grossAmount: "25.00" }], { totals: { gross: "26.50" } }),
        "/totals/gross",
        "gross-sum",
      ],
      [
        withLines(shop, [{ ...line, amount: "25.00", priceIncludesTax: true }]),
        "/lines/0/priceIncludesTax",
        "price-missing",
      ],
    ];
    for (const [body, field, rule] of bodies) {
      const reply = await call("POST", "/v1/invoices", body, shop);
      expect([
        reply.status,
        reply.body.errors?.[0]?.field,
        reply.body.errors?.[0]?.rule,
      ]).deep.equals([422, field, rule]);
    }
    const { items } = (await call("GET", "/v1/invoices?as=issuer", undefined, shop)).body;
    expect(items).deep.equals([]);
  });

  it("leave no doubt about formats: the answer names those in which an invoice is not available", async () => {
    const shop = await taxpayer("Shop with a breakdown", ["issuer"]);
    const { lines, ...invoice } = invoiceOf(shop, buyer);
    const byRate = {
      ...invoice,
      lines: lines.map(({ tax: _, ...line }) => line),
      taxBreakdown: [{ taxRate: "0.06", taxable: "188.68", tax: "11.32" }],
    };
    const { status, body } = await call("POST", "/v1/invoices", byRate, shop);
    expect(status).equals(201);
    expect(body.unavailable.map(({ mediaType }: Loose) => mediaType)).deep.equals([shudian]);
    const refusal = await call("GET", `/v1/invoices/${body.number}`, undefined, {
      ...shop,
      headers: { accept: shudian },
    });
    expect([refusal.status, refusal.body.errors]).deep.equals([406, body.unavailable[0].errors]);
    const plain = await call("POST", "/v1/invoices", invoiceOf(shop, buyer), shop);
    expect(plain.body).not.to.have.property("unavailable");
    expect(plain.body).not.to.have.property("derived");
  });
});
