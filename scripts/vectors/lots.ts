/**
 * Sealing what a bundle's vectors are made of: documents cut into parts, or parts that no document
 * has, in a lot of an issuer that keeps its own key. Nothing here checks what it seals: that is the
 * point of it.
 */

import { type CompactSignature, digest } from "@onepiao/protocol/ledger/messages.ts";
import { headerHash, keccak, leafHash, lotTree } from "@onepiao/protocol/ledger/tree.ts";
import {
  type Bundle,
  bundleFormat,
  type Identity,
  ledgerDomain,
} from "@onepiao/protocol/proofs/bundle.ts";
import {
  contentShown,
  digestShown,
  type Parts,
  partNames,
  type ShownPart,
} from "@onepiao/protocol/proofs/parts.ts";

/**
 * Where the vectors are sealed, and by whom. `first`: the first free number of the issuer's
 * segment; `holder`: who holds the invoices.
 */
export type World = {
  network: Bundle["network"];
  segment: string;
  first: string;
  holder: string;
  issuer: Identity;
  /** Another issuer, whose name is borrowed. */
  victim: Identity;
  /** The titled buyer, and another. */
  buyer: Identity;
  other: Identity;
  /** Signs 32 bytes in 0x-hex with the issuer's key. */
  sign(digest: string): CompactSignature;
};

/** What a leaf commits to. `parts`: of a part that is undefined the document has none. */
export type Content = { name: string; parts: Parts; holder: string; buyer: number };

export type Lot = {
  first: string;
  leaves: string[];
  seal: CompactSignature;
  /** The whole bundles by the contents' names, once the time of the lot's block is known. */
  bundles(time: number): Record<string, Bundle>;
  /** What the ledger keeps of it. */
  hash(time: number): string;
};

const saltOf = (name: string, part: string) =>
  keccak(Buffer.from(`onepiao vectors: salt of ${name}/${part}`)).slice(0, 34);

/** Seals contents as one lot that begins with the number `first`. */
export function sealLot(world: World, first: string, contents: readonly Content[]): Lot {
  const { network, segment, issuer, buyer, other } = world;
  const shown = contents.map(({ name, parts, holder, buyer: titled }) => {
    const disclosed = Object.fromEntries(
      partNames.map((part): [string, ShownPart] => {
        const value = parts[part];
        return [part, { salt: saltOf(name, part), ...(value === undefined ? {} : { value }) }];
      }),
    );
    const digests = partNames.map((part) => digestShown(part, disclosed[part] as ShownPart));
    const { content } = contentShown({ digests, parts: disclosed });
    return { parts: disclosed, digests, leaf: { content, holder, buyer: titled } };
  });
  const leaves = shown.map(({ leaf }) => leafHash(leaf));
  const { root, proof } = lotTree(leaves);
  const value = { issuer: issuer.index, segment, first, count: contents.length, root };
  const seal = world.sign(digest(ledgerDomain({ network }), { type: "Seal", value }));
  const lotAt = (time: number) => ({
    first,
    count: contents.length,
    issuer: issuer.index,
    time,
    root,
    segment,
  });
  const bundle = (place: number, time: number): Bundle => {
    const { leaf, ...disclosed } = shown[place] as (typeof shown)[number];
    const titled = [issuer, buyer, other].find(({ index }) => index === leaf.buyer);
    return {
      format: bundleFormat,
      network,
      number: (BigInt(first) + BigInt(place)).toString(),
      ...disclosed,
      leaf,
      lot: lotAt(time),
      path: proof(place),
      seal,
      parties: [issuer, ...(titled && titled !== issuer ? [titled] : [])],
    };
  };
  return {
    first,
    leaves,
    seal,
    bundles: (time) =>
      Object.fromEntries(contents.map(({ name }, place) => [name, bundle(place, time)])),
    hash: (time) => headerHash(lotAt(time)),
  };
}
