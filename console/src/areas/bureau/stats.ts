/**
 * Fetches the statistics for the dashboard, and fetches them again after events: at most once a
 * second, and once more while the gateway has not yet counted the latest event.
 */
import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { ask } from "../../shared/client.ts";
import { chinaMidnight } from "../../shared/days.ts";
import { useEvents } from "../../shared/live.tsx";
import type { ChainStats, Grain, Measure } from "./figures.ts";

const STATS = "stats";
const EVERY_MS = 1_000;
/** After this many tries it waits for the next event. */
const MAX_TRIES = 10;
/** Refreshes without events too, because the time windows move on. */
const IDLE_MS = 15_000;

const common = { placeholderData: keepPreviousData, refetchInterval: IDLE_MS } as const;

export const useInvoiceStats = (grain: Grain) =>
  useQuery({
    queryKey: [STATS, "invoices", grain],
    queryFn: () => ask("GET /v1/stats/invoices", { query: { grain } }),
    ...common,
  });

export const useToday = () =>
  useQuery({
    queryKey: [STATS, "today"],
    queryFn: () =>
      ask("GET /v1/stats/invoices", { query: { grain: "day", from: chinaMidnight() } }),
    ...common,
  });

export const useIssuers = (grain: "day" | "month", { by, currency }: Measure, limit: number) =>
  useQuery({
    queryKey: [STATS, "issuers", grain, by, currency, limit],
    queryFn: () => ask("GET /v1/stats/issuers", { query: { grain, by, currency, limit } }),
    ...common,
  });

export const useFlow = () =>
  useQuery({ queryKey: [STATS, "flow"], queryFn: () => ask("GET /v1/stats/flow"), ...common });

export const useQuotas = (limit: number) =>
  useQuery({
    queryKey: [STATS, "quotas", limit],
    queryFn: () => ask("GET /v1/stats/quotas", { query: { limit } }),
    ...common,
  });

export const useChain = () =>
  useQuery({
    queryKey: [STATS, "chain"],
    queryFn: () => ask("GET /v1/stats/chain"),
    ...common,
    refetchInterval: 5_000,
  });

export const useLatestRefusals = (limit: number) =>
  useQuery({
    queryKey: [STATS, "refusals", limit],
    queryFn: () => ask("GET /v1/stats/refusals", { query: { limit } }),
    ...common,
  });

/** Keeps all visible statistics up to date. For the page that shows them. */
export function useLiveStats(): void {
  const queries = useQueryClient();
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const latestBlock = useRef(0);
  const tries = useRef(0);
  const look = useRef(() => {});
  useEffect(() => {
    look.current = () => {
      timer.current ??= setTimeout(async () => {
        const from = latestBlock.current;
        await queries.invalidateQueries({ queryKey: [STATS] });
        timer.current = undefined;
        const counted =
          queries.getQueryData<ChainStats>([STATS, "chain"])?.counted?.block ??
          Number.POSITIVE_INFINITY;
        tries.current = latestBlock.current > from ? 0 : tries.current + 1;
        // an event arrived meanwhile, or is not counted yet
        if (
          latestBlock.current > from ||
          (counted < latestBlock.current && tries.current < MAX_TRIES)
        )
          look.current();
      }, EVERY_MS);
    };
    return () => {
      clearTimeout(timer.current);
      timer.current = undefined;
      look.current = () => {};
    };
  }, [queries]);
  useEvents("all", ({ block }) => {
    latestBlock.current = Math.max(latestBlock.current, block);
    look.current();
  });
}
