/**
 * Time: a sandbox two years ahead does the same as a sandbox of today; bounds on the dates of
 * invoices; the turn of the year.
 */
import { readFileSync } from "node:fs";
import { chinaDay, chinaTime } from "@onepiao/protocol/values/dates.ts";
import { expect } from "chai";
import { openClock } from "../../sandbox/clock.ts";
import { runDemo } from "../../sandbox/demo.ts";
import { type Sandbox, startSandbox } from "../../sandbox/sandbox.ts";
import { createChainClient } from "../../server/chain/client.ts";
import { startPostgres } from "../../server/db/postgres.ts";
import { startGateway } from "../../server/gateway.ts";
import {
  type CallOptions,
  callAt,
  freshTaxId,
  invoiceOf,
  type Loose,
  must,
  type Reply,
} from "./network.ts";
import { refused } from "./observe.ts";
import { sendLines } from "./support/lines.ts";

const root = new URL("../../", import.meta.url);
const YEAR_SECONDS = 365 * 86_400;
type Shop = { taxId: string; name: string; token: string };

/** Helpers that act as a party of one sandbox. */
function at(network: Sandbox) {
  const ask = (
    method: string,
    path: string,
    body?: unknown,
    options: CallOptions = {},
  ): Promise<Reply> =>
    callAt(network.url, method, path, body, { token: network.bureau.token, ...options });
  async function enrol(name: string, capability: "issuer" | "employer"): Promise<Shop> {
    const taxId = freshTaxId();
    const { account } = await must(
      ask("POST", "/v1/taxpayers", { name, taxId, capabilities: [capability] }),
    );
    const { token } = await must(
      ask("POST", "/v1/api-keys", { account, roles: [capability, "holder"] }),
    );
    return { taxId, name, token };
  }
  const issue = (shop: Shop, issuedAt: string) =>
    ask("POST", "/v1/invoices", invoiceOf(shop, { name: "个人" }, { issuedAt }), {
      token: shop.token,
    });
  return { ask, enrol, issue };
}

/** The time of the chain's last block. */
async function chainTime({ rpcUrl, deployment }: Sandbox): Promise<Date> {
  const chain = createChainClient(rpcUrl, deployment.chainId);
  try {
    return new Date(((await chain.block(await chain.head()))?.time ?? 0) * 1_000);
  } finally {
    chain.close();
  }
}

describe("a sandbox two years ahead", function () {
  this.timeout(120_000);
  let network: Sandbox;
  before(async () => {
    network = await startSandbox({ blockMs: 50, aheadSeconds: 2 * YEAR_SECONDS });
  });
  after(() => network?.stop());

  it("accepts the samples and the quickstart's invoices, which are never stale", async () => {
    const demo = await runDemo(network, () => {});
    expect(demo.faults).deep.equals([]);
    expect(demo.counts.lost).equals(0);
    const { ask } = at(network);
    const { issuer, employer, holder } = demo.keys;
    const quickstart = readFileSync(new URL("docs/quickstart.md", root), "utf8");
    const [, written = ""] =
      /cat > "\$TMP\/invoice\.json" <<END\n([\s\S]*?)\nEND\n/.exec(quickstart) ?? [];
    const values: Record<string, string> = {
      SHOP_ID: issuer.taxId,
      EMPLOYER_ID: employer.taxId,
      HOLDER_ACCOUNT: holder.account,
    };
    const json = written.replaceAll(/\$([A-Z_]+)/g, (_whole, name: string) => values[name] ?? "");
    const invoice = JSON.parse(json) as { seller: object; buyer: object };
    const body = {
      ...invoice,
      seller: { taxId: issuer.taxId, name: issuer.name },
      buyer: { taxId: employer.taxId, name: employer.name },
    };
    expect((await must(ask("POST", "/v1/invoices", body, { token: issuer.token }))).number).matches(
      /^\d{20}$/,
    );
  });

  it("has the same time in gateway, database and chain", async () => {
    const { ask, enrol, issue } = at(network);
    const shop = await enrol("两年后的店", "issuer");
    const months = new Set(
      [chinaDay(network.clock.now()), chinaDay(await chainTime(network))].map((day) =>
        day.slice(0, 7),
      ),
    );
    const quota = await must(
      ask("GET", `/v1/taxpayers/${shop.taxId}/quota`, undefined, { token: shop.token }),
    );
    expect([...months]).includes(quota.period);
    expect(Number(quota.period.slice(0, 4))).equals(
      new Date(Date.now() + 2 * YEAR_SECONDS * 1_000).getUTCFullYear(),
    );
    await must(
      ask("PUT", `/v1/taxpayers/${shop.taxId}/quota`, { period: quota.period, granted: "1000.00" }),
    );
    const { first } = await must(
      ask("POST", `/v1/taxpayers/${shop.taxId}/segments`, { length: 10 }),
    );
    expect(first.slice(0, 2)).equals(quota.period.slice(2, 4));
    const { number } = await must(issue(shop, chinaTime(network.clock.now())));
    const { items } = await must(ask("GET", `/v1/events?number=${number}`));
    expect(items[0].at.slice(0, 4)).equals(quota.period.slice(0, 4));
    // By the machine's own clock this date is two years ahead. One day later it is ahead here too.
    refused(
      await issue(shop, chinaTime(new Date(network.clock.now().getTime() + 86_400_000))),
      "invalid-document",
      {
        field: "/issuedAt",
        rule: "issued-ahead",
      },
    );
  });

  it("is refused by a real network's gateway, and its clock never goes back", async () => {
    const network2 = { ...network.deployment, network: "a-real-one" };
    const failed = await startGateway(network.config, network2).then(
      () => undefined,
      (cause: Error) => cause.message,
    );
    expect(failed).matches(/clock of its own/);
    const back = new Date(network.clock.now().getTime() - 60_000);
    expect(await network.clock.moveTo(back).catch((cause: Error) => cause.name)).equals(
      "RangeError",
    );
  });

  it("with the machine's time keeps the machine's time", async () => {
    const postgres = await startPostgres();
    try {
      const clock = await openClock({
        databaseUrl: postgres.url,
        rpcUrl: network.rpcUrl,
        aheadSeconds: 0,
      });
      const later = new Date(Date.now() + 86_400_000);
      expect(await clock.moveTo(later).catch((cause: Error) => cause.name)).equals("RangeError");
      for (const aheadSeconds of [-1, 0.5, Number.NaN, 1e12])
        expect(
          await openClock({
            databaseUrl: postgres.url,
            rpcUrl: network.rpcUrl,
            aheadSeconds,
          }).catch((cause: Error) => cause.name),
        ).equals("RangeError");
    } finally {
      await postgres.close();
    }
  });
});

describe("New Year's Eve, and the bounds on an invoice's time", function () {
  this.timeout(120_000);
  const year = new Date().getUTCFullYear() + 1;
  const [old, young] = [String(year).slice(2), String(year + 1).slice(2)];
  const midnight = new Date(`${year + 1}-01-01T00:00:00+08:00`);
  let network: Sandbox;
  let shop: Shop;
  let firm: Shop;
  before(async () => {
    // half an hour before midnight in China; in UTC it is the afternoon
    const aheadSeconds = Math.round((midnight.getTime() - Date.now()) / 1_000) - 1_800;
    network = await startSandbox({
      blockMs: 50,
      aheadSeconds,
      settings: { ISSUE_BACK_DAYS: "31" },
    });
    const { ask, enrol } = at(network);
    [shop, firm] = [await enrol("跨年的店", "issuer"), await enrol("跨年公司", "employer")];
    await must(
      ask("PUT", `/v1/taxpayers/${shop.taxId}/quota`, { period: `${year}-12`, granted: "1000.00" }),
    );
    expect(
      (await must(ask("POST", `/v1/taxpayers/${shop.taxId}/segments`, { length: 20 }))).first.slice(
        0,
        2,
      ),
    ).equals(old);
  });
  after(() => network?.stop());

  const minutes = (count: number) =>
    chinaTime(new Date(network.clock.now().getTime() + count * 60_000));

  it("a time more than ten minutes ahead or 31 days back is refused, in the terms of each format", async () => {
    const { ask, issue } = at(network);
    const DAY = 1_440;
    for (const [time, rule] of [
      ["9999-12-31T23:59:59+08:00", "issued-ahead"],
      ["2099-01-01T00:00:00+08:00", "issued-ahead"],
      [minutes(DAY), "issued-ahead"],
      [minutes(12), "issued-ahead"],
      [minutes(-32 * DAY), "issued-long-ago"],
      ["1970-01-01T00:00:00Z", "issued-long-ago"],
      ["0001-01-01T00:00:00Z", "issued-long-ago"],
    ] as const) {
      refused(await issue(shop, time), "invalid-document", { field: "/issuedAt", rule });
      const { results } = await sendLines(
        `${network.url}/v1/invoices/batch`,
        [invoiceOf(shop, { name: "个人" }, { issuedAt: time })],
        shop,
      );
      expect(results[0].problem.errors[0]).includes({ field: "/issuedAt", rule });
    }
    const xml = (time: string) =>
      readFileSync(new URL("samples/shudian/06-scenic-person.xml", root), "utf8")
        .replace(/<SellerIdNum>[^<]*/, `<SellerIdNum>${shop.taxId}`)
        .replace(/<SellerName>[^<]*/, `<SellerName>${shop.name}`)
        .replace(/<RequestTime>[^<]*/, `<RequestTime>${time}`);
    const ubl = (day: string) =>
      readFileSync(new URL("samples/ubl/01-two-rates.xml", root), "utf8")
        .replaceAll("EUR", "CNY")
        .replace("DE811223344", shop.taxId)
        .replace("Nordlicht Bürobedarf GmbH", shop.name)
        .replace(/<cac:AccountingCustomerParty>[\s\S]*<\/cac:AccountingCustomerParty>/, (buyer) =>
          buyer
            .replace(/<cbc:CompanyID>[^<]*/, `<cbc:CompanyID>${firm.taxId}`)
            .replace(/<cbc:RegistrationName>[^<]*/, `<cbc:RegistrationName>${firm.name}`),
        )
        .replace(/<cbc:IssueDate>[^<]*/, `<cbc:IssueDate>${day}`);
    const send = (body: string) =>
      ask("POST", "/v1/invoices", body, { token: shop.token, type: "application/xml" });
    const request = "/EInvoice/EInvoiceData/BasicInformation/RequestTime";
    refused(await send(xml(`${year + 2}-01-01 00:00:00`)), "invalid-document", {
      field: request,
      rule: "issued-ahead",
    });
    refused(await send(xml(`${year - 1}-01-01 00:00:00`)), "invalid-document", {
      field: request,
      rule: "issued-long-ago",
    });
    refused(await send(ubl(`${year + 1}-01-02`)), "invalid-document", {
      field: "/Invoice/cbc:IssueDate",
      rule: "issued-ahead",
    });
    refused(await send(ubl(`${year - 1}-01-02`)), "invalid-document", {
      field: "/Invoice/cbc:IssueDate",
      rule: "issued-long-ago",
    });
    // no row of the refused invoices is left
    expect(
      (await must(ask("GET", "/v1/invoices", undefined, { token: shop.token }))).items,
    ).deep.equals([]);
  });

  it("an invoice issued elsewhere is not in the future, not before 2000, and agrees with its number", async () => {
    const { ask } = at(network);
    const seller = { taxId: freshTaxId(), name: "网外的店" };
    let serial = 0;
    const numberOf = (yy: string) => `${yy}442000000000${String(900_000 + ++serial)}`;
    const register = (issuedAt: string, sourceId: string, by = seller, currency = "CNY") =>
      ask(
        "POST",
        "/v1/external-invoices",
        invoiceOf(by, { name: "个人" }, { issuedAt, sourceId, currency }),
        { token: firm.token },
      );
    refused(await register(minutes(12), "T-1"), "invalid-document", {
      field: "/issuedAt",
      rule: "issued-ahead",
    });
    refused(await register("1999-12-31T23:59:59+08:00", "T-2"), "invalid-document", {
      field: "/issuedAt",
      rule: "issued-before-2000",
    });
    // 20 digits that begin with 0 or 1 are an older invoice's code and number, which have no year
    refused(await register("2001-02-03T10:00:00+08:00", numberOf("21")), "invalid-document", {
      field: "/sourceId",
      rule: "number-year",
    });
    refused(await register(`${year}-02-03T10:00:00+08:00`, numberOf(young)), "invalid-document", {
      field: "/sourceId",
      rule: "number-year",
    });
    // in China the new year has begun, in UTC it has not
    refused(
      await register(`${year - 1}-12-31T16:00:00Z`, numberOf(String(year - 1).slice(2))),
      "invalid-document",
      {
        rule: "number-year",
        field: "/sourceId",
      },
    );
    await must(register(`${year - 1}-12-31T16:00:00Z`, numberOf(old)));
    await must(register(`${year - 1}-12-31T15:59:59Z`, numberOf(String(year - 1).slice(2))));
    // twenty digits of another country, in another currency, are not a national number
    await must(
      register(
        `${year}-02-03T10:00:00+08:00`,
        numberOf("77"),
        { taxId: "DE811223344", name: "Nordlicht GmbH" },
        "EUR",
      ),
    );

    const xml = (number: string, request: string, day: string) =>
      readFileSync(new URL("samples/shudian/06-scenic-person.xml", root), "utf8")
        .replaceAll("26532000000000700006", number)
        .replace(/<RequestTime>[^<]*/, `<RequestTime>${request}`)
        .replace(/<IssueTime>[^<]*/, `<IssueTime>${day}`);
    const send = (...parts: [number: string, request: string, day: string]) =>
      ask("POST", "/v1/external-invoices", xml(...parts), {
        token: firm.token,
        type: "application/xml",
      });
    const [numberField, dayField] = [
      "/EInvoice/TaxSupervisionInfo/InvoiceNumber",
      "/EInvoice/TaxSupervisionInfo/IssueTime",
    ];
    refused(
      await send(numberOf(old), `${year}-05-01 10:00:00`, `${year - 1}-05-01`),
      "invalid-document",
      { field: dayField, rule: "request-year" },
    );
    refused(
      await send(numberOf(old), `${year}-05-01 10:00:00`, `${year + 1}-05-01`),
      "invalid-document",
      { field: dayField, rule: "issued-ahead" },
    );
    refused(
      await send(numberOf(young), `${year}-05-01 10:00:00`, `${year}-05-01`),
      "invalid-document",
      { field: numberField, rule: "number-year" },
    );
    // requested on New Year's Eve, issued on New Year's Day
    await must(send(numberOf(old), `${year - 1}-12-31 23:59:58`, `${year}-01-01`));
  });

  it("a red letter is not older than its original", async () => {
    const { ask, issue } = at(network);
    const time = minutes(-60);
    const { number } = await must(issue(shop, time));
    const { lines, totals, ...rest } = invoiceOf(shop, { name: "个人" });
    const minus = (text: string) => `-${text}`;
    const red = (issuedAt: string) => ({
      ...rest,
      issuedAt,
      lines: lines.map((line) => ({
        ...line,
        quantity: "-1",
        amount: minus(line.amount),
        tax: minus(line.tax),
      })),
      totals: { net: minus(totals.net), tax: minus(totals.tax), gross: minus(totals.gross) },
      reverses: { number },
    });
    const send = (issuedAt: string) =>
      ask("POST", "/v1/invoices", red(issuedAt), { token: shop.token });
    refused(await send(minutes(-61)), "red-letter-refused", {
      field: "/issuedAt",
      rule: "not-before-original",
    });
    refused(await send(minutes(12)), "invalid-document", {
      field: "/issuedAt",
      rule: "issued-ahead",
    });
    expect((await must(send(time))).number).matches(/^\d{20}$/);
  });

  it("at midnight in China the quota's month and the numbers' year change, and earlier sales may still be issued", async () => {
    const { ask, issue } = at(network);
    const before = await must(issue(shop, minutes(0)));
    expect(before.number.slice(0, 2)).equals(old);
    await network.clock.moveTo(new Date(midnight.getTime() + 1_000));
    expect((await chainTime(network)).getTime()).least(midnight.getTime());
    const quota = await must(
      ask("GET", `/v1/taxpayers/${shop.taxId}/quota`, undefined, { token: shop.token }),
    );
    expect(quota).deep.includes({ period: `${year + 1}-01`, granted: "0.00" });
    const sold = `${year}-12-31T15:59:59Z`;
    refused(await issue(shop, sold), "quota-exceeded");
    await must(
      ask("PUT", `/v1/taxpayers/${shop.taxId}/quota`, {
        period: `${year + 1}-01`,
        granted: "1000.00",
      }),
    );
    // the remaining numbers of the old year's series are used first
    expect((await must(issue(shop, sold))).number.slice(0, 2)).equals(old);
    const { first } = await must(
      ask("POST", `/v1/taxpayers/${shop.taxId}/segments`, { length: 20 }),
    );
    expect(first.slice(0, 2)).equals(young);
    const used = async (period: string): Promise<Loose> =>
      (
        await must(
          ask("GET", `/v1/taxpayers/${shop.taxId}/quota?period=${period}`, undefined, {
            token: shop.token,
          }),
        )
      ).used;
    expect([await used(`${year}-12`), await used(`${year + 1}-01`)]).deep.equals([
      "200.00",
      "200.00",
    ]);
  });
});
