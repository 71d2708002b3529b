/**
 * Puts the contracts on a chain: AccessManager, registry, ledger, and the bureau's roles from one table.
 *
 * Re-runnable: a deployment that the chain still holds is taken as it is, and only roles that are missing are granted.
 * Owns no files; scripts/deploy.ts reads and writes deployments/<chainId>.json.
 */
import type { BaseContract, ContractTransactionResponse, Provider, Signer } from "ethers";
import { AccessManager__factory } from "../../types/ethers-contracts/factories/@openzeppelin/contracts/access/manager/AccessManager__factory.ts";
import { InvoiceLedger__factory } from "../../types/ethers-contracts/factories/contracts/InvoiceLedger__factory.ts";
import { TaxpayerRegistry__factory } from "../../types/ethers-contracts/factories/contracts/TaxpayerRegistry__factory.ts";

/** What a gateway must know of a network. Addresses have checksums; `block` is where the follower starts. */
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

/** Who may call what. Role 0 is the AccessManager's own ADMIN, held by the deployer until it is handed over. */
const roles = [
  { id: 1n, name: "REGISTRAR", contract: "registry", functions: ["enrol", "setCapabilities", "rotateKey", "allotSegment"] },
  { id: 2n, name: "SUPERVISOR", contract: "registry", functions: ["setStanding", "setQuota"] },
  { id: 3n, name: "GUARD", contract: "ledger", functions: ["setClosed"] },
] as const;

export type DeployOptions = {
  /** A name that no other network uses; it is part of every signature's domain. */
  network: string;
  /** Sending address of the bureau's gateway; it gets every role of the table. */
  bureau: string;
  /** Seconds until a holder may withdraw an undecided claim. Default 30 days. */
  claimTermSeconds?: number;
  /** An earlier result for this chain. */
  known?: Deployment;
  say?: (line: string) => void;
};

/** PUSH0 PUSH0 PUSH0 MCOPY PUSH0 PUSH0 RETURN: fails on a chain older than Cancun. */
const CANCUN_PROBE = "0x5f5f5f5e5f5ff3";

async function checkRules(provider: Provider): Promise<void> {
  try {
    await provider.call({ data: CANCUN_PROBE });
  } catch (cause) {
    throw new Error("This chain does not run Cancun's rules (PUSH0, MCOPY), which the contracts are compiled for. Nothing was deployed.", { cause });
  }
}

/**
 * Deploys what is missing. Throws before sending anything when the chain lacks what the bytecode needs, or when `known` names
 * another chain, network or genesis.
 */
export async function deploy(signer: Signer, options: DeployOptions): Promise<Deployment> {
  const provider = signer.provider;
  if (!provider) throw new Error("The deploying key needs a provider.");
  const say = options.say ?? (() => {});
  const chainId = Number((await provider.getNetwork()).chainId);
  const genesis = (await provider.getBlock(0))?.hash ?? "";
  await checkRules(provider);
  const { known } = options;
  if (known && (known.chainId !== chainId || known.genesis !== genesis || known.network !== options.network)) {
    throw new Error(
      `The recorded deployment is for network "${known.network}", chain ${known.chainId}, genesis ${known.genesis}; this is "${options.network}", chain ${chainId}, genesis ${genesis}. Nothing was deployed.`,
    );
  }
  const block = known?.block ?? (await provider.getBlockNumber());
  const overrides = { gasPrice: 0, type: 0 };
  const place = async (name: string, address: string | undefined, make: () => Promise<BaseContract>): Promise<string> => {
    if (address && (await provider.getCode(address)) !== "0x") {
      say(`${name} is at ${address}`);
      return address;
    }
    const contract = await make();
    await contract.waitForDeployment();
    const placed = await contract.getAddress();
    say(`${name} deployed at ${placed}`);
    return placed;
  };

  const admin = await signer.getAddress();
  const claimTermSeconds = options.claimTermSeconds ?? 30 * 86_400;
  const accessManager = await place("AccessManager", known?.accessManager, () => new AccessManager__factory(signer).deploy(admin, overrides));
  const registry = await place("TaxpayerRegistry", known?.registry, () => new TaxpayerRegistry__factory(signer).deploy(accessManager, options.network, overrides));
  const ledger = await place("InvoiceLedger", known?.ledger, () =>
    new InvoiceLedger__factory(signer).deploy(accessManager, registry, options.network, claimTermSeconds, overrides),
  );

  const manager = AccessManager__factory.connect(accessManager, signer);
  const mined = async (sent: Promise<ContractTransactionResponse>) => (await sent).wait();
  const contracts = {
    registry: { address: registry, interface: TaxpayerRegistry__factory.createInterface() },
    ledger: { address: ledger, interface: InvoiceLedger__factory.createInterface() },
  };
  for (const role of roles) {
    const target = contracts[role.contract];
    const missing: string[] = [];
    for (const name of role.functions) {
      const selector = (target.interface as { getFunction(name: string): { selector: string } | null }).getFunction(name)?.selector;
      if (!selector) throw new Error(`${role.contract} has no function ${name}`);
      if ((await manager.getTargetFunctionRole(target.address, selector)) !== role.id) missing.push(selector);
    }
    if (missing.length > 0) await mined(manager.setTargetFunctionRole(target.address, missing, role.id, overrides));
    const [held] = await manager.hasRole(role.id, options.bureau);
    if (!held) {
      await mined(manager.grantRole(role.id, options.bureau, 0, overrides));
      say(`${role.name} granted to ${options.bureau}`);
    }
  }
  return { chainId, network: options.network, genesis, block, claimTermSeconds, accessManager, registry, ledger };
}
