/**
 * Red letters of invoices that this employer has claimed, reimbursed or entered: those that wait
 * for its confirmation, and the outcomes of others.
 */
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Alert, Button, Card, Collapse, Descriptions, Segmented, Tag } from "antd";
import { useState } from "react";
import { useAct } from "../../shared/act.ts";
import { formatAmount } from "../../shared/amounts.ts";
import { ask, type Schemas } from "../../shared/client.ts";
import { useConfirm } from "../../shared/confirm.tsx";
import { Page } from "../../shared/frame.tsx";
import { DocumentView } from "../../shared/invoice-view.tsx";
import { Loaded, More, ProblemNote } from "../../shared/problem.tsx";
import { InvoiceNumber, Money, StateTag, Time } from "../../shared/show.tsx";
import { freshInvoice } from "./checked.ts";
import { useWords } from "./messages.ts";

type Sheet = Schemas["RedLetterSummary"];
const PAGE = 20;

function Draft({ id }: { id: string }) {
  const sheet = useQuery({
    queryKey: ["red-letters", "one", id],
    queryFn: () => ask("GET /v1/red-letters/{id}", { params: { id } }),
  });
  return (
    <Loaded query={sheet}>
      {({ document }) => (document === undefined ? null : <DocumentView document={document} />)}
    </Loaded>
  );
}

function SheetCard({ sheet }: { sheet: Sheet }) {
  const say = useWords();
  const confirm = useConfirm();
  const { id, invoice, status, reason, totals, confirmBy, createdAt, number, problem } = sheet;
  const original = useQuery(freshInvoice(invoice));
  const answer = useAct(
    (word: "consent" | "refuse", once) =>
      ask(`POST /v1/red-letters/{id}/${word}` as const, { params: { id }, ...once }),
    {
      refreshes: [["red-letters"], ["invoice"], ["claim"], ["claims"], ["invoices"]],
    },
  );
  const currency = original.data?.currency ?? "CNY";
  const back = formatAmount(totals.gross.replace("-", ""), currency);
  const consent = async () => {
    const question = {
      title: say("red.consent.title"),
      detail: <p>{say("red.consent.detail", { amount: back, invoice })}</p>,
      final: say("red.consent.final"),
      yes: say("red.consent"),
    };
    if (await confirm(question)) answer.mutate("consent");
  };
  const refuse = async () => {
    const question = {
      title: say("red.refuse.title"),
      detail: <p>{say("red.refuse.detail")}</p>,
      final: say("red.refuse.final"),
      yes: say("red.refuse"),
    };
    if (await confirm(question)) answer.mutate("refuse");
  };
  return (
    <Card>
      <article className="stack" aria-label={say("red.label", { invoice })}>
        <div className="row between">
          <Tag variant="outlined">
            {status} {say(`red.status.${status}`)}
          </Tag>
          <Money amount={totals.gross} currency={currency} strong />
        </div>
        <Descriptions
          column={{ xs: 1, md: 2 }}
          size="small"
          items={[
            {
              key: "invoice",
              label: say("red.invoice"),
              children: <InvoiceNumber number={invoice} copyable />,
            },
            ...(original.data === undefined
              ? []
              : [
                  {
                    key: "seller",
                    label: say("red.seller"),
                    children: (
                      <span className="row">
                        {original.data.seller} <StateTag state={original.data.status} />
                      </span>
                    ),
                  },
                  {
                    key: "gross",
                    label: say("red.gross"),
                    children: (
                      <>
                        <Money amount={original.data.gross} currency={currency} />
                        {original.data.left === undefined
                          ? null
                          : ` · ${say("red.left", { left: formatAmount(original.data.left.gross, currency) })}`}
                      </>
                    ),
                  },
                ]),
            {
              key: "reason",
              label: say("red.reason"),
              children: reason === undefined ? "—" : say(`red.reason.${reason}`),
            },
            { key: "created", label: say("red.created"), children: <Time at={createdAt} /> },
            ...(confirmBy === undefined || status !== "02"
              ? []
              : [{ key: "until", label: say("red.until"), children: <Time at={confirmBy} /> }]),
            ...(number === undefined
              ? []
              : [
                  {
                    key: "number",
                    label: say("red.number"),
                    children: <InvoiceNumber number={number} copyable />,
                  },
                ]),
          ]}
        />
        {number === undefined ? (
          <Collapse
            ghost
            size="small"
            items={[{ key: "draft", label: say("red.draft"), children: <Draft id={id} /> }]}
          />
        ) : null}
        {problem === undefined ? null : <Alert type="warning" showIcon title={problem.detail} />}
        <ProblemNote error={answer.error} />
        {status === "02" ? (
          <div className="row">
            <Button
              type="primary"
              loading={answer.isPending && answer.variables === "consent"}
              disabled={answer.isPending}
              onClick={() => void consent()}
            >
              {say("red.consent")}
            </Button>
            <Button
              danger
              loading={answer.isPending && answer.variables === "refuse"}
              disabled={answer.isPending}
              onClick={() => void refuse()}
            >
              {say("red.refuse")}
            </Button>
          </div>
        ) : null}
      </article>
    </Card>
  );
}

export function RedLetters() {
  const say = useWords();
  const [which, setWhich] = useState<"waiting" | "all">("waiting");
  const pages = useInfiniteQuery({
    queryKey: ["red-letters", which],
    queryFn: ({ pageParam }) =>
      ask("GET /v1/red-letters", {
        query: {
          as: "employer",
          limit: PAGE,
          ...(which === "waiting" ? { status: "02" } : {}),
          ...(pageParam === "" ? {} : { before: pageParam }),
        },
      }),
    initialPageParam: "",
    getNextPageParam: ({ next }) => next,
  });
  const listed = { ...pages, data: pages.data?.pages.flatMap(({ items }) => items) };
  return (
    <Page title={say("red.title")}>
      <div className="stack">
        <div className="quiet">{say("red.about")}</div>
        <div>
          <Segmented<"waiting" | "all">
            aria-label={say("red.which")}
            value={which}
            onChange={setWhich}
            options={[
              { value: "waiting", label: say("red.waiting") },
              { value: "all", label: say("red.all") },
            ]}
          />
        </div>
        <Loaded
          query={listed}
          empty={(items) => items.length === 0}
          nothing={say(which === "waiting" ? "red.none" : "red.none.all")}
        >
          {(items) => (
            <ul className="plain-list wide-gaps">
              {items.map((sheet) => (
                <li key={sheet.id}>
                  <SheetCard sheet={sheet} />
                </li>
              ))}
            </ul>
          )}
        </Loaded>
        <More query={pages} />
      </div>
    </Page>
  );
}
