/** Ids of invoices issued elsewhere: every gateway computes the same ids. */

import {
  externalHex,
  externalId,
  idsNamed,
  idsOf,
  isExternal,
  ledgerNumber,
  nameOf,
} from "@onepiao/protocol/ledger/external.ts";
import { externalIdSchema } from "@onepiao/protocol/values/shapes.ts";
import { expect } from "chai";
import { keccak256, toUtf8Bytes } from "ethers";

describe("the id of an invoice issued elsewhere", () => {
  const number = "26532000000000700006";
  const seller = { name: "店", taxId: "91530102MARJT2FQ8E" };
  const original = { number, day: "2026-11-03", currency: "CNY", seller };

  it("is the top bit and 255 bits of the hash over its key", () => {
    const hash = BigInt(keccak256(toUtf8Bytes(`onepiao/external\0cn\0${number}`)));
    expect(idsOf(original).map(BigInt)).deep.equals([(1n << 255n) + hash / 2n]);
    // fixed values, so that gateways of all versions give an invoice the same id
    expect(idsOf(original).map(externalHex)).deep.equals([
      "0xbd30bc23984b4845cb84d36f9c3c68d9df006cc72d3dba07614835aae6753534",
    ]);
    const abroad = {
      number: "Rechnung Nr. 2026/0007",
      day: "2026-11-03",
      currency: "EUR",
      seller: { name: "Muster", taxId: "DE123456789", country: "DE" },
    };
    expect(idsOf(abroad)).deep.equals([externalId("seller\0DE:123456789\x002026\x002026-7")]);
    expect(idsOf(abroad).map(externalHex)).deep.equals([
      "0xaf56ad4149f6ea9abe88c261b5fca6db7374ff1d98f9ecad09dbccc9e595b5b9",
    ]);
  });

  it("is not a number of this network, and has a single external form", () => {
    const [id] = idsOf(original) as [string];
    expect([isExternal(id), isExternal(number)]).deep.equals([true, false]);
    expect([ledgerNumber(nameOf(id)), nameOf(number), ledgerNumber(number)]).deep.equals([
      id,
      number,
      number,
    ]);
    expect(externalIdSchema.safeParse(nameOf(id)).success).equals(true);
  });

  it("is found by seller and number without the year of issue", () => {
    const old = { ...original, number: "RE-7", day: "2019-01-02" };
    const years: [number, number] = [2000, 2027];
    expect(idsNamed(seller.taxId, "re 007", years)).includes.members(idsOf(old));
    expect(idsNamed(seller.taxId, number, years)).deep.equals(idsOf(original));
    expect(idsOf({ ...original, number: "№" })).deep.equals(idsOf({ ...original, number: "No" }));
    expect(idsOf({ ...original, number: "--" })).deep.equals([]);
  });
});
