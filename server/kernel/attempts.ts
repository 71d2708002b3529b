/**
 * How often something was tried recently, for any number of things, in memory that never grows.
 *
 * Things that hash to the same place share a counter, and each thing has two; its smaller counter
 * is its number of attempts. So the number is never too small, and sometimes too large: an attacker
 * who fills the table locks others out, but gets nobody in. The hash is keyed, so that nobody can
 * choose which things share a counter. Counts are of this process, and restart with each window.
 */
import { createHmac, randomBytes } from "node:crypto";

const PLACES = 1 << 16;

export type Attempts = {
  /**
   * Counts an attempt at `thing`. Returns 0, or the seconds until it may be tried again; then the
   * attempt is not counted.
   */
  take(thing: string): number;
  /** Takes back an attempt that should not count. */
  giveBack(thing: string): void;
};

export function createAttempts({
  limit,
  windowMs,
  now = Date.now,
}: {
  limit: number;
  windowMs: number;
  now?: () => number;
}): Attempts {
  const key = randomBytes(32);
  const counters = new Uint16Array(2 * PLACES);
  let window = -1;

  function placesOf(thing: string): [number, number] {
    const hash = createHmac("sha256", key).update(thing).digest();
    return [hash.readUInt16BE(0), PLACES + hash.readUInt16BE(2)];
  }
  const count = (place: number) => counters[place] ?? 0;

  return {
    take(thing) {
      const time = now();
      const current = Math.floor(time / windowMs);
      if (current !== window) {
        counters.fill(0);
        window = current;
      }
      const [first, second] = placesOf(thing);
      if (Math.min(count(first), count(second)) >= limit)
        return Math.max(1, Math.ceil(((current + 1) * windowMs - time) / 1_000));
      for (const place of [first, second]) counters[place] = Math.min(count(place) + 1, 0xffff);
      return 0;
    },
    giveBack(thing) {
      for (const place of placesOf(thing)) counters[place] = Math.max(0, count(place) - 1);
    },
  };
}
