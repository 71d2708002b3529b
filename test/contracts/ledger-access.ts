/**
 * Access to the ledger as data: who × state × act → the event, or the reason. `!` marks an alarm.
 *
 * The first table holds every combination of one signer, one state and one act. Its rows name those
 * whose signature counts; everyone else gets `SignatureInvalid` in every state, and the test tries
 * that for each of them too. The second table holds standing. All refused cells of a state go out
 * in one transaction, and the record must be as it was.
 */
import { acts } from "@onepiao/protocol/ledger/acts.ts";
import { expect } from "chai";
import { HDNodeWallet, Wallet, ZeroAddress } from "ethers";
import { refOf } from "../../server/chain/contracts.ts";
import {
  type ActInput,
  actOf,
  type Deployed,
  deployed,
  EMPLOYER,
  evidenceOf,
  ISSUER,
  idOf,
  inAWord,
  keyOf,
  leafOf,
  lotOf,
  type Party,
  perTest,
  recordOf,
  type State,
  sealLot,
  tryActs,
  tryLots,
} from "./fixture.ts";

const TERM = 30 * 86_400;
const COLUMNS = ["untouched", "issued", "claimed", "reimbursed", "reversed"] as const;
type Column = (typeof COLUMNS)[number];
type Who =
  | "holder"
  | "receiver"
  | "other person"
  | "issuer"
  | "other issuer"
  | "employer"
  | "other employer"
  | "bureau"
  | "relayer";
const EVERYONE: Who[] = [
  "holder",
  "receiver",
  "other person",
  "issuer",
  "other issuer",
  "employer",
  "other employer",
  "bureau",
  "relayer",
];

/** `employer` is the buyer of the titled invoice and whom the claimed one is claimed from. */
const ACTS = {
  "transfer to the receiver": { kind: "Transfer", consent: "receiver" },
  "transfer that the receiver did not sign": { kind: "Transfer", consent: undefined },
  "claim from the employer": { kind: "Claim", from: "employer" },
  "claim from the other employer": { kind: "Claim", from: "other employer" },
  withdraw: { kind: "Withdraw" },
  "withdraw after the term": { kind: "Withdraw" },
  reimburse: { kind: "Reimburse" },
  reject: { kind: "Reject" },
  "reverse without consent": { kind: "Reverse", consent: undefined },
  "reverse with the employer's consent": { kind: "Reverse", consent: "employer" },
  "reverse with the other employer's consent": { kind: "Reverse", consent: "other employer" },
  "reverse with the holder's consent": { kind: "Reverse", consent: "holder" },
  "adjust without consent": { kind: "Adjust", consent: undefined },
  "adjust with the employer's consent": { kind: "Adjust", consent: "employer" },
  "adjust with the other employer's consent": { kind: "Adjust", consent: "other employer" },
  "enter as deductible": { kind: "Enter", mark: 2 },
  "enter as not deductible": { kind: "Enter", mark: 3 },
  "revoke an entry": { kind: "Enter", mark: 6 },
  "enter with no such mark": { kind: "Enter", mark: 4 },
  "admit as if it were issued elsewhere": { kind: "Admit" },
} as const;
type ActName = keyof typeof ACTS;

type Row = [
  act: ActName,
  who: Who,
  cells: readonly [string, string, string, string, string],
  titled?: readonly [string, string, string, string, string],
];
const all = (word: string) => [word, word, word, word, word] as const;

// biome-ignore format: a table
const TABLE: Row[] = [
  /*
   *                                              untouched            issued               claimed              reimbursed            reversed
   */
  ["transfer to the receiver", "holder",          ["Transferred",      "Transferred",       "WrongState",        "WrongState",         "WrongState"]],
  ["transfer that the receiver did not sign", "holder", ["ConsentInvalid", "ConsentInvalid", "WrongState",       "WrongState",         "WrongState"]],
  ["claim from the employer", "holder",           ["Claimed",          "Claimed",           "AlreadyClaimed",    "AlreadyReimbursed!", "WrongState"]],
  ["claim from the other employer", "holder",     ["Claimed",          "Claimed",           "AlreadyClaimed!",   "AlreadyReimbursed!", "WrongState"],
                              /* titled */        ["TitledToAnother",  "TitledToAnother",   "AlreadyClaimed!",   "AlreadyReimbursed!", "WrongState"]],
  ["withdraw", "holder",                          ["WrongState",       "WrongState",        "ClaimTermRunning",  "WrongState",         "WrongState"]],
  ["withdraw after the term", "holder",           ["WrongState",       "WrongState",        "Withdrawn",         "WrongState",         "WrongState"]],
  ["reimburse", "employer",                       ["WrongState",       "WrongState",        "Reimbursed",        "AlreadyReimbursed!", "WrongState"]],
  ["reimburse", "other employer",                 ["WrongState",       "WrongState",        "NotClaimedFrom!",   "AlreadyReimbursed!", "WrongState"]],
  ["reimburse", "issuer",                         all("EmployerNotActive")],
  ["reimburse", "other issuer",                   all("EmployerNotActive")],
  ["reject", "employer",                          ["WrongState",       "WrongState",        "Rejected",          "WrongState",         "WrongState"]],
  ["reject", "other employer",                    ["WrongState",       "WrongState",        "NotClaimedFrom",    "WrongState",         "WrongState"]],
  ["reject", "issuer",                            ["WrongState",       "WrongState",        "NotClaimedFrom",    "WrongState",         "WrongState"]],
  ["reject", "other issuer",                      ["WrongState",       "WrongState",        "NotClaimedFrom",    "WrongState",         "WrongState"]],
  ["reverse without consent", "issuer",           ["Reversed",         "Reversed",          "ConsentInvalid",    "ConsentInvalid",     "WrongState"]],
  ["reverse with the employer's consent", "issuer", ["Reversed",       "Reversed",          "Reversed",          "Reversed",           "WrongState"]],
  ["reverse with the other employer's consent", "issuer", ["Reversed", "Reversed",          "ConsentInvalid",    "ConsentInvalid",     "WrongState"]],
  ["reverse with the holder's consent", "issuer", ["Reversed",         "Reversed",          "ConsentInvalid",    "ConsentInvalid",     "WrongState"]],
  ["adjust without consent", "issuer",            ["Adjusted",         "Adjusted",          "ConsentInvalid",    "ConsentInvalid",     "WrongState"]],
  ["adjust with the employer's consent", "issuer", ["Adjusted",        "Adjusted",          "Adjusted",          "Adjusted",           "WrongState"]],
  ["adjust with the other employer's consent", "issuer", ["Adjusted",  "Adjusted",          "ConsentInvalid",    "ConsentInvalid",     "WrongState"]],
  ...(Object.keys(ACTS) as ActName[]).filter((act) => acts[ACTS[act].kind].signs === "issuer").flatMap((act): Row[] =>
    (["other issuer", "employer", "other employer"] as const).map((who) => [act, who, all("IssuerDiffers")])),
  ...(["enter as deductible", "enter as not deductible"] as const).flatMap((act): Row[] => [
    [act, "employer",                             ["NotEmployerOf",    "NotEmployerOf",     "WrongState",        "Entered",            "NotEmployerOf"],
                              /* titled */        ["Entered",          "Entered",           "Entered",           "Entered",            "WrongState"]],
    [act, "other employer",                       all("NotEmployerOf")],
    [act, "issuer",                               all("EmployerNotActive")],
    [act, "other issuer",                         all("EmployerNotActive")],
  ]),
  ["revoke an entry", "employer",                 ["NotEmployerOf",    "NotEmployerOf",     "NotEntered",        "NotEntered",         "NotEmployerOf"],
                              /* titled */        all("NotEntered")],
  ...(["other employer", "issuer", "other issuer"] as const).map((who): Row => ["revoke an entry", who, all("NotEmployerOf")]),
  ...(["employer", "other employer"] as const).map((who): Row => ["enter with no such mark", who, all("MarkInvalid")]),
  ...(["issuer", "other issuer"] as const).map((who): Row => ["enter with no such mark", who, all("EmployerNotActive")]),
  // an id without the top bit is not an external id, regardless of the signer
  ...EVERYONE.map((who): Row => ["admit as if it were issued elsewhere", who, all("NotExternal")]),
];

function expected(act: ActName, who: Who, column: Column, titled: boolean): string {
  const row = TABLE.find(([a, w]) => a === act && w === who);
  const cells = titled ? (row?.[3] ?? row?.[2]) : row?.[2];
  return cells?.[COLUMNS.indexOf(column)] ?? "SignatureInvalid";
}

/** The state that an event leaves behind. */
const AFTER: Record<string, State | "as before"> = {
  Transferred: "Issued",
  Claimed: "Claimed",
  Withdrawn: "Issued",
  Rejected: "Issued",
  Reimbursed: "Reimbursed",
  Reversed: "Reversed",
  Adjusted: "as before",
  Entered: "as before",
};

async function world() {
  const on = await deployed({ claimTermSeconds: TERM });
  const issuer = await on.enrol("issuer", ISSUER);
  const otherIssuer = await on.enrol("other issuer", ISSUER);
  const employer = await on.enrol("employer", EMPLOYER);
  const otherEmployer = await on.enrol("other employer", EMPLOYER);
  // the network's own accounts: the bureau's sending key and a relayer's, which hold no invoice
  const account = (i: number) =>
    new Wallet(
      HDNodeWallet.fromPhrase(
        "test test test test test test test test test test test junk",
        "",
        `m/44'/60'/0'/0/${i}`,
      ).privateKey,
    );
  const wallets: Record<Who, Wallet> = {
    holder: keyOf("holder"),
    receiver: keyOf("receiver"),
    "other person": keyOf("other person"),
    issuer: issuer.wallet,
    "other issuer": otherIssuer.wallet,
    employer: employer.wallet,
    "other employer": otherEmployer.wallet,
    bureau: account(0),
    relayer: account(1),
  };
  expect(wallets.bureau.address).to.equal(await on.bureau.getAddress());
  expect(wallets.relayer.address).to.equal(await on.relay.getAddress());
  const parties: Partial<Record<Who, Party>> = {
    issuer,
    "other issuer": otherIssuer,
    employer,
    "other employer": otherEmployer,
  };
  const segment = await on.segmentFor(issuer);
  const lot = await sealLot(on, issuer, segment, [
    leafOf("untitled", wallets.holder.address),
    leafOf("titled", wallets.holder.address, employer.index),
  ]);
  return { on, issuer, employer, otherEmployer, wallets, parties, lot, segment };
}
type World = Awaited<ReturnType<typeof world>>;

const TITLED = 1;

/**
 * One act on the invoice as it stands, by `who` and, where it names a taxpayer, for `who` if it is
 * one.
 */
async function attempt(w: World, act: ActName, who: Who, position: number) {
  const { on, lot, wallets, parties } = w;
  const row = ACTS[act];
  const id = idOf(lot, position);
  const { version } = await recordOf(on, id);
  const input: ActInput = { kind: row.kind, invoices: [{ id, version }] };
  const { fields, evidence } = acts[row.kind];
  if ("to" in fields) input.to = wallets.receiver.address;
  if ("holder" in fields) input.to = wallets.holder.address;
  if ("from" in row) input.taxpayer = parties[row.from]?.index ?? 0;
  else if ("issuer" in fields) input.taxpayer = (parties[who] ?? w.issuer).index;
  else if ("employer" in fields) input.taxpayer = (parties[who] ?? w.employer).index;
  if ("mark" in row) input.ref = refOf(row.mark);
  if (version === 0 || evidence === "all") input.evidence = [evidenceOf(lot, position)];
  const consent = "consent" in row && row.consent ? wallets[row.consent] : undefined;
  return actOf(on, input, wallets[who], consent);
}

async function bring(w: World, position: number, column: Column): Promise<void> {
  const steps: Record<Column, [ActName, Who][]> = {
    untouched: [],
    issued: [
      ["claim from the employer", "holder"],
      ["reject", "employer"],
    ],
    claimed: [["claim from the employer", "holder"]],
    reimbursed: [
      ["claim from the employer", "holder"],
      ["reimburse", "employer"],
    ],
    reversed: [["reverse without consent", "issuer"]],
  };
  for (const [act, who] of steps[column])
    expect(
      inAWord((await tryActs(w.on, await attempt(w, act, who, position)))[0] ?? never()),
    ).to.match(/ed$/);
}
function never(): never {
  throw new Error("the ledger said nothing");
}

describe("who may do what with an invoice", () => {
  const fixture = perTest(world);

  it("the table has a cell for every act and knows no act or party twice", () => {
    const keys = TABLE.map(([act, who]) => `${act} / ${who}`);
    expect(new Set(keys).size).to.equal(keys.length);
    expect(new Set(TABLE.map(([act]) => act)).size).to.equal(Object.keys(ACTS).length);
  });

  for (const titled of [false, true]) {
    for (const column of COLUMNS) {
      for (const late of [false, true]) {
        const acts = (Object.keys(ACTS) as ActName[]).filter(
          (act) => late === (act === "withdraw after the term"),
        );
        it(`${titled ? "titled" : "untitled"}, ${column}: ${late ? "withdrawing after the claim term" : "every act"} by everyone`, async () => {
          const w = fixture();
          const { on, lot } = w;
          const position = titled ? TITLED : 0;
          const id = idOf(lot, position);
          await bring(w, position, column);
          if (late) await on.networkHelpers.time.increase(TERM);
          const before = await recordOf(on, id);

          const cells = acts.flatMap((act) =>
            EVERYONE.map((who) => ({ act, who, word: expected(act, who, column, titled) })),
          );
          const refused = cells.filter(({ word }) => !(word in AFTER));
          const taken = cells.filter(({ word }) => word in AFTER);
          const outcomes = [];
          for (let i = 0; i < refused.length; i += 100) {
            const batch = await Promise.all(
              refused.slice(i, i + 100).map(({ act, who }) => attempt(w, act, who, position)),
            );
            outcomes.push(...(await tryActs(on, ...batch)));
          }
          expect(
            outcomes.map((o, i) => `${refused[i]?.act} / ${refused[i]?.who}: ${inAWord(o)}`),
          ).to.deep.equal(refused.map((c) => `${c.act} / ${c.who}: ${c.word}`));
          for (const o of outcomes) expect(o.id).to.equal(id);
          expect(await recordOf(on, id)).to.deep.equal(before);

          for (const { act, who, word } of taken) {
            const snapshot = await on.networkHelpers.takeSnapshot();
            const [outcome] = await tryActs(on, await attempt(w, act, who, position));
            expect(inAWord(outcome ?? never()), `${act} / ${who}`).to.equal(word);
            const after = await recordOf(on, id);
            const stays = AFTER[word] === "as before";
            const asBefore =
              before.version === 0 ? { state: "Issued", updatedAt: lot.header.time } : before;
            expect(after.state, act).to.equal(stays ? asBefore.state : AFTER[word]);
            expect(after.version, act).to.equal(before.version + 1);
            expect(after.titled, act).to.equal(titled);
            expect(after.updatedAt, act).to.equal(
              stays ? asBefore.updatedAt : await on.networkHelpers.time.latest(),
            );
            const row = ACTS[act];
            expect(after.mark, act).to.equal("mark" in row ? row.mark : 1);
            expect(after.holder, act).to.equal(
              word === "Transferred" ? w.wallets.receiver.address : w.wallets.holder.address,
            );
            // a titled invoice stays with its buyer; an untitled one is bound by a claim and freed
            // by its end
            const claimedFrom =
              act === "claim from the other employer" ? w.otherEmployer.index : w.employer.index;
            const bound =
              titled ||
              word === "Claimed" ||
              word === "Reimbursed" ||
              ((word === "Reversed" || stays) && before.employer !== 0);
            expect(after.employer, act).to.equal(bound ? claimedFrom : 0);
            await snapshot.restore();
          }
        });
      }
    }
  }
});

describe("acts that standing and capabilities stop", () => {
  const fixture = perTest(world);
  const SUSPENDED = 2;

  const as = (
    who: "issuer" | "employer",
    change: (w: World, index: number) => Promise<unknown>,
  ) => ({ who, change });
  const suspended = (who: "issuer" | "employer") =>
    as(who, (w, index) => w.on.registry.setStanding(index, SUSPENDED));
  const stripped = (who: "issuer" | "employer") =>
    as(who, (w, index) =>
      w.on.registry.setCapabilities(index, who === "issuer" ? EMPLOYER : ISSUER),
    );

  // biome-ignore format: a table
  const STANDING: [string, ReturnType<typeof as>, Column, ActName, Who, string][] = [
    ["a suspended issuer cannot reverse",                       suspended("issuer"),   "untouched",  "reverse without consent", "issuer", "IssuerNotActive"],
    ["a suspended issuer cannot reverse, consent or not",       suspended("issuer"),   "claimed",    "reverse with the employer's consent", "issuer", "IssuerNotActive"],
    ["who may no longer issue cannot reverse",                  stripped("issuer"),    "untouched",  "reverse without consent", "issuer", "IssuerNotActive"],
    ["a suspended issuer's invoices can be claimed",            suspended("issuer"),   "untouched",  "claim from the employer", "holder", "Claimed"],
    ["a suspended issuer's invoices can be handed on",          suspended("issuer"),   "untouched",  "transfer to the receiver", "holder", "Transferred"],
    ["a suspended issuer's invoices can be reimbursed",         suspended("issuer"),   "claimed",    "reimburse", "employer", "Reimbursed"],
    ["nothing can be claimed from a suspended employer",        suspended("employer"), "untouched",  "claim from the employer", "holder", "EmployerNotActive"],
    ["nothing can be claimed from who is not an employer",      stripped("employer"),  "untouched",  "claim from the employer", "holder", "EmployerNotActive"],
    ["a suspended employer cannot reimburse",                   suspended("employer"), "claimed",    "reimburse", "employer", "EmployerNotActive"],
    ["who is no longer an employer cannot reimburse",           stripped("employer"),  "claimed",    "reimburse", "employer", "EmployerNotActive"],
    ["a suspended employer can reject",                         suspended("employer"), "claimed",    "reject", "employer", "Rejected"],
    ["who is no longer an employer can reject",                 stripped("employer"),  "claimed",    "reject", "employer", "Rejected"],
    ["a suspended employer can consent to a reversal",          suspended("employer"), "reimbursed", "reverse with the employer's consent", "issuer", "Reversed"],
    ["standing comes before state: no alarm by a suspended employer", suspended("employer"), "reimbursed", "reimburse", "employer", "EmployerNotActive"],
    ["a suspended issuer cannot adjust",                        suspended("issuer"),   "untouched",  "adjust without consent", "issuer", "IssuerNotActive"],
    ["who may no longer issue cannot adjust, consent or not",   stripped("issuer"),    "claimed",    "adjust with the employer's consent", "issuer", "IssuerNotActive"],
    ["a suspended employer can consent to an adjustment",       suspended("employer"), "reimbursed", "adjust with the employer's consent", "issuer", "Adjusted"],
    ["a suspended issuer's invoices can be entered",            suspended("issuer"),   "reimbursed", "enter as deductible", "employer", "Entered"],
    ["a suspended employer cannot enter",                       suspended("employer"), "reimbursed", "enter as deductible", "employer", "EmployerNotActive"],
    ["who is no longer an employer cannot enter",               stripped("employer"),  "reimbursed", "enter as not deductible", "employer", "EmployerNotActive"],
    ["a holder can withdraw from a suspended employer",         suspended("employer"), "claimed",    "withdraw after the term", "holder", "Withdrawn"],
  ];
  for (const titled of [false, true]) {
    for (const [sentence, { who, change }, column, act, by, word] of STANDING) {
      it(`${sentence} (${titled ? "titled" : "untitled"})`, async () => {
        const w = fixture();
        const position = titled ? TITLED : 0;
        await bring(w, position, column);
        await change(w, w[who].index);
        if (act === "withdraw after the term") await w.on.networkHelpers.time.increase(TERM);
        const [outcome] = await tryActs(w.on, await attempt(w, act, by, position));
        expect(inAWord(outcome ?? never())).to.equal(word);
        if (!(word in AFTER)) {
          if (!outcome || !("refused" in outcome)) never();
          expect(outcome.found).to.equal(BigInt(w[who].index));
        }
      });
    }
  }

  /** An enrolled taxpayer can hold invoices as a person can, until it is suspended. */
  async function heldByTaxpayer(w: World) {
    const { on, issuer, otherEmployer, segment } = w;
    const lot = await sealLot(on, issuer, segment, [
      leafOf("held by a taxpayer", otherEmployer.wallet.address),
    ]);
    return { lot, id: idOf(lot, 0), evidence: [evidenceOf(lot, 0)], holder: otherEmployer };
  }
  const suspend = (on: Deployed, party: Party) => on.registry.setStanding(party.index, SUSPENDED);

  it("a suspended holder cannot claim and cannot transfer", async () => {
    const w = fixture();
    const { id, evidence, holder } = await heldByTaxpayer(w);
    await suspend(w.on, holder);
    const invoices = [{ id, version: 0 }];
    const outcomes = await tryActs(
      w.on,
      actOf(w.on, { kind: "Claim", taxpayer: w.employer.index, invoices, evidence }, holder.wallet),
      actOf(
        w.on,
        { kind: "Transfer", to: w.wallets.receiver.address, invoices, evidence },
        holder.wallet,
        w.wallets.receiver,
      ),
    );
    expect(outcomes.map(inAWord)).to.deep.equal(["HolderSuspended", "HolderSuspended"]);
    for (const o of outcomes)
      expect("found" in o && o.found).to.equal(BigInt(holder.wallet.address));
  });

  it("a suspended holder can withdraw", async () => {
    const w = fixture();
    const { id, evidence, holder } = await heldByTaxpayer(w);
    await tryActs(
      w.on,
      actOf(
        w.on,
        { kind: "Claim", taxpayer: w.employer.index, invoices: [{ id, version: 0 }], evidence },
        holder.wallet,
      ),
    );
    await suspend(w.on, holder);
    await w.on.networkHelpers.time.increase(TERM);
    const [outcome] = await tryActs(
      w.on,
      actOf(w.on, { kind: "Withdraw", invoices: [{ id, version: 1 }] }, holder.wallet),
    );
    expect(inAWord(outcome ?? never())).to.equal("Withdrawn");
  });

  it("a suspended receiver cannot receive, and only its own signature brings that up", async () => {
    const w = fixture();
    await suspend(w.on, w.otherEmployer);
    const to = w.otherEmployer.wallet.address;
    const input: ActInput = {
      kind: "Transfer",
      to,
      invoices: [{ id: idOf(w.lot, 0), version: 0 }],
      evidence: [evidenceOf(w.lot, 0)],
    };
    const outcomes = await tryActs(
      w.on,
      actOf(w.on, input, w.wallets.holder, w.otherEmployer.wallet),
      actOf(w.on, input, w.wallets.holder, w.wallets.relayer),
    );
    expect(outcomes.map(inAWord)).to.deep.equal(["HolderSuspended", "ConsentInvalid"]);
    expect(outcomes[0] && "found" in outcomes[0] && outcomes[0].found).to.equal(BigInt(to));
  });

  it("an invoice cannot go to nobody or to who holds it", async () => {
    const w = fixture();
    const invoices = [{ id: idOf(w.lot, 0), version: 0 }];
    const evidence = [evidenceOf(w.lot, 0)];
    const { holder } = w.wallets;
    const outcomes = await tryActs(
      w.on,
      actOf(w.on, { kind: "Transfer", to: ZeroAddress, invoices, evidence }, holder, holder),
      actOf(w.on, { kind: "Transfer", to: holder.address, invoices, evidence }, holder, holder),
    );
    expect(outcomes.map(inAWord)).to.deep.equal(["ReceiverInvalid", "ReceiverInvalid"]);
    expect(outcomes.map((o) => "found" in o && o.found)).to.deep.equal([
      0n,
      BigInt(holder.address),
    ]);
  });

  it("nothing can be claimed from a taxpayer that is not enrolled, and nothing decided in its name", async () => {
    const w = fixture();
    const target = { id: idOf(w.lot, 0), version: 0 };
    const evidence = [evidenceOf(w.lot, 0)];
    for (const taxpayer of [0, 99, 0xffffffff]) {
      const claims = await tryActs(
        w.on,
        actOf(w.on, { kind: "Claim", taxpayer, invoices: [target], evidence }, w.wallets.holder),
      );
      expect(claims.map(inAWord)).to.deep.equal(["EmployerNotActive"]);
      const decisions = await tryActs(
        w.on,
        ...(["Reimburse", "Reject"] as const).map((kind) =>
          actOf(w.on, { kind, taxpayer, invoices: [target], evidence }, w.wallets.holder),
        ),
      );
      expect(decisions.map(inAWord)).to.deep.equal(["SignatureInvalid", "SignatureInvalid"]);
    }
  });

  for (const [sentence, { change }] of [
    ["a suspended issuer cannot seal", suspended("issuer")],
    ["who may no longer issue cannot seal", stripped("issuer")],
  ] as const) {
    it(sentence, async () => {
      const w = fixture();
      await change(w, w.issuer.index);
      const first = w.segment + (await w.on.ledger.sealedIn(w.segment));
      const [outcome] = await tryLots(
        w.on,
        lotOf(w.on, w.issuer, w.segment, first, [leafOf("late", w.wallets.holder.address)]),
      );
      expect(outcome).to.deep.equal({
        refused: "IssuerNotActive",
        id: first,
        found: BigInt(w.issuer.index),
        alarm: false,
      });
    });
  }

  it("an issuer whose suspension is taken back seals again", async () => {
    const w = fixture();
    await suspend(w.on, w.issuer);
    await w.on.registry.setStanding(w.issuer.index, 1);
    const { receipt } = await sealLot(w.on, w.issuer, w.segment, [
      leafOf("again", w.wallets.holder.address),
    ]);
    expect(receipt.logs).to.have.length(1);
  });
});
