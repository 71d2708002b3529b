/**
 * The floors (scripts/floors.ts) hold: no import of the project breaks one, and each rule catches
 * its case.
 */
import {
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
import { cruised, cruiseImports, violationsOf } from "../../scripts/floors.ts";
import { root } from "../../scripts/run.ts";
import { codeOf } from "./support/source.ts";

const nameless = ["controllers", "services", "repositories", "utils", "helpers", "models"];

/** The faults of a file's name or text that no import shows. */
function faultsOf(path: string, source: string): string[] {
  const faults = path
    .split("/")
    .slice(0, -1)
    .filter((folder) => nameless.includes(folder))
    .map((folder) => `${path}: a folder named ${folder}`);
  // other packages import a package by its index
  const entrances = ["protocol/index.ts", "clients/typescript/index.ts"];
  if (/(^|\/)index\.[mc]?[jt]sx?$/.test(path) && !entrances.includes(path))
    faults.push(`${path}: a barrel file`);
  // PostgreSQL's binaries have one package for each platform
  if (/\bimport\s*\(\s*(?!")/.test(codeOf(source).code) && path !== "server/db/postgres.ts")
    faults.push(`${path}: an import that nobody can check`);
  return faults;
}

function files(base: string): Map<string, string> {
  const names = cruised.flatMap((folder) =>
    readdirSync(join(base, folder), { recursive: true, encoding: "utf8" }).map(
      (name) => `${folder}/${name.replaceAll("\\", "/")}`,
    ),
  );
  return new Map(
    names
      .filter(
        (name) =>
          /\.[mc]?[jt]sx?$/.test(name) && !/^(protocol|clients\/typescript)\/dist\//.test(name),
      )
      .map((name) => [name, readFileSync(join(base, name), "utf8")]),
  );
}

describe("the floors", function () {
  this.timeout(120_000);

  it("no import breaks a floor", async () => {
    const report = await cruiseImports(root);
    expect(report.summary.totalCruised).to.be.greaterThan(300);
    expect(report.summary.totalDependenciesCruised ?? 0).to.be.greaterThan(1_500);
    expect(violationsOf(report)).to.deep.equal([]);
  });

  it("no folder is a catch-all, no file a barrel, no import computed", () => {
    const all = files(root);
    expect(all.size).to.be.greaterThan(300);
    expect([...all].flatMap(([path, source]) => faultsOf(path, source))).to.deep.equal([]);
    for (const [path, source] of [
      ["server/features/utils/strings.ts", ""],
      ["server/features/use/index.ts", ""],
      ["server/api/claims.ts", 'const x = await import(name + ".ts");'],
    ] as const)
      expect(faultsOf(path, source), path).to.have.length(1);
  });

  const house = {
    "protocol/values/money.ts": "",
    "protocol/ledger/tree.ts": "",
    "protocol/formats/read.ts": "",
    "protocol/proofs/verdict.ts": "",
    "protocol/index.ts": 'export * from "./proofs/verdict.ts";',
    "server/kernel/log.ts": "",
    "server/db/db.ts": "",
    "server/chain/client.ts": "",
    "server/drawing/pdf.ts": "",
    "server/keys/vault.ts": "",
    "server/txs/lanes.ts": "",
    "server/feed/follower.ts": "",
    "server/mirror/ledger.ts": "",
    "server/acts/operations.ts": "",
    "server/sealing/sealer.ts": "",
    "server/features/parties/taxpayers.ts": "",
    "server/features/invoices/invoices.ts": "",
    "server/features/use/claims.ts": "",
    "server/features/proof/bundles.ts": "",
    "server/features/bureau/audit.ts": "",
    "server/api/claims.ts": "",
    "server/api/api.ts": "",
    "clients/typescript/client.ts": "",
    "sandbox/api.ts": "",
    "sandbox/parties.ts": "",
    "server/http/app.ts": "",
    "server/gateway.ts": "",
    "server/commands.ts": "",
    "server/cli.ts": "",
    "sandbox/sandbox.ts": "",
    "sandbox/chain.ts": "",
    "console/src/shared/client.ts": "",
    "console/src/areas/holder/reports.tsx": "",
    "console/src/areas/bureau/audit.tsx": "",
    "test/server/network.ts": "",
    "types/ethers-contracts/factories/x.ts": "",
  };
  /** The rules that one more line in each of these files breaks in an otherwise valid tree. */
  async function judged(lines: Record<string, string>): Promise<string[]> {
    const base = mkdtempSync(join(tmpdir(), "onepiao-floors-"));
    try {
      symlinkSync(join(root, "node_modules"), join(base, "node_modules"));
      for (const [name, source] of Object.entries({ ...house, ...lines })) {
        mkdirSync(dirname(join(base, name)), { recursive: true });
        writeFileSync(join(base, name), source);
      }
      // these files and what they import; the others have no line
      return violationsOf(await cruiseImports(base, Object.keys(lines)));
    } finally {
      rmSync(base, { recursive: true });
    }
  }

  const forbidden: [words: string, path: string, line: string, rule: string][] = [
    [
      "a kernel that imports the database",
      "server/kernel/log.ts",
      'import { openDb } from "../db/db.ts";',
      "floor-of-server-kernel",
    ],
    [
      "a type from a higher floor",
      "server/kernel/log.ts",
      'import type { Sql } from "../db/db.ts";',
      "floor-of-server-kernel",
    ],
    [
      "a folder of the same floor",
      "server/chain/client.ts",
      'import type { Sql } from "../db/db.ts";',
      "floor-of-server-chain",
    ],
    [
      "lanes importing the follower",
      "server/txs/lanes.ts",
      'import type { Follower } from "../feed/follower.ts";',
      "floor-of-server-txs",
    ],
    [
      "acts importing the sealer",
      "server/acts/operations.ts",
      'import "../sealing/sealer.ts";',
      "floor-of-server-acts",
    ],
    [
      "the sealer importing a feature",
      "server/sealing/sealer.ts",
      'export * from "../features/use/claims.ts";',
      "floor-of-server-sealing",
    ],
    [
      "a feature importing HTTP",
      "server/features/use/claims.ts",
      'const app = await import("../../http/app.ts");',
      "floor-of-server-features-use",
    ],
    [
      "a feature importing its routes",
      "server/features/use/claims.ts",
      'import "../../api/claims.ts";',
      "floor-of-server-features-use",
    ],
    [
      "a wing importing a higher one",
      "server/features/parties/taxpayers.ts",
      'import type { X } from "../invoices/invoices.ts";',
      "floor-of-server-features-parties",
    ],
    [
      "wings side by side",
      "server/features/bureau/audit.ts",
      'import "../proof/bundles.ts";',
      "floor-of-server-features-bureau",
    ],
    [
      "routes importing HTTP",
      "server/api/claims.ts",
      'import "../http/app.ts";',
      "floor-of-server-api",
    ],
    [
      "HTTP importing the composition root",
      "server/http/app.ts",
      'import { startGateway } from "../gateway.ts";',
      "floor-of-server-http",
    ],
    [
      "the sandbox in the gateway",
      "server/gateway.ts",
      'import { startSandbox } from "../sandbox/sandbox.ts";',
      "floor-of-server",
    ],
    [
      "a protocol that knows the server",
      "protocol/proofs/verdict.ts",
      'import "../../server/kernel/log.ts";',
      "floor-of-protocol-proofs",
    ],
    [
      "proofs under formats",
      "protocol/formats/read.ts",
      'import "../proofs/verdict.ts";',
      "floor-of-protocol-formats",
    ],
    [
      "a database in the protocol",
      "protocol/proofs/verdict.ts",
      'import pg from "pg";',
      "protocol-is-pure",
    ],
    [
      "a file in the protocol",
      "protocol/proofs/verdict.ts",
      'import { readFileSync } from "node:fs";',
      "protocol-is-pure",
    ],
    [
      "ethers outside its homes",
      "server/acts/operations.ts",
      'import { Interface } from "ethers";',
      "home-of-ethers",
    ],
    [
      "the SQL driver outside db",
      "server/features/use/claims.ts",
      'import pg from "pg";',
      "home-of-pg",
    ],
    [
      "express outside http",
      "server/api/claims.ts",
      'import type { Request } from "express";',
      "home-of-express",
    ],
    [
      "contract factories outside chain",
      "server/acts/operations.ts",
      'import { x } from "../../types/ethers-contracts/factories/x.ts";',
      "contract-factories",
    ],
    [
      "Hardhat when the sandbox's chain is loaded",
      "sandbox/chain.ts",
      'import hre from "hardhat";',
      "development-chain-late",
    ],
    [
      "Hardhat elsewhere",
      "server/gateway.ts",
      'const hre = await import("hardhat");',
      "development-chain",
    ],
    [
      "the commands when the command line is read",
      "server/cli.ts",
      'import { runCommand } from "./commands.ts";',
      "commands-late",
    ],
    [
      "tests in the server",
      "server/acts/operations.ts",
      'import { sandbox } from "../../test/server/network.ts";',
      "no-tests",
    ],
    [
      "a file that is not there",
      "server/acts/operations.ts",
      'import { x } from "../mirror/gone.ts";',
      "found",
    ],
    [
      "a page that knows the server",
      "console/src/shared/client.ts",
      'import type { X } from "../../../server/kernel/log.ts";',
      "page-knows-the-protocol-alone",
    ],
    [
      "a page that runs the sandbox's code",
      "console/src/shared/client.ts",
      'import { x } from "../../../sandbox/api.ts";',
      "types-alone",
    ],
    [
      "a page that knows more of the sandbox than its API",
      "console/src/shared/client.ts",
      'import type { X } from "../../../sandbox/parties.ts";',
      "page-knows-the-protocol-alone",
    ],
    [
      "a client that knows a type of the gateway",
      "clients/typescript/client.ts",
      'import type { Api } from "../../server/api/api.ts";',
      "client-stands-alone",
    ],
    [
      "a client that needs a package",
      "clients/typescript/client.ts",
      'import { z } from "zod";',
      "client-stands-alone",
    ],
    [
      "a client that no browser can run",
      "clients/typescript/client.ts",
      'import { createHmac } from "node:crypto";',
      "client-stands-alone",
    ],
    [
      "an area that knows another",
      "console/src/areas/holder/reports.tsx",
      'import "../bureau/audit.tsx";',
      "areas-apart",
    ],
  ];
  /** The cases share trees, for each tree takes time; in a tree, no file has two of them. */
  type Tree = { lines: Record<string, string>; judgement?: Promise<string[]> };
  const trees: Tree[] = [];
  for (const [words, path, line, rule] of forbidden) {
    const tree: Tree = trees.find(({ lines }) => !(path in lines)) ?? { lines: {} };
    if (Object.keys(tree.lines).length === 0) trees.push(tree);
    tree.lines[path] = line;
    it(`${words} is caught`, async () => {
      tree.judgement ??= judged(tree.lines);
      expect(await tree.judgement).to.satisfy((lines: string[]) =>
        lines.some((each) => each.startsWith(`${path}: `) && each.endsWith(`: ${rule}`)),
      );
    });
  }
  it("two files that import each other's types are caught", async () => {
    const lines = await judged({
      "server/features/use/claims.ts": 'import type { X } from "./claims.ts";',
    });
    expect(lines.map((each) => each.split(": ").at(-1))).to.deep.equal(["no-circle"]);
  });

  it("a lower floor may be imported", async () => {
    const line = `
      import { enqueue } from "../../acts/operations.ts"; import { z } from "zod";
      import type { Invoices } from "../invoices/invoices.ts";
      // import pg from "pg"
      const hint = \`import pg from "pg"\`;`;
    expect(await judged({ "server/features/use/claims.ts": line })).to.deep.equal([]);
    expect(
      await judged({ "sandbox/chain.ts": 'const hre = await import("hardhat");' }),
    ).to.deep.equal([]);
    const page = 'import type { SandboxApi } from "../../../sandbox/api.ts";';
    expect(await judged({ "console/src/shared/client.ts": page })).to.deep.equal([]);
    expect(
      await judged({
        "sandbox/sandbox.ts": 'import { startGateway } from "../server/gateway.ts";',
      }),
    ).to.deep.equal([]);
  });
});
