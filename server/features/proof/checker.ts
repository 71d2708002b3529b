/**
 * What public verification does with a stranger's bytes, as work for a worker process
 * (kernel/workers.ts): everything from the first byte to the check of the bundle itself. Asks
 * neither chain nor database. Bounds on size, depth and number stand where each format is read.
 */
import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";
import {
  canonicalJson,
  type InvoiceDocument,
  type Numbers,
} from "@onepiao/protocol/formats/document.ts";
import { type FormatName, formatOf } from "@onepiao/protocol/formats/formats.ts";
import { type NationalCode, readNationalCode } from "@onepiao/protocol/formats/national-code.ts";
import { attachedJson } from "@onepiao/protocol/formats/pdf-bundle.ts";
import { dateOf, type QrContent, readQr } from "@onepiao/protocol/formats/qr.ts";
import { readInvoice } from "@onepiao/protocol/formats/read.ts";
import { writeAll } from "@onepiao/protocol/formats/write.ts";
import type { Original } from "@onepiao/protocol/ledger/identity.ts";
import {
  bundleFormat,
  bundleSchema,
  type Checked,
  checkBundle,
} from "@onepiao/protocol/proofs/bundle.ts";
import { decodeProof } from "@onepiao/protocol/proofs/qr-proof.ts";
import { decodeUtf8 } from "@onepiao/protocol/values/encoding.ts";
import { readJsonText } from "@onepiao/protocol/values/json.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { checkShape } from "@onepiao/protocol/values/shape-check.ts";
import { createWorkers, type WorkerBounds, type Workers } from "../../kernel/workers.ts";

/** What a file says of itself, whether or not it is true. `number`: under which it was issued. */
export type Says = {
  format: FormatName;
  number?: string;
  seller: { taxId?: string; name: string };
  date: string;
  currency: string;
  total: string;
};
/**
 * An XML that a gateway may have written: its number here, a digest of everything that it says, and
 * what identifies it if it was issued elsewhere.
 */
export type ReadXml = {
  number: string | undefined;
  original: Original;
  format: FormatName;
  content: string;
  says: Says;
};
/** A code of this network, or one that only the national platforms print. */
export type ReadCode = { printed: QrContent; checked?: Checked } | { national: NationalCode };

const MAX_CODE_BYTES = 4_096;

const refuse = (rule: string, detail: string, field = "") =>
  new Problem("invalid-request", detail, { violations: [{ field, rule, detail }] });
const malformed = (rule: string, detail: string, field = "") =>
  new Problem("malformed-request", detail, { violations: [{ field, rule, detail }] });

/** Each rendering names itself as the source: compare everything else. */
const contentOf = ({ source: _, ...content }: InvoiceDocument) =>
  createHash("sha256").update(canonicalJson(content)).digest("hex");

/** The document would be parsed on demand; nothing here needs it, so it is not copied. */
const checkedOf = (value: unknown): Checked => {
  const { document: _, ...checked } = checkBundle(value);
  return checked;
};

export const checker = {
  /** A bundle as JSON. Throws Problem `malformed-request`, `invalid-request`. */
  bundle: (bytes: Uint8Array): Checked =>
    checkedOf(
      checkShape(
        bundleSchema,
        bytes.length === 0 ? undefined : readJsonText(decodeUtf8(bytes, malformed), malformed),
      ),
    ),

  /** The bundle in a PDF. Throws Problem `malformed-document`, `invalid-request`. */
  pdf(bytes: Uint8Array): Checked {
    const value = attachedJson(bytes, bundleFormat);
    const parsed = bundleSchema.safeParse(value);
    if (parsed.success) return checkedOf(parsed.data);
    const [issue] = parsed.error.issues;
    throw refuse(
      "bundle-format",
      `The attached bundle is invalid at /${issue?.path.join("/") ?? ""}: ${issue?.message ?? ""}`.slice(
        0,
        300,
      ),
    );
  },

  /** The text of a QR code. Throws Problem `invalid-request`. */
  code(bytes: Uint8Array): ReadCode {
    const text = bytes.length > MAX_CODE_BYTES ? "" : decodeUtf8(bytes, malformed);
    const printed = readQr(text);
    if (printed === undefined) {
      const national = readNationalCode(text);
      if (national !== undefined) return { national };
      throw refuse(
        "qr-format",
        "This is not the text of an invoice's QR code: neither 01,… nor a link that contains it " +
          "or leads to a tax office",
      );
    }
    if (printed.proof === undefined) return { printed };
    const bundle = decodeProof(printed.proof);
    if (bundle === undefined)
      throw refuse(
        "proof-format",
        "The proof in the QR code cannot be read: it was cut, or is of another version",
      );
    return { printed, checked: checkedOf(bundle) };
  },

  /** XML. Throws what `readInvoice` throws. */
  xml(mediaType: string, bytes: Uint8Array): ReadXml {
    const read = readInvoice(mediaType, bytes);
    const { document, numbers = [], number = document.sourceId, issueDay } = read;
    const { taxId, name } = document.seller;
    const original: Original = {
      number: number ?? "",
      day: issueDay ?? dateOf(document),
      currency: document.currency,
      seller: document.seller,
    };
    const says: Says = {
      format: formatOf(document),
      ...(number === undefined ? {} : { number }),
      seller: { ...(taxId === undefined ? {} : { taxId }), name },
      date: dateOf(document),
      currency: document.currency,
      total: document.totals.gross,
    };
    const content = contentOf(document);
    return { number: numbers[0], original, format: says.format, content, says };
  },

  /**
   * The digest of a document when a gateway writes it in this format; undefined if the format
   * cannot express it.
   */
  written(format: FormatName, document: InvoiceDocument, numbers: Numbers): string | undefined {
    const written = writeAll(document, numbers).find((each) => each.format === format);
    return written && contentOf(readInvoice(written.mediaType, Buffer.from(written.text)).document);
  },
};

export type Checks = Workers<typeof checker>;

/**
 * One core stays free for everything else; the queue is done in a few seconds; no invoice takes a
 * second, or a tenth of the memory.
 */
export const checkBounds: WorkerBounds = {
  processes: Math.max(1, Math.min(4, availableParallelism() - 1)),
  queue: 64,
  milliseconds: 20_000,
  megabytes: 256,
};

export const createChecks = (bounds: Partial<WorkerBounds> = {}): Checks =>
  createWorkers<typeof checker>(new URL("./checker-worker.ts", import.meta.url), {
    ...checkBounds,
    ...bounds,
  });
