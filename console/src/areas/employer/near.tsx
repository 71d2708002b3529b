/** A warning: other invoices of this employer may be of the same purchase. Nothing was refused. */
import { useQuery } from "@tanstack/react-query";
import { Alert } from "antd";
import { Link } from "react-router";
import { ask, type Schemas } from "../../shared/client.ts";
import { useRefresh } from "../../shared/live.tsx";
import { InvoiceNumber } from "../../shared/show.tsx";
import { useLanguage } from "../../shared/words.ts";
import { useWords } from "./messages.ts";

type Matches = NonNullable<Schemas["ExternalLook"]["nearDuplicates"]>;
type Finding = Schemas["ExternalFinding"];

export function NearDuplicates({ matches = [] }: { matches: Matches | undefined }) {
  const say = useWords();
  const [language] = useLanguage();
  if (matches.length === 0) return null;
  const list = new Intl.ListFormat(language);
  return (
    <Alert
      type="warning"
      showIcon
      role="alert"
      title={say("near.title")}
      description={
        <>
          <div>{say("near.meaning")}</div>
          <ul className="plain-list">
            {matches.map(({ invoice, number, same, claim }) => (
              <li key={invoice} className="row">
                {claim === undefined ? (
                  <InvoiceNumber number={number} />
                ) : (
                  <Link className="target" to={`/employer/claims/${claim.id}`}>
                    <InvoiceNumber number={number} />
                  </Link>
                )}
                <span>{list.format(same.map((name) => say(`near.same.${name}`)))}</span>
              </li>
            ))}
          </ul>
        </>
      }
    />
  );
}

/** Of a finding the invoice that is not in this claim. */
function otherOf(claim: string, { id, number, same = [], ...finding }: Finding): Matches {
  const own = { invoice: id, number, same, claim: finding.claim };
  if (finding.registered?.claim?.id === claim) return [own];
  return finding.registered === undefined ? [] : [{ ...finding.registered, same }];
}

/** The warning about a claim: also what has come after it was made. */
export function NearClaim({ claim }: { claim: string }) {
  useRefresh(["external.near-duplicate"], [["near", claim]]);
  const { data } = useQuery({
    queryKey: ["near", claim],
    queryFn: () =>
      ask("GET /v1/external-findings", { query: { claim, kind: "near-duplicate", limit: 20 } }),
  });
  return <NearDuplicates matches={data?.items.flatMap((each) => otherOf(claim, each))} />;
}
