/**
 * Papers: what is handed out of an invoice to be shown or kept: the PDF, the QR code, the archive
 * pack (归档包).
 *
 * They say what the document and the chain say at this moment and are made each time. A pickup's
 * secret (取票) is in the QR code only for the invoice's issuer, and only while the invoice waits;
 * later, and for anyone else, the code only verifies. Does not own: what they look like (drawing/,
 * protocol/formats), who may read (features/invoices/grants.ts).
 */

import {
  canonicalJson,
  type InvoiceDocument,
  type Numbers,
} from "@onepiao/protocol/formats/document.ts";
import { endingOf, formatOf } from "@onepiao/protocol/formats/formats.ts";
import { dateOf, type QrContent, qrText } from "@onepiao/protocol/formats/qr.ts";
import { writeAll } from "@onepiao/protocol/formats/write.ts";
import { ledgerNumber } from "@onepiao/protocol/ledger/external.ts";
import type { Bundle } from "@onepiao/protocol/proofs/bundle.ts";
import { partNames } from "@onepiao/protocol/proofs/parts.ts";
import { encodeProof, qrParts } from "@onepiao/protocol/proofs/qr-proof.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import type { Contracts } from "../../chain/contracts.ts";
import type { Tx } from "../../db/db.ts";
import { type ArchiveFile, archiveFormat } from "../../drawing/archive.ts";
import type { Caller } from "../../kernel/api.ts";
import { markFrom } from "../../mirror/entries.ts";
import type { InvoiceRow, Invoices } from "../invoices/invoices.ts";
import type { External, Registered } from "../use/external.ts";
import { provenOf } from "../use/external-checks.ts";
import type { Pickups } from "../use/pickups.ts";
import type { Bundles } from "./bundles.ts";

export type Papers = ReturnType<typeof createPapers>;

/** `publicUrl`: the gateway's address from outside, without a trailing slash. */
type Deps = {
  invoices: Invoices;
  pickups: Pickups;
  bundles: Bundles;
  external: External;
  contracts: Contracts;
  publicUrl: () => string;
};

/** PDFs that wait to be drawn: a few seconds of work. */
const MAX_WAITING = 200;

const contentOf = (number: string, document: InvoiceDocument): QrContent => ({
  number,
  kind: document.kind,
  gross: document.totals.gross,
  date: dateOf(document),
});

const numbersOf = ({ number, reverses }: InvoiceRow): Numbers => ({
  number,
  reverses: reverses ?? undefined,
});

export function createPapers({ invoices, pickups, bundles, external, contracts, publicUrl }: Deps) {
  const { network, chainId, registry, ledger } = contracts.deployment;

  let drawing: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  /**
   * One PDF after the other: drawing is pure processor time, which many at once would take from all
   * other work.
   */
  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    waiting += 1;
    const turn = drawing.then(work, work).finally(() => {
      waiting -= 1;
    });
    drawing = turn;
    return turn;
  }

  /** Everything that proves the invoice; undefined until it is sealed. */
  const bundleOf = async (tx: Tx, invoice: InvoiceRow): Promise<Bundle | undefined> =>
    invoice.lot === null ? undefined : bundles.of(tx, invoice, partNames);

  async function qrOf(tx: Tx, caller: Caller, invoice: InvoiceRow): Promise<string> {
    const pickup = await pickups.waitingSecret(tx, caller, invoice);
    return qrText(publicUrl(), {
      ...contentOf(invoice.number, invoices.documentOf(invoice)),
      pickup,
    });
  }

  /**
   * With a proof of number, date, total and seller that needs no node; without a pickup's secret.
   * Throws invoice-not-sealed.
   */
  async function signedQr(tx: Tx, invoice: InvoiceRow): Promise<string> {
    const proof = encodeProof(await bundles.of(tx, invoice, qrParts));
    return qrText(publicUrl(), {
      ...contentOf(invoice.number, invoices.documentOf(invoice)),
      proof,
    });
  }

  function draw(invoice: InvoiceRow, qr: string, bundle: Bundle | undefined): Promise<Buffer> {
    const parts = {
      qr,
      verifyAt: `${publicUrl()}/verify`,
      reversed: invoice.status === "reversed",
      ...(bundle === undefined
        ? {}
        : {
            bundle: Buffer.from(JSON.stringify(bundle)),
            seal: {
              lot: bundle.lot.first,
              root: bundle.lot.root,
              sealedAt: new Date(bundle.lot.time * 1_000).toISOString().replace(".000", ""),
              network,
              ledger,
            },
          }),
    };
    return inTurn(async () => {
      // with its fonts' library it takes a third of a gateway's start, and not every process draws
      const { writePdf } = await import("../../drawing/pdf.ts");
      return writePdf(invoices.documentOf(invoice), numbersOf(invoice), parts);
    });
  }

  const historyOf = async (tx: Tx, caller: Caller, number: string) =>
    (await invoices.history(tx, caller, number)).map(
      ({ position, type, at, tx: transaction, data }) => ({
        position: position.toString(),
        type,
        at: at.toISOString(),
        tx: transaction,
        data,
      }),
    );

  async function metadataOf(tx: Tx, caller: Caller, invoice: InvoiceRow, made: Date) {
    const { kind, issuedAt, currency, seller, buyer, totals, sourceId } =
      invoices.documentOf(invoice);
    return {
      format: archiveFormat,
      number: invoice.number,
      status: invoice.status,
      kind,
      seller: { taxId: seller.taxId, name: seller.name },
      buyer: { taxId: buyer.taxId, name: buyer.name },
      currency,
      totals,
      issuedAt,
      sourceId,
      reverses: invoice.reverses ?? undefined,
      holder: invoice.holder,
      entry: (await invoices.seesEntries(tx, caller))(invoice)
        ? markFrom(invoice.entry)
        : undefined,
      acceptedAt: invoice.accepted_at.toISOString(),
      sealedAt: invoice.issued_at?.toISOString(),
      lot: invoice.lot ?? undefined,
      network: { name: network, chainId, registry, ledger },
      history: await historyOf(tx, caller, invoice.number),
      archivedAt: made.toISOString(),
      archivedBy: caller.account,
    };
  }

  return {
    /** Text of the invoice's QR code for this caller. */
    qr: qrOf,
    signedQr,

    /** The link that takes an untitled invoice over. `secret`: as `pickups` gives it. */
    pickupUrl: (invoice: InvoiceRow, secret: string): string =>
      qrText(publicUrl(), {
        ...contentOf(invoice.number, invoices.documentOf(invoice)),
        pickup: secret,
      }),

    /** Throws unavailable when too many are requested at once. */
    async pdf(tx: Tx, caller: Caller, invoice: InvoiceRow): Promise<Buffer> {
      if (waiting >= MAX_WAITING)
        throw new Problem("unavailable", "Too many PDFs are asked for at once; try again");
      return draw(invoice, await qrOf(tx, caller, invoice), await bundleOf(tx, invoice));
    },

    /**
     * The files of an invoice in an archive pack, in a folder named by its number. They contain no
     * pickup's secret.
     */
    async *files(
      tx: Tx,
      caller: Caller,
      invoice: InvoiceRow,
      made: Date,
    ): AsyncGenerator<ArchiveFile> {
      const { number } = invoice;
      const document = invoices.documentOf(invoice);
      const file = (name: string, content: string | Uint8Array): ArchiveFile => ({
        name: `${number}/${name}`,
        bytes: Buffer.from(content),
      });
      const bundle = await bundleOf(tx, invoice);
      yield file(
        "invoice.pdf",
        await draw(invoice, qrText(publicUrl(), contentOf(number, document)), bundle),
      );
      for (const { format, text } of writeAll(document, numbersOf(invoice)))
        yield file(`invoice.${format}.${endingOf(format)}`, text);
      const original = await invoices.sourceOf(tx, number);
      if (original !== undefined) yield file(`original.${endingOf(formatOf(document))}`, original);
      yield file("document.json", canonicalJson(document));
      if (bundle) yield file("bundle.json", JSON.stringify(bundle));
      yield file(
        "metadata.json",
        `${JSON.stringify(await metadataOf(tx, caller, invoice, made), null, 2)}\n`,
      );
    },

    /**
     * The files of an invoice that was issued elsewhere: what was registered, and what is known
     * about it. Nothing is drawn.
     */
    async *filesElsewhere(
      tx: Tx,
      caller: Caller,
      { id, number, claim, holder, registeredAt, document, credits }: Registered,
      made: Date,
    ): AsyncGenerator<ArchiveFile> {
      const file = (name: string, content: string | Uint8Array): ArchiveFile => ({
        name: `external-${id}/${name}`,
        bytes: Buffer.from(content),
      });
      const ledgerId = ledgerNumber(id);
      const original = await external.sourceOf(tx, caller, ledgerId);
      if (original !== undefined)
        yield file(`original.${endingOf(original.format)}`, original.bytes);
      yield file("document.json", canonicalJson(document));
      const metadata = {
        format: archiveFormat,
        id,
        number,
        claim,
        holder,
        registeredAt: registeredAt.toISOString(),
        network: { name: network, chainId, registry, ledger },
        ...(await provenOf(document)),
        ...(credits.length > 0 && {
          creditNotes: credits.map(({ note, effect, taken }) => ({ ...note, effect, taken })),
        }),
        history: await historyOf(tx, caller, ledgerId),
        archivedAt: made.toISOString(),
        archivedBy: caller.account,
      };
      yield file("metadata.json", `${JSON.stringify(metadata, null, 2)}\n`);
    },
  };
}
