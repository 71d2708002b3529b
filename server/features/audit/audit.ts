/**
 * The bureau's audit: what issuers have sealed against what they were allowed to. Here: deposits, the judgement of a lot, the sums, and
 * the findings. Does not own: whose turn it is (upkeep/auditing.ts), how a gateway delivers (upkeep/depositing.ts).
 *
 * The chain has no amounts. So the bureau opens every sealed lot's documents, rebuilds the root, and adds up. Documents of lots that
 * were sealed through other gateways are deposited by those, encrypted to the bureau (features/documents): kept by depositor, so that nobody's deposit stands in the way of another's; the root tells which one is right.
 *
 * | finding | when | it goes when |
 * | --- | --- | --- |
 * | documents-missing | a lot's documents have not come in time | they are there |
 * | documents-differ | they do not open, or do not give the sealed root | others are deposited that do |
 * | document-invalid | a document breaks a rule, or is not of the lot's issuer | never |
 * | accepted-time | invoices are counted in another period than their lot's time allows | never |
 * | quota-exceeded | the gross of an issuer's period is more than it has drawn | it is not any more |
 * | red-letter-exceeds | red letters take back more than there was | never |
 *
 * A period is told by when an invoice was accepted, which its gateway says: it must be the month of the lot's block, or the month
 * of a day before. Findings name lots, numbers and periods; amounts stand sealed (vault, "parties").
 */
import type { Contracts } from "../../chain/contracts.ts";
import { leafHash, lotTree } from "../../chain/tree.ts";
import type { Tx } from "../../db/db.ts";
import { notify } from "../../feed/notices.ts";
import { type InvoiceDocument, invoiceDocument } from "../../formats/document.ts";
import { checkDocument, type Format } from "../../formats/rules.ts";
import type { Caller } from "../../kernel/api.ts";
import type { Log } from "../../kernel/log.ts";
import { formatTotal, parseMoney } from "../../kernel/money.ts";
import { Problem } from "../../kernel/problems.ts";
import { normaliseTaxId } from "../../kernel/tax-id.ts";
import { type EncryptionKeys, type PublicKey, thumbprint, unwrapUnder } from "../../keys/encryption.ts";
import type { Vault } from "../../keys/vault.ts";
import { contentHash } from "../../proofs/disclosing.ts";
import { bytesOf, type Documents, documentId, openLot, openSealed, type SealedDocument } from "../documents/documents.ts";
import { periodOf, type Taxpayers } from "../taxpayers/taxpayers.ts";

export const findingKinds = ["documents-missing", "documents-differ", "document-invalid", "accepted-time", "quota-exceeded", "red-letter-exceeds"] as const;
export type FindingKind = (typeof findingKinds)[number];
export type Finding = { kind: FindingKind; issuer: number; subject: string; found_at: Date };

/** A document in a deposit: sealed as it is stored, with what its leaf commits to beside it. `reverses`: what a red letter takes back. */
export type Deposited = SealedDocument & { holder: string; buyer: number; reverses?: string | undefined; acceptedAt: string };
export type Deposit = { lot: string; key: string; documents: readonly Deposited[] };

export type AuditLot = { first: string; count: number; issuer: number; time: bigint; root: string };
type Opened = { number: string; holder: string; buyer: number; reverses: string | null; acceptedAt: Date; salt: Buffer; text: string };
type Sums = { invoices: number; gross: bigint; tax: bigint };

const DAY_MS = 86_400_000;

type Deps = { vault: Vault; keys: EncryptionKeys; documents: Documents; taxpayers: Taxpayers; contracts: Contracts; log: Log };
export type Audit = ReturnType<typeof createAudit>;

/** A red letter without a source was made of its original's amounts, and has the tolerance that imported documents have (formats/red-letter.ts). */
const rulesFor = ({ source, reverses, taxBreakdown }: InvoiceDocument): Format =>
  source?.format ?? (reverses === undefined ? "json" : taxBreakdown === undefined ? "shudian" : "ubl");

export function createAudit(deps: Deps) {
  const { vault, keys, documents, taxpayers, contracts, log } = deps;
  const idOf = (number: string) => documentId(contracts.deployment, number);

  /** The bureau's account; undefined where no bureau is at this gateway. */
  async function bureauOf(tx: Tx): Promise<string | undefined> {
    return (await tx<{ account: string }[]>`select account from parties where kind = 'bureau' limit 1`)[0]?.account;
  }

  // ── deposits ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The key that deposits are encrypted to. Throws not-found where no bureau is. */
  async function depositKey(tx: Tx): Promise<{ kid: string; jwk: PublicKey }> {
    const bureau = await bureauOf(tx);
    if (bureau === undefined) throw new Problem("not-found", "No bureau is at this gateway: it takes no deposits");
    const jwk = await keys.keep(tx, bureau);
    return { kid: await thumbprint(jwk), jwk };
  }

  /** Stores some documents of a lot. What does not open is refused by its field. Throws not-found, lot-unknown, invalid-request. */
  async function deposit(tx: Tx, caller: Caller, { lot: first, key, documents: given }: Deposit): Promise<{ received: number; count: number }> {
    const bureau = await bureauOf(tx);
    if (bureau === undefined) throw new Problem("not-found", "No bureau is at this gateway: it takes no deposits");
    const [lot] = await tx<{ count: number }[]>`select count from lots where first = ${first}`;
    if (!lot) throw new Problem("lot-unknown", `Lot ${first} is not known here yet`);
    const refuse = (field: string, rule: string, detail: string) =>
      new Problem("invalid-request", `${field}: ${detail}`, { violations: [{ field, rule, detail }] });
    const lotKey = await keys.unwrap(tx, bureau, key).catch(() => undefined);
    if (lotKey?.opens !== `${idOf(first)}/lot`) throw refuse("/key", "lot-key", "This is not the lot's key, encrypted to the bureau's present key");
    for (const [i, one] of given.entries()) {
      const place = BigInt(one.number) - BigInt(first);
      if (place < 0n || place >= BigInt(lot.count)) throw refuse(`/documents/${i}/number`, "in-lot", "The number is not in the lot");
      try {
        if (one.document.aad !== idOf(one.number)) throw new Error("another document");
        openSealed(unwrapUnder(lotKey.key, Buffer.from(one.key, "base64url")), one.document);
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
      const stored = given.map(({ document: { iv, ciphertext, tag } }) => Buffer.concat([iv, ciphertext, tag].map(bytes)));
      await tx`
        insert into deposits (lot, depositor, number, holder, buyer, reverses, accepted_at, salt, key, document)
        select ${first}, ${caller.account}, * from unnest(
          ${given.map((one) => one.number)}::numeric[], ${given.map((one) => one.holder)}::text[], ${given.map((one) => one.buyer)}::bigint[],
          ${given.map((one) => one.reverses ?? null)}::numeric[], ${given.map((one) => new Date(one.acceptedAt))}::timestamptz[],
          ${given.map((one) => Buffer.from(one.salt.slice(2), "hex"))}::bytea[], ${given.map((one) => bytes(one.key))}::bytea[], ${stored}::bytea[])
        on conflict (lot, depositor, number) do update set holder = excluded.holder, buyer = excluded.buyer, reverses = excluded.reverses,
          accepted_at = excluded.accepted_at, salt = excluded.salt, key = excluded.key, document = excluded.document`;
      // its turn comes at once
      await tx`update audit_lots set tried_at = null where first = ${first}`;
    }
    const [here] = await tx<{ n: number }[]>`select count(*)::int as n from deposits where lot = ${first} and depositor = ${caller.account}`;
    return { received: here?.n ?? 0, count: lot.count };
  }

  // ── a lot's documents ───────────────────────────────────────────────────────────────────────────────────────────────

  type OwnRow = { number: string; salt: Buffer; document: Buffer; leaf_holder: string; leaf_buyer: number; reverses: string | null; accepted_at: Date };
  const ownRows = (tx: Tx, lot: Pick<AuditLot, "first" | "count">) => tx<OwnRow[]>`
    select number, salt, document, leaf_holder, leaf_buyer, reverses, accepted_at from invoices i
    where number >= ${lot.first} and number < ${lot.first}::numeric + ${lot.count}
      -- what was brought here by a bundle was accepted elsewhere, at a time that is not known here
      and not exists (select 1 from imported m where m.number = i.number) order by number`;

  /** A lot of this gateway as it would be deposited, for the reader of this key. Undefined when not all documents are here. */
  async function ownDeposit(tx: Tx, jwk: PublicKey, lot: Pick<AuditLot, "first" | "count">): Promise<Deposit | undefined> {
    const rows = await ownRows(tx, lot);
    if (rows.length !== lot.count) return undefined;
    const sealed = await documents.sealedLot(jwk, lot, rows);
    const beside = new Map(rows.map((row) => [row.number, row]));
    return {
      lot: lot.first,
      key: sealed.key,
      documents: sealed.documents.map((one) => {
        const row = beside.get(one.number) as OwnRow;
        return {
          ...one,
          holder: row.leaf_holder,
          buyer: row.leaf_buyer,
          ...(row.reverses === null ? {} : { reverses: row.reverses }),
          acceptedAt: row.accepted_at.toISOString(),
        };
      }),
    };
  }

  /** Every whole set of documents of a lot that is here: this gateway's own, and what was deposited, the oldest first. */
  async function* setsOf(tx: Tx, bureau: string, lot: AuditLot): AsyncGenerator<Opened[] | undefined> {
    const own = await ownRows(tx, lot);
    if (own.length === lot.count) yield ownSet(own);
    const depositors = await tx<{ depositor: string; key: string }[]>`
      select l.depositor, l.key from deposit_lots l where l.lot = ${lot.first}
        and (select count(*) from deposits d where d.lot = l.lot and d.depositor = l.depositor) = ${lot.count} order by l.created_at, l.depositor`;
    for (const { depositor, key } of depositors) {
      type Row = { number: string; holder: string; buyer: bigint; reverses: string | null; accepted_at: Date; salt: Buffer; key: Buffer; document: Buffer };
      const rows = await tx<Row[]>`
        select number, holder, buyer, reverses, accepted_at, salt, key, document from deposits where lot = ${lot.first} and depositor = ${depositor} order by number`;
      const given = rows.map(
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
      yield opened(tx, bureau, { lot: lot.first, key, documents: given });
    }
  }

  /** Of this gateway's own lots, which need not be encrypted from itself to itself; undefined when something does not open. */
  function ownSet(rows: readonly OwnRow[]): Opened[] | undefined {
    try {
      return rows.map(({ number, salt, document, leaf_holder: holder, leaf_buyer: buyer, reverses, accepted_at: acceptedAt }) => {
        return { number, holder, buyer, reverses, acceptedAt, salt, text: documents.openText(number, document) };
      });
    } catch {
      return undefined;
    }
  }

  /** With the bureau's key; undefined when something does not open. */
  async function opened(tx: Tx, bureau: string, { key, documents: given }: Deposit): Promise<Opened[] | undefined> {
    try {
      const texts = openLot((await keys.unwrap(tx, bureau, key)).key, given);
      return given.map(({ number, holder, buyer, reverses, acceptedAt }) => {
        const { salt, text } = texts.get(number) as { salt: Buffer; text: string };
        return { number, holder, buyer, reverses: reverses ?? null, acceptedAt: new Date(acceptedAt), salt, text };
      });
    } catch {
      return undefined;
    }
  }

  /** The documents, when they are what was sealed. */
  function whatWasSealed(lot: AuditLot, set: readonly Opened[]): { one: Opened; document: InvoiceDocument }[] | undefined {
    try {
      const read = set.map((one) => ({ one, document: JSON.parse(one.text) as InvoiceDocument }));
      const leaves = read.map(({ one, document }) => leafHash({ content: contentHash(one.salt, document), holder: one.holder, buyer: one.buyer }));
      return lotTree(leaves).root === lot.root ? read : undefined;
    } catch {
      // what has not even the members of an invoice was not sealed by a gateway
      return undefined;
    }
  }

  // ── judging ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  const sealSums = (issuer: number, period: number, sums: Sums) =>
    vault.seal("parties", `audit/${issuer}/${period}`, JSON.stringify([sums.invoices, sums.gross.toString(), sums.tax.toString()]));
  function openSums(issuer: number, period: number, sealed: Uint8Array): Sums {
    const [invoices, gross, tax] = JSON.parse(vault.open("parties", `audit/${issuer}/${period}`, sealed).toString()) as [number, string, string];
    return { invoices, gross: BigInt(gross), tax: BigInt(tax) };
  }

  /** Adds a finding; a new one is an alarm: in the log, and in the feed for the bureau. */
  async function find(tx: Tx, bureau: string, kind: FindingKind, issuer: number, subject: string): Promise<void> {
    const made = await tx`insert into audit_findings (kind, issuer, subject) values (${kind}, ${issuer}, ${subject}) on conflict do nothing`;
    if (made.count === 0) return;
    log.error({ audit: kind, issuer, subject }, "the audit has found something");
    await notify(tx, [{ type: "audit.alarm", accounts: [bureau], data: { kind, issuer, subject } }]);
  }
  const clear = (tx: Tx, kinds: readonly FindingKind[], issuer: number, subject: string) =>
    tx`delete from audit_findings where kind = any(${[...kinds]}::text[]) and issuer = ${issuer} and subject = ${subject}`;

  /** The gross of an invoice whose documents are here, wherever from; undefined when they are not. */
  async function grossOf(tx: Tx, bureau: string, number: string): Promise<bigint | undefined> {
    const [lot] = await tx<AuditLot[]>`
      select first, count, issuer, time, root from lots where first <= ${number} and first + count > ${number}::numeric order by first desc limit 1`;
    if (!lot) return undefined;
    for await (const set of setsOf(tx, bureau, lot)) {
      const found = set && whatWasSealed(lot, set)?.find(({ one }) => one.number === number);
      if (found) return invoiceDocument.safeParse(found.document).success ? parseMoney(found.document.totals.gross) : undefined;
    }
    return undefined;
  }

  /** Red letters of a lot: never more than what there was. */
  async function judgeRed(tx: Tx, bureau: string, lot: AuditLot, read: readonly { one: Opened; document: InvoiceDocument }[]): Promise<void> {
    for (const { one, document } of read) {
      // one that is no invoice has its finding, and says nothing that could be reckoned with
      if (!invoiceDocument.safeParse(document).success) continue;
      const original = document.reverses?.number ?? one.reverses;
      if (parseMoney(document.totals.gross) >= 0n || original === null) continue;
      const sealed = vault.seal("parties", `audit/red/${one.number}`, document.totals.gross);
      await tx`insert into audit_red (number, original, sealed) values (${one.number}, ${original}, ${sealed}) on conflict do nothing`;
      const all = await tx<{ number: string; sealed: Buffer }[]>`select number, sealed from audit_red where original = ${original}`;
      const taken = all.reduce((sum, red) => sum + parseMoney(vault.open("parties", `audit/red/${red.number}`, red.sealed).toString()), 0n);
      const own = read.find((each) => each.one.number === original);
      const gross = own ? parseMoney(own.document.totals.gross) : await grossOf(tx, bureau, original);
      if (gross === undefined || gross + taken < 0n) await find(tx, bureau, "red-letter-exceeds", lot.issuer, original);
    }
  }

  /** Adds a lot's documents to the sums of their periods. */
  async function add(tx: Tx, bureau: string, lot: AuditLot, read: readonly { one: Opened; document: InvoiceDocument }[]): Promise<void> {
    const sealedAt = Number(lot.time) * 1_000;
    const allowed = new Set([periodOf(new Date(sealedAt)), periodOf(new Date(sealedAt - DAY_MS))]);
    const issuer = await taxpayers.byIndex(tx, lot.issuer);
    const periods = new Map<number, Sums>();
    for (const { one, document } of read) {
      const shaped = invoiceDocument.safeParse(document);
      const broken = !shaped.success || checkDocument(shaped.data, rulesFor(shaped.data)).length > 0;
      const foreign = issuer !== undefined && (normaliseTaxId(document.seller?.taxId ?? "") !== issuer.taxId || document.currency !== issuer.currency);
      if (broken || foreign) await find(tx, bureau, "document-invalid", lot.issuer, one.number);
      // what a gateway that checks nothing has sealed must not stop the audit of everybody else
      if (!shaped.success) continue;
      let period = periodOf(one.acceptedAt);
      if (!allowed.has(period)) {
        await find(tx, bureau, "accepted-time", lot.issuer, lot.first);
        period = periodOf(new Date(sealedAt));
      }
      const sums = periods.get(period) ?? { invoices: 0, gross: 0n, tax: 0n };
      sums.invoices += 1;
      sums.gross += parseMoney(document.totals.gross);
      sums.tax += parseMoney(document.totals.tax);
      periods.set(period, sums);
    }
    for (const [period, sums] of periods) {
      // one at a time adds to an issuer's period
      await tx`select pg_advisory_xact_lock(hashtext(${`audit/${lot.issuer}/${period}`}))`;
      const [row] = await tx<{ sealed: Buffer }[]>`select sealed from audit_sums where issuer = ${lot.issuer} and period = ${period}`;
      const before = row ? openSums(lot.issuer, period, row.sealed) : { invoices: 0, gross: 0n, tax: 0n };
      const after = { invoices: before.invoices + sums.invoices, gross: before.gross + sums.gross, tax: before.tax + sums.tax };
      await tx`
        insert into audit_sums (issuer, period, sealed) values (${lot.issuer}, ${period}, ${sealSums(lot.issuer, period, after)})
        on conflict (issuer, period) do update set sealed = excluded.sealed`;
      await judgeQuota(tx, bureau, lot.issuer, period, after.gross);
    }
  }

  async function judgeQuota(tx: Tx, bureau: string, issuer: number, period: number, gross: bigint): Promise<void> {
    const [quota] = await tx<{ drawn: string }[]>`select drawn from quotas where taxpayer = ${issuer} and period = ${period}`;
    if (gross > BigInt(quota?.drawn ?? 0)) await find(tx, bureau, "quota-exceeded", issuer, String(period));
    else await clear(tx, ["quota-exceeded"], issuer, String(period));
  }

  return {
    bureauOf,
    depositKey,
    deposit,
    ownDeposit,

    /**
     * Judges one lot in `tx`, in which the lot's row is locked: adds it up, or says what is in the way. `late`: its documents ought to
     * be here. Returns whether it is done with.
     */
    async judge(tx: Tx, bureau: string, lot: AuditLot, late: boolean): Promise<boolean> {
      let found = 0;
      for await (const set of setsOf(tx, bureau, lot)) {
        found += 1;
        const read = set && whatWasSealed(lot, set);
        if (!read) continue;
        await clear(tx, ["documents-missing", "documents-differ"], lot.issuer, lot.first);
        await add(tx, bureau, lot, read);
        await judgeRed(tx, bureau, lot, read);
        await tx`
          insert into reads (number, account, form, key_id) select n, ${bureau}, 'audit', 'audit' from unnest(${read.map(({ one }) => one.number)}::numeric[]) as n
          on conflict (number, account, form, day) do update set times = reads.times + 1, last_at = now()`;
        return true;
      }
      if (found > 0) await find(tx, bureau, "documents-differ", lot.issuer, lot.first);
      else if (late) await find(tx, bureau, "documents-missing", lot.issuer, lot.first);
      return false;
    },

    /** Compares every sum of these periods with what is drawn now: quota may have been given back since. */
    async judgeQuotas(tx: Tx, bureau: string, from: number): Promise<void> {
      const rows = await tx<{ issuer: number; period: number; sealed: Buffer }[]>`select issuer, period, sealed from audit_sums where period >= ${from}`;
      for (const { issuer, period, sealed } of rows) await judgeQuota(tx, bureau, issuer, period, openSums(issuer, period, sealed).gross);
    },

    /** What was sealed in a lot, when its documents are here, wherever from. */
    async documentsOf(tx: Tx, lot: AuditLot): Promise<{ number: string; document: InvoiceDocument }[] | undefined> {
      const bureau = await bureauOf(tx);
      if (bureau === undefined) return undefined;
      for await (const set of setsOf(tx, bureau, lot)) {
        const read = set && whatWasSealed(lot, set);
        if (read) return read.map(({ one, document }) => ({ number: one.number, document }));
      }
      return undefined;
    },

    findings: (tx: Tx): Promise<Finding[]> =>
      tx<Finding[]>`select kind, issuer, subject, found_at from audit_findings order by found_at desc, kind, issuer, subject limit 1000`,

    /** How far the audit has come. */
    async progress(tx: Tx): Promise<{ lots: number; waiting: number; behind: number; since: Date | null }> {
      const [row] = await tx<{ lots: number; waiting: number; behind: number; since: Date | null }[]>`
        select (select count(*) from audit_lots where state = 'summed')::int as lots, (select count(*) from audit_lots where state = 'waiting')::int as waiting,
               (select count(*) from lots l left join audit_cursor c on true where c.block is null or (l.block >= c.block and (l.block, l.first) > (c.block, c.first)))::int as behind,
               (select min(since) from audit_lots where state = 'waiting') as since`;
      return row ?? { lots: 0, waiting: 0, behind: 0, since: null };
    },

    /** What issuers were granted, drew, and have issued by the documents, by index; amounts in the issuer's currency. */
    async quotas(tx: Tx, period: number, after: number, limit: number) {
      const rows = await tx<{ index: number; granted: string | null; drawn: string | null; sealed: Buffer | null }[]>`
        select t.index, q.granted, q.drawn, s.sealed from taxpayers t
        left join quotas q on q.taxpayer = t.index and q.period = ${period} left join audit_sums s on s.issuer = t.index and s.period = ${period}
        where t.index > ${after} and (q.granted is not null or s.sealed is not null) order by t.index limit ${limit}`;
      return Promise.all(
        rows.map(async ({ index, granted, drawn, sealed }) => {
          const sums = sealed ? openSums(index, period, sealed) : { invoices: 0, gross: 0n, tax: 0n };
          const issuer = await taxpayers.byIndex(tx, index);
          return {
            issuer: index,
            ...(issuer ? { taxId: issuer.taxId, name: issuer.name, currency: issuer.currency } : {}),
            granted: formatTotal(BigInt(granted ?? 0)),
            drawn: formatTotal(BigInt(drawn ?? 0)),
            issued: { invoices: sums.invoices, gross: formatTotal(sums.gross), tax: formatTotal(sums.tax) },
          };
        }),
      );
    },
  };
}
