/**
 * The auditor: its progress through the sealed lots, its findings, and each issuer's quota drawn
 * against the total issued.
 */
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Alert, Button, Card, Table } from "antd";
import { Link } from "react-router";
import { ask, type Schemas } from "../../shared/client.ts";
import { chinaMonth } from "../../shared/days.ts";
import { Page } from "../../shared/frame.tsx";
import { useRefresh } from "../../shared/live.tsx";
import { useSharedWords } from "../../shared/messages.ts";
import { Loaded, ProblemNote } from "../../shared/problem.tsx";
import { InvoiceNumber, Money, Time, Wide } from "../../shared/show.tsx";
import { useCount } from "./chart.tsx";
import { useWords } from "./messages.ts";

type Audit = Awaited<ReturnType<typeof askAudit>>;
type Finding = Audit["findings"][number];
type Taxpayer = Schemas["Taxpayer"];

const askAudit = (before?: string) =>
  ask("GET /v1/audit", { query: before === undefined ? {} : { before } });
const useAudit = () => {
  useRefresh(["audit.alarm"], [["audit"]]);
  return useQuery({
    queryKey: ["audit", "findings"],
    queryFn: () => askAudit(),
    refetchInterval: 15_000,
  });
};
/** Findings after those of the first page. */
const useMoreFindings = (from: string | undefined) =>
  useInfiniteQuery({
    queryKey: ["audit", "more", from],
    queryFn: ({ pageParam }) => askAudit(pageParam),
    initialPageParam: from,
    getNextPageParam: ({ next }) => next,
    enabled: false,
  });

/** A taxpayer's name, by its number on the chain. */
function TaxpayerOf({ index }: { index: number }) {
  const say = useWords();
  const taxpayer = useQuery({
    queryKey: ["taxpayer-by-index", index],
    queryFn: async (): Promise<Taxpayer | null> => {
      const { items } = await ask("GET /v1/taxpayers", { query: { after: index - 1, limit: 1 } });
      return items.find((item) => item.index === index) ?? null;
    },
    staleTime: 300_000,
  });
  if (!taxpayer.data) return <>{say("unnamed", { index })}</>;
  return (
    <Link to={`/bureau/taxpayers/${encodeURIComponent(taxpayer.data.taxId)}`}>
      {taxpayer.data.name}
    </Link>
  );
}

function Subject({ kind, subject }: Finding) {
  const say = useWords();
  if (kind === "quota-exceeded") return <>{`${subject.slice(0, 4)}-${subject.slice(4)}`}</>;
  if (kind === "document-invalid" || kind === "red-letter-exceeds") {
    return (
      <Link to={`/bureau/invoice/${subject}`}>
        <InvoiceNumber number={subject} />
      </Link>
    );
  }
  return (
    <>
      {say("invoice.lot")} <InvoiceNumber number={subject} />
    </>
  );
}

/** A line above the dashboard while the auditor has findings. */
export function AuditNote() {
  const say = useWords();
  const audit = useAudit();
  const count = audit.data?.findings.length ?? 0;
  if (count === 0) return null;
  return (
    <Alert
      type="error"
      showIcon
      title={say("audit.note", { count })}
      action={<Link to="/bureau/audit">{say("audit.look")}</Link>}
    />
  );
}

function Findings({ first, next }: { first: readonly Finding[]; next: string | undefined }) {
  const say = useWords();
  const shared = useSharedWords();
  const moreFindings = useMoreFindings(next);
  const findings = [...first, ...(moreFindings.data?.pages.flatMap((page) => page.findings) ?? [])];
  const goesOn = moreFindings.data === undefined ? next !== undefined : moreFindings.hasNextPage;
  if (findings.length === 0) return <Alert type="success" showIcon title={say("audit.clean")} />;
  return (
    <Card title={<h2>{say("audit.findings")}</h2>} className="chart-card">
      <Wide label={say("audit.findings")}>
        <Table<Finding>
          size="small"
          rowKey={({ kind, issuer, subject }) => `${kind} ${issuer} ${subject}`}
          pagination={findings.length > 20 ? { pageSize: 20, showSizeChanger: false } : false}
          dataSource={findings}
          columns={[
            {
              key: "kind",
              title: say("audit.kind"),
              render: (_, { kind }) => (
                <>
                  <div className="refusal-what">{say(`audit.kind.${kind}`)}</div>
                  <div className="quiet small">{say(`audit.kind.${kind}.why`)}</div>
                </>
              ),
            },
            {
              key: "issuer",
              title: say("col.issuer"),
              render: (_, { issuer }) => <TaxpayerOf index={issuer} />,
            },
            {
              key: "subject",
              title: say("audit.subject"),
              render: (_, row) => <Subject {...row} />,
            },
            {
              key: "found",
              title: say("audit.found"),
              render: (_, { foundAt }) => <Time at={foundAt} />,
            },
          ]}
        />
      </Wide>
      {moreFindings.isError ? (
        <ProblemNote error={moreFindings.error} onRetry={() => void moreFindings.fetchNextPage()} />
      ) : null}
      {goesOn ? (
        <Button
          className="after"
          onClick={() =>
            void (moreFindings.data === undefined
              ? moreFindings.refetch()
              : moreFindings.fetchNextPage())
          }
          loading={moreFindings.isFetching}
        >
          {shared("more")}
        </Button>
      ) : null}
    </Card>
  );
}

const PAGE = 50;

function Drawn() {
  const say = useWords();
  const shared = useSharedWords();
  const period = chinaMonth();
  const pages = useInfiniteQuery({
    queryKey: ["audit", "quotas", period],
    queryFn: ({ pageParam }) =>
      ask("GET /v1/audit/quotas", { query: { period, after: pageParam, limit: PAGE } }),
    initialPageParam: 0,
    getNextPageParam: ({ next }) => next,
  });
  const items = pages.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Card title={<h2>{say("audit.drawn.title", { period })}</h2>} className="chart-card">
      <Loaded query={pages} empty={() => items.length === 0} nothing={say("quota.none")}>
        {() => (
          <Wide label={say("audit.drawn.title", { period })}>
            <Table
              size="small"
              rowKey="issuer"
              pagination={false}
              dataSource={items}
              columns={[
                {
                  key: "issuer",
                  title: say("col.issuer"),
                  render: (_, row) =>
                    row.taxId === undefined ? (
                      say("unnamed", { index: row.issuer })
                    ) : (
                      <Link to={`/bureau/taxpayers/${encodeURIComponent(row.taxId)}`}>
                        {row.name}
                      </Link>
                    ),
                },
                {
                  key: "granted",
                  title: say("quota.granted"),
                  align: "right",
                  render: (_, row) => (
                    <Money amount={row.granted} currency={row.currency ?? "CNY"} />
                  ),
                },
                {
                  key: "drawn",
                  title: say("audit.drawn"),
                  align: "right",
                  render: (_, row) => <Money amount={row.drawn} currency={row.currency ?? "CNY"} />,
                },
                {
                  key: "issued",
                  title: say("audit.issued"),
                  align: "right",
                  render: (_, row) => (
                    <Money amount={row.issued.gross} currency={row.currency ?? "CNY"} />
                  ),
                },
                {
                  key: "invoices",
                  title: say("col.invoices"),
                  align: "right",
                  render: (_, row) => row.issued.invoices.toLocaleString(),
                },
              ]}
            />
          </Wide>
        )}
      </Loaded>
      {pages.isFetchNextPageError ? (
        <ProblemNote error={pages.error} onRetry={() => void pages.fetchNextPage()} />
      ) : null}
      {pages.hasNextPage ? (
        <Button
          className="after"
          onClick={() => void pages.fetchNextPage()}
          loading={pages.isFetchingNextPage}
        >
          {shared("more")}
        </Button>
      ) : null}
    </Card>
  );
}

export function AuditPage() {
  const say = useWords();
  const count = useCount();
  const audit = useAudit();
  return (
    <Page title={say("page.audit")}>
      <div className="stack">
        <div className="quiet">{say("audit.hint")}</div>
        <Loaded query={audit}>
          {({ lots, waiting, behind, waitingSince, findings, next }) => (
            <div className="stack">
              <dl className="figures figures-three">
                <div className="figure">
                  <dt>{say("audit.lots")}</dt>
                  <dd className="figure-value">{count(lots)}</dd>
                </div>
                <div className={waiting > 0 ? "figure figure-bad" : "figure"}>
                  <dt>{say("audit.waiting")}</dt>
                  <dd className="figure-value">{count(waiting)}</dd>
                  {waitingSince === undefined ? null : (
                    <dd className="quiet small">
                      {say("audit.since")} <Time at={waitingSince} />
                    </dd>
                  )}
                </div>
                <div className="figure">
                  <dt>{say("audit.behind")}</dt>
                  <dd className="figure-value">{count(behind)}</dd>
                </div>
              </dl>
              <Findings first={findings} next={next} />
            </div>
          )}
        </Loaded>
        <Drawn />
      </div>
    </Page>
  );
}
