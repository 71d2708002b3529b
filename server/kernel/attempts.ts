/**
 * How often something has been tried of late, for as many things as anybody names, in memory that
 * never grows.
 *
 * Counters are shared by what hashes to the same place, twice over; a thing has been tried as often
 * as its smaller counter says. So it is never less than it was, and sometimes more: whoever fills
 * the table locks out, and lets nobody through. The hash is keyed, or somebody could choose what
 * falls together with what. Counts are of this process, and begin anew with each window.
 */
import { createHmac, randomBytes } from "node:crypto";

const PLACES = 1 << 16;

export type Attempts = {
  /**
   * Counts an attempt at `thing`. Returns 0, or after how many seconds it may be tried again; then
   * nothing is counted.
   */
  take(thing: string): number;
  /** The attempt was none to be counted. */
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
      const [one, other] = placesOf(thing);
      if (Math.min(count(one), count(other)) >= limit)
        return Math.max(1, Math.ceil(((current + 1) * windowMs - time) / 1_000));
      for (const place of [one, other]) counters[place] = Math.min(count(place) + 1, 0xffff);
      return 0;
    },
    giveBack(thing) {
      for (const place of placesOf(thing)) counters[place] = Math.max(0, count(place) - 1);
    },
  };
}
