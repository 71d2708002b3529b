/** The console's client before a server that answers as gateways, proxies and broken lines do. */
import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { createApi, onSessionEnded, Refusal, setCsrf } from "../../console/src/shared/client.ts";
import { createIntentions } from "../../console/src/shared/intentions.ts";

const problem = {
  type: "about:blank",
  title: "Not now",
  status: 409,
  detail: "The invoice is claimed",
  code: "already-claimed",
  retry: "never",
  requestId: "r-1",
  errors: [{ field: "/to", rule: "known-account", detail: "nobody" }],
};
type Answer = (response: ServerResponse) => void;
const text =
  (status: number, type: string, body: string): Answer =>
  (response) =>
    response.writeHead(status, { "Content-Type": type }).end(body);
const json = (status: number, body: unknown): Answer =>
  text(status, "application/json", JSON.stringify(body));
/** Half of an answer, and then nothing any more. */
const half =
  (status: number): Answer =>
  (response) => {
    response.writeHead(status, { "Content-Type": "application/json", "Content-Length": "1000" });
    response.write('{"number":"2644', () => response.destroy());
  };

describe("the console's client", () => {
  let server: Server;
  let answer: Answer = json(200, {});
  let api: ReturnType<typeof createApi>;
  let url: string;
  let requests: {
    method: string;
    path: string;
    key: string | undefined;
    csrf: string | undefined;
  }[] = [];
  before(async () => {
    server = createServer((request, response) => {
      const header = (name: string) => request.headers[name] as string | undefined;
      requests.push({
        method: request.method ?? "",
        path: request.url ?? "",
        key: header("idempotency-key"),
        csrf: header("x-csrf-token"),
      });
      request.resume().on("end", () => answer(response));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    api = createApi(url);
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  beforeEach(() => {
    requests = [];
  });
  afterEach(() => {
    setCsrf(undefined);
    onSessionEnded(() => {});
  });

  const get = () => api.ask("GET /v1/claims");
  const refusal = async (call: Promise<unknown>): Promise<Refusal> => {
    const error = await call.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).to.be.instanceOf(Refusal);
    return error as Refusal;
  };

  it("gives an answer's body, and its headers to who asks for them", async () => {
    answer = (response) =>
      response
        .writeHead(200, { "Content-Type": "application/json", "Idempotency-Replayed": "true" })
        .end('{"items":[]}');
    expect(await get()).deep.equals({ items: [] });
    const { body, replayed } = await api.answerOf("GET /v1/claims");
    expect([body, replayed]).deep.equals([{ items: [] }, true]);
    answer = (response) => response.writeHead(204).end();
    expect(await get()).equals(undefined);
  });

  it("says of a refusal what the gateway says", async () => {
    answer = json(409, problem);
    const error = await refusal(get());
    expect([error.code, error.status, error.message, error.passing]).deep.equals([
      "already-claimed",
      409,
      "The invoice is claimed",
      false,
    ]);
    expect(error.problem).deep.equals(problem);
    answer = json(503, { ...problem, code: "unavailable", retry: "same-key", errors: undefined });
    expect((await refusal(get())).passing).equals(true);
  });

  const others: [label: string, answer: Answer, status: number][] = [
    ["a proxy's page", text(502, "text/html", "<html>Bad Gateway</html>"), 502],
    [
      "a proxy's JSON with a code of its own",
      json(504, { code: "UPSTREAM_TIMEOUT", message: "no" }),
      504,
    ],
    ["a problem without its retry", json(409, { ...problem, retry: undefined }), 409],
    ["a problem whose errors are not a list", json(422, { ...problem, errors: "many" }), 422],
    ["a problem with half an error", json(422, { ...problem, errors: [{ field: "/to" }] }), 422],
    ["null", json(500, null), 500],
    ["a number", json(500, 5), 500],
    ["an empty refusal", text(500, "application/problem+json", ""), 500],
    ["half a refusal", half(409), 409],
    [
      "a page in place of an answer",
      text(200, "text/html", "<html>sign in to the wifi</html>"),
      200,
    ],
    ["half an answer", half(201), 201],
  ];
  for (const [label, answered, status] of others)
    it(`cannot read ${label}, and does not know the outcome of the work`, async () => {
      answer = answered;
      const error = await refusal(get());
      expect([error.code, error.status, error.passing]).deep.equals(["unreadable", status, true]);
      expect(error.message).not.equals("");
    });

  for (const [label, answered] of [others[0], others[10]] as typeof others)
    it(`sends the same work under the same key after ${label}`, async () => {
      const run = createIntentions();
      const send = () =>
        run("claim", (header) =>
          api.ask("POST /v1/claims", { ...header, body: { employer: "x", invoices: [] } }),
        );
      answer = answered;
      await refusal(send());
      answer = json(201, { id: "1" });
      expect(await send()).deep.equals({ id: "1" });
      expect(requests.map(({ method, path }) => `${method} ${path}`)).deep.equals([
        "POST /v1/claims",
        "POST /v1/claims",
      ]);
      expect(requests[1]?.key)
        .equals(requests[0]?.key)
        .and.to.match(/^[0-9a-f]{32}$/);
    });

  it("knows of no answer when nobody listens, or the line breaks before it", async () => {
    answer = (response) => response.destroy();
    const error = await refusal(get());
    expect([error.code, error.passing]).deep.equals(["offline", true]);
  });

  it("sends the session's token with what changes something alone", async () => {
    answer = json(200, {});
    setCsrf("t-1");
    await get();
    await api.ask("DELETE /v1/session");
    setCsrf(undefined);
    await api.ask("DELETE /v1/session");
    expect(requests.map(({ csrf }) => csrf)).deep.equals([undefined, "t-1", undefined]);
  });

  it("tells that the session is over, but not when it is asked whether there is one", async () => {
    let ended = 0;
    onSessionEnded(() => {
      ended += 1;
    });
    answer = json(401, { ...problem, status: 401, code: "unauthenticated" });
    await refusal(api.ask("GET /v1/session"));
    expect(ended).equals(0);
    await refusal(get());
    await refusal(api.fetchFile(`/v1/invoices/1`));
    expect(ended).equals(2);
  });

  it("fetches a file whole, or says that it did not", async () => {
    answer = text(200, "application/pdf", "%PDF-1.7");
    expect(await (await api.fetchFile(`/x`)).text()).equals("%PDF-1.7");
    answer = json(404, { ...problem, status: 404, code: "not-found" });
    expect((await refusal(api.fetchFile(`/x`))).code).equals("not-found");
    answer = half(200);
    expect((await refusal(api.fetchFile(`/x`))).code).equals("unreadable");
    answer = (response) => response.destroy();
    expect((await refusal(api.fetchFile(`/x`))).code).equals("offline");
  });

  it("keeps a code that a newer gateway has and this console has no words for", async () => {
    answer = json(418, { ...problem, code: "brand-new" });
    const error = await refusal(get());
    expect([error.code, error.status]).deep.equals(["brand-new", 418]);
  });
});
