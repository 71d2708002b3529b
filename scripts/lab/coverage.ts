/**
 * `node scripts/lab/coverage.ts`: line and branch coverage of contracts/ by the tests in
 * test/contracts (Solidity and TypeScript), as a table; exits with 1 below 100 %.
 *
 * Hardhat counts statements and tells lines, no branches. So this works on a copy of the project in
 * a temporary folder, in which every decision (the condition of an if, a loop or a ternary; each
 * operand that && or || forks on) is wrapped in a function of its own with one line for true and
 * one for false: those lines are the branches. Nothing is put on a new line, so line numbers stay.
 * A decision in inline assembly cannot be wrapped: their number is printed, and their tests are the
 * comparisons with a naive tree and with hand-written messages.
 *
 * Tests that measure gas (test/contracts/*gas*) are left out: a counted contract uses more.
 * Changes nothing in the project, so coverage's bytecode never gets into artifacts/ or types/.
 */
import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

type Node = { nodeType?: string; src?: string; [field: string]: unknown };
type Decision = { file: string; line: number; text: string; whenTrue: number; whenFalse: number };
type Counts = Map<number, number>;

const project = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const DECISIONS = "contracts/Decisions.sol";

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Syntax trees by path. Throws with the compiler's words when a file does not parse. */
function parse(sources: Record<string, string>): Record<string, Node> {
  const solc = createRequire(import.meta.url)("solc") as { compile(input: string): string };
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(
      Object.entries(sources).map(([path, content]) => [path, { content }]),
    ),
    settings: { stopAfter: "parsing", outputSelection: { "*": { "": ["ast"] } } },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input))) as {
    sources?: Record<string, { ast: Node }>;
    errors?: { formattedMessage: string }[];
  };
  const trees = Object.entries(output.sources ?? {}).map(([path, { ast }]) => [path, ast] as const);
  if (trees.length === 0)
    throw new Error(
      output.errors?.map((error) => error.formattedMessage).join("\n") ?? "solc answered nothing",
    );
  return Object.fromEntries(trees);
}

const childrenOf = (node: Node): Node[] =>
  Object.values(node)
    .flat()
    .filter(
      (value): value is Node => typeof value === "object" && value !== null && "nodeType" in value,
    );

const isLogical = (node: Node): boolean =>
  node.nodeType === "BinaryOperation" && (node["operator"] === "&&" || node["operator"] === "||");

/**
 * Operands that execution forks on. The last operand of an && or || that is only a value forks
 * nothing.
 */
function forks(expression: Node, decides: boolean): Node[] {
  if (isLogical(expression))
    return [
      ...forks(expression["leftExpression"] as Node, true),
      ...forks(expression["rightExpression"] as Node, decides),
    ];
  if (expression.nodeType === "TupleExpression")
    return forks((expression["components"] as Node[])[0] as Node, decides);
  return decides ? [expression] : [];
}

function decisionsIn(tree: Node): { wrapped: Node[]; inAssembly: number } {
  const wrapped = new Set<Node>();
  let inAssembly = 0;
  const walk = (node: Node): void => {
    const condition = /^(If|While|DoWhile|For)Statement$|^Conditional$/.test(node.nodeType ?? "")
      ? (node["condition"] as Node | null)
      : null;
    if (condition) for (const fork of forks(condition, true)) wrapped.add(fork);
    // inside a condition this finds again what is there already
    if (isLogical(node)) for (const fork of forks(node, false)) wrapped.add(fork);
    if (/^Yul(If|ForLoop|Switch)$/.test(node.nodeType ?? "")) inAssembly++;
    for (const child of childrenOf(node)) walk(child);
  };
  walk(tree);
  return { wrapped: [...wrapped], inAssembly };
}

const rangeOf = (node: Node): [number, number] => {
  const [start = 0, length = 0] = (node.src ?? "").split(":").map(Number);
  return [start, start + length];
};

/**
 * Rewrites the contracts under `copy`; returns the decisions, and how many lie in assembly, by
 * file.
 */
function wrapDecisions(copy: string): { decisions: Decision[]; inAssembly: Map<string, number> } {
  const paths = filesUnder(join(copy, "contracts")).filter((path) => path.endsWith(".sol"));
  const nameOf = (path: string) => relative(copy, path).split(sep).join("/");
  const trees = parse(
    Object.fromEntries(paths.map((path) => [nameOf(path), readFileSync(path, "utf8")])),
  );
  const decisions: Decision[] = [];
  const inAssembly = new Map<string, number>();
  let wrappers = "// SPDX-License-Identifier: MIT\npragma solidity 0.8.37;\n";
  for (const path of paths) {
    const file = nameOf(path);
    const tree = trees[file];
    if (!tree) throw new Error(`${file} was not parsed`);
    const branching = decisionsIn(tree);
    if (branching.inAssembly > 0) inAssembly.set(file, branching.inAssembly);
    if (branching.wrapped.length === 0) continue;
    // the compiler counts bytes
    const source = readFileSync(path);
    const inserts: { at: number; text: string }[] = [];
    const names: string[] = [];
    for (const node of branching.wrapped) {
      const [start, end] = rangeOf(node);
      const name = `decision${decisions.length}`;
      const firstLine = wrappers.split("\n").length;
      wrappers += `function ${name}(bool taken) pure returns (bool) {\nif (taken) {\nreturn true;\n}\nreturn false;\n}\n`;
      const line = source.subarray(0, start).toString().split("\n").length;
      decisions.push({
        file,
        line,
        text: source.subarray(start, end).toString(),
        whenTrue: firstLine + 2,
        whenFalse: firstLine + 4,
      });
      inserts.push({ at: start, text: `${name}(` }, { at: end, text: ")" });
      names.push(name);
    }
    const pragma = (tree["nodes"] as Node[]).find((node) => node.nodeType === "PragmaDirective");
    if (!pragma) throw new Error(`${file} has no pragma to put an import behind`);
    const up = "../".repeat(file.split("/").length - 2) || "./";
    inserts.push({
      at: rangeOf(pragma)[1],
      text: ` import {${names.join(", ")}} from "${up}Decisions.sol";`,
    });
    let rewritten = source;
    for (const insert of inserts.toSorted((a, b) => b.at - a.at)) {
      rewritten = Buffer.concat([
        rewritten.subarray(0, insert.at),
        Buffer.from(insert.text),
        rewritten.subarray(insert.at),
      ]);
    }
    writeFileSync(path, rewritten);
  }
  writeFileSync(join(copy, DECISIONS), wrappers);
  return { decisions, inAssembly };
}

function copyProject(copy: string): void {
  for (const name of ["contracts", "server", "scripts", "package.json", "tsconfig.json"])
    cpSync(join(project, name), join(copy, name), { recursive: true });
  cpSync(join(project, "test/contracts"), join(copy, "test/contracts"), {
    recursive: true,
    filter: (path) => !/gas[^/\\]*\.ts$/.test(path),
  });
  symlinkSync(join(project, "node_modules"), join(copy, "node_modules"), "junction");
  // counting makes a contract larger than a chain would take
  const config = readFileSync(join(project, "hardhat.config.ts"), "utf8");
  const roomy = config.replace(
    "allowUnlimitedContractSize: false",
    "allowUnlimitedContractSize: true",
  );
  if (roomy === config)
    throw new Error("hardhat.config.ts no longer says allowUnlimitedContractSize: false");
  writeFileSync(join(copy, "hardhat.config.ts"), roomy);
}

/** Hits by line, by file, from lcov's SF and DA records. */
function readLcov(path: string): Map<string, Counts> {
  const files = new Map<string, Counts>();
  let counts: Counts = new Map();
  for (const line of readFileSync(path, "utf8").split("\n")) {
    if (line.startsWith("SF:")) {
      counts = new Map();
      files.set(line.slice(3).split(sep).join("/"), counts);
    } else if (line.startsWith("DA:")) {
      const [number = 0, hits = 0] = line.slice(3).split(",").map(Number);
      counts.set(number, hits);
    }
  }
  return files;
}

const percent = (hit: number, total: number): string =>
  total === 0 ? "-" : `${((hit * 100) / total).toFixed(2)} % (${hit}/${total})`;

/** Prints the table; true when nothing is missing. */
function report(
  lines: Map<string, Counts>,
  decisions: Decision[],
  inAssembly: Map<string, number>,
): boolean {
  const branches = lines.get(DECISIONS) ?? new Map<number, number>();
  const missing: string[] = [];
  const rows: [string, string, string, string][] = [
    ["file", "lines", "branches", "decisions in assembly (not counted)"],
  ];
  const total = { lines: 0, linesHit: 0, branches: 0, branchesHit: 0 };
  for (const [file, counts] of [...lines].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    if (file === DECISIONS) continue;
    const own = decisions.filter((decision) => decision.file === file);
    let branchesHit = 0;
    for (const decision of own) {
      for (const [way, line] of [
        ["true", decision.whenTrue],
        ["false", decision.whenFalse],
      ] as const) {
        if ((branches.get(line) ?? 0) > 0) branchesHit++;
        else
          missing.push(
            `${file}:${decision.line}: never ${way}: ${decision.text.replaceAll(/\s+/g, " ")}`,
          );
      }
    }
    const unhit = [...counts].filter(([, hits]) => hits === 0).map(([line]) => line);
    for (const line of unhit) missing.push(`${file}:${line}: never reached`);
    const linesHit = counts.size - unhit.length;
    rows.push([
      file,
      percent(linesHit, counts.size),
      percent(branchesHit, own.length * 2),
      String(inAssembly.get(file) ?? 0),
    ]);
    total.lines += counts.size;
    total.linesHit += linesHit;
    total.branches += own.length * 2;
    total.branchesHit += branchesHit;
  }
  rows.push([
    "all",
    percent(total.linesHit, total.lines),
    percent(total.branchesHit, total.branches),
    String([...inAssembly.values()].reduce((a, b) => a + b, 0)),
  ]);
  const widths = [0, 1, 2, 3].map((column) =>
    Math.max(...rows.map((row) => (row[column] ?? "").length)),
  );
  console.log(
    rows
      .map((row) =>
        row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join("  ")
          .trimEnd(),
      )
      .join("\n"),
  );
  if (missing.length > 0) console.log(`\n${missing.join("\n")}`);
  return total.lines > 0 && total.branches > 0 && missing.length === 0;
}

const copy = mkdtempSync(join(tmpdir(), "onepiao-coverage-"));
try {
  mkdirSync(join(copy, "test"));
  copyProject(copy);
  const { decisions, inAssembly } = wrapDecisions(copy);
  const hardhat = createRequire(import.meta.url).resolve("hardhat/package.json");
  const run = spawnSync(
    process.execPath,
    [join(dirname(hardhat), "dist/src/cli.js"), "--coverage", "test"],
    { cwd: copy, stdio: "inherit" },
  );
  const complete = report(readLcov(join(copy, "coverage/lcov.info")), decisions, inAssembly);
  if (run.status !== 0) console.log("\nTests failed, so the coverage above says little.");
  process.exitCode = run.status === 0 && complete ? 0 : 1;
} finally {
  rmSync(copy, { recursive: true, force: true });
}
