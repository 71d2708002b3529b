/** UBL as others write it by EN 16931, made to measure. Names and numbers are invented. */
const schema = "urn:oasis:names:specification:ubl:schema:xsd";

/** What differs from one line of 100.00 with 19 % of tax. */
export type UblWish = {
  id?: string;
  root?: "Invoice" | "CreditNote";
  code?: string;
  currency?: string;
  date?: string;
  /** XML after the currency, and before the parties. */
  head?: string;
  references?: string;
  seller?: string;
  category?: string;
  /** The tax of 19 %, on the net amount. */
  net?: string;
  tax?: string;
  gross?: string;
  quantity?: string;
  price?: string;
  description?: string;
  taxTotals?: string;
  totals?: string;
  payable?: string;
};
export const vatId = (id: string, scheme = "VAT") =>
  `<cac:PartyTaxScheme><cbc:CompanyID>${id}</cbc:CompanyID><cac:TaxScheme><cbc:ID>${scheme}</cbc:ID></cac:TaxScheme></cac:PartyTaxScheme>`;
export const legal = (id: string) =>
  `<cac:PartyLegalEntity><cbc:RegistrationName>Muster GmbH</cbc:RegistrationName>${id}</cac:PartyLegalEntity>`;
const country =
  "<cac:PostalAddress><cac:Country><cbc:IdentificationCode>DE</cbc:IdentificationCode></cac:Country></cac:PostalAddress>";
export const preceding = (id: string, date?: string) =>
  `<cac:BillingReference><cac:InvoiceDocumentReference><cbc:ID>${id}</cbc:ID>${date ? `<cbc:IssueDate>${date}</cbc:IssueDate>` : ""}</cac:InvoiceDocumentReference></cac:BillingReference>`;

export const reference = (inner: string) =>
  `<cac:AdditionalDocumentReference><cbc:ID>Z-1</cbc:ID>${inner}</cac:AdditionalDocumentReference>`;
export const embedded = (text: string) =>
  reference(
    `<cac:Attachment><cbc:EmbeddedDocumentBinaryObject mimeCode="application/pdf" filename="z.pdf">${text}</cbc:EmbeddedDocumentBinaryObject></cac:Attachment>`,
  );

/** A UBL invoice or credit note of EN 16931. */
export function ubl({
  id = "RE-1",
  root = "Invoice",
  code = root === "Invoice" ? "380" : "381",
  currency = "EUR",
  date = "2026-11-03",
  head = "",
  references = "",
  seller = vatId("DE123456789") + legal(""),
  category = "S",
  net = "100.00",
  tax = "19.00",
  gross = "119.00",
  quantity = "1",
  price = net,
  description,
  taxTotals = "",
  totals = "",
  payable = gross,
}: UblWish = {}): string {
  const amount = (name: string, text: string) =>
    `<cbc:${name} currencyID="${currency}">${text}</cbc:${name}>`;
  const percent = category === "S" ? "<cbc:Percent>19</cbc:Percent>" : "";
  const scheme = "<cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme>";
  const quantityName = root === "Invoice" ? "InvoicedQuantity" : "CreditedQuantity";
  return [
    `<${root} xmlns="${schema}:${root}-2" xmlns:cac="${schema}:CommonAggregateComponents-2" xmlns:cbc="${schema}:CommonBasicComponents-2">`,
    `<cbc:ID>${id}</cbc:ID><cbc:IssueDate>${date}</cbc:IssueDate>`,
    `<cbc:${root}TypeCode>${code}</cbc:${root}TypeCode>`,
    `<cbc:DocumentCurrencyCode>${currency}</cbc:DocumentCurrencyCode>${head}${references}`,
    `<cac:AccountingSupplierParty><cac:Party>${country}${seller}</cac:Party></cac:AccountingSupplierParty>`,
    `<cac:AccountingCustomerParty><cac:Party>${country}<cac:PartyLegalEntity><cbc:RegistrationName>Kunde</cbc:RegistrationName></cac:PartyLegalEntity></cac:Party></cac:AccountingCustomerParty>`,
    `<cac:TaxTotal>${amount("TaxAmount", tax)}<cac:TaxSubtotal>${amount("TaxableAmount", net)}${amount("TaxAmount", tax)}<cac:TaxCategory><cbc:ID>${category}</cbc:ID>${percent}${scheme}</cac:TaxCategory></cac:TaxSubtotal></cac:TaxTotal>${taxTotals}`,
    `<cac:LegalMonetaryTotal>${amount("LineExtensionAmount", net)}${amount("TaxExclusiveAmount", net)}${amount("TaxInclusiveAmount", gross)}${totals}${amount("PayableAmount", payable)}</cac:LegalMonetaryTotal>`,
    `<cac:${root}Line><cbc:ID>1</cbc:ID><cbc:${quantityName} unitCode="C62">${quantity}</cbc:${quantityName}>${amount("LineExtensionAmount", net)}`,
    `<cac:Item>${description === undefined ? "" : `<cbc:Description>${description}</cbc:Description>`}<cbc:Name>Ware</cbc:Name><cac:ClassifiedTaxCategory><cbc:ID>${category}</cbc:ID>${percent}${scheme}</cac:ClassifiedTaxCategory></cac:Item>`,
    `<cac:Price>${amount("PriceAmount", price)}</cac:Price></cac:${root}Line></${root}>`,
  ].join("");
}
