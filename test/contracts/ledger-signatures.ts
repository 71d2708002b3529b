/**
 * Whose signature counts, and for what: one act, one version, one kind, one contract, one chain,
 * one network, one key. Every refusal here must leave the record alone and must not raise an alarm:
 * a replay or junk must not incriminate anybody.
 */

import { acts, opensExternal } from "@onepiao/protocol/ledger/acts.ts";
import { compactSignature, digest, noSignature } from "@onepiao/protocol/ledger/messages.ts";
import { expect } from "chai";
import { SigningKey, ZeroAddress, ZeroHash } from "ethers";
import { refOf } from "../../server/chain/contracts.ts";
import { InvoiceLedger__factory } from "../../types/ethers-contracts/factories/contracts/InvoiceLedger__factory.ts";
import {
  type ActInput,
  actOf,
  bothForms,
  type Consortium,
  consortium,
  deployed,
  evidenceOf,
  externalId,
  idOf,
  inAWord,
  KINDS,
  type Kind,
  keyOf,
  leafOf,
  lotOf,
  messageOf,
  mined,
  perTest,
  recordOf,
  sealLot,
  take,
  tryActs,
  tryLots,
  untouched,
} from "./fixture.ts";

const TERM = 3600;

describe("replays", () => {
  const fixture = perTest(() => consortium({ claimTermSeconds: TERM }));
  const claim = (c: Consortium, position = 0): ActInput => ({
    kind: "Claim",
    taxpayer: c.employer.index,
    ...untouched(c.untitled, position),
  });

  it("the same act twice in one transaction is taken once", async () => {
    const c = fixture();
    const act = actOf(c.on, claim(c), c.holder);
    expect((await tryActs(c.on, act, act)).map(inAWord)).to.deep.equal(["Claimed", "StaleVersion"]);
    expect((await recordOf(c.on, idOf(c.untitled, 0))).version).to.equal(1);
  });

  it("a claim is not taken again after its rejection, neither as it was nor put at the new version", async () => {
    const c = fixture();
    const id = idOf(c.untitled, 0);
    const act = actOf(c.on, claim(c), c.holder);
    await tryActs(c.on, act);
    await take(
      c.on,
      { kind: "Reject", taxpayer: c.employer.index, invoices: [{ id, version: 1 }] },
      c.employer.wallet,
    );
    const outcomes = await tryActs(c.on, act, { ...act, invoices: [{ id, version: 2 }] });
    expect(outcomes.map(inAWord)).to.deep.equal(["StaleVersion", "SignatureInvalid"]);
    expect(outcomes[0] && "found" in outcomes[0] && outcomes[0].found).to.equal(2n);
    expect((await recordOf(c.on, id)).state).to.equal("Issued");
  });

  it("a reimbursement sent again is stale and no alarm against the employer", async () => {
    const c = fixture();
    const id = idOf(c.untitled, 0);
    await take(c.on, claim(c), c.holder);
    const act = actOf(
      c.on,
      { kind: "Reimburse", taxpayer: c.employer.index, invoices: [{ id, version: 1 }] },
      c.employer.wallet,
    );
    expect((await tryActs(c.on, act, act)).map(inAWord)).to.deep.equal([
      "Reimbursed",
      "StaleVersion",
    ]);
    // the same signature at the current version is not the employer's consent to that version
    expect(
      (await tryActs(c.on, { ...act, invoices: [{ id, version: 2 }] })).map(inAWord),
    ).to.deep.equal(["SignatureInvalid"]);
  });

  it("a version that is ahead is stale too", async () => {
    const c = fixture();
    const [outcome] = await tryActs(
      c.on,
      actOf(c.on, { ...claim(c), invoices: [{ id: idOf(c.untitled, 0), version: 1 }] }, c.holder),
    );
    expect(outcome && "refused" in outcome && [outcome.refused, outcome.found]).to.deep.equal([
      "StaleVersion",
      0n,
    ]);
  });

  it("a signature for one invoice does not serve for another, nor for one more or one less", async () => {
    const c = fixture();
    const two = {
      kind: "Claim" as const,
      taxpayer: c.employer.index,
      ...untouched(c.untitled, 0, 1),
    };
    const { signature } = actOf(c.on, two, c.holder);
    const put = (...positions: number[]) => ({
      ...actOf(c.on, { ...two, ...untouched(c.untitled, ...positions) }, c.holder),
      signature,
    });
    const outcomes = await tryActs(c.on, put(0, 2), put(0), put(1), put(0, 1, 2));
    expect(outcomes.map(inAWord)).to.deep.equal(Array(4).fill("SignatureInvalid"));
    expect((await tryActs(c.on, put(0, 1))).map(inAWord)).to.deep.equal(["Claimed", "Claimed"]);
  });

  it("a signature holds mark and holder fast", async () => {
    const c = fixture();
    const entered = actOf(
      c.on,
      { kind: "Enter", taxpayer: c.employer.index, ref: refOf(3), ...untouched(c.titled, 0) },
      c.employer.wallet,
    );
    const invoices = [{ id: externalId("one"), version: 0 }];
    const admitted = actOf(
      c.on,
      { kind: "Admit", taxpayer: c.employer.index, to: c.holder.address, invoices },
      c.employer.wallet,
    );
    const outcomes = await tryActs(
      c.on,
      { ...entered, ref: refOf(2) },
      { ...entered, taxpayer: c.otherEmployer.index },
      { ...admitted, to: c.stranger.address },
      { ...admitted, taxpayer: c.otherEmployer.index },
      { ...admitted, ref: refOf(1) },
      { ...admitted, invoices: [{ id: externalId("another"), version: 0 }] },
    );
    expect(outcomes.map(inAWord)).to.deep.equal(Array(6).fill("SignatureInvalid"));
    expect((await tryActs(c.on, entered, admitted, entered, admitted)).map(inAWord)).to.deep.equal([
      "Entered",
      "Claimed",
      "StaleVersion",
      "StaleVersion",
    ]);
  });

  it("a signature holds employer, receiver and reference fast", async () => {
    const c = fixture();
    const claimed = actOf(c.on, claim(c), c.holder);
    const transferred = actOf(
      c.on,
      { kind: "Transfer", to: c.receiver.address, ...untouched(c.untitled, 0) },
      c.holder,
      c.receiver,
    );
    const outcomes = await tryActs(
      c.on,
      { ...claimed, taxpayer: c.otherEmployer.index },
      { ...claimed, ref: `0x${"11".repeat(32)}` },
      { ...transferred, to: c.stranger.address },
      { ...transferred, ref: `0x${"11".repeat(32)}` },
    );
    expect(outcomes.map(inAWord)).to.deep.equal(Array(4).fill("SignatureInvalid"));
  });

  describe("across kinds of act", () => {
    /**
     * One party in every role, so that nothing but the kind stands between a signature and its use.
     */
    const inEveryRole = perTest(async () => {
      const on = await deployed({ claimTermSeconds: TERM });
      const party = await on.enrol("issuer, employer and holder");
      const lot = await sealLot(on, party, await on.segmentFor(party), [
        leafOf("one", party.wallet.address),
        leafOf("two", party.wallet.address),
        leafOf("titled", party.wallet.address, party.index),
      ]);
      await take(on, { kind: "Claim", taxpayer: party.index, ...untouched(lot, 1) }, party.wallet);
      await on.networkHelpers.time.increase(TERM);
      return { on, party, lot };
    });

    for (const kind of KINDS) {
      it(`a ${kind} needs a signature over a ${kind}`, async () => {
        const { on, party, lot } = inEveryRole();
        // the second one is claimed, the third one titled
        const { record, from } = acts[kind];
        const position = record.mark !== undefined ? 2 : from.includes("issued") ? 0 : 1;
        const invoices = [
          opensExternal(kind)
            ? { id: externalId("one"), version: 0 }
            : { id: idOf(lot, position), version: position === 1 ? 1 : 0 },
        ];
        const as = (k: Kind): ActInput => ({
          kind: k,
          invoices,
          to: Object.values(acts[k].fields).includes("address")
            ? keyOf("receiver").address
            : ZeroAddress,
          taxpayer: party.index,
          // a mark of book entry, and as good as any other reference
          ref: refOf(2),
          evidence: [evidenceOf(lot, position)],
        });
        const own = actOf(on, as(kind), party.wallet, keyOf("receiver"));
        const replayed = KINDS.filter((other) => other !== kind).map((other) => ({
          ...own,
          signature: on.sign(party.wallet, messageOf(as(other))),
        }));
        const outcomes = await tryActs(on, ...replayed, own);
        expect(outcomes.map(inAWord).slice(0, -1)).to.deep.equal(
          Array(KINDS.length - 1).fill("SignatureInvalid"),
        );
        expect(outcomes.at(-1)).to.have.property("event");
      });
    }

    it("an employer's signature on a claim is not a consent to a reversal", async () => {
      const { on, party, lot } = inEveryRole();
      const invoices = [{ id: idOf(lot, 1), version: 1 }];
      const reverse = actOf(
        on,
        { kind: "Reverse", taxpayer: party.index, invoices, evidence: [evidenceOf(lot, 1)] },
        party.wallet,
      );
      const outcomes = await tryActs(
        on,
        {
          ...reverse,
          consent: on.sign(
            party.wallet,
            messageOf({ kind: "Reimburse", taxpayer: party.index, invoices }),
          ),
        },
        {
          ...reverse,
          consent: on.sign(
            party.wallet,
            messageOf({ kind: "Reject", taxpayer: party.index, invoices }),
          ),
        },
      );
      expect(outcomes.map(inAWord)).to.deep.equal(["ConsentInvalid", "ConsentInvalid"]);
    });

    it("a consent to an adjustment does not serve for a reversal, nor the other way round, nor for another red letter", async () => {
      const { on, party, lot } = inEveryRole();
      const invoices = [{ id: idOf(lot, 1), version: 1 }];
      const red = (kind: "Reverse" | "Adjust", number: number): ActInput => ({
        kind,
        taxpayer: party.index,
        ref: refOf(number),
        invoices,
        evidence: [evidenceOf(lot, 1)],
      });
      const put = (kind: "Reverse" | "Adjust", agreed: ActInput) => ({
        ...actOf(on, red(kind, 7), party.wallet),
        consent: on.sign(party.wallet, messageOf(agreed)),
      });
      const outcomes = await tryActs(
        on,
        put("Reverse", red("Adjust", 7)),
        put("Adjust", red("Reverse", 7)),
        put("Adjust", red("Adjust", 8)),
        put("Adjust", red("Adjust", 7)),
      );
      expect(outcomes.map(inAWord)).to.deep.equal([
        "ConsentInvalid",
        "ConsentInvalid",
        "ConsentInvalid",
        "Adjusted",
      ]);
    });
  });

  it("a signature for another contract on the same chain does not count", async () => {
    const c = fixture();
    const { on } = c;
    const factory = new InvoiceLedger__factory(on.bureau);
    const twin = await factory.deploy(
      on.deployment.accessManager,
      on.deployment.registry,
      on.deployment.network,
      TERM,
    );
    const elsewhere = { ...on.domain, verifyingContract: await twin.getAddress() };
    const act = actOf(on, claim(c), c.holder);
    expect(
      (
        await tryActs(on, { ...act, signature: on.sign(c.holder, messageOf(claim(c)), elsewhere) })
      ).map(inAWord),
    ).to.deep.equal(["SignatureInvalid"]);
    // nor does a registry's domain serve for the ledger
    expect(
      (
        await tryActs(on, {
          ...act,
          signature: on.sign(c.holder, messageOf(claim(c)), on.registryDomain),
        })
      ).map(inAWord),
    ).to.deep.equal(["SignatureInvalid"]);

    // the first lot as it was sealed here: the twin reads the same registry, so its seal alone
    // tells them apart
    const lot = lotOf(on, c.issuer, c.segment, c.segment, c.untitled.leaves);
    const receipt = await mined(twin.seal([lot]));
    const [only] = receipt.logs;
    const log = only && twin.interface.parseLog(only);
    expect(log?.name).to.equal("LotRefused");
    expect(twin.interface.getError(log?.args["reason"])?.name).to.equal("SealInvalid");
  });

  for (const [label, other] of [
    ["another network with the same chain id and addresses", { network: "another-network" }],
    ["another chain with the same network name and addresses", { chainId: 31_338 }],
  ] as const) {
    it(`signatures of ${label} do not count`, async () => {
      const c = fixture();
      const d = await consortium({ claimTermSeconds: TERM, ...other });
      expect([d.on.deployment.ledger, d.on.deployment.registry, d.segment]).to.deep.equal([
        c.on.deployment.ledger,
        c.on.deployment.registry,
        c.segment,
      ]);
      expect("chainId" in other ? d.on.deployment.network : d.on.deployment.chainId).to.equal(
        "chainId" in other ? c.on.deployment.network : c.on.deployment.chainId,
      );

      const there = actOf(d.on, claim(c), c.holder);
      expect((await tryActs(c.on, there)).map(inAWord)).to.deep.equal(["SignatureInvalid"]);
      expect((await tryActs(c.on, actOf(c.on, claim(c), c.holder))).map(inAWord)).to.deep.equal([
        "Claimed",
      ]);

      const first = c.segment + (await c.on.ledger.sealedIn(c.segment));
      const lot = lotOf(d.on, d.issuer, c.segment, first, [leafOf("next", c.holder.address)]);
      expect((await tryLots(c.on, lot)).map(inAWord)).to.deep.equal(["SealInvalid"]);
      expect((await tryLots(d.on, lot)).map(inAWord)).to.deep.equal(["LotSealed"]);
    });
  }
});

describe("invalid signatures", () => {
  const fixture = perTest(() => consortium({ claimTermSeconds: TERM }));
  const refusedWithZero = async (
    c: Consortium,
    reason: string,
    ...acts: Parameters<typeof tryActs>[1][]
  ) => {
    for (const o of await tryActs(c.on, ...acts)) {
      if (!("refused" in o)) throw new Error(`taken: ${inAWord(o)}`);
      expect([o.refused, o.found, o.alarm]).to.deep.equal([reason, 0n, false]);
    }
  };

  it("a signature with s in the upper half is refused, though it recovers to the holder's key", async () => {
    const c = fixture();
    const { on, issuer, segment } = c;
    const id = segment + (await on.ledger.sealedIn(segment));
    const input: ActInput = {
      kind: "Claim",
      taxpayer: c.employer.index,
      invoices: [{ id, version: 0 }],
    };
    const { key, low, high } = bothForms(digest(on.domain, messageOf(input)));
    const lot = await sealLot(on, issuer, segment, [leafOf("held by a key that nobody has", key)]);
    const act = actOf(on, { ...input, evidence: [evidenceOf(lot, 0)] }, c.holder);
    await refusedWithZero(c, "SignatureInvalid", { ...act, signature: high });
    expect((await tryActs(on, { ...act, signature: low })).map(inAWord)).to.deep.equal(["Claimed"]);
  });

  it("a receiver's signature with s in the upper half is refused", async () => {
    const c = fixture();
    const { on } = c;
    const input: ActInput = {
      kind: "Transfer",
      to: c.receiver.address,
      ...untouched(c.untitled, 0),
    };
    const { key, low, high } = bothForms(digest(on.domain, messageOf(input)));
    await on.registry.rotateKey(c.receiver.address, key);
    const act = actOf(on, input, c.holder);
    await refusedWithZero(c, "ConsentInvalid", { ...act, consent: high });
    expect((await tryActs(on, { ...act, consent: low })).map(inAWord)).to.deep.equal([
      "Transferred",
    ]);
  });

  it("an employer's consent with s in the upper half is refused", async () => {
    const c = fixture();
    const { on } = c;
    await take(
      on,
      { kind: "Claim", taxpayer: c.employer.index, ...untouched(c.untitled, 0) },
      c.holder,
    );
    const input: ActInput = {
      kind: "Reverse",
      taxpayer: c.issuer.index,
      invoices: [{ id: idOf(c.untitled, 0), version: 1 }],
      evidence: [evidenceOf(c.untitled, 0)],
    };
    const { key, low, high } = bothForms(digest(on.domain, messageOf(input)));
    await on.registry.rotateKey(c.employer.wallet.address, key);
    const act = actOf(on, input, c.issuer.wallet);
    await refusedWithZero(c, "ConsentInvalid", { ...act, consent: high });
    expect((await tryActs(on, { ...act, consent: low })).map(inAWord)).to.deep.equal(["Reversed"]);
  });

  it("a seal with s in the upper half is refused", async () => {
    const c = fixture();
    const { on, issuer, segment } = c;
    const first = segment + (await on.ledger.sealedIn(segment));
    const lot = lotOf(on, issuer, segment, first, [leafOf("next", c.holder.address)]);
    const value = {
      issuer: issuer.index,
      segment: segment.toString(),
      first: first.toString(),
      count: 1,
      root: lot.leaves[0],
    };
    const { key, low, high } = bothForms(digest(on.domain, { type: "Seal", value }));
    await on.registry.rotateKey(issuer.wallet.address, key);
    const [refused] = await tryLots(on, { ...lot, seal: high });
    expect(refused).to.deep.equal({ refused: "SealInvalid", id: first, found: 0n, alarm: false });
    expect((await tryLots(on, { ...lot, seal: low })).map(inAWord)).to.deep.equal(["LotSealed"]);
  });

  const junk = {
    "no signature at all": noSignature,
    "an r beyond the field": { r: `0x${"ff".repeat(32)}`, vs: `0x${"01".repeat(32)}` },
    "an s of zero": { r: `0x${"01".repeat(32)}`, vs: ZeroHash },
    "an s of the curve's order": {
      r: `0x${"01".repeat(32)}`,
      vs: "0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1",
    },
  };
  for (const [label, signature] of Object.entries(junk)) {
    it(`${label} recovers nobody, who holds no red letter and leads no unknown taxpayer`, async () => {
      const c = fixture();
      const { on, issuer, segment } = c;
      const lot = await sealLot(on, issuer, segment, [
        leafOf("red letter", ZeroAddress),
        leafOf("titled red letter", ZeroAddress, c.employer.index),
      ]);
      for (const position of [0, 1]) {
        const target = untouched(lot, position);
        const as = (input: Pick<ActInput, "kind" | "to" | "taxpayer">) => ({
          ...actOf(on, { ...input, ...target }, c.stranger, c.receiver),
          signature,
        });
        await refusedWithZero(
          c,
          "SignatureInvalid",
          as({ kind: "Transfer", to: c.receiver.address }),
          as({ kind: "Claim", taxpayer: c.employer.index }),
          as({ kind: "Withdraw" }),
          as({ kind: "Reimburse", taxpayer: 0 }),
          as({ kind: "Reimburse", taxpayer: 99 }),
          as({ kind: "Reject", taxpayer: 0 }),
          as({ kind: "Reject", taxpayer: 99 }),
          as({ kind: "Reverse", taxpayer: issuer.index }),
        );
        expect((await recordOf(on, idOf(lot, position))).state).to.equal("None");
      }
    });

    it(`${label} is not a receiver's or an employer's consent, and not a seal`, async () => {
      const c = fixture();
      const { on } = c;
      await refusedWithZero(c, "ConsentInvalid", {
        ...actOf(
          on,
          { kind: "Transfer", to: c.receiver.address, ...untouched(c.untitled, 0) },
          c.holder,
        ),
        consent: signature,
      });
      await take(
        on,
        { kind: "Claim", taxpayer: c.employer.index, ...untouched(c.untitled, 0) },
        c.holder,
      );
      const reverse: ActInput = {
        kind: "Reverse",
        taxpayer: c.issuer.index,
        invoices: [{ id: idOf(c.untitled, 0), version: 1 }],
        evidence: [evidenceOf(c.untitled, 0)],
      };
      await refusedWithZero(c, "ConsentInvalid", {
        ...actOf(on, reverse, c.issuer.wallet),
        consent: signature,
      });
      const first = c.segment + (await on.ledger.sealedIn(c.segment));
      const [lot] = await tryLots(on, {
        ...lotOf(on, c.issuer, c.segment, first, [leafOf("next", c.holder.address)]),
        seal: signature,
      });
      expect(lot).to.deep.equal({ refused: "SealInvalid", id: first, found: 0n, alarm: false });
    });
  }

  it("nobody can act on a red letter, but its issuer can reverse it", async () => {
    const c = fixture();
    const { on, issuer, segment } = c;
    const lot = await sealLot(on, issuer, segment, [leafOf("red letter", ZeroAddress)]);
    const target = untouched(lot, 0);
    const outcomes = await tryActs(
      on,
      actOf(on, { kind: "Transfer", to: c.receiver.address, ...target }, c.holder, c.receiver),
      actOf(on, { kind: "Claim", taxpayer: c.employer.index, ...target }, issuer.wallet),
      actOf(on, { kind: "Reverse", taxpayer: issuer.index, ...target }, issuer.wallet),
    );
    expect(outcomes.map(inAWord)).to.deep.equal([
      "SignatureInvalid",
      "SignatureInvalid",
      "Reversed",
    ]);
  });

  it("the gateway does not even read a signature with s in the upper half", () => {
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    const { r, s, yParity } = new SigningKey(keyOf("holder").privateKey).sign(ZeroHash);
    const form = (value: bigint, parity: number) =>
      `${r}${value.toString(16).padStart(64, "0")}${(27 + parity).toString(16)}`;
    expect(compactSignature(form(BigInt(s), yParity))?.r).to.equal(r);
    expect(compactSignature(form(order - BigInt(s), 1 - yParity))).to.equal(undefined);
  });
});
