/** All enrolled taxpayers, page by page, and the form that enrols one. */
import { PlusOutlined } from "@ant-design/icons";
import { useInfiniteQuery } from "@tanstack/react-query";
import {
  Alert,
  Button,
  Checkbox,
  Drawer,
  Form,
  Input,
  Radio,
  Select,
  Table,
  Typography,
} from "antd";
import { useState } from "react";
import { Link, useNavigate } from "react-router";
import { useAct } from "../../shared/act.ts";
import { ask, type Schemas } from "../../shared/client.ts";
import { Page } from "../../shared/frame.tsx";
import { useRefresh } from "../../shared/live.tsx";
import { useSharedWords } from "../../shared/messages.ts";
import { Loaded, ProblemNote } from "../../shared/problem.tsx";
import { type ByPerson, ByPersonFields, PersonMade, personOf } from "../../shared/provider.tsx";
import { Account, StateTag, Wide } from "../../shared/show.tsx";
import { useWords } from "./messages.ts";
import { useNames } from "./names.ts";

export type Taxpayer = Schemas["Taxpayer"];
type Capability = "issuer" | "employer";
type Enrolment = {
  name: string;
  taxId: string;
  capabilities: Capability[];
  region?: string;
  custody: "gateway" | "own";
  address?: string;
};

const PAGE = 50;
export const taxpayerEvents = [
  "taxpayer.enrolled",
  "taxpayer.suspended",
  "taxpayer.reinstated",
] as const;

/**
 * Tells a finished enrolment from a 202, which only says that the request was accepted. With
 * Prefer: wait the gateway usually answers when the enrolment is done.
 */
const isTaxpayer = (body: object | undefined): body is Taxpayer =>
  body !== undefined && "index" in body;

function EnrolForm({ done }: { done: (taxpayer: Taxpayer) => void }) {
  const say = useWords();
  const { regions, region } = useNames();
  const [form] = Form.useForm<Enrolment>();
  const custody = Form.useWatch("custody", form);
  const enrol = useAct(
    ({ custody: keeps, address, region: code, ...rest }: Enrolment, once) =>
      ask("POST /v1/taxpayers", {
        ...once,
        body: {
          ...rest,
          ...(code === undefined ? {} : { region: code }),
          currency: "CNY",
          key:
            keeps === "own" ? { custody: "own", address: address ?? "" } : { custody: "gateway" },
        },
      }),
    { refreshes: [["taxpayers"]] },
  );
  const required = { required: true, message: say("enrol.required") };
  return (
    <Form<Enrolment>
      form={form}
      layout="vertical"
      requiredMark={false}
      initialValues={{ capabilities: ["issuer"], custody: "gateway" }}
      onFinish={(values) =>
        enrol.mutate(values, { onSuccess: (enrolled) => isTaxpayer(enrolled) && done(enrolled) })
      }
    >
      <ProblemNote error={enrol.error} />
      <Form.Item name="name" label={say("enrol.name")} rules={[required]}>
        <Input maxLength={200} autoComplete="off" />
      </Form.Item>
      <Form.Item
        name="taxId"
        label={say("enrol.taxId")}
        extra={say("enrol.taxId.hint")}
        rules={[required]}
        normalize={(text: string) => text.trim().toUpperCase()}
      >
        <Input maxLength={40} autoComplete="off" spellCheck={false} />
      </Form.Item>
      <Form.Item
        name="capabilities"
        label={say("enrol.capabilities")}
        rules={[{ type: "array", min: 1, message: say("enrol.required") }]}
      >
        <Checkbox.Group
          options={[
            { value: "issuer", label: say("taxpayer.issuer") },
            { value: "employer", label: say("taxpayer.employer") },
          ]}
        />
      </Form.Item>
      <Form.Item name="region" label={say("enrol.region")} extra={say("enrol.region.hint")}>
        <Select
          allowClear
          showSearch={{ optionFilterProp: "label" }}
          options={regions.map((value) => ({ value, label: `${value} ${region(value)}` }))}
        />
      </Form.Item>
      <Form.Item name="custody" label={say("enrol.key")}>
        <Radio.Group
          vertical
          options={[
            { value: "gateway", label: say("enrol.key.gateway") },
            { value: "own", label: say("enrol.key.own") },
          ]}
        />
      </Form.Item>
      {custody === "own" ? (
        <Form.Item name="address" label={say("enrol.key.address")} rules={[required]}>
          <Input maxLength={42} autoComplete="off" spellCheck={false} placeholder="0x…" />
        </Form.Item>
      ) : null}
      <Alert type="warning" showIcon title={say("enrol.final")} className="after" />
      <Button type="primary" htmlType="submit" loading={enrol.isPending} className="after" block>
        {say("enrol.title")}
      </Button>
    </Form>
  );
}

/**
 * After enrolment: the new party's first key, shown once, or the name of the person who signs in
 * for it.
 */
function FirstKey({ taxpayer }: { taxpayer: Taxpayer }) {
  const say = useWords();
  const make = useAct((by: ByPerson, once) =>
    ask("POST /v1/api-keys", {
      ...once,
      body: { account: taxpayer.account, roles: ["admin"], ...personOf(by) },
    }),
  );
  const person = make.variables && personOf(make.variables).signIn;
  return (
    <div className="stack">
      <Alert
        type="success"
        showIcon
        title={say("enrol.done", { index: taxpayer.index })}
        description={`${taxpayer.name} · ${taxpayer.taxId}`}
      />
      <div>
        <div className="quiet small">{say("taxpayer.account")}</div>
        <Account account={taxpayer.account} whole />
      </div>
      <ProblemNote error={make.error} />
      {make.data === undefined ? (
        <Form<ByPerson> layout="vertical" requiredMark={false} onFinish={(by) => make.mutate(by)}>
          <ByPersonFields />
          <Button type="primary" htmlType="submit" loading={make.isPending}>
            {say("enrol.key.make")}
          </Button>
        </Form>
      ) : person !== undefined ? (
        <PersonMade name={person} />
      ) : (
        <div>
          <Alert
            type="warning"
            showIcon
            title={say(make.data.token === undefined ? "enrol.key.lost" : "enrol.key.once")}
          />
          <Typography.Paragraph code copyable className="after">
            {make.data.token}
          </Typography.Paragraph>
        </div>
      )}
      <Link to={`/bureau/taxpayers/${encodeURIComponent(taxpayer.taxId)}`}>{taxpayer.name} →</Link>
    </div>
  );
}

export function TaxpayersPage() {
  const say = useWords();
  const shared = useSharedWords();
  const { region } = useNames();
  const navigate = useNavigate();
  const [enrolling, setEnrolling] = useState(false);
  const [enrolled, setMade] = useState<Taxpayer | undefined>(undefined);
  useRefresh(taxpayerEvents, [["taxpayers"]]);
  const pages = useInfiniteQuery({
    queryKey: ["taxpayers"],
    queryFn: ({ pageParam }) =>
      ask("GET /v1/taxpayers", { query: { limit: PAGE, after: pageParam } }),
    initialPageParam: 0,
    getNextPageParam: ({ items }) =>
      items.length === PAGE ? items[items.length - 1]?.index : undefined,
  });
  const items = pages.data?.pages.flatMap((page) => page.items) ?? [];
  const close = () => {
    setEnrolling(false);
    setMade(undefined);
  };
  return (
    <Page
      title={say("page.taxpayers")}
      extra={
        <>
          <Input.Search
            aria-label={say("taxpayers.find")}
            placeholder={say("taxpayers.find.placeholder")}
            maxLength={40}
            className="find"
            onSearch={(text) =>
              text.trim() !== "" &&
              navigate(`/bureau/taxpayers/${encodeURIComponent(text.trim().toUpperCase())}`)
            }
          />
          <Button type="primary" icon={<PlusOutlined />} onClick={() => setEnrolling(true)}>
            {say("taxpayers.enrol")}
          </Button>
        </>
      }
    >
      <Loaded query={pages} empty={() => items.length === 0} nothing={say("taxpayers.none")}>
        {() => (
          <Wide label={say("page.taxpayers")}>
            <Table<Taxpayer>
              rowKey="index"
              pagination={false}
              dataSource={items}
              columns={[
                {
                  key: "name",
                  title: say("taxpayer.name"),
                  render: (_, row) => (
                    <Link to={`/bureau/taxpayers/${encodeURIComponent(row.taxId)}`}>
                      {row.name}
                    </Link>
                  ),
                },
                {
                  key: "taxId",
                  title: say("taxpayer.taxId"),
                  render: (_, row) => <span className="number">{row.taxId}</span>,
                },
                {
                  key: "region",
                  title: say("taxpayer.region"),
                  render: (_, row) => region(row.region),
                },
                {
                  key: "capabilities",
                  title: say("taxpayer.capabilities"),
                  render: (_, row) =>
                    row.capabilities
                      .map((may) => say(may === "issuer" ? "taxpayer.issuer" : "taxpayer.employer"))
                      .join(" · "),
                },
                {
                  key: "standing",
                  title: say("taxpayer.standing"),
                  render: (_, row) => (
                    <>
                      <StateTag state={row.standing} />
                      {row.dormant ? (
                        <div className="quiet small">{say("taxpayer.dormant")}</div>
                      ) : null}
                    </>
                  ),
                },
              ]}
            />
          </Wide>
        )}
      </Loaded>
      {pages.isFetchNextPageError ? (
        <ProblemNote error={pages.error} onRetry={() => void pages.fetchNextPage()} />
      ) : null}
      {pages.hasNextPage ? (
        <Button
          className="after"
          onClick={() => void pages.fetchNextPage()}
          loading={pages.isFetchingNextPage}
        >
          {shared("more")}
        </Button>
      ) : null}
      <Drawer
        title={say("enrol.title")}
        open={enrolling}
        onClose={close}
        size={460}
        destroyOnHidden
      >
        {enrolled ? <FirstKey taxpayer={enrolled} /> : <EnrolForm done={setMade} />}
      </Drawer>
    </Page>
  );
}
