/** The targets of documents exist: files and headings of links, and files that the text names. */
import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { expect } from "chai";

const root = new URL("../../", import.meta.url);
const text = (path: string) => readFileSync(new URL(path, root), "utf8");
const pages = globSync(["*.md", "docs/**/*.md", "samples/*.md"], { cwd: root })
  .map((path) => path.replaceAll("\\", "/"))
  .sort();
const withoutCode = (page: string) => page.replaceAll(/^```[\s\S]*?^```/gm, "");

/** The anchor that GitHub makes from a heading. */
const anchorOf = (heading: string) =>
  heading
    .trim()
    .toLowerCase()
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replaceAll(/[^\p{L}\p{N}_\- ]/gu, "")
    .replaceAll(" ", "-");
const anchorsOf = (page: string) =>
  [...withoutCode(page).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading as string));

/** The links of a page whose target does not exist. */
function deadLinks(path: string, page: string): string[] {
  const links = [...withoutCode(page).matchAll(/\]\(([^)\s]+)\)/g)].map(
    ([, link]) => link as string,
  );
  return links.filter((link) => {
    if (/^[a-z]+:/.test(link)) return false;
    const [file = "", anchor] = link.split("#");
    const target = file === "" ? path : posix.join(posix.dirname(path), file);
    if (file !== "" && !existsSync(new URL(target, root))) return true;
    if (anchor === undefined || !target.endsWith(".md")) return false;
    return !anchorsOf(file === "" ? page : text(target)).includes(anchor);
  });
}

const ignored = text(".gitignore").split("\n");
const sources = readdirSync(root, { withFileTypes: true })
  .filter(
    (entry) =>
      entry.isDirectory() && !entry.name.startsWith(".") && !ignored.includes(`/${entry.name}/`),
  )
  .flatMap(({ name: folder }) => {
    const names = readdirSync(new URL(`${folder}/`, root), { recursive: true, encoding: "utf8" });
    return names.map((name) => `${folder}/${name.replaceAll("\\", "/")}`);
  });
const FILE = String.raw`[\w./-]*\w\.(?:tsx?|mjs|sol)`;
/** The files whose path ends with a name in a page. */
const meant = (name: string) => {
  const end = name.replace(/^(\.\.?\/)+/, "");
  return [
    ...(existsSync(new URL(end, root)) ? [end] : []),
    ...sources.filter((path) => path.endsWith(`/${end}`)),
  ];
};

/**
 * Source files that a page names in `code` and that do not exist; \`word\` in \`file\`: files
 * without that word.
 */
function goneFiles(page: string): string[] {
  const prose = withoutCode(page);
  const names = [...prose.matchAll(new RegExp(`\`(${FILE})\``, "g"))].map(
    ([, name]) => name as string,
  );
  const words = [
    ...prose.matchAll(
      new RegExp(`\`(\\w+)\` (?:in|of) \`(${FILE})\`|\`(${FILE})\` \\(\`(\\w+)\`\\)`, "g"),
    ),
  ];
  const withWords = words.map(
    ([, word = "", file = "", before = file, after = word]) => [after, before] as const,
  );
  const has = (file: string, word: string) =>
    meant(file).some((path) => new RegExp(`\\b${word}\\b`).test(text(path)));
  return [
    ...names.filter((name) => meant(name).length === 0),
    ...withWords
      .filter(([word, file]) => meant(file).length > 0 && !has(file, word))
      .map(([word, file]) => `${word} in ${file}`),
  ];
}

describe("the documents", () => {
  it("are all checked", () =>
    expect(pages).to.include.members(["README.md", "docs/architecture.md", "docs/adr/README.md"]));

  it("link to existing targets", () => {
    const dead = pages.flatMap((path) =>
      deadLinks(path, text(path)).map((link) => `${path}: ${link}`),
    );
    expect(dead).to.deep.equal([]);
  });

  it("name existing files", () => {
    // a decision record stays unchanged even if its files have moved
    const current = pages.filter((path) => !/^docs\/adr\/\d/.test(path) && path !== "CHANGELOG.md");
    const missing = current.flatMap((path) =>
      goneFiles(text(path)).map((name) => `${path}: ${name}`),
    );
    expect(missing).to.deep.equal([]);
  });

  it("are checked: each fault is found (a dead link, a missing heading, a missing file)", () => {
    const page =
      "[a](gone.md) [b](api.md#no-such) [c](#here) [d](https://example.org) [e](api.md#red-letters-红字发票)\n\n## Here\n";
    expect(deadLinks("docs/x.md", page)).to.deep.equal(["gone.md", "api.md#no-such"]);
    expect(
      goneFiles(
        "`http/gone.ts`, `http/handler.ts`, `scripts/docs.ts`, `x.md`\n```js\n`y.ts`\n```\n",
      ),
    ).to.deep.equal(["http/gone.ts"]);
    const words =
      "`createLog` in `kernel/log.ts`, `goneWord` in `kernel/log.ts`, `kernel/log.ts` (`goneToo`)\n";
    expect(goneFiles(words)).to.deep.equal([
      "goneWord in kernel/log.ts",
      "goneToo in kernel/log.ts",
    ]);
  });
});
