/**
 * The client's batches and its event stream while gateways die and connections break: no item is
 * lost, and no item comes twice.
 */
import { expect } from "chai";
import {
  type BatchInvoice,
  type BatchResult,
  createClient,
  type Event,
  PositionError,
  ProblemError,
} from "../../clients/typescript/index.ts";
import { invoiceOf } from "./network.ts";
import { type Bench, enrolled, openBench, type Party } from "./support/bench.ts";
import { startCuttingWay } from "./support/cutting-way.ts";
import { keyFor, type Serving, serving } from "./support/serving.ts";

/** Invoices that the client may hold without their result. */
const WINDOW = 256;

describe("the client's streams", function () {
  this.timeout(240_000);
  let bench: Bench;
  let seller: Party;
  let firm: Party;
  let shop: string;
  let gateways: [Serving, Serving];
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
    gateways = await Promise.all([serving(bench), serving(bench)]);
  });
  after(async () => {
    for (const gateway of gateways ?? []) gateway.child.kill("SIGKILL");
    await bench?.close();
  });

  const patience = { pauseMs: 20, tries: 50 };
  const clientOf = (url: string | readonly string[]) =>
    createClient({ url, token: shop, patience, random: () => 0 });
  const invoice = (more: object = {}) => invoiceOf(seller, firm, { ...more }) as BatchInvoice;
  /** Kills the first gateway, and starts another in its place. */
  async function replaceFirst(): Promise<void> {
    gateways[0].child.kill("SIGKILL");
    await gateways[0].ended;
    gateways[0] = await serving(bench);
  }

  describe("a batch", () => {
    const stored = async () =>
      (await bench.sql<{ number: string }[]>`select number from invoices`).map(
        ({ number }) => number,
      );
    const numbersOf = (results: readonly BatchResult[]) =>
      results.flatMap((result) => ("number" in result ? [result.number] : []));

    /** A source that counts the items that its reader takes. */
    function counted(count: number, run: string) {
      const source = {
        taken: 0,
        ended: false,
        async *invoices() {
          try {
            for (let i = 1; i <= count; i += 1) {
              source.taken += 1;
              yield invoice({ remark: `${run} ${i}` });
            }
          } finally {
            source.ended = true;
          }
        },
      };
      return source;
    }

    /** All results. Each comes once and in order, and the window is never exceeded. */
    async function all(
      results: AsyncIterable<BatchResult>,
      source: { taken: number },
      then: (count: number) => Promise<void> | void = () => {},
    ): Promise<BatchResult[]> {
      const list: BatchResult[] = [];
      for await (const result of results) {
        list.push(result);
        expect(result.line).to.equal(list.length);
        expect(source.taken - list.length).to.be.at.most(WINDOW);
        await then(list.length);
      }
      return list;
    }

    it("has a result with the sent document for each invoice, and a refused invoice does not affect the others", async () => {
      const sent = [invoice(), { ...invoice(), currency: "yuan" } as BatchInvoice, invoice()];
      const results: BatchResult[] = [];
      for await (const result of clientOf(gateways[0].url).batch(sent)) results.push(result);
      expect(results.map(({ line, sent: document }) => [line, document])).to.deep.equal(
        sent.map((document, at) => [at + 1, document]),
      );
      expect(results.map(({ problem }) => problem?.code)).to.deep.equal([
        undefined,
        "invalid-document",
        undefined,
      ]);
      expect(results[1]?.problem?.errors?.[0]?.field).to.equal("/currency");
      expect(await stored()).to.include.members(numbersOf(results));
    });

    it("continues at the next gateway if a gateway dies in the middle: no invoice is lost, no invoice is issued twice", async () => {
      const before = await stored();
      const source = counted(600, "dies");
      const client = clientOf(gateways.map(({ url }) => url));
      const results = await all(client.batch(source.invoices()), source, (count) => {
        if (count === 100) gateways[0].child.kill("SIGKILL");
      });
      await replaceFirst();
      expect(results).to.have.length(600);
      expect(results.filter(({ problem }) => problem !== undefined)).to.deep.equal([]);
      const numbers = numbersOf(results);
      expect(new Set(numbers).size).to.equal(600);
      expect((await stored()).sort()).to.deep.equal([...before, ...numbers].sort());
      // each number belongs to the invoice that was sent on its line
      for (const at of [0, 99, 100, 355, 599]) {
        const { body } = await client("GET /v1/invoices/{number}", {
          params: { number: numbers[at] ?? "" },
        });
        expect(body.document.remark).to.equal(`dies ${at + 1}`);
      }
    });

    it("completes over a connection that breaks again and again, and the same key issues nothing more", async () => {
      const before = await stored();
      const way = await startCuttingWay(gateways[0].url);
      try {
        // cuts in the head, in the first result, between results and within results
        way.cuts = [10, 300, 1_000, 7_777, 333, 5_000];
        const key = crypto.randomUUID();
        const source = counted(500, "breaks");
        const results = await all(clientOf(way.url).batch(source.invoices(), { key }), source);
        expect(way.cut).to.equal(6);
        const numbers = numbersOf(results);
        expect(new Set(numbers).size).to.equal(500);
        expect((await stored()).sort()).to.deep.equal([...before, ...numbers].sort());

        const again = counted(500, "breaks");
        const same = await all(clientOf(gateways[1].url).batch(again.invoices(), { key }), again);
        expect(numbersOf(same)).to.deep.equal(numbers);
        expect(same.every((result) => "replayed" in result && result.replayed)).to.equal(true);
        expect(await stored()).to.have.length(before.length + 500);
      } finally {
        await way.close();
      }
    });

    it("of more than 10,000 invoices continues in another batch", async () => {
      const source = {
        taken: 0,
        *invoices() {
          for (let i = 0; i < 10_003; i += 1) {
            source.taken += 1;
            yield {} as BatchInvoice;
          }
        },
      };
      let [count, last] = [0, 0];
      for await (const { line, problem } of clientOf(gateways[0].url).batch(source.invoices())) {
        expect(problem?.code).to.equal("invalid-document");
        count += 1;
        last = line;
      }
      expect([count, last]).to.deep.equal([10_003, 10_003]);
    });

    it("gives the results of the items before its source failed, and then the source's error", async () => {
      async function* broken() {
        yield invoice();
        yield invoice();
        throw new Error("the till is broken");
      }
      const results: BatchResult[] = [];
      const error = await (async () => {
        for await (const result of clientOf(gateways[0].url).batch(broken())) results.push(result);
      })().catch((cause: unknown) => cause);
      expect((error as Error).message).to.equal("the till is broken");
      expect(numbersOf(results)).to.have.length(2);
    });

    it("ends when its reader stops or its signal aborts, and closes its source", async () => {
      const left = counted(1_000, "left");
      for await (const { line } of clientOf(gateways[0].url).batch(left.invoices()))
        if (line === 3) break;
      expect(left.ended).to.equal(true);
      expect(left.taken).to.be.at.most(WINDOW + 3);

      const stop = new AbortController();
      const stopped = counted(1_000, "stopped");
      const error = await all(
        clientOf(gateways[0].url).batch(stopped.invoices(), { signal: stop.signal }),
        stopped,
        (count) => {
          if (count === 3) stop.abort(new Error("enough"));
        },
      ).catch((cause: unknown) => cause);
      expect((error as Error).message).to.equal("enough");
      expect(stopped.ended).to.equal(true);
    });

    it("is refused as a whole if the key may not send it, and nothing is sent without invoices", async () => {
      const token = await keyFor(bench, firm.account, ["employer"]);
      const buyer = createClient({ url: gateways[0].url, token });
      const error = await buyer
        .batch([invoice()])
        .next()
        .catch((cause: unknown) => cause);
      expect(error).to.be.instanceOf(ProblemError);
      expect((error as ProblemError).code).to.equal("forbidden");
      const nobody = createClient({ url: "http://127.0.0.1:9", patience: { tries: 1 } });
      expect((await nobody.batch([]).next()).done).to.equal(true);
    });
  });

  describe("the events", () => {
    let bureau: string;
    before(async () => {
      bureau = await keyFor(bench, `0x${"be".repeat(20)}`, ["bureau"]);
    });
    const watcher = (url: string | readonly string[]) =>
      createClient({ url, token: bureau, patience, random: () => 0 });
    const headOf = async () =>
      (await bench.sql<{ head: bigint | null }[]>`select max(position) as head from feed`)[0]
        ?.head ?? 0n;
    async function issue(count: number): Promise<string[]> {
      const sent = Array.from({ length: count }, () => invoice());
      const numbers: string[] = [];
      for await (const result of clientOf(gateways[1].url).batch(sent))
        if ("number" in result) numbers.push(result.number);
      return numbers;
    }
    /** Follows the events until each of these invoices is issued. */
    async function until(
      events: AsyncIterable<Event>,
      numbers: readonly string[],
      then: (count: number) => void = () => {},
    ): Promise<Event[]> {
      const missing = new Set(numbers);
      const seen: Event[] = [];
      for await (const event of events) {
        seen.push(event);
        then(seen.length);
        if (event.number !== undefined) missing.delete(event.number);
        if (missing.size === 0) break;
      }
      return seen;
    }
    async function pages(after: string, last: string): Promise<string[]> {
      const list: string[] = [];
      const client = watcher(gateways[1].url);
      for await (const { id } of client.items("GET /v1/events", { query: { after } })) {
        list.push(id);
        if (id === last) break;
      }
      return list;
    }

    it("come once and in order over a connection that breaks again and again", async () => {
      const way = await startCuttingWay(gateways[0].url);
      try {
        const after = String(await headOf());
        const numbers = await issue(60);
        way.cuts = [10, 400, 900, 2_000, 5_000];
        const seen = await until(watcher(way.url).follow({ after }), numbers);
        expect(way.cut).to.equal(5);
        const ids = seen.map(({ id }) => id);
        expect(ids).to.deep.equal(await pages(after, ids.at(-1) ?? ""));
      } finally {
        await way.close();
      }
    });

    it("continue at the next gateway if a gateway dies, from the first moment on", async () => {
      const live = Promise.withResolvers<void>();
      const stop = new AbortController();
      const states: string[] = [];
      const client = watcher(gateways.map(({ url }) => url));
      const events = client.follow({
        signal: stop.signal,
        types: ["invoice.issued"],
        onState(state) {
          states.push(state);
          if (state === "live") live.resolve();
        },
      });
      const first = events.next();
      await live.promise;
      // the stream has a position before its first event: events during the cut are not lost
      gateways[0].child.kill("SIGKILL");
      const numbers = await issue(20);
      const seen = [(await first).value as Event];
      while (seen.length < 20) seen.push((await events.next()).value as Event);
      expect(seen.map(({ number }) => number)).to.deep.equal(numbers);
      expect(states).to.include.members(["connecting", "live", "lost"]);
      stop.abort(new Error("enough"));
      const error = await events.next().catch((cause: unknown) => cause);
      expect((error as Error).message).to.equal("enough");
      await replaceFirst();
    });

    it("are not requested again earlier than the gateway says", async () => {
      const way = await startCuttingWay(gateways[0].url);
      try {
        const after = String(await headOf());
        const numbers = await issue(5);
        // the way passes whole frames, so the `retry` of the first frame arrives
        way.cuts = [2_000];
        await until(watcher(way.url).follow({ after }), numbers);
        expect((way.came[1] ?? 0) - (way.came[0] ?? 0)).to.be.at.least(1_990);
      } finally {
        await way.close();
      }
    });

    it("come by pages to a client that is too far behind, and then live", async () => {
      const head = await headOf();
      const at = new Date();
      const rows = Array.from({ length: 10_100 }, (_, i) => ({
        position: head + BigInt(i + 1),
        type: "ledger.opened",
        number: null,
        accounts: ["*"],
        data: bench.sql.json({}),
        at,
        tx: "0x00",
      }));
      for (let i = 0; i < rows.length; i += 1_000)
        await bench.sql`insert into feed ${bench.sql(rows.slice(i, i + 1_000) as never, "position", "type", "number", "accounts", "data", "at", "tx")}`;
      const numbers = await issue(3);
      const seen = await until(watcher(gateways[0].url).follow({ after: String(head) }), numbers);
      const ids = seen.map(({ id }) => BigInt(id));
      expect(ids.slice(0, 10_100)).to.deep.equal(rows.map(({ position }) => position));
      expect(ids.every((id, i) => i === 0 || id > (ids[i - 1] ?? 0n))).to.equal(true);
      expect(seen.slice(-3).map(({ number }) => number)).to.deep.equal(numbers);
    });

    it("are refused for a position of another feed, and without a key", async () => {
      const beyond = String((await headOf()) + 1_000_000_000_000n);
      const strange = await watcher(gateways[0].url)
        .follow({ after: beyond })
        .next()
        .catch((cause: unknown) => cause);
      expect(strange).to.be.instanceOf(PositionError);
      expect((strange as PositionError).after).to.equal(beyond);
      const error = await createClient({ url: gateways[0].url, token: "nobody.nothing" })
        .follow()
        .next()
        .catch((cause: unknown) => cause);
      expect((error as ProblemError).code).to.equal("unauthenticated");
    });
  });
});
