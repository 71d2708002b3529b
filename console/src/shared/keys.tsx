/**
 * The API keys of a party: for tills and other software, and for people who sign in at the identity
 * provider. A key's token is shown once.
 */
import { StopOutlined } from "@ant-design/icons";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Button, Card, Checkbox, Form, Table, Tag } from "antd";
import { useState } from "react";
import { useAct } from "./act.ts";
import { ask, type Role } from "./client.ts";
import { useConfirm } from "./confirm.tsx";
import { showFieldErrors } from "./field-errors.ts";
import { useSharedWords } from "./messages.ts";
import { Loaded, More, ProblemNote } from "./problem.tsx";
import { type ByPerson, ByPersonFields, PersonMade, personOf, SignsIn } from "./provider.tsx";
import { Secret } from "./secret.tsx";
import { useSession } from "./session.tsx";
import { Account, Time, Wide } from "./show.tsx";
import { wordsOf } from "./words.ts";

const useWords = wordsOf("keys", {
  "zh-CN": {
    "keys.title": "API 密钥",
    "keys.how":
      "收银系统等软件凭密钥调用接口。密钥代表本单位，请勿写入网页或发给他人。管理员密钥拥有全部角色，并可管理密钥；其他密钥只能授予自身已有的角色。",
    "keys.id": "编号",
    "keys.roles": "角色",
    "keys.roles.missing": "请至少选择一个角色",
    "keys.of": "所属账户：",
    "keys.created": "创建时间",
    "keys.state": "状态",
    "keys.make": "创建密钥",
    "keys.once": "这把密钥只显示这一次",
    "keys.once.detail": "请立即保存到收银系统或密码库。离开本页后无法再次查看。",
    "keys.revoke": "吊销",
    "keys.revoke.one": "吊销密钥 {{id}}",
    "keys.revoke.title": "吊销密钥 {{id}}？",
    "keys.revoke.final":
      "使用此密钥的软件和登录会话将在几秒内失效，且不能恢复。如果您正用它登录，您也会退出登录。",
    "keys.revoked": "已吊销",
  },
  "en-US": {
    "keys.title": "API keys",
    "keys.how":
      "Tills and other software use a key to call the API. A key acts for you: never put it in a web page or an email. An administrator's key has every role and manages keys. Any other key can give only the roles that it has itself.",
    "keys.id": "ID",
    "keys.roles": "Roles",
    "keys.roles.missing": "Choose at least one role",
    "keys.of": "Account:",
    "keys.created": "Created",
    "keys.state": "Status",
    "keys.make": "Create a key",
    "keys.once": "This key is shown only once",
    "keys.once.detail": "Save it in the till or in a password vault now. You cannot see it again.",
    "keys.revoke": "Revoke",
    "keys.revoke.one": "Revoke key {{id}}",
    "keys.revoke.title": "Revoke key {{id}}?",
    "keys.revoke.final":
      "Software and sessions that use this key stop working within seconds, for good. If you are signed in with it, you are signed out.",
    "keys.revoked": "Revoked",
  },
});

const refreshes = [["api-keys"]];
type Wish = ByPerson & { roles: Role[] };

function Make({ first }: { first: Role }) {
  const say = useWords();
  const shared = useSharedWords();
  const { account, roles } = useSession();
  const [form] = Form.useForm<Wish>();
  const [created, setMade] = useState<
    { token: string | undefined } | { person: string } | undefined
  >(undefined);
  const make = useAct(
    ({ roles: chosen, ...by }: Wish, once) =>
      ask("POST /v1/api-keys", { ...once, body: { account, roles: chosen, ...personOf(by) } }),
    {
      refreshes,
    },
  );
  const close = () => setMade(undefined);
  if (created !== undefined && "person" in created)
    return <PersonMade name={created.person} onClose={close} />;
  if (created !== undefined)
    return (
      <Secret
        title={say("keys.once")}
        detail={say("keys.once.detail")}
        text={created.token}
        onClose={close}
      />
    );
  return (
    <Form
      form={form}
      layout="vertical"
      requiredMark={false}
      initialValues={{ roles: [first] }}
      onFinish={(wish) =>
        make.mutate(wish, {
          onSuccess: ({ token }) => {
            const { signIn } = personOf(wish);
            setMade(signIn === undefined ? { token } : { person: signIn });
          },
          onError: (error) => showFieldErrors(form, error),
        })
      }
    >
      <ProblemNote error={make.error} />
      <Form.Item
        name="roles"
        // not `required`: the library would give the group an attribute that groups may not have
        label={say("keys.roles")}
        rules={[
          {
            validator: (_, chosen?: Role[]) =>
              chosen?.length ? Promise.resolve() : Promise.reject(say("keys.roles.missing")),
          },
        ]}
      >
        <Checkbox.Group
          options={roles.map((value) => ({ value, label: shared(`role.${value}`) }))}
        />
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
  const revoke = useAct(() => ask("DELETE /v1/api-keys/{id}", { params: { id } }), { refreshes });
  const end = async () => {
    if (
      await confirm({
        title: say("keys.revoke.title", { id }),
        final: say("keys.revoke.final"),
        yes: say("keys.revoke"),
      })
    )
      revoke.mutate(undefined);
  };
  return (
    <>
      <Button
        size="small"
        icon={<StopOutlined />}
        loading={revoke.isPending}
        onClick={() => void end()}
        aria-label={say("keys.revoke.one", { id })}
      >
        {say("keys.revoke")}
      </Button>
      <ProblemNote error={revoke.error} />
    </>
  );
}

/**
 * The keys that the signed-in account may see, page by page. `first`: the role that a new key has
 * by default. `own`: only the party's own keys, without those of the persons it manages.
 */
export function Keys({ first, own: alone = false }: { first: Role; own?: boolean }) {
  const say = useWords();
  const shared = useSharedWords();
  const { account: own } = useSession();
  const pages = useInfiniteQuery({
    queryKey: ["api-keys", alone],
    queryFn: ({ pageParam }) =>
      ask("GET /v1/api-keys", {
        query: {
          limit: 50,
          ...(alone ? { account: own } : {}),
          ...(pageParam === "" ? {} : { before: pageParam }),
        },
      }),
    initialPageParam: "",
    getNextPageParam: ({ next }) => next,
  });
  const keys = { ...pages, data: pages.data?.pages.flatMap(({ items }) => items) };
  const roleName = (role: string) => shared(`role.${role as Role}`);
  return (
    <Card title={<h2>{say("keys.title")}</h2>}>
      <div className="stack">
        <p className="quiet">{say("keys.how")}</p>
        <Loaded query={keys} empty={(items) => items.length === 0}>
          {(items) => (
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
                  {
                    title: say("keys.created"),
                    render: (_, { createdAt }) => <Time at={createdAt} />,
                  },
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
        <More query={pages} />
        <Make first={first} />
      </div>
    </Card>
  );
}
