/**
 * Documents at rest, and as their readers get them.
 *
 * Each document is sealed with AES-256-GCM under its own content key. Chain, ledger and number are
 * authenticated with it (`documentId`), so it opens nowhere else. A reader that decrypts documents
 * itself gets the sealed bytes as they are stored, and the content key encrypted to its key
 * (encryption.ts in features/parties); for a whole lot it gets one key, which wraps the content
 * keys.
 *
 *   data key "documents" ─HKDF→ content key of an invoice ─AES-GCM→ document
 *                        ─HKDF→ lot key ─AES-KW→ content keys of its invoices
 *   lot key, content key ─JWE→ reader
 *
 * Does not own: who may read (grants.ts), what a document says (protocol/formats).
 */
import { createDecipheriv } from "node:crypto";
import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import type { Deployment } from "../../chain/deploy.ts";
import type { Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import type { Caller } from "../../kernel/api.ts";
import type { Vault } from "../../keys/vault.ts";
import { type PartyKind, rolesOfParty } from "../parties/api-keys.ts";
import {
  type EncryptionKeys,
  isPublicKey,
  type PublicKey,
  thumbprint,
  unwrapUnder,
  wrapTo,
  wrapUnder,
} from "../parties/encryption.ts";

/** AES-256-GCM, each member base64url. `aad` is authenticated as UTF-8. */
export type SealedBytes = { aad: string; iv: string; ciphertext: string; tag: string };
/**
 * A document as its reader gets it. `key`: a JWE; in a lot, the content key under the lot's key.
 */
export type SealedDocument = { number: string; salt: string; key: string; document: SealedBytes };
export type SealedLot = { first: string; count: number; key: string; documents: SealedDocument[] };

type Stored = { number: string; salt: Buffer; document: Buffer };

export type Documents = ReturnType<typeof createDocuments>;

const NONCE = 12;
const TAG = 16;

/** Authenticated with a document: its chain (CAIP-2), its ledger (lower case), its number. */
export const documentId = (
  { chainId, ledger }: Pick<Deployment, "chainId" | "ledger">,
  number: string,
): string => `eip155:${chainId}/${ledger.toLowerCase()}/${number}`;

/** The stored bytes of a document, in parts. */
export function bytesOf(aad: string, stored: Buffer): SealedBytes {
  const text = (part: Buffer) => part.toString("base64url");
  return {
    aad,
    iv: text(stored.subarray(0, NONCE)),
    ciphertext: text(stored.subarray(NONCE, stored.length - TAG)),
    tag: text(stored.subarray(stored.length - TAG)),
  };
}

/** The document in sealed bytes. Throws when they were altered, or sealed under another key. */
export function openSealed(key: Uint8Array, { aad, iv, ciphertext, tag }: SealedBytes): Buffer {
  const bytes = (part: string) => Buffer.from(part, "base64url");
  const decipher = createDecipheriv("aes-256-gcm", key, bytes(iv), { authTagLength: TAG });
  decipher.setAAD(Buffer.from(aad));
  decipher.setAuthTag(bytes(tag));
  return Buffer.concat([decipher.update(bytes(ciphertext)), decipher.final()]);
}

/**
 * The documents of a lot by number, opened with the lot's key. Throws when one of them does not
 * open.
 */
export function openLot(
  lotKey: Uint8Array,
  documents: readonly SealedDocument[],
): Map<string, { salt: Buffer; text: string }> {
  return new Map(
    documents.map(({ number, salt, key, document }) => {
      const contentKey = unwrapUnder(lotKey, Buffer.from(key, "base64url"));
      return [
        number,
        {
          salt: Buffer.from(salt.slice(2), "hex"),
          text: openSealed(contentKey, document).toString(),
        },
      ];
    }),
  );
}

export function createDocuments({
  vault,
  keys,
  deployment,
}: {
  vault: Vault;
  keys: EncryptionKeys;
  deployment: Pick<Deployment, "chainId" | "ledger">;
}) {
  const idOf = (number: string) => documentId(deployment, number);

  const readerKey = async (tx: Tx, account: string): Promise<PublicKey> => {
    const key = await keys.get(tx, account);
    if (key) return key;
    throw new Problem(
      "encryption-key-missing",
      "The party has not registered an encryption key: PUT /v1/encryption-key",
      {},
    );
  };

  return {
    /** The stored form of a document: canonical JSON, sealed. */
    seal: (number: string, canonical: string): Buffer =>
      vault.seal("documents", idOf(number), canonical),
    /** Throws when the bytes were altered, or belong to another invoice. */
    open: (number: string, stored: Uint8Array): InvoiceDocument =>
      JSON.parse(vault.open("documents", idOf(number), stored).toString()) as InvoiceDocument,
    /** The document's text, as it was hashed. */
    openText: (number: string, stored: Uint8Array): string =>
      vault.open("documents", idOf(number), stored).toString(),
    /** An XML original, byte for byte. */
    sealSource: (number: string, bytes: Uint8Array): Buffer =>
      vault.seal("documents", `${idOf(number)}/source`, bytes),
    openSource: (number: string, stored: Uint8Array): Buffer =>
      vault.open("documents", `${idOf(number)}/source`, stored),

    /** The encrypted document for a caller that decrypts it. Throws `encryption-key-missing`. */
    async sealedFor(tx: Tx, caller: Caller, row: Stored): Promise<SealedDocument> {
      const id = idOf(row.number);
      const key = await wrapTo(await readerKey(tx, caller.account), vault.documentKey(id), id);
      return {
        number: row.number,
        salt: `0x${row.salt.toString("hex")}`,
        key,
        document: bytesOf(id, row.document),
      };
    },

    /** The documents of a lot for one reader: one JWE, and each content key under the lot's key. */
    async sealedLot(
      jwk: PublicKey,
      lot: { first: string; count: number },
      rows: readonly Stored[],
    ): Promise<SealedLot> {
      const id = `${idOf(lot.first)}/lot`;
      const lotKey = vault.documentKey(id);
      const documents = rows.map((row): SealedDocument => {
        const own = idOf(row.number);
        const key = wrapUnder(lotKey, vault.documentKey(own)).toString("base64url");
        return {
          number: row.number,
          salt: `0x${row.salt.toString("hex")}`,
          key,
          document: bytesOf(own, row.document),
        };
      });
      return { first: lot.first, count: lot.count, key: await wrapTo(jwk, lotKey, id), documents };
    },

    /**
     * A lot's documents for the caller: the lot's issuer, or the bureau. Throws not-found,
     * encryption-key-missing.
     */
    async lotFor(tx: Tx, caller: Caller, first: string): Promise<SealedLot> {
      const [lot] = await tx<
        (RowOf<"lot_now", "first" | "count"> & RowOf<"taxpayer_now", "account">)[]
      >`
        select l.first, l.count, t.account from lot_now l join taxpayer_now t on t.index = l.issuer where l.first = ${first}`;
      const may =
        lot &&
        (caller.roles.includes("bureau") ||
          (caller.roles.includes("issuer") && lot.account === caller.account));
      const rows = may
        ? await tx<
            Stored[]
          >`select number, salt, document from accepted_now where number >= ${first} and number < ${first}::numeric + ${lot.count} order by number`
        : [];
      if (!lot || !may || rows.length !== lot.count)
        throw new Problem("not-found", `You have no lot ${first} whose documents are here`);
      return this.sealedLot(await readerKey(tx, caller.account), lot, rows);
    },

    /**
     * Registers the key that the caller's party decrypts documents with. Throws invalid-request,
     * forbidden.
     */
    async register(tx: Tx, caller: Caller, jwk: PublicKey): Promise<{ kid: string }> {
      if (!(await isPublicKey(jwk))) {
        const detail = "A public JWK: OKP X25519 with x, or EC P-256 with x and y";
        throw new Problem("invalid-request", detail, {
          violations: [{ field: "", rule: "public-key", detail }],
        });
      }
      // from now on documents of every role's invoices are encrypted to this key, and no longer to
      // the one before
      const [party] = await tx<PartyKind[]>`
        select p.kind, t.capabilities from party_now p left join taxpayer_now t on t.account = p.account where p.account = ${caller.account}`;
      const missing = party
        ? rolesOfParty(party).filter((role) => role !== "admin" && !caller.roles.includes(role))
        : [];
      if (missing.length > 0) {
        const detail = `This API key does not have the party's role ${missing.join(", ")}, whose documents the encryption key opens as well`;
        throw new Problem("forbidden", detail, { extra: { rolesNeeded: ["admin"] } });
      }
      await keys.register(tx, caller.account, jwk);
      return { kid: await thumbprint(jwk) };
    },

    async keyOf(tx: Tx, account: string): Promise<{ kid: string; jwk: PublicKey } | undefined> {
      const jwk = await keys.get(tx, account);
      return jwk && { kid: await thumbprint(jwk), jwk };
    },
  };
}
