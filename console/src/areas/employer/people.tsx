/**
 * The employer's people and their API keys: employees who hold invoices, and clerks who decide for
 * the employer. A key is shown once.
 */
import { PlusOutlined } from "@ant-design/icons";
import {
  Alert,
  Button,
  Drawer,
  Form,
  Input,
  Radio,
  Select,
  Space,
  Table,
  Tag,
  Typography,
} from "antd";
import { useState } from "react";
import { useAct } from "../../shared/act.ts";
import { ask } from "../../shared/client.ts";
import { useConfirm } from "../../shared/confirm.tsx";
import { Page } from "../../shared/frame.tsx";
import { useSharedWords } from "../../shared/messages.ts";
import { Loaded, More, ProblemNote } from "../../shared/problem.tsx";
import {
  type ByPerson,
  ByPersonFields,
  PersonMade,
  personOf,
  SignsIn,
} from "../../shared/provider.tsx";
import { hasRole, useSession } from "../../shared/session.tsx";
import { Account, Time, Wide } from "../../shared/show.tsx";
import { Holder } from "./inbox.tsx";
import { useWords } from "./messages.ts";
import { type Key, useKeys, usePersons } from "./names.ts";

type Wish = ByPerson & {
  kind: "employee" | "known" | "clerk" | "admin";
  name?: string;
  known?: string;
};
/** `name`: of the account. It is stored with the result, because the form is gone by then. */
type KeyWish = {
  account: string;
  name: string;
  roles: ("employer" | "holder" | "admin")[];
  signIn?: string;
};

/**
 * Creates a key for an account. A new person is created first, in a separate request, and not again
 * if the request for the key is repeated.
 */
function NewKey({ onClose }: { onClose: () => void }) {
  const say = useWords();
  const session = useSession();
  const [form] = Form.useForm<Wish>();
  const kind = Form.useWatch("kind", form) ?? "employee";
  const persons = usePersons();
  const employee = useAct((name: string, once) =>
    ask("POST /v1/persons", { ...once, body: { name } }),
  );
  const key = useAct(
    ({ name: _, ...body }: KeyWish, once) => ask("POST /v1/api-keys", { ...once, body }),
    {
      refreshes: [["keys"]],
    },
  );
  const make = async ({ kind, name = "", known: account = "", ...by }: Wish) => {
    const person = personOf(by);
    if (kind === "known")
      return key.mutate({
        account,
        name: persons.find((person) => person.account === account)?.name ?? "",
        roles: ["holder"],
        ...person,
      });
    if (kind === "clerk")
      return key.mutate({
        account: session.account,
        name: session.name,
        roles: ["employer", "holder"],
        ...person,
      });
    if (kind === "admin")
      return key.mutate({
        account: session.account,
        name: session.name,
        roles: ["admin"],
        ...person,
      });
    // a person who was created before their key was refused is used again
    const created =
      employee.data?.name === name.trim()
        ? employee.data
        : await employee.mutateAsync(name.trim()).catch(() => undefined);
    if (created)
      key.mutate({ account: created.account, name: name.trim(), roles: ["holder"], ...person });
  };
  if (key.variables?.signIn !== undefined && key.data !== undefined)
    return <PersonMade name={key.variables.signIn} onClose={onClose} />;
  if (key.data !== undefined)
    return (
      <div className="stack">
        <Alert type="success" showIcon title={say("people.made", { name: key.variables.name })} />
        {key.data.token === undefined ? (
          <Alert type="warning" showIcon title={say("people.lost")} />
        ) : (
          <>
            <Alert
              type="warning"
              showIcon
              title={say("people.once")}
              description={say("people.once.detail")}
            />
            <Typography.Paragraph code copyable className="breaks token">
              {key.data.token}
            </Typography.Paragraph>
          </>
        )}
        <Button onClick={onClose}>{say("people.kept")}</Button>
      </div>
    );
  return (
    <Form<Wish>
      form={form}
      layout="vertical"
      requiredMark={false}
      initialValues={{ kind: "employee" }}
      onFinish={(wish) => void make(wish)}
    >
      <Form.Item name="kind" label={say("people.kind")}>
        <Radio.Group
          vertical
          options={[
            { value: "employee", label: say("people.kind.employee") },
            ...(persons.length > 0 ? [{ value: "known", label: say("people.kind.known") }] : []),
            { value: "clerk", label: say("people.kind.clerk") },
            { value: "admin", label: say("people.kind.admin") },
          ]}
        />
      </Form.Item>
      {kind === "employee" ? (
        <Form.Item
          name="name"
          label={say("people.name")}
          rules={[{ required: true, whitespace: true, message: say("people.name.missing") }]}
        >
          <Input maxLength={100} autoComplete="off" />
        </Form.Item>
      ) : kind === "known" ? (
        <Form.Item
          name="known"
          label={say("people.known")}
          rules={[{ required: true, message: say("people.known.missing") }]}
        >
          <Select
            showSearch={{ optionFilterProp: "label" }}
            options={persons.map(({ account, name }) => ({
              value: account,
              label: `${name} · ${account.slice(0, 6)}…${account.slice(-4)}`,
            }))}
          />
        </Form.Item>
      ) : (
        <Form.Item>
          <Alert
            type="info"
            showIcon
            title={say(kind === "admin" ? "people.admin.note" : "people.clerk.note")}
          />
        </Form.Item>
      )}
      <ByPersonFields />
      <ProblemNote error={employee.error ?? key.error} />
      <Button
        type="primary"
        htmlType="submit"
        block
        className="after"
        loading={employee.isPending || key.isPending}
      >
        {say("people.make")}
      </Button>
    </Form>
  );
}

export function People() {
  const say = useWords();
  const shared = useSharedWords();
  const confirm = useConfirm();
  const session = useSession();
  const keys = useKeys();
  const [adding, setAdding] = useState(false);
  const revoke = useAct((id: string) => ask("DELETE /v1/api-keys/{id}", { params: { id } }), {
    refreshes: [["keys"]],
  });
  const release = useAct(
    (account: string, once) =>
      ask("POST /v1/persons/{account}/leave", { ...once, params: { account } }),
    {
      refreshes: [["keys"]],
    },
  );
  const admin = hasRole(session, "admin");
  const letGo = async (account: string) => {
    const question = {
      title: say("people.release.title"),
      detail: <p>{say("people.release.detail")}</p>,
      final: say("people.release.final"),
      yes: say("people.release"),
    };
    if (await confirm(question)) release.mutate(account);
  };
  const end = async (id: string) => {
    const question = {
      title: say("people.revoke.title"),
      detail: <p>{say("people.revoke.detail", { id })}</p>,
      final: say("people.revoke.final"),
      yes: say("people.revoke"),
    };
    if (await confirm(question)) revoke.mutate(id);
  };
  return (
    <Page
      title={say("people.title")}
      extra={
        admin ? (
          <Button type="primary" icon={<PlusOutlined />} onClick={() => setAdding(true)}>
            {say("people.add")}
          </Button>
        ) : null
      }
    >
      <div className="stack">
        {admin ? null : <Alert type="info" showIcon title={say("people.admin.only")} />}
        <ProblemNote error={revoke.error ?? release.error} />
        <Loaded query={keys} empty={(items) => items.length === 0}>
          {(items) => (
            <Wide label={say("people.title")}>
              <Table<Key>
                size="middle"
                rowKey="id"
                dataSource={items}
                pagination={items.length > 20 ? { pageSize: 20 } : false}
                columns={[
                  {
                    title: say("people.name"),
                    render: (_, { account }) => (
                      <>
                        {account === session.account ? session.name : <Holder account={account} />}
                        <div className="quiet small">
                          <Account account={account} />
                        </div>
                      </>
                    ),
                  },
                  {
                    title: say("people.roles"),
                    render: (_, { roles }) =>
                      roles.map((role) => (
                        <Tag key={role} variant="outlined">
                          {shared(`role.${role as "holder"}`)}
                        </Tag>
                      )),
                  },
                  {
                    title: say("people.key"),
                    render: (_, { id, signIn, signedInAt }) => (
                      <>
                        <code>{id}</code>
                        <SignsIn signIn={signIn} signedInAt={signedInAt} />
                      </>
                    ),
                  },
                  {
                    title: say("people.created"),
                    render: (_, { createdAt }) => <Time at={createdAt} />,
                  },
                  {
                    title: say("col.act"),
                    render: (_, { id, account, revokedAt }) =>
                      revokedAt === undefined ? (
                        <Space wrap>
                          <Button
                            danger
                            size="small"
                            aria-label={say("people.revoke.of", { id })}
                            onClick={() => void end(id)}
                          >
                            {say("people.revoke")}
                          </Button>
                          {admin && account !== session.account ? (
                            <Button
                              danger
                              size="small"
                              aria-label={say("people.release.of", { id })}
                              onClick={() => void letGo(account)}
                            >
                              {say("people.release")}
                            </Button>
                          ) : null}
                        </Space>
                      ) : (
                        <span className="quiet small">
                          {say("people.revoked")} <Time at={revokedAt} />
                        </span>
                      ),
                  },
                ]}
              />
            </Wide>
          )}
        </Loaded>
        <More query={keys} />
      </div>
      <Drawer
        open={adding}
        title={say("people.add")}
        onClose={() => setAdding(false)}
        destroyOnHidden
        size={420}
      >
        <NewKey onClose={() => setAdding(false)} />
      </Drawer>
    </Page>
  );
}
