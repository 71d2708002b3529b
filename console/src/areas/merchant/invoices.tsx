/** The issuer's invoices, newest first, with a filter. */
import { PlusOutlined } from "@ant-design/icons";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Table, Tag } from "antd";
import { Link, useNavigate } from "react-router";
import { ButtonLink } from "../../shared/button-link.tsx";
import { invoiceQuery, Refusal } from "../../shared/client.ts";
import { Page } from "../../shared/frame.tsx";
import type { InvoiceFilter } from "../../shared/invoice-filter.ts";
import {
  FilterBar,
  NothingFound,
  useInvoiceFilter,
  useInvoiceList,
} from "../../shared/invoice-list.tsx";
import { useSharedWords } from "../../shared/messages.ts";
import { Loaded, More, ProblemNote } from "../../shared/problem.tsx";
import { InvoiceNumber, Money, StateTag, Time, Wide } from "../../shared/show.tsx";
import { digitsOf } from "../../shared/typed.ts";
import { useWords } from "./messages.ts";

const states = ["accepted", "issued", "claimed", "reimbursed", "reversed"] as const;

/**
 * Opens the invoice with a typed number. Twenty digits may also be a document number: that of a 数电票
 * that was issued again here.
 */
function useNumber() {
  const queries = useQueryClient();
  const navigate = useNavigate();
  return useMutation({
    async mutationFn({ number, otherwise }: { number: string; otherwise: () => void }) {
      try {
        await queries.fetchQuery(invoiceQuery(number));
      } catch (error) {
        if (!(error instanceof Refusal) || error.code !== "not-found") throw error;
        return otherwise();
      }
      void navigate(`/merchant/invoices/${number}`);
    },
  });
}

export function Invoices() {
  const say = useWords();
  const shared = useSharedWords();
  const { filter, filtered, setFilter } = useInvoiceFilter();
  const invoices = useInvoiceList("issuer", filter);
  const byNumber = useNumber();
  const find = (text: string, rest: InvoiceFilter) => {
    const number = digitsOf(text);
    const byOwnId = () => setFilter({ ...rest, source: text });
    if (/^\d{20}$/.test(number)) byNumber.mutate({ number, otherwise: byOwnId });
    else byOwnId();
  };
  return (
    <Page
      title={say("invoices.title")}
      extra={
        <ButtonLink to="/merchant/issue" type="primary" icon={<PlusOutlined />}>
          {say("nav.issue")}
        </ButtonLink>
      }
    >
      <div className="stack">
        <FilterBar
          states={states}
          party="buyer"
          filter={filter}
          onFilter={setFilter}
          onText={find}
          busy={byNumber.isPending}
        />
        <ProblemNote error={byNumber.error} />
        <Loaded
          query={invoices}
          empty={(items) => items.length === 0}
          nothing={filtered ? <NothingFound /> : say("invoices.empty")}
        >
          {(items) => (
            <Wide label={say("invoices.title")}>
              <Table
                rowKey="number"
                pagination={false}
                size="middle"
                dataSource={items}
                columns={[
                  {
                    title: shared("invoice.number"),
                    render: (_, { number }) => (
                      <Link to={`/merchant/invoices/${number}`}>
                        <InvoiceNumber number={number} />
                      </Link>
                    ),
                  },
                  {
                    title: shared("invoice.state"),
                    render: (_, { status }) => <StateTag state={status} />,
                  },
                  {
                    title: shared("invoice.gross"),
                    align: "right",
                    render: (_, { gross, currency }) => (
                      <Money amount={gross} currency={currency} />
                    ),
                  },
                  {
                    title: shared("invoice.buyer"),
                    render: (_, { buyer, titled, reverses }) => (
                      <>
                        {buyer}{" "}
                        {reverses === undefined ? (
                          <Tag variant="filled">
                            {shared(titled ? "invoice.titled" : "invoice.untitled")}
                          </Tag>
                        ) : (
                          <Tag variant="filled">{say("invoices.red")}</Tag>
                        )}
                      </>
                    ),
                  },
                  {
                    title: say("invoices.accepted"),
                    render: (_, { acceptedAt }) => <Time at={acceptedAt} />,
                  },
                ]}
              />
            </Wide>
          )}
        </Loaded>
        <More query={invoices} />
      </div>
    </Page>
  );
}
