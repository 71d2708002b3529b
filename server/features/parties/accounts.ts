/**
 * Accounts, and their proof that somebody can sign for them. An invoice that is issued to an
 * account which nobody can sign for is lost, so a holder must be an account that the network knows:
 *
 * | known | because |
 * | --- | --- |
 * | a person of this gateway | its key is kept here, or has signed at registration |
 * | an enrolled taxpayer | the registry has it |
 * | a shown account | its key has signed Account(account), here or at another gateway, and the signature was brought here once |
 *
 * Owns the table shown_accounts.
 */

import {
  checksummed,
  digest,
  type Message,
  recoverSigner,
  typedData,
} from "@onepiao/protocol/ledger/messages.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { type Contracts, ZERO_ACCOUNT } from "../../chain/contracts.ts";
import type { Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import type { Caller } from "../../kernel/api.ts";
import { isKept, type Keystore } from "../../keys/keystore.ts";
import { keyOf } from "../../mirror/registry.ts";

export type Accounts = ReturnType<typeof createAccounts>;

/** `proof`: the key's signature over Register(account, maker) in the ledger's domain (EIP-712). */
export type ProvenKey =
  | { custody: "gateway" }
  | (Extract<Custody, { custody: "own" }> & { proof: string });

/** Where a party's key is: made and kept here, or kept by the party. */
export type Custody = { custody: "gateway" } | { custody: "own"; address: string };

/**
 * The address of a party's new key. Throws zero-address: red letters belong to the zero address,
 * and nobody can sign for it. Throws account-enrolled for the address of a key that is kept here:
 * it belongs to some party already.
 */
export async function addressOf(tx: Tx, keys: Keystore, key: Custody): Promise<string> {
  if (key.custody === "gateway") return keys.create(tx);
  const address = checksummed(key.address);
  if (address === ZERO_ACCOUNT) {
    throw new Problem("zero-address", "The zero address has no key", {
      violations: [{ field: "/key/address", rule: "not-zero", detail: "Nobody can sign for it" }],
    });
  }
  if (await isKept(tx, address)) throw new Problem("account-enrolled", "The account is in use");
  return address;
}

/** `maxShown`: shown accounts that one party may bring. */
type Deps = { keys: Keystore; contracts: Contracts; maxShown: number };

export function createAccounts({ keys, contracts, maxShown }: Deps) {
  const accountMessage = (account: string): Message => ({ type: "Account", value: { account } });

  /** The accounts among these that the network knows. */
  async function known(tx: Tx, accounts: readonly string[]): Promise<ReadonlySet<string>> {
    if (accounts.length === 0) return new Set();
    const rows = await tx<RowOf<"parties", "account">[]>`
      select account from parties where account = any(${accounts}::text[]) and kind = 'person'
      union all select account from taxpayer_now where account = any(${accounts}::text[])
      union all select account from shown_accounts where account = any(${accounts}::text[])`;
    return new Set(rows.map(({ account }) => account));
  }

  return {
    known,

    /** The refusal of an unknown holder. */
    unknownHolder(field: string): Problem {
      const detail =
        "A person, an enrolled taxpayer, or an account whose proof was brought by POST /v1/accounts";
      return new Problem(
        "receiver-invalid",
        "The network does not know this account: nobody may be able to sign for it",
        {
          violations: [{ field, rule: "known-account", detail }],
        },
      );
    },

    /**
     * The address of a new key, made here or kept by its owner. An owner's key has to sign for the
     * party that registers it (`maker`): so nobody registers somebody else's account, and a typing
     * error is found. Throws key-not-shown, zero-address, account-enrolled.
     */
    async register(tx: Tx, key: ProvenKey, maker: string): Promise<string> {
      const address = await addressOf(tx, keys, key);
      if (key.custody === "gateway") return address;
      const message = { type: "Register" as const, value: { account: address, maker } };
      if (recoverSigner(digest(contracts.domains.ledger, message), key.proof) === address)
        return address;
      throw new Problem("key-not-shown", `The key has to sign that ${maker} registers it`, {
        violations: [
          {
            field: "/key/proof",
            rule: "signature-by-account-key",
            detail: "EIP-712 Register(address account,address maker) in the ledger's domain",
          },
        ],
      });
    },

    /**
     * Stores an account whose present key has signed Account(account). Doing it again changes
     * nothing. Throws key-not-shown, account-limit.
     */
    async show(tx: Tx, caller: Caller, shown: { account: string; proof: string }): Promise<string> {
      const account = checksummed(shown.account);
      const key = await keyOf(tx, account);
      const signer = recoverSigner(
        digest(contracts.domains.ledger, accountMessage(account)),
        shown.proof,
      );
      if (account === ZERO_ACCOUNT || signer !== key) {
        throw new Problem("key-not-shown", "The account's present key did not sign this", {
          violations: [
            {
              field: "/proof",
              rule: "signature-by-account-key",
              detail: "EIP-712 Account(address account) in the ledger's domain",
            },
          ],
        });
      }
      if ((await known(tx, [account])).has(account)) return account;
      // one transaction at a time counts what a party has brought
      await tx`select 1 from parties where account = ${caller.account} for no key update`;
      const [{ count } = { count: 0 }] = await tx<
        { count: number }[]
      >`select count(*)::int as count from shown_accounts where shown_by = ${caller.account}`;
      if (count >= maxShown)
        throw new Problem("account-limit", `The party has brought ${count} accounts`, {
          extra: { maxAccounts: maxShown },
        });
      await tx`insert into shown_accounts (account, shown_by) values (${account}, ${caller.account}) on conflict do nothing`;
      return account;
    },

    /**
     * The proof that the caller's account shows another gateway: signed here when its key is kept
     * here, otherwise for the party to sign.
     */
    async proofOf(
      tx: Tx,
      { account }: Caller,
    ): Promise<{ account: string; proof?: string; typedData: unknown }> {
      const message = accountMessage(account);
      const signature = await keys.sign(
        await keyOf(tx, account),
        digest(contracts.domains.ledger, message),
      );
      return {
        account,
        ...(signature === undefined ? {} : { proof: `${signature.r}${signature.vs.slice(2)}` }),
        typedData: typedData(contracts.domains.ledger, message),
      };
    },
  };
}
