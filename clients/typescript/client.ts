/**
 * The API as functions of its routes, typed by them.
 *
 *   const onepiao = createClient({ url, token });
 *   const { body } = await onepiao("GET /v1/invoices/{number}", { params: { number } });
 *
 * An answer's type follows from its status. A refusal is thrown, as a ProblemError.
 */
import type { Api } from "./api.ts";
import { cursors, type ItemOf, type Paged } from "./pages.ts";
import { type AnyReply, NoAnswerError, ProblemError } from "./problems.ts";
import {
  type AnyRequest,
  createSender,
  type RawBody,
  type Sender,
  type SenderOptions,
} from "./send.ts";

/** What a route says of itself; a gateway's are in `Api`. */
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

/** What a call takes beside its name. */
export type RequestOf<E extends Call> = Common &
  ParamsOf<E["params"]> &
  QueryOf<E["query"]> &
  BodyOf<E["body"], E["raw"]>;

/** Successful answers: `status` says which `body` it is. */
export type Reply<Answers> = Answers extends unknown
  ? {
      [S in keyof Answers]-?: Omit<AnyReply, "status" | "body" | "problem"> & {
        status: S;
        body: NonNullable<Answers[S]> | Extract<Answers[S], undefined>;
      };
    }[keyof Answers]
  : never;

/** The arguments of a call behind its name. */
export type Arguments<E extends Call> =
  Partial<RequestOf<E>> extends RequestOf<E> ? [request?: RequestOf<E>] : [request: RequestOf<E>];
type Bytes = { status: 200; headers: Headers; body: Uint8Array<ArrayBuffer>; replayed: boolean };

export type RequestsOf<A extends Calls<A>> = { [N in keyof A]: Arguments<A[N]> };
export type RepliesOf<A extends Calls<A>> = { [N in keyof A]: Reply<A[N]["answers"]> };
export type OutcomesOf<A extends Calls<A>> = {
  [N in keyof A]: Reply<Omit<A[N]["answers"], 202>>;
};
/**
 * The arguments of each call, by its name. An interface: the compiler works out the member of each
 * call that it meets, and never all of them together, which takes it seven times as long.
 */
export interface Requests extends RequestsOf<Api> {}
/** What each call gives. */
export interface Replies extends RepliesOf<Api> {}
/** What each call gives when its work has come to its end. */
export interface Outcomes extends OutcomesOf<Api> {}

/** `Q`, `R`, `O`: the calls that there are; those of every gateway unless a caller knows of more. */
export interface Client<
  Q extends { [N in keyof Q]: unknown[] } = Requests,
  R = Replies,
  O = Outcomes,
> {
  /** One call. Throws a ProblemError, or a NoAnswerError when its tries are used up. */
  <N extends keyof Q & keyof R>(name: N, ...request: Q[N]): Promise<R[N]>;
  /**
   * The same, until the work has come to its end on the chain. Throws a StillOpenError when it
   * has not in time, or waits for somebody else's signature or consent.
   */
  done<N extends keyof Q & keyof O>(name: N, ...request: Q[N]): Promise<O[N]>;
  /** An answer in another form, as bytes: `accept` is its media type. */
  bytes<N extends keyof Q>(name: N, request: Q[N][0] & { accept: string }): Promise<Bytes>;
  /** Every item of a list that comes in pages, page by page as they are read. */
  items<N extends Paged & keyof Q>(
    name: N,
    ...request: Q[N]
  ): AsyncGenerator<ItemOf<N>, void, undefined>;
  /** Any request, without types; a refusal is an answer here. */
  send: Sender;
}

export type ClientOptions = SenderOptions;

/** `POST /v1/claims/{id}/reject` with its parameters: method, and path with its places filled. */
function targetOf(name: string, params: Record<string, unknown> = {}): [string, string] {
  const [method = "", path = ""] = name.split(" ");
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, place: string) => {
    const value = String(params[place] ?? "");
    // an empty one would be another route's path
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
  const send = createSender(options);

  async function call(
    name: string,
    request: AnyRequest & { params?: object; final?: boolean } = {},
  ) {
    const { params, ...more } = request;
    const [method, path] = targetOf(name, params as Record<string, unknown> | undefined);
    const reply = await send(method, path, more);
    const { status, headers, problem, key } = reply;
    if (problem !== undefined) throw new ProblemError(problem, status, key);
    // no route answers with a page: it is somebody's between
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
      // a feed has a `next` always, and `more` while there is something to look at
      if (page.next === undefined || page.more === false) return;
      query = { ...query, [cursors[name]]: page.next };
    }
  }

  const client = (name: string, request?: AnyRequest) => call(name, request);
  const done = (name: string, request?: AnyRequest) => call(name, { ...request, final: true });
  // the types above say what these give; here a name is a text
  return Object.assign(client, { done, bytes: client, items, send }) as unknown as Client<Q, R, O>;
}
