/**
 * The text of an invoice's pages, in the words of a 数电票: rows of the table, texts of the totals,
 * the remark.
 *
 * Owns: which member appears where, and its wording. Amounts, rates and names are the document's
 * own; only the sums of rows for a page's 小计 are computed. Does not own: where the text is drawn
 * (pdf-page.ts).
 */

import {
  exempt,
  type InvoiceDocument,
  type InvoiceLine,
  type Numbers,
  notTaxed,
  onMargin,
} from "@onepiao/protocol/formats/document.ts";
import { indexOfPlace, type KeptElement } from "@onepiao/protocol/formats/elements.ts";
import { payableOf } from "@onepiao/protocol/formats/rules.ts";
import { chineseFigures, fractionToPercent, parseMoney } from "@onepiao/protocol/values/money.ts";

/** A row of the table. Its `notes` follow below it across the page, in small letters. */
export type Row = {
  name: string;
  spec?: string | undefined;
  unit?: string | undefined;
  quantity?: string | undefined;
  unitPrice?: string | undefined;
  amount?: string | undefined;
  rate?: string | undefined;
  tax?: string | undefined;
  notes: string[];
};
export type PartyText = { name: string; taxId: string; more: string[] };

const isText = (text: string | undefined): text is string => text !== undefined && text !== "";
const join = (parts: readonly (string | undefined)[], between = "　") =>
  parts.filter(isText).join(between);
const labelled = (label: string, value: string | undefined) =>
  value === undefined ? undefined : `${label}：${value}`;
/** As on paper, where the rate of a tax on a margin is stars. */
function rateText(rate: string | undefined): string | undefined {
  if (rate === onMargin) return "***";
  return rate === undefined || !/\d/.test(rate) ? rate : `${fractionToPercent(rate)}%`;
}
const periodText = (period: { start?: string | undefined; end?: string | undefined } | undefined) =>
  period && labelled("期间", `${period.start ?? ""} 至 ${period.end ?? ""}`);

export const titleOf = ({ kind }: InvoiceDocument) =>
  `电子发票（${kind === "special" ? "增值税专用发票" : "普通发票"}）`;
export const dateText = (date: string) => date.replace(/^(\d{4})-(\d{2})-(\d{2})$/, "$1年$2月$3日");
/** `¥200.00`; another currency appears as its code. */
export const moneyText = (amount: string, currency: string) =>
  currency === "CNY" ? `¥${amount}` : `${currency} ${amount}`;

/** The gross amount in Chinese figures; another currency's Chinese name precedes it. */
export function wordsOf({ currency, totals }: InvoiceDocument): string {
  const words = totals.inWords ?? chineseFigures(parseMoney(totals.gross));
  return currency === "CNY"
    ? words
    : `${new Intl.DisplayNames("zh", { type: "currency" }).of(currency) ?? currency}　${words}`;
}

export function partyOf(party: InvoiceDocument["seller"] | InvoiceDocument["buyer"]): PartyText {
  return {
    name: party.name,
    taxId: party.taxId ?? "",
    more: [
      join([
        labelled("地址", party.address),
        labelled("国家", party.country),
        labelled("电话", party.phone),
      ]),
      join([labelled("开户行", party.bankName), labelled("账号", party.bankAccount)]),
    ].filter(isText),
  };
}

const negated = (amount: string) =>
  amount.startsWith("-") ? amount.slice(1) : parseMoney(amount) === 0n ? amount : `-${amount}`;

function allowanceText({
  charge,
  amount,
  percent,
  base,
  reason,
}: NonNullable<InvoiceLine["allowances"]>[number]): string {
  const share =
    percent === undefined ? undefined : `${percent}%${base === undefined ? "" : ` × ${base}`}`;
  return join([charge ? "加收" : "折让", reason, share, charge ? amount : negated(amount)], " ");
}

const isUntaxed = ({ taxRate }: InvoiceLine) => taxRate === exempt || taxRate === notTaxed;

function rowOf(line: InvoiceLine): Row {
  const per =
    line.baseQuantity === undefined || Number(line.baseQuantity) === 1
      ? undefined
      : labelled("单价为每", `${line.baseQuantity} ${line.unit ?? ""}`);
  const notes = [
    line.description,
    join([per, periodText(line.period)]),
    ...(line.allowances ?? []).map(allowanceText),
    line.note,
  ];
  return {
    name: line.name,
    spec: line.spec,
    unit: line.unit,
    quantity: line.quantity,
    unitPrice: line.unitPrice,
    amount: line.amount,
    rate: rateText(line.taxRate),
    // no tax is due: worded as on paper, not as an amount
    tax: isUntaxed(line) ? line.tax && "***" : line.tax,
    notes: notes.filter(isText),
  };
}

/** Lines, then allowances of the whole document: the terms of the net amount. */
export function rowsOf(document: InvoiceDocument): Row[] {
  const allowances = (document.allowances ?? []).map(
    (each): Row => ({
      name: join([each.charge ? "加收" : "折让", each.reason], " "),
      amount: each.charge ? each.amount : negated(each.amount),
      rate: rateText(each.taxRate),
      notes:
        each.percent === undefined
          ? []
          : [`${each.percent}%${each.base === undefined ? "" : ` × ${each.base}`}`],
    }),
  );
  return [...document.lines.map(rowOf), ...allowances];
}

export const passengerColumns = [
  "出行人",
  "有效身份证件号",
  "出行日期",
  "出发地",
  "到达地",
  "交通工具",
  "等级",
] as const;
export const passengersOf = ({ passengers = [] }: InvoiceDocument): string[][] =>
  passengers.map(({ traveller, documentType, idNumber, date, from, to, vehicle, seat, grade }) => {
    const id = join([documentType, idNumber], " ");
    return [traveller, id, date, from, to, vehicle, join([grade, seat], " ")].map(
      (text) => text ?? "",
    );
  });

/** Names of elements in words; others are shown as the XML has them. */
const elementWords: Readonly<Record<string, string>> = {
  Toll: "通行费",
  PlateNumber: "车牌号",
  VehicleType: "类型",
  StartDatesOfPassage: "通行日期起",
  EndDatesOfPassage: "通行日期止",
  UndefinedLabel: "其他标签",
};
const elementName = (name: string) => elementWords[name] ?? name;

/** `name：text`, or `name（texts of its elements）`. */
const elementText = ({ name, text, elements }: KeptElement): string =>
  elements === undefined
    ? `${elementName(name)}：${text ?? ""}`
    : `${elementName(name)}（${elements.map(elementText).join("　")}）`;

/**
 * Elements that no member is for, a paragraph each; with the line or the passenger that they belong
 * to.
 */
export const elementsOf = ({ elements = [] }: InvoiceDocument): string[] =>
  elements.map(({ in: place, ...element }) => {
    const item = indexOfPlace(place);
    const owner = item && `${item.list === "lines" ? "项目" : "出行人"} ${item.index + 1}`;
    return join([owner, elementText(element)], " · ");
  });

/** Tax by rate, for documents whose lines have no tax. */
export const breakdownOf = ({ taxBreakdown = [] }: InvoiceDocument): string[] =>
  taxBreakdown.map(({ taxRate, taxable, tax, exemptionReason }) =>
    join([
      labelled("税率", rateText(taxRate)),
      labelled("计税金额", taxable),
      labelled("税额", tax),
      exemptionReason,
    ]),
  );

const otherFacts = (
  side: string,
  party: InvoiceDocument["seller"] | InvoiceDocument["buyer"],
): string | undefined => {
  const { tradingName, legalForm, endpoint, identifiers = [], contact } = party;
  const ids = [...(endpoint ? [endpoint] : []), ...identifiers].map(({ id, scheme }) =>
    scheme === undefined ? id : `${scheme} ${id}`,
  );
  const text = join(
    [tradingName, legalForm, ...ids, contact?.name, contact?.phone, contact?.email],
    "；",
  );
  return text === "" ? undefined : `${side}：${text}`;
};

/** The paragraphs of the remark: the document's own remark first, then its other facts. */
export function remarkOf(document: InvoiceDocument, numbers: Numbers): string[] {
  const { totals, references, currency } = document;
  const differs = totals.payable !== undefined && totals.payable !== totals.gross;
  const { typeCode, preceding = [] } = document;
  const { reverses } = document;
  const originalId = reverses?.sourceId ? `（原始单号 ${reverses.sourceId}）` : "";
  const paragraphs = [
    reverses && `被红冲蓝字发票号码：${numbers.reverses ?? reverses.number ?? ""}${originalId}`,
    document.remark,
    join([
      labelled("类型（UNTDID 1001）", typeCode),
      preceding.length === 0
        ? undefined
        : labelled(
            "所涉及的发票",
            preceding.map(({ id, date }) => join([id, date], " ")).join("；"),
          ),
    ]),
    differs || totals.prepaid !== undefined || totals.collected !== undefined
      ? join([
          labelled("代收", totals.collected),
          labelled("已付", totals.prepaid),
          labelled("舍入", totals.rounding),
          labelled("应付", moneyText(payableOf(document), currency)),
        ])
      : undefined,
    totals.accounting &&
      labelled("记账币种税额", moneyText(totals.accounting.tax, totals.accounting.currency)),
    join([
      labelled("付款期限", document.dueDate),
      periodText(document.period),
      labelled("付款条件", document.paymentTerms),
    ]),
    join([
      labelled("购方参考", references?.buyer),
      labelled("订单", references?.order),
      labelled("销售单", references?.salesOrder),
      labelled("合同", references?.contract),
      labelled("项目", references?.project),
    ]),
    otherFacts("销售方", document.seller),
    otherFacts("购买方", document.buyer),
    (document.attachments ?? []).length > 0
      ? labelled(
          "原件附件",
          (document.attachments ?? [])
            .map(({ id, description, filename }) => join([id, description, filename], " "))
            .join("；"),
        )
      : undefined,
    labelled("原始单号", document.sourceId),
  ];
  return paragraphs.filter(isText);
}
