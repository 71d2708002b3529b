/**
 * Access to parties: makes, lists and ends API keys, and lets persons leave the party that manages
 * them.
 *
 * | caller | gives and takes away |
 * | --- | --- |
 * | a key with the role `admin` | every role of its party, and of the persons that its party manages |
 * | another key | the roles that it has itself, of its own party: a till's key does not become the cashier's |
 * | the bureau | every role of a taxpayer that has no `admin` key in use: the first key |
 *
 * A key never gets a role that its party does not have. A party cannot end its last `admin` key.
 * The number of keys is bounded.
 */
import { checksummed } from "@onepiao/protocol/ledger/messages.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import type { Query, Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import type { Caller, Role } from "../../kernel/api.ts";
import type { Vault } from "../../keys/vault.ts";
import {
  createApiKey,
  createSignInKey,
  type PartyKind,
  rolesOfParty,
  signInName,
} from "./api-keys.ts";

export type Access = ReturnType<typeof createAccess>;

/**
 * `provider`: whether an identity provider is set. `maxKeys`: keys of one party that are not
 * revoked.
 */
type Deps = {
  vault: Vault;
  provider: boolean;
  maxKeys: number;
  /**
   * Ends what else a person has through its manager: grants between the two, the person's webhooks.
   */
  onLeave: (tx: Tx, account: string, manager: string) => Promise<void>;
};

type Party = PartyKind & { account: string; manager: string | null };
type KeyRow = {
  id: string;
  account: string;
  roles: Role[];
  bearer: string | null;
  created_at: Date;
  revoked_at: Date | null;
  name_sealed: Buffer | null;
  signed_in_at: Date | null;
};

export type NewKey = {
  account: string;
  roles: readonly Role[];
  signIn?: string | undefined;
  bearer?: string | undefined;
};

export function createAccess({ vault, provider, maxKeys, onLeave }: Deps) {
  /** Held until `tx` ends: two requests about one party's access come one after the other. */
  async function lockParty(tx: Tx, account: string): Promise<Party | undefined> {
    await tx`select 1 from parties where account = ${account} for no key update`;
    const [party] = await tx<Party[]>`
      select p.account, p.kind, p.manager, t.capabilities from parties p left join taxpayer_now t on t.account = p.account where p.account = ${account}`;
    return party;
  }

  // a sign-in key that its person has never used does not count as in use
  const inUse = (tx: Tx) =>
    tx`revoked_at is null and (secret_hash is not null or subject_blind is not null)`;
  const adminKeys = async (tx: Tx, account: string): Promise<string[]> =>
    (
      await tx<
        RowOf<"api_keys", "id">[]
      >`select id from api_keys where account = ${account} and 'admin' = any(roles) and ${inUse(tx)}`
    ).map(({ id }) => id);

  /**
   * The roles of a party that the caller may give and take away; undefined when the party is not
   * the caller's to manage.
   */
  async function rolesInHand(
    tx: Tx,
    caller: Caller,
    party: Party,
  ): Promise<readonly Role[] | undefined> {
    const all = rolesOfParty(party);
    const isAdmin = caller.roles.includes("admin");
    if (party.account === caller.account)
      return isAdmin ? all : all.filter((role) => caller.roles.includes(role));
    if (party.manager !== null && party.manager === caller.account)
      return isAdmin ? all : undefined;
    if (!caller.roles.includes("bureau") || party.kind !== "taxpayer") return undefined;
    if ((await adminKeys(tx, party.account)).length === 0) return all;
    const detail = "The party has an admin key: it makes and ends its keys itself";
    throw new Problem("forbidden", detail, {
      violations: [{ field: "/account", rule: "manages-itself", detail }],
    });
  }

  const excessOf = (asked: readonly Role[], inHand: readonly Role[]) =>
    asked.filter((role) => !inHand.includes(role));

  /** The holder of a key of the caller's own party: a person that this party manages. */
  async function bearerOf(
    tx: Tx,
    account: string,
    written: string | undefined,
  ): Promise<string | undefined> {
    if (written === undefined) return undefined;
    const bearer = checksummed(written);
    const [person] =
      await tx`select 1 from parties where account = ${bearer} and manager = ${account}`;
    if (person) return bearer;
    const detail = "Not a person that the party of this key manages";
    throw new Problem("invalid-request", detail, {
      violations: [{ field: "/bearer", rule: "managed-person", detail }],
    });
  }

  /**
   * The keys that the caller sees: the bureau sees those that it made, others see those whose roles
   * they could take away.
   */
  function seen(tx: Tx, { account, roles }: Caller, kind: PartyKind["kind"]) {
    if (kind === "bureau") return tx`created_by = ${account}`;
    if (!roles.includes("admin"))
      return tx`account = ${account} and roles <@ ${[...roles]}::text[]`;
    return kind === "person" ? tx`account = ${account}` : tx`managed_by = ${account}`;
  }

  const end = (tx: Tx, which: Query<unknown>) =>
    tx`update api_keys set revoked_at = now() where revoked_at is null and ${which}`;

  /**
   * Throws `last-admin-key` when nobody could manage the party's access once these keys have ended.
   */
  async function keepAdmin(tx: Tx, account: string, ended: readonly string[]): Promise<void> {
    const admins = await adminKeys(tx, account);
    if (admins.length === 0 || admins.some((id) => !ended.includes(id))) return;
    throw new Problem(
      "last-admin-key",
      "This is the party's last admin key that somebody has: make another one first",
    );
  }

  return {
    /**
     * `signIn`: the name of the person who uses it by signing in; such a key has no token.
     * `bearer`: the person who holds a key of its manager. Throws not-found, forbidden,
     * invalid-request, key-limit.
     */
    async create(tx: Tx, caller: Caller, key: NewKey): Promise<{ id: string; token?: string }> {
      const account = checksummed(key.account);
      const party = await lockParty(tx, account);
      const inHand = party && (await rolesInHand(tx, caller, party));
      if (!inHand)
        throw new Problem(
          "not-found",
          "You may not make keys for this party, or it does not exist",
        );
      const excess = excessOf(key.roles, inHand);
      if (excess.length > 0) {
        throw new Problem("forbidden", `This key cannot have the role ${excess.join(", ")}`, {
          violations: [
            {
              field: "/roles",
              rule: "role-of-party",
              detail: `Possible: ${inHand.join(", ") || "none yet"}`,
            },
          ],
        });
      }
      const [{ count } = { count: 0 }] = await tx<{ count: number }[]>`
        select count(*)::int as count from api_keys where account = ${account} and revoked_at is null`;
      if (count >= maxKeys)
        throw new Problem("key-limit", `The party has ${count} API keys: revoke one first`, {
          extra: { maxKeys },
        });
      const made = {
        account,
        roles: key.roles,
        createdBy: caller.account,
        bearer: await bearerOf(tx, account, key.bearer),
      };
      if (key.signIn !== undefined) {
        if (provider)
          return { id: await createSignInKey(tx, vault, { ...made, name: key.signIn }) };
        const detail = "This gateway has no identity provider to sign in at";
        throw new Problem("invalid-request", detail, {
          violations: [{ field: "/signIn", rule: "provider-configured", detail }],
        });
      }
      const token = await createApiKey(tx, made);
      return { id: token.split(".")[0] as string, token };
    },

    /**
     * Throws not-found (also for a key with roles that the caller's does not have), forbidden,
     * last-admin-key.
     */
    async revoke(tx: Tx, caller: Caller, id: string): Promise<void> {
      const [key] = await tx<
        KeyRow[]
      >`select * from api_keys where id = ${id} and revoked_at is null`;
      const party = key && (await lockParty(tx, key.account));
      const inHand = party && (await rolesInHand(tx, caller, party));
      // an admin key also ends keys with roles that its party no longer has
      const mayEnd =
        inHand && (caller.roles.includes("admin") || excessOf(key.roles, inHand).length === 0);
      if (!mayEnd) throw new Problem("not-found", "You have no such key");
      if (key.account === caller.account) await keepAdmin(tx, key.account, [id]);
      await end(tx, tx`id = ${id}`);
    },

    /** A page, the newest first; `before`: the id of the last one of the page before. */
    async list(
      tx: Tx,
      caller: Caller,
      page: { account?: string | undefined; before?: string | undefined; limit: number },
    ) {
      const [party] = await tx<
        Pick<PartyKind, "kind">[]
      >`select kind from parties where account = ${caller.account}`;
      if (!party) return { items: [] };
      const ofParty =
        page.account === undefined ? tx`true` : tx`account = ${checksummed(page.account)}`;
      const older =
        page.before === undefined
          ? tx`true`
          : tx`(created_at, id) < (select k.created_at, k.id from api_keys k where k.id = ${page.before})`;
      const rows = await tx<KeyRow[]>`
        select * from api_keys where ${seen(tx, caller, party.kind)} and ${ofParty} and ${older} order by created_at desc, id desc limit ${page.limit + 1}`;
      const items = rows.slice(0, page.limit).map((row) => ({
        id: row.id,
        account: row.account,
        roles: row.roles,
        createdAt: row.created_at.toISOString(),
        ...(row.bearer ? { bearer: row.bearer } : {}),
        ...(row.name_sealed ? { signIn: signInName(vault, row.id, row.name_sealed) } : {}),
        ...(row.signed_in_at ? { signedInAt: row.signed_in_at.toISOString() } : {}),
        ...(row.revoked_at ? { revokedAt: row.revoked_at.toISOString() } : {}),
      }));
      return {
        items,
        ...(rows.length > page.limit ? { next: items[items.length - 1]?.id as string } : {}),
      };
    },

    /**
     * A person leaves the party that manages it: on its own, or because that party lets it go. The
     * keys of the manager that the person holds end, and so do the person's keys that the manager
     * may know, the grants between the two, and the person's webhooks. A person that leaves on its
     * own gets a new key, and all its others end; a person that is let go keeps the keys that it
     * has made itself. Throws not-found, person-left, person-has-no-key, last-admin-key.
     */
    async leave(
      tx: Tx,
      caller: Caller,
      written: string,
    ): Promise<{ account: string; key?: { id: string; token: string } }> {
      const account = checksummed(written);
      const person = await lockParty(tx, account);
      // the person gains the role `admin` and ends every other key; a key without that role may do
      // so only while no other key has it
      const highest =
        caller.roles.includes("admin") ||
        (caller.roles.includes("holder") && (await adminKeys(tx, account)).length === 0);
      const itself = person?.account === caller.account && highest;
      const manages =
        person !== undefined && person.manager === caller.account && caller.roles.includes("admin");
      if (person?.kind !== "person" || !(itself || manages))
        throw new Problem("not-found", "There is no person with this account that you may release");
      if (person.manager === null)
        throw new Problem("person-left", "Nobody else manages this person's access");
      const manager = person.manager;
      await lockParty(tx, manager);
      const inItsHands = await tx<RowOf<"api_keys", "id">[]>`
        select k.id from api_keys k where k.account = ${manager} and k.revoked_at is null and (k.bearer = ${account} or exists (
          select 1 from api_keys own where own.account = ${account} and (own.subject_blind = k.subject_blind or own.name_blind = k.name_blind)))`;
      const ended = inItsHands.map(({ id }) => id);
      await keepAdmin(tx, manager, ended);
      await end(tx, tx`id = any(${ended}::text[])`);
      await end(
        tx,
        itself ? tx`account = ${account}` : tx`account = ${account} and created_by <> ${account}`,
      );
      if (!itself) {
        const [left] =
          await tx`select 1 from api_keys where account = ${account} and ${inUse(tx)} limit 1`;
        if (!left)
          throw new Problem(
            "person-has-no-key",
            "The person needs a key that it has made itself, or nobody could act for it",
          );
      }
      await tx`update parties set manager = null where account = ${account}`;
      await tx`update api_keys set managed_by = ${account} where account = ${account}`;
      await onLeave(tx, account, manager);
      if (!itself) return { account };
      const token = await createApiKey(tx, {
        account,
        roles: ["holder", "admin"],
        createdBy: account,
      });
      return { account, key: { id: token.split(".")[0] as string, token } };
    },
  };
}
