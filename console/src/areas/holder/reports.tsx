/** The holder's expense reports (claims), and one report until it is decided. */
import { DownloadOutlined, PlusOutlined } from "@ant-design/icons";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Alert, Button, Card, Descriptions, Tag } from "antd";
import { Link, useParams } from "react-router";
import { useAct } from "../../shared/act.ts";
import { ButtonLink } from "../../shared/button-link.tsx";
import { ask, type Schemas } from "../../shared/client.ts";
import { useConfirm } from "../../shared/confirm.tsx";
import { useDownload } from "../../shared/download.ts";
import { Page } from "../../shared/frame.tsx";
import { Loaded, More, ProblemNote } from "../../shared/problem.tsx";
import { InvoiceNumber, StateTag, Time, Total } from "../../shared/show.tsx";
import { useWords } from "./messages.ts";

type Claim = Schemas["Claim"];
const PAGE = 20;

function ReportCard({ claim }: { claim: Claim }) {
  const say = useWords();
  return (
    <Card size="small">
      <div className="row between">
        <StateTag state={claim.status} />
        <span className="quiet small">
          <Time at={claim.createdAt} />
        </span>
      </div>
      <Link to={`/holder/reports/${claim.id}`} className="invoice-link">
        {claim.employer.name}
      </Link>
      <div className="row between">
        <span className="quiet">
          {say("reports.count", { count: claim.invoices.length })}
          {claim.note === undefined ? "" : ` · ${claim.note}`}
        </span>
        <Total amounts={claim.amounts} />
      </div>
    </Card>
  );
}

export function Reports() {
  const say = useWords();
  const claims = useInfiniteQuery({
    queryKey: ["claims"],
    queryFn: ({ pageParam }) =>
      ask("GET /v1/claims", {
        query: { as: "holder", limit: PAGE, ...(pageParam === "" ? {} : { before: pageParam }) },
      }),
    initialPageParam: "",
    getNextPageParam: ({ items }) =>
      items.length === PAGE ? items[items.length - 1]?.id : undefined,
  });
  const listed = { ...claims, data: claims.data?.pages.flatMap((page) => page.items) };
  return (
    <Page
      title={say("reports.title")}
      extra={
        <ButtonLink to="/holder/reports/new" type="primary" icon={<PlusOutlined />}>
          {say("reports.new")}
        </ButtonLink>
      }
    >
      <div className="stack">
        <Loaded query={listed} empty={(items) => items.length === 0} nothing={say("reports.empty")}>
          {(items) => (
            <ul className="cards">
              {items.map((claim) => (
                <li key={claim.id}>
                  <ReportCard claim={claim} />
                </li>
              ))}
            </ul>
          )}
        </Loaded>
        <More query={claims} />
      </div>
    </Page>
  );
}

const follow = {
  submitted: "info",
  claimed: "info",
  reimbursed: "success",
  rejected: "warning",
  refused: "error",
  withdrawn: "info",
  reversed: "warning",
} as const;

export function Report() {
  const say = useWords();
  const confirm = useConfirm();
  const { id = "" } = useParams();
  const claim = useQuery({
    queryKey: ["claims", id],
    queryFn: () => ask("GET /v1/claims/{id}", { params: { id } }),
  });
  const withdraw = useAct(
    (_: undefined, once) => ask("POST /v1/claims/{id}/withdraw", { params: { id }, ...once }),
    {
      refreshes: [["claims"], ["invoices"]],
    },
  );
  const download = useDownload();
  const end = async () => {
    const question = {
      title: say("report.withdraw.title"),
      detail: say("report.withdraw.detail"),
      yes: say("report.withdraw"),
    };
    if (await confirm(question)) withdraw.mutate(undefined);
  };
  return (
    <Page title={say("report.title")} narrow>
      <Loaded query={claim}>
        {({ status, employer, note, reason, createdAt, amounts, invoices }) => (
          <div className="stack">
            <Alert
              type={follow[status]}
              showIcon
              title={<StateTag state={status} />}
              description={say(`report.follow.${status}`)}
            />
            <ProblemNote error={withdraw.error ?? download.error} />
            <Card>
              <Descriptions
                column={1}
                size="small"
                items={[
                  {
                    key: "employer",
                    label: say("report.employer"),
                    children: (
                      <div>
                        {employer.name} <div className="quiet small number">{employer.taxId}</div>
                      </div>
                    ),
                  },
                  {
                    key: "amounts",
                    label: say("report.amounts"),
                    children: <Total amounts={amounts} />,
                  },
                  {
                    key: "created",
                    label: say("report.created"),
                    children: <Time at={createdAt} />,
                  },
                  ...(note === undefined
                    ? []
                    : [{ key: "note", label: say("report.note"), children: note }]),
                  ...(reason === undefined
                    ? []
                    : [{ key: "reason", label: say("report.reason"), children: reason }]),
                ]}
              />
            </Card>
            <Card title={<h2>{say("report.invoices")}</h2>}>
              <ul className="plain-list">
                {invoices.map((invoice) => (
                  <li key={invoice.number} className="row between">
                    {invoice.external ? (
                      <span>
                        <InvoiceNumber number={invoice.number} />{" "}
                        <Tag variant="filled">{say("report.external")}</Tag>
                      </span>
                    ) : (
                      <Link to={`/holder/invoices/${invoice.number}`}>
                        <InvoiceNumber number={invoice.number} />
                      </Link>
                    )}
                    <StateTag state={invoice.status} />
                    {invoice.left === undefined ? null : (
                      <span className="quiet small">
                        {say("report.left", { amount: invoice.left.gross })}
                      </span>
                    )}
                  </li>
                ))}
              </ul>
            </Card>
            <div className="row">
              <Button
                icon={<DownloadOutlined />}
                loading={download.isPending}
                onClick={() =>
                  download.mutate({
                    path: `/v1/claims/${id}/archive`,
                    accept: "application/zip",
                    name: `claim-${id}.zip`,
                  })
                }
              >
                {say("report.archive")}
              </Button>
              {status === "claimed" ? (
                <Button loading={withdraw.isPending} onClick={() => void end()}>
                  {say("report.withdraw")}
                </Button>
              ) : null}
            </div>
          </div>
        )}
      </Loaded>
    </Page>
  );
}
