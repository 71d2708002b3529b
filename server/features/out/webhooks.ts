/**
 * Subscriptions: a party's events posted to a URL of its own. Made, steered and looked at here;
 * delivered by features/out/deliverer.ts.
 *
 * A subscription sees what the key that made it sees, and is steered by keys of its party that have
 * all of its roles. It begins at the feed's head. URL and secrets are sealed; the secret is in the
 * answer that made it and nowhere else.
 *
 * Making one is two steps, so that no transaction is open while the endpoint is waited for: the
 * first finds that the endpoint has not been tried and throws a Problem whose remedy is the test
 * delivery; the second, after it, stores the row or refuses. An endpoint that does not take the
 * test is refused rather than kept as unverified: whoever wires it up is there and sees why.
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
/** How long a secret goes on signing beside the one that took its place. */
const OLD_SECRET_MS = 24 * 3_600_000;
/** Secrets that sign at once; rotating more often drops the oldest. */
const MAX_SECRETS = 4;

/**
 * Test deliveries of one party a minute, in one process: a gateway is nobody's way to knock at
 * doors.
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
   * What became of the test delivery of a request's body: the same object while one request is
   * tried again.
   */
  const tried = new WeakMap<NewWebhook, { id: string; target: Target; attempt: Attempt }>();

  const tests = new Map<string, number[]>();
  /**
   * Throws Problem `rate-limited` for a party that tries out more endpoints than anybody sets up.
   */
  function countTest(account: string): void {
    const since = performance.now() - 60_000;
    const recent = (tests.get(account) ?? []).filter((at) => at > since);
    if (recent.length >= TESTS_PER_MINUTE)
      throw new Problem(
        "rate-limited",
        `More than ${TESTS_PER_MINUTE} test deliveries in a minute`,
      );
    // parties whose minute is over leave
    for (const [other, times] of tests)
      if ((times[times.length - 1] ?? 0) <= since) tests.delete(other);
    tests.set(account, [...recent, performance.now()]);
  }

  function view(row: Row) {
    const { url, description, secrets } = openTarget(vault, row.id, row.sealed);
    const rotating = secrets.find((one) => one.until !== undefined && one.until > Date.now());
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

  const mine = (tx: Tx, caller: Caller) =>
    tx`account = ${caller.account} and roles <@ ${[...caller.roles]}::text[]`;

  /** The caller's own subscription, locked when it is to be changed. */
  async function visible(tx: Tx, caller: Caller, id: string, lock = false): Promise<Row> {
    const [row] = await tx<
      Row[]
    >`select * from webhooks where id = ${id} and ${mine(tx, caller)} ${lock ? tx`for update` : tx``}`;
    if (!row) throw new Problem("not-found", "There is no such webhook of yours");
    return row;
  }

  /**
   * A URL in its one written form; throws Problem `webhook-url-refused`. Where it leads is looked
   * at when it is called.
   */
  function checkUrl(text: string): string {
    const url = URL.parse(text);
    if (url === null) refuseUrl("url", "This is no URL");
    if (url.protocol !== "https:" && url.protocol !== "http:")
      refuseUrl("https", "The URL begins with https://");
    if (url.username !== "" || url.password !== "")
      refuseUrl(
        "no-credentials",
        "Name and password do not belong into the URL; the signature shows who sends",
      );
    if (url.hash !== "") refuseUrl("no-fragment", "What stands behind # is never sent");
    return url.href;
  }

  /** Throws until the endpoint has taken a test delivery. */
  function tested(
    account: string,
    given: NewWebhook,
  ): { id: string; target: Target; attempt: Attempt } {
    const known = tried.get(given);
    if (known === undefined) {
      const target: Target = {
        url: checkUrl(given.url),
        ...(given.description === undefined ? {} : { description: given.description }),
        secrets: [{ secret: freshSecret() }],
      };
      const id = crypto.randomUUID();
      countTest(account);
      throw new Problem("webhook-test-failed", "The endpoint has not been tried yet", {
        remedy: async () =>
          void tried.set(given, { id, target, attempt: await postTest(outbound, target, id) }),
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
    async create(tx: Tx, caller: Caller, given: NewWebhook) {
      await tx`select 1 from party_now where account = ${caller.account} for no key update`;
      const [{ count } = { count: 0 }] = await tx<
        { count: number }[]
      >`select count(*)::int as count from webhooks where account = ${caller.account}`;
      if (count >= MAX_WEBHOOKS)
        throw new Problem("webhook-limit", `The party has ${count} webhooks`, {
          extra: { maxWebhooks: MAX_WEBHOOKS },
        });
      const { id, target, attempt } = tested(caller.account, given);
      // whoever follows waits until this is committed: no row is told between the head and the
      // subscription
      await tx`select 1 from chain_now for share`;
      const head = await headOf(tx);
      const [row] = await tx<Row[]>`
        insert into webhooks (id, account, roles, sealed, types, position, latest)
        values (${id}, ${caller.account}, ${[...caller.roles]}, ${sealTarget(vault, id, target)}, ${given.types ?? null}, ${head}, ${head})
        returning *`;
      await recordAttempt(tx, id, null, attempt);
      return {
        webhook: view(row as Row),
        secret: (target.secrets[0] as { secret: string }).secret,
      };
    },

    list: async (tx: Tx, caller: Caller) =>
      (
        await tx<Row[]>`select * from webhooks where ${mine(tx, caller)} order by created_at, id`
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
        attempts: attempts.map((one) => ({
          ...(one.event === null ? {} : { event: one.event.toString() }),
          at: one.at.toISOString(),
          ...(one.status === null ? {} : { status: one.status }),
          milliseconds: one.ms,
          ...(one.error === null ? {} : { error: one.error }),
        })),
      };
    },

    /** Another secret; the present one signs beside it for a day. */
    async rotate(tx: Tx, caller: Caller, id: string) {
      const row = await visible(tx, caller, id, true);
      const target = openTarget(vault, id, row.sealed);
      const now = Date.now();
      const old = target.secrets
        .map((one) => ({ ...one, until: one.until ?? now + OLD_SECRET_MS }))
        .filter((one) => one.until > now);
      const secret = freshSecret();
      const secrets = [{ secret }, ...old].slice(0, MAX_SECRETS);
      const [changed] = await tx<Row[]>`
        update webhooks set sealed = ${sealTarget(vault, id, { ...target, secrets })}, updated_at = now() where id = ${id} returning *`;
      return { webhook: view(changed as Row), secret };
    },

    /** Nothing more is delivered; the position is kept. */
    async disable(tx: Tx, caller: Caller, id: string) {
      await visible(tx, caller, id, true);
      const [row] = await tx<Row[]>`
        update webhooks set disabled = coalesce(disabled, 'party'), claim = null, claimed_until = null, updated_at = now() where id = ${id} returning *`;
      return view(row as Row);
    },

    /** Goes on where it stopped, at once. */
    async enable(tx: Tx, caller: Caller, id: string) {
      await visible(tx, caller, id, true);
      const [row] = await tx<
        Row[]
      >`update webhooks set disabled = null, tries = 0, next_at = now(), updated_at = now() where id = ${id} returning *`;
      return view(row as Row);
    },

    /**
     * Delivers everything after a position again, in order. Never forward: what was not delivered
     * would be skipped.
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

    /** All of an account's. */
    async removeAll(tx: Tx, account: string): Promise<void> {
      await tx`delete from webhooks where account = ${account}`;
    },

    async remove(tx: Tx, caller: Caller, id: string): Promise<void> {
      await visible(tx, caller, id, true);
      await tx`delete from webhooks where id = ${id}`;
    },
  };
}
