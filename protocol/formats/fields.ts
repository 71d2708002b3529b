/**
 * Where a document's member stands in the format that the document came in, for rules that are
 * judged after it was read.
 *
 * Owns nothing of the formats: it asks their readers. While a document is read its draft knows this
 * itself (draft.ts).
 */
import type { FormatName } from "./formats.ts";
import { readers } from "./registry.ts";

/**
 * The field of a member: its JSON pointer as it is, or the path of its element where the format has
 * one. Also of `/number` and `/issueDay`.
 */
export function fieldIn(format: FormatName, pointer: string): string {
  const reader = readers[format];
  const path = "xml" in reader ? reader.xml.pathOf(pointer.slice(1)) : undefined;
  return path === undefined || !("xml" in reader) ? pointer : `/${reader.xml.root.name}/${path}`;
}
