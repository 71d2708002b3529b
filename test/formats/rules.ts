import { readInvoice, requireIssuable } from "@onepiao/protocol/formats/read.ts";
import { formatMoney, parseMoney } from "@onepiao/protocol/values/money.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { expect } from "chai";
import { load, samplesRoot } from "./samples.ts";

/** The rules (with their fields) that a body breaks; empty when it may be issued. */
function broken(mediaType: string, body: string | Uint8Array): string[] {
  try {
    requireIssuable(readInvoice(mediaType, typeof body === "string" ? Buffer.from(body) : body));
    return [];
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return error.violations.map(({ field, rule }) => `${rule} ${field}`);
  }
}

type Json = Record<string, unknown>;
const json = (name: string) =>
  JSON.parse(load(samplesRoot, `json/${name}.json`).text) as Json & { lines: Json[]; totals: Json };
const asJson = (value: unknown) => broken("application/json", JSON.stringify(value));
const xml = (name: string, ...changes: [string, string][]) => {
  let { text } = load(samplesRoot, name);
  for (const [from, to] of changes) {
    expect(text, `the sample has ${from}`).to.include(from);
    text = text.replace(from, to);
  }
  return broken("application/xml", text);
};

describe("the rules of an invoice", () => {
  it("let a line be one cent off in every format, not two; totals never", () => {
    const invoice = json("01-restaurant");
    const withPrice = (unitPrice: string) =>
      asJson({ ...invoice, lines: [{ ...invoice.lines[0], unitPrice }] });
    expect(withPrice("188.69")).to.deep.equal([]);
    expect(withPrice("188.70")).to.deep.equal(["line-amount /lines/0/amount"]);
    // a lunch of 25.00: no net and tax that agree with 6 % to the cent make this price
    const lunch = (tax: string, total = tax) => ({
      ...invoice,
      lines: [{ name: "a", amount: "23.58", taxRate: "0.06", tax }],
      totals: { net: "23.58", tax: total, gross: formatMoney(parseMoney(total) + 2358n) },
    });
    expect(asJson(lunch("1.42"))).to.deep.equal([]);
    expect(asJson(lunch("1.43"))).to.deep.equal(["line-tax /lines/0/tax"]);
    expect(asJson(lunch("1.42", "1.41"))).to.deep.equal(["tax-sum /totals/tax"]);
    const line = "/EInvoice/EInvoiceData/IssuItemInformation[1]";
    expect(
      xml("shudian/01-restaurant-ordinary.xml", ["<UnPrice>188.68", "<UnPrice>188.69"]),
    ).to.deep.equal([]);
    expect(
      xml("shudian/01-restaurant-ordinary.xml", ["<UnPrice>188.68", "<UnPrice>188.70"]),
    ).to.deep.equal([`line-amount ${line}/Amount`]);
    const cent: [string, string][] = [
      ["<ComTaxAm>11.32", "<ComTaxAm>11.33"],
      ["<TotalTaxAm>11.32", "<TotalTaxAm>11.33"],
      ["<TotalTax-includedAmount>200.00", "<TotalTax-includedAmount>200.01"],
      ["贰佰圆整", "贰佰圆零壹分"],
    ];
    expect(xml("shudian/01-restaurant-ordinary.xml", ...cent)).to.deep.equal([]);
  });
  it("name every broken rule at once", () => {
    const invoice = json("01-restaurant");
    invoice.lines[0] = { ...invoice.lines[0], tax: "11.00" };
    invoice.totals = { net: "188.69", tax: "11.32", gross: "200.00" };
    invoice.seller = { name: "无", taxId: "91440305MA4JURQ28T" };
    expect(asJson(invoice)).to.deep.equal([
      "tax-id-check-digit /seller/taxId",
      "line-tax /lines/0/tax",
      "net-sum /totals/net",
      "tax-sum /totals/tax",
      "gross-sum /totals/gross",
    ]);
  });
  it("let a discount line stand only after its item, smaller than it, against the invoice's sign", () => {
    const swapped = json("02-discount");
    swapped.lines = [swapped.lines[0], swapped.lines[2], swapped.lines[1]] as Json[];
    expect(asJson(swapped)).to.deep.equal(["discount-follows-item /lines/2"]);
    const large = json("02-discount");
    large.lines[1] = { ...large.lines[1], amount: "-2654.88", tax: "-345.13" };
    expect(asJson(large)).to.include("discount-too-large /lines/1/amount");
    const withQuantity = json("02-discount");
    withQuantity.lines[1] = { ...withQuantity.lines[1], quantity: "-2", unitPrice: "132.745" };
    expect(asJson(withQuantity)).to.deep.equal(["line-sign /lines/1/amount"]);
    const marked = json("01-restaurant");
    marked.lines[0] = { ...marked.lines[0], discount: true };
    expect(asJson(marked)).to.deep.equal(["discount-marker /lines/0/discount"]);
    const half = json("02-discount");
    half.lines[1] = { ...half.lines[1], unitPrice: "265.49" };
    expect(asJson(half)).to.include("quantity-with-price /lines/1/quantity");
  });
  it("want a red letter to be negative and to name one invoice", () => {
    expect(asJson({ ...json("01-restaurant"), reverses: { sourceId: "x" } })).to.deep.equal([
      "reverses-needs-negative /reverses",
    ]);
    expect(asJson({ ...json("03-red-letter-of-02"), reverses: {} })).to.deep.equal([
      "reverses-one /reverses",
    ]);
    expect(
      asJson({ ...json("03-red-letter-of-02"), reverses: { number: "26990000000000000001" } }),
    ).to.deep.equal([]);
    expect(asJson({ ...json("03-red-letter-of-02"), reverses: { number: "2699" } })).to.deep.equal([
      "number-not-20-digits /reverses/number",
    ]);
  });
  it("want tax in the lines or in a breakdown", () => {
    const untaxed = json("01-restaurant");
    delete untaxed.lines[0]?.tax;
    expect(asJson(untaxed)).to.include("missing-member /lines/0/tax");
    const both = json("05-breakdown-euro");
    both.lines[0] = { ...both.lines[0], tax: "190.00" };
    expect(asJson(both)).to.deep.equal(["tax-once /lines/0/tax"]);
    const { taxBreakdown: _, ...without } = json("05-breakdown-euro");
    expect(asJson(without)).to.include("allowances-need-breakdown /allowances");
  });
  it("want the breakdown to have every rate once, and its payable sum to be right", () => {
    const payable = json("05-breakdown-euro");
    payable.totals = { ...payable.totals, payable: "1000.01" };
    expect(asJson(payable)).to.deep.equal(["payable-sum /totals/payable"]);
    const other = json("05-breakdown-euro");
    other.taxBreakdown = [
      { taxRate: "0.07", taxable: "0.00", tax: "0.00" },
      { taxRate: "0.190", taxable: "900.00", tax: "171.00" },
      { taxRate: "0.19", taxable: "900.00", tax: "171.00" },
    ];
    expect(asJson(other)).to.include("breakdown-twice /taxBreakdown/2");
    const missing = json("05-breakdown-euro");
    missing.taxBreakdown = [{ taxRate: "0.07", taxable: "0.00", tax: "0.00" }];
    expect(asJson(missing)).to.include("breakdown-missing /taxBreakdown");
  });
  it("take only real dates and times with an offset", () => {
    for (const issuedAt of [
      "2026-02-29T12:00:00+08:00",
      "2026-11-03T12:31:07",
      "2026-11-03 12:31:07+08:00",
      "2026-11-03T25:00:00Z",
      "yesterday",
    ])
      expect(asJson({ ...json("01-restaurant"), issuedAt }), issuedAt).to.deep.equal([
        "time-format /issuedAt",
      ]);
    expect(asJson({ ...json("01-restaurant"), issuedAt: "2028-02-29T12:00:00.5Z" })).to.deep.equal(
      [],
    );
    expect(asJson({ ...json("01-restaurant"), dueDate: "2026-04-31" })).to.deep.equal([
      "date-format /dueDate",
    ]);
    expect(
      xml("shudian/01-restaurant-ordinary.xml", ["<IssueTime>2026-11-03", "<IssueTime>2026-11-31"]),
    ).to.deep.equal(["date-format /EInvoice/TaxSupervisionInfo/IssueTime"]);
  });
  it("want both numbers of a 数电票 to be one, and its flag to fit", () => {
    expect(
      xml("shudian/01-restaurant-ordinary.xml", [
        "<EIid>26442000000000700001",
        "<EIid>26442000000000700002",
      ]),
    ).to.deep.equal(["number-stands-twice /EInvoice/Header/EIid"]);
    expect(
      xml("shudian/09-red-letter-of-04.xml", ["<LabelCode>N<", "<LabelCode>Y<"]),
    ).to.deep.equal(["blue-or-red /EInvoice/Header/InherentLabel/InIssuType/LabelCode"]);
    expect(
      xml(
        "shudian/09-red-letter-of-04.xml",
        ["<OriginalInvoiceCode>26112000000000700004</OriginalInvoiceCode>", ""],
        ["被红冲蓝字数电发票号码：26112000000000700004", "退货"],
        ["<LabelCode>N<", "<LabelCode>Y<"],
      ),
    ).to.deep.equal([
      "negative-needs-reverses /EInvoice/EInvoiceData/BasicInformation/TotalTax-includedAmount",
    ]);
  });
  it("refuse an element that stands twice, since a reader could take either", () => {
    expect(
      xml("shudian/01-restaurant-ordinary.xml", [
        "<Drawer>",
        "<TotalTaxAm>1.00</TotalTaxAm><Drawer>",
      ]),
    ).to.deep.equal(["repeated-element /EInvoice/EInvoiceData/BasicInformation/TotalTaxAm"]);
  });
  it("want no tax at all in an exempt part of a breakdown", () => {
    const cent: [string, string][] = [
      ['<cbc:TaxAmount currencyID="EUR">0<', '<cbc:TaxAmount currencyID="EUR">0.01<'],
      [
        '</cbc:TaxableAmount><cbc:TaxAmount currencyID="EUR">0<',
        '</cbc:TaxableAmount><cbc:TaxAmount currencyID="EUR">0.01<',
      ],
      ["480</cbc:TaxInclusiveAmount>", "480.01</cbc:TaxInclusiveAmount>"],
      ["480</cbc:PayableAmount>", "480.01</cbc:PayableAmount>"],
    ];
    expect(xml("ubl/03-exempt.xml", ...cent)).to.deep.equal([
      "BR-CO-17 /Invoice/cac:TaxTotal/cac:TaxSubtotal[1]/cbc:TaxAmount",
    ]);
  });
  it("want a line's gross of a 数电票 to be its amount and tax, give or take a cent", () => {
    const changed = (gross: string) =>
      xml("shudian/01-restaurant-ordinary.xml", [
        "<TotaltaxIncludedAmount>200.00",
        `<TotaltaxIncludedAmount>${gross}`,
      ]);
    expect(changed("200.01")).to.deep.equal([]);
    expect(changed("200.02")).to.deep.equal([
      "line-gross /EInvoice/EInvoiceData/IssuItemInformation[1]/TotaltaxIncludedAmount",
    ]);
    expect(changed("two")).to.deep.equal([
      "money-format /EInvoice/EInvoiceData/IssuItemInformation[1]/TotaltaxIncludedAmount",
    ]);
  });
  it("name the line of a 数电票 that is wrong", () => {
    expect(
      xml("shudian/02-hotel-special.xml", [
        "<TaxRate>0.06</TaxRate><ComTaxAm>8.49",
        "<TaxRate>6,0</TaxRate><ComTaxAm>8.49",
      ]),
    ).to.deep.equal(["tax-rate-format /EInvoice/EInvoiceData/IssuItemInformation[2]/TaxRate"]);
  });
});

describe("a UBL credit note", () => {
  const negated = (code: string, reference: boolean): string => {
    let { text } = load(samplesRoot, "ubl/01-two-rates.xml");
    text = text.replace(
      /(<cbc:(?:LineExtensionAmount|TaxAmount|TaxableAmount|TaxExclusiveAmount|TaxInclusiveAmount|PayableAmount) currencyID="EUR">|<cbc:InvoicedQuantity unitCode="C62">)/g,
      "$1-",
    );
    text = text.replace("380<", `${code}<`);
    return reference
      ? text.replace(
          "  <cac:AccountingSupplierParty>",
          "<cac:BillingReference><cac:InvoiceDocumentReference><cbc:ID>NB-2026-0815</cbc:ID></cac:InvoiceDocumentReference></cac:BillingReference><cac:AccountingSupplierParty>",
        )
      : text;
  };
  it("is read as a red letter when it is negative and names its invoice", () => {
    for (const code of ["380", "381", "384"])
      expect(
        readInvoice("application/xml", Buffer.from(negated(code, true))).document.reverses,
        code,
      ).to.deep.equal({ sourceId: "NB-2026-0815" });
  });
  it("is refused otherwise", () => {
    expect(xml("ubl/01-two-rates.xml", ["380<", "381<"])).to.deep.equal([
      "negative-needs-reverses /Invoice/cac:LegalMonetaryTotal/cbc:TaxInclusiveAmount",
    ]);
    expect(broken("application/xml", negated("381", false))).to.deep.equal([
      "negative-needs-reverses /Invoice/cac:LegalMonetaryTotal/cbc:TaxInclusiveAmount",
    ]);
    expect(broken("application/xml", negated("380", false))).to.deep.equal([
      "negative-needs-reverses /Invoice/cac:LegalMonetaryTotal/cbc:TaxInclusiveAmount",
    ]);
    expect(xml("ubl/01-two-rates.xml", ["380<", "384<"])).to.deep.equal([
      "correction-in-invoice /Invoice/cbc:InvoiceTypeCode",
    ]);
    expect(xml("ubl/01-two-rates.xml", ["380<", "389<"])).to.deep.equal([
      "self-billing /Invoice/cbc:InvoiceTypeCode",
    ]);
    expect(xml("ubl/01-two-rates.xml", ["380<", "999<"])).to.deep.equal([
      "BR-CL-01 /Invoice/cbc:InvoiceTypeCode",
    ]);
  });
});

describe("a media type", () => {
  const { body } = load(samplesRoot, "shudian/01-restaurant-ordinary.xml");
  const code = (mediaType: string, bytes: Uint8Array = body) => {
    try {
      readInvoice(mediaType, bytes);
      return "read";
    } catch (error) {
      return error instanceof Problem ? error.code : error;
    }
  };
  it("that is not read here is refused before the body is looked at", () => {
    for (const mediaType of [
      "",
      "text/plain",
      "application/pdf",
      "application/xml; charset=big5",
      "application/json; charset=gbk",
      "multipart/form-data",
      "constructor",
    ])
      expect(code(mediaType), mediaType).to.equal("unsupported-media-type");
  });
  it("that promises a format holds the document to it", () => {
    expect(code("application/vnd.onepiao.shudian+xml")).to.equal("read");
    expect(code('Application/XML; Charset="UTF-8"')).to.equal("read");
    expect(code("application/vnd.onepiao.ubl+xml")).to.equal("invalid-document");
    expect(code("application/json")).to.equal("malformed-document");
  });
  it("does not make another namespace's Invoice a UBL one", () => {
    expect(broken("application/xml", "<Invoice/>")).to.deep.equal(["unknown-root /Invoice"]);
    expect(broken("application/xml", '<Invoice xmlns="urn:example:else"/>')).to.deep.equal([
      "unknown-root /Invoice",
    ]);
  });
});
