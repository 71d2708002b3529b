/** Documents that may be issued, made by fast-check: every writer must handle them. */

import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { formats } from "@onepiao/protocol/formats/formats.ts";
import { documentOf } from "@onepiao/protocol/formats/gross.ts";
import { checkDocument } from "@onepiao/protocol/formats/rules.ts";
import { amountTimesRate, formatMoney, parseMoney } from "@onepiao/protocol/values/money.ts";
import fc from "fast-check";

export const number = "26440000000000000042";
const rates = fc.constantFrom("0.13", "0.09", "0.06", "0.03", "0.015", "0", "免税", "不征税");
const optional = <T>(member: fc.Arbitrary<T>) => fc.option(member, { nil: undefined });
const item = fc.record({
  quantity: optional(fc.integer({ min: 1, max: 40 })),
  price: fc.integer({ min: 0, max: 500_000 }),
  rate: rates,
  off: fc.integer({ min: 0, max: 100 }),
  unit: optional(fc.constantFrom("箱", "千克", "HUR", "kg", "C62", "KG", "PCS", "XPP")),
  category: fc.boolean(),
});
const plain = <T extends object>(members: T) => JSON.parse(JSON.stringify(members)) as T;

const identifier = fc.record({
  id: fc.constantFrom("HRB 1234", "4012345000009", "<&>"),
  scheme: optional(fc.constantFrom("0088", "SEPA", "HRB", "9930")),
});
const details = fc.record({
  country: optional(fc.constantFrom("CN", "DE", "UK", "ZZ")),
  address: optional(fc.constant("南山路 1 号\n2 楼")),
  phone: optional(fc.constant("0755-26001001")),
  bankAccount: optional(fc.constant("6222 0000 1111")),
  bankName: optional(fc.constant("工商银行")),
  tradingName: optional(fc.constant("老店")),
  legalForm: optional(fc.constant("有限责任公司")),
  endpoint: optional(
    fc.record({
      id: fc.constant("a@b.example"),
      scheme: optional(fc.constantFrom("EM", "0088", "mail")),
    }),
  ),
  identifiers: optional(fc.array(identifier, { minLength: 1, maxLength: 3 })),
  contact: optional(fc.constantFrom({ name: "王芳" }, { phone: "1" }, { email: "a@b.example" })),
});
const terms = fc.record({
  remark: optional(fc.constant("午餐 <4人> & 饮料\n第二行")),
  drawer: optional(fc.constant("王芳")),
  dueDate: optional(fc.constant("2026-12-01")),
  paymentTerms: optional(fc.constant("30 天")),
  period: optional(
    fc.constantFrom(
      { start: "2026-11-01", end: "2026-11-30" },
      { start: "2026-11-01" },
      { end: "2026-11-30" },
    ),
  ),
  references: optional(
    fc.constantFrom(
      { order: "PO-1" },
      { salesOrder: "SO-1" },
      { buyer: "B", contract: "C", project: "P" },
    ),
  ),
  attachments: optional(fc.constant([{ id: "A-1", description: "合同", filename: "c.pdf" }])),
});
const reason = fc.record({
  reason: optional(fc.constant("满减")),
  reasonCode: optional(fc.constantFrom("95", "FC", "大促")),
});

/** Of the same amounts, with its tax by rate and something off (or on) the whole document. */
function brokenDown(
  document: InvoiceDocument,
  off: { charge: boolean; reason?: string | undefined; reasonCode?: string | undefined },
): InvoiceDocument {
  const lines = document.lines.map(({ tax: _, ...line }) => line);
  const [first] = lines;
  if (first === undefined) return document;
  const amount = 100n;
  const parts = new Map<
    string,
    { taxRate: string; taxCategory?: (typeof first)["taxCategory"]; taxable: bigint }
  >();
  const add = (
    { taxRate, taxCategory }: Pick<typeof first, "taxRate" | "taxCategory">,
    taxable: bigint,
  ) => {
    const key = `${taxRate} ${taxCategory}`;
    parts.set(key, {
      taxRate,
      ...(taxCategory ? { taxCategory } : {}),
      taxable: (parts.get(key)?.taxable ?? 0n) + taxable,
    });
  };
  for (const line of lines) add(line, parseMoney(line.amount));
  add(first, off.charge ? amount : -amount);
  const taxBreakdown = [...parts.values()].map(({ taxable, ...part }) => ({
    ...part,
    taxable: formatMoney(taxable),
    tax: formatMoney(amountTimesRate(taxable, /\d/.test(part.taxRate) ? part.taxRate : "0")),
    exemptionReason: "说明",
    exemptionCode: "X-1",
  }));
  const sum = (texts: string[]) => texts.reduce((all, text) => all + parseMoney(text), 0n);
  const [net, tax] = [
    sum(taxBreakdown.map(({ taxable }) => taxable)),
    sum(taxBreakdown.map((part) => part.tax)),
  ];
  const { taxRate, taxCategory } = first;
  return plain({
    ...document,
    lines,
    allowances: [{ ...off, amount: formatMoney(amount), taxRate, taxCategory }],
    taxBreakdown,
    totals: {
      net: formatMoney(net),
      tax: formatMoney(tax),
      gross: formatMoney(net + tax),
      prepaid: "1.00",
      payable: formatMoney(net + tax - 100n),
    },
  }) as InvoiceDocument;
}

export const documents: fc.Arbitrary<InvoiceDocument> = fc
  .record({
    items: fc.array(item, { minLength: 1, maxLength: 6 }),
    red: fc.boolean(),
    byNumber: fc.boolean(),
    uniform: fc.boolean(),
    sourceId: optional(fc.constantFrom("A-1", "26110000000000000001", "<x>")),
    issuedAt: fc.constantFrom(
      "2026-11-03T00:00:00Z",
      "2026-11-03T12:31:07+08:00",
      "2026-01-01T00:00:00.5-11:30",
    ),
    titled: fc.boolean(),
    foreign: fc.boolean(),
    seller: details,
    buyer: details,
    terms,
    off: fc
      .record({ charge: fc.boolean(), reason })
      .map((each) => ({ charge: each.charge, ...each.reason })),
    byRate: fc.boolean(),
  })
  .map(
    ({
      items,
      red,
      byNumber,
      uniform,
      sourceId,
      issuedAt,
      titled,
      foreign,
      seller,
      buyer,
      terms: drawnTerms,
      off: whole,
      byRate,
    }) => {
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
            plain({
              name: "*商品*货",
              amount: formatMoney(cents),
              taxRate: rate,
              tax: formatMoney(lineTax),
              ...more,
            }) as InvoiceDocument["lines"][number],
          );
        };
        const amount = sign * BigInt(price) * BigInt(quantity ?? 1);
        const priced =
          quantity === undefined
            ? {}
            : { quantity: String(sign * BigInt(quantity)), unitPrice: formatMoney(BigInt(price)) };
        put(amount, {
          ...priced,
          unit,
          taxCategory: category && /[1-9]/.test(rate) ? "S" : undefined,
        });
        const discount = (amount * BigInt(off)) / 100n;
        if (off < 50 && discount !== 0n) put(-discount, {});
      }
      const document = plain({
        kind: "ordinary",
        issuedAt,
        currency: "CNY",
        seller: { taxId: "91110105MA793PCF4Y", name: "北京文具之家商贸有限公司", ...seller },
        buyer: {
          taxId: titled ? (foreign ? "DE123456789" : "91440300MAJU6XYHXC") : undefined,
          name: "买方",
          ...buyer,
        },
        lines,
        totals: { net: formatMoney(net), tax: formatMoney(tax), gross: formatMoney(net + tax) },
        sourceId,
        ...drawnTerms,
        reverses: red
          ? byNumber
            ? { number: "26440000000000000041" }
            : { sourceId: "A-0" }
          : undefined,
      }) as InvoiceDocument;
      return byRate ? brokenDown(document, whole) : document;
    },
  )
  .filter((document) => checkDocument(document, formats.json.rules).length === 0);

const tillLine = fc.record({
  grossAmount: fc.integer({ min: 1, max: 10_000_000 }).map((cents) => formatMoney(BigInt(cents))),
  taxRate: fc.constantFrom("0.01", "0.03", "0.05", "0.06", "0.09", "0.13"),
});
/** Of a till: lines whose prices have the tax inside, so that net and tax are derived from them. */
export const tillDocuments: fc.Arbitrary<InvoiceDocument> = fc
  .tuple(fc.array(tillLine, { minLength: 1, maxLength: 60 }), fc.boolean())
  .map(([lines, uniform]) => {
    const result = documentOf({
      kind: "ordinary",
      issuedAt: "2026-11-03T12:31:07+08:00",
      currency: "CNY",
      seller: { taxId: "91440305MA4JURQ28R", name: "深圳市南山区巷口面馆有限公司" },
      buyer: { name: "个人" },
      lines: lines.map((line) => ({
        name: "*餐饮服务*餐费",
        ...line,
        ...(uniform ? { taxRate: "0.06" } : {}),
      })),
    });
    if ("violations" in result) throw new Error(JSON.stringify(result.violations));
    return result.document;
  });
