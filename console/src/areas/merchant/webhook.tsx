/** A webhook: its state, its delivery log, and its acts. */
import { CheckCircleOutlined, CloseCircleOutlined } from "@ant-design/icons";
import { useQuery } from "@tanstack/react-query";
import { Alert, App, Button, Card, Descriptions, Form, Input, Table, Tag } from "antd";
import { useState } from "react";
import { useNavigate, useParams } from "react-router";
import { useAct } from "../../shared/act.ts";
import { ask, type Schemas } from "../../shared/client.ts";
import { useConfirm } from "../../shared/confirm.tsx";
import { showFieldErrors } from "../../shared/field-errors.ts";
import { Page } from "../../shared/frame.tsx";
import { Loaded, ProblemNote } from "../../shared/problem.tsx";
import { Secret } from "../../shared/secret.tsx";
import { Time, Wide } from "../../shared/show.tsx";
import { useWords } from "./messages.ts";
import { WebhookState } from "./webhooks.tsx";

type Webhook = Schemas["WebhookWithAttempts"];
/** Fetches at this interval, because deliveries have no events. */
const LOOK_AGAIN_MS = 5_000;
const refreshes = [["webhooks"]];

function Steer({
  webhook,
  onSecret,
}: {
  webhook: Webhook;
  onSecret: (shown: { secret: string | undefined }) => void;
}) {
  const say = useWords();
  const confirm = useConfirm();
  const navigate = useNavigate();
  const { id, status } = webhook;
  const path = { id };
  const turn = useAct(
    (word: "enable" | "disable", once) =>
      ask(`POST /v1/webhooks/{id}/${word}` as const, { params: path, ...once }),
    {
      refreshes,
    },
  );
  const rotate = useAct(
    (_: undefined, once) => ask("POST /v1/webhooks/{id}/rotate-secret", { params: path, ...once }),
    { refreshes },
  );
  const forget = useAct(() => ask("DELETE /v1/webhooks/{id}", { params: path }));
  const fresh = async () => {
    if (
      await confirm({
        title: say("hook.rotate.title"),
        detail: <p>{say("hook.rotate.detail")}</p>,
        yes: say("hook.rotate"),
      })
    )
      rotate.mutate(undefined, { onSuccess: ({ secret }) => onSecret({ secret }) });
  };
  const end = async () => {
    if (
      await confirm({
        title: say("hook.forget.title"),
        final: say("hook.forget.final"),
        yes: say("hook.forget"),
      })
    )
      forget.mutate(undefined, { onSuccess: () => void navigate("/merchant/connections") });
  };
  return (
    <>
      <ProblemNote error={turn.error ?? rotate.error ?? forget.error} />
      <div className="row">
        <Button
          type={status === "disabled" ? "primary" : "default"}
          loading={turn.isPending}
          onClick={() => turn.mutate(status === "active" ? "disable" : "enable")}
        >
          {say(status === "active" ? "hook.disable" : "hook.enable")}
        </Button>
        <Button loading={rotate.isPending} onClick={() => void fresh()}>
          {say("hook.rotate")}
        </Button>
        <Button danger loading={forget.isPending} onClick={() => void end()}>
          {say("hook.forget")}
        </Button>
      </div>
    </>
  );
}

function Replay({ id }: { id: string }) {
  const say = useWords();
  const { message } = App.useApp();
  const [form] = Form.useForm<{ after: string }>();
  const replay = useAct(
    (after: string, once) =>
      ask("POST /v1/webhooks/{id}/replay", { params: { id }, ...once, body: { after } }),
    {
      refreshes,
    },
  );
  return (
    <Form
      form={form}
      layout="vertical"
      requiredMark={false}
      initialValues={{ after: "0" }}
      onFinish={({ after }) =>
        replay.mutate(after.trim(), {
          onSuccess: () => void message.success(say("hook.replay.done")),
          onError: (error) => showFieldErrors(form, error),
        })
      }
    >
      <ProblemNote error={replay.error} />
      <div className="find">
        <Form.Item
          name="after"
          label={say("hook.replay.after")}
          extra={say("hook.replay.help")}
          rules={[{ required: true, pattern: /^\s*\d{1,30}\s*$/, message: say("hook.replay.bad") }]}
        >
          <Input inputMode="numeric" maxLength={30} className="number" />
        </Form.Item>
        <Button htmlType="submit" loading={replay.isPending}>
          {say("hook.replay")}
        </Button>
      </div>
    </Form>
  );
}

function Attempts({ attempts }: { attempts: Webhook["attempts"] }) {
  const say = useWords();
  if (attempts.length === 0) return <p className="quiet">{say("hook.attempts.none")}</p>;
  return (
    <Wide label={say("hook.attempts")}>
      <Table
        rowKey={({ at, event = "" }) => at + event}
        size="small"
        pagination={{ pageSize: 10, hideOnSinglePage: true }}
        dataSource={attempts}
        columns={[
          { title: say("hook.attempt.at"), render: (_, { at }) => <Time at={at} /> },
          {
            title: say("hook.attempt.outcome"),
            render: (_, { status, error }) => (
              <Tag
                icon={error === undefined ? <CheckCircleOutlined /> : <CloseCircleOutlined />}
                variant="outlined"
                className={`state state-${error === undefined ? "good" : "bad"}`}
              >
                {[
                  error === undefined ? say("hook.attempt.good") : say("hook.attempt.bad"),
                  status,
                  error,
                ]
                  .filter((word) => word !== undefined)
                  .join(" · ")}
              </Tag>
            ),
          },
          {
            title: say("hook.attempt.event"),
            render: (_, { event }) =>
              event === undefined ? (
                say("hook.attempt.test")
              ) : (
                <span className="number">{event}</span>
              ),
          },
          { title: say("hook.attempt.ms"), align: "right", dataIndex: "milliseconds" },
        ]}
      />
    </Wide>
  );
}

export function WebhookPage() {
  const say = useWords();
  const { id = "" } = useParams();
  const [shown, setShown] = useState<{ secret: string | undefined } | undefined>(undefined);
  const webhook = useQuery({
    queryKey: ["webhooks", id],
    queryFn: () => ask("GET /v1/webhooks/{id}", { params: { id } }),
    refetchInterval: LOOK_AGAIN_MS,
  });
  return (
    <Page title={say("hook.title")}>
      <Loaded query={webhook}>
        {(details) => (
          <div className="stack">
            {shown === undefined ? null : (
              <Secret
                title={say("hooks.once")}
                detail={say("hook.rotated.detail")}
                text={shown.secret}
                onClose={() => setShown(undefined)}
              />
            )}
            {details.reason === undefined ? null : (
              <Alert
                type={details.reason === "party" ? "info" : "error"}
                showIcon
                role="status"
                title={say(`hook.reason.${details.reason}`)}
              />
            )}
            <Card>
              <div className="stack">
                <div className="row between">
                  <strong className="breaks">{details.url}</strong>
                  <WebhookState status={details.status} />
                </div>
                <Descriptions
                  column={{ xs: 1, md: 2 }}
                  size="small"
                  items={[
                    {
                      key: "types",
                      label: say("hooks.types"),
                      children: details.types?.join(", ") ?? say("hooks.types.all"),
                    },
                    ...(details.description === undefined
                      ? []
                      : [
                          {
                            key: "description",
                            label: say("hooks.description"),
                            children: details.description,
                          },
                        ]),
                    {
                      key: "position",
                      label: say("hook.position"),
                      children: <span className="number">{details.position}</span>,
                    },
                    { key: "failures", label: say("hook.failures"), children: details.failures },
                    ...(details.nextAttemptAt === undefined
                      ? []
                      : [
                          {
                            key: "next",
                            label: say("hook.next"),
                            children: <Time at={details.nextAttemptAt} />,
                          },
                        ]),
                    ...(details.oldSecretUntil === undefined
                      ? []
                      : [
                          {
                            key: "old",
                            label: say("hook.oldSecret"),
                            children: <Time at={details.oldSecretUntil} />,
                          },
                        ]),
                  ]}
                />
                <Steer webhook={details} onSecret={setShown} />
              </div>
            </Card>
            <Card title={<h2>{say("hook.attempts")}</h2>}>
              <Attempts attempts={details.attempts} />
            </Card>
            <Card title={<h2>{say("hook.replay.title")}</h2>}>
              <Replay id={id} />
            </Card>
          </div>
        )}
      </Loaded>
    </Page>
  );
}
