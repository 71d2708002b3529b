/**
 * UBL 2.1 invoices as EN 16931 uses them (root `Invoice`).
 *
 * Owns: where their elements go in a document, which type codes are read, and the rules of EN 16931
 * that only this format can check. Tax is by breakdown; lines carry no tax. A time without an
 * offset counts as UTC. `cbc:ID` becomes `sourceId`; attachments are listed by hash, their bytes
 * stay in the stored original; another gateway's number of the invoice (`numberReference`) is not
 * an attachment and is dropped. Type codes: 380 and related codes are invoices; 381 and 384 are
 * read only as a red letter (negative total and the reversed invoice in `cac:BillingReference`),
 * because as ordinary invoices they would count a second time. Does not own: rules that hold for
 * every invoice (rules.ts), the XML itself (xml.ts).
 */
import { createHash } from "node:crypto";
import { normaliseDecimal, normaliseMoney, percentToFraction } from "../values/money.ts";
import { normaliseTaxId } from "../values/tax-id.ts";
import { exempt, notTaxed } from "./document.ts";
import { createDraft, type Draft, type Row, type Style } from "./draft.ts";
import { formats } from "./formats.ts";
import type { Reading, XmlReader } from "./reading.ts";
import { ublNamespace, ublVocabulary } from "./vocabularies.ts";
import type { Element } from "./xml.ts";

/**
 * How a gateway that writes UBL marks its number of the invoice: an invoiced object (BT-18), of an
 * agreed scheme.
 */
export const numberReference = { type: "130", scheme: "ZZZ" };
const style: Style = {
  root: "Invoice",
  repeated: new Set(["cac:InvoiceLine", "cac:TaxSubtotal", "cac:AllowanceCharge"]),
};

const money = (text: string) => normaliseMoney(text) ?? text;
const decimal = (text: string) => normaliseDecimal(text) ?? text;
const oneLine = (texts: readonly string[], between: string) =>
  texts.filter((text) => text !== "").join(between) || undefined;

/**
 * Codes of invoices. Factoring, self-billing, and prepayments that are settled elsewhere are not
 * read.
 */
const invoiceCodes = new Set([
  "80",
  "82",
  "84",
  "326",
  "380",
  "383",
  "386",
  "388",
  "393",
  "395",
  "457",
  "527",
  "575",
  "623",
  "780",
  "875",
  "876",
  "877",
]);
const reversalCodes = new Set(["381", "384"]);

const headRows: readonly Row[] = [
  { to: "currency", from: "cbc:DocumentCurrencyCode" },
  { to: "sourceId", from: "cbc:ID" },
  { to: "dueDate", from: "cbc:DueDate" },
  { to: "period/start", from: "cac:InvoicePeriod/cbc:StartDate" },
  { to: "period/end", from: "cac:InvoicePeriod/cbc:EndDate" },
  { to: "references/buyer", from: "cbc:BuyerReference" },
  { to: "references/order", from: "cac:OrderReference/cbc:ID" },
  { to: "references/salesOrder", from: "cac:OrderReference/cbc:SalesOrderID" },
  { to: "references/contract", from: "cac:ContractDocumentReference/cbc:ID" },
  { to: "references/project", from: "cac:ProjectReference/cbc:ID" },
  { to: "totals/net", from: "cac:LegalMonetaryTotal/cbc:TaxExclusiveAmount", as: money },
  { to: "totals/gross", from: "cac:LegalMonetaryTotal/cbc:TaxInclusiveAmount", as: money },
  { to: "totals/lines", from: "cac:LegalMonetaryTotal/cbc:LineExtensionAmount", as: money },
  { to: "totals/allowances", from: "cac:LegalMonetaryTotal/cbc:AllowanceTotalAmount", as: money },
  { to: "totals/charges", from: "cac:LegalMonetaryTotal/cbc:ChargeTotalAmount", as: money },
  { to: "totals/prepaid", from: "cac:LegalMonetaryTotal/cbc:PrepaidAmount", as: money },
  { to: "totals/rounding", from: "cac:LegalMonetaryTotal/cbc:PayableRoundingAmount", as: money },
  { to: "totals/payable", from: "cac:LegalMonetaryTotal/cbc:PayableAmount", as: money },
];
const partyRows: readonly Row[] = [
  { to: "name", from: "cac:PartyLegalEntity/cbc:RegistrationName" },
  { to: "legalForm", from: "cac:PartyLegalEntity/cbc:CompanyLegalForm" },
  { to: "tradingName", from: "cac:PartyName/cbc:Name" },
  { to: "country", from: "cac:PostalAddress/cac:Country/cbc:IdentificationCode" },
  { to: "contact/name", from: "cac:Contact/cbc:Name" },
  { to: "contact/phone", from: "cac:Contact/cbc:Telephone" },
  { to: "contact/email", from: "cac:Contact/cbc:ElectronicMail" },
];
const allowanceRows: readonly Row[] = [
  { to: "amount", from: "cbc:Amount", as: money },
  { to: "base", from: "cbc:BaseAmount", as: money },
  { to: "percent", from: "cbc:MultiplierFactorNumeric", as: decimal },
  { to: "reason", from: "cbc:AllowanceChargeReason" },
  { to: "reasonCode", from: "cbc:AllowanceChargeReasonCode" },
];
const lineRows: readonly Row[] = [
  { to: "id", from: "cbc:ID" },
  { to: "name", from: "cac:Item/cbc:Name" },
  { to: "description", from: "cac:Item/cbc:Description" },
  { to: "quantity", from: "cbc:InvoicedQuantity", as: decimal },
  { to: "unitPrice", from: "cac:Price/cbc:PriceAmount", as: decimal },
  { to: "baseQuantity", from: "cac:Price/cbc:BaseQuantity", as: decimal },
  { to: "amount", from: "cbc:LineExtensionAmount", as: money },
  { to: "period/start", from: "cac:InvoicePeriod/cbc:StartDate" },
  { to: "period/end", from: "cac:InvoicePeriod/cbc:EndDate" },
];
const breakdownRows: readonly Row[] = [
  { to: "taxable", from: "cbc:TaxableAmount", as: money },
  { to: "tax", from: "cbc:TaxAmount", as: money },
  { to: "exemptionReason", from: "cac:TaxCategory/cbc:TaxExemptionReason" },
  { to: "exemptionCode", from: "cac:TaxCategory/cbc:TaxExemptionReasonCode" },
];

/** The tables, for write-ubl.ts. */
export const ublRows = {
  head: headRows,
  party: partyRows,
  allowance: allowanceRows,
  line: lineRows,
};

/**
 * A tax category's code and rate. E is exempt and O is not taxed; their percentage must be 0 and
 * adds nothing.
 */
function putCategory(
  draft: Draft,
  to: string,
  parent: Element | undefined,
  step: string,
  parentPath: string,
): void {
  const { element, path } = draft.find(parent, step, parentPath);
  const code = draft.find(element, "cbc:ID", path);
  const percent = draft.find(element, "cbc:Percent", path);
  const category = code.element?.text || undefined;
  draft.put(`${to}/taxCategory`, category, code.path);
  const stated = percent.element?.text || undefined;
  const fraction =
    stated === undefined
      ? undefined
      : (percentToFraction(normaliseDecimal(stated) ?? "") ?? stated);
  const zero = fraction === undefined || fraction === "0";
  const word = category === "E" ? exempt : category === "O" ? notTaxed : undefined;
  draft.put(`${to}/taxRate`, word !== undefined && zero ? word : fraction, percent.path);
}

function putAllowances(draft: Draft, to: string, parent: Element, parentPath: string): void {
  for (const [index, element] of draft.all(parent, "cac:AllowanceCharge").entries()) {
    const path = `${parentPath}/cac:AllowanceCharge[${index + 1}]`;
    const prefix = `${to}/allowances/${index}`;
    const charge = draft.find(element, "cbc:ChargeIndicator", path);
    const flag = charge.element?.text;
    draft.put(
      `${prefix}/charge`,
      flag === "true" || flag === "1" ? true : flag === "false" || flag === "0" ? false : flag,
      charge.path,
    );
    draft.fill(prefix, element, path, allowanceRows);
    if (to === "") putCategory(draft, prefix, element, "cac:TaxCategory", path);
  }
}

const partySteps = {
  seller: "cac:AccountingSupplierParty/cac:Party",
  buyer: "cac:AccountingCustomerParty/cac:Party",
};

function putParty(draft: Draft, side: "seller" | "buyer"): void {
  const to = `/${side}`;
  const { element: party, path } = draft.find(draft.root, partySteps[side]);
  draft.fill(to, party, path, partyRows);
  const country = draft.find(party, "cac:PostalAddress/cac:Country/cbc:IdentificationCode", path)
    .element?.text;
  // The VAT id if there is one; for a seller without one, the tax office's number.
  const schemes = draft.all(party, "cac:PartyTaxScheme");
  const vat = schemes.find(
    (scheme) => draft.find(scheme, "cac:TaxScheme/cbc:ID").element?.text === "VAT",
  );
  const taxed = vat ?? (side === "seller" ? schemes[0] : undefined);
  const company = taxed
    ? draft.find(taxed, "cbc:CompanyID")
    : { element: undefined, path: `${path}/cac:PartyTaxScheme/cbc:CompanyID` };
  draft.put(
    `${to}/taxId`,
    company.element
      ? normaliseTaxId(
          company.element.text,
          /^[A-Z]{2}$/.test(country ?? "") ? country : undefined,
        ) || undefined
      : undefined,
    company.path,
  );

  const endpoint = draft.find(party, "cbc:EndpointID", path);
  if (endpoint.element?.text) putIdentifier(draft, `${to}/endpoint`, endpoint.element);
  const legal = draft.find(party, "cac:PartyLegalEntity/cbc:CompanyID", path).element;
  const others = schemes
    .filter((scheme) => scheme !== taxed)
    .map((scheme) => draft.find(scheme, "cbc:CompanyID").element);
  const named = draft
    .all(party, "cac:PartyIdentification")
    .map((each) => draft.find(each, "cbc:ID").element);
  // a repetition of the seller's tax id is not another identifier
  const repeatsTaxId = (each: Element) => side === "seller" && each.text === company.element?.text;
  const identifiers = [...named, legal, ...others].filter(
    (each) => each !== undefined && each.text !== "" && !repeatsTaxId(each),
  );
  for (const [index, each] of identifiers.entries())
    if (each) putIdentifier(draft, `${to}/identifiers/${index}`, each);

  const address = draft.find(party, "cac:PostalAddress", path);
  const part = (name: string) =>
    draft.find(address.element, name, address.path).element?.text ?? "";
  const lines = draft
    .all(address.element, "cac:AddressLine")
    .map((each) => draft.find(each, "cbc:Line").element?.text ?? "");
  const place = oneLine([part("cbc:PostalZone"), part("cbc:CityName")], " ") ?? "";
  draft.put(
    `${to}/address`,
    oneLine(
      [
        part("cbc:StreetName"),
        part("cbc:AdditionalStreetName"),
        ...lines,
        place,
        part("cbc:CountrySubentity"),
      ],
      ", ",
    ),
    address.path,
  );
}

function putIdentifier(draft: Draft, to: string, element: Element): void {
  const path = draft.pathOf(element);
  draft.put(`${to}/id`, element.text, path);
  draft.put(`${to}/scheme`, element.attributes.schemeID || undefined, path);
}

function putLine(draft: Draft, element: Element, index: number): void {
  const path = `/Invoice/cac:InvoiceLine[${index + 1}]`;
  const to = `/lines/${index}`;
  draft.put(to, {}, path);
  draft.fill(to, element, path, lineRows);
  const quantity = draft.find(element, "cbc:InvoicedQuantity", path);
  draft.put(`${to}/unit`, quantity.element?.attributes.unitCode || undefined, quantity.path);
  draft.put(
    `${to}/note`,
    oneLine(
      draft.all(element, "cbc:Note").map((note) => note.text),
      "\n",
    ),
    `${path}/cbc:Note`,
  );
  const item = draft.find(element, "cac:Item", path);
  putCategory(draft, to, item.element, "cac:ClassifiedTaxCategory", item.path);
  const classified = draft.all(item.element, "cac:CommodityClassification")[0];
  if (classified)
    draft.put(
      `${to}/taxCode`,
      draft.find(classified, "cbc:ItemClassificationCode").element?.text || undefined,
      item.path,
    );
  putAllowances(draft, to, element, path);
}

function putTax(draft: Draft, currency: string | undefined): void {
  // A second TaxTotal, without a breakdown, may state the tax in the accounting currency.
  const totals = draft.all(draft.root, "cac:TaxTotal");
  const inCurrency = totals.filter(
    (total) => draft.find(total, "cbc:TaxAmount").element?.attributes.currencyID === currency,
  );
  if (inCurrency.length > 1)
    draft.refuse(
      "/Invoice/cac:TaxTotal",
      "repeated-element",
      "one TaxTotal is in the invoice's currency",
    );
  const total = inCurrency[0];
  const path = total ? draft.pathOf(total) : "/Invoice/cac:TaxTotal";
  const amount = draft.find(total, "cbc:TaxAmount", path);
  draft.put("/totals/tax", amount.element ? money(amount.element.text) : undefined, amount.path);
  draft.put("/taxBreakdown", [], path);
  for (const [index, part] of draft.all(total, "cac:TaxSubtotal").entries()) {
    const partPath = `${path}/cac:TaxSubtotal[${index + 1}]`;
    draft.put(`/taxBreakdown/${index}`, {}, partPath);
    draft.fill(`/taxBreakdown/${index}`, part, partPath, breakdownRows);
    putCategory(draft, `/taxBreakdown/${index}`, part, "cac:TaxCategory", partPath);
  }
}

/** The number that a gateway has written into a reference; undefined for any other reference. */
function referredNumber(draft: Draft, reference: Element): string | undefined {
  const id = draft.find(reference, "cbc:ID").element;
  const agreed =
    draft.find(reference, "cbc:DocumentTypeCode").element?.text === numberReference.type &&
    id?.attributes["schemeID"] === numberReference.scheme;
  return agreed && /^\d{20}$/.test(id.text) ? id.text : undefined;
}

function putAttachments(draft: Draft): void {
  const references = draft
    .all(draft.root, "cac:AdditionalDocumentReference")
    .filter((reference) => referredNumber(draft, reference) === undefined);
  for (const [index, reference] of references.entries()) {
    const path = draft.pathOf(reference);
    const to = `/attachments/${index}`;
    draft.put(to, {}, path);
    draft.fill(to, reference, path, [
      { to: "id", from: "cbc:ID" },
      { to: "description", from: "cbc:DocumentDescription" },
    ]);
    const embedded = draft.find(reference, "cac:Attachment/cbc:EmbeddedDocumentBinaryObject", path);
    if (embedded.element === undefined) continue;
    draft.put(`${to}/filename`, embedded.element.attributes.filename || undefined, embedded.path);
    draft.put(`${to}/mimeType`, embedded.element.attributes.mimeCode || undefined, embedded.path);
    draft.put(
      `${to}/sha256`,
      createHash("sha256").update(Buffer.from(embedded.element.text, "base64")).digest("hex"),
      embedded.path,
    );
  }
}

/** All amounts are in the document's currency, except the tax in the accounting currency. */
function checkCurrencies(draft: Draft, element: Element, currency: string | undefined): void {
  for (const child of element.children) {
    const own = child.attributes.currencyID;
    const accounting =
      element.name === "TaxTotal" &&
      element.parent === draft.root &&
      !element.children.some((each) => each.name === "TaxSubtotal");
    if (own !== undefined && own !== currency && !accounting)
      draft.refuse(
        draft.pathOf(child),
        "currency-mismatch",
        `${own} in an invoice in ${currency ?? "no currency"}`,
      );
    checkCurrencies(draft, child, currency);
  }
}

function checkTypeCode(draft: Draft, document: Record<string, unknown>): void {
  const { element, path } = draft.find(draft.root, "cbc:InvoiceTypeCode");
  const code = element?.text ?? "";
  if (element === undefined) draft.refuse(path, "BR-04", "this element is required");
  else if (reversalCodes.has(code)) {
    const rule = code === "381" ? "credit-note-in-invoice" : "correction-in-invoice";
    if (document.reverses === undefined)
      draft.refuse(
        path,
        rule,
        `${code} is read only as a red letter: a negative total and the reversed invoice in ` +
          "cac:BillingReference",
      );
  } else if (!invoiceCodes.has(code))
    draft.refuse(path, "unknown-type-code", `the type code ${code.slice(0, 20)} is not read here`);
}

function read(root: Element): Reading {
  const draft = createDraft(root, style);
  draft.put("/kind", "ordinary", "/Invoice");
  draft.fill("", root, "/Invoice", headRows);
  const currency = draft.find(root, "cbc:DocumentCurrencyCode").element?.text;
  const day = draft.find(root, "cbc:IssueDate");
  const time = draft.find(root, "cbc:IssueTime").element?.text || "00:00:00";
  draft.put(
    "/issuedAt",
    day.element?.text
      ? `${day.element.text}T${time}${/(?:Z|[+-]\d{2}:\d{2})$/.test(time) ? "" : "Z"}`
      : undefined,
    day.path,
  );
  putParty(draft, "seller");
  putParty(draft, "buyer");
  const account = draft
    .all(root, "cac:PaymentMeans")
    .find((means) => draft.all(means, "cac:PayeeFinancialAccount").length > 0);
  if (account) {
    draft.fill("/seller", account, draft.pathOf(account), [
      { to: "bankAccount", from: "cac:PayeeFinancialAccount/cbc:ID" },
      { to: "bankName", from: "cac:PayeeFinancialAccount/cac:FinancialInstitutionBranch/cbc:ID" },
    ]);
  }
  draft.put(
    "/remark",
    oneLine(
      draft.all(root, "cbc:Note").map((note) => note.text),
      "\n",
    ),
    "/Invoice/cbc:Note",
  );
  draft.put(
    "/paymentTerms",
    oneLine(
      draft
        .all(root, "cac:PaymentTerms")
        .map((terms) => draft.find(terms, "cbc:Note").element?.text ?? ""),
      "\n",
    ),
    "/Invoice/cac:PaymentTerms",
  );
  draft.put("/lines", [], "/Invoice/cac:InvoiceLine");
  for (const [index, line] of draft.all(root, "cac:InvoiceLine").entries())
    putLine(draft, line, index);
  putAllowances(draft, "", root, "/Invoice");
  putTax(draft, currency);
  putAttachments(draft);
  // A positive invoice may name a preceding one; only a negative one reverses it.
  const gross =
    draft.find(root, "cac:LegalMonetaryTotal/cbc:TaxInclusiveAmount").element?.text ?? "";
  const reversed = draft.all(root, "cac:BillingReference");
  const original = draft.find(
    reversed[0],
    "cac:InvoiceDocumentReference/cbc:ID",
    "/Invoice/cac:BillingReference",
  );
  if (gross.startsWith("-") && original.element?.text)
    draft.put("/reverses", { sourceId: original.element.text }, original.path);
  if (gross.startsWith("-") && reversed.length > 1)
    draft.refuse(
      "/Invoice/cac:BillingReference",
      "repeated-element",
      "a red letter reverses one invoice",
    );
  const document = draft.finish(formats.ubl.rules, () => {
    checkTypeCode(draft, draft.document);
    checkCurrencies(draft, root, currency);
  });
  const numbers = draft
    .all(root, "cac:AdditionalDocumentReference")
    .map((reference) => referredNumber(draft, reference));
  return {
    document,
    numbers: numbers.filter((number) => number !== undefined),
    unread: draft.unread(ublVocabulary.formal),
  };
}

/** For members made of several elements: the element that people look at. */
const chiefSteps: ReadonlyMap<string, string> = new Map([
  ["issuedAt", "cbc:IssueDate"],
  ["seller/taxId", `${partySteps.seller}/cac:PartyTaxScheme/cbc:CompanyID`],
  ["buyer/taxId", `${partySteps.buyer}/cac:PartyTaxScheme/cbc:CompanyID`],
]);

function pathOf(member: string): string | undefined {
  const chief = chiefSteps.get(member) ?? headRows.find(({ to }) => to === member)?.from;
  if (chief !== undefined) return chief;
  const [side, ...rest] = member.split("/");
  const row =
    side === "seller" || side === "buyer"
      ? partyRows.find(({ to }) => to === rest.join("/"))
      : undefined;
  return row && `${partySteps[side as "seller" | "buyer"]}/${row.from}`;
}

export const ublReader: XmlReader = {
  root: { name: style.root, namespace: ublNamespace },
  vocabulary: ublVocabulary,
  read,
  pathOf,
};
