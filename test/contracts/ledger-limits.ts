/**
 * Where acts end: the claim term, the last versions of an invoice, and a ledger that the bureau has
 * closed.
 */
import { acts } from "@onepiao/protocol/ledger/acts.ts";
import { expect } from "chai";
import { refOf } from "../../server/chain/contracts.ts";
import { InvoiceLedger__factory } from "../../types/ethers-contracts/factories/contracts/InvoiceLedger__factory.ts";
import {
  type ActInput,
  actOf,
  claim,
  consortium,
  decide,
  evidenceOf,
  externalId,
  idOf,
  inAWord,
  type Kind,
  keyOf,
  leafOf,
  lotOf,
  perTest,
  recordOf,
  refusal,
  setVersion,
  take,
  tryActs,
  tryLots,
} from "./fixture.ts";

const TERM = 30 * 86_400;
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

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
    expect((await tryActs(on, act)).map(refusal)).to.deep.equal([
      ["ClaimTermRunning", id, BigInt(until)],
    ]);
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
    await take(
      on,
      { kind: "Claim", taxpayer: employer.index, invoices: [{ id, version: 2 }] },
      c.holder,
    );
    expect(
      (
        await tryActs(on, actOf(on, { kind: "Withdraw", invoices: [{ id, version: 3 }] }, c.holder))
      ).map(inAWord),
    ).to.deep.equal(["ClaimTermRunning"]);
  });

  it("after its end the employer can still decide, until the holder withdraws", async () => {
    const c = fixture();
    const { on, employer } = c;
    await take(on, claim(c, employer, 0, 1), c.holder);
    await on.networkHelpers.time.increase(TERM * 2);
    await take(
      on,
      decide("Reimburse", employer, { id: idOf(c.untitled, 0), version: 1 }),
      employer.wallet,
    );
    await take(
      on,
      { kind: "Withdraw", invoices: [{ id: idOf(c.untitled, 1), version: 1 }] },
      c.holder,
    );
    const outcomes = await tryActs(
      on,
      actOf(
        on,
        decide("Reimburse", employer, { id: idOf(c.untitled, 1), version: 2 }),
        employer.wallet,
      ),
    );
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
    for (const term of [3600, 365 * 86_400])
      expect(await (await factory.deploy(accessManager, registry, "n", term)).claimTerm()).to.equal(
        BigInt(term),
      );
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
  const open = {
    Transfer: "Issued",
    Claim: "Issued",
    Withdraw: "Claimed",
    Reimburse: "Claimed",
    Reject: "Claimed",
    Reverse: "Issued",
    Adjust: "Issued",
  } as const;
  for (const [kind, from] of Object.entries(open) as [Kind, "Issued" | "Claimed"][]) {
    const closesEarly = kind === "Transfer" || kind === "Claim" || kind === "Adjust";
    it(`a ${kind} ${closesEarly ? "stops three versions below the highest" : "is taken up to the last version but one, and the version does not wrap"}`, async () => {
      const c = fixture();
      const { on, employer } = c;
      const id = idOf(c.untitled, 0);
      await take(on, claim(c, employer, 0), c.holder);
      if (from === "Issued")
        await take(on, decide("Reject", employer, { id, version: 1 }), employer.wallet);
      await on.networkHelpers.time.increase(3600);
      const { signs, fields, evidence } = acts[kind];
      const wallet = { issuer: c.issuer.wallet, employer: employer.wallet, holder: c.holder }[
        signs
      ];
      const taxpayer =
        "issuer" in fields ? c.issuer.index : "employer" in fields ? employer.index : 0;
      for (const version of range(MAX - 6, MAX)) {
        const snapshot = await on.networkHelpers.takeSnapshot();
        await setVersion(on, id, version);
        const input: ActInput = { kind, taxpayer, invoices: [{ id, version }] };
        if ("to" in fields) input.to = c.receiver.address;
        if (evidence === "all") input.evidence = [evidenceOf(c.untitled, 0)];
        const [outcome] = await tryActs(on, actOf(on, input, wallet, c.receiver));
        if (closesEarly && version >= MAX - 3)
          expect(refusal(outcome), `${version}`).to.deep.equal([
            "VersionExhausted",
            id,
            BigInt(version),
          ]);
        else expect(outcome, `${version}`).to.have.property("event");
        expect((await recordOf(on, id)).version).to.equal(
          closesEarly && version >= MAX - 3 ? version : version + 1,
        );
        await snapshot.restore();
      }
    });
  }

  it("an entry and an admission stop three versions below the highest, a revocation is taken at any", async () => {
    const c = fixture();
    const { on, employer } = c;
    const titled = idOf(c.titled, 0);
    const external = externalId("one");
    const enter = (version: number, mark: number): ActInput => ({
      kind: "Enter",
      taxpayer: employer.index,
      ref: refOf(mark),
      invoices: [{ id: titled, version }],
    });
    const admit = (version: number): ActInput => ({
      kind: "Admit",
      taxpayer: employer.index,
      to: c.holder.address,
      invoices: [{ id: external, version }],
    });
    await take(on, { ...enter(0, 2), evidence: [evidenceOf(c.titled, 0)] }, employer.wallet);
    await take(on, admit(0), employer.wallet);
    await take(on, decide("Reject", employer, { id: external, version: 1 }), employer.wallet);
    for (const version of range(MAX - 6, MAX)) {
      const snapshot = await on.networkHelpers.takeSnapshot();
      for (const id of [titled, external]) await setVersion(on, id, version);
      const words = (
        await tryActs(
          on,
          actOf(on, admit(version), employer.wallet),
          actOf(on, enter(version, 6), employer.wallet),
        )
      ).map(inAWord);
      expect(words, `${version}`).to.deep.equal([
        version < MAX - 3 ? "Claimed" : "VersionExhausted",
        "Entered",
      ]);
      if (version + 1 < MAX) {
        const [again] = await tryActs(on, actOf(on, enter(version + 1, 3), employer.wallet));
        expect(inAWord(again as never), `${version + 1}`).to.equal(
          version + 1 < MAX - 3 ? "Entered" : "VersionExhausted",
        );
      }
      await snapshot.restore();
    }
  });

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
      await take(
        on,
        { kind: "Claim", taxpayer: employer.index, invoices: [{ id, version: MAX - 4 }] },
        c.holder,
      );
      await take(on, decide(way, employer, { id, version: MAX - 3 }), employer.wallet);
      const reverse: ActInput = {
        kind: "Reverse",
        taxpayer: c.issuer.index,
        invoices: [{ id, version: MAX - 2 }],
        evidence: [evidenceOf(c.untitled, at)],
      };
      await take(on, reverse, c.issuer.wallet, employer.wallet);
      expect(await recordOf(on, id)).to.include({ state: "Reversed", version: MAX - 1 });
    }
  });
});

describe("closing the ledger", () => {
  const fixture = perTest(() => consortium());

  it("stops acts that write, and still reports refusals, until it is opened again", async () => {
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
    await expect(on.ledger.act([bad, good])).to.be.revertedWithCustomError(
      on.ledger,
      "LedgerClosed",
    );
    await expect(on.ledger.seal([lot])).to.be.revertedWithCustomError(on.ledger, "LedgerClosed");
    expect((await tryActs(on, bad)).map(inAWord)).to.deep.equal(["SignatureInvalid"]);
    expect((await tryLots(on, { ...lot, leaves: [] })).map(inAWord)).to.deep.equal(["LotSize"]);
    // sealed invoices stay provable, and decisions stay readable
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
