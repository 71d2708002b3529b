import { expect } from "chai";
import { qrText } from "../../server/formats/qr.ts";
import { fitsItsWidth, isAccessible, issueTo, newPerson, open, shot, stage } from "./fixture.ts";

describe("anybody", () => {
  let holder: Awaited<ReturnType<typeof newPerson>>;
  let number: string;
  before(async () => {
    holder = await newPerson("卫公众");
    ({ number } = await issueTo(holder));
  });
  const file = async (path: string, accept: string) => {
    const response = await fetch(`${(await stage()).sandbox.url}${path}`, { headers: { accept, authorization: `Bearer ${holder.token}` } });
    expect(response.status, path).to.equal(200);
    return Buffer.from(await response.arrayBuffer());
  };

  it("verifies an invoice by what is printed, and sees when it does not match (phone, zh)", async () => {
    const page = await open("/", { width: 360, height: 740 });
    await page.getByRole("heading", { level: 1, name: "查验发票" }).waitFor();
    await fitsItsWidth(page);
    await isAccessible(page);
    await shot(page, "verify-phone");
    const ask = async (what: string, total: string) => {
      await page.getByLabel("发票号码").fill(what);
      await page.getByLabel("开票日期").fill("2026-11-03");
      await page.keyboard.press("Enter");
      await page.getByLabel("价税合计").fill(total);
      await page.locator("form").getByRole("button", { name: "查验" }).click();
    };
    await ask(number, "200.00");
    await page.getByRole("heading", { name: "发票有效" }).waitFor();
    await page.getByText("尚未报销").waitFor();
    await page.getByRole("button", { name: "证明过程" }).click();
    await page.getByText("以区块").waitFor();
    await fitsItsWidth(page);
    await isAccessible(page);
    await shot(page, "verify-valid-phone");
    await page.getByRole("button", { name: "再查一张" }).click();
    await ask(number, "200.01");
    await page.getByRole("heading", { name: "信息不符" }).waitFor();
    await page.getByRole("button", { name: "再查一张" }).click();
    await ask("26442999999999999999", "200.00");
    await page.getByRole("heading", { name: "查无此票" }).waitFor();
  });

  it("is told which field is wrong before anything is asked (en)", async () => {
    const page = await open("/", { language: "en-US" });
    await page.getByLabel("Invoice number").fill("123");
    await page.locator("form").getByRole("button", { name: "Verify" }).click();
    await page.getByText("An invoice number has 20 digits").waitFor();
    await page.getByText("An amount as 200.00").waitFor();
    await isAccessible(page);
  });

  it("verifies a bundle step by step, and sees when it was altered (en)", async () => {
    const page = await open("/", { language: "en-US" });
    const bundle = JSON.parse((await file(`/v1/invoices/${number}/bundle?disclose=seller,date,total`, "application/json")).toString());
    const drop = async (name: string, mimeType: string, buffer: Buffer) => {
      await page.getByRole("tab", { name: "By file" }).click();
      await page.locator('input[type="file"]').setInputFiles({ name, mimeType, buffer });
    };
    await drop("bundle.json", "application/json", Buffer.from(JSON.stringify(bundle)));
    await page.getByRole("heading", { name: "Valid" }).waitFor();
    await page.getByRole("button", { name: "The proof, step by step" }).click();
    for (const step of ["From the leaf by its path to the lot's root: holds", "The lot in the ledger: holds", "State on the chain, at a block: holds"]) {
      await page.getByText(step).waitFor();
    }
    await page.getByText("What is not shown").waitFor();
    await isAccessible(page);
    await shot(page, "verify-bundle");
    await page.getByRole("button", { name: "Another one" }).click();
    bundle.parts.total.value = "2000.00";
    await drop("bundle.json", "application/json", Buffer.from(JSON.stringify(bundle)));
    await page.getByRole("heading", { name: "Altered" }).waitFor();
    await shot(page, "verify-altered");
    await page.getByRole("button", { name: "Another one" }).click();
    await drop(`${number}.pdf`, "application/pdf", await file(`/v1/invoices/${number}`, "application/pdf"));
    await page.getByRole("heading", { name: "Valid" }).waitFor();
    await page.getByRole("button", { name: "Another one" }).click();
    await drop("nothing.pdf", "application/pdf", Buffer.from("%PDF-1.7 nothing"));
    await page.getByRole("alert").filter({ hasText: "Code" }).waitFor();
  });

  it("verifies by the link in the QR code, and is led to the pickup without the secret being sent (zh)", async () => {
    const { sandbox } = await stage();
    const { pickup } = await issueTo();
    if (!pickup) throw new Error("no pickup");
    const link = new URL(qrText(sandbox.url, { number: pickup.number, kind: "ordinary", gross: "200.00", date: "2026-11-03", pickup: pickup.secret }));
    const page = await open("/", { width: 360, height: 740 });
    const sent: string[] = [];
    page.on("request", (request) => sent.push(`${request.url()} ${request.postData() ?? ""} ${JSON.stringify(request.headers())}`));
    await page.goto(`/verify${link.hash}`);
    await page.getByRole("heading", { name: "发票有效" }).waitFor();
    expect(page.url()).to.not.contain("#");
    await page.getByText("正等人取走").waitFor();
    await isAccessible(page);
    await shot(page, "verify-pickup-phone");
    expect(sent.join("\n")).to.not.contain(pickup.secret.slice(2));
    // the code is for whoever signs in first
    await page.getByRole("link", { name: "取票" }).click();
    await page.waitForURL("**/sign-in");
    await page.getByRole("button", { name: /^王芳/ }).click();
    await page.getByRole("heading", { name: "找到一张可取的发票" }).waitFor();
  });

  it("verifies by a link with number, date and total (en)", async () => {
    const page = await open(`/verify?number=${number}&date=2026-11-03&total=200.00`, { language: "en-US", dark: true });
    await page.getByRole("heading", { name: "Valid" }).waitFor();
    await isAccessible(page);
    await shot(page, "verify-valid-dark");
  });

  it("is told when there is no such page (en)", async () => {
    const page = await open("/verify/nothing", { language: "en-US" });
    await page.getByRole("heading", { name: "There is no such page" }).waitFor();
    await isAccessible(page);
  });
});
