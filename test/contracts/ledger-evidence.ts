/**
 * The evidence that an untouched invoice is issued, and evidence that fails: another lot's header,
 * another position, another leaf. The first touch is the only moment at which content, holder and
 * title enter the ledger, so a forged leaf here would be a forged invoice.
 */
import { expect } from "chai";
import { AbiCoder, keccak256, toBeHex, ZeroAddress, ZeroHash } from "ethers";
import {
  type ActInput,
  actOf,
  type Consortium,
  consortium,
  evidenceOf,
  idOf,
  inAWord,
  leafOf,
  mined,
  perTest,
  recordOf,
  sealLot,
  take,
  tryActs,
  untouched,
} from "./fixture.ts";

type Evidence = ReturnType<typeof evidenceOf>;

describe("evidence", () => {
  const fixture = perTest(() => consortium());

  const claimWith = (
    c: Consortium,
    id: bigint,
    evidence: Evidence[],
    taxpayer = c.employer.index,
  ) => actOf(c.on, { kind: "Claim", taxpayer, invoices: [{ id, version: 0 }], evidence }, c.holder);
  async function reasons(
    c: Consortium,
    ...acts: Parameters<typeof tryActs>[1][]
  ): Promise<[string, bigint][]> {
    return (await tryActs(c.on, ...acts)).map((o) => {
      if (!("refused" in o)) throw new Error(`taken: ${inAWord(o)}`);
      expect(o.alarm).to.equal(false);
      return [o.refused, o.found];
    });
  }

  it("a header with any field changed belongs to no lot", async () => {
    const c = fixture();
    const good = evidenceOf(c.untitled, 5);
    const id = idOf(c.untitled, 5);
    const { lot } = good;
    const changed = [
      { ...lot, first: lot.first + 1n },
      { ...lot, first: lot.first - 1n },
      { ...lot, count: lot.count + 1 },
      { ...lot, count: lot.count - 1 },
      { ...lot, count: 0 },
      { ...lot, issuer: c.employer.index },
      { ...lot, time: lot.time + 1 },
      { ...lot, root: ZeroHash },
      { ...lot, first: 0n, count: 0, issuer: 0, time: 0, root: ZeroHash },
    ];
    const refusals = await reasons(
      c,
      ...changed.map((header) => claimWith(c, id, [{ ...good, lot: header }])),
    );
    expect(refusals).to.deep.equal(changed.map((header) => ["LotUnknown", header.first]));
    for (const header of changed)
      expect(await c.on.ledger.proves(id, { ...good, lot: header })).to.equal(false);
    expect(await c.on.ledger.proves(id, good)).to.equal(true);
  });

  it("a leaf with other content, holder or title is not in the lot", async () => {
    const c = fixture();
    const good = evidenceOf(c.titled, 1);
    const { leaf } = good;
    const forged = [
      { ...leaf, content: ZeroHash },
      { ...leaf, holder: c.stranger.address },
      { ...leaf, holder: ZeroAddress },
      // the title taken off, and put on another
      { ...leaf, buyer: 0 },
      { ...leaf, buyer: c.otherEmployer.index },
    ];
    const refusals = await reasons(
      c,
      ...forged.map((other) =>
        claimWith(c, idOf(c.titled, 1), [{ ...good, leaf: other }], c.otherEmployer.index),
      ),
    );
    expect(refusals.map(([reason]) => reason)).to.deep.equal(forged.map(() => "ProofInvalid"));
  });

  it("a proof holds for its own position alone", async () => {
    const c = fixture();
    const refusals = await reasons(
      c,
      claimWith(c, idOf(c.untitled, 6), [evidenceOf(c.untitled, 5)]),
      claimWith(c, idOf(c.untitled, 5), [
        { ...evidenceOf(c.untitled, 5), proof: c.untitled.tree.proof(6) },
      ]),
      claimWith(c, idOf(c.untitled, 5), [
        { ...evidenceOf(c.untitled, 5), proof: c.untitled.tree.proof(5).slice(1) },
      ]),
      claimWith(c, idOf(c.untitled, 5), [
        { ...evidenceOf(c.untitled, 5), proof: [...c.untitled.tree.proof(5), ZeroHash] },
      ]),
      claimWith(c, idOf(c.untitled, 5), [{ ...evidenceOf(c.untitled, 5), proof: [] }]),
    );
    expect(refusals.map(([reason]) => reason)).to.deep.equal(Array(5).fill("ProofInvalid"));
  });

  it("a number outside the lot is not in it, however near", async () => {
    const c = fixture();
    const { untitled, titled } = c;
    const last = untitled.header.count - 1;
    expect(idOf(untitled, last) + 1n).to.equal(titled.header.first);
    const refusals = await reasons(
      c,
      claimWith(c, idOf(untitled, last) + 1n, [evidenceOf(untitled, last)]),
      claimWith(c, untitled.header.first - 1n, [evidenceOf(untitled, 0)]),
      claimWith(c, idOf(titled, 2) + 1n, [evidenceOf(titled, 2)]),
    );
    expect(refusals).to.deep.equal([
      ["LotUnknown", untitled.header.first],
      ["LotUnknown", untitled.header.first],
      ["LotUnknown", titled.header.first],
    ]);
  });

  it("each untouched invoice needs evidence, in the order of the invoices", async () => {
    const c = fixture();
    const two = {
      kind: "Claim" as const,
      taxpayer: c.employer.index,
      ...untouched(c.untitled, 3, 9),
    };
    const [e3, e9] = two.evidence as [Evidence, Evidence];
    const refusals = await reasons(
      c,
      ...[[], [e3], [e9, e3]].map((evidence) => actOf(c.on, { ...two, evidence }, c.holder)),
    );
    expect(refusals[0]).to.deep.equal(["EvidenceMissing", 0n]);
    expect(refusals[1]).to.deep.equal(["EvidenceMissing", 1n]);
    expect(refusals[2]?.[0]).to.equal("ProofInvalid");
    await take(c.on, two, c.holder);
  });

  it("touched and untouched invoices mix: evidence is read for the untouched ones alone", async () => {
    const c = fixture();
    const { on, employer } = c;
    await take(
      on,
      { kind: "Claim", taxpayer: employer.index, ...untouched(c.untitled, 4) },
      c.holder,
    );
    await take(
      on,
      {
        kind: "Reject",
        taxpayer: employer.index,
        invoices: [{ id: idOf(c.untitled, 4), version: 1 }],
      },
      employer.wallet,
    );
    const { invoices, evidence } = untouched(c.untitled, 3, 5);
    const [third, fifth] = invoices as [(typeof invoices)[number], (typeof invoices)[number]];
    await take(
      on,
      {
        kind: "Claim",
        taxpayer: employer.index,
        invoices: [third, { id: idOf(c.untitled, 4), version: 2 }, fifth],
        evidence,
      },
      c.holder,
    );
    expect(
      (await Promise.all([3, 4, 5].map((at) => recordOf(on, idOf(c.untitled, at))))).map((r) => [
        r.state,
        r.version,
      ]),
    ).to.deep.equal([
      ["Claimed", 1],
      ["Claimed", 3],
      ["Claimed", 1],
    ]);
  });

  it("a touched invoice is not brought back to its leaf: version 0 is stale, whatever the evidence", async () => {
    const c = fixture();
    await take(
      c.on,
      { kind: "Transfer", to: c.receiver.address, ...untouched(c.untitled, 0) },
      c.holder,
      c.receiver,
    );
    expect(
      await reasons(c, claimWith(c, idOf(c.untitled, 0), [evidenceOf(c.untitled, 0)])),
    ).to.deep.equal([["StaleVersion", 1n]]);
  });

  it("numbers with the top bit set, which no segment holds, are unknown with any evidence", async () => {
    const c = fixture();
    const top = 1n << 255n;
    const forged = {
      ...evidenceOf(c.untitled, 0),
      lot: { ...c.untitled.header, first: top | c.untitled.header.first },
    };
    const id = top | idOf(c.untitled, 0);
    const act = (input: Omit<ActInput, "invoices" | "evidence">, evidence: Evidence) =>
      actOf(
        c.on,
        { ...input, invoices: [{ id, version: 0 }], evidence: [evidence] },
        c.holder,
        c.receiver,
      );
    const refusals = await reasons(
      c,
      act({ kind: "Claim", taxpayer: c.employer.index }, forged),
      act({ kind: "Claim", taxpayer: c.employer.index }, evidenceOf(c.untitled, 0)),
      act({ kind: "Transfer", to: c.receiver.address }, forged),
      act({ kind: "Reverse", taxpayer: c.issuer.index }, forged),
    );
    expect(refusals.map(([reason]) => reason)).to.deep.equal(Array(4).fill("LotUnknown"));
    expect(
      await reasons(
        c,
        actOf(
          c.on,
          { kind: "Claim", taxpayer: c.employer.index, invoices: [{ id, version: 0 }] },
          c.holder,
        ),
      ),
    ).to.deep.equal([["EvidenceMissing", 0n]]);
    expect((await recordOf(c.on, id)).state).to.equal("None");
  });

  it("the highest number of all neither overflows nor passes", async () => {
    const c = fixture();
    const id = (1n << 256n) - 1n;
    const header = { ...c.untitled.header, first: id, count: 0xffffffff };
    const refusals = await reasons(
      c,
      claimWith(c, id, [{ ...evidenceOf(c.untitled, 0), lot: header }]),
      claimWith(c, id, [evidenceOf(c.untitled, 0)]),
    );
    expect(refusals.map(([reason]) => reason)).to.deep.equal(["LotUnknown", "LotUnknown"]);
  });

  it("a reversal names the lot of every invoice, touched or not, so no other issuer reverses it", async () => {
    const c = fixture();
    const { on, issuer } = c;
    const other = await on.enrol("another issuer");
    const theirs = await sealLot(on, other, await on.segmentFor(other), [
      leafOf("theirs", c.holder.address),
    ]);
    await take(
      on,
      { kind: "Claim", taxpayer: c.employer.index, ...untouched(c.untitled, 1) },
      c.holder,
    );
    await take(
      on,
      {
        kind: "Reject",
        taxpayer: c.employer.index,
        invoices: [{ id: idOf(c.untitled, 1), version: 1 }],
      },
      c.employer.wallet,
    );
    const reverse = (taxpayer: number, by = other.wallet, evidence: Evidence[] = []) =>
      actOf(
        on,
        {
          kind: "Reverse",
          taxpayer,
          invoices: [{ id: idOf(c.untitled, 1), version: 2 }],
          evidence,
        },
        by,
      );
    const refusals = await reasons(
      c,
      reverse(other.index),
      reverse(other.index, other.wallet, [evidenceOf(theirs, 0)]),
      reverse(other.index, other.wallet, [
        { ...evidenceOf(theirs, 0), lot: { ...theirs.header, first: c.untitled.header.first } },
      ]),
      reverse(other.index, other.wallet, [
        { ...evidenceOf(c.untitled, 1), lot: { ...c.untitled.header, issuer: other.index } },
      ]),
      reverse(other.index, other.wallet, [evidenceOf(c.untitled, 1)]),
      reverse(issuer.index, other.wallet, [evidenceOf(c.untitled, 1)]),
    );
    expect(refusals).to.deep.equal([
      ["EvidenceMissing", 0n],
      ["LotUnknown", theirs.header.first],
      ["LotUnknown", c.untitled.header.first],
      ["LotUnknown", c.untitled.header.first],
      ["IssuerDiffers", BigInt(issuer.index)],
      ["SignatureInvalid", BigInt(other.wallet.address)],
    ]);
    // a touched invoice needs no leaf and no path: its record says what it is
    const bare = {
      lot: c.untitled.header,
      leaf: { content: ZeroHash, holder: ZeroAddress, buyer: 0 },
      proof: [],
    };
    expect(
      (await tryActs(on, reverse(issuer.index, issuer.wallet, [bare]))).map(inAWord),
    ).to.deep.equal(["Reversed"]);
  });

  it("the record of an untouched invoice is empty, and a lot's slot is the hash of its header", async () => {
    const c = fixture();
    expect(await recordOf(c.on, idOf(c.untitled, 0))).to.deep.equal({
      holder: ZeroAddress,
      employer: 0,
      state: "None",
      titled: false,
      mark: 0,
      version: 0,
      updatedAt: 0,
    });
    const { first, count, issuer, time, root } = c.untitled.header;
    const header = AbiCoder.defaultAbiCoder().encode(
      ["uint256", "uint256", "uint256", "uint256", "bytes32"],
      [first, count, issuer, time, root],
    );
    expect(await c.on.ledger.lotHash(first)).to.equal(keccak256(header));
    expect(await c.on.ledger.lotHash(first + 1n)).to.equal(ZeroHash);
  });

  it("a record's slot has the layout that anyone may read from a node", async () => {
    const c = fixture();
    const id = idOf(c.titled, 0);
    const receipt = await mined(
      c.on.ledger.act([
        actOf(
          c.on,
          { kind: "Claim", taxpayer: c.employer.index, ...untouched(c.titled, 0) },
          c.holder,
        ),
      ]),
    );
    const block = await c.on.ethers.provider.getBlock(receipt.blockNumber);
    const slot = keccak256(AbiCoder.defaultAbiCoder().encode(["uint256", "uint256"], [id, 6]));
    const fields = [
      [BigInt(c.holder.address), 0n],
      [BigInt(c.employer.index), 160n],
      [2n, 192n],
      [1n, 199n],
      [1n, 200n],
      [BigInt(block?.timestamp ?? 0), 216n],
    ] as const;
    const word = fields.reduce((sum, [value, shift]) => sum | (value << shift), 0n);
    expect(await c.on.ethers.provider.getStorage(c.on.deployment.ledger, slot)).to.equal(
      toBeHex(word, 32),
    );
  });
});
