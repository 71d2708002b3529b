/**
 * Refusals on the wire: RFC 9457 application/problem+json.
 *
 * Owns: the form of a problem, and what happens to an error that is not a Problem. What the caller
 * cannot help becomes `internal` or `unavailable`, without a word about the cause. The log gets the
 * cause without values (a database's message can quote rows, a JSON parser's the text).
 */

import { type Code, catalogue, Problem } from "@onepiao/protocol/values/problems.ts";
import type { Response } from "express";
import type { Answer } from "../kernel/api.ts";

export const PROBLEM_TYPE = "application/problem+json";

/** The code's page; also its stable identifier. */
export const typeOf = (code: Code) => `/problems/${code}`;

/** A problem as an answer, so that a refused outcome can be stored like any other. */
export function problemAnswer(problem: Problem, requestId: string): Answer {
  const { status, title, retry } = catalogue[problem.code];
  const errors = problem.violations.length > 0 ? { errors: problem.violations } : {};
  // `extra` first: it cannot replace a standard member
  const body = {
    ...problem.extra,
    type: typeOf(problem.code),
    title,
    status,
    detail: problem.message,
    code: problem.code,
    retry,
    requestId,
    ...errors,
  };
  return { status, body, headers: { "content-type": PROBLEM_TYPE } };
}

/**
 * SQLSTATE classes and codes, and the driver's own, after which the same request may well succeed.
 */
const passing =
  /^(08...|40...|53...|57P..|55P03|57014|25P0[34]|CONNECTION_\w+|CONNECT_TIMEOUT|ECONN\w+|EPIPE|ETIMEDOUT|EAI_AGAIN|ENOTFOUND)$/;

const codeOf = (error: unknown): string => {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : "";
};

/** The Problem that the caller sees for an error. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  // a connection that several addresses refused
  const causes: unknown[] = error instanceof AggregateError ? [error, ...error.errors] : [error];
  if (causes.some((cause) => passing.test(codeOf(cause))))
    return new Problem(
      "unavailable",
      "The database does not answer now, or the request conflicted with another one; try again",
      { cause: error },
    );
  if (error instanceof URIError)
    return new Problem("malformed-request", "The path has a percent sign that encodes nothing", {
      cause: error,
    });
  return new Problem("internal", "Something broke on our side", { cause: error });
}

/**
 * What the log may say about an error: its class, code and place; its message only if it is our
 * own.
 */
export function describeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { kind: typeof error };
  const place = (error.stack ?? "")
    .split("\n")
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 12)
    .join("\n");
  const quotes = error instanceof SyntaxError || error.name === "DatabaseError";
  const { constraint, table, routine } = error as Error & Record<string, unknown>;
  const cause = error.cause === undefined ? {} : { cause: describeError(error.cause) };
  return {
    kind: error.name,
    code: codeOf(error),
    ...(quotes ? { constraint, table, routine } : { message: error.message }),
    place,
    ...cause,
  };
}

/**
 * Codes after which the client should try again soon. A limiter sets its own Retry-After; a refusal
 * that knows a better time says `retryAfterSeconds`.
 */
const soon: ReadonlySet<Code> = new Set(["idempotency-key-running", "unavailable"]);

/** Writes a problem. If an answer is already under way, it can only cut the connection. */
export function sendProblem(response: Response, problem: Problem, requestId: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const { status, body, headers } = problemAnswer(problem, requestId);
  const after = problem.extra["retryAfterSeconds"] ?? (soon.has(problem.code) ? 1 : undefined);
  if (after !== undefined) response.setHeader("Retry-After", String(after));
  response.removeHeader("Content-Length");
  response.writeHead(status, { ...headers, "cache-control": "no-store" }).end(JSON.stringify(body));
}
