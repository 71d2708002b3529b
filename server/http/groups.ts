/**
 * Group commit: what comes while another group is at work waits for it and then goes together.
 *
 * Nobody waits for company: a lone item goes at once, and groups grow by themselves as the load does. An item's fate is its own:
 * when the group as a whole throws, each of it is tried alone.
 */
export type Groups<T, R> = {
  /** Does the item's work in some group; its result, or what it threw. */
  add(item: T): Promise<R>;
};

type Waiting<T, R> = { item: T; done(result: R): void; failed(error: unknown): void };

/** @param run One result for each item, in order; an Error among them is thrown to its item. */
export function createGroups<T, R extends object>({
  max,
  atOnce,
  run,
}: {
  /** Items of one group. */
  max: number;
  /** Groups at work at a time: while one waits for the database, the next is made. */
  atOnce: number;
  run(items: readonly T[]): Promise<readonly (R | Error)[]>;
}): Groups<T, R> {
  const waiting: Waiting<T, R>[] = [];
  let working = 0;

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

  function next(): void {
    if (working === atOnce || waiting.length === 0) return;
    working += 1;
    void work(waiting.splice(0, max)).finally(() => {
      working -= 1;
      next();
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
