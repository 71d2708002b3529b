/**
 * How much may still be issued, and under which numbers: the monthly quota and the number segments.
 */

import { formatTotal, parseMoney } from "@onepiao/protocol/values/money.ts";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Alert, App, Button, Card, Form, Input, Progress, Segmented, Select, Table } from "antd";
import { useState } from "react";
import { useAct } from "../../shared/act.ts";
import { formatAmount, shareOf } from "../../shared/amounts.ts";
import { ask, type Schemas } from "../../shared/client.ts";
import { useConfirm } from "../../shared/confirm.tsx";
import { chinaMonth, monthsUntil } from "../../shared/days.ts";
import { showFieldErrors } from "../../shared/field-errors.ts";
import { Page } from "../../shared/frame.tsx";
import { useSharedWords } from "../../shared/messages.ts";
import { Loaded, ProblemNote } from "../../shared/problem.tsx";
import { useSession } from "../../shared/session.tsx";
import { InvoiceNumber, Money, Wide } from "../../shared/show.tsx";
import { moneyOf } from "./draft.ts";
import { useWords } from "./messages.ts";

type Quota = Schemas["Quota"];
const MONTHS = 12;

function Bar({
  quota: { granted, drawn, used, left },
  currency,
}: {
  quota: Quota;
  currency: string;
}) {
  const say = useWords();
  const [whole, taken, spent] = [parseMoney(granted), parseMoney(drawn), parseMoney(used)];
  const money = (amount: string) => <Money amount={amount} currency={currency} />;
  return (
    <div className="stack">
      <Progress
        percent={shareOf(taken, whole)}
        strokeColor="var(--done)"
        success={{ percent: shareOf(spent, whole), strokeColor: "var(--good)" }}
        format={() => `${shareOf(spent, whole).toFixed(1)}%`}
        aria-label={say("quota.bar", {
          used: shareOf(spent, whole).toFixed(1),
          drawn: shareOf(taken, whole).toFixed(1),
        })}
      />
      <dl className="facts-grid">
        <div>
          <dt>{say("quota.granted")}</dt>
          <dd>{money(granted)}</dd>
        </div>
        <div>
          <dt>
            <span className="swatch swatch-used" /> {say("quota.used")}
          </dt>
          <dd data-quota="used">{money(used)}</dd>
        </div>
        <div>
          <dt>
            <span className="swatch swatch-drawn" /> {say("quota.ready")}
          </dt>
          <dd data-quota="ready">{money(formatTotal(taken - spent))}</dd>
        </div>
        <div>
          <dt>{say("quota.left")}</dt>
          <dd>{money(left)}</dd>
        </div>
      </dl>
      {whole > 0n && shareOf(spent, whole) >= 90 ? (
        <Alert type="warning" showIcon title={say("quota.low")} />
      ) : null}
    </div>
  );
}

type Draw = { direction: "draw" | "give-back"; amount: string };

function DrawForm({
  taxId,
  period,
  currency,
}: {
  taxId: string;
  period: string;
  currency: string;
}) {
  const say = useWords();
  const confirm = useConfirm();
  const { message } = App.useApp();
  const [form] = Form.useForm<Draw>();
  const draw = useAct(
    ({ direction, amount }: Draw, once) =>
      ask("POST /v1/taxpayers/{taxId}/quota/draws", {
        params: { taxId },
        ...once,
        body: { direction, amount, period },
      }),
    { refreshes: [["quota"]] },
  );
  const submit = async ({ direction, amount: typed }: Draw) => {
    const amount = moneyOf(typed) ?? "";
    const shown = formatAmount(amount, currency);
    if (
      direction === "give-back" &&
      !(await confirm({
        title: say("draw.back.title", { amount: shown }),
        detail: <p>{say("draw.back.detail")}</p>,
        yes: say("draw.back"),
      }))
    )
      return;
    draw.mutate(
      { direction, amount },
      {
        onSuccess: () => {
          form.resetFields(["amount"]);
          void message.success(
            say(direction === "draw" ? "draw.drawn" : "draw.given", { amount: shown }),
          );
        },
        onError: (error) => showFieldErrors(form, error),
      },
    );
  };
  return (
    <Form
      form={form}
      layout="vertical"
      requiredMark={false}
      initialValues={{ direction: "draw" }}
      onFinish={(values) => void submit(values)}
    >
      <p className="quiet">{say("draw.how")}</p>
      <ProblemNote error={draw.error} />
      <Form.Item name="direction" label={say("draw.direction")}>
        <Segmented
          options={[
            { value: "draw", label: say("draw.do") },
            { value: "give-back", label: say("draw.back") },
          ]}
        />
      </Form.Item>
      <div className="find">
        <Form.Item
          name="amount"
          label={say("draw.amount")}
          rules={[
            {
              validator: (_, text?: string) =>
                /[1-9]/.test(moneyOf(text) ?? "")
                  ? Promise.resolve()
                  : Promise.reject(say("money.bad")),
            },
          ]}
        >
          <Input inputMode="decimal" maxLength={20} />
        </Form.Item>
        <Button htmlType="submit" type="primary" loading={draw.isPending}>
          {say("draw.submit")}
        </Button>
      </div>
    </Form>
  );
}

function Segments({ taxId }: { taxId: string }) {
  const say = useWords();
  const shared = useSharedWords();
  const segments = useInfiniteQuery({
    queryKey: ["segments", taxId],
    queryFn: ({ pageParam }) =>
      ask("GET /v1/taxpayers/{taxId}/segments", {
        params: { taxId },
        query: pageParam === "" ? {} : { after: pageParam },
      }),
    initialPageParam: "",
    getNextPageParam: ({ next }) => next,
  });
  const listed = { ...segments, data: segments.data?.pages.flatMap((page) => page.items) };
  return (
    <Loaded query={listed} empty={(items) => items.length === 0} nothing={say("segments.none")}>
      {(items) => (
        <Wide label={say("segments.title")}>
          <Table
            rowKey="first"
            size="small"
            pagination={items.length > 10 ? { pageSize: 10 } : false}
            dataSource={items}
            columns={[
              {
                title: say("segments.first"),
                render: (_, { first }) => <InvoiceNumber number={first} />,
              },
              {
                title: say("segments.length"),
                align: "right",
                render: (_, { length }) => length.toLocaleString("en-US"),
              },
              {
                title: say("segments.used"),
                align: "right",
                render: (_, { used }) => used.toLocaleString("en-US"),
              },
              {
                title: say("segments.share"),
                width: 160,
                render: (_, { used, length, first }) => (
                  <Progress
                    percent={Math.round((used / length) * 1_000) / 10}
                    size="small"
                    aria-label={say("segments.bar", { number: first })}
                  />
                ),
              },
            ]}
          />
          {segments.hasNextPage ? (
            <Button
              className="after"
              onClick={() => void segments.fetchNextPage()}
              loading={segments.isFetchingNextPage}
            >
              {shared("more")}
            </Button>
          ) : null}
        </Wide>
      )}
    </Loaded>
  );
}

export function QuotaPage() {
  const say = useWords();
  const { taxId = "" } = useSession();
  const now = chinaMonth();
  const [period, setPeriod] = useState(now);
  const path = { taxId };
  const self = useQuery({
    queryKey: ["taxpayer", taxId],
    queryFn: () => ask("GET /v1/taxpayers/{taxId}", { params: path }),
  });
  const quota = useQuery({
    queryKey: ["quota", taxId, period],
    queryFn: () => ask("GET /v1/taxpayers/{taxId}/quota", { params: path, query: { period } }),
  });
  const currency = self.data?.currency ?? "CNY";
  return (
    <Page title={say("quota.title")}>
      <div className="stack">
        {self.data?.standing === "suspended" ? (
          <Alert type="error" showIcon role="alert" title={say("quota.suspended")} />
        ) : null}
        <Card
          title={<h2>{say("quota.month")}</h2>}
          extra={
            <Select
              aria-label={say("quota.period")}
              value={period}
              onChange={setPeriod}
              options={monthsUntil(now, MONTHS).map((value) => ({ value, label: value }))}
            />
          }
        >
          <Loaded query={quota}>{(loaded) => <Bar quota={loaded} currency={currency} />}</Loaded>
        </Card>
        <div className="halves-grid">
          <Card title={<h2>{say("draw.title")}</h2>}>
            <DrawForm taxId={taxId} period={period} currency={currency} />
          </Card>
          <Card title={<h2>{say("segments.title")}</h2>}>
            <p className="quiet">{say("segments.how")}</p>
            <Segments taxId={taxId} />
          </Card>
        </div>
      </div>
    </Page>
  );
}
