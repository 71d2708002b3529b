/**
 * Signing in: an API key is shown once, or a person is known by the identity provider, and a session stands for the key from then on;
 * who is signed in, and as what.
 *
 * The key goes into no log and no answer. Does not own: what a session is and how long it lasts (keys/sessions.ts).
 */
import type { Tx } from "../../db/db.ts";
import type { Caller } from "../../kernel/api.ts";
import { chinaDay } from "../../kernel/dates.ts";
import { type NameSince, nameOn } from "../../kernel/names.ts";
import { Problem } from "../../kernel/problems.ts";
import { findCaller, findCallerOf, keysOfPerson, type Person } from "../../keys/api-keys.ts";
import { ABSOLUTE_HOURS, IDLE_MINUTES, type Sessions } from "../../keys/sessions.ts";
import type { Vault } from "../../keys/vault.ts";
import type { Provider } from "./provider.ts";

export type SignIn = ReturnType<typeof createSignIn>;

/** Of what is sealed of a party (features/taxpayers), what a session says. */
type Sealed = { name: string; names?: NameSince[]; taxId?: string };
type Kind = "bureau" | "taxpayer" | "person";
/** `provider`: where people may sign in without a key's secret, if there is such a place. */
type Deps = { vault: Vault; sessions: Sessions; provider: Provider | undefined };

export function createSignIn({ vault, sessions, provider }: Deps) {
  /** The parties that these callers act for, in their order. */
  async function partiesOf(tx: Tx, callers: readonly Caller[]) {
    const accounts = callers.map(({ account }) => account);
    const rows = await tx<
      { account: string; kind: Kind; sealed: Buffer; now: Date }[]
    >`select account, kind, sealed, now() as now from parties where account = any(${accounts}::text[])`;
    return callers.map(({ account, roles }) => {
      const row = rows.find((one) => one.account === account);
      if (row === undefined) throw new Error("an API key of nobody");
      const { name: first, names = [], taxId } = JSON.parse(vault.open("parties", account, row.sealed).toString()) as Sealed;
      const { name } = nameOn([{ name: first }, ...names], chinaDay(row.now));
      return { account, kind: row.kind, name, ...(taxId === undefined ? {} : { taxId }), roles };
    });
  }

  async function whoIs(tx: Tx, caller: Caller, csrf: string | undefined) {
    const [party] = await partiesOf(tx, [caller]);
    return {
      ...(party as NonNullable<typeof party>),
      ...(csrf === undefined ? {} : { csrfToken: csrf, idleMinutes: IDLE_MINUTES, absoluteHours: ABSOLUTE_HOURS }),
    };
  }

  function theProvider(): Provider {
    if (provider === undefined) throw new Problem("not-found", "This gateway has no identity provider to sign in at");
    return provider;
  }

  return {
    theProvider,
    /** Undefined where there is none. */
    provider,

    /** Whom a person who has signed in at the provider may act for, and what proves for some minutes who it is. */
    async parties(tx: Tx, person: Person) {
      const callers = await keysOfPerson(tx, vault, person);
      const parties = await partiesOf(tx, callers);
      return { name: person.name, parties: parties.map((party, i) => ({ key: callers[i]?.keyId ?? "", ...party })), proof: theProvider().prove(person) };
    },

    /** Begins a session; one that this browser had before ends. `key`: `id.secret`, or with `proof` the id alone. */
    async open(tx: Tx, before: Caller, { key, proof }: { key: string; proof?: string | undefined }) {
      const caller = proof === undefined ? await findCaller(tx, key) : await findCallerOf(tx, vault, theProvider().proven(proof), key);
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
