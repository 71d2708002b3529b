/**
 * The verdict on a bundle: its own steps (bundle.ts), and those that need facts from elsewhere.
 *
 * Owns: the order of the steps, the result in one word, and what the steps have and have not
 * proven. It asks nobody: the caller has asked the registry and the ledger, or has a copy of their
 * content, and passes it as `Facts`. A missing fact makes "not-checked", never "ok". The gateway
 * (features/proof/verification.ts) and the command line judge by this file.
 */
import { checksummed } from "../ledger/messages.ts";
import { headerHash } from "../ledger/tree.ts";
import {
  type Bundle,
  type Checked,
  identityCommitment,
  namesBy,
  steps as ownSteps,
} from "./bundle.ts";
import type { Contradiction } from "./contradictions.ts";
import { partNames } from "./parts.ts";

/**
 * A taxpayer in the registry. `keys`: every key that it has signed with, its account first and the
 * present key last.
 */
export type Registered = {
  index: number;
  account: string;
  keys: readonly string[];
  identity: string;
};

/** The figures printed next to a proof, for example next to a QR code. */
export type Printed = { number: string; date: string; total: string; kind: "ordinary" | "special" };

export type Facts = {
  /** The trusted network. Without it, the bundle's own statement of its network counts. */
  network?: Bundle["network"] | undefined;
  /** The issuer's key, known from another source. */
  issuerKey?: string | undefined;
  /** The registry's entries for issuer and named parties; none for those that it does not have. */
  registered?: readonly Registered[] | undefined;
  /** The signers of a party's later name that the chain has as REGISTRAR. */
  registrars?: readonly string[] | undefined;
  /** The ledger's content. `adjusted`: partial red letters so far; undefined: not known. */
  ledger?:
    | {
        block: number;
        time: number;
        lotHash: string;
        record: { state: InvoiceState | "none"; version: number };
        adjusted: number | undefined;
      }
    | undefined;
  /** The figures printed next to the proof, if they were read together with it. */
  printed?: Printed | undefined;
};

export const verdictSteps = [
  ...ownSteps,
  "printed",
  "network",
  "issuer",
  "identity",
  "lot",
  "record",
] as const;
export type VerdictStep = {
  step: (typeof verdictSteps)[number];
  outcome: "ok" | "failed" | "not-checked";
  detail: string;
};

/** What each result means: docs/verification.md. */
export const bundleResults = [
  "valid",
  "adjusted",
  "reversed",
  "sealed",
  "unattributed",
  "altered",
  "contradictory",
  "mismatch",
  "other-network",
  "not-the-issuers",
  "not-on-chain",
] as const;
export type BundleResult = (typeof bundleResults)[number];
export const invoiceStates = ["issued", "claimed", "reimbursed", "reversed"] as const;
export type InvoiceState = (typeof invoiceStates)[number];

export type Statement = { code: string; detail: string };
export type Verdict = {
  result: BundleResult;
  number?: string;
  state?: InvoiceState;
  steps: VerdictStep[];
  /** The bundle's contradictions; empty unless the result is "contradictory" or "altered". */
  contradictions: Contradiction[];
  proven: Statement[];
  notProven: Statement[];
};

/** The result of a failed step; "altered" for all other steps. */
const failures: Partial<Record<VerdictStep["step"], BundleResult>> = {
  parties: "contradictory",
  document: "contradictory",
  printed: "mismatch",
  network: "other-network",
  issuer: "not-the-issuers",
  identity: "not-the-issuers",
  lot: "not-on-chain",
};

const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
const at = (seconds: number) => new Date(seconds * 1_000).toISOString();

type Finding = [outcome: VerdictStep["outcome"], detail: string];

function sayPrinted({ bundle, shown = {} }: Checked, { printed }: Facts): Finding {
  if (printed === undefined) return ["not-checked", "nothing is printed next to it"];
  const date = typeof shown.date === "string" ? shown.date.slice(0, 10) : undefined;
  const { number, total, kind } = printed;
  const agrees =
    bundle?.number === number &&
    date === printed.date &&
    shown.total === total &&
    shown.kind === kind;
  return agrees
    ? ["ok", "number, date, total and kind as printed are the sealed ones"]
    : ["failed", "number, date, total or kind as printed is another than the sealed one"];
}

function sayNetwork({ network: stated }: Bundle, { network }: Facts): Finding {
  if (network === undefined)
    return [
      "not-checked",
      `it says of itself that it is of ${stated.name}, chain ${stated.chainId}, ledger ` +
        `${stated.ledger}`,
    ];
  const agrees =
    stated.name === network.name &&
    stated.chainId === network.chainId &&
    same(stated.registry, network.registry) &&
    same(stated.ledger, network.ledger);
  return agrees
    ? ["ok", `it is of ${network.name}, chain ${network.chainId}`]
    : ["failed", `it is of another network than ${network.name}, chain ${network.chainId}`];
}

function sayIssuer({ lot }: Bundle, signer: string, { issuerKey, registered }: Facts): Finding {
  if (issuerKey !== undefined && !same(signer, issuerKey))
    return ["failed", `sealed by the key ${signer}, not by the one that was named`];
  if (registered === undefined)
    return issuerKey === undefined
      ? ["not-checked", `sealed by the key ${signer}; whose it is is not checked`]
      : ["ok", `sealed by the key that was named`];
  const issuer = registered.find(({ index }) => index === lot.issuer);
  if (issuer === undefined) return ["failed", `the registry has no taxpayer ${lot.issuer}`];
  if (!issuer.keys.some((key) => same(key, signer)))
    return ["failed", `taxpayer ${lot.issuer} never had the key ${signer}`];
  const present = same(issuer.keys.at(-1) ?? "", signer);
  return [
    "ok",
    `sealed by taxpayer ${lot.issuer}, with ` +
      `${present ? "its present key" : "a key that it had before"}`,
  ];
}

function sayIdentity(
  bundle: Bundle,
  unattributed: Checked["unattributed"],
  { registered, registrars }: Facts,
): Finding {
  const { parties } = bundle;
  if (registered === undefined) return ["not-checked", "the registry was not asked"];
  for (const party of parties) {
    const known = registered.find(({ index }) => index === party.index);
    if (
      known === undefined ||
      !same(known.account, party.account) ||
      known.identity !== identityCommitment(party)
    )
      return ["failed", `the registry has taxpayer ${party.index} as somebody else`];
  }
  if (unattributed.length > 0)
    return ["not-checked", `no party says which taxpayer the ${unattributed.join(" and the ")} is`];
  if (parties.length === 0) return ["not-checked", "no party is named"];
  const outsider = namesBy(bundle).find(
    (signer) =>
      registrars !== undefined && !registrars.some((registrar) => same(registrar, signer)),
  );
  if (outsider !== undefined)
    return [
      "failed",
      `a party's later name is signed by ${outsider}, whom the chain does not have as the ` +
        "bureau's registrar",
    ];
  const named = parties.map(({ index, taxId, name, named }) => {
    const later = named && `, named ${named.name} from ${named.from} on by the bureau`;
    return `taxpayer ${index} as ${taxId} ${name}${later ?? ""}`;
  });
  if (registrars === undefined && parties.some((party) => party.named !== undefined))
    return [
      "not-checked",
      "whether the bureau has signed a party's later name: the access manager was not asked",
    ];
  return ["ok", `the registry has ${named.join(", and ")}`];
}

function sayLot({ lot }: Bundle, { ledger }: Facts): Finding {
  if (ledger === undefined) return ["not-checked", "the ledger was not asked"];
  return same(ledger.lotHash, headerHash(lot))
    ? ["ok", `the ledger has the lot, sealed at ${at(lot.time)}`]
    : [
        "failed",
        `the ledger has ${BigInt(ledger.lotHash) === 0n ? "no lot" : "another lot"} that ` +
          `begins with ${lot.first}`,
      ];
}

/** Judges a bundle that `checkBundle` has checked. */
export function judge(checked: Checked, facts: Facts): Verdict {
  const { bundle, signer } = checked;
  const steps: VerdictStep[] = checked.steps.map(({ step, ok, detail }) => ({
    step,
    outcome: ok ? "ok" : "failed",
    detail,
  }));
  const say = (step: VerdictStep["step"], [outcome, detail]: Finding) => {
    steps.push({ step, outcome, detail });
    return outcome === "ok";
  };
  const { contradictions, unattributed } = checked;
  if (bundle === undefined || signer === undefined || !checked.ok) {
    const broken = steps.find(({ outcome }) => outcome === "failed");
    const result = (broken && failures[broken.step]) ?? "altered";
    return {
      result,
      ...(bundle ? { number: bundle.number } : {}),
      steps,
      contradictions,
      proven: [],
      notProven: always,
    };
  }

  const printed = facts.printed === undefined || say("printed", sayPrinted(checked, facts));
  const ours = say("network", sayNetwork(bundle, facts));
  // nobody asked the registry and the ledger of another network
  const usable = steps.at(-1)?.outcome === "failed" ? { issuerKey: facts.issuerKey } : facts;
  const issuers = say("issuer", sayIssuer(bundle, checksummed(signer), usable));
  const named = say("identity", sayIdentity(bundle, unattributed, usable));
  const sealed = say("lot", sayLot(bundle, usable));
  // an issuer whose key is known from another source seals only for its own network's ledger
  const anchored = ours || (issuers && facts.issuerKey !== undefined);
  const { state, finding, adjusted } = stateOf(usable, sealed);
  say("record", finding);

  const failed = steps.find(({ outcome }) => outcome === "failed");
  const proven: Statement[] = [];
  const notProven: Statement[] = [];
  const shown = partNames.filter((name) => bundle.parts[name] !== undefined);
  const hidden = partNames.filter((name) => bundle.parts[name] === undefined);
  const tell = (ok: boolean, code: string, yes: string, no: string) =>
    void (ok ? proven : notProven).push({ code, detail: ok ? yes : no });
  const detailOf = (step: VerdictStep["step"]) =>
    steps.find((entry) => entry.step === step)?.detail ?? "";
  if (printed) {
    tell(
      true,
      "content",
      `What it shows (${shown.join(", ") || "nothing but its number"}) is what was sealed ` +
        `under the number ${bundle.number}`,
      "",
    );
    if (facts.printed)
      tell(true, "printed", "Number, date, total and kind as printed are the sealed ones", "");
  } else tell(false, "printed", "", "What is printed is not what was sealed");
  tell(
    issuers,
    "issuer",
    detailOf("issuer"),
    `That taxpayer ${bundle.lot.issuer} has sealed it: ${detailOf("issuer")}`,
  );
  tell(
    named,
    "identity",
    detailOf("identity"),
    `Who the parties are in the registry: ${detailOf("identity")}`,
  );
  tell(
    anchored && sealed,
    "chain",
    detailOf("lot"),
    anchored
      ? `That the chain has it: ${detailOf("lot")}`
      : `That it is of the network it names: ${detailOf("network")}`,
  );
  tell(
    anchored && state !== undefined,
    "state",
    detailOf("record"),
    `What has become of it: ${detailOf("record")}`,
  );
  if (hidden.length > 0) tell(false, "hidden", "", `What is not shown: ${hidden.join(", ")}`);
  notProven.push(...always);

  let result: BundleResult;
  if (failed !== undefined) result = failures[failed.step] ?? "altered";
  else if (!issuers || unattributed.length > 0) result = "unattributed";
  else if (state === undefined || !anchored) result = "sealed";
  else result = state === "reversed" ? "reversed" : adjusted ? "adjusted" : "valid";
  return {
    result,
    number: bundle.number,
    ...(state === undefined || failed ? {} : { state }),
    steps,
    contradictions,
    proven,
    notProven,
  };
}

/**
 * Whether a bundle shows what was sealed, and may be true: nobody is shown altered or contradictory
 * content.
 */
export const isWorthShowing = ({ result }: Pick<Verdict, "result">): boolean =>
  result !== "altered" && result !== "contradictory";

/** Statements that no bundle proves, whatever the facts. */
const always: Statement[] = [
  { code: "bearer", detail: "That the person who shows it is its holder: anybody may have a copy" },
  {
    code: "truth",
    detail: "That what was sealed is true: goods, amounts and buyer are the issuer's word",
  },
];

function stateOf(
  { ledger }: Facts,
  sealed: boolean,
): { state?: InvoiceState; adjusted: boolean; finding: Finding } {
  if (ledger === undefined)
    return { adjusted: false, finding: ["not-checked", "the ledger was not asked"] };
  if (!sealed)
    return { adjusted: false, finding: ["not-checked", "the ledger does not have this lot"] };
  const { block, time, record } = ledger;
  const state: InvoiceState = record.state === "none" ? "issued" : record.state;
  // no act has touched it, so nothing was taken back
  const adjusted = record.version === 0 ? 0 : ledger.adjusted;
  const more =
    adjusted === undefined
      ? "; whether part of it was taken back is not checked"
      : adjusted > 0 && state !== "reversed"
        ? `; part of it was taken back, ${adjusted} time(s)`
        : "";
  return {
    state,
    adjusted: (adjusted ?? 0) > 0,
    finding: ["ok", `${state} as of block ${block}, ${at(time)}${more}`],
  };
}
