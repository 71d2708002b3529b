/**
 * Confirmation sheets (红字信息确认单) as they are stored: what issuer and employer agree to take back
 * from an invoice. red-letters.ts says who may move a sheet from one state to the next.
 *
 * Owns `red_letters`, where the sheet's document stands sealed, and `red_letter_sources`, which
 * keeps the issuer's own ids for the invoices that the sheet will issue. Every change of a state is
 * reported to both sides in the feed.
 */
import { canonicalJson, type InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import type { Code } from "@onepiao/protocol/values/problems.ts";
import type { Tx } from "../../db/db.ts";
import { inOrder, LOOK, pageOfIds } from "../../db/lists.ts";
import type { RowOf } from "../../db/tables.ts";
import { notify } from "../../feed/notices.ts";
import type { Vault } from "../../keys/vault.ts";

export const sheetStatuses = {
  "01": "no confirmation needed",
  "02": "opened by the issuer, waits for the employer",
  "03": "opened by the employer, waits for the issuer",
  "04": "confirmed by both",
  "05": "void: the employer has refused",
  "06": "void: the issuer has refused",
  "07": "void: 72 hours have passed",
  "08": "void: withdrawn by the side that opened it",
  "09": "void: withdrawn after it was confirmed",
} as const;
export type SheetStatus = keyof typeof sheetStatuses;
/** 1 issue error, 2 goods returned, 3 service ended, 4 sales allowance. */
export type Reason = 1 | 2 | 3 | 4;
export type Side = "issuer" | "employer";

/** A document to be issued, and the bytes that it came as. */
export type Saved = {
  document: InvoiceDocument;
  source?: Uint8Array | undefined;
  holder?: string | undefined;
};
export const redLetterLink = (id: string) => `/v1/red-letters/${id}`;

/** What a sheet says, sealed. `instead`: the invoice that takes the original's place. */
export type Words = {
  document: InvoiceDocument;
  salt: string;
  reason?: Reason | undefined;
  source?: Uint8Array | undefined;
  instead?: Saved | undefined;
};

/**
 * An original at rest: Base64, or the text by which a sheet has it that was opened when all
 * originals were UTF-8.
 */
type SourceAtRest = { original?: string | undefined; source?: string | undefined };
type AtRest = Omit<Words, "source" | "instead"> &
  SourceAtRest & { instead?: (Omit<Saved, "source"> & SourceAtRest) | undefined };
const toRest = <S extends Saved>({ source, ...saved }: S) => ({
  ...saved,
  original: source && Buffer.from(source).toString("base64"),
});
function bytesOf({ original, source }: SourceAtRest): Buffer | undefined {
  if (original !== undefined) return Buffer.from(original, "base64");
  return source === undefined ? undefined : Buffer.from(source);
}

type Row = {
  id: string;
  invoice: string;
  issuer: number;
  employer: number;
  by_issuer: boolean;
  status: SheetStatus;
  ref: string;
  sealed: Buffer;
  operation: string | null;
  acted: boolean;
  number: string | null;
  replacement: string | null;
  problem: Code | null;
  confirm_by: Date | null;
  created_at: Date;
  updated_at: Date;
};
export type Sheet = Omit<Row, "sealed"> & Words;
export type Sheets = ReturnType<typeof createSheets>;

/** `ref`: content hash of the red letter, which its act is signed with. */
type NewSheet = {
  invoice: string;
  issuer: number;
  employer: number;
  side: Side;
  status: "01" | "02" | "03";
  ref: string;
  words: Words;
};
/** `index`: of the taxpayer who is that side; undefined for the sheets of both sides. */
export type SheetFilter = {
  side: { as: Side; index: number } | undefined;
  status?: SheetStatus | undefined;
  before?: string | undefined;
  limit: number;
};

type Todo = { due: string[]; late: boolean; sentBack: boolean };

const DUE_PAGE = 100;

export function createSheets({ vault }: { vault: Vault }) {
  // a sheet whose time has passed is void, even before upkeep has written so
  const select = (tx: Tx) => tx`
    select r.id, r.invoice, r.issuer, r.employer, r.by_issuer, case when r.confirm_by <= now() then '07' else r.status end as status, r.ref, r.sealed,
           r.operation, r.acted, r.number, r.replacement, r.problem, r.confirm_by, r.created_at, r.updated_at
    from red_letters r`;
  const open = (tx: Tx) => tx`number is null and status in ('01', '02', '03', '04')`;

  /** Sheets `r` whose act the chain has refused and that can go on. */
  const refused = (tx: Tx) => tx`
    red_letters r join record_now s on s.number = r.invoice and s.state <> 'reversed'
    where r.sent_back and r.number is null and not r.acted and r.status in ('01', '04')`;

  /** The sheet's employer is still the invoice's employer. */
  const theirs = (tx: Tx) =>
    tx`exists (select 1 from record_now s where s.number = r.invoice and s.employer = r.employer)`;

  const sealWords = (id: string, { instead, ...words }: Words) =>
    vault.seal(
      "documents",
      `red-letter/${id}`,
      canonicalJson({ ...toRest(words), instead: instead && toRest(instead) }),
    );
  function sheetOf({ sealed, ...row }: Row): Sheet {
    const text = vault.open("documents", `red-letter/${row.id}`, sealed).toString();
    const { document, salt, reason, instead, ...source } = JSON.parse(text) as AtRest;
    return {
      ...row,
      document,
      salt,
      reason,
      source: bytesOf(source),
      instead: instead && {
        document: instead.document,
        holder: instead.holder,
        source: bytesOf(instead),
      },
    };
  }

  async function find(tx: Tx, id: string): Promise<Sheet | undefined> {
    const [row] = await tx<Row[]>`${select(tx)} where r.id = ${id}`;
    return row && sheetOf(row);
  }

  /** Tells both sides how the sheet stands. */
  async function tell(tx: Tx, ids: readonly string[]): Promise<void> {
    const rows = await tx<
      (RowOf<"red_letters", "id" | "invoice" | "number"> & {
        status: SheetStatus;
        accounts: string[];
      })[]
    >`
      select r.id, r.invoice, r.status, r.number, array(select account from taxpayer_now t where t.index in (r.issuer, r.employer)) as accounts
      from red_letters r where r.id = any(${[...ids]}::uuid[]) order by r.id`;
    await notify(
      tx,
      rows.map(({ id, invoice, status, number, accounts }) => ({
        type: number === null ? "red-letter.changed" : "red-letter.issued",
        number: invoice,
        accounts,
        data: { redLetter: id, ...(number === null ? { status } : { issued: number }) },
      })),
    );
  }

  async function dropSources(tx: Tx, ids: readonly string[]): Promise<void> {
    await tx`delete from red_letter_sources where red_letter = any(${[...ids]}::uuid[])`;
  }

  return {
    find,

    /** Locks a sheet and its invoice until `tx` ends, the invoice first. */
    async lock(tx: Tx, { id, invoice }: Pick<Sheet, "id" | "invoice">): Promise<void> {
      await tx`select 1 from accepted_now where number = ${invoice} for update`;
      await tx`select 1 from red_letters where id = ${id} for update`;
    },

    /** The invoice's open sheet; there is at most one. */
    async openOf(tx: Tx, invoice: string): Promise<Pick<Sheet, "id" | "status"> | undefined> {
      const [row] = await tx<
        (RowOf<"red_letters", "id"> & { status: SheetStatus })[]
      >`select id, status from red_letters where invoice = ${invoice} and ${open(tx)}`;
      return row;
    },

    /** Stores a new sheet and tells both sides. `blinds`: the issuer's own ids that it keeps. */
    async create(
      tx: Tx,
      { invoice, issuer, employer, side, status, ref, words }: NewSheet,
      blinds: readonly Buffer[],
    ): Promise<string> {
      const [made] = await tx<{ id: string }[]>`select uuidv7() as id`;
      const { id } = made as { id: string };
      await tx`
        insert into red_letters (id, invoice, issuer, employer, by_issuer, status, ref, sealed, confirm_by)
        values (${id}, ${invoice}, ${issuer}, ${employer}, ${side === "issuer"}, ${status}, ${ref},
                ${sealWords(id, words)}, ${status === "01" ? null : tx`now() + interval '72 hours'`})`;
      await tx`insert into red_letter_sources (issuer, source_blind, red_letter) select ${issuer}, unnest(${blinds}::bytea[]), ${id}`;
      await tell(tx, [id]);
      return id;
    },

    /** The sheet waits for the invoice's present employer, for 72 hours. */
    async waitForEmployer(tx: Tx, id: string, employer: number): Promise<void> {
      await tx`
        update red_letters set status = '02', employer = ${employer}, operation = null, sent_back = false, confirm_by = now() + interval '72 hours', updated_at = now()
        where id = ${id}`;
      await tell(tx, [id]);
    },

    /** The sheet's act is on its way to the chain as this operation. */
    async startAct(tx: Tx, sheet: Sheet, status: "01" | "04", operation: string): Promise<void> {
      await tx`update red_letters set status = ${status}, operation = ${operation}, sent_back = false, confirm_by = null, updated_at = now() where id = ${sheet.id}`;
      if (sheet.status !== status) await tell(tx, [sheet.id]);
    },

    async close(tx: Tx, id: string, status: SheetStatus): Promise<void> {
      await tx`update red_letters set status = ${status}, confirm_by = null, updated_at = now() where id = ${id}`;
      await dropSources(tx, [id]);
      await tell(tx, [id]);
    },

    /** Ends the sheets whose time has passed: those of one invoice, or all. */
    async expire(tx: Tx, invoice?: string): Promise<void> {
      const rows = await tx<RowOf<"red_letters", "id">[]>`
        update red_letters set status = '07', confirm_by = null, updated_at = now()
        where confirm_by <= now() and ${invoice === undefined ? tx`true` : tx`invoice = ${invoice}`} returning id`;
      if (rows.length === 0) return;
      const ids = rows.map((row) => row.id);
      await dropSources(tx, ids);
      await tell(tx, ids);
    },

    /** A page of sheets, newest first. */
    async list(
      tx: Tx,
      { side, status: asked, before, limit }: SheetFilter,
    ): Promise<{ sheets: Sheet[]; next: string | undefined }> {
      const ofSide =
        side?.as === "issuer"
          ? tx`issuer = ${side.index}`
          : side?.as === "employer"
            ? tx`employer = ${side.index}`
            : tx`true`;
      const over = tx`coalesce(confirm_by <= now(), false)`;
      const statuses = Object.keys(sheetStatuses) as SheetStatus[];
      // a sheet whose time has passed is void, even before upkeep has written so
      const stored =
        asked === undefined ? statuses : asked === "07" ? (["02", "03", "07"] as const) : [asked];
      const inTime =
        asked === "07"
          ? tx`(status = '07' or ${over})`
          : asked === undefined
            ? tx`true`
            : tx`not ${over}`;
      const fits = tx`${inTime} and ${side?.as === "employer" ? theirs(tx) : tx`true`}`;
      const parts = stored.map(
        (status) =>
          tx`select id, (${fits}) as fits from red_letters r where ${ofSide} and status = ${status} and ${before === undefined ? tx`true` : tx`id < ${before}`}`,
      );
      const { ids, next } = await pageOfIds(tx, {
        parts,
        limit,
        looks: side?.as === "employer" || asked === "07" ? LOOK / 4 : undefined,
      });
      return {
        sheets: inOrder(
          ids,
          (await tx<Row[]>`${select(tx)} where r.id = any(${ids}::uuid[])`).map(sheetOf),
        ),
        next,
      };
    },

    /** The latest sheets of an invoice. The caller checks who may see them. */
    ofInvoice: async (tx: Tx, invoice: string, limit: number): Promise<Sheet[]> =>
      (
        await tx<
          Row[]
        >`${select(tx)} where r.invoice = ${invoice} order by r.id desc limit ${limit}`
      ).map(sheetOf),

    /** The invoice's sheets that are open or issued, oldest first. */
    async standing(
      tx: Tx,
      invoice: string,
    ): Promise<Pick<Sheet, "id" | "status" | "number" | "replacement">[]> {
      return tx<
        Row[]
      >`${select(tx)} where r.invoice = ${invoice} and (${open(tx)} or number is not null) order by r.id`;
    },

    /** The invoice whose place this one has taken. */
    async replacedBy(tx: Tx, number: string): Promise<string | undefined> {
      const [row] = await tx<
        RowOf<"red_letters", "invoice">[]
      >`select invoice from red_letters where replacement = ${number}`;
      return row?.invoice;
    },

    // ── what follows from the chain ──────────────────────────────────────────────────────────────

    /**
     * What is to be done without a request. `due`: sheets whose act the chain has and whose red
     * letter has no number yet. `late`, `sentBack`: there are sheets for `expire` and `sentBack`.
     */
    async todo(tx: Tx): Promise<Todo> {
      const [row] = await tx<Todo[]>`
        select
          array(select id from red_letters where acted and number is null and not_before <= now()
            order by id limit ${DUE_PAGE}) as due,
          exists (select 1 from red_letters where confirm_by <= now()) as late,
          exists (select 1 from ${refused(tx)}) as "sentBack"`;
      return row as Todo;
    },

    /** One of these, locked until `tx` ends. */
    async hold(tx: Tx, id: string): Promise<Sheet | undefined> {
      const [row] =
        await tx`select 1 from red_letters where id = ${id} and acted and number is null for update`;
      return row && find(tx, id);
    },

    /** The red letter has its number, and so has the invoice that takes the original's place. */
    async issued(
      tx: Tx,
      id: string,
      number: string,
      replacement: string | undefined,
    ): Promise<void> {
      // withdrawn here, but the chain has its act: somebody else relayed it
      await tx`
        update red_letters r set number = ${number}, replacement = ${replacement ?? null}, problem = null, confirm_by = null,
               status = coalesce((select case when cardinality(o.signers) > 1 then '04' else '01' end from operation_now o where o.id = r.operation), status),
               updated_at = now()
        where id = ${id}`;
      await dropSources(tx, [id]);
      await tell(tx, [id]);
    },

    /**
     * Records why a red letter that is due could not be issued; it is tried again in 5 seconds.
     * Only the code is kept: a detail may contain amounts.
     */
    async postpone(tx: Tx, id: string, problem: Code): Promise<void> {
      await tx`update red_letters set problem = ${problem}, not_before = now() + interval '5 seconds' where id = ${id}`;
    },

    /** Sheets whose act the chain refused because the employer's consent was missing. */
    async sentBack(tx: Tx): Promise<Pick<Sheet, "id" | "invoice">[]> {
      return tx<RowOf<"red_letters", "id" | "invoice">[]>`
        select r.id, r.invoice from ${refused(tx)} order by r.invoice limit ${DUE_PAGE}`;
    },
  };
}
