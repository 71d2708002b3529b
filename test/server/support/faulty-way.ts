/**
 * A faulty network between a client and a gateway: passes requests on, with the faults that a test
 * sets.
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * cut: the connection breaks before the gateway sees the request. lose: the gateway does the work
 * and the connection breaks. half: it breaks in the middle of the answer. status: an intermediary
 * answers, with a page of HTML.
 */
export type Fault = "cut" | "lose" | "half" | { status: number; headers?: Record<string, string> };
export type Seen = { method: string; path: string; headers: IncomingHttpHeaders; at: number };

/** Headers of the connection itself are not passed on. */
const own = ["host", "connection", "keep-alive", "content-length", "transfer-encoding"];
const passedOn = (headers: Iterable<[string, string]>): Record<string, string> =>
  Object.fromEntries([...headers].filter(([name]) => !own.includes(name)));

export async function startFaultyWay(target: string) {
  const way = {
    url: "",
    /** Faults of the next requests, in order; after the last fault, requests pass. */
    faults: [] as Fault[],
    /** Requests from the client, in order. */
    seen: [] as Seen[],
    /** Called with each request before the proxy handles it. */
    heard: (_seen: Seen): void => {},
    async close() {
      server.close();
      server.closeAllConnections();
    },
  };
  const bodyOf = async (request: IncomingMessage) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  };
  const server = createServer(async (request, response) => {
    const body = await bodyOf(request);
    const { method = "", url: path = "", headers } = request;
    const seen = { method, path, headers, at: performance.now() };
    way.seen.push(seen);
    way.heard(seen);
    const fault = way.faults.shift();
    if (fault === "cut") return void response.destroy();
    if (typeof fault === "object") {
      response.writeHead(fault.status, { "content-type": "text/html", ...fault.headers });
      return void response.end("<h1>Bad gateway</h1>");
    }
    const answer = await fetch(target + path, {
      method,
      headers: passedOn(Object.entries(headers) as [string, string][]),
      ...(body.length === 0 ? {} : { body }),
    });
    const bytes = Buffer.from(await answer.arrayBuffer());
    if (fault === "lose") return void response.destroy();
    response.writeHead(answer.status, {
      ...passedOn(answer.headers),
      "content-length": bytes.length,
    });
    if (fault !== "half") return void response.end(bytes);
    response.write(bytes.subarray(0, bytes.length / 2), () => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  way.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return way;
}
