/**
 * Writes tables as CSV (RFC 4180) for spreadsheets: UTF-8 with a byte order mark, because Excel
 * otherwise assumes another encoding.
 *
 * A cell never becomes a formula, whatever separator the spreadsheet uses. If it splits at
 * semicolons, tabs or bars, a quote in the middle of a cell no longer protects the text, and text
 * by somebody else (a name, a purpose) can start a new cell at any such character. So a formula
 * sign there gets an apostrophe in front, as at the start of a cell, and a line break becomes a
 * space. A long number gets a tab in front, because a spreadsheet would show twenty digits as
 * 2.65E+19.
 */
export type Cell = string | number | boolean | undefined;

/**
 * Where a spreadsheet may start a cell, then invisible characters, then a sign that starts a
 * formula (full-width signs too).
 */
const formula = /(^|[,;|"'])([\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠])/gu;
const lineBreaks = /[\t\n\v\f\r\x85\u2028\u2029]+/g;
const amount = /^-?\d{1,15}(\.\d+)?$/;
const separators = /[",;|]|^\s|\s$/;

/** A cell as written to the file. */
export function cellOf(value: Cell): string {
  const text = value === undefined ? "" : String(value);
  if (/^\d{16,}$/.test(text)) return `"\t${text}"`;
  if (amount.test(text)) return text;
  const plain = text.replace(lineBreaks, " ").replace(formula, "$1'$2");
  return separators.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

export const csvOf = (rows: readonly (readonly Cell[])[]): string =>
  `\uFEFF${rows.map((row) => row.map(cellOf).join(",")).join("\r\n")}\r\n`;

export const csvFile = (rows: readonly (readonly Cell[])[]): Blob =>
  new Blob([csvOf(rows)], { type: "text/csv;charset=utf-8" });
