/** The fault harness injects its faults by a plan, and the seed determines the plan. */
import { expect } from "chai";
import {
  delayOf,
  hashOf,
  type Injection,
  nodeFaults,
  planOf,
  receiverFaults,
  rpcFaults,
  strikes,
  type Window,
} from "../../scripts/lab/chaos/plan.ts";

const trackOf = (injection: Injection): string => {
  if (injection.what === "rpc") return `rpc ${injection.gateway}`;
  if (injection.what === "receiver") return `receiver ${injection.receiver}`;
  if (injection.what === "database" || injection.what === "node") return injection.what;
  return `process ${injection.gateway}`;
};

describe("the plan of a run under fire", () => {
  it("is the same for the same seed, seconds and gateways", () => {
    for (const seed of [0, 1, 2, 2 ** 31 - 1]) {
      expect(planOf(seed, 300, 3, 3)).to.deep.equal(planOf(seed, 300, 3, 3));
      expect(hashOf(planOf(seed, 300, 3, 3))).to.equal(hashOf(planOf(seed, 300, 3, 3)));
    }
  });

  it("differs for another seed", () => {
    const hashes = Array.from({ length: 50 }, (_, seed) => hashOf(planOf(seed, 60, 2, 3)));
    expect(new Set(hashes).size).to.equal(hashes.length);
  });

  it("has a kill and broken calls in the shortest run", () => {
    for (let seed = 0; seed < 100; seed += 1) {
      const whats = planOf(seed, 20, 2, 3).injections.map((injection) => injection.what);
      expect(whats, `seed ${seed}`).to.include("kill").and.include("rpc").and.include("database");
    }
  });

  it("has every kind of fault in a run of five minutes", () => {
    const { injections } = planOf(1, 300, 2, 3);
    const rpc = new Set(
      injections.map((injection) => (injection.what === "rpc" ? injection.window.kind : undefined)),
    );
    const receivers = new Set(
      injections.map((injection) => (injection.what === "receiver" ? injection.kind : undefined)),
    );
    const database = new Set(
      injections.map((injection) => (injection.what === "database" ? injection.how : undefined)),
    );
    const nodes = new Set(
      injections.map((injection) => (injection.what === "node" ? injection.kind : undefined)),
    );
    const whats = new Set(injections.map((injection) => injection.what));
    expect([...rpcFaults].filter((kind) => !rpc.has(kind))).to.deep.equal([]);
    expect([...receiverFaults].filter((kind) => !receivers.has(kind))).to.deep.equal([]);
    expect([...nodeFaults].filter((kind) => !nodes.has(kind))).to.deep.equal([]);
    expect(database).to.include("fast").and.include("immediate");
    expect(whats).to.include("stop").and.include("pause");
  });

  it("ends within the run, and in each place a fault ends before the next begins", () => {
    for (const seed of [1, 2, 3]) {
      const { injections } = planOf(seed, 300, 3, 3);
      for (const track of Map.groupBy(injections, trackOf).values()) {
        for (const [i, injection] of track.entries()) {
          expect(injection.at).to.be.at.least(track[i - 1]?.until ?? 0);
          expect(injection.until).to.be.within(injection.at, 300_000);
        }
      }
    }
  });

  it("takes out one gateway's node at a time, each in turn and for long, while the other gateways work", () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const { injections } = planOf(seed, 300, 2, 3);
      const out = injections.filter((injection) => injection.what === "node");
      expect(new Set(out.map(({ gateway }) => gateway))).to.deep.equal(new Set([0, 1]));
      const first = injections.find((injection) => injection.what === "kill");
      for (const [i, node] of out.entries()) {
        expect(node.until - node.at).to.be.at.least(300_000 / 8);
        expect(node.at).to.be.at.least(out[i - 1]?.until ?? 0);
        const struck = injections.filter(
          (injection) =>
            ["kill", "stop", "pause"].includes(injection.what) &&
            "gateway" in injection &&
            injection.gateway !== node.gateway &&
            injection.at < node.until &&
            injection.until > node.at,
        );
        expect(struck.filter((injection) => injection !== first)).to.deep.equal([]);
      }
    }
  });

  it("chooses single calls by the window's counter, not by the clock", () => {
    const window: Window = { kind: "delay", perMille: 300, amount: 1_000, seed: 42 };
    const decisions = () =>
      Array.from({ length: 10_000 }, (_, nth) =>
        strikes(window, nth) ? delayOf(window, nth) : undefined,
      );
    expect(decisions()).to.deep.equal(decisions());
    const struck = decisions().filter((delay) => delay !== undefined);
    expect(struck.length).to.be.within(2_700, 3_300);
    expect(Math.max(...struck)).to.be.within(900, 999);
    expect(
      Array.from({ length: 1_000 }, (_, nth) => strikes({ ...window, seed: 43 }, nth)),
    ).to.not.deep.equal(Array.from({ length: 1_000 }, (_, nth) => strikes(window, nth)));
  });
});
