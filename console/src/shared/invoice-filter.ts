/**
 * Which invoices a list shows: from what is typed to the page's address, from there to what the API
 * is asked.
 */
import { isTaxId } from "@onepiao/protocol/values/tax-id.ts";
import type { Schemas } from "./client.ts";
import { type Ends, inOrder, isDay, rangeOf } from "./days.ts";
import { defined } from "./defined.ts";
import { taxIdOf } from "./typed.ts";

export type InvoiceState = Schemas["InvoiceSummary"]["status"];
/**
 * As it stands in the address. `from`, `to`: the first day and the last one. `source`: the issuer's
 * own id.
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
/** The longest own id that the API takes. */
const MAX_SOURCE = 200;
const readable: Record<keyof InvoiceFilter, (text: string) => boolean> = {
  state: (text) => states.includes(text),
  from: isDay,
  to: isDay,
  buyer: isTaxId,
  seller: isTaxId,
  source: (text) => text.trim() !== "" && text.length <= MAX_SOURCE,
};

/**
 * The filter in an address. What cannot be read there is as if it were not there; days stand in
 * their order.
 */
export function readInvoiceFilter(search: URLSearchParams): InvoiceFilter {
  const parts = Object.entries(readable).flatMap(([name, isReadable]) => {
    const text = search.get(name);
    return text !== null && isReadable(text) ? [[name, text]] : [];
  });
  const filter: InvoiceFilter = Object.fromEntries(parts);
  return defined({ ...filter, ...inOrder(filter) }) as InvoiceFilter;
}

export const isFiltered = (filter: InvoiceFilter): boolean => Object.keys(filter).length > 0;
/** How many things narrow a list besides the state; both ends of its days are one. */
export const countOf = (filter: InvoiceFilter): number =>
  new Set(Object.keys(filter).map((name) => (name === "to" ? "from" : name))).size -
  (filter.state ? 1 : 0);

/** The same as the API's query. */
export const queryOf = (filter: InvoiceFilter) => {
  const { state, buyer, seller, source } = filter;
  return defined({ ...rangeOf(filter), status: state, buyer, seller, sourceId: source });
};

/** The filter that is typed, beside the state that is chosen already. */
export const typedFilter = (
  state: InvoiceState | undefined,
  party: "buyer" | "seller",
  taxId: string,
  ends: Ends,
): InvoiceFilter => defined({ state, ...ends, [party]: taxIdOf(taxId) || undefined });
