/**
 * Opening a confirmation sheet: over which invoice a red letter may be written, and what it may
 * say. red-letters.ts decides who may ask for it.
 */
import { randomBytes } from "node:crypto";
import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { fieldIn } from "@onepiao/protocol/formats/fields.ts";
import { checkWithin, type Left, leftOf } from "@onepiao/protocol/formats/red-letter.ts";
import { contentHash } from "@onepiao/protocol/proofs/disclosing.ts";
import { brokenIssueTime, isBefore, type TimeBounds } from "@onepiao/protocol/values/dates.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { busy } from "../../acts/operations.ts";
import { momentNow, type Tx } from "../../db/db.ts";
import { checkNames } from "../parties/names.ts";
import type { Taxpayer, Taxpayers } from "../parties/taxpayers.ts";
import { type InvoiceRow, type Invoices, sourceKey } from "./invoices.ts";
import { isUsed, type RedLetterActs, refused } from "./red-letter-acts.ts";
import {
  type Reason,
  redLetterLink,
  type Saved,
  type Sheet,
  type Sheets,
  type Side,
  sheetStatuses,
} from "./sheets.ts";

/** Red letters of one invoice. Each is a document to be opened when the next is decided. */
const MAX_RED_LETTERS = 100;

type Deps = {
  sheets: Sheets;
  acts: RedLetterActs;
  taxpayers: Taxpayers;
  invoices: Invoices;
  bounds: TimeBounds;
};

/** Throws red-letter-refused unless both documents name the same parties, kind and currency. */
function checkSame(original: InvoiceDocument, document: InvoiceDocument): void {
  for (const [member, same] of [
    ["seller", original.seller.taxId === document.seller.taxId],
    ["buyer", original.buyer.taxId === document.buyer.taxId],
    ["kind", original.kind === document.kind],
    ["currency", original.currency === document.currency],
  ] as const) {
    if (!same)
      throw refused(
        member === "buyer" ? "/reverses" : `/${member}`,
        `same-${member}`,
        `A red letter has the ${member} of the invoice that it takes back`,
      );
  }
}

export function createOpening({ sheets, acts, taxpayers, invoices, bounds }: Deps) {
  /** The invoice that a sheet may be opened over, and the red letters that it has already. */
  async function openable(
    tx: Tx,
    number: string,
  ): Promise<{ row: InvoiceRow; reds: InvoiceDocument[] }> {
    const other = await sheets.openOf(tx, number);
    if (other)
      throw new Problem(
        "red-letter-open",
        `A red letter for the invoice is under way: ${sheetStatuses[other.status]}`,
        { extra: { redLetter: { ...other, href: redLetterLink(other.id) } } },
      );
    if (await busy(tx, [number]))
      throw new Problem("invoice-busy", "Another act on the invoice waits for its outcome");
    // read after `busy`: an act that has just ended has changed the row
    const row = (await invoices.find(tx, number)) as InvoiceRow;
    const reds = await invoices.redLettersOf(tx, [number]);
    if (row.reverses !== null)
      throw refused(
        "/reverses",
        "red-letter-itself",
        "A red letter cannot be taken back by another",
      );
    if ((await tx`select 1 from imported_now where number = ${number}`).length > 0)
      throw refused(
        "/reverses",
        "issued-elsewhere",
        "The invoice was issued through another gateway, where its issuer has its numbers: ask for the red letter there",
      );
    if (row.status === "accepted")
      throw new Problem("invoice-not-sealed", "The invoice to reverse is not sealed yet");
    if (row.status === "reversed")
      throw refused("/reverses", "original-reversed", "The invoice is reversed already", {
        original: { number: reds.at(-1)?.number ?? number, state: "reversed" },
      });
    if (reds.length >= MAX_RED_LETTERS)
      throw refused(
        "/reverses",
        "too-many",
        `An invoice has at most ${MAX_RED_LETTERS} red letters`,
      );
    return { row, reds: reds.map((red) => red.document) };
  }

  /**
   * Keyed hashes of the issuer's own ids that the sheet keeps for these documents. Requirement: the
   * issuer's quota is held. Throws duplicate-source, red-letter-refused.
   */
  async function blindsOf(
    tx: Tx,
    issuer: Taxpayer,
    documents: readonly (InvoiceDocument | undefined)[],
  ): Promise<Buffer[]> {
    const originals = documents.flatMap((document) =>
      document?.sourceId === undefined
        ? []
        : [{ document, blind: invoices.sourceBlind(issuer.taxId, document.sourceId) }],
    );
    const blinds = originals.map(({ blind }) => blind);
    const known = await invoices.issuedBefore(
      tx,
      blinds.map((blind) => ({ issuer: issuer.index, blind })),
    );
    for (const { document, blind } of originals) {
      const duplicate = known.get(sourceKey(issuer.index, blind));
      if (duplicate) throw invoices.duplicate(duplicate, document);
    }
    if (blinds.length === 2 && blinds[0]?.equals(blinds[1] as Buffer))
      throw refused(
        "/sourceId",
        "source-twice",
        "The red letter and the new invoice are two originals",
      );
    return blinds;
  }

  /** A red letter is issued now, as every invoice is, and not before the invoice it takes back. */
  function checkTime(before: InvoiceDocument, document: InvoiceDocument, now: Date): void {
    const field = fieldIn(document, "/issuedAt");
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

  /**
   * Opens a sheet. `make` gives the red letter's document from the invoice's and what is left of
   * it. Requirement: the issuer's quota is held until `tx` ends, because the issuer's own ids are
   * decided on under it. Throws invoice-not-sealed, invoice-busy, red-letter-open,
   * red-letter-refused, duplicate-source.
   */
  async function open(
    tx: Tx,
    side: Side,
    number: string,
    make: (original: { number: string; document: InvoiceDocument }, left: Left) => InvoiceDocument,
    more: {
      reason?: Reason | undefined;
      source?: Uint8Array | undefined;
      instead?: Saved | undefined;
    } = {},
  ): Promise<Sheet> {
    // one transaction at a time decides on an invoice, and no claim of it begins meanwhile
    await tx`select 1 from accepted_now where number = ${number} for update`;
    await sheets.expire(tx, number);
    const { row, reds } = await openable(tx, number);
    const before = invoices.documentOf(row);
    const left = leftOf(before, reds);
    const document = make({ number, document: before }, left);
    checkSame(before, document);
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
    const blinds = await blindsOf(tx, issuer, [document, more.instead?.document]);
    const salt = randomBytes(32);
    const status = side === "employer" ? "03" : isUsed(row) ? "02" : "01";
    const id = await sheets.create(
      tx,
      {
        invoice: number,
        issuer: row.issuer,
        employer: row.employer,
        side,
        status,
        ref: contentHash(salt, document),
        words: { document, salt: salt.toString("hex"), ...more },
      },
      blinds,
    );
    if (status === "01") await acts.begin(tx, (await sheets.find(tx, id)) as Sheet, "01");
    return (await sheets.find(tx, id)) as Sheet;
  }

  return { open };
}
