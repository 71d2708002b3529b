/**
 * Worker processes for untrusted work: bounded queue, time and memory; after any outcome of a job,
 * the next job is served.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { expect } from "chai";
import { createWorkers, type WorkerBounds, type Workers } from "../../server/kernel/workers.ts";
import { until } from "./support/proxy.ts";
import type { work } from "./support/work.ts";

describe("worker processes", () => {
  const open: Workers<typeof work>[] = [];
  const workersOf = (bounds: Partial<WorkerBounds> = {}): Workers<typeof work> => {
    const file = new URL("./support/work.ts", import.meta.url);
    const made = createWorkers<typeof work>(file, {
      processes: 1,
      queue: 2,
      milliseconds: 60_000,
      megabytes: 64,
      ...bounds,
    });
    open.push(made);
    return made;
  };
  const folders: string[] = [];
  after(async () => {
    await Promise.all(open.map((pool) => pool.close()));
    for (const folder of folders) rmSync(folder, { recursive: true });
  });

  const refusal = async (running: Promise<unknown>): Promise<Problem> => {
    const cause = await running.then(
      (value) => new Error(`it gave ${String(value)}`),
      (error: unknown) => error,
    );
    if (!(cause instanceof Problem)) throw cause;
    return cause;
  };
  /** A job that waits until it is released; resolves when a worker runs it. */
  async function held(
    workers: Workers<typeof work>,
  ): Promise<{ done: Promise<string>; letGo(): void }> {
    const folder = mkdtempSync(join(tmpdir(), "onepiao-work-"));
    folders.push(folder);
    const done = workers.run("hold", folder);
    await until("the job is being done", async () => existsSync(join(folder, "begun")));
    return { done, letGo: () => writeFileSync(join(folder, "go"), "") };
  }

  it("return results and refusals unchanged, and faults as faults", async () => {
    const workers = workersOf();
    expect(await workers.run("echo", { bytes: new Uint8Array([1, 2]) })).deep.equals({
      bytes: new Uint8Array([1, 2]),
    });
    const { code, violations } = await refusal(workers.run("refuse", "/a"));
    expect([code, violations]).deep.equals([
      "invalid-document",
      [{ field: "/a", rule: "rule", detail: "it is so" }],
    ]);
    const fault = await workers.run("fail").catch((error: unknown) => error);
    expect(fault).instanceOf(Error).and.not.instanceOf(Problem);
    expect((fault as Error).message).includes("a fault of ours");
    expect(await workers.run("echo", 7)).equals(7);
  });

  it("refuse a job beyond the running and queued ones, and run the queued ones in order", async () => {
    const workers = workersOf();
    const { done, letGo } = await held(workers);
    const order: number[] = [];
    const waiting = [1, 2].map(async (value) =>
      order.push((await workers.run("echo", value)) as number),
    );
    const { code, extra } = await refusal(workers.run("echo", 3));
    expect([code, extra]).deep.equals(["unavailable", { retryAfterSeconds: 1 }]);
    letGo();
    expect(await done).equals("held");
    await Promise.all(waiting);
    expect(order).deep.equals([1, 2]);
    expect(await workers.run("echo", 4)).equals(4);
  });

  it("end a job that takes too long, and serve the waiting jobs", async () => {
    const workers = workersOf({ milliseconds: 5_000 });
    const [spun, next] = [workers.run("spin"), workers.run("echo", "next")];
    expect((await refusal(spun)).violations[0]?.rule).equals("too-costly");
    expect(await next).equals("next");
  });

  it("end a job that takes too much memory, and serve the waiting jobs", async () => {
    const workers = workersOf();
    const [eaten, next] = [workers.run("eat"), workers.run("echo", "next")];
    expect((await refusal(eaten)).violations[0]?.rule).equals("too-costly");
    expect(await next).equals("next");
  });

  it("end a job that takes too much memory in one step; the gateway's own process continues", async () => {
    const workers = workersOf();
    const [eaten, next] = [workers.run("gulp"), workers.run("echo", "next")];
    expect((await refusal(eaten)).violations[0]?.rule).equals("too-costly");
    expect(await next).equals("next");
  });

  it("get no variable of the gateway's environment", async () => {
    expect(await workersOf().run("settings")).deep.equals(
      ["PATH", "SystemRoot", "TZ"].filter((name) => process.env[name]),
    );
  });

  it("accept no job once closed, and refuse the waiting jobs", async () => {
    const workers = workersOf();
    const { done } = await held(workers);
    const waits = workers.run("echo", 1);
    const ended = refusal(done);
    const refused = refusal(waits);
    await workers.close();
    expect((await refused).code).equals("unavailable");
    expect((await ended).code).equals("malformed-document");
    expect((await refusal(workers.run("echo", 2))).code).equals("unavailable");
  });
});
