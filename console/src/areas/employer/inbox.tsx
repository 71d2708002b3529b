/**
 * The inbox: reports that wait for a decision, updated live, and the reports of every other state,
 * page by page.
 */
import { InboxOutlined } from "@ant-design/icons";
import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { App, Button, Checkbox, Empty, Table } from "antd";
import { useState } from "react";
import { Link, useNavigate } from "react-router";
import { Page } from "../../shared/frame.tsx";
import { useEvents } from "../../shared/live.tsx";

import { Loaded, More } from "../../shared/problem.tsx";
import { Account, StateTag, Time, Total, Wide } from "../../shared/show.tsx";
import { ClaimFilterBar, claimPage, useClaimFilter } from "./claim-filter.tsx";
import { type Claim, DecideButtons, Results, useDecisions } from "./decide.tsx";
import { ExportClaims } from "./export.tsx";
import { useWords } from "./messages.ts";
import { useName } from "./names.ts";

const PAGE = 20;
export function Holder({ account }: { account: string }) {
  const name = useName(account);
  return name === undefined ? <Account account={account} /> : name;
}

/** Announces a report that arrives while the page is open. */
function useArrivals() {
  const say = useWords();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const { notification } = App.useApp();
  useEvents(["claim.created"], ({ data }) => {
    const { claim } = data;
    void queries.invalidateQueries({ queryKey: ["claims"] });
    // every invoice has its own event, but the report is announced once
    if (claim !== undefined)
      notification.info({
        key: claim,
        title: say("inbox.arrived"),
        // the notice is outside the router, so it has a button and not a link
        actions: (
          <Button
            onClick={() => {
              notification.destroy(claim);
              void navigate(`/employer/claims/${claim}`);
            }}
          >
            {say("inbox.open")}
          </Button>
        ),
        // stays until the clerk opens or closes it, because the clerk may be reading another report
        duration: 0,
        placement: "bottomRight",
        role: "status",
      });
  });
}

function ClaimTable({
  claims,
  picked,
  onPick,
}: {
  claims: readonly Claim[];
  picked: readonly string[];
  onPick: (ids: string[]) => void;
}) {
  const say = useWords();
  const open = claims.filter(({ status }) => status === "claimed").map(({ id }) => id);
  return (
    <Wide label={say("inbox.title")}>
      <Table<Claim>
        size="middle"
        rowKey="id"
        dataSource={[...claims]}
        pagination={false}
        columns={[
          ...(open.length === 0
            ? []
            : [
                {
                  key: "pick",
                  width: 44,
                  title: (
                    <Checkbox
                      aria-label={say("inbox.pickAll")}
                      checked={picked.length === open.length}
                      indeterminate={picked.length > 0 && picked.length < open.length}
                      onChange={({ target }) => onPick(target.checked ? open : [])}
                    />
                  ),
                  render: (_: unknown, { id, status }: Claim) =>
                    status === "claimed" ? (
                      <Checkbox
                        aria-label={say("inbox.pick", { id })}
                        checked={picked.includes(id)}
                        onChange={({ target }) =>
                          onPick(
                            target.checked
                              ? [...picked, id]
                              : picked.filter((entry) => entry !== id),
                          )
                        }
                      />
                    ) : null,
                },
              ]),
          {
            title: say("col.claim"),
            render: (_, { id, holder, note }) => (
              <>
                <Link to={`/employer/claims/${id}`}>{note ?? say("claim.untold")}</Link>
                <div className="quiet small">
                  <Holder account={holder} />
                </div>
              </>
            ),
          },
          {
            title: say("col.count"),
            align: "right",
            render: (_, { invoices }) =>
              invoices.some(({ external }) => external)
                ? say("col.count.external", { count: invoices.length })
                : String(invoices.length),
          },
          {
            title: say("col.total"),
            align: "right",
            render: (_, { amounts }) => <Total amounts={amounts} />,
          },
          { title: say("col.created"), render: (_, { createdAt }) => <Time at={createdAt} /> },
          { title: say("col.state"), render: (_, { status }) => <StateTag state={status} /> },
        ]}
      />
    </Wide>
  );
}

export function Inbox() {
  const say = useWords();
  const { filter, filtered, setFilter } = useClaimFilter();
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const decisions = useDecisions();
  useArrivals();
  const pages = useInfiniteQuery({
    queryKey: ["claims", filter],
    queryFn: ({ pageParam }) => claimPage(filter, pageParam, PAGE),
    initialPageParam: "",
    getNextPageParam: ({ items }) =>
      items.length === PAGE ? items[items.length - 1]?.id : undefined,
  });
  const claims = pages.data?.pages.flatMap(({ items }) => items);
  // drops reports that somebody else has decided meanwhile
  const picked = (claims ?? []).filter(
    ({ id, status }) => status === "claimed" && chosen.includes(id),
  );
  const nothing = filtered
    ? "inbox.empty.found"
    : filter.state === "claimed"
      ? "inbox.empty"
      : "inbox.empty.filtered";
  return (
    <Page title={say("inbox.title")} extra={<ExportClaims filter={filter} />}>
      <div className="stack">
        <ClaimFilterBar
          filter={filter}
          onFilter={(next) => {
            setChosen([]);
            setFilter(next);
          }}
        />
        {picked.length > 0 ? (
          <div className="row">
            <span role="status">{say("inbox.picked", { count: picked.length })}</span>
            <DecideButtons claims={picked} decisions={decisions} onDecided={() => setChosen([])} />
          </div>
        ) : null}
        <Results decisions={decisions} />
        <Loaded
          query={{ ...pages, data: claims }}
          empty={(items) => items.length === 0}
          nothing={
            <Empty image={<InboxOutlined className="drop-icon" />} description={say(nothing)} />
          }
        >
          {(items) => (
            <ClaimTable claims={items} picked={picked.map(({ id }) => id)} onPick={setChosen} />
          )}
        </Loaded>
        <More query={pages} />
      </div>
    </Page>
  );
}
