import { readFileSync } from "node:fs";
import { qrText } from "@onepiao/protocol/formats/qr.ts";
import { checkBundle } from "@onepiao/protocol/proofs/bundle.ts";
import { expect } from "chai";
import type { Page } from "playwright-core";
import { refusalOf } from "../../clients/typescript/index.ts";
import { fitsItsWidth, isAccessible, issueTo, newPerson, open, shot, stage } from "./fixture.ts";

const grouped = (number: string) => number.replace(/^(\d{5})(\d{5})(\d{5})(\d{5})$/, "$1 $2 $3 $4");
const linkOf = async (pickup: { number: string; secret: string }) =>
  qrText((await stage()).sandbox.url, {
    number: pickup.number,
    kind: "ordinary",
    gross: "200.00",
    date: "2026-11-03",
    pickup: pickup.secret,
  });
const phone = { width: 360, height: 740 } as const;
const yes = (page: Page, name: string) =>
  page.getByRole("dialog").getByRole("button", { name, exact: true }).click();

describe("a holder", () => {
  it("picks an invoice up by its link, hands it on, and the receiver claims and follows it (phone, zh)", async function () {
    this.timeout(120_000);
    const { demo, client } = await stage();
    const [giver, taker] = [await newPerson("赵取票"), await newPerson("钱接收")];
    const { number, pickup } = await issueTo();
    if (!pickup) throw new Error("no pickup");

    // the giver opens the link of the QR code
    const link = new URL(await linkOf(pickup));
    const page = await open(`/holder/pickup${link.hash}`, { key: giver.token, ...phone });
    await page.getByRole("heading", { name: "找到一张可取的发票" }).waitFor();
    expect(page.url(), "the secret is out of the address bar").to.not.contain(
      pickup.secret.slice(2),
    );
    await fitsItsWidth(page);
    await isAccessible(page);
    await shot(page, "holder-pickup-phone");
    await page.getByRole("button", { name: "取走这张发票" }).click();
    await page.getByText(`已取得发票 ${number}`).waitFor();
    await page.getByRole("link", { name: "查看发票" }).click();
    await page.getByText("深圳市南山区巷口面馆有限公司").first().waitFor();
    await fitsItsWidth(page);
    await isAccessible(page);
    await shot(page, "holder-invoice-phone");

    // a second pickup is refused in words
    const late = await open(`/holder/pickup${link.hash}`, { key: taker.token, ...phone });
    await late.getByRole("button", { name: "取走这张发票" }).click();
    await late.getByRole("alert").filter({ hasText: "already-taken-over" }).waitFor();
    await late.context().close();

    // handing on: offered, and accepted by the other
    await page.getByRole("button", { name: "转交" }).click();
    await page.getByLabel("接收人账户").fill(taker.account);
    await isAccessible(page);
    await yes(page, "提出转交");
    await page.getByText("已提出转交").waitFor();
    const other = await open("/holder/transfers", { key: taker.token, ...phone });
    await other.getByText(grouped(number)).waitFor();
    await fitsItsWidth(other);
    await isAccessible(other);
    await shot(other, "holder-transfers-phone");
    await other.getByRole("button", { name: "接收", exact: true }).click();
    await yes(other, "接收");
    await other.getByText("已转交").waitFor();

    // the report
    await other
      .getByRole("navigation", { name: "页面" })
      .getByRole("link", { name: "发票" })
      .click();
    await other.getByRole("button", { name: "选择报销" }).click();
    await other.getByRole("checkbox", { name: `选择发票 ${number}` }).check();
    await shot(other, "holder-invoices-phone");
    await other.getByRole("button", { name: "报销所选 1 张" }).click();
    await other.getByLabel("报销单位税号").fill(demo.keys.employer.taxId);
    await other.getByLabel("事由").fill("午餐");
    await fitsItsWidth(other);
    await isAccessible(other);
    await shot(other, "holder-new-report-phone");
    await other.getByRole("button", { name: "提交报销" }).click();
    await other.getByText("提交后发票即锁定").waitFor();
    await isAccessible(other);
    await yes(other, "提交报销");
    await other.waitForURL(/reports\/[0-9a-f-]{36}$/);
    await other.getByText("等待报销单位审核").waitFor();
    await isAccessible(other);

    // decided elsewhere: the page shows it without a reload
    const { token } = demo.keys.employer;
    const { body: claims } = await client("GET /v1/claims", { query: { limit: 1 }, token });
    const id = claims.items[0]?.id ?? "";
    await client.done("POST /v1/claims/{id}/reimburse", { params: { id }, token });
    await other.getByText("这些发票不能再次报销").waitFor();
    await shot(other, "holder-report-phone");
  });

  it("picks an invoice up from a picture of its code (en)", async () => {
    const { client, demo } = await stage();
    const person = await newPerson("郑扫码");
    const { number } = await issueTo();
    const picture = await client.bytes("GET /v1/invoices/{number}/qr", {
      params: { number },
      accept: "image/png",
      token: demo.keys.issuer.token,
    });
    const page = await open("/holder/pickup", { key: person.token, language: "en-US" });
    const buffer = Buffer.from(picture.body);
    await page
      .locator('input[type="file"]')
      .setInputFiles({ name: "code.png", mimeType: "image/png", buffer });
    await page.getByText(grouped(number)).waitFor();
    await page.getByRole("button", { name: "Pick up this invoice" }).click();
    await page.getByText(`You now hold invoice ${number}.`).waitFor();
  });

  it("that got no answer tries again, and the act is done once", async () => {
    const { client } = await stage();
    const [person, receiver] = [await newPerson("冯断线"), await newPerson("陈一次")];
    const { number } = await issueTo(person);
    const page = await open(`/holder/invoices/${number}`, {
      key: person.token,
      language: "en-US",
      expected: /ERR_FAILED/,
    });
    // the gateway does it, and its answer is lost on the way
    let lost = 0;
    const keys: (string | undefined)[] = [];
    await page.route("**/transfers", async (route) => {
      keys.push(route.request().headers()["idempotency-key"]);
      if (lost++ > 0) return route.continue();
      await route.fetch();
      return route.abort();
    });
    await page.getByRole("button", { name: "Transfer" }).click();
    await page.getByLabel("Recipient's account").fill(receiver.account);
    await yes(page, "Offer transfer");
    await page.getByRole("alert").filter({ hasText: "The gateway did not answer" }).waitFor();
    await yes(page, "Offer transfer");
    await page.getByText("Transfer offered. Until").waitFor();
    expect(keys[0]).to.match(/^[0-9a-f]{32}$/);
    expect(keys).to.deep.equal([keys[0], keys[0]]);
    const { items } = (await client("GET /v1/transfers", { token: receiver.token })).body;
    expect(items).to.have.length(1);
  });

  it("proves seller, date and total of an invoice, and nothing more (en)", async () => {
    const person = await newPerson("孙证明");
    const { number } = await issueTo(person);
    const page = await open(`/holder/invoices/${number}`, { key: person.token, language: "en-US" });
    await page.getByRole("button", { name: "Share proof" }).click();
    await page.getByRole("dialog").waitFor();
    await isAccessible(page);
    await shot(page, "holder-disclose");
    const saved = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download proof" }).click();
    const bundle = JSON.parse(readFileSync((await (await saved).path()) as string, "utf8"));
    const checked = checkBundle(bundle);
    expect(checked.ok).to.equal(true);
    expect(Object.keys(checked.shown ?? {}).sort()).to.deep.equal(["date", "seller", "total"]);
    expect(JSON.stringify(bundle)).to.not.contain("餐饮");
  });

  it("takes an invoice away as PDF and as an archive pack (zh)", async () => {
    const person = await newPerson("褚下载");
    const { number } = await issueTo(person);
    const page = await open(`/holder/invoices/${number}`, { key: person.token });
    for (const [button, name, begins] of [
      ["下载 PDF", `${number}.pdf`, "%PDF-"],
      ["下载归档包", `${number}.zip`, "PK"],
    ] as const) {
      const saved = page.waitForEvent("download");
      await page.getByRole("button", { name: button }).click();
      const file = await saved;
      expect(file.suggestedFilename()).to.equal(name);
      expect(
        readFileSync((await file.path()) as string, "latin1").startsWith(begins),
        button,
      ).to.equal(true);
    }
    await page.getByRole("tab", { name: "流转记录" }).click();
    await page.getByText("已签章上链").waitFor();
  });

  it("lets somebody read an invoice, and withdraws it (en)", async () => {
    const [person, reader] = [await newPerson("李授权"), await newPerson("周读者")];
    const { client } = await stage();
    const { number } = await issueTo(person);
    const page = await open(`/holder/invoices/${number}`, { key: person.token, language: "en-US" });
    const refusedToReader = async () => {
      const asked = { params: { number }, token: reader.token };
      return (await refusalOf(client("GET /v1/invoices/{number}", asked)))?.status;
    };
    await page.getByRole("tab", { name: "Read access" }).click();
    await page.getByLabel("Account", { exact: true }).fill(reader.account);
    await page.getByRole("button", { name: "Give access" }).click();
    await page.getByRole("button", { name: "Withdraw" }).waitFor();
    await isAccessible(page);
    await shot(page, "holder-grants");
    expect(await refusedToReader()).to.equal(undefined);
    await page.getByRole("button", { name: "Withdraw" }).click();
    await page.getByRole("dialog").getByText("already seen or saved").waitFor();
    await yes(page, "Withdraw");
    await page.getByText("You have not given anyone access").waitFor();
    expect(await refusedToReader()).to.equal(404);
  });

  it("sees a new invoice without asking, also after the gateway has restarted", async function () {
    this.timeout(90_000);
    const { sandbox } = await stage();
    const person = await newPerson("吴在线");
    const page = await open("/holder", {
      key: person.token,
      language: "en-US",
      dark: true,
      expected: /ERR_|502|503|Failed to load/,
    });
    await page.getByText("No invoices yet").waitFor();
    await page.getByRole("status", { name: "Live" }).waitFor();
    const first = await issueTo(person);
    await page.getByText(grouped(first.number)).waitFor();
    await sandbox.restart();
    const second = await issueTo(person);
    await page.getByText(grouped(second.number)).waitFor({ timeout: 30_000 });
    await isAccessible(page);
    await shot(page, "holder-invoices-dark");
  });

  it("sees that there is no network, and the last known state", async () => {
    const { demo } = await stage();
    const page = await open("/holder", {
      key: demo.keys.holder.token,
      language: "en-US",
      expected: /ERR_INTERNET_DISCONNECTED/,
    });
    await page.getByRole("listitem").first().waitFor();
    await page.context().setOffline(true);
    await page.getByText("You are offline").waitFor();
    await page.getByRole("listitem").first().waitFor();
    await page.context().setOffline(false);
    await page.getByText("You are offline").waitFor({ state: "detached" });
  });

  it("has invoices in all their states, on a desk and in the dark (zh, en)", async () => {
    const { demo } = await stage();
    const page = await open("/holder", { key: demo.keys.holder.token });
    await page.getByRole("listitem").first().waitFor();
    await isAccessible(page);
    await shot(page, "holder-invoices");
    await page
      .getByRole("navigation", { name: "页面" })
      .getByRole("link", { name: "报销" })
      .click();
    await page.getByRole("heading", { level: 1, name: "我的报销单" }).waitFor();
    await page.getByRole("listitem").first().waitFor();
    await isAccessible(page);
    await shot(page, "holder-reports");
    await page
      .getByRole("navigation", { name: "页面" })
      .getByRole("link", { name: "取票" })
      .click();
    await page.getByRole("button", { name: "打开摄像头扫描" }).click();
    await page.getByLabel("摄像头画面").waitFor();
    await isAccessible(page);
    await page.getByRole("button", { name: "停止扫描" }).click();
  });
});
