/**
 * Which reports the inbox shows: by state, by an invoice that is in them, by day; from what is
 * typed to the page's address, from there to what the API is asked.
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
 * As it stands in the address. `invoice`: a number, or with `seller` that of an original that was
 * issued elsewhere. `from`, `to`: the first day and the last one.
 */
export type ClaimFilter = {
  state: ClaimState;
  invoice?: string;
  seller?: string;
  from?: string;
  to?: string;
};

/** What narrows the list, beside the state. */
export const narrowing = ({ state: _, ...rest }: ClaimFilter) => rest;

/**
 * The filter in an address. What cannot be read there is as if it were not there; days stand in
 * their order.
 */
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
 * The address of a filter; reports that wait for a decision are what the page shows without one.
 */
export const claimAddress = ({ state, ...rest }: ClaimFilter): [string, string][] => [
  ...(state === "claimed" ? [] : [["state", state] as [string, string]]),
  ...Object.entries(rest),
];

/**
 * What the API is asked for. `before`: the last report of the page before, "" for the first page.
 */
export const claimQuery = ({ state, invoice, seller, from, to }: ClaimFilter, before: string) =>
  defined({
    invoice,
    seller,
    ...rangeOf({ from, to }),
    status: state === "all" ? undefined : state,
    before: before || undefined,
  });

/**
 * The filter that is typed. Who looks for an invoice does not know the state of its report: reports
 * of all states are shown.
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
