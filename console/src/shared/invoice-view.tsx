/** An invoice for people to read: its content and its history. */
import { isCreditNote } from "@onepiao/protocol/formats/en16931.ts";
import { actFeedTypes } from "@onepiao/protocol/ledger/acts.ts";
import { useQuery } from "@tanstack/react-query";
import { Descriptions, Table, Timeline } from "antd";
import { Fragment } from "react";
import { percentOf } from "./amounts.ts";
import { ask, type Schemas } from "./client.ts";
import { Loaded } from "./problem.tsx";
import { Account, Money, Time, Wide } from "./show.tsx";
import { wordsOf } from "./words.ts";

type Document = Schemas["InvoiceDocument"];
type Line = Document["lines"][number];

const useWords = wordsOf("invoice-view", {
  "zh-CN": {
    kind: "票种",
    "kind.ordinary": "电子发票（普通发票）",
    "kind.special": "电子发票（增值税专用发票）",
    date: "开票时间",
    seller: "销售方",
    buyer: "购买方",
    lines: "明细",
    "line.name": "项目名称",
    "line.quantity": "数量",
    "line.price": "单价",
    "line.amount": "金额",
    "line.rate": "税率",
    "line.tax": "税额",
    net: "合计金额",
    tax: "合计税额",
    gross: "价税合计",
    collected: "代收",
    prepaid: "已付",
    rounding: "舍入",
    payable: "应付",
    accounting: "税额（记账币种）",
    type: "类型",
    "type.credit": "贷项通知单",
    "type.384": "更正发票",
    "type.386": "预付款发票",
    "type.389": "购买方自开",
    "type.other": "类型代码 {{code}}",
    preceding: "所涉及的发票",
    attachments: "附件",
    remark: "备注",
    passenger: "出行人",
    element: "特定业务",
    reverses: "所红冲的发票",
    history: "流转记录",
    "event.invoice.issued": "已签章上链",
    "event.invoice.transferred": "转交给另一持票人",
    "event.invoice.reimbursed": "已报销",
    "event.invoice.reversed": "已红冲",
    "event.invoice.adjusted": "已部分红冲",
    "event.red-letter.changed": "红字信息确认单状态变更",
    "event.red-letter.issued": "红字发票已开具",
    "event.invoice.entered": "入账标记变更",
    "event.claim.created": "提交报销，发票锁定",
    "event.claim.rejected": "报销单位退回，发票解锁",
    "event.claim.withdrawn": "持票人撤回报销",
    "event.reimbursement.refused": "重复报销被拒绝",
  },
  "en-US": {
    kind: "Kind",
    "kind.ordinary": "E-invoice (ordinary)",
    "kind.special": "E-invoice (special VAT)",
    date: "Issued",
    seller: "Seller",
    buyer: "Buyer",
    lines: "Lines",
    "line.name": "Item",
    "line.quantity": "Quantity",
    "line.price": "Unit price",
    "line.amount": "Amount",
    "line.rate": "Tax rate",
    "line.tax": "Tax",
    net: "Net",
    tax: "Tax",
    gross: "Total",
    collected: "Collected for others",
    prepaid: "Prepaid",
    rounding: "Rounding",
    payable: "To pay",
    accounting: "Tax in the accounting currency",
    type: "Type",
    "type.credit": "Credit note",
    "type.384": "Correction",
    "type.386": "Prepayment",
    "type.389": "Self-billing",
    "type.other": "UNTDID 1001 {{code}}",
    preceding: "Invoices that it names",
    attachments: "Attachments",
    remark: "Remark",
    passenger: "Traveller",
    element: "Special section",
    reverses: "Reverses",
    history: "History",
    "event.invoice.issued": "Sealed on the chain",
    "event.invoice.transferred": "Transferred to another holder",
    "event.invoice.reimbursed": "Reimbursed",
    "event.invoice.reversed": "Reversed",
    "event.invoice.adjusted": "Partly reversed",
    "event.red-letter.changed": "Confirmation sheet changed",
    "event.red-letter.issued": "Red letter issued",
    "event.invoice.entered": "Book entry changed",
    "event.claim.created": "Claimed and locked",
    "event.claim.rejected": "Rejected by the employer and unlocked",
    "event.claim.withdrawn": "Claim withdrawn by the holder",
    "event.reimbursement.refused": "Second reimbursement refused",
  },
});

/** Events that have a text. An act's event without a text does not compile. */
const known = [
  ...actFeedTypes,
  "invoice.issued",
  "red-letter.changed",
  "red-letter.issued",
  "reimbursement.refused",
] as const;
type Known = (typeof known)[number];
const isKnown = (type: string): type is Known => (known as readonly string[]).includes(type);

const Party = ({ name, taxId }: { name: string; taxId?: string | undefined }) => (
  <>
    {name}
    {taxId === undefined ? null : <div className="quiet small number">{taxId}</div>}
  </>
);

const named = ["384", "386", "389"] as const;
/** What an invoice is, by its type code. */
function typeWords(say: ReturnType<typeof useWords>, typeCode: string): string {
  const own = named.find((code) => code === typeCode);
  if (own !== undefined) return say(`type.${own}`);
  return isCreditNote({ typeCode }) ? say("type.credit") : say("type.other", { code: typeCode });
}

/** What may stand beside the gross, in the order in which it leads to what is to be paid. */
const extras = ["collected", "prepaid", "rounding", "payable"] as const;
type Element = Omit<NonNullable<Document["elements"]>[number], "in">;
const textOf = ({ name, text, elements }: Element): string =>
  elements === undefined
    ? `${name}：${text ?? ""}`
    : `${name}（${elements.map(textOf).join("　")}）`;

/** What the XML says in an element that no member is for; its place is on hover. */
const ElementText = ({ element, at }: { element: Element; at: string }) => (
  <span title={at}>{textOf(element)}</span>
);

/** The content of the invoice. */
export function DocumentView({
  document: {
    kind,
    issuedAt,
    seller,
    buyer,
    lines,
    totals,
    currency,
    remark,
    passengers,
    elements,
    reverses,
    typeCode,
    preceding,
    attachments,
  },
}: {
  document: Document;
}) {
  const say = useWords();
  return (
    <div className="stack">
      <Descriptions
        column={{ xs: 1, md: 2 }}
        size="small"
        bordered
        classNames={{ label: "nowrap" }}
        items={[
          { key: "kind", label: say("kind"), children: say(`kind.${kind}`) },
          { key: "date", label: say("date"), children: <Time at={issuedAt} written /> },
          {
            key: "seller",
            label: say("seller"),
            children: <Party name={seller.name} taxId={seller.taxId} />,
          },
          {
            key: "buyer",
            label: say("buyer"),
            children: <Party name={buyer.name} taxId={buyer.taxId} />,
          },
          ...(typeCode === undefined
            ? []
            : [{ key: "type", label: say("type"), children: typeWords(say, typeCode) }]),
          ...(preceding === undefined
            ? []
            : [
                {
                  key: "preceding",
                  label: say("preceding"),
                  children: preceding.map(({ id, date = "" }) => `${id} ${date}`.trim()).join("、"),
                },
              ]),
          ...(reverses?.number === undefined
            ? []
            : [{ key: "reverses", label: say("reverses"), children: reverses.number }]),
          ...(passengers ?? []).map((passenger, at) => ({
            key: `passenger-${at}`,
            label: say("passenger"),
            children: [
              passenger.traveller,
              passenger.date,
              passenger.from && `${passenger.from} → ${passenger.to ?? ""}`,
              passenger.vehicle,
              passenger.grade,
              passenger.seat,
            ]
              .filter(Boolean)
              .join(" · "),
          })),
          ...(attachments === undefined
            ? []
            : [
                {
                  key: "attachments",
                  label: say("attachments"),
                  children: attachments.map(({ id, filename, description }) => (
                    <div key={id}>{[filename ?? id, description].filter(Boolean).join(" · ")}</div>
                  )),
                },
              ]),
          ...(elements ?? []).map(({ in: place, ...element }, at) => ({
            key: `element-${at}`,
            label: say("element"),
            children: <ElementText element={element} at={place} />,
          })),
          ...(remark === undefined
            ? []
            : [{ key: "remark", label: say("remark"), children: remark }]),
        ]}
      />
      <Wide label={say("lines")}>
        <Table<Line & { key: number }>
          size="small"
          pagination={lines.length > 20 ? { pageSize: 20 } : false}
          dataSource={lines.map((line, key) => ({ ...line, key }))}
          columns={[
            { title: say("line.name"), dataIndex: "name" },
            {
              title: say("line.quantity"),
              render: (_, { quantity, unit }) =>
                quantity === undefined ? "" : `${quantity} ${unit ?? ""}`,
              align: "right",
            },
            { title: say("line.price"), dataIndex: "unitPrice", align: "right" },
            {
              title: say("line.amount"),
              render: (_, { amount }) => <Money amount={amount} currency={currency} />,
              align: "right",
            },
            {
              title: say("line.rate"),
              render: (_, { taxRate }) => percentOf(taxRate),
              align: "right",
            },
            {
              title: say("line.tax"),
              render: (_, { tax }) =>
                tax === undefined ? "" : <Money amount={tax} currency={currency} />,
              align: "right",
            },
          ]}
        />
      </Wide>
      <dl className="totals">
        <dt>{say("net")}</dt>
        <dd>
          <Money amount={totals.net} currency={currency} />
        </dd>
        <dt>{say("tax")}</dt>
        <dd>
          <Money amount={totals.tax} currency={currency} />
        </dd>
        <dt>{say("gross")}</dt>
        <dd>
          <Money amount={totals.gross} currency={currency} strong />
        </dd>
        {extras.map((member) => {
          const amount = totals[member];
          return amount === undefined ||
            (member === "payable" && amount === totals.gross) ? null : (
            <Fragment key={member}>
              <dt>{say(member)}</dt>
              <dd>
                <Money amount={amount} currency={currency} strong={member === "payable"} />
              </dd>
            </Fragment>
          );
        })}
        {totals.accounting === undefined ? null : (
          <>
            <dt>{say("accounting")}</dt>
            <dd>
              <Money amount={totals.accounting.tax} currency={totals.accounting.currency} />
            </dd>
          </>
        )}
      </dl>
    </div>
  );
}

/**
 * The history of an invoice, oldest first, as far as the caller may see it. Its query key is
 * ["history", number].
 */
export function HistoryView({ number }: { number: string }) {
  const say = useWords();
  const history = useQuery({
    queryKey: ["history", number],
    queryFn: () => ask("GET /v1/invoices/{number}/history", { params: { number } }),
  });
  return (
    <Loaded query={history} empty={({ items }) => items.length === 0}>
      {({ items }) => (
        <Timeline
          items={items.map(({ position, type, at, data }) => ({
            key: position,
            color: type === "invoice.reversed" || type === "reimbursement.refused" ? "red" : "blue",
            content: (
              <>
                <div>{isKnown(type) ? say(`event.${type}`) : type}</div>
                <div className="quiet small">
                  <Time at={at} />
                  {typeof data["to"] === "string" ? (
                    <>
                      {" · "}
                      <Account account={data["to"]} />
                    </>
                  ) : null}
                </div>
              </>
            ),
          }))}
        />
      )}
    </Loaded>
  );
}
