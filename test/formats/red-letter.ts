/**
 * The contents of a red letter: of every sample the whole, parts and the rest, never more than is
 * left.
 */

import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { formatOf, formats } from "@onepiao/protocol/formats/formats.ts";
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
