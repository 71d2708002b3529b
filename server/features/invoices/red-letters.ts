/**
 * Red letters (红字发票): an invoice is taken back, whole or in part, by its issuer; once it is used
 * (claimed, reimbursed, entered in books) with its employer's consent. What is agreed stands on a
 * confirmation sheet (红字信息确认单) of nine states.
 *
 * | from | to | by | when | effect |
 * | --- | --- | --- | --- | --- |
 * | | 01 no confirmation needed | issuer | the invoice is unused | the act goes to the chain |
 * | | 02 waits for the employer | issuer | the invoice is used | |
 * | | 03 waits for the issuer | employer | the invoice is titled to it, or claimed from it | |
 * | 02 | 04 both have confirmed | employer | it is still the invoice's employer, or nobody is | the act goes to the chain, signed by both |
 * | 03 | 04 | issuer | | the same |
 * | 02 | 05 the employer refuses | employer | | |
 * | 03 | 06 the issuer refuses | issuer | | |
 * | 02, 03 | 07 void | the database's clock | 72 hours after it began to wait | |
 * | 01, 02, 03 | 08 void | whoever has opened it | of 01: nothing has gone out yet | an act that waits for a signature is dropped |
 * | 04 | 09 void | whoever has opened it | the same | the same |
 * | 01, 04 | 02 | the chain | it says that the invoice is used after all, or another's by now | its employer is asked, with 72 hours of its own |
 * | 01, 04 | the same | issuer, employer | its act was refused or not signed in time | the act goes out once more |
 *
 * The act comes first, the red letter after it (docs/adr/0014): the chain has the last word on
 * whether an invoice is used, and until it has spoken there is no red letter that could be wrong.
 * The act is signed with the red letter's content hash (`ref`), so both parties sign what it will
 * say. Once the chain has the act the red letter is due, whatever the sheet says: it gets its
 * number in one SQL transaction with the sheet (features/issuing, upkeep/red-letters.ts).
 *
 * Invariants: one sheet at a time is open for an invoice, and it is decided under a lock on the
 * invoice's row, so no two take back the same amount. Locks are taken in the order issuer's quota,
 * invoice, sheet.
 */
import { randomBytes } from "node:crypto";
import { canonicalJson, type InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { fieldIn } from "@onepiao/protocol/formats/fields.ts";
import { formatOf } from "@onepiao/protocol/formats/formats.ts";
import {
  amountsOf,
  checkWithin,
  type Left,
  leftOf,
  nothingLeft,
  redLetterOf,
  type Wish,
} from "@onepiao/protocol/formats/red-letter.ts";
import { contentHash } from "@onepiao/protocol/proofs/disclosing.ts";
import { brokenIssueTime, isBefore, type TimeBounds } from "@onepiao/protocol/values/dates.ts";
import { type Code, Problem } from "@onepiao/protocol/values/problems.ts";
import {
  busy,
  cancel,
  enqueue,
  find as findOperation,
  type Operation,
} from "../../acts/operations.ts";
import { momentNow, type Tx } from "../../db/db.ts";
import { inOrder, LOOK, pageOfIds } from "../../db/lists.ts";
import { notify } from "../../feed/notices.ts";
import type { Caller, Role } from "../../kernel/api.ts";
import type { Vault } from "../../keys/vault.ts";
import { refusalOf } from "../out/operations.ts";
import { checkNames, periodOf, type Taxpayer, type Taxpayers } from "../parties/taxpayers.ts";
import type { InvoiceRow, Invoices } from "./invoices.ts";

export const sheetStatuses = {
  "01": "no confirmation needed",
  "02": "opened by the issuer, waits for the employer",
  "03": "opened by the employer, waits for the issuer",
  "04": "confirmed by both",
  "05": "void: the employer has refused",
  "06": "void: the issuer has refused",
  "07": "void: 72 hours have passed",
  "08": "void: withdrawn by whoever has opened it",
  "09": "void: withdrawn after it was confirmed",
} as const;
export type SheetStatus = keyof typeof sheetStatuses;
/** 1 issue error, 2 goods returned, 3 service ended, 4 sales allowance. */
export type Reason = 1 | 2 | 3 | 4;
export type Side = "issuer" | "employer";

/** A document to be issued with what it came as. */
export type Saved = {
  document: InvoiceDocument;
  source?: string | undefined;
  holder?: string | undefined;
};
type Words = {
  document: InvoiceDocument;
  salt: string;
  reason?: Reason | undefined;
  source?: string | undefined;
  instead?: Saved | undefined;
};
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
export type RedLetters = ReturnType<typeof createRedLetters>;

/** Red letters of one invoice; each is a document to be opened when the next is decided. */
const MAX_RED_LETTERS = 100;
const DUE_PAGE = 100;

const refused = (
  field: string,
  rule: string,
  detail: string,
  extra: Record<string, unknown> = {},
) => new Problem("red-letter-refused", detail, { violations: [{ field, rule, detail }], extra });

export const redLetterLink = (id: string) => `/v1/red-letters/${id}`;

type Deps = { vault: Vault; taxpayers: Taxpayers; invoices: Invoices; bounds: TimeBounds };

export function createRedLetters({ vault, taxpayers, invoices, bounds }: Deps) {
  // past its time a sheet is void, whether upkeep has come by or not
  const select = (tx: Tx) => tx`
    select r.id, r.invoice, r.issuer, r.employer, r.by_issuer, case when r.confirm_by <= now() then '07' else r.status end as status, r.ref, r.sealed,
           r.operation, r.acted, r.number, r.replacement, r.problem, r.confirm_by, r.created_at, r.updated_at
    from red_letters r`;
  const open = (tx: Tx) => tx`number is null and status in ('01', '02', '03', '04')`;

  /** The employer is the invoice's still. */
  const theirs = (tx: Tx) =>
    tx`exists (select 1 from invoice_states s where s.number = r.invoice and s.employer = r.employer)`;

  const sealWords = (id: string, words: Words) =>
    vault.seal("documents", `red-letter/${id}`, canonicalJson(words));
  function sheetOf({ sealed, ...row }: Row): Sheet {
    return {
      ...row,
      ...(JSON.parse(vault.open("documents", `red-letter/${row.id}`, sealed).toString()) as Words),
    };
  }

  async function find(tx: Tx, id: string): Promise<Sheet | undefined> {
    const [row] = await tx<Row[]>`${select(tx)} where r.id = ${id}`;
    return row && sheetOf(row);
  }

  // ── who ────────────────────────────────────────────────────────────────────────────────────────

  /** Of an invoice or a sheet, the sides that the caller may speak for. */
  async function sidesOf(
    tx: Tx,
    caller: Caller,
    of: { issuer: number; employer: number },
  ): Promise<Side[]> {
    const self = await taxpayers.byAccount(tx, caller.account);
    return (["issuer", "employer"] as const).filter(
      (side) => caller.roles.includes(side) && self !== undefined && self.index === of[side],
    );
  }

  /**
   * The sheet, if the caller is a side of it, the invoice's holder, or the bureau. Who is not the
   * invoice's employer any more is no side of it.
   */
  async function visible(
    tx: Tx,
    caller: Caller,
    id: string,
  ): Promise<{ sheet: Sheet; sides: Side[] }> {
    const sheet = await find(tx, id);
    const row = sheet && (await original(tx, sheet.invoice));
    if (sheet && row) {
      const sides = await sidesOf(tx, caller, {
        issuer: sheet.issuer,
        employer: row.employer === sheet.employer ? row.employer : 0,
      });
      const may = (role: Role) => caller.roles.includes(role);
      if (sides.length > 0 || (may("holder") && row.holder === caller.account) || may("bureau"))
        return { sheet, sides };
    }
    throw new Problem("not-found", "There is no red letter of this id that you are a party of");
  }

  /** The sheet, to be decided by the caller until `tx` ends. */
  async function decidable(
    tx: Tx,
    caller: Caller,
    id: string,
  ): Promise<{ sheet: Sheet; sides: Side[] }> {
    const { sheet } = await visible(tx, caller, id);
    await tx`select 1 from invoices where number = ${sheet.invoice} for update`;
    await tx`select 1 from red_letters where id = ${id} for update`;
    return visible(tx, caller, id);
  }

  const stateProblem = ({ id, status, number }: Pick<Sheet, "id" | "status" | "number">) =>
    new Problem(
      "red-letter-state",
      `The red letter is ${status}: ${sheetStatuses[status]}${number ? ", and issued" : ""}`,
      {
        extra: {
          redLetter: { id, status, href: redLetterLink(id), ...(number ? { number } : {}) },
        },
      },
    );

  const mustSpeakFor = (sides: readonly Side[], wanted: readonly Side[]): void => {
    if (!wanted.some((side) => sides.includes(side)))
      throw new Problem("forbidden", `This is for the ${wanted.join(" or the ")} to say`);
  };

  /** Tells both sides how the sheet stands. */
  async function tell(tx: Tx, ids: readonly string[]): Promise<void> {
    const rows = await tx<
      {
        id: string;
        invoice: string;
        status: SheetStatus;
        number: string | null;
        accounts: string[];
      }[]
    >`
      select r.id, r.invoice, r.status, r.number, array(select account from taxpayers t where t.index in (r.issuer, r.employer)) as accounts
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

  // ── the act ────────────────────────────────────────────────────────────────────────────────────

  /** Claimed, reimbursed or entered in books: then its employer has a say. */
  const isUsed = ({ status, entry }: InvoiceRow): boolean =>
    status === "claimed" || status === "reimbursed" || entry === 2 || entry === 3;

  async function original(tx: Tx, number: string): Promise<InvoiceRow> {
    return (await invoices.find(tx, number)) as InvoiceRow;
  }

  /** Has the sheet wait for its invoice's present employer. */
  async function ask(tx: Tx, id: string, employer: number): Promise<void> {
    await tx`
      update red_letters set status = '02', employer = ${employer}, operation = null, sent_back = false, confirm_by = now() + interval '72 hours', updated_at = now()
      where id = ${id}`;
    await tell(tx, [id]);
  }

  /**
   * Queues the act: a reversal when it takes back all that is left, else an adjustment; signed by
   * both unless the issuer acts alone.
   */
  async function begin(tx: Tx, sheet: Sheet, status: "01" | "04"): Promise<void> {
    const row = await original(tx, sheet.invoice);
    if (row.status === "reversed")
      throw refused("", "original-reversed", "The invoice is reversed already", {
        original: { number: row.number, state: row.status },
      });
    if (await busy(tx, [sheet.invoice]))
      throw new Problem("invoice-busy", "Another act on the invoice waits for its outcome");
    const used = isUsed(row);
    if (status === "01" && used) return ask(tx, sheet.id, row.employer);
    if (used && row.employer !== sheet.employer)
      throw refused(
        "",
        "employer-changed",
        "The invoice has another employer by now: withdraw this red letter, and begin anew",
        {
          original: { number: row.number, state: row.status },
        },
      );
    const reds = await invoices.redLettersOf(tx, [sheet.invoice]);
    const left = leftOf(invoices.documentOf(row), [
      ...reds.map((one) => one.document),
      sheet.document,
    ]);
    const issuer = (await taxpayers.byIndex(tx, sheet.issuer)) as Taxpayer;
    const employer = status === "04" ? await taxpayers.byIndex(tx, sheet.employer) : undefined;
    const kind = nothingLeft(left) ? "Reverse" : "Adjust";
    const operation = await enqueue(tx, {
      kind: kind.toLowerCase(),
      party: issuer.account,
      command: {
        type: "act",
        kind,
        taxpayer: issuer.index,
        ref: sheet.ref,
        invoices: [sheet.invoice],
      },
      signers: [issuer.account, ...(employer ? [employer.account] : [])],
    });
    await tx`update red_letters set status = ${status}, operation = ${operation}, sent_back = false, confirm_by = null, updated_at = now() where id = ${sheet.id}`;
    if (sheet.status !== status) await tell(tx, [sheet.id]);
  }

  async function close(tx: Tx, id: string, status: SheetStatus): Promise<void> {
    await tx`update red_letters set status = ${status}, confirm_by = null, updated_at = now() where id = ${id}`;
    await tx`delete from red_letter_sources where red_letter = ${id}`;
    await tell(tx, [id]);
  }

  /** Ends the sheets whose time is over: of one invoice, or all. */
  async function expire(tx: Tx, invoice?: string): Promise<void> {
    const rows = await tx<{ id: string }[]>`
      update red_letters set status = '07', confirm_by = null, updated_at = now()
      where confirm_by <= now() and ${invoice === undefined ? tx`true` : tx`invoice = ${invoice}`} returning id`;
    if (rows.length === 0) return;
    const ids = rows.map((row) => row.id);
    await tx`delete from red_letter_sources where red_letter = any(${ids}::uuid[])`;
    await tell(tx, ids);
  }

  /**
   * The issuer's own ids that the sheet will need, kept for it. Requirement: the issuer's quota is
   * held.
   */
  async function reserve(
    tx: Tx,
    sheet: string,
    issuer: Taxpayer,
    documents: readonly (InvoiceDocument | undefined)[],
  ): Promise<void> {
    const blinds = documents.flatMap((one) =>
      one?.sourceId === undefined ? [] : [invoices.sourceBlind(issuer.taxId, one.sourceId)],
    );
    const known = await invoices.issuedBefore(
      tx,
      blinds.map((blind) => ({ issuer: issuer.index, blind })),
    );
    const [original] = known.values();
    if (original) throw invoices.duplicate(original);
    if (blinds.length === 2 && blinds[0]?.equals(blinds[1] as Buffer))
      throw refused(
        "/sourceId",
        "source-twice",
        "The red letter and the new invoice are two originals",
      );
    await tx`insert into red_letter_sources (issuer, source_blind, red_letter) select ${issuer.index}, unnest(${blinds}::bytea[]), ${sheet}`;
  }

  /** A red letter is issued now, as every invoice is, and not before what it takes back. */
  function checkTime(before: InvoiceDocument, document: InvoiceDocument, now: Date): void {
    const field = fieldIn(formatOf(document), "/issuedAt");
    const broken = brokenIssueTime(document.issuedAt, now, bounds);
    if (broken)
      throw new Problem("invalid-document", `${field}: ${broken.detail}`, {
        violations: [{ field, ...broken }],
      });
    if (isBefore(document.issuedAt, before.issuedAt))
      throw refused(
        field,
        "not-before-original",
        `${document.issuedAt} is before ${before.issuedAt}, when the invoice was issued that it takes back`,
      );
  }

  const api = {
    find,
    visible,

    /**
     * What the invoice itself tells of them: its red letters, what they leave, and what stands in
     * whose place.
     */
    async told(tx: Tx, row: InvoiceRow) {
      const rows = await tx<
        Row[]
      >`${select(tx)} where r.invoice = ${row.number} and (${open(tx)} or number is not null) order by r.id`;
      const [before] = await tx<
        { invoice: string }[]
      >`select invoice from red_letters where replacement = ${row.number}`;
      const left =
        (await invoices.leftOf(tx, [row])).get(row.number) ?? amountsOf(invoices.documentOf(row));
      return {
        sheets: rows.map(({ id, status, number }) => ({ id, status, number })),
        left,
        replaces: before?.invoice,
        replacedBy: rows.find((one) => one.replacement !== null)?.replacement,
      };
    },

    expire,

    /**
     * Opens a sheet. `make` gives the red letter's document from the invoice's and what is left of
     * it. Requirement: the issuer's quota is held until `tx` ends (its own ids are decided on under
     * it). Throws invoice-not-sealed, invoice-busy, red-letter-open, red-letter-refused,
     * duplicate-source.
     */
    async open(
      tx: Tx,
      side: Side,
      number: string,
      make: (
        original: { number: string; document: InvoiceDocument },
        left: Left,
      ) => InvoiceDocument,
      more: {
        reason?: Reason | undefined;
        source?: string | undefined;
        instead?: Saved | undefined;
      } = {},
    ): Promise<Sheet> {
      // one at a time decides on an invoice, and no claim of it begins meanwhile
      await tx`select 1 from invoices where number = ${number} for update`;
      await expire(tx, number);
      const [other] = await tx<
        { id: string; status: SheetStatus }[]
      >`select id, status from red_letters where invoice = ${number} and ${open(tx)}`;
      if (other) {
        throw new Problem(
          "red-letter-open",
          `A red letter for the invoice is under way: ${sheetStatuses[other.status]}`,
          {
            extra: { redLetter: { ...other, href: redLetterLink(other.id) } },
          },
        );
      }
      if (await busy(tx, [number]))
        throw new Problem("invoice-busy", "Another act on the invoice waits for its outcome");
      // read only now: what was busy a moment ago has left its state behind
      const row = await original(tx, number);
      const reds = await invoices.redLettersOf(tx, [number]);
      const last = reds[reds.length - 1];
      if (row.reverses !== null)
        throw refused(
          "/reverses",
          "red-letter-itself",
          "A red letter cannot be taken back by another",
        );
      if ((await tx`select 1 from imported where number = ${number}`).length > 0)
        throw refused(
          "/reverses",
          "issued-elsewhere",
          "The invoice was issued through another gateway, where its issuer has its numbers: ask for the red letter there",
        );
      if (row.status === "accepted")
        throw new Problem("invoice-not-sealed", "The invoice to reverse is not sealed yet");
      if (row.status === "reversed")
        throw refused("/reverses", "original-reversed", "The invoice is reversed already", {
          original: { number: last?.number ?? number, state: "reversed" },
        });
      if (reds.length >= MAX_RED_LETTERS)
        throw refused(
          "/reverses",
          "too-many",
          `An invoice has at most ${MAX_RED_LETTERS} red letters`,
        );
      const before = invoices.documentOf(row);
      const left = leftOf(
        before,
        reds.map((one) => one.document),
      );
      const document = make({ number, document: before }, left);
      for (const [member, same] of [
        ["seller", before.seller.taxId === document.seller.taxId],
        ["buyer", before.buyer.taxId === document.buyer.taxId],
        ["kind", before.kind === document.kind],
        ["currency", before.currency === document.currency],
      ] as const) {
        if (!same)
          throw refused(
            member === "buyer" ? "/reverses" : `/${member}`,
            `same-${member}`,
            `A red letter has the ${member} of the invoice that it takes back`,
          );
      }
      checkTime(before, document, await momentNow(tx));
      checkNames(document, {
        seller: before.seller,
        ...(before.buyer.taxId === undefined ? {} : { buyer: before.buyer }),
      });
      checkWithin(left, document);

      const issuer = (await taxpayers.byIndex(tx, row.issuer)) as Taxpayer;
      if (
        side === "issuer" &&
        (issuer.standing !== "active" || !issuer.capabilities.includes("issuer"))
      )
        throw new Problem("issuer-not-active", "The issuer is suspended or not enrolled as one");
      const [made] = await tx<{ id: string }[]>`select uuidv7() as id`;
      const { id } = made as { id: string };
      const salt = randomBytes(32);
      const words: Words = { document, salt: salt.toString("hex"), ...more };
      const status = side === "employer" ? "03" : isUsed(row) ? "02" : "01";
      await tx`
        insert into red_letters (id, invoice, issuer, employer, by_issuer, status, ref, sealed, confirm_by)
        values (${id}, ${number}, ${row.issuer}, ${row.employer}, ${side === "issuer"}, ${status}, ${contentHash(salt, document)},
                ${sealWords(id, words)}, ${status === "01" ? null : tx`now() + interval '72 hours'`})`;
      await reserve(tx, id, issuer, [document, more.instead?.document]);
      await tell(tx, [id]);
      if (status === "01") await begin(tx, (await find(tx, id)) as Sheet, "01");
      return (await find(tx, id)) as Sheet;
    },

    /**
     * Opens one for a party of the invoice: over what is wished of it, or as its document says.
     * Throws as `open` does, and forbidden for a caller that is neither issuer nor employer.
     */
    async request(
      tx: Tx,
      caller: Caller,
      number: string,
      wanted: { reason: Reason; wish: Wish; document: InvoiceDocument | undefined },
    ): Promise<Sheet> {
      const row = await invoices.visible(tx, caller, number);
      const [side] = await sidesOf(tx, caller, row);
      if (side === undefined)
        throw new Problem(
          "forbidden",
          "A red letter is opened by the invoice's issuer or by its employer",
        );
      const now = await momentNow(tx);
      await taxpayers.holdQuotas(
        tx,
        [(await taxpayers.byIndex(tx, row.issuer)) as Taxpayer],
        periodOf(now),
      );
      const { document, wish, reason } = wanted;
      return api.open(
        tx,
        side,
        number,
        (original, left) => document ?? redLetterOf(original, left, wish, now),
        { reason },
      );
    },

    /** The other side agrees; or, where the act has come to nothing, it is tried once more. */
    async consent(tx: Tx, caller: Caller, id: string): Promise<void> {
      const { sheet, sides } = await decidable(tx, caller, id);
      const operation =
        sheet.operation === null ? undefined : await findOperation(tx, sheet.operation);
      const failed =
        !sheet.acted && (operation?.status === "refused" || operation?.status === "failed");
      if (sheet.status === "02" || sheet.status === "03") {
        mustSpeakFor(sides, [sheet.status === "02" ? "employer" : "issuer"]);
        return begin(tx, sheet, "04");
      }
      if ((sheet.status !== "01" && sheet.status !== "04") || !failed) throw stateProblem(sheet);
      mustSpeakFor(sides, ["issuer", "employer"]);
      await begin(tx, sheet, sheet.status);
    },

    async refuse(tx: Tx, caller: Caller, id: string): Promise<void> {
      const { sheet, sides } = await decidable(tx, caller, id);
      if (sheet.status !== "02" && sheet.status !== "03") throw stateProblem(sheet);
      mustSpeakFor(sides, [sheet.status === "02" ? "employer" : "issuer"]);
      await close(tx, id, sheet.status === "02" ? "05" : "06");
    },

    /** Whoever has opened it takes it back, as long as its act has not gone out. */
    async withdraw(tx: Tx, caller: Caller, id: string): Promise<void> {
      const { sheet, sides } = await decidable(tx, caller, id);
      if (sheet.number !== null || sheet.acted || sheet.status > "04") throw stateProblem(sheet);
      mustSpeakFor(sides, [sheet.by_issuer ? "issuer" : "employer"]);
      if (
        sheet.operation !== null &&
        !(await cancel(tx, sheet.operation, {
          code: "red-letter-state",
          detail: "The red letter was withdrawn",
        }))
      )
        throw new Problem("invoice-busy", "Its act is on the way to the chain");
      await close(tx, id, sheet.status === "04" ? "09" : "08");
    },

    /** The sheets of one side, or, for whoever sees all of them, of both; newest first. */
    async list(
      tx: Tx,
      caller: Caller,
      filter: {
        as?: Side | undefined;
        status?: SheetStatus | undefined;
        before?: string | undefined;
        limit: number;
      },
    ): Promise<{ sheets: Sheet[]; next: string | undefined }> {
      const { as, status: wanted, before, limit } = filter;
      const index = (as && (await taxpayers.byAccount(tx, caller.account))?.index) ?? -1;
      const mine =
        as === "issuer"
          ? tx`issuer = ${index}`
          : as === "employer"
            ? tx`employer = ${index}`
            : tx`true`;
      const over = tx`coalesce(confirm_by <= now(), false)`;
      const statuses = Object.keys(sheetStatuses) as SheetStatus[];
      // past its time a sheet is void, whether upkeep has come by or not
      const stored =
        wanted === undefined
          ? statuses
          : wanted === "07"
            ? (["02", "03", "07"] as const)
            : [wanted];
      const inTime =
        wanted === "07"
          ? tx`(status = '07' or ${over})`
          : wanted === undefined
            ? tx`true`
            : tx`not ${over}`;
      const fits = tx`${inTime} and ${as === "employer" ? theirs(tx) : tx`true`}`;
      const parts = stored.map(
        (status) =>
          tx`select id, (${fits}) as fits from red_letters r where ${mine} and status = ${status} and ${before === undefined ? tx`true` : tx`id < ${before}`}`,
      );
      const { ids, next } = await pageOfIds(tx, {
        parts,
        limit,
        looks: as === "employer" || wanted === "07" ? LOOK / 4 : undefined,
      });
      return {
        sheets: inOrder(
          ids,
          (await tx<Row[]>`${select(tx)} where r.id = any(${ids}::uuid[])`).map(sheetOf),
        ),
        next,
      };
    },

    /** The latest sheets of an invoice; whether the caller may see them, the caller knows. */
    ofInvoice: async (tx: Tx, invoice: string, limit: number): Promise<Sheet[]> =>
      (
        await tx<
          Row[]
        >`${select(tx)} where r.invoice = ${invoice} order by r.id desc limit ${limit}`
      ).map(sheetOf),

    /**
     * What a request for a red letter has come to: its sheet, when it is issued, void, or waits for
     * somebody. Throws its act's refusal.
     */
    async outcome(tx: Tx, id: string): Promise<Sheet | "under way"> {
      const sheet = (await find(tx, id)) as Sheet;
      if (sheet.number !== null || (sheet.status !== "01" && sheet.status !== "04")) return sheet;
      const operation =
        sheet.operation === null ? undefined : await findOperation(tx, sheet.operation);
      const over =
        !sheet.acted && (operation?.status === "refused" || operation?.status === "failed");
      // for want of consent: the employer is asked in a moment
      if (!over || operation?.problem?.code === "consent-invalid") return "under way";
      throw refusalOf(operation);
    },

    operationOf: async (tx: Tx, sheet: Sheet): Promise<Operation | undefined> =>
      sheet.operation === null ? undefined : findOperation(tx, sheet.operation),

    // ── what follows from the chain ──────────────────────────────────────────────────────────────

    /** Red letters whose act the chain has, and that have no number yet. */
    async due(tx: Tx): Promise<string[]> {
      const rows = await tx<{ id: string }[]>`
        select id from red_letters where acted and number is null and not_before <= now() order by id limit ${DUE_PAGE}`;
      return rows.map((row) => row.id);
    },

    /** One of them, kept from every other process until `tx` ends. */
    async hold(tx: Tx, id: string): Promise<Sheet | undefined> {
      const [row] =
        await tx`select 1 from red_letters where id = ${id} and acted and number is null for update`;
      return row && find(tx, id);
    },

    /** The red letter has its number, and the invoice in the original's place its own. */
    async issued(
      tx: Tx,
      id: string,
      number: string,
      replacement: string | undefined,
    ): Promise<void> {
      // withdrawn, and the chain has the act all the same: somebody has relayed it
      await tx`
        update red_letters r set number = ${number}, replacement = ${replacement ?? null}, problem = null, confirm_by = null,
               status = coalesce((select case when cardinality(o.signers) > 1 then '04' else '01' end from operations o where o.id = r.operation), status),
               updated_at = now()
        where id = ${id}`;
      await tx`delete from red_letter_sources where red_letter = ${id}`;
      await tell(tx, [id]);
    },

    /**
     * Why one that is due is not issued; it is tried again in a while. The code alone: a detail may
     * tell amounts.
     */
    async postpone(tx: Tx, id: string, problem: Code): Promise<void> {
      await tx`update red_letters set problem = ${problem}, not_before = now() + interval '5 seconds' where id = ${id}`;
    },

    /**
     * Sheets whose act the chain has refused for want of an employer's consent: that employer is
     * asked, or nobody is, and it goes out anew.
     */
    async sendBack(tx: Tx): Promise<void> {
      const rows = await tx<{ id: string; invoice: string }[]>`
        select r.id, r.invoice from red_letters r join invoice_states s on s.number = r.invoice and s.state <> 'reversed'
        where r.sent_back and r.number is null and not r.acted and r.status in ('01', '04') order by r.invoice limit ${DUE_PAGE}`;
      for (const { id, invoice } of rows) {
        await tx`select 1 from invoices where number = ${invoice} for update`;
        await tx`select 1 from red_letters where id = ${id} for update`;
        const sheet = await find(tx, id);
        if (
          sheet?.operation == null ||
          sheet.acted ||
          (await findOperation(tx, sheet.operation))?.status !== "refused"
        )
          continue;
        const row = await original(tx, invoice);
        if (isUsed(row)) await ask(tx, id, row.employer);
        else if (!(await busy(tx, [invoice]))) await begin(tx, sheet, sheet.status as "01" | "04");
      }
    },
  };
  return api;
}
