/** What the feed says of invoices: issued, reversed and adjusted, and every attempt at a second reimbursement. Runs after the ledger's mirror. */
import { actKinds, errorName } from "../../chain/contracts.ts";
import type { Tx } from "../../db/db.ts";
import { each, type Projection } from "../../feed/follower.ts";
import { codeOfChainError } from "../../kernel/problems.ts";

/** What an alarm is raised at, by the act's kind. */
const attempts: Readonly<Record<string, "claim" | "reimburse" | "admit">> = { Claim: "claim", Reimburse: "reimburse", Admit: "admit" };

type Parties = { number: string; holder: string; issuer: string; employer: string | null };

async function partiesOf(tx: Tx, number: string): Promise<string[]> {
  const [row] = await tx<Parties[]>`
    select s.number, s.holder, i.account as issuer, e.account as employer from invoice_states s
    join taxpayers i on i.index = s.issuer left join taxpayers e on e.index = s.employer where s.number = ${number}`;
  return row ? accountsOf(row) : [];
}
const accountsOf = (row: Parties) => [row.issuer, row.holder, ...(row.employer ? [row.employer] : [])];

/** A red letter has its number after this: it is named by its id when it was opened here, and by what its act was signed with. */
const redLetter = (type: "invoice.reversed" | "invoice.adjusted") =>
  each(async (tx, event) => {
    const [number, ref] = [event.args["id"] as string, event.args["ref"] as string];
    const [sheet] = await tx<{ id: string }[]>`select id from red_letters where ref = ${ref}`;
    event.tell({ type, number, accounts: await partiesOf(tx, number), data: { ...(sheet ? { redLetter: sheet.id } : {}), ref } });
  });

export const invoiceProjection: Projection = {
  name: "invoices",
  tables: [],
  on: {
    async LotSealed(tx, run) {
      const rows = await tx<(Parties & { lot: string })[]>`
        select l.first as lot, s.number, s.holder, i.account as issuer, e.account as employer
        from unnest(${run.map((event) => event.args["first"])}::numeric[], ${run.map((event) => event.args["count"])}::int[]) as l (first, count)
        cross join lateral (
          select * from invoice_states where number >= l.first and number < l.first + l.count order by number offset 0
        ) s join taxpayers i on i.index = s.issuer left join taxpayers e on e.index = s.employer order by s.number`;
      const byLot = Map.groupBy(rows, (row) => row.lot);
      for (const event of run) {
        const lot = event.args["first"] as string;
        for (const row of byLot.get(lot) ?? []) event.tell({ type: "invoice.issued", number: row.number, accounts: accountsOf(row), data: { lot } });
      }
    },
    Reversed: redLetter("invoice.reversed"),
    Adjusted: redLetter("invoice.adjusted"),
    Refused: each(async (tx, event) => {
      if (event.args["alarm"] !== true) return;
      const number = event.args["id"] as string;
      const reason = errorName((event.args["reason"] as string).slice(0, 10)) ?? "";
      const attempt = attempts[actKinds[event.args["kind"] as number] ?? ""] ?? "reimburse";
      // who tried is told by the operation, when it was made here, and by the act itself
      const [operation] = await tx<{ party: string; taxpayer: number | null }[]>`
        select party, (command->>'taxpayer')::int as taxpayer from operations where digest = ${event.args["act"] as string} limit 1`;
      const [record] = await tx<{ holder: string }[]>`select holder from invoice_states where number = ${number}`;
      const index = event.attempt?.taxpayer ?? operation?.taxpayer ?? undefined;
      const [employer] = index === undefined ? [] : await tx<{ account: string }[]>`select account from taxpayers where index = ${index}`;
      // a claim is the holder's own attempt; the others are the employer's, and the holder learns of them, not whose they were
      const by = operation?.party ?? (attempt === "claim" ? record?.holder : employer?.account);
      const accounts = [by, record?.holder].filter((account) => account !== undefined);
      event.tell({
        type: "reimbursement.refused",
        number,
        accounts,
        data: { reason: codeOfChainError(reason) ?? reason, attempt },
        bureau: { ...(by === undefined ? {} : { by }), ...(index === undefined ? {} : { employer: index }) },
      });
    }),
  },
};
