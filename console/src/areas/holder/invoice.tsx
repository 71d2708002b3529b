/** An invoice of the holder: its content, its history, who may read it, and the holder's acts. */
import {
  DownloadOutlined,
  FileDoneOutlined,
  FilePdfOutlined,
  SafetyCertificateOutlined,
  SwapOutlined,
} from "@ant-design/icons";
import { useQuery } from "@tanstack/react-query";
import { Alert, Button, Card, Tabs } from "antd";
import { useState } from "react";
import { useNavigate, useParams } from "react-router";
import { formatAmount } from "../../shared/amounts.ts";
import { invoiceQuery, type Schemas } from "../../shared/client.ts";
import { useDownload } from "../../shared/download.ts";
import { Page } from "../../shared/frame.tsx";
import { DocumentView, HistoryView } from "../../shared/invoice-view.tsx";
import { Loaded, ProblemNote } from "../../shared/problem.tsx";
import { useSession } from "../../shared/session.tsx";
import { InvoiceNumber, StateTag, Total } from "../../shared/show.tsx";
import { Disclose } from "./disclose.tsx";
import { Grants } from "./grants.tsx";
import { HandOn } from "./hand-on.tsx";
import { useWords } from "./messages.ts";

type Full = Schemas["Invoice"];

function Acts({ invoice }: { invoice: Full }) {
  const say = useWords();
  const navigate = useNavigate();
  const [open, setOpen] = useState<"handOn" | "disclose" | undefined>(undefined);
  const download = useDownload();
  const { number, status } = invoice;
  const free = status === "issued";
  const close = () => setOpen(undefined);
  return (
    <>
      <ProblemNote error={download.error} />
      <div className="row">
        {free ? (
          <Button
            type="primary"
            icon={<FileDoneOutlined />}
            onClick={() => navigate("/holder/reports/new", { state: { picked: [number] } })}
          >
            {say("invoice.claim")}
          </Button>
        ) : null}
        {free ? (
          <Button icon={<SwapOutlined />} onClick={() => setOpen("handOn")}>
            {say("invoice.handOn")}
          </Button>
        ) : null}
        {status === "accepted" ? null : (
          <Button icon={<SafetyCertificateOutlined />} onClick={() => setOpen("disclose")}>
            {say("invoice.disclose")}
          </Button>
        )}
        <Button
          icon={<FilePdfOutlined />}
          loading={download.isPending && download.variables.name.endsWith(".pdf")}
          onClick={() =>
            download.mutate({
              path: `/v1/invoices/${number}`,
              accept: "application/pdf",
              name: `${number}.pdf`,
            })
          }
        >
          {say("invoice.pdf")}
        </Button>
        <Button
          icon={<DownloadOutlined />}
          loading={download.isPending && download.variables.name.endsWith(".zip")}
          onClick={() =>
            download.mutate({
              path: `/v1/invoices/${number}/archive`,
              accept: "application/zip",
              name: `${number}.zip`,
            })
          }
        >
          {say("invoice.archive")}
        </Button>
      </div>
      <HandOn number={number} open={open === "handOn"} onClose={close} />
      <Disclose number={number} open={open === "disclose"} onClose={close} />
    </>
  );
}

export function Invoice() {
  const say = useWords();
  const { account } = useSession();
  const { number = "" } = useParams();
  const invoice = useQuery(invoiceQuery(number));
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
                  <div>{details.seller}</div>
                  <Total amounts={[details]} />
                </div>
                {details.left === undefined || details.left.gross === details.gross ? null : (
                  <Alert
                    type="warning"
                    showIcon
                    title={say("invoice.left", {
                      amount: formatAmount(details.left.gross, details.currency),
                    })}
                  />
                )}
                {details.holder === account ? (
                  <Acts invoice={details} />
                ) : (
                  <Alert type="info" showIcon title={say("invoice.notYours")} />
                )}
              </div>
            </Card>
            <Card>
              <Tabs
                items={[
                  {
                    key: "original",
                    label: say("invoice.original"),
                    children: <DocumentView document={details.document} />,
                  },
                  {
                    key: "history",
                    label: say("invoice.history"),
                    children: <HistoryView number={number} />,
                  },
                  {
                    key: "readers",
                    label: say("invoice.readers"),
                    children: <Grants number={number} />,
                  },
                ]}
              />
            </Card>
          </div>
        )}
      </Loaded>
    </Page>
  );
}
