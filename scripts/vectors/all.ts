/**
 * All vectors of a world: lots to be sealed, their bundles, and the expected verdict on each.
 */
import type { Bundle, Identity } from "@onepiao/protocol/proofs/bundle.ts";
import { type PartName, partNames } from "@onepiao/protocol/proofs/parts.ts";
import { qrParts } from "@onepiao/protocol/proofs/qr-proof.ts";
import { alterations } from "./alterations.ts";
import { type Forged, forgedContents, genuineContents } from "./contents.ts";
import { type Lot, sealLot, type World } from "./lots.ts";
import { type Expected, fails, holds, type Operation, type Vector } from "./vector.ts";

export type Files = { genuine: Record<string, Bundle>; forged: Record<string, Bundle> };

const partyRules = new Set([
  "seller-is-issuer",
  "seller-name",
  "buyer-titled",
  "buyer-is-titled",
  "buyer-name",
]);
const contradictory = (rules: string[]): Expected => ({
  ...fails(
    rules.some((rule) => partyRules.has(rule)) ? "parties" : "document",
    "contradictory",
    rules[0],
  ),
  rules,
});

/** Hides every part of a bundle but these. */
const showing = (...names: readonly PartName[]): Operation[] =>
  partNames
    .filter((name) => !names.includes(name))
    .map((name) => ({ op: "remove", path: `/parts/${name}` }));
const withParties = (...value: Identity[]): Operation => ({
  op: "replace",
  path: "/parties",
  value,
});

function genuine({ issuer, buyer }: World): Vector[] {
  const all: Vector[] = [];
  const on = (base: string, name: string, title: string, expect: Expected, ...patch: Operation[]) =>
    all.push({ name, what: title, bundle: `genuine/${base}`, patch, expect });
  on("titled", "whole", "all of it, with both parties", holds({}));
  on("alone", "whole-lot-of-one", "the only invoice of its lot: the path is empty", holds({}));
  on("untitled", "whole-untitled", "of no titled buyer: its seller's party alone", holds({}));
  on("red-letter", "whole-red-letter", "a red letter, which belongs to nobody", holds({}));
  on(
    "to-itself",
    "whole-to-itself",
    "seller and buyer are one taxpayer, whose party stands once",
    holds({}),
  );
  on(
    "other-spelling",
    "whole-other-spelling",
    "the seller's name with brackets of another width, and blanks",
    holds({}),
  );
  on("by-breakdown", "whole-by-breakdown", "its tax stands in a breakdown", holds({}));
  const partial = holds({ import: "whole" });
  on(
    "titled",
    "shows-seller-date-total",
    "seller, date and total alone",
    partial,
    ...showing("seller", "date", "total"),
    withParties(issuer),
  );
  on(
    "titled",
    "shows-as-qr",
    "what a signed QR code shows",
    partial,
    ...showing(...qrParts),
    withParties(issuer),
  );
  on("titled", "shows-buyer", "the buyer alone", partial, ...showing("buyer"), withParties(buyer));
  on(
    "untitled",
    "shows-untitled-buyer",
    "the buyer alone, who is nobody in particular",
    partial,
    ...showing("buyer"),
    withParties(),
  );
  on(
    "red-letter",
    "shows-red-letter",
    "a red letter's total alone",
    partial,
    ...showing("total"),
    withParties(),
  );
  on("titled", "shows-lines", "the lines alone", partial, ...showing("lines"), withParties());
  on("titled", "shows-nothing", "nothing but its number", partial, ...showing(), withParties());
  on("titled", "shows-parties", "no part, and who the parties are", partial, ...showing());
  return all;
}

function forgeries({ issuer, victim, buyer, other }: World, contents: readonly Forged[]): Vector[] {
  const all: Vector[] = contents.map(({ name, what: title, rules }) => ({
    name,
    what: title,
    bundle: `forged/${name}`,
    patch: [],
    expect: contradictory(rules),
  }));
  const on = (base: string, name: string, title: string, expect: Expected, ...patch: Operation[]) =>
    all.push({ name: `${base}-${name}`, what: title, bundle: `forged/${base}`, patch, expect });
  const unattributed = holds({
    registry: "unattributed",
    chain: "unattributed",
    import: "party-missing",
  });
  const stranger = fails("identity", "not-the-issuers", "enrolled-so");
  const brief = ["seller", "date", "total"] as const;
  for (const base of ["seller-of-another", "seller-name-of-another"]) {
    const rule = base === "seller-of-another" ? "seller-is-issuer" : "seller-name";
    on(base, "no-party", "and no party is there to contradict it", unattributed, withParties());
    on(
      base,
      "buyer-alone",
      "and the buyer's true party alone is there",
      unattributed,
      withParties(buyer),
    );
    on(
      base,
      "brief",
      "and seller, date and total alone are shown, without a party",
      { ...unattributed, import: "whole" },
      ...showing(...brief),
      withParties(),
    );
    on(
      base,
      "brief-party",
      "and seller, date and total are shown, with the issuer's party",
      { ...contradictory([rule]), import: rule },
      ...showing(...brief),
      withParties(issuer),
    );
    on(
      base,
      "hidden",
      "and the seller is hidden: nothing is claimed of it",
      holds({ import: "whole" }),
      ...showing("date", "total"),
      withParties(issuer),
    );
    const posing = { ...victim, index: issuer.index };
    const claimed = base === "seller-of-another" ? posing : { ...posing, taxId: issuer.taxId };
    on(
      base,
      "posing",
      "and the other company's party stands under the issuer's index",
      stranger,
      withParties(claimed, buyer),
    );
  }
  on(
    "seller-of-another",
    "own-party",
    "and the other company's true party is there",
    fails("parties", "contradictory", "party-of-invoice"),
    withParties(victim, buyer),
  );
  on(
    "buyer-of-another",
    "no-party",
    "and the seller's party alone is there",
    unattributed,
    withParties(issuer),
  );
  on(
    "buyer-of-another",
    "own-party",
    "and that company's true party is there",
    fails("parties", "contradictory", "party-of-invoice"),
    withParties(issuer, other),
  );
  on(
    "buyer-of-another",
    "posing",
    "and its party stands under the titled buyer's index",
    stranger,
    withParties(issuer, { ...other, index: buyer.index }),
  );
  on(
    "buyer-name-of-another",
    "no-party",
    "and the seller's party alone is there",
    unattributed,
    withParties(issuer),
  );
  on(
    "buyer-untitled-leaf",
    "brief",
    "and the buyer alone is shown",
    contradictory(["buyer-titled"]),
    ...showing("buyer"),
    withParties(),
  );
  on(
    "buyer-untitled-leaf",
    "party",
    "and that buyer's true party is there",
    { ...contradictory(["buyer-titled", "party-of-invoice"]) },
    withParties(issuer, buyer),
  );
  on(
    "buyer-titled-leaf",
    "brief",
    "and the buyer alone is shown",
    contradictory(["buyer-titled"]),
    ...showing("buyer"),
    withParties(),
  );
  on(
    "sums-gross",
    "brief",
    "and the total alone is shown: there is nothing to add up",
    holds({ import: "whole" }),
    ...showing("total"),
    withParties(),
  );
  on(
    "sums-gross",
    "totals",
    "and the totals alone are shown",
    contradictory(["gross-sum"]),
    ...showing("total", "tax"),
    withParties(),
  );
  on(
    "sums-quantity",
    "lines",
    "and the lines alone are shown",
    contradictory(["line-amount"]),
    ...showing("lines"),
    withParties(),
  );
  on(
    "dated-ahead",
    "brief",
    "and the date alone is shown",
    contradictory(["issued-ahead"]),
    ...showing("date"),
    withParties(),
  );
  on(
    "dated-ahead",
    "hidden",
    "and the date is hidden: nothing is claimed of it",
    holds({ import: "whole" }),
    ...showing("total"),
    withParties(),
  );
  on(
    "red-letter-with-holder",
    "brief",
    "and the total alone is shown",
    contradictory(["red-letter-holder"]),
    ...showing("total"),
    withParties(),
  );
  on(
    "no-holder",
    "brief",
    "and the total alone is shown",
    contradictory(["red-letter-holder"]),
    ...showing("total"),
    withParties(),
  );
  return all;
}

/**
 * The lots to be sealed in a world, in the order of their numbers. `at`: bundles and vectors, once
 * the times of their blocks are known.
 */
export function allVectors(world: World): {
  lots: Lot[];
  at(times: readonly number[]): { files: Files; vectors: Vector[] };
} {
  const [genuineAll, forgedAll] = [genuineContents(world), forgedContents(world)];
  const alone = { ...(genuineAll[0] as (typeof genuineAll)[0]), name: "alone" };
  let first = BigInt(world.first);
  const lots = [genuineAll, [alone], forgedAll].map((contents) => {
    const lot = sealLot(world, first.toString(), contents);
    first += BigInt(contents.length);
    return lot;
  });
  return {
    lots,
    at(times) {
      const [honest, single, dishonest] = lots.map((lot, i) => lot.bundles(times[i] as number));
      const files = { genuine: { ...honest, ...single }, forged: { ...dishonest } };
      const {
        titled,
        untitled,
        alone: elsewhere,
      } = files.genuine as Record<"titled" | "untitled" | "alone", Bundle>;
      return {
        files,
        vectors: [
          ...genuine(world),
          ...alterations(world, { titled, untitled, elsewhere }),
          ...forgeries(world, forgedAll),
        ],
      };
    },
  };
}
