/**
 * Puts the contracts on a chain: AccessManager, registry, ledger, and the bureau's roles from one
 * table.
 *
 * It can run again: it keeps a deployment that the chain still holds, and grants only the missing
 * roles. It reads back the contracts' construction arguments (network name, claim term, each
 * other's addresses), so it refuses a record that does not describe the chain before it sends
 * anything. An interrupted run leaves contracts that no record names, and the next run starts over.
 * Owns no files; scripts/deploy.ts reads and writes deployments/<chainId>.json.
 */

import { networkNameSchema } from "@onepiao/protocol/values/shapes.ts";
import {
  type BaseContract,
  type ContractTransactionResponse,
  getAddress,
  isAddress,
  JsonRpcProvider,
  NonceManager,
  type Provider,
  type Signer,
  Wallet,
} from "ethers";
import { AccessManager__factory } from "../../types/ethers-contracts/factories/@openzeppelin/contracts/access/manager/AccessManager__factory.ts";
import { InvoiceLedger__factory } from "../../types/ethers-contracts/factories/contracts/InvoiceLedger__factory.ts";
import { TaxpayerRegistry__factory } from "../../types/ethers-contracts/factories/contracts/TaxpayerRegistry__factory.ts";

/**
 * The facts about a network that a gateway needs. Addresses have checksums; the follower starts at
 * `block`.
 */
export type Deployment = {
  chainId: number;
  network: string;
  genesis: string;
  block: number;
  claimTermSeconds: number;
  accessManager: string;
  registry: string;
  ledger: string;
};

/**
 * Which role may call which function. Role 0 is the AccessManager's own ADMIN, which the deployer
 * has until it hands it over.
 */
const roles = [
  {
    id: 1n,
    name: "REGISTRAR",
    contract: "registry",
    functions: ["enrol", "setCapabilities", "rotateKey", "allotSegment"],
  },
  { id: 2n, name: "SUPERVISOR", contract: "registry", functions: ["setStanding", "setQuota"] },
  { id: 3n, name: "GUARD", contract: "ledger", functions: ["setClosed"] },
] as const;

export type DeployOptions = {
  /** A name that no other network uses; every signature's domain contains it. */
  network: string;
  /** The sending address of the bureau's gateway; it gets every role of the table. */
  bureau: string;
  /** Seconds until a holder may withdraw an undecided claim. Default 30 days. */
  claimTermSeconds?: number;
  /** An earlier result for this chain. */
  known?: Deployment;
  say?: (line: string) => void;
};

/** PUSH0 PUSH0 PUSH0 MCOPY PUSH0 PUSH0 RETURN: fails on a chain older than Cancun. */
const CANCUN_PROBE = "0x5f5f5f5e5f5ff3";
const DEFAULT_CLAIM_TERM = 30 * 86_400;
const MINED_WITHIN_MS = 120_000;
const NOTHING = "Nothing was deployed.";

/** The chain id of the node. Throws if no node answers within ten seconds. */
export async function chainIdAt(url: string): Promise<number> {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_chainId", params: [] });
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
      signal: AbortSignal.timeout(10_000),
    });
    const { result } = (await response.json()) as { result?: unknown };
    if (typeof result !== "string" || !/^0x[0-9a-f]+$/i.test(result))
      throw new Error("no chain id in the answer");
    return Number(result);
  } catch (cause) {
    throw new Error(`No node answers at ${new URL(url).origin}. ${NOTHING}`, { cause });
  }
}

/**
 * The same as `deploy`, through a node's URL with a key in hex.
 * @throws the errors of `deploy`, and if no node is at the URL, or the key is invalid (the message
 * does not repeat it).
 */
export async function deployAt(
  url: string,
  key: string,
  options: DeployOptions,
): Promise<Deployment> {
  if (!/^(0x)?[0-9a-f]{64}$/i.test(key))
    throw new Error(`The deploying key is not 32 bytes in hex. ${NOTHING}`);
  const chainId = await chainIdAt(url);
  const provider = new JsonRpcProvider(url, chainId, {
    staticNetwork: true,
    pollingInterval: 250,
    cacheTimeout: -1,
  });
  try {
    return await deploy(new NonceManager(new Wallet(key, provider)), options);
  } finally {
    provider.destroy();
  }
}

async function checkRules(provider: Provider): Promise<void> {
  try {
    await provider.call({ data: CANCUN_PROBE });
  } catch (cause) {
    throw new Error(
      "This chain does not run Cancun's rules (PUSH0, MCOPY), which the contracts are " +
        `compiled for. ${NOTHING}`,
      { cause },
    );
  }
  const baseFee = (await provider.getBlock("latest"))?.baseFeePerGas ?? 0n;
  if (baseFee > 0n)
    throw new Error(
      `This chain charges for gas (base fee ${baseFee} wei); OnePiao sends at a gas price of ` +
        `zero. ${NOTHING}`,
    );
}

/** Which of the recorded contracts exist. Throws if one of them differs from the record. */
async function stillThere(
  provider: Provider,
  known: Deployment,
): Promise<{ accessManager: boolean; registry: boolean; ledger: boolean }> {
  const has = async (address: string) => (await provider.getCode(address)) !== "0x";
  const accessManager = await has(known.accessManager);
  // a contract is useless without its foundation: authority and registry are fixed in its
  // constructor
  const registry = accessManager && (await has(known.registry));
  const ledger = registry && (await has(known.ledger));
  const differs = (label: string) =>
    new Error(`The recorded deployment does not describe this chain: ${label}. ${NOTHING}`);
  const expectSame = async (label: string, actual: Promise<unknown>, expected: unknown) => {
    const value = await actual.catch(() => undefined);
    if (value !== expected) throw differs(`${label} is ${String(value)}, not ${String(expected)}`);
  };
  if (registry) {
    const contract = TaxpayerRegistry__factory.connect(known.registry, provider);
    await expectSame("the registry's authority", contract.authority(), known.accessManager);
    await expectSame(
      "the registry's network",
      contract.eip712Domain().then((d) => d.name),
      known.network,
    );
  }
  if (ledger) {
    const contract = InvoiceLedger__factory.connect(known.ledger, provider);
    await expectSame("the ledger's authority", contract.authority(), known.accessManager);
    await expectSame("the ledger's registry", contract.registry(), known.registry);
    await expectSame(
      "the ledger's network",
      contract.eip712Domain().then((d) => d.name),
      known.network,
    );
    await expectSame(
      "the ledger's claim term",
      contract.claimTerm(),
      BigInt(known.claimTermSeconds),
    );
  }
  return { accessManager, registry, ledger };
}

/**
 * Deploys what is missing. Throws before it sends anything if the options are invalid, if the chain
 * lacks what the bytecode needs, or if `known` describes another chain, network, genesis, claim
 * term or set of contracts.
 */
export async function deploy(signer: Signer, options: DeployOptions): Promise<Deployment> {
  const provider = signer.provider;
  if (!provider) throw new Error("The deploying key needs a provider.");
  const say = options.say ?? (() => {});
  if (!isAddress(options.bureau))
    throw new Error(`The bureau's address is not an address: ${options.bureau}. ${NOTHING}`);
  const bureau = getAddress(options.bureau);
  if (!networkNameSchema.safeParse(options.network).success)
    throw new Error(
      "A network's name has 1 to 31 letters, digits, blanks and signs of . _ -; the first is " +
        `a letter or digit. ${NOTHING}`,
    );
  const { known } = options;
  const claimTermSeconds =
    options.claimTermSeconds ?? known?.claimTermSeconds ?? DEFAULT_CLAIM_TERM;
  if (
    !Number.isInteger(claimTermSeconds) ||
    claimTermSeconds < 3600 ||
    claimTermSeconds > 365 * 86_400
  ) {
    throw new Error(
      `A claim term is 3600 (an hour) to 31536000 (a year) whole seconds. ${NOTHING}`,
    );
  }
  const chainId = Number((await provider.getNetwork()).chainId);
  const genesis = (await provider.getBlock(0))?.hash ?? "";
  await checkRules(provider);
  if (
    known &&
    (known.chainId !== chainId || known.genesis !== genesis || known.network !== options.network)
  ) {
    throw new Error(
      `The recorded deployment is for network "${known.network}", chain ${known.chainId}, ` +
        `genesis ${known.genesis}; this is "${options.network}", chain ${chainId}, genesis ` +
        `${genesis}. ${NOTHING}`,
    );
  }
  if (known && known.claimTermSeconds !== claimTermSeconds) {
    throw new Error(
      `The recorded ledger has a claim term of ${known.claimTermSeconds} s, which is fixed; ` +
        `${claimTermSeconds} s was asked for. ${NOTHING}`,
    );
  }
  const kept = known ? await stillThere(provider, known) : undefined;
  const block = known && kept?.ledger ? known.block : await provider.getBlockNumber();

  const overrides = { gasPrice: 0, type: 0 };
  const place = async (
    name: string,
    address: string | undefined,
    make: () => Promise<BaseContract>,
  ): Promise<string> => {
    if (address !== undefined) {
      say(`${name} is at ${address}`);
      return address;
    }
    const contract = await make();
    await contract.deploymentTransaction()?.wait(1, MINED_WITHIN_MS);
    const placed = await contract.getAddress();
    say(`${name} deployed at ${placed}`);
    return placed;
  };
  const admin = await signer.getAddress();
  const accessManager = await place(
    "AccessManager",
    kept?.accessManager ? known?.accessManager : undefined,
    () => new AccessManager__factory(signer).deploy(admin, overrides),
  );
  const registry = await place(
    "TaxpayerRegistry",
    kept?.registry ? known?.registry : undefined,
    () => new TaxpayerRegistry__factory(signer).deploy(accessManager, options.network, overrides),
  );
  const ledger = await place("InvoiceLedger", kept?.ledger ? known?.ledger : undefined, () =>
    new InvoiceLedger__factory(signer).deploy(
      accessManager,
      registry,
      options.network,
      claimTermSeconds,
      overrides,
    ),
  );

  const manager = AccessManager__factory.connect(accessManager, signer);
  // sent one after another, in the order of their nonces, and awaited together
  const mined: Promise<unknown>[] = [];
  const send = async (sent: Promise<ContractTransactionResponse>, done = () => {}) => {
    const receipt = (await sent).wait(1, MINED_WITHIN_MS).then(done);
    // thrown below, with the others
    receipt.catch(() => {});
    mined.push(receipt);
  };
  const contracts = {
    registry: { address: registry, interface: TaxpayerRegistry__factory.createInterface() },
    ledger: { address: ledger, interface: InvoiceLedger__factory.createInterface() },
  };
  for (const role of roles) {
    const target = contracts[role.contract];
    const missing: string[] = [];
    for (const name of role.functions) {
      const selector = (
        target.interface as { getFunction(name: string): { selector: string } | null }
      ).getFunction(name)?.selector;
      if (!selector) throw new Error(`${role.contract} has no function ${name}`);
      if ((await manager.getTargetFunctionRole(target.address, selector)) !== role.id)
        missing.push(selector);
    }
    if (missing.length > 0)
      await send(manager.setTargetFunctionRole(target.address, missing, role.id, overrides));
    const [held] = await manager.hasRole(role.id, bureau);
    if (!held)
      await send(manager.grantRole(role.id, bureau, 0, overrides), () =>
        say(`${role.name} granted to ${bureau}`),
      );
  }
  await Promise.all(mined);
  return {
    chainId,
    network: options.network,
    genesis,
    block,
    claimTermSeconds,
    accessManager,
    registry,
    ledger,
  };
}
