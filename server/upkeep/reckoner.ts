/**
 * The reckoning thread (reckoning.ts): a pool of its own; it runs one turn of a job after another,
 * on request.
 */
import { parentPort, workerData } from "node:worker_threads";
import { createCore, openNetwork } from "../core/core.ts";
import { openDb } from "../db/db.ts";
import { createAuditing } from "../features/bureau/auditing.ts";
import { createCounting } from "../features/bureau/counting.ts";
import { createLog } from "../kernel/log.ts";
import type { Job } from "../kernel/loop.ts";
import {
  type ReckonerData,
  type Reckoning,
  type Reply,
  type Request,
  reckonings,
} from "./reckoning.ts";
import { createReconcile } from "./reconcile.ts";

/** One connection for each job, and one for their look-ups. */
const CONNECTIONS = 4;

const port = parentPort;
if (!port) throw new Error("This file is run as a thread of the gateway");
const { config, deployment } = workerData as ReckonerData;
const log = createLog(config.LOG_LEVEL);
const sql = openDb(config.DATABASE_URL, { connections: CONNECTIONS });
const network = openNetwork(config, deployment);
const { vault, documents, contracts, audit, chain } = await createCore({
  sql,
  config,
  network,
  log,
});
const jobs: Record<Reckoning, Job> = {
  counting: createCounting({
    sql,
    vault,
    log,
    documentOf: ({ number, document }) => documents.open(number, document),
    depositedOf: audit.documentsOf,
    everyMs: reckonings.counting,
  }),
  audit: createAuditing({
    sql,
    audit,
    log,
    patienceSeconds: config.AUDIT_PATIENCE_SECONDS,
    everyMs: reckonings.audit,
  }).job,
  reconcile: createReconcile({
    sql,
    documents,
    chain,
    contracts,
    log,
    days: config.RECONCILE_DAYS,
    perSecond: config.RECONCILE_PER_SECOND,
    everyMs: reckonings.reconcile,
  }).job,
};

const running = new Map<number, AbortController>();

async function haveTurn(run: Reckoning, turn: number): Promise<void> {
  const stopping = new AbortController();
  running.set(turn, stopping);
  const reply: Reply = { turn };
  try {
    await jobs[run].run(stopping.signal);
  } catch (cause) {
    reply.error = cause instanceof Error ? cause.message : String(cause);
  }
  running.delete(turn);
  port?.postMessage(reply);
}

port.on("message", (request: Request) => {
  if (request === "end") {
    port.close();
    chain.close();
    void sql.end({ timeout: 1 });
  } else if ("stop" in request) running.get(request.stop)?.abort();
  else void haveTurn(request.run, request.turn);
});
