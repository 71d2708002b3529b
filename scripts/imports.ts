/** What source files import: for the test of the floors and the picture of them. */
import { readFileSync, realpathSync } from "node:fs";
import { findPackageJSON } from "node:module";
import { dirname, join, posix, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { codeOf } from "../test/server/support/source.ts";
import { root } from "./run.ts";

export type Import = { from: string; typeOnly: boolean; dynamic: boolean };

/** The `from` of an import whose target is known only at run time. */
export const COMPUTED = "what is computed";

/** The imports of a source text, in whatever form they stand. */
export function importsOf(source: string): Import[] {
  const { code, texts } = codeOf(source);
  const found: Import[] = [];
  const text = (index: string | undefined) => texts[Number(index)] as string;
  for (const [, clause = "", index] of code.matchAll(/(?<=^|[;}\n])\s*(?:import|export)\b([^;"()=]*?)\bfrom\s*"(\d+)"/g)) {
    const names =
      /^\s*\{([^}]*)\}\s*$/
        .exec(clause)?.[1]
        ?.split(",")
        .map((name) => name.trim())
        .filter(Boolean) ?? [];
    const typeOnly = /^\s*type\b/.test(clause) || (names.length > 0 && names.every((name) => name.startsWith("type ")));
    found.push({ from: text(index), typeOnly, dynamic: false });
  }
  for (const [, index] of code.matchAll(/(?<=^|[;}\n])\s*import\s*"(\d+)"/g)) found.push({ from: text(index), typeOnly: false, dynamic: false });
  for (const [, index] of code.matchAll(/\bimport\s*\(\s*"(\d+)"/g)) found.push({ from: text(index), typeOnly: false, dynamic: true });
  for (const _ of code.matchAll(/\bimport\s*\(\s*(?!")/g)) found.push({ from: COMPUTED, typeOnly: false, dynamic: true });
  return found;
}

type PackageImports = { imports?: Record<string, string | { default: string }> };
const own = (JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as PackageImports).imports ?? {};

/** The folder of a package, from the repository's root. */
const packageFolders = new Map<string, string | undefined>();
function folderOfPackage(name: string): string | undefined {
  if (!packageFolders.has(name)) {
    const found = findPackageJSON(name, pathToFileURL(join(root, "package.json")));
    const folder = found && relative(realpathSync(root), dirname(realpathSync(found)));
    packageFolders.set(name, folder?.replaceAll("\\", "/"));
  }
  return packageFolders.get(name);
}

/** The package that an import names. */
export const packageOf = (from: string): string =>
  from
    .split("/")
    .slice(0, from.startsWith("@") ? 2 : 1)
    .join("/");

/**
 * The file of this repository that `path` imports, from the repository's root; of a package of this repository, its folder with
 * what follows the package's name. Undefined for Node's modules and for packages of others.
 */
export function targetOf(path: string, from: string): string | undefined {
  if (from.startsWith(".")) return posix.join(posix.dirname(path), from);
  if (from.startsWith("#")) {
    const target = own[from];
    return target && posix.normalize(typeof target === "string" ? target : target.default);
  }
  if (from.startsWith("node:") || from === COMPUTED) return undefined;
  const name = packageOf(from);
  const folder = folderOfPackage(name);
  if (folder === undefined || folder.split("/").includes("node_modules")) return undefined;
  return posix.join(folder, from.slice(name.length + 1) || ".");
}
