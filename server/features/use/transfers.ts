/**
 * Transfers: a holder offers an invoice, the receiver accepts or declines. Once both have agreed
 * the act goes to the chain, signed by both.
 *
 * | status | from | by | effect |
 * | --- | --- | --- | --- |
 * | offered | | holder | nothing on the chain |
 * | accepted | offered | receiver | the act is queued; `completed` once the chain says so |
 * | declined | offered | receiver | |
 * | withdrawn | offered | sender | |
 */

import { checksummed } from "@onepiao/protocol/ledger/messages.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { busy, enqueue, find as findOperation } from "../../acts/operations.ts";
import { ZERO_REF } from "../../chain/contracts.ts";
import type { Tx } from "../../db/db.ts";
import { inOrder, pageOfIds } from "../../db/lists.ts";
import type { RowOf } from "../../db/tables.ts";
import { notify } from "../../feed/notices.ts";
import type { Caller } from "../../kernel/api.ts";
import type { Invoices } from "../invoices/invoices.ts";
import type { Persons } from "../parties/persons.ts";

export const statuses = ["offered", "accepted", "declined", "withdrawn"] as const;
type Row = {
  id: string;
  number: string;
  sender: string;
  receiver: string;
  status: (typeof statuses)[number];
  operation: string | null;
  created_at: Date;
};
export type Transfer = Omit<Row, "status"> & { status: Row["status"] | "completed" | "refused" };
/** What an offer shows of the invoice to its sender and its receiver. */
export type Offered = { seller: string; issuedAt: string; currency: string; gross: string };
export type Transfers = ReturnType<typeof createTransfers>;

export function createTransfers({ invoices, persons }: { invoices: Invoices; persons: Persons }) {
  /** `outcome`: the status of its operation. */
  function withOutcome(row: Row, outcome: string | null | undefined): Transfer {
    if (outcome === "done") return { ...row, status: "completed" };
    if (outcome === "refused" || outcome === "failed") return { ...row, status: "refused" };
    return row;
  }

  async function get(tx: Tx, caller: Caller, id: string): Promise<Row> {
    const [row] = await tx<Row[]>`
      select id, number, sender, receiver, status, operation, created_at from transfers
      where id = ${id} and (sender = ${caller.account} or receiver = ${caller.account})`;
    if (!row)
      throw new Problem("not-found", "There is no transfer with this id that you are a party of");
    return row;
  }

  /** An offer is between two parties of this gateway, so no event of the chain reports it. */
  const tell = (
    tx: Tx,
    type: "transfer.offered" | "transfer.ended",
    { id, number, sender, receiver, status }: Row,
  ) =>
    notify(tx, [
      {
        type,
        number,
        accounts: [sender, receiver],
        data: { transfer: id, from: sender, to: receiver, status },
      },
    ]);

  /** Ends an offer; `mine` says which side must be the caller. */
  async function end(
    tx: Tx,
    caller: Caller,
    id: string,
    side: "sender" | "receiver",
    status: Row["status"],
  ): Promise<Row> {
    await tx`select 1 from transfers where id = ${id} for update`;
    const row = await get(tx, caller, id);
    if (row[side] !== caller.account)
      throw new Problem("forbidden", `This is for the ${side} to say`);
    if (row.status !== "offered")
      throw new Problem("transfer-state", `The transfer is ${row.status}`);
    await tx`update transfers set status = ${status} where id = ${id}`;
    // the chain reports an accepted offer
    if (status !== "accepted") await tell(tx, "transfer.ended", { ...row, status });
    return { ...row, status };
  }

  return {
    async offer(tx: Tx, caller: Caller, number: string, to: string): Promise<Transfer> {
      const invoice = await invoices.visible(tx, caller, number);
      if (invoice.holder !== caller.account)
        throw new Problem("forbidden", "Only the holder hands an invoice on");
      if (invoice.status === "accepted")
        throw new Problem("invoice-not-sealed", "The invoice is not sealed yet");
      if (invoice.status !== "issued") {
        throw new Problem("wrong-state", `A ${invoice.status} invoice cannot be handed on`, {
          extra: { original: { number, state: invoice.status } },
        });
      }
      const receiver = checksummed(to);
      if (receiver === caller.account || !(await persons.known(tx, receiver))) {
        throw new Problem(
          "receiver-invalid",
          "The receiver must be another account that is known here",
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
      if (await busy(tx, [number]))
        throw new Problem("invoice-busy", "Another act on the invoice waits for its outcome");
      const [row] = await tx<Row[]>`
        insert into transfers (number, sender, receiver) values (${number}, ${caller.account}, ${receiver})
        on conflict (number) where status = 'offered' do nothing
        returning id, number, sender, receiver, status, operation, created_at`;
      if (row) {
        await tell(tx, "transfer.offered", row);
        return row;
      }
      const [open] = await tx<
        RowOf<"transfers", "id">[]
      >`select id from transfers where number = ${number} and status = 'offered'`;
      throw new Problem("invoice-busy", "The invoice is offered already", {
        extra: open ? { transfer: open.id } : {},
      });
    },

    async accept(
      tx: Tx,
      caller: Caller,
      id: string,
    ): Promise<{ transfer: Transfer; operation: string }> {
      const row = await end(tx, caller, id, "receiver", "accepted");
      const operation = await enqueue(tx, {
        kind: "transfer",
        party: row.sender,
        command: {
          type: "act",
          kind: "Transfer",
          to: row.receiver,
          ref: ZERO_REF,
          invoices: [row.number],
        },
        signers: [row.sender, row.receiver],
      });
      await tx`update transfers set operation = ${operation} where id = ${id}`;
      return { transfer: { ...row, operation }, operation };
    },

    decline: (tx: Tx, caller: Caller, id: string): Promise<Transfer> =>
      end(tx, caller, id, "receiver", "declined"),
    withdraw: (tx: Tx, caller: Caller, id: string): Promise<Transfer> =>
      end(tx, caller, id, "sender", "withdrawn"),

    /**
     * What the open offers among these show of their invoices, by number: the sender wants the
     * receiver to know what is offered.
     */
    async offered(tx: Tx, transfers: readonly Transfer[]): Promise<Map<string, Offered>> {
      const shown = new Map<string, Offered>();
      for (const { number, status } of transfers) {
        const invoice = status === "offered" ? await invoices.find(tx, number) : undefined;
        if (!invoice) continue;
        const { seller, issuedAt, currency, totals } = invoices.documentOf(invoice);
        shown.set(number, { seller: seller.name, issuedAt, currency, gross: totals.gross });
      }
      return shown;
    },

    async get(tx: Tx, caller: Caller, id: string): Promise<Transfer> {
      const row = await get(tx, caller, id);
      return withOutcome(
        row,
        row.operation === null ? undefined : (await findOperation(tx, row.operation))?.status,
      );
    },

    async list(
      tx: Tx,
      { account }: Caller,
      filter: { status?: Row["status"] | undefined; before?: string | undefined; limit: number },
    ): Promise<Transfer[]> {
      const before = filter.before === undefined ? tx`true` : tx`id < ${filter.before}`;
      const parts = (filter.status === undefined ? statuses : [filter.status]).flatMap((status) =>
        [tx`sender`, tx`receiver`].map(
          (side) =>
            tx`select id, true as fits from transfers where ${side} = ${account} and status = ${status} and ${before}`,
        ),
      );
      const { ids } = await pageOfIds(tx, { parts, limit: filter.limit });
      const rows = await tx<(Row & { outcome: string | null })[]>`
        select t.id, t.number, t.sender, t.receiver, t.status, t.operation, t.created_at, o.status as outcome
        from transfers t left join operation_now o on o.id = t.operation where t.id = any(${ids}::uuid[])`;
      return inOrder(ids, rows).map(({ outcome, ...row }) => withOutcome(row, outcome));
    },
  };
}
