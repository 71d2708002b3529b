/**
 * Group commit: items that arrive while a group is at work wait for it and then go together.
 *
 * No item waits for company: a lone item goes at once, and groups grow as the load does. One group
 * is at work at a time, because two would mostly wait for each other's locks. But a group that
 * takes longer than its patience may be stuck on something else, and the next one does not wait for
 * it. Items do not share their fate: when a group throws as a whole, each of its items is tried
 * alone.
 */
export type Groups<T, R> = {
  /** Does the item's work in some group; returns its result, or throws its error. */
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
  /** Items in one group. */
  max: number;
  /**
   * Weight of an item. The items of a group weigh at most `maxWeight` together, unless it has a
   * single item.
   */
  weigh(item: T): number;
  maxWeight: number;
  /** A group that has been at work for this long is not waited for. */
  patienceMs: number;
  /** Groups at work at a time, slow ones included. */
  atOnce: number;
  run(items: readonly T[]): Promise<readonly (R | Error)[]>;
}): Groups<T, R> {
  const waiting: Waiting<T, R>[] = [];
  let working = 0;
  /** A group is at work and still has patience. */
  let prompt = false;

  const settle = (group: readonly Waiting<T, R>[], results: readonly (R | Error)[]) => {
    group.forEach((member, i) => {
      const result = results[i] as R | Error;
      if (result instanceof Error) member.failed(result);
      else member.done(result);
    });
  };

  async function work(group: readonly Waiting<T, R>[]): Promise<void> {
    try {
      settle(group, await run(group.map((member) => member.item)));
    } catch (error) {
      if (group.length === 1) return group[0]?.failed(error);
      for (const member of group) await work([member]);
    }
  }

  /** As many items as may go together, in the order of their arrival. */
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
