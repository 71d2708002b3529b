/**
 * Invoices that others have issued by EN 16931: read by the standard's rules, with everything that
 * they say, whatever this network would require of its own invoices.
 */
import { createHash } from "node:crypto";
import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { type ReadInvoice, readInvoice } from "@onepiao/protocol/formats/read.ts";
import { writeInvoice } from "@onepiao/protocol/formats/write.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { expect } from "chai";
import { embedded, legal, preceding, reference, type UblWish, ubl, vatId } from "./european.ts";
import { refusalOf } from "./samples.ts";

const type = "application/vnd.onepiao.ubl+xml";
const readText = (text: string): ReadInvoice => readInvoice("application/xml", Buffer.from(text));
const read = (wish: UblWish = {}): ReadInvoice => readText(ubl(wish));
const document = (wish: UblWish = {}): InvoiceDocument => read(wish).document;
function broken(wish: UblWish): string[] {
  try {
    read(wish);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return (error.violations ?? []).map(({ field, rule }) => `${rule} ${field}`);
  }
  return [];
}

describe("an invoice of EN 16931 that others have issued", () => {
  it("may have an amount that quantity and price do not make: that is noted", () => {
    expect(read({ quantity: "3" }).notes).deep.equals([
      {
        field: "/Invoice/cac:InvoiceLine[1]/cbc:LineExtensionAmount",
        rule: "line-amount",
        detail: "3 × 100 makes 300.00, not 100.00",
      },
    ]);
    expect(read().notes).equals(undefined);
  });

  it("may have a price for no units, which decides nothing", () => {
    const text = ubl().replace(
      "</cac:Price>",
      "<cbc:BaseQuantity>0</cbc:BaseQuantity></cac:Price>",
    );
    expect(readText(text).notes?.map(({ rule }) => rule)).deep.equals(["base-quantity-positive"]);
  });

  it("knows a seller without a VAT id by its registration, and keeps every id with its scheme", () => {
    const seller = [
      '<cac:PartyIdentification><cbc:ID schemeID="0088">4012345000009</cbc:ID></cac:PartyIdentification>',
      vatId("22/293/55512", "FC"),
      legal('<cbc:CompanyID schemeID="0204">HRB 12345</cbc:CompanyID>'),
    ];
    const identifiers = [
      { id: "4012345000009", scheme: "0088" },
      { id: "HRB 12345", scheme: "0204", registration: "legal" },
      { id: "22/293/55512", registration: "tax" },
    ];
    const all = document({ seller: seller.join("") }).seller;
    expect([all.taxId, all.identifiers]).deep.equals(["DE2229355512", identifiers]);
    const registered = document({ seller: `${seller[0]}${seller[2]}` }).seller;
    expect([registered.taxId, registered.identifiers]).deep.equals([
      "DEHRB12345",
      identifiers.slice(0, 2),
    ]);
    const named = document({ seller: `${seller[0]}${legal("")}` }).seller;
    expect([named.taxId, named.identifiers]).deep.equals([
      "DE4012345000009",
      identifiers.slice(0, 1),
    ]);
    const withVat = document({ seller: vatId("DE123456789") + seller.join("") }).seller;
    expect([withVat.taxId, withVat.identifiers]).deep.equals(["DE123456789", identifiers]);
  });

  it("is outside of tax without a VAT id (BR-O-02), and never without any id (BR-CO-26)", () => {
    const outside = {
      category: "O",
      tax: "0.00",
      gross: "100.00",
      seller: legal("<cbc:CompanyID>HRB 12345</cbc:CompanyID>"),
    };
    expect(document(outside).seller.taxId).equals("DEHRB12345");
    expect(broken({ ...outside, seller: legal("") })).deep.equals([
      "BR-CO-26 /Invoice/cac:AccountingSupplierParty/cac:Party/cac:PartyTaxScheme/cbc:CompanyID",
    ]);
  });

  it("is written with its VAT id, also where another id of the seller is the same number", () => {
    const number = "<cbc:CompanyID>46830600751</cbc:CompanyID>";
    const invoice = document({ seller: vatId("DE46830600751") + legal(number) });
    const text = writeInvoice(type, invoice, { number: "26440000000000000042" });
    expect(text).match(/<cbc:CompanyID>DE46830600751<.*\n.*\n\s*<cbc:ID>VAT</);
    expect(readText(text).document.seller).deep.equals(invoice.seller);
  });

  it("may have days with a zone", () => {
    expect(document({ date: "2026-11-03Z" }).issuedAt).equals("2026-11-03T00:00:00Z");
    expect(document({ date: "2026-11-03+01:00" }).issuedAt).equals("2026-11-03T00:00:00+01:00");
    const text = ubl({ date: "2026-11-03-05:00" }).replace(
      "<cbc:InvoiceTypeCode>",
      "<cbc:IssueTime>10:30:00+02:00</cbc:IssueTime><cbc:DueDate>2026-12-01+01:00</cbc:DueDate><cbc:InvoiceTypeCode>",
    );
    const { issuedAt, dueDate } = readText(text).document;
    expect([issuedAt, dueDate]).deep.equals(["2026-11-03T10:30:00+02:00", "2026-12-01"]);
    expect(broken({ date: "2026-11-03+1:00" })).deep.equals(["time-format /Invoice/cbc:IssueDate"]);
  });

  it("may have a description of ten thousand characters, and not of one more", () => {
    expect(document({ description: "ä".repeat(10_000) }).lines[0]?.description).length(10_000);
    expect(broken({ description: "ä".repeat(10_001) })).deep.equals([
      "too-long /Invoice/cac:InvoiceLine[1]/cac:Item/cbc:Description",
    ]);
  });

  it("has the amounts of its currency: yen without a fraction, dinars in thousandths", () => {
    const yen = document({ currency: "JPY", net: "1000", tax: "190", gross: "1190" });
    expect([yen.currency, yen.totals.gross]).deep.equals(["JPY", "1190.00"]);
    const dinars = document({ currency: "KWD", net: "1.234", tax: "0.234", gross: "1.468" });
    expect(dinars.totals).includes({ net: "1.234", tax: "0.234", gross: "1.468" });
    expect(document({ currency: "BHD", net: "10", tax: "1.9", gross: "11.9" }).totals.gross).equals(
      "11.900",
    );
    expect(broken({ currency: "KWD", net: "1.234", tax: "0.234", gross: "1.469" })).includes(
      "BR-CO-15 /Invoice/cac:LegalMonetaryTotal/cbc:TaxInclusiveAmount",
    );
    expect(broken({ net: "1.234", tax: "0.23", gross: "1.46" })).includes(
      "money-format /Invoice/cac:LegalMonetaryTotal/cbc:TaxExclusiveAmount",
    );
    const unwritten = refusalOf(() =>
      writeInvoice(type, dinars, { number: "26440000000000000042" }),
    );
    expect(unwritten.violations?.map(({ rule }) => rule)).deep.equals(["BR-DEC-14"]);
  });

  it("may state its tax in the accounting currency, or twice in its own", () => {
    const second = (currency: string, tax: string) =>
      `<cac:TaxTotal><cbc:TaxAmount currencyID="${currency}">${tax}</cbc:TaxAmount></cac:TaxTotal>`;
    const head = "<cbc:TaxCurrencyCode>JPY</cbc:TaxCurrencyCode>";
    const wish = { head, taxTotals: second("JPY", "3100") };
    expect(document(wish).totals.accounting).deep.equals({ currency: "JPY", tax: "3100.00" });
    expect(document({ taxTotals: second("EUR", "19.00") }).totals).deep.includes({
      tax: "19.00",
      accounting: { currency: "EUR", tax: "19.00" },
    });
    expect(broken({ taxTotals: second("EUR", "5.00") })).deep.equals([
      "repeated-element /Invoice/cac:TaxTotal[2]/cbc:TaxAmount",
    ]);
    expect(broken({ head })).deep.equals(["BR-53 /Invoice/cbc:TaxCurrencyCode"]);
    expect(broken({ taxTotals: second("EUR", "19.00").repeat(2) })).deep.equals([
      "repeated-element /Invoice/cac:TaxTotal",
    ]);
  });

  it("says what is to be paid beside the gross", () => {
    const prepaid = '<cbc:PrepaidAmount currencyID="EUR">100.00</cbc:PrepaidAmount>';
    const { totals } = document({ totals: prepaid, payable: "19.00" });
    expect(totals).includes({ gross: "119.00", prepaid: "100.00", payable: "19.00" });
  });
});

describe("the type of an invoice of EN 16931", () => {
  const numbers = { number: "26440000000000000042", reverses: "26440000000000000041" };
  const again = (invoice: InvoiceDocument) => readText(writeInvoice(type, invoice, numbers));

  it("is kept, with the invoices that it names: correction, self-billing, prepayment, final", () => {
    for (const code of ["384", "389", "386", "326", "875"]) {
      const references = preceding("A-1", "2026-10-01") + preceding("A-2");
      const read = document({ code, references });
      expect(read.typeCode).equals(code);
      expect(read.preceding).deep.equals([{ id: "A-1", date: "2026-10-01" }, { id: "A-2" }]);
      const { source: _, ...back } = again(read).document;
      expect(back).deep.includes({ typeCode: code, preceding: read.preceding });
    }
    expect(document().typeCode).equals(undefined);
    expect(broken({ code: "999" })).deep.equals(["BR-CL-01 /Invoice/cbc:InvoiceTypeCode"]);
  });

  it("of a credit note makes its amounts negative, and the invoice that it names the reversed one", () => {
    const credit = document({ root: "CreditNote", references: preceding("A-1"), quantity: "1" });
    expect(credit.totals).deep.equals({
      net: "-100.00",
      tax: "-19.00",
      gross: "-119.00",
      lines: "-100.00",
      payable: "-119.00",
    });
    expect(credit.lines[0]).includes({ quantity: "-1", unitPrice: "100", amount: "-100.00" });
    expect([credit.reverses, credit.typeCode]).deep.equals([{ sourceId: "A-1" }, "381"]);
    const xml = writeInvoice(type, credit, numbers);
    expect(xml).match(/^<\?xml[^>]*>\n<CreditNote /);
    expect(xml).includes('<cbc:CreditedQuantity unitCode="C62">1</cbc:CreditedQuantity>');
    expect(xml).includes('<cbc:PayableAmount currencyID="EUR">119.00</cbc:PayableAmount>');
    const { source: _a, ...first } = credit;
    const { source: _b, ...second } = again(credit).document;
    expect(second).deep.equals({ ...first, paymentTerms: second.paymentTerms });
  });

  it("of a credit note without an invoice, or with several, is read; issued here it would be refused", () => {
    for (const references of ["", preceding("A-1") + preceding("A-2", "2026-10-01")]) {
      const { document, notes } = read({ root: "CreditNote", references });
      expect(document.reverses).equals(undefined);
      expect(notes?.map(({ rule, field }) => `${rule} ${field}`)).deep.equals([
        "negative-needs-reverses /CreditNote/cac:LegalMonetaryTotal/cbc:TaxInclusiveAmount",
      ]);
    }
  });

  it("keeps a credit note's due date and project where it has them", () => {
    const references =
      preceding("A-1") +
      "<cac:AdditionalDocumentReference><cbc:ID>P-7</cbc:ID><cbc:DocumentTypeCode>50</cbc:DocumentTypeCode></cac:AdditionalDocumentReference>";
    const text = ubl({ root: "CreditNote", references }).replace(
      "<cac:TaxTotal>",
      "<cac:PaymentMeans><cbc:PaymentMeansCode>30</cbc:PaymentMeansCode><cbc:PaymentDueDate>2026-12-01</cbc:PaymentDueDate></cac:PaymentMeans><cac:TaxTotal>",
    );
    const expected = { dueDate: "2026-12-01", references: { project: "P-7" } };
    const credit = readText(text).document;
    expect(credit).deep.includes(expected);
    expect(credit.attachments).equals(undefined);
    expect(again(credit).document).deep.includes(expected);
  });

  it("names the rules of a credit note by its own elements", () => {
    expect(broken({ root: "CreditNote", code: "380" })).deep.equals([
      "BR-CL-01 /CreditNote/cbc:CreditNoteTypeCode",
    ]);
    expect(broken({ root: "CreditNote", gross: "118.99" })).includes(
      "BR-CO-15 /CreditNote/cac:LegalMonetaryTotal/cbc:TaxInclusiveAmount",
    );
  });

  it("that only others issue is noted", () => {
    const rules = (wish: UblWish) => (read(wish).notes ?? []).map(({ rule }) => rule);
    expect(rules({ code: "384" })).deep.equals(["correction-in-invoice"]);
    expect(rules({ code: "381" })).deep.equals(["negative-needs-reverses"]);
    expect(rules({ code: "389" })).deep.equals(["self-billing"]);
    expect(rules({ code: "386" })).deep.equals([]);
  });
});

describe("an attachment of an invoice of EN 16931", () => {
  it("is listed with name, type, size and hash", () => {
    const bytes = Buffer.alloc(300_000, "zeugnis ");
    const text = bytes.toString("base64").replaceAll(/.{76}/g, "$&\n");
    const read = readText(ubl({ references: embedded(text) }));
    expect(read.document.attachments).deep.equals([
      {
        id: "Z-1",
        filename: "z.pdf",
        mimeType: "application/pdf",
        bytes: "300000",
        sha256: createHash("sha256").update(bytes).digest("hex"),
      },
    ]);
    expect(Buffer.from(read.source?.bytes ?? []).toString()).includes(text);
  });
  it("that is only linked to is listed with its address", () => {
    const link = reference(
      "<cac:Attachment><cac:ExternalReference><cbc:URI>https://kauf.example/z.pdf</cbc:URI></cac:ExternalReference></cac:Attachment>",
    );
    expect(document({ references: link }).attachments).deep.equals([
      { id: "Z-1", uri: "https://kauf.example/z.pdf" },
    ]);
  });
  it("is refused if it is not written in Base64", () => {
    expect(broken({ references: embedded("!!!!") })).deep.equals([
      "base64 /Invoice/cac:AdditionalDocumentReference/cac:Attachment/cbc:EmbeddedDocumentBinaryObject",
    ]);
  });

  const long = Buffer.alloc(200_000, "zeugnis ").toString("base64");
  const malformed = (text: string) => refusalOf(() => readText(text)).violations?.[0];
  it("is not parsed, and what surrounds it is read as ever: comments, CDATA, lines of errors", () => {
    const attached = (inner: string) =>
      readText(ubl({ references: embedded(inner) })).document.attachments?.[0]?.sha256;
    const hash = attached(long);
    expect(attached(`<![CDATA[${long}]]>`)).equals(hash);
    const comment = `<!-- <cbc:Note>${long}</cbc:Note> -->`;
    const text = ubl({ references: embedded(long) });
    expect(
      readText(text.replace("<cac:TaxTotal>", `${comment}<cac:TaxTotal>`)).document,
    ).deep.includes({ attachments: readText(text).document.attachments });
    const lines = long.replaceAll(/.{76}/g, "$&\n");
    const open = ubl({ references: embedded(lines) }).replace("</cac:Price>", "</cac:Prize>");
    const last = lines.split("\n").length;
    expect(refusalOf(() => readText(open)).message).includes(`Line ${last},`);
    expect(malformed(text.replace("</cbc:EmbeddedDocumentBinaryObject>", ""))?.rule).equals(
      "not-well-formed",
    );
  });
  it("may fill a body of ten mebibytes; text that is not set aside may have four million characters", () => {
    const most = Buffer.alloc(7_600_000, "a").toString("base64");
    expect(document({ references: embedded(most) }).attachments?.[0]?.bytes).equals("7600000");
    const words = ubl({ description: "ä ".repeat(2_100_000) });
    expect(malformed(words)?.rule).equals("too-much-markup");
  });
});
