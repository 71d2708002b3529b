/**
 * Expiry of idempotency keys: a stored answer is deleted when it is so many days old. What comes
 * after it is a new request; an original that has an id of its own (`sourceId`) is refused all the
 * same, and below it the chain seals a number once.
 *
 * In batches, oldest first, so that no statement holds many rows and a key that is being replayed
 * is passed over.
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
        const gone = await expireAnswers(sql, deps.days, batch);
        metrics.count("onepiao_idempotency_expired_total", {}, gone);
        more = gone === batch;
      }
    },
  };
}
