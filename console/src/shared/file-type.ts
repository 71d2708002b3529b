/**
 * Recognises a dropped file by its content, because phones and mail programs give files any name.
 */

import { typeOfText } from "@onepiao/protocol/formats/formats.ts";
import { beginningOf } from "@onepiao/protocol/values/encoding.ts";

/** Bytes that are searched: a PDF's header may follow other bytes. */
const START = 1_024;

/** Other files that people have of invoices: the gateway says what to send instead. */
const others = [
  ["application/zip", "PK"],
  ["image/png", "\u0089PNG"],
  ["image/jpeg", "\u00ff\u00d8"],
] as const;

/**
 * The media type of an invoice file, by its first bytes. Anything that is not recognised counts as
 * JSON, and the gateway refuses it if it is not.
 */
export function mediaTypeOf(
  bytes: ArrayBuffer,
): "application/pdf" | "application/xml" | "application/json" | (typeof others)[number][0] {
  const first = String.fromCharCode(...new Uint8Array(bytes.slice(0, 4)));
  const other = others.find(([, mark]) => first.startsWith(mark));
  if (other !== undefined) return other[0];
  const start = beginningOf(new Uint8Array(bytes), START).trimStart();
  if (start.includes("%PDF-") && !/^[<{[]/.test(start)) return "application/pdf";
  return typeOfText(start);
}
