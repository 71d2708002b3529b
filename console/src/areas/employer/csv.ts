/**
 * Tables as CSV (RFC 4180) for spreadsheets: UTF-8 with a byte order mark, for Excel takes a file
 * without one for another encoding.
 *
 * A cell never becomes a formula, whatever the spreadsheet separates cells by. It may be set to
 * semicolons, tabs or bars as well: then a quote in the middle of a cell does not quote, and what
 * somebody else has written (a name, a note) can begin a cell of its own wherever such a character
 * stands in it. So a formula's sign there gets an apostrophe in front, as at the beginning, and
 * what breaks a line is a blank. A long number gets a tab in front, or a spreadsheet would show
 * twenty digits as 2.65E+19.
 */
export type Cell = string | number | boolean | undefined;

/**
 * Where a spreadsheet may see a cell begin, and behind it, after what is not seen, what makes it a
 * formula; full-width signs too.
 */
const formula = /(^|[,;|"'])([\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠])/gu;
const lineBreaks = /[\t\n\v\f\r\x85\u2028\u2029]+/g;
const amount = /^-?\d{1,15}(\.\d+)?$/;
const separators = /[",;|]|^\s|\s$/;

/** A cell as it stands in the file. */
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
