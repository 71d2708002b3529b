/**
 * The main job on the sample invoices, as their parties would do it over HTTP: enrol, issue, refuse
 * bad invoices, transfer, claim, reimburse, and try to reimburse a second time. Then the counts,
 * read from the chain.
 */

import { chinaDay } from "@onepiao/protocol/values/dates.ts";
import { parseMoney } from "@onepiao/protocol/values/money.ts";
import { type Client, createClient, type Problem, refusalOf } from "../clients/typescript/index.ts";
import type { Role } from "../server/kernel/api.ts";
import {
  type BadSample,
  badSamples,
  type GoodSample,
  goodSamples,
  sampleDirectory,
} from "./samples.ts";
import type { Sandbox } from "./sandbox.ts";
import { isSealed, tallyOf } from "./tally.ts";

export type Party = { taxId: string; name: string; account: string; roles: Role[]; token: string };
export type Line = { what: string; who: string; amount: string; outcome: string };
export type Demo = {
  lines: Line[];
  /**
   * Double reimbursements: the chain refuses a party's attempt, the gateway a decision that is
   * asked for again.
   */
  counts: {
    issued: number;
    reimbursed: number;
    refusedByChain: number;
    refusedByGateway: number;
    badInputRefused: number;
    lost: number;
  };
  /** Where the outcome differs from the expected one; empty when all is well. */
  faults: string[];
  /** Parties for going on by hand. */
  keys: {
    bureau: string;
    issuer: Party;
    employer: Party;
    holder: { account: string; token: string };
  };
};

const RACERS = 20;

export async function runDemo(sandbox: Sandbox, say: (line: string) => void): Promise<Demo> {
  const client = createClient({ url: sandbox.url, patience: { tries: 10 } });
  const bureau = sandbox.bureau.token;
  const lines: Line[] = [];
  const faults: string[] = [];
  const good = goodSamples();
  const bad = badSamples();

  const parties = await enrolAll(client, bureau, good, chinaDay(sandbox.clock.now()).slice(0, 7));
  say(`${parties.size} taxpayers are enrolled`);
  const listed = await loadDirectory(client, bureau);
  say(`${listed} more companies are in the bureau's directory`);
  const party = (taxId: string | undefined): Party => {
    const party = parties.get(taxId ?? "");
    if (!party) throw new Error(`No party of the samples has the tax id ${taxId}`);
    return party;
  };
  const someEmployer = party(
    good.find((sample) => sample.document.buyer.taxId !== undefined)?.document.buyer.taxId,
  );
  const person = async (name: string) => {
    const { token: maker } = someEmployer;
    const { body: made } = await client.done("POST /v1/persons", { body: { name }, token: maker });
    const { body: key } = await client.done("POST /v1/api-keys", {
      body: { account: made.account, roles: ["holder"] },
      token: maker,
    });
    return { name, account: made.account, token: key.token ?? "" };
  };
  const [traveller, colleague] = [await person("李晓明"), await person("王芳")];
  const holders = [traveller, colleague].map(({ name, token }) => ({
    name,
    roles: ["holder"] as const,
    key: token,
  }));
  sandbox.parties.push(
    ...holders,
    ...[...parties.values()].map(({ name, roles, taxId, token }) => ({
      name,
      roles,
      taxId,
      key: token,
    })),
  );

  // ── issue ──────────────────────────────────────────────────────────────────────────────────────
  const numbers = new Map<GoodSample, string>();
  const issue = async (sample: GoodSample) => {
    const untitled = sample.document.buyer.taxId === undefined;
    const json = sample.mediaType === "application/json";
    const { token } = party(sample.document.seller.taxId);
    const holder = traveller.account;
    const call =
      untitled && json
        ? client.done("POST /v1/invoices", {
            body: { ...JSON.parse(Buffer.from(sample.bytes).toString()), holder },
            token,
          })
        : client.done("POST /v1/invoices", {
            ...(untitled ? { query: { holder } } : {}),
            body: sample.bytes,
            type: sample.mediaType,
            token,
          });
    const refusal = await refusalOf(call.then(({ body }) => numbers.set(sample, body.number)));
    if (refusal) faults.push(`${sample.name} was not issued: ${wordsOf(refusal)}`);
    lines.push({
      what: sample.name,
      who: sample.document.seller.name,
      amount: sample.document.totals.gross,
      outcome: numbers.get(sample) ?? wordsOf(refusal),
    });
  };
  // at the same time, so they share lots; red letters afterwards, because their originals must be
  // sealed
  await Promise.all(good.filter((sample) => !sample.document.reverses).map(issue));
  for (const sample of good.filter((sample) => sample.document.reverses)) await issue(sample);
  lines.sort((a, b) => (a.what < b.what ? -1 : 1));
  say(`${numbers.size} of ${good.length} good samples are issued and sealed`);

  const before = await held(client, bureau);
  let badInputRefused = 0;
  for (const sample of bad) {
    const refusal = await refusalOf(
      client.done("POST /v1/invoices", {
        body: sample.bytes,
        type: sample.mediaType,
        token: party(good[0]?.document.seller.taxId).token,
      }),
    );
    const wrong = mismatch(sample, refusal);
    if (wrong === undefined) badInputRefused += 1;
    else faults.push(wrong);
    const { field, rule } = firstViolation(refusal);
    lines.push({
      what: sample.name,
      who: "",
      amount: "",
      outcome: [`refused: ${refusal?.code}`, rule, field].filter(Boolean).join(" · "),
    });
  }
  if ((await held(client, bureau)) !== before) faults.push("Something of a bad sample was stored");
  say(`${badInputRefused} of ${bad.length} bad samples are refused for the right reason`);

  // ── hand on, claim, reimburse ──────────────────────────────────────────────────────────────────
  const free = good
    .filter((sample) => !sample.document.reverses && !isReversed(sample, good))
    .flatMap((sample): [GoodSample, string][] =>
      numbers.has(sample) ? [[sample, numbers.get(sample) as string]] : [],
    );
  const untitled = free.filter(
    ([sample]) => sample.document.buyer.taxId === undefined && sample.document.currency === "CNY",
  );
  const [first, second] = untitled;
  if (!first || !second)
    throw new Error(`The samples have no two untitled invoices; ${faults.join("; ")}`);
  const { body: offer } = await client.done("POST /v1/invoices/{number}/transfers", {
    params: { number: first[1] },
    body: { to: colleague.account },
    token: traveller.token,
  });
  await client.done("POST /v1/transfers/{id}/accept", {
    params: { id: offer.id },
    token: colleague.token,
  });
  lines.push({
    what: `transfer of ${first[1]}`,
    who: `${traveller.name} → ${colleague.name}`,
    amount: first[0].document.totals.gross,
    outcome: "both signed",
  });

  const titled = Map.groupBy(
    free.filter(([sample]) => sample.document.buyer.taxId !== undefined),
    ([sample]) => sample.document.buyer.taxId,
  );
  const employers = [...titled.keys()]
    .map((taxId) => party(taxId))
    .filter((party) => (titled.get(party.taxId)?.length ?? 0) > 0);
  const reimbursedNumbers: string[] = [];
  const claim = (holder: { token: string }, employer: Party, invoices: string[]) =>
    client.done("POST /v1/claims", {
      body: { employer: employer.taxId, invoices, note: "expense report" },
      token: holder.token,
    });
  const reimburse = (id: string, { token }: Party) =>
    client.done("POST /v1/claims/{id}/reimburse", { params: { id }, token });
  const reports: { employer: Party; id: string; invoices: string[] }[] = [];
  for (const employer of employers) {
    const own = titled.get(employer.taxId) ?? [];
    const invoices = own.map(([, number]) => number);
    const { body } = await claim(employer, employer, invoices);
    reports.push({ employer, id: body.id, invoices });
  }
  // two reports are decided in the races below, the others now
  const [race, ...settled] = reports;
  if (!race || settled.length === 0) throw new Error("The samples have too few employers");
  for (const report of settled) {
    await reimburse(report.id, report.employer);
    reimbursedNumbers.push(...report.invoices);
    lines.push({
      what: `expense report of ${report.invoices.length}`,
      who: report.employer.name,
      amount: sum(numbers, report.invoices),
      outcome: "reimbursed under one signature",
    });
  }
  const [payer, other] = [race.employer, settled[0]?.employer as Party];
  const { body: personal } = await claim(colleague, payer, [first[1]]);
  await reimburse(personal.id, payer);
  reimbursedNumbers.push(first[1]);
  lines.push({
    what: `claim of ${first[1]}`,
    who: `${colleague.name} → ${payer.name}`,
    amount: first[0].document.totals.gross,
    outcome: "reimbursed",
  });

  // ── a second time ──────────────────────────────────────────────────────────────────────────────
  const refusals: Problem[] = [];
  const refuse = async (attempt: string, who: string, call: Promise<unknown>, code: string) => {
    const refusal = await refusalOf(call);
    if (refusal) refusals.push(refusal);
    if (refusal?.status !== 409 || refusal.code !== code)
      faults.push(`${attempt} was to be refused with ${code}: ${wordsOf(refusal)}`);
    const original = refusal?.["original"] as { state?: string } | undefined;
    lines.push({
      what: attempt,
      who,
      amount: "",
      outcome: `refused: ${refusal?.code} (is ${original?.state ?? "?"})`,
    });
  };
  await refuse(
    "again, same employer",
    payer.name,
    reimburse(personal.id, payer),
    "already-reimbursed",
  );
  await refuse(
    "again, another employer",
    other.name,
    claim(colleague, other, [first[1]]),
    "already-reimbursed",
  );
  await claim(traveller, payer, [second[1]]);
  await refuse(
    "claimed from two employers",
    other.name,
    claim(traveller, other, [second[1]]),
    "already-claimed",
  );

  const racers = await Promise.all(
    Array.from({ length: RACERS }, () => refusalOf(reimburse(race.id, payer))),
  );
  const losers = racers.filter((refusal) => refusal !== undefined);
  const won = RACERS - losers.length;
  const lostRace = losers.filter(
    ({ status, code }) => status === 409 && code === "already-reimbursed",
  ).length;
  if (won !== 1 || lostRace !== RACERS - 1)
    faults.push(
      `Of ${RACERS} reimbursements at once ${won} went through and ${lostRace} were refused`,
    );
  refusals.push(...losers);
  reimbursedNumbers.push(...race.invoices);
  lines.push({
    what: `${RACERS} reimbursements at once`,
    who: payer.name,
    amount: sum(numbers, race.invoices),
    outcome: `${won} reimbursed, ${lostRace} refused`,
  });
  say("second reimbursements were tried and refused");

  // ── what the chain says ────────────────────────────────────────────────────────────────────────
  const tally = await tallyOf(sandbox.rpcUrl, sandbox.deployment);
  const counts = {
    issued: tally.issued,
    reimbursed: tally.reimbursed,
    refusedByChain: tally.doubleReimbursementsRefused,
    refusedByGateway: refusals.filter(
      (refusal) => refusal.status === 409 && refusal["alarm"] === false,
    ).length,
    badInputRefused,
    lost: [...numbers.values()].filter((number) => !isSealed(tally, number)).length,
  };
  // the same employer again and in the race is answered by the gateway, a claim at another employer
  // by the chain
  const expected = {
    issued: good.length,
    reimbursed: reimbursedNumbers.length,
    refusedByChain: 2,
    refusedByGateway: RACERS,
    badInputRefused: bad.length,
    lost: 0,
  };
  for (const name of Object.keys(expected) as (keyof typeof expected)[]) {
    if (counts[name] !== expected[name])
      faults.push(`${name}: there are ${counts[name]}, expected ${expected[name]}`);
  }
  if (tally.reimbursements !== tally.reimbursed)
    faults.push(`${tally.reimbursements - tally.reimbursed} invoices were reimbursed twice`);
  const issuer = party(good[0]?.document.seller.taxId);
  return { lines, counts, faults, keys: { bureau, issuer, employer: payer, holder: traveller } };
}

const wordsOf = (refusal: Problem | undefined) =>
  refusal ? `${refusal.status} ${refusal.code} ${refusal.detail}` : "it was not";
const firstViolation = (refusal: Problem | undefined): { field?: string; rule?: string } =>
  refusal?.errors?.[0] ?? {};

function mismatch(sample: BadSample, refusal: Problem | undefined): string | undefined {
  const { code, field, rule } = sample.expected;
  const violation = firstViolation(refusal);
  const same =
    refusal !== undefined &&
    refusal.status < 500 &&
    refusal.code === code &&
    (field === undefined || violation.field === field) &&
    (rule === undefined || violation.rule === rule);
  return same
    ? undefined
    : `${sample.name} was to be refused with ${code} ${rule ?? ""} at ${field ?? ""}: ${wordsOf(refusal)}`;
}

const isReversed = (sample: GoodSample, all: readonly GoodSample[]) =>
  all.some(
    ({ document }) =>
      document.reverses?.sourceId !== undefined &&
      document.reverses.sourceId === sample.document.sourceId &&
      document.seller.taxId === sample.document.seller.taxId,
  );

function sum(numbers: Map<GoodSample, string>, chosen: readonly string[]): string {
  const cents = [...numbers]
    .filter(([, number]) => chosen.includes(number))
    .reduce((total, [sample]) => total + parseMoney(sample.document.totals.gross), 0n);
  return `${cents / 100n}.${(cents % 100n).toString().padStart(2, "0")}`;
}

/** How many invoices the gateway holds, by the bureau's list. */
async function held(client: Client, token: string): Promise<number> {
  let count = 0;
  for await (const _invoice of client.items("GET /v1/invoices", { query: { limit: 100 }, token }))
    count += 1;
  return count;
}

/** Loads the sample directory; returns how many companies it has. Throws when a line is refused. */
async function loadDirectory(client: Client, bureau: string): Promise<number> {
  const { body } = await client("POST /v1/taxpayers/directory", {
    body: sampleDirectory(),
    type: "text/csv",
    token: bureau,
  });
  const results = new TextDecoder().decode(body).trim().split("\n");
  const last = JSON.parse(results.at(-1) ?? "{}");
  if (!last.done || last.refused > 0)
    throw new Error(`The directory was not loaded: ${results.join("; ")}`);
  return last.stored;
}

/**
 * Every taxpayer that the samples name: sellers as issuers with quota of this month and numbers,
 * buyers as employers.
 */
async function enrolAll(
  client: Client,
  bureau: string,
  samples: readonly GoodSample[],
  period: string,
): Promise<Map<string, Party>> {
  type Enrolment = { name: string; currency: string; capabilities: Set<"issuer" | "employer"> };
  const enrolments = new Map<string, Enrolment>();
  const want = (
    taxId: string,
    name: string,
    currency: string,
    capability: "issuer" | "employer",
  ) => {
    const known = enrolments.get(taxId) ?? { name, currency, capabilities: new Set() };
    // an issuer accounts in the currency it invoices in
    if (capability === "issuer") known.currency = currency;
    known.capabilities.add(capability);
    enrolments.set(taxId, known);
  };
  for (const { document } of samples) {
    if (document.seller.taxId === undefined) throw new Error("A sample has no seller's tax id");
    want(document.seller.taxId, document.seller.name, document.currency, "issuer");
    if (document.buyer.taxId !== undefined)
      want(document.buyer.taxId, document.buyer.name, document.currency, "employer");
  }
  const enrol = async ([taxId, { name, currency, capabilities }]: [string, Enrolment]): Promise<
    [string, Party]
  > => {
    const params = { taxId };
    const { body: made } = await client.done("POST /v1/taxpayers", {
      body: { name, taxId, currency, capabilities: [...capabilities] },
      token: bureau,
    });
    const { account } = made;
    const roles: Role[] = [...capabilities, "holder", "admin"];
    const getKey = client.done("POST /v1/api-keys", {
      body: { account, roles: ["admin"] },
      token: bureau,
    });
    const setUp: Promise<unknown>[] = [];
    if (capabilities.has("issuer")) {
      const quota = { period, granted: "1000000000.00" };
      setUp.push(
        client.done("PUT /v1/taxpayers/{taxId}/quota", { params, body: quota, token: bureau }),
        client.done("POST /v1/taxpayers/{taxId}/segments", {
          params,
          body: { length: 1_000_000 },
          token: bureau,
        }),
      );
    }
    const [key] = await Promise.all([getKey, ...setUp]);
    return [taxId, { taxId, name, account, roles, token: key.body.token ?? "" }];
  };
  return new Map(await Promise.all([...enrolments].map(enrol)));
}
