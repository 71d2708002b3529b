/**
 * An invoice document as a 数电票, by the tables that read one (shudian.ts).
 *
 * Owns: what only the written form has. The tag names the seller's region. `EIid` and
 * `InvoiceNumber` are the gateway's number of the invoice, and the reversed number is the
 * gateway's too, so that a red letter's XML names the number in its original's XML. The issuer's
 * own ids are in `AdditionalInformation/SourceId` and `…/ReversedSourceId`, which the reader
 * prefers to the numbers: when the file is read again, the original has its `sourceId` and is
 * recognised.
 *
 * Elements that the document keeps (elements.ts) stand after the others of the element around them.
 *
 * What a reader gets back in another form: times are Beijing's, a `reverses.number` is a
 * `reverses.sourceId`, the amount in Chinese figures is always there, a missing `sourceId` is the
 * number, a text loses the blanks at its ends. Left out, because the format has no element: a
 * party's country, contact and identifiers, due date, period, terms, references, attachments; a
 * line's id, description, note, period and category. Does not own: documents that cannot become a
 * 数电票 (`obstacles` says why; write.ts refuses).
 */
import { chineseFigures, formatMoney, parseMoney } from "../values/money.ts";
import type { Violation } from "../values/problems.ts";
import { divisionOf } from "../values/tax-id.ts";
import type { InvoiceDocument, Numbers } from "./document.ts";
import { indexOfPlace, type KeptElement } from "./elements.ts";
import { add, type Branch, branch, fill, put, render, type Sequences } from "./markup.ts";
import type { Writer } from "./reading.ts";
import { shudianRows, sourceIdSteps, usualTypeLabels } from "./shudian.ts";
import { beijing } from "./shudian-values.ts";
import { shudianVocabulary } from "./vocabularies.ts";

const sequences: Sequences = Object.fromEntries(
  [...shudianVocabulary.children].map(([name, children]) => [name, [...children].join(" ")]),
);

function obstacles(document: InvoiceDocument): Violation[] {
  const violations: Violation[] = [];
  const refuse = (field: string, rule: string, detail: string) =>
    violations.push({ field, rule, detail });
  if (document.currency !== "CNY")
    refuse("/currency", "shudian-currency", `a 数电票 is in CNY, not in ${document.currency}`);
  if (document.taxBreakdown !== undefined)
    refuse("/taxBreakdown", "shudian-line-tax", "a 数电票 has its tax in the lines");
  const withAllowance = document.lines.findIndex((line) => (line.allowances ?? []).length > 0);
  if (withAllowance >= 0)
    refuse(
      `/lines/${withAllowance}/allowances`,
      "shudian-allowances",
      "a line of a 数电票 has no allowances: a discount is a line",
    );
  const withBaseQuantity = document.lines.findIndex(
    (line) => line.baseQuantity !== undefined && Number(line.baseQuantity) !== 1,
  );
  if (withBaseQuantity >= 0)
    refuse(
      `/lines/${withBaseQuantity}/baseQuantity`,
      "shudian-unit-price",
      "a price of a 数电票 is for one unit",
    );
  if (document.totals.payable !== undefined && document.totals.payable !== document.totals.gross)
    refuse(
      "/totals/payable",
      "shudian-payable",
      "a 数电票 knows no prepaid amount and no rounding",
    );
  return violations;
}

/** Cities whose tax offices are not their province's (计划单列市). */
const ownOffices = new Set(["2102", "3302", "3502", "3702", "4403"]);

/**
 * The four digits of the tax office in charge of the seller: by its tax id, or else by the code of
 * the office; 0000 for a seller from abroad.
 */
function regionOf({ seller, taxBureau }: InvoiceDocument): string {
  const office = /^1(\d{4})/.exec(taxBureau?.code ?? "")?.[1];
  const division = divisionOf(seller.taxId ?? "")?.slice(0, 4);
  if (division === undefined) return office ?? "0000";
  return ownOffices.has(division) ? division : `${division.slice(0, 2)}00`;
}

function branchOf({ name, text, elements }: KeptElement): Branch {
  return { ...branch(name), text: text ?? "", others: (elements ?? []).map(branchOf) };
}

/** Puts the document's elements below the ones that they stood in; missing ones are created. */
function putElements(root: Branch, document: InvoiceDocument): void {
  for (const { in: place, ...element } of document.elements ?? []) {
    const repeated = indexOfPlace(place);
    const path = repeated ? place.slice(0, place.lastIndexOf("[")) : place;
    let parent = root;
    for (const step of path.split("/").slice(2)) {
      const known = parent.children.filter(({ name }) => name === step);
      const isLast = repeated && step === path.slice(path.lastIndexOf("/") + 1);
      parent = known[isLast ? repeated.index : 0] ?? add(parent, step);
    }
    const own = parent.children.findIndex(({ name }) => name === element.name);
    if (own < 0) parent.others.push(branchOf(element));
    else parent.children[own] = branchOf(element);
  }
}

function write(document: InvoiceDocument, { number, reverses }: Numbers): string {
  const root = branch("EInvoice");
  const label = (name: string, code: string, text: string) => {
    put(root, `Header/InherentLabel/${name}/LabelCode`, code);
    put(root, `Header/InherentLabel/${name}/LabelName`, text);
  };
  fill(root, document, shudianRows.head, "");
  put(root, "Header/EIid", number);
  put(root, "Header/EInvoiceTag", `SWEI${regionOf(document)}`);
  put(root, "Header/Version", "0.32");
  label("InIssuType", document.reverses === undefined ? "Y" : "N", "是否蓝字发票标志");
  label("EInvoiceType", usualTypeLabels["LabelCode"] ?? "", usualTypeLabels["LabelName"] ?? "");
  put(
    root,
    "Header/InherentLabel/GeneralOrSpecialVAT/LabelName",
    document.kind === "special" ? "增值税专用发票" : "普通发票",
  );
  put(root, "TaxSupervisionInfo/InvoiceNumber", number);
  const { issuedAt } = document.taxBureau ?? {};
  put(
    root,
    "TaxSupervisionInfo/IssueTime",
    issuedAt === undefined ? beijing(document.issuedAt).slice(0, 10) : beijing(issuedAt),
  );
  put(
    root,
    "EInvoiceData/BasicInformation/TotalTax-includedAmountInChinese",
    document.totals.inWords ?? chineseFigures(parseMoney(document.totals.gross)),
  );
  put(root, sourceIdSteps.own, document.sourceId);

  const data =
    root.children.find((child) => child.name === "EInvoiceData") ?? add(root, "EInvoiceData");
  for (const line of document.lines) {
    const item = add(data, "IssuItemInformation");
    fill(item, line, shudianRows.line, "");
    put(
      item,
      "TotaltaxIncludedAmount",
      formatMoney(parseMoney(line.amount) + parseMoney(line.tax ?? "0.00")),
    );
  }
  const specific =
    data.children.find((child) => child.name === "SpecificInformation") ??
    add(data, "SpecificInformation");
  specific.children.length = 0;
  if (document.reverses !== undefined) {
    put(
      specific,
      "RedEInvoice/OriginalInvoiceCode",
      reverses ?? document.reverses.number ?? document.reverses.sourceId,
    );
    put(root, sourceIdSteps.reversed, document.reverses.sourceId);
  }
  for (const passenger of document.passengers ?? [])
    fill(add(specific, "PassengerTransportation"), passenger, shudianRows.passenger);
  putElements(root, document);
  return render(root, sequences);
}

export const shudianWriter: Writer = { obstacles, write };
