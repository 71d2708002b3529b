/** Injects the plan's faults into a network at their times, and repairs everything at the end. */
import type { Network } from "./network.ts";
import type { Injection, NodeFault, Plan, ReceiverFault } from "./plan.ts";

export type Counts = { kills: number; restarts: number; faults: number };
/**
 * A period in which a gateway's node was out. Blocks of the chain: `passed` was the head when
 * another gateway had to have its work, `end` when the node was well again.
 */
export type Outage = {
  gateway: number;
  kind: NodeFault;
  seconds: number;
  passed: number;
  end: number;
};
/** Receivers of webhooks that can be made to fail. */
export type Breakable = { fail(kind: ReceiverFault | undefined): void };

export type Faults = {
  counts(): Counts;
  /** Outages that were long enough for the work to be passed on and done. */
  outages(): readonly Outage[];
  /** Resolves when the last injection is over. */
  done: Promise<void>;
  /** Begins no more, ends what is in force, and resolves when everything runs. */
  settle(): Promise<void>;
};

/**
 * Time for the work of a gateway to go to another when its node is out; then there is twice as long
 * to do some of it.
 */
const PASSED_MS = 10_000;

/** `head`: the newest block of the chain. */
export function injectFaults(
  plan: Plan,
  network: Network,
  receivers: readonly Breakable[],
  head: () => Promise<number>,
): Faults {
  const began = performance.now();
  const counts: Counts = { kills: 0, restarts: 0, faults: 0 };
  const outages: Outage[] = [];
  const abort = new AbortController();
  const { signal } = abort;
  /** Resolves at that time of the run, or at its end. */
  const until = (ms: number) =>
    new Promise<void>((resolve) => {
      if (signal.aborted) return resolve();
      const timer = setTimeout(resolve, Math.max(0, began + ms - performance.now()));
      signal.addEventListener("abort", () => {
        clearTimeout(timer);
        resolve();
      });
    });

  async function inject(injection: Injection): Promise<void> {
    await until(injection.at);
    if (signal.aborted) return;
    const over = () => until(injection.until);
    switch (injection.what) {
      case "rpc": {
        const way = network.gateways[injection.gateway]?.way;
        await way?.force(injection.window);
        await over();
        return way?.force(undefined);
      }
      case "node": {
        const { gateway, kind } = injection;
        const way = network.gateways[gateway]?.way;
        const ms = injection.until - injection.at;
        counts.faults += 1;
        await way?.takeOut(kind);
        await until(injection.at + Math.min(PASSED_MS, ms));
        const passed = await head();
        await over();
        const end = await head();
        await way?.takeOut(undefined);
        if (ms >= 3 * PASSED_MS && !signal.aborted)
          outages.push({ gateway, kind, seconds: Math.round(ms / 1_000), passed, end });
        return;
      }
      case "kill":
      case "stop": {
        const gateway = network.gateways[injection.gateway];
        if (injection.what === "kill") counts.kills += 1;
        counts.faults += 1;
        await gateway?.end(injection.what === "kill" ? "SIGKILL" : "SIGTERM");
        await over();
        return gateway?.start();
      }
      case "pause": {
        const gateway = network.gateways[injection.gateway];
        counts.faults += 1;
        gateway?.pause();
        await over();
        return gateway?.resume();
      }
      case "database":
        counts.restarts += 1;
        counts.faults += 1;
        return network.postgres.restart(injection.how);
      case "receiver":
        counts.faults += 1;
        receivers[injection.receiver]?.fail(injection.kind);
        await over();
        return receivers[injection.receiver]?.fail(undefined);
    }
  }

  // injections of one track come one after the other: a slow end must not meet the next beginning
  const trackOf = (injection: Injection) =>
    `${injection.what === "kill" || injection.what === "stop" || injection.what === "pause" ? "process" : injection.what} ${"gateway" in injection ? injection.gateway : "receiver" in injection ? injection.receiver : ""}`;
  const tracks = [...Map.groupBy(plan.injections, trackOf).values()];
  const done = Promise.all(
    tracks.map(async (track) => {
      for (const injection of track) await inject(injection);
    }),
  ).then(() => {});
  return {
    counts: () => ({
      ...counts,
      faults: counts.faults + network.gateways.reduce((sum, { way }) => sum + way.struck(), 0),
    }),
    outages: () => outages,
    done,
    async settle() {
      abort.abort();
      await done;
    },
  };
}
