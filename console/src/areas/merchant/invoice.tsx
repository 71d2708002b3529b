/**
 * An invoice of the issuer: its content, its PDF, its history, its QR code, and its red letters.
 */
import { DownloadOutlined, RollbackOutlined, SwapOutlined } from "@ant-design/icons";
import { endingOf, formats, writtenFormats } from "@onepiao/protocol/formats/formats.ts";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Alert, Button, Card, Dropdown, Tabs } from "antd";
import { Link, useParams } from "react-router";
import { ButtonLink } from "../../shared/button-link.tsx";
import { ask, invoiceQuery, type Schemas } from "../../shared/client.ts";
import { useDownload } from "../../shared/download.ts";
import { useFormats } from "../../shared/formats.ts";
import { Page } from "../../shared/frame.tsx";
import { DocumentView, HistoryView } from "../../shared/invoice-view.tsx";
import { useEvents } from "../../shared/live.tsx";
import { PdfView } from "../../shared/pdf.tsx";
import { Loaded, ProblemNote } from "../../shared/problem.tsx";
import { InvoiceNumber, Money, StateTag, Time } from "../../shared/show.tsx";
import { Code } from "./code.tsx";
import { useWords } from "./messages.ts";
import { SheetStatus } from "./sheet-status.tsx";

type Full = Schemas["Invoice"];

type Download = { key: string; label: string; path: string; accept: string; ending: string };

/** The files of an invoice, in the order of the menu. */
function useDownloads({ number, status, document: { source } }: Full): Download[] {
  const say = useWords();
  const { title } = useFormats();
  const path = `/v1/invoices/${number}`;
  const written = writtenFormats.map((name) => {
    const { mediaType, download } = formats[name];
    return { key: name, label: title(name), path: path, accept: mediaType, ending: download };
  });
  const original = source && {
    path: `${path}/original`,
    accept: "application/octet-stream",
    ending: `original.${endingOf(source.format)}`,
  };
  const bundle = { path: `${path}/bundle`, accept: "application/json", ending: "bundle.json" };
  return [
    {
      key: "pdf",
      label: say("download.pdf"),
      path: path,
      accept: "application/pdf",
      ending: "pdf",
    },
    ...written,
    ...(original ? [{ key: "original", label: say("download.original"), ...original }] : []),
    ...(status === "accepted" ? [] : [{ key: "bundle", label: say("download.bundle"), ...bundle }]),
    {
      key: "archive",
      label: say("download.archive"),
      path: `${path}/archive`,
      accept: "application/zip",
      ending: "zip",
    },
  ];
}

function Acts({ invoice }: { invoice: Full }) {
  const say = useWords();
  const download = useDownload();
  const { number, status, reverses, left } = invoice;
  const may =
    reverses === undefined &&
    status !== "accepted" &&
    status !== "reversed" &&
    left !== undefined &&
    left.gross !== "0.00";
  const items = useDownloads(invoice).map(({ key, label, path, accept, ending }) => ({
    key,
    label,
    onClick: () => download.mutate({ path, accept, name: `${number}.${ending}` }),
  }));
  return (
    <>
      <ProblemNote error={download.error} />
      <div className="row">
        <Dropdown menu={{ items }} trigger={["click"]}>
          <Button icon={<DownloadOutlined />} loading={download.isPending} aria-haspopup="menu">
            {say("download")}
          </Button>
        </Dropdown>
        {may ? (
          <>
            <ButtonLink to={`/merchant/invoices/${number}/red-letter`} icon={<RollbackOutlined />}>
              {say("red.do")}
            </ButtonLink>
            <ButtonLink to={`/merchant/invoices/${number}/replace`} icon={<SwapOutlined />}>
              {say("replace.title")}
            </ButtonLink>
          </>
        ) : null}
      </div>
    </>
  );
}

/** Links to the invoices that it reverses or replaces, or that replace it. */
function Relations({
  invoice: { reverses, replaces, replacedBy, left, gross, currency },
}: {
  invoice: Full;
}) {
  const say = useWords();
  const link = (number: string) => (
    <Link to={`/merchant/invoices/${number}`}>
      <InvoiceNumber number={number} />
    </Link>
  );
  return (
    <>
      {reverses === undefined ? null : (
        <div>
          {say("invoice.reverses")} {link(reverses)}
        </div>
      )}
      {replaces === undefined ? null : (
        <div>
          {say("invoice.replaces")} {link(replaces)}
        </div>
      )}
      {replacedBy === undefined ? null : (
        <div>
          {say("invoice.replacedBy")} {link(replacedBy)}
        </div>
      )}
      {left === undefined || left.gross === gross ? null : (
        <div>
          {say("invoice.left")} <Money amount={left.gross} currency={currency} />
        </div>
      )}
    </>
  );
}

function RedLetters({ number }: { number: string }) {
  const say = useWords();
  const sheets = useQuery({
    queryKey: ["red-letters", "of", number],
    queryFn: () => ask("GET /v1/invoices/{number}/red-letters", { params: { number } }),
  });
  return (
    <Loaded
      query={sheets}
      empty={({ items }) => items.length === 0}
      nothing={<p className="quiet">{say("red.none")}</p>}
    >
      {({ items }) => (
        <ul className="plain-list">
          {items.map((sheet) => (
            <li key={sheet.id} className="row between">
              <span>
                <Link to={`/merchant/red-letters/${sheet.id}`}>
                  <Money amount={sheet.totals.gross} />
                </Link>{" "}
                <span className="quiet small">
                  <Time at={sheet.createdAt} />
                </span>
              </span>
              <SheetStatus sheet={sheet} />
            </li>
          ))}
        </ul>
      )}
    </Loaded>
  );
}

export function Invoice() {
  const say = useWords();
  const queries = useQueryClient();
  const { number = "" } = useParams();
  const invoice = useQuery(invoiceQuery(number));
  // every view is a logged read, so it is fetched again only after an event on this invoice
  useEvents("all", (event) => {
    if (event.number !== number) return;
    for (const queryKey of [
      ["invoice", number],
      ["history", number],
      ["pickup", number],
    ])
      void queries.invalidateQueries({ queryKey });
  });
  return (
    <Page title={say("invoice.title")}>
      <Loaded query={invoice}>
        {(details) => (
          <div className="stack">
            <Card>
              <div className="stack">
                <div className="row between">
                  <InvoiceNumber number={details.number} copyable />
                  <StateTag state={details.status} />
                </div>
                <div>
                  <div>{details.buyer}</div>
                  <Money amount={details.gross} currency={details.currency} strong />
                </div>
                <Relations invoice={details} />
                {details.status === "accepted" ? (
                  <Alert type="info" showIcon title={say("invoice.notSealed")} />
                ) : null}
                <Acts invoice={details} />
              </div>
            </Card>
            <div className="beside">
              <Card>
                <Tabs
                  tabBarGutter={20}
                  items={[
                    {
                      key: "document",
                      label: say("invoice.document"),
                      children: <DocumentView document={details.document} />,
                    },
                    {
                      key: "preview",
                      label: say("invoice.preview"),
                      children: <PdfView number={number} />,
                    },
                    ...(details.reverses === undefined
                      ? [
                          {
                            key: "red",
                            label: say("invoice.red"),
                            children: <RedLetters number={number} />,
                          },
                        ]
                      : []),
                  ]}
                />
              </Card>
              <div className="stack">
                <Card title={<h2>{say("invoice.code")}</h2>}>
                  <Code number={number} waits={!details.titled && details.reverses === undefined} />
                </Card>
                <Card title={<h2>{say("invoice.history")}</h2>}>
                  <HistoryView number={number} />
                </Card>
              </div>
            </div>
          </div>
        )}
      </Loaded>
    </Page>
  );
}
