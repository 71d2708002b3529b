/**
 * The parts that every process of a gateway consists of, put together once: for the gateway, for
 * its thread that reckons, and for the operator's commands.
 *
 * | what | needs |
 * | --- | --- |
 * | `openNetwork` | a deployment and its node |
 * | `openKeeping` | the database and the master key |
 * | `createCore` | both |
 */
import { type ChainClient, createChainClient } from "../chain/client.ts";
import { type Contracts, createContracts } from "../chain/contracts.ts";
import type { Deployment } from "../chain/deploy.ts";
import type { Sql } from "../db/db.ts";
import { createAudit } from "../features/bureau/audit.ts";
import { createDocuments } from "../features/invoices/documents.ts";
import { createEncryptionKeys } from "../features/parties/encryption.ts";
import { createQuotas, type Quotas } from "../features/parties/quotas.ts";
import { createTaxpayers, type Taxpayers } from "../features/parties/taxpayers.ts";
import { createFindings, type Findings } from "../features/use/external-findings.ts";
import { createNear, type Near } from "../features/use/near.ts";
import type { Config } from "../kernel/config.ts";
import type { Log } from "../kernel/log.ts";
import { createKeystore, type Keystore } from "../keys/keystore.ts";
import { openVault, type Vault } from "../keys/vault.ts";

/** What the database keeps under the master key, and the taxpayers. */
export type Keeping = {
  vault: Vault;
  keys: Keystore;
  encryptionKeys: ReturnType<typeof createEncryptionKeys>;
  taxpayers: Taxpayers;
  quotas: Quotas;
};

/** The caller closes `chain`. */
export type Network = { contracts: Contracts; chain: ChainClient };

export type Core = Keeping &
  Network & {
    documents: ReturnType<typeof createDocuments>;
    audit: ReturnType<typeof createAudit>;
    findings: Findings;
    near: Near;
  };

/** Does not call the node yet. */
export const openNetwork = (config: Pick<Config, "RPC_URL">, deployment: Deployment): Network => ({
  contracts: createContracts(deployment),
  chain: createChainClient(config.RPC_URL, deployment.chainId),
});

/** Throws if the master key is not that of the database. */
export async function openKeeping(
  sql: Sql,
  config: Pick<Config, "MASTER_KEY" | "DRAW_STEP">,
): Promise<Keeping> {
  const vault = await openVault(sql, config.MASTER_KEY);
  const keys = createKeystore({ sql, vault });
  return {
    vault,
    keys,
    encryptionKeys: createEncryptionKeys({ vault }),
    taxpayers: createTaxpayers({ vault }),
    quotas: createQuotas({ vault, drawStep: config.DRAW_STEP }),
  };
}

type Deps = {
  sql: Sql;
  config: Pick<Config, "MASTER_KEY" | "DRAW_STEP">;
  network: Network;
  log: Log;
};

/** Throws if the master key is not that of the database. */
export async function createCore({ sql, config, network, log }: Deps): Promise<Core> {
  const keeping = await openKeeping(sql, config);
  const { vault, encryptionKeys, taxpayers } = keeping;
  const { contracts } = network;
  const documents = createDocuments({
    vault,
    keys: encryptionKeys,
    deployment: contracts.deployment,
  });
  const findings = createFindings({ vault, taxpayers });
  const near = createNear({ vault, taxpayers, findings });
  const audit = createAudit({
    vault,
    keys: encryptionKeys,
    documents,
    taxpayers,
    contracts,
    near,
    log,
  });
  return { ...keeping, ...network, documents, audit, findings, near };
}
