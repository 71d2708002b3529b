/**
 * Claims: a holder asks an employer to reimburse 1 to 100 invoices. One claim is one expense report
 * under one signature: it is reimbursed whole or not at all.
 *
 * A party's own attempt at a second reimbursement goes to the chain although the chain will refuse
 * it: the refusal is the evidence that the bureau sees. A decision that is asked for again is not
 * an attempt: it is answered from the outcome. Rows and views are in claim-records.ts.
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

import { externalHex, idsOf } from "@onepiao/protocol/ledger/external.ts";
import { keccak } from "@onepiao/protocol/ledger/tree.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { busy, enqueue } from "../../acts/operations.ts";
import { ZERO_REF } from "../../chain/contracts.ts";
import type { Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import type { Caller } from "../../kernel/api.ts";
import type { Vault } from "../../keys/vault.ts";
import { originalOf } from "../../mirror/ledger.ts";
import type { Invoices } from "../invoices/invoices.ts";
import type { Taxpayers } from "../parties/taxpayers.ts";
import {
  type ClaimRow,
  type ClaimStatus,
  createClaimRecords,
  type Words,
} from "./claim-records.ts";
import type { Credits } from "./external-credits.ts";
import type { Near, NearInvoice } from "./near.ts";

export type Claims = ReturnType<typeof createClaims>;

type Deps = {
  vault: Vault;
  taxpayers: Taxpayers;
  invoices: Invoices;
  near: Near;
  credits: Credits;
};

type NewClaim = {
  kind: "Claim" | "Admit";
  holder: string;
  employer: number;
  numbers: string[];
  words: Words;
};

/** Whether a holder has ever claimed from an employer, both given by account. */
export async function hasClaimedFrom(tx: Tx, holder: string, employer: string): Promise<boolean> {
  const [claim] = await tx`
    select 1 from claims c join taxpayer_now t on t.index = c.employer
    where c.holder = ${holder} and t.account = ${employer} limit 1`;
  return claim !== undefined;
}

export function createClaims({ vault, taxpayers, invoices, near, credits }: Deps) {
  const { visible, sealWords, wordsOf, ...reading } = createClaimRecords({
    vault,
    taxpayers,
    invoices,
  });

  /** Writes a claim and the act that makes it, signed by the caller. */
  async function write(
    tx: Tx,
    caller: Caller,
    { kind, holder, employer, numbers, words }: NewClaim,
  ): Promise<{ id: string; operation: string }> {
    // ids follow time, as the lists do
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
   * Throws if one of these invoices is claimed or reimbursed as an external invoice: under the
   * number of its original, or under its own number, which another gateway may have registered.
   */
  async function checkOriginals(tx: Tx, claimed: readonly NearInvoice[]): Promise<void> {
    const numbers = new Map<string, string>();
    for (const { number: sealed, document } of claimed) {
      const { seller, sourceId, issuedAt, currency } = document;
      const day = issuedAt.slice(0, 10);
      for (const number of [sealed, ...(sourceId === undefined ? [] : [sourceId])]) {
        for (const id of idsOf({ number, day, currency, seller })) numbers.set(id, sealed);
      }
    }
    const [taken] = await tx<
      (RowOf<"record_now", "number" | "updated_at"> & { state: "claimed" | "reimbursed" })[]
    >`
      select number, state, updated_at from record_now where number = any(${[...numbers.keys()]}::numeric[]) and state in ('claimed', 'reimbursed') limit 1`;
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

  /**
   * The employer's own claim, with its invoices. Throws claim-state unless its state is allowed.
   */
  async function ofEmployer(
    tx: Tx,
    caller: Caller,
    id: string,
    allowed: readonly ClaimStatus[],
  ): Promise<{ row: ClaimRow; numbers: string[] }> {
    const row = await visible(tx, caller, id);
    const self = await taxpayers.byAccount(tx, caller.account);
    if (row.employer !== self?.index)
      throw new Problem("forbidden", "This claim is for its employer to decide");
    return checked(tx, row, allowed);
  }

  async function checked(
    tx: Tx,
    row: ClaimRow,
    allowed: readonly ClaimStatus[],
  ): Promise<{ row: ClaimRow; numbers: string[] }> {
    const { state } = row;
    if (!allowed.includes(state))
      throw new Problem("claim-state", `The claim is ${state}`, {
        extra: { original: { claim: row.id, state } },
      });
    const numbers = await tx<
      RowOf<"claim_invoices", "number">[]
    >`select number from claim_invoices where claim = ${row.id} order by number`;
    return { row, numbers: numbers.map((row) => row.number) };
  }

  return {
    ...reading,

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
        throw new Problem("ids-not-ascending", "The claim names an invoice twice", {
          violations: [{ field: "/invoices", rule: "unique", detail: "Each invoice once" }],
        });
      }
      await invoices.hold(tx, numbers);
      const claimed: NearInvoice[] = [];
      for (const number of numbers) {
        const invoice = await invoices.visible(tx, caller, number);
        if (invoice.holder !== caller.account)
          throw new Problem("forbidden", `Only the holder claims invoice ${number}`);
        if (invoice.status === "accepted")
          throw new Problem("invoice-not-sealed", `Invoice ${number} is not sealed yet`);
        claimed.push({ number, document: invoices.documentOf(invoice) });
      }
      await checkOriginals(tx, claimed);
      const [holder, index] = [caller.account, employer.index];
      const words = { note: claim.note };
      const kind = "Claim";
      const made = await write(tx, caller, { kind, holder, employer: index, numbers, words });
      await near.record(tx, claimed, { id: made.id, holder, employer: index });
      return made;
    },

    /**
     * An employer's claim, for a holder, of one invoice that was issued elsewhere. `ids`: its
     * numbers on the ledger, the one that names it first.
     */
    admit: (
      tx: Tx,
      caller: Caller,
      {
        ids,
        original,
        employer,
        holder,
      }: { ids: readonly string[]; original: string; employer: number; holder: string },
    ) =>
      write(tx, caller, {
        kind: "Admit",
        holder,
        employer,
        numbers: [...ids],
        words: { originals: { [externalHex(ids[0] as string)]: original } },
      }),

    /**
     * One decision on a claim at a time is under way; further ones wait and get its outcome. For a
     * claim that is reimbursed already the answer is that outcome: asking again is not an attempt
     * to pay twice.
     */
    async reimburse(tx: Tx, caller: Caller, id: string): Promise<string> {
      const { row, numbers } = await ofEmployer(tx, caller, id, ["claimed", "reimbursed"]);
      if (row.state === "reimbursed")
        throw new Problem("already-reimbursed", "The claim is reimbursed already", {
          extra: { original: await originalOf(tx, numbers[0] ?? ""), alarm: false },
        });
      await credits.checkPayable(tx, id, numbers);
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
      // the reason is stored before the rejection happens, so no other decision may be under way
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
