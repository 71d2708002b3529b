/**
 * Credit notes of external invoices, and what was reimbursed too much, as an employer and the
 * bureau see them.
 */
import { useInfiniteQuery } from "@tanstack/react-query";
import { Card, Segmented, Table, Tag } from "antd";
import { type ReactNode, useState } from "react";
import { formatAmount } from "./amounts.ts";
import { ask, type Schemas } from "./client.ts";
import { useSharedWords } from "./messages.ts";
import { Loaded, More } from "./problem.tsx";
import { InvoiceNumber, Money, Time, Wide } from "./show.tsx";

export type CreditNote = Schemas["ExternalCreditNote"];
type Effect = CreditNote["effects"][number];
export type Overpaid = Schemas["ExternalOverpaid"];

const PAGE = 20;
const looks = {
  reduces: "good",
  exceeds: "bad",
  differs: "bad",
  several: "wait",
  "other-employer": "wait",
} as const satisfies Record<Effect["effect"], string>;

/** What a credit note does to an original. */
export function CreditEffect({ effect, currency }: { effect: Effect; currency: string }) {
  const say = useSharedWords();
  const amount = formatAmount(effect.taken.payable, currency);
  return (
    <div className="row">
      <Tag
        variant="outlined"
        className={`state state-${effect.overpaid ? "bad" : looks[effect.effect]}`}
      >
        {say(effect.overpaid ? "credit.late" : `credit.${effect.effect}`)}
      </Tag>
      <InvoiceNumber number={effect.number} />
      {effect.taken.payable.replace(/[0.]/g, "") === "" ? null : (
        <span className="money">
          {effect.overpaid ? say("credit.overpaid", { amount }) : `−${amount}`}
        </span>
      )}
    </div>
  );
}

/** The originals of a credit note: those that are claimed with what it does, else their numbers. */
export function Originals({ note }: { note: CreditNote }) {
  const say = useSharedWords();
  const { effects, originals, currency } = note;
  if (effects.length > 0)
    return effects.map((effect) => (
      <CreditEffect key={effect.claim.id} effect={effect} currency={currency} />
    ));
  if (originals.length === 0) return <span className="quiet">{say("credit.none")}</span>;
  return (
    <>
      {originals.map(({ number }) => (
        <InvoiceNumber key={number} number={number} />
      ))}
      <div className="quiet small">{say("credit.waits")}</div>
    </>
  );
}

/** Recorded credit notes. `doubtful`: only those that do not fit their originals. */
export function CreditNotes({ doubtful, title }: { doubtful: boolean; title: string }) {
  const say = useSharedWords();
  const pages = useInfiniteQuery({
    queryKey: ["external-credits", doubtful],
    queryFn: ({ pageParam }) =>
      ask("GET /v1/external-credits", {
        query: {
          limit: PAGE,
          ...(doubtful ? ({ doubtful: "true" } as const) : {}),
          ...(pageParam === "" ? {} : { before: pageParam }),
        },
      }),
    initialPageParam: "",
    getNextPageParam: ({ next }) => next,
  });
  const items = pages.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Card title={<h2>{title}</h2>}>
      <Loaded query={pages} empty={() => items.length === 0} nothing={say("credit.empty")}>
        {() => (
          <Wide label={title}>
            <Table<CreditNote>
              size="small"
              rowKey={({ credit, id }) => credit ?? id}
              pagination={false}
              dataSource={items}
              columns={[
                {
                  key: "note",
                  title: say("credit.note"),
                  render: (_, { number, recordedAt, seller }) => (
                    <>
                      <InvoiceNumber number={number} />
                      <div className="small">{seller}</div>
                      <div className="quiet small">
                        <Time at={recordedAt} />
                      </div>
                    </>
                  ),
                },
                {
                  key: "amount",
                  title: say("credit.amount"),
                  render: (_, { amount, currency }) => (
                    <Money amount={amount} currency={currency} strong />
                  ),
                },
                {
                  key: "originals",
                  title: say("credit.originals"),
                  render: (_, note) => <Originals note={note} />,
                },
                {
                  key: "employer",
                  title: say("credit.employer"),
                  render: (_, { employer }) => employer.name,
                },
              ]}
            />
          </Wide>
        )}
      </Loaded>
      <More query={pages} />
    </Card>
  );
}

/** What was reimbursed too much. `action`: what the reader may do about an open sum. */
export function OverpaidList({ action }: { action?: (overpaid: Overpaid) => ReactNode }) {
  const say = useSharedWords();
  const [state, setState] = useState<"open" | "recovered">("open");
  const pages = useInfiniteQuery({
    queryKey: ["external-overpaid", state],
    queryFn: ({ pageParam }) =>
      ask("GET /v1/external-overpaid", {
        query: { limit: PAGE, state, ...(pageParam === "" ? {} : { before: pageParam }) },
      }),
    initialPageParam: "",
    getNextPageParam: ({ next }) => next,
  });
  const items = pages.data?.pages.flatMap((page) => page.items) ?? [];
  const first = pages.data?.pages[0];
  const sums = (first?.sums ?? []).map(({ amount, currency }) => formatAmount(amount, currency));
  return (
    <Card title={<h2>{say("overpaid.title")}</h2>}>
      <div className="stack">
        <div className="quiet">{say("overpaid.page")}</div>
        <div className="row between">
          <Segmented
            aria-label={say("overpaid.title")}
            value={state}
            onChange={setState}
            options={[
              { value: "open" as const, label: say("overpaid.open") },
              { value: "recovered" as const, label: say("overpaid.recovered") },
            ]}
          />
          {sums.length === 0 ? null : (
            <strong>
              {say(first?.sumsOfNewest === true ? "overpaid.sum.newest" : "overpaid.sum", {
                sums: sums.join(" + "),
              })}
            </strong>
          )}
        </div>
        <Loaded query={pages} empty={() => items.length === 0} nothing={say("overpaid.none")}>
          {() => (
            <Wide label={say("overpaid.title")}>
              <Table<Overpaid>
                size="small"
                rowKey="overpaid"
                pagination={false}
                dataSource={items}
                columns={[
                  {
                    key: "original",
                    title: say("overpaid.original"),
                    render: (_, { original }) => <InvoiceNumber number={original.number} />,
                  },
                  {
                    key: "note",
                    title: say("credit.note"),
                    render: (_, { creditNote }) => <InvoiceNumber number={creditNote.number} />,
                  },
                  {
                    key: "amount",
                    title: say("overpaid.amount"),
                    render: (_, { amount, currency }) => (
                      <Money amount={amount} currency={currency} strong />
                    ),
                  },
                  {
                    key: "employer",
                    title: say("credit.employer"),
                    render: (_, { employer }) => employer.name,
                  },
                  {
                    key: "state",
                    title: say("overpaid.state"),
                    render: (_, overpaid) =>
                      overpaid.recoveredAt === undefined ? (
                        (action?.(overpaid) ?? say("overpaid.open"))
                      ) : (
                        <Time at={overpaid.recoveredAt} />
                      ),
                  },
                ]}
              />
            </Wide>
          )}
        </Loaded>
        <More query={pages} />
      </div>
    </Card>
  );
}
