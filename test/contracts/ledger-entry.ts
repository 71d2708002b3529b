/**
 * Book entry, and its effect on all other acts: an invoice that stands in an employer's books, or
 * no longer does, by state and act. ledger-access.ts tests that only its employer can enter it, and
 * the states without an entry.
 */
import { expect } from "chai";
import { ZeroAddress } from "ethers";
import { refOf } from "../../server/chain/contracts.ts";
import {
  type ActInput,
  actOf,
  type Consortium,
  claim,
  consortium,
  decide,
  evidenceOf,
  idOf,
  inAWord,
  type Kind,
  leafOf,
  type Outcome,
  perTest,
  REFERENCE,
  recordOf,
  refusal,
  type SealedLot,
  sealLot,
  take,
  tryActs,
  untouched,
} from "./fixture.ts";

const TERM = 30 * 86_400;
const SUSPENDED = 2;
const COLUMNS = ["issued", "claimed", "reimbursed", "reversed"] as const;
type Column = (typeof COLUMNS)[number];
type Who = "issuer" | "employer" | "otherEmployer" | "holder";
type Cells = readonly [string, string, string, string];
type Row = [
  act: string,
  kind: Kind,
  by: Who,
  more: { mark?: number; consent?: Who; from?: Who },
  entered: Cells,
  revoked: Cells,
];

// biome-ignore format: a table
const TABLE: Row[] = [
  // of a titled invoice                                                     entered: issued,
  // claimed, reimbursed, reversed                              revoked: the same
  ["enter as deductible", "Enter", "employer", { mark: 2 },                  ["AlreadyEntered", "AlreadyEntered", "AlreadyEntered", "WrongState"],      ["Entered", "Entered", "Entered", "WrongState"]],
  ["enter as not deductible", "Enter", "employer", { mark: 3 },              ["AlreadyEntered", "AlreadyEntered", "AlreadyEntered", "WrongState"],      ["Entered", "Entered", "Entered", "WrongState"]],
  ["revoke", "Enter", "employer", { mark: 6 },                               ["Entered", "Entered", "Entered", "Entered"],                              ["NotEntered", "NotEntered", "NotEntered", "NotEntered"]],
  ["revoke for another", "Enter", "otherEmployer", { mark: 6 },              ["NotEmployerOf", "NotEmployerOf", "NotEmployerOf", "NotEmployerOf"],      ["NotEmployerOf", "NotEmployerOf", "NotEmployerOf", "NotEmployerOf"]],
  ["reverse", "Reverse", "issuer", {},                                       ["ConsentInvalid", "ConsentInvalid", "ConsentInvalid", "WrongState"],      ["Reversed", "ConsentInvalid", "ConsentInvalid", "WrongState"]],
  ["reverse with consent", "Reverse", "issuer", { consent: "employer" },     ["Reversed", "Reversed", "Reversed", "WrongState"],                        ["Reversed", "Reversed", "Reversed", "WrongState"]],
  ["reverse with another's", "Reverse", "issuer", { consent: "otherEmployer" }, ["ConsentInvalid", "ConsentInvalid", "ConsentInvalid", "WrongState"],   ["Reversed", "ConsentInvalid", "ConsentInvalid", "WrongState"]],
  ["adjust", "Adjust", "issuer", {},                                         ["ConsentInvalid", "ConsentInvalid", "ConsentInvalid", "WrongState"],      ["Adjusted", "ConsentInvalid", "ConsentInvalid", "WrongState"]],
  ["adjust with consent", "Adjust", "issuer", { consent: "employer" },       ["Adjusted", "Adjusted", "Adjusted", "WrongState"],                        ["Adjusted", "Adjusted", "Adjusted", "WrongState"]],
  ["adjust with the holder's", "Adjust", "issuer", { consent: "holder" },    ["ConsentInvalid", "ConsentInvalid", "ConsentInvalid", "WrongState"],      ["Adjusted", "ConsentInvalid", "ConsentInvalid", "WrongState"]],
  ["hand on", "Transfer", "holder", {},                                      ["Transferred", "WrongState", "WrongState", "WrongState"],                 ["Transferred", "WrongState", "WrongState", "WrongState"]],
  ["claim", "Claim", "holder", { from: "employer" },                         ["Claimed", "AlreadyClaimed", "AlreadyReimbursed!", "WrongState"],         ["Claimed", "AlreadyClaimed", "AlreadyReimbursed!", "WrongState"]],
  ["claim elsewhere", "Claim", "holder", { from: "otherEmployer" },          ["TitledToAnother", "AlreadyClaimed!", "AlreadyReimbursed!", "WrongState"], ["TitledToAnother", "AlreadyClaimed!", "AlreadyReimbursed!", "WrongState"]],
  ["withdraw", "Withdraw", "holder", {},                                     ["WrongState", "Withdrawn", "WrongState", "WrongState"],                   ["WrongState", "Withdrawn", "WrongState", "WrongState"]],
  ["reject", "Reject", "employer", {},                                       ["WrongState", "Rejected", "WrongState", "WrongState"],                    ["WrongState", "Rejected", "WrongState", "WrongState"]],
  ["reimburse", "Reimburse", "employer", {},                                 ["WrongState", "Reimbursed", "AlreadyReimbursed!", "WrongState"],          ["WrongState", "Reimbursed", "AlreadyReimbursed!", "WrongState"]],
];
const AFTER: Record<string, string> = {
  Transferred: "Issued",
  Claimed: "Claimed",
  Withdrawn: "Issued",
  Rejected: "Issued",
  Reimbursed: "Reimbursed",
  Reversed: "Reversed",
};

const walletOf = (c: Consortium, who: Who) => (who === "holder" ? c.holder : c[who].wallet);
const enter = (
  by: { index: number },
  mark: number,
  rest: Pick<ActInput, "invoices" | "evidence">,
): ActInput => ({
  kind: "Enter",
  taxpayer: by.index,
  ref: refOf(mark),
  ...rest,
});

describe("an invoice in an employer's books", () => {
  const fixture = perTest(() => consortium({ claimTermSeconds: TERM }));
  const position = 0;

  /**
   * A titled invoice in this state, entered before anything else was done with it. Returns its
   * version.
   */
  async function bring(c: Consortium, column: Column, revoked: boolean): Promise<number> {
    const { on, employer, issuer } = c;
    const id = idOf(c.titled, position);
    let version = 0;
    const at = () => ({ invoices: [{ id, version: version++ }] });
    await take(
      on,
      enter(employer, 2, { ...untouched(c.titled, position), ...at() }),
      employer.wallet,
    );
    if (column === "claimed" || column === "reimbursed")
      await take(on, { kind: "Claim", taxpayer: employer.index, ...at() }, c.holder);
    if (column === "reimbursed")
      await take(on, { kind: "Reimburse", taxpayer: employer.index, ...at() }, employer.wallet);
    if (column === "reversed") {
      const red = {
        kind: "Reverse" as const,
        taxpayer: issuer.index,
        ...at(),
        evidence: [evidenceOf(c.titled, position)],
      };
      await take(on, red, issuer.wallet, employer.wallet);
    }
    if (revoked) await take(on, enter(employer, 6, at()), employer.wallet);
    await on.networkHelpers.time.increase(TERM);
    return version;
  }

  function attempt(c: Consortium, [, kind, by, { mark, consent, from }]: Row, version: number) {
    const input: ActInput = { kind, invoices: [{ id: idOf(c.titled, position), version }] };
    if (kind === "Transfer") input.to = c.receiver.address;
    else if (from) input.taxpayer = c[from as "employer"].index;
    else if (by !== "holder") input.taxpayer = c[by].index;
    if (mark !== undefined) input.ref = refOf(mark);
    if (by === "issuer") input.evidence = [evidenceOf(c.titled, position)];
    return actOf(
      c.on,
      input,
      walletOf(c, by),
      kind === "Transfer" ? c.receiver : consent && walletOf(c, consent),
    );
  }

  for (const revoked of [false, true]) {
    for (const [place, column] of COLUMNS.entries()) {
      it(`${revoked ? "no longer there" : "entered"}, ${column}: every act`, async () => {
        const c = fixture();
        const id = idOf(c.titled, position);
        const version = await bring(c, column, revoked);
        const before = await recordOf(c.on, id);
        expect(before).to.include({ version, mark: revoked ? 6 : 2, employer: c.employer.index });
        const wordOf = (row: Row) => (revoked ? row[5] : row[4])[place] as string;
        const taken = (row: Row) =>
          wordOf(row) in AFTER || ["Adjusted", "Entered"].includes(wordOf(row));
        const refused = TABLE.filter((row) => !taken(row));
        const outcomes = await tryActs(c.on, ...refused.map((row) => attempt(c, row, version)));
        expect(outcomes.map((o, i) => `${refused[i]?.[0]}: ${inAWord(o)}`)).to.deep.equal(
          refused.map((row) => `${row[0]}: ${wordOf(row)}`),
        );
        expect(await recordOf(c.on, id)).to.deep.equal(before);

        for (const row of TABLE.filter(taken)) {
          const snapshot = await c.on.networkHelpers.takeSnapshot();
          const [outcome] = await tryActs(c.on, attempt(c, row, version));
          expect(inAWord(outcome as Outcome), row[0]).to.equal(wordOf(row));
          const after = await recordOf(c.on, id);
          const holder = row[1] === "Transfer" ? c.receiver.address : before.holder;
          // whatever happens, it stays its employer's and keeps its mark
          const mark = row[3].mark ?? before.mark;
          const state = AFTER[wordOf(row)] ?? before.state;
          const updatedAt =
            wordOf(row) in AFTER ? await c.on.networkHelpers.time.latest() : before.updatedAt;
          expect(after, row[0]).to.deep.equal({
            holder,
            employer: c.employer.index,
            state,
            titled: true,
            mark,
            version: version + 1,
            updatedAt,
          });
          await snapshot.restore();
        }
      });
    }
  }

  it("a refusal names the present mark, its employer, or the mark that is missing", async () => {
    const c = fixture();
    const { on, employer, otherEmployer } = c;
    const [first, second] = [idOf(c.titled, 0), idOf(c.titled, 1)];
    const put = (by: typeof employer, mark: bigint, at: number, version: number) =>
      actOf(
        on,
        {
          kind: "Enter",
          taxpayer: by.index,
          ref: refOf(mark),
          invoices: [{ id: idOf(c.titled, at), version }],
          evidence: [evidenceOf(c.titled, at)],
        },
        by.wallet,
      );
    const outcomes = await tryActs(
      on,
      put(employer, 6n, 0, 0),
      put(employer, 3n, 0, 0),
      put(employer, 2n, 0, 1),
      put(employer, 6n, 0, 1),
      put(employer, 6n, 0, 2),
      put(otherEmployer, 2n, 1, 0),
      ...[0n, 1n, 4n, 5n, 7n, 2n + (1n << 8n), 2n ** 256n - 1n].map((mark) =>
        put(employer, mark, 1, 0),
      ),
    );
    expect(outcomes.filter((o) => "refused" in o).map(refusal)).to.deep.equal([
      ["NotEntered", first, 1n],
      ["AlreadyEntered", first, 3n],
      ["NotEntered", first, 6n],
      ["NotEmployerOf", second, BigInt(employer.index)],
      ...[0n, 1n, 4n, 5n, 7n, 258n, 2n ** 256n - 1n].map((mark) => ["MarkInvalid", second, mark]),
    ]);
    expect(outcomes.every((o) => !("alarm" in o && o.alarm))).to.equal(true);
  });

  it("an untitled invoice is entered by the employer that has reimbursed it, and by nobody before", async () => {
    const c = fixture();
    const { on, employer, otherEmployer } = c;
    const id = idOf(c.untitled, 0);
    const put = (by: typeof employer, version: number) =>
      actOf(on, enter(by, 2, { invoices: [{ id, version }] }), by.wallet);
    await take(on, claim(c, employer, 0), c.holder);
    expect((await tryActs(on, put(employer, 1), put(otherEmployer, 1))).map(refusal)).to.deep.equal(
      [
        ["WrongState", id, 2n],
        ["NotEmployerOf", id, BigInt(employer.index)],
      ],
    );
    await take(on, decide("Reimburse", employer, { id, version: 1 }), employer.wallet);
    expect((await tryActs(on, put(otherEmployer, 2), put(employer, 2))).map(inAWord)).to.deep.equal(
      ["NotEmployerOf", "Entered"],
    );
    expect(await recordOf(on, id)).to.include({
      state: "Reimbursed",
      mark: 2,
      titled: false,
      employer: employer.index,
      version: 3,
    });
  });

  it("several go in one act, touched and untouched, and one that is entered stops them all", async () => {
    const c = fixture();
    const { on, employer } = c;
    await take(
      on,
      { kind: "Claim", taxpayer: employer.index, ...untouched(c.titled, 1) },
      c.holder,
    );
    const all = (versions: number[], ...proofs: number[]) => ({
      invoices: versions.map((version, at) => ({ id: idOf(c.titled, at), version })),
      evidence: proofs.map((at) => evidenceOf(c.titled, at)),
    });
    const put = (...from: Parameters<typeof all>) =>
      actOf(on, enter(employer, 3, all(...from)), employer.wallet);
    expect((await tryActs(on, put([0, 1, 0], 0), put([0, 1, 0], 0, 2))).map(inAWord)).to.deep.equal(
      ["EvidenceMissing", "Entered", "Entered", "Entered"],
    );
    expect((await tryActs(on, put([1, 2, 1]))).map(refusal)).to.deep.equal([
      ["AlreadyEntered", idOf(c.titled, 0), 3n],
    ]);
  });

  it("a suspended employer revokes, and enters nothing", async () => {
    const c = fixture();
    const { on, employer } = c;
    await take(on, enter(employer, 2, untouched(c.titled, 0)), employer.wallet);
    await on.registry.setStanding(employer.index, SUSPENDED);
    const outcomes = await tryActs(
      on,
      actOf(on, enter(employer, 2, untouched(c.titled, 1)), employer.wallet),
      actOf(
        on,
        enter(employer, 6, { invoices: [{ id: idOf(c.titled, 0), version: 1 }] }),
        employer.wallet,
      ),
    );
    expect(outcomes.map(inAWord)).to.deep.equal(["EmployerNotActive", "Entered"]);
  });

  it("neither an entry nor an adjustment moves the claim term, and a claim that is adjusted can be withdrawn", async () => {
    const c = fixture();
    const { on, employer, issuer } = c;
    const id = idOf(c.titled, 0);
    await take(
      on,
      { kind: "Claim", taxpayer: employer.index, ...untouched(c.titled, 0) },
      c.holder,
    );
    const until = (await recordOf(on, id)).updatedAt + TERM;
    await on.networkHelpers.time.setNextBlockTimestamp(until - 10);
    await take(on, enter(employer, 2, { invoices: [{ id, version: 1 }] }), employer.wallet);
    const red: ActInput = {
      kind: "Adjust",
      taxpayer: issuer.index,
      ref: REFERENCE,
      invoices: [{ id, version: 2 }],
      evidence: [evidenceOf(c.titled, 0)],
    };
    await take(on, red, issuer.wallet, employer.wallet);
    await on.networkHelpers.time.setNextBlockTimestamp(until);
    await take(on, { kind: "Withdraw", invoices: [{ id, version: 3 }] }, c.holder);
  });

  it("an adjustment and an entry that touch an invoice first leave it issued since it was sealed", async () => {
    const c = fixture();
    const { on, employer, issuer } = c;
    await take(on, enter(employer, 2, untouched(c.titled, 0)), employer.wallet);
    await take(
      on,
      { kind: "Adjust", taxpayer: issuer.index, ref: REFERENCE, ...untouched(c.untitled, 0) },
      issuer.wallet,
    );
    const sealedAt = (lot: SealedLot) => ({
      state: "Issued",
      version: 1,
      updatedAt: lot.header.time,
    });
    expect(await recordOf(on, idOf(c.titled, 0))).to.include(sealedAt(c.titled));
    expect(await recordOf(on, idOf(c.untitled, 0))).to.include({
      ...sealedAt(c.untitled),
      holder: c.holder.address,
      employer: 0,
    });
  });

  it("a red letter is neither entered nor adjusted", async () => {
    const c = fixture();
    const { on, employer, issuer } = c;
    const red = await sealLot(on, issuer, c.segment, [
      leafOf("red letter", ZeroAddress, employer.index),
    ]);
    const outcomes = await tryActs(
      on,
      actOf(on, enter(employer, 2, untouched(red, 0)), employer.wallet),
      actOf(
        on,
        { kind: "Adjust", taxpayer: issuer.index, ref: REFERENCE, ...untouched(red, 0) },
        issuer.wallet,
        employer.wallet,
      ),
    );
    expect(outcomes.map(refusal)).to.deep.equal(
      Array(2).fill(["RedLetter", idOf(red, 0), BigInt(employer.index)]),
    );
  });

  it("several adjustments of one invoice follow one another, each with a red letter of its own", async () => {
    const c = fixture();
    const { on, issuer } = c;
    const adjust = (version: number): ActInput => ({
      kind: "Adjust",
      taxpayer: issuer.index,
      ref: refOf(100 + version),
      invoices: [{ id: idOf(c.untitled, 0), version }],
      evidence: [evidenceOf(c.untitled, 0)],
    });
    const outcomes = await tryActs(
      on,
      ...[0, 1, 1, 2].map((version) => actOf(on, adjust(version), issuer.wallet)),
    );
    expect(outcomes.map(inAWord)).to.deep.equal([
      "Adjusted",
      "Adjusted",
      "StaleVersion",
      "Adjusted",
    ]);
    await take(
      on,
      {
        kind: "Claim",
        taxpayer: c.employer.index,
        invoices: [{ id: idOf(c.untitled, 0), version: 3 }],
      },
      c.holder,
    );
  });
});
