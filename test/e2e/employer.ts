import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { unzipSync } from "fflate";
import type { Download, Page } from "playwright-core";
import { refusalOf } from "../../clients/typescript/index.ts";
import { root } from "../../scripts/run.ts";
import { inGb } from "../formats/gb18030.ts";
import { freshTaxId } from "../server/network.ts";
import { drawn, fitsItsWidth, isAccessible, type Look, open, shot, stage } from "./fixture.ts";

type Firm = { name: string; taxId: string; account: string; token: string };
type Worker = { name: string; account: string; token: string };

let serial = Math.floor(Math.random() * 1_000_000);
const phone = { width: 360, height: 740 } as const;
const grouped = (number: string) => number.replace(/^(\d{5})(\d{5})(\d{5})(\d{5})$/, "$1 $2 $3 $4");
const yes = (page: Page, name: string) =>
  page.getByRole("dialog").getByRole("button", { name, exact: true }).click();
const textOf = async (download: Download) =>
  readFileSync((await download.path()) as string, "utf8");

/** An employer that nothing is claimed from yet. */
async function newFirm(name: string): Promise<Firm> {
  const { client, sandbox } = await stage();
  const token = sandbox.bureau.token;
  const taxId = freshTaxId();
  const {
    body: { account },
  } = await client.done("POST /v1/taxpayers", {
    body: { name, taxId, capabilities: ["employer"] },
    token,
  });
  const { body: key } = await client.done("POST /v1/api-keys", {
    body: { account, roles: ["admin"] },
    token,
  });
  return { name, taxId, account: String(account), token: String(key["token"]) };
}

async function newWorker(firm: Firm, name: string): Promise<Worker> {
  const { client } = await stage();
  const {
    body: { account },
  } = await client.done("POST /v1/persons", { body: { name }, token: firm.token });
  const { body: key } = await client.done("POST /v1/api-keys", {
    body: { account, roles: ["holder"] },
    token: firm.token,
  });
  return { name, account: String(account), token: String(key["token"]) };
}

/** A sealed invoice over 1,130.00, ten boxes; titled to the firm, or to nobody. */
async function issue(holder: Worker, titled?: Firm): Promise<string> {
  const { client, demo } = await stage();
  const { token, name, taxId } = demo.keys.issuer;
  const body = {
    kind: "ordinary" as const,
    issuedAt: "2026-11-20T10:00:00+08:00",
    currency: "CNY",
    seller: { taxId, name },
    buyer: titled ? { taxId: titled.taxId, name: titled.name } : { name: "个人" },
    lines: [
      {
        name: "*纸制品*复印纸",
        unit: "箱",
        quantity: "10",
        unitPrice: "100",
        amount: "1000.00",
        taxRate: "0.13",
        tax: "130.00",
      },
    ],
    totals: { net: "1000.00", tax: "130.00", gross: "1130.00" },
    holder: holder.account,
  };
  return String((await client.done("POST /v1/invoices", { body, token })).body.number);
}

async function claim(
  holder: Worker,
  firm: Firm,
  invoices: string[],
  note: string,
): Promise<string> {
  const { client } = await stage();
  const { body: made } = await client.done("POST /v1/claims", {
    body: { employer: firm.taxId, invoices, note },
    token: holder.token,
  });
  return String(made["id"]);
}

async function ready(
  firm: Firm,
  note: string,
): Promise<{ worker: Worker; number: string; id: string }> {
  const worker = await newWorker(firm, `员工${note}`);
  const number = await issue(worker, firm);
  return { worker, number, id: await claim(worker, firm, [number], note) };
}

async function statusOf(firm: Firm, id: string): Promise<string> {
  const { client } = await stage();
  return String(
    (await client("GET /v1/claims/{id}", { params: { id }, token: firm.token })).body.status,
  );
}

/** A 数电票 of the national platform that names no buyer, by a seller that is not on this network. */
function foreign(): { name: string; mimeType: string; buffer: Buffer; number: string } {
  serial += 1;
  const number = `26449${serial.toString().padStart(15, "0")}`;
  const xml = readFileSync(join(root, "samples/shudian/06-scenic-person.xml"), "utf8").replaceAll(
    "26532000000000700006",
    number,
  );
  return {
    name: `${number}.xml`,
    mimeType: "application/xml",
    buffer: Buffer.from(xml.replaceAll("91530102MARJT2FQ8E", freshTaxId())),
    number,
  };
}
const bad = {
  name: "broken.xml",
  mimeType: "application/xml",
  buffer: Buffer.from("<EInvoice><Header>"),
};

const as = (firm: Firm, look: Look = {}): Look => ({ key: firm.token, ...look });

describe("an employer's clerk", () => {
  it("sees a report come in, opens it, checks each invoice and reimburses it (zh)", async function () {
    this.timeout(120_000);
    const { client, demo } = await stage();
    const firm = await newFirm("深圳市青禾科技有限公司");
    const page = await open("/employer", as(firm));
    await page.getByText("没有待审核的报销单").waitFor();
    await isAccessible(page);
    await shot(page, "employer-inbox-empty");

    // without a reload: a titled invoice with three boxes sent back, and an untitled one
    const worker = await newWorker(firm, "李晓明");
    const [titled, untitled] = [await issue(worker, firm), await issue(worker)];
    const red = { reason: 2 as const, lines: [{ line: 1, quantity: "3" }] };
    await client.done("POST /v1/invoices/{number}/red-letters", {
      params: { number: titled },
      body: red,
      token: demo.keys.issuer.token,
    });
    const id = await claim(worker, firm, [titled, untitled].sort(), "上海出差");
    await page.getByText("收到新的报销单").first().waitFor();
    const row = page.getByRole("row").filter({ hasText: "上海出差" });
    await row.getByText("李晓明").waitFor();
    // 1130 less 339, and 1130
    await row.getByText("¥1,921.00").waitFor();
    await isAccessible(page);
    await shot(page, "employer-inbox");

    await row.getByRole("link", { name: "上海出差" }).click();
    await page.waitForURL(`**/employer/claims/${id}`);
    const first = page.getByRole("article", { name: `发票 ${titled}` });
    await first.getByText("抬头是本单位").waitFor();
    await first.getByText("真实有效，已锁定在本报销单").waitFor();
    await first.getByText("已部分红冲：原 ¥1,130.00，剩余 ¥791.00").waitFor();
    await first.getByText("没有重复").waitFor();
    await page
      .getByRole("article", { name: `发票 ${untitled}` })
      .getByText("没有抬头税号")
      .waitFor();
    await page.getByText("有需要留意的地方").waitFor();
    await page.locator(".ant-notification-notice-close").click();
    await page.locator(".ant-notification-notice").waitFor({ state: "detached" });
    await shot(page, "employer");
    await first.getByRole("button", { name: "票面内容" }).click();
    await first.getByText("*纸制品*复印纸").waitFor();
    await isAccessible(page);
    await fitsItsWidth(page);
    await shot(page, "employer-claim");

    // the print
    await first.getByRole("button", { name: "预览 PDF" }).click();
    await drawn(page.getByRole("dialog").locator("iframe"));
    await shot(page, "employer-pdf");
    await page
      .getByRole("dialog")
      .getByRole("button", { name: /^(Close|关闭)$/ })
      .click();

    await page.getByRole("button", { name: "报销", exact: true }).click();
    await page.getByRole("dialog").getByText("此操作不可撤销").waitFor();
    await page.getByRole("dialog").getByText("合计 ¥1,921.00").waitFor();
    await isAccessible(page);
    await shot(page, "employer-reimburse-confirm");
    await yes(page, "报销");
    await page.getByText("这些发票在任何单位都不能再次报销。").waitFor();
    await page.getByText("完成：1 / 1").waitFor();
    expect(await statusOf(firm, id)).to.equal("reimbursed");
    await isAccessible(page);

    const saved = page.waitForEvent("download");
    await page.getByRole("button", { name: "下载归档包" }).click();
    const files = Object.keys(unzipSync(readFileSync((await (await saved).path()) as string)));
    expect(files.some((name) => name.includes(titled))).to.equal(true);
  });

  it("rejects with a reason, which the holder reads (en, phone)", async () => {
    const { client } = await stage();
    const firm = await newFirm("Reject Ltd");
    const { worker, id } = await ready(firm, "taxi");
    const page = await open(`/employer/claims/${id}`, as(firm, { language: "en-US", ...phone }));
    await page.getByText("Titled to this employer").waitFor();
    await fitsItsWidth(page);
    await isAccessible(page);
    await shot(page, "employer-claim-phone");
    await page.getByRole("button", { name: "Reject", exact: true }).click();
    await yes(page, "Reject");
    await page.getByText("Enter a reason").waitFor();
    await page
      .getByLabel("Reason for rejection", { exact: true })
      .fill("the receipt's second page is missing");
    // the mouse is over the button
    for (const colorScheme of ["dark", "light"] as const) {
      await page.emulateMedia({ colorScheme });
      await page.locator(`html[data-theme=${colorScheme}]`).waitFor();
      await isAccessible(page);
    }
    await shot(page, "employer-reject-phone");
    await yes(page, "Reject");
    await page.getByText("Rejected. The invoices are unlocked.").waitFor();
    await page.getByText("the receipt's second page is missing").waitFor();
    const { body: decided } = await client("GET /v1/claims/{id}", {
      params: { id },
      token: worker.token,
    });
    expect([decided["status"], decided["reason"]]).to.deep.equal([
      "rejected",
      "the receipt's second page is missing",
    ]);
  });

  it("decides several at once, with a result for each, and sees which one a colleague has decided before", async function () {
    this.timeout(120_000);
    const { client } = await stage();
    const firm = await newFirm("批量审核公司");
    const reports: { id: string; number: string }[] = [];
    for (const note of ["一", "二", "三", "四"]) reports.push(await ready(firm, note));
    const page = await open("/employer", as(firm));
    await page.getByRole("row").filter({ hasText: "四" }).waitFor();
    await page.getByRole("checkbox", { name: "选择全部待审核的报销单" }).check();
    await page.getByRole("checkbox", { name: `选择报销单 ${reports[3]?.id}` }).uncheck();
    await page.getByText("已选 3 份").waitFor();
    await shot(page, "employer-bulk");
    await page.getByRole("button", { name: "报销 3 份" }).click();
    // while the question stands, a colleague reimburses the first
    await client.done("POST /v1/claims/{id}/reimburse", {
      params: { id: reports[0]?.id ?? "" },
      token: firm.token,
    });
    await yes(page, "报销");
    const results = page.getByRole("region", { name: "处理结果" });
    await results.getByText("完成：2 / 3").waitFor({ timeout: 30_000 });
    expect(await results.getByText("已报销", { exact: true }).count()).to.be.at.least(2);
    const note = results.getByRole("alert");
    await note.getByText("这张发票已经报销过，本次没有报销").waitFor();
    const since = await note.locator("time").getAttribute("datetime");
    expect(Math.abs(Date.now() - Date.parse(since as string))).to.be.below(120_000);
    await isAccessible(page);
    await shot(page, "employer-bulk-results");
    await results.getByRole("button", { name: "关闭结果" }).click();

    await page.getByRole("checkbox", { name: "选择全部待审核的报销单" }).check();
    await page.getByRole("button", { name: "退回", exact: true }).click();
    await page.getByLabel("退回理由").fill("重复提交");
    await yes(page, "退回");
    await page.getByText("完成：1 / 1").waitFor();
    expect(await Promise.all(reports.map(({ id }) => statusOf(firm, id)))).to.deep.equal([
      "reimbursed",
      "reimbursed",
      "reimbursed",
      "rejected",
    ]);

    // by state
    await page.getByRole("combobox", { name: "按状态筛选" }).click();
    await page.getByTitle("已退回").click();
    await page.waitForURL("**/employer?state=rejected");
    await page.getByRole("row").filter({ hasText: "四" }).waitFor();
    expect(await page.getByRole("row").count()).to.equal(2);
  });

  it("finds a report by an invoice in it, whatever its state, and by days (zh, phone: en, dark)", async function () {
    this.timeout(90_000);
    const { client } = await stage();
    const firm = await newFirm("查找公司");
    const [paid, open1] = [await ready(firm, "查找甲"), await ready(firm, "查找乙")];
    await client.done("POST /v1/claims/{id}/reimburse", {
      params: { id: paid.id },
      token: firm.token,
    });
    const page = await open("/employer", as(firm));
    const rows = page.getByRole("row");
    await rows.filter({ hasText: "查找乙" }).waitFor();
    await page.getByLabel("其中发票的号码").fill(` ${paid.number} `);
    await page.getByLabel("外部票的销售方税号").fill("91440300X");
    await page.getByRole("button", { name: "查找", exact: true }).click();
    await page.getByText("税号不正确，请核对").waitFor();
    await page.getByLabel("外部票的销售方税号").fill("");
    await page.getByRole("button", { name: "查找", exact: true }).click();
    await page.waitForURL(`**/employer?state=all&invoice=${paid.number}`);
    const foundRow = rows.filter({ hasText: "查找甲" });
    await foundRow.getByText("已报销").waitFor();
    await foundRow.getByText("¥1,130.00").waitFor();
    expect(await rows.count()).to.equal(2);
    await isAccessible(page);
    await shot(page, "employer-find");
    await page.reload();
    await foundRow.waitFor();
    expect(await page.getByLabel("其中发票的号码").inputValue()).to.equal(paid.number);
    await page.getByLabel("其中发票的号码").fill("WD-7");
    await page.getByRole("button", { name: "查找", exact: true }).click();
    // a number from elsewhere needs its seller, and the gateway says so
    await page.getByRole("alert").filter({ hasText: "invoice-name" }).waitFor();
    await page.getByRole("button", { name: "清除条件" }).click();
    await rows.filter({ hasText: "查找乙" }).waitFor();
    expect(await rows.count()).to.equal(3);

    const small = await open(
      `/employer?invoice=${open1.number}`,
      as(firm, { ...phone, language: "en-US", dark: true }),
    );
    await small.getByRole("row").filter({ hasText: "查找乙" }).waitFor();
    await small.getByRole("button", { name: "Filter (1)" }).click();
    const drawer = small.getByRole("dialog");
    expect(await drawer.getByLabel("Number of an invoice in the report").inputValue()).to.equal(
      open1.number,
    );
    await isAccessible(small);
    await shot(small, "employer-find-phone");
    await drawer.getByLabel("Number of an invoice in the report").fill("26999999999999999999");
    await drawer.getByRole("button", { name: "Find" }).click();
    await small.getByText("No matching reports.").waitFor();
    await fitsItsWidth(small);
  });

  it("two employers drop the same invoice at once: one gets it, the other sees that and when", async function () {
    this.timeout(120_000);
    const { client, sandbox } = await stage();
    const firms = [await newFirm("抢先公司甲"), await newFirm("抢先公司乙")] as const;
    const file = foreign();
    const pages = await Promise.all(firms.map((firm) => open("/employer/external", as(firm))));
    await Promise.all(pages.map((page) => page.getByText("登记即提交报销").waitFor()));
    await Promise.all(pages.map((page) => page.locator('input[type="file"]').setInputFiles(file)));
    const results = pages.map((page) => page.getByRole("region", { name: "登记结果" }));
    await Promise.all(
      results.map((result) =>
        result
          .getByText("已登记", { exact: true })
          .or(result.getByText("未登记", { exact: true }))
          .waitFor({ timeout: 30_000 }),
      ),
    );
    const won = await Promise.all(
      results.map((result) => result.getByText("已登记", { exact: true }).isVisible()),
    );
    expect([...won].sort(), "one of two").to.deep.equal([false, true]);
    const [winner, loser] = won[0] ? [0, 1] : [1, 0];
    const [winning, losing] = [pages[winner] as Page, pages[loser] as Page];
    const alert = losing.getByRole("alert").filter({ hasText: "已在其他报销单中" });
    await alert.waitFor();
    expect(await alert.locator("time").getAttribute("datetime")).to.match(/^\d{4}-/);
    expect(await alert.textContent(), "not by whom").to.not.contain(firms[winner]?.name);
    await isAccessible(losing);
    await shot(losing, "employer-external-lost");

    // the first employer has paid: the other now sees that
    await winning.getByRole("region", { name: "登记结果" }).getByRole("link").click();
    await winning
      .getByText("付款前请先到全国增值税发票查验平台查验")
      .or(winning.getByText("请先到全国增值税发票查验平台查验"))
      .first()
      .waitFor();
    await winning.getByRole("button", { name: "报销", exact: true }).click();
    await yes(winning, "报销");
    await winning.getByText("这些发票在任何单位都不能再次报销。").waitFor();
    await shot(winning, "employer-external-claim");
    await losing.locator('input[type="file"]').setInputFiles(file);
    await losing.getByRole("alert").filter({ hasText: "这张发票已经报销过" }).waitFor();
    const { items } = (
      await client("GET /v1/events", {
        query: { types: "reimbursement.refused", limit: 100 },
        token: sandbox.bureau.token,
      })
    ).body as {
      items: { external?: string }[];
    };
    expect(items.length, "the bureau sees it").to.be.above(0);
  });

  it("an untitled invoice is claimed from two employers at once: one finds it in its inbox, the other never does", async () => {
    const { client } = await stage();
    const firms = [await newFirm("无抬头公司甲"), await newFirm("无抬头公司乙")] as const;
    const worker = await newWorker(firms[0], "无抬头员工");
    const number = await issue(worker);
    const pages = await Promise.all(firms.map((firm) => open("/employer", as(firm))));
    await Promise.all(pages.map((page) => page.getByText("没有待审核的报销单").waitFor()));
    const refusals = await Promise.all(
      firms.map(({ taxId }) =>
        refusalOf(
          client.done("POST /v1/claims", {
            body: { employer: taxId, invoices: [number], note: "两处报销" },
            token: worker.token,
          }),
        ),
      ),
    );
    expect(refusals.map((refusal) => refusal?.status)).to.have.members([undefined, 409]);
    const winner = refusals[0] === undefined ? 0 : 1;
    const [won, lost] = [pages[winner], pages[1 - winner]] as [Page, Page];
    await won.getByRole("row").filter({ hasText: "两处报销" }).waitFor();
    await won.getByRole("link", { name: "两处报销" }).click();
    await won.getByRole("button", { name: "报销", exact: true }).click();
    await yes(won, "报销");
    await won.getByText("这些发票在任何单位都不能再次报销。").waitFor();
    await lost.getByText("没有待审核的报销单").waitFor();
    expect(await lost.getByRole("row").filter({ hasText: "两处报销" }).count()).to.equal(0);
  });

  it("two clerks reimburse the same report at once: one does, the other sees a refusal", async () => {
    const firm = await newFirm("两位会计公司");
    const { id } = await ready(firm, "同时");
    const pages = await Promise.all([
      open(`/employer/claims/${id}`, as(firm)),
      open(`/employer/claims/${id}`, as(firm, { language: "en-US", dark: true })),
    ]);
    const [zh, en] = pages as [Page, Page];
    await en.getByText("Titled to this employer").waitFor();
    await isAccessible(en);
    await shot(en, "employer-claim-dark");
    await zh.getByRole("button", { name: "报销", exact: true }).click();
    await en.getByRole("button", { name: "Reimburse", exact: true }).click();
    await Promise.all([yes(zh, "报销"), yes(en, "Reimburse")]);
    const done = [zh.getByText("完成：1 / 1"), en.getByText("Done: 1 of 1")];
    const refusals = [
      zh.getByText("这张发票已经报销过，本次没有报销"),
      en.getByText("This invoice is already reimbursed. Nothing was reimbursed this time"),
    ];
    await Promise.all(pages.map((_, at) => done[at]?.or(refusals[at] as never).waitFor()));
    const outcome = await Promise.all(
      pages.map(async (_, at) => ((await done[at]?.isVisible()) ? "done" : "told")),
    );
    expect(outcome.sort()).to.deep.equal(["done", "told"]);
    expect(await statusOf(firm, id)).to.equal("reimbursed");
  });

  it("drops many files: each has its result, and what is proven of it (en)", async function () {
    this.timeout(120_000);
    const [firm, other] = [await newFirm("Files Ltd"), await newFirm("Other Ltd")];
    await newWorker(firm, "Wang Fang");
    const used = foreign();
    const { client } = await stage();
    await client.done("POST /v1/external-invoices", {
      body: used.buffer.toString(),
      type: "application/xml",
      token: other.token,
    });
    const page = await open("/employer/external", as(firm, { language: "en-US" }));
    await page.getByRole("combobox", { name: "Claimant" }).click();
    await page.getByTitle(/^Wang Fang/).click();
    const [single, repeated] = [foreign(), foreign()];
    // as other software saves it: the page sends the bytes, and does not read them as UTF-8
    single.buffer = inGb(single.buffer.toString());
    await page.locator('input[type="file"]').setInputFiles([single, bad, used, repeated]);
    const results = page.getByRole("region", { name: "Registration results" });
    await results.getByText("Registered: 2 of 4").waitFor({ timeout: 30_000 });
    const line = (name: string) => results.getByRole("listitem").filter({ hasText: name }).first();
    await line("broken.xml").getByText("malformed-document").waitFor();
    await line(used.name).getByText("This invoice is already in another report").waitFor();
    // of two of one shop, day and total the later one warns
    await results.getByText("Possible duplicate: check before you pay").first().waitFor();
    await line(single.name).getByRole("button", { name: "Proven and not proven" }).click();
    await line(single.name).getByText("Whether it was ever issued").waitFor();
    await isAccessible(page);
    await shot(page, "employer-external");
    // once more: it is there already, and nothing happens
    await page.locator('input[type="file"]').setInputFiles(repeated);
    await results.getByText("Your organisation has already registered this invoice").waitFor();
    const { body: listed } = await client("GET /v1/external-invoices", { token: firm.token });
    const id = listed.items.find(({ number }) => number === single.number)?.id ?? "";
    const { body: original } = await client("GET /v1/external-invoices/{id}/original", {
      params: { id },
      token: firm.token,
    });
    expect(single.buffer.equals(original)).to.equal(true);
    // an invoice that the chain has refused stays on record as refused
    expect(listed.items.find(({ number }) => number === used.number)?.claim.status).to.equal(
      "refused",
    );
    expect(
      listed.items
        .flatMap(({ number, claim: { status } }) => (status === "claimed" ? [number] : []))
        .sort(),
    ).to.deep.equal([single.number, repeated.number].sort());
    const small = await open("/employer/external", as(firm, { ...phone, dark: true }));
    await small.getByText(grouped(single.number)).waitFor();
    await fitsItsWidth(small);
    await isAccessible(small);
    await shot(small, "employer-external-phone-dark");
  });

  it("enters an invoice once: a second clerk sees the first one's mark and time; it is revoked and stays on record", async function () {
    this.timeout(120_000);
    const firm = await newFirm("入账公司");
    const { number } = await ready(firm, "入账");
    const pages = [
      await open("/employer/books", as(firm)),
      await open("/employer/books", as(firm)),
    ] as const;
    for (const page of pages)
      await page.getByRole("checkbox", { name: `选择发票 ${number}` }).check();
    const [first, second] = pages;
    await first.getByLabel("凭证号").fill("=记-0042");
    await isAccessible(first);
    await shot(first, "employer-books");
    await first.getByRole("button", { name: "入账 1 张" }).click();
    await second.getByRole("radio", { name: "03 已入账，不可税前扣除" }).check();
    await second.getByRole("button", { name: "入账 1 张" }).click();
    await yes(first, "入账");
    await first.getByText("已入账 1 张，链上已记录。").waitFor();
    await yes(second, "入账");
    const alert = second.getByRole("alert").filter({ hasText: "这张发票已经入账，本次没有入账" });
    await alert.getByText("02 已入账，可税前扣除").waitFor();
    expect(
      Math.abs(
        Date.now() - Date.parse((await alert.locator("time").getAttribute("datetime")) as string),
      ),
    ).to.be.below(120_000);
    await shot(second, "employer-books-twice");

    await first.getByRole("tab", { name: "入账记录" }).click();
    await first.getByText("=记-0042").waitFor();
    await isAccessible(first);
    await shot(first, "employer-entries");
    const saved = first.waitForEvent("download");
    await first.getByRole("button", { name: "导出 CSV" }).click();
    const csv = await textOf(await saved);
    expect(csv.charCodeAt(0)).to.equal(0xfeff);
    const [head, row] = csv.slice(1).split("\r\n");
    expect(head).to.equal("序号,发票,标记,入账时间,是否有效,会计期间,凭证号,签名摘要,交易,区块");
    expect(row).to.contain(`,"\t${number}",02,`).and.contain(",'=记-0042,");

    await first.getByRole("button", { name: `撤销入账：${number}` }).click();
    await first.getByText("撤销会永久记录在链上").waitFor();
    await yes(first, "撤销入账");
    await first.getByRole("cell", { name: "06 入账已撤销" }).waitFor();
    await first.getByRole("checkbox", { name: "只看有效的标记" }).uncheck();
    await first.getByText("已失效").waitFor();
    const small = await open("/employer/books", as(firm, { ...phone, language: "en-US" }));
    await small.getByText("entry revoked").waitFor();
    await fitsItsWidth(small);
    await isAccessible(small);
    await shot(small, "employer-books-phone");
  });

  it("consents to one red letter and refuses another", async function () {
    this.timeout(120_000);
    const { client, demo } = await stage();
    const firm = await newFirm("红冲公司");
    const [agreed, denied] = [await ready(firm, "甲"), await ready(firm, "乙")];
    const token = demo.keys.issuer.token;
    const page = await open("/employer/red-letters", as(firm));
    await page.getByText("没有待确认的红字信息确认单").waitFor();
    // they come without a reload
    for (const { number, gross } of [
      { number: agreed.number, gross: "113.00" },
      { number: denied.number, gross: "226.00" },
    ])
      await client("POST /v1/invoices/{number}/red-letters", {
        params: { number },
        body: { reason: 4, gross },
        token,
      });
    const [first, second] = [agreed, denied].map(({ number }) =>
      page.getByRole("article", { name: `发票 ${number} 的红字信息确认单` }),
    );
    if (!first || !second) throw new Error("no sheets");
    await first.getByText("-¥113.00").first().waitFor();
    await first.getByRole("button", { name: "红字发票内容" }).click();
    await first.getByText("*纸制品*复印纸").waitFor();
    await isAccessible(page);
    await shot(page, "employer-red-letters");
    await first.getByRole("button", { name: "同意红冲" }).click();
    await page.getByText("同意后由双方签名上链，不能撤销。").waitFor();
    await yes(page, "同意红冲");
    await first.waitFor({ state: "detached", timeout: 30_000 });
    await second.getByRole("button", { name: "否认" }).click();
    await yes(page, "否认");
    await page.getByText("没有待确认的红字信息确认单").waitFor();
    await page.getByText("全部", { exact: true }).click();
    await first.getByText("04 购销双方已确认").waitFor();
    await second.getByText("05 作废（销方录入购方否认）").waitFor();
    const small = await open("/employer/red-letters", as(firm, { ...phone, language: "en-US" }));
    await small.getByText("No confirmation sheets are waiting for you.").waitFor();
    await fitsItsWidth(small);
    await isAccessible(small);
    const report = await open(`/employer/claims/${agreed.id}`, as(firm));
    await report.getByText("剩余 ¥1,017.00，只应报销剩余部分").waitFor();

    // wholly: nothing is left to reimburse, and the report says so
    const { body: sheet } = await client("POST /v1/invoices/{number}/red-letters", {
      params: { number: denied.number },
      body: { reason: 1, whole: true },
      token,
    });
    const reversed = await open(`/employer/claims/${denied.id}`, as(firm));
    await reversed.getByText("有红字信息确认单正在处理").waitFor();
    await client.done("POST /v1/red-letters/{id}/consent", {
      params: { id: sheet.id },
      token: firm.token,
    });
    await reversed.getByText("发票已被红冲，不能报销。").waitFor({ timeout: 30_000 });
    await reversed.getByText("已全部红冲，没有可报销金额").waitFor();
    expect(await reversed.getByRole("button", { name: "报销", exact: true }).count()).to.equal(0);
    await shot(reversed, "employer-claim-reversed");
  });

  it("exports reports as CSV that a spreadsheet reads, and that has no formula", async () => {
    const firm = await newFirm("导出公司");
    const worker = await newWorker(firm, "+86 王芳");
    const number = await issue(worker, firm);
    const id = await claim(worker, firm, [number], ' =HYPERLINK("http://x","出差,两天")');
    const page = await open("/employer", as(firm));
    await page.getByRole("row").filter({ hasText: "HYPERLINK" }).waitFor();
    const saved = page.waitForEvent("download");
    await page.getByRole("button", { name: "导出 CSV" }).click();
    const download = await saved;
    expect(download.suggestedFilename()).to.equal("claims-claimed.csv");
    const text = await textOf(download);
    expect(text.startsWith("\uFEFF报销单,状态,提交时间,持票人,")).to.equal(true);
    const row = text.split("\r\n")[1] ?? "";
    expect(row)
      .to.contain(`${id},claimed,`)
      .and.contain(",'+86 王芳,")
      .and.contain(`,"' =HYPERLINK(""http://x"",""出差,两天"")",`);
    expect(row)
      .to.contain(`,"\t${number}",,claimed,`)
      .and.contain(",CNY,1000.00,130.00,1130.00,1130.00,1130.00,01");
  });

  it("makes a person and its key, shown once, and revokes it", async () => {
    const { client } = await stage();
    const firm = await newFirm("人事公司");
    const page = await open("/employer/people", as(firm));
    await page.getByRole("button", { name: "新增密钥" }).click();
    const drawer = page.getByRole("dialog");
    await drawer.getByLabel("姓名").fill("周新人");
    await isAccessible(page);
    await drawer.getByRole("button", { name: "创建密钥" }).click();
    await drawer.getByText("只显示这一次").waitFor();
    const token = (await drawer.locator("code").first().textContent()) ?? "";
    const refused = async () => (await refusalOf(client("GET /v1/claims", { token })))?.status;
    expect(await refused()).to.equal(undefined);
    await isAccessible(page);
    await shot(page, "employer-people-key");
    await drawer.getByRole("button", { name: "我已保存" }).click();
    await page.getByRole("cell", { name: /周新人/ }).waitFor();
    expect(await page.content()).to.not.contain(token);
    await isAccessible(page);
    await shot(page, "employer-people");
    await page.getByRole("button", { name: `吊销密钥 ${token.split(".")[0]}` }).click();
    await page.getByText("吊销后不能恢复。").waitFor();
    await yes(page, "吊销");
    await page.getByText("已吊销").waitFor();
    // another key for the same person, and not the same key
    await page.getByRole("button", { name: "新增密钥" }).click();
    await drawer.getByRole("radio", { name: /已有员工/ }).check();
    await drawer.getByRole("combobox", { name: "员工" }).click();
    await page.getByTitle(/^周新人/).click();
    // chosen, and the list is gone from over the button
    await page.locator(".ant-select-dropdown").last().waitFor({ state: "hidden" });
    await drawer.getByRole("button", { name: "创建密钥" }).click();
    await drawer.getByText("已为 周新人 创建密钥").waitFor();
    expect(await drawer.locator("code").first().textContent()).to.not.equal(token);
    await isAccessible(page);
    // and stays: the form that knew the name is gone
    await drawer.getByText("已为 周新人 创建密钥").waitFor({ timeout: 1_000 });
    await drawer.getByRole("button", { name: "我已保存" }).click();
    const small = await open("/employer/people", as(firm, { ...phone, language: "en-US" }));
    await small
      .getByRole("cell", { name: /周新人/ })
      .first()
      .waitFor();
    await fitsItsWidth(small);
  });

  it("sees that the gateway does not answer, tries again, and the report is reimbursed once", async () => {
    const firm = await newFirm("断线公司");
    const { id } = await ready(firm, "断线");
    const page = await open(
      `/employer/claims/${id}`,
      as(firm, { language: "en-US", expected: /ERR_FAILED/ }),
    );
    const keys: (string | undefined)[] = [];
    await page.route("**/reimburse", async (route) => {
      keys.push(route.request().headers()["idempotency-key"]);
      if (keys.length > 1) return route.continue();
      await route.fetch();
      return route.abort();
    });
    await page.getByRole("button", { name: "Reimburse", exact: true }).click();
    await yes(page, "Reimburse");
    await page.getByRole("alert").filter({ hasText: "The gateway did not answer" }).waitFor();
    await page
      .getByRole("region", { name: "Results" })
      .getByRole("button", { name: "Try again" })
      .click();
    await page.getByText("Done: 1 of 1").waitFor();
    expect(keys).to.deep.equal([keys[0], keys[0]]);
    expect(await statusOf(firm, id)).to.equal("reimbursed");
  });

  it("reads in words why the list does not come, and asks again", async () => {
    const firm = await newFirm("Offline Ltd");
    await ready(firm, "late");
    const page = await open(
      "/employer/people",
      as(firm, { language: "en-US", expected: /ERR_FAILED|ERR_INTERNET_DISCONNECTED/ }),
    );
    await page.getByRole("cell", { name: /Offline Ltd/ }).waitFor();
    await page.route("**/v1/claims?**", (route) => route.abort());
    await page.getByRole("link", { name: "Reports" }).click();
    const alert = page.getByRole("alert").filter({ hasText: "The gateway did not answer" });
    await alert.waitFor();
    await isAccessible(page);
    await page.unroute("**/v1/claims?**");
    await alert.getByRole("button", { name: "Try again" }).click();
    await page.getByRole("link", { name: "late" }).waitFor();
    await page.context().setOffline(true);
    await page.getByText("You are offline.").waitFor();
    await page.getByRole("link", { name: "late" }).waitFor();
    await page.context().setOffline(false);
    await page.getByText("You are offline.").waitFor({ state: "detached" });
  });
});
