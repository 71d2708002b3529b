/** Stored answers as a whole: about how many there are, and deleting old ones. */
import type { Tx } from "../db/db.ts";

/** About how many there are, as PostgreSQL's last vacuum has counted. */
export async function keptAnswers(tx: Tx): Promise<number> {
  const [row] = await tx<{ n: number }[]>`
    select greatest(reltuples, 0)::float8 as n from pg_class
    where oid = 'idempotency'::regclass`;
  return row?.n ?? 0;
}

/** Deletes up to `limit` answers that are so many days old, the oldest first; how many. */
export async function expireAnswers(tx: Tx, days: number, limit: number): Promise<number> {
  const expired = await tx`
    delete from idempotency where ctid = any(array(
      select ctid from idempotency where created_at < now() - ${days} * interval '1 day'
      order by created_at limit ${limit} for update skip locked))`;
  return expired.count;
}
