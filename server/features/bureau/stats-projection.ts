/**
 * How many acts of each kind there were, by minute, hour, day and month: a function of the chain alone. Runs before the ledger's
 * mirror: what an invoice was before it was reversed is gone afterwards.
 */
import { isExternal } from "@onepiao/protocol/ledger/external.ts";
import type { Tx } from "../../db/db.ts";
import type { Applied, Projection } from "../../feed/follower.ts";
import { attemptsIn } from "../../mirror/attempts.ts";
import { type ActKind, grains, startOf } from "./stats.ts";

async function count(tx: Tx, acts: Iterable<{ kind: ActKind; at: Date; count: number }>): Promise<void> {
  const sums = new Map<string, { grain: string; start: Date; kind: ActKind; count: number }>();
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

const counted = (kind: ActKind) => async (tx: Tx, run: readonly Applied[]) =>
  count(
    tx,
    run.map(({ at }) => ({ kind, at, count: 1 })),
  );

const reversedFrom = { issued: "reversed", claimed: "reversed-claimed", reimbursed: "reversed-reimbursed" } as const;

export const statsProjection: Projection = {
  name: "stats",
  tables: ["stats_acts"],
  derived: ["stats_cursor", "stats_buckets", "stats_issuers", "stats_undocumented"],
  on: {
    async LotSealed(tx, run) {
      await count(
        tx,
        run.map(({ at, args }) => ({ kind: "issued" as const, at, count: args["count"] as number })),
      );
    },
    Transferred: counted("transferred"),
    async Claimed(tx, run) {
      // admitted again after a rejection it is the same invoice
      const first = ({ args }: Applied) => isExternal(args["id"] as string) && args["version"] === 1;
      await count(
        tx,
        run.map((event) => ({ kind: first(event) ? ("admitted" as const) : ("claimed" as const), at: event.at, count: 1 })),
      );
    },
    Withdrawn: counted("withdrawn"),
    Rejected: counted("rejected"),
    Reimbursed: counted("reimbursed"),
    Adjusted: counted("adjusted"),
    Entered: counted("entered"),
    async Reversed(tx, run) {
      const rows = await tx<{ number: string; state: keyof typeof reversedFrom }[]>`
        select number, state from invoice_states where number = any(${run.map((event) => event.args["id"] as string)}::numeric[])`;
      const states = new Map(rows.map((row) => [row.number, row.state]));
      // of another gateway's invoice nothing is known here but that it was issued
      const kindOf = ({ args }: Applied): ActKind => reversedFrom[states.get(args["id"] as string) ?? "issued"] ?? "reversed";
      await count(
        tx,
        run.map((event) => ({ kind: kindOf(event), at: event.at, count: 1 })),
      );
    },
    async Refused(tx, run) {
      const attempts = await attemptsIn(tx, run);
      await count(
        tx,
        [...attempts.keys()].map(({ at }) => ({ kind: "refused" as const, at, count: 1 })),
      );
    },
  },
};
