import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { qrText } from "@onepiao/protocol/formats/qr.ts";
import { encodeProof } from "@onepiao/protocol/proofs/qr-proof.ts";
import { BinaryBitmap, HybridBinarizer, QRCodeReader, RGBLuminanceSource } from "@zxing/library";
import { expect } from "chai";
import type { Page } from "playwright-core";
import { PNG } from "pngjs";
import { root } from "../../scripts/run.ts";
import { qrPng } from "../../server/drawing/qr-image.ts";
import { fitsItsWidth, isAccessible, issueTo, newPerson, open, shot, stage } from "./fixture.ts";

/** Whether a decoder's search does not find the code. */
function missed(png: Buffer): boolean {
  const { data, width, height } = PNG.sync.read(png);
  const grey = Uint8ClampedArray.from({ length: width * height }, (_, i) => data[4 * i] ?? 0);
  try {
    new QRCodeReader().decode(
      new BinaryBitmap(new HybridBinarizer(new RGBLuminanceSource(grey, width, height))),
    );
    return false;
  } catch {
    return true;
  }
}

describe("anybody", () => {
  let holder: Awaited<ReturnType<typeof newPerson>>;
  let number: string;
  before(async () => {
    holder = await newPerson("卫公众");
    ({ number } = await issueTo(holder));
  });
  /** A file of the invoice as its holder gets it. */
  const file = async (part: "" | "/bundle" | "/qr", accept: string, query: object = {}) => {
    const { client } = await stage();
    const path = `/v1/invoices/${number}${part}`;
    const { status, body } = await client.send("GET", path, { query, accept, token: holder.token });
    expect(status, path).to.equal(200);
    return Buffer.from(body as Uint8Array);
  };

  /** Waits until the page has the chunk of this source, and could do without a network. */
  const fetched = async (page: Page, source: string) => {
    const chunks = JSON.parse(
      readFileSync(join(root, "dist", "console", "manifest.json"), "utf8"),
    ) as Record<string, { file: string }>;
    const file = Object.entries(chunks).find(([key]) => key.includes(source))?.[1].file;
    if (file === undefined) throw new Error(`no chunk of ${source}`);
    const names = () =>
      page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => name));
    while (!(await names()).some((name) => name.endsWith(file))) await page.waitForTimeout(50);
  };

  it("verifies an invoice by what is printed, and sees when it does not match (phone, zh)", async () => {
    const page = await open("/", { width: 360, height: 740 });
    await page.getByRole("heading", { level: 1, name: "查验发票" }).waitFor();
    await fitsItsWidth(page);
    await isAccessible(page);
    await shot(page, "verify-phone");
    const ask = async (invoiceNumber: string, total: string) => {
      await page.getByLabel("发票号码").fill(invoiceNumber);
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

  it("sees what a code and a file of elsewhere say, and whether they are registered here (phone, zh, en)", async () => {
    const number = `2653900003${String(randomBytes(4).readUInt32LE()).padStart(10, "0")}`;
    const page = await open(`/verify#01,32,,${number},255,20261111,,`, { width: 360, height: 740 });
    await page.getByRole("heading", { name: "查无此票" }).waitFor();
    await page.getByText("未在本网络登记报销").waitFor();
    const link = page.getByRole("link", { name: "到 inv-veri.chinatax.gov.cn 查验真伪" });
    expect(await link.getAttribute("href")).to.equal("https://inv-veri.chinatax.gov.cn/");
    await page.getByText("电子发票（普通发票）").waitFor();
    await fitsItsWidth(page);
    await isAccessible(page);
    await shot(page, "verify-elsewhere-phone");

    const { client, demo } = await stage();
    const text = readFileSync(join(root, "samples/shudian/06-scenic-person.xml"), "utf8")
      .replaceAll("26532000000000700006", number)
      .replaceAll("91530102MARJT2FQ8E", "91530100MA7DEMX01J");
    await client.done("POST /v1/external-invoices", {
      body: text,
      type: "application/xml",
      token: demo.keys.employer.token,
    });
    const english = await open("/verify", { language: "en-US" });
    await english.getByRole("tab", { name: "File" }).click();
    await english.locator("input[type=file]").setInputFiles({
      name: "other.xml",
      mimeType: "application/xml",
      buffer: Buffer.from(text),
    });
    await english.getByText("Registered in this network", { exact: true }).waitFor();
    for (const fact of [number, "昆明石林景区旅游服务有限公司 91530100MA7DEMX01J", "2026-11-11"])
      await english.getByText(fact, { exact: true }).waitFor();
    const shown = await english.locator("main").innerText();
    expect(shown).not.to.include(demo.keys.employer.name);
    await isAccessible(english);
  });

  it("sees which field is wrong before the page sends a request (en)", async () => {
    const page = await open("/", { language: "en-US" });
    await page.getByLabel("Invoice number").fill("123");
    await page.locator("form").getByRole("button", { name: "Verify" }).click();
    await page.getByText("Enter the 20 digits of the invoice number").waitFor();
    await page.getByText("Enter an amount such as 200.00").waitFor();
    await isAccessible(page);
  });

  it("verifies a bundle step by step, and sees when it was altered (en)", async () => {
    const page = await open("/", { language: "en-US" });
    const bundle = JSON.parse(
      (await file("/bundle", "application/json", { disclose: "seller,date,total" })).toString(),
    );
    const drop = async (name: string, mimeType: string, buffer: Buffer) => {
      await page.getByRole("tab", { name: "File" }).click();
      await page.locator('input[type="file"]').setInputFiles({ name, mimeType, buffer });
    };
    await drop("bundle.json", "application/json", Buffer.from(JSON.stringify(bundle)));
    await page.getByRole("heading", { name: "Valid" }).waitFor();
    await page.getByRole("button", { name: "The proof, step by step" }).click();
    for (const step of [
      "Leaf and path give the lot's root hash: passed",
      "Lot in the ledger: passed",
      "Status on the chain (block): passed",
    ]) {
      await page.getByText(step).waitFor();
    }
    await page.getByText("The content that is not shown").waitFor();
    await isAccessible(page);
    await shot(page, "verify-bundle");
    await page.getByRole("button", { name: "Verify another invoice" }).click();
    const without = { ...bundle, parties: [] };
    await drop("bundle.json", "application/json", Buffer.from(JSON.stringify(without)));
    await page.getByRole("heading", { name: "Issuer not proven" }).waitFor();
    await page.getByText("(not proven)").waitFor();
    await page.getByRole("button", { name: "Verify another invoice" }).click();
    const posing = {
      ...bundle,
      parties: bundle.parties.map((party: object) => ({ ...party, name: "别家有限公司" })),
    };
    await drop("bundle.json", "application/json", Buffer.from(JSON.stringify(posing)));
    await page.getByRole("heading", { name: "Contradictory content" }).waitFor();
    await page.getByText("seller-name").waitFor();
    await isAccessible(page);
    await shot(page, "verify-contradictory");
    await page.getByRole("button", { name: "Verify another invoice" }).click();
    bundle.parts.total.value = "2000.00";
    await drop("bundle.json", "application/json", Buffer.from(JSON.stringify(bundle)));
    await page.getByRole("heading", { name: "Altered" }).waitFor();
    await shot(page, "verify-altered");
    await page.getByRole("button", { name: "Verify another invoice" }).click();
    await drop(`${number}.pdf`, "application/pdf", await file("", "application/pdf"));
    await page.getByRole("heading", { name: "Valid" }).waitFor();
    await page.getByRole("button", { name: "Verify another invoice" }).click();
    await drop("nothing.pdf", "application/pdf", Buffer.from("%PDF-1.7 nothing"));
    await page.getByRole("alert").filter({ hasText: "Code" }).waitFor();
  });

  it("verifies by the link in the QR code, and is led to the pickup without the secret being sent (zh)", async () => {
    const { sandbox } = await stage();
    const { pickup } = await issueTo();
    if (!pickup) throw new Error("no pickup");
    const link = new URL(
      qrText(sandbox.url, {
        number: pickup.number,
        kind: "ordinary",
        gross: "200.00",
        date: "2026-11-03",
        pickup: pickup.secret,
      }),
    );
    const page = await open("/", { width: 360, height: 740 });
    const sent: string[] = [];
    page.on("request", (request) =>
      sent.push(
        `${request.url()} ${request.postData() ?? ""} ${JSON.stringify(request.headers())}`,
      ),
    );
    await page.goto(`/verify${link.hash}`);
    await page.getByRole("heading", { name: "发票有效" }).waitFor();
    expect(page.url()).to.not.contain("#");
    await page.getByText("尚无人取票").waitFor();
    await isAccessible(page);
    await shot(page, "verify-pickup-phone");
    expect(sent.join("\n")).to.not.contain(pickup.secret.slice(2));
    // the code is for the first person who signs in
    await page.getByRole("link", { name: "取票" }).click();
    await page.waitForURL("**/sign-in");
    await page.getByRole("button", { name: /^王芳/ }).click();
    await page.getByRole("heading", { name: "找到一张可取的发票" }).waitFor();
  });

  it("reads a signed code's picture without a network, and knows its key after a check with one (phone, zh)", async () => {
    const picture = {
      name: "signed.png",
      mimeType: "image/png",
      buffer: await file("/qr", "image/png", { signed: 1 }),
    };
    const page = await open("/", { width: 360, height: 740 });
    const read = () => page.getByRole("tab", { name: "扫二维码" }).click();
    await read();
    await fetched(page, "device.ts");
    await fetched(page, "@zxing/browser");
    await fetched(page, "@zxing/library");
    await page.context().setOffline(true);
    const asked: string[] = [];
    page.on(
      "request",
      (request) => void (request.url().includes("/v1/") && asked.push(request.url())),
    );
    await page.locator('input[type="file"]').setInputFiles(picture);
    await page.getByRole("heading", { name: "未能确认是谁开具的" }).waitFor();
    const device = page.getByRole("status").filter({ hasText: "已在本机验算" });
    await device.getByText("本机未见过此密钥").waitFor();
    await device.getByText("未能连接网关").waitFor();
    await page.getByText("¥200.00").waitFor();
    await page.getByRole("button", { name: "证明过程" }).click();
    await page.getByText("票面印刷的内容: 通过").waitFor();
    await page.getByText("签章密钥属于开票方: 未检查").waitFor();
    await fitsItsWidth(page);
    await isAccessible(page);
    await shot(page, "verify-device-phone");
    expect(asked).to.deep.equal([]);
    await page.context().setOffline(false);
    await page.getByRole("button", { name: "再查一张" }).click();
    await read();
    await page.locator('input[type="file"]').setInputFiles(picture);
    await page.getByRole("heading", { name: "发票有效" }).waitFor();
    await device.waitFor();
    // now the gateway's word counts
    expect(await device.getByText("本机未见过此密钥").count()).to.equal(0);
    await isAccessible(page);
    await page.getByRole("button", { name: "再查一张" }).click();
    await page.context().setOffline(true);
    await read();
    await page.locator('input[type="file"]').setInputFiles(picture);
    await page.getByRole("heading", { name: "由开票方签章，状态未知" }).waitFor();
    await device.getByText("此前联网查验").waitFor();
    await isAccessible(page);
  });

  it("reads a code that the decoder misses at the picture's own size (en)", async () => {
    // one in eight is such a code
    let picture: Buffer | undefined;
    while (picture === undefined) {
      const proof = randomBytes(600).toString("base64url");
      const png = await qrPng(
        qrText("https://gateway", {
          number,
          kind: "ordinary",
          gross: "200.00",
          date: "2026-11-03",
          proof,
        }),
      );
      if (missed(png)) picture = png;
    }
    const page = await open("/", { language: "en-US" });
    await page.getByRole("tab", { name: "QR code" }).click();
    await page
      .locator('input[type="file"]')
      .setInputFiles({ name: "code.png", mimeType: "image/png", buffer: picture });
    await page.getByRole("heading", { name: "Altered" }).waitFor();
  });

  it("opens a signed code's link without a network, and sees on the device that it was altered (en)", async () => {
    const bundle = JSON.parse(
      (
        await file("/bundle", "application/json", {
          disclose: "kind,date,currency,seller,total",
        })
      ).toString(),
    );
    const hashOf = (gross: string, proof: string) => {
      const link = qrText("https://gateway", {
        number,
        kind: "ordinary",
        gross,
        date: "2026-11-03",
        proof,
      });
      return new URL(link).hash;
    };
    // the browser asks for the page's icon at every address
    const page = await open("/", {
      language: "en-US",
      expected: /net::ERR_(FAILED|INTERNET_DISCONNECTED)/,
    });
    await fetched(page, "device.ts");
    const opened = async (hash: string, heading: string) => {
      await page.goto(`/verify${hash}`);
      await page.getByRole("heading", { name: heading }).waitFor();
    };
    const good = encodeProof(bundle);
    await opened(hashOf("200.00", good), "Valid");
    await page.context().setOffline(true);
    await opened(hashOf("200.00", good), "Sealed, status unknown");
    await page.getByText("knows it from an earlier online check").waitFor();
    await page.getByText("The gateway cannot be reached").waitFor();
    await isAccessible(page);
    await shot(page, "verify-device");
    // other print beside the same proof
    await opened(hashOf("2000.00", good), "Details do not match");
    await page.getByText("The check on this device failed").waitFor();
    await isAccessible(page);
    // no proof at all, and one that another key would have to have sealed
    await opened(hashOf("200.00", good.slice(3)), "Altered");
    bundle.parts.total.value = "2000.00";
    await opened(hashOf("2000.00", encodeProof(bundle)), "Issuer not proven");
    await page.getByText("this device knows that taxpayer by another key").waitFor();
    await isAccessible(page);
    // a network, and no gateway behind it
    await page.context().setOffline(false);
    await page.route("**/v1/verify", (route) => route.abort());
    await opened(hashOf("200.00", good), "Sealed, status unknown");
    await page.getByText("The gateway cannot be reached").waitFor();
    await page.unroute("**/v1/verify");
    await opened(hashOf("2000.00", encodeProof(bundle)), "Not the issuer's seal");
  });

  it("verifies by a link with number, date and total (en)", async () => {
    const page = await open(`/verify?number=${number}&date=2026-11-03&total=200.00`, {
      language: "en-US",
      dark: true,
    });
    await page.getByRole("heading", { name: "Valid" }).waitFor();
    await isAccessible(page);
    await shot(page, "verify-valid-dark");
  });

  it("sees that there is no such page (en)", async () => {
    const page = await open("/verify/nothing", { language: "en-US" });
    await page.getByRole("heading", { name: "Page not found" }).waitFor();
    await isAccessible(page);
  });
});
