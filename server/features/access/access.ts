/**
 * API keys of parties: made by the bureau for any party, by a taxpayer for itself and for the persons it has made. A key never
 * gets a role that its party does not have: only the bureau's account is `bureau`, issuing and reimbursing need the capability.
 * Nor does a key make another one for its own account that may do more than itself: a till's key does not become the cashier's.
 */
import { checksummed } from "../../chain/messages.ts";
import type { Tx } from "../../db/db.ts";
import type { Caller, Role } from "../../kernel/api.ts";
import { Problem } from "../../kernel/problems.ts";
import { createApiKey, createSignInKey, signInName } from "../../keys/api-keys.ts";
import type { Vault } from "../../keys/vault.ts";
import type { Taxpayers } from "../taxpayers/taxpayers.ts";

export type Access = ReturnType<typeof createAccess>;

/** `provider`: whether there is one to sign in at. */
type Deps = { vault: Vault; taxpayers: Taxpayers; provider: boolean };

export function createAccess({ vault, taxpayers, provider }: Deps) {
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
    /** `signIn`: the name of the person who shows it by signing in; such a key has no token. */
    async create(
      tx: Tx,
      caller: Caller,
      key: { account: string; roles: readonly Role[]; signIn?: string | undefined },
    ): Promise<{ id: string; token?: string }> {
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
      const made = { account, roles: key.roles, createdBy: caller.account };
      if (key.signIn !== undefined) {
        if (provider) return { id: await createSignInKey(tx, vault, { ...made, name: key.signIn }) };
        const detail = "This gateway has no identity provider to sign in at";
        throw new Problem("invalid-request", detail, { violations: [{ field: "/signIn", rule: "provider-configured", detail }] });
      }
      const token = await createApiKey(tx, made);
      return { id: token.split(".")[0] as string, token };
    },
    async revoke(tx: Tx, caller: Caller, id: string): Promise<void> {
      const done = await tx`
        update api_keys set revoked_at = now() where id = ${id} and revoked_at is null
          and (${caller.roles.includes("bureau")} or account = ${caller.account} or created_by = ${caller.account})`;
      if (done.count === 0) throw new Problem("not-found", "There is no such key of yours");
    },
    /** The latest hundred; of one account, when it is named. */
    async list(tx: Tx, caller: Caller, named: string | undefined) {
      const of = named === undefined ? tx`true` : tx`account = ${checksummed(named)}`;
      type Row = {
        id: string;
        account: string;
        roles: Role[];
        created_at: Date;
        revoked_at: Date | null;
        name_sealed: Buffer | null;
        signed_in_at: Date | null;
      };
      const rows = await tx<Row[]>`
        select id, account, roles, created_at, revoked_at, name_sealed, signed_in_at from api_keys
        where (${caller.roles.includes("bureau")} or account = ${caller.account} or created_by = ${caller.account}) and ${of} order by created_at desc limit 100`;
      return rows.map((row) => ({
        id: row.id,
        account: row.account,
        roles: row.roles,
        createdAt: row.created_at.toISOString(),
        ...(row.name_sealed ? { signIn: signInName(vault, row.id, row.name_sealed) } : {}),
        ...(row.signed_in_at ? { signedInAt: row.signed_in_at.toISOString() } : {}),
        ...(row.revoked_at ? { revokedAt: row.revoked_at.toISOString() } : {}),
      }));
    },
  };
}
