/**
 * Another organisation's gateway on the sandbox's chain: like a separate process, with its own
 * database and master key and without a bureau.
 */
import { randomBytes } from "node:crypto";
import { Wallet } from "ethers";
import { migrate, openDb } from "../../../server/db/db.ts";
import { createApiKey } from "../../../server/features/parties/api-keys.ts";
import { createTaxpayers } from "../../../server/features/parties/taxpayers.ts";
import { startGateway } from "../../../server/gateway.ts";
import { readConfig } from "../../../server/kernel/config.ts";
import { createKeystore } from "../../../server/keys/keystore.ts";
import { openVault } from "../../../server/keys/vault.ts";
import { call, closeAtEnd, freshTaxId, must, sandbox, type TestParty } from "../network.ts";
import { until } from "../observe.ts";

export type SecondGateway = Awaited<ReturnType<typeof openSecondGateway>>;

export async function openSecondGateway(settings: Record<string, string> = {}) {
  const place = await sandbox();
  const admin = openDb(place.databaseUrl, { connections: 1 });
  const name = `second_${randomBytes(6).toString("hex")}`;
  await admin.unsafe(`create database ${name}`);
  const url = place.databaseUrl.replace(/\/[^/]*$/, `/${name}`);
  const sql = openDb(url, { connections: 4 });
  await migrate(sql);
  const config = readConfig({
    RPC_URL: place.rpcUrl,
    DATABASE_URL: url,
    MASTER_KEY: randomBytes(32).toString("hex"),
    DEPLOYMENT: "sandbox",
    PORT: "0",
    LOG_LEVEL: "silent",
    POLL_MS: "100",
    LOT_AGE_MS: "100",
    RATE_PER_MINUTE: "100000",
    ISSUE_BACK_DAYS: "3650",
    ...settings,
  });
  const vault = await openVault(sql, config.MASTER_KEY);
  const keys = createKeystore({ sql, vault });
  const taxpayers = createTaxpayers({ vault });
  const gateway = await startGateway(config, place.deployment);
  closeAtEnd(async () => {
    await gateway.stop();
    await sql.end({ timeout: 1 });
    await admin.unsafe(`drop database ${name} with (force)`);
    await admin.end();
  });
  return {
    url: gateway.url,
    sql,
    vault,
    keys,
    config,
    /**
     * A taxpayer that the sandbox's bureau has enrolled, and whose key this gateway keeps. `token`
     * is for this gateway, `elsewhere` for the bureau's.
     */
    async taxpayer(
      called: string,
      capabilities: ("issuer" | "employer")[],
      quota = "1000000.00",
    ): Promise<TestParty & { elsewhere: string }> {
      const wallet = Wallet.createRandom();
      const taxId = freshTaxId();
      const made = await must(
        call("POST", "/v1/taxpayers", {
          name: called,
          taxId,
          capabilities,
          key: { custody: "own", address: wallet.address },
        }),
      );
      const { token: elsewhere } = await must(
        call("POST", "/v1/api-keys", { account: made.account, roles: ["admin"] }),
      );
      if (capabilities.includes("issuer")) {
        const period = new Date(Date.now() + 8 * 3_600_000).toISOString().slice(0, 7);
        await must(call("PUT", `/v1/taxpayers/${taxId}/quota`, { period, granted: quota }));
        await must(call("POST", `/v1/taxpayers/${taxId}/segments`, { length: 10_000 }));
      }
      await sql.begin((tx) => keys.take(tx, wallet.privateKey));
      const identity = await must(call("GET", `/v1/taxpayers/${taxId}/identity`));
      // it follows the chain without help
      await until(`${called} is enrolled there`, () =>
        sql.begin((tx) => taxpayers.adopt(tx, identity, "CNY")),
      );
      if (capabilities.includes("issuer")) {
        await until(`${called} has numbers and quota there`, async () => {
          const [row] =
            await sql`select 1 from segments s join quotas q on q.taxpayer = s.issuer where s.issuer = ${made.index} and q.granted > 0`;
          return row !== undefined;
        });
      }
      const token = await createApiKey(sql, {
        account: made.account,
        roles: ["admin"],
        createdBy: made.account,
      });
      return { taxId, account: made.account, index: made.index, token, name: called, elsewhere };
    },
  };
}
