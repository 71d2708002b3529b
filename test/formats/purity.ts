/**
 * Same input, same output: reading, writing, drawing and hashing do not depend on the inputs that
 * the process has handled before.
 *
 * Every sample goes through all of it in two threads, each with modules of its own, one in the
 * opposite order: state that outlives a call shows as a difference, also state that keeps the first
 * input. Among the samples stand texts that share glyphs, and bad ones, after which a reader goes
 * on.
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { expect } from "chai";

async function outcomes(order: "forwards" | "backwards"): Promise<Map<string, string>> {
  const [list] = await once(
    new Worker(new URL("./purity-worker.ts", import.meta.url), { workerData: order }),
    "message",
  );
  return new Map(list as [string, string][]);
}

describe("the output of formats, proofs and hashes", function () {
  // it draws every sample twice
  this.timeout(300_000);

  it("is the same whatever came before", async () => {
    const [there, back] = [await outcomes("forwards"), await outcomes("backwards")];
    expect(there.size).to.be.greaterThan(50);
    expect([...back.keys()]).to.deep.equal([...there.keys()].reverse());
    for (const [name, outcome] of there) expect(back.get(name), name).to.equal(outcome);
  });
});
