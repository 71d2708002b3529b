/** The caches that an event makes stale, how the stream resumes, and which sheets are open. */
import { expect } from "chai";
import fc from "fast-check";
import { namesIn, questionsOf } from "../../console/src/areas/employer/questions.ts";
import { isOpenSheet } from "../../console/src/shared/sheets.ts";
import { eventTypes, streamAfter, waitBefore } from "../../console/src/shared/stream.ts";

const number = "26442000000000000001";
const external = `0x9d${"0".repeat(62)}`;

describe("an event", () => {
  it("names the invoices that it is about, or none", () => {
    expect([
      namesIn({ number }),
      namesIn({ external }),
      namesIn({ number, external }),
      namesIn({}),
    ]).deep.equals([[number], [external], [number, external], []]);
  });

  it("makes the lists old, and of invoices those alone that it names", () => {
    const lists = questionsOf([]);
    expect(lists).deep.equals([
      ["claims"],
      ["claim"],
      ["externals"],
      ["external-credits"],
      ["external-overpaid"],
      ["invoices"],
      ["entries"],
      ["red-letters"],
    ]);
    expect(questionsOf([number]).slice(lists.length)).deep.equals([
      ["invoice", number],
      ["history", number],
      ["external", number],
      ["entry", number],
    ]);
  });

  it("is asked about once, however often it names the same: a busy employer has a rate to keep", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(number, external, "x")), (names) => {
        const questions = questionsOf(names).map((key) => key.join(" "));
        expect(new Set(questions).size).equals(questions.length);
        expect(questions.length).equals(8 + 4 * new Set(names).size);
      }),
    );
  });
});

describe("the stream of events", () => {
  it("goes on behind the last event, and begins with what comes now", () => {
    expect([streamAfter(""), streamAfter("12:3")]).deep.equals([
      "/v1/events/stream",
      "/v1/events/stream?after=12%3A3",
    ]);
    expect(new URL(streamAfter("a&b=c #d"), "http://x").searchParams.get("after")).equals(
      "a&b=c #d",
    );
  });
  it("is tried again after half a second, then ever later, but never after more than fifteen", () => {
    expect([0, 1, 2, 3, 4, 5, 6, 1_000].map(waitBefore)).deep.equals([
      500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000,
    ]);
  });
  it("is listened to for every type once", () => {
    expect(new Set(eventTypes).size).equals(eventTypes.length).greaterThan(20);
    expect(eventTypes.filter((type) => !/^[a-z-]+\.[a-z-]+$/.test(type))).deep.equals([]);
  });
});

describe("a sheet of a red letter", () => {
  const sheets: [status: string, number: string | undefined, open: boolean][] = [
    ["01", undefined, true],
    ["02", undefined, true],
    ["03", undefined, true],
    ["04", undefined, true],
    ["04", number, false],
    ["05", undefined, false],
    ["09", undefined, false],
    ["10", undefined, false],
    ["1", undefined, false],
    ["", undefined, false],
  ];
  for (const [status, issued, open] of sheets)
    it(`with the status ${status || "none"}${issued ? " and a number" : ""} is ${open ? "open" : "over"}`, () => {
      expect(isOpenSheet({ status, ...(issued ? { number: issued } : {}) })).equals(open);
    });
});
