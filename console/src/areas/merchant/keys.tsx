/** API keys of this party: for tills and other software. A key's token is shown once. */
import { StopOutlined } from "@ant-design/icons";
import { useQuery } from "@tanstack/react-query";
import { Button, Card, Checkbox, Form, Table, Tag } from "antd";
import { useState } from "react";
import { useAct } from "../../shared/act.ts";
import { api, ask, type Role } from "../../shared/client.ts";
import { useConfirm } from "../../shared/confirm.tsx";
import { showFieldErrors } from "../../shared/field-errors.ts";
import { useSharedWords } from "../../shared/messages.ts";
import { Loaded, ProblemNote } from "../../shared/problem.tsx";
import { type ByPerson, ByPersonFields, PersonMade, personOf, SignsIn } from "../../shared/provider.tsx";
import { useSession } from "../../shared/session.tsx";
import { Account, Time, Wide } from "../../shared/show.tsx";
import { useWords } from "./messages.ts";
import { Secret } from "./secret.tsx";

const refreshes = [["api-keys"]];
type Wish = ByPerson & { roles: Role[] };

function Make() {
  const say = useWords();
  const shared = useSharedWords();
  const { account, roles } = useSession();
  const [form] = Form.useForm<Wish>();
  const [made, setMade] = useState<{ token: string } | { person: string } | undefined>(undefined);
  const make = useAct(
    ({ roles: wanted, ...by }: Wish, once) => ask(api.POST("/v1/api-keys", { params: { header: once }, body: { account, roles: wanted, ...personOf(by) } })),
    { refreshes },
  );
  const close = () => setMade(undefined);
  if (made !== undefined && "person" in made) return <PersonMade name={made.person} onClose={close} />;
  if (made !== undefined) return <Secret title={say("keys.once")} detail={say("keys.once.detail")} text={made.token} onClose={close} />;
  return (
    <Form
      form={form}
      layout="vertical"
      requiredMark={false}
      initialValues={{ roles: ["issuer"] }}
      onFinish={(wish) =>
        make.mutate(wish, {
          onSuccess: ({ token }) => setMade(token === undefined ? { person: personOf(wish).signIn ?? "" } : { token }),
          onError: (error) => showFieldErrors(form, error),
        })
      }
    >
      <ProblemNote error={make.error} />
      <Form.Item
        name="roles"
        label={say("keys.roles")} // "required" would put an attribute on the group that groups may not have
        rules={[{ validator: (_, chosen?: Role[]) => (chosen?.length ? Promise.resolve() : Promise.reject(say("keys.roles.missing"))) }]}
      >
        <Checkbox.Group options={roles.map((value) => ({ value, label: shared(`role.${value}`) }))} />
      </Form.Item>
      <ByPersonFields />
      <Button htmlType="submit" loading={make.isPending}>
        {say("keys.make")}
      </Button>
    </Form>
  );
}

function Revoke({ id }: { id: string }) {
  const say = useWords();
  const confirm = useConfirm();
  const revoke = useAct(() => ask(api.DELETE("/v1/api-keys/{id}", { params: { path: { id } } })), { refreshes });
  const end = async () => {
    if (await confirm({ title: say("keys.revoke.title", { id }), final: say("keys.revoke.final"), yes: say("keys.revoke") })) revoke.mutate(undefined);
  };
  return (
    <>
      <Button size="small" icon={<StopOutlined />} loading={revoke.isPending} onClick={() => void end()} aria-label={say("keys.revoke.one", { id })}>
        {say("keys.revoke")}
      </Button>
      <ProblemNote error={revoke.error} />
    </>
  );
}

export function Keys() {
  const say = useWords();
  const shared = useSharedWords();
  const { account: own } = useSession();
  const keys = useQuery({ queryKey: ["api-keys"], queryFn: () => ask(api.GET("/v1/api-keys")) });
  const roleName = (role: string) => shared(`role.${role as Role}`);
  return (
    <Card title={<h2>{say("keys.title")}</h2>}>
      <div className="stack">
        <p className="quiet">{say("keys.how")}</p>
        <Loaded of={keys} empty={({ items }) => items.length === 0}>
          {({ items }) => (
            <Wide label={say("keys.title")}>
              <Table
                rowKey="id"
                size="small"
                pagination={items.length > 10 ? { pageSize: 10 } : false}
                dataSource={items}
                columns={[
                  {
                    title: say("keys.id"),
                    render: (_, { id, signIn, signedInAt }) => (
                      <>
                        <code>{id}</code>
                        <SignsIn signIn={signIn} signedInAt={signedInAt} />
                      </>
                    ),
                  },
                  {
                    title: say("keys.roles"),
                    render: (_, { roles, account }) => (
                      <>
                        {roles.map(roleName).join(" · ")}
                        {account === own ? null : (
                          <div className="quiet small">
                            {say("keys.of")} <Account account={account} />
                          </div>
                        )}
                      </>
                    ),
                  },
                  { title: say("keys.created"), render: (_, { createdAt }) => <Time at={createdAt} /> },
                  {
                    title: say("keys.state"),
                    render: (_, { id, revokedAt }) =>
                      revokedAt === undefined ? (
                        <Revoke id={id} />
                      ) : (
                        <Tag variant="filled">
                          {say("keys.revoked")} <Time at={revokedAt} date />
                        </Tag>
                      ),
                  },
                ]}
              />
            </Wide>
          )}
        </Loaded>
        <Make />
      </div>
    </Card>
  );
}
