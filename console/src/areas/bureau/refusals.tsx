/**
 * Refused second reimbursements: the latest as they happen, each with its details, and all of them
 * page by page.
 */
import { AlertOutlined } from "@ant-design/icons";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Alert, Button, Card, Descriptions, Drawer, Tag } from "antd";
import dayjs from "dayjs";
import { useEffect, useRef, useState } from "react";
import { Link } from "react-router";
import { ask } from "../../shared/client.ts";
import { CreditNotes, OverpaidList } from "../../shared/credits.tsx";
import { Page } from "../../shared/frame.tsx";
import { useRefresh } from "../../shared/live.tsx";
import { useSharedWords } from "../../shared/messages.ts";
import { Loaded, ProblemNote } from "../../shared/problem.tsx";
import { titleIn } from "../../shared/problem-words.ts";
import { Account, InvoiceNumber, StateTag, Time } from "../../shared/show.tsx";
import { useLanguage } from "../../shared/words.ts";
import { Conflicts } from "./conflicts.tsx";
import { type Entry, entriesOf, type Refusal } from "./figures.ts";
import { useWords } from "./messages.ts";
import { useLatestRefusals, useLiveStats } from "./stats.ts";

type Named = NonNullable<Refusal["employer"]>;

function useNamed() {
  const say = useWords();
  return (refusal: Named | undefined) =>
    refusal === undefined
      ? "—"
      : (refusal.taxpayer?.name ?? say("unnamed", { index: refusal.index }));
}

const attemptOf = ({ attempt }: Refusal): "claim" | "reimburse" | "admit" =>
  attempt === "claim" || attempt === "admit" ? attempt : "reimburse";

/** An external invoice has an id of the chain, which tells people nothing, and no page here. */
const isOwn = (number: string) => number.length === 20;
function Numbered({ number, copyable = false }: { number: string; copyable?: boolean }) {
  const say = useWords();
  if (isOwn(number)) return <InvoiceNumber number={number} copyable={copyable} />;
  return (
    <span className="number">
      {say("refused.external", { id: `${number.slice(0, 6)}…${number.slice(-6)}` })}
    </span>
  );
}

function RefusalRow({
  refusal,
  fresh,
  open,
}: {
  refusal: Entry;
  fresh: boolean;
  open: () => void;
}) {
  const say = useWords();
  const named = useNamed();
  const attempt = attemptOf(refusal);
  return (
    <li className={fresh ? "refusal refusal-fresh" : "refusal"}>
      <button type="button" onClick={open}>
        <span className="refusal-head">
          <span className="refusal-what">
            {say(`refused.${attempt}`)}
            {refusal.times > 1 ? ` × ${refusal.times}` : ""}
          </span>
          <span className="quiet small">{dayjs(refusal.at).format("M-D HH:mm:ss")}</span>
        </span>
        <span className="refusal-who">
          {say(attempt === "claim" ? "refused.to" : "refused.by", {
            employer: named(refusal.employer),
          })}
        </span>
        <Numbered number={refusal.number} />
      </button>
    </li>
  );
}

function RefusalDrawer({ refusal, close }: { refusal: Entry | undefined; close: () => void }) {
  const say = useWords();
  const [language] = useLanguage();
  const named = useNamed();
  const attempt = refusal ? attemptOf(refusal) : "claim";
  const standing = refusal?.invoice?.employer;
  const reason = refusal?.reason ?? "";
  const why = titleIn(language, reason) ?? reason;
  return (
    <Drawer
      title={say("refused.detail")}
      open={refusal !== undefined}
      onClose={close}
      size={520}
      destroyOnHidden
    >
      {refusal === undefined ? null : (
        <div className="stack">
          <Descriptions
            column={1}
            bordered
            size="small"
            items={[
              { key: "what", label: say("refused.what"), children: say(`refused.what.${attempt}`) },
              {
                key: "when",
                label: say("refused.when"),
                children: (
                  <>
                    <Time at={refusal.at} />
                    {refusal.times > 1 ? (
                      <div className="quiet small">
                        {say("refused.times", { count: refusal.times })}
                      </div>
                    ) : null}
                  </>
                ),
              },
              {
                key: "employer",
                label: say(`refused.employer.${attempt}`),
                children: named(refusal.employer),
              },
              {
                key: "by",
                label: say("refused.signed"),
                children: refusal.by === undefined ? "—" : <Account account={refusal.by} />,
              },
              { key: "why", label: say("refused.why"), children: why },
              {
                key: "number",
                label: say("refused.invoice"),
                children: <Numbered number={refusal.number} copyable />,
              },
              {
                key: "standing",
                label: say("refused.standing"),
                children: refusal.invoice ? (
                  <div className="row">
                    <StateTag state={refusal.invoice.state} />
                    {standing ? (
                      <span>
                        {say("refused.standing.with", { employer: named(standing) })}{" "}
                        <Time at={refusal.invoice.since} />
                      </span>
                    ) : null}
                    {standing && refusal.employer ? (
                      <Tag>
                        {say(
                          standing.index === refusal.employer.index
                            ? "refused.same"
                            : "refused.other",
                        )}
                      </Tag>
                    ) : null}
                  </div>
                ) : (
                  "—"
                ),
              },
              { key: "tx", label: say("refused.tx"), children: <Account account={refusal.tx} /> },
            ]}
          />
          <Alert type="info" showIcon title={say("refused.proof")} />
          {isOwn(refusal.number) ? (
            <Link to={`/bureau/invoice/${refusal.number}`}>{say("refused.look")}</Link>
          ) : null}
        </div>
      )}
    </Drawer>
  );
}

/** Positions of refusals that arrived after the page was opened, kept for a few seconds. */
function useFresh(items: readonly Refusal[] | undefined): ReadonlySet<string> {
  const known = useRef<Set<string> | undefined>(undefined);
  const [fresh, setFresh] = useState<ReadonlySet<string>>(new Set());
  useEffect(() => {
    if (items === undefined) return;
    const before = known.current;
    known.current = new Set(
      [...(before ?? []), ...items.map(({ position }) => position)].slice(-500),
    );
    if (before === undefined) return;
    const news = items
      .filter(({ position }) => !before.has(position))
      .map(({ position }) => position);
    if (news.length === 0) return;
    setFresh((old) => new Set([...old, ...news]));
    const timer = setTimeout(
      () => setFresh((old) => new Set([...old].filter((position) => !news.includes(position)))),
      8_000,
    );
    return () => clearTimeout(timer);
  }, [items]);
  return fresh;
}

export function LatestRefusals() {
  const say = useWords();
  const latest = useLatestRefusals(60);
  const [open, setOpen] = useState<Entry | undefined>(undefined);
  const fresh = useFresh(latest.data?.items);
  return (
    <Card
      className="chart-card refusals-card"
      title={
        <h2>
          <AlertOutlined className="refusal-icon" /> {say("refused.title")}
        </h2>
      }
      extra={<Link to="/bureau/refusals">{say("refused.all")}</Link>}
    >
      <div className="unseen" role="status">
        {fresh.size > 0 ? say("refused.new", { count: fresh.size }) : ""}
      </div>
      <Loaded
        query={latest}
        empty={({ items }) => items.length === 0}
        nothing={say("refused.none")}
      >
        {({ items }) => (
          // biome-ignore lint/a11y/noNoninteractiveTabindex: must be scrollable by keyboard
          <ul className="refusals refusals-scroll" tabIndex={0} aria-label={say("refused.title")}>
            {entriesOf(items).map((refusal) => (
              <RefusalRow
                key={refusal.position}
                refusal={refusal}
                fresh={fresh.has(refusal.position)}
                open={() => setOpen(refusal)}
              />
            ))}
          </ul>
        )}
      </Loaded>
      <RefusalDrawer refusal={open} close={() => setOpen(undefined)} />
    </Card>
  );
}

export function RefusalsPage() {
  const say = useWords();
  useRefresh(["external.credited"], [["external-credits"], ["external-overpaid"]]);
  const shared = useSharedWords();
  useLiveStats();
  const [open, setOpen] = useState<Entry | undefined>(undefined);
  const pages = useInfiniteQuery({
    queryKey: ["stats", "refusals", "pages"],
    queryFn: ({ pageParam }) =>
      ask("GET /v1/stats/refusals", {
        query: { limit: 50, ...(pageParam === "" ? {} : { before: pageParam }) },
      }),
    initialPageParam: "",
    getNextPageParam: (last) => last.next,
  });
  const items = pages.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Page title={say("refused.title")}>
      <div className="stack">
        <div className="quiet">{say("refused.page")}</div>
        <Loaded query={pages} empty={() => items.length === 0} nothing={say("refused.none")}>
          {() => (
            <ul className="refusals refusals-wide">
              {entriesOf(items).map((refusal) => (
                <RefusalRow
                  key={refusal.position}
                  refusal={refusal}
                  fresh={false}
                  open={() => setOpen(refusal)}
                />
              ))}
            </ul>
          )}
        </Loaded>
        {pages.isFetchNextPageError ? (
          <ProblemNote error={pages.error} onRetry={() => void pages.fetchNextPage()} />
        ) : null}
        {pages.hasNextPage ? (
          <div>
            <Button onClick={() => void pages.fetchNextPage()} loading={pages.isFetchingNextPage}>
              {shared("more")}
            </Button>
          </div>
        ) : null}
        <Conflicts />
        <CreditNotes doubtful title={say("credits.doubtful")} />
        <OverpaidList />
      </div>
      <RefusalDrawer refusal={open} close={() => setOpen(undefined)} />
    </Page>
  );
}
