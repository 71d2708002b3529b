import { foldName, sameName } from "@onepiao/protocol/values/names.ts";
import { expect } from "chai";
import fc from "fast-check";

describe("a name", () => {
  it("is the same one in full-width and in ASCII signs, with blanks and without, in capitals or not", () => {
    for (const [a, b] of [
      ["远航（深圳）科技有限公司", "远航(深圳)科技有限公司"],
      ["ＡＢＣ有限公司", "abc有限公司"],
      ["远航 科技\u3000有限公司", "远航科技有限公司"],
      ["Müller Maschinenbau GmbH", "MÜLLER  Maschinenbau\u00a0GmbH "],
      ["Mu\u0308ller", "Müller"],
      ["Strauß", "STRAUSS"],
    ] as const)
      expect(sameName(a, b), `${a} / ${b}`).to.equal(true);
  });
  it("is another one when a letter differs, or only looks alike", () => {
    for (const [a, b] of [
      ["远航科技有限公司", "运航科技有限公司"],
      ["远航科技", "远航科技有限公司"],
      ["Alpha", "\u0410lpha"],
      ["Müller", "Muller"],
    ] as const)
      expect(sameName(a, b), `${a} / ${b}`).to.equal(false);
  });
  it("folds to a form that folding does not change", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }),
        (name) => foldName(foldName(name)) === foldName(name),
      ),
      { numRuns: 500 },
    );
  });
});
