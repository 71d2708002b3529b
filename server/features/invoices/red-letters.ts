/**
 * Red letters (红字发票): the issuer takes an invoice back, whole or in part. Once the invoice is used
 * (claimed, reimbursed, entered in books) its employer has to consent. What they agree stands on a
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
 * | 01, 02, 03 | 08 void | the side that opened it | of 01: nothing has gone out yet | an act that waits for a signature is dropped |
 * | 04 | 09 void | the side that opened it | the same | the same |
 * | 01, 04 | 02 | the chain | it says that the invoice is used after all, or has another employer now | its employer is asked, and has 72 hours |
 * | 01, 04 | the same | issuer, employer | its act was refused or not signed in time | the act goes out once more |
 *
 * Here: who may ask for a sheet, who decides on it, who sees it. What it may be opened over is in
 * opening.ts, its row in sheets.ts, its act on the chain in red-letter-acts.ts.
 *
 * The act comes first, the red letter after it (docs/adr/0014): until the chain has spoken, there
 * is not yet a red letter that could be wrong. The act is signed with the red letter's content hash
 * (`ref`), so both parties sign what it will say. Once the chain has the act the red letter is due,
 * whatever the sheet says: it gets its number in one SQL transaction with the sheet (issuing.ts,
 * upkeep/red-letters.ts).
 *
 * Invariants: an invoice has at most one open sheet. A sheet is decided under a lock on the
 * invoice's row, so no two sheets take back the same amount. Locks are taken in the order issuer's
 * quota, invoice, sheet.
 */
import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { amountsOf, redLetterOf, type Wish } from "@onepiao/protocol/formats/red-letter.ts";
import type { TimeBounds } from "@onepiao/protocol/values/dates.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { cancel } from "../../acts/operations.ts";
import { momentNow, type Tx } from "../../db/db.ts";
import type { Caller, Role } from "../../kernel/api.ts";
import type { Vault } from "../../keys/vault.ts";
import { periodOf, type Quotas } from "../parties/quotas.ts";
import type { Taxpayer, Taxpayers } from "../parties/taxpayers.ts";
import type { InvoiceRow, Invoices } from "./invoices.ts";
import { createOpening } from "./opening.ts";
import { createRedLetterActs } from "./red-letter-acts.ts";
import {
  createSheets,
  type Reason,
  redLetterLink,
  type Sheet,
  type SheetStatus,
  type Side,
  sheetStatuses,
} from "./sheets.ts";

export type RedLetters = ReturnType<typeof createRedLetters>;

type Deps = {
  vault: Vault;
  taxpayers: Taxpayers;
  quotas: Quotas;
  invoices: Invoices;
  bounds: TimeBounds;
};

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

const mustSpeakFor = (sides: readonly Side[], allowed: readonly Side[]): void => {
  if (!allowed.some((side) => sides.includes(side)))
    throw new Problem("forbidden", `This is for the ${allowed.join(" or the ")} to say`);
};

export function createRedLetters({ vault, taxpayers, quotas, invoices, bounds }: Deps) {
  const sheets = createSheets({ vault });
  const acts = createRedLetterActs({ sheets, taxpayers, invoices });
  const { open } = createOpening({ sheets, acts, taxpayers, invoices, bounds });

  /** The sides of an invoice or a sheet that the caller may speak for. */
  async function sidesOf(
    tx: Tx,
    caller: Caller,
    parties: { issuer: number; employer: number },
  ): Promise<Side[]> {
    const self = await taxpayers.byAccount(tx, caller.account);
    return (["issuer", "employer"] as const).filter(
      (side) => caller.roles.includes(side) && self !== undefined && self.index === parties[side],
    );
  }

  /**
   * The sheet, if the caller is one of its sides, the invoice's holder, or the bureau. An employer
   * that the invoice has no longer is not a side. Throws not-found.
   */
  async function visible(
    tx: Tx,
    caller: Caller,
    id: string,
  ): Promise<{ sheet: Sheet; sides: Side[] }> {
    const sheet = await sheets.find(tx, id);
    const row = sheet && (await invoices.find(tx, sheet.invoice));
    if (sheet && row) {
      const sides = await sidesOf(tx, caller, {
        issuer: sheet.issuer,
        employer: row.employer === sheet.employer ? row.employer : 0,
      });
      const may = (role: Role) => caller.roles.includes(role);
      if (sides.length > 0 || (may("holder") && row.holder === caller.account) || may("bureau"))
        return { sheet, sides };
    }
    throw new Problem(
      "not-found",
      "There is not yet a red letter with this id that you are a party of",
    );
  }

  /** The sheet, locked until `tx` ends so that the caller can decide on it. Throws not-found. */
  async function decidable(
    tx: Tx,
    caller: Caller,
    id: string,
  ): Promise<{ sheet: Sheet; sides: Side[] }> {
    const { sheet } = await visible(tx, caller, id);
    await sheets.lock(tx, sheet);
    return visible(tx, caller, id);
  }

  return {
    find: sheets.find,
    visible,
    open,
    /** The latest sheets of an invoice. The caller checks who may see them. */
    ofInvoice: sheets.ofInvoice,
    expire: sheets.expire,
    todo: sheets.todo,
    hold: sheets.hold,
    issued: sheets.issued,
    postpone: sheets.postpone,
    outcome: acts.outcome,
    operationOf: acts.operationOf,
    sendBack: acts.sendBack,

    /**
     * What an invoice's view says about its red letters: the sheets, the amounts that are left, and
     * which invoice takes whose place.
     */
    async summaryOf(tx: Tx, row: InvoiceRow) {
      const standing = await sheets.standing(tx, row.number);
      const left =
        (await invoices.leftOf(tx, [row])).get(row.number) ?? amountsOf(invoices.documentOf(row));
      return {
        sheets: standing.map(({ id, status, number }) => ({ id, status, number })),
        left,
        replaces: await sheets.replacedBy(tx, row.number),
        replacedBy: standing.find((sheet) => sheet.replacement !== null)?.replacement,
      };
    },

    /**
     * Opens a sheet for a party of the invoice: over what it wishes, or over what its document
     * says. Throws as `open` does, and forbidden for a caller that is neither issuer nor employer.
     */
    async request(
      tx: Tx,
      caller: Caller,
      number: string,
      {
        reason,
        wish,
        document,
      }: { reason: Reason; wish: Wish; document: InvoiceDocument | undefined },
    ): Promise<Sheet> {
      const row = await invoices.visible(tx, caller, number);
      const [side] = await sidesOf(tx, caller, row);
      if (side === undefined)
        throw new Problem(
          "forbidden",
          "A red letter is opened by the invoice's issuer or by its employer",
        );
      const now = await momentNow(tx);
      const issuer = (await taxpayers.byIndex(tx, row.issuer)) as Taxpayer;
      await quotas.hold(tx, [issuer], periodOf(now));
      return open(
        tx,
        side,
        number,
        (original, left) => document ?? redLetterOf(original, left, wish, now),
        { reason },
      );
    },

    /** The other side agrees; or either side sends an act again that came to nothing. */
    async consent(tx: Tx, caller: Caller, id: string): Promise<void> {
      const { sheet, sides } = await decidable(tx, caller, id);
      if (sheet.status === "02" || sheet.status === "03") {
        mustSpeakFor(sides, [sheet.status === "02" ? "employer" : "issuer"]);
        return acts.begin(tx, sheet, "04");
      }
      if ((sheet.status !== "01" && sheet.status !== "04") || !(await acts.hasFailed(tx, sheet)))
        throw stateProblem(sheet);
      mustSpeakFor(sides, ["issuer", "employer"]);
      await acts.begin(tx, sheet, sheet.status);
    },

    async refuse(tx: Tx, caller: Caller, id: string): Promise<void> {
      const { sheet, sides } = await decidable(tx, caller, id);
      if (sheet.status !== "02" && sheet.status !== "03") throw stateProblem(sheet);
      mustSpeakFor(sides, [sheet.status === "02" ? "employer" : "issuer"]);
      await sheets.close(tx, id, sheet.status === "02" ? "05" : "06");
    },

    /** The side that opened the sheet takes it back, as long as its act has not gone out. */
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
      await sheets.close(tx, id, sheet.status === "04" ? "09" : "08");
    },

    /** The sheets of which the caller is this side; without `as`, all. Newest first. */
    async list(
      tx: Tx,
      caller: Caller,
      {
        as,
        ...filter
      }: {
        as?: Side | undefined;
        status?: SheetStatus | undefined;
        before?: string | undefined;
        limit: number;
      },
    ): Promise<{ sheets: Sheet[]; next: string | undefined }> {
      const self = as && (await taxpayers.byAccount(tx, caller.account));
      return sheets.list(tx, { ...filter, side: as && { as, index: self?.index ?? -1 } });
    },
  };
}
