/**
 * An invoice document as a Cross Industry Invoice of EN 16931, by the tables that read one
 * (cii.ts).
 *
 * Owns: where the elements of the model (en16931-writing.ts) stand in CII, and the order of its
 * schema, D16B.
 * - `ram:ID` of the document is the issuer's own id, or the gateway's number if there is no such
 *   id; the number has a reference of its own (BT-18, type code 130).
 * - A red letter is a 384 that names an invoice. A credit note (381 and others) has positive
 *   amounts.
 * - An identifier with a scheme is a GlobalID, and is read after those without one; a bank's
 *   creditor id has its own element.
 *
 * Left out: what UBL leaves out (write-ubl.ts), and the time of day, for which the format has no
 * place. Does not own: the arithmetic of a document (rules.ts). `npm run validate:cii` checks the
 * output.
 */
import { formatMoney } from "../values/money.ts";
import type { Violation } from "../values/problems.ts";
import { ciiPlaces, ciiRows, dayFormat, documentKinds, vatScheme } from "./cii.ts";
import type { InvoiceDocument, InvoiceLine, Numbers } from "./document.ts";
import { numberReference, usualCode } from "./en16931.ts";
import { creditorScheme } from "./en16931-reading.ts";
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
import { ciiNamespaces } from "./vocabularies.ts";

const dateTime = "udt:DateTimeString";
const reference = "ram:IssuerAssignedID";
const party =
  "ram:ID ram:GlobalID ram:Name ram:Description ram:SpecifiedLegalOrganization " +
  "ram:DefinedTradeContact ram:PostalTradeAddress ram:URIUniversalCommunication " +
  "ram:SpecifiedTaxRegistration";
const sequences: Sequences = {
  "rsm:CrossIndustryInvoice":
    "rsm:ExchangedDocumentContext rsm:ExchangedDocument rsm:SupplyChainTradeTransaction",
  "rsm:ExchangedDocumentContext": "ram:GuidelineSpecifiedDocumentContextParameter",
  "ram:GuidelineSpecifiedDocumentContextParameter": "ram:ID",
  "rsm:ExchangedDocument": "ram:ID ram:TypeCode ram:IssueDateTime ram:IncludedNote",
  "ram:IssueDateTime": dateTime,
  "ram:IncludedNote": "ram:Content",
  "rsm:SupplyChainTradeTransaction":
    "ram:IncludedSupplyChainTradeLineItem ram:ApplicableHeaderTradeAgreement " +
    "ram:ApplicableHeaderTradeDelivery ram:ApplicableHeaderTradeSettlement",
  "ram:IncludedSupplyChainTradeLineItem":
    "ram:AssociatedDocumentLineDocument ram:SpecifiedTradeProduct " +
    "ram:SpecifiedLineTradeAgreement ram:SpecifiedLineTradeDelivery " +
    "ram:SpecifiedLineTradeSettlement",
  "ram:AssociatedDocumentLineDocument": "ram:LineID ram:IncludedNote",
  "ram:SpecifiedTradeProduct":
    "ram:Name ram:Description ram:ApplicableProductCharacteristic " +
    "ram:DesignatedProductClassification",
  "ram:ApplicableProductCharacteristic": "ram:Description ram:Value",
  "ram:DesignatedProductClassification": "ram:ClassCode",
  "ram:SpecifiedLineTradeAgreement": "ram:NetPriceProductTradePrice",
  "ram:NetPriceProductTradePrice": "ram:ChargeAmount ram:BasisQuantity",
  "ram:SpecifiedLineTradeDelivery": "ram:BilledQuantity",
  "ram:SpecifiedLineTradeSettlement":
    "ram:ApplicableTradeTax ram:BillingSpecifiedPeriod ram:SpecifiedTradeAllowanceCharge " +
    "ram:SpecifiedTradeSettlementLineMonetarySummation",
  "ram:SpecifiedTradeSettlementLineMonetarySummation": "ram:LineTotalAmount",
  "ram:ApplicableHeaderTradeAgreement":
    "ram:BuyerReference ram:SellerTradeParty ram:BuyerTradeParty " +
    "ram:SellerOrderReferencedDocument ram:BuyerOrderReferencedDocument " +
    "ram:ContractReferencedDocument ram:AdditionalReferencedDocument " +
    "ram:SpecifiedProcuringProject",
  "ram:SellerTradeParty": party,
  "ram:BuyerTradeParty": party,
  "ram:SpecifiedLegalOrganization": "ram:ID ram:TradingBusinessName",
  "ram:DefinedTradeContact":
    "ram:PersonName ram:TelephoneUniversalCommunication ram:EmailURIUniversalCommunication",
  "ram:TelephoneUniversalCommunication": "ram:CompleteNumber",
  "ram:EmailURIUniversalCommunication": "ram:URIID",
  "ram:URIUniversalCommunication": "ram:URIID",
  "ram:PostalTradeAddress": "ram:LineOne ram:CountryID",
  "ram:SpecifiedTaxRegistration": "ram:ID",
  "ram:SellerOrderReferencedDocument": reference,
  "ram:BuyerOrderReferencedDocument": reference,
  "ram:ContractReferencedDocument": reference,
  "ram:AdditionalReferencedDocument":
    "ram:IssuerAssignedID ram:URIID ram:TypeCode ram:Name ram:ReferenceTypeCode",
  "ram:SpecifiedProcuringProject": "ram:ID ram:Name",
  "ram:ApplicableHeaderTradeSettlement":
    "ram:CreditorReferenceID ram:TaxCurrencyCode ram:InvoiceCurrencyCode " +
    "ram:SpecifiedTradeSettlementPaymentMeans ram:ApplicableTradeTax ram:BillingSpecifiedPeriod " +
    "ram:SpecifiedTradeAllowanceCharge ram:SpecifiedTradePaymentTerms " +
    "ram:SpecifiedTradeSettlementHeaderMonetarySummation ram:InvoiceReferencedDocument",
  "ram:SpecifiedTradeSettlementPaymentMeans":
    "ram:TypeCode ram:PayeePartyCreditorFinancialAccount " +
    "ram:PayeeSpecifiedCreditorFinancialInstitution",
  "ram:PayeePartyCreditorFinancialAccount": "ram:IBANID ram:ProprietaryID",
  "ram:PayeeSpecifiedCreditorFinancialInstitution": "ram:BICID",
  "ram:ApplicableTradeTax":
    "ram:CalculatedAmount ram:TypeCode ram:ExemptionReason ram:BasisAmount ram:CategoryCode " +
    "ram:ExemptionReasonCode ram:RateApplicablePercent",
  "ram:BillingSpecifiedPeriod": "ram:StartDateTime ram:EndDateTime",
  "ram:StartDateTime": dateTime,
  "ram:EndDateTime": dateTime,
  "ram:SpecifiedTradeAllowanceCharge":
    "ram:ChargeIndicator ram:CalculationPercent ram:BasisAmount ram:ActualAmount ram:ReasonCode " +
    "ram:Reason ram:CategoryTradeTax",
  "ram:ChargeIndicator": "udt:Indicator",
  "ram:CategoryTradeTax": "ram:TypeCode ram:CategoryCode ram:RateApplicablePercent",
  "ram:SpecifiedTradePaymentTerms": "ram:Description ram:DueDateDateTime",
  "ram:DueDateDateTime": dateTime,
  "ram:SpecifiedTradeSettlementHeaderMonetarySummation":
    "ram:LineTotalAmount ram:ChargeTotalAmount ram:AllowanceTotalAmount ram:TaxBasisTotalAmount " +
    "ram:TaxTotalAmount ram:RoundingAmount ram:GrandTotalAmount ram:TotalPrepaidAmount " +
    "ram:DuePayableAmount",
  "ram:InvoiceReferencedDocument": "ram:IssuerAssignedID ram:FormattedIssueDateTime",
  "ram:FormattedIssueDateTime": "qdt:DateTimeString",
};
const { exchanged, dayAt, compact } = ciiPlaces;

function putCategory(category: Branch, taxed: Taxed): void {
  const { code, percent } = categoryOf(taxed);
  put(category, "ram:TypeCode", taxScheme);
  put(category, "ram:CategoryCode", code);
  put(category, "ram:RateApplicablePercent", percent);
}

function putAllowances(
  parent: Branch,
  allowances: InvoiceDocument["allowances"],
  ofDocument: boolean,
): void {
  for (const each of allowances ?? []) {
    const element = add(parent, "ram:SpecifiedTradeAllowanceCharge");
    put(element, "ram:ChargeIndicator/udt:Indicator", String(each.charge));
    const { reason: _, reasonCode: __, ...rest } = each;
    fill(element, { ...rest, ...reasonsOf(each) }, ciiRows.allowance);
    if (ofDocument) putCategory(add(element, "ram:CategoryTradeTax"), each);
  }
}

const partyNames = { seller: "ram:SellerTradeParty", buyer: "ram:BuyerTradeParty" };

/** Returns the id by which the party's bank knows it (BT-90), which stands elsewhere. */
function putParty(
  agreed: Branch,
  side: Side,
  details: InvoiceDocument["buyer"],
  country: string,
  untaxed: boolean,
): string | undefined {
  const element = add(agreed, partyNames[side]);
  // a buyer has no legal form in EN 16931
  const { legalForm, ...others } = details;
  fill(element, side === "seller" ? details : others, ciiRows.party);
  const endpoint = endpointOf(details);
  put(element, "ram:URIUniversalCommunication/ram:URIID", endpoint?.id, {
    schemeID: endpoint?.scheme,
  });
  put(element, "ram:PostalTradeAddress/ram:LineOne", details.address);
  put(element, "ram:PostalTradeAddress/ram:CountryID", country);
  if (details.contact?.phone === undefined)
    put(
      element,
      "ram:DefinedTradeContact/ram:TelephoneUniversalCommunication/ram:CompleteNumber",
      details.phone,
    );
  const { named, legal, taxed } = idsOf(side, details, country, {
    untaxed,
    // a buyer has one id of its own: a second one has no other place
    lastIsLegal: side === "buyer",
  });
  const isBanks = ({ scheme }: { scheme?: string | undefined }) => scheme === creditorScheme;
  for (const { id, scheme } of named.filter((each) => !isBanks(each)))
    put(add(element, scheme === undefined ? "ram:ID" : "ram:GlobalID"), ".", id, {
      schemeID: scheme,
    });
  put(element, "ram:SpecifiedLegalOrganization/ram:ID", legal?.id, { schemeID: legal?.scheme });
  for (const { id, scheme } of taxed)
    put(add(element, "ram:SpecifiedTaxRegistration"), "ram:ID", id, {
      schemeID: scheme === taxScheme ? vatScheme : scheme,
    });
  return side === "seller" ? named.find(isBanks)?.id : undefined;
}

function putLine(trade: Branch, line: InvoiceLine, index: number): void {
  const element = add(trade, ciiPlaces.line);
  const { unitCode, attributes, ...priced } = pricedLine(line, index);
  fill(element, priced, ciiRows.line);
  put(element, "ram:SpecifiedLineTradeDelivery/ram:BilledQuantity", priced.quantity, { unitCode });
  put(
    element,
    "ram:SpecifiedLineTradeAgreement/ram:NetPriceProductTradePrice/ram:BasisQuantity",
    line.baseQuantity,
    { unitCode },
  );
  put(element, "ram:AssociatedDocumentLineDocument/ram:IncludedNote/ram:Content", line.note);
  const product = element.children.find(({ name }) => name === "ram:SpecifiedTradeProduct");
  const settled = element.children.find(({ name }) => name === ciiPlaces.lineSettlement);
  if (product === undefined || settled === undefined)
    throw new RangeError("a line has a name and an amount");
  put(product, "ram:DesignatedProductClassification/ram:ClassCode", line.taxCode, {
    listID: "ZZZ",
  });
  for (const { name, value } of attributes) {
    const property = add(product, "ram:ApplicableProductCharacteristic");
    put(property, "ram:Description", name);
    put(property, "ram:Value", value);
  }
  putCategory(add(settled, "ram:ApplicableTradeTax"), line);
  putAllowances(settled, line.allowances, false);
}

function write(invoice: InvoiceDocument, numbers: Numbers): string {
  const document = statedOf(invoice);
  const { number } = numbers;
  const { seller, buyer, currency } = document;
  const parts = partsOf(document);
  const untaxed = isUntaxed(parts);
  const root = branch("rsm:CrossIndustryInvoice");
  root.attributes = { ...ciiNamespaces };
  put(
    root,
    "rsm:ExchangedDocumentContext/ram:GuidelineSpecifiedDocumentContextParameter/ram:ID",
    "urn:cen.eu:en16931:2017",
  );
  const head = add(root, exchanged);
  put(head, "ram:ID", document.sourceId ?? number);
  put(head, "ram:TypeCode", document.typeCode ?? usualCode(document.reverses !== undefined));
  put(head, dayAt("IssueDateTime"), compact(document.issuedAt.slice(0, 10)));
  put(head, "ram:IncludedNote/ram:Content", document.remark);

  const trade = add(root, ciiPlaces.transaction);
  for (const [index, line] of document.lines.entries()) putLine(trade, line, index);

  const agreed = add(trade, "ram:ApplicableHeaderTradeAgreement");
  fill(agreed, document, ciiRows.agreement);
  if (document.references?.project !== undefined)
    put(agreed, "ram:SpecifiedProcuringProject/ram:Name", "Project reference");
  const country = countryOf(seller, "");
  const creditor = putParty(agreed, "seller", seller, country, untaxed);
  putParty(agreed, "buyer", buyer, countryOf(buyer, country), untaxed);
  const own = add(agreed, "ram:AdditionalReferencedDocument");
  put(own, reference, number);
  put(own, "ram:TypeCode", numberReference.type);
  put(own, "ram:ReferenceTypeCode", numberReference.scheme);
  for (const { id, description, uri } of document.attachments ?? []) {
    const attached = add(agreed, "ram:AdditionalReferencedDocument");
    put(attached, reference, id);
    put(attached, "ram:URIID", uri);
    put(attached, "ram:TypeCode", documentKinds.supporting);
    put(attached, "ram:Name", description);
  }
  add(trade, "ram:ApplicableHeaderTradeDelivery");

  const settled = add(trade, "ram:ApplicableHeaderTradeSettlement");
  const totals = totalsOf(document);
  fill(settled, { ...document, totals }, ciiRows.settlement);
  put(settled, "ram:CreditorReferenceID", creditor);
  if (seller.bankAccount !== undefined) {
    const means = add(settled, "ram:SpecifiedTradeSettlementPaymentMeans");
    // a credit transfer
    put(means, "ram:TypeCode", "30");
    const isIban = /^[A-Z]{2}\d{2}[A-Z0-9]{8,30}$/.test(seller.bankAccount);
    put(
      means,
      `ram:PayeePartyCreditorFinancialAccount/${isIban ? "ram:IBANID" : "ram:ProprietaryID"}`,
      seller.bankAccount,
    );
    put(means, "ram:PayeeSpecifiedCreditorFinancialInstitution/ram:BICID", seller.bankName);
  }
  for (const part of parts) {
    const tax = add(settled, "ram:ApplicableTradeTax");
    put(tax, "ram:CalculatedAmount", formatMoney(part.tax));
    put(tax, "ram:BasisAmount", formatMoney(part.taxable));
    putCategory(tax, part);
    const exemption = exemptionOf(part);
    put(tax, "ram:ExemptionReason", exemption.text);
    put(tax, "ram:ExemptionReasonCode", exemption.code);
  }
  putAllowances(settled, document.allowances, true);
  put(settled, "ram:SpecifiedTradePaymentTerms/ram:Description", termsOf(document, totals.payable));
  put(
    settled,
    `ram:SpecifiedTradePaymentTerms/${dayAt("DueDateDateTime")}`,
    document.dueDate && compact(document.dueDate),
  );
  const sums = settled.children.find(({ name }) => name === ciiPlaces.summation);
  if (sums === undefined) throw new RangeError("an invoice has totals");
  const { accounting } = document.totals;
  if (accounting !== undefined && accounting.currency !== currency)
    put(settled, "ram:TaxCurrencyCode", accounting.currency);
  for (const each of [{ currency, tax: document.totals.tax }, accounting])
    if (each) put(add(sums, "ram:TaxTotalAmount"), ".", each.tax, { currencyID: each.currency });
  for (const { id, date } of namedBy(document, numbers)) {
    const named = add(settled, "ram:InvoiceReferencedDocument");
    put(named, reference, id);
    put(named, dayAt("FormattedIssueDateTime", "qdt"), date && compact(date));
  }
  inDays(root);
  return render(root, sequences);
}

/** Every time is a day. */
function inDays(element: Branch): void {
  if (element.name.endsWith(":DateTimeString")) element.attributes["format"] = dayFormat;
  for (const child of element.children) inDays(child);
}

/** Why CII cannot express a document that EN 16931 can. */
function ownObstacles({ preceding = [] }: InvoiceDocument): Violation[] {
  if (preceding.length < 2) return [];
  const detail = "CII's schema has a place for one preceding invoice";
  return [{ field: "/preceding", rule: "cii-preceding", detail }];
}

export const ciiWriter: Writer = {
  obstacles: (document) => [...obstacles(document), ...ownObstacles(document)],
  write,
};
