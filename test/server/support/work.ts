/** Work for threads that are tested: it answers, refuses, waits until it is let go, goes on for ever, or takes all memory. */
import { Problem } from "../../../server/kernel/problems.ts";
import { serve } from "../../../server/kernel/threads.ts";

export const work = {
  echo: (value: unknown) => value,
  refuse(field: string): never {
    throw new Problem("invalid-document", "It breaks a rule", { violations: [{ field, rule: "rule", detail: "it is so" }] });
  },
  fail(): never {
    throw new TypeError("a fault of ours");
  },
  /** Says that it is there in the first word, and waits for the second. */
  hold(words: SharedArrayBuffer): string {
    const [at] = [new Int32Array(words)];
    Atomics.store(at, 0, 1);
    Atomics.notify(at, 0);
    Atomics.wait(at, 1, 0);
    return "held";
  },
  spin(): never {
    for (;;);
  },
  eat(): number {
    const all: unknown[] = [];
    for (;;) all.push(new Array(10_000).fill(all.length));
  },
};

serve(work);
