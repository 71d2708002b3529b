/**
 * What a gateway counts and measures, in Prometheus' format. One table has every metric's name,
 * kind and labels; docs/operations.md is generated from it, and only its metrics can be recorded.
 *
 * `of`: a metric of the process differs between processes (sum it over them); a metric of the
 * database is the same in every process (take the max). Labels contain only words of the code
 * (routes as templates, problem codes, kinds): never a party, a number or an amount. Owns no timer
 * and no I/O: the components that know a value set it before a scrape (`refresh`).
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

type Spec = {
  kind: "counter" | "gauge" | "histogram";
  of: "process" | "database";
  help: string;
  labels?: readonly string[];
  buckets?: number[];
};

const HTTP_BUCKETS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const SEAL_BUCKETS = [0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1_800, 7_200];

export const metricTable = {
  onepiao_build_info: {
    kind: "gauge",
    of: "process",
    help: "1; the software's version as a label",
    labels: ["version", "node"],
  },
  onepiao_http_request_seconds: {
    kind: "histogram",
    of: "process",
    help: "Time to answer, with what Prefer: wait has added",
    labels: ["route", "method", "status"],
    buckets: HTTP_BUCKETS,
  },
  onepiao_invoices_accepted_total: {
    kind: "counter",
    of: "database",
    help: "Invoices accepted since the database was made",
  },
  onepiao_invoices_waiting: {
    kind: "gauge",
    of: "database",
    help: "Accepted and not yet put in a lot, or in a lot and not yet sealed",
    labels: ["stage"],
  },
  onepiao_invoices_waiting_oldest_seconds: {
    kind: "gauge",
    of: "database",
    help: "Age of the oldest of them",
    labels: ["stage"],
  },
  onepiao_invoices_sealed_total: {
    kind: "counter",
    of: "process",
    help: "Stored invoices seen sealed by this process's follower",
  },
  onepiao_lots_uncounted: {
    kind: "gauge",
    of: "database",
    help: "Lots that are sealed and not in the bureau's statistics yet, counted up to 10,000",
  },
  onepiao_lots_undocumented: {
    kind: "gauge",
    of: "database",
    help: "Lots in the statistics without amounts: not all of their documents are here",
  },
  onepiao_seal_seconds: {
    kind: "histogram",
    of: "process",
    help: "From accepted to seen sealed",
    buckets: SEAL_BUCKETS,
  },
  onepiao_acts_total: {
    kind: "counter",
    of: "process",
    help: "Acts on invoices seen on the chain, one an invoice",
    labels: ["kind"],
  },
  onepiao_refusals_total: {
    kind: "counter",
    of: "process",
    help: "Acts and lots that the chain refused, by problem code",
    labels: ["reason"],
  },
  onepiao_alarms_total: {
    kind: "counter",
    of: "process",
    help: "Attempts of a party at a second reimbursement, refused by the chain; each once",
  },
  onepiao_operations: {
    kind: "gauge",
    of: "database",
    help: "Operations that have not come to their end",
    labels: ["status"],
  },
  onepiao_operations_oldest_seconds: {
    kind: "gauge",
    of: "database",
    help: "Age of the oldest of them",
    labels: ["status"],
  },
  onepiao_lane_depth: {
    kind: "gauge",
    of: "database",
    help: "Transactions queued or pending in a lane",
    labels: ["lane", "status"],
  },
  onepiao_lane_oldest_seconds: {
    kind: "gauge",
    of: "database",
    help: "Age of the oldest of them",
    labels: ["lane"],
  },
  onepiao_lane_blocked: {
    kind: "gauge",
    of: "process",
    help: "1 while the lane is blocked; in the process that works on it",
    labels: ["lane"],
  },
  onepiao_node_faults_total: {
    kind: "counter",
    of: "process",
    help: "Answers of the node to a transaction other than success, by word",
    labels: ["word"],
  },
  onepiao_chain_head: { kind: "gauge", of: "process", help: "The node's newest block" },
  onepiao_chain_head_age_seconds: {
    kind: "gauge",
    of: "process",
    help: "Since that block, by its own time",
  },
  onepiao_chain_head_still_seconds: {
    kind: "gauge",
    of: "process",
    help: "Since this process saw the head move",
  },
  onepiao_chain_up: { kind: "gauge", of: "process", help: "1 while the node answers" },
  onepiao_cursor_block: {
    kind: "gauge",
    of: "database",
    help: "Last block that is in the projections",
  },
  onepiao_cursor_lag_blocks: {
    kind: "gauge",
    of: "process",
    help: "Final blocks that are not in the projections yet",
  },
  onepiao_cursor_lag_seconds: {
    kind: "gauge",
    of: "process",
    help: "Between the cursor's block and the head, by the chain's time",
  },
  onepiao_feed_position: { kind: "gauge", of: "database", help: "Newest position of the feed" },
  onepiao_webhooks: { kind: "gauge", of: "database", help: "Subscriptions", labels: ["state"] },
  onepiao_webhook_lag_seconds: {
    kind: "gauge",
    of: "database",
    help: "Age of the oldest event that an active webhook has not taken yet",
  },
  onepiao_leases_held: {
    kind: "gauge",
    of: "process",
    help: "1 while this process holds the lease",
    labels: ["lease"],
  },
  onepiao_db_connections: {
    kind: "gauge",
    of: "process",
    help: "Connections of the pool",
    labels: ["state"],
  },
  onepiao_db_waiting: { kind: "gauge", of: "process", help: "Queries that wait for a connection" },
  onepiao_idempotency_keys: {
    kind: "gauge",
    of: "database",
    help: "Stored answers, as the database estimates them",
  },
  onepiao_idempotency_expired_total: {
    kind: "counter",
    of: "process",
    help: "Stored answers that have expired and are deleted",
  },
  onepiao_upkeep_runs_total: {
    kind: "counter",
    of: "process",
    help: "Runs of upkeep's jobs",
    labels: ["job", "outcome"],
  },
  onepiao_reconcile_differences: {
    kind: "gauge",
    of: "database",
    help: "Differences between what is stored and the chain, counted up to 1,000 of a kind",
    labels: ["kind"],
  },
  onepiao_audit_findings: {
    kind: "gauge",
    of: "database",
    help: "What the bureau's audit has found, as it stands, counted up to 1,000 of a kind",
    labels: ["kind"],
  },
  onepiao_audit_waiting: {
    kind: "gauge",
    of: "database",
    help: "Sealed lots that the audit waits for documents of",
  },
  onepiao_deposits_waiting: {
    kind: "gauge",
    of: "database",
    help: "Lots of this gateway that are not deposited with the bureau yet",
  },
  onepiao_deposits_waiting_oldest_seconds: {
    kind: "gauge",
    of: "database",
    help: "Age of the oldest of them",
  },
  onepiao_reconcile_pass_age_seconds: {
    kind: "gauge",
    of: "database",
    help: "Since a complete comparison came to its end",
  },
} as const satisfies Record<string, Spec>;

export type MetricName = keyof typeof metricTable;
type NameOf<K extends Spec["kind"]> = {
  [N in MetricName]: (typeof metricTable)[N]["kind"] extends K ? N : never;
}[MetricName];
type Labels = Record<string, string>;

export type Metrics = {
  /** Adds to a counter of the process; 1 by default. */
  count(name: NameOf<"counter">, labels?: Labels, amount?: number): void;
  /** Adds a duration to a histogram, in seconds. */
  observe(name: NameOf<"histogram">, seconds: number, labels?: Labels): void;
  /**
   * Replaces all values of a gauge, or of a counter that is kept elsewhere; without values, the
   * metric is left out.
   */
  set(name: NameOf<"gauge" | "counter">, ...values: { value: number; labels?: Labels }[]): void;
  /** Awaited before each scrape; if it throws, only its own values are missing. */
  refresh(before: () => Promise<void>): void;
  /** All metrics, in Prometheus' format. */
  scrape(): Promise<{ type: string; text: string }>;
};

export function createMetrics(version: string): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const made = new Map<string, Counter | Gauge | Histogram>();
  for (const [name, spec] of Object.entries(metricTable) as [MetricName, Spec][]) {
    const common = { name, help: spec.help, labelNames: [...(spec.labels ?? [])], registers };
    if (spec.kind === "counter") made.set(name, new Counter(common));
    else if (spec.kind === "gauge") made.set(name, new Gauge(common));
    else made.set(name, new Histogram({ ...common, buckets: spec.buckets ?? [] }));
  }
  // CPU, memory, event loop, garbage collection: under the names that common dashboards know, with
  // our prefix
  collectDefaultMetrics({ register: registry, prefix: "onepiao_" });
  const before: (() => Promise<void>)[] = [];
  const metrics: Metrics = {
    count: (name, labels = {}, amount = 1) => (made.get(name) as Counter).inc(labels, amount),
    observe: (name, seconds, labels = {}) => (made.get(name) as Histogram).observe(labels, seconds),
    set(name, ...values) {
      const metric = made.get(name) as Counter | Gauge;
      metric.reset();
      // after a reset, a metric without labels is 0, and one with labels is gone
      for (const { value, labels = {} } of values) metric.inc(labels, value);
    },
    refresh: (callback) => void before.push(callback),
    async scrape() {
      await Promise.allSettled(before.map((callback) => callback()));
      return { type: registry.contentType, text: await registry.metrics() };
    },
  };
  metrics.set("onepiao_build_info", { value: 1, labels: { version, node: process.version } });
  return metrics;
}
