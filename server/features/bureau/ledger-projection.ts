/** What the feed says about the ledger as a whole; every party may see it. */
import { each, type Projection } from "../../feed/follower.ts";

export const ledgerProjection: Projection = {
  name: "ledger-state",
  tables: [],
  on: {
    ClosedSet: each(async (_tx, event) => {
      event.tell({
        type: event.args["closed"] === true ? "ledger.closed" : "ledger.opened",
        accounts: ["*"],
        data: {},
      });
    }),
  },
};
