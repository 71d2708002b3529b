/**
 * Claims: a holder asks an employer to reimburse 1 to 100 invoices; one claim is one expense report, one signature, all or nothing.
 *
 * What the chain would refuse is sent to the chain all the same when it is a party's own attempt at a second reimbursement: its
 * refusal is the evidence that the bureau sees. The claim's state is the chain's (`claim_states`); until it is there, its operation's.
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
import { busy, enqueue, find as findOperation } from "../../acts/operations.ts";
import { ZERO_REF } from "../../chain/contracts.ts";
import { keccak } from "../../chain/tree.ts";
import type { Tx } from "../../db/db.ts";
import type { Amounts } from "../../formats/red-letter.ts";
import type { Caller } from "../../kernel/api.ts";
import { Problem } from "../../kernel/problems.ts";
import type { Vault } from "../../keys/vault.ts";
import type { InvoiceStatus, Invoices } from "../invoices/invoices.ts";
import type { RedLetters } from "../red-letters/red-letters.ts";
import type { Taxpayers } from "../taxpayers/taxpayers.ts";

export type ClaimStatus = "submitted" | "refused" | "claimed" | "reimbursed" | "rejected" | "withdrawn" | "reversed";
type Row = { id: string; ref: string; holder: string; employer: number; sealed: Buffer; operation: string; created_at: Date; state: ClaimStatus | null };
export type Claim = {
  id: string;
  status: ClaimStatus;
  holder: string;
  employer: number;
  note?: string;
  reason?: string;
  createdAt: Date;
  /** `left`: of an invoice with red letters, what is still to be paid. */
  invoices: { number: string; status: InvoiceStatus; left?: Amounts }[];
};
export type Claims = ReturnType<typeof createClaims>;

type Deps = { vault: Vault; taxpayers: Taxpayers; invoices: Invoices; redLetters: RedLetters };

export function createClaims({ vault, taxpayers, invoices, redLetters }: Deps) {
  const select = (tx: Tx) =>
    tx`select c.id, c.ref, c.holder, c.employer, c.sealed, c.operation, c.created_at, s.state from claims c left join claim_states s on s.ref = c.ref`;

  /** The claim, if the caller is its holder or its employer, with a key for that role, or the bureau. */
  async function visible(tx: Tx, caller: Caller, id: string): Promise<Row> {
    const [row] = await tx<Row[]>`${select(tx)} where c.id = ${id}`;
    if (row && (caller.roles.includes("bureau") || (caller.roles.includes("holder") && row.holder === caller.account))) return row;
    const self = row && caller.roles.includes("employer") ? await taxpayers.byAccount(tx, caller.account) : undefined;
    if (row && self && row.employer === self.index) return row;
    throw new Problem("not-found", "There is no claim of this id that you are a party of");
  }

  async function statusOf(tx: Tx, row: Row): Promise<ClaimStatus> {
    if (row.state) return row.state;
    const operation = await findOperation(tx, row.operation);
    return operation?.status === "refused" || operation?.status === "failed" ? "refused" : "submitted";
  }

  async function claimOf(tx: Tx, row: Row): Promise<Claim> {
    const items = await tx<{ number: string; status: InvoiceStatus }[]>`
      select c.number, coalesce(s.state, 'accepted') as status from claim_invoices c left join invoice_states s on s.number = c.number
      where c.claim = ${row.id} order by c.number`;
    const left = await redLetters.leftOfNumbers(
      tx,
      items.map((item) => item.number),
    );
    const words = JSON.parse(vault.open("parties", `claim/${row.id}`, row.sealed).toString()) as { note?: string; reason?: string };
    const status = await statusOf(tx, row);
    // a reason is one only once the chain has the rejection
    if (status !== "rejected") delete words.reason;
    return {
      id: row.id,
      status,
      holder: row.holder,
      employer: row.employer,
      ...words,
      createdAt: row.created_at,
      invoices: items.map((item) => ({ ...item, ...left.get(item.number) })),
    };
  }

  const sealWords = (id: string, words: { note?: string | undefined; reason?: string | undefined }) =>
    vault.seal("parties", `claim/${id}`, JSON.stringify(words));

  /** The employer's own claim, in a state that `kind` may be tried in. */
  async function ofEmployer(tx: Tx, caller: Caller, id: string, allowed: readonly ClaimStatus[]): Promise<{ row: Row; numbers: string[] }> {
    const row = await visible(tx, caller, id);
    const self = await taxpayers.byAccount(tx, caller.account);
    if (row.employer !== self?.index) throw new Problem("forbidden", "This claim is for its employer to decide");
    return checked(tx, row, allowed);
  }

  async function checked(tx: Tx, row: Row, allowed: readonly ClaimStatus[]): Promise<{ row: Row; numbers: string[] }> {
    const status = await statusOf(tx, row);
    if (!allowed.includes(status)) throw new Problem("claim-state", `The claim is ${status}`, { extra: { original: { claim: row.id, state: status } } });
    const numbers = await tx<{ number: string }[]>`select number from claim_invoices where claim = ${row.id} order by number`;
    return { row, numbers: numbers.map((one) => one.number) };
  }

  return {
    get: async (tx: Tx, caller: Caller, id: string): Promise<Claim> => claimOf(tx, await visible(tx, caller, id)),

    async list(tx: Tx, caller: Caller, filter: { as: "holder" | "employer"; before?: string | undefined; limit: number }): Promise<Claim[]> {
      const self = await taxpayers.byAccount(tx, caller.account);
      const rows = await tx<Row[]>`
        ${select(tx)}
        where ${filter.as === "holder" ? tx`c.holder = ${caller.account}` : tx`c.employer = ${self?.index ?? -1}`}
          and ${filter.before === undefined ? tx`true` : tx`c.id < ${filter.before}`}
        order by c.id desc limit ${filter.limit}`;
      return Promise.all(rows.map((row) => claimOf(tx, row)));
    },

    async submit(
      tx: Tx,
      caller: Caller,
      claim: { employer: string; invoices: string[]; note?: string | undefined },
    ): Promise<{ id: string; operation: string }> {
      const employer = await taxpayers.byTaxId(tx, claim.employer);
      if (!employer)
        throw new Problem("taxpayer-unknown", "No enrolled taxpayer has the employer's tax id", {
          violations: [{ field: "/employer", rule: "employer-enrolled", detail: "The tax id of an enrolled employer" }],
        });
      const numbers = [...new Set(claim.invoices)].sort();
      if (numbers.length !== claim.invoices.length) {
        throw new Problem("ids-not-ascending", "An invoice stands in the claim twice", {
          violations: [{ field: "/invoices", rule: "unique", detail: "Each invoice once" }],
        });
      }
      await invoices.hold(tx, numbers);
      for (const number of numbers) {
        const invoice = await invoices.visible(tx, caller, number);
        if (invoice.holder !== caller.account) throw new Problem("forbidden", `Only the holder claims invoice ${number}`);
        if (invoice.status === "accepted") throw new Problem("invoice-not-sealed", `Invoice ${number} is not sealed yet`);
      }
      // in the order of time, as the lists are
      const [made] = await tx<{ id: string }[]>`select uuidv7() as id`;
      const { id } = made as { id: string };
      const ref = keccak(Buffer.from(id));
      const operation = await enqueue(tx, {
        kind: "claim",
        party: caller.account,
        command: { type: "act", kind: "Claim", taxpayer: employer.index, ref, invoices: numbers },
        signers: [caller.account],
      });
      await tx`
        insert into claims (id, ref, holder, employer, sealed, operation)
        values (${id}, ${ref}, ${caller.account}, ${employer.index}, ${sealWords(id, { note: claim.note })}, ${operation})`;
      await tx`insert into claim_invoices (claim, number) select ${id}, unnest(${numbers}::numeric[])`;
      return { id, operation };
    },

    /** Also tried on a claim that is reimbursed already: the attempt is to be seen. */
    async reimburse(tx: Tx, caller: Caller, id: string): Promise<string> {
      const { row, numbers } = await ofEmployer(tx, caller, id, ["claimed", "reimbursed"]);
      return enqueue(tx, {
        kind: "reimburse",
        party: caller.account,
        command: { type: "act", kind: "Reimburse", taxpayer: row.employer, ref: ZERO_REF, invoices: numbers },
        signers: [caller.account],
      });
    },

    async reject(tx: Tx, caller: Caller, id: string, reason: string): Promise<string> {
      await tx`select 1 from claims where id = ${id} for update`;
      const { row, numbers } = await ofEmployer(tx, caller, id, ["claimed"]);
      // its reason is stored before it happens, so no other decision may be under way
      if (await busy(tx, numbers)) throw new Problem("invoice-busy", "Another decision on this claim waits for its outcome");
      const words = JSON.parse(vault.open("parties", `claim/${id}`, row.sealed).toString()) as { note?: string };
      await tx`update claims set sealed = ${sealWords(id, { ...words, reason })} where id = ${id}`;
      return enqueue(tx, {
        kind: "reject",
        party: caller.account,
        command: { type: "act", kind: "Reject", taxpayer: row.employer, ref: keccak(Buffer.from(`${id}\0${reason}`)), invoices: numbers },
        signers: [caller.account],
      });
    },

    async withdraw(tx: Tx, caller: Caller, id: string): Promise<string> {
      const row = await visible(tx, caller, id);
      if (row.holder !== caller.account) throw new Problem("forbidden", "Only the holder withdraws a claim");
      const { numbers } = await checked(tx, row, ["claimed"]);
      return enqueue(tx, {
        kind: "withdraw",
        party: caller.account,
        command: { type: "act", kind: "Withdraw", ref: ZERO_REF, invoices: numbers },
        signers: [caller.account],
      });
    },
  };
}
