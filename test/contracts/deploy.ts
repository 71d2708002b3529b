/**
 * scripts/deploy.ts as an operator runs it: in its own process, against a node's JSON-RPC over
 * HTTP, with the key in its environment.
 */

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { JsonRpcProvider, id as keccakText, Wallet } from "ethers";
import { network } from "hardhat";
import { bareEnvironment } from "../../scripts/run.ts";
import { type Deployment, type DeployOptions, deployAt } from "../../server/chain/deploy.ts";
import { AccessManager__factory } from "../../types/ethers-contracts/factories/@openzeppelin/contracts/access/manager/AccessManager__factory.ts";
import { InvoiceLedger__factory } from "../../types/ethers-contracts/factories/contracts/InvoiceLedger__factory.ts";
import { TaxpayerRegistry__factory } from "../../types/ethers-contracts/factories/contracts/TaxpayerRegistry__factory.ts";
import { keyOf } from "./fixture.ts";

const SCRIPT = fileURLToPath(new URL("../../scripts/deploy.ts", import.meta.url));
const deployer = keyOf("deployer");
const bureau = keyOf("bureau");

type Chain = { url: string; provider: JsonRpcProvider; close(): Promise<void> };
async function startChain(
  override: NonNullable<
    Exclude<Parameters<typeof network.create>[0], string | undefined>["override"]
  > = {},
): Promise<Chain> {
  const server = await network.createServer(
    { network: "instant", override: { accounts: [], ...override } },
    "127.0.0.1",
    0,
  );
  const { address, port } = await server.listen();
  const url = `http://${address}:${port}`;
  const provider = new JsonRpcProvider(url, undefined, { staticNetwork: true, cacheTimeout: -1 });
  return {
    url,
    provider,
    async close() {
      provider.destroy();
      await server.close();
    },
  };
}

type Run = { code: number | null; out: string; err: string };
function run(
  args: string[],
  env: Record<string, string> = { DEPLOYER_KEY: deployer.privateKey },
): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [SCRIPT, ...args], {
      env: { ...bareEnvironment(), ...env },
    });
    const result: Run = { code: null, out: "", err: "" };
    child.stdout.on("data", (chunk: Buffer) => (result.out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (result.err += chunk.toString()));
    child.once("error", reject);
    child.once("close", (code) => resolve({ ...result, code }));
  });
}

describe("scripts/deploy.ts", () => {
  let folder: string;
  let chain: Chain;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "onepiao-deploy-"));
    chain = await startChain();
  });
  afterEach(async () => {
    await chain.close();
    rmSync(folder, { recursive: true });
  });
  const args = (url = chain.url, ...more: string[]) => [
    "--rpc",
    url,
    "--network",
    "deploy-test",
    "--bureau",
    bureau.address,
    "--out",
    folder,
    ...more,
  ];
  const path = () => join(folder, "31337.json");
  const record = (): Deployment => JSON.parse(readFileSync(path(), "utf8")) as Deployment;
  /** It failed with a message, sent nothing and wrote nothing. */
  async function nothingDone(result: Run, message: RegExp, on = chain): Promise<void> {
    expect(result.err).to.match(message);
    expect(result.err).to.match(/Nothing was deployed\.\n$/);
    expect(result.code).to.equal(1);
    expect(await on.provider.getBlockNumber()).to.equal(0);
  }

  it("deploys, wires the contracts, grants the bureau its roles, and writes the record", async () => {
    const { code, out, err } = await run(args());
    expect([code, err], out).to.deep.equal([0, ""]);
    expect(readdirSync(folder)).to.deep.equal(["31337.json"]);
    const { provider } = chain;
    const d = record();
    expect(d).to.include({
      chainId: 31_337,
      network: "deploy-test",
      block: 0,
      claimTermSeconds: 2_592_000,
      genesis: (await provider.getBlock(0))?.hash,
    });
    const registry = TaxpayerRegistry__factory.connect(d.registry, provider);
    const ledger = InvoiceLedger__factory.connect(d.ledger, provider);
    const manager = AccessManager__factory.connect(d.accessManager, provider);
    expect(
      await Promise.all([
        registry.authority(),
        ledger.authority(),
        ledger.registry(),
        ledger.claimTerm(),
      ]),
    ).to.deep.equal([d.accessManager, d.accessManager, d.registry, 2_592_000n]);
    for (const contract of [registry, ledger])
      expect((await contract.eip712Domain()).slice(1, 5)).to.deep.equal([
        "deploy-test",
        "1",
        31_337n,
        await contract.getAddress(),
      ]);
    for (const role of [1n, 2n, 3n])
      expect((await manager.hasRole(role, bureau.address))[0]).to.equal(true);
    expect((await manager.hasRole(0n, deployer.address))[0]).to.equal(true);
    expect((await manager.hasRole(0n, bureau.address))[0]).to.equal(false);

    const sender = new Wallet(bureau.privateKey, provider);
    const overrides = { gasPrice: 0, type: 0 };
    await (
      await registry.connect(sender).enrol(deployer.address, keccakText("identity"), 3, overrides)
    ).wait();
    await (await ledger.connect(sender).setClosed(true, overrides)).wait();
    expect([await registry.indexOf(deployer.address), await ledger.isClosed()]).to.deep.equal([
      1n,
      true,
    ]);
  });

  it("run twice in a row, it sends nothing the second time and leaves the record as it is", async () => {
    expect((await run(args())).code).to.equal(0);
    const [text, head] = [readFileSync(path(), "utf8"), await chain.provider.getBlockNumber()];
    expect(head).to.be.greaterThan(0);
    const second = await run(args());
    expect([second.code, second.err]).to.deep.equal([0, ""]);
    expect(second.out)
      .to.match(/up to date/)
      .and.not.match(/deployed|granted/);
    expect([readFileSync(path(), "utf8"), await chain.provider.getBlockNumber()]).to.deep.equal([
      text,
      head,
    ]);
  });

  it("run again for another bureau address, it grants the roles and deploys nothing", async () => {
    await run(args());
    const [text, head] = [readFileSync(path(), "utf8"), await chain.provider.getBlockNumber()];
    const other = keyOf("the bureau's second gateway").address;
    const again = await run(args().map((arg) => (arg === bureau.address ? other : arg)));
    expect([
      again.code,
      again.out.match(/granted/g)?.length,
      await chain.provider.getBlockNumber(),
    ]).to.deep.equal([0, 3, head + 3]);
    expect(readFileSync(path(), "utf8")).to.equal(text);
  });

  it("takes the key from a file and the claim term from an argument", async () => {
    const file = join(folder, "key");
    writeFileSync(file, `${deployer.privateKey.slice(2)}\n`);
    const { code, err } = await run(args(chain.url, "--claim-term", "7200"), {
      DEPLOYER_KEY_FILE: file,
    });
    expect([code, err]).to.deep.equal([0, ""]);
    expect(
      await InvoiceLedger__factory.connect(record().ledger, chain.provider).claimTerm(),
    ).to.equal(7200n);
    // and keeps to it: a ledger's term is fixed
    expect((await run(args())).code).to.equal(0);
  });

  for (const hardfork of ["london", "merge", "shanghai"]) {
    it(`on a chain with ${hardfork}'s rules it says so, deploys nothing and writes nothing`, async () => {
      const old = await startChain({ hardfork });
      try {
        await nothingDone(
          await run(args(old.url)),
          /^This chain does not run Cancun's rules \(PUSH0, MCOPY\)/,
          old,
        );
        expect(readdirSync(folder)).to.deep.equal([]);
      } finally {
        await old.close();
      }
    });
  }

  it("on a chain that charges for gas it says so instead of waiting for ever", async () => {
    const dear = await startChain({ initialBaseFeePerGas: 1_000_000_000n });
    try {
      await nothingDone(await run(args(dear.url)), /^This chain charges for gas/, dear);
      expect(readdirSync(folder)).to.deep.equal([]);
    } finally {
      await dear.close();
    }
  });

  /** The script's own mechanism, in this process, for what differs in options alone. */
  const deployIn = (on: Chain, options: Partial<DeployOptions> = {}, key = deployer.privateKey) =>
    deployAt(on.url, key, { network: "deploy-test", bureau: bureau.address, ...options });
  async function refused(on: Chain, send: () => Promise<unknown>, message: RegExp): Promise<void> {
    const head = await on.provider.getBlockNumber();
    const error = await send().catch((reason: unknown) => reason);
    expect(error).to.be.an.instanceOf(Error);
    expect((error as Error).message)
      .to.match(message)
      .and.match(/Nothing was deployed\.$/);
    expect(await on.provider.getBlockNumber()).to.equal(head);
  }

  it("does not take a record of another chain, network or genesis for its own", async () => {
    const own = await deployIn(chain);
    const fresh = await startChain({ initialDate: "2030-01-01T00:00:00Z" });
    try {
      const text = JSON.stringify(own);
      writeFileSync(path(), text);
      await nothingDone(
        await run(args(fresh.url)),
        /^The recorded deployment is for network "deploy-test", chain 31337, genesis 0x/,
        fresh,
      );
      expect(readFileSync(path(), "utf8")).to.equal(text);
      const genesis = (await fresh.provider.getBlock(0))?.hash ?? "";
      await refused(
        fresh,
        () => deployIn(fresh, { known: { ...own, genesis, chainId: 5 } }),
        /chain 5,/,
      );
      await refused(
        fresh,
        () => deployIn(fresh, { known: { ...own, genesis, network: "elsewhere" } }),
        /network "elsewhere"/,
      );
    } finally {
      await fresh.close();
    }
  });

  it("does not take a record whose contracts do not belong together", async () => {
    const own = await deployIn(chain);
    for (const [known, message] of [
      [
        { ...own, accessManager: own.ledger },
        /does not describe this chain: the registry's authority is 0x/,
      ],
      [{ ...own, registry: own.accessManager }, /the registry's authority is undefined/],
      [{ ...own, ledger: own.registry }, /the ledger's registry is undefined/],
      [{ ...own, claimTermSeconds: 3600 }, /the ledger's claim term is 2592000, not 3600/],
    ] as const) {
      await refused(chain, () => deployIn(chain, { known }), message);
    }
    await refused(
      chain,
      () => deployIn(chain, { known: own, claimTermSeconds: 7201 }),
      /^The recorded ledger has a claim term of 2592000 s, which is fixed; 7201 s was asked for/,
    );
    expect(await deployIn(chain, { known: own })).to.deep.equal(own);
  });

  it("does not take a file that is not a record, and leaves it alone", async () => {
    for (const text of ["{", "null", '{"chainId":31337}']) {
      writeFileSync(path(), text);
      await nothingDone(await run(args()), /is not a record of a deployment\. Move it away/);
      expect(readFileSync(path(), "utf8")).to.equal(text);
      expect(readdirSync(folder)).to.deep.equal(["31337.json"]);
    }
  });

  it("does not take options that make no deployment", async () => {
    const mixedCase = `0x${"Ab".repeat(20)}`;
    for (const claimTermSeconds of [0, 3599, 31_536_001, 4000.5, Number.NaN])
      await refused(chain, () => deployIn(chain, { claimTermSeconds }), /^A claim term is 3600/);
    for (const name of ["", "x".repeat(32), "网络", "a\u001b[2Jb", " a", "a\u202eb"])
      await refused(
        chain,
        () => deployIn(chain, { network: name }),
        /^A network's name has 1 to 31 letters/,
      );
    for (const address of [mixedCase, "0x12", ""])
      await refused(
        chain,
        () => deployIn(chain, { bureau: address }),
        /^The bureau's address is not an address/,
      );
    for (const key of ["", "0xabcdef", `${deployer.privateKey}00`])
      await refused(
        chain,
        () => deployIn(chain, {}, key),
        /^The deploying key is not 32 bytes in hex/,
      );
    await nothingDone(await run(args(), { DEPLOYER_KEY: "0xabcdef" }), /^The deploying key is not/);
  });

  it("deploys again the contracts that a chain has lost, with everything that depends on them", async () => {
    await run(args());
    const before = record();
    await chain.provider.send("hardhat_setCode", [before.registry, "0x"]);
    const { code, out } = await run(args());
    expect([
      code,
      /AccessManager is at/.test(out),
      /TaxpayerRegistry deployed/.test(out),
      /InvoiceLedger deployed/.test(out),
    ]).to.deep.equal([0, true, true, true]);
    const after = record();
    expect(after.accessManager).to.equal(before.accessManager);
    expect(after.block).to.be.greaterThan(before.block);
    expect(await InvoiceLedger__factory.connect(after.ledger, chain.provider).registry())
      .to.equal(after.registry)
      .and.not.equal(before.registry);
  });

  it("says when no node answers", async () => {
    const stopped = await startChain();
    await stopped.close();
    const { code, err } = await run(args(stopped.url));
    expect([code, err]).to.deep.equal([
      1,
      `No node answers at ${stopped.url}. Nothing was deployed.\n`,
    ]);
  });

  it("called in a wrong way it exits with 2, names what is wrong, and does not repeat the key", async () => {
    const key = { DEPLOYER_KEY: deployer.privateKey };
    const cases: [string[], Record<string, string>, RegExp][] = [
      [[], key, /^--rpc is missing/],
      [args("not a url"), key, /^--rpc is not/],
      [args("ftp://127.0.0.1"), key, /^--rpc is not/],
      [args().slice(0, 4), key, /^--bureau is missing/],
      [
        args().map((arg) => (arg === bureau.address ? "0x12" : arg)),
        key,
        /^--bureau is not an address/,
      ],
      [args(chain.url, "--claim-term", "soon"), key, /^--claim-term is not/],
      [args(chain.url, "--key", deployer.privateKey), key, /^Unknown option '--key'/],
      [args(), {}, /^The deploying key is missing/],
      [args(), { ...key, DEPLOYER_KEY_FILE: "x" }, /^Both DEPLOYER_KEY and/],
      [args(), { DEPLOYER_KEY_FILE: join(folder, "none") }, /^DEPLOYER_KEY_FILE cannot be read/],
    ];
    const results = await Promise.all(cases.map(([options, env]) => run(options, env)));
    for (const [i, [, , message]] of cases.entries()) {
      const { code, err, out } = results[i] as Run;
      expect(err).to.match(message);
      expect([code, out]).to.deep.equal([2, ""]);
      expect(err).to.not.contain(deployer.privateKey.slice(2));
    }
    expect(existsSync(path())).to.equal(false);
  });

  it("says what it can do", async () => {
    const { code, out, err } = await run(["--help"], {});
    expect([code, err]).to.deep.equal([0, ""]);
    for (const word of [
      "--rpc",
      "--network",
      "--bureau",
      "--claim-term",
      "--out",
      "DEPLOYER_KEY",
      "DEPLOYER_KEY_FILE",
    ])
      expect(out).to.contain(word);
  });

  it("deploys nothing when the record could not be written", async () => {
    const blocked = join(folder, "file");
    writeFileSync(blocked, "");
    // the last --out counts
    await nothingDone(
      await run(args(chain.url, "--out", join(blocked, "below"))),
      /cannot be written/,
    );
    expect(readdirSync(folder)).to.deep.equal(["file"]);
  });
});
