/** A report: every invoice with its checks, its document and its PDF; and the decision. */
import {
  CheckCircleOutlined,
  CloseCircleOutlined,
  DownloadOutlined,
  ExclamationCircleOutlined,
  FilePdfOutlined,
  FileZipOutlined,
  InfoCircleOutlined,
  LeftOutlined,
} from "@ant-design/icons";
import { endingOf, keepsOriginal } from "@onepiao/protocol/formats/formats.ts";
import { useQuery } from "@tanstack/react-query";
import { Alert, Button, Card, Collapse, Descriptions, Modal, Skeleton, Tag } from "antd";
import { useState } from "react";
import { useParams } from "react-router";
import { formatAmount, sumsOf } from "../../shared/amounts.ts";
import { ButtonLink } from "../../shared/button-link.tsx";
import { ask } from "../../shared/client.ts";
import { useDownload } from "../../shared/download.ts";
import { Page } from "../../shared/frame.tsx";
import { DocumentView, HistoryView } from "../../shared/invoice-view.tsx";
import { useSharedWords } from "../../shared/messages.ts";
import { PdfView } from "../../shared/pdf.tsx";
import { Loaded, ProblemNote } from "../../shared/problem.tsx";
import { InvoiceNumber, Money, StateTag, Time } from "../../shared/show.tsx";
import { useChecked } from "./checked.ts";
import { type Check, type Checked, worst } from "./checks.ts";
import { type Claim, DecideButtons, Results, useDecisions } from "./decide.tsx";
import { ExportClaims } from "./export.tsx";
import { Holder } from "./inbox.tsx";
import { useWords } from "./messages.ts";
import { NearClaim } from "./near.tsx";
import { Proofs } from "./proofs.tsx";

const icons = {
  good: <CheckCircleOutlined />,
  note: <InfoCircleOutlined />,
  warn: <ExclamationCircleOutlined />,
  bad: <CloseCircleOutlined />,
} as const;

function CheckLine({
  check: { key, level, values, at },
  currency,
}: {
  check: Check;
  currency: string;
}) {
  const say = useWords();
  const filled = { ...values };
  for (const name of ["left", "gross"])
    if (typeof filled[name] === "string") filled[name] = formatAmount(filled[name], currency);
  return (
    <li className={`check check-${level}`}>
      <span className="check-icon" role="img" aria-label={say(`level.${level}`)}>
        {icons[level]}
      </span>
      <span>
        {say(`check.${key}`, filled)}
        {at === undefined ? null : (
          <>
            {" "}
            <Time at={at} />
          </>
        )}
      </span>
    </li>
  );
}

function InvoiceCard({
  checked: { item, name, invoice, external, document, left, checks, error, pending },
}: {
  checked: Checked;
}) {
  const say = useWords();
  const shared = useSharedWords();
  const [pdf, setPdf] = useState(false);
  const download = useDownload();
  if (document === undefined || left === undefined)
    return (
      <Card size="small" title={<h2>{item.number}</h2>}>
        {error === null && pending ? (
          <Skeleton active paragraph={{ rows: 3 }} />
        ) : (
          <ProblemNote error={error} />
        )}
      </Card>
    );
  const { seller, currency, totals } = document;
  return (
    <Card className={`checked checked-${worst(checks)}`}>
      <article className="stack" aria-label={say("invoice.label", { number: item.number })}>
        <div className="row between">
          <div>
            <h2>{seller.name}</h2>
            <div className="quiet small">
              <InvoiceNumber number={item.number} copyable /> ·{" "}
              <Time at={document.issuedAt} date written />
            </div>
          </div>
          <div className="amounts">
            <Money amount={left.amount} currency={currency} strong />
            {left.amount === totals.gross ? null : (
              <div className="quiet small">
                {shared("amount.gross", { amount: formatAmount(totals.gross, currency) })}
              </div>
            )}
          </div>
        </div>
        <div className="row">
          <StateTag state={item.status} />
          {external ? <Tag variant="outlined">{say("external.tag")}</Tag> : null}
        </div>
        <ul className="checks" aria-label={say("checks.title")}>
          {checks.map((check) => (
            <CheckLine key={check.key} check={check} currency={currency} />
          ))}
        </ul>
        <Collapse
          ghost
          size="small"
          items={[
            ...(external
              ? [
                  {
                    key: "proofs",
                    label: say("proofs.title"),
                    children: <Proofs external={external} />,
                  },
                ]
              : []),
            {
              key: "document",
              label: say("invoice.document"),
              children: <DocumentView document={document} />,
            },
            ...(invoice
              ? [
                  {
                    key: "history",
                    label: say("invoice.history"),
                    children: <HistoryView number={invoice.number} />,
                  },
                ]
              : []),
          ]}
        />
        <ProblemNote error={download.error} />
        <div className="row">
          {invoice ? (
            <>
              <Button icon={<FilePdfOutlined />} onClick={() => setPdf(true)}>
                {say("invoice.pdf")}
              </Button>
              <Button
                icon={<FileZipOutlined />}
                loading={download.isPending}
                onClick={() =>
                  download.mutate({
                    path: `/v1/invoices/${name}/archive`,
                    accept: "application/zip",
                    name: `${name}.zip`,
                  })
                }
              >
                {say("invoice.archive")}
              </Button>
            </>
          ) : external === undefined || !keepsOriginal(external.format) ? null : (
            <Button
              icon={<DownloadOutlined />}
              loading={download.isPending}
              onClick={() =>
                download.mutate({
                  path: `/v1/external-invoices/${name}/original`,
                  accept: "application/octet-stream",
                  name: `${item.number}.${endingOf(external.format)}`,
                })
              }
            >
              {say("external.original")}
            </Button>
          )}
        </div>
      </article>
      {pdf && invoice ? (
        <Modal
          open
          title={say("pdf.title", { number: item.number })}
          footer={null}
          width={900}
          onCancel={() => setPdf(false)}
        >
          <PdfView number={invoice.number} />
        </Modal>
      ) : null}
    </Card>
  );
}

const looks = {
  submitted: "info",
  claimed: "info",
  reimbursed: "success",
  rejected: "warning",
  refused: "error",
  withdrawn: "info",
  reversed: "error",
} as const;

function Report({ claim }: { claim: Claim }) {
  const say = useWords();
  const checked = useChecked(claim);
  const decisions = useDecisions();
  const download = useDownload();
  const known = checked.every(({ left }) => left !== undefined);
  const total = known
    ? sumsOf(checked.flatMap(({ left }) => (left === undefined ? [] : [left])))
    : undefined;
  const level = worst(checked.flatMap(({ checks }) => checks));
  const { id, status, holder, note, reason, createdAt, invoices } = claim;
  return (
    <div className="stack">
      <Results decisions={decisions} />
      <Card>
        <div className="stack">
          <div className="row between">
            <StateTag state={status} />
            <span className="money money-strong">{total ?? "…"}</span>
          </div>
          <Descriptions
            column={{ xs: 1, md: 2 }}
            size="small"
            items={[
              { key: "holder", label: say("claim.holder"), children: <Holder account={holder} /> },
              { key: "created", label: say("col.created"), children: <Time at={createdAt} /> },
              { key: "count", label: say("col.count"), children: String(invoices.length) },
              ...(note === undefined
                ? []
                : [{ key: "note", label: say("claim.note"), children: note }]),
              ...(reason === undefined
                ? []
                : [{ key: "reason", label: say("claim.reason"), children: reason }]),
            ]}
          />
          {status === "claimed" || status === "reimbursed" ? <NearClaim claim={id} /> : null}
          {status === "claimed" ? (
            known ? (
              <Alert
                type={level === "bad" ? "error" : level === "warn" ? "warning" : "success"}
                showIcon
                title={say(
                  level === "bad"
                    ? "claim.verdict.bad"
                    : level === "warn"
                      ? "claim.verdict.warn"
                      : "claim.verdict.good",
                )}
              />
            ) : null
          ) : (
            <Alert type={looks[status]} showIcon title={say(`claim.is.${status}`)} />
          )}
          <ProblemNote error={download.error} />
          <div className="row">
            {status === "claimed" ? (
              <DecideButtons
                claims={[claim]}
                {...(total === undefined ? {} : { total })}
                decisions={decisions}
              />
            ) : null}
            <Button
              icon={<FileZipOutlined />}
              loading={download.isPending}
              onClick={() =>
                download.mutate({
                  path: `/v1/claims/${id}/archive`,
                  accept: "application/zip",
                  name: `claim-${id}.zip`,
                })
              }
            >
              {say("claim.archive")}
            </Button>
            <ExportClaims claims={[claim]} />
          </div>
        </div>
      </Card>
      <ul className="plain-list wide-gaps">
        {checked.map((invoice) => (
          <li key={invoice.name}>
            <InvoiceCard checked={invoice} />
          </li>
        ))}
      </ul>
    </div>
  );
}

export function ClaimPage() {
  const say = useWords();
  const { id = "" } = useParams();
  const claim = useQuery({
    queryKey: ["claim", id],
    queryFn: () => ask("GET /v1/claims/{id}", { params: { id } }),
  });
  return (
    <Page
      title={say("claim.title")}
      extra={
        <ButtonLink to="/employer" icon={<LeftOutlined />}>
          {say("claim.back")}
        </ButtonLink>
      }
    >
      <Loaded query={claim}>{(loaded) => <Report claim={loaded} />}</Loaded>
    </Page>
  );
}
