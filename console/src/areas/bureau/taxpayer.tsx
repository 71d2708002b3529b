/** A taxpayer: status, quota and number segments, and the bureau's acts that change them. */

import { normaliseMoney } from "@onepiao/protocol/values/money.ts";
import { useQuery } from "@tanstack/react-query";
import { App, Button, Card, Descriptions, Form, Input, InputNumber, Progress, Table } from "antd";
import { useParams } from "react-router";
import { useAct } from "../../shared/act.ts";
import { formatAmount } from "../../shared/amounts.ts";
import { ask } from "../../shared/client.ts";
import { useConfirm } from "../../shared/confirm.tsx";
import { chinaMonth } from "../../shared/days.ts";
import { Page } from "../../shared/frame.tsx";
import { useRefresh } from "../../shared/live.tsx";
import { Loaded, ProblemNote } from "../../shared/problem.tsx";
import { Account, InvoiceNumber, Money, StateTag, Wide } from "../../shared/show.tsx";
import { figureOf } from "../../shared/typed.ts";
import { usePalette } from "./chart.tsx";
import { useWords } from "./messages.ts";
import { useNames } from "./names.ts";
import { TaxpayerNames } from "./taxpayer-names.tsx";
import { type Taxpayer, taxpayerEvents } from "./taxpayers.tsx";

const WAIT = 20;

function Standing({ taxpayer }: { taxpayer: Taxpayer }) {
  const say = useWords();
  const confirm = useConfirm();
  const { message } = App.useApp();
  const { taxId, name, standing } = taxpayer;
  const active = standing === "active";
  const change = useAct(
    (to: "active" | "suspended") =>
      ask("PATCH /v1/taxpayers/{taxId}", { params: { taxId }, wait: WAIT, body: { standing: to } }),
    {
      refreshes: [["taxpayer", taxId], ["taxpayers"]],
    },
  );
  const turn = async () => {
    const sure = await confirm(
      active
        ? {
            title: say("taxpayer.suspend.title", { name }),
            detail: say("taxpayer.suspend.detail"),
            final: say("taxpayer.suspend.final"),
            yes: say("taxpayer.suspend"),
          }
        : {
            title: say("taxpayer.reinstate.title", { name }),
            detail: say("taxpayer.reinstate.detail"),
            yes: say("taxpayer.reinstate"),
          },
    );
    if (!sure) return;
    change.mutate(active ? "suspended" : "active", {
      onSuccess: () =>
        void message.success(say(active ? "taxpayer.done.suspended" : "taxpayer.done.reinstated")),
    });
  };
  return (
    <div className="stack">
      <ProblemNote error={change.error} />
      <div className="row">
        <StateTag state={standing} />
        <Button danger={active} loading={change.isPending} onClick={() => void turn()}>
          {say(active ? "taxpayer.suspend" : "taxpayer.reinstate")}
        </Button>
      </div>
    </div>
  );
}

function Quota({ taxpayer }: { taxpayer: Taxpayer }) {
  const say = useWords();
  const palette = usePalette();
  const confirm = useConfirm();
  const { message } = App.useApp();
  const [form] = Form.useForm<{ period: string; granted: string }>();
  const { taxId, name, currency } = taxpayer;
  const quota = useQuery({
    queryKey: ["taxpayer", taxId, "quota"],
    queryFn: () => ask("GET /v1/taxpayers/{taxId}/quota", { params: { taxId } }),
  });
  useRefresh(
    ["quota.set", "quota.drawn", "quota.given-back", "invoice.issued"],
    [["taxpayer", taxId, "quota"]],
  );
  const set = useAct(
    (body: { period: string; granted: string }) =>
      ask("PUT /v1/taxpayers/{taxId}/quota", { params: { taxId }, wait: WAIT, body }),
    {
      refreshes: [["taxpayer", taxId, "quota"]],
    },
  );
  const submit = async ({ period, granted: typed }: { period: string; granted: string }) => {
    const granted = normaliseMoney(figureOf(typed));
    if (granted === undefined) return;
    const sure = await confirm({
      title: say("quota.set.title", { period, amount: formatAmount(granted, currency) }),
      detail: say("quota.set.detail", { name }),
      yes: say("quota.set"),
    });
    if (sure)
      set.mutate({ period, granted }, { onSuccess: () => void message.success(say("quota.done")) });
  };
  return (
    <Card title={<h2>{say("quota.section")}</h2>} className="chart-card">
      <Loaded query={quota}>
        {({ period, granted, drawn, used, left }) => {
          const share = Number(granted) > 0 ? Number(used) / Number(granted) : 0;
          return (
            <div className="stack">
              <div>
                <div className="row between">
                  <span className="quiet">{period}</span>
                  <span className="number">{Math.round(share * 1_000) / 10}%</span>
                </div>
                <Progress
                  percent={Math.min(100, share * 100)}
                  showInfo={false}
                  strokeColor={
                    share > 0.9 ? palette.bad : share > 0.7 ? palette.busy : palette.done
                  }
                  aria-label={say("quota.section")}
                />
              </div>
              <dl className="facts">
                <div>
                  <dt>{say("quota.granted")}</dt>
                  <dd data-quota="granted">
                    <Money amount={granted} currency={currency} />
                  </dd>
                </div>
                <div>
                  <dt>{say("quota.used")}</dt>
                  <dd>
                    <Money amount={used} currency={currency} />
                    <div className="quiet small">
                      {say("quota.drawn", { drawn: formatAmount(drawn, currency) })}
                    </div>
                  </dd>
                </div>
                <div>
                  <dt>{say("quota.left")}</dt>
                  <dd>
                    <Money amount={left} currency={currency} />
                  </dd>
                </div>
              </dl>
            </div>
          );
        }}
      </Loaded>
      <Form
        form={form}
        layout="vertical"
        className="after"
        requiredMark={false}
        initialValues={{ period: chinaMonth() }}
        onFinish={(values) => void submit(values)}
      >
        <ProblemNote error={set.error} />
        <div className="fields">
          <Form.Item
            name="period"
            label={say("quota.period")}
            rules={[{ required: true, pattern: /^20\d\d-(0[1-9]|1[0-2])$/, message: "2026-11" }]}
          >
            <Input maxLength={7} />
          </Form.Item>
          <Form.Item
            name="granted"
            label={say("quota.amount")}
            required
            rules={[
              {
                validator: (_, text?: string) =>
                  /^\d/.test(normaliseMoney(figureOf(text)) ?? "")
                    ? Promise.resolve()
                    : Promise.reject(say("quota.amount.format")),
              },
            ]}
          >
            <Input inputMode="decimal" maxLength={20} />
          </Form.Item>
          <Button htmlType="submit" type="primary" loading={set.isPending}>
            {say("quota.set")}
          </Button>
        </div>
      </Form>
    </Card>
  );
}

function Segments({ taxpayer }: { taxpayer: Taxpayer }) {
  const say = useWords();
  const confirm = useConfirm();
  const { message } = App.useApp();
  const { taxId, name } = taxpayer;
  const segments = useQuery({
    queryKey: ["taxpayer", taxId, "segments"],
    queryFn: () => ask("GET /v1/taxpayers/{taxId}/segments", { params: { taxId } }),
  });
  useRefresh(["segment.allotted"], [["taxpayer", taxId, "segments"]]);
  const allot = useAct(
    (length: number, once) =>
      ask("POST /v1/taxpayers/{taxId}/segments", { params: { taxId }, ...once, body: { length } }),
    {
      refreshes: [["taxpayer", taxId, "segments"]],
    },
  );
  const submit = async ({ length }: { length: number }) => {
    const sure = await confirm({
      title: say("segments.allot.title", { name, length }),
      final: say("segments.allot.final"),
      yes: say("segments.allot"),
    });
    if (!sure) return;
    allot.mutate(length, {
      onSuccess: (made) =>
        void message.success(
          say("segments.done", { first: made !== undefined && "first" in made ? made.first : "…" }),
        ),
    });
  };
  return (
    <Card title={<h2>{say("segments.section")}</h2>} className="chart-card">
      <Loaded
        query={segments}
        empty={({ items }) => items.length === 0}
        nothing={say("segments.none")}
      >
        {({ items }) => (
          <Wide label={say("segments.section")}>
            <Table
              rowKey="first"
              size="small"
              pagination={items.length > 10 ? { pageSize: 10 } : false}
              dataSource={items}
              columns={[
                {
                  key: "first",
                  title: say("segments.first"),
                  render: (_, row) => <InvoiceNumber number={row.first} />,
                },
                {
                  key: "length",
                  title: say("segments.length"),
                  align: "right",
                  render: (_, row) => row.length.toLocaleString(),
                },
                {
                  key: "used",
                  title: say("segments.used"),
                  align: "right",
                  render: (_, row) => row.used.toLocaleString(),
                },
              ]}
            />
          </Wide>
        )}
      </Loaded>
      <Form<{ length: number }>
        layout="vertical"
        className="after"
        requiredMark={false}
        initialValues={{ length: 10_000 }}
        onFinish={(values) => void submit(values)}
      >
        <ProblemNote error={allot.error} />
        <div className="fields">
          <Form.Item
            name="length"
            label={say("segments.length.label")}
            rules={[{ required: true, message: say("enrol.required") }]}
          >
            <InputNumber min={1} max={1_000_000_000} precision={0} style={{ width: "100%" }} />
          </Form.Item>
          <Button htmlType="submit" type="primary" loading={allot.isPending}>
            {say("segments.allot")}
          </Button>
        </div>
      </Form>
    </Card>
  );
}

export function TaxpayerPage() {
  const say = useWords();
  const { region } = useNames();
  const { taxId = "" } = useParams();
  const taxpayer = useQuery({
    queryKey: ["taxpayer", taxId],
    queryFn: () => ask("GET /v1/taxpayers/{taxId}", { params: { taxId } }),
  });
  useRefresh(taxpayerEvents, [["taxpayer", taxId]]);
  return (
    <Page title={taxpayer.data?.name ?? taxId}>
      <Loaded query={taxpayer}>
        {(details) => (
          <div className="stack">
            <Card className="chart-card">
              <div className="stack">
                <Descriptions
                  column={{ xs: 1, sm: 1, md: 2, lg: 3 }}
                  items={[
                    {
                      key: "taxId",
                      label: say("taxpayer.taxId"),
                      children: <span className="number">{details.taxId}</span>,
                    },
                    {
                      key: "region",
                      label: say("taxpayer.region"),
                      children: region(details.region),
                    },
                    {
                      key: "capabilities",
                      label: say("taxpayer.capabilities"),
                      children: details.capabilities
                        .map((may) =>
                          say(may === "issuer" ? "taxpayer.issuer" : "taxpayer.employer"),
                        )
                        .join(" · "),
                    },
                    { key: "index", label: say("taxpayer.index"), children: details.index },
                    {
                      key: "currency",
                      label: say("taxpayer.currency"),
                      children: details.currency,
                    },
                    {
                      key: "account",
                      label: say("taxpayer.account"),
                      children: <Account account={details.account} />,
                    },
                  ]}
                />
                <Standing taxpayer={details} />
              </div>
            </Card>
            <TaxpayerNames taxpayer={details} />
            {details.capabilities.includes("issuer") ? (
              <div className="halves">
                <Quota taxpayer={details} />
                <Segments taxpayer={details} />
              </div>
            ) : null}
          </div>
        )}
      </Loaded>
    </Page>
  );
}
