/**
 * Three computations of one tree: the contract's (level by level, in calldata order), the gateway's
 * (the same, keeping levels), and the recursive definition of RFC 9162 §2.1 written down below word
 * for word. A lot's root is what `LotSealed` says; a path is checked by `proves`, the ledger's own
 * check of evidence.
 */

import { leafHash, lotTree, rootFrom } from "@onepiao/protocol/ledger/tree.ts";
import { expect } from "chai";
import { concat, keccak256, ZeroHash } from "ethers";
import {
  type Deployed,
  deployed,
  keyOf,
  leafOf,
  lotOf,
  mined,
  outcomesOf,
  type Party,
  perTest,
  type SealedLot,
  sealLot,
  tryLots,
} from "./fixture.ts";

const holder = keyOf("holder").address;
const leavesOf = (size: number) =>
  Array.from({ length: size }, (_, i) => leafOf(`tree leaf ${i}`, holder));

// ── RFC 9162 §2.1.1 and §2.1.3.1, as they are written ────────────────────────────────────────────

/** The largest power of two smaller than n. */
function split(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}
function naiveLeaf(leaf: { content: string; holder: string; buyer: number }): string {
  return keccak256(
    concat(["0x00", leaf.content, leaf.holder, `0x${leaf.buyer.toString(16).padStart(8, "0")}`]),
  );
}
/** Roots and paths over `hashes`, by the recursive definition; each subtree is computed once. */
function naiveTree(hashes: string[]) {
  const known = new Map<string, string>();
  const root = (from: number, to: number): string => {
    const key = `${from}-${to}`;
    const k = split(to - from);
    const result =
      known.get(key) ??
      (to - from === 1
        ? (hashes[from] as string)
        : keccak256(concat(["0x01", root(from, from + k), root(from + k, to)])));
    known.set(key, result);
    return result;
  };
  const path = (m: number, from: number, to: number): string[] => {
    if (to - from === 1) return [];
    const k = split(to - from);
    return m < k
      ? [...path(m, from, from + k), root(from + k, to)]
      : [...path(m - k, from + k, to), root(from, from + k)];
  };
  return { root: root(0, hashes.length), path: (m: number) => path(m, 0, hashes.length) };
}
const naiveRoot = (hashes: string[]): string => naiveTree(hashes).root;
const naivePath = (hashes: string[], m: number): string[] => naiveTree(hashes).path(m);

const sizes = [...Array.from({ length: 70 }, (_, i) => i + 1), 100, 1000, 1024];

const positionsOf = (size: number): number[] =>
  size <= 70
    ? Array.from({ length: size }, (_, i) => i)
    : [0, 1, 63, 64, size >> 1, size - 2, size - 1];

describe("the lot tree", () => {
  const fixture = perTest(async () => {
    const on = await deployed();
    const issuer = await on.enrol("issuer");
    return { on, issuer, segment: await on.segmentFor(issuer) };
  });

  const evidence = (
    lot: SealedLot,
    position: number,
    proof: string[] = lot.tree.proof(position),
  ) => ({
    lot: lot.header,
    leaf: lot.leaves[position] as SealedLot["leaves"][number],
    proof,
  });

  it("hashes a leaf as its 57 bytes behind a zero byte", () => {
    for (const leaf of [
      leafOf("a", holder),
      leafOf("b", holder, 7),
      leafOf("c", `0x${"00".repeat(20)}`, 0xffffffff),
    ]) {
      expect(leafHash(leaf)).to.equal(naiveLeaf(leaf));
    }
  });

  it("has the root of RFC 9162 at every size from 1 to 70, and at 100, 1000 and 1024, in contract and gateway alike", async () => {
    const { on, issuer, segment } = fixture();
    for (const size of sizes) {
      const hashes = leavesOf(size).map(naiveLeaf);
      const expected = naiveRoot(hashes);
      expect(lotTree(hashes).root, `gateway, ${size}`).to.equal(expected);
      const { header, receipt } = await sealLot(on, issuer, segment, leavesOf(size));
      const [sealed] = outcomesOf(on, receipt);
      expect(sealed && "args" in sealed && sealed.args["root"], `contract, ${size}`).to.equal(
        expected,
      );
      expect(header.root).to.equal(expected);
    }
  });

  it("proves every leaf by the RFC's path, which leads to the root for that position alone", () => {
    for (const size of sizes) {
      const hashes = leavesOf(size).map(naiveLeaf);
      const tree = lotTree(hashes);
      const naive = naiveTree(hashes);
      for (const at of positionsOf(size)) {
        const path = tree.proof(at);
        expect(path, `${at} of ${size}`).to.deep.equal(naive.path(at));
        expect(rootFrom(path, at, size, hashes[at] as string), `${at} of ${size}`).to.equal(
          tree.root,
        );
        for (const other of size <= 20 ? positionsOf(size) : [at ^ 1, at - 1, 0, size - 1]) {
          if (other !== at && other >= 0)
            expect(
              rootFrom(path, other, size, hashes[at] as string),
              `${at} as ${other} of ${size}`,
            ).to.not.equal(tree.root);
        }
      }
    }
  });

  for (const size of [1, 2, 3, 6, 7, 8, 13, 70, 1000]) {
    it(`in a lot of ${size}, the ledger takes the RFC's path for its own position and nothing else`, async () => {
      const { on, issuer, segment } = fixture();
      const lot = await sealLot(on, issuer, segment, leavesOf(size));
      const hashes = lot.leaves.map(naiveLeaf);
      const positions =
        size <= 13 ? Array.from({ length: size }, (_, i) => i) : [0, 1, size >> 1, size - 1];
      for (const at of positions) {
        const path = naivePath(hashes, at);
        const id = lot.header.first + BigInt(at);
        const check = (i: bigint, p: string[], header = lot.header) =>
          on.ledger.proves(i, { ...evidence(lot, at, p), lot: header });
        expect(await check(id, path), `${at}`).to.equal(true);
        for (const other of positions) {
          if (other !== at)
            expect(
              await check(lot.header.first + BigInt(other), path),
              `${at} as ${other}`,
            ).to.equal(false);
        }
        expect(await check(id, [...path, ZeroHash]), `${at}, longer`).to.equal(false);
        expect(await check(id, [...path, hashes[at] as string]), `${at}, longer`).to.equal(false);
        if (path.length > 0) {
          expect(await check(id, path.slice(0, -1)), `${at}, shorter`).to.equal(false);
          expect(await check(id, path.slice(1)), `${at}, shorter in front`).to.equal(false);
          expect(await check(id, [...path.slice(0, -1), ZeroHash]), `${at}, another last`).to.equal(
            false,
          );
        }
        expect(
          await check(id, path, { ...lot.header, count: size + 1 }),
          `${at}, size + 1`,
        ).to.equal(false);
        if (at < size - 1)
          expect(
            await check(id, path, { ...lot.header, count: size - 1 }),
            `${at}, size - 1`,
          ).to.equal(false);
      }
      expect(
        await on.ledger.proves(lot.header.first + BigInt(size), evidence(lot, size - 1)),
      ).to.equal(false);
      expect(await on.ledger.proves(lot.header.first - 1n, evidence(lot, 0))).to.equal(false);
    });
  }

  it("a path of one size does not prove the same leaf in a lot of another size", () => {
    const [six, seven] = [6, 7].map((size) => leavesOf(size).map(naiveLeaf)) as [
      string[],
      string[],
    ];
    for (let at = 0; at < 6; ++at) {
      const path = lotTree(seven).proof(at);
      expect(rootFrom(path, at, 6, six[at] as string)).to.not.equal(lotTree(six).root);
    }
    // the last leaf of six hangs two levels higher than in seven: its own path does not fit there
    expect(rootFrom(lotTree(six).proof(5), 5, 7, six[5] as string)).to.not.equal(
      lotTree(seven).root,
    );
  });

  describe("second preimages", () => {
    let lot: SealedLot;
    let hashes: string[];
    const prepare = async (on: Deployed, issuer: Party, segment: bigint) => {
      lot = await sealLot(on, issuer, segment, leavesOf(4));
      hashes = lot.leaves.map(naiveLeaf);
    };

    it("an inner node does not pass for a leaf: its 65 bytes are not the 57 of a leaf", async () => {
      const { on, issuer, segment } = fixture();
      await prepare(on, issuer, segment);
      // without prefixes, a leaf with the left child as content would hash like the node
      const right = naiveRoot(hashes.slice(2));
      const forged = {
        content: hashes[0] as string,
        holder: `0x${(hashes[1] as string).slice(2, 42)}`,
        buyer: Number(`0x${(hashes[1] as string).slice(42, 50)}`),
      };
      for (const position of [0, 1]) {
        const id = lot.header.first + BigInt(position);
        expect(
          await on.ledger.proves(id, { lot: lot.header, leaf: forged, proof: [right] }),
        ).to.equal(false);
        expect(
          await on.ledger.proves(id, {
            lot: lot.header,
            leaf: forged,
            proof: [hashes[1] as string, right],
          }),
        ).to.equal(false);
      }
    });

    it("a node sealed as a leaf makes another tree than its children do", async () => {
      const { on, issuer, segment } = fixture();
      await prepare(on, issuer, segment);
      const nodes = [naiveRoot(hashes.slice(0, 2)), naiveRoot(hashes.slice(2))];
      // a lot of the two nodes has the root of the four leaves, but its header counts two: two
      // lots, two roots of trust
      const first = segment + (await on.ledger.sealedIn(segment));
      const value = {
        issuer: issuer.index,
        segment: segment.toString(),
        first: first.toString(),
        count: 2,
        root: lotTree(nodes).root,
      };
      const [sealed] = await tryLots(on, {
        issuer: issuer.index,
        segment,
        first,
        leaves: nodes,
        seal: on.sign(issuer.wallet, { type: "Seal", value }),
      });
      if (!sealed || !("args" in sealed)) throw new Error("the lot of two is refused");
      expect(sealed.args["root"]).to.equal(lot.header.root);
      const header = {
        first,
        count: 2,
        issuer: issuer.index,
        time: Number(sealed.args["time"]),
        root: lot.header.root,
      };
      for (const [at, leaf] of lot.leaves.entries()) {
        for (const id of [first, first + 1n]) {
          expect(
            await on.ledger.proves(id, { lot: header, leaf, proof: lot.tree.proof(at) }),
          ).to.equal(false);
        }
      }
    });

    it("the order of two leaves is part of the root", async () => {
      const { on, issuer, segment } = fixture();
      await prepare(on, issuer, segment);
      const first = segment + (await on.ledger.sealedIn(segment));
      const swapped = [...lot.leaves].reverse();
      const receipt = await mined(on.ledger.seal([lotOf(on, issuer, segment, first, swapped)]));
      const [sealed] = outcomesOf(on, receipt);
      expect(sealed && "args" in sealed && sealed.args["root"]).to.not.equal(lot.header.root);
    });
  });
});
