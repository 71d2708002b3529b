/**
 * The directory of taxpayers: loading it line by line, what a load that was cut leaves, and the
 * search for a company.
 */
import { expect } from "chai";
import { openDb } from "../../server/db/db.ts";
import { createDirectory } from "../../server/features/parties/directory.ts";
import { createTaxpayers } from "../../server/features/parties/taxpayers.ts";
import { openVault } from "../../server/keys/vault.ts";
import {
  call,
  freshTaxId,
  type Loose,
  must,
  sandbox,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { database, refused } from "./observe.ts";
import { openLines, sendLines } from "./support/lines.ts";
import { during, unwatchPlans, watchPlans } from "./support/plans.ts";
import { until } from "./support/proxy.ts";

const PATH = "/v1/taxpayers/directory";
const csv = { "content-type": "text/csv" };
/** Company names of this run alone. */
const mark = `${Date.now()}`.slice(-6);

describe("directory of taxpayers", function () {
  this.timeout(120_000);
  let url: string;
  let bureau: { token: string };
  let shop: TestParty;

  before(async () => {
    const place = await sandbox();
    url = `${place.url}${PATH}`;
    bureau = place.bureau;
    shop = await taxpayer("查册小店", ["issuer"]);
  });

  const load = (lines: Iterable<unknown>, headers: Record<string, string> = {}) =>
    sendLines(url, lines, { token: bureau.token, headers });
  const search = async (query: Record<string, string>): Promise<Loose> =>
    must(call("GET", `${PATH}?${new URLSearchParams(query)}`, undefined, { token: shop.token }));
  const rows = (count: number, name: string) =>
    Array.from({ length: count }, (_, i) => ({ taxId: freshTaxId(), name: `${name}${i}有限公司` }));
  const stored = async (companies: readonly { taxId: string }[]): Promise<number> => {
    const [row] = await (await database())<
      { count: number }[]
    >`select count(*)::int as count from directory where tax_id = any(${companies.map(({ taxId }) => taxId)}::text[])`;
    return row?.count ?? 0;
  };

  it("a load stores each company, and the same load again changes nothing", async () => {
    const companies = rows(6_000, `甲${mark}`);
    const first = await load(companies);
    expect(first.results).deep.equals([]);
    expect(first.last).deep.equals({ done: true, stored: 6_000, changed: 6_000, refused: 0 });
    expect(await stored(companies)).equals(6_000);
    const again = await load(companies);
    expect(again.last).deep.equals({ done: true, stored: 6_000, changed: 0, refused: 0 });
  });

  it("each bad line is named by number, field and rule; the good ones are stored", async () => {
    const [good, renamed] = rows(2, `乙${mark}`) as [Loose, Loose];
    const wrong = `${good.taxId.slice(0, 17)}${good.taxId.endsWith("0") ? "1" : "0"}`;
    const { results, last } = await load([
      good,
      { ...good, taxId: wrong },
      "{not json",
      "",
      { taxId: renamed.taxId },
      { ...renamed, phone: "1" },
      { ...renamed, name: "反\u202e向" },
      Buffer.from([0x7b, 0xff]).toString("latin1"),
      { ...renamed, name: "长".repeat(201) },
      { taxId: renamed.taxId, name: "x".repeat(5_000) },
      { ...renamed, name: `${renamed.name}甲` },
      renamed,
    ]);
    const errors = (result: Loose) => [
      result.line,
      result.problem.code,
      ...(result.problem.errors ?? []).map((e: Loose) => `${e.field} ${e.rule}`),
    ];
    expect(results.map(errors)).deep.equals([
      [2, "invalid-request", "/taxId tax-id-check-digit"],
      [3, "malformed-request", " not-json"],
      [5, "invalid-request", "/name required"],
      [6, "invalid-request", "/phone unknown-member"],
      [7, "invalid-request", "/name text-bidi"],
      [8, "malformed-request", " not-json"],
      [9, "invalid-request", "/name too-big"],
      [10, "body-too-large"],
    ]);
    expect(last).deep.equals({ done: true, stored: 3, changed: 2, refused: 8 });
    // of two lines with one tax id the last counts
    expect((await search({ taxId: renamed.taxId })).items).deep.equals([renamed]);
  });

  it("reads CSV: a head in any order, quotes, Chinese column names, a row taken out", async () => {
    const [left, right] = rows(2, `丙${mark}`) as [Loose, Loose];
    const first = await load(
      [
        "\ufeff纳税人名称,统一社会信用代码",
        `"丙${mark},引号""有限公司",${left.taxId}`,
        `${right.name},${right.taxId.toLowerCase()}`,
        `未闭合"引号,${right.taxId}`,
        `${right.name}`,
        `${right.name},91440300MA`,
      ],
      csv,
    );
    expect(
      first.results.map((r) => [r.line, r.problem.errors[0].field, r.problem.errors[0].rule]),
    ).deep.equals([
      [4, "", "csv-quotes"],
      [5, "", "csv-fields"],
      [6, "统一社会信用代码", "tax-id-format"],
    ]);
    expect(first.last).deep.equals({ done: true, stored: 2, changed: 2, refused: 3 });
    expect((await search({ taxId: left.taxId })).items[0].name).equals(`丙${mark},引号"有限公司`);

    const second = await load(
      ["taxId,name,removed", `${left.taxId},,true`, `${right.taxId},,maybe`],
      csv,
    );
    expect(second.results.map((r) => [r.line, r.problem.errors[0].field])).deep.equals([
      [3, "removed"],
    ]);
    expect(second.last).deep.equals({ done: true, stored: 1, changed: 1, refused: 1 });
    expect(await stored([left, right])).equals(1);
  });

  it("a CSV without its columns ends at once, and nothing is stored", async () => {
    const company = rows(1, `丁${mark}`)[0] as Loose;
    const { results, last } = await load(["名称,电话", `${company.name},1`], csv);
    expect(
      results.map((r) => [r.line, r.problem.errors[0].field, r.problem.errors[0].rule]),
    ).deep.equals([[1, "电话", "csv-column"]]);
    expect(last).deep.include({ done: false, stored: 0, refused: 1 });
    expect(last.problem.code).equals("malformed-request");
    expect(await stored([company])).equals(0);
  });

  it("a load that is cut leaves whole batches, and the same load again stores the rest", async () => {
    const companies = rows(12_000, `戊${mark}`);
    const lines = openLines(url, { token: bureau.token });
    await lines.send(companies.slice(0, 11_000));
    await until("two batches are stored", async () => (await stored(companies)) === 10_000);
    lines.cut();
    await lines.closed;
    const again = await sendLines(url, companies, { token: bureau.token, key: lines.key });
    expect(again.last).deep.equals({ done: true, stored: 12_000, changed: 2_000, refused: 0 });
    expect(await stored(companies)).equals(12_000);
  });

  it("is found by the beginning and by a part of its name in any spelling, and by its tax id", async () => {
    const taxId = freshTaxId();
    const name = `浙江星河${mark}ＡＢＣ（精密）制造有限公司`;
    await load([{ taxId, name }]);
    for (const part of [
      `浙江星河${mark}`,
      `星河${mark}a`,
      `${mark}abc(精密`,
      `${mark} ABC`,
      name.slice(2),
    ])
      expect((await search({ name: part })).items, part).deep.equals([{ taxId, name }]);
    expect((await search({ taxId: taxId.toLowerCase() })).items).deep.equals([{ taxId, name }]);
    expect((await search({ taxId: taxId.slice(0, 17) })).items).deep.include({ taxId, name });
    expect((await search({ name: `${mark}制造` })).items).deep.equals([]);
  });

  it("shows as many as are asked for, and says that there are more", async () => {
    await load(rows(30, `庚${mark}号`));
    const { items, more } = await search({ name: `${mark}号`, limit: "10" });
    expect([items.length, more]).deep.equals([10, true]);
    expect((await search({ name: `庚${mark}号29` })).more).equals(false);
  });

  it("a company that is enrolled has the name of its enrolment, listed or not", async () => {
    const firm = await taxpayer(`辛${mark}现名有限公司`, ["employer"]);
    const named = { taxId: firm.taxId, name: firm.name };
    expect((await search({ taxId: firm.taxId })).items).deep.equals([named]);
    await load([{ taxId: firm.taxId, name: `辛${mark}旧名有限公司` }]);
    expect((await search({ name: `辛${mark}旧名` })).items).deep.equals([named]);
  });

  it("refuses a search for nothing, for both, and for a piece of a tax id", async () => {
    const ask = (query: string) =>
      call("GET", `${PATH}?${query}`, undefined, { token: shop.token });
    for (const query of ["", "name=%E6%B5%99&taxId=9144"])
      refused(await ask(query), "invalid-request", { field: "?name", rule: "name-or-tax-id" });
    refused(await ask("taxId=914"), "invalid-request", { field: "?taxId", rule: "format" });
    refused(await ask("name=%20"), "invalid-request", { field: "?name", rule: "empty-text" });
  });

  it("a revoked key stores nothing more of its load", async () => {
    const { account } = (await sandbox()).bureau;
    const key = await must(call("POST", "/v1/api-keys", { account, roles: ["bureau"] }));
    const companies = rows(11_000, `壬${mark}`);
    const lines = openLines(url, { token: key.token });
    await lines.send(companies.slice(0, 5_500));
    await until("a batch is stored", async () => (await stored(companies)) === 5_000);
    await must(call("DELETE", `/v1/api-keys/${key.id}`));
    await lines.send(companies.slice(5_500));
    lines.end();
    const last = (await lines.all()).at(-1);
    expect([last.done, last.problem.code]).deep.equals([false, "unauthenticated"]);
    expect(await stored(companies)).equals(5_000);
  });

  describe("among many", () => {
    it("a search reads few rows, of rare names and of common ones", async () => {
      const { databaseUrl, config } = await sandbox();
      await load(rows(20_000, `癸${mark}常见`));
      await (await database())`analyze directory`;
      await watchPlans(await database(), "for their values");
      const sql = openDb(databaseUrl, { connections: 1 });
      try {
        const taxpayers = createTaxpayers({ vault: await openVault(sql, config.MASTER_KEY) });
        const directory = createDirectory({ sql, taxpayers });
        const asked: [string, { name: string } | { taxId: string }][] = [
          ["rare", { name: `${mark}常见19999` }],
          ["common", { name: "有限公司" }],
          ["beginning", { name: `癸${mark}` }],
          ["tax id", { taxId: "9144" }],
          ["none", { name: "绝无此名" }],
        ];
        for (const [label, query] of asked) {
          const statements = await during(() => directory.search(sql, query, 20));
          expect(statements, label).not.lengthOf(0);
          for (const { statement, rows: read, scans, plan } of statements) {
            const text = `${label}: ${statement}\n${plan}`;
            expect(scans, text).not.include("directory");
            expect(read, text).most(250);
          }
        }
      } finally {
        await sql.end();
        await unwatchPlans(await database());
      }
    });
  });
});
