/**
 * Picks up an untitled invoice by scanning its code, from a picture, or by a link. The secret
 * stands behind the link's `#`. The page removes it from the address bar as soon as it is read, and
 * sends it only in the body of the request.
 */
import { Alert, Button, Card, Form, Input, Result } from "antd";
import { useEffect, useState } from "react";
import { useLocation, useNavigate } from "react-router";
import { useAct } from "../../shared/act.ts";
import { ButtonLink } from "../../shared/button-link.tsx";
import { ask } from "../../shared/client.ts";
import { Page } from "../../shared/frame.tsx";
import { linkWith, type Pickup as PickupContent, readPickup } from "../../shared/links.ts";
import { ProblemNote } from "../../shared/problem.tsx";
import { Scanner } from "../../shared/scanner.tsx";
import { InvoiceNumber } from "../../shared/show.tsx";
import { useWords } from "./messages.ts";

export function Pickup() {
  const say = useWords();
  const { hash } = useLocation();
  const navigate = useNavigate();
  const [scanned, setScanned] = useState<PickupContent | undefined>(undefined);
  const [unknown, setUnknown] = useState(false);
  const take = useAct(
    (pickup: PickupContent, once) => ask("POST /v1/pickups", { ...once, body: pickup }),
    {
      refreshes: [["invoices"]],
    },
  );

  const read = (text: string): boolean => {
    const pickup = readPickup(text);
    setUnknown(pickup === undefined);
    if (pickup === undefined) return false;
    setScanned(pickup);
    take.reset();
    return true;
  };

  useEffect(() => {
    if (hash === "") return;
    const pickup = readPickup(linkWith(hash));
    setScanned(pickup);
    setUnknown(pickup === undefined);
    navigate("/holder/pickup", { replace: true });
  }, [hash, navigate]);

  if (take.data) {
    const pending = "operation" in take.data;
    return (
      <Page title={say("pickup.title")} narrow>
        <Result
          status={pending ? "info" : "success"}
          title={pending ? say("pickup.pending") : say("pickup.done", { number: take.data.number })}
          extra={[
            <ButtonLink
              key="show"
              to={`/holder/invoices/${take.data.number}`}
              type="primary"
              disabled={pending}
            >
              {say("pickup.show")}
            </ButtonLink>,
            <Button
              key="other"
              onClick={() => {
                take.reset();
                setScanned(undefined);
              }}
            >
              {say("pickup.other")}
            </Button>,
          ]}
        />
      </Page>
    );
  }
  return (
    <Page title={say("pickup.title")} narrow>
      <div className="stack">
        <p className="quiet">{say("pickup.how")}</p>
        {scanned ? (
          <Card title={<h2>{say("pickup.found")}</h2>}>
            <div className="stack">
              <InvoiceNumber number={scanned.number} />
              <ProblemNote error={take.error} />
              <div className="row">
                <Button
                  type="primary"
                  size="large"
                  loading={take.isPending}
                  onClick={() => take.mutate(scanned)}
                >
                  {say("pickup.take")}
                </Button>
                <Button size="large" onClick={() => setScanned(undefined)}>
                  {say("pickup.other")}
                </Button>
              </div>
            </div>
          </Card>
        ) : (
          <>
            {unknown ? (
              <Alert type="warning" showIcon role="alert" title={say("pickup.unknown")} />
            ) : null}
            <Card>
              <Scanner onText={read} />
            </Card>
            <Card>
              <Form
                layout="vertical"
                requiredMark={false}
                onFinish={({ link }: { link: string }) => read(link)}
              >
                <Form.Item
                  name="link"
                  label={say("pickup.link")}
                  extra={say("pickup.link.help")}
                  rules={[{ required: true, message: say("pickup.unknown") }]}
                >
                  <Input autoComplete="off" spellCheck={false} />
                </Form.Item>
                <Button htmlType="submit" className="after">
                  {say("pickup.read")}
                </Button>
              </Form>
            </Card>
          </>
        )}
      </div>
    </Page>
  );
}
