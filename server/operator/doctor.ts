/**
 * Doctor: examines the database and the node, and reports what waits, why, and what to do. Changes
 * nothing.
 *
 * Every finding has a row in `findingTable`; docs/operations.md has the same table, with more
 * details. A report contains ids, numbers of lots, indexes of issuers, states and ages: no name,
 * tax id, amount, URL of a webhook or secret. A part that cannot be examined is a finding itself,
 * and the other parts are still examined.
 */
import type { ChainClient } from "../chain/client.ts";
import type { Contracts } from "../chain/contracts.ts";
import { type Json, pendingMigrations, type Sql } from "../db/db.ts";
import type { RowOf } from "../db/tables.ts";
import { keptAnswers } from "../http/kept-answers.ts";
import { findings as reconcileFindings } from "../upkeep/reconcile.ts";
import { type Finding, type FindingCode, findingTable, withCauses } from "./findings.ts";

export type Report = { healthy: boolean; facts: Record<string, Json>; findings: Finding[] };

type Deps = {
  sql: Sql;
  chain: ChainClient;
  contracts: Contracts;
  finalityDepth: number;
  maxHeadAgeSeconds: number;
  /** How many blocks the follower may be behind; default 50. */
  maxLagBlocks?: number;
  maxTxGas: bigint;
  idempotencyDays: number;
  reconcileDays: number;
};

/** Waiting is a finding after this many seconds. */
const PATIENCE = 60;
const LAG_BLOCKS = 50;
/**
 * A node in service has the block that was the newest one this many seconds ago, by the chain's
 * time.
 */
const BLOCK_PATIENCE = 15;
/** A process without its node is a finding after this many seconds. */
const BLIND_PATIENCE = 5;
/** How many rows of a kind are listed one by one. */
const MAX_LISTED = 20;

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
  seconds < 120
    ? `${Math.round(seconds)} s`
    : seconds < 7_200
      ? `${Math.round(seconds / 60)} min`
      : `${Math.round(seconds / 3_600)} h`;
const secondsSince = (column: string) => `extract(epoch from now() - ${column})::float8`;

export async function examine(deps: Deps): Promise<Report> {
  const { sql, chain, contracts, maxLagBlocks = LAG_BLOCKS } = deps;
  const { deployment } = contracts;
  const facts: Record<string, Json> = { network: deployment.network, chainId: deployment.chainId };
  const list: Finding[] = [];
  const note = (code: FindingCode, subject: string, detail: string) =>
    void list.push({ code, subject, detail });

  // ── the node ───────────────────────────────────────────────────────────────────────────────────

  async function node(): Promise<number | undefined> {
    let head: number;
    try {
      const chainId = await chain.chainId();
      if (chainId !== deployment.chainId) {
        note("wrong-chain", `chain ${chainId}`, `DEPLOYMENT is of chain ${deployment.chainId}`);
        return undefined;
      }
      head = await chain.head();
    } catch (cause) {
      note("node-unreachable", "node", textOf(cause));
      return undefined;
    }
    const [first, last] = [await chain.block(0), await chain.block(head)];
    if (first && first.hash !== deployment.genesis) {
      note(
        "wrong-chain",
        "genesis",
        `the node's is ${first.hash}, the deployment's ${deployment.genesis}`,
      );
      return undefined;
    }
    const seconds = Math.max(0, Date.now() / 1_000 - (last?.time ?? 0));
    facts["head"] = { block: head, ageSeconds: Math.round(seconds) };
    if (seconds > deps.maxHeadAgeSeconds) await explainStillHead(head, seconds);
    const gas = await chain.blockGas();
    if (gas < deps.maxTxGas)
      note("gas-above-block", `MAX_TX_GAS ${deps.maxTxGas}`, `a block has ${gas}`);
    const registry = await chain
      .call(deployment.ledger, contracts.ledgerCall("registry", []))
      .then((data) => String(contracts.ledgerResult("registry", data)[0]))
      .catch(() => "");
    if (registry.toLowerCase() !== deployment.registry.toLowerCase())
      note("contracts-missing", deployment.ledger, "it does not answer as this network's ledger");
    return head;
  }

  /**
   * Explains why this node has no new block: gateways write in the database how far their nodes
   * reach.
   */
  async function explainStillHead(head: number, seconds: number): Promise<void> {
    const others = sql<
      { best: bigint | null }[]
    >`select max(reach) as best from process_now where seen > now() - interval '1 minute'`;
    const best = await others.then(([row]) => Number(row?.best ?? -1)).catch(() => -1);
    // after the query for the others: a block in between makes no difference
    const beyond = best > (await chain.head());
    const old = `${age(seconds)} old by its own time`;
    if (beyond) note("node-still", `block ${head}`, `${old}; a gateway's node is at block ${best}`);
    else note("head-still", `block ${head}`, old);
  }

  // ── the database ───────────────────────────────────────────────────────────────────────────────

  async function schema(): Promise<boolean> {
    try {
      await sql`select 1`;
    } catch (cause) {
      note("database-unreachable", "database", textOf(cause));
      return false;
    }
    const pending = await pendingMigrations(sql);
    if (pending.length > 0) note("migrations-pending", "schema", pending.join(", "));
    return true;
  }

  async function cursor(head: number | undefined): Promise<void> {
    const [at] = await sql<
      RowOf<"chain_now", "block" | "hash" | "genesis">[]
    >`select block, hash, genesis from chain_now`;
    const [ledger] = await sql<RowOf<"ledger_now", "closed">[]>`select closed from ledger_now`;
    if (ledger?.closed) note("ledger-closed", "ledger", "closed");
    if (!at) return note("cursor-missing", "cursor", "there are no projections");
    if (at.genesis !== deployment.genesis)
      return note("wrong-database", "cursor", "its genesis is not the deployment's");
    const block = Number(at.block);
    // after reading the cursor: a follower is quick
    const final = head === undefined ? null : (await chain.head()) - deps.finalityDepth;
    const lag = final === null ? null : final - block;
    facts["cursor"] = { block, lagBlocks: lag };
    if (head === undefined || lag === null) return;
    const atCursor = await chain.block(block);
    if (!atCursor || lag < 0)
      return note(
        "node-behind",
        "cursor",
        `the cursor is at block ${block}, the node's final head ${final}`,
      );
    if (atCursor.hash !== at.hash) return note("cursor-forked", "cursor", `at block ${block}`);
    if (lag > maxLagBlocks) note("cursor-lags", "cursor", `${lag} blocks to go`);
  }

  async function lanes(): Promise<void> {
    const rows = await sql.unsafe<
      { lane: string; queued: number; pending: number; oldest: number | null; known: boolean }[]
    >(`
      select coalesce(l.name, s.lane) as lane,
        count(s.id) filter (where s.status = 'queued')::int as queued,
             count(s.id) filter (where s.status = 'pending')::int as pending,
               ${secondsSince("min(s.created_at)")} as oldest, l.name is not null as known
      from lane_now l full join (select * from send_now where status in ('queued',
        'pending')) s on s.lane = l.name group by 1, 5 order by 1`);
    facts["lanes"] = rows.map(({ lane, queued, pending, oldest }) => ({
      lane,
      queued,
      pending,
      oldestSeconds: oldest === null ? null : Math.round(oldest),
    }));
    for (const { lane, queued, pending, oldest, known } of rows) {
      if (!known) note("lane-missing", lane, `${queued} wait`);
      else if (oldest !== null && oldest > PATIENCE)
        note("lane-waits", lane, `${queued} queued, ${pending} pending, the oldest ${age(oldest)}`);
    }
    const unknown = await sql.unsafe<Unknown[]>(`
      select id::text, lane, nonce::int, hash, tries, fault, reason, last_error, cancel_hash,
        ${secondsSince("created_at")} as seconds
      from send_now where status = 'pending' and (tries > 3 or fault is not null
        or created_at < now() - interval '${PATIENCE} seconds')
      order by lane, nonce limit ${MAX_LISTED}`);
    for (const send of unknown) {
      const answer =
        send.last_error === null
          ? "the node said nothing against it"
          : `the node said: ${send.last_error.slice(0, 200)}`;
      const word =
        send.fault === null
          ? ""
          : `, ${send.fault}${send.reason === null ? "" : ` (${send.reason})`}`;
      const cancelNote =
        send.cancel_hash === null ? "" : `; it is being given up by ${send.cancel_hash}`;
      const detail =
        `lane ${send.lane}, nonce ${send.nonce}, ${send.hash}, sent ${send.tries} times in ` +
        `${age(send.seconds)}${word}; ${answer}${cancelNote}`;
      note(send.fault === "rejected" ? "lane-blocked" : "send-unknown", `send ${send.id}`, detail);
    }
  }

  type LeaseRow = {
    name: string;
    held: boolean;
    detail: string;
    seconds: number;
    seen: boolean;
    reach: number | null;
    reached: number;
  };
  async function leases(head: number | undefined): Promise<void> {
    const rows = await sql.unsafe<LeaseRow[]>(`
      select l.name, l.until > now() as held, l.detail, ${secondsSince("l.since")} as seconds,
             p.holder is not null as seen, p.reach::int as reach,
               ${secondsSince("p.since")} as reached
      from lease_now l left join process_now p on p.holder = l.holder order by l.name`);
    facts["leases"] = rows.map(({ name, held, detail, seconds }) => ({
      name,
      held,
      by: detail,
      sinceSeconds: Math.round(seconds),
    }));
    if (rows.length === 0) note("nobody-works", "leases", "no gateway has ever worked here");
    for (const { name, held, detail } of rows)
      if (!held) note("nobody-works", name, `the last was ${detail}`);
    for (const [process, held] of Map.groupBy(
      rows.filter((row) => row.held && row.seen),
      (row) => row.detail,
    ))
      await servedBy(process, held, head);
  }

  /** Whether the node of a working process serves it, as far as this node can tell. */
  async function servedBy(
    process: string,
    held: readonly LeaseRow[],
    head: number | undefined,
  ): Promise<void> {
    const [{ reach, reached }] = held as [LeaseRow];
    const work = `it holds ${held.map(({ name }) => name).join(", ")}`;
    if (reach === null) {
      if (reached > BLIND_PATIENCE)
        note("holder-blind", process, `its node has not served it for ${age(reached)}; ${work}`);
      return;
    }
    if (head === undefined || head <= reach) return;
    const [missing, newest] = await Promise.all([chain.block(reach + 1), chain.block(head)]);
    const seconds = missing === undefined || newest === undefined ? 0 : newest.time - missing.time;
    if (seconds > BLOCK_PATIENCE)
      note(
        "holder-blind",
        process,
        `its node stands at block ${reach}, and this one is at ${head}; ${work}`,
      );
  }

  async function operations(): Promise<void> {
    const rows = await sql.unsafe<
      (RowOf<"operation_now", "status"> & { n: number; oldest: number })[]
    >(`
      select status, count(*)::int as n, ${secondsSince("min(created_at)")} as oldest
      from operation_now where status in ('queued', 'awaiting-signature', 'signed',
        'sent') group by status order by status`);
    facts["operations"] = rows.map(({ status, n, oldest }) => ({
      status,
      n,
      oldestSeconds: Math.round(oldest),
    }));
    // lots of suspended issuers are reported below, and waiting is normal while the ledger is
    // closed
    const stuck = await sql.unsafe<
      (RowOf<"operation_now", "id" | "kind" | "status" | "tries"> & {
        seconds: number;
        code: string | null;
      })[]
    >(`
      select o.id, o.kind, o.status, o.tries, ${secondsSince("o.updated_at")} as seconds,
        o.problem->>'code' as code
      from operation_now o left join sealing_now l on l.operation = o.id
        left join taxpayer_now t on t.index = l.issuer
      where o.status in ('queued', 'signed', 'sent')
        and o.updated_at < now() - interval '${PATIENCE} seconds'
        and (l.first is null or (t.standing = 'active' and t.capabilities & 1 = 1))
        and (o.command->>'type' not in ('act', 'seal') or not (select coalesce(bool_or(closed),
          false) from ledger_now))
      order by o.id limit ${MAX_LISTED}`);
    for (const { id, kind, status, tries, seconds, code } of stuck)
      note(
        "operation-waits",
        id,
        `${kind}, ${status} for ${age(seconds)}, tried ${tries + 1} ` +
          `times${code === null ? "" : `, last ${code}`}`,
      );
  }

  async function invoices(): Promise<void> {
    const rows = await sql.unsafe<
      {
        issuer: number;
        lotted: number;
        unlotted: number;
        oldest: number | null;
        status: string;
        free: boolean;
      }[]
    >(`
      with under_way as (
        select l.issuer, sum(l.count) as lotted from operation_now o
          join sealing_now l on l.operation = o.id
        where o.status in ('queued', 'awaiting-signature', 'signed', 'sent') group by l.issuer
      ), waiting as (
        select s.issuer, sum(u.accepted - u.lotted) as unlotted, min(i.accepted_at) as since
        from segment_waits_now u join segment_now s on s.first = u.segment
        left join lateral (select accepted_at from accepted_now
          where number = u.segment + u.lotted offset 0) i on true group by s.issuer
      )
      select t.index as issuer, coalesce(w.unlotted, 0)::int as unlotted, coalesce(g.lotted,
        0)::int as lotted, ${secondsSince("w.since")} as oldest,
             t.standing as status, t.standing = 'active' and t.capabilities & 1 = 1 as free
      from under_way g full join waiting w on w.issuer = g.issuer
        join taxpayer_now t on t.index = coalesce(w.issuer, g.issuer) order by t.index`);
    const waiting = rows.filter((row) => row.unlotted + row.lotted > 0);
    facts["waiting"] = waiting.map(({ issuer, unlotted, lotted }) => ({
      issuer,
      unlotted,
      unsealed: lotted,
    }));
    for (const { issuer, unlotted, lotted, oldest, status, free } of waiting) {
      if (!free)
        note(
          "issuer-suspended",
          `issuer ${issuer}`,
          `${status}; ${unlotted + lotted} invoices wait`,
        );
      else if (unlotted > 0 && (oldest ?? 0) > PATIENCE)
        note(
          "lots-wait",
          `issuer ${issuer}`,
          `${unlotted} invoices, the oldest ${age(oldest ?? 0)}`,
        );
    }
    const unsigned = await sql.unsafe<
      (RowOf<"sealing_now", "issuer"> & { lots: number; invoices: number; oldest: number })[]
    >(`
      select l.issuer, count(*)::int as lots, sum(l.count)::int as invoices,
        ${secondsSince("min(o.updated_at)")} as oldest
      from operation_now o join sealing_now l on l.operation = o.id
        where o.status = 'awaiting-signature' group by l.issuer order by l.issuer`);
    for (const { issuer, lots, invoices: n, oldest } of unsigned)
      if (oldest > PATIENCE)
        note(
          "awaiting-signature",
          `issuer ${issuer}`,
          `${lots} lots of ${n} invoices, the oldest ${age(oldest)}`,
        );
  }

  async function webhooks(): Promise<void> {
    const rows = await sql.unsafe<
      (RowOf<"webhook_backlog_now", "id" | "tries" | "disabled"> & { behind: number | null })[]
    >(`
      select id, tries, disabled, ${secondsSince("since")} as behind from webhook_backlog_now
      where tries > 0 or disabled in ('failing', 'gone') order by id limit 200`);
    const [all] = await sql<
      { active: bigint }[]
    >`select count(*) filter (where disabled is null) as active from webhook_now`;
    facts["webhooks"] = {
      active: Number(all?.active),
      failing: rows.filter((row) => row.disabled === null).length,
    };
    for (const { id, tries, disabled, behind } of rows.slice(0, MAX_LISTED)) {
      if (disabled !== null) note("webhook-disabled", id, disabled);
      else
        note(
          "webhook-failing",
          id,
          `${tries} attempts ` +
            `failed${behind === null ? "" : `, its next event is ${age(behind)} old`}`,
        );
    }
  }

  async function upkeep(): Promise<void> {
    const [keys] = await sql.unsafe<{ oldest: number | null }[]>(
      `select ${secondsSince("min(created_at)")} as oldest from idempotency_now`,
    );
    facts["idempotency"] = {
      keysAbout: await keptAnswers(sql),
      oldestSeconds: keys?.oldest == null ? null : Math.round(keys.oldest),
    };
    if ((keys?.oldest ?? 0) > (deps.idempotencyDays + 1) * 86_400)
      note("expiry-waits", "idempotency", `the oldest is ${age(keys?.oldest ?? 0)} old`);
    const differences = await reconcileFindings(sql);
    for (const { kind, subject, detail } of differences.slice(0, MAX_LISTED))
      note("reconcile-difference", `${kind} ${subject}`, detail);
    if (differences.length > MAX_LISTED)
      note(
        "reconcile-difference",
        "more",
        `and ${differences.length - MAX_LISTED} more, in the table reconcile_findings`,
      );
    const [sweep] = await sql.unsafe<
      { block: number; ended: number | null; begun: number; invoices: number }[]
    >(`
      select block::int, ${secondsSince("ended_at")} as ended, ${secondsSince("begun_at")} as begun,
        invoices::int
      from reconcile_cursor_now where name = 'sweep'`);
    facts["reconcile"] = {
      differences: differences.length,
      block: sweep?.block ?? null,
      lastCompleteSeconds: sweep?.ended == null ? null : Math.round(sweep.ended),
    };
    const since = sweep === undefined ? undefined : (sweep.ended ?? sweep.begun);
    if (since !== undefined && since > 2 * deps.reconcileDays * 86_400)
      note(
        "reconcile-old",
        "sweep",
        `the last one ended ${sweep?.ended == null ? "never" : `${age(since)} ago`}`,
      );
  }

  async function redLetters(): Promise<void> {
    const rows = await sql.unsafe<
      (RowOf<"red_letter_now", "id" | "problem"> & { seconds: number })[]
    >(`
      select id, problem, ${secondsSince("updated_at")} as seconds from red_letter_now
      where acted and number is null and updated_at < now() - interval '${PATIENCE} seconds'
        order by id limit ${MAX_LISTED}`);
    for (const { id, problem, seconds } of rows)
      note("red-letter-waits", id, `${problem ?? "no problem is recorded"}, for ${age(seconds)}`);
  }

  async function audit(): Promise<void> {
    const audited = await sql<RowOf<"audit_finding_now", "kind" | "issuer" | "subject">[]>`
      select kind, issuer, subject from audit_finding_now order by found_at, kind, subject
        limit ${MAX_LISTED}`;
    for (const { kind, issuer, subject } of audited)
      note("audit-finding", `issuer ${issuer}`, `${kind} ${subject}`);
    const [waiting] = await sql.unsafe<{ lots: number; oldest: number | null }[]>(`
      select count(*)::int as lots, ${secondsSince("min(since)")} as oldest from audit_lot_now
        where state = 'waiting'`);
    if ((waiting?.oldest ?? 0) > PATIENCE)
      note("audit-waits", "lots", `${waiting?.lots}, the oldest for ${age(waiting?.oldest ?? 0)}`);
    const [late] = await sql.unsafe<
      { lots: number; oldest: number | null; error: string | null }[]
    >(`
      select count(*)::int as lots, ${secondsSince("min(to_timestamp(l.time))")} as oldest,
        (array_agg(d.error order by d.next_at))[1] as error
      from delivery_now d join lot_now l on l.first = d.lot where d.delivered_at is null`);
    if ((late?.oldest ?? 0) > PATIENCE)
      note(
        "deposits-wait",
        "lots",
        `${late?.lots}, the oldest for ${age(late?.oldest ?? 0)}; ` +
          `${late?.error ?? "not tried yet"}`,
      );
  }

  // ── all of it ──────────────────────────────────────────────────────────────────────────────────

  const head = await node().catch(
    (cause: unknown) => void note("not-examined", "node", textOf(cause)),
  );
  if (await schema()) {
    for (const [name, part] of Object.entries({
      cursor: () => cursor(head ?? undefined),
      leases: () => leases(head ?? undefined),
      lanes,
      operations,
      invoices,
      redLetters,
      webhooks,
      audit,
      upkeep,
    })) {
      await part().catch((cause: unknown) => note("not-examined", name, textOf(cause)));
    }
  }
  return { healthy: list.length === 0, facts, findings: withCauses(list) };
}

/** One line; without a password that a library's text may contain in an address. */
const textOf = (cause: unknown) => {
  const text = cause instanceof Error ? cause.message || cause.name : String(cause);
  return (text.split("\n")[0] ?? "").replaceAll(/\/\/[^@\s/]*@/g, "//…@").slice(0, 300);
};

/** The report as lines for a person. */
export function reportLines({ healthy, facts, findings }: Report): string[] {
  const lines = Object.entries(facts).map(
    ([name, fact]) => `${name.padEnd(14)}${typeof fact === "string" ? fact : JSON.stringify(fact)}`,
  );
  if (healthy) return [...lines, "", "healthy: nothing waits that should not"];
  const effects = Map.groupBy(findings, (finding) => finding.follows);
  const causeLines = [
    ...Map.groupBy(effects.get(undefined) ?? [], (finding) => finding.code),
  ].flatMap(([code, causes]) => [
    "",
    `${code}: ${findingTable[code].means}`,
    ...causes.map(({ subject, detail }) => `  ${subject}: ${detail}`),
    `  → ${findingTable[code].do}`,
    ...(effects.get(code) ?? []).map(
      (effect) => `  and so ${effect.code}, ${effect.subject}: ${effect.detail}`,
    ),
  ]);
  return [...lines, ...causeLines];
}
