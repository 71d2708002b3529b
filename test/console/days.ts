/** Days and months in China, in a browser whose clock is anywhere. */
import { expect } from "chai";
import dayjs from "dayjs";
import fc from "fast-check";
import {
  chinaDay,
  chinaMidnight,
  chinaMonth,
  clockOf,
  endsOf,
  inOrder,
  isDay,
  isWithin,
  monthsUntil,
  rangeOf,
} from "../../console/src/shared/days.ts";

/** Where browsers are: no clock of theirs shall count. Apia has no 30 December 2011. */
const zones = [
  "Asia/Shanghai",
  "UTC",
  "America/Los_Angeles",
  "Pacific/Apia",
  "America/Sao_Paulo",
  "Pacific/Kiritimati",
];
const moments = fc.integer({ min: Date.UTC(2000, 0, 1), max: Date.UTC(2099, 11, 31) });
const days = moments.map((at) => new Date(at).toISOString().slice(0, 10));

for (const zone of zones)
  describe(`days in China, by a browser in ${zone}`, () => {
    let before: string | undefined;
    beforeEach(() => {
      before = process.env["TZ"];
      process.env["TZ"] = zone;
    });
    afterEach(() => {
      if (before === undefined) delete process.env["TZ"];
      else process.env["TZ"] = before;
    });

    const edges: [moment: string, day: string][] = [
      ["2025-12-31T15:59:59Z", "2025-12-31"],
      ["2025-12-31T16:00:00Z", "2026-01-01"],
      ["2026-01-01T00:00:00+08:00", "2026-01-01"],
      ["2028-02-28T16:00:00Z", "2028-02-29"],
      ["2028-02-29T16:00:00Z", "2028-03-01"],
      ["2026-02-28T16:00:00Z", "2026-03-01"],
    ];
    it("begin at midnight in China, at the edges of years and leap days too", () => {
      for (const [moment, day] of edges) {
        expect(chinaDay(Date.parse(moment)), moment).equals(day);
        expect(chinaMonth(Date.parse(moment)), moment).equals(day.slice(0, 7));
        expect(Date.parse(chinaMidnight(Date.parse(moment))), moment).equals(
          Date.parse(`${day}T00:00:00+08:00`),
        );
      }
    });

    it("hold every moment between their midnight and the next one", () => {
      fc.assert(
        fc.property(moments, (at) => {
          const day = chinaDay(at);
          const { from = "", to = "" } = rangeOf({ from: day, to: day });
          expect(Date.parse(from))
            .equals(Date.parse(chinaMidnight(at)))
            .most(at);
          expect(Date.parse(to))
            .greaterThan(at)
            .equals(Date.parse(from) + 86_400_000);
          const moment = new Date(at).toISOString();
          expect([
            isWithin({ from: day, to: day }, moment),
            isWithin({}, moment),
            isWithin({ from: chinaDay(at + 86_400_000) }, moment),
          ]).deep.equals([true, true, false]);
          expect(isWithin({ to: chinaDay(at - 86_400_000) }, moment)).equals(false);
        }),
      );
    });

    it("are what a picker shows, whichever was picked first", () => {
      expect(endsOf([dayjs("2026-02-28"), dayjs("2026-01-31")])).deep.equals({
        from: "2026-01-31",
        to: "2026-02-28",
      });
      expect(endsOf([dayjs("2026-02-28"), null])).deep.equals({
        from: "2026-02-28",
        to: undefined,
      });
      expect(endsOf([null, dayjs("2026-02-28")])).deep.equals({
        from: undefined,
        to: "2026-02-28",
      });
      for (const noRange of [null, undefined, [null, null] as const])
        expect(endsOf(noRange)).deep.equals({ from: undefined, to: undefined });
    });

    it("are days of the calendar", () => {
      for (const day of [
        "2026-01-01",
        "2028-02-29",
        "2000-02-29",
        "2011-12-30",
        "2026-12-31",
        "2999-12-31",
      ])
        expect(isDay(day), day).equals(true);
      for (const text of [
        "",
        "2026-02-29",
        "1900-02-29",
        "2026-02-30",
        "2026-13-01",
        "2026-00-10",
        "2026-01-00",
        "2026-1-1",
        "20260101",
        "0050-01-01",
        "9999-12-31",
        "２０２６-01-01",
        " 2026-01-01",
        "2026-01-01T00:00:00Z",
      ])
        expect(isDay(text), text).equals(false);
      fc.assert(
        fc.property(days, (day) => {
          expect(isDay(day)).equals(true);
        }),
      );
    });

    it("of a range end before the next one, over a leap day and over New Year", () => {
      expect(rangeOf({ from: "2028-02-28", to: "2028-02-28" })).deep.equals({
        from: "2028-02-28T00:00:00+08:00",
        to: "2028-02-29T00:00:00+08:00",
      });
      expect(rangeOf({ to: "2028-02-29" })).deep.equals({
        from: undefined,
        to: "2028-03-01T00:00:00+08:00",
      });
      expect(rangeOf({ to: "2026-12-31" }).to).equals("2027-01-01T00:00:00+08:00");
      expect(rangeOf({ to: "2011-12-29" }).to).equals("2011-12-30T00:00:00+08:00");
      expect(rangeOf({})).deep.equals({ from: undefined, to: undefined });
    });
  });

describe("a range of days", () => {
  it("stands in order, and one that has one end only stays", () => {
    fc.assert(
      fc.property(days, days, (from, to) => {
        const { from: first = "", to: last = "" } = inOrder({ from, to });
        expect(first <= last && [from, to].includes(first) && [from, to].includes(last)).equals(
          true,
        );
        expect(inOrder({ from: first, to: last })).deep.equals({ from: first, to: last });
      }),
    );
    expect([inOrder({ from: "2026-01-01" }), inOrder({ to: "2026-01-01" })]).deep.equals([
      { from: "2026-01-01", to: undefined },
      { from: undefined, to: "2026-01-01" },
    ]);
  });
});

describe("months, the latest first", () => {
  it("go back over New Year", () => {
    expect(monthsUntil("2026-02", 4)).deep.equals(["2026-02", "2026-01", "2025-12", "2025-11"]);
    expect(monthsUntil("2026-12", 2)).deep.equals(["2026-12", "2026-11"]);
    expect(monthsUntil("2026-01", 0)).deep.equals([]);
  });

  it("are as many as are wanted, each once, a year's twelve before the same month", () => {
    fc.assert(
      fc.property(moments, fc.integer({ min: 13, max: 40 }), (at, count) => {
        const month = chinaMonth(at);
        const months = monthsUntil(month, count);
        expect(months).to.have.length(count);
        expect([...new Set(months)].sort().reverse()).deep.equals(months);
        expect(months[0]).equals(month);
        expect(months[12]).equals(`${Number(month.slice(0, 4)) - 1}${month.slice(4)}`);
      }),
    );
  });
});

describe("a moment that is written on an invoice", () => {
  it("is shown as the clock there showed it", () => {
    const written: [at: string, clock: string][] = [
      ["2026-11-03T00:30:00+08:00", "2026-11-03T00:30:00"],
      ["2026-11-02T23:30:00-05:00", "2026-11-02T23:30:00"],
      ["2026-11-03T00:00:00Z", "2026-11-03T00:00:00"],
      ["2026-11-03T00:00:00.5Z", "2026-11-03T00:00:00.5"],
      ["2026-11-03", "2026-11-03"],
    ];
    for (const [at, clock] of written) {
      expect(clockOf(at)).equals(clock);
      expect(dayjs(clockOf(at)).format("YYYY-MM-DD")).equals(at.slice(0, 10));
    }
  });
});
