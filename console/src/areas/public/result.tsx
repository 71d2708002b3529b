/** What the gateway found, in one plain word and one sentence; folded behind it, how that is proved and what is not. */
import { CheckCircleFilled, CloseCircleFilled, ExclamationCircleFilled, QuestionCircleFilled } from "@ant-design/icons";
import { Card, Collapse, Steps } from "antd";
import { type ReactNode, useEffect, useRef } from "react";
import { InvoiceNumber, StateTag } from "../../shared/show.tsx";
import { useWords } from "./messages.ts";
import type { Verified } from "./verify.ts";

const yes = <CheckCircleFilled />;
const no = <CloseCircleFilled />;
const careful = <ExclamationCircleFilled />;
const open = <QuestionCircleFilled />;
const looks: Record<Verified["result"], [look: string, icon: ReactNode]> = {
  valid: ["good", yes],
  adjusted: ["busy", careful],
  reversed: ["bad", careful],
  mismatch: ["bad", no],
  "not-found": ["quiet", open],
  "bad-format": ["quiet", open],
  sealed: ["busy", careful],
  unattributed: ["quiet", open],
  altered: ["bad", no],
  "other-network": ["quiet", open],
  "not-the-issuers": ["bad", no],
  "not-on-chain": ["bad", no],
};
const statuses = { ok: "finish", failed: "error", "not-checked": "wait" } as const;

function Statements({ title, of }: { title: string; of: NonNullable<Verified["proven"]> }) {
  const say = useWords();
  if (of.length === 0) return null;
  return (
    <section>
      <h3>{title}</h3>
      <ul className="statements">
        {of.map(({ code, detail }) => (
          <li key={code}>
            {say(`statement.${code}`)}
            {code === "hidden" || code === "state" ? <div className="quiet small breaks">{detail}</div> : null}
          </li>
        ))}
      </ul>
    </section>
  );
}

export function Result({ verified: { result, number, state, steps = [], proven = [], notProven = [] } }: { verified: Verified }) {
  const say = useWords();
  const head = useRef<HTMLHeadingElement>(null);
  const [look, icon] = looks[result];
  // the answer is what the person waits for: read out, and where the keyboard goes on
  useEffect(() => head.current?.focus(), []);
  return (
    <Card>
      <div className="stack">
        <section className={`verdict verdict-${look}`} aria-label={say("verify.result")}>
          <span className="verdict-icon">{icon}</span>
          <div>
            <h2 ref={head} tabIndex={-1}>
              {say(`result.${result}`)}
            </h2>
            <p>
              {say(`result.${result}.detail`)} {state !== undefined && (result === "valid" || result === "adjusted") ? say(`state.${state}`) : null}
            </p>
          </div>
        </section>
        {number === undefined ? null : (
          <div className="row">
            <InvoiceNumber number={number} copyable /> {state === undefined ? null : <StateTag state={state} />}
          </div>
        )}
        {steps.length === 0 ? null : (
          <Collapse
            items={[
              {
                key: "proof",
                label: say("verify.proof"),
                children: (
                  <div className="stack">
                    <p className="quiet">{say("verify.proof.how")}</p>
                    <Steps
                      orientation="vertical"
                      size="small"
                      items={steps.map(({ step, outcome, detail }) => ({
                        title: `${say(`step.${step}`)}: ${say(`outcome.${outcome}`)}`,
                        content: <span className="quiet small breaks">{detail}</span>,
                        status: statuses[outcome],
                      }))}
                    />
                    <Statements title={say("proven")} of={proven} />
                    <Statements title={say("notProven")} of={notProven} />
                  </div>
                ),
              },
            ]}
          />
        )}
      </div>
    </Card>
  );
}
