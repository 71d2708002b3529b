/**
 * Every clone runs the same: no code names a path outside the repository. The test reads every text
 * of every source file.
 *
 * A text with `..` starts at the file's own folder if its call contains `import.meta`, and at the
 * repository's root elsewhere. Code gets temporary folders from `tmpdir()` and looks up programs of
 * the system; all other names of such paths are listed here.
 */
import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { expect } from "chai";
import { codeOf } from "./support/source.ts";

const root = new URL("../../", import.meta.url);
const folders = ["protocol", "sandbox", "server", "test", "scripts", "console", "contracts"];

/** By file: texts that look like such a path, or that name one for a reason. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  // the usual places of a browser; CHROMIUM names another place
  "scripts/e2e.ts": [
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  ],
  "test/e2e/fixture.ts": ["/usr/bin/chromium"],
  // Linux's data about processes; without it the benchmark omits these columns
  "scripts/lab/bench/processes.ts": ["/proc", "/proc/", "/proc/stat"],
  // steps up in an import that the script writes into its copy of the contracts
  "scripts/lab/coverage.ts": ["../"],
  // lines that a rule refuses or allows, written into a separate tree of files
  "test/server/architecture.ts": [
    'import type { SandboxApi } from "../../../sandbox/api.ts";',
    'import type { X } from "../../../server/kernel/log.ts";',
    'import { x } from "../../../sandbox/api.ts";',
    'import type { X } from "../../../sandbox/parties.ts";',
  ],
  // an invoice's number in the form of a path in an archive
  "test/server/api-papers.ts": ["../../26449000000000000001"],
};

const system =
  /^(?:\/(?:Applications|System|Users|bin|data|dev|etc|home|media|mnt|opt|private|proc|root|run|sbin|srv|sys|tmp|usr|var)(?:\/|$)|[A-Za-z]:[\\/]|~\/|file:\/\/)/;
/** Functions that take a path of the file system first. */
const ofFiles =
  /\b(?:access|cp|createReadStream|exists|lstat|opendir|readFile|readdir|realpath|registerFont|stat|spawn|execFile)(?:Sync)?\s*\($/;
const climbs = (text: string) => /(?:^|[\\/])\.\.(?:[\\/]|$)/.test(text);
const leaves = (path: string) => /^\.\.(?:\/|$)/.test(posix.normalize(path));

/** The arguments of the call around a place in the code; without a call, the statement. */
function callAt(code: string, at: number): string {
  const end = (from: number, step: 1 | -1, opening: string, closing: string) => {
    for (let [place, depth] = [from, 0]; ; place += step) {
      const c = code[place];
      if (c === undefined || (depth === 0 && (c === closing || /[;{}]/.test(c)))) return place;
      depth += c === opening ? 1 : c === closing ? -1 : 0;
    }
  };
  return code.slice(end(at - 1, -1, ")", "(") + 1, end(at, 1, "(", ")"));
}

/**
 * The texts of a file that name a path outside the repository. `path`: from the repository's root.
 */
function outside(path: string, source: string): string[] {
  const { code, texts } = codeOf(source);
  const folder = posix.dirname(path);
  const outsidePaths: string[] = [];
  for (const { 1: index, index: at } of code.matchAll(/"(\d+)"/g)) {
    const text = texts[Number(index)] as string;
    if (system.test(text) || (/^\/./.test(text) && ofFiles.test(code.slice(0, at))))
      outsidePaths.push(text);
    if (!climbs(text) || text.startsWith("/")) continue;
    const near = callAt(code, at);
    const imported = /\b(?:from|import)\s*\(?\s*$/.test(code.slice(0, at));
    // all steps of one call, in their order: join(import.meta.dirname, "..", "..", "x")
    const steps = [...near.matchAll(/"(\d+)"/g)].map(([, each]) => texts[Number(each)] as string);
    const own = imported || near.includes("import.meta");
    if (leaves(own ? posix.join(folder, ...(imported ? [text] : steps)) : text))
      outsidePaths.push(text);
  }
  if (/\bhomedir\s*\(/.test(code)) outsidePaths.push("homedir()");
  return outsidePaths;
}

function sources(): Map<string, string> {
  const names = folders.flatMap((folder) =>
    readdirSync(new URL(`${folder}/`, root), { recursive: true, encoding: "utf8" }).map(
      (name) => `${folder}/${name}`,
    ),
  );
  const files = [...names, "hardhat.config.ts"]
    .map((name) => name.replaceAll("\\", "/"))
    .filter(
      (name) =>
        /\.(?:[mc]?[jt]sx?|sol)$/.test(name) &&
        !/^(protocol|clients\/typescript)\/dist\//.test(name),
    );
  return new Map(files.map((name) => [name, readFileSync(new URL(name, root), "utf8")]));
}

describe("paths outside the repository", function () {
  // it parses every file
  this.timeout(120_000);

  it("are named only where the list gives a reason", () => {
    const files = sources();
    // this file names them to find them
    expect(files.delete("test/server/paths.ts")).to.equal(true);
    expect(files.size).to.be.greaterThan(400);
    const actual = Object.fromEntries(
      [...files]
        .map(([path, source]) => [path, [...new Set(outside(path, source))].sort()] as const)
        .filter(([, texts]) => texts.length > 0),
    );
    const expected = Object.fromEntries(
      Object.entries(allowed).map(([path, texts]) => [path, [...texts].sort()]),
    );
    expect(actual).to.deep.equal(expected);
  });

  const named: [string, string][] = [
    [
      "a folder beside the repository",
      'const beside = join(import.meta.dirname, "../../../beside");',
    ],
    [
      "the same, step by step",
      'const beside = join(import.meta.dirname, "..", "..", "..", "beside");',
    ],
    [
      "the same as a URL",
      'readFileSync(new URL("../../../beside/a.json", import.meta.url), "utf8");',
    ],
    ["from the folder it was started in", 'const samples = "../samples"; readFileSync(samples);'],
    ["from the repository's root", 'readFileSync(join(root, "..", "samples"));'],
    ["in a template", `readFileSync(\`../\${name}.json\`);`],
    ["an import", 'import { x } from "../../../beside/x.ts";'],
    ["a late import", 'await import("../../../beside/x.ts");'],
    ["the system's fonts", 'registerFont("/usr/share/fonts");'],
    ["a machine's own folder", "readFileSync('/samples/good');"],
    ["a URL of a file", 'new URL("file:///etc/passwd");'],
    ["a drive", 'readFileSync("C:\\\\data");'],
    ["a home", 'readFileSync("~/samples"); homedir();'],
  ];
  for (const [label, source] of named)
    it(`are found: ${label}`, () =>
      expect(outside("test/formats/samples.ts", source)).to.not.have.length(0));

  const inside = [
    'join(import.meta.dirname, "../../samples")',
    'new URL("../../docs/api.md", import.meta.url)',
    'import { x } from "../../server/x.ts";',
    'fetch("/v1/../secret"); // "../../../beside"',
    `\`/v1/invoices/\${number}\`; /usr/.test(text);`,
    'mkdtemp(join(tmpdir(), "onepiao-"))',
  ];
  it("are not reported in code without them", () => {
    for (const source of inside)
      expect(outside("test/formats/samples.ts", source), source).to.deep.equal([]);
  });
});
