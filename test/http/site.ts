import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { expect } from "chai";
import { consolePaths, NONCE_PLACE, openSite } from "../../server/http/site.ts";
import { call, openWorld } from "./fixture.ts";

/** Without it `fetch` adds "no-cache" to a conditional request, which asks for the whole answer. */
const asBrowser = { "cache-control": "max-age=0" };

describe("the console's files", () => {
  let url: string;
  const folder = mkdtempSync(join(tmpdir(), "onepiao-site-"));
  before(async function () {
    this.timeout(120_000);
    mkdirSync(join(folder, "assets"));
    writeFileSync(
      join(folder, "index.html"),
      `<!doctype html><meta name="style-nonce" nonce="${NONCE_PLACE}"><title>console</title>`,
    );
    writeFileSync(join(folder, "assets", "main-abc123.js"), "let plain;");
    writeFileSync(join(folder, "assets", "main-abc123.js.gz"), gzipSync("let gzip;"));
    writeFileSync(join(folder, "docs.html"), "<!doctype html><title>reference</title>");
    writeFileSync(join(folder, "licenses.txt"), "notices");
    writeFileSync(join(folder, "manifest.json"), "{}");
    writeFileSync(join(folder, "secret.env"), "x");
    const site = openSite(pathToFileURL(`${folder}/`));
    if (site === undefined) throw new Error("there is a console");
    ({ url } = await (await openWorld()).app({ site }));
  });
  after(() => rmSync(folder, { recursive: true }));

  it("are not there when the console is not built", () =>
    expect(openSite(pathToFileURL(`${folder}/nothing/`))).to.equal(undefined));

  for (const path of [
    "/",
    ...consolePaths.map((name) => `/${name}`),
    "/holder/invoices/26442000000000000001",
    "/verify?number=1",
  ]) {
    it(`${path} is the page, which is never kept`, async () => {
      const { status, headers, text } = await call(`${url}${path}`);
      expect(status).to.equal(200);
      expect(text).to.contain("<title>console</title>");
      expect(headers.get("cache-control")).to.equal("no-cache");
      expect(headers.get("content-type")).to.equal("text/html; charset=utf-8");
    });
  }

  it("the page runs no script but its own files, and no style without this answer's nonce", async () => {
    const [first, second] = [await call(url), await call(url)];
    const nonces = [first, second].map(({ text }) => /nonce="([^"]+)"/.exec(text)?.[1]);
    expect(nonces[0]).to.match(/^[A-Za-z0-9+/=]{24}$/);
    expect(nonces[0]).to.not.equal(nonces[1]);
    const policy = first.headers.get("content-security-policy") ?? "";
    expect(policy)
      .to.contain("default-src 'none'")
      .and.contain("script-src 'self';")
      .and.match(/style-src 'self' 'sha256-\S+' 'nonce-/)
      .and.contain(nonces[0]);
    expect(policy)
      .to.contain("frame-ancestors 'none'")
      .and.contain("base-uri 'none'")
      .and.not.contain("unsafe");
    expect(first.headers.get("permissions-policy")).to.contain("camera=(self)");
  });

  it("a file with its hash in its name is kept for good, and packed for a client that accepts that", async () => {
    const packed = await call(`${url}/assets/main-abc123.js`, {
      headers: { "accept-encoding": "gzip, br" },
    });
    expect(packed.text).to.equal("let gzip;");
    expect(packed.headers.get("content-encoding")).to.equal("gzip");
    expect(packed.headers.get("cache-control")).to.equal("public, max-age=31536000, immutable");
    expect(packed.headers.get("content-type")).to.equal("text/javascript; charset=utf-8");
    const plain = await call(`${url}/assets/main-abc123.js`, {
      headers: { "accept-encoding": "identity" },
    });
    expect(plain.text).to.equal("let plain;");
    expect((await call(`${url}/assets/main-abc123.js`, { method: "HEAD" })).text).to.equal("");
  });

  it("a file is packed as its client accepts it, the smaller first", async () => {
    writeFileSync(join(folder, "assets", "both-abc123.js"), "let plain;");
    writeFileSync(join(folder, "assets", "both-abc123.js.gz"), gzipSync("let gzip;"));
    writeFileSync(join(folder, "assets", "both-abc123.js.br"), brotliCompressSync("let br;"));
    const file = (accepted: string) =>
      call(`${url}/assets/both-abc123.js?v=1`, { headers: { "accept-encoding": accepted } });
    for (const [accepted, text] of [
      ["gzip, deflate, br", "let br;"],
      ["br;q=0, gzip;q=0.5", "let gzip;"],
      ["gzip;q=0, br;q=0", "let plain;"],
      ["deflate", "let plain;"],
      ["*", "let br;"],
    ] as const)
      expect((await file(accepted)).text, accepted).to.equal(text);
    expect((await file("br")).headers.get("vary")).to.equal("Accept-Encoding");
  });

  it("a file that its client has is not sent again, and a failed condition is not a server error", async () => {
    const first = await call(`${url}/licenses.txt`);
    expect(first.text).to.equal("notices");
    expect(first.headers.get("cache-control")).to.equal("no-cache");
    const same = await call(`${url}/licenses.txt`, {
      headers: { "if-none-match": first.headers.get("etag") ?? "", ...asBrowser },
    });
    expect([same.status, same.text]).to.deep.equal([304, ""]);
    expect((await call(`${url}/licenses.txt`, { headers: { "if-match": '"x"' } })).status).to.equal(
      412,
    );
    for (const range of ["bytes=9-", "bytes=5-2", "bytes=-1", "lines=1-2"])
      expect((await call(`${url}/licenses.txt`, { headers: { range } })).text, range).to.equal(
        "notices",
      );
  });

  it("a build that comes while the gateway runs is served, and what it has replaced is not there any more", async () => {
    const [old, fresh] = [
      join(folder, "assets", "page-old111.js"),
      join(folder, "assets", "page-new222.js"),
    ];
    writeFileSync(old, "let old;");
    expect((await call(`${url}/assets/page-old111.js`)).text).to.equal("let old;");
    rmSync(old);
    writeFileSync(fresh, "let fresh;");
    writeFileSync(
      join(folder, "index.html"),
      `<!doctype html><meta name="style-nonce" nonce="${NONCE_PLACE}"><title>console</title><p>fresh`,
    );
    expect((await call(`${url}/assets/page-old111.js`)).json.code).to.equal("not-found");
    expect((await call(`${url}/assets/page-new222.js`)).text).to.equal("let fresh;");
    expect((await call(url)).text).to.contain("<p>fresh");
  });

  it("the reference's page is in a sandbox without an origin, and runs no script but files of the build", async () => {
    const { status, headers, text } = await call(`${url}/docs`);
    expect([status, text]).to.deep.equal([200, "<!doctype html><title>reference</title>"]);
    expect(headers.get("content-type")).to.equal("text/html; charset=utf-8");
    expect(headers.get("cache-control")).to.equal("no-cache");
    expect(headers.get("content-security-policy")).to.equal(
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox allow-scripts",
    );
    // without an origin it loads the build's files as another origin does
    for (const path of ["/assets/main-abc123.js", "/licenses.txt"]) {
      const file = await call(`${url}${path}`);
      expect(file.headers.get("access-control-allow-origin"), path).to.equal("*");
      expect(file.headers.get("cross-origin-resource-policy"), path).to.equal("cross-origin");
    }
    for (const path of ["/", "/docs", "/v1/nothing"])
      expect(
        (await call(`${url}${path}`)).headers.get("access-control-allow-origin"),
        path,
      ).to.equal(null);
  });

  for (const [method, path] of [
    ["GET", "/docs.html"],
    ["GET", "/index.html"],
    ["GET", "/manifest.json"],
    ["GET", "/assets"],
    ["GET", "/assets/"],
    ["GET", "/assets/main-abc123.js.gz"],
    ["GET", "/assets/%2e%2e/secret.env"],
    ["GET", "/assets/..%2fmanifest.json"],
    ["GET", "/assets/%"],
    ["GET", "/%00.txt"],
    ["POST", "/docs"],
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
    it(`${method} ${path} is not a page: the API says so`, async () => {
      const { status, json } = await call(`${url}${path}`, { method });
      expect(status).to.equal(404);
      expect(json.code).to.equal("not-found");
    });
  }
});
