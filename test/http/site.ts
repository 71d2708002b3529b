import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { expect } from "chai";
import { consolePaths, NONCE_PLACE, openSite } from "../../server/http/site.ts";
import { call, openWorld } from "./fixture.ts";

describe("the console's files", () => {
  let url: string;
  const folder = mkdtempSync(join(tmpdir(), "onepiao-site-"));
  before(async function () {
    this.timeout(120_000);
    mkdirSync(join(folder, "assets"));
    writeFileSync(join(folder, "index.html"), `<!doctype html><meta name="style-nonce" nonce="${NONCE_PLACE}"><title>console</title>`);
    writeFileSync(join(folder, "assets", "main-abc123.js"), "let plain;");
    writeFileSync(join(folder, "assets", "main-abc123.js.gz"), gzipSync("let gzip;"));
    writeFileSync(join(folder, "secret.env"), "x");
    const site = openSite(pathToFileURL(`${folder}/`));
    if (site === undefined) throw new Error("there is a console");
    ({ url } = await (await openWorld()).app({ site }));
  });
  after(() => rmSync(folder, { recursive: true }));

  it("are not there when the console is not built", () => expect(openSite(pathToFileURL(`${folder}/nothing/`))).to.equal(undefined));

  for (const path of ["/", ...consolePaths.map((one) => `/${one}`), "/holder/invoices/26442000000000000001", "/verify?number=1"]) {
    it(`${path} is the page, which is never kept`, async () => {
      const { status, headers, text } = await call(`${url}${path}`);
      expect(status).to.equal(200);
      expect(text).to.contain("<title>console</title>");
      expect(headers.get("cache-control")).to.equal("no-cache");
      expect(headers.get("content-type")).to.equal("text/html; charset=utf-8");
    });
  }

  it("the page runs no script but its own files, and no style without this answer's nonce", async () => {
    const [one, other] = [await call(url), await call(url)];
    const nonces = [one, other].map(({ text }) => /nonce="([^"]+)"/.exec(text)?.[1]);
    expect(nonces[0]).to.match(/^[A-Za-z0-9+/=]{24}$/);
    expect(nonces[0]).to.not.equal(nonces[1]);
    const policy = one.headers.get("content-security-policy") ?? "";
    expect(policy)
      .to.contain("default-src 'none'")
      .and.contain("script-src 'self';")
      .and.match(/style-src 'self' 'sha256-\S+' 'nonce-/)
      .and.contain(nonces[0]);
    expect(policy).to.contain("frame-ancestors 'none'").and.contain("base-uri 'none'").and.not.contain("unsafe");
    expect(one.headers.get("permissions-policy")).to.contain("camera=(self)");
  });

  it("a file with its hash in its name is kept for good, and packed for whoever takes it so", async () => {
    const packed = await call(`${url}/assets/main-abc123.js`, { headers: { "accept-encoding": "gzip, br" } });
    expect(packed.text).to.equal("let gzip;");
    expect(packed.headers.get("content-encoding")).to.equal("gzip");
    expect(packed.headers.get("cache-control")).to.equal("public, max-age=31536000, immutable");
    expect(packed.headers.get("content-type")).to.equal("text/javascript; charset=utf-8");
    const plain = await call(`${url}/assets/main-abc123.js`, { headers: { "accept-encoding": "identity" } });
    expect(plain.text).to.equal("let plain;");
    expect((await call(`${url}/assets/main-abc123.js`, { method: "HEAD" })).text).to.equal("");
  });

  for (const [method, path] of [
    ["GET", "/v1/nothing"],
    ["GET", "/v1"],
    ["GET", "/assets/gone-abc123.js"],
    ["GET", "/secret.env"],
    ["GET", "/index.html.gz"],
    ["GET", "/assets/../secret.env"],
    ["GET", "/nothing"],
    ["GET", "/holderx"],
    ["POST", "/"],
    ["DELETE", "/holder"],
  ] as const) {
    it(`${method} ${path} is no page: the API says so`, async () => {
      const { status, json } = await call(`${url}${path}`, { method });
      expect(status).to.equal(404);
      expect(json.code).to.equal("not-found");
    });
  }
});
