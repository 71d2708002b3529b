/**
 * A taxpayer's names with the day each begins, and the form for a new one. Its invoices must use
 * the name that is valid on their day.
 */
import { useQuery } from "@tanstack/react-query";
import { App, Button, Card, Form, Input, Table } from "antd";
import { useAct } from "../../shared/act.ts";
import { ask } from "../../shared/client.ts";
import { useConfirm } from "../../shared/confirm.tsx";
import { chinaDay } from "../../shared/days.ts";
import { Loaded, ProblemNote } from "../../shared/problem.tsx";
import { Wide } from "../../shared/show.tsx";
import { useWords } from "./messages.ts";
import type { Taxpayer } from "./taxpayers.tsx";

type Change = { name: string; from: string };

export function TaxpayerNames({ taxpayer: { taxId, name: present } }: { taxpayer: Taxpayer }) {
  const say = useWords();
  const confirm = useConfirm();
  const { message } = App.useApp();
  const [form] = Form.useForm<Change>();
  const names = useQuery({
    queryKey: ["taxpayer", taxId, "names"],
    queryFn: () => ask("GET /v1/taxpayers/{taxId}/names", { params: { taxId } }),
  });
  const give = useAct(
    (body: Change, once) =>
      ask("POST /v1/taxpayers/{taxId}/names", { params: { taxId }, ...once, body }),
    {
      refreshes: [["taxpayer", taxId], ["taxpayers"]],
    },
  );
  const submit = async (change: Change) => {
    const sure = await confirm({
      title: say("names.give.title", { name: present, new: change.name, from: change.from }),
      detail: say("names.give.detail"),
      yes: say("names.give"),
    });
    if (!sure) return;
    give.mutate(change, {
      onSuccess: () => {
        form.resetFields();
        void message.success(say("names.done"));
      },
    });
  };
  return (
    <Card title={<h2>{say("names.section")}</h2>} className="chart-card">
      <Loaded query={names}>
        {({ items }) => (
          <Wide label={say("names.section")}>
            <Table
              rowKey={(row) => ("from" in row ? row.from : "")}
              size="small"
              pagination={items.length > 10 ? { pageSize: 10 } : false}
              dataSource={items}
              columns={[
                {
                  key: "from",
                  title: say("names.from"),
                  render: (_, row) => (
                    <span className="number">
                      {"from" in row ? row.from : say("names.enrolment")}
                    </span>
                  ),
                },
                {
                  key: "name",
                  title: say("names.name"),
                  render: (_, row) => <span className="breaks">{row.name}</span>,
                },
              ]}
            />
          </Wide>
        )}
      </Loaded>
      <Form
        form={form}
        layout="vertical"
        className="after"
        requiredMark={false}
        initialValues={{ from: chinaDay() }}
        onFinish={(values) => void submit(values)}
      >
        <ProblemNote error={give.error} />
        <div className="fields">
          <Form.Item
            name="name"
            label={say("names.new")}
            rules={[{ required: true, whitespace: true, message: say("enrol.required") }]}
          >
            <Input maxLength={200} />
          </Form.Item>
          <Form.Item
            name="from"
            label={say("names.from")}
            rules={[{ required: true, pattern: /^20\d\d-\d\d-\d\d$/, message: "2026-11-30" }]}
          >
            <Input maxLength={10} className="number" />
          </Form.Item>
          <Button htmlType="submit" type="primary" loading={give.isPending}>
            {say("names.give")}
          </Button>
        </div>
      </Form>
    </Card>
  );
}
