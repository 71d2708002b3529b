/**
 * Reconcile: compares stored data with the chain (comparison.ts), page by page, and keeps the
 * differences. The part `recent` follows the cursor; a `sweep` goes from the deployment to the
 * cursor, a bounded number of invoices at a time.
 *
 * A new comparison of a page replaces its findings, so a repaired difference disappears. A new
 * finding is an alarm: an error in the log. Owns `reconcile_findings` and `reconcile_cursors`, and
 * changes nothing else.
 */
import type { ChainClient } from "../chain/client.ts";
import type { Contracts } from "../chain/contracts.ts";
import type { Sql, Tx } from "../db/db.ts";
import type { RowOf } from "../db/tables.ts";
import type { Documents } from "../features/invoices/documents.ts";
import type { Log } from "../kernel/log.ts";
import type { Job } from "../kernel/loop.ts";
import {
  createComparison,
  type Difference,
  type FindingKind,
  findingKinds,
  type Page,
} from "./comparison.ts";

export type Finding = Difference & { since: Date };
/** `end`: the last block to compare. */
export type Progress = { block: number; end: number; lots: number; invoices: number };

export type Reconcile = {
  /** For upkeep: new blocks, and a bounded part of the sweep. */
  job: Job;
  /** Compares everything from the deployment to the cursor at once; reports after each page. */
  all(progress: (sofar: Progress) => void, stopping?: AbortSignal): Promise<Progress>;
};

type Deps = {
  sql: Sql;
  documents: Pick<Documents, "open">;
  chain: ChainClient;
  contracts: Contracts;
  log: Log;
  /** A sweep begins at the earliest this many days after the previous one began. */
  days: number;
  /** Invoices compared in each second. */
  perSecond: number;
  /** The time within which an accepted invoice should be sealed. Default 300. */
  patienceSeconds?: number;
  everyMs?: number;
};

/** Blocks of a page. */
const PAGE = 100;

/** The present findings, oldest first. */
export const findings = (sql: Tx): Promise<Finding[]> =>
  sql<Finding[]>`
    select kind, subject, detail, found_at as since from reconcile_findings order by found_at, kind,
      subject`;

/** Replaces the known findings about the page's subjects; returns the new ones. */
async function save(sql: Sql, { scopes, ...page }: Page): Promise<Difference[]> {
  // both its lot and its record can show the same difference
  const differences = [
    ...new Map(page.differences.map((each) => [`${each.kind} ${each.subject}`, each])).values(),
  ];
  const subjectsOf = (kind: FindingKind) =>
    differences.filter((each) => each.kind === kind).map(({ subject }) => subject);
  return sql.begin(async (tx) => {
    // usually there are no findings, and nothing to delete
    const known = (await tx`select 1 from reconcile_findings limit 1`).length > 0;
    for (const scope of known ? scopes : []) {
      const within =
        "subjects" in scope
          ? tx`subject = any(${scope.subjects}::numeric[])`
          : tx`subject >= ${scope.from} and subject <= ${scope.to}`;
      await tx`
        delete from reconcile_findings where kind = ${scope.kind} and ${within}
          and subject <> all(${subjectsOf(scope.kind)}::numeric[])`;
    }
    const freshDifferences: Difference[] = [];
    for (const { kind, subject, detail } of differences) {
      const [row] = await tx<{ fresh: boolean }[]>`
        insert into reconcile_findings (kind, subject, detail) values (${kind}, ${subject},
          ${detail})
        on conflict (kind, subject) do update set seen_at = now(), detail = excluded.detail
          returning found_at = seen_at as fresh`;
      if (row?.fresh) freshDifferences.push({ kind, subject, detail });
    }
    return freshDifferences;
  });
}

export function createReconcile(deps: Deps): Reconcile {
  const { sql, contracts, log, patienceSeconds = 300, everyMs = 10_000 } = deps;
  const comparison = createComparison({ ...deps, patienceSeconds });

  async function keep(page: Page): Promise<void> {
    for (const finding of await save(sql, page))
      log.error({ alarm: "reconcile", ...finding }, findingKinds[finding.kind]);
  }

  /** By the database's clock. `over`: it has reached its end. `due`: the next one may begin. */
  type Cursor = { block: bigint; over: boolean; due: boolean };
  const cursorOf = async (name: "recent" | "sweep"): Promise<Cursor | undefined> =>
    (
      await sql<Cursor[]>`
        select block, coalesce(ended_at >= begun_at, false) as over,
          begun_at < now() - ${deps.days} * interval '1 day' as due
        from reconcile_cursors where name = ${name}`
    )[0];
  const cursorBlock = async (): Promise<number | undefined> => {
    const [row] = await sql<RowOf<"chain_now", "block">[]>`select block from chain_now`;
    return row && Number(row.block);
  };

  async function begin(name: "recent" | "sweep", block: number): Promise<void> {
    await sql`
      insert into reconcile_cursors (name, block) values (${name}, ${block})
      on conflict (name) do update set block = excluded.block, begun_at = now(), lots = 0,
        invoices = 0`;
  }

  /**
   * Continues until the cursor, or until `budget` invoices are compared. Returns whether it has
   * reached the cursor.
   */
  async function proceed(
    name: "recent" | "sweep",
    budget: number,
    stopping: AbortSignal | undefined,
    report?: (sofar: Progress) => void,
  ): Promise<boolean> {
    let [lots, invoices] = [0, 0];
    while (!stopping?.aborted) {
      const [at, goal] = [await cursorOf(name), await cursorBlock()];
      if (!at || goal === undefined) return false;
      const from = Number(at.block);
      if (from >= goal) return true;
      const to = Math.min(goal, from + PAGE);
      const page = await comparison.blocks(from + 1, to);
      if (!page) return false;
      await keep(page);
      // another process may have started from the same block; comparing twice does no harm
      await sql`
        update reconcile_cursors set block = greatest(block, ${to}), lots = lots + ${page.lots},
          invoices = invoices + ${page.invoices} where name = ${name}`;
      lots += page.lots;
      invoices += page.invoices;
      report?.({ block: to, end: goal, lots, invoices });
      if (invoices >= budget) return false;
    }
    return false;
  }

  const ended = async () => {
    await keep(await comparison.ended());
    // a finding that a whole sweep has not confirmed is repaired
    await sql`
      delete from reconcile_findings where seen_at < (select begun_at from reconcile_cursors
        where name = 'sweep')`;
    await sql`update reconcile_cursors set ended_at = now() where name = 'sweep'`;
  };

  /** Only the deployment's block and later ones can hold events of ours. */
  const start = contracts.deployment.block - 1;

  async function step(stopping: AbortSignal): Promise<void> {
    await keep(await comparison.unsealed());
    const goal = await cursorBlock();
    if (goal === undefined) return;
    const recent = await cursorOf("recent");
    // the projections were reset: compare everything again
    if (!recent || Number(recent.block) > goal) await begin("recent", recent ? start : goal);
    const budget = Math.ceil((deps.perSecond * everyMs) / 1_000);
    await proceed("recent", 10 * budget, stopping);
    const sweep = await cursorOf("sweep");
    if (!sweep || (sweep.over && sweep.due)) await begin("sweep", start);
    else if (sweep.over) return;
    if (await proceed("sweep", budget, stopping)) await ended();
  }

  return {
    job: { name: "reconcile", everyMs, run: step },
    async all(progress, stopping) {
      await begin("sweep", start);
      let sofar: Progress = { block: 0, end: 0, lots: 0, invoices: 0 };
      await keep(await comparison.unsealed());
      const whole = await proceed("sweep", Number.POSITIVE_INFINITY, stopping, (now) => {
        sofar = now;
        progress(now);
      });
      if (!whole)
        throw new Error(
          stopping?.aborted
            ? "Interrupted"
            : "The projections are being rebuilt, or are not there yet",
        );
      await ended();
      return sofar;
    },
  };
}
