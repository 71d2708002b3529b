/**
 * The console's texts: the same in both languages, with the same parameters, read from the source.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { parseAst } from "vite";

type Node = { type: string; [member: string]: unknown };
type Messages = { name: string; file: string; texts: Record<string, Map<string, string>> };
const root = fileURLToPath(new URL("../../console/src", import.meta.url));
const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter(
  (name) => /\.tsx?$/.test(name) && !name.endsWith(".d.ts"),
);

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && typeof (value as Node).type === "string";
function* nodesOf(node: Node): Generator<Node> {
  yield node;
  for (const member of Object.values(node))
    for (const child of Array.isArray(member) ? member : [member])
      if (isNode(child)) yield* nodesOf(child);
}
const nameOf = (key: Node) => String(key["name"] ?? key["value"]);
const entriesOf = (object: Node): [string, Node][] =>
  (object["properties"] as Node[]).map((property) => [
    nameOf(property["key"] as Node),
    property["value"] as Node,
  ]);

const tables: Messages[] = [];
const uses: { file: string; key: string; filled: string[] | undefined }[] = [];
for (const file of files) {
  const program = parseAst(readFileSync(join(root, file), "utf8"), {
    lang: file.endsWith("x") ? "tsx" : "ts",
  }) as unknown as Node;
  for (const node of nodesOf(program)) {
    if (node.type !== "CallExpression" || (node["callee"] as Node).type !== "Identifier") continue;
    const [first, second] = node["arguments"] as [Node?, Node?];
    const callee = nameOf(node["callee"] as Node);
    if (callee === "wordsOf" && first && second) {
      const languages = entriesOf(second).map(
        ([language, texts]) =>
          [
            language,
            new Map(entriesOf(texts).map(([key, text]) => [key, String(text["value"])])),
          ] as const,
      );
      tables.push({ name: String(first["value"]), file, texts: Object.fromEntries(languages) });
    }
    if (["say", "shared"].includes(callee) && first?.type === "Literal") {
      const all =
        second?.type === "ObjectExpression" &&
        (second["properties"] as Node[]).every(({ type }) => type === "Property");
      uses.push({
        file,
        key: String(first["value"]),
        filled:
          second === undefined ? [] : all ? entriesOf(second).map(([name]) => name) : undefined,
      });
    }
  }
}
const filledIn = (text: string) =>
  [...text.matchAll(/\{\{(\w+)\}\}/g)].map(([, name]) => name).sort();

describe("the console's messages", () => {
  it("are found: every area's, and those that pages share", () => {
    const names = tables.map(({ name }) => name);
    expect(names).to.include.members([
      "shared",
      "merchant",
      "employer",
      "bureau",
      "holder",
      "public",
      "filter",
    ]);
    expect(new Set(names).size).equals(names.length);
    expect(uses.length).greaterThan(500);
  });

  for (const { name, texts } of tables)
    it(`of ${name} are there in Chinese and English, and fill in the same`, () => {
      const [zh, en] = [texts["zh-CN"], texts["en-US"]];
      expect(Object.keys(texts)).deep.equals(["zh-CN", "en-US"]);
      const plural = [...(en?.keys() ?? [])].filter((key) => !key.endsWith("_one"));
      expect([...(zh?.keys() ?? [])].sort()).deep.equals(plural.sort());
      for (const [key, text] of zh ?? []) {
        expect(text.trim(), key).not.equals("");
        expect(en?.get(key)?.trim(), key).not.equals("");
        expect(filledIn(text), `${key}: ${text} / ${en?.get(key)}`).deep.equals(
          filledIn(en?.get(key) ?? ""),
        );
        // a brace that was forgotten would stand on the page
        for (const words of [text, en?.get(key) ?? ""])
          expect(words.replaceAll(/\{\{\w+\}\}/g, ""), key).to.not.match(/[{}]/);
      }
    });

  it("count in English: one invoice, two invoices", () => {
    const singular = tables.flatMap(({ texts }) =>
      [...(texts["en-US"] ?? [])].flatMap(([key, text]) =>
        key.endsWith("_one")
          ? [{ key, text, many: texts["en-US"]?.get(key.slice(0, -4)) ?? "" }]
          : [],
      ),
    );
    expect(singular.length).greaterThan(5);
    for (const { key, text, many } of singular) {
      expect(many, key).contains("{{count}}");
      expect(filledIn(many), key).to.include.members(filledIn(text));
      expect(text, key).not.equals(many);
    }
    // a number that stands directly before a plural noun needs a text for the number one
    const lacking = tables.flatMap(({ texts }) =>
      [...(texts["en-US"] ?? [])]
        .filter(
          ([key, text]) =>
            /\{\{count\}\} (duplicate )?[a-z]+s\b/.test(text) && !texts["en-US"]?.has(`${key}_one`),
        )
        .map(([key, text]) => `${key}: ${text}`),
    );
    expect(lacking).deep.equals([]);
  });

  it("in Chinese are Chinese, but for what is filled in and the names of formats", () => {
    const foreign = tables.flatMap(({ texts }) =>
      [...(texts["zh-CN"] ?? [])]
        .filter(
          ([, text]) =>
            /\p{L}/u.test(text.replaceAll(/\{\{\w+\}\}|UBL|XML|EN 16931/g, "")) &&
            !/\p{Script=Han}/u.test(text),
        )
        .map(([key, text]) => `${key}: ${text}`),
    );
    expect(foreign).deep.equals([]);
  });

  it("in English are without Chinese, but for the field's own names and what is written on invoices", () => {
    const names = /数电票|作废重开|个人|记-0042/g;
    const foreign = tables.flatMap(({ texts }) =>
      [...(texts["en-US"] ?? [])]
        .filter(([, text]) => /\p{Script=Han}/u.test(text.replaceAll(names, "")))
        .map(([key, text]) => `${key}: ${text}`),
    );
    expect(foreign).deep.equals([]);
  });

  it("use one term for one thing (docs/console.md) and no word-for-word idiom", () => {
    const dropped = {
      "zh-CN": /领用|抵扣|凭证包|谢绝|自有单号|抬头票|答复|企图/,
      "en-US":
        /\b(anew|whoever|besides|told|tax id|hand(s|ed)? on|(take|taken|takes) (back|over)|(?<!there )is no|are none|of its own)\b/i,
    };
    const faults = tables.flatMap(({ name, texts }) =>
      Object.entries(dropped).flatMap(([language, words]) =>
        [...(texts[language] ?? [])]
          .filter(([, text]) => words.test(text.replaceAll("ax ID", "")))
          .map(([key, text]) => `${name}: ${key}: ${text}`),
      ),
    );
    expect(faults).deep.equals([]);
  });

  it("are filled in where they are said", () => {
    const missing = uses.flatMap(({ file, key, filled }) => {
      const texts = tables
        .flatMap((table) => [table.texts["zh-CN"]?.get(key)])
        .filter((text) => text !== undefined);
      if (filled === undefined || texts.length === 0) return [];
      const fits = texts.some((text) =>
        filledIn(text).every((name) => filled.includes(name as string)),
      );
      return fits ? [] : [`${file}: ${key} without ${texts.map(filledIn).join(" or ")}`];
    });
    expect(missing).deep.equals([]);
  });
});
