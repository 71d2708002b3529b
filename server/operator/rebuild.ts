/**
 * Rebuild: replays the projections from the chain, next to the live ones for a comparison
 * (`checkProjections`), or in their place (`rebuildProjections`).
 *
 * Next to them: in a separate schema, which comes first on the search path of the connections that
 * replay. There the projections have empty tables. Every other table is a view on the live table
 * that discards all writes, so that a replay reads what the live follower reads and changes nothing
 * live, operations included. The schema has its own copy of every view, over those tables. The live
 * follower has to wait at its cursor only while rows are compared.
 *
 * Owns neither: the follower replays, the projections project.
 */
import type { ChainClient } from "../chain/client.ts";
import type { Contracts } from "../chain/contracts.ts";
import { openChanges, openDb, type Sql, type Tx } from "../db/db.ts";
import { always } from "../db/leases.ts";
import type { RowOf } from "../db/tables.ts";
import { holdCursor } from "../feed/cursor.ts";
import { createFollower, type Projection } from "../feed/follower.ts";
import type { Log } from "../kernel/log.ts";

export type Progress = { block: number; total: number };
/**
 * Rows that only one of two tables has: `missing` and `extra` count them, `keys` are the first few.
 */
export type TableDifference = { table: string; missing: number; extra: number; keys: string[] };
export type TableChange = { table: string; before: number; after: number };

type Deps = {
  sql: Sql;
  databaseUrl: string;
  chain: ChainClient;
  contracts: Contracts;
  projections: readonly Projection[];
  log: Log;
  finalityDepth: number;
  progress: (now: Progress) => void;
  stopping?: AbortSignal;
};

const SCHEMA = "rebuild_check";
const POLL_MS = 20;
const REPORT_MS = 500;
const KEYS = 5;

/** Tables that depend only on the chain and the stored rows, including the cursor. */
const projected = (projections: readonly Projection[]): string[] => [
  ...new Set([...projections.flatMap((projection) => projection.tables), "feed", "cursor"]),
];

/** A follower that stops at a block and waits there. */
async function openReplay(deps: Deps, sql: Sql) {
  let limit = 0;
  const changes = await openChanges(sql);
  // the head for the follower is the block at which it has to stop
  const chain: ChainClient = {
    ...deps.chain,
    head: async () => Math.min(await deps.chain.head(), limit + deps.finalityDepth),
  };
  const follower = createFollower({
    sql,
    chain,
    contracts: deps.contracts,
    projections: deps.projections,
    changes,
    log: deps.log,
    lease: always,
    finalityDepth: deps.finalityDepth,
    pollMs: POLL_MS,
  });
  return {
    follower,
    async upTo(block: number): Promise<void> {
      limit = block;
      let lastReport = 0;
      for (;;) {
        if (deps.stopping?.aborted) throw new Error("Interrupted");
        const [at] = await sql<RowOf<"chain_now", "block">[]>`select block from chain_now`;
        if (follower.state().state === "forked")
          throw new Error("The chain has another block than it had a moment ago: try again");
        const now = Number(at?.block ?? deps.contracts.deployment.block);
        if (performance.now() - lastReport > REPORT_MS || now >= block) {
          deps.progress({ block: now, total: block });
          lastReport = performance.now();
        }
        if (now >= block) return;
        await changes.wait(POLL_MS);
      }
    },
    async close() {
      await follower.stop();
      await changes.close();
    },
  };
}

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

/** The schema in which a replay changes nothing live. */
async function openCheckSchema(deps: Deps): Promise<{ sql: Sql; close(): Promise<void> }> {
  const { sql } = deps;
  const projectedTables = new Set(projected(deps.projections));
  await sql.begin(async (tx) => {
    await tx.unsafe(`drop schema if exists ${SCHEMA} cascade; create schema ${SCHEMA}`);
    const tables = await tx<
      { name: string }[]
    >`select tablename as name from pg_tables where schemaname = 'public'`;
    for (const { name } of tables) {
      const [live, shadow] = [`public.${quoted(name)}`, `${SCHEMA}.${quoted(name)}`];
      if (projectedTables.has(name)) {
        await tx.unsafe(`create table ${shadow} (like ${live} including all)`);
        continue;
      }
      await tx.unsafe(`create view ${shadow} as select * from ${live}`);
      for (const write of ["insert", "update", "delete"])
        await tx.unsafe(`create rule no_${write} as on ${write} to ${shadow} do instead nothing`);
    }
    // the rooms' views as well, over what stands in front on the search path
    const views = await tx<{ name: string; definition: string }[]>`
      select c.relname as name, pg_get_viewdef(c.oid) as definition from pg_class c
      where c.relkind = 'v' and c.relnamespace = 'public'::regnamespace order by c.oid`;
    await tx.unsafe(`set local search_path = ${SCHEMA}, public`);
    for (const { name, definition } of views)
      await tx.unsafe(`create view ${SCHEMA}.${quoted(name)} as ${definition}`);
  });
  const url = new URL(deps.databaseUrl);
  url.searchParams.set("options", `-c search_path=${SCHEMA},public`);
  const checkSql = openDb(url.href, { connections: 3 });
  return {
    sql: checkSql,
    async close() {
      await checkSql.end({ timeout: 5 });
      await sql.unsafe(`drop schema if exists ${SCHEMA} cascade`);
    },
  };
}

async function compareTable(tx: Tx, table: string): Promise<TableDifference | undefined> {
  const columns = await tx<{ name: string; key: boolean }[]>`
    select a.attname as name, coalesce(a.attnum = any(i.indkey), false) as key
    from pg_attribute a left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
    where a.attrelid = ${`public.${quoted(table)}`}::regclass and a.attnum > 0
      and not a.attisdropped order by a.attnum`;
  const all = columns.map((column) => quoted(column.name)).join(", ");
  const key = columns
    .filter((column) => column.key)
    .map((column) => `${quoted(column.name)}::text`)
    .join(" || '/' || ");
  const less = (from: string, minus: string) =>
    `(select ${all} from ${from} except all select ${all} from ${minus})`;
  const [live, replayed] = [`public.${quoted(table)}`, `${SCHEMA}.${quoted(table)}`];
  const rowsOnlyIn = async (from: string, minus: string) =>
    (
      await tx.unsafe<{ n: number; keys: string[] | null }[]>(
        `with d as materialized ${less(from, minus)} select (select count(*)::int from d) as ` +
          `n, array(select ${key || "'a row'"} from d limit ${KEYS}) as keys`,
      )
    )[0] ?? { n: 0, keys: [] };
  const [missing, extra] = [await rowsOnlyIn(replayed, live), await rowsOnlyIn(live, replayed)];
  if (missing.n === 0 && extra.n === 0) return undefined;
  return {
    table,
    missing: missing.n,
    extra: extra.n,
    keys: [...new Set([...(missing.keys ?? []), ...(extra.keys ?? [])])].slice(0, KEYS),
  };
}

/**
 * Replays the chain next to the live projections and compares them, row by row, at the same block.
 * `missing`: the replay has the row and the live table does not; `extra`: the reverse; a changed
 * row counts in both. May run while any number of gateways run.
 */
export async function checkProjections(
  deps: Deps,
): Promise<{ block: number; differences: TableDifference[] }> {
  const { sql } = deps;
  const liveBlock = async (tx: Tx): Promise<number> => {
    const [at] = await tx<RowOf<"chain_now", "block">[]>`select block from public.chain_now`;
    if (!at) throw new Error("There are no projections yet: no gateway has followed this chain");
    return Number(at.block);
  };
  const first = await liveBlock(sql);
  const check = await openCheckSchema(deps);
  try {
    const replay = await openReplay(deps, check.sql);
    try {
      replay.follower.start();
      await replay.upTo(first);
      return await sql.begin(async (tx) => {
        await tx.unsafe(
          "set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0",
        );
        // the live follower waits here, because it moves the cursor before it writes anything
        await holdCursor(tx);
        const block = await liveBlock(tx);
        await replay.upTo(block);
        await replay.follower.stop();
        await tx.unsafe(
          `create table ${SCHEMA}.readers as select distinct unnest(accounts) as account, ` +
            `position from ${SCHEMA}.feed`,
        );
        await tx.unsafe(
          `drop view ${SCHEMA}.feed_accounts cascade; alter table ${SCHEMA}.readers rename to ` +
            "feed_accounts",
        );
        const differences: TableDifference[] = [];
        for (const table of [...projected(deps.projections), "feed_accounts"]) {
          const difference = await compareTable(tx, table);
          if (difference) differences.push(difference);
        }
        return { block, differences };
      });
    } finally {
      await replay.close();
    }
  } finally {
    await check.close();
  }
}

/** The process that follows the chain on this database now, by its lease. */
export async function followerName(sql: Tx): Promise<string | undefined> {
  return (
    await sql<
      RowOf<"lease_now", "detail">[]
    >`select detail from lease_now where name = 'following' and until > now()`
  )[0]?.detail;
}

/** The number of rows of each table, and a checksum that does not depend on their order. */
async function fingerprints(
  sql: Sql,
  tables: readonly string[],
): Promise<Map<string, { rows: number; sum: string }>> {
  return sql.begin(async (tx) => {
    await tx.unsafe("set local statement_timeout = 0");
    const sums = new Map<string, { rows: number; sum: string }>();
    for (const table of tables) {
      const [row] = await tx.unsafe<{ rows: number; sum: string }[]>(
        "select count(*)::int as rows, coalesce(sum(hashtextextended(t::text, 0)), 0)::text " +
          `as sum from ${quoted(table)} t`,
      );
      sums.set(table, row ?? { rows: 0, sum: "0" });
    }
    return sums;
  });
}

/**
 * Empties the projections and replays them, including the outcomes of operations. Compares at the
 * block that they had reached (or at the final head, if that is lower), and then continues to the
 * final head. No gateway may follow meanwhile.
 */
export async function rebuildProjections(
  deps: Deps,
): Promise<{ block: number; compared: number; changes: TableChange[] }> {
  const { sql } = deps;
  const tables = projected(deps.projections);
  const final = async () => (await deps.chain.head()) - deps.finalityDepth;
  const [previous] = await sql<RowOf<"chain_now", "block">[]>`select block from chain_now`;
  const before = await fingerprints(sql, tables);
  const replay = await openReplay(deps, sql);
  try {
    await replay.follower.rebuild();
    const head = await final();
    const compared = Math.min(previous === undefined ? head : Number(previous.block), head);
    replay.follower.start();
    await replay.upTo(compared);
    const after = await fingerprints(sql, tables);
    await replay.upTo(head);
    const changes = tables.flatMap((table): TableChange[] => {
      const [old, now] = [before.get(table), after.get(table)];
      return old?.sum === now?.sum && old?.rows === now?.rows
        ? []
        : [{ table, before: old?.rows ?? 0, after: now?.rows ?? 0 }];
    });
    return { block: head, compared, changes };
  } finally {
    await replay.close();
  }
}
