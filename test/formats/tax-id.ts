import {
  divisionOf,
  isChineseTaxId,
  isTaxId,
  normaliseTaxId,
  regionOf,
} from "@onepiao/protocol/values/tax-id.ts";
import { expect } from "chai";
import fc from "fast-check";

const valid = [
  "91440305MA4JURQ28R",
  "91440300MAJU6XYHXC",
  "91330106MAYUYU122U",
  "123300004700123450",
  "91310115MA7JH4BXKD",
  "91110108MANEXPNPTJ",
];
const alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY";

describe("a tax id", () => {
  it("of GB 32100-2015 is valid with its check digit, also when that is 0", () => {
    for (const id of valid) expect(isChineseTaxId(id), id).to.equal(true);
  });
  it("of GB 32100-2015 is invalid after any single wrong character", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...valid),
        fc.integer({ min: 0, max: 17 }),
        fc.constantFrom(...alphabet),
        (id, at, sign) => {
          const wrong = id.slice(0, at) + sign + id.slice(at + 1);
          return wrong === id || !isChineseTaxId(wrong);
        },
      ),
      { numRuns: 500 },
    );
  });
  it("from abroad is a country code and two to 28 capital letters or digits", () => {
    for (const id of ["DE123456789", "ATU123456789", "DE12", "DE1234567890"])
      expect(isTaxId(id), id).to.equal(true);
    for (const id of [
      "DE1",
      "D1234567",
      "de123456789",
      "DE 123456789",
      "DE-1234",
      `DE${"1".repeat(29)}`,
      "123456789",
      "",
      "440300123456789",
    ])
      expect(isTaxId(id), id).to.equal(false);
  });
  it("has one written form", () => {
    expect(normaliseTaxId("DE 123456789")).to.equal("DE123456789");
    expect(normaliseTaxId("12/345/67890", "DE")).to.equal("DE1234567890");
    expect(normaliseTaxId("ATU123456789", "DE")).to.equal("ATU123456789");
    expect(normaliseTaxId("B12345674", "ES")).to.equal("ESB12345674");
    expect(normaliseTaxId("EL 094259216", "GR")).to.equal("EL094259216");
    expect(normaliseTaxId("cn91440305ma4jurq28r", "DE")).to.equal("91440305MA4JURQ28R");
    expect(normaliseTaxId("91440305MA4JURQ28R", "DE")).to.equal("91440305MA4JURQ28R");
  });
  it("says the division of its registration, if it is Chinese", () => {
    expect(divisionOf("91440305MA4JURQ28R")).to.equal("440305");
    expect(divisionOf("440300123456789")).to.equal("440300");
    expect(divisionOf("44030019900101001600")).to.equal("440300");
    expect(divisionOf("DE123456789")).to.equal(undefined);
  });
  it("says the seller's region, 90 for a foreign one", () => {
    expect(regionOf("91440305MA4JURQ28R")).to.equal("44");
    expect(regionOf("123300004700123450")).to.equal("33");
    expect(regionOf("DE123456789")).to.equal("90");
  });
});
