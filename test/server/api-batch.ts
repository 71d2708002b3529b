/**
 * Batches of invoices, as a merchant sends them: the answers agree with the database in each case
 * of failure.
 */
import { randomUUID } from "node:crypto";
import { expect } from "chai";
import {
  call,
  freshTaxId,
  invoiceOf,
  issued,
  type Loose,
  must,
  person,
  sandbox,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { database } from "./observe.ts";
import { type Bench, enrolled, openBench, type Party } from "./support/bench.ts";
import { openLines, sendLines } from "./support/lines.ts";
import { until } from "./support/proxy.ts";
import { keyFor, type Serving, serving } from "./support/serving.ts";

const PATH = "/v1/invoices/batch";
const codes = (results: Loose[]) =>
  Object.fromEntries(
    [...Map.groupBy(results, (result) => result.problem?.code ?? result.status)].map(
      ([code, group]) => [code, group.length],
    ),
  );
const numbers = (results: Loose[]): string[] => results.flatMap((result) => result.number ?? []);

describe("a batch of invoices", function () {
  this.timeout(120_000);
  let url: string;
  before(async () => {
    url = `${(await sandbox()).url}${PATH}`;
  });
  const rowsOf = async (seller: TestParty) =>
    (await database())<
      { number: string; source_blind: Buffer | null }[]
    >`select number, source_blind from invoices where issuer = ${seller.index} order by number`;
  const invoices = (
    seller: TestParty,
    count: number,
    more: (i: number) => Record<string, unknown> = () => ({}),
  ) => Array.from({ length: count }, (_, i) => invoiceOf(seller, { name: "个人" }, more(i)));

  it("is accepted line by line and sealed, and each invoice has its line's content", async () => {
    const shop = await taxpayer("Shop with a day's receipts", ["issuer"]);
    const { results, last } = await sendLines(
      url,
      invoices(shop, 300, (i) => ({ remark: `receipt ${i + 1}` })),
      shop,
    );
    expect(last).to.deep.equal({ done: true, accepted: 300, replayed: 0, refused: 0 });
    expect(results.map((result) => result.line)).to.deep.equal(
      Array.from({ length: 300 }, (_, i) => i + 1),
    );
    expect((await rowsOf(shop)).map((row) => row.number)).to.deep.equal(numbers(results).sort());
    for (const at of [0, 149, 299]) {
      const { number } = results[at];
      const shown = await until("it is sealed", async () => {
        const { body } = await call("GET", `/v1/invoices/${number}`, undefined, {
          token: shop.token,
        });
        return body.status === "issued" && body;
      });
      expect(shown.document.remark).to.equal(`receipt ${at + 1}`);
    }
  });

  it("names the holder and creates pickups as a single invoice does", async () => {
    const shop = await taxpayer("Shop with guests", ["issuer", "employer"]);
    const guest = await person(shop, "Guest");
    const { results } = await sendLines(
      url,
      [
        invoiceOf(shop, { name: "个人" }, { holder: guest.account }),
        invoiceOf(shop, { name: "个人" }),
      ],
      shop,
    );
    expect(results[0]).to.have.all.keys("line", "status", "number");
    expect(results[1]).to.have.all.keys("line", "status", "number", "pickup");
    await until(
      "it is sealed",
      async () =>
        (await call("GET", `/v1/invoices/${results[1].number}`, undefined, shop)).body.status ===
        "issued",
    );
    const taken = await must(
      call("POST", "/v1/pickups", results[1].pickup, { token: guest.token }),
    );
    expect(taken.number).to.equal(results[1].number);
    const own = await call("GET", `/v1/invoices/${results[0].number}`, undefined, {
      token: guest.token,
    });
    expect(own.status).to.equal(200);
  });

  it("may contain red letters: each opens its sheet once, for the reason that the batch gives", async () => {
    const shop = await taxpayer("Shop that takes back", ["issuer"]);
    const number = await issued(shop, { name: "个人" });
    const { lines, totals } = invoiceOf(shop, { name: "个人" });
    const minus = (amounts: Record<string, string>, members: string[]) => ({
      ...amounts,
      ...Object.fromEntries(members.map((name) => [name, `-${amounts[name]}`])),
    });
    const red = invoiceOf(
      shop,
      { name: "个人" },
      {
        reverses: { number },
        totals: minus(totals, ["net", "tax", "gross"]),
        lines: lines.map((line) => minus(line, ["quantity", "amount", "tax"])),
      },
    );
    const { results, key } = await sendLines(
      `${url}?reason=2`,
      [red, red, invoiceOf(shop, { name: "个人" })],
      shop,
    );
    expect(results[0]).to.have.all.keys("line", "status", "redLetter");
    expect(results[1].problem.code).to.be.oneOf([
      "red-letter-open",
      "red-letter-refused",
      "invoice-busy",
    ]);
    expect(results[2]).to.include({ line: 3, status: 202 });
    const sheet = await must(
      call("GET", results[0].redLetter.href, undefined, { token: shop.token }),
    );
    expect([sheet.invoice, sheet.reason]).to.deep.equal([number, 2]);
    const again = await sendLines(`${url}?reason=2`, [red], { ...shop, key });
    expect(again.results).to.deep.equal([{ ...results[0], replayed: true }]);
    await until(
      "the original is reversed",
      async () =>
        (await call("GET", `/v1/invoices/${number}`, undefined, { token: shop.token })).body
          .status === "reversed",
    );
  });

  it("may contain bad lines: each is refused for its own reason, takes no number and stops no other line", async () => {
    const shop = await taxpayer("Shop with a careless clerk", ["issuer"]);
    const stranger = { taxId: freshTaxId(), name: "Nobody" };
    const sourceId = `POS-${randomUUID()}`;
    const good = invoiceOf(shop, { name: "个人" });
    const lines = [
      good,
      "not json",
      invoiceOf(stranger, { name: "个人" }),
      { ...good, sourceId },
      invoiceOf(shop, stranger),
      { ...good, currency: "EUR" },
      { ...good, totals: { ...good.totals, gross: "200.01" } },
      { ...good, unknown: 1 },
      '{"kind":"ordinary","kind":"ordinary"}',
      { ...good, sourceId },
      good,
    ];
    const { results, last } = await sendLines(url, lines, shop);
    expect(results.map((result) => result.problem?.code ?? result.status)).to.deep.equal([
      202,
      "malformed-document",
      "seller-not-caller",
      202,
      "buyer-not-enrolled",
      "currency-not-accounted",
      "invalid-document",
      "invalid-document",
      "malformed-document",
      "duplicate-source",
      202,
    ]);
    expect(last).to.include({ done: true, accepted: 3, refused: 8 });
    expect(results[9].problem.original.number).to.equal(results[3].number);
    expect(results[6].problem.errors[0].field).to.match(/^\/totals/);
    const rows = await rowsOf(shop);
    expect(rows.map((row) => row.number)).to.deep.equal(numbers(results).sort());
    expect(BigInt(rows[2]?.number ?? 0) - BigInt(rows[0]?.number ?? 0)).to.equal(2n);
  });

  it("draws its quota in few draws; lines past the quota are refused and accepted later with the same key", async () => {
    const shop = await taxpayer("Shop with a large day", ["issuer"], { quota: "300000.00" });
    const all = invoices(shop, 1_600);
    const first = await sendLines(url, all, shop);
    expect(codes(first.results)).to.deep.equal({ 202: 1_500, "quota-exceeded": 100 });
    expect(first.results.slice(0, 1_400).every((result) => result.number)).to.equal(true);
    const draws =
      await (await database())`select 1 from operations where party = ${shop.account} and kind = 'draw'`;
    expect(draws.length).to.be.within(1, 3);
    const period = new Date(Date.now() + 8 * 3_600_000).toISOString().slice(0, 7);
    await must(call("PUT", `/v1/taxpayers/${shop.taxId}/quota`, { period, granted: "400000.00" }));
    const again = await sendLines(url, all, { ...shop, key: first.key });
    expect(again.last).to.deep.equal({ done: true, accepted: 1_600, replayed: 1_500, refused: 0 });
    expect(new Set(numbers(again.results)).size).to.equal(1_600);
    expect(await rowsOf(shop)).to.have.length(1_600);
  });

  it("that is cut off again and again completes under one key: each line once", async () => {
    const shop = await taxpayer("Shop on a train", ["issuer"]);
    const all = invoices(shop, 1_000, (i) => ({ sourceId: `TRAIN-${i}` }));
    const key = randomUUID();
    const numbersByLine = new Map<number, string>();
    const note = (results: Loose[]) => {
      for (const { line, number } of results) {
        if (number === undefined) continue;
        expect(numbersByLine.get(line) ?? number).to.equal(number);
        numbersByLine.set(line, number);
      }
    };
    /** As a client does: it sends the batch again until the previous stream has ended here too. */
    const opened = () =>
      until("its key is free", async () => {
        const lines = openLines(url, { ...shop, key });
        const status = await lines.status();
        if (status === 200) return lines;
        expect(status).to.equal(409);
        lines.cut();
        await lines.closed;
        return undefined;
      });
    for (const at of [1, 130, 500]) {
      const lines = await opened();
      void lines.send(all);
      await lines.got(at);
      lines.cut();
      await lines.closed;
      note(lines.results);
    }
    const lines = await opened();
    // the request that was cut off has ended: it adds nothing more
    const done = (await rowsOf(shop)).length;
    await lines.send(all);
    lines.end();
    const results = [...(await lines.all())];
    const last = results.pop();
    note(results);
    expect(last).to.deep.equal({ done: true, accepted: 1_000, replayed: done, refused: 0 });
    expect((await rowsOf(shop)).map((row) => row.number)).to.deep.equal(
      [...numbersByLine.values()].sort(),
    );
    expect(numbersByLine.size).to.equal(1_000);
  });

  it("needs the role issuer, and has 10,000 lines at most", async () => {
    const firm = await taxpayer("Firm that only buys", ["employer"]);
    const refused = await call("POST", PATH, "{}\n", {
      token: firm.token,
      type: "application/x-ndjson",
    });
    expect([refused.status, refused.body.code]).to.deep.equal([403, "forbidden"]);
    const shop = await taxpayer("Shop with too much", ["issuer"]);
    const lines = openLines(url, shop);
    await lines.send(Array.from({ length: 10_001 }, () => "{}"));
    lines.end();
    const last = (await lines.all()).at(-1);
    expect(last).to.include({ done: false, accepted: 0, refused: 10_000 });
    expect(last.problem).to.include({ code: "body-too-large", maxLines: 10_000 });
  });
});

describe("a batch and its gateways", function () {
  this.timeout(240_000);
  let bench: Bench;
  let seller: Party;
  let firm: Party;
  let shop: string;
  let first: Serving;
  let second: Serving;
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
    [first, second] = await Promise.all([serving(bench), serving(bench)]);
  });
  after(async () => {
    for (const gateway of [first, second]) gateway?.child.kill("SIGKILL");
    await bench?.close();
  });
  const invoices = (count: number, run: string) =>
    Array.from({ length: count }, (_, i) => invoiceOf(seller, firm, { remark: `${run} ${i + 1}` }));
  const count = async () =>
    Number((await bench.sql<{ n: bigint }[]>`select count(*) as n from invoices`)[0]?.n);

  it("loses no line if its gateway is killed: sent again to that gateway's successor, or to another one, it is complete", async () => {
    for (const place of ["another", "restarted"]) {
      const before = await count();
      const all = invoices(600, place);
      const lines = openLines(`${first.url}${PATH}`, { token: shop });
      void lines.send(all);
      await lines.got(100);
      first.child.kill("SIGKILL");
      await first.ended;
      await lines.closed;
      const numbersByLine = new Map(lines.results.map((result) => [result.line, result.number]));
      expect(numbersByLine.size).to.be.within(100, 599);
      if (place === "restarted") first = await serving(bench);
      const at = place === "restarted" ? first : second;
      const again = await until("the key of the killed request is free", async () => {
        const sent = await sendLines(`${at.url}${PATH}`, all, {
          token: shop,
          key: lines.key,
        }).catch(() => undefined);
        return sent?.last?.done && sent;
      });
      if (place === "another") first = await serving(bench);
      expect(again.last).to.include({ accepted: 600, refused: 0 });
      expect(again.last.replayed).to.be.at.least(numbersByLine.size);
      for (const { line, number } of again.results)
        expect(numbersByLine.get(line) ?? number).to.equal(number);
      expect(new Set(numbers(again.results)).size).to.equal(600);
      expect(await count()).to.equal(before + 600);
    }
  });

  it("with one key at two gateways at once is one batch: the second gets 'retry later', and then the same answer", async () => {
    const before = await count();
    const all = invoices(400, "twice");
    const key = randomUUID();
    const both = [first, second].map((at) => openLines(`${at.url}${PATH}`, { token: shop, key }));
    const statuses = await Promise.all(both.map((lines) => lines.status()));
    expect(statuses.sort()).to.deep.equal([200, 409]);
    const running =
      both[0]?.results.length === 0 && (await both[0].status()) === 200 ? both[0] : both[1];
    await running?.send(all);
    running?.end();
    const done = (await running?.all()) ?? [];
    const again = await sendLines(`${second.url}${PATH}`, all, { token: shop, key });
    expect(again.last).to.include({ done: true, accepted: 400, replayed: 400 });
    expect(numbers(again.results)).to.deep.equal(numbers(done));
    expect(await count()).to.equal(before + 400);
  });

  it("reports its progress when it stops", async () => {
    const lines = openLines(`${first.url}${PATH}`, { token: shop });
    await lines.send(invoices(10, "stops"));
    await lines.got(10);
    first.child.kill("SIGTERM");
    const last = (await lines.all()).at(-1);
    expect(last).to.include({ done: false, accepted: 10 });
    expect(last.problem.code).to.equal("unavailable");
    expect(await first.ended).to.equal(0);
  });
});
