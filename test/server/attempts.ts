/** Counting tries in bounded memory: the count is never too low, and each window begins at zero. */
import { expect } from "chai";
import { createAttempts } from "../../server/kernel/attempts.ts";

describe("counted attempts", () => {
  it("after the limit a key is closed until its window ends, and other keys are open", () => {
    let time = 1_000_000;
    const attempts = createAttempts({ limit: 3, windowMs: 60_000, now: () => time });
    for (let i = 0; i < 3; i++) expect(attempts.take("one")).equals(0);
    const wait = attempts.take("one");
    expect(wait).greaterThan(0).and.at.most(60);
    expect(attempts.take("other")).equals(0);
    time += wait * 1_000;
    expect(attempts.take("one")).equals(0);
  });

  it("a returned try does not count", () => {
    const attempts = createAttempts({ limit: 1, windowMs: 60_000, now: () => 0 });
    for (let i = 0; i < 100; i++) {
      expect(attempts.take("one")).equals(0);
      attempts.giveBack("one");
    }
    expect(attempts.take("one")).equals(0);
    expect(attempts.take("one")).greaterThan(0);
  });

  it("with any number of keys, no key gets more tries", () => {
    const attempts = createAttempts({ limit: 2, windowMs: 60_000, now: () => 0 });
    for (let i = 0; i < 2; i++) attempts.take("one");
    for (let i = 0; i < 50_000; i++) attempts.take(`other ${i}`);
    expect(attempts.take("one")).greaterThan(0);
  });
});
