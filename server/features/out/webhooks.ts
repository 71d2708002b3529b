/**
 * Subscriptions: a party's events, posted to a URL of its own. Made, managed and listed here;
 * deliverer.ts delivers.
 *
 * A subscription sees what the key that made it sees, and keys of its party that have all its roles
 * manage it. It begins at the feed's head. URL and secrets are sealed; the secret is in the answer
 * that made it and nowhere else.
 *
 * Making one takes two steps, so that no transaction is open while the endpoint is waited for. The
 * first finds that the endpoint was not tried and throws a Problem whose remedy is the test
 * delivery. The second, after the delivery, stores the row or refuses. An endpoint that does not
 * take the test is refused rather than kept as unverified: the person who sets it up is there and
 * sees why.
 */
import { randomBytes } from "node:crypto";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import type { Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import { headOf } from "../../feed/feed.ts";
import type { Caller } from "../../kernel/api.ts";
import type { Vault } from "../../keys/vault.ts";
import {
  faultOfAttempt,
  isTaken,
  KEPT_ATTEMPTS,
  openTarget,
  postTest,
  recordAttempt,
  sealTarget,
  type Target,
} from "./deliverer.ts";
import type { Attempt, Outbound } from "./outbound.ts";

export type NewWebhook = {
  url: string;
  description?: string | undefined;
  types?: string[] | undefined;
};
type Row = {
  id: string;
  account: string;
  roles: string[];
  sealed: Buffer;
  types: string[] | null;
  position: bigint;
  tries: number;
  next_at: Date;
  disabled: "party" | "failing" | "gone" | null;
  created_at: Date;
};
export type Webhooks = ReturnType<typeof createWebhooks>;

/** Subscriptions of one party. */
export const MAX_WEBHOOKS = 20;
/** How long a replaced secret still signs. */
const OLD_SECRET_MS = 24 * 3_600_000;
/** Secrets that sign at once; rotating more often drops the oldest. */
const MAX_SECRETS = 4;

/**
 * Test deliveries of one party a minute, in one process: nobody may use a gateway to probe other
 * hosts.
 */
const TESTS_PER_MINUTE = 30;

const freshSecret = () => `whsec_${randomBytes(32).toString("base64")}`;

function refuseUrl(rule: string, detail: string): never {
  throw new Problem("webhook-url-refused", detail, {
    violations: [{ field: "/url", rule, detail }],
  });
}

export function createWebhooks({ vault, outbound }: { vault: Vault; outbound: Outbound }) {
  /**
   * The result of the test delivery for a request's body: the same object while one request is
   * tried again.
   */
  const tried = new WeakMap<NewWebhook, { id: string; target: Target; attempt: Attempt }>();

  const tests = new Map<string, number[]>();
  /** Throws Problem `rate-limited` for a party that tries more endpoints than anyone sets up. */
  function countTest(account: string): void {
    const since = performance.now() - 60_000;
    const recent = (tests.get(account) ?? []).filter((at) => at > since);
    if (recent.length >= TESTS_PER_MINUTE)
      throw new Problem(
        "rate-limited",
        `More than ${TESTS_PER_MINUTE} test deliveries in a minute`,
      );
    // forget parties whose minute is over
    for (const [other, times] of tests)
      if ((times[times.length - 1] ?? 0) <= since) tests.delete(other);
    tests.set(account, [...recent, performance.now()]);
  }

  function view(row: Row) {
    const { url, description, secrets } = openTarget(vault, row.id, row.sealed);
    const rotating = secrets.find(
      (secret) => secret.until !== undefined && secret.until > Date.now(),
    );
    return {
      id: row.id,
      url,
      ...(description === undefined ? {} : { description }),
      ...(row.types === null ? {} : { types: row.types }),
      status: row.disabled === null ? ("active" as const) : ("disabled" as const),
      ...(row.disabled === null ? {} : { reason: row.disabled }),
      position: row.position.toString(),
      failures: row.tries,
      ...(row.disabled === null && row.tries > 0
        ? { nextAttemptAt: row.next_at.toISOString() }
        : {}),
      ...(rotating?.until === undefined
        ? {}
        : { oldSecretUntil: new Date(rotating.until).toISOString() }),
      createdAt: row.created_at.toISOString(),
    };
  }

  const managed = (tx: Tx, caller: Caller) =>
    tx`account = ${caller.account} and roles <@ ${[...caller.roles]}::text[]`;

  /** The caller's own subscription, locked if it is to be changed. */
  async function visible(tx: Tx, caller: Caller, id: string, lock = false): Promise<Row> {
    const [row] = await tx<
      Row[]
    >`select * from webhooks where id = ${id} and ${managed(tx, caller)} ${lock ? tx`for update` : tx``}`;
    if (!row) throw new Problem("not-found", "You have no such webhook");
    return row;
  }

  /**
   * A URL in its normal form; throws Problem `webhook-url-refused`. Where it leads is checked at
   * each call.
   */
  function checkUrl(text: string): string {
    const url = URL.parse(text);
    if (url === null) refuseUrl("url", "This is not a URL");
    if (url.protocol !== "https:" && url.protocol !== "http:")
      refuseUrl("https", "The URL begins with https://");
    if (url.username !== "" || url.password !== "")
      refuseUrl(
        "no-credentials",
        "Name and password do not belong into the URL; the signature shows who sends",
      );
    if (url.hash !== "") refuseUrl("no-fragment", "A fragment (behind #) is never sent");
    return url.href;
  }

  /** Throws until the endpoint has taken a test delivery. */
  function tested(
    account: string,
    webhook: NewWebhook,
  ): { id: string; target: Target; attempt: Attempt } {
    const known = tried.get(webhook);
    if (known === undefined) {
      const target: Target = {
        url: checkUrl(webhook.url),
        ...(webhook.description === undefined ? {} : { description: webhook.description }),
        secrets: [{ secret: freshSecret() }],
      };
      const id = crypto.randomUUID();
      countTest(account);
      throw new Problem("webhook-test-failed", "The endpoint was not tried yet", {
        remedy: async () =>
          void tried.set(webhook, { id, target, attempt: await postTest(outbound, target, id) }),
      });
    }
    const { attempt } = known;
    if (isTaken(attempt)) return known;
    if (attempt.fault === "address-refused") {
      const detail = known.target.url.startsWith("https:")
        ? "The URL leads to no public address"
        : "The URL begins with https://";
      refuseUrl(known.target.url.startsWith("https:") ? "public-address" : "https", detail);
    }
    const error = faultOfAttempt(attempt);
    throw new Problem(
      "webhook-test-failed",
      `The endpoint did not take the test delivery: ${attempt.status ?? error}`,
      {
        extra: {
          attempt: {
            ...(attempt.status === undefined ? {} : { status: attempt.status }),
            error,
            milliseconds: attempt.ms,
          },
        },
        violations: [
          {
            field: "/url",
            rule: "test-delivery",
            detail:
              "Answer POST requests of type webhook.test with a status of 200 to 299 within 15 seconds",
          },
        ],
      },
    );
  }

  return {
    /** Throws Problem `webhook-limit`, `webhook-url-refused`, `webhook-test-failed`. */
    async create(tx: Tx, caller: Caller, webhook: NewWebhook) {
      await tx`select 1 from party_now where account = ${caller.account} for no key update`;
      const [{ count } = { count: 0 }] = await tx<
        { count: number }[]
      >`select count(*)::int as count from webhooks where account = ${caller.account}`;
      if (count >= MAX_WEBHOOKS)
        throw new Problem("webhook-limit", `The party has ${count} webhooks`, {
          extra: { maxWebhooks: MAX_WEBHOOKS },
        });
      const { id, target, attempt } = tested(caller.account, webhook);
      // the follower waits until this is committed: no row comes between the head and the
      // subscription
      await tx`select 1 from chain_now for share`;
      const head = await headOf(tx);
      const [row] = await tx<Row[]>`
        insert into webhooks (id, account, roles, sealed, types, position, latest)
        values (${id}, ${caller.account}, ${[...caller.roles]}, ${sealTarget(vault, id, target)}, ${webhook.types ?? null}, ${head}, ${head})
        returning *`;
      await recordAttempt(tx, id, null, attempt);
      return {
        webhook: view(row as Row),
        secret: (target.secrets[0] as { secret: string }).secret,
      };
    },

    list: async (tx: Tx, caller: Caller) =>
      (
        await tx<Row[]>`select * from webhooks where ${managed(tx, caller)} order by created_at, id`
      ).map(view),

    /** With its last attempts, newest first. */
    async get(tx: Tx, caller: Caller, id: string) {
      const row = await visible(tx, caller, id);
      const attempts = await tx<
        RowOf<"webhook_attempts", "event" | "at" | "status" | "ms" | "error">[]
      >`
        select event, at, status, ms, error from webhook_attempts where webhook = ${id} order by id desc limit ${KEPT_ATTEMPTS}`;
      return {
        ...view(row),
        attempts: attempts.map((attempt) => ({
          ...(attempt.event === null ? {} : { event: attempt.event.toString() }),
          at: attempt.at.toISOString(),
          ...(attempt.status === null ? {} : { status: attempt.status }),
          milliseconds: attempt.ms,
          ...(attempt.error === null ? {} : { error: attempt.error }),
        })),
      };
    },

    /** Replaces the secret; for a day the present one signs as well. */
    async rotate(tx: Tx, caller: Caller, id: string) {
      const row = await visible(tx, caller, id, true);
      const target = openTarget(vault, id, row.sealed);
      const now = Date.now();
      const old = target.secrets
        .map((secret) => ({ ...secret, until: secret.until ?? now + OLD_SECRET_MS }))
        .filter((secret) => secret.until > now);
      const secret = freshSecret();
      const secrets = [{ secret }, ...old].slice(0, MAX_SECRETS);
      const [changed] = await tx<Row[]>`
        update webhooks set sealed = ${sealTarget(vault, id, { ...target, secrets })}, updated_at = now() where id = ${id} returning *`;
      return { webhook: view(changed as Row), secret };
    },

    /** Stops deliveries; the position is kept. */
    async disable(tx: Tx, caller: Caller, id: string) {
      await visible(tx, caller, id, true);
      const [row] = await tx<Row[]>`
        update webhooks set disabled = coalesce(disabled, 'party'), claim = null, claimed_until = null, updated_at = now() where id = ${id} returning *`;
      return view(row as Row);
    },

    /** Resumes where it stopped, at once. */
    async enable(tx: Tx, caller: Caller, id: string) {
      await visible(tx, caller, id, true);
      const [row] = await tx<
        Row[]
      >`update webhooks set disabled = null, tries = 0, next_at = now(), updated_at = now() where id = ${id} returning *`;
      return view(row as Row);
    },

    /**
     * Delivers everything after a position again, in order. Never forward: undelivered events would
     * be skipped.
     */
    async replay(tx: Tx, caller: Caller, id: string, after: bigint) {
      const row = await visible(tx, caller, id, true);
      if (after > row.position) {
        throw new Problem(
          "invalid-request",
          "A replay goes back, and never past what is not delivered",
          {
            violations: [{ field: "/after", rule: "not-ahead", detail: `At most ${row.position}` }],
          },
        );
      }
      const [changed] = await tx<Row[]>`
        update webhooks set position = ${after}, tries = 0, next_at = now(), claim = null, claimed_until = null, updated_at = now() where id = ${id} returning *`;
      return view(changed as Row);
    },

    /** Removes all subscriptions of an account. */
    async removeAll(tx: Tx, account: string): Promise<void> {
      await tx`delete from webhooks where account = ${account}`;
    },

    async remove(tx: Tx, caller: Caller, id: string): Promise<void> {
      await visible(tx, caller, id, true);
      await tx`delete from webhooks where id = ${id}`;
    },
  };
}
