/**
 * The cost of a whole transaction (receipt.gasUsed: base fee of 21,000 and calldata included),
 * against the limits of design §3.2 and, to the last unit, against gas.json beside this file. Keys,
 * addresses and block times are the same at every run, so a difference is a change of contracts,
 * compiler settings or calldata, and needs a review. If the change is intended, `UPDATE_GAS=1
 * hardhat test mocha test/contracts/gas.ts` writes gas.json again. If a limit is not met,
 * docs/adr/0006-gas.md has the reason and the limit that holds instead.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { keccak } from "@onepiao/protocol/ledger/tree.ts";
import { expect } from "chai";
import type { ContractTransactionReceipt, ContractTransactionResponse } from "ethers";
import { type Capacity, callsOf, loadOfAct } from "../../server/chain/capacity.ts";
import { refOf } from "../../server/chain/contracts.ts";
import {
  type ActInput,
  actOf,
  deployed,
  evidenceOf,
  externalId,
  idOf,
  inAWord,
  keyOf,
  leafOf,
  lotOf,
  mined,
  outcomesOf,
  sealLot,
  untouched,
} from "./fixture.ts";

const FILE = new URL("./gas.json", import.meta.url);
/**
 * No byte of a block's time is zero from here on for a long while, so a header costs the same
 * calldata at every run.
 */
const START = 0x77777777;

const NO_LIMIT: Capacity = { bytes: Number.MAX_SAFE_INTEGER, gas: 2n ** 64n };

/**
 * `each`: the transaction is shared by so many. `limit`: per one of them, by design §3.2 unless an
 * ADR is named.
 */
type Target = { name: string; each?: number; limit?: number; adr?: string };
// biome-ignore format: a table
const TARGETS: Target[] = [
  { name: "first lot of a segment",                         adr: "0006" },
  { name: "lot of 1",                                       limit: 78_000 },
  { name: "fifty lots of 1",                    each: 50,   limit: 40_000 },
  { name: "lot of 100",                         each: 100,  limit: 1_500 },
  { name: "lot of 1,000",                       each: 1000, limit: 780 },
  { name: "first-touch claim",                              limit: 87_000 },
  { name: "first-touch transfer",                           limit: 92_000 },
  { name: "reimburse",                                      limit: 48_000 },
  { name: "reimburse with a reference",                     limit: 48_000 },
  { name: "fifty first-touch claims",           each: 50,   limit: 45_500 },
  { name: "fifty reimbursements",               each: 50,   limit: 12_500 },
  { name: "refused: stale",                                 limit: 40_000 },
  { name: "refused: signed by another",                     limit: 42_500, adr: "0006" },
  { name: "refused: reimbursed before (alarm)",             limit: 42_500, adr: "0006" },
  { name: "refused: claimed elsewhere (alarm)",             limit: 42_500, adr: "0006" },
  { name: "entry",                                          limit: 50_000, adr: "0013" },
  { name: "first-touch adjustment",                         limit: 87_000, adr: "0013" },
  { name: "admission",                                      limit: 72_000, adr: "0013" },
  { name: "fifty entries",                      each: 50,   limit: 12_500, adr: "0013" },
  { name: "fifty adjustments with consent",     each: 50,   limit: 26_000, adr: "0013" },
  { name: "fifty admissions",                   each: 50,   limit: 32_000, adr: "0013" },
];
const BYTECODE_LIMITS: Record<string, number> = { InvoiceLedger: 20_000, TaxpayerRegistry: 24_576 };

type Snapshot = { gas: Record<string, number>; bytecode: Record<string, number> };

async function measure(): Promise<Snapshot> {
  const on = await deployed();
  const issuer = await on.enrol("issuer");
  const employer = await on.enrol("employer");
  const [holder, receiver] = [keyOf("holder"), keyOf("receiver")];
  const segment = await on.segmentFor(issuer);
  const gas: Record<string, number> = {};
  let time = START;
  const next = () => {
    time += 60;
    return on.networkHelpers.time.setNextBlockTimestamp(time);
  };

  let leaf = 0;
  const leaves = (count: number) =>
    Array.from({ length: count }, () => leafOf(`gas ${leaf++}`, holder.address));
  /** `load`: what the gateway reckons for it. */
  type Send = (() => Promise<ContractTransactionResponse>) & { load?: Capacity };
  const measured = async (
    name: string,
    words: string,
    send: Send,
  ): Promise<ContractTransactionReceipt> => {
    await next();
    const receipt = await mined(send());
    // a transaction that did something else could be cheap, and pass
    expect([...new Set(outcomesOf(on, receipt).map(inAWord))], name).to.deep.equal([words]);
    gas[name] = Number(receipt.gasUsed);
    for (const call of send.load ? callsOf([{ load: send.load }], NO_LIMIT) : [])
      expect(
        receipt.gasUsed <= call.gas,
        `${name}: ${receipt.gasUsed} gas, and the gateway asks for ${call.gas}`,
      ).to.equal(true);
    return receipt;
  };
  const lot = async (name: string, count: number) => {
    await next();
    const sealed = await sealLot(on, issuer, segment, leaves(count));
    gas[name] = Number(sealed.receipt.gasUsed);
    return sealed;
  };
  await lot("first lot of a segment", 1);
  await lot("lot of 1", 1);
  const hundred = await lot("lot of 100", 100);
  const thousand = await lot("lot of 1,000", 1000);
  const first = segment + (await on.ledger.sealedIn(segment));
  const fifty = Array.from({ length: 50 }, (_, i) =>
    lotOf(on, issuer, segment, first + BigInt(i), leaves(1)),
  );
  await measured("fifty lots of 1", "LotSealed", () => on.ledger.seal(fifty));

  const ref = keccak(Buffer.from("reference"));
  const act = (input: ActInput, by: typeof holder, consent?: typeof holder): Send => {
    const argument = actOf(on, input, by, consent);
    return Object.assign(() => on.ledger.act([argument]), { load: loadOfAct(argument) });
  };
  const claim = (at: number, from = employer): ActInput => ({
    kind: "Claim",
    taxpayer: from.index,
    ref,
    ...untouched(thousand, at),
  });
  const on1 = (
    kind: ActInput["kind"],
    at: number,
    version: number,
    more: Partial<ActInput> = {},
  ): ActInput => ({
    kind,
    taxpayer: employer.index,
    invoices: [{ id: idOf(thousand, at), version }],
    ...more,
  });
  await measured(
    "first-touch transfer",
    "Transferred",
    act(
      { kind: "Transfer", to: receiver.address, ref, ...untouched(thousand, 776) },
      holder,
      receiver,
    ),
  );
  await measured("first-touch claim", "Claimed", act(claim(777), holder));
  await mined(act(claim(778), holder)());
  await measured(
    "refused: signed by another",
    "SignatureInvalid",
    act(on1("Reimburse", 777, 1), holder),
  );
  await measured(
    "refused: claimed elsewhere (alarm)",
    "AlreadyClaimed!",
    act(on1("Claim", 777, 1, { taxpayer: issuer.index }), holder),
  );
  await measured("reimburse", "Reimbursed", act(on1("Reimburse", 777, 1), employer.wallet));
  await measured(
    "reimburse with a reference",
    "Reimbursed",
    act(on1("Reimburse", 778, 1, { ref }), employer.wallet),
  );
  await measured("refused: stale", "StaleVersion", act(on1("Reimburse", 777, 1), employer.wallet));
  await measured(
    "refused: reimbursed before (alarm)",
    "AlreadyReimbursed!",
    act(on1("Reimburse", 777, 2), employer.wallet),
  );

  const positions = Array.from({ length: 50 }, (_, i) => i);
  await measured(
    "fifty first-touch claims",
    "Claimed",
    act(
      { kind: "Claim", taxpayer: employer.index, ref, ...untouched(thousand, ...positions) },
      holder,
    ),
  );
  const invoices = positions.map((at) => ({ id: idOf(thousand, at), version: 1 }));
  await measured(
    "fifty reimbursements",
    "Reimbursed",
    act({ kind: "Reimburse", taxpayer: employer.index, invoices }, employer.wallet),
  );

  await measured("entry", "Entered", act(on1("Enter", 777, 2, { ref: refOf(2) }), employer.wallet));
  await measured(
    "first-touch adjustment",
    "Adjusted",
    act(
      { kind: "Adjust", taxpayer: issuer.index, ref, ...untouched(thousand, 779) },
      issuer.wallet,
    ),
  );
  const admitted = (...words: string[]): ActInput => {
    const ids = words.map(externalId).sort((a, b) => (a < b ? -1 : 1));
    return {
      kind: "Admit",
      taxpayer: employer.index,
      to: holder.address,
      ref,
      invoices: ids.map((id) => ({ id, version: 0 })),
    };
  };
  await measured("admission", "Claimed", act(admitted("one"), employer.wallet));
  const at = (version: number) =>
    positions.map((position) => ({ id: idOf(thousand, position), version }));
  await measured(
    "fifty entries",
    "Entered",
    act(
      { kind: "Enter", taxpayer: employer.index, ref: refOf(2), invoices: at(2) },
      employer.wallet,
    ),
  );
  const adjusted: ActInput = {
    kind: "Adjust",
    taxpayer: issuer.index,
    ref,
    ...untouched(thousand, ...positions),
    invoices: at(3),
  };
  await measured(
    "fifty adjustments with consent",
    "Adjusted",
    act(adjusted, issuer.wallet, employer.wallet),
  );
  await measured(
    "fifty admissions",
    "Claimed",
    act(admitted(...positions.map((position) => `of fifty ${position}`)), employer.wallet),
  );

  expect(await on.ledger.proves(idOf(hundred, 99), evidenceOf(hundred, 99))).to.equal(true);
  const size = async (address: string) =>
    ((await on.ethers.provider.getCode(address)).length - 2) / 2;
  return {
    gas,
    bytecode: {
      InvoiceLedger: await size(on.deployment.ledger),
      TaxpayerRegistry: await size(on.deployment.registry),
    },
  };
}

describe("gas and bytecode", () => {
  let now: Snapshot;
  let committed: Snapshot;
  const per = (t: Target, snapshot: Snapshot) =>
    (snapshot.gas[t.name] ?? Number.NaN) / (t.each ?? 1);

  before(async () => {
    now = await measure();
    if (process.env["UPDATE_GAS"] === "1") {
      const gas = Object.fromEntries(TARGETS.map(({ name }) => [name, now.gas[name]]));
      writeFileSync(FILE, `${JSON.stringify({ gas, bytecode: now.bytecode }, undefined, 2)}\n`);
    }
    committed = JSON.parse(readFileSync(FILE, "utf8")) as Snapshot;
  });

  after(() => {
    const rows = TARGETS.map((t) => ({
      transaction: t.name,
      gas: now.gas[t.name],
      each: Math.round(per(t, now) * 10) / 10,
      limit: t.limit ?? "–",
      "of limit": t.limit ? `${((per(t, now) / t.limit) * 100).toFixed(1)} %` : "–",
    }));
    const sizes = Object.entries(now.bytecode).map(
      ([name, size]) => `${name} ${size} bytes of ${BYTECODE_LIMITS[name]}`,
    );
    console.table(rows);
    console.log(`      ${sizes.join(" · ")}`);
  });

  it("every measurement has a row in the table, and every row a measurement", () => {
    expect(Object.keys(now.gas).sort()).to.deep.equal(TARGETS.map(({ name }) => name).sort());
  });

  for (const t of TARGETS) {
    const limit =
      t.limit === undefined
        ? ""
        : ` costs at most ${t.limit.toLocaleString("en")}${t.each ? " each" : ""}${t.adr ? ` (ADR ${t.adr})` : ""} and`;
    it(`${t.name}${limit} exactly what was committed`, () => {
      if (t.limit !== undefined) expect(per(t, now), "over the limit").to.be.at.most(t.limit);
      expect(now.gas[t.name], "differs from gas.json: see this file's header").to.equal(
        committed.gas[t.name],
      );
    });
  }

  for (const [name, limit] of Object.entries(BYTECODE_LIMITS)) {
    it(`${name} has at most ${limit.toLocaleString("en")} bytes, and exactly what was committed`, () => {
      expect(now.bytecode[name]).to.be.at.most(limit);
      expect(now.bytecode[name], "differs from gas.json: see this file's header").to.equal(
        committed.bytecode[name],
      );
    });
  }

  it("the snapshot has no other measurement", () => {
    expect(Object.keys(committed.gas).sort()).to.deep.equal(Object.keys(now.gas).sort());
    expect(Object.keys(committed.bytecode).sort()).to.deep.equal(
      Object.keys(BYTECODE_LIMITS).sort(),
    );
  });
});
