/** Long work on the event loop's own thread, in slices: other due work runs between them. */
import { setImmediate } from "node:timers/promises";

/** Milliseconds of work without a pause. */
const SLICE_MS = 8;

/**
 * Call and await the result between two steps of the work: it yields to the event loop when a slice
 * is over, and costs nothing before.
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
