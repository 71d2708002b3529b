/** What the feed says of transfers. Runs before the ledger's mirror, which forgets the holder before. */
import type { Projection } from "../../feed/follower.ts";

export const transferProjection: Projection = {
  name: "transfers",
  tables: [],
  on: {
    async Transferred(tx, event) {
      const number = event.args["id"] as string;
      const to = event.args["to"] as string;
      const [before] = await tx<{ holder: string; issuer: string }[]>`
        select s.holder, i.account as issuer from invoice_states s join taxpayers i on i.index = s.issuer where s.number = ${number}`;
      if (!before) return;
      event.tell({ type: "invoice.transferred", number, accounts: [before.issuer, before.holder, to], data: { from: before.holder, to } });
    },
  },
};
