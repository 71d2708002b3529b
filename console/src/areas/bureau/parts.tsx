/** The statistics in parts: by region, by industry, by issuer. */
import { Segmented } from "antd";
import { useCallback, useMemo, useState } from "react";
import { formatAmount } from "../../shared/amounts.ts";
import { Loaded } from "../../shared/problem.tsx";
import { ChartCard, type Palette, useCompact, useCount, usePalette } from "./chart.tsx";
import { type Amounts, amountOf, type Grain, heightOf, type Measure, slicesOf } from "./figures.ts";
import { useWords } from "./messages.ts";
import { useNames } from "./names.ts";
import { useInvoiceStats, useIssuers } from "./stats.ts";

/** `height`: of its bar; `text`: its value in the chosen measure. */
type Part = {
  key: string;
  name: string;
  invoices: number;
  amount: string;
  height: number;
  text: string;
};
type Drawn = Pick<Part, "key" | "name" | "invoices"> & Amounts;

const SHOWN = 9;

/** The parts in the chosen measure, the largest first. */
function usePartsOf({ by, currency }: Measure): (all: readonly Drawn[]) => Part[] {
  const say = useWords();
  const count = useCount();
  return useCallback(
    (all) =>
      all
        .map(({ amounts, ...part }): Part => {
          const amount = amountOf({ amounts }, currency);
          return by === "gross"
            ? {
                ...part,
                amount,
                height: heightOf({ amounts }, currency),
                text: formatAmount(amount, currency),
              }
            : {
                ...part,
                amount,
                height: part.invoices,
                text: `${count(part.invoices)} ${say("kpi.invoices.unit")}`,
              };
        })
        .filter(({ height }) => height !== 0)
        .sort((a, b) => b.height - a.height),
    [by, currency, count, say],
  );
}

/** The parts in words, for screen readers. */
const listOf = (parts: readonly Part[]) =>
  parts.map(({ name, text }) => `${name} ${text}`).join(", ");

/** Horizontal bars, the largest on top, each with its amount. */
function bars(
  parts: readonly Part[],
  palette: Palette,
  colour: string,
  compact: (value: number) => string,
  narrow = 84,
) {
  return {
    grid: { left: 4, right: 64, top: 4, bottom: 4, containLabel: true },
    tooltip: {
      trigger: "item",
      formatter: ({ dataIndex }: { dataIndex: number }) => {
        const part = parts[dataIndex];
        return part ? `${part.name}\n${part.text}` : "";
      },
    },
    xAxis: { type: "value", show: false },
    yAxis: {
      type: "category",
      inverse: true,
      data: parts.map(({ name }) => name),
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: { color: palette.text, width: narrow, overflow: "truncate" },
    },
    series: [
      {
        type: "bar",
        barMaxWidth: 16,
        barMinHeight: 2,
        itemStyle: { color: colour, borderRadius: 3 },
        label: {
          show: true,
          position: "right",
          color: palette.quiet,
          formatter: ({ value }: { value: number }) => compact(value),
        },
        data: parts.map(({ height }) => height),
      },
    ],
  };
}

export function Regions({ grain, measure }: { grain: Grain; measure: Measure }) {
  const say = useWords();
  const [palette, compact, count, { region }] = [
    usePalette(),
    useCompact(),
    useCount(),
    useNames(),
  ];
  const partsOf = usePartsOf(measure);
  const stats = useInvoiceStats(grain);
  const parts = useMemo(
    () =>
      partsOf(
        (stats.data?.regions ?? []).map((entry) => ({
          key: entry.region,
          name: region(entry.region),
          invoices: entry.documented,
          amounts: entry.amounts,
        })),
      ),
    [stats.data, partsOf, region],
  );
  const option = useMemo(
    () => bars(parts.slice(0, SHOWN), palette, palette.series[2] as string, compact),
    [parts, palette, compact],
  );
  return (
    <Loaded query={stats}>
      {() => (
        <ChartCard<Part>
          title={say("region.title")}
          label={`${say("region.label")}: ${listOf(parts)}`}
          option={option}
          rows={parts}
          rowKey={({ key }) => key}
          columns={[
            { title: say("col.region"), cell: ({ name }) => name },
            { title: say("col.invoices"), right: true, cell: ({ invoices }) => count(invoices) },
            {
              title: say("col.gross"),
              right: true,
              cell: ({ amount }) => formatAmount(amount, measure.currency),
            },
          ]}
          below={<div className="quiet small">{say(`grain.${grain}.range`)}</div>}
        />
      )}
    </Loaded>
  );
}

export function Trades({ grain, measure }: { grain: Grain; measure: Measure }) {
  const say = useWords();
  const [palette, count, { trade }] = [usePalette(), useCount(), useNames()];
  const partsOf = usePartsOf(measure);
  const stats = useInvoiceStats(grain);
  const parts = useMemo(
    () =>
      partsOf(
        (stats.data?.trades ?? []).map((entry) => ({
          key: entry.trade,
          name: trade(entry.trade),
          invoices: entry.documented,
          amounts: entry.amounts,
        })),
      ),
    [stats.data, partsOf, trade],
  );
  const option = useMemo(() => {
    const slices = slicesOf(parts, SHOWN, (count) => say("part.more", { count }));
    return (narrow: boolean) => ({
      tooltip: {
        trigger: "item",
        formatter: ({
          name,
          data,
          percent,
        }: {
          name: string;
          data: { text: string };
          percent: number;
        }) => `${name}  ${percent}%\n${data.text}`.trim(),
      },
      legend: {
        ...(narrow
          ? { orient: "horizontal", left: 0, right: 0, top: "auto", bottom: 0 }
          : { orient: "vertical", left: "auto", right: 0, top: "middle", bottom: "auto" }),
        itemWidth: 12,
        itemHeight: 12,
        itemGap: 8,
        textStyle: { color: palette.text },
      },
      series: [
        {
          type: "pie",
          ...(narrow
            ? { radius: ["34%", "54%"], center: ["50%", "29%"] }
            : { radius: ["44%", "70%"], center: ["31%", "50%"] }),
          padAngle: 1,
          itemStyle: { borderRadius: 4, borderColor: palette.panel, borderWidth: 1 },
          label: { show: false },
          data: slices,
        },
      ],
    });
  }, [parts, palette, say]);
  return (
    <Loaded query={stats}>
      {() => (
        <ChartCard<Part>
          title={say("trade.title")}
          label={`${say("trade.label")}: ${listOf(parts)}`}
          option={option}
          rows={parts}
          rowKey={({ key }) => key}
          columns={[
            { title: say("col.trade"), cell: ({ name }) => name },
            { title: say("col.invoices"), right: true, cell: ({ invoices }) => count(invoices) },
            {
              title: say("col.gross"),
              right: true,
              cell: ({ amount }) => formatAmount(amount, measure.currency),
            },
          ]}
          below={<div className="quiet small">{say(`grain.${grain}.range`)}</div>}
        />
      )}
    </Loaded>
  );
}

export function Issuers({ measure }: { measure: Measure }) {
  const say = useWords();
  const [period, setPeriod] = useState<"day" | "month">("day");
  const [palette, compact, count] = [usePalette(), useCompact(), useCount()];
  const partsOf = usePartsOf(measure);
  const stats = useIssuers(period, measure, 10);
  const parts = useMemo(
    () =>
      partsOf(
        (stats.data?.items ?? []).map((entry) => ({
          key: String(entry.index),
          name: entry.taxpayer?.name ?? say("unnamed", { index: entry.index }),
          invoices: entry.invoices,
          amounts: entry.amounts,
        })),
      ),
    [stats.data, partsOf, say],
  );
  const option = useMemo(
    () => bars(parts.slice(0, SHOWN), palette, palette.series[3] as string, compact, 150),
    [parts, palette, compact],
  );
  return (
    <Loaded query={stats}>
      {(data) => (
        <ChartCard<Part>
          title={say("issuer.title")}
          label={`${say("issuer.label")}: ${listOf(parts)}`}
          extra={
            <Segmented<"day" | "month">
              aria-label={say("issuer.period")}
              value={period}
              onChange={setPeriod}
              options={[
                { value: "day", label: say("issuer.today") },
                { value: "month", label: say("issuer.month") },
              ]}
            />
          }
          option={option}
          rows={parts}
          rowKey={({ key }) => key}
          columns={[
            { title: say("col.issuer"), cell: ({ name }) => name },
            { title: say("col.invoices"), right: true, cell: ({ invoices }) => count(invoices) },
            {
              title: say("col.gross"),
              right: true,
              cell: ({ amount }) => formatAmount(amount, measure.currency),
            },
          ]}
          below={
            data.issuers > data.items.length ? (
              <div className="quiet small">
                {say("part.more", { count: data.issuers - data.items.length })}
              </div>
            ) : undefined
          }
        />
      )}
    </Loaded>
  );
}
