/**
 * Charts: a canvas that ECharts draws in the page's colours, with the same numbers as a table for
 * people who cannot see it. Only the used parts of the library are loaded.
 *
 * Tooltips are drawn on the canvas, because the page's policy forbids styles that a script writes.
 */
import { BarChartOutlined, TableOutlined } from "@ant-design/icons";
import { Button, Card, Table, type TableColumnsType, Tooltip } from "antd";
import { BarChart, LineChart, PieChart, SankeyChart } from "echarts/charts";
import { GridComponent, LegendComponent, TooltipComponent } from "echarts/components";
import { type EChartsCoreOption, init, use } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import { useAppearance } from "../../shared/appearance.tsx";
import { Wide } from "../../shared/show.tsx";
import { useLanguage } from "../../shared/words.ts";
import { useWords } from "./messages.ts";

use([
  BarChart,
  LineChart,
  PieChart,
  SankeyChart,
  GridComponent,
  LegendComponent,
  TooltipComponent,
  CanvasRenderer,
]);

export type Palette = {
  text: string;
  quiet: string;
  line: string;
  panel: string;
  series: readonly string[];
  bad: string;
  good: string;
  busy: string;
  done: string;
};

const light: Palette = {
  text: "#1c1f23",
  quiet: "#545b64",
  line: "#e3e7ec",
  panel: "#ffffff",
  series: [
    "#2563b8",
    "#d97706",
    "#0f8a7e",
    "#7c4dbd",
    "#c2416b",
    "#5b7f1f",
    "#3d8fd1",
    "#a15c12",
    "#5a6b7d",
    "#b08900",
  ],
  bad: "#c5342c",
  good: "#3a8f3a",
  busy: "#d98a00",
  done: "#2563b8",
};
const dark: Palette = {
  text: "#e8eaed",
  quiet: "#aab2bb",
  line: "#343a41",
  panel: "#1b1e22",
  series: [
    "#6ea8ff",
    "#f5b041",
    "#3fc9b8",
    "#b794f6",
    "#f48fb1",
    "#a8cf5f",
    "#7dc4f5",
    "#e0a458",
    "#9fb0c2",
    "#e3c64a",
  ],
  bad: "#ff8a80",
  good: "#7fce7f",
  busy: "#ffc069",
  done: "#6ea8ff",
};

export const usePalette = (): Palette => (useAppearance().dark ? dark : light);

/** Formats 12,345 as 1.2万 or 12K, for axes and other narrow places. */
export function useCompact(): (value: number) => string {
  const [language] = useLanguage();
  return useMemo(() => {
    const format = new Intl.NumberFormat(language, {
      notation: "compact",
      maximumFractionDigits: 1,
    });
    return (value) => format.format(value);
  }, [language]);
}

export function useCount(): (value: number) => string {
  const [language] = useLanguage();
  return useMemo(() => {
    const format = new Intl.NumberFormat(language);
    return (value) => format.format(value);
  }, [language]);
}

/** Below this width a chart may use another layout. */
const NARROW = 330;
type Option = EChartsCoreOption | ((narrow: boolean) => EChartsCoreOption);

/** `label` describes the chart in words. */
export function Chart({
  option,
  label,
  height,
}: {
  option: Option;
  label: string;
  height: number;
}) {
  const [narrow, setNarrow] = useState(false);
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<ReturnType<typeof init> | undefined>(undefined);
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const instance = init(element);
    chart.current = instance;
    const watch = new ResizeObserver(() => {
      instance.resize();
      setNarrow(element.clientWidth < NARROW);
    });
    watch.observe(element);
    return () => {
      watch.disconnect();
      instance.dispose();
      chart.current = undefined;
    };
  }, []);
  const palette = usePalette();
  useEffect(() => {
    const drawn = typeof option === "function" ? option(narrow) : option;
    const isReduced = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const font = getComputedStyle(document.body).fontFamily;
    chart.current?.setOption(
      {
        animation: !isReduced,
        animationDuration: 400,
        animationDurationUpdate: 500,
        color: [...palette.series],
        textStyle: { fontFamily: font, color: palette.text, fontSize: 12 },
        ...drawn,
        tooltip: {
          renderMode: "richText",
          confine: true,
          backgroundColor: palette.panel,
          borderColor: palette.line,
          textStyle: { color: palette.text, fontFamily: font, fontSize: 13 },
          ...(drawn["tooltip"] as object | undefined),
        },
      },
      { replaceMerge: ["series"] },
    );
  }, [option, narrow, palette]);
  return <div ref={place} role="img" aria-label={label} style={{ height }} />;
}

export type Column<Row> = { title: string; right?: boolean; cell: (row: Row) => ReactNode };

/** A chart in its card. A button replaces it by a table of the same rows. */
export function ChartCard<Row extends object>({
  title,
  extra,
  label,
  option,
  height = 280,
  rows,
  rowKey,
  columns,
  below,
}: {
  title: string;
  extra?: ReactNode;
  label: string;
  option: Option;
  height?: number;
  rows: readonly Row[];
  rowKey: (row: Row) => string;
  columns: readonly Column<Row>[];
  below?: ReactNode;
}) {
  const say = useWords();
  const [asTable, setAsTable] = useState(false);
  const shown: TableColumnsType<Row> = columns.map(({ title: head, right, cell }) => ({
    key: head,
    title: head,
    align: right ? "right" : "left",
    render: (_, row) => cell(row),
  }));
  const other = say(asTable ? "chart.chart" : "chart.table");
  return (
    <Card
      className="chart-card"
      title={<h2>{title}</h2>}
      extra={
        <div className="row">
          {extra}
          <Tooltip title={other}>
            <Button
              type="text"
              aria-label={`${title}: ${other}`}
              aria-pressed={asTable}
              icon={asTable ? <BarChartOutlined /> : <TableOutlined />}
              onClick={() => setAsTable(!asTable)}
            />
          </Tooltip>
        </div>
      }
    >
      {asTable ? (
        <div className="chart-table" style={{ maxHeight: height }}>
          <Wide label={title}>
            <Table<Row>
              size="small"
              pagination={false}
              columns={shown}
              dataSource={[...rows]}
              rowKey={rowKey}
            />
          </Wide>
        </div>
      ) : (
        <Chart option={option} label={label} height={height} />
      )}
      {below}
    </Card>
  );
}
