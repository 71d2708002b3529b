/** Fetches and checks every invoice of a report (checks.ts). */
import { useQueries } from "@tanstack/react-query";
import { ask, invoiceQuery, type Schemas } from "../../shared/client.ts";
import {
  type Answer,
  type Checked,
  checkedOf,
  type External,
  type Invoice,
  type Item,
} from "./checks.ts";

type Claim = Schemas["Claim"];

/** Events report changes within this time (refresh.ts). */
const FRESH_MS = 60_000;

export const freshInvoice = (number: string) => ({ ...invoiceQuery(number), staleTime: FRESH_MS });
/** An invoice of a report, or an external invoice. */
export const itemQuery = ({ number, id }: Item) => ({
  queryKey: id === undefined ? ["invoice", number] : ["external", id],
  queryFn: (): Promise<Invoice | External> =>
    id === undefined
      ? invoiceQuery(number).queryFn()
      : ask("GET /v1/external-invoices/{id}", { params: { id } }),
  staleTime: FRESH_MS,
});

/** Every invoice of a report with its checks. */
export function useChecked(claim: Claim): Checked[] {
  const documents = useQueries({ queries: claim.invoices.map(itemQuery) });
  const histories = useQueries({
    queries: claim.invoices.map(({ number, id }) => ({
      queryKey: ["history", id ?? number],
      queryFn: () => ask("GET /v1/invoices/{number}/history", { params: { number } }),
      enabled: id === undefined,
    })),
  });
  return claim.invoices.map((item, at) =>
    checkedOf(claim, item, documents[at] as Answer<Invoice | External>, {
      data: histories[at]?.data,
      error: histories[at]?.error ?? null,
    }),
  );
}
