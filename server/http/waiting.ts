/**
 * Prefer: wait (RFC 7240): holds an answer until the work that goes on after it has ended.
 *
 * Holds no connection and no lock while it waits. Changes wake it; it also looks at least every
 * half second (a notification can be lost with its connection), and gives up at once when its
 * client disconnects.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Changes } from "../db/db.ts";

/** Longest time between two looks. */
const POLL_MS = 500;
/**
 * Shortest time between two looks: a busy chain announces changes faster than waiters need them.
 */
const PAUSE_MS = 20;

/**
 * Seconds of `Prefer: wait=N`, at most `max`; 0 when the request has none. A preference that cannot
 * be read is not an error (RFC 7240 §2).
 */
export function preferredWait(prefer: string | undefined, max: number): number {
  const [, seconds] = /(?:^|,)\s*wait\s*=\s*"?(\d{1,9})"?\s*(?=$|[,;])/i.exec(prefer ?? "") ?? [];
  return Math.min(Number(seconds ?? 0), max);
}

/** Calls `look` until it returns something; undefined when time is up or `signal` is aborted. */
export async function waitFor<T>(
  look: () => Promise<T | undefined>,
  {
    milliseconds,
    changes,
    signal,
  }: { milliseconds: number; changes: Pick<Changes, "wait">; signal: AbortSignal },
): Promise<T | undefined> {
  const end = performance.now() + milliseconds;
  const aborted = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  while (!signal.aborted) {
    const left = Math.max(0, end - performance.now());
    // listen before the look: a change between look and wait must not be missed
    const changed = changes.wait(Math.min(POLL_MS, left), "block", "outcome");
    const value = await look();
    if (value !== undefined) return value;
    if (left === 0) return undefined;
    await Promise.race([changed, aborted]);
    await Promise.race([delay(Math.min(PAUSE_MS, left)), aborted]);
  }
  return undefined;
}
