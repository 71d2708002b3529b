/**
 * The benchmark's own honesty: its figures of latency and memory, against a server and samples with
 * known values.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { type Child, startChild } from "../../scripts/lab/bench/child.ts";
import type { LoadCommands } from "../../scripts/lab/bench/load.ts";
import { growthOf, summarise } from "../../scripts/lab/bench/report.ts";
import type { Run, Sample } from "../../scripts/lab/bench/run.ts";

const tills = [{ token: "t", head: '{"sourceId":"', tail: '"}' }];

describe("the benchmark's load", () => {
  let load: Child<LoadCommands>;
  let server: Server;
  let url = "";
  const sources = new Set<string>();
  /** Milliseconds from the first request on in which the server answers nothing. */
  let stallMs = 0;
  let stalledUntil = 0;
  let refuse = false;

  before(async () => {
    load = startChild<LoadCommands>(new URL("../../scripts/lab/bench/load.ts", import.meta.url));
    server = createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += String(chunk);
      sources.add(String(JSON.parse(body).sourceId));
      const answered = () =>
        response.writeHead(refuse ? 409 : 202).end(refuse ? '{"code":"duplicate-source"}' : "{}");
      stalledUntil ||= Date.now() + stallMs;
      setTimeout(answered, Math.max(0, stalledUntil - Date.now()));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(async () => {
    await load.end();
    server.closeAllConnections();
    server.close();
  });
  beforeEach(() => {
    sources.clear();
    [stallMs, stalledUntil, refuse] = [0, 0, false];
  });

  it("counts latency from a request's due time: a stall delays all requests that it blocks", async () => {
    stallMs = 1_000;
    const { done, latency } = await load.ask("open", {
      url,
      connections: 2,
      work: { tills },
      perSecond: 100,
      milliseconds: 1_900,
    });
    expect(done).to.equal(190);
    // only two were ever under way, but 100 were due in that second: more than half of all were
    // late
    expect(latency.max).to.be.above(900);
    expect(latency.p99).to.be.above(900);
    expect(latency.p50).to.be.above(30);
  });

  it("keeps a rate over closed connections and gives every invoice an original of its own", async () => {
    const { done, refused, ended, begun } = await load.ask("closed", {
      url,
      connections: 5,
      work: { tills },
      count: 200,
    });
    expect(done).to.equal(200);
    expect(refused).to.deep.equal({});
    expect(ended).to.be.at.least(begun);
    expect(sources.size).to.equal(200);
  });

  it("counts a refusal by its code, and not as done", async () => {
    refuse = true;
    const { done, refused } = await load.ask("closed", {
      url,
      connections: 2,
      work: { tills },
      count: 10,
    });
    expect(done).to.equal(0);
    expect(refused).to.deep.equal({ "409 duplicate-source": 10 });
  });

  it("aborts when the gateway does not answer any more", async () => {
    const answer = load.ask("closed", {
      url: "http://127.0.0.1:1",
      connections: 2,
      work: { tills },
      count: 10,
    });
    const failure = await answer.then(
      () => undefined,
      (error: Error) => error,
    );
    expect(failure?.message).to.contain("ECONNREFUSED");
  });
});

describe("the benchmark's verdicts", () => {
  const MB = 1_000_000;
  const samples = (bytesAt: (invoices: number) => number): Sample[] =>
    Array.from({ length: 101 }, (_, i) => ({
      invoices: i * 1_000,
      rss: bytesAt(i * 1_000),
      heap: bytesAt(i * 1_000) / 2,
    }));
  const run: Run = {
    done: 100_000,
    refused: {},
    begun: 0,
    ended: 100_000,
    latency: { p50: 1, p99: 2, max: 3 },
    perSecond: 1_000,
    usage: { seconds: 100, cpu: {}, memory: {}, others: 0 },
  };
  const check = { accepted: 100_000, sealed: 100_000, reimbursed: 0, reimbursedTwice: 0 };
  const memoryOf = (bytesAt: (invoices: number) => number) =>
    summarise({
      rounds: [],
      memory: {
        run: { ...run, sealedPerSecond: 1_000, auditedPerSecond: 900 },
        samples: samples(bytesAt),
      },
      check,
    }).memory;

  it("calls memory flat if it grows during the warm-up and then stays constant", () => {
    expect(memoryOf((invoices) => 200 * MB + 2_000 * Math.min(invoices, 40_000))?.flat).to.equal(
      true,
    );
  });

  it("calls a kilobyte of growth for each invoice a leak", () => {
    expect(memoryOf((invoices) => 200 * MB + 1_500 * invoices)?.flat).to.equal(false);
    expect(
      growthOf(
        samples((invoices) => 200 * MB + 1_000 * invoices),
        (sample) => sample.rss,
      ).slope,
    ).to.be.closeTo(1_000, 1);
  });

  it("compares within a turn, not the best of each", () => {
    const at = (perSecond: number) => ({ ...run, perSecond });
    const round = (sealed: number, mints: number, accepted: number) => ({
      whole: { ...at(sealed), sealedPerSecond: sealed, auditedPerSecond: sealed },
      mints: { ...at(mints), gas: 0 },
      accepting: at(accepted),
    });
    const { ratios, faults } = summarise({
      rounds: [round(1_000, 100, 2_000), round(100, 20, 125), round(600, 100, 1_000)],
      check,
    });
    expect(ratios?.overMints).to.deep.include({ min: 5, median: 6, max: 10, met: true });
    expect(ratios?.overAcceptOnly).to.deep.include({ min: 0.5, median: 0.6, max: 0.8, met: true });
    expect(faults).to.deep.equal([]);
  });

  it("names refused, lost and doubled invoices", () => {
    const memory = {
      run: { ...run, refused: { "503 unavailable": 3 }, sealedPerSecond: 1, auditedPerSecond: 1 },
      samples: [],
    };
    const { faults } = summarise({
      rounds: [],
      memory,
      check: { ...check, sealed: 99_999, reimbursedTwice: 1 },
    });
    expect(faults).to.have.length(3);
  });
});
