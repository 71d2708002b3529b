/**
 * The cases of a folder: files to send to the product, and what it must answer.
 *
 * They are listed in the folder's `expected.json`, an array of `Case`. A folder without it may have
 * a README.md with a table of the columns `file`, `sent to` and `should`: expected are the status
 * and the code in `should`. Where such a text says more than a status, the entries of the same file
 * in known.json here take its place. Cases are sent in the order in which they are listed.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";

/** Who sends it: two employers that compete, the issuer, or nobody. */
export const senders = ["A", "B", "issuer", "nobody"] as const;
export type SenderName = (typeof senders)[number];
export type Expected = {
  /** One of these. None: the list names no status, so a person has to look. */
  status: readonly number[];
  /** The problem's `code`, or the `result` of a verification. */
  code?: string;
  /** Values in the answer by JSON pointer; `"*"`: there is a value. */
  body?: Readonly<Record<string, unknown>>;
  /** Texts in the answer. */
  says?: readonly string[];
  /** Texts in what the answer's `Location` then gives, by media type. */
  shows?: Readonly<Record<string, readonly string[]>>;
};
export type Case = {
  file: string;
  /** Texts of the file that are sent as other texts; `{A}`, `{B}`, `{issuer}`: their tax ids. */
  replace?: Readonly<Record<string, string>>;
  /** Path and query of the POST. */
  to: string;
  by: SenderName;
  /** The Content-Type; default: by the ending of the file. */
  type?: string;
  expect: Expected;
  /** What is right, in words. */
  should: string;
  /** It is sent once the case before it is answered; others go at the same time. */
  after?: boolean;
  /** The product refuses it today and says what to do; a later one is to read it. */
  later?: boolean;
};

const types: Readonly<Record<string, string>> = {
  ".json": "application/json",
  ".xml": "application/xml",
  ".pdf": "application/pdf",
  ".ofd": "application/ofd",
  ".zip": "application/zip",
  ".txt": "text/plain",
};
export const typeOf = ({ file, type }: Case): string =>
  type ?? types[extname(file).toLowerCase()] ?? "application/octet-stream";

const EXTERNAL = "/v1/external-invoices";
const byPath: Readonly<Record<string, SenderName>> = {
  "/v1/invoices": "issuer",
  "/v1/verify": "nobody",
};

/** What a text such as "409 already-claimed: the same invoice" expects. */
function expectedBy(should: string): Expected {
  const [, named, code] = /^(\d{3})\b(?:\s+([a-z]+(?:-[a-z]+)+)\b)?/.exec(should) ?? [];
  const status = named ?? (should === "first registration" ? "201" : undefined);
  const refused = /^(?:refused|rejected)\b|\bor (?:is )?(?:a refusal|refused)\b/.test(should);
  return {
    status: [
      ...(status === undefined ? [] : [Number(status)]),
      ...(refused ? [400, 409, 422] : []),
    ],
    ...(code === undefined ? {} : { code }),
  };
}

/** The cases in a README's table: a row with several calls makes several. */
function casesInTable(text: string): Case[] {
  const rows = text
    .split("\n")
    .filter((line) => /^\s*\|.*\|\s*$/.test(line))
    .map((line) =>
      line
        .trim()
        .slice(1, -1)
        .split("|")
        .map((cell) => cell.trim()),
    );
  const head = rows.findIndex((row) => row.includes("file") && row.includes("should"));
  if (head < 0) return [];
  const column = (name: string) => rows[head]?.indexOf(name) ?? -1;
  return rows.slice(head + 2).flatMap((row) => {
    const cell = (name: string) => row[column(name)] ?? "";
    const [file, calls, should] = [cell("file"), cell("sent to"), cell("should")];
    return [...calls.matchAll(/POST (\/v1\/[^\s,;]+)([^;]*)/g)].map(
      ([, to = "", who = ""]): Case => ({
        file: file.replaceAll("`", ""),
        to,
        by: byPath[to] ?? (/\bemployer B\b/.test(who) ? "B" : "A"),
        expect: expectedBy(should),
        should,
      }),
    );
  });
}

const listIn = (path: string): Case[] => JSON.parse(readFileSync(path, "utf8"));

/**
 * The cases of a folder. A file that no list names is a case that expects nothing, so that it is
 * not overlooked.
 */
export function casesOf(folder: string, list = join(folder, "expected.json")): Case[] {
  const readme = join(folder, "README.md");
  const known = Map.groupBy(listIn(join(import.meta.dirname, "known.json")), ({ file }) => file);
  const listed = existsSync(list)
    ? listIn(list)
    : existsSync(readme)
      ? casesInTable(readFileSync(readme, "utf8"))
      : [];
  const files = readdirSync(folder).filter((name) => extname(name) in types);
  const unlisted = files
    .filter((file) => !file.endsWith("expected.json") && !listed.some((each) => each.file === file))
    .map((file): Case => {
      return { file, to: EXTERNAL, by: "A", expect: { status: [] }, should: "in no list" };
    });
  const all = [...listed, ...unlisted];
  if (existsSync(list)) return all;
  return all
    .flatMap((each, at) => {
      const better = known.get(each.file);
      if (better === undefined) return [each];
      // a file in several rows is replaced once, where it stands first
      return all.findIndex(({ file }) => file === each.file) === at ? better : [];
    })
    .map((each) => ({ ...each, after: true }));
}
