/** Whatever document may be issued: in each format it is either refused by name or written so that it is read again. */
import { expect } from "chai";
import fc from "fast-check";
import type { InvoiceDocument } from "../../server/formats/document.ts";
import { readInvoice } from "../../server/formats/read.ts";
import { checkDocument } from "../../server/formats/rules.ts";
import { writeInvoice, writtenTypes } from "../../server/formats/write.ts";
import { amountTimesRate, formatMoney } from "../../server/kernel/money.ts";
import { Problem } from "../../server/kernel/problems.ts";

const number = "26440000000000000042";
const rates = fc.constantFrom("0.13", "0.09", "0.06", "0.03", "0.015", "0", "免税", "不征税");
const optional = <T>(member: fc.Arbitrary<T>) => fc.option(member, { nil: undefined });
const item = fc.record({
  quantity: optional(fc.integer({ min: 1, max: 40 })),
  price: fc.integer({ min: 0, max: 500_000 }),
  rate: rates,
  off: fc.integer({ min: 0, max: 100 }),
  unit: optional(fc.constantFrom("箱", "千克", "HUR", "kg", "C62")),
  category: fc.boolean(),
});
const plain = <T extends object>(members: T) => JSON.parse(JSON.stringify(members)) as T;

const documents = fc
  .record({
    items: fc.array(item, { minLength: 1, maxLength: 6 }),
    red: fc.boolean(),
    byNumber: fc.boolean(),
    uniform: fc.boolean(),
    sourceId: optional(fc.constantFrom("A-1", "26110000000000000001", "<x>")),
    issuedAt: fc.constantFrom("2026-11-03T00:00:00Z", "2026-11-03T12:31:07+08:00", "2026-01-01T00:00:00.5-11:30"),
    titled: fc.boolean(),
    country: optional(fc.constantFrom("CN", "DE")),
    bank: optional(fc.constant("6222 0000 1111")),
  })
  .map(({ items, red, byNumber, uniform, sourceId, issuedAt, titled, country, bank }) => {
    const sign = red ? -1n : 1n;
    const lines: InvoiceDocument["lines"] = [];
    let [net, tax] = [0n, 0n];
    for (const { quantity, price, rate: own, off, unit, category } of items) {
      const rate = uniform ? (items[0]?.rate ?? own) : own;
      const put = (cents: bigint, more: object) => {
        const lineTax = amountTimesRate(cents, /\d/.test(rate) ? rate : "0");
        net += cents;
        tax += lineTax;
        lines.push(
          plain({ name: "*商品*货", amount: formatMoney(cents), taxRate: rate, tax: formatMoney(lineTax), ...more }) as InvoiceDocument["lines"][number],
        );
      };
      const amount = sign * BigInt(price) * BigInt(quantity ?? 1);
      const priced = quantity === undefined ? {} : { quantity: String(sign * BigInt(quantity)), unitPrice: formatMoney(BigInt(price)) };
      put(amount, { ...priced, unit, taxCategory: category && /[1-9]/.test(rate) ? "S" : undefined });
      const discount = (amount * BigInt(off)) / 100n;
      if (off < 50 && discount !== 0n) put(-discount, {});
    }
    return plain({
      kind: "ordinary",
      issuedAt,
      currency: "CNY",
      seller: { taxId: "91110105MA793PCF4Y", name: "北京文具之家商贸有限公司", country, bankAccount: bank, phone: bank },
      buyer: { taxId: titled ? "91440300MAJU6XYHXC" : undefined, name: "买方", country },
      lines,
      totals: { net: formatMoney(net), tax: formatMoney(tax), gross: formatMoney(net + tax) },
      sourceId,
      reverses: red ? (byNumber ? { number: "26440000000000000041" } : { sourceId: "A-0" }) : undefined,
    }) as InvoiceDocument;
  })
  .filter((document) => checkDocument(document, "json").length === 0);

describe("any document that may be issued", () => {
  for (const type of writtenTypes) {
    it(`is written as ${type} so that it is read with its amounts, or refused by name`, () => {
      let written = 0;
      fc.assert(
        fc.property(documents, (document) => {
          let xml: string;
          try {
            xml = writeInvoice(type, document, { number, reverses: document.reverses && "26440000000000000041" });
          } catch (error) {
            expect(error).to.be.instanceOf(Problem);
            expect((error as Problem).violations.map(({ rule }) => rule)).to.satisfy(
              (rules: string[]) => rules.length > 0 && rules.every((rule) => /^BR-(?:CO-17|O-11)$/.test(rule)),
            );
            return;
          }
          written++;
          const back = readInvoice(type, Buffer.from(xml)).document;
          const { net, tax, gross } = document.totals;
          expect(back.totals).to.include({ net, tax, gross });
          expect(back.lines.map(({ amount, taxRate }) => [amount, taxRate])).to.deep.equal(document.lines.map(({ amount, taxRate }) => [amount, taxRate]));
          expect(back.sourceId).to.equal(document.sourceId ?? number);
          expect(Math.trunc(Date.parse(back.issuedAt) / 1000)).to.equal(Math.trunc(Date.parse(document.issuedAt) / 1000));
        }),
        { numRuns: 500 },
      );
      expect(written).to.be.greaterThan(100);
    });
  }
});
