/**
 * Plain English: comments, texts and documents use no idiom of CONTRIBUTING.md's list, comments end
 * at 100 columns, and no function word is the name of a variable, a function or a type.
 *
 * The lists hold only words that have a plain replacement in almost every sentence. The rest of the
 * style sheet is for reviewers.
 */
import { globSync, readFileSync } from "node:fs";
import { parseSync } from "@swc/core";
import { expect } from "chai";
import { codeOf } from "./support/source.ts";

const root = new URL("../../", import.meta.url);

const sources = [
  "{clients,protocol,sandbox,scripts,server,test}/**/*.{ts,tsx,mjs}",
  "console/src/**/*.{ts,tsx}",
];
const documents = ["*.md", "{clients,docs,protocol,samples}/**/*.md"];
/** This file, because its lists and examples are the words that it looks for. */
const self = "test/server/words.ts";

/** Idioms, each with what to write instead. */
const idioms: readonly [RegExp, string][] = [
  [/\banew\b/i, "again"],
  [/\bwho(?:m|so)?ever\b/i, "name the actor"],
  [/\bbesides\b/i, "also, except, in addition"],
  [/\btold\b/i, "reported, listed, said; or name the data"],
  [/(?<!\bthere )\b(?:is|are|was|were) none\b/i, "is not a …, is missing"],
  [/(?<!\bthere )\b(?:is|are|was|were) no (?!longer\b|more\b|less\b|accident\b)/i, "is not a …"],
  [/\ball the same\b/i, "still, nevertheless"],
  [/\bby (?:it|them|him|her)sel(?:f|ves)\b/i, "alone, separately, automatically"],
  [/\bthought better\b/i, "cancelled"],
  [/\b(?:say|says|said|tell|tells|know|knows|known) of (?:it|them)\b/i, "about it"],
  [/\bwho wants? it\b/i, "the requester"],
];

const functionWords = new Set(
  "anew beside besides found given gone mine none of one said such told wanted what whoever".split(
    " ",
  ),
);

/** The idioms of a text, each with its replacement. */
const idiomsIn = (text: string): string[] =>
  idioms.flatMap(([idiom, instead]) => {
    const match = idiom.exec(text);
    return match ? [`"${match[0]}" (${instead})`] : [];
  });

type Node = { type?: string; value?: unknown } & Record<string, unknown>;
const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null;

/** The names that a pattern binds: of a destructured member the new name only. */
function boundNames(pattern: unknown): string[] {
  if (!isNode(pattern)) return [];
  if (Array.isArray(pattern)) return pattern.flatMap(boundNames);
  switch (pattern.type) {
    case "Identifier":
      return [String(pattern.value)];
    case "ArrayPattern":
      return boundNames(pattern["elements"]);
    case "ObjectPattern":
      return (pattern["properties"] as Node[]).flatMap((member) =>
        boundNames(member.type === "AssignmentPatternProperty" ? member["key"] : member),
      );
    case "KeyValuePatternProperty":
      return boundNames(member(pattern, "value"));
    case "AssignmentPattern":
      return boundNames(pattern["left"]);
    case "RestElement":
      return boundNames(pattern["argument"]);
    case "Parameter":
      return boundNames(pattern["pat"]);
    default:
      return [];
  }
}
const member = (node: Node, name: string): unknown => node[name];

/** Where each kind of node declares names. */
const declaring: Readonly<Record<string, string>> = {
  VariableDeclarator: "id",
  FunctionDeclaration: "identifier",
  ClassDeclaration: "identifier",
  TsTypeAliasDeclaration: "id",
  TsInterfaceDeclaration: "id",
  CatchClause: "param",
};

/** Variables, parameters, functions and types that a source declares. */
function declaredNames(source: string, tsx: boolean): string[] {
  const names: string[] = [];
  const walk = (node: unknown): void => {
    if (!isNode(node)) return;
    if (Array.isArray(node)) {
      node.forEach(walk);
      return;
    }
    const place = node.type === undefined ? undefined : declaring[node.type];
    if (place !== undefined) names.push(...boundNames(node[place]));
    if ("params" in node) names.push(...boundNames(node["params"]));
    Object.values(node).forEach(walk);
  };
  walk(parseSync(source, { syntax: "typescript", tsx, target: "es2022" }).body);
  return names;
}

/** The violations of the rules in a source file. */
function faultsOf(source: string, tsx = false): string[] {
  const { texts, comments } = codeOf(source);
  const long = comments
    .flatMap((comment) => comment.split("\n"))
    .filter(
      (line) => [...line].length > 100 && !/^\s*\*?\s*\||^\s*\* {2,}|biome-ignore/.test(line),
    );
  return [
    ...[...comments, ...texts.filter((text) => /\w \w/.test(text))].flatMap(idiomsIn),
    ...long.map((line) => `over 100 columns: ${line.trim()}`),
    ...declaredNames(source, tsx)
      .filter((name) => functionWords.has(name.toLowerCase()))
      .map((name) => `the name "${name}"`),
  ];
}

/** The prose of a document, without code. */
const prose = (page: string) =>
  page.replaceAll(/^```[\s\S]*?^```/gm, "").replaceAll(/`[^`\n]*`/g, "");

const filesOf = (patterns: readonly string[]) =>
  globSync([...patterns], { cwd: root, exclude: ["**/node_modules/**", "**/dist/**"] })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => path !== self)
    .sort();
const textOf = (path: string) => readFileSync(new URL(path, root), "utf8");

describe("plain English", () => {
  it("in comments, texts and names", () => {
    const files = filesOf(sources);
    expect(files.length).to.be.greaterThan(100);
    const faults = files.flatMap((path) =>
      faultsOf(textOf(path), path.endsWith(".tsx")).map((fault) => `${path}: ${fault}`),
    );
    expect(faults).to.deep.equal([]);
  });

  it("in documents", () => {
    const faults = filesOf(documents).flatMap((path) =>
      prose(textOf(path))
        .split("\n")
        .flatMap((line) => idiomsIn(line).map((fault) => `${path}: ${fault}`)),
    );
    expect(faults).to.deep.equal([]);
  });

  it("is checked: each of these lines is a fault", () => {
    for (const line of [
      "// signed anew",
      "// for whoever asks",
      "/** Undefined when it is none. */",
      "/** This is no tax id. */",
      "// what a party is told",
      "// rounded by itself",
      "// and more besides",
      "// refused all the same",
      `// ${"x".repeat(98)}`,
      'const text = "It was printed anew";',
      "const of = 1;",
      "const { issuer: of } = lot;",
      "const [said] = rows;",
      "const names = rows.map((one) => one.name);",
      "function told() {}",
      "type Said = string;",
      "const { found = 1, ...rest } = row;",
    ])
      expect(faultsOf(line), line).to.have.length(1);
  });

  it("is checked without false alarms: none of these lines is a fault", () => {
    for (const line of [
      "// there is no row, or there are none; the key is no longer valid",
      "const row = { one: 1, of: 2, found: lot.found };",
      "const { one: first } = row;",
      "type Row = { of: string; told: boolean };",
      'const word = "told";',
      "for (const row of rows) use(row.one);",
      "import { one } from './numbers.ts';",
    ])
      expect(faultsOf(line), line).to.deep.equal([]);
  });
});
