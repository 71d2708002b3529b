/** The sample invoices in samples/, good and bad, with the rules that the bad ones break. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import {
  type FormatName,
  formatNames,
  formats,
  keepsOriginal,
  syntaxes,
} from "@onepiao/protocol/formats/formats.ts";
import { readInvoice } from "@onepiao/protocol/formats/read.ts";

const folder = new URL("../samples/", import.meta.url);
/** A folder for each format with samples; documents that others have written come first. */
const folders = [
  ...formatNames.filter(keepsOriginal),
  ...formatNames.filter((name) => !keepsOriginal(name)),
].filter((name) => existsSync(new URL(name, folder)));

export type Refusal = { code: string; field?: string; rule?: string };
export type GoodSample = {
  name: string;
  mediaType: string;
  bytes: Uint8Array;
  document: InvoiceDocument;
};
export type BadSample = { name: string; mediaType: string; bytes: Uint8Array; expected: Refusal };

function files(
  format: FormatName,
  path: string = format,
): { name: string; mediaType: string; bytes: Uint8Array }[] {
  const [mediaType] = syntaxes[formats[format].syntax].mediaTypes;
  return readdirSync(new URL(`${path}/`, folder), { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${path}/${entry.name}`)
    .sort()
    .map((name) => ({ name, mediaType, bytes: readFileSync(new URL(name, folder)) }));
}

/** Originals first, red letters last: a red letter names an existing invoice. */
export function goodSamples(): GoodSample[] {
  const all = folders
    .flatMap((format) => files(format))
    .map((file) => ({ ...file, document: readInvoice(file.mediaType, file.bytes).document }));
  return [
    ...all.filter((sample) => !sample.document.reverses),
    ...all.filter((sample) => sample.document.reverses),
  ];
}

export function badSamples(): BadSample[] {
  const expected = JSON.parse(readFileSync(new URL("expected.json", folder), "utf8")) as Record<
    string,
    Refusal
  >;
  return folders
    .flatMap((format) => files(format, `${format}/bad`))
    .map((file) => {
      const refusal = expected[file.name];
      if (!refusal)
        throw new Error(`samples/expected.json does not say what ${file.name} must be refused for`);
      return { ...file, expected: refusal };
    });
}

/** The sample directory of companies, as CSV. */
export const sampleDirectory = (): string => readFileSync(new URL("directory.csv", folder), "utf8");
