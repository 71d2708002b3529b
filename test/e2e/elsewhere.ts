/**
 * What was issued elsewhere, and companies that are not enrolled: an employer looks an invoice up
 * and registers it, the bureau sees what contradicts itself and keeps the directory, and a merchant
 * finds a buyer in it.
 */
import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { refusalOf } from "../../clients/typescript/index.ts";
import { root } from "../../scripts/run.ts";
import { fitsItsWidth, isAccessible, open, shot, stage } from "./fixture.ts";

const text = (path: string) => readFileSync(join(root, "samples", path), "utf8");
const digits = (count: number) => String(randomInt(10 ** Math.min(count, 12))).padStart(count, "0");
/** A 数电票 to a person, of a seller that is not on this network. */
const national = (number: string, seller = "91530100MA7DEMX01J") =>
  text("shudian/06-scenic-person.xml")
    .replaceAll("26532000000000700006", number)
    .replaceAll("91530102MARJT2FQ8E", seller);
/** UBL to nobody by name, with a price that is rounded. */
const european = (number: string) =>
  text("ubl/01-two-rates.xml")
    .replace("NB-2026-0815", number)
    .replace(/<cac:PartyTaxScheme><cbc:CompanyID>DE 301.*?<\/cac:PartyTaxScheme>/s, "")
    .replace(">14.95<", ">15.00<");
const fileOf = (name: string, content: string) => ({
  name,
  mimeType: "application/octet-stream",
  buffer: Buffer.from(content),
});
const phone = { width: 360, height: 740 };

describe("what was issued elsewhere", function () {
  this.timeout(120_000);

  it("is looked up, registered with what it collects, and what is unusual about it is said (en, phone: zh)", async () => {
    const { client, demo } = await stage();
    const { token } = demo.keys.employer;
    const number = `EL-${digits(8)}`;
    const invoice = fileOf("hotel.xml", european(number));
    const page = await open("/employer/external", { key: token, language: "en-US" });
    const choose = (...files: ReturnType<typeof fileOf>[]) =>
      page.locator('input[type="file"]').setInputFiles(files);
    const results = page.getByRole("region", { name: "Registration results" });
    const look = page.getByRole("checkbox", { name: /^Only check/ });
    await look.check();
    await choose(invoice);
    await results.getByText("Not registered by anybody").waitFor();
    await results.getByText("What is unusual").waitFor();
    await results.getByText("line-amount").waitFor();
    const listed = async () =>
      (await client("GET /v1/external-invoices", { token })).body.items.filter(
        (item) => item.number === number,
      );
    expect(await listed()).to.deep.equal([]);

    await look.uncheck();
    const collected = page.getByLabel("Collected for others");
    await collected.fill("many");
    await page.getByText("Enter an amount such as 325.00").waitFor();
    await collected.fill("25.00");
    await isAccessible(page);
    await choose(invoice);
    await results.getByText("Registered: 1 of 1").waitFor();
    expect(await collected.inputValue()).to.equal("");
    expect(await listed()).to.have.length(1);
    expect((await listed())[0]).to.include({ gross: "310.48", payable: "335.48" });
    await look.check();
    await choose(invoice);
    await results.getByText("Registered by you").waitFor();
    await isAccessible(page);
    await shot(page, "employer-external-look");

    // files that people have and nobody reads yet: each has its answer
    const small = await open("/employer/external", { key: token, ...phone });
    await small
      .locator('input[type="file"]')
      .setInputFiles([fileOf("发票.pdf", "%PDF-1.7\n"), fileOf("发票.zip", "PK\u0003\u0004")]);
    const refusals = small.getByRole("region", { name: "登记结果" });
    for (const name of ["发票.pdf", "发票.zip"])
      await refusals
        .getByRole("listitem")
        .filter({ hasText: name })
        .getByText("不支持此类文件，请使用随附的 XML 文件")
        .waitFor();
    await fitsItsWidth(small);
    await isAccessible(small);
  });

  it("is a conflict when two documents contradict each other: the bureau sees both (zh)", async () => {
    const { client, demo, sandbox } = await stage();
    const { token } = demo.keys.employer;
    const number = `26539000004${digits(9)}`;
    const register = (body: string) =>
      client.done("POST /v1/external-invoices", { body, type: "application/xml", token });
    await register(national(number));
    const page = await open("/bureau/refusals", { key: sandbox.bureau.token });
    const card = page.locator(".ant-card").filter({ hasText: "待核对的外部票" });
    await card.getByRole("radiogroup", { name: "类别" }).getByText("内容不一致").click();
    const refusal = await refusalOf(register(national(number, "91110000MA7FXLD02L")));
    expect(refusal?.code).to.equal("external-conflict");
    // it comes without a reload
    const row = card.getByRole("row").filter({ hasText: "91110000MA7FXLD02L" });
    await row.getByText("91530100MA7DEMX01J").waitFor();
    expect(await row.getByText(demo.keys.employer.name).count()).to.equal(2);
    await isAccessible(page);
    await shot(page, "bureau-conflicts");
  });

  it("the bureau loads a directory and searches it, and a merchant picks a buyer from it (zh, en)", async () => {
    const { demo, sandbox } = await stage();
    const name = `北斗${digits(6)}科技有限公司`;
    const page = await open("/bureau/directory", { key: sandbox.bureau.token });
    await page
      .locator('input[type="file"]')
      .setInputFiles(
        fileOf(
          "directory.csv",
          `纳税人名称,统一社会信用代码\n${name},91440300MA5D1R001H\n坏税号公司,91440300MA5D1R001X\n`,
        ),
      );
    const outcome = page.getByRole("status").filter({ hasText: "1" }).first();
    await outcome.waitFor();
    await page.getByText("tax-id-check-digit").waitFor();
    await page.getByRole("searchbox", { name: "查名册" }).fill(name.slice(0, 6));
    await page.keyboard.press("Enter");
    await page.getByRole("row").filter({ hasText: name }).getByText("91440300MA5D1R001H").waitFor();
    await isAccessible(page);
    await shot(page, "bureau-directory");

    const shop = await open("/merchant/issue", { key: demo.keys.issuer.token, language: "en-US" });
    await shop.getByLabel("Buyer's name").fill(name.slice(2, 8));
    await shop.getByText(name).click();
    expect(await shop.getByLabel("Buyer's name").inputValue()).to.equal(name);
    expect(await shop.getByLabel("Buyer's tax ID").inputValue()).to.equal("91440300MA5D1R001H");
    await isAccessible(shop);
  });
});
