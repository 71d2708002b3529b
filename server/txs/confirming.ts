/**
 * Confirming: the outcome of the transactions that a lane has sent. Only final blocks decide it.
 *
 * One event other than a receipt ends a send: another transaction has used its nonce (a database
 * restored from an older backup, a key used elsewhere). The lane believes that if the account's
 * count at the final block is beyond the nonce, and the node, asked afterwards, has neither receipt
 * nor transaction of ours, three times over two seconds. The transaction can then no longer be
 * mined, so its work can safely be retried.
 */
import type { ChainClient } from "../chain/client.ts";
import { NodeRefused } from "../chain/client.ts";
import type { FaultWord } from "../chain/faults.ts";
import { announce, type Sql, type Tx } from "../db/db.ts";
import type { Log } from "../kernel/log.ts";

export type Lane = { name: string; address: string };

/** A send whose outcome is unknown. */
export type Pending = {
  id: bigint;
  nonce: bigint;
  hash: string;
  raw: string;
  to_address: string;
  data: string;
  cancel_hash: string | null;
  cancel_raw: string | null;
  fault: FaultWord | null;
  reason: string | null;
  errors: number;
  due: boolean;
  /** Milliseconds since it was last sent; 0 if it never was. */
  waited: number;
};

/** What this process knows about a lane's node. */
export type Sight = {
  /** The node's head, as last seen. */
  head: number;
  /** For each send: how often it was sent at which head. */
  offers: Map<bigint, { head: number; times: number }>;
  /** The node is out of service: nothing is sent before this time. */
  restingUntil: number;
};

/** How often, and over which time, another transaction must appear to have used a nonce. */
const SUPERSEDED_LOOKS = 3;
const SUPERSEDED_MS = 2_000;

type Deps = {
  sql: Sql;
  chain: ChainClient;
  log: Log;
  finalityDepth: number;
  /**
   * Called in the transaction that records a failed send, with its revert data or a word of
   * NEVER_LANDED.
   */
  failed: (tx: Tx, send: bigint, reason: string) => Promise<void>;
};

export function createConfirming({ sql, chain, log, finalityDepth, failed }: Deps) {
  /** Sends whose nonce another transaction appears to have used: since when, and how often. */
  const suspected = new Map<bigint, { since: number; looks: number }>();

  /** Ends a send; false if another process, or an earlier turn, has ended it. */
  async function record(
    tx: Tx,
    send: bigint,
    status: "mined" | "failed",
    block: number | null,
    reason: string | undefined,
  ): Promise<boolean> {
    const row = await tx`
      update sends set status = ${status}, block = ${block}, last_error = ${reason ?? null},
        fault = null, reason = null where id = ${send} and status = 'pending'`;
    if (row.count === 0) return false;
    if (reason !== undefined) await failed(tx, send, reason);
    await announce(tx, "send");
    return true;
  }

  /** Looks for the receipts of a lane's pending sends. Returns the sends without a receipt. */
  async function confirm(lane: Lane, sight: Sight): Promise<Pending[]> {
    const pending = await sql<Pending[]>`
      select id, nonce, hash, raw, to_address, data, cancel_hash, cancel_raw, fault, reason, errors,
        retry_at is null or retry_at <= now() as due,
             coalesce(extract(epoch from now() - sent_at)::float8 * 1000, 0) as waited
      from sends where lane = ${lane.name} and status = 'pending' order by nonce`;
    const ids = new Set(pending.map((send) => send.id));
    for (const id of sight.offers.keys()) if (!ids.has(id)) sight.offers.delete(id);
    if (pending.length === 0) return [];
    sight.head = await chain.head();
    const final = sight.head - finalityDepth;
    const [receipts, cancels] = await Promise.all([
      chain.receipts(pending.map((send) => send.hash)),
      chain.receipts(pending.map((send) => send.cancel_hash).filter((hash) => hash !== null)),
    ]);
    const waiting: Pending[] = [];
    for (const [i, send] of pending.entries()) {
      const cancelled = send.cancel_hash === null ? undefined : cancels.shift();
      const receipt = receipts[i] ?? cancelled;
      if (!receipt) waiting.push(send);
      if (!receipt || receipt.block > final) continue;
      let reason: string | undefined;
      if (!receipts[i]) reason = "cancelled";
      else if (!receipt.ok) reason = await revertData(lane, send, receipt.block);
      const recorded = await sql.begin((tx) =>
        record(tx, send.id, reason === undefined ? "mined" : "failed", receipt.block, reason),
      );
      if (recorded && reason === "cancelled")
        log.info(
          { send: String(send.id), nonce: String(send.nonce) },
          "a send was cancelled: the no-op has landed",
        );
      else if (recorded && reason !== undefined)
        log.error({ send: String(send.id), hash: send.hash, reason }, "a transaction was reverted");
    }
    return supersede(lane, waiting, final);
  }

  /** Ends the sends whose nonce another transaction has used. Returns the others. */
  async function supersede(lane: Lane, waiting: Pending[], final: number): Promise<Pending[]> {
    // the node's answer that the nonce is used only starts the search
    const suspects = waiting.filter((send) => send.fault === "landed");
    const used = suspects.length === 0 ? 0 : await chain.nonce(lane.address, final);
    const ended = new Set<bigint>();
    for (const send of waiting) {
      // asked after the count: the send may have landed in between
      if (!suspects.includes(send) || Number(send.nonce) >= used || (await isOnNode(send))) {
        suspected.delete(send.id);
        continue;
      }
      const suspicion = suspected.get(send.id) ?? { since: performance.now(), looks: 0 };
      suspicion.looks += 1;
      suspected.set(send.id, suspicion);
      if (suspicion.looks < SUPERSEDED_LOOKS || performance.now() - suspicion.since < SUPERSEDED_MS)
        continue;
      await sql.begin(async (tx) => {
        // the chain has used the nonces below; later sends continue from there
        await tx`
          update lanes set base_nonce = greatest(base_nonce, ${used}) where name = ${lane.name}`;
        if (await record(tx, send.id, "failed", null, "superseded"))
          log.error(
            { send: String(send.id), nonce: String(send.nonce), used },
            "another transaction has used a send's nonce: its work is sent again",
          );
      });
      suspected.delete(send.id);
      ended.add(send.id);
    }
    return waiting.filter((send) => !ended.has(send.id));
  }

  async function isOnNode(send: Pending): Promise<boolean> {
    const hashes = [send.hash, ...(send.cancel_hash === null ? [] : [send.cancel_hash])];
    const [receipts, inputs] = await Promise.all([
      chain.receipts(hashes),
      Promise.all(hashes.map((hash) => chain.transactionInput(hash))),
    ]);
    return [...receipts, ...inputs].some((answer) => answer !== undefined);
  }

  /** The revert data of a call, repeated at its block; empty if there is none. */
  async function revertData(lane: Lane, send: Pending, block: number): Promise<string> {
    try {
      await chain.call(send.to_address, send.data, lane.address, block);
      return "";
    } catch (cause) {
      return cause instanceof NodeRefused ? (cause.data ?? cause.message) : "";
    }
  }

  return { confirm };
}
