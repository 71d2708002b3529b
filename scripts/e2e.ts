/**
 * `npm run test:e2e`: the console in a real browser, against a sandbox with the demo's parties and
 * invoices.
 *
 * Needs Chromium: CHROMIUM names it, or it is looked for where systems have it. Arguments go to
 * mocha (`-- --grep verify`). Screenshots of the main pages are written to screenshots/. Nothing is
 * tried twice: a test waits for what comes, for a minute where a browser, a gateway, a chain and a
 * database share the cores.
 */
import { spawn } from "node:child_process";
import { accessSync, constants, readdirSync } from "node:fs";
import { join } from "node:path";
import { root } from "./run.ts";

const places = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];
const isProgram = (path: string) => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

const named = process.env["CHROMIUM"];
const chromium = named ?? places.find(isProgram);
if (chromium === undefined || !isProgram(chromium)) {
  console.error(`${named === undefined ? "There is no Chromium" : `CHROMIUM=${named} is no program`}. The console's tests need one:

  Debian, Ubuntu   apt-get install -y chromium fonts-noto-cjk
  elsewhere        CHROMIUM=/path/to/chromium npm run test:e2e`);
  process.exit(1);
}

const files = readdirSync(join(root, "test", "e2e"))
  .filter((name) => name.endsWith(".ts") && name !== "fixture.ts")
  .map((name) => `test/e2e/${name}`);
const windows = process.platform === "win32";
const mocha = spawn(
  join(root, "node_modules", ".bin", "mocha"),
  ["--no-config", "--timeout", "180000", ...process.argv.slice(2), ...files],
  {
    cwd: root,
    env: { ...process.env, CHROMIUM: chromium },
    stdio: "inherit",
    shell: windows,
  },
);
mocha.once("error", (error) => {
  console.error(error.message);
  process.exitCode = 1;
});
mocha.once("close", (code) => {
  process.exitCode = code ?? 1;
});
