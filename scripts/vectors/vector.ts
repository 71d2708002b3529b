/**
 * A vector: a bundle, and what every checker must find of it. The bundle is one of a file's, with a
 * JSON Patch (RFC 6902) on it.
 */
import type { BundleResult, VerdictStep } from "@onepiao/protocol/proofs/verdict.ts";

export type Operation =
  | { op: "add" | "replace"; path: string; value: unknown }
  | { op: "remove"; path: string };

export type Expected = {
  /** By the registry's snapshot, without a node. */
  registry: BundleResult;
  /** By a node, right after the lot was sealed. */
  chain: BundleResult;
  /** The first step that fails, by a node; none when none does. */
  step?: VerdictStep["step"];
  /** The contradictions' rules, in their order. */
  rules?: string[];
  /** What an import says: "accepted", or the rule that it is refused by. */
  import: string;
};

/** `bundle`: `<file>/<name of the bundle>`. */
export type Vector = {
  name: string;
  what: string;
  bundle: string;
  patch: Operation[];
  expect: Expected;
};

/** It holds: sealed by its issuer, as far as it shows; other outcomes are named. */
export const holds = (but: Partial<Expected>): Expected => ({
  registry: "sealed",
  chain: "valid",
  import: "accepted",
  ...but,
});

/** It fails at a step. `rule`: what an import refuses it by, when that is not the step's name. */
export const fails = (
  step: VerdictStep["step"],
  result: BundleResult = "altered",
  rule?: string,
): Expected => ({
  registry: result,
  chain: result,
  step,
  ...(result === "contradictory" ? { rules: rule === undefined ? [] : [rule] } : {}),
  import: rule ?? (step === "network" ? "same-network" : step),
});

/** A JSON Patch's three plainest operations on a copy of `value`. */
export function patched<T>(value: T, patch: readonly Operation[]): T {
  const copy = structuredClone(value);
  for (const operation of patch) {
    const steps = operation.path.split("/").slice(1);
    const last = steps.pop() as string;
    const target = steps.reduce<unknown>(
      (parent, step) => (parent as Record<string, unknown>)[step],
      copy,
    );
    if (Array.isArray(target)) {
      const place = last === "-" ? target.length : Number(last);
      if (operation.op === "remove") target.splice(place, 1);
      else
        target.splice(place, operation.op === "replace" ? 1 : 0, structuredClone(operation.value));
    } else if (operation.op === "remove") delete (target as Record<string, unknown>)[last];
    else (target as Record<string, unknown>)[last] = structuredClone(operation.value);
  }
  return copy;
}
