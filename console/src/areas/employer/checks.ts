/**
 * The checks that a clerk makes on each invoice of a report. The page turns them into sentences.
 * Each check has a level: passed (good), worth knowing (note), needs attention (warn), do not pay
 * (bad).
 */
import { formatAmount, toPay } from "../../shared/amounts.ts";
import type { Schemas } from "../../shared/client.ts";
import { isOpenSheet } from "../../shared/sheets.ts";

type Claim = Schemas["Claim"];
export type Invoice = Schemas["Invoice"];
export type External = Schemas["ExternalInvoice"];
type Credit = NonNullable<External["creditNotes"]>[number];
export type Item = Claim["invoices"][number];
export type History = { items: { type: string; at: string; data: Record<string, unknown> }[] };

export type Level = "good" | "note" | "warn" | "bad";
export type Check = {
  key: CheckKey;
  level: Level;
  values?: Record<string, string | number>;
  at?: string;
};
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
  | "once.unknown"
  | "entered"
  | `credit.${Credit["effect"] | "overpaid"}`
  | "external.once"
  | "external.unproven";

/** The state of a query: its data, its error, and whether it is loading. */
export type Answer<T> = { data?: T | undefined; error: Error | null; isPending: boolean };
type Past = Pick<Answer<History>, "data" | "error">;

export type Checked = {
  item: Item;
  name: string;
  invoice?: Invoice;
  external?: External;
  document?: Schemas["InvoiceDocument"];
  /** The amount to pay: of what red letters have left, without what is prepaid. */
  left?: { amount: string; currency: string };
  checks: readonly Check[];
  error: Error | null;
  pending: boolean;
};

/** Whether a claim in this state locks its invoices for every other claim. */
export const holds = (status: string): boolean => status === "claimed" || status === "reimbursed";

function titleOf(buyer: string | undefined, ours: string): Check {
  if (buyer === undefined) return { key: "title.none", level: "note" };
  return buyer === ours
    ? { key: "title.ours", level: "good" }
    : { key: "title.other", level: "bad", values: { taxId: buyer } };
}

function stateOf(status: string, claim: Claim): Check {
  if (status === "reversed") return { key: "state.reversed", level: "bad" };
  if (status === "claimed" && claim.status === "claimed")
    return { key: "state.locked", level: "good" };
  if (status === "reimbursed")
    return claim.status === "reimbursed"
      ? { key: "state.paid", level: "good" }
      : { key: "state.paidElsewhere", level: "bad" };
  if (status === "claimed") return { key: "state.elsewhere", level: "bad" };
  return claim.status === "submitted"
    ? { key: "state.waiting", level: "note" }
    : { key: "state.free", level: "note" };
}

/** For invoices of this network: no second claim, earlier claims, and refused attempts. */
function onceOf({ data, error }: Past, claim: Claim): Check[] {
  const items = data?.items ?? [];
  const tried = items.filter(({ type }) => type === "reimbursement.refused");
  const before = items.filter(
    ({ type, data }) => type === "claim.created" && data["claim"] !== claim.id,
  );
  return [
    ...(holds(claim.status) ? [{ key: "once", level: "good" } as const] : []),
    ...(before.length > 0
      ? [{ key: "once.again", level: "note", values: { count: before.length } } as const]
      : []),
    ...(tried.length > 0
      ? [
          {
            key: "once.tried",
            level: "warn",
            values: { count: tried.length },
            at: tried[tried.length - 1]?.at ?? "",
          } as const,
        ]
      : []),
    ...(error === null ? [] : [{ key: "once.unknown", level: "warn" } as const]),
  ];
}

function checksOf(invoice: Invoice, history: Past, claim: Claim): Check[] {
  const { document, status, left, redLetters = [], entry, reverses } = invoice;
  const open = redLetters.filter(isOpenSheet);
  return [
    titleOf(document.buyer.taxId, claim.employer.taxId),
    stateOf(status, claim),
    ...onceOf(history, claim),
    ...(reverses === undefined ? [] : [{ key: "red.is", level: "bad" } as const]),
    ...(left !== undefined && left.gross !== invoice.gross && status !== "reversed"
      ? [
          {
            key: "red.partly",
            level: "warn",
            values: { left: left.gross, gross: invoice.gross },
          } as const,
        ]
      : []),
    ...(open.length > 0 ? [{ key: "red.waiting", level: "warn" } as const] : []),
    ...(entry === "02" || entry === "03"
      ? [{ key: "entered", level: "note", values: { mark: entry } } as const]
      : []),
  ];
}

/** A credit note that is deducted says so; any other is to be looked at. */
const creditCheck = ({ number, effect, overpaid, taken }: Credit, currency: string): Check => ({
  key: `credit.${overpaid ? "overpaid" : effect}`,
  level: overpaid ? "bad" : effect === "reduces" ? "note" : "warn",
  values: { number, amount: formatAmount(taken.payable, currency) },
});

const externalChecks = (external: External, item: Item, claim: Claim): Check[] => [
  titleOf(external.document.buyer.taxId, claim.employer.taxId),
  stateOf(item.status, claim),
  ...(holds(claim.status) ? [{ key: "external.once", level: "good" } as const] : []),
  ...(external.creditNotes ?? []).map((each) => creditCheck(each, external.currency)),
  { key: "external.unproven", level: "warn" },
];

/**
 * An invoice of a report with its checks, from the answers that have arrived. Without its document
 * it has no checks.
 */
export function checkedOf(
  claim: Claim,
  item: Item,
  { data, error, isPending }: Answer<Invoice | External>,
  history: Past,
): Checked {
  const base = { item, name: item.id ?? item.number, error, pending: isPending };
  if (data === undefined) return { ...base, checks: [] };
  const { document, currency } = data;
  if ("proven" in data)
    return {
      ...base,
      external: data,
      document,
      left: { amount: toPay(data), currency },
      checks: externalChecks(data, item, claim),
    };
  const amount = toPay(data, data.left?.gross);
  return {
    ...base,
    invoice: data,
    document,
    left: { amount, currency },
    checks: checksOf(data, history, claim),
  };
}

const rank: Record<Level, number> = { good: 0, note: 1, warn: 2, bad: 3 };
/** The most serious level; good if there are no checks. */
export const worst = (checks: readonly Check[]): Level =>
  checks.reduce<Level>(
    (level, check) => (rank[check.level] > rank[level] ? check.level : level),
    "good",
  );
