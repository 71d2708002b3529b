/**
 * Findings: documents of invoices issued elsewhere that do not fit together. A finding accuses
 * nobody: it says which documents to look at.
 *
 * | kind | found when |
 * | --- | --- |
 * | conflict | a document has the identity of a registered invoice, and another seller, day or total; it is refused |
 *
 * A finding is stored once, however often its document comes. The bureau sees all, an employer
 * those that its own documents showed, without the other's. Owns `external_findings`.
 */
import { canonicalJson } from "@onepiao/protocol/formats/document.ts";
import { externalHex } from "@onepiao/protocol/ledger/external.ts";
import type { Fact, Stated } from "@onepiao/protocol/ledger/identity.ts";
import type { Query, Tx } from "../../db/db.ts";
import { inOrder, pageOfIds } from "../../db/lists.ts";
import type { RowOf } from "../../db/tables.ts";
import { notify } from "../../feed/notices.ts";
import type { Caller } from "../../kernel/api.ts";
import type { Vault } from "../../keys/vault.ts";
import type { Taxpayer, Taxpayers } from "../parties/taxpayers.ts";

export const findingKinds = ["conflict"] as const;
export type FindingKind = (typeof findingKinds)[number];

/** What one of the two documents says. */
export type Side = {
  seller: { taxId?: string; name: string };
  days: readonly string[];
  currency: string;
  gross: string;
};
/** `number`: the id of the invoice as a decimal number; `original`: its number where issued. */
export type NewFinding = {
  kind: FindingKind;
  number: string;
  original: string;
  differs: readonly Fact[];
  /** The registration that the document was compared with, and whose it is. */
  claim: string;
  registered: Side & { employer: number };
  stated: Side;
};
type Kept = Pick<NewFinding, "original" | "differs" | "registered" | "stated">;
export type Finding = Kept & {
  id: string;
  kind: FindingKind;
  number: string;
  employer: number;
  claim: string;
  at: Date;
};
export type Findings = ReturnType<typeof createFindings>;

export const sideOf = ({ seller, days, currency, gross }: Stated): Side => ({
  seller: {
    name: seller.name,
    ...(seller.taxId === undefined ? {} : { taxId: seller.taxId }),
  },
  days,
  currency,
  gross,
});

export function createFindings({ vault, taxpayers }: { vault: Vault; taxpayers: Taxpayers }) {
  const context = (digest: Buffer) => `external-finding/${digest.toString("hex")}`;
  const digestOf = (employer: Taxpayer, { kind, number, claim, stated }: NewFinding) =>
    vault.blind(
      "external-finding",
      canonicalJson({ kind, number, claim, stated, employer: String(employer.index) }),
    );

  return {
    /** Whether this employer's document has shown this before. */
    async isKnown(tx: Tx, employer: Taxpayer, finding: NewFinding): Promise<boolean> {
      const [row] = await tx`
        select 1 from external_findings where digest = ${digestOf(employer, finding)}`;
      return row !== undefined;
    },

    /** Stores a finding and tells the employer and the bureau of it, once. */
    async add(tx: Tx, employer: Taxpayer, finding: NewFinding): Promise<void> {
      const { kind, number, claim, original, differs, registered, stated } = finding;
      const digest = digestOf(employer, finding);
      const sealed = vault.seal(
        "documents",
        context(digest),
        JSON.stringify({ original, differs, registered, stated } satisfies Kept),
      );
      const added = await tx`
        insert into external_findings (kind, number, employer, claim, digest, sealed)
        values (${kind}, ${number}, ${employer.index}, ${claim}, ${digest}, ${sealed})
        on conflict (digest) do nothing returning 1`;
      if (added.length === 0) return;
      await notify(tx, [
        {
          type: "external.conflict",
          number,
          accounts: [employer.account],
          data: { differs: [...differs] },
          bureau: { by: employer.account, employer: employer.index, claim },
        },
      ]);
    },

    /** A page of findings, newest first. */
    async list(
      tx: Tx,
      { account, roles }: Caller,
      { before, limit }: { before?: string | undefined; limit: number },
    ): Promise<Finding[]> {
      const self = roles.includes("bureau") ? undefined : await taxpayers.byAccount(tx, account);
      const part = (condition: Query<unknown>) => tx`
        select id, true as fits from external_findings where ${condition} and ${before === undefined ? tx`true` : tx`id < ${before}`}`;
      const visible = roles.includes("bureau") ? tx`true` : tx`employer = ${self?.index ?? -1}`;
      const { ids } = await pageOfIds(tx, { parts: [part(visible)], limit });
      const rows = await tx<
        (RowOf<
          "external_findings",
          "id" | "number" | "employer" | "claim" | "digest" | "sealed" | "created_at"
        > & { kind: FindingKind })[]
      >`
        select id, kind, number, employer, claim, digest, sealed, created_at from external_findings
        where id = any(${ids}::uuid[])`;
      return inOrder(ids, rows).map(({ digest, sealed, created_at, number, ...row }) => ({
        ...row,
        number: externalHex(number),
        at: created_at,
        ...(JSON.parse(vault.open("documents", context(digest), sealed).toString()) as Kept),
      }));
    },
  };
}
