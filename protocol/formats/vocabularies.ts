/**
 * The elements of each format, by their parent, in the order in which they are written. xml.ts
 * refuses any other by name: it may be money, a misspelt remark, or another page's form, and nobody
 * would see that the gateway dropped it. The vocabulary of 数电票 is open: no list of it is complete,
 * so a document keeps what is not listed (elements.ts).
 *
 * `formal`: leaves, some with their parent, that repeat what the invoice says elsewhere, or say
 * nothing about it. The sender gets the names of all other leaves that no reader reads (`unread` of
 * read.ts).
 */
import type { Vocabulary } from "./xml.ts";

const sets = (
  children: Readonly<Record<string, string>>,
): ReadonlyMap<string, ReadonlySet<string>> =>
  new Map(Object.entries(children).map(([parent, names]) => [parent, new Set(names.split(" "))]));

const party = (side: string) =>
  ["IdNum", "Name", "Addr", "TelNum", "BankName", "BankAccNum"]
    .map((part) => side + part)
    .join(" ");

export const shudianVocabulary: Vocabulary = {
  prefixes: new Map([["", ""]]),
  line: "IssuItemInformation",
  children: sets({
    EInvoice: "Header EInvoiceData TaxSupervisionInfo TaxBureauSignature",
    Header: "EIid EInvoiceTag Version InherentLabel",
    InherentLabel: "InIssuType EInvoiceType GeneralOrSpecialVAT",
    InIssuType: "LabelCode LabelName",
    EInvoiceType: "LabelCode LabelName",
    GeneralOrSpecialVAT: "LabelCode LabelName",
    EInvoiceData:
      "SellerInformation BuyerInformation BasicInformation IssuItemInformation " +
      "SpecificInformation AdditionalInformation",
    SellerInformation: party("Seller"),
    BuyerInformation: party("Buyer"),
    BasicInformation:
      "TotalAmWithoutTax TotalTaxAm TotalTax-includedAmount TotalTax-includedAmountInChinese " +
      "Drawer RequestTime",
    IssuItemInformation:
      "ItemName SpecMod MeaUnits Quantity UnPrice Amount TaxRate ComTaxAm " +
      "TotaltaxIncludedAmount TaxClassificationCode",
    SpecificInformation: "RedEInvoice PassengerTransportation",
    RedEInvoice: "OriginalInvoiceCode",
    PassengerTransportation:
      "Traveler TypeOfPassengerDocument ValidIDNumber TravelDate Departure Destination " +
      "Vehicletype Grade Seat",
    AdditionalInformation: "Remark SourceId ReversedSourceId",
    TaxSupervisionInfo: "InvoiceNumber IssueTime TaxBureauCode TaxBureauName",
    TaxBureauSignature: "Reference SignatureAlgorithm SignatureTime SignatureValue",
  }),
  open: true,
  attributes: new Set(["URI"]),
  // the bureau's signature is over the original's bytes, which are kept
  formal: new Set(
    "Version LabelCode LabelName Reference SignatureAlgorithm SignatureTime SignatureValue".split(
      " ",
    ),
  ),
};

const address =
  "cbc:StreetName cbc:AdditionalStreetName cbc:CityName cbc:PostalZone cbc:CountrySubentity " +
  "cac:AddressLine cac:Country";
const taxCategory =
  "cbc:ID cbc:Percent cbc:TaxExemptionReasonCode cbc:TaxExemptionReason cac:TaxScheme";
const components = "urn:oasis:names:specification:ubl:schema:xsd:Common";
export const ublNamespace = "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2";
export const ublCreditNoteNamespace = "urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2";
/** Declarations of the prefixes of the components. */
export const ublNamespaces = {
  "xmlns:cac": `${components}AggregateComponents-2`,
  "xmlns:cbc": `${components}BasicComponents-2`,
};

/** The elements that EN 16931 maps to UBL 2.1. */
export const ublVocabulary: Vocabulary = {
  prefixes: new Map([
    [ublNamespace, ""],
    [ublCreditNoteNamespace, ""],
    [ublNamespaces["xmlns:cac"], "cac"],
    [ublNamespaces["xmlns:cbc"], "cbc"],
  ]),
  line: "InvoiceLine|CreditNoteLine",
  children: sets({
    CreditNote:
      "cbc:UBLVersionID cbc:CustomizationID cbc:ProfileID cbc:ID cbc:IssueDate cbc:IssueTime " +
      "cbc:TaxPointDate cbc:CreditNoteTypeCode cbc:Note cbc:DocumentCurrencyCode " +
      "cbc:TaxCurrencyCode cbc:AccountingCost cbc:BuyerReference cac:InvoicePeriod " +
      "cac:OrderReference cac:BillingReference cac:DespatchDocumentReference " +
      "cac:ReceiptDocumentReference cac:ContractDocumentReference " +
      "cac:AdditionalDocumentReference cac:OriginatorDocumentReference " +
      "cac:AccountingSupplierParty cac:AccountingCustomerParty cac:PayeeParty " +
      "cac:TaxRepresentativeParty cac:Delivery cac:PaymentMeans cac:PaymentTerms " +
      "cac:AllowanceCharge cac:TaxTotal cac:LegalMonetaryTotal cac:CreditNoteLine",
    Invoice:
      "cbc:UBLVersionID cbc:CustomizationID cbc:ProfileID cbc:ID cbc:IssueDate cbc:IssueTime " +
      "cbc:DueDate cbc:InvoiceTypeCode cbc:Note cbc:TaxPointDate cbc:DocumentCurrencyCode " +
      "cbc:TaxCurrencyCode cbc:AccountingCost cbc:BuyerReference cac:InvoicePeriod " +
      "cac:OrderReference cac:BillingReference cac:DespatchDocumentReference " +
      "cac:ReceiptDocumentReference cac:OriginatorDocumentReference " +
      "cac:ContractDocumentReference cac:AdditionalDocumentReference cac:ProjectReference " +
      "cac:AccountingSupplierParty cac:AccountingCustomerParty cac:PayeeParty " +
      "cac:TaxRepresentativeParty cac:Delivery cac:PaymentMeans cac:PaymentTerms " +
      "cac:AllowanceCharge cac:TaxTotal cac:LegalMonetaryTotal cac:InvoiceLine",
    "cac:InvoicePeriod": "cbc:StartDate cbc:EndDate cbc:DescriptionCode",
    "cac:OrderReference": "cbc:ID cbc:SalesOrderID",
    "cac:BillingReference": "cac:InvoiceDocumentReference",
    "cac:InvoiceDocumentReference": "cbc:ID cbc:IssueDate",
    "cac:DespatchDocumentReference": "cbc:ID",
    "cac:ReceiptDocumentReference": "cbc:ID",
    "cac:OriginatorDocumentReference": "cbc:ID",
    "cac:ContractDocumentReference": "cbc:ID",
    "cac:AdditionalDocumentReference":
      "cbc:ID cbc:DocumentTypeCode cbc:DocumentDescription cac:Attachment",
    "cac:Attachment": "cbc:EmbeddedDocumentBinaryObject cac:ExternalReference",
    "cac:ExternalReference": "cbc:URI",
    "cac:ProjectReference": "cbc:ID",
    "cac:AccountingSupplierParty": "cac:Party",
    "cac:AccountingCustomerParty": "cac:Party",
    "cac:Party":
      "cbc:EndpointID cac:PartyIdentification cac:PartyName cac:PostalAddress " +
      "cac:PartyTaxScheme cac:PartyLegalEntity cac:Contact",
    "cac:PartyIdentification": "cbc:ID",
    "cac:PartyName": "cbc:Name",
    "cac:PostalAddress": address,
    "cac:AddressLine": "cbc:Line",
    "cac:Country": "cbc:IdentificationCode",
    "cac:PartyTaxScheme": "cbc:CompanyID cac:TaxScheme",
    "cac:TaxScheme": "cbc:ID",
    "cac:PartyLegalEntity": "cbc:RegistrationName cbc:CompanyID cbc:CompanyLegalForm",
    "cac:Contact": "cbc:Name cbc:Telephone cbc:ElectronicMail",
    "cac:PayeeParty": "cac:PartyIdentification cac:PartyName cac:PartyLegalEntity",
    "cac:TaxRepresentativeParty": "cac:PartyName cac:PostalAddress cac:PartyTaxScheme",
    "cac:Delivery": "cbc:ActualDeliveryDate cac:DeliveryLocation cac:DeliveryParty",
    "cac:DeliveryLocation": "cbc:ID cac:Address",
    "cac:Address": address,
    "cac:DeliveryParty": "cac:PartyName",
    "cac:PaymentMeans":
      "cbc:PaymentMeansCode cbc:PaymentDueDate cbc:PaymentID cac:CardAccount cac:PayeeFinancialAccount " +
      "cac:PaymentMandate",
    "cac:CardAccount": "cbc:PrimaryAccountNumberID cbc:NetworkID cbc:HolderName",
    "cac:PayeeFinancialAccount": "cbc:ID cbc:Name cac:FinancialInstitutionBranch",
    "cac:FinancialInstitutionBranch": "cbc:ID",
    "cac:PaymentMandate": "cbc:ID cac:PayerFinancialAccount",
    "cac:PayerFinancialAccount": "cbc:ID",
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
      "cbc:AllowanceTotalAmount cbc:ChargeTotalAmount cbc:PrepaidAmount " +
      "cbc:PayableRoundingAmount cbc:PayableAmount",
    "cac:InvoiceLine":
      "cbc:ID cbc:Note cbc:InvoicedQuantity cbc:LineExtensionAmount cbc:AccountingCost " +
      "cac:InvoicePeriod cac:OrderLineReference cac:DocumentReference cac:AllowanceCharge " +
      "cac:Item cac:Price",
    "cac:CreditNoteLine":
      "cbc:ID cbc:Note cbc:CreditedQuantity cbc:LineExtensionAmount cbc:AccountingCost " +
      "cac:InvoicePeriod cac:OrderLineReference cac:DocumentReference cac:AllowanceCharge " +
      "cac:Item cac:Price",
    "cac:OrderLineReference": "cbc:LineID",
    "cac:DocumentReference": "cbc:ID cbc:DocumentTypeCode",
    "cac:Item":
      "cbc:Description cbc:Name cac:BuyersItemIdentification cac:SellersItemIdentification " +
      "cac:StandardItemIdentification cac:OriginCountry cac:CommodityClassification " +
      "cac:ClassifiedTaxCategory cac:AdditionalItemProperty",
    "cac:BuyersItemIdentification": "cbc:ID",
    "cac:SellersItemIdentification": "cbc:ID",
    "cac:StandardItemIdentification": "cbc:ID",
    "cac:OriginCountry": "cbc:IdentificationCode",
    "cac:CommodityClassification": "cbc:ItemClassificationCode",
    "cac:AdditionalItemProperty": "cbc:Name cbc:Value",
    "cac:Price": "cbc:PriceAmount cbc:BaseQuantity cac:AllowanceCharge",
  }),
  attributes: new Set(
    (
      "currencyID unitCode unitCodeListID schemeID schemeName schemeAgencyID schemeAgencyName " +
      "schemeVersionID schemeURI schemeDataURI listID listName listAgencyID listAgencyName " +
      "listVersionID listURI listSchemeURI name languageID mimeCode filename characterSetCode " +
      "encodingCode format uri"
    ).split(" "),
  ),
  formal: new Set([
    "cbc:UBLVersionID",
    "cbc:CustomizationID",
    "cbc:ProfileID",
    "cac:TaxScheme/cbc:ID",
  ]),
};

const unece = "urn:un:unece:uncefact:data:standard";
/** Declarations of the prefixes of CII. D16B and D22B have the same namespaces. */
export const ciiNamespaces = {
  "xmlns:rsm": `${unece}:CrossIndustryInvoice:100`,
  "xmlns:ram": `${unece}:ReusableAggregateBusinessInformationEntity:100`,
  "xmlns:udt": `${unece}:UnqualifiedDataType:100`,
  "xmlns:qdt": `${unece}:QualifiedDataType:100`,
};
const reference = "ram:IssuerAssignedID";
const supporting =
  "ram:IssuerAssignedID ram:URIID ram:LineID ram:TypeCode ram:Name ram:AttachmentBinaryObject " +
  "ram:ReferenceTypeCode ram:FormattedIssueDateTime";
const dateTime = "udt:DateTimeString";
const tradeParty =
  "ram:ID ram:GlobalID ram:Name ram:Description ram:SpecifiedLegalOrganization " +
  "ram:DefinedTradeContact ram:PostalTradeAddress ram:URIUniversalCommunication " +
  "ram:SpecifiedTaxRegistration";
const tradeAmounts =
  "ram:LineTotalAmount ram:ChargeTotalAmount ram:AllowanceTotalAmount ram:TaxBasisTotalAmount " +
  "ram:TaxTotalAmount ram:RoundingAmount ram:GrandTotalAmount ram:TotalPrepaidAmount " +
  "ram:DuePayableAmount";

/**
 * The elements that EN 16931 maps to CII, and those that Factur-X's profile EXTENDED adds to a
 * name, a contact and a price before its discount: no amount follows from them.
 */
export const ciiVocabulary: Vocabulary = {
  prefixes: new Map(
    Object.entries(ciiNamespaces).map(([name, namespace]) => [namespace, name.slice(6)]),
  ),
  line: "IncludedSupplyChainTradeLineItem",
  children: sets({
    "rsm:CrossIndustryInvoice":
      "rsm:ExchangedDocumentContext rsm:ExchangedDocument rsm:SupplyChainTradeTransaction",
    "rsm:ExchangedDocumentContext":
      "ram:BusinessProcessSpecifiedDocumentContextParameter " +
      "ram:GuidelineSpecifiedDocumentContextParameter",
    "ram:BusinessProcessSpecifiedDocumentContextParameter": "ram:ID",
    "ram:GuidelineSpecifiedDocumentContextParameter": "ram:ID",
    "rsm:ExchangedDocument":
      "ram:ID ram:Name ram:TypeCode ram:IssueDateTime ram:LanguageID ram:IncludedNote",
    "ram:IssueDateTime": dateTime,
    "ram:IncludedNote": "ram:Content ram:SubjectCode",
    "rsm:SupplyChainTradeTransaction":
      "ram:IncludedSupplyChainTradeLineItem ram:ApplicableHeaderTradeAgreement " +
      "ram:ApplicableHeaderTradeDelivery ram:ApplicableHeaderTradeSettlement",
    "ram:IncludedSupplyChainTradeLineItem":
      "ram:AssociatedDocumentLineDocument ram:SpecifiedTradeProduct " +
      "ram:SpecifiedLineTradeAgreement ram:SpecifiedLineTradeDelivery " +
      "ram:SpecifiedLineTradeSettlement",
    "ram:AssociatedDocumentLineDocument": "ram:LineID ram:IncludedNote",
    "ram:SpecifiedTradeProduct":
      "ram:GlobalID ram:SellerAssignedID ram:BuyerAssignedID ram:Name ram:Description " +
      "ram:ApplicableProductCharacteristic ram:DesignatedProductClassification " +
      "ram:OriginTradeCountry",
    "ram:ApplicableProductCharacteristic": "ram:Description ram:Value",
    "ram:DesignatedProductClassification": "ram:ClassCode",
    "ram:OriginTradeCountry": "ram:ID",
    "ram:SpecifiedLineTradeAgreement":
      "ram:BuyerOrderReferencedDocument ram:GrossPriceProductTradePrice " +
      "ram:NetPriceProductTradePrice",
    "ram:GrossPriceProductTradePrice":
      "ram:ChargeAmount ram:BasisQuantity ram:AppliedTradeAllowanceCharge",
    "ram:AppliedTradeAllowanceCharge":
      "ram:ChargeIndicator ram:CalculationPercent ram:BasisAmount ram:ActualAmount " +
      "ram:ReasonCode ram:Reason",
    "ram:NetPriceProductTradePrice": "ram:ChargeAmount ram:BasisQuantity",
    "ram:SpecifiedLineTradeDelivery": "ram:BilledQuantity",
    "ram:SpecifiedLineTradeSettlement":
      "ram:ApplicableTradeTax ram:BillingSpecifiedPeriod ram:SpecifiedTradeAllowanceCharge " +
      "ram:SpecifiedTradeSettlementLineMonetarySummation ram:AdditionalReferencedDocument " +
      "ram:ReceivableSpecifiedTradeAccountingAccount",
    "ram:SpecifiedTradeSettlementLineMonetarySummation": "ram:LineTotalAmount",
    "ram:ApplicableHeaderTradeAgreement":
      "ram:BuyerReference ram:SellerTradeParty ram:BuyerTradeParty " +
      "ram:SellerTaxRepresentativeTradeParty ram:SellerOrderReferencedDocument " +
      "ram:BuyerOrderReferencedDocument ram:ContractReferencedDocument " +
      "ram:AdditionalReferencedDocument ram:SpecifiedProcuringProject",
    "ram:SellerTradeParty": tradeParty,
    "ram:BuyerTradeParty": tradeParty,
    "ram:SellerTaxRepresentativeTradeParty": tradeParty,
    "ram:PayeeTradeParty": tradeParty,
    "ram:ShipToTradeParty": tradeParty,
    "ram:SpecifiedLegalOrganization": "ram:ID ram:TradingBusinessName",
    "ram:DefinedTradeContact":
      "ram:PersonName ram:DepartmentName ram:TypeCode ram:TelephoneUniversalCommunication " +
      "ram:FaxUniversalCommunication ram:EmailURIUniversalCommunication",
    "ram:TelephoneUniversalCommunication": "ram:CompleteNumber",
    "ram:FaxUniversalCommunication": "ram:CompleteNumber",
    "ram:EmailURIUniversalCommunication": "ram:URIID",
    "ram:URIUniversalCommunication": "ram:URIID",
    "ram:PostalTradeAddress":
      "ram:PostcodeCode ram:LineOne ram:LineTwo ram:LineThree ram:CityName ram:CountryID " +
      "ram:CountrySubDivisionName",
    "ram:SpecifiedTaxRegistration": "ram:ID",
    "ram:SellerOrderReferencedDocument": reference,
    "ram:BuyerOrderReferencedDocument": `${reference} ram:LineID`,
    "ram:ContractReferencedDocument": reference,
    "ram:AdditionalReferencedDocument": supporting,
    "ram:SpecifiedProcuringProject": "ram:ID ram:Name",
    "ram:ApplicableHeaderTradeDelivery":
      "ram:ShipToTradeParty ram:ActualDeliverySupplyChainEvent " +
      "ram:DespatchAdviceReferencedDocument ram:ReceivingAdviceReferencedDocument",
    "ram:ActualDeliverySupplyChainEvent": "ram:OccurrenceDateTime",
    "ram:OccurrenceDateTime": dateTime,
    "ram:DespatchAdviceReferencedDocument": reference,
    "ram:ReceivingAdviceReferencedDocument": reference,
    "ram:ApplicableHeaderTradeSettlement":
      "ram:CreditorReferenceID ram:PaymentReference ram:TaxCurrencyCode ram:InvoiceCurrencyCode " +
      "ram:PayeeTradeParty ram:SpecifiedTradeSettlementPaymentMeans ram:ApplicableTradeTax " +
      "ram:BillingSpecifiedPeriod ram:SpecifiedTradeAllowanceCharge " +
      "ram:SpecifiedTradePaymentTerms " +
      "ram:SpecifiedTradeSettlementHeaderMonetarySummation ram:InvoiceReferencedDocument " +
      "ram:ReceivableSpecifiedTradeAccountingAccount",
    "ram:SpecifiedTradeSettlementPaymentMeans":
      "ram:TypeCode ram:Information ram:ApplicableTradeSettlementFinancialCard " +
      "ram:PayerPartyDebtorFinancialAccount ram:PayeePartyCreditorFinancialAccount " +
      "ram:PayeeSpecifiedCreditorFinancialInstitution",
    "ram:ApplicableTradeSettlementFinancialCard": "ram:ID ram:CardholderName",
    "ram:PayerPartyDebtorFinancialAccount": "ram:IBANID",
    "ram:PayeePartyCreditorFinancialAccount": "ram:IBANID ram:AccountName ram:ProprietaryID",
    "ram:PayeeSpecifiedCreditorFinancialInstitution": "ram:BICID",
    "ram:ApplicableTradeTax":
      "ram:CalculatedAmount ram:TypeCode ram:ExemptionReason ram:BasisAmount ram:CategoryCode " +
      "ram:ExemptionReasonCode ram:TaxPointDate ram:DueDateTypeCode ram:RateApplicablePercent",
    "ram:TaxPointDate": "udt:DateString",
    "ram:BillingSpecifiedPeriod": "ram:StartDateTime ram:EndDateTime",
    "ram:StartDateTime": dateTime,
    "ram:EndDateTime": dateTime,
    "ram:SpecifiedTradeAllowanceCharge":
      "ram:ChargeIndicator ram:CalculationPercent ram:BasisAmount ram:ActualAmount " +
      "ram:ReasonCode ram:Reason ram:CategoryTradeTax",
    "ram:ChargeIndicator": "udt:Indicator",
    "ram:CategoryTradeTax": "ram:TypeCode ram:CategoryCode ram:RateApplicablePercent",
    "ram:SpecifiedTradePaymentTerms":
      "ram:Description ram:DueDateDateTime ram:DirectDebitMandateID",
    "ram:DueDateDateTime": dateTime,
    "ram:SpecifiedTradeSettlementHeaderMonetarySummation": tradeAmounts,
    "ram:InvoiceReferencedDocument": `${reference} ram:FormattedIssueDateTime`,
    "ram:FormattedIssueDateTime": "qdt:DateTimeString",
    "ram:ReceivableSpecifiedTradeAccountingAccount": "ram:ID ram:TypeCode",
  }),
  attributes: new Set(
    (
      "currencyID currencyCodeListVersionID unitCode unitCodeListID unitCodeListAgencyID format " +
      "schemeID schemeName schemeAgencyID schemeAgencyName schemeVersionID schemeURI " +
      "schemeDataURI listID listName listAgencyID listAgencyName listVersionID listURI name " +
      "languageID languageLocaleID mimeCode filename characterSetCode encodingCode uri"
    ).split(" "),
  ),
  formal: new Set([
    "ram:BusinessProcessSpecifiedDocumentContextParameter/ram:ID",
    "ram:GuidelineSpecifiedDocumentContextParameter/ram:ID",
    "ram:ApplicableTradeTax/ram:TypeCode",
    "ram:CategoryTradeTax/ram:TypeCode",
  ]),
};
