/** Where the sample invoices are, and what is known of them. Own ones always; the bigger public set only where a checkout has it beside. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Problem } from "../../server/kernel/problems.ts";

export const samplesRoot = join(import.meta.dirname, "../../samples");
const besides = join(import.meta.dirname, "../../../shared/samples");

export type Refusal = { code: string; field: string; rule: string };
export const expectedRefusals = JSON.parse(readFileSync(join(samplesRoot, "expected.json"), "utf8")) as Record<string, Refusal>;

export type Sample = { name: string; mediaType: string; body: Buffer; text: string };
export const load = (root: string, name: string): Sample => {
  const body = readFileSync(join(root, name));
  return { name, mediaType: name.endsWith(".json") ? "application/json" : "application/xml", body, text: body.toString("utf8") };
};
const list = (root: string, folder: string): Sample[] =>
  existsSync(join(root, folder))
    ? readdirSync(join(root, folder))
        .filter((file) => /\.(?:xml|json)$/.test(file))
        .map((file) => load(root, `${folder}/${file}`))
    : [];

export const good = (folder: "json" | "shudian" | "ubl"): Sample[] => [...list(samplesRoot, folder), ...list(besides, folder)];
export const bad = (): Sample[] => ["json/bad", "shudian/bad", "ubl/bad"].flatMap((folder) => list(samplesRoot, folder));

/** The refusal that some work ends in; throws when it is done, or fails otherwise. */
export function refusalOf(work: () => unknown): Problem {
  try {
    work();
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  throw new Error("was not refused");
}
