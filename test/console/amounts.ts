/** Amounts, sums and rates as the console shows them. */

import { formatMoney, percentToFraction } from "@onepiao/protocol/values/money.ts";
import { expect } from "chai";
import fc from "fast-check";
import {
  formatAmount,
  percentOf,
  shareOf,
  sumsOf,
  toPay,
} from "../../console/src/shared/amounts.ts";

const cents = fc.bigInt({ min: -(10n ** 15n) + 1n, max: 10n ** 15n - 1n });

describe("an amount that is shown", () => {
  const shown: [amount: string, currency: string | undefined, text: string][] = [
    ["1130.00", undefined, "¥1,130.00"],
    ["0.00", "CNY", "¥0.00"],
    ["-1130.00", "CNY", "-¥1,130.00"],
    ["999.99", "USD", "US$999.99"],
    ["1000.00", "JPY", "JP¥1,000.00"],
    ["1234567.89", "CHF", "CHF 1,234,567.89"],
    ["-5.00", "KWD", "-KWD 5.00"],
    ["9999999999999.99", "EUR", "€9,999,999,999,999.99"],
    ["123456789012345678901234.56", "CNY", "¥123,456,789,012,345,678,901,234.56"],
    ["1.00", "constructor", "constructor 1.00"],
    ["1.00", "__proto__", "__proto__ 1.00"],
    ["1130", "CNY", "¥1,130"],
  ];
  for (const [amount, currency, text] of shown)
    it(`${amount} ${currency ?? ""} is ${text}`, () => {
      expect(formatAmount(amount, currency)).equals(text);
    });

  it("is never nought because it cannot be read", () => {
    for (const amount of ["", "abc", "1e21", "NaN", "1.2.3", "--1", "免费"])
      expect(formatAmount(amount)).equals(amount);
  });

  it("has all digits of the amount, in their order, and three between two commas", () => {
    fc.assert(
      fc.property(cents, (value) => {
        const amount = formatMoney(value);
        const text = formatAmount(amount, "CNY");
        expect(text.replaceAll(/[¥,]/g, "")).equals(amount);
        expect(text).to.match(/^-?¥\d{1,3}(,\d{3})*\.\d{2}$/);
      }),
    );
  });
});

describe("what is to be paid", () => {
  const prepaid = { gross: "119.00", payable: "19.00", currency: "EUR" };
  it("is less than the gross by what is prepaid, and by what red letters have taken back", () => {
    expect(toPay(prepaid)).equals("19.00");
    expect(toPay(prepaid, "109.00")).equals("9.00");
    expect(toPay({ gross: "1.500", payable: "1.250", currency: "KWD" }, "1.400")).equals("1.150");
  });
  it("is nothing where more was taken back than was to be paid", () => {
    expect(toPay(prepaid, "50.00")).equals("0.00");
    expect(toPay(prepaid, "0.00")).equals("0.00");
  });
});

describe("a sum of amounts", () => {
  it("is one for each currency, and never through a float", () => {
    const amountsIn = (currency: string, ...amounts: string[]) =>
      amounts.map((amount) => ({ amount, currency }));
    expect(sumsOf(amountsIn("CNY", "0.10", "0.20"))).equals("¥0.30");
    expect(
      sumsOf([
        ...amountsIn("CNY", "1130.00"),
        ...amountsIn("USD", "5.00"),
        ...amountsIn("CNY", "0.01"),
      ]),
    ).equals("¥1,130.01 + US$5.00");
    expect(sumsOf(amountsIn("KWD", "1.234", "0.766"))).equals("KWD 2.000");
    expect(sumsOf(amountsIn("CNY", "5.00", "-7.50"))).equals("-¥2.50");
    expect(sumsOf(amountsIn("CNY", "0.03", "-0.05"))).equals("-¥0.02");
    expect(sumsOf(amountsIn("CNY", "5.00", "-5.00"))).equals("¥0.00");
    expect(sumsOf(amountsIn("CNY", "9999999999999.99", "9999999999999.99"))).equals(
      "¥19,999,999,999,999.98",
    );
    expect(sumsOf([])).equals("");
  });

  it("is refused rather than wrong by a hundred times when an amount has other decimals than two", () => {
    for (const amount of ["1130", "1130.5", "1130.500", "", "1e3"])
      expect(() => sumsOf([{ amount, currency: "CNY" }]), amount).to.throw(RangeError);
  });

  it("is the sum of the cents, whatever the order of the amounts", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ value: cents, currency: fc.constantFrom("CNY", "USD") }), {
          maxLength: 20,
        }),
        (items) => {
          const amounts = items.map(({ value, currency }) => ({
            amount: formatMoney(value),
            currency,
          }));
          const total = (currency: string) =>
            items.reduce((sum, item) => (item.currency === currency ? sum + item.value : sum), 0n);
          const parts = sumsOf(amounts).split(" + ").filter(Boolean).sort();
          expect(
            sumsOf([...amounts].reverse())
              .split(" + ")
              .filter(Boolean)
              .sort(),
          ).deep.equals(parts);
          for (const part of parts)
            expect(BigInt(part.replaceAll(/[^\d-]/g, ""))).equals(
              total(part.includes("US$") ? "USD" : "CNY"),
            );
        },
      ),
    );
  });
});

describe("a tax rate that is shown", () => {
  const shown: [rate: string | undefined, text: string][] = [
    ["0.13", "13%"],
    ["0.06", "6%"],
    ["0.015", "1.5%"],
    ["0.001", "0.1%"],
    ["0.000001", "0.0001%"],
    ["0", "0%"],
    ["1", "100%"],
    ["免税", "免税"],
    ["不征税", "不征税"],
    ["", ""],
    [undefined, ""],
    ["1.2.3", "1.2.3"],
    [".", "."],
    ["0.0000000000000000001", "0.0000000000000000001"],
  ];
  for (const [rate, text] of shown)
    it(`${rate ?? "none"} is ${text || "nothing"}`, () => {
      expect(percentOf(rate)).equals(text);
    });

  it("is the rate exactly: back from percent it is the same", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_000_000 }), (millionths) => {
        const rate = String(millionths / 1e6).includes("e")
          ? (millionths / 1e6).toFixed(6).replace(/0+$/, "")
          : String(millionths / 1e6);
        expect(percentToFraction(percentOf(rate).slice(0, -1))).equals(rate);
      }),
    );
  });
});

describe("the share of a part in a whole", () => {
  it("is in percent, and nothing of a whole that is nothing", () => {
    expect([
      shareOf(1n, 3n),
      shareOf(3n, 3n),
      shareOf(0n, 3n),
      shareOf(5n, 0n),
      shareOf(6n, 3n),
    ]).deep.equals([33.33, 100, 0, 0, 200]);
    expect(shareOf(10n ** 15n - 1n, 10n ** 15n)).equals(99.99);
  });
  it("is never more than all while the part is not more than the whole", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 1n, max: 10n ** 15n }),
        fc.bigInt({ min: 0n, max: 10n ** 15n }),
        (whole, part) => {
          expect(shareOf(part % (whole + 1n), whole))
            .least(0)
            .most(100);
        },
      ),
    );
  });
});
