/** The figures that the bureau's dashboard draws, computed from the statistics. */

import { trades as known } from "@onepiao/protocol/formats/trade.ts";
import { regionOf } from "@onepiao/protocol/values/tax-id.ts";
import { expect } from "chai";
import fc from "fast-check";
import {
  amountOf,
  type Bucket,
  currenciesOf,
  entriesOf,
  type FlowNames,
  type Grain,
  heightOf,
  labelOf,
  linksOf,
  type Refusal,
  rowsOf,
  slicesOf,
} from "../../console/src/areas/bureau/figures.ts";
import { forms, nameIn, regions, trades } from "../../console/src/areas/bureau/name-tables.ts";

const steps = { minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const;
const bucket = (start: string, invoices = 1) =>
  ({ start, invoices, lots: 1, amounts: [], acts: {} }) as unknown as Bucket;

describe("amounts of the statistics", () => {
  const sums = {
    amounts: [
      { currency: "USD", gross: "5.00", tax: "0.00" },
      { currency: "CNY", gross: "-1130.50", tax: "-130.00" },
    ],
  } as Parameters<typeof amountOf>[0];

  it("are of one currency, and nought where there is none", () => {
    expect([
      amountOf(sums, "CNY"),
      amountOf(sums, "CNY", "tax"),
      amountOf(sums, "EUR"),
      amountOf(undefined, "CNY"),
    ]).deep.equals(["-1130.50", "-130.00", "0.00", "0.00"]);
    expect([heightOf(sums, "CNY"), heightOf(undefined, "CNY")]).deep.equals([-1130.5, 0]);
  });

  it("are in the currencies that there are, each once, the usual one first", () => {
    expect([
      currenciesOf(sums),
      currenciesOf(undefined),
      currenciesOf({ amounts: [] }),
    ]).deep.equals([["CNY", "USD"], ["CNY"], ["CNY"]]);
  });
});

describe("buckets of time", () => {
  it("are all of the range, also those in which nothing happened", () => {
    const from = "2025-12-30T16:00:00.000Z";
    const rows = rowsOf("day", {
      from,
      to: "2026-01-02T16:00:00.000Z",
      buckets: [bucket("2025-12-31T16:00:00.000Z", 7)],
    });
    expect(
      rows.map(({ at, bucket: counted }) => [labelOf("day", at), counted?.invoices ?? 0]),
    ).deep.equals([
      ["12-31", 0],
      ["1-1", 7],
      ["1-2", 0],
    ]);
  });

  it("do not exist for a range that has no length, or cannot be read", () => {
    const at = "2026-01-01T00:00:00Z";
    expect(rowsOf("minute", { from: at, to: at, buckets: [] })).deep.equals([]);
    expect(rowsOf("minute", { from: "soon", to: at, buckets: [] })).deep.equals([]);
    expect(rowsOf("minute", { from: at, to: "2025-01-01T00:00:00Z", buckets: [] })).deep.equals([]);
  });

  it("lose none that was counted, and stand a step apart", () => {
    const grains = fc.constantFrom<Grain>("minute", "hour", "day");
    fc.assert(
      fc.property(
        grains,
        fc.integer({ min: 0, max: 400_000 }),
        fc.uniqueArray(fc.nat({ max: 99 })),
        (grain, first, places) => {
          const start = Date.UTC(2000, 0, 1) + first * steps[grain];
          const text = (place: number) => new Date(start + place * steps[grain]).toISOString();
          const rows = rowsOf(grain, {
            from: text(0),
            to: text(100),
            buckets: places.map((place) => bucket(text(place), place + 1)),
          });
          expect(rows).to.have.length(100);
          for (const [index, row] of rows.entries()) {
            expect(row.at).equals(start + index * steps[grain]);
            expect(row.bucket?.invoices).equals(places.includes(index) ? index + 1 : undefined);
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  for (const [zone, hour] of [
    ["Asia/Shanghai", "1-1 00:00"],
    ["UTC", "12-31 16:00"],
    ["America/Los_Angeles", "12-31 08:00"],
  ])
    it(`in ${zone} are called by China's day, and by the hour of the clock there`, () => {
      const before = process.env["TZ"];
      process.env["TZ"] = zone;
      try {
        const at = Date.parse("2025-12-31T16:00:00Z");
        expect([labelOf("day", at), labelOf("hour", at), labelOf("minute", at)]).deep.equals([
          "1-1",
          hour,
          hour?.slice(-5),
        ]);
        expect(labelOf("day", Date.parse("2028-02-28T16:00:00Z"))).equals("2-29");
      } finally {
        if (before === undefined) delete process.env["TZ"];
        else process.env["TZ"] = before;
      }
    });
});

describe("slices of the whole", () => {
  const part = (height: number) => ({ name: `n${height}`, height, text: `t${height}` });
  it("are the greatest parts and the rest as one; what is nothing, or less, is not drawn", () => {
    expect(
      slicesOf([part(1), part(3), part(0), part(-5), part(2)], 2, (count) => `${count} more`),
    ).deep.equals([
      { name: "n3", value: 3, text: "t3" },
      { name: "n2", value: 2, text: "t2" },
      { name: "1 more", value: 1, text: "" },
    ]);
    expect(slicesOf([part(1), part(2)], 2, () => "rest").map(({ name }) => name)).deep.equals([
      "n2",
      "n1",
    ]);
    expect(slicesOf([], 2, () => "rest")).deep.equals([]);
  });
  it("are the whole together", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -100, max: 1_000 })),
        fc.integer({ min: 1, max: 9 }),
        (heights, most) => {
          const slices = slicesOf(heights.map(part), most, String);
          expect(slices.length).most(most + 1);
          expect(slices.reduce((sum, { value }) => sum + value, 0)).equals(
            heights.reduce((sum, height) => sum + Math.max(0, height), 0),
          );
        },
      ),
    );
  });
});

describe("the flow of invoices", () => {
  const names = Object.fromEntries(
    [
      "issued",
      "admitted",
      "claimed",
      "reimbursed",
      "returned",
      "reversed",
      "waiting",
      "unclaimed",
    ].map((name) => [name, name]),
  ) as FlowNames;
  const noActs = {
    issued: 0,
    admitted: 0,
    claimed: 0,
    reimbursed: 0,
    rejected: 0,
    withdrawn: 0,
    reversed: 0,
    "reversed-claimed": 0,
    "reversed-reimbursed": 0,
  };
  const flow = (acts: Partial<typeof noActs>) =>
    linksOf({ ...noActs, ...acts } as Parameters<typeof linksOf>[0], names).map(
      ({ source, target, value }) => `${source} ${target} ${value}`,
    );

  it("has no link where nothing flows", () => {
    expect(flow({})).deep.equals([]);
  });
  it("goes from issued through claimed to what became of it, and what is left over waits", () => {
    expect(
      flow({
        issued: 10,
        claimed: 6,
        admitted: 1,
        reimbursed: 3,
        rejected: 1,
        withdrawn: 1,
        reversed: 2,
        "reversed-claimed": 1,
        "reversed-reimbursed": 1,
      }),
    ).deep.equals([
      "issued claimed 6",
      "admitted claimed 1",
      "claimed reimbursed 3",
      "claimed returned 2",
      "claimed reversed 1",
      "issued reversed 2",
      "reimbursed reversed 1",
      "claimed waiting 1",
      "issued unclaimed 2",
    ]);
  });
  it("does not issue one twice that was returned and claimed again", () => {
    expect(flow({ issued: 1, claimed: 2, rejected: 1, reimbursed: 1 })).deep.equals([
      "issued claimed 1",
      "claimed reimbursed 1",
      "claimed returned 1",
    ]);
  });
  it("is never less than nothing, also when what is decided is from before", () => {
    const counts = fc.record(
      Object.fromEntries(Object.keys(noActs).map((name) => [name, fc.nat({ max: 20 })])) as Record<
        keyof typeof noActs,
        fc.Arbitrary<number>
      >,
    );
    fc.assert(
      fc.property(counts, (acts) => {
        for (const { value, source, target } of linksOf(
          acts as Parameters<typeof linksOf>[0],
          names,
        )) {
          expect(value).greaterThan(0);
          expect(source).not.equals(target);
        }
      }),
    );
  });
});

describe("refused attempts", () => {
  const attempt = (number: string, by: string, more: Partial<Refusal> = {}) =>
    ({ number, by, attempt: "claim", position: "1", ...more }) as Refusal;
  it("are one entry when the same is tried over and over without a break", () => {
    const items = [
      attempt("1", "a"),
      attempt("1", "a"),
      attempt("2", "a"),
      attempt("1", "a"),
      attempt("1", "b"),
      attempt("1", "b", { attempt: "reimburse" }),
    ];
    expect(entriesOf(items).map(({ number, by, times }) => `${number}${by}${times}`)).deep.equals([
      "1a2",
      "2a1",
      "1a1",
      "1b1",
      "1b1",
    ]);
    expect(entriesOf([])).deep.equals([]);
  });
  it("of two employers are two, and of none that is known one", () => {
    const employer = (index: number) => ({ employer: { index } }) as Partial<Refusal>;
    expect(
      entriesOf([attempt("1", "a", employer(1)), attempt("1", "a", employer(2))]),
    ).to.have.length(2);
    expect(entriesOf([attempt("1", "a"), attempt("1", "a")])).to.have.length(1);
  });
  it("are all counted, and the list that came is left as it was", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom("1", "2"), fc.constantFrom("a", "b"))),
        (pairs) => {
          const items = pairs.map(([number, by]) => attempt(number, by));
          const copy = structuredClone(items);
          expect(entriesOf(items).reduce((sum, { times }) => sum + times, 0)).equals(items.length);
          expect(items).deep.equals(copy);
        },
      ),
    );
  });
});

describe("names of codes", () => {
  it("are in both languages, each of them its own", () => {
    for (const table of [regions, trades])
      for (const column of [0, 1] as const) {
        const names = Object.values(table).map((pair) => pair[column]);
        expect(new Set(names).size).equals(names.length);
        expect(names.every((name) => name.trim() !== "")).equals(true);
      }
    for (const table of [regions, trades, forms])
      for (const code of Object.keys(table))
        expect([nameIn("zh-CN", table, code), nameIn("en-US", table, code)]).deep.equals(
          table[code as keyof typeof table],
        );
  });
  it("are the codes themselves where there is no name", () => {
    for (const code of ["99", "", "constructor", "__proto__", "toString"])
      expect(nameIn("zh-CN", regions, code), code).equals(code);
  });
  it("are there for every trade that the gateway counts, and for its regions", () => {
    expect(Object.keys(trades).sort()).deep.equals([...known].sort());
    expect(regions[regionOf("91440305MA4JURQ28R")]).deep.equals(["广东", "Guangdong"]);
    expect(regions[regionOf("DE123456789")]).deep.equals(["境外", "Abroad"]);
  });
});
