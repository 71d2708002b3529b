/**
 * The act of a red letter: how it goes to the chain, and what follows when the chain takes or
 * refuses it. The act comes first and the red letter after it (docs/adr/0014): the chain has the
 * last word on whether an invoice is used.
 */
import { leftOf, nothingLeft } from "@onepiao/protocol/formats/red-letter.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { busy, enqueue, find as findOperation, type Operation } from "../../acts/operations.ts";
import type { Tx } from "../../db/db.ts";
import { refusalOf } from "../out/operations.ts";
import type { Taxpayer, Taxpayers } from "../parties/taxpayers.ts";
import type { InvoiceRow, Invoices } from "./invoices.ts";
import type { Sheet, Sheets } from "./sheets.ts";

type Deps = { sheets: Sheets; taxpayers: Taxpayers; invoices: Invoices };

/** A red-letter-refused, with the field and the rule that it is about. */
export const refused = (
  field: string,
  rule: string,
  detail: string,
  extra: Record<string, unknown> = {},
) => new Problem("red-letter-refused", detail, { violations: [{ field, rule, detail }], extra });

/** Claimed, reimbursed or entered in books: the invoice's employer has to consent. */
export const isUsed = ({ status, entry }: InvoiceRow): boolean =>
  status === "claimed" || status === "reimbursed" || entry === 2 || entry === 3;

export type RedLetterActs = ReturnType<typeof createRedLetterActs>;

export function createRedLetterActs({ sheets, taxpayers, invoices }: Deps) {
  const original = async (tx: Tx, { invoice }: Pick<Sheet, "invoice">): Promise<InvoiceRow> =>
    (await invoices.find(tx, invoice)) as InvoiceRow;
  const operationOf = async (tx: Tx, { operation }: Sheet): Promise<Operation | undefined> =>
    operation === null ? undefined : findOperation(tx, operation);
  /** The act has ended without the chain having it. */
  const isOver = ({ acted }: Sheet, operation: Operation | undefined): boolean =>
    !acted && (operation?.status === "refused" || operation?.status === "failed");

  /**
   * Queues the act: a reversal when it takes back all that is left, else an adjustment; signed by
   * both unless the issuer acts alone.
   */
  async function begin(tx: Tx, sheet: Sheet, status: "01" | "04"): Promise<void> {
    const row = await original(tx, sheet);
    if (row.status === "reversed")
      throw refused("", "original-reversed", "The invoice is reversed already", {
        original: { number: row.number, state: row.status },
      });
    if (await busy(tx, [sheet.invoice]))
      throw new Problem("invoice-busy", "Another act on the invoice waits for its outcome");
    const used = isUsed(row);
    if (status === "01" && used) return sheets.waitForEmployer(tx, sheet.id, row.employer);
    if (used && row.employer !== sheet.employer)
      throw refused(
        "",
        "employer-changed",
        "The invoice now has another employer: withdraw this red letter and open another",
        {
          original: { number: row.number, state: row.status },
        },
      );
    const reds = await invoices.redLettersOf(tx, [sheet.invoice]);
    const left = leftOf(invoices.documentOf(row), [
      ...reds.map((red) => red.document),
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
    await sheets.startAct(tx, sheet, status, operation);
  }

  return {
    begin,
    operationOf,

    /** Whether the act came to nothing, so that a side may send it again. */
    hasFailed: async (tx: Tx, sheet: Sheet): Promise<boolean> =>
      isOver(sheet, await operationOf(tx, sheet)),

    /**
     * What a request for a red letter has come to: its sheet, once it is issued, void, or waits for
     * a side. Throws the chain's refusal of its act.
     */
    async outcome(tx: Tx, id: string): Promise<Sheet | "under way"> {
      const sheet = (await sheets.find(tx, id)) as Sheet;
      if (sheet.number !== null || (sheet.status !== "01" && sheet.status !== "04")) return sheet;
      const operation = await operationOf(tx, sheet);
      // without the employer's consent the employer is asked: see sendBack
      if (!operation || !isOver(sheet, operation) || operation.problem?.code === "consent-invalid")
        return "under way";
      throw refusalOf(operation);
    },

    /**
     * Mends the sheets whose act the chain refused because the employer's consent was missing. If
     * the invoice is used, its employer is asked. If it is not, the act goes out again.
     */
    async sendBack(tx: Tx): Promise<void> {
      for (const place of await sheets.sentBack(tx)) {
        await sheets.lock(tx, place);
        const sheet = await sheets.find(tx, place.id);
        if (!sheet || sheet.acted || (await operationOf(tx, sheet))?.status !== "refused") continue;
        const row = await original(tx, sheet);
        if (isUsed(row)) await sheets.waitForEmployer(tx, sheet.id, row.employer);
        else if (!(await busy(tx, [sheet.invoice])))
          await begin(tx, sheet, sheet.status as "01" | "04");
      }
    },
  };
}
