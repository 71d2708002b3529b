import { execFile } from "node:child_process";
import { once } from "node:events";
import { type IncomingMessage, request as rawRequest } from "node:http";
import { connect } from "node:net";
import { promisify } from "node:util";
import { catalogue } from "@onepiao/protocol/values/problems.ts";
import { expect } from "chai";
import { root } from "../../scripts/run.ts";
import type { Tx } from "../../server/db/db.ts";
import { BYTES_A_REQUEST } from "../../server/http/limits.ts";
import { routeFor } from "../../server/kernel/api.ts";
import { until } from "../server/support/proxy.ts";
import { type Answered, call, openWorld, streams, type World } from "./fixture.ts";

describe("a request", () => {
  let world: World;
  let key: string;
  let account: string;
  before(async function () {
    this.timeout(120_000);
    world = await openWorld();
    ({ key, account } = await world.party("issuer"));
  });

  const post = (body: unknown, headers: Record<string, string> = {}, path = "/v1/notes") =>
    call(`${world.url}${path}`, { method: "POST", key, body, headers });
  const get = (path: string, headers: Record<string, string> = {}) =>
    call(`${world.url}${path}`, { key, headers });
  const violations = (answer: Answered): [string, string][] =>
    (answer.json.errors ?? []).map((error: { field: string; rule: string }) => [
      error.field,
      error.rule,
    ]);

  /** Every refusal has the same form: RFC 9457 with the catalogue's texts. */
  function expectProblem(answer: Answered, code: keyof typeof catalogue): void {
    expect(answer.json?.code, answer.text).to.equal(code);
    const { status, title, retry } = catalogue[code];
    expect(answer.status).to.equal(status);
    expect(answer.headers.get("content-type")).to.equal("application/problem+json");
    expect(answer.headers.get("cache-control")).to.equal("no-store");
    expect(answer.json).to.include({
      type: `/problems/${code}`,
      title,
      status,
      code,
      retry,
      requestId: answer.headers.get("x-request-id"),
    });
    expect(answer.json.detail).to.be.a("string").that.is.not.empty;
  }

  describe("that breaks rules", () => {
    it("gets a refusal with every field and rule", async () => {
      const answer = await post({
        name: "",
        amount: "1.5",
        parts: [{ size: 1 }, { size: 0, colour: "red" }, { size: "big" }],
        extra: 1,
        "a/b~c": 2,
      });
      expectProblem(answer, "invalid-request");
      expect(violations(answer)).to.have.deep.members([
        ["/name", "too-small"],
        ["/amount", "format"],
        ["/parts/1/size", "too-small"],
        ["/parts/1/colour", "unknown-member"],
        ["/parts/2/size", "type"],
        ["/extra", "unknown-member"],
        ["/a~1b~0c", "unknown-member"],
      ]);
      expect(await world.notes(account)).to.deep.equal([]);
    });

    it("gets a refusal with the missing members", async () => {
      expect(violations(await post({ parts: [{}] }))).to.have.deep.members([
        ["/name", "required"],
        ["/parts/0/size", "required"],
      ]);
      expect(violations(await post(undefined))).to.deep.equal([["", "required"]]);
      expect(violations(await post([]))).to.deep.equal([["", "type"]]);
    });

    it("keeps the members that a refusal brings, and none takes a standard member's place", async () => {
      const answer = await post({ name: "refused" });
      expectProblem(answer, "quota-exceeded");
      expect(answer.json.left).to.equal(0);
    });

    const query: [string, [string, string]][] = [
      ["?colour=red", ["?colour", "unknown-member"]],
      ["?limit=101", ["?limit", "too-big"]],
      ["?limit=0", ["?limit", "too-small"]],
      ["?limit=ten", ["?limit", "type"]],
      ["?name=a&name=b", ["?name", "type"]],
      ["?__proto__=1", ["?__proto__", "unknown-member"]],
    ];
    for (const [text, expected] of query) {
      it(`gets a refusal of its query: ${text}`, async () => {
        const answer = await get(`/v1/notes${text}`);
        expectProblem(answer, "invalid-request");
        expect(violations(answer)).to.deep.equal([expected]);
      });
    }
    it("has unknown query parameters refused also where a call takes none", async () => {
      const answer = await call(`${world.url}/v1/notes?x=1`, {
        method: "POST",
        key,
        body: { name: "x" },
      });
      expectProblem(answer, "invalid-request");
      expect(violations(answer)).to.deep.equal([["?x", "unknown-member"]]);
    });

    it("has its path checked", async () => {
      const answer = await get("/v1/notes/seven");
      expectProblem(answer, "invalid-request");
      expect(violations(answer)).to.deep.equal([["{id}", "format"]]);
      expectProblem(await get("/v1/notes/999999999"), "not-found");
    });

    for (const path of [
      "/v1/notes/%zz",
      "/v1/notes/%ff",
      "/v1/notes?name=%zz",
      "/v1/notes/%00",
      "/v1/notes?name=%00",
    ]) {
      it(`is malformed when an encoding is: ${path}`, async () =>
        expectProblem(await get(path), "malformed-request"));
    }
  });

  describe("with a body", () => {
    const malformed: [string, string | Uint8Array, string, string?][] = [
      ["that is not JSON", '{"name":"x"', "not-json"],
      ["with a comment", '{"name":"x"} // y', "not-json"],
      [
        "that is not UTF-8",
        new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
        "encoding-not-utf8",
      ],
      ["with a member twice", '{"name":"x","name":"y"}', "duplicate-member", "/name"],
      [
        "with a member twice, once escaped",
        '{"name":"x","n\\u0061me" : "y"}',
        "duplicate-member",
        "/name",
      ],
      [
        "with a member twice further in",
        '{"name":"x","parts":[{"size":1},{"size":1,"size":2}]}',
        "duplicate-member",
        "/parts/1/size",
      ],
      ["33 levels deep", `${"[".repeat(33)}${"]".repeat(33)}`, "too-deep"],
      ["thousands of levels deep", `${"[".repeat(4_900)}${"]".repeat(4_900)}`, "too-deep"],
      ["with U+0000", '{"name":"a\\u0000b"}', "not-text", "/name"],
      ["with half a surrogate pair", '{"name":"\\ud800"}', "not-text", "/name"],
      [
        "with a list of 2,001 items",
        `{"name":"x","parts":[${Array.from({ length: 2_001 }, () => "0").join()}]}`,
        "too-many-items",
        "/parts",
      ],
    ];
    for (const [label, body, rule, field = ""] of malformed) {
      it(`${label} is malformed`, async () => {
        const answer = await post(body);
        expectProblem(answer, "malformed-request");
        expect(violations(answer)).to.deep.equal([[field, rule]]);
      });
    }

    it("with many unknown members gets a short answer that names twenty", async () => {
      const long = "m".repeat(350);
      const many = Array.from({ length: 25 }, (_, at) => `"${long}${at}":0`).join();
      const answer = await post(`{${many}}`);
      expectProblem(answer, "invalid-request");
      const rules = violations(answer).map(([, rule]) => rule);
      expect(rules).to.deep.equal([
        "required",
        ...Array.from({ length: 19 }, () => "unknown-member"),
      ]);
      expect(answer.text.length).to.be.below(65_536);
    });

    it("that is odd and right is read", async () => {
      for (const body of [
        '\n{ "name" : "{[\\"]}" }\t',
        '{"name":"\\ud83d\\ude00","parts":[{"size":1},{"size":1}]}',
        `{"name":"${"\\n".repeat(20)}"}`,
      ]) {
        const answer = await post(body, { "content-type": 'Application/JSON; charset="UTF-8"' });
        expect(answer.status, answer.text).to.equal(201);
      }
      // exactly as deep as may be: well-formed, and wrong for another reason
      expectProblem(await post(`${"[".repeat(32)}${"]".repeat(32)}`), "invalid-request");
    });

    it("of another media type gets the list of types that are read", async () => {
      for (const type of ["text/plain", "application/xml", "application/json; charset=gbk", ""]) {
        const answer = await post('{"name":"x"}', { "content-type": type });
        expectProblem(answer, "unsupported-media-type");
        expect(answer.headers.get("accept-post")).to.equal("application/json");
      }
      const ndjson = await post('{"name":"x"}', {}, "/v1/notes/batch");
      expectProblem(ndjson, "unsupported-media-type");
      expect(ndjson.headers.get("accept-post")).to.equal("application/x-ndjson");
      const packed = await post('{"name":"x"}', { "content-encoding": "gzip" });
      expectProblem(packed, "unsupported-media-type");
      expect(packed.headers.get("accept-encoding")).to.equal("identity");
    });

    it("where none is read is refused, unless it says nothing", async () => {
      const path = "/v1/notes/7/copies";
      expect((await post(undefined, {}, path)).status).to.equal(201);
      expect((await post("{ }", {}, path)).status).to.equal(201);
      expectProblem(await post({ name: "x" }, {}, path), "invalid-request");
    });

    it("as large as allowed is read, one byte more is refused", async () => {
      const fill = (size: number) => `{"name":"x"${" ".repeat(size - 12)}}`;
      expect((await post(fill(10_000))).status).to.equal(201);
      const answer = await post(fill(10_001));
      expectProblem(answer, "body-too-large");
      expect(answer.json.maxBytes).to.equal(10_000);
    });

    it("that never says how large it is is refused when it grows too large, and the client gets to read so", async () => {
      // far more than fits into the buffers of a socket: the rest must be read, or the client could
      // never finish
      const sending = rawRequest(`${world.url}/v1/notes`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${key}`,
          "content-type": "application/json",
          "idempotency-key": "chunks",
        },
      });
      const sent = once(sending, "finish");
      const received = once(sending, "response") as Promise<[IncomingMessage]>;
      for (let i = 0; i < 400; i++) sending.write(Buffer.alloc(100_000, 32));
      sending.end();
      const [response] = await received;
      const answer = {
        status: response.statusCode,
        text: Buffer.concat(await response.toArray()).toString(),
      };
      await sent;
      expect(answer.status, answer.text).to.equal(413);
      expect(JSON.parse(answer.text).code).to.equal("body-too-large");
    });
  });

  describe("whose connection closes after the answer, in the middle of the body", () => {
    it("does not keep the gateway's process alive", async () => {
      // its bound is an hour: what is left of the request would hold the process for so long
      const program = `
        import { once } from "node:events";
        import { connect } from "node:net";
        import { listen } from "./server/http/server.ts";
        const where = { host: "127.0.0.1", port: 0, requestMs: 3_600_000 };
        const { port, close } = await listen((_request, response) => response.end("early"), where);
        const socket = connect(port, where.host);
        socket.write("POST / HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 10\\r\\n\\r\\nhalf");
        const [answer] = await once(socket, "data");
        socket.destroy();
        await close();
        console.log(String(answer).split("\\r\\n")[0]);`;
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ["--input-type=module", "--eval", program],
        { cwd: root, timeout: 60_000 },
      );
      expect(stdout).to.equal("HTTP/1.1 200 OK\n");
    });
  });

  describe("for a missing resource", () => {
    it("gets a refusal, with or without a key", async () => {
      for (const path of [
        "/",
        "/v1",
        "/v1/notes/",
        "/V1/notes",
        "/v1/notess",
        "/v1/notes/7/",
        "/.env",
        "//v1/notes",
      ]) {
        expectProblem(await get(path), "not-found");
        expectProblem(await call(`${world.url}${path}`), "not-found");
      }
    });

    it("with another method gets the list of methods", async () => {
      for (const [method, path, allow] of [
        ["PATCH", "/v1/notes", "GET, POST, HEAD, OPTIONS"],
        ["DELETE", "/v1/notes", "GET, POST, HEAD, OPTIONS"],
        ["GET", "/v1/notes/batch", "POST, OPTIONS"],
        ["POST", "/v1/notes/7", "GET, PUT, DELETE, HEAD, OPTIONS"],
      ] as const) {
        const answer = await call(`${world.url}${path}`, { method, key });
        expectProblem(answer, "method-not-allowed");
        expect(answer.headers.get("allow")?.split(", ")).to.have.members(allow.split(", "));
      }
    });

    it("with another media type gets the list of types", async () => {
      const { json } = await post({ name: "served" });
      const path = `/v1/notes/${json.id}`;
      const answer = await get(path, { accept: "image/png" });
      expectProblem(answer, "not-acceptable");
      expect(answer.json.available).to.deep.equal([
        "application/json",
        "text/plain",
        "application/pdf",
      ]);
      expect((await get(path)).json).to.deep.equal({ id: json.id, name: "served" });
      expect((await get(path, { accept: "text/*;q=0.5, application/json;q=0.1" })).text).to.equal(
        "served",
      );
      const pdf = await fetch(`${world.url}${path}`, {
        headers: { authorization: `Bearer ${key}`, accept: "application/pdf" },
      });
      expect(pdf.headers.get("content-type")).to.equal("application/pdf");
      expect([...new Uint8Array(await pdf.arrayBuffer())]).to.deep.equal([37, 80, 68, 70, 0, 255]);
    });

    it("HEAD is GET without its body; OPTIONS names the methods and opens nothing to other origins", async () => {
      const head = await fetch(`${world.url}/v1/notes`, {
        method: "HEAD",
        headers: { authorization: `Bearer ${key}` },
      });
      expect([head.status, await head.text()]).to.deep.equal([200, ""]);
      expect(Number(head.headers.get("content-length"))).to.be.greaterThan(2);
      const options = await fetch(`${world.url}/v1/notes`, {
        method: "OPTIONS",
        headers: { origin: "https://elsewhere.example", "access-control-request-method": "POST" },
      });
      expect(options.status).to.equal(204);
      expect(options.headers.get("allow")).to.contain("POST");
      expect(
        [...options.headers.keys()].filter((name) => name.startsWith("access-control")),
      ).to.deep.equal([]);
    });
  });

  describe("with any outcome", () => {
    it("has security headers and no word of what serves it", async () => {
      for (const path of ["/v1/open", "/v1/notes", "/nothing", "/livez"]) {
        const { headers } = await call(`${world.url}${path}`);
        expect(headers.get("x-powered-by")).to.equal(null);
        expect(headers.get("content-security-policy")).to.equal(
          "sandbox;default-src 'none';form-action 'none';base-uri 'none';frame-ancestors 'none'",
        );
        expect(headers.get("x-frame-options")).to.equal("DENY");
        expect(headers.get("permissions-policy")).to.equal(
          "camera=(), microphone=(), geolocation=()",
        );
        expect(headers.get("x-content-type-options")).to.equal("nosniff");
        expect(headers.get("strict-transport-security")).to.match(/max-age=\d+/);
        expect(headers.get("cache-control")).to.equal("no-store");
        expect(headers.get("access-control-allow-origin")).to.equal(null);
      }
    });

    it("has an id: its own if that is one, or a new one", async () => {
      expect(
        (await get("/v1/notes", { "x-request-id": "till-7.0042_a" })).headers.get("x-request-id"),
      ).to.equal("till-7.0042_a");
      for (const id of ["two words", "x".repeat(65), "<script>", "a,b"]) {
        expect(
          (await get("/v1/notes", { "x-request-id": id })).headers.get("x-request-id"),
        ).to.match(/^[0-9a-f-]{36}$/);
      }
    });

    it("with a crowd of headers is refused", async () => {
      const crowd = Object.fromEntries(Array.from({ length: 70 }, (_, i) => [`x-${i}`, "1"]));
      expectProblem(await get("/v1/notes", crowd), "malformed-request");
    });

    for (const [label, bytes] of [
      ["no HTTP", "hello\r\n\r\n"],
      [
        "headers past 16 KiB",
        `GET /v1/open HTTP/1.1\r\nHost: x\r\nX-Long: ${"x".repeat(20_000)}\r\n\r\n`,
      ],
      [
        "two lengths",
        "POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
      ],
    ] as const) {
      it(`that is ${label} is answered with a problem and the connection closed`, async () => {
        const text = await new Promise<string>((resolve, reject) => {
          const socket = connect(Number(new URL(world.url).port), "127.0.0.1", () =>
            socket.write(bytes),
          );
          let all = "";
          socket
            .on("data", (chunk) => (all += chunk))
            .on("end", () => resolve(all))
            .on("error", reject);
        });
        expect(text).to.match(/^HTTP\/1\.1 400 /);
        expect(JSON.parse(text.split("\r\n\r\n")[1] ?? "").code).to.equal("malformed-request");
      });
    }

    it("fails on the server's side without showing the cause", async () => {
      const answer = await post({ name: "crash" });
      expectProblem(answer, "internal");
      expect(answer.text).to.not.contain("words of its own").and.not.contain(".ts");
    });
  });

  describe("of many", () => {
    it("is turned away with Retry-After when its key is used too often; other keys are not", async () => {
      const { url } = await world.app({
        config: {
          MAX_BODY_BYTES: 10_000,
          RATE_PER_MINUTE: 3,
          PUBLIC_RATE_PER_MINUTE: 1_000,
          WAIT_MAX_SECONDS: 1,
        },
      });
      const busy = await world.party("issuer");
      const calm = await world.party("issuer");
      const statuses: number[] = [];
      for (let i = 0; i < 5; i++) {
        const answer = await call(`${url}/v1/notes`, {
          method: "POST",
          key: busy.key,
          body: { name: `n${i}` },
        });
        statuses.push(answer.status);
        if (answer.status !== 429) continue;
        expectProblem(answer, "rate-limited");
        expect(Number(answer.headers.get("retry-after"))).to.be.within(1, 60);
      }
      expect(statuses).to.deep.equal([201, 201, 201, 429, 429]);
      expect(await world.notes(busy.account)).to.have.length(3);
      expect((await call(`${url}/v1/notes`, { key: calm.key })).status).to.equal(200);
    });

    it("without a good key counts for more when its body is large, and for most when it does not say how large it is", async () => {
      const taking = routeFor<Tx>()({
        method: "post",
        path: "/v1/taking",
        summary: "Takes bytes",
        tag: "open",
        roles: "public",
        rawBody: { mediaTypes: ["application/octet-stream", "application/pdf"] },
        answers: { 200: { description: "Taken" } },
        run: async () => ({ status: 200, body: {} }),
      });
      const config = {
        MAX_BODY_BYTES: 3 * BYTES_A_REQUEST,
        RATE_PER_MINUTE: 1_000,
        PUBLIC_RATE_PER_MINUTE: 6,
        WAIT_MAX_SECONDS: 1,
      };
      const send = async (
        url: string,
        size: number,
        chunked = false,
        type = "application/octet-stream",
      ) => {
        const bytes = new Uint8Array(size);
        const body = chunked ? new Blob([bytes]).stream() : bytes;
        const init = {
          method: "POST",
          headers: { "content-type": type },
          body,
          duplex: "half",
        } as RequestInit;
        return (await fetch(`${url}/v1/taking`, init)).status;
      };
      // a small one; one that counts for three; then one and one more; a PDF's worth of small ones
      // is what a PDF counts for
      const small = await world.app({ routes: [taking], config });
      expect([await send(small.url, 10), await send(small.url, 2 * BYTES_A_REQUEST)]).to.deep.equal(
        [200, 200],
      );
      expect([
        await send(small.url, 10),
        await send(small.url, BYTES_A_REQUEST - 1),
        await send(small.url, 1),
      ]).to.deep.equal([200, 200, 429]);
      const packed = await world.app({ routes: [taking], config });
      const pdf = () => send(packed.url, 10, false, "application/pdf");
      expect([await pdf(), await pdf(), await pdf()]).to.deep.equal([200, 200, 429]);
      const unsaid = await world.app({ routes: [taking], config });
      expect([
        await send(unsaid.url, 10, true),
        await send(unsaid.url, 10, true),
        await send(unsaid.url, 10),
      ]).to.deep.equal([200, 200, 429]);
    });

    it("without a good key is counted by its address; a good key is still served", async () => {
      const { url } = await world.app({
        config: {
          MAX_BODY_BYTES: 10_000,
          RATE_PER_MINUTE: 1_000,
          PUBLIC_RATE_PER_MINUTE: 4,
          WAIT_MAX_SECONDS: 1,
        },
      });
      const statuses = [];
      for (const path of [
        "/v1/open",
        "/v1/notes",
        "/nothing",
        "/problems",
        "/v1/open",
        "/v1/notes",
        "/nothing",
        "/openapi.json",
      ])
        statuses.push(
          (
            await call(`${url}${path}`, {
              headers: { "x-forwarded-for": `10.0.0.${statuses.length}` },
            })
          ).status,
        );
      expect(statuses).to.deep.equal([200, 401, 404, 200, 429, 429, 429, 429]);
      expect((await call(`${url}/v1/notes`, { key })).status).to.equal(200);
      expect((await call(`${url}/livez`)).status).to.equal(200);
    });
  });

  describe("for a stream", () => {
    it("is served as it comes, without the key, and ended when the client goes", async () => {
      const before = { ...streams };
      const client = new AbortController();
      const response = await fetch(`${world.url}/v1/stream`, {
        headers: { authorization: `Bearer ${key}`, "last-event-id": "41" },
        signal: client.signal,
      });
      expect(response.headers.get("content-type")).to.equal("text/event-stream");
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      const first = await reader.read();
      expect(Buffer.from(first.value ?? []).toString()).to.equal("data: after 41, undefined\n\n");
      expect(Buffer.from((await reader.read()).value ?? []).toString()).to.contain("data: more");
      expect(streams.open - before.open).to.equal(1);
      client.abort();
      await until("it is closed", () => streams.closed > before.closed);
      expect(streams.closed - before.closed).to.equal(1);
    });

    it("ends when the process stops", async () => {
      const stopping = new AbortController();
      const socket = await world.app({ stopping: stopping.signal });
      const response = await fetch(`${socket.url}/v1/stream`, {
        headers: { authorization: `Bearer ${key}` },
      });
      setTimeout(() => stopping.abort(), 50);
      expect(await response.text()).to.contain("data: more");
      await socket.close();
    });
  });

  describe("of an operator", () => {
    it("learns whether the process lives and whether it can work", async () => {
      expect((await call(`${world.url}/livez`)).json).to.deep.equal({ ok: true });
      expect((await call(`${world.url}/readyz`)).json).to.deep.equal({
        ok: true,
        checks: { database: { ok: true } },
      });
      let asked = 0;
      const checks = {
        database: { ok: true },
        chain: { ok: false, detail: "the node is 12 blocks behind" },
      };
      const { url } = await world.app({
        readiness: async () => {
          asked++;
          return { ok: false, checks };
        },
      });
      const answers = await Promise.all(Array.from({ length: 10 }, () => call(`${url}/readyz`)));
      for (const answer of answers)
        expect([answer.status, answer.json]).to.deep.equal([503, { ok: false, checks }]);
      expect(asked).to.equal(1);
    });

    it("gets a negative answer when the check itself breaks, without the reason", async () => {
      const { url } = await world.app({
        readiness: () => Promise.reject(new Error("postgres://user:password@db")),
      });
      const answer = await call(`${url}/readyz`);
      expect([answer.status, answer.text]).to.deep.equal([503, '{"ok":false,"checks":{}}']);
    });
  });

  describe("in the log", () => {
    it("shows its id, its route and its outcome, and neither key, path, query, header nor body", async () => {
      const requestId = `log-${Date.now()}`;
      const { json } = await post({ name: "logged-name" });
      await get(`/v1/notes/${json.id}?secretquery=1`, {
        "x-request-id": requestId,
        cookie: "session=cookiesecret",
        "x-other": "othersecret",
      });
      await get("/v1/notes/%zz?total=188.68");
      await post({ name: "unique" });
      await post({ name: "crash" });
      const last = `last-${Date.now()}`;
      await call(`${world.url}/v1/notes`, {
        headers: { authorization: "Bearer guessedguessed.guessedsecret", "x-request-id": last },
      });
      await until("the last is logged", () => world.log().includes(last));
      const text = world.log();
      const lines = text
        .split("\n")
        .filter((line) => line.includes(`"${requestId}"`))
        .map((line) => JSON.parse(line));
      expect(lines).to.have.length(1);
      expect(lines[0]).to.include({
        method: "GET",
        route: "/v1/notes/{id}",
        status: 422,
        code: "invalid-request",
        key: key.split(".")[0],
        requestId,
      });
      expect(lines[0].milliseconds).to.be.a("number");
      for (const secret of [
        key,
        key.split(".")[1] ?? key,
        "logged-name",
        "secretquery",
        "cookiesecret",
        "othersecret",
        "188.68",
        "guessedsecret",
        "classified-row",
        account,
        "authorization",
      ])
        expect(text, secret).to.not.contain(secret);
    });

    it("shows the place of a fault of the server", async () => {
      const answer = await post({ name: "crash" }, { "x-request-id": "crash-1" });
      expect(answer.status).to.equal(500);
      const line = world
        .log()
        .split("\n")
        .map((each) => (each ? JSON.parse(each) : {}))
        .find((each) => each.requestId === "crash-1" && each.error);
      expect(line.error.message).to.equal("the crash has words of its own");
      expect(line.error.place).to.contain("fixture.ts");
      expect(line.level).to.equal(50);
    });

    it("says of a row that the database refused which rule it broke, not what it held", async () => {
      await post({ name: "unique" }, { "x-request-id": "unique-1" });
      const line = world
        .log()
        .split("\n")
        .map((each) => (each ? JSON.parse(each) : {}))
        .find((each) => each.requestId === "unique-1" && each.error);
      expect(line.error).to.include({
        kind: "DatabaseError",
        code: "23505",
        constraint: "notes_pkey",
        table: "notes",
      });
    });
  });
});
