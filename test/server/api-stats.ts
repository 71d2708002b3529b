/**
 * The bureau's statistics over HTTP: the figures after an invoice's life, paging, bounds, and
 * refusals to all other callers.
 */
import { expect } from "chai";
import {
  call,
  invoiceOf,
  issued,
  type Loose,
  must,
  person,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { month, refused, until, untilStatus } from "./observe.ts";

const get = (path: string) => must(call("GET", path));
const ofIndex = (body: Loose, index: number) =>
  body.items.find((item: Loose) => item.index === index);

describe("statistics over HTTP", function () {
  this.timeout(120_000);
  let shop: TestParty;
  let firm: TestParty;
  let other: TestParty;
  let holder: { account: string; token: string };
  let number: string;

  /** Asks until all blocks of the chain are counted. */
  const settled = (path: string): Promise<Loose> =>
    until("it is counted", async () => {
      const { cursor, counted } = await get("/v1/stats/chain");
      return counted?.block === cursor?.block ? get(path) : undefined;
    });

  before(async () => {
    [shop, firm, other] = await Promise.all([
      taxpayer("统计茶餐厅", ["issuer"], { quota: "5000.00" }),
      taxpayer("统计精密制造", ["employer"]),
      taxpayer("统计贸易", ["employer"]),
    ]);
    holder = await person(firm, "统计员");
  });

  it("an invoice counts in its minute, hour, day and month, in its region, trade and issuer", async () => {
    const grains = ["minute", "hour", "day", "month"];
    const paths = grains.map(
      (grain) =>
        `/v1/stats/invoices?grain=${grain}&from=${new Date(Date.now() - 600_000).toISOString()}`,
    );
    const before = await Promise.all(paths.map(settled));
    number = await issued(shop, { name: "个人" }, { holder: holder.account });
    for (const [place, path] of paths.entries()) {
      const after = await settled(path);
      expect(after.grain).equals(grains[place]);
      const gross = (all: { amounts: { currency: string; gross: string }[] } | undefined) =>
        Number(all?.amounts.find(({ currency }) => currency === "CNY")?.gross ?? 0);
      expect(after.totals.invoices).equals(before[place].totals.invoices + 1);
      expect(gross(after.totals)).closeTo(gross(before[place].totals) + 200, 0.001);
      const part = (body: Loose, name: "regions" | "trades", key: string, value: string) =>
        body[name].find((item: Loose) => item[key] === value);
      for (const [name, key, value] of [
        ["regions", "region", number.slice(2, 4)],
        ["trades", "trade", "catering"],
      ] as const)
        expect(gross(part(after, name, key, value))).closeTo(
          gross(part(before[place], name, key, value)) + 200,
          0.001,
        );
      expect(after.buckets.at(-1).acts.issued).at.least(1);
      expect(after.buckets.reduce((sum: number, bucket: Loose) => sum + bucket.invoices, 0)).equals(
        after.totals.invoices,
      );
    }
    for (const grain of ["day", "month"]) {
      const row = ofIndex(await settled(`/v1/stats/issuers?grain=${grain}&limit=100`), shop.index);
      expect(row).deep.includes({
        invoices: 1,
        documented: 1,
        redLetters: 0,
        amounts: [{ currency: "CNY", gross: "200.00", tax: "11.32" }],
      });
      expect(row.taxpayer).deep.includes({ taxId: shop.taxId, name: shop.name, region: "44" });
    }
  });

  it("a red letter subtracts the amount that it reverses", async () => {
    const first = await issued(shop, { name: "个人" }, { holder: holder.account });
    const lines = [
      {
        name: "*餐饮服务*餐费",
        quantity: "-1",
        unitPrice: "188.68",
        amount: "-188.68",
        taxRate: "0.06",
        tax: "-11.32",
      },
    ];
    const red = invoiceOf(
      shop,
      { name: "个人" },
      {
        lines,
        totals: { net: "-188.68", tax: "-11.32", gross: "-200.00" },
        reverses: { number: first },
      },
    );
    const before = await settled("/v1/stats/flow");
    await must(call("POST", "/v1/invoices", red, { token: shop.token }));
    await untilStatus(first, "reversed");
    const row = ofIndex(await settled("/v1/stats/issuers?grain=month&limit=100"), shop.index);
    expect(row).deep.includes({
      invoices: 3,
      redLetters: 1,
      amounts: [{ currency: "CNY", gross: "200.00", tax: "11.32" }],
    });
    const after = await settled("/v1/stats/flow");
    expect(after.acts.reversed).equals(before.acts.reversed + 1);
    expect(after.now.reversed).equals(before.now.reversed + 1);
  });

  it("quota by issuer: granted, drawn, used, and the ratio", async () => {
    const row = ofIndex(await get(`/v1/stats/quotas?period=${month()}&limit=100`), shop.index);
    expect(row).deep.includes({ granted: "5000.00", used: "200.00", share: 0.04 });
    expect(Number(row.drawn)).at.least(200);
  });

  it("a refused second reimbursement shows the attempt, its time, its employer, and the invoice's owner; page by page", async () => {
    const claim = await must(
      call(
        "POST",
        "/v1/claims",
        { employer: firm.taxId, invoices: [number] },
        { token: holder.token },
      ),
    );
    await must(call("POST", `/v1/claims/${claim.id}/reimburse`, undefined, { token: firm.token }));
    const flow = await get("/v1/stats/flow");
    // any number of attempts counts once for each employer
    for (const employer of [other, firm, other, firm])
      refused(
        await call(
          "POST",
          "/v1/claims",
          { employer: employer.taxId, invoices: [number] },
          { token: holder.token },
        ),
        "already-reimbursed",
      );
    // an employer that repeats its own decision makes no attempt
    refused(
      await call("POST", `/v1/claims/${claim.id}/reimburse`, undefined, { token: firm.token }),
      "already-reimbursed",
    );
    const { items, next } = await until("both refusals are listed", async () => {
      const page = await get("/v1/stats/refusals?limit=2");
      return page.items.length === 2 &&
        page.items.every((refusal: Loose) => refusal.number === number)
        ? page
        : undefined;
    });
    expect(items[0]).deep.includes({
      attempt: "claim",
      reason: "already-reimbursed",
      by: holder.account,
    });
    expect(items[0].employer.taxpayer).deep.includes({ taxId: firm.taxId, name: firm.name });
    expect(items[1]).deep.includes({
      attempt: "claim",
      reason: "already-reimbursed",
      by: holder.account,
    });
    expect(items[1].employer.taxpayer).deep.includes({ taxId: other.taxId, name: other.name });
    for (const refusal of items) {
      expect(refusal.invoice.state).equals("reimbursed");
      expect(refusal.invoice.employer.taxpayer.taxId).equals(firm.taxId);
      expect(Date.parse(refusal.invoice.since)).at.most(Date.parse(refusal.at));
    }
    expect(next).equals(items[1].position);
    const first = await get("/v1/stats/refusals?limit=1");
    const second = await get(`/v1/stats/refusals?limit=1&before=${first.next}`);
    expect([...first.items, ...second.items]).deep.equals(items);
    expect((await get("/v1/stats/flow")).acts.refused).equals(flow.acts.refused + 2);
  });

  it("the chain: head, cursor, counted blocks, lots and invoices", async () => {
    const { body } = await call("GET", "/v1/stats/chain");
    expect(body.up).equals(true);
    expect(body.head.block).at.least(body.cursor.block);
    expect(body.lagBlocks).least(0);
    expect(body.blockSeconds).least(0);
    expect(body.recent.length).greaterThan(0);
    expect(body.recent[0].block).at.most(body.cursor.block);
  });

  it("ranges have a maximum and a direction", async () => {
    const path = (query: string) => call("GET", `/v1/stats/invoices?${query}`);
    refused(
      await path("grain=minute&from=2026-01-01T00:00:00Z&to=2026-01-03T00:00:00Z"),
      "invalid-request",
      { field: "grain", rule: "too-many-buckets" },
    );
    refused(
      await path("grain=month&from=1600-01-01T00:00:00Z&to=2026-01-03T00:00:00Z"),
      "invalid-request",
      { field: "grain", rule: "too-many-buckets" },
    );
    refused(
      await path("grain=hour&from=2026-01-03T00:00:00Z&to=2026-01-01T00:00:00Z"),
      "invalid-request",
      { field: "from", rule: "before-to" },
    );
    refused(await path("grain=hour&from=yesterday"), "invalid-request");
    refused(await path("grain=second"), "invalid-request");
    expect(
      (await path("grain=minute&from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00%2B08:00")).body
        .buckets,
    ).deep.equals([]);
    refused(await call("GET", "/v1/stats/refusals?limit=101"), "invalid-request");
    refused(await call("GET", "/v1/stats/flow?from=1990-01-01T00:00:00Z"), "invalid-request", {
      field: "grain",
      rule: "too-many-buckets",
    });
  });

  it("are for the bureau only", async () => {
    for (const path of ["invoices", "issuers", "flow", "refusals", "quotas", "chain"]) {
      for (const { token } of [shop, firm, holder])
        refused(await call("GET", `/v1/stats/${path}`, undefined, { token }), "forbidden");
      refused(await call("GET", `/v1/stats/${path}`, undefined, { token: "" }), "unauthenticated");
    }
  });
});
