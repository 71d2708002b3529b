/**
 * `npm run test:e2e`: the console in a real browser, against a sandbox with the demo's parties and
 * invoices.
 *
 * Needs Chromium: CHROMIUM names it, or it is looked for where systems have it. Without arguments
 * the files are dealt out to processes side by side, each with a sandbox and a browser of its own;
 * what they print comes when they have ended. Arguments go to mocha (`-- --grep verify`), and then
 * there is one process. Screenshots of the main pages are written to screenshots/. Nothing is tried
 * twice: a test waits for what comes, for a minute where a browser, a gateway, a chain and a
 * database share the cores.
 */
import { accessSync, constants, readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { report, root, runStep } from "./run.ts";
import { shardsOf } from "./test-groups.ts";

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
  console.error(`${named === undefined ? "There is no Chromium" : `CHROMIUM=${named} is not a program`}. The console's tests need one:

  Debian, Ubuntu   apt-get install -y chromium fonts-noto-cjk
  elsewhere        CHROMIUM=/path/to/chromium npm run test:e2e`);
  process.exit(1);
}

const files = readdirSync(join(root, "test", "e2e"))
  .filter((name) => name.endsWith(".ts") && name !== "fixture.ts")
  .map((name) => `test/e2e/${name}`);
const args = process.argv.slice(2);
const isPart = args.length > 0;
const all = { name: "console", by: "mocha", files } as const;
const shards = isPart ? [all] : shardsOf([{ ...all, shards: availableParallelism() }]);
const ran = await Promise.all(
  shards.map(async ({ name, files: own }) => {
    const mocha = ["--no-config", "--timeout", "180000", ...args, ...own];
    const env = { CHROMIUM: chromium };
    const done = await runStep({ name, command: "mocha", args: mocha, env }, isPart);
    report(done, true, isPart);
    return done;
  }),
);
process.exitCode = ran.every(({ ok }) => ok) ? 0 : 1;
