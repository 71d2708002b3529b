/**
 * API keys: `id.secret`, the secret 32 random bytes, of which SHA-256 alone is kept (a random secret needs no slow hash).
 *
 * A key may have no secret: it belongs to a person whom the operator's identity provider knows by a name, and is shown by signing in
 * there. From the first time on it is the provider's subject that counts: who is given the name later does not get the key.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Tx } from "../db/db.ts";
import type { Caller, Role } from "../kernel/api.ts";
import type { Vault } from "./vault.ts";

const hashSecret = (secret: string): Buffer => createHash("sha256").update(secret).digest();
/** What an unknown id is compared with, so that it takes as long as a wrong secret. */
const nothing = hashSecret(randomBytes(32).toString("base64url"));
/** So many parties a person is offered to act for. */
const MAX_OF_PERSON = 50;

/** Makes a key for an account: `id.secret`. The secret is in the answer and nowhere else. */
export async function createApiKey(tx: Tx, key: { account: string; roles: readonly string[]; createdBy: string }): Promise<string> {
  const id = randomBytes(9).toString("base64url");
  const secret = randomBytes(32).toString("base64url");
  await tx`
    insert into api_keys (id, secret_hash, account, roles, created_by)
    values (${id}, ${hashSecret(secret)}, ${key.account}, ${[...key.roles]}, ${key.createdBy})`;
  return `${id}.${secret}`;
}

/** Who has signed in at the provider. */
export type Person = { issuer: string; subject: string; name: string };

/**
 * How names are compared: addresses without regard to case, and of ASCII's letters alone. Where more letters are folded into one another,
 * somebody else's address may become this one's (the sign for kelvin has the small letter k).
 */
function nameBlind(vault: Vault, name: string): Buffer {
  const text = name.trim();
  return vault.blind("sign-in/name", text.includes("@") ? text.replace(/[A-Z]/g, (letter) => letter.toLowerCase()) : text);
}
const subjectBlind = (vault: Vault, { issuer, subject }: Person) => vault.blind("sign-in/subject", `${issuer}\0${subject}`);
const nameContext = (id: string) => `api-key/${id}/name`;

/** Makes a key that the person of this name at the provider shows by signing in; its id. */
export async function createSignInKey(
  tx: Tx,
  vault: Vault,
  key: { account: string; roles: readonly string[]; createdBy: string; name: string },
): Promise<string> {
  const id = randomBytes(9).toString("base64url");
  await tx`
    insert into api_keys (id, account, roles, created_by, name_blind, name_sealed)
    values (${id}, ${key.account}, ${[...key.roles]}, ${key.createdBy}, ${nameBlind(vault, key.name)}, ${vault.seal("parties", nameContext(id), key.name)})`;
  return id;
}

/** The name that a key was made for. */
export const signInName = (vault: Vault, id: string, sealed: Uint8Array): string => vault.open("parties", nameContext(id), sealed).toString();

/** The keys of somebody who has just signed in; those that nobody has shown yet become this person's. */
export async function keysOfPerson(tx: Tx, vault: Vault, person: Person): Promise<Caller[]> {
  const subject = subjectBlind(vault, person);
  await tx`
    update api_keys set subject_blind = ${subject}, signed_in_at = now()
    where name_blind = ${nameBlind(vault, person.name)} and subject_blind is null and revoked_at is null`;
  return tx<Caller[]>`
    select id as "keyId", account, roles from api_keys where subject_blind = ${subject} and revoked_at is null order by created_at limit ${MAX_OF_PERSON}`;
}

/** The caller of one of this person's keys; undefined when it is none of them. */
export async function findCallerOf(tx: Tx, vault: Vault, person: Person, id: string): Promise<Caller | undefined> {
  const [caller] = await tx<Caller[]>`
    select id as "keyId", account, roles from api_keys where id = ${id} and subject_blind = ${subjectBlind(vault, person)} and revoked_at is null`;
  return caller;
}

/** Who presents this key; undefined for an unknown, wrong or revoked one. */
export async function findCaller(tx: Tx, presented: string): Promise<Caller | undefined> {
  const [, id, secret] = /^([\w-]{1,64})\.([\w-]{1,128})$/.exec(presented) ?? [];
  if (id === undefined || secret === undefined) return undefined;
  const [row] = await tx<{ secret_hash: Buffer | null; account: string; roles: Role[] }[]>`
    select secret_hash, account, roles from api_keys where id = ${id} and revoked_at is null`;
  const same = timingSafeEqual(row?.secret_hash ?? nothing, hashSecret(secret));
  return row && same ? { keyId: id, account: row.account, roles: row.roles } : undefined;
}
