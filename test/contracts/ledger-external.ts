/**
 * Invoices issued elsewhere: ids with the top bit set, admitted by an employer, and then claimed
 * and reimbursed once as any other. The table has who × state × act, as ledger-access.ts has it for
 * the invoices of this ledger's own lots.
 */

import { EXTERNAL } from "@onepiao/protocol/ledger/external.ts";
import { expect } from "chai";
import { ZeroAddress } from "ethers";
import { refOf } from "../../server/chain/contracts.ts";
import {
  type ActInput,
  actOf,
  type Consortium,
  consortium,
  decide,
  evidenceOf,
  externalId,
  idOf,
  inAWord,
  type Kind,
  type Outcome,
  perTest,
  REFERENCE,
  recordOf,
  refusal,
  take,
  tryActs,
  untouched,
} from "./fixture.ts";

const TERM = 30 * 86_400;
const ID = externalId("an invoice issued elsewhere");
const COLUMNS = ["untouched", "claimed", "rejected", "reimbursed", "entered"] as const;
type Column = (typeof COLUMNS)[number];
type Who = "issuer" | "employer" | "otherEmployer" | "holder" | "receiver" | "stranger";
type Cells = readonly [string, string, string, string, string];
type Row = [
  act: string,
  kind: Kind,
  by: Who,
  more: { taxpayer?: Who; mark?: number },
  cells: Cells,
];
const all = (word: string): Cells => [word, word, word, word, word];

// biome-ignore format: a table
const TABLE: Row[] = [
  // claimed from the employer for the holder                              untouched          
  // claimed             rejected          reimbursed            reimbursed and entered
  ["admit", "Admit", "employer", {},                                       ["Claimed",         "AlreadyClaimed",   "Claimed",        "AlreadyReimbursed!", "AlreadyReimbursed!"]],
  ["admit for another employer", "Admit", "otherEmployer", {},             ["Claimed",         "AlreadyClaimed!",  "Claimed",        "AlreadyReimbursed!", "AlreadyReimbursed!"]],
  ["admit as who is not an employer", "Admit", "issuer", {},               all("EmployerNotActive")],
  ["admit in the employer's name", "Admit", "otherEmployer", { taxpayer: "employer" }, all("SignatureInvalid")],
  ["admit as a person", "Admit", "holder", { taxpayer: "employer" },       all("SignatureInvalid")],
  ["claim", "Claim", "holder", { taxpayer: "employer" },                   ["EvidenceMissing", "AlreadyClaimed",   "Claimed",        "AlreadyReimbursed!", "AlreadyReimbursed!"]],
  ["claim elsewhere", "Claim", "holder", { taxpayer: "otherEmployer" },    ["EvidenceMissing", "AlreadyClaimed!",  "Claimed",        "AlreadyReimbursed!", "AlreadyReimbursed!"]],
  ["claim as a stranger", "Claim", "stranger", { taxpayer: "employer" },   ["EvidenceMissing", "SignatureInvalid", "SignatureInvalid", "SignatureInvalid", "SignatureInvalid"]],
  ["hand on", "Transfer", "holder", {},                                    ["EvidenceMissing", "WrongState",       "Transferred",    "WrongState",         "WrongState"]],
  ["withdraw after the term", "Withdraw", "holder", {},                    ["EvidenceMissing", "Withdrawn",        "WrongState",     "WrongState",         "WrongState"]],
  ["reject", "Reject", "employer", {},                                     ["EvidenceMissing", "Rejected",         "WrongState",     "WrongState",         "WrongState"]],
  ["reject for another", "Reject", "otherEmployer", {},                    ["EvidenceMissing", "NotClaimedFrom",   "WrongState",     "WrongState",         "WrongState"]],
  ["reimburse", "Reimburse", "employer", {},                               ["EvidenceMissing", "Reimbursed",       "WrongState",     "AlreadyReimbursed!", "AlreadyReimbursed!"]],
  ["reimburse for another", "Reimburse", "otherEmployer", {},              ["EvidenceMissing", "NotClaimedFrom!",  "WrongState",     "AlreadyReimbursed!", "AlreadyReimbursed!"]],
  ["enter", "Enter", "employer", { mark: 2 },                              ["EvidenceMissing", "WrongState",       "NotEmployerOf",  "Entered",            "AlreadyEntered"]],
  ["enter for another", "Enter", "otherEmployer", { mark: 3 },             ["EvidenceMissing", "NotEmployerOf",    "NotEmployerOf",  "NotEmployerOf",      "NotEmployerOf"]],
  ["revoke", "Enter", "employer", { mark: 6 },                             ["EvidenceMissing", "NotEntered",       "NotEmployerOf",  "NotEntered",         "Entered"]],
  // no lot of this ledger names its issuer
  ["reverse", "Reverse", "issuer", {},                                     all("EvidenceMissing")],
  ["adjust", "Adjust", "issuer", {},                                       all("EvidenceMissing")],
];
const TAKEN = ["Claimed", "Transferred", "Withdrawn", "Rejected", "Reimbursed", "Entered"];

const admit = (by: { index: number }, to: string, version = 0, id = ID): ActInput => ({
  kind: "Admit",
  taxpayer: by.index,
  to,
  ref: REFERENCE,
  invoices: [{ id, version }],
});

describe("an invoice issued elsewhere", () => {
  const fixture = perTest(() => consortium({ claimTermSeconds: TERM }));
  const walletOf = (c: Consortium, who: Who) =>
    who === "holder" || who === "receiver" || who === "stranger" ? c[who] : c[who].wallet;

  async function bring(c: Consortium, column: Column): Promise<number> {
    const { on, employer } = c;
    if (column === "untouched") return 0;
    await take(on, admit(employer, c.holder.address), employer.wallet);
    await on.networkHelpers.time.increase(TERM);
    if (column === "claimed") return 1;
    await take(
      on,
      decide(column === "rejected" ? "Reject" : "Reimburse", employer, { id: ID, version: 1 }),
      employer.wallet,
    );
    if (column !== "entered") return 2;
    await take(
      on,
      {
        kind: "Enter",
        taxpayer: employer.index,
        ref: refOf(2),
        invoices: [{ id: ID, version: 2 }],
      },
      employer.wallet,
    );
    return 3;
  }

  function attempt(c: Consortium, [, kind, by, { taxpayer = by, mark }]: Row, version: number) {
    const input: ActInput = {
      kind,
      invoices: [{ id: ID, version }],
      ref: mark === undefined ? REFERENCE : refOf(mark),
    };
    if (taxpayer === "issuer" || taxpayer === "employer" || taxpayer === "otherEmployer")
      input.taxpayer = c[taxpayer].index;
    if (kind === "Transfer") input.to = c.receiver.address;
    if (kind === "Admit") input.to = c.stranger.address;
    return actOf(c.on, input, walletOf(c, by), c.receiver);
  }

  for (const [place, column] of COLUMNS.entries()) {
    it(`${column}: every act`, async () => {
      const c = fixture();
      const version = await bring(c, column);
      const before = await recordOf(c.on, ID);
      const wordOf = (row: Row) => row[4][place] as string;
      const refused = TABLE.filter((row) => !TAKEN.includes(wordOf(row)));
      const outcomes = await tryActs(c.on, ...refused.map((row) => attempt(c, row, version)));
      expect(outcomes.map((o, i) => `${refused[i]?.[0]}: ${inAWord(o)}`)).to.deep.equal(
        refused.map((row) => `${row[0]}: ${wordOf(row)}`),
      );
      expect(await recordOf(c.on, ID)).to.deep.equal(before);
      for (const row of TABLE.filter((candidate) => TAKEN.includes(wordOf(candidate)))) {
        const snapshot = await c.on.networkHelpers.takeSnapshot();
        const [outcome] = await tryActs(c.on, attempt(c, row, version));
        expect(inAWord(outcome as Outcome), row[0]).to.equal(wordOf(row));
        expect(await recordOf(c.on, ID), row[0]).to.include({
          titled: false,
          version: version + 1,
        });
        await snapshot.restore();
      }
    });
  }

  it("the event of an admission has the members of a claim's, with the holder that it names", async () => {
    const c = fixture();
    const { on, employer } = c;
    const [outcome] = await tryActs(
      on,
      actOf(on, admit(employer, c.holder.address), employer.wallet),
    );
    expect(outcome && "args" in outcome && outcome.args).to.include({
      id: ID,
      employer: BigInt(employer.index),
      holder: c.holder.address,
      ref: REFERENCE,
      version: 1n,
    });
    const updatedAt = await on.networkHelpers.time.latest();
    expect(await recordOf(on, ID)).to.deep.equal({
      holder: c.holder.address,
      employer: employer.index,
      state: "Claimed",
      titled: false,
      mark: 1,
      version: 1,
      updatedAt,
    });
  });

  it("of two employers that admit it at once one has it, and the other's next attempt is an alarm that names the first", async () => {
    const c = fixture();
    const { on, employer, otherEmployer } = c;
    const put = (by: typeof employer, version: number) =>
      actOf(on, admit(by, c.holder.address, version), by.wallet);
    const outcomes = await tryActs(
      on,
      put(employer, 0),
      put(otherEmployer, 0),
      put(otherEmployer, 1),
    );
    // an act on the version before is stale, and raises no alarm
    expect(outcomes.map(inAWord)).to.deep.equal(["Claimed", "StaleVersion", "AlreadyClaimed!"]);
    expect(refusal(outcomes[2])).to.deep.equal(["AlreadyClaimed", ID, BigInt(employer.index)]);
  });

  it("after a rejection another employer admits it for another holder, and the first has no hold on it", async () => {
    const c = fixture();
    const { on, employer, otherEmployer } = c;
    await take(on, admit(employer, c.holder.address), employer.wallet);
    await take(on, decide("Reject", employer, { id: ID, version: 1 }), employer.wallet);
    expect(await recordOf(on, ID)).to.include({
      state: "Issued",
      employer: 0,
      titled: false,
      holder: c.holder.address,
    });
    await take(on, admit(otherEmployer, c.receiver.address, 2), otherEmployer.wallet);
    expect(await recordOf(on, ID)).to.include({
      state: "Claimed",
      employer: otherEmployer.index,
      holder: c.receiver.address,
    });
    const words = await tryActs(
      on,
      actOf(on, decide("Reimburse", employer, { id: ID, version: 3 }), employer.wallet),
      actOf(on, decide("Reimburse", otherEmployer, { id: ID, version: 3 }), otherEmployer.wallet),
    );
    expect(words.map(inAWord)).to.deep.equal(["NotClaimedFrom!", "Reimbursed"]);
  });

  it("only ids with the top bit set are admitted, whatever evidence comes with them", async () => {
    const c = fixture();
    const { on, employer } = c;
    const own = untouched(c.untitled, 0);
    const put = (...ids: bigint[]) =>
      actOf(
        on,
        {
          ...admit(employer, c.holder.address),
          invoices: ids.map((id) => ({ id, version: 0 })),
          evidence: [evidenceOf(c.untitled, 0)],
        },
        employer.wallet,
      );
    const outcomes = await tryActs(
      on,
      put(idOf(c.untitled, 0)),
      put(EXTERNAL - 1n),
      put(idOf(c.untitled, 0), ID),
      put(EXTERNAL, 2n ** 256n - 1n),
    );
    expect(outcomes.slice(0, 3).map(refusal)).to.deep.equal([
      ["NotExternal", idOf(c.untitled, 0), EXTERNAL],
      ["NotExternal", EXTERNAL - 1n, EXTERNAL],
      ["NotExternal", idOf(c.untitled, 0), EXTERNAL],
    ]);
    expect(outcomes.slice(3).map(inAWord)).to.deep.equal(["Claimed", "Claimed"]);
    await take(on, { kind: "Claim", taxpayer: employer.index, ...own }, c.holder);
  });

  it("a lot's evidence opens none of them to another act", async () => {
    const c = fixture();
    const { on } = c;
    const with_ = (kind: "Claim" | "Reverse" | "Adjust", by: typeof c.holder, taxpayer: number) =>
      actOf(
        on,
        {
          kind,
          taxpayer,
          invoices: [{ id: ID, version: 0 }],
          evidence: [evidenceOf(c.untitled, 0)],
        },
        by,
      );
    const outcomes = await tryActs(
      on,
      with_("Claim", c.holder, c.employer.index),
      with_("Reverse", c.issuer.wallet, c.issuer.index),
      with_("Adjust", c.issuer.wallet, c.issuer.index),
    );
    expect(outcomes.map(inAWord)).to.deep.equal(Array(3).fill("LotUnknown"));
  });

  it("it is admitted for somebody, and for nobody who is suspended", async () => {
    const c = fixture();
    const { on, employer, otherEmployer } = c;
    await on.registry.setStanding(otherEmployer.index, 2);
    const account = otherEmployer.wallet.address;
    const outcomes = await tryActs(
      on,
      actOf(on, admit(employer, ZeroAddress), employer.wallet),
      actOf(on, admit(employer, account), employer.wallet),
      actOf(on, admit(otherEmployer, c.holder.address), otherEmployer.wallet),
      actOf(on, admit(employer, employer.wallet.address), employer.wallet),
    );
    expect(outcomes.slice(0, 3).map(refusal)).to.deep.equal([
      ["ReceiverInvalid", ID, 0n],
      ["HolderSuspended", ID, BigInt(account)],
      ["EmployerNotActive", ID, BigInt(otherEmployer.index)],
    ]);
    expect(outcomes.slice(3).map(inAWord)).to.deep.equal(["Claimed"]);
  });

  it("several are admitted in one act, all or none", async () => {
    const c = fixture();
    const { on, employer, otherEmployer } = c;
    const ids = ["a", "b", "c"].map(externalId).sort((a, b) => (a < b ? -1 : 1));
    const put = (by: typeof employer, versions: number[]) =>
      actOf(
        on,
        {
          ...admit(by, c.holder.address),
          invoices: ids.map((id, i) => ({ id, version: versions[i] ?? 0 })),
        },
        by.wallet,
      );
    await take(on, admit(otherEmployer, c.receiver.address, 0, ids[1]), otherEmployer.wallet);
    expect((await tryActs(on, put(employer, [0, 1, 0]))).map(refusal)).to.deep.equal([
      ["AlreadyClaimed", ids[1], BigInt(otherEmployer.index)],
    ]);
    expect(await recordOf(on, ids[0] as bigint)).to.include({ version: 0 });
    await take(
      on,
      decide("Reject", otherEmployer, { id: ids[1] as bigint, version: 1 }),
      otherEmployer.wallet,
    );
    expect((await tryActs(on, put(employer, [0, 2, 0]))).map(inAWord)).to.deep.equal([
      "Claimed",
      "Claimed",
      "Claimed",
    ]);
  });
});
