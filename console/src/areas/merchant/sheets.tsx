/** Confirmation sheets of red letters: the list, and one sheet with its acts. */
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Alert, Button, Card, Descriptions, Select } from "antd";
import { useState } from "react";
import { Link, useParams } from "react-router";
import { useAct } from "../../shared/act.ts";
import { ask, type Schemas } from "../../shared/client.ts";
import { type Question, useConfirm } from "../../shared/confirm.tsx";
import { Page } from "../../shared/frame.tsx";
import { DocumentView } from "../../shared/invoice-view.tsx";
import { Loaded, More, ProblemNote } from "../../shared/problem.tsx";
import { isOpenSheet } from "../../shared/sheets.ts";
import { InvoiceNumber, Money, Time } from "../../shared/show.tsx";
import { useWords } from "./messages.ts";
import { SheetStatus, type SheetStatusCode, sheetStatuses } from "./sheet-status.tsx";

type Sheet = Schemas["RedLetterSummary"];
const PAGE = 20;
/**
 * Fetches at this interval, because some changes have no event: waiting for the other side or the
 * chain.
 */
const LOOK_AGAIN_MS = 5_000;

function SheetCard({ sheet }: { sheet: Sheet }) {
  const say = useWords();
  const { id, invoice, totals, reason, employer, createdAt } = sheet;
  return (
    <Card size="small">
      <div className="row between">
        <SheetStatus sheet={sheet} />
        <span className="quiet small">
          <Time at={createdAt} date />
        </span>
      </div>
      <Link to={`/merchant/red-letters/${id}`} className="invoice-link">
        <InvoiceNumber number={invoice} />
      </Link>
      <Money amount={totals.gross} strong />
      <div className="quiet small">
        {[reason === undefined ? "" : say(`red.reason.${reason}`), employer?.name]
          .filter(Boolean)
          .join(" · ")}
      </div>
    </Card>
  );
}

export function Sheets() {
  const say = useWords();
  const [status, setStatus] = useState<SheetStatusCode | "all">("all");
  const sheets = useInfiniteQuery({
    queryKey: ["red-letters", "all", status],
    queryFn: ({ pageParam }) =>
      ask("GET /v1/red-letters", {
        query: {
          as: "issuer",
          limit: PAGE,
          ...(status === "all" ? {} : { status }),
          ...(pageParam === "" ? {} : { before: pageParam }),
        },
      }),
    initialPageParam: "",
    getNextPageParam: ({ next }) => next,
    refetchInterval: LOOK_AGAIN_MS * 3,
  });
  const listed = { ...sheets, data: sheets.data?.pages.flatMap(({ items }) => items) };
  return (
    <Page title={say("sheets.title")}>
      <div className="stack">
        <Select
          className="filter"
          aria-label={say("sheets.filter")}
          value={status}
          onChange={setStatus}
          options={[
            { value: "all" as const, label: say("sheets.all") },
            ...sheetStatuses.map((value) => ({
              value,
              label: `${value} ${say(`sheet.${value}`)}`,
            })),
          ]}
        />
        <Loaded query={listed} empty={(items) => items.length === 0} nothing={say("sheets.empty")}>
          {(items) => (
            <ul className="cards">
              {items.map((sheet) => (
                <li key={sheet.id}>
                  <SheetCard sheet={sheet} />
                </li>
              ))}
            </ul>
          )}
        </Loaded>
        <More query={sheets} />
      </div>
    </Page>
  );
}

function Decide({ sheet }: { sheet: Sheet }) {
  const say = useWords();
  const confirm = useConfirm();
  const { id, status, openedBy, number, problem } = sheet;
  const decide = useAct(
    (word: "consent" | "refuse" | "withdraw", once) =>
      ask(`POST /v1/red-letters/{id}/${word}` as const, { params: { id }, ...once }),
    {
      refreshes: [["red-letters"], ["invoice"], ["history"], ["invoices"], ["quota"]],
    },
  );
  const sure = async (word: "consent" | "refuse" | "withdraw", question: Question) => {
    if (await confirm(question)) decide.mutate(word);
  };
  if (number !== undefined) return null;
  // agreeing again retries an act that was refused or not signed in time
  const stuck = problem !== undefined && (status === "04" || status === "01");
  return (
    <>
      <ProblemNote error={decide.error} />
      <div className="row">
        {status === "03" || stuck ? (
          <Button
            type="primary"
            danger
            loading={decide.isPending}
            onClick={() =>
              void sure("consent", {
                title: say("sheet.consent.title"),
                final: say("sheet.consent.final"),
                yes: say("sheet.consent"),
              })
            }
          >
            {say(stuck ? "sheet.again" : "sheet.consent")}
          </Button>
        ) : null}
        {status === "03" ? (
          <Button
            disabled={decide.isPending}
            onClick={() =>
              void sure("refuse", {
                title: say("sheet.refuse.title"),
                final: say("sheet.refuse.final"),
                yes: say("sheet.refuse"),
              })
            }
          >
            {say("sheet.refuse")}
          </Button>
        ) : null}
        {openedBy === "issuer" && isOpenSheet(sheet) ? (
          <Button
            loading={decide.isPending && decide.variables === "withdraw"}
            onClick={() =>
              void sure("withdraw", {
                title: say("sheet.withdraw.title"),
                final: say("sheet.withdraw.final"),
                yes: say("sheet.withdraw"),
              })
            }
          >
            {say("sheet.withdraw")}
          </Button>
        ) : null}
      </div>
    </>
  );
}

export function SheetPage() {
  const say = useWords();
  const { id = "" } = useParams();
  const sheet = useQuery({
    queryKey: ["red-letters", "one", id],
    queryFn: () => ask("GET /v1/red-letters/{id}", { params: { id } }),
    refetchInterval: ({ state }) =>
      state.data !== undefined && isOpenSheet(state.data) ? LOOK_AGAIN_MS : false,
  });
  const link = (number: string) => (
    <Link to={`/merchant/invoices/${number}`}>
      <InvoiceNumber number={number} />
    </Link>
  );
  return (
    <Page title={say("sheet.title")} narrow>
      <Loaded query={sheet}>
        {(details) => (
          <div className="stack">
            <Alert
              type={
                details.number !== undefined
                  ? "success"
                  : ["05", "06", "07"].includes(details.status)
                    ? "error"
                    : ["02", "03"].includes(details.status)
                      ? "warning"
                      : "info"
              }
              showIcon
              role="status"
              title={<SheetStatus sheet={details} />}
              description={
                details.number === undefined
                  ? say(`sheet.${details.status}.detail`)
                  : say("sheet.issued.detail")
              }
            />
            {details.problem === undefined ? null : (
              <Alert
                type="error"
                showIcon
                role="alert"
                title={say("sheet.problem")}
                description={
                  <>
                    {details.problem.detail} (<code>{details.problem.code}</code>)
                  </>
                }
              />
            )}
            <Card>
              <div className="stack">
                <Money amount={details.totals.gross} strong />
                <Descriptions
                  column={1}
                  size="small"
                  items={[
                    {
                      key: "invoice",
                      label: say("sheet.invoice"),
                      children: link(details.invoice),
                    },
                    ...(details.number === undefined
                      ? []
                      : [
                          {
                            key: "number",
                            label: say("sheet.number"),
                            children: link(details.number),
                          },
                        ]),
                    ...(details.replacement === undefined
                      ? []
                      : [
                          {
                            key: "replacement",
                            label: say("sheet.replacement"),
                            children: link(details.replacement),
                          },
                        ]),
                    ...(details.reason === undefined
                      ? []
                      : [
                          {
                            key: "reason",
                            label: say("red.reason"),
                            children: say(`red.reason.${details.reason}`),
                          },
                        ]),
                    {
                      key: "by",
                      label: say("sheet.openedBy"),
                      children: say(`sheet.by.${details.openedBy}`),
                    },
                    ...(details.employer === undefined
                      ? []
                      : [
                          {
                            key: "employer",
                            label: say("sheet.employer"),
                            children: details.employer.name,
                          },
                        ]),
                    {
                      key: "created",
                      label: say("sheet.created"),
                      children: <Time at={details.createdAt} />,
                    },
                    ...(details.confirmBy === undefined
                      ? []
                      : [
                          {
                            key: "until",
                            label: say("sheet.until"),
                            children: <Time at={details.confirmBy} />,
                          },
                        ]),
                  ]}
                />
                <Decide sheet={details} />
              </div>
            </Card>
            {details.document === undefined ? null : (
              <Card title={<h2>{say("sheet.document")}</h2>}>
                <DocumentView document={details.document} />
              </Card>
            )}
          </div>
        )}
      </Loaded>
    </Page>
  );
}
