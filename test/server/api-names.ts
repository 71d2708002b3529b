/**
 * Names over HTTP: an invoice has the names that the bureau gave its seller and its titled buyer
 * for its day, and a changed name proves itself elsewhere.
 */
import { readFileSync } from "node:fs";
import { type Bundle, checkBundle } from "@onepiao/protocol/proofs/bundle.ts";
import { decodeProof, encodeProof, qrParts } from "@onepiao/protocol/proofs/qr-proof.ts";
import { chinaDay, chinaTime } from "@onepiao/protocol/values/dates.ts";
import { expect } from "chai";
import { Wallet } from "ethers";
import { createContracts } from "../../server/chain/contracts.ts";
import {
  call,
  callAt,
  invoiceOf,
  issued,
  type Loose,
  must,
  person,
  type Reply,
  sandbox,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { database, refused, until } from "./observe.ts";
import { sendLines } from "./support/lines.ts";
import { openSecondGateway, type SecondGateway } from "./support/second-gateway.ts";

const sample = (name: string) =>
  readFileSync(new URL(`../../samples/${name}`, import.meta.url), "utf8");
const DAY_MS = 86_400_000;
const dayAt = (days: number) => chinaDay(new Date(Date.now() + days * DAY_MS));
const timeAt = (days: number) => chinaTime(new Date(Date.now() + days * DAY_MS));
const types = {
  Name: [
    { name: "account", type: "address" },
    { name: "name", type: "string" },
    { name: "from", type: "string" },
  ],
};

describe("names", function () {
  this.timeout(120_000);
  let shop: TestParty;
  let firm: TestParty;
  let bureau: { token: string };
  const issue = (body: unknown, by: TestParty = shop, type?: string): Promise<Reply> =>
    call("POST", "/v1/invoices", body, { token: by.token, ...(type ? { type } : {}) });
  const rename = (
    taxId: string,
    name: string,
    from: string,
    by: { token: string } = bureau,
    more: object = {},
  ) => call("POST", `/v1/taxpayers/${taxId}/names`, { name, from, ...more }, { token: by.token });
  const bundleOf = (number: string, by: { token: string }): Promise<Bundle> =>
    must(call("GET", `/v1/invoices/${number}/bundle`, undefined, { token: by.token }));
  const verify = (bundle: unknown): Promise<Loose> =>
    must(call("POST", "/v1/verify", bundle, { token: "" }));
  const accepted = async (by: TestParty): Promise<number> =>
    Number(
      (
        await (await database())<
          { n: bigint }[]
        >`select count(*) as n from invoices where issuer = ${by.index}`
      )[0]?.n,
    );

  before(async () => {
    bureau = (await sandbox()).bureau;
    [shop, firm] = await Promise.all([
      taxpayer("名称（深圳）餐饮有限公司", ["issuer"]),
      taxpayer("抬头公司", ["employer"]),
    ]);
  });

  it("of the seller and of a titled buyer must be the enrolled ones; the refusal of another name contains both, in every format", async () => {
    const forged = "国家税务总局深圳市税务局";
    const seller = { ...shop, name: forged };
    const buyer = { ...firm, name: forged };
    const field = (side: string) => ({ field: `/${side}/name`, rule: `${side}-name` });
    const problem = refused(
      await issue(invoiceOf(seller, firm)),
      "name-not-enrolled",
      field("seller"),
    );
    expect(problem["detail"]).includes(forged).and.includes(shop.name);
    expect(
      refused(await issue(invoiceOf(shop, buyer)), "name-not-enrolled", field("buyer"))["detail"],
    )
      .includes(forged)
      .and.includes(firm.name);
    expect(refused(await issue(invoiceOf(seller, buyer)), "name-not-enrolled")["errors"]).lengthOf(
      2,
    );
    const { results } = await sendLines(
      `${(await sandbox()).url}/v1/invoices/batch`,
      [invoiceOf(seller, firm)],
      shop,
    );
    expect(results[0].problem.code).equals("name-not-enrolled");
    const xml = sample("shudian/06-scenic-person.xml").replace(
      /<SellerIdNum>[^<]*/,
      `<SellerIdNum>${shop.taxId}`,
    );
    refused(await issue(xml, shop, "application/xml"), "name-not-enrolled", {
      field: "/EInvoice/EInvoiceData/SellerInformation/SellerName",
      rule: "seller-name",
    });
    const ubl = sample("ubl/03-exempt.xml")
      .replaceAll("EUR", "CNY")
      .replace(/<cac:AccountingCustomerParty>[\s\S]*<\/cac:AccountingCustomerParty>/, (buying) =>
        buying
          .replace(/<cbc:CompanyID>[^<]*/, `<cbc:CompanyID>${firm.taxId}`)
          .replace(/<cbc:RegistrationName>[^<]*/, `<cbc:RegistrationName>${firm.name}`),
      );
    const [id = ""] = /(?<=<cbc:CompanyID>)[^<]*/.exec(ubl) ?? [];
    refused(
      await issue(ubl.replaceAll(id, shop.taxId), shop, "application/xml"),
      "name-not-enrolled",
      {
        field:
          "/Invoice/cac:AccountingSupplierParty/cac:Party/cac:PartyLegalEntity/cbc:RegistrationName",
        rule: "seller-name",
      },
    );
    expect(await accepted(shop)).equals(0);
  });

  it("are equal in full-width and in ASCII characters; the seller chooses the name of a buyer without a tax id", async () => {
    for (const name of ["名称(深圳)餐饮有限公司", "名称（深圳） 餐饮有限公司"])
      await must(issue(invoiceOf({ ...shop, name }, firm)));
    await must(issue(invoiceOf(shop, { name: firm.name.toLowerCase() })));
    await must(issue(invoiceOf(shop, { name: "个人" })));
  });

  it("change from a day on: the name of the invoice's day counts, for seller and buyer", async () => {
    const [seller, buyer] = await Promise.all([
      taxpayer("旧名店", ["issuer"]),
      taxpayer("旧名公司", ["employer"]),
    ]);
    const from = dayAt(-3);
    const made = await rename(seller.taxId, "新名店", from);
    expect([made.status, made.body.name, made.body.from]).deep.equals([201, "新名店", from]);
    await must(rename(buyer.taxId, "新名公司", from));
    const naming = (sellerName: string, buyerName: string, issuedAt: string) =>
      invoiceOf({ ...seller, name: sellerName }, { ...buyer, name: buyerName }, { issuedAt });
    await must(issue(naming("旧名店", "旧名公司", timeAt(-5)), seller));
    await must(issue(naming("新名店", "新名公司", timeAt(-1)), seller));
    refused(await issue(naming("旧名店", "新名公司", timeAt(-1)), seller), "name-not-enrolled", {
      field: "/seller/name",
      rule: "seller-name",
    });
    refused(await issue(naming("新名店", "旧名公司", timeAt(-1)), seller), "name-not-enrolled", {
      field: "/buyer/name",
      rule: "buyer-name",
    });
    refused(await issue(naming("新名店", "旧名公司", timeAt(-5)), seller), "name-not-enrolled", {
      field: "/seller/name",
      rule: "seller-name",
    });
    // all other places show today's name
    expect(
      (await must(call("GET", `/v1/taxpayers/${seller.taxId}`, undefined, { token: seller.token })))
        .name,
    ).equals("新名店");
    expect(
      (await must(call("GET", "/v1/session", undefined, { token: seller.token }))).name,
    ).equals("新名店");
    const { items } = await must(
      call("GET", `/v1/taxpayers/${seller.taxId}/names`, undefined, { token: seller.token }),
    );
    expect(items.map(({ name, from: since }: Loose) => [name, since])).deep.equals([
      ["旧名店", undefined],
      ["新名店", from],
    ]);
    const title = (on: string) =>
      call("GET", `/v1/titles/${buyer.taxId}${on}`, undefined, { token: seller.token });
    expect((await must(title(""))).name).equals("新名公司");
    expect((await must(title(`?on=${dayAt(-5)}`))).name).equals("旧名公司");
    refused(
      await call("GET", `/v1/titles/${buyer.taxId}`, undefined, { token: buyer.token }),
      "forbidden",
    );
  });

  it("of a red letter are its original's, also after a later change by the bureau", async () => {
    const seller = await taxpayer("红字旧名店", ["issuer"]);
    const number = await issued(seller, { name: "个人" }, { issuedAt: timeAt(-5) });
    const other = await issued(seller, { name: "个人" }, { issuedAt: timeAt(-5) });
    await must(rename(seller.taxId, "红字新名店", dayAt(-3)));
    const made = await must(
      call(
        "POST",
        `/v1/invoices/${number}/red-letters`,
        { reason: 2, whole: true },
        { token: seller.token },
      ),
    );
    const red = await must(
      call("GET", `/v1/invoices/${made.number}`, undefined, { token: seller.token }),
    );
    expect(red.document.seller.name).equals("红字旧名店");
    const bundle = await bundleOf(made.number, seller);
    expect((await verify(bundle)).contradictions).deep.equals([]);
    const { lines, totals, ...rest } = invoiceOf(
      { ...seller, name: "红字新名店" },
      { name: "个人" },
      { issuedAt: timeAt(0) },
    );
    const minus = (text: string) => `-${text}`;
    const document = {
      ...rest,
      lines: lines.map((line) => ({
        ...line,
        quantity: "-1",
        amount: minus(line.amount),
        tax: minus(line.tax),
      })),
      totals: { net: minus(totals.net), tax: minus(totals.tax), gross: minus(totals.gross) },
      reverses: { number: other },
    };
    refused(await issue(document, seller), "name-not-enrolled", {
      field: "/seller/name",
      rule: "seller-name",
    });
    await must(issue({ ...document, seller: { ...document.seller, name: "红字旧名店" } }, seller));
  });

  it("come only from the bureau: in order, from a possible day, and the bureau can correct the last one", async () => {
    const party = await taxpayer("改名权限店", ["issuer"]);
    const employee = await person(firm, "孙三");
    const unsigned = { field: "/signature", rule: "named-by-bureau" };
    refused(await rename(party.taxId, "自己改的", dayAt(0), party), "invalid-request", unsigned);
    refused(await rename(party.taxId, "别人改的", dayAt(0), firm), "not-found");
    refused(await rename(party.taxId, "持票人改的", dayAt(0), employee), "forbidden");
    refused(
      await call("GET", `/v1/taxpayers/${party.taxId}/names`, undefined, { token: firm.token }),
      "not-found",
    );
    const { deployment } = await sandbox();
    const { name: domainName, ...domain } = createContracts(deployment).domains.ledger;
    const signature = await Wallet.createRandom().signTypedData(
      { name: domainName, ...domain },
      types,
      {
        account: party.account,
        name: "签的",
        from: dayAt(0),
      },
    );
    for (const wrong of [signature, `0x${"11".repeat(64)}`])
      refused(
        await rename(party.taxId, "签的", dayAt(0), party, { signature: wrong }),
        "invalid-request",
        unsigned,
      );
    for (const from of ["1999-12-31", dayAt(400), "9999-12-31"])
      refused(await rename(party.taxId, "日期", from), "invalid-request", {
        field: "/from",
        rule: "day-of-name",
      });
    expect((await rename(party.taxId, "日期", "2026-02-30")).status).equals(422);
    await must(rename(party.taxId, "第一次改名", dayAt(-2)));
    await must(rename(party.taxId, "以后的名字", dayAt(30)));
    refused(await rename(party.taxId, "中间", dayAt(3)), "invalid-request", {
      field: "/from",
      rule: "after-last-name",
    });
    await must(rename(party.taxId, "以后的名字（更正）", dayAt(30)));
    const { items } = await must(call("GET", `/v1/taxpayers/${party.taxId}/names`));
    expect(items.map(({ name }: Loose) => name)).deep.equals([
      "改名权限店",
      "第一次改名",
      "以后的名字（更正）",
    ]);
    expect((await must(call("GET", `/v1/taxpayers/${party.taxId}`))).name).equals("第一次改名");
  });

  describe("changed names in a bundle", () => {
    let second: SecondGateway;
    let seller: TestParty;
    let buyer: TestParty & { elsewhere: string };
    let number: string;
    let bundle: Bundle;
    const party = (i: number) => bundle.parties[i] as Bundle["parties"][number];
    const withNamed = (named: object | undefined): Loose => ({
      ...bundle,
      parties: [
        { ...party(0), ...(named === undefined ? {} : { named: { ...party(0).named, ...named } }) },
        party(1),
      ].map((shown, i) => {
        if (i > 0 || named !== undefined) return shown;
        const { named: _, ...rest } = shown;
        return rest;
      }),
    });

    before(async () => {
      second = await openSecondGateway();
      seller = await taxpayer("票据包旧名店", ["issuer"]);
      buyer = await second.taxpayer("票据包旧名公司", ["employer"]);
      await must(rename(seller.taxId, "票据包新名店", dayAt(-3)));
      await must(rename(buyer.taxId, "票据包新名公司", dayAt(-3)));
      number = await issued(
        { ...seller, name: "票据包新名店" },
        { ...buyer, name: "票据包新名公司" },
        { issuedAt: timeAt(-1) },
      );
      bundle = await bundleOf(number, seller);
    });

    it("prove themselves by the bureau's signature; the names of the enrolment need none", async () => {
      expect(bundle.parties.map(({ name, named }) => [name, named?.name])).deep.equals([
        ["票据包旧名店", "票据包新名店"],
        ["票据包旧名公司", "票据包新名公司"],
      ]);
      const verdict = await verify(bundle);
      expect([verdict.result, verdict.contradictions]).deep.equals(["valid", []]);
      const before = await issued(seller, { name: "个人" }, { issuedAt: timeAt(-5) });
      const old = await bundleOf(before, seller);
      expect(old.parties.map(({ named }) => named)).deep.equals([undefined]);
      expect((await verify(old)).result).equals("valid");
    });

    it("without the signature, altered, before their day, or signed by a stranger they are contradictions", async () => {
      const rules = async (value: unknown) => {
        const { result, contradictions, steps } = await verify(value);
        return [
          result,
          contradictions.map(({ rule }: Loose) => rule),
          steps.find(({ outcome }: Loose) => outcome === "failed")?.step,
        ];
      };
      expect(await rules(withNamed(undefined))).deep.equals([
        "contradictory",
        ["seller-name"],
        "parties",
      ]);
      expect(await rules(withNamed({ from: dayAt(0) }))).deep.equals([
        "contradictory",
        ["seller-name"],
        "parties",
      ]);
      expect(await rules(withNamed({ name: "别的名字" }))).deep.equals([
        "contradictory",
        ["seller-name"],
        "parties",
      ]);
      expect(await rules(withNamed({ from: dayAt(-4) }))).deep.equals([
        "not-the-issuers",
        [],
        "identity",
      ]);
      expect(
        await rules(
          withNamed({ signature: { r: `0x${"00".repeat(32)}`, vs: `0x${"00".repeat(32)}` } }),
        ),
      ).deep.equals(["not-the-issuers", [], "identity"]);
      refused(
        await callAt(second.url, "POST", "/v1/invoices/import", withNamed({ from: dayAt(-4) }), {
          token: buyer.token,
        }),
        "bundle-invalid",
        {
          field: "/parties/0/named",
          rule: "named-by-bureau",
        },
      );
    });

    it("come with the bundle to another gateway, which can pass them on; and fit into a QR code", async () => {
      await until(
        "the second gateway knows the lot",
        async () =>
          (
            await second.sql`select 1 from lots where first <= ${number} and first + count > ${number}::numeric`
          ).length > 0,
      );
      await must(callAt(second.url, "POST", "/v1/invoices/import", bundle, { token: buyer.token }));
      const again: Bundle = await must(
        callAt(second.url, "GET", `/v1/invoices/${number}/bundle`, undefined, {
          token: buyer.token,
        }),
      );
      expect(again.parties).deep.equals(bundle.parties);
      const { parts } = bundle;
      const shown = Object.fromEntries(
        Object.entries(parts).filter(([name]) => (qrParts as readonly string[]).includes(name)),
      );
      const small = { ...bundle, parts: shown, parties: bundle.parties.slice(0, 1) } as Bundle;
      const proof = decodeProof(encodeProof(small));
      expect(proof?.parties).deep.equals(small.parties);
      expect(checkBundle(proof).ok).equals(true);
    });

    it("are not a finding of the bureau's auditor", async () => {
      const sql = await database();
      const judged = () =>
        sql`select 1 from audit_lots a join invoice_states s on s.lot = a.first where s.number = ${number} and a.state = 'summed'`;
      await until("its lot is judged", async () => (await judged()).length > 0);
      expect((await sql`select kind from audit_findings where subject = ${number}`).length).equals(
        0,
      );
    });
  });
});
