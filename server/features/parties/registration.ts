/**
 * Registration: what the registry is asked to change about a taxpayer. The bureau enrols it, sets
 * its standing and its capabilities; the bureau or the taxpayer itself gives its account another
 * key. Each call returns the operation that it starts.
 *
 * A company that was enrolled for an invoice (buyers.ts) is there already when it joins: its
 * account stays, with all that is titled to it, and gets the key, the capabilities and the standing
 * of the enrolment.
 */
import { randomBytes } from "node:crypto";
import { identityCommitment } from "@onepiao/protocol/proofs/bundle.ts";
import { sameName } from "@onepiao/protocol/values/names.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { isTaxId, normaliseTaxId, regionOf } from "@onepiao/protocol/values/tax-id.ts";
import { enqueue } from "../../acts/operations.ts";
import { capabilityBits } from "../../chain/contracts.ts";
import type { Tx } from "../../db/db.ts";
import type { Caller } from "../../kernel/api.ts";
import type { Keystore } from "../../keys/keystore.ts";
import { addressOf, type Custody } from "./accounts.ts";
import type { Names } from "./names.ts";
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

type Deps = { keys: Keystore; taxpayers: Taxpayers; names: Pick<Names, "giveFromToday"> };
type Bureau = Pick<Caller, "account">;
type Enrolled = { account: string; taxId: string; operation: string };

export function createRegistration({ keys, taxpayers, names }: Deps) {
  /** A call of the bureau; its own lane keeps the order of its calls. */
  const bureauCall = (
    tx: Tx,
    { account }: Bureau,
    kind: string,
    name: string,
    args: (string | number)[],
  ): Promise<string> =>
    enqueue(tx, {
      kind,
      party: account,
      command: { type: "call", contract: "registry", function: name, args },
    });
  const standing = (tx: Tx, caller: Bureau, { index }: Taxpayer, to: "active" | "suspended") =>
    bureauCall(tx, caller, "standing", "setStanding", [index, to === "active" ? 1 : 2]);

  /** Gives a dormant taxpayer what its enrolment says. The last operation makes it active. */
  async function join(
    tx: Tx,
    caller: Bureau,
    taxpayer: Taxpayer,
    { name, capabilities, currency, region, key }: Enrolment,
  ): Promise<Enrolled> {
    const { account, taxId } = taxpayer;
    if (key.custody === "own") {
      const address = await addressOf(tx, keys, key);
      const [used] = await tx`
        select 1 from parties where account = ${address}
        union all select 1 from taxpayer_now where account = ${address}`;
      if (used) throw new Problem("account-enrolled", "The account is in use");
      await bureauCall(tx, caller, "key-rotation", "rotateKey", [account, address]);
    }
    if (!sameName(taxpayer.name, name)) await names.giveFromToday(tx, caller, account, name);
    await taxpayers.setAccounting(tx, account, { region: region ?? taxpayer.region, currency });
    if (bits(capabilities) !== bits(taxpayer.capabilities))
      await bureauCall(tx, caller, "capabilities", "setCapabilities", [
        taxpayer.index,
        bits(capabilities),
      ]);
    await tx`update buyer_enrolments set joined_at = now() where account = ${account}`;
    return { account, taxId, operation: await standing(tx, caller, taxpayer, "active") };
  }

  /** A dormant taxpayer, held until `tx` ends: nobody suspends it meanwhile. */
  async function dormantOf(tx: Tx, taxId: string): Promise<Taxpayer | undefined> {
    const taxpayer = await taxpayers.byTaxId(tx, taxId);
    if (taxpayer === undefined) return undefined;
    const [held] = await tx`
      select 1 from buyer_enrolments where account = ${taxpayer.account} and joined_at is null
      for update`;
    return held && taxpayer;
  }

  return {
    /**
     * Enrols a taxpayer, or lets a dormant one join. Throws invalid-request, tax-id-enrolled,
     * account-enrolled, zero-address.
     */
    async enrol(tx: Tx, caller: Bureau, enrolment: Enrolment): Promise<Enrolled> {
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
      const dormant = await dormantOf(tx, taxId);
      if (dormant) return join(tx, caller, dormant, enrolment);
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

    setStanding: standing,

    setCapabilities: (tx: Tx, caller: Bureau, { index }: Taxpayer, capabilities: Capability[]) =>
      bureauCall(tx, caller, "capabilities", "setCapabilities", [index, bits(capabilities)]),

    /**
     * By the bureau without the old key, or by the party, signed with the old key. `key`: the
     * address of the new key, which has proven itself.
     */
    rotateKey: (tx: Tx, caller: Caller, taxpayer: Taxpayer, key: string): Promise<string> =>
      caller.roles.includes("bureau")
        ? bureauCall(tx, caller, "key-rotation", "rotateKey", [taxpayer.account, key])
        : enqueue(tx, {
            kind: "key-rotation",
            party: taxpayer.account,
            command: { type: "registry", message: "RotateKey", account: taxpayer.account, key },
            signers: [taxpayer.account],
          }),
  };
}
