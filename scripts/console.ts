/**
 * `npm run console:build`: builds the console into dist/console, packs its files (gzip, Brotli) for the gateway to serve as they
 * are, prints what each page loads, and fails when that is more than it may be.
 *
 * What a page loads: the entry, the chunk of its area, and whatever these import, gzipped; what is only fetched on demand within an
 * area counts with it. The public page is for strangers on phones and has the lower bound.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "vite";
import { root } from "./run.ts";

const folder = join(root, "dist", "console");
const KILOBYTE = 1_000;
const bounds = { public: 500 * KILOBYTE, other: 1_200 * KILOBYTE };

type Chunk = { file: string; src?: string; isEntry?: boolean; imports?: string[]; dynamicImports?: string[]; css?: string[]; assets?: string[] };

await build({ configFile: fileURLToPath(new URL("../console/vite.config.ts", import.meta.url)), logLevel: "warn" });

const packed = new Map<string, number>();
for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
  if (!/\.(js|css|svg)$/.test(name)) continue;
  const bytes = readFileSync(join(folder, name));
  const gzip = gzipSync(bytes, { level: 9 });
  writeFileSync(join(folder, `${name}.gz`), gzip);
  writeFileSync(
    join(folder, `${name}.br`),
    brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }),
  );
  packed.set(name.replaceAll("\\", "/"), gzip.length);
}

const manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as Record<string, Chunk>;
const entry = Object.keys(manifest).find((key) => manifest[key]?.isEntry);
if (entry === undefined) throw new Error("The build has no entry");

/** Files of chunks and of all that they import; on demand too within an area's own folder. */
function filesOf(keys: readonly string[], area: string): Set<string> {
  const [seen, files] = [new Set<string>(), new Set<string>()];
  const take = (key: string, onDemand: boolean) => {
    if (seen.has(key)) return;
    seen.add(key);
    const chunk = manifest[key];
    if (chunk === undefined) throw new Error(`The manifest lacks ${key}`);
    for (const file of [chunk.file, ...(chunk.css ?? [])]) files.add(file);
    for (const next of chunk.imports ?? []) take(next, false);
    if (onDemand || (chunk.src?.includes(`areas/${area}/`) ?? false)) for (const next of chunk.dynamicImports ?? []) take(next, true);
  };
  for (const key of keys) take(key, false);
  return files;
}

const pages = Object.keys(manifest).filter((key) => /src\/areas\/\w+\/(routes|sign-in)\.tsx$/.test(key));
let over = false;
for (const page of pages) {
  const [, area = "", name = ""] = /areas\/(\w+)\/([\w-]+)\.tsx$/.exec(page) ?? [];
  const bytes = [...filesOf([entry, page], area)].reduce((sum, file) => sum + (packed.get(file) ?? 0), 0);
  const bound = area === "public" ? bounds.public : bounds.other;
  if (bytes > bound) over = true;
  const words = name === "routes" ? area : `${area}, ${name}`;
  console.log(
    `${words.padEnd(20)}${(bytes / KILOBYTE).toFixed(0).padStart(6)} kB compressed, of ${bound / KILOBYTE} at most${bytes > bound ? "   TOO MUCH" : ""}`,
  );
}
if (over) process.exitCode = 1;
