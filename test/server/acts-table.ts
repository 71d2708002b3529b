/** The table of acts agrees with the contract, and no other place lists kinds of acts. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  actEvents,
  actKinds,
  acts,
  isLate,
  isOfClaim,
  needsEvidence,
} from "@onepiao/protocol/ledger/acts.ts";
import { EXTERNAL } from "@onepiao/protocol/ledger/external.ts";
import { expect } from "chai";
import { root } from "../../scripts/run.ts";
import { countedActs } from "../../server/features/bureau/stats-counts.ts";
import { kindOf } from "../../server/feed/acts.ts";
import { IInvoiceLedger__factory } from "../../types/ethers-contracts/factories/contracts/interfaces/IInvoiceLedger__factory.ts";
import { codeOf } from "./support/source.ts";

const names: ReadonlySet<string> = new Set([...actKinds, ...actEvents.keys()]);
const asKey = new RegExp(`(?:\\.|\\b(?=\\w+\\s*[:(]))(${[...names].join("|")})\\b`, "g");

/**
 * The kinds of acts and their events that a file names: in quotes, as a key or as a property. The
 * search skips texts for people.
 */
function named(path: string, source: string): string[] {
  const { code, texts } = codeOf(source);
  const quoted = texts.filter(
    (text) => names.has(text) && !(path.startsWith("server/api/") && actEvents.has(text)),
  );
  return [
    ...new Set([...quoted, ...[...code.matchAll(asKey)].map(([, name]) => name as string)]),
  ].sort();
}

describe("the table of acts", () => {
  it("names events that the ledger has, with the arguments that change the record", () => {
    const ledger = IInvoiceLedger__factory.createInterface();
    for (const { event, record } of actEvents.values()) {
      const inputs = ledger.getEvent(event as "Claimed")?.inputs.map(({ name }) => name) ?? [];
      const { holder, employer, claim, mark } = record;
      expect(inputs, event).to.include.members([
        "id",
        "act",
        "version",
        ...[holder, employer, claim, mark].filter((name) => name !== undefined),
      ]);
    }
    const ofActs = ledger.fragments.flatMap((fragment) => {
      const name = "name" in fragment ? (fragment.name as string) : "";
      return fragment.type === "event" && fragment.inputs.some((input) => input.name === "act")
        ? [name]
        : [];
    });
    expect(ofActs.sort()).to.deep.equal([...actEvents.keys(), "Refused"].sort());
  });

  it("has one word for all acts that have one event, and counts each act under its own word", () => {
    for (const { event, record, feed, kinds } of actEvents.values())
      for (const kind of kinds) expect(acts[kind], kind).to.deep.include({ event, record, feed });
    expect(countedActs).to.have.length(new Set(countedActs).size);
    // not acts: seals, refusals, and reversals by the state that was reversed
    expect(countedActs).to.have.length(actKinds.length + 4);
  });

  it("separates claims from admissions and decisions from claims, and names who must prove a key", () => {
    const claimed = (id: bigint, version: number) =>
      kindOf({ name: "Claimed", args: { id: String(id), version } });
    expect([
      claimed(5n, 1),
      claimed(5n, 7),
      claimed(EXTERNAL + 5n, 1),
      claimed(EXTERNAL + 5n, 3),
    ]).to.deep.equal(["Claim", "Claim", "Admit", "Claim"]);
    expect(kindOf({ name: "LotSealed", args: {} })).to.equal(undefined);
    expect(actKinds.filter(isOfClaim)).to.deep.equal([
      "Claim",
      "Withdraw",
      "Reimburse",
      "Reject",
      "Admit",
    ]);
    expect(actKinds.filter(isLate)).to.deep.equal(["Reverse", "Adjust", "Enter"]);
    expect(actKinds.filter((kind) => !needsEvidence(kind, 0))).to.deep.equal(["Admit"]);
    expect(actKinds.filter((kind) => needsEvidence(kind, 3))).to.deep.equal(["Reverse", "Adjust"]);
  });
});

describe("kinds of acts and their events", () => {
  /**
   * The files that name them: the table, a gateway's additions to it, and the features that offer
   * them.
   */
  const offered: Readonly<Record<string, readonly string[]>> = {
    "protocol/ledger/acts.ts": [...names].sort(),
    "server/chain/acts.ts": [...actKinds].sort(),
    "server/features/use/claims.ts": ["Admit", "Claim", "Reimburse", "Reject", "Withdraw"],
    "server/api/claims.ts": ["Claim"],
    "server/features/use/transfers.ts": ["Transfer"],
    "server/features/use/transfers-projection.ts": ["Transferred"],
    "server/api/transfers.ts": ["Transfer"],
    "server/features/use/pickups.ts": ["Transfer"],
    "server/features/use/entries.ts": ["Enter"],
    "server/features/use/external-credits.ts": ["Reimburse"],
    "server/features/use/entries-projection.ts": ["Entered"],
    "server/features/invoices/red-letter-acts.ts": ["Adjust", "Reverse"],
    "server/features/invoices/red-letters-projection.ts": ["Adjusted", "Reversed"],
  };

  it("are named in the table and by the features that offer them or wait for them, and nowhere else", () => {
    const paths = ["protocol", "server"].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map(
        (path) => `${folder}/${path.replaceAll("\\", "/")}`,
      ),
    );
    const sources = paths.filter((path) => path.endsWith(".ts"));
    expect(sources.length).to.be.greaterThan(150);
    const namesByFile = sources.map(
      (path) => [path, named(path, readFileSync(join(root, path), "utf8"))] as const,
    );
    expect(Object.fromEntries(namesByFile.filter(([, those]) => those.length > 0))).to.deep.equal(
      offered,
    );
  });

  it("the search finds them in quotes, as keys and as properties, and not in comments, types and sentences", () => {
    for (const [source, those] of [
      ['if (kind === "Claim") x();', ["Claim"]],
      ["const red = kind === `Reverse`;", ["Reverse"]],
      ["on: { Transferred: moved }", ["Transferred"]],
      ["on: { async Entered(tx) {} }", ["Entered"]],
      ["acts.Reject.event", ["Reject"]],
      ['// a "Claim"\n/* Claimed: */ const claim: Claim = "A Claim is over";', []],
      ["type Claimed = { number: string };", []],
      ["async (row: Claimed): Promise<Transfer> => row", []],
    ] as const)
      expect(named("server/upkeep/x.ts", source), source).to.deep.equal(those);
  });
});
