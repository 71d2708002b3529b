/**
 * What a 数电票 says in elements that no member is for: it stays in the document, is sealed with it,
 * and comes out again, in JSON, in the PDF and in XML; or the document is refused by the name of
 * the element.
 */

import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import {
  elementBounds,
  type KeptElement,
  type PlacedElement,
} from "@onepiao/protocol/formats/elements.ts";
import { readInvoice } from "@onepiao/protocol/formats/read.ts";
import { writeInvoice } from "@onepiao/protocol/formats/write.ts";
import { contentHash, disclose } from "@onepiao/protocol/proofs/disclosing.ts";
import {
  contentShown,
  documentOfParts,
  partShapes,
  partsOf,
} from "@onepiao/protocol/proofs/parts.ts";
import { expect } from "chai";
import fc from "fast-check";
import { writePdf } from "../../server/drawing/pdf.ts";
import { readPdf } from "./pdf-reader.ts";
import { load, refusalOf, samplesRoot } from "./samples.ts";

const type = "application/vnd.onepiao.shudian+xml";
const number = "26312000000000700003";
const ride = load(samplesRoot, "shudian/03-ride-passenger.xml").text;
const put = (that: string, by: string, text = ride) => {
  expect(text).includes(that);
  return text.replace(that, by);
};
const read = (xml: string): InvoiceDocument => {
  const { source, ...document } = readInvoice(type, Buffer.from(xml)).document;
  expect(source?.format).equals("shudian");
  return document;
};
const write = (document: InvoiceDocument) => writeInvoice(type, document, { number });
const data = "/EInvoice/EInvoiceData";
const section = `${data}/SpecificInformation`;

const xmlOf = ({ name, text = "", elements = [] }: KeptElement): string =>
  `<${name}>${elements.map(xmlOf).join("")}${text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")}</${name}>`;
const leaf = (name: string, text: string): KeptElement => ({ name, text });

/** Special trades as their rules demand them; the names are as free as the reader takes them. */
const sections: KeptElement[] = [
  {
    name: "Toll",
    elements: [
      leaf("PlateNumber", "粤B12345"),
      leaf("VehicleType", "客车"),
      leaf("StartDatesOfPassage", "20260914094742000"),
      leaf("EndDatesOfPassage", "20260914101500000"),
    ],
  },
  {
    name: "FreightTransportation",
    elements: [leaf("货物名称", "钢材"), leaf("起运地", "深圳"), leaf("到达地", "广州")],
  },
  {
    name: "ConstructionService",
    elements: [leaf("Place", "深圳市南山区"), leaf("ProjectName", "一期 <A> & 二期")],
  },
  {
    name: "RealEstateLease",
    elements: [{ name: "Lease", elements: [leaf("Address", "沙井路1号"), leaf("Area", "80.5")] }],
  },
  { name: "RealEstateSale", elements: [leaf("CertificateNumber", "粤(2026)0001")] },
  { name: "Vehicle", elements: [leaf("VIN", "LSVAA49J132047371"), { name: "Empty" }] },
  { name: "VesselTax", elements: [leaf("Policy", "P1"), leaf("TaxCollected", "325.00")] },
  { name: "AgriculturalPurchase", elements: [leaf("SellerIdNumber", "440301199001010014")] },
];

describe("elements of a 数电票 that no member is for", () => {
  for (const each of sections)
    it(`${each.name} is kept, and written as it was`, () => {
      const document = read(put("<SpecificInformation>", `<SpecificInformation>${xmlOf(each)}`));
      expect(document.elements).deep.equals([{ in: section, ...each }]);
      const xml = write(document);
      expect(xml.replace(/>\s+</g, "><")).includes(xmlOf(each));
      expect(read(xml)).deep.equals(document);
    });

  it("may stand anywhere, among the passengers and in the lines too", () => {
    const xml = put(
      "</EInvoice>",
      "<SellerAuthentication><AuthenticationMethods>02</AuthenticationMethods></SellerAuthentication></EInvoice>",
      put(
        "</InherentLabel>",
        "</InherentLabel><UndefinedLabel><Label><LabelType>开具方式</LabelType><LabelCode>1</LabelCode></Label></UndefinedLabel>",
        put(
          "<TaxRate>",
          "<Deduction>8400.00</Deduction><TaxRate>",
          put(
            "</PassengerTransportation>",
            "<TypeOfPassengerDocument>居民身份证</TypeOfPassengerDocument><Grade>二等座</Grade><Meal>素</Meal></PassengerTransportation>",
            put("<Drawer>", "<Payee>李四</Payee><Checker>王五</Checker><Drawer>"),
          ),
        ),
      ),
    );
    const document = read(xml);
    const label = [leaf("LabelType", "开具方式"), leaf("LabelCode", "1")];
    expect(document.elements).deep.equals([
      {
        in: "/EInvoice/Header",
        name: "UndefinedLabel",
        elements: [{ name: "Label", elements: label }],
      },
      { in: `${data}/BasicInformation`, ...leaf("Payee", "李四") },
      { in: `${data}/BasicInformation`, ...leaf("Checker", "王五") },
      { in: `${data}/IssuItemInformation[1]`, ...leaf("Deduction", "8400.00") },
      { in: `${section}/PassengerTransportation[1]`, ...leaf("Meal", "素") },
      {
        in: "/EInvoice",
        name: "SellerAuthentication",
        elements: [leaf("AuthenticationMethods", "02")],
      },
    ]);
    expect(document.passengers?.[0]).includes({ documentType: "居民身份证", grade: "二等座" });
    const written = write(document);
    expect(read(written)).deep.equals(document);
    const names = (text: string) =>
      [...text.matchAll(/<([A-Za-z]+)(?: [^>]*)?>/g)].map(([, name]) => name).sort();
    // the writer adds the source's id, and leaves out what is empty among the passengers
    expect(names(written)).includes.members(names(xml));
  });

  it("keep a type that is not the usual one, in its place", () => {
    const xml = put(
      "<EInvoiceType><LabelCode>01</LabelCode><LabelName>电子发票</LabelName></EInvoiceType>",
      "<EInvoiceType><LabelCode>09</LabelCode><LabelName>试点</LabelName></EInvoiceType>",
    );
    const document = read(xml);
    expect(document.elements).deep.equals([
      {
        in: "/EInvoice/Header/InherentLabel",
        name: "EInvoiceType",
        elements: [leaf("LabelCode", "09"), leaf("LabelName", "试点")],
      },
    ]);
    const written = write(document);
    expect(written.match(/<EInvoiceType>/g)).has.length(1);
    expect(read(written)).deep.equals(document);
    expect(read(ride).elements).equals(undefined);
  });

  it("are in the PDF, by name and text", async () => {
    const xml = put(
      "<SpecificInformation>",
      `<SpecificInformation>${sections.map(xmlOf).join("")}`,
    );
    const document = read(put("<TaxRate>", "<Deduction>8400.00</Deduction><TaxRate>", xml));
    const { pages } = await readPdf(
      await writePdf(
        document,
        { number },
        {
          qr: "https://piao.example/verify#01",
          verifyAt: "https://piao.example/verify",
          reversed: false,
        },
      ),
    );
    const text = pages.flat().join("").replace(/\s/g, "");
    const texts = (each: KeptElement): string[] =>
      each.elements?.flatMap(texts) ?? [each.text ?? each.name];
    for (const each of sections.flatMap(texts)) expect(text).includes(each.replace(/\s/g, ""));
    expect(text).includes("Deduction：8400.00").and.includes("车牌号：粤B12345");
  });

  it("are sealed with the passengers: a change changes the content, and only that part shows them", () => {
    const seed = new Uint8Array(32).fill(7);
    const document = read(
      put("<SpecificInformation>", `<SpecificInformation>${xmlOf(sections[0] as KeptElement)}`),
    );
    const other = structuredClone(document);
    (other.elements?.[0]?.elements?.[0] as KeptElement).text = "粤B12346";
    expect(contentHash(seed, other)).not.equals(contentHash(seed, document));
    const parts = partsOf(document);
    expect(documentOfParts(parts)).deep.equals(document);
    expect(partShapes.passengers.safeParse(parts.passengers).success).equals(true);
    const few = disclose(seed, document, ["seller", "date", "total", "lines", "terms", "remark"]);
    expect(JSON.stringify(few)).not.includes("粤B12345");
    const shown = disclose(seed, document, ["passengers"]);
    expect(JSON.stringify(shown)).includes("粤B12345");
    expect(contentShown(shown)).deep.equals({ content: contentHash(seed, document), wrong: [] });
  });

  const name = fc.constantFrom(
    "Toll",
    "Freight",
    "建筑服务",
    "A_b.c-1",
    "Remark",
    "Amount",
    "EInvoice",
  );
  const text = fc.constantFrom("粤B1", 'a <b> & "c"', "第一行\n第二行", "0.00", "]]>");
  const { tree } = fc.letrec<{ tree: KeptElement }>((tie) => ({
    tree: fc.oneof(
      { depthSize: "small", maxDepth: elementBounds.depth - 1 },
      fc.record({ name, text }),
      fc.record({ name }),
      fc.record({ name, elements: fc.array(tie("tree"), { minLength: 1, maxLength: 4 }) }),
    ),
  }));
  const unknown = fc.constantFrom("Toll", "Freight", "建筑服务", "A_b.c-1");
  const placed = fc
    .tuple(
      tree,
      unknown,
      fc.constantFrom(
        "/EInvoice",
        "/EInvoice/Header",
        "/EInvoice/TaxSupervisionInfo",
        section,
        `${section}/RedEInvoice`,
        `${section}/PassengerTransportation[1]`,
        `${data}/IssuItemInformation[1]`,
        `${data}/AdditionalInformation`,
      ),
    )
    .map(([each, own, place]): PlacedElement => ({ in: place, ...each, name: own }));
  const order = (elements: readonly PlacedElement[]) =>
    [...new Set(elements.map((each) => each.in))]
      .sort()
      .map((place) => elements.filter((each) => each.in === place));

  it("of any form come out of XML as they went in, in their order", () => {
    const document = read(ride);
    fc.assert(
      fc.property(fc.array(placed, { minLength: 1, maxLength: 8 }), (elements) => {
        const { elements: back = [], ...rest } = read(write({ ...document, elements }));
        expect(order(back)).deep.equals(order(elements));
        expect(rest).deep.equals(document);
      }),
      { numRuns: 300 },
    );
  });

  const json = (elements: unknown, lines = 1) =>
    readInvoice(
      "application/json",
      Buffer.from(
        JSON.stringify({
          kind: "ordinary",
          issuedAt: "2026-11-03T12:31:07+08:00",
          currency: "CNY",
          seller: { taxId: "91440305MA4JURQ28R", name: "面馆" },
          buyer: { name: "个人" },
          lines: Array.from({ length: lines }, () => ({
            name: "*餐饮服务*餐费",
            amount: "10.00",
            taxRate: "免税",
            tax: "0.00",
          })),
          totals: { net: `${10 * lines}.00`, tax: "0.00", gross: `${10 * lines}.00` },
          elements,
        }),
      ),
    ).document;
  const refused = (elements: unknown) => {
    const [first] = refusalOf(() => json(elements)).violations;
    return `${first?.rule} ${first?.field}`;
  };

  it("may be sent as JSON, and are written as XML", () => {
    const elements = [{ in: section, ...(sections[0] as KeptElement) }];
    const document = json(elements);
    expect(document.elements).deep.equals(elements);
    expect(read(write(document)).elements).deep.equals(elements);
  });

  it("never contradict a member, and stand where the format has a place", () => {
    const at = (place: string, own: string) => refused([{ in: place, name: own, text: "9.00" }]);
    expect(at(`${data}/BasicInformation`, "TotalTax-includedAmount")).equals(
      "element-has-member /elements/0/name",
    );
    expect(at(`${data}/BasicInformation`, "totaltaxam")).equals(
      "element-has-member /elements/0/name",
    );
    expect(at(`${data}/IssuItemInformation[1]`, "Amount")).equals(
      "element-has-member /elements/0/name",
    );
    for (const place of [
      "/Invoice",
      `${data}/IssuItemInformation`,
      `${data}/IssuItemInformation[2]`,
      `${data}/IssuItemInformation[0]`,
      `${section}/PassengerTransportation[1]`,
      `${section}[1]`,
      `${section}/Toll`,
      `${data}/BasicInformation/TotalTaxAm`,
      "",
    ])
      expect(at(place, "X"), place).equals("element-place /elements/0/in");
    const type2 = { in: "/EInvoice/Header/InherentLabel", name: "EInvoiceType" };
    expect(refused([type2, type2])).equals("element-has-member /elements/1/name");
  });

  it("have bounds of number, depth and size, and names that XML may have", () => {
    const deep = (levels: number): KeptElement =>
      levels === 1 ? leaf("a", "x") : { name: "a", elements: [deep(levels - 1)] };
    expect(json([{ in: section, ...deep(elementBounds.depth) }]).elements).has.length(1);
    expect(refused([{ in: section, ...deep(elementBounds.depth + 1) }])).equals(
      "elements-too-deep /elements/0",
    );
    const wide = (count: number) => ({
      in: section,
      name: "a",
      elements: Array.from({ length: count }, () => ({ name: "b" })),
    });
    expect(refused([wide(1_000), wide(1_000)])).equals("too-many-elements /elements/1");
    const long = Array.from({ length: 26 }, () => ({
      in: section,
      ...leaf("a", "字".repeat(4000)),
    }));
    expect(json(long.slice(0, 25)).elements).has.length(25);
    expect(refused(long)).equals("elements-too-long /elements/25");
    expect(refused([{ in: section, name: "a", text: "x", elements: [{ name: "b" }] }])).equals(
      "mixed-content /elements/0",
    );
    for (const own of ["", "a b", "1a", "a>", "xs:a", "-a", "a\u200d"])
      expect(refused([{ in: section, name: own }]), own).equals("element-name /elements/0/name");
    expect(refused([])).equals("too-few /elements");
    const [first] = refusalOf(() =>
      read(
        put(
          "<SpecificInformation>",
          `<SpecificInformation><Toll>${"<a>".repeat(8)}${"</a>".repeat(8)}</Toll>`,
        ),
      ),
    ).violations;
    expect(first).includes({ rule: "elements-too-deep", field: `${section}/Toll` });
  });
});
