/**
 * Asks again what an event is about: lists, and of invoices only those that it names. A clerk's page shows hundreds of invoices; if
 * each event asked for all of them, a busy employer would use up its key's rate.
 */
import { useQueryClient } from "@tanstack/react-query";
import { useRef } from "react";
import { useEvents } from "../../shared/live.tsx";

const lists = [["claims"], ["claim"], ["externals"], ["invoices"], ["entries"], ["red-letters"]] as const;
/** Many events at once are one question. */
const GATHER_MS = 500;

export function useEmployerRefresh(): void {
  const queries = useQueryClient();
  const named = useRef(new Set<string>());
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEvents("all", ({ number, external }) => {
    for (const name of [number, external]) if (name !== undefined) named.current.add(name);
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      const names = [...named.current];
      named.current.clear();
      for (const queryKey of [...lists, ...names.flatMap((name) => ["invoice", "history", "external", "entry"].map((kind) => [kind, name]))])
        void queries.invalidateQueries({ queryKey });
    }, GATHER_MS);
  });
}
