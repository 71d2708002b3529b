/**
 * Fetches again what an event is about: lists, and only the invoices that it names. A clerk's page
 * shows hundreds of invoices. If every event fetched all of them, a busy employer would exceed its
 * key's rate limit.
 */
import { useQueryClient } from "@tanstack/react-query";
import { useRef } from "react";
import { useEvents } from "../../shared/live.tsx";
import { namesIn, questionsOf } from "./questions.ts";

/** Fetches once for events that arrive within this time. */
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
