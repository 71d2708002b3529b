/** Keys of near duplicates: equal for what may be one purchase, and only for that. */
import type { Stated } from "@onepiao/protocol/ledger/identity.ts";
import { nearKeys } from "@onepiao/protocol/ledger/near.ts";
import { expect } from "chai";
import fc from "fast-check";

const stated = (more: Partial<Stated> & { name?: string } = {}): Stated => ({
  seller: { name: more.name ?? "Muster Handel GmbH & Co. KG" },
  days: ["2026-11-03"],
  currency: "EUR",
  gross: "119.00",
  ...more,
});
const keys = (document: Stated, buyer = "Empfänger AG") =>
  nearKeys(document, buyer).map(({ key }) => key);
const same = (a: readonly string[], b: readonly string[]) => a.filter((key) => b.includes(key));

describe("keys of near duplicates", () => {
  it("one for each name and day", () => {
    const made = nearKeys(stated({ days: ["2026-11-03", "2026-11-02", "2026-11-03"] }), "X AG");
    expect(made.map(({ same, day }) => [same, day])).deep.equals([
      ["seller", "2026-11-03"],
      ["buyer", "2026-11-03"],
      ["seller", "2026-11-02"],
      ["buyer", "2026-11-02"],
    ]);
    expect(new Set(made.map(({ key }) => key)).size).equals(4);
  });

  it("names are compared without case, signs, width and look-alike letters", () => {
    for (const name of [
      "MUSTER HANDEL GMBH & CO KG",
      "Muster-Handel GmbH&Co.KG",
      "Ｍuster Handel GmbH & Co. KG",
      "Mus\u0442er H\u0430ndel GmbH & C\u043e. KG",
    ])
      expect(same(keys(stated({ name })), keys(stated())).length, name).equals(2);
    expect(keys(stated({ name: "深圳（前海）某某公司" }))[0]).equals(
      keys(stated({ name: "深圳(前海) 某某公司" }))[0],
    );
  });

  it("another day, currency, amount, or other names are another purchase", () => {
    for (const other of [{ days: ["2026-11-04"] }, { currency: "USD" }, { gross: "119.01" }])
      expect(same(keys(stated(other)), keys(stated())), JSON.stringify(other)).deep.equals([]);
    expect(same(keys(stated({ name: "Other" }), "Another"), keys(stated()))).deep.equals([]);
    // a seller's name is not a buyer's
    expect(same(keys(stated({ name: "X" }), "Y"), keys(stated({ name: "Y" }), "X"))).deep.equals(
      [],
    );
  });

  it("a buyer that is nobody in particular has no key; what takes money back, or is free, none at all", () => {
    for (const buyer of ["个人", "（个人）", "消费者", "Cash customer", "PRIVATPERSON", "", "—"])
      expect(
        nearKeys(stated(), buyer).map(({ same }) => same),
        buyer,
      ).deep.equals(["seller"]);
    expect(nearKeys(stated({ name: "· —" }), "Y").map(({ same }) => same)).deep.equals(["buyer"]);
    for (const gross of ["-119.00", "0.00", "-0.01", "0"])
      expect(nearKeys(stated({ gross }), "Y"), gross).deep.equals([]);
  });

  it("no text moves from one member of a key to another", () => {
    const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(name, name, fc.boolean(), (seller, buyer, swapped) => {
        const [a, b] = swapped ? [buyer, seller] : [seller, buyer];
        for (const key of keys(stated({ name: a }), b))
          expect(key.split("\0").length, JSON.stringify(key)).equals(5);
      }),
    );
  });
});
