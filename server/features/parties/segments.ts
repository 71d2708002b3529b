/** Segments (号段): runs of invoice numbers that the bureau allots to an issuer. */
import { enqueue } from "../../acts/operations.ts";
import type { Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import type { Caller } from "../../kernel/api.ts";
import { periodOf } from "./quotas.ts";
import type { Taxpayer } from "./taxpayers.ts";

/** The series YY RR C of an issuer's numbers: year, region, channel 2 (this network's). */
export const seriesOf = (at: Date, region: string): number =>
  Number(`${String(periodOf(at)).slice(2, 4)}${region}2`);

/** Asks the chain for the next numbers of a series; returns the operation. */
export const allotSegment = (
  tx: Tx,
  caller: Caller,
  taxpayer: Taxpayer,
  series: number,
  length: bigint,
) =>
  enqueue(tx, {
    kind: "segment",
    party: caller.account,
    command: {
      type: "call",
      contract: "registry",
      function: "allotSegment",
      args: [taxpayer.index, series, length.toString()],
    },
  });

/** By first number; `after`: the last first number of the page before. */
export async function segmentsOf(
  tx: Tx,
  taxpayer: Taxpayer,
  { after, limit }: { after?: string | undefined; limit: number },
) {
  const rows = await tx<(RowOf<"segment_now", "first" | "length"> & { accepted: bigint | null })[]>`
    select s.first, s.length, a.accepted from (
      select first, length from segment_now where issuer = ${taxpayer.index} and first > ${after ?? 0} order by first limit ${limit}
    ) s left join segment_accepted_now a on a.segment = s.first order by s.first`;
  return rows.map((row) => ({
    first: row.first,
    length: Number(row.length),
    used: Number(row.accepted ?? 0n),
  }));
}
