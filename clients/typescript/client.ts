/**
 * Calls the API. Requests and responses are typed by the routes.
 *
 *   const onepiao = createClient({ url, token });
 *   const { body } = await onepiao("GET /v1/invoices/{number}", { params: { number } });
 *
 * The type of a response depends on its status. A refusal is thrown as a ProblemError.
 */
import type { Api } from "./api.ts";
import { type BatchInvoice, type BatchRequest, type BatchResult, sendBatch } from "./batch.ts";
import { type Event, type FollowRequest, followEvents } from "./follow.ts";
import { cursors, type ItemOf, type Paged } from "./pages.ts";
import { type AnyReply, NoAnswerError, ProblemError } from "./problems.ts";
import { createSender, type Sender } from "./send.ts";
import { type AnyRequest, createWire, type RawBody, type SenderOptions } from "./wire.ts";

/** The types of a route; `Api` has those of a gateway. */
export type Call = {
  params: unknown;
  query: unknown;
  body: unknown;
  raw: unknown;
  answers: object;
};
/** Routes by `METHOD /path`. */
export type Calls<A> = { [N in keyof A]: Call };

type Common = Omit<AnyRequest, "query" | "body" | "type" | "accept">;
type ParamsOf<P> = P extends undefined ? { params?: undefined } : { params: P };
type QueryOf<Q> = Q extends undefined
  ? { query?: undefined }
  : Partial<Q> extends Q
    ? { query?: Q | undefined }
    : { query: Q };
type JsonOf<B> = B extends undefined
  ? { body?: undefined; type?: undefined }
  : undefined extends B
    ? { body?: B; type?: undefined }
    : { body: B; type?: undefined };
type BodyOf<B, R> = [R] extends [never]
  ? JsonOf<B>
  : { body: RawBody; type: R } | (B extends undefined ? never : JsonOf<B>);

/** The request of a call. */
export type RequestOf<E extends Call> = Common &
  ParamsOf<E["params"]> &
  QueryOf<E["query"]> &
  BodyOf<E["body"], E["raw"]>;

/** Successful responses; `status` determines the type of `body`. */
export type Reply<Answers> = Answers extends unknown
  ? {
      [S in keyof Answers]-?: Omit<AnyReply, "status" | "body" | "problem"> & {
        status: S;
        body: NonNullable<Answers[S]> | Extract<Answers[S], undefined>;
      };
    }[keyof Answers]
  : never;

/** The arguments of a call after its name. */
export type Arguments<E extends Call> =
  Partial<RequestOf<E>> extends RequestOf<E> ? [request?: RequestOf<E>] : [request: RequestOf<E>];
type Bytes = { status: 200; headers: Headers; body: Uint8Array<ArrayBuffer>; replayed: boolean };

export type RequestsOf<A extends Calls<A>> = { [N in keyof A]: Arguments<A[N]> };
export type RepliesOf<A extends Calls<A>> = { [N in keyof A]: Reply<A[N]["answers"]> };
export type OutcomesOf<A extends Calls<A>> = {
  [N in keyof A]: Reply<Omit<A[N]["answers"], 202>>;
};
/**
 * The arguments of each call, by name. An interface, because the compiler then resolves only the
 * members in use; resolving all of them takes seven times as long.
 */
export interface Requests extends RequestsOf<Api> {}
/** The response of each call. */
export interface Replies extends RepliesOf<Api> {}
/** The final response of each call, when its work is complete. */
export interface Outcomes extends OutcomesOf<Api> {}

/** `Q`, `R`, `O`: the available calls; by default those of every gateway. */
export interface Client<
  Q extends { [N in keyof Q]: unknown[] } = Requests,
  R = Replies,
  O = Outcomes,
> {
  /** One call. Throws a ProblemError, or a NoAnswerError when no try is left. */
  <N extends keyof Q & keyof R>(name: N, ...request: Q[N]): Promise<R[N]>;
  /**
   * The same, until the work is complete on the chain. Throws a StillOpenError if it takes too
   * long, or waits for somebody else's signature or consent.
   */
  done<N extends keyof Q & keyof O>(name: N, ...request: Q[N]): Promise<O[N]>;
  /** A response in the media type `accept`, as bytes. */
  bytes<N extends keyof Q>(name: N, request: Q[N][0] & { accept: string }): Promise<Bytes>;
  /** Every item of a list, fetched page by page while you iterate. */
  items<N extends Paged & keyof Q>(
    name: N,
    ...request: Q[N]
  ): AsyncGenerator<ItemOf<N>, void, undefined>;
  /**
   * Issues any number of invoices, thousands on one connection. Yields a result for each, in order.
   * Reconnects after a disconnection, and reads the source no faster than the caller takes results.
   */
  batch<T extends BatchInvoice>(
    invoices: Iterable<T> | AsyncIterable<T>,
    request?: BatchRequest,
  ): AsyncGenerator<BatchResult<T>, void, undefined>;
  /**
   * Yields events as they happen, each once and in order, without end. Reconnects after a
   * disconnection. Throws a PositionError if the position is not from this feed.
   */
  follow(request?: FollowRequest): AsyncGenerator<Event, void, undefined>;
  /** Any request, without types. Returns a refusal instead of throwing it. */
  send: Sender;
}

export type ClientOptions = SenderOptions;

/** The method of `POST /v1/claims/{id}/reject`, and its path with the parameters filled in. */
function targetOf(name: string, params: Record<string, unknown> = {}): [string, string] {
  const [method = "", path = ""] = name.split(" ");
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, place: string) => {
    const value = String(params[place] ?? "");
    // an empty value would make the path of another route
    if (value === "") throw new TypeError(`${name}: params.${place} is missing`);
    return encodeURIComponent(value);
  });
  return [method, filled];
}

/** The client of a gateway. For `Q`, `R` and `O` see Client. */
export function createClient<
  Q extends { [N in keyof Q]: unknown[] } = Requests,
  R = Replies,
  O = Outcomes,
>(options: ClientOptions): Client<Q, R, O> {
  const wire = createWire(options);
  const send = createSender(wire);

  async function call(
    name: string,
    request: AnyRequest & { params?: object; final?: boolean } = {},
  ) {
    const { params, ...more } = request;
    const [method, path] = targetOf(name, params as Record<string, unknown> | undefined);
    const reply = await send(method, path, more);
    const { status, headers, problem, key } = reply;
    if (problem !== undefined) throw new ProblemError(problem, status, key);
    // no route answers with a page, so something between has answered
    const isPage = headers.get("content-type")?.startsWith("text/html") ?? false;
    if (status < 400 && !isPage) return reply;
    throw new NoAnswerError(`${name}: HTTP ${status} that is not the gateway's`, {
      key,
      status,
    });
  }

  async function* items(name: Paged, request: AnyRequest = {}) {
    let query = request.query ?? {};
    for (;;) {
      const { body } = await call(name, { ...request, query });
      const page = body as { items: unknown[]; next?: unknown; more?: boolean };
      yield* page.items;
      // a feed always has a `next`, and `more` while further events exist
      if (page.next === undefined || page.more === false) return;
      query = { ...query, [cursors[name]]: page.next };
    }
  }

  const client = (name: string, request?: AnyRequest) => call(name, request);
  const done = (name: string, request?: AnyRequest) => call(name, { ...request, final: true });
  // the interface has the types; here a name is only a string
  return Object.assign(client, {
    done,
    bytes: client,
    items,
    batch: <T extends BatchInvoice>(
      invoices: Iterable<T> | AsyncIterable<T>,
      request?: BatchRequest,
    ) => sendBatch(wire, invoices, request),
    follow: (request?: FollowRequest) => followEvents(wire, send, request),
    send,
  }) as unknown as Client<Q, R, O>;
}
