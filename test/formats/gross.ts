/**
 * Prices with tax inside: any gross becomes a net and a tax that add up to it, on one line or many;
 * a request that contradicts itself is refused; what comes out can be written in every format.
 */
import { maxLines } from "@onepiao/protocol/formats/document.ts";
import { writtenTypes } from "@onepiao/protocol/formats/formats.ts";
import { createSplitter } from "@onepiao/protocol/formats/gross.ts";
import { readInvoice } from "@onepiao/protocol/formats/read.ts";
import { unavailableFor, writeAll, writeInvoice } from "@onepiao/protocol/formats/write.ts";
import {
  amountTimesRate,
  formatMoney,
  netOfGross,
  parseMoney,
  quantityTimesPrice,
  unitPriceOf,
} from "@onepiao/protocol/values/money.ts";
import { expect } from "chai";
import fc from "fast-check";
import { dearest, percents, walk } from "../../scripts/lab/prices/walk.ts";
import { number } from "./documents.ts";
import { load, refusalOf, samplesRoot } from "./samples.ts";

type Json = Record<string, unknown>;
const seller = { taxId: "91440305MA4JURQ28R", name: "深圳市南山区巷口面馆有限公司" };
const request = (lines: readonly Json[], more: Json = {}): Json => ({
  kind: "ordinary",
  issuedAt: "2026-11-03T12:31:07+08:00",
  currency: "CNY",
  seller,
  buyer: { name: "个人" },
  lines: lines.map((line) => ({ name: "*餐饮服务*餐费", taxRate: "0.06", ...line })),
  ...more,
});
const read = (body: Json) => readInvoice("application/json", Buffer.from(JSON.stringify(body)));
const broken = (body: Json) =>
  refusalOf(() => read(body)).violations.map(({ field, rule }) => `${rule} ${field}`);
const sum = (amounts: readonly (string | undefined)[]) =>
  amounts.reduce((total, amount) => total + parseMoney(amount ?? "0.00"), 0n);
const distance = (a: bigint, b: bigint) => (a < b ? b - a : a - b);

describe("a price with tax inside", function () {
  this.timeout(60_000);

  for (const percent of percents)
    it(`is what net and tax make at ${percent} %, whatever the price`, () => {
      // all small prices, and a dense sample of the others
      expect(walk({ percent, from: 1, to: 20_000, step: 1 }).faults).deep.equals([]);
      const sample = walk({ percent, from: 7, to: dearest, step: 97 });
      expect(sample.faults).deep.equals([]);
      expect(sample.prices).greaterThan(100_000);
    });

  it("is split over many lines so that the tax of a rate is right to the cent", () => {
    const rates = ["0.01", "0.03", "0.05", "0.06", "0.09", "0.13", "0.4999", "0", "免税"];
    const line = fc.tuple(fc.integer({ min: -5_000, max: 200_000 }), fc.constantFrom(...rates));
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 300 }), (lines) => {
        const split = createSplitter();
        const totals = new Map<string, { gross: bigint; net: bigint }>();
        for (const [cents, rate] of lines) {
          const gross = BigInt(cents);
          const { net, tax } = split(gross, rate);
          expect(net + tax).equals(gross);
          const fraction = rate === "免税" ? "0" : rate;
          const off = distance(tax, amountTimesRate(net, fraction));
          expect(off <= 1n, `${gross} at ${rate}: ${net} + ${tax}`).equals(true);
          const total = totals.get(rate) ?? { gross: 0n, net: 0n };
          totals.set(rate, { gross: total.gross + gross, net: total.net + net });
        }
        for (const [rate, { gross, net }] of totals)
          expect(net).equals(rate === "免税" ? gross : netOfGross(gross, rate));
      }),
    );
  });

  it("has a unit price without tax that gives the line's amount back", () => {
    const decimal = fc
      .tuple(fc.integer({ min: 1, max: 2 ** 40 }), fc.integer({ min: 0, max: 9 }))
      .map(([units, places]) => {
        const digits = units.toString().padStart(places + 1, "0");
        return places === 0 ? digits : `${digits.slice(0, -places)}.${digits.slice(-places)}`;
      });
    fc.assert(
      fc.property(
        fc.bigInt(-(10n ** 10n), 10n ** 10n),
        decimal,
        decimal,
        (cents, quantity, per) => {
          const price = unitPriceOf(cents, quantity, per);
          if (price !== undefined) expect(quantityTimesPrice(quantity, price, per)).equals(cents);
        },
      ),
    );
    expect(unitPriceOf(2358n, "1")).equals("23.58");
    expect(unitPriceOf(7075n, "3")).equals("23.5833333333333");
    expect(unitPriceOf(100n, "0")).equals(undefined);
    expect(unitPriceOf(10n ** 14n, "0.00001")).equals(undefined);
    expect(quantityTimesPrice("9999999999999", "0.01")).equals(10n ** 13n - 1n);
    expect(unitPriceOf(10n ** 13n - 1n, "9999999999999")).equals("0.01");
  });
});

describe("a line with its gross", () => {
  const till = read(request([{ grossAmount: "25.00" }]));

  it("makes net, tax and totals, which the reading returns", () => {
    expect(till.document.lines).deep.equals([
      { name: "*餐饮服务*餐费", taxRate: "0.06", amount: "23.58", tax: "1.42" },
    ]);
    expect(till.document.totals).deep.equals({ net: "23.58", tax: "1.42", gross: "25.00" });
    expect(till.derived).deep.equals({
      lines: [{ amount: "23.58", tax: "1.42" }],
      totals: { net: "23.58", tax: "1.42", gross: "25.00" },
    });
  });

  const same: [label: string, line: Json, more?: Json][] = [
    ["a quantity and a price with tax", { quantity: "2", grossUnitPrice: "12.50" }],
    ["a price that is marked", { quantity: "2", unitPrice: "12.50", priceIncludesTax: true }],
    [
      "a price that the invoice marks",
      { quantity: "2", unitPrice: "12.50" },
      { priceIncludesTax: true },
    ],
    ["its product as well", { quantity: "2", grossUnitPrice: "12.50", grossAmount: "25.00" }],
    ["a mark twice", { quantity: "2", grossUnitPrice: "12.50", priceIncludesTax: true }],
    ["a price for ten", { quantity: "20", grossUnitPrice: "12.50", baseQuantity: "10" }],
  ];
  for (const [label, line, more] of same)
    it(`may state ${label}: the document is the same but for its price`, () => {
      const { document } = read(request([line], more));
      const [{ quantity, unitPrice, baseQuantity, ...rest } = {} as never] = document.lines;
      expect(rest).deep.equals(till.document.lines[0]);
      expect(document.totals).deep.equals(till.document.totals);
      expect(quantityTimesPrice(quantity as string, unitPrice as string, baseQuantity)).equals(
        2358n,
      );
      expect(document).not.to.have.property("priceIncludesTax");
    });

  it("may state its net, its tax or both beside it, and has them to the cent", () => {
    const line = (more: Json) =>
      read(request([{ grossAmount: "25.00", ...more }])).document.lines[0];
    for (const more of [
      { amount: "23.58" },
      { tax: "1.42" },
      { amount: "23.58", tax: "1.42" },
    ] as Json[])
      expect(line(more)).deep.equals(till.document.lines[0]);
    // the line's cent, to either side
    expect(line({ tax: "1.41" })).to.include({ amount: "23.59", tax: "1.41" });
    expect(broken(request([{ grossAmount: "25.00", tax: "1.39" }]))).deep.equals([
      "line-tax /lines/0/tax",
    ]);
  });

  it("stands beside lines without tax, discounts and what is not taxed", () => {
    const { document } = read(
      request([
        { grossAmount: "25.00" },
        { grossAmount: "-5.00" },
        { name: "b", amount: "100.00", tax: "6.00" },
        { name: "c", grossAmount: "7.00", taxRate: "免税" },
      ]),
    );
    expect(document.lines.map(({ amount, tax, discount }) => [amount, tax, discount])).deep.equals([
      ["23.58", "1.42", undefined],
      ["-4.71", "-0.29", true],
      ["100.00", "6.00", undefined],
      ["7.00", "0.00", undefined],
    ]);
    expect(document.totals).deep.equals({ net: "125.87", tax: "7.13", gross: "133.00" });
  });

  it("is in the smallest unit of its currency", () => {
    const dinars = { currency: "BHD" };
    const { document } = read(
      request([{ quantity: "3", grossUnitPrice: "1.111", taxRate: "0.10" }], dinars),
    );
    expect(document.totals).deep.equals({ net: "3.030", tax: "0.303", gross: "3.333" });
    expect(broken(request([{ grossAmount: "3.33" }], dinars))).deep.equals([
      "money-format /lines/0/grossAmount",
    ]);
    expect(broken(request([{ grossAmount: "3.333" }]))).deep.equals([
      "money-format /lines/0/grossAmount",
    ]);
  });

  it("may be a red letter's", () => {
    const { document } = read(
      request([{ quantity: "-2", grossUnitPrice: "12.50" }], {
        reverses: { sourceId: "x" },
      }),
    );
    expect(document.totals).deep.equals({ net: "-23.58", tax: "-1.42", gross: "-25.00" });
  });

  const gross = { grossAmount: "25.00" };
  const refused: [label: string, body: Json, rules: string[]][] = [
    [
      "two prices",
      request([{ quantity: "1", unitPrice: "23.58", grossUnitPrice: "25.00" }]),
      ["price-once /lines/0/grossUnitPrice"],
    ],
    [
      "a price with tax that is marked as one without",
      request([{ quantity: "1", grossUnitPrice: "25.00", priceIncludesTax: false }]),
      ["price-includes-tax /lines/0/priceIncludesTax"],
    ],
    [
      "a mark without a price: the amount might be meant",
      request([{ amount: "25.00", priceIncludesTax: true }]),
      ["price-missing /lines/0/priceIncludesTax"],
    ],
    [
      "the same by the invoice's mark",
      request([{ amount: "25.00", tax: "1.50" }], { priceIncludesTax: true }),
      ["price-missing /priceIncludesTax"],
    ],
    [
      "a gross that is not quantity times price",
      request([{ quantity: "2", grossUnitPrice: "12.50", grossAmount: "25.02" }]),
      ["line-gross-amount /lines/0/grossAmount"],
    ],
    [
      "net and tax that are not quantity times price",
      request([{ quantity: "1", grossUnitPrice: "25.02", amount: "23.58", tax: "1.42" }]),
      ["line-gross-amount /lines/0/grossUnitPrice"],
    ],
    [
      "net and tax that make another gross, by a cent",
      request([{ ...gross, amount: "23.58", tax: "1.41" }]),
      ["line-gross /lines/0/grossAmount"],
    ],
    [
      "a price with tax and no quantity",
      request([{ grossUnitPrice: "25.00" }]),
      ["quantity-with-price /lines/0/quantity"],
    ],
    [
      "a quantity of nothing",
      request([{ quantity: "0.0", grossUnitPrice: "25.00" }]),
      ["quantity-zero /lines/0/quantity"],
    ],
    [
      "a negative price",
      request([{ quantity: "1", unitPrice: "-25.00", priceIncludesTax: true }]),
      ["negative-price /lines/0/unitPrice"],
    ],
    [
      "a price for nothing",
      request([{ quantity: "1", grossUnitPrice: "25.00", baseQuantity: "0" }]),
      ["base-quantity-positive /lines/0/baseQuantity"],
    ],
    [
      "an allowance on the line",
      request([{ ...gross, allowances: [{ charge: false, amount: "1.00" }] }]),
      ["gross-with-allowances /lines/0/allowances"],
    ],
    [
      "a tax breakdown",
      request([gross], { taxBreakdown: [{ taxRate: "0.06", taxable: "23.58", tax: "1.42" }] }),
      ["gross-with-breakdown /lines/0/grossAmount"],
    ],
    [
      "a rate at which a cent is not enough",
      request([{ ...gross, taxRate: "0.50" }]),
      ["gross-rate /lines/0/taxRate"],
    ],
    [
      "a price that has none without tax",
      request([{ quantity: "0.000000000000001", grossUnitPrice: "9999999999999" }]),
      ["price-bounds /lines/0/grossUnitPrice"],
    ],
    [
      "a gross beyond what an amount may be",
      request([{ quantity: "9999999999999", grossUnitPrice: "9999999999999" }]),
      ["amount-bounds /lines/0"],
    ],
    [
      "lines that are together beyond it",
      request([{ grossAmount: "9999999999999.99" }, { grossAmount: "0.01" }]),
      ["amount-bounds /totals"],
    ],
    [
      "a total that is another by a cent",
      request([gross], { totals: { gross: "25.01" } }),
      ["gross-sum /totals/gross"],
    ],
    [
      "a net that is another by a cent",
      request([gross], { totals: { net: "23.59", tax: "1.42", gross: "25.01" } }),
      ["net-sum /totals/net"],
    ],
    [
      "another line without an amount",
      request([gross, { tax: "1.42" }]),
      ["missing-member /lines/1/amount"],
    ],
    [
      "quantity and price without tax that make another amount",
      request([{ ...gross, quantity: "1", unitPrice: "25.00" }]),
      ["line-amount /lines/0/amount"],
    ],
    [
      "no gross, and neither amounts nor totals",
      request([{ tax: "1.42" }]),
      ["missing-member /lines/0/amount", "missing-member /totals"],
    ],
    [
      "no gross, and totals in part",
      request([{ amount: "23.58", tax: "1.42" }], { totals: { gross: "25.00" } }),
      ["missing-member /totals/net", "missing-member /totals/tax"],
    ],
    [
      "a gross that is a number",
      request([{ grossAmount: 25 }]),
      ["wrong-type /lines/0/grossAmount"],
    ],
    [
      "a gross with one decimal",
      request([{ grossAmount: "25.0" }]),
      ["money-format /lines/0/grossAmount"],
    ],
  ];
  for (const [label, body, rules] of refused)
    it(`is refused with ${label}`, () => {
      expect(broken(body)).deep.equals(rules);
    });
});

describe("an invoice of prices with tax inside", function () {
  this.timeout(60_000);

  it("is the sample of a till", () => {
    const { body } = load(samplesRoot, "json/06-prices-with-tax.json");
    const { document } = readInvoice("application/json", body);
    expect(document.totals).deep.equals({ net: "75.77", tax: "5.23", gross: "81.00" });
    expect(
      document.lines.map(({ unitPrice, amount, tax }) => [unitPrice, amount, tax]),
    ).deep.equals([
      ["23.5833333333333", "70.75", "4.25"],
      [undefined, "-4.71", "-0.29"],
      [undefined, "9.73", "1.27"],
    ]);
  });

  it("can be written in every format, and read back with the same lines and totals", () => {
    const line = fc.record({
      cents: fc.integer({ min: 1, max: 500_000 }),
      quantity: fc.option(fc.integer({ min: 1, max: 99 }), { nil: undefined }),
      taxRate: fc.constantFrom("0.01", "0.03", "0.05", "0.06", "0.09", "0.13", "免税"),
    });
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 150 }), (lines) => {
        const { document } = read(
          request(
            lines.map(({ cents, quantity, taxRate }) =>
              quantity === undefined
                ? { taxRate, grossAmount: formatMoney(BigInt(cents)) }
                : {
                    taxRate,
                    quantity: String(quantity),
                    grossUnitPrice: formatMoney(BigInt(cents)),
                  },
            ),
          ),
        );
        const gross = lines.map(({ cents, quantity = 1 }) => BigInt(cents * quantity));
        expect(document.lines.map(({ amount, tax }) => sum([amount, tax]))).deep.equals(gross);
        expect(unavailableFor(document)).deep.equals([]);
        for (const mediaType of writtenTypes) {
          const again = readInvoice(
            mediaType,
            Buffer.from(writeInvoice(mediaType, document, { number })),
          ).document;
          expect([again.totals.net, again.totals.tax, again.totals.gross]).deep.equals([
            document.totals.net,
            document.totals.tax,
            document.totals.gross,
          ]);
          expect(again.lines.map(({ amount }) => amount)).deep.equals(
            document.lines.map(({ amount }) => amount),
          );
        }
      }),
      { numRuns: 60 },
    );
  });

  it("of as many lines as there may be is still within what EN 16931 allows", () => {
    const lines = Array.from({ length: maxLines }, () => ({ grossAmount: "25.00" }));
    const { document } = read(request(lines));
    expect(document.totals).deep.equals({ net: "47169.81", tax: "2830.19", gross: "50000.00" });
    expect(unavailableFor(document)).deep.equals([]);
    expect(writeAll(document, { number })).to.have.length(writtenTypes.length);
  });

  it("says at once in which formats it is not available, as the 406 will", () => {
    const euro = { currency: "EUR" };
    const { document } = read(request([{ grossAmount: "25.00" }], euro));
    const [only] = unavailableFor(document);
    expect(only?.mediaType).equals("application/vnd.onepiao.shudian+xml");
    expect(only?.errors.map(({ rule }) => rule)).deep.equals(["shudian-currency"]);
    const refusal = refusalOf(() => writeInvoice(only?.mediaType ?? "", document, { number }));
    expect(only?.errors).deep.equals(refusal.violations);
    // lines whose cents all lie to one side
    const off = Array.from({ length: 150 }, () => ({ amount: "10.00", tax: "0.61" }));
    const totals = { net: "1500.00", tax: "91.50", gross: "1591.50" };
    expect(
      unavailableFor(read(request(off, { totals })).document).map(({ mediaType, errors }) => [
        mediaType,
        errors[0]?.rule,
      ]),
    ).deep.equals([
      ["application/vnd.onepiao.ubl+xml", "BR-CO-17"],
      ["application/vnd.onepiao.cii+xml", "BR-CO-17"],
    ]);
    // only writing shows that a line's gross is beyond what an amount may be
    const item = { amount: "9000000000000.00", tax: "1170000000000.00", taxRate: "0.13" };
    const discount = { amount: "-8000000000000.00", tax: "-1040000000000.00", taxRate: "0.13" };
    const large = read(
      request([item, discount], {
        totals: { net: "1000000000000.00", tax: "130000000000.00", gross: "1130000000000.00" },
      }),
    ).document;
    expect(unavailableFor(large).map(({ mediaType, errors }) => [mediaType, errors])).deep.equals([
      [
        "application/vnd.onepiao.shudian+xml",
        refusalOf(() => writeInvoice("application/vnd.onepiao.shudian+xml", large, { number }))
          .violations,
      ],
    ]);
  });
});
