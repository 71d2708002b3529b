/**
 * The plan of a run: what is injected, when, where and with which parameters.
 *
 * Invariant: a function of seed, seconds and the number of gateways and of receivers, and of
 * nothing else; every injection ends within the run. Each track (a process, its way to the node,
 * the nodes, the database, a receiver) draws from a stream of its own, and within a track one
 * injection ends before the next begins. What happens to single calls follows from the window's own
 * counter.
 *
 * One gateway's node at a time is out, for an eighth of the run or more. Meanwhile the processes of
 * the others keep running: they take over its work, through their own ways to their nodes.
 */
import { createHash } from "node:crypto";

/**
 * What the way to the node does to a call:
 *
 * | kind | the node sees it | the gateway gets |
 * | --- | --- | --- |
 * | drop | no | nothing, ever |
 * | cut | no | a broken connection |
 * | lose | yes | a broken connection |
 * | delay | yes, late | the answer |
 * | duplicate | twice | the second answer |
 * | deny | yes | an error that settles nothing |
 * | nonce | no (a raw transaction) | "nonce too low" |
 * | known | no (a raw transaction) | "already known" |
 * | stale | yes | the answer of a node that is some blocks behind |
 * | mixed | yes | each time one of two nodes, of which one stands still |
 * | empty | yes (a search of logs) | no logs |
 * | busy | no | HTTP 503 or 429 and a page of HTML |
 */
export const rpcFaults = [
  "drop",
  "cut",
  "lose",
  "delay",
  "duplicate",
  "deny",
  "nonce",
  "known",
  "stale",
  "mixed",
  "empty",
  "busy",
] as const;
export type RpcFault = (typeof rpcFaults)[number];

/**
 * What a gateway's node is while it is out:
 *
 * | kind | it |
 * | --- | --- |
 * | dead | takes no connection |
 * | frozen | takes every call and answers none |
 * | still | has no block after the one that it stands at; it takes transactions and passes none on |
 * | wrong | leaves the first log out of every search |
 */
export const nodeFaults = ["dead", "frozen", "still", "wrong"] as const;
export type NodeFault = (typeof nodeFaults)[number];

/**
 * error: 500. absent: 404. hang: no answer. torn: the connection breaks when the event has been
 * taken.
 */
export const receiverFaults = ["error", "hang", "absent", "torn"] as const;
export type ReceiverFault = (typeof receiverFaults)[number];

/**
 * A stretch of time on the way to the node. Of a thousand calls `perMille` are struck; `amount`:
 * blocks behind, or milliseconds at most.
 */
export type Window = { kind: RpcFault; perMille: number; amount: number; seed: number };

/** Milliseconds since the load began. */
type Span = { at: number; until: number };
export type Injection = Span &
  (
    | { what: "rpc"; gateway: number; window: Window }
    | { what: "node"; gateway: number; kind: NodeFault }
    // SIGKILL, SIGTERM; started again at `until`
    | { what: "kill" | "stop"; gateway: number }
    // SIGSTOP, and SIGCONT at `until`
    | { what: "pause"; gateway: number }
    | { what: "database"; how: "fast" | "immediate" }
    | { what: "receiver"; receiver: number; kind: ReceiverFault }
  );

export type Plan = {
  seed: number;
  seconds: number;
  gateways: number;
  receivers: number;
  injections: Injection[];
};

/** Numbers in [0, 1) that follow from the seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A seed of its own for each name. */
export const seedOf = (seed: number, name: string): number =>
  createHash("sha256").update(`${seed}/${name}`).digest().readInt32BE();

/** A number from `from` to `to`, both included. */
export const between = (random: () => number, from: number, to: number): number =>
  from + Math.floor(random() * (to - from + 1));

/** Whether a window strikes its nth call. */
export const strikes = (window: Window, nth: number): boolean =>
  randomOf(window.seed + nth)() * 1_000 < window.perMille;

/** How long the nth call of a window of delays waits. */
export const delayOf = (window: Window, nth: number): number =>
  Math.floor(randomOf(window.seed ^ (nth + 1))() * window.amount);

/**
 * Deals from a deck that has each kind as often as the list, and shuffles it again when it is
 * empty.
 */
function dealer<T>(random: () => number, kinds: readonly T[]): () => T {
  let deck: T[] = [];
  return () => {
    if (deck.length === 0) {
      deck = [...kinds];
      for (let i = deck.length - 1; i > 0; i -= 1) {
        const j = between(random, 0, i);
        [deck[i], deck[j]] = [deck[j] as T, deck[i] as T];
      }
    }
    return deck.pop() as T;
  };
}

/** How often and how long, in milliseconds. */
type Rhythm = { gap: readonly [number, number]; length: readonly [number, number] };

const rhythms = {
  process: { gap: [3_000, 9_000], length: [300, 4_500] },
  rpc: { gap: [300, 2_500], length: [1_500, 5_000] },
  database: { gap: [6_000, 16_000], length: [0, 0] },
  receiver: { gap: [2_500, 8_000], length: [1_000, 5_000] },
} as const satisfies Record<string, Rhythm>;

/** Which share of the calls is struck, and by how much. */
const shapes: Record<
  RpcFault,
  { perMille: readonly [number, number]; amount: readonly [number, number] }
> = {
  drop: { perMille: [30, 200], amount: [0, 0] },
  cut: { perMille: [100, 700], amount: [0, 0] },
  lose: { perMille: [100, 600], amount: [0, 0] },
  delay: { perMille: [200, 1_000], amount: [100, 2_000] },
  duplicate: { perMille: [500, 1_000], amount: [0, 0] },
  deny: { perMille: [200, 800], amount: [0, 0] },
  nonce: { perMille: [400, 1_000], amount: [0, 0] },
  known: { perMille: [400, 1_000], amount: [0, 0] },
  stale: { perMille: [1_000, 1_000], amount: [0, 20] },
  mixed: { perMille: [300, 700], amount: [0, 10] },
  empty: { perMille: [400, 1_000], amount: [0, 0] },
  busy: { perMille: [100, 800], amount: [0, 0] },
};

/** The plan of a seed. */
export function planOf(seed: number, seconds: number, gateways: number, receivers: number): Plan {
  const end = seconds * 1_000;
  const share = (from: number, to: number) =>
    [Math.round(end * from), Math.round(end * to)] as const;
  const injections: Injection[] = [];
  function track(
    name: string,
    rhythm: Rhythm,
    make: (random: () => number) => (span: Span) => Injection,
  ): void {
    const random = randomOf(seedOf(seed, name));
    const next = make(random);
    for (let at = between(random, ...rhythm.gap); ; ) {
      const until = at + between(random, ...rhythm.length);
      if (until > end) return;
      injections.push(next({ at, until }));
      at = until + between(random, ...rhythm.gap);
    }
  }
  for (let gateway = 0; gateway < gateways; gateway += 1) {
    track(`process ${gateway}`, rhythms.process, (random) => {
      const deal = dealer(random, ["kill", "kill", "kill", "pause", "stop"] as const);
      // the shortest run has a kill
      let first = gateway === 0;
      return (span) => {
        const signal = first ? "kill" : deal();
        first = false;
        return { ...span, what: signal, gateway };
      };
    });
    track(`rpc ${gateway}`, rhythms.rpc, (random) => {
      const deal = dealer(random, rpcFaults);
      return (span) => {
        const kind = deal();
        const { perMille, amount } = shapes[kind];
        const window = {
          kind,
          perMille: between(random, ...perMille),
          amount: between(random, ...amount),
          seed: between(random, 0, 2 ** 31 - 1),
        };
        return { ...span, what: "rpc", gateway, window };
      };
    });
  }
  track("nodes", { gap: share(0.03, 0.07), length: share(0.125, 0.17) }, (random) => {
    const kind = dealer(random, nodeFaults);
    const gateway = dealer(
      random,
      Array.from({ length: gateways }, (_, i) => i),
    );
    return (span) => ({ ...span, what: "node", kind: kind(), gateway: gateway() });
  });
  track("database", rhythms.database, (random) => {
    const deal = dealer(random, ["fast", "immediate", "immediate"] as const);
    return (span) => ({ ...span, what: "database", how: deal() });
  });
  for (let receiver = 0; receiver < receivers; receiver += 1) {
    track(`receiver ${receiver}`, rhythms.receiver, (random) => {
      const deal = dealer(random, receiverFaults);
      return (span) => ({ ...span, what: "receiver", receiver, kind: deal() });
    });
  }
  injections.sort((a, b) => a.at - b.at);
  return { seed, seconds, gateways, receivers, injections: leftToWork(injections) };
}

/**
 * Removes injections into the process of one gateway while another gateway's node is out; the run's
 * first kill stays.
 */
function leftToWork(injections: readonly Injection[]): Injection[] {
  const out = injections.filter((injection) => injection.what === "node");
  const first = injections.find((injection) => injection.what === "kill");
  return injections.filter((injection) => {
    if (
      injection === first ||
      (injection.what !== "kill" && injection.what !== "stop" && injection.what !== "pause")
    )
      return true;
    return !out.some(
      (node) =>
        node.gateway !== injection.gateway &&
        node.at < injection.until &&
        injection.at < node.until,
    );
  });
}

/** Twelve hex digits that two equal plans have in common. */
export const hashOf = (plan: Plan): string =>
  createHash("sha256").update(JSON.stringify(plan)).digest("hex").slice(0, 12);
