/**
 * What acts do to invoices: title and consent, all or none inside an act, neighbours, the claim term, the last versions, and
 * the ledger's closing. Who may act is ledger-access.ts, whose signature counts is ledger-signatures.ts.
 */
import { expect } from "chai";
import { ZeroHash } from "ethers";
import { digest } from "../../server/chain/messages.ts";
import { InvoiceLedger__factory } from "../../types/ethers-contracts/factories/contracts/InvoiceLedger__factory.ts";
import {
  type ActInput,
  actOf,
  type Consortium,
  consortium,
  evidenceOf,
  idOf,
  inAWord,
  type Kind,
  keyOf,
  leafOf,
  lotOf,
  messageOf,
  type Outcome,
  perTest,
  recordOf,
  sealLot,
  setVersion,
  take,
  tryActs,
  tryLots,
  untouched,
} from "./fixture.ts";

const TERM = 30 * 86_400;
const REF = `0x${"ab".repeat(32)}`;
const refusal = (o: Outcome | undefined) => {
  if (!o || !("refused" in o)) throw new Error(`taken: ${o && inAWord(o)}`);
  return [o.refused, o.id, o.found] as const;
};
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

const claim = (c: Consortium, from = c.employer, ...positions: number[]): ActInput => ({
  kind: "Claim",
  taxpayer: from.index,
  ref: REF,
  ...untouched(c.untitled, ...positions),
});
const decide = (kind: "Reimburse" | "Reject", by: { index: number }, ...invoices: { id: bigint; version: number }[]): ActInput => ({
  kind,
  taxpayer: by.index,
  ref: REF,
  invoices,
});

describe("what each act says", () => {
  const fixture = perTest(() => consortium({ claimTermSeconds: TERM }));

  it("every event carries the invoice, the digest that was signed, the party, the reference and the new version", async () => {
    const c = fixture();
    const { on, employer } = c;
    const id = idOf(c.untitled, 0);
    const bound = BigInt(employer.index);
    const at = (version: number) => ({ invoices: [{ id, version }], ref: REF });
    const evidence = [evidenceOf(c.untitled, 0)];
    const steps: [ActInput, typeof c.holder, typeof c.holder | undefined, string, Record<string, unknown>][] = [
      [{ kind: "Transfer", to: c.receiver.address, ...at(0), evidence }, c.holder, c.receiver, "Transferred", { to: c.receiver.address, ref: REF }],
      [{ kind: "Claim", taxpayer: employer.index, ...at(1) }, c.receiver, undefined, "Claimed", { employer: bound, holder: c.receiver.address, ref: REF }],
      [{ kind: "Reject", taxpayer: employer.index, ...at(2) }, employer.wallet, undefined, "Rejected", { employer: bound, ref: REF }],
      [{ kind: "Claim", taxpayer: employer.index, ...at(3) }, c.receiver, undefined, "Claimed", { employer: bound, holder: c.receiver.address, ref: REF }],
      [{ kind: "Withdraw", ...at(4) }, c.receiver, undefined, "Withdrawn", { employer: bound }],
      [{ kind: "Claim", taxpayer: employer.index, ...at(5) }, c.receiver, undefined, "Claimed", { employer: bound, holder: c.receiver.address, ref: REF }],
      [{ kind: "Reimburse", taxpayer: employer.index, ...at(6) }, employer.wallet, undefined, "Reimbursed", { employer: bound }],
      [
        { kind: "Reverse", taxpayer: c.issuer.index, ...at(7), evidence },
        c.issuer.wallet,
        employer.wallet,
        "Reversed",
        { issuer: BigInt(c.issuer.index), ref: REF },
      ],
    ];
    for (const [i, [input, by, consent, event, args]] of steps.entries()) {
      if (input.kind === "Withdraw") await on.networkHelpers.time.increase(TERM);
      const [outcome] = await tryActs(on, actOf(on, input, by, consent));
      expect(outcome, input.kind).to.deep.equal({ event, id, args: { id, act: digest(on.domain, messageOf(input)), version: BigInt(i + 1), ...args } });
    }
  });

  it("an act over several invoices says the same digest for each", async () => {
    const c = fixture();
    const input = claim(c, c.employer, 0, 1, 2);
    const outcomes = await tryActs(c.on, actOf(c.on, input, c.holder));
    expect(outcomes.map((o) => "args" in o && [o.id, o.args["act"]])).to.deep.equal(
      [0, 1, 2].map((at) => [idOf(c.untitled, at), digest(c.on.domain, messageOf(input))]),
    );
  });
});

describe("the title", () => {
  const fixture = perTest(() => consortium({ claimTermSeconds: TERM }));

  it("holds through a transfer, a rejection and a withdrawal", async () => {
    const c = fixture();
    const { on, employer, otherEmployer } = c;
    const id = idOf(c.titled, 0);
    const elsewhere = async (version: number, evidence: ActInput["evidence"] = []) => {
      const input: ActInput = { kind: "Claim", taxpayer: otherEmployer.index, invoices: [{ id, version }], evidence };
      const [outcome] = await tryActs(on, actOf(on, input, version === 0 ? c.holder : c.receiver));
      expect(refusal(outcome), `at version ${version}`).to.deep.equal(["TitledToAnother", id, BigInt(employer.index)]);
    };
    const target = (version: number) => ({ invoices: [{ id, version }] });
    await elsewhere(0, [evidenceOf(c.titled, 0)]);
    await take(on, { kind: "Transfer", to: c.receiver.address, ...untouched(c.titled, 0) }, c.holder, c.receiver);
    await elsewhere(1);
    await take(on, { kind: "Claim", taxpayer: employer.index, ...target(1) }, c.receiver);
    await take(on, { kind: "Reject", taxpayer: employer.index, ...target(2) }, employer.wallet);
    await elsewhere(3);
    await take(on, { kind: "Claim", taxpayer: employer.index, ...target(3) }, c.receiver);
    await on.networkHelpers.time.increase(TERM);
    await take(on, { kind: "Withdraw", ...target(4) }, c.receiver);
    await elsewhere(5);
    await take(on, { kind: "Claim", taxpayer: employer.index, ...target(5) }, c.receiver);
  });

  it("an untitled invoice is free after its rejection, and the rejecting employer has no hold on it", async () => {
    const c = fixture();
    const { on } = c;
    const id = idOf(c.untitled, 0);
    await take(on, claim(c, c.employer, 0), c.holder);
    await take(on, decide("Reject", c.employer, { id, version: 1 }), c.employer.wallet);
    expect(await recordOf(on, id)).to.include({ state: "Issued", employer: 0, titled: false });
    await take(on, { kind: "Claim", taxpayer: c.otherEmployer.index, invoices: [{ id, version: 2 }] }, c.holder);
    const outcomes = await tryActs(
      on,
      actOf(on, decide("Reimburse", c.employer, { id, version: 3 }), c.employer.wallet),
      actOf(on, decide("Reimburse", c.otherEmployer, { id, version: 3 }), c.otherEmployer.wallet),
    );
    expect(outcomes.map(inAWord)).to.deep.equal(["NotClaimedFrom!", "Reimbursed"]);
  });

  it("an untitled invoice is free after a withdrawal too, and can be handed on", async () => {
    const c = fixture();
    const { on } = c;
    const id = idOf(c.untitled, 0);
    await take(on, claim(c, c.employer, 0), c.holder);
    await on.networkHelpers.time.increase(TERM);
    await take(on, { kind: "Withdraw", invoices: [{ id, version: 1 }] }, c.holder);
    await take(on, { kind: "Transfer", to: c.receiver.address, invoices: [{ id, version: 2 }] }, c.holder, c.receiver);
    await take(on, { kind: "Claim", taxpayer: c.otherEmployer.index, invoices: [{ id, version: 3 }] }, c.receiver);
    expect(await recordOf(on, id)).to.include({ holder: c.receiver.address, employer: c.otherEmployer.index });
  });

  it("who handed an invoice on can do nothing with it any more", async () => {
    const c = fixture();
    const { on } = c;
    const invoices = [{ id: idOf(c.untitled, 0), version: 1 }];
    await take(on, { kind: "Transfer", to: c.receiver.address, ...untouched(c.untitled, 0) }, c.holder, c.receiver);
    const outcomes = await tryActs(
      on,
      actOf(on, { kind: "Claim", taxpayer: c.employer.index, invoices }, c.holder),
      actOf(on, { kind: "Transfer", to: c.stranger.address, invoices }, c.holder, c.stranger),
    );
    expect(outcomes.map(inAWord)).to.deep.equal(["SignatureInvalid", "SignatureInvalid"]);
  });
});

describe("a reversal with consent", () => {
  const fixture = perTest(() => consortium());

  it("over invoices claimed from two employers needs both, so one word serves neither", async () => {
    const c = fixture();
    const { on } = c;
    await take(on, claim(c, c.employer, 0), c.holder);
    await take(on, claim(c, c.otherEmployer, 1), c.holder);
    const invoices = [0, 1].map((at) => ({ id: idOf(c.untitled, at), version: 1 }));
    const input: ActInput = { kind: "Reverse", taxpayer: c.issuer.index, invoices, evidence: [0, 1].map((at) => evidenceOf(c.untitled, at)) };
    const outcomes = await tryActs(on, actOf(on, input, c.issuer.wallet, c.employer.wallet), actOf(on, input, c.issuer.wallet, c.otherEmployer.wallet));
    expect(outcomes.map(refusal)).to.deep.equal([
      ["ConsentInvalid", idOf(c.untitled, 1), BigInt(c.employer.wallet.address)],
      ["ConsentInvalid", idOf(c.untitled, 0), BigInt(c.otherEmployer.wallet.address)],
    ]);
    expect((await recordOf(on, idOf(c.untitled, 0))).state).to.equal("Claimed");
  });

  it("one consent covers several invoices of one employer, claimed, reimbursed and unclaimed", async () => {
    const c = fixture();
    const { on } = c;
    await take(on, claim(c, c.employer, 0, 1), c.holder);
    await take(on, decide("Reimburse", c.employer, { id: idOf(c.untitled, 1), version: 1 }), c.employer.wallet);
    const invoices = [1, 2, 0].map((version, at) => ({ id: idOf(c.untitled, at), version }));
    await take(
      on,
      { kind: "Reverse", taxpayer: c.issuer.index, invoices, evidence: [0, 1, 2].map((at) => evidenceOf(c.untitled, at)) },
      c.issuer.wallet,
      c.employer.wallet,
    );
    for (const { id } of invoices) expect((await recordOf(on, id)).state).to.equal("Reversed");
  });

  it("a consent given for one version does not serve for the next", async () => {
    const c = fixture();
    const { on } = c;
    const id = idOf(c.untitled, 0);
    const reverse = (version: number): ActInput => ({
      kind: "Reverse",
      taxpayer: c.issuer.index,
      invoices: [{ id, version }],
      evidence: [evidenceOf(c.untitled, 0)],
    });
    await take(on, claim(c, c.employer, 0), c.holder);
    const { consent } = actOf(on, reverse(1), c.issuer.wallet, c.employer.wallet);
    await take(on, decide("Reimburse", c.employer, { id, version: 1 }), c.employer.wallet);
    expect((await tryActs(on, { ...actOf(on, reverse(2), c.issuer.wallet), consent })).map(inAWord)).to.deep.equal(["ConsentInvalid"]);
  });
});

describe("all or none inside an act", () => {
  const fixture = perTest(async () => {
    const c = await consortium({ claimTermSeconds: TERM });
    // position 60 stands where 49 good ones would go with it, and is another holder's
    const others = await sealLot(c.on, c.issuer, c.segment, [leafOf("another holder's", c.receiver.address)]);
    return { ...c, others };
  });

  for (const place of [0, 24, 49]) {
    it(`49 good invoices and a bad one at place ${place}: nothing changes, and the bad one is named`, async () => {
      const c = fixture();
      const { on, employer } = c;
      await take(on, claim(c, employer, place), c.holder);
      const bad = idOf(c.untitled, place);
      const others = range(0, 50).filter((at) => at !== place);
      const targets = (version: number) => range(0, 50).map((at) => ({ id: idOf(c.untitled, at), version: at === place ? version : 0 }));
      const evidence = others.map((at) => evidenceOf(c.untitled, at));
      const broken = evidence.map((e, i) => (i === (place === 0 ? 0 : place - 1) ? { ...e, proof: e.proof.slice(1) } : e));
      const outcomes = await tryActs(
        on,
        actOf(on, { kind: "Claim", taxpayer: employer.index, invoices: targets(1), evidence }, c.holder),
        actOf(on, { kind: "Claim", taxpayer: employer.index, invoices: targets(7), evidence }, c.holder),
        actOf(on, { kind: "Claim", taxpayer: employer.index, invoices: targets(1), evidence: broken }, c.holder),
        actOf(on, { kind: "Transfer", to: c.receiver.address, invoices: targets(1), evidence }, c.holder, c.receiver),
        actOf(
          on,
          { kind: "Reverse", taxpayer: c.issuer.index, invoices: targets(1), evidence: range(0, 50).map((at) => evidenceOf(c.untitled, at)) },
          c.issuer.wallet,
        ),
      );
      expect(outcomes.map(inAWord)).to.deep.equal(["AlreadyClaimed", "StaleVersion", "ProofInvalid", "WrongState", "ConsentInvalid"]);
      for (const i of [0, 1, 3, 4]) expect(outcomes[i]?.id).to.equal(bad);
      for (const at of others) expect((await recordOf(on, idOf(c.untitled, at))).version).to.equal(0);
      expect(await recordOf(on, bad)).to.include({ state: "Claimed", version: 1 });
    });
  }

  it("49 good decisions and a bad one: nothing is reimbursed, nothing rejected", async () => {
    const c = fixture();
    const { on, employer, otherEmployer } = c;
    await take(on, claim(c, employer, ...range(0, 49)), c.holder);
    await take(on, claim(c, otherEmployer, 49), c.holder);
    const invoices = range(0, 50).map((at) => ({ id: idOf(c.untitled, at), version: 1 }));
    const outcomes = await tryActs(
      on,
      actOf(on, { kind: "Reimburse", taxpayer: employer.index, invoices }, employer.wallet),
      actOf(on, { kind: "Reject", taxpayer: employer.index, invoices }, employer.wallet),
      actOf(on, { kind: "Withdraw", invoices }, c.holder),
    );
    expect(outcomes.map(inAWord)).to.deep.equal(["NotClaimedFrom!", "NotClaimedFrom", "ClaimTermRunning"]);
    for (const { id } of invoices) expect(await recordOf(on, id)).to.include({ state: "Claimed", version: 1 });
    await take(on, { kind: "Reimburse", taxpayer: employer.index, invoices: invoices.slice(0, 49) }, employer.wallet);
  });

  it("invoices of two holders do not go in one act of either", async () => {
    const c = fixture();
    const { on } = c;
    const mine = untouched(c.untitled, 0);
    const theirs = untouched(c.others, 0);
    const both = { invoices: [...mine.invoices, ...theirs.invoices], evidence: [...mine.evidence, ...theirs.evidence] };
    const outcomes = await tryActs(
      on,
      actOf(on, { kind: "Claim", taxpayer: c.employer.index, ...both }, c.holder),
      actOf(on, { kind: "Claim", taxpayer: c.employer.index, ...both }, c.receiver),
      actOf(on, { kind: "Transfer", to: c.stranger.address, ...both }, c.holder, c.stranger),
    );
    expect(outcomes.map(inAWord)).to.deep.equal(["HolderDiffers", "SignatureInvalid", "HolderDiffers"]);
    expect(refusal(outcomes[0])).to.deep.equal(["HolderDiffers", idOf(c.others, 0), BigInt(c.receiver.address)]);
  });

  it("an invoice stands in an act once, and ids ascend", async () => {
    const c = fixture();
    const { on } = c;
    const put = (...positions: number[]) => actOf(on, claim(c, c.employer, ...positions), c.holder);
    const zero = { ...put(0), invoices: [{ id: 0n, version: 0 }] };
    const outcomes = await tryActs(on, put(3, 3), put(3, 4, 2), zero);
    expect(outcomes.map(refusal)).to.deep.equal([
      ["IdsNotAscending", idOf(c.untitled, 3), idOf(c.untitled, 3)],
      ["IdsNotAscending", idOf(c.untitled, 2), idOf(c.untitled, 4)],
      ["IdsNotAscending", 0n, 0n],
    ]);
  });

  it("an act has 1 to 100 invoices", async () => {
    const c = fixture();
    const { on } = c;
    const lot = await sealLot(
      on,
      c.issuer,
      c.segment,
      range(0, 101).map((i) => leafOf(`many ${i}`, c.holder.address)),
    );
    const put = (n: number) => actOf(on, { kind: "Claim", taxpayer: c.employer.index, ...untouched(lot, ...range(0, n)) }, c.holder);
    const outcomes = await tryActs(on, put(0), put(101), put(100));
    expect(outcomes.slice(0, 2).map((o) => [...refusal(o), "act" in o && o.act])).to.deep.equal([
      ["ActSize", 0n, 0n, ZeroHash],
      ["ActSize", 0n, 101n, ZeroHash],
    ]);
    expect(outcomes.slice(2).map(inAWord)).to.deep.equal(Array(100).fill("Claimed"));
  });
});

describe("neighbours", () => {
  const fixture = perTest(() => consortium({ claimTermSeconds: TERM }));

  it("a bad act of any sort leaves the acts before and after it alone", async () => {
    const c = fixture();
    const { on } = c;
    const good = (at: number) => actOf(on, claim(c, c.employer, at), c.holder);
    const bad = [
      { ...good(0), kind: 6 },
      { ...good(0), kind: 255 },
      { ...good(0), invoices: [] },
      { ...good(0), invoices: [{ id: idOf(c.untitled, 0), version: 9 }] },
      { ...good(0), evidence: [] },
      actOf(on, claim(c, c.employer, 0), c.stranger),
      actOf(on, { ...claim(c, c.employer, 0), taxpayer: 77 }, c.holder),
      actOf(on, { kind: "Withdraw", ...untouched(c.untitled, 0) }, c.holder),
    ];
    const outcomes = await tryActs(on, ...bad.flatMap((act, i) => [good(i + 1), act]), good(20));
    expect(outcomes.map(inAWord)).to.deep.equal(
      ["KindUnknown", "KindUnknown", "ActSize", "StaleVersion", "EvidenceMissing", "SignatureInvalid", "EmployerNotActive", "WrongState"]
        .flatMap((word) => ["Claimed", word])
        .concat("Claimed"),
    );
    expect((await recordOf(on, idOf(c.untitled, 0))).version).to.equal(0);
  });

  it("an unknown kind says the kind and has no digest", async () => {
    const c = fixture();
    const act = actOf(c.on, claim(c, c.employer, 0), c.holder);
    const outcomes = await tryActs(c.on, { ...act, kind: 6 }, { ...act, kind: 255 });
    expect(outcomes).to.deep.equal(
      [6, 255].map((kind) => ({ refused: "KindUnknown", id: idOf(c.untitled, 0), found: BigInt(kind), alarm: false, act: ZeroHash, kind })),
    );
  });

  it("a later act of a transaction sees what an earlier one did", async () => {
    const c = fixture();
    const { on, employer } = c;
    const id = idOf(c.untitled, 0);
    const outcomes = await tryActs(
      on,
      actOf(on, claim(c, employer, 0), c.holder),
      actOf(on, decide("Reimburse", employer, { id, version: 1 }), employer.wallet),
      actOf(on, decide("Reimburse", employer, { id, version: 2 }), employer.wallet),
    );
    expect(outcomes.map(inAWord)).to.deep.equal(["Claimed", "Reimbursed", "AlreadyReimbursed!"]);
  });

  it("a call takes no acts, or up to 100, and throws beyond that", async () => {
    const c = fixture();
    expect(await tryActs(c.on)).to.deep.equal([]);
    const act = actOf(c.on, { ...claim(c, c.employer, 0), taxpayer: 0 }, c.holder);
    await expect(c.on.ledger.act(Array(101).fill(act)))
      .to.be.revertedWithCustomError(c.on.ledger, "BatchSize")
      .withArgs(101n);
    expect((await tryActs(c.on, ...Array(100).fill(act))).map(inAWord)).to.deep.equal(Array(100).fill("EmployerNotActive"));
  });
});

describe("the claim term", () => {
  const fixture = perTest(() => consortium({ claimTermSeconds: TERM }));

  it("a claim can be withdrawn from its last second on, and not one second sooner", async () => {
    const c = fixture();
    const { on } = c;
    await take(on, claim(c, c.employer, 0), c.holder);
    const id = idOf(c.untitled, 0);
    const until = (await recordOf(on, id)).updatedAt + TERM;
    const act = actOf(on, { kind: "Withdraw", invoices: [{ id, version: 1 }] }, c.holder);
    await on.networkHelpers.time.setNextBlockTimestamp(until - 1);
    expect((await tryActs(on, act)).map(refusal)).to.deep.equal([["ClaimTermRunning", id, BigInt(until)]]);
    await on.networkHelpers.time.setNextBlockTimestamp(until);
    expect((await tryActs(on, act)).map(inAWord)).to.deep.equal(["Withdrawn"]);
  });

  it("the term runs from the claim, not from what came before", async () => {
    const c = fixture();
    const { on, employer } = c;
    const id = idOf(c.untitled, 0);
    await take(on, claim(c, employer, 0), c.holder);
    await on.networkHelpers.time.increase(TERM);
    await take(on, decide("Reject", employer, { id, version: 1 }), employer.wallet);
    await take(on, { kind: "Claim", taxpayer: employer.index, invoices: [{ id, version: 2 }] }, c.holder);
    expect((await tryActs(on, actOf(on, { kind: "Withdraw", invoices: [{ id, version: 3 }] }, c.holder))).map(inAWord)).to.deep.equal(["ClaimTermRunning"]);
  });

  it("after its end the employer can still decide, until the holder withdraws", async () => {
    const c = fixture();
    const { on, employer } = c;
    await take(on, claim(c, employer, 0, 1), c.holder);
    await on.networkHelpers.time.increase(TERM * 2);
    await take(on, decide("Reimburse", employer, { id: idOf(c.untitled, 0), version: 1 }), employer.wallet);
    await take(on, { kind: "Withdraw", invoices: [{ id: idOf(c.untitled, 1), version: 1 }] }, c.holder);
    const outcomes = await tryActs(on, actOf(on, decide("Reimburse", employer, { id: idOf(c.untitled, 1), version: 2 }), employer.wallet));
    expect(outcomes.map(inAWord)).to.deep.equal(["WrongState"]);
  });

  it("a term is at least an hour and at most a year, and the registry must be a contract", async () => {
    const { on } = fixture();
    const factory = new InvoiceLedger__factory(on.bureau);
    const { accessManager, registry } = on.deployment;
    for (const term of [0, 3599, 365 * 86_400 + 1]) {
      await expect(factory.deploy(accessManager, registry, "n", term))
        .to.be.revertedWithCustomError(on.ledger, "ClaimTermInvalid")
        .withArgs(BigInt(term));
    }
    for (const term of [3600, 365 * 86_400]) expect(await (await factory.deploy(accessManager, registry, "n", term)).claimTerm()).to.equal(BigInt(term));
    const nobody = keyOf("nobody").address;
    await expect(factory.deploy(accessManager, nobody, "n", 3600))
      .to.be.revertedWithCustomError(on.ledger, "RegistryInvalid")
      .withArgs(nobody);
    expect(await on.ledger.registry()).to.equal(registry);
  });
});

describe("the last versions", () => {
  const fixture = perTest(() => consortium({ claimTermSeconds: 3600 }));
  const MAX = 65_535;

  /** Which acts are taken at a version, by the state they start from. */
  const open = { Transfer: "Issued", Claim: "Issued", Withdraw: "Claimed", Reimburse: "Claimed", Reject: "Claimed", Reverse: "Issued" } as const;
  for (const [kind, from] of Object.entries(open) as [Kind, "Issued" | "Claimed"][]) {
    const closesEarly = kind === "Transfer" || kind === "Claim";
    it(`a ${kind} ${closesEarly ? "stops three versions below the highest" : "is taken up to the last version but one, and the version does not wrap"}`, async () => {
      const c = fixture();
      const { on, employer } = c;
      const id = idOf(c.untitled, 0);
      await take(on, claim(c, employer, 0), c.holder);
      if (from === "Issued") await take(on, decide("Reject", employer, { id, version: 1 }), employer.wallet);
      await on.networkHelpers.time.increase(3600);
      const wallet = kind === "Reverse" ? c.issuer.wallet : kind === "Reimburse" || kind === "Reject" ? employer.wallet : c.holder;
      const taxpayer = kind === "Reverse" ? c.issuer.index : kind === "Withdraw" || kind === "Transfer" ? 0 : employer.index;
      for (const version of range(MAX - 6, MAX)) {
        const snapshot = await on.networkHelpers.takeSnapshot();
        await setVersion(on, id, version);
        const input: ActInput = { kind, taxpayer, invoices: [{ id, version }] };
        if (kind === "Transfer") input.to = c.receiver.address;
        if (kind === "Reverse") input.evidence = [evidenceOf(c.untitled, 0)];
        const [outcome] = await tryActs(on, actOf(on, input, wallet, c.receiver));
        if (closesEarly && version >= MAX - 3) expect(refusal(outcome), `${version}`).to.deep.equal(["VersionExhausted", id, BigInt(version)]);
        else expect(outcome, `${version}`).to.have.property("event");
        expect((await recordOf(on, id)).version).to.equal(closesEarly && version >= MAX - 3 ? version : version + 1);
        await snapshot.restore();
      }
    });
  }

  it("the last claim can still be rejected and reversed, or reimbursed and reversed, and then nothing is left to do", async () => {
    const c = fixture();
    const { on, employer } = c;
    await take(on, claim(c, employer, 0, 1), c.holder);
    for (const [at, way] of [
      [0, "Reject"],
      [1, "Reimburse"],
    ] as const) {
      const id = idOf(c.untitled, at);
      await take(on, decide("Reject", employer, { id, version: 1 }), employer.wallet);
      await setVersion(on, id, MAX - 4);
      await take(on, { kind: "Claim", taxpayer: employer.index, invoices: [{ id, version: MAX - 4 }] }, c.holder);
      await take(on, decide(way, employer, { id, version: MAX - 3 }), employer.wallet);
      const reverse: ActInput = { kind: "Reverse", taxpayer: c.issuer.index, invoices: [{ id, version: MAX - 2 }], evidence: [evidenceOf(c.untitled, at)] };
      await take(on, reverse, c.issuer.wallet, employer.wallet);
      expect(await recordOf(on, id)).to.include({ state: "Reversed", version: MAX - 1 });
    }
  });
});

describe("closing the ledger", () => {
  const fixture = perTest(() => consortium());

  it("stops what writes and lets refusals be said, until it is opened again", async () => {
    const c = fixture();
    const { on } = c;
    const asBureau = on.ledger.connect(on.bureau);
    const good = actOf(on, claim(c, c.employer, 0), c.holder);
    const bad = actOf(on, claim(c, c.employer, 0), c.stranger);
    const first = c.segment + (await on.ledger.sealedIn(c.segment));
    const lot = lotOf(on, c.issuer, c.segment, first, [leafOf("next", c.holder.address)]);
    expect(await on.ledger.isClosed()).to.equal(false);
    await expect(asBureau.setClosed(true)).to.emit(on.ledger, "ClosedSet").withArgs(true);
    expect(await on.ledger.isClosed()).to.equal(true);

    await expect(on.ledger.act([good])).to.be.revertedWithCustomError(on.ledger, "LedgerClosed");
    await expect(on.ledger.act([bad, good])).to.be.revertedWithCustomError(on.ledger, "LedgerClosed");
    await expect(on.ledger.seal([lot])).to.be.revertedWithCustomError(on.ledger, "LedgerClosed");
    expect((await tryActs(on, bad)).map(inAWord)).to.deep.equal(["SignatureInvalid"]);
    expect((await tryLots(on, { ...lot, leaves: [] })).map(inAWord)).to.deep.equal(["LotSize"]);
    // what was sealed stays provable, and what was decided readable
    expect(await on.ledger.proves(idOf(c.untitled, 0), evidenceOf(c.untitled, 0))).to.equal(true);
    expect((await recordOf(on, idOf(c.untitled, 0))).state).to.equal("None");

    await expect(asBureau.setClosed(false)).to.emit(on.ledger, "ClosedSet").withArgs(false);
    expect((await tryActs(on, good)).map(inAWord)).to.deep.equal(["Claimed"]);
    expect((await tryLots(on, lot)).map(inAWord)).to.deep.equal(["LotSealed"]);
  });

  it("is the bureau's alone", async () => {
    const { on } = fixture();
    await expect(on.ledger.setClosed(true))
      .to.be.revertedWithCustomError(on.ledger, "AccessManagedUnauthorized")
      .withArgs(await on.relay.getAddress());
  });
});
