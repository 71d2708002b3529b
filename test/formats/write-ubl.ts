/**
 * Invoices written as UBL: the reader returns the written document, under the rules of EN 16931
 * that it checks.
 */

import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { parseInvoice, readInvoice } from "@onepiao/protocol/formats/read.ts";
import { writeInvoice } from "@onepiao/protocol/formats/write.ts";
import type { Element } from "@onepiao/protocol/formats/xml.ts";
import {
  formatMoney,
  fractionToPercent,
  parseMoney,
  percentToFraction,
} from "@onepiao/protocol/values/money.ts";
import { expect } from "chai";
import fc from "fast-check";
import { good, load, refusalOf, samplesRoot } from "./samples.ts";

const type = "application/vnd.onepiao.ubl+xml";
const number = "26440000000000000042";
const write = (document: InvoiceDocument) =>
  writeInvoice(type, document, { number, reverses: document.reverses && "26440000000000000041" });
const read = (xml: string): InvoiceDocument => {
  const { source, ...document } = readInvoice(type, Buffer.from(xml)).document;
  expect(source?.format).to.equal("ubl");
  return document;
};
const sampleOf = (name: string) =>
  readInvoice(
    name.endsWith(".json") ? "application/json" : "application/xml",
    load(samplesRoot, name).body,
  ).document;
const sum = (amounts: readonly (string | undefined)[]) =>
  formatMoney(amounts.reduce((total, amount) => total + parseMoney(amount ?? "0.00"), 0n));
const refusal = (document: InvoiceDocument) => refusalOf(() => write(document));
const taxed = (lines: InvoiceDocument["lines"]): InvoiceDocument => {
  const [net, tax] = [sum(lines.map(({ amount }) => amount)), sum(lines.map((line) => line.tax))];
  return {
    ...sampleOf("json/01-restaurant.json"),
    lines,
    totals: { net, tax, gross: sum([net, tax]) },
  };
};

/** The facts of a line-taxed document that its UBL must keep. */
function checkLineTaxed(document: InvoiceDocument): void {
  const xml = write(document);
  const back = read(xml);
  const { net, tax, gross } = document.totals;
  expect(back.totals).to.deep.equal({ lines: net, net, tax, gross, payable: gross });
  expect(
    back.lines.map(({ name, amount, taxRate, taxCode }) => ({
      name,
      amount,
      rate: taxRate,
      taxCode,
    })),
  ).to.deep.equal(
    document.lines.map(({ name, amount, taxRate, taxCode }) => ({
      name,
      amount,
      rate: taxRate,
      taxCode,
    })),
  );
  for (const [index, line] of document.lines.entries()) {
    const implied =
      line.quantity === undefined
        ? { quantity: line.amount.startsWith("-") ? -1 : 1, price: Math.abs(Number(line.amount)) }
        : undefined;
    expect([
      Number(back.lines[index]?.quantity),
      Number(back.lines[index]?.unitPrice),
    ]).to.deep.equal([
      implied?.quantity ?? Number(line.quantity),
      implied?.price ?? Number(line.unitPrice),
    ]);
  }
  const byRate = Map.groupBy(document.lines, ({ taxRate }) => taxRate);
  expect(
    (back.taxBreakdown ?? []).map(({ taxRate, taxable, tax }) => [taxRate, taxable, tax]),
  ).to.deep.equal(
    [...byRate].map(([rate, lines]) => [
      rate,
      sum(lines.map(({ amount }) => amount)),
      sum(lines.map((line) => line.tax)),
    ]),
  );
  for (const side of ["seller", "buyer"] as const) {
    expect([back[side].name, back[side].taxId, back[side].address]).to.deep.equal([
      document[side].name,
      document[side].taxId,
      document[side].address,
    ]);
    expect(back[side].country).to.match(/^[A-Z]{2}$/);
  }
  expect([Date.parse(back.issuedAt), back.currency, back.remark]).to.deep.equal([
    Date.parse(document.issuedAt),
    document.currency,
    document.remark,
  ]);
  expect(back.sourceId).to.equal(document.sourceId ?? number);
  expect(back.reverses).to.deep.equal(
    document.reverses && { sourceId: document.reverses.sourceId ?? document.reverses.number },
  );
  expect(xml).to.include(
    `<cbc:InvoiceTypeCode>${document.reverses ? 384 : 380}</cbc:InvoiceTypeCode>`,
  );
  expect(xml).to.include(`<cbc:ID schemeID="ZZZ">${number}</cbc:ID>`);
  expect(back.attachments, "the number is not an attachment").to.equal(undefined);
}

/** Which siblings stand before which, in each parent. */
const orderOf = (element: Element): string[] => [
  ...element.children.flatMap((before, at) =>
    element.children
      .slice(at + 1)
      .flatMap((after) =>
        before.name === after.name ? [] : [`${element.name}: ${before.name} < ${after.name}`],
      ),
  ),
  ...element.children.flatMap(orderOf),
];

describe("a UBL invoice that the gateway writes", () => {
  for (const { name, body } of good("ubl")) {
    it(`says what the original said: ${name}`, () => {
      const { source, ...document } = readInvoice("application/xml", body).document;
      const back = read(write(document));
      // An attachment's bytes stay in the original; totals that follow from others are always
      // there.
      const attachments = document.attachments?.map(({ id, description }) => ({
        id,
        ...(description ? { description } : {}),
      }));
      const totals = { ...back.totals, ...document.totals };
      expect(back).to.deep.equal({ ...document, totals, ...(attachments ? { attachments } : {}) });
    });
  }
  for (const { name, body } of [...good("shudian"), ...good("json")].filter(
    (sample) => !sample.name.includes("breakdown"),
  )) {
    it(`says what a document says that is taxed line by line: ${name}`, () => {
      checkLineTaxed(
        readInvoice(name.endsWith(".json") ? "application/json" : "application/xml", body).document,
      );
    });
  }
  it("has its elements in the order in which the originals have theirs", () => {
    const originals = new Set(good("ubl").flatMap(({ text }) => orderOf(parseInvoice(text).root)));
    const written = new Set(
      [...good("ubl"), ...good("json")].flatMap(({ name, body }) => {
        const { document } = readInvoice(
          name.endsWith(".json") ? "application/json" : "application/xml",
          body,
        );
        return orderOf(parseInvoice(write(document)).root);
      }),
    );
    expect([...written].filter((pair) => originals.has(pair))).to.have.length.greaterThan(100);
    const turned = [...written].filter(
      (pair) =>
        originals.has(pair.replace(/: (\w+) < (\w+)$/, ": $2 < $1")) && !originals.has(pair),
    );
    expect(turned).to.deep.equal([]);
  });
  it("says what JSON with a breakdown says, with the categories and totals that it leaves open", () => {
    const document = sampleOf("json/05-breakdown-euro.json");
    const back = read(write(document));
    expect(back.totals).to.deep.equal({
      ...document.totals,
      lines: "1000.00",
      allowances: "100.00",
    });
    expect(back.taxBreakdown).to.deep.equal(
      (document.taxBreakdown ?? []).map((part) => ({ ...part, taxCategory: "S" })),
    );
    expect(back.allowances).to.deep.equal(
      (document.allowances ?? []).map((part) => ({ ...part, taxCategory: "S" })),
    );
    expect([back.buyer.taxId, back.seller.taxId, back.dueDate]).to.deep.equal([
      document.buyer.taxId,
      document.seller.taxId,
      document.dueDate,
    ]);
  });

  it("has a part of the tax for each category, and a reason where none is due", () => {
    const document = taxed([
      { name: "*餐饮*餐费", amount: "100.00", taxRate: "0.06", tax: "6.00" },
      { name: "*蔬菜*青菜", amount: "50.00", taxRate: "免税", tax: "0.00" },
      { name: "*出口*瓷器", amount: "30.00", taxRate: "0", tax: "0.00" },
    ]);
    expect(read(write(document)).taxBreakdown).to.deep.equal([
      { taxRate: "0.06", taxCategory: "S", taxable: "100.00", tax: "6.00" },
      { taxRate: "免税", taxCategory: "E", taxable: "50.00", tax: "0.00", exemptionReason: "免税" },
      { taxRate: "0", taxCategory: "Z", taxable: "30.00", tax: "0.00" },
    ]);
  });

  it("outside of tax has neither a rate nor an id in the tax scheme (BR-O-02, BR-O-05)", () => {
    const document = taxed([
      { name: "*预付卡*充值", amount: "500.00", taxRate: "不征税", tax: "0.00" },
    ]);
    const xml = write(document);
    expect(xml)
      .to.not.include("cbc:Percent")
      .and.not.match(
        /<cac:PartyTaxScheme>\s*<cbc:CompanyID>[^<]*<\/cbc:CompanyID>\s*<cac:TaxScheme>\s*<cbc:ID>VAT/,
      );
    const back = read(xml);
    expect(back.taxBreakdown).to.deep.equal([
      {
        taxRate: "不征税",
        taxCategory: "O",
        taxable: "500.00",
        tax: "0.00",
        exemptionReason: "不征税",
      },
    ]);
    expect([back.seller.taxId, back.buyer.identifiers]).to.deep.equal([
      document.seller.taxId,
      document.buyer.taxId && [{ id: document.buyer.taxId, registration: "legal" }],
    ]);
  });

  it("is refused where tax by line and tax by rate are a unit apart (BR-CO-17), and where 不征税 stands beside other tax (BR-O-11)", () => {
    const small = Array.from({ length: 300 }, () => ({
      name: "*文具*橡皮",
      amount: "0.10",
      taxRate: "0.06",
      tax: "0.01",
    }));
    const mixed = [
      { name: "*预付卡*充值", amount: "500.00", taxRate: "不征税", tax: "0.00" },
      { name: "*餐饮*餐费", amount: "100.00", taxRate: "0.06", tax: "6.00" },
    ];
    for (const [lines, rule] of [
      [small, "BR-CO-17"],
      [mixed, "BR-O-11"],
    ] as const) {
      const problem = refusal(taxed([...lines]));
      expect([problem.code, problem.violations.map((each) => each.rule)]).to.deep.equal([
        "not-acceptable",
        [rule],
      ]);
      expect(problem.extra["available"]).to.deep.equal([
        "application/json",
        "application/vnd.onepiao.shudian+xml",
        "application/pdf",
      ]);
    }
  });

  it("has the tax as its lines have it, though rounded line by line it is not taxable × rate: a cent a line, and no more is read", () => {
    const ten = Array.from({ length: 10 }, () => ({
      name: "*文具*橡皮",
      amount: "0.10",
      taxRate: "0.06",
      tax: "0.01",
    }));
    checkLineTaxed(taxed(ten));
    const xml = write(taxed(ten));
    expect(xml).to.match(/<cbc:TaxAmount currencyID="CNY">0\.10</);
    // 1.00 × 0.06 is 0.06: ten lines explain up to 0.16
    const other = (tax: string) =>
      xml
        .replaceAll(">0.10</cbc:TaxAmount>", `>${tax}</cbc:TaxAmount>`)
        .replaceAll(">1.10<", `>1.${tax.slice(2)}<`);
    expect(read(other("0.16")).totals.tax).to.equal("0.16");
    expect(refusalOf(() => read(other("0.17"))).violations.map(({ rule }) => rule)).to.deep.equal([
      "BR-CO-17",
    ]);
  });

  it("keeps the order of a seller's identifiers, wherever the bank's stands among them", () => {
    const document = sampleOf("json/05-breakdown-euro.json");
    type Identifier = { id: string; scheme?: string; registration?: "legal" };
    const [own, other, bank]: [Identifier, Identifier, Identifier] = [
      { id: "HRB 4711" },
      { id: "4012345000009", scheme: "0088" },
      { id: "DE98ZZZ09999999999", scheme: "SEPA" },
    ];
    const legal = (each: Identifier) => ({ ...each, registration: "legal" as const });
    const cases: [written: Identifier[], read: Identifier[]][] = [
      [[bank], [bank]],
      [
        [own, bank],
        [own, bank],
      ],
      [
        [bank, own],
        [bank, legal(own)],
      ],
      [
        [own, other],
        [own, legal(other)],
      ],
      [
        [own, other, bank],
        [own, other, bank],
      ],
      [
        [own, bank, other],
        [own, bank, legal(other)],
      ],
      [
        [bank, own, other],
        [bank, own, legal(other)],
      ],
    ];
    for (const [identifiers, expected] of cases)
      expect(
        read(write({ ...document, seller: { ...document.seller, identifiers } })).seller
          .identifiers,
      ).to.deep.equal(expected);
  });

  it("has words where a code is in no list, and no scheme outside ISO 6523", () => {
    const base = sampleOf("json/05-breakdown-euro.json");
    const [line] = base.lines;
    if (line === undefined) throw new Error("the sample has a line");
    const allowances = (base.allowances ?? []).map((each) => ({ ...each, reasonCode: "大促" }));
    const seller = {
      ...base.seller,
      identifiers: [
        { id: "HRB 1", scheme: "HRB" },
        { id: "4012345000009", scheme: "0088" },
      ],
      endpoint: { id: "a@b.example" },
    };
    const xml = write({ ...base, seller, allowances, lines: [{ ...line, unit: "PCS" }] });
    expect(xml)
      .to.include('unitCode="C62"')
      .and.include("<cbc:Value>PCS</cbc:Value>")
      .and.include("<cbc:ID>HRB 1</cbc:ID>")
      .and.include('schemeID="0088"');
    expect(xml).to.not.include("大促").and.not.include("EndpointID").and.not.include('"HRB"');
    expect(
      refusal({ ...base, buyer: { ...base.buyer, country: "ZZ" } }).violations.map(
        ({ field, rule }) => [field, rule],
      ),
    ).to.deep.equal([["/buyer/country", "BR-CL-14"]]);
    expect(
      refusal({ ...base, seller: { ...base.seller, taxId: "ZZ1234567" } }).violations.map(
        ({ rule }) => rule,
      ),
    ).to.deep.equal(["BR-CO-09"]);
  });

  it("carries any text, in elements and in attributes, and no text becomes markup", () => {
    const base = sampleOf("ubl/02-allowances.xml");
    const [line] = base.lines;
    if (line === undefined) throw new Error("the sample has a line");
    const text = fc
      .string({
        unit: fc.constantFrom(
          "&",
          "<",
          ">",
          '"',
          "'",
          "]]>",
          "&amp;",
          "&#0;",
          "<!--",
          "\r",
          "\n",
          "\t",
          " ",
          "票",
          "\u{20bb7}",
          "ä",
        ),
        maxLength: 12,
      })
      .map((value) => value.trim())
      .filter((value) => value !== "");
    const oneLine = text.map((value) => value.replaceAll(/[\t\n\r]/g, " "));
    fc.assert(
      fc.property(oneLine, oneLine, text, (name, scheme, note) => {
        const { source, ...document } = base;
        const hostile = {
          ...document,
          remark: note,
          seller: {
            ...document.seller,
            name,
            endpoint: { id: scheme, scheme: "EM" },
            address: note,
          },
          lines: [{ ...line, name, note, description: note }, ...document.lines.slice(1)],
        };
        const back = read(write(hostile));
        expect(back.seller).to.deep.equal(hostile.seller);
        expect([back.remark, back.lines[0]]).to.deep.equal([note, hostile.lines[0]]);
      }),
      { numRuns: 200 },
    );
  });

  it("states a percentage of which the fraction is the one that was given", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_000_000 }), (millionths) => {
        const fraction = percentToFraction(fractionToPercent((millionths / 1_000_000).toFixed(6)));
        expect(Number(fraction)).to.equal(millionths / 1_000_000);
      }),
    );
    expect([
      fractionToPercent("0.06"),
      fractionToPercent("1"),
      fractionToPercent("0.1234"),
    ]).to.deep.equal(["6", "100", "12.34"]);
  });
});
