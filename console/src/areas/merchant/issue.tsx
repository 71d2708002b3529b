/** Issues invoices by form, or from dropped files. */
import { useQuery } from "@tanstack/react-query";
import { Alert, Tabs } from "antd";
import { useParams } from "react-router";
import { invoiceQuery } from "../../shared/client.ts";
import { Page } from "../../shared/frame.tsx";
import { Loaded } from "../../shared/problem.tsx";
import { draftOf, isBeyondForm } from "./draft.ts";
import { Files } from "./files.tsx";
import { emptyDraft, IssueForm } from "./issue-form.tsx";
import { useWords } from "./messages.ts";

export function Issue() {
  const say = useWords();
  return (
    <Page title={say("issue.title")}>
      <Tabs
        items={[
          { key: "form", label: say("issue.byForm"), children: <IssueForm start={emptyDraft} /> },
          { key: "files", label: say("issue.byFiles"), children: <Files /> },
        ]}
      />
    </Page>
  );
}

/** 作废重开: the form starts with the content of the voided invoice. */
export function Replace() {
  const say = useWords();
  const { number = "" } = useParams();
  const invoice = useQuery({ ...invoiceQuery(number), staleTime: Number.POSITIVE_INFINITY });
  return (
    <Page title={say("replace.title")}>
      <Loaded query={invoice}>
        {({ document }) => (
          <div className="stack">
            {isBeyondForm(document) ? (
              <Alert type="warning" showIcon title={say("replace.lossy")} />
            ) : null}
            <IssueForm start={draftOf(document)} replaces={number} />
          </div>
        )}
      </Loaded>
    </Page>
  );
}
