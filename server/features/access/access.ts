/**
 * API keys of parties: made by the bureau for any party, by a taxpayer for itself and for the persons it has made. A key never
 * gets a role that its party does not have: only the bureau's account is `bureau`, issuing and reimbursing need the capability.
 * Nor does a key make another one for its own account that may do more than itself: a till's key does not become the cashier's.
 */
import { checksummed } from "../../chain/messages.ts";
import type { Tx } from "../../db/db.ts";
import type { Caller, Role } from "../../kernel/api.ts";
import { Problem } from "../../kernel/problems.ts";
import { createApiKey } from "../../keys/api-keys.ts";
import type { Taxpayers } from "../taxpayers/taxpayers.ts";

export type Access = ReturnType<typeof createAccess>;

export function createAccess({ taxpayers }: { taxpayers: Taxpayers }) {
  async function rolesOf(tx: Tx, account: string): Promise<readonly Role[]> {
    const [party] = await tx<{ kind: string }[]>`select kind from parties where account = ${account}`;
    if (!party) return [];
    if (party.kind === "bureau") return ["bureau"];
    if (party.kind === "person") return ["holder"];
    const taxpayer = await taxpayers.byAccount(tx, account);
    // a titled invoice belongs to the buyer's account: a taxpayer is a holder as well
    return taxpayer ? [...taxpayer.capabilities, "holder"] : [];
  }

  return {
    async create(tx: Tx, caller: Caller, key: { account: string; roles: readonly Role[] }): Promise<string> {
      const account = checksummed(key.account);
      const [party] = await tx<{ created_by: string }[]>`select created_by from parties where account = ${account}`;
      const own = account === caller.account || party?.created_by === caller.account;
      if (!party || !(own || caller.roles.includes("bureau"))) throw new Problem("not-found", "There is no such party that you may make keys for");
      const ofParty = await rolesOf(tx, account);
      const possible = account === caller.account ? ofParty.filter((role) => caller.roles.includes(role)) : ofParty;
      const excess = key.roles.filter((role) => !possible.includes(role));
      if (excess.length > 0) {
        throw new Problem("forbidden", `This key cannot have the role ${excess.join(", ")}`, {
          violations: [{ field: "/roles", rule: "role-of-party", detail: `Possible: ${possible.join(", ") || "none yet"}` }],
        });
      }
      return createApiKey(tx, { account, roles: key.roles, createdBy: caller.account });
    },
    async revoke(tx: Tx, caller: Caller, id: string): Promise<void> {
      const done = await tx`
        update api_keys set revoked_at = now() where id = ${id} and revoked_at is null
          and (${caller.roles.includes("bureau")} or account = ${caller.account} or created_by = ${caller.account})`;
      if (done.count === 0) throw new Problem("not-found", "There is no such key of yours");
    },
    async list(tx: Tx, caller: Caller) {
      const rows = await tx<{ id: string; account: string; roles: Role[]; created_at: Date; revoked_at: Date | null }[]>`
        select id, account, roles, created_at, revoked_at from api_keys
        where ${caller.roles.includes("bureau")} or account = ${caller.account} or created_by = ${caller.account} order by created_at desc limit 100`;
      return rows.map((row) => ({
        id: row.id,
        account: row.account,
        roles: row.roles,
        createdAt: row.created_at.toISOString(),
        ...(row.revoked_at ? { revokedAt: row.revoked_at.toISOString() } : {}),
      }));
    },
  };
}
