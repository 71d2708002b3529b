/**
 * The contents of a red letter: of every sample the whole, parts and the rest, never more than is
 * left.
 */

import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import type { PlacedElement } from "@onepiao/protocol/formats/elements.ts";
import { formatOf, formats } from "@onepiao/protocol/formats/formats.ts";
import { readInvoice } from "@onepiao/protocol/formats/read.ts";
import {
  amountsOf,
  checkWithin,
  type LinePart,
  leftOf,
  moneyOf,
  nothingLeft,
  redLetterOf,
  type Wish,
} from "@onepiao/protocol/formats/red-letter.ts";
import { checkDocument } from "@onepiao/protocol/formats/rules.ts";
import { writeInvoice } from "@onepiao/protocol/formats/write.ts";
import { formatMoney, parseMoney } from "@onepiao/protocol/values/money.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { expect } from "chai";
import { goodSamples } from "../../sandbox/samples.ts";

const number = "26442000000000000001";
const at = new Date("2026-11-24T02:03:04Z");
const originals = goodSamples().filter((sample) => !sample.document.reverses);
const sample = (name: string) =>
  goodSamples().find((good) => good.name.includes(name))?.document as InvoiceDocument;
const red = (document: InvoiceDocument, wish: Wish, before: InvoiceDocument[] = []) =>
  redLetterOf({ number, document }, leftOf(document, before), wish, at);
const text = (document: InvoiceDocument, reds: InvoiceDocument[]) =>
  moneyOf(leftOf(document, reds));
const rulesOf = (work: () => unknown): string[] => {
  try {
    work();
  } catch (error) {
    if (error instanceof Problem)
      return error.violations.map(({ field, rule }) => `${rule} ${field}`);
    throw error;
  }
  return [];
};
/** Two rates, with a price that does not come out even. */
const mixed: InvoiceDocument = {
  ...sample("json/01-restaurant"),
  lines: [
    {
      name: "*文具*中性笔",
      unit: "支",
      quantity: "7",
      unitPrice: "1.33",
      amount: "9.31",
      taxRate: "0.13",
      tax: "1.21",
    },
    { name: "*餐饮服务*餐费", amount: "100.00", taxRate: "0.06", tax: "6.00" },
    { name: "*餐饮服务*餐费", amount: "-10.00", taxRate: "0.06", tax: "-0.60", discount: true },
  ],
  totals: { net: "99.31", tax: "6.61", gross: "105.92" },
};

describe("a red letter", () => {
  for (const { name, document } of originals) {
    it(`takes back the whole of ${name}, and is a document that may be issued`, () => {
      const whole = red(document, { whole: true });
      expect(moneyOf(amountsOf(whole))).deep.equals({
        net: formatMoney(-parseMoney(document.totals.net)),
        tax: formatMoney(-parseMoney(document.totals.tax)),
        gross: formatMoney(-parseMoney(document.totals.gross)),
      });
      expect(checkDocument(whole, formats[formatOf(document)].rules)).deep.equals([]);
      expect(nothingLeft(leftOf(document, [whole]))).equals(true);
      expect([whole.reverses, whole.issuedAt, whole.sourceId, whole.source]).deep.equals([
        { number },
        "2026-11-24T10:03:04+08:00",
        undefined,
        undefined,
      ]);
    });
  }

  it("of a sample with a discount says what its sample red letter says", () => {
    const [made, expected] = [red(sample("shudian/04"), { whole: true }), sample("shudian/09")];
    expect(made.lines).deep.equals(expected.lines);
    expect(made.totals).deep.equals(expected.totals);
    expect(
      writeInvoice("application/vnd.onepiao.shudian+xml", made, {
        number: "26442000000000000002",
        reverses: number,
      }),
    ).includes("<LabelCode>N</LabelCode>");
  });

  describe("of a special trade", () => {
    const data = "/EInvoice/EInvoiceData";
    const place = (at: string, name: string, text: string): PlacedElement => ({
      in: at,
      name,
      text,
    });
    const about: PlacedElement[] = [
      place("/EInvoice/Header", "UndefinedLabel", "旅客运输服务"),
      place(`${data}/SellerInformation`, "Licence", "运 0017"),
      {
        in: `${data}/SpecificInformation`,
        name: "Toll",
        elements: [{ name: "Plate", text: "粤B12345" }],
      },
      place(`${data}/SpecificInformation/PassengerTransportation[1]`, "Meal", "素"),
    ];
    const ofLines = [1, 2, 3].map((line) =>
      place(`${data}/IssuItemInformation[${line}]`, "VIN", `LSVAA49J13204737${line}`),
    );
    const ofOriginal = [
      place(`${data}/BasicInformation`, "Payee", "李四"),
      place(`${data}/AdditionalInformation`, "Order", "A-17"),
      place("/EInvoice/TaxSupervisionInfo", "CheckCode", "0042"),
      place("/EInvoice", "SellerAuthentication", "02"),
    ];
    const passengers = [{ traveller: "王五", from: "深圳", to: "广州" }];
    const special: InvoiceDocument = {
      ...mixed,
      passengers,
      elements: [...ofOriginal, ...ofLines, ...about],
      taxBureau: { code: "14403000000", issuedAt: "2026-11-04T09:00:00+08:00" },
    };
    const written = (letter: InvoiceDocument) => {
      const xml = writeInvoice("application/vnd.onepiao.shudian+xml", letter, {
        number: "26442000000000000002",
        reverses: number,
      });
      return readInvoice("application/xml", Buffer.from(xml)).document;
    };
    /** As written in XML, where those of a place stand together. */
    const sorted = (elements: readonly PlacedElement[] = []) =>
      [...elements].map((each) => JSON.stringify(each)).sort();

    it("has its passengers and its sections, and not how the original was made", () => {
      const whole = red(special, { whole: true });
      expect(whole.passengers).deep.equals(passengers);
      expect(whole.elements).deep.equals([...ofLines, ...about]);
      // the bureau has not issued the red letter on the original's day
      expect(whole.taxBureau).deep.equals({ code: "14403000000" });
      expect(sorted(written(whole).elements)).deep.equals(sorted(whole.elements));
      expect(written(whole).passengers).deep.equals(passengers);
      expect(red(mixed, { whole: true })).not.to.have.any.keys("passengers", "elements");
    });

    it("has the elements of the lines that it takes back whole, at their places in it", () => {
      const part = red(special, { lines: [{ line: 2 }, { line: 1, quantity: "2" }] });
      expect(part.lines).has.lengthOf(3);
      expect(part.elements).deep.equals([
        { ...ofLines[1], in: `${data}/IssuItemInformation[1]` },
        { ...ofLines[2], in: `${data}/IssuItemInformation[2]` },
        ...about,
      ]);
      expect(sorted(written(part).elements)).deep.equals(sorted(part.elements));
      const rest = red(special, { whole: true }, [part]);
      expect([rest.elements, rest.passengers]).deep.equals([about, passengers]);
      expect(checkDocument(rest, formats.shudian.rules)).deep.equals([]);
    });
  });

  it("over parts of lines leaves the rest, and the last one takes what is left to the cent", () => {
    const reds: InvoiceDocument[] = [];
    for (const quantity of ["1", "1", "1", "1", "1", "1"])
      reds.push(red(mixed, { lines: [{ line: 1, quantity }] }, reds));
    expect(text(mixed, reds)).deep.equals({ net: "91.33", tax: "5.59", gross: "96.92" });
    reds.push(
      red(
        mixed,
        {
          lines: [
            { line: 1, quantity: "1" },
            { line: 2, amount: "45.00" },
          ],
        },
        reds,
      ),
    );
    // seven times 0.17 is 1.19: one of the two cents goes with the last pen, the other is left
    expect(text(mixed, reds)).deep.equals({ net: "45.00", tax: "2.71", gross: "47.71" });
    reds.push(red(mixed, { whole: true }, reds));
    expect(nothingLeft(leftOf(mixed, reds))).equals(true);
    for (const letter of reds) expect(checkDocument(letter, formats.shudian.rules)).deep.equals([]);
  });

  it("takes a line's share of the discount back with it", () => {
    const document = sample("shudian/04");
    const part = red(document, { lines: [{ line: 1, quantity: "5" }] });
    expect(part.lines.map(({ quantity, amount, tax }) => [quantity, amount, tax])).deep.equals([
      ["-5", "-663.72", "-86.28"],
      [undefined, "66.37", "8.63"],
    ]);
    expect(red(document, { lines: [{ line: 1 }] }).totals.net).equals("-2389.38");
  });

  it("over an amount with tax is divided at the rate", () => {
    expect(red(sample("json/01"), { gross: "53.00" }).totals).deep.includes({
      net: "-50.00",
      tax: "-3.00",
      gross: "-53.00",
      inWords: "（负数）伍拾叁圆整",
    });
    expect(rulesOf(() => red(mixed, { gross: "1.00" }))).deep.equals(["one-rate /gross"]);
    const all = sample("json/01").totals.gross;
    expect(red(sample("json/01"), { gross: all }).lines[0]?.quantity).equals("-1");
  });

  it("takes back no more than is left, on the whole, of a line, or at a rate", () => {
    const parts = (...lines: LinePart[]) => rulesOf(() => red(mixed, { lines }));
    expect(parts({ line: 1, quantity: "8" })).deep.equals(["exceeds-line /lines/0/quantity"]);
    expect(parts({ line: 1, quantity: "0" })).deep.equals(["exceeds-line /lines/0/quantity"]);
    expect(parts({ line: 2, amount: "90.01" })).deep.equals(["exceeds-line /lines/0/amount"]);
    expect(parts({ line: 2, quantity: "1" })).deep.equals([
      "line-without-quantity /lines/0/quantity",
    ]);
    expect(parts({ line: 3 })).deep.equals(["line-discount /lines/0/line"]);
    expect(parts({ line: 4 })).deep.equals(["line-unknown /lines/0/line"]);
    expect(parts({ line: 1 }, { line: 1 })).deep.equals(["line-twice /lines/1/line"]);
    const first = red(mixed, { lines: [{ line: 1 }] });
    expect(rulesOf(() => red(mixed, { lines: [{ line: 1, quantity: "1" }] }, [first]))).deep.equals(
      ["exceeds-left /lines"],
    );
    expect(rulesOf(() => red(mixed, { whole: true }, [red(mixed, { whole: true })]))).deep.equals([
      "nothing-left ",
    ]);
    // as much as is left, but at a rate that has less
    const other: InvoiceDocument = {
      ...first,
      lines: [{ name: "x", amount: "-20.00", taxRate: "0.13", tax: "-2.60" }],
      totals: { net: "-20.00", tax: "-2.60", gross: "-22.60" },
    };
    expect(rulesOf(() => checkWithin(leftOf(mixed, []), other))).deep.equals([
      "exceeds-left /lines",
    ]);
    const more: InvoiceDocument = {
      ...first,
      totals: { net: "-99.32", tax: "-6.61", gross: "-105.93" },
    };
    expect(rulesOf(() => checkWithin(leftOf(mixed, []), more))).deep.equals([
      "exceeds-left /totals/gross",
    ]);
  });

  it("of an invoice that is taxed by a breakdown is taxed so too", () => {
    const document = sample("json/05");
    const reds = [red(document, { gross: "107.00" })];
    expect(reds[0]?.taxBreakdown).lengthOf(1);
    expect(rulesOf(() => red(document, { lines: [{ line: 1 }] }))).deep.equals([
      "lines-without-tax /lines",
    ]);
    reds.push(red(document, { whole: true }, reds));
    expect(nothingLeft(leftOf(document, reds))).equals(true);
    for (const letter of reds) expect(checkDocument(letter, formats.shudian.rules)).deep.equals([]);
  });
});
