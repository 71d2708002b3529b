/** The database: opening it, its numbered migrations, and notifications of changes. */
import { readdir, readFile } from "node:fs/promises";
import { createSql, type Sql, type Tx } from "./sql.ts";
import type { RowOf } from "./tables.ts";

export {
  DatabaseError,
  type Json,
  type Query,
  type Rows,
  type Sql,
  type Transaction,
  type Tx,
} from "./sql.ts";

/** A moment, by its seconds since 1970: the database cannot parse a date of the year 0. */
export const momentOf = (tx: Tx, at: Date) => tx`to_timestamp(${at.getTime() / 1_000}::float8)`;

/**
 * The time on the database's clock when its transaction began. This clock, which all processes of a
 * gateway share, decides everything about dates; a process uses its own clock only to measure
 * durations (docs/adr/0027).
 */
export const momentNow = async (tx: Tx): Promise<Date> =>
  ((await tx<{ now: Date }[]>`select now() as now`)[0] as { now: Date }).now;

/** Whether something shadows PostgreSQL's own clock (sandbox/clock.ts). */
export async function hasOwnClock(tx: Tx): Promise<boolean> {
  const [clock] = await tx<{ own: boolean }[]>`
    select exists (select 1 from pg_proc where proname = 'now'
      and pronamespace <> 'pg_catalog'::regnamespace) as own`;
  return clock?.own === true;
}

export type DbOptions = { connections?: number; onIdleError?: (error: Error) => void };

/** A statement that takes longer has a bug; waiting would not help. */
const STATEMENT_TIMEOUT_MS = 30_000;

/** Opens a pool. It connects at the first query, and again after a lost connection. */
export function openDb(url: string, options: DbOptions = {}): Sql {
  return createSql({
    url,
    connections: options.connections ?? 10,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    onIdleError: options.onIdleError ?? (() => {}),
  });
}

/** Keeps migrations of several processes apart. */
const MIGRATION_LOCK = 7_146_009_511;

const folder = new URL("./migrations/", import.meta.url);
const migrationFiles = async () =>
  (await readdir(folder)).filter((name) => /^\d{3}_.*\.sql$/.test(name)).sort();

/** Migrations that are not applied yet. */
export async function pendingMigrations(sql: Tx): Promise<string[]> {
  const [existing] = await sql<
    { table: string | null }[]
  >`select to_regclass('migrations')::text as table`;
  const done = new Set(
    existing?.table == null
      ? []
      : (await sql<RowOf<"migrations", "name">[]>`select name from migrations`).map(
          (row) => row.name,
        ),
  );
  return (await migrationFiles()).filter((name) => !done.has(name));
}

/**
 * Brings the schema up to date: each file of migrations/ once, in order, all in one transaction.
 * Returns the applied files. Throws, with nothing changed, when the database has a migration that
 * this software does not have: it is another version's.
 */
export async function migrate(sql: Sql): Promise<string[]> {
  const files = await migrationFiles();
  const applied: string[] = [];
  await sql.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(${MIGRATION_LOCK})`;
    await tx`
      create table if not exists migrations (name text primary key,
        applied_at timestamptz not null default now())`;
    const done = new Set(
      (await tx<RowOf<"migrations", "name">[]>`select name from migrations`).map((row) => row.name),
    );
    const other = [...done].find((name) => !files.includes(name));
    if (other !== undefined)
      throw new Error(
        `The database has the migration ${other}, which this version does not have: ` +
          "another version created it, and this one cannot use it",
      );
    for (const name of files) {
      if (done.has(name)) continue;
      await tx.unsafe(await readFile(new URL(name, folder), "utf8"));
      await tx`insert into migrations (name) values (${name})`;
      applied.push(name);
    }
  });
  return applied;
}

/**
 * What has changed. accepted: invoices wait to be sealed. operation: the dispatcher can take one.
 * send: a lane has a new one, or room for one. outcome: an operation has ended. block: the
 * projections have moved. lease: one is free, or has a new holder. webhook: one needs another look.
 */
export type Topic = "accepted" | "operation" | "send" | "outcome" | "block" | "lease" | "webhook";

export type Changes = {
  /** Resolves at the next change of these topics after the call, or after this time. */
  wait(milliseconds: number, ...topics: Topic[]): Promise<void>;
  /** Calls back on every change of these topics, and right after a lost connection is restored. */
  on(topics: readonly Topic[], listener: () => void): () => void;
  close(): Promise<void>;
};

/** Announces a change inside a transaction; listeners hear it when the transaction commits. */
export const announce = async (tx: Tx, topic: Topic): Promise<void> =>
  void (await tx`select pg_notify('changes', ${topic})`);

/**
 * Listens to `announce`, from this process or another. Waiters must also look on their own from
 * time to time.
 */
export async function openChanges(sql: Sql): Promise<Changes> {
  const listeners = new Map<() => void, readonly Topic[]>();
  // without a topic: the connection is restored, and announcements in between were missed
  const tell = (topic: string | undefined) => {
    for (const [listener, topics] of [...listeners])
      if (topic === undefined || topics.includes(topic as Topic)) listener();
  };
  const listening = await sql.listen("changes", tell);
  const on = (topics: readonly Topic[], listener: () => void) => {
    listeners.set(listener, topics);
    return () => void listeners.delete(listener);
  };
  return {
    on,
    wait: (milliseconds, ...topics) =>
      new Promise((resolve) => {
        const done = () => {
          clearTimeout(timer);
          off();
          resolve();
        };
        const timer = setTimeout(done, milliseconds);
        const off = on(topics, done);
      }),
    close: () => listening.unlisten(),
  };
}
