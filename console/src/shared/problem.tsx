/**
 * Shows refusals: title, detail, code and request id; and the loading and empty states of a query.
 */
import { Alert, Button, Empty, Skeleton, Typography } from "antd";
import type { ReactNode } from "react";
import { Refusal } from "./client.ts";
import { useSharedWords } from "./messages.ts";
import { problemWords, retryOf } from "./problem-words.ts";
import { ruleText } from "./rules.ts";
import { useStateName } from "./show.tsx";
import { useLanguage } from "./words.ts";

/** Title and detail of an error, in the person's language where there is a text. */
export function useProblemWords(): (error: unknown) => { title: string; detail: string } {
  const say = useSharedWords();
  const [language] = useLanguage();
  return (error) => problemWords(error, language, say);
}

/** Lists broken rules, each with its field and its text in the person's language. */
export function BrokenRules({
  rules,
}: {
  rules: readonly { field: string; rule: string; detail: string }[];
}) {
  return (
    <ul>
      {rules.map(({ field, rule, detail }) => {
        const { text, more } = ruleText({ rule, detail });
        return (
          <li key={field + rule}>
            <code>{field}</code> {text}{" "}
            <Typography.Text type="secondary">
              ({rule}
              {more === undefined ? "" : `: ${more}`})
            </Typography.Text>
          </li>
        );
      })}
    </ul>
  );
}

/** An error where it belongs: above a form, or in place of a list. Screen readers announce it. */
export function ProblemNote({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const say = useSharedWords();
  const words = useProblemWords();
  const stateName = useStateName();
  if (error === null || error === undefined) return null;
  const { title, detail } = words(error);
  const problem = error instanceof Refusal ? error.problem : undefined;
  const retry = retryOf(problem);
  // shown below, together with its field
  const repeated = problem?.errors?.some((broken) => detail.endsWith(broken.detail));
  const original = problem?.["original"] as { number?: string; state?: string } | undefined;
  return (
    <Alert
      className="problem"
      type="error"
      showIcon
      role="alert"
      title={title}
      description={
        <>
          {repeated ? null : <div>{detail}</div>}
          {original?.number !== undefined && original.state !== undefined ? (
            <div>
              {say("problem.original", {
                number: original.number,
                state: stateName(original.state),
              })}
            </div>
          ) : null}
          {problem?.errors ? <BrokenRules rules={problem.errors} /> : null}
          {retry === undefined ? null : <div>{say(`problem.retry.${retry}`)}</div>}
          {problem ? (
            <Typography.Text type="secondary" className="small">
              {say("problem.code")} <code>{problem.code}</code> · {say("problem.request")}{" "}
              <code>{problem.requestId}</code>
            </Typography.Text>
          ) : null}
        </>
      }
      action={onRetry ? <Button onClick={onRetry}>{say("retry")}</Button> : undefined}
    />
  );
}

type Asked<T> = {
  data: T | undefined;
  error: Error | null;
  isPending: boolean;
  refetch: () => unknown;
};

/**
 * The result of a query: a skeleton while it loads, the problem if it fails, a text if it is empty.
 * If a later fetch fails, the problem stands above the data.
 *
 *   <Loaded query={claims} empty={(page) => page.items.length === 0}>{(page) => …}</Loaded>
 */
export function Loaded<T>({
  query,
  empty,
  nothing,
  children,
}: {
  query: Asked<T>;
  empty?: (data: T) => boolean;
  /** Replaces the default content of an empty list. */
  nothing?: ReactNode;
  children: (data: T) => ReactNode;
}) {
  const say = useSharedWords();
  if (query.data === undefined) {
    if (query.error !== null)
      return <ProblemNote error={query.error} onRetry={() => void query.refetch()} />;
    return (
      <div role="status" aria-label={say("loading")}>
        <Skeleton active paragraph={{ rows: 4 }} />
      </div>
    );
  }
  return (
    <>
      {query.error !== null ? (
        <ProblemNote error={query.error} onRetry={() => void query.refetch()} />
      ) : null}
      {empty?.(query.data) ? (
        typeof nothing === "object" ? (
          nothing
        ) : (
          <Empty description={nothing ?? say("empty")} image={Empty.PRESENTED_IMAGE_SIMPLE} />
        )
      ) : (
        children(query.data)
      )}
    </>
  );
}

/** Below a list: the button that loads its next page, if there is one. */
export function More({
  query,
}: {
  query: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown };
}) {
  const say = useSharedWords();
  if (!query.hasNextPage) return null;
  return (
    <Button onClick={() => void query.fetchNextPage()} loading={query.isFetchingNextPage}>
      {say("more")}
    </Button>
  );
}
