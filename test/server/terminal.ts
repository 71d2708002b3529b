/** Output to a terminal: no data reaches it raw, and a single file writes to it. */
import { readdirSync, readFileSync } from "node:fs";
import { expect } from "chai";
import fc from "fast-check";
import { table } from "../../sandbox/table.ts";
import { printable, printableJson } from "../../server/kernel/terminal.ts";
import { codeOf } from "./support/source.ts";

const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom(
      "\u001b",
      "\u0007",
      "\n",
      "\u009b",
      "\u202e",
      "\u2066",
      "\u200b",
      "\ufeff",
      "\u2028",
      "\u{e0041}",
      "\ud800",
    ),
    fc.string(),
  ),
});
const raw = /\p{C}|[\u2028\u2029]/u;

describe("text for a terminal", () => {
  it("has no control, no direction mark and no zero-width character; the rest stays unchanged", () => {
    fc.assert(
      fc.property(text, (input) => {
        expect(printable(input)).not.match(raw);
      }),
      { numRuns: 500 },
    );
    expect(printable("a\u001b[2J\u202e\u200b\n\u{e0041}")).equals(
      "a\\u{1B}[2J\\u{202E}\\u{200B}\\u{A}\\u{E0041}",
    );
    for (const plain of ["午餐 4人", "Lieferung frei Haus", "żółć €1,00", "*餐饮服务*餐费"])
      expect(printable(plain)).equals(plain);
  });

  it("as JSON parses to the same value", () => {
    fc.assert(
      fc.property(fc.dictionary(text, fc.oneof(text, fc.array(text))), (value) => {
        expect(printableJson(value).replaceAll("\n", "")).not.match(raw);
        expect(JSON.parse(printableJson(value))).deep.equals(JSON.parse(JSON.stringify(value)));
      }),
      { numRuns: 300 },
    );
  });

  it("in a table keeps its cell on one line", () => {
    const lines = table(["who", "what"], [["小站\n茶餐厅\u001b[2J", "x\u202ey"]]).split("\n");
    expect(lines.length).equals(3);
    expect(lines.join("")).not.match(raw);
  });

  it("is written by one file of the server", () => {
    const root = new URL("../../", import.meta.url);
    const files = ["protocol", "server", "sandbox"].flatMap((folder) =>
      readdirSync(new URL(`${folder}/`, root), { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".ts") && !name.startsWith("dist/"))
        .map((name) => `${folder}/${name}`),
    );
    const writing = files.filter((name) =>
      /\bconsole\.|process\.std(?:out|err)/.test(
        codeOf(readFileSync(new URL(name, root), "utf8")).code,
      ),
    );
    // a progress bar with fixed words, and the line in which a sandbox's chain reports that it is
    // ready
    expect(writing.sort()).deep.equals([
      "sandbox/chain.ts",
      "server/kernel/terminal.ts",
      "server/operator/progress.ts",
    ]);
  });
});
