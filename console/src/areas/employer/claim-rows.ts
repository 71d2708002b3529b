/** Reports as table rows, one for each invoice, with the columns that accounting software needs. */
import { toPay } from "../../shared/amounts.ts";
import type { Schemas } from "../../shared/client.ts";
import type { Cell } from "./csv.ts";

type Claim = Schemas["Claim"];

export const claimColumns = [
  "claim",
  "state",
  "created",
  "holder",
  "account",
  "note",
  "reason",
  "invoice",
  "external",
  "invoiceState",
  "seller",
  "sellerTaxId",
  "buyer",
  "buyerTaxId",
  "issued",
  "currency",
  "net",
  "tax",
  "gross",
  "left",
  "payable",
  "entry",
] as const;

/**
 * An invoice of a report as a row. `name`: the holder's, if known here. Without red letters, the
 * amount left is the whole amount.
 */
export function claimRow(
  { id, status, createdAt, holder, note, reason }: Claim,
  item: Claim["invoices"][number],
  invoice: Schemas["Invoice"] | Schemas["ExternalInvoice"],
  name: string | null | undefined,
): Cell[] {
  const { seller, buyer, totals, currency, issuedAt } = invoice.document;
  const left = "left" in invoice ? invoice.left?.gross : undefined;
  const entry = "entry" in invoice ? invoice.entry : undefined;
  const report = [id, status, createdAt, name ?? "", holder, note, reason];
  const parties = [seller.name, seller.taxId, buyer.name, buyer.taxId];
  return [
    ...report,
    item.number,
    item.id,
    item.status,
    ...parties,
    issuedAt,
    currency,
    totals.net,
    totals.tax,
    totals.gross,
    left ?? totals.gross,
    toPay(invoice, left),
    entry,
  ];
}
