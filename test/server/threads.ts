/** Threads for strangers' work: bounded queue, time and memory; whatever becomes of a job, the next one is served. */
import { expect } from "chai";
import { Problem } from "../../server/kernel/problems.ts";
import { createThreads, type ThreadBounds, type Threads } from "../../server/kernel/threads.ts";
import type { work } from "./support/work.ts";

describe("threads", () => {
  const open: Threads<typeof work>[] = [];
  const threadsOf = (bounds: Partial<ThreadBounds> = {}): Threads<typeof work> => {
    const file = new URL("./support/work.ts", import.meta.url);
    const made = createThreads<typeof work>(file, { threads: 1, queue: 2, milliseconds: 60_000, megabytes: 64, ...bounds });
    open.push(made);
    return made;
  };
  after(() => Promise.all(open.map((one) => one.close())));

  const refusal = async (running: Promise<unknown>): Promise<Problem> => {
    const cause = await running.then(
      (value) => new Error(`it gave ${String(value)}`),
      (error: unknown) => error,
    );
    if (!(cause instanceof Problem)) throw cause;
    return cause;
  };
  /** A job that waits until it is let go; resolves when it is being done. */
  async function held(threads: Threads<typeof work>): Promise<{ done: Promise<string>; letGo(): void }> {
    const words = new Int32Array(new SharedArrayBuffer(8));
    const done = threads.run("hold", words.buffer as SharedArrayBuffer);
    const there = Atomics.waitAsync(words, 0, 0);
    if (there.async) await there.value;
    return {
      done,
      letGo() {
        Atomics.store(words, 1, 1);
        Atomics.notify(words, 1);
      },
    };
  }

  it("give results and refusals as they are, and faults as faults", async () => {
    const threads = threadsOf();
    expect(await threads.run("echo", { bytes: new Uint8Array([1, 2]) })).deep.equals({ bytes: new Uint8Array([1, 2]) });
    const { code, violations } = await refusal(threads.run("refuse", "/a"));
    expect([code, violations]).deep.equals(["invalid-document", [{ field: "/a", rule: "rule", detail: "it is so" }]]);
    const fault = await threads.run("fail").catch((error: unknown) => error);
    expect(fault).instanceOf(Error).and.not.instanceOf(Problem);
    expect((fault as Error).message).includes("a fault of ours");
    expect(await threads.run("echo", 7)).equals(7);
  });

  it("refuse what neither is done nor waits, and do what waits in its order", async () => {
    const threads = threadsOf();
    const { done, letGo } = await held(threads);
    const order: number[] = [];
    const waiting = [1, 2].map(async (value) => order.push((await threads.run("echo", value)) as number));
    const { code, extra } = await refusal(threads.run("echo", 3));
    expect([code, extra]).deep.equals(["unavailable", { retryAfterSeconds: 1 }]);
    letGo();
    expect(await done).equals("held");
    await Promise.all(waiting);
    expect(order).deep.equals([1, 2]);
    expect(await threads.run("echo", 4)).equals(4);
  });

  it("end a job that takes too long, and serve those that wait", async () => {
    const threads = threadsOf({ milliseconds: 5_000 });
    const [spun, next] = [threads.run("spin"), threads.run("echo", "next")];
    expect((await refusal(spun)).violations[0]?.rule).equals("too-costly");
    expect(await next).equals("next");
  });

  it("end a job that takes too much memory, and serve those that wait", async () => {
    const threads = threadsOf();
    const [eaten, next] = [threads.run("eat"), threads.run("echo", "next")];
    expect((await refusal(eaten)).violations[0]?.rule).equals("too-costly");
    expect(await next).equals("next");
  });

  it("closed take no more, and refuse what waits", async () => {
    const threads = threadsOf();
    const { done } = await held(threads);
    const waits = threads.run("echo", 1);
    const ended = refusal(done);
    const refused = refusal(waits);
    await threads.close();
    expect((await refused).code).equals("unavailable");
    expect((await ended).code).equals("malformed-document");
    expect((await refusal(threads.run("echo", 2))).code).equals("unavailable");
  });
});
