/** A warning: other invoices of this employer may be of the same purchase. Nothing was refused. */
import { Alert } from "antd";
import { Link } from "react-router";
import type { Schemas } from "../../shared/client.ts";
import { InvoiceNumber } from "../../shared/show.tsx";
import { useLanguage } from "../../shared/words.ts";
import { useWords } from "./messages.ts";

type Matches = Schemas["ExternalLook"]["nearDuplicates"];

export function NearDuplicates({ matches = [] }: { matches: Matches }) {
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
                <span className="quiet small">
                  {list.format(same.map((name) => say(`near.same.${name}`)))}
                </span>
              </li>
            ))}
          </ul>
        </>
      }
    />
  );
}
