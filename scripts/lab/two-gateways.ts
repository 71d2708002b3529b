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
import { createClient, refusalOf } from "../../clients/typescript/index.ts";
import { startSandbox } from "../../sandbox/sandbox.ts";
import { tallyOf } from "../../sandbox/tally.ts";
import { migrate, openDb } from "../../server/db/db.ts";
import { startPostgres } from "../../server/db/postgres.ts";
import { type Gateway, startGateway } from "../../server/gateway.ts";
import { readConfig } from "../../server/kernel/config.ts";
import { bareEnvironment } from "../run.ts";

const begun = Date.now();
const say = (who: string, text: string) =>
  console.log(
    `${((Date.now() - begun) / 1_000).toFixed(1).padStart(5)} s  ${who.padEnd(10)}${text}`,
  );
const undo: (() => Promise<unknown>)[] = [];
let wrong = 0;
function check(claim: string, holds: boolean): void {
  if (holds) return;
  wrong += 1;
  console.error(`WRONG: ${claim}`);
}

/** A command of the second organisation's operator, as it would be typed. */
function operator(settings: Record<string, string>, ...args: string[]): Promise<string> {
  const program = fileURLToPath(new URL("../../server/cli.ts", import.meta.url));
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], {
      env: { ...bareEnvironment(), ...settings },
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
  const patience = { tries: 10 };
  const here = createClient({ url: first.url, token: first.bureau.token, patience });
  const there = createClient({ url: second.url, patience });

  // ── who is who ─────────────────────────────────────────────────────────────────────────────────
  const shopId = "91440300MA5NPAK378";
  const firmId = "91440300MAJU6XYHXC";
  const invoiceTo = (holder: string) => ({
    kind: "ordinary" as const,
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
  const { body: shop } = await here.done("POST /v1/taxpayers", {
    body: { name: "深圳市福田区小站茶餐厅", taxId: shopId, capabilities: ["issuer"] },
  });
  const period = chinaDay(new Date()).slice(0, 7);
  await here.done("PUT /v1/taxpayers/{taxId}/quota", {
    params: { taxId: shopId },
    body: { period, granted: "500000.00" },
  });
  await here.done("POST /v1/taxpayers/{taxId}/segments", {
    params: { taxId: shopId },
    body: { length: 1_000 },
  });
  const { body: shopKey } = await here.done("POST /v1/api-keys", {
    body: { account: shop.account, roles: ["admin"] },
  });
  const till = shopKey.token;
  say("first", `the bureau enrols the shop ${shopId}`);

  const address = /account (0x[0-9a-fA-F]{40})/.exec(
    await operator(settings, "account"),
  )?.[1] as string;
  say("second", `the operator makes the firm's key: ${address}`);
  const enrolment = {
    name: "深圳市远航精密制造有限公司",
    taxId: firmId,
    capabilities: ["employer" as const],
    key: { custody: "own" as const, address },
  };
  await here.done("POST /v1/taxpayers", { body: enrolment });
  const { body: identity } = await here("GET /v1/taxpayers/{taxId}/identity", {
    params: { taxId: firmId },
  });
  const card = join(folder, "firm.json");
  await writeFile(card, JSON.stringify(identity));
  await second.follower.caughtUp();
  const firmToken = /API key (\S+)/.exec(await operator(settings, "taxpayer", card))?.[1] as string;
  say(
    "second",
    "the operator takes over who the firm is, checked against the registry's commitment",
  );
  const { body: person } = await there.done("POST /v1/persons", {
    body: { name: "李晓明" },
    token: firmToken,
  });
  const { body: personKey } = await there.done("POST /v1/api-keys", {
    body: { account: person.account, roles: ["holder"] },
    token: firmToken,
  });
  const employee = personKey.token;
  // an invoice is issued to an account that somebody can sign for: the second gateway signs that,
  // and the first one checks it
  const { body: shown } = await there("GET /v1/account-proof", { token: employee });
  check(
    "the first gateway does not know the employee's account before",
    (
      await refusalOf(
        here.done("POST /v1/invoices", { body: invoiceTo(person.account), token: till }),
      )
    )?.code === "receiver-invalid",
  );
  await here.done("POST /v1/accounts", {
    body: { account: shown.account, proof: shown.proof ?? "" },
    token: till,
  });
  say("second", "signs with the employee's key that somebody can sign for it");
  say("first", `knows the account ${shown.account} from now on`);

  // ── issued at one, reimbursed at the other ─────────────────────────────────────────────────────
  const { body: issued } = await here.done("POST /v1/invoices", {
    body: invoiceTo(person.account),
    token: till,
  });
  const { number } = issued;
  say("first", `the shop issues ${number} over 200.00 to the firm's employee, sealed`);
  const { body: bundle } = await here("GET /v1/invoices/{number}/bundle", {
    params: { number },
    token: till,
  });
  say("first", `its bundle: ${JSON.stringify(bundle).length} bytes`);
  check(
    "the second gateway does not know it before",
    (await refusalOf(there("GET /v1/invoices/{number}", { params: { number }, token: employee })))
      ?.status === 404,
  );
  await second.follower.caughtUp();
  await there.done("POST /v1/invoices/import", { body: bundle, token: employee });
  say("second", "the employee brings the bundle: checked against the chain, and here");
  const { body: claim } = await there.done("POST /v1/claims", {
    body: { employer: firmId, invoices: [number] },
    token: employee,
  });
  const { body: paid } = await there.done("POST /v1/claims/{id}/reimburse", {
    params: { id: claim.id },
    token: firmToken,
  });
  say("second", `the employee claims it, the firm reimburses it: ${paid.status}`);

  // ── and not a second time ──────────────────────────────────────────────────────────────────────
  const again = await refusalOf(
    there.done("POST /v1/claims/{id}/reimburse", { params: { id: claim.id }, token: firmToken }),
  );
  say("second", `again: ${again?.status} ${again?.code}`);
  check(
    "the second reimbursement is refused",
    again?.status === 409 && again.code === "already-reimbursed",
  );
  const claimed = await refusalOf(
    there.done("POST /v1/claims", {
      body: { employer: firmId, invoices: [number] },
      token: employee,
    }),
  );
  say("second", `claimed once more: ${claimed?.status} ${claimed?.code}`);
  check("the chain refuses a second claim", claimed?.status === 409 && claimed["alarm"] === true);
  await first.gateway.follower.caughtUp();
  const { body: seen } = await here("GET /v1/invoices/{number}", {
    params: { number },
    token: till,
  });
  say("first", `the shop's gateway says: ${seen.status}`);
  check("both gateways say the same", seen.status === "reimbursed");
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
