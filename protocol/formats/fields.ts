/**
 * Where a member of a document stands in the format in which the document came, for rules that are
 * checked after reading.
 *
 * Knows nothing of the formats: their readers answer. While a document is read, its draft knows
 * this (draft.ts).
 */
import type { FormatName } from "./formats.ts";
import { readers } from "./registry.ts";

/**
 * The field of a member: its JSON pointer, or the path of its element if the format has one. Also
 * for `/number` and `/issueDay`.
 */
export function fieldIn(format: FormatName, pointer: string): string {
  const reader = readers[format];
  const path = "xml" in reader ? reader.xml.pathOf(pointer.slice(1)) : undefined;
  return path === undefined || !("xml" in reader)
    ? pointer
    : `/${reader.xml.roots[0].name}/${path}`;
}
