/**
 * Cross Industry Invoices: read to the same document as the same invoice in UBL, refused in the
 * words of their own format, and written so that the reader returns the written document.
 */
import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { parseInvoice, type ReadInvoice, readInvoice } from "@onepiao/protocol/formats/read.ts";
import { unavailableFor, writeInvoice } from "@onepiao/protocol/formats/write.ts";
import type { Element } from "@onepiao/protocol/formats/xml.ts";
import { idsOf } from "@onepiao/protocol/ledger/external.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { expect } from "chai";
import fc from "fast-check";
import {
  allowance,
  attached,
  type CiiWish,
  cii,
  dayOf,
  embedded,
  preceding,
  registered,
  tag,
  usualVatId,
} from "./cross-industry.ts";
import { documents, number } from "./documents.ts";
import * as european from "./european.ts";
import { good, load, refusalOf, samplesRoot } from "./samples.ts";

const type = "application/vnd.onepiao.cii+xml";
const ublType = "application/vnd.onepiao.ubl+xml";
const numbers = { number, reverses: "26440000000000000041" };
const readText = (text: string): ReadInvoice => readInvoice("application/xml", Buffer.from(text));
const stated = (text: string): InvoiceDocument => {
  const { source: _, ...document } = readText(text).document;
  return document;
};
const document = (wish: CiiWish = {}) => stated(cii(wish));
function brokenBy(text: string): string[] {
  try {
    readText(text);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return error.violations.map(({ field, rule }) => `${rule} ${field}`);
  }
  return [];
}
const broken = (wish: CiiWish) => brokenBy(cii(wish));

const root = "/rsm:CrossIndustryInvoice";
const head = `${root}/rsm:ExchangedDocument`;
const trade = `${root}/rsm:SupplyChainTradeTransaction`;
const agreement = `${trade}/ram:ApplicableHeaderTradeAgreement`;
const settlement = `${trade}/ram:ApplicableHeaderTradeSettlement`;
const sums = `${settlement}/ram:SpecifiedTradeSettlementHeaderMonetarySummation`;

const amount = (name: string, text: string, currency = "EUR") =>
  `<cbc:${name} currencyID="${currency}">${text}</cbc:${name}>`;
const ublCategory =
  "<cac:TaxCategory><cbc:ID>S</cbc:ID><cbc:Percent>19</cbc:Percent><cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:TaxCategory>";
const ublAllowance = (charge: boolean, cents: string, more: string) =>
  `<cac:AllowanceCharge><cbc:ChargeIndicator>${charge}</cbc:ChargeIndicator>${more}${amount("Amount", cents)}${ublCategory}</cac:AllowanceCharge>`;

/** The same invoice in both syntaxes. */
const pairs: readonly [name: string, CiiWish, european.UblWish][] = [
  ["the plainest", {}, {}],
  [
    "with every id of its seller",
    {
      sellerIds: `${tag("ID", "K-7")}${tag("GlobalID", "4012345000009", ' schemeID="0088"')}`,
      seller: `${registered("22/293/55512", "FC")}${registered(usualVatId)}`,
      creditor: tag("CreditorReferenceID", "DE98ZZZ09999999999"),
    },
    {
      seller:
        "<cac:PartyIdentification><cbc:ID>K-7</cbc:ID></cac:PartyIdentification>" +
        '<cac:PartyIdentification><cbc:ID schemeID="0088">4012345000009</cbc:ID></cac:PartyIdentification>' +
        '<cac:PartyIdentification><cbc:ID schemeID="SEPA">DE98ZZZ09999999999</cbc:ID></cac:PartyIdentification>' +
        european.vatId("22/293/55512", "FC") +
        european.vatId(usualVatId) +
        european.legal(""),
    },
  ],
  [
    "of a seller without a VAT id",
    {
      category: "O",
      tax: "0.00",
      gross: "100.00",
      seller: "",
      sellerIds: tag("ID", "K-7"),
    },
    {
      category: "O",
      tax: "0.00",
      gross: "100.00",
      seller: `<cac:PartyIdentification><cbc:ID>K-7</cbc:ID></cac:PartyIdentification>${european.legal("")}`,
    },
  ],
  [
    "with a note, what it is about, and references",
    {
      notes: tag("IncludedNote", tag("Content", "Danke") + tag("SubjectCode", "AAI")),
      reference: tag("BuyerReference", "04011000"),
      agreement:
        tag("BuyerOrderReferencedDocument", tag("IssuerAssignedID", "B-7")) +
        attached(tag("Name", "Beleg") + tag("URIID", "https://kauf.example/z")),
    },
    {
      head: "<cbc:Note>#AAI#Danke</cbc:Note><cbc:BuyerReference>04011000</cbc:BuyerReference><cac:OrderReference><cbc:ID>B-7</cbc:ID></cac:OrderReference>",
      references: european.reference(
        "<cbc:DocumentDescription>Beleg</cbc:DocumentDescription><cac:Attachment><cac:ExternalReference><cbc:URI>https://kauf.example/z</cbc:URI></cac:ExternalReference></cac:Attachment>",
      ),
    },
  ],
  [
    "with an embedded file",
    { agreement: embedded("WmV1Z25pcw==") },
    { references: european.embedded("WmV1Z25pcw==") },
  ],
  [
    "prepaid, and rounded",
    {
      totals: tag("TotalPrepaidAmount", "100.00"),
      taxTotals: tag("RoundingAmount", "0.01"),
      payable: "19.01",
    },
    {
      totals: amount("PrepaidAmount", "100.00") + amount("PayableRoundingAmount", "0.01"),
      payable: "19.01",
    },
  ],
  [
    "with its tax in another currency",
    {
      creditor: tag("TaxCurrencyCode", "JPY"),
      taxTotals: tag("TaxTotalAmount", "3100", ' currencyID="JPY"'),
    },
    {
      head: "<cbc:TaxCurrencyCode>JPY</cbc:TaxCurrencyCode>",
      taxTotals: `<cac:TaxTotal>${amount("TaxAmount", "3100", "JPY")}</cac:TaxTotal>`,
    },
  ],
  [
    "a correction that names two others",
    { code: "384", preceding: preceding("A-1", "20261001") + preceding("A-2") },
    {
      code: "384",
      references: european.preceding("A-1", "2026-10-01") + european.preceding("A-2"),
    },
  ],
  [
    "a credit note",
    { code: "381", preceding: preceding("A-1"), quantity: "2", price: "50" },
    { root: "CreditNote", references: european.preceding("A-1"), quantity: "2", price: "50" },
  ],
  [
    "self-billed, in dinars",
    { code: "389", currency: "KWD", net: "1.234", tax: "0.234", gross: "1.468" },
    { code: "389", currency: "KWD", net: "1.234", tax: "0.234", gross: "1.468" },
  ],
  [
    "with something off and something on the whole",
    {
      lines: "100.00",
      net: "95.00",
      tax: "18.05",
      gross: "113.05",
      settlement:
        allowance(false, "10.00", tag("ReasonCode", "95") + tag("Reason", "Treue")) +
        allowance(true, "5.00", tag("Reason", "Fracht")),
    },
    {
      net: "95.00",
      tax: "18.05",
      gross: "113.05",
    },
  ],
];
/** UBL's maker has one net for the line and the whole: what is on and off is put in here. */
const withAllowances = (text: string) =>
  text
    .replace(
      "<cac:TaxTotal>",
      `${ublAllowance(false, "10.00", "<cbc:AllowanceChargeReasonCode>95</cbc:AllowanceChargeReasonCode><cbc:AllowanceChargeReason>Treue</cbc:AllowanceChargeReason>")}${ublAllowance(true, "5.00", "<cbc:AllowanceChargeReason>Fracht</cbc:AllowanceChargeReason>")}<cac:TaxTotal>`,
    )
    .replaceAll(amount("LineExtensionAmount", "95.00"), amount("LineExtensionAmount", "100.00"))
    .replace(amount("PriceAmount", "95.00"), amount("PriceAmount", "100.00"));

describe("a CII invoice", () => {
  for (const [name, ours, theirs] of pairs)
    it(`says what the same invoice says as UBL: ${name}`, () => {
      const text = european.ubl(theirs);
      const inUbl = ours.settlement === undefined ? text : withAllowances(text);
      expect(stated(cii(ours))).deep.equals(stated(inUbl));
    });

  it("of a gateway's samples is read with every amount, and little is left to the original", () => {
    const [first, second] = good("cii").map(({ body }) => readInvoice("text/xml", body));
    expect(first?.document).deep.includes({
      sourceId: "NB-2026-1204",
      issuedAt: "2026-11-06T00:00:00Z",
      dueDate: "2026-12-06",
      paymentTerms: "30 Tage netto",
      remark: "#AAI#Es gelten unsere Lieferbedingungen.\nLieferung frei Haus",
      references: { buyer: "04011000-1234512345-06", order: "B-2026-77" },
      totals: { lines: "279.00", net: "279.00", tax: "31.48", gross: "310.48", payable: "310.48" },
    });
    expect(first?.document.seller).deep.equals({
      taxId: "DE811223344",
      name: "Nordlicht Bürobedarf GmbH",
      tradingName: "Nordlicht",
      address: "Kanalstraße 12, 24103 Kiel",
      country: "DE",
      bankName: "BYLADEM1001",
      bankAccount: "DE02120300000000202051",
      endpoint: { id: "rechnung@nordlicht.example", scheme: "EM" },
      identifiers: [
        { id: "K-4711" },
        { id: "4012345000009", scheme: "0088" },
        { id: "HRB 12345 KI", registration: "legal" },
        { id: "20/123/45678", registration: "tax" },
      ],
      contact: {
        name: "Frauke Petersen",
        phone: "+49 431 555 0101",
        email: "rechnung@nordlicht.example",
      },
    });
    expect(first?.document.lines).deep.equals([
      {
        id: "1",
        name: "Ordner & Register, A4",
        description: "Breite 80 mm",
        unit: "C62",
        quantity: "4",
        unitPrice: "24.9",
        amount: "99.60",
        taxRate: "0.19",
        taxCategory: "S",
        taxCode: "44122003",
        note: "Farbe: blau",
      },
      {
        id: "2",
        name: "Fachbuch „Rechnung & Steuer“",
        unit: "C62",
        quantity: "12",
        unitPrice: "14.95",
        amount: "179.40",
        taxRate: "0.07",
        taxCategory: "S",
        period: { start: "2026-11-01", end: "2026-11-06" },
      },
    ]);
    expect(first?.unread).deep.equals([
      `${trade}/ram:ApplicableHeaderTradeDelivery/ram:ActualDeliverySupplyChainEvent/ram:OccurrenceDateTime/udt:DateTimeString`,
      `${settlement}/ram:PaymentReference`,
      `${settlement}/ram:SpecifiedTradeSettlementPaymentMeans/ram:TypeCode`,
    ]);
    expect([second?.document.totals.payable, second?.unread]).deep.equals(["1000.00", []]);
  });

  it("has the account of its first payment means that has one, whatever number it is", () => {
    const means = (...inner: string[]) =>
      tag("SpecifiedTradeSettlementPaymentMeans", tag("TypeCode", "30") + inner.join(""));
    const account = (name: string, id: string) =>
      tag("PayeePartyCreditorFinancialAccount", tag(name, id));
    const bank = tag("PayeeSpecifiedCreditorFinancialInstitution", tag("BICID", "BYLADEM1001"));
    const sellerWith = (...all: string[]) =>
      stated(cii().replace("<ram:ApplicableTradeTax><ram:Calc", `${all.join("")}$&`)).seller;
    const { bankAccount, bankName } = sellerWith(
      means(),
      means(account("IBANID", "DE02"), bank),
      means(account("IBANID", "DE03")),
    );
    expect([bankAccount, bankName]).deep.equals(["DE02", "BYLADEM1001"]);
    expect(sellerWith(means(account("ProprietaryID", "6222 0000"))).bankAccount).equals(
      "6222 0000",
    );
  });

  it("may leave out the total of a tax that is nothing, and no other", () => {
    const without = (wish: CiiWish) =>
      cii(wish).replace(/<ram:TaxTotalAmount currencyID="EUR">[^<]*<\/ram:TaxTotalAmount>/, "");
    const untaxed = { category: "E", tax: "0.00", gross: "100.00" };
    expect(stated(without(untaxed)).totals.tax).equals("0.00");
    expect(brokenBy(without({}))).includes(`BR-CO-14 ${sums}/ram:TaxTotalAmount`);
  });

  it("may have a tax in whole forint or yen, and of other money only in cents", () => {
    const whole = (currency: string, tax: string) => {
      const gross = String(69_180 + Number(tax));
      const wish = { currency, net: "69180", tax, gross };
      return brokenBy(cii(wish).replaceAll(">19<", ">27<"));
    };
    const at = `${settlement}/ram:ApplicableTradeTax[1]/ram:CalculatedAmount`;
    // 69180 × 0.27 is 18678.60
    for (const currency of ["HUF", "JPY"]) {
      for (const tax of ["18679", "18678"]) expect(whole(currency, tax)).deep.equals([]);
      expect(whole(currency, "18680")).deep.equals([`BR-CO-17 ${at}`]);
    }
    expect(whole("EUR", "18679")).deep.equals([`BR-CO-17 ${at}`]);
  });

  it("is refused by the rule and by the element of its own format", () => {
    const due = (day: string) => tag("SpecifiedTradePaymentTerms", dayOf("DueDateDateTime", day));
    const period = (start: string) => tag("BillingSpecifiedPeriod", dayOf("StartDateTime", start));
    const at = `${settlement}/ram:BillingSpecifiedPeriod/ram:StartDateTime/udt:DateTimeString`;
    const issued = `${head}/ram:IssueDateTime/udt:DateTimeString`;
    const cases: [CiiWish, string[]][] = [
      [{ gross: "119.01" }, [`BR-CO-15 ${sums}/ram:GrandTotalAmount`]],
      [{ payable: "119.01" }, [`BR-CO-16 ${sums}/ram:DuePayableAmount`]],
      [{ code: "999" }, [`BR-CL-01 ${head}/ram:TypeCode`]],
      [{ id: "" }, [`BR-02 ${head}/ram:ID`]],
      [{ currency: "EURO" }, [`unknown-value ${settlement}/ram:InvoiceCurrencyCode`]],
      [{ date: "2026-11-03T10:00:00" }, [`time-format ${issued}`]],
      [{ date: "20261131" }, [`time-format ${issued}`]],
      [{ date: "2026-11-03" }, [`date-format ${issued}`]],
      [{ format: "610", date: "202611" }, [`time-format ${issued}`, `date-format ${issued}`]],
      [{ settlement: period("20261301") }, [`date-format ${at}`]],
      [{ settlement: period("1.11.2026") }, [`date-format ${at}`]],
      [
        { seller: "" },
        [`BR-CO-26 ${agreement}/ram:SellerTradeParty/ram:SpecifiedTaxRegistration/ram:ID`],
      ],
      [{ creditor: tag("TaxCurrencyCode", "JPY") }, [`BR-53 ${settlement}/ram:TaxCurrencyCode`]],
      [
        { taxTotals: tag("TaxTotalAmount", "1", ' currencyID="JPY"').repeat(2) },
        [`repeated-element ${sums}/ram:TaxTotalAmount`],
      ],
      [
        { taxTotals: tag("TaxTotalAmount", "5.00", ' currencyID="EUR"') },
        [`repeated-element ${sums}/ram:TaxTotalAmount[2]`],
      ],
      [
        { settlement: due("20261201") + due("20270101") },
        [`repeated-element ${settlement}/ram:SpecifiedTradePaymentTerms`],
      ],
      [
        { agreement: embedded("!!!!") },
        [`base64 ${agreement}/ram:AdditionalReferencedDocument/ram:AttachmentBinaryObject`],
      ],
      [
        { settlement: tag("SpecifiedLogisticsServiceCharge", tag("AppliedAmount", "5.00")) },
        [`unknown-element ${settlement}/ram:SpecifiedLogisticsServiceCharge`],
      ],
      [
        { product: tag("IncludedReferencedProduct", tag("Name", "Teil")) },
        [
          `unknown-element ${trade}/ram:IncludedSupplyChainTradeLineItem/ram:SpecifiedTradeProduct/ram:IncludedReferencedProduct`,
        ],
      ],
    ];
    for (const [wish, expected] of cases) expect(broken(wish)).deep.equals(expected);
    const mixed = cii().replace("<ram:ChargeAmount>", '<ram:ChargeAmount currencyID="USD">');
    expect(brokenBy(mixed)).deep.equals([
      `currency-mismatch ${trade}/ram:IncludedSupplyChainTradeLineItem[1]/ram:SpecifiedLineTradeAgreement/ram:NetPriceProductTradePrice/ram:ChargeAmount`,
    ]);
    const { detail } = refusalOf(() => readText(cii({ date: "3.11.2026" }))).violations[0] ?? {};
    expect(detail).equals("a day is written as YYYYMMDD, in format 102");
  });

  it("without lines (MINIMUM, BASIC WL) is refused with what to do", () => {
    const text = cii().replace(/<ram:IncludedSupplyChainTradeLineItem>.*TradeLineItem>/, "");
    const [first] = refusalOf(() => readText(text)).violations;
    expect([first?.rule, first?.field]).deep.equals([
      "BR-16",
      `${trade}/ram:IncludedSupplyChainTradeLineItem`,
    ]);
    expect(first?.detail).includes("BASIC WL").and.includes("as JSON");
  });

  it("is known by its root and its namespace, not by its prefixes", () => {
    const renamed = cii().replaceAll("ram:", "a:").replace("xmlns:ram", "xmlns:a");
    expect(stated(renamed)).deep.equals(document());
    const standard = "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100";
    for (const [from, to] of [
      [standard, "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:26"],
      [standard, "urn:ferd:CrossIndustryDocument:invoice:1p0"],
      ["CrossIndustryInvoice", "CrossIndustryOrder"],
    ] as const)
      expect(brokenBy(cii().replaceAll(from, to))[0]).match(/^unknown-root /);
    const foreign = cii().replace(/ReusableAggregateBusinessInformationEntity:100/, "$&0");
    expect(brokenBy(foreign)[0]).match(/^foreign-namespace /);
    expect(refusalOf(() => readInvoice(ublType, Buffer.from(cii()))).violations[0]?.rule).equals(
      "unknown-root",
    );
  });

  it("with a DTD, an entity or an instruction is refused before anything is read", () => {
    const laughs = Array.from(
      { length: 30 },
      (_, level) => `<!ENTITY l${level + 1} "${`&l${level};`.repeat(10)}">`,
    ).join("");
    for (const [before, text] of [
      [`<!DOCTYPE x [<!ENTITY l0 "lol">${laughs}]>`, cii({ id: "&l30;" })],
      ['<!DOCTYPE x SYSTEM "file:///etc/passwd">', cii()],
      ['<?xml version="1.0"?><?xml-stylesheet href="x.xsl"?>', cii()],
      ["", cii({ id: "&xxe;" })],
    ] as const)
      expect(refusalOf(() => readText(before + text)).code).equals("forbidden-markup");
  });

  it("has other documents as attachments, but not a tender, and not a gateway's number", () => {
    const own = attached(tag("ReferenceTypeCode", "ZZZ"), number, "130");
    const read = readText(
      cii({ agreement: own + attached("", "OBJ-1", "130") + attached("", "LOT-1", "50") }),
    );
    expect([read.numbers, read.document.attachments]).deep.equals([[number], [{ id: "OBJ-1" }]]);
  });
});

const sampleOf = (name: string): InvoiceDocument => {
  const { mediaType, body } = load(samplesRoot, name);
  return readInvoice(mediaType, body).document;
};
const write = (invoice: InvoiceDocument, as = type) => writeInvoice(as, invoice, numbers);

/** Which siblings stand before which, in each parent. */
const orderOf = (element: Element): string[] => [
  ...element.children.flatMap((before, at) =>
    element.children
      .slice(at + 1)
      .flatMap((after) =>
        before.name === after.name ? [] : [`${element.name}: ${before.name} < ${after.name}`],
      ),
  ),
  ...element.children.flatMap(orderOf),
];

describe("a CII invoice that the gateway writes", () => {
  for (const { name, text } of [...good("cii"), ...good("ubl")])
    it(`says what the original said: ${name}`, () => {
      const original = stated(text);
      const back = stated(write(original));
      // bytes of attachments stay in the original, and so does the time of day
      const attachments = original.attachments?.map(({ id, description }) => ({
        id,
        ...(description ? { description } : {}),
      }));
      // ids of a register follow those of the seller's own
      const { identifiers } = original.seller;
      expect(back.seller.identifiers ?? []).deep.members(identifiers ?? []);
      expect(back).deep.equals({
        ...original,
        issuedAt: `${original.issuedAt.slice(0, 10)}T00:00:00Z`,
        seller: {
          ...original.seller,
          ...(identifiers && { identifiers: back.seller.identifiers }),
        },
        totals: { ...back.totals, ...original.totals },
        ...(attachments ? { attachments } : {}),
      });
    });

  it("of 500 lines that say all that a line may is read", () => {
    const property = tag(
      "ApplicableProductCharacteristic",
      tag("Description", "Farbe") + tag("Value", "blau"),
    );
    const [item] = /<ram:IncludedSupply.*TradeLineItem>/.exec(
      cii({ product: property.repeat(13) }),
    ) as RegExpExecArray;
    const whole = { net: "50000.00", lines: "50000.00", tax: "9500.00", gross: "59500.00" };
    const text = cii(whole).replace(/<ram:IncludedSupply.*TradeLineItem>/, item.repeat(500));
    expect(stated(text).lines).length(500);
  });

  it("of 2,000 lines is read", () => {
    const base = sampleOf("json/01-restaurant.json");
    const [item] = base.lines as [InvoiceDocument["lines"][0]];
    const line = { ...item, quantity: "1", unitPrice: "100", amount: "100.00", tax: "6.00" };
    const totals = { net: "200000.00", tax: "12000.00", gross: "212000.00" };
    const lines = Array.from({ length: 2_000 }, () => line);
    expect(stated(write({ ...base, lines, totals })).lines).length(2_000);
  });

  it("has its elements in the order in which the originals have theirs", () => {
    const ordersIn = (texts: readonly string[]) =>
      new Set(texts.flatMap((text) => orderOf(parseInvoice(text).root)));
    const originals = ordersIn(good("cii").map(({ text }) => text));
    const written = ordersIn(
      [...good("cii"), ...good("ubl")].map(({ text }) => write(stated(text))),
    );
    expect([...written].filter((pair) => originals.has(pair))).length.greaterThan(80);
    const turned = (pair: string) => pair.replace(/: (\w+) < (\w+)$/, ": $2 < $1");
    expect(
      [...written].filter((pair) => originals.has(turned(pair)) && !originals.has(pair)),
    ).deep.equals([]);
  });

  it("is the same invoice as its UBL: equal documents, and one id outside", () => {
    let compared = 0;
    fc.assert(
      fc.property(documents, (invoice) => {
        if (unavailableFor(invoice).some(({ mediaType }) => mediaType === ublType)) return;
        compared++;
        const [ours, theirs] = [stated(write(invoice)), stated(write(invoice, ublType))];
        const idsIn = ({ seller, sourceId = "", issuedAt, currency }: InvoiceDocument) =>
          idsOf({ number: sourceId, day: issuedAt.slice(0, 10), currency, seller });
        expect(idsIn(ours)[0]).equals(idsIn(theirs)[0]);
        const plain = ({ seller, references, ...rest }: InvoiceDocument) => ({
          ...rest,
          // UBL's sales order stands in an order
          references: {
            ...references,
            order: references?.order === "NA" ? undefined : references?.order,
          },
          issuedAt: rest.issuedAt.slice(0, 10),
          seller: { ...seller, identifiers: seller.identifiers?.map(({ id }) => id).toSorted() },
        });
        expect(plain(ours)).deep.equals(plain(theirs));
      }),
      { numRuns: 300 },
    );
    expect(compared).greaterThan(60);
  });

  it("keeps a credit note's sign, its due date and its project", () => {
    const credit = document({
      code: "381",
      preceding: preceding("A-1", "20261001"),
      agreement: tag("SpecifiedProcuringProject", tag("ID", "P-7") + tag("Name", "Umbau")),
      settlement: tag(
        "SpecifiedTradePaymentTerms",
        tag("Description", "sofort") + dayOf("DueDateDateTime", "20261201"),
      ),
    });
    expect(credit).deep.includes({
      typeCode: "381",
      reverses: { sourceId: "A-1" },
      dueDate: "2026-12-01",
      references: { project: "P-7" },
    });
    expect(credit.totals.gross).equals("-119.00");
    const text = write(credit);
    expect(text)
      .includes("<ram:GrandTotalAmount>119.00</ram:GrandTotalAmount>")
      .and.includes('<ram:BilledQuantity unitCode="C62">1</ram:BilledQuantity>')
      .and.includes("<ram:TypeCode>381</ram:TypeCode>");
    expect(stated(text)).deep.equals(credit);
    expect(stated(write(credit, ublType))).deep.equals(credit);
  });

  it("is refused for what its schema, or the standard, has no place for", () => {
    const why = (invoice: InvoiceDocument) =>
      unavailableFor(invoice)
        .filter(({ mediaType }) => mediaType !== "application/vnd.onepiao.shudian+xml")
        .map(({ mediaType, errors }) => [mediaType, ...errors.map(({ rule }) => rule)]);
    const both = (rule: string) => [
      [ublType, rule],
      [type, rule],
    ];
    expect(why(document({ preceding: preceding("A-1") + preceding("A-2") }))).deep.equals([
      [type, "cii-preceding"],
    ]);
    const within = { category: "K", tax: "0.00", gross: "100.00" };
    const text = cii(within).replaceAll(
      "<ram:CategoryCode>K</ram:CategoryCode>",
      "$&<ram:RateApplicablePercent>0</ram:RateApplicablePercent>",
    );
    expect(why(stated(text))).deep.equals(both("BR-IC-12"));
    const dinars = { currency: "KWD", net: "1.234", tax: "0.234", gross: "1.468" };
    expect(why(document(dinars))).deep.equals(both("BR-DEC-14"));
  });

  it("has words where a code is in no list, and no address of an unknown register", () => {
    const base = sampleOf("json/05-breakdown-euro.json");
    const [line] = base.lines;
    if (line === undefined) throw new Error("the sample has a line");
    const seller = {
      ...base.seller,
      bankAccount: "6222 0000 1111",
      identifiers: [
        { id: "HRB 1", scheme: "HRB" },
        { id: "4012345000009", scheme: "0088" },
      ],
      endpoint: { id: "12345", scheme: "9958X" },
    };
    const xml = write({ ...base, seller, lines: [{ ...line, unit: "PCS" }] });
    expect(xml)
      .includes('unitCode="C62"')
      .and.includes("<ram:Value>PCS</ram:Value>")
      .and.includes("<ram:ID>HRB 1</ram:ID>")
      .and.includes('<ram:GlobalID schemeID="0088">4012345000009</ram:GlobalID>')
      .and.includes("<ram:ProprietaryID>6222 0000 1111</ram:ProprietaryID>");
    expect(xml).not.includes('"HRB"').and.not.includes("9958X");
  });

  it("carries any text, in elements and in attributes, and no text becomes markup", () => {
    const base = stated(good("cii")[0]?.text ?? "");
    const text = fc
      .string({
        unit: fc.constantFrom(
          "&",
          "<",
          ">",
          '"',
          "'",
          "]]>",
          "&#0;",
          "<!--",
          "\r",
          "\n",
          " ",
          "票",
        ),
        maxLength: 12,
      })
      .map((value) => value.trim())
      .filter((value) => value !== "");
    const oneLine = text.map((value) => value.replaceAll(/[\n\r]/g, " "));
    fc.assert(
      fc.property(oneLine, text, (name, note) => {
        const [line, ...more] = base.lines as [InvoiceDocument["lines"][0]];
        const hostile = {
          ...base,
          remark: note,
          paymentTerms: note,
          seller: { ...base.seller, name, address: note, endpoint: { id: name, scheme: "EM" } },
          lines: [{ ...line, name, note, description: note, taxCode: "1" }, ...more],
        };
        const back = stated(write(hostile));
        expect([back.seller, back.remark, back.paymentTerms, back.lines]).deep.equals([
          hostile.seller,
          note,
          note,
          hostile.lines,
        ]);
      }),
      { numRuns: 100 },
    );
  });
});
