/** Lists in pages: which query parameter takes a page's `next`. */
import type { Api } from "./api.ts";

type PageOf<N extends keyof Api> = Api[N]["answers"] extends { 200: infer Page } ? Page : unknown;

/** Calls that return pages. */
export type Paged = {
  [N in keyof Api]: PageOf<N> extends { items: readonly unknown[] }
    ? "next" extends keyof PageOf<N>
      ? N
      : never
    : never;
}[keyof Api];

/** An item of a page. */
export type ItemOf<N extends Paged> =
  PageOf<N> extends { items: readonly (infer Item)[] } ? Item : never;

type CursorOf<N extends Paged> = keyof Api[N]["query"] & ("after" | "before");

/** Every call that returns pages. The types compare this table with the routes. */
export const cursors: { readonly [N in Paged]: CursorOf<N> } = {
  "GET /v1/api-keys": "before",
  "GET /v1/audit/quotas": "after",
  "GET /v1/claims": "before",
  "GET /v1/entries": "after",
  "GET /v1/events": "after",
  "GET /v1/external-credits": "before",
  "GET /v1/external-findings": "before",
  "GET /v1/external-invoices": "before",
  "GET /v1/external-overpaid": "before",
  "GET /v1/invoices": "after",
  "GET /v1/operations": "before",
  "GET /v1/red-letters": "before",
  "GET /v1/stats/refusals": "before",
  "GET /v1/taxpayers": "after",
  "GET /v1/taxpayers/{taxId}/segments": "after",
  "GET /v1/transfers": "before",
};
