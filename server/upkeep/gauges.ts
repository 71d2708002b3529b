/**
 * The metrics that a scrape reads from elsewhere: the database, the node, the pool, the leases.
 * Also those that follow from the chain's events, as this process's follower applies them.
 *
 * The database is asked at most once in a few seconds, however often a scrape comes; each statement
 * uses an index of unfinished work, or a small table. If a statement fails, its metrics stay as
 * they were.
 */

import { actEvents } from "@onepiao/protocol/ledger/acts.ts";
import { codeOfChainError } from "@onepiao/protocol/values/problems.ts";
import { errorName } from "../chain/contracts.ts";
import type { Sql } from "../db/db.ts";
import type { RowOf } from "../db/tables.ts";
import { findingKinds as auditKinds } from "../features/bureau/audit-findings.ts";
import { keptAnswers } from "../http/kept-answers.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { findingKinds } from "./comparison.ts";
import type { Watch } from "./health.ts";

type Deps = {
  sql: Sql;
  metrics: Metrics;
  watch: Pick<Watch, "head">;
  finalityDepth: number;
  leases: () => readonly { name: string; held: boolean }[];
  blocked: () => readonly { lane: string; why: string }[];
  freshMs?: number;
};

const seconds = (column: string) => `coalesce(extract(epoch from now() - ${column}), 0)::float8`;

export function createGauges(deps: Deps): void {
  const { sql, metrics, freshMs = 3_000 } = deps;

  async function invoices(): Promise<void> {
    const [lotted] = await sql.unsafe<{ accepted: number; waiting: number; oldest: number }[]>(`
      select ((select invoices from lotted_now) + coalesce(sum(u.accepted - u.lotted),
        0))::float8 as accepted,
             coalesce(sum(u.accepted - u.lotted), 0)::float8 as waiting,
               ${seconds("min(i.accepted_at)")} as oldest
      from segment_waits_now u left join lateral (select accepted_at from accepted_now
        where number = u.segment + u.lotted offset 0) i on true`);
    const [sealed] = await sql.unsafe<{ waiting: number; oldest: number }[]>(`
      select coalesce(sum(l.count), 0)::float8 as waiting, ${seconds("min(o.created_at)")} as oldest
      from operation_now o cross join lateral (select count from sealing_now
        where operation = o.id offset 0) l
      where o.status in ('queued', 'awaiting-signature', 'signed', 'sent') and o.kind = 'seal'`);
    const stages = { unlotted: lotted, unsealed: sealed };
    metrics.set("onepiao_invoices_accepted_total", { value: lotted?.accepted ?? 0 });
    const valuesOf = (pick: "waiting" | "oldest") =>
      Object.entries(stages).map(([stage, row]) => ({
        labels: { stage },
        value: row?.[pick] ?? 0,
      }));
    metrics.set("onepiao_invoices_waiting", ...valuesOf("waiting"));
    metrics.set("onepiao_invoices_waiting_oldest_seconds", ...valuesOf("oldest"));
  }

  async function operations(): Promise<void> {
    const rows = await sql.unsafe<{ status: string; n: number; oldest: number }[]>(`
      select w.status, count(o.id)::float8 as n, ${seconds("min(o.created_at)")} as oldest
      from unnest(array['queued', 'awaiting-signature', 'signed', 'sent']) as w (status)
        left join operation_now o
        on o.status = w.status and o.status in ('queued', 'awaiting-signature', 'signed',
          'sent') group by w.status`);
    metrics.set(
      "onepiao_operations",
      ...rows.map(({ status, n }) => ({ labels: { status }, value: n })),
    );
    metrics.set(
      "onepiao_operations_oldest_seconds",
      ...rows.map(({ status, oldest }) => ({ labels: { status }, value: oldest })),
    );
  }

  async function lanes(): Promise<void> {
    const rows = await sql.unsafe<{ lane: string; status: string; n: number; oldest: number }[]>(`
      select l.name as lane, w.status, count(s.id)::float8 as n,
        ${seconds("min(s.created_at)")} as oldest
      from lane_now l cross join unnest(array['queued', 'pending']) as w (status)
        left join send_now s
        on s.lane = l.name and s.status = w.status and s.status in ('queued',
          'pending') group by l.name, w.status`);
    metrics.set(
      "onepiao_lane_depth",
      ...rows.map(({ lane, status, n }) => ({ labels: { lane, status }, value: n })),
    );
    const oldest = Map.groupBy(rows, (row) => row.lane);
    metrics.set(
      "onepiao_lane_oldest_seconds",
      ...[...oldest].map(([lane, laneRows]) => ({
        labels: { lane },
        value: Math.max(...laneRows.map((row) => row.oldest)),
      })),
    );
    const stuck = new Set(deps.blocked().map((entry) => entry.lane));
    metrics.set(
      "onepiao_lane_blocked",
      ...[...oldest.keys()].map((lane) => ({ labels: { lane }, value: stuck.has(lane) ? 1 : 0 })),
    );
  }

  async function chain(): Promise<void> {
    const [head, [cursor]] = await Promise.all([
      deps.watch.head(),
      sql<RowOf<"chain_now", "block" | "time">[]>`select block, time from chain_now`,
    ]);
    metrics.set("onepiao_chain_up", { value: head ? 1 : 0 });
    if (cursor) metrics.set("onepiao_cursor_block", { value: Number(cursor.block) });
    if (!head) return;
    metrics.set("onepiao_chain_head", { value: head.block });
    metrics.set("onepiao_chain_head_age_seconds", { value: head.age });
    metrics.set("onepiao_chain_head_still_seconds", { value: head.still });
    if (!cursor) return;
    metrics.set("onepiao_cursor_lag_blocks", {
      value: Math.max(0, head.block - deps.finalityDepth - Number(cursor.block)),
    });
    metrics.set("onepiao_cursor_lag_seconds", {
      value: Math.max(0, head.time - Number(cursor.time)),
    });
  }

  async function webhooks(): Promise<void> {
    const rows = await sql<{ state: string; n: number; behind: number }[]>`
      select case when disabled is not null then 'disabled' when tries > 0 then 'failing'
        else 'delivering' end as state, count(*)::float8 as n,
             coalesce(max(extract(epoch from now() - since)) filter (where disabled is null),
               0)::float8 as behind
      from webhook_backlog_now group by 1`;
    const rowByState = new Map(rows.map((row) => [row.state, row]));
    metrics.set(
      "onepiao_webhooks",
      ...["delivering", "failing", "disabled"].map((state) => ({
        labels: { state },
        value: rowByState.get(state)?.n ?? 0,
      })),
    );
    metrics.set("onepiao_webhook_lag_seconds", {
      value: Math.max(0, ...rows.map((row) => row.behind)),
    });
  }

  async function remaining(): Promise<void> {
    const [row] = await sql<{ position: number; pass: number | null }[]>`
      select coalesce((select max(position) from feed_now), 0)::float8 as position,
             (select extract(epoch from now() - ended_at)::float8 from reconcile_cursors
               where name = 'sweep') as pass`;
    metrics.set("onepiao_feed_position", { value: row?.position ?? 0 });
    metrics.set("onepiao_idempotency_keys", { value: await keptAnswers(sql) });
    const [lots] = await sql<{ uncounted: number; undocumented: number }[]>`
      select (select count(*) from (
                select 1 from lot_now where (block, first) > (coalesce((select block
                  from stats_cursor_now), -1), coalesce((select first from stats_cursor_now), 0))
                order by block, first limit 10000) l)::float8 as uncounted,
             coalesce((select undocumented from stats_cursor_now), 0)::float8 as undocumented`;
    metrics.set("onepiao_lots_uncounted", { value: lots?.uncounted ?? 0 });
    metrics.set("onepiao_lots_undocumented", { value: lots?.undocumented ?? 0 });
    if (row?.pass != null) metrics.set("onepiao_reconcile_pass_age_seconds", { value: row.pass });
    const counts = await sql<{ kind: string; n: number }[]>`
      select k.kind, (select count(*) from (select 1 from reconcile_findings where kind = k.kind
        order by subject limit 1000) f)::float8 as n
      from unnest(${Object.keys(findingKinds)}::text[]) as k (kind)`;
    const countByKind = new Map(counts.map((row) => [row.kind, row.n]));
    metrics.set(
      "onepiao_reconcile_differences",
      ...Object.keys(findingKinds).map((kind) => ({
        labels: { kind },
        value: countByKind.get(kind) ?? 0,
      })),
    );
  }

  async function audit(): Promise<void> {
    const counts = await sql<{ kind: string; n: number }[]>`
      select k.kind, (select count(*) from (select 1 from audit_finding_now where kind = k.kind
        order by issuer, subject limit 1000) f)::float8 as n
      from unnest(${[...auditKinds]}::text[]) as k (kind)`;
    const countByKind = new Map(counts.map((row) => [row.kind, row.n]));
    metrics.set(
      "onepiao_audit_findings",
      ...auditKinds.map((kind) => ({ labels: { kind }, value: countByKind.get(kind) ?? 0 })),
    );
    const [row] = await sql.unsafe<{ audited: number; delivered: number; oldest: number }[]>(`
      select (select count(*) from audit_lot_now where state = 'waiting')::float8 as audited,
        count(d.lot)::float8 as delivered,
             ${seconds("min(to_timestamp(l.time))")} as oldest
      from deliveries d join lot_now l on l.first = d.lot where d.delivered_at is null`);
    metrics.set("onepiao_audit_waiting", { value: row?.audited ?? 0 });
    metrics.set("onepiao_deposits_waiting", { value: row?.delivered ?? 0 });
    metrics.set("onepiao_deposits_waiting_oldest_seconds", { value: row?.oldest ?? 0 });
  }

  async function process(): Promise<void> {
    const { busy, idle, waiting } = sql.connections();
    metrics.set(
      "onepiao_db_connections",
      { labels: { state: "busy" }, value: busy },
      { labels: { state: "idle" }, value: idle },
    );
    metrics.set("onepiao_db_waiting", { value: waiting });
    metrics.set(
      "onepiao_leases_held",
      ...deps.leases().map(({ name, held }) => ({ labels: { lease: name }, value: held ? 1 : 0 })),
    );
  }

  let last: { at: number; done: Promise<unknown> } | undefined;
  metrics.refresh(async () => {
    if (last === undefined || performance.now() - last.at > freshMs) {
      last = {
        at: performance.now(),
        done: Promise.allSettled(
          [invoices, operations, lanes, chain, webhooks, remaining, audit, process].map((refresh) =>
            refresh(),
          ),
        ),
      };
    }
    await last.done;
  });
}

type Event = { name: string; block: number; args: Record<string, string | number | boolean> };

/**
 * For the follower, after its transaction: counts what it applied, and how long the sealed invoices
 * of this gateway took.
 */
export function createTally({
  sql,
  metrics,
}: {
  sql: Sql;
  metrics: Metrics;
}): (events: readonly Event[]) => Promise<void> {
  return async (events) => {
    const sealed = events.filter((event) => event.name === "LotSealed");
    for (const { name, args } of events) {
      if (actEvents.has(name)) metrics.count("onepiao_acts_total", { kind: name.toLowerCase() });
      if (name !== "Refused" && name !== "LotRefused") continue;
      metrics.count("onepiao_refusals_total", {
        reason: codeOfChainError(errorName(String(args["reason"]).slice(0, 10)) ?? "") ?? "unknown",
      });
    }
    const refused = new Set(
      events.filter((event) => event.name === "Refused").map((event) => event.block),
    );
    if (refused.size > 0) {
      const [row] = await sql<{ count: number }[]>`
        select count(*)::int as count from attempt_now
          where block = any(${[...refused]}::bigint[])`;
      metrics.count("onepiao_alarms_total", {}, row?.count ?? 0);
    }
    if (sealed.length === 0) return;
    const durations = await sql<{ seconds: number }[]>`
      select extract(epoch from now() - i.accepted_at)::float8 as seconds
      from unnest(${sealed.map(({ args }) => args["first"])}::numeric[],
        ${sealed.map(({ args }) => args["count"])}::int[]) as l (first, count)
      cross join lateral (select accepted_at from accepted_now where number >= l.first
        and number < l.first + l.count offset 0) i`;
    metrics.count("onepiao_invoices_sealed_total", {}, durations.length);
    for (const { seconds } of durations)
      metrics.observe("onepiao_seal_seconds", Math.max(0, seconds));
  };
}
