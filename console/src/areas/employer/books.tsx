/**
 * Book entry (入账): the invoices that may be entered, entering each once, and the list of entries on
 * the chain to reconcile the books with.
 */
import { FileExcelOutlined } from "@ant-design/icons";
import { useInfiniteQuery, useMutation, useQueries } from "@tanstack/react-query";
import {
  Alert,
  Button,
  Card,
  Checkbox,
  DatePicker,
  Form,
  Input,
  Radio,
  Table,
  Tabs,
  Tag,
} from "antd";
import dayjs, { type Dayjs } from "dayjs";
import { useState } from "react";
import { useAct } from "../../shared/act.ts";
import { sumsOf } from "../../shared/amounts.ts";
import { ask, type Schemas, saveFile } from "../../shared/client.ts";
import { useConfirm } from "../../shared/confirm.tsx";
import { chinaMonth, isWithin } from "../../shared/days.ts";
import { Page } from "../../shared/frame.tsx";
import type { InvoiceFilter } from "../../shared/invoice-filter.ts";
import {
  FilterBar,
  NothingFound,
  useInvoiceFilter,
  useInvoiceList,
} from "../../shared/invoice-list.tsx";
import { Loaded, More, ProblemNote } from "../../shared/problem.tsx";
import { InvoiceNumber, Money, StateTag, Time, Wide } from "../../shared/show.tsx";
import { inLedgerOrder, isOpen, isOpenMark } from "./book-entries.ts";
import { type Cell, csvFile } from "./csv.ts";
import { useWords } from "./messages.ts";
import { Refused } from "./refused.tsx";

type Act = Schemas["EntryAct"];
type Open = {
  name: string;
  number: string;
  external: boolean;
  seller: string;
  status: string;
  currency: string;
  payable: string;
  at: string | undefined;
  entry: string;
};

const PAGE = 50;
const MAX = 100;
const refreshes = [["invoices"], ["externals"], ["entries"], ["invoice"], ["entry"]] as const;

function useOpen(filter: InvoiceFilter) {
  const invoices = useInvoiceList("employer", filter, 100);
  const foreign = useInfiniteQuery({
    queryKey: ["externals", "books"],
    queryFn: ({ pageParam }) =>
      ask("GET /v1/external-invoices", {
        query: { limit: 50, ...(pageParam === "" ? {} : { before: pageParam }) },
      }),
    initialPageParam: "",
    getNextPageParam: ({ next }) => next,
  });
  // the list of external invoices has no tax ids, and few of their sellers are enrolled here
  const paid = (
    filter.seller === undefined ? (foreign.data?.pages.flatMap(({ items }) => items) ?? []) : []
  ).filter(
    ({ claim, registeredAt }) => claim.status === "reimbursed" && isWithin(filter, registeredAt),
  );
  const marks = useQueries({
    queries: paid.map(({ id }) => ({
      queryKey: ["entry", id],
      queryFn: () => ask("GET /v1/invoices/{number}/entry", { params: { number: id } }),
    })),
  });
  const items = invoices.data?.filter(isOpen).map(
    ({ number, seller, status, currency, payable, issuedAt, entry = "01" }): Open => ({
      name: number,
      number,
      external: false,
      seller,
      status,
      currency,
      payable,
      at: issuedAt,
      entry,
    }),
  );
  const externals = paid.flatMap(
    ({ id, number, seller, currency, payable, registeredAt }, at): Open[] => {
      const entry = marks[at]?.data?.mark;
      return entry !== undefined && isOpenMark(entry)
        ? [
            {
              name: id,
              number,
              external: true,
              seller,
              status: "reimbursed",
              currency,
              payable,
              at: registeredAt,
              entry,
            },
          ]
        : [];
    },
  );
  return {
    ...invoices,
    error: invoices.error ?? foreign.error,
    data: items === undefined ? undefined : [...externals, ...items],
    hasNextPage: invoices.hasNextPage || foreign.hasNextPage,
    isFetchingNextPage: invoices.isFetchingNextPage || foreign.isFetchingNextPage,
    fetchNextPage() {
      if (invoices.hasNextPage) void invoices.fetchNextPage();
      if (foreign.hasNextPage) void foreign.fetchNextPage();
    },
  };
}

type Mark = { mark: "02" | "03"; period?: Dayjs; voucher?: string };

function MarkForm({ chosen, onDone }: { chosen: readonly Open[]; onDone: () => void }) {
  const say = useWords();
  const confirm = useConfirm();
  const [form] = Form.useForm<Mark>();
  const enter = useAct(
    (body: { mark: "02" | "03"; invoices: string[]; period?: string; voucher?: string }, once) =>
      ask("POST /v1/entries", { ...once, body }),
    { refreshes },
  );
  const submit = async ({ mark, period, voucher }: Mark) => {
    const total = sumsOf(chosen.map(({ payable, currency }) => ({ amount: payable, currency })));
    const yes = await confirm({
      title: say("books.confirm.title"),
      detail: (
        <p>
          {say("books.confirm.detail", {
            count: chosen.length,
            total,
            mark: `${mark} ${say(`mark.${mark}`)}`,
          })}
        </p>
      ),
      yes: say("books.enter"),
    });
    if (!yes) return;
    const words = {
      ...(period ? { period: period.format("YYYY-MM") } : {}),
      ...(voucher?.trim() ? { voucher: voucher.trim() } : {}),
    };
    enter.mutate(
      { mark, invoices: inLedgerOrder(chosen.map(({ name }) => name)), ...words },
      { onSuccess: onDone },
    );
  };
  return (
    <Card title={<h2>{say("books.mark")}</h2>}>
      <Form<Mark>
        form={form}
        layout="vertical"
        requiredMark={false}
        initialValues={{ mark: "02", period: dayjs(chinaMonth()) }}
        onFinish={(values) => void submit(values)}
      >
        <Form.Item name="mark" label={say("books.mark.label")}>
          <Radio.Group
            options={(["02", "03"] as const).map((value) => ({
              value,
              label: `${value} ${say(`mark.${value}`)}`,
            }))}
          />
        </Form.Item>
        <div className="two">
          <Form.Item name="period" label={say("books.period")}>
            <DatePicker picker="month" className="full" />
          </Form.Item>
          <Form.Item name="voucher" label={say("books.voucher")}>
            <Input maxLength={100} autoComplete="off" placeholder={say("books.voucher.example")} />
          </Form.Item>
        </div>
        <p className="quiet small">{say("books.private")}</p>
        <Refused error={enter.error} />
        {enter.data ? (
          <Alert
            type="success"
            showIcon
            role="status"
            title={say("books.done", { count: enter.data.invoices.length })}
          />
        ) : null}
        {chosen.length > MAX ? (
          <Alert type="warning" showIcon role="alert" title={say("books.tooMany")} />
        ) : null}
        <Button
          type="primary"
          htmlType="submit"
          className="after"
          loading={enter.isPending}
          disabled={chosen.length === 0 || chosen.length > MAX}
        >
          {say("books.enter.count", { count: chosen.length })}
        </Button>
      </Form>
    </Card>
  );
}

function ToEnter() {
  const say = useWords();
  const { filter, filtered, setFilter } = useInvoiceFilter();
  const open = useOpen(filter);
  const [picked, setPicked] = useState<readonly string[]>([]);
  const chosen = (open.data ?? []).filter(({ name }) => picked.includes(name));
  return (
    <div className="stack">
      <FilterBar party="seller" filter={filter} onFilter={setFilter} />
      <Loaded
        query={open}
        empty={(items) => items.length === 0 && !open.hasNextPage}
        nothing={filtered ? <NothingFound /> : say("books.none")}
      >
        {(items) => (
          <Wide label={say("books.toEnter")}>
            <Table<Open>
              size="middle"
              rowKey="name"
              dataSource={items}
              pagination={false}
              columns={[
                {
                  key: "pick",
                  width: 44,
                  title: (
                    <Checkbox
                      aria-label={say("books.pickAll")}
                      checked={items.length > 0 && chosen.length === items.length}
                      indeterminate={chosen.length > 0 && chosen.length < items.length}
                      onChange={({ target }) =>
                        setPicked(target.checked ? items.map(({ name }) => name) : [])
                      }
                    />
                  ),
                  render: (_, { name, number }) => (
                    <Checkbox
                      aria-label={say("books.pick", { number })}
                      checked={picked.includes(name)}
                      onChange={({ target }) =>
                        setPicked(
                          target.checked
                            ? [...picked, name]
                            : picked.filter((entry) => entry !== name),
                        )
                      }
                    />
                  ),
                },
                {
                  title: say("col.invoice"),
                  render: (_, { seller, number, external, entry }) => (
                    <>
                      {seller}{" "}
                      {external ? <Tag variant="outlined">{say("external.tag")}</Tag> : null}
                      {entry === "06" ? <Tag variant="outlined">{say("books.revoked")}</Tag> : null}
                      <div className="quiet small">
                        <InvoiceNumber number={number} />
                      </div>
                    </>
                  ),
                },
                {
                  title: say("col.total"),
                  align: "right",
                  render: (_, { payable, currency }) => (
                    <Money amount={payable} currency={currency} />
                  ),
                },
                { title: say("col.date"), render: (_, { at }) => <Time at={at} date /> },
                { title: say("col.state"), render: (_, { status }) => <StateTag state={status} /> },
              ]}
            />
          </Wide>
        )}
      </Loaded>
      <More query={open} />
      {open.data === undefined ? null : <MarkForm chosen={chosen} onDone={() => setPicked([])} />}
    </div>
  );
}

const entryPage = (after: string, limit: number, current: boolean) =>
  ask("GET /v1/entries", {
    query: { limit, current: current ? "true" : "false", ...(after === "" ? {} : { after }) },
  });

const csvColumns = [
  "position",
  "invoice",
  "mark",
  "at",
  "current",
  "period",
  "voucher",
  "act",
  "tx",
  "block",
] as const;

function Acts() {
  const say = useWords();
  const confirm = useConfirm();
  const [current, setCurrent] = useState(true);
  const pages = useInfiniteQuery({
    queryKey: ["entries", current],
    queryFn: ({ pageParam }) => entryPage(pageParam, PAGE, current),
    initialPageParam: "",
    getNextPageParam: ({ next, more }) => (more ? next : undefined),
  });
  const revoke = useAct(
    (name: string, once) =>
      ask("POST /v1/entries", { ...once, body: { mark: "06", invoices: [name] } }),
    {
      refreshes,
    },
  );
  const save = useMutation({
    async mutationFn() {
      const rows: Cell[][] = [csvColumns.map((column) => say(`csv.entry.${column}`))];
      for (let [after, more] = ["", true]; more; ) {
        const page = await entryPage(after, 100, current);
        for (const {
          position,
          invoice,
          mark,
          at,
          current: holds,
          period,
          voucher,
          proof,
        } of page.items)
          rows.push([
            position,
            invoice,
            mark,
            at,
            say(holds ? "yes" : "no"),
            period,
            voucher,
            proof.act,
            proof.tx,
            proof.block,
          ]);
        [after, more] = [page.next, page.more];
      }
      saveFile(csvFile(rows), "entries.csv");
    },
  });
  const ask06 = async ({ invoice, voucher }: Act) => {
    const yes = await confirm({
      title: say("books.revoke.title"),
      detail: <p>{say("books.revoke.detail", { invoice, voucher: voucher ?? "—" })}</p>,
      final: say("books.revoke.final"),
      yes: say("books.revoke"),
    });
    if (yes) revoke.mutate(invoice);
  };
  const listed = { ...pages, data: pages.data?.pages.flatMap(({ items }) => items) };
  return (
    <div className="stack">
      <div className="row between">
        <Checkbox checked={current} onChange={({ target }) => setCurrent(target.checked)}>
          {say("books.current")}
        </Checkbox>
        <Button icon={<FileExcelOutlined />} loading={save.isPending} onClick={() => save.mutate()}>
          {say("export.csv")}
        </Button>
      </div>
      <ProblemNote error={save.error} />
      <Refused error={revoke.error} />
      <Loaded query={listed} empty={(items) => items.length === 0} nothing={say("books.acts.none")}>
        {(items) => (
          <Wide label={say("books.acts")}>
            <Table<Act>
              size="middle"
              rowKey="position"
              dataSource={items}
              pagination={false}
              columns={[
                {
                  title: say("col.invoice"),
                  render: (_, { invoice }) => (
                    <InvoiceNumber
                      number={
                        invoice.length > 20
                          ? `${invoice.slice(0, 10)}…${invoice.slice(-4)}`
                          : invoice
                      }
                    />
                  ),
                },
                {
                  title: say("books.mark.label"),
                  render: (_, { mark, current: holds }) => (
                    <>
                      {mark} {say(`mark.${mark}`)}{" "}
                      {holds ? null : <Tag variant="outlined">{say("books.past")}</Tag>}
                    </>
                  ),
                },
                { title: say("books.period"), render: (_, { period }) => period ?? "—" },
                { title: say("books.voucher"), render: (_, { voucher }) => voucher ?? "—" },
                { title: say("books.at"), render: (_, { at }) => <Time at={at} /> },
                {
                  title: say("books.block"),
                  align: "right",
                  render: (_, { proof }) => <span title={proof.tx}>{proof.block}</span>,
                },
                {
                  title: say("col.act"),
                  render: (_, act) =>
                    act.current && act.mark !== "06" ? (
                      <Button
                        danger
                        size="small"
                        loading={revoke.isPending && revoke.variables === act.invoice}
                        aria-label={say("books.revoke.of", { invoice: act.invoice })}
                        onClick={() => void ask06(act)}
                      >
                        {say("books.revoke")}
                      </Button>
                    ) : null,
                },
              ]}
            />
          </Wide>
        )}
      </Loaded>
      <More query={pages} />
    </div>
  );
}

export function Books() {
  const say = useWords();
  return (
    <Page title={say("books.title")}>
      <Tabs
        items={[
          { key: "open", label: say("books.toEnter"), children: <ToEnter /> },
          { key: "acts", label: say("books.acts"), children: <Acts />, destroyOnHidden: true },
        ]}
      />
    </Page>
  );
}
