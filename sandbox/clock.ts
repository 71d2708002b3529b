/**
 * A sandbox's clock, ahead of the machine's: for what shows only after years, or on New Year's Eve
 * (docs/adr/0027).
 *
 * A gateway decides about dates only by the database's `now()` (db/db.ts, `momentNow`), so the
 * clock is moved there: a function of that name precedes PostgreSQL's own in every connection's
 * search path. The chain's blocks are ahead by the same time. A gateway of a real network refuses
 * to start on such a database (gateway.ts).
 */

import { openDb } from "../server/db/db.ts";
import { passTimeTo } from "./chain.ts";

export type SandboxClock = {
  /** The time by this clock. */
  now(): Date;
  /**
   * Moves database and chain forward together; resolves when both have reached that time. Throws
   * for a sandbox that began with the machine's time.
   */
  moveTo(at: Date): Promise<void>;
};

/** A hundred years. */
const MAX_SECONDS = 3_155_760_000;

/** Every session that begins from now on has this time; sessions that have it already follow. */
async function moveDatabase(url: string, seconds: number): Promise<void> {
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > MAX_SECONDS)
    throw new RangeError(`A sandbox's clock is 1 to ${MAX_SECONDS} seconds ahead`);
  const sql = openDb(url, { connections: 1 });
  try {
    await sql.unsafe(`create or replace function public.now() returns timestamptz language sql stable parallel safe
      as $$ select pg_catalog.now() + interval '${seconds} seconds' $$`);
    await sql.unsafe(
      "do $$ begin execute format('alter database %I set search_path = public, pg_catalog', current_database()); end $$",
    );
  } finally {
    await sql.end();
  }
}

/**
 * The clock of a sandbox whose chain is this many seconds ahead; it moves the database as well. 0:
 * the machine's time. To be opened before anything else connects to the database.
 */
export async function openClock({
  databaseUrl,
  rpcUrl,
  aheadSeconds,
}: {
  databaseUrl: string;
  rpcUrl: string;
  aheadSeconds: number;
}): Promise<SandboxClock> {
  let ahead = aheadSeconds;
  if (ahead !== 0) await moveDatabase(databaseUrl, ahead);
  const now = () => new Date(Date.now() + ahead * 1_000);
  return {
    now,
    async moveTo(at) {
      const seconds = Math.ceil((at.getTime() - now().getTime()) / 1_000);
      if (aheadSeconds === 0 || seconds < 0)
        throw new RangeError(
          "A sandbox's clock goes on only if it was ahead from the start, and never back",
        );
      await moveDatabase(databaseUrl, ahead + seconds);
      ahead += seconds;
      await passTimeTo(rpcUrl, Math.ceil(at.getTime() / 1_000));
    },
  };
}
