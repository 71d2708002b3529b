/** What the feed says of book entry: to the employer whose books they are, and the bureau. */

import type { RowOf } from "../../db/tables.ts";
import { addActRow } from "../../feed/acts.ts";
import type { Projection } from "../../feed/follower.ts";
import { markFrom } from "../../mirror/entries.ts";

export const entryProjection: Projection = {
  name: "entries",
  tables: [],
  on: {
    async Entered(tx, run) {
      const indexes = [...new Set(run.map((event) => event.args["employer"] as number))];
      const rows = await tx<
        RowOf<"taxpayer_now", "index" | "account">[]
      >`select index, account from taxpayer_now where index = any(${indexes}::int[])`;
      const accountOf = new Map(rows.map((row) => [row.index, row.account]));
      for (const event of run) {
        const { act, employer, mark } = event.args as {
          act: string;
          employer: number;
          mark: number;
        };
        addActRow(
          event,
          { employer: accountOf.get(employer) },
          { mark: markFrom(mark), act, employer },
        );
      }
    },
  },
};
