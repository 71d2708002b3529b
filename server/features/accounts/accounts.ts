/**
 * What accounts show of their keys: that somebody can sign for them.
 */
import type { Contracts } from "../../chain/contracts.ts";
import { digest, recoverSigner } from "../../chain/messages.ts";
import type { Tx } from "../../db/db.ts";
import { Problem } from "../../kernel/problems.ts";
import type { Keystore } from "../../keys/keystore.ts";
import { addressOf, type Custody } from "../taxpayers/taxpayers.ts";

export type Accounts = ReturnType<typeof createAccounts>;

/** `proof`: the key's signature over Register(account, maker) in the ledger's domain (EIP-712). */
export type ProvenKey = { custody: "gateway" } | (Extract<Custody, { custody: "own" }> & { proof: string });

export function createAccounts({ keys, contracts }: { keys: Keystore; contracts: Contracts }) {
  return {
    /**
     * The address of a new key, made here or one's own. One's own has to sign for whom it is registered, `maker`: so nobody registers an
     * account that is somebody else's, and a slip of the pen is found. Throws key-not-shown, zero-address, account-enrolled.
     */
    async register(tx: Tx, key: ProvenKey, maker: string): Promise<string> {
      const address = await addressOf(tx, keys, key);
      if (key.custody === "gateway") return address;
      const message = { type: "Register" as const, value: { account: address, maker } };
      if (recoverSigner(digest(contracts.domains.ledger, message), key.proof) === address) return address;
      throw new Problem("key-not-shown", `The key has to sign that ${maker} registers it`, {
        violations: [
          { field: "/key/proof", rule: "signature-by-account-key", detail: "EIP-712 Register(address account,address maker) in the ledger's domain" },
        ],
      });
    },
  };
}
