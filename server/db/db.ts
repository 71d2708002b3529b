/**
 * The connection to PostgreSQL and its numbered migrations. The only floor that knows the driver.
 *
 * numeric and bigint come as strings and bigints (never floats); time as Date. Everything goes through tagged templates,
 * so every value is a parameter.
 */
import { readdir, readFile } from "node:fs/promises";
import postgres from "postgres";

const types = {
  // int8: exact
  bigint: { to: 20, from: [20], serialize: (v: bigint | number | string) => String(v), parse: (v: string) => BigInt(v) },
};

export type Sql = postgres.Sql<{ bigint: bigint }>;
/** A transaction; everything that takes one also takes a plain connection. */
export type Tx = postgres.TransactionSql<{ bigint: bigint }> | Sql;
export type Json = postgres.JSONValue;

export type DbOptions = { connections?: number; onNotice?: (message: string) => void };

/** Opens a pool. It connects at the first query and again after a lost connection. */
export function openDb(url: string, options: DbOptions = {}): Sql {
  return postgres(url, {
    max: options.connections ?? 10,
    types,
    onnotice: (notice) => options.onNotice?.(String(notice["message"])),
    connect_timeout: 10,
    // a statement that takes so long is a fault of ours, not patience
    connection: { statement_timeout: 30_000, idle_in_transaction_session_timeout: 60_000, application_name: "onepiao" },
  }) as unknown as Sql;
}

/** Keeps migrations of several processes apart. */
const MIGRATION_LOCK = 7_146_009_511;

/** Brings the schema up to date; each file of migrations/ once, in order, each in a transaction. Returns what was applied. */
export async function migrate(sql: Sql): Promise<string[]> {
  const folder = new URL("./migrations/", import.meta.url);
  const files = (await readdir(folder)).filter((name) => /^\d{3}_.*\.sql$/.test(name)).sort();
  const applied: string[] = [];
  await sql.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(${MIGRATION_LOCK})`;
    await tx`create table if not exists migrations (name text primary key, applied_at timestamptz not null default now())`;
    const done = new Set((await tx<{ name: string }[]>`select name from migrations`).map((row) => row.name));
    for (const name of files) {
      if (done.has(name)) continue;
      await tx.unsafe(await readFile(new URL(name, folder), "utf8"));
      await tx`insert into migrations (name) values (${name})`;
      applied.push(name);
    }
  });
  return applied;
}

export type Changes = {
  /** Resolves at the next change after the call, or after so long. */
  wait(milliseconds: number): Promise<void>;
  /** Calls back on every change, also right after the connection was lost and is back. */
  on(listener: () => void): () => void;
  close(): Promise<void>;
};

/** Says in a transaction that something waiters look for has changed; heard when it commits. */
export const announce = async (tx: Tx): Promise<void> => void (await tx`select pg_notify('changes', '')`);

/** Listens to what `announce` says, in this process or another. Waiters must also look again on their own from time to time. */
export async function openChanges(sql: Sql): Promise<Changes> {
  const listeners = new Set<() => void>();
  const tell = () => {
    for (const listener of [...listeners]) listener();
  };
  const listening = await sql.listen("changes", tell, tell);
  const on = (listener: () => void) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  };
  return {
    on,
    wait: (milliseconds) =>
      new Promise((resolve) => {
        const done = () => {
          clearTimeout(timer);
          off();
          resolve();
        };
        const timer = setTimeout(done, milliseconds);
        const off = on(done);
      }),
    close: () => listening.unlisten(),
  };
}
