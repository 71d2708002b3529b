/**
 * Documents of external invoices that contradict each other: what each of the two says, and whose
 * it is.
 */
import { useInfiniteQuery } from "@tanstack/react-query";
import { Card, Table } from "antd";
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
  side,
  employer,
  differs,
}: {
  side: Side;
  employer: Finding["employer"];
  differs: Finding["differs"];
}) {
  const strong = (fact: Finding["differs"][number], text: string) =>
    differs.includes(fact) ? <strong>{text}</strong> : text;
  const { name, taxId } = side.seller;
  return (
    <>
      <div>{employer.name}</div>
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
  useRefresh(["external.conflict"], [["external-findings"]]);
  const pages = useInfiniteQuery({
    queryKey: ["external-findings"],
    queryFn: ({ pageParam }) =>
      ask("GET /v1/external-findings", {
        query: { limit: PAGE, ...(pageParam === "" ? {} : { before: pageParam }) },
      }),
    initialPageParam: "",
    getNextPageParam: ({ next }) => next,
  });
  const items = pages.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Card title={<h2>{say("conflicts.title")}</h2>} className="chart-card">
      <div className="quiet">{say("conflicts.page")}</div>
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
                  render: (_, { number, at }) => (
                    <>
                      <InvoiceNumber number={number} />
                      <div className="quiet small">
                        <Time at={at} />
                      </div>
                    </>
                  ),
                },
                {
                  key: "registered",
                  title: say("conflicts.registered"),
                  render: (_, { registered, differs }) =>
                    registered === undefined ? null : (
                      <Statement
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
