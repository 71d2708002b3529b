/**
 * 数电票 as tax software writes them: any region, times, decimals, kinds, lines without tax or with
 * tax on a margin, tolls, discounts. Read, and written again as the same document; what is wrong is
 * refused with the element and a rule in the format's words.
 */

import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { readInvoice } from "@onepiao/protocol/formats/read.ts";
import { writeInvoice } from "@onepiao/protocol/formats/write.ts";
import { chineseFigures, formatMoney, parseMoney } from "@onepiao/protocol/values/money.ts";
import { expect } from "chai";
import fc from "fast-check";
import { documents, number } from "./documents.ts";
import { load, refusalOf, samplesRoot } from "./samples.ts";

const type = "application/vnd.onepiao.shudian+xml";
const lunch = load(samplesRoot, "shudian/01-restaurant-ordinary.xml").text;
const discount = load(samplesRoot, "shudian/04-office-discount.xml").text;
const put = (that: string | RegExp, by: string, text = lunch) => {
  expect(typeof that === "string" ? text.includes(that) : that.test(text)).equals(true);
  return text.replace(that, () => by);
};
const element = (name: string, by: string | undefined, text = lunch) =>
  put(
    new RegExp(`<${name}>[^<]*</${name}>`),
    by === undefined ? "" : `<${name}>${by}</${name}>`,
    text,
  );
const content = ({ source: _, ...document }: InvoiceDocument) => document;
const reverses = "26440000000000000041";
const write = (document: InvoiceDocument) =>
  writeInvoice(type, document, { number, ...(document.reverses && { reverses }) });
/** The document; what is written of it says the same. */
function read(xml: string): InvoiceDocument {
  const document = content(readInvoice(type, Buffer.from(xml)).document);
  expect(content(readInvoice(type, Buffer.from(write(document))).document)).deep.equals(document);
  return document;
}
const refused = (xml: string) => {
  const [first] = refusalOf(() => read(xml)).violations;
  return `${first?.rule} ${first?.field.replace("/EInvoice/", "")}`;
};
const basic = "EInvoiceData/BasicInformation";
const line = "EInvoiceData/IssuItemInformation[1]";
/** One line with these figures, and totals of these. */
const figures = (
  [amount, tax, gross]: [string, string, string],
  texts: Record<string, string | undefined>,
) => {
  let xml = lunch;
  for (const [name, text] of Object.entries({
    Quantity: "",
    UnPrice: "",
    Amount: amount,
    ComTaxAm: tax,
    TotaltaxIncludedAmount: gross,
    TotalAmWithoutTax: amount,
    TotalTaxAm: tax,
    "TotalTax-includedAmount": gross,
    "TotalTax-includedAmountInChinese": chineseFigures(parseMoney(gross)),
    ...texts,
  }))
    xml = element(name, text, xml);
  return xml;
};

describe("a 数电票 from tax software", () => {
  it("has the tag of its region, and is written with that of its seller", () => {
    for (const region of ["1100", "3200", "4400", "4403", "6501"])
      expect(read(element("EInvoiceTag", `SWEI${region}`)).kind).equals("ordinary");
    for (const tag of ["SWEI", "SWEI44", "SWEI44000", "swei4400", "GWEI4400"])
      expect(refused(element("EInvoiceTag", tag)), tag).equals("unknown-tag Header/EInvoiceTag");
    const tagOf = (taxId: string, code?: string) =>
      /<EInvoiceTag>(\w+)</.exec(
        write({
          ...read(lunch),
          seller: { taxId, name: "卖方" },
          ...(code === undefined ? { taxBureau: undefined } : { taxBureau: { code } }),
        }),
      )?.[1];
    expect(tagOf("91530100MA7FXLD01R")).equals("SWEI5300");
    expect(tagOf("91330106MAYUYU122U", "13200000000")).equals("SWEI3300");
    // the offices of five cities are their own
    expect(tagOf("91440305MA4JURQ28R")).equals("SWEI4403");
    expect(tagOf("440100123456789")).equals("SWEI4400");
    expect(tagOf("DE123456789", "13100000000")).equals("SWEI3100");
    expect(tagOf("DE123456789")).equals("SWEI0000");
  });

  it("has a time in any usual form, in Beijing unless it has an offset", () => {
    const at = (text: string) => read(element("RequestTime", text)).issuedAt;
    for (const text of [
      "2026-11-03 12:31:07",
      "2026-11-03T12:31:07",
      "2026/11/03 12:31:07",
      "2026-11-3 12:31:07",
      "2026年11月03日 12:31:07",
      "2026-11-03 12:31:07.123",
      "20261103123107",
      "2026-11-03T12:31:07+08:00",
      "2026-11-03T12:31:07+0800",
    ])
      expect(at(text), text).equals("2026-11-03T12:31:07+08:00");
    expect(at("2026-11-03 12:31")).equals("2026-11-03T12:31:00+08:00");
    for (const text of ["2026-11-03", "20261103", "2026/11/03", "2026年11月3日"])
      expect(at(text), text).equals("2026-11-03T00:00:00+08:00");
    for (const text of [
      "2026-02-30",
      "2026-11-03 25:00:00",
      "03.11.2026",
      "2026-11-03 12",
      "yesterday",
    ])
      expect(refused(element("RequestTime", text)), text).equals(
        `time-format ${basic}/RequestTime`,
      );
    const [wrong] = refusalOf(() => read(element("RequestTime", "yesterday"))).violations;
    expect(wrong?.detail).includes("2026-11-03 12:31:07").and.not.includes("RFC");
    // with another offset it is the same moment
    const utc = content(
      readInvoice(type, Buffer.from(element("RequestTime", "2026-11-03T04:31:07Z"))).document,
    );
    expect(write(utc)).includes("<RequestTime>2026-11-03 12:31:07</RequestTime>");
  });

  it("has the time of its issue, where the request has none or only the day", () => {
    const both = (request: string | undefined, issue: string) =>
      read(element("RequestTime", request, element("IssueTime", issue)));
    const issued = { issuedAt: "2026-11-03T16:05:42+08:00" };
    expect(both(undefined, "2026-11-03 16:05:42")).includes(issued);
    expect(both("", "2026-11-03 16:05:42")).includes(issued);
    expect(both("2026-11-03", "2026-11-03 16:05:42")).includes(issued);
    expect(both("2026-11-03 12:31:07", "2026-11-03").taxBureau).not.has.property("issuedAt");
    // the time of the bureau is kept beside another one of the request
    const late = both("2026-11-03 12:31:07", "2026-11-03 16:05:42");
    expect(late.issuedAt).equals("2026-11-03T12:31:07+08:00");
    expect(late.taxBureau).includes(issued);
    expect(write(late)).includes("<IssueTime>2026-11-03 16:05:42</IssueTime>");
    expect(both("2026-11-03 12:31:07", "2026-11-04").taxBureau?.issuedAt).equals(
      "2026-11-04T00:00:00+08:00",
    );
    const neither = element("RequestTime", undefined, element("IssueTime", ""));
    expect(refused(neither)).equals(`missing-element ${basic}/RequestTime`);
    expect(refused(element("IssueTime", "2026-02-30"))).equals(
      "date-format TaxSupervisionInfo/IssueTime",
    );
  });

  it("has amounts with more decimals, as long as they are zeros", () => {
    const document = read(
      figures(["188.68", "11.32", "200.00"], {
        Amount: "188.680000",
        ComTaxAm: "11.320000",
        TotaltaxIncludedAmount: "200.000000",
        TotalTaxAm: "11.3200",
        TaxRate: "0.060000",
      }),
    );
    expect(document.lines[0]).includes({ amount: "188.68", tax: "11.32", taxRate: "0.06" });
    const fraction = figures(["188.68", "11.32", "200.00"], { TotalTaxAm: "11.321" });
    expect(refused(fraction)).equals(`money-format ${basic}/TotalTaxAm`);
    const [wrong] = refusalOf(() => read(fraction)).violations;
    expect(wrong?.detail).includes("two decimals");
  });

  it("has lines in fractions of a cent, which make the totals to the cent", () => {
    const item = (amount: string, tax: string) =>
      `<IssuItemInformation><ItemName>*商品*货</ItemName><Amount>${amount}</Amount><TaxRate>0.13</TaxRate><ComTaxAm>${tax}</ComTaxAm></IssuItemInformation>`;
    const invoice = (items: [string, string][], net: string, tax: string) => {
      const gross = formatMoney(parseMoney(net) + parseMoney(tax));
      return put(
        /<IssuItemInformation>[\s\S]*<\/IssuItemInformation>/,
        items.map((each) => item(...each)).join(""),
        figures([net, tax, gross], {}),
      );
    };
    const thirds = read(
      invoice(
        [
          ["0.34", "0.0442"],
          ["0.34", "0.0442"],
          ["0.34", "0.0442"],
          ["10.00", "1.30"],
        ],
        "11.02",
        "1.43",
      ),
    );
    expect(thirds.lines.map(({ tax }) => tax)).deep.equals(["0.05", "0.04", "0.04", "1.30"]);
    // what does not add up exactly is refused, and not mended
    expect(refused(invoice([["0.34", "0.0442"]], "0.34", "0.06"))).equals(
      `tax-sum ${basic}/TotalTaxAm`,
    );
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 10_000_000 }), { minLength: 1, maxLength: 30 }),
        (amounts) => {
          // exact to a millionth of a yuan: amount and 13 % of it
          const text = (units: number) => (units / 1e6).toFixed(6);
          const sum = amounts.reduce((all, each) => all + each, 0);
          const taxes = amounts.map((each) => Math.round(each * 0.13));
          const cents = (units: number) => formatMoney(BigInt(Math.round(units / 10_000)));
          const [net, tax] = [cents(sum), cents(taxes.reduce((all, each) => all + each, 0))];
          const { lines, totals } = read(
            invoice(
              amounts.map((each, at) => [text(each), text(taxes[at] ?? 0)]),
              net,
              tax,
            ),
          );
          const total = (member: "amount" | "tax") =>
            lines.reduce((all, each) => all + parseMoney(each[member] ?? "0.00"), 0n);
          expect([total("amount"), total("tax")]).deep.equals([
            parseMoney(totals.net),
            parseMoney(totals.tax),
          ]);
          for (const [at, each] of lines.entries())
            expect(Math.abs(Number(each.amount) - (amounts[at] ?? 0) / 1e6)).below(0.0100001);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("says its kind by code or by name", () => {
    const label = (code: string | undefined, name: string | undefined) =>
      put(
        /<GeneralOrSpecialVAT>.*<\/GeneralOrSpecialVAT>/,
        `<GeneralOrSpecialVAT>${code === undefined ? "" : `<LabelCode>${code}</LabelCode>`}${name === undefined ? "" : `<LabelName>${name}</LabelName>`}</GeneralOrSpecialVAT>`,
      );
    for (const [code, name, kind] of [
      ["01", undefined, "special"],
      ["1", "增值税专用发票", "special"],
      [undefined, "增值税专用发票", "special"],
      ["", "电子发票（增值税专用发票）", "special"],
      ["02", "普通发票", "ordinary"],
      [undefined, "普通发票", "ordinary"],
      ["02", "是否专普票", "ordinary"],
    ] as const)
      expect(read(label(code, name)).kind, `${code} ${name}`).equals(kind);
    const place = "Header/InherentLabel/GeneralOrSpecialVAT";
    expect(refused(label("01", "普通发票"))).equals(`label-code-and-name ${place}/LabelName`);
    expect(refused(label("03", "机动车"))).equals(`unknown-value ${place}/LabelCode`);
    expect(refused(label(undefined, "收据"))).equals(`unknown-value ${place}/LabelName`);
    expect(refused(label(undefined, undefined))).equals(`missing-element ${place}/LabelCode`);
    const missing = put(/<GeneralOrSpecialVAT>.*<\/GeneralOrSpecialVAT>/, "");
    expect(refused(missing)).equals(`missing-element ${place}/LabelCode`);
    const [wrong] = refusalOf(() => read(label("03", "机动车"))).violations;
    expect(wrong?.detail).includes("增值税专用发票");
  });

  for (const rate of ["免税", "不征税", "0%", "0.00"])
    it(`is without tax at ${rate}, whatever stands in place of the tax`, () => {
      for (const tax of ["***", "*", "", "--", "0.00", "0", "0.000000", undefined])
        for (const total of ["***", "", "0.00", undefined]) {
          const document = read(
            figures(["300.00", "0.00", "300.00"], {
              TaxRate: rate,
              ComTaxAm: tax,
              TotalTaxAm: total,
              TotaltaxIncludedAmount: "***",
            }),
          );
          expect(document.lines[0]?.tax, `${tax} ${total}`).equals("0.00");
          expect(document.totals.tax).equals("0.00");
        }
      const taxed = figures(["300.00", "1.00", "301.00"], { TaxRate: rate });
      expect(refused(taxed)).match(/^(?:exempt-with-tax|line-tax) .*ComTaxAm$/);
    });

  it("is refused with stars for a tax that is due", () => {
    expect(refused(element("ComTaxAm", "***"))).equals(`money-format ${line}/ComTaxAm`);
    expect(refused(element("TotalTaxAm", ""))).equals(`missing-element ${basic}/TotalTaxAm`);
  });

  it("is taxed on a margin, with stars for the rate", () => {
    const margin = figures(["10400.00", "100.00", "10500.00"], { TaxRate: "***" });
    const document = read(margin);
    expect(document.lines[0]).includes({ taxRate: "差额征税", tax: "100.00" });
    expect(write(document)).includes("<TaxRate>***</TaxRate>");
    expect(read(element("TaxRate", "差额征税", margin))).deep.equals(document);
    for (const [amount, tax, gross] of [
      ["100.00", "100.01", "200.01"],
      ["100.00", "-1.00", "99.00"],
    ] as const)
      expect(refused(figures([amount, tax, gross], { TaxRate: "***" }))).equals(
        `margin-tax ${line}/ComTaxAm`,
      );
    // UBL's tax follows from a rate
    expect(
      refusalOf(() => writeInvoice("application/vnd.onepiao.ubl+xml", document, { number }))
        .violations[0],
    ).includes({ field: "/lines/0/taxRate", rule: "margin-taxed" });
  });

  it("has a price or a quantity alone, as tolls have", () => {
    const toll = figures(["5.45", "0.16", "5.61"], { TaxRate: "0.03", UnPrice: "5.45" });
    expect(read(toll).lines[0]).includes({ unitPrice: "5.45" }).and.not.has.property("quantity");
    const count = figures(["5.45", "0.16", "5.61"], { TaxRate: "0.03", Quantity: "3" });
    expect(read(count).lines[0]).includes({ quantity: "3" }).and.not.has.property("unitPrice");
    for (const each of [read(toll), read(count)]) {
      const ubl = writeInvoice("application/vnd.onepiao.ubl+xml", each, { number });
      expect(readInvoice("application/xml", Buffer.from(ubl)).document.lines[0]?.amount).equals(
        "5.45",
      );
    }
    expect(
      refused(figures(["5.45", "0.16", "5.61"], { TaxRate: "0.03", UnPrice: "-5.45" })),
    ).equals(`negative-price ${line}/UnPrice`);
  });

  it("has discounts wherever they stand, of no more than the items at their rate", () => {
    const items = [
      ...discount.matchAll(/<IssuItemInformation>[\s\S]*?<\/IssuItemInformation>/g),
    ].map(([text]) => text);
    const ordered = (order: readonly number[]) =>
      put(
        /<IssuItemInformation>[\s\S]*<\/IssuItemInformation>/,
        order.map((at) => items[at]).join(""),
        discount,
      );
    for (const order of [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [2, 1, 0],
    ]) {
      const { lines } = read(ordered(order));
      expect(lines.map((each) => each.discount === true)).deep.equals(order.map((at) => at === 1));
    }
    const named = put(
      "<ItemName>*纸制品*复印纸</ItemName><SpecMod></SpecMod>",
      "<ItemName>*纸制品*折扣</ItemName>",
      ordered([0, 2, 1]),
    );
    expect(read(named).lines[2]).includes({ name: "*纸制品*折扣", discount: true });
    const other = ordered([0, 2, 1]).replace(
      /<TaxRate>0.13<\/TaxRate><ComTaxAm>-34.51/,
      "<TaxRate>0.06</TaxRate><ComTaxAm>-15.93",
    );
    expect(refused(other)).equals("discount-without-item EInvoiceData/IssuItemInformation[3]");
    const large = ordered([0, 2, 1]).replace("-265.49", "-9999.00").replace("-34.51", "-1299.87");
    expect(refused(large)).equals("discount-too-large EInvoiceData/IssuItemInformation[3]/Amount");
  });

  it("has tax ids of any Chinese kind, in any letters", () => {
    const seller = (id: string) => read(element("SellerIdNum", id)).seller.taxId;
    for (const id of ["999999900101001", "33010670431215X", "99999919900101001600"])
      expect(seller(id)).equals(id);
    expect(seller("91440305ma4jurq28r")).equals("91440305MA4JURQ28R");
    expect(seller("９１４４０３０５ＭＡ４ＪＵＲＱ２８Ｒ")).equals("91440305MA4JURQ28R");
    for (const id of ["99999990010100", "9999991990010100160", "?"])
      expect(refused(element("SellerIdNum", id)), id).equals(
        "tax-id-format EInvoiceData/SellerInformation/SellerIdNum",
      );
  });

  it("of any document that can be one comes back as it was", () => {
    fc.assert(
      fc.property(documents, (document) => {
        let xml: string;
        try {
          xml = write(document);
        } catch {
          return;
        }
        const back = read(xml);
        expect(back.lines.map(({ amount, tax }) => [amount, tax])).deep.equals(
          document.lines.map(({ amount, tax }) => [amount, tax]),
        );
        expect(back.elements).equals(undefined);
      }),
      { numRuns: 200 },
    );
  });
});
