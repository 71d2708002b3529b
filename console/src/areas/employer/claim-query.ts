/**
 * The inbox's filter: from typed text to the page's address, and from the address to the API query.
 */
import { isTaxId } from "@onepiao/protocol/values/tax-id.ts";
import { type Ends, inOrder, isDay, rangeOf } from "../../shared/days.ts";
import { defined } from "../../shared/defined.ts";
import { halfWidth, taxIdOf } from "../../shared/typed.ts";

export const claimStates = [
  "claimed",
  "submitted",
  "reimbursed",
  "rejected",
  "withdrawn",
  "refused",
  "reversed",
  "all",
] as const;
export type ClaimState = (typeof claimStates)[number];
/**
 * The filter in the address. `invoice`: an invoice number, or together with `seller` the number of
 * an external original. `from` and `to`: the first and the last day.
 */
export type ClaimFilter = {
  state: ClaimState;
  invoice?: string;
  seller?: string;
  from?: string;
  to?: string;
};

/** The conditions other than the state. */
export const narrowing = ({ state: _, ...rest }: ClaimFilter) => rest;

/** Reads the filter from an address. Ignores what it cannot read, and puts the days in order. */
export function readClaimFilter(search: URLSearchParams): ClaimFilter {
  const read = (name: string, isReadable: (text: string) => boolean) => {
    const text = search.get(name);
    return text !== null && isReadable(text) ? text : undefined;
  };
  const state = claimStates.find((known) => known === search.get("state")) ?? "claimed";
  const ends = inOrder({ from: read("from", isDay), to: read("to", isDay) });
  return {
    state,
    ...defined({
      invoice: read("invoice", (text) => text.trim() !== ""),
      seller: read("seller", isTaxId),
      ...ends,
    }),
  };
}

/**
 * The address of a filter. Without a state, the page shows the reports that wait for a decision.
 */
export const claimAddress = ({ state, ...rest }: ClaimFilter): [string, string][] => [
  ...(state === "claimed" ? [] : [["state", state] as [string, string]]),
  ...Object.entries(rest),
];

/** The API query. `before`: the last report of the previous page, "" for the first page. */
export const claimQuery = ({ state, invoice, seller, from, to }: ClaimFilter, before: string) =>
  defined({
    invoice,
    seller,
    ...rangeOf({ from, to }),
    status: state === "all" ? undefined : state,
    before: before || undefined,
  });

/**
 * The filter from typed text. A person who looks for an invoice does not know the state of its
 * report, so the search covers all states.
 */
export function typedClaimFilter(
  { state, invoice }: ClaimFilter,
  typed: { invoice?: string; seller?: string },
  ends: Ends,
): ClaimFilter {
  const number = halfWidth(typed.invoice ?? "").trim() || undefined;
  const wide = number !== undefined && number !== invoice ? "all" : state;
  return {
    state: wide,
    ...defined({ invoice: number, seller: taxIdOf(typed.seller) || undefined, ...ends }),
  };
}
