/**
 * The notices of what the console ships: every package that is bundled, its licence's text, and its
 * NOTICE where it has one.
 *
 * What is bundled the build itself says (`build.license` of Vite), so nothing depends on how a
 * package is declared. Apache-2.0 asks for NOTICE files, which the build does not look for.
 * Refused: a licence that is not permissive, and one without its text.
 */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * As Vite writes it. `identifier`: SPDX, from package.json; `text`: of the package's LICENSE file.
 */
export type Bundled = { name: string; version: string; identifier?: string; text?: string };
/** `notices`: texts of its NOTICE files. */
export type Notice = Bundled & { notices: readonly string[] };

const conditions =
  "MIT MIT-0 ISC 0BSD BSD-2-Clause BSD-3-Clause Apache-2.0 BlueOak-1.0.0 CC0-1.0 Unlicense Zlib";
/** These ask for nothing but their notice. */
const permissive: ReadonlySet<string> = new Set(conditions.split(" "));

/** Every part of an expression counts: a choice (`OR`) is not made here. */
const isPermissive = (expression: string): boolean => {
  const ids = expression.split(/\s+(?:AND|OR)\s+|[()]/).map((id) => id.trim());
  return ids.every((id) => id === "" || permissive.has(id));
};

const bsd2 = (holder: string) => `Copyright (c) ${holder}

Redistribution and use in source and binary forms, with or without modification, are permitted provided that the following
conditions are met:

1. Redistributions of source code must retain the above copyright notice, this list of conditions and the following disclaimer.
2. Redistributions in binary form must reproduce the above copyright notice, this list of conditions and the following
   disclaimer in the documentation and/or other materials provided with the distribution.

THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING,
BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT
SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL
DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS
INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING
NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.`;

const readAll = (modules: string, pattern: string): string[] =>
  globSync(pattern, { cwd: modules }).map((file) =>
    readFileSync(join(modules, file), "utf8").trim(),
  );

/** Packages that come without the text of their licence, nor have it in their README. */
const stated: Readonly<Record<string, (modules: string) => string | undefined>> = {
  // of the same repository
  "@ant-design/icons-svg": (modules) => readAll(modules, "@ant-design/icons/LICENSE")[0],
  nzh: () => bsd2("cnwhy"),
};

/**
 * The package with its licence's text, wherever that stands, and its NOTICE files. `modules`: the
 * folder node_modules.
 */
export function noticeOf(modules: string, bundled: Bundled): Notice {
  const { name } = bundled;
  const readme = readAll(modules, `${name}/README.md`)[0];
  const text =
    bundled.text ??
    /^#+ *licen[cs]e\s+(.{300,})$/ims.exec(readme ?? "")?.[1] ??
    stated[name]?.(modules);
  // a second version of a package lies below the one that wants it
  const notices = [name, `*/node_modules/${name}`, `@*/*/node_modules/${name}`].flatMap((folder) =>
    readAll(modules, `${folder}/NOTICE{,.*}`),
  );
  return {
    ...bundled,
    ...(text === undefined ? {} : { text: text.trim() }),
    notices: [...new Set(notices)],
  };
}

/** What stands against shipping these, a line each. */
export const objections = (packages: readonly Bundled[]): string[] =>
  packages.flatMap(({ name, version, identifier, text = "" }) => {
    if (identifier === undefined) return [`${name} ${version} does not say its licence`];
    if (!isPermissive(identifier))
      return [`${name} ${version}: ${identifier} is not a permissive licence`];
    return text === "" ? [`${name} ${version} has no text of its licence`] : [];
  });

/** The file for people. */
export function licensesText(packages: readonly Notice[]): string {
  const parts = packages.map(({ name, version, identifier = "", text = "", notices }) =>
    [
      `${name} ${version} (${identifier})`,
      text,
      ...notices.map((notice) => `NOTICE\n\n${notice}`),
    ].join("\n\n"),
  );
  return `${["The console contains the packages below. Their notices:", ...parts].join(`\n\n${"-".repeat(80)}\n\n`)}\n`;
}
