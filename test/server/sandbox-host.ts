/**
 * The sandbox answers only under the names of its own machine: it refuses a page whose own name
 * points here, on every path. The console and all other tests use 127.0.0.1 and its port.
 */
import { request } from "node:http";
import { expect } from "chai";
import { sandbox } from "./network.ts";

type Answer = { status: number; type: string; body: string };

/**
 * A request with the Host header that a browser sends if the page's own name points to this
 * machine.
 */
async function ask(
  method: "GET" | "POST",
  path: string,
  host: string,
  body?: object,
): Promise<Answer> {
  const { port } = new URL((await sandbox()).url);
  return new Promise((resolve, reject) => {
    const headers = {
      host,
      "content-type": "application/json",
      origin: `http://${host}`,
      "sec-fetch-site": "same-origin",
    };
    const sent = request({ host: "127.0.0.1", port, path, method, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      response.once("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          type: response.headers["content-type"] ?? "",
          body: text,
        }),
      );
    });
    sent.once("error", reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

describe("a sandbox, requested", () => {
  const paths: ["GET" | "POST", string][] = [
    ["GET", "/v1/sandbox/parties"],
    ["POST", "/v1/session"],
    ["GET", "/v1/claims"],
    ["POST", "/v1/verify"],
    ["GET", "/"],
    ["GET", "/docs"],
    ["GET", "/problems"],
    ["GET", "/openapi.json"],
    ["GET", "/livez"],
    ["GET", "/nothing"],
  ];

  it("under another page's name refuses every path", async () => {
    const { url, bureau } = await sandbox();
    const { port } = new URL(url);
    for (const [method, path] of paths) {
      const { status, type, body } = await ask(
        method,
        path,
        `evil.example:${port}`,
        method === "POST" ? { key: bureau.token } : undefined,
      );
      expect([status, type], path).deep.equals([421, "application/problem+json"]);
      expect(JSON.parse(body), path).includes({ code: "wrong-host", status: 421, retry: "never" });
      expect(body, path).not.includes(bureau.token);
    }
  });

  it("under a name that only looks like its own refuses too", async () => {
    const { port } = new URL((await sandbox()).url);
    const others = [
      "127.0.0.1",
      "localhost",
      "[::1]",
      `127.0.0.1:${Number(port) + 1}`,
      `localhost.evil.example:${port}`,
    ];
    const forms = [
      `127.0.0.1.evil.example:${port}`,
      `evil-localhost:${port}`,
      `0.0.0.0:${port}`,
      `127.1:${port}`,
      `localhost.:${port}`,
      `a@localhost:${port}`,
    ];
    for (const host of [...others, ...forms])
      expect((await ask("GET", "/v1/sandbox/parties", host)).status, host).equals(421);
  });

  it("by a name of its machine, with its port, answers", async () => {
    const { port } = new URL((await sandbox()).url);
    for (const host of [
      `127.0.0.1:${port}`,
      `localhost:${port}`,
      `LOCALHOST:${port}`,
      `[::1]:${port}`,
    ]) {
      expect((await ask("GET", "/v1/sandbox/parties", host)).status, host).equals(200);
      expect((await ask("GET", "/livez", host)).status, host).equals(200);
    }
  });
});
