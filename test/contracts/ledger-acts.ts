/**
 * The effect of acts on invoices: events, title and consent, all or none inside an act, neighbours.
 * ledger-access.ts tests who may act, ledger-signatures.ts whose signature counts, ledger-limits.ts
 * where acts end.
 */

import { digest } from "@onepiao/protocol/ledger/messages.ts";
import { expect } from "chai";
import { ZeroHash } from "ethers";
import { refOf } from "../../server/chain/contracts.ts";
import {
  type ActInput,
  actOf,
  claim,
  consortium,
  decide,
  evidenceOf,
  idOf,
  inAWord,
  leafOf,
  messageOf,
  perTest,
  REFERENCE,
  recordOf,
  refusal,
  sealLot,
  take,
  tryActs,
  untouched,
} from "./fixture.ts";

const TERM = 30 * 86_400;
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

describe("the event of each act", () => {
  const fixture = perTest(() => consortium({ claimTermSeconds: TERM }));

  it("every event carries the invoice, the digest that was signed, the party, the reference and the new version", async () => {
    const c = fixture();
    const { on, employer } = c;
    const id = idOf(c.untitled, 0);
    const bound = BigInt(employer.index);
    const at = (version: number) => ({ invoices: [{ id, version }], ref: REFERENCE });
    const evidence = [evidenceOf(c.untitled, 0)];
    const steps: [
      ActInput,
      typeof c.holder,
      typeof c.holder | undefined,
      string,
      Record<string, unknown>,
    ][] = [
      [
        { kind: "Transfer", to: c.receiver.address, ...at(0), evidence },
        c.holder,
        c.receiver,
        "Transferred",
        { to: c.receiver.address, ref: REFERENCE },
      ],
      [
        { kind: "Claim", taxpayer: employer.index, ...at(1) },
        c.receiver,
        undefined,
        "Claimed",
        { employer: bound, holder: c.receiver.address, ref: REFERENCE },
      ],
      [
        { kind: "Reject", taxpayer: employer.index, ...at(2) },
        employer.wallet,
        undefined,
        "Rejected",
        { employer: bound, ref: REFERENCE },
      ],
      [
        { kind: "Claim", taxpayer: employer.index, ...at(3) },
        c.receiver,
        undefined,
        "Claimed",
        { employer: bound, holder: c.receiver.address, ref: REFERENCE },
      ],
      [{ kind: "Withdraw", ...at(4) }, c.receiver, undefined, "Withdrawn", { employer: bound }],
      [
        { kind: "Claim", taxpayer: employer.index, ...at(5) },
        c.receiver,
        undefined,
        "Claimed",
        { employer: bound, holder: c.receiver.address, ref: REFERENCE },
      ],
      [
        { kind: "Reimburse", taxpayer: employer.index, ...at(6) },
        employer.wallet,
        undefined,
        "Reimbursed",
        { employer: bound },
      ],
      [
        { kind: "Adjust", taxpayer: c.issuer.index, ...at(7), evidence },
        c.issuer.wallet,
        employer.wallet,
        "Adjusted",
        { issuer: BigInt(c.issuer.index), ref: REFERENCE },
      ],
      [
        { kind: "Enter", taxpayer: employer.index, ...at(8), ref: refOf(2) },
        employer.wallet,
        undefined,
        "Entered",
        { employer: bound, mark: 2n },
      ],
      [
        { kind: "Enter", taxpayer: employer.index, ...at(9), ref: refOf(6) },
        employer.wallet,
        undefined,
        "Entered",
        { employer: bound, mark: 6n },
      ],
      [
        { kind: "Enter", taxpayer: employer.index, ...at(10), ref: refOf(3) },
        employer.wallet,
        undefined,
        "Entered",
        { employer: bound, mark: 3n },
      ],
      [
        { kind: "Reverse", taxpayer: c.issuer.index, ...at(11), evidence },
        c.issuer.wallet,
        employer.wallet,
        "Reversed",
        { issuer: BigInt(c.issuer.index), ref: REFERENCE },
      ],
    ];
    for (const [i, [input, by, consent, event, args]] of steps.entries()) {
      if (input.kind === "Withdraw") await on.networkHelpers.time.increase(TERM);
      const [outcome] = await tryActs(on, actOf(on, input, by, consent));
      expect(outcome, input.kind).to.deep.equal({
        event,
        id,
        args: { id, act: digest(on.domain, messageOf(input)), version: BigInt(i + 1), ...args },
      });
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
      const input: ActInput = {
        kind: "Claim",
        taxpayer: otherEmployer.index,
        invoices: [{ id, version }],
        evidence,
      };
      const [outcome] = await tryActs(on, actOf(on, input, version === 0 ? c.holder : c.receiver));
      expect(refusal(outcome), `at version ${version}`).to.deep.equal([
        "TitledToAnother",
        id,
        BigInt(employer.index),
      ]);
    };
    const target = (version: number) => ({ invoices: [{ id, version }] });
    await elsewhere(0, [evidenceOf(c.titled, 0)]);
    await take(
      on,
      { kind: "Transfer", to: c.receiver.address, ...untouched(c.titled, 0) },
      c.holder,
      c.receiver,
    );
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
    await take(
      on,
      { kind: "Claim", taxpayer: c.otherEmployer.index, invoices: [{ id, version: 2 }] },
      c.holder,
    );
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
    await take(
      on,
      { kind: "Transfer", to: c.receiver.address, invoices: [{ id, version: 2 }] },
      c.holder,
      c.receiver,
    );
    await take(
      on,
      { kind: "Claim", taxpayer: c.otherEmployer.index, invoices: [{ id, version: 3 }] },
      c.receiver,
    );
    expect(await recordOf(on, id)).to.include({
      holder: c.receiver.address,
      employer: c.otherEmployer.index,
    });
  });

  it("a holder that handed an invoice on can do nothing with it any more", async () => {
    const c = fixture();
    const { on } = c;
    const invoices = [{ id: idOf(c.untitled, 0), version: 1 }];
    await take(
      on,
      { kind: "Transfer", to: c.receiver.address, ...untouched(c.untitled, 0) },
      c.holder,
      c.receiver,
    );
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

  it("over invoices claimed from two employers needs both, so one consent serves neither", async () => {
    const c = fixture();
    const { on } = c;
    await take(on, claim(c, c.employer, 0), c.holder);
    await take(on, claim(c, c.otherEmployer, 1), c.holder);
    const invoices = [0, 1].map((at) => ({ id: idOf(c.untitled, at), version: 1 }));
    const input: ActInput = {
      kind: "Reverse",
      taxpayer: c.issuer.index,
      invoices,
      evidence: [0, 1].map((at) => evidenceOf(c.untitled, at)),
    };
    const outcomes = await tryActs(
      on,
      actOf(on, input, c.issuer.wallet, c.employer.wallet),
      actOf(on, input, c.issuer.wallet, c.otherEmployer.wallet),
    );
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
    await take(
      on,
      decide("Reimburse", c.employer, { id: idOf(c.untitled, 1), version: 1 }),
      c.employer.wallet,
    );
    const invoices = [1, 2, 0].map((version, at) => ({ id: idOf(c.untitled, at), version }));
    await take(
      on,
      {
        kind: "Reverse",
        taxpayer: c.issuer.index,
        invoices,
        evidence: [0, 1, 2].map((at) => evidenceOf(c.untitled, at)),
      },
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
    expect(
      (await tryActs(on, { ...actOf(on, reverse(2), c.issuer.wallet), consent })).map(inAWord),
    ).to.deep.equal(["ConsentInvalid"]);
  });
});

describe("all or none inside an act", () => {
  const fixture = perTest(async () => {
    const c = await consortium({ claimTermSeconds: TERM });
    // position 60 stands where 49 good ones would go with it, and is another holder's
    const others = await sealLot(c.on, c.issuer, c.segment, [
      leafOf("another holder's", c.receiver.address),
    ]);
    return { ...c, others };
  });

  for (const place of [0, 24, 49]) {
    it(`49 good invoices and a bad one at place ${place}: nothing changes, and the bad one is named`, async () => {
      const c = fixture();
      const { on, employer } = c;
      await take(on, claim(c, employer, place), c.holder);
      const bad = idOf(c.untitled, place);
      const others = range(0, 50).filter((at) => at !== place);
      const targets = (version: number) =>
        range(0, 50).map((at) => ({
          id: idOf(c.untitled, at),
          version: at === place ? version : 0,
        }));
      const evidence = others.map((at) => evidenceOf(c.untitled, at));
      const broken = evidence.map((e, i) =>
        i === (place === 0 ? 0 : place - 1) ? { ...e, proof: e.proof.slice(1) } : e,
      );
      const outcomes = await tryActs(
        on,
        actOf(
          on,
          { kind: "Claim", taxpayer: employer.index, invoices: targets(1), evidence },
          c.holder,
        ),
        actOf(
          on,
          { kind: "Claim", taxpayer: employer.index, invoices: targets(7), evidence },
          c.holder,
        ),
        actOf(
          on,
          { kind: "Claim", taxpayer: employer.index, invoices: targets(1), evidence: broken },
          c.holder,
        ),
        actOf(
          on,
          { kind: "Transfer", to: c.receiver.address, invoices: targets(1), evidence },
          c.holder,
          c.receiver,
        ),
        actOf(
          on,
          {
            kind: "Reverse",
            taxpayer: c.issuer.index,
            invoices: targets(1),
            evidence: range(0, 50).map((at) => evidenceOf(c.untitled, at)),
          },
          c.issuer.wallet,
        ),
      );
      expect(outcomes.map(inAWord)).to.deep.equal([
        "AlreadyClaimed",
        "StaleVersion",
        "ProofInvalid",
        "WrongState",
        "ConsentInvalid",
      ]);
      for (const i of [0, 1, 3, 4]) expect(outcomes[i]?.id).to.equal(bad);
      for (const at of others)
        expect((await recordOf(on, idOf(c.untitled, at))).version).to.equal(0);
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
    expect(outcomes.map(inAWord)).to.deep.equal([
      "NotClaimedFrom!",
      "NotClaimedFrom",
      "ClaimTermRunning",
    ]);
    for (const { id } of invoices)
      expect(await recordOf(on, id)).to.include({ state: "Claimed", version: 1 });
    await take(
      on,
      { kind: "Reimburse", taxpayer: employer.index, invoices: invoices.slice(0, 49) },
      employer.wallet,
    );
  });

  it("invoices of two holders do not go in one act of either", async () => {
    const c = fixture();
    const { on } = c;
    const own = untouched(c.untitled, 0);
    const theirs = untouched(c.others, 0);
    const both = {
      invoices: [...own.invoices, ...theirs.invoices],
      evidence: [...own.evidence, ...theirs.evidence],
    };
    const outcomes = await tryActs(
      on,
      actOf(on, { kind: "Claim", taxpayer: c.employer.index, ...both }, c.holder),
      actOf(on, { kind: "Claim", taxpayer: c.employer.index, ...both }, c.receiver),
      actOf(on, { kind: "Transfer", to: c.stranger.address, ...both }, c.holder, c.stranger),
    );
    expect(outcomes.map(inAWord)).to.deep.equal([
      "HolderDiffers",
      "SignatureInvalid",
      "HolderDiffers",
    ]);
    expect(refusal(outcomes[0])).to.deep.equal([
      "HolderDiffers",
      idOf(c.others, 0),
      BigInt(c.receiver.address),
    ]);
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
    const put = (n: number) =>
      actOf(
        on,
        { kind: "Claim", taxpayer: c.employer.index, ...untouched(lot, ...range(0, n)) },
        c.holder,
      );
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
      { ...good(0), kind: 9 },
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
      [
        "KindUnknown",
        "KindUnknown",
        "ActSize",
        "StaleVersion",
        "EvidenceMissing",
        "SignatureInvalid",
        "EmployerNotActive",
        "WrongState",
      ]
        .flatMap((word) => ["Claimed", word])
        .concat("Claimed"),
    );
    expect((await recordOf(on, idOf(c.untitled, 0))).version).to.equal(0);
  });

  it("an unknown kind says the kind and has no digest", async () => {
    const c = fixture();
    const act = actOf(c.on, claim(c, c.employer, 0), c.holder);
    const outcomes = await tryActs(c.on, { ...act, kind: 9 }, { ...act, kind: 255 });
    expect(outcomes).to.deep.equal(
      [9, 255].map((kind) => ({
        refused: "KindUnknown",
        id: idOf(c.untitled, 0),
        found: BigInt(kind),
        alarm: false,
        act: ZeroHash,
        kind,
      })),
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
    expect((await tryActs(c.on, ...Array(100).fill(act))).map(inAWord)).to.deep.equal(
      Array(100).fill("EmployerNotActive"),
    );
  });
});
