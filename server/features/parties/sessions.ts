/**
 * Signing in: a browser shows an API key once, or the identity provider confirms a person; from
 * then on a session represents the key. Also: who is signed in, and as what.
 *
 * The key appears in no log and no answer. Does not own: what a session is and how long it lasts
 * (browser-sessions.ts).
 */

import { chinaDay } from "@onepiao/protocol/values/dates.ts";
import { type NameSince, nameOn } from "@onepiao/protocol/values/names.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import type { Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import type { Caller } from "../../kernel/api.ts";
import type { Vault } from "../../keys/vault.ts";
import { findCaller, findCallerOf, keysOfPerson } from "./api-keys.ts";
import { ABSOLUTE_HOURS, IDLE_MINUTES, type Sessions } from "./browser-sessions.ts";
import type { Provider, SignedIn, Used } from "./provider.ts";

export type SignIn = ReturnType<typeof createSignIn>;

/** The part of a party's sealed identity (taxpayers.ts, persons.ts) that a session shows. */
type Sealed = { name: string; names?: NameSince[]; taxId?: string };
/** Where a session's person signs out at the provider, sealed: it contains a token. */
const LEAVING = "sign-in/leaving";

type Kind = "bureau" | "taxpayer" | "person";
/** `provider`: where people may sign in without a key's secret, if one is set. */
type Deps = { vault: Vault; sessions: Sessions; provider: Provider | undefined };

export function createSignIn({ vault, sessions, provider }: Deps) {
  /** The parties that these callers act for, in the same order. */
  async function partiesOf(tx: Tx, callers: readonly Caller[]) {
    const accounts = callers.map(({ account }) => account);
    const rows = await tx<
      (RowOf<"parties", "account" | "sealed"> & { kind: Kind; now: Date })[]
    >`select account, kind, sealed, now() as now from parties where account = any(${accounts}::text[])`;
    return callers.map(({ account, roles }) => {
      const row = rows.find((party) => party.account === account);
      if (row === undefined) throw new Error("an API key of nobody");
      const {
        name: first,
        names = [],
        taxId,
      } = JSON.parse(vault.open("parties", account, row.sealed).toString()) as Sealed;
      const { name } = nameOn([{ name: first }, ...names], chinaDay(row.now));
      return { account, kind: row.kind, name, ...(taxId === undefined ? {} : { taxId }), roles };
    });
  }

  async function whoIs(tx: Tx, caller: Caller, csrf: string | undefined) {
    const [party] = await partiesOf(tx, [caller]);
    return {
      ...(party as NonNullable<typeof party>),
      ...(csrf === undefined
        ? {}
        : { csrfToken: csrf, idleMinutes: IDLE_MINUTES, absoluteHours: ABSOLUTE_HOURS }),
    };
  }

  function theProvider(): Provider {
    if (provider === undefined)
      throw new Problem("not-found", "This gateway has no identity provider to sign in at");
    return provider;
  }

  /**
   * Marks a flow or a proof as used; until `tx` commits, a concurrent request waits. Throws
   * sign-in-refused when it was used before.
   */
  async function markUsed(tx: Tx, { hash, until }: Used): Promise<void> {
    await tx`delete from sign_ins_used where until < now()`;
    const made =
      await tx`insert into sign_ins_used (hash, until) values (${hash}, ${until}) on conflict do nothing`;
    if (made.count === 0)
      throw new Problem("sign-in-refused", "This sign-in was used already: sign in again");
  }

  return {
    theProvider,
    /** Undefined if none is set. */
    provider,

    /**
     * The parties that a person who has signed in at the provider may act for, and a proof of who
     * it is, valid for some minutes.
     */
    async parties(tx: Tx, { person, used }: { person: SignedIn; used: Used }) {
      await markUsed(tx, used);
      const callers = await keysOfPerson(tx, vault, person);
      const parties = await partiesOf(tx, callers);
      return {
        name: person.name,
        parties: parties.map((party, i) => ({ key: callers[i]?.keyId ?? "", ...party })),
        proof: theProvider().prove(person),
      };
    },

    /**
     * Begins a session; an earlier one of this browser ends. `key`: `id.secret`, or with `proof`,
     * which is good once, only the id.
     */
    async open(
      tx: Tx,
      before: Caller,
      { key, proof }: { key: string; proof?: string | undefined },
    ) {
      const proven = proof === undefined ? undefined : theProvider().proven(proof);
      if (proven) await markUsed(tx, proven.used);
      const caller =
        proven === undefined
          ? await findCaller(tx, key)
          : await findCallerOf(tx, vault, proven.person, key);
      if (caller === undefined)
        throw new Problem("unauthenticated", "The API key is unknown, wrong or revoked");
      if (before.session) await sessions.close(tx, before.session.id);
      const leave = proven?.person.leave;
      const { setCookie, csrf } = await sessions.open(
        tx,
        caller.keyId,
        leave === undefined ? undefined : vault.seal("parties", LEAVING, leave),
      );
      return { who: await whoIs(tx, caller, csrf), setCookie };
    },
    who: (tx: Tx, caller: Caller) => whoIs(tx, caller, caller.session?.csrf),
    /**
     * Ends the session. Returns the header that removes the cookie and, for a session that began at
     * the provider, where its session there ends. A caller by API key has no session; that is not
     * an error.
     */
    async close(
      tx: Tx,
      caller: Caller,
    ): Promise<{ clearCookie: string; href: string | undefined }> {
      const sealed = caller.session && (await sessions.close(tx, caller.session.id));
      return {
        clearCookie: sessions.clearCookie,
        href: sealed && vault.open("parties", LEAVING, sealed).toString(),
      };
    },
  };
}
