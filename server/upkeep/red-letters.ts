/**
 * Progress of red letters without a request: those whose act is on the chain get their number,
 * those whose act the chain refused go back to the employer, and those that nobody confirms within
 * 72 hours end.
 *
 * Each step reads and writes rows in one transaction, so that a process that dies in between leaves
 * a state that another can continue from.
 */

import { Problem } from "@onepiao/protocol/values/problems.ts";
import type { Sql } from "../db/db.ts";
import type { Issuing } from "../features/invoices/issuing.ts";
import type { RedLetters } from "../features/invoices/red-letters.ts";
import type { Log } from "../kernel/log.ts";
import type { Job } from "../kernel/loop.ts";

/** How long a reversed invoice waits for its red letter. */
const EVERY_MS = 200;
/** Checks that nobody waits for are less frequent. */
const SLOWLY_MS = 1_000;

export function createRedLetterJob({
  sql,
  redLetters,
  issuing,
  log,
}: {
  sql: Sql;
  redLetters: RedLetters;
  issuing: Issuing;
  log: Log;
}): Job {
  const drawing = new Set<string>();

  /** Draws the quota that a replacement needs, while other turns go on. */
  async function draw(id: string, { remedy }: Problem): Promise<void> {
    if (remedy === undefined || drawing.has(id)) return;
    drawing.add(id);
    try {
      await remedy();
    } catch (cause) {
      log.warn(
        { redLetter: id, error: cause instanceof Error ? cause.message : String(cause) },
        "quota cannot be drawn",
      );
    } finally {
      drawing.delete(id);
    }
  }

  async function issue(id: string): Promise<void> {
    try {
      await sql.begin((tx) => issuing.issueRedLetter(tx, id));
    } catch (cause) {
      if (!(cause instanceof Problem)) throw cause;
      log.warn({ redLetter: id, problem: cause.code }, "a red letter waits for its number");
      await redLetters.postpone(sql, id, cause.code);
      void draw(id, cause);
    }
  }

  let lastCheck = Number.NEGATIVE_INFINITY;
  return {
    name: "red-letters",
    everyMs: EVERY_MS,
    async run(stopping) {
      if (performance.now() - lastCheck >= SLOWLY_MS) {
        await sql.begin((tx) => redLetters.expire(tx));
        await sql.begin((tx) => redLetters.sendBack(tx));
        lastCheck = performance.now();
      }
      for (const id of await redLetters.due(sql)) {
        if (stopping.aborted) return;
        await issue(id);
      }
    },
  };
}
