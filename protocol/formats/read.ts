/**
 * The one way in: bytes and their media type → an invoice document.
 *
 * Owns: choosing the format, the bound on size, and tying an original to its document by hash.
 * Invariants: throws nothing but Problem; encoding `source.text` as UTF-8 gives the body back, byte
 * for byte. Does not own: any format's content (registry.ts has their readers).
 */
import { createHash } from "node:crypto";
import { z } from "zod";
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
import { decodeUtf8, type Element, lineTagOf, malformed, parseXml } from "./xml.ts";

/** Of a body, in bytes: an invoice with some attachments. */
export const maxBody = 10 * 1024 * 1024;

/** `source`: the text that was read, for a format whose originals are kept. */
export type ReadInvoice = Reading & { source?: { format: SourceFormat; text: string } };

/** As an answer has it. */
export const unreadSchema = z
  .array(z.string())
  .max(maxViolations)
  .describe(
    "Elements of the XML with a text that the document does not have: the original has them alone",
  );

const xmlReaders: ReadonlyMap<FormatName, XmlReader> = new Map(
  formatNames.flatMap((name) => {
    const reader = readers[name];
    return "xml" in reader ? [[name, reader.xml] as const] : [];
  }),
);
const lineTag = lineTagOf([...xmlReaders.values()].map(({ vocabulary }) => vocabulary));

/** The format of a root element, out of some. Throws Problem `invalid-document`. */
function formatOfRoot(
  name: string,
  namespace: string,
  wanted: readonly FormatName[],
): [FormatName, XmlReader] {
  const refuse = (rule: string, detail: string) =>
    new Problem("invalid-document", detail, { violations: [{ field: `/${name}`, rule, detail }] });
  const named = [...xmlReaders].filter(([, { root }]) => root.name === name);
  const [stray] = named.filter(([, { root }]) => root.namespace === "" && namespace !== "");
  if (stray !== undefined)
    throw refuse(
      "foreign-namespace",
      `The root element of ${formats[stray[0]].title.en} stands in no namespace`,
    );
  const found = named.find(
    ([format, { root }]) => root.namespace === namespace && wanted.includes(format),
  );
  if (found !== undefined) return found;
  throw refuse("unknown-root", `The root element is not that of ${titlesOf(wanted)}`);
}

/** A document's tree, of no elements but those of its format. Throws what `parseXml` throws. */
export function parseInvoice(
  text: string,
  wanted: readonly FormatName[] = [...xmlReaders.keys()],
): { root: Element; format: FormatName; reader: XmlReader } {
  let found: [FormatName, XmlReader] | undefined;
  const root = parseXml(text, lineTag, (name, namespace) => {
    found = formatOfRoot(name, namespace, wanted);
    return found[1].vocabulary;
  });
  const [format, reader] = found as [FormatName, XmlReader];
  return { root, format, reader };
}

function read(wanted: readonly FormatName[], body: Uint8Array): Reading & { format: FormatName } {
  for (const format of wanted) {
    const reader = readers[format];
    if ("bytes" in reader) return { ...reader.bytes.read(body), format };
  }
  const { root, format, reader } = parseInvoice(decodeUtf8(body, malformed), wanted);
  return { ...reader.read(root), format };
}

/**
 * Reads an invoice in any format. `mediaType` is a Content-Type, parameters and all.
 * Throws Problem: `unsupported-media-type`, `body-too-large`, `malformed-document` (cannot be
 * parsed), `forbidden-markup` (DTD, entity), `invalid-document` (with every rule broken that could
 * be told at once).
 */
export function readInvoice(mediaType: string, body: Uint8Array): ReadInvoice {
  const [type = "", ...parameters] = mediaType
    .toLowerCase()
    .split(";")
    .map((part) => part.trim());
  const charset = parameters
    .find((parameter) => parameter.startsWith("charset="))
    ?.slice(8)
    .replaceAll('"', "");
  const wanted = formatsOfType(type);
  if (wanted.length === 0 || (charset !== undefined && charset !== "utf-8" && charset !== "utf8"))
    throw new Problem("unsupported-media-type", `Read here: ${mediaTypes.join(", ")}; in UTF-8`);
  if (body.length > maxBody)
    throw new Problem("body-too-large", `An invoice has at most ${maxBody} bytes`);
  const { format, ...reading } = read(wanted, body);
  if (!keepsOriginal(format)) return reading;
  reading.document.source = { format, sha256: createHash("sha256").update(body).digest("hex") };
  return { ...reading, source: { format, text: decodeUtf8(body, malformed) } };
}
