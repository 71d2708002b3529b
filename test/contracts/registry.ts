/**
 * The bureau's book of taxpayers: enrolment, standing, keys, quota and segments. roles.ts tests who
 * may call which function.
 */

import { digest, type Message, noSignature } from "@onepiao/protocol/ledger/messages.ts";
import { expect } from "chai";
import { id as keccakText, ZeroAddress, ZeroHash } from "ethers";
import {
  bothForms,
  type Deployed,
  deployed,
  EMPLOYER,
  ISSUER,
  keyOf,
  type Party,
  perTest,
  SERIES,
} from "./fixture.ts";

const PERIOD = 202_611;
const IDENTITY = keccakText("salted name and tax id");
const [UNENROLLED, ACTIVE, SUSPENDED] = [0, 1, 2];
const SERIES_SIZE = 10n ** 15n;

const drawMessage = (
  type: "Draw" | "GiveBack",
  index: number,
  amount: bigint,
  counter: number,
  period = PERIOD,
): Message => ({
  type,
  value: { index, period, amount: amount.toString(), counter: counter.toString() },
});
const rotateMessage = (account: string, key: string, counter: number): Message => ({
  type: "RotateKey",
  value: { account, key, counter: counter.toString() },
});

const world = async () => {
  const on = await deployed();
  const issuer = await on.enrol("issuer", ISSUER);
  return { on, issuer, employer: await on.enrol("employer", EMPLOYER), person: keyOf("person") };
};
/** Expects a revert with one of the registry's errors. */
const refuses = (on: Deployed, sent: Promise<unknown>, error: string, ...args: unknown[]) =>
  expect(sent)
    .to.be.revertedWithCustomError(on.registry, error)
    .withArgs(...args);

describe("enrolment", () => {
  const fixture = perTest(world);

  it("gives the next index, an active standing, and the account as the first key", async () => {
    const { on } = fixture();
    const account = keyOf("newcomer").address;
    expect(await on.registry.indexOf(account)).to.equal(0n);
    expect(await on.registry.enrol.staticCall(account, IDENTITY, ISSUER)).to.equal(3n);
    await expect(on.registry.enrol(account, IDENTITY, ISSUER))
      .to.emit(on.registry, "TaxpayerEnrolled")
      .withArgs(3n, account, IDENTITY, ISSUER);
    expect(await on.registry.indexOf(account)).to.equal(3n);
    expect([...(await on.registry.taxpayer(3))]).to.deep.equal([
      account,
      account,
      BigInt(ACTIVE),
      BigInt(ISSUER),
      IDENTITY,
    ]);
    expect([...(await on.registry.signerOf(3))]).to.deep.equal([account, BigInt(ISSUER)]);
    expect([...(await on.registry.holderOf(account))]).to.deep.equal([account, false]);
  });

  it("takes an account once, not the zero address, and no capabilities but issuer, employer or both", async () => {
    const { on, issuer } = fixture();
    await refuses(
      on,
      on.registry.enrol(issuer.wallet.address, IDENTITY, ISSUER),
      "AccountEnrolled",
      issuer.wallet.address,
      issuer.index,
    );
    await refuses(on, on.registry.enrol(ZeroAddress, IDENTITY, ISSUER), "ZeroAddress");
    for (const capabilities of [0, 4, 5, 255])
      await refuses(
        on,
        on.registry.enrol(keyOf("x").address, IDENTITY, capabilities),
        "CapabilitiesInvalid",
        capabilities,
      );
    for (const [i, capabilities] of [ISSUER, EMPLOYER, ISSUER | EMPLOYER].entries()) {
      await on.registry.enrol(keyOf(`with ${capabilities}`).address, IDENTITY, capabilities);
      expect((await on.registry.signerOf(3 + i)).powers).to.equal(BigInt(capabilities));
    }
  });

  it("an unknown taxpayer has nothing: no key, no powers, no account", async () => {
    const { on } = fixture();
    for (const index of [0, 99]) {
      expect([...(await on.registry.taxpayer(index))]).to.deep.equal([
        ZeroAddress,
        ZeroAddress,
        BigInt(UNENROLLED),
        0n,
        ZeroHash,
      ]);
      expect([...(await on.registry.signerOf(index))]).to.deep.equal([ZeroAddress, 0n]);
      expect([...(await on.registry.issuerOf(index, 0))]).to.deep.equal([ZeroAddress, 0n, 0n, 0n]);
    }
  });

  it("of an account that had rotated its key as a person, the rotated key goes on signing", async () => {
    const { on, person } = fixture();
    const key = keyOf("person, second key");
    await on.registry.rotateKeySigned(
      person.address,
      key.address,
      0,
      on.sign(person, rotateMessage(person.address, key.address, 0), on.registryDomain),
    );
    await on.registry.enrol(person.address, IDENTITY, EMPLOYER);
    expect((await on.registry.taxpayer(3)).key).to.equal(key.address);
    expect((await on.registry.signerOf(3)).key).to.equal(key.address);
    expect((await on.registry.holderOf(person.address)).key).to.equal(key.address);
    // the counter goes on too, so what was signed before stays used
    expect(await on.registry.counterOf(person.address)).to.equal(1n);
  });
});

describe("standing and capabilities", () => {
  const fixture = perTest(world);

  it("a suspension takes the powers and leaves the key; it can be taken back", async () => {
    const { on, issuer } = fixture();
    await expect(on.registry.setStanding(issuer.index, SUSPENDED))
      .to.emit(on.registry, "StandingChanged")
      .withArgs(issuer.index, SUSPENDED);
    expect([...(await on.registry.signerOf(issuer.index))]).to.deep.equal([
      issuer.wallet.address,
      0n,
    ]);
    expect([...(await on.registry.holderOf(issuer.wallet.address))]).to.deep.equal([
      issuer.wallet.address,
      true,
    ]);
    await expect(on.registry.setStanding(issuer.index, ACTIVE))
      .to.emit(on.registry, "StandingChanged")
      .withArgs(issuer.index, ACTIVE);
    expect((await on.registry.signerOf(issuer.index)).powers).to.equal(BigInt(ISSUER));
  });

  it("nobody is un-enrolled, and an unknown taxpayer has no standing to change", async () => {
    const { on, issuer } = fixture();
    await refuses(
      on,
      on.registry.setStanding(issuer.index, UNENROLLED),
      "StandingInvalid",
      UNENROLLED,
    );
    for (const index of [0, 99])
      await refuses(on, on.registry.setStanding(index, SUSPENDED), "TaxpayerUnknown", index);
  });

  it("capabilities change as they were given", async () => {
    const { on, issuer } = fixture();
    await expect(on.registry.setCapabilities(issuer.index, 3))
      .to.emit(on.registry, "CapabilitiesChanged")
      .withArgs(issuer.index, 3);
    expect((await on.registry.signerOf(issuer.index)).powers).to.equal(3n);
    for (const capabilities of [0, 4])
      await refuses(
        on,
        on.registry.setCapabilities(issuer.index, capabilities),
        "CapabilitiesInvalid",
        capabilities,
      );
    await refuses(on, on.registry.setCapabilities(99, 1), "TaxpayerUnknown", 99);
  });
});

describe("keys", () => {
  const fixture = perTest(world);
  const next = keyOf("the next key").address;

  it("a party replaces its own key, and anyone may carry the message", async () => {
    const { on, issuer, person } = fixture();
    for (const wallet of [issuer.wallet, person]) {
      const account = wallet.address;
      const signature = on.sign(wallet, rotateMessage(account, next, 0), on.registryDomain);
      await expect(on.registry.connect(on.relay).rotateKeySigned(account, next, 0, signature))
        .to.emit(on.registry, "KeyRotated")
        .withArgs(account, next, 1n);
      expect((await on.registry.holderOf(account)).key).to.equal(next);
      expect(await on.registry.counterOf(account)).to.equal(1n);
    }
    expect((await on.registry.signerOf(issuer.index)).key).to.equal(next);
  });

  it("the bureau replaces a lost key, and the counter stays", async () => {
    const { on, issuer, person } = fixture();
    for (const account of [issuer.wallet.address, person.address]) {
      await expect(on.registry.rotateKey(account, next))
        .to.emit(on.registry, "KeyRotated")
        .withArgs(account, next, 0n);
      expect((await on.registry.holderOf(account)).key).to.equal(next);
    }
    expect([...(await on.registry.taxpayer(issuer.index))].slice(0, 2)).to.deep.equal([
      issuer.wallet.address,
      next,
    ]);
  });

  it("the replaced key is refused, and the new one signs the next rotation", async () => {
    const { on, person } = fixture();
    const second = keyOf("person, second key");
    await on.registry.rotateKey(person.address, second.address);
    const message = rotateMessage(person.address, next, 0);
    const carry = (signature: ReturnType<Deployed["sign"]>) =>
      on.registry.rotateKeySigned(person.address, next, 0, signature);
    await refuses(
      on,
      carry(on.sign(person, message, on.registryDomain)),
      "SignerMismatch",
      second.address,
      person.address,
    );
    await carry(on.sign(second, message, on.registryDomain));
    expect((await on.registry.holderOf(person.address)).key).to.equal(next);
  });

  it("no key is the zero address, and neither is an account", async () => {
    const { on, person } = fixture();
    await refuses(on, on.registry.rotateKey(person.address, ZeroAddress), "ZeroAddress");
    await refuses(on, on.registry.rotateKey(ZeroAddress, next), "ZeroAddress");
    const signature = on.sign(
      person,
      rotateMessage(person.address, ZeroAddress, 0),
      on.registryDomain,
    );
    await refuses(
      on,
      on.registry.rotateKeySigned(person.address, ZeroAddress, 0, signature),
      "ZeroAddress",
    );
    // a failed recovery must not pass for the key of the account zero
    await refuses(
      on,
      on.registry.rotateKeySigned(ZeroAddress, next, 0, noSignature),
      "SignerMismatch",
      ZeroAddress,
      ZeroAddress,
    );
  });

  it("a rotation is signed for this account, key, counter and contract, with a low s", async () => {
    const { on, person } = fixture();
    const account = person.address;
    const carry = (signature: ReturnType<Deployed["sign"]>, counter = 0) =>
      on.registry.rotateKeySigned(account, next, counter, signature);
    const sign = (message: Message, domain = on.registryDomain) => on.sign(person, message, domain);
    for (const signature of [
      sign(rotateMessage(account, keyOf("other").address, 0)),
      sign(rotateMessage(keyOf("other").address, next, 0)),
      sign(rotateMessage(account, next, 1)),
      sign(rotateMessage(account, next, 0), on.domain),
      sign(rotateMessage(account, next, 0), { ...on.registryDomain, chainId: 1 }),
      sign(rotateMessage(account, next, 0), { ...on.registryDomain, name: "another-network" }),
      noSignature,
    ]) {
      await expect(carry(signature)).to.be.revertedWithCustomError(on.registry, "SignerMismatch");
    }
    await refuses(on, carry(sign(rotateMessage(account, next, 1)), 1), "CounterMismatch", 0, 1);

    const { key, low, high } = bothForms(
      digest(on.registryDomain, rotateMessage(account, next, 0)),
    );
    await on.registry.rotateKey(account, key);
    await refuses(on, carry(high), "SignerMismatch", key, ZeroAddress);
    await carry(low);
    await refuses(on, carry(low), "CounterMismatch", 1, 0);
  });
});

describe("quota", () => {
  const fixture = perTest(async () => {
    const w = await world();
    await w.on.registry.setQuota(w.issuer.index, PERIOD, 1000n);
    return w;
  });
  type Sent = {
    by?: Party;
    index?: number;
    counter?: number;
    period?: number;
    signature?: ReturnType<Deployed["sign"]>;
  };
  const send = (
    type: "Draw" | "GiveBack",
    on: Deployed,
    party: Party,
    amount: bigint,
    counter: number,
    sent: Sent = {},
  ) => {
    const index = sent.index ?? party.index;
    const period = sent.period ?? PERIOD;
    const signature =
      sent.signature ??
      on.sign(
        (sent.by ?? party).wallet,
        drawMessage(type, index, amount, counter, period),
        on.registryDomain,
      );
    const registry = on.registry.connect(on.relay);
    return type === "Draw"
      ? registry.draw(index, period, amount, counter, signature)
      : registry.giveBack(index, period, amount, counter, signature);
  };
  const drawn = async (on: Deployed, party: Party, period = PERIOD) => [
    ...(await on.registry.quota(party.index, period)),
  ];

  it("is drawn in parts up to what was granted, and not one cent further", async () => {
    const { on, issuer } = fixture();
    await expect(send("Draw", on, issuer, 600n, 0))
      .to.emit(on.registry, "QuotaDrawn")
      .withArgs(issuer.index, PERIOD, 600n, 600n);
    await refuses(on, send("Draw", on, issuer, 401n, 1), "QuotaExceeded", 1000n, 600n, 401n);
    await expect(send("Draw", on, issuer, 400n, 1))
      .to.emit(on.registry, "QuotaDrawn")
      .withArgs(issuer.index, PERIOD, 400n, 1000n);
    await refuses(on, send("Draw", on, issuer, 1n, 2), "QuotaExceeded", 1000n, 1000n, 1n);
    await refuses(
      on,
      send("Draw", on, issuer, 2n ** 128n - 1n, 2),
      "QuotaExceeded",
      1000n,
      1000n,
      2n ** 128n - 1n,
    );
    expect(await drawn(on, issuer)).to.deep.equal([1000n, 1000n]);
  });

  it("what is given back can be drawn again, and no more is given back than was drawn", async () => {
    const { on, issuer } = fixture();
    await send("Draw", on, issuer, 1000n, 0);
    await expect(send("GiveBack", on, issuer, 300n, 1))
      .to.emit(on.registry, "QuotaGivenBack")
      .withArgs(issuer.index, PERIOD, 300n, 700n);
    await refuses(on, send("GiveBack", on, issuer, 701n, 2), "GiveBackExceedsDrawn", 700n, 701n);
    await send("Draw", on, issuer, 300n, 2);
    await send("GiveBack", on, issuer, 1000n, 3);
    expect(await drawn(on, issuer)).to.deep.equal([1000n, 0n]);
  });

  it("a refused draw changes nothing, so its counter is free for another", async () => {
    const { on, issuer } = fixture();
    await refuses(on, send("Draw", on, issuer, 1001n, 0), "QuotaExceeded", 1000n, 0n, 1001n);
    expect(await on.registry.counterOf(issuer.wallet.address)).to.equal(0n);
    await send("Draw", on, issuer, 1000n, 0);
    expect(await on.registry.counterOf(issuer.wallet.address)).to.equal(1n);
  });

  it("belongs to one issuer and one month", async () => {
    const { on, issuer } = fixture();
    const other = await on.enrol("other issuer", ISSUER);
    await refuses(
      on,
      send("Draw", on, issuer, 1n, 0, { period: PERIOD + 1 }),
      "QuotaExceeded",
      0n,
      0n,
      1n,
    );
    await refuses(on, send("Draw", on, other, 1n, 0), "QuotaExceeded", 0n, 0n, 1n);
    await refuses(
      on,
      send("GiveBack", on, issuer, 1n, 0, { period: PERIOD + 1 }),
      "GiveBackExceedsDrawn",
      0n,
      1n,
    );
    expect(await drawn(on, issuer, PERIOD + 1)).to.deep.equal([0n, 0n]);
  });

  it("is granted by the calendar month, and never below what was drawn", async () => {
    const { on, issuer } = fixture();
    await expect(on.registry.setQuota(issuer.index, 202_712, 5n))
      .to.emit(on.registry, "QuotaSet")
      .withArgs(issuer.index, 202_712, 5n);
    for (const period of [
      0, 202_000, 202_013, 202_600, 201_912, 999_913, 1_000_001, 4_294_967_295,
    ]) {
      await refuses(on, on.registry.setQuota(issuer.index, period, 5n), "PeriodInvalid", period);
    }
    for (const period of [202_001, 999_912]) await on.registry.setQuota(issuer.index, period, 5n);
    await refuses(on, on.registry.setQuota(99, PERIOD, 5n), "TaxpayerUnknown", 99);
    await send("Draw", on, issuer, 600n, 0);
    await refuses(
      on,
      on.registry.setQuota(issuer.index, PERIOD, 599n),
      "QuotaBelowDrawn",
      599n,
      600n,
    );
    await on.registry.setQuota(issuer.index, PERIOD, 600n);
    expect(await drawn(on, issuer)).to.deep.equal([600n, 600n]);
  });

  it("is drawn and given back by the issuer's own signature over this act, once", async () => {
    const { on, issuer, employer } = fixture();
    for (const type of ["Draw", "GiveBack"] as const) {
      const other = type === "Draw" ? "GiveBack" : "Draw";
      const good = drawMessage(type, issuer.index, 10n, 0);
      const mismatched = [
        { by: employer },
        {
          signature: on.sign(
            issuer.wallet,
            drawMessage(other, issuer.index, 10n, 0),
            on.registryDomain,
          ),
        },
        {
          signature: on.sign(
            issuer.wallet,
            drawMessage(type, issuer.index, 11n, 0),
            on.registryDomain,
          ),
        },
        {
          signature: on.sign(
            issuer.wallet,
            drawMessage(type, issuer.index, 10n, 0, PERIOD + 1),
            on.registryDomain,
          ),
        },
        {
          signature: on.sign(
            issuer.wallet,
            drawMessage(type, employer.index, 10n, 0),
            on.registryDomain,
          ),
        },
        {
          signature: on.sign(
            issuer.wallet,
            drawMessage(type, issuer.index, 10n, 1),
            on.registryDomain,
          ),
        },
        { signature: on.sign(issuer.wallet, good, on.domain) },
        { signature: on.sign(issuer.wallet, good, { ...on.registryDomain, chainId: 1 }) },
        {
          signature: on.sign(issuer.wallet, good, {
            ...on.registryDomain,
            name: "another-network",
          }),
        },
        { signature: noSignature },
      ];
      for (const sent of mismatched)
        await expect(send(type, on, issuer, 10n, 0, sent)).to.be.revertedWithCustomError(
          on.registry,
          "SignerMismatch",
        );
      await refuses(on, send(type, on, issuer, 10n, 1), "CounterMismatch", 0, 1);
      await refuses(on, send(type, on, issuer, 0n, 0), "AmountZero");
      await refuses(on, send(type, on, issuer, 10n, 0, { index: 99 }), "TaxpayerUnknown", 99);
    }
    await send("Draw", on, issuer, 10n, 0);
    await refuses(on, send("Draw", on, issuer, 10n, 0), "CounterMismatch", 1, 0);
  });

  it("one counter serves every signed act of an account", async () => {
    const { on, issuer } = fixture();
    const next = keyOf("issuer, second key");
    await send("Draw", on, issuer, 10n, 0);
    await on.registry.rotateKeySigned(
      issuer.wallet.address,
      next.address,
      1,
      on.sign(
        issuer.wallet,
        rotateMessage(issuer.wallet.address, next.address, 1),
        on.registryDomain,
      ),
    );
    await refuses(
      on,
      send("Draw", on, issuer, 10n, 2),
      "SignerMismatch",
      next.address,
      issuer.wallet.address,
    );
    await send("GiveBack", on, issuer, 10n, 2, { by: { ...issuer, wallet: next } });
    expect(await on.registry.counterOf(issuer.wallet.address)).to.equal(3n);
  });

  it("a suspended issuer draws nothing and may give back; so may one that may no longer issue", async () => {
    const { on, issuer } = fixture();
    await send("Draw", on, issuer, 100n, 0);
    await on.registry.setStanding(issuer.index, SUSPENDED);
    await refuses(on, send("Draw", on, issuer, 1n, 1), "TaxpayerSuspended", issuer.index);
    await send("GiveBack", on, issuer, 50n, 1);
    await on.registry.setStanding(issuer.index, ACTIVE);
    await on.registry.setCapabilities(issuer.index, EMPLOYER);
    await refuses(on, send("Draw", on, issuer, 1n, 2), "CapabilityMissing", issuer.index, ISSUER);
    await send("GiveBack", on, issuer, 50n, 2);
  });
});

describe("segments", () => {
  const fixture = perTest(world);
  const base = BigInt(SERIES) * SERIES_SIZE;

  it("of a series follow one another without a gap, for every issuer", async () => {
    const { on, issuer } = fixture();
    const other = await on.enrol("other issuer", ISSUER);
    await expect(on.registry.allotSegment(issuer.index, SERIES, 100))
      .to.emit(on.registry, "SegmentAllotted")
      .withArgs(base + 1n, issuer.index, 100);
    await expect(on.registry.allotSegment(other.index, SERIES, 7))
      .to.emit(on.registry, "SegmentAllotted")
      .withArgs(base + 101n, other.index, 7);
    await expect(on.registry.allotSegment(issuer.index, SERIES, 1))
      .to.emit(on.registry, "SegmentAllotted")
      .withArgs(base + 108n, issuer.index, 1);
    expect([...(await on.registry.segment(base + 101n))]).to.deep.equal([BigInt(other.index), 7n]);
    expect([...(await on.registry.issuerOf(issuer.index, base + 101n))]).to.deep.equal([
      issuer.wallet.address,
      BigInt(ISSUER),
      BigInt(other.index),
      7n,
    ]);
    expect([...(await on.registry.segment(base + 102n))]).to.deep.equal([0n, 0n]);
  });

  it("of two series count apart, and every number has twenty digits", async () => {
    const { on, issuer } = fixture();
    for (const series of [10_000, 99_999]) {
      const first = BigInt(series) * SERIES_SIZE + 1n;
      await expect(on.registry.allotSegment(issuer.index, series, 5))
        .to.emit(on.registry, "SegmentAllotted")
        .withArgs(first, issuer.index, 5);
      expect(first.toString()).to.have.length(20);
    }
    for (const series of [0, 9_999, 100_000])
      await refuses(on, on.registry.allotSegment(issuer.index, series, 5), "SeriesInvalid", series);
  });

  it("use a series up to its last number and not beyond", async () => {
    const { on, issuer } = fixture();
    const whole = SERIES_SIZE - 1n;
    await refuses(
      on,
      on.registry.allotSegment(issuer.index, SERIES, whole + 1n),
      "SeriesExhausted",
      SERIES,
      whole,
    );
    await refuses(
      on,
      on.registry.allotSegment(issuer.index, SERIES, 2n ** 64n - 1n),
      "SeriesExhausted",
      SERIES,
      whole,
    );
    await on.registry.allotSegment(issuer.index, SERIES, whole - 1n);
    await refuses(
      on,
      on.registry.allotSegment(issuer.index, SERIES, 2),
      "SeriesExhausted",
      SERIES,
      1,
    );
    await expect(on.registry.allotSegment(issuer.index, SERIES, 1))
      .to.emit(on.registry, "SegmentAllotted")
      .withArgs(base + whole, issuer.index, 1);
    expect((base + whole).toString()).to.equal(`${SERIES}${"9".repeat(15)}`);
    await refuses(
      on,
      on.registry.allotSegment(issuer.index, SERIES, 1),
      "SeriesExhausted",
      SERIES,
      0,
    );
  });

  it("are for issuers, and have a length", async () => {
    const { on, issuer, employer } = fixture();
    await refuses(
      on,
      on.registry.allotSegment(employer.index, SERIES, 5),
      "CapabilityMissing",
      employer.index,
      ISSUER,
    );
    await refuses(on, on.registry.allotSegment(99, SERIES, 5), "TaxpayerUnknown", 99);
    await refuses(on, on.registry.allotSegment(issuer.index, SERIES, 0), "SegmentLengthInvalid", 0);
  });
});
