/**
 * The deliverer: posts the feed to subscriptions (rows of `webhooks`), in order, each event until
 * the receiver accepts it.
 *
 * | a subscription | condition | effect |
 * | --- | --- | --- |
 * | waits | it sees nothing after `position` | none |
 * | is due | it sees something (`latest` is ahead), `next_at` is reached, nobody's claim holds | a process claims its row for LEASE_SECONDS |
 * | is claimed | 2xx | `position` moves to the event, `tries` is 0, the claim goes on |
 * | is claimed | 410 | disabled: gone |
 * | is claimed | anything else, schedule not at its end | `tries` + 1, due again after the schedule's delay |
 * | is claimed | anything else, schedule at its end | disabled: failing |
 * | is claimed | its process dies | due again when the claim is over |
 * | is disabled | its owner enables it | due, from the same `position` |
 *
 * Invariants: `position` moves only after a 2xx for its event, or over rows that the subscription
 * does not see: it never leaves a gap and is never ahead of the delivery. It moves only under the
 * claim that read it, so a process whose claim is over, or whose row was disabled or replayed
 * meanwhile, changes nothing. One event for each request, one request at a time for each
 * subscription. Subscriptions do not wait for each other: failing or slow ones take at most half of
 * the places, and those of one party and of the persons that it manages take a few. A turn is
 * short, and the next place goes to the party with the fewest: parties with many events and slow
 * receivers do not keep out a party with few. No transaction is open while a receiver is awaited.
 * Times are the database's.
 *
 * At least once: if a process dies after the receiver's answer and before the commit, the event is
 * sent again, under the same `webhook-id`. Does not own: who may subscribe, and what a party sees
 * of a subscription (features/out/webhooks.ts).
 */
import { Webhook as Signer } from "standardwebhooks";
import type { Changes, Sql, Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import { eventOf, type FeedEvent, pageOf, type Viewer } from "../../feed/feed.ts";
import type { Log } from "../../kernel/log.ts";
import { createLoop } from "../../kernel/loop.ts";
import type { Vault } from "../../keys/vault.ts";
import { ANSWER_MS, type Attempt, type Outbound } from "./outbound.ts";

/**
 * Where a subscription's events go, and the secrets that sign them: the present one first, then
 * those that are rotated out.
 */
export type Target = {
  url: string;
  description?: string;
  secrets: { secret: string; until?: number }[];
};

/** Seals a target for the subscription's row. */
export const sealTarget = (vault: Vault, id: string, target: Target): Buffer =>
  vault.seal("webhooks", `webhook/${id}`, JSON.stringify(target));
export const openTarget = (vault: Vault, id: string, sealed: Uint8Array): Target =>
  JSON.parse(vault.open("webhooks", `webhook/${id}`, sealed).toString()) as Target;

export const TEST_TYPE = "webhook.test";

/** The headers of one delivery (Standard Webhooks): signed by every secret that is valid now. */
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

/** A delivery that shows whether an endpoint answers; it belongs to no subscription yet. */
export function postTest(outbound: Outbound, target: Target, id: string): Promise<Attempt> {
  const body = JSON.stringify({ type: TEST_TYPE, timestamp: new Date().toISOString(), data: {} });
  return outbound.post(target.url, signed(`evt_test_${id}`, body, target), body);
}

export const isTaken = ({ status }: Attempt): boolean =>
  status !== undefined && status >= 200 && status < 300;

/** The fault of a failed attempt, for the log of attempts; undefined if it succeeded. */
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

/** How many attempts of a subscription are kept. */
export const KEPT_ATTEMPTS = 50;

/** Longer than an attempt may take, so that a live claim outlasts its attempt. */
const LEASE_SECONDS = 30;
/** A receiver's Retry-After can extend the schedule's delay up to this. */
const MAX_RETRY_AFTER_MS = 24 * 3_600_000;
/** After this many events, or this time, a subscription goes to the end of the queue. */
const TURN_EVENTS = 20;
const TURN_MS = 1_000;
/** A receiver that takes longer is slow; so is every receiver whose answer has to be cut off. */
const SLOW_MS = ANSWER_MS - 100;
/** How long a stopping process lets an attempt run. */
const GRACE_MS = 3_000;

export type Deliverer = {
  start(): void;
  /** Gives running attempts some seconds to finish, then aborts them; releases the claims. */
  stop(): Promise<void>;
};

type Deps = {
  sql: Sql;
  vault: Vault;
  changes: Changes;
  log: Log;
  outbound: Outbound;
  /** The event types that the roles of a subscription see; undefined: all. */
  typesOf(roles: readonly string[]): readonly string[] | undefined;
  /**
   * Milliseconds from a failed attempt to the next, by the number of failures; at the end of the
   * schedule the subscription is disabled.
   */
  schedule: readonly number[];
  /** How many subscriptions are delivered to at once; one party may take an eighth. */
  places?: number;
  pollMs?: number;
  leaseSeconds?: number;
  slowMs?: number;
};

type Claimed = {
  id: string;
  /** The party whose places it takes: its account's, or the one that manages that person. */
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
  const placesOfParty = Math.max(1, Math.floor(places / 8));
  const running = new Map<string, { party: string; hindered: boolean; done: Promise<void> }>();
  let stopping = new AbortController();
  let cutting = new AbortController();

  const lease = (tx: Tx) => tx`now() + make_interval(secs => ${leaseSeconds})`;

  /**
   * Claims due subscriptions for this process, at most `limit`: either those that fail or are slow,
   * or the others. A party with fewer places comes first, and none gets more than its share.
   */
  async function claim(hindered: boolean, limit: number): Promise<Claimed[]> {
    const due = sql`
      disabled is null and position < latest and next_at <= now() and (claimed_until is null or claimed_until < now())
        and ${hindered ? sql`(tries > 0 or slow)` : sql`tries = 0 and not slow`}`;
    const held = Map.groupBy(running.values(), ({ party }) => party);
    const chosen = await sql<(RowOf<"webhooks", "id"> & { party: string })[]>`
      select id, party from (
        select w.id, w.next_at, party, row_number() over (partition by party order by w.next_at) as nth
        from webhooks w join party_now p on p.account = w.account, coalesce(p.manager, p.account) as party where ${due}) as waiting
      left join unnest(${[...held.keys()]}::text[], ${[...held.values()].map(({ length }) => length)}::int[]) as held (party, places) using (party)
      where nth + coalesce(places, 0) <= ${placesOfParty} order by nth + coalesce(places, 0), next_at limit ${limit}`;
    if (chosen.length === 0) return [];
    const claimed = await sql<Omit<Claimed, "party">[]>`
      update webhooks set claim = gen_random_uuid(), claimed_until = ${lease(sql)} where id in (
        select id from webhooks where id = any(${chosen.map((chosenRow) => chosenRow.id)}::uuid[]) and ${due} for update skip locked)
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
   * Delivers from the row's position until nothing is left, its turn is over, an attempt fails, or
   * the claim is lost.
   */
  async function deliver(row: Claimed): Promise<void> {
    const viewer = viewerOf(row);
    const until = performance.now() + TURN_MS;
    let { position, sealed } = row;
    let sent = 0;
    let renewed = performance.now();
    for (;;) {
      const page = await pageOf(sql, viewer, { after: position, limit: TURN_EVENTS });
      for (const feedRow of page.rows) {
        const now = performance.now();
        // a process that was halted for long may have lost its claim: it sends nothing more under
        // it
        const late = now - renewed > leaseSeconds * 500;
        if (stopping.signal.aborted || sent >= TURN_EVENTS || now > until || late)
          return yieldPlace(row, position);
        const attempt = await post(eventOf(feedRow, viewer), openTarget(vault, row.id, sealed));
        if (attempt === undefined) return yieldPlace(row, position);
        const nextSealed = isTaken(attempt)
          ? await recordTaken(row, position, feedRow.position, attempt)
          : await recordFailed(row, position, feedRow.position, attempt);
        if (nextSealed === undefined) return;
        sealed = nextSealed;
        position = feedRow.position;
        renewed = performance.now();
        sent += 1;
        row.tries = 0;
      }
      // the subscription sees nothing between the last row and the end of the page
      if (page.next > position && !(await moved(sql, row, position, page.next))) return;
      position = page.next;
      if (!page.more) return yieldPlace(row, position);
    }
  }

  /** Undefined if we aborted the attempt, which is nobody's failure. */
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
   * Moves the position under the claim, and extends the claim. Returns the row's present target, or
   * undefined if the claim is lost.
   */
  async function moved(
    tx: Tx,
    row: Claimed,
    from: bigint,
    to: bigint,
    slow: boolean | null = null,
  ): Promise<Buffer | undefined> {
    const [current] = await tx<RowOf<"webhooks", "sealed">[]>`
      update webhooks set position = ${to}, tries = 0, slow = coalesce(${slow}, slow), claimed_until = ${lease(tx)}
      where id = ${row.id} and claim = ${row.claim} and position = ${from} and disabled is null returning sealed`;
    return current?.sealed;
  }

  const recordTaken = (row: Claimed, from: bigint, to: bigint, attempt: Attempt) =>
    sql.begin(async (tx) => {
      const sealed = await moved(tx, row, from, to, attempt.ms > slowMs);
      if (sealed !== undefined) await recordAttempt(tx, row.id, to, attempt);
      return sealed;
    });

  async function recordFailed(
    row: Claimed,
    from: bigint,
    event: bigint,
    attempt: Attempt,
  ): Promise<undefined> {
    const delay = schedule[row.tries];
    const disabled = attempt.status === 410 ? "gone" : delay === undefined ? "failing" : null;
    const requestedMs = Math.min(attempt.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS);
    // spread out, so that subscriptions that failed together do not retry together
    const wait = Math.max((delay ?? 0) * (1 + Math.random() / 5), requestedMs);
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

  /** Releases the row to the end of the queue, for any process. */
  async function yieldPlace(row: Claimed, position: bigint): Promise<void> {
    await sql`
      update webhooks set claim = null, claimed_until = null, next_at = now()
      where id = ${row.id} and claim = ${row.claim} and position = ${position}`;
  }

  function take(row: Claimed, hindered: boolean): void {
    const done = deliver(row)
      // its claim expires, and some process goes on from the stored position
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
  /** Claims due subscriptions into free places. */
  async function step(): Promise<void> {
    for (const hindered of [false, true]) {
      for (let more = true; more; ) {
        const hinderedNow = [...running.values()].filter((delivery) => delivery.hindered).length;
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
      await Promise.allSettled([...running.values()].map((delivery) => delivery.done));
      clearTimeout(timer);
    },
  };
}
