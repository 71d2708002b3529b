/**
 * The client as its users get it: packed, installed in an empty folder, type-checked and run by its
 * own example.
 */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { root, runStep } from "../../scripts/run.ts";
import { person, sandbox, taxpayer } from "./network.ts";

const bin = join(root, "node_modules", ".bin");
const page = readFileSync(join(root, "docs", "client.md"), "utf8");
const [, example = ""] = /<<'TS'\n([\s\S]*?)^TS$/m.exec(page) ?? [];
const strict = [
  "--noEmit",
  "--strict",
  "--exactOptionalPropertyTypes",
  "--noUncheckedIndexedAccess",
  "--module",
  "nodenext",
  "--target",
  "es2024",
];

describe("the client, packed", function () {
  this.timeout(240_000);
  let folder: string;
  let home: string;

  async function step(
    command: string,
    args: readonly string[],
    env: Record<string, string> = {},
  ): Promise<string> {
    const { ok, output } = await runStep({
      name: command,
      command,
      args: [...args],
      cwd: folder,
      env,
    });
    expect(ok, output).equals(true);
    return output;
  }

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "onepiao-till-"));
    home = join(folder, "node_modules", "@onepiao", "client");
    // next to the sources, because other tests read the sources
    const packed = join(folder, "package");
    mkdirSync(packed);
    for (const name of ["package.json", "README.md"])
      cpSync(join(root, "clients", "typescript", name), join(packed, name));
    await step(process.execPath, [join(root, "scripts", "client.ts"), packed]);
    await step("npm", ["pack", "./package", "--ignore-scripts", "--offline"]);
    const [tarball = ""] = readdirSync(folder).filter((name) => name.endsWith(".tgz"));
    writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
    await step("npm", ["install", "--offline", "--no-audit", "--no-fund", `./${tarball}`]);
    mkdirSync(join(folder, "node_modules", "@types"));
    symlinkSync(
      join(root, "node_modules", "@types", "node"),
      join(folder, "node_modules", "@types", "node"),
    );
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it("contains no other package and no code of the gateway", () => {
    expect(readdirSync(join(folder, "node_modules", "@onepiao"))).deep.equals(["client"]);
    expect(readdirSync(home).sort()).deep.equals(["LICENSE", "README.md", "dist", "package.json"]);
    for (const name of readdirSync(join(home, "dist")))
      for (const [, from] of readFileSync(join(home, "dist", name), "utf8").matchAll(
        /\bfrom "([^"]+)";$/gm,
      ))
        expect(from, name).matches(/^\.\/\w+\.[jt]s$/);
  });

  it("type-checks and runs its example", async () => {
    writeFileSync(join(folder, "issue.ts"), example);
    await step(join(bin, "tsc"), ["--ignoreConfig", ...strict, "--types", "node", "issue.ts"]);
    const [shop, firm] = [
      await taxpayer("示例店", ["issuer"]),
      await taxpayer("示例公司", ["employer"]),
    ];
    const holder = await person(firm, "示例人");
    const { url } = await sandbox();
    const output = await step(process.execPath, ["issue.ts"], {
      URL: url,
      ISSUER: shop.token,
      HOLDER: holder.token,
    });
    const [, number] = /issued (\d{20})/.exec(output) ?? [];
    expect(output).includes(`${number} issued 200.00`);
    expect(output).matches(/PDF \d+ bytes/);
    expect(output, output).matches(/^[a-z-]+ never \[/m);
  });
});
