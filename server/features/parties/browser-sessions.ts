/**
 * Sessions: an API key, shown once by a browser, is stood for by a random value in a cookie that no
 * script can read.
 *
 * Invariants: a session may never do more than its key, and ends with it at once, after
 * IDLE_MINUTES without a request, and ABSOLUTE_HOURS after it began. Its value is always of our
 * making, so nobody can give a browser one that they know. SHA-256 of it alone is kept (a random
 * value needs no slow hash). Does not own: which requests a session may make (http/auth.ts).
 */
import { createHash, createHmac, randomBytes } from "node:crypto";
import type { Tx } from "../../db/db.ts";
import type { Caller, Role } from "../../kernel/api.ts";
import { effectiveRoles, type PartyKind } from "./api-keys.ts";

export const IDLE_MINUTES = 30;
export const ABSOLUTE_HOURS = 12;
/** Of one key; the oldest gives way. */
export const MAX_SESSIONS = 50;

const hashOf = (value: string): Buffer => createHash("sha256").update(value).digest();
/**
 * What the console's own page shows with whatever changes something. It follows from the cookie,
 * which other pages cannot read.
 */
const csrfOf = (value: string): string =>
  createHmac("sha256", value).update("onepiao/csrf").digest("base64url");

export type Sessions = ReturnType<typeof createSessions>;

/**
 * `secure`: the cookie goes over TLS alone, and its name (`__Host-`) keeps a sibling host from
 * setting it. The sandbox is plain http on this machine and does without.
 */
export function createSessions({ secure }: { secure: boolean }) {
  const name = secure ? "__Host-onepiao" : "onepiao";
  const cookie = (value: string, more = "") =>
    `${name}=${value}; Path=/; HttpOnly; SameSite=Strict${secure ? "; Secure" : ""}${more}`;
  const alive = (tx: Tx) =>
    tx`s.seen_at > now() - ${IDLE_MINUTES} * interval '1 minute' and s.created_at > now() - ${ABSOLUTE_HOURS} * interval '1 hour'`;

  return {
    /**
     * Begins a session of a key that was shown. `sealed`: what is to be known when it ends. Returns
     * the cookie to set, and the token of its page.
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

    /** The session's value in a Cookie header; the first one, as servers read it. */
    read(header: string | undefined): string | undefined {
      const found = header?.split(";").find((part) => part.trim().startsWith(`${name}=`));
      const value = found?.slice(found.indexOf("=") + 1).trim();
      return value !== undefined && /^[\w-]{43}$/.test(value) ? value : undefined;
    },

    /** Who calls by this session; undefined when there is none, or it or its key has ended. */
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
      // once a minute is enough to know that somebody is there
      if (row.stale) await tx`update sessions set seen_at = now() where id_hash = ${hash}`;
      return {
        keyId: row.key_id,
        account: row.account,
        roles: effectiveRoles(row.roles, row),
        session: { id: hash, csrf: csrfOf(value) },
      };
    },

    /** Whether it is there still, without counting as a request of it. */
    holds: async (tx: Tx, id: Buffer): Promise<boolean> =>
      (await tx`select 1 from sessions s where s.id_hash = ${id} and ${alive(tx)}`).length === 1,

    /** Returns what was sealed with it. */
    async close(tx: Tx, id: Buffer): Promise<Buffer | undefined> {
      const [row] = await tx<
        { sealed: Buffer | null }[]
      >`delete from sessions where id_hash = ${id} returning sealed`;
      return row?.sealed ?? undefined;
    },

    /** Takes the cookie away. */
    clearCookie: cookie("", "; Max-Age=0"),
  };
}
