/**
 * Keys that documents are encrypted to: for a party that decrypts them itself, and for deposits,
 * which the bureau's gateway decrypts.
 *
 * A reader gets a content key or a lot key as a JWE (RFC 7516, compact): `alg` ECDH-ES+A256KW,
 * `enc` A256GCM, the payload a JWK of the key (RFC 7517 §7), `kid` says what the key opens. Content
 * keys are wrapped with their lot's key by AES key wrap (RFC 3394), so that a lot costs one JWE for
 * each reader, however many invoices it has. Wraps are made on request: a key that a party has
 * replaced, and a grant that was withdrawn, open nothing that is handed out later.
 *
 * Keys by purpose: a party's own key, with which it opens documents, is replaced when the party
 * asks for it, and its private key is never here. The key that deposits are encrypted to is kept
 * here and rotated; registering a party's key does not touch it.
 *
 * Owns the tables encryption_keys and deposit_keys. Does not own: who may read what
 * (features/invoices/grants.ts).
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import {
  CompactEncrypt,
  calculateJwkThumbprint,
  compactDecrypt,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
} from "jose";
import type { Json, Tx } from "../../db/db.ts";
import type { Vault } from "../../keys/vault.ts";

export type PublicKey = {
  kty: "OKP" | "EC";
  crv: "X25519" | "P-256";
  x: string;
  y?: string | undefined;
};

const ALG = "ECDH-ES+A256KW";
const KEY_WRAP = "aes256-wrap";
/** The initial value of RFC 3394 §2.2.3.1. */
const KEY_WRAP_IV = Buffer.alloc(8, 0xa6);

/** Whether this is a supported public key, and a point on its curve. */
export async function isPublicKey(jwk: PublicKey): Promise<boolean> {
  try {
    const fits =
      jwk.crv === "X25519"
        ? jwk.kty === "OKP" && jwk.y === undefined
        : jwk.kty === "EC" && jwk.y !== undefined;
    if (!fits) return false;
    await wrapTo(jwk, Buffer.alloc(32), "probe");
    return true;
  } catch {
    return false;
  }
}

export const thumbprint = (jwk: PublicKey): Promise<string> => calculateJwkThumbprint(jwk as JWK);

/** A key of 32 bytes as a JWE for the holder of the private key. `opens`: what the key opens. */
export async function wrapTo(jwk: PublicKey, key: Uint8Array, opens: string): Promise<string> {
  const payload = JSON.stringify({
    kty: "oct",
    k: Buffer.from(key).toString("base64url"),
    kid: opens,
  });
  return new CompactEncrypt(Buffer.from(payload))
    .setProtectedHeader({ alg: ALG, enc: "A256GCM", cty: "jwk+json", kid: opens })
    .encrypt(await importJWK(jwk as JWK, ALG));
}

/**
 * The key of 32 bytes in a JWE, and what it opens. Throws if the JWE is for another private key, or
 * was altered.
 */
export async function unwrapWith(
  privateKey: JWK,
  jwe: string,
): Promise<{ key: Buffer; opens: string }> {
  const { plaintext } = await compactDecrypt(jwe, await importJWK(privateKey, ALG), {
    keyManagementAlgorithms: [ALG],
    contentEncryptionAlgorithms: ["A256GCM"],
  });
  const { k, kid } = JSON.parse(Buffer.from(plaintext).toString()) as { k: string; kid: string };
  const key = Buffer.from(k, "base64url");
  if (key.length !== 32) throw new Error("The JWE holds no key of 32 bytes");
  return { key, opens: kid };
}

/** A content key wrapped with a lot key: 40 bytes. */
export function wrapUnder(lotKey: Uint8Array, key: Uint8Array): Buffer {
  const cipher = createCipheriv(KEY_WRAP, lotKey, KEY_WRAP_IV);
  return Buffer.concat([cipher.update(key), cipher.final()]);
}

/** Throws if it was altered, or is wrapped with another key. */
export function unwrapUnder(lotKey: Uint8Array, wrapped: Uint8Array): Buffer {
  const decipher = createDecipheriv(KEY_WRAP, lotKey, KEY_WRAP_IV);
  return Buffer.concat([decipher.update(wrapped), decipher.final()]);
}

export type EncryptionKeys = ReturnType<typeof createEncryptionKeys>;

/** Deposit keys of one account: a JWE to any of them still opens, by trying each one. */
export const MAX_DEPOSIT_KEYS = 50;

export function createEncryptionKeys({ vault }: { vault: Vault }) {
  type Kept = { public: PublicKey; sealed: Buffer };
  const kept = (tx: Tx, account: string) =>
    tx<Kept[]>`select public, sealed from deposit_keys where account = ${account} order by id desc`;

  async function make(tx: Tx, account: string): Promise<PublicKey> {
    const pair = await generateKeyPair(ALG, { crv: "X25519", extractable: true });
    const jwk = (await exportJWK(pair.publicKey)) as PublicKey;
    const sealed = vault.seal(
      "keystore",
      `encryption/${account}`,
      JSON.stringify(await exportJWK(pair.privateKey)),
    );
    await tx`insert into deposit_keys (account, public, sealed) values (${account}, ${tx.json(jwk as unknown as Json)}, ${sealed})`;
    return jwk;
  }

  return {
    /** The key with which a party opens documents itself; undefined if none is registered. */
    async get(tx: Tx, account: string): Promise<PublicKey | undefined> {
      const [row] = await tx<
        { public: PublicKey }[]
      >`select public from encryption_keys where account = ${account}`;
      return row?.public;
    },

    /** Registers or replaces the key with which a party opens documents. Its deposit keys stay. */
    async register(tx: Tx, account: string, jwk: PublicKey): Promise<void> {
      await tx`
        insert into encryption_keys (account, public) values (${account}, ${tx.json(jwk as unknown as Json)})
        on conflict (account) do update set public = excluded.public, created_at = now()`;
    },

    /**
     * The key that deposits for this account are encrypted to now; created if there is none. If two
     * are created at once, both open.
     */
    depositKey: async (tx: Tx, account: string): Promise<PublicKey> =>
      (await kept(tx, account))[0]?.public ?? make(tx, account),

    /**
     * Creates the next deposit key; earlier ones still open. Undefined if there are
     * MAX_DEPOSIT_KEYS already.
     */
    async rotateDepositKey(tx: Tx, account: string): Promise<PublicKey | undefined> {
      // only one transaction at a time counts them
      await tx`select pg_advisory_xact_lock(hashtext(${`deposit-keys/${account}`}))`;
      return (await kept(tx, account)).length < MAX_DEPOSIT_KEYS ? make(tx, account) : undefined;
    },

    /**
     * Opens a JWE with the deposit key that it was encrypted to. Throws if that is another key, or
     * the JWE was altered.
     */
    async unwrapDeposit(
      tx: Tx,
      account: string,
      jwe: string,
    ): Promise<{ key: Buffer; opens: string }> {
      for (const { sealed } of await kept(tx, account)) {
        const privateKey = JSON.parse(
          vault.open("keystore", `encryption/${account}`, sealed).toString(),
        ) as JWK;
        const opened = await unwrapWith(privateKey, jwe).catch(() => undefined);
        if (opened) return opened;
      }
      throw new Error(`No deposit key of ${account} opens this`);
    },
  };
}
