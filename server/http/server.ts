/**
 * The listening socket: how long a client may take, and how the process lets go of it.
 *
 * What Node itself refuses (bytes that are no HTTP, headers past 16 KiB, a request that takes too
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
  /** Takes no new connections, lets answers under way go out for at most `graceMs`, then cuts. */
  close(graceMs?: number): Promise<void>;
};

/**
 * Reading a request's body, and its headers; a slow sender holds nothing longer, but for a stream
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
      // a busy client on a kept-alive connection would otherwise never let go
      if (closing) response.setHeader("Connection", "close");
      limitTime(request, response, requestMs);
      app(request, response);
    },
  );
  // no count of headers here: Node would drop the rest silently; limits.ts refuses
  server.maxHeadersCount = 0;
  server.on("clientError", (_error, socket) => {
    if (!socket.writable) return socket.destroy();
    const { status, body } = problemAnswer(
      new Problem("malformed-request", "This is no HTTP request that can be read"),
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
