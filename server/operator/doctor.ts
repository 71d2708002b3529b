/**
 * Doctor: looks at the database and the node, and says what waits, why, and what to do. Changes nothing.
 *
 * Every finding has a row in `findingTable`; docs/operations.md has the same table, and more on each. What it says are ids, numbers of
 * lots, indexes of issuers, states and ages: no name, tax id, amount, URL of a webhook or secret. A part that cannot be examined is a
 * finding itself, and the others are examined all the same.
 */
import type { ChainClient } from "../chain/client.ts";
import type { Contracts } from "../chain/contracts.ts";
import { type Json, pendingMigrations, type Sql } from "../db/db.ts";
import { findings as reconcileFindings } from "../upkeep/reconcile.ts";

export const findingTable = {
  "database-unreachable": {
    means: "PostgreSQL does not answer at DATABASE_URL",
    do: "Start it, or mend the address. Gateways wait for it and go on by themselves",
  },
  "migrations-pending": { means: "The schema is older than this software", do: "node server/cli.ts migrate, or start `serve`, which does it" },
  "not-examined": { means: "A part could not be looked at", do: "Mend what the detail says and ask again" },
  "node-unreachable": { means: "The node does not answer at RPC_URL", do: "Start it, or mend the address. Nothing is lost: what is accepted waits" },
  "wrong-chain": { means: "The node's chain is not the one that DEPLOYMENT describes", do: "Mend RPC_URL or DEPLOYMENT before anything else; do not rebuild" },
  "wrong-database": {
    means: "The database has followed another chain",
    do: "Mend DATABASE_URL or DEPLOYMENT; after the chain was made anew on purpose: rebuild",
  },
  "contracts-missing": {
    means: "There is no ledger of this network at the address that DEPLOYMENT tells",
    do: "Mend DEPLOYMENT; a node that syncs has it later",
  },
  "head-still": {
    means: "The chain has had no new block for longer than MAX_HEAD_AGE",
    do: "Look at the validators, and at this node's peers; then at both clocks",
  },
  "ledger-closed": { means: "The bureau has closed the ledger: acts and lots wait", do: "Nothing, or the bureau opens it: PATCH /v1/ledger" },
  "cursor-missing": { means: "No gateway has followed the chain yet", do: "Start `serve`" },
  "cursor-lags": {
    means: "The projections are far behind the chain",
    do: "If it shrinks, wait. If not: is a `serve` running, who holds `following`, what does its log say",
  },
  "node-behind": {
    means: "The node does not have the block that the projections are at",
    do: "A node that syncs: wait. A node that was restored: let it sync",
  },
  "cursor-forked": {
    means: "The chain has another block where the projections are",
    do: "Make sure that this node's chain is the right one; then stop `serve`, rebuild, start",
  },
  "lane-waits": {
    means: "A transaction has been on its way for too long",
    do: "Look at the node's pool and at last_error; the same bytes go out again by themselves",
  },
  "lane-blocked": {
    means: "The node refuses a transaction, and its lane waits behind it",
    do: "By the reason in the runbook: mend the node, or give the transaction up (node server/cli.ts cancel ID)",
  },
  "lane-missing": {
    means: "Calls of the bureau wait, and this database has no sending key of the bureau",
    do: "node server/cli.ts bureau, and grant the address its roles (scripts/deploy.ts --bureau)",
  },
  "send-unknown": {
    means: "A transaction was sent several times and has no outcome",
    do: "Does the node know its hash? If the chain moves and it stays so: the node refuses it, see last_error",
  },
  "operation-waits": {
    means: "An operation has stood in one state for too long, and nothing explains it",
    do: "Look for its id in the log; then at lanes and node",
  },
  "awaiting-signature": {
    means: "Lots wait for the signature of an issuer that keeps its own key",
    do: "Remind the issuer: GET /v1/operations?status=awaiting-signature shows it what to sign",
  },
  "issuer-suspended": {
    means: "Accepted invoices of an issuer wait until it may issue again",
    do: "Nothing, or the bureau reinstates it; they keep their numbers",
  },
  "lots-wait": {
    means: "Accepted invoices are not put into lots",
    do: "Is a `serve` running, and who holds `sealing`? Its log says when a lot cannot be closed",
  },
  "webhook-failing": { means: "A webhook's endpoint does not take its events", do: "Tell its owner; the events are kept and tried again for days" },
  "webhook-disabled": {
    means: "A webhook was switched off because its endpoint failed for days, or is gone",
    do: "Its owner mends the endpoint, enables it and replays from its position",
  },
  "red-letter-waits": {
    means: "The chain has a red letter's act, and the red letter has no number yet",
    do: "By its problem: the issuer wants numbers or quota, or is suspended; it goes on by itself",
  },
  "audit-finding": {
    means: "The bureau's auditor has found something in sealed documents",
    do: "An alarm for the bureau, not for the operator: docs/audit.md says what each kind means",
  },
  "audit-waits": {
    means: "Sealed lots wait for their documents",
    do: "Their issuers' gateways deposit them: ask whoever operates them; onepiao_deposits_waiting there",
  },
  "deposits-wait": {
    means: "Lots of this gateway are not deposited with the bureau",
    do: "By the error: is DEPOSIT_URL up, does DEPOSIT_TOKEN hold, is DEPOSIT_KID the bureau's key; they are sent again by themselves",
  },
  "nobody-works": { means: "Nobody holds a lease, so nobody does that work", do: "Start `serve`; if one runs, does its heartbeat reach the database" },
  "expiry-waits": { means: "Stored answers are older than IDEMPOTENCY_DAYS", do: "Upkeep deletes them: is a `serve` running, and who holds `upkeep`?" },
  "reconcile-difference": {
    means: "What is stored is not what the chain has",
    do: "An alarm: somebody was at the database, or it was restored. See the runbook, by kind, before anything else",
  },
  "reconcile-old": {
    means: "No complete comparison with the chain has come to its end for long",
    do: "node server/cli.ts reconcile; then look why upkeep does not",
  },
} as const satisfies Record<string, { means: string; do: string }>;
export type FindingCode = keyof typeof findingTable;

/** `subject`: what it is about: a lane, an id, a number. */
export type Finding = { code: FindingCode; subject: string; detail: string };
export type Report = { healthy: boolean; facts: Record<string, Json>; findings: Finding[] };

type Deps = {
  sql: Sql;
  chain: ChainClient;
  contracts: Contracts;
  finalityDepth: number;
  maxHeadAgeSeconds: number;
  idempotencyDays: number;
  reconcileDays: number;
};

/** Seconds after which waiting is told. */
const PATIENCE = 60;
const LAG_BLOCKS = 50;
/** Rows of a kind that are told one by one. */
const MAX_TOLD = 20;

type Unknown = {
  id: string;
  lane: string;
  nonce: number;
  hash: string;
  tries: number;
  fault: string | null;
  reason: string | null;
  last_error: string | null;
  cancel_hash: string | null;
  seconds: number;
};

const age = (seconds: number) =>
  seconds < 120 ? `${Math.round(seconds)} s` : seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`;
const secondsSince = (column: string) => `extract(epoch from now() - ${column})::float8`;

export async function examine(deps: Deps): Promise<Report> {
  const { sql, chain, contracts } = deps;
  const { deployment } = contracts;
  const facts: Record<string, Json> = { network: deployment.network, chainId: deployment.chainId };
  const found: Finding[] = [];
  const find = (code: FindingCode, subject: string, detail: string) => void found.push({ code, subject, detail });

  // ── the node ────────────────────────────────────────────────────────────────────────────────────────────────────────

  async function node(): Promise<number | undefined> {
    let head: number;
    try {
      const chainId = await chain.chainId();
      if (chainId !== deployment.chainId) {
        find("wrong-chain", `chain ${chainId}`, `DEPLOYMENT is of chain ${deployment.chainId}`);
        return undefined;
      }
      head = await chain.head();
    } catch (cause) {
      find("node-unreachable", "node", textOf(cause));
      return undefined;
    }
    const [first, last] = [await chain.block(0), await chain.block(head)];
    if (first && first.hash !== deployment.genesis) {
      find("wrong-chain", "genesis", `the node's is ${first.hash}, the deployment's ${deployment.genesis}`);
      return undefined;
    }
    const seconds = Math.max(0, Date.now() / 1_000 - (last?.time ?? 0));
    facts["head"] = { block: head, ageSeconds: Math.round(seconds) };
    if (seconds > deps.maxHeadAgeSeconds) find("head-still", `block ${head}`, `${age(seconds)} old by its own time`);
    const registry = await chain
      .call(deployment.ledger, contracts.ledgerCall("registry", []))
      .then((data) => String(contracts.ledgerResult("registry", data)[0]))
      .catch(() => "");
    if (registry.toLowerCase() !== deployment.registry.toLowerCase())
      find("contracts-missing", deployment.ledger, "it does not answer as this network's ledger");
    return head;
  }

  // ── the database ────────────────────────────────────────────────────────────────────────────────────────────────────

  async function schema(): Promise<boolean> {
    try {
      await sql`select 1`;
    } catch (cause) {
      find("database-unreachable", "database", textOf(cause));
      return false;
    }
    const pending = await pendingMigrations(sql);
    if (pending.length > 0) find("migrations-pending", "schema", pending.join(", "));
    return true;
  }

  async function cursor(head: number | undefined): Promise<void> {
    const [at] = await sql<{ block: bigint; hash: string; genesis: string }[]>`select block, hash, genesis from cursor`;
    const [ledger] = await sql<{ closed: boolean }[]>`select closed from ledger_state`;
    if (ledger?.closed) find("ledger-closed", "ledger", "closed");
    if (!at) return find("cursor-missing", "cursor", "there are no projections");
    if (at.genesis !== deployment.genesis) return find("wrong-database", "cursor", "its genesis is not the deployment's");
    const block = Number(at.block);
    // asked after the cursor was read: a follower is quick
    const final = head === undefined ? null : (await chain.head()) - deps.finalityDepth;
    const lag = final === null ? null : final - block;
    facts["cursor"] = { block, lagBlocks: lag };
    if (head === undefined || lag === null) return;
    const here = await chain.block(block);
    if (!here || lag < 0) return find("node-behind", "cursor", `the cursor is at block ${block}, the node's final head ${final}`);
    if (here.hash !== at.hash) return find("cursor-forked", "cursor", `at block ${block}`);
    if (lag > LAG_BLOCKS) find("cursor-lags", "cursor", `${lag} blocks to go`);
  }

  async function lanes(): Promise<void> {
    const rows = await sql.unsafe<{ lane: string; queued: number; pending: number; oldest: number | null; known: boolean }[]>(`
      select coalesce(l.name, s.lane) as lane, count(s.id) filter (where s.status = 'queued')::int as queued,
             count(s.id) filter (where s.status = 'pending')::int as pending, ${secondsSince("min(s.created_at)")} as oldest, l.name is not null as known
      from lanes l full join (select * from sends where status in ('queued', 'pending')) s on s.lane = l.name group by 1, 5 order by 1`);
    facts["lanes"] = rows.map(({ lane, queued, pending, oldest }) => ({ lane, queued, pending, oldestSeconds: oldest === null ? null : Math.round(oldest) }));
    for (const { lane, queued, pending, oldest, known } of rows) {
      if (!known) find("lane-missing", lane, `${queued} wait`);
      else if (oldest !== null && oldest > PATIENCE) find("lane-waits", lane, `${queued} queued, ${pending} pending, the oldest ${age(oldest)}`);
    }
    const unknown = await sql.unsafe<Unknown[]>(`
      select id::text, lane, nonce::int, hash, tries, fault, reason, last_error, cancel_hash, ${secondsSince("created_at")} as seconds
      from sends where status = 'pending' and (tries > 3 or fault is not null or created_at < now() - interval '${PATIENCE} seconds')
      order by lane, nonce limit ${MAX_TOLD}`);
    for (const one of unknown) {
      const said = one.last_error === null ? "the node said nothing against it" : `the node said: ${one.last_error.slice(0, 200)}`;
      const word = one.fault === null ? "" : `, ${one.fault}${one.reason === null ? "" : ` (${one.reason})`}`;
      const given = one.cancel_hash === null ? "" : `; it is being given up by ${one.cancel_hash}`;
      const detail = `lane ${one.lane}, nonce ${one.nonce}, ${one.hash}, sent ${one.tries} times in ${age(one.seconds)}${word}; ${said}${given}`;
      find(one.fault === "rejected" ? "lane-blocked" : "send-unknown", `send ${one.id}`, detail);
    }
  }

  async function leases(): Promise<void> {
    const rows = await sql.unsafe<{ name: string; held: boolean; detail: string; seconds: number }[]>(`
      select name, until > now() as held, detail, ${secondsSince("since")} as seconds from leases order by name`);
    facts["leases"] = rows.map(({ name, held, detail, seconds }) => ({ name, held, by: detail, sinceSeconds: Math.round(seconds) }));
    if (rows.length === 0) find("nobody-works", "leases", "no gateway has ever worked here");
    for (const { name, held, detail } of rows) if (!held) find("nobody-works", name, `the last was ${detail}`);
  }

  async function operations(): Promise<void> {
    const rows = await sql.unsafe<{ status: string; n: number; oldest: number }[]>(`
      select status, count(*)::int as n, ${secondsSince("min(created_at)")} as oldest
      from operations where status in ('queued', 'awaiting-signature', 'signed', 'sent') group by status order by status`);
    facts["operations"] = rows.map(({ status, n, oldest }) => ({ status, n, oldestSeconds: Math.round(oldest) }));
    // lots of issuers that may not issue are told below, and while the ledger is closed nothing else is to be expected
    const stuck = await sql.unsafe<{ id: string; kind: string; status: string; tries: number; seconds: number; code: string | null }[]>(`
      select o.id, o.kind, o.status, o.tries, ${secondsSince("o.updated_at")} as seconds, o.problem->>'code' as code
      from operations o left join sealings l on l.operation = o.id left join taxpayers t on t.index = l.issuer
      where o.status in ('queued', 'signed', 'sent') and o.updated_at < now() - interval '${PATIENCE} seconds'
        and (l.first is null or (t.standing = 'active' and t.capabilities & 1 = 1))
        and (o.command->>'type' not in ('act', 'seal') or not (select coalesce(bool_or(closed), false) from ledger_state))
      order by o.id limit ${MAX_TOLD}`);
    for (const { id, kind, status, tries, seconds, code } of stuck)
      find("operation-waits", id, `${kind}, ${status} for ${age(seconds)}, tried ${tries + 1} times${code === null ? "" : `, last ${code}`}`);
  }

  async function invoices(): Promise<void> {
    const rows = await sql.unsafe<{ issuer: number; lotted: number; unlotted: number; oldest: number | null; status: string; free: boolean }[]>(`
      select s.issuer, coalesce(sum(u.accepted - u.lotted), 0)::int as unlotted, ${secondsSince("min(i.accepted_at)")} as oldest,
             t.standing as status, t.standing = 'active' and t.capabilities & 1 = 1 as free,
             coalesce((select sum(l.count) from operations o join sealings l on l.operation = o.id
               where o.status in ('queued', 'awaiting-signature', 'signed', 'sent') and l.issuer = s.issuer), 0)::int as lotted
      from segment_use u join segments s on s.first = u.segment join taxpayers t on t.index = s.issuer
      left join invoices i on u.accepted > u.lotted and i.number = u.segment + u.lotted
      group by s.issuer, t.standing, t.capabilities order by s.issuer`);
    const waiting = rows.filter((row) => row.unlotted + row.lotted > 0);
    facts["waiting"] = waiting.map(({ issuer, unlotted, lotted }) => ({ issuer, unlotted, unsealed: lotted }));
    for (const { issuer, unlotted, lotted, oldest, status, free } of waiting) {
      if (!free) find("issuer-suspended", `issuer ${issuer}`, `${status}; ${unlotted + lotted} invoices wait`);
      else if (unlotted > 0 && (oldest ?? 0) > PATIENCE) find("lots-wait", `issuer ${issuer}`, `${unlotted} invoices, the oldest ${age(oldest ?? 0)}`);
    }
    const unsigned = await sql.unsafe<{ issuer: number; lots: number; invoices: number; oldest: number }[]>(`
      select l.issuer, count(*)::int as lots, sum(l.count)::int as invoices, ${secondsSince("min(o.updated_at)")} as oldest
      from operations o join sealings l on l.operation = o.id where o.status = 'awaiting-signature' group by l.issuer order by l.issuer`);
    for (const { issuer, lots, invoices: n, oldest } of unsigned)
      if (oldest > PATIENCE) find("awaiting-signature", `issuer ${issuer}`, `${lots} lots of ${n} invoices, the oldest ${age(oldest)}`);
  }

  async function webhooks(): Promise<void> {
    const rows = await sql.unsafe<{ id: string; tries: number; disabled: string | null; behind: number | null }[]>(`
      select id, tries, disabled, ${secondsSince("since")} as behind from webhook_backlog
      where tries > 0 or disabled in ('failing', 'gone') order by id limit 200`);
    const [all] = await sql<{ active: bigint }[]>`select count(*) filter (where disabled is null) as active from webhooks`;
    facts["webhooks"] = { active: Number(all?.active), failing: rows.filter((row) => row.disabled === null).length };
    for (const { id, tries, disabled, behind } of rows.slice(0, MAX_TOLD)) {
      if (disabled !== null) find("webhook-disabled", id, disabled);
      else find("webhook-failing", id, `${tries} attempts failed${behind === null ? "" : `, its next event is ${age(behind)} old`}`);
    }
  }

  async function upkeep(): Promise<void> {
    const [keys] = await sql.unsafe<{ n: number; oldest: number | null }[]>(`
      select (select greatest(reltuples, 0)::int from pg_class where oid = 'idempotency'::regclass) as n,
             (select ${secondsSince("min(created_at)")} from idempotency) as oldest`);
    facts["idempotency"] = { keysAbout: keys?.n ?? 0, oldestSeconds: keys?.oldest == null ? null : Math.round(keys.oldest) };
    if ((keys?.oldest ?? 0) > (deps.idempotencyDays + 1) * 86_400) find("expiry-waits", "idempotency", `the oldest is ${age(keys?.oldest ?? 0)} old`);
    const differences = await reconcileFindings(sql);
    for (const { kind, subject, detail } of differences.slice(0, MAX_TOLD)) find("reconcile-difference", `${kind} ${subject}`, detail);
    if (differences.length > MAX_TOLD) find("reconcile-difference", "more", `and ${differences.length - MAX_TOLD} more, in the table reconcile_findings`);
    const [sweep] = await sql.unsafe<{ block: number; ended: number | null; begun: number; invoices: number }[]>(`
      select block::int, ${secondsSince("ended_at")} as ended, ${secondsSince("begun_at")} as begun, invoices::int
      from reconcile_cursors where name = 'sweep'`);
    facts["reconcile"] = {
      differences: differences.length,
      block: sweep?.block ?? null,
      lastCompleteSeconds: sweep?.ended == null ? null : Math.round(sweep.ended),
    };
    const since = sweep === undefined ? undefined : (sweep.ended ?? sweep.begun);
    if (since !== undefined && since > 2 * deps.reconcileDays * 86_400)
      find("reconcile-old", "sweep", `the last one ended ${sweep?.ended == null ? "never" : `${age(since)} ago`}`);
  }

  async function redLetters(): Promise<void> {
    const rows = await sql.unsafe<{ id: string; problem: string | null; seconds: number }[]>(`
      select id, problem, ${secondsSince("updated_at")} as seconds from red_letters
      where acted and number is null and updated_at < now() - interval '${PATIENCE} seconds' order by id limit ${MAX_TOLD}`);
    for (const { id, problem, seconds } of rows) find("red-letter-waits", id, `${problem ?? "no problem is told"}, for ${age(seconds)}`);
  }

  async function audit(): Promise<void> {
    const found = await sql<{ kind: string; issuer: number; subject: string }[]>`
      select kind, issuer, subject from audit_findings order by found_at, kind, subject limit ${MAX_TOLD}`;
    for (const { kind, issuer, subject } of found) find("audit-finding", `issuer ${issuer}`, `${kind} ${subject}`);
    const [waiting] = await sql.unsafe<{ lots: number; oldest: number | null }[]>(`
      select count(*)::int as lots, ${secondsSince("min(since)")} as oldest from audit_lots where state = 'waiting'`);
    if ((waiting?.oldest ?? 0) > PATIENCE) find("audit-waits", "lots", `${waiting?.lots}, the oldest for ${age(waiting?.oldest ?? 0)}`);
    const [late] = await sql.unsafe<{ lots: number; oldest: number | null; error: string | null }[]>(`
      select count(*)::int as lots, ${secondsSince("min(to_timestamp(l.time))")} as oldest, (array_agg(d.error order by d.next_at))[1] as error
      from deliveries d join lots l on l.first = d.lot where d.delivered_at is null`);
    if ((late?.oldest ?? 0) > PATIENCE)
      find("deposits-wait", "lots", `${late?.lots}, the oldest for ${age(late?.oldest ?? 0)}; ${late?.error ?? "not tried yet"}`);
  }

  // ── all of it ───────────────────────────────────────────────────────────────────────────────────────────────────────

  const head = await node().catch((cause: unknown) => void find("not-examined", "node", textOf(cause)));
  if (await schema()) {
    for (const [name, part] of Object.entries({
      cursor: () => cursor(head ?? undefined),
      leases,
      lanes,
      operations,
      invoices,
      redLetters,
      webhooks,
      audit,
      upkeep,
    })) {
      await part().catch((cause: unknown) => find("not-examined", name, textOf(cause)));
    }
  }
  return { healthy: found.length === 0, facts, findings: found };
}

/** Of one line: a library's text may hold the address, and with it a password. */
const textOf = (cause: unknown) => {
  const text = cause instanceof Error ? cause.message || cause.name : String(cause);
  return (text.split("\n")[0] ?? "").replaceAll(/\/\/[^@\s/]*@/g, "//…@").slice(0, 300);
};

/** The report as lines for a person. */
export function told({ healthy, facts, findings }: Report): string[] {
  const lines = Object.entries(facts).map(([name, fact]) => `${name.padEnd(14)}${typeof fact === "string" ? fact : JSON.stringify(fact)}`);
  if (healthy) return [...lines, "", "healthy: nothing waits that should not"];
  const said = [...Map.groupBy(findings, (one) => one.code)].flatMap(([code, of]) => [
    "",
    `${code}: ${findingTable[code].means}`,
    ...of.map(({ subject, detail }) => `  ${subject}: ${detail}`),
    `  → ${findingTable[code].do}`,
  ]);
  return [...lines, ...said];
}
