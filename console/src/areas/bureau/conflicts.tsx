/**
 * Documents of external invoices that contradict each other, and near duplicates: what each of the
 * two says, and whose it is.
 */
import { useInfiniteQuery } from "@tanstack/react-query";
import { Card, Segmented, Table, Tag } from "antd";
import { useState } from "react";
import { ask, type Schemas } from "../../shared/client.ts";
import { useRefresh } from "../../shared/live.tsx";
import { Loaded, More } from "../../shared/problem.tsx";
import { InvoiceNumber, Money, Time, Wide } from "../../shared/show.tsx";
import { useWords } from "./messages.ts";

type Finding = Schemas["ExternalFinding"];
type Side = Finding["stated"];

const PAGE = 20;

/** What one document says; what the other says differently stands in bold. */
function Statement({
  number,
  side,
  employer,
  differs,
}: {
  /** Unless it is the same as the other's. */
  number?: string | undefined;
  side: Side;
  employer: Finding["employer"] | undefined;
  differs: Finding["differs"];
}) {
  const strong = (fact: Finding["differs"][number], text: string) =>
    differs.includes(fact) ? <strong>{text}</strong> : text;
  const { name, taxId } = side.seller;
  return (
    <>
      {employer === undefined ? null : <div>{employer.name}</div>}
      {number === undefined ? null : <InvoiceNumber number={number} />}
      <div className="small">
        {strong("seller", taxId === undefined ? name : `${name} ${taxId}`)}
      </div>
      <div className="small">{strong("date", [...new Set(side.days)].join(" · "))}</div>
      <Money amount={side.gross} currency={side.currency} strong={differs.includes("total")} />
    </>
  );
}

export function Conflicts() {
  const say = useWords();
  const [kind, setKind] = useState<Finding["kind"] | "all">("all");
  useRefresh(["external.conflict", "external.near-duplicate"], [["external-findings"]]);
  const pages = useInfiniteQuery({
    queryKey: ["external-findings", kind],
    queryFn: ({ pageParam }) =>
      ask("GET /v1/external-findings", {
        query: {
          limit: PAGE,
          ...(kind === "all" ? {} : { kind }),
          ...(pageParam === "" ? {} : { before: pageParam }),
        },
      }),
    initialPageParam: "",
    getNextPageParam: ({ next }) => next,
  });
  const items = pages.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Card title={<h2>{say("conflicts.title")}</h2>} className="chart-card">
      <div className="quiet">{say("conflicts.page")}</div>
      <Segmented<Finding["kind"] | "all">
        aria-label={say("conflicts.kind")}
        value={kind}
        onChange={setKind}
        options={(["all", "conflict", "near-duplicate"] as const).map((value) => ({
          value,
          label: say(`conflicts.kind.${value}`),
        }))}
      />
      <Loaded query={pages} empty={() => items.length === 0} nothing={say("conflicts.none")}>
        {() => (
          <Wide label={say("conflicts.title")}>
            <Table<Finding>
              size="small"
              rowKey="finding"
              pagination={false}
              dataSource={items}
              columns={[
                {
                  key: "number",
                  title: say("conflicts.number"),
                  render: (_, { number, at, kind }) => (
                    <>
                      <InvoiceNumber number={number} />
                      <div>
                        <Tag color={kind === "conflict" ? "error" : "warning"}>
                          {say(`conflicts.kind.${kind}`)}
                        </Tag>
                      </div>
                      <div className="quiet small">
                        <Time at={at} />
                      </div>
                    </>
                  ),
                },
                {
                  key: "registered",
                  title: say("conflicts.registered"),
                  render: (_, { registered, differs, kind }) =>
                    registered === undefined ? null : (
                      <Statement
                        number={kind === "conflict" ? undefined : registered.number}
                        side={registered}
                        employer={registered.employer}
                        differs={differs}
                      />
                    ),
                },
                {
                  key: "stated",
                  title: say("conflicts.stated"),
                  render: (_, { stated, employer, differs }) => (
                    <Statement side={stated} employer={employer} differs={differs} />
                  ),
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
