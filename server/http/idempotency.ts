/**
 * Idempotency-Key: a POST's work is done once, and a client that repeats the request gets the same
 * answer.
 *
 * Invariants: the row that holds the answer is written in the transaction that did the work, so it
 * exists exactly when the work is done. While the transaction runs, an advisory lock on (account,
 * key) keeps a second one out, in this process or another; the lock ends with the transaction, also
 * after a crash. A refusal rolls everything back and leaves the key unused.
 *
 *   row    lock       request hash   outcome
 *   none   got        –              run, store, 2xx
 *   none   taken      –              409 idempotency-key-running
 *   there  got        equal          stored answer, Idempotency-Replayed: true
 *   there  got        other          422 idempotency-key-reused
 *   there  got        equal, but asked by an API key with roles that the caller does not have: the same 422
 *
 * Work in many pieces (a stream's lines) holds its key in the same way while it runs, and each
 * piece has its own row.
 *
 * A stored answer belongs to the API key that asked, and to keys of its party with all of that
 * key's roles: a till does not read the cashier's answer. A secret goes out with the first answer
 * only and is not stored (`secrets` of kernel/api.ts).
 *
 * The answer is sealed by the vault, because it can hold names and tax ids. The hash of the request
 * is keyed for the same reason: from a plain hash one could guess what a short body said.
 */
import { createHash } from "node:crypto";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import type { Sql, Tx } from "../db/db.ts";
import type { Answer, Caller } from "../kernel/api.ts";
import type { Vault } from "../keys/vault.ts";

export type Kept = { account: string; key: string };
export type Outcome = { answer: Answer; replayed: boolean };

/**
 * The key of a POST: 1–255 visible ASCII characters, bare, or in quotes as in the IETF draft (both
 * mean the same key). Throws Problem `idempotency-key-missing` or `malformed-request`.
 */
export function readIdempotencyKey(header: string | undefined): string {
  if (header === undefined)
    throw new Problem(
      "idempotency-key-missing",
      "Send Idempotency-Key with a value of your own, a UUID for example, and the same one when you try again",
    );
  const [, quoted] = /^"((?:[^"\\]|\\["\\])*)"$/.exec(header) ?? [];
  const key = quoted?.replaceAll(/\\(["\\])/g, "$1") ?? header;
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) {
    const detail = "Idempotency-Key is not 1 to 255 visible ASCII characters";
    throw new Problem("malformed-request", detail, {
      violations: [{ field: "Idempotency-Key", rule: "idempotency-key", detail }],
    });
  }
  return key;
}

/**
 * A request whose work is done once. `request`: what must be the same when the key comes again;
 * `caller`: who asks.
 */
export type Once = {
  kept: Kept;
  request: readonly (string | Uint8Array)[];
  caller: Pick<Caller, "keyId" | "roles">;
};

export type Exactly = {
  /** Does `work` once per (account, key). */
  once(task: Once, work: (tx: Tx) => Promise<Answer>): Promise<Outcome>;
  /**
   * Does `work` for the members of a group that are not done yet, in one transaction, once per
   * (account, key). `work` gets their places in `all` and returns an answer or a refusal for each;
   * a refusal leaves no row.
   */
  onceTogether(
    all: readonly Once[],
    work: (tx: Tx, fresh: readonly number[]) => Promise<(Answer | Problem)[]>,
  ): Promise<(Outcome | Problem)[]>;
  /**
   * Holds the key of work in many pieces while it runs; each piece is done once under its own key
   * (`partOf`). Nobody else gets the key meanwhile, and afterwards it belongs to this request.
   * Throws what `work` throws, or the refusal of the key.
   */
  hold(task: Once, work: () => Promise<void>): Promise<void>;
  /**
   * Replaces an accepted answer (202) by the final one; returns what is stored now, which may be
   * another waiter's.
   */
  settle(kept: Kept, final: Answer): Promise<Answer>;
};

/** The key of the n-th piece of some work. No client's key contains a space. */
export const partOf = ({ account, key }: Kept, number: number): Kept => ({
  account,
  key: `${key} ${number}`,
});

/**
 * How often a held key shows that its holder is alive; the database ends a transaction that is idle
 * for ten seconds.
 */
const HOLD_BEAT_MS = 3_000;

type Row = {
  request_hash: Buffer;
  status: number;
  answer: Buffer;
  key_id: string;
  roles: string[];
};

const mayReplay = (caller: Once["caller"], row: Row): boolean =>
  caller.keyId === row.key_id ||
  row.roles.every((role) => (caller.roles as readonly string[]).includes(role));

export function createIdempotency({ sql, vault }: { sql: Sql; vault: Vault }): Exactly {
  const contextOf = ({ account, key }: Kept) => `answer/${account}/${key}`;
  // body and headers as one sealed JSON text: a Location names things too, and a replay keeps the
  // order of members
  const seal = (kept: Kept, { body, headers }: Answer) =>
    vault.seal("answers", contextOf(kept), JSON.stringify({ body, headers }));
  const answerOf = (kept: Kept, row: Row): Answer => {
    const opened = JSON.parse(
      vault.open("answers", contextOf(kept), row.answer).toString(),
    ) as Omit<Answer, "status">;
    return { status: row.status, ...opened, body: opened.body };
  };

  /** Parts are hashed with their lengths; otherwise bytes could move from one part to the next. */
  function hashOf(parts: readonly (string | Uint8Array)[]): Buffer {
    const hash = createHash("sha256");
    for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
    return vault.blind("request", hash.digest("hex"));
  }

  const lockOf = ({ account, key }: Kept) =>
    createHash("sha256").update(`idempotency\0${account}\0${key}`).digest().readBigInt64BE();
  const running = () =>
    new Problem(
      "idempotency-key-running",
      "The first request with this Idempotency-Key has not ended yet; try again with the same key",
    );

  /**
   * What is known of each before any work: its outcome or its refusal. For the others this
   * transaction holds the lock.
   */
  async function known(
    tx: Tx,
    all: readonly Once[],
    hashes: readonly Buffer[],
  ): Promise<(Outcome | Problem | undefined)[]> {
    const names = all.map(({ kept }) => `${kept.account}\0${kept.key}`);
    // locks first, in their own statement: the rows must be read as they are once the locks are
    // held
    const locks = await tx<{ place: bigint; got: boolean }[]>`
      select place, pg_try_advisory_xact_lock(lock) as got from unnest(${all.map(({ kept }) => lockOf(kept))}::bigint[]) with ordinality as l (lock, place)`;
    const held = new Set(locks.filter((lock) => lock.got).map((lock) => Number(lock.place) - 1));
    const rows = await tx<(Row & { account: string; key: string })[]>`
      select i.account, i.key, i.request_hash, i.status, i.answer, i.key_id, i.roles from idempotency i
      join unnest(${all.map(({ kept }) => kept.account)}::text[], ${all.map(({ kept }) => kept.key)}::text[]) as w (account, key)
        on i.account = w.account and i.key = w.key`;
    const done = new Map(rows.map((row) => [`${row.account}\0${row.key}`, row]));
    return all.map(({ kept, caller }, place) => {
      // a lock that this transaction holds twice means the same key twice in one group
      if (!held.has(place) || names.indexOf(names[place] as string) < place) return running();
      const row = done.get(names[place] as string);
      if (row === undefined) return undefined;
      if (!(hashes[place] as Buffer).equals(row.request_hash))
        return new Problem(
          "idempotency-key-reused",
          "This Idempotency-Key belongs to another request; take a new one for a new request",
        );
      if (!mayReplay(caller, row))
        return new Problem(
          "idempotency-key-reused",
          "An API key with roles that this one does not have has used this Idempotency-Key; take a new one",
        );
      return { answer: answerOf(kept, row), replayed: true };
    });
  }

  async function keep(
    tx: Tx,
    done: readonly { once: Once; hash: Buffer; answer: Answer }[],
  ): Promise<void> {
    // unnest would take an array in a row apart: the roles go in as one text
    await tx`
      insert into idempotency (account, key, request_hash, status, answer, key_id, roles)
      select d.account, d.key, d.hash, d.status, d.answer, d.key_id, string_to_array(d.roles, ' ')
      from unnest(${done.map(({ once }) => once.kept.account)}::text[], ${done.map(({ once }) => once.kept.key)}::text[],
                  ${done.map(({ hash }) => hash)}::bytea[], ${done.map(({ answer }) => answer.status)}::int[],
                  ${done.map(({ once, answer }) => seal(once.kept, answer))}::bytea[], ${done.map(({ once }) => once.caller.keyId)}::text[],
                  ${done.map(({ once }) => once.caller.roles.join(" "))}::text[]) as d (account, key, hash, status, answer, key_id, roles)`;
  }

  async function find({ account, key }: Kept): Promise<Row | undefined> {
    return (
      await sql<
        Row[]
      >`select request_hash, status, answer, key_id, roles from idempotency where account = ${account} and key = ${key}`
    )[0];
  }

  return {
    async once(task, work) {
      const hash = hashOf(task.request);
      return sql.begin(async (tx): Promise<Outcome> => {
        const [outcome] = await known(tx, [task], [hash]);
        if (outcome instanceof Problem) throw outcome;
        if (outcome) return outcome;
        const answer = await work(tx);
        await keep(tx, [{ once: task, hash, answer }]);
        return { answer, replayed: false };
      });
    },

    async onceTogether(all, work) {
      const hashes = all.map(({ request }) => hashOf(request));
      return sql.begin(async (tx) => {
        const outcomes = await known(tx, all, hashes);
        const fresh = outcomes.flatMap((outcome, place) => (outcome === undefined ? [place] : []));
        if (fresh.length === 0) return outcomes as (Outcome | Problem)[];
        const results = await work(tx, fresh);
        const done = fresh.flatMap((place, i) => {
          const result = results[i] as Answer | Problem;
          outcomes[place] =
            result instanceof Problem ? result : { answer: result, replayed: false };
          return result instanceof Problem
            ? []
            : [{ once: all[place] as Once, hash: hashes[place] as Buffer, answer: result }];
        });
        if (done.length > 0) await keep(tx, done);
        return outcomes as (Outcome | Problem)[];
      });
    },

    async hold(task, work) {
      const hash = hashOf(task.request);
      let done = false;
      try {
        // this transaction only holds the lock; the work is done in others
        await sql.begin(async (tx) => {
          const [outcome] = await known(tx, [task], [hash]);
          if (outcome instanceof Problem) throw outcome;
          if (outcome === undefined)
            await keep(sql, [{ once: task, hash, answer: { status: 200, body: null } }]);
          const beat = setInterval(() => tx`select 1`.catch(() => {}), HOLD_BEAT_MS);
          try {
            await work();
            done = true;
          } finally {
            clearInterval(beat);
          }
        });
      } catch (error) {
        // the lock was lost meanwhile: each piece had its own
        if (!done) throw error;
      }
    },

    async settle(kept, final) {
      const put = await sql`
        update idempotency set status = ${final.status}, answer = ${seal(kept, final)}
        where account = ${kept.account} and key = ${kept.key} and status = 202 returning key`;
      if (put.length === 1) return final;
      const row = await find(kept);
      return row === undefined ? final : answerOf(kept, row);
    },
  };
}
