/**
 * Where a member of a document stands in the format in which the document came, for rules that are
 * checked after reading.
 *
 * Knows nothing of the formats: their readers answer. While a document is read, its draft knows
 * this (draft.ts).
 */
import type { InvoiceDocument } from "./document.ts";
import { formatOf } from "./formats.ts";
import { readers } from "./registry.ts";

/**
 * The field of a document's member: its JSON pointer, or the path of its element if the format has
 * one. Also for `/number` and `/issueDay`.
 */
export function fieldIn(
  document: Pick<InvoiceDocument, "source" | "typeCode">,
  pointer: string,
): string {
  const reader = readers[formatOf(document)];
  const path = "xml" in reader ? reader.xml.pathOf(pointer.slice(1)) : undefined;
  if (path === undefined || !("xml" in reader)) return pointer;
  const { roots, rootOf } = reader.xml;
  return `/${rootOf?.(document) ?? roots[0].name}/${path}`;
}
