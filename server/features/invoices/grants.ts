/**
 * Who may read an invoice's document, and who has.
 *
 * | reader | may read | until |
 * | --- | --- | --- |
 * | issuer, holder, titled or claiming employer, bureau | as a party to the invoice | until they stop being one |
 * | an account with a grant (授权) of the holder or that employer | because of the grant | the grant is withdrawn or ends, or its giver stops being a party |
 *
 * So a transfer gives the new holder the document and takes it from the old one, together with the
 * grants that the old one gave. A grant covers the document and its proofs; only parties act and
 * see the invoice's history.
 *
 * Every read is recorded before the reader gets the document: one row a day for each reader and
 * form, with a count. Holder, employer and bureau see all reads; the issuer sees its own and the
 * bureau's, because it need not know where its invoice went.
 *
 * Owns the tables grants and reads.
 */
import { writtenFormats } from "@onepiao/protocol/formats/formats.ts";
import { checksummed } from "@onepiao/protocol/ledger/messages.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { momentNow, type Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import type { Caller } from "../../kernel/api.ts";
import type { Persons } from "../parties/persons.ts";
import type { Taxpayers } from "../parties/taxpayers.ts";
import type { InvoiceRow, Invoices } from "./invoices.ts";

/** In what form a document was read. */
export const readForms = [
  "list",
  "json",
  ...writtenFormats,
  "pdf",
  "qr",
  "original",
  "bundle",
  "archive",
  "sealed",
  "audit",
] as const;
export type ReadForm = (typeof readForms)[number];

export type Grant = {
  id: string;
  number: string;
  grantee: string;
  giver: string;
  until: Date | null;
  created_at: Date;
};
export type Reading = {
  account: string;
  form: ReadForm;
  day: string;
  times: number;
  first_at: Date;
  last_at: Date;
};
export type Standing = { account: string; as: "issuer" | "holder" | "employer" };
export type Grants = ReturnType<typeof createGrants>;

const MAX_GRANTS = 100;

/** Records that these invoices were read in this form, once per call; counted by the day. */
export async function noteReads(
  tx: Tx,
  reader: Pick<Caller, "account" | "keyId">,
  numbers: readonly string[],
  form: ReadForm | "audit",
): Promise<void> {
  if (numbers.length === 0) return;
  await tx`
    insert into reads (number, account, form, key_id)
    select n, ${reader.account}, ${form}, ${reader.keyId}
    from unnest(${[...numbers].sort()}::numeric[]) as n
    on conflict (number, account, form, day) do update set
      times = reads.times + 1, last_at = now(), key_id = excluded.key_id`;
}

export function createGrants({
  invoices,
  persons,
  taxpayers,
}: {
  invoices: Invoices;
  persons: Persons;
  taxpayers: Taxpayers;
}) {
  /**
   * Grants of an invoice that are in force: not withdrawn, not expired, given by its present holder
   * or employer.
   */
  const inForce = (tx: Tx, invoice: InvoiceRow, employer: string | undefined) => tx<Grant[]>`
    select id, number, grantee, giver, until, created_at from grants
    where number = ${invoice.number} and withdrawn_at is null and (until is null or until > now()) and giver = any(${[invoice.holder, ...(employer === undefined ? [] : [employer])]}::text[])
    order by id`;

  const employerOf = async (tx: Tx, invoice: InvoiceRow) =>
    invoice.employer === 0 ? undefined : (await taxpayers.byIndex(tx, invoice.employer))?.account;

  /** The invoice, if the caller is its holder or its employer, with a key for that role. */
  async function asGiver(
    tx: Tx,
    caller: Caller,
    number: string,
  ): Promise<{ invoice: InvoiceRow; employer: string | undefined }> {
    const invoice = await invoices.visible(tx, caller, number);
    const employer = await employerOf(tx, invoice);
    const may =
      (invoice.holder === caller.account && caller.roles.includes("holder")) ||
      (employer === caller.account && caller.roles.includes("employer"));
    if (!may)
      throw new Problem(
        "forbidden",
        "Only the invoice's holder and its employer give others to read",
      );
    return { invoice, employer };
  }

  return {
    logReads: noteReads,

    /**
     * The invoice, if the caller is one of its parties, the bureau, or has a grant. Throws
     * not-found.
     */
    async readable(tx: Tx, caller: Caller, number: string): Promise<InvoiceRow> {
      try {
        return await invoices.visible(tx, caller, number);
      } catch (error) {
        const invoice =
          error instanceof Problem && error.code === "not-found"
            ? await invoices.find(tx, number)
            : undefined;
        const grants = invoice && (await inForce(tx, invoice, await employerOf(tx, invoice)));
        if (invoice && grants?.some((grant) => grant.grantee === caller.account)) return invoice;
        throw error;
      }
    },

    /**
     * Lets an account read, until a time or until the grant is withdrawn. Throws not-found,
     * forbidden, receiver-invalid, grant-exists, grant-limit.
     */
    async give(
      tx: Tx,
      caller: Caller,
      number: string,
      to: string,
      until: Date | undefined,
    ): Promise<Grant> {
      const { invoice, employer } = await asGiver(tx, caller, number);
      const grantee = checksummed(to);
      if (grantee === caller.account || !(await persons.known(tx, grantee))) {
        throw new Problem(
          "receiver-invalid",
          "The reader must be another account that is known here",
          {
            violations: [
              {
                field: "/to",
                rule: "known-account",
                detail: "An account of POST /v1/persons or of an enrolled taxpayer",
              },
            ],
          },
        );
      }
      if (until !== undefined && until <= (await momentNow(tx))) {
        throw new Problem("invalid-request", "The grant would end in the past", {
          violations: [{ field: "/until", rule: "in-future", detail: "A time to come" }],
        });
      }
      // one transaction at a time counts an invoice's grants
      await tx`select pg_advisory_xact_lock(hashtext(${`grants/${number}`}))`;
      await tx`update grants set withdrawn_at = now() where number = ${number} and withdrawn_at is null and until <= now()`;
      const standing = await inForce(tx, invoice, employer);
      const same = standing.find(
        (grant) => grant.grantee === grantee && grant.giver === caller.account,
      );
      if (same)
        throw new Problem("grant-exists", "This account has a grant from you already", {
          extra: { original: { grant: same.id, state: "given" } },
        });
      if (standing.length >= MAX_GRANTS)
        throw new Problem("grant-limit", `An invoice has at most ${MAX_GRANTS} grants`);
      const [row] = await tx<Grant[]>`
        insert into grants (number, grantee, giver, until, accepted_at)
        values (${number}, ${grantee}, ${caller.account}, ${until ?? null}, (select accepted_at from accepted_now where number = ${number}))
        on conflict (number, grantee, giver) where withdrawn_at is null do update set until = excluded.until
        returning id, number, grantee, giver, until, created_at`;
      return row as Grant;
    },

    /**
     * Withdraws a grant: by the account that gave it, or by the invoice's present holder. Doing it
     * again changes nothing. Throws not-found.
     */
    async withdraw(tx: Tx, caller: Caller, number: string, id: string): Promise<void> {
      const [row] = await tx<(RowOf<"grants", "giver"> & { holder: string | null })[]>`
        select g.giver, coalesce(s.holder, i.leaf_holder) as holder from grants g
        left join accepted_now i on i.number = g.number left join record_now s on s.number = g.number where g.id = ${id} and g.number = ${number}`;
      if (!row || (row.giver !== caller.account && row.holder !== caller.account))
        throw new Problem("not-found", "There is no grant with this id that you may withdraw");
      await tx`update grants set withdrawn_at = now() where id = ${id} and withdrawn_at is null`;
    },

    /** Ends the grants between two accounts, in both directions. */
    async withdrawBetween(tx: Tx, account: string, other: string): Promise<void> {
      await tx`
        update grants set withdrawn_at = now()
        where withdrawn_at is null and ((grantee = ${account} and giver = ${other}) or (grantee = ${other} and giver = ${account}))`;
    },

    /**
     * Who may read it now: its parties, and the accounts with a grant. For holder, employer and
     * bureau.
     */
    async list(
      tx: Tx,
      caller: Caller,
      number: string,
    ): Promise<{ parties: Standing[]; grants: Grant[] }> {
      const invoice = await invoices.visible(tx, caller, number);
      const employer = await employerOf(tx, invoice);
      if (
        !caller.roles.includes("bureau") &&
        invoice.holder !== caller.account &&
        employer !== caller.account
      ) {
        throw new Problem("forbidden", "Only the holder and the employer see who reads an invoice");
      }
      const issuer = await taxpayers.byIndex(tx, invoice.issuer);
      const parties: Standing[] = [
        ...(issuer ? [{ account: issuer.account, as: "issuer" as const }] : []),
        { account: invoice.holder, as: "holder" },
        ...(employer === undefined ? [] : [{ account: employer, as: "employer" as const }]),
      ];
      return { parties, grants: await inForce(tx, invoice, employer) };
    },

    /** Who has read it, the latest first. The issuer sees itself and the bureau. */
    async reads(tx: Tx, caller: Caller, number: string, limit: number): Promise<Reading[]> {
      const invoice = await invoices.visible(tx, caller, number);
      const employer = await employerOf(tx, invoice);
      const all =
        caller.roles.includes("bureau") ||
        invoice.holder === caller.account ||
        employer === caller.account;
      return tx<Reading[]>`
        select r.account, r.form, r.day::text as day, r.times, r.first_at, r.last_at from reads r join party_now p on p.account = r.account
        where r.number = ${number} and ${all ? tx`true` : tx`(r.account = ${caller.account} or p.kind = 'bureau')`}
        order by r.day desc, r.last_at desc, r.account, r.form limit ${limit}`;
    },

    /**
     * The invoices that the caller has a grant for, and its giver, as a part of a query. Does not
     * check that the giver is still a party.
     */
    granted: (tx: Tx, caller: Caller) => tx<
      (RowOf<"grants", "number" | "giver"> & { accepted_at: Date })[]
    >`
      select number, accepted_at, giver from grants
      where grantee = ${caller.account} and withdrawn_at is null and (until is null or until > now())`,
  };
}
