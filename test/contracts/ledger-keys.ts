/**
 * A key that was replaced no longer acts for its account; the one that replaced it does, and the
 * account stays.
 */

import { digest } from "@onepiao/protocol/ledger/messages.ts";
import { expect } from "chai";
import type { Wallet } from "ethers";
import {
  type ActInput,
  actOf,
  consortium,
  evidenceOf,
  idOf,
  inAWord,
  type Kind,
  keyOf,
  leafOf,
  lotOf,
  messageOf,
  mined,
  outcomesOf,
  perTest,
  recordOf,
  take,
  tryActs,
  tryLots,
  untouched,
} from "./fixture.ts";

const TERM = 3600;

describe("keys that were replaced", () => {
  const fixture = perTest(() => consortium({ claimTermSeconds: TERM }));
  const newKey = (name: string): Wallet => keyOf(`${name}, second key`);

  it("a person's old key no longer claims, its new one does, and the account stays", async () => {
    const c = fixture();
    const { on, holder } = c;
    await on.registry.rotateKey(holder.address, newKey("holder").address);
    const input: ActInput = {
      kind: "Claim",
      taxpayer: c.employer.index,
      ...untouched(c.untitled, 0),
    };
    expect(
      (await tryActs(on, actOf(on, input, holder), actOf(on, input, newKey("holder")))).map(
        inAWord,
      ),
    ).to.deep.equal(["SignatureInvalid", "Claimed"]);
    expect((await recordOf(on, idOf(c.untitled, 0))).holder).to.equal(holder.address);
  });

  it("a receiver's old key no longer accepts", async () => {
    const c = fixture();
    await c.on.registry.rotateKey(c.receiver.address, newKey("receiver").address);
    const input: ActInput = {
      kind: "Transfer",
      to: c.receiver.address,
      ...untouched(c.untitled, 0),
    };
    const outcomes = await tryActs(
      c.on,
      actOf(c.on, input, c.holder, c.receiver),
      actOf(c.on, input, c.holder, newKey("receiver")),
    );
    expect(outcomes.map(inAWord)).to.deep.equal(["ConsentInvalid", "Transferred"]);
  });

  it("an employer's old key decides nothing and consents to nothing", async () => {
    const c = fixture();
    const { on, employer } = c;
    await take(
      on,
      { kind: "Claim", taxpayer: employer.index, ...untouched(c.untitled, 0, 1) },
      c.holder,
    );
    await on.registry.rotateKey(employer.wallet.address, newKey("employer").address);
    const decide = (kind: Kind, by: Wallet, position = 0) =>
      actOf(
        on,
        {
          kind,
          taxpayer: employer.index,
          invoices: [{ id: idOf(c.untitled, position), version: 1 }],
        },
        by,
      );
    const reverse: ActInput = {
      kind: "Reverse",
      taxpayer: c.issuer.index,
      invoices: [{ id: idOf(c.untitled, 1), version: 1 }],
      evidence: [evidenceOf(c.untitled, 1)],
    };
    const outcomes = await tryActs(
      on,
      decide("Reject", employer.wallet),
      decide("Reimburse", employer.wallet),
      decide("Reimburse", newKey("employer")),
      actOf(on, reverse, c.issuer.wallet, employer.wallet),
      actOf(on, reverse, c.issuer.wallet, newKey("employer")),
    );
    expect(outcomes.map(inAWord)).to.deep.equal([
      "SignatureInvalid",
      "SignatureInvalid",
      "Reimbursed",
      "ConsentInvalid",
      "Reversed",
    ]);
  });

  it("an issuer's old key seals nothing and reverses nothing", async () => {
    const c = fixture();
    const { on, issuer, segment } = c;
    await on.registry.rotateKey(issuer.wallet.address, newKey("issuer").address);
    const first = segment + (await on.ledger.sealedIn(segment));
    const leaves = [leafOf("next", c.holder.address)];
    const lots = await tryLots(
      on,
      lotOf(on, issuer, segment, first, leaves),
      lotOf(on, issuer, segment, first, leaves, newKey("issuer")),
    );
    expect(lots.map(inAWord)).to.deep.equal(["SealInvalid", "LotSealed"]);
    expect(lots[0] && "found" in lots[0] && lots[0].found).to.equal(BigInt(issuer.wallet.address));
    const reverse: ActInput = {
      kind: "Reverse",
      taxpayer: issuer.index,
      ...untouched(c.untitled, 0),
    };
    expect(
      (
        await tryActs(on, actOf(on, reverse, issuer.wallet), actOf(on, reverse, newKey("issuer")))
      ).map(inAWord),
    ).to.deep.equal(["SignatureInvalid", "Reversed"]);
  });

  it("a refusal names the key that was recovered", async () => {
    const c = fixture();
    const receipt = await mined(
      c.on.ledger.act([
        actOf(
          c.on,
          { kind: "Claim", taxpayer: c.employer.index, ...untouched(c.untitled, 0) },
          c.stranger,
        ),
      ]),
    );
    const [outcome] = outcomesOf(c.on, receipt);
    const input: ActInput = {
      kind: "Claim",
      taxpayer: c.employer.index,
      ...untouched(c.untitled, 0),
    };
    expect(outcome).to.deep.equal({
      refused: "SignatureInvalid",
      id: idOf(c.untitled, 0),
      found: BigInt(c.stranger.address),
      alarm: false,
      act: digest(c.on.domain, messageOf(input)),
      kind: 1,
    });
  });
});
