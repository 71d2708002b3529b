/**
 * The protocol as its users get it: packed, put into an empty folder with only its own
 * dependencies, and used.
 */
import { spawn } from "node:child_process";
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
import { dirname, join } from "node:path";
import { expect } from "chai";
import { root, runStep } from "../../scripts/run.ts";

const bin = join(root, "node_modules", ".bin");
const sample = (name: string) =>
  JSON.parse(readFileSync(join(root, "samples", "bundles", `${name}.json`), "utf8")) as Record<
    string,
    unknown
  >;
const readme = readFileSync(join(root, "protocol", "README.md"), "utf8");

describe("the protocol, packed", function () {
  this.timeout(120_000);
  let folder: string;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "onepiao-protocol-"));
    // from a copy: other tests read the sources, and packing writes next to them
    const copy = join(folder, "repository");
    const isSource = (path: string) => !path.startsWith(join(root, "protocol", "dist"));
    cpSync(join(root, "protocol"), join(copy, "protocol"), { recursive: true, filter: isSource });
    for (const file of ["scripts/protocol.ts", "scripts/run.ts", "LICENSE"])
      cpSync(join(root, file), join(copy, file));
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
    const packed = await runStep({
      name: "pack",
      command: "npm",
      args: ["pack", join(copy, "protocol"), "--pack-destination", folder, "--offline"],
    });
    expect(packed.ok, packed.output).equals(true);
    const [tarball = ""] = readdirSync(folder).filter((name) => name.endsWith(".tgz"));
    const home = join(folder, "node_modules", "@onepiao", "protocol");
    mkdirSync(home, { recursive: true });
    const unpacked = await runStep({
      name: "tar",
      command: "tar",
      args: ["-xzf", join(folder, tarball), "--strip-components=1", "-C", home],
    });
    expect(unpacked.ok, unpacked.output).equals(true);
    // only its dependencies, as npm would install them
    const { dependencies } = JSON.parse(readFileSync(join(home, "package.json"), "utf8")) as {
      dependencies: Record<string, string>;
    };
    for (const name of [...Object.keys(dependencies), "@types/node"]) {
      mkdirSync(dirname(join(folder, "node_modules", name)), { recursive: true });
      symlinkSync(join(root, "node_modules", name), join(folder, "node_modules", name));
    }
    writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
    const [, example = ""] = /```js\n([\s\S]*?)```/.exec(readme) ?? [];
    writeFileSync(join(folder, "check.mjs"), example);
    writeFileSync(join(folder, "registry.json"), JSON.stringify(sample("registry")));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const run = (...args: string[]) =>
    new Promise<{ code: number | null; out: string }>((resolve, reject) => {
      const child = spawn(process.execPath, args, {
        cwd: folder,
        env: { PATH: process.env["PATH"] ?? "" },
      });
      let out = "";
      for (const stream of [child.stdout, child.stderr])
        stream.on("data", (chunk: Buffer) => (out += chunk.toString()));
      child.on("error", reject);
      child.on("close", (code) => resolve({ code, out }));
    });
  async function checked(bundle: unknown): Promise<string> {
    writeFileSync(join(folder, "bundle.json"), JSON.stringify(bundle));
    const { code, out } = await run("check.mjs", "bundle.json", "registry.json");
    expect(code, out).equals(0);
    return out.trim().split("\n").at(-1) ?? "";
  }

  it("checks a bundle by its README's example: a genuine bundle, an altered one, one of another named network", async () => {
    const genuine = sample("genuine")["titled"] as { parts: Record<string, { value: unknown }> };
    expect(await checked(genuine)).equals("sealed");
    const altered = structuredClone(genuine);
    (altered.parts["total"] as { value: unknown }).value = "9306.00";
    expect(await checked(altered)).match(/^altered /);
    const [forged] = Object.values(sample("forged"));
    expect(await checked(forged)).match(/^contradictory \S+/);
  });

  it("has types, a licence and a README; no source and no code of the gateway", async () => {
    const home = join(folder, "node_modules", "@onepiao", "protocol");
    expect(readdirSync(home).sort()).deep.equals(["LICENSE", "README.md", "dist", "package.json"]);
    const files = readdirSync(home, { recursive: true, encoding: "utf8" }).filter((name) =>
      /\.js$/.test(name),
    );
    const text = files.map((name) => readFileSync(join(home, name), "utf8")).join("\n");
    expect(text).not.match(/from "[^"]*(?:server|sandbox)\/|\.ts"/);
    writeFileSync(
      join(folder, "typed.ts"),
      `import { checkBundle, judge, type Verdict } from "@onepiao/protocol";
       import { parseMoney } from "@onepiao/protocol/values/money";
       export const verdict: Verdict = judge(checkBundle({}), {});
       export const cents: bigint | undefined = parseMoney("12.34");
       // @ts-expect-error: the result is a union of fixed values
       export const wrong: "paid" = verdict.result;`,
    );
    const args = [
      "--noEmit",
      "--strict",
      "--module",
      "nodenext",
      "--target",
      "es2024",
      "--types",
      "node",
      "typed.ts",
    ];
    const { code, out } = await run(join(bin, "tsc"), ...args);
    expect(code, out).equals(0);
  });

  it("hashes in a browser without WebAssembly and without Buffer, with the same results", async () => {
    const values = join(folder, "node_modules", "@onepiao", "protocol", "dist", "values");
    writeFileSync(
      join(values, "try.js"),
      `const own = JSON.parse((await import("node:fs")).readFileSync(new URL("../package.json", import.meta.url))).imports["#bytes"];
       const there = await import(new URL(own.browser, new URL("../", import.meta.url)));
       delete globalThis.Buffer;
       delete globalThis.WebAssembly;
       console.log(there.toHex(there.hashBytes(new Uint8Array([1, 2, 3]))), own.default);`,
    );
    writeFileSync(
      join(values, "here.js"),
      `const { hashBytes, toHex } = await import("#bytes"); console.log(toHex(hashBytes(new Uint8Array([1, 2, 3]))));`,
    );
    const { code, out } = await run(join(values, "try.js"));
    expect(code, out).equals(0);
    const [hash, own] = out.trim().split(" ");
    expect(own).equals("./values/bytes.js");
    expect((await run(join(values, "here.js"))).out.trim()).equals(hash);
  });
});
