/**
 * What becomes of red letters without anybody asking: those whose act the chain has get their
 * number, those that the chain has not let through go to the employer, and those that nobody has
 * confirmed in 72 hours end.
 *
 * Each step reads rows and writes them in one transaction, so that a process that dies between
 * leaves what another finds.
 */

import { Problem } from "@onepiao/protocol/values/problems.ts";
import type { Sql } from "../db/db.ts";
import type { Issuing } from "../features/invoices/issuing.ts";
import type { RedLetters } from "../features/invoices/red-letters.ts";
import type { Log } from "../kernel/log.ts";
import type { Job } from "../kernel/loop.ts";

/** An invoice that is reversed waits so long for its red letter. */
const EVERY_MS = 200;
/** What nobody waits for by the second is looked for less often. */
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

  /** Draws, beside the others' turns, the quota that a replacement needs. */
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

  let looked = Number.NEGATIVE_INFINITY;
  return {
    name: "red-letters",
    everyMs: EVERY_MS,
    async run(stopping) {
      if (performance.now() - looked >= SLOWLY_MS) {
        await sql.begin((tx) => redLetters.expire(tx));
        await sql.begin((tx) => redLetters.sendBack(tx));
        looked = performance.now();
      }
      for (const id of await redLetters.due(sql)) {
        if (stopping.aborted) return;
        await issue(id);
      }
    },
  };
}
