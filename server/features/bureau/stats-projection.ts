/**
 * How many acts of each kind there were, by minute, hour, day and month: a function of the chain
 * alone. Runs before the ledger's mirror: what an invoice was before it was reversed is gone
 * afterwards.
 */
import type { State } from "@onepiao/protocol/ledger/acts.ts";
import { isExternal } from "@onepiao/protocol/ledger/external.ts";
import { countedAs } from "../../chain/acts.ts";
import type { Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import { kindOf, onActs } from "../../feed/acts.ts";
import type { Applied, Projection } from "../../feed/follower.ts";
import { attemptsIn } from "../../mirror/attempts.ts";
import { grains, startOf } from "./stats-buckets.ts";
import type { ActCount } from "./stats-counts.ts";

async function count(
  tx: Tx,
  acts: Iterable<{ kind: ActCount; at: Date; count: number }>,
): Promise<void> {
  const sums = new Map<string, { grain: string; start: Date; kind: ActCount; count: number }>();
  for (const { kind, at, count } of acts) {
    for (const grain of grains) {
      const start = startOf(grain, at);
      const key = `${grain}/${start.getTime()}/${kind}`;
      const sum = sums.get(key) ?? { grain, start, kind, count: 0 };
      sum.count += count;
      sums.set(key, sum);
    }
  }
  if (sums.size === 0) return;
  const rows = [...sums.values()];
  await tx`
    insert into stats_acts (grain, start, kind, count)
    select * from unnest(${rows.map((row) => row.grain)}::text[], ${rows.map((row) => row.start)}::timestamptz[], ${rows.map((row) => row.kind)}::text[],
                         ${rows.map((row) => row.count)}::bigint[])
    on conflict (grain, start, kind) do update set count = stats_acts.count + excluded.count`;
}

/** Counts acts, by what their invoices are until the ledger's mirror has them. */
async function acts(tx: Tx, run: readonly Applied[]): Promise<void> {
  const rows = await tx<(RowOf<"record_now", "number"> & { state: State })[]>`
    select number, state from record_now where number = any(${run.map((event) => event.args["id"] as string)}::numeric[])`;
  const states = new Map(rows.map((row) => [row.number, row.state]));
  const counted = new Set<string>();
  await count(
    tx,
    run.flatMap((event) => {
      const kind = kindOf(event);
      // the ids in one act on what was issued elsewhere are those of one invoice
      const act = String(event.args["act"]);
      const repeated = isExternal(event.args["id"] as string) && counted.has(act);
      counted.add(act);
      // of another gateway's invoice nothing is known here but that it was issued
      return kind === undefined || repeated
        ? []
        : [
            {
              kind: countedAs(kind, states.get(event.args["id"] as string) ?? "issued"),
              at: event.at,
              count: 1,
            },
          ];
    }),
  );
}

export const statsProjection: Projection = {
  name: "stats",
  tables: ["stats_acts"],
  derived: ["stats_cursor", "stats_buckets", "stats_issuers", "stats_undocumented"],
  on: {
    async LotSealed(tx, run) {
      await count(
        tx,
        run.map(({ at, args }) => ({
          kind: "issued" as const,
          at,
          count: args["count"] as number,
        })),
      );
    },
    ...onActs(() => acts),
    async Refused(tx, run) {
      const attempts = await attemptsIn(tx, run);
      await count(
        tx,
        [...attempts.keys()].map(({ at }) => ({ kind: "refused" as const, at, count: 1 })),
      );
    },
  },
};
