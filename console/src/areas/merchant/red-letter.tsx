/** Reverses an invoice, whole or in part: what to reverse, the reason, and what will happen. */
import { useQuery } from "@tanstack/react-query";
import { Alert, Button, Card, Checkbox, Form, Input, Radio, Segmented } from "antd";
import { useNavigate, useParams } from "react-router";
import { useAct } from "../../shared/act.ts";
import { formatAmount } from "../../shared/amounts.ts";
import { ask, invoiceQuery, type Schemas } from "../../shared/client.ts";
import { useConfirm } from "../../shared/confirm.tsx";
import { showFieldErrors } from "../../shared/field-errors.ts";
import { Page } from "../../shared/frame.tsx";
import { Loaded, ProblemNote } from "../../shared/problem.tsx";
import { InvoiceNumber, Money, StateTag } from "../../shared/show.tsx";
import { moneyOf } from "./draft.ts";
import { useWords } from "./messages.ts";
import { sumOf } from "./red-sum.ts";
import {
  bodyOf,
  faultOf,
  partsOf,
  placeOf,
  type RedLetterBody,
  takenOf,
  type Wish,
} from "./red-wish.ts";

type Full = Schemas["Invoice"];
type Reason = Schemas["RedLetterReason"];

export const reasons = [1, 2, 3, 4] as const satisfies readonly Reason[];

function LineParts({ document, wish }: { document: Full["document"]; wish: Wish }) {
  const say = useWords();
  return (
    <fieldset className="plain">
      <legend className="quiet">{say("red.lines.how")}</legend>
      <ul className="plain-list">
        {document.lines.map((line, at) =>
          line.discount ? null : (
            // biome-ignore lint/suspicious/noArrayIndexKey: the lines of a sealed document never move
            <li key={at} className="part">
              <Form.Item name={["lines", String(at), "taken"]} valuePropName="checked" noStyle>
                <Checkbox>
                  <span className="pick">
                    <span>{line.name}</span>
                    <span className="quiet">
                      {line.quantity === undefined
                        ? null
                        : `${line.quantity} ${line.unit ?? ""} · `}
                      <Money amount={line.amount} currency={document.currency} />
                    </span>
                  </span>
                </Checkbox>
              </Form.Item>
              {wish.lines?.[String(at)]?.taken ? (
                <Form.Item
                  name={["lines", String(at), "much"]}
                  label={say(
                    line.quantity === undefined ? "red.lines.amount" : "red.lines.quantity",
                  )}
                  extra={say("red.lines.all")}
                  rules={[
                    {
                      validator: (_, text?: string) => {
                        const fault = faultOf(document.lines, at, text);
                        if (fault === undefined) return Promise.resolve();
                        const words = line.quantity === undefined ? "money.bad" : "figure.bad";
                        return Promise.reject(say(fault === "beyond" ? "red.lines.beyond" : words));
                      },
                    },
                  ]}
                >
                  <Input inputMode="decimal" maxLength={34} />
                </Form.Item>
              ) : null}
            </li>
          ),
        )}
      </ul>
    </fieldset>
  );
}

function Wishing({ invoice }: { invoice: Full }) {
  const say = useWords();
  const confirm = useConfirm();
  const navigate = useNavigate();
  const [form] = Form.useForm<Wish>();
  const start: Wish = { how: "whole", reason: 1 };
  const wish = { ...start, ...(Form.useWatch((values: Wish) => values, form) ?? {}) };
  const { number, status, left, currency, document } = invoice;
  const open = useAct(
    (body: RedLetterBody, once) =>
      ask("POST /v1/invoices/{number}/red-letters", { params: { number }, ...once, body }),
    {
      refreshes: [
        ["red-letters"],
        ["invoice", number],
        ["history", number],
        ["invoices"],
        ["quota"],
      ],
    },
  );
  const oneRate = new Set(document.lines.map(({ taxRate }) => taxRate)).size === 1;
  const alone = status === "issued";
  const parts = wish.how === "lines" ? partsOf(wish, document.lines) : undefined;
  const ofLines = parts === undefined ? undefined : sumOf(document.lines, parts);
  const submit = async (values: Wish) => {
    const body = bodyOf(values, document.lines);
    const much = body?.whole ? (left?.gross ?? "0.00") : (body?.gross ?? ofLines);
    if (body === undefined || much === undefined) return;
    const sure = await confirm({
      title: say("red.confirm.title", { much: formatAmount(much, currency) }),
      detail: <p>{say(`red.reason.${values.reason}`)}</p>,
      final: say(alone ? "red.confirm.alone" : "red.confirm.consent"),
      yes: say("red.do"),
    });
    if (!sure) return;
    open.mutate(body, {
      onSuccess: ({ id }) => void navigate(`/merchant/red-letters/${id}`),
      onError: (error) => showFieldErrors(form, error, (pointer) => placeOf(values, pointer)),
    });
  };
  return (
    <Form
      form={form}
      layout="vertical"
      requiredMark={false}
      initialValues={start}
      scrollToFirstError={{ focus: true }}
      onFinish={(values) => void submit(values)}
    >
      <div className="stack">
        <Card>
          <div className="row between">
            <InvoiceNumber number={number} />
            <StateTag state={status} />
          </div>
          <dl className="totals">
            <dt>{say("red.gross")}</dt>
            <dd>
              <Money amount={invoice.gross} currency={currency} />
            </dd>
            <dt>{say("red.left")}</dt>
            <dd>
              <Money amount={left?.gross ?? "0.00"} currency={currency} strong />
            </dd>
          </dl>
        </Card>
        <Alert
          type={alone ? "info" : "warning"}
          showIcon
          title={say(alone ? "red.alone" : "red.consent")}
          description={say(alone ? "red.alone.detail" : "red.consent.detail")}
        />
        <ProblemNote error={open.error} />
        <Card>
          <Form.Item name="how" label={say("red.how")}>
            <Segmented
              options={[
                { value: "whole", label: say("red.whole") },
                { value: "lines", label: say("red.lines") },
                { value: "gross", label: say("red.amount"), disabled: !oneRate },
              ]}
            />
          </Form.Item>
          {wish.how === "lines" ? <LineParts document={document} wish={wish} /> : null}
          {ofLines === undefined ? null : (
            <p role="status">
              {say("red.lines.sum")} <Money amount={ofLines} currency={currency} strong />
            </p>
          )}
          {wish.how === "gross" ? (
            <Form.Item
              name="gross"
              label={say("red.amount.label")}
              rules={[
                {
                  validator: (_, text?: string) =>
                    moneyOf(text) === undefined
                      ? Promise.reject(say("money.bad"))
                      : Promise.resolve(),
                },
              ]}
            >
              <Input inputMode="decimal" maxLength={20} />
            </Form.Item>
          ) : null}
          <Form.Item name="reason" label={say("red.reason")}>
            <Radio.Group
              className="radios"
              options={reasons.map((value) => ({ value, label: say(`red.reason.${value}`) }))}
            />
          </Form.Item>
          <p className="quiet">{say("red.quota")}</p>
          <Button
            type="primary"
            danger
            size="large"
            htmlType="submit"
            loading={open.isPending}
            disabled={wish.how === "lines" && takenOf(wish).length === 0}
          >
            {say("red.do")}
          </Button>
        </Card>
      </div>
    </Form>
  );
}

export function RedLetter() {
  const say = useWords();
  const { number = "" } = useParams();
  const invoice = useQuery(invoiceQuery(number));
  return (
    <Page title={say("red.title")} narrow>
      <Loaded query={invoice}>{(loaded) => <Wishing invoice={loaded} />}</Loaded>
    </Page>
  );
}
