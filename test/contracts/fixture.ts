/**
 * A network with the contracts deployed as scripts/deploy.ts deploys them, some parties, and short ways to seal and act.
 * What is signed and encoded comes from server/chain, so these tests also hold the gateway's encoding against the contracts.
 */
import { HDNodeWallet, type JsonRpcProvider, type Signer, SigningKey, type TransactionReceipt, Wallet, ZeroAddress, ZeroHash, id as keccakText } from "ethers";
import { network } from "hardhat";
import { deploy } from "../../server/chain/deploy.ts";
import { type CompactSignature, compactSignature, digest, type Domain, type Message, type MessageType, noSignature } from "../../server/chain/messages.ts";
import { type Leaf, leafHash, lotTree } from "../../server/chain/tree.ts";
import { InvoiceLedger__factory } from "../../types/ethers-contracts/factories/contracts/InvoiceLedger__factory.ts";
import { TaxpayerRegistry__factory } from "../../types/ethers-contracts/factories/contracts/TaxpayerRegistry__factory.ts";

export const ISSUER = 1;
export const EMPLOYER = 2;
export const KINDS = { Transfer: 0, Claim: 1, Withdraw: 2, Reimburse: 3, Reject: 4, Reverse: 5 } as const;
export type Kind = keyof typeof KINDS;
export const SERIES = 26_442;

/** A key that is the same at every run. */
export const keyOf = (name: string): Wallet => new Wallet(keccakText(`onepiao test key ${name}`));

export type Party = { name: string; wallet: Wallet; index: number };

export async function deployed(options: { network?: string; claimTermSeconds?: number } = {}) {
  const connection = await network.create("instant");
  const { ethers, networkHelpers } = connection;
  const [bureau, relay] = (await ethers.getSigners()) as unknown as [Signer, Signer];
  const name = options.network ?? "onepiao-test";
  const deployment = await deploy(bureau, {
    network: name,
    bureau: await bureau.getAddress(),
    ...(options.claimTermSeconds === undefined ? {} : { claimTermSeconds: options.claimTermSeconds }),
  });
  const registry = TaxpayerRegistry__factory.connect(deployment.registry, bureau);
  const ledger = InvoiceLedger__factory.connect(deployment.ledger, relay);
  const base = { name, version: "1" as const, chainId: deployment.chainId };
  const domain: Domain = { ...base, verifyingContract: deployment.ledger };
  const registryDomain: Domain = { ...base, verifyingContract: deployment.registry };
  const sign = (wallet: Wallet, message: Message, on: Domain = domain): CompactSignature => {
    const signed = compactSignature(new SigningKey(wallet.privateKey).sign(digest(on, message)).serialized);
    if (!signed) throw new Error("unreachable: a fresh signature is well-formed");
    return signed;
  };

  async function enrol(name: string, capabilities = ISSUER | EMPLOYER): Promise<Party> {
    const wallet = keyOf(name);
    await (await registry.enrol(wallet.address, keccakText(name), capabilities)).wait();
    return { name, wallet, index: Number(await registry.indexOf(wallet.address)) };
  }
  async function segmentFor(issuer: Party, length = 1_000_000n, series = SERIES): Promise<bigint> {
    const first = await registry.allotSegment.staticCall(issuer.index, series, length);
    await (await registry.allotSegment(issuer.index, series, length)).wait();
    return first;
  }
  return { connection, ethers, networkHelpers, bureau, relay, deployment, registry, ledger, domain, registryDomain, sign, enrol, segmentFor };
}
export type Deployed = Awaited<ReturnType<typeof deployed>>;

export type Header = { first: bigint; count: number; issuer: number; time: number; root: string };
export type SealedLot = { header: Header; leaves: Leaf[]; tree: ReturnType<typeof lotTree>; receipt: TransactionReceipt };

/** Lot argument of `seal`, signed by the issuer unless another signer is given. */
export function lotOf(on: Deployed, issuer: Party, segment: bigint, first: bigint, leaves: Leaf[], signer: Wallet = issuer.wallet) {
  const hashes = leaves.map(leafHash);
  const root = hashes.length > 0 ? lotTree(hashes).root : ZeroHash;
  const value = { issuer: issuer.index, segment: segment.toString(), first: first.toString(), count: hashes.length, root };
  return { issuer: issuer.index, segment, first, leaves: hashes, seal: on.sign(signer, { type: "Seal", value }) };
}

/** Seals the next lot of a segment and returns what proves its invoices. */
export async function sealLot(on: Deployed, issuer: Party, segment: bigint, leaves: Leaf[]): Promise<SealedLot> {
  const first = segment + (await on.ledger.sealedIn(segment));
  const lot = lotOf(on, issuer, segment, first, leaves);
  const receipt = (await (await on.ledger.seal([lot])).wait()) as TransactionReceipt;
  const block = await on.ethers.provider.getBlock(receipt.blockNumber);
  const tree = lotTree(lot.leaves);
  return { header: { first, count: leaves.length, issuer: issuer.index, time: block?.timestamp ?? 0, root: tree.root }, leaves, tree, receipt };
}

export const evidenceOf = (lot: SealedLot, position: number) => ({ lot: lot.header, leaf: lot.leaves[position] as Leaf, proof: lot.tree.proof(position) });

export type Target = { id: bigint; version: number };
export type ActInput = {
  kind: Kind;
  to?: string;
  taxpayer?: number;
  ref?: string;
  invoices: Target[];
  evidence?: ReturnType<typeof evidenceOf>[];
};

/** The message that an act's parties sign. */
export function messageOf(act: ActInput): Message {
  const value: Record<string, unknown> = { ref: act.ref ?? ZeroHash, invoices: act.invoices.map((i) => ({ id: i.id.toString(), version: i.version })) };
  if (act.kind === "Transfer") value["to"] = act.to ?? ZeroAddress;
  else if (act.kind === "Reverse") value["issuer"] = act.taxpayer ?? 0;
  else if (act.kind !== "Withdraw") value["employer"] = act.taxpayer ?? 0;
  return { type: act.kind satisfies MessageType, value };
}

/** Act argument of `act`, signed by `by`, and by `consent` where one is given. */
export function actOf(on: Deployed, act: ActInput, by: Wallet, consent?: Wallet) {
  const message = messageOf(act);
  return {
    kind: KINDS[act.kind],
    to: act.to ?? ZeroAddress,
    taxpayer: act.taxpayer ?? 0,
    ref: act.ref ?? ZeroHash,
    invoices: act.invoices,
    evidence: act.evidence ?? [],
    signature: on.sign(by, message),
    consent: consent ? on.sign(consent, message) : noSignature,
  };
}
