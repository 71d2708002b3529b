/**
 * The bureau's place in a gateway: an account, a sending lane of its own, and its first API key.
 *
 * `scripts/deploy.ts --bureau` takes the bureau's sending address, so that the access manager lets
 * it enrol, suspend and allot.
 */
import { BUREAU_LANE } from "./acts/sending.ts";
import type { ChainClient } from "./chain/client.ts";
import type { Sql } from "./db/db.ts";
import { createApiKey, putBureau } from "./features/parties/api-keys.ts";
import type { Keystore } from "./keys/keystore.ts";
import type { Vault } from "./keys/vault.ts";
import { openLane } from "./txs/lanes.ts";

/**
 * Creates the bureau's account if it is missing, and a further API key for it. Returns the sending
 * address and `id.secret`.
 */
export async function openBureau(deps: {
  sql: Sql;
  chain: ChainClient;
  keys: Keystore;
  vault: Vault;
}): Promise<{ account: string; token: string }> {
  const { address: account } = await openLane(deps, BUREAU_LANE);
  const sealed = deps.vault.seal("parties", account, JSON.stringify({ name: "Tax bureau" }));
  await putBureau(deps.sql, account, sealed);
  return {
    account,
    token: await createApiKey(deps.sql, {
      account,
      roles: ["bureau", "admin"],
      createdBy: account,
    }),
  };
}
