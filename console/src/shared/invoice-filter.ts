/**
 * The filter of a list of invoices: from typed text to the page's address, and from the address to
 * the API query.
 */
import { isTaxId } from "@onepiao/protocol/values/tax-id.ts";
import type { Schemas } from "./client.ts";
import { type Ends, inOrder, isDay, rangeOf } from "./days.ts";
import { defined } from "./defined.ts";
import { taxIdOf } from "./typed.ts";

export type InvoiceState = Schemas["InvoiceSummary"]["status"];
/**
 * The filter in the address. `from` and `to`: the first and the last day. `source`: the issuer's
 * own document number.
 */
export type InvoiceFilter = {
  state?: InvoiceState;
  from?: string;
  to?: string;
  buyer?: string;
  seller?: string;
  source?: string;
};

const states: readonly string[] = [
  "accepted",
  "issued",
  "claimed",
  "reimbursed",
  "reversed",
] satisfies InvoiceState[];
/** The longest document number that the API accepts. */
const MAX_SOURCE = 200;
const readable: Record<keyof InvoiceFilter, (text: string) => boolean> = {
  state: (text) => states.includes(text),
  from: isDay,
  to: isDay,
  buyer: isTaxId,
  seller: isTaxId,
  source: (text) => text.trim() !== "" && text.length <= MAX_SOURCE,
};

/** Reads the filter from an address. Ignores what it cannot read, and puts the days in order. */
export function readInvoiceFilter(search: URLSearchParams): InvoiceFilter {
  const parts = Object.entries(readable).flatMap(([name, isReadable]) => {
    const text = search.get(name);
    return text !== null && isReadable(text) ? [[name, text]] : [];
  });
  const filter: InvoiceFilter = Object.fromEntries(parts);
  return defined({ ...filter, ...inOrder(filter) }) as InvoiceFilter;
}

export const isFiltered = (filter: InvoiceFilter): boolean => Object.keys(filter).length > 0;
/** How many conditions a filter has, not counting the state. A range of days counts once. */
export const countOf = (filter: InvoiceFilter): number =>
  new Set(Object.keys(filter).map((name) => (name === "to" ? "from" : name))).size -
  (filter.state ? 1 : 0);

/** The filter as the API query. */
export const queryOf = (filter: InvoiceFilter) => {
  const { state, buyer, seller, source } = filter;
  return defined({ ...rangeOf(filter), status: state, buyer, seller, sourceId: source });
};

/** The filter from typed text, together with the state that is already chosen. */
export const typedFilter = (
  state: InvoiceState | undefined,
  party: "buyer" | "seller",
  taxId: string,
  ends: Ends,
): InvoiceFilter => defined({ state, ...ends, [party]: taxIdOf(taxId) || undefined });
