/**
 * A gateway that a test can kill: it sends its URL, then a message when a request is in the middle
 * of its work, where it stays.
 */
import { openChanges, openDb } from "../../server/db/db.ts";
import { callers } from "../../server/features/parties/api-keys.ts";
import { createApp } from "../../server/http/app.ts";
import { listen } from "../../server/http/server.ts";
import { createLog } from "../../server/kernel/log.ts";
import { openVault } from "../../server/keys/vault.ts";

const [, , name] = process.argv;
// only a process that was asked for is one: the test runner loads every file of this folder
if (name !== undefined && process.send !== undefined && process.env["DATABASE"] !== undefined) {
  Object.assign(globalThis, { after: () => undefined });
  const { gate, routes } = await import("./fixture.ts");
  const sql = openDb(process.env["DATABASE"]);
  const app = createApp({
    callers,
    sql,
    vault: await openVault(sql, process.env["KEY"] ?? ""),
    changes: await openChanges(sql),
    log: createLog("silent"),
    routes,
    config: {
      MAX_BODY_BYTES: 10_000,
      RATE_PER_MINUTE: 1_000,
      PUBLIC_RATE_PER_MINUTE: 1_000,
      WAIT_MAX_SECONDS: 1,
    },
    readiness: async () => ({ ok: true, checks: {} }),
    version: "0.0.0-test",
  });
  const { entered } = gate(name);
  const { url } = await listen(app, { host: "127.0.0.1", port: 0 });
  process.send({ url });
  await entered;
  process.send("in the middle");
}
