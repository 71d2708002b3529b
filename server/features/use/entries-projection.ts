/** What the feed says of book entry: to the employer whose books they are, and the bureau. */
import type { Projection } from "../../feed/follower.ts";
import { markFrom } from "../../mirror/entries.ts";

export const entryProjection: Projection = {
  name: "entries",
  tables: [],
  on: {
    async Entered(tx, run) {
      const indexes = [...new Set(run.map((event) => event.args["employer"] as number))];
      const rows = await tx<{ index: number; account: string }[]>`select index, account from taxpayers where index = any(${indexes}::int[])`;
      const accountOf = new Map(rows.map((row) => [row.index, row.account]));
      for (const event of run) {
        const { id, act, employer, mark } = event.args as { id: string; act: string; employer: number; mark: number };
        const account = accountOf.get(employer);
        event.tell({ type: "invoice.entered", number: id, accounts: account === undefined ? [] : [account], data: { mark: markFrom(mark), act, employer } });
      }
    },
  },
};
