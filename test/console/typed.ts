/** The texts that people type into the console's forms, and how the console reads them. */

import { formatMoney } from "@onepiao/protocol/values/money.ts";
import { expect } from "chai";
import fc from "fast-check";
import { decimalOf, moneyOf } from "../../console/src/areas/merchant/draft.ts";
import { digitsOf, figureOf, halfWidth, taxIdOf } from "../../console/src/shared/typed.ts";

/** As an input method in full width gives it. */
const fullWidth = (text: string) =>
  text
    .replaceAll(/[!-~]/g, (sign) => String.fromCharCode(sign.charCodeAt(0) + 0xfee0))
    .replaceAll(" ", "\u3000");
const cents = fc.bigInt({ min: 0n, max: 10n ** 15n - 1n });
const apart = (amount: string, by: string) => amount.replaceAll(/\B(?=(\d{3})+\.)/g, by);

describe("an amount that is typed", () => {
  const read: [typed: string | undefined, amount: string | undefined][] = [
    ["1130", "1130.00"],
    ["1130.5", "1130.50"],
    ["1130.", "1130.00"],
    [" 1130.00 ", "1130.00"],
    ["+5", "5.00"],
    ["007", "7.00"],
    ["0", "0.00"],
    ["-0", "0.00"],
    ["1,130.00", "1130.00"],
    ["1 130", "1130.00"],
    ["1\u00a0130,000.00", "1130000.00"],
    ["１，１３０．５０", "1130.50"],
    ["９９９９９９９９９９９９９．９９", "9999999999999.99"],
    ["9999999999999.99", "9999999999999.99"],
    ["10000000000000", undefined],
    ["1.234", undefined],
    ["1.500", undefined],
    ["-5", undefined],
    [".5", undefined],
    ["1e3", undefined],
    ["0x10", undefined],
    ["12。5", undefined],
    ["五", undefined],
    ["¥5", undefined],
    ["", undefined],
    [" ", undefined],
    [undefined, undefined],
  ];
  for (const [typed, amount] of read)
    it(`${JSON.stringify(typed)} is ${amount ?? "no amount"}`, () => {
      expect(moneyOf(typed)).equals(amount);
    });

  it("is not made ten times as much by a comma or a blank that parts no thousands", () => {
    for (const typed of [
      "1,5",
      "12,50",
      "1 5",
      "1,13,000",
      "1130,00",
      "1,1300",
      "1，5",
      ",5",
      "1,,000",
      "1,130,00.00",
    ])
      expect(moneyOf(typed), typed).equals(undefined);
  });

  it("is not read out of signs that only look like digits", () => {
    for (const typed of ["10²", "①", "½", "٣", "1⒈", "𝟏𝟐", "五〇"])
      expect([moneyOf(typed), decimalOf(typed)], typed).deep.equals([undefined, undefined]);
  });

  it("is the same in full width, and with its thousands apart", () => {
    fc.assert(
      fc.property(cents, fc.constantFrom(",", " ", "\u00a0", "\u202f"), (amount, by) => {
        const text = formatMoney(amount);
        for (const typed of [text, apart(text, by), fullWidth(text), fullWidth(apart(text, ","))])
          expect(moneyOf(typed)).equals(text);
      }),
    );
  });

  it("is read or undefined, whatever is typed; the text of an amount reads back as that amount", () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom("0", "1", "9", ".", ",", " ", "-", "+", "９", "．", "，", "²", "e"),
          maxLength: 18,
        }),
        (typed) => {
          const amount = moneyOf(typed);
          if (amount !== undefined) expect(moneyOf(amount)).equals(amount);
          const decimal = decimalOf(typed);
          if (decimal !== undefined) expect(decimalOf(decimal)).equals(decimal);
        },
      ),
    );
  });
});

describe("a quantity or a price that is typed", () => {
  const read: [typed: string, decimal: string | undefined][] = [
    ["2", "2"],
    ["2.50", "2.5"],
    ["15.929203539823", "15.929203539823"],
    ["0.00000000000000000001", "0.00000000000000000001"],
    ["0.000000000000000000001", undefined],
    ["1,000.5", "1000.5"],
    ["１２．５", "12.5"],
    ["-1", undefined],
    ["1/2", undefined],
    ["12345678901234", undefined],
  ];
  for (const [typed, decimal] of read)
    it(`${typed} is ${decimal ?? "none"}`, () => {
      expect(decimalOf(typed)).equals(decimal);
    });
});

describe("a tax id that is typed", () => {
  const read: [typed: string | undefined, taxId: string][] = [
    ["91440305MA4JURQ28R", "91440305MA4JURQ28R"],
    ["91440305ma4jurq28r", "91440305MA4JURQ28R"],
    ["9144 0305 MA4J URQ2 8R", "91440305MA4JURQ28R"],
    ["CN91440305MA4JURQ28R", "91440305MA4JURQ28R"],
    [fullWidth("91440305MA4JURQ28R"), "91440305MA4JURQ28R"],
    ["DE 123456789", "DE123456789"],
    ["", ""],
    ["  ", ""],
    [undefined, ""],
  ];
  for (const [typed, taxId] of read)
    it(`${JSON.stringify(typed)} is ${taxId || "none"}`, () => {
      expect(taxIdOf(typed)).equals(taxId);
    });

  it("is never taken for nothing when something is typed: the buyer would lose its title", () => {
    for (const typed of ["无", "—", "-", "个人", "／"])
      expect(taxIdOf(typed), typed).not.equals("");
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1 }), (typed) => {
        expect(taxIdOf(typed) === "").equals(halfWidth(typed).trim() === "");
      }),
    );
  });
});

describe("a number in groups", () => {
  it("is read without the blanks between them, in full width too", () => {
    expect(digitsOf(" 26442 00000 00000 00001 ")).equals("26442000000000000001");
    expect(digitsOf(fullWidth("26442 00000 00000 00001"))).equals("26442000000000000001");
    expect([digitsOf(), digitsOf("")]).deep.equals(["", ""]);
  });

  it("keeps every letter that is not full-width", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom("票", "a", "²", "é", "1", "。", "「") }),
        (text) => {
          expect(halfWidth(text)).equals(text);
        },
      ),
    );
    expect(figureOf("1,000")).equals("1000");
  });
});
