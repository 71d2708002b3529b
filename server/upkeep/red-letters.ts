/**
 * Progress of red letters without a request: those whose act is on the chain get their number,
 * those whose act the chain refused go back to the employer, and those that nobody confirms within
 * 72 hours end.
 *
 * Each step reads and writes rows in one transaction, so that a process that dies in between leaves
 * a state that another can continue from.
 */

import { Problem } from "@onepiao/protocol/values/problems.ts";
import type { Changes, Sql } from "../db/db.ts";
import type { Issuing } from "../features/invoices/issuing.ts";
import type { RedLetters } from "../features/invoices/red-letters.ts";
import type { Log } from "../kernel/log.ts";
import type { Job } from "../kernel/loop.ts";

/** A block brings a reversal, or its refusal; only time ends a sheet, or a postponement. */
const EVERY_MS = 1_000;

export function createRedLetterJob({
  sql,
  redLetters,
  issuing,
  changes,
  log,
}: {
  sql: Sql;
  redLetters: RedLetters;
  issuing: Issuing;
  changes: Changes;
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

  return {
    name: "red-letters",
    everyMs: EVERY_MS,
    listen: (changed) => changes.on(["block"], changed),
    async run(stopping) {
      const { due, late, sentBack } = await redLetters.todo(sql);
      if (late) await sql.begin((tx) => redLetters.expire(tx));
      if (sentBack) await sql.begin((tx) => redLetters.sendBack(tx));
      for (const id of due) {
        if (stopping.aborted) return;
        await issue(id);
      }
    },
  };
}
