/**
 * Invoices: an invoice's row together with what the chain says about it, who may see it, and what
 * its red letters have left. Lists are in invoice-lists.ts.
 */
import { createHash } from "node:crypto";
import { canonicalJson, type InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { type Amounts, leftOf } from "@onepiao/protocol/formats/red-letter.ts";
import { payableOf } from "@onepiao/protocol/formats/rules.ts";
import { isExternal } from "@onepiao/protocol/ledger/external.ts";
import { foldNumber } from "@onepiao/protocol/ledger/identity.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import type { Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import type { Caller, Role } from "../../kernel/api.ts";
import type { Vault } from "../../keys/vault.ts";
import type { Taxpayers } from "../parties/taxpayers.ts";
import type { Documents } from "./documents.ts";
import { redLetterLink } from "./sheets.ts";

export const invoiceStatuses = ["accepted", "issued", "claimed", "reimbursed", "reversed"] as const;
export type InvoiceStatus = (typeof invoiceStatuses)[number];
export type InvoiceRow = {
  number: string;
  issuer: number;
  lot: string | null;
  status: InvoiceStatus;
  holder: string;
  /** The account that it was sealed to. */
  leaf_holder: string;
  employer: number;
  titled: boolean;
  version: number;
  /** Mark of book entry, as mirror/entries.ts reads it. */
  entry: number;
  reverses: string | null;
  salt: Buffer;
  document: Buffer;
  accepted_at: Date;
  issued_at: Date | null;
  updated_at: Date | null;
};
/**
 * What an issuer's own id of an original is already used for. `number`: of the invoice; null while
 * the sheet of a red letter reserves the id. `document`: of the invoice.
 */
export type Original =
  | { number: string; state: InvoiceStatus; document: () => InvoiceDocument }
  | { number: null; redLetter: string };
/** What an invoice was issued for, and what is to be paid of it. */
export type Amount = { currency: string; gross: string; payable: string };
export const amountOf = (document: InvoiceDocument): Amount => ({
  currency: document.currency,
  gross: document.totals.gross,
  payable: payableOf(document),
});
export type Invoices = ReturnType<typeof createInvoices>;

type Deps = { vault: Vault; documents: Documents; taxpayers: Taxpayers };

/** Where an invoice is found over HTTP. */
export const linksOf = (number: string) => ({
  self: `/v1/invoices/${number}`,
  history: `/v1/invoices/${number}/history`,
});

/** Members that say how a document came, not what it says. */
const manner: ReadonlySet<string> = new Set(["source", "sourceId"]);

/** JSON pointers of the members in which two documents differ, in order. */
function differingMembers(first: InvoiceDocument, second: InvoiceDocument): string[] {
  const [before, after] = [first, second] as Record<string, unknown>[];
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])].sort();
  return names.flatMap((name) =>
    manner.has(name) ||
    canonicalJson(before?.[name] ?? null) === canonicalJson(after?.[name] ?? null)
      ? []
      : [`/${name}`],
  );
}

export const sourceKey = (issuer: number, blind: Buffer): string =>
  `${issuer}/${blind.toString("base64")}`;

export function createInvoices(deps: Deps) {
  const { vault, documents, taxpayers } = deps;
  const select = (tx: Tx) => tx`
    select i.number, i.issuer, i.lot, i.state as status, i.holder, i.leaf_holder, i.employer, i.titled,
      i.version, i.entry, i.reverses, i.salt, i.document, i.accepted_at, i.issued_at, i.updated_at
    from invoice_now i`;

  const documentOf = (row: { number: string; document: Buffer }): InvoiceDocument =>
    documents.open(row.number, row.document);

  async function find(tx: Tx, number: string): Promise<InvoiceRow | undefined> {
    return (await tx<InvoiceRow[]>`${select(tx)} where i.number = ${number}`)[0];
  }

  /** The red letters of these invoices, in the order of their numbers. */
  async function redLettersOf(
    tx: Tx,
    numbers: readonly string[],
  ): Promise<{ reverses: string; number: string; document: InvoiceDocument }[]> {
    const rows = await tx<(RowOf<"accepted_now", "number" | "document"> & { reverses: string })[]>`
      select reverses, number, document from accepted_now where reverses = any(${[...numbers]}::numeric[]) order by number`;
    return rows.map((row) => ({ ...row, document: documentOf(row) }));
  }

  async function leftAmounts(tx: Tx, rows: readonly InvoiceRow[]): Promise<Map<string, Amounts>> {
    const reds = Map.groupBy(
      await redLettersOf(
        tx,
        rows.map((row) => row.number),
      ),
      (red) => red.reverses,
    );
    const left = new Map<string, Amounts>();
    for (const row of rows) {
      const own = reds.get(row.number)?.map((red) => red.document);
      // nothing is left of a reversed invoice, even while its last red letter is still under way
      if (row.status === "reversed") left.set(row.number, { net: 0n, tax: 0n, gross: 0n });
      else if (own) left.set(row.number, leftOf(documentOf(row), own));
    }
    return left;
  }

  /**
   * Secret of the pickup key of an untitled invoice without a holder. It follows from the number,
   * so it is not stored.
   */
  const pickupSecret = (number: string) =>
    `0x${vault.derive("documents", `pickup/${number}`).toString("hex")}`;

  /**
   * Keyed hash under which an issuer's own id of an original is found, however the id is spelled:
   * folded as the number of an invoice issued elsewhere is. A text without letters and digits has
   * nothing to fold.
   */
  const sourceBlind = (taxId: string, sourceId: string): Buffer =>
    vault.blind("source-id", `${taxId}\0${foldNumber(sourceId) || sourceId}`);

  /** Keyed hash under which an invoice is found by the SHA-256 (hex) of a file of its own. */
  const fileBlind = (sha256: string): Buffer => vault.blind("document-hash", sha256.toLowerCase());

  return {
    find,
    documentOf,
    pickupSecret,

    fileBlind,

    /** Of the document as canonical JSON, and of the original, if that is kept. */
    fileBlinds: (document: InvoiceDocument): Buffer[] =>
      [
        createHash("sha256").update(canonicalJson(document)).digest("hex"),
        ...(document.source === undefined ? [] : [document.source.sha256]),
      ].map(fileBlind),

    sourceBlind,

    /**
     * Which of these originals were issued before, or are reserved by a red letter; by `sourceKey`.
     */
    async issuedBefore(
      tx: Tx,
      originals: readonly { issuer: number; blind: Buffer }[],
    ): Promise<Map<string, Original>> {
      if (originals.length === 0) return new Map();
      type Key = { issuer: number; source_blind: Buffer };
      type Row =
        | { number: string; state: InvoiceStatus; document: Buffer }
        | { number: null; red_letter: string };
      const rows = await tx<(Key & Row)[]>`
        with wanted as (select * from unnest(${originals.map((original) => original.issuer)}::int[], ${originals.map((original) => original.blind)}::bytea[]) as w (issuer, blind))
        select i.number, i.issuer, i.source_blind, i.state, i.document, null::uuid as red_letter
        from wanted w join invoice_now i on i.issuer = w.issuer and i.source_blind = w.blind
        union all
        select null, r.issuer, r.source_blind, null, null, r.red_letter
        from wanted w join red_letter_sources r on r.issuer = w.issuer and r.source_blind = w.blind`;
      return new Map(
        rows.map((row) => [
          sourceKey(row.issuer, row.source_blind),
          row.number === null
            ? { number: null, redLetter: row.red_letter }
            : { number: row.number, state: row.state, document: () => documentOf(row) },
        ]),
      );
    },

    /**
     * The refusal of a document whose original is issued already, for the issuer alone: the first
     * invoice, and whether it says the same.
     */
    duplicate(original: Original, document: InvoiceDocument): Problem {
      if (original.number === null)
        return new Problem(
          "duplicate-source",
          "The original is to be issued with a red letter that is under way",
          {
            extra: {
              redLetter: { id: original.redLetter, href: redLetterLink(original.redLetter) },
            },
          },
        );
      const { number, state } = original;
      const differs = differingMembers(original.document(), document);
      return new Problem(
        "duplicate-source",
        differs.length === 0
          ? `The original was issued as ${number}, with the same content`
          : `The original was issued as ${number}, with other content: ${differs.join(", ")}`,
        {
          extra: {
            original: { number, state, href: linksOf(number).self },
            content: differs.length === 0 ? "same" : "differs",
            differs,
          },
        },
      );
    },

    /**
     * Until `tx` ends, no red letter for these invoices is accepted: it would not know what `tx` is
     * about to do with them.
     */
    async hold(tx: Tx, numbers: readonly string[]): Promise<void> {
      await tx`select 1 from accepted_now where number = any(${[...numbers]}::numeric[]) order by number for share`;
    },

    /**
     * The invoice, if the caller is one of its parties, with a key for that role, or the bureau.
     */
    async visible(tx: Tx, caller: Caller, number: string): Promise<InvoiceRow> {
      const row = await find(tx, number);
      const may = (role: Role) => caller.roles.includes(role);
      if (row && (may("bureau") || (may("holder") && row.holder === caller.account))) return row;
      const self = row && (await taxpayers.byAccount(tx, caller.account));
      if (
        row &&
        self &&
        ((may("issuer") && row.issuer === self.index) ||
          (may("employer") && row.employer === self.index))
      )
        return row;
      throw new Problem("not-found", `There is no invoice ${number} that you are a party of`);
    },

    /** The original, byte for byte; undefined when none is kept (formats.ts). */
    async sourceOf(tx: Tx, number: string): Promise<Buffer | undefined> {
      const [row] = await tx<
        RowOf<"accepted_now", "source">[]
      >`select source from accepted_now where number = ${number}`;
      return row?.source ? documents.openSource(number, row.source) : undefined;
    },

    /** These invoices; an unknown number has no row. */
    among: (tx: Tx, numbers: readonly string[]): Promise<InvoiceRow[]> =>
      tx<InvoiceRow[]>`${select(tx)} where i.number = any(${[...numbers]}::numeric[])`,

    redLettersOf,

    /**
     * What red letters have left of these invoices, by number; an invoice without red letters is
     * missing.
     */
    leftOf: leftAmounts,

    /** The same for invoices that are known only by their numbers. */
    async leftOfNumbers(tx: Tx, numbers: readonly string[]): Promise<Map<string, Amounts>> {
      const named = tx`i.number in (select r.reverses from accepted_now r where r.reverses = any(${[...numbers]}::numeric[]))`;
      return leftAmounts(tx, await tx<InvoiceRow[]>`${select(tx)} where ${named}`);
    },

    /**
     * The amounts that these invoices were issued for, by number. The caller checks whose they are.
     */
    async amountsOf(tx: Tx, numbers: readonly string[]): Promise<Map<string, Amount>> {
      const rows = await tx<
        RowOf<"accepted_now", "number" | "document">[]
      >`select number, document from accepted_now where number = any(${[...numbers]}::numeric[])`;
      return new Map(rows.map((row) => [row.number, amountOf(documentOf(row))]));
    },

    /**
     * Whether a caller sees an invoice's mark of book entry: only its employer and the bureau do.
     */
    async seesEntries(tx: Tx, { account, roles }: Caller): Promise<(row: InvoiceRow) => boolean> {
      if (roles.includes("bureau")) return () => true;
      const self = roles.includes("employer") ? await taxpayers.byAccount(tx, account) : undefined;
      return (row) => self !== undefined && row.employer === self.index;
    },

    /**
     * The feed's events about an invoice. Its holder and its employer see where it has been. The
     * issuer sees only events that name it; so do the parties of an invoice issued elsewhere, whose
     * employers know nothing about one another.
     */
    async history(tx: Tx, { account, roles }: Caller, number: string) {
      const named = tx`${account} = any(accounts)`;
      const row = await find(tx, number);
      const self = await taxpayers.byAccount(tx, account);
      const party =
        row !== undefined &&
        (row.holder === account || (self !== undefined && row.employer === self.index));
      // an offer is between two parties, and an entry belongs to its employer
      const own = tx`(${named} and (type <> 'invoice.entered' or ${roles.includes("employer")}))`;
      const seen = roles.includes("bureau")
        ? tx`true`
        : isExternal(number) || !party
          ? own
          : tx`(type not in ('invoice.entered', 'transfer.offered', 'transfer.ended') or ${own})`;
      return tx<
        (RowOf<"feed_now", "position" | "type" | "at" | "tx"> & { data: Record<string, unknown> })[]
      >`
        select position, type, data, at, tx from feed_now where number = ${number} and ${seen} order by position limit 1000`;
    },
  };
}
