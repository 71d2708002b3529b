/**
 * `npm pack -w @onepiao/client` runs this first: compiles clients/typescript to its dist/, as
 * JavaScript with declarations, with a copy of the API's types in place of the import from the
 * gateway. Inside the repository the sources are imported, so nothing has to be built to work here.
 * An argument names another folder for the package than clients/typescript.
 */
import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clientTypes } from "./client-types.ts";
import { routes } from "./docs.ts";
import { report, root, runStep } from "./run.ts";

const sources = join(root, "clients", "typescript");
const folder = process.argv[2] ?? sources;
const dist = join(folder, "dist");
const copy = mkdtempSync(join(tmpdir(), "onepiao-client-"));
try {
  for (const name of readdirSync(sources).filter((file) => file.endsWith(".ts")))
    copyFileSync(join(sources, name), join(copy, name));
  copyFileSync(join(sources, "package.json"), join(copy, "package.json"));
  writeFileSync(join(copy, "api.ts"), clientTypes(await routes()));
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
    copy,
    "--outDir",
    dist,
  ];
  const compiled = await runStep({
    name: "client",
    command: "tsc",
    args: ["--ignoreConfig", ...settings, ...types, ...sound, ...output, join(copy, "index.ts")],
  });
  if (!compiled.ok) report(compiled, false);
  process.exitCode = compiled.ok ? 0 : 1;
} finally {
  rmSync(copy, { recursive: true, force: true });
}
copyFileSync(join(root, "LICENSE"), join(folder, "LICENSE"));
