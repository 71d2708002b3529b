/**
 * The documents of sealed lots, for the bureau's auditor: this gateway's own, and those that other
 * gateways have deposited.
 *
 * Deposits are encrypted to the bureau (features/parties/encryption.ts) and kept by depositor, so
 * that no deposit replaces another's; the root tells which one is right. Does not own: how they are
 * judged (audit.ts), how a gateway delivers them (upkeep/depositing.ts).
 */
import { setImmediate } from "node:timers/promises";
import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { leafHash, lotTree } from "@onepiao/protocol/ledger/tree.ts";
import { contentHash } from "@onepiao/protocol/proofs/disclosing.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import type { Contracts } from "../../chain/contracts.ts";
import type { Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import type { Caller } from "../../kernel/api.ts";
import {
  bytesOf,
  type Documents,
  documentId,
  openLot,
  openSealed,
  type SealedDocument,
} from "../invoices/documents.ts";
import {
  type EncryptionKeys,
  MAX_DEPOSIT_KEYS,
  type PublicKey,
  thumbprint,
  unwrapUnder,
} from "../parties/encryption.ts";

/**
 * A document in a deposit: sealed as it is stored, with the leaf's other members. `reverses`: the
 * invoice that a red letter takes back.
 */
export type Deposited = SealedDocument & {
  holder: string;
  buyer: number;
  reverses?: string | undefined;
  acceptedAt: string;
};
export type Deposit = { lot: string; key: string; documents: readonly Deposited[] };

export type SealedLot = {
  first: string;
  count: number;
  issuer: number;
  time: bigint;
  root: string;
};
type Opened = {
  number: string;
  holder: string;
  buyer: number;
  reverses: string | null;
  acceptedAt: Date;
  salt: Buffer;
  text: string;
};
/**
 * A document and its leaf that are what was sealed; whether it has the shape of an invoice is not
 * checked. `reverses` and `acceptedAt` are what its gateway says.
 */
export type Sealed = {
  number: string;
  reverses: string | null;
  acceptedAt: Date;
  document: InvoiceDocument;
  holder: string;
  buyer: number;
};

type Deps = { keys: EncryptionKeys; documents: Documents; contracts: Contracts };

/** The bureau's account; undefined at a gateway without the bureau. */
export async function bureauOf(tx: Tx): Promise<string | undefined> {
  return (
    await tx<
      RowOf<"party_now", "account">[]
    >`select account from party_now where kind = 'bureau' limit 1`
  )[0]?.account;
}

export function createLotDocuments({ keys, documents, contracts }: Deps) {
  const idOf = (number: string) => documentId(contracts.deployment, number);

  /** The key that deposits are encrypted to. Throws not-found at a gateway without the bureau. */
  async function depositKey(tx: Tx): Promise<{ kid: string; jwk: PublicKey }> {
    const bureau = await bureauOf(tx);
    if (bureau === undefined)
      throw new Problem("not-found", "No bureau is at this gateway: it takes no deposits");
    const jwk = await keys.depositKey(tx, bureau);
    return { kid: await thumbprint(jwk), jwk };
  }

  /**
   * Encrypts deposits to a new key from now on; earlier ones still open. Throws not-found,
   * deposit-key-limit.
   */
  async function rotateDepositKey(tx: Tx): Promise<{ kid: string; jwk: PublicKey }> {
    const bureau = await bureauOf(tx);
    if (bureau === undefined)
      throw new Problem("not-found", "No bureau is at this gateway: it takes no deposits");
    const jwk = await keys.rotateDepositKey(tx, bureau);
    if (jwk === undefined)
      throw new Problem(
        "deposit-key-limit",
        `There are ${MAX_DEPOSIT_KEYS} deposit keys, and each may still have to open something`,
      );
    return { kid: await thumbprint(jwk), jwk };
  }

  /**
   * Stores some documents of a lot. A document that does not open is refused by its field. Throws
   * not-found, lot-unknown, invalid-request.
   */
  async function deposit(
    tx: Tx,
    caller: Caller,
    { lot: first, key, documents }: Deposit,
  ): Promise<{ received: number; count: number }> {
    const bureau = await bureauOf(tx);
    if (bureau === undefined)
      throw new Problem("not-found", "No bureau is at this gateway: it takes no deposits");
    const [lot] = await tx<
      RowOf<"lot_now", "count">[]
    >`select count from lot_now where first = ${first}`;
    if (!lot) throw new Problem("lot-unknown", `Lot ${first} is not known here yet`);
    const refuse = (field: string, rule: string, detail: string) =>
      new Problem("invalid-request", `${field}: ${detail}`, {
        violations: [{ field, rule, detail }],
      });
    const lotKey = await keys.unwrapDeposit(tx, bureau, key).catch(() => undefined);
    if (lotKey?.opens !== `${idOf(first)}/lot`)
      throw refuse(
        "/key",
        "lot-key",
        "This is not the lot's key, encrypted to a deposit key of the bureau",
      );
    for (const [i, deposited] of documents.entries()) {
      const place = BigInt(deposited.number) - BigInt(first);
      if (place < 0n || place >= BigInt(lot.count))
        throw refuse(`/documents/${i}/number`, "in-lot", "The number is not in the lot");
      try {
        if (deposited.document.aad !== idOf(deposited.number)) throw new Error("another document");
        openSealed(
          unwrapUnder(lotKey.key, Buffer.from(deposited.key, "base64url")),
          deposited.document,
        );
      } catch {
        throw refuse(`/documents/${i}`, "opens", "The document does not open under the lot's key");
      }
    }
    const [done] = await tx`select 1 from audit_lots where first = ${first} and state = 'summed'`;
    if (!done) {
      await tx`
        insert into deposit_lots (lot, depositor, key) values (${first}, ${caller.account}, ${key})
        on conflict (lot, depositor) do update set key = excluded.key`;
      const bytes = (text: string) => Buffer.from(text, "base64url");
      const stored = documents.map(({ document: { iv, ciphertext, tag } }) =>
        Buffer.concat([iv, ciphertext, tag].map(bytes)),
      );
      await tx`
        insert into deposits (lot, depositor, number, holder, buyer, reverses, accepted_at, salt, key, document)
        select ${first}, ${caller.account}, * from unnest(
          ${documents.map((deposited) => deposited.number)}::numeric[], ${documents.map((deposited) => deposited.holder)}::text[], ${documents.map((deposited) => deposited.buyer)}::bigint[],
          ${documents.map((deposited) => deposited.reverses ?? null)}::numeric[], ${documents.map((deposited) => new Date(deposited.acceptedAt))}::timestamptz[],
          ${documents.map((deposited) => Buffer.from(deposited.salt.slice(2), "hex"))}::bytea[], ${documents.map((deposited) => bytes(deposited.key))}::bytea[], ${stored}::bytea[])
        on conflict (lot, depositor, number) do update set holder = excluded.holder, buyer = excluded.buyer, reverses = excluded.reverses,
          accepted_at = excluded.accepted_at, salt = excluded.salt, key = excluded.key, document = excluded.document`;
      // the lot's turn comes at once
      await tx`update audit_lots set next_at = now() where first = ${first}`;
    }
    const [here] = await tx<
      { n: number }[]
    >`select count(*)::int as n from deposits where lot = ${first} and depositor = ${caller.account}`;
    return { received: here?.n ?? 0, count: lot.count };
  }

  // ── a lot's documents ──────────────────────────────────────────────────────────────────────────

  type OwnRow = {
    number: string;
    salt: Buffer;
    document: Buffer;
    leaf_holder: string;
    leaf_buyer: number;
    reverses: string | null;
    accepted_at: Date;
  };
  /** This gateway's own documents of these lots, in one query. */
  async function ownRows(
    tx: Tx,
    lots: readonly Pick<SealedLot, "first" | "count">[],
  ): Promise<Map<string, OwnRow[]>> {
    const rows = await tx<(OwnRow & { lot: string })[]>`
      select l.first as lot, i.* from unnest(${lots.map((lot) => lot.first)}::numeric[], ${lots.map((lot) => lot.count)}::int[]) as l (first, count)
      cross join lateral (
        select number, salt, document, leaf_holder, leaf_buyer, reverses, accepted_at from accepted_now o
        where number >= l.first and number < l.first + l.count
          -- what was brought here by a bundle was accepted elsewhere, at a time that is not known here
          and not exists (select 1 from imported_now m where m.number = o.number) order by number offset 0) i
      order by i.number`;
    return Map.groupBy(rows, (row) => row.lot);
  }

  /**
   * A lot of this gateway as it would be deposited, for the reader of this key. Undefined unless
   * all documents are here.
   */
  async function ownDeposit(
    tx: Tx,
    jwk: PublicKey,
    lot: Pick<SealedLot, "first" | "count">,
  ): Promise<Deposit | undefined> {
    const rows = (await ownRows(tx, [lot])).get(lot.first);
    if (rows?.length !== lot.count) return undefined;
    const sealed = await documents.sealedLot(jwk, lot, rows);
    const rowOf = new Map(rows.map((row) => [row.number, row]));
    return {
      lot: lot.first,
      key: sealed.key,
      documents: sealed.documents.map((document) => {
        const row = rowOf.get(document.number) as OwnRow;
        return {
          ...document,
          holder: row.leaf_holder,
          buyer: row.leaf_buyer,
          ...(row.reverses === null ? {} : { reverses: row.reverses }),
          acceptedAt: row.accepted_at.toISOString(),
        };
      }),
    };
  }

  /**
   * Every whole set of documents of a lot that is here: this gateway's own, and what was deposited,
   * the oldest first.
   */
  async function* setsOf(
    tx: Tx,
    bureau: string,
    lot: SealedLot,
    own: readonly OwnRow[],
  ): AsyncGenerator<Opened[] | undefined> {
    if (own.length === lot.count) yield ownSet(own);
    const depositors = await tx<RowOf<"deposit_lots", "depositor" | "key">[]>`
      select l.depositor, l.key from deposit_lots l where l.lot = ${lot.first}
        and (select count(*) from deposits d where d.lot = l.lot and d.depositor = l.depositor) = ${lot.count} order by l.created_at, l.depositor`;
    for (const { depositor, key } of depositors) {
      type Row = {
        number: string;
        holder: string;
        buyer: bigint;
        reverses: string | null;
        accepted_at: Date;
        salt: Buffer;
        key: Buffer;
        document: Buffer;
      };
      const rows = await tx<Row[]>`
        select number, holder, buyer, reverses, accepted_at, salt, key, document from deposits where lot = ${lot.first} and depositor = ${depositor} order by number`;
      const documents = rows.map(
        (row): Deposited => ({
          number: row.number,
          salt: `0x${row.salt.toString("hex")}`,
          key: row.key.toString("base64url"),
          document: bytesOf(idOf(row.number), row.document),
          holder: row.holder,
          buyer: Number(row.buyer),
          ...(row.reverses === null ? {} : { reverses: row.reverses }),
          acceptedAt: row.accepted_at.toISOString(),
        }),
      );
      yield opened(tx, bureau, { lot: lot.first, key, documents });
    }
  }

  /**
   * Of this gateway's own lots, which need not be encrypted from itself to itself; undefined when
   * something does not open.
   */
  function ownSet(rows: readonly OwnRow[]): Opened[] | undefined {
    try {
      return rows.map(
        ({
          number,
          salt,
          document,
          leaf_holder: holder,
          leaf_buyer: buyer,
          reverses,
          accepted_at: acceptedAt,
        }) => {
          return {
            number,
            holder,
            buyer,
            reverses,
            acceptedAt,
            salt,
            text: documents.openText(number, document),
          };
        },
      );
    } catch {
      return undefined;
    }
  }

  /** With the bureau's key; undefined when something does not open. */
  async function opened(
    tx: Tx,
    bureau: string,
    { key, documents }: Deposit,
  ): Promise<Opened[] | undefined> {
    try {
      const texts = openLot((await keys.unwrapDeposit(tx, bureau, key)).key, documents);
      return documents.map(({ number, holder, buyer, reverses, acceptedAt }) => {
        const { salt, text } = texts.get(number) as { salt: Buffer; text: string };
        return {
          number,
          holder,
          buyer,
          reverses: reverses ?? null,
          acceptedAt: new Date(acceptedAt),
          salt,
          text,
        };
      });
    } catch {
      return undefined;
    }
  }

  /** The documents, when they are what was sealed. */
  function whatWasSealed(lot: SealedLot, set: readonly Opened[]): Sealed[] | undefined {
    try {
      const leaves: string[] = [];
      const sealed = set.map(({ number, reverses, acceptedAt, holder, buyer, salt, text }) => {
        const document = JSON.parse(text) as InvoiceDocument;
        leaves.push(leafHash({ content: contentHash(salt, document), holder, buyer }));
        return { number, reverses, acceptedAt, document, holder, buyer };
      });
      return lotTree(leaves).root === lot.root ? sealed : undefined;
    } catch {
      // what has not even the members of an invoice was not sealed by a gateway
      return undefined;
    }
  }

  /**
   * What was sealed in each of these lots, by its first number: "missing" when its documents are
   * not all here, "differ" when those that are here are not what was sealed. Between lots other
   * work has its turn.
   */
  async function sealedIn(
    tx: Tx,
    bureau: string,
    lots: readonly SealedLot[],
  ): Promise<Map<string, Sealed[] | "missing" | "differ">> {
    const own = await ownRows(tx, lots);
    const byLot = new Map<string, Sealed[] | "missing" | "differ">();
    for (const lot of lots) {
      let is: Sealed[] | "missing" | "differ" = "missing";
      for await (const set of setsOf(tx, bureau, lot, own.get(lot.first) ?? [])) {
        is = (set && whatWasSealed(lot, set)) ?? "differ";
        if (is !== "differ") break;
      }
      byLot.set(lot.first, is);
      await setImmediate();
    }
    return byLot;
  }

  return { depositKey, rotateDepositKey, deposit, ownDeposit, sealedIn };
}
