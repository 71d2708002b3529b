/**
 * A proof that fits into a QR code: a bundle that shows kind, date, currency, seller and total, in
 * as few characters as possible.
 *
 * The proof needs no signature of its own: the issuer's seal over the lot is the signature, and
 * path and digests lead to it. Whatever follows from the rest is left out (root, content hash,
 * digests of shown parts) and computed again on reading, so that any alteration shows in the seal:
 * it recovers to another key. The characters are those that a QR code packs into 5½ bits and that a
 * link carries without escaping: base 41, three for two bytes, like base 45 (RFC 9285) without the
 * four that a link would have to escape.
 *
 * Invariants: `decodeProof(encodeProof(b))` is `b`; `decodeProof` never throws. Does not own: the
 * check (bundle.ts).
 */
import { fromHex, toHex, toUtf8 } from "#bytes";
import { canonicalJson } from "../formats/document.ts";
import { checksummed, digest, recoverSigner } from "../ledger/messages.ts";
import { leafHash, rootFrom } from "../ledger/tree.ts";
import { type Bundle, bundleFormat, bundleSchema, ledgerDomain } from "./bundle.ts";
import { contentShown, digestShown, type PartName, partNames, type ShownPart } from "./parts.ts";

/** The parts that a signed QR code shows. Kind and currency take less room shown than hidden. */
export const qrParts: readonly PartName[] = ["kind", "date", "currency", "seller", "total"];

const VERSION = 1;
const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*-./:";
const values = new Map([...alphabet].map((character, value) => [character, value]));

function toText(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 2) {
    const [high = 0, low] = [bytes[at], bytes[at + 1]];
    const value = low === undefined ? high : high * 256 + low;
    text += alphabet[value % 41];
    text += alphabet[Math.floor(value / 41) % 41];
    if (low !== undefined) text += alphabet[Math.floor(value / 1681)];
  }
  return text;
}

function toBytes(text: string): Uint8Array | undefined {
  if (text.length % 3 === 1) return undefined;
  const bytes: number[] = [];
  for (let at = 0; at < text.length; at += 3) {
    const group = [...text.slice(at, at + 3)].map((character) => values.get(character));
    if (group.some((value) => value === undefined)) return undefined;
    const [a = 0, b = 0, c] = group as number[];
    const value = a + 41 * b + 1681 * (c ?? 0);
    if (value > (c === undefined ? 0xff : 0xffff)) return undefined;
    if (c === undefined) bytes.push(value);
    else bytes.push(value >> 8, value & 0xff);
  }
  return Uint8Array.from(bytes);
}

function createWriter() {
  const written: number[] = [];
  const writer = {
    hex: (text: string) => void written.push(...fromHex(text)),
    /** Seven bits a byte, the low ones first. */
    number(value: bigint | number): void {
      let rest = BigInt(value);
      do {
        written.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
        rest >>= 7n;
      } while (rest > 0n);
    },
    text(text: string): void {
      const bytes = toUtf8(text);
      writer.number(bytes.length);
      written.push(...bytes);
    },
    bytes: () => Uint8Array.from(written),
  };
  return writer;
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
/** Reads a writer's output. Throws RangeError at the end, and for a malformed number. */
function createReader(bytes: Uint8Array) {
  let at = 0;
  const take = (length: number): Uint8Array => {
    if (length > bytes.length - at) throw new RangeError("it ends before it should");
    at += length;
    return bytes.subarray(at - length, at);
  };
  const big = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 80n; shift += 7n) {
      const [byte = 0] = take(1);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError("a number does not end");
  };
  const reader = {
    big,
    number: () => Number(big()),
    hex: (length: number) => toHex(take(length)),
    text: () => utf8.decode(take(reader.number())),
    ended: () => at === bytes.length,
  };
  return reader;
}

const signerOf = ({ network, lot, seal }: Pick<Bundle, "network" | "lot" | "seal">): string => {
  const value = {
    issuer: lot.issuer,
    segment: lot.segment,
    first: lot.first,
    count: lot.count,
    root: lot.root,
  };
  return (
    recoverSigner(
      digest(ledgerDomain({ network }), { type: "Seal", value }),
      `${seal.r}${seal.vs.slice(2)}`,
    ) ?? ""
  );
};

/**
 * A proof in characters of `alphabet`. Requirement: a bundle that holds. Of its parties, only the
 * seller is kept.
 */
export function encodeProof(bundle: Bundle): string {
  const { network, lot, leaf, seal, path, parts, digests, parties } = bundle;
  const out = createWriter();
  out.number(VERSION);
  out.text(network.name);
  out.number(network.chainId);
  out.hex(network.registry);
  out.hex(network.ledger);
  out.number(BigInt(bundle.number));
  out.number(BigInt(bundle.number) - BigInt(lot.first));
  out.number(BigInt(lot.first) - BigInt(lot.segment));
  out.number(lot.count);
  out.number(lot.issuer);
  out.number(lot.time);
  out.hex(leaf.holder);
  out.number(leaf.buyer);
  out.hex(seal.r);
  out.hex(seal.vs);
  out.number(path.length);
  for (const step of path) out.hex(step);
  out.number(
    partNames.reduce((mask, name, i) => mask | (parts[name] === undefined ? 0 : 1 << i), 0),
  );
  for (const [i, name] of partNames.entries()) {
    const part = parts[name];
    if (part === undefined) out.hex(digests[i] ?? "");
    else {
      out.hex(part.salt);
      out.text(part.value === undefined ? "" : canonicalJson(part.value));
    }
  }
  const seller = parties.find(({ index }) => index === lot.issuer);
  if (seller === undefined) out.number(0);
  else {
    const stated = parts.seller?.value as { taxId?: unknown; name?: unknown } | undefined;
    // a value that the part has, or that follows from the seal, is left out here
    const [account, taxId, name] = [
      seller.account === signerOf(bundle),
      seller.taxId === stated?.taxId,
      seller.name === stated?.name,
    ];
    out.number(1 + (account ? 2 : 0) + (taxId ? 4 : 0) + (name ? 8 : 0) + (seller.named ? 16 : 0));
    out.hex(`0x${seller.salt}`);
    if (!account) out.hex(seller.account);
    if (!taxId) out.text(seller.taxId);
    if (!name) out.text(seller.name);
    if (seller.named) {
      out.text(seller.named.name);
      out.text(seller.named.from);
      out.hex(seller.named.signature.r);
      out.hex(seller.named.signature.vs);
    }
  }
  return toText(out.bytes());
}

function read(bytes: Uint8Array): unknown {
  const from = createReader(bytes);
  if (from.number() !== VERSION) return undefined;
  const network = {
    name: from.text(),
    chainId: from.number(),
    registry: checksummed(from.hex(20)),
    ledger: checksummed(from.hex(20)),
  };
  const number = from.big();
  const position = from.big();
  const first = number - position;
  const segment = first - from.big();
  const decimal = (value: bigint) => value.toString().padStart(20, "0");
  const [count, issuer, time] = [from.number(), from.number(), from.number()];
  const [holder, buyer] = [checksummed(from.hex(20)), from.number()];
  const seal = { r: from.hex(32), vs: from.hex(32) };
  const path = Array.from({ length: atMost(from.number(), 10) }, () => from.hex(32));
  const mask = from.number();
  const digests: string[] = [];
  const parts: { [name in PartName]?: ShownPart } = {};
  for (const [i, name] of partNames.entries()) {
    if ((mask & (1 << i)) === 0) digests.push(from.hex(32));
    else {
      const [salt, text] = [from.hex(16), from.text()];
      parts[name] = { salt, ...(text === "" ? {} : { value: JSON.parse(text) as unknown }) };
      digests.push(digestShown(name, parts[name]));
    }
  }
  const { content } = contentShown({ digests, parts });
  const leaf = { content, holder, buyer };
  const root = rootFrom(path, Number(position), count, leafHash(leaf));
  if (root === undefined) return undefined;
  const lot = { first: decimal(first), count, issuer, time, root, segment: decimal(segment) };
  const flags = from.number();
  const parties: unknown[] = [];
  if ((flags & 1) !== 0) {
    const stated = parts.seller?.value as { taxId?: unknown; name?: unknown } | undefined;
    const salt = from.hex(32).slice(2);
    const account =
      (flags & 2) !== 0 ? signerOf({ network, lot, seal }) : checksummed(from.hex(20));
    const taxId = (flags & 4) !== 0 ? stated?.taxId : from.text();
    const name = (flags & 8) !== 0 ? stated?.name : from.text();
    const later = () => ({
      name: from.text(),
      from: from.text(),
      signature: { r: from.hex(32), vs: from.hex(32) },
    });
    parties.push({
      index: issuer,
      account,
      taxId,
      name,
      salt,
      ...((flags & 16) === 0 ? {} : { named: later() }),
    });
  }
  return from.ended()
    ? {
        format: bundleFormat,
        network,
        number: decimal(number),
        parts,
        digests,
        leaf,
        lot,
        path,
        seal,
        parties,
      }
    : undefined;
}

function atMost(value: number, most: number): number {
  if (value > most) throw new RangeError("longer than any");
  return value;
}

/**
 * The bundle of a proof; undefined if the text is not a proof. `checkBundle` decides whether it
 * holds.
 */
export function decodeProof(text: string): Bundle | undefined {
  const bytes = text.length > 4_000 ? undefined : toBytes(text);
  if (bytes === undefined) return undefined;
  try {
    const parsed = bundleSchema.safeParse(read(bytes));
    return parsed.success ? (parsed.data as Bundle) : undefined;
  } catch {
    return undefined;
  }
}
