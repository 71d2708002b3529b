import { expect } from "chai";
import { openDb } from "../../server/db/db.ts";
import { fitsItsWidth, isAccessible, open, shot, stage } from "./fixture.ts";

describe("signing in", () => {
  for (const language of ["zh-CN", "en-US"] as const) {
    it(`with an API key leads to the area of its role, and signing out back (${language})`, async () => {
      const { demo } = await stage();
      const zh = language === "zh-CN";
      const page = await open("/", { language });
      await page.getByRole("link", { name: zh ? "登录" : "Sign in" }).click();
      await page.getByRole("heading", { level: 1, name: zh ? "登录" : "Sign in" }).waitFor();
      await isAccessible(page);
      await shot(page, `sign-in-${language}`);
      await page.getByLabel(zh ? "API 密钥" : "API key").fill(demo.keys.holder.token);
      await page
        .locator("form")
        .getByRole("button", { name: zh ? "登录" : "Sign in" })
        .click();
      await page.waitForURL("**/holder");
      const cookies = await page.context().cookies();
      expect(
        cookies.map(({ name, httpOnly, sameSite }) => ({ name, httpOnly, sameSite })),
      ).to.deep.equal([{ name: "onepiao", httpOnly: true, sameSite: "Strict" }]);
      await page.getByRole("button", { name: zh ? /^账户/ : /^Account/ }).click();
      await page.getByRole("menuitem", { name: zh ? "退出登录" : "Sign out" }).click();
      await page.waitForURL("**/sign-in");
      expect(await page.context().cookies()).to.deep.equal([]);
    });
  }

  it("with a wrong key is refused in words, with the code", async () => {
    const page = await open("/sign-in", { language: "en-US" });
    await page.getByLabel("API key").fill("wrong.wrong");
    await page.locator("form").getByRole("button", { name: "Sign in" }).click();
    const alert = page.getByRole("alert").filter({ hasText: "No valid API key" });
    await alert.waitFor();
    expect(await alert.textContent()).to.contain("unauthenticated");
  });

  it("in the sandbox is offered as each of its parties", async () => {
    const page = await open("/sign-in", { width: 360 });
    await page.getByRole("button", { name: /^税务局/ }).waitFor();
    await fitsItsWidth(page);
    await isAccessible(page);
    await shot(page, "sign-in-phone");
    await page.getByRole("button", { name: /^税务局/ }).click();
    await page.waitForURL("**/bureau");
  });

  it("is asked for again when the session has expired, and leads back to the page before", async () => {
    const { sandbox, demo } = await stage();
    const page = await open("/holder", { key: demo.keys.holder.token, language: "en-US" });
    await page.getByRole("heading", { level: 1 }).waitFor();
    const sql = openDb(sandbox.databaseUrl, { connections: 1 });
    await sql`update sessions set seen_at = now() - interval '31 minutes'`;
    await sql.end();
    await page.getByRole("link", { name: "Reports" }).click();
    await page.waitForURL("**/sign-in");
    await page.getByText("Your session has ended").waitFor();
    await page.getByLabel("API key").fill(demo.keys.holder.token);
    await page.locator("form").getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL("**/holder/reports");
  });

  it("as somebody of another role is answered with 403 and why, by page and by gateway", async () => {
    const { demo } = await stage();
    const page = await open("/bureau", { key: demo.keys.holder.token, language: "en-US" });
    await page.getByRole("heading", { name: "No access" }).waitFor();
    await page.getByText("with the role holder. This page needs the role tax bureau").waitFor();
    await isAccessible(page);
    await shot(page, "wrong-role");
    expect((await page.request.get("/v1/taxpayers")).status()).to.equal(403);
  });

  it("goes by keyboard alone: past the header, to the key, and in", async () => {
    const { demo } = await stage();
    const page = await open("/sign-in", { language: "en-US" });
    await page.getByLabel("API key").waitFor();
    await page.keyboard.press("Tab");
    const skip = page.getByRole("link", { name: "Skip to content" });
    expect(await skip.evaluate((element) => element === document.activeElement)).to.equal(true);
    await page.keyboard.press("Enter");
    // past the way by the identity provider
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    await page.keyboard.type(demo.keys.holder.token);
    await page.keyboard.press("Enter");
    await page.waitForURL("**/holder");
    await page.waitForFunction(() => document.activeElement?.id === "main");
    await page.waitForFunction(() => document.title.startsWith("My invoices"));
  });

  it("is not needed to change language and appearance, which are kept", async () => {
    const page = await open("/", { language: "en-US" });
    await page.getByRole("button", { name: "中文" }).click();
    await page.getByRole("link", { name: "登录" }).waitFor();
    await page.getByRole("button", { name: "外观" }).click();
    await page.getByRole("menuitem", { name: "深色" }).click();
    await page.reload();
    await page.getByRole("link", { name: "登录" }).waitFor();
    expect(await page.locator("html").getAttribute("data-theme")).to.equal("dark");
    expect(await page.locator("html").getAttribute("lang")).to.equal("zh-CN");
    await isAccessible(page);
  });
});
