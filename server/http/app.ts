/**
 * The Express app, made of routes: the steps that every request passes, in order, and what happens
 * to a request that matches no route.
 *
 *   request id → log → own headers → bound on headers → host → ops → routes → site → docs → 404 → problem+json
 *   a route: caller → rate → own page → role → handler (handler.ts)
 *
 * Deny by default. No CORS: no page of another origin may call with a user's credentials (auth.ts
 * has the rules for the cookie). Logs name the route as a template, never the path, the query or a
 * header, which hold tax ids, amounts and keys.
 */
import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from "express";
import { pinoHttp } from "pino-http";
import type { Changes, Sql, Tx } from "../db/db.ts";
import type { Callers, CookieSessions, Route } from "../kernel/api.ts";
import type { Config } from "../kernel/config.ts";
import type { createLog } from "../kernel/log.ts";
import type { Vault } from "../keys/vault.ts";
import { callerOf, createAuth } from "./auth.ts";
import { createDocs } from "./docs.ts";
import { createHandler } from "./handler.ts";
import { ownHeaders } from "./headers.ts";
import { createIdempotency } from "./idempotency.ts";
import { createLimits, limitHeaders, type RateConfig } from "./limits.ts";
import { createOps, type Measured, opsPaths, type Readiness, timed } from "./ops.ts";
import { describeError, sendProblem, toProblem } from "./problem.ts";
import { routeTable } from "./route-table.ts";
import type { StreamBounds } from "./streams.ts";

export type AppDeps = {
  sql: Sql;
  vault: Vault;
  /** Wakes what waits; openChanges of db/db.ts. */
  changes: Pick<Changes, "wait">;
  log: ReturnType<typeof createLog>;
  routes: readonly Route<Tx>[];
  /** Who may call. */
  callers: Callers<Tx>;
  config: RateConfig & Pick<Config, "MAX_BODY_BYTES" | "WAIT_MAX_SECONDS">;
  readiness: () => Promise<Readiness>;
  measured?: Measured;
  /** The software's version, for /openapi.json. */
  version: string;
  /** Abort it before the listening socket is closed: waits and streams end, and /readyz says no. */
  stopping?: AbortSignal;
  /** The console's sessions; without them only API keys sign in. */
  sessions?: CookieSessions<Tx>;
  /** Bounds on streams other than those of streams.ts. */
  streams?: Partial<StreamBounds>;
  /**
   * Which requests are served, by the host name that they ask for; without it, all. For a gateway
   * that serves only its own machine.
   */
  hostIsServed?: (request: IncomingMessage) => boolean;
  /**
   * Serves what is not a route: the console's files, without a rate limit. Sets its own
   * Content-Security-Policy.
   */
  site?: RequestHandler;
};

const requestIdOf = (request: IncomingMessage): string => {
  const header = request.headers["x-request-id"];
  return typeof header === "string" && /^[A-Za-z0-9._-]{1,64}$/.test(header)
    ? header
    : randomUUID();
};

export function createApp(deps: AppDeps): Express {
  const stopping = deps.stopping ?? new AbortController().signal;
  const limits = createLimits(deps.config, (request) => callerOf(request.res as express.Response));
  const auth = createAuth({
    sql: deps.sql,
    callers: deps.callers,
    sessions: deps.sessions,
    refused: limits.byAddress,
  });
  const handle = createHandler({
    sql: deps.sql,
    callers: deps.callers,
    exactly: createIdempotency({ sql: deps.sql, vault: deps.vault }),
    changes: deps.changes,
    maxBodyBytes: deps.config.MAX_BODY_BYTES,
    waitMaxSeconds: deps.config.WAIT_MAX_SECONDS,
    streams: deps.streams,
    stopping,
  });
  const table = routeTable(deps.routes);
  const document = async () => {
    const { openApi } = await import("./openapi.ts");
    return openApi(table as readonly Route<never>[], {
      version: deps.version,
      maxWaitSeconds: deps.config.WAIT_MAX_SECONDS,
    });
  };

  const app = express();
  app.disable("x-powered-by").disable("etag");
  app
    .set("query parser", false)
    .set("trust proxy", false)
    .set("case sensitive routing", true)
    .set("strict routing", true);

  app.use((request, response, next) => {
    request.id = requestIdOf(request);
    response.setHeader("X-Request-Id", request.id);
    next();
  });
  app.use(
    pinoHttp<express.Request, express.Response, string>({
      logger: deps.log,
      quietReqLogger: true,
      quietResLogger: true,
      customAttributeKeys: { reqId: "requestId" },
      autoLogging: { ignore: (request) => opsPaths.has(request.url) },
      customLogLevel: (_request, response) => (response.statusCode >= 500 ? "error" : "info"),
      customSuccessMessage: () => "answered",
      customErrorMessage: () => "answered",
      customSuccessObject: (request, response, { responseTime }) =>
        logLine(request, response, responseTime),
      customErrorObject: (request, response, _error, { responseTime }) =>
        logLine(request, response, responseTime),
    }),
  );
  app.use(...ownHeaders);
  app.use(limitHeaders);
  app.use((request, _response, next) => {
    if (deps.hostIsServed?.(request) === false)
      throw new Problem(
        "wrong-host",
        "This gateway is asked for by a name of its own machine alone, with its port",
      );
    next();
  });
  if (deps.measured) app.use(timed(deps.measured.metrics));
  app.use(createOps(deps.readiness, stopping, deps.measured));

  for (const [path, routes] of Map.groupBy(table, (route) => route.path)) {
    const methods = routes.map((route) => route.method.toUpperCase());
    const allow = [...methods, ...(methods.includes("GET") ? ["HEAD"] : []), "OPTIONS"].join(", ");
    const entry = app.route(path.replaceAll(/\{(\w+)\}/g, ":$1"));
    entry.all((_request, response, next) => {
      response.locals["route"] = path;
      next();
    });
    for (const route of routes) {
      if (route.signsIn) entry[route.method](limits.byAddress, auth.recognise, handle(route));
      else if (route.roles === "public")
        entry[route.method](limits.byAddress, limits.byBytes, handle(route));
      else
        entry[route.method](
          auth.authenticate,
          ...limits.byCaller(route.rawBody?.maxBytes ?? 0),
          auth.ownPage,
          auth.authorize(route.roles),
          handle(route),
        );
    }
    entry.options((_request, response) => void response.set("Allow", allow).status(204).end());
    entry.all((request, response) => {
      response.setHeader("Allow", allow);
      throw new Problem("method-not-allowed", `${request.method} is not known here; ${allow} are`);
    });
  }
  if (deps.site) app.use(deps.site);
  app.use(limits.byAddress, createDocs(document), () => {
    throw new Problem("not-found", "There is nothing at this path");
  });
  app.use(refuse);
  return app;
}

/** What the log says about a request. */
function logLine(
  request: express.Request,
  response: express.Response,
  milliseconds: unknown,
): Record<string, unknown> {
  const { keyId } = callerOf(response);
  const { route, code, operation, lines } = response.locals;
  return {
    method: request.method,
    route,
    status: response.statusCode,
    code,
    key: keyId || undefined,
    operation,
    lines,
    milliseconds,
    cut: response.writableFinished ? undefined : true,
  };
}

const refuse: ErrorRequestHandler = (error, request, response, _next) => {
  const problem = toProblem(error);
  response.locals["code"] = problem.code;
  // a client that disconnected in the middle of its request is not our fault
  if (problem.status >= 500 && !request.socket.destroyed)
    request.log.error({ error: describeError(error) }, problem.code);
  if (problem.status === 401 && !response.hasHeader("WWW-Authenticate"))
    response.setHeader("WWW-Authenticate", 'Bearer realm="onepiao"');
  sendProblem(response, problem, String(request.id));
};
