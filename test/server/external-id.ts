/** Ids of invoices issued elsewhere: every gateway computes the same id. */

import {
  externalHex,
  externalId,
  isExternal,
  ledgerNumber,
  nameOf,
  originalNumber,
} from "@onepiao/protocol/ledger/external.ts";
import { externalIdSchema } from "@onepiao/protocol/values/shapes.ts";
import { expect } from "chai";
import { keccak256, toUtf8Bytes } from "ethers";

describe("the id of an invoice issued elsewhere", () => {
  const [taxId, number] = ["91530102MARJT2FQ8E", "26532000000000700006"];

  it("is the top bit and 255 bits of the hash over seller and number", () => {
    const hash = BigInt(keccak256(toUtf8Bytes(`onepiao/external\0${taxId}\0${number}`)));
    expect(BigInt(externalId(taxId, number))).equals((1n << 255n) + hash / 2n);
    // a fixed value, so that gateways of all versions give an invoice the same id
    expect(externalHex(externalId(taxId, number))).equals(
      "0xa2aa40ef6a761eb5294db0c915af02bd1c1492e364031b8e1542a2e5eb620cb9",
    );
  });

  it("is not a number of this network, and has a single external form", () => {
    const id = externalId(taxId, number);
    expect([isExternal(id), isExternal(number)]).deep.equals([true, false]);
    expect([ledgerNumber(nameOf(id)), nameOf(number), ledgerNumber(number)]).deep.equals([
      id,
      number,
      number,
    ]);
    expect(externalIdSchema.safeParse(nameOf(id)).success).equals(true);
  });

  it("does not depend on the notation of the number, but on everything else", () => {
    for (const written of [
      ` ${number} `,
      "2653 2000 0000 0070 0006",
      "２６５３２０００００００００７００００６",
      `${number}\u200b`,
      `\ufeff${number}\n`,
    ])
      expect(externalId(taxId, written), written).equals(externalId(taxId, number));
    expect(originalNumber("inv-7/a")).equals("INV-7/A");
    const ids = [
      externalId(taxId, number),
      externalId(taxId, "26532000000000700007"),
      externalId("91530100MA7DEMX01J", number),
      externalId(`${taxId}2`, "1"),
    ];
    expect(new Set([...ids, externalId(taxId, "21")]).size).equals(5);
  });
});
