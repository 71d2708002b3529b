#!/usr/bin/env node
// The `onepiao` command, on whatever Node is there: runs server/onepiao.ts under the project's own
// Node (24), which npm has installed beside it. Installs and compiles first what is missing
// (setup.mjs). Plain JavaScript without dependencies.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
if (!existsSync(join(root, "types", "ethers-contracts")) || !existsSync(join(root, "node_modules")))
  await import("./setup.mjs");
const own = join(
  root,
  "node_modules",
  "node",
  "bin",
  process.platform === "win32" ? "node.exe" : "node",
);
const node =
  Number(process.versions.node.split(".")[0]) >= 24 || !existsSync(own) ? process.execPath : own;
const done = spawnSync(node, [join(root, "server", "onepiao.ts"), ...process.argv.slice(2)], {
  stdio: "inherit",
});
if (done.error) console.error(`Node 24 is needed and cannot be run: ${done.error.message}`);
process.exitCode = done.status ?? 2;
