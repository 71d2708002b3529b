/**
 * 数电票: the XML of China's fully digitalised e-invoice (root `EInvoice`, tag `SWEI` and the digits
 * of a region).
 *
 * Owns: where its elements go in a document, the forms of its texts (shudian-values.ts), and the
 * rules that only this format can check (the number is there twice, a line's gross, the blue or red
 * flag). Its times have no offset: they are Beijing's. Its number becomes `sourceId`, unless a
 * gateway has written the file: then the number is the gateway's, and an element next to it has the
 * issuer's id (`sourceIdSteps`). What no member is for stays in the document as elements
 * (elements.ts). Does not own: rules that hold for every invoice (rules.ts), the XML itself
 * (xml.ts).
 */
import { normaliseDecimal } from "../values/money.ts";
import { exempt, notTaxed } from "./document.ts";
import { createDraft, type Draft, type Row, type Style } from "./draft.ts";
import { formats } from "./formats.ts";
import type { Reading, XmlReader } from "./reading.ts";
import {
  beijing,
  centsOf,
  dayOf,
  idOf,
  inCents,
  isDate,
  isNoTax,
  kindCode,
  kindOf,
  moneyOf,
  rateOf,
  rateText,
  reversedNumber,
  timeOf,
} from "./shudian-values.ts";
import { shudianVocabulary } from "./vocabularies.ts";
import type { Element } from "./xml.ts";

const style: Style = {
  root: "EInvoice",
  repeated: new Set(["IssuItemInformation", "PassengerTransportation"]),
  words: {
    "time-format": "a real time in Beijing, such as 2026-11-03 12:31:07, or a date",
    "money-format": "an amount in yuan: digits, a point, two decimals; further decimals are zeros",
    "tax-rate-format": "a fraction (0.13), a percentage (13%), 免税, 不征税, or *** for 差额征税",
    "/kind unknown-value": "01, 增值税专用发票, or 02, 普通发票",
    "/kind missing-member": "says by code or name whether it is a 增值税专用发票 or a 普通发票",
    "/issuedAt missing-member": "the time of the request, or IssueTime, is required",
  },
};

const decimal = (text: string) => normaliseDecimal(text) ?? text;

const party = (side: "Seller" | "Buyer"): Row[] =>
  [
    ["taxId", "IdNum"],
    ["name", "Name"],
    ["address", "Addr"],
    ["phone", "TelNum"],
    ["bankName", "BankName"],
    ["bankAccount", "BankAccNum"],
  ].map(([to, from]) => ({
    to: `${side.toLowerCase()}/${to}`,
    from: `EInvoiceData/${side}Information/${side}${from}`,
    ...(to === "taxId" ? { as: idOf } : {}),
  }));

const headRows: readonly Row[] = [
  {
    to: "kind",
    from: "Header/InherentLabel/GeneralOrSpecialVAT/LabelCode",
    as: kindOf,
    back: (kind) => kindCode(kind) ?? kind,
  },
  {
    to: "issuedAt",
    from: "EInvoiceData/BasicInformation/RequestTime",
    as: timeOf,
    back: beijing,
  },
  { to: "sourceId", from: "TaxSupervisionInfo/InvoiceNumber" },
  ...party("Seller"),
  ...party("Buyer"),
  { to: "totals/net", from: "EInvoiceData/BasicInformation/TotalAmWithoutTax", as: moneyOf },
  { to: "totals/tax", from: "EInvoiceData/BasicInformation/TotalTaxAm", as: moneyOf },
  {
    to: "totals/gross",
    from: "EInvoiceData/BasicInformation/TotalTax-includedAmount",
    as: moneyOf,
  },
  { to: "totals/inWords", from: "EInvoiceData/BasicInformation/TotalTax-includedAmountInChinese" },
  { to: "drawer", from: "EInvoiceData/BasicInformation/Drawer" },
  { to: "remark", from: "EInvoiceData/AdditionalInformation/Remark" },
  { to: "taxBureau/code", from: "TaxSupervisionInfo/TaxBureauCode" },
  { to: "taxBureau/name", from: "TaxSupervisionInfo/TaxBureauName" },
  {
    to: "reverses/sourceId",
    from: "EInvoiceData/SpecificInformation/RedEInvoice/OriginalInvoiceCode",
  },
];

/** Elements that are read but are not members of the document. */
const ownRows: readonly Row[] = [
  { to: "number", from: "TaxSupervisionInfo/InvoiceNumber" },
  { to: "issueDay", from: "TaxSupervisionInfo/IssueTime" },
];

const lineRows: readonly Row[] = [
  { to: "name", from: "ItemName" },
  { to: "spec", from: "SpecMod" },
  { to: "unit", from: "MeaUnits" },
  { to: "quantity", from: "Quantity", as: decimal },
  { to: "unitPrice", from: "UnPrice", as: decimal },
  { to: "amount", from: "Amount", as: moneyOf },
  { to: "taxRate", from: "TaxRate", as: rateOf, back: rateText },
  { to: "tax", from: "ComTaxAm", as: moneyOf },
  { to: "taxCode", from: "TaxClassificationCode" },
];

const passengerRows: readonly Row[] = [
  { to: "traveller", from: "Traveler" },
  { to: "documentType", from: "TypeOfPassengerDocument" },
  { to: "idNumber", from: "ValidIDNumber" },
  { to: "date", from: "TravelDate" },
  { to: "from", from: "Departure" },
  { to: "to", from: "Destination" },
  { to: "vehicle", from: "Vehicletype" },
  { to: "grade", from: "Grade" },
  { to: "seat", from: "Seat" },
];

/** The tables, for write-shudian.ts. */
export const shudianRows = { head: headRows, line: lineRows, passenger: passengerRows };

/** The labels of the usual `Header/InherentLabel/EInvoiceType`. */
export const usualTypeLabels: Readonly<Record<string, string>> = {
  LabelCode: "01",
  LabelName: "电子发票",
};

/** Where a 数电票 written by a gateway keeps the issuer's own ids: its numbers are the gateway's. */
export const sourceIdSteps = {
  own: "EInvoiceData/AdditionalInformation/SourceId",
  reversed: "EInvoiceData/AdditionalInformation/ReversedSourceId",
};

type At = { element: Element; path: string };

/**
 * A document does not have a line's gross: it is checked here, with the cent that a line may be
 * off, and dropped.
 */
function checkLineGross(draft: Draft, { element, path }: At): void {
  const gross = draft.find(element, "TotaltaxIncludedAmount", path);
  const text = gross.element?.text ?? "";
  if (isNoTax(text)) return;
  const tax = textIn(element, "ComTaxAm");
  const [stated, amount, own] = [centsOf(text), centsOf(textIn(element, "Amount")), centsOf(tax)];
  if (stated === undefined) draft.refuse(gross.path, "money-format", "an amount in yuan");
  else if (amount !== undefined && (own !== undefined || isNoTax(tax))) {
    const difference = stated - amount - (own ?? 0n);
    if (difference < -1n || difference > 1n)
      draft.refuse(gross.path, "line-gross", "the line's amount and tax make another gross");
  }
}

/** The rules of the head that only this format can check. */
function checkHeader(draft: Draft): void {
  const number = draft.find(draft.root, "TaxSupervisionInfo/InvoiceNumber");
  const eiid = draft.find(draft.root, "Header/EIid");
  if (!/^\d{20}$/.test(number.element?.text ?? ""))
    draft.refuse(number.path, "number-not-20-digits", "the number of a 数电票 has 20 digits");
  const repeated = eiid.element?.text ?? "";
  if (repeated !== "" && repeated !== number.element?.text)
    draft.refuse(eiid.path, "number-stands-twice", "EIid and InvoiceNumber are the same number");
  const tag = draft.find(draft.root, "Header/EInvoiceTag");
  if (tag.element !== undefined && !/^SWEI\d{4}$/.test(tag.element.text))
    draft.refuse(tag.path, "unknown-tag", "SWEI and the four digits of a region, such as SWEI4400");
  const issued = draft.find(draft.root, "TaxSupervisionInfo/IssueTime");
  const time = issued.element?.text ?? "";
  if (time !== "" && dayOf(time) === undefined)
    draft.refuse(issued.path, "date-format", "a real date, such as 2026-11-03, or a time on it");
  const original = draft.find(
    draft.root,
    "EInvoiceData/SpecificInformation/RedEInvoice/OriginalInvoiceCode",
  );
  const reversed = original.element?.text ?? "";
  if (reversed !== "" && !/^\d{20}$/.test(reversed))
    draft.refuse(
      original.path,
      "number-not-20-digits",
      "the reversed 数电票 has a number of 20 digits",
    );
  const flag = draft.find(draft.root, "Header/InherentLabel/InIssuType/LabelCode");
  const blue = flag.element?.text ?? "";
  const isRed = reversed !== "" || reversedInRemark(draft) !== undefined;
  if (blue !== "" && blue !== (isRed ? "N" : "Y"))
    draft.refuse(
      flag.path,
      "blue-or-red",
      "Y marks a blue invoice, N a red letter, which names the reversed invoice",
    );
}

/** The blue invoice that the remark of a negative invoice names; undefined if there is none. */
function reversedInRemark(draft: Draft): { number: string; path: string } | undefined {
  const basic = "EInvoiceData/BasicInformation";
  const gross = draft.find(draft.root, `${basic}/TotalTax-includedAmount`).element?.text ?? "";
  const remark = draft.find(draft.root, "EInvoiceData/AdditionalInformation/Remark");
  const number = gross.startsWith("-") ? reversedNumber(remark.element?.text ?? "") : undefined;
  return number === undefined ? undefined : { number, path: remark.path };
}

/**
 * The reversed invoice of a red letter: as its own element says, or else its remark, in which tax
 * software writes it.
 */
function readReversed(draft: Draft): void {
  const code = draft.find(draft.root, "EInvoiceData/SpecificInformation/RedEInvoice");
  const own = code.element && textIn(code.element, "OriginalInvoiceCode");
  const named = own ? undefined : reversedInRemark(draft);
  if (named) draft.put("/reverses/sourceId", named.number, named.path);
}

/** Special or ordinary: by the code, or else by the name; the two agree. */
function readKind(draft: Draft): void {
  const label = "Header/InherentLabel/GeneralOrSpecialVAT";
  const code = draft.find(draft.root, `${label}/LabelCode`);
  const name = draft.find(draft.root, `${label}/LabelName`);
  const [byCode, byName] = [code.element?.text ?? "", name.element?.text ?? ""];
  if (byCode === "" && byName !== "") draft.put("/kind", kindOf(byName), name.path);
  else if (kindCode(kindOf(byName)) !== undefined && kindOf(byName) !== kindOf(byCode))
    draft.refuse(name.path, "label-code-and-name", `${byCode} is not the code of ${byName}`);
}

/**
 * The document's time is that of the request, or of the issue if the request has only that day or
 * none; another time of issue is the bureau's. Returns the day of issue, if there is one.
 */
function readTimes(draft: Draft): string | undefined {
  const request = draft.find(draft.root, "EInvoiceData/BasicInformation/RequestTime");
  const issue = draft.find(draft.root, "TaxSupervisionInfo/IssueTime");
  const [requested, issued] = [request.element?.text ?? "", issue.element?.text ?? ""];
  const day = dayOf(issued);
  const isDay = isDate(issued);
  const isSame = isDay
    ? day === dayOf(requested)
    : Date.parse(timeOf(issued)) === Date.parse(timeOf(requested));
  const isVague = !isDay && isDate(requested) && day === dayOf(requested);
  if (issued !== "" && (requested === "" || isVague))
    draft.put("/issuedAt", timeOf(issued), issue.path);
  else if (day !== undefined && !isSame)
    draft.put("/taxBureau/issuedAt", timeOf(issued), issue.path);
  return day;
}

/** The text of a child that the tables have read; "" if there is none. */
const textIn = ({ children }: Element, name: string): string =>
  children.find(({ qname }) => qname === name)?.text ?? "";

/**
 * Tax that is not due: the lines' rate is a word, or zero, and their tax is nothing, stars, or
 * zeros. Figures of lines in fractions of a cent: in cents that make the totals.
 */
function readFigures(draft: Draft, lines: readonly At[]): void {
  const basic = "EInvoiceData/BasicInformation";
  const untaxed = lines.map(({ element }) => {
    const rate = rateOf(textIn(element, "TaxRate"));
    return rate === exempt || rate === notTaxed || rate === "0";
  });
  for (const [index, { element, path }] of lines.entries())
    if (untaxed[index] && isNoTax(textIn(element, "ComTaxAm")))
      draft.put(`/lines/${index}/tax`, "0.00", `${path}/ComTaxAm`);
  const total = draft.find(draft.root, `${basic}/TotalTaxAm`);
  if (lines.length > 0 && untaxed.every(Boolean) && isNoTax(total.element?.text ?? ""))
    draft.put("/totals/tax", "0.00", total.path);
  for (const [member, name, sum] of [
    ["amount", "Amount", "TotalAmWithoutTax"],
    ["tax", "ComTaxAm", "TotalTaxAm"],
  ] as const) {
    const texts = lines.map(({ element }) => textIn(element, name));
    if (!texts.some((text) => /\.\d\d\d/.test(text))) continue;
    const stated = draft.find(draft.root, `${basic}/${sum}`).element?.text ?? "";
    for (const [index, figure] of inCents(texts, stated).entries())
      if (figure !== undefined)
        draft.put(`/lines/${index}/${member}`, figure, `${lines[index]?.path}/${name}`);
  }
}

/** The type of every invoice of this format: the writer states it, and a document does not. */
const usualType = (element: Element): boolean =>
  element.children.every(({ qname, text }) => text === usualTypeLabels[qname]);

function read(root: Element): Reading {
  const draft = createDraft(root, style);
  draft.put("/currency", "CNY", "/EInvoice");
  draft.fill("", root, "/EInvoice", headRows);
  readKind(draft);
  readReversed(draft);
  const issueDay = readTimes(draft);
  for (const [to, from] of [
    ["/sourceId", sourceIdSteps.own],
    ["/reverses/sourceId", sourceIdSteps.reversed],
  ] as const) {
    const { element, path } = draft.find(root, from);
    if (element?.text) draft.put(to, element.text, path);
  }
  const data = draft.find(root, "EInvoiceData");
  const lines = draft
    .all(data.element, "IssuItemInformation")
    .map((element, index) => ({ element, path: `${data.path}/IssuItemInformation[${index + 1}]` }));
  draft.put("/lines", [], `${data.path}/IssuItemInformation`);
  for (const [index, { element, path }] of lines.entries()) {
    draft.put(`/lines/${index}`, {}, path);
    draft.fill(`/lines/${index}`, element, path, lineRows);
  }
  readFigures(draft, lines);
  const specific = draft.find(root, "EInvoiceData/SpecificInformation").element;
  for (const [index, passenger] of draft.all(specific, "PassengerTransportation").entries()) {
    const path = draft.pathOf(passenger);
    draft.put(`/passengers/${index}`, {}, path);
    draft.fill(`/passengers/${index}`, passenger, path, passengerRows);
  }
  draft.find(root, "Header/InherentLabel/EInvoiceType");
  draft.keep((element) => element.qname === "EInvoiceType" && !usualType(element));
  const { document } = draft.finish(formats.shudian.rules, () => {
    checkHeader(draft);
    for (const line of lines) checkLineGross(draft, line);
  });
  // if a gateway has written the XML, the number is not the `sourceId`; the file states the day of
  // issue apart from the time of the request
  const number = draft.find(root, "TaxSupervisionInfo/InvoiceNumber").element?.text ?? "";
  const unread = draft.unread(shudianVocabulary.formal);
  return { document, number, numbers: [number], issueDay, unread };
}

export const shudianReader: XmlReader = {
  roots: [{ name: style.root, namespace: "" }],
  vocabulary: shudianVocabulary,
  read,
  pathOf: (member) => [...ownRows, ...headRows].find(({ to }) => to === member)?.from,
};
