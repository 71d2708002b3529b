/**
 * The one way in: bytes and their media type → an invoice document.
 *
 * Owns: choosing the format, the bound on size, and tying an XML original to its document by hash. Invariants: throws
 * nothing but Problem; encoding `source.text` as UTF-8 gives the body back, byte for byte.
 * Does not own: any format's content (json.ts, shudian.ts, ubl.ts).
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { maxViolations, Problem } from "../values/problems.ts";
import type { InvoiceDocument } from "./document.ts";
import { readJson } from "./json.ts";
import { readShudian, shudianIssueDay, shudianNumber } from "./shudian.ts";
import { readUbl, ublNumbers } from "./ubl.ts";
import { shudianVocabulary, ublNamespace, ublVocabulary } from "./vocabularies.ts";
import { decodeUtf8, type Element, malformed, parseXml, type Vocabulary } from "./xml.ts";

/** Of a body, in bytes: an invoice with some attachments. */
export const maxBody = 10 * 1024 * 1024;

export type SourceFormat = "shudian" | "ubl";
/**
 * `numbers`: those of 20 digits that the XML states: of a 数电票 its own, which is not the `sourceId` when a gateway has written it;
 * of UBL the one that a gateway has put beside `cbc:ID`. `unread`: paths of texts that the document does not have, at most 20.
 * `issueDay`: the day of issue, YYYY-MM-DD, where it stands beside the document's time (of a 数电票, whose time is that of the request).
 */
export type ReadInvoice = {
  document: InvoiceDocument;
  holder?: string;
  source?: { format: SourceFormat; text: string };
  numbers?: readonly string[];
  unread?: readonly string[];
  issueDay?: string | undefined;
};

/** As an answer has it. */
export const unreadSchema = z
  .array(z.string())
  .max(maxViolations)
  .describe("Elements of the XML with a text that the document does not have: the original has them alone");

/** Media type → the format it promises; undefined: the root element decides. */
const xmlTypes = new Map<string, SourceFormat | undefined>([
  ["application/xml", undefined],
  ["text/xml", undefined],
  ["application/vnd.onepiao.shudian+xml", "shudian"],
  ["application/vnd.onepiao.ubl+xml", "ubl"],
]);
/** What `readInvoice` reads, for the Accept-Post header and the API's description. */
export const mediaTypes: readonly string[] = ["application/json", ...xmlTypes.keys()];

const vocabularies: Readonly<Record<SourceFormat, Vocabulary>> = { shudian: shudianVocabulary, ubl: ublVocabulary };

/** The format of a root element. Throws Problem `invalid-document`. */
function formatOf(name: string, namespace: string, promised?: SourceFormat): SourceFormat {
  const refuse = (rule: string, detail: string) => new Problem("invalid-document", detail, { violations: [{ field: `/${name}`, rule, detail }] });
  if (name === "EInvoice" && namespace !== "") throw refuse("foreign-namespace", "A 数电票 stands in no namespace");
  const found = name === "EInvoice" ? "shudian" : name === "Invoice" && namespace === ublNamespace ? "ubl" : undefined;
  if (found !== undefined && (promised === undefined || promised === found)) return found;
  throw refuse("unknown-root", promised === undefined ? "Neither a 数电票 (EInvoice) nor a UBL invoice" : `The root element is not that of ${promised}`);
}

/** A document's tree, of no elements but those of its format. Throws what `parseXml` throws. */
export function parseInvoice(text: string, promised?: SourceFormat): { root: Element; format: SourceFormat } {
  let format: SourceFormat | undefined;
  const root = parseXml(text, (name, namespace) => {
    format = formatOf(name, namespace, promised);
    return vocabularies[format];
  });
  return { root, format: format as SourceFormat };
}

/**
 * Reads an invoice in any format. `mediaType` is a Content-Type, parameters and all.
 * Throws Problem: `unsupported-media-type`, `body-too-large`, `malformed-document` (cannot be parsed), `forbidden-markup`
 * (DTD, entity), `invalid-document` (with every rule broken that could be told at once).
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
  if ((type !== "application/json" && !xmlTypes.has(type)) || (charset !== undefined && charset !== "utf-8" && charset !== "utf8"))
    throw new Problem("unsupported-media-type", `Read here: ${mediaTypes.join(", ")}; in UTF-8`);
  if (body.length > maxBody) throw new Problem("body-too-large", `An invoice has at most ${maxBody} bytes`);
  if (type === "application/json") return readJson(body);
  const text = decodeUtf8(body, malformed);
  const { root, format } = parseInvoice(text, xmlTypes.get(type));
  const { document, unread } = format === "shudian" ? readShudian(root) : readUbl(root);
  document.source = { format, sha256: createHash("sha256").update(body).digest("hex") };
  const source = { format, text };
  if (format === "ubl") return { document, source, numbers: ublNumbers(root), unread };
  return { document, source, numbers: [shudianNumber(root)], issueDay: shudianIssueDay(root), unread };
}
