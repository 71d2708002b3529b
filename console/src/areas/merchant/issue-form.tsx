/** The form of an invoice: a new one, or the replacement for a voided one (作废重开). */

import { isChineseTaxId, isTaxId } from "@onepiao/protocol/values/tax-id.ts";
import { useQuery } from "@tanstack/react-query";
import { Alert, Button, Card, Collapse, Form, Input, Segmented } from "antd";
import { useRef, useState } from "react";
import { useNavigate } from "react-router";
import { accountRule } from "../../shared/account-rule.ts";
import { useAct } from "../../shared/act.ts";
import { formatAmount } from "../../shared/amounts.ts";
import { ButtonLink } from "../../shared/button-link.tsx";
import { ask, type Schemas } from "../../shared/client.ts";
import { useConfirm } from "../../shared/confirm.tsx";
import { showFieldErrors } from "../../shared/field-errors.ts";
import { ProblemNote } from "../../shared/problem.tsx";
import { useSession } from "../../shared/session.tsx";
import { InvoiceNumber, Money, StateTag } from "../../shared/show.tsx";
import { taxIdOf } from "../../shared/typed.ts";
import { BuyerName, type Company } from "./buyer-name.tsx";
import { Code } from "./code.tsx";
import { type Currency, type Draft, documentOf, fieldOf, reckon } from "./draft.ts";
import { Lines } from "./issue-lines.tsx";
import { useWords } from "./messages.ts";

type Receipt = Schemas["InvoiceReceipt"];
/** A new invoice. Its prices have the tax inside: that is what a shop knows of its goods. */
export const emptyDraft: Draft = {
  kind: "ordinary",
  inclusive: true,
  buyer: {},
  lines: [{ taxRate: "0.06" }],
};

/** The invoice's totals, in digits and in Chinese words. */
function Sums({ draft, currency }: { draft: Draft; currency: string }) {
  const say = useWords();
  const totals = reckon(draft.lines, draft.inclusive);
  if (totals === undefined)
    return <Alert type="error" showIcon role="alert" title={say("totals.beyond")} />;
  return (
    <div aria-live="polite">
      <dl className="totals">
        <dt>{say("totals.net")}</dt>
        <dd>
          <Money amount={totals.net} currency={currency} />
        </dd>
        <dt>{say("totals.tax")}</dt>
        <dd>
          <Money amount={totals.tax} currency={currency} />
        </dd>
        <dt>{say("totals.gross")}</dt>
        <dd>
          <Money amount={totals.gross} currency={currency} strong />
        </dd>
        <dt>{say("totals.words")}</dt>
        <dd lang="zh-CN" className="breaks">
          {totals.words}
        </dd>
      </dl>
    </div>
  );
}

function BuyerFields({
  draft,
  onTaxId,
  onCompany,
}: {
  draft: Draft;
  onTaxId: (taxId: string) => void;
  onCompany: (company: Company) => void;
}) {
  const say = useWords();
  const taxId = taxIdOf(draft.buyer.taxId);
  const titled = taxId !== "";
  const hint = !titled
    ? "none"
    : isChineseTaxId(taxId)
      ? "good"
      : isTaxId(taxId)
        ? "foreign"
        : "wait";
  return (
    <>
      <div className="two">
        <Form.Item
          name={["buyer", "name"]}
          label={say("buyer.name")}
          extra={say("buyer.name.search")}
          rules={[{ required: true, whitespace: true, message: say("buyer.name.missing") }]}
        >
          <BuyerName onPick={onCompany} />
        </Form.Item>
        <Form.Item
          name={["buyer", "taxId"]}
          label={say("buyer.taxId")}
          hasFeedback={titled}
          validateDebounce={300}
          extra={say(`buyer.taxId.${hint}`)}
          rules={[
            {
              validator: (_, text?: string) => {
                const id = taxIdOf(text);
                if (id === "" || isTaxId(id)) return Promise.resolve();
                return Promise.reject(
                  say(id.length === 18 ? "buyer.taxId.digit" : "buyer.taxId.format"),
                );
              },
            },
          ]}
        >
          <Input
            maxLength={40}
            spellCheck={false}
            autoComplete="off"
            className="number"
            onBlur={() => onTaxId(taxId)}
          />
        </Form.Item>
      </div>
      <Collapse
        ghost
        size="small"
        items={[
          {
            key: "more",
            label: say("buyer.more"),
            forceRender: true,
            children: (
              <div className="two">
                <Form.Item name={["buyer", "address"]} label={say("buyer.address")}>
                  <Input maxLength={600} />
                </Form.Item>
                <Form.Item name={["buyer", "phone"]} label={say("buyer.phone")}>
                  <Input maxLength={100} />
                </Form.Item>
                <Form.Item name={["buyer", "bankName"]} label={say("buyer.bank")}>
                  <Input maxLength={200} />
                </Form.Item>
                <Form.Item name={["buyer", "bankAccount"]} label={say("buyer.bankAccount")}>
                  <Input maxLength={100} />
                </Form.Item>
                {titled ? null : (
                  <Form.Item
                    name="holder"
                    label={say("holder")}
                    extra={say("holder.help")}
                    rules={[accountRule(say("holder.bad"))]}
                  >
                    <Input autoComplete="off" spellCheck={false} placeholder="0x…" />
                  </Form.Item>
                )}
              </div>
            ),
          },
        ]}
      />
    </>
  );
}

/** The issued invoice, and how it reaches the customer. */
function Issued({ receipt, onAnother }: { receipt: Receipt; onAnother: () => void }) {
  const say = useWords();
  return (
    <Card>
      <div className="stack">
        <Alert
          type="success"
          showIcon
          role="status"
          title={say(receipt.status === "accepted" ? "issued.accepted" : "issued.sealed")}
          description={
            <div className="row">
              <InvoiceNumber number={receipt.number} copyable /> <StateTag state={receipt.status} />
            </div>
          }
        />
        <Code number={receipt.number} waits={receipt.pickup !== undefined} />
        <div className="row">
          <ButtonLink to={`/merchant/invoices/${receipt.number}`} type="primary">
            {say("issued.open")}
          </ButtonLink>
          <Button onClick={onAnother}>{say("issued.another")}</Button>
        </div>
      </div>
    </Card>
  );
}

/**
 * The time of issue. It is fixed for the same content, so that a retry after a lost response is the
 * same request.
 */
function useMoment() {
  const moment = useRef<{ content: string; at: string } | undefined>(undefined);
  return (draft: Draft): string => {
    const content = JSON.stringify(draft);
    if (moment.current?.content !== content)
      moment.current = { content, at: new Date().toISOString().replace(/\.\d+Z$/, "Z") };
    return moment.current.at;
  };
}

type InvoiceBody = Schemas["InvoiceRequest"];

export function IssueForm({ start, replaces }: { start: Draft; replaces?: string }) {
  const say = useWords();
  const confirm = useConfirm();
  const navigate = useNavigate();
  const { name, taxId = "" } = useSession();
  const [form] = Form.useForm<Draft>();
  const draft = { ...start, ...(Form.useWatch((values: Draft) => values, form) ?? {}) };
  const moment = useMoment();
  const [receipt, setReceipt] = useState<Receipt | undefined>(undefined);
  const self = useQuery({
    queryKey: ["taxpayer", taxId],
    queryFn: () => ask("GET /v1/taxpayers/{taxId}", { params: { taxId } }),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const currency = (self.data?.currency ?? "CNY") as Currency;
  const issue = useAct(
    async (body: InvoiceBody, once) =>
      replaces === undefined
        ? ask("POST /v1/invoices", { ...once, body })
        : ask("POST /v1/invoices/{number}/replace", {
            params: { number: replaces },
            ...once,
            body,
          }),
    {
      refreshes: [
        ["invoices"],
        ["quota"],
        ["segments"],
        ["red-letters"],
        ["invoice", replaces ?? ""],
      ],
    },
  );
  /**
   * Fills in the buyer's name as it is enrolled or in the directory, because the gateway refuses
   * any other. Whether the gateway takes an unknown tax id shows when the invoice is issued.
   */
  const fillTitle = async (text: string) => {
    form.setFieldValue(["buyer", "taxId"], text);
    if (!isTaxId(text)) return;
    const title = await ask("GET /v1/titles/{taxId}", { params: { taxId: text } }).catch(
      () => undefined,
    );
    if (title && form.getFieldValue(["buyer", "taxId"]) === text)
      form.setFieldValue(["buyer", "name"], title.name);
  };
  const submit = async (values: Draft) => {
    const whole = { ...values, buyer: { ...values.buyer, taxId: taxIdOf(values.buyer.taxId) } };
    // the form already says beside its sums that they exceed what an invoice may have
    if (reckon(whole.lines, whole.inclusive) === undefined) return;
    const body = documentOf(whole, { seller: { taxId, name }, currency, issuedAt: moment(whole) });
    const yes = await confirm({
      title: say(replaces === undefined ? "issue.confirm.title" : "replace.confirm.title"),
      detail: (
        <div className="stack">
          <div>
            {body.buyer.name} ·{" "}
            <strong className="number">{formatAmount(body.totals.gross, currency)}</strong>
          </div>
          <div>
            {say(replaces === undefined ? "issue.confirm.detail" : "replace.confirm.detail", {
              number: replaces ?? "",
            })}
          </div>
        </div>
      ),
      ...(replaces === undefined ? {} : { final: say("replace.confirm.final") }),
      yes: say(replaces === undefined ? "issue.do" : "replace.do"),
    });
    if (!yes) return;
    issue.mutate(body, {
      onError: (error) => showFieldErrors(form, error, (pointer) => fieldOf(whole, pointer)),
      onSuccess(answer) {
        if ("redLetter" in answer) void navigate(`/merchant/red-letters/${answer.redLetter.id}`);
        else if ("id" in answer) void navigate(`/merchant/red-letters/${answer.id}`);
        else setReceipt(answer);
      },
    });
  };
  if (receipt !== undefined) {
    const another = () => {
      form.resetFields();
      issue.reset();
      setReceipt(undefined);
    };
    return <Issued receipt={receipt} onAnother={another} />;
  }
  return (
    <Form
      form={form}
      layout="vertical"
      requiredMark={false}
      initialValues={start}
      scrollToFirstError={{ focus: true, block: "center" }}
      onFinish={(values) => void submit(values)}
    >
      <div className="stack">
        <ProblemNote error={issue.error ?? self.error} />
        <Card title={<h2>{say("issue.buyer")}</h2>}>
          <Form.Item name="kind" label={say("kind")}>
            <Segmented
              options={[
                { value: "ordinary", label: say("kind.ordinary") },
                { value: "special", label: say("kind.special") },
              ]}
            />
          </Form.Item>
          <BuyerFields
            draft={draft}
            onTaxId={(text) => void fillTitle(text)}
            onCompany={(company) => {
              form.setFieldValue("buyer", { ...form.getFieldValue("buyer"), ...company });
              void form.validateFields([["buyer", "taxId"]]);
            }}
          />
        </Card>
        <Card title={<h2>{say("issue.lines")}</h2>}>
          <Form.Item name="inclusive" label={say("prices")} extra={say("prices.help")}>
            <Segmented
              options={[
                { value: true, label: say("prices.with") },
                { value: false, label: say("prices.without") },
              ]}
            />
          </Form.Item>
          <Lines lines={draft.lines} inclusive={draft.inclusive === true} currency={currency} />
        </Card>
        <Card title={<h2>{say("issue.rest")}</h2>}>
          <div className="two">
            <Form.Item name="sourceId" label={say("sourceId")} extra={say("sourceId.help")}>
              <Input maxLength={200} />
            </Form.Item>
            <Form.Item name="drawer" label={say("drawer")}>
              <Input maxLength={100} />
            </Form.Item>
          </div>
          <Form.Item name="remark" label={say("remark")}>
            <Input.TextArea rows={2} maxLength={4000} />
          </Form.Item>
          <Sums draft={draft} currency={currency} />
          <p className="quiet after">
            {say(replaces === undefined ? "issue.final" : "replace.final")}
          </p>
          <Button type="primary" size="large" htmlType="submit" loading={issue.isPending}>
            {say(replaces === undefined ? "issue.do" : "replace.do")}
          </Button>
        </Card>
      </div>
    </Form>
  );
}
