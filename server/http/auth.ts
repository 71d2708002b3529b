/**
 * Who calls, from `Authorization: Bearer <id>.<secret>` or the console's session cookie, and
 * whether the route is open to that caller. Deny by default.
 *
 * A browser adds the cookie to whatever a page makes it send. So a session's request that changes
 * something must come from a page of this origin (Sec-Fetch-Site, or Origin) and carry the
 * session's own token in X-CSRF-Token. Another page cannot send an API key in a header. Sessions
 * are looked up at every request: they end at once.
 *
 * A verified key is cached for at most KEY_MEMORY_MS under a hash of the whole credential: every
 * process refuses a revoked key after that time at the latest, and the key changes nothing in the
 * meantime (handler.ts). Refusals are not cached. Does not own: whose objects a caller may see
 * (features scope by `caller.account`), and how keys are made (features/parties/api-keys.ts).
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import type { Request, RequestHandler, Response } from "express";
import type { Sql, Tx } from "../db/db.ts";
import type { Caller, Callers, CookieSessions, Role } from "../kernel/api.ts";

/**
 * How long a key is accepted without asking the database: the bound on how late a revocation takes
 * effect.
 */
export const KEY_MEMORY_MS = 3_000;
const MEMORY_SIZE = 10_000;

const nobody: Caller = { keyId: "", account: "", roles: [] };

/** The caller of a request that passed `authenticate`. */
export const callerOf = (response: Response): Caller =>
  (response.locals["caller"] as Caller | undefined) ?? nobody;

export type Auth = {
  /** Finds the caller; a request without a valid key ends with 401. */
  authenticate: RequestHandler;
  /** For a session: lets through requests that only read, and requests from its own page. */
  ownPage: RequestHandler;
  /** Lets callers through that have one of the roles. */
  authorize(roles: readonly Role[]): RequestHandler;
  /**
   * For signing in: refuses another site's page, and finds the browser's session if there is one.
   * Requires none.
   */
  recognise: RequestHandler;
};

/**
 * Judges by what a browser says about the page that sends the request. Other clients say nothing,
 * and have no cookie that they did not mean to send.
 */
function fromOwnPage(request: Request): boolean {
  const site = request.get("sec-fetch-site");
  if (site !== undefined) return site === "same-origin" || site === "none";
  const origin = request.get("origin");
  return (
    origin === undefined || (URL.canParse(origin) && new URL(origin).host === request.get("host"))
  );
}

const digest = (text: string) => createHash("sha256").update(text).digest();
const safeMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

export type AuthDeps = {
  sql: Sql;
  callers: Callers<Tx>;
  /** Without it cookies are ignored. */
  sessions?: CookieSessions<Tx> | undefined;
  /** Counts requests without a valid key (per address) and may answer 429 instead. */
  refused: RequestHandler;
};

export function createAuth({ sql, callers, sessions, refused }: AuthDeps): Auth {
  const known = new Map<string, { caller: Caller; until: number }>();

  async function find(presented: string): Promise<Caller | undefined> {
    const hash = createHash("sha256").update(presented).digest("base64");
    const now = performance.now();
    const remembered = known.get(hash);
    if (remembered !== undefined && remembered.until > now) return remembered.caller;
    known.delete(hash);
    const caller = await callers.find(sql, presented);
    if (caller === undefined) return undefined;
    // oldest first: a Map keeps the order of insertion
    const oldest = known.size >= MEMORY_SIZE ? known.keys().next().value : undefined;
    if (oldest !== undefined) known.delete(oldest);
    // the time before the look-up: a revocation during it must count
    known.set(hash, { caller, until: now + KEY_MEMORY_MS });
    return caller;
  }

  return {
    authenticate: async (request, response, next) => {
      const header = request.headers.authorization;
      const cookie = header === undefined ? sessions?.read(request.headers.cookie) : undefined;
      const [, presented] = /^Bearer +(\S+)$/i.exec(header ?? "") ?? [];
      const caller =
        cookie !== undefined
          ? await sessions?.find(sql, cookie)
          : presented === undefined
            ? undefined
            : await find(presented);
      if (caller === undefined) {
        const [challenge, detail] =
          cookie !== undefined
            ? ['Bearer realm="onepiao"', "The session has ended: sign in again"]
            : header === undefined
              ? [
                  'Bearer realm="onepiao"',
                  "The request has no API key: Authorization: Bearer <id>.<secret>",
                ]
              : [
                  'Bearer realm="onepiao", error="invalid_token"',
                  "The API key is unknown, wrong or revoked",
                ];
        return refused(request, response, (error?: unknown) => {
          if (error === undefined) response.setHeader("WWW-Authenticate", challenge);
          next(error ?? new Problem("unauthenticated", detail));
        });
      }
      response.locals["caller"] = caller;
      next();
    },
    ownPage: (request, response, next) => {
      const { session } = callerOf(response);
      if (session === undefined || safeMethods.has(request.method)) return next();
      if (!fromOwnPage(request))
        throw new Problem("cross-site-request", "Another site's page has sent this");
      // hashed, so both have the same length
      if (timingSafeEqual(digest(request.get("x-csrf-token") ?? ""), digest(session.csrf)))
        return next();
      throw new Problem(
        "cross-site-request",
        "X-CSRF-Token is missing or not this session's: GET /v1/session has it",
      );
    },
    recognise: async (request, response, next) => {
      if (!fromOwnPage(request))
        throw new Problem("cross-site-request", "Another site's page has sent this");
      const cookie = sessions?.read(request.headers.cookie);
      const caller = cookie === undefined ? undefined : await sessions?.find(sql, cookie);
      if (caller !== undefined) response.locals["caller"] = caller;
      next();
    },
    authorize: (roles) => (_request, response, next) => {
      if (roles.some((role) => callerOf(response).roles.includes(role))) return next();
      throw new Problem("forbidden", `This needs the role ${roles.join(" or ")}`, {
        extra: { rolesNeeded: roles },
      });
    },
  };
}
