/**
 * The sandbox's sample traffic: it does everything that it is there for, nobody refuses it, and it
 * stops in the middle.
 */
import { expect } from "chai";
import { startTraffic, type Traffic } from "../../sandbox/traffic.ts";
import { call, must, sandbox } from "./network.ts";
import { until } from "./observe.ts";

describe("sample traffic", function () {
  this.timeout(300_000);
  let traffic: Traffic | undefined;
  after(() => traffic?.stop());

  it("issues, claims, decides, hands on, reverses and tries twice, and meets no refusal that it does not expect", async () => {
    const { url, bureau } = await sandbox();
    traffic = startTraffic({ url, bureau: bureau.token, everyMs: 10 });
    const { counts, faults } = traffic;
    await until(
      "it has done everything",
      async () => faults.length > 0 || Object.values(counts).every((count) => count > 0),
      240_000,
    );
    expect(faults).deep.equals([]);
    // what it has done is what the bureau is told, whatever else is in this network
    const { acts } = await must(call("GET", "/v1/stats/flow"));
    expect(acts.issued).least(counts.issued);
    expect(acts.refused).least(counts.doubles);
  });

  it("stops in the middle of its work, and is no fault of it", async () => {
    await traffic?.stop();
    expect(traffic?.faults).deep.equals([]);
  });
});
