/**
 * Acts: what changes something. One Idempotency-Key for one intention: while it is not known what became of it (the answer was
 * lost, the gateway restarts), the same again goes with the same key and is done once; after an answer the next one is new.
 */
import { type QueryKey, useMutation, useQueryClient } from "@tanstack/react-query";
import { useRef } from "react";
import { Refusal } from "./client.ts";

/** Headers of a POST; `params: { header: once }`. */
export type Once = { "Idempotency-Key": string; Prefer: string };

/** Long enough for a block or two, short enough to look at. */
const PATIENCE = "wait=20";

/** randomUUID is there on secure pages alone. */
function newKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const newOnce = (): Once => ({ "Idempotency-Key": newKey(), Prefer: PATIENCE });

/**
 *   const reject = useAct((reason: string, once) => ask(api.POST("/v1/claims/{id}/reject", { params: { path: { id }, header: once }, body: { reason } })),
 *     { refreshes: [["claims"]] });
 *   reject.mutate("…")      // reject.isPending, reject.error (show it with ProblemNote), reject.data
 */
export function useAct<V, R>(work: (value: V, once: Once) => Promise<R>, { refreshes = [] }: { refreshes?: readonly QueryKey[] } = {}) {
  const open = useRef<{ of: string; once: Once } | undefined>(undefined);
  const queries = useQueryClient();
  return useMutation<R, Error, V>({
    async mutationFn(value) {
      const of = JSON.stringify(value) ?? "";
      if (open.current?.of !== of) open.current = { of, once: newOnce() };
      try {
        const result = await work(value, open.current.once);
        open.current = undefined;
        return result;
      } catch (error) {
        if (!(error instanceof Refusal) || !error.passing) open.current = undefined;
        throw error;
      }
    },
    // what was refused may have been refused because something is not as shown
    onSettled: () => Promise.all(refreshes.map((queryKey) => queries.invalidateQueries({ queryKey }))),
  });
}
