/**
 * The API as types: what a caller sends to each route and gets back, by `METHOD /path`. Clients
 * import this file only as a type, so nothing of the server comes with it at run time.
 *
 * The types follow from the routes: they contain each route that a factory below returns, and
 * nothing else.
 */
import type { ZodObject, ZodType, z } from "zod";
import type { Contract } from "../kernel/api.ts";
import type { accessRoutes } from "./access.ts";
import type { accountRoutes } from "./accounts.ts";
import type { auditRoutes } from "./audit.ts";
import type { bundleRoutes } from "./bundles.ts";
import type { claimRoutes } from "./claims.ts";
import type { directoryRoutes } from "./directory.ts";
import type { documentRoutes } from "./documents.ts";
import type { entryRoutes } from "./entries.ts";
import type { eventRoutes } from "./events.ts";
import type { externalRoutes } from "./external.ts";
import type { externalCreditRoutes } from "./external-credits.ts";
import type { externalFindingRoutes } from "./external-findings.ts";
import type { grantRoutes } from "./grants.ts";
import type { importRoutes } from "./imports.ts";
import type { invoiceRoutes } from "./invoices.ts";
import type { issuingRoutes } from "./issuing.ts";
import type { ledgerRoutes } from "./ledger.ts";
import type { nameRoutes } from "./names.ts";
import type { operationRoutes } from "./operations.ts";
import type { paperRoutes } from "./papers.ts";
import type { personRoutes } from "./persons.ts";
import type { pickupRoutes } from "./pickups.ts";
import type { redLetterRoutes } from "./red-letters.ts";
import type { sessionRoutes } from "./sessions.ts";
import type { statsRoutes } from "./stats.ts";
import type { taxpayerRoutes } from "./taxpayers.ts";
import type { transferRoutes } from "./transfers.ts";
import type { verificationRoutes } from "./verification.ts";
import type { webhookRoutes } from "./webhooks.ts";

// biome-ignore lint/suspicious/noExplicitAny: any route's contract
type AnyContract = Contract<any, any, any, any, any, any, any, any>;

/**
 * One route as its callers see it. `body`: JSON, undefined when it takes none; `raw`: media types
 * of bodies that are sent unchanged; `answers`: the JSON of successful answers by status, bytes for
 * a route that answers with something else; `item`: an item of a streamed answer, a line of JSON
 * or an event.
 */
export interface Endpoint<Params, Query, Body, Raw, Answers, Item> {
  params: Params;
  query: Query;
  body: Body;
  raw: Raw;
  answers: Answers;
  item: Item;
}

/**
 * The query as a client writes it: a parameter that the gateway reads as a number may be a number.
 */
type QueryOf<Q> = Q extends ZodObject
  ? {
      [K in keyof z.input<Q>]: Written<
        z.input<Q>[K],
        K extends keyof z.output<Q> ? z.output<Q>[K] : never
      >;
    }
  : undefined;
/** A coerced parameter may be missing. */
type Written<In, Out> = unknown extends In ? Out | undefined : In;
type ParamsOf<P> = P extends ZodObject ? { [K in keyof z.input<P>]: z.input<P>[K] } : undefined;

type BodyOf<B, R> = B extends ZodType
  ? z.input<B>
  : R extends { schema: infer S extends ZodType }
    ? z.input<S>
    : undefined;
/** Any media type: the gateway says which ones it reads, and formats come. */
type RawOf<R> = R extends { mediaTypes: readonly string[] } ? string : never;

type JsonOf<A> = A extends { schema: infer S extends ZodType } ? z.output<S> : undefined;
type AnswerOf<A, Produces> = Produces extends readonly string[]
  ? "application/json" extends Produces[number]
    ? JsonOf<A>
    : Uint8Array<ArrayBuffer>
  : JsonOf<A>;

type ItemOf<A, Produces> = Produces extends readonly ["application/x-ndjson" | "text/event-stream"]
  ? { [S in keyof A]: JsonOf<A[S]> }[keyof A]
  : never;

/** What the callers of these routes need to know. */
export type ApiOf<Route extends { readonly contract?: AnyContract }> = {
  [R in NonNullable<Route["contract"]> as `${Uppercase<R["method"]>} ${R["path"]}`]: Endpoint<
    ParamsOf<R["params"]>,
    QueryOf<R["query"]>,
    BodyOf<R["body"], R["rawBody"]>,
    RawOf<R["rawBody"]>,
    { [S in keyof R["answers"]]: AnswerOf<R["answers"][S], R["produces"]> },
    ItemOf<R["answers"], R["produces"]>
  >;
};

type Factories =
  | typeof accessRoutes
  | typeof accountRoutes
  | typeof auditRoutes
  | typeof bundleRoutes
  | typeof claimRoutes
  | typeof directoryRoutes
  | typeof documentRoutes
  | typeof entryRoutes
  | typeof eventRoutes
  | typeof externalRoutes
  | typeof externalFindingRoutes
  | typeof externalCreditRoutes
  | typeof grantRoutes
  | typeof importRoutes
  | typeof invoiceRoutes
  | typeof issuingRoutes
  | typeof ledgerRoutes
  | typeof nameRoutes
  | typeof operationRoutes
  | typeof paperRoutes
  | typeof personRoutes
  | typeof pickupRoutes
  | typeof redLetterRoutes
  | typeof sessionRoutes
  | typeof statsRoutes
  | typeof taxpayerRoutes
  | typeof transferRoutes
  | typeof verificationRoutes
  | typeof webhookRoutes;

/** Every route of a gateway, by `METHOD /path`. */
export interface Api extends ApiOf<ReturnType<Factories>[number]> {}
