/**
 * Envelope encryption: a master key from file or environment wraps data keys in the database; data keys seal everything that
 * must not be readable there. AES-256-GCM with a fresh 96-bit nonce; `context` is authenticated, so a sealed value cannot be
 * moved to another row.
 *
 * Form of a sealed value: nonce 12 ‖ ciphertext ‖ tag 16. Blind indexes are HMAC-SHA-256 under a data key of their own.
 * Losing the master key loses every document: it is backed up apart from the database (docs/operations.md).
 */
import { createCipheriv, createDecipheriv, createHmac, createSecretKey, type KeyObject, randomBytes } from "node:crypto";
import type { Sql } from "../db/db.ts";

const purposes = ["documents", "parties", "keystore", "answers", "blind", "webhooks", "stats"] as const;
export type Purpose = (typeof purposes)[number];

export type Vault = {
  seal(purpose: Purpose, context: string, plain: Uint8Array | string): Buffer;
  /** Throws when the value was altered, or sealed for another context. */
  open(purpose: Purpose, context: string, sealed: Uint8Array): Buffer;
  /** Keyed hash by which an equal value is found again. `field` keeps equal values of different fields apart. */
  blind(field: string, value: string): Buffer;
  /** 32 bytes that follow from the context alone, for a secret that need not be stored. */
  derive(purpose: Purpose, context: string): Buffer;
};

function encrypt(key: KeyObject, context: string, plain: Uint8Array): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(Buffer.from(context));
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(key: KeyObject, context: string, sealed: Uint8Array): Buffer {
  // a value cut short must not pass with a shorter tag
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, 12), { authTagLength: 16 });
  decipher.setAAD(Buffer.from(context));
  decipher.setAuthTag(sealed.subarray(sealed.length - 16));
  return Buffer.concat([decipher.update(sealed.subarray(12, sealed.length - 16)), decipher.final()]);
}

// keys as KeyObjects: from a Buffer, a cipher or an HMAC takes Node 24 four times as long
const hmac = (key: KeyObject | string, text: Uint8Array | string): Buffer => createHmac("sha256", key).update(text).digest();

/** Unwraps the data keys, making those that are missing. Throws when the master key is not the one that wrapped them. */
export async function openVault(sql: Sql, masterKeyHex: string): Promise<Vault> {
  const bytes = Buffer.from(masterKeyHex, "hex");
  if (bytes.length !== 32) throw new Error("MASTER_KEY is not 32 bytes in hex");
  const master = createSecretKey(bytes);
  const keys = new Map<Purpose, KeyObject>();
  for (const purpose of purposes) {
    const context = `data-key/${purpose}`;
    await sql`insert into data_keys (purpose, wrapped) values (${purpose}, ${encrypt(master, context, randomBytes(32))}) on conflict do nothing`;
    const [row] = await sql<{ wrapped: Buffer }[]>`select wrapped from data_keys where purpose = ${purpose}`;
    try {
      keys.set(purpose, createSecretKey(decrypt(master, context, row?.wrapped ?? Buffer.alloc(28))));
    } catch (cause) {
      throw new Error("MASTER_KEY is not the key that this database was made with", { cause });
    }
  }
  // HKDF-SHA-256 (RFC 5869), the first half once a data key: what is left for each of its keys of 32 bytes is one HMAC
  const extracts = new Map<string, KeyObject>();
  const hkdf = (purpose: Purpose, salt: string, context: string): Buffer => {
    let extract = extracts.get(`${purpose}/${salt}`);
    if (extract === undefined) {
      extract = createSecretKey(hmac(salt, (keys.get(purpose) as KeyObject).export()));
      extracts.set(`${purpose}/${salt}`, extract);
    }
    return hmac(extract, `${context}\x01`);
  };
  const keyFor = (purpose: Purpose, context: string): KeyObject =>
    // each document under a key of its own, derived, so that one can be handed out without the others
    purpose === "documents" ? createSecretKey(hkdf(purpose, "", context)) : (keys.get(purpose) as KeyObject);
  return {
    seal: (purpose, context, plain) => encrypt(keyFor(purpose, context), context, typeof plain === "string" ? Buffer.from(plain) : plain),
    open: (purpose, context, sealed) => decrypt(keyFor(purpose, context), context, sealed),
    derive: (purpose, context) => hkdf(purpose, "derive", context),
    blind: (field, value) => hmac(keys.get("blind") as KeyObject, `${field}\0${value}`),
  };
}
