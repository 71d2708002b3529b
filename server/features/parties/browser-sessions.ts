/**
 * Sessions: a browser shows an API key once; then a random token in a cookie, which no script can
 * read, represents the key.
 *
 * Invariants: a session can never do more than its key. It ends at once with its key, after
 * IDLE_MINUTES without a request, and ABSOLUTE_HOURS after it began. We always generate its token,
 * so nobody can plant a known one in a browser. Only the token's SHA-256 is kept (a random token
 * needs no slow hash). Does not own: which requests a session may make (http/auth.ts).
 */
import { createHash, createHmac, randomBytes } from "node:crypto";
import type { Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import type { Caller, Role } from "../../kernel/api.ts";
import { effectiveRoles, type PartyKind } from "./api-keys.ts";

export const IDLE_MINUTES = 30;
export const ABSOLUTE_HOURS = 12;
/** For one key; the oldest session gives way. */
export const MAX_SESSIONS = 50;

const hashOf = (value: string): Buffer => createHash("sha256").update(value).digest();
/**
 * The console's own page sends this token with every change. It follows from the cookie, which
 * other pages cannot read.
 */
const csrfOf = (value: string): string =>
  createHmac("sha256", value).update("onepiao/csrf").digest("base64url");

export type Sessions = ReturnType<typeof createSessions>;

/**
 * `secure`: the cookie travels only over TLS, and its name (`__Host-`) keeps a sibling host from
 * setting it. The sandbox uses plain http on this machine and does without.
 */
export function createSessions({ secure }: { secure: boolean }) {
  const name = secure ? "__Host-onepiao" : "onepiao";
  const cookie = (value: string, more = "") =>
    `${name}=${value}; Path=/; HttpOnly; SameSite=Strict${secure ? "; Secure" : ""}${more}`;
  const alive = (tx: Tx) =>
    tx`s.seen_at > now() - ${IDLE_MINUTES} * interval '1 minute' and s.created_at > now() - ${ABSOLUTE_HOURS} * interval '1 hour'`;

  return {
    /**
     * Starts a session for a key that was presented. `sealed`: data for the end of the session.
     * Returns the cookie to set, and the page's token.
     */
    async open(
      tx: Tx,
      keyId: string,
      sealed?: Buffer,
    ): Promise<{ setCookie: string; csrf: string }> {
      const value = randomBytes(32).toString("base64url");
      await tx`delete from sessions s where not (${alive(tx)})`;
      await tx`
        delete from sessions where id_hash in (
          select id_hash from sessions where key_id = ${keyId} order by created_at desc offset ${MAX_SESSIONS - 1})`;
      await tx`insert into sessions (id_hash, key_id, sealed) values (${hashOf(value)}, ${keyId}, ${sealed ?? null})`;
      return { setCookie: cookie(value), csrf: csrfOf(value) };
    },

    /** The session's token in a Cookie header; the first one, as servers read it. */
    read(header: string | undefined): string | undefined {
      const cookiePart = header?.split(";").find((part) => part.trim().startsWith(`${name}=`));
      const value = cookiePart?.slice(cookiePart.indexOf("=") + 1).trim();
      return value !== undefined && /^[\w-]{43}$/.test(value) ? value : undefined;
    },

    /** The caller of this session; undefined if there is none, or it or its key has ended. */
    async find(tx: Tx, value: string): Promise<Caller | undefined> {
      const hash = hashOf(value);
      const [row] = await tx<
        (PartyKind & { key_id: string; account: string; roles: Role[]; stale: boolean })[]
      >`
        select s.key_id, k.account, k.roles, p.kind, t.capabilities, s.seen_at < now() - interval '1 minute' as stale
        from sessions s join api_keys k on k.id = s.key_id and k.revoked_at is null
        join parties p on p.account = k.account left join taxpayer_now t on t.account = k.account
        where s.id_hash = ${hash} and ${alive(tx)}`;
      if (row === undefined) return undefined;
      // once a minute is enough to see that somebody is active
      if (row.stale) await tx`update sessions set seen_at = now() where id_hash = ${hash}`;
      return {
        keyId: row.key_id,
        account: row.account,
        roles: effectiveRoles(row.roles, row),
        session: { id: hash, csrf: csrfOf(value) },
      };
    },

    /** Whether the session still exists; does not count as a request. */
    holds: async (tx: Tx, id: Buffer): Promise<boolean> =>
      (await tx`select 1 from sessions s where s.id_hash = ${id} and ${alive(tx)}`).length === 1,

    /** Ends a session; returns the data that was sealed with it. */
    async close(tx: Tx, id: Buffer): Promise<Buffer | undefined> {
      const [row] = await tx<
        RowOf<"sessions", "sealed">[]
      >`delete from sessions where id_hash = ${id} returning sealed`;
      return row?.sealed ?? undefined;
    },

    /** The header that deletes the cookie. */
    clearCookie: cookie("", "; Max-Age=0"),
  };
}
