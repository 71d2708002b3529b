/**
 * `npm run validate:ubl`, `npm run validate:cii` and `npm run validate:pdf`: every sample, and
 * documents that are made up, written in the format and checked by others. UBL and CII: the schema
 * of version 2.1 and of D16B, and EN 16931's official Schematron; also the samples that are in the
 * format as they are. PDF: veraPDF. Needs Java 17 and Maven, which gets the rules from Maven
 * Central; so it is not part of `npm test`.
 *
 *   --documents N   how many documents are made up (200), and a quarter as many of tills, whose
 *                   prices have the tax inside
 *   --seed N        from which seed (1)
 *   --keep          leaves the files where they are
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { formats, writtenFormats } from "@onepiao/protocol/formats/formats.ts";
import { dateOf, qrText } from "@onepiao/protocol/formats/qr.ts";
import { writeInvoice } from "@onepiao/protocol/formats/write.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import fc from "fast-check";
import { goodSamples } from "../../sandbox/samples.ts";
import { writePdf } from "../../server/drawing/pdf.ts";
import { documents, number, tillDocuments } from "../../test/formats/documents.ts";

type Writer = (document: InvoiceDocument) => Promise<string | Uint8Array> | string;
const numbersOf = ({ reverses }: InvoiceDocument) => ({
  number,
  reverses: reverses && "26440000000000000041",
});
/** Where the rules for a format are: in a folder with their name. */
const folderOf = (name: string) => join(import.meta.dirname, "validate", name);
/** XML is checked where there are rules to check it by. */
const xml = writtenFormats
  .filter((name) => existsSync(folderOf(formats[name].rules)))
  .map((name): [string, Writer] => [
    name,
    (document) => writeInvoice(formats[name].mediaType, document, numbersOf(document)),
  ]);
const writers: Readonly<Record<string, Writer>> = {
  ...Object.fromEntries(xml),
  pdf: (document) =>
    writePdf(document, numbersOf(document), {
      qr: qrText("https://piao.example", {
        number,
        kind: document.kind,
        gross: document.totals.gross,
        date: dateOf(document),
      }),
      verifyAt: "https://piao.example/verify",
      reversed: document.reverses !== undefined,
      seal: {
        lot: number,
        root: `0x${"ab".repeat(32)}`,
        sealedAt: "2026-11-03T04:31:09.000Z",
        network: "validation",
        ledger: `0x${"cd".repeat(20)}`,
      },
      bundle: Buffer.from("{}"),
    }),
};

const options = {
  documents: { type: "string" },
  seed: { type: "string" },
  keep: { type: "boolean" },
} as const;
const { values, positionals } = parseArgs({ options, allowPositionals: true });
const format = positionals[0] ?? "";
const writer = writers[format];
if (writer === undefined) throw new Error(`Which format? ${Object.keys(writers).join(" or ")}`);
const folder = mkdtempSync(join(tmpdir(), `validate-${format}-`));
const written = writtenFormats.find((name) => name === format);
const rules = folderOf(written === undefined ? format : formats[written].rules);

/** The tool's own output goes through; false when it fails. */
const run = (command: string, args: readonly string[]): boolean => {
  const { status, error } = spawnSync(command, args, {
    stdio: ["ignore", "inherit", "inherit"],
    shell: process.platform === "win32",
  });
  if (error) console.error(`${command} cannot be run: ${error.message}`);
  return status === 0;
};

/** Writes the document; false when it is not to be had in this format. */
async function put(name: string, document: InvoiceDocument, write: Writer): Promise<boolean> {
  try {
    writeFileSync(join(folder, "files", name), await write(document));
    return true;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (name.startsWith("sample")) console.log(`not to be had: ${name}: ${error.message}`);
    return false;
  }
}

try {
  mkdirSync(join(folder, "files"));
  for (const { name, document, bytes } of goodSamples()) {
    const file = name.replaceAll("/", "-").replace(/\.\w+$/, "");
    await put(`sample-${file}`, document, writer);
    if (name.startsWith(`${format}/`))
      writeFileSync(join(folder, "files", `original-${file}`), bytes);
  }
  const numRuns = Number(values.documents ?? 200);
  const seed = Number(values.seed ?? 1);
  const made = [
    ...fc.sample(documents, { numRuns, seed }),
    ...fc.sample(tillDocuments, { numRuns: Math.ceil(numRuns / 4), seed }),
  ];
  let count = 0;
  for (const [at, document] of made.entries())
    if (await put(`made-${String(at).padStart(5, "0")}`, document, writer)) count += 1;
  console.log(`of ${made.length} documents made up ${count} are to be had as ${format}`);
  const classpath = join(folder, "classpath");
  const ok =
    run("mvn", [
      "-q",
      "-B",
      "-f",
      join(rules, "pom.xml"),
      "dependency:build-classpath",
      `-Dmdep.outputFile=${classpath}`,
    ]) &&
    run("java", [
      "-cp",
      readFileSync(classpath, "utf8"),
      join(rules, "Validate.java"),
      join(folder, "files"),
    ]);
  process.exitCode = ok ? 0 : 1;
} finally {
  if (values.keep) console.log(folder);
  else rmSync(folder, { recursive: true, force: true });
}
