/**
 * Jobs for the tests of worker processes: they answer, refuse, wait until released, run for ever,
 * or take all memory.
 */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { serve } from "../../../server/kernel/workers.ts";

export const work = {
  echo: (value: unknown) => value,
  refuse(field: string): never {
    throw new Problem("invalid-document", "It breaks a rule", {
      violations: [{ field, rule: "rule", detail: "it is so" }],
    });
  },
  fail(): never {
    throw new TypeError("a fault of ours");
  },
  /** Reports its start, and waits until it is released. */
  async hold(folder: string): Promise<string> {
    writeFileSync(join(folder, "begun"), "");
    while (!existsSync(join(folder, "go"))) await delay(5);
    return "held";
  },
  spin(): never {
    for (;;);
  },
  eat(): number {
    const all: unknown[] = [];
    for (;;) all.push(new Array(10_000).fill(all.length));
  },
  /**
   * Allocates much more memory than there is, at once: in a thread this would end the whole
   * process.
   */
  gulp(): number {
    const all = Array.from({ length: 64 }, (_, i) => new Array(4_000_000).fill({ i }));
    return all.length;
  },
  /** The names of its environment variables, without those that the system adds. */
  settings: () =>
    Object.keys(process.env)
      .filter((name) => !name.startsWith("NODE_CHANNEL"))
      .sort(),
};

serve(work);
