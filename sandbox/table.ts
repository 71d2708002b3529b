/** A table for a terminal, where a Chinese character takes two columns. */
import { printable } from "../server/kernel/terminal.ts";

const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6]/;
const columns = (text: string): number =>
  [...text].reduce((sum, char) => sum + (wide.test(char) ? 2 : 1), 0);

function padded(text: string, width: number): string {
  let [kept, used] = ["", 0];
  for (const char of text) {
    const next = used + columns(char);
    if (next > width - 1 && columns(text) > width)
      return `${kept}…${" ".repeat(Math.max(0, width - used - 1))}`;
    [kept, used] = [kept + char, next];
  }
  return kept + " ".repeat(width - used);
}

/** Rows under headings; `right` names columns that are numbers. Columns are cut at 44. */
export function table(
  headings: readonly string[],
  cells: readonly (readonly string[])[],
  right: readonly number[] = [],
): string {
  const rows = cells.map((row) => row.map(printable));
  const widths = headings.map((heading, i) =>
    Math.min(44, Math.max(columns(heading), ...rows.map((row) => columns(row[i] ?? "")))),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => {
        const width = widths[i] ?? 0;
        return right.includes(i)
          ? " ".repeat(Math.max(0, width - columns(cell))) + cell
          : padded(cell, width);
      })
      .join("  ")
      .trimEnd();
  return [line(headings), line(widths.map((width) => "─".repeat(width))), ...rows.map(line)].join(
    "\n",
  );
}
