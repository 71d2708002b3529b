/**
 * Bundles (票据包) of invoices whose documents are here: what a reader may take away and show to
 * anyone.
 *
 * Nothing is invented for a bundle: document and salt are stored, leaf and path come from the lot,
 * and the seal is the signature over the lot. Does not own: the format and its check
 * (protocol/proofs/bundle.ts), who may read (features/invoices/grants.ts).
 */

import { type Bundle, bundleFormat } from "@onepiao/protocol/proofs/bundle.ts";
import { disclose } from "@onepiao/protocol/proofs/disclosing.ts";
import type { PartName } from "@onepiao/protocol/proofs/parts.ts";
import { chinaDay } from "@onepiao/protocol/values/dates.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import type { EvidenceSource } from "../../acts/evidence.ts";
import type { Contracts } from "../../chain/contracts.ts";
import type { Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import type { Documents } from "../invoices/documents.ts";
import type { InvoiceRow } from "../invoices/invoices.ts";
import type { Taxpayers } from "../parties/taxpayers.ts";

type Deps = {
  contracts: Contracts;
  evidence: EvidenceSource;
  taxpayers: Taxpayers;
  documents: Documents;
};
export type Bundles = ReturnType<typeof createBundles>;

export function createBundles({ contracts, evidence, taxpayers, documents }: Deps) {
  const { network, chainId, registry, ledger } = contracts.deployment;

  /**
   * The issuer's signature over the lot: as it was sealed here, or as an imported bundle has it.
   */
  async function sealOf(
    tx: Tx,
    first: string,
  ): Promise<{ segment: string; r: string; vs: string } | undefined> {
    const [row] = await tx<
      (RowOf<"sealing_now", "segment"> & { seal: { r: string; vs: string } | null })[]
    >`
      select l.segment, o.signatures->(o.signers[1]) as seal from sealing_now l join operation_now o on o.id = l.operation where l.first = ${first}`;
    if (row?.seal) return { segment: row.segment, ...row.seal };
    const [imported] = await tx<
      { seal: { segment: string; r: string; vs: string } }[]
    >`select seal from imported_now where lot = ${first} limit 1`;
    return imported?.seal;
  }

  return {
    /** The bundle with these parts shown. Throws invoice-not-sealed. */
    async of(tx: Tx, invoice: InvoiceRow, names: readonly PartName[]): Promise<Bundle> {
      const { number } = invoice;
      const sealed = invoice.lot === null ? undefined : await evidence.get(tx, number);
      const seal = sealed && (await sealOf(tx, sealed.lot.first));
      if (!sealed || !seal)
        throw new Problem(
          "invoice-not-sealed",
          "The invoice is not sealed yet: there is nothing to prove it with",
        );
      const { segment, r, vs } = seal;
      const indexes = [
        ...(names.includes("seller") ? [sealed.lot.issuer] : []),
        // the buyer's identity says more than the buyer part: leave it out where that part is
        // hidden
        ...(names.includes("buyer") && sealed.leaf.buyer !== 0 ? [sealed.leaf.buyer] : []),
      ];
      const document = documents.open(number, invoice.document);
      const day = chinaDay(new Date(document.issuedAt));
      const written = (index: number) => ({
        name: (index === sealed.lot.issuer ? document.seller : document.buyer).name,
        day,
      });
      return {
        format: bundleFormat,
        network: { name: network, chainId, registry, ledger },
        number,
        ...disclose(invoice.salt, document, names),
        leaf: sealed.leaf,
        lot: { ...sealed.lot, segment },
        path: sealed.proof,
        seal: { r, vs },
        parties: (await taxpayers.identities(tx, indexes, written)).sort(
          (a, b) => indexes.indexOf(a.index) - indexes.indexOf(b.index),
        ),
      };
    },
  };
}
