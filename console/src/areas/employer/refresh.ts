/**
 * Asks again what an event is about: lists, and of invoices only those that it names. A clerk's
 * page shows hundreds of invoices; if each event asked for all of them, a busy employer would use
 * up its key's rate.
 */
import { useQueryClient } from "@tanstack/react-query";
import { useRef } from "react";
import { useEvents } from "../../shared/live.tsx";
import { namesIn, questionsOf } from "./questions.ts";

/** Many events at once are one question. */
const GATHER_MS = 500;

export function useEmployerRefresh(): void {
  const queries = useQueryClient();
  const named = useRef(new Set<string>());
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEvents("all", (event) => {
    for (const name of namesIn(event)) named.current.add(name);
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      const questions = questionsOf(named.current);
      named.current.clear();
      for (const queryKey of questions) void queries.invalidateQueries({ queryKey });
    }, GATHER_MS);
  });
}
