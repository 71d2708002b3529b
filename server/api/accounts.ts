/** HTTP shape of accounts that prove their keys. */

import { accountSchema, signatureSchema } from "@onepiao/protocol/values/shapes.ts";
import { z } from "zod";
import type { Tx } from "../db/db.ts";
import type { Accounts } from "../features/parties/accounts.ts";
import { roles, routeFor } from "../kernel/api.ts";

const route = routeFor<Tx>();
const tag = "Accounts";
const proof = signatureSchema.describe(
  "EIP-712 signature by the account's key over Account(address account) in the ledger's domain",
);

export function accountRoutes(accounts: Accounts) {
  return [
    route({
      method: "post",
      path: "/v1/accounts",
      summary: "Make an account known whose key has signed",
      description:
        "For an account that is not a party of this gateway: a person's at another gateway, or one whose owner keeps the key. After this an invoice may be issued to it. The proof serves at every gateway of the network, and any caller may bring it.",
      tag,
      roles,
      body: z.strictObject({ account: accountSchema, proof }),
      answers: { 201: { description: "Known", schema: z.object({ account: accountSchema }) } },
      problems: ["key-not-shown", "account-limit"],
      run: async ({ sql, caller, body }) => ({
        status: 201,
        body: { account: await accounts.show(sql, caller, body) },
      }),
    }),
    route({
      method: "get",
      path: "/v1/account-proof",
      summary: "Proof for another gateway that somebody can sign for the caller's account",
      description:
        "With `proof` when this gateway keeps the account's key; otherwise the party signs `typedData` itself (eth_signTypedData_v4).",
      tag,
      roles,
      answers: {
        200: {
          description: "For POST /v1/accounts of another gateway",
          schema: z
            .object({ account: accountSchema, proof: proof.optional(), typedData: z.unknown() })
            .meta({ id: "AccountProof" }),
        },
      },
      run: async ({ sql, caller }) => ({ status: 200, body: await accounts.proofOf(sql, caller) }),
    }),
  ] as const;
}
