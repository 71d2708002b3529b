/** Who may read an invoice, and who has read it: its parties by their role, others by a grant. */
import { useQuery } from "@tanstack/react-query";
import { Button, Form, Input, Select, Table, Tag } from "antd";
import { accountRule } from "../../shared/account-rule.ts";
import { useAct } from "../../shared/act.ts";
import { ask, type Schemas } from "../../shared/client.ts";
import { useConfirm } from "../../shared/confirm.tsx";
import { Loaded, ProblemNote } from "../../shared/problem.tsx";
import { Account, Time, Wide } from "../../shared/show.tsx";
import { useWords } from "./messages.ts";

type Grant = Schemas["Grant"];
const DAY_MS = 86_400_000;

function Give({ number }: { number: string }) {
  const say = useWords();
  const [form] = Form.useForm<{ to: string; days: number }>();
  const give = useAct(
    ({ to, days }: { to: string; days: number }, once, at) =>
      ask("POST /v1/invoices/{number}/grants", {
        params: { number },
        ...once,
        body: {
          to: to.trim(),
          ...(days === 0 ? {} : { until: new Date(at + days * DAY_MS).toISOString() }),
        },
      }),
    { refreshes: [["grants", number]] },
  );
  return (
    <Form
      form={form}
      layout="vertical"
      requiredMark={false}
      initialValues={{ days: 7 }}
      onFinish={(value) => give.mutate(value, { onSuccess: () => form.resetFields() })}
    >
      <div className="fields">
        <Form.Item
          name="to"
          label={say("grants.to")}
          rules={[
            { required: true, message: say("handOn.to.bad") },
            accountRule(say("handOn.to.bad")),
          ]}
        >
          <Input autoComplete="off" spellCheck={false} placeholder="0x…" />
        </Form.Item>
        <Form.Item name="days" label={say("grants.days")}>
          <Select
            options={[
              { value: 7, label: say("grants.days.7") },
              { value: 30, label: say("grants.days.30") },
              { value: 0, label: say("grants.days.none") },
            ]}
          />
        </Form.Item>
        <Button htmlType="submit" loading={give.isPending}>
          {say("grants.give")}
        </Button>
      </div>
      <ProblemNote error={give.error} />
    </Form>
  );
}

function GrantRow({ grant }: { grant: Grant }) {
  const say = useWords();
  const confirm = useConfirm();
  const { id, number, to, until } = grant;
  const withdraw = useAct(
    () => ask("DELETE /v1/invoices/{number}/grants/{id}", { params: { number, id } }),
    {
      refreshes: [["grants", number]],
    },
  );
  const end = async () => {
    const question = {
      title: say("grants.withdraw.title"),
      final: say("grants.withdraw.final"),
      yes: say("grants.withdraw"),
    };
    if (await confirm(question)) withdraw.mutate(undefined);
  };
  return (
    <li className="row between">
      <span>
        <Account account={to} />{" "}
        {until === undefined ? null : (
          <span className="quiet small">
            {say("grants.until")} <Time at={until} />
          </span>
        )}
      </span>
      <Button size="small" loading={withdraw.isPending} onClick={() => void end()}>
        {say("grants.withdraw")}
      </Button>
      <ProblemNote error={withdraw.error} />
    </li>
  );
}

export function Grants({ number }: { number: string }) {
  const say = useWords();
  const path = { number };
  const grants = useQuery({
    queryKey: ["grants", number],
    queryFn: () => ask("GET /v1/invoices/{number}/grants", { params: path }),
  });
  const reads = useQuery({
    queryKey: ["reads", number],
    queryFn: () => ask("GET /v1/invoices/{number}/reads", { params: path }),
  });
  return (
    <div className="stack">
      <p className="quiet">{say("grants.how")}</p>
      <Loaded query={grants}>
        {({ parties, items }) => (
          <>
            <section>
              <h3>{say("grants.parties")}</h3>
              <ul className="plain-list">
                {parties.map(({ account, as }) => (
                  <li key={account + as} className="row">
                    <Account account={account} />{" "}
                    <Tag variant="filled">{say(`grants.as.${as}`)}</Tag>
                  </li>
                ))}
              </ul>
            </section>
            <section>
              <h3>{say("grants.given")}</h3>
              {items.length === 0 ? (
                <p className="quiet">{say("grants.none")}</p>
              ) : (
                <ul className="plain-list">
                  {items.map((grant) => (
                    <GrantRow key={grant.id} grant={grant} />
                  ))}
                </ul>
              )}
            </section>
          </>
        )}
      </Loaded>
      <Give number={number} />
      <section>
        <h3>{say("reads.title")}</h3>
        <Loaded
          query={reads}
          empty={({ items }) => items.length === 0}
          nothing={<p className="quiet">{say("reads.none")}</p>}
        >
          {({ items }) => (
            <Wide label={say("reads.title")}>
              <Table
                size="small"
                pagination={false}
                rowKey={({ account, form, day }) => account + form + day}
                dataSource={items}
                columns={[
                  {
                    title: say("reads.who"),
                    render: (_, { account }) => <Account account={account} />,
                  },
                  { title: say("reads.form"), dataIndex: "form" },
                  { title: say("reads.day"), dataIndex: "day" },
                  { title: say("reads.count"), dataIndex: "times", align: "right" },
                ]}
              />
            </Wide>
          )}
        </Loaded>
      </section>
    </div>
  );
}
