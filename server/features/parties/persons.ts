/**
 * Persons: holders who are not taxpayers (consumers, employees). On the chain a person is only an
 * account; what this gateway knows about it is sealed. The taxpayer that makes a person manages its
 * access until the person leaves (access.ts).
 *
 * A person sees itself. Keys with the role `employer` or `admin` see it, too: those of its manager
 * and, after it has left, those of an employer that it has claimed from.
 */
import { checksummed } from "@onepiao/protocol/ledger/messages.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import type { Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import type { Caller } from "../../kernel/api.ts";
import type { Keystore } from "../../keys/keystore.ts";
import type { Vault } from "../../keys/vault.ts";
import type { Accounts, ProvenKey } from "./accounts.ts";

export type Person = { account: string; name: string; custody: "gateway" | "own" };
export type Persons = ReturnType<typeof createPersons>;

type Deps = {
  vault: Vault;
  keys: Keystore;
  accounts: Accounts;
  /** The most persons that one party manages. */
  maxPersons: number;
  /** Whether the holder has ever claimed from the employer, both by their accounts. */
  hasClaimedFrom(tx: Tx, holder: string, employer: string): Promise<boolean>;
};

export function createPersons({ vault, keys, accounts, maxPersons, hasClaimedFrom }: Deps) {
  async function visible(
    tx: Tx,
    caller: Caller,
    account: string,
    manager: string | null,
  ): Promise<boolean> {
    if (account === caller.account) return true;
    if (!caller.roles.includes("employer") && !caller.roles.includes("admin")) return false;
    if (manager === caller.account) return true;
    return hasClaimedFrom(tx, account, caller.account);
  }

  return {
    /** Throws person-limit, account-enrolled, key-not-shown, zero-address. */
    async create(
      tx: Tx,
      caller: Caller,
      person: { name: string; key: ProvenKey },
    ): Promise<Person> {
      // a party that registers an account may make API keys for it: without a proof it could read
      // what a stranger's account holds
      const account = await accounts.register(tx, person.key, caller.account);
      // one transaction at a time counts a party's persons
      await tx`select 1 from parties where account = ${caller.account} for no key update`;
      const [{ count } = { count: 0 }] = await tx<
        { count: number }[]
      >`select count(*)::int as count from parties where manager = ${caller.account}`;
      if (count >= maxPersons)
        throw new Problem("person-limit", `The party manages ${count} persons`, {
          extra: { maxPersons },
        });
      const made = await tx`
        insert into parties (account, kind, sealed, created_by, manager)
        values (${account}, 'person', ${vault.seal("parties", account, JSON.stringify({ name: person.name }))}, ${caller.account}, ${caller.account})
        on conflict do nothing`;
      if (made.count === 0) throw new Problem("account-enrolled", "The account is in use");
      return { account, name: person.name, custody: person.key.custody };
    },
    async get(tx: Tx, caller: Caller, written: string): Promise<Person> {
      const account = checksummed(written);
      const [row] = await tx<RowOf<"parties", "sealed" | "manager">[]>`
        select sealed, manager from parties where account = ${account} and kind = 'person'`;
      if (!row || !(await visible(tx, caller, account, row.manager))) {
        throw new Problem("not-found", "There is no person with this account that you may see");
      }
      const { name } = JSON.parse(vault.open("parties", account, row.sealed).toString()) as {
        name: string;
      };
      return { account, name, custody: (await keys.holds(account)) ? "gateway" : "own" };
    },
    /** Whether this gateway knows the account, so that it can be named as a holder. */
    async known(tx: Tx, account: string): Promise<boolean> {
      return (
        (await tx`select 1 from parties where account = ${account} and kind <> 'bureau'`).length > 0
      );
    },
  };
}
