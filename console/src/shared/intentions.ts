/**
 * One Idempotency-Key for each intention. While its outcome is unknown (the response is lost, the
 * gateway restarts), a retry uses the same key and the work is done once. After a response, the
 * next request is a new intention.
 */
import { newKey } from "../../../clients/typescript/index.ts";
import { Refusal } from "./client.ts";

/** For a POST: its Idempotency-Key, and how many seconds its response may take. */
export type Once = { key: string; wait: number };

/** Long enough for a block or two, and short enough for a person to wait. */
const PATIENCE_SECONDS = 20;

export const newOnce = (): Once => ({ key: newKey(), wait: PATIENCE_SECONDS });

/**
 * Sends a request under the key of its intention, with the time at which the intention started (in
 * milliseconds): "in a week" then means the same day in every retry. Two requests are the same
 * intention if their JSON text is equal. With `keep`, every intention stays open until its own
 * response arrives. Without it, the next intention of a form closes the open ones: a person who
 * turns something on, off, and on again means it a second time.
 */
export function createIntentions({ keep = false } = {}) {
  const open = new Map<string, { once: Once; at: number; running: number }>();
  return async function run<R>(
    input: unknown,
    work: (once: Once, at: number) => Promise<R>,
  ): Promise<R> {
    const text = JSON.stringify(input) ?? "";
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
