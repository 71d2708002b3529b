/**
 * Custodial keys: secp256k1 private keys, sealed in the database. Parties trust the operator with
 * these (docs/threat-model.md); a party that does not keeps its own key, and then the gateway has
 * none to sign with.
 *
 * A bounded cache keeps opened keys in memory. Never logs or returns a private key. The curve is
 * libsecp256k1's, compiled to WebAssembly: compared with ethers' own arithmetic, a signature takes
 * a fifth of the time and a public key a quarter, and both are frequent.
 */

import {
  type CompactSignature,
  checksummed,
  compactSignature,
} from "@onepiao/protocol/ledger/messages.ts";
import { keccak } from "@onepiao/protocol/ledger/tree.ts";
import { hexlify, randomBytes, Transaction } from "ethers";
import { pointFromScalar, signRecoverable } from "tiny-secp256k1";
import type { Sql, Tx } from "../db/db.ts";
import type { RowOf } from "../db/tables.ts";
import type { Vault } from "./vault.ts";

export type TransactionFields = {
  chainId: number;
  nonce: number;
  to: string;
  data: string;
  gasLimit: bigint;
};

export type Keystore = {
  /** Creates a key and returns its address. */
  create(tx: Tx): Promise<string>;
  /** Imports a key that was created elsewhere; returns its address. */
  take(tx: Tx, privateKey: string): Promise<string>;
  holds(address: string): Promise<boolean>;
  /** Signs a 32-byte digest with the key of this address; undefined if it is not kept here. */
  sign(address: string, digest: string): Promise<CompactSignature | undefined>;
  /** Signs a legacy transaction with zero gas price. Throws if the key is not kept here. */
  signTransaction(
    address: string,
    fields: TransactionFields,
  ): Promise<{ raw: string; hash: string }>;
};

const CACHED_KEYS = 10_000;

/**
 * Whether the key of this address is kept here, asked on this connection: a transaction that waits
 * for a second one can wait for ever.
 */
export const isKept = async (tx: Tx, address: string): Promise<boolean> =>
  (await tx`select 1 from keystore where address = ${address}`).length > 0;

export function createKeystore(deps: { sql: Sql; vault: Vault }): Keystore {
  const { sql, vault } = deps;
  const cache = new Map<string, Uint8Array>();

  async function keyOf(address: string): Promise<Uint8Array | undefined> {
    const cached = cache.get(address);
    if (cached) return cached;
    const [row] = await sql<
      RowOf<"keystore", "sealed">[]
    >`select sealed from keystore where address = ${address}`;
    if (!row) return undefined;
    const key = vault.open("keystore", address, row.sealed);
    if (cache.size >= CACHED_KEYS) cache.delete(cache.keys().next().value as string);
    cache.set(address, key);
    return key;
  }

  async function take(tx: Tx, privateKey: string): Promise<string> {
    const address = accountOfSecret(privateKey);
    const sealed = vault.seal("keystore", address, Buffer.from(privateKey.slice(2), "hex"));
    await tx`
      insert into keystore (address, sealed) values (${address}, ${sealed}) on conflict do nothing`;
    return address;
  }

  return {
    take,
    create: (tx) => take(tx, hexlify(randomBytes(32))),
    holds: async (address) => (await keyOf(address)) !== undefined,
    async sign(address, digest) {
      const key = await keyOf(address);
      return key && compactSignature(signatureOf(key, digest));
    },
    async signTransaction(address, fields) {
      const key = await keyOf(address);
      if (!key) throw new Error(`The key of ${address} is not kept here`);
      const transaction = Transaction.from({ ...fields, type: 0, gasPrice: 0n, value: 0n });
      transaction.signature = signatureOf(key, transaction.unsignedHash);
      return { raw: transaction.serialized, hash: transaction.hash as string };
    },
  };
}

/**
 * r, s and v of a signature over a 32-byte digest, as 65 bytes in hex; deterministic (RFC 6979), s
 * in the lower half.
 */
function signatureOf(key: Uint8Array, digest: string): string {
  const { signature, recoveryId } = signRecoverable(bytesOf(digest), key);
  return `0x${Buffer.from(signature).toString("hex")}${recoveryId === 0 ? "1b" : "1c"}`;
}

const bytesOf = (hex: string): Buffer => Buffer.from(hex.slice(2), "hex");

/** The account of a private key (32 bytes in 0x-hex). Throws if the key is invalid. */
export function accountOfSecret(privateKey: string): string {
  const point = /^0x[0-9a-fA-F]{64}$/.test(privateKey)
    ? pointFromScalar(bytesOf(privateKey), false)
    : null;
  if (point === null) throw new RangeError("This is not a private key");
  return checksummed(`0x${keccak(point.subarray(1)).slice(-40)}`);
}
