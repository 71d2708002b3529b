/**
 * What red letters and credit notes take back, and of which invoices: as 数电票 name them, in an
 * element or in a remark, and as EN 16931 does.
 */
import { creditOf, isCredit } from "@onepiao/protocol/formats/credit.ts";
import { readInvoice } from "@onepiao/protocol/formats/read.ts";
import { reversedNumber } from "@onepiao/protocol/formats/shudian-values.ts";
import { expect } from "chai";
import { preceding, ubl } from "./european.ts";
import { load, refusalOf, samplesRoot } from "./samples.ts";

const read = (text: string) => readInvoice("application/xml", Buffer.from(text)).document;
const red = load(samplesRoot, "shudian/09-red-letter-of-04.xml").text;
const original = "26112000000000700004";
/** The red letter with this remark, and without the element for its original. */
const remarked = (remark: string, text = red) =>
  text
    .replace(`<OriginalInvoiceCode>${original}</OriginalInvoiceCode>`, "")
    .replace(/<Remark>[^<]*</, () => `<Remark>${remark}<`);
const gross = /<TotalTax-includedAmount>-([^<]*)</.exec(red)?.[1] ?? "";

describe("a red letter in 数电票", () => {
  it("names its original in an element, or in its remark as tax software writes it", () => {
    expect(creditOf(read(red))).deep.equals({ amount: gross, originals: [{ number: original }] });
    for (const [remark, number] of [
      [`被红冲蓝字数电票号码：${original} 红字发票信息确认单编号：44030626110000000001`, original],
      [`被红冲蓝字数电发票号码: ${original}`, original],
      [`红冲；被红冲蓝字发票号码：${original}`, original],
      ["对应正数发票代码:044031900111 号码:12345678", "044031900111-12345678"],
      ["对应正数发票代码：3200151130号码：00345678", "3200151130-00345678"],
      ["被红冲蓝字发票代码：044031900111，号码：12345678", "044031900111-12345678"],
      ["被红冲蓝字数电票号码：２６１１２０００００００００７００００４", original],
    ] as const) {
      const document = read(remarked(remark));
      expect(document.reverses, remark).deep.equals({ sourceId: number });
      expect(creditOf(document), remark).deep.equals({ amount: gross, originals: [{ number }] });
    }
  });

  it("names nothing in other words; then it is refused, as before", () => {
    for (const remark of [
      "",
      "退货",
      `蓝字数电票号码：${original}`,
      "被红冲蓝字数电票号码：2611200000000070000",
      `被红冲蓝字数电票号码：${original}9`,
      "红字发票信息确认单编号：44030626110000000001",
      "对应正数发票代码:04403190011 号码:12345678",
    ]) {
      expect(reversedNumber(remark), remark).equals(undefined);
      const { violations } = refusalOf(() => read(remarked(remark, red.replace(">N<", "><"))));
      expect(
        violations.map(({ rule }) => rule),
        remark,
      ).deep.equals(["negative-needs-reverses"]);
    }
  });

  it("is one only if it is negative: a blue invoice may speak of another one's reversal", () => {
    const lunch = load(samplesRoot, "shudian/01-restaurant-ordinary.xml").text;
    const document = read(
      lunch.replace(/<Remark>[^<]*</, () => `<Remark>被红冲蓝字数电票号码：${original}<`),
    );
    expect(document.remark).includes(original);
    expect([document.reverses, isCredit(document), creditOf(document)]).deep.equals([
      undefined,
      false,
      undefined,
    ]);
  });
});

describe("a credit note of EN 16931", () => {
  it("names its originals, with the days that it states", () => {
    for (const [references, originals] of [
      ["", []],
      [preceding("A-1"), [{ number: "A-1" }]],
      [preceding("A-1", "2026-10-01"), [{ number: "A-1", date: "2026-10-01" }]],
      [
        preceding("A-1") + preceding("A-2", "2025-10-01"),
        [
          { number: "A-1", date: undefined },
          { number: "A-2", date: "2025-10-01" },
        ],
      ],
    ] as const) {
      const document = read(ubl({ root: "CreditNote", references }));
      expect(creditOf(document)).deep.equals({ amount: "119.00", originals });
    }
  });

  it("may be an invoice of type 381: its amounts are those of a credit note", () => {
    const references = preceding("A-1");
    const { typeCode, reverses, totals } = read(ubl({ code: "381", references }));
    expect({ typeCode, reverses, gross: totals.gross }).deep.equals({
      typeCode: "381",
      reverses: { sourceId: "A-1" },
      gross: "-119.00",
    });
    const negative = {
      net: "-100.00",
      tax: "-19.00",
      gross: "-119.00",
      quantity: "-1",
      price: "100.00",
    };
    expect(read(ubl({ code: "381", references, ...negative })).totals.gross).equals("-119.00");
  });

  it("with negative amounts takes nothing back", () => {
    const negative = {
      net: "-100.00",
      tax: "-19.00",
      gross: "-119.00",
      quantity: "-1",
      price: "100.00",
    };
    const document = read(ubl({ root: "CreditNote", ...negative }));
    expect([isCredit(document), creditOf(document)]).deep.equals([true, undefined]);
  });

  it("in dinars has three decimals", () => {
    const dinars = { currency: "KWD", net: "1.234", tax: "0.234", gross: "1.468" };
    expect(creditOf(read(ubl({ root: "CreditNote", ...dinars })))?.amount).equals("1.468");
  });
});
