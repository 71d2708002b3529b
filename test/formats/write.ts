/**
 * Every document that may be issued: each format either refuses it by name or writes it so that the
 * reader can read it.
 */

import { formats, writtenTypes } from "@onepiao/protocol/formats/formats.ts";
import { readInvoice } from "@onepiao/protocol/formats/read.ts";
import { writeInvoice } from "@onepiao/protocol/formats/write.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { expect } from "chai";
import fc from "fast-check";
import { documents, number } from "./documents.ts";

describe("any document that may be issued", () => {
  for (const type of writtenTypes) {
    it(`is written as ${type} so that it is read with its amounts, or refused by name`, () => {
      let written = 0;
      fc.assert(
        fc.property(documents, (document) => {
          let xml: string;
          try {
            xml = writeInvoice(type, document, {
              number,
              reverses: document.reverses && "26440000000000000041",
            });
          } catch (error) {
            expect(error).to.be.instanceOf(Problem);
            expect((error as Problem).violations.map(({ rule }) => rule)).to.satisfy(
              (rules: string[]) =>
                rules.length > 0 &&
                rules.every((rule) => /^(?:BR-(?:CO-17|O-11|CL-14)|shudian-.*)$/.test(rule)),
            );
            return;
          }
          written++;
          const back = readInvoice(type, Buffer.from(xml)).document;
          const { net, tax, gross } = document.totals;
          expect(back.totals).to.include({ net, tax, gross });
          expect(back.lines.map(({ amount, taxRate }) => [amount, taxRate])).to.deep.equal(
            document.lines.map(({ amount, taxRate }) => [amount, taxRate]),
          );
          expect(back.sourceId).to.equal(document.sourceId ?? number);
          // CII has no time of day
          const [day] = document.issuedAt.split("T");
          const issuedAt = type === formats.cii.mediaType ? `${day}T00:00:00Z` : document.issuedAt;
          expect(Math.trunc(Date.parse(back.issuedAt) / 1000)).to.equal(
            Math.trunc(Date.parse(issuedAt) / 1000),
          );
        }),
        { numRuns: 500 },
      );
      expect(written).to.be.greaterThan(100);
    });
  }
});
