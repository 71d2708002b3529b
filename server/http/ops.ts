/**
 * For whoever operates the process: /livez (it turns) and /readyz (it can do its work). No key, no limit, no log.
 *
 * One check runs at a time and serves all who ask within a second, so that asking often costs nothing.
 */
import { Router } from "express";

export type Readiness = { ok: boolean; checks: Record<string, { ok: boolean; detail?: string }> };

const FRESH_MS = 1_000;

export const opsPaths: ReadonlySet<string> = new Set(["/livez", "/readyz"]);

export function createOps(readiness: () => Promise<Readiness>, stopping: AbortSignal): Router {
  let last: { at: number; answer: Promise<Readiness> } | undefined;
  const ask = (): Promise<Readiness> => {
    if (last === undefined || performance.now() - last.at > FRESH_MS) {
      // why a check broke is in its own log; nobody without a key learns it here
      last = { at: performance.now(), answer: readiness().catch(() => ({ ok: false, checks: {} })) };
    }
    return last.answer;
  };
  const router = Router();
  router.get("/livez", (_request, response) => void response.set("Cache-Control", "no-store").json({ ok: true }));
  router.get("/readyz", async (_request, response) => {
    const answer: Readiness = stopping.aborted ? { ok: false, checks: { running: { ok: false, detail: "the process stops" } } } : await ask();
    response
      .status(answer.ok ? 200 : 503)
      .set("Cache-Control", "no-store")
      .json(answer);
  });
  return router;
}
