/** The responses of calls, and their errors. */
import type { Code } from "./api.ts";

/**
 * `never`: the same request never succeeds. `same-key`: send it again with the same
 * Idempotency-Key. `later`: it may succeed after something else has changed.
 */
export type Retry = "never" | "same-key" | "later";

/** `field`: a JSON pointer into the body, `?parameter`, `{path part}`, or a header. */
export type Violation = { field: string; rule: string; detail: string };

/** A refusal as the gateway writes it (RFC 9457). Newer gateways may have other codes. */
export type Problem = {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: Code | (string & {});
  retry: Retry;
  requestId: string;
  errors?: Violation[];
  [member: string]: unknown;
};

/** `body`: JSON as a value, anything else as bytes; undefined without a body. */
export type AnyReply = {
  status: number;
  headers: Headers;
  body: unknown;
  /** The request's Idempotency-Key, if it had one. */
  key?: string | undefined;
  /** Whether this is the stored response to an earlier request with the same key. */
  replayed: boolean;
  /** The problem, if the request was refused. */
  problem?: Problem;
};

/** The gateway refused the request. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  readonly problem: Problem;
  readonly code: Problem["code"];
  readonly retry: Retry;
  readonly status: number;
  /** The request's Idempotency-Key, for a `retry` of `same-key`, if it had one. */
  readonly key: string | undefined;
  /** The broken rules; empty if the refusal names no field. */
  readonly violations: readonly Violation[];

  constructor(problem: Problem, status = problem.status, key?: string) {
    const fields = (problem.errors ?? []).map(({ field, rule }) => `${field}: ${rule}`);
    super([`${problem.code}: ${problem.detail}`, ...fields].join("\n"));
    this.problem = problem;
    this.code = problem.code;
    this.retry = problem.retry;
    this.status = status;
    this.key = key;
    this.violations = problem.errors ?? [];
  }
}

/**
 * The problem of a refused call, or undefined if the call succeeded. Rethrows any other error.
 *
 *   const refusal = await refusalOf(client("POST /v1/claims", { body }));
 */
export const refusalOf = (call: Promise<unknown>): Promise<Problem | undefined> =>
  call.then(
    () => undefined,
    (error: unknown) => {
      if (error instanceof ProblemError) return error.problem;
      throw error;
    },
  );

/**
 * There was no readable response, and no try is left. Whether the work is done is unknown: send the
 * same request with `key` to find out.
 */
export class NoAnswerError extends Error {
  override readonly name = "NoAnswerError";
  /** The request's Idempotency-Key, if it had one. */
  readonly key: string | undefined;
  /** Status of the unreadable response; 0 if there was none. */
  readonly status: number;

  constructor(
    message: string,
    more: { key?: string | undefined; status?: number; cause?: unknown },
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.key = more.key;
    this.status = more.status ?? 0;
  }
}

/** The work is accepted but not complete: it takes longer, or waits for somebody else. */
export class StillOpenError extends Error {
  override readonly name = "StillOpenError";
  /** The latest 202 response. */
  readonly reply: AnyReply;

  constructor(message: string, reply: AnyReply) {
    super(message);
    this.reply = reply;
  }
}
