/**
 * An invoice document as a UBL 2.1 invoice of EN 16931, by the tables that read one (ubl.ts).
 *
 * Owns: what EN 16931 requires and a document leaves open, and the order of UBL's schema.
 * - `cbc:ID` is the issuer's own id, or the gateway's number if there is no such id; the number
 *   has a
 * reference of its own (BT-18, type code 130), which the reader does not take for an attachment.
 * - Tax: a document taxed line by line gets a TaxSubtotal for each category and rate, with the
 *   sum of
 * its lines' own tax, so that totals stay the document's to the cent. A part may differ from
 * taxable × rate by the rounding of its lines (`roundingSlack`); one that differs by more
 * (BR-CO-17) cannot be written: `obstacles`.
 * - Categories, if the document has none: E for 免税, O for 不征税, Z for a rate of 0, S for any
 *   other. If
 * all are O, tax ids have no scheme VAT (BR-O-02): the buyer's becomes its legal registration.
 * - A line without quantity has a quantity of one; a discount line, of minus one. Payment terms,
 *   a
 * country, a unit, a reason of an exemption or allowance: if the document has none, the shortest
 * text that the rules allow.
 * - A red letter is a 384 with a BillingReference; one that is a credit note (381 and others) has
 *   the root CreditNote, and positive amounts.
 *
 * Left out: kind, drawer, tax bureau, passengers, elements, amounts in figures, the buyer's bank,
 * the bytes of attachments. A phone becomes the contact's; specification and unit in words become
 * item attributes (BG-32), which are not read back. Codes that are not in their list (codes.ts)
 * change: a unit becomes C62, a reason becomes a text, an identifier loses its scheme; an
 * electronic address without a known scheme, and a buyer's identifiers beyond the second, are left
 * out. Does not own: the arithmetic of a document (rules.ts). `npm run validate:ubl` checks the
 * output.
 */
import {
  amountTimesRate,
  decimalsOf,
  formatMoney,
  fractionToPercent,
  parseMoney,
} from "../values/money.ts";
import type { Violation } from "../values/problems.ts";
import { isChineseTaxId } from "../values/tax-id.ts";
import { allowanceReasons, chargeReasons, countries, unitCodes } from "./codes.ts";
import {
  exempt,
  fractionOf,
  type InvoiceDocument,
  type InvoiceLine,
  type Numbers,
  notTaxed,
  onMargin,
} from "./document.ts";
import { isCreditNote, negate, roundingSlack, usualCode } from "./en16931.ts";
import { creditorScheme, taxIdFrom } from "./en16931-reading.ts";
import { add, type Branch, branch, fill, put, render, type Sequences } from "./markup.ts";
import type { Writer } from "./reading.ts";
import { numberReference, projectReference, ublCreditNote, ublInvoice, ublRows } from "./ubl.ts";
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

/**
 * Units in words that have a code of UN/ECE Recommendation 20; a unit that is neither here nor such
 * a code is C62, one.
 */
const unitWords: ReadonlyMap<string, string> = new Map([
  ["千克", "KGM"],
  ["公斤", "KGM"],
  ["克", "GRM"],
  ["吨", "TNE"],
  ["升", "LTR"],
  ["毫升", "MLT"],
  ["米", "MTR"],
  ["千米", "KMT"],
  ["公里", "KMT"],
  ["平方米", "MTK"],
  ["立方米", "MTQ"],
  ["千瓦时", "KWH"],
  ["小时", "HUR"],
  ["天", "DAY"],
  ["周", "WEE"],
  ["月", "MON"],
  ["年", "ANN"],
]);
const unitOf = ({ unit = "C62" }: InvoiceLine): string =>
  unitWords.get(unit) ?? (unitCodes.has(unit) ? unit : "C62");

/**
 * Why no tax is due, for the categories for which EN 16931 requires a reason and the document has
 * none.
 */
const reasons: Readonly<Record<string, string>> = {
  E: exempt,
  O: notTaxed,
  AE: "Reverse charge",
  K: "Intra-community supply",
  G: "Export outside the EU",
};

type Taxed = { taxRate?: string | undefined; taxCategory?: string | undefined };
const isZero = (rate: string) => !/[1-9]/.test(rate);
const categoryOf = ({ taxRate = "0", taxCategory }: Taxed): string =>
  taxCategory ??
  (taxRate === exempt ? "E" : taxRate === notTaxed ? "O" : isZero(taxRate) ? "Z" : "S");
/** The rate as a fraction; 0 for a word. */
const percentOf = ({ taxRate = "0" }: Taxed) => fractionToPercent(fractionOf(taxRate));

/** `lines`: how many lines the tax is from. */
type Part = {
  taxRate: string;
  taxCategory: string;
  taxable: bigint;
  tax: bigint;
  lines: number;
  exemptionReason?: string | undefined;
  exemptionCode?: string | undefined;
};
/** Tax by category and rate: from the breakdown if there is one, otherwise from the lines. */
function partsOf(document: InvoiceDocument): Part[] {
  const parts = new Map<string, Part>();
  const taxed =
    document.taxBreakdown ??
    document.lines.map(({ taxRate, taxCategory, amount, tax }) => ({
      taxRate,
      taxCategory,
      taxable: amount,
      tax: tax ?? "0.00",
    }));
  for (const each of taxed) {
    const key = `${categoryOf(each)} ${percentOf(each)}`;
    const part = parts.get(key) ?? {
      ...each,
      taxCategory: categoryOf(each),
      taxable: 0n,
      tax: 0n,
      lines: 0,
    };
    parts.set(key, {
      ...part,
      taxable: part.taxable + parseMoney(each.taxable),
      tax: part.tax + parseMoney(each.tax),
    });
  }
  for (const line of [...document.lines, ...(document.allowances ?? [])]) {
    const part = parts.get(`${categoryOf(line)} ${percentOf(line)}`);
    if (part) part.lines += 1;
  }
  return [...parts.values()];
}

function obstacles(document: InvoiceDocument): Violation[] {
  if (decimalsOf(document.currency) > 2)
    return [
      {
        field: "/currency",
        rule: "BR-DEC-14",
        detail: "amounts of EN 16931 have at most two decimals",
      },
    ];
  const violations: Violation[] = [];
  if (document.totals.collected !== undefined)
    violations.push({
      field: "/totals/collected",
      rule: "BR-CO-16",
      detail: "EN 16931 has no place for what is collected for somebody else",
    });
  const parts = partsOf(document);
  const field = document.taxBreakdown === undefined ? "/lines" : "/taxBreakdown";
  const marginal = document.lines.findIndex(({ taxRate }) => taxRate === onMargin);
  if (marginal >= 0)
    violations.push({
      field: `/lines/${marginal}/taxRate`,
      rule: "ubl-margin",
      detail: "UBL has no tax on a margin (差额征税): its tax follows from a rate",
    });
  for (const part of parts) {
    const expected = amountTimesRate(part.taxable, fractionOf(part.taxRate));
    const difference = part.tax - expected;
    const slack = roundingSlack(part.lines);
    if (difference < -slack || difference > slack) {
      const detail =
        `the tax at ${part.taxRate} is ${formatMoney(part.tax)}, and ` +
        `${formatMoney(part.taxable)} × ${part.taxRate} makes ${formatMoney(expected)}`;
      violations.push({ field, rule: "BR-CO-17", detail });
    }
  }
  if (parts.length > 1 && parts.some((part) => part.taxCategory === "O"))
    violations.push({
      field,
      rule: "BR-O-11",
      detail: "what is outside of tax (不征税) does not stand in one invoice with anything else",
    });
  for (const side of ["seller", "buyer"] as const) {
    const { country, taxId } = document[side];
    const code = countryOf(document[side], "CN");
    if (!countries.has(code))
      violations.push({
        field: `/${side}/${country === undefined ? "taxId" : "country"}`,
        rule: "BR-CL-14",
        detail: `${code} is not a country`,
      });
    else if (
      taxId !== undefined &&
      !isChineseTaxId(taxId) &&
      taxId.slice(0, 2) !== "EL" &&
      !countries.has(taxId.slice(0, 2))
    )
      violations.push({
        field: `/${side}/taxId`,
        rule: "BR-CO-09",
        detail: `${taxId.slice(0, 2)} is not a country`,
      });
  }
  return violations;
}

const sum = (amounts: readonly string[]) =>
  amounts.reduce((total, amount) => total + parseMoney(amount), 0n);

function putCategory(parent: Branch, step: string, taxed: Taxed): Branch {
  const category = add(parent, step);
  const code = categoryOf(taxed);
  put(category, "cbc:ID", code);
  // BR-O-05: a category outside of tax has no rate
  if (code !== "O" || !isZero(fractionOf(taxed.taxRate ?? "0")))
    put(category, "cbc:Percent", percentOf(taxed));
  put(category, "cac:TaxScheme/cbc:ID", "VAT");
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
    const { reasonCode, ...rest } = each;
    fill(element, rest, ublRows.allowance);
    const known =
      reasonCode !== undefined && (each.charge ? chargeReasons : allowanceReasons).has(reasonCode);
    if (known) put(element, "cbc:AllowanceChargeReasonCode", reasonCode);
    else if (each.reason === undefined)
      put(
        element,
        "cbc:AllowanceChargeReason",
        reasonCode ?? (each.charge ? "Charge" : "Allowance"),
      );
    if (ofDocument) putCategory(element, "cac:TaxCategory", each);
  }
}

/**
 * EN 16931 requires a country: the party's own, or that of its tax id, or `other`: the seller's, or
 * for the seller none.
 */
function countryOf(party: InvoiceDocument["buyer"], other: string): string {
  const prefix =
    party.taxId === undefined
      ? other
      : isChineseTaxId(party.taxId)
        ? "CN"
        : party.taxId.slice(0, 2);
  const country = party.country ?? prefix;
  return { EL: "GR", UK: "GB" }[country] ?? country;
}

/**
 * BR-CL-10, BR-CL-11: schemes have a number of ISO 6523; an identifier of another scheme is written
 * without it.
 */
const schemeOf = (scheme: string | undefined) =>
  scheme !== undefined && /^(?:0\d{3}|SEPA)$/.test(scheme) ? scheme : undefined;

function putParty(
  root: Branch,
  side: "Supplier" | "Customer",
  details: InvoiceDocument["buyer"],
  country: string,
  untaxed: boolean,
): void {
  const party = add(add(root, `cac:Accounting${side}Party`), "cac:Party");
  // a buyer has no legal form in EN 16931 (UBL-CR-244)
  const { legalForm, ...others } = details;
  fill(party, side === "Supplier" ? details : others, ublRows.party);
  // BR-62, BR-63: an electronic address has a scheme
  const { endpoint } = details;
  if (endpoint && /^(?:\d{4}|EM|A[NQSU])$/.test(endpoint.scheme ?? ""))
    put(party, "cbc:EndpointID", endpoint.id, { schemeID: endpoint.scheme });
  put(party, "cac:PostalAddress/cbc:StreetName", details.address);
  put(party, "cac:PostalAddress/cac:Country/cbc:IdentificationCode", country);
  if (details.contact?.phone === undefined) put(party, "cac:Contact/cbc:Telephone", details.phone);
  const { identifiers = [], taxId } = details;
  const ids = placesOf(side, details, untaxed);
  for (const { id, scheme } of ids.named)
    put(add(party, "cac:PartyIdentification"), "cbc:ID", id, { schemeID: schemeOf(scheme) });
  put(party, "cac:PartyLegalEntity/cbc:CompanyID", ids.legal?.id, {
    schemeID: schemeOf(ids.legal?.scheme),
  });
  const putTaxed = (id: string, scheme: string) => {
    const taxed = add(party, "cac:PartyTaxScheme");
    put(taxed, "cbc:CompanyID", id);
    put(taxed, "cac:TaxScheme/cbc:ID", scheme);
  };
  const stated = identifiers.filter(({ registration }) => registration === "tax");
  if (side === "Supplier") for (const { id } of stated) putTaxed(id, "FC");
  // the tax id is one of the other ids: of a tax office, or of a seller outside of VAT
  const known = identifiers.some(
    ({ id, registration }) =>
      (registration === "tax" || (untaxed && side === "Supplier")) &&
      taxId !== undefined &&
      taxIdFrom(id, country, registration) === taxId,
  );
  if (taxId === undefined || known || (untaxed && side === "Customer")) return;
  if (untaxed) putTaxed(taxId, "FC");
  else putTaxed(isChineseTaxId(taxId) ? `CN${taxId}` : taxId, "VAT");
}

type Identifiers = NonNullable<InvoiceDocument["buyer"]["identifiers"]>;
/**
 * Where a party's identifiers go. A document that says which one is the legal registration is
 * followed. Otherwise the last of several is, unless it is the bank's, so that all keep their
 * order.
 * A buyer has one identifier of its own (UBL-SR-16), and so has a seller's bank (UBL-SR-29).
 */
function placesOf(
  side: "Supplier" | "Customer",
  { identifiers = [], taxId }: InvoiceDocument["buyer"],
  untaxed: boolean,
): { named: Identifiers; legal: Identifiers[number] | undefined } {
  const plain = identifiers.filter(({ registration }) => registration !== "tax");
  const candidates = plain.filter(({ scheme }) => scheme !== creditorScheme);
  // BR-CO-26: a party without a VAT id has a registration
  const withoutVatId =
    untaxed && taxId !== undefined && (side === "Customer" || candidates.length === 0);
  const legal = withoutVatId
    ? { id: taxId }
    : (plain.find(({ registration }) => registration === "legal") ??
      (plain.length > 1 && candidates.at(-1) === plain.at(-1) ? candidates.at(-1) : undefined));
  const creditor =
    side === "Supplier" ? plain.find(({ scheme }) => scheme === creditorScheme) : undefined;
  const named = plain.filter(
    (each) => each !== legal && (each.scheme !== creditorScheme || each === creditor),
  );
  return { named: side === "Supplier" ? named : named.slice(0, 1), legal };
}

function putLine(root: Branch, names: typeof ublInvoice, line: InvoiceLine, index: number): void {
  const element = add(root, names.line);
  const amount = parseMoney(line.amount);
  const single = { quantity: amount < 0n ? "-1" : "1", unitPrice: line.amount.replace("-", "") };
  const unitCode = unitOf(line);
  // a price or a quantity alone does not say what it is for
  const isWhole = line.quantity !== undefined && line.unitPrice !== undefined;
  const { quantity, unitPrice } = isWhole ? line : single;
  fill(element, { id: String(index + 1), ...line, unitPrice }, ublRows.line);
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
  for (const [name, value] of [
    ["规格型号", line.spec],
    ["单位", line.unit === unitCode ? undefined : line.unit],
  ] as const) {
    if (value === undefined) continue;
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

/** The document as its UBL states it: a credit note has positive amounts. */
function statedOf(document: InvoiceDocument): InvoiceDocument {
  if (!isCreditNote(document)) return document;
  const stated = structuredClone(document);
  negate(stated);
  return stated;
}

function write(invoice: InvoiceDocument, { number, reverses }: Numbers): string {
  const names = isCreditNote(invoice) ? ublCreditNote : ublInvoice;
  const document = statedOf(invoice);
  const { seller, buyer, currency } = document;
  const parts = partsOf(document);
  const untaxed = parts.every((part) => part.taxCategory === "O");
  const root = branch(names.root);
  root.attributes = {
    xmlns: names === ublInvoice ? ublNamespace : ublCreditNoteNamespace,
    ...ublNamespaces,
  };
  const allowances = (charge: boolean) =>
    (document.allowances ?? [])
      .filter((each) => each.charge === charge)
      .map(({ amount }) => amount);
  const total = (charge: boolean) =>
    allowances(charge).length === 0 ? undefined : formatMoney(sum(allowances(charge)));
  const { gross, prepaid = "0.00", rounding = "0.00" } = document.totals;
  const totals = {
    lines: formatMoney(sum(document.lines.map(({ amount }) => amount))),
    allowances: total(false),
    charges: total(true),
    payable: formatMoney(parseMoney(gross) - parseMoney(prepaid) + parseMoney(rounding)),
    ...document.totals,
  };
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
  const reversed = document.reverses && {
    id: document.reverses.sourceId ?? document.reverses.number ?? reverses,
    date: undefined,
  };
  for (const { id, date } of document.preceding ?? (reversed ? [reversed] : [])) {
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
  putParty(root, "Supplier", seller, country, untaxed);
  putParty(root, "Customer", buyer, countryOf(buyer, country), untaxed);
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
  // BR-CO-25: an amount to pay requires a due date or terms
  const fallbackTerms =
    document.dueDate === undefined && parseMoney(totals.payable ?? "0.00") > 0n
      ? "Not stated"
      : undefined;
  put(root, "cac:PaymentTerms/cbc:Note", document.paymentTerms ?? fallbackTerms);
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
    // BR-S-10, BR-Z-10, …: a taxed part has no reason for an exemption
    const reason = reasons[part.taxCategory];
    if (reason === undefined) continue;
    const code = /^VATEX-[A-Z0-9-]+$/.test(part.exemptionCode ?? "")
      ? part.exemptionCode
      : undefined;
    put(category, "cbc:TaxExemptionReasonCode", code);
    put(
      category,
      "cbc:TaxExemptionReason",
      part.exemptionReason ?? (code === undefined ? (part.exemptionCode ?? reason) : undefined),
    );
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
