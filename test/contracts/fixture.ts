/**
 * A network with the contracts deployed as scripts/deploy.ts deploys them, some parties, and short
 * ways to seal and act. Signatures and calldata come from server/chain, so these tests also compare
 * the gateway's encoding with the contracts.
 */

import { type ActKind, actKinds, kindNumber } from "@onepiao/protocol/ledger/acts.ts";
import { EXTERNAL } from "@onepiao/protocol/ledger/external.ts";
import {
  actMessage,
  type CompactSignature,
  compactSignature,
  type Domain,
  digest,
  type Message,
  noSignature,
} from "@onepiao/protocol/ledger/messages.ts";
import { type Leaf, leafHash, lotTree } from "@onepiao/protocol/ledger/tree.ts";
import { expect } from "chai";
import {
  AbiCoder,
  type ContractTransactionReceipt,
  type ContractTransactionResponse,
  keccak256,
  id as keccakText,
  recoverAddress,
  type Signer,
  SigningKey,
  type TransactionReceipt,
  toBeHex,
  Wallet,
  ZeroAddress,
  ZeroHash,
} from "ethers";
import { network } from "hardhat";
import { deploy } from "../../server/chain/deploy.ts";
import type { IInvoiceLedger } from "../../types/ethers-contracts/contracts/InvoiceLedger.ts";
import { InvoiceLedger__factory } from "../../types/ethers-contracts/factories/contracts/InvoiceLedger__factory.ts";
import { TaxpayerRegistry__factory } from "../../types/ethers-contracts/factories/contracts/TaxpayerRegistry__factory.ts";

export const ISSUER = 1;
export const EMPLOYER = 2;
export const KINDS: readonly Kind[] = actKinds;
export type Kind = ActKind;
export const SERIES = 26_442;
/** Where the ledger's storage layout puts the mapping of records. */
const RECORDS_SLOT = 6;

/** A key that is the same at every run. */
export const keyOf = (name: string): Wallet => new Wallet(keccakText(`onepiao test key ${name}`));

export type Party = { name: string; wallet: Wallet; index: number };

/**
 * Runs `prepare` once for a describe block; every test of the block starts from that state of the
 * chain.
 */
export function perTest<T extends { on: Deployed }>(prepare: () => Promise<T>): () => T {
  let state: { world: T; restore: () => Promise<void> } | undefined;
  const known = () => {
    if (!state) throw new Error("the fixture is there inside tests alone");
    return state;
  };
  before(async () => {
    const world = await prepare();
    const snapshot = await world.on.networkHelpers.takeSnapshot();
    state = { world, restore: () => snapshot.restore() };
  });
  beforeEach(() => known().restore());
  return () => known().world;
}

export async function deployed(
  options: { network?: string; chainId?: number; claimTermSeconds?: number } = {},
) {
  const connection = await network.create({
    network: "instant",
    ...(options.chainId === undefined ? {} : { override: { chainId: options.chainId } }),
  });
  const { ethers, networkHelpers } = connection;
  const [bureau, relay] = (await ethers.getSigners()) as unknown as [Signer, Signer];
  const name = options.network ?? "onepiao-test";
  const deployment = await deploy(bureau, {
    network: name,
    bureau: await bureau.getAddress(),
    ...(options.claimTermSeconds === undefined
      ? {}
      : { claimTermSeconds: options.claimTermSeconds }),
  });
  const registry = TaxpayerRegistry__factory.connect(deployment.registry, bureau);
  const ledger = InvoiceLedger__factory.connect(deployment.ledger, relay);
  const base = { name, version: "1" as const, chainId: deployment.chainId };
  const domain: Domain = { ...base, verifyingContract: deployment.ledger };
  const registryDomain: Domain = { ...base, verifyingContract: deployment.registry };
  const sign = (wallet: Wallet, message: Message, on: Domain = domain): CompactSignature => {
    const signed = compactSignature(
      new SigningKey(wallet.privateKey).sign(digest(on, message)).serialized,
    );
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
  return {
    connection,
    ethers,
    networkHelpers,
    bureau,
    relay,
    deployment,
    registry,
    ledger,
    domain,
    registryDomain,
    sign,
    enrol,
    segmentFor,
  };
}
export type Deployed = Awaited<ReturnType<typeof deployed>>;

export type Header = { first: bigint; count: number; issuer: number; time: number; root: string };
export type SealedLot = {
  header: Header;
  leaves: Leaf[];
  tree: ReturnType<typeof lotTree>;
  receipt: TransactionReceipt;
};

/** Lot argument of `seal`, signed by the issuer unless another signer is given. */
export function lotOf(
  on: Deployed,
  issuer: Party,
  segment: bigint,
  first: bigint,
  leaves: Leaf[],
  signer: Wallet = issuer.wallet,
) {
  const hashes = leaves.map(leafHash);
  const root = hashes.length > 0 ? lotTree(hashes).root : ZeroHash;
  const value = {
    issuer: issuer.index,
    segment: segment.toString(),
    first: first.toString(),
    count: hashes.length,
    root,
  };
  return {
    issuer: issuer.index,
    segment,
    first,
    leaves: hashes,
    root,
    seal: on.sign(signer, { type: "Seal", value }),
  };
}

/** Seals the next lot of a segment and returns what proves its invoices. */
export async function sealLot(
  on: Deployed,
  issuer: Party,
  segment: bigint,
  leaves: Leaf[],
): Promise<SealedLot> {
  const first = segment + (await on.ledger.sealedIn(segment));
  const lot = lotOf(on, issuer, segment, first, leaves);
  const receipt = (await (await on.ledger.seal([lot])).wait()) as TransactionReceipt;
  const block = await on.ethers.provider.getBlock(receipt.blockNumber);
  const tree = lotTree(lot.leaves);
  return {
    header: {
      first,
      count: leaves.length,
      issuer: issuer.index,
      time: block?.timestamp ?? 0,
      root: tree.root,
    },
    leaves,
    tree,
    receipt,
  };
}

export const evidenceOf = (lot: SealedLot, position: number) => ({
  lot: lot.header,
  leaf: lot.leaves[position] as Leaf,
  proof: lot.tree.proof(position),
});

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
export function messageOf({
  kind,
  to = ZeroAddress,
  taxpayer = 0,
  ref = ZeroHash,
  invoices,
}: ActInput): Message {
  return actMessage(kind, {
    to,
    taxpayer,
    ref,
    invoices: invoices.map(({ id, version }) => ({ id: id.toString(), version })),
  });
}

/** An id of an invoice issued elsewhere. */
export const externalId = (word: string): bigint => EXTERNAL | (BigInt(keccakText(word)) >> 1n);

/** Act argument of `act`, signed by `by`, and by `consent` if it is there. */
export function actOf(on: Deployed, act: ActInput, by: Wallet, consent?: Wallet) {
  const message = messageOf(act);
  return {
    kind: kindNumber(act.kind),
    to: act.to ?? ZeroAddress,
    taxpayer: act.taxpayer ?? 0,
    ref: act.ref ?? ZeroHash,
    invoices: act.invoices,
    evidence: act.evidence ?? [],
    signature: on.sign(by, message),
    consent: consent ? on.sign(consent, message) : noSignature,
  };
}

/** A leaf whose content is the hash of a word. */
export const leafOf = (word: string, holder: string, buyer = 0): Leaf => ({
  content: keccakText(word),
  holder,
  buyer,
});

/**
 * The ledger's result for one lot or act: the event's name, or the refusal's reason by its error's
 * name.
 */
export type Outcome =
  | { event: string; id: bigint; args: Record<string, unknown> }
  | { refused: string; id: bigint; found: bigint; alarm: boolean; act?: string; kind?: number };

/** All results of the ledger in a transaction, in order. */
export function outcomesOf(on: Deployed, receipt: TransactionReceipt): Outcome[] {
  return receipt.logs.map((log) => {
    expect(log.address).to.equal(on.deployment.ledger);
    const event = on.ledger.interface.parseLog(log);
    if (!event) throw new Error(`unknown log ${log.topics[0]}`);
    const args = event.args.toObject() as Record<string, never>;
    const id: bigint = args["id"] ?? args["first"] ?? 0n;
    if (!event.name.endsWith("Refused")) return { event: event.name, id, args };
    const error = on.ledger.interface.getError(args["reason"] as unknown as string);
    if (!error) throw new Error(`unknown reason ${args["reason"]}`);
    const refusal = { refused: error.name, id, found: args["found"] as unknown as bigint };
    if (event.name === "LotRefused") return { ...refusal, alarm: false };
    return {
      ...refusal,
      alarm: args["alarm"] as unknown as boolean,
      act: args["act"] as unknown as string,
      kind: Number(args["kind"]),
    };
  });
}

export async function mined(
  sent: Promise<ContractTransactionResponse>,
): Promise<ContractTransactionReceipt> {
  const receipt = await (await sent).wait();
  if (!receipt) throw new Error("unreachable: the network mines at once");
  return receipt;
}

/** Sends acts in one transaction and returns the ledger's results. */
export async function tryActs(
  on: Deployed,
  ...acts: IInvoiceLedger.ActStruct[]
): Promise<Outcome[]> {
  return outcomesOf(on, await mined(on.ledger.act(acts)));
}

/** Sends lots in one transaction and returns the ledger's results. */
export async function tryLots(
  on: Deployed,
  ...lots: IInvoiceLedger.LotStruct[]
): Promise<Outcome[]> {
  return outcomesOf(on, await mined(on.ledger.seal(lots)));
}

/** An outcome in a word: the event, or the reason, with `!` behind it when it is an alarm. */
export const inAWord = (o: Outcome): string =>
  "event" in o ? o.event : `${o.refused}${o.alarm ? "!" : ""}`;

export const STATES = ["None", "Issued", "Claimed", "Reimbursed", "Reversed"] as const;
export type State = (typeof STATES)[number];

/** The record in plain values. */
export async function recordOf(on: Deployed, id: bigint) {
  const r = await on.ledger.record(id);
  return {
    holder: r.holder,
    employer: Number(r.employer),
    state: STATES[Number(r.state)] as State,
    titled: r.titled,
    mark: Number(r.mark),
    version: Number(r.version),
    updatedAt: Number(r.updatedAt),
  };
}

/** Puts an invoice at another version, which no test could reach by acting. */
export async function setVersion(on: Deployed, id: bigint, version: number): Promise<void> {
  const slot = AbiCoder.defaultAbiCoder().encode(["uint256", "uint256"], [id, RECORDS_SLOT]);
  const at = keccak256(slot);
  const word = BigInt(await on.ethers.provider.getStorage(on.deployment.ledger, at));
  const changed = (word & ~(0xffffn << 200n)) | (BigInt(version) << 200n);
  await on.networkHelpers.setStorageAt(on.deployment.ledger, at, toBeHex(changed, 32));
  expect((await recordOf(on, id)).version).to.equal(version);
}

/**
 * A signature over `signed` in its two forms, with s just below and just above half of the curve's
 * order, and the key both recover to. Nobody has that key's secret: s is chosen and the key follows
 * from it, because an s from signing is never so near the middle that its upper form fits into the
 * 255 bits of a short signature.
 */
export function bothForms(signed: string): {
  key: string;
  low: CompactSignature;
  high: CompactSignature;
} {
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const { r } = new SigningKey(keyOf("any point of the curve").privateKey).sign(ZeroHash);
  const s = order / 2n;
  const key = recoverAddress(signed, { r, s: toBeHex(s, 32), v: 27 });
  return {
    key,
    low: { r, vs: toBeHex(s, 32) },
    high: { r, vs: toBeHex((order - s) | (1n << 255n), 32) },
  };
}

/**
 * A small consortium with a lot of untitled invoices and one titled to the employer, all held by
 * one person.
 */
export async function consortium(options: Parameters<typeof deployed>[0] = {}) {
  const on = await deployed(options);
  const issuer = await on.enrol("issuer", ISSUER);
  const employer = await on.enrol("employer", EMPLOYER);
  const otherEmployer = await on.enrol("other employer", EMPLOYER);
  const [holder, receiver, stranger] = [keyOf("holder"), keyOf("receiver"), keyOf("stranger")];
  const segment = await on.segmentFor(issuer);
  const untitled = await sealLot(
    on,
    issuer,
    segment,
    Array.from({ length: 60 }, (_, i) => leafOf(`untitled ${i}`, holder.address)),
  );
  const titled = await sealLot(
    on,
    issuer,
    segment,
    Array.from({ length: 3 }, (_, i) => leafOf(`titled ${i}`, holder.address, employer.index)),
  );
  return {
    on,
    issuer,
    employer,
    otherEmployer,
    holder,
    receiver,
    stranger,
    segment,
    untitled,
    titled,
  };
}
export type Consortium = Awaited<ReturnType<typeof consortium>>;

export const idOf = (lot: SealedLot, position: number): bigint =>
  lot.header.first + BigInt(position);

/** Targets and evidence for untouched invoices of a lot. */
export const untouched = (lot: SealedLot, ...positions: number[]) => ({
  invoices: positions.map((at) => ({ id: idOf(lot, at), version: 0 })),
  evidence: positions.map((at) => evidenceOf(lot, at)),
});

/** Sends one act that the ledger must accept, and returns its result. */
export async function take(
  on: Deployed,
  act: ActInput,
  by: Wallet,
  consent?: Wallet,
): Promise<void> {
  const outcomes = await tryActs(on, actOf(on, act, by, consent));
  expect(outcomes.filter((o) => "refused" in o).map(inAWord), `${act.kind} refused`).to.deep.equal(
    [],
  );
}

/** The holder's claim of untitled invoices from an employer, by their positions in the lot. */
export const claim = (c: Consortium, from = c.employer, ...positions: number[]): ActInput => ({
  kind: "Claim",
  taxpayer: from.index,
  ref: REFERENCE,
  ...untouched(c.untitled, ...positions),
});

/** An employer's decision on claimed invoices. */
export const decide = (
  kind: "Reimburse" | "Reject",
  by: { index: number },
  ...invoices: { id: bigint; version: number }[]
): ActInput => ({
  kind,
  taxpayer: by.index,
  ref: REFERENCE,
  invoices,
});

/** A reference by which the parties know an act. */
export const REFERENCE = keccakText("an expense report's id");

/** Reason, invoice or lot, and what was found, of an outcome that must be a refusal. */
export const refusal = (o: Outcome | undefined): readonly [string, bigint, bigint] => {
  if (!o || !("refused" in o)) throw new Error(`taken: ${o && inAWord(o)}`);
  return [o.refused, o.id, o.found];
};
