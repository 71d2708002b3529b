/** What the feed says of transfers, to the two who hand on and take over: the issuer need not learn whom its invoice goes to. Runs before the ledger's mirror, which forgets the holder before. */
import type { Projection } from "../../feed/follower.ts";

export const transferProjection: Projection = {
  name: "transfers",
  tables: [],
  on: {
    async Transferred(tx, event) {
      const number = event.args["id"] as string;
      const to = event.args["to"] as string;
      const [before] = await tx<{ holder: string }[]>`select holder from invoice_states where number = ${number}`;
      if (!before) return;
      event.tell({ type: "invoice.transferred", number, accounts: [before.holder, to], data: { from: before.holder, to } });
    },
  },
};
