/**
 * Keys that documents are encrypted to: for a party that opens them by itself, and for deposits,
 * which the bureau's gateway opens.
 *
 * A content key or a lot key goes to a reader as a JWE (RFC 7516, compact): `alg` ECDH-ES+A256KW,
 * `enc` A256GCM, the payload a JWK of the key (RFC 7517 §7), `kid` what it opens. Content keys go
 * under their lot's key by AES key wrap (RFC 3394), so that a lot costs one JWE a reader, however
 * many invoices it has. Wraps are made when they are asked for: a key that a party has replaced,
 * and a grant that was withdrawn, open nothing that is handed out later.
 *
 * Keys by purpose: a party's own key, by which it opens documents, is replaced at its wish, and its
 * private key is never here. The key that deposits are encrypted to is kept here and rotated;
 * nothing that a party registers touches it.
 *
 * Owns the tables encryption_keys and deposit_keys. Does not own: who may read what
 * (features/grants).
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

/** Whether it is a public key of a kind that is encrypted to here, and a point of its curve. */
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

/**
 * A key of 32 bytes as a JWE that the holder of the private key opens. `opens`: what the key is of.
 */
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
 * The key of 32 bytes in a JWE, and what it opens. Throws when it is not for this private key, or
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

/** A content key under a lot key: 40 bytes. */
export function wrapUnder(lotKey: Uint8Array, key: Uint8Array): Buffer {
  const cipher = createCipheriv(KEY_WRAP, lotKey, KEY_WRAP_IV);
  return Buffer.concat([cipher.update(key), cipher.final()]);
}

/** Throws when it was altered, or is under another key. */
export function unwrapUnder(lotKey: Uint8Array, wrapped: Uint8Array): Buffer {
  const decipher = createDecipheriv(KEY_WRAP, lotKey, KEY_WRAP_IV);
  return Buffer.concat([decipher.update(wrapped), decipher.final()]);
}

export type EncryptionKeys = ReturnType<typeof createEncryptionKeys>;

/** Deposit keys of one account: what was encrypted to any of them still opens, by trying them. */
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
    /**
     * The key that a party opens documents with by itself; undefined when it has registered none.
     */
    async of(tx: Tx, account: string): Promise<PublicKey | undefined> {
      const [row] = await tx<
        { public: PublicKey }[]
      >`select public from encryption_keys where account = ${account}`;
      return row?.public;
    },

    /**
     * Registers the key that a party opens documents with, or replaces it. Deposit keys are others,
     * and stay.
     */
    async register(tx: Tx, account: string, jwk: PublicKey): Promise<void> {
      await tx`
        insert into encryption_keys (account, public) values (${account}, ${tx.json(jwk as unknown as Json)})
        on conflict (account) do update set public = excluded.public, created_at = now()`;
    },

    /**
     * The key that deposits for this account are encrypted to now; made when there is none. Of two
     * made at once both open.
     */
    depositKey: async (tx: Tx, account: string): Promise<PublicKey> =>
      (await kept(tx, account))[0]?.public ?? make(tx, account),

    /**
     * Makes the next deposit key; those before go on opening. Undefined when there are
     * MAX_DEPOSIT_KEYS.
     */
    async rotateDepositKey(tx: Tx, account: string): Promise<PublicKey | undefined> {
      // one at a time counts them
      await tx`select pg_advisory_xact_lock(hashtext(${`deposit-keys/${account}`}))`;
      return (await kept(tx, account)).length < MAX_DEPOSIT_KEYS ? make(tx, account) : undefined;
    },

    /**
     * Opens a JWE with whichever deposit key it was encrypted to. Throws when it was to none of
     * them, or was altered.
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
