/**
 * Where a document's member stands in the format that the document came in, for rules that are judged after it was read.
 *
 * Owns nothing of the formats: it asks their tables. While a document is read its draft knows this itself (draft.ts).
 */
import type { SourceFormat } from "./read.ts";
import { shudianRows } from "./shudian.ts";
import { ublRows } from "./ubl.ts";

/** Of a 数电票, what the document does not keep as a member of its own. */
const shudianOwn: Readonly<Record<string, string>> = { number: "TaxSupervisionInfo/InvoiceNumber", issueDay: "TaxSupervisionInfo/IssueTime" };
const ublParties: Readonly<Record<string, string>> = { seller: "cac:AccountingSupplierParty/cac:Party", buyer: "cac:AccountingCustomerParty/cac:Party" };
/** What UBL's reader puts together from several elements, by the one that people look at. */
const ublOwn: Readonly<Record<string, string>> = {
  issuedAt: "cbc:IssueDate",
  "seller/taxId": `${ublParties["seller"]}/cac:PartyTaxScheme/cbc:CompanyID`,
  "buyer/taxId": `${ublParties["buyer"]}/cac:PartyTaxScheme/cbc:CompanyID`,
};

function inUbl(member: string): string | undefined {
  const own = ublOwn[member] ?? ublRows.head.find((row) => row.to === member)?.from;
  if (own !== undefined) return own;
  const [side = "", ...rest] = member.split("/");
  const row = ublRows.party.find(({ to }) => to === rest.join("/"));
  return row && ublParties[side] && `${ublParties[side]}/${row.from}`;
}

/**
 * The field of a member: its JSON pointer as it is, or the path of its element. `format`: undefined for JSON.
 * Of a 数电票 also `/number` and `/issueDay`.
 */
export function fieldIn(format: SourceFormat | undefined, pointer: string): string {
  const member = pointer.slice(1);
  if (format === "shudian") {
    const path = shudianOwn[member] ?? shudianRows.head.find(({ to }) => to === member)?.from;
    return path === undefined ? pointer : `/EInvoice/${path}`;
  }
  const path = format === "ubl" ? inUbl(member) : undefined;
  return path === undefined ? pointer : `/Invoice/${path}`;
}
