/**
 * The console's Chinese words for rules: each rule of documents has words, and there are no words
 * for a rule that does not exist.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { ruleWords } from "../../console/src/shared/rule-words.ts";

const root = join(import.meta.dirname, "..", "..");
const sourceOf = (file: string) => readFileSync(join(root, file), "utf8");

describe("words for rules", () => {
  it("every rule between the members of a document, and between it and its lot, leaf and parties, has some", () => {
    const source = ["formats/rules.ts", "formats/gross.ts", "proofs/contradictions.ts"]
      .map((file) => sourceOf(`protocol/${file}`))
      .join("\n");
    const refusals = [
      ...source.matchAll(
        /refuse\((?:[^;]*?),\s*"([a-z]+(?:-[a-z]+)+)"|expect\(\s*"\w+",\s*"([a-z]+(?:-[a-z]+)+)"/g,
      ),
    ];
    const rules = new Set(refusals.map(([, refused, expected]) => refused ?? expected ?? ""));
    expect(rules.size).above(25);
    expect([...rules].filter((rule) => ruleWords[rule] === undefined)).deep.equals([]);
  });

  it("and no other words are kept", () => {
    const files = ["protocol", "server"].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".ts") && !name.startsWith("dist/"))
        .map((name) => join(folder, name)),
    );
    const all = files.map(sourceOf).join("\n");
    expect(
      Object.keys(ruleWords).filter(
        (rule) => !all.includes(`"${rule}"`) && !all.includes(`"${rule}: `),
      ),
    ).deep.equals([]);
  });
});
