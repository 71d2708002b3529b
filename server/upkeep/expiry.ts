/**
 * Expiry of idempotency keys: a stored answer is deleted when it is older than the configured days.
 * A later request with that key is a new request; an original with an id of its own (`sourceId`) is
 * still refused, and below that the chain seals a number once.
 *
 * In batches, oldest first, so that no statement locks many rows; a key that is being replayed is
 * skipped.
 */
import type { Sql } from "../db/db.ts";
import { expireAnswers } from "../http/kept-answers.ts";
import type { Job } from "../kernel/loop.ts";
import type { Metrics } from "../kernel/metrics.ts";

const BATCH = 1_000;
const EVERY_MS = 60_000;

export function createExpiry(deps: {
  sql: Sql;
  metrics: Metrics;
  days: number;
  batch?: number;
}): Job {
  const { sql, metrics, batch = BATCH } = deps;
  return {
    name: "expiry",
    everyMs: EVERY_MS,
    async run(stopping) {
      for (let more = true; more && !stopping.aborted; ) {
        const deleted = await expireAnswers(sql, deps.days, batch);
        metrics.count("onepiao_idempotency_expired_total", {}, deleted);
        more = deleted === batch;
      }
    },
  };
}
