/**
 * SQL as tagged templates, over `pg`. Only this file talks to the driver.
 *
 *   sql`select … where id = ${id}`        every value is a parameter, never text
 *   sql`… where ${condition}`             a query as a value is inserted as it is: a fragment
 *   sql`… set ${sql("drawn")} = 1`        a name
 *   sql`insert into t ${sql(rows, …columns)}`
 *
 * A query runs when it is awaited: on a pooled connection, or inside `begin` on the transaction's
 * connection, one after another. Statements are prepared once for each connection, under a name
 * that follows from their text. int8 becomes bigint, numeric string, timestamptz Date. Errors are
 * DatabaseErrors; a lost connection fails only the query that runs on it.
 */
import { createHash } from "node:crypto";
import pg from "pg";

export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [key: string]: Json | undefined };
export type Rows<T> = T[] & { count: number };

/**
 * An error of the database, or of the connection to it. `code`: SQLSTATE, the system's
 * (ECONNREFUSED), or CONNECTION_LOST.
 */
export class DatabaseError extends Error {
  override name = "DatabaseError";
  readonly code: string;
  readonly constraint: string | undefined;
  readonly table: string | undefined;
  readonly routine: string | undefined;
  constructor(
    cause: Error & { code?: string; constraint?: string; table?: string; routine?: string },
  ) {
    super(cause.message, { cause });
    // the driver has no code for a connection that ends or cannot be opened
    this.code = cause.code ?? "CONNECTION_LOST";
    this.constraint = cause.constraint;
    this.table = cause.table;
    this.routine = cause.routine;
  }
}

class JsonValue {
  readonly text: string;
  constructor(value: Json) {
    this.text = JSON.stringify(value);
  }
}
class Name {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}
class Insert {
  readonly rows: readonly Record<string, unknown>[];
  readonly columns: readonly string[];
  constructor(rows: readonly Record<string, unknown>[], columns: readonly string[]) {
    this.rows = rows;
    this.columns = columns;
  }
}

type Run = (text: string, values: unknown[]) => Promise<Rows<unknown>>;

/** A query that has not run yet. Awaiting it runs it; inserting it into another query does not. */
export class Query<T> implements Promise<Rows<T>> {
  readonly [Symbol.toStringTag] = "Query";
  readonly #strings: readonly string[];
  readonly #values: readonly unknown[];
  readonly #run: Run;
  #result: Promise<Rows<T>> | undefined;

  constructor(strings: readonly string[], values: readonly unknown[], run: Run) {
    this.#strings = strings;
    this.#values = values;
    this.#run = run;
  }

  // biome-ignore lint/suspicious/noThenProperty: awaiting a query is what runs it
  then<A = Rows<T>, B = never>(
    done?: ((rows: Rows<T>) => A | PromiseLike<A>) | null,
    failed?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    if (this.#result === undefined) {
      const values: unknown[] = [];
      this.#result = this.#run(this.#write(values), values) as Promise<Rows<T>>;
    }
    return this.#result.then(done, failed);
  }

  catch<B = never>(failed?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<Rows<T> | B> {
    return this.then(null, failed);
  }

  finally(done?: (() => void) | null): Promise<Rows<T>> {
    return this.then().finally(done);
  }

  /** The statement with $1, $2 …; appends their values to `values`. */
  #write(values: unknown[]): string {
    const parameter = (value: unknown) => `$${values.push(value)}`;
    return this.#strings
      .map((string, i) => {
        if (i === this.#strings.length - 1) return string;
        const value = this.#values[i];
        if (value === undefined)
          throw new TypeError("A value of a query is undefined; null is meant, or a fragment");
        if (value instanceof Query) return string + value.#write(values);
        if (value instanceof Name) return string + quoted(value.name);
        if (value instanceof JsonValue) return string + parameter(value.text);
        if (value instanceof Insert) {
          const rows = value.rows.map(
            (row) => `(${value.columns.map((column) => parameter(plain(row[column]))).join(", ")})`,
          );
          return `${string}(${value.columns.map(quoted).join(", ")}) values ${rows.join(", ")}`;
        }
        return string + parameter(plain(value));
      })
      .join("");
  }
}

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
const plain = (value: unknown) => {
  if (value instanceof JsonValue) return value.text;
  if (typeof value === "bigint") return value.toString();
  // the driver knows only Buffer
  return value instanceof Uint8Array && !Buffer.isBuffer(value) ? Buffer.from(value) : value;
};

/** Runs queries; the argument of features and mechanisms. */
export type Tx = {
  // biome-ignore lint/suspicious/noExplicitAny: a row's shape is the statement's, which the caller states
  <T extends readonly any[] = any[]>(
    strings: TemplateStringsArray,
    ...values: unknown[]
  ): Query<T[number]>;
  (name: string): Name;
  (rows: readonly Record<string, unknown>[], ...columns: string[]): Insert;
  json(value: Json): JsonValue;
  /** Statements as text, several at once; for migrations. Returns the rows of a single one. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  unsafe<T extends readonly any[] = any[]>(text: string): Promise<Rows<T[number]>>;
};

export type Transaction = Tx & {
  /** A part that can fail alone: its effects are undone, and the transaction goes on. */
  savepoint<T>(work: (point: Transaction) => Promise<T>): Promise<T>;
};

export type Sql = Tx & {
  /** Commits when `work` resolves; rolls everything back when it throws. */
  begin<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  begin<T>(mode: "read only" | "read write", work: (tx: Transaction) => Promise<T>): Promise<T>;
  /** Stops listening, and waits for running queries, at most `timeout` seconds. */
  end(options?: { timeout?: number }): Promise<void>;
  /** Connections of the pool now, and queries that wait for one. */
  connections(): { busy: number; idle: number; waiting: number };
  /**
   * Calls back on each notification, and without a payload when listening begins, or begins again
   * after a lost connection.
   */
  listen(
    channel: string,
    onMessage: (payload: string | undefined) => void,
  ): Promise<{ unlisten(): Promise<void> }>;
};

const types = new pg.TypeOverrides();
types.setTypeParser(20, (text: string) => BigInt(text));

const names = new Map<string, string>();
/**
 * Statements that differ only in the number of inserted rows would fill the server's memory: beyond
 * this number, statements have no name.
 */
const MAX_NAMES = 2_000;
function nameOf(text: string): string | undefined {
  let name = names.get(text);
  if (name === undefined && names.size < MAX_NAMES) {
    name = createHash("sha256").update(text).digest("base64url").slice(0, 24);
    names.set(text, name);
  }
  return name;
}

type Queryable = Pick<pg.ClientBase, "query">;

async function query(
  connection: Queryable,
  text: string,
  values: unknown[],
): Promise<Rows<unknown>> {
  try {
    // without values it is a simple query, which may contain several statements
    const name = values.length > 0 ? nameOf(text) : undefined;
    const done = await connection.query({
      text,
      ...(values.length > 0 ? { values } : {}),
      types,
      ...(name === undefined ? {} : { name }),
    });
    // several statements have several results
    const result: pg.QueryResult = Array.isArray(done) ? done[done.length - 1] : done;
    return Object.assign(result.rows as unknown[], { count: result.rowCount ?? 0 });
  } catch (cause) {
    throw new DatabaseError(cause as Error);
  }
}

function tagged(run: Run): Tx {
  const tag = (first: unknown, ...rest: unknown[]) => {
    if (typeof first === "string") return new Name(first);
    if (Array.isArray(first) && "raw" in first)
      return new Query(first as readonly string[], rest, run);
    return new Insert(first as readonly Record<string, unknown>[], rest as string[]);
  };
  return Object.assign(tag, {
    json: (value: Json) => new JsonValue(value),
    unsafe: (text: string) => run(text, []),
  }) as unknown as Tx;
}

const IDLE_IN_TRANSACTION_MS = 10_000;

export type SqlOptions = {
  url: string;
  connections: number;
  statementTimeoutMs: number;
  onIdleError: (error: Error) => void;
};

export function createSql({ url, connections, statementTimeoutMs, onIdleError }: SqlOptions): Sql {
  const settings = {
    connectionString: url,
    application_name: "onepiao",
    keepAlive: true,
    connectionTimeoutMillis: 10_000,
  };
  const pool = new pg.Pool({
    ...settings,
    max: connections,
    statement_timeout: statementTimeoutMs,
    // a process that stops in the middle of a transaction must not block the others for long
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
  });
  // an idle connection broke; the next query opens another
  pool.on("error", onIdleError);
  pool.on("connect", (client) => {
    // a connection that breaks while in use fails its query and the next one; without a listener,
    // the extra event would end the process
    client.on("error", () => {});
    // If this process is killed, the server notices within a second, even while a statement waits
    // for a lock, and releases the locks. Bitmap scans are off, so that a page is read in the order
    // of its index: when the planner underestimates the rows, a bitmap scan fetches all of them to
    // sort them.
    void client
      .query("set client_connection_check_interval = 1000; set enable_bitmapscan = off")
      .catch(() => {});
  });

  async function connect(): Promise<pg.PoolClient> {
    try {
      return await pool.connect();
    } catch (cause) {
      throw new DatabaseError(cause as Error);
    }
  }

  const run: Run = async (text, values) => {
    const client = await connect();
    let broken: Error | undefined;
    try {
      return await query(client, text, values);
    } catch (error) {
      if (isLost(error)) broken = error as Error;
      throw error;
    } finally {
      client.release(broken);
    }
  };
  const base = tagged(run);

  async function begin<T>(
    ...args: [(tx: Transaction) => Promise<T>] | [string, (tx: Transaction) => Promise<T>]
  ): Promise<T> {
    const work = args[args.length - 1] as (tx: Transaction) => Promise<T>;
    const mode = args.length === 2 ? ` ${args[0] as string}` : "";
    const client = await connect();
    let broken: Error | undefined;
    try {
      await query(client, `begin${mode}`, []);
      const result = await work(transaction(client));
      await query(client, "commit", []);
      return result;
    } catch (error) {
      await query(client, "rollback", []).catch((cause: Error) => {
        broken = cause;
      });
      throw error;
    } finally {
      client.release(broken);
    }
  }

  const listeners = new Set<() => Promise<void>>();

  async function listen(
    channel: string,
    onMessage: (payload: string | undefined) => void,
  ): Promise<{ unlisten(): Promise<void> }> {
    let stopped = false;
    let client: pg.Client | undefined;
    async function open(): Promise<void> {
      const next = new pg.Client(settings);
      next.on("error", () => {});
      next.once("end", () => {
        if (!stopped) void reopen();
      });
      next.on("notification", ({ payload }) => onMessage(payload));
      try {
        await next.connect();
        await next.query(`listen ${quoted(channel)}`);
      } catch (cause) {
        next.removeAllListeners("end");
        await next.end().catch(() => {});
        throw new DatabaseError(cause as Error);
      }
      client = next;
      onMessage(undefined);
    }
    async function reopen(): Promise<void> {
      while (!stopped) {
        await new Promise((resolve) => setTimeout(resolve, RELISTEN_MS));
        if (stopped) return;
        if (
          await open().then(
            () => true,
            () => false,
          )
        )
          return;
      }
    }
    const unlisten = async () => {
      stopped = true;
      listeners.delete(unlisten);
      await client?.end().catch(() => {});
    };
    listeners.add(unlisten);
    await open();
    return { unlisten };
  }

  return Object.assign(base, {
    begin,
    listen,
    connections: () => ({
      busy: pool.totalCount - pool.idleCount,
      idle: pool.idleCount,
      waiting: pool.waitingCount,
    }),
    async end({ timeout = 5 }: { timeout?: number } = {}) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, timeout * 1_000);
      });
      await Promise.race([
        Promise.all([pool.end(), ...[...listeners].map((unlisten) => unlisten())]),
        late,
      ]);
      clearTimeout(timer);
    },
  }) as Sql;
}

const RELISTEN_MS = 500;

const isLost = (error: unknown) =>
  error instanceof DatabaseError && !/^[0-9A-Z]{5}$/.test(error.code);

/** Runs the statements of one transaction one after another, in whatever way they are awaited. */
function transaction(client: pg.PoolClient): Transaction {
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work, work);
    last = turn.catch(() => {});
    return turn;
  };
  let points = 0;
  const tx = tagged((text, values) => inTurn(() => query(client, text, values))) as Transaction;
  return Object.assign(tx, {
    async savepoint<T>(work: (point: Transaction) => Promise<T>): Promise<T> {
      points += 1;
      const name = `point_${points}`;
      await inTurn(() => query(client, `savepoint ${name}`, []));
      try {
        const result = await work(tx);
        await inTurn(() => query(client, `release savepoint ${name}`, []));
        return result;
      } catch (error) {
        await inTurn(() => query(client, `rollback to savepoint ${name}`, []));
        throw error;
      }
    },
  });
}
