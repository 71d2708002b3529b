/**
 * Sends a request until it has a response.
 *
 * | response | then |
 * | --- | --- |
 * | none, or incomplete | the same request again, with the same key |
 * | a problem with `retry: same-key`, 429 or 5xx without a problem | the same, after Retry-After |
 * | a problem with `retry: later`, and the caller is patient | the same with a new key |
 * | 202, and the caller wants the outcome | the same request again, which waits for the outcome |
 * | anything else | returned |
 *
 * Retries are safe: a POST has an Idempotency-Key, and the same PUT, PATCH or DELETE changes
 * nothing more. A stream is consumed by the first try, so it is never retried.
 */
import { type AnyReply, NoAnswerError, StillOpenError } from "./problems.ts";
import {
  type AnyRequest,
  isStream,
  newKey,
  pause,
  replyOf,
  retryAfterMs,
  type Wire,
} from "./wire.ts";

export type Sender = (
  method: string,
  path: string,
  request?: AnyRequest & { final?: boolean },
) => Promise<AnyReply>;

/** Seconds for which `done` asks the gateway to hold a response: enough for a few blocks. */
const HOLD_SECONDS = 20;

/** Whether the response allows the same request again. */
export function passes({ status, problem }: AnyReply): boolean {
  if (problem !== undefined) return problem.retry === "same-key";
  return status === 429 || status >= 500;
}

/** Sends to one gateway, or to several in turn. Returns refusals; `createClient` throws them. */
export function createSender(wire: Wire): Sender {
  return async (method, path, request = {}) => {
    const patience = wire.patienceOf(request.patience);
    const stopped = wire.stopped(request.signal);
    const wait = request.wait ?? (request.final ? HOLD_SECONDS : 0);
    const { body, accept } = request;
    let key = method === "POST" ? (request.key ?? newKey()) : request.key;

    const tryAt = async (at: number): Promise<AnyReply | NoAnswerError> => {
      const limit = AbortSignal.timeout(patience.timeoutMs + wait * 1_000);
      const signal = AbortSignal.any([limit, ...(stopped ? [stopped] : [])]);
      let status = 0;
      try {
        const sent = { ...request, wait, ...(key === undefined ? {} : { key }) };
        const response = await wire.open(at, method, path, sent, signal);
        status = response.status;
        const reply = { ...(await replyOf(response, accept !== undefined)), key };
        wire.heard(`${reply.status} ${reply.problem?.code ?? ""}`.trim(), reply);
        return reply;
      } catch (error) {
        stopped?.throwIfAborted();
        wire.heard("no answer");
        const reason = error instanceof Error ? error.message : String(error);
        return new NoAnswerError(`${method} ${path}: ${reason}`, { key, status, cause: error });
      }
    };

    const begun = performance.now();
    const since = () => performance.now() - begun;
    let failures = 0;
    for (let at = wire.first(); ; at += 1) {
      stopped?.throwIfAborted();
      const reply = await tryAt(at);
      const doubled = patience.pauseMs * 2 ** failures * (0.5 + wire.random() / 2);
      let pauseMs = Math.min(doubled, patience.maxPauseMs);
      if (reply instanceof Error || passes(reply)) {
        failures += 1;
        const asked = (reply instanceof Error ? undefined : retryAfterMs(reply.headers)) ?? 0;
        pauseMs = Math.max(pauseMs, asked);
        if (failures >= patience.tries || asked > patience.retryAfterMs || isStream(body)) {
          if (reply instanceof Error) throw reply;
          return reply;
        }
      } else {
        failures = 0;
        if (reply.problem?.retry === "later") {
          const isSettled = request.key !== undefined && reply.replayed;
          const asked = retryAfterMs(reply.headers) ?? patience.pauseMs;
          if (isSettled || isStream(body) || since() + asked > patience.laterMs) return reply;
          pauseMs = asked;
          // what was refused has not been done, and its key may hold the refusal
          if (method === "POST") key = request.key ?? newKey();
        } else if (reply.status === 202 && request.final) {
          if (reply.headers.has("preference-applied"))
            throw new StillOpenError(`${method} ${path} waits for somebody else`, reply);
          if (since() > patience.doneMs)
            throw new StillOpenError(`${method} ${path} has not come to its end`, reply);
          pauseMs = patience.pauseMs;
        } else return reply;
      }
      await pause(pauseMs, stopped);
    }
  };
}
