/**
 * Signing in at the organisation's identity provider, with its own pages in between: access
 * granted, a party chosen, refused.
 */
import { expect } from "chai";
import type { Page } from "playwright-core";
import { fitsItsWidth, isAccessible, open, shot, stage } from "./fixture.ts";

/** The provider's own pages ask the net for a typeface. */
const elsewhere = /fonts\.googleapis|ERR_/;

/** On the provider's pages: enters the login and allows access. */
async function signInThere(page: Page, login: string): Promise<void> {
  await page.getByPlaceholder("Enter any login").fill(login);
  await page.getByPlaceholder("and password").fill("any");
  await page.getByRole("button", { name: "Sign-in" }).click();
  await page.getByRole("button", { name: "Continue" }).click();
}

describe("signing in at an identity provider", function () {
  this.timeout(90_000);

  it("a clerk is given access by name, and comes to the page that was asked for (zh)", async () => {
    const { demo, people, provider, sandbox } = await stage();
    people.set("clerk-1", { email: "wang.fang@example.com", email_verified: true });
    const admin = await open("/employer/people", { key: demo.keys.employer.token });
    await admin.getByRole("button", { name: "新增密钥" }).click();
    const drawer = admin.getByRole("dialog");
    await drawer.getByRole("radio", { name: /财务人员/ }).check();
    await drawer.getByRole("radio", { name: "由本人在“企业统一登录”登录，不需要密钥" }).check();
    await drawer.getByLabel("本人在“企业统一登录”的名称").fill("wang.fang@example.com");
    await isAccessible(admin);
    await shot(admin, "provider-access");
    await drawer.getByRole("button", { name: "创建密钥" }).click();
    await drawer.getByText("wang.fang@example.com 现在可以在“企业统一登录”登录").waitFor();
    await drawer.getByRole("button", { name: "知道了" }).click();
    const row = admin.getByRole("row").filter({ hasText: "wang.fang@example.com" });
    await row.getByText("尚未登录").waitFor();
    await isAccessible(admin);

    const page = await open("/employer/red-letters", { expected: elsewhere });
    await page.getByRole("button", { name: "用“企业统一登录”登录" }).waitFor();
    await isAccessible(page);
    await shot(page, "provider-sign-in");
    await page.getByRole("button", { name: "用“企业统一登录”登录" }).click();
    await page.waitForURL(`${provider.settings.OIDC_ISSUER}/**`);
    await signInThere(page, "clerk-1");
    await page.waitForURL(`${sandbox.url}/employer/red-letters`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    const cookies = (await page.context().cookies(sandbox.url)).filter(({ name }) =>
      name.startsWith("onepiao"),
    );
    expect(
      cookies.map(({ name, httpOnly, sameSite }) => ({ name, httpOnly, sameSite })),
    ).to.deep.equal([{ name: "onepiao", httpOnly: true, sameSite: "Strict" }]);
    expect(
      await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }])),
    ).to.not.contain("flow");

    // access that is taken back ends the session at once
    await admin.reload();
    await row.getByText("尚未登录").waitFor({ state: "detached" });
    await row.getByRole("button", { name: /^吊销密钥/ }).click();
    await admin.getByRole("dialog").getByRole("button", { name: "吊销", exact: true }).click();
    await row.getByText("已吊销").waitFor();
    await page.reload();
    await page.getByText("登录已失效").first().waitFor();
  });

  it("an officer is given access to the bureau, and has its area (en)", async () => {
    const { demo, people } = await stage();
    people.set("officer", { email: "officer@tax.example", email_verified: true });
    const admin = await open("/bureau/access", { key: demo.keys.bureau, language: "en-US" });
    await admin.getByRole("heading", { level: 1, name: "Access" }).waitFor();
    await admin.getByRole("radio", { name: /^The person signs in/ }).check();
    await admin.getByLabel(/^Name at/).fill("officer@tax.example");
    await admin.getByRole("button", { name: "Create a key" }).click();
    await admin.getByText("officer@tax.example can now sign in at 企业统一登录").waitFor();
    await admin
      .getByRole("row")
      .filter({ hasText: "officer@tax.example" })
      .getByText("Not signed in yet")
      .waitFor();
    await isAccessible(admin);
    await shot(admin, "bureau-access");
    const page = await open("/sign-in", { language: "en-US", expected: elsewhere });
    await page.getByRole("button", { name: "Sign in with 企业统一登录" }).click();
    await signInThere(page, "officer");
    await page.waitForURL("**/bureau");
    await page.getByRole("heading", { level: 1 }).waitFor();
  });

  it("who may act for several parties chooses one (en, dark, phone)", async () => {
    const { demo, people, client } = await stage();
    people.set("both", { email: "both@example.com", email_verified: true });
    for (const { account, token } of [demo.keys.employer, demo.keys.issuer]) {
      const role = token === demo.keys.employer.token ? "employer" : "issuer";
      await client.done("POST /v1/api-keys", {
        body: { account, roles: [role], signIn: "both@example.com" },
        token,
      });
    }
    const page = await open("/sign-in", {
      language: "en-US",
      dark: true,
      width: 360,
      expected: elsewhere,
    });
    await page.getByRole("button", { name: "Sign in with 企业统一登录" }).click();
    await signInThere(page, "both");
    await page.getByRole("heading", { name: "Choose who to act for" }).waitFor();
    await page.getByText("You are both@example.com.").waitFor();
    await fitsItsWidth(page);
    await isAccessible(page);
    await shot(page, "provider-choose");
    await page
      .getByRole("button", { name: new RegExp(demo.keys.issuer.name) })
      .first()
      .click();
    await page.waitForURL("**/merchant");
  });

  it("a person without access here, a person who refuses there, and an answer without a request get a message (zh)", async () => {
    const { people } = await stage();
    people.set("nobody", { email: "nobody@example.com", email_verified: true });
    const page = await open("/sign-in", { expected: elsewhere });
    const go = () => page.getByRole("button", { name: "用“企业统一登录”登录" }).click();
    await go();
    await signInThere(page, "nobody");
    await page.getByText("nobody@example.com，您已登录，但尚无单位为您开通权限").waitFor();
    await isAccessible(page);
    await shot(page, "provider-nobody");
    // signed in there still: it asks for consent alone
    await page.context().clearCookies();
    await go();
    await page.getByRole("link", { name: "Cancel" }).click();
    await page.getByRole("alert").filter({ hasText: "身份提供方没有确认您的身份" }).waitFor();
    await page.goto("/sign-in?code=slipped-in&state=by-somebody");
    await page.getByText("这次登录不是从本页发起的").waitFor();
    await page.waitForURL("**/sign-in");
  });
});
