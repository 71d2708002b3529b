/**
 * The reference: /openapi.json for programs; /problems and /problems/{code} (every refusal) for
 * people, as plain HTML without a script. The page at /docs reads /openapi.json too; site.ts serves
 * it, because it is built with the console.
 */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { type Code, catalogue, Problem } from "@onepiao/protocol/values/problems.ts";
import { type RequestHandler, type Response, Router } from "express";
import type { OpenApiDocument } from "./openapi.ts";

const style = `:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}
code{font:14px/1.4 ui-monospace,monospace}table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;border-bottom:1px solid #8885}`;

const policy = `default-src 'none'; style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox`;

const escaped = (text: unknown) =>
  String(text).replaceAll(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

const page = (title: string, body: string) =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(title)}</title><style>${style}</style></head><body><h1>${escaped(title)}</h1>${body}</body></html>`;

const table = (head: readonly string[], rows: readonly (readonly string[])[]) =>
  rows.length === 0
    ? ""
    : `<table><tr>${head.map((cell) => `<th>${cell}</th>`).join("")}</tr>${rows.map((row) => `<tr>${row.map((cell) => `<td>${cell}</td>`).join("")}</tr>`).join("")}</table>`;

const retries = {
  never: "The same request will never succeed.",
  "same-key": "Send the same request again, with the same Idempotency-Key.",
  later: "The same request may succeed after something else has changed.",
} as const;

/**
 * The document, made and compressed once, at its first request: this takes a fifth of a second, and
 * most processes are never asked. Anyone may read it: the reference's page, which has no origin,
 * and the tools of integrators.
 */
function served(make: () => Promise<OpenApiDocument>): RequestHandler {
  async function prepare() {
    const plain = Buffer.from(JSON.stringify(await make()));
    const packed = gzipSync(plain, { level: 9 });
    return { plain, packed, tag: createHash("sha256").update(plain).digest("base64url") };
  }
  let prepared: ReturnType<typeof prepare> | undefined;
  return async (request, response) => {
    prepared ??= prepare();
    const { plain, packed, tag } = await prepared;
    const gzip = request.acceptsEncodings("gzip") === "gzip";
    response.set({
      "Cache-Control": "no-cache",
      "Access-Control-Allow-Origin": "*",
      "Cross-Origin-Resource-Policy": "cross-origin",
      Vary: "Accept-Encoding",
      ETag: `"${tag}${gzip ? "-gzip" : ""}"`,
    });
    if (gzip) response.set("Content-Encoding", "gzip");
    response.type("json").send(gzip ? packed : plain);
  };
}

export function createDocs(document: () => Promise<OpenApiDocument>): Router {
  // the same for everyone until the next release
  const html = (response: Response, text: string) =>
    void response
      .set({ "Cache-Control": "no-cache", "Content-Security-Policy": policy })
      .type("html")
      .send(text);
  const entries = Object.entries(catalogue).map(([code, { status, title, retry }]) => [
    `<a href="/problems/${code}"><code>${code}</code></a>`,
    String(status),
    escaped(title),
    retries[retry],
  ]);
  const refusals = page("OnePiao: every refusal", table(["code", "status", "", ""], entries));
  const router = Router();
  router.get("/openapi.json", served(document));
  router.get("/problems", (_request, response) => html(response, refusals));
  router.get("/problems/:code", (request, response) => {
    const code = request.params.code;
    if (!Object.hasOwn(catalogue, code)) throw new Problem("not-found", "There is no such code");
    const { status, title, retry } = catalogue[code as Code];
    html(
      response,
      page(
        code,
        `<p>${escaped(title)}.</p><p>HTTP status ${status}. ${retries[retry]}</p><p><a href="/problems">Every refusal</a></p>`,
      ),
    );
  });
  return router;
}
