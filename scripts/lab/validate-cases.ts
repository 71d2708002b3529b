/**
 * `npm run validate:cases -- FOLDER`: starts a sandbox, sends it every case of the folder
 * (cases/cases.ts says where they are listed), and prints a line for each: what was expected, what
 * came, and whether that is right. Without FOLDER: the project's own cases, made of the samples.
 *
 *   --expected FILE   the list of the cases, if it is not FOLDER/expected.json
 *
 * Cases share the sandbox: two files with one invoice number disturb each other unless the list
 * says so. Ends with 1 if an answer is wrong, or nobody has said what is right.
 */
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { chinaDay } from "@onepiao/protocol/values/dates.ts";
import { createClient } from "../../clients/typescript/index.ts";
import { startSandbox } from "../../sandbox/sandbox.ts";
import { printable } from "../../server/kernel/terminal.ts";
import { ownCases } from "../../test/server/support/own-cases.ts";
import { root } from "../run.ts";
import { casesOf } from "./cases/cases.ts";
import { type Outcome, type Parties, triedAll } from "./cases/run.ts";

const { values, positionals } = parseArgs({
  options: { expected: { type: "string" } },
  allowPositionals: true,
});
const folder = resolve(positionals[0] ?? join(root, "samples"));
const isOwn = positionals.length === 0;
const cases = isOwn ? ownCases : casesOf(folder, values.expected);

/** The parties that the files name: a restaurant that issues, a firm, and its rival. */
const people = {
  issuer: ["91440305MA4JURQ28R", "深圳市南山区巷口面馆有限公司", "issuer"],
  A: ["91440300MAJU6XYHXC", "深圳市远航精密制造有限公司", "employer"],
  B: ["91440300MA7DEMX02D", "深圳市另一家公司", "employer"],
} as const;

const sandbox = await startSandbox();
try {
  const { url, bureau, clock } = sandbox;
  const client = createClient({ url, token: bureau.token });
  const enrolled = Object.entries(people).map(async ([who, [taxId, name, capability]]) => {
    const { body: made } = await client.done("POST /v1/taxpayers", {
      body: { taxId, name, capabilities: [capability] },
    });
    const { body: key } = await client.done("POST /v1/api-keys", {
      body: { account: made.account, roles: ["admin"] },
    });
    if (capability === "issuer") {
      const params = { taxId };
      const period = chinaDay(clock.now()).slice(0, 7);
      const quota = { period, granted: "1000000.00" };
      await client.done("PUT /v1/taxpayers/{taxId}/quota", { params, body: quota });
      await client.done("POST /v1/taxpayers/{taxId}/segments", { params, body: { length: 1_000 } });
    }
    return [who, { taxId, token: key.token ?? "" }];
  });
  const keys: Parties["keys"] = Object.fromEntries(await Promise.all(enrolled));
  const counts = { right: 0, later: 0, wrong: 0, look: 0 };
  const outcomes = triedAll(folder, cases, { url, keys });
  for (const [at, each] of cases.entries()) {
    const { expected, got, right } = (await outcomes[at]) as Outcome;
    const verdict =
      right === undefined ? "look" : !right ? "wrong" : each.later ? "later" : "right";
    counts[verdict] += 1;
    const word = { right: "ok", later: "ok, later", wrong: "WRONG", look: "LOOK" }[verdict];
    const correction = right ? "" : ` | right is: ${each.should}`;
    console.log(
      printable(`${word.padEnd(10)}${each.file} | expected ${expected} | got ${got}${correction}`),
    );
  }
  const { right, later, wrong, look } = counts;
  console.log(
    `\n${cases.length} cases: ${right} right, ${later} refused today with what to do instead, ` +
      `${wrong} wrong, ${look} to be looked at`,
  );
  if (wrong + look > 0 || cases.length === 0) process.exitCode = 1;
} finally {
  await sandbox.stop();
}
