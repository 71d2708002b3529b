/**
 * API keys: `id.secret`. The secret is 32 random bytes, of which only the SHA-256 is kept (a random
 * secret needs no slow hash).
 *
 * A key may have no secret: it belongs to a person whom the operator's identity provider knows by a
 * name, and the person uses it by signing in there. After the first sign-in only the provider's
 * subject counts: a person who gets the same name later does not get the key.
 *
 * A key has roles of its party. The role `admin` counts as every role that the party has at the
 * time of the request.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { capabilityBits } from "../../chain/contracts.ts";
import type { Query, Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import type { Caller, Callers, Role } from "../../kernel/api.ts";
import type { Vault } from "../../keys/vault.ts";

const hashSecret = (secret: string): Buffer => createHash("sha256").update(secret).digest();
/** An unknown id is compared with this, so that it takes as long as a wrong secret. */
const nothing = hashSecret(randomBytes(32).toString("base64url"));
/** How many parties a person may choose from. */
const MAX_OF_PERSON = 50;

/**
 * What decides a party's roles. `capabilities`: bits of the registry; null: the registry does not
 * know the party.
 */
export type PartyKind = { kind: "bureau" | "taxpayer" | "person"; capabilities: number | null };

/**
 * Every role that a key of this party may have; none for a taxpayer whose enrolment is under way.
 */
export function rolesOfParty({ kind, capabilities }: PartyKind): Role[] {
  if (kind === "bureau") return ["bureau", "admin"];
  if (kind === "person") return ["holder", "admin"];
  if (capabilities === null) return [];
  const capable = (["issuer", "employer"] as const).filter(
    (capability) => (capabilities & capabilityBits[capability]) !== 0,
  );
  // a titled invoice belongs to the buyer's account: a taxpayer is also a holder
  return [...capable, "holder", "admin"];
}

/** What a key with these roles may do for its party. */
export const effectiveRoles = (roles: readonly Role[], party: PartyKind): readonly Role[] =>
  roles.includes("admin") ? [...new Set([...rolesOfParty(party), ...roles])] : roles;

/** A new key. `bearer`: the person who holds it, if the key is another party's. */
export type NewKey = {
  account: string;
  roles: readonly string[];
  createdBy: string;
  bearer?: string | undefined;
};

/** The bureau as a party, if it is not there; `sealed` is its name. */
export async function putBureau(tx: Tx, account: string, sealed: Buffer): Promise<void> {
  await tx`
    insert into parties (account, kind, sealed, created_by)
    values (${account}, 'bureau', ${sealed}, ${account}) on conflict do nothing`;
}

const managedBy = (tx: Tx, account: string) =>
  tx`(select coalesce(manager, account) from parties where account = ${account})`;

/** Creates a key for an account: `id.secret`. Only the answer contains the secret. */
export async function createApiKey(tx: Tx, key: NewKey): Promise<string> {
  const id = randomBytes(9).toString("base64url");
  const secret = randomBytes(32).toString("base64url");
  await tx`
    insert into api_keys (id, secret_hash, account, roles, created_by, managed_by, bearer)
    values (${id}, ${hashSecret(secret)}, ${key.account}, ${[...key.roles]}, ${key.createdBy}, ${managedBy(tx, key.account)}, ${key.bearer ?? null})`;
  return `${id}.${secret}`;
}

/** A person who has signed in at the provider. */
export type Person = { issuer: string; subject: string; name: string };

/**
 * The form in which names are compared: addresses without regard to case, but only for ASCII
 * letters. With more letters folded, another person's address could become this person's (the lower
 * case of the kelvin sign is k).
 */
function nameBlind(vault: Vault, name: string): Buffer {
  const text = name.trim();
  return vault.blind(
    "sign-in/name",
    text.includes("@") ? text.replace(/[A-Z]/g, (letter) => letter.toLowerCase()) : text,
  );
}
const subjectBlind = (vault: Vault, { issuer, subject }: Person) =>
  vault.blind("sign-in/subject", `${issuer}\0${subject}`);
const nameContext = (id: string) => `api-key/${id}/name`;

/**
 * Creates a key for the person with this name at the provider, who uses it by signing in; its id.
 */
export async function createSignInKey(
  tx: Tx,
  vault: Vault,
  key: NewKey & { name: string },
): Promise<string> {
  const id = randomBytes(9).toString("base64url");
  const [blind, sealed] = [
    nameBlind(vault, key.name),
    vault.seal("parties", nameContext(id), key.name),
  ];
  await tx`
    insert into api_keys (id, account, roles, created_by, managed_by, bearer, name_blind, name_sealed)
    values (${id}, ${key.account}, ${[...key.roles]}, ${key.createdBy}, ${managedBy(tx, key.account)}, ${key.bearer ?? null}, ${blind}, ${sealed})`;
  return id;
}

/** The name that a key was created for. */
export const signInName = (vault: Vault, id: string, sealed: Uint8Array): string =>
  vault.open("parties", nameContext(id), sealed).toString();

type CallerRow = PartyKind & {
  id: string;
  account: string;
  roles: Role[];
  secret_hash: Buffer | null;
};

/** Keys that are not revoked, with what decides their roles. */
const keysWhere = (tx: Tx, condition: Query<unknown>) => tx<CallerRow[]>`
  select k.id, k.account, k.roles, k.secret_hash, p.kind, t.capabilities
  from api_keys k join parties p on p.account = k.account left join taxpayer_now t on t.account = k.account
  where k.revoked_at is null and ${condition}`;

const callerOf = ({ id, account, roles, ...party }: CallerRow): Caller => ({
  keyId: id,
  account,
  roles: effectiveRoles(roles, party),
});

/**
 * The keys of a person who has just signed in; keys that nobody has used yet become this person's.
 */
export async function keysOfPerson(tx: Tx, vault: Vault, person: Person): Promise<Caller[]> {
  const subject = subjectBlind(vault, person);
  await tx`
    update api_keys set subject_blind = ${subject}, signed_in_at = now()
    where name_blind = ${nameBlind(vault, person.name)} and subject_blind is null and revoked_at is null`;
  return (
    await keysWhere(
      tx,
      tx`k.subject_blind = ${subject} order by k.created_at limit ${MAX_OF_PERSON}`,
    )
  ).map(callerOf);
}

/** The caller for one of this person's keys; undefined if the key is not among them. */
export async function findCallerOf(
  tx: Tx,
  vault: Vault,
  person: Person,
  id: string,
): Promise<Caller | undefined> {
  const [row] = await keysWhere(
    tx,
    tx`k.id = ${id} and k.subject_blind = ${subjectBlind(vault, person)}`,
  );
  return row && callerOf(row);
}

/** The caller who presents this key; undefined for an unknown, wrong or revoked key. */
export async function findCaller(tx: Tx, presented: string): Promise<Caller | undefined> {
  const [, id, secret] = /^([\w-]{1,64})\.([\w-]{1,128})$/.exec(presented) ?? [];
  if (id === undefined || secret === undefined) return undefined;
  const [row] = await keysWhere(tx, tx`k.id = ${id}`);
  const same = timingSafeEqual(row?.secret_hash ?? nothing, hashSecret(secret));
  return row && same ? callerOf(row) : undefined;
}

/**
 * Those of these keys that are revoked by now. A key that `tx` itself revokes is not among them: a
 * key may revoke itself, and still gets its answer.
 */
export async function revokedAmong(tx: Tx, ids: readonly string[]): Promise<Set<string>> {
  const rows = await tx<RowOf<"api_keys", "id">[]>`
    select id from api_keys
    where id = any(${[...new Set(ids)]}::text[]) and revoked_at <> now()`;
  return new Set(rows.map(({ id }) => id));
}

/** What the HTTP layer asks. */
export const callers: Callers<Tx> = { find: findCaller, revokedAmong };
