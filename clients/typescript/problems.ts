/** What comes back from a call, and what can go wrong with it, as errors. */
import type { Code } from "./api.ts";

/**
 * `never`: the same request will not succeed. `same-key`: send it again with the same
 * Idempotency-Key. `later`: it may succeed after something else has changed.
 */
export type Retry = "never" | "same-key" | "later";

/** `field`: a JSON pointer into the body, `?parameter`, `{path part}`, or a header. */
export type Violation = { field: string; rule: string; detail: string };

/**
 * A refusal as the gateway writes it (RFC 9457). Later versions have codes that this one does not
 * know.
 */
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

/** `body`: JSON as a value, anything else as bytes; undefined when the answer has no body. */
export type AnyReply = {
  status: number;
  headers: Headers;
  body: unknown;
  /** The Idempotency-Key under which it was asked; undefined when there was none. */
  key?: string | undefined;
  /** Answered before under this key: nothing was done now. */
  replayed: boolean;
  /** What was refused, when it was. */
  problem?: Problem;
};

/** The gateway refused the request. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  readonly problem: Problem;
  readonly code: Problem["code"];
  readonly retry: Retry;
  readonly status: number;
  /** The Idempotency-Key of the request, for a `retry` of `same-key`; undefined without one. */
  readonly key: string | undefined;
  /** The broken rules; empty when the refusal names no field. */
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
 * No answer came, or one that cannot be read, and no try is left. Whether the work is done is not
 * known: send the same request with `key` to find out.
 */
export class NoAnswerError extends Error {
  override readonly name = "NoAnswerError";
  /** The Idempotency-Key of the request; undefined when it had none. */
  readonly key: string | undefined;
  /** Status of an answer that cannot be read; 0 when there was no answer. */
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

/**
 * The work is accepted and has not come to its end: it takes longer, or it waits for somebody else.
 */
export class StillOpenError extends Error {
  override readonly name = "StillOpenError";
  /** The 202 as it was answered last. */
  readonly reply: AnyReply;

  constructor(message: string, reply: AnyReply) {
    super(message);
    this.reply = reply;
  }
}
