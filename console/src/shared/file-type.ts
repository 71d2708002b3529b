/**
 * What is in a file that somebody drops: by its content, for phones and mail programs give files
 * any name.
 */

import { typeOfText } from "@onepiao/protocol/formats/formats.ts";

/** Enough to know it by; a PDF's header may stand behind other bytes. */
const START = 1_024;

/**
 * The media type of an invoice's file, by its first bytes. What is neither PDF nor XML goes as
 * JSON, and is refused as such.
 */
export function mediaTypeOf(
  bytes: ArrayBuffer,
): "application/pdf" | "application/xml" | "application/json" {
  const start = new TextDecoder().decode(bytes.slice(0, START)).trimStart();
  if (start.includes("%PDF-") && !/^[<{[]/.test(start)) return "application/pdf";
  return typeOfText(start);
}
