/**
 * The sandbox's sample traffic: it performs all its kinds of acts, is not refused, and stops in the
 * middle.
 */
import { expect } from "chai";
import { startTraffic, type Traffic } from "../../sandbox/traffic.ts";
import { call, must, sandbox } from "./network.ts";
import { until } from "./observe.ts";

describe("sample traffic", function () {
  this.timeout(300_000);
  let traffic: Traffic | undefined;
  after(() => traffic?.stop());

  it("issues, claims, decides, transfers, reverses and claims twice, and gets no unexpected refusal", async () => {
    const { url, bureau } = await sandbox();
    traffic = startTraffic({ url, bureau: bureau.token, everyMs: 10 });
    const { counts, faults } = traffic;
    await until(
      "it has done everything",
      async () => faults.length > 0 || Object.values(counts).every((count) => count > 0),
      240_000,
    );
    expect(faults).deep.equals([]);
    // the bureau's numbers include its acts; other tests add to this network too
    const { acts } = await must(call("GET", "/v1/stats/flow"));
    expect(acts.issued).least(counts.issued);
    expect(acts.refused).least(counts.doubles);
  });

  it("stops in the middle of its work, and does not report that as a fault", async () => {
    await traffic?.stop();
    expect(traffic?.faults).deep.equals([]);
  });
});
