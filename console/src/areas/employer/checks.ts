/**
 * What a clerk checks of an invoice in a report, made into sentences by the page. Each check says whether it is as it should be
 * (good), to be known (note), to be looked at (warn) or against paying (bad).
 */
import { useQueries } from "@tanstack/react-query";
import { api, ask, invoiceQuery, type Schemas } from "../../shared/client.ts";
import type { Claim } from "./decide.tsx";

type Invoice = Schemas["Invoice"];
type External = Schemas["ExternalInvoice"];
type Item = Claim["invoices"][number];
type History = { items: { type: string; at: string; data: Record<string, unknown> }[] };

export type Level = "good" | "note" | "warn" | "bad";
export type Check = { key: CheckKey; level: Level; values?: Record<string, string | number>; at?: string };
export type CheckKey =
  | "title.ours"
  | "title.none"
  | "title.other"
  | "state.locked"
  | "state.paid"
  | "state.elsewhere"
  | "state.paidElsewhere"
  | "state.free"
  | "state.reversed"
  | "state.waiting"
  | "red.partly"
  | "red.waiting"
  | "red.is"
  | "once"
  | "once.again"
  | "once.tried"
  | "entered"
  | "external.once"
  | "external.unproven";

export type Checked = {
  item: Item;
  name: string;
  invoice?: Invoice;
  external?: External;
  document?: Schemas["InvoiceDocument"];
  /** To be paid: what red letters have left. */
  left?: { amount: string; currency: string };
  checks: readonly Check[];
  error: Error | null;
  pending: boolean;
};

/** Whether a claim in this state keeps its invoices from every other. */
export const holds = (status: string): boolean => status === "claimed" || status === "reimbursed";

function titleOf(buyer: string | undefined, ours: string): Check {
  if (buyer === undefined) return { key: "title.none", level: "note" };
  return buyer === ours ? { key: "title.ours", level: "good" } : { key: "title.other", level: "bad", values: { taxId: buyer } };
}

function stateOf(status: string, claim: Claim): Check {
  if (status === "reversed") return { key: "state.reversed", level: "bad" };
  if (status === "claimed" && claim.status === "claimed") return { key: "state.locked", level: "good" };
  if (status === "reimbursed") return claim.status === "reimbursed" ? { key: "state.paid", level: "good" } : { key: "state.paidElsewhere", level: "bad" };
  if (status === "claimed") return { key: "state.elsewhere", level: "bad" };
  return claim.status === "submitted" ? { key: "state.waiting", level: "note" } : { key: "state.free", level: "note" };
}

/** Of invoices of this network: no second claim beside this one, what went before, and what was tried. */
function onceOf(history: History | undefined, claim: Claim): Check[] {
  const items = history?.items ?? [];
  const tried = items.filter(({ type }) => type === "reimbursement.refused");
  const before = items.filter(({ type, data }) => type === "claim.created" && data["claim"] !== claim.id);
  return [
    ...(holds(claim.status) ? [{ key: "once", level: "good" } as const] : []),
    ...(before.length > 0 ? [{ key: "once.again", level: "note", values: { count: before.length } } as const] : []),
    ...(tried.length > 0 ? [{ key: "once.tried", level: "warn", values: { count: tried.length }, at: tried[tried.length - 1]?.at ?? "" } as const] : []),
  ];
}

function checksOf(invoice: Invoice, history: History | undefined, claim: Claim): Check[] {
  const { document, status, left, redLetters = [], entry, reverses } = invoice;
  const open = redLetters.filter(({ number, status: sheet }) => number === undefined && ["01", "02", "03", "04"].includes(sheet));
  return [
    titleOf(document.buyer.taxId, claim.employer.taxId),
    stateOf(status, claim),
    ...onceOf(history, claim),
    ...(reverses === undefined ? [] : [{ key: "red.is", level: "bad" } as const]),
    ...(left !== undefined && left.gross !== invoice.gross && status !== "reversed"
      ? [{ key: "red.partly", level: "warn", values: { left: left.gross, gross: invoice.gross } } as const]
      : []),
    ...(open.length > 0 ? [{ key: "red.waiting", level: "warn" } as const] : []),
    ...(entry === "02" || entry === "03" ? [{ key: "entered", level: "note", values: { mark: entry } } as const] : []),
  ];
}

const externalChecks = (external: External, item: Item, claim: Claim): Check[] => [
  titleOf(external.document.buyer.taxId, claim.employer.taxId),
  stateOf(item.status, claim),
  ...(holds(claim.status) ? [{ key: "external.once", level: "good" } as const] : []),
  { key: "external.unproven", level: "warn" },
];

/** Events tell of what changes in between (refresh.ts). */
const FRESH_MS = 60_000;

export const freshInvoice = (number: string) => ({ ...invoiceQuery(number), staleTime: FRESH_MS });
/** An invoice of a report, or the external one that it is. */
export const itemQuery = ({ number, id }: Item) => ({
  queryKey: id === undefined ? ["invoice", number] : ["external", id],
  queryFn: (): Promise<Invoice | External> =>
    id === undefined ? invoiceQuery(number).queryFn() : ask(api.GET("/v1/external-invoices/{id}", { params: { path: { id } } })),
  staleTime: FRESH_MS,
});

/** Every invoice of a report with its checks. */
export function useChecked(claim: Claim): Checked[] {
  const documents = useQueries({ queries: claim.invoices.map(itemQuery) });
  const histories = useQueries({
    queries: claim.invoices.map(({ number, id }) => ({
      queryKey: ["history", id ?? number],
      queryFn: () => ask(api.GET("/v1/invoices/{number}/history", { params: { path: { number } } })),
      enabled: id === undefined,
    })),
  });
  return claim.invoices.map((item, at): Checked => {
    const { data, error, isPending } = documents[at] as { data: Invoice | External | undefined; error: Error | null; isPending: boolean };
    const base = { item, name: item.id ?? item.number, error, pending: isPending };
    if (data === undefined) return { ...base, checks: [] };
    const { document, gross, currency } = data;
    if ("proven" in data) return { ...base, external: data, document, left: { amount: gross, currency }, checks: externalChecks(data, item, claim) };
    const amount = data.left?.gross ?? gross;
    return { ...base, invoice: data, document, left: { amount, currency }, checks: checksOf(data, histories[at]?.data, claim) };
  });
}
