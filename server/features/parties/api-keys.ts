/**
 * API keys: `id.secret`, the secret 32 random bytes, of which SHA-256 alone is kept (a random
 * secret needs no slow hash).
 *
 * A key may have no secret: it belongs to a person whom the operator's identity provider knows by a
 * name, and is shown by signing in there. From the first time on it is the provider's subject that
 * counts: who is given the name later does not get the key.
 *
 * A key has roles of its party. The role `admin` counts as every role that the party has at the
 * time of the request.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { capabilityBits } from "../../chain/contracts.ts";
import type { Query, Tx } from "../../db/db.ts";
import type { Caller, Callers, Role } from "../../kernel/api.ts";
import type { Vault } from "../../keys/vault.ts";

const hashSecret = (secret: string): Buffer => createHash("sha256").update(secret).digest();
/** What an unknown id is compared with, so that it takes as long as a wrong secret. */
const nothing = hashSecret(randomBytes(32).toString("base64url"));
/** So many parties a person is offered to act for. */
const MAX_OF_PERSON = 50;

/**
 * What decides on a party's roles. `capabilities`: bits of the registry; null: the registry does
 * not know the party.
 */
export type PartyKind = { kind: "bureau" | "taxpayer" | "person"; capabilities: number | null };

/**
 * Every role that a key of this party may have; none of a taxpayer whose enrolment is under way.
 */
export function rolesOfParty({ kind, capabilities }: PartyKind): Role[] {
  if (kind === "bureau") return ["bureau", "admin"];
  if (kind === "person") return ["holder", "admin"];
  if (capabilities === null) return [];
  const capable = (["issuer", "employer"] as const).filter(
    (one) => (capabilities & capabilityBits[one]) !== 0,
  );
  // a titled invoice belongs to the buyer's account: a taxpayer is a holder as well
  return [...capable, "holder", "admin"];
}

/** What a key with these roles may do for its party. */
export const effectiveRoles = (roles: readonly Role[], party: PartyKind): readonly Role[] =>
  roles.includes("admin") ? [...new Set([...rolesOfParty(party), ...roles])] : roles;

/** A key to be made. `bearer`: the person in whose hands it is, when it is another party's. */
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

/** Makes a key for an account: `id.secret`. The secret is in the answer and nowhere else. */
export async function createApiKey(tx: Tx, key: NewKey): Promise<string> {
  const id = randomBytes(9).toString("base64url");
  const secret = randomBytes(32).toString("base64url");
  await tx`
    insert into api_keys (id, secret_hash, account, roles, created_by, managed_by, bearer)
    values (${id}, ${hashSecret(secret)}, ${key.account}, ${[...key.roles]}, ${key.createdBy}, ${managedBy(tx, key.account)}, ${key.bearer ?? null})`;
  return `${id}.${secret}`;
}

/** Who has signed in at the provider. */
export type Person = { issuer: string; subject: string; name: string };

/**
 * How names are compared: addresses without regard to case, and of ASCII's letters alone. Where
 * more letters are folded into one another, somebody else's address may become this one's (the sign
 * for kelvin has the small letter k).
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

/** Makes a key that the person of this name at the provider shows by signing in; its id. */
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

/** The name that a key was made for. */
export const signInName = (vault: Vault, id: string, sealed: Uint8Array): string =>
  vault.open("parties", nameContext(id), sealed).toString();

type CallerRow = PartyKind & {
  id: string;
  account: string;
  roles: Role[];
  secret_hash: Buffer | null;
};

/** Keys that are not revoked, with what decides on their roles. */
const keysWhere = (tx: Tx, which: Query<unknown>) => tx<CallerRow[]>`
  select k.id, k.account, k.roles, k.secret_hash, p.kind, t.capabilities
  from api_keys k join parties p on p.account = k.account left join taxpayer_now t on t.account = k.account
  where k.revoked_at is null and ${which}`;

const callerOf = ({ id, account, roles, ...party }: CallerRow): Caller => ({
  keyId: id,
  account,
  roles: effectiveRoles(roles, party),
});

/**
 * The keys of somebody who has just signed in; those that nobody has shown yet become this
 * person's.
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

/** The caller of one of this person's keys; undefined when it is none of them. */
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

/** Who presents this key; undefined for an unknown, wrong or revoked one. */
export async function findCaller(tx: Tx, presented: string): Promise<Caller | undefined> {
  const [, id, secret] = /^([\w-]{1,64})\.([\w-]{1,128})$/.exec(presented) ?? [];
  if (id === undefined || secret === undefined) return undefined;
  const [row] = await keysWhere(tx, tx`k.id = ${id}`);
  const same = timingSafeEqual(row?.secret_hash ?? nothing, hashSecret(secret));
  return row && same ? callerOf(row) : undefined;
}

/**
 * Those of these keys that are revoked by now. A key that `tx` itself revokes, at its own time, is
 * not among them: a key may end itself, and is answered.
 */
export async function revokedAmong(tx: Tx, ids: readonly string[]): Promise<Set<string>> {
  const rows = await tx<{ id: string }[]>`
    select id from api_keys
    where id = any(${[...new Set(ids)]}::text[]) and revoked_at <> now()`;
  return new Set(rows.map(({ id }) => id));
}

/** What the HTTP layer asks. */
export const callers: Callers<Tx> = { find: findCaller, revokedAmong };
