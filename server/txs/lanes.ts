/**
 * Lanes of signed transactions: one for each sending key, write-ahead.
 *
 * | a send is | when | and then |
 * | --- | --- | --- |
 * | queued | its calldata is written, in the requester's transaction | gets nonce, signed bytes and hash: pending |
 * | pending | those three are written, before any broadcast | receipt final → mined or failed; no receipt → same bytes again |
 * | pending, cancelled | a no-op is written under the same nonce | whichever of the two lands decides |
 * | mined | its receipt is final | done |
 * | failed | its receipt is final and says reverted, the no-op has landed, or another transaction has its nonce | `failed` is called |
 *
 * Invariants: a send is signed once and never again, whatever the node answers, so an unknown
 * outcome cannot become two transactions; the next nonce is one more than the highest written
 * nonce. Each turn runs recover → confirm → send.
 *
 * The node's answer is a word of chain/faults.ts. No word ends a send (confirming.ts has what
 * does); the word decides when the same bytes go out again. Landed, unknown and accepted: after
 * `resendMs`, and ever more slowly while the node's head does not move, because nothing can land
 * then. Rejected: ever more slowly in any case. Down: one send at a time.
 *
 * Only the holder of a lane's lease works on it. If two processes both believe that they hold it,
 * row locks and compare-and-set make the second harmless. Lanes do not know what they send.
 */
import type { ChainClient } from "../chain/client.ts";
import { NodeDown, NodeRefused } from "../chain/client.ts";
import type { Fault, FaultWord } from "../chain/faults.ts";
import { announce, type Changes, type Sql, type Tx } from "../db/db.ts";
import type { Lease } from "../db/leases.ts";
import type { RowOf } from "../db/tables.ts";
import type { Log } from "../kernel/log.ts";
import { createLoop, type Loop } from "../kernel/loop.ts";
import type { Keystore } from "../keys/keystore.ts";
import { createConfirming, type Lane, type Pending, type Sight } from "./confirming.ts";

export type Send = { to: string; data: string; gas: bigint };

/**
 * Reasons of failed sends that never reached the chain: they did nothing, and can be retried. Any
 * other reason is revert data.
 */
export const NEVER_LANDED: ReadonlySet<string> = new Set(["cancelled", "superseded"]);

/** A lane as this process last saw it. */
export type LaneState = {
  name: string;
  /** Whether this process works on the lane. */
  held: boolean;
  queued: number;
  pending: number;
  /** When the oldest send that is not on the chain yet was queued. */
  oldest: Date | undefined;
  /**
   * The first send that the node does not accept; the later ones wait for it, and an operator has
   * to act.
   */
  blocked?: { send: bigint; reason: string; since: Date };
};

export type Lanes = {
  /** Queues a transaction; it is sent after `tx` commits. Returns the send's id. */
  submit(tx: Tx, lane: string, send: Send): Promise<bigint>;
  start(): void;
  stop(): Promise<void>;
  state(): LaneState[];
};

type Deps = {
  sql: Sql;
  chain: ChainClient;
  keys: Keystore;
  changes: Changes;
  log: Log;
  lanes: readonly Lane[];
  lease: (lane: string) => Lease;
  chainId: number;
  finalityDepth: number;
  window: number;
  pollMs: number;
  /** After this time without a receipt the same bytes go out again. Default 3,000. */
  resendMs?: number;
  /**
   * Called in the transaction that records a failed send, with its revert data or a word of
   * NEVER_LANDED.
   */
  failed: (tx: Tx, send: bigint, reason: string) => Promise<void>;
  /** Called with each fault that the node answers. */
  answered?: (fault: FaultWord) => void;
};

type Depth = {
  queued: bigint;
  pending: bigint;
  oldest: Date | null;
  send: bigint | null;
  reason: string | null;
  since: Date | null;
};
type Outgoing = Pick<Pending, "id" | "raw" | "cancel_raw" | "fault" | "reason" | "errors">;

const FIRST_REJECTED_MS = 1_000;
/** The longest time until the same bytes are sent again. */
const MAX_RESEND_MS = 30_000;
/** How soon a lane looks again for missing receipts. */
const BUSY_MS = 100;
/** A block may come at once, so the first receipt is read this soon after an offer. */
const FIRST_LOOK_MS = 20;
/** How often a lane at work reads its rows for `state`. */
const LOOK_MS = 500;
/** A new send wakes an empty lane; it also looks this often without one. */
const IDLE_MS = 1_000;

/**
 * The lane of this name with its sending key; created now, with a new key of the keystore, if
 * missing.
 */
export async function openLane(
  deps: Pick<Deps, "sql" | "chain" | "keys">,
  name: string,
): Promise<Lane> {
  const { sql, chain, keys } = deps;
  return sql.begin(async (tx) => {
    await tx`lock table lanes in share row exclusive mode`;
    const [known] = await tx<Lane[]>`select name, address from lanes where name = ${name}`;
    if (known) return known;
    const address = await keys.create(tx);
    // a new key starts at the chain's count for it; every later nonce comes from the rows
    await tx`
      insert into lanes (name, address, base_nonce) values (${name}, ${address},
        ${await chain.nonce(address)})`;
    return { name, address };
  });
}

export function createLanes(deps: Deps): Lanes {
  const { sql, chain, keys, log, resendMs = 3_000 } = deps;
  const leases = new Map(deps.lanes.map(({ name }) => [name, deps.lease(name)]));
  const states = new Map<string, LaneState>(
    deps.lanes.map(({ name }) => [
      name,
      { name, held: false, queued: 0, pending: 0, oldest: undefined },
    ]),
  );
  const { confirm } = createConfirming(deps);
  const sights = new Map<string, Sight>(
    deps.lanes.map(({ name }) => [name, { head: -1, offers: new Map(), restingUntil: 0 }]),
  );

  /**
   * Whether the same bytes go out again now. If they were sent at an older head, or by another
   * process, only `resendMs` counts.
   */
  function isDue(send: Pending, sight: Sight): boolean {
    const atHead = sight.offers.get(send.id)?.head === sight.head;
    const byRow = send.fault === "rejected" || send.fault === "down" || atHead;
    return send.due || (!byRow && send.waited >= resendMs);
  }

  /**
   * Sends the bytes to the node and records its answer. Returns how long the lane rests if the node
   * is down.
   */
  async function broadcast(send: Outgoing, sight: Sight): Promise<number | undefined> {
    const last = sight.offers.get(send.id);
    const times = last?.head === sight.head ? last.times + 1 : 1;
    sight.offers.set(send.id, { head: sight.head, times });
    const patience = slower(resendMs, times);
    const cause = await chain.broadcast(send.cancel_raw ?? send.raw).then(
      () => undefined,
      (error: Error) => error,
    );
    if (cause === undefined) {
      await sql`
        update sends set tries = tries + 1, sent_at = now(),
          retry_at = now() + ${patience}::float8 * interval '1 millisecond',
               fault = null, reason = null, errors = 0, first_error_at = null, last_error = null
        where id = ${send.id}`;
      return undefined;
    }
    const fault = faultOfCause(cause);
    const repeated = send.fault === fault.word && send.reason === fault.reason;
    const errors = repeated ? send.errors + 1 : 1;
    // while the node is down the lane rests, and the same send goes first next time
    const delays = {
      landed: patience,
      unknown: patience,
      down: 0,
      rejected: slower(FIRST_REJECTED_MS, errors),
    };
    await sql`
      update sends set tries = tries + 1, sent_at = now(),
        retry_at = now() + ${delays[fault.word]}::float8 * interval '1 millisecond',
             fault = ${fault.word}, reason = ${fault.reason}, errors = ${errors},
               last_error = ${cause.message},
             first_error_at = case when ${repeated} then coalesce(first_error_at, now())
               else now() end
      where id = ${send.id}`;
    deps.answered?.(fault.word);
    const details = {
      send: String(send.id),
      fault: fault.word,
      reason: fault.reason,
      error: cause.message,
    };
    if (fault.word === "rejected" && !repeated)
      log.error(details, "the node will not take a transaction: an operator has to act");
    else log.debug(details, "the node's answer to a broadcast; the receipt will tell");
    return fault.word === "down" ? patience : undefined;
  }

  /** Gives nonces to queued sends, as far as the window allows, and writes the signed bytes. */
  async function sign(lane: Lane): Promise<Outgoing[]> {
    const [waiting] =
      await sql`select 1 from sends where lane = ${lane.name} and status = 'queued' limit 1`;
    if (waiting === undefined) return [];
    return sql.begin(async (tx) => {
      // one process at a time assigns this lane's nonces
      const [row] = await tx<
        RowOf<"lanes", "base_nonce">[]
      >`select base_nonce from lanes where name = ${lane.name} for update`;
      const base = row?.base_nonce ?? 0n;
      const [known] = await tx<{ next: bigint; out: bigint }[]>`
        select greatest((select max(nonce) + 1 from sends where lane = ${lane.name}),
          ${base}::bigint) as next,
               (select count(*) from sends where lane = ${lane.name}
                 and status = 'pending') as out`;
      const room = deps.window - Number(known?.out ?? 0n);
      if (room <= 0) return [];
      const queued = await tx<RowOf<"sends", "id" | "to_address" | "data" | "gas">[]>`
        select id, to_address, data, gas from sends where lane = ${lane.name} and status = 'queued'
          order by id limit ${room}`;
      let nonce = Number(known?.next ?? 0n);
      const signed: Outgoing[] = [];
      for (const send of queued) {
        const fields = {
          chainId: deps.chainId,
          nonce,
          to: send.to_address,
          data: send.data,
          gasLimit: send.gas,
        };
        const { raw, hash } = await keys.signTransaction(lane.address, fields);
        await tx`
          update sends set status = 'pending', nonce = ${nonce}, raw = ${raw}, hash = ${hash}
            where id = ${send.id}`;
        signed.push({ id: send.id, raw, cancel_raw: null, fault: null, reason: null, errors: 0 });
        nonce += 1;
      }
      return signed;
    });
  }

  /** Returns whether a send was offered to the node now, or only waits for its receipt. */
  async function wake(lane: Lane): Promise<"offered" | "waiting" | "idle"> {
    const sight = sights.get(lane.name) as Sight;
    const waiting = await confirm(lane, sight);
    const due = waiting.filter((send) => isDue(send, sight));
    const signed = await sign(lane);
    const rested = performance.now() >= sight.restingUntil;
    const outgoing = rested ? [...due, ...signed] : [];
    for (const send of outgoing) {
      const rest = await broadcast(send, sight);
      if (rest === undefined) continue;
      // do not ask a node that is out of service for each of them
      sight.restingUntil = performance.now() + rest;
      break;
    }
    if (outgoing.length > 0) return "offered";
    return waiting.length > 0 || signed.length > 0 ? "waiting" : "idle";
  }

  /**
   * Reads what waits in a lane, and whether it is blocked, for `state`. Returns whether anything
   * waits.
   */
  async function updateState(lane: Lane, held: boolean): Promise<boolean> {
    const [row] = await sql<Depth[]>`
      select d.queued, d.pending, d.oldest, b.send, b.reason, b.since
      from (
        select count(*) filter (where status = 'queued') as queued,
          count(*) filter (where status = 'pending') as pending, min(created_at) as oldest
        from sends where lane = ${lane.name} and status in ('queued', 'pending')) d
      left join lateral (
        select id as send, reason, first_error_at as since from sends
        where d.pending > 0 and lane = ${lane.name} and status = 'pending' and fault = 'rejected'
          order by nonce limit 1) b on true`;
    const { queued, pending, oldest, send, reason, since } = row as Depth;
    states.set(lane.name, {
      name: lane.name,
      held,
      queued: Number(queued),
      pending: Number(pending),
      oldest: oldest ?? undefined,
      ...(send === null || since === null
        ? {}
        : { blocked: { send, reason: reason as string, since } }),
    });
    return queued + pending > 0n;
  }

  function loopOf(lane: Lane): Loop {
    const lease = leases.get(lane.name) as Lease;
    let lastLook = Number.NEGATIVE_INFINITY;
    const busyMs = Math.min(deps.pollMs, BUSY_MS);
    const idleMs = Math.max(deps.pollMs, IDLE_MS);
    /** Whether a send waits for its receipt, according to the last turn that succeeded. */
    let busy = false;
    /** Until the next look for a receipt: short after an offer, then doubled each time. */
    let soonMs = busyMs;
    const rest = () => {
      busy = false;
      soonMs = busyMs;
      return { atMost: idleMs };
    };
    return createLoop({
      atMostMs: deps.pollMs,
      listen: (changed) => deps.changes.on(["send", "lease"], changed),
      async turn() {
        const held = lease.held();
        const isOld =
          performance.now() - lastLook > LOOK_MS || held !== states.get(lane.name)?.held;
        // an empty lane costs this one statement
        if (isOld || (held && !busy)) {
          lastLook = performance.now();
          if (!(await updateState(lane, held))) return rest();
        }
        const work = held ? await wake(lane) : "idle";
        if (work === "idle") return rest();
        busy = true;
        soonMs = Math.min(busyMs, work === "offered" ? FIRST_LOOK_MS : 2 * soonMs);
        return { atMost: soonMs };
      },
      failed(cause) {
        if (cause instanceof NodeDown || cause instanceof NodeRefused)
          deps.answered?.(cause.fault.word);
        log.warn(
          { lane: lane.name, error: cause instanceof Error ? cause.message : String(cause) },
          "a lane waits",
        );
        // the first fault does not slow the lane down, further ones do
        const soon = busy ? { atMost: busyMs } : undefined;
        busy = false;
        return soon;
      },
    });
  }
  const loops = deps.lanes.map(loopOf);

  return {
    async submit(tx, lane, send) {
      const [row] = await tx<RowOf<"sends", "id">[]>`
        insert into sends (lane, to_address, data, gas) values (${lane}, ${send.to}, ${send.data},
          ${send.gas}) returning id`;
      await announce(tx, "send");
      return (row as { id: bigint }).id;
    },
    start() {
      for (const loop of loops) loop.start();
    },
    async stop() {
      await Promise.all(loops.map((loop) => loop.stop()));
    },
    state: () => deps.lanes.map(({ name }) => states.get(name) as LaneState),
  };
}

/** The delay after this many broadcasts of the same bytes in a row: twice as long each time. */
const slower = (first: number, times: number): number =>
  Math.min(MAX_RESEND_MS, first * 2 ** Math.min(times - 1, 10));

const faultOfCause = (cause: Error): Fault =>
  cause instanceof NodeRefused || cause instanceof NodeDown
    ? cause.fault
    : { word: "unknown", reason: "unrecognised" };
