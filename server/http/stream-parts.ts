/** What streams (streams.ts) and loads (loading.ts) share: places, and bounds on waiting. */
import { Problem } from "@onepiao/protocol/values/problems.ts";
import type { Response } from "express";

/** Streams at a time in this process, of one party and of all. */
export type PlaceBounds = { ofParty: number; ofAll: number };

export const seconds = (milliseconds: number) => `${milliseconds / 1_000} s`;

/** The promise's value; throws the signal's reason, or what `late` makes when the time is up. */
export function within<T>(
  promise: Promise<T>,
  milliseconds: number,
  signal: AbortSignal,
  late: () => Problem,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = () => reject(signal.reason);
    const timer = setTimeout(() => reject(late()), milliseconds);
    if (signal.aborted) ended();
    else signal.addEventListener("abort", ended, { once: true });
    promise.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal.removeEventListener("abort", ended);
    });
  });
}

/** Resolves when the answer has room, throws when its client has not read for `readMs`. */
export async function drained(
  response: Response,
  readMs: number,
  disconnected: AbortSignal,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  response.once("drain", resolve);
  try {
    await within(
      promise,
      readMs,
      disconnected,
      () => new Problem("too-slow", `The answer has not been read for ${seconds(readMs)}`),
    );
  } finally {
    response.off("drain", resolve);
  }
}

/** Places for streams in this process. */
export function createPlaces(bounds: PlaceBounds) {
  const open = new Map<string, number>();
  return {
    /** Takes a party's place; returns the function that gives it back. Throws too-many-streams. */
    takePlace(account: string): () => void {
      const own = open.get(account) ?? 0;
      const all = [...open.values()].reduce((sum, count) => sum + count, 0);
      if (own >= bounds.ofParty || all >= bounds.ofAll) {
        const max = own >= bounds.ofParty ? bounds.ofParty : bounds.ofAll;
        throw new Problem(
          "too-many-streams",
          own >= bounds.ofParty
            ? `The party has ${own} of these streams open here`
            : `${all} of these streams are open here`,
          { extra: { maxStreams: max } },
        );
      }
      open.set(account, own + 1);
      return () => {
        const left = (open.get(account) ?? 1) - 1;
        if (left > 0) open.set(account, left);
        else open.delete(account);
      };
    },
  };
}
