/**
 * The typed messages that parties sign (EIP-712), as contracts/libraries/Messages.sol hashes them.
 *
 * Owns: domain, types, digests, recovering the signer. Does not sign (keys/) and does not send
 * (txs/).
 */

import {
  getAddress,
  recoverAddress,
  Signature,
  TypedDataEncoder,
  type TypedDataField,
} from "ethers";
import { fromHex, toUtf8 } from "#bytes";
import { type ActKind, actKinds, acts } from "./acts.ts";
import { keccak } from "./tree.ts";

/** An account with its checksum, its usual form. Requirement: 0x and 40 hex digits. */
export const checksummed = (account: string): string => getAddress(account.toLowerCase());

/** `name` is the network's own name, so two networks with one chain id share no signatures. */
export type Domain = Readonly<{
  name: string;
  version: "1";
  chainId: number;
  verifyingContract: string;
}>;

type Types = Readonly<Record<string, readonly { name: string; type: string }[]>>;

/** The type of an act: its own fields, its reference, and the invoices at their versions. */
const typesOfAct = (kind: ActKind): Types => ({
  [kind]: [
    ...Object.entries(acts[kind].fields).map(([name, type]) => ({ name, type })),
    { name: "ref", type: "bytes32" },
    { name: "invoices", type: "Invoice[]" },
  ],
  Invoice: [
    { name: "id", type: "uint256" },
    { name: "version", type: "uint16" },
  ],
});

const counted = (...first: [string, string][]) => [
  ...first.map(([name, type]) => ({ name, type })),
  { name: "counter", type: "uint64" },
];

const otherTypes = {
  Seal: {
    Seal: [
      { name: "issuer", type: "uint32" },
      { name: "segment", type: "uint256" },
      { name: "first", type: "uint256" },
      { name: "count", type: "uint256" },
      { name: "root", type: "bytes32" },
    ],
  },
  // not for the chain: shows a gateway that the signer can sign for an account
  Account: { Account: [{ name: "account", type: "address" }] },
  // not for the chain: shows a gateway that the maker of a registration has the account's key
  Register: {
    Register: [
      { name: "account", type: "address" },
      { name: "maker", type: "address" },
    ],
  },
  // not for the chain: the bureau signs the name that a taxpayer bears from a day on
  Name: {
    Name: [
      { name: "account", type: "address" },
      { name: "name", type: "string" },
      { name: "from", type: "string" },
    ],
  },
  RotateKey: { RotateKey: counted(["account", "address"], ["key", "address"]) },
  Draw: { Draw: counted(["index", "uint32"], ["period", "uint32"], ["amount", "uint128"]) },
  GiveBack: { GiveBack: counted(["index", "uint32"], ["period", "uint32"], ["amount", "uint128"]) },
} as const satisfies Record<string, Types>;

export type MessageType = ActKind | keyof typeof otherTypes;
const actTypes = Object.fromEntries(actKinds.map((kind) => [kind, typesOfAct(kind)])) as Record<
  ActKind,
  Types
>;
const types: Readonly<Record<MessageType, Types>> = { ...actTypes, ...otherTypes };
/** Values are JSON: numbers beyond 2^53 as decimal strings. */
export type Message = { type: MessageType; value: Record<string, unknown> };

const encoders = new Map<MessageType, TypedDataEncoder>();
function encoder(type: MessageType): TypedDataEncoder {
  let known = encoders.get(type);
  if (!known) {
    known = TypedDataEncoder.from(types[type] as Record<string, TypedDataField[]>);
    encoders.set(type, known);
  }
  return known;
}

const domains = new WeakMap<Domain, string>();
function domainHash(domain: Domain): string {
  let known = domains.get(domain);
  if (!known) {
    known = TypedDataEncoder.hashDomain(domain);
    domains.set(domain, known);
  }
  return known;
}

/** The digest that a party signs: keccak256(0x1901 ‖ domain ‖ struct). */
export const digest = (domain: Domain, message: Message): string =>
  digestOf(domain, encoder(message.type).hash(message.value));

/** The digest for a struct's hash. */
export const digestOf = (domain: Domain, struct: string): string =>
  keccak(fromHex(`0x1901${domainHash(domain).slice(2)}${struct.slice(2)}`));

/**
 * The message that the parties of an act sign. `to` and `taxpayer` matter where the kind has them.
 */
export function actMessage(
  kind: ActKind,
  act: {
    to?: string;
    taxpayer?: number;
    ref: string;
    invoices: readonly { id: string; version: number }[];
  },
): Message {
  const own = Object.entries(acts[kind].fields).map(([name, type]) => [
    name,
    type === "address" ? act.to : act.taxpayer,
  ]);
  return {
    type: kind,
    value: { ...Object.fromEntries(own), ref: act.ref, invoices: act.invoices },
  };
}

/**
 * How an act's struct is hashed: the hash of its type, the types of the fields before `ref` and
 * `invoices`, the hash of an invoice's type.
 */
export type Layout = { typeHash: string; fields: readonly string[]; invoiceTypeHash: string };
const layouts = new Map<ActKind, Layout>();
export function layoutOf(kind: ActKind): Layout {
  let known = layouts.get(kind);
  if (!known) {
    const hashOf = (name: string) => keccak(toUtf8(encoder(kind).encodeType(name)));
    known = {
      typeHash: hashOf(kind),
      fields: Object.values(acts[kind].fields),
      invoiceTypeHash: hashOf("Invoice"),
    };
    layouts.set(kind, known);
  }
  return known;
}

/** The message as `eth_signTypedData_v4` takes it, for a party that keeps its own key. */
export function typedData(domain: Domain, message: Message) {
  return {
    domain,
    primaryType: message.type,
    types: types[message.type],
    message: message.value,
  };
}

/** A signature in the contracts' form: r, and s with the parity of v in its top bit (EIP-2098). */
export type CompactSignature = { r: string; vs: string };

/**
 * Half of secp256k1's order: a signature can have two values of s, and contracts accept the lower
 * one.
 */
export const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;

/**
 * Reads a 64- or 65-byte signature in 0x-hex; undefined if it is malformed or s is in the upper
 * half.
 */
export function compactSignature(text: string): CompactSignature | undefined {
  try {
    const { r, s, yParityAndS } = Signature.from(text);
    return BigInt(s) > HALF_ORDER ? undefined : { r, vs: yParityAndS };
  } catch {
    return undefined;
  }
}

/**
 * The address whose key signed this digest; undefined if the signature is malformed or s is in the
 * upper half.
 */
export function recoverSigner(digest: string, signature: string): string | undefined {
  const compact = compactSignature(signature);
  if (!compact) return undefined;
  try {
    return recoverAddress(digest, { r: compact.r, yParityAndS: compact.vs });
  } catch {
    return undefined;
  }
}

export const noSignature: CompactSignature = {
  r: `0x${"00".repeat(32)}`,
  vs: `0x${"00".repeat(32)}`,
};
