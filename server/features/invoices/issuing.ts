/**
 * Issuing: everything between a read document and a row that will be sealed.
 *
 * Accepted means: number, leaf and encrypted document are written in one SQL transaction, so a
 * crash leaves either all or nothing, and the sealer takes the number up in its turn. Invoices that
 * arrive together are accepted in one transaction (kernel/api.ts, Together). Each step of it is one
 * statement for all of them:
 *
 *   parties → hold the issuers' quotas → red letters' sheets → originals issued before → free numbers → decide, one by one, in memory → write
 *
 * The issuers' quotas are held first and until the transaction ends, so one transaction at a time
 * decides for an issuer: whether an original is new, what quota is left, which number is next. A
 * refusal is decided before anything is written.
 */
import type { ReadInvoice } from "@onepiao/protocol/formats/read.ts";
import { redLetterOf } from "@onepiao/protocol/formats/red-letter.ts";
import type { TimeBounds } from "@onepiao/protocol/values/dates.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { type Changes, momentNow, type Sql, type Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import type { Accounts } from "../parties/accounts.ts";
import type { Buyers } from "../parties/buyers.ts";
import { periodOf, type Quotas } from "../parties/quotas.ts";
import type { Taxpayers } from "../parties/taxpayers.ts";
import { createDesks, type NumberedInvoice } from "./desk.ts";
import type { Documents } from "./documents.ts";
import { createDrafts, type Draft, type IssueRequest } from "./drafts.ts";
import { createDraws } from "./draws.ts";
import type { Invoices } from "./invoices.ts";
import type { RedLetters } from "./red-letters.ts";
import type { Reason, Saved, Sheet } from "./sheets.ts";

type Deps = {
  sql: Sql;
  accounts: Accounts;
  documents: Documents;
  taxpayers: Taxpayers;
  quotas: Quotas;
  invoices: Invoices;
  redLetters: RedLetters;
  changes: Changes;
  bounds: TimeBounds;
  buyers: Buyers | undefined;
};
export type Issuing = ReturnType<typeof createIssuing>;

export type Accepted = { number: string; pickup: string | undefined };
/** A red letter gets its number once the chain has its act: until then it has a sheet. */
export type Opened = { redLetter: string };

/** Runs `work` for each place; a Problem that it throws becomes that place's result. */
function createResults<T>() {
  const results: (T | Problem)[] = [];
  return {
    results,
    async attempt<R>(place: number, work: () => R | Promise<R>): Promise<R | undefined> {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        results[place] = error;
        return undefined;
      }
    },
  };
}

/** A saved document, as if it had just been read. */
const readOf = ({ document, source }: Saved): ReadInvoice => ({
  document,
  ...(source === undefined || document.source === undefined
    ? {}
    : { source: { format: document.source.format, bytes: source } }),
});

export function createIssuing(deps: Deps) {
  const { sql, documents, taxpayers, quotas, invoices, redLetters, changes } = deps;
  const drafting = createDrafts(deps);
  const desks = createDesks({ documents, invoices, draws: createDraws({ sql, changes, quotas }) });

  /**
   * Opens the sheet of a red letter that came as a document. The document names the invoice, which
   * has to be the issuer's own.
   */
  async function openRed(
    tx: Tx,
    { issuer, document, sourceBytes }: Draft,
    reason: Reason | undefined,
  ): Promise<Sheet> {
    const { number, sourceId = "" } = document.reverses ?? {};
    const named =
      number === undefined
        ? tx`source_blind = ${invoices.sourceBlind(issuer.taxId, sourceId)}`
        : tx`number = ${number}`;
    const [known] = await tx<
      RowOf<"accepted_now", "number">[]
    >`select number from accepted_now where issuer = ${issuer.index} and ${named}`;
    if (!known) {
      const detail = "This issuer has issued no such invoice here";
      throw new Problem("red-letter-refused", detail, {
        violations: [{ field: "/reverses", rule: "original-unknown", detail }],
      });
    }
    return redLetters.open(tx, "issuer", known.number, () => document, {
      reason,
      source: sourceBytes,
    });
  }

  return {
    /**
     * Accepts invoices: the result of each is the number that it will be sealed under, or its
     * refusal, which leaves nothing behind. `pickup`: the secret that takes over an untitled
     * invoice without a holder. The result of a red letter is the sheet that is opened.
     */
    async accept(tx: Tx, group: readonly IssueRequest[]): Promise<(Accepted | Opened | Problem)[]> {
      const { results, attempt } = createResults<Accepted | Opened>();
      const parties = await drafting.partiesOf(
        tx,
        group.map(({ read }) => read.document),
      );
      const holders = await drafting.holdersOf(tx, group);
      const now = await momentNow(tx);
      const drafts: { place: number; draft: Draft }[] = [];
      for (const [place, request] of group.entries()) {
        const draft = await attempt(place, () => {
          const made = drafting.draftOf(request, parties, holders);
          // a red letter's words are checked with its original's, when its sheet is opened
          if (made.document.reverses === undefined) drafting.checkWords(made, now);
          return made;
        });
        if (draft) drafts.push({ place, draft });
      }
      if (drafts.length === 0) return results;
      const period = periodOf(now);
      const issuers = drafts.map(({ draft }) => draft.issuer);
      const held = await quotas.hold(tx, issuers, period);
      const isRed = ({ draft }: (typeof drafts)[number]) => draft.document.reverses !== undefined;
      const plain = drafts.filter((entry) => !isRed(entry));
      // red letters first: the others have to see the ids that their sheets keep
      for (const { place, draft } of drafts.filter(isRed)) {
        const sheet = await attempt(place, () => openRed(tx, draft, group[place]?.reason));
        if (sheet) results[place] = { redLetter: sheet.id };
      }
      const fresh = plain.map(({ draft }) => draft);
      const desk = await desks.open(tx, fresh, { period, quotas: held, fresh });
      const rows: NumberedInvoice[] = [];
      for (const { place, draft } of plain) {
        const row = await attempt(place, () => desks.decide(draft, desk));
        if (!row) continue;
        rows.push(row);
        results[place] = { number: row.number, pickup: row.pickup };
      }
      if (rows.length > 0) await desks.write(tx, rows, desk);
      await quotas.save(tx, period, held);
      return results;
    },

    /**
     * Void and replace (作废重开): opens the red letter over all that is left of an invoice, with the
     * invoice that takes its place. Throws as `open` of the red letters does, and forbidden.
     */
    async replace(
      tx: Tx,
      original: { number: string; issuer: number },
      request: IssueRequest,
    ): Promise<Sheet> {
      const { document } = request.read;
      const parties = await drafting.partiesOf(tx, [document]);
      const holders = await drafting.holdersOf(tx, [request]);
      const draft = drafting.draftOf(request, parties, holders);
      const { issuer, holder, sourceBytes } = draft;
      if (document.reverses !== undefined) {
        const detail = "The replacement cannot be a red letter";
        throw new Problem("red-letter-refused", detail, {
          violations: [{ field: "/reverses", rule: "not-a-red-letter", detail }],
        });
      }
      if (issuer.index !== original.issuer)
        throw new Problem("forbidden", "Only its issuer replaces an invoice");
      const now = await momentNow(tx);
      drafting.checkWords(draft, now);
      await quotas.hold(tx, [issuer], periodOf(now));
      return redLetters.open(
        tx,
        "issuer",
        original.number,
        (replaced, left) => redLetterOf(replaced, left, { whole: true }, now),
        { reason: request.reason, instead: { document, source: sourceBytes, holder } },
      );
    },

    /**
     * Issues a red letter whose act the chain has, and with it the invoice that takes the
     * original's place: in one transaction, once. Does nothing when it is issued already. Throws
     * what keeps it from being issued now.
     */
    async issueRedLetter(tx: Tx, id: string): Promise<void> {
      const sheet = await redLetters.find(tx, id);
      const issuer = sheet && (await taxpayers.byIndex(tx, sheet.issuer));
      if (!issuer) return;
      const period = periodOf(await momentNow(tx));
      const held = await quotas.hold(tx, [issuer], period);
      if (!(await redLetters.hold(tx, id))) return;
      const { document, salt, source, invoice, instead } = sheet;
      const saved: Saved[] = [{ document, source }, ...(instead ? [instead] : [])];
      const parties = await drafting.partiesOf(
        tx,
        saved.map((each) => each.document),
      );
      const drafts = saved.map((each) =>
        drafting.draftOf(
          { caller: issuer, read: readOf(each), holder: each.holder },
          parties,
          undefined,
        ),
      );
      // their own ids are kept for them, so no original has to be new
      const desk = await desks.open(tx, drafts, { period, quotas: held, fresh: [] });
      // the red letter first: it gives back quota that its replacement may need
      const rows = drafts.map((draft, i) =>
        desks.take(
          draft,
          desk,
          i === 0 ? { reverses: invoice, salt: Buffer.from(salt, "hex") } : undefined,
        ),
      );
      await desks.write(tx, rows, desk);
      await quotas.save(tx, period, held);
      const [red, next] = rows as [NumberedInvoice, NumberedInvoice | undefined];
      await redLetters.issued(tx, id, red.number, next?.number);
    },
  };
}
