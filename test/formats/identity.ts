/**
 * What identifies an invoice that was issued elsewhere: spellings of one invoice have an id in
 * common, two invoices have none.
 */
import { idsOf } from "@onepiao/protocol/ledger/external.ts";
import {
  differences,
  foldNumber,
  type Identity,
  identityOf,
  type NoIdentity,
  type Original,
  twentyDigits,
} from "@onepiao/protocol/ledger/identity.ts";
import { plainCapitals } from "@onepiao/protocol/values/look-alikes.ts";
import { brokenCheckDigit, type Seller, sellerKeys } from "@onepiao/protocol/values/seller-ids.ts";
import { expect } from "chai";
import fc from "fast-check";

const common = (ids: readonly string[], other: readonly string[]) =>
  ids.some((id) => other.includes(id));
const german = (number: string, more: Partial<Original> = {}): Original => ({
  number,
  day: "2026-11-03",
  currency: "EUR",
  seller: { name: "Muster Handel GmbH", country: "DE", taxId: "DE123456789" },
  ...more,
});
const chinese = (number: string, more: Partial<Original> = {}): Original => ({
  number,
  day: "2026-11-03",
  currency: "CNY",
  seller: { name: "外地店", taxId: "91530102MARJT2FQ8E" },
  ...more,
});

/** Lists of equal texts, in words of their own: what is written → how others write it. */
const separators = [
  "-",
  "一",
  "ー",
  " - ",
  "/",
  "\\",
  ".",
  "_",
  " ",
  "\u00a0",
  "\u2009",
  "\u2010",
  "\u2011",
].concat([
  "\u2012",
  "\u2013",
  "\u2014",
  "\u2015",
  "\u2212",
  "\uff0d",
  "\ufe63",
  "—",
  ":",
  "·",
  "～",
]);
const looks: Readonly<Record<string, string>> = {
  A: "АΑＡ𝐀",
  B: "ВΒＢ",
  C: "СϹＣ",
  E: "ЕΕＥ",
  H: "НΗＨ",
  I: "ІΙＩ",
  K: "КΚＫ",
  M: "МΜＭ",
  N: "ΝＮ",
  O: "ОΟＯ",
  P: "РΡＰ",
  R: "ꓣＲ",
  S: "ЅＳ",
  T: "ТΤＴ",
  X: "ХΧＸ",
  Y: "УΥＹ",
  Z: "ΖＺ",
};
const digits: Readonly<Record<string, string>> = Object.fromEntries(
  [..."0123456789"].map((digit, i) => [
    digit,
    [0xff10, 0x660, 0x6f0, 0x966, 0x1d7ce].map((zero) => String.fromCodePoint(zero + i)).join(""),
  ]),
);
const labels = [
  "",
  "No. ",
  "№",
  "Nr ",
  "Nr. ",
  "N° ",
  "Invoice ",
  "Invoice No. ",
  "Rechnung Nr. ",
].concat(["Facture n° ", "发票号码：", "#", "INVOICE-"]);

/** Groups of a number: letters and digits take turns, or digits follow digits. */
const letters = fc
  .array(fc.constantFrom(..."ABCEHKMPRSTXYZ"), { minLength: 1, maxLength: 3 })
  .map((each) => each.join(""));
const figures = fc.integer({ min: 0, max: 99_999 }).map(String);
// at least one group of digits, and no group that is a label
const groups = fc
  .tuple(fc.option(letters, { nil: undefined }), fc.array(figures, { minLength: 1, maxLength: 4 }))
  .map(([head, rest]) => (head === undefined ? rest : [head, ...rest]));
const invoiceNumber = groups.map((each) => each.join("-"));

/** One way to write a number: the choices are drawn for each place. */
const spelled = (written: string) =>
  fc
    .tuple(
      fc.constantFrom(...labels),
      fc.constantFrom("", "\u200b", " ", "\ufeff"),
      fc.array(fc.nat(), { minLength: 40, maxLength: 40 }),
      fc.boolean(),
    )
    .map(([label, around, draws, lower]) => {
      let place = 0;
      const draw = () => draws[place++ % draws.length] as number;
      const pick = (options: readonly string[] | string) => {
        const all = [...options];
        return all[draw() % all.length] as string;
      };
      const text = written
        .split("-")
        .map((group) => {
          const zeros = /^\d/.test(group) ? "0".repeat(draw() % 3) : "";
          return [...(zeros + group)]
            .map((sign) => {
              const others = looks[sign] ?? digits[sign];
              const chosen = others === undefined || draw() % 2 === 0 ? sign : pick(others);
              return lower ? chosen.toLowerCase() : chosen;
            })
            .join("");
        })
        .reduce((all, group) => `${all}${pick(separators)}${group}`);
      return `${around}${label}${text}${around}`;
    });

/** Ways to write one seller, by country; each list is of one seller. */
const sellers: readonly (readonly Seller[])[] = [
  [
    { name: "Α", taxId: "EL061828591" },
    { name: "Α", taxId: "GR061828591" },
    { name: "Α", taxId: "GR61828591", country: "GR" },
    { name: "Α", country: "GR", identifiers: [{ id: "061828591", registration: "tax" }] },
    { name: "Α", country: "EL", identifiers: [{ id: "ΕL 061 828 591", registration: "vat" }] },
  ],
  [
    { name: "B", taxId: "BE0123456749" },
    { name: "B", taxId: "BE123456749" },
    { name: "B", country: "BE", identifiers: [{ id: "0123.456.749", scheme: "0208" }] },
    { name: "B", country: "BE", identifiers: [{ id: "BTW BE 0123.456.749", registration: "vat" }] },
  ],
  [
    { name: "C", taxId: "CHE107787577IVA" },
    { name: "C", taxId: "CHE107787577MWST" },
    { name: "C", country: "CH", identifiers: [{ id: "CHE-107.787.577", scheme: "0183" }] },
    { name: "C", country: "CH", identifiers: [{ id: "107.787.577 TVA", registration: "tax" }] },
  ],
  [
    { name: "D", taxId: "NO995525828MVA" },
    { name: "D", country: "NO", identifiers: [{ id: "995 525 828", scheme: "0192" }] },
  ],
  [
    { name: "E", taxId: "FR83404833048" },
    { name: "E", country: "FR", identifiers: [{ id: "404 833 048", scheme: "0002" }] },
    { name: "E", country: "FR", identifiers: [{ id: "40483304800022", scheme: "0009" }] },
  ],
  [
    { name: "F", taxId: "SE556188840401" },
    { name: "F", country: "SE", identifiers: [{ id: "556188-8404", registration: "legal" }] },
  ],
  [
    { name: "G", taxId: "ATU12345675" },
    { name: "G", country: "AT", identifiers: [{ id: "U12345675", registration: "vat" }] },
  ],
  [
    { name: "H", taxId: "GB434031494" },
    { name: "H", taxId: "XI434031494", country: "GB" },
  ],
  [
    { name: "J", taxId: "91530102MARJT2FQ8E" },
    { name: "J", taxId: "CN91530102MARJT2FQ8E", country: "CN" },
  ],
  [
    { name: "L", taxId: "GB980780684" },
    { name: "L", taxId: "GB 9807 806 84 001", country: "GB" },
  ],
  [
    { name: "M", taxId: "123456782", country: "CA" },
    { name: "M", taxId: "CA 123456782 RT 0001", country: "CA" },
  ],
  [
    { name: "N", taxId: "NL004495445B01" },
    { name: "N", taxId: "4495445B1", country: "NL" },
  ],
  [
    { name: "K", country: "US", identifiers: [{ id: "4012345000009", scheme: "0088" }] },
    { name: "K Inc", country: "DE", identifiers: [{ id: "4012345 00000 9", scheme: "0088" }] },
  ],
];

describe("the identity of an invoice issued elsewhere", () => {
  it("is the same in every spelling of the number", () => {
    fc.assert(
      fc.property(
        invoiceNumber.chain((written) => fc.tuple(fc.constant(written), spelled(written))),
        ([written, other]) => {
          expect(foldNumber(other), `${written} as ${other}`).equals(foldNumber(written));
        },
      ),
      { numRuns: 3_000 },
    );
  });

  it("is another one for another number: groups keep their order and their ends", () => {
    fc.assert(
      fc.property(groups, groups, (first, other) => {
        fc.pre(first.join("-") !== other.join("-"));
        expect(foldNumber(first.join("-")), `${first} ${other}`).not.equals(
          foldNumber(other.join("-")),
        );
      }),
      { numRuns: 3_000 },
    );
    for (const [first, other] of [
      ["1-11", "11-1"],
      ["1-11", "111"],
      ["RE-1", "RE-10"],
      ["A1", "B1"],
      ["INV-7", "CN-7"],
      ["O1", "01"],
      ["R-12-3", "R-1-23"],
      ["0", "10"],
      ["Ü7", "V7"],
    ] as const)
      expect(foldNumber(first), `${first} and ${other}`).not.equals(foldNumber(other));
  });

  it("drops labels and no prefix that only begins like one", () => {
    for (const [written, folded] of [
      ["No. 123", "123"],
      ["№123", "123"],
      ["Invoice No: 2026/001", "2026-1"],
      ["Fattura n. 12/B", "12-B"],
      ["发票号码：第12号", "12"],
      ["Bill No. 12/B", "12-B"],
      ["RX-12 (Kopie)", "RX-12"],
      ["第12号 副本", "12"],
      ["COPY-12", "COPY-12"],
      ["Kopie", "KOPIE"],
      ["NOVA-1", "NOVA-1"],
      ["NR", "NR"],
      ["Ｎｏ．７", "7"],
      ["re 2026 0007", "RE-2026-7"],
      ["RE20260007", "RE-20260007"],
      ["000", "0"],
      ["RE一2026ー7", "RE-2026-7"],
      ["七一12", "七一-12"],
    ] as const)
      expect(foldNumber(written), written).equals(folded);
  });

  it("is the same for every way in which a tax office's or a register's id is written", () => {
    for (const [place, ways] of sellers.entries()) {
      const keys = ways.map(sellerKeys);
      for (const [i, key] of keys.entries())
        expect(key, JSON.stringify(ways[i])).deep.equals(keys[0]);
      for (const others of sellers.slice(place + 1))
        expect(sellerKeys(others[0] as Seller)).not.deep.equals(keys[0]);
    }
  });

  it("is made of a VAT id without a scheme too, and of no number that only begins like one", () => {
    const plain = (id: string) =>
      sellerKeys({ name: "Muster GmbH", country: "DE", taxId: id, identifiers: [{ id }] });
    expect(plain("DE136695976")).deep.equals(["DE:136695976"]);
    for (const own of ["DE4711", "K4711", "DEPOT1", "DELIEFERANT1"])
      expect(plain(own), own).deep.equals([]);
  });

  it("is the same for spellings of seller and number together, and differs if one of them does", () => {
    const seller = fc.constantFrom(...sellers.entries());
    // letters in front: digits alone may be the number of a Chinese invoice, without its seller
    const lettered = fc.tuple(letters, invoiceNumber).map(([head, rest]) => `${head}-${rest}`);
    const drawn = fc.record({
      seller,
      ways: fc.tuple(fc.nat(), fc.nat()),
      number: lettered.chain((written) => fc.tuple(fc.constant(written), spelled(written))),
      other: fc.tuple(seller, lettered),
    });
    fc.assert(
      fc.property(drawn, ({ seller: [place, ways], ways: [a, b], number: [plain, odd], other }) => {
        const [elsewhere, otherNumber] = other;
        const way = (all: readonly Seller[], n: number) => all[n % all.length] as Seller;
        const invoice = (seller: Seller, number: string, day = "2026-11-03") =>
          idsOf({ number, day, currency: "EUR", seller });
        const ids = invoice(way(ways, a), plain);
        expect(ids).not.deep.equals([]);
        expect(common(ids, invoice(way(ways, b), odd, "2026-01-05"))).equals(true);
        expect(common(ids, invoice(way(ways, b), odd, "2025-12-31"))).equals(false);
        if (place !== elsewhere[0])
          expect(common(ids, invoice(way(elsewhere[1], b), odd))).equals(false);
        if (otherNumber !== plain)
          expect(common(ids, invoice(way(ways, b), otherNumber))).equals(false);
      }),
      { numRuns: 2_000 },
    );
  });

  it("has a key for each id of the seller, the tax id first; an id of no register is left out", () => {
    const both: Seller = {
      name: "Muster",
      country: "DE",
      taxId: "DE123456789",
      identifiers: [
        { id: "12/345/67890", registration: "tax" },
        { id: "4012345000009", scheme: "0088" },
        { id: "HRB 12345", registration: "legal" },
        { id: "our-supplier-7" },
        { id: "DE123456789", registration: "vat" },
      ],
    };
    expect(sellerKeys(both)).deep.equals(["DE:123456789", "DE:1234567890", "0088:4012345000009"]);
    const ids = idsOf(german("RE-1", { seller: both }));
    expect(ids).lengthOf(3);
    const byTaxNumber = { name: "Muster", taxId: "DE1234567890", country: "DE" };
    expect(common(ids, idsOf(german("re 001", { seller: byTaxNumber })))).equals(true);
    // a register of companies of another country begins with letters like a country
    expect(
      sellerKeys({
        name: "X",
        country: "IT",
        identifiers: [{ id: "MI-1234567", registration: "legal" }],
      }),
    ).deep.equals(["IT:MI1234567"]);
  });

  it("is not made of a number that the buyer has given its seller", () => {
    const numbered = { name: "Muster", country: "DE", identifiers: [{ id: "supplier-7" }] };
    expect(sellerKeys({ ...numbered, taxId: "DESUPPLIER7" })).deep.equals([]);
    expect(sellerKeys({ ...numbered, taxId: "DE123456789" })).deep.equals(["DE:123456789"]);
    // the end of a tax id is not that tax id
    for (const id of ["9", "89", "-", "DE"])
      expect(
        sellerKeys({ ...numbered, identifiers: [{ id }], taxId: "DE123456789" }),
        id,
      ).deep.equals(["DE:123456789"]);
    const both = [{ id: "123456789" }, { id: "123456789", registration: "legal" }];
    expect(sellerKeys({ ...numbered, identifiers: both, taxId: "DE123456789" })).deep.equals([
      "DE:123456789",
    ]);
  });

  it("without any id is the seller's country and name, and the day", () => {
    const receipt = (name: string, day = "2026-11-03") =>
      german("A-12", { day, seller: { name, country: "US" } });
    expect(identityOf(receipt("Joe's Diner"))).deep.equals({
      kind: "named",
      keys: ["name\0US\0JOESDINER\x002026-11-03\0A-12"],
    });
    expect(idsOf(receipt("JOE’S  DINER"))).deep.equals(idsOf(receipt("Joe's Diner")));
    expect(idsOf(receipt("Joe's Diner", "2026-11-04"))).not.deep.equals(
      idsOf(receipt("Joe's Diner")),
    );
    expect(idsOf(receipt("Ann's Diner"))).not.deep.equals(idsOf(receipt("Joe's Diner")));
  });

  it("of a Chinese invoice is its national number, or its code and number, without the seller", () => {
    const identify = (number: string, more: Partial<Original> = {}) =>
      identityOf(chinese(number, more));
    const national = { kind: "national", keys: ["cn\x0026532000000000700006"] };
    for (const [written, seller] of [
      ["26532000000000700006", { name: "外地店", taxId: "91530102MARJT2FQ8E" }],
      ["2653 2000 0000 0070 0006", { name: "另一家", taxId: "91440300MA7DEMX02D" }],
      ["发票号码：26532000000000700006", { name: "12306" }],
      ["26532000000000700006", { name: "农户", taxId: "360426199101010071" }],
      ["２６５３２０００００００００７００００６", { name: "老户", taxId: "530102123456789" }],
      ["26532000000000700006", { name: "Shop", taxId: "DE123456789", country: "DE" }],
    ] as const)
      expect(identify(written, { seller }), written).deep.equals(national);
    const paper = { kind: "invoice", keys: ["cn/invoice\x00044031900111\x0012345678"] };
    for (const written of [
      "044031900111-12345678",
      "04403190011112345678",
      "发票代码044031900111 号码12345678",
    ])
      expect(identify(written), written).deep.equals(paper);
    expect(identify("12345678", { code: "044031900111" })).deep.equals(paper);
    expect(identify("3200151130 12345678")).deep.equals({
      kind: "invoice",
      keys: ["cn/invoice\x003200151130\x0012345678"],
    });
    expect(identify("00010122-1234567890")).deep.equals({
      kind: "bill",
      keys: ["cn/bill\x0000010122\x001234567890"],
    });
    expect((identify("T-1") as Identity).kind).equals("seller");
    // the same digits from abroad are that seller's own number
    expect((identityOf(german("26532000000000700006")) as Identity).kind).equals("seller");
    expect(twentyDigits("No. 2653-2000-0000-0070-0006")).equals("26532000000000700006");
  });

  it("is refused where the number does not say which invoice it is, with what to do", () => {
    const rule = (original: Original) => (identityOf(original) as NoIdentity).rule;
    expect(rule(chinese("12345678"))).equals("code-missing");
    expect(rule(chinese("0012345678"))).equals("code-missing");
    expect(rule(chinese("320015113012345678"))).equals("code-and-number");
    expect(rule(german(" -- "))).equals("original-number");
    expect((identityOf(chinese("12345678")) as NoIdentity).detail).includes(
      "044031900111-12345678",
    );
    expect((identityOf(german("12345678", { currency: "CNY" })) as Identity).kind).equals("seller");
  });

  it("differs from another document in what both state and state differently", () => {
    const stated = {
      seller: { name: "店", taxId: "91530102MARJT2FQ8E" },
      days: ["2026-11-03"],
      currency: "CNY",
      gross: "200.00",
    };
    const differing = (more: object) => differences(stated, { ...stated, ...more });
    expect(differing({})).deep.equals([]);
    expect(differing({ seller: { name: "别的写法", taxId: "CN91530102MARJT2FQ8E" } })).deep.equals(
      [],
    );
    expect(differing({ seller: { name: "无号" } })).deep.equals([]);
    expect(differing({ seller: { name: "店", taxId: "91440300MA7DEMX02D" } })).deep.equals([
      "seller",
    ]);
    expect(differing({ days: ["2026-10-01", "2026-11-04"] })).deep.equals([]);
    expect(differing({ days: ["2026-11-05"] })).deep.equals(["date"]);
    expect(differing({ gross: "200.01" })).deep.equals(["total"]);
    expect(differing({ currency: "EUR", days: ["2025-11-03"] })).deep.equals(["date", "total"]);
  });

  it("keeps apart what is not the same letter", () => {
    expect(plainCapitals("ß ı ﬁ é Й Ⅻ")).equals("SS I FI E И XII");
    expect(plainCapitals("٣ ३ ３ 𝟛")).equals("3 3 3 3");
    expect(plainCapitals("汉-字")).equals("汉-字");
    expect(plainCapitals("0O1Il")).equals("0O1IL");
  });

  it("knows whose check digits hold, by the rules of the country", async () => {
    const check = (taxId: string, country?: string) =>
      brokenCheckDigit({ name: "", taxId, country });
    expect(await check("EL061828591")).equals(false);
    expect(await check("EL061828592")).equals(true);
    expect(await check("CHE107787577IVA")).equals(false);
    expect(await check("91530102MARJT2FQ8E")).equals(false);
    expect(await check("DE123456789")).equals(true);
    expect(await check("AQ123456")).equals(undefined);
    // older Chinese ids have no check digit, identity numbers do
    expect(await check("440301199001011", "CN")).equals(undefined);
    expect(await check("110101199001010015", "CN")).equals(false);
    expect(await brokenCheckDigit({ name: "nobody" })).equals(undefined);
  });
});
