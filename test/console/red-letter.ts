/**
 * Taking an invoice back in the console: the chosen parts, the sum that the page shows, and the
 * gateway's result.
 */

import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { readInvoice } from "@onepiao/protocol/formats/read.ts";
import { leftOf, redLetterOf } from "@onepiao/protocol/formats/red-letter.ts";
import { formatMoney, parseMoney } from "@onepiao/protocol/values/money.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { expect } from "chai";
import fc from "fast-check";
import {
  type Draft,
  documentOf,
  rates,
  reckonLine,
} from "../../console/src/areas/merchant/draft.ts";
import { type LinePart, netOf, sumOf } from "../../console/src/areas/merchant/red-sum.ts";
import {
  bodyOf,
  faultOf,
  partsOf,
  placeOf,
  takenOf,
  type Wish,
} from "../../console/src/areas/merchant/red-wish.ts";
import { goodSamples } from "../../sandbox/samples.ts";

const at = new Date("2026-11-24T02:03:04Z");
const terms = {
  seller: { taxId: "91440305MA4JURQ28R", name: "测试商户" },
  currency: "CNY",
  issuedAt: "2026-11-24T10:00:00+08:00",
} as const;
const invoiceOf = (draft: Draft): InvoiceDocument =>
  readInvoice(
    "application/json",
    new TextEncoder().encode(JSON.stringify(documentOf(draft, terms))),
  ).document;
/** What the gateway takes back for these parts, as a positive amount. */
const takenBack = (document: InvoiceDocument, lines: LinePart[]) =>
  -parseMoney(
    redLetterOf({ number: "26442000000000000001", document }, leftOf(document, []), { lines }, at)
      .totals.gross,
  );

/** Three lines: by quantity with a discount, by amount, and exempt. */
const invoice = invoiceOf({
  kind: "ordinary",
  buyer: { name: "个人" },
  lines: [
    {
      name: "*文具*中性笔",
      unit: "支",
      quantity: "7",
      unitPrice: "1.33",
      taxRate: "0.13",
      discount: "0.31",
    },
    { name: "*餐饮服务*餐费", amount: "100.00", taxRate: "0.06" },
    { name: "*农产品*蔬菜", amount: "20.00", taxRate: "免税" },
  ],
});
const lines = invoice.lines;

describe("the sum of the parts to take back", () => {
  const sums: [label: string, parts: LinePart[], sum: string | undefined][] = [
    ["nothing", [], "0.00"],
    ["a whole line with its discount", [{ line: 1 }], "10.17"],
    ["a whole line by its quantity", [{ line: 1, quantity: "7" }], "10.17"],
    [
      "some of a line by quantity, with its share of the discount",
      [{ line: 1, quantity: "2" }],
      "2.91",
    ],
    ["some of a line by amount", [{ line: 3, amount: "50.00" }], "53.00"],
    ["a line that is exempt", [{ line: 4 }], "20.00"],
    ["all lines", [{ line: 1 }, { line: 3 }, { line: 4 }], invoice.totals.gross],
    ["more than a line has", [{ line: 3, amount: "100.01" }], undefined],
    ["more units than a line has", [{ line: 1, quantity: "7.0001" }], undefined],
    ["more than a line has after its discount", [{ line: 1, amount: "9.01" }], undefined],
    ["no units", [{ line: 1, quantity: "0" }], undefined],
    ["no amount", [{ line: 3, amount: "0.00" }], undefined],
    ["a negative amount", [{ line: 3, amount: "-5.00" }], undefined],
    ["units of a line that has none", [{ line: 3, quantity: "1" }], undefined],
    ["a discount alone", [{ line: 2 }], undefined],
    ["a line that is not there", [{ line: 9 }], undefined],
    ["line nought", [{ line: 0 }], undefined],
  ];
  for (const [label, parts, sum] of sums)
    it(`of ${label} is ${sum ?? "none"}`, () => {
      expect(sumOf(lines, parts)).equals(sum);
    });

  const drafts = fc.array(
    fc
      .record({
        name: fc.constantFrom("*文具*中性笔", "*餐饮服务*餐费"),
        quantity: fc.integer({ min: 1, max: 50 }).map(String),
        unitPrice: fc
          .integer({ min: 1, max: 9_999_999 })
          .map((units) => (units / 1_000).toFixed(3)),
        amount: fc.integer({ min: 1, max: 1_000_000 }).map((cents) => (cents / 100).toFixed(2)),
        taxRate: fc.constantFrom(...rates),
        percent: fc.nat({ max: 60 }),
        priced: fc.boolean(),
      })
      .map(({ priced, quantity, unitPrice, amount, percent, ...line }) => {
        const draft = { ...line, ...(priced ? { quantity, unitPrice } : { amount }) };
        return percent === 0
          ? draft
          : {
              ...draft,
              discount: formatMoney(((reckonLine(draft)?.amount ?? 0n) * BigInt(percent)) / 100n),
            };
      }),
    { minLength: 1, maxLength: 5 },
  );
  const choices = fc.array(
    fc.record({
      take: fc.boolean(),
      how: fc.constantFrom("whole", "some", "all"),
      percent: fc.integer({ min: 1, max: 99 }),
    }),
    {
      minLength: 5,
      maxLength: 5,
    },
  );

  it("is what the gateway takes back, to the cent or the cents that rounding leaves, and never more than the invoice", () => {
    let compared = 0;
    fc.assert(
      fc.property(drafts, choices, (typed, chosen) => {
        const draft: Draft = { kind: "ordinary", buyer: { name: "个人" }, lines: typed };
        fc.pre(parseMoney(documentOf(draft, terms).totals.gross) > 0n);
        const document = invoiceOf(draft);
        const parts = document.lines.flatMap((line, place): LinePart[] => {
          const choice = chosen[place % chosen.length];
          if (line.discount || !choice?.take) return [];
          if (choice.how === "whole") return [{ line: place + 1 }];
          const share = BigInt(choice.how === "all" ? 100 : choice.percent);
          if (line.quantity === undefined)
            return [
              {
                line: place + 1,
                amount: formatMoney((netOf(document.lines, place) * share) / 100n),
              },
            ];
          return [
            { line: place + 1, quantity: String((Number(line.quantity) * Number(share)) / 100) },
          ];
        });
        const sum = sumOf(document.lines, parts);
        if (sum === undefined || parts.length === 0) return;
        const gross = parseMoney(document.totals.gross);
        try {
          const taken = takenBack(document, parts);
          const difference = parseMoney(sum) - taken;
          // each line's tax is rounded separately; the last part takes the rest
          expect(Number(difference < 0n ? -difference : difference)).most(parts.length);
          if (parts.every(({ quantity, amount }) => quantity === undefined && amount === undefined))
            expect(difference).equals(0n);
          expect(taken <= gross).equals(true);
          compared += 1;
        } catch (error) {
          // the gateway refuses a part that is not exact to the cent
          if (!(error instanceof Problem)) throw error;
        }
        expect(parseMoney(sum) <= gross + BigInt(parts.length)).equals(true);
      }),
      { numRuns: 150 },
    );
    expect(compared).greaterThan(50);
  });

  for (const { name, document } of goodSamples().filter(
    (sample) => !sample.document.reverses && sample.document.taxBreakdown === undefined,
  ))
    it(`of every line of ${name} is the whole of it`, () => {
      const parts = document.lines.flatMap((line, place): LinePart[] =>
        line.discount ? [] : [{ line: place + 1 }],
      );
      expect(sumOf(document.lines, parts)).equals(document.totals.gross);
    });
});

describe("the choice of parts of an invoice", () => {
  const wishOf = (...much: (string | undefined)[]): Wish => ({
    how: "lines",
    reason: 2,
    lines: Object.fromEntries(
      much.flatMap((text, place) =>
        text === undefined ? [] : [[String(place), { taken: true, much: text }]],
      ),
    ),
  });
  const bodies: [label: string, wish: Wish, body: object | undefined][] = [
    ["the whole", { how: "whole", reason: 1, gross: "x" }, { reason: 1, whole: true }],
    [
      "an amount",
      { how: "gross", reason: 4, gross: "１，０００．5" },
      { reason: 4, gross: "1000.50" },
    ],
    ["an amount that cannot be read", { how: "gross", reason: 4, gross: "abc" }, undefined],
    ["no amount yet", { how: "gross", reason: 4 }, undefined],
    ["whole lines", wishOf("", undefined, " "), { reason: 2, lines: [{ line: 1 }, { line: 3 }] }],
    [
      "units and an amount",
      wishOf("2.5", undefined, "50"),
      {
        reason: 2,
        lines: [
          { line: 1, quantity: "2.5" },
          { line: 3, amount: "50.00" },
        ],
      },
    ],
    ["a figure that cannot be read, which is not the whole line", wishOf("abc"), undefined],
    ["a negative figure", wishOf("-1"), undefined],
    ["nought", wishOf("0"), undefined],
    ["more than a line has", wishOf(undefined, undefined, "100.01"), undefined],
    ["nothing", { how: "lines", reason: 2 }, { reason: 2, lines: [] }],
    [
      "a line that was ticked and is not any more",
      { how: "lines", reason: 2, lines: { 0: { taken: false, much: "2" }, 2: { taken: true } } },
      { reason: 2, lines: [{ line: 3 }] },
    ],
  ];
  for (const [label, wish, body] of bodies)
    it(`${label}: ${body === undefined ? "makes no request" : JSON.stringify(body)}`, () => {
      expect(bodyOf(wish, lines)).deep.equals(body);
    });

  it("is in no sum while it cannot be read", () => {
    const parts = partsOf(wishOf("", undefined, "abc"), lines);
    expect(parts).equals(undefined);
  });

  it("says of each line what is wrong with it", () => {
    const faults: [place: number, much: string | undefined, fault: string | undefined][] = [
      [0, undefined, undefined],
      [0, "7", undefined],
      [0, "7.00000001", "beyond"],
      [0, "x", "figure"],
      [0, "0.0", "beyond"],
      [2, "100.00", undefined],
      [2, "100.01", "beyond"],
      [2, "1.001", "figure"],
      [3, "20", undefined],
      [9, "1", undefined],
    ];
    for (const [place, much, fault] of faults)
      expect(faultOf(lines, place, much), `${place} ${much}`).equals(fault);
  });

  it("shows a refusal beside the line that it is of, by the order of what is ticked", () => {
    const wish = wishOf("1", undefined, undefined, "5");
    expect(takenOf(wish)).deep.equals(["0", "3"]);
    const places: [pointer: string, place: (string | number)[] | undefined][] = [
      ["/lines/1/amount", ["lines", "3", "much"]],
      ["/lines/0/quantity", ["lines", "0", "much"]],
      ["/lines/2/line", undefined],
      ["/lines", undefined],
      ["/gross", ["gross"]],
      ["/reason", ["reason"]],
      ["/totals/gross", undefined],
      ["", undefined],
    ];
    for (const [pointer, place] of places)
      expect(placeOf(wish, pointer), pointer).deep.equals(place);
  });
});
