/** The holder's invoices as cards, with a filter. Several can be selected for one report. */
import { CheckSquareOutlined, QrcodeOutlined } from "@ant-design/icons";
import { Button, Card, Checkbox, Tag } from "antd";
import { useState } from "react";
import { Link, useNavigate } from "react-router";
import { ButtonLink } from "../../shared/button-link.tsx";
import type { Schemas } from "../../shared/client.ts";
import { Page } from "../../shared/frame.tsx";
import {
  FilterBar,
  NothingFound,
  useInvoiceFilter,
  useInvoiceList,
} from "../../shared/invoice-list.tsx";
import { useSharedWords } from "../../shared/messages.ts";
import { Loaded, More } from "../../shared/problem.tsx";
import { InvoiceNumber, Money, StateTag, Time } from "../../shared/show.tsx";
import { useWords } from "./messages.ts";

export type Summary = Schemas["InvoiceSummary"];
const states = ["issued", "claimed", "reimbursed", "reversed"] as const;

function InvoiceCard({
  invoice,
  picked,
  onPick,
}: {
  invoice: Summary;
  picked: boolean | undefined;
  onPick: (picked: boolean) => void;
}) {
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
          <Checkbox
            checked={picked}
            onChange={(event) => onPick(event.target.checked)}
            aria-label={say("invoices.selected", { number })}
          />
        )}
      </div>
      <Link
        to={`/holder/invoices/${number}`}
        className="invoice-link"
        aria-label={say("invoices.open", { name: seller })}
      >
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
  const navigate = useNavigate();
  const { filter, filtered, setFilter } = useInvoiceFilter();
  const [picked, setPicked] = useState<ReadonlySet<string> | undefined>(undefined);
  const invoices = useInvoiceList("holder", filter);
  const pick = (number: string, yes: boolean) =>
    setPicked(
      (now) =>
        new Set(
          yes ? [...(now ?? []), number] : [...(now ?? [])].filter((entry) => entry !== number),
        ),
    );
  return (
    <Page
      title={say("invoices.title")}
      extra={
        <>
          <ButtonLink to="/holder/pickup" icon={<QrcodeOutlined />} type="primary">
            {say("nav.pickup")}
          </ButtonLink>
          <Button
            icon={<CheckSquareOutlined />}
            onClick={() => setPicked(picked === undefined ? new Set() : undefined)}
          >
            {say(picked === undefined ? "invoices.select" : "invoices.select.done")}
          </Button>
        </>
      }
    >
      <div className="stack">
        <FilterBar states={states} party="seller" filter={filter} onFilter={setFilter} />
        <Loaded
          query={invoices}
          empty={(items) => items.length === 0}
          nothing={filtered ? <NothingFound /> : say("invoices.empty")}
        >
          {(items) => (
            <ul className="cards">
              {items.map((invoice) => (
                <li key={invoice.number}>
                  <InvoiceCard
                    invoice={invoice}
                    picked={picked?.has(invoice.number)}
                    onPick={(yes) => pick(invoice.number, yes)}
                  />
                </li>
              ))}
            </ul>
          )}
        </Loaded>
        <More query={invoices} />
      </div>
      {picked !== undefined && picked.size > 0 ? (
        <div className="float">
          <Button
            type="primary"
            size="large"
            onClick={() => navigate("/holder/reports/new", { state: { picked: [...picked] } })}
          >
            {say("invoices.claim", { count: picked.size })}
          </Button>
        </div>
      ) : null}
    </Page>
  );
}
