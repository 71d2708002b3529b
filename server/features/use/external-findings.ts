/**
 * Findings: documents of invoices issued elsewhere that do not fit together. A finding accuses
 * nobody: it says which documents to look at.
 *
 * | kind | found when |
 * | --- | --- |
 * | conflict | a document has the identity of a registered invoice, and another seller, day or total; it is refused |
 * | near-duplicate | a registered invoice and another invoice have another identity, but day, total and a name in common (near.ts); nothing is refused |
 *
 * A finding is stored once, however often its document comes. The bureau sees all, an employer
 * those that its own documents showed, without the other's. Of near duplicates an employer sees
 * those of which both are its own. Owns `external_findings`.
 */
import { canonicalJson } from "@onepiao/protocol/formats/document.ts";
import { externalHex, nameOf } from "@onepiao/protocol/ledger/external.ts";
import type { Fact, Stated } from "@onepiao/protocol/ledger/identity.ts";
import type { SameName } from "@onepiao/protocol/ledger/near.ts";
import type { Query, Tx } from "../../db/db.ts";
import { inOrder, pageOfIds } from "../../db/lists.ts";
import type { RowOf } from "../../db/tables.ts";
import { type Notice, notify } from "../../feed/notices.ts";
import type { Caller } from "../../kernel/api.ts";
import type { Vault } from "../../keys/vault.ts";
import type { Taxpayer, Taxpayers } from "../parties/taxpayers.ts";

export const findingKinds = ["conflict", "near-duplicate"] as const;
export type FindingKind = (typeof findingKinds)[number];

/** What one of the two documents says. */
export type Side = {
  seller: { taxId?: string; name: string };
  days: readonly string[];
  currency: string;
  gross: string;
};
/**
 * `number`: the id of the invoice as a decimal number; `original`: its number where issued.
 * `differs`: of a conflict; `same`: whose names near duplicates have in common.
 */
export type NewFinding = {
  kind: FindingKind;
  number: string;
  original: string;
  differs: readonly Fact[];
  same?: readonly SameName[] | undefined;
  stated: Side;
  /** The claim of the document, unless it was refused. */
  ownClaim?: string | undefined;
  /** The claim of the other document, if it is in one here. */
  claim: string | undefined;
  /** The other document: `invoice` and `number` as above; `employer`: from which it is claimed. */
  registered: Side & { invoice: string; number: string; employer?: number | undefined };
};
type Kept = Pick<
  NewFinding,
  "original" | "differs" | "same" | "ownClaim" | "registered" | "stated"
>;
export type Finding = Kept & {
  id: string;
  kind: FindingKind;
  number: string;
  employer: number;
  claim: string | null;
  at: Date;
};
type FindingQuery = {
  kind?: FindingKind | undefined;
  claim?: string | undefined;
  before?: string | undefined;
  limit: number;
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
  /** A conflict is of a document and a registration, a near duplicate of two invoices. */
  function digestOf(employer: Taxpayer, finding: NewFinding): Buffer {
    const { kind, number, claim, stated, registered } = finding;
    const other = kind === "conflict" ? { claim, stated } : { invoice: registered.invoice };
    return vault.blind(
      "external-finding",
      canonicalJson({ kind, number, employer: String(employer.index), ...other }),
    );
  }

  /** A party learns nothing about another's invoices: near duplicates are known by guessing. */
  const isBureauOnly = (employer: Taxpayer, { kind, registered }: NewFinding): boolean =>
    kind === "near-duplicate" && registered.employer !== employer.index;

  /** What a finding says to the employer whose document it is, and to the bureau. */
  function noticeOf(employer: Taxpayer, finding: NewFinding): Notice {
    const { kind, number, claim, differs, same = [], ownClaim, registered } = finding;
    const base = {
      number,
      accounts: isBureauOnly(employer, finding) ? [] : [employer.account],
    };
    const by = { by: employer.account, employer: employer.index };
    return kind === "conflict"
      ? {
          ...base,
          type: "external.conflict",
          data: { differs: [...differs] },
          bureau: { ...by, ...(claim !== undefined && { claim }) },
        }
      : {
          ...base,
          type: "external.near-duplicate",
          data: { same: [...same], other: nameOf(registered.invoice) },
          bureau: { ...by, ...(ownClaim !== undefined && { claim: ownClaim }) },
        };
  }

  return {
    /** Whether this employer's document has shown this before. */
    async isKnown(tx: Tx, employer: Taxpayer, finding: NewFinding): Promise<boolean> {
      const [row] = await tx`
        select 1 from external_findings where digest = ${digestOf(employer, finding)}`;
      return row !== undefined;
    },

    /**
     * Stores a finding and notifies the employer and the bureau, once; and again when the other
     * document gets a claim, or one from the same employer.
     */
    async add(tx: Tx, employer: Taxpayer, finding: NewFinding): Promise<void> {
      const { kind, number, claim, original, differs, same, ownClaim, registered, stated } =
        finding;
      const digest = digestOf(employer, finding);
      const sealed = vault.seal(
        "documents",
        context(digest),
        JSON.stringify({
          original,
          differs,
          same,
          ownClaim,
          registered,
          stated,
        } satisfies Kept),
      );
      const added = await tx`
        insert into external_findings (kind, number, employer, claim, digest, sealed, bureau_only)
        values (${kind}, ${number}, ${employer.index}, ${claim ?? null}, ${digest}, ${sealed},
          ${isBureauOnly(employer, finding)})
        on conflict (digest) do update
          set claim = excluded.claim, sealed = excluded.sealed, bureau_only = excluded.bureau_only
          where (external_findings.claim is null and excluded.claim is not null)
            or (external_findings.bureau_only and not excluded.bureau_only)
        returning 1`;
      if (added.length > 0) await notify(tx, [noticeOf(employer, finding)]);
    },

    /**
     * A page of findings, newest first. `kind`: of that kind only; `claim`: about an invoice of
     * this claim.
     */
    async list(
      tx: Tx,
      { account, roles }: Caller,
      { kind, claim, before, limit }: FindingQuery,
    ): Promise<Finding[]> {
      const all = roles.includes("bureau");
      const self = all ? undefined : await taxpayers.byAccount(tx, account);
      const part = (condition: Query<unknown>) => tx`
        select id, true as fits from external_findings
        where ${condition} and ${before === undefined ? tx`true` : tx`id < ${before}`}
          and ${all ? tx`true` : tx`employer = ${self?.index ?? -1} and not bureau_only`}`;
      const parts = (kind === undefined ? findingKinds : [kind]).flatMap((kind) => {
        const its = tx`kind = ${kind}`;
        if (claim === undefined) return [part(its)];
        const numbers = tx`select number from claim_invoices where claim = ${claim}`;
        return [part(tx`${its} and claim = ${claim}`), part(tx`${its} and number in (${numbers})`)];
      });
      const { ids } = await pageOfIds(tx, { parts, limit });
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
