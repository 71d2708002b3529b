/**
 * Who calls, from `Authorization: Bearer <id>.<secret>`, and whether the route is for such callers. Deny by default.
 *
 * A verified key is remembered for at most KEY_MEMORY_MS, by the hash of what was presented: a revoked key is refused after that
 * time at the latest in every process. Refusals are not remembered. Does not own: whose objects a caller may see (features
 * scope by `caller.account`), and how keys are made (keys/api-keys.ts).
 */
import { createHash } from "node:crypto";
import type { RequestHandler, Response } from "express";
import type { Sql } from "../db/db.ts";
import type { Caller, Role } from "../kernel/api.ts";
import { Problem } from "../kernel/problems.ts";
import { findCaller } from "../keys/api-keys.ts";

/** How long a key is taken for good without asking the database: the bound on how late a revocation is felt. */
export const KEY_MEMORY_MS = 3_000;
const MEMORY_SIZE = 10_000;

const nobody: Caller = { keyId: "", account: "", roles: [] };

/** The caller of a request that passed `authenticate`. */
export const callerOf = (response: Response): Caller => (response.locals["caller"] as Caller | undefined) ?? nobody;

export type Auth = {
  /** Finds the caller; a request without a valid key ends in a 401. */
  authenticate: RequestHandler;
  /** Lets those callers pass that have one of the roles. */
  authorize(roles: readonly Role[]): RequestHandler;
};

/** `refused` counts requests without a valid key (per address) and may answer 429 instead. */
export function createAuth({ sql, refused }: { sql: Sql; refused: RequestHandler }): Auth {
  const known = new Map<string, { caller: Caller; until: number }>();

  async function find(presented: string): Promise<Caller | undefined> {
    const hash = createHash("sha256").update(presented).digest("base64");
    const now = performance.now();
    const remembered = known.get(hash);
    if (remembered !== undefined && remembered.until > now) return remembered.caller;
    known.delete(hash);
    const caller = await findCaller(sql, presented);
    if (caller === undefined) return undefined;
    // oldest first: a Map keeps the order of insertion
    const oldest = known.size >= MEMORY_SIZE ? known.keys().next().value : undefined;
    if (oldest !== undefined) known.delete(oldest);
    // from before the look-up: a revocation during it counts
    known.set(hash, { caller, until: now + KEY_MEMORY_MS });
    return caller;
  }

  return {
    authenticate: async (request, response, next) => {
      const given = request.headers.authorization;
      const [, presented] = /^Bearer +(\S+)$/i.exec(given ?? "") ?? [];
      const caller = presented === undefined ? undefined : await find(presented);
      if (caller === undefined) {
        const [challenge, detail] =
          given === undefined
            ? ['Bearer realm="onepiao"', "The request has no API key: Authorization: Bearer <id>.<secret>"]
            : ['Bearer realm="onepiao", error="invalid_token"', "The API key is unknown, wrong or revoked"];
        return refused(request, response, (error?: unknown) => {
          if (error === undefined) response.setHeader("WWW-Authenticate", challenge);
          next(error ?? new Problem("unauthenticated", detail));
        });
      }
      response.locals["caller"] = caller;
      next();
    },
    authorize: (roles) => (_request, response, next) => {
      if (roles.some((role) => callerOf(response).roles.includes(role))) return next();
      throw new Problem("forbidden", `This needs the role ${roles.join(" or ")}`, { extra: { rolesNeeded: roles } });
    },
  };
}
