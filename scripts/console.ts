/**
 * `npm run console:build`: builds the console into dist/console, packs its files (gzip, Brotli) for
 * the gateway to serve as they are, writes the notices of the packages in it (licenses.txt), prints
 * what each page loads, and fails when that is more than it may be, or when a licence does not
 * allow it.
 *
 * First load: the entry, the chunk of its area, and whatever these import. The public page, for
 * strangers on phones, is bound by that; the others by all that they may ever fetch (decoder,
 * charts). The API reference is a page of its own.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "vite";
import { type Bundled, licensesText, noticeOf, objections } from "./console-licenses.ts";
import { root } from "./run.ts";

const folder = join(root, "dist", "console");
const KILOBYTE = 1_000;
const bounds = { public: 500 * KILOBYTE, other: 1_200 * KILOBYTE, reference: 500 * KILOBYTE };

type Chunk = {
  file: string;
  src?: string;
  isEntry?: boolean;
  imports?: string[];
  dynamicImports?: string[];
  css?: string[];
  assets?: string[];
};

await build({
  configFile: fileURLToPath(new URL("../console/vite.config.ts", import.meta.url)),
  logLevel: "warn",
});

const listed = join(folder, "licenses.json");
const bundled = JSON.parse(readFileSync(listed, "utf8")) as Bundled[];
rmSync(listed);
const notices = bundled.map((each) => noticeOf(join(root, "node_modules"), each));
const refused = objections(notices);
if (refused.length > 0) {
  // without its page it counts as not built, so that nobody goes on with it
  rmSync(join(folder, "index.html"));
  throw new Error(`What the console bundles may not be shipped so:\n${refused.join("\n")}`);
}
writeFileSync(join(folder, "licenses.txt"), licensesText(notices));

const packed = new Map<string, number>();
for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
  if (!/\.(js|css|svg|txt)$/.test(name)) continue;
  const bytes = readFileSync(join(folder, name));
  const gzip = gzipSync(bytes, { level: 9 });
  writeFileSync(join(folder, `${name}.gz`), gzip);
  writeFileSync(
    join(folder, `${name}.br`),
    brotliCompressSync(bytes, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: 9,
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      },
    }),
  );
  packed.set(name.replaceAll("\\", "/"), gzip.length);
}

const manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as Record<
  string,
  Chunk
>;
const [entry, reference] = ["index.html", "docs.html"];
for (const page of [entry, reference])
  if (!manifest[page]?.isEntry) throw new Error(`The build lacks ${page}`);

/**
 * Bytes of these chunks and of all that they import; `onDemand`: also of what they may fetch later.
 * The entry may fetch every area.
 */
function bytesOf(pages: readonly string[], onDemand: boolean): number {
  const [seen, files] = [new Set<string>(), new Set<string>()];
  const take = (key: string) => {
    if (seen.has(key)) return;
    seen.add(key);
    const chunk = manifest[key];
    if (chunk === undefined) throw new Error(`The manifest lacks ${key}`);
    for (const file of [chunk.file, ...(chunk.css ?? [])]) files.add(file);
    for (const next of [
      ...(chunk.imports ?? []),
      ...(onDemand && !chunk.isEntry ? (chunk.dynamicImports ?? []) : []),
    ])
      take(next);
  };
  for (const key of pages) take(key);
  return [...files].reduce((sum, file) => sum + (packed.get(file) ?? 0), 0);
}

const kilobytes = (bytes: number) => `${(bytes / KILOBYTE).toFixed(0).padStart(5)} kB`;
let over = false;
function line(
  words: string,
  { first, all, bound, counted }: Record<"first" | "all" | "bound" | "counted", number>,
): void {
  const fault = counted > bound ? "   TOO MUCH" : "";
  if (counted > bound) over = true;
  console.log(
    words.padEnd(21) +
      kilobytes(first).padStart(10) +
      kilobytes(all).padStart(24) +
      kilobytes(bound).padStart(10) +
      fault,
  );
}

console.log("page                 first load   with all it may fetch   at most   (gzip)");
for (const page of Object.keys(manifest).filter((key) =>
  /src\/areas\/\w+\/(routes|sign-in)\.tsx$/.test(key),
)) {
  const [, area = "", name = ""] = /areas\/(\w+)\/([\w-]+)\.tsx$/.exec(page) ?? [];
  const [first, all] = [bytesOf([entry, page], false), bytesOf([entry, page], true)];
  const [bound, counted] = area === "public" ? [bounds.public, first] : [bounds.other, all];
  line(name === "routes" ? area : `${area}, ${name}`, { first, all, bound, counted });
}
const whole = bytesOf([reference], true);
line("API reference", { first: whole, all: whole, bound: bounds.reference, counted: whole });
if (over) process.exitCode = 1;
// last: what was interrupted is built again (setup.mjs)
else writeFileSync(join(folder, ".built"), "");
