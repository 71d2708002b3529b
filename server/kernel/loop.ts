/**
 * A worker's loop: it takes a turn, waits, and takes the next turn, until it is stopped.
 *
 * | the turn | the next turn comes |
 * | --- | --- |
 * | returns nothing | at a change, or `atMostMs` after this turn began |
 * | returns `{ atMost }` | at a change, or that many milliseconds after this turn began |
 * | returns `{ after }` | that many milliseconds after this turn ended; changes do not hurry it. 0: at once |
 * | throws | when `failed` says, in the same three ways |
 *
 * The loop listens before a turn begins, so it does not miss a change during the turn. Turns never
 * overlap. `stop` cuts a wait short and waits for the running turn; no turn begins afterwards. Owns
 * no lease and no log.
 */

/** Milliseconds to the next turn; see the table. */
export type Next = { atMost: number } | { after: number } | undefined;

/** Something that has to be done from time to time (upkeep/upkeep.ts gives it its turns). */
export type Job = {
  name: string;
  everyMs: number;
  /** Starts listening for changes that bring a turn sooner; the result stops it. */
  listen?: (changed: () => void) => () => void;
  /** One turn; ends soon after `stopping` is aborted. */
  run(stopping: AbortSignal): Promise<void>;
};

export type Loop = {
  /** Starts taking turns. A running loop goes on unchanged. */
  start(): void;
  /** Resolves when the running turn has ended. The loop can be started again. */
  stop(): Promise<void>;
};

/** The clock of a loop; a test drives it by hand. */
export type Clock = {
  /** Milliseconds, from any beginning. */
  now(): number;
  /** Calls back once after this time, unless the result is called before. */
  timer(milliseconds: number, callback: () => void): () => void;
};

const systemClock: Clock = {
  now: () => performance.now(),
  timer(milliseconds, callback) {
    const timer = setTimeout(callback, milliseconds);
    return () => clearTimeout(timer);
  },
};

type Options = {
  /**
   * One turn. `stopping` is aborted when the loop has to stop, so that a long turn can end early.
   */
  turn(stopping: AbortSignal): Promise<Next> | Promise<void>;
  /** The longest wait for a change. */
  atMostMs: number;
  /** Starts listening for changes; the result stops it. Without it there are no changes. */
  listen?: (changed: () => void) => () => void;
  /**
   * Handles the error of a turn, and says when the next turn comes. Not called while the loop
   * stops. Must not throw.
   */
  failed(cause: unknown): Next;
  clock?: Clock;
};

export function createLoop({ turn, atMostMs, listen, failed, clock = systemClock }: Options): Loop {
  let stopping = new AbortController();
  let running: Promise<void> | undefined;
  /** Ends the wait, if the loop waits now. */
  let endWait = () => {};

  async function attempt(signal: AbortSignal): Promise<Next> {
    try {
      return (await turn(signal)) ?? undefined;
    } catch (cause) {
      return signal.aborted ? undefined : failed(cause);
    }
  }

  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let changed = false;
      let hurry = () => {};
      const stopListening = listen?.(() => {
        changed = true;
        hurry();
      });
      const began = clock.now();
      const next = await attempt(signal);
      const rests = next !== undefined && "after" in next;
      const left = rests ? next.after : (next?.atMost ?? atMostMs) - (clock.now() - began);
      if (!signal.aborted && left > 0 && (rests || !changed))
        await new Promise<void>((resolve) => {
          const cancel = clock.timer(left, resolve);
          endWait = () => {
            cancel();
            resolve();
          };
          if (!rests) hurry = endWait;
        });
      endWait = () => {};
      stopListening?.();
    }
  }

  return {
    start() {
      if (running !== undefined) return;
      stopping = new AbortController();
      running = run(stopping.signal);
    },
    async stop() {
      stopping.abort();
      endWait();
      await running;
      running = undefined;
    },
  };
}
