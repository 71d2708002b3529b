/**
 * Signed-transaction lanes: one per sending key, write-ahead.
 *
 * | a send is | when | and then |
 * | --- | --- | --- |
 * | queued | its calldata is written, in the transaction of whoever wants it | gets nonce, signed bytes and hash: pending |
 * | pending | those three are written, before any broadcast | receipt final → mined or failed; no receipt → same bytes again |
 * | mined, failed | its receipt is final | done |
 *
 * Invariants: a send is signed once and never again, whatever the node answers, so an unknown outcome cannot become two
 * transactions; the next nonce is one more than the highest that is written. Each wake-up runs recover → confirm → send.
 * "Already known" and "nonce too low" are no errors here: the receipt tells. Does not know what it sends.
 */
import type { ChainClient } from "../chain/client.ts";
import { NodeRefused } from "../chain/client.ts";
import { announce, type Changes, type Sql, type Tx } from "../db/db.ts";
import type { Log } from "../kernel/log.ts";
import type { Keystore } from "../keys/keystore.ts";

export type Send = { to: string; data: string; gas: bigint };
export type Lane = { name: string; address: string };

export type Lanes = {
  /** Queues a transaction; it is sent after `tx` commits. Returns the send's id. */
  submit(tx: Tx, lane: string, send: Send): Promise<bigint>;
  start(): void;
  stop(): Promise<void>;
};

type Deps = {
  sql: Sql;
  chain: ChainClient;
  keys: Keystore;
  changes: Changes;
  log: Log;
  lanes: readonly Lane[];
  chainId: number;
  finalityDepth: number;
  window: number;
  pollMs: number;
  /** After so long without a receipt the same bytes go out again. Default 3,000. */
  resendMs?: number;
  /** Called in the transaction that records a send whose transaction was reverted. */
  failed: (tx: Tx, send: bigint, reason: string) => Promise<void>;
};

type Pending = { id: bigint; hash: string; raw: string; to_address: string; data: string; sent_at: Date | null };

/** The lane of this name, with the sending key it was begun with; begun now, with a new key of the keystore, if it is not there. */
export async function openLane(deps: Pick<Deps, "sql" | "chain" | "keys">, name: string): Promise<Lane> {
  const { sql, chain, keys } = deps;
  return sql.begin(async (tx) => {
    await tx`lock table lanes in share row exclusive mode`;
    const [known] = await tx<Lane[]>`select name, address from lanes where name = ${name}`;
    if (known) return known;
    const address = await keys.create(tx);
    // a key of one's own starts at what the chain says of it; every later nonce comes from the rows
    await tx`insert into lanes (name, address, base_nonce) values (${name}, ${address}, ${await chain.nonce(address)})`;
    return { name, address };
  });
}

export function createLanes(deps: Deps): Lanes {
  const { sql, chain, keys, log, resendMs = 3_000 } = deps;
  let stopping = false;
  let running: Promise<void>[] = [];

  /** Looks for the receipts of what is out; the outcome is taken from final blocks alone. */
  async function confirm(lane: Lane): Promise<Pending[]> {
    const pending = await sql<Pending[]>`
      select id, hash, raw, to_address, data, sent_at from sends where lane = ${lane.name} and status = 'pending' order by nonce`;
    if (pending.length === 0) return [];
    const final = (await chain.head()) - deps.finalityDepth;
    const receipts = await chain.receipts(pending.map((send) => send.hash));
    const waiting: Pending[] = [];
    for (const [i, send] of pending.entries()) {
      const receipt = receipts[i];
      if (!receipt || receipt.block > final) {
        if (!receipt) waiting.push(send);
        continue;
      }
      const reason = receipt.ok ? undefined : await revertData(lane, send, receipt.block);
      const recorded = await sql.begin(async (tx) => {
        const status = receipt.ok ? "mined" : "failed";
        const row =
          await tx`update sends set status = ${status}, block = ${receipt.block}, last_error = ${reason ?? null} where id = ${send.id} and status = 'pending'`;
        // another process has recorded it, and told what failed
        if (row.count === 0) return false;
        if (reason !== undefined) await deps.failed(tx, send.id, reason);
        await announce(tx);
        return true;
      });
      if (recorded && !receipt.ok) log.error({ send: String(send.id), hash: send.hash, reason }, "a transaction was reverted");
    }
    return waiting;
  }

  /** What the reverted call says when it is asked again at its block; empty when it says nothing. */
  async function revertData(lane: Lane, send: Pending, block: number): Promise<string> {
    try {
      await chain.call(send.to_address, send.data, lane.address, block);
      return "";
    } catch (cause) {
      return cause instanceof NodeRefused ? (cause.data ?? cause.message) : "";
    }
  }

  async function broadcast(id: bigint, raw: string): Promise<void> {
    const error = await chain.broadcast(raw).then(
      () => null,
      (cause: Error) => cause.message,
    );
    await sql`update sends set tries = tries + 1, sent_at = now(), last_error = ${error} where id = ${id}`;
    if (error !== null) log.debug({ send: String(id), error }, "the node's answer to a broadcast; the receipt will tell");
  }

  /** Gives nonces to what is queued, as far as the window allows, and writes the signed bytes. */
  async function sign(lane: Lane): Promise<{ id: bigint; raw: string }[]> {
    return sql.begin(async (tx) => {
      // one process at a time hands out this lane's nonces
      const [row] = await tx<{ base_nonce: bigint }[]>`select base_nonce from lanes where name = ${lane.name} for update`;
      const base = row?.base_nonce ?? 0n;
      const [known] = await tx<{ next: bigint; out: bigint }[]>`
        select coalesce(max(nonce) + 1, ${base}::bigint) as next, count(*) filter (where status = 'pending') as out
        from sends where lane = ${lane.name} and nonce is not null`;
      const room = deps.window - Number(known?.out ?? 0n);
      if (room <= 0) return [];
      const queued = await tx<{ id: bigint; to_address: string; data: string; gas: bigint }[]>`
        select id, to_address, data, gas from sends where lane = ${lane.name} and status = 'queued' order by id limit ${room}`;
      let nonce = Number(known?.next ?? 0n);
      const signed: { id: bigint; raw: string }[] = [];
      for (const send of queued) {
        const fields = { chainId: deps.chainId, nonce, to: send.to_address, data: send.data, gasLimit: send.gas };
        const { raw, hash } = await keys.signTransaction(lane.address, fields);
        await tx`update sends set status = 'pending', nonce = ${nonce}, raw = ${raw}, hash = ${hash} where id = ${send.id}`;
        signed.push({ id: send.id, raw });
        nonce += 1;
      }
      return signed;
    });
  }

  async function wake(lane: Lane): Promise<boolean> {
    const waiting = await confirm(lane);
    const now = Date.now();
    for (const send of waiting) {
      if (send.sent_at === null || now - send.sent_at.getTime() > resendMs) await broadcast(send.id, send.raw);
    }
    const signed = await sign(lane);
    for (const send of signed) await broadcast(send.id, send.raw);
    return waiting.length > 0 || signed.length > 0;
  }

  async function run(lane: Lane): Promise<void> {
    let busy = true;
    while (!stopping) {
      // listen before looking, so that what is queued meanwhile is not slept over
      const change = deps.changes.wait(busy ? Math.min(deps.pollMs, 100) : deps.pollMs);
      try {
        busy = await wake(lane);
      } catch (cause) {
        busy = false;
        if (!stopping) log.warn({ lane: lane.name, error: cause instanceof Error ? cause.message : String(cause) }, "a lane waits");
      }
      await change;
    }
  }

  return {
    async submit(tx, lane, send) {
      const [row] = await tx<{ id: bigint }[]>`
        insert into sends (lane, to_address, data, gas) values (${lane}, ${send.to}, ${send.data}, ${send.gas}) returning id`;
      await announce(tx);
      return (row as { id: bigint }).id;
    },
    start() {
      stopping = false;
      running = deps.lanes.map((lane) => run(lane));
    },
    async stop() {
      stopping = true;
      await Promise.all(running);
    },
  };
}
