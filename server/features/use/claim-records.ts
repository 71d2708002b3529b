/**
 * Claims as they are stored and shown. claims.ts says who may make and decide them.
 *
 * Owns `claims` and `claim_invoices`; what a claim's parties write in it stands sealed. Its state
 * is the chain's (`claim_states`); until the chain has it, its operation's.
 */
import type { Amounts } from "@onepiao/protocol/formats/red-letter.ts";
import {
  externalHex,
  idsNamed,
  isExternal,
  ledgerNumber,
} from "@onepiao/protocol/ledger/external.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { invoiceNameSchema } from "@onepiao/protocol/values/shapes.ts";
import type { Tx } from "../../db/db.ts";
import { idAt, inOrder, pageOfIds } from "../../db/lists.ts";
import type { RowOf } from "../../db/tables.ts";
import type { Caller } from "../../kernel/api.ts";
import type { Vault } from "../../keys/vault.ts";
import type { InvoiceStatus, Invoices } from "../invoices/invoices.ts";
import type { Taxpayers } from "../parties/taxpayers.ts";

export const claimStatuses = [
  "submitted",
  "refused",
  "claimed",
  "reimbursed",
  "rejected",
  "withdrawn",
  "reversed",
] as const;
export type ClaimStatus = (typeof claimStatuses)[number];
/** The states in which a claim holds its invoices, or has ended by paying them. */
export const claimsInForce = [
  "submitted",
  "claimed",
  "reimbursed",
  "reversed",
] as const satisfies readonly ClaimStatus[];
export type ClaimRow = {
  id: string;
  ref: string;
  holder: string;
  employer: number;
  sealed: Buffer;
  operation: string;
  created_at: Date;
  state: ClaimStatus;
};
export type Claim = {
  id: string;
  status: ClaimStatus;
  holder: string;
  employer: number;
  note?: string;
  reason?: string;
  createdAt: Date;
  /**
   * `id`: of an invoice that was issued elsewhere; its `number` is then the original's own. `left`:
   * of an invoice with red letters, the amounts that are still to be paid.
   */
  invoices: { number: string; status: InvoiceStatus; id?: string; left?: Amounts }[];
};
/**
 * Which of the caller's claims a list has. `invoice`: a number, the id of an external invoice, or
 * with `seller` its original's own number.
 */
type Filter = {
  as: "holder" | "employer";
  status?: ClaimStatus | undefined;
  invoice?: string | undefined;
  seller?: string | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
  before?: string | undefined;
  limit: number;
};
/**
 * What a claim's parties write in it. `originals`: the numbers of invoices issued elsewhere, by the
 * id that names the invoice; other ids of it are among the claim's numbers too.
 */
export type Words = {
  note?: string | undefined;
  reason?: string | undefined;
  originals?: Record<string, string>;
};
export type ClaimRecords = ReturnType<typeof createClaimRecords>;

type Deps = { vault: Vault; taxpayers: Taxpayers; invoices: Invoices };

/** No invoice that was issued elsewhere is older (`issued-before-2000`). */
const FIRST_YEAR = 2000;

/**
 * The numbers on the ledger that these words may mean. Throws invalid-request when they can mean
 * none, and for a seller without an invoice.
 */
function namedBy(invoice: string | undefined, seller: string | undefined): string[] | undefined {
  if (invoice === undefined) {
    if (seller === undefined) return undefined;
    const detail = "A seller goes with the number that its invoice has";
    throw new Problem("invalid-request", detail, {
      violations: [{ field: "?seller", rule: "seller-with-invoice", detail }],
    });
  }
  const numbers = [
    invoiceNameSchema.safeParse(invoice).success ? ledgerNumber(invoice) : [],
    seller === undefined
      ? []
      : idsNamed(seller, invoice, [FIRST_YEAR, new Date().getUTCFullYear() + 1]),
  ].flat();
  if (numbers.length > 0) return numbers;
  const detail =
    "A number of 20 digits, or the id of an external invoice; the number of its original needs the seller";
  throw new Problem("invalid-request", detail, {
    violations: [{ field: "?invoice", rule: "invoice-name", detail }],
  });
}

export function createClaimRecords({ vault, taxpayers, invoices }: Deps) {
  const select = (tx: Tx) =>
    tx`select c.id, c.ref, c.holder, c.employer, c.sealed, c.operation, c.created_at, c.state from claims c`;

  /**
   * The claim, if the caller is its holder or its employer, with a key for that role, or the
   * bureau.
   */
  async function visible(tx: Tx, caller: Caller, id: string): Promise<ClaimRow> {
    const [row] = await tx<ClaimRow[]>`${select(tx)} where c.id = ${id}`;
    if (
      row &&
      (caller.roles.includes("bureau") ||
        (caller.roles.includes("holder") && row.holder === caller.account))
    )
      return row;
    const self =
      row && caller.roles.includes("employer")
        ? await taxpayers.byAccount(tx, caller.account)
        : undefined;
    if (row && self && row.employer === self.index) return row;
    throw new Problem("not-found", "There is no claim with this id that you are a party of");
  }

  async function claimsOf(tx: Tx, rows: readonly ClaimRow[]): Promise<Claim[]> {
    const items = await tx<
      (RowOf<"claim_invoices", "claim" | "number"> & { status: InvoiceStatus })[]
    >`
      select c.claim, c.number, coalesce(s.state, 'accepted') as status from claim_invoices c left join record_now s on s.number = c.number
      where c.claim = any(${rows.map((row) => row.id)}::uuid[]) order by c.number`;
    const itemsOf = Map.groupBy(items, (item) => item.claim);
    const left = await invoices.leftOfNumbers(
      tx,
      items.map((item) => item.number),
    );
    return rows.map((row) => {
      const { note, reason, originals } = wordsOf(row);
      const status = row.state;
      return {
        id: row.id,
        status,
        holder: row.holder,
        employer: row.employer,
        ...(note === undefined ? {} : { note }),
        // a reason counts only once the chain has the rejection
        ...(reason === undefined || status !== "rejected" ? {} : { reason }),
        createdAt: row.created_at,
        invoices: (itemsOf.get(row.id) ?? []).flatMap(({ number, status }) => {
          const rest = left.get(number);
          if (!isExternal(number)) return [{ number, status, ...(rest ? { left: rest } : {}) }];
          const id = externalHex(number);
          const original = originals?.[id];
          // a further id of an invoice that is in the list already
          return original === undefined ? [] : [{ number: original, status, id }];
        }),
      };
    });
  }

  const sealWords = (id: string, words: Words) =>
    vault.seal("parties", `claim/${id}`, JSON.stringify(words));
  const wordsOf = (row: ClaimRow) =>
    JSON.parse(vault.open("parties", `claim/${row.id}`, row.sealed).toString()) as Words;

  return {
    visible,
    sealWords,
    wordsOf,

    get: async (tx: Tx, caller: Caller, id: string): Promise<Claim> =>
      (await claimsOf(tx, [await visible(tx, caller, id)]))[0] as Claim,

    /** These claims, by id. The caller checks whose they are. */
    async among(tx: Tx, ids: readonly string[]): Promise<Map<string, Claim>> {
      const rows = await tx<ClaimRow[]>`${select(tx)} where c.id = any(${[...ids]}::uuid[])`;
      return new Map((await claimsOf(tx, rows)).map((claim) => [claim.id, claim]));
    },

    /**
     * A page of the caller's claims, newest first. Throws invalid-request when `invoice` and
     * `seller` name no invoice.
     */
    async list(
      tx: Tx,
      caller: Caller,
      { as, status, invoice, seller, from, to, before, limit }: Filter,
    ): Promise<Claim[]> {
      const self = await taxpayers.byAccount(tx, caller.account);
      const ofCaller =
        as === "holder" ? tx`holder = ${caller.account}` : tx`employer = ${self?.index ?? -1}`;
      // a claim's id carries the time at which it was made
      const range = [
        ...(before === undefined ? [] : [tx`id < ${before}`]),
        ...(from === undefined ? [] : [tx`id >= ${idAt(from)}`]),
        ...(to === undefined ? [] : [tx`id < ${idAt(to)}`]),
      ].reduce((those, next) => tx`${those} and ${next}`, tx`true`);
      const numbers = namedBy(invoice, seller);
      const parts =
        numbers === undefined
          ? (status === undefined ? claimStatuses : [status]).map(
              (status) =>
                tx`select id, true as fits from claims where ${ofCaller} and state = ${status} and ${range}`,
            )
          : [
              tx`select id, true as fits from (
                   select c.id from (select claim from claim_invoices where number = any(${numbers}::numeric[])) i
                   cross join lateral (select * from claims where id = i.claim offset 0) c
                   where ${ofCaller} and ${status === undefined ? tx`true` : tx`state = ${status}`}) l
                 where ${range}`,
            ];
      const { ids } = await pageOfIds(tx, { parts, limit });
      return claimsOf(
        tx,
        inOrder(ids, await tx<ClaimRow[]>`${select(tx)} where c.id = any(${ids}::uuid[])`),
      );
    },
  };
}
