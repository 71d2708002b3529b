/** What the feed says about taxpayers. The bureau sees every row; a taxpayer sees its own. */
import type { Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import { each, type Projection } from "../../feed/follower.ts";
import { standings } from "../../mirror/registry.ts";

const accountOf = async (tx: Tx, index: unknown) =>
  (
    await tx<
      RowOf<"taxpayer_now", "account">[]
    >`select account from taxpayer_now where index = ${index as number}`
  ).map((row) => row.account);

const tell = (type: string, index: string, keep: readonly string[]) =>
  each(async (tx, event) => {
    const data = Object.fromEntries(
      keep.map((name) => [name, event.args[name] as string | number]),
    );
    event.tell({
      type,
      accounts: await accountOf(tx, event.args[index]),
      data: { taxpayer: event.args[index] as number, ...data },
    });
  });

export const taxpayerProjection: Projection = {
  name: "taxpayers",
  tables: [],
  on: {
    TaxpayerEnrolled: tell("taxpayer.enrolled", "index", ["account"]),
    StandingChanged: each(async (tx, event) => {
      const standing = standings[event.args["standing"] as number] ?? "none";
      const index = event.args["index"] as number;
      const type = standing === "suspended" ? "taxpayer.suspended" : "taxpayer.reinstated";
      event.tell({
        type,
        accounts: await accountOf(tx, index),
        data: { taxpayer: index, standing },
      });
    }),
    QuotaSet: tell("quota.set", "index", ["period", "granted"]),
    QuotaDrawn: tell("quota.drawn", "index", ["period", "amount", "drawn"]),
    QuotaGivenBack: tell("quota.given-back", "index", ["period", "amount", "drawn"]),
    SegmentAllotted: tell("segment.allotted", "issuer", ["first", "length"]),
    KeyRotated: each(async (_tx, event) => {
      const account = event.args["account"] as string;
      event.tell({
        type: "key.rotated",
        accounts: [account],
        data: { account, key: event.args["key"] as string },
      });
    }),
  },
};
