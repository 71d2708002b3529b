/**
 * `npm run validate:prices`: every price with tax inside from 0.01 to 100,000.00 at 1, 3, 5, 6, 9
 * and 13 %, alone and as lines of one invoice (prices/walk.ts). Sixty million prices, in a worker
 * thread for each processor; so it is not part of `npm test`, which walks a sample of them.
 */
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { dearest, percents, type Range, type Walked } from "./prices/walk.ts";

const SLICE = 1_000_000;
const slices = percents.flatMap((percent) =>
  Array.from({ length: dearest / SLICE }, (_, at): Range & { percent: number } => ({
    percent,
    from: at * SLICE + 1,
    to: (at + 1) * SLICE,
    step: 1,
  })),
);
const counts = new Map<number, number>();
const faults: string[] = [];

/** Gives a worker one slice after another, until none is left. */
async function work(): Promise<void> {
  const worker = new Worker(new URL("prices/worker.ts", import.meta.url));
  for (let slice = slices.shift(); slice !== undefined; slice = slices.shift()) {
    const answer = once(worker, "message");
    worker.postMessage(slice);
    const [walked] = (await answer) as [Walked];
    counts.set(slice.percent, (counts.get(slice.percent) ?? 0) + walked.prices);
    faults.push(...walked.faults);
  }
  await worker.terminate();
}

const begun = performance.now();
await Promise.all(Array.from({ length: availableParallelism() }, work));
for (const [percent, prices] of [...counts].sort(([a], [b]) => a - b))
  console.log(`${String(percent).padStart(2)} %  ${prices.toLocaleString("en-US")} prices`);
for (const fault of faults) console.error(fault);
const seconds = Math.round((performance.now() - begun) / 1000);
const all = [...counts.values()].reduce((sum, prices) => sum + prices, 0);
console.log(`${all.toLocaleString("en-US")} prices in ${seconds} s, ${faults.length} faults`);
if (faults.length > 0 || all !== percents.length * dearest) process.exitCode = 1;
