/**
 * The form of an invoice: the typed text, its totals, and the document that the gateway accepts.
 */

import { readInvoice } from "@onepiao/protocol/formats/read.ts";
import {
  formatMoney,
  normaliseDecimal,
  normaliseMoney,
  parseMoney,
  quantityTimesPrice,
  sameFigures,
} from "@onepiao/protocol/values/money.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { expect } from "chai";
import fc from "fast-check";
import {
  type Draft,
  type DraftLine,
  documentLines,
  documentOf,
  draftOf,
  fieldOf,
  hasPrice,
  isBeyondForm,
  isUntaxed,
  rates,
  reckon,
  reckonLine,
} from "../../console/src/areas/merchant/draft.ts";
import type { Schemas } from "../../console/src/shared/client.ts";

const terms = {
  seller: { taxId: "91440305MA4JURQ28R", name: "测试商户" },
  currency: "CNY",
  issuedAt: "2026-11-24T10:00:00+08:00",
} as const;
const buyer = { name: "个人" };
/** As the gateway reads it, and gives it back. */
const asRead = (document: object) =>
  readInvoice("application/json", new TextEncoder().encode(JSON.stringify(document)))
    .document as Schemas["InvoiceDocument"];

/** Decimals as people type them. */
const decimal = (digits: number, decimals: number) =>
  fc
    .tuple(
      fc.nat({ max: 10 ** digits - 1 }),
      fc.nat({ max: 10 ** decimals - 1 }),
      fc.nat({ max: decimals }),
    )
    .map(([whole, fraction, places]) => {
      const units = whole * 10 ** places + (fraction % 10 ** places);
      const text = units.toString().padStart(places + 1, "0");
      return places === 0 ? text : `${text.slice(0, -places)}.${text.slice(-places)}`;
    });
const rate = fc.constantFrom(...rates);
const byAmount: fc.Arbitrary<DraftLine> = fc.record({
  name: fc.constant("*餐饮服务*餐费"),
  amount: decimal(6, 2),
  taxRate: rate,
});
const byPrice: fc.Arbitrary<DraftLine> = fc.record({
  name: fc.constant("*文具*中性笔"),
  unit: fc.constantFrom("支", ""),
  quantity: decimal(2, 4),
  unitPrice: decimal(3, 6),
  taxRate: rate,
});
/** A line with a discount that takes off some of it, or all. */
const discounted = fc
  .tuple(fc.oneof(byAmount, byPrice), fc.integer({ min: 0, max: 100 }))
  .map(([line, percent]): DraftLine => {
    const amount = reckonLine(line)?.amount ?? 0n;
    return percent === 0
      ? line
      : { ...line, discount: formatMoney((amount * BigInt(percent)) / 100n) };
  });
const drafts: fc.Arbitrary<Draft> = fc.record({
  kind: fc.constantFrom("ordinary" as const, "special" as const),
  buyer: fc.constant(buyer),
  lines: fc.array(discounted, { minLength: 1, maxLength: 8 }),
});
const cents = (text: string | undefined) => parseMoney(text ?? "0.00");
const sum = (amounts: (string | undefined)[]) =>
  amounts.reduce((total, amount) => total + cents(amount), 0n);

describe("a line of the form", () => {
  const lines: [
    label: string,
    line: DraftLine,
    reckoned: [amount: string, tax: string, discount: string, discountTax: string] | undefined,
  ][] = [
    ["by amount", { amount: "100", taxRate: "0.06" }, ["100.00", "6.00", "0.00", "0.00"]],
    [
      "by quantity and price",
      { quantity: "3", unitPrice: "33.335", taxRate: "0.13" },
      ["100.01", "13.00", "0.00", "0.00"],
    ],
    [
      "whose half cent is rounded up",
      { quantity: "1", unitPrice: "0.005", taxRate: "0" },
      ["0.01", "0.00", "0.00", "0.00"],
    ],
    [
      "with a discount",
      { amount: "100", taxRate: "0.06", discount: "10.01" },
      ["100.00", "6.00", "10.01", "0.60"],
    ],
    [
      "that is exempt",
      { amount: "100", taxRate: "免税", discount: "1" },
      ["100.00", "0.00", "1.00", "0.00"],
    ],
    ["that is not taxed", { amount: "100", taxRate: "不征税" }, ["100.00", "0.00", "0.00", "0.00"]],
    [
      "in full width",
      { quantity: "２", unitPrice: "１，０００．５", taxRate: "0.13" },
      ["2001.00", "260.13", "0.00", "0.00"],
    ],
    [
      "whose price counts, not an amount that was typed before",
      { quantity: "2", unitPrice: "5", amount: "99", taxRate: "0" },
      ["10.00", "0.00", "0.00", "0.00"],
    ],
    [
      "with a quantity alone, by its amount",
      { quantity: "2", amount: "99", taxRate: "0" },
      ["99.00", "0.00", "0.00", "0.00"],
    ],
    ["without a rate yet", { amount: "5" }, ["5.00", "0.00", "0.00", "0.00"]],
    ["with nothing in it", {}, undefined],
    ["with blanks in it", { amount: "  ", quantity: " ", unitPrice: "\u3000" }, undefined],
    [
      "with a quantity that is not a figure",
      { quantity: "two", unitPrice: "5", amount: "10" },
      undefined,
    ],
    ["with a negative price", { quantity: "2", unitPrice: "-5" }, undefined],
    ["with a discount that is not an amount", { amount: "10", discount: "half" }, undefined],
    ["with a negative discount", { amount: "10", discount: "-1" }, undefined],
    ["with a decimal comma, which might be ten times as much", { amount: "12,50" }, undefined],
  ];
  for (const [label, line, expected] of lines)
    it(`${label} comes to ${expected?.join(", ") ?? "nothing yet"}`, () => {
      const reckoned = reckonLine(line);
      expect(
        reckoned &&
          [reckoned.amount, reckoned.tax, reckoned.discount, reckoned.discountTax].map((cents) =>
            formatMoney(cents),
          ),
      ).deep.equals(expected);
      if (reckoned) expect(reckoned.unitPrice !== undefined).equals(hasPrice(line));
    });
});

describe("the totals of the form", () => {
  it("are net, tax and gross to the cent, with the words that say the gross", () => {
    fc.assert(
      fc.property(drafts, ({ lines }) => {
        const totals = reckon(lines);
        if (totals === undefined) throw new Error("within what an amount may be");
        expect(cents(totals.net) + cents(totals.tax)).equals(cents(totals.gross));
        expect(sameFigures(totals.words, cents(totals.gross))).equals(true);
      }),
    );
  });

  it("are of the lines that are lines already", () => {
    expect(reckon([{ amount: "1.00", taxRate: "0.13" }, {}, { amount: "abc" }])).deep.equals({
      net: "1.00",
      tax: "0.13",
      gross: "1.13",
      words: "壹圆壹角叁分",
    });
    expect(reckon([])).deep.equals({ net: "0.00", tax: "0.00", gross: "0.00", words: "零圆整" });
  });

  const most = "9999999999999.99";
  const beyond: [label: string, lines: DraftLine[]][] = [
    [
      "quantity times price is beyond what an amount may be, beside another line",
      [
        { quantity: "9999999999", unitPrice: "9999999999", taxRate: "0" },
        { amount: "1", taxRate: "0" },
      ],
    ],
    ["a line with its tax is", [{ amount: most, taxRate: "0.13" }]],
    [
      "several lines are together",
      [
        { amount: most, taxRate: "0" },
        { amount: "0.01", taxRate: "0" },
      ],
    ],
    [
      "the net is, though discounts larger than their lines bring the gross below it",
      [
        { amount: most, taxRate: "0" },
        { amount: most, taxRate: "0" },
        { amount: "0.01", taxRate: "0.13", discount: "8999999999999.99" },
      ],
    ],
    ["discounts are larger than the lines", [{ amount: "1", taxRate: "0", discount: "2" }]],
  ];
  for (const [label, lines] of beyond)
    it(`are undefined when ${label}: no line is left out silently`, () => {
      expect(reckon(lines)).equals(undefined);
      expect(() => documentOf({ kind: "ordinary", buyer, lines }, terms)).to.throw(RangeError);
    });

  it("may be as large as an amount may be", () => {
    expect(reckon([{ amount: most, taxRate: "0" }])?.gross).equals(most);
  });

  it("are reckoned of whatever is typed, without an error", () => {
    const typed = fc.option(
      fc.string({ unit: fc.constantFrom("0", "9", "99999999999", ".", ",", "-", " ", "９", "x") }),
      { nil: undefined },
    );
    const line = fc.record({
      quantity: typed,
      unitPrice: typed,
      amount: typed,
      discount: typed,
      taxRate: fc.option(rate, { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(line, { maxLength: 4 }), (lines) => {
        const totals = reckon(lines as DraftLine[]);
        if (totals !== undefined)
          expect(cents(totals.net) + cents(totals.tax)).equals(cents(totals.gross));
      }),
      { numRuns: 500 },
    );
  });
});

describe("a draft of prices with tax inside", () => {
  const till = (lines: DraftLine[]): Draft => ({ kind: "ordinary", inclusive: true, buyer, lines });
  /** What was typed into a line, with its discount. */
  const typed = ({ quantity, unitPrice, amount, discount = "0" }: DraftLine) => {
    const price =
      quantity === undefined
        ? cents(normaliseMoney(amount ?? ""))
        : quantityTimesPrice(quantity, normaliseDecimal(unitPrice ?? "") ?? "");
    return price - cents(normaliseMoney(discount));
  };

  it("comes to exactly what was typed, as the form shows it and as the gateway reads it", () => {
    const line = fc
      .tuple(fc.oneof(byAmount, byPrice), fc.integer({ min: 0, max: 100 }))
      .map(([line, percent]): DraftLine => {
        const off = (typed(line) * BigInt(percent)) / 100n;
        return off === 0n ? line : { ...line, discount: formatMoney(off) };
      });
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 8 }), (lines) => {
        const gross = lines.reduce((sum, each) => sum + typed(each), 0n);
        fc.pre(gross > 0n);
        expect(reckon(lines, true)?.gross).equals(formatMoney(gross));
        const document = documentOf(till(lines), terms);
        const { totals } = asRead(document);
        expect([totals.gross, totals.net, totals.tax]).deep.equals([
          formatMoney(gross),
          document.totals.net,
          document.totals.tax,
        ]);
      }),
    );
  });

  it("splits a line as the gateway splits its gross", () => {
    const lines = Array.from({ length: 5 }, () => ({ name: "a", amount: "25", taxRate: "0.06" }));
    const { lines: _, totals: __, ...rest } = documentOf(till(lines), terms);
    const gross = lines.map(({ name, taxRate }) => ({ name, taxRate, grossAmount: "25.00" }));
    const own = asRead(documentOf(till(lines), terms));
    expect(own).deep.equals(asRead({ ...rest, lines: gross }));
    expect(own.lines.map(({ amount }) => amount)).deep.equals([
      "23.58",
      "23.59",
      "23.58",
      "23.59",
      "23.58",
    ]);
  });

  it("comes back with tax inside, for voiding it and issuing it again: the same document", () => {
    const lines = [{ name: "a", quantity: "3", unitPrice: "25", taxRate: "0.06", discount: "5" }];
    const read = asRead(documentOf(till(lines), terms));
    const again = draftOf(read);
    expect(again).to.deep.include({
      inclusive: true,
      lines: [{ ...again.lines[0], ...lines[0], discount: "5.00" }],
    });
    expect(asRead(documentOf(again, terms))).deep.equals(read);
  });
});

describe("the document of a draft", () => {
  it("is one that the gateway takes, with the totals that the form has shown", () => {
    fc.assert(
      fc.property(drafts, (draft) => {
        const document = documentOf(draft, terms);
        fc.pre(cents(document.totals.gross) > 0n);
        const { lines, totals } = asRead(document);
        expect(totals).deep.equals(document.totals);
        expect([
          sum(lines.map(({ amount }) => amount)),
          sum(lines.map(({ tax }) => tax)),
        ]).deep.equals([cents(totals.net), cents(totals.tax)]);
        for (const [at, { taxRate, tax, discount, amount }] of lines.entries()) {
          if (isUntaxed(taxRate)) expect(tax).equals("0.00");
          expect(discount === true).equals(amount.startsWith("-"));
          if (discount)
            expect([lines[at - 1]?.name, lines[at - 1]?.taxRate]).deep.equals([
              lines[at]?.name,
              taxRate,
            ]);
        }
      }),
    );
  });

  it("comes back as the draft that makes it, for voiding it and issuing it again", () => {
    fc.assert(
      fc.property(drafts, (draft) => {
        const document = documentOf(draft, terms);
        fc.pre(cents(document.totals.gross) > 0n);
        const read = asRead(document);
        const again = documentOf(draftOf(read), terms);
        expect(again).deep.equals(document);
        expect(isBeyondForm(read)).equals(false);
      }),
    );
  });

  it("has no member that nobody typed, and no blanks around what somebody did", () => {
    const lines = [{ name: " 餐费 ", spec: " ", unit: " 份 ", amount: "5", taxRate: "0.06" }];
    const typed = {
      taxId: " 91440305ma4jurq28r ",
      name: " 买方 ",
      address: " ",
      phone: " 0755-1 ",
      bankName: "",
      bankAccount: undefined as unknown as string,
    };
    const document = documentOf(
      {
        kind: "special",
        buyer: typed,
        lines,
        remark: " ",
        drawer: " 王 ",
        sourceId: "",
        holder: undefined as unknown as string,
      },
      terms,
    );
    expect(document).deep.equals({
      kind: "special",
      ...terms,
      buyer: { taxId: "91440305MA4JURQ28R", name: "买方", phone: "0755-1" },
      lines: [{ unit: "份", name: "餐费", amount: "5.00", taxRate: "0.06", tax: "0.30" }],
      totals: { net: "5.00", tax: "0.30", gross: "5.30" },
      drawer: "王",
    });
  });

  it("says what the form cannot: then it is known that something is left out", () => {
    const document = asRead(
      documentOf(
        { kind: "ordinary", buyer, lines: [{ name: "a", amount: "5", taxRate: "0" }] },
        terms,
      ),
    );
    expect(isBeyondForm({ ...document, passengers: [] })).equals(true);
    expect(
      isBeyondForm({
        ...document,
        lines: [{ name: "a", amount: "5.00", taxRate: "0", baseQuantity: "10" }],
      }),
    ).equals(true);
  });
});

describe("a refusal of the gateway", () => {
  const draft: Draft = {
    kind: "ordinary",
    buyer,
    lines: [
      { name: "a", amount: "5", taxRate: "0.13", discount: "1" },
      { name: "", amount: "nothing" },
      { name: "b", quantity: "2", unitPrice: "3", taxRate: "0.06" },
    ],
  };
  const fields: [pointer: string, field: (string | number)[] | undefined][] = [
    ["/lines/0/amount", ["lines", 0, "amount"]],
    ["/lines/0/name", ["lines", 0, "name"]],
    ["/lines/0", ["lines", 0, "name"]],
    ["/lines/1/amount", ["lines", 0, "discount"]],
    ["/lines/1", ["lines", 0, "discount"]],
    // the form's second line is incomplete, so the document has no line for it
    ["/lines/2/amount", ["lines", 2, "unitPrice"]],
    ["/lines/2/tax", ["lines", 2, "taxRate"]],
    ["/lines/2/quantity", ["lines", 2, "quantity"]],
    ["/lines/3/amount", undefined],
    ["/lines", undefined],
    ["/buyer/taxId", ["buyer", "taxId"]],
    ["/buyer/name", ["buyer", "name"]],
    ["/buyer", undefined],
    ["/buyer/country", undefined],
    ["/remark", ["remark"]],
    ["/holder", ["holder"]],
    ["/totals/gross", undefined],
    ["/seller/taxId", undefined],
    ["", undefined],
  ];
  for (const [pointer, field] of fields)
    it(`of ${pointer || "the whole"} stands ${field === undefined ? "above the form" : `beside ${field.join(" ")}`}`, () => {
      expect(fieldOf(draft, pointer)).deep.equals(field);
    });

  it("of a line that the gateway really refuses stands in that line", () => {
    const wrong = {
      ...draft,
      lines: [
        { name: "a", amount: "5", taxRate: "0.06" },
        { name: "b\u202e", amount: "5", taxRate: "0.06" },
      ],
    };
    try {
      asRead(documentOf(wrong, terms));
      expect.fail("a name with a sign that turns the direction of writing");
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      expect(error.violations.map(({ field }) => fieldOf(wrong, field))).deep.equals([
        ["lines", 1, "name"],
      ]);
    }
  });

  it("finds the line of the form for every line of the document", () => {
    fc.assert(
      fc.property(drafts, (any) => {
        for (const [at, { line, from }] of documentLines(any.lines).entries()) {
          const field = fieldOf(any, `/lines/${at}/amount`);
          expect(field?.[1]).equals(from.line);
          expect(any.lines[from.line]?.name).equals(line.name);
        }
      }),
    );
  });
});
