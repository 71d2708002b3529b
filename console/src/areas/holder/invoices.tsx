/** The holder's invoices as cards, by state, newest number last as the API has them; several may be chosen for one report. */
import { CheckSquareOutlined, QrcodeOutlined } from "@ant-design/icons";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Button, Card, Checkbox, Empty, Segmented, Tag } from "antd";
import { useState } from "react";
import { Link, useNavigate } from "react-router";
import { ButtonLink } from "../../shared/button-link.tsx";
import { api, ask, type Schemas } from "../../shared/client.ts";
import { Page } from "../../shared/frame.tsx";
import { useSharedWords } from "../../shared/messages.ts";
import { Loaded } from "../../shared/problem.tsx";
import { InvoiceNumber, Money, StateTag, Time, useStateName } from "../../shared/show.tsx";
import { useWords } from "./messages.ts";

export type Summary = Schemas["InvoiceSummary"];
const states = ["issued", "claimed", "reimbursed", "reversed"] as const;
type Filter = "all" | (typeof states)[number];

/** All of the holder's invoices in a state, by pages. */
export function useInvoices(filter: Filter) {
  const query = useInfiniteQuery({
    queryKey: ["invoices", filter],
    queryFn: ({ pageParam }) =>
      ask(
        api.GET("/v1/invoices", {
          params: { query: { as: "holder", limit: 50, ...(filter === "all" ? {} : { status: filter }), ...(pageParam === "" ? {} : { after: pageParam }) } },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
  });
  return { ...query, data: query.data?.pages.flatMap((page) => page.items) };
}

function InvoiceCard({ invoice, picked, onPick }: { invoice: Summary; picked: boolean | undefined; onPick: (picked: boolean) => void }) {
  const say = useWords();
  const shared = useSharedWords();
  const { number, seller, gross, currency, status, titled, issuedAt, acceptedAt } = invoice;
  return (
    <Card size="small" className={picked ? "invoice-card picked" : "invoice-card"}>
      <div className="row between">
        <StateTag state={status} />
        {picked === undefined || status !== "issued" ? (
          <Tag variant="filled">{shared(titled ? "invoice.titled" : "invoice.untitled")}</Tag>
        ) : (
          <Checkbox checked={picked} onChange={(event) => onPick(event.target.checked)} aria-label={say("invoices.selected", { number })} />
        )}
      </div>
      <Link to={`/holder/invoices/${number}`} className="invoice-link" aria-label={say("invoices.open", { name: seller })}>
        {seller}
      </Link>
      <Money amount={gross} currency={currency} strong />
      <div className="row between quiet small">
        <InvoiceNumber number={number} />
        <Time at={issuedAt ?? acceptedAt} date />
      </div>
    </Card>
  );
}

export function Invoices() {
  const say = useWords();
  const shared = useSharedWords();
  const stateName = useStateName();
  const navigate = useNavigate();
  const [filter, setFilter] = useState<Filter>("all");
  const [picked, setPicked] = useState<ReadonlySet<string> | undefined>(undefined);
  const invoices = useInvoices(filter);
  const pick = (number: string, yes: boolean) => setPicked((now) => new Set(yes ? [...(now ?? []), number] : [...(now ?? [])].filter((one) => one !== number)));
  return (
    <Page
      title={say("invoices.title")}
      extra={
        <>
          <ButtonLink to="/holder/pickup" icon={<QrcodeOutlined />} type="primary">
            {say("nav.pickup")}
          </ButtonLink>
          <Button icon={<CheckSquareOutlined />} onClick={() => setPicked(picked === undefined ? new Set() : undefined)}>
            {say(picked === undefined ? "invoices.select" : "invoices.select.done")}
          </Button>
        </>
      }
    >
      <div className="stack">
        <div className="scrolls">
          <Segmented<Filter>
            aria-label={say("invoices.filter")}
            value={filter}
            onChange={setFilter}
            options={[{ value: "all", label: say("invoices.all") }, ...states.map((value) => ({ value, label: stateName(value) }))]}
          />
        </div>
        <Loaded
          of={invoices}
          empty={(items) => items.length === 0}
          nothing={<Empty description={say(filter === "all" ? "invoices.empty" : "invoices.empty.filtered")} image={Empty.PRESENTED_IMAGE_SIMPLE} />}
        >
          {(items) => (
            <ul className="cards">
              {items.map((invoice) => (
                <li key={invoice.number}>
                  <InvoiceCard invoice={invoice} picked={picked?.has(invoice.number)} onPick={(yes) => pick(invoice.number, yes)} />
                </li>
              ))}
            </ul>
          )}
        </Loaded>
        {invoices.hasNextPage ? (
          <Button onClick={() => void invoices.fetchNextPage()} loading={invoices.isFetchingNextPage}>
            {shared("more")}
          </Button>
        ) : null}
      </div>
      {picked !== undefined && picked.size > 0 ? (
        <div className="float">
          <Button type="primary" size="large" onClick={() => navigate("/holder/reports/new", { state: { picked: [...picked] } })}>
            {say("invoices.claim", { count: picked.size })}
          </Button>
        </div>
      ) : null}
    </Page>
  );
}
