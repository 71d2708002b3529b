/**
 * The dashboard, updated live: what is issued, where and by whom, what becomes of it, who claims
 * twice, and the state of the chain.
 */
import { Segmented, Select } from "antd";
import { type ReactNode, useState } from "react";
import { formatAmount } from "../../shared/amounts.ts";
import { Page } from "../../shared/frame.tsx";
import { Loaded } from "../../shared/problem.tsx";
import { AuditNote } from "./audit.tsx";
import { useCount } from "./chart.tsx";
import { amountOf, currenciesOf, type Grain, type Measure } from "./figures.ts";
import { Flow } from "./flow.tsx";
import { ChainHealth, QuotaUse } from "./health.tsx";
import { Issued } from "./issued.tsx";
import { useWords } from "./messages.ts";
import { Issuers, Regions, Trades } from "./parts.tsx";
import { LatestRefusals } from "./refusals.tsx";
import { useInvoiceStats, useLiveStats, useToday } from "./stats.ts";

function Figure({
  name,
  label,
  value,
  unit,
  sub,
  look,
}: {
  name: string;
  label: string;
  value: string;
  unit?: string;
  sub: ReactNode;
  look?: "bad" | undefined;
}) {
  return (
    <div className={look === undefined ? "figure" : `figure figure-${look}`} data-figure={name}>
      <dt>{label}</dt>
      <dd>
        <span className="figure-value">{value}</span>
        {unit ? <span className="figure-unit">{unit}</span> : null}
      </dd>
      <dd className="quiet small">{sub}</dd>
    </div>
  );
}

function Figures({ currency }: { currency: string }) {
  const say = useWords();
  const count = useCount();
  const today = useToday();
  return (
    <Loaded query={today}>
      {({ totals, buckets }) => {
        const acts = buckets[buckets.length - 1]?.acts ?? {};
        const refused = acts.refused ?? 0;
        return (
          <dl className="figures">
            <Figure
              name="invoices"
              label={say("kpi.invoices")}
              value={count(totals.invoices)}
              unit={say("kpi.invoices.unit")}
              sub={say("kpi.invoices.sub", { lots: count(totals.lots) })}
            />
            <Figure
              name="gross"
              label={say("kpi.gross")}
              value={formatAmount(amountOf(totals, currency), currency)}
              sub={say("kpi.gross.sub", {
                tax: formatAmount(amountOf(totals, currency, "tax"), currency),
              })}
            />
            <Figure
              name="reimbursed"
              label={say("kpi.reimbursed")}
              value={count(acts.reimbursed ?? 0)}
              unit={say("kpi.invoices.unit")}
              sub={say("kpi.reimbursed.sub", {
                claimed: count((acts.claimed ?? 0) + (acts.admitted ?? 0)),
              })}
            />
            <Figure
              name="refused"
              label={say("kpi.refused")}
              value={count(refused)}
              unit={say("kpi.refused.unit")}
              sub={say(refused > 0 ? "kpi.refused.sub" : "kpi.refused.none")}
              look={refused > 0 ? "bad" : undefined}
            />
          </dl>
        );
      }}
    </Loaded>
  );
}

export function Dashboard() {
  const say = useWords();
  useLiveStats();
  const [grain, setGrain] = useState<Grain>("minute");
  const [chosen, setChosen] = useState("CNY");
  const [by, setBy] = useState<Measure["by"]>("invoices");
  const currencies = currenciesOf(useInvoiceStats(grain).data?.totals);
  const currency = currencies.includes(chosen) ? chosen : "CNY";
  const measure = { by, currency };
  return (
    <Page
      title={say("page.dashboard")}
      extra={
        <>
          <Segmented<Measure["by"]>
            aria-label={say("measure")}
            value={by}
            onChange={setBy}
            options={(["gross", "invoices"] as const).map((value) => ({
              value,
              label: say(`measure.${value}`),
            }))}
          />
          {currencies.length > 1 ? (
            <Select
              aria-label={say("currency")}
              value={currency}
              onChange={setChosen}
              options={currencies.map((value) => ({ value, label: value }))}
            />
          ) : null}
        </>
      }
    >
      <div className="dashboard">
        <section className="full stack">
          <AuditNote />
          <Figures currency={currency} />
        </section>
        <section className="two">
          <Issued grain={grain} pick={setGrain} currency={currency} />
        </section>
        <section>
          <LatestRefusals />
        </section>
        <section>
          <Regions grain={grain} measure={measure} />
        </section>
        <section>
          <Trades grain={grain} measure={measure} />
        </section>
        <section>
          <Issuers measure={measure} />
        </section>
        <section className="two">
          <Flow />
        </section>
        <section>
          <ChainHealth />
        </section>
        <section className="full">
          <QuotaUse />
        </section>
      </div>
    </Page>
  );
}
