/**
 * The bureau's area: a live dashboard that agrees with /v1/stats, and everything that the bureau
 * does.
 */

import { expect } from "chai";
import type { Page } from "playwright-core";
import { type Api, refusalOf } from "../../clients/typescript/index.ts";
import { startTraffic } from "../../sandbox/traffic.ts";
import { openDb } from "../../server/db/db.ts";
import { fitsItsWidth, isAccessible, issueTo, newPerson, open, shot, stage } from "./fixture.ts";

type Loose = any;

const digits = "0123456789ABCDEFGHJKLMNPQRTUWXY";
/** A tax id with a valid check digit. */
function freshTaxId(): string {
  const body = `91440300MA${String(Math.floor(Math.random() * 10_000_000)).padStart(7, "0")}`;
  const sum = [...body].reduce(
    (total, digit, i) => total + digits.indexOf(digit) * (3 ** i % 31),
    0,
  );
  return body + digits[(31 - (sum % 31)) % 31];
}

const bureauKey = async () => (await stage()).sandbox.bureau.token;

async function stats(query: Api["GET /v1/stats/invoices"]["query"]): Promise<Loose> {
  const { client } = await stage();
  return (await client("GET /v1/stats/invoices", { query, token: await bureauKey() })).body;
}

/** Looks again until `look` returns a value. */
async function until<T>(
  expectation: string,
  look: () => Promise<T | undefined | false>,
  milliseconds = 15_000,
): Promise<T> {
  for (const end = Date.now() + milliseconds; ; ) {
    const value = await look();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end)
      throw new Error(`It did not come about in ${milliseconds} ms: ${expectation}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** The digits of a figure on the dashboard. */
const figure = async (page: Page, name: string): Promise<string> =>
  ((await page.locator(`[data-figure=${name}] .figure-value`).textContent()) ?? "").replaceAll(
    /[^\d.-]/g,
    "",
  );
const today = async (): Promise<{
  invoices: string;
  gross: string;
  refused: string;
  reimbursed: string;
}> => {
  const from = new Date(Date.now() - 60_000).toISOString();
  const { totals, buckets } = await stats({ grain: "day", from });
  const acts = buckets.at(-1)?.acts ?? {};
  return {
    invoices: String(totals.invoices),
    gross: totals.amounts.find((amount: Loose) => amount.currency === "CNY")?.gross ?? "0.00",
    refused: String(acts.refused ?? 0),
    reimbursed: String(acts.reimbursed ?? 0),
  };
};
const agrees = (page: Page) =>
  until("the dashboard says what /v1/stats says", async () => {
    const figures = await today();
    for (const [name, value] of Object.entries(figures))
      if ((await figure(page, name)) !== value) return undefined;
    return figures;
  });

describe("the bureau", function () {
  this.timeout(90_000);

  before(async () => {
    const { sandbox } = await stage();
    const traffic = startTraffic({ url: sandbox.url, bureau: sandbox.bureau.token, everyMs: 20 });
    await until(
      "there is something to look at",
      async () =>
        traffic.counts.issued > 80 && traffic.counts.doubles > 1 && traffic.counts.rejected > 0,
      80_000,
    );
    await traffic.stop();
    expect(traffic.faults).to.deep.equal([]);
  });

  for (const [language, dark, width] of [
    ["zh-CN", false, 1280],
    ["en-US", true, 1280],
    ["zh-CN", true, 360],
    ["en-US", false, 360],
  ] as const) {
    it(`sees a dashboard that agrees with /v1/stats (${language}, ${dark ? "dark" : "light"}, ${width} px)`, async () => {
      const page = await open("/bureau", { key: await bureauKey(), language, dark, width });
      await page
        .getByRole("heading", { level: 1, name: language === "zh-CN" ? "总览" : "Dashboard" })
        .waitFor();
      await agrees(page);
      await page.locator("canvas").nth(5).waitFor();
      await fitsItsWidth(page);
      await isAccessible(page);
      await shot(page, `bureau-dashboard-${language}-${dark ? "dark" : "light"}-${width}`);
    });
  }

  it("sees what happens as it happens: an invoice, its claim, its reimbursement, and a second attempt that opens", async () => {
    const { client, demo } = await stage();
    const page = await open("/bureau", { key: await bureauKey(), language: "en-US" });
    const before = await agrees(page);
    const holder = await newPerson("何其多");
    const { number } = await issueTo(holder);
    await until(
      "the invoice is counted",
      async () => (await figure(page, "invoices")) === String(Number(before.invoices) + 1),
    );
    expect(Number(await figure(page, "gross"))).to.be.closeTo(Number(before.gross) + 200, 0.001);
    const { employer } = demo.keys;
    const claim = () =>
      client.done("POST /v1/claims", {
        body: { employer: employer.taxId, invoices: [number] },
        token: holder.token,
      });
    const { id } = (await claim()).body;
    await client.done("POST /v1/claims/{id}/reimburse", { params: { id }, token: employer.token });
    expect((await refusalOf(claim()))?.status).to.equal(409);
    await until(
      "both are there",
      async () => (await figure(page, "refused")) === String(Number(before.refused) + 1),
    );
    await agrees(page);
    const latest = page.locator(".refusals .refusal").first();
    await latest.and(page.locator(".refusal-fresh")).waitFor();
    await latest.getByRole("button").click();
    const drawer = page.getByRole("dialog", { name: "Duplicate claim stopped" });
    await drawer.getByText("A holder claimed it again").waitFor();
    const drawerText = (await drawer.textContent()) ?? "";
    expect(drawerText)
      .to.contain(employer.name)
      .and.contain("same employer as the first time")
      .and.contain("already-reimbursed");
    await isAccessible(page);
    await shot(page, "bureau-refusal");
    await drawer.getByRole("link", { name: "View invoice and history" }).click();
    await page.waitForURL(`**/bureau/invoice/${number}`);
    await page.getByText("Second reimbursement refused").waitFor();
    for (const text of ["Sealed on the chain", "Claimed and locked", "Reimbursed"])
      await page.getByText(text, { exact: true }).first().waitFor();
    // the look itself is a read, and is shown
    await page.getByRole("heading", { name: "Read log" }).waitFor();
    await page.getByRole("cell", { name: "document" }).first().waitFor();
    await isAccessible(page);
    await shot(page, "bureau-invoice");
  });

  it("continues without a reload after the gateway has restarted", async () => {
    const { sandbox } = await stage();
    const page = await open("/bureau", {
      key: await bureauKey(),
      language: "en-US",
      expected: /ERR_|Failed to load|fetch/,
    });
    await page.getByRole("status", { name: "Live" }).waitFor();
    const before = await agrees(page);
    await sandbox.gateway.stop();
    await page.getByText("Connection lost. Reconnecting").waitFor();
    // the earlier rows stay
    expect(await figure(page, "invoices")).to.equal(before.invoices);
    await isAccessible(page);
    await shot(page, "bureau-offline");
    await sandbox.restart();
    await page.getByRole("status", { name: "Live" }).waitFor({ timeout: 40_000 });
    await issueTo(await newPerson("何其少"));
    await until(
      "it is counted",
      async () => (await figure(page, "invoices")) === String(Number(before.invoices) + 1),
      30_000,
    );
    await agrees(page);
  });

  it("draws by hour, by amount, and shows every chart as a table, by keyboard", async () => {
    const page = await open("/bureau", { key: await bureauKey(), language: "en-US" });
    await agrees(page);
    await page.getByText("hour", { exact: true }).click();
    await page.getByText("Last 48 hours").first().waitFor();
    await page.getByText("Amount", { exact: true }).first().click();
    for (const title of [
      "Invoices issued",
      "By region",
      "By industry",
      "Top issuers",
      "Flow of invoices",
    ]) {
      const button = page.getByRole("button", { name: `${title}: Show table` });
      await button.focus();
      await page.keyboard.press("Enter");
      await page.getByRole("region", { name: title }).getByRole("table").waitFor();
    }
    const { regions } = await stats({ grain: "hour" });
    const row = page
      .getByRole("region", { name: "By region" })
      .getByRole("row", { name: /Guangdong/ });
    const guangdong = regions.find((region: Loose) => region.region === "44");
    expect(await row.getByRole("cell").nth(1).textContent()).to.equal(String(guangdong.documented));
    await isAccessible(page);
    await shot(page, "bureau-tables");
  });

  for (const [language, width] of [
    ["zh-CN", 1280],
    ["en-US", 360],
  ] as const) {
    it(`enrols a taxpayer, gives it quota and numbers, suspends and reinstates it (${language}, ${width} px)`, async () => {
      const zh = language === "zh-CN";
      const say = (chinese: string, english: string) => (zh ? chinese : english);
      const page = await open("/bureau/taxpayers", { key: await bureauKey(), language, width });
      const name = `${say("测试小馆", "Trial Diner")} ${width}`;
      const taxId = freshTaxId();
      await page.getByRole("button", { name: say("登记纳税人", "Enrol a taxpayer") }).click();
      const drawer = page.getByRole("dialog", { name: say("登记纳税人", "Enrol a taxpayer") });
      const enrol = drawer.getByRole("button", { name: say("登记纳税人", "Enrol a taxpayer") });
      await drawer.getByLabel(say("单位名称", "Name")).fill(name);
      await drawer
        .getByLabel(/税号|Tax ID/)
        .fill(`${taxId.slice(0, 17)}${taxId.endsWith("0") ? "1" : "0"}`);
      await enrol.click();
      // the page shows the refusal with its field and code
      await drawer.getByRole("alert").filter({ hasText: "/taxId" }).waitFor();
      await drawer.getByLabel(/税号|Tax ID/).fill(taxId);
      await isAccessible(page);
      await fitsItsWidth(page);
      await shot(page, `bureau-enrol-${language}`);
      await enrol.click();
      await drawer
        .getByText(say("已登记，链上编号", "Enrolled as number"))
        .waitFor({ timeout: 30_000 });
      await drawer.getByRole("button", { name: say("创建 API 密钥", "Create an API key") }).click();
      await drawer
        .getByText(say("这把管理员密钥只显示这一次", "This administrator's key is shown only once"))
        .waitFor();
      const key = ((await drawer.locator("code").textContent()) ?? "").trim();
      await drawer.getByRole("link", { name: new RegExp(name) }).click();
      await page.waitForURL(`**/bureau/taxpayers/${taxId}`);

      await page.getByLabel(say("价税合计上限（元）", "Limit on totals issued")).fill("5000.5");
      await page.getByRole("button", { name: say("设定额度", "Set quota") }).click();
      const confirm = page.getByRole("dialog").filter({ hasText: "5,000.50" });
      await confirm.getByRole("button", { name: say("设定额度", "Set quota") }).click();
      await until(
        "the quota is set",
        async () => (await page.locator("[data-quota=granted]").textContent()) === "¥5,000.50",
        30_000,
      );

      await page.getByRole("button", { name: say("分配号段", "Allot segment") }).click();
      const final = page.getByRole("dialog").filter({ hasText: "10" });
      await final
        .getByText(say("此操作不可撤销", "cannot be undone"), { exact: false })
        .first()
        .waitFor();
      await final.getByRole("button", { name: say("分配号段", "Allot segment") }).click();
      await page.getByRole("cell", { name: "10,000" }).waitFor({ timeout: 30_000 });
      await isAccessible(page);
      await fitsItsWidth(page);
      await shot(page, `bureau-taxpayer-${language}`);

      // with its key it may issue now; suspended it may not
      const { client } = await stage();
      const standing = async () =>
        (await client("GET /v1/taxpayers/{taxId}", { params: { taxId }, token: key })).body
          .standing;
      expect(await standing()).to.equal("active");
      await page.getByRole("button", { name: say("暂停", "Suspend"), exact: true }).click();
      const sure = page.getByRole("dialog").filter({ hasText: name });
      await isAccessible(page);
      await shot(page, `bureau-suspend-${language}`);
      // the safe button has the focus
      await page.keyboard.press("Enter");
      await sure.waitFor({ state: "hidden" });
      expect(await standing()).to.equal("active");
      await page.getByRole("button", { name: say("暂停", "Suspend"), exact: true }).click();
      await page
        .getByRole("dialog")
        .filter({ hasText: name })
        .getByRole("button", { name: say("暂停", "Suspend"), exact: true })
        .click();
      await page
        .getByRole("button", { name: say("恢复", "Reinstate"), exact: true })
        .waitFor({ timeout: 30_000 });
      expect(await standing()).to.equal("suspended");
      await page.getByRole("button", { name: say("恢复", "Reinstate"), exact: true }).click();
      await page
        .getByRole("dialog")
        .filter({ hasText: name })
        .getByRole("button", { name: say("恢复", "Reinstate"), exact: true })
        .click();
      await page
        .getByRole("button", { name: say("暂停", "Suspend"), exact: true })
        .waitFor({ timeout: 30_000 });
      expect(await standing()).to.equal("active");
    });
  }

  it("finds any invoice by its number, and says so when there is none", async () => {
    const { number } = await issueTo(await newPerson("寻常"));
    const page = await open("/bureau/invoice", { key: await bureauKey(), width: 360 });
    const field = page.getByLabel("发票号码（20 位）");
    await field.fill("123");
    await field.press("Enter");
    await page.getByText("请输入 20 位发票号码").waitFor();
    await isAccessible(page);
    await field.fill(number.replace(/(.{5})/g, "$1 "));
    await field.press("Enter");
    await page.waitForURL(`**/bureau/invoice/${number}`);
    await page.getByRole("cell", { name: "*餐饮服务*餐费" }).waitFor();
    await fitsItsWidth(page);
    await isAccessible(page);
    await shot(page, "bureau-invoice-phone");
    await page.goto("/bureau/invoice/99999999999999999999");
    await page.getByRole("alert").filter({ hasText: "not-found" }).waitFor();
  });

  it("reads all refused attempts page by page, and the list of taxpayers", async () => {
    const page = await open("/bureau/refusals", { key: await bureauKey(), dark: true });
    await page.locator(".refusal").first().waitFor();
    await isAccessible(page);
    await shot(page, "bureau-refusals");
    await page.getByRole("link", { name: "纳税人" }).click();
    await page.getByRole("cell", { name: "上海弄堂里咖啡有限公司" }).waitFor();
    await isAccessible(page);
    await shot(page, "bureau-taxpayers");
  });

  it("sees the auditor's findings, or that there are none", async () => {
    const { sandbox, demo } = await stage();
    const page = await open("/bureau/audit", { key: await bureauKey() });
    await page.getByText("没有发现问题").waitFor();
    await page.getByRole("cell", { name: demo.keys.issuer.name }).waitFor();
    await isAccessible(page);
    await shot(page, "bureau-audit");
    // somebody has put a finding there: an issuer that has issued more than it drew
    const sql = openDb(sandbox.databaseUrl, { connections: 1 });
    const [issuer] = await sql<
      { index: number }[]
    >`select index from taxpayers where account = ${demo.keys.issuer.account}`;
    await sql`insert into audit_findings (kind, issuer, subject) values ('documents-differ', ${issuer?.index ?? 0}, 26442000000000000001)`;
    try {
      const other = await open("/bureau", {
        key: await bureauKey(),
        language: "en-US",
        width: 360,
      });
      await other
        .getByRole("alert")
        .filter({ hasText: "The auditor reports 1 finding" })
        .getByRole("link", { name: "View" })
        .click();
      await other.waitForURL("**/bureau/audit");
      const row = other.getByRole("row", { name: /Documents differ/ });
      await row.getByRole("link", { name: demo.keys.issuer.name }).waitFor();
      await fitsItsWidth(other);
      await isAccessible(other);
      await shot(other, "bureau-audit-phone");
    } finally {
      await sql`delete from audit_findings where kind = 'documents-differ'`;
      await sql.end();
    }
  });

  it("closes the ledger only when it is sure, and opens it again", async () => {
    const { client } = await stage();
    const isOpen = async () =>
      (await client("GET /v1/ledger", { token: await bureauKey() })).body["open"];
    const page = await open("/bureau", { key: await bureauKey(), language: "en-US" });
    await page.getByRole("button", { name: "Close the ledger" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
    expect(await isOpen()).to.equal(true);
    await page.getByRole("button", { name: "Close the ledger" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Close the ledger" }).click();
    await page.getByText("Ledger closed").waitFor({ timeout: 30_000 });
    expect(await isOpen()).to.equal(false);
    await page.getByRole("button", { name: "Reopen the ledger" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Reopen the ledger" }).click();
    await page.getByText("Ledger open", { exact: true }).waitFor({ timeout: 30_000 });
    expect(await isOpen()).to.equal(true);
  });
});
