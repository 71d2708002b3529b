/**
 * 数电票: the XML of China's fully digitalised e-invoice (root `EInvoice`, tag SWEI3200).
 *
 * Owns: where its elements go in a document, and the rules that only this format can check (the
 * number is there twice, a line's gross, the blue or red flag). Its times have no offset: they are
 * Beijing's. Its number becomes `sourceId`, unless a gateway has written the file: then the number
 * is the gateway's, and an element next to it has the issuer's id (`sourceIdSteps`). Does not own:
 * rules that hold for every invoice (rules.ts), the XML itself (xml.ts).
 */
import {
  normaliseDecimal,
  normaliseMoney,
  parseMoney,
  percentToFraction,
} from "../values/money.ts";
import { exempt, notTaxed } from "./document.ts";
import { createDraft, type Draft, type Row, type Style } from "./draft.ts";
import { formats } from "./formats.ts";
import type { Reading, XmlReader } from "./reading.ts";
import { shudianVocabulary } from "./vocabularies.ts";
import type { Element } from "./xml.ts";

const style: Style = { root: "EInvoice", repeated: new Set(["IssuItemInformation"]) };

const money = (text: string) => normaliseMoney(text) ?? text;
const decimal = (text: string) => normaliseDecimal(text) ?? text;

/** `0.13`, `13%`, 免税 or 不征税 → the document's rate. */
function rate(text: string): string {
  if (text === exempt || text === notTaxed) return text;
  const percent = /^(\d{1,3}(?:\.\d{1,4})?)\s*%$/.exec(text)?.[1];
  return (percent === undefined ? normaliseDecimal(text) : percentToFraction(percent)) ?? text;
}

/** `2026-11-03 12:31:07` in Beijing. */
const beijingTime = (text: string) => {
  const match = /^(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})$/.exec(text);
  return match ? `${match[1]}T${match[2]}+08:00` : text;
};
/** A document's time as the clock in Beijing shows it; parts of a second are dropped. */
export const beijing = (time: string) =>
  new Date(Date.parse(time) + 8 * 3_600_000).toISOString().slice(0, 19).replace("T", " ");
/** 01 special, 02 ordinary; any other code stays and breaks the document's shape. */
const kind = (text: string) => (text === "01" ? "special" : text === "02" ? "ordinary" : text);

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
  }));

const headRows: readonly Row[] = [
  {
    to: "kind",
    from: "Header/InherentLabel/GeneralOrSpecialVAT/LabelCode",
    as: kind,
    back: (member) => (member === "special" ? "01" : "02"),
  },
  {
    to: "issuedAt",
    from: "EInvoiceData/BasicInformation/RequestTime",
    as: beijingTime,
    back: beijing,
  },
  { to: "sourceId", from: "TaxSupervisionInfo/InvoiceNumber" },
  ...party("Seller"),
  ...party("Buyer"),
  { to: "totals/net", from: "EInvoiceData/BasicInformation/TotalAmWithoutTax", as: money },
  { to: "totals/tax", from: "EInvoiceData/BasicInformation/TotalTaxAm", as: money },
  { to: "totals/gross", from: "EInvoiceData/BasicInformation/TotalTax-includedAmount", as: money },
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
  { to: "amount", from: "Amount", as: money },
  { to: "taxRate", from: "TaxRate", as: rate },
  { to: "tax", from: "ComTaxAm", as: money },
  { to: "taxCode", from: "TaxClassificationCode" },
];

const passengerRows: readonly Row[] = [
  { to: "traveller", from: "Traveler" },
  { to: "idNumber", from: "ValidIDNumber" },
  { to: "date", from: "TravelDate" },
  { to: "from", from: "Departure" },
  { to: "to", from: "Destination" },
  { to: "vehicle", from: "Vehicletype" },
  { to: "seat", from: "Seat" },
];

/** The tables, for write-shudian.ts. */
export const shudianRows = { head: headRows, line: lineRows, passenger: passengerRows };

/** Where a 数电票 written by a gateway keeps the issuer's own ids: its numbers are the gateway's. */
export const sourceIdSteps = {
  own: "EInvoiceData/AdditionalInformation/SourceId",
  reversed: "EInvoiceData/AdditionalInformation/ReversedSourceId",
};

/**
 * A document does not have a line's gross: it is checked here, with the cent that a line may be
 * off, and dropped.
 */
function checkLineGross(draft: Draft, line: Element, path: string): void {
  const gross = draft.find(line, "TotaltaxIncludedAmount", path);
  if (gross.element === undefined || gross.element.text === "") return;
  const stated = normaliseMoney(gross.element.text);
  const amount = normaliseMoney(draft.find(line, "Amount", path).element?.text ?? "");
  const tax = normaliseMoney(draft.find(line, "ComTaxAm", path).element?.text ?? "");
  if (stated === undefined)
    draft.refuse(gross.path, "money-format", "an amount has at most two decimals");
  else if (amount !== undefined && tax !== undefined) {
    const difference = parseMoney(stated) - parseMoney(amount) - parseMoney(tax);
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
  if ((eiid.element?.text ?? "") !== (number.element?.text ?? ""))
    draft.refuse(eiid.path, "number-stands-twice", "EIid and InvoiceNumber are the same number");
  const tag = draft.find(draft.root, "Header/EInvoiceTag");
  if (tag.element !== undefined && tag.element.text !== "SWEI3200")
    draft.refuse(tag.path, "unknown-tag", "only SWEI3200 is read");
  const issued = draft.find(draft.root, "TaxSupervisionInfo/IssueTime");
  const day = issued.element?.text.slice(0, 10) ?? "";
  if (day !== "" && new Date(`${day}T00:00:00Z`).toJSON()?.slice(0, 10) !== day)
    draft.refuse(issued.path, "date-format", "a real date, YYYY-MM-DD");
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
  const blue = flag.element?.text;
  if (blue !== undefined && blue !== (reversed === "" ? "Y" : "N"))
    draft.refuse(
      flag.path,
      "blue-or-red",
      "Y marks a blue invoice, N a red letter, which names the reversed invoice",
    );
}

function read(root: Element): Reading {
  const draft = createDraft(root, style);
  draft.put("/currency", "CNY", "/EInvoice");
  draft.fill("", root, "/EInvoice", headRows);
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
  const specific = draft.find(root, "EInvoiceData/SpecificInformation").element;
  for (const [index, passenger] of draft.all(specific, "PassengerTransportation").entries()) {
    const path = draft.pathOf(passenger);
    draft.put(`/passengers/${index}`, {}, path);
    draft.fill(`/passengers/${index}`, passenger, path, passengerRows);
  }
  const { document } = draft.finish(formats.shudian.rules, () => {
    checkHeader(draft);
    for (const { element, path } of lines) checkLineGross(draft, element, path);
  });
  // if a gateway has written the XML, the number is not the `sourceId`; the file states the day of
  // issue apart from the time of the request
  const [number = "", day = ""] = ownRows.map(({ from }) => draft.find(root, from).element?.text);
  const issueDay = day.slice(0, 10) || undefined;
  return {
    document,
    number,
    numbers: [number],
    issueDay,
    unread: draft.unread(shudianVocabulary.formal),
  };
}

export const shudianReader: XmlReader = {
  roots: [{ name: style.root, namespace: "" }],
  vocabulary: shudianVocabulary,
  read,
  pathOf: (member) => [...ownRows, ...headRows].find(({ to }) => to === member)?.from,
};
