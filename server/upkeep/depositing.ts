/**
 * Depositing: delivers the documents of this gateway's sealed lots to the bureau's gateway, so that
 * its auditor can open them. Each lot once; a delivery that fails is repeated ever more slowly, and
 * without end.
 *
 * A lot is sent in pieces of a request's size; the receiver stores documents by number, so
 * receiving a piece twice does no harm. The documents are encrypted to the bureau's key. It is
 * requested again from time to time; if the operator has configured its thumbprint, only that key
 * is accepted.
 */
import type { Sql, Tx } from "../db/db.ts";
import type { RowOf } from "../db/tables.ts";
import type { Audit } from "../features/bureau/audit.ts";
import type { Deposit } from "../features/bureau/lots.ts";
import { isPublicKey, type PublicKey, thumbprint } from "../features/parties/encryption.ts";
import type { Log } from "../kernel/log.ts";
import type { Job } from "../kernel/loop.ts";

type Deps = {
  sql: Sql;
  audit: Pick<Audit, "ownDeposit">;
  log: Log;
  /** The bureau's gateway, an issuer's API key there, and the thumbprint of the bureau's key. */
  to: { url: string; token: string; kid?: string | undefined };
  everyMs?: number;
  fetch?: typeof globalThis.fetch;
};

const PAGE = 100;
const TIMEOUT_MS = 30_000;
/**
 * The size of a request: within the receiver's limit on bodies, which is a mebibyte unless its
 * operator changes it.
 */
const MAX_DOCUMENTS = 200;
const MAX_BYTES = 700_000;
const KEY_MEMORY_MS = 60_000;
const LONGEST_SECONDS = 3_600;
const LAST = "99999999999999999999";

export function createDepositing(deps: Deps): Job {
  const { sql, audit, log, to, fetch = globalThis.fetch } = deps;
  let cachedKey: { jwk: PublicKey; until: number } | undefined;

  async function ask(path: string, body?: { value: unknown; key: string }): Promise<unknown> {
    const response = await fetch(new URL(path, to.url), {
      method: body === undefined ? "GET" : "POST",
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: {
        authorization: `Bearer ${to.token}`,
        ...(body === undefined
          ? {}
          : { "content-type": "application/json", "idempotency-key": body.key }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body.value) }),
    });
    const answer = (await response.json().catch(() => ({}))) as { code?: unknown };
    if (!response.ok)
      throw new Error(
        `the bureau's gateway answers ${response.status} ${String(answer.code ?? "")}`.trim(),
      );
    return answer;
  }

  async function bureauKey(): Promise<PublicKey> {
    if (cachedKey !== undefined && cachedKey.until > performance.now()) return cachedKey.jwk;
    const { jwk } = (await ask("/v1/deposits/key")) as { jwk: PublicKey };
    if (!(await isPublicKey(jwk))) throw new Error("the bureau's gateway gives no public key");
    if (to.kid !== undefined && (await thumbprint(jwk)) !== to.kid)
      throw new Error("the bureau's key is not the one that DEPOSIT_KID names");
    cachedKey = { jwk, until: performance.now() + KEY_MEMORY_MS };
    return jwk;
  }

  /** Records the lots that were sealed here since the last call. */
  const takeUp = (): Promise<number> =>
    sql.begin(async (tx) => {
      await tx`
        insert into delivery_cursor (block, first) values (0, ${LAST}) on conflict do nothing`;
      const [at] = await tx<
        RowOf<"delivery_cursor", "block" | "first">[]
      >`select block, first from delivery_cursor for update`;
      const lots = await tx<(RowOf<"lot_now", "first" | "block"> & { ours: boolean })[]>`
        select l.first, l.block, exists (select 1 from sealing_now s where s.first = l.first
          and s.root = l.root) as ours from lot_now l
        where l.block >= ${at?.block ?? 0n} and (l.block, l.first) > (${at?.block ?? 0n},
          ${at?.first ?? LAST}) order by l.block, l.first limit ${PAGE}`;
      const last = lots[lots.length - 1];
      if (!last) return 0;
      const ours = lots.filter((lot) => lot.ours).map((lot) => lot.first);
      await tx`
        insert into deliveries (lot) select *
          from unnest(${ours}::numeric[]) on conflict do nothing`;
      await tx`update delivery_cursor set block = ${last.block}, first = ${last.first}`;
      return lots.length;
    });

  function* piecesOf({ lot, key, documents }: Deposit): Generator<Deposit> {
    let [piece, bytes]: [Deposit["documents"][number][], number] = [[], 0];
    for (const document of documents) {
      const size = JSON.stringify(document).length;
      if (piece.length > 0 && (piece.length === MAX_DOCUMENTS || bytes + size > MAX_BYTES)) {
        yield { lot, key, documents: piece };
        [piece, bytes] = [[], 0];
      }
      piece.push(document);
      bytes += size;
    }
    if (piece.length > 0) yield { lot, key, documents: piece };
  }

  async function deliver(first: string, count: number): Promise<void> {
    const jwk = await bureauKey();
    const deposit = await audit.ownDeposit(sql as Tx, jwk, { first, count });
    if (deposit === undefined) throw new Error("some of its documents are not here");
    // another try is another request: it contains the lot's key in another encryption
    for (const piece of piecesOf(deposit))
      await ask("/v1/deposits", { value: piece, key: crypto.randomUUID() });
  }

  /** Delivers the lots that are due; false if there are none. */
  async function deliverDue(stopping: AbortSignal): Promise<boolean> {
    const due = await sql<(RowOf<"deliveries", "lot" | "tries"> & RowOf<"lot_now", "count">)[]>`
      select d.lot, l.count, d.tries from deliveries d join lot_now l on l.first = d.lot
      where d.delivered_at is null and d.next_at <= now() order by d.next_at, d.lot limit ${PAGE}`;
    for (const { lot, count, tries } of due) {
      if (stopping.aborted) return false;
      try {
        await deliver(lot, count);
        await sql`
          update deliveries set delivered_at = now(), tries = tries + 1, error = null
            where lot = ${lot}`;
      } catch (cause) {
        const error = (cause as Error).message;
        const seconds = Math.min(LONGEST_SECONDS, 2 ** Math.min(tries, 12));
        await sql`
          update deliveries set tries = tries + 1, error = ${error},
            next_at = now() + make_interval(secs => ${seconds}) where lot = ${lot}`;
        log.warn({ lot, tries: tries + 1, error }, "a lot could not be deposited");
        cachedKey = undefined;
        // the next one would fail too
        return false;
      }
    }
    return due.length > 0;
  }

  return {
    name: "depositing",
    everyMs: deps.everyMs ?? 1_000,
    async run(stopping) {
      while (!stopping.aborted && (await takeUp()) > 0) {
        // until there are no more
      }
      while (await deliverDue(stopping)) {
        // until there are no more
      }
    },
  };
}
