/**
 * The only way in: bytes and their media type → an invoice document.
 *
 * Owns: choosing the format, the limit on size, and tying an original to its document by hash.
 * Invariants: throws only Problem. Does not own: encodings (values/encoding.ts), the content of any
 * format (registry.ts has their readers).
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import {
  charsetOf,
  checkCharset,
  decodeXml,
  encodingNames,
  isCharsetRead,
} from "../values/encoding.ts";
import { maxViolations, Problem } from "../values/problems.ts";
import {
  type FormatName,
  formatNames,
  formats,
  formatsOfType,
  keepsOriginal,
  mediaTypes,
  type SourceFormat,
  titlesOf,
} from "./formats.ts";
import type { Reading, XmlReader } from "./reading.ts";
import { readers } from "./registry.ts";
import { type Element, lineTagOf, malformed, parseXml } from "./xml.ts";

/** Limit of a body in bytes: an invoice with some attachments. */
export const maxBody = 10 * 1024 * 1024;

/** `source`: the bytes that were read, if the format's originals are kept. */
export type ReadInvoice = Reading & { source?: { format: SourceFormat; bytes: Uint8Array } };

/** The same list in an answer. */
export const unreadSchema = z
  .array(z.string())
  .max(maxViolations)
  .describe(
    "Elements of the XML with a text that the document does not have: the original has them alone",
  );

/** `notes` of a reading, in an answer. */
export const notesSchema = z
  .array(z.object({ field: z.string(), rule: z.string(), detail: z.string() }))
  .max(maxViolations)
  .describe(
    "What is unusual about the document, although its standard allows it: a quantity times its " +
      "price that does not make the amount. An invoice of this network would be refused for it.",
  );

/**
 * Our own rules bind what is issued in this network, also where its standard does not have them.
 * Throws Problem `invalid-document`.
 */
export function requireIssuable({ notes = [] }: Pick<Reading, "notes">): void {
  const [first] = notes;
  if (first)
    throw new Problem("invalid-document", `${first.field}: ${first.detail}`, { violations: notes });
}

const xmlReaders: ReadonlyMap<FormatName, XmlReader> = new Map(
  formatNames.flatMap((name) => {
    const reader = readers[name];
    return "xml" in reader ? [[name, reader.xml] as const] : [];
  }),
);
const lineTag = lineTagOf([...xmlReaders.values()].map(({ vocabulary }) => vocabulary));

/** The format of a root element, among the candidates. Throws Problem `invalid-document`. */
function formatOfRoot(
  name: string,
  namespace: string,
  candidates: readonly FormatName[],
): [FormatName, XmlReader] {
  const refuse = (rule: string, detail: string) =>
    new Problem("invalid-document", detail, { violations: [{ field: `/${name}`, rule, detail }] });
  const named = [...xmlReaders].flatMap(([format, reader]) =>
    reader.roots.filter((root) => root.name === name).map((root) => ({ format, reader, root })),
  );
  const stray = named.find(({ root }) => root.namespace === "" && namespace !== "");
  if (stray !== undefined)
    throw refuse(
      "foreign-namespace",
      `The root element of ${formats[stray.format].title.en} stands in no namespace`,
    );
  const match = named.find(
    ({ format, root }) => root.namespace === namespace && candidates.includes(format),
  );
  if (match !== undefined) return [match.format, match.reader];
  throw refuse(
    "unknown-root",
    `The root element is not that of ${titlesOf(candidates)}; what an invoice in another format ` +
      "says can be written as JSON",
  );
}

/** The tree of a document, whose elements are all of its format. Throws what `parseXml` throws. */
export function parseInvoice(
  text: string,
  candidates: readonly FormatName[] = [...xmlReaders.keys()],
): { root: Element; format: FormatName; reader: XmlReader } {
  let match: [FormatName, XmlReader] | undefined;
  const root = parseXml(text, lineTag, (name, namespace) => {
    match = formatOfRoot(name, namespace, candidates);
    return match[1].vocabulary;
  });
  const [format, reader] = match as [FormatName, XmlReader];
  return { root, format, reader };
}

function read(
  candidates: readonly FormatName[],
  body: Uint8Array,
): Reading & { format: FormatName } {
  for (const format of candidates) {
    const reader = readers[format];
    if ("bytes" in reader) return { ...reader.bytes.read(body), format };
  }
  const { root, format, reader } = parseInvoice(decodeXml(body, malformed), candidates);
  return { ...reader.read(root), format };
}

/**
 * Reads an invoice in any format. `mediaType` is a Content-Type with its parameters.
 * Throws Problem: `unsupported-media-type`, `body-too-large`, `malformed-document` (cannot be
 * parsed), `forbidden-markup` (DTD, entity), `invalid-document` (with every broken rule that one
 * reading finds).
 */
export function readInvoice(mediaType: string, body: Uint8Array): ReadInvoice {
  const [type = "", ...parameters] = mediaType
    .toLowerCase()
    .split(";")
    .map((part) => part.trim());
  const charset = charsetOf(parameters);
  const candidates = formatsOfType(type);
  if (candidates.length === 0 || !isCharsetRead(type, charset))
    throw new Problem(
      "unsupported-media-type",
      `Read here: ${mediaTypes.join(", ")}; XML in ${encodingNames}, JSON in UTF-8`,
    );
  if (body.length > maxBody)
    throw new Problem("body-too-large", `An invoice has at most ${maxBody} bytes`);
  checkCharset(type, charset, body, malformed);
  const { format, ...reading } = read(candidates, body);
  if (!keepsOriginal(format)) return reading;
  reading.document.source = { format, sha256: createHash("sha256").update(body).digest("hex") };
  return { ...reading, source: { format, bytes: body } };
}
