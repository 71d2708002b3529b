/** The flow of invoices between states, and the number in each state now. */

import { useMemo } from "react";
import { Loaded } from "../../shared/problem.tsx";
import { useStateName } from "../../shared/show.tsx";
import { ChartCard, useCount, usePalette } from "./chart.tsx";
import { type Link, linksOf } from "./figures.ts";
import { useWords } from "./messages.ts";
import { useFlow } from "./stats.ts";

export function Flow() {
  const say = useWords();
  const stateName = useStateName();
  const [palette, count] = [usePalette(), useCount()];
  const flow = useFlow();
  const links = useMemo(() => {
    const name = {
      issued: say("flow.issued"),
      admitted: say("flow.admitted"),
      claimed: say("flow.claimed"),
      reimbursed: say("flow.reimbursed"),
      returned: say("flow.returned"),
      reversed: say("flow.reversed"),
      waiting: say("flow.waiting"),
      unclaimed: say("flow.unclaimed"),
    };
    return flow.data ? linksOf(flow.data.acts, name) : [];
  }, [flow.data, say]);
  const option = useMemo(() => {
    const colours: Record<string, string | undefined> = {
      [say("flow.issued")]: palette.good,
      [say("flow.admitted")]: palette.series[8],
      [say("flow.claimed")]: palette.busy,
      [say("flow.reimbursed")]: palette.done,
      [say("flow.returned")]: palette.series[3],
      [say("flow.reversed")]: palette.bad,
      [say("flow.waiting")]: palette.series[5],
      [say("flow.unclaimed")]: palette.series[8],
    };
    return {
      tooltip: { trigger: "item" },
      series: [
        {
          type: "sankey",
          left: 4,
          right: 136,
          top: 12,
          bottom: 12,
          nodeWidth: 14,
          nodeGap: 20,
          nodeAlign: "left",
          draggable: false,
          layoutIterations: 0,
          emphasis: { focus: "adjacency" },
          lineStyle: { color: "gradient", opacity: 0.32, curveness: 0.5 },
          label: {
            color: palette.text,
            fontSize: 12.5,
            formatter: ({ name, value }: { name: string; value: number }) =>
              `${name}  ${count(value)}`,
          },
          data: [...new Set(links.flatMap(({ source, target }) => [source, target]))].map(
            (name) => ({ name, itemStyle: { color: colours[name] } }),
          ),
          links,
        },
      ],
    };
  }, [links, palette, count, say]);
  const flows = links.map(({ source, target, value }) => `${source} → ${target} ${count(value)}`);
  return (
    <Loaded query={flow} empty={() => links.length === 0} nothing={say("flow.empty")}>
      {({ now }) => (
        <ChartCard<Link>
          title={say("flow.title")}
          extra={<span className="quiet small">{say("flow.range")}</span>}
          label={`${say("flow.label")}: ${flows.join(", ")}`}
          option={option}
          height={300}
          rows={links}
          rowKey={({ source, target }) => `${source}/${target}`}
          columns={[
            { title: say("col.from"), cell: ({ source }) => source },
            { title: say("col.to"), cell: ({ target }) => target },
            { title: say("col.count"), right: true, cell: ({ value }) => count(value) },
          ]}
          below={
            <dl className="states" aria-label={say("flow.now")}>
              {(["issued", "claimed", "reimbursed", "reversed"] as const).map((state) => (
                <div key={state}>
                  <dt>{stateName(state)}</dt>
                  <dd data-state={state}>{count(now[state])}</dd>
                </div>
              ))}
            </dl>
          }
        />
      )}
    </Loaded>
  );
}
