/**
 * UN/CEFACT Cross Industry Invoices (CII, D16B and D22B) as EN 16931 uses them: XRechnung, and the
 * profiles of Factur-X and ZUGFeRD that have lines.
 *
 * Owns: where their elements go in a document. What the elements mean is the model's
 * (en16931-reading.ts), as are the rules (en16931.ts, rules.ts). Tax is by breakdown; lines carry
 * no tax. Days are the only times of the format, so an invoice is issued at the beginning of its
 * day. A credit note has the root of every invoice; its type code alone says what it is. Does not
 * own: the XML itself (xml.ts).
 */
import { createDraft, type Draft, type Row, type Style } from "./draft.ts";
import { numberReference } from "./en16931.ts";
import {
  creditorScheme,
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
import { ciiNamespaces, ciiVocabulary } from "./vocabularies.ts";
import type { Element } from "./xml.ts";

/** The format of a day, YYYYMMDD: the only one that EN 16931 has in CII. */
export const dayFormat = "102";
const dayWords = `a day is written as YYYYMMDD, in format ${dayFormat}`;
/** A day of the format as a day of a document. Another text stays as it is. */
const day = (text: string): string => text.replace(/^(\d{4})(\d{2})(\d{2})$/, "$1-$2-$3");
const compact = (text: string): string => text.replaceAll("-", "");

const line = "ram:IncludedSupplyChainTradeLineItem";
const style: Style = {
  root: "rsm:CrossIndustryInvoice",
  repeated: new Set([line, "ram:ApplicableTradeTax", "ram:SpecifiedTradeAllowanceCharge"]),
  words: {
    "date-format": dayWords,
    "time-format": dayWords,
    "/lines no-lines":
      "an invoice has lines; Factur-X's profiles MINIMUM and BASIC WL have none: register such " +
      "an invoice as JSON, with the lines of its PDF",
  },
};

const exchanged = "rsm:ExchangedDocument";
const transaction = "rsm:SupplyChainTradeTransaction";
const agreement = `${transaction}/ram:ApplicableHeaderTradeAgreement`;
const settlement = `${transaction}/ram:ApplicableHeaderTradeSettlement`;
const summation = "ram:SpecifiedTradeSettlementHeaderMonetarySummation";
const dayAt = (step: string, type = "udt") => `ram:${step}/${type}:DateTimeString`;
const dayRow = (to: string, from: string): Row => ({ to, from, as: day, back: compact });
const periodRows: readonly Row[] = [
  dayRow("period/start", `ram:BillingSpecifiedPeriod/${dayAt("StartDateTime")}`),
  dayRow("period/end", `ram:BillingSpecifiedPeriod/${dayAt("EndDateTime")}`),
];
const agreementRows: readonly Row[] = [
  { to: "references/buyer", from: "ram:BuyerReference" },
  { to: "references/order", from: "ram:BuyerOrderReferencedDocument/ram:IssuerAssignedID" },
  { to: "references/salesOrder", from: "ram:SellerOrderReferencedDocument/ram:IssuerAssignedID" },
  { to: "references/contract", from: "ram:ContractReferencedDocument/ram:IssuerAssignedID" },
  { to: "references/project", from: "ram:SpecifiedProcuringProject/ram:ID" },
];
const settlementRows: readonly Row[] = [
  { to: "currency", from: "ram:InvoiceCurrencyCode" },
  ...periodRows,
  { to: "totals/lines", from: `${summation}/ram:LineTotalAmount`, as: money },
  { to: "totals/charges", from: `${summation}/ram:ChargeTotalAmount`, as: money },
  { to: "totals/allowances", from: `${summation}/ram:AllowanceTotalAmount`, as: money },
  { to: "totals/net", from: `${summation}/ram:TaxBasisTotalAmount`, as: money },
  { to: "totals/rounding", from: `${summation}/ram:RoundingAmount`, as: money },
  { to: "totals/gross", from: `${summation}/ram:GrandTotalAmount`, as: money },
  { to: "totals/prepaid", from: `${summation}/ram:TotalPrepaidAmount`, as: money },
  { to: "totals/payable", from: `${summation}/ram:DuePayableAmount`, as: money },
];
const partyRows: readonly Row[] = [
  { to: "name", from: "ram:Name" },
  { to: "legalForm", from: "ram:Description" },
  { to: "tradingName", from: "ram:SpecifiedLegalOrganization/ram:TradingBusinessName" },
  { to: "country", from: "ram:PostalTradeAddress/ram:CountryID" },
  { to: "contact/name", from: "ram:DefinedTradeContact/ram:PersonName" },
  {
    to: "contact/phone",
    from: "ram:DefinedTradeContact/ram:TelephoneUniversalCommunication/ram:CompleteNumber",
  },
  {
    to: "contact/email",
    from: "ram:DefinedTradeContact/ram:EmailURIUniversalCommunication/ram:URIID",
  },
];
const allowanceRows: readonly Row[] = [
  { to: "amount", from: "ram:ActualAmount", as: money },
  { to: "base", from: "ram:BasisAmount", as: money },
  { to: "percent", from: "ram:CalculationPercent", as: decimal },
  { to: "reason", from: "ram:Reason" },
  { to: "reasonCode", from: "ram:ReasonCode" },
];
const price = "ram:SpecifiedLineTradeAgreement/ram:NetPriceProductTradePrice";
const lineSettlement = "ram:SpecifiedLineTradeSettlement";
const lineRows: readonly Row[] = [
  { to: "id", from: "ram:AssociatedDocumentLineDocument/ram:LineID" },
  { to: "name", from: "ram:SpecifiedTradeProduct/ram:Name" },
  { to: "description", from: "ram:SpecifiedTradeProduct/ram:Description" },
  { to: "unitPrice", from: `${price}/ram:ChargeAmount`, as: decimal },
  { to: "baseQuantity", from: `${price}/ram:BasisQuantity`, as: decimal },
  { to: "quantity", from: "ram:SpecifiedLineTradeDelivery/ram:BilledQuantity", as: decimal },
  ...periodRows.map((row) => ({ ...row, from: `${lineSettlement}/${row.from}` })),
  {
    to: "amount",
    from: `${lineSettlement}/ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount`,
    as: money,
  },
];
const breakdownRows: readonly Row[] = [
  { to: "taxable", from: "ram:BasisAmount", as: money },
  { to: "tax", from: "ram:CalculatedAmount", as: money },
  { to: "exemptionReason", from: "ram:ExemptionReason" },
  { to: "exemptionCode", from: "ram:ExemptionReasonCode" },
];

/** The tables and places, for write-cii.ts. */
export const ciiRows = {
  agreement: agreementRows,
  settlement: settlementRows,
  party: partyRows,
  allowance: allowanceRows,
  line: lineRows,
};
export const ciiPlaces = {
  exchanged,
  transaction,
  agreement,
  settlement,
  summation,
  line,
  lineSettlement,
  dayAt,
  compact,
};
/** The kinds of a referenced document (BG-24, BT-17). */
export const documentKinds = { supporting: "916", tender: "50" };

function putCategoryOf(draft: Draft, to: string, { element, path }: Place): void {
  putCategory(
    draft,
    to,
    draft.find(element, "ram:CategoryCode", path),
    draft.find(element, "ram:RateApplicablePercent", path),
  );
}

function putAllowances(draft: Draft, to: string, { element: parent, path: at }: Place): void {
  for (const [index, element] of draft.all(parent, "ram:SpecifiedTradeAllowanceCharge").entries()) {
    const path = `${at}/ram:SpecifiedTradeAllowanceCharge[${index + 1}]`;
    const prefix = `${to}/allowances/${index}`;
    const charge = draft.find(element, "ram:ChargeIndicator/udt:Indicator", path);
    const flag = charge.element?.text;
    draft.put(
      `${prefix}/charge`,
      flag === "true" || flag === "1" ? true : flag === "false" || flag === "0" ? false : flag,
      charge.path,
    );
    draft.fill(prefix, element, path, allowanceRows);
    if (to === "") putCategoryOf(draft, prefix, draft.find(element, "ram:CategoryTradeTax", path));
  }
}

const partySteps = {
  seller: "ram:SellerTradeParty",
  buyer: "ram:BuyerTradeParty",
};
/** A tax registration's scheme for VAT; every other one is another tax. */
export const vatScheme = "VA";

function putParty(draft: Draft, side: "seller" | "buyer", from: Place, creditor: Place): void {
  const to = `/${side}`;
  const { element: party, path } = draft.find(from.element, partySteps[side], from.path);
  draft.fill(to, party, path, partyRows);
  const ids = (step: string, more: Partial<PartyId> = {}): PartyId[] =>
    draft
      .all(party, step)
      .map((element) => ({ element, scheme: element.attributes["schemeID"], ...more }));
  const legal = draft.find(party, "ram:SpecifiedLegalOrganization/ram:ID", path).element;
  const taxed = draft.all(party, "ram:SpecifiedTaxRegistration").flatMap((each): PartyId[] => {
    const { element } = draft.find(each, "ram:ID");
    if (element === undefined) return [];
    const isVat = element.attributes["schemeID"] === vatScheme;
    return [{ element, scheme: undefined, registration: isVat ? "vat" : "tax" }];
  });
  putIds(
    draft,
    side,
    draft.find(party, "ram:PostalTradeAddress/ram:CountryID", path).element?.text,
    [
      ...ids("ram:ID"),
      ...ids("ram:GlobalID"),
      ...(side === "seller" && creditor.element
        ? [{ element: creditor.element, scheme: creditorScheme }]
        : []),
      ...(legal
        ? [{ element: legal, scheme: legal.attributes["schemeID"], registration: "legal" as const }]
        : []),
      ...taxed,
    ],
    `${path}/ram:SpecifiedTaxRegistration/ram:ID`,
  );
  const endpoint = draft.find(party, "ram:URIUniversalCommunication/ram:URIID", path).element;
  if (endpoint?.text)
    putIdentifier(draft, `${to}/endpoint`, {
      element: endpoint,
      scheme: endpoint.attributes["schemeID"],
    });

  const address = draft.find(party, "ram:PostalTradeAddress", path);
  const part = (name: string) =>
    draft.find(address.element, `ram:${name}`, address.path).element?.text ?? "";
  const place = joined([part("PostcodeCode"), part("CityName")], " ") ?? "";
  draft.put(
    `${to}/address`,
    joined(
      [part("LineOne"), part("LineTwo"), part("LineThree"), place, part("CountrySubDivisionName")],
      ", ",
    ),
    address.path,
  );
}

function putLine(draft: Draft, element: Element, path: string, index: number): void {
  const to = `/lines/${index}`;
  draft.put(to, {}, path);
  draft.fill(to, element, path, lineRows);
  const quantity = draft.find(element, "ram:SpecifiedLineTradeDelivery/ram:BilledQuantity", path);
  draft.put(`${to}/unit`, quantity.element?.attributes["unitCode"] || undefined, quantity.path);
  const own = draft.find(element, "ram:AssociatedDocumentLineDocument", path);
  draft.put(
    `${to}/note`,
    joined(
      draft.all(own.element, "ram:IncludedNote").map((each) => noteOf(draft, each)),
      "\n",
    ),
    `${own.path}/ram:IncludedNote`,
  );
  const product = draft.find(element, "ram:SpecifiedTradeProduct", path);
  const [classified] = draft.all(product.element, "ram:DesignatedProductClassification");
  if (classified)
    draft.put(
      `${to}/taxCode`,
      draft.find(classified, "ram:ClassCode").element?.text || undefined,
      product.path,
    );
  const settled = draft.find(element, lineSettlement, path);
  putCategoryOf(draft, to, draft.find(settled.element, "ram:ApplicableTradeTax", settled.path));
  putAllowances(draft, to, settled);
}

/** A note; what it is about (BT-21) stands in front of it, as in UBL. */
function noteOf(draft: Draft, note: Element): string {
  const subject = draft.find(note, "ram:SubjectCode").element?.text;
  const content = draft.find(note, "ram:Content").element?.text ?? "";
  return subject && content ? `#${subject}#${content}` : content;
}

/**
 * The total in the invoice's currency is the tax; another is the tax in the accounting currency.
 * EN 16931 does not require the first: without it the tax is nothing.
 */
function putTax(draft: Draft, settled: Place, currency: string): void {
  const sums = draft.find(settled.element, summation, settled.path);
  const path = `${sums.path}/ram:TaxTotalAmount`;
  const totals = draft.all(sums.element, "ram:TaxTotalAmount");
  const currencyOf = (total: Element) => total.attributes["currencyID"] ?? currency;
  const total = totals.find((each) => currencyOf(each) === currency);
  const others = totals.filter((each) => each !== total);
  if (others.length > 1)
    draft.refuse(
      path,
      "repeated-element",
      "one TaxTotalAmount is the tax, and one states it in the accounting currency",
    );
  const [other] = others;
  if (other)
    putAccounting(draft, { element: other, path: draft.pathOf(other) }, currencyOf(other), {
      text: total?.text,
      currency,
    });
  const accounting = draft.find(settled.element, "ram:TaxCurrencyCode", settled.path);
  const code = accounting.element?.text;
  if (code && !totals.some((each) => currencyOf(each) === code))
    draft.refuse(accounting.path, "BR-53", `no total states the tax in ${code.slice(0, 3)}`);
  draft.put("/totals/tax", money(total?.text || "0", draft.decimals), path);
  draft.put("/taxBreakdown", [], `${settled.path}/ram:ApplicableTradeTax`);
  for (const [index, part] of draft.all(settled.element, "ram:ApplicableTradeTax").entries()) {
    const place = { element: part, path: `${settled.path}/ram:ApplicableTradeTax[${index + 1}]` };
    draft.put(`/taxBreakdown/${index}`, {}, place.path);
    draft.fill(`/taxBreakdown/${index}`, part, place.path, breakdownRows);
    putCategoryOf(draft, `/taxBreakdown/${index}`, place);
  }
}

/** Documents that belong to the invoice; the gateway's numbers among them are returned. */
function putAttachments(draft: Draft, agreed: Place): string[] {
  const numbers: string[] = [];
  let index = 0;
  for (const element of draft.all(agreed.element, "ram:AdditionalReferencedDocument")) {
    const path = draft.pathOf(element);
    const textOf = (step: string) => draft.find(element, step, path).element?.text ?? "";
    const id = textOf("ram:IssuerAssignedID");
    const kind = textOf("ram:TypeCode");
    const isNumber =
      kind === numberReference.type &&
      textOf("ram:ReferenceTypeCode") === numberReference.scheme &&
      /^\d{20}$/.test(id);
    if (isNumber) numbers.push(id);
    if (isNumber || kind === documentKinds.tender) continue;
    const to = `/attachments/${index++}`;
    draft.put(to, {}, path);
    draft.fill(to, element, path, [
      { to: "id", from: "ram:IssuerAssignedID" },
      { to: "description", from: "ram:Name" },
      { to: "uri", from: "ram:URIID" },
    ]);
    const embedded = draft.find(element, "ram:AttachmentBinaryObject", path);
    const { filename, mimeCode } = embedded.element?.attributes ?? {};
    putAttachment(draft, to, embedded, { filename, mimeType: mimeCode });
  }
  return numbers;
}

/** The account of the first payment means that has one, and the terms. */
function putPayment(draft: Draft, settled: Place): void {
  const accountStep = "ram:PayeePartyCreditorFinancialAccount";
  const account = draft
    .all(settled.element, "ram:SpecifiedTradeSettlementPaymentMeans")
    .find((means) => draft.all(means, accountStep).length > 0);
  if (account) {
    const path = draft.pathOf(account);
    const idAt = (step: string) => draft.find(account, `${accountStep}/${step}`, path);
    const iban = idAt("ram:IBANID");
    const { element, path: at } = iban.element?.text ? iban : idAt("ram:ProprietaryID");
    draft.put("/seller/bankAccount", element?.text || undefined, at);
    draft.fill("/seller", account, path, [
      { to: "bankName", from: "ram:PayeeSpecifiedCreditorFinancialInstitution/ram:BICID" },
    ]);
  }
  const terms = draft.all(settled.element, "ram:SpecifiedTradePaymentTerms");
  const path = `${settled.path}/ram:SpecifiedTradePaymentTerms`;
  draft.put(
    "/paymentTerms",
    joined(
      terms.flatMap((each) => draft.all(each, "ram:Description").map(({ text }) => text)),
      "\n",
    ),
    path,
  );
  const [due, ...more] = terms.flatMap((each) => {
    const place = draft.find(each, dayAt("DueDateDateTime"));
    return place.element?.text ? [place] : [];
  });
  if (due) draft.put("/dueDate", day(due.element?.text ?? ""), due.path);
  if (more.length > 0)
    draft.refuse(path, "repeated-element", "an invoice is due on one day, not on several");
}

/** All amounts are in the document's currency, but for the tax; all times are days. */
function checkAttributes(draft: Draft, element: Element, currency: string): void {
  for (const child of element.children) {
    const { currencyID, format } = child.attributes;
    if (currencyID !== undefined && currencyID !== currency && child.name !== "TaxTotalAmount")
      draft.refuse(
        draft.pathOf(child),
        "currency-mismatch",
        `${currencyID} in an invoice in ${currency || "no currency"}`,
      );
    // a text of no format breaks the rule of the document's time
    const isOther = child.name === "DateTimeString" && /^\d{4}-\d{2}-\d{2}$/.test(child.text);
    if ((format !== undefined && format !== dayFormat) || isOther)
      draft.refuse(draft.pathOf(child), "date-format", dayWords);
    checkAttributes(draft, child, currency);
  }
}

function read(root: Element): Reading {
  const textAt = (steps: string) =>
    steps
      .split("/")
      .reduce<Element | undefined>(
        (parent, step) => parent?.children.find(({ qname }) => qname === step),
        root,
      )?.text ?? "";
  const currency = textAt(`${settlement}/ram:InvoiceCurrencyCode`);
  const draft = createDraft(root, style, currency);
  const base = `/${style.root}`;
  draft.put("/kind", "ordinary", base);
  const head = draft.find(root, exchanged);
  draft.fill("", head.element, head.path, [{ to: "sourceId", from: "ram:ID" }]);
  const issued = draft.find(head.element, dayAt("IssueDateTime"), head.path);
  putIssued(draft, issued, undefined, day);
  draft.put(
    "/remark",
    joined(
      draft.all(head.element, "ram:IncludedNote").map((each) => noteOf(draft, each)),
      "\n",
    ),
    `${head.path}/ram:IncludedNote`,
  );
  const agreed = draft.find(root, agreement);
  const settled = draft.find(root, settlement);
  draft.fill("", agreed.element, agreed.path, agreementRows);
  draft.fill("", settled.element, settled.path, settlementRows);
  const creditor = draft.find(settled.element, "ram:CreditorReferenceID", settled.path);
  putParty(draft, "seller", agreed, creditor);
  putParty(draft, "buyer", agreed, creditor);
  putPayment(draft, settled);
  const lines = `${base}/${transaction}/${line}`;
  draft.put("/lines", [], lines);
  const trade = draft.find(root, transaction).element;
  for (const [index, element] of draft.all(trade, line).entries())
    putLine(draft, element, `${lines}[${index + 1}]`, index);
  putAllowances(draft, "", settled);
  putTax(draft, settled, currency);
  const numbers = putAttachments(draft, agreed);
  putKind(
    draft,
    draft.find(head.element, "ram:TypeCode", head.path),
    draft.all(settled.element, "ram:InvoiceReferencedDocument").map((each) => ({
      id: draft.find(each, "ram:IssuerAssignedID"),
      date: draft.find(each, dayAt("FormattedIssueDateTime", "qdt")),
    })),
    "either",
    day,
  );
  const { document, notes } = draft.finish(formats.cii.rules, () =>
    checkAttributes(draft, root, currency),
  );
  return {
    document,
    numbers,
    unread: draft.unread(ciiVocabulary.formal),
    ...(notes.length > 0 ? { notes } : {}),
  };
}

/** Members at a place of their own: the element that people look at. */
const chiefSteps: ReadonlyMap<string, string> = new Map([
  ["sourceId", `${exchanged}/ram:ID`],
  ["issuedAt", `${exchanged}/${dayAt("IssueDateTime")}`],
  ...(["seller", "buyer"] as const).map((side): [string, string] => [
    `${side}/taxId`,
    `${agreement}/${partySteps[side]}/ram:SpecifiedTaxRegistration/ram:ID`,
  ]),
]);

function pathOf(member: string): string | undefined {
  const under = (around: string, rows: readonly Row[], to: string) => {
    const row = rows.find((each) => each.to === to);
    return row && `${around}/${row.from}`;
  };
  const [side = "", ...rest] = member.split("/");
  return (
    chiefSteps.get(member) ??
    under(agreement, agreementRows, member) ??
    under(settlement, settlementRows, member) ??
    (side === "seller" || side === "buyer"
      ? under(`${agreement}/${partySteps[side]}`, partyRows, rest.join("/"))
      : undefined)
  );
}

export const ciiReader: XmlReader = {
  roots: [{ name: "CrossIndustryInvoice", namespace: ciiNamespaces["xmlns:rsm"] }],
  vocabulary: ciiVocabulary,
  read,
  pathOf,
};
