/**
 * Long work on the event loop's own thread, in slices: whatever else is due gets its turn between
 * them.
 */
import { setImmediate } from "node:timers/promises";

/** Milliseconds of work at a stretch. */
const SLICE_MS = 8;

/**
 * To be called and awaited between two steps of the work: lets the event loop go when a slice is
 * over, and costs nothing before.
 */
export function createSlices(): () => Promise<void> | undefined {
  let since = performance.now();
  return () =>
    performance.now() - since < SLICE_MS
      ? undefined
      : setImmediate().then(() => {
          since = performance.now();
        });
}
