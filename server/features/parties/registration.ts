/**
 * Registration: what the registry is asked to change about a taxpayer. The bureau enrols it, sets
 * its standing and its capabilities; the bureau or the taxpayer itself gives its account another
 * key. Each call returns the operation that it starts.
 */
import { randomBytes } from "node:crypto";
import { identityCommitment } from "@onepiao/protocol/proofs/bundle.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { isTaxId, normaliseTaxId, regionOf } from "@onepiao/protocol/values/tax-id.ts";
import { enqueue } from "../../acts/operations.ts";
import { capabilityBits } from "../../chain/contracts.ts";
import type { Tx } from "../../db/db.ts";
import type { Caller } from "../../kernel/api.ts";
import type { Keystore } from "../../keys/keystore.ts";
import { addressOf, type Custody } from "./accounts.ts";
import type { Capability, Taxpayer, Taxpayers } from "./taxpayers.ts";

export type Enrolment = {
  name: string;
  taxId: string;
  capabilities: Capability[];
  region?: string | undefined;
  currency: string;
  key: Custody;
};

export type Registration = ReturnType<typeof createRegistration>;

const bits = (capabilities: readonly Capability[]) =>
  capabilities.reduce((mask, capability) => mask | capabilityBits[capability], 0);

type Deps = { keys: Keystore; taxpayers: Taxpayers };

export function createRegistration({ keys, taxpayers }: Deps) {
  return {
    /** Throws invalid-request, tax-id-enrolled, account-enrolled, zero-address. */
    async enrol(
      tx: Tx,
      caller: Caller,
      enrolment: Enrolment,
    ): Promise<{ account: string; taxId: string; operation: string }> {
      const taxId = normaliseTaxId(enrolment.taxId);
      if (taxId === undefined || !isTaxId(taxId)) {
        throw new Problem("invalid-request", "The tax id is not valid", {
          violations: [
            {
              field: "/taxId",
              rule: "tax-id-check-digit",
              detail:
                "18 characters of GB 32100-2015 with a valid check digit, or a country code and a foreign id",
            },
          ],
        });
      }
      await taxpayers.checkFree(tx, taxId);
      const account = await addressOf(tx, keys, enrolment.key);
      const identity = {
        name: enrolment.name,
        taxId,
        region: enrolment.region ?? regionOf(taxId),
        currency: enrolment.currency,
        salt: randomBytes(32).toString("hex"),
      };
      if (!(await taxpayers.record(tx, account, identity, caller.account))) {
        // another request took the tax id or the account first
        await taxpayers.checkFree(tx, taxId);
        throw new Problem("account-enrolled", "The account is in use");
      }
      const commitment = identityCommitment(identity);
      const operation = await enqueue(tx, {
        kind: "enrol",
        party: caller.account,
        command: {
          type: "call",
          contract: "registry",
          function: "enrol",
          args: [account, commitment, bits(enrolment.capabilities)],
        },
      });
      return { account, taxId, operation };
    },

    setStanding: (tx: Tx, caller: Caller, taxpayer: Taxpayer, standing: "active" | "suspended") =>
      enqueue(tx, {
        kind: "standing",
        party: caller.account,
        command: {
          type: "call",
          contract: "registry",
          function: "setStanding",
          args: [taxpayer.index, standing === "active" ? 1 : 2],
        },
      }),

    setCapabilities: (tx: Tx, caller: Caller, taxpayer: Taxpayer, capabilities: Capability[]) =>
      enqueue(tx, {
        kind: "capabilities",
        party: caller.account,
        command: {
          type: "call",
          contract: "registry",
          function: "setCapabilities",
          args: [taxpayer.index, bits(capabilities)],
        },
      }),

    /**
     * By the bureau without the old key, or by the party, signed with the old key. `key`: the
     * address of the new key, which has proven itself.
     */
    rotateKey: (tx: Tx, caller: Caller, taxpayer: Taxpayer, key: string): Promise<string> =>
      caller.roles.includes("bureau")
        ? enqueue(tx, {
            kind: "key-rotation",
            party: caller.account,
            command: {
              type: "call",
              contract: "registry",
              function: "rotateKey",
              args: [taxpayer.account, key],
            },
          })
        : enqueue(tx, {
            kind: "key-rotation",
            party: taxpayer.account,
            command: { type: "registry", message: "RotateKey", account: taxpayer.account, key },
            signers: [taxpayer.account],
          }),
  };
}
