/**
 * `npm run try:docs`: the commands of the documents, run as they stand. Brings up what `npm start`
 * does, with its sample parties, and pastes the ```bash blocks of each page into a fresh bash, one
 * page after the other.
 *
 *   npm run try:docs                    # all pages
 *   npm run try:docs -- docs/audit.md   # one of them
 *
 * A page is run in a folder of its own that looks like the checkout, so what it writes is thrown
 * away. Exit code 1 when a page's commands end with an error. Blocks marked otherwise (sh, text,
 * js) are not run: they bring up networks of their own.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runDemo } from "../sandbox/demo.ts";
import { startSandbox } from "../sandbox/sandbox.ts";
import { root } from "./run.ts";

/** A page's commands are to be done by then. */
const PATIENCE_MS = 180_000;

const blocksOf = (page: string): string[] =>
  [...readFileSync(join(root, page), "utf8").matchAll(/^```bash\n([\s\S]*?)^```/gm)].map(
    ([, block]) => block as string,
  );

function bash(
  script: string,
  env: Record<string, string>,
  cwd: string,
): Promise<{ ok: boolean; output: string }> {
  return new Promise((resolve) => {
    const child = spawn("bash", ["-c", script], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: PATIENCE_MS,
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.once("error", (error) => resolve({ ok: false, output: error.message }));
    child.once("close", (code) => resolve({ ok: code === 0, output }));
  });
}

const named = process.argv.slice(2);
const pages = (
  named.length > 0
    ? named
    : ["README.md", ...readdirSync(join(root, "docs")).map((name) => `docs/${name}`)]
).filter((page) => page.endsWith(".md") && blocksOf(page).length > 0);
const counts = { passed: 0, failed: 0 };
const sandbox = await startSandbox({ settings: { PORT: "0" } });
try {
  const { keys, faults } = await runDemo(sandbox, () => {});
  if (faults.length > 0) throw new Error(faults.join("\n"));
  const env = {
    URL: sandbox.url,
    BUREAU: keys.bureau,
    ISSUER: keys.issuer.token,
    EMPLOYER: keys.employer.token,
    HOLDER: keys.holder.token,
    RPC: sandbox.rpcUrl,
  };
  for (const page of pages) {
    const folder = mkdtempSync(join(tmpdir(), "onepiao-docs-"));
    for (const name of readdirSync(root))
      if (!name.startsWith(".")) symlinkSync(join(root, name), join(folder, name));
    const begun = performance.now();
    const { ok, output } = await bash(`set -e\n${blocksOf(page).join("\n")}`, env, folder);
    rmSync(folder, { recursive: true, force: true });
    counts[ok ? "passed" : "failed"] += 1;
    console.log(
      `${ok ? "ok    " : "FAILED"} ${page} (${((performance.now() - begun) / 1_000).toFixed(1)} s)`,
    );
    if (!ok) console.log(output.slice(-3_000));
  }
} finally {
  await sandbox.stop();
}
console.log(`\n${counts.passed} passed, ${counts.failed} failed`);
process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;
