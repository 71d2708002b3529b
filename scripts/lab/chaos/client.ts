/**
 * A party's program as it should be written: asks any gateway, and when the answer does not settle the matter asks another one,
 * with the same key and the same body, until it does.
 *
 * | answer | then |
 * | --- | --- |
 * | none, 5xx, 429, `retry: same-key` | the same request again, elsewhere |
 * | 202, and the outcome is wanted | the same request again: it waits, and gives the outcome |
 * | anything else | that is the answer |
 */
import { between } from "./plan.ts";

export type Party = { name: string; account: string; token: string; taxId: string; index: number };
// what an answer says is looked at member by member, and a wrong shape is what the run is there to find
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
const PATIENCE_MS = 12_000;
const WAIT_SECONDS = 5;

/** `deadline` gives the time (performance.now) after which nobody asks again. `answered` hears every answer. */
export function createClient(urls: readonly string[], random: () => number, deadline: () => number, answered: (what: string) => void): Client {
  return {
    urls,
    async ask(party, method, path, request = {}) {
      const headers: Record<string, string> = { authorization: `Bearer ${party.token}` };
      if (method === "POST") headers["idempotency-key"] = request.key ?? crypto.randomUUID();
      if (method !== "GET" && request.final) headers["prefer"] = `wait=${WAIT_SECONDS}`;
      if (request.body !== undefined) headers["content-type"] = "application/json";
      const body = request.body === undefined ? {} : { body: JSON.stringify(request.body) };
      let last = "no answer";
      for (let at = between(random, 0, urls.length - 1); ; at += 1) {
        if (performance.now() > deadline()) throw new Unsettled(`${method} ${path}: still ${last} when the run was over`);
        const reply = await tryOnce(`${urls[at % urls.length]}${path}`, { method, headers, ...body, signal: AbortSignal.timeout(PATIENCE_MS) });
        last = typeof reply === "string" ? reply : `${reply.status} ${reply.body?.code ?? ""}`.trim();
        answered(last);
        if (typeof reply !== "string" && reply.status < 300) request.heard?.(reply.body);
        if (typeof reply !== "string" && reply.status < 500 && reply.status !== 429 && reply.body?.retry !== "same-key") {
          if (reply.status !== 202 || !request.final) return reply;
          continue;
        }
        await new Promise((resolve) => setTimeout(resolve, between(random, 50, 600)));
      }
    },
  };
}

async function tryOnce(url: string, init: RequestInit): Promise<Reply | string> {
  try {
    const response = await fetch(url, init);
    const text = await response.text();
    return { status: response.status, body: text === "" ? {} : JSON.parse(text), replayed: response.headers.get("idempotency-replayed") === "true" };
  } catch (error) {
    return error instanceof SyntaxError ? "an answer that is no JSON" : "no answer";
  }
}
