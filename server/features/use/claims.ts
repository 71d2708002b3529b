/**
 * Claims: a holder asks an employer to reimburse 1 to 100 invoices; one claim is one expense
 * report, one signature, all or nothing.
 *
 * A claim that the chain would refuse is sent to the chain all the same when it is a party's own
 * attempt at a second reimbursement: its refusal is the evidence that the bureau sees. A decision
 * that is asked for again is no attempt: it is answered from the outcome. The claim's state is the
 * chain's (`claim_states`); until it is there, its operation's.
 *
 * | state | from | by |
 * | --- | --- | --- |
 * | submitted | | holder; the act is under way |
 * | refused | submitted | the chain |
 * | claimed | submitted | the chain: the invoices are locked |
 * | reimbursed | claimed | employer; final |
 * | rejected | claimed | employer |
 * | withdrawn | claimed | holder, after the claim term |
 */

import type { Amounts } from "@onepiao/protocol/formats/red-letter.ts";
import {
  externalHex,
  externalId,
  isExternal,
  ledgerNumber,
} from "@onepiao/protocol/ledger/external.ts";
import { keccak } from "@onepiao/protocol/ledger/tree.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { invoiceNameSchema } from "@onepiao/protocol/values/shapes.ts";
import { normaliseTaxId } from "@onepiao/protocol/values/tax-id.ts";
import { busy, enqueue } from "../../acts/operations.ts";
import { ZERO_REF } from "../../chain/contracts.ts";
import type { Tx } from "../../db/db.ts";
import { idAt, inOrder, pageOfIds } from "../../db/lists.ts";
import type { Caller } from "../../kernel/api.ts";
import type { Vault } from "../../keys/vault.ts";
import { originalOf } from "../../mirror/ledger.ts";
import type { InvoiceRow, InvoiceStatus, Invoices } from "../invoices/invoices.ts";
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
type Row = {
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
   * `id`: of an invoice that was issued elsewhere, and `number` is what it has there. `left`: of
   * one with red letters, what is still to be paid.
   */
  invoices: { number: string; status: InvoiceStatus; id?: string; left?: Amounts }[];
};
/**
 * Which of the caller's claims a list has. `invoice`: a number, the id of an external invoice, or
 * with `seller` its original's own number.
 */
type Wanted = {
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
 * What a claim's parties say in it, sealed. `originals`: numbers of invoices issued elsewhere, by
 * id.
 */
type Words = {
  note?: string | undefined;
  reason?: string | undefined;
  originals?: Record<string, string>;
};
export type Claims = ReturnType<typeof createClaims>;

type Deps = { vault: Vault; taxpayers: Taxpayers; invoices: Invoices };

/**
 * The numbers on the ledger that this text may mean. Throws invalid-request when it can mean none,
 * or when there is a seller of nothing.
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
    seller === undefined ? [] : externalId(seller, invoice),
  ].flat();
  if (numbers.length > 0) return numbers;
  const detail =
    "A number of 20 digits, or the id of an external invoice; the number of its original only with the seller";
  throw new Problem("invalid-request", detail, {
    violations: [{ field: "?invoice", rule: "invoice-name", detail }],
  });
}

export function createClaims({ vault, taxpayers, invoices }: Deps) {
  const select = (tx: Tx) =>
    tx`select c.id, c.ref, c.holder, c.employer, c.sealed, c.operation, c.created_at, c.state from claims c`;

  /**
   * The claim, if the caller is its holder or its employer, with a key for that role, or the
   * bureau.
   */
  async function visible(tx: Tx, caller: Caller, id: string): Promise<Row> {
    const [row] = await tx<Row[]>`${select(tx)} where c.id = ${id}`;
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
    throw new Problem("not-found", "There is no claim of this id that you are a party of");
  }

  async function claimsOf(tx: Tx, rows: readonly Row[]): Promise<Claim[]> {
    const items = await tx<{ claim: string; number: string; status: InvoiceStatus }[]>`
      select c.claim, c.number, coalesce(s.state, 'accepted') as status from claim_invoices c left join invoice_states s on s.number = c.number
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
        // a reason is one only once the chain has the rejection
        ...(reason === undefined || status !== "rejected" ? {} : { reason }),
        createdAt: row.created_at,
        invoices: (itemsOf.get(row.id) ?? []).map(({ number, status }) => {
          const rest = left.get(number);
          if (!isExternal(number)) return { number, status, ...(rest ? { left: rest } : {}) };
          const id = externalHex(number);
          return { number: originals?.[id] ?? id, status, id };
        }),
      };
    });
  }

  const sealWords = (id: string, words: Words) =>
    vault.seal("parties", `claim/${id}`, JSON.stringify(words));
  const wordsOf = (row: Row) =>
    JSON.parse(vault.open("parties", `claim/${row.id}`, row.sealed).toString()) as Words;

  type New = {
    kind: "Claim" | "Admit";
    holder: string;
    employer: number;
    numbers: string[];
    words: Words;
  };
  /** Writes a claim and the act that makes it, signed by the caller. */
  async function write(
    tx: Tx,
    caller: Caller,
    { kind, holder, employer, numbers, words }: New,
  ): Promise<{ id: string; operation: string }> {
    // in the order of time, as the lists are
    const [made] = await tx<{ id: string }[]>`select uuidv7() as id`;
    const { id } = made as { id: string };
    const ref = keccak(Buffer.from(id));
    const operation = await enqueue(tx, {
      kind: kind === "Admit" ? "admit" : "claim",
      party: caller.account,
      command: {
        type: "act",
        kind,
        ...(kind === "Admit" ? { to: holder } : {}),
        taxpayer: employer,
        ref,
        invoices: numbers,
      },
      signers: [caller.account],
    });
    await tx`
      insert into claims (id, ref, holder, employer, sealed, operation, created_at)
      values (${id}, ${ref}, ${holder}, ${employer}, ${sealWords(id, words)}, ${operation}, uuid_extract_timestamp(${id}::uuid))`;
    await tx`insert into claim_invoices (claim, number) select ${id}, unnest(${numbers}::numeric[])`;
    return { id, operation };
  }

  /**
   * An original that was registered as an invoice issued elsewhere is not paid again under its
   * number here; nor is an invoice whose own number another gateway has let in by that door.
   */
  async function checkOriginals(tx: Tx, claimed: readonly InvoiceRow[]): Promise<void> {
    const numbers = new Map<string, string>();
    for (const row of claimed) {
      const { seller, sourceId } = invoices.documentOf(row);
      for (const original of [row.number, ...(sourceId === undefined ? [] : [sourceId])])
        numbers.set(externalId(normaliseTaxId(seller.taxId), original), row.number);
    }
    const [taken] = await tx<
      { number: string; state: "claimed" | "reimbursed"; updated_at: Date }[]
    >`
      select number, state, updated_at from invoice_states where number = any(${[...numbers.keys()]}::numeric[]) and state in ('claimed', 'reimbursed') limit 1`;
    if (!taken) return;
    const [id, number] = [externalHex(taken.number), numbers.get(taken.number) as string];
    throw new Problem(
      `already-${taken.state}`,
      `Invoice ${number} is ${taken.state} as one that was issued elsewhere`,
      {
        extra: {
          original: { id, number, state: taken.state, since: taken.updated_at.toISOString() },
        },
      },
    );
  }

  /** The employer's own claim, in a state that `kind` may be tried in. */
  async function ofEmployer(
    tx: Tx,
    caller: Caller,
    id: string,
    allowed: readonly ClaimStatus[],
  ): Promise<{ row: Row; numbers: string[] }> {
    const row = await visible(tx, caller, id);
    const self = await taxpayers.byAccount(tx, caller.account);
    if (row.employer !== self?.index)
      throw new Problem("forbidden", "This claim is for its employer to decide");
    return checked(tx, row, allowed);
  }

  async function checked(
    tx: Tx,
    row: Row,
    allowed: readonly ClaimStatus[],
  ): Promise<{ row: Row; numbers: string[] }> {
    const { state } = row;
    if (!allowed.includes(state))
      throw new Problem("claim-state", `The claim is ${state}`, {
        extra: { original: { claim: row.id, state } },
      });
    const numbers = await tx<
      { number: string }[]
    >`select number from claim_invoices where claim = ${row.id} order by number`;
    return { row, numbers: numbers.map((one) => one.number) };
  }

  return {
    get: async (tx: Tx, caller: Caller, id: string): Promise<Claim> =>
      (await claimsOf(tx, [await visible(tx, caller, id)]))[0] as Claim,

    /** These claims, by id; whose they are, the caller knows. */
    async among(tx: Tx, ids: readonly string[]): Promise<Map<string, Claim>> {
      const rows = await tx<Row[]>`${select(tx)} where c.id = any(${[...ids]}::uuid[])`;
      return new Map((await claimsOf(tx, rows)).map((claim) => [claim.id, claim]));
    },

    /**
     * A page of the caller's claims, newest first. Throws invalid-request when `invoice` and
     * `seller` name none.
     */
    async list(
      tx: Tx,
      caller: Caller,
      { as, status, invoice, seller, from, to, before, limit }: Wanted,
    ): Promise<Claim[]> {
      const self = await taxpayers.byAccount(tx, caller.account);
      const mine =
        as === "holder" ? tx`holder = ${caller.account}` : tx`employer = ${self?.index ?? -1}`;
      // a claim is of the time that its id has
      const range = [
        ...(before === undefined ? [] : [tx`id < ${before}`]),
        ...(from === undefined ? [] : [tx`id >= ${idAt(from)}`]),
        ...(to === undefined ? [] : [tx`id < ${idAt(to)}`]),
      ].reduce((those, next) => tx`${those} and ${next}`, tx`true`);
      const numbers = namedBy(invoice, seller);
      const parts =
        numbers === undefined
          ? (status === undefined ? claimStatuses : [status]).map(
              (one) =>
                tx`select id, true as fits from claims where ${mine} and state = ${one} and ${range}`,
            )
          : [
              tx`select id, true as fits from (
                   select c.id from (select claim from claim_invoices where number = any(${numbers}::numeric[])) i
                   cross join lateral (select * from claims where id = i.claim offset 0) c
                   where ${mine} and ${status === undefined ? tx`true` : tx`state = ${status}`}) l
                 where ${range}`,
            ];
      const { ids } = await pageOfIds(tx, { parts, limit });
      return claimsOf(
        tx,
        inOrder(ids, await tx<Row[]>`${select(tx)} where c.id = any(${ids}::uuid[])`),
      );
    },

    async submit(
      tx: Tx,
      caller: Caller,
      claim: { employer: string; invoices: string[]; note?: string | undefined },
    ): Promise<{ id: string; operation: string }> {
      const employer = await taxpayers.byTaxId(tx, claim.employer);
      if (!employer)
        throw new Problem("taxpayer-unknown", "No enrolled taxpayer has the employer's tax id", {
          violations: [
            {
              field: "/employer",
              rule: "employer-enrolled",
              detail: "The tax id of an enrolled employer",
            },
          ],
        });
      const numbers = [...new Set(claim.invoices)].sort();
      if (numbers.length !== claim.invoices.length) {
        throw new Problem("ids-not-ascending", "An invoice stands in the claim twice", {
          violations: [{ field: "/invoices", rule: "unique", detail: "Each invoice once" }],
        });
      }
      await invoices.hold(tx, numbers);
      const claimed: InvoiceRow[] = [];
      for (const number of numbers) {
        const invoice = await invoices.visible(tx, caller, number);
        if (invoice.holder !== caller.account)
          throw new Problem("forbidden", `Only the holder claims invoice ${number}`);
        if (invoice.status === "accepted")
          throw new Problem("invoice-not-sealed", `Invoice ${number} is not sealed yet`);
        claimed.push(invoice);
      }
      await checkOriginals(tx, claimed);
      return write(tx, caller, {
        kind: "Claim",
        holder: caller.account,
        employer: employer.index,
        numbers,
        words: { note: claim.note },
      });
    },

    /**
     * An employer's claim, for a holder, of an invoice that was issued elsewhere (`id`: its number
     * on the ledger).
     */
    admit: (
      tx: Tx,
      caller: Caller,
      {
        id,
        original,
        employer,
        holder,
      }: { id: string; original: string; employer: number; holder: string },
    ) =>
      write(tx, caller, {
        kind: "Admit",
        holder,
        employer,
        numbers: [id],
        words: { originals: { [externalHex(id)]: original } },
      }),

    /**
     * One decision on a claim at a time is under way; further ones wait and are answered from it.
     * Of a claim that is reimbursed already the answer is the outcome that there is: whoever asks
     * again has not tried to pay twice.
     */
    async reimburse(tx: Tx, caller: Caller, id: string): Promise<string> {
      const { row, numbers } = await ofEmployer(tx, caller, id, ["claimed", "reimbursed"]);
      if (row.state === "reimbursed")
        throw new Problem("already-reimbursed", "The claim is reimbursed already", {
          extra: { original: await originalOf(tx, numbers[0] ?? ""), alarm: false },
        });
      return enqueue(tx, {
        kind: "reimburse",
        party: caller.account,
        command: {
          type: "act",
          kind: "Reimburse",
          taxpayer: row.employer,
          ref: ZERO_REF,
          invoices: numbers,
          claim: row.ref,
        },
        signers: [caller.account],
      });
    },

    async reject(tx: Tx, caller: Caller, id: string, reason: string): Promise<string> {
      await tx`select 1 from claims where id = ${id} for update`;
      const { row, numbers } = await ofEmployer(tx, caller, id, ["claimed"]);
      // its reason is stored before it happens, so no other decision may be under way
      if (await busy(tx, numbers))
        throw new Problem("invoice-busy", "Another decision on this claim waits for its outcome");
      await tx`update claims set sealed = ${sealWords(id, { ...wordsOf(row), reason })} where id = ${id}`;
      return enqueue(tx, {
        kind: "reject",
        party: caller.account,
        command: {
          type: "act",
          kind: "Reject",
          taxpayer: row.employer,
          ref: keccak(Buffer.from(`${id}\0${reason}`)),
          invoices: numbers,
          claim: row.ref,
        },
        signers: [caller.account],
      });
    },

    async withdraw(tx: Tx, caller: Caller, id: string): Promise<string> {
      const row = await visible(tx, caller, id);
      if (row.holder !== caller.account)
        throw new Problem("forbidden", "Only the holder withdraws a claim");
      const { numbers } = await checked(tx, row, ["claimed"]);
      return enqueue(tx, {
        kind: "withdraw",
        party: caller.account,
        command: {
          type: "act",
          kind: "Withdraw",
          ref: ZERO_REF,
          invoices: numbers,
          claim: row.ref,
        },
        signers: [caller.account],
      });
    },
  };
}
