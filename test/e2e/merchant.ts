/** The issuer's area: by form and by files, to the red letter; quota, webhooks and keys. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chineseFigures } from "@onepiao/protocol/values/money.ts";
import { expect } from "chai";
import type { Page } from "playwright-core";
import { root } from "../../scripts/run.ts";
import { startReceiver } from "../server/support/receiver.ts";
import {
  drawn,
  fitsItsWidth,
  isAccessible,
  issueTo,
  newPerson,
  open,
  shot,
  stage,
} from "./fixture.ts";

type Loose = any;
const key = async () => (await stage()).demo.keys.issuer.token;
const grouped = (number: string) => number.replace(/^(\d{5})(\d{5})(\d{5})(\d{5})$/, "$1 $2 $3 $4");
const yes = (page: Page, name: string) =>
  page.getByRole("dialog").getByRole("button", { name, exact: true }).click();
const read = async (number: string) => {
  const { client } = await stage();
  return (await client("GET /v1/invoices/{number}", { params: { number }, token: await key() }))
    .body;
};
/** What the pages show is looked at as it stands, after the library's movements. */
async function looked(page: Page, name: string): Promise<void> {
  await page.evaluate(() => window.scrollTo(0, 0));
  await fitsItsWidth(page);
  await isAccessible(page);
  await shot(page, name);
}
const sample = (path: string) => readFileSync(join(root, "samples", path));
const shownNumber = async (page: Page) =>
  (
    (await page
      .locator(".number")
      .filter({ hasText: /^\d{5} \d{5}/ })
      .first()
      .textContent()) ?? ""
  ).replaceAll(/\D/g, "");

/** A titled invoice with two lines of one rate, sealed. */
async function issueTitled(): Promise<string> {
  const { client, demo } = await stage();
  const { taxId, name, token } = demo.keys.issuer;
  const line = {
    name: "*纸制品*复印纸",
    unit: "箱",
    quantity: "10",
    unitPrice: "100",
    amount: "1000.00",
    taxRate: "0.13",
    tax: "130.00",
  };
  const body = {
    kind: "special" as const,
    issuedAt: "2026-11-20T10:00:00+08:00",
    currency: "CNY",
    seller: { taxId, name },
    buyer: { taxId: demo.keys.employer.taxId, name: demo.keys.employer.name },
    lines: [
      line,
      {
        ...line,
        name: "*文具*档案盒",
        unit: "个",
        quantity: "20",
        unitPrice: "15",
        amount: "300.00",
        tax: "39.00",
      },
    ],
    totals: { net: "1300.00", tax: "169.00", gross: "1469.00" },
  };
  const { body: made } = await client.done("POST /v1/invoices", { body, token });
  return made.number;
}

describe("a merchant", function () {
  this.timeout(90_000);

  for (const [language, width, dark] of [
    ["zh-CN", 1280, false],
    ["en-US", 360, true],
  ] as const) {
    it(`issues an untitled invoice by form, and shows the customer its code (${language}, ${width} px)`, async () => {
      const zh = language === "zh-CN";
      const say = (chinese: string, english: string) => (zh ? chinese : english);
      const page = await open("/merchant/issue", { key: await key(), language, width, dark });
      await page.getByLabel(say("购买方名称", "Buyer's name")).fill("个人");
      await page.getByText(say("不含税", "Without tax"), { exact: true }).click();
      const first = page.getByRole("group", { name: say("第 1 行", "Line 1") });
      await first.getByLabel(say("项目名称", "Item")).fill("*餐饮服务*餐费");
      await first.getByLabel(say("数量", "Quantity")).fill("3");
      await first.getByLabel(say("单价", "Price"), { exact: false }).fill("62.8936");
      await first.getByLabel(say("折扣额", "Discount")).fill("10");
      await page.getByRole("button", { name: say("增加一行", "Add a line") }).click();
      const second = page.getByRole("group", { name: say("第 2 行", "Line 2") });
      await second.getByLabel(say("项目名称", "Item")).fill("*饮料*茶水");
      await second.getByLabel(say("金额", "Amount"), { exact: false }).fill("20");
      await second.getByLabel(say("税率", "Tax rate")).click();
      await page.getByTitle("免税", { exact: true }).click();
      // 188.68 − 10.00 at 6 %, and 20.00 exempt
      await page.getByText(chineseFigures(20940n), { exact: true }).waitFor();
      for (const figure of ["¥198.68", "¥10.72", "¥209.40"])
        await page.locator(".totals").getByText(figure).waitFor();
      await looked(page, `merchant-issue-${language}`);
      await page.getByRole("button", { name: say("开具发票", "Issue"), exact: true }).click();
      await page.getByRole("dialog").getByText("¥209.40").waitFor();
      await isAccessible(page);
      await yes(page, say("开具发票", "Issue"));
      await page
        .getByText(say("发票已开具，并已签章上链", "Issued and sealed on the chain"))
        .waitFor({ timeout: 30_000 });
      await page
        .getByRole("img", { name: say("取票二维码", "Pickup code"), exact: false })
        .waitFor();
      await page.getByText(say("取票链接", "Pickup link")).waitFor();
      await looked(page, `merchant-issued-${language}`);
      const number = await shownNumber(page);
      const { document } = await read(number);
      expect(document.totals).to.deep.include({ net: "198.68", tax: "10.72", gross: "209.40" });
      expect(document.lines.map(({ amount, discount }: Loose) => [amount, discount])).to.deep.equal(
        [
          ["188.68", undefined],
          ["-10.00", true],
          ["20.00", undefined],
        ],
      );
    });
  }

  it("issues for exactly the prices that a shopkeeper types, with tax inside", async () => {
    const page = await open("/merchant/issue", { key: await key(), language: "zh-CN" });
    await page.getByLabel("购买方名称").fill("个人");
    const first = page.getByRole("group", { name: "第 1 行" });
    await first.getByLabel("项目名称").fill("*餐饮服务*套餐");
    await first.getByLabel("数量").fill("3");
    await first.getByLabel("单价（含税）").fill("25");
    await first.getByLabel("折扣额（含税）").fill("5");
    await page.getByRole("button", { name: "增加一行" }).click();
    const second = page.getByRole("group", { name: "第 2 行" });
    await second.getByLabel("项目名称").fill("*餐饮服务*加菜");
    await second.getByLabel("金额（含税）").fill("25");
    for (const figure of ["¥89.62", "¥5.38", "¥95.00"])
      await page.locator(".totals").getByText(figure).waitFor();
    await looked(page, "merchant-issue-with-tax");
    await page.getByRole("button", { name: "开具发票", exact: true }).click();
    await page.getByRole("dialog").getByText("¥95.00").waitFor();
    await yes(page, "开具发票");
    await page.getByText("发票已开具，并已签章上链").waitFor({ timeout: 30_000 });
    const { document } = await read(await shownNumber(page));
    expect(document.totals).to.deep.include({ net: "89.62", tax: "5.38", gross: "95.00" });
    expect(document.lines.map(({ amount, tax }: Loose) => [amount, tax])).to.deep.equal([
      ["70.75", "4.25"],
      ["-4.71", "-0.29"],
      ["23.58", "1.42"],
    ]);
  });

  it("sees what is wrong beside its field: at once, and as the gateway says it", async () => {
    const { demo } = await stage();
    const page = await open("/merchant/issue", { key: await key(), language: "en-US" });
    await page.getByRole("button", { name: "Issue", exact: true }).click();
    await page.getByText("Enter the buyer's name.").waitFor();
    await page.getByText("Enter the item").waitFor();
    await page.getByText("Enter an amount with at most two decimals").waitFor();
    const taxId = page.getByLabel("Buyer's tax ID");
    await taxId.fill(
      `${demo.keys.employer.taxId.slice(0, 17)}${demo.keys.employer.taxId.endsWith("A") ? "B" : "A"}`,
    );
    await page.getByText("The check digit is wrong").waitFor();
    await looked(page, "merchant-issue-wrong");
    await taxId.fill(demo.keys.employer.taxId);
    await page.getByText("The check digit is right").waitFor();
    // well formed, and nobody's
    await taxId.fill("DE999999999");
    await page.getByText("A foreign tax ID").waitFor();
    await page.getByLabel("Buyer's name").fill("Nobody GmbH");
    await page.getByLabel("Item").fill("*餐饮服务*餐费");
    await page.getByLabel("Amount (with tax)").fill("100");
    await page.getByRole("button", { name: "Issue", exact: true }).click();
    await yes(page, "Issue");
    await page.getByRole("alert").filter({ hasText: "buyer-not-enrolled" }).waitFor();
    await page
      .locator(".ant-form-item")
      .filter({ has: taxId })
      .getByText("(buyer-enrolled)")
      .waitFor();
    await looked(page, "merchant-issue-refused");
  });

  it("drops files, good and bad, and the same twice is issued once", async () => {
    const page = await open("/merchant/issue", { key: await key(), language: "zh-CN" });
    await page.getByRole("tab", { name: "上传文件" }).click();
    const fresh = Array.from({ length: 8 }, (_, at) => ({
      name: `till-${at}.json`,
      mimeType: "application/json",
      buffer: Buffer.from(
        JSON.stringify({
          ...JSON.parse(sample("json/01-restaurant.json").toString()),
          sourceId: `E2E-${Date.now()}-${at}`,
        }),
      ),
    }));
    const bad = [
      "json/bad/03-total-off-by-one-cent.json",
      "json/bad/05-not-json.json",
      "shudian/bad/04-truncated.xml",
    ].map((path) => ({
      name: path.split("/").at(-1) as string,
      mimeType: "application/octet-stream",
      buffer: sample(path),
    }));
    const again = {
      name: "01-restaurant.json",
      mimeType: "application/json",
      buffer: sample("json/01-restaurant.json"),
    };
    const input = page.locator('input[type="file"]');
    await input.setInputFiles([...fresh, ...bad, again]);
    await page.getByText("共 12 份：已开具 8，被拒绝 4").waitFor({ timeout: 30_000 });
    for (const text of [
      "/totals/gross",
      "价税合计应等于合计金额加合计税额",
      "gross-sum",
      "malformed-document",
      "duplicate-source",
    ])
      await page.getByRole("alert").filter({ hasText: text }).first().waitFor();
    await looked(page, "merchant-files-zh-CN");
    // by their contents: the same file under another name is the same invoice
    await input.setInputFiles(
      fresh.slice(0, 2).map((file) => ({ ...file, name: `copy of ${file.name}.xml` })),
    );
    await page.getByText("共 14 份：已开具 10，被拒绝 4").waitFor();
    expect(await page.getByText("此前已开具").count()).to.equal(2);
    const numbers = await page.locator(".file a").allTextContents();
    expect(new Set(numbers).size).to.equal(8);
    // the list has it
    await page.locator(".file a").first().click();
    await page.getByRole("heading", { level: 1, name: "发票" }).waitFor();
  });

  it("finds an invoice and opens it: document, PDF, code, history, downloads (zh, phone: en)", async () => {
    const number = await issueTitled();
    // as high as the page: a frame that shows a PDF draws what is in the window alone
    const page = await open("/merchant", { key: await key(), height: 1320 });
    await page.getByRole("row").nth(3).waitFor();
    await looked(page, "merchant-invoices-zh-CN");
    const field = page.getByLabel("发票号码或单据号");
    await field.fill(grouped(number));
    await field.press("Enter");
    await page.waitForURL(`**/merchant/invoices/${number}`);
    await page.getByText("已签章上链").waitFor();
    await page.getByRole("img", { name: "二维码", exact: false }).waitFor();
    await looked(page, "merchant-invoice-zh-CN");
    await page.getByRole("tab", { name: "版式文件" }).click();
    const frame = page.locator("iframe.preview");
    await frame.waitFor();
    expect(await frame.getAttribute("src")).to.match(/^blob:/);
    await drawn(frame);
    await looked(page, "merchant-preview");
    for (const [item, ending] of [
      ["版式文件 PDF", ".pdf"],
      ["数电票 XML", ".xml"],
      ["UBL XML（EN 16931）", ".ubl.xml"],
      ["CII XML（EN 16931）", ".cii.xml"],
      ["票据包（含链上证明）", ".bundle.json"],
      ["归档包 ZIP", ".zip"],
    ] as const) {
      const saved = page.waitForEvent("download");
      await page.getByRole("button", { name: "下载" }).click();
      await page.getByRole("menuitem", { name: item }).click();
      expect((await saved).suggestedFilename()).to.equal(number + ending);
    }
    const phone = await open(`/merchant/invoices/${number}`, {
      key: await key(),
      language: "en-US",
      width: 360,
      dark: true,
    });
    await phone.getByText("Sealed on the chain").waitFor();
    await looked(phone, "merchant-invoice-phone");
    await phone
      .getByRole("navigation", { name: "Pages" })
      .getByRole("link", { name: "Invoices" })
      .click();
    await phone.getByRole("row").nth(2).waitFor();
    await phone.getByText("Reversed", { exact: true }).first().click();
    await looked(phone, "merchant-invoices-phone");
  });

  it("takes an invoice back: first a part by lines, then the rest (zh)", async () => {
    const number = await issueTitled();
    const page = await open(`/merchant/invoices/${number}`, { key: await key() });
    await page.getByRole("link", { name: /红冲$/ }).click();
    await page.getByText("发票未使用，您可直接红冲").waitFor();
    await page.getByText("按明细", { exact: true }).click();
    await page.getByRole("checkbox", { name: "复印纸" }).check();
    await page.getByLabel("红冲数量").fill("3");
    await page.getByLabel("销货退回").check();
    await page.getByRole("status").getByText("¥339.00").waitFor();
    await looked(page, "merchant-red-letter-zh-CN");
    await page.getByRole("button", { name: "红冲", exact: true }).click();
    await page.getByRole("dialog").getByText("上链后永久有效").waitFor();
    await isAccessible(page);
    await shot(page, "merchant-red-letter-confirm");
    await yes(page, "红冲");
    await page.waitForURL("**/merchant/red-letters/*");
    await page.getByText("红字发票已开具").first().waitFor({ timeout: 30_000 });
    await page.getByText("-¥339.00").first().waitFor();
    await looked(page, "merchant-sheet-zh-CN");
    expect((await read(number)).left?.gross).to.equal("1130.00");

    await page.goto(`/merchant/invoices/${number}/red-letter`);
    // more than is left is refused, beside the field
    await page.getByText("按金额", { exact: true }).click();
    await page.getByLabel("红冲金额（含税）").fill("5000");
    await page.getByRole("button", { name: "红冲", exact: true }).click();
    await yes(page, "红冲");
    await page.getByRole("alert").filter({ hasText: "red-letter-refused" }).waitFor();
    await page.getByText("全额", { exact: true }).click();
    await page.getByRole("button", { name: "红冲", exact: true }).click();
    await page.locator(".ant-modal-confirm-title", { hasText: "¥1,130.00" }).waitFor();
    await yes(page, "红冲");
    await page.getByText("红字发票已开具").first().waitFor({ timeout: 30_000 });
    expect((await read(number)).status).to.equal("reversed");
    await page
      .getByRole("navigation", { name: "页面" })
      .getByRole("link", { name: "红字" })
      .click();
    await page.getByRole("listitem").nth(1).waitFor();
    await looked(page, "merchant-sheets-zh-CN");
  });

  it("of an invoice in use waits for the employer's consent, and withdraws (en, phone)", async () => {
    const { client, demo } = await stage();
    const number = await issueTitled();
    const claim = { employer: demo.keys.employer.taxId, invoices: [number] };
    await client.done("POST /v1/claims", { body: claim, token: demo.keys.employer.token });
    const page = await open(`/merchant/invoices/${number}/red-letter`, {
      key: await key(),
      language: "en-US",
      width: 360,
    });
    await page.getByText("In use: the employer must agree").waitFor();
    await page.getByText("By amount", { exact: true }).click();
    await page.getByLabel("Amount to reverse, tax included").fill("113");
    await looked(page, "merchant-red-letter-phone");
    await page.getByRole("button", { name: "Reverse", exact: true }).click();
    await yes(page, "Reverse");
    await page.waitForURL("**/merchant/red-letters/*");
    await page.getByText("02 Waits for the employer").waitFor();
    await looked(page, "merchant-sheet-phone");
    await page.getByRole("button", { name: "Withdraw" }).click();
    await yes(page, "Withdraw");
    await page.getByText("08 Void: withdrawn").waitFor();
    // another request: this time the employer agrees, and the page shows it
    await page.goto(`/merchant/invoices/${number}/red-letter`);
    await page.getByText("By amount", { exact: true }).click();
    await page.getByLabel("Amount to reverse, tax included").fill("113");
    await page.getByRole("button", { name: "Reverse", exact: true }).click();
    await yes(page, "Reverse");
    await page.waitForURL("**/merchant/red-letters/*");
    await page.getByText("02 Waits for the employer").waitFor();
    await client.done("POST /v1/red-letters/{id}/consent", {
      params: { id: page.url().split("/").at(-1) ?? "" },
      token: demo.keys.employer.token,
    });
    await page.getByText("Red letter issued").first().waitFor({ timeout: 30_000 });
  });

  it("is asked by an employer, and agrees (zh)", async () => {
    const { client, demo } = await stage();
    const number = await issueTitled();
    const { body: opened } = await client("POST /v1/invoices/{number}/red-letters", {
      params: { number },
      body: { reason: 3, whole: true },
      token: demo.keys.employer.token,
    });
    const page = await open("/merchant/red-letters", { key: await key() });
    await page.getByRole("combobox", { name: "按状态筛选" }).click();
    await page.getByTitle("03 购方录入待销方确认").click();
    await page.getByRole("link", { name: grouped(number) }).click();
    await page.waitForURL(`**/merchant/red-letters/${opened["id"]}`);
    await page.getByText("对方申请红冲").waitFor();
    await looked(page, "merchant-sheet-asked");
    await page.getByRole("button", { name: "同意", exact: true }).click();
    await page.getByRole("dialog").getByText("不能撤销").waitFor();
    await yes(page, "同意");
    await page.getByText("红字发票已开具").first().waitFor({ timeout: 30_000 });
    expect((await read(number)).status).to.equal("reversed");
  });

  it("voids an invoice and issues another in its place", async () => {
    const number = await issueTitled();
    const page = await open(`/merchant/invoices/${number}`, { key: await key() });
    await page.getByRole("link", { name: "作废重开" }).click();
    const first = page.getByRole("group", { name: "第 1 行" });
    await first.getByLabel("数量").fill("9");
    await page.getByText(chineseFigures(135600n), { exact: true }).waitFor();
    await page.getByRole("button", { name: "作废并重开" }).click();
    await page.getByRole("dialog").getByText("不能恢复").waitFor();
    await yes(page, "作废并重开");
    await page.waitForURL("**/merchant/red-letters/*");
    await page.getByText("红字发票已开具").first().waitFor({ timeout: 30_000 });
    const { status, replacedBy } = await read(number);
    expect(status).to.equal("reversed");
    expect((await read(replacedBy ?? "")).gross).to.equal("1356.00");
    await page.goto(`/merchant/invoices/${replacedBy}`);
    await page.getByText(grouped(number)).waitFor();
  });

  it("draws quota ahead and gives it back, and sees its numbers (zh, en)", async () => {
    const page = await open("/merchant/quota", { key: await key() });
    const ready = page.locator("[data-quota=ready]");
    await ready.waitFor();
    const before = await ready.textContent();
    await page.getByLabel("金额", { exact: true }).fill("1000");
    await page.getByRole("button", { name: "提交" }).click();
    await page.getByText("已下载 ¥1,000.00").waitFor({ timeout: 30_000 });
    await page.waitForFunction(
      (old) => document.querySelector("[data-quota=ready]")?.textContent !== old,
      before,
    );
    await looked(page, "merchant-quota-zh-CN");
    await page.getByText("退回", { exact: true }).click();
    await page.getByLabel("金额", { exact: true }).fill("999999999999");
    await page.getByRole("button", { name: "提交" }).click();
    await yes(page, "退回");
    await page.getByRole("alert").filter({ hasText: "give-back-exceeds-drawn" }).waitFor();
    await page.getByLabel("金额", { exact: true }).fill("1000.00");
    await page.getByRole("button", { name: "提交" }).click();
    await yes(page, "退回");
    await page.getByText("已退回 ¥1,000.00").waitFor({ timeout: 30_000 });
    const phone = await open("/merchant/quota", {
      key: await key(),
      language: "en-US",
      width: 360,
      dark: true,
    });
    await phone.locator("[data-quota=ready]").waitFor();
    await phone.getByRole("row").nth(1).waitFor();
    await looked(phone, "merchant-quota-phone");
  });

  it("makes and revokes a key, and a webhook whose deliveries it sees (zh, en)", async () => {
    const { client } = await stage();
    const receiver = await startReceiver();
    try {
      const page = await open("/merchant/connections", { key: await key() });
      await page.getByRole("button", { name: "创建密钥" }).click();
      const keyNote = page.getByRole("alert").filter({ hasText: "这把密钥只显示这一次" });
      const token = ((await keyNote.locator("code").textContent()) ?? "").trim();
      await client("GET /v1/session", { token });

      await page.getByLabel("推送地址").fill("http://10.1.2.3/hook");
      await page.getByRole("button", { name: "添加推送" }).click();
      await page.getByRole("alert").filter({ hasText: "webhook-url-refused" }).waitFor();
      await page.getByLabel("推送地址").fill(receiver.url);
      await page.getByRole("button", { name: "添加推送" }).click();
      await page.getByRole("alert").filter({ hasText: "whsec_" }).waitFor();
      await looked(page, "merchant-connections-zh-CN");
      await keyNote.getByRole("button", { name: "已妥善保存" }).click();
      await page.getByRole("button", { name: `吊销密钥 ${token.split(".")[0]}` }).click();
      await yes(page, "吊销");
      await page.getByText("已吊销").first().waitFor();
      await page.reload();
      await page.getByRole("link", { name: receiver.url }).waitFor();
      expect(await page.getByText("whsec_").count()).to.equal(0);

      await issueTo(await newPerson("何推送"));
      await page.getByRole("link", { name: receiver.url }).click();
      await page.getByRole("cell", { name: "测试" }).waitFor();
      await page
        .getByRole("row")
        .filter({ hasText: "成功 · 200" })
        .nth(1)
        .waitFor({ timeout: 20_000 });
      await looked(page, "merchant-webhook-zh-CN");
      await page.getByRole("button", { name: "停用" }).click();
      await page.getByText("已由本单位停用").waitFor();
      await page.getByRole("button", { name: "启用" }).click();
      await page.getByText("已由本单位停用").waitFor({ state: "detached" });
      await page.getByRole("button", { name: "更换签名密钥" }).click();
      await yes(page, "更换签名密钥");
      await page.getByRole("alert").filter({ hasText: "whsec_" }).waitFor();
      const sofar = receiver.deliveries.length;
      await page.getByRole("button", { name: "重新推送" }).click();
      await page.getByText("将从该位置重新推送").waitFor();
      await expectMore(() => receiver.deliveries.length > sofar);

      const phone = await open(new URL(page.url()).pathname, {
        key: await key(),
        language: "en-US",
        width: 360,
        dark: true,
      });
      await phone.getByRole("heading", { level: 2, name: "Delivery log" }).waitFor();
      await looked(phone, "merchant-webhook-phone");
      await phone.getByRole("button", { name: "Delete" }).click();
      await yes(phone, "Delete");
      await phone.waitForURL("**/merchant/connections");
      await phone.getByText("No webhooks yet").waitFor();
      await looked(phone, "merchant-connections-phone");
    } finally {
      await receiver.close();
    }
  });

  it("that got no answer tries again, and the invoice is issued once", async () => {
    const page = await open("/merchant/issue", {
      key: await key(),
      language: "en-US",
      expected: /ERR_FAILED/,
    });
    let lost = 0;
    const asked: { key: string | undefined; body: string | null }[] = [];
    await page.route("**/v1/invoices", async (route) => {
      if (route.request().method() !== "POST") return route.continue();
      asked.push({
        key: route.request().headers()["idempotency-key"],
        body: route.request().postData(),
      });
      if (lost++ > 0) return route.continue();
      await route.fetch();
      return route.abort();
    });
    await page.getByLabel("Buyer's name").fill("个人");
    await page.getByLabel("Item").fill("*餐饮服务*餐费");
    await page.getByLabel("Amount (with tax)").fill("50");
    for (const outcome of ["The gateway did not answer", "Issued and sealed on the chain"]) {
      await page.getByRole("button", { name: "Issue", exact: true }).click();
      await yes(page, "Issue");
      await page
        .getByRole("alert")
        .or(page.getByRole("status"))
        .filter({ hasText: outcome })
        .first()
        .waitFor({ timeout: 30_000 });
    }
    expect(asked).to.have.length(2);
    expect(asked[1]).to.deep.equal(asked[0]);
  });
});

async function expectMore(look: () => boolean): Promise<void> {
  for (const end = Date.now() + 20_000; !look(); ) {
    if (Date.now() > end) throw new Error("nothing more came");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
