/**
 * What the feed says about transfers, to the two holders: the issuer need not learn who has its
 * invoice. Runs before the ledger's mirror, which forgets the previous holder.
 */

import type { RowOf } from "../../db/tables.ts";
import { addActRow } from "../../feed/acts.ts";
import type { Projection } from "../../feed/follower.ts";

export const transferProjection: Projection = {
  name: "transfers",
  tables: [],
  on: {
    async Transferred(tx, run) {
      const numbers = run.map((event) => event.args["id"] as string);
      const rows = await tx<
        RowOf<"record_now", "number" | "holder">[]
      >`select number, holder from record_now where number = any(${numbers}::numeric[])`;
      const holders = new Map(rows.map((row) => [row.number, row.holder]));
      for (const event of run) {
        const [number, to] = [event.args["id"] as string, event.args["to"] as string];
        const from = holders.get(number);
        if (from !== undefined) addActRow(event, { holder: from, receiver: to }, { from, to });
      }
    },
  },
};
