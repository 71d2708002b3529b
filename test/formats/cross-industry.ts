/** CII as others write it by EN 16931, made to measure. Names and numbers are invented. */
import { ubl } from "./european.ts";

const standard = "urn:un:unece:uncefact:data:standard";
/** The VAT id of the usual seller: the same as in UBL. */
export const usualVatId = /<cbc:CompanyID>([^<]*)</.exec(ubl())?.[1] ?? "";

/**
 * What differs from one line of 100.00 with 19 % of tax. Elements are XML, with the prefix `ram`.
 */
export type CiiWish = {
  id?: string;
  code?: string;
  currency?: string;
  /** Of the issue, and its format. */
  date?: string;
  format?: string;
  notes?: string;
  /** The seller's, before its name and behind its address. */
  sellerIds?: string;
  seller?: string;
  category?: string;
  net?: string;
  tax?: string;
  gross?: string;
  /** Lines' net less allowances, if that is not the net. */
  lines?: string;
  quantity?: string;
  price?: string;
  /** In the agreement, before and behind the parties. */
  reference?: string;
  agreement?: string;
  /** In the settlement, before the currency, behind the breakdown, and behind the totals. */
  creditor?: string;
  settlement?: string;
  preceding?: string;
  /** Behind the total of the tax, and behind the gross. */
  taxTotals?: string;
  totals?: string;
  payable?: string;
  /** In the line's product, and in its settlement. */
  product?: string;
  line?: string;
};
export const tag = (name: string, text: string, attributes = "") =>
  `<ram:${name}${attributes}>${text}</ram:${name}>`;
export const dayOf = (name: string, day: string, format = "102") =>
  tag(name, `<udt:DateTimeString format="${format}">${day}</udt:DateTimeString>`);
export const registered = (id: string, scheme = "VA") =>
  tag("SpecifiedTaxRegistration", tag("ID", id, ` schemeID="${scheme}"`));
export const preceding = (id: string, date?: string) =>
  tag(
    "InvoiceReferencedDocument",
    tag("IssuerAssignedID", id) +
      (date === undefined
        ? ""
        : tag(
            "FormattedIssueDateTime",
            `<qdt:DateTimeString format="102">${date}</qdt:DateTimeString>`,
          )),
  );
export const attached = (inner: string, id = "Z-1", code = "916") =>
  tag(
    "AdditionalReferencedDocument",
    `${tag("IssuerAssignedID", id)}${tag("TypeCode", code)}${inner}`,
  );
export const embedded = (text: string) =>
  attached(tag("AttachmentBinaryObject", text, ' mimeCode="application/pdf" filename="z.pdf"'));
export const allowance = (charge: boolean, amount: string, more: string, ofDocument = true) =>
  tag(
    "SpecifiedTradeAllowanceCharge",
    `${tag("ChargeIndicator", `<udt:Indicator>${charge}</udt:Indicator>`)}${tag("ActualAmount", amount)}${more}${
      ofDocument ? category("CategoryTradeTax", "S") : ""
    }`,
  );
const category = (name: string, code: string, first = "", middle = "") =>
  tag(
    name,
    `${first}${tag("TypeCode", "VAT")}${middle}${tag("CategoryCode", code)}${
      code === "S" ? tag("RateApplicablePercent", "19") : ""
    }`,
  );

/** A Cross Industry Invoice of EN 16931. */
export function cii({
  id = "RE-1",
  code = "380",
  currency = "EUR",
  date = "20261103",
  format = "102",
  notes = "",
  sellerIds = "",
  seller = registered(usualVatId),
  category: code5305 = "S",
  net = "100.00",
  tax = "19.00",
  gross = "119.00",
  lines = net,
  quantity = "1",
  price = lines,
  reference = "",
  agreement = "",
  creditor = "",
  settlement = "",
  preceding = "",
  taxTotals = "",
  totals = "",
  payable = gross,
  product = "",
  line = "",
}: CiiWish = {}): string {
  const country = tag("PostalTradeAddress", tag("CountryID", "DE"));
  return [
    `<rsm:CrossIndustryInvoice xmlns:rsm="${standard}:CrossIndustryInvoice:100" xmlns:ram="${standard}:ReusableAggregateBusinessInformationEntity:100" xmlns:udt="${standard}:UnqualifiedDataType:100" xmlns:qdt="${standard}:QualifiedDataType:100">`,
    `<rsm:ExchangedDocumentContext>${tag("GuidelineSpecifiedDocumentContextParameter", tag("ID", "urn:cen.eu:en16931:2017"))}</rsm:ExchangedDocumentContext>`,
    `<rsm:ExchangedDocument>${tag("ID", id)}${tag("TypeCode", code)}${dayOf("IssueDateTime", date, format)}${notes}</rsm:ExchangedDocument>`,
    "<rsm:SupplyChainTradeTransaction><ram:IncludedSupplyChainTradeLineItem>",
    tag("AssociatedDocumentLineDocument", tag("LineID", "1")),
    tag("SpecifiedTradeProduct", tag("Name", "Ware") + product),
    tag(
      "SpecifiedLineTradeAgreement",
      tag("NetPriceProductTradePrice", tag("ChargeAmount", price)),
    ),
    tag("SpecifiedLineTradeDelivery", tag("BilledQuantity", quantity, ' unitCode="C62"')),
    `<ram:SpecifiedLineTradeSettlement>${category("ApplicableTradeTax", code5305)}${line}`,
    tag("SpecifiedTradeSettlementLineMonetarySummation", tag("LineTotalAmount", lines)),
    "</ram:SpecifiedLineTradeSettlement></ram:IncludedSupplyChainTradeLineItem>",
    `<ram:ApplicableHeaderTradeAgreement>${reference}`,
    tag("SellerTradeParty", `${sellerIds}${tag("Name", "Muster GmbH")}${country}${seller}`),
    tag("BuyerTradeParty", `${tag("Name", "Kunde")}${country}`),
    `${agreement}</ram:ApplicableHeaderTradeAgreement><ram:ApplicableHeaderTradeDelivery/>`,
    `<ram:ApplicableHeaderTradeSettlement>${creditor}${tag("InvoiceCurrencyCode", currency)}`,
    category("ApplicableTradeTax", code5305, tag("CalculatedAmount", tax), tag("BasisAmount", net)),
    settlement,
    "<ram:SpecifiedTradeSettlementHeaderMonetarySummation>",
    tag("LineTotalAmount", lines),
    tag("TaxBasisTotalAmount", net),
    `${tag("TaxTotalAmount", tax, ` currencyID="${currency}"`)}${taxTotals}`,
    `${tag("GrandTotalAmount", gross)}${totals}${tag("DuePayableAmount", payable)}`,
    `</ram:SpecifiedTradeSettlementHeaderMonetarySummation>${preceding}`,
    "</ram:ApplicableHeaderTradeSettlement></rsm:SupplyChainTradeTransaction></rsm:CrossIndustryInvoice>",
  ].join("");
}
