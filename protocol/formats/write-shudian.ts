/**
 * An invoice document as a 数电票, by the tables that read one (shudian.ts).
 *
 * Owns: what only the written form has. `EIid` and `InvoiceNumber` are the gateway's number of the
 * invoice, and the reversed number is the gateway's too, so that a red letter's XML names the
 * number in its original's XML. The issuer's own ids are in `AdditionalInformation/SourceId` and
 * `…/ReversedSourceId`, which the reader prefers to the numbers: when the file is read again, the
 * original has its `sourceId` and is recognised.
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
import type { InvoiceDocument, Numbers } from "./document.ts";
import { add, branch, fill, put, render, type Sequences } from "./markup.ts";
import type { Writer } from "./reading.ts";
import { beijing, shudianRows, sourceIdSteps } from "./shudian.ts";

const party = (side: string) =>
  ["IdNum", "Name", "Addr", "TelNum", "BankName", "BankAccNum"]
    .map((part) => side + part)
    .join(" ");
const sequences: Sequences = {
  EInvoice: "Header EInvoiceData TaxSupervisionInfo",
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
    "Traveler ValidIDNumber TravelDate Departure Destination Vehicletype Seat",
  AdditionalInformation: "Remark SourceId ReversedSourceId",
  TaxSupervisionInfo: "InvoiceNumber IssueTime TaxBureauCode TaxBureauName",
};

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

function write(document: InvoiceDocument, { number, reverses }: Numbers): string {
  const root = branch("EInvoice");
  const label = (name: string, code: string, text: string) => {
    put(root, `Header/InherentLabel/${name}/LabelCode`, code);
    put(root, `Header/InherentLabel/${name}/LabelName`, text);
  };
  fill(root, document, shudianRows.head, "");
  put(root, "Header/EIid", number);
  put(root, "Header/EInvoiceTag", "SWEI3200");
  put(root, "Header/Version", "0.32");
  label("InIssuType", document.reverses === undefined ? "Y" : "N", "是否蓝字发票标志");
  label("EInvoiceType", "01", "电子发票");
  put(
    root,
    "Header/InherentLabel/GeneralOrSpecialVAT/LabelName",
    document.kind === "special" ? "增值税专用发票" : "普通发票",
  );
  put(root, "TaxSupervisionInfo/InvoiceNumber", number);
  put(root, "TaxSupervisionInfo/IssueTime", beijing(document.issuedAt).slice(0, 10));
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
  return render(root, sequences);
}

export const shudianWriter: Writer = { obstacles, write };
