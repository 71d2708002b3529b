/**
 * When the dust has settled: compares what clients were answered with what the chain has, and what
 * the gateways say with both.
 *
 * Neither side is asked about itself: leaves are computed from the documents that clients posted,
 * sealed numbers come from logs and calldata, and of the database only the salts are believed,
 * because a wrong salt could not give the leaf that was sealed.
 */

import { readInvoice } from "@onepiao/protocol/formats/read.ts";
import { leafHash } from "@onepiao/protocol/ledger/tree.ts";
import { contentHash } from "@onepiao/protocol/proofs/disclosing.ts";
import { formatMoney } from "@onepiao/protocol/values/money.ts";
import type { Sql } from "../../../server/db/db.ts";
import type { Client } from "./client.ts";
import type { Journal } from "./journal.ts";
import type { OnChain } from "./ledger.ts";
import type { Parties } from "./load.ts";

export type Verdict = {
  accepted: number;
  sealed: number;
  reimbursed: number;
  double: number;
  lost: number;
  wrong: string[];
};

const states = ["none", "issued", "claimed", "reimbursed", "reversed"];

export async function judge(deps: {
  chain: OnChain;
  journal: Journal;
  parties: Parties;
  sql: Sql;
  client: Client;
}): Promise<Verdict> {
  const { chain, journal, parties, sql, client } = deps;
  const wrong: string[] = [];
  const named = (name: string) => chain.events.filter((event) => event.name === name);
  const idsOf = (name: string) => named(name).map((event) => String(event.args["id"]));

  // ── accepted and sealed ────────────────────────────────────────────────────────────────────────
  const accepted = new Map<string, Journal["posts"][number]>();
  for (const post of journal.posts) {
    if (post.numbers.size > 1)
      wrong.push(`One post, ${post.numbers.size} numbers: ${[...post.numbers].join(", ")}`);
    for (const number of post.numbers) {
      const other = accepted.get(number);
      // the twins of one original get the same number, if both get one
      if (other && (other.source === undefined || other.source !== post.source))
        wrong.push(`Number ${number} was given to two posts`);
      accepted.set(number, post);
    }
  }
  const rows = await sql<{ number: string; salt: Buffer }[]>`select number, salt from invoices`;
  const salts = new Map(rows.map((row) => [row.number, row.salt]));
  let lost = 0;
  for (const [number, post] of accepted) {
    const seals = chain.sealed.get(number) ?? [];
    if (seals.length > 1) wrong.push(`Number ${number} was sealed ${seals.length} times`);
    const salt = salts.get(number);
    if (seals[0] && salt && seals[0].leaf === leafOf(post, salt)) continue;
    lost += 1;
    wrong.push(
      `Lost: number ${number} ${!salt ? "is not stored" : seals[0] ? "was sealed with other content than was posted" : "is in no lot"}`,
    );
  }
  for (const number of chain.sealed.keys())
    if (!accepted.has(number)) wrong.push(`Number ${number} was sealed and given to nobody`);
  for (const number of salts.keys())
    if (!accepted.has(number)) wrong.push(`Number ${number} is stored and given to nobody`);
  for (const lot of chain.broken) wrong.push(`The calldata of lot ${lot} does not give its root`);

  // ── used once ──────────────────────────────────────────────────────────────────────────────────
  const reimbursements = idsOf("Reimbursed");
  const reimbursed = new Set(reimbursements);
  const invoicesOf = (count: "asked" | "granted") =>
    new Set(
      journal.reports.filter((report) => report[count] > 0).flatMap((report) => report.invoices),
    );
  const [asked, granted] = [invoicesOf("asked"), invoicesOf("granted")];
  for (const number of granted)
    if (!reimbursed.has(number))
      wrong.push(`Invoice ${number} was said to be reimbursed and is not`);
  for (const number of reimbursed)
    if (!asked.has(number)) wrong.push(`Invoice ${number} is reimbursed and nobody asked for it`);
  const enrolments = named("TaxpayerEnrolled").map((event) => event.args["account"]);
  for (const { account, taxId } of journal.enrolled) {
    const times = enrolments.filter((enrolled) => enrolled === account).length;
    if (times !== 1) wrong.push(`Taxpayer ${taxId} was enrolled ${times} times`);
  }

  // ── what the gateways say about it ─────────────────────────────────────────────────────────────
  const seen = new Set<string>();
  for await (const { number, status, version, holder } of client
    .as(parties.bureau)
    .items("GET /v1/invoices", { query: { limit: 100 } })) {
    seen.add(number);
    const record = chain.records.get(number) ?? {
      state: chain.sealed.has(number) ? 1 : 0,
      version: 0,
      holder: accepted.get(number)?.holder ?? "",
    };
    const expected = {
      status: states[record.state],
      version: record.version,
      holder: record.holder,
    };
    if (status !== expected.status || version !== expected.version || holder !== expected.holder)
      wrong.push(
        `Invoice ${number} is ${JSON.stringify(expected)} on the chain and ${JSON.stringify({ status, version, holder })} over the API`,
      );
  }
  for (const number of chain.sealed.keys())
    if (!seen.has(number)) wrong.push(`Invoice ${number} is sealed and not in the bureau's list`);
  for (const issuer of parties.issuers) {
    const sum = [...accepted.values()]
      .filter((post) => post.issuer === issuer)
      .reduce((total, post) => total + post.cents, 0n);
    const { body } = await client.ask(parties.bureau, "GET /v1/taxpayers/{taxId}/quota", {
      params: { taxId: issuer.taxId },
    });
    if (body.used !== formatMoney(sum))
      wrong.push(
        `${issuer.name} has used ${body.used} of its quota and issued ${formatMoney(sum)}`,
      );
  }

  return {
    accepted: accepted.size,
    sealed: chain.sealed.size,
    reimbursed: reimbursed.size,
    double: reimbursements.length - reimbursed.size,
    lost,
    wrong,
  };
}

/** The leaf that what a client posted must have been sealed under. */
function leafOf(post: Journal["posts"][number], salt: Buffer): string {
  const { document } = readInvoice("application/json", Buffer.from(JSON.stringify(post.body)));
  return leafHash({ content: contentHash(salt, document), holder: post.holder, buyer: post.buyer });
}

/**
 * What is still under way; empty when everything has come to its end. For a deadline, and for
 * saying what is stuck.
 */
export async function unfinished(sql: Sql): Promise<string[]> {
  const operations = await sql<
    {
      kind: string;
      status: string;
      count: number;
      tries: number;
      id: string;
      send: string | null;
      twins: number;
    }[]
  >`
    select o.kind, o.status, count(*)::int as count, max(o.tries) as tries, min(o.id::text) as id, min(s.id || ' ' || s.status) as send,
           (count(*) filter (where exists (select 1 from operations t where t.digest = o.digest and t.id <> o.id)))::int as twins
    from operations o left join sends s on s.id = o.send where o.status not in ('done', 'refused', 'failed') group by 1, 2`;
  const sends = await sql<
    {
      lane: string;
      status: string;
      count: number;
      tries: number;
      error: string | null;
      nonce: bigint | null;
    }[]
  >`
    select lane, status, count(*)::int as count, max(tries) as tries, min(last_error) as error, min(nonce) as nonce from sends
    where status in ('queued', 'pending') group by 1, 2`;
  const waiting = await sql<
    { segment: string; open: bigint }[]
  >`select segment, accepted - lotted as open from segment_use_now where accepted > lotted`;
  const unsealed = await sql<{ count: number }[]>`
    select count(*)::int as count from invoices i left join invoice_states s on s.number = i.number where s.number is null`;
  return [
    ...operations.map(
      (row) =>
        `${row.count} operations ${row.kind} ${row.status}, the first ${row.id}, send ${row.send}, tries ${row.tries}, ${row.twins} with a twin of the same digest`,
    ),
    ...sends.map(
      (row) =>
        `${row.count} sends of lane ${row.lane} ${row.status} from nonce ${row.nonce}, tries ${row.tries}, ${row.error ?? ""}`,
    ),
    ...waiting.map((row) => `${row.open} numbers of segment ${row.segment} in no lot`),
    ...unsealed
      .filter((row) => row.count > 0)
      .map((row) => `${row.count} invoices without a sealed state`),
  ];
}
