/**
 * One Idempotency-Key for one intention: while it is not known what became of it (the answer is
 * lost, the gateway restarts), the same again goes with the same key and is done once; after an
 * answer the next one is a new intention.
 */
import { newKey } from "../../../clients/typescript/index.ts";
import { Refusal } from "./client.ts";

/** Of a POST: its Idempotency-Key, and the seconds that its answer may take. */
export type Once = { key: string; wait: number };

/** Long enough for a block or two, short enough to look at. */
const PATIENCE_SECONDS = 20;

export const newOnce = (): Once => ({ key: newKey(), wait: PATIENCE_SECONDS });

/**
 * Does what is wanted, each intention under its key, and with the moment at which it began
 * (milliseconds): who asks for something "in a week" asks for the same day when it is tried again.
 * What is wanted is known by its JSON text. With `keep` every intention stays open until its own
 * answer comes; without it a form's next intention ends those that wait for no answer any more: who
 * turns something on, then off, and on again, means it a second time.
 */
export function createIntentions({ keep = false } = {}) {
  const open = new Map<string, { once: Once; at: number; running: number }>();
  return async function run<R>(
    wanted: unknown,
    work: (once: Once, at: number) => Promise<R>,
  ): Promise<R> {
    const text = JSON.stringify(wanted) ?? "";
    if (!keep)
      for (const [other, { running }] of open)
        if (other !== text && running === 0) open.delete(other);
    const intention = open.get(text) ?? { once: newOnce(), at: Date.now(), running: 0 };
    open.set(text, intention);
    intention.running += 1;
    try {
      const result = await work(intention.once, intention.at);
      open.delete(text);
      return result;
    } catch (error) {
      if (!(error instanceof Refusal) || !error.passing) open.delete(text);
      throw error;
    } finally {
      intention.running -= 1;
    }
  };
}
