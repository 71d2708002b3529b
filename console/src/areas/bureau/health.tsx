/** Quota by issuer and the state of the chain. Closes and reopens the ledger. */
import { CheckCircleOutlined, StopOutlined } from "@ant-design/icons";
import { useQuery } from "@tanstack/react-query";
import { Button, Card, Progress, Tag } from "antd";
import { useMemo } from "react";
import { Link } from "react-router";
import { useAct } from "../../shared/act.ts";
import { formatAmount } from "../../shared/amounts.ts";
import { ask } from "../../shared/client.ts";
import { useConfirm } from "../../shared/confirm.tsx";
import { Loaded, ProblemNote } from "../../shared/problem.tsx";
import { Chart, useCompact, useCount, usePalette } from "./chart.tsx";
import type { ChainStats } from "./figures.ts";
import { useWords } from "./messages.ts";
import { useChain, useQuotas } from "./stats.ts";

const SHOWN = 8;

export function QuotaUse() {
  const say = useWords();
  const palette = usePalette();
  const quotas = useQuotas(SHOWN);
  return (
    <Card className="chart-card" title={<h2>{say("quota.title")}</h2>}>
      <Loaded query={quotas} empty={({ items }) => items.length === 0} nothing={say("quota.none")}>
        {({ items, issuers }) => (
          <>
            <ul className="quotas">
              {items.map(({ index, taxpayer, granted, used, share }) => {
                const name = taxpayer?.name ?? say("unnamed", { index });
                const currency = taxpayer?.currency ?? "CNY";
                const percent = Math.min(100, Math.round(share * 1_000) / 10);
                return (
                  <li key={index}>
                    <div className="row between">
                      {taxpayer ? (
                        <Link
                          to={`/bureau/taxpayers/${encodeURIComponent(taxpayer.taxId)}`}
                          className="clip"
                        >
                          {name}
                        </Link>
                      ) : (
                        <span className="clip">{name}</span>
                      )}
                      <span className="number">{percent}%</span>
                    </div>
                    <Progress
                      percent={percent}
                      showInfo={false}
                      size="small"
                      strokeColor={
                        share > 0.9 ? palette.bad : share > 0.7 ? palette.busy : palette.done
                      }
                      aria-label={name}
                    />
                    <div className="quiet small">
                      {say("quota.of", {
                        used: formatAmount(used, currency),
                        granted: formatAmount(granted, currency),
                      })}
                    </div>
                  </li>
                );
              })}
            </ul>
            {issuers > items.length ? (
              <div className="quiet small">
                {say("quota.issuers", { count: issuers, shown: items.length })}
              </div>
            ) : null}
          </>
        )}
      </Loaded>
    </Card>
  );
}

function LotSizes({ recent }: { recent: ChainStats["recent"] }) {
  const say = useWords();
  const palette = usePalette();
  const lots = useMemo(() => [...recent].reverse(), [recent]);
  const option = useMemo(
    () => ({
      grid: { left: 0, right: 0, top: 4, bottom: 0 },
      tooltip: {
        trigger: "axis",
        formatter: ([first]: { dataIndex: number }[]) => {
          const lot = lots[first?.dataIndex ?? -1];
          return lot ? `${lot.first}\n${say("col.invoices")}  ${lot.count}` : "";
        },
      },
      xAxis: { type: "category", show: false, data: lots.map(({ first }) => first) },
      yAxis: { type: "value", show: false },
      series: [
        {
          type: "bar",
          barCategoryGap: "25%",
          itemStyle: { color: palette.series[6], borderRadius: [2, 2, 0, 0] },
          data: lots.map(({ count }) => count),
        },
      ],
    }),
    [lots, palette, say],
  );
  const sizes = lots.map(({ count }) => count).join(", ");
  return (
    <Chart
      option={option}
      height={56}
      label={`${say("chain.recent.label", { count: lots.length })}: ${sizes}`}
    />
  );
}

/** Whether the ledger is open, and the button that closes or reopens it. */
function LedgerSwitch() {
  const say = useWords();
  const confirm = useConfirm();
  const ledger = useQuery({ queryKey: ["ledger"], queryFn: () => ask("GET /v1/ledger") });
  const turn = useAct((open: boolean) => ask("PATCH /v1/ledger", { wait: 20, body: { open } }), {
    refreshes: [["ledger"]],
  });
  if (!ledger.data) return null;
  const { open } = ledger.data;
  const ask_ = async () => {
    const sure = await confirm(
      open
        ? {
            title: say("chain.close.title"),
            detail: say("chain.close.detail"),
            final: say("chain.close.final"),
            yes: say("chain.close"),
          }
        : {
            title: say("chain.reopen.title"),
            detail: say("chain.reopen.detail"),
            yes: say("chain.reopen"),
          },
    );
    if (sure) turn.mutate(!open);
  };
  return (
    <>
      {turn.error ? <ProblemNote error={turn.error} /> : null}
      <div className="row between">
        <Tag
          icon={open ? <CheckCircleOutlined /> : <StopOutlined />}
          variant="outlined"
          className={`state state-${open ? "good" : "bad"}`}
        >
          {say(open ? "chain.open" : "chain.closed")}
        </Tag>
        <Button size="small" danger={open} loading={turn.isPending} onClick={() => void ask_()}>
          {say(open ? "chain.close" : "chain.reopen")}
        </Button>
      </div>
    </>
  );
}

export function ChainHealth() {
  const say = useWords();
  const [count, compact] = [useCount(), useCompact()];
  const chain = useChain();
  return (
    <Card className="chart-card" title={<h2>{say("chain.title")}</h2>}>
      <Loaded query={chain}>
        {({
          up,
          head,
          blockSeconds,
          lagBlocks,
          cursor,
          counted,
          lots,
          invoices,
          undocumentedLots,
          recent,
        }) => (
          <div className="stack">
            <dl className="facts">
              <div>
                <dt>{say("chain.head")}</dt>
                <dd>
                  {up && head ? (
                    <>
                      <span className="number">{count(head.block)}</span>
                      <span className="quiet small">
                        {" "}
                        {say("chain.head.age", { seconds: count(Math.round(head.ageSeconds)) })}
                      </span>
                    </>
                  ) : (
                    <Tag icon={<StopOutlined />} variant="outlined" className="state state-bad">
                      {say("chain.down")}
                    </Tag>
                  )}
                </dd>
              </div>
              <div>
                <dt>{say("chain.block")}</dt>
                <dd className="number">
                  {blockSeconds === undefined
                    ? "—"
                    : say("chain.seconds", { seconds: Math.round(blockSeconds * 100) / 100 })}
                </dd>
              </div>
              <div>
                <dt>{say("chain.lag")}</dt>
                <dd className="number">{lagBlocks === undefined ? "—" : count(lagBlocks)}</dd>
              </div>
              <div>
                <dt>{say("chain.counted")}</dt>
                <dd className="number">
                  {cursor && counted ? count(Math.max(0, cursor.block - counted.block)) : "—"}
                </dd>
              </div>
              <div>
                <dt>{say("chain.lots")}</dt>
                <dd className="number">{compact(lots)}</dd>
              </div>
              <div>
                <dt>{say("chain.perLot")}</dt>
                <dd className="number">
                  {lots === 0 ? "—" : Math.round((invoices / lots) * 10) / 10}
                </dd>
              </div>
              {undocumentedLots > 0 ? (
                <div>
                  <dt>{say("chain.undocumented")}</dt>
                  <dd className="number">{count(undocumentedLots)}</dd>
                </div>
              ) : null}
            </dl>
            {recent.length > 0 ? (
              <div>
                <div className="quiet small">{say("chain.recent")}</div>
                <LotSizes recent={recent} />
              </div>
            ) : null}
            <LedgerSwitch />
          </div>
        )}
      </Loaded>
    </Card>
  );
}
