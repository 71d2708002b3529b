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
