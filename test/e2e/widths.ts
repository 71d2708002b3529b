/**
 * No page is wider than a small phone, whatever a party has written: every text that the API takes
 * is as long as it may be, without a blank to break at. Everybody who sees it looks at it, in
 * Chinese and, with its longer words, in English.
 */

import { expect } from "chai";
import type { Page } from "playwright-core";
import { refusalOf } from "../../clients/typescript/index.ts";
import { freshTaxId } from "../server/network.ts";
import { fitsItsWidth, open, stage } from "./fixture.ts";

const long = (letter: string, length: number) => letter.repeat(length);
/** Paths outside the console are sandboxed: the browser logs that they have no origin. */
const expected = /origin-keyed/;
const month = () => new Date(Date.now() + 8 * 3_600_000).toISOString().slice(0, 7);

/** Shows the whole of a list that goes on: other files' tests enrol taxpayers too. */
async function showAll(page: Page): Promise<void> {
  const more = page.getByRole("button", { name: /加载更多|Load more/ });
  const rows = page.locator("tbody tr[data-row-key]");
  await rows.first().waitFor();
  while (await more.isVisible()) {
    const shown = await rows.count();
    await more.click();
    await rows.nth(shown).or(page.locator("main:not(:has(button.after))")).first().waitFor();
  }
}

describe("with the longest texts, on a phone", function () {
  this.timeout(300_000);
  const place: Record<string, string> = {};
  const keys: Record<string, string | undefined> = {};
  /** An invoice of a seller that is not on this network. */
  let elsewhere: () => object;

  before(async () => {
    const { client, sandbox } = await stage();
    const bureau = sandbox.bureau.token;
    const enrol = async (name: string, capability: "issuer" | "employer") => {
      const taxId = freshTaxId();
      const made = await client.done("POST /v1/taxpayers", {
        body: { name, taxId, capabilities: [capability] },
        token: bureau,
      });
      const key = await client.done("POST /v1/api-keys", {
        body: { account: made.body.account, roles: ["admin"] },
        token: bureau,
      });
      return { name, taxId, token: key.body.token ?? "" };
    };
    const shop = await enrol(long("M", 200), "issuer");
    const firm = await enrol(long("W", 200), "employer");
    // What its four invoices take, so that it is among the issuers who have used most of theirs.
    const quota = { period: month(), granted: "4520000000.00" };
    await client.done("PUT /v1/taxpayers/{taxId}/quota", {
      params: { taxId: shop.taxId },
      token: bureau,
      body: quota,
    });
    await client.done("POST /v1/taxpayers/{taxId}/segments", {
      params: { taxId: shop.taxId },
      body: { length: 1_000 },
      token: bureau,
    });
    const { body: person } = await client.done("POST /v1/persons", {
      body: { name: long("H", 100) },
      token: firm.token,
    });
    const holder = person.account;
    const { body: key } = await client.done("POST /v1/api-keys", {
      body: { account: holder, roles: ["holder"] },
      token: firm.token,
    });
    const worker = key.token ?? "";

    const day = new Date(Date.now() + 8 * 3_600_000 - 86_400_000).toISOString().slice(0, 10);
    const document = {
      kind: "ordinary" as const,
      issuedAt: `${day}T10:00:00+08:00`,
      currency: "CNY",
      seller: {
        taxId: shop.taxId,
        name: shop.name,
        address: long("A", 200),
        bankName: long("B", 100),
        bankAccount: long("9", 60),
      },
      buyer: { taxId: firm.taxId, name: firm.name, address: long("C", 200) },
      lines: [
        {
          name: long("L", 200),
          spec: long("S", 100),
          unit: long("U", 20),
          quantity: "1000000",
          unitPrice: "1000",
          amount: "1000000000.00",
          taxRate: "0.13",
          tax: "130000000.00",
        },
      ],
      totals: { net: "1000000000.00", tax: "130000000.00", gross: "1130000000.00" },
      remark: long("R", 400),
    };
    const number = async (more: object = {}) => {
      const body = { ...document, holder, ...more };
      return (await client.done("POST /v1/invoices", { body, token: shop.token })).body.number;
    };
    const note = long("N", 400);
    const claim = async (...invoices: string[]) => {
      const body = { employer: firm.taxId, invoices, note };
      return (await client.done("POST /v1/claims", { body, token: worker })).body.id;
    };
    const claimed = await number({ sourceId: long("X", 150) });
    const [rejected, entered, held] = [await number(), await number(), await number()];
    const id = await claim(claimed);
    await client.done("POST /v1/claims/{id}/reject", {
      params: { id: await claim(rejected) },
      body: { reason: long("Q", 400) },
      token: firm.token,
    });
    await client.done("POST /v1/entries", {
      body: { mark: "02", invoices: [entered], period: month(), voucher: long("V", 60) },
      token: firm.token,
    });
    const { body: sheet } = await client("POST /v1/invoices/{number}/red-letters", {
      params: { number: claimed },
      body: { reason: 2, whole: true },
      token: shop.token,
    });
    // issued elsewhere, under the longest number there is
    elsewhere = () => ({ ...document, seller: { ...document.seller, taxId: freshTaxId() } });
    const { body: external } = await client.done("POST /v1/external-invoices", {
      body: { ...document, ...elsewhere(), sourceId: long("8", 150) },
      token: firm.token,
    });
    if (!("claim" in external)) throw new Error("No registration");
    // a credit note that comes after its original was reimbursed
    const sold = { ...document, ...elsewhere() };
    const { body: paid } = await client.done("POST /v1/external-invoices", {
      body: { ...sold, sourceId: long("7", 150) },
      token: firm.token,
    });
    if (!("claim" in paid)) throw new Error("No registration");
    await client.done("POST /v1/claims/{id}/reimburse", {
      params: { id: paid.claim.id },
      token: firm.token,
    });
    await client("POST /v1/external-invoices", {
      body: {
        ...sold,
        sourceId: long("5", 150),
        reverses: { sourceId: long("7", 150) },
        lines: [
          { name: long("L", 200), amount: "-1000000000.00", taxRate: "0.13", tax: "-130000000.00" },
        ],
        totals: { net: "-1000000000.00", tax: "-130000000.00", gross: "-1130000000.00" },
      },
      token: firm.token,
    });
    // twice, for the bureau to see
    await refusalOf(
      client.done("POST /v1/claims", {
        body: { employer: firm.taxId, invoices: [claimed] },
        token: worker,
      }),
    );
    Object.assign(place, {
      taxId: shop.taxId,
      firm: firm.taxId,
      number: claimed,
      held,
      claim: id,
      sheet: sheet.id,
      external: external.claim.id,
    });
    Object.assign(keys, {
      bureau,
      shop: shop.token,
      firm: firm.token,
      holder: String(worker),
      nobody: undefined,
    });
  });

  /** By who looks: paths, and the letters of the long texts that are there when the page is. */
  const pages: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    firm: {
      "/employer": "WN",
      "/employer/claims/{claim}": "MHN",
      "/employer/claims/{external}": "MW8",
      "/employer/external": "MW8",
      "/employer/credits": "MW75",
      "/employer/books": "",
      "/employer/red-letters": "M",
      "/employer/people": "W",
    },
    shop: {
      "/merchant": "W",
      "/merchant/invoices/{number}": "MWLR",
      "/merchant/invoices/{number}/red-letter": "",
      "/merchant/issue": "",
      "/merchant/red-letters": "W",
      "/merchant/red-letters/{sheet}": "MWL",
      "/merchant/quota": "",
      "/merchant/connections": "",
    },
    bureau: {
      "/bureau": "M",
      "/bureau/refusals": "",
      "/bureau/audit": "M",
      "/bureau/taxpayers": "MW",
      "/bureau/taxpayers/{taxId}": "M",
      "/bureau/taxpayers/{firm}": "W",
      "/bureau/invoice": "",
      "/bureau/invoice/{number}": "MWLR",
      "/bureau/access": "",
    },
    holder: {
      "/holder": "M",
      "/holder/invoices/{held}": "MWLR",
      "/holder/invoices/{number}": "MWLR",
      "/holder/pickup": "",
      "/holder/transfers": "",
      "/holder/reports": "WN",
      "/holder/reports/new": "",
      "/holder/reports/{claim}": "",
    },
    nobody: {
      "/verify": "",
      "/verify?number={number}": "",
      "/sign-in": "",
      "/docs": "",
      "/problems": "",
      "/problems/evidence-missing": "",
      "/licenses.txt": "",
    },
  };
  const opened = (path: string, who: string, language: "zh-CN" | "en-US") => {
    const key = keys[who];
    const whole = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => place[name] ?? "");
    return open(whole, {
      width: 360,
      height: 740,
      language,
      expected,
      ...(key === undefined ? {} : { key }),
    });
  };
  /** Unfolds the reference's sections, and the first call with this method. */
  async function openCall(page: Page, method: string): Promise<void> {
    for (const section of await page.locator(".opblock-tag[data-is-open=false]").elementHandles())
      await section.click();
    await page.locator(`.opblock-${method} .opblock-summary-control`).first().click();
    await page.locator(`.opblock-${method}.is-open .responses-table`).first().waitFor();
  }

  for (const [who, paths] of Object.entries(pages))
    for (const [path, letters] of Object.entries(paths))
      it(`${path} fits, for the ${who}`, async () => {
        for (const language of ["zh-CN", "en-US"] as const) {
          const page = await opened(path, who, language);
          if (path === "/bureau/taxpayers") await showAll(page);
          for (const letter of letters)
            await page.getByText(long(letter, 60)).filter({ visible: true }).first().waitFor();
          if (await page.locator(".frame").count()) {
            await page.locator("h1").first().waitFor();
            await page.waitForFunction(
              () =>
                document.querySelector("main[aria-busy=true], .ant-skeleton, .waiting") === null,
            );
          }
          if (path === "/docs")
            for (const method of ["get", "post", "put", "delete"]) await openCall(page, method);
          await fitsItsWidth(page);
          await page.close();
        }
      });

  it("files that were dropped fit, by name and by what is in them", async () => {
    const page = await opened("/employer/external", "firm", "en-US");
    const file = {
      name: `${long("F", 200)}.json`,
      mimeType: "application/json",
      buffer: Buffer.from(JSON.stringify({ ...elsewhere(), sourceId: long("7", 150) })),
    };
    const broken = {
      name: `${long("G", 200)}.xml`,
      mimeType: "application/xml",
      buffer: Buffer.from(`<${long("E", 150)}/>`),
    };
    await page.locator("input[type=file]").setInputFiles([file, broken]);
    await page.getByText(long("7", 60)).first().waitFor();
    await page.getByText(long("G", 60)).first().waitFor();
    await page.getByText("invalid-document").first().waitFor();
    await fitsItsWidth(page);
  });

  it("the notices of the console's packages are linked at the foot of every page, in both languages", async () => {
    for (const [language, words] of [
      ["zh-CN", "开源软件许可"],
      ["en-US", "Open-source licences"],
    ] as const) {
      const page = await open("/verify", { language, expected });
      await page.getByRole("link", { name: words }).click();
      await page.waitForURL("**/licenses.txt");
      expect(await page.locator("body").innerText())
        .to.include("react-dom")
        .and.include("NOTICE");
    }
  });
});
