/**
 * Contradictions of a sealed document, whole or in part, with itself. A seal proves who has signed
 * a document, not that the document is true; an issuer that keeps its own key can seal one that no
 * gateway would issue. This file finds what such a document contradicts.
 *
 * Owns: every rule between document, lot, leaf and parties, in one pure function. The verdict
 * (verdict.ts), imports, the bureau's auditor, the command `onepiao` and a browser all judge by it.
 *
 * | rule | what is compared |
 * | --- | --- |
 * | the rules of a document | shape (parts.ts), arithmetic, tax ids, red letters (formats/rules.ts) |
 * | seller-is-issuer, seller-name | the seller and the party with the lot's issuer's index |
 * | buyer-titled, buyer-is-titled, buyer-name | the buyer, its tax id, and the party of the leaf's buyer |
 * | issued-ahead, issued-long-ago | the date and the time of the lot's block |
 * | red-letter-holder | only red letters, and all of them, are sealed to the zero account |
 * | party-once, party-of-invoice | each party is the issuer or the titled buyer, and occurs once |
 *
 * A part that is not shown claims nothing and contradicts nothing. A seller or buyer that is shown
 * without its party claims an identity without proof: `unattributed` names them.
 *
 * Invariants: asks nobody and never throws, whatever the input; names at most 20 contradictions.
 */
import { type InvoiceDocument, shapeViolations } from "../formats/document.ts";
import { checkIssued, rulesOf } from "../formats/rules.ts";
import { chinaDay } from "../values/dates.ts";
import { sameName } from "../values/names.ts";
import type { Violation } from "../values/problems.ts";
import { normaliseTaxId } from "../values/tax-id.ts";
import { documentOfParts, type PartName, type Parts, partNames, partShapes } from "./parts.ts";

/** A taxpayer by its index in the registry. This file does not check that the registry agrees. */
export type Party = {
  index: number;
  taxId: string;
  name: string;
  named?: { name: string; from: string } | undefined;
};

/**
 * The input of a judgement. `parts`: the shown ones; a value of undefined shows that the part is
 * absent.
 */
export type Statement = {
  parts: Parts;
  /** `time`: of the block that sealed the lot, in seconds since 1970. */
  lot: { issuer: number; time: number };
  leaf: { holder: string; buyer: number };
  parties: readonly Party[];
};

/**
 * A broken rule. `step`: the step of the check that fails. `field`: a JSON pointer, into the
 * document (`/seller/name`, `/totals/gross`) or into the bundle (`/parts/…`, `/leaf/…`,
 * `/parties/…`).
 */
export type Contradiction = Violation & { step: "parties" | "document" };

export type Judgement = {
  contradictions: Contradiction[];
  /** Seller or buyer, if shown without its party. */
  unattributed: ("seller" | "buyer")[];
  /**
   * The whole document, if all its parts are shown and have their shape. It may contradict itself.
   */
  document?: InvoiceDocument;
};

const MAX_CONTRADICTIONS = 20;
/** Details clip longer values. */
const MAX_VALUE = 120;
const clip = (text: string) => (text.length > MAX_VALUE ? `${text.slice(0, MAX_VALUE)}…` : text);

/**
 * How far a date may lie before and after its lot's block, in seconds: the widest range that a
 * gateway's settings allow.
 */
const DAY = 86_400;
const MOST_BACK = 3_660 * DAY;
const MOST_AHEAD = DAY;

const ZERO = /^0x0{40}$/;

/**
 * A party's name at the time of a document: that of its enrolment, or the later one. If the time is
 * hidden, the later name counts.
 */
const nameAt = ({ name, named }: Party, time: string | undefined): string =>
  named === undefined || (time !== undefined && chinaDay(new Date(time)) < named.from)
    ? name
    : named.name;

type Refuse = (field: string, rule: string, detail: string) => void;

/** The shown parts that have their shape; refuses the others. */
function shapedOf(parts: Parts, refuse: Refuse): Set<PartName> {
  const shaped = new Set<PartName>();
  for (const name of partNames) {
    if (!Object.hasOwn(parts, name)) continue;
    const { success, error } = partShapes[name].safeParse(parts[name]);
    if (success) shaped.add(name);
    else
      for (const { field, rule, detail } of shapeViolations(error))
        refuse(`/parts/${name}/value${field}`, rule, clip(detail));
  }
  return shaped;
}

const identityRules = {
  seller: { who: "the lot's issuer", taxId: "seller-is-issuer", name: "seller-name" },
  buyer: { who: "the titled buyer", taxId: "buyer-is-titled", name: "buyer-name" },
} as const;

/** Compares a shown seller or buyer with its party. */
function compare(
  part: "seller" | "buyer",
  shown: { taxId: string; name: string },
  party: Party,
  time: string | undefined,
  refuse: Refuse,
): void {
  const rules = identityRules[part];
  const who = `${rules.who}, taxpayer ${party.index},`;
  const name = nameAt(party, time);
  if (normaliseTaxId(shown.taxId) !== normaliseTaxId(party.taxId))
    refuse(
      `/${part}/taxId`,
      rules.taxId,
      `the ${part} is ${shown.taxId}; ${who} is ${clip(party.taxId)}`,
    );
  else if (!sameName(shown.name, name))
    refuse(
      `/${part}/name`,
      rules.name,
      `the ${part} is named ${clip(shown.name)}; ${who} is named ${clip(name)}`,
    );
}

/** Judges the shown parts of an invoice. See the table above. */
export function contradictions({ parts, lot, leaf, parties }: Statement): Judgement {
  const contradictions: Contradiction[] = [];
  const refuseAt =
    (step: Contradiction["step"]): Refuse =>
    (field, rule, detail) => {
      if (contradictions.length < MAX_CONTRADICTIONS)
        contradictions.push({ step, field: clip(field), rule, detail });
    };
  const [refuse, refuseDocument] = [refuseAt("parties"), refuseAt("document")];
  const unattributed: Judgement["unattributed"] = [];
  const shaped = shapedOf(parts, refuseDocument);
  const has = (name: PartName) => shaped.has(name);
  const shown = documentOfParts(
    Object.fromEntries([...shaped].map((name) => [name, parts[name]])),
  ) as InvoiceDocument;
  const { seller, buyer, reverses, totals } = shown;
  const time = has("date") ? shown.issuedAt : undefined;

  if (has("seller")) {
    const party = parties.find(({ index }) => index === lot.issuer);
    if (party === undefined) unattributed.push("seller");
    else compare("seller", { ...seller, taxId: seller.taxId ?? "" }, party, time, refuse);
  }
  if (has("buyer")) {
    const party = parties.find(({ index }) => index === leaf.buyer);
    const titled = leaf.buyer !== 0;
    if (titled && buyer.taxId === undefined)
      refuse(
        "/buyer/taxId",
        "buyer-titled",
        `the buyer has no tax id, and the leaf is titled to taxpayer ${leaf.buyer}`,
      );
    else if (!titled && buyer.taxId !== undefined)
      refuse(
        "/buyer/taxId",
        "buyer-titled",
        `the buyer is ${buyer.taxId}, and the leaf is untitled`,
      );
    else if (titled && party === undefined) unattributed.push("buyer");
    else if (party !== undefined && buyer.taxId !== undefined)
      compare("buyer", { ...buyer, taxId: buyer.taxId }, party, time, refuse);
  }
  for (const [i, { index }] of parties.entries()) {
    if (parties.findIndex((other) => other.index === index) !== i)
      refuse(`/parties/${i}`, "party-once", `taxpayer ${index} stands twice`);
    else if (index !== lot.issuer && (leaf.buyer === 0 || index !== leaf.buyer))
      refuse(
        `/parties/${i}`,
        "party-of-invoice",
        `taxpayer ${index} is neither the lot's issuer nor the titled buyer`,
      );
  }

  const issued = time === undefined ? lot.time : Date.parse(time) / 1_000;
  if (issued > lot.time + MOST_AHEAD)
    refuseDocument(
      "/issuedAt",
      "issued-ahead",
      "it is dated more than a day after the block that has sealed it",
    );
  if (issued < lot.time - MOST_BACK)
    refuseDocument(
      "/issuedAt",
      "issued-long-ago",
      "it is dated more than ten years before the block that has sealed it",
    );

  const red = has("reverses")
    ? reverses !== undefined
    : has("total")
      ? totals.gross.startsWith("-")
      : undefined;
  if (red === true && !ZERO.test(leaf.holder))
    refuseDocument(
      "/leaf/holder",
      "red-letter-holder",
      "a red letter is sealed to the zero account: nobody can claim it",
    );
  if (red === false && ZERO.test(leaf.holder))
    refuseDocument(
      "/leaf/holder",
      "red-letter-holder",
      "it is sealed to the zero account, and is not a red letter",
    );

  // a hidden part may be one whose rules allow more
  const rules =
    has("origin") &&
    (shown.source !== undefined || (has("reverses") && (reverses === undefined || has("tax"))))
      ? rulesOf(shown)
      : "any";
  for (const { field, rule, detail } of checkIssued(shown, rules, has))
    refuseDocument(field, rule, detail);

  return {
    contradictions: contradictions,
    unattributed,
    ...(shaped.size === partNames.length ? { document: shown } : {}),
  };
}
