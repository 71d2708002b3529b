/**
 * Signing in: an API key is shown once and a session stands for it from then on; who is signed in, and as what.
 *
 * The key goes into no log and no answer. Does not own: what a session is and how long it lasts (keys/sessions.ts).
 */
import type { Tx } from "../../db/db.ts";
import type { Caller } from "../../kernel/api.ts";
import { Problem } from "../../kernel/problems.ts";
import { findCaller } from "../../keys/api-keys.ts";
import { ABSOLUTE_HOURS, IDLE_MINUTES, type Sessions } from "../../keys/sessions.ts";
import type { Vault } from "../../keys/vault.ts";

export type SignIn = ReturnType<typeof createSignIn>;

export function createSignIn({ vault, sessions }: { vault: Vault; sessions: Sessions }) {
  async function whoIs(tx: Tx, caller: Caller, csrf: string | undefined) {
    const [row] = await tx<{ kind: "bureau" | "taxpayer" | "person"; sealed: Buffer }[]>`select kind, sealed from parties where account = ${caller.account}`;
    if (row === undefined) throw new Error("an API key of nobody");
    const { name, taxId } = JSON.parse(vault.open("parties", caller.account, row.sealed).toString()) as { name: string; taxId?: string };
    return {
      account: caller.account,
      kind: row.kind,
      name,
      ...(taxId === undefined ? {} : { taxId }),
      roles: caller.roles,
      ...(csrf === undefined ? {} : { csrfToken: csrf, idleMinutes: IDLE_MINUTES, absoluteHours: ABSOLUTE_HOURS }),
    };
  }

  return {
    /** Begins a session; one that this browser had before ends. */
    async open(tx: Tx, before: Caller, key: string) {
      const caller = await findCaller(tx, key);
      if (caller === undefined) throw new Problem("unauthenticated", "The API key is unknown, wrong or revoked");
      if (before.session) await sessions.close(tx, before.session.id);
      const { setCookie, csrf } = await sessions.open(tx, caller.keyId);
      return { who: await whoIs(tx, caller, csrf), setCookie };
    },
    who: (tx: Tx, caller: Caller) => whoIs(tx, caller, caller.session?.csrf),
    /** Returns what takes the cookie away. A caller by API key has no session, and that is no fault. */
    async close(tx: Tx, caller: Caller): Promise<string> {
      if (caller.session) await sessions.close(tx, caller.session.id);
      return sessions.clearCookie;
    },
  };
}
