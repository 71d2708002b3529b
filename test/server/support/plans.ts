/**
 * The database's plans for the statements that the product runs: the server's own module
 * auto_explain reports every executed statement, including those of triggers, with the rows that
 * each step has read.
 */
import pg from "pg";
import type { Sql } from "../../../server/db/db.ts";

type Node = {
  "Node Type": string;
  "Relation Name"?: string;
  "Index Name"?: string;
  "Actual Rows"?: number;
  "Actual Loops"?: number;
  "Rows Removed by Filter"?: number;
  "Rows Removed by Index Recheck"?: number;
  Plans?: Node[];
};
type PlanMessage = {
  "Query Text": string;
  Plan: Node & { "Shared Hit Blocks"?: number; "Shared Read Blocks"?: number };
};
/**
 * The rows (counted at the scans) and pages that a statement has read. `scans`: tables with a full
 * scan.
 */
export type Done = {
  statement: string;
  rows: number;
  pages: number;
  scans: string[];
  plan: string;
};

const nodesOf = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];

function read({ "Query Text": text, Plan: plan }: PlanMessage): Done {
  const scans = nodesOf(plan).filter(
    (node) =>
      node["Relation Name"] !== undefined &&
      /Scan/.test(node["Node Type"]) &&
      node["Node Type"] !== "Bitmap Index Scan",
  );
  const rows = scans.reduce((sum, node) => {
    const each =
      (node["Actual Rows"] ?? 0) +
      (node["Rows Removed by Filter"] ?? 0) +
      (node["Rows Removed by Index Recheck"] ?? 0);
    return sum + each * (node["Actual Loops"] ?? 0);
  }, 0);
  return {
    statement: text.replace(/\s+/g, " ").trim(),
    rows: Math.round(rows),
    pages: (plan["Shared Hit Blocks"] ?? 0) + (plan["Shared Read Blocks"] ?? 0),
    scans: scans
      .filter((node) => node["Node Type"] === "Seq Scan" && (node["Actual Loops"] ?? 0) > 0)
      .map((node) => node["Relation Name"] as string),
    plan: JSON.stringify(plan, (key, value) =>
      /Rows|Node Type|Relation|Index Name|Plans|Filter|Cond|Loops|^\d*$/.test(key)
        ? value
        : undefined,
    ),
  };
}

const done: Done[] = [];
const { connect } = pg.Client.prototype;

/**
 * From here on every connection that this process opens reports its statements. The server may plan
 * a prepared statement for the values of each execution, or once for any values.
 */
export async function watchPlans(
  sql: Sql,
  plans: "for their values" | "for any values",
): Promise<void> {
  const settings = {
    session_preload_libraries: "'auto_explain'",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_format": "json",
    "auto_explain.log_level": "notice",
    plan_cache_mode: plans === "for any values" ? "force_generic_plan" : "force_custom_plan",
    // only the rows that one process reads are counted
    max_parallel_workers_per_gather: "0",
  };
  for (const [name, value] of Object.entries(settings))
    await sql.unsafe(`alter role current_user set ${name} = ${value}`);
  pg.Client.prototype.connect = function (this: pg.Client, ...args: unknown[]) {
    this.on("notice", ({ message = "" }) => {
      const at = message.indexOf("plan:\n");
      if (at >= 0) done.push(read(JSON.parse(message.slice(at + 6)) as PlanMessage));
    });
    return (connect as (...args: unknown[]) => unknown).apply(this, args);
  } as typeof connect;
}

export async function unwatchPlans(sql: Sql): Promise<void> {
  pg.Client.prototype.connect = connect;
  await sql.unsafe("alter role current_user reset all");
}

/** The statements executed during `work`. */
export async function during(work: () => Promise<unknown>): Promise<Done[]> {
  done.length = 0;
  await work();
  return done.splice(0);
}
