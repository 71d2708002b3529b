/**
 * Sealing: a lot takes the next numbers of its issuer's own segment, under that issuer's seal, and
 * is judged separately.
 */
import { expect } from "chai";
import { ZeroHash } from "ethers";
import {
  deployed,
  ISSUER,
  inAWord,
  keyOf,
  leafOf,
  lotOf,
  mined,
  outcomesOf,
  perTest,
  refusal,
  SERIES,
  tryLots,
} from "./fixture.ts";

const holder = keyOf("holder").address;
const leaves = (count: number, word = "leaf") =>
  Array.from({ length: count }, (_, i) => leafOf(`${word} ${i}`, holder));

describe("sealing lots", () => {
  const fixture = perTest(async () => {
    const on = await deployed();
    const issuer = await on.enrol("issuer", ISSUER);
    const other = await on.enrol("other issuer", ISSUER);
    return {
      on,
      issuer,
      other,
      segment: await on.segmentFor(issuer, 2000n),
      theirs: await on.segmentFor(other, 2000n),
      second: await on.segmentFor(issuer, 2000n),
    };
  });

  it("a sealed lot says its numbers, issuer, time and root", async () => {
    const { on, issuer, segment } = fixture();
    const lot = lotOf(on, issuer, segment, segment, leaves(3));
    const receipt = await mined(on.ledger.seal([lot]));
    const block = await on.ethers.provider.getBlock(receipt.blockNumber);
    const [sealed] = outcomesOf(on, receipt);
    expect(sealed && "args" in sealed && sealed.args).to.deep.equal({
      first: segment,
      issuer: BigInt(issuer.index),
      segment,
      count: 3n,
      time: BigInt(block?.timestamp ?? 0),
      root: lot.root,
    });
    expect(await on.ledger.sealedIn(segment)).to.equal(3n);
    expect(await on.ledger.lotHash(segment)).to.not.equal(ZeroHash);
  });

  it("lots take the numbers of their segment one after another, also inside one transaction", async () => {
    const { on, issuer, segment } = fixture();
    const outcomes = await tryLots(
      on,
      lotOf(on, issuer, segment, segment, leaves(2)),
      lotOf(on, issuer, segment, segment + 2n, leaves(1)),
      lotOf(on, issuer, segment, segment + 3n, leaves(5)),
    );
    expect(outcomes.map((o) => [inAWord(o), o.id])).to.deep.equal(
      [segment, segment + 2n, segment + 3n].map((first) => ["LotSealed", first]),
    );
    expect(await on.ledger.sealedIn(segment)).to.equal(8n);
  });

  it("a lot that leaves a gap, goes back, or comes twice is out of order, and the refusal names the next number", async () => {
    const { on, issuer, segment } = fixture();
    const lot = lotOf(on, issuer, segment, segment, leaves(4));
    await tryLots(on, lot);
    const outcomes = await tryLots(
      on,
      lot,
      lotOf(on, issuer, segment, segment + 3n, leaves(1)),
      lotOf(on, issuer, segment, segment + 5n, leaves(1)),
      lotOf(on, issuer, segment, segment - 1n, leaves(1)),
      lotOf(on, issuer, segment, 0n, leaves(1)),
      lotOf(on, issuer, segment, (1n << 256n) - 1n, leaves(1)),
    );
    const firsts = [segment, segment + 3n, segment + 5n, segment - 1n, 0n, (1n << 256n) - 1n];
    expect(outcomes.map(refusal)).to.deep.equal(
      firsts.map((first) => ["LotOutOfOrder", first, segment + 4n]),
    );
    expect(await on.ledger.sealedIn(segment)).to.equal(4n);
  });

  it("a lot of one segment replayed into another is refused, wherever it is put", async () => {
    const { on, issuer, segment, second } = fixture();
    const lot = lotOf(on, issuer, segment, segment, leaves(2));
    const outcomes = await tryLots(
      on,
      { ...lot, segment: second },
      { ...lot, segment: second, first: second },
      { ...lot, first: segment + 1n },
    );
    expect(refusal(outcomes[0])).to.deep.equal(["LotOutOfOrder", segment, second]);
    expect(refusal(outcomes[1]).slice(0, 2)).to.deep.equal(["SealInvalid", second]);
    expect(refusal(outcomes[2])).to.deep.equal(["LotOutOfOrder", segment + 1n, segment]);
    expect((await tryLots(on, lot)).map(inAWord)).to.deep.equal(["LotSealed"]);
  });

  it("nobody seals in another issuer's segment, nor where no segment starts", async () => {
    const { on, issuer, other, segment, theirs } = fixture();
    const foreign = lotOf(on, issuer, theirs, theirs, leaves(1));
    const named = { ...lotOf(on, issuer, segment, segment, leaves(1)), issuer: other.index };
    const nowhere = lotOf(on, issuer, segment + 1n, segment + 1n, leaves(1));
    const zero = { ...lotOf(on, issuer, segment + 1n, segment + 1n, leaves(1)), issuer: 0 };
    const outcomes = await tryLots(on, foreign, named, nowhere, zero);
    expect(outcomes.map(refusal)).to.deep.equal([
      ["SegmentNotOwned", theirs, BigInt(other.index)],
      ["SegmentNotOwned", segment, BigInt(issuer.index)],
      ["SegmentNotOwned", segment + 1n, 0n],
      ["SegmentNotOwned", segment + 1n, 0n],
    ]);
  });

  it("a segment is filled to its last number and not beyond", async () => {
    const { on, issuer } = fixture();
    const small = await on.segmentFor(issuer, 5n);
    const next = await on.segmentFor(issuer, 5n);
    expect(next).to.equal(small + 5n);
    const outcomes = await tryLots(
      on,
      lotOf(on, issuer, small, small, leaves(6)),
      lotOf(on, issuer, small, small, leaves(3)),
      lotOf(on, issuer, small, small + 3n, leaves(3)),
      lotOf(on, issuer, small, small + 3n, leaves(2)),
      lotOf(on, issuer, small, small + 5n, leaves(1)),
    );
    expect(outcomes.map(inAWord)).to.deep.equal([
      "SegmentOverrun",
      "LotSealed",
      "SegmentOverrun",
      "LotSealed",
      "SegmentOverrun",
    ]);
    expect([0, 2, 4].map((i) => refusal(outcomes[i])[2])).to.deep.equal([
      small + 5n,
      small + 5n,
      small + 5n,
    ]);
    expect(await on.ledger.sealedIn(next)).to.equal(0n);
  });

  it("a lot has 1 to 1,024 invoices", async () => {
    const { on, issuer, segment } = fixture();
    const outcomes = await tryLots(
      on,
      lotOf(on, issuer, segment, segment, []),
      lotOf(on, issuer, segment, segment, leaves(1025)),
      lotOf(on, issuer, segment, segment, leaves(1024)),
    );
    expect(outcomes.slice(0, 2).map(refusal)).to.deep.equal([
      ["LotSize", segment, 0n],
      ["LotSize", segment, 1025n],
    ]);
    expect(outcomes.map(inAWord).at(-1)).to.equal("LotSealed");
    expect(await on.ledger.sealedIn(segment)).to.equal(1024n);
  });

  it("the seal is the issuer's own, over exactly these leaves at exactly these numbers", async () => {
    const { on, issuer, other, segment, theirs } = fixture();
    const lot = lotOf(on, issuer, segment, segment, leaves(3));
    const another = lotOf(on, issuer, segment, segment, leaves(3, "other"));
    const swapped = [lot.leaves[1], lot.leaves[0], lot.leaves[2]] as string[];
    const outcomes = await tryLots(
      on,
      lotOf(on, issuer, segment, segment, leaves(3), other.wallet),
      { ...lot, leaves: swapped },
      { ...lot, leaves: lot.leaves.slice(0, 2) },
      { ...lot, leaves: [...lot.leaves, ...another.leaves] },
      { ...lot, seal: another.seal },
      { ...lotOf(on, other, theirs, theirs, leaves(3)), seal: lot.seal },
      lot,
    );
    expect(outcomes.map(inAWord)).to.deep.equal([...Array(6).fill("SealInvalid"), "LotSealed"]);
    expect(refusal(outcomes[0])).to.deep.equal([
      "SealInvalid",
      segment,
      BigInt(other.wallet.address),
    ]);
  });

  it("a bad lot leaves its neighbours alone", async () => {
    const { on, issuer, other, segment, theirs } = fixture();
    const outcomes = await tryLots(
      on,
      lotOf(on, issuer, segment, segment, leaves(1)),
      lotOf(on, issuer, theirs, theirs, leaves(1)),
      lotOf(on, other, theirs, theirs, leaves(2)),
      lotOf(on, issuer, segment, segment + 1n, leaves(1), keyOf("stranger")),
      lotOf(on, issuer, segment, segment + 1n, []),
      lotOf(on, issuer, segment, segment + 1n, leaves(1)),
    );
    expect(outcomes.map(inAWord)).to.deep.equal([
      "LotSealed",
      "SegmentNotOwned",
      "LotSealed",
      "SealInvalid",
      "LotSize",
      "LotSealed",
    ]);
    expect(outcomes.map((o) => o.id)).to.deep.equal([
      segment,
      theirs,
      theirs,
      segment + 1n,
      segment + 1n,
      segment + 1n,
    ]);
  });

  it("two issuers, two segments and two series do not meet", async () => {
    const { on, issuer, other, segment, theirs, second } = fixture();
    const elsewhere = await on.segmentFor(issuer, 10n, SERIES + 1);
    expect(elsewhere).to.equal(BigInt(SERIES + 1) * 10n ** 15n + 1n);
    const outcomes = await tryLots(
      on,
      lotOf(on, issuer, segment, segment, leaves(1)),
      lotOf(on, issuer, second, second, leaves(1)),
      lotOf(on, other, theirs, theirs, leaves(1)),
      lotOf(on, issuer, elsewhere, elsewhere, leaves(1)),
    );
    expect(outcomes.map(inAWord)).to.deep.equal(Array(4).fill("LotSealed"));
    expect(
      await Promise.all([segment, second, theirs, elsewhere].map((s) => on.ledger.sealedIn(s))),
    ).to.deep.equal([1n, 1n, 1n, 1n]);
  });

  it("a call takes no lots, or up to 100, and throws beyond that", async () => {
    const { on, issuer, segment } = fixture();
    expect(await tryLots(on)).to.deep.equal([]);
    const lots = Array.from({ length: 101 }, (_, i) =>
      lotOf(on, issuer, segment, segment + BigInt(i), leaves(1, `lot ${i}`)),
    );
    await expect(on.ledger.seal(lots))
      .to.be.revertedWithCustomError(on.ledger, "BatchSize")
      .withArgs(101n);
    expect((await tryLots(on, ...lots.slice(0, 100))).map(inAWord)).to.deep.equal(
      Array(100).fill("LotSealed"),
    );
  });

  it("anyone may send a lot: only the seal counts", async () => {
    const { on, issuer, segment } = fixture();
    const [, , someone] = await on.ethers.getSigners();
    const receipt = await mined(
      on.ledger
        .connect(someone as unknown as typeof on.relay)
        .seal([lotOf(on, issuer, segment, segment, leaves(1))]),
    );
    expect(outcomesOf(on, receipt).map(inAWord)).to.deep.equal(["LotSealed"]);
  });
});
