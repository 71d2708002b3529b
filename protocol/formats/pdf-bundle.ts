/**
 * Finds the bundle attached to a PDF without parsing the PDF.
 *
 * An attachment is a stream object of type EmbeddedFile, and the PDF format keeps streams and their
 * dictionaries in the clear. So a scan of the bytes finds it, in our PDFs and in those that a
 * viewer has saved again. A whole PDF parser would run on anything a stranger sends and unpack what
 * the file asks for. The bundle proves itself (protocol/proofs/bundle.ts), so a false match does no
 * harm.
 *
 * Invariants: linear in the size of the file; unpacks at most MAX_FILES attachments, MAX_BYTES in
 * all; throws only Problem.
 */
import { inflateSync } from "node:zlib";
import { decodeUtf8 } from "../values/encoding.ts";
import { readJsonText } from "../values/json.ts";
import { Problem } from "../values/problems.ts";

const MAX_FILES = 8;
/** All attachments together, unpacked. */
const MAX_BYTES = 2 * 1_048_576;
/** The length of an attachment's dictionary. */
const MAX_DICTIONARY = 4_096;

const mark = "/EmbeddedFile";
const refuse = (rule: string, detail: string, field = "") =>
  new Problem("malformed-document", detail, { violations: [{ field, rule, detail }] });

/**
 * The content of the stream whose dictionary contains position `at`, up to `most` bytes; undefined
 * if this file does not read such a stream.
 */
function contentAt(pdf: Buffer, at: number, most: number): Buffer | undefined {
  const begin = pdf.lastIndexOf(" obj", at);
  const word = pdf.indexOf("stream", at);
  if (begin < 0 || word < 0 || word - begin > MAX_DICTIONARY) return undefined;
  const dictionary = pdf.toString("latin1", begin, word);
  if (dictionary.includes("endobj")) return undefined;
  // "stream", then a line feed or both
  const start = word + (pdf[word + 6] === 13 ? 8 : 7);
  const filter = /\/Filter\s*(\[[^\]]*\]|\/\w+)/.exec(dictionary)?.[1];
  if (filter === undefined) {
    const length = Number(/\/Length\s+(\d{1,8})(?!\s+\d+\s+R)/.exec(dictionary)?.[1] ?? 0);
    return length === 0 || length > most ? undefined : pdf.subarray(start, start + length);
  }
  if (!/^\[?\s*\/FlateDecode\s*\]?$/.test(filter)) return undefined;
  try {
    return inflateSync(pdf.subarray(start), { maxOutputLength: most });
  } catch {
    return undefined;
  }
}

/**
 * The JSON of the only attached file with this `format`.
 * Throws Problem `malformed-document`: not a PDF, no such file in it, several that differ.
 */
export function attachedJson(bytes: Uint8Array, format: string): unknown {
  const pdf = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (pdf.subarray(0, 1_024).indexOf("%PDF-") < 0) throw refuse("not-pdf", "The body is not a PDF");
  let [bundle, files, left]: [string | undefined, number, number] = [undefined, 0, MAX_BYTES];
  for (let at = pdf.indexOf(mark); at >= 0; at = pdf.indexOf(mark, at + mark.length)) {
    // /EmbeddedFiles is the list of names, not a file
    if (/[A-Za-z0-9]/.test(pdf.toString("latin1", at + mark.length, at + mark.length + 1)))
      continue;
    if (++files > MAX_FILES)
      throw refuse("too-many-attachments", `The PDF has more than ${MAX_FILES} attachments`);
    if (left === 0)
      throw refuse(
        "attachments-too-large",
        `The PDF's attachments have more than ${MAX_BYTES} bytes`,
      );
    const content = contentAt(pdf, at, left);
    left -= content?.length ?? 0;
    const text = content?.toString("utf8");
    if (text === undefined || text === bundle || !text.includes(format) || !hasFormat(text, format))
      continue;
    if (bundle !== undefined)
      throw refuse(
        "several-bundles",
        "The PDF has several bundles attached, so it is not clear which one it shows",
      );
    // a byte that UTF-8 does not have is refused, not replaced
    bundle = content && decodeUtf8(content, refuse);
  }
  if (bundle === undefined)
    throw refuse(
      "no-bundle",
      "The PDF has no bundle attached: it was not made by a gateway of this network, or it " +
        "was printed again. Send the XML that comes with it, or the text of its QR code",
    );
  return readJsonText(bundle, refuse);
}

/** True if the text is JSON of this format; another attachment need not be JSON. */
function hasFormat(text: string, format: string): boolean {
  try {
    return (JSON.parse(text) as { format?: unknown } | null)?.format === format;
  } catch {
    return false;
  }
}
