/** The floors of design §4: who may import whom, and which library lives where. Walks every import of the server. */
import { readdirSync, readFileSync } from "node:fs";
import { expect } from "chai";
import { roomOf, rooms } from "../../scripts/floors.ts";
import { COMPUTED, type Import, importsOf, packageOf, targetOf } from "../../scripts/imports.ts";

type Files = Map<string, string>;

/** Libraries that one folder alone may know. */
const homes: Record<string, readonly string[]> = {
  ethers: ["chain", "keys"],
  pg: ["db"],
  postgres: ["db"],
  express: ["http"],
  "prom-client": ["kernel"],
  "openid-client": ["features"],
};
const forbiddenFolders = ["controllers", "services", "repositories", "utils", "helpers", "models"];

/** `server/<folder>/…` → folder; a file of server/ itself: "". */
const folderOf = (path: string) => (path.split("/").length > 2 ? (path.split("/")[1] as string) : "");
const rankOf = (path: string) => roomOf(path)?.floor;
const ROOT = Math.max(...rooms.map(({ floor }) => floor));

/** What breaks the rules, one line each. */
function violations(files: Files): string[] {
  const found: string[] = [];
  for (const [path, source] of files) {
    const folders = path.split("/").slice(0, -1);
    for (const folder of folders) if (forbiddenFolders.includes(folder)) found.push(`${path}: a folder named ${folder}`);
    if (/(^|\/)index\.[mc]?[jt]s$/.test(path)) found.push(`${path}: a barrel file`);
    if (rankOf(path) === undefined) found.push(`${path}: a folder that has no floor`);
    for (const one of importsOf(source)) {
      const target = targetOf(path, one.from);
      const problem = target === undefined ? libraryProblem(path, one) : insideProblem(path, one, target, files);
      if (problem) found.push(`${path}: imports ${one.from}: ${problem}`);
    }
  }
  return found;
}

function libraryProblem(path: string, { from, dynamic }: Import): string | undefined {
  if (from.startsWith("node:")) return undefined;
  // PostgreSQL's binaries come in a package for each platform
  if (from === COMPUTED) return path === "server/db/postgres.ts" ? undefined : "nobody can check that";
  if (from.startsWith("#")) return "package.json does not say what that is";
  const name = packageOf(from);
  const home = homes[name];
  if (home && !home.includes(folderOf(path))) return `${name} belongs to ${home.join(" and ")}`;
  if ((name === "hardhat" || name.startsWith("@nomicfoundation/")) && !(path === "server/chain/sandbox.ts" && dynamic))
    return "the development chain is for the sandbox, at run time";
  return undefined;
}

function insideProblem(path: string, { from, typeOnly, dynamic }: Import, target: string, files: Files): string | undefined {
  if (!target.startsWith("server/")) {
    if (target === "package.json" || target.startsWith("types/ethers-contracts/factories/"))
      return folderOf(path) === "chain" || target === "package.json" ? undefined : "contract factories belong to chain";
    return "outside the server";
  }
  if (!files.has(target)) return "there is no such file";
  // hashing and hex, which need nothing themselves; a browser has its own file for them (package.json)
  if (from === "#bytes") return undefined;
  if (folderOf(target) === "sandbox" && folderOf(path) !== "sandbox" && !(path === "server/main.ts" || dynamic)) return "the sandbox is for main.ts alone";
  const [mine, theirs] = [rankOf(path), rankOf(target)];
  if (mine === undefined || theirs === undefined) return "a folder that has no floor";
  if (theirs > mine) return `floor ${theirs} from floor ${mine}`;
  if (theirs < mine) return undefined;
  if (mine === ROOT) return undefined;
  if (folderOf(path) !== folderOf(target)) return mine === 1 && typeOnly ? undefined : `another folder of floor ${mine}`;
  if (folderOf(path) !== "features") return undefined;
  const [own, other] = [path.split("/")[2], target.split("/")[2]];
  return own === other || target === `server/features/${other}/${other}.ts` ? undefined : "another feature's insides";
}

function serverFiles(): Files {
  const root = new URL("../../", import.meta.url);
  const names = readdirSync(new URL("server/", root), { recursive: true, encoding: "utf8" }).filter((name) => /\.[mc]?[jt]sx?$/.test(name));
  return new Map(names.map((name) => [`server/${name.replaceAll("\\", "/")}`, readFileSync(new URL(`server/${name}`, root), "utf8")]));
}

describe("the floors of the server", function () {
  // it reads and takes apart every file: slow where others are at work
  this.timeout(120_000);
  const files = serverFiles();

  it("every import goes down, stays in its folder, or is one of the stated exceptions", () => {
    expect(files.size).to.be.greaterThan(50);
    expect([...files.values()].flatMap(importsOf).length).to.be.greaterThan(350);
    expect(violations(files)).to.deep.equal([]);
  });

  it("the imports are found in whatever form they stand", () => {
    const source = `
      import a from "./a.ts"; import "./b.ts";
      import {
        c, // from "./not-this.ts"
        type D,
      } from './c.ts';
      import type { E } from "./e.ts";
      import { type F, type G } from "./f.ts";
      import * as h from "./h.ts";
      export { i } from "./i.ts";
      export type { J } from "./j.ts";
      export * from "./k.ts";
      /* import x from "./x.ts" */ // import y from "./y.ts"
      const pattern = /"\\/*/; const url = "http://example.org";
      const l = await import("./l.ts"); const m = import(\`./m.ts\`);
      export const text = "\\"; import z from './z.ts'";
      const query = sql\`select \${first ? sql\`a // \${await import("./n.ts")} from "./z.ts"\` : "}"}; import "./z.ts";\`;
      const slashed = value / 2; const o = await import("./o.ts"); const half = 1 / 2;
    `;
    const found = importsOf(source);
    expect(found.map((one) => one.from).sort()).to.deep.equal([..."abcefhijklmno"].map((name) => `./${name}.ts`));
    expect(found.filter((one) => one.typeOnly).map((one) => one.from)).to.deep.equal(["./e.ts", "./f.ts", "./j.ts"]);
    expect(found.filter((one) => one.dynamic).map((one) => one.from)).to.deep.equal(["./l.ts", "./m.ts", "./n.ts", "./o.ts"]);
  });

  const base = [
    "kernel/log.ts",
    "db/db.ts",
    "chain/bytes.ts",
    "chain/client.ts",
    "chain/sandbox.ts",
    "formats/read.ts",
    "keys/vault.ts",
    "txs/lanes.ts",
    "feed/follower.ts",
    "mirror/ledger.ts",
    "acts/operations.ts",
    "sealing/sealer.ts",
    "features/claims/claims.ts",
    "features/claims/routes.ts",
    "features/invoices/invoices.ts",
    "features/invoices/projection.ts",
    "http/app.ts",
    "sandbox/sandbox.ts",
    "gateway.ts",
    "main.ts",
  ];
  /** What the checker says of one more line in one file of an otherwise blameless server. */
  const judged = (path: string, source: string) => violations(new Map([...base.map((name) => [`server/${name}`, ""] as const), [`server/${path}`, source]]));

  const forbidden: [string, string, string][] = [
    ["a kernel that imports the database", "kernel/log.ts", 'import { openDb } from "../db/db.ts";'],
    ["a type from a higher floor", "kernel/log.ts", 'import type { Sql } from "../db/db.ts";'],
    ["the chain importing the database", "chain/client.ts", 'import { openDb } from "../db/db.ts";'],
    ["lanes importing the follower", "txs/lanes.ts", 'import type { Follower } from "../feed/follower.ts";'],
    ["acts importing the sealer", "acts/operations.ts", 'import "../sealing/sealer.ts";'],
    ["the sealer importing a feature", "sealing/sealer.ts", 'export * from "../features/claims/claims.ts";'],
    ["a feature importing HTTP", "features/claims/routes.ts", 'const app = await import("../../http/app.ts");'],
    ["a feature importing another's projection", "features/claims/claims.ts", 'import { x } from "../invoices/projection.ts";'],
    ["HTTP importing the composition root", "http/app.ts", 'import { startGateway } from "../gateway.ts";'],
    ["ethers outside chain and keys", "acts/operations.ts", 'import { Interface } from "ethers";'],
    ["a part of ethers outside chain and keys", "features/claims/claims.ts", 'import { keccak256 } from "ethers/crypto";'],
    ["the SQL driver outside db", "features/claims/claims.ts", 'import pg from "pg";'],
    ["express outside http", "features/claims/routes.ts", 'import type { Request } from "express";'],
    ["contract factories outside chain", "acts/operations.ts", 'import { x } from "../../types/ethers-contracts/factories/x.ts";'],
    ["hardhat at load time", "chain/sandbox.ts", 'import hre from "hardhat";'],
    ["hardhat elsewhere", "gateway.ts", 'const hre = await import("hardhat/hre");'],
    ["an import that is computed", "features/claims/claims.ts", 'const x = await import(name + ".ts");'],
    ["the sandbox in the gateway", "gateway.ts", 'import { startSandbox } from "./sandbox/sandbox.ts";'],
    ["tests in the server", "acts/operations.ts", 'import { sandbox } from "../../test/server/network.ts";'],
    ["a package's own name for a file that is not there", "kernel/log.ts", 'import { x } from "#gone";'],
    ["a file that is not there", "acts/operations.ts", 'import { x } from "../mirror/gone.ts";'],
    ["a barrel file", "features/claims/index.ts", 'export * from "./claims.ts";'],
    ["a folder for what has no name", "features/utils/strings.ts", ""],
    ["a folder without a floor", "misc/strings.ts", ""],
  ];
  for (const [words, path, source] of forbidden) {
    it(`${words} is caught`, () => {
      expect(judged(path, source)).to.have.length(1);
      expect(judged(path, source)[0]).to.match(new RegExp(`^server/${path}: `));
    });
  }

  const allowed: [string, string, string][] = [
    ["a lower floor", "features/claims/claims.ts", 'import { enqueue } from "../../acts/operations.ts"; import { z } from "zod";'],
    ["another feature's commands", "features/claims/claims.ts", 'import type { Invoices } from "../invoices/invoices.ts";'],
    ["a type between db, chain and formats", "chain/client.ts", 'import type { Sql } from "../db/db.ts"; import { type Json } from "../db/db.ts";'],
    ["hashing, by the package's own name for it", "kernel/log.ts", 'import { toHex } from "#bytes";'],
    ["a file of the same folder", "features/claims/routes.ts", 'import { createClaims } from "./claims.ts";'],
    ["hardhat at run time in the sandbox's chain", "chain/sandbox.ts", 'const hre = await import("hardhat/hre");'],
    ["the sandbox by main.ts", "main.ts", 'import { startSandbox } from "./sandbox/sandbox.ts";'],
    ["the driver's word in a comment or a text", "acts/operations.ts", '// import pg from "pg"\nconst hint = `import pg from "pg"`;'],
  ];
  for (const [words, path, source] of allowed) {
    it(`${words} may be imported`, () => expect(judged(path, source)).to.deep.equal([]));
  }
});
