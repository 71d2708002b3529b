/**
 * Rebuild: the projections from the chain anew, beside the live ones to compare
 * (`checkProjections`), or in their place (`rebuildProjections`).
 *
 * Beside: in a schema of its own, which is in front on the search path of the connections that
 * replay. What is projected has empty tables there; everything else is a view on the live table
 * that swallows every write, so that a replay reads what the live one reads and changes nothing of
 * it, operations included. Views are made again there, over those tables. The live follower is held at its cursor only while rows are compared.
 *
 * Owns neither: the follower replays, the projections project.
 */
import type { ChainClient } from "../chain/client.ts";
import type { Contracts } from "../chain/contracts.ts";
import { openChanges, openDb, type Sql, type Tx } from "../db/db.ts";
import { always } from "../db/leases.ts";
import { holdCursor } from "../feed/cursor.ts";
import { createFollower, type Projection } from "../feed/follower.ts";
import type { Log } from "../kernel/log.ts";

export type Progress = { block: number; of: number };
/** What one table has that the other has not, row by row; `keys` are the first few of them. */
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
const TOLD_MS = 500;
const KEYS = 5;

/** Tables that are a function of the chain and the stored rows, the cursor among them. */
const projected = (projections: readonly Projection[]): string[] => [
  ...new Set([...projections.flatMap((one) => one.tables), "feed", "cursor"]),
];

/** A follower that goes up to a block and no further, and waits there. */
async function openReplay(deps: Deps, sql: Sql) {
  let limit = 0;
  const changes = await openChanges(sql);
  // what the follower takes for the head is where it is to stop
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
      let told = 0;
      for (;;) {
        if (deps.stopping?.aborted) throw new Error("Interrupted");
        const [at] = await sql<{ block: bigint }[]>`select block from chain_now`;
        if (follower.state().state === "forked")
          throw new Error("The chain has another block than it had a moment ago: try again");
        const now = Number(at?.block ?? deps.contracts.deployment.block);
        if (performance.now() - told > TOLD_MS || now >= block) {
          deps.progress({ block: now, of: block });
          told = performance.now();
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

/** The schema in which a replay changes nothing that is live. */
async function openBeside(deps: Deps): Promise<{ sql: Sql; close(): Promise<void> }> {
  const { sql } = deps;
  const mine = new Set(projected(deps.projections));
  await sql.begin(async (tx) => {
    await tx.unsafe(`drop schema if exists ${SCHEMA} cascade; create schema ${SCHEMA}`);
    const tables = await tx<
      { name: string }[]
    >`select tablename as name from pg_tables where schemaname = 'public'`;
    for (const { name } of tables) {
      const [live, beside] = [`public.${quoted(name)}`, `${SCHEMA}.${quoted(name)}`];
      if (mine.has(name)) {
        await tx.unsafe(`create table ${beside} (like ${live} including all)`);
        continue;
      }
      await tx.unsafe(`create view ${beside} as select * from ${live}`);
      for (const write of ["insert", "update", "delete"])
        await tx.unsafe(`create rule no_${write} as on ${write} to ${beside} do instead nothing`);
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
  const beside = openDb(url.href, { connections: 3 });
  return {
    sql: beside,
    async close() {
      await beside.end({ timeout: 5 });
      await sql.unsafe(`drop schema if exists ${SCHEMA} cascade`);
    },
  };
}

async function compareTable(tx: Tx, table: string): Promise<TableDifference | undefined> {
  const columns = await tx<{ name: string; key: boolean }[]>`
    select a.attname as name, coalesce(a.attnum = any(i.indkey), false) as key
    from pg_attribute a left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
    where a.attrelid = ${`public.${quoted(table)}`}::regclass and a.attnum > 0 and not a.attisdropped order by a.attnum`;
  const all = columns.map((one) => quoted(one.name)).join(", ");
  const key = columns
    .filter((one) => one.key)
    .map((one) => `${quoted(one.name)}::text`)
    .join(" || '/' || ");
  const less = (from: string, minus: string) =>
    `(select ${all} from ${from} except all select ${all} from ${minus})`;
  const [live, replayed] = [`public.${quoted(table)}`, `${SCHEMA}.${quoted(table)}`];
  const found = async (from: string, minus: string) =>
    (
      await tx.unsafe<{ n: number; keys: string[] | null }[]>(
        `with d as materialized ${less(from, minus)} select (select count(*)::int from d) as n, array(select ${key || "'a row'"} from d limit ${KEYS}) as keys`,
      )
    )[0] ?? { n: 0, keys: [] };
  const [missing, extra] = [await found(replayed, live), await found(live, replayed)];
  if (missing.n === 0 && extra.n === 0) return undefined;
  return {
    table,
    missing: missing.n,
    extra: extra.n,
    keys: [...new Set([...(missing.keys ?? []), ...(extra.keys ?? [])])].slice(0, KEYS),
  };
}

/**
 * Replays the chain beside the live projections and compares them, row by row, at the same block.
 * `missing`: the replay has the row and the live table has not; `extra`: the other way round; a
 * changed row is one of each. May run beside any number of gateways.
 */
export async function checkProjections(
  deps: Deps,
): Promise<{ block: number; differences: TableDifference[] }> {
  const { sql } = deps;
  const liveBlock = async (tx: Tx): Promise<number> => {
    const [at] = await tx<{ block: bigint }[]>`select block from public.chain_now`;
    if (!at) throw new Error("There are no projections yet: no gateway has followed this chain");
    return Number(at.block);
  };
  const first = await liveBlock(sql);
  const beside = await openBeside(deps);
  try {
    const replay = await openReplay(deps, beside.sql);
    try {
      replay.follower.start();
      await replay.upTo(first);
      return await sql.begin(async (tx) => {
        await tx.unsafe(
          "set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0",
        );
        // whoever follows waits here; it moves the cursor before it writes anything
        await holdCursor(tx);
        const block = await liveBlock(tx);
        await replay.upTo(block);
        await replay.follower.stop();
        await tx.unsafe(
          `create table ${SCHEMA}.told as select distinct unnest(accounts) as account, position from ${SCHEMA}.feed`,
        );
        await tx.unsafe(
          `drop view ${SCHEMA}.feed_accounts cascade; alter table ${SCHEMA}.told rename to feed_accounts`,
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
    await beside.close();
  }
}

/** Who follows the chain on this database now, as its lease names it. */
export async function followedBy(sql: Tx): Promise<string | undefined> {
  return (
    await sql<
      { detail: string }[]
    >`select detail from lease_now where name = 'following' and until > now()`
  )[0]?.detail;
}

/** Rows of each table, and a number that follows from all of them in whatever order. */
async function fingerprints(
  sql: Sql,
  tables: readonly string[],
): Promise<Map<string, { rows: number; sum: string }>> {
  return sql.begin(async (tx) => {
    await tx.unsafe("set local statement_timeout = 0");
    const found = new Map<string, { rows: number; sum: string }>();
    for (const table of tables) {
      const [row] = await tx.unsafe<{ rows: number; sum: string }[]>(
        `select count(*)::int as rows, coalesce(sum(hashtextextended(t::text, 0)), 0)::text as sum from ${quoted(table)} t`,
      );
      found.set(table, row ?? { rows: 0, sum: "0" });
    }
    return found;
  });
}

/**
 * Empties the projections and replays them, outcomes of operations included. Compares at the block
 * that they had come to (or the final head, when that is lower), and then goes on to the final
 * head. No gateway may follow meanwhile.
 */
export async function rebuildProjections(
  deps: Deps,
): Promise<{ block: number; compared: number; changes: TableChange[] }> {
  const { sql } = deps;
  const tables = projected(deps.projections);
  const final = async () => (await deps.chain.head()) - deps.finalityDepth;
  const [was] = await sql<{ block: bigint }[]>`select block from chain_now`;
  const before = await fingerprints(sql, tables);
  const replay = await openReplay(deps, sql);
  try {
    await replay.follower.rebuild();
    const head = await final();
    const compared = Math.min(was === undefined ? head : Number(was.block), head);
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
