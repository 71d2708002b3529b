/**
 * An invoice document as a UBL 2.1 invoice of EN 16931, by the tables that read one (ubl.ts).
 *
 * Owns: where the elements of the model (en16931-writing.ts) stand in UBL, and the order of UBL's
 * schema.
 * - `cbc:ID` is the issuer's own id, or the gateway's number if there is no such id; the number has
 *   a reference of its own (BT-18, type code 130), which the reader does not take for an
 *   attachment.
 * - A red letter is a 384 with a BillingReference; one that is a credit note (381 and others) has
 *   the root CreditNote, and positive amounts.
 *
 * Left out: kind, drawer, tax bureau, passengers, elements, amounts in figures, the buyer's bank,
 * the bytes of attachments. A phone becomes the contact's; specification and unit in words become
 * item attributes (BG-32), which are not read back. Does not own: the arithmetic of a document
 * (rules.ts). `npm run validate:ubl` checks the output.
 */
import { formatMoney } from "../values/money.ts";
import type { InvoiceDocument, InvoiceLine, Numbers } from "./document.ts";
import { isCreditNote, numberReference, usualCode } from "./en16931.ts";
import {
  categoryOf,
  countryOf,
  endpointOf,
  exemptionOf,
  idsOf,
  isUntaxed,
  namedBy,
  obstacles,
  partsOf,
  pricedLine,
  reasonsOf,
  type Side,
  statedOf,
  type Taxed,
  taxScheme,
  termsOf,
  totalsOf,
} from "./en16931-writing.ts";
import { add, type Branch, branch, fill, put, render, type Sequences } from "./markup.ts";
import type { Writer } from "./reading.ts";
import { projectReference, ublCreditNote, ublInvoice, ublRows } from "./ubl.ts";
import { ublCreditNoteNamespace, ublNamespace, ublNamespaces } from "./vocabularies.ts";

const taxCategory =
  "cbc:ID cbc:Percent cbc:TaxExemptionReasonCode cbc:TaxExemptionReason cac:TaxScheme";
const period = "cbc:StartDate cbc:EndDate";
const lineOf = (quantity: string) =>
  `cbc:ID cbc:Note ${quantity} cbc:LineExtensionAmount cac:InvoicePeriod cac:AllowanceCharge ` +
  "cac:Item cac:Price";
const sequences: Sequences = {
  CreditNote:
    "cbc:CustomizationID cbc:ID cbc:IssueDate cbc:IssueTime cbc:CreditNoteTypeCode cbc:Note " +
    "cbc:DocumentCurrencyCode cbc:TaxCurrencyCode cbc:BuyerReference cac:InvoicePeriod " +
    "cac:OrderReference cac:BillingReference cac:ContractDocumentReference " +
    "cac:AdditionalDocumentReference cac:AccountingSupplierParty cac:AccountingCustomerParty " +
    "cac:PaymentMeans cac:PaymentTerms cac:AllowanceCharge cac:TaxTotal cac:LegalMonetaryTotal " +
    "cac:CreditNoteLine",
  Invoice:
    "cbc:CustomizationID cbc:ID cbc:IssueDate cbc:IssueTime cbc:DueDate cbc:InvoiceTypeCode " +
    "cbc:Note cbc:DocumentCurrencyCode cbc:TaxCurrencyCode cbc:BuyerReference cac:InvoicePeriod " +
    "cac:OrderReference cac:BillingReference cac:ContractDocumentReference cac:AdditionalDocumentReference " +
    "cac:ProjectReference cac:AccountingSupplierParty cac:AccountingCustomerParty " +
    "cac:PaymentMeans cac:PaymentTerms cac:AllowanceCharge cac:TaxTotal cac:LegalMonetaryTotal " +
    "cac:InvoiceLine",
  "cac:InvoicePeriod": period,
  "cac:OrderReference": "cbc:ID cbc:SalesOrderID",
  "cac:BillingReference": "cac:InvoiceDocumentReference",
  "cac:InvoiceDocumentReference": "cbc:ID cbc:IssueDate",
  "cac:ContractDocumentReference": "cbc:ID",
  "cac:AdditionalDocumentReference":
    "cbc:ID cbc:DocumentTypeCode cbc:DocumentDescription cac:Attachment",
  "cac:Attachment": "cac:ExternalReference",
  "cac:ExternalReference": "cbc:URI",
  "cac:ProjectReference": "cbc:ID",
  "cac:AccountingSupplierParty": "cac:Party",
  "cac:AccountingCustomerParty": "cac:Party",
  "cac:Party":
    "cbc:EndpointID cac:PartyIdentification cac:PartyName cac:PostalAddress " +
    "cac:PartyTaxScheme cac:PartyLegalEntity cac:Contact",
  "cac:PartyIdentification": "cbc:ID",
  "cac:PartyName": "cbc:Name",
  "cac:PostalAddress": "cbc:StreetName cac:Country",
  "cac:Country": "cbc:IdentificationCode",
  "cac:PartyTaxScheme": "cbc:CompanyID cac:TaxScheme",
  "cac:TaxScheme": "cbc:ID",
  "cac:PartyLegalEntity": "cbc:RegistrationName cbc:CompanyID cbc:CompanyLegalForm",
  "cac:Contact": "cbc:Name cbc:Telephone cbc:ElectronicMail",
  "cac:PaymentMeans": "cbc:PaymentMeansCode cbc:PaymentDueDate cac:PayeeFinancialAccount",
  "cac:PayeeFinancialAccount": "cbc:ID cac:FinancialInstitutionBranch",
  "cac:FinancialInstitutionBranch": "cbc:ID",
  "cac:PaymentTerms": "cbc:Note",
  "cac:AllowanceCharge":
    "cbc:ChargeIndicator cbc:AllowanceChargeReasonCode cbc:AllowanceChargeReason " +
    "cbc:MultiplierFactorNumeric cbc:Amount cbc:BaseAmount cac:TaxCategory",
  "cac:TaxTotal": "cbc:TaxAmount cac:TaxSubtotal",
  "cac:TaxSubtotal": "cbc:TaxableAmount cbc:TaxAmount cac:TaxCategory",
  "cac:TaxCategory": taxCategory,
  "cac:ClassifiedTaxCategory": taxCategory,
  "cac:LegalMonetaryTotal":
    "cbc:LineExtensionAmount cbc:TaxExclusiveAmount cbc:TaxInclusiveAmount " +
    "cbc:AllowanceTotalAmount cbc:ChargeTotalAmount cbc:PrepaidAmount cbc:PayableRoundingAmount " +
    "cbc:PayableAmount",
  "cac:InvoiceLine": lineOf("cbc:InvoicedQuantity"),
  "cac:CreditNoteLine": lineOf("cbc:CreditedQuantity"),
  "cac:Item":
    "cbc:Description cbc:Name cac:CommodityClassification cac:ClassifiedTaxCategory " +
    "cac:AdditionalItemProperty",
  "cac:CommodityClassification": "cbc:ItemClassificationCode",
  "cac:AdditionalItemProperty": "cbc:Name cbc:Value",
  "cac:Price": "cbc:PriceAmount cbc:BaseQuantity",
};

function putCategory(parent: Branch, step: string, taxed: Taxed): Branch {
  const category = add(parent, step);
  const { code, percent } = categoryOf(taxed);
  put(category, "cbc:ID", code);
  put(category, "cbc:Percent", percent);
  put(category, "cac:TaxScheme/cbc:ID", taxScheme);
  return category;
}

function putAllowances(
  parent: Branch,
  allowances: InvoiceDocument["allowances"],
  ofDocument: boolean,
): void {
  for (const each of allowances ?? []) {
    const element = add(parent, "cac:AllowanceCharge");
    put(element, "cbc:ChargeIndicator", String(each.charge));
    const { reason: _, reasonCode: __, ...rest } = each;
    fill(element, { ...rest, ...reasonsOf(each) }, ublRows.allowance);
    if (ofDocument) putCategory(element, "cac:TaxCategory", each);
  }
}

const partyNames = { seller: "Supplier", buyer: "Customer" };

function putParty(
  root: Branch,
  side: Side,
  details: InvoiceDocument["buyer"],
  country: string,
  untaxed: boolean,
): void {
  const party = add(add(root, `cac:Accounting${partyNames[side]}Party`), "cac:Party");
  // a buyer has no legal form in EN 16931 (UBL-CR-244)
  const { legalForm, ...others } = details;
  fill(party, side === "seller" ? details : others, ublRows.party);
  const endpoint = endpointOf(details);
  put(party, "cbc:EndpointID", endpoint?.id, { schemeID: endpoint?.scheme });
  put(party, "cac:PostalAddress/cbc:StreetName", details.address);
  put(party, "cac:PostalAddress/cac:Country/cbc:IdentificationCode", country);
  if (details.contact?.phone === undefined) put(party, "cac:Contact/cbc:Telephone", details.phone);
  const { named, legal, taxed } = idsOf(side, details, country, {
    untaxed,
    lastIsLegal: true,
  });
  for (const { id, scheme } of named)
    put(add(party, "cac:PartyIdentification"), "cbc:ID", id, { schemeID: scheme });
  put(party, "cac:PartyLegalEntity/cbc:CompanyID", legal?.id, { schemeID: legal?.scheme });
  for (const { id, scheme } of taxed) {
    const element = add(party, "cac:PartyTaxScheme");
    put(element, "cbc:CompanyID", id);
    put(element, "cac:TaxScheme/cbc:ID", scheme);
  }
}

function putLine(root: Branch, names: typeof ublInvoice, line: InvoiceLine, index: number): void {
  const element = add(root, names.line);
  const { quantity, unitCode, attributes, ...priced } = pricedLine(line, index);
  fill(element, priced, ublRows.line);
  put(element, names.quantity, quantity, { unitCode });
  put(element, "cac:Price/cbc:BaseQuantity", line.baseQuantity, { unitCode });
  put(element, "cbc:Note", line.note);
  putAllowances(element, line.allowances, false);
  const item =
    element.children.find((child) => child.name === "cac:Item") ?? add(element, "cac:Item");
  put(item, "cac:CommodityClassification/cbc:ItemClassificationCode", line.taxCode, {
    listID: "ZZZ",
  });
  putCategory(item, "cac:ClassifiedTaxCategory", line);
  for (const { name, value } of attributes) {
    const property = add(item, "cac:AdditionalItemProperty");
    put(property, "cbc:Name", name);
    put(property, "cbc:Value", value);
  }
}

/** UBL requires the currency on every amount. */
function inCurrency(element: Branch, currency: string): void {
  if (element.name.endsWith("Amount")) element.attributes["currencyID"] = currency;
  for (const child of element.children) inCurrency(child, currency);
}

function write(invoice: InvoiceDocument, numbers: Numbers): string {
  const names = isCreditNote(invoice) ? ublCreditNote : ublInvoice;
  const document = statedOf(invoice);
  const { number } = numbers;
  const { seller, buyer, currency } = document;
  const parts = partsOf(document);
  const untaxed = isUntaxed(parts);
  const root = branch(names.root);
  root.attributes = {
    xmlns: names === ublInvoice ? ublNamespace : ublCreditNoteNamespace,
    ...ublNamespaces,
  };
  const totals = totalsOf(document);
  // a credit note has no element for its due date and its project
  const { project, ...references } = document.references ?? {};
  const inHead = names === ublInvoice ? document : { ...document, dueDate: undefined, references };
  fill(root, { ...inHead, sourceId: document.sourceId ?? number, totals }, ublRows.head);
  // UBL's order is a member of its ID: a sales order without an order's ID gets the usual
  // placeholder.
  if (document.references?.salesOrder !== undefined && document.references.order === undefined)
    put(root, "cac:OrderReference/cbc:ID", "NA");
  put(root, "cbc:CustomizationID", "urn:cen.eu:en16931:2017");
  const [, day, clock = "00:00", seconds = ":00", offset = "Z"] =
    /^(.{10})T(\d{2}:\d{2})(:\d{2}(?:\.\d+)?)?(.*)$/.exec(document.issuedAt) ?? [];
  put(root, "cbc:IssueDate", day);
  if (`${clock}${seconds}${offset}` !== "00:00:00Z")
    put(root, "cbc:IssueTime", `${clock}${seconds}${offset}`);
  put(root, names.typeCode, document.typeCode ?? usualCode(document.reverses !== undefined));
  put(root, "cbc:Note", document.remark);
  for (const { id, date } of namedBy(document, numbers)) {
    const billing = add(root, "cac:BillingReference");
    put(billing, "cac:InvoiceDocumentReference/cbc:ID", id);
    put(billing, "cac:InvoiceDocumentReference/cbc:IssueDate", date);
  }
  const reference = add(root, "cac:AdditionalDocumentReference");
  put(reference, "cbc:ID", number, { schemeID: numberReference.scheme });
  put(reference, "cbc:DocumentTypeCode", numberReference.type);
  for (const { id, description, uri } of document.attachments ?? []) {
    const reference = add(root, "cac:AdditionalDocumentReference");
    put(reference, "cbc:ID", id);
    put(reference, "cbc:DocumentDescription", description);
    put(reference, "cac:Attachment/cac:ExternalReference/cbc:URI", uri);
  }
  if (names === ublCreditNote && project !== undefined) {
    const reference = add(root, "cac:AdditionalDocumentReference");
    put(reference, "cbc:ID", project);
    put(reference, "cbc:DocumentTypeCode", projectReference);
  }
  const country = countryOf(seller, "");
  putParty(root, "seller", seller, country, untaxed);
  putParty(root, "buyer", buyer, countryOf(buyer, country), untaxed);
  const dueInMeans = names === ublCreditNote ? document.dueDate : undefined;
  if (seller.bankAccount !== undefined || dueInMeans !== undefined) {
    // a credit transfer, or an instrument that is not defined
    put(
      root,
      "cac:PaymentMeans/cbc:PaymentMeansCode",
      seller.bankAccount === undefined ? "1" : "30",
    );
    put(root, "cac:PaymentMeans/cbc:PaymentDueDate", dueInMeans);
  }
  if (seller.bankAccount !== undefined) {
    put(root, "cac:PaymentMeans/cac:PayeeFinancialAccount/cbc:ID", seller.bankAccount);
    put(
      root,
      "cac:PaymentMeans/cac:PayeeFinancialAccount/cac:FinancialInstitutionBranch/cbc:ID",
      seller.bankName,
    );
  }
  put(root, "cac:PaymentTerms/cbc:Note", termsOf(document, totals.payable));
  putAllowances(root, document.allowances, true);
  const { accounting } = document.totals;
  if (accounting !== undefined && accounting.currency !== currency)
    put(root, "cbc:TaxCurrencyCode", accounting.currency);
  const tax = add(root, "cac:TaxTotal");
  put(tax, "cbc:TaxAmount", document.totals.tax);
  for (const part of parts) {
    const subtotal = add(tax, "cac:TaxSubtotal");
    put(subtotal, "cbc:TaxableAmount", formatMoney(part.taxable));
    put(subtotal, "cbc:TaxAmount", formatMoney(part.tax));
    const category = putCategory(subtotal, "cac:TaxCategory", part);
    const exemption = exemptionOf(part);
    put(category, "cbc:TaxExemptionReasonCode", exemption.code);
    put(category, "cbc:TaxExemptionReason", exemption.text);
  }
  for (const [index, line] of document.lines.entries()) putLine(root, names, line, index);
  inCurrency(root, currency);
  if (accounting !== undefined)
    put(add(root, "cac:TaxTotal"), "cbc:TaxAmount", accounting.tax, {
      currencyID: accounting.currency,
    });
  return render(root, sequences);
}

export const ublWriter: Writer = { obstacles, write };
