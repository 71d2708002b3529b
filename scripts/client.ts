/**
 * `npm pack -w @onepiao/client` runs this first: compiles clients/typescript to its dist/, as
 * JavaScript with declarations. Inside the repository the sources are imported, so nothing has to
 * be built to work here. An argument names another folder for the package than clients/typescript.
 */
import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { report, root, runStep } from "./run.ts";

const sources = join(root, "clients", "typescript");
const folder = process.argv[2] ?? sources;
const dist = join(folder, "dist");
rmSync(dist, { recursive: true, force: true });
const settings = ["--target", "es2024", "--lib", "es2024", "--module", "nodenext", "--strict"];
const sound = [
  "--noUncheckedIndexedAccess",
  "--exactOptionalPropertyTypes",
  "--verbatimModuleSyntax",
  "--skipLibCheck",
];
const types = ["--types", "node", "--typeRoots", join(root, "node_modules", "@types")];
const output = [
  "--declaration",
  "--rewriteRelativeImportExtensions",
  "--rootDir",
  sources,
  "--outDir",
  dist,
];
const compiled = await runStep({
  name: "client",
  command: "tsc",
  args: ["--ignoreConfig", ...settings, ...types, ...sound, ...output, join(sources, "index.ts")],
});
if (!compiled.ok) report(compiled, false);
process.exitCode = compiled.ok ? 0 : 1;
copyFileSync(join(root, "LICENSE"), join(folder, "LICENSE"));
