/**
 * `npm run validate:read -- FOLDER...`: reads every file of the folders as an invoice that others
 * have issued, and prints a table: read (with what is noted, and how many texts only the original
 * has) or refused, with the first broken rule of each. For public examples of a standard.
 *
 * Ends with 1 if a file cannot be read at all (not a refusal), or if there is no file.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { typeOfText } from "@onepiao/protocol/formats/formats.ts";
import { readInvoice } from "@onepiao/protocol/formats/read.ts";
import { beginningOf } from "@onepiao/protocol/values/encoding.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";

const filesOf = (path: string): string[] =>
  statSync(path).isDirectory()
    ? readdirSync(path, { recursive: true, encoding: "utf8" })
        .sort()
        .map((name) => join(path, name))
        .filter((each) => /\.(?:xml|json)$/i.test(each) && statSync(each).isFile())
    : [path];

/** A row of the table: the file, its outcome, and why. */
function outcomeOf(path: string): [file: string, outcome: "read" | "refused", why: string] {
  const body = readFileSync(path);
  try {
    const type = typeOfText(beginningOf(body, 1_000));
    const { document, notes = [], unread = [] } = readInvoice(type, body);
    const { typeCode = "", currency, totals } = document;
    const payable = totals.payable ?? totals.gross;
    const facts = [
      `${typeCode} ${currency} ${totals.gross}`.trim(),
      ...(payable === totals.gross ? [] : [`to pay ${payable}`]),
      ...(notes.length > 0
        ? [`noted: ${[...new Set(notes.map(({ rule }) => rule))].join(", ")}`]
        : []),
      ...(unread.length > 0 ? [`only in the original: ${unread.length}`] : []),
    ];
    return [basename(path), "read", facts.join("; ")];
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const [first] = error.violations;
    return [basename(path), "refused", first ? `${first.rule} ${first.field}` : error.code];
  }
}

const rows = process.argv.slice(2).flatMap(filesOf).map(outcomeOf);
console.log("| file | outcome | |\n| --- | --- | --- |");
for (const row of rows) console.log(`| ${row.join(" | ")} |`);
const read = rows.filter(([, outcome]) => outcome === "read").length;
console.log(`\n${rows.length} files: ${read} read, ${rows.length - read} refused`);
if (rows.length === 0) process.exitCode = 1;
