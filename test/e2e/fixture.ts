/**
 * The stage of the console's tests: one sandbox with the demo's parties, one browser, and short
 * ways to sign in as one of them.
 *
 * A page that logs an error, breaks the Content-Security-Policy or throws fails its test. Files do
 * not disturb one another as long as each makes what it changes (`issueTo`, `newPerson`).
 */
import { mkdirSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import { expect } from "chai";
import {
  type Browser,
  type BrowserContext,
  chromium,
  type Locator,
  type Page,
} from "playwright-core";
import { type Client, createClient } from "../../clients/typescript/index.ts";
import { type Demo, runDemo } from "../../sandbox/demo.ts";
import { type Sandbox, startSandbox } from "../../sandbox/sandbox.ts";
import { root } from "../../scripts/run.ts";
import {
  type IdentityProvider,
  type KnownPerson,
  openIdentityProvider,
} from "../server/support/identity-provider.ts";

/** `people`: whom the identity provider knows, by login. */
export type Stage = {
  sandbox: Sandbox;
  demo: Demo;
  browser: Browser;
  /** For the steps that a test stands on; each call has the `token` of its party. */
  client: Client;
  provider: IdentityProvider;
  people: Map<string, KnownPerson>;
};

const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // a camera that shows a test picture, and is allowed without a question
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
];

/** A gateway that restarts comes back where pages look for it. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

let started: Promise<Stage> | undefined;

export function stage(): Promise<Stage> {
  started ??= (async () => {
    const people = new Map<string, KnownPerson>();
    const provider = await openIdentityProvider(people);
    const sandbox = await startSandbox({
      blockMs: 100,
      settings: {
        PORT: String(await freePort()),
        PUBLIC_RATE_PER_MINUTE: "100000",
        WEBHOOK_ALLOWED_NETWORKS: "127.0.0.0/8",
        ...provider.settings,
        OIDC_NAME: "企业统一登录",
      },
    });
    await provider.serve(sandbox.url);
    const demo = await runDemo(sandbox, () => {});
    if (demo.faults.length > 0) throw new Error(demo.faults.join("\n"));
    const path = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
    const browser = await chromium.launch({ executablePath: path, args: flags });
    const client = createClient({ url: sandbox.url, patience: { tries: 10 } });
    return { sandbox, demo, browser, client, provider, people };
  })();
  return started;
}

const contexts: BrowserContext[] = [];
const faults: string[] = [];

before(async function () {
  this.timeout(120_000);
  await stage();
});
afterEach(async () => {
  for (const context of contexts.splice(0)) await context.close();
  expect(faults.splice(0), "errors in the browser").to.deep.equal([]);
});
after(async function () {
  this.timeout(60_000);
  const { sandbox, browser, provider } = await stage();
  await browser.close();
  await sandbox.stop();
  await provider.close();
});

export type Look = {
  /** An API key that the page is signed in with from the beginning. */
  key?: string;
  language?: "zh-CN" | "en-US";
  dark?: boolean;
  /** 360: a small phone. */
  width?: number;
  height?: number;
  /** Entries that the browser's log may have; the browser itself logs a refused request there. */
  expected?: RegExp;
};

/** Reports a fault of the page, which fails the test at its end. */
function watch(page: Page, expected: RegExp | undefined): void {
  const fault = (text: string) => {
    if (!expected?.test(text)) faults.push(text);
  };
  page.on("pageerror", (error) => fault(`thrown: ${error.message}`));
  page.on("console", (message) => {
    // a 4xx is an answer that the page asked for: nobody is signed in, or a request is refused
    if (["error", "warning"].includes(message.type()) && !/status of 4\d\d/.test(message.text()))
      fault(`logged: ${message.text()}`);
  });
}

/** A browser of its own at a path of the console. */
export async function open(
  path: string,
  { key, language = "zh-CN", dark = false, width = 1280, height = 800, expected }: Look = {},
): Promise<Page> {
  const { sandbox, browser } = await stage();
  const context = await browser.newContext({
    baseURL: sandbox.url,
    locale: language,
    timezoneId: "Asia/Shanghai",
    viewport: { width, height },
    colorScheme: dark ? "dark" : "light",
    reducedMotion: "reduce",
    permissions: ["clipboard-read", "clipboard-write"],
  });
  contexts.push(context);
  context.setDefaultTimeout(60_000);
  if (key !== undefined) {
    const reply = await context.request.post("/v1/session", { data: { key } });
    expect(reply.status(), await reply.text()).to.equal(201);
    // a frame of the browser's own (its PDF viewer) has no storage
    await context.addInitScript(() =>
      (localStorage as Storage | null)?.setItem("onepiao.signed-in", "1"),
    );
  }
  const page = await context.newPage();
  watch(page, expected);
  await page.goto(path);
  return page;
}

/** Another page of the same browser. */
export async function another(page: Page, path: string, expected?: RegExp): Promise<Page> {
  const next = await page.context().newPage();
  watch(next, expected);
  await next.goto(path);
  return next;
}

/** Waits until nothing moves any more: an element that fades in does not have its colours yet. */
export async function still(page: Page): Promise<void> {
  await page.waitForFunction(() =>
    document.getAnimations().every(({ playState }) => playState !== "running"),
  );
}

/** A picture of so few bytes shows nothing yet. */
const EMPTY = 10_000;
/**
 * Waits until a part of the page shows something, and looks the same twice: for a part that the
 * browser draws, such as its PDF viewer.
 */
export async function drawn(part: Locator): Promise<void> {
  let before = await part.screenshot();
  for (const end = Date.now() + 60_000; Date.now() < end; ) {
    const now = await part.screenshot();
    if (now.length > EMPTY && now.equals(before)) return;
    before = now;
  }
  throw new Error("it does not come to rest");
}

/** Nothing that axe finds grave or worse (WCAG 2.2 A and AA). */
export async function isAccessible(page: Page): Promise<void> {
  await still(page);
  const { violations } = await new AxeBuilder({ page })
    .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"])
    .analyze();
  const grave = violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(
      ({ id, help, nodes }) =>
        `${id}: ${help}\n${nodes.map((node) => `    ${node.html}\n      ${node.failureSummary}`).join("\n")}`,
    );
  expect(grave.join("\n"), page.url()).to.equal("");
}

/** Nothing stands out of the page to the right. */
export async function fitsItsWidth(page: Page): Promise<void> {
  const { content, window, out } = await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    // for the error message: elements that stand out, unless they are part of an element that
    // scrolls
    const wide = [...document.body.querySelectorAll("*")].filter(
      (each) => each.getBoundingClientRect().right > clientWidth + 1,
    );
    const names = wide
      .slice(0, 400)
      .map((each) => `${each.tagName.toLowerCase()}.${each.getAttribute("class") ?? ""}`);
    return {
      content: scrollWidth,
      window: clientWidth,
      out: scrollWidth > clientWidth ? [...new Set(names)].slice(0, 12) : [],
    };
  });
  expect(content, `${page.url()} is wider than its window: ${out.join(", ")}`).to.be.at.most(
    window,
  );
}

export async function shot(page: Page, name: string): Promise<void> {
  mkdirSync(join(root, "screenshots"), { recursive: true });
  await still(page);
  await page.screenshot({ path: join(root, "screenshots", `${name}.png`), fullPage: true });
}

/** A holder who has nothing yet. */
export async function newPerson(
  name: string,
): Promise<{ name: string; account: string; token: string }> {
  const { client, demo } = await stage();
  const { token } = demo.keys.employer;
  const {
    body: { account },
  } = await client.done("POST /v1/persons", { body: { name }, token });
  const { body: made } = await client.done("POST /v1/api-keys", {
    body: { account, roles: ["holder"] },
    token,
  });
  return { name, account: String(account), token: String(made["token"]) };
}

/** A sealed, untitled invoice over 200.00; with a holder, or with a pickup to take it over by. */
export async function issueTo(holder?: {
  account: string;
}): Promise<{ number: string; pickup?: { number: string; secret: string } }> {
  const { client, demo } = await stage();
  const { token, name, taxId } = demo.keys.issuer;
  const body = {
    kind: "ordinary" as const,
    issuedAt: "2026-11-03T12:31:07+08:00",
    currency: "CNY",
    seller: { taxId, name },
    buyer: { name: "个人" },
    lines: [
      {
        name: "*餐饮服务*餐费",
        unit: "次",
        quantity: "1",
        unitPrice: "188.68",
        amount: "188.68",
        taxRate: "0.06",
        tax: "11.32",
      },
    ],
    totals: { net: "188.68", tax: "11.32", gross: "200.00" },
    ...(holder ? { holder: holder.account } : {}),
  };
  const { body: made } = await client.done("POST /v1/invoices", { body, token });
  const number = String(made["number"]);
  if (holder) return { number };
  const { body: pickup } = await client("GET /v1/invoices/{number}/pickup", {
    params: { number },
    token,
  });
  return { number, pickup: pickup as { number: string; secret: string } };
}
