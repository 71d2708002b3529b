import { catalogue } from "@onepiao/protocol/values/problems.ts";
import { expect } from "chai";
import { z } from "zod";
import type { Tx } from "../../server/db/db.ts";
import { routeTable } from "../../server/http/route-table.ts";
import type { Route } from "../../server/kernel/api.ts";
import { pageLimit } from "../../server/kernel/page.ts";
import { call, openWorld, routes, type World } from "./fixture.ts";

/** Without it `fetch` adds "no-cache" to a conditional request, which asks for the whole answer. */
const asBrowser = { "cache-control": "max-age=0" };

describe("/openapi.json", () => {
  let world: World;
  let document: any;
  before(async function () {
    this.timeout(120_000);
    world = await openWorld();
    const answer = await call(`${world.url}/openapi.json`);
    expect(answer.status).to.equal(200);
    document = answer.json;
  });
  const operations = (): { method: string; path: string; operation: any }[] =>
    Object.entries(document.paths).flatMap(([path, item]) =>
      Object.entries(item as object).map(([method, operation]) => ({ method, path, operation })),
    );

  it("is OpenAPI 3.1 and names every route, and no other", () => {
    expect(document.openapi).to.equal("3.1.0");
    expect(document.info).to.include({ title: "OnePiao", version: "0.0.0-test" });
    const named = operations().map(({ method, path }) => `${method} ${path}`);
    expect(named).to.have.members(routes.map(({ method, path }) => `${method} ${path}`));
  });

  it("has every reference resolve", () => {
    const references: string[] = [];
    JSON.stringify(document, (name, value) => {
      if (name === "$ref") references.push(value);
      return value;
    });
    expect(references).to.include.members([
      "#/components/schemas/Problem",
      "#/components/schemas/Note",
      "#/components/schemas/Job",
      "#/components/parameters/Idempotency-Key",
    ]);
    for (const reference of references) {
      expect(reference).to.match(/^#\//);
      const target = reference
        .slice(2)
        .split("/")
        .reduce((at: any, part) => at?.[part], document);
      expect(target, reference).to.be.an("object");
    }
  });

  it("says of every operation what OpenAPI asks for", () => {
    const ids = operations().map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).to.equal(ids.length);
    expect(ids).to.include.members(["postNotes", "getNotesById", "postNotesByIdCopies", "getOpen"]);
    const tags = document.tags.map(({ name }: { name: string }) => name);
    for (const { path, method, operation } of operations()) {
      const at = `${method} ${path}`;
      expect(operation.summary, at).to.be.a("string").that.is.not.empty;
      expect(tags, at).to.include.members(operation.tags);
      const parameters = operation.parameters.map((entry: any) =>
        entry.$ref ? document.components.parameters[entry.$ref.split("/").pop()] : entry,
      );
      for (const parameter of parameters) {
        expect(["path", "query", "header"], at).to.include(parameter.in);
        expect(parameter.schema, at).to.be.an("object");
        if (parameter.in === "path") expect(parameter.required, at).to.equal(true);
      }
      const inPath = parameters
        .filter((parameter: any) => parameter.in === "path")
        .map((parameter: any) => `{${parameter.name}}`);
      expect(inPath, at).to.have.members(path.match(/\{\w+\}/g) ?? []);
      expect(
        new Set(
          parameters.map((parameter: any) => `${parameter.in} ${parameter.name.toLowerCase()}`),
        ).size,
        at,
      ).to.equal(parameters.length);
      expect(Object.keys(operation.responses), at).to.include.members([
        "400",
        "422",
        "429",
        "500",
        "503",
      ]);
      for (const [status, response] of Object.entries<any>(operation.responses)) {
        expect(status).to.match(/^[2-5]\d\d$/);
        expect(response.description, at).to.be.a("string").that.is.not.empty;
        if (Number(status) >= 400)
          expect(response.content).to.deep.equal({
            "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } },
          });
      }
      for (const scheme of operation.security.flatMap(Object.keys))
        expect(document.components.securitySchemes).to.have.property(scheme);
    }
  });

  it("asks for what the route asks for: key, Idempotency-Key, Prefer, body", () => {
    for (const route of routes) {
      const operation = document.paths[route.path][route.method];
      const at = `${route.method} ${route.path}`;
      const open = route.roles === "public";
      expect(operation.security, at).to.deep.equal(open ? [] : [{ apiKey: [] }, { session: [] }]);
      expect("401" in operation.responses && "403" in operation.responses, at).to.equal(!open);
      const named = operation.parameters.map((parameter: any) => parameter.$ref ?? parameter.name);
      expect(named.includes("#/components/parameters/Idempotency-Key"), at).to.equal(
        route.method === "post" && !open,
      );
      expect(named.includes("#/components/parameters/Prefer"), at).to.equal(
        route.settled !== undefined,
      );
      expect(Object.keys(operation.requestBody?.content ?? {}), at).to.have.members([
        ...(route.body ? ["application/json"] : []),
        ...(route.rawBody?.mediaTypes ?? []),
      ]);
      for (const [status, answer] of Object.entries(route.answers)) {
        const content = Object.keys(operation.responses[status].content ?? {});
        expect(content, at).to.have.members(
          route.produces ?? (answer.schema ? ["application/json"] : []),
        );
      }
    }
    expect(document.paths["/v1/notes"].post.requestBody.required).to.equal(true);
    expect(document.paths["/v1/notes"].post.responses["409"].description).to.contain(
      "`quota-exceeded`",
    );
    expect(
      document.paths["/v1/notes"].post.requestBody.content["application/json"].schema,
    ).to.deep.include({
      required: ["name"],
      additionalProperties: false,
    });
    const limit = document.paths["/v1/notes"].get.parameters.find(
      (parameter: any) => parameter.name === "limit",
    );
    expect(limit.schema).to.deep.include({
      type: "integer",
      minimum: 1,
      maximum: 100,
      default: 20,
    });
  });

  it("knows every code of the catalogue", () => {
    expect(document.components.schemas.Problem.properties.code.enum).to.have.members(
      Object.keys(catalogue),
    );
  });

  it("is packed for a client that accepts it, is sent once to a client that keeps it, and may be read by any origin", async () => {
    const plain = await call(`${world.url}/openapi.json`, {
      headers: { "accept-encoding": "identity" },
    });
    const packed = await call(`${world.url}/openapi.json`, {
      headers: { "accept-encoding": "gzip" },
    });
    expect(packed.headers.get("content-encoding")).to.equal("gzip");
    expect(plain.headers.get("content-encoding")).to.equal(null);
    expect(packed.json).to.deep.equal(plain.json);
    for (const { headers } of [plain, packed]) {
      expect(headers.get("cache-control")).to.equal("no-cache");
      expect(headers.get("vary")).to.equal("Accept-Encoding");
      expect(headers.get("access-control-allow-origin")).to.equal("*");
      expect(headers.get("access-control-allow-credentials")).to.equal(null);
    }
    const [tag, other] = [packed.headers.get("etag") ?? "", plain.headers.get("etag") ?? ""];
    expect(tag).to.not.equal(other);
    const again = await call(`${world.url}/openapi.json`, {
      headers: { "accept-encoding": "gzip", "if-none-match": tag, ...asBrowser },
    });
    expect([again.status, again.text]).to.deep.equal([304, ""]);
    const stale = await call(`${world.url}/openapi.json`, {
      headers: { "accept-encoding": "gzip", "if-none-match": '"x"', ...asBrowser },
    });
    expect(stale.status).to.equal(200);
  });

  it("no other answer of the API may be read by another origin", async () => {
    for (const path of ["/problems", "/v1/open", "/nothing"])
      expect(
        (await call(`${world.url}${path}`)).headers.get("access-control-allow-origin"),
        path,
      ).to.equal(null);
  });

  it("has a page for every code, where a problem's type leads", async () => {
    const all = await call(`${world.url}/problems`);
    for (const code of Object.keys(catalogue))
      expect(all.text).to.contain(`href="/problems/${code}"`);
    expect(all.text).to.not.match(/<script|https?:\/\/|src=/i);
    expect(all.headers.get("cache-control")).to.equal("no-cache");
    expect(all.headers.get("content-security-policy")).to.match(
      /^default-src 'none'; style-src 'sha256-[\w+/=]+'; base-uri 'none'.*; sandbox$/,
    );
    const refused = await call(`${world.url}/nothing`);
    const page = await call(new URL(refused.json.type, world.url).href);
    expect(page.status).to.equal(200);
    expect(page.text).to.contain("not-found").and.contain("404");
    expect((await call(`${world.url}/problems/constructor`)).status).to.equal(404);
  });
});

describe("a route that cannot be served", () => {
  const sound = {
    method: "get",
    path: "/v1/x",
    summary: "x",
    tag: "x",
    roles: ["issuer"],
    answers: { 200: { description: "x" } },
    run: async () => ({ status: 200, body: {} }),
  } as const satisfies Route<Tx>;
  const unsound: [string, Partial<Route<Tx>>, RegExp][] = [
    [
      "names in its path what its schema does not",
      { path: "/v1/x/{id}" },
      /names \{id\}, its schema \{\}/,
    ],
    ["is written in Express's way", { path: "/v1/x/:id" }, /words and \{names\}/],
    ["has no role", { roles: [] }, /no role/],
    ["writes in public", { method: "delete", roles: "public" }, /public and writes/],
    [
      "lets somebody in who is in already",
      { method: "post", signsIn: true },
      /only a public POST lets somebody in/,
    ],
    ["is a GET with a body", { body: z.string() }, /GET has no body/],
    ["has pages without bound", { query: z.object({ limit: z.coerce.number() }) }, /bound of 100/],
    ["goes on after no 202", { method: "post", settled: async () => undefined }, /202/],
    [
      "works in groups and is not a POST",
      { together: { prepare: () => undefined, run: async () => [] } } as never,
      /only a POST that has a caller/,
    ],
    ["answers nothing", { answers: {} }, /no answer/],
  ];
  for (const [label, change, fault] of unsound) {
    it(`is refused at the start: it ${label}`, () => {
      expect(() => routeTable([{ ...sound, ...change } as Route<Tx>])).to.throw(fault);
    });
  }

  it("is refused at the start: it is there twice", () => {
    expect(() => routeTable([sound, sound])).to.throw(/GET \/v1\/x: it is there twice/);
  });

  it("differs from sound ones, which stand in order: words before names", () => {
    const paths = ["/v1/a/{b}", "/v1/a/b/c", "/v1/a/b", "/v1/{a}/b"];
    const made = paths.map((path): Route<Tx> => {
      const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? "");
      return {
        ...sound,
        path,
        query: z.object({ limit: pageLimit }),
        ...(names.length > 0
          ? { params: z.object(Object.fromEntries(names.map((name) => [name, z.string()]))) }
          : {}),
      };
    });
    const order = routeTable(made).map(({ path }) => path);
    expect(order.indexOf("/v1/a/b")).to.be.lessThan(order.indexOf("/v1/a/{b}"));
    expect(order.indexOf("/v1/a/{b}")).to.be.lessThan(order.indexOf("/v1/{a}/b"));
  });
});
