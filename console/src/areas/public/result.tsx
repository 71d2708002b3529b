/** What the gateway found, in one plain word and one sentence; folded behind it, how that is proved. */
import { CheckCircleFilled, CloseCircleFilled, ExclamationCircleFilled, QuestionCircleFilled } from "@ant-design/icons";
import { Card, Collapse, Steps } from "antd";
import { useEffect, useRef } from "react";
import { InvoiceNumber, StateTag } from "../../shared/show.tsx";
import { useWords } from "./messages.ts";
import type { Verified } from "./verify.ts";

const looks = {
  valid: ["good", <CheckCircleFilled key="i" />],
  mismatch: ["bad", <CloseCircleFilled key="i" />],
  reversed: ["bad", <ExclamationCircleFilled key="i" />],
  "not-found": ["quiet", <QuestionCircleFilled key="i" />],
  "bad-format": ["quiet", <QuestionCircleFilled key="i" />],
} as const;

const told = ["issued", "claimed", "reimbursed", "reversed"] as const;

export function Result({ verified: { result, number, state, steps } }: { verified: Verified }) {
  const say = useWords();
  const head = useRef<HTMLHeadingElement>(null);
  const [look, icon] = looks[result];
  const known = told.find((one) => one === state);
  // the answer is what the person waits for: read out, and where the keyboard goes on
  useEffect(() => head.current?.focus(), []);
  return (
    <Card>
      <div className="stack">
        <section className={`verdict verdict-${look}`} aria-label={say("verify.result")}>
          <span className="verdict-icon">{icon}</span>
          <div>
            <h2 ref={head} tabIndex={-1}>
              {say(`verify.${result}`)}
            </h2>
            <p>
              {say(`verify.${result}.detail`)} {result === "valid" && known ? say(`verify.state.${known}`) : null}
            </p>
          </div>
        </section>
        {number === undefined ? null : (
          <div className="row">
            <InvoiceNumber number={number} copyable /> {state === undefined ? null : <StateTag state={state} />}
          </div>
        )}
        {steps === undefined || steps.length === 0 ? null : (
          <Collapse
            items={[
              {
                key: "proof",
                label: say("verify.proof"),
                children: (
                  <>
                    <p className="quiet">{say("verify.proof.how")}</p>
                    <Steps
                      orientation="vertical"
                      size="small"
                      items={steps.map(({ step, ok, detail }) => ({
                        title: step,
                        content: <span className="breaks">{detail}</span>,
                        status: ok ? ("finish" as const) : ("error" as const),
                      }))}
                    />
                  </>
                ),
              },
            ]}
          />
        )}
      </div>
    </Card>
  );
}
