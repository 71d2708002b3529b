/** Signing in with an API key; in a sandbox, as any of its parties. */
import { LoginOutlined } from "@ant-design/icons";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Alert, Button, Card, Form, Input } from "antd";
import { useLocation, useNavigate } from "react-router";
import { api, ask, Refusal } from "../../shared/client.ts";
import { areas, Page } from "../../shared/frame.tsx";
import type { From } from "../../shared/guard.tsx";
import { useSharedWords } from "../../shared/messages.ts";
import { ProblemNote } from "../../shared/problem.tsx";
import { hasRole, useNameOf, useSigned } from "../../shared/session.tsx";
import { useWords } from "./messages.ts";

/** There outside a sandbox is no such path: then there is nothing to offer. */
async function sandboxParties() {
  try {
    return (await ask(api.GET("/v1/sandbox/parties"))).items;
  } catch (error) {
    if (error instanceof Refusal && error.status === 404) return [];
    throw error;
  }
}

export function Component() {
  const say = useWords();
  const shared = useSharedWords();
  const nameOf = useNameOf();
  const { session, expired, signIn } = useSigned();
  const navigate = useNavigate();
  const from = (useLocation().state as From | null)?.from;
  const parties = useQuery({ queryKey: ["sandbox"], queryFn: sandboxParties, staleTime: 0 });
  const signing = useMutation({
    mutationFn: signIn,
    onSuccess: (next) => navigate(from ?? `/${areas.find(({ role }) => hasRole(next, role))?.name ?? ""}`, { replace: true }),
  });
  return (
    <Page title={say("signIn.title")} narrow>
      <div className="stack">
        {expired && !session ? <Alert type="info" showIcon role="status" title={say("signIn.expired")} /> : null}
        {session ? <Alert type="info" showIcon title={say("signIn.already", { name: nameOf(session) })} /> : null}
        <Card>
          <Form layout="vertical" requiredMark={false} onFinish={({ key }: { key: string }) => signing.mutate(key.trim())}>
            <Form.Item
              name="key"
              label={say("signIn.key")}
              extra={say("signIn.key.help")}
              rules={[{ required: true, whitespace: true, message: say("signIn.missing") }]}
            >
              <Input.Password autoComplete="current-password" size="large" spellCheck={false} />
            </Form.Item>
            <ProblemNote error={signing.error} />
            <Button type="primary" htmlType="submit" size="large" icon={<LoginOutlined />} loading={signing.isPending} className="after">
              {shared("signIn")}
            </Button>
          </Form>
        </Card>
        {parties.data && parties.data.length > 0 ? (
          <Card title={<h2>{say("signIn.sandbox")}</h2>}>
            <p className="quiet">{say("signIn.sandbox.note")}</p>
            <ul className="parties">
              {parties.data.map(({ key, roles, taxId, ...party }) => (
                <li key={key}>
                  <Button block disabled={signing.isPending} onClick={() => signing.mutate(key)}>
                    <span>{nameOf({ ...party, roles })} </span>
                    <span className="quiet small">
                      {roles.map((role) => shared(`role.${role}`)).join(" · ")} {taxId}
                    </span>
                  </Button>
                </li>
              ))}
            </ul>
          </Card>
        ) : null}
      </div>
    </Page>
  );
}
