/**
 * A gateway as its operator sees it, in a separate process: /readyz if a part is missing, /metrics,
 * and the fate of work under way at a stop.
 */
import { randomUUID } from "node:crypto";
import { Agent, get } from "node:http";
import { expect } from "chai";
import { metricTable } from "../../server/kernel/metrics.ts";
import { callAt, invoiceOf, type Loose, must } from "./network.ts";
import { type Bench, enrolled, openBench, type Party } from "./support/bench.ts";
import { until } from "./support/proxy.ts";
import { keyFor, type Serving, serving } from "./support/serving.ts";

const token = "a-token-of-the-operator-0123456789";
const ready = async (url: string): Promise<{ status: number; body: Loose }> => {
  const answer = await fetch(`${url}/readyz`);
  return { status: answer.status, body: await answer.json() };
};
const scrape = (url: string, bearer = token) =>
  fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${bearer}` } });

describe("a gateway as its operator sees it", function () {
  this.timeout(120_000);
  let bench: Bench;
  let gateway: Serving;
  let seller: Party;
  let firm: Party;
  let shop: string;
  const issue = (
    url: string,
    more: Record<string, unknown> = {},
    key: string = randomUUID(),
    wait = 0,
  ) =>
    callAt(url, "POST", "/v1/invoices", invoiceOf(seller, firm, { sourceId: key, ...more }), {
      token: shop,
      key,
      wait,
    });

  before(async () => {
    bench = await openBench();
    const maker = await bench.process();
    maker.start();
    [seller, firm] = await Promise.all([
      enrolled(bench, maker, ["issuer"]),
      enrolled(bench, maker, ["employer"]),
    ]);
    await maker.end();
    shop = await keyFor(bench, seller.account, ["issuer"]);
    // its node is behind the proxy, so that a test can cut it off
    gateway = await serving(bench, {
      METRICS_TOKEN: token,
      RPC_URL: bench.proxy.url,
      MAX_HEAD_AGE: "3",
    });
  });
  after(async () => {
    gateway?.child.kill("SIGKILL");
    await bench?.close();
  });

  // restores the node for the next test, however the last test ended
  afterEach(() => {
    bench.proxy.rule = undefined;
    bench.proxy.release();
  });

  describe("/readyz", () => {
    it("reports the state of every part, and no data of any party", async () => {
      const { status, body } = await until("it is ready", async () => {
        const answer = await ready(gateway.url);
        return answer.status === 200 && answer;
      });
      expect(status).to.equal(200);
      expect(Object.keys(body.checks)).to.deep.equal(["database", "node", "chain", "lanes"]);
      expect(body.checks.node.detail).to.match(/^head \d+, \d+ s old, seen to move \d+ s ago$/);
      expect(JSON.stringify(body)).to.not.match(/0x|postgres|127\.0\.0\.1/);
    });

    it("says no while the node is unreachable, and then yes again; /livez says yes all the time", async () => {
      bench.proxy.rule = () => "cut";
      const { body } = await until("it is not ready", async () => {
        const answer = await ready(gateway.url);
        return answer.status === 503 && answer.body.checks.node?.detail === "no answer" && answer;
      });
      expect(body.ok).to.equal(false);
      expect(body.checks.database.ok).to.equal(true);
      expect((await fetch(`${gateway.url}/livez`)).status).to.equal(200);
      bench.proxy.rule = undefined;
      await until("it is ready", async () => (await ready(gateway.url)).status === 200);
    });

    it("answers in time when the node hangs", async () => {
      // no hanging call is released before the answer arrives
      bench.proxy.rule = () => "hang";
      await until("it is not ready", async () => (await ready(gateway.url)).status === 503);
      bench.proxy.rule = undefined;
      bench.proxy.release();
      await until("it is ready", async () => (await ready(gateway.url)).status === 200, 30_000);
    });

    it("says no when the chain stands still, with the reason", async () => {
      const head = await bench.node.head();
      bench.proxy.rule = ({ method }) =>
        method === "eth_blockNumber" ? { answer: `0x${head.toString(16)}` } : undefined;
      // for a moment another part may say no first
      const { body } = await until("it is not ready for its node", async () => {
        const answer = await ready(gateway.url);
        return answer.status === 503 && answer.body.checks.node?.ok === false && answer;
      });
      expect(body.checks.node.detail).to.match(/it stands still|the node is behind/);
      bench.proxy.rule = undefined;
      await until("it is ready", async () => (await ready(gateway.url)).status === 200);
    });
  });

  describe("/metrics", () => {
    it("requires the operator's token", async () => {
      for (const wrong of ["", "wrong-token-of-somebody-else", `${token}x`, shop]) {
        const answer = await scrape(gateway.url, wrong);
        expect(answer.status).to.equal(401);
        expect(await answer.text()).to.not.include("onepiao_");
      }
      expect((await fetch(`${gateway.url}/metrics`)).status).to.equal(401);
      expect((await scrape(gateway.url)).status).to.equal(200);
    });

    it("shows accepted and sealed counts, durations, and waiting work; no label names a party", async () => {
      const { number } = await must(issue(gateway.url, {}, randomUUID(), 20));
      await until(
        "it is issued",
        async () =>
          (
            await must(
              callAt(gateway.url, "GET", `/v1/invoices/${number}`, undefined, { token: shop }),
            )
          ).status === "issued",
      );
      const refusal = await callAt(
        gateway.url,
        "GET",
        "/v1/invoices/26440000000000000000",
        undefined,
        { token: shop },
      );
      expect(refusal.status).to.equal(404);
      await callAt(gateway.url, "GET", "/v1/nothing-here", undefined, { token: shop });
      const text = await until("the follower has counted it", async () => {
        const now = await (await scrape(gateway.url)).text();
        return (
          /^onepiao_invoices_sealed_total [1-9]/m.test(now) &&
          /^onepiao_invoices_accepted_total [1-9]/m.test(now) &&
          now
        );
      });
      const value = (line: RegExp) =>
        Number(new RegExp(`^${line.source} (\\S+)$`, "m").exec(text)?.[1]);
      expect(value(/onepiao_invoices_accepted_total/)).to.equal(1);
      expect(value(/onepiao_seal_seconds_count/)).to.equal(1);
      expect(value(/onepiao_lane_depth\{lane="relay",status="queued"\}/)).to.be.at.least(0);
      expect(value(/onepiao_cursor_block/)).to.be.greaterThan(0);
      expect(value(/onepiao_chain_up/)).to.equal(1);
      expect(value(/onepiao_reconcile_differences\{kind="document"\}/)).to.equal(0);
      expect(text).to.match(
        /onepiao_http_request_seconds_count\{route="\/v1\/invoices",method="POST",status="2xx"\} 1/,
      );
      expect(text).to.match(
        /onepiao_http_request_seconds_count\{route="\/v1\/invoices\/\{number\}",method="GET",status="4xx"\} 1/,
      );
      expect(text).to.match(
        /onepiao_http_request_seconds_count\{route="none",method="GET",status="4xx"\} 1/,
      );
      for (const secret of [
        seller.taxId,
        seller.account,
        firm.account,
        String(number),
        token,
        "nothing-here",
      ])
        expect(text).to.not.include(secret);
      const names = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]));
      for (const name of Object.keys(metricTable)) expect(names, name).to.include(name);
    });

    it("logs neither the token nor the request", () => {
      expect(gateway.said())
        .to.include('"route":"/v1/invoices"')
        .and.not.include(token)
        .and.not.include("/metrics");
    });

    it("does not exist if no token is set", async () => {
      const plain = await serving(bench);
      expect((await scrape(plain.url)).status).to.equal(404);
      plain.child.kill("SIGTERM");
      expect(await plain.ended).to.equal(0);
    });
  });

  describe("asked to stop", () => {
    it("under load it loses no invoice that it has confirmed, exits with 0, and another process continues", async () => {
      const busy = await serving(bench);
      const accepted: string[] = [];
      const refusedConnections = { n: 0 };
      let running = true;
      const client = async () => {
        while (running) {
          const key = randomUUID();
          try {
            const { status, body } = await issue(busy.url, {}, key, Math.random() < 0.3 ? 20 : 0);
            if (status === 201 || status === 202) accepted.push(body.number);
          } catch {
            refusedConnections.n += 1;
            return;
          }
        }
      };
      const clients = Promise.all(Array.from({ length: 8 }, client));
      await until("it is under load", () => accepted.length > 30);
      busy.child.kill("SIGTERM");
      expect(await busy.ended).to.equal(0);
      running = false;
      await clients;
      expect(refusedConnections.n).to.be.greaterThan(0);
      expect(new Set(accepted).size).to.equal(accepted.length);
      // the gateway of the other tests seals the rest
      await until(
        "all of it is sealed",
        async () =>
          (await bench.sql`select 1 from invoice_states where number = any(${accepted}::numeric[])`)
            .length === accepted.length,
        30_000,
      );
      const [numbers] = await bench.sql<{ rows: bigint; used: string }[]>`
        select count(*) as rows, (select sum(accepted) from segment_use_now)::text as used from invoices`;
      expect(Number(numbers?.used), "no number without an invoice").to.equal(Number(numbers?.rows));
    });

    it("its waits end with the current state, and /readyz says no for the configured time before connections are refused", async () => {
      const leaving = await serving(bench, {
        STOP_DELAY_SECONDS: "2",
        WAIT_MAX_SECONDS: "120",
        RPC_URL: bench.proxy.url,
      });
      // an agent that keeps its connection open
      const agent = new Agent({ keepAlive: true });
      const probe = () =>
        new Promise<Loose>((resolve, reject) => {
          get(`${leaving.url}/readyz`, { agent }, (response) => {
            let text = "";
            response.on("data", (chunk: Buffer) => (text += chunk.toString()));
            response.once("end", () => resolve(JSON.parse(text)));
          }).once("error", reject);
        });
      await until("it is ready", async () => (await probe()).ok === true);
      // a stream that no client reads to its end
      const stream = fetch(`${leaving.url}/v1/events/stream`, {
        headers: { authorization: `Bearer ${shop}` },
      }).then((answer) => answer.text());
      stream.catch(() => {});
      // without a node nothing is sealed: a waiting request waits for longer than this test may
      // take
      bench.proxy.rule = () => "cut";
      const waiting = issue(leaving.url, {}, randomUUID(), 120);
      await until(
        "it is accepted",
        async () =>
          (await bench.sql`select 1 from segment_use_now where accepted > lotted`).length > 0 ||
          (await unsealed()) > 0,
      );
      leaving.child.kill("SIGTERM");
      await until("it says no", async () => (await probe()).checks.running?.ok === false, 2_000);
      expect(await stream)
        .to.include(": ")
        .and.not.include("error");
      const { status, body } = await waiting;
      expect(status).to.equal(202);
      expect(await leaving.ended).to.equal(0);
      agent.destroy();
      bench.proxy.rule = undefined;
      await until(
        "it is sealed by the other",
        async () =>
          (await bench.sql`select 1 from invoice_states where number = ${body.number}`).length ===
          1,
        30_000,
      );
    });
    const unsealed = async () =>
      (
        await bench.sql`select 1 from operations where kind = 'seal' and status in ('queued', 'signed', 'sent')`
      ).length;

    it("a second signal ends it immediately", async () => {
      const stubborn = await serving(bench, { STOP_DELAY_SECONDS: "60" });
      stubborn.child.kill("SIGTERM");
      await until("it says no", async () => (await ready(stubborn.url)).status === 503);
      stubborn.child.kill("SIGTERM");
      // a process that ended normally would exit with 0
      expect(await stubborn.ended).to.equal(1);
    });
  });
});
