/** Any invoice by its number: its content, its history on the chain, and who read it. */
import { useQuery } from "@tanstack/react-query";
import { Card, Descriptions, Form, Input, Table } from "antd";
import { Link, useNavigate, useParams } from "react-router";
import { ask, invoiceQuery, type Schemas } from "../../shared/client.ts";
import { Page } from "../../shared/frame.tsx";
import { DocumentView, HistoryView } from "../../shared/invoice-view.tsx";
import { useRefresh } from "../../shared/live.tsx";
import { useSharedWords } from "../../shared/messages.ts";
import { Loaded } from "../../shared/problem.tsx";
import { useSession } from "../../shared/session.tsx";
import { Account, InvoiceNumber, StateTag, Time, Wide } from "../../shared/show.tsx";
import { useWords } from "./messages.ts";
import { useFormNames } from "./names.ts";

type Invoice = Schemas["Invoice"];
const invoiceEvents = [
  "invoice.transferred",
  "invoice.reimbursed",
  "invoice.reversed",
  "claim.created",
  "claim.rejected",
  "claim.withdrawn",
  "reimbursement.refused",
] as const;

export function InvoiceLookup() {
  const say = useWords();
  const navigate = useNavigate();
  const [form] = Form.useForm<{ number: string }>();
  return (
    <Page title={say("page.invoice")} narrow>
      <div className="stack">
        <div className="quiet">{say("invoice.hint")}</div>
        <Form<{ number: string }>
          form={form}
          layout="vertical"
          requiredMark={false}
          onFinish={({ number }) =>
            void navigate(`/bureau/invoice/${number.replaceAll(/\s/g, "")}`)
          }
        >
          <Form.Item
            name="number"
            label={say("invoice.number")}
            rules={[
              { required: true, pattern: /^\s*(\d\s*){20}$/, message: say("invoice.number.bad") },
            ]}
          >
            <Input.Search
              inputMode="numeric"
              maxLength={30}
              size="large"
              enterButton={say("invoice.look")}
              onSearch={() => form.submit()}
              onPressEnter={(event) => event.preventDefault()}
            />
          </Form.Item>
        </Form>
      </div>
    </Page>
  );
}

function InvoiceDetails({ invoice }: { invoice: Invoice }) {
  const say = useWords();
  const shared = useSharedWords();
  return (
    <Card title={<h2>{say("invoice.document")}</h2>} className="chart-card">
      <div className="stack">
        <Descriptions
          column={{ xs: 1, sm: 1, md: 2 }}
          size="small"
          items={[
            {
              key: "state",
              label: shared("invoice.state"),
              children: <StateTag state={invoice.status} />,
            },
            { key: "versions", label: say("invoice.versions"), children: invoice.version },
            {
              key: "holder",
              label: say("invoice.holder"),
              children: <Account account={invoice.holder} />,
            },
            {
              key: "lot",
              label: say("invoice.lot"),
              children: invoice.lot === undefined ? "—" : <InvoiceNumber number={invoice.lot} />,
            },
            {
              key: "sealed",
              label: say("invoice.sealed"),
              children: <Time at={invoice.issuedAt} />,
            },
            ...(invoice.reverses === undefined
              ? []
              : [
                  {
                    key: "reverses",
                    label: say("invoice.reverses"),
                    children: (
                      <Link to={`/bureau/invoice/${invoice.reverses}`}>{invoice.reverses}</Link>
                    ),
                  },
                ]),
          ]}
        />
        <DocumentView document={invoice.document} />
      </div>
    </Card>
  );
}

function History({ number }: { number: string }) {
  const say = useWords();
  return (
    <Card title={<h2>{say("invoice.history")}</h2>} className="chart-card">
      <HistoryView number={number} />
    </Card>
  );
}

function Reads({ number }: { number: string }) {
  const say = useWords();
  const form = useFormNames();
  const { account } = useSession();
  const reads = useQuery({
    queryKey: ["invoice", number, "reads"],
    queryFn: () => ask("GET /v1/invoices/{number}/reads", { params: { number } }),
  });
  return (
    <Card title={<h2>{say("invoice.reads")}</h2>} className="chart-card">
      <Loaded
        query={reads}
        empty={({ items }) => items.length === 0}
        nothing={say("invoice.reads.none")}
      >
        {({ items }) => (
          <Wide label={say("invoice.reads")}>
            <Table
              size="small"
              rowKey={(row) => `${row.account} ${row.form} ${row.day}`}
              pagination={items.length > 10 ? { pageSize: 10 } : false}
              dataSource={items}
              columns={[
                {
                  key: "who",
                  title: say("invoice.reads.who"),
                  render: (_, row) =>
                    row.account === account ? (
                      say("invoice.reads.self")
                    ) : (
                      <Account account={row.account} />
                    ),
                },
                {
                  key: "what",
                  title: say("invoice.reads.what"),
                  render: (_, row) => form(row.form),
                },
                {
                  key: "times",
                  title: say("invoice.reads.times"),
                  align: "right",
                  render: (_, row) => row.times,
                },
                {
                  key: "last",
                  title: say("invoice.reads.last"),
                  render: (_, row) => <Time at={row.lastAt} />,
                },
              ]}
            />
          </Wide>
        )}
      </Loaded>
    </Card>
  );
}

export function InvoicePage() {
  const say = useWords();
  const { number = "" } = useParams();
  const invoice = useQuery(invoiceQuery(number));
  useRefresh(invoiceEvents, [
    ["invoice", number],
    ["history", number],
  ]);
  return (
    <Page title={say("invoice.title", { number })}>
      <Loaded query={invoice}>
        {(details) => (
          <div className="halves halves-wide">
            <InvoiceDetails invoice={details} />
            <div className="stack">
              <History number={number} />
              <Reads number={number} />
            </div>
          </div>
        )}
      </Loaded>
    </Page>
  );
}
