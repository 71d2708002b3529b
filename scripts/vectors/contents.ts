/**
 * The contents that an honest issuer seals, and those that a dishonest issuer could seal: every way
 * that a document can contradict itself, its lot, its leaf and its parties, one at a time.
 */
import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { type Parts, partNames, partsOf } from "@onepiao/protocol/proofs/parts.ts";
import type { Content, World } from "./lots.ts";

const ZERO = `0x${"00".repeat(20)}`;

/** A content with the rules that it breaks. */
export type Forged = Content & { what: string; rules: string[] };

/** An invoice with something in every part but `reverses`. */
function invoice({ issuer, buyer }: World): InvoiceDocument {
  return {
    kind: "ordinary",
    issuedAt: "2026-11-03T12:31:07+08:00",
    currency: "CNY",
    seller: { taxId: issuer.taxId, name: issuer.name, address: "深圳市南山区科技园路1号" },
    buyer: { taxId: buyer.taxId, name: buyer.name, address: "深圳市宝安区工业大道2号" },
    lines: [
      {
        name: "*餐饮服务*餐费",
        unit: "次",
        quantity: "2",
        unitPrice: "94.34",
        amount: "188.68",
        taxRate: "0.06",
        tax: "11.32",
      },
      {
        name: "*餐饮服务*茶水",
        unit: "位",
        quantity: "4",
        unitPrice: "25.00",
        amount: "100.00",
        taxRate: "0.06",
        tax: "6.00",
      },
    ],
    totals: { net: "288.68", tax: "17.32", gross: "306.00", inWords: "叁佰零陆圆整" },
    remark: "午餐 4人",
    passengers: [{ traveller: "李晓明", date: "2026-11-03", from: "深圳", to: "广州" }],
    drawer: "张会计",
    sourceId: "POS-7-20261103-0042",
  };
}

const negative = (document: InvoiceDocument, number: string): InvoiceDocument => ({
  ...document,
  lines: [
    {
      name: "*餐饮服务*餐费",
      quantity: "-2",
      unitPrice: "94.34",
      amount: "-188.68",
      taxRate: "0.06",
      tax: "-11.32",
    },
  ],
  totals: { net: "-188.68", tax: "-11.32", gross: "-200.00" },
  reverses: { number },
});

/** Contents that an issuer seals through a gateway. */
export function genuineContents(world: World): Content[] {
  const { issuer, buyer, holder, first } = world;
  const document = invoice(world);
  const titled = (name: string, document: InvoiceDocument): Content => ({
    name,
    parts: partsOf(document),
    holder,
    buyer: buyer.index,
  });
  // the brackets of the other width, and blanks
  const spelt = issuer.name.replace("（", " (").replace("）", ") ");
  const { lines, totals: _, ...rest } = document;
  return [
    titled("titled", document),
    {
      name: "untitled",
      parts: partsOf({ ...document, buyer: { name: "个人" } }),
      holder,
      buyer: 0,
    },
    { ...titled("red-letter", negative(document, first)), holder: ZERO },
    // an issuer that buys from itself: one party for both
    {
      name: "to-itself",
      parts: partsOf({ ...document, buyer: { taxId: issuer.taxId, name: issuer.name } }),
      holder,
      buyer: issuer.index,
    },
    titled("other-spelling", { ...document, seller: { ...document.seller, name: spelt } }),
    titled("by-breakdown", {
      ...rest,
      lines: lines.map(({ tax: __, ...line }) => line),
      taxBreakdown: [{ taxRate: "0.06", taxable: "288.68", tax: "17.32" }],
      totals: { net: "288.68", tax: "17.32", gross: "306.00" },
    }),
  ];
}

/** Contents that no gateway seals. */
export function forgedContents(world: World): Forged[] {
  const { issuer, victim, buyer, other, holder } = world;
  const document = invoice(world);
  const all: Forged[] = [];
  const forge = (
    name: string,
    title: string,
    rules: string[],
    document: InvoiceDocument,
    leaf: { holder?: string; buyer?: number } = {},
  ) =>
    all.push({
      name,
      what: title,
      rules,
      parts: partsOf(document),
      holder,
      buyer: buyer.index,
      ...leaf,
    });

  forge(
    "seller-of-another",
    "the seller is another company than the issuer",
    ["seller-is-issuer"],
    {
      ...document,
      seller: { ...document.seller, taxId: victim.taxId, name: victim.name },
    },
  );
  forge(
    "seller-id-of-another",
    "the seller has another company's tax id, and the issuer's name",
    ["seller-is-issuer"],
    {
      ...document,
      seller: { ...document.seller, taxId: victim.taxId },
    },
  );
  forge(
    "seller-name-of-another",
    "the seller has the issuer's tax id, and another company's name",
    ["seller-name"],
    {
      ...document,
      seller: { ...document.seller, name: victim.name },
    },
  );
  forge(
    "seller-without-check-digit",
    "the seller's tax id is invalid",
    ["seller-is-issuer", "tax-id-check-digit"],
    {
      ...document,
      seller: {
        ...document.seller,
        taxId: `${issuer.taxId.slice(0, -1)}${issuer.taxId.endsWith("A") ? "B" : "A"}`,
      },
    },
  );
  const ofOther = { ...document, buyer: { taxId: other.taxId, name: other.name } };
  forge(
    "buyer-of-another",
    "the buyer is another company than the leaf is titled to",
    ["buyer-is-titled"],
    ofOther,
  );
  forge(
    "buyer-of-another-leaf",
    "the leaf is titled to another company than the buyer",
    ["buyer-is-titled"],
    document,
    { buyer: other.index },
  );
  forge(
    "buyer-name-of-another",
    "the buyer has the titled buyer's tax id, and another name",
    ["buyer-name"],
    {
      ...document,
      buyer: { taxId: buyer.taxId, name: other.name },
    },
  );
  forge(
    "buyer-untitled-leaf",
    "the document names a buyer, and the leaf is untitled: any employer could be asked",
    ["buyer-titled"],
    document,
    { buyer: 0 },
  );
  forge(
    "buyer-titled-leaf",
    "the document names no buyer's tax id, and the leaf is titled",
    ["buyer-titled"],
    { ...document, buyer: { name: buyer.name } },
  );

  const lines = (change: Partial<InvoiceDocument["lines"][number]>) => [
    { ...(document.lines[0] as InvoiceDocument["lines"][number]), ...change },
    document.lines[1] as InvoiceDocument["lines"][number],
  ];
  const totals = (change: Partial<InvoiceDocument["totals"]>) =>
    ({ ...document.totals, inWords: undefined, ...change }) as InvoiceDocument["totals"];
  const sums: [string, string, string[], Partial<InvoiceDocument>][] = [
    [
      "gross",
      "the total is more than net and tax",
      ["gross-sum"],
      { totals: totals({ gross: "999999.00" }) },
    ],
    [
      "net",
      "the net total is not that of the lines",
      ["net-sum", "gross-sum"],
      { totals: totals({ net: "999999.00" }) },
    ],
    [
      "tax",
      "the tax is not that of the lines",
      ["tax-sum", "gross-sum"],
      { totals: totals({ tax: "0.00" }) },
    ],
    [
      "words",
      "the total in words is another",
      ["words-match-figures"],
      { totals: totals({ inWords: "叁仟零陆拾圆整" }) },
    ],
    [
      "payable",
      "what is to be paid is not the total",
      ["payable-sum"],
      { totals: totals({ payable: "1.00" }) },
    ],
    [
      "quantity",
      "a line is not quantity times price",
      ["line-amount"],
      { lines: lines({ quantity: "200" }) },
    ],
    [
      "line-tax",
      "a line's tax is not amount times rate",
      ["line-tax", "tax-sum"],
      { lines: lines({ tax: "0.00" }) },
    ],
    [
      "no-line-tax",
      "a line has no tax",
      ["missing-member", "tax-sum"],
      { lines: lines({ tax: undefined }) as InvoiceDocument["lines"] },
    ],
    [
      "negative-price",
      "a price is negative",
      ["negative-price", "line-amount"],
      { lines: lines({ unitPrice: "-94.34" }) },
    ],
    [
      "exempt",
      "tax stands on what is free of it",
      ["exempt-with-tax"],
      { lines: lines({ taxRate: "免税" }) },
    ],
    [
      "negative",
      "a negative invoice reverses nothing",
      ["negative-needs-reverses"],
      { ...negative(document, world.first), reverses: undefined },
    ],
    [
      "reverses",
      "a red letter takes nothing back",
      ["reverses-needs-negative"],
      { reverses: { number: world.first } },
    ],
    [
      "reverses-two",
      "a red letter names what it reverses in two ways",
      ["reverses-one"],
      negativeWith(document, { number: world.first, sourceId: "POS-1" }),
    ],
  ];
  for (const [name, title, rules, change] of sums) {
    // a red letter belongs to nobody
    const red = "reverses" in change && change.reverses !== undefined;
    forge(
      `sums-${name}`,
      title,
      rules,
      withoutUndefined({ ...document, ...change }),
      red ? { holder: ZERO } : {},
    );
  }
  forge("dated-ahead", "it is dated long after its lot was sealed", ["issued-ahead"], {
    ...document,
    issuedAt: "2099-01-01T00:00:00+08:00",
  });
  forge("dated-long-ago", "it is dated long before its lot was sealed", ["issued-long-ago"], {
    ...document,
    issuedAt: "1970-01-01T00:00:00Z",
  });
  forge(
    "red-letter-with-holder",
    "a red letter has a holder, who could claim it",
    ["red-letter-holder"],
    negative(document, world.first),
  );
  forge(
    "no-holder",
    "an invoice that is not a red letter belongs to nobody",
    ["red-letter-holder"],
    document,
    { holder: ZERO },
  );

  const parts = partsOf(document);
  const raw = (name: string, title: string, rules: string[], change: Parts) =>
    all.push({
      name,
      what: title,
      rules,
      parts: { ...parts, ...change },
      holder,
      buyer: buyer.index,
    });
  const optional = new Set<string>([
    "sellerDetails",
    "buyerDetails",
    "remark",
    "passengers",
    "terms",
    "origin",
    "reverses",
  ]);
  for (const part of partNames) {
    const chosen = part === "kind" || part === "currency";
    const rule = chosen ? "unknown-value" : "wrong-type";
    raw(`shape-${part}-number`, `${part} is a number`, [rule], { [part]: 7 });
    raw(`shape-${part}-null`, `${part} is null`, [rule], { [part]: null });
    if (!optional.has(part))
      raw(
        `shape-${part}-absent`,
        `there is no ${part}`,
        [chosen || part === "date" ? rule : "missing-member"],
        { [part]: undefined },
      );
  }
  const own = <T>(part: keyof Parts) => parts[part] as T;
  const stranger = { address: "深圳市福田区", taxId: victim.taxId, name: victim.name };
  const smuggled: [string, string, Parts][] = [
    [
      "seller",
      "the details of the seller have a tax id and a name of their own",
      { sellerDetails: stranger },
    ],
    [
      "buyer",
      "the details of the buyer have a tax id and a name of their own",
      { buyerDetails: stranger },
    ],
    [
      "total",
      "the other totals have a total of their own",
      { tax: { totals: { ...own<{ totals: object }>("tax").totals, gross: "999999.00" } } },
    ],
    [
      "lines",
      "the part with the tax has lines of its own",
      { tax: { ...own<object>("tax"), lines: own("lines") } },
    ],
    [
      "terms",
      "the terms have a seller of their own",
      { terms: { drawer: "张会计", seller: stranger } },
    ],
    [
      "origin",
      "the origin has a total of its own",
      { origin: { sourceId: "POS-7", totals: own<{ totals: object }>("tax").totals } },
    ],
    [
      "unknown",
      "the seller has a member that no document has",
      { seller: { ...own<object>("seller"), alias: victim.name } },
    ],
  ];
  for (const [name, title, change] of smuggled)
    raw(`smuggled-${name}`, title, ["unknown-member"], change);
  for (const part of ["sellerDetails", "buyerDetails", "terms", "origin"] as const)
    raw(`empty-${part}`, `${part} is there, and has no member`, ["empty-part"], { [part]: {} });
  return all;
}

const negativeWith = (
  document: InvoiceDocument,
  reverses: NonNullable<InvoiceDocument["reverses"]>,
): InvoiceDocument => ({
  ...negative(document, ""),
  reverses,
});
const withoutUndefined = <T extends object>(value: T): T => JSON.parse(JSON.stringify(value)) as T;
