/** What was issued over time: invoices as bars, their total as a line. */
import { Segmented } from "antd";
import { useMemo } from "react";
import { formatAmount } from "../../shared/amounts.ts";
import { Loaded } from "../../shared/problem.tsx";
import { ChartCard, useCompact, useCount, usePalette } from "./chart.tsx";
import { amountOf, type Bucket, type Grain, heightOf, labelOf, rowsOf } from "./figures.ts";
import { useWords } from "./messages.ts";
import { useInvoiceStats } from "./stats.ts";

export function Issued({
  grain,
  pick,
  currency,
}: {
  grain: Grain;
  pick: (grain: Grain) => void;
  currency: string;
}) {
  const say = useWords();
  const palette = usePalette();
  const [compact, count] = [useCompact(), useCount()];
  const stats = useInvoiceStats(grain);
  const rows = useMemo(() => (stats.data ? rowsOf(grain, stats.data) : []), [stats.data, grain]);
  const option = useMemo(() => {
    const axis = {
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: { color: palette.quiet },
    };
    return {
      grid: { left: 8, right: 8, top: 40, bottom: 4, containLabel: true },
      legend: {
        top: 0,
        left: 0,
        itemHeight: 10,
        textStyle: { color: palette.quiet },
        data: [say("col.invoices"), say("col.gross")],
      },
      tooltip: {
        trigger: "axis",
        formatter: ([first]: { dataIndex: number }[]) => {
          const row = rows[first?.dataIndex ?? -1];
          if (!row) return "";
          const { bucket } = row;
          return [
            labelOf(grain, row.at),
            `${say("col.invoices")}  ${count(bucket?.invoices ?? 0)}`,
            `${say("col.gross")}  ${formatAmount(amountOf(bucket, currency), currency)}`,
            `${say("col.tax")}  ${formatAmount(amountOf(bucket, currency, "tax"), currency)}`,
          ].join("\n");
        },
      },
      xAxis: {
        type: "category",
        data: rows.map(({ at }) => labelOf(grain, at)),
        ...axis,
        axisLine: { show: true, lineStyle: { color: palette.line } },
      },
      yAxis: [
        {
          type: "value",
          minInterval: 1,
          ...axis,
          axisLabel: { color: palette.quiet, formatter: compact },
          splitLine: { lineStyle: { color: palette.line } },
        },
        {
          type: "value",
          ...axis,
          axisLabel: { color: palette.quiet, formatter: compact },
          splitLine: { show: false },
        },
      ],
      series: [
        {
          name: say("col.invoices"),
          type: "bar",
          barMaxWidth: 18,
          itemStyle: { borderRadius: [3, 3, 0, 0], color: palette.series[0] },
          data: rows.map(({ bucket }) => bucket?.invoices ?? 0),
        },
        {
          name: say("col.gross"),
          type: "line",
          yAxisIndex: 1,
          smooth: 0.3,
          smoothMonotone: "x",
          symbol: "circle",
          symbolSize: 5,
          showSymbol: false,
          lineStyle: { width: 2.5, color: palette.series[1] },
          itemStyle: { color: palette.series[1] },
          areaStyle: { color: palette.series[1], opacity: 0.12 },
          data: rows.map(({ bucket }) => heightOf(bucket, currency)),
        },
      ],
    };
  }, [rows, grain, palette, currency, compact, count, say]);
  return (
    <Loaded query={stats}>
      {(data) => (
        <ChartCard<Bucket>
          title={say("issued.title")}
          label={`${say("issued.label", { grain: say(`grain.${grain}`) })}: ${[
            count(data.totals.invoices),
            formatAmount(amountOf(data.totals, currency), currency),
          ].join(", ")}`}
          extra={
            <Segmented<Grain>
              aria-label={say("grain.pick")}
              value={grain}
              onChange={pick}
              options={(["minute", "hour", "day"] as const).map((value) => ({
                value,
                label: say(`grain.${value}`),
              }))}
            />
          }
          option={option}
          height={300}
          rows={[...data.buckets].reverse()}
          rowKey={({ start }) => start}
          columns={[
            { title: say("col.time"), cell: ({ start }) => labelOf(grain, Date.parse(start)) },
            { title: say("col.invoices"), right: true, cell: ({ invoices }) => count(invoices) },
            { title: say("col.lots"), right: true, cell: ({ lots }) => count(lots) },
            {
              title: say("col.gross"),
              right: true,
              cell: (bucket) => formatAmount(amountOf(bucket, currency), currency),
            },
            {
              title: say("col.tax"),
              right: true,
              cell: (bucket) => formatAmount(amountOf(bucket, currency, "tax"), currency),
            },
            {
              title: say("col.reimbursed"),
              right: true,
              cell: ({ acts }) => count(acts.reimbursed ?? 0),
            },
          ]}
          below={<div className="quiet small">{say(`grain.${grain}.range`)}</div>}
        />
      )}
    </Loaded>
  );
}
