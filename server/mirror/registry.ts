/**
 * The registry's state in tables: taxpayers, accounts (keys, present and past; counters), quotas,
 * segments. It depends only on the chain.
 */
import type { Tx } from "../db/db.ts";
import type { RowOf } from "../db/tables.ts";
import { each, type Projection } from "../feed/follower.ts";

export const standings = ["none", "active", "suspended"] as const;
export type Standing = (typeof standings)[number];

/** The key that signs for an account now. */
export async function keyOf(tx: Tx, account: string): Promise<string> {
  const [row] = await tx<
    RowOf<"accounts", "key">[]
  >`select key from accounts where account = ${account}`;
  return row?.key ?? account;
}

/** The keys that sign for these accounts now, by account. */
export async function keysOf(tx: Tx, accounts: readonly string[]): Promise<Map<string, string>> {
  const rows = await tx<
    (RowOf<"accounts", "account"> & { key: string })[]
  >`select account, key from accounts where account = any(${accounts}::text[]) and key is not null`;
  const rotated = new Map(rows.map((row) => [row.account, row.key]));
  return new Map(accounts.map((account) => [account, rotated.get(account) ?? account]));
}

const setQuota = (
  tx: Tx,
  column: "granted" | "drawn",
  args: Record<string, string | number | boolean>,
) => tx`
  insert into quotas (taxpayer, period, ${tx(column)})
  values (${args["index"] as number}, ${args["period"] as number}, ${args[column] as string})
  on conflict (taxpayer, period) do update set ${tx(column)} = excluded.${tx(column)}`;

/** The registry accepted a signed act, so the account's counter moved. */
const count = (tx: Tx, index: number) => tx`
  insert into accounts (account, counter) select account, 1 from taxpayers where index = ${index}
  on conflict (account) do update set counter = accounts.counter + 1`;

export const registryMirror: Projection = {
  name: "registry",
  tables: ["taxpayers", "accounts", "account_keys", "quotas", "segments"],
  on: {
    TaxpayerEnrolled: each(async (tx, { args }) => {
      await tx`
        insert into taxpayers (index, account, capabilities, standing, identity)
        values (${args["index"] as number}, ${args["account"] as string},
          ${args["capabilities"] as number}, 'active', ${args["identity"] as string})`;
    }),
    StandingChanged: each(async (tx, { args }) => {
      await tx`
        update taxpayers set standing = ${standings[args["standing"] as number] as string}
          where index = ${args["index"] as number}`;
    }),
    CapabilitiesChanged: each(async (tx, { args }) => {
      await tx`
        update taxpayers set capabilities = ${args["capabilities"] as number}
          where index = ${args["index"] as number}`;
    }),
    KeyRotated: each(async (tx, { args }) => {
      await tx`
        insert into accounts (account, key, counter)
        values (${args["account"] as string}, ${args["key"] as string},
          ${args["counter"] as string})
        on conflict (account) do update set key = excluded.key, counter = excluded.counter`;
      await tx`
        insert into account_keys (account, key) values (${args["account"] as string},
          ${args["key"] as string}) on conflict do nothing`;
    }),
    QuotaSet: each(async (tx, { args }) => {
      await setQuota(tx, "granted", args);
    }),
    QuotaDrawn: each(async (tx, { args }) => {
      await setQuota(tx, "drawn", args);
      await count(tx, args["index"] as number);
    }),
    QuotaGivenBack: each(async (tx, { args }) => {
      await setQuota(tx, "drawn", args);
      await count(tx, args["index"] as number);
    }),
    SegmentAllotted: each(async (tx, { args }) => {
      const first = args["first"] as string;
      await tx`
        insert into segments (first, issuer, length) values (${first}, ${args["issuer"] as number},
          ${args["length"] as string})`;
    }),
  },
};
