/**
 * Tables as CSV (RFC 4180) for spreadsheets: UTF-8 with a byte order mark, for Excel takes a file without one for another encoding.
 *
 * A cell never becomes a formula: what somebody else has written (a name, a note) and begins as one gets an apostrophe in front. A
 * long number gets a tab in front, or a spreadsheet would show twenty digits as 2.65E+19.
 */
import { saveFile } from "../../shared/client.ts";

export type Cell = string | number | boolean | undefined;

/** What a spreadsheet may take for one, blanks in front and full-width signs too. */
const formula = /^(\s*[=+\-@＝＋－＠]|[\t\r\n])/;
const amount = /^-?\d{1,15}(\.\d+)?$/;

export function cellOf(value: Cell): string {
  const text = value === undefined ? "" : String(value);
  if (/^\d{16,}$/.test(text)) return quoted(`\t${text}`);
  return quoted(formula.test(text) && !amount.test(text) ? `'${text}` : text);
}

const quoted = (text: string) => (/[",\r\n\t;]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

export const csvOf = (rows: readonly (readonly Cell[])[]): string => `\uFEFF${rows.map((row) => row.map(cellOf).join(",")).join("\r\n")}\r\n`;

export const saveCsv = (rows: readonly (readonly Cell[])[], name: string): void => saveFile(new Blob([csvOf(rows)], { type: "text/csv;charset=utf-8" }), name);
