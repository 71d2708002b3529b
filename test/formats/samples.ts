/** The sample invoices, from samples/ and generated, and the rule that each bad sample breaks. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type FormatName, formatNames } from "@onepiao/protocol/formats/formats.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { ublSamples } from "./ubl-samples.ts";

export const samplesRoot = join(import.meta.dirname, "../../samples");

export type Refusal = { code: string; field: string; rule: string };
export const expectedRefusals = JSON.parse(
  readFileSync(join(samplesRoot, "expected.json"), "utf8"),
) as Record<string, Refusal>;

export type Sample = { name: string; mediaType: string; body: Buffer; text: string };
export const load = (root: string, name: string): Sample => {
  const body = readFileSync(join(root, name));
  return {
    name,
    mediaType: name.endsWith(".json") ? "application/json" : "application/xml",
    body,
    text: body.toString("utf8"),
  };
};
const list = (folder: string): Sample[] =>
  readdirSync(join(samplesRoot, folder))
    .filter((file) => /\.(?:xml|json)$/.test(file))
    .map((file) => load(samplesRoot, `${folder}/${file}`));

const made: readonly Sample[] = ublSamples.map(({ name, text }) => ({
  name,
  mediaType: "application/xml",
  body: Buffer.from(text),
  text,
}));

export const good = (folder: FormatName): Sample[] => [
  ...list(folder),
  ...(folder === "ubl" ? made : []),
];
export const bad = (): Sample[] => formatNames.flatMap((name) => list(`${name}/bad`));

/** The refusal of some work; throws if the work succeeds, or fails with another error. */
export function refusalOf(work: () => unknown): Problem {
  try {
    work();
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  throw new Error("was not refused");
}
