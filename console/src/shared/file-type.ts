/**
 * Recognises a dropped file by its content, because phones and mail programs give files any name.
 */

import { typeOfText } from "@onepiao/protocol/formats/formats.ts";
import { beginningOf } from "@onepiao/protocol/values/encoding.ts";

/** Bytes that are searched: a PDF's header may follow other bytes. */
const START = 1_024;

/**
 * The media type of an invoice file, by its first bytes. Anything but PDF and XML counts as JSON,
 * and the gateway refuses it if it is not.
 */
export function mediaTypeOf(
  bytes: ArrayBuffer,
): "application/pdf" | "application/xml" | "application/json" {
  const start = beginningOf(new Uint8Array(bytes), START).trimStart();
  if (start.includes("%PDF-") && !/^[<{[]/.test(start)) return "application/pdf";
  return typeOfText(start);
}
