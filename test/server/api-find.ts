/**
 * Invoices in the list: by day, by the other party, by the issuer's own id; each party finds only
 * its own.
 */
import { createHash } from "node:crypto";
import { canonicalJson } from "@onepiao/protocol/formats/document.ts";
import { writeInvoice } from "@onepiao/protocol/formats/write.ts";
import { expect } from "chai";
import {
  call,
  freshTaxId,
  issued,
  type Loose,
  must,
  person,
  sandbox,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { database, refused } from "./observe.ts";

describe("finding invoices", () => {
  let [shop, rival, firm, other, stranger] = [] as unknown as [
    TestParty,
    TestParty,
    TestParty,
    TestParty,
    TestParty,
  ];
  let [ann, bob] = [] as unknown as [
    { account: string; token: string },
    { account: string; token: string },
  ];
  /** By issuer and the day of October of its acceptance, at noon in China. */
  let [shop1, shop2, shop3, rival2] = ["", "", "", ""];
  let bureau: { token: string };

  const ask = (by: { token: string }, query: string) =>
    call("GET", `/v1/invoices?${query}`, undefined, { token: by.token });
  const numbersFor = async (by: { token: string }, query: string): Promise<string[]> =>
    (await must(ask(by, query))).items.map((invoice: Loose) => invoice.number);
  const day = (n: number) => encodeURIComponent(`2026-10-0${n}T00:00:00+08:00`);
  const october = `from=${day(1)}&to=${day(9)}`;

  before(async () => {
    [shop, rival, firm, other, stranger] = await Promise.all([
      taxpayer("茶餐厅", ["issuer"]),
      taxpayer("面馆", ["issuer"]),
      taxpayer("精密制造", ["employer"]),
      taxpayer("贸易公司", ["employer"]),
      taxpayer("无关公司", ["issuer", "employer"]),
    ]);
    [ann, bob] = [await person(firm, "李晓明"), await person(firm, "王芳")];
    shop1 = await issued(shop, firm, { holder: ann.account, sourceId: "POS-1" });
    shop2 = await issued(shop, { name: "个人" }, { holder: ann.account });
    shop3 = await issued(shop, other, { holder: bob.account, sourceId: "POS-3" });
    rival2 = await issued(rival, firm, { holder: ann.account, sourceId: "POS-1" });
    const sql = await database();
    for (const [number, at] of Object.entries({
      [shop1]: 1,
      [shop2]: 2,
      [shop3]: 3,
      [rival2]: 2,
    })) {
      const when = `2026-10-0${at}T12:00:00+08:00`;
      await sql`update invoices set accepted_at = ${when} where number = ${number}`;
      await sql`update invoice_states set accepted_at = ${when} where number = ${number}`;
    }
    bureau = (await sandbox()).bureau;
  });

  it("by date: from is inclusive, to exclusive, and an offset counts", async () => {
    expect(await numbersFor(shop, october)).deep.equals([shop1, shop2, shop3]);
    expect(await numbersFor(shop, `from=${day(2)}`)).deep.equals([shop2, shop3]);
    expect(await numbersFor(shop, `to=${day(2)}`)).deep.equals([shop1]);
    expect(await numbersFor(shop, `from=${day(2)}&to=${day(3)}`)).deep.equals([shop2]);
    expect(
      await numbersFor(shop, "from=2026-10-01T04:00:00Z&to=2026-10-02T04:00:00Z"),
      "to the second",
    ).deep.equals([shop1]);
    expect(
      await numbersFor(shop, "from=0000-01-01T00:00:00Z&to=9999-12-31T23:59:59Z"),
      "any time",
    ).deep.equals([shop1, shop2, shop3]);
  });

  it("by the other party, in any notation of its tax id", async () => {
    expect(await numbersFor(shop, `buyer=${firm.taxId}`)).deep.equals([shop1]);
    expect(await numbersFor(shop, `buyer=%20${other.taxId.toLowerCase()}`)).deep.equals([shop3]);
    expect(await numbersFor(ann, `seller=${rival.taxId}`)).deep.equals([rival2]);
    expect(await numbersFor(firm, `as=employer&seller=${shop.taxId}`)).deep.equals([shop1]);
    expect(await numbersFor(bureau, `seller=${shop.taxId}`)).deep.equals([shop1, shop2, shop3]);
    for (const nobody of [freshTaxId(), "DE999999999"]) {
      expect(await must(ask(shop, `buyer=${nobody}`))).deep.equals({ items: [] });
      expect(await must(ask(ann, `seller=${nobody}&sourceId=POS-1`))).deep.equals({ items: [] });
    }
  });

  it("by the issuer's own id: an issuer among its own invoices, others with the issuer's tax id", async () => {
    expect(await numbersFor(shop, "sourceId=POS-1")).deep.equals([shop1]);
    expect(await numbersFor(rival, `as=issuer&sourceId=POS-1&seller=${rival.taxId}`)).deep.equals([
      rival2,
    ]);
    expect(await numbersFor(ann, `sourceId=POS-1&seller=${shop.taxId}`)).deep.equals([shop1]);
    expect(await numbersFor(firm, `as=employer&sourceId=POS-1&seller=${rival.taxId}`)).deep.equals([
      rival2,
    ]);
    expect(await numbersFor(bureau, `sourceId=POS-3&seller=${shop.taxId}`)).deep.equals([shop3]);
    for (const spelling of ["pos-1", "POS 1 ", "pos\u20131", "ＰＯＳ－０１"])
      expect(
        await numbersFor(shop, `sourceId=${encodeURIComponent(spelling)}`),
        `spelled ${spelling}`,
      ).deep.equals([shop1]);
    for (const another of ["POS-11", "1-POS"])
      expect(await numbersFor(shop, `sourceId=${another}`), another).deep.equals([]);
    for (const [by, as] of [
      [ann, "holder"],
      [firm, "employer"],
      [ann, "grantee"],
      [bureau, "issuer"],
    ] as const) {
      refused(await ask(by, `as=${as}&sourceId=POS-1`), "invalid-request", {
        field: "?sourceId",
        rule: "seller-named",
      });
    }
  });

  it("by all filters together, with the state", async () => {
    const all = `${october}&buyer=${firm.taxId}&seller=${shop.taxId}&sourceId=POS-1`;
    for (const by of [shop, ann, firm, bureau])
      expect(await numbersFor(by, `${all}&status=issued`)).deep.equals([shop1]);
    expect(await numbersFor(shop, `${all}&status=claimed`)).deep.equals([]);
    expect(
      await numbersFor(ann, `${october}&seller=${shop.taxId}&buyer=${firm.taxId}`),
    ).deep.equals([shop1]);
  });

  it("no query finds another party's invoice", async () => {
    const queries = [
      october,
      `buyer=${firm.taxId}`,
      `seller=${shop.taxId}`,
      `seller=${shop.taxId}&sourceId=POS-1`,
    ];
    for (const query of queries) {
      for (const as of ["issuer", "holder", "employer", "grantee"])
        expect(await numbersFor(stranger, `as=${as}&${query}`), `${as} ${query}`).deep.equals([]);
    }
    expect(await numbersFor(rival, `sourceId=POS-3`)).deep.equals([]);
    expect(await numbersFor(rival, `seller=${shop.taxId}`)).deep.equals([]);
    expect(await numbersFor(bob, `seller=${shop.taxId}`)).deep.equals([shop3]);
    expect(await numbersFor(other, `as=employer&${october}`)).deep.equals([shop3]);
    expect(await numbersFor(firm, `as=employer&buyer=${other.taxId}`)).deep.equals([]);
  });

  it("in pages, in either order, granted invoices included", async () => {
    for (const number of [shop1, shop2, rival2]) {
      await must(
        call(
          "POST",
          `/v1/invoices/${number}/grants`,
          { to: stranger.account },
          { token: ann.token },
        ),
      );
    }
    const pages = async (by: { token: string }, query: string) => {
      const numbers: string[] = [];
      for (let after = ""; ; ) {
        const { items, next } = await must(
          ask(by, `${query}&limit=1${after && `&after=${after}`}`),
        );
        numbers.push(...items.map((invoice: Loose) => invoice.number));
        if (next === undefined) return numbers;
        after = next;
      }
    };
    const second = [shop2, rival2].sort();
    expect(await pages(shop, `from=${day(2)}&order=desc`)).deep.equals([shop3, shop2]);
    expect(await pages(ann, `from=${day(2)}&to=${day(3)}`)).deep.equals(second);
    // the first granted invoice does not match the query
    expect(await pages(stranger, `as=grantee&from=${day(2)}`)).deep.equals(second);
    expect(await pages(stranger, `as=grantee&from=${day(2)}&order=desc`)).deep.equals(
      second.toReversed(),
    );
    expect(await pages(stranger, `as=grantee&seller=${rival.taxId}&sourceId=POS-1`)).deep.equals([
      rival2,
    ]);
  });

  it("not with an invalid query", async () => {
    const wrong = (query: string, field: string, rule: string) =>
      ask(shop, query).then((reply) => refused(reply, "invalid-request", { field, rule }));
    await wrong(`from=${day(2)}&to=${day(2)}`, "?from", "before-to");
    await wrong(`from=${day(3)}&to=${day(2)}`, "?from", "before-to");
    for (const time of ["2026-10-01", "2026-10-01T00:00:00", "2026-02-30T00:00:00Z", "gestern", ""])
      await wrong(`to=${time}`, "?to", "format");
    await wrong(
      `buyer=${firm.taxId.slice(0, 17)}${firm.taxId.endsWith("0") ? "1" : "0"}`,
      "?buyer",
      "tax-id-check-digit",
    );
    await wrong("seller=12345", "?seller", "tax-id-format");
    await wrong(`seller=${"DE1".repeat(20)}`, "?seller", "too-big");
    await wrong("sourceId=", "?sourceId", "empty-text");
    await wrong(`sourceId=${"x".repeat(201)}`, "?sourceId", "too-big");
    await wrong(`sourceId=a&sourceId=b`, "?sourceId", "type");
  });

  it("by a file of its own: the original as it was sent, or its document", async () => {
    const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
    const { document } = await must(call("GET", `/v1/invoices/${shop1}`, undefined, shop));
    const hash = sha256(canonicalJson(document));
    for (const query of [hash, hash.toUpperCase(), `${hash}&sourceId=pos-1`])
      expect(await numbersFor(shop, `documentHash=${query}`), query).deep.equals([shop1]);
    expect(await numbersFor(firm, `as=employer&documentHash=${hash}`)).deep.equals([shop1]);
    expect(await numbersFor(ann, `documentHash=${hash}`)).deep.equals([shop1]);
    expect(await numbersFor(bureau, `documentHash=${hash}&status=issued`)).deep.equals([shop1]);
    // by the grant that it got above
    expect(await numbersFor(stranger, `as=grantee&documentHash=${hash}`)).deep.equals([shop1]);
    const foreign: [by: { token: string }, query: string][] = [
      [rival, ""],
      [stranger, ""],
      [stranger, "&as=employer"],
      [bob, ""],
      [shop, "&sourceId=POS-3"],
      [shop, "&status=claimed"],
    ];
    for (const [by, query] of foreign)
      expect(await numbersFor(by, `documentHash=${hash}${query}`), query).deep.equals([]);
    expect(await numbersFor(shop, `documentHash=${sha256("another")}`)).deep.equals([]);
    const text = writeInvoice("application/vnd.onepiao.ubl+xml", document, {
      number: shop1,
    }).replaceAll("POS-1", "POS-XML-1");
    const xml = await must(
      call("POST", "/v1/invoices", text, { token: shop.token, type: "application/xml" }),
    );
    expect(await numbersFor(shop, `documentHash=${sha256(text)}`)).deep.equals([xml.number]);
    refused(await ask(shop, "documentHash=abc"), "invalid-request", {
      field: "?documentHash",
      rule: "format",
    });
  });
});
