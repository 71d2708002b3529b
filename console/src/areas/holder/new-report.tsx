/**
 * Creates an expense report: which invoices, and from which employer. The titles of the invoices
 * limit the choice of employer.
 */
import { useQueries } from "@tanstack/react-query";
import { Alert, Button, Card, Checkbox, Form, Input } from "antd";
import { useState } from "react";
import { useLocation, useNavigate } from "react-router";
import { useAct } from "../../shared/act.ts";
import { sumsOf } from "../../shared/amounts.ts";
import { ask, invoiceQuery } from "../../shared/client.ts";
import { useConfirm } from "../../shared/confirm.tsx";
import { Page } from "../../shared/frame.tsx";
import { useInvoiceList } from "../../shared/invoice-list.tsx";
import { Loaded, More, ProblemNote } from "../../shared/problem.tsx";
import { InvoiceNumber, Money, Time } from "../../shared/show.tsx";
import { taxIdOf } from "../../shared/typed.ts";
import type { Summary } from "./invoices.tsx";
import { useWords } from "./messages.ts";

const MAX = 100;
type Draft = { employer: string; note?: string };

/** The titles of the chosen invoices, one for each employer. */
function useTitles(chosen: readonly Summary[]): { taxId: string; name: string }[] {
  const documents = useQueries({
    queries: chosen.filter(({ titled }) => titled).map(({ number }) => invoiceQuery(number)),
  });
  const titles = new Map<string, string>();
  for (const { data } of documents)
    if (data?.document.buyer.taxId !== undefined)
      titles.set(data.document.buyer.taxId, data.document.buyer.name);
  return [...titles].map(([taxId, name]) => ({ taxId, name }));
}

function Draft({ chosen }: { chosen: readonly Summary[] }) {
  const say = useWords();
  const confirm = useConfirm();
  const navigate = useNavigate();
  const [form] = Form.useForm<Draft>();
  const titles = useTitles(chosen);
  const claim = useAct(
    ({ invoices, employer, note }: Draft & { invoices: string[] }, once) =>
      ask("POST /v1/claims", { ...once, body: { employer, invoices, ...(note ? { note } : {}) } }),
    { refreshes: [["claims"], ["invoices"], ["invoice"]] },
  );
  const total = sumsOf(chosen.map(({ payable, currency }) => ({ amount: payable, currency })));
  const titled = titles.length === 1 ? titles[0] : undefined;
  const submit = async ({ employer: typed, note: words }: Draft) => {
    const employer = titled?.taxId ?? taxIdOf(typed);
    const note = words?.trim();
    const yes = await confirm({
      title: say("new.confirm.title"),
      detail: <p>{say("new.confirm.detail", { count: chosen.length, total, employer })}</p>,
      final: say("new.confirm.final"),
      yes: say("new.submit"),
    });
    if (!yes) return;
    claim.mutate(
      { employer, invoices: chosen.map(({ number }) => number).sort(), ...(note ? { note } : {}) },
      { onSuccess: ({ id }) => navigate(`/holder/reports/${id}`, { replace: true }) },
    );
  };
  return (
    <Card>
      <Form
        form={form}
        layout="vertical"
        requiredMark={false}
        onFinish={(draft) => void submit(draft)}
      >
        <dl className="totals">
          <dt>{say("new.total")}</dt>
          <dd className="money money-strong">{total}</dd>
        </dl>
        {titled === undefined ? (
          <Form.Item
            name="employer"
            label={say("new.employer")}
            extra={say("new.employer.help")}
            rules={[{ required: true, whitespace: true, message: say("new.employer.missing") }]}
          >
            <Input maxLength={40} spellCheck={false} autoComplete="organization" />
          </Form.Item>
        ) : (
          <Form.Item
            label={say("new.employer")}
            extra={say("new.employer.titled", { name: titled.name })}
            htmlFor="titled-employer"
          >
            <Input id="titled-employer" value={titled.taxId} readOnly />
          </Form.Item>
        )}
        <Form.Item name="note" label={say("new.note")}>
          <Input.TextArea maxLength={500} rows={3} />
        </Form.Item>
        {titles.length > 1 ? (
          <Alert
            type="warning"
            showIcon
            role="alert"
            title={say("new.employer.mixed")}
            description={titles.map(({ name }) => name).join("、")}
          />
        ) : null}
        {chosen.length > MAX ? (
          <Alert type="warning" showIcon role="alert" title={say("new.tooMany")} />
        ) : null}
        <ProblemNote error={claim.error} />
        <Button
          type="primary"
          size="large"
          htmlType="submit"
          loading={claim.isPending}
          disabled={titles.length > 1 || chosen.length > MAX}
          className="after"
        >
          {say("new.submit")}
        </Button>
      </Form>
    </Card>
  );
}

export function NewReport() {
  const say = useWords();
  const preselected = (useLocation().state as { picked?: string[] } | null)?.picked ?? [];
  const [picked, setPicked] = useState<readonly string[]>(preselected);
  const invoices = useInvoiceList("holder", { state: "issued" });
  return (
    <Page title={say("new.title")} narrow>
      <Loaded query={invoices} empty={(items) => items.length === 0} nothing={say("new.none")}>
        {(items) => {
          const chosen = items.filter(({ number }) => picked.includes(number));
          return (
            <div className="stack">
              <Card title={<h2>{say("new.pick")}</h2>}>
                <ul className="plain-list">
                  {items.map(({ number, seller, payable, currency, issuedAt }) => (
                    <li key={number}>
                      <Checkbox
                        checked={picked.includes(number)}
                        onChange={(event) =>
                          setPicked(
                            event.target.checked
                              ? [...picked, number]
                              : picked.filter((entry) => entry !== number),
                          )
                        }
                      >
                        <span className="pick">
                          <span>
                            {seller}
                            <span className="quiet small block">
                              <InvoiceNumber number={number} /> · <Time at={issuedAt} date />
                            </span>
                          </span>
                          <Money amount={payable} currency={currency} />
                        </span>
                      </Checkbox>
                    </li>
                  ))}
                </ul>
                <More query={invoices} />
              </Card>
              {chosen.length > 0 ? <Draft chosen={chosen} /> : null}
            </div>
          );
        }}
      </Loaded>
    </Page>
  );
}
