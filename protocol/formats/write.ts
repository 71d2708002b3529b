/**
 * The one way out: an invoice document → text in a format that it can be said in.
 *
 * Owns: which formats those are, and refusing the others. The text is a rendering of the document,
 * made at each call: the sealed content is the document, and an original is the original alone.
 * Invariant: what is written, `readInvoice` reads. Does not own: any format's content (registry.ts
 * has their writers).
 */
import { Problem, type Violation } from "../values/problems.ts";
import type { InvoiceDocument, Numbers } from "./document.ts";
import { formats, type WrittenFormat, writtenAs, writtenFormats } from "./formats.ts";
import { writers } from "./registry.ts";

/** What any document can be had as. */
export const pdfType = "application/pdf";

/**
 * The text or what stands in its way. A sum that is out of an amount's bounds stands in the way of
 * the one format only.
 */
function attempt(
  format: WrittenFormat,
  document: InvoiceDocument,
  numbers: Numbers,
): { text: string } | { obstacles: Violation[] } {
  const { obstacles, write } = writers[format];
  try {
    const found = obstacles(document);
    return found.length > 0 ? { obstacles: found } : { text: write(document, numbers) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return {
      obstacles: [
        {
          field: "/lines",
          rule: "amount-bounds",
          detail: "a sum of this format is out of the bounds of an amount",
        },
      ],
    };
  }
}

/** The document in every format that it can be said in. */
export const writeAll = (
  document: InvoiceDocument,
  numbers: Numbers,
): { mediaType: string; format: WrittenFormat; text: string }[] =>
  writtenFormats.flatMap((format) => {
    const tried = attempt(format, document, numbers);
    return "text" in tried
      ? [{ mediaType: formats[format].mediaType, format, text: tried.text }]
      : [];
  });

/**
 * The document as text of a media type of `writtenTypes` (formats.ts).
 * Throws Problem `not-acceptable` when this document cannot be said in it: with what is in the way,
 * and what it is `available` in.
 */
export function writeInvoice(
  mediaType: string,
  document: InvoiceDocument,
  numbers: Numbers,
): string {
  const format = writtenAs(mediaType);
  if (format === undefined) throw new RangeError(`${mediaType} is not written here`);
  const tried = attempt(format, document, numbers);
  if ("text" in tried) return tried.text;
  const available = [
    formats.json.mediaType,
    ...writeAll(document, numbers).map((other) => other.mediaType),
    pdfType,
  ];
  const [first] = tried.obstacles;
  throw new Problem(
    "not-acceptable",
    `This invoice cannot be said as ${mediaType}: ${first?.detail ?? "its content has no place there"}`,
    {
      violations: tried.obstacles,
      extra: { available },
    },
  );
}
