/**
 * Explains a refusal because somebody else was faster: what they did, when, and what this attempt
 * did and did not do. Other refusals are shown as everywhere else.
 */
import { Alert, Typography } from "antd";
import { Link } from "react-router";
import { Refusal } from "../../shared/client.ts";
import { ProblemNote } from "../../shared/problem.tsx";
import { StateTag, Time } from "../../shared/show.tsx";
import { useLanguage } from "../../shared/words.ts";
import { useWords } from "./messages.ts";

const overtaken = [
  "already-reimbursed",
  "already-claimed",
  "already-entered",
  "external-conflict",
  "external-registered",
  "claim-state",
] as const;
type Overtaken = (typeof overtaken)[number];
type Original = {
  number?: string;
  id?: string;
  state?: string;
  since?: string;
  mark?: string;
  claim?: string;
};

const isOvertaken = (code: string): code is Overtaken =>
  (overtaken as readonly string[]).includes(code);

export function Refused({ error }: { error: unknown }) {
  const say = useWords();
  const [language] = useLanguage();
  if (!(error instanceof Refusal) || !isOvertaken(error.code)) return <ProblemNote error={error} />;
  const original = (error.problem?.["original"] ?? {}) as Original;
  const differs = (error.problem?.["differs"] ?? []) as ("seller" | "date" | "total")[];
  const mark = original.mark === "02" || original.mark === "03" ? original.mark : undefined;
  return (
    <Alert
      className="problem"
      type={error.code === "external-registered" || error.code === "claim-state" ? "info" : "error"}
      showIcon
      role="alert"
      title={say(`refused.${error.code}`)}
      description={
        <>
          <div className="row">
            {original.state === undefined ? null : <StateTag state={original.state} />}
            {mark === undefined ? null : (
              <strong>
                {mark} {say(`mark.${mark}`)}
              </strong>
            )}
            {original.since === undefined ? null : (
              <span>
                {say("refused.since")} <Time at={original.since} />
              </span>
            )}
          </div>
          <div>
            {say(`refused.${error.code}.meaning`, {
              differs: new Intl.ListFormat(language).format(
                differs.map((fact) => say(`differs.${fact}`)),
              ),
            })}
          </div>
          {error.code === "external-registered" && original.claim !== undefined ? (
            <Link className="target" to={`/employer/claims/${original.claim}`}>
              {say("refused.claim")}
            </Link>
          ) : null}
          <div>
            <Typography.Text type="secondary" className="small">
              <code>{error.code}</code> · <code>{error.problem?.requestId}</code>
            </Typography.Text>
          </div>
        </>
      }
    />
  );
}
