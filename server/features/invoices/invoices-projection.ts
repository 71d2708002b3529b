/**
 * What the feed says about invoices: that they are issued, and each attempt at a second
 * reimbursement. Runs after the ledger's mirror.
 */

import { codeOfChainError } from "@onepiao/protocol/values/problems.ts";
import type { RowOf } from "../../db/tables.ts";
import type { Projection } from "../../feed/follower.ts";
import { attemptsIn } from "../../mirror/attempts.ts";

type Parties = { number: string; holder: string; issuer: string; employer: string | null };

const accountsOf = (row: Parties) => [
  row.issuer,
  row.holder,
  ...(row.employer ? [row.employer] : []),
];

export const invoiceProjection: Projection = {
  name: "invoices",
  tables: [],
  on: {
    async LotSealed(tx, run) {
      const rows = await tx<(Parties & { lot: string })[]>`
        select l.first as lot, s.number, s.holder, i.account as issuer, e.account as employer
        from unnest(${run.map((event) => event.args["first"])}::numeric[], ${run.map((event) => event.args["count"])}::int[]) as l (first, count)
        cross join lateral (
          select * from record_now where number >= l.first and number < l.first + l.count order by number offset 0
        ) s join taxpayer_now i on i.index = s.issuer left join taxpayer_now e on e.index = s.employer order by s.number`;
      const byLot = Map.groupBy(rows, (row) => row.lot);
      for (const event of run) {
        const lot = event.args["first"] as string;
        for (const row of byLot.get(lot) ?? [])
          event.tell({
            type: "invoice.issued",
            number: row.number,
            accounts: accountsOf(row),
            data: { lot },
          });
      }
    },
    async Refused(tx, run) {
      const attempts = await attemptsIn(tx, run);
      if (attempts.size === 0) return;
      const numbers = [...attempts.values()].map((attempt) => attempt.number);
      const rows = await tx<
        RowOf<"record_now", "number" | "holder">[]
      >`select number, holder from record_now where number = any(${numbers}::numeric[])`;
      const holders = new Map(rows.map((row) => [row.number, row.holder]));
      for (const [event, { party, kind, number, employer, act, reason }] of attempts) {
        event.tell({
          type: "reimbursement.refused",
          number,
          // the holder learns of an employer's attempt, but not which employer's
          accounts: [party, holders.get(number) ?? ""].filter((account) => account !== ""),
          data: { reason: codeOfChainError(reason) ?? reason, attempt: kind },
          bureau: {
            act,
            ...(party === "" ? {} : { by: party }),
            ...(employer === null ? {} : { employer }),
          },
        });
      }
    },
  },
};
