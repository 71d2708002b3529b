/**
 * The deliverer: posts the feed to subscriptions (rows of `webhooks`), in order, each event until
 * it is taken.
 *
 * | a subscription | condition | effect |
 * | --- | --- | --- |
 * | waits | nothing that it sees after `position` | none |
 * | is due | something is (`latest` is ahead), `next_at` is reached, nobody's claim holds | a process claims its row for LEASE_SECONDS |
 * | is claimed | 2xx | `position` moves to the event, `tries` is 0, the claim goes on |
 * | is claimed | 410 | disabled: gone |
 * | is claimed | anything else, schedule not at its end | `tries` + 1, due again after the schedule's delay |
 * | is claimed | anything else, schedule at its end | disabled: failing |
 * | is claimed | its process dies | due again when the claim is over |
 * | is disabled | its owner enables it | due, from the same `position` |
 *
 * Invariants: `position` moves only after a 2xx for the event at it, or over rows that the
 * subscription does not see: never a hole, never ahead of the delivery. It moves only under the
 * claim that read it, so what a process does whose claim is over, or whose row was disabled or
 * replayed meanwhile, counts for nothing. One event a request, one request at a time a
 * subscription; subscriptions do not wait for one another, those that fail or are slow take at most
 * half of the places, and those of one party and of the persons that it manages a few. A turn is
 * short, and the next place goes to whichever party has the fewest: parties that have much to be
 * told and receivers that take their time do not keep one away that has little. No transaction is
 * open while a receiver is waited for. Time is the database's.
 *
 * At least once: a process that dies after the receiver's answer and before the commit leaves the
 * event to be sent again, under the same `webhook-id`. Does not own: who may subscribe, and what a
 * party is shown of it (features/webhooks).
 */
import { Webhook as Signer } from "standardwebhooks";
import type { Changes, Sql, Tx } from "../../db/db.ts";
import { eventOf, type FeedEvent, pageOf, type Viewer } from "../../feed/feed.ts";
import type { Log } from "../../kernel/log.ts";
import { createLoop } from "../../kernel/loop.ts";
import type { Vault } from "../../keys/vault.ts";
import { ANSWER_MS, type Attempt, type Outbound } from "./outbound.ts";

/**
 * Where a subscription's events go, and what signs them: the present secret first, then those that
 * are being rotated out.
 */
export type Target = {
  url: string;
  description?: string;
  secrets: { secret: string; until?: number }[];
};

/** Sealed for the subscription's row. */
export const sealTarget = (vault: Vault, id: string, target: Target): Buffer =>
  vault.seal("webhooks", `webhook/${id}`, JSON.stringify(target));
export const openTarget = (vault: Vault, id: string, sealed: Uint8Array): Target =>
  JSON.parse(vault.open("webhooks", `webhook/${id}`, sealed).toString()) as Target;

export const TEST_TYPE = "webhook.test";

/** Headers and body of one delivery (Standard Webhooks): signed by every secret that holds now. */
function signed(id: string, body: string, target: Target): Record<string, string> {
  const now = new Date();
  const secrets = target.secrets.filter(
    ({ until }) => until === undefined || until > now.getTime(),
  );
  return {
    "content-type": "application/json",
    "user-agent": "OnePiao-Webhooks/1",
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(now.getTime() / 1_000)),
    "webhook-signature": secrets
      .map(({ secret }) => new Signer(secret).sign(id, now, body))
      .join(" "),
  };
}

/** The delivery that shows whether an endpoint answers; under no subscription yet. */
export function postTest(outbound: Outbound, target: Target, id: string): Promise<Attempt> {
  const body = JSON.stringify({ type: TEST_TYPE, timestamp: new Date().toISOString(), data: {} });
  return outbound.post(target.url, signed(`evt_test_${id}`, body, target), body);
}

export const isTaken = ({ status }: Attempt): boolean =>
  status !== undefined && status >= 200 && status < 300;

/** What the log of attempts says of one that failed; undefined for one that did not. */
export function faultOfAttempt(attempt: Attempt): string | undefined {
  if (attempt.status === undefined) return attempt.fault;
  if (isTaken(attempt)) return undefined;
  if (attempt.status === 410) return "gone";
  return attempt.status >= 300 && attempt.status < 400 ? "redirect" : "status";
}

export async function recordAttempt(
  tx: Tx,
  webhook: string,
  event: bigint | null,
  attempt: Attempt,
): Promise<void> {
  await tx`
    insert into webhook_attempts (webhook, event, status, ms, error)
    values (${webhook}, ${event}, ${attempt.status ?? null}, ${attempt.ms}, ${faultOfAttempt(attempt) ?? null})`;
  await tx`
    delete from webhook_attempts where webhook = ${webhook} and id <= (
      select id from webhook_attempts where webhook = ${webhook} order by id desc offset ${KEPT_ATTEMPTS} limit 1)`;
}

/** Attempts that are kept of a subscription. */
export const KEPT_ATTEMPTS = 50;

/**
 * Longer than an attempt may take, so that a claim that is alive is not over before its attempt is.
 */
const LEASE_SECONDS = 30;
/** A receiver's Retry-After stretches the schedule's delay up to this. */
const MAX_RETRY_AFTER_MS = 24 * 3_600_000;
/** After so many events, or so long, a subscription goes to the end of the queue. */
const TURN_EVENTS = 20;
const TURN_MS = 1_000;
/** A receiver that takes longer is slow, as every one is whose answer has to be cut. */
const SLOW_MS = ANSWER_MS - 100;
/** What a stopping process lets an attempt take still. */
const GRACE_MS = 3_000;

export type Deliverer = {
  start(): void;
  /**
   * Lets attempts under way come to an answer for some seconds, then breaks them off; hands the
   * claims back.
   */
  stop(): Promise<void>;
};

type Deps = {
  sql: Sql;
  vault: Vault;
  changes: Changes;
  log: Log;
  outbound: Outbound;
  /** Types that the roles of a subscription see; undefined: all. */
  typesOf(roles: readonly string[]): readonly string[] | undefined;
  /**
   * Milliseconds from a failed attempt to the next, by how many failed; at its end the subscription
   * is disabled.
   */
  schedule: readonly number[];
  /** Subscriptions delivered to at once; of one party an eighth of that. */
  places?: number;
  pollMs?: number;
  leaseSeconds?: number;
  slowMs?: number;
};

type Claimed = {
  id: string;
  /** Whose places it takes: its account's party, or the one that manages that person. */
  party: string;
  account: string;
  roles: string[];
  types: string[] | null;
  sealed: Buffer;
  position: bigint;
  tries: number;
  claim: string;
};

export function createDeliverer(deps: Deps): Deliverer {
  const {
    sql,
    vault,
    log,
    schedule,
    places = 64,
    pollMs = 1_000,
    leaseSeconds = LEASE_SECONDS,
    slowMs = SLOW_MS,
  } = deps;
  const ofParty = Math.max(1, Math.floor(places / 8));
  const running = new Map<string, { party: string; hindered: boolean; done: Promise<void> }>();
  let stopping = new AbortController();
  let cutting = new AbortController();

  const lease = (tx: Tx) => tx`now() + make_interval(secs => ${leaseSeconds})`;

  /**
   * Due subscriptions, at most so many, taken for this process: those that fail or are slow, or
   * those that do not and are not. A party with fewer places comes first, and none gets more than
   * are its own.
   */
  async function claim(hindered: boolean, limit: number): Promise<Claimed[]> {
    const due = sql`
      disabled is null and position < latest and next_at <= now() and (claimed_until is null or claimed_until < now())
        and ${hindered ? sql`(tries > 0 or slow)` : sql`tries = 0 and not slow`}`;
    const held = Map.groupBy(running.values(), ({ party }) => party);
    const chosen = await sql<{ id: string; party: string }[]>`
      select id, party from (
        select w.id, w.next_at, party, row_number() over (partition by party order by w.next_at) as nth
        from webhooks w join party_now p on p.account = w.account, coalesce(p.manager, p.account) as party where ${due}) as waiting
      left join unnest(${[...held.keys()]}::text[], ${[...held.values()].map(({ length }) => length)}::int[]) as held (party, places) using (party)
      where nth + coalesce(places, 0) <= ${ofParty} order by nth + coalesce(places, 0), next_at limit ${limit}`;
    if (chosen.length === 0) return [];
    const claimed = await sql<Omit<Claimed, "party">[]>`
      update webhooks set claim = gen_random_uuid(), claimed_until = ${lease(sql)} where id in (
        select id from webhooks where id = any(${chosen.map((one) => one.id)}::uuid[]) and ${due} for update skip locked)
      returning id, account, roles, types, sealed, position, tries, claim`;
    const parties = new Map(chosen.map(({ id, party }) => [id, party]));
    return claimed.map((row) => ({ ...row, party: parties.get(row.id) as string }));
  }

  function viewerOf(row: Claimed): Viewer {
    const seen = deps.typesOf(row.roles);
    const types =
      row.types === null
        ? seen
        : seen === undefined
          ? row.types
          : row.types.filter((type) => seen.includes(type));
    return { account: row.account, everything: row.roles.includes("bureau"), types };
  }

  /**
   * Delivers from the row's position on until nothing is left, its turn is over, an attempt fails,
   * or the claim is lost.
   */
  async function deliver(row: Claimed): Promise<void> {
    const viewer = viewerOf(row);
    const until = performance.now() + TURN_MS;
    let { position, sealed } = row;
    let sent = 0;
    let renewed = performance.now();
    for (;;) {
      const page = await pageOf(sql, viewer, { after: position, limit: TURN_EVENTS });
      for (const one of page.rows) {
        const now = performance.now();
        // a process that was halted for long may have lost its claim: it sends nothing more under
        // it
        const late = now - renewed > leaseSeconds * 500;
        if (stopping.signal.aborted || sent >= TURN_EVENTS || now > until || late)
          return yieldPlace(row, position);
        const attempt = await post(eventOf(one, viewer), openTarget(vault, row.id, sealed));
        if (attempt === undefined) return yieldPlace(row, position);
        const kept = isTaken(attempt)
          ? await taken(row, position, one.position, attempt)
          : await failed(row, position, one.position, attempt);
        if (kept === undefined) return;
        sealed = kept;
        position = one.position;
        renewed = performance.now();
        sent += 1;
        row.tries = 0;
      }
      // nothing that it sees is left out between the last row and where the page ends
      if (page.next > position && !(await moved(sql, row, position, page.next))) return;
      position = page.next;
      if (!page.more) return yieldPlace(row, position);
    }
  }

  /** Undefined when it was broken off by us, which is nobody's failure. */
  async function post(event: FeedEvent, target: Target): Promise<Attempt | undefined> {
    const body = JSON.stringify({ type: event.type, timestamp: event.at, data: event });
    try {
      return await deps.outbound.post(
        target.url,
        signed(`evt_${event.id}`, body, target),
        body,
        cutting.signal,
      );
    } catch (error) {
      if (cutting.signal.aborted) return undefined;
      throw error;
    }
  }

  /**
   * Moves the position under the claim, which goes on; the row's present target, or undefined when
   * the claim is lost.
   */
  async function moved(
    tx: Tx,
    row: Claimed,
    from: bigint,
    to: bigint,
    slow: boolean | null = null,
  ): Promise<Buffer | undefined> {
    const [still] = await tx<{ sealed: Buffer }[]>`
      update webhooks set position = ${to}, tries = 0, slow = coalesce(${slow}, slow), claimed_until = ${lease(tx)}
      where id = ${row.id} and claim = ${row.claim} and position = ${from} and disabled is null returning sealed`;
    return still?.sealed;
  }

  const taken = (row: Claimed, from: bigint, to: bigint, attempt: Attempt) =>
    sql.begin(async (tx) => {
      const sealed = await moved(tx, row, from, to, attempt.ms > slowMs);
      if (sealed !== undefined) await recordAttempt(tx, row.id, to, attempt);
      return sealed;
    });

  async function failed(
    row: Claimed,
    from: bigint,
    event: bigint,
    attempt: Attempt,
  ): Promise<undefined> {
    const delay = schedule[row.tries];
    const disabled = attempt.status === 410 ? "gone" : delay === undefined ? "failing" : null;
    const asked = Math.min(attempt.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS);
    // apart from one another, so that what failed together does not come back together
    const wait = Math.max((delay ?? 0) * (1 + Math.random() / 5), asked);
    await sql.begin(async (tx) => {
      const done = await tx`
        update webhooks set tries = tries + 1, next_at = now() + make_interval(secs => ${wait / 1_000}), claim = null, claimed_until = null,
          disabled = ${disabled}, updated_at = case when ${disabled}::text is null then updated_at else now() end
        where id = ${row.id} and claim = ${row.claim} and position = ${from} and disabled is null`;
      if (done.count === 1) await recordAttempt(tx, row.id, event, attempt);
    });
    if (disabled !== null) log.warn({ webhook: row.id, reason: disabled }, "a webhook is disabled");
    return undefined;
  }

  /** Back to the end of the queue, for whichever process comes. */
  async function yieldPlace(row: Claimed, position: bigint): Promise<void> {
    await sql`
      update webhooks set claim = null, claimed_until = null, next_at = now()
      where id = ${row.id} and claim = ${row.claim} and position = ${position}`;
  }

  function take(row: Claimed, hindered: boolean): void {
    const done = deliver(row)
      // its claim runs out, and some process goes on from the stored position
      .catch((cause: unknown) =>
        log.warn(
          { webhook: row.id, error: cause instanceof Error ? cause.name : "unknown" },
          "a delivery is broken off",
        ),
      )
      .finally(() => {
        running.delete(row.claim);
        wake();
      });
    running.set(row.claim, { party: row.party, hindered, done });
  }

  let wake = () => {};
  /** Claims what is due into free places. */
  async function step(): Promise<void> {
    for (const hindered of [false, true]) {
      for (let more = true; more; ) {
        const hinderedNow = [...running.values()].filter((one) => one.hindered).length;
        const free = Math.min(
          places - running.size,
          hindered ? Math.floor(places / 2) - hinderedNow : places,
        );
        const rows = free > 0 ? await claim(hindered, free) : [];
        for (const row of rows) take(row, hindered);
        more = rows.length > 0;
      }
    }
  }

  const loop = createLoop({
    atMostMs: pollMs,
    listen(changed) {
      wake = changed;
      return deps.changes.on(["block", "webhook"], changed);
    },
    turn: step,
    failed(cause) {
      log.warn({ error: cause instanceof Error ? cause.name : "unknown" }, "the deliverer waits");
    },
  });

  return {
    start() {
      stopping = new AbortController();
      cutting = new AbortController();
      loop.start();
    },
    async stop() {
      stopping.abort();
      await loop.stop();
      const timer = setTimeout(() => cutting.abort(), GRACE_MS);
      await Promise.allSettled([...running.values()].map((one) => one.done));
      clearTimeout(timer);
    },
  };
}
