import { expect } from "chai";
import { createGroups } from "../../server/http/groups.ts";
import { until } from "../server/support/proxy.ts";

describe("a group", () => {
  /** A worker whose groups end when the test ends them. */
  function worker(
    max: number,
    patienceMs: number,
    outcome: (item: string) => { of: string } | Error = (item) => ({ of: item }),
  ) {
    const begun: { items: readonly string[]; end(error?: Error): void }[] = [];
    const groups = createGroups<string, { of: string }>({
      max,
      weigh: (item) => item.length,
      maxWeight: 30,
      patienceMs,
      atOnce: 2,
      run: (items) =>
        new Promise((resolve, reject) => {
          begun.push({
            items,
            end: (error) => (error ? reject(error) : resolve(items.map(outcome))),
          });
        }),
    });
    return { groups, begun, sizes: () => begun.map((group) => group.items.length) };
  }
  /** Lets the work that is ready continue. */
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  it("of one begins at once; what comes meanwhile goes together, in the order it came, and never more than allowed", async () => {
    const { groups, begun } = worker(3, 60_000);
    const results = ["a", "b", "c", "d", "e"].map((item) => groups.add(item));
    expect(begun.map((group) => group.items)).to.deep.equal([["a"]]);
    begun[0]?.end();
    await turn();
    expect(begun.map((group) => group.items)).to.deep.equal([["a"], ["b", "c", "d"]]);
    begun[1]?.end();
    await turn();
    begun[2]?.end();
    expect((await Promise.all(results)).map((result) => result.of)).to.deep.equal([
      "a",
      "b",
      "c",
      "d",
      "e",
    ]);
  });

  it("does not wait for one that hangs beyond its patience, as long as others may be at work", async () => {
    const { groups, begun, sizes } = worker(10, 5);
    const hanging = groups.add("hangs");
    const second = groups.add("second");
    expect(sizes()).to.deep.equal([1]);
    await until("the second group begins", () => begun.length === 2);
    const third = groups.add("third");
    begun[1]?.end();
    expect((await second).of).to.equal("second");
    await until("the third group begins", () => begun.length === 3);
    // two are at work, of which both take long: no more than two
    const fourth = groups.add("fourth");
    begun[0]?.end();
    expect((await hanging).of).to.equal("hangs");
    await until("the fourth group begins", () => begun.length === 4);
    for (const group of begun.slice(2)) group.end();
    expect([(await third).of, (await fourth).of]).to.deep.equal(["third", "fourth"]);
  });

  it("does not grow too heavy; an item beyond the limit goes alone", async () => {
    const { groups, begun } = worker(10, 60_000);
    const heavy = "h".repeat(40);
    const results = ["first", "x".repeat(20), "y".repeat(10), "z", heavy, "last"].map((item) =>
      groups.add(item),
    );
    for (let i = 0; i < 4; i += 1) {
      begun[i]?.end();
      await turn();
    }
    begun[4]?.end();
    await Promise.all(results);
    expect(begun.map((group) => group.items)).to.deep.equal([
      ["first"],
      ["x".repeat(20), "y".repeat(10)],
      ["z"],
      [heavy],
      ["last"],
    ]);
  });

  it("gives a refusal to the one that it is for", async () => {
    const { groups, begun } = worker(10, 60_000, (item) =>
      item === "bad" ? new Error("refused") : { of: item },
    );
    const first = groups.add("first");
    const bad = groups.add("bad").catch((error: Error) => error.message);
    const good = groups.add("good");
    begun[0]?.end();
    await first;
    await turn();
    begun[1]?.end();
    expect([await bad, (await good).of]).to.deep.equal(["refused", "good"]);
  });

  it("that breaks is tried one by one: only what breaks alone is lost", async () => {
    const { groups, begun, sizes } = worker(10, 60_000);
    const first = groups.add("first");
    const rest = ["a", "poison", "c"].map((item) =>
      groups.add(item).then(
        (result) => result.of,
        (error: Error) => error.message,
      ),
    );
    begun[0]?.end();
    await first;
    await turn();
    begun[1]?.end(new Error("undone"));
    await turn();
    begun[2]?.end();
    await turn();
    begun[3]?.end(new Error("poisoned"));
    await turn();
    begun[4]?.end();
    expect(await Promise.all(rest)).to.deep.equal(["a", "poisoned", "c"]);
    expect(sizes()).to.deep.equal([1, 3, 1, 1, 1]);
  });
});
