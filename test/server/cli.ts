/** Input that the operator's commands refuse before they start. */

import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { bareEnvironment } from "../../scripts/run.ts";

const program = fileURLToPath(new URL("../../server/cli.ts", import.meta.url));
const goodKey = "6f1d0a9c3b5e7f2841d6c0b9a8e7f6d5c4b3a29180716253443526170819aabb";

const serve = (settings: Record<string, string>) => cli(["serve"], settings);
function cli(
  args: readonly string[],
  settings: Record<string, string>,
): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], {
      env: { ...bareEnvironment(), ...settings },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output }));
  });
}

describe("a gateway outside the sandbox", () => {
  let folder: string;
  let settings: Record<string, string>;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "onepiao-cli-"));
    const deployment = join(folder, "deployment.json");
    await writeFile(
      deployment,
      JSON.stringify({ network: "onepiao-sandbox-12345678", chainId: 31_337 }),
    );
    settings = {
      RPC_URL: "http://127.0.0.1:1",
      DATABASE_URL: "postgres://127.0.0.1:1/none",
      MASTER_KEY: goodKey,
      DEPLOYMENT: deployment,
    };
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it("does not serve a sandbox's deployment", async () => {
    const { code, output } = await serve(settings);
    expect([code, output]).to.satisfy(
      ([c, s]: [number, string]) => c === 2 && s.includes("DEPLOYMENT is a sandbox's"),
    );
  });

  it("does not start with a master key that is not random", async () => {
    const { code, output } = await serve({ ...settings, MASTER_KEY: "00".repeat(32) });
    expect(code).to.equal(2);
    expect(output).to.include("MASTER_KEY").and.not.include("00000000");
  });

  it("refuses an unknown command, flag or id, and lists the known ones", async () => {
    const calls = [
      ["nothing"],
      ["serve", "--json"],
      ["rebuild", "twice"],
      ["cancel", "0x1"],
      ["admin-key"],
      ["admin-key", "0x1"],
      // upper and lower case state a checksum, and this checksum is wrong
      ["admin-key", "0xB0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0"],
      ["doctor", "--unknown"],
      ["rotate"],
      ["rotate", "key", "--finish"],
    ];
    for (const { code, output } of await Promise.all(calls.map((args) => cli(args, settings)))) {
      expect(code, output).to.equal(2);
      expect(output).to.include("COMMAND").and.include("MAX_HEAD_AGE");
    }
    expect((await cli(["--help"], {})).code).to.equal(0);
  });

  it("refuses a second master key from a file that is missing or that does not hold a random key", async () => {
    const weak = join(folder, "weak.key");
    await writeFile(weak, `${"0f".repeat(32)}\n`);
    for (const [file, why] of [
      [join(folder, "none.key"), "cannot be read"],
      [weak, "does not contain a random key"],
    ] as const) {
      const { code, output } = await cli(["rotate", file], settings);
      expect([code, output.includes(why)], output).to.deep.equal([2, true]);
      expect(output).to.not.include("0f0f0f");
    }
  });

  it("names every missing setting, and shows no value", async () => {
    const { code, output } = await serve({ MASTER_KEY: goodKey });
    expect(code).to.equal(2);
    for (const name of ["RPC_URL", "DATABASE_URL", "DEPLOYMENT"]) expect(output).to.include(name);
    expect(output).to.not.include(goodKey);
  });
});
