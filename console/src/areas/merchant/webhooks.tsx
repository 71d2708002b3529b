/** Webhooks: events sent to the issuer's own software. */
import { useQuery } from "@tanstack/react-query";
import { Button, Card, Form, Input, Select } from "antd";
import { useState } from "react";
import { Link } from "react-router";
import { useAct } from "../../shared/act.ts";
import { ask, type Schemas } from "../../shared/client.ts";
import { showFieldErrors } from "../../shared/field-errors.ts";
import { Page } from "../../shared/frame.tsx";
import { Keys } from "../../shared/keys.tsx";
import { Loaded, ProblemNote } from "../../shared/problem.tsx";
import { Secret } from "../../shared/secret.tsx";
import { StateTag } from "../../shared/show.tsx";
import { useWords } from "./messages.ts";

type Webhook = Schemas["Webhook"];
type WebhookWish = { url: string; description?: string; types?: string[] };

/** The event types that an issuer's key sees (docs/events.md). */
const types = [
  "invoice.issued",
  "invoice.adjusted",
  "invoice.reversed",
  "quota.set",
  "quota.drawn",
  "quota.given-back",
  "segment.allotted",
  "taxpayer.enrolled",
  "taxpayer.suspended",
  "taxpayer.reinstated",
  "key.rotated",
  "ledger.closed",
  "ledger.opened",
] as const;

export const WebhookState = ({ status }: Pick<Webhook, "status">) => (
  <StateTag state={status === "active" ? "active" : "suspended"} />
);

function Make() {
  const say = useWords();
  const [form] = Form.useForm<WebhookWish>();
  const [created, setMade] = useState<{ secret: string | undefined } | undefined>(undefined);
  const make = useAct(
    ({ url, description, types: chosen }: WebhookWish, once) =>
      ask("POST /v1/webhooks", {
        ...once,
        body: {
          url: url.trim(),
          ...(description?.trim() ? { description: description.trim() } : {}),
          ...(chosen?.length ? { types: chosen as (typeof types)[number][] } : {}),
        },
      }),
    { refreshes: [["webhooks"]] },
  );
  if (created !== undefined)
    return (
      <Secret
        title={say("hooks.once")}
        detail={say("hooks.once.detail")}
        text={created.secret}
        onClose={() => setMade(undefined)}
      />
    );
  return (
    <Form
      form={form}
      layout="vertical"
      requiredMark={false}
      onFinish={(values) =>
        make.mutate(values, {
          onSuccess: ({ secret }) => setMade({ secret }),
          onError: (error) => showFieldErrors(form, error),
        })
      }
    >
      <ProblemNote error={make.error} />
      <div className="two">
        <Form.Item
          name="url"
          label={say("hooks.url")}
          extra={say("hooks.url.help")}
          rules={[{ required: true, whitespace: true, message: say("hooks.url.missing") }]}
        >
          <Input
            type="url"
            maxLength={2_000}
            placeholder="https://pos.example.com/hooks/onepiao"
            autoComplete="off"
          />
        </Form.Item>
        <Form.Item name="description" label={say("hooks.description")}>
          <Input maxLength={200} />
        </Form.Item>
      </div>
      <Form.Item name="types" label={say("hooks.types")} extra={say("hooks.types.help")}>
        <Select
          mode="multiple"
          allowClear
          options={types.map((value) => ({ value, label: value }))}
        />
      </Form.Item>
      <Button htmlType="submit" loading={make.isPending}>
        {say("hooks.make")}
      </Button>
    </Form>
  );
}

function Webhooks() {
  const say = useWords();
  const webhooks = useQuery({ queryKey: ["webhooks"], queryFn: () => ask("GET /v1/webhooks") });
  return (
    <Card title={<h2>{say("hooks.title")}</h2>}>
      <div className="stack">
        <p className="quiet">{say("hooks.how")}</p>
        <Loaded
          query={webhooks}
          empty={({ items }) => items.length === 0}
          nothing={say("hooks.none")}
        >
          {({ items }) => (
            <ul className="plain-list">
              {items.map(({ id, url, description, status, failures }) => (
                <li key={id} className="row between">
                  <span className="breaks grows">
                    <Link to={`/merchant/webhooks/${id}`}>{url}</Link>
                    {description === undefined ? null : (
                      <span className="quiet small block">{description}</span>
                    )}
                  </span>
                  <span className="row">
                    {failures > 0 ? (
                      <span className="quiet">{say("hooks.failures", { count: failures })}</span>
                    ) : null}
                    <WebhookState status={status} />
                  </span>
                </li>
              ))}
            </ul>
          )}
        </Loaded>
        <Make />
      </div>
    </Card>
  );
}

export function Connections() {
  const say = useWords();
  return (
    <Page title={say("connections.title")}>
      <div className="halves-grid">
        <Webhooks />
        <Keys first="issuer" />
      </div>
    </Page>
  );
}
