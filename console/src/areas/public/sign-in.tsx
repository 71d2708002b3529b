/**
 * Signs in with an API key, or at the gateway's identity provider; in a sandbox, as any of its
 * parties.
 */
import { LoginOutlined } from "@ant-design/icons";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Alert, Button, Card, Divider, Form, Input, Spin } from "antd";
import { useEffect, useState } from "react";
import { useLocation, useNavigate } from "react-router";
import { ask, Refusal, type Role } from "../../shared/client.ts";
import { areas, Page } from "../../shared/frame.tsx";
import type { From } from "../../shared/guard.tsx";
import { useSharedWords } from "../../shared/messages.ts";
import { ProblemNote } from "../../shared/problem.tsx";
import { useProvider } from "../../shared/provider.tsx";
import { hasRole, hasSignedOut, useNameOf, useSigned } from "../../shared/session.tsx";
import { useWords } from "./messages.ts";

/** The sandbox's parties. Other gateways do not have this path, and the list stays empty. */
async function sandboxParties() {
  try {
    return (await ask("GET /v1/sandbox/parties")).items;
  } catch (error) {
    if (error instanceof Refusal && error.status === 404) return [];
    throw error;
  }
}

/** What this tab stores while the browser is at the provider. `from`: the page to return to. */
type Left = { flow: string; from?: string };
const LEFT = "onepiao.sign-in";
const leave = (left: Left) => sessionStorage.setItem(LEFT, JSON.stringify(left));
const leftHere = (): Left | undefined =>
  JSON.parse(sessionStorage.getItem(LEFT) ?? "null") ?? undefined;

/**
 * Exchanges the provider's answer in this page's address for the person's identity. `lost`: there
 * is an answer, but this tab did not start the sign-in.
 */
function useReturn() {
  const navigate = useNavigate();
  const [{ query, left }] = useState(() => {
    const params = new URLSearchParams(location.search);
    const answers = params.has("state") && (params.has("code") || params.has("error"));
    return { query: answers ? location.search.slice(1) : undefined, left: leftHere() };
  });
  useEffect(() => {
    if (query === undefined) return;
    // the answer works once: a reload must start again
    sessionStorage.removeItem(LEFT);
    void navigate("/sign-in", { replace: true });
  }, [query, navigate]);
  const answer = useQuery({
    queryKey: ["sign-in", query],
    queryFn: () =>
      ask("POST /v1/sign-in/answer", { body: { flow: left?.flow ?? "", query: query ?? "" } }),
    enabled: query !== undefined && left !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });
  return {
    answer,
    lost: query !== undefined && left === undefined,
    from: query === undefined ? undefined : left?.from,
  };
}

type Party = { key: string; name: string; roles: readonly Role[]; taxId?: string | undefined };

function Parties({
  parties,
  disabled,
  onChoose,
}: {
  parties: readonly Party[];
  disabled: boolean;
  onChoose: (key: string) => void;
}) {
  const shared = useSharedWords();
  const nameOf = useNameOf();
  return (
    <ul className="parties">
      {parties.map(({ key, roles, taxId, ...party }) => (
        <li key={key}>
          <Button block disabled={disabled} onClick={() => onChoose(key)}>
            <span>{nameOf({ ...party, roles })} </span>
            <span className="quiet small">
              {roles.map((role) => shared(`role.${role}`)).join(" · ")} {taxId}
            </span>
          </Button>
        </li>
      ))}
    </ul>
  );
}

export function Component() {
  const say = useWords();
  const shared = useSharedWords();
  const nameOf = useNameOf();
  const { session, expired, signIn } = useSigned();
  const navigate = useNavigate();
  const provider = useProvider();
  const back = useReturn();
  const from = (useLocation().state as From | null)?.from ?? back.from;
  const parties = useQuery({ queryKey: ["sandbox"], queryFn: sandboxParties, staleTime: 0 });
  const signing = useMutation({
    mutationFn: ({ key, proof }: { key: string; proof?: string }) => signIn(key, proof),
    onSuccess: (next) =>
      navigate(from ?? `/${areas.find(({ role }) => hasRole(next, role))?.name ?? ""}`, {
        replace: true,
      }),
  });
  const begin = useMutation({
    mutationFn: () => ask("POST /v1/sign-in", { body: { again: hasSignedOut() } }),
    onSuccess: ({ href, flow }) => {
      leave({ flow, ...(from === undefined ? {} : { from }) });
      location.assign(href);
    },
  });
  const { data: person } = back.answer;
  const only = person?.parties.length === 1 ? person.parties[0] : undefined;
  const { mutate } = signing;
  useEffect(() => {
    if (person && only) mutate({ key: only.key, proof: person.proof });
  }, [person, only, mutate]);
  if (back.answer.isLoading || (only && !signing.isError)) {
    return (
      <Page title={say("signIn.title")} narrow>
        <Card>
          <div className="row" role="status">
            <Spin /> {say("signIn.who")}
          </div>
        </Card>
      </Page>
    );
  }
  return (
    <Page title={say("signIn.title")} narrow>
      <div className="stack">
        {expired && !session ? (
          <Alert type="info" showIcon role="status" title={say("signIn.expired")} />
        ) : null}
        {session ? (
          <Alert type="info" showIcon title={say("signIn.already", { name: nameOf(session) })} />
        ) : null}
        {back.lost ? (
          <Alert type="warning" showIcon role="alert" title={say("signIn.elsewhere")} />
        ) : null}
        <ProblemNote error={back.answer.error ?? begin.error} />
        {person && person.parties.length === 0 ? (
          <Alert
            type="warning"
            showIcon
            role="alert"
            title={say("signIn.nobody", { name: person.name })}
            description={say("signIn.nobody.detail")}
          />
        ) : null}
        {person && person.parties.length > 1 ? (
          <Card title={<h2>{say("signIn.choose")}</h2>}>
            <p className="quiet breaks">{say("signIn.choose.who", { name: person.name })}</p>
            <Parties
              parties={person.parties}
              disabled={signing.isPending}
              onChoose={(key) => signing.mutate({ key, proof: person.proof })}
            />
          </Card>
        ) : null}
        <Card>
          {provider === undefined ? null : (
            <>
              <Button
                type="primary"
                size="large"
                block
                icon={<LoginOutlined />}
                loading={begin.isPending || begin.isSuccess}
                onClick={() => begin.mutate()}
              >
                {say("signIn.provider", { provider })}
              </Button>
              <Divider plain>{say("signIn.or")}</Divider>
            </>
          )}
          <Form
            layout="vertical"
            requiredMark={false}
            onFinish={({ key }: { key: string }) => signing.mutate({ key: key.trim() })}
          >
            <Form.Item
              name="key"
              label={say("signIn.key")}
              extra={say("signIn.key.help")}
              rules={[{ required: true, whitespace: true, message: say("signIn.missing") }]}
            >
              <Input.Password autoComplete="current-password" size="large" spellCheck={false} />
            </Form.Item>
            <ProblemNote error={signing.error} />
            <Button
              type={provider === undefined ? "primary" : "default"}
              htmlType="submit"
              size="large"
              icon={<LoginOutlined />}
              loading={signing.isPending}
              className="after"
            >
              {shared("signIn")}
            </Button>
          </Form>
        </Card>
        {parties.data && parties.data.length > 0 ? (
          <Card title={<h2>{say("signIn.sandbox")}</h2>}>
            <p className="quiet">{say("signIn.sandbox.note")}</p>
            <Parties
              parties={parties.data}
              disabled={signing.isPending}
              onChoose={(key) => signing.mutate({ key })}
            />
          </Card>
        ) : null}
      </div>
    </Page>
  );
}
