/**
 * Statistics on a real chain and database: after a random run, with counters killed in the middle,
 * two counters at once and a rebuild, the sums equal a naive sum over every document, and the
 * counts equal the chain's.
 */
import { randomInt, randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { readInvoice } from "@onepiao/protocol/formats/read.ts";
import { tradeOf } from "@onepiao/protocol/formats/trade.ts";
import { amountTimesRate, formatMoney, parseMoney } from "@onepiao/protocol/values/money.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { expect } from "chai";
import type { Sql } from "../../server/db/db.ts";
import { createCounting } from "../../server/features/bureau/counting.ts";
import { createStats } from "../../server/features/bureau/stats.ts";
import { type Grain, grains, startOf } from "../../server/features/bureau/stats-buckets.ts";
import { createSumsVault } from "../../server/features/bureau/stats-sums.ts";
import { createInvoices } from "../../server/features/invoices/invoices.ts";
import { createQuotas } from "../../server/features/parties/quotas.ts";
import { createTaxpayers } from "../../server/features/parties/taxpayers.ts";
import { projections } from "../../server/gateway.ts";
import { createLog } from "../../server/kernel/log.ts";
import { checkProjections, rebuildProjections } from "../../server/operator/rebuild.ts";
import { invoiceOf } from "./network.ts";
import {
  admissionBy,
  type Bench,
  claimBy,
  decisionBy,
  enrolled,
  entryBy,
  freshExternalId,
  holder,
  known,
  openBench,
  type Party,
  type Process,
  redLetterOf,
  transferTo,
} from "./support/bench.ts";
import { until } from "./support/proxy.ts";

const running = new AbortController().signal;
const lines = [
  ["*餐饮服务*餐费", "3070401000000000000"],
  ["*住宿服务*住宿费", "3070402000000000000"],
  ["*文具*中性笔", undefined],
  ["*别的东西*无名", undefined],
] as const;

describe("statistics", function () {
  this.timeout(180_000);
  let bench: Bench;
  let gateway: Process;
  let sellers: Party[];
  let firm: Party;
  const numbers: string[] = [];

  const partsOn = (sql: Sql) => {
    const taxpayers = createTaxpayers({ vault: bench.vault });
    const invoices = createInvoices({ vault: bench.vault, documents: bench.documents, taxpayers });
    return {
      taxpayers,
      invoices,
      sql,
      vault: bench.vault,
      log: createLog("silent"),
      documentOf: invoices.documentOf,
    };
  };
  const countingOn = (sql: Sql, batch?: number) =>
    createCounting({ ...partsOn(sql), ...(batch === undefined ? {} : { batch }) });
  /** A counter that aborts between its statements again and again. */
  const breakingOn = (sql: Sql) => {
    const seal: typeof bench.vault.seal = (...sealed) => {
      if (randomInt(6) === 0) throw new Error("broken off");
      return bench.vault.seal(...sealed);
    };
    return createCounting({ ...partsOn(sql), vault: { ...bench.vault, seal }, batch: 5 });
  };
  const head = async () => {
    const block = await bench.node.head();
    return { block, time: (await bench.node.block(block))?.time ?? 0, age: 0 };
  };
  const stats = () =>
    createStats({
      vault: bench.vault,
      taxpayers: partsOn(bench.sql).taxpayers,
      quotas: createQuotas({ vault: bench.vault, drawStep: 1n }),
      chain: bench.node,
      head,
      finalityDepth: 0,
    });

  async function issue(seller: Party, more: Record<string, unknown> = {}): Promise<string> {
    const [name, taxCode] = lines[randomInt(lines.length)] as (typeof lines)[number];
    const net = BigInt(randomInt(1, 100_000_00));
    const tax = amountTimesRate(net, "0.06");
    const [amount, taxText, gross] = [net, tax, net + tax].map((cents) => formatMoney(cents));
    const document = invoiceOf(
      seller,
      { name: "个人" },
      {
        lines: [{ name, amount, taxRate: "0.06", tax: taxText, ...(taxCode ? { taxCode } : {}) }],
        totals: { net: amount, tax: taxText, gross },
        sourceId: randomUUID(),
        ...more,
      },
    );
    const { holder: account, ...content } = document as { holder?: string };
    const read = readInvoice("application/json", Buffer.from(JSON.stringify(content)));
    const [result] = await bench.sql.begin((tx) =>
      gateway.issuing.accept(tx, [{ caller: seller.caller, read, holder: account }]),
    );
    if (result === undefined || result instanceof Problem) throw result ?? new Error("no result");
    const number =
      "number" in result ? result.number : await redLetterOf(bench, gateway, result.redLetter);
    numbers.push(number);
    return number;
  }

  /** The red letter of an invoice: the same content with negative amounts. */
  async function reverse(seller: Party, number: string): Promise<string> {
    const { invoices } = partsOn(bench.sql);
    const row = await invoices.find(bench.sql, number);
    if (!row) throw new Error(number);
    const { totals, lines: items } = invoices.documentOf(row);
    const minus = (text: string | undefined) => formatMoney(-parseMoney(text ?? "0.00"));
    return issue(seller, {
      lines: items.map((line) => ({ ...line, amount: minus(line.amount), tax: minus(line.tax) })),
      totals: { net: minus(totals.net), tax: minus(totals.tax), gross: minus(totals.gross) },
      reverses: { number },
    });
  }

  type Flat = Record<string, [lots: number, invoices: number, gross: string, tax: string]>;

  /**
   * All sums, computed from the chain's lots and the documents; of the code under test it uses only
   * the start times of buckets.
   */
  async function naive(): Promise<Flat> {
    const { invoices } = partsOn(bench.sql);
    const rows = await bench.sql<
      { number: string; document: Buffer }[]
    >`select number, document from invoices`;
    const documents = new Map(rows.map((row) => [row.number, invoices.documentOf(row)]));
    const sums: Record<string, [number, number, bigint, bigint]> = {};
    const add = (key: string, lots: number, count: number, gross: bigint, tax: bigint) => {
      const sum = sums[key] ?? [0, 0, 0n, 0n];
      sums[key] = [sum[0] + lots, sum[1] + count, sum[2] + gross, sum[3] + tax];
    };
    for (const { name, args } of await bench.events()) {
      if (name !== "LotSealed") continue;
      for (const grain of grains) {
        const start = startOf(grain, new Date(Number(args["time"]) * 1_000)).toISOString();
        const keys = [
          `${grain} ${start}`,
          ...(grain === "day" || grain === "month"
            ? [`${grain} ${start} issuer ${args["issuer"]}`]
            : []),
        ];
        for (const key of keys) add(key, 1, args["count"] as number, 0n, 0n);
        for (let i = 0; i < (args["count"] as number); i++) {
          const number = String(BigInt(args["first"] as string) + BigInt(i));
          const document = documents.get(number);
          if (!document) throw new Error(`no document of ${number}`);
          const [gross, tax] = [parseMoney(document.totals.gross), parseMoney(document.totals.tax)];
          for (const key of keys) add(key, 0, 0, gross, tax);
          add(`${grain} ${start} region ${number.slice(2, 4)}`, 0, 1, gross, tax);
          add(`${grain} ${start} trade ${tradeOf(document)}`, 0, 1, gross, tax);
        }
      }
    }
    return Object.fromEntries(
      Object.entries(sums).map(([key, [lots, count, gross, tax]]) => [
        key,
        [lots, count, gross.toString(), tax.toString()],
      ]),
    );
  }

  /** The same sums as stored. */
  async function stored(): Promise<Flat> {
    const vault = createSumsVault(bench.vault);
    const flat: Flat = {};
    type Row = {
      grain: Grain;
      start: Date;
      issuer?: number;
      lots: bigint;
      invoices: bigint;
      sealed: Buffer;
    };
    const rows = [
      ...(await bench.sql<Row[]>`select * from stats_buckets`),
      ...(await bench.sql<Row[]>`select * from stats_issuers`),
    ];
    for (const { grain, start, issuer, lots, invoices, sealed } of rows) {
      for (const [part, { invoices: documented, gross, tax }] of vault.open(
        grain,
        start,
        issuer ?? 0,
        sealed,
      )) {
        const [name, currency] = [part.slice(0, -4), part.slice(-3)];
        expect(currency).equals("CNY");
        const suffix =
          name === ""
            ? issuer === undefined
              ? ""
              : ` issuer ${issuer}`
            : /^r\d/.test(name)
              ? ` region ${name.slice(1)}`
              : ` trade ${name}`;
        const whole = name === "";
        if (whole) expect(documented).equals(Number(invoices));
        flat[`${grain} ${start.toISOString()}${suffix}`] = [
          whole ? Number(lots) : 0,
          whole ? Number(invoices) : documented,
          gross.toString(),
          tax.toString(),
        ];
      }
    }
    return flat;
  }

  before(async () => {
    bench = await openBench();
    gateway = await bench.process({ lotSize: 7 });
    gateway.start();
    [firm, ...sellers] = (await Promise.all([
      enrolled(bench, gateway, ["employer"]),
      enrolled(bench, gateway, ["issuer"]),
      enrolled(bench, gateway, ["issuer"]),
      enrolled(bench, gateway, ["issuer"]),
    ])) as [Party, ...Party[]];
  });
  after(() => bench?.close());

  it("equal a naive sum after a random run with two counters at once, killed in the middle", async () => {
    const ann = await holder(bench);
    let over = false;
    let [kills, broken] = [0, 0];
    const breaks = () => {
      broken += 1;
    };
    const counters = [0, 1].map(async (which) => {
      while (!over) {
        const gateway = await bench.process();
        const counting = which === 0 ? breakingOn(gateway.sql) : countingOn(gateway.sql, 5);
        let ended = false;
        const working = (async () => {
          while (!over && !ended) await counting.run(running).catch(breaks);
        })();
        await delay(randomInt(100, 300));
        ended = true;
        if (which === 0) {
          await gateway.crash();
          kills += 1;
        } else await gateway.end();
        await working;
      }
    });
    const reversible: [Party, string][] = [];
    for (let i = 0; i < 90; i++) {
      const seller = sellers[randomInt(sellers.length)] as Party;
      const number = await issue(seller, { holder: ann.address });
      if (i % 9 === 0) reversible.push([seller, number]);
    }
    await known(bench, numbers);
    for (const [seller, number] of reversible) await reverse(seller, number);
    await known(bench, numbers);
    over = true;
    await Promise.all(counters);
    await countingOn(bench.sql).run(running);
    expect(kills).greaterThan(1);
    expect(broken).greaterThan(1);
    const expected = await naive();
    expect(Object.keys(expected).length).greaterThan(20);
    expect(await stored()).deep.equals(expected);
    expect(await bench.sql`select 1 from stats_undocumented`).lengthOf(0);
  });

  it("counting again counts nothing twice", async () => {
    const before = await stored();
    for (let i = 0; i < 25; i++) await countingOn(bench.sql).run(running);
    expect(await stored()).deep.equals(before);
  });

  it("acts match the chain, states match the ledger, and every refused attempt is counted", async () => {
    const ann = await holder(bench);
    const bob = await holder(bench);
    const own: string[] = [];
    for (let i = 0; i < 6; i++) own.push(await issue(sellers[0] as Party, { holder: ann.address }));
    await known(bench, own);
    const [paid, rejected, claimed, moved] = own as [string, string, string, string];
    await bench.done(
      ...(await bench.queue(
        claimBy(ann, firm, paid),
        claimBy(ann, firm, rejected),
        claimBy(ann, firm, claimed),
        transferTo(ann, bob, moved),
      )),
    );
    await bench.done(
      ...(await bench.queue(
        decisionBy("Reimburse", firm, paid),
        decisionBy("Reject", firm, rejected),
      )),
    );
    const [again] = (await bench.queue(decisionBy("Reimburse", firm, paid))) as [string];
    expect((await bench.ended(again)).status).equals("refused");
    // issued elsewhere: one is paid; one is rejected and admitted again, which claims the same
    // invoice
    const [elsewhere, returned] = [freshExternalId(), freshExternalId()];
    await bench.done(
      ...(await bench.queue(
        admissionBy(firm, ann.address, elsewhere),
        admissionBy(firm, ann.address, returned),
      )),
    );
    await bench.done(
      ...(await bench.queue(
        decisionBy("Reimburse", firm, elsewhere),
        decisionBy("Reject", firm, returned),
      )),
    );
    await bench.done(
      ...(await bench.queue(admissionBy(firm, bob.address, returned), entryBy(firm, 2, elsewhere))),
    );
    await bench.done(
      ...(await bench.sql<{ id: string }[]>`select id from operations where kind = 'reverse'`).map(
        ({ id }) => id,
      ),
    );
    await countingOn(bench.sql).run(running);

    const now = new Date();
    const flow = await stats().flow(bench.sql, {
      from: new Date(now.getTime() - 86_400_000),
      to: new Date(now.getTime() + 86_400_000),
    });
    const events = await bench.events();
    const countOf = (name: string) => events.filter((event) => event.name === name).length;
    const issued = events
      .filter((event) => event.name === "LotSealed")
      .reduce((sum, event) => sum + Number(event.args["count"]), 0);
    expect(issued).equals(numbers.length);
    expect(flow.acts).includes({ admitted: 2, entered: 1, claimed: countOf("Claimed") - 2 });
    expect(flow.acts).includes({
      issued,
      reimbursed: countOf("Reimbursed"),
      rejected: countOf("Rejected"),
      transferred: countOf("Transferred"),
    });
    expect(flow.acts.reversed).equals(countOf("Reversed")).and.greaterThan(5);
    expect(flow.acts.refused).equals(1);
    const states = await bench.sql<
      { state: string; n: number }[]
    >`select state, count(*)::int as n from invoice_states group by state`;
    expect(flow.now).deep.equals({
      issued: 0,
      claimed: 0,
      reimbursed: 0,
      reversed: 0,
      ...Object.fromEntries(states.map((row) => [row.state, row.n])),
    });

    const { items, next } = await stats().refusals(bench.sql, { limit: 10 });
    expect(next).equals(undefined);
    expect(items).lengthOf(1);
    expect(items[0]).deep.includes({
      number: paid,
      attempt: "reimburse",
      reason: "already-reimbursed",
      by: firm.account,
    });
    expect(items[0]?.employer?.taxpayer?.taxId).equals(firm.taxId);
    expect(items[0]?.invoice?.state).equals("reimbursed");

    const health = await stats().chain(bench.sql);
    expect(health).includes({ up: true, invoices: issued, undocumentedLots: 0 });
    expect(health.lots).equals(countOf("LotSealed"));
    expect(health.counted?.block).equals(health.cursor?.block);
  });

  it("a lot whose documents come later counts at once, and its amounts count when they arrive", async () => {
    const seller = sellers[1] as Party;
    await gateway.stop("follower");
    const number = await issue(seller);
    // another gateway has the documents
    await until(
      "its lot is sealed",
      async () =>
        (await bench.events()).some((e) => e.name === "LotSealed" && e.args["first"] === number) ||
        undefined,
    );
    await bench.sql`create table away as select * from invoices where number = ${number}`;
    await bench.sql`delete from document_hashes where number = ${number}`;
    await bench.sql`delete from invoices where number = ${number}`;
    gateway.start("follower");
    await until("it is known", async () =>
      (await bench.sql`select 1 from lots where first = ${number}`).length > 0 ? true : undefined,
    );
    const before = await stats().issuers(bench.sql, {
      grain: "month",
      at: new Date(),
      by: "gross",
      currency: "CNY",
      limit: 100,
    });
    await countingOn(bench.sql).run(running);
    const issuerOf = (all: typeof before) => all.items.find((item) => item.index === seller.index);
    const between = await stats().issuers(bench.sql, {
      grain: "month",
      at: new Date(),
      by: "gross",
      currency: "CNY",
      limit: 100,
    });
    expect(issuerOf(between)?.invoices).equals((issuerOf(before)?.invoices ?? 0) + 1);
    expect(issuerOf(between)?.amounts).deep.equals(issuerOf(before)?.amounts);
    expect((await stats().chain(bench.sql)).undocumentedLots).equals(1);

    await bench.sql`insert into invoices select * from away`;
    await bench.sql`
      insert into invoice_states (number, lot, issuer, state, holder, employer, titled, version, issued_at, updated_at)
      select number, number, issuer, 'issued', leaf_holder, 0, false, 0, now(), now() from away`;
    await countingOn(bench.sql).run(running);
    expect(await stored()).deep.equals(await naive());
    expect((await stats().chain(bench.sql)).undocumentedLots).equals(0);
  });

  it("a rebuild gives the same sums, and a check during it finds nothing", async () => {
    const deps = {
      sql: bench.sql,
      databaseUrl: bench.databaseUrl,
      chain: bench.node,
      contracts: bench.contracts,
      projections,
      log: createLog("silent"),
      finalityDepth: 0,
      progress: () => {},
    };
    await gateway.stop("follower");
    expect(
      (await checkProjections(deps)).differences.filter(({ table }) => table.startsWith("stats")),
    ).deep.equals([]);
    const before = await stored();
    // a counter works meanwhile
    let over = false;
    const counting = (async () => {
      while (!over) await countingOn(bench.sql, 3).run(running);
    })();
    const { changes } = await rebuildProjections(deps);
    over = true;
    await counting;
    expect(changes.filter(({ table }) => table.startsWith("stats"))).deep.equals([]);
    await countingOn(bench.sql).run(running);
    expect(await stored()).deep.equals(before);
    gateway.start("follower");
  });

  it("buckets start by China's clock", () => {
    const at = new Date("2026-11-30T16:07:31Z");
    expect(startOf("minute", at).toISOString()).equals("2026-11-30T16:07:00.000Z");
    expect(startOf("day", at).toISOString()).equals("2026-11-30T16:00:00.000Z");
    expect(startOf("day", at, -1).toISOString()).equals("2026-11-29T16:00:00.000Z");
    expect(startOf("month", at).toISOString()).equals("2026-11-30T16:00:00.000Z");
    expect(startOf("month", at, -1).toISOString()).equals("2026-10-31T16:00:00.000Z");
    expect(startOf("month", at, 2).toISOString()).equals("2027-01-31T16:00:00.000Z");
  });
});
