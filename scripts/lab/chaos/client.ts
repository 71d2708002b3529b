/**
 * A party's program as it should be written: the client for programs, with all gateways and without
 * an end to its patience.
 */
import {
  type AnyReply,
  type Client as ApiClient,
  createClient as createApiClient,
  ProblemError,
  type Requests,
} from "../../../clients/typescript/index.ts";

export type Party = { name: string; account: string; token: string; taxId: string; index: number };
// what is asked is typed; an answer is looked at member by member, and a wrong shape is what the
// run is there to find
// biome-ignore lint/suspicious/noExplicitAny: JSON of a stranger
export type Body = any;
export type Reply = { status: number; body: Body };
/** How a request goes; beyond what its call takes. */
export type Way = {
  /** Only a final answer will do. */
  final?: boolean;
  /** Hears every answer that grants something, also those that are not final. */
  heard?: (body: Body) => void;
};
export type CallName = keyof Requests;
/** What a call takes: parameters, query, body, key. */
export type RequestOf<N extends CallName> = NonNullable<Requests[N][0]>;

export type Client = {
  /** A refusal is an answer here. Throws Unsettled when the run is over before there is one. */
  ask<N extends CallName>(
    party: { token: string },
    name: N,
    request: RequestOf<N>,
    way?: Way,
  ): Promise<Reply>;
  /** The client for programs as this party, for what goes on for long. */
  as(party: { token: string }): ApiClient;
};

/** A request that no gateway has settled when the run was over. */
export class Unsettled extends Error {}

/** How long one request may take; a gateway that hangs counts as down. */
const PATIENCE_MS = 7_000;
/** Heartbeats come every second: a stream that is silent for so long is dead. */
const SILENCE_MS = 4_000;
const WAIT_SECONDS = 5;
const PAUSES = { pauseMs: 50, maxPauseMs: 600 };
const FOREVER = Number.POSITIVE_INFINITY;

/**
 * `deadline`: the time (performance.now) after which no request is repeated. `answered` gets every
 * answer.
 */
export function createClient(
  urls: readonly string[],
  random: () => number,
  deadline: () => number,
  answered: (answer: string) => void,
): Client {
  const patience = {
    ...PAUSES,
    tries: FOREVER,
    doneMs: FOREVER,
    retryAfterMs: FOREVER,
    timeoutMs: PATIENCE_MS,
    silenceMs: SILENCE_MS,
  };
  /** Until the run is over: then the next try that fails is the last one. */
  function clientOf(token: string, name: string, heard?: Way["heard"]): ApiClient {
    const over = new AbortController();
    const onTry = (outcome: string, reply?: AnyReply) => {
      answered(outcome);
      if (reply !== undefined && reply.status < 300) heard?.(reply.body);
      if (performance.now() > deadline())
        over.abort(new Unsettled(`${name}: still ${outcome} when the run was over`));
    };
    return createApiClient({ url: urls, token, random, onTry, patience, signal: over.signal });
  }
  return {
    async ask({ token }, name, request, { final = false, heard } = {}) {
      const client = clientOf(token, name, heard) as unknown as {
        (name: string, request: object): Promise<Reply>;
        done(name: string, request: object): Promise<Reply>;
      };
      const call = final
        ? client.done(name, { ...request, wait: WAIT_SECONDS })
        : client(name, request);
      return call.then(
        ({ status, body }) => ({ status, body: body ?? {} }),
        (error: unknown) => {
          if (!(error instanceof ProblemError)) throw error;
          return { status: error.status, body: error.problem };
        },
      );
    },
    as: ({ token }) => clientOf(token, "a list or a stream"),
  };
}
