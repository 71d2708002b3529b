/** Requests that change something. Each intention is carried out once (intentions.ts). */
import { type QueryKey, useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { createIntentions, type Once } from "./intentions.ts";

/**
 *   const reject = useAct(
 *     (reason: string, once) =>
 *       ask("POST /v1/claims/{id}/reject", { params: { id }, ...once, body: { reason } }),
 *     { refreshes: [["claims"]] },
 *   );
 *   reject.mutate("…"); // reject.isPending, reject.data, reject.error (show it with ProblemNote)
 */
export function useAct<V, R>(
  work: (value: V, once: Once, at: number) => Promise<R>,
  { refreshes = [] }: { refreshes?: readonly QueryKey[] } = {},
) {
  const [run] = useState(createIntentions);
  const queries = useQueryClient();
  return useMutation<R, Error, V>({
    mutationFn: (value) => run(value, (once, at) => work(value, once, at)),
    // also after a refusal: it may mean that the page is out of date
    onSettled: () =>
      Promise.all(refreshes.map((queryKey) => queries.invalidateQueries({ queryKey }))),
  });
}
