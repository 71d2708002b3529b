/**
 * The result of a verification, in a word and a sentence. Folded behind it: how it is proved, and
 * what is not proved.
 */
import {
  CheckCircleFilled,
  CloseCircleFilled,
  ExclamationCircleFilled,
  QuestionCircleFilled,
} from "@ant-design/icons";
import { Alert, Card, Collapse, Descriptions, Steps } from "antd";
import { type ReactNode, useEffect, useRef } from "react";
import { formatAmount } from "../../shared/amounts.ts";
import { Refusal } from "../../shared/client.ts";
import { BrokenRules, useProblemWords } from "../../shared/problem.tsx";
import { InvoiceNumber, StateTag, Time } from "../../shared/show.tsx";
import { shownTexts } from "./answers.ts";
import type { OnDevice } from "./device.ts";
import { type Elsewhere, ElsewhereParts } from "./elsewhere.tsx";
import { useWords } from "./messages.ts";
import type { Answer, Verified } from "./verify.ts";

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
  "not-sealed": ["busy", careful],
  elsewhere: ["quiet", open],
  sealed: ["busy", careful],
  unattributed: ["quiet", open],
  altered: ["bad", no],
  contradictory: ["bad", no],
  "other-network": ["quiet", open],
  "not-the-issuers": ["bad", no],
  "not-on-chain": ["bad", no],
};
const statuses = { ok: "finish", failed: "error", "not-checked": "wait" } as const;

/** Statements with a text of our own. Others keep the gateway's text. */
const known = [
  "content",
  "printed",
  "issuer",
  "identity",
  "chain",
  "state",
  "hidden",
  "bearer",
  "truth",
  "gateway",
  "pages",
] as const;
const isKnown = (code: string): code is (typeof known)[number] =>
  (known as readonly string[]).includes(code);
function Statements({ title, statements }: { title: string; statements: Verified["proven"] }) {
  const say = useWords();
  if (statements.length === 0) return null;
  return (
    <section>
      <h3>{title}</h3>
      <ul className="statements">
        {statements.map(({ code, detail }) => (
          <li key={code}>{isKnown(code) ? say(`statement.${code}`) : detail}</li>
        ))}
      </ul>
    </section>
  );
}

type Shown = NonNullable<Extract<Verified, { steps: unknown }>["shown"]>;

/**
 * The sealed content of the file, to compare with the paper. `unproven`: nothing but the file says
 * who the parties are.
 */
function ShownParts({ shown, unproven }: { shown: Shown; unproven: boolean }) {
  const say = useWords();
  const { date, seller, buyer, total, currency, lines, remark } = shownTexts(shown);
  const party = (text: string | undefined) =>
    text === undefined ? undefined : text + (unproven ? say("shown.unproven") : "");
  const items = [
    ["shown.date", date],
    ["shown.seller", party(seller)],
    ["shown.buyer", party(buyer)],
    ["shown.total", total === undefined ? undefined : formatAmount(total, currency)],
    ["shown.lines", lines],
    ["shown.remark", remark],
  ] as const;
  const present = items.filter(([, value]) => value !== undefined);
  if (present.length === 0) return null;
  return (
    <section>
      <h3>{say("shown")}</h3>
      <Descriptions
        column={1}
        size="small"
        bordered
        classNames={{ label: "nowrap" }}
        items={present.map(([key, children]) => ({ key, label: say(key), children }))}
      />
    </section>
  );
}

/**
 * What this device found on its own. `alone`: no gateway answered, so the keys that this device
 * remembers are all there is.
 */
function OnThisDevice({
  device: { holds, issuer },
  alone,
  failure,
}: {
  device: OnDevice;
  alone: boolean;
  failure: unknown;
}) {
  const say = useWords();
  const words = useProblemWords();
  const confirmation = alone ? issuer?.confirmation : undefined;
  return (
    <Alert
      type={!holds ? "error" : confirmation?.kind === "other" ? "warning" : "info"}
      showIcon
      role="status"
      title={say(holds ? "device.holds" : "device.fails")}
      description={
        holds ? (
          <div className="stack">
            {issuer === undefined ? null : (
              <div className="breaks">
                {confirmation &&
                  say(`device.${confirmation.kind}`, {
                    index: issuer.sealed.index,
                    taxId: issuer.sealed.taxId,
                    name: issuer.sealed.name,
                  })}{" "}
                {confirmation?.kind === "known" ? <Time at={confirmation.at} /> : null}
                <div className="small">
                  {say("device.key")} <code>{issuer.sealed.key}</code>
                </div>
              </div>
            )}
            {alone ? <div>{say("device.alone")}</div> : null}
            {failure instanceof Refusal && failure.code !== "offline" ? (
              <div>{words(failure).title}</div>
            ) : null}
          </div>
        ) : undefined
      }
    />
  );
}

export function Result({ answer }: { answer: Answer }) {
  const say = useWords();
  const device = answer.device;
  const verified = "verified" in answer ? answer.verified : answer.device.verdict;
  const { result, number, state, proven, notProven, asOf } = verified;
  const steps = "steps" in verified ? verified.steps : [];
  const contradictions = "contradictions" in verified ? verified.contradictions : [];
  const shown = "shown" in verified ? verified.shown : undefined;
  const elsewhere: Elsewhere = "steps" in verified ? {} : verified;
  const isOutside = elsewhere.askAt !== undefined || elsewhere.registered !== undefined;
  const head = useRef<HTMLHeadingElement>(null);
  const [look, icon] = looks[result];
  // the result is what the person waits for: it gets the focus and is read out
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
              {say(isOutside ? "result.outside.detail" : `result.${result}.detail`)}{" "}
              {state !== undefined && (result === "valid" || result === "adjusted")
                ? say(`state.${state}`)
                : null}
            </p>
          </div>
        </section>
        {device === undefined ? null : (
          <OnThisDevice
            device={device}
            alone={!("verified" in answer)}
            failure={"failure" in answer ? answer.failure : undefined}
          />
        )}
        {number === undefined ? null : (
          <div className="row">
            <InvoiceNumber number={number} copyable />{" "}
            {state === undefined ? null : <StateTag state={state} />}
          </div>
        )}
        <ElsewhereParts answer={elsewhere} />
        {contradictions.length === 0 ? null : (
          <section className="breaks">
            <h3>{say("contradictions")}</h3>
            <BrokenRules rules={contradictions} />
          </section>
        )}
        {shown === undefined ? null : (
          <ShownParts shown={shown} unproven={result === "unattributed"} />
        )}
        {steps.length === 0 && asOf === undefined ? null : (
          <Collapse
            items={[
              {
                key: "proof",
                label: say("verify.proof"),
                children: (
                  <div className="stack">
                    <p className="quiet">
                      {say(steps.length === 0 ? "verify.compared" : "verify.proof.how")}
                    </p>
                    <Steps
                      orientation="vertical"
                      size="small"
                      items={steps.map(({ step, outcome, detail }) => ({
                        title: `${say(`step.${step}`)}: ${say(`outcome.${outcome}`)}`,
                        content: <span className="quiet small breaks">{detail}</span>,
                        status: statuses[outcome],
                      }))}
                    />
                    <Statements title={say("proven")} statements={proven} />
                    <Statements title={say("notProven")} statements={notProven} />
                    {asOf === undefined ? null : (
                      <div className="quiet small">
                        {say("verify.asOf", { block: asOf.block })} · <Time at={asOf.time} />
                      </div>
                    )}
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
