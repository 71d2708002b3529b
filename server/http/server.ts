/**
 * The listening socket: how long a client may take, and how the process stops listening.
 *
 * What Node itself refuses (bytes that are not HTTP, headers past 16 KiB, a request that takes too
 * long) never reaches Express and is answered here.
 */
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { limitTime } from "./limits.ts";
import { PROBLEM_TYPE, problemAnswer } from "./problem.ts";

export type Listening = {
  url: string;
  port: number;
  /**
   * Takes no new connections, lets answers under way finish for at most `graceMs`, then closes
   * them.
   */
  close(graceMs?: number): Promise<void>;
};

/**
 * Time to read a request's headers and body. A slow sender holds nothing longer, except a stream
 * (streams.ts).
 */
const REQUEST_MS = 30_000;
const HEADERS_MS = 10_000;

export async function listen(
  app: RequestListener,
  { host, port, requestMs = REQUEST_MS }: { host: string; port: number; requestMs?: number },
): Promise<Listening> {
  let closing = false;
  const server = createServer(
    {
      requestTimeout: 0,
      headersTimeout: HEADERS_MS,
      keepAliveTimeout: 65_000,
      connectionsCheckingInterval: 5_000,
    },
    (request, response) => {
      // otherwise a busy client would keep its connection open for ever
      if (closing) response.setHeader("Connection", "close");
      limitTime(request, response, requestMs);
      app(request, response);
    },
  );
  // no limit on the count here: Node would drop further headers silently; limits.ts refuses them
  server.maxHeadersCount = 0;
  server.on("clientError", (_error, socket) => {
    if (!socket.writable) return socket.destroy();
    const { status, body } = problemAnswer(
      new Problem("malformed-request", "This is not a readable HTTP request"),
      "",
    );
    const text = JSON.stringify(body);
    socket.end(
      `HTTP/1.1 ${status} Bad Request\r\nContent-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`,
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  const { port: taken, family, address } = server.address() as AddressInfo;
  return {
    url: `http://${family === "IPv6" ? `[${address}]` : address}:${taken}`,
    port: taken,
    close: (graceMs = 10_000) =>
      new Promise((resolve) => {
        closing = true;
        const timer = setTimeout(() => server.closeAllConnections(), graceMs);
        server.close(() => {
          clearTimeout(timer);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}
