/**
 * Persons: holders who are no taxpayers (consumers, employees). On the chain a person is an account and nothing else; what is
 * known of it here is sealed. Seen by the taxpayer that made it, and by the person itself.
 */
import type { Contracts } from "../../chain/contracts.ts";
import { checksummed, digest, recoverSigner } from "../../chain/messages.ts";
import type { Tx } from "../../db/db.ts";
import type { Caller } from "../../kernel/api.ts";
import { Problem } from "../../kernel/problems.ts";
import type { Keystore } from "../../keys/keystore.ts";
import type { Vault } from "../../keys/vault.ts";
import { addressOf, type Custody } from "../taxpayers/taxpayers.ts";

export type Person = { account: string; name: string; custody: "gateway" | "own" };
export type Persons = ReturnType<typeof createPersons>;

/** `proof`: the account's signature over Register(account, maker) in the ledger's domain (EIP-712). */
export type PersonKey = { custody: "gateway" } | (Extract<Custody, { custody: "own" }> & { proof: string });

export function createPersons({ vault, keys, contracts }: { vault: Vault; keys: Keystore; contracts: Contracts }) {
  /** Whoever registers an account may make API keys for it: so anybody could read what a stranger's account holds. */
  function checkProof(caller: Caller, key: PersonKey): void {
    if (key.custody === "gateway") return;
    const account = checksummed(key.address);
    const message = { type: "Register" as const, value: { account, maker: caller.account } };
    if (recoverSigner(digest(contracts.domains.ledger, message), key.proof) === account) return;
    throw new Problem("key-not-shown", "The account has to sign that this taxpayer registers it", {
      violations: [{ field: "/key/proof", rule: "signature-by-account-key", detail: "EIP-712 Register(address account,address maker) in the ledger's domain" }],
    });
  }

  return {
    async create(tx: Tx, caller: Caller, person: { name: string; key: PersonKey }): Promise<Person> {
      const account = await addressOf(tx, keys, person.key);
      checkProof(caller, person.key);
      const made = await tx`
        insert into parties (account, kind, sealed, created_by)
        values (${account}, 'person', ${vault.seal("parties", account, JSON.stringify({ name: person.name }))}, ${caller.account})
        on conflict do nothing`;
      if (made.count === 0) throw new Problem("account-enrolled", "The account is in use");
      return { account, name: person.name, custody: person.key.custody };
    },
    async get(tx: Tx, caller: Caller, written: string): Promise<Person> {
      const account = checksummed(written);
      const [row] = await tx<{ account: string; sealed: Buffer; created_by: string }[]>`
        select account, sealed, created_by from parties where account = ${account} and kind = 'person'`;
      if (!row || (row.created_by !== caller.account && row.account !== caller.account)) {
        throw new Problem("not-found", "There is no person with this account that you may see");
      }
      const { name } = JSON.parse(vault.open("parties", account, row.sealed).toString()) as { name: string };
      return { account, name, custody: (await keys.holds(account)) ? "gateway" : "own" };
    },
    /** Whether anything is known of an account here: then it can be named as a holder. */
    async known(tx: Tx, account: string): Promise<boolean> {
      return (await tx`select 1 from parties where account = ${account} and kind <> 'bureau'`).length > 0;
    },
  };
}
