/**
 * A gateway that has nothing to do: it costs little, and it does its work although it hears of no
 * change. Changes only bring work sooner.
 */
import { expect } from "chai";
import { type Gateway, startGateway } from "../../server/gateway.ts";
import { readConfig } from "../../server/kernel/config.ts";
import { type Bench, enrolled, openBench, type Process, sealed } from "./support/bench.ts";
import { until } from "./support/proxy.ts";

describe("a gateway with nothing to do", () => {
  let bench: Bench;
  before(async () => {
    bench = await openBench();
  });
  after(() => bench.close());

  describe("its statements", () => {
    let gateway: Gateway;
    before(async () => {
      const { rpcUrl, databaseUrl, masterKey, deployment } = bench;
      gateway = await startGateway(
        readConfig({
          RPC_URL: rpcUrl,
          DATABASE_URL: databaseUrl,
          MASTER_KEY: masterKey,
          DEPLOYMENT: "bench",
          PORT: "0",
          LOG_LEVEL: "silent",
          // asking the node for its head costs the database nothing
          POLL_MS: "20",
        }),
        deployment,
      );
    });
    after(() => gateway.stop());

    it("are few, however often blocks come", async () => {
      const cursor = async () =>
        Number((await bench.sql<{ block: bigint }[]>`select block from cursor`)[0]?.block ?? 0);
      const transactions = async () =>
        (
          await bench.sql<{ count: number; at: number }[]>`
            select xact_commit::float8 as count, extract(epoch from clock_timestamp())::float8 as at
            from pg_stat_database where datname = current_database()`
        )[0] as { count: number; at: number };
      await gateway.follower.caughtUp();
      const [before, from] = [await transactions(), await cursor()];
      let looks = 3;
      await until("empty blocks have come", async () => {
        looks += 1;
        return (await cursor()) > from + 15;
      });
      const after = await transactions();
      // a slow machine makes fewer, never more
      const perSecond = (after.count - before.count - looks) / (after.at - before.at);

      expect(perSecond).to.be.within(1, 40);
    });
  });

  describe("whose connection for changes is dead", () => {
    let gateway: Process;
    before(async () => {
      gateway = await bench.process();
      await gateway.changes.close();
      gateway.start();
    });
    after(() => gateway.end());

    it("enrols an issuer and seals its invoice", async () => {
      const seller = await enrolled(bench, gateway, ["issuer"]);
      const [number] = await sealed(bench, gateway, seller, {});
      const [row] = await bench.sql<{ state: string }[]>`
        select state from invoice_states where number = ${number as string}`;
      expect(row?.state).to.equal("issued");
    });
  });
});
