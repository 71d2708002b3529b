/**
 * Idempotency-Key: a POST's work is done once, and its answer is given again to whoever repeats it.
 *
 * Invariants: the row that holds the answer is written in the transaction that did the work, so it is there exactly when the
 * work is. While the transaction runs, an advisory lock on (account, key) keeps a second one out, in this process or another;
 * it falls with the transaction, crash included. A refusal rolls everything back and burns nothing.
 *
 *   row    lock       request hash   outcome
 *   none   got        –              run, store, 2xx
 *   none   taken      –              409 idempotency-key-running
 *   there  got        equal          stored answer, Idempotency-Replayed: true
 *   there  got        other          422 idempotency-key-reused
 *
 * The answer is sealed under the vault: it can hold names, tax ids, the secret of a new API key. The hash of the request is
 * keyed for the same reason: what a short body said could be guessed from a plain one.
 */
import { createHash } from "node:crypto";
import type { Sql, Tx } from "../db/db.ts";
import type { Answer } from "../kernel/api.ts";
import { Problem } from "../kernel/problems.ts";
import type { Vault } from "../keys/vault.ts";

export type Kept = { account: string; key: string };
export type Outcome = { answer: Answer; replayed: boolean };

/**
 * The key of a POST: 1–255 visible ASCII characters, bare, or in quotes as the IETF draft has it (both name the same key).
 * Throws Problem `idempotency-key-missing` or `malformed-request`.
 */
export function readIdempotencyKey(header: string | undefined): string {
  if (header === undefined)
    throw new Problem("idempotency-key-missing", "Send Idempotency-Key with a value of your own, a UUID for example, and the same one when you try again");
  const [, quoted] = /^"((?:[^"\\]|\\["\\])*)"$/.exec(header) ?? [];
  const key = quoted?.replaceAll(/\\(["\\])/g, "$1") ?? header;
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) {
    const detail = "Idempotency-Key is not 1 to 255 visible ASCII characters";
    throw new Problem("malformed-request", detail, { violations: [{ field: "Idempotency-Key", rule: "idempotency-key", detail }] });
  }
  return key;
}

export type Exactly = {
  /** Does `work` once per (account, key). `request` is what must be the same when the key comes again. */
  once(kept: Kept, request: readonly (string | Uint8Array)[], work: (tx: Tx) => Promise<Answer>): Promise<Outcome>;
  /** Puts the final answer in the place of an accepted one (202); gives what is stored now, which another waiter may have put there. */
  settle(kept: Kept, final: Answer): Promise<Answer>;
};

type Row = { request_hash: Buffer; status: number; answer: Buffer };

export function createIdempotency({ sql, vault }: { sql: Sql; vault: Vault }): Exactly {
  const contextOf = ({ account, key }: Kept) => `answer/${account}/${key}`;
  // body and headers as one JSON text, sealed: a Location names things too, and a replay has its members in the same order
  const seal = (kept: Kept, { body, headers }: Answer) => vault.seal("answers", contextOf(kept), JSON.stringify({ body, headers }));
  const answerOf = (kept: Kept, row: Row): Answer => {
    const opened = JSON.parse(vault.open("answers", contextOf(kept), row.answer).toString()) as Omit<Answer, "status">;
    return { status: row.status, ...opened, body: opened.body };
  };

  /** Parts are hashed with their lengths, or one could lend bytes to its neighbour. */
  function hashOf(parts: readonly (string | Uint8Array)[]): Buffer {
    const hash = createHash("sha256");
    for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
    return vault.blind("request", hash.digest("hex"));
  }

  const lockOf = ({ account, key }: Kept) => createHash("sha256").update(`idempotency\0${account}\0${key}`).digest().readBigInt64BE();
  const find = (tx: Tx, { account, key }: Kept) => tx<Row[]>`select request_hash, status, answer from idempotency where account = ${account} and key = ${key}`;

  return {
    async once(kept, request, work) {
      const hash = hashOf(request);
      return sql.begin(async (tx): Promise<Outcome> => {
        const [lock] = await tx<{ got: boolean }[]>`select pg_try_advisory_xact_lock(${lockOf(kept)}) as got`;
        if (lock?.got !== true)
          throw new Problem("idempotency-key-running", "The first request with this Idempotency-Key has not ended yet; try again with the same key");
        const [row] = await find(tx, kept);
        if (row !== undefined) {
          if (!hash.equals(row.request_hash))
            throw new Problem("idempotency-key-reused", "This Idempotency-Key belongs to another request; take a new one for a new request");
          return { answer: answerOf(kept, row), replayed: true };
        }
        const answer = await work(tx);
        await tx`
          insert into idempotency (account, key, request_hash, status, answer)
          values (${kept.account}, ${kept.key}, ${hash}, ${answer.status}, ${seal(kept, answer)})`;
        return { answer, replayed: false };
      }) as Promise<Outcome>;
    },

    async settle(kept, final) {
      const put = await sql`
        update idempotency set status = ${final.status}, answer = ${seal(kept, final)}
        where account = ${kept.account} and key = ${kept.key} and status = 202 returning key`;
      if (put.length === 1) return final;
      const [row] = await find(sql, kept);
      return row === undefined ? final : answerOf(kept, row);
    },
  };
}
