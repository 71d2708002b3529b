/**
 * UBL 2.1 invoices and credit notes as EN 16931 uses them (roots `Invoice` and `CreditNote`).
 *
 * Owns: where their elements go in a document. What the elements mean is the model's
 * (en16931-reading.ts), as are the rules (en16931.ts, rules.ts). Tax is by breakdown; lines carry
 * no tax. `cbc:ID` becomes `sourceId`; attachments are listed by name, size and hash, their bytes
 * stay in the stored original; another gateway's number of the invoice (`numberReference`) is not
 * an attachment and is dropped. Does not own: the XML itself (xml.ts).
 */
import { createDraft, type Draft, type Row, type Style } from "./draft.ts";
import { isCreditNote, numberReference } from "./en16931.ts";
import {
  day,
  decimal,
  joined,
  money,
  type PartyId,
  type Place,
  putAccounting,
  putAttachment,
  putCategory,
  putIdentifier,
  putIds,
  putIssued,
  putKind,
} from "./en16931-reading.ts";
import { formats } from "./formats.ts";
import type { Reading, XmlReader } from "./reading.ts";
import { ublCreditNoteNamespace, ublNamespace, ublVocabulary } from "./vocabularies.ts";
import type { Element } from "./xml.ts";

/** The type of a reference that names a credit note's project (BT-11). */
export const projectReference = "50";
/** The two roots of UBL that EN 16931 uses, and their names of the same things. */
const syntax = (root: string, line: string, quantity: string, typeCode: string) => ({
  root,
  line,
  quantity,
  typeCode,
  style: {
    root,
    repeated: new Set([line, "cac:TaxSubtotal", "cac:AllowanceCharge"]),
  } satisfies Style,
});
export const ublInvoice = syntax(
  "Invoice",
  "cac:InvoiceLine",
  "cbc:InvoicedQuantity",
  "cbc:InvoiceTypeCode",
);
export const ublCreditNote = syntax(
  "CreditNote",
  "cac:CreditNoteLine",
  "cbc:CreditedQuantity",
  "cbc:CreditNoteTypeCode",
);
type Syntax = typeof ublInvoice;

const headRows: readonly Row[] = [
  { to: "currency", from: "cbc:DocumentCurrencyCode" },
  { to: "sourceId", from: "cbc:ID" },
  { to: "dueDate", from: "cbc:DueDate", as: day },
  { to: "period/start", from: "cac:InvoicePeriod/cbc:StartDate", as: day },
  { to: "period/end", from: "cac:InvoicePeriod/cbc:EndDate", as: day },
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
  { to: "unitPrice", from: "cac:Price/cbc:PriceAmount", as: decimal },
  { to: "baseQuantity", from: "cac:Price/cbc:BaseQuantity", as: decimal },
  { to: "amount", from: "cbc:LineExtensionAmount", as: money },
  { to: "period/start", from: "cac:InvoicePeriod/cbc:StartDate", as: day },
  { to: "period/end", from: "cac:InvoicePeriod/cbc:EndDate", as: day },
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

function putCategoryOf(draft: Draft, to: string, parent: Place, step: string): void {
  const { element, path } = draft.find(parent.element, step, parent.path);
  putCategory(
    draft,
    to,
    draft.find(element, "cbc:ID", path),
    draft.find(element, "cbc:Percent", path),
  );
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
    if (to === "") putCategoryOf(draft, prefix, { element, path }, "cac:TaxCategory");
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
  const idIn = (parent: Element | undefined, step: string, more: Partial<PartyId> = {}) => {
    const { element } = draft.find(parent, step, parent ? undefined : path);
    return element ? [{ element, scheme: element.attributes.schemeID, ...more }] : [];
  };
  const taxed = draft.all(party, "cac:PartyTaxScheme").flatMap((scheme) =>
    idIn(scheme, "cbc:CompanyID", {
      registration:
        draft.find(scheme, "cac:TaxScheme/cbc:ID").element?.text === "VAT" ? "vat" : "tax",
    }),
  );
  putIds(
    draft,
    side,
    country,
    [
      ...draft.all(party, "cac:PartyIdentification").flatMap((each) => idIn(each, "cbc:ID")),
      ...idIn(party, "cac:PartyLegalEntity/cbc:CompanyID", { registration: "legal" }),
      ...taxed,
    ],
    `${path}/cac:PartyTaxScheme/cbc:CompanyID`,
  );
  const [endpoint] = idIn(party, "cbc:EndpointID");
  if (endpoint?.element.text) putIdentifier(draft, `${to}/endpoint`, endpoint);

  const address = draft.find(party, "cac:PostalAddress", path);
  const part = (name: string) =>
    draft.find(address.element, name, address.path).element?.text ?? "";
  const lines = draft
    .all(address.element, "cac:AddressLine")
    .map((each) => draft.find(each, "cbc:Line").element?.text ?? "");
  const place = joined([part("cbc:PostalZone"), part("cbc:CityName")], " ") ?? "";
  draft.put(
    `${to}/address`,
    joined(
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

function putLine(draft: Draft, { root, line, quantity: step }: Syntax, at: Element, index: number) {
  const path = `/${root}/${line}[${index + 1}]`;
  const to = `/lines/${index}`;
  draft.put(to, {}, path);
  draft.fill(to, at, path, lineRows);
  const quantity = draft.find(at, step, path);
  const stated = quantity.element?.text || undefined;
  draft.put(`${to}/quantity`, stated && decimal(stated), quantity.path);
  draft.put(`${to}/unit`, quantity.element?.attributes.unitCode || undefined, quantity.path);
  draft.put(
    `${to}/note`,
    joined(
      draft.all(at, "cbc:Note").map((note) => note.text),
      "\n",
    ),
    `${path}/cbc:Note`,
  );
  const item = draft.find(at, "cac:Item", path);
  putCategoryOf(draft, to, item, "cac:ClassifiedTaxCategory");
  const classified = draft.all(item.element, "cac:CommodityClassification")[0];
  if (classified)
    draft.put(
      `${to}/taxCode`,
      draft.find(classified, "cbc:ItemClassificationCode").element?.text || undefined,
      item.path,
    );
  putAllowances(draft, to, at, path);
}

/**
 * The total with a breakdown is the tax. Another without one states the tax in the accounting
 * currency; some national rules require it in the same currency.
 */
function putTax(draft: Draft, root: string, currency: string): void {
  const totals = draft.all(draft.root, "cac:TaxTotal");
  const amountOf = (total: Element) => draft.find(total, "cbc:TaxAmount");
  const currencyOf = (total: Element) => amountOf(total).element?.attributes.currencyID;
  const isBrokenDown = (total: Element) => draft.all(total, "cac:TaxSubtotal").length > 0;
  const total =
    totals.find(isBrokenDown) ?? totals.find((each) => currencyOf(each) === currency) ?? totals[0];
  const others = totals.filter((each) => each !== total);
  if (others.length > 1 || others.some(isBrokenDown))
    draft.refuse(
      `/${root}/cac:TaxTotal`,
      "repeated-element",
      "one TaxTotal has a breakdown, and one without states the tax in the accounting currency",
    );
  const [other] = others;
  const accounting = draft.find(draft.root, "cbc:TaxCurrencyCode");
  if (other)
    putAccounting(draft, amountOf(other), currencyOf(other) ?? currency, {
      text: total && amountOf(total).element?.text,
      currency,
    });
  if (accounting.element?.text && !totals.some((t) => currencyOf(t) === accounting.element?.text))
    draft.refuse(
      accounting.path,
      "BR-53",
      `no total states the tax in ${accounting.element.text.slice(0, 3)}`,
    );
  const path = total ? draft.pathOf(total) : `/${root}/cac:TaxTotal`;
  const amount = draft.find(total, "cbc:TaxAmount", path);
  draft.put(
    "/totals/tax",
    amount.element ? money(amount.element.text, draft.decimals) : undefined,
    amount.path,
  );
  draft.put("/taxBreakdown", [], path);
  for (const [index, part] of draft.all(total, "cac:TaxSubtotal").entries()) {
    const partPath = `${path}/cac:TaxSubtotal[${index + 1}]`;
    draft.put(`/taxBreakdown/${index}`, {}, partPath);
    draft.fill(`/taxBreakdown/${index}`, part, partPath, breakdownRows);
    const place = { element: part, path: partPath };
    putCategoryOf(draft, `/taxBreakdown/${index}`, place, "cac:TaxCategory");
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

function putAttachments(draft: Draft, names: Syntax): void {
  const isProject = (reference: Element) =>
    names === ublCreditNote &&
    draft.find(reference, "cbc:DocumentTypeCode").element?.text === projectReference;
  const all = draft.all(draft.root, "cac:AdditionalDocumentReference");
  const project = all.find(isProject);
  if (project) {
    const { element, path } = draft.find(project, "cbc:ID");
    draft.put("/references/project", element?.text || undefined, path);
  }
  const references = all.filter(
    (reference) => referredNumber(draft, reference) === undefined && !isProject(reference),
  );
  for (const [index, reference] of references.entries()) {
    const path = draft.pathOf(reference);
    const to = `/attachments/${index}`;
    draft.put(to, {}, path);
    draft.fill(to, reference, path, [
      { to: "id", from: "cbc:ID" },
      { to: "description", from: "cbc:DocumentDescription" },
    ]);
    draft.fill(to, reference, path, [
      { to: "uri", from: "cac:Attachment/cac:ExternalReference/cbc:URI" },
    ]);
    const embedded = draft.find(reference, "cac:Attachment/cbc:EmbeddedDocumentBinaryObject", path);
    const { filename, mimeCode } = embedded.element?.attributes ?? {};
    putAttachment(draft, to, embedded, { filename, mimeType: mimeCode });
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

function read(root: Element): Reading {
  const names = root.name === ublCreditNote.root ? ublCreditNote : ublInvoice;
  const base = `/${names.root}`;
  const currency =
    root.children.find(({ qname }) => qname === "cbc:DocumentCurrencyCode")?.text ?? "";
  const draft = createDraft(root, names.style, currency);
  const texts = (step: string, inner?: string) =>
    draft
      .all(root, step)
      .map((each) => (inner === undefined ? each : draft.find(each, inner).element)?.text ?? "");
  draft.put("/kind", "ordinary", base);
  draft.fill("", root, base, headRows);
  putIssued(
    draft,
    draft.find(root, "cbc:IssueDate"),
    draft.find(root, "cbc:IssueTime").element?.text,
  );
  putParty(draft, "seller");
  putParty(draft, "buyer");
  const means = draft.all(root, "cac:PaymentMeans");
  const account = means.find((each) => draft.all(each, "cac:PayeeFinancialAccount").length > 0);
  if (account)
    draft.fill("/seller", account, draft.pathOf(account), [
      { to: "bankAccount", from: "cac:PayeeFinancialAccount/cbc:ID" },
      { to: "bankName", from: "cac:PayeeFinancialAccount/cac:FinancialInstitutionBranch/cbc:ID" },
    ]);
  // a credit note has its due date here
  const due = means.find((each) => draft.all(each, "cbc:PaymentDueDate").length > 0);
  if (due)
    draft.fill("", due, draft.pathOf(due), [
      { to: "dueDate", from: "cbc:PaymentDueDate", as: day },
    ]);
  draft.put("/remark", joined(texts("cbc:Note"), "\n"), `${base}/cbc:Note`);
  draft.put(
    "/paymentTerms",
    joined(texts("cac:PaymentTerms", "cbc:Note"), "\n"),
    `${base}/cac:PaymentTerms`,
  );
  draft.put("/lines", [], `${base}/${names.line}`);
  for (const [index, line] of draft.all(root, names.line).entries())
    putLine(draft, names, line, index);
  putAllowances(draft, "", root, base);
  putTax(draft, names.root, currency);
  putAttachments(draft, names);
  putKind(
    draft,
    draft.find(root, names.typeCode),
    draft.all(root, "cac:BillingReference").map((each) => ({
      id: draft.find(each, "cac:InvoiceDocumentReference/cbc:ID"),
      date: draft.find(each, "cac:InvoiceDocumentReference/cbc:IssueDate"),
    })),
    names === ublCreditNote ? "credit-note" : "invoice",
  );
  const { document, notes } = draft.finish(formats.ubl.rules, () =>
    checkCurrencies(draft, root, currency),
  );
  const numbers = draft
    .all(root, "cac:AdditionalDocumentReference")
    .map((reference) => referredNumber(draft, reference));
  return {
    document,
    numbers: numbers.filter((number) => number !== undefined),
    unread: draft.unread(ublVocabulary.formal),
    ...(notes.length > 0 ? { notes } : {}),
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
  roots: [
    { name: ublInvoice.root, namespace: ublNamespace },
    { name: ublCreditNote.root, namespace: ublCreditNoteNamespace },
  ],
  vocabulary: ublVocabulary,
  read,
  pathOf,
  rootOf: (document) => (isCreditNote(document) ? ublCreditNote : ublInvoice).root,
};
