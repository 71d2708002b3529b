/** The issuer's invoices by state, newest first, and one by its number. */
import { PlusOutlined } from "@ant-design/icons";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Button, Empty, Form, Input, Segmented, Table, Tag } from "antd";
import { useState } from "react";
import { Link, useNavigate } from "react-router";
import { ButtonLink } from "../../shared/button-link.tsx";
import { api, ask } from "../../shared/client.ts";
import { Page } from "../../shared/frame.tsx";
import { useSharedWords } from "../../shared/messages.ts";
import { Loaded } from "../../shared/problem.tsx";
import { InvoiceNumber, Money, StateTag, Time, useStateName, Wide } from "../../shared/show.tsx";
import { useWords } from "./messages.ts";

const states = ["accepted", "issued", "claimed", "reimbursed", "reversed"] as const;
type Filter = "all" | (typeof states)[number];

function useIssued(filter: Filter) {
  const query = useInfiniteQuery({
    queryKey: ["issued", filter],
    queryFn: ({ pageParam }) =>
      ask(
        api.GET("/v1/invoices", {
          params: {
            query: {
              as: "issuer",
              order: "desc",
              limit: 50,
              ...(filter === "all" ? {} : { status: filter }),
              ...(pageParam === "" ? {} : { after: pageParam }),
            },
          },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
  });
  return { ...query, data: query.data?.pages.flatMap((page) => page.items) };
}

function Find() {
  const say = useWords();
  const navigate = useNavigate();
  const plain = (text: string | undefined) => (text ?? "").normalize("NFKC").replaceAll(/\s/g, "");
  return (
    <Form<{ number: string }> layout="vertical" requiredMark={false} onFinish={({ number }) => void navigate(`/merchant/invoices/${plain(number)}`)}>
      <div className="find">
        <Form.Item
          name="number"
          label={say("find.number")}
          validateTrigger="onSubmit"
          rules={[{ validator: (_, text?: string) => (/^\d{20}$/.test(plain(text)) ? Promise.resolve() : Promise.reject(say("find.bad"))) }]}
        >
          <Input inputMode="numeric" maxLength={30} autoComplete="off" className="number" />
        </Form.Item>
        <Button htmlType="submit">{say("find.do")}</Button>
      </div>
    </Form>
  );
}

export function Invoices() {
  const say = useWords();
  const shared = useSharedWords();
  const stateName = useStateName();
  const [filter, setFilter] = useState<Filter>("all");
  const invoices = useIssued(filter);
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
        <Find />
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
                  { title: shared("invoice.state"), render: (_, { status }) => <StateTag state={status} /> },
                  {
                    title: shared("invoice.gross"),
                    align: "right",
                    render: (_, { gross, currency }) => <Money amount={gross} currency={currency} />,
                  },
                  {
                    title: shared("invoice.buyer"),
                    render: (_, { buyer, titled, reverses }) => (
                      <>
                        {buyer}{" "}
                        {reverses === undefined ? (
                          <Tag variant="filled">{shared(titled ? "invoice.titled" : "invoice.untitled")}</Tag>
                        ) : (
                          <Tag variant="filled">{say("invoices.red")}</Tag>
                        )}
                      </>
                    ),
                  },
                  { title: say("invoices.accepted"), render: (_, { acceptedAt }) => <Time at={acceptedAt} /> },
                ]}
              />
            </Wide>
          )}
        </Loaded>
        {invoices.hasNextPage ? (
          <Button onClick={() => void invoices.fetchNextPage()} loading={invoices.isFetchingNextPage}>
            {shared("more")}
          </Button>
        ) : null}
      </div>
    </Page>
  );
}
