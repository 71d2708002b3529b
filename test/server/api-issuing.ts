/** Invoices that arrive at once: the gateway accepts them together and decides each separately. */
import { randomUUID } from "node:crypto";
import { expect } from "chai";
import {
  call,
  freshTaxId,
  invoiceOf,
  type Loose,
  type Reply,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { database } from "./observe.ts";

describe("invoices that arrive at once", () => {
  const issue = (
    seller: TestParty,
    more: Record<string, unknown> = {},
    options: { key?: string; wait?: number } = {},
  ): Promise<Reply> =>
    call("POST", "/v1/invoices", invoiceOf(seller, { name: "个人" }, more), {
      token: seller.token,
      ...options,
    });
  const rowsOf = async (seller: TestParty) =>
    (await database())<
      { number: string; tx: string }[]
    >`select number, xmin::text as tx from invoices where issuer = ${seller.index} order by number`;
  const codes = (replies: Reply[]) =>
    Object.fromEntries(
      [...Map.groupBy(replies, (reply) => reply.body.code ?? reply.status)].map(([code, group]) => [
        code,
        group.length,
      ]),
    );

  it("share transactions, and each gets its own number, without a gap", async () => {
    const shop = await taxpayer("Shop at noon", ["issuer"]);
    const replies = await Promise.all(Array.from({ length: 60 }, () => issue(shop)));
    expect(codes(replies)).to.deep.equal({ 201: 60 });
    const rows = await rowsOf(shop);
    expect(rows.map((row) => row.number)).to.deep.equal(
      replies.map((reply) => reply.body.number as string).sort(),
    );
    const first = BigInt(rows[0]?.number ?? 0);
    expect(rows.map((row) => BigInt(row.number) - first)).to.deep.equal(
      rows.map((_, i) => BigInt(i)),
    );
    expect(new Set(rows.map((row) => row.tx)).size).to.be.lessThan(40);
  });

  it("are refused separately: a bad one takes no number and stops no other one", async () => {
    const shop = await taxpayer("Shop with a bad till", ["issuer"]);
    const stranger = { taxId: freshTaxId(), name: "Nobody" };
    const bodies = Array.from({ length: 40 }, (_, i) => {
      if (i % 4 === 1) return invoiceOf(shop, stranger);
      if (i % 4 === 2) return invoiceOf(shop, { name: "个人" }, { currency: "EUR" });
      if (i % 4 === 3) return invoiceOf(stranger, { name: "个人" });
      return invoiceOf(shop, { name: "个人" });
    });
    const replies = await Promise.all(
      bodies.map((body) => call("POST", "/v1/invoices", body, { token: shop.token })),
    );
    const kind = (i: number) =>
      replies.filter((_, at) => at % 4 === i).map((reply) => reply.body.code ?? reply.status);
    expect(new Set(kind(0))).to.deep.equal(new Set([201]));
    expect(new Set(kind(2))).to.deep.equal(new Set(["currency-not-accounted"]));
    expect(new Set(kind(3))).to.deep.equal(new Set(["seller-not-caller"]));
    expect(new Set(kind(1))).to.deep.equal(new Set(["buyer-not-enrolled"]));
    const rows = await rowsOf(shop);
    expect(rows).to.have.length(10);
    expect(BigInt(rows[9]?.number ?? 0) - BigInt(rows[0]?.number ?? 0)).to.equal(9n);
  });

  it("with one sourceId are one invoice: the other answers name its number", async () => {
    const shop = await taxpayer("Shop that stutters", ["issuer"]);
    const sourceId = `POS-${randomUUID()}`;
    const replies = await Promise.all(Array.from({ length: 20 }, () => issue(shop, { sourceId })));
    expect(codes(replies)).to.deep.equal({ 201: 1, "duplicate-source": 19 });
    const { number } = replies.find((reply) => reply.status === 201)?.body as Loose;
    for (const reply of replies)
      if (reply.status === 409) expect(reply.body.original.number).to.equal(number);
    expect((await rowsOf(shop)).map((row) => row.number)).to.deep.equal([number]);
  });

  it("with one Idempotency-Key are one invoice: the others get its answer, or must retry later", async () => {
    const shop = await taxpayer("Shop that repeats", ["issuer"]);
    const options = { key: randomUUID(), wait: 0 };
    const replies = await Promise.all(Array.from({ length: 20 }, () => issue(shop, {}, options)));
    for (const reply of replies)
      expect(reply.body.code ?? reply.status).to.be.oneOf([202, "idempotency-key-running"]);
    const again = await issue(shop, {}, options);
    expect(again.headers.get("idempotency-replayed")).to.equal("true");
    expect((await rowsOf(shop)).map((row) => row.number)).to.deep.equal([again.body.number]);
  });

  it("continue in the next segment, and beyond the last segment are refused", async () => {
    const shop = await taxpayer("Shop with short rolls", ["issuer"], { segment: 7 });
    await call("POST", `/v1/taxpayers/${shop.taxId}/segments`, { length: 5 });
    const replies = await Promise.all(Array.from({ length: 20 }, () => issue(shop)));
    expect(codes(replies)).to.deep.equal({ 201: 12, "no-segment": 8 });
  });

  it("are accepted for several issuers together, each with its own quota", async () => {
    const shops = await Promise.all(
      ["1000.00", "400.00", "200.00"].map((quota, i) =>
        taxpayer(`Shop ${i}`, ["issuer"], { quota }),
      ),
    );
    const replies = await Promise.all(
      shops.flatMap((shop) => Array.from({ length: 6 }, () => issue(shop))),
    );
    const codesOf = (i: number) => codes(replies.slice(i * 6, i * 6 + 6));
    expect([codesOf(0), codesOf(1), codesOf(2)]).to.deep.equal([
      { 201: 5, "quota-exceeded": 1 },
      { 201: 2, "quota-exceeded": 4 },
      { 201: 1, "quota-exceeded": 5 },
    ]);
  });
});
