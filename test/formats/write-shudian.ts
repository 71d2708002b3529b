/**
 * Invoices written as 数电票: the reader returns the written document, and the writer refuses a
 * document that cannot be one, with the reason.
 */

import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { readInvoice } from "@onepiao/protocol/formats/read.ts";
import { writeInvoice } from "@onepiao/protocol/formats/write.ts";
import { chineseFigures, parseMoney } from "@onepiao/protocol/values/money.ts";
import { brokenTextRule } from "@onepiao/protocol/values/text.ts";
import { expect } from "chai";
import fc from "fast-check";
import { good, load, refusalOf, samplesRoot } from "./samples.ts";

const type = "application/vnd.onepiao.shudian+xml";
const number = "26440000000000000042";
const reversedNumber = "26440000000000000041";
const write = (document: InvoiceDocument) =>
  writeInvoice(type, document, { number, reverses: document.reverses && reversedNumber });
const read = (xml: string): InvoiceDocument => {
  const { source, ...document } = readInvoice(type, Buffer.from(xml)).document;
  expect(source?.format).to.equal("shudian");
  return document;
};
const sampleOf = (name: string) =>
  readInvoice(
    name.endsWith(".json") ? "application/json" : "application/xml",
    load(samplesRoot, name).body,
  ).document;
/**
 * `source` ties a document to its original bytes: the written bytes differ, all else must be the
 * same.
 */
const content = ({ source, ...document }: InvoiceDocument) => document;

const refusal = (document: InvoiceDocument) => refusalOf(() => write(document));

describe("a 数电票 that the gateway writes", () => {
  for (const { name, body } of good("shudian")) {
    it(`says what the original said: ${name}`, () => {
      const document = content(readInvoice("application/xml", body).document);
      const xml = write(document);
      expect(read(xml)).to.deep.equal(document);
      for (const tag of ["EIid", "InvoiceNumber"])
        expect(xml).to.include(`<${tag}>${number}</${tag}>`);
      expect(xml.includes(`<OriginalInvoiceCode>${reversedNumber}</OriginalInvoiceCode>`)).to.equal(
        document.reverses !== undefined,
      );
    });
  }
  for (const { name, body } of good("json").filter(
    (sample) => !sample.name.includes("breakdown"),
  )) {
    it(`says what the JSON said, with the words of the amount: ${name}`, () => {
      const { document } = readInvoice("application/json", body);
      const { gross } = document.totals;
      expect(read(write(document))).to.deep.equal({
        ...document,
        sourceId: document.sourceId ?? number,
        totals: {
          ...document.totals,
          inWords: document.totals.inWords ?? chineseFigures(parseMoney(gross)),
        },
        lines: document.lines.map((line) =>
          line.unitPrice === undefined
            ? line
            : { ...line, unitPrice: String(Number(line.unitPrice)) },
        ),
      });
    });
  }

  it("has the time of Beijing, whatever the offset was", () => {
    const document = {
      ...sampleOf("json/01-restaurant.json"),
      issuedAt: "2026-12-31T17:30:00.250Z",
    };
    const xml = write(document);
    expect(read(xml).issuedAt).to.equal("2027-01-01T01:30:00+08:00");
    expect(xml).to.include("<IssueTime>2027-01-01</IssueTime>");
  });

  it("as a red letter by number names that number, and is read as any other 数电票 is", () => {
    const { reverses, ...red } = sampleOf("json/03-red-letter-of-02.json");
    const xml = write({ ...red, reverses: { number: reversedNumber } });
    expect(xml).to.not.include("ReversedSourceId");
    expect(read(xml).reverses).to.deep.equal({ sourceId: reversedNumber });
  });

  it("carries any text a document may have, and no text becomes markup", () => {
    const base = sampleOf("shudian/03-ride-passenger.xml");
    const [line] = base.lines;
    if (line === undefined) throw new Error("the sample has a line");
    // plain text without blank edges, which the reader takes off
    const text = fc
      .string({
        unit: fc.oneof(
          fc.constantFrom(
            "&",
            "<",
            ">",
            '"',
            "'",
            "]]>",
            "&amp;",
            "<!--",
            "\r",
            "\n",
            "\t",
            " ",
            "票",
            "\u{20bb7}",
          ),
          fc.string({ unit: "grapheme", maxLength: 1 }),
        ),
        maxLength: 30,
      })
      .map((value) => value.trim())
      .filter(
        (value) => value !== "" && value.length < 200 && brokenTextRule(value, true) === undefined,
      );
    const oneLine = text.map((value) => value.replaceAll(/[\t\n\r]/g, " "));
    fc.assert(
      fc.property(oneLine, text, oneLine, oneLine, (name, remark, sourceId, traveller) => {
        const document = content({
          ...base,
          remark,
          sourceId,
          seller: { ...base.seller, name },
          lines: [{ ...line, name, spec: sourceId }],
          passengers: [{ traveller }],
        });
        expect(read(write(document))).to.deep.equal(document);
      }),
      { numRuns: 300 },
    );
  });

  it("is refused where a 数电票 could not say it, with the reason and with what is left", () => {
    const plain = sampleOf("json/01-restaurant.json");
    const [line] = plain.lines;
    if (line === undefined) throw new Error("the sample has a line");
    const cases: [InvoiceDocument, string[]][] = [
      [sampleOf("json/05-breakdown-euro.json"), ["/currency", "/taxBreakdown", "/totals/payable"]],
      [
        { ...plain, lines: [{ ...line, allowances: [{ charge: false, amount: "1.00" }] }] },
        ["/lines/0/allowances"],
      ],
      [{ ...plain, lines: [{ ...line, baseQuantity: "100" }] }, ["/lines/0/baseQuantity"]],
      [
        { ...plain, totals: { ...plain.totals, prepaid: "100.00", payable: "100.00" } },
        ["/totals/payable"],
      ],
    ];
    for (const [document, fields] of cases) {
      const problem = refusal(document);
      expect(problem.code).to.equal("not-acceptable");
      expect(problem.violations.map(({ field }) => field)).to.deep.equal(fields);
      expect(problem.extra["available"]).to.deep.equal([
        "application/json",
        "application/vnd.onepiao.ubl+xml",
        "application/vnd.onepiao.cii+xml",
        "application/pdf",
      ]);
    }
  });
});
