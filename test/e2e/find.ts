/**
 * Finding invoices in the lists of merchant, holder and employer: the filter stands in the address,
 * on a desk and on a phone.
 */
import { expect } from "chai";
import type { Page } from "playwright-core";
import { fitsItsWidth, isAccessible, issueTo, newPerson, open, shot, stage } from "./fixture.ts";

const grouped = (number: string) => number.replace(/^(\d{5})(\d{5})(\d{5})(\d{5})$/, "$1 $2 $3 $4");
/** A day of China's calendar, so many days from today. */
const day = (away: number) =>
  new Date(Date.now() + 8 * 3_600_000 + away * 86_400_000).toISOString().slice(0, 10);
const links = (page: Page) => page.getByRole("link", { name: /^\d{5} \d{5} \d{5} \d{5}$/ });
/**
 * The only row of a list that had several: waits until the others are gone and the answer is there.
 */
async function theOnly(page: Page): Promise<string | null> {
  await links(page).nth(1).waitFor({ state: "detached" });
  await links(page).first().waitFor();
  expect(await links(page).count()).to.equal(1);
  return links(page).first().textContent();
}
const paramsOf = (page: Page) => Object.fromEntries(new URL(page.url()).searchParams);

async function looked(page: Page, name: string): Promise<void> {
  await fitsItsWidth(page);
  await isAccessible(page);
  await shot(page, name);
}

/** Types a range of days, as a person does. */
async function pickDays(
  page: Page,
  [start, end]: readonly [string, string],
  [first, last]: readonly [string, string],
): Promise<void> {
  await page.getByPlaceholder(start).fill(first);
  await page.keyboard.press("Enter");
  await page.getByPlaceholder(end).fill(last);
  await page.keyboard.press("Enter");
}
const zh = ["开始日期", "结束日期"] as const;
const en = ["Start date", "End date"] as const;

/**
 * An invoice with an id of the issuer's own; titled to the demo's employer, unless it is for a
 * person.
 */
async function issueAs(sourceId: string, holder?: { account: string }): Promise<string> {
  const { client, demo } = await stage();
  const { taxId, name, token } = demo.keys.issuer;
  const body = {
    kind: "ordinary" as const,
    issuedAt: "2026-11-03T12:31:07+08:00",
    currency: "CNY",
    seller: { taxId, name },
    buyer: holder
      ? { name: "个人" }
      : { taxId: demo.keys.employer.taxId, name: demo.keys.employer.name },
    lines: [{ name: "*餐饮服务*餐费", amount: "188.68", taxRate: "0.06", tax: "11.32" }],
    totals: { net: "188.68", tax: "11.32", gross: "200.00" },
    sourceId,
    ...(holder ? { holder: holder.account } : {}),
  };
  return String((await client.done("POST /v1/invoices", { body, token })).body.number);
}

describe("finding invoices", function () {
  this.timeout(90_000);
  const merchant = async () => (await stage()).demo.keys.issuer.token;

  it("a merchant finds one by its own id, and a reload and a link keep what was asked for (zh)", async () => {
    const [own, other] = [`POS-${crypto.randomUUID()}`, `POS-${crypto.randomUUID()}`];
    const [number] = [await issueAs(own), await issueAs(other)];
    const page = await open("/merchant", { key: await merchant() });
    await links(page).nth(1).waitFor();
    await looked(page, "find-merchant");
    const field = page.getByLabel("发票号码或单据号");
    await field.fill(own);
    await field.press("Enter");
    expect(await theOnly(page)).to.equal(grouped(number));
    expect(paramsOf(page)).to.deep.equal({ source: own });
    await page.getByText("已红冲", { exact: true }).first().click();
    await page.getByText("没有符合条件的发票").waitFor();
    await looked(page, "find-merchant-none");

    await page.reload();
    await page.getByText("没有符合条件的发票").waitFor();
    expect(await field.inputValue()).to.equal(own);
    expect(paramsOf(page)).to.deep.equal({ state: "reversed", source: own });
    const linked = await open(`/merchant?source=${other}&state=nonsense&from=2026-02-31`, {
      key: await merchant(),
    });
    await links(linked).first().waitFor();
    expect(await links(linked).count()).to.equal(1);

    await page.getByRole("button", { name: "清除筛选" }).click();
    await links(page).nth(1).waitFor();
    expect([paramsOf(page), await field.inputValue()]).to.deep.equal([{}, ""]);
    expect(await page.getByRole("button", { name: "清除筛选" }).count()).to.equal(0);
    await page.goBack();
    await page.getByText("没有符合条件的发票").waitFor();
  });

  it("20 digits are a number, or the merchant's own id when no invoice has that number (en)", async () => {
    const digits = `2644${Date.now()}`.padEnd(20, "7");
    const number = await issueAs(digits);
    const page = await open("/merchant", { key: await merchant(), language: "en-US" });
    const field = page.getByLabel("Invoice or document number");
    await field.fill(digits);
    await page.getByRole("button", { name: "Find", exact: true }).click();
    await page.waitForURL(`**/merchant?source=${digits}`);
    await page.getByRole("link", { name: grouped(number) }).waitFor();
    await field.fill(grouped(number));
    await field.press("Enter");
    await page.waitForURL(`**/merchant/invoices/${number}`);
  });

  it("a merchant finds by buyer and by days, and sees that a tax id is invalid (en, dark)", async () => {
    const { demo } = await stage();
    const number = await issueAs(`POS-${crypto.randomUUID()}`);
    const page = await open("/merchant", { key: await merchant(), language: "en-US", dark: true });
    await links(page).first().waitFor();
    const field = page.getByLabel("Buyer's tax ID");
    await field.fill("91440300MAJU6XYHX0");
    await field.press("Enter");
    await page.getByText("Invalid tax ID. Check the number.").waitFor();
    await looked(page, "find-merchant-wrong");
    await field.fill(demo.keys.employer.taxId.toLowerCase());
    await field.press("Enter");
    await page.waitForURL(`**/merchant?buyer=${demo.keys.employer.taxId}`);
    await page.getByRole("link", { name: grouped(number) }).waitFor();
    await pickDays(page, en, [day(-9), day(-1)]);
    await page.getByText("No matching invoices").waitFor();
    expect(paramsOf(page)).to.deep.equal({
      buyer: demo.keys.employer.taxId,
      from: day(-9),
      to: day(-1),
    });
    await pickDays(page, en, [day(-1), day(0)]);
    await page.getByRole("link", { name: grouped(number) }).waitFor();
    await looked(page, "find-merchant-dark");
  });

  it("a merchant at the till finds on a phone (zh)", async () => {
    const own = `POS-${crypto.randomUUID()}`;
    const number = await issueAs(own);
    const page = await open("/merchant", { key: await merchant(), width: 360, height: 740 });
    await links(page).nth(1).waitFor();
    await page.getByRole("button", { name: "筛选" }).click();
    await page.getByRole("dialog").getByLabel("发票号码或单据号").fill(own);
    await looked(page, "find-merchant-drawer");
    await page.getByRole("dialog").getByRole("button", { name: "查找" }).click();
    await page.getByRole("button", { name: "筛选（1）" }).waitFor();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    expect(await theOnly(page)).to.equal(grouped(number));
    await looked(page, "find-merchant-phone");
  });

  it("a holder finds by days and seller in a drawer of the phone (zh, en)", async () => {
    const { demo } = await stage();
    const person = await newPerson("卫查找");
    const number = await issueAs(`POS-${crypto.randomUUID()}`, person);
    const page = await open("/holder", { key: person.token, width: 360, height: 740 });
    await page.getByText(grouped(number)).waitFor();
    await looked(page, "find-holder-phone");
    const drawer = page.getByRole("dialog");
    await page.getByRole("button", { name: "筛选" }).click();
    await drawer.getByLabel("受理日期从").click();
    await fitsItsWidth(page);
    await shot(page, "find-holder-days");
    await page.getByTitle(day(0), { exact: true }).click();
    await drawer.getByLabel("到", { exact: true }).click();
    // in whichever order
    await page.getByTitle(day(-1), { exact: true }).last().click();
    await drawer.getByLabel("销售方税号").fill(demo.keys.employer.taxId);
    await looked(page, "find-holder-drawer");
    await drawer.getByRole("button", { name: "查找" }).click();
    await page.getByText("没有符合条件的发票").waitFor();
    expect(paramsOf(page)).to.deep.equal({
      seller: demo.keys.employer.taxId,
      from: day(-1),
      to: day(0),
    });
    await page.getByRole("button", { name: "筛选（2）" }).waitFor();
    await looked(page, "find-holder-none");
    await page.getByRole("button", { name: "清除筛选" }).click();
    await page.getByText(grouped(number)).waitFor();

    const english = await open(`/holder?seller=${demo.keys.employer.taxId}`, {
      key: person.token,
      language: "en-US",
      dark: true,
    });
    await english.getByText("No matching invoices").waitFor();
    await looked(english, "find-holder-dark");
    await pickDays(english, en, [day(0), day(0)]);
    await english.getByLabel("Seller's tax ID").fill("");
    await english.getByRole("button", { name: "Find", exact: true }).click();
    await english.getByText(grouped(number)).waitFor();
    await looked(english, "find-holder-en");
  });

  it("an employer finds what to enter by days and seller (zh, phone: en)", async () => {
    const { demo } = await stage();
    const number = await issueAs(`POS-${crypto.randomUUID()}`);
    const key = demo.keys.employer.token;
    const page = await open(`/employer/books?seller=${demo.keys.issuer.taxId}&from=${day(0)}`, {
      key,
    });
    const box = page.getByRole("checkbox", { name: `选择发票 ${number}` });
    await box.waitFor();
    expect(await page.getByLabel("销售方税号").inputValue()).to.equal(demo.keys.issuer.taxId);
    await looked(page, "find-employer");
    await pickDays(page, zh, [day(-2), day(-1)]);
    await page.getByText("没有符合条件的发票").waitFor();
    await page.getByRole("button", { name: "清除筛选" }).click();
    await box.waitFor();
    const phone = await open(`/employer/books?seller=${demo.keys.employer.taxId}`, {
      key,
      language: "en-US",
      width: 360,
      height: 740,
    });
    await phone.getByRole("button", { name: "Filter (1)" }).waitFor();
    await phone.getByText("No matching invoices").waitFor();
    await looked(phone, "find-employer-phone");
  });

  it("an invoice that comes while a list is narrowed comes into it when it matches", async () => {
    const { demo } = await stage();
    const person = await newPerson("蒋等候");
    const page = await open(`/holder?seller=${demo.keys.issuer.taxId}&from=${day(0)}`, {
      key: person.token,
    });
    await page.getByText("没有符合条件的发票").waitFor();
    await page.getByRole("status", { name: "实时更新" }).waitFor();
    const { number } = await issueTo(person);
    await page.getByText(grouped(number)).waitFor();
  });
});
