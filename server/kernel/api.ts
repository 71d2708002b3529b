/**
 * What a route says of its HTTP shape (server/api/) and what the HTTP layer makes of it.
 *
 * A route is data: schemas that validate are the schemas in /openapi.json. Deny by default: a route
 * names its roles, and its feature scopes every query to `caller.account`. Owns types only; http/
 * does the work.
 */

import type { Code, Problem } from "@onepiao/protocol/values/problems.ts";
import type { ZodObject, ZodType, z } from "zod";

/** `admin` counts as every role of its party, and manages the access to it (features/access). */
export const roles = ["bureau", "issuer", "employer", "holder", "admin"] as const;
export type Role = (typeof roles)[number];

/**
 * Who calls: the party that the API key belongs to, and what the key may do for it: of a key with
 * the role `admin`, all roles of the party. `session`: the key is stood for by the console's cookie
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
 * `sql` is the SQL transaction of the request (a POST's idempotency row is in it), or a plain
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
  /** What is to be answered: one of the route's `produces`, chosen by the Accept header. */
  accept: string;
  requestId: string;
  /** A header of the request; the API key is not among them. */
  header(name: string): string | undefined;
  /** Aborted when the client has gone or the process stops: ends streams. */
  signal: AbortSignal;
};

/**
 * `body`: what JSON can say; or, with a Content-Type of its own in `headers`, a string, a
 * Uint8Array (not for a POST: it must be storable) or an AsyncIterable of either (GET only: a
 * stream). `undefined` is no body.
 *
 * `secrets`: members of a JSON body that go out with this answer alone. They are never stored, so a
 * replay does not have them.
 */
export type Answer = {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
  secrets?: Record<string, string>;
};

/**
 * What somebody else has written, to be kept as a file: no browser takes it for a page. `name`:
 * letters, digits, . and -.
 */
export const fileAnswer = (body: string, name: string): Answer => ({
  status: 200,
  body,
  headers: { "Content-Type": fileType, "Content-Disposition": `attachment; filename="${name}"` },
});
export const fileType = "application/octet-stream";

type Parsed<T> = T extends ZodType ? z.output<T> : undefined;

/**
 * The work of a POST that comes often: requests that are there at once share one transaction, so
 * that what a transaction costs is paid by all of them (http/groups.ts).
 */
export type Together<S, R, Prepared> = {
  /** What needs no database. What it throws is this request's refusal, and it joins no group. */
  prepare(request: R): Prepared;
  /**
   * One answer or refusal each, in the order given. A refused one must have changed nothing:
   * refusals are decided before anything is written. To throw undoes the whole group, and each of
   * it is tried alone.
   */
  run(sql: S, group: readonly Prepared[]): Promise<(Answer | Problem)[]>;
};

/**
 * The work of a POST that is a stream: lines in, a line out for each (http/streams.ts). Each is a
 * piece of work of its own, done once, in one transaction with others; its answer's body goes out
 * beside `line` and `status`.
 */
export type Lines<S, R, Prepared> = {
  /**
   * Once a stream, before its first line. Gives what makes work of a line without the database;
   * what that throws is the line's refusal.
   */
  open(request: R): (line: Uint8Array) => Prepared;
  /** As in Together. */
  run: Together<S, R, Prepared>["run"];
};

export type Route<S = never> = {
  method: "get" | "post" | "put" | "patch" | "delete";
  /** OpenAPI form: `/v1/invoices/{number}`. */
  path: string;
  summary: string;
  description?: string;
  tag: string;
  /**
   * Roles of which the caller needs one. "public" asks for no key: the caller has an empty account
   * and no roles, and nothing can be written (a POST runs in a read-only transaction and takes no
   * Idempotency-Key, for there is nobody whose key it would be).
   */
  roles: readonly Role[] | "public";
  /**
   * The one exception: a public POST by which a caller comes to be known. It may write, and knows
   * the session that the browser has.
   */
  signsIn?: true;
  params?: ZodObject;
  query?: ZodObject;
  /**
   * JSON body; validated before `run`. Unknown members of the outermost object are refused; write
   * z.strictObject for inner ones.
   */
  body?: ZodType;
  /** Bodies that the feature reads itself, by media type: `run` gets a Uint8Array. */
  rawBody?: { mediaTypes: readonly string[]; schema?: ZodType; example?: unknown };
  /** Media types that it can answer, the preferred one first; without it: application/json. */
  produces?: readonly string[];
  /** Successful answers by status. */
  answers: Record<number, { description: string; schema?: ZodType }>;
  /** Refusals that the feature itself may give, for the documentation. */
  problems?: readonly Code[];
  /**
   * For a POST whose work goes on after its 202: `Prefer: wait=SECONDS` asks this until it gives
   * the final answer or time is up. Gets the 202 as it was given (or stored: a replay waits as
   * well), so what to look for must be told by its body or headers. May throw a Problem: that is an
   * outcome, and the stored answer from then on.
   */
  settled?(sql: S, accepted: Answer, caller: Caller): Promise<Answer | undefined>;
  /**
   * For a public POST: what takes long or asks others than the database. It runs before the
   * transaction, or strangers could hold all connections; what it gives is `run`'s body.
   */
  prepare?(
    request: Pick<Request<S, unknown, unknown, unknown>, "body" | "mediaType" | "signal">,
  ): Promise<unknown>;
  // what the work takes is told by the schemas: `routeFor` checks that the two agree
  // biome-ignore lint/suspicious/noExplicitAny: erased here on purpose
} & Work<S, Request<S, any, any, any>>;

// biome-ignore lint/suspicious/noExplicitAny: what is prepared is the route's own affair
type Own = any;

/**
 * A request's work: by itself, or, for a POST with a caller, together with others, or as a stream
 * of lines.
 */
type Work<S, R> =
  | { run(request: R): Promise<Answer>; together?: undefined; lines?: undefined }
  | { run?: undefined; together: Together<S, Omit<R, "sql">, Own>; lines?: undefined }
  | { run?: undefined; together?: undefined; lines: Lines<S, Omit<R, "sql">, Own> };

type Media = readonly string[] | undefined;
type Raw = Route["rawBody"];

/** What a caller has to know of a route: clients are inferred from it (server/api/api.ts). */
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

/** A route with its types. `contract` is a type alone: no route has such a member. */
export type TypedRoute<S, C> = Route<S> & { readonly contract?: C };

type Kept = "method" | "path" | "params" | "query" | "body" | "rawBody" | "produces" | "answers";
type Written<S, M, Path, P, Q, B, R, Produces, A> = Omit<
  Route<S>,
  Kept | "run" | "together" | "lines"
> & {
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
