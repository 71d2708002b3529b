/**
 * Envelope encryption: a master key from file or environment wraps data keys in the database; data
 * keys seal everything that must not be readable there. AES-256-GCM with a fresh 96-bit nonce;
 * `context` is authenticated, so a sealed value cannot be moved to another row.
 *
 * Form of a sealed value: nonce 12 ‖ ciphertext ‖ tag 16. Blind indexes are HMAC-SHA-256 under a
 * data key of their own. Losing the master key means losing every document: back it up separately
 * from the database (docs/operations.md).
 *
 * The master key can be rotated without downtime: data keys are wrapped for the old key and the new
 * one (`addWraps`) until every process runs with the new one, and then only for the new one
 * (`dropOtherWraps`). A running process has the data keys in memory.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createSecretKey,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import type { Sql, Tx } from "../db/db.ts";
import type { RowOf } from "../db/tables.ts";

const purposes = [
  "documents",
  "parties",
  "keystore",
  "answers",
  "blind",
  "webhooks",
  "stats",
] as const;
export type Purpose = (typeof purposes)[number];

export type Vault = {
  seal(purpose: Purpose, context: string, plain: Uint8Array | string): Buffer;
  /** Throws if the value was altered, or sealed for another context. */
  open(purpose: Purpose, context: string, sealed: Uint8Array): Buffer;
  /**
   * A keyed hash, to find an equal value again. `field` separates equal values of different fields.
   */
  blind(field: string, value: string): Buffer;
  /** 32 bytes that follow from the context, for a secret that need not be stored. */
  derive(purpose: Purpose, context: string): Buffer;
  /** The key that seals the document of this context, for one of its readers. */
  documentKey(context: string): Buffer;
};

function encrypt(key: KeyObject, context: string, plain: Uint8Array): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(Buffer.from(context));
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(key: KeyObject, context: string, sealed: Uint8Array): Buffer {
  // a truncated value must not pass with a shorter tag
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, 12), {
    authTagLength: 16,
  });
  decipher.setAAD(Buffer.from(context));
  decipher.setAuthTag(sealed.subarray(sealed.length - 16));
  return Buffer.concat([
    decipher.update(sealed.subarray(12, sealed.length - 16)),
    decipher.final(),
  ]);
}

// keys as KeyObjects: with a Buffer, a cipher or an HMAC takes Node 24 four times as long
const hmac = (key: KeyObject | string, text: Uint8Array | string): Buffer =>
  createHmac("sha256", key).update(text).digest();

const wrapContext = (purpose: string) => `data-key/${purpose}`;

/**
 * The master key, and a name for its wraps that does not reveal the key. Throws if it is not 32
 * bytes in hex.
 */
function masterOf(hex: string): { key: KeyObject; id: string } {
  const bytes = Buffer.from(hex, "hex");
  if (bytes.length !== 32) throw new Error("MASTER_KEY is not 32 bytes in hex");
  const id = createHash("sha256")
    .update("onepiao master key\0")
    .update(bytes)
    .digest("hex")
    .slice(0, 16);
  return { key: createSecretKey(bytes), id };
}

/** Two processes must not create two data keys for one purpose. */
const VAULT_LOCK = 7_146_009_514;

/**
 * The data keys, opened with the master key; creates those of new purposes. Throws if it is not the
 * key of this database.
 */
async function unwrapAll(
  tx: Tx,
  master: { key: KeyObject; id: string },
): Promise<Map<Purpose, Buffer>> {
  await tx`select pg_advisory_xact_lock(${VAULT_LOCK})`;
  const rows = await tx<
    RowOf<"data_keys", "purpose" | "master" | "wrapped">[]
  >`select purpose, master, wrapped from data_keys`;
  const keys = new Map<Purpose, Buffer>();
  for (const purpose of purposes) {
    const all = rows.filter((row) => row.purpose === purpose);
    const own = all.find((row) => row.master === master.id) ?? all.find((row) => row.master === "");
    if (all.length === 0) {
      const fresh = randomBytes(32);
      await tx`
        insert into data_keys (purpose, master, wrapped) values (${purpose}, ${master.id},
          ${encrypt(master.key, wrapContext(purpose), fresh)})`;
      keys.set(purpose, fresh);
      continue;
    }
    try {
      keys.set(
        purpose,
        decrypt(master.key, wrapContext(purpose), own?.wrapped ?? Buffer.alloc(28)),
      );
    } catch (cause) {
      throw new Error("MASTER_KEY is not the key that this database was made with", { cause });
    }
    if (own?.master === "")
      await tx`
        update data_keys set master = ${master.id} where purpose = ${purpose} and master = ''`;
  }
  return keys;
}

/**
 * Wraps the data keys for a second master key too. From then on processes start with either key.
 * Throws if `masterKeyHex` does not open this database, and if the two are equal.
 */
export async function addWraps(sql: Sql, masterKeyHex: string, nextKeyHex: string): Promise<void> {
  const next = masterOf(nextKeyHex);
  const master = masterOf(masterKeyHex);
  if (next.id === master.id) throw new Error("The new master key is the present one");
  await sql.begin(async (tx) => {
    for (const [purpose, key] of await unwrapAll(tx, master)) {
      await tx`
        insert into data_keys (purpose, master, wrapped) values (${purpose}, ${next.id},
          ${encrypt(next.key, wrapContext(purpose), key)})
        on conflict (purpose, master) do update set wrapped = excluded.wrapped`;
    }
  });
}

/**
 * Deletes the wraps for all other master keys; returns the number of those keys. Throws if
 * `masterKeyHex` does not open this database.
 */
export async function dropOtherWraps(sql: Sql, masterKeyHex: string): Promise<number> {
  const master = masterOf(masterKeyHex);
  return sql.begin(async (tx) => {
    await unwrapAll(tx, master);
    const dropped = await tx<
      RowOf<"data_keys", "master">[]
    >`delete from data_keys where master <> ${master.id} returning master`;
    return new Set(dropped.map((row) => row.master)).size;
  });
}

/**
 * Unwraps the data keys, and creates missing ones. Throws if the master key is not the one that
 * wrapped them.
 */
export async function openVault(sql: Sql, masterKeyHex: string): Promise<Vault> {
  const unwrapped = await sql.begin((tx) => unwrapAll(tx, masterOf(masterKeyHex)));
  const keys = new Map([...unwrapped].map(([purpose, key]) => [purpose, createSecretKey(key)]));
  // HKDF-SHA-256 (RFC 5869), with the first half once for each data key: each derived key of 32
  // bytes then costs one HMAC
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
    // each document has a derived key of its own, so that one can be handed out without the others
    purpose === "documents"
      ? createSecretKey(hkdf(purpose, "", context))
      : (keys.get(purpose) as KeyObject);
  return {
    seal: (purpose, context, plain) =>
      encrypt(
        keyFor(purpose, context),
        context,
        typeof plain === "string" ? Buffer.from(plain) : plain,
      ),
    open: (purpose, context, sealed) => decrypt(keyFor(purpose, context), context, sealed),
    derive: (purpose, context) => hkdf(purpose, "derive", context),
    documentKey: (context) => hkdf("documents", "", context),
    blind: (field, value) => hmac(keys.get("blind") as KeyObject, `${field}\0${value}`),
  };
}
