/**
 * What prepares the folder before a command (scripts/setup.mjs), when several commands begin side
 * by side. It runs in a folder of its own, whose console build waits for the test.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { root } from "../../scripts/run.ts";
import { until } from "./support/proxy.ts";

/** Writes each beginning and end to a file; is done when the file `go` exists. */
const build = String.raw`
import { appendFileSync, existsSync, writeFileSync } from "node:fs";
appendFileSync("log", "begin\n");
const timer = setInterval(() => {
  if (!existsSync("go")) return;
  clearInterval(timer);
  writeFileSync("dist/console/.built", "");
  appendFileSync("log", "end\n");
}, 20);
`;

describe("the preparation of a folder", () => {
  let folder: string;
  const running: { child: ChildProcess; printed(): string; ended: Promise<unknown> }[] = [];
  const at = (...names: string[]) => join(folder, ...names);
  const log = () => readFileSync(at("log"), "utf8").trim().split("\n").filter(Boolean);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "onepiao-setup-"));
    const folders = [
      "scripts",
      "contracts",
      "protocol",
      "clients",
      "console",
      "node_modules",
      "dist/console",
      "types/ethers-contracts",
    ];
    for (const name of folders) mkdirSync(at(name), { recursive: true });
    cpSync(join(root, "scripts", "setup.mjs"), at("scripts", "setup.mjs"));
    const sources = {
      "package.json": JSON.stringify({ type: "module" }),
      "package-lock.json": "",
      "hardhat.config.ts": "",
      "scripts/console.ts": build,
      "scripts/console-licenses.ts": "",
      "protocol/index.ts": "",
      log: "",
    };
    for (const [name, content] of Object.entries(sources)) {
      writeFileSync(at(name), content);
      utimesSync(at(name), 1_000, 1_000);
    }
    for (const name of ["node_modules/.package-lock.json", "types/ethers-contracts/index.ts"])
      writeFileSync(at(name), "");
  });
  afterEach(async () => {
    writeFileSync(at("go"), "");
    await Promise.all(running.splice(0).map(({ ended }) => ended));
    rmSync(folder, { recursive: true, force: true });
  });

  function prepare() {
    const child = spawn(process.execPath, [at("scripts", "setup.mjs")], {
      cwd: folder,
      detached: true,
      stdio: ["ignore", "ignore", "pipe"],
    });
    let printed = "";
    child.stderr?.on("data", (data) => {
      printed += data;
    });
    const prepared = { child, printed: () => printed, ended: once(child, "close") };
    running.push(prepared);
    return prepared;
  }

  it("is done once when two commands begin side by side", async () => {
    const first = prepare();
    await until("the first builds", async () => log().length === 1);
    const second = prepare();
    await until(
      "the second waits or builds too",
      async () => second.printed().includes("waiting") || log().length > 1,
    );
    writeFileSync(at("go"), "");
    expect((await first.ended) as unknown).to.deep.equal([0, null]);
    expect((await second.ended) as unknown).to.deep.equal([0, null]);
    expect(log()).to.deep.equal(["begin", "end"]);
  });

  it("is done by the next command when the first one was killed in the middle", async () => {
    const first = prepare();
    await until("the first builds", async () => log().length === 1);
    process.kill(-(first.child.pid as number), "SIGKILL");
    await first.ended;
    writeFileSync(at("go"), "");
    expect((await prepare().ended) as unknown).to.deep.equal([0, null]);
    expect(log()).to.deep.equal(["begin", "begin", "end"]);
  });

  it("is not done again after npm pack has copied the licence beside the sources", async () => {
    writeFileSync(at("go"), "");
    await prepare().ended;
    writeFileSync(at("protocol", "LICENSE"), "");
    const later = new Date(Date.now() + 60_000);
    utimesSync(at("protocol", "LICENSE"), later, later);
    const again = prepare();
    expect((await again.ended) as unknown).to.deep.equal([0, null]);
    expect(again.printed()).to.equal("");
    expect(log()).to.deep.equal(["begin", "end"]);
  });
});
