/**
 * A party's program as it should be written: the client for programs, with all gateways and without
 * an end to its patience.
 */
import {
  type AnyReply,
  createClient as createApiClient,
} from "../../../clients/typescript/index.ts";

export type Party = { name: string; account: string; token: string; taxId: string; index: number };
// what an answer says is looked at member by member, and a wrong shape is what the run is there to
// find
// biome-ignore lint/suspicious/noExplicitAny: JSON of a stranger
export type Body = any;
export type Reply = { status: number; body: Body; replayed: boolean };
export type Request = {
  body?: unknown;
  key?: string;
  /** Only a final answer will do. */
  final?: boolean;
  /** Hears every answer that grants something, also those that are not final. */
  heard?: (body: Body) => void;
};

export type Client = {
  ask(party: { token: string }, method: string, path: string, request?: Request): Promise<Reply>;
  /** Gateways by URL, as clients know them. */
  urls: readonly string[];
};

/** A request that no gateway has settled when the run was over. */
export class Unsettled extends Error {}

/** One request may take so long; a gateway that hangs is as good as none. */
const PATIENCE_MS = 7_000;
const WAIT_SECONDS = 5;
const PAUSES = { pauseMs: 50, maxPauseMs: 600 };
const FOREVER = Number.POSITIVE_INFINITY;

/**
 * `deadline` gives the time (performance.now) after which nobody asks again. `answered` hears every
 * answer.
 */
export function createClient(
  urls: readonly string[],
  random: () => number,
  deadline: () => number,
  answered: (what: string) => void,
): Client {
  return {
    urls,
    async ask({ token }, method, path, { body, key, final = false, heard } = {}) {
      const over = new AbortController();
      const onTry = (outcome: string, reply?: AnyReply) => {
        answered(outcome);
        if (reply !== undefined && reply.status < 300) heard?.(reply.body);
        if (performance.now() > deadline())
          over.abort(new Unsettled(`${method} ${path}: still ${outcome} when the run was over`));
      };
      const patience = {
        ...PAUSES,
        tries: FOREVER,
        doneMs: FOREVER,
        retryAfterMs: FOREVER,
        timeoutMs: PATIENCE_MS,
      };
      const { send } = createApiClient({
        url: urls,
        token,
        random,
        onTry,
        patience,
        signal: over.signal,
      });
      const wanted = final && method !== "GET" ? { final, wait: WAIT_SECONDS } : {};
      const reply = await send(method, path, {
        body,
        ...wanted,
        ...(key === undefined ? {} : { key }),
      });
      return { status: reply.status, body: reply.body ?? {}, replayed: reply.replayed };
    },
  };
}
