/**
 * The one way out: an invoice document → XML in a format that it can be said in.
 *
 * Owns: which formats those are, and refusing the others. The XML is a rendering of the document, made anew each time: the
 * sealed content is the document, and an XML original is the original alone. Invariant: what is written, `readInvoice` reads.
 * Does not own: any format's content (write-shudian.ts, write-ubl.ts).
 */
import { Problem, type Violation } from "../values/problems.ts";
import type { InvoiceDocument, Numbers } from "./document.ts";
import type { SourceFormat } from "./read.ts";
import { shudianObstacles, writeShudian } from "./write-shudian.ts";
import { ublObstacles, writeUbl } from "./write-ubl.ts";

type Writer = { obstacles: (document: InvoiceDocument) => Violation[]; write: (document: InvoiceDocument, numbers: Numbers) => string };
const writers: Readonly<Record<SourceFormat, Writer>> = {
  shudian: { obstacles: shudianObstacles, write: writeShudian },
  ubl: { obstacles: ublObstacles, write: writeUbl },
};
const formats: ReadonlyMap<string, SourceFormat> = new Map([
  ["application/vnd.onepiao.shudian+xml", "shudian"],
  ["application/vnd.onepiao.ubl+xml", "ubl"],
]);
/** What `writeInvoice` writes, at best. */
export const writtenTypes: readonly string[] = [...formats.keys()];
/** What any document can be had as. */
export const pdfType = "application/pdf";

/** XML text or what stands in its way. A sum that is out of an amount's bounds stands in the way of the one format only. */
function attempt(format: SourceFormat, document: InvoiceDocument, numbers: Numbers): { text: string } | { obstacles: Violation[] } {
  const { obstacles, write } = writers[format];
  try {
    const found = obstacles(document);
    return found.length > 0 ? { obstacles: found } : { text: write(document, numbers) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { obstacles: [{ field: "/lines", rule: "amount-bounds", detail: "a sum of this format is out of the bounds of an amount" }] };
  }
}

/** The document in every format that it can be said in. */
export const writeAll = (document: InvoiceDocument, numbers: Numbers): { mediaType: string; format: SourceFormat; text: string }[] =>
  [...formats].flatMap(([mediaType, format]) => {
    const tried = attempt(format, document, numbers);
    return "text" in tried ? [{ mediaType, format, text: tried.text }] : [];
  });

/**
 * The document as XML of a media type of `writtenTypes`.
 * Throws Problem `not-acceptable` when this document cannot be said in it: with what is in the way, and what it is `available` in.
 */
export function writeInvoice(mediaType: string, document: InvoiceDocument, numbers: Numbers): string {
  const format = formats.get(mediaType);
  if (format === undefined) throw new RangeError(`${mediaType} is not written here`);
  const tried = attempt(format, document, numbers);
  if ("text" in tried) return tried.text;
  const available = ["application/json", ...writeAll(document, numbers).map((other) => other.mediaType), pdfType];
  const [first] = tried.obstacles;
  throw new Problem("not-acceptable", `This invoice cannot be said as ${mediaType}: ${first?.detail ?? "its content has no place there"}`, {
    violations: tried.obstacles,
    extra: { available },
  });
}
