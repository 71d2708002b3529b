/**
 * For the operator of the process: /livez (it runs), /readyz (it can do its work), /metrics (with
 * the operator's token). No API key, no rate limit, no log; /livez and /readyz say nothing that a
 * stranger must not read.
 *
 * One check runs at a time and serves everyone who asks within a second, so frequent requests cost
 * nothing.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { type RequestHandler, Router } from "express";
import type { Metrics } from "../kernel/metrics.ts";

/**
 * A load balancer goes by the `ok` of the whole. A check can fail without it, when other processes
 * could not do the work either.
 */
export type Readiness = { ok: boolean; checks: Record<string, { ok: boolean; detail?: string }> };

const FRESH_MS = 1_000;

export const opsPaths: ReadonlySet<string> = new Set(["/livez", "/readyz", "/metrics"]);

/** `token`: what /metrics asks for; without a token there is no /metrics. */
export type Measured = { metrics: Metrics; token?: string | undefined };

/** Measures every answer to others than the operator, by its route's template. */
export function timed(metrics: Metrics): RequestHandler {
  return (request, response, next) => {
    const begun = performance.now();
    response.once("close", () => {
      if (opsPaths.has(request.path)) return;
      const labels = {
        route: (response.locals["route"] as string | undefined) ?? "none",
        // a request may name any method
        method: METHODS.has(request.method) ? request.method : "other",
        status: response.writableFinished ? `${Math.floor(response.statusCode / 100)}xx` : "cut",
      };
      metrics.observe("onepiao_http_request_seconds", (performance.now() - begun) / 1_000, labels);
    });
    next();
  };
}
const METHODS: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
]);

const hash = (text: string) => createHash("sha256").update(text).digest();

export function createOps(
  readiness: () => Promise<Readiness>,
  stopping: AbortSignal,
  measured?: Measured,
): Router {
  let last: { at: number; answer: Promise<Readiness> } | undefined;
  const ask = (): Promise<Readiness> => {
    if (last === undefined || performance.now() - last.at > FRESH_MS) {
      // why a check broke is in its own log; a caller without a key does not learn it here
      last = {
        at: performance.now(),
        answer: readiness().catch(() => ({ ok: false, checks: {} })),
      };
    }
    return last.answer;
  };
  const router = Router();
  router.get(
    "/livez",
    (_request, response) => void response.set("Cache-Control", "no-store").json({ ok: true }),
  );
  router.get("/readyz", async (_request, response) => {
    const answer: Readiness = stopping.aborted
      ? { ok: false, checks: { running: { ok: false, detail: "the process stops" } } }
      : await ask();
    response
      .status(answer.ok ? 200 : 503)
      .set("Cache-Control", "no-store")
      .json(answer);
  });
  if (measured?.token !== undefined) {
    const expected = hash(`Bearer ${measured.token}`);
    router.get("/metrics", async (request, response) => {
      // of equal length whatever was presented
      if (!timingSafeEqual(hash(request.get("authorization") ?? ""), expected)) {
        response.setHeader("WWW-Authenticate", 'Bearer realm="metrics"');
        throw new Problem(
          "unauthenticated",
          "The request does not have the operator's token: Authorization: Bearer <METRICS_TOKEN>",
        );
      }
      const { type, text } = await measured.metrics.scrape();
      response.status(200).set({ "Cache-Control": "no-store", "Content-Type": type }).send(text);
    });
  }
  return router;
}
