/** One invoice over HTTP in each format that can express it: by Accept, for its parties only. */
import { writtenTypes } from "@onepiao/protocol/formats/formats.ts";
import { expect } from "chai";
import {
  call,
  documentOf,
  issued,
  type Reply,
  sandbox,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { refused } from "./observe.ts";

const json = "application/json";
const shudian = "application/vnd.onepiao.shudian+xml";
const ubl = "application/vnd.onepiao.ubl+xml";
const cii = "application/vnd.onepiao.cii+xml";

describe("an invoice in other formats, over HTTP", () => {
  let shop: TestParty;
  let firm: TestParty;
  let stranger: TestParty;
  let number: string;
  const sourceId = `POS-${crypto.randomUUID()} <&> "7"`;
  const get = (accept: string, token = firm.token, invoice = number): Promise<Reply> =>
    call("GET", `/v1/invoices/${invoice}`, undefined, { token, headers: { accept } });
  const typeOf = ({ headers }: Reply) => headers.get("content-type");

  before(async () => {
    [shop, firm, stranger] = await Promise.all([
      taxpayer("开票店", ["issuer"]),
      taxpayer("报销公司", ["employer"]),
      taxpayer("外人公司", ["issuer", "employer"]),
    ]);
    number = await issued(shop, firm, { sourceId, remark: "午餐 <4人> & 饮料" });
  });

  it("is JSON if Accept is missing, or names anything or JSON", async () => {
    for (const accept of ["*/*", json, "application/*", `${json}, ${ubl};q=0.5`]) {
      const reply = await get(accept);
      expect([reply.status, typeOf(reply)?.split(";")[0], reply.body.number]).deep.equals([
        200,
        json,
        number,
      ]);
    }
  });

  for (const type of writtenTypes) {
    it(`is ${type} on request, with the JSON's content`, async () => {
      const { document } = (await get(json)).body;
      for (const token of [shop.token, firm.token]) {
        const reply = await get(`${type}, ${json};q=0.5`, token);
        expect([reply.status, typeOf(reply)]).deep.equals([200, `${type}; charset=utf-8`]);
        const written = documentOf(type, reply.body);
        for (const member of ["sourceId", "remark", "currency"] as const)
          expect(written[member]).equals(document[member]);
        expect([written.seller.taxId, written.buyer.taxId, written.totals.gross]).deep.equals([
          shop.taxId,
          firm.taxId,
          "200.00",
        ]);
        expect(reply.body).includes(number);
      }
    });

    it(`is not served to a stranger as ${type} either`, async () => {
      refused(await get(type, stranger.token), "not-found");
    });
  }

  it("is the same original when it is issued again from its written form", async () => {
    for (const type of writtenTypes) {
      const { body } = await get(type);
      const problem = refused(
        await call("POST", "/v1/invoices", body, { token: shop.token, type }),
        "duplicate-source",
      );
      expect(problem["original"].number).equals(number);
    }
  });

  it("a red letter as 数电票 names the number that its original has as 数电票", async () => {
    const lines = [
      {
        name: "*餐饮服务*餐费",
        unit: "次",
        quantity: "-1",
        unitPrice: "188.68",
        amount: "-188.68",
        taxRate: "0.06",
        tax: "-11.32",
      },
    ];
    const totals = { net: "-188.68", tax: "-11.32", gross: "-200.00" };
    const original = `POS-${crypto.randomUUID()}`;
    const first = await issued(shop, firm, { sourceId: original });
    const red = await issued(shop, firm, { lines, totals, reverses: { sourceId: original } });
    const asShudian = (await get(shudian, shop.token, red)).body;
    expect(asShudian).includes(`<OriginalInvoiceCode>${first}</OriginalInvoiceCode>`);
    for (const [type, body] of [
      [shudian, asShudian],
      [ubl, (await get(ubl, shop.token, red)).body],
      [cii, (await get(cii, shop.token, red)).body],
    ])
      expect(documentOf(type, body).reverses).deep.equals({ sourceId: original });
  });

  it("that a format cannot express is 406, with the reason and the possible formats", async () => {
    const lines = [
      { name: "*预付卡*充值", amount: "500.00", taxRate: "不征税", tax: "0.00" },
      { name: "*餐饮*餐费", amount: "100.00", taxRate: "0.06", tax: "6.00" },
    ];
    const foreign = await issued(shop, firm, {
      lines,
      totals: { net: "600.00", tax: "6.00", gross: "606.00" },
    });
    for (const type of [ubl, cii]) {
      const problem = refused(await get(type, shop.token, foreign), "not-acceptable", {
        field: "/lines",
        rule: "BR-O-11",
      });
      expect(problem["available"]).deep.equals([json, shudian, "application/pdf"]);
    }
    expect((await get(shudian, shop.token, foreign)).status).equals(200);
  });

  it("in an unknown type is 406, with the known types", async () => {
    expect(refused(await get("image/png"), "not-acceptable")["available"]).deep.equals([
      json,
      shudian,
      ubl,
      cii,
      "application/pdf",
      "application/vnd.onepiao.sealed+json",
    ]);
    const { url } = await sandbox();
    const { paths } = (await (await fetch(`${url}/openapi.json`)).json()) as {
      paths: Record<string, { get: { responses: Record<string, { content: object }> } }>;
    };
    expect(
      Object.keys(paths["/v1/invoices/{number}"]?.get.responses["200"]?.content ?? {}),
    ).deep.equals([
      json,
      shudian,
      ubl,
      cii,
      "application/pdf",
      "application/vnd.onepiao.sealed+json",
    ]);
  });
});
