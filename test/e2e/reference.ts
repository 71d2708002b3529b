/**
 * The API reference at /docs: the texts that a person reads there, in a page that has no access to
 * the rest of the gateway.
 */
import { expect } from "chai";
import type { Page } from "playwright-core";
import { fitsItsWidth, isAccessible, open, shot, stage } from "./fixture.ts";

type Document = {
  paths: Record<
    string,
    Record<string, { tags: string[]; summary: string; parameters?: { $ref?: string }[] }>
  >;
};

describe("the API reference", function () {
  this.timeout(180_000);
  const section = (page: Page, tag: string) => page.locator(`.opblock-tag[data-tag="${tag}"]`);

  it("shows every call of /openapi.json, fits a small phone, and the address leads back to a call", async () => {
    const page = await open("/docs", { language: "en-US", width: 360, height: 740 });
    const document = (await (await page.request.get("/openapi.json")).json()) as Document;
    const calls = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, call]) => ({ method, path, ...call })),
    );
    let address = "";
    for (const [tag, listed] of Map.groupBy(calls, ({ tags }) => tags[0] ?? "")) {
      await section(page, tag).click();
      const shown = page.locator(".opblock");
      await shown.nth(listed.length - 1).waitFor();
      const lines = await shown.evaluateAll((all) =>
        all.map((each) => {
          const text = (selector: string) => each.querySelector(selector)?.textContent ?? "";
          return `${text(".opblock-summary-method").toLowerCase()} ${text(".opblock-summary-path")} ${text(".opblock-summary-description")}`;
        }),
      );
      expect(lines).to.have.members(
        listed.map(({ method, path, summary }) => `${method} ${path} ${summary}`),
      );
      await shown.first().locator(".opblock-summary-control").click();
      await shown.first().locator(".responses-table").waitFor();
      await fitsItsWidth(page);
      address = page.url();
      await section(page, tag).click();
      await shown.first().waitFor({ state: "detached" });
    }
    expect(address).to.match(/\/docs#\/./);
    await page.goto("about:blank");
    await page.goto(address);
    await page.locator(".opblock.is-open .responses-table").waitFor();
  });

  it("shows what a call refers to: parameters, headers and schemas by name", async () => {
    const page = await open("/docs#/Claims/postClaims", { language: "en-US" });
    const call = page.locator(".opblock.is-open");
    await call.locator('tr[data-param-name="Idempotency-Key"]').waitFor();
    const missing = call.locator("tr.response[data-code='429']");
    await missing.getByText("Retry-After").waitFor();
    await missing.getByText("Problem", { exact: true }).waitFor();
    for (const [name, href] of [
      ["openapi.json", "/openapi.json"],
      ["Every refusal", "/problems"],
      ["Open-source licences", "/licenses.txt"],
    ] as const)
      expect(await page.getByRole("link", { name, exact: true }).getAttribute("href")).to.equal(
        href,
      );
  });

  for (const [dark, width] of [
    [false, 360],
    [true, 1280],
  ] as const)
    it(`can be read by everybody, ${dark ? "dark" : "light"}`, async () => {
      const page = await open("/docs", { language: "en-US", dark, width, height: 740 });
      await section(page, "Claims").click();
      await page.locator(".opblock-get .opblock-summary-control").first().click();
      await page.locator(".opblock.is-open .responses-table").waitFor();
      await isAccessible(page);
      await shot(page, `reference-${dark ? "dark" : "light"}`);
    });

  it("runs apart from the console: it has no cookie, no storage, and no key of its reader", async () => {
    const page = await open("/docs", {
      key: (await stage()).demo.keys.issuer.token,
      language: "en-US",
      expected: /localStorage|blocked by CORS|ERR_FAILED/,
    });
    await section(page, "Claims").waitFor();
    const reached = await page.evaluate(async () => {
      const attempt = async (work: () => unknown) => {
        try {
          return String(await work());
        } catch (cause) {
          return (cause as Error).name;
        }
      };
      return {
        origin: self.origin,
        cookie: await attempt(() => document.cookie),
        storage: await attempt(() => localStorage.length),
        session: await attempt(
          async () => (await fetch("/v1/session", { credentials: "include" })).status,
        ),
      };
    });
    expect(reached).to.deep.equal({
      origin: "null",
      cookie: "SecurityError",
      storage: "SecurityError",
      session: "TypeError",
    });
  });
});
