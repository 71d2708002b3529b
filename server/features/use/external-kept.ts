/** The document of an external invoice, as it stands sealed with its registration. */
import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import type { Vault } from "../../keys/vault.ts";

/** `number`: of the original; `issueDay`: printed, if it is another than that of `issuedAt`. */
export type Kept = { number: string; document: InvoiceDocument; issueDay?: string | undefined };

export const contextOf = (claim: string): string => `external/${claim}`;

/** Opens the sealed document of a registration. */
export const openKept = (
  vault: Vault,
  { claim, document }: { claim: string; document: Buffer },
): Kept => JSON.parse(vault.open("documents", contextOf(claim), document).toString()) as Kept;
