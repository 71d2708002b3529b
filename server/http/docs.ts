/**
 * The reference for people: /docs (every call), /problems and /problems/{code} (every refusal), written from /openapi.json and
 * the catalogue as plain HTML.
 *
 * No script and nothing from another host. (Scalar's npm package brings only a page that loads its bundle from a CDN, which a
 * private network cannot reach and the Content-Security-Policy here forbids.)
 */
import { createHash } from "node:crypto";
import { type Code, catalogue, Problem } from "@onepiao/protocol/values/problems.ts";
import { type Response, Router } from "express";
import type { OpenApiDocument } from "./openapi.ts";

const style = `:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}
code,pre{font:14px/1.4 ui-monospace,monospace}pre{overflow:auto;white-space:pre-wrap;padding:.75rem;border:1px solid #8885;border-radius:6px}
summary{cursor:pointer;padding:.4rem 0}details{border-bottom:1px solid #8885}details>*:not(summary){margin-left:1rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;border-bottom:1px solid #8885}
.method{display:inline-block;min-width:4.5rem;font-weight:700;text-transform:uppercase}`;

const policy = `default-src 'none'; style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox`;

const escaped = (text: unknown) => String(text).replaceAll(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
/** Escaped text of which `code` and empty lines are the only marks. */
const prose = (text: string | undefined) =>
  (text ?? "")
    .split(/\n\n+/)
    .map((part) => `<p>${escaped(part).replaceAll(/&#96;([^&]+)&#96;|`([^`]+)`/g, "<code>$1$2</code>")}</p>`)
    .join("");

const page = (title: string, body: string) =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(title)}</title><style>${style}</style></head><body><h1>${escaped(title)}</h1>${body}</body></html>`;

const table = (head: readonly string[], rows: readonly (readonly string[])[]) =>
  rows.length === 0
    ? ""
    : `<table><tr>${head.map((cell) => `<th>${cell}</th>`).join("")}</tr>${rows.map((row) => `<tr>${row.map((cell) => `<td>${cell}</td>`).join("")}</tr>`).join("")}</table>`;

type Schema = { $ref?: string; description?: string };
type Content = Record<string, { schema?: Schema; example?: unknown }>;
type Parameter = { $ref?: string; name: string; in: string; required?: boolean; description?: string; schema?: Schema };
type Operation = {
  operationId: string;
  summary: string;
  description?: string;
  tags: string[];
  parameters?: Parameter[];
  requestBody?: { content: Content };
  responses: Record<string, { description: string; content?: Content }>;
};

function contentOf(content: Content | undefined): string {
  return Object.entries(content ?? {})
    .map(([type, { schema = {} }]) => {
      const name = schema.$ref?.split("/").pop();
      const form = name === undefined ? `<pre>${escaped(JSON.stringify(schema, null, 2))}</pre>` : `<a href="#schema-${escaped(name)}">${escaped(name)}</a>`;
      return `<p><code>${escaped(type)}</code> ${form}</p>`;
    })
    .join("");
}

function operationOf(document: OpenApiDocument, method: string, path: string, operation: Operation): string {
  const components = document.components?.parameters as Record<string, Parameter> | undefined;
  const parameters = (operation.parameters ?? []).map((given) => components?.[given.$ref?.split("/").pop() ?? ""] ?? given);
  const rows = parameters.map(({ name, in: where, required, description, schema }) => [
    `<code>${escaped(name)}</code>`,
    escaped(where),
    required === true ? "required" : "",
    escaped(description ?? schema?.description ?? ""),
  ]);
  const answers = Object.entries(operation.responses).map(([status, answer]) => [
    escaped(status),
    prose(answer.description) + (Number(status) < 400 ? contentOf(answer.content) : ""),
  ]);
  return `<details id="${escaped(operation.operationId)}"><summary><span class="method">${escaped(method)}</span> <code>${escaped(path)}</code> ${escaped(operation.summary)}</summary>
${prose(operation.description)}${table(["name", "in", "", ""], rows)}${operation.requestBody ? `<h4>Body</h4>${contentOf(operation.requestBody.content)}` : ""}<h4>Answers</h4>${table(["status", ""], answers)}</details>`;
}

function reference(document: OpenApiDocument): string {
  const operations = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    Object.entries(item as Record<string, Operation>).map(([method, operation]) => ({ method, path, operation })),
  );
  const sections = [...Map.groupBy(operations, ({ operation }) => operation.tags[0] ?? "")].map(
    ([tag, listed]) => `<h2>${escaped(tag)}</h2>${listed.map(({ method, path, operation }) => operationOf(document, method, path, operation)).join("")}`,
  );
  const schemas = Object.entries(document.components?.schemas ?? {}).map(
    ([name, schema]) => `<h3 id="schema-${escaped(name)}">${escaped(name)}</h3><pre>${escaped(JSON.stringify(schema, null, 2))}</pre>`,
  );
  return page(
    "OnePiao API",
    `<p>${escaped(document.info.description)} Version ${escaped(document.info.version)}. For programs: <a href="/openapi.json">openapi.json</a>. <a href="/problems">Every refusal</a>.</p>${sections.join("")}<h2>Schemas</h2>${schemas.join("")}`,
  );
}

const retries = {
  never: "The same request will never succeed.",
  "same-key": "Send the same request again, with the same Idempotency-Key.",
  later: "The same request may succeed after something else has changed.",
} as const;

export function createDocs(document: OpenApiDocument): Router {
  // the same for everybody, until the software is another
  const shared = (response: Response) => response.set("Cache-Control", "no-cache");
  const html = (response: Response, text: string) => void shared(response).set("Content-Security-Policy", policy).type("html").send(text);
  const call = reference(document);
  const entries = Object.entries(catalogue).map(([code, { status, title, retry }]) => [
    `<a href="/problems/${code}"><code>${code}</code></a>`,
    String(status),
    escaped(title),
    retries[retry],
  ]);
  const refusals = page("OnePiao: every refusal", table(["code", "status", "", ""], entries));
  const router = Router();
  router.get("/openapi.json", (_request, response) => void shared(response).json(document));
  router.get("/docs", (_request, response) => html(response, call));
  router.get("/problems", (_request, response) => html(response, refusals));
  router.get("/problems/:code", (request, response) => {
    const code = request.params.code;
    if (!Object.hasOwn(catalogue, code)) throw new Problem("not-found", "There is no such code");
    const { status, title, retry } = catalogue[code as Code];
    html(response, page(code, `<p>${escaped(title)}.</p><p>HTTP status ${status}. ${retries[retry]}</p><p><a href="/problems">Every refusal</a></p>`));
  });
  return router;
}
