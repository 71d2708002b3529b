/**
 * Group commit: what comes while another group is at work waits for it and then goes together.
 *
 * Nobody waits for company: a lone item goes at once, and groups grow by themselves as the load
 * does. One group is at work at a time, because two would mostly wait for what the other holds; but
 * one that takes longer than its patience may hang on something of its own, and the next one does
 * not wait for it. An item's fate is its own: when the group as a whole throws, each of it is tried
 * alone.
 */
export type Groups<T, R> = {
  /** Does the item's work in some group; its result, or what it threw. */
  add(item: T): Promise<R>;
};

type Waiting<T, R> = { item: T; done(result: R): void; failed(error: unknown): void };

/** @param run One result for each item, in order; an Error among them is thrown to its item. */
export function createGroups<T, R extends object>({
  max,
  weigh,
  maxWeight,
  patienceMs,
  atOnce,
  run,
}: {
  /** Items of one group. */
  max: number;
  /**
   * Weight of an item; those of a group together weigh at most `maxWeight`, unless it is a single
   * one.
   */
  weigh(item: T): number;
  maxWeight: number;
  /** A group that has been at work for so long is not waited for. */
  patienceMs: number;
  /** Groups at work at a time, those that take long included. */
  atOnce: number;
  run(items: readonly T[]): Promise<readonly (R | Error)[]>;
}): Groups<T, R> {
  const waiting: Waiting<T, R>[] = [];
  let working = 0;
  /** A group is at work whose patience is not over. */
  let prompt = false;

  const settle = (group: readonly Waiting<T, R>[], results: readonly (R | Error)[]) => {
    group.forEach((one, i) => {
      const result = results[i] as R | Error;
      if (result instanceof Error) one.failed(result);
      else one.done(result);
    });
  };

  async function work(group: readonly Waiting<T, R>[]): Promise<void> {
    try {
      settle(group, await run(group.map((one) => one.item)));
    } catch (error) {
      if (group.length === 1) return group[0]?.failed(error);
      for (const one of group) await work([one]);
    }
  }

  /** As many as go together, in the order in which they came. */
  function take(): Waiting<T, R>[] {
    let [count, weight] = [0, 0];
    for (const { item } of waiting) {
      weight += weigh(item);
      if (count === max || (count > 0 && weight > maxWeight)) break;
      count += 1;
    }
    return waiting.splice(0, count);
  }

  function next(): void {
    if (prompt || working === atOnce || waiting.length === 0) return;
    working += 1;
    prompt = true;
    let waitedFor = true;
    const goOn = () => {
      if (waitedFor) prompt = false;
      waitedFor = false;
      next();
    };
    const timer = setTimeout(goOn, patienceMs);
    void work(take()).finally(() => {
      clearTimeout(timer);
      working -= 1;
      goOn();
    });
  }

  return {
    add: (item) =>
      new Promise<R>((done, failed) => {
        waiting.push({ item, done, failed });
        next();
      }),
  };
}
