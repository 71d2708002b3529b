/**
 * API keys: `id.secret`, the secret 32 random bytes, of which SHA-256 alone is kept (a random secret needs no slow hash).
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Tx } from "../db/db.ts";
import type { Caller, Role } from "../kernel/api.ts";

const hashSecret = (secret: string): Buffer => createHash("sha256").update(secret).digest();
/** What an unknown id is compared with, so that it takes as long as a wrong secret. */
const nothing = hashSecret(randomBytes(32).toString("base64url"));

/** Makes a key for an account: `id.secret`. The secret is in the answer and nowhere else. */
export async function createApiKey(tx: Tx, key: { account: string; roles: readonly string[]; createdBy: string }): Promise<string> {
  const id = randomBytes(9).toString("base64url");
  const secret = randomBytes(32).toString("base64url");
  await tx`
    insert into api_keys (id, secret_hash, account, roles, created_by)
    values (${id}, ${hashSecret(secret)}, ${key.account}, ${[...key.roles]}, ${key.createdBy})`;
  return `${id}.${secret}`;
}

/** Who presents this key; undefined for an unknown, wrong or revoked one. */
export async function findCaller(tx: Tx, presented: string): Promise<Caller | undefined> {
  const [, id, secret] = /^([\w-]{1,64})\.([\w-]{1,128})$/.exec(presented) ?? [];
  if (id === undefined || secret === undefined) return undefined;
  const [row] = await tx<{ secret_hash: Buffer; account: string; roles: Role[] }[]>`
    select secret_hash, account, roles from api_keys where id = ${id} and revoked_at is null`;
  const same = timingSafeEqual(row?.secret_hash ?? nothing, hashSecret(secret));
  return row && same ? { keyId: id, account: row.account, roles: row.roles } : undefined;
}
