/**
 * The workers' loop, with a clock that the test moves. A row lists each turn's work, the events
 * while the loop waits, and the milliseconds at which turns begin. No test here waits for real
 * time.
 */
import { expect } from "chai";
import { type Clock, createLoop, type Next } from "../../server/kernel/loop.ts";

type Timer = { at: number; callback: () => void };

/** Time that moves only in `pass`. */
function handClock(): Clock & { pass(milliseconds: number): Promise<void>; timers(): number } {
  let time = 0;
  const timers = new Set<Timer>();
  return {
    now: () => time,
    timer(milliseconds, callback) {
      const timer = { at: time + milliseconds, callback };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    timers: () => timers.size,
    async pass(milliseconds) {
      const end = time + milliseconds;
      for (;;) {
        await settled();
        const [next] = [...timers].sort((a, b) => a.at - b.at);
        if (next === undefined || next.at > end) break;
        timers.delete(next);
        time = next.at;
        next.callback();
      }
      time = end;
    },
  };
}

/**
 * Waits until all pending promise callbacks have run: a turn of the event loop comes after all of
 * them.
 */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

type Step = { takes?: number; change?: true; returns?: Next; throws?: string };
type Event = ["pass", number] | ["change", number?] | ["stop"] | ["start"];
type Row = {
  name: string;
  turns: Step[];
  events: Event[];
  begins: number[];
  faults?: string[];
  afterFault?: Next;
};

const rows: Row[] = [
  {
    name: "takes a turn at once, and the next after the longest wait",
    turns: [],
    events: [["pass", 250]],
    begins: [0, 100, 200],
  },
  {
    name: "takes a turn at a change, and waits from then on",
    turns: [],
    events: [["pass", 30], ["change"], ["pass", 100], ["pass", 20]],
    begins: [0, 30, 130],
  },
  {
    name: "takes one turn for many changes",
    turns: [],
    events: [
      ["pass", 30],
      ["change", 3],
      ["pass", 50],
    ],
    begins: [0, 30],
  },
  {
    name: "does not miss a change that comes during a turn",
    turns: [{ takes: 10, change: true }],
    events: [["pass", 50]],
    begins: [0, 10],
  },
  {
    name: "counts the wait from where the turn began",
    turns: [{ takes: 40 }],
    events: [["pass", 150]],
    begins: [0, 100],
  },
  {
    name: "goes on at once after a turn that was longer than the wait",
    turns: [{ takes: 130 }],
    events: [["pass", 140]],
    begins: [0, 130],
  },
  {
    name: "waits less when the turn says so, and still hears changes",
    turns: [{ returns: { atMost: 20 } }, { returns: { atMost: 20 } }],
    events: [["pass", 25], ["change"], ["pass", 60]],
    begins: [0, 20, 25],
  },
  {
    name: "goes on at once while there is more",
    turns: [{ returns: { after: 0 } }, { returns: { after: 0 } }],
    events: [["pass", 50]],
    begins: [0, 0, 0],
  },
  {
    name: "rests as long as the turn says, whatever changes",
    turns: [{ takes: 10, change: true, returns: { after: 60 } }],
    events: [["pass", 20], ["change"], ["pass", 40], ["pass", 10]],
    begins: [0, 70],
  },
  {
    name: "goes on after a fault, at the usual wait",
    turns: [{ throws: "a" }, { throws: "b" }],
    events: [["pass", 110]],
    begins: [0, 100],
    faults: ["a", "b"],
  },
  {
    name: "rests after a fault as long as is said, whatever changes",
    turns: [{ throws: "a", change: true }, { takes: 5 }],
    events: [["change"], ["pass", 299], ["change"], ["pass", 1]],
    begins: [0, 300],
    faults: ["a"],
    afterFault: { after: 300 },
  },
  {
    name: "takes no turn after it was stopped, and hears nothing",
    turns: [],
    events: [["pass", 10], ["stop"], ["change"], ["pass", 500]],
    begins: [0],
  },
  {
    name: "is stopped during a turn: the turn ends, its fault is nobody's, and none follows",
    turns: [{ takes: 50, throws: "torn down" }],
    events: [["pass", 10], ["stop"], ["pass", 500]],
    begins: [0],
  },
  {
    name: "starts again after it was stopped",
    turns: [],
    events: [["pass", 10], ["stop"], ["pass", 200], ["start"], ["pass", 100]],
    begins: [0, 210, 310],
  },
  {
    name: "runs once, however often it is started",
    turns: [],
    events: [["start"], ["start"], ["pass", 100]],
    begins: [0, 100],
  },
];

describe("a worker's loop", () => {
  for (const { name, turns, events, begins, faults = [], afterFault } of rows)
    it(name, async () => {
      const clock = handClock();
      const listeners = new Set<() => void>();
      const change = () => {
        for (const each of [...listeners]) each();
      };
      const [seen, thrown]: [number[], string[]] = [[], []];
      let running = 0;
      const loop = createLoop({
        clock,
        atMostMs: 100,
        listen(changed) {
          listeners.add(changed);
          return () => void listeners.delete(changed);
        },
        async turn() {
          running += 1;
          expect(running, "turns at once").to.equal(1);
          const step = turns[seen.length] ?? {};
          seen.push(clock.now());
          if (step.change) change();
          if (step.takes !== undefined)
            await new Promise<void>((resolve) => void clock.timer(step.takes as number, resolve));
          running -= 1;
          if (step.throws !== undefined) throw new Error(step.throws);
          return step.returns;
        },
        failed(cause) {
          thrown.push((cause as Error).message);
          return afterFault;
        },
      });
      const stops: Promise<void>[] = [];
      loop.start();
      for (const [kind, amount] of events) {
        await settled();
        if (kind === "pass") await clock.pass(amount as number);
        else if (kind === "change") for (let times = amount ?? 1; times > 0; times -= 1) change();
        else if (kind === "start") loop.start();
        else stops.push(loop.stop());
      }
      await settled();
      expect(seen).to.deep.equal(begins);
      expect(thrown).to.deep.equal(faults);
      stops.push(loop.stop());
      await settled();
      expect(clock.timers(), "timers: that of a turn that still runs, and no wait").to.equal(
        running,
      );
      await clock.pass(1_000);
      await Promise.all(stops);
      expect(
        [listeners.size, clock.timers(), running],
        "what a stopped loop leaves behind",
      ).to.deep.equal([0, 0, 0]);
      expect(seen.length, "turns after the stop").to.equal(begins.length);
    });

  it("signals a running turn to stop, and waits for its end", async () => {
    const ended = Promise.withResolvers<void>();
    const stopping = Promise.withResolvers<AbortSignal>();
    const loop = createLoop({
      atMostMs: 1,
      async turn(signal) {
        stopping.resolve(signal);
        await ended.promise;
      },
      failed: () => undefined,
    });
    loop.start();
    const signal = await stopping.promise;
    expect(signal.aborted).to.equal(false);
    let stopped = false;
    const stop = loop.stop().then(() => {
      stopped = true;
    });
    expect(signal.aborted).to.equal(true);
    await settled();
    expect(stopped).to.equal(false);
    ended.resolve();
    await stop;
  });
});
