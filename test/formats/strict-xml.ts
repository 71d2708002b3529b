/**
 * XML that other readers would read differently, or a browser would run: the reader refuses it by
 * name, and names the elements that it does not read.
 */

import { readInvoice } from "@onepiao/protocol/formats/read.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { expect } from "chai";
import { good, load, refusalOf, samplesRoot } from "./samples.ts";

const shudian = load(samplesRoot, "shudian/01-restaurant-ordinary.xml").text;
const ubl = load(samplesRoot, "ubl/01-two-rates.xml").text;
const read = (text: string) => readInvoice("application/xml", Buffer.from(text));
/** The outcome: the first violation's rule and field, or "read". */
function outcome(text: string): string {
  try {
    read(text);
    return "read";
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return `${error.violations[0]?.rule} ${error.violations[0]?.field}`;
  }
}
/** The text with this in the place of that; that has to be there. */
const put = (text: string, that: string, by: string) => {
  expect(text).includes(that);
  return text.replace(that, by);
};

const page = `<h:div xmlns:h="http://www.w3.org/1999/xhtml"><h:script>run()</h:script><h:form action="https://evil.example"/></h:div>`;
const gross = "<TotalTax-includedAmount>200.00</TotalTax-includedAmount>";
const total = "/EInvoice/EInvoiceData/BasicInformation/TotalTax-includedAmount";
const basic = "/EInvoice/EInvoiceData/BasicInformation";

/**
 * Of UBL: delivery, payment and representation: no rule and no reader uses them.
 */
const left = [
  "/Invoice/cac:Delivery/cac:DeliveryLocation/cac:Address/cac:Country/cbc:IdentificationCode",
  "/Invoice/cac:Delivery/cac:DeliveryLocation/cac:Address/cbc:AdditionalStreetName",
  "/Invoice/cac:Delivery/cac:DeliveryLocation/cac:Address/cbc:CityName",
  "/Invoice/cac:Delivery/cac:DeliveryLocation/cac:Address/cbc:CountrySubentity",
  "/Invoice/cac:Delivery/cac:DeliveryLocation/cac:Address/cbc:PostalZone",
  "/Invoice/cac:Delivery/cac:DeliveryLocation/cac:Address/cbc:StreetName",
  "/Invoice/cac:Delivery/cac:DeliveryLocation/cbc:ID",
  "/Invoice/cac:Delivery/cac:DeliveryParty/cac:PartyName/cbc:Name",
  "/Invoice/cac:Delivery/cbc:ActualDeliveryDate",
  "/Invoice/cac:InvoiceLine/cac:Item/cac:SellersItemIdentification/cbc:ID",
  "/Invoice/cac:InvoiceLine/cac:OrderLineReference/cbc:LineID",
  "/Invoice/cac:OriginatorDocumentReference/cbc:ID",
  "/Invoice/cac:PayeeParty/cac:PartyIdentification/cbc:ID",
  "/Invoice/cac:PayeeParty/cac:PartyName/cbc:Name",
  "/Invoice/cac:PaymentMeans/cac:PayeeFinancialAccount/cbc:Name",
  "/Invoice/cac:PaymentMeans/cac:PaymentMandate/cac:PayerFinancialAccount/cbc:ID",
  "/Invoice/cac:PaymentMeans/cac:PaymentMandate/cbc:ID",
  "/Invoice/cac:PaymentMeans/cbc:PaymentID",
  "/Invoice/cac:PaymentMeans/cbc:PaymentMeansCode",
  "/Invoice/cac:TaxRepresentativeParty/cac:PartyName/cbc:Name",
  "/Invoice/cac:TaxRepresentativeParty/cac:PartyTaxScheme/cbc:CompanyID",
  "/Invoice/cac:TaxRepresentativeParty/cac:PostalAddress/cac:Country/cbc:IdentificationCode",
  "/Invoice/cbc:TaxPointDate",
];

describe("an XML original", () => {
  const cases: [string, () => string, string][] = [
    [
      "XHTML beside the content",
      () => put(shudian, "<SpecificInformation>", `<SpecificInformation>${page}`),
      "foreign-namespace /EInvoice/EInvoiceData/SpecificInformation/h:div",
    ],
    [
      "XHTML at the root",
      () => put(shudian, "</EInvoice>", `${page}</EInvoice>`),
      "foreign-namespace /EInvoice/h:div",
    ],
    [
      "XHTML in a text",
      () => put(shudian, "午餐 4人", `x${page}`),
      "mixed-content /EInvoice/EInvoiceData/AdditionalInformation/Remark",
    ],
    [
      "SVG under a default namespace",
      () =>
        put(
          shudian,
          "</EInvoice>",
          `<svg xmlns="http://www.w3.org/2000/svg" onload="run()"/></EInvoice>`,
        ),
      "foreign-namespace /EInvoice/svg",
    ],
    [
      "a stylesheet",
      () => put(shudian, "<EInvoice>", `<?xml-stylesheet type="text/xsl" href="/x"?><EInvoice>`),
      "processing-instruction /",
    ],
    ["an instruction at the end", () => `${shudian}<?php run() ?>`, "processing-instruction /"],
    [
      "a handler on the root",
      () => put(shudian, "<EInvoice>", `<EInvoice onload="run()">`),
      "unknown-attribute /EInvoice/@onload",
    ],
    [
      "another format's attribute",
      () =>
        put(shudian, "<EInvoice>", `<EInvoice xmlns:h="http://www.w3.org/1999/xhtml" h:style="x">`),
      "foreign-namespace /EInvoice/@h:style",
    ],
    [
      "a root in a namespace",
      () => put(shudian, "<EInvoice>", `<EInvoice xmlns="urn:evil">`),
      "foreign-namespace /EInvoice",
    ],
    [
      "a figure with a comment in it",
      () => put(shudian, gross, gross.replace("200", "2<!-- 9 -->00")),
      `comment-in-text ${total}`,
    ],
    [
      "a figure with a comment after it",
      () => put(shudian, gross, gross.replace("200.00", "200.00<!-- 9 -->")),
      `comment-in-text ${total}`,
    ],
    [
      "a figure with an instruction in it",
      () => put(shudian, gross, gross.replace("200", "2<?x 9?>00")),
      "processing-instruction /",
    ],
    [
      "a figure in CDATA pieces",
      () => put(shudian, gross, gross.replace("200.00", "<![CDATA[2]]>00<![CDATA[.00]]>")),
      `text-in-pieces ${total}`,
    ],
    [
      "a figure with an empty CDATA before it",
      () => put(shudian, gross, gross.replace("200.00", "<![CDATA[]]>200.00")),
      `text-in-pieces ${total}`,
    ],
    [
      "a figure with an element beside it",
      () => put(shudian, gross, gross.replace("200.00", "200.00<x>99</x>")),
      `mixed-content ${total}`,
    ],
    [
      "a text beside elements",
      () => put(shudian, "<BasicInformation>", "<BasicInformation>99.00"),
      `mixed-content ${basic}`,
    ],
    [
      "a twin in another namespace",
      () =>
        put(
          shudian,
          gross,
          `<e:TotalTax-includedAmount xmlns:e="urn:e">9.00</e:TotalTax-includedAmount>${gross}`,
        ),
      `foreign-namespace ${basic}/e:TotalTax-includedAmount`,
    ],
    [
      "a twin in small letters",
      () =>
        put(
          shudian,
          "<BasicInformation>",
          "<basicInformation><TotalTaxAm>9.00</TotalTaxAm></basicInformation><BasicInformation>",
        ),
      "unknown-element /EInvoice/EInvoiceData/basicInformation",
    ],
    [
      "elements in a text",
      () => put(shudian, "<Remark>午餐 4人</Remark>", "<Remark><b>午餐</b></Remark>"),
      "unknown-element /EInvoice/EInvoiceData/AdditionalInformation/Remark/b",
    ],
    [
      "a text in place of elements",
      () =>
        put(
          shudian,
          "<SpecificInformation></SpecificInformation>",
          "<SpecificInformation>x</SpecificInformation>",
        ),
      "unexpected-text /EInvoice/EInvoiceData/SpecificInformation",
    ],
    [
      "an attribute on an element that nobody knows",
      () => put(shudian, "</EInvoice>", `<Extra a="1"/></EInvoice>`),
      "unknown-attribute /EInvoice/Extra/@a",
    ],
    [
      "an attribute of the signature elsewhere",
      () => put(shudian, "<Remark>", `<Remark URI="/x">`),
      "unknown-attribute /EInvoice/EInvoiceData/AdditionalInformation/Remark/@URI",
    ],
    [
      "UBL with an extension",
      () =>
        put(
          ubl,
          "</Invoice>",
          `<ext:UBLExtensions xmlns:ext="urn:oasis:names:specification:ubl:schema:xsd:CommonExtensionComponents-2">${page}</ext:UBLExtensions></Invoice>`,
        ),
      "foreign-namespace /Invoice/ext:UBLExtensions",
    ],
    [
      "UBL with a prepayment",
      () =>
        put(
          ubl,
          "<cac:LegalMonetaryTotal>",
          `<cac:PrepaidPayment><cbc:PaidAmount currencyID="EUR">9.00</cbc:PaidAmount></cac:PrepaidPayment><cac:LegalMonetaryTotal>`,
        ),
      "unknown-element /Invoice/cac:PrepaidPayment",
    ],
    [
      "UBL with an element in the root's namespace",
      () => put(ubl, "</Invoice>", "<Note>x</Note></Invoice>"),
      "unknown-element /Invoice/Note",
    ],
    [
      "UBL with a page in a note",
      () => put(ubl, "Lieferung frei Haus", `x${page}`),
      "mixed-content /Invoice/cbc:Note",
    ],
  ];
  for (const [label, make, expected] of cases)
    it(`with ${label} is refused`, () => expect(outcome(make())).equals(expected));

  it("stops at twenty violations, and before a parser sees more elements than its lines have", () => {
    const many = (text: string, count: number, end: string) =>
      put(text, end, `${"<a/>".repeat(count)}${end}`);
    const rules = (text: string) =>
      refusalOf(() => read(text)).violations.map(({ rule, field }) => `${rule} ${field}`);
    expect(rules(many(ubl, 5_000, "</Invoice>")))
      .has.length(20)
      .and.includes("unknown-element /Invoice/a[20]");
    expect(rules(many(shudian, 5_000, "</EInvoice>"))).deep.equals([
      "too-many-elements /EInvoice/a[2001]",
    ]);
    expect(outcome(many(shudian, 7_000, "</EInvoice>"))).equals("too-many-elements /");
  });

  it("may have comments between elements, a text as one CDATA section, words with a quoted word, a place of its schema", () => {
    expect(outcome(put(shudian, "<BasicInformation>", "<!-- basics --><BasicInformation>"))).equals(
      "read",
    );
    expect(
      outcome(
        put(shudian, "<Remark>午餐 4人</Remark>", "<Remark>\n<![CDATA[午餐 & <4人>]]>\n</Remark>"),
      ),
    ).equals("read");
    const xsi = `xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:x x.xsd"`;
    expect(outcome(put(ubl, "<Invoice ", `<Invoice ${xsi} `))).equals("read");
    expect(outcome(put(ubl, "<Invoice ", `<Invoice xmlns:unused="urn:unused" `))).equals("read");
    expect(outcome(ubl.replaceAll("cbc:", "b:").replaceAll("xmlns:cbc", "xmlns:b"))).equals("read");
  });

  it("has named what of it is not read; of what a gateway writes all is read", () => {
    const more = put(
      ubl,
      "<cac:AccountingSupplierParty>",
      "<cac:DespatchDocumentReference><cbc:ID>L-7</cbc:ID></cac:DespatchDocumentReference><cac:AccountingSupplierParty>",
    );
    expect(read(more).unread).includes("/Invoice/cac:DespatchDocumentReference/cbc:ID");
    expect(read(shudian).unread).deep.equals([]);
  });

  it("of a gateway's samples has but these left unread", () => {
    const unread = (format: "shudian" | "ubl") =>
      new Set(
        good(format).flatMap(({ body, mediaType }) => [
          ...(readInvoice(mediaType, body).unread ?? []),
        ]),
      );
    expect([...unread("shudian")]).deep.equals([]);
    expect([...unread("ubl")].sort()).deep.equals(left);
  });
});
