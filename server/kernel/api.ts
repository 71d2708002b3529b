/**
 * The description of a route's HTTP shape (server/api/), from which the HTTP layer makes handlers.
 *
 * A route is data: the schemas that validate are the schemas in /openapi.json. Access is denied by
 * default: a route names its roles, and its feature limits every query to `caller.account`. Owns
 * types only; http/ does the work.
 */

import type { Code, Problem } from "@onepiao/protocol/values/problems.ts";
import type { ZodObject, ZodType, z } from "zod";

/**
 * `admin` counts as every role of its party, and manages access to it (features/parties/access.ts).
 */
export const roles = ["bureau", "issuer", "employer", "holder", "admin"] as const;
export type Role = (typeof roles)[number];

/**
 * The caller: the party of the API key, and what the key may do for it; a key with the role `admin`
 * has all roles of the party. `session`: the console's cookie represents the key
 * (features/parties/browser-sessions.ts).
 */
export type Caller = {
  keyId: string;
  account: string;
  roles: readonly Role[];
  session?: { id: Buffer; csrf: string };
};

/** Who there is to call: what the HTTP layer asks of API keys (features/parties/api-keys.ts). */
export type Callers<S> = {
  /** Who presents this key; undefined for an unknown, wrong or revoked one. */
  find(sql: S, presented: string): Promise<Caller | undefined>;
  /** Those of these keys that are revoked by now, except by the transaction itself. */
  revokedAmong(sql: S, ids: readonly string[]): Promise<Set<string>>;
};

/** What the HTTP layer asks of a browser's sessions (features/parties/browser-sessions.ts). */
export type CookieSessions<S> = {
  /** The session's value in a Cookie header. */
  read(header: string | undefined): string | undefined;
  /** Who calls by this session; undefined when it, or its key, has ended. */
  find(sql: S, value: string): Promise<Caller | undefined>;
};

/**
 * `sql` is the SQL transaction of the request, which contains a POST's idempotency row, or a plain
 * connection for a GET.
 */
export type Request<S, Params, Query, Body> = {
  caller: Caller;
  sql: S;
  params: Params;
  query: Query;
  body: Body;
  /** Media type of the body without parameters, lower case. */
  mediaType: string;
  /** The media type of the answer: one of the route's `produces`, chosen by the Accept header. */
  accept: string;
  requestId: string;
  /** A header of the request; the API key is not among them. */
  header(name: string): string | undefined;
  /** Aborted when the client disconnects or the process stops: ends streams. */
  signal: AbortSignal;
};

/**
 * `body`: a JSON value; or, with a Content-Type in `headers`, a string, a Uint8Array (not for a
 * POST: it must be storable) or an AsyncIterable of either (GET only: a stream). `undefined`: no
 * body.
 *
 * `secrets`: members of a JSON body that only this answer carries. They are never stored, so a
 * replay does not have them.
 */
export type Answer = {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
  secrets?: Record<string, string>;
};

/**
 * Content from another party, for download as a file: no browser renders it as a page. `name`:
 * letters, digits, . and -.
 */
export const fileAnswer = (body: Uint8Array, name: string): Answer => ({
  status: 200,
  body,
  headers: { "Content-Type": fileType, "Content-Disposition": `attachment; filename="${name}"` },
});
export const fileType = "application/octet-stream";

type Parsed<T> = T extends ZodType ? z.output<T> : undefined;

/**
 * The work of a frequent POST: requests that arrive at the same time share one transaction, and
 * with it the cost of the transaction (http/groups.ts).
 */
export type Together<S, R, Prepared> = {
  /** The work that needs no database. An error refuses this request, which then joins no group. */
  prepare(request: R): Prepared;
  /**
   * One answer or refusal for each request, in order. A refused request must have changed nothing,
   * so refusals are decided before anything is written. An error undoes the whole group; each
   * request is then tried alone.
   */
  run(sql: S, group: readonly Prepared[]): Promise<(Answer | Problem)[]>;
};

/**
 * The work of a POST that is a stream: lines in, one line out for each (http/streams.ts). Each line
 * is a separate piece of work, done once, in one transaction with others; the body of its answer
 * goes out next to `line` and `status`.
 */
export type Lines<S, R, Prepared> = {
  /**
   * Called once for each stream, before its first line. Returns a function that prepares a line
   * without the database; its errors refuse the line.
   */
  open(request: R): (line: Uint8Array) => Prepared;
  /** As in Together. */
  run: Together<S, R, Prepared>["run"];
};

/** Bounds of a load: lines, bytes of one line, bytes of all. */
export type LoadBounds = { maxLines: number; maxLineBytes: number; maxBytes: number };

/**
 * The work of a POST that loads many rows: lines in; out come the refused lines, and a last line
 * with the totals (http/loading.ts). Rows are stored batch by batch. The same rows again change
 * nothing, so a load that was cut is sent again whole.
 */
export type Load<S, R, Row> = {
  bounds: LoadBounds;
  /**
   * Called once for each load, before its first line. Returns the reader of a line: its row;
   * undefined if it has none; a Problem that ends the load. What it throws refuses the line.
   */
  open(request: R): (line: Uint8Array) => Row | Problem | undefined;
  /** Stores rows in one transaction, in their order; returns how many of them changed something. */
  run(sql: S, rows: readonly Row[]): Promise<number>;
};

export type Route<S = never> = {
  method: "get" | "post" | "put" | "patch" | "delete";
  /** OpenAPI form: `/v1/invoices/{number}`. */
  path: string;
  summary: string;
  description?: string;
  tag: string;
  /**
   * Roles, of which the caller needs one. "public" asks for no key: the caller has an empty account
   * and no roles, and nothing can be written (a POST runs in a read-only transaction and takes no
   * Idempotency-Key, because no party would own the key).
   */
  roles: readonly Role[] | "public";
  /**
   * The only exception: a public POST that signs a caller in. It may write, and knows the browser's
   * session.
   */
  signsIn?: true;
  params?: ZodObject;
  query?: ZodObject;
  /**
   * JSON body; validated before `run`. Unknown members of the outermost object are refused; use
   * z.strictObject for inner objects.
   */
  body?: ZodType;
  /** Bodies that the feature reads itself, by media type: `run` receives a Uint8Array. */
  rawBody?: {
    mediaTypes: readonly string[];
    schema?: ZodType;
    example?: unknown;
    /** Of this route's bodies, if they may be larger than others. */
    maxBytes?: number;
    /** What to do with a file of another type: the end of the refusal. */
    instead?: string;
  };
  /** Media types of the answer, the preferred one first; default: application/json. */
  produces?: readonly string[];
  /** Successful answers by status. */
  answers: Record<number, { description: string; schema?: ZodType }>;
  /** Refusals by the feature itself, for the documentation. */
  problems?: readonly Code[];
  /**
   * For a POST whose work continues after its 202: `Prefer: wait=SECONDS` calls this until it
   * returns the final answer or the time is up. It receives the 202 as sent (or stored: a replay
   * waits too), so the body or headers of the 202 must say what to look for. It may throw a
   * Problem: that is an outcome, and from then on the stored answer.
   */
  settled?(sql: S, accepted: Answer, caller: Caller): Promise<Answer | undefined>;
  /**
   * For a public POST: work that takes long or asks more than the database. It runs before the
   * transaction, because otherwise strangers could occupy all connections; its result is `run`'s
   * body.
   */
  prepare?(
    request: Pick<Request<S, unknown, unknown, unknown>, "body" | "mediaType" | "signal">,
  ): Promise<unknown>;
  // the schemas give the types of the work: `routeFor` checks that the two agree
  // biome-ignore lint/suspicious/noExplicitAny: erased here on purpose
} & Work<S, Request<S, any, any, any>>;

// biome-ignore lint/suspicious/noExplicitAny: only the route knows what it prepares
type Own = any;

/**
 * The work of a request: alone or, for a POST with a caller, together with others, as a stream of
 * lines, or as a load of rows.
 */
type Work<S, R> = Only<
  | { run(request: R): Promise<Answer> }
  | { together: Together<S, Omit<R, "sql">, Own> }
  | { lines: Lines<S, Omit<R, "sql">, Own> }
  | { load: Load<S, Omit<R, "sql">, Own> }
>;
type WorkName = "run" | "together" | "lines" | "load";
/** Each of them without the members of the others. */
type Only<W> = W extends unknown ? W & { [K in Exclude<WorkName, keyof W>]?: undefined } : never;

type Media = readonly string[] | undefined;
type Raw = Route["rawBody"];

/** What a caller has to know about a route: clients are inferred from it (server/api/api.ts). */
export interface Contract<M, Path, P, Q, B, R, Produces, A> {
  readonly method: M;
  readonly path: Path;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly rawBody: R;
  readonly produces: Produces;
  readonly answers: A;
}

/** A route with its types. `contract` exists only as a type: no route has such a member. */
export type TypedRoute<S, C> = Route<S> & { readonly contract?: C };

type Kept = "method" | "path" | "params" | "query" | "body" | "rawBody" | "produces" | "answers";
type Written<S, M, Path, P, Q, B, R, Produces, A> = Omit<Route<S>, Kept | WorkName> & {
  method: M;
  path: Path;
  params?: P;
  query?: Q;
  body?: B;
  rawBody?: R;
  produces?: Produces;
  answers: A;
} & Work<S, Request<S, Parsed<P>, Parsed<Q>, B extends ZodType ? z.output<B> : Uint8Array>>;

/** Gives a route its types, and keeps them for its callers; `S` is the SQL connection's type. */
export const routeFor =
  <S>() =>
  <
    const M extends Route["method"],
    const Path extends string,
    A extends Route["answers"],
    P extends ZodObject | undefined = undefined,
    Q extends ZodObject | undefined = undefined,
    B extends ZodType | undefined = undefined,
    const R extends Raw = undefined,
    const Produces extends Media = undefined,
  >(
    route: Written<S, M, Path, P, Q, B, R, Produces, A>,
  ): TypedRoute<S, Contract<M, Path, P, Q, B, R, Produces, A>> =>
    route as unknown as Route<S>;
