/**
 * `npm run demo:two-gateways`: two organisations, each with a gateway and a database of its own, on
 * one chain.
 *
 * An invoice is issued at one, taken to the other as a file, claimed and reimbursed there; then it
 * is tried a second time at both. Every line that is printed was asked of a gateway, and the last
 * ones of the chain. Exit code 1 when something is not as it must be.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chinaDay, chinaTime } from "@onepiao/protocol/values/dates.ts";
import { createClient, expectSuccess } from "../../sandbox/client.ts";
import { startSandbox } from "../../sandbox/sandbox.ts";
import { tallyOf } from "../../sandbox/tally.ts";
import { migrate, openDb } from "../../server/db/db.ts";
import { startPostgres } from "../../server/db/postgres.ts";
import { type Gateway, startGateway } from "../../server/gateway.ts";
import { readConfig } from "../../server/kernel/config.ts";

const begun = Date.now();
const say = (who: string, what: string) =>
  console.log(
    `${((Date.now() - begun) / 1_000).toFixed(1).padStart(5)} s  ${who.padEnd(10)}${what}`,
  );
const undo: (() => Promise<unknown>)[] = [];
let wrong = 0;
function check(what: string, holds: boolean): void {
  if (holds) return;
  wrong += 1;
  console.error(`WRONG: ${what}`);
}

/** A command of the second organisation's operator, as it would be typed. */
function operator(settings: Record<string, string>, ...args: string[]): Promise<string> {
  const program = fileURLToPath(new URL("../../server/cli.ts", import.meta.url));
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], {
      env: { PATH: process.env["PATH"] ?? "", ...settings },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.once("error", reject);
    child.once("close", (code) =>
      code === 0 ? resolve(out) : reject(new Error(`${args.join(" ")} ended with ${code}: ${out}`)),
    );
  });
}

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "onepiao-two-"));
  undo.push(() => rm(folder, { recursive: true, force: true }));

  // ── two gateways on one chain ──────────────────────────────────────────────────────────────────
  const first = await startSandbox();
  undo.push(() => first.stop());
  say("first", `gateway ${first.url}, with the bureau`);
  const postgres = await startPostgres();
  undo.push(() => postgres.close());
  const settings = {
    RPC_URL: first.rpcUrl,
    DATABASE_URL: postgres.url,
    MASTER_KEY: randomBytes(32).toString("hex"),
    DEPLOYMENT: join(folder, "deployment.json"),
  };
  const sql = openDb(postgres.url, { connections: 2 });
  await migrate(sql);
  await sql.end({ timeout: 2 });
  // the commands refuse a sandbox's deployment, and they only look at keys and names: the network's
  // name is not what they are about
  await writeFile(
    settings.DEPLOYMENT,
    JSON.stringify({ ...first.deployment, network: "two-gateways" }),
  );
  const second: Gateway = await startGateway(
    readConfig({
      ...settings,
      PORT: "0",
      LOG_LEVEL: "silent",
      POLL_MS: "50",
      RATE_PER_MINUTE: "100000",
    }),
    first.deployment,
  );
  undo.push(() => second.stop());
  say("second", `gateway ${second.url}, with a database and a master key of its own`);
  const [here, there] = [createClient(first.url), createClient(second.url)];
  const bureau = first.bureau.token;

  // ── who is who ─────────────────────────────────────────────────────────────────────────────────
  const shopId = "91440300MA5NPAK378";
  const firmId = "91440300MAJU6XYHXC";
  const invoiceTo = (holder: unknown) => ({
    kind: "ordinary",
    issuedAt: chinaTime(new Date()),
    currency: "CNY",
    seller: { taxId: shopId, name: "深圳市福田区小站茶餐厅" },
    buyer: { taxId: firmId, name: "深圳市远航精密制造有限公司" },
    lines: [
      {
        name: "*餐饮服务*餐费",
        unit: "次",
        quantity: "1",
        unitPrice: "188.68",
        amount: "188.68",
        taxRate: "0.06",
        tax: "11.32",
      },
    ],
    totals: { net: "188.68", tax: "11.32", gross: "200.00" },
    holder,
  });
  const shop = await expectSuccess(
    here("POST", "/v1/taxpayers", {
      body: { name: "深圳市福田区小站茶餐厅", taxId: shopId, capabilities: ["issuer"] },
      token: bureau,
    }),
    "enrol",
  );
  const period = chinaDay(new Date()).slice(0, 7);
  await expectSuccess(
    here("PUT", `/v1/taxpayers/${shopId}/quota`, {
      body: { period, granted: "500000.00" },
      token: bureau,
    }),
    "quota",
  );
  await expectSuccess(
    here("POST", `/v1/taxpayers/${shopId}/segments`, { body: { length: 1_000 }, token: bureau }),
    "numbers",
  );
  const shopKey = await expectSuccess(
    here("POST", "/v1/api-keys", {
      body: { account: shop["account"], roles: ["admin"] },
      token: bureau,
    }),
    "key",
  );
  say("first", `the bureau enrols the shop ${shopId}`);

  const address = /account (0x[0-9a-fA-F]{40})/.exec(
    await operator(settings, "account"),
  )?.[1] as string;
  say("second", `the operator makes the firm's key: ${address}`);
  const enrolment = {
    name: "深圳市远航精密制造有限公司",
    taxId: firmId,
    capabilities: ["employer"],
    key: { custody: "own", address },
  };
  await expectSuccess(here("POST", "/v1/taxpayers", { body: enrolment, token: bureau }), "enrol");
  const identity = await expectSuccess(
    here("GET", `/v1/taxpayers/${firmId}/identity`, { token: bureau }),
    "identity",
  );
  const card = join(folder, "firm.json");
  await writeFile(card, JSON.stringify(identity));
  await second.follower.caughtUp();
  const firmToken = /API key (\S+)/.exec(await operator(settings, "taxpayer", card))?.[1] as string;
  say(
    "second",
    "the operator takes over who the firm is, checked against the registry's commitment",
  );
  const person = await expectSuccess(
    there("POST", "/v1/persons", { body: { name: "李晓明" }, token: firmToken }),
    "person",
  );
  const personKey = await expectSuccess(
    there("POST", "/v1/api-keys", {
      body: { account: person["account"], roles: ["holder"] },
      token: firmToken,
    }),
    "key",
  );
  const employee = String(personKey["token"]);
  // an invoice is issued to an account that somebody can sign for: the second gateway signs that,
  // and the first one checks it
  const { account, proof } = await expectSuccess(
    there("GET", "/v1/account-proof", { token: employee }),
    "proof",
  );
  check(
    "the first gateway does not know the employee's account before",
    (
      await here("POST", "/v1/invoices", {
        body: invoiceTo(account),
        token: String(shopKey["token"]),
      })
    ).body["code"] === "receiver-invalid",
  );
  await expectSuccess(
    here("POST", "/v1/accounts", { body: { account, proof }, token: String(shopKey["token"]) }),
    "account",
  );
  say("second", "signs with the employee's key that somebody can sign for it");
  say("first", `knows the account ${String(account)} from now on`);

  // ── issued at one, reimbursed at the other ─────────────────────────────────────────────────────
  const issued = here("POST", "/v1/invoices", {
    body: invoiceTo(person["account"]),
    token: String(shopKey["token"]),
  });
  const { number } = await expectSuccess(issued, "issue");
  say("first", `the shop issues ${number} over 200.00 to the firm's employee, sealed`);
  const bundle = await expectSuccess(
    here("GET", `/v1/invoices/${number}/bundle`, { token: String(shopKey["token"]) }),
    "bundle",
  );
  say("first", `its bundle: ${JSON.stringify(bundle).length} bytes`);
  check(
    "the second gateway does not know it before",
    (await there("GET", `/v1/invoices/${number}`, { token: employee })).status === 404,
  );
  await second.follower.caughtUp();
  await expectSuccess(
    there("POST", "/v1/invoices/import", { body: bundle, token: employee }),
    "import",
  );
  say("second", "the employee brings the bundle: checked against the chain, and here");
  const claim = await expectSuccess(
    there("POST", "/v1/claims", {
      body: { employer: firmId, invoices: [number] },
      token: employee,
    }),
    "claim",
  );
  const paid = await expectSuccess(
    there("POST", `/v1/claims/${claim["id"]}/reimburse`, { token: firmToken }),
    "reimburse",
  );
  say("second", `the employee claims it, the firm reimburses it: ${paid["status"]}`);

  // ── and not a second time ──────────────────────────────────────────────────────────────────────
  const again = await there("POST", `/v1/claims/${claim["id"]}/reimburse`, { token: firmToken });
  say("second", `again: ${again.status} ${again.body["code"]}`);
  check(
    "the second reimbursement is refused",
    again.status === 409 && again.body["code"] === "already-reimbursed",
  );
  const claimed = await there("POST", "/v1/claims", {
    body: { employer: firmId, invoices: [number] },
    token: employee,
  });
  say("second", `claimed once more: ${claimed.status} ${claimed.body["code"]}`);
  check(
    "the chain refuses a second claim",
    claimed.status === 409 && claimed.body["alarm"] === true,
  );
  await first.gateway.follower.caughtUp();
  const seen = await expectSuccess(
    here("GET", `/v1/invoices/${number}`, { token: String(shopKey["token"]) }),
    "state",
  );
  say("first", `the shop's gateway says: ${seen["status"]}`);
  check("both gateways say the same", seen["status"] === "reimbursed");
  const tally = await tallyOf(first.rpcUrl, first.deployment);
  console.log(
    `\nthe chain: issued ${tally.issued} · reimbursed ${tally.reimbursed} · double reimbursements refused ${tally.doubleReimbursementsRefused}`,
  );
  check(
    "the chain has it once",
    tally.issued === 1 && tally.reimbursements === 1 && tally.doubleReimbursementsRefused === 1,
  );
}

try {
  await main();
} catch (error) {
  wrong += 1;
  console.error(`\nCannot go on: ${error instanceof Error ? error.message : String(error)}`);
} finally {
  for (const step of undo.reverse()) await step().catch((error: unknown) => console.error(error));
}
process.exitCode = wrong === 0 ? 0 : 1;
